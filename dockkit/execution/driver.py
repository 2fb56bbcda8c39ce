"""Run a plan's tasks: what is stored is used again, the rest goes to an executor as it becomes ready."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final, Literal

from dockkit.core.errors import StoreError
from dockkit.core.task import Step, Task
from dockkit.execution.executors import Executor, make_executor
from dockkit.execution.progress import RUN_FOLDER, Recorder
from dockkit.execution.retry import LostTaskError, tries
from dockkit.execution.schedule import Schedule
from dockkit.execution.workers import Workers, as_workers
from dockkit.store import Outcome, Store

CHECK_SECONDS: Final = 5.0
READERS: Final = 8
"""Threads that look into the store at the start of a run."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a task; ``outcome`` is None for ``started``."""

    kind: Literal["reused", "started", "finished"]
    task: Task
    outcome: Outcome | None = None


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
    keys = list(dict.fromkeys(task.key for task in tasks))
    with ThreadPoolExecutor(READERS) as pool:  # reading waits for the file server, and checksums release Python's lock
        outcomes = pool.map(store.outcome, keys)
        return {key: outcome for key, outcome in zip(keys, outcomes, strict=True) if outcome and outcome.final}


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    steps: Mapping[str, Step],
    *,
    jobs: int | Workers | None = 1,
    on_event: Callable[[Event], None] | None = None,
    stored: Mapping[str, Outcome] | None = None,
    on_note: Callable[[str], None] | None = None,
    folder: Path | None = None,
    check: Callable[[], None] | None = None,
    progress: Callable[[Task], int] | None = None,
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
    jobs : int or Workers, optional
        Processes (1 runs everything in this process, None takes one per usable core), or which executor and site.
    on_event : callable, optional
        Called with an :class:`Event` for each task reused, started and finished (or given up).
    stored : mapping of str to Outcome, optional
        What :func:`stored_outcomes` returned, to spare a second look.
    on_note : callable, optional
        Called with a sentence where a task is tried again and where something happens to a batch job.
    folder : Path, optional
        Output folder, for ``dockkit status``; default the folder that the store is in.
    check : callable, optional
        Called every few seconds; may raise to end the run, as :meth:`FolderLock.check` does.
    progress : callable, optional
        Returns how far a task is that keeps its work from try to try. One that was lost (its node, its batch job's
        walltime) but got further does not use up a try.

    Returns
    -------
    dict of str to Outcome
        One for each key. A task that failed or could not run is among them; the others went on.

    Raises
    ------
    SettingsError
        ``jobs`` is not positive, or its parts do not go together.
    StoreError
        Results cannot be written any more (full disk), or ``check`` found the folder taken.
    ExecutionError
        Workers cannot start, or the plan is circular.
    """
    workers = as_workers(jobs)
    stored = stored_outcomes(tasks, store) if stored is None else stored
    folder = store.root.parent if folder is None else folder
    with Recorder(folder, tasks, workers.in_words) as recorder:
        driver = _Driver(tasks, stored, recorder, on_event, on_note, progress)
        driver.reuse()
        if not driver.schedule.finished:
            with (
                _interrupts_noticed() as interrupted,
                make_executor(workers, store, steps, folder / RUN_FOLDER, driver) as executor,
            ):
                while not driver.schedule.finished:
                    driver.submit(executor)
                    for outcome in executor.wait(CHECK_SECONDS):
                        driver.take(outcome)
                    if interrupted():
                        raise KeyboardInterrupt
                    if check is not None:
                        check()
    return driver.schedule.outcomes


@contextmanager
def _interrupts_noticed() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether Ctrl-C was pressed, since Python swallows the exception in a finaliser."""
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return

    def notice(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)


class _Driver:
    """The schedule of a run, and those who are told how it goes."""

    def __init__(
        self,
        tasks: Sequence[Task],
        stored: Mapping[str, Outcome],
        recorder: Recorder,
        on_event: Callable[[Event], None] | None,
        on_note: Callable[[str], None] | None,
        progress: Callable[[Task], int] | None,
    ) -> None:
        self.schedule = Schedule(tasks)
        self._tasks = {task.key: task for task in tasks}
        self._stored, self._recorder = stored, recorder
        self._on_event, self._on_note = on_event, on_note
        self._tries: Counter[str] = Counter()
        self._progress, self._far = progress, dict[str, int]()

    def note(self, text: str) -> None:
        """Pass on a sentence."""
        self._recorder.note(text)
        if self._on_note is not None:
            self._on_note(text)

    def jobs(self, jobs: Mapping[str, str]) -> None:
        """Pass on the states of batch jobs."""
        self._recorder.jobs(jobs)

    def reuse(self) -> None:
        """Complete every task that is in the store and whose inputs are; put the others back."""
        to_do = []
        while (task := self.schedule.pop()) is not None:
            if task.key in self._stored:
                self._complete(self._stored[task.key])
            else:
                to_do.append(task)
        for task in to_do:
            self.schedule.put_back(task.key)

    def submit(self, executor: Executor) -> None:
        """Fill the executor; a stored outcome completes at once and may make more tasks ready."""
        while executor.has_room and (task := self.schedule.pop()) is not None:
            if task.key in self._stored:
                self._complete(self._stored[task.key])
                continue
            self._tell(Event("started", task))
            self._recorder.started(task)
            self._tries[task.key] += 1
            if self._progress is not None:
                self._far.setdefault(task.key, self._progress(task))
            executor.submit(task)

    def take(self, outcome: Outcome) -> None:
        """Note how a task ended, or have it run again where that may help."""
        if self._got_further(outcome):
            self._tries[outcome.key] = 0
            self.note(f"{outcome.label}: {outcome.message}; it got further and goes on")
            self.schedule.put_back(outcome.key)
            return
        done = self._tries[outcome.key]
        if done < tries(outcome):
            self.note(f"{outcome.label}: {outcome.message}; tried again")
            self.schedule.put_back(outcome.key)
            return
        if outcome.error_type == StoreError.__name__:
            raise StoreError(outcome.message)
        if not outcome.ok and done > 1:
            outcome = replace(outcome, message=f"{outcome.message}; tried {done} times")
        self._complete(outcome)

    def _got_further(self, outcome: Outcome) -> bool:
        """Tell whether a lost task left more of its work behind than the tries before."""
        if self._progress is None or outcome.error_type != LostTaskError.__name__:
            return False
        far = self._progress(self._tasks[outcome.key])
        further = far > self._far.get(outcome.key, 0)
        self._far[outcome.key] = max(far, self._far.get(outcome.key, 0))
        return further

    def _complete(self, outcome: Outcome) -> None:
        for noted in self.schedule.complete(outcome):
            reused = noted.key == outcome.key and noted.key in self._stored
            self._recorder.ended(noted, reused=reused)
            self._tell(Event("reused" if reused else "finished", self._tasks[noted.key], noted))

    def _tell(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
