"""Parsl's interchange, ending with its driver: ``python -m dockkit.execution.broker`` in place of ``interchange.py``.

An interchange whose driver was killed would run on the login node for ever, and hold its pilot jobs; without it they
miss its heartbeat and end, and give their nodes back.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading
import time


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)


def main() -> None:
    """Run the interchange; its configuration comes through standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver alone decides
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
