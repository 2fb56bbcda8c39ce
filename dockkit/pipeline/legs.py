"""One leg of a ddG: a complex relaxed around the mutated residue, with the ligand and without it.

The wild type and every mutant start from one relaxed complex. A leg then moves in two stages: residues near the mutated
one and the ligand are minimised, which makes room; the mutated residue's direct neighbours and the ligand are then
minimised until forces are small, first as they are and then without the ligand. What the protein gains by losing the
ligand is the strain that the ligand puts on it: a gatekeeper too large for an inhibitor pays there what it gains
in contacts. Residues far from the ligand have next to none, since nothing differs between the two minimisations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import Assembly, FloatArray, IntArray, Pose, Receptor, Region
from dockkit.core.settings import RelaxSettings
from dockkit.forcefield.system import make_region, region_stiffness, region_system
from dockkit.sampling import Minimiser

LIGAND_REACH: Final = 100.0
"""Angstrom: within it every atom of a ligand sees every other."""


@dataclass(frozen=True, slots=True)
class Zones:
    """Residue indices of a leg: what may move, and what stands around it.

    Parameters
    ----------
    shell, shell_kept : (n,) int, (m,) int
        Of the first stage.
    core, core_kept : (k,) int, (l,) int
        Of the second stage.
    """

    shell: IntArray
    shell_kept: IntArray
    core: IntArray
    core_kept: IntArray


def choose_zones(receptor: Receptor, pose: Pose, sites: tuple[int, ...], relax: RelaxSettings) -> Zones:
    """Choose what may move around mutated residues; the ligand moves always.

    Parameters
    ----------
    receptor : Receptor
        Before any mutation, so that wild type and mutant share one choice.
    pose : Pose
    sites : tuple of int
        Residue indices.
    relax : RelaxSettings

    Returns
    -------
    Zones
        Kept is what stands within the cut-off of something that moves.
    """
    xyz, owner = receptor.coordinates, receptor.atom_residue

    def within(anchor: FloatArray, distance: float) -> IntArray:
        hits = cKDTree(anchor).query(xyz, distance_upper_bound=distance)[0] <= distance
        return np.unique(owner[hits])

    def around(moving: IntArray) -> IntArray:
        anchor = np.concatenate([xyz[np.isin(owner, moving)], pose.coordinates])
        return np.union1d(moving, within(anchor, relax.cutoff_angstrom))

    mutated = np.array(sorted(sites), dtype=np.int64)
    site = xyz[np.isin(owner, mutated)]
    shell = np.union1d(mutated, within(site, relax.shell_angstrom))
    core = np.union1d(mutated, within(site, relax.strain_angstrom))
    return Zones(shell, around(shell), core, around(core))


@dataclass(frozen=True, slots=True)
class Leg:
    """A relaxed complex.

    Parameters
    ----------
    coordinates : (n_atoms, 3) float
        Angstrom, receptor and ligand.
    energy : float
        Of the complex in the model that was minimised, kcal/mol.
    strain : float
        What ligand and receptor would gain by relaxing without each other, kcal/mol; the ligand's part is against
        the common start, a constant that every leg shares.
    """

    coordinates: FloatArray
    energy: float
    strain: float


def settle_shell(assembly: Assembly, zones: Zones, coordinates: FloatArray, relax: RelaxSettings) -> FloatArray:
    """Return the complex after the first stage, (n_atoms, 3) float, Angstrom."""
    region = make_region(assembly, zones.shell, zones.shell_kept)
    return _minimiser(assembly, region, coordinates, relax).minimise(coordinates, relax.max_iterations)[0]


def _minimiser(assembly: Assembly, region: Region, reference: FloatArray, relax: RelaxSettings) -> Minimiser:
    system = region_system(
        assembly, region, reference,
        dielectric=relax.dielectric, cutoff=relax.cutoff_angstrom,
        backbone_restraint=relax.backbone_restraint_kcal_mol_a2,
    )  # fmt: skip
    stiffness = region_stiffness(assembly, region, relax.backbone_restraint_kcal_mol_a2)
    return Minimiser(system, region, stiffness)


class Core:
    """The second stage of a leg: the mutated residue, its neighbours and the ligand, together and apart.

    Parameters
    ----------
    assembly : Assembly
    zones : Zones
    reference : (n_atoms, 3) float
        Where the main chain is held, Angstrom.
    ligand_reference : (n_ligand_atoms, 3) float
        The ligand in the common start, Angstrom.
    relax : RelaxSettings
    """

    def __init__(
        self,
        assembly: Assembly,
        zones: Zones,
        reference: FloatArray,
        ligand_reference: FloatArray,
        relax: RelaxSettings,
    ) -> None:
        n = assembly.receptor.n_atoms
        self.region = make_region(assembly, zones.core, zones.core_kept)
        protein = self.region.atoms < n
        alone = Region(
            self.region.atoms[protein], self.region.mobile[protein], self.region.residues, self.region.mobile_residues
        )
        self._relax = relax
        self._together = _minimiser(assembly, self.region, reference, relax)
        self._protein = _minimiser(assembly, alone, reference, relax)
        self._ligand = _ligand(assembly, relax)
        self._ligand_start = self._ligand.energy(np.concatenate([reference[:n], ligand_reference]))

    def settle(self, coordinates: FloatArray) -> Leg:
        """Minimise, then the same without the ligand.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, after the first stage.

        Returns
        -------
        Leg

        Raises
        ------
        SamplingError
            An energy is not finite.
        """
        limits = (self._relax.strain_iterations, self._relax.strain_tolerance)
        bound, energy = self._together.minimise(coordinates, *limits)
        strained = self._protein.energy(bound)
        _, relaxed = self._protein.minimise(bound, *limits)
        return Leg(bound, energy, strained - relaxed + self._ligand.energy(bound) - self._ligand_start)


def _ligand(assembly: Assembly, relax: RelaxSettings) -> Minimiser:
    """Return what takes the ligand's own energy."""
    atoms = np.arange(assembly.receptor.n_atoms, assembly.n_atoms)
    none = np.zeros(0, dtype=np.int64)
    region = Region(atoms, np.ones(len(atoms), dtype=bool), none, none)
    system = region_system(
        assembly, region, np.zeros((assembly.n_atoms, 3)),
        dielectric=relax.dielectric, cutoff=LIGAND_REACH, backbone_restraint=0.0,
    )  # fmt: skip
    return Minimiser(system, region, region_stiffness(assembly, region, 0.0))


def energy_atoms(receptor: Receptor, pose: Pose, sites: tuple[int, ...], distance: float) -> IntArray:
    """Return the residues whose atoms enter the binding energies, (n,) int.

    Parameters
    ----------
    receptor : Receptor
        Before any mutation, so that wild type and mutant share one choice.
    pose : Pose
    sites : tuple of int
        Mutated residues; they always count.
    distance : float
        Angstrom to the ligand; infinite for all.

    Returns
    -------
    (n,) int
        Residue indices.
    """
    if not np.isfinite(distance):
        return np.arange(receptor.n_residues)
    near = cKDTree(pose.coordinates).query(receptor.coordinates, distance_upper_bound=distance)[0] <= distance
    return np.union1d(np.unique(receptor.atom_residue[near]), np.array(sorted(sites), dtype=np.int64))
