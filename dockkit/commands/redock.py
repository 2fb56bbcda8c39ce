"""Take the bound ligand out of each structure, dock it from a fresh conformer, and compare with the crystal."""

from __future__ import annotations

import argparse
import os

from dockkit.commands.dock import add_docking, docking_settings, run_with_progress, show
from dockkit.commands.running import workers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``dockkit redock``."""
    parser.add_argument(
        "structures", nargs="+", metavar="STRUCTURE",
        help="structure with a bound ligand: PDB or mmCIF file, PDB id or library name; several give a success rate",
    )  # fmt: skip
    add_docking(parser)


def run(arguments: argparse.Namespace) -> int:
    """Redock, print the table and the success rate, and return the exit code."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit.api.docking import redock

    settings = docking_settings(arguments)
    done = run_with_progress(
        lambda **hooks: redock(
            arguments.structures, out=arguments.out, jobs=workers(arguments), fresh=arguments.fresh,
            cache=arguments.cache, **hooks, **settings,
        )
    )  # fmt: skip
    limit = done.plan.settings.success_angstrom
    chosen, top, best, count = done.success
    columns = (
        "structure", "kinase", "ligand", "rmsd_chosen_angstrom", "rmsd_top_score_angstrom", "rmsd_best_angstrom",
        "success", "score_kcal_mol", "valid",
    )  # fmt: skip
    show(
        done,
        columns,
        f"heavy-atom RMSD to the crystal, symmetry counted; within {limit:g} A: {chosen} of {count} by the chosen "
        f"pose, {top} by the best score, {best} by any pose",
    )
    return 1 if done.failed else 0
