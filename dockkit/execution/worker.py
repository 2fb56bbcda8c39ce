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
        from dockkit.execution.inline import run_task
        from dockkit.store import Store

        steps = pickle.loads(pickled)
        store = Store(Path(root))
    except Exception as error:  # an installation that cannot be imported is told to the driver, whatever it is
        link.send(("broken", f"{type(error).__name__}: {error}"))
        return
    link.send(("ready", ""))

    def begin(log: str) -> None:
        """Send what libraries print, from C++ too, to the task's own log."""
        link.send(("log", log))
        sys.stdout.flush()
        sys.stderr.flush()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)

    while True:
        try:
            task = link.recv()
        except EOFError:
            return
        link.send(("done", run_task(task, store, steps, begin)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
