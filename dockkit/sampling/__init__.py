"""Minimise, equilibrate and produce, in seeded segments that survive a kill."""

from dockkit.sampling.engine import Frames, run_dynamics, run_setup
from dockkit.sampling.minimisation import Minimiser, minimise, settle
from dockkit.sampling.platforms import choose_platform, make_context, platform_warning
from dockkit.sampling.progress import MdProgress, read_progress, stored_progress
from dockkit.sampling.setup import Setup, Stage, n_frames, replica_seeds

__all__ = [
    "Frames",
    "MdProgress",
    "Minimiser",
    "Setup",
    "Stage",
    "choose_platform",
    "make_context",
    "minimise",
    "n_frames",
    "platform_warning",
    "read_progress",
    "replica_seeds",
    "run_dynamics",
    "run_setup",
    "settle",
    "stored_progress",
]
