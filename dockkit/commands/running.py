"""Options that every command with tasks has: how many processes, which executor, which site, resume or not."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockkit.execution import Workers


def add_running(parser: argparse.ArgumentParser, *, dry_run: bool = True) -> None:
    """Add ``--jobs``, ``--executor``, ``--site``, ``--resume``, ``--fresh`` and, where wanted, ``--dry-run``."""
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="processes (default: one per usable core, 2 on a login node); with a site, the most workers",
    )  # fmt: skip
    parser.add_argument(
        "--executor", choices=("inline", "local", "parsl"),
        help="run tasks in this process, in processes of this machine, or in jobs of a batch system (with --site)",
    )  # fmt: skip
    parser.add_argument("--site", metavar="FILE", help="TOML file that describes a batch system; see docs/hpc.md")
    if dry_run:
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, and print the job script of a site"
        )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="use stored results (the default)")
    again.add_argument("--fresh", action="store_true", help="throw stored results away and compute everything")


def workers(arguments: argparse.Namespace) -> Workers:
    """Return where the tasks of a command run.

    Raises
    ------
    SettingsError
        The options do not go together, or the site file is wrong.
    """
    from dockkit.core.sites import load_site
    from dockkit.execution import Workers

    site = load_site(arguments.site) if arguments.site else None
    return Workers(arguments.executor or "auto", arguments.jobs, site)
