"""Worker processes on this machine, one task and one thread each; a worker that dies takes one task with it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from dockkit.core.errors import ExecutionError
from dockkit.core.task import Step, Task
from dockkit.execution.retry import LostTaskError
from dockkit.store import Outcome, Store, failure

ONE_THREAD: Final[Mapping[str, str]] = {
    "OPENMM_CPU_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_MAX_THREADS": "1",
}
"""Environment of a worker: set before any library is imported there."""


class _Worker:
    """One process and the socket to it."""

    def __init__(self, setup: tuple[list[str], str, bytes], device: str) -> None:
        self.device = device
        on_device = {"CUDA_VISIBLE_DEVICES": device} if device else {}
        mine, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dockkit.execution.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD, **on_device, "PYTHONPATH": os.pathsep.join(filter(None, setup[0]))},
            )
        self.link = Connection(mine.detach())
        self.task: Task | None = None
        self.log = ""
        with contextlib.suppress(OSError):  # a worker that dies at once is met in LocalExecutor.wait
            self.link.send(setup)

    def close(self) -> None:
        self.link.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        """Return why the process died, with the last line that it printed."""
        code = self.process.wait()
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            why = f"the worker process was killed by {name}"
            why += " (often the system is out of memory: try fewer --jobs)" if name == "SIGKILL" else ""
        else:
            why = f"the worker process ended with exit code {code}"
        text = ""
        with contextlib.suppress(OSError):
            text = Path(self.log).read_text(encoding="utf-8", errors="replace") if self.log else ""
        if not text and self.process.stderr is not None:
            text = self.process.stderr.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return why + (f"; its last line: {lines[-1]}" if lines else "")


class LocalExecutor:
    """Runs tasks in ``jobs`` processes, each with one thread.

    The processes are plain ``python -m`` children: a script that uses the Python API needs no ``__main__`` guard.

    Parameters
    ----------
    store : Store
        Where inputs are and results go.
    steps : mapping of str to Step
        The table of steps; it must be importable by name in the workers.
    jobs : int
        Number of processes.

    Raises
    ------
    ExecutionError
        The table cannot be sent to another process.
    """

    def __init__(self, store: Store, steps: Mapping[str, Step], jobs: int) -> None:
        try:
            pickled = pickle.dumps(steps)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ExecutionError(f"the steps cannot be sent to worker processes ({error}); use jobs=1") from error
        self._setup = (list(sys.path), str(store.root.resolve()), pickled)
        self._store, self._jobs = store, jobs
        self._workers: list[_Worker] = []

    def __enter__(self) -> LocalExecutor:
        """Workers start when the first tasks come."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the workers; a task in flight is lost."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        self._store.clean(graves=False)

    @property
    def has_room(self) -> bool:
        """Whether a worker is free or may be started."""
        return len(self._workers) < self._jobs or any(worker.task is None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Give a task to a free worker, starting one where needed."""
        for idle in [item for item in self._workers if item.task is None and item.process.poll() is not None]:
            self._workers.remove(idle)
            idle.close()
        worker = next((item for item in self._workers if item.task is None), None)
        if worker is None:
            worker = _Worker(self._setup, self._next_device())
            self._workers.append(worker)
        worker.task, worker.log = task, ""
        with contextlib.suppress(OSError):  # a dead worker is met in wait
            worker.link.send(task)

    def _next_device(self) -> str:
        """Return the GPU of the next worker where this process was given several: the one with the fewest workers."""
        given = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        if len(given) < 2:
            return ""
        used = [worker.device for worker in self._workers]
        return min(given, key=used.count)

    def wait(self, seconds: float) -> list[Outcome]:
        """Wait for at least one outcome, or for so many seconds, and return those that came."""
        busy = {worker.link: worker for worker in self._workers if worker.task is not None}
        outcomes: list[Outcome] = []
        end = time.monotonic() + seconds
        while busy and not outcomes and (left := end - time.monotonic()) > 0:
            for link in wait(list(busy), left):
                worker = busy[link]  # type: ignore[index]
                outcome = self._receive(worker)
                if outcome is not None:
                    worker.task = None
                    outcomes.append(outcome)
                    del busy[worker.link]
        return outcomes

    def _receive(self, worker: _Worker) -> Outcome | None:
        message: Any
        try:
            kind, message = worker.link.recv()
        except (EOFError, OSError):
            task, words = worker.task, worker.last_words()
            self._workers.remove(worker)
            worker.close()
            return None if task is None else failure(task, LostTaskError(words), 0.0)
        if kind == "broken":
            raise ExecutionError(f"a worker process cannot start ({message}); install dockkit again")
        if kind == "log":
            worker.log = message
        return message if kind == "done" else None
