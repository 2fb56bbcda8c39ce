"""Run tasks: in this process, in worker processes of this machine, or through Parsl in jobs of a batch system."""

from __future__ import annotations

from dockkit.execution.cores import default_jobs, usable_cores
from dockkit.execution.driver import Event, run_tasks, stored_outcomes
from dockkit.execution.executors import job_script
from dockkit.execution.lock import FolderLock
from dockkit.execution.progress import RunStatus, as_record, read_status
from dockkit.execution.workers import Workers, as_workers

__all__ = [
    "Event",
    "FolderLock",
    "RunStatus",
    "Workers",
    "as_record",
    "as_workers",
    "default_jobs",
    "job_script",
    "read_status",
    "run_tasks",
    "stored_outcomes",
    "usable_cores",
]
