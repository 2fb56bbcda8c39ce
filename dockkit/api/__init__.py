"""The public Python API. Each file holds the calls of one kind of work; the command line calls nothing else."""

from __future__ import annotations

from dockkit.api.structures import Done, annotate, model_state, mutate, prepare
from dockkit.api.studies import Run, compare, compare_study, execute, plan_study, read_study, run_study
from dockkit.core.model import StudyResult
from dockkit.core.settings import Study
from dockkit.execution import RunStatus, Workers, job_script, read_status
from dockkit.pipeline.prepare import Prepared

__all__ = [
    "Done",
    "Prepared",
    "Run",
    "RunStatus",
    "Study",
    "StudyResult",
    "Workers",
    "annotate",
    "compare",
    "compare_study",
    "execute",
    "job_script",
    "model_state",
    "mutate",
    "plan_study",
    "prepare",
    "read_status",
    "read_study",
    "run_study",
]
