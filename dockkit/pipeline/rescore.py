"""Poses of one ligand refined by a short minimisation and rescored by MM-GBSA, all in one region of the receptor.

Every pose is minimised with the side chains around it, started from the same receptor, and judged by

    G = E_MM(ligand) + G_GB(ligand) + dE_bind,    dE_bind as in ``dockkit.energy``

that is the interaction with the receptor and what the ligand's own shape costs. Poses of one ligand share everything
else, so that only differences between them mean anything (Genheden, Ryde, Expert Opin. Drug Discov. 2015, 10, 449).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openmm
from openmm import unit
from scipy.spatial.distance import cdist

from dockkit.core.errors import EnergyError, SamplingError
from dockkit.core.model import Assembly, FloatArray, IntArray, Kinase, Ligand, LigandParameters, Pose, Receptor, Region
from dockkit.core.settings import EnergySettings, RescoreSettings
from dockkit.core.units import ANGSTROM_PER_NM, COULOMB_CONSTANT
from dockkit.docking.choose import Refined, choose_pose, rank_poses
from dockkit.docking.clusters import leader_clusters
from dockkit.energy import BindingEnergy, born_radii
from dockkit.forcefield.system import assemble, make_region, region_system, select_residues
from dockkit.sampling import make_context, minimise


@dataclass(frozen=True, slots=True)
class Rescored:
    """One pose after its minimisation.

    Parameters
    ----------
    coordinates : (n_atoms, 3) float
        Of the ligand, Angstrom.
    receptor : (n_receptor_atoms, 3) float
        Of the receptor, Angstrom.
    terms : (4,) float
        vdw, coulomb, gb, surface of the interaction, kcal/mol.
    strain : float
        Force-field energy of the ligand in the pose's shape, solvation included, above the lowest of the poses.
    moved : float
        Angstrom, how far the minimisation moved the heavy atoms (RMSD).
    """

    coordinates: FloatArray
    receptor: FloatArray
    terms: FloatArray
    strain: float
    moved: float

    @property
    def total(self) -> float:
        """Interaction and strain, kcal/mol; only differences between poses of one ligand mean anything."""
        return float(self.terms.sum()) + self.strain


_FAR_ANGSTROM = 100.0
"""Cut-off of the ligand alone: none."""


def rescore_poses(
    receptor: Receptor,
    ligand: Ligand,
    parameters: LigandParameters,
    poses: Sequence[Pose],
    settings: RescoreSettings,
    energy: EnergySettings,
) -> tuple[Rescored | None, ...]:
    """Minimise poses and take their MM-GBSA energies.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present; each pose starts from its coordinates.
    ligand : Ligand
    parameters : LigandParameters
        Of the ligand.
    poses : sequence of Pose
        Of this ligand in this receptor.
    settings : RescoreSettings
        ``max_poses`` is not looked at.
    energy : EnergySettings

    Returns
    -------
    tuple of Rescored or None
        In the order of ``poses``; None for a pose so bad that its energy is not finite after minimisation.

    Raises
    ------
    ForceFieldError
        Receptor or ligand have no parameters.
    """
    if not poses:
        return ()
    everywhere = np.concatenate([pose.coordinates for pose in poses])
    assembly = assemble(receptor, ligand, parameters)
    mobile, kept = select_residues(receptor, everywhere, (), settings.shell_angstrom, settings.cutoff_angstrom)
    region = make_region(assembly, mobile, kept)
    start = np.concatenate([receptor.coordinates, poses[0].coordinates])
    system = region_system(
        assembly,
        region,
        start,
        dielectric=settings.dielectric,
        cutoff=settings.cutoff_angstrom,
        backbone_restraint=settings.backbone_restraint_kcal_mol_a2,
    )
    _, judged = select_residues(receptor, everywhere, (), 0.0, energy.subset_angstrom)
    evaluator = BindingEnergy(assembly, energy, np.flatnonzero(np.isin(receptor.atom_residue, judged)))
    own = _LigandEnergy(assembly, energy)
    found = [_refined(system, region, receptor, pose, settings.max_iterations, evaluator, own) for pose in poses]
    lowest = min((item.strain for item in found if item is not None), default=0.0)
    return tuple(item and dataclasses.replace(item, strain=item.strain - lowest) for item in found)


def _refined(
    system: openmm.System,
    region: Region,
    receptor: Receptor,
    pose: Pose,
    max_iterations: int,
    evaluator: BindingEnergy,
    own: _LigandEnergy,
) -> Rescored | None:
    """Return one pose minimised, its ``strain`` the ligand's own energy."""
    n = receptor.n_atoms
    heavy = own.heavy
    placed = np.concatenate([receptor.coordinates, pose.coordinates])
    try:
        xyz, _ = minimise(system, region, placed, max_iterations)
        terms = evaluator.terms(xyz)
    except (SamplingError, EnergyError):
        return None
    moved = float(np.sqrt(((xyz[n:] - placed[n:])[heavy] ** 2).sum(axis=1).mean()))
    return Rescored(xyz[n:], xyz[:n], terms, own(xyz), moved)


