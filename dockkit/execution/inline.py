"""Run one task, and the executor that does so in this process."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from dockkit.core.errors import ExecutionError, StoreError
from dockkit.core.task import Step, Task
from dockkit.store import LOG_FILE, Outcome, Store, failure, success


def run_task(
    task: Task,
    store: Store,
    steps: Mapping[str, Step],
    printed_to: Callable[[Path], AbstractContextManager[None]] | None = None,
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
    printed_to : callable, optional
        Makes of a path the context in which all that the task prints goes to that file.

    Returns
    -------
    Outcome
        A failure is a value, never an exception, except for what the user or the system sends
        (``KeyboardInterrupt``, ``SystemExit``).
    """
    started = time.perf_counter()
    try:
        work_dir = store.work_dir()
    except StoreError as error:
        return failure(task, error, 0.0)
    log = log_path(work_dir, task)
    try:
        try:
            with nullcontext() if printed_to is None else printed_to(log):
                record = _compute(task, store, steps, work_dir)
            outcome = success(task, time.perf_counter() - started)
            store.commit(outcome, record)
        except Exception as error:
            outcome = failure(task, error, time.perf_counter() - started)
            if not isinstance(error, StoreError) and work_dir.exists():  # else a new driver has cleared up after us
                printed = log.read_bytes() if log.exists() else b""
                store.commit(outcome, log=printed + traceback.format_exc().encode("utf-8", "replace"))
    except StoreError as error:
        return failure(task, error, time.perf_counter() - started)
    finally:
        with suppress(OSError):
            log.unlink(missing_ok=True)
    return outcome


def log_path(work_dir: Path, task: Task) -> Path:
    """Return the file in a worker's folder that a task's output goes to."""
    return work_dir / f"{task.key[:16]}.{LOG_FILE}"


def _scratch(work_dir: Path) -> Path:
    """Return an empty folder to compute in."""
    folder = work_dir / "scratch"
    try:
        folder.mkdir()
    except FileExistsError:
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    return folder


def _compute(task: Task, store: Store, steps: Mapping[str, Step], work_dir: Path) -> Any:
    if task.step not in steps:
        raise ExecutionError(f"no step '{task.step}'; this dockkit has: {', '.join(sorted(steps))}")
    inputs = {role: store.load(key) for role, key in task.inputs.items()}
    return steps[task.step].run(dict(task.params), inputs, _scratch(work_dir))


@contextmanager
def printed_to_file(path: Path) -> Iterator[None]:
    """Send what this process prints, from C++ libraries too, to a file, and afterwards nowhere.

    The file is closed at the end: on NFS a folder with an open file in it cannot be removed.

    Parameters
    ----------
    path : Path
        Appended to.
    """
    _redirect(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield
    finally:
        _redirect(os.devnull, os.O_WRONLY)


def _redirect(path: str, flags: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(path, flags, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


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
        """Leave nothing behind."""
        self._store.leave()

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted."""
        return self._task is None

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._task = task

    def wait(self, seconds: float) -> list[Outcome]:
        """Run the task, however long it takes, and return its outcome."""
        task, self._task = self._task, None
        return [] if task is None else [run_task(task, self._store, self._steps)]
