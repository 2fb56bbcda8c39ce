"""Tasks: what is to be computed, from which inputs, under which content key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dockkit.core.records import RECORD_FORMAT, canonical_json

RUNTIME_PARAMS: Final = frozenset({"cpu", "folder"})
"""Parameters that say how a step runs and not what it computes; they are no part of a key."""


class Step(Protocol):
    """One kind of computation: ``run(params, inputs, work_dir)`` returns a record or a tuple of records."""

    @property
    def version(self) -> str:
        """Raised whenever the same inputs would give another result."""

    @property
    def run(self) -> Callable[[dict[str, Any], dict[str, Any], Path], Any]:
        """The computation; it writes only under ``work_dir``."""


@dataclass(frozen=True, slots=True)
class Task:
    """One computation of a plan.

    Parameters
    ----------
    key : str
        sha256 of everything the result depends on; where the result is stored.
    step : str
        Name of the step in the table of steps.
    params : dict
        JSON-able parameters as the step sees them.
    inputs : dict of str to str
        Role to the key of the task whose record plays it.
    label : str
        For people, e.g. ``dynamics of imatinib, T315I mutant``.
    """

    key: str
    step: str
    params: dict[str, Any]
    inputs: dict[str, str]
    label: str


def task_key(
    step: str,
    version: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, str],
    contents: Mapping[str, str] | None = None,
) -> str:
    """Return the content key of a task.

    Parameters
    ----------
    step, version : str
        Name and version of the step.
    params : mapping
        What the step sees; ``RUNTIME_PARAMS`` are left out.
    inputs : mapping of str to str
        Role to upstream key.
    contents : mapping of str to str, optional
        Parameter name to sha256 of what the parameter names (a file, a library entry). Of a parameter that is a path
        only the file name enters, so that a study may be moved.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    contents = contents or {}
    seen: dict[str, Any] = {}
    for name, value in params.items():
        if name not in RUNTIME_PARAMS:
            seen[name] = Path(value).name if name in contents and isinstance(value, str) else value
    content = {
        "format": RECORD_FORMAT,
        "step": step,
        "version": version,
        "params": seen,
        "inputs": dict(inputs),
        "contents": dict(contents),
    }
    return hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()


def make_task(
    steps: Mapping[str, Step],
    step: str,
    params: dict[str, Any],
    inputs: dict[str, str],
    label: str,
    contents: Mapping[str, str] | None = None,
) -> Task:
    """Return a task with its key.

    Parameters
    ----------
    steps : mapping of str to Step
        The table of steps, for the version.
    step : str
        Name in the table.
    params, inputs, label
        See :class:`Task`.
    contents : mapping of str to str, optional
        See :func:`task_key`.

    Returns
    -------
    Task
        Ready to run.
    """
    return Task(task_key(step, steps[step].version, params, inputs, contents), step, params, inputs, label)