def choose_refined(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    parameters: LigandParameters,
    settings: RescoreSettings,
    energy: EnergySettings,
    n_docked: int | None = None,
) -> Pose:
    """Choose a pose by score, kinase features and, of the most promising poses, refined energies.

    Parameters
    ----------
    poses : sequence of Pose
        As the engine ranked them.
    receptor, ligand, kinase
        As for :func:`dockkit.docking.choose.choose_pose`.
    parameters : LigandParameters
        Of the ligand.
    settings : RescoreSettings
        ``max_poses`` 0: nothing is refined.
    energy : EnergySettings
    n_docked : int, optional
        As for :func:`dockkit.docking.choose.choose_pose`.

    Returns
    -------
    Pose
        At its docked coordinates; ``features`` and ``reason`` say what it was chosen for.

    Raises
    ------
    DockingError
        No poses, or the receptor lacks a hinge residue.
    ForceFieldError
        Receptor or ligand have no parameters.
    """
    refined = refine_promising(poses, receptor, ligand, kinase, parameters, settings, energy)
    return choose_pose(poses, receptor, ligand, kinase, refined, n_docked)


def refine_promising(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    parameters: LigandParameters,
    settings: RescoreSettings,
    energy: EnergySettings,
) -> list[Refined | None]:
    """Return the most promising poses after refinement, None for the others.

    Refined are the best pose of each cluster, by score and kinase features, and then the others in that order.

    Parameters
    ----------
    poses, receptor, ligand, kinase, parameters, settings, energy
        As for :func:`choose_refined`.

    Returns
    -------
    list of Refined or None
        In the order of ``poses``.

    Raises
    ------
    DockingError, ForceFieldError
        As :func:`choose_refined`.
    """
    if settings.max_poses == 0 or len(poses) < 2:
        return [None] * len(poses)
    ranked = rank_poses(poses, receptor, ligand, kinase)
    clusters = leader_clusters(ligand, [pose.coordinates for pose in ranked])
    leads = np.append(True, clusters[1:] > np.maximum.accumulate(clusters)[:-1])
    order = [*np.flatnonzero(leads).tolist(), *np.flatnonzero(~leads).tolist()]
    chosen = [ranked[k] for k in order[: settings.max_poses]]
    found = rescore_poses(receptor, ligand, parameters, chosen, settings, energy)
    refined = {
        pose.rank: Refined(float(item.terms.sum()), item.strain, item.coordinates, item.receptor)
        for pose, item in zip(chosen, found, strict=True)
        if item is not None
    }
    return [refined.get(pose.rank) for pose in poses]


class _LigandEnergy:
    """Force-field and generalised Born energy of the ligand of an assembly on its own."""

    def __init__(self, assembly: Assembly, energy: EnergySettings) -> None:
        nothing: IntArray = np.zeros(0, dtype=np.int64)
        self._region: Region = make_region(assembly, nothing, nothing)
        system = region_system(
            assembly,
            self._region,
            np.zeros((assembly.n_atoms, 3)),
            dielectric=energy.solute_dielectric,
            cutoff=_FAR_ANGSTROM,
            backbone_restraint=0.0,
        )
        self._context = make_context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
        atoms = self._region.atoms
        self.heavy = assembly.ligand_elements != "H"
        self._charges = assembly.parameters.charges[atoms]
        self._radii, self._scales = assembly.born_radii[atoms], assembly.born_scales[atoms]
        gap = 1.0 / energy.solute_dielectric - 1.0 / energy.solvent_dielectric
        self._scale = -0.5 * COULOMB_CONSTANT * gap

    def __call__(self, coordinates: FloatArray) -> float:
        """Return the energy at coordinates of the whole assembly, kcal/mol."""
        xyz = coordinates[self._region.atoms]
        self._context.setPositions(xyz / ANGSTROM_PER_NM)
        potential = self._context.getState(getEnergy=True).getPotentialEnergy()
        radii = born_radii(xyz, self._radii, self._scales)
        product = radii[:, None] * radii[None]
        squared = cdist(xyz, xyz, "sqeuclidean")
        smooth = np.sqrt(squared + product * np.exp(-squared / (4.0 * product)))
        polar = self._scale * float((self._charges[:, None] * self._charges[None] / smooth).sum())
        return float(potential.value_in_unit(unit.kilocalorie_per_mole)) + polar
