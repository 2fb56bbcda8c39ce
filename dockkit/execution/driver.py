"""Run a plan's tasks: what is stored is used again, the rest goes to an executor as it becomes ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from dockkit.core.errors import SettingsError, StoreError
from dockkit.core.task import Step, Task
from dockkit.execution.inline import InlineExecutor
from dockkit.execution.local import LocalExecutor
from dockkit.execution.schedule import Schedule
from dockkit.store import Outcome, Store


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a task; ``outcome`` is None for ``started``."""

    kind: Literal["reused", "started", "finished"]
    task: Task
    outcome: Outcome | None = None


class Executor(Protocol):
    """Where tasks run: submit while there is room, then wait for outcomes."""

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted."""

    def submit(self, task: Task) -> None:
        """Take a task; its inputs are in the store."""

    def wait(self) -> list[Outcome]:
        """Return at least one outcome of the tasks taken."""


def usable_cores() -> int:
    """Return how many cores this process may use: the batch system's grant, the affinity, the container's quota."""
    grant = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if grant.isdigit() and int(grant) > 0:
        return int(grant)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cores)


def stored_outcomes(tasks: Sequence[Task], store: Store) -> dict[str, Outcome]:
    """Return the outcomes in the store that stand: successes, and failures that are the input's fault.

    Parameters
    ----------
    tasks : sequence of Task
        The plan's tasks.
    store : Store
        Damaged entries in it are moved aside.

    Returns
    -------
    dict of str to Outcome
        By key; a task that is missing here will run.
    """
    found = {}
    for task in tasks:
        outcome = store.outcome(task.key)
        if outcome is not None and outcome.final:
            found[task.key] = outcome
    return found


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    steps: Mapping[str, Step],
    *,
    jobs: int = 1,
    on_event: Callable[[Event], None] | None = None,
    stored: Mapping[str, Outcome] | None = None,
) -> dict[str, Outcome]:
    """Run every task that the store does not hold yet.

    Parameters
    ----------
    tasks : sequence of Task
        A plan's tasks; they may come in any order.
    store : Store
        Where inputs are and results go.
    steps : mapping of str to Step
        The table of steps.
    jobs : int
        Processes; 1 runs everything in this process.
    on_event : callable, optional
        Called with an :class:`Event` for each task reused, started and finished (or given up).
    stored : mapping of str to Outcome, optional
        What :func:`stored_outcomes` returned, to spare a second look.

    Returns
    -------
    dict of str to Outcome
        One for each key. A task that failed or could not run is among them; the others went on.

    Raises
    ------
    SettingsError
        ``jobs`` is not positive.
    StoreError
        Results cannot be written any more (full disk).
    ExecutionError
        Workers cannot start, or the plan is circular.
    """
    if jobs < 1:
        raise SettingsError(f"jobs is {jobs}; give 1 or more")
    by_key = {task.key: task for task in tasks}
    stored = stored_outcomes(tasks, store) if stored is None else stored
    notify = on_event or (lambda event: None)
    schedule = Schedule(tasks)
    with InlineExecutor(store, steps) if jobs == 1 else LocalExecutor(store, steps, jobs) as executor:
        while not schedule.finished:
            _submit_ready(schedule, executor, stored, by_key, notify)
            if schedule.finished:
                break
            for outcome in executor.wait():
                if outcome.error_type == StoreError.__name__:
                    raise StoreError(outcome.message)
                for noted in schedule.complete(outcome):
                    notify(Event("finished", by_key[noted.key], noted))
    return schedule.outcomes


def _submit_ready(
    schedule: Schedule,
    executor: Executor,
    stored: Mapping[str, Outcome],
    by_key: Mapping[str, Task],
    notify: Callable[[Event], None],
) -> None:
    """Fill the executor; a stored outcome completes at once and may make more tasks ready."""
    while executor.has_room and (task := schedule.pop()) is not None:
        if task.key not in stored:
            notify(Event("started", task))
            executor.submit(task)
            continue
        for noted in schedule.complete(stored[task.key]):
            notify(Event("reused" if noted.key == task.key else "finished", by_key[noted.key], noted))
