"""The legs of a ddG: a complex relaxed around the mutated residue, with the ligand and without it.

The wild type and every mutant start from one relaxed complex. A leg then moves in two stages: residues near the mutated
one and the ligand are minimised, which makes room; the mutated residue's direct neighbours and the ligand are then
minimised until forces are small, first as they are and then without the ligand. What the protein gains by losing the
ligand is the strain that the ligand puts on it: a gatekeeper too large for an inhibitor pays there what it gains
in contacts. Residues far from the ligand have next to none, since nothing differs between the two minimisations.

A state is the weighted mean of several such legs, one for each likely conformer of the mutated side chains: a single
one puts the noise of its choice whole into ddG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import Assembly, FloatArray, IntArray, Pose, Receptor, Region, SideChainModel
from dockkit.core.settings import RelaxSettings
from dockkit.forcefield.hydroxyls import turn_hydroxyls
from dockkit.forcefield.system import make_region, region_stiffness
from dockkit.sampling import Minimiser

HOPELESS: Final = 6.0
"""Conformers this many times the scale of weights above the best after the first stage are not followed."""

NEGLIGIBLE: Final = 0.01
"""Relative weight below which a relaxed conformer does not count."""

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


def _minimiser(assembly: Assembly, region: Region, reference: FloatArray, relax: RelaxSettings) -> Minimiser:
    stiffness = region_stiffness(assembly, region, relax.backbone_restraint_kcal_mol_a2)
    return Minimiser(region, stiffness, reference, relax.dielectric, relax.cutoff_angstrom)


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

    def bind(self, coordinates: FloatArray) -> tuple[FloatArray, float]:
        """Minimise the complex.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, after the first stage.

        Returns
        -------
        coordinates : (n_atoms, 3) float
            Angstrom.
        energy : float
            kcal/mol.

        Raises
        ------
        SamplingError
            An energy is not finite.
        """
        return self._together.minimise(coordinates, self._relax.strain_iterations, self._relax.strain_tolerance)

    def part(self, bound: FloatArray, energy: float) -> Leg:
        """Minimise the receptor without the ligand, from a minimum of the complex and its energy (:meth:`bind`).

        Raises
        ------
        SamplingError
            An energy is not finite.
        """
        strained = self._protein.energy(bound)
        _, relaxed = self._protein.minimise(bound, self._relax.strain_iterations, self._relax.strain_tolerance)
        return Leg(bound, energy, strained - relaxed + self._ligand.energy(bound) - self._ligand_start)


def _ligand(assembly: Assembly, relax: RelaxSettings) -> Minimiser:
    """Return what takes the ligand's own energy."""
    atoms = np.arange(assembly.receptor.n_atoms, assembly.n_atoms)
    none = np.zeros(0, dtype=np.int64)
    region = Region(atoms, np.ones(len(atoms), dtype=bool), none, none)
    stiffness = region_stiffness(assembly, region, 0.0)
    return Minimiser(region, stiffness, np.zeros((assembly.n_atoms, 3)), relax.dielectric, LIGAND_REACH)


@dataclass(frozen=True, slots=True)
class Geometry:
    """One relaxed geometry of a state.

    Parameters
    ----------
    conformer : int
        Which of the side-chain models it began from.
    start : int
        0 as built, above it shaken.
    leg : Leg
    weight : float
        Its share of the state's means.
    """

    conformer: int
    start: int
    leg: Leg
    weight: float


def settle_models(
    assembly: Assembly,
    models: Sequence[SideChainModel],
    pose: Pose,
    zones: Zones,
    relax: RelaxSettings,
    seed: int,
    with_strain: bool = True,
) -> list[Geometry]:
    """Relax every side-chain model of a state, and the likeliest one from several starts.

    A conformer counts by exp(-E / scale), E being the energy of its relaxed complex. The scale is not thermal: it is
    what such an energy may be wrong by, so that two conformers which the force field can hardly tell apart both count,
    where the lowest alone would let noise decide.

    Parameters
    ----------
    assembly : Assembly
        Of the models, which hold the same atoms.
    models : sequence of SideChainModel
        Best first.
    pose : Pose
        The ligand in the common start.
    zones : Zones
    relax : RelaxSettings
    seed : int
        Of the shaken starts.
    with_strain : bool
        Without it every strain is 0 and no receptor is minimised alone.

    Returns
    -------
    list of Geometry
        The conformer with the lowest energy first; weights add up to 1.

    Raises
    ------
    SamplingError
        An energy is not finite.
    """
    starts = []
    for model in models:
        placed = np.concatenate([model.receptor.coordinates, pose.coordinates])
        starts.append(turn_hydroxyls(assembly, placed, zones.shell, relax.dielectric))
    region = make_region(assembly, zones.shell, zones.shell_kept)
    outer = _minimiser(assembly, region, starts[0], relax)
    shells = [outer.minimise(start, relax.max_iterations) for start in starts]
    core = Core(assembly, zones, starts[0], pose.coordinates, relax)
    ceiling = min(energy for _, energy in shells) + HOPELESS * relax.rotamer_scale_kcal_mol
    bound = {number: [core.bind(xyz)] for number, (xyz, energy) in enumerate(shells) if energy <= ceiling}
    first = min(bound, key=lambda number: bound[number][0][1])
    for k in range(1, relax.n_starts):
        shaken = _shaken(assembly, core.region, shells[first][0], relax.start_noise_angstrom, seed + k)
        bound[first].append(core.bind(shaken))
    numbers = sorted(bound, key=lambda number: (number != first, number))
    energies = np.array([np.mean([energy for _, energy in bound[number]]) for number in numbers])
    weights = np.exp(-(energies - energies.min()) / relax.rotamer_scale_kcal_mol)
    weights /= weights.sum()
    weights = np.where(weights < NEGLIGIBLE, 0.0, weights) / weights[weights >= NEGLIGIBLE].sum()
    return [
        Geometry(number, start, core.part(*one) if with_strain else Leg(*one, 0.0), float(weight) / len(bound[number]))
        for number, weight in zip(numbers, weights, strict=True)
        if weight > 0.0
        for start, one in enumerate(bound[number])
    ]


def _shaken(assembly: Assembly, region: Region, xyz: FloatArray, noise: float, seed: int) -> FloatArray:
    """Displace the mobile atoms; atoms that both states share get the same displacement."""
    receptor = assembly.receptor
    keys = [
        f"{receptor.uniprot_numbers[r]}/{receptor.author_numbers[r]}/{receptor.chain_ids[r]}/{name}"
        for r, name in zip(receptor.atom_residue, receptor.atom_names, strict=True)
    ] + [f"ligand/{i}" for i in range(assembly.n_atoms - receptor.n_atoms)]
    moved = np.array(xyz)
    for atom in region.atoms[region.mobile]:
        entropy = [seed, *keys[atom].encode("utf-8")]
        moved[atom] += np.random.default_rng(entropy).normal(scale=noise, size=3)
    return moved


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
