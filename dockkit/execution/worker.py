"""A worker process: ``python -m dockkit.execution.worker FD`` takes tasks from a socket and sends outcomes back.

It is started by ``local.py`` with a socket as file descriptor FD. The first message is ``(sys.path, store root, pickled
steps)``, every further one a task. It answers ``("ready", "")`` or ``("broken", reason)``, then for each task
``("log", path)`` and ``("done", outcome)``. It ends when the socket closes or the driver is gone.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path


def _end_with(driver: int) -> None:
    """End this process when the driver is gone (``kill -9``), even in the middle of a task."""
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)


def main(descriptor: int) -> None:
    """Serve tasks until the socket closes.

    Parameters
    ----------
    descriptor : int
        File descriptor of the socket to the driver.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver alone decides
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    link = Connection(descriptor)
    search_path, root, pickled = link.recv()
    sys.path[:] = search_path
    try:
        from dockkit.execution.inline import printed_to_file, run_task
        from dockkit.store import Store

        steps = pickle.loads(pickled)
        store = Store(Path(root))
    except Exception as error:  # an installation that cannot be imported is told to the driver, whatever it is
        link.send(("broken", f"{type(error).__name__}: {error}"))
        return
    link.send(("ready", ""))

    @contextmanager
    def printed_to(log: Path) -> Iterator[None]:
        """Tell the driver where the task's output goes: it reads it if this process dies."""
        link.send(("log", str(log)))
        with printed_to_file(log):
            yield

    while True:
        try:
            task = link.recv()
        except EOFError:
            store.leave()
            return
        link.send(("done", run_task(task, store, steps, printed_to)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
