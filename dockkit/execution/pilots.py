"""Parsl: pilot jobs of a batch system whose workers take tasks; ten thousand short tasks are not ten thousand jobs."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from parsl import python_app
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, VersionMismatch, WorkerLost
from parsl.jobs.states import TERMINAL_STATES

from dockkit import __version__
from dockkit.core.errors import ExecutionError
from dockkit.core.task import Step, Task
from dockkit.execution.executors import Monitor
from dockkit.execution.inline import log_path
from dockkit.execution.pilot import SETUP_FILE, WorkerSetupError, serve
from dockkit.execution.providers import LABEL, make_htex
from dockkit.execution.retry import LostTaskError
from dockkit.execution.workers import Workers
from dockkit.store import Outcome, Store, failure

IDLE_SECONDS: Final = 120.0
"""A job whose workers had nothing to do for so long is given back."""
_HOPELESS: Final = 5
"""Workers that could not start, one after the other without a success, end the run."""


class ParslExecutor:
    """Runs tasks in pilot jobs.

    Parameters
    ----------
    store : Store
        On storage that this machine and every node see under the same path.
    steps : mapping of str to Step
        The table of steps; it must be importable by name on the nodes.
    workers : Workers
        With a site.
    folder : Path
        Parsl's scripts and logs go to ``parsl/`` in it.
    monitor : Monitor
        Is told of jobs.

    Raises
    ------
    ExecutionError
        The table cannot be sent to another process; on entering, Parsl cannot start.
    """

    def __init__(
        self, store: Store, steps: Mapping[str, Step], workers: Workers, folder: Path, monitor: Monitor
    ) -> None:
        if workers.site is None:
            raise ExecutionError("Parsl needs a site")
        try:
            pickled = pickle.dumps(steps)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ExecutionError(f"the steps cannot be sent to other nodes ({error}); use executor 'inline'") from error
        self._site, self._store, self._monitor = workers.site, store, monitor
        self._most = 2 * workers.count
        self._folder = (folder / "parsl").resolve()
        self._setup = (__version__, list(sys.path), str(store.root.resolve()), pickled)
        self._tasks: dict[Future[Any], Task] = {}
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._seen: dict[str, str] = {}
        self._broken = 0
        self._looked = 0.0

    def __enter__(self) -> ParslExecutor:
        """Start Parsl; the first job is submitted within seconds."""
        logging.getLogger("parsl").setLevel(logging.CRITICAL)  # what matters is told by this class
        self._folder.mkdir(parents=True, exist_ok=True)
        self._executor = make_htex(self._site)
        config = Config(
            executors=[self._executor],
            run_dir=str(self._folder),
            strategy="htex_auto_scale",
            strategy_period=1,
            max_idletime=IDLE_SECONDS,
            initialize_logging=False,
            usage_tracking=0,
        )
        try:
            self._kernel = DataFlowKernel(config)
        except Exception as error:  # Parsl raises bare ones, as where its broker does not answer within two minutes
            raise ExecutionError(
                f"Parsl cannot start here ({error}); on a machine that is very busy run the same command again later"
            ) from error
        setup = Path(self._kernel.run_dir) / SETUP_FILE
        setup.write_bytes(pickle.dumps(self._setup))
        self._setup_path = str(setup.resolve())
        self._app = python_app(serve, data_flow_kernel=self._kernel, executors=[LABEL], cache=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the jobs and stop Parsl; tasks in flight are lost."""
        if self._executor.bad_state_is_set:  # then Parsl leaves its jobs in the queue
            waiting = [
                job for block, job in self._executor.blocks_to_job_id.items()
                if block in self._executor.status_facade
                and self._executor.status_facade[block].state not in TERMINAL_STATES
            ]  # fmt: skip
            if waiting and self._executor.provider is not None:
                with contextlib.suppress(Exception):
                    self._executor.provider.cancel(waiting)
        self._kernel.cleanup()
        self._monitor.jobs({})
        self._store.clean(graves=False)

    @property
    def has_room(self) -> bool:
        """Whether a task may be submitted: each worker has one to do and one to come."""
        return len(self._tasks) < self._most

    def submit(self, task: Task) -> None:
        """Take a task."""
        future: Future[Any] = self._app(self._setup_path, task)
        self._tasks[future] = task
        future.add_done_callback(self._done.put)

    def wait(self, seconds: float) -> list[Outcome]:
        """Wait for at least one outcome, or for so many seconds, and return those that came."""
        outcomes = []
        try:
            outcomes.append(self._outcome(self._done.get(timeout=seconds)))
            while True:
                outcomes.append(self._outcome(self._done.get_nowait()))
        except queue.Empty:
            pass
        if time.monotonic() - self._looked > 2.0:
            self._looked = time.monotonic()
            self._tell_of_jobs()
        return outcomes

    def _outcome(self, future: Future[Any]) -> Outcome:
        task = self._tasks.pop(future)
        error = future.exception()
        if error is None:
            self._broken = 0
            outcome: Outcome = future.result()
            return outcome
        if isinstance(error, BadStateException):
            raise ExecutionError(self._no_workers()) from error
        if isinstance(error, VersionMismatch):
            raise ExecutionError(f"driver and nodes run different versions: {error}; see worker_init and python")
        if isinstance(error, (WorkerLost, ManagerLost)):
            return failure(task, LostTaskError(self._last_words(task, error)), 0.0)
        self._broken += isinstance(error, (WorkerSetupError, ImportError))
        if self._broken >= _HOPELESS or not isinstance(error, (WorkerSetupError, ImportError)):
            raise ExecutionError(f"a worker cannot run tasks ({type(error).__name__}: {error}); see worker_init")
        return failure(task, LostTaskError(f"a worker could not start: {error}"), 0.0)

    def _last_words(self, task: Task, error: Exception) -> str:
        """Return why a task was lost, with the last line that it printed."""
        host = getattr(error, "hostname", "?")
        why = f"its worker on {host} died" if isinstance(error, WorkerLost) else f"node {host} fell silent"
        lines: list[str] = []
        for path in (self._store.root / ".work").glob(f"*/{log_path(Path(), task)}"):
            with contextlib.suppress(OSError):
                lines += [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line]
        return why + (f"; its last line: {lines[-1].strip()}" if lines else "")

    def _tell_of_jobs(self) -> None:
        """Tell the monitor the state of each job, and say what changed."""
        status = dict(self._executor.status_facade)
        jobs = {
            self._executor.blocks_to_job_id.get(block, f"block {block}"): item.state.name.lower()
            for block, item in status.items()
        }
        refusal = getattr(self._executor.provider, "refusal", "")
        for job, state in jobs.items():
            before = self._seen.get(job)
            if state != before and not (before is None and state == "pending" and job.startswith("block")):
                why = f": {refusal}" if job.startswith("block") and refusal else ""
                self._monitor.note(f"job {job}: {'submitted' if before is None and not why else state}{why}")
        self._seen = jobs
        self._monitor.jobs(jobs)

    def _no_workers(self) -> str:
        """Return why no job could be had, from the batch system's refusal or the jobs' own last lines."""
        lines: list[str] = []
        scripts = sorted(Path(self._kernel.run_dir).glob("submit_scripts/*.stderr"), key=os.path.getmtime)
        for path in scripts[-1:]:
            with contextlib.suppress(OSError):
                lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        refusal = getattr(self._executor.provider, "refusal", "")
        why = refusal or (f"the last one said: {lines[-1]}" if lines else "they ended without a word")
        return f"three jobs in a row gave no workers ({why}); see the site file and the logs in {self._kernel.run_dir}"
