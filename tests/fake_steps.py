"""Small steps for tests of planning, storing and running; importable by name in worker processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockkit.core.errors import DockingError, LigandError
from dockkit.core.model import Estimate


@dataclass(frozen=True)
class FakeStep:
    """A step with a version and a function."""

    version: str
    run: Callable[[dict[str, Any], dict[str, Any], Path], Any]


def number(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Give the parameter back; note the call in a file where asked to."""
    if "log" in params:
        with Path(params["log"]).open("a", encoding="ascii") as file:
            file.write(f"{params['value']}\n")
    (work_dir / "scratch.bin").write_bytes(b"x")
    return Estimate(float(params["value"]), 0.0)


def total(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Sum the inputs."""
    return Estimate(sum(item.value for item in inputs.values()), float(os.environ.get("OPENMM_CPU_THREADS", "0")))


def fail(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Fail in the way asked for."""
    kind = params["kind"]
    if kind == "input":
        raise LigandError("imatinib.sdf: atom 3 has 5 bonds; check the file")
    if kind == "flaky" and not Path(params["mark"]).exists():
        Path(params["mark"]).touch()
        raise DockingError("no pose")
    if kind == "killed-once" and not Path(params["mark"]).exists():
        Path(params["mark"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "killed-on-its-way":
        with Path(params["mark"]).open("ab") as file:
            file.write(b"x")
        if Path(params["mark"]).stat().st_size < params["length"]:
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "killed":
        print("about to run out of memory", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(7)
    if kind == "bug":
        raise ZeroDivisionError("division by zero")
    return Estimate(1.0, 0.0)


def sleep(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Sleep, leaving a mark with this process's id at the start."""
    Path(params["mark"]).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(params["seconds"])
    return Estimate(0.0, 0.0)


STEPS = {
    "number": FakeStep("1", number),
    "total": FakeStep("1", total),
    "fail": FakeStep("1", fail),
    "sleep": FakeStep("1", sleep),
}
