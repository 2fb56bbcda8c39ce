"""What runs on a node: one task, by its key, with its inputs from the store and its result into it."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dockkit import __version__
from dockkit.core.errors import ExecutionError
from dockkit.core.task import Step, Task
from dockkit.execution.inline import printed_to_file, run_task
from dockkit.store import OUTCOME_FILE, Outcome, Store

SETUP_FILE: Final = "setup.pickle"
LATE_SECONDS: Final = 60.0
"""A network file system may show a file to this node so much later than to the one that wrote it."""
_PAUSE_SECONDS: Final = 10.0


class WorkerSetupError(ExecutionError):
    """A worker cannot start on its node."""


@lru_cache(maxsize=1)
def _set_up(path: str) -> tuple[Store, Mapping[str, Step]]:
    """Return the store and the steps; what is imported here stays in the worker."""
    try:
        driver, search_path, root, pickled = pickle.loads(Path(path).read_bytes())
        if driver != __version__:
            raise WorkerSetupError(f"it has dockkit {__version__}, the driver {driver}")
        sys.path += [entry for entry in search_path if entry not in sys.path]
        steps: Mapping[str, Step] = pickle.loads(pickled)
        return Store(Path(root)), steps
    except Exception as error:  # whatever it is, it is told to the driver; slowly, lest a bad node eats all tasks
        time.sleep(_PAUSE_SECONDS)
        raise WorkerSetupError(f"{type(error).__name__}: {error}") from None


def _await_inputs(task: Task, store: Store) -> None:
    """Wait until the results that a task needs are to be seen from this node."""
    end = time.monotonic() + LATE_SECONDS
    for key in task.inputs.values():
        while not (store.path(key) / OUTCOME_FILE).exists() and time.monotonic() < end:
            time.sleep(0.5)
            for folder in (store.root, store.path(key).parent):
                if folder.is_dir():
                    os.listdir(folder)  # noqa: PTH208 (makes a network file system look again)


def serve(setup_path: str, task: Task) -> Any:
    """Run one task on a node.

    Parameters
    ----------
    setup_path : str
        File that the driver wrote: version, search path, store and steps.
    task : Task
        Its inputs are in the store.

    Returns
    -------
    Outcome
        The record itself is in the store.

    Raises
    ------
    WorkerSetupError
        This worker cannot run any task.
    """
    store, steps = _set_up(setup_path)
    _await_inputs(task, store)
    outcome: Outcome = run_task(task, store, steps, printed_to_file)
    return outcome
