"""Molecules, their parameters and where they stand in a receptor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dockkit.core.errors import LigandError
from dockkit.core.model.base import BindingType, FloatArray, IntArray, StrArray, freeze


@dataclass(frozen=True, slots=True)
class LigandEntry:
    """What the catalogue knows of one ligand.

    ``smiles`` is the uncharged compound, ``smiles_ph74`` the protonation state that is modelled (pH 7.4);
    ``synonyms`` are codes and PDB het codes by which the ligand can also be asked for.
    """

    name: str
    smiles: str
    targets: tuple[str, ...] = ()
    generation: str = ""
    binding_type: BindingType = "unknown"
    atp_competitive: bool = True
    covalent_residue: str = ""
    status: str = ""
    source: str = ""
    smiles_ph74: str = ""
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ligand:
    """One molecule in one protonation state, all hydrogens explicit, in 3-D.

    Parameters
    ----------
    name : str
        Label used in tables and file names.
    smiles : str
        Canonical isomeric SMILES of this protonation state.
    mol_block : str
        V2000 mol block with every hydrogen and the Kekule bond orders; its atom order is the record's.
    elements : (n_atoms,) str
        Element symbols.
    formal_charges : (n_atoms,) int
        Formal charges, e.
    coordinates : (n_atoms, 3) float
        Angstrom: a generated conformer, or the input's own where ``pose_given`` is true.
    pose_given : bool
        The coordinates are a pose in the receptor's frame, not a free conformer.
    entry : LigandEntry or None
        Catalogue facts where the ligand is known.
    notes : tuple of str
        What was chosen (protonation, tautomer, salt removed), one sentence each.
    """

    name: str
    smiles: str
    mol_block: str
    elements: StrArray
    formal_charges: IntArray
    coordinates: FloatArray
    pose_given: bool = False
    entry: LigandEntry | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = len(self.elements)
        try:
            freeze(self, "elements", str, (n,))
            freeze(self, "formal_charges", np.int64, (n,))
            freeze(self, "coordinates", np.float64, (n, 3))
        except ValueError as error:
            raise LigandError(f"{self.name}: {error}") from error
        if n == 0 or not np.isfinite(self.coordinates).all():
            raise LigandError(f"{self.name}: no atoms, or coordinates that are not finite")

    @property
    def n_atoms(self) -> int:
        """Number of atoms, hydrogens included."""
        return len(self.elements)

    @property
    def charge(self) -> int:
        """Net formal charge, e."""
        return int(self.formal_charges.sum())


@dataclass(frozen=True, slots=True)
class LigandParameters:
    """Force-field parameters of one molecule, as flat arrays in the atom order of its Ligand.

    Energies are U = k/2 (r - r0)^2 for bonds and k/2 (theta - theta0)^2 for angles (OpenMM's convention),
    k (1 + cos(n phi - phase)) for torsions, Lennard-Jones with Lorentz-Berthelot mixing.

    Parameters
    ----------
    name, smiles, method : str
        Molecule and where the numbers come from, e.g. ``openff-2.2.1 + openff-gnn-am1bcc-0.1.0-rc.3``.
    masses, charges : (n_atoms,) float
        Dalton, e. Charges sum to the formal charge.
    sigma, epsilon : (n_atoms,) float
        Angstrom, kcal/mol.
    bond_atoms : (n_bonds, 2) int
    bond_parameters : (n_bonds, 2) float
        r0 in Angstrom, k in kcal/mol/A^2.
    angle_atoms : (n_angles, 3) int
    angle_parameters : (n_angles, 2) float
        theta0 in radian, k in kcal/mol/rad^2.
    torsion_atoms : (n_torsions, 4) int
        Proper and improper torsions, one row per Fourier term.
    torsion_parameters : (n_torsions, 3) float
        Periodicity, phase in radian, k in kcal/mol.
    exception_atoms : (n_exceptions, 2) int
        1-2, 1-3 (excluded) and 1-4 (scaled) pairs.
    exception_parameters : (n_exceptions, 3) float
        Charge product in e^2, sigma in Angstrom, epsilon in kcal/mol.
    """

    name: str
    smiles: str
    method: str
    masses: FloatArray
    charges: FloatArray
    sigma: FloatArray
    epsilon: FloatArray
    bond_atoms: IntArray
    bond_parameters: FloatArray
    angle_atoms: IntArray
    angle_parameters: FloatArray
    torsion_atoms: IntArray
    torsion_parameters: FloatArray
    exception_atoms: IntArray
    exception_parameters: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = len(self.masses)
        try:
            for name in ("masses", "charges", "sigma", "epsilon"):
                freeze(self, name, np.float64, (n,))
            for name, width in (("bond", 2), ("angle", 3), ("torsion", 4), ("exception", 2)):
                freeze(self, f"{name}_atoms", np.int64, (None, width))
                rows = len(getattr(self, f"{name}_atoms"))
                columns = 2 if name in ("bond", "angle") else 3
                freeze(self, f"{name}_parameters", np.float64, (rows, columns))
        except ValueError as error:
            raise LigandError(f"{self.name}: {error}") from error

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.masses)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a ligand stands in a receptor.

    Parameters
    ----------
    ligand, receptor : str
        Names.
    coordinates : (n_atoms, 3) float
        Angstrom, all atoms of the Ligand in its order.
    engine : str
        ``vina``, ``bound`` (from the input) or ``placed`` (ATP on the annotated residues).
    score : float
        The engine's score, kcal/mol, NaN where the engine has none; of a placed nucleotide an energy of restraints in
        arbitrary units.
    rank : int
        The engine's own rank, 1 for its best.
    features : tuple of (str, float)
        Kinase-aware descriptors behind the choice (hinge hydrogen bonds, gatekeeper distance ...).
    reason : str
        Why this pose was chosen, for the report.
    """

    ligand: str
    receptor: str
    coordinates: FloatArray
    engine: str
    score: float = float("nan")
    rank: int = 1
    features: tuple[tuple[str, float], ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "coordinates", np.float64, (None, 3))

    @property
    def score_kcal_mol(self) -> float:
        """The engine's score, NaN where there is none in kcal/mol, as for a placed nucleotide."""
        return float("nan") if self.engine == "placed" else self.score
