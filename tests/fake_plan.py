"""Tasks made of the fake steps."""

from __future__ import annotations

from typing import Any

from fake_steps import STEPS

from dockkit.core.task import Task, make_task


def number(value: float, **params: Any) -> Task:
    """A task that gives ``value``."""
    return make_task(STEPS, "number", {"value": value, **params}, {}, f"number {value}")


def total(*tasks: Task) -> Task:
    """A task that sums others."""
    return make_task(STEPS, "total", {}, {f"x{i}": task.key for i, task in enumerate(tasks)}, "total")


def failing(kind: str, **params: Any) -> Task:
    """A task that fails in the way asked for."""
    return make_task(STEPS, "fail", {"kind": kind, **params}, {}, f"failing {kind}")
