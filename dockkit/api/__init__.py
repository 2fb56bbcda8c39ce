"""The public Python API. Each file holds the calls of one kind of work; the command line calls nothing else."""

from __future__ import annotations

from dockkit.api.docking import DockRun, dock, redock
from dockkit.api.dynamics import MdRun, simulate
from dockkit.api.panels import make_panel, make_scan, panel, run_panel, run_scan, scan
from dockkit.api.structures import Done, annotate, model_state, mutate, prepare
from dockkit.api.studies import Run, compare, compare_study, execute, plan_study, read_study, run_study
from dockkit.core.model import StudyResult
from dockkit.core.settings import Study
from dockkit.execution import RunStatus, Workers, job_script, read_status
from dockkit.pipeline.prepare import Prepared

__all__ = [
    "DockRun",
    "Done",
    "MdRun",
    "Prepared",
    "Run",
    "RunStatus",
    "Study",
    "StudyResult",
    "Workers",
    "annotate",
    "compare",
    "compare_study",
    "dock",
    "execute",
    "job_script",
    "make_panel",
    "make_scan",
    "model_state",
    "mutate",
    "panel",
    "plan_study",
    "prepare",
    "read_status",
    "read_study",
    "redock",
    "run_panel",
    "run_scan",
    "run_study",
    "scan",
    "simulate",
]
