"""Fake steps that take their time and say who runs them, and a plan of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from fake_steps import FakeStep, total

from dockkit.core.model import Estimate
from dockkit.core.task import Task, make_task


def slow(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Note process and start, sleep, note the end, and give a number that depends on the parameters alone."""
    out = Path(params["out"])
    name = f"{params['value']}-{os.getpid()}"
    (out / f"started-{name}").touch()
    print(f"thinking about {params['value']}")
    time.sleep(params["seconds"])
    (out / f"ended-{name}").touch()
    return Estimate(params["value"] ** 0.5, params["value"] / 7)


STEPS = {"slow": FakeStep("1", slow), "total": FakeStep("1", total)}


def plan(out: Path, seconds: float, count: int = 12) -> list[Task]:
    """Return ``count`` slow tasks, a sum of every three, and the sum of sums."""
    marks = str(out.resolve())
    numbers = [
        make_task(STEPS, "slow", {"value": i, "seconds": seconds, "out": marks}, {}, f"number {i}", {"out": "marks"})
        for i in range(count)
    ]
    sums = [
        make_task(STEPS, "total", {"i": i}, {str(j): task.key for j, task in enumerate(numbers[i : i + 3])}, f"sum {i}")
        for i in range(0, count, 3)
    ]
    last = make_task(STEPS, "total", {}, {str(j): task.key for j, task in enumerate(sums)}, "sum of sums")
    return [*numbers, *sums, last]
