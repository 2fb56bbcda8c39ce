"""Poses of several searches as one list: sorted by score, repeats dropped, numbered."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from dockkit.core.model import FloatArray, Ligand, Pose
from dockkit.core.settings import DockingSettings

MIN_POSE_RMSD: Final = 1.0
"""Angstrom between two reported poses, Vina's default."""


def merge_poses(poses: Sequence[Pose], ligand: Ligand, settings: DockingSettings) -> tuple[Pose, ...]:
    """Sort poses by score, drop repeats and those outside the energy range, and number them.

    Parameters
    ----------
    poses : sequence of Pose
        At least one.
    ligand : Ligand
    settings : DockingSettings

    Returns
    -------
    tuple of Pose
    """
    heavy = ligand.elements != "H"
    ranked = sorted(poses, key=lambda pose: pose.score)
    kept: list[Pose] = []
    for pose in ranked:
        if len(kept) == settings.n_poses or pose.score > ranked[0].score + settings.energy_range_kcal_mol:
            break
        if all(_rmsd(pose.coordinates[heavy], other.coordinates[heavy]) >= MIN_POSE_RMSD for other in kept):
            kept.append(pose)
    return tuple(dataclasses.replace(pose, rank=k) for k, pose in enumerate(kept, start=1))


def _rmsd(first: FloatArray, second: FloatArray) -> float:
    return float(np.sqrt(((first - second) ** 2).sum(axis=1).mean()))
