"""The one interface to where tasks run, and the choice among its three kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from dockkit.core.errors import SettingsError
from dockkit.core.task import Step, Task
from dockkit.execution.inline import InlineExecutor
from dockkit.execution.local import LocalExecutor
from dockkit.execution.workers import Workers
from dockkit.store import Outcome, Store


class Monitor(Protocol):
    """Is told what happens beside tasks."""

    def note(self, text: str) -> None:
        """Take a sentence."""

    def jobs(self, jobs: Mapping[str, str]) -> None:
        """Take the state of each batch job."""


class Executor(Protocol):
    """Where tasks run: submit while there is room, then wait for outcomes."""

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted."""

    def submit(self, task: Task) -> None:
        """Take a task; its inputs are in the store."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return outcomes of the tasks taken, none where so many seconds pass without one."""


def make_executor(
    workers: Workers, store: Store, steps: Mapping[str, Step], folder: Path, monitor: Monitor
) -> AbstractContextManager[Executor]:
    """Return the executor that ``workers`` asks for.

    Parameters
    ----------
    workers : Workers
        What was asked for.
    store : Store
        Where inputs are and results go; with ``parsl`` on storage that every node sees.
    steps : mapping of str to Step
        The table of steps.
    folder : Path
        Where an executor may keep its own files.
    monitor : Monitor
        Is told of batch jobs.

    Returns
    -------
    context manager of Executor

    Raises
    ------
    SettingsError
        Parsl is asked for and not installed.
    ExecutionError
        The table cannot be sent to other processes.
    """
    if workers.kind == "inline":
        return InlineExecutor(store, steps)
    if workers.kind == "local":
        return LocalExecutor(store, steps, workers.count)
    with _parsl_needed():
        from dockkit.execution.pilots import ParslExecutor
    return ParslExecutor(store, steps, workers, folder, monitor)


def job_script(workers: Workers) -> str:
    """Return the script of a pilot job as it would be submitted; nothing is.

    Parameters
    ----------
    workers : Workers
        With a site.

    Returns
    -------
    str
        Empty where no batch system is asked for.

    Raises
    ------
    SettingsError
        Parsl is not installed.
    """
    if workers.site is None:
        return ""
    with _parsl_needed():
        from dockkit.execution.providers import job_script as script_of
    return script_of(workers.site)


@contextmanager
def _parsl_needed() -> Iterator[None]:
    """Say what to install where Parsl is not there; it is optional, and slow to import."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dockkit"):
            raise
        raise SettingsError(f"executor 'parsl' needs {error.name}: pip install 'dockkit[hpc]'") from error
