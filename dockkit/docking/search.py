"""The whole search for one ligand: Vina's own and poses grown from the hinge, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dockkit.core.errors import DockingError
from dockkit.core.model import Kinase, Ligand, Pose, Receptor
from dockkit.core.settings import DockingSettings
from dockkit.docking.anchored import anchored_candidates
from dockkit.docking.choose import rank_poses
from dockkit.docking.engines import find_engine
from dockkit.docking.merge import merge_poses

N_ANCHORED: Final = 8
"""Candidates grown from the hinge that Vina optimises and scores."""

POOL: Final = 3
"""Poses that are looked at for each one that is kept."""


def dock_kinase(
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase | None,
    box_center: Sequence[float],
    box_size: Sequence[float],
    settings: DockingSettings,
    seed: int,
    cpu: int,
) -> tuple[Pose, ...]:
    """Dock one ligand into a kinase: Vina's Monte Carlo, and candidates held at the hinge optimised by Vina.

    Parameters
    ----------
    receptor, ligand : Receptor, Ligand
    kinase : Kinase or None
        None, or an allosteric ligand (type III or IV): Vina alone.
    box_center, box_size : three floats
        Search box, Angstrom.
    settings : DockingSettings
    seed, cpu : int
        The same seed gives the same poses.

    Returns
    -------
    tuple of Pose
        Best score first, at most ``settings.n_poses``, all distinct. Where more were found, the most promising by score
        and features of the kinase are kept (:func:`dockkit.docking.choose.rank_poses`), the best score among them.

    Raises
    ------
    DockingError
        As for the engine's ``dock``; for Vina :func:`dockkit.docking.vina.dock`.
    SettingsError
        No such engine.
    """
    engine = find_engine(settings.engine)
    wide = settings.model_copy(update={"n_poses": POOL * settings.n_poses})
    poses = list(engine.dock(receptor, ligand, box_center, box_size, wide, seed, cpu))
    allosteric = ligand.entry is not None and ligand.entry.binding_type in ("III", "IV")
    if engine.optimise is not None and kinase is not None and not allosteric:
        inside = [
            xyz
            for xyz in anchored_candidates(receptor, ligand, kinase, seed, N_ANCHORED)
            if (np.abs(xyz.mean(axis=0) - np.asarray(box_center)) <= np.asarray(box_size) / 2.0).all()
        ]
        poses += engine.optimise(receptor, ligand, inside, seed, cpu)
    pool = merge_poses(poses, ligand, wide)
    try:
        promising = rank_poses(pool, receptor, ligand, kinase)
    except DockingError:
        promising = pool
    order = list(dict.fromkeys([pool[0].rank, *(pose.rank for pose in promising)]))
    kept = order[: settings.n_poses]
    return merge_poses([pose for pose in pool if pose.rank in kept], ligand, settings)
