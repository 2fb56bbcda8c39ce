"""Run one task, and the executor that does so in this process."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType

from dockkit.core.errors import ExecutionError, StoreError
from dockkit.core.task import Step, Task
from dockkit.store import LOG_FILE, Outcome, Store, failure, success


def run_task(
    task: Task, store: Store, steps: Mapping[str, Step], begin: Callable[[str], None] | None = None
) -> Outcome:
    """Run one task and store how it ended.

    Parameters
    ----------
    task : Task
        Its inputs are in the store.
    store : Store
        Where inputs are and the result goes.
    steps : mapping of str to Step
        The table of steps.
    begin : callable, optional
        Called with the path of the file that the task's output may be sent to.

    Returns
    -------
    Outcome
        A failure is a value, never an exception, except for what the user or the system sends
        (``KeyboardInterrupt``, ``SystemExit``).
    """
    started = time.perf_counter()
    try:
        work_dir = store.work_dir(task.key)
    except StoreError as error:
        return failure(task, error, 0.0)
    log = work_dir / LOG_FILE
    if begin is not None:
        begin(str(log))
    try:
        try:
            if task.step not in steps:
                raise ExecutionError(f"no step '{task.step}'; this dockkit has: {', '.join(sorted(steps))}")
            inputs = {role: store.load(key) for role, key in task.inputs.items()}
            scratch = work_dir / "scratch"
            scratch.mkdir()
            record = steps[task.step].run(dict(task.params), inputs, scratch)
            outcome = success(task, time.perf_counter() - started)
            store.commit(outcome, record)
        except Exception as error:
            outcome = failure(task, error, time.perf_counter() - started)
            if not isinstance(error, StoreError):
                printed = log.read_bytes() if log.exists() else b""
                store.commit(outcome, log=printed + traceback.format_exc().encode("utf-8", "replace"))
    except StoreError as error:
        return failure(task, error, time.perf_counter() - started)
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    return outcome


class InlineExecutor:
    """Runs each task in this process, one after the other.

    Parameters
    ----------
    store : Store
        Where inputs are and results go.
    steps : mapping of str to Step
        The table of steps.
    """

    def __init__(self, store: Store, steps: Mapping[str, Step]) -> None:
        self._store, self._steps = store, steps
        self._task: Task | None = None

    def __enter__(self) -> InlineExecutor:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted."""
        return self._task is None

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._task = task

    def wait(self) -> list[Outcome]:
        """Run the task and return its outcome."""
        task, self._task = self._task, None
        return [] if task is None else [run_task(task, self._store, self._steps)]
