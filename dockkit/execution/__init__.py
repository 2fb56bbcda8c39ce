"""Run tasks: in this process or in worker processes of this machine."""

from __future__ import annotations

from dockkit.execution.driver import Event, run_tasks, stored_outcomes, usable_cores
from dockkit.execution.lock import FolderLock

__all__ = ["Event", "FolderLock", "run_tasks", "stored_outcomes", "usable_cores"]
