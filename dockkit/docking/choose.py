"""Which pose a kinase chemist would pick: the engine's score, what the annotated residues say, and refined energies.

Each pose gets a rank score in kcal/mol on the engine's scale, a weighted sum of the engine's score, of features of the
kinase (:mod:`dockkit.docking.features`) and, where poses were minimised and rescored, of their MM-GBSA energy above the
lowest. The weights were fitted by a conditional logit (McFadden, in Frontiers in Econometrics, 1974, 105) as
``benchmarks/redock.py --fit`` does: on half of the kinases, and tested on the other half.
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
"""kcal/mol: a rescored energy this far above the lowest counts no more, so that one clash does not outvote all else."""

CLUSTER_RMSD: Final = 2.0
"""Angstrom, heavy atoms, no superposition: poses closer than this are one cluster."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the rank score; the engine's own score has weight 1.

    Parameters
    ----------
    energy : float
        Per kcal/mol of the rescored energy above the lowest pose's.
    hinge, bridge : float
        kcal/mol for each hydrogen bond to the hinge; to the alpha-C Glu and the DFG Asp N-H.
    off_hinge : float
        kcal/mol for a pose that does not touch the hinge.
    """

    energy: float
    hinge: float
    bridge: float
    off_hinge: float


RESCORED: Final = Weights(energy=0.10, hinge=0.5, bridge=0.3, off_hinge=0.5)
"""Where poses have rescored energies."""

UNREFINED: Final = Weights(energy=0.0, hinge=0.6, bridge=0.4, off_hinge=0.5)
"""Where they have none."""


@dataclass(frozen=True, slots=True)
class _Judged:
    pose: Pose
    energy: float
    features: dict[str, float]
    bonds: tuple[str, ...]
    score: float


def choose_pose(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    energies: Sequence[float] | None = None,
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
    energies : sequence of float, optional
        MM-GBSA energy of each pose after minimisation, kcal/mol; NaN for a pose that was not refined. Where any pose
        has one, only those that have are candidates.

    Returns
    -------
    Pose
        As :func:`rank_poses` gives it; ``reason`` says what the pose was preferred to and why.

    Raises
    ------
    DockingError
        No poses, or the receptor lacks a hinge residue.
    """
    judged = _judge(poses, receptor, ligand, kinase, energies)
    return dataclasses.replace(_described(judged[0]), reason=_reason(judged, len(poses)))


def rank_poses(
    poses: Sequence[Pose],
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    energies: Sequence[float] | None = None,
) -> tuple[Pose, ...]:
    """Return the poses by rank score, best first, with their features; those that were not refined come last.

    Parameters
    ----------
    poses, receptor, ligand, kinase, energies
        As for :func:`choose_pose`.

    Returns
    -------
    tuple of Pose
        ``features`` holds rank_score (kcal/mol, only differences within one ligand mean anything); hinge_bonds,
        bridge_bonds, hinge_distance, gatekeeper_distance and back_pocket_atoms where the kinase is known; cluster_size;
        and relative_energy where poses were rescored.

    Raises
    ------
    DockingError
        As :func:`choose_pose`.
    """
    return tuple(_described(item) for item in _judge(poses, receptor, ligand, kinase, energies))


def combined_score(
    score: float, features: dict[str, float], binding_type: str, relative_energy: float | None = None
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
        Rescored energy above the lowest pose's, kcal/mol.

    Returns
    -------
    float
        kcal/mol.
    """
    weights = UNREFINED if relative_energy is None else RESCORED
    total = score
    if relative_energy is not None:
        total += weights.energy * min(relative_energy, ENERGY_RANGE)
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
    energies: Sequence[float] | None,
) -> list[_Judged]:
    """Return the poses best first."""
    if not poses:
        raise DockingError(f"{ligand.name} in {receptor.name}: no poses to choose from")
    values = np.full(len(poses), np.nan) if energies is None else np.asarray(energies, dtype=np.float64)
    relative = values - np.nanmin(values) if np.isfinite(values).any() else values
    mol = ligand_mol(ligand)
    sites = PocketSites(receptor, kinase) if kinase is not None else None
    binding_type = ligand.entry.binding_type if ligand.entry else "unknown"
    judged = []
    for pose, energy, size in zip(poses, relative.tolist(), cluster_sizes(poses, mol), strict=True):
        features, bonds = sites.describe(mol, pose.coordinates) if sites else ({}, ())
        score = combined_score(pose.score, features, binding_type, None if math.isnan(energy) else energy)
        judged.append(_Judged(pose, energy, {**features, "cluster_size": float(size)}, bonds, score))
    return sorted(judged, key=lambda item: (math.isnan(item.energy), item.score, item.pose.rank))


def _described(judged: _Judged) -> Pose:
    features = {"rank_score": judged.score, **judged.features}
    if not math.isnan(judged.energy):
        features["relative_energy"] = judged.energy
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
        parts.append(f"whose MM-GBSA energy is {rival.energy - best.energy:.1f} kcal/mol higher")
    missing = [bond for bond in best.bonds if bond not in rival.bonds]
    if missing:
        parts.append(f"which lacks {', '.join(missing)}")
    return " and ".join(parts) or "whose rank score is worse"


def _ordinal(number: int) -> str:
    return {1: "best", 2: "second", 3: "third"}.get(number, f"{number}th")
