"""Complexes with parameters, their relaxed states and binding-energy terms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dockkit.core.errors import EnergyError
from dockkit.core.model.base import FloatArray, IntArray, StateName, StrArray, freeze
from dockkit.core.model.ligands import LigandParameters
from dockkit.core.model.proteins import Receptor


@dataclass(frozen=True, slots=True)
class Assembly:
    """A receptor and a ligand with the parameters of every atom; receptor atoms first, then the ligand's.

    Parameters
    ----------
    receptor : Receptor
    ligand : str
        Ligand name.
    ligand_elements : (n_ligand_atoms,) str
    parameters : LigandParameters
        Of the whole complex, in that atom order.
    born_radii, born_scales : (n_atoms,) float
        Intrinsic generalised-Born radii (Angstrom) and HCT screening factors.
    """

    receptor: Receptor
    ligand: str
    ligand_elements: StrArray
    parameters: LigandParameters
    born_radii: FloatArray
    born_scales: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = self.receptor.n_atoms + len(self.ligand_elements)
        freeze(self, "ligand_elements", str, (None,))
        freeze(self, "born_radii", np.float64, (n,))
        freeze(self, "born_scales", np.float64, (n,))
        if self.parameters.n_atoms != n:
            raise EnergyError(
                f"{self.receptor.name} with {self.ligand}: {self.parameters.n_atoms} parameters for {n} atoms"
            )

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the complex."""
        return self.parameters.n_atoms

    @property
    def elements(self) -> StrArray:
        """Element symbols of the complex, (n_atoms,) str."""
        return np.concatenate([self.receptor.elements, self.ligand_elements])

    @property
    def atom_residue(self) -> IntArray:
        """Residue index of every atom, (n_atoms,) int; the ligand's is ``receptor.n_residues``."""
        ligand = np.full(len(self.ligand_elements), self.receptor.n_residues, dtype=np.int64)
        return np.concatenate([self.receptor.atom_residue, ligand])


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an assembly that is simulated: a mobile shell in a frozen surrounding.

    Parameters
    ----------
    atoms : (n,) int
        Indices into the assembly, ascending; whole residues.
    mobile : (n,) bool
        Which of them may move.
    residues : (m,) int
        Receptor residues kept.
    mobile_residues : (k,) int
        Receptor residues free to move.
    """

    atoms: IntArray
    mobile: NDArray[np.bool_]
    residues: IntArray
    mobile_residues: IntArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "atoms", np.int64, (None,))
        freeze(self, "mobile", np.bool_, (len(self.atoms),))
        freeze(self, "residues", np.int64, (None,))
        freeze(self, "mobile_residues", np.int64, (None,))


@dataclass(frozen=True, slots=True)
class Stiffness:
    """What holds a region together, for a minimiser that knows its stiff directions.

    Parameters
    ----------
    parameters : LigandParameters
        Of the region's n atoms, indices into the region; bonded terms of at least one mobile atom.
    restraints : (n,) float
        Harmonic constants on places (energy k r^2), kcal/mol/A^2.
    """

    parameters: LigandParameters
    restraints: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "restraints", np.float64, (self.parameters.n_atoms,))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its standard error; ``n`` is the number of independent values behind it."""

    value: float
    sem: float
    n: int = 1


TERM_NAMES = ("vdw", "coulomb", "gb", "surface")
"""MM-GBSA terms of a binding energy, in column order."""

STATE_TERM_NAMES = (*TERM_NAMES, "strain")
"""The same of a relaxed state, with what ligand and receptor would gain by relaxing without each other."""


@dataclass(frozen=True, slots=True)
class ComplexState:
    """One state (wild type or mutant) of a complex, relaxed, with its binding-energy terms.

    Parameters
    ----------
    state : {"wild-type", "mutant"}
    variant : str
        Label of the variant, e.g. ``T315I``.
    receptor : Receptor
        Relaxed receptor of the conformer with the lowest energy, the geometry shown.
    ligand : str
        Ligand name.
    ligand_coordinates : (n_ligand_atoms, 3) float
        Angstrom, of the same geometry.
    terms : (n_geometries, 5) float
        vdw, coulomb, gb, surface of E(complex) - E(receptor) - E(ligand) at one geometry, and the strain of receptor
        and ligand (the ligand's against the common start of every state), kcal/mol, one row per relaxed geometry.
    per_residue : (n_residues, 3) float
        Each residue's direct interaction with the ligand, weighted mean over the main conformers: vdw, coulomb, gb
        (screening), kcal/mol. ``desolvation`` holds what cannot be assigned to a residue pair.
    desolvation : float
        What belongs to no pair: change of GB self-energies, surface, strain and minor conformers, kcal/mol;
        per_residue + desolvation = the weighted mean of the terms' sums.
    start_labels : tuple of str
        How each geometry was made (rotamer, start).
    warnings : tuple of str
    weights : (n_geometries,) float
        Adding up to 1; equal ones by default.
    conformers : (n_geometries,) int
        Which conformer of the mutated side chains each geometry holds; one for all by default.
    """

    state: StateName
    variant: str
    receptor: Receptor
    ligand: str
    ligand_coordinates: FloatArray
    terms: FloatArray
    per_residue: FloatArray
    desolvation: float
    start_labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    weights: FloatArray = field(default_factory=lambda: np.zeros(0))
    conformers: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = len(self.terms)
        if n and not len(self.weights):
            object.__setattr__(self, "weights", np.full(n, 1.0 / n))
        if n and not len(self.conformers):
            object.__setattr__(self, "conformers", np.zeros(n, dtype=np.int64))
        try:
            freeze(self, "ligand_coordinates", np.float64, (None, 3))
            freeze(self, "terms", np.float64, (None, len(STATE_TERM_NAMES)))
            freeze(self, "weights", np.float64, (n,))
            freeze(self, "conformers", np.int64, (n,))
            freeze(self, "per_residue", np.float64, (self.receptor.n_residues, 3))
        except ValueError as error:
            raise EnergyError(f"{self.variant} with {self.ligand}: {error}") from error
        if not np.isfinite(self.terms).all():
            raise EnergyError(f"{self.variant} with {self.ligand}: an energy term is not finite")
        if n and not np.isclose(self.weights.sum(), 1.0):
            raise EnergyError(f"{self.variant} with {self.ligand}: the weights add up to {self.weights.sum():g}, not 1")

    @property
    def mean_terms(self) -> FloatArray:
        """Weighted mean of the terms, (5,) float, kcal/mol."""
        return np.asarray(self.weights @ self.terms)
