"""Which pose a kinase chemist would pick: the engine's score, what the annotated residues say, and refined energies.

Each pose gets a rank score in kcal/mol on the engine's scale: a weighted sum of the engine's score, of features of the
kinase (:mod:`dockkit.docking.features`) and, where poses were minimised and rescored, of their MM-GBSA interaction and
strain above the lowest; the features are then those of the minimised geometry, where a strained hydrogen bond has come
right or broken. ``benchmarks/redock.py --fit`` fits the weights to redocked crystals by a conditional logit (McFadden,
in Frontiers in Econometrics, 1974, 105), on half of the kinases, and tests them on the other half.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, IntArray, Kinase, Ligand, Pose, Receptor
from dockkit.docking.features import PocketSites
from dockkit.docking.molecule import ligand_mol

HINGE_LIMIT: Final = 2.0
"""More hinge bonds than these count no more."""

OFF_HINGE_DISTANCE: Final = 4.5
"""Angstrom from the hinge backbone to the nearest heavy atom: beyond, an ATP-competitive inhibitor is off the hinge."""

ENERGY_RANGE: Final = 25.0
"""kcal/mol: interaction or strain this far above the lowest counts no more: one clash must not outvote the rest."""

CLUSTER_RMSD: Final = 2.0
"""Angstrom, heavy atoms, no superposition: poses closer than this are one cluster."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the rank score; the engine's own score has weight 1.

    Parameters
    ----------
    energy, strain : float
        Per kcal/mol of interaction and of strain above the lowest pose's.
    hinge, bridge : float
        kcal/mol for each hydrogen bond to the hinge; to the alpha-C Glu and the DFG Asp N-H.
    off_hinge : float
        kcal/mol for a pose that does not touch the hinge.
    """

    energy: float
    strain: float
    hinge: float
    bridge: float
    off_hinge: float


RESCORED: Final = Weights(energy=0.10, strain=0.05, hinge=0.5, bridge=0.3, off_hinge=0.5)
"""Where poses have rescored energies."""

UNREFINED: Final = Weights(energy=0.0, strain=0.0, hinge=0.6, bridge=0.4, off_hinge=0.5)
"""Where they have none."""


@dataclass(frozen=True, slots=True)
class Refined:
    """A pose after minimisation with the side chains around it.

    Parameters
    ----------
    interaction : float
        MM-GBSA interaction with the receptor, kcal/mol.
    strain : float
        What the ligand's shape costs, kcal/mol; only differences between poses of one ligand mean anything.
    coordinates : (n_atoms, 3) float
        Of the ligand, Angstrom.
    receptor : (n_receptor_atoms, 3) float
        Of the receptor, Angstrom.
    """

    interaction: float
    strain: float
    coordinates: FloatArray
    receptor: FloatArray


@dataclass(frozen=True, slots=True)
class _Judged:
    pose: Pose
    energy: float
    strain: float
    features: dict[str, float]
    bonds: tuple[str, ...]
    score: float


def choose_pose(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    refined: Sequence[Refined | None] | None = None,
    n_docked: int | None = None,
) -> Pose:
    """Return the pose with the best rank score, its features and the reason filled in.

    Parameters
    ----------
    poses : sequence of Pose
        As the engine ranked them; all of ``ligand``.
    receptor : Receptor
        All hydrogens present, UniProt numbers set.
    ligand : Ligand
        ``entry.binding_type`` decides what is expected; unknown counts as type I.
    kinase : Kinase or None
        None: engine's score and energies alone.
    refined : sequence of Refined or None, optional
        Each pose after minimisation, None for one that was not refined. Where any was, only those that were are
        candidates, and the kinase features are those of the refined geometry.
    n_docked : int, optional
        Poses that the engine ranked, where some of them are not among ``poses``.

    Returns
    -------
    Pose
        As :func:`rank_poses` gives it; ``reason`` says what the pose was preferred to and why.

    Raises
    ------
    DockingError
        No poses, or the receptor lacks a hinge residue.
    """
    judged = _judge(poses, receptor, ligand, kinase, refined)
    return dataclasses.replace(_described(judged[0]), reason=_reason(judged, n_docked or len(poses)))


def rank_poses(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    refined: Sequence[Refined | None] | None = None,
) -> tuple[Pose, ...]:
    """Return the poses by rank score, best first, with their features; those that were not refined come last.

    Parameters
    ----------
    poses, receptor, ligand, kinase, refined
        As for :func:`choose_pose`.

    Returns
    -------
    tuple of Pose
        ``features`` holds rank_score (kcal/mol, only differences within one ligand mean anything); hinge_bonds,
        bridge_bonds, hinge_distance, gatekeeper_distance and back_pocket_atoms where the kinase is known; cluster_size;
        and relative_energy and relative_strain (interaction and strain above the lowest) where poses were rescored.

    Raises
    ------
    DockingError
        As :func:`choose_pose`.
    """
    return tuple(_described(item) for item in _judge(poses, receptor, ligand, kinase, refined))


def combined_score(
    score: float,
    features: dict[str, float],
    binding_type: str,
    relative_energy: float | None = None,
    relative_strain: float = 0.0,
) -> float:
    """Return the rank score of one pose.

    Parameters
    ----------
    score : float
        The engine's, kcal/mol, lower is better; only differences within one ligand mean anything.
    features : dict
        hinge_bonds, hinge_distance and bridge_bonds, as :class:`~dockkit.docking.features.PocketSites` describes a
        pose; empty where the kinase is not known.
    binding_type : str
        As in the ligand catalogue. Allosteric types III and IV get no kinase terms.
    relative_energy : float, optional
        Interaction above the lowest pose's, kcal/mol; None where poses were not refined.
    relative_strain : float
        Strain above the lowest pose's, kcal/mol.

    Returns
    -------
    float
        kcal/mol.
    """
    weights = UNREFINED if relative_energy is None else RESCORED
    total = score
    if relative_energy is not None:
        total += weights.energy * min(relative_energy, ENERGY_RANGE)
        total += weights.strain * min(relative_strain, ENERGY_RANGE)
    if features and binding_type not in ("III", "IV"):
        total -= weights.hinge * min(features["hinge_bonds"], HINGE_LIMIT)
        total -= weights.bridge * features["bridge_bonds"]
        total += weights.off_hinge * (features["hinge_distance"] > OFF_HINGE_DISTANCE)
    return total


def _judge(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    refined: Sequence[Refined | None] | None,
) -> list[_Judged]:
    """Return the poses best first."""
    if not poses:
        raise DockingError(f"{ligand.name} in {receptor.name}: no poses to choose from")
    states = list(refined) if refined is not None else [None] * len(poses)
    lowest = min((state.interaction for state in states if state is not None), default=math.nan)
    relaxed = min((state.strain for state in states if state is not None), default=math.nan)
    mol = ligand_mol(ligand)
    sites = PocketSites(receptor, kinase) if kinase is not None else None
    binding_type = ligand.entry.binding_type if ligand.entry else "unknown"
    judged = []
    for pose, state, size in zip(poses, states, cluster_sizes(poses, mol), strict=True):
        xyz, around = (state.coordinates, state.receptor) if state else (pose.coordinates, receptor.coordinates)
        features, bonds = sites.describe(mol, xyz, around) if sites else ({}, ())
        energy, strain = (state.interaction - lowest, state.strain - relaxed) if state else (math.nan, 0.0)
        score = combined_score(pose.score, features, binding_type, energy if state else None, strain)
        judged.append(_Judged(pose, energy, strain, {**features, "cluster_size": float(size)}, bonds, score))
    return sorted(judged, key=lambda item: (math.isnan(item.energy), item.score, item.pose.rank))


def _described(judged: _Judged) -> Pose:
    features = {"rank_score": judged.score, **judged.features}
    if not math.isnan(judged.energy):
        features["relative_energy"] = judged.energy
        features["relative_strain"] = judged.strain
    return dataclasses.replace(judged.pose, features=tuple(features.items()))


def cluster_sizes(poses: Sequence[Pose], mol: Chem.Mol) -> IntArray:
    """Return for each pose how many poses, itself included, lie within ``CLUSTER_RMSD``, (n_poses,) int."""
    heavy = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    stack: FloatArray = np.array([pose.coordinates[heavy] for pose in poses])
    squared = ((stack[:, None] - stack[None, :]) ** 2).sum(axis=3).mean(axis=2)
    return np.asarray((squared <= CLUSTER_RMSD**2).sum(axis=1), dtype=np.int64)


def _reason(judged: Sequence[_Judged], n_poses: int) -> str:
    best = judged[0]
    refined = [item for item in judged if not math.isnan(item.energy)]
    text = f"rank {best.pose.rank} of {n_poses} by score ({best.pose.score:.1f} kcal/mol)"
    if refined:
        place = sum(item.energy < best.energy for item in refined) + 1
        text += f", {_ordinal(place)} of {len(refined)} refined poses by MM-GBSA"
    if best.features.keys() - {"cluster_size"}:
        text += f"; {', '.join(best.bonds) or 'no hydrogen bond to the hinge'}"
    others = [item for item in (refined or judged) if item is not best]
    rival = min(others, key=lambda item: item.pose.score, default=None)
    if rival is not None and rival.pose.score < best.pose.score:
        text += f"; preferred to rank {rival.pose.rank} ({rival.pose.score:.1f} kcal/mol), {_against(best, rival)}"
    return text + "."


def _against(best: _Judged, rival: _Judged) -> str:
    """Say in what a pose of worse score is better than a rival."""
    parts = []
    if best.energy < rival.energy:
        parts.append(f"whose MM-GBSA interaction is {rival.energy - best.energy:.1f} kcal/mol weaker")
    if best.strain < rival.strain:
        parts.append(f"which is strained by {rival.strain - best.strain:.1f} kcal/mol more")
    missing = [bond for bond in best.bonds if bond not in rival.bonds]
    if missing:
        parts.append(f"which lacks {', '.join(missing)}")
    return ", ".join(parts) or "whose rank score is worse"


def _ordinal(number: int) -> str:
    return {1: "best", 2: "second", 3: "third"}.get(number, f"{number}th")
