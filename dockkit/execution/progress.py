"""What a run writes about itself, and reading it again from any machine: files only, no process and no batch system."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from dockkit.core.errors import InputError, StoreError
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.task import Task
from dockkit.execution.lock import Holder, read_lock
from dockkit.store import Outcome, read_outcome

RUN_FOLDER: Final = "run"
PLAN_FILE: Final = "plan.json"
STATUS_FILE: Final = "status.json"
WRITE_SECONDS: Final = 2.0
_MOST_SHOWN: Final = 200

State = Literal["running", "finished", "stopped", "lost"]


@dataclass(frozen=True, slots=True)
class StepCount:
    """How far one kind of task is."""

    step: str
    total: int
    done: int
    failed: int
    upstream: int


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Parameters
    ----------
    folder : Path
    state : {"running", "finished", "stopped", "lost"}
        ``stopped``: told to; ``lost``: its driver is gone without a word.
    workers : str
        Where tasks run, in words.
    holder : Holder or None
        The driver, where one holds the folder.
    steps : tuple of StepCount
    running : tuple of (str, float)
        Label and seconds since it was given to a worker; for a batch system that includes waiting there.
    jobs : tuple of (str, str)
        Batch jobs and their states as last seen.
    failures : tuple of (str, str)
        Label and reason.
    notes : tuple of str
        What happened besides, the last ones.
    seconds : float
        From the start of the run to its last word.
    reused : int
        Tasks whose results were there before this run; they say nothing about its pace.
    """

    folder: Path
    state: State
    workers: str
    holder: Holder | None
    steps: tuple[StepCount, ...]
    running: tuple[tuple[str, float], ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    reused: int = 0

    @property
    def total(self) -> int:
        """Tasks of the plan."""
        return sum(step.total for step in self.steps)

    @property
    def ended(self) -> int:
        """Tasks that have an outcome, good or bad."""
        return sum(step.done + step.failed + step.upstream for step in self.steps)

    @property
    def failed(self) -> int:
        """Tasks that failed themselves."""
        return sum(step.failed for step in self.steps)

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the pace of this run so far; None where that says nothing."""
        ran = sum(step.done + step.failed for step in self.steps) - self.reused
        if self.state != "running" or ran < 1 or self.ended == self.total or self.seconds < 10:
            return None
        return self.seconds * (self.total - self.ended) / ran


@dataclass(slots=True)
class _Seen:
    """What the recorder knows; guarded by its lock."""

    ended: dict[str, Counter[str]] = field(default_factory=dict)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    jobs: tuple[tuple[str, str], ...] = ()
    notes: list[str] = field(default_factory=list)
    changed: bool = True
    reused: int = 0


class Recorder:
    """Writes ``run/plan.json`` once and ``run/status.json`` every few seconds while something changes.

    Parameters
    ----------
    folder : Path
        The output folder.
    tasks : sequence of Task
        The plan's.
    workers : str
        Where they run, in words.
    """

    def __init__(self, folder: Path, tasks: Sequence[Task], workers: str) -> None:
        self._folder = folder / RUN_FOLDER
        self._workers = workers
        self._seen = _Seen()
        self._guard, self._writing, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        self._started = time.time()
        by_step: dict[str, list[str]] = {}
        for task in tasks:
            by_step.setdefault(task.step, []).append(task.key)
        self._totals = {step: len(keys) for step, keys in by_step.items()}
        atomic_write_text(self._folder / PLAN_FILE, json.dumps({"format": 1, "steps": by_step}) + "\n")

    def __enter__(self) -> Recorder:
        """Write the first status and go on writing."""
        self._write("running")
        threading.Thread(target=self._keep_writing, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last status."""
        self._stop.set()
        if error is not None:
            self.note(f"stopped: {error}" if str(error) else f"stopped: {type(error).__name__}")
        try:
            self._write("finished" if kind is None else "stopped")
        except StoreError:
            if kind is None:
                raise

    def started(self, task: Task) -> None:
        """Note that a task was given to a worker."""
        with self._guard:
            self._seen.running[task.key] = (task.label, time.time())
            self._seen.changed = True

    def ended(self, outcome: Outcome, *, reused: bool = False) -> None:
        """Note how a task ended, in this run or, reused, in an earlier one."""
        with self._guard:
            self._seen.reused += reused
            self._seen.running.pop(outcome.key, None)
            self._seen.ended.setdefault(outcome.step, Counter())[outcome.status] += 1
            if outcome.status == "failed":
                self._seen.failures.append((outcome.label, outcome.message))
            self._seen.changed = True

    def note(self, text: str) -> None:
        """Note something worth telling."""
        with self._guard:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            self._seen.notes = [*self._seen.notes, f"{stamp} {text}"][-_MOST_SHOWN:]
            self._seen.changed = True

    def jobs(self, jobs: Mapping[str, str]) -> None:
        """Note the state of each batch job."""
        with self._guard:
            self._seen.changed |= tuple(jobs.items()) != self._seen.jobs
            self._seen.jobs = tuple(jobs.items())

    def _keep_writing(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            try:
                self._write("running")
            except StoreError:  # the run itself meets a full disk; a status that is late is no reason to stop
                continue

    def _write(self, state: State) -> None:
        content = self._content(state)
        if content is None:
            return
        aside = self._folder / f".{STATUS_FILE}.{os.getpid()}"
        with self._writing:
            try:
                aside.write_text(json.dumps(content) + "\n", encoding="utf-8")
                aside.replace(self._folder / STATUS_FILE)
            except OSError as error:
                raise store_error(self._folder, error) from error

    def _content(self, state: State) -> dict[str, Any] | None:
        with self._guard:
            seen = self._seen
            if state == "running" and not seen.changed:
                return None
            seen.changed = False
            return {
                "format": 1,
                "state": state,
                "workers": self._workers,
                "started": self._started,
                "updated": time.time(),
                "steps": [
                    [step, total, *(seen.ended.get(step, Counter())[status] for status in ("ok", "failed", "upstream"))]
                    for step, total in self._totals.items()
                ],
                "running": [list(item) for item in seen.running.values()][:_MOST_SHOWN],
                "jobs": seen.jobs,
                "reused": seen.reused,
                "failures": seen.failures[:_MOST_SHOWN],
                "notes": seen.notes,
            }


def read_status(folder: Path) -> RunStatus:
    """Return how far the run in a folder is, from its files alone.

    Parameters
    ----------
    folder : Path
        An output folder, on this machine or on shared storage; nothing is written and no process is asked.

    Returns
    -------
    RunStatus
        Of a driver that is gone, with what is in the store counted anew.

    Raises
    ------
    InputError
        No dockkit run wrote into this folder.
    """
    path = folder / RUN_FOLDER / STATUS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "give the folder that 'dockkit run' wrote (--out)" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: no run to tell of; {hint}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    holder = read_lock(folder)
    state: State = content["state"]
    if state == "running" and (holder is None or holder.gone):
        state = "lost"
    steps = tuple(StepCount(*row) for row in content["steps"])
    failures = tuple((label, reason) for label, reason in content["failures"])
    if state == "lost":
        steps, failures = _count_again(folder)
    last = time.time() if state == "running" else content["updated"]
    return RunStatus(
        folder=folder,
        state=state,
        workers=content["workers"],
        holder=holder,
        steps=steps,
        running=tuple((label, max(0.0, last - since)) for label, since in content["running"]),
        jobs=tuple((job, seen) for job, seen in content["jobs"]),
        failures=failures,
        notes=tuple(content["notes"]),
        seconds=max(0.0, last - content["started"]),
        reused=content.get("reused", 0),
    )


def _count_again(folder: Path) -> tuple[tuple[StepCount, ...], tuple[tuple[str, str], ...]]:
    """Count what is in the store of a run that ended without a word."""
    plan = json.loads((folder / RUN_FOLDER / PLAN_FILE).read_text(encoding="utf-8"))
    steps, failures = [], []
    for step, keys in plan["steps"].items():
        outcomes = list(_outcomes(folder / "store", keys))
        failed = [outcome for outcome in outcomes if not outcome.ok]
        failures += [(outcome.label, outcome.message) for outcome in failed]
        steps.append(StepCount(step, len(keys), len(outcomes) - len(failed), len(failed), 0))
    return tuple(steps), tuple(failures)


def _outcomes(root: Path, keys: Iterable[str]) -> Iterable[Outcome]:
    return (outcome for key in keys if (outcome := read_outcome(root, key)) is not None)


def as_record(status: RunStatus) -> dict[str, Any]:
    """Return a status as JSON-able data, for scripts."""
    holder = status.holder
    return {
        "folder": str(status.folder),
        "state": status.state,
        "workers": status.workers,
        "driver": None if holder is None else {"pid": holder.pid, "host": holder.host, "job": holder.job},
        "silent_seconds": None if holder is None else round(holder.seconds, 1),
        "tasks": status.total,
        "ended": status.ended,
        "failed": status.failed,
        "reused": status.reused,
        "seconds_left": None if status.seconds_left is None else round(status.seconds_left),
        "steps": {
            item.step: {"total": item.total, "done": item.done, "failed": item.failed, "not_run": item.upstream}
            for item in status.steps
        },
        "running": [{"task": label, "seconds": round(seconds, 1)} for label, seconds in status.running],
        "jobs": dict(status.jobs),
        "failures": [{"task": label, "reason": reason} for label, reason in status.failures],
        "notes": list(status.notes),
        "seconds": round(status.seconds, 1),
    }
