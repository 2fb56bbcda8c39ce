"""A whole docking engine in one file: the ligand is turned rigidly in the middle of the box and scored by contacts.

It searches a fixed number of random orientations, so that it is fast and repeatable; tests use it in place of Vina.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from dockkit.core.model import Pose
from dockkit.docking.engines import Engine

N_ORIENTATIONS = 60


def score(receptor, ligand, xyz):
    """Return -0.1 kcal/mol for each contact from 3.5 to 5 A and +1 for each below 3 A, heavy atoms."""
    protein = cKDTree(receptor.coordinates[receptor.elements != "H"])
    heavy = xyz[ligand.elements != "H"]
    within = [sum(len(found) for found in protein.query_ball_point(heavy, radius)) for radius in (3.0, 3.5, 5.0)]
    return 1.0 * within[0] - 0.1 * (within[2] - within[1])


def dock(receptor, ligand, box_center, box_size, settings, seed, cpu):
    """Return the best orientations, best first."""
    rng = np.random.default_rng(seed)
    own = ligand.coordinates - ligand.coordinates.mean(axis=0)
    turns = Rotation.random(N_ORIENTATIONS, random_state=rng)
    shifts = rng.uniform(-0.25, 0.25, (N_ORIENTATIONS, 3)) * np.asarray(box_size)
    poses = [turn.apply(own) + box_center + shift for turn, shift in zip(turns, shifts, strict=True)]
    ranked = sorted((score(receptor, ligand, xyz), k) for k, xyz in enumerate(poses))[: settings.n_poses]
    return tuple(
        Pose(ligand.name, receptor.name, poses[k], engine="one-point", score=value, rank=rank)
        for rank, (value, k) in enumerate(ranked, start=1)
    )


ENGINE = Engine("one-point", dock)
