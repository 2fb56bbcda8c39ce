"""The order of tasks: ready ones first, among them the one that heads the longest chain of work."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Final

from dockkit.core.errors import ExecutionError
from dockkit.core.task import Task
from dockkit.store import Outcome

STEP_SECONDS: Final[Mapping[str, float]] = {
    "receptor": 1.0,
    "ligand": 0.2,
    "parameters": 1.0,
    "pose": 30.0,
    "start": 3.0,
    "state": 3.0,
    "dynamics": 30.0,
    "comparison": 5.0,
    "dock-structure": 5.0,
    "dock-poses": 30.0,
    "dock-choice": 20.0,
}
"""Rough seconds per step; they set the order only, never a result."""


def upstream_outcome(task: Task, cause: Outcome) -> Outcome:
    """Return the outcome of a task that cannot run because ``cause`` failed."""
    message = cause.message if cause.status == "upstream" else f"{cause.label} failed: {cause.message}"
    return Outcome(task.key, task.step, task.label, "upstream", cause.error_type, message, cause.input_error)


class Schedule:
    """Which task may run next.

    Parameters
    ----------
    tasks : sequence of Task
        Every input of a task is the key of another one.

    Raises
    ------
    ExecutionError
        An input is no task's key, or tasks wait for each other in a circle.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.key: task for task in tasks}
        self._dependents: dict[str, list[str]] = {key: [] for key in self._tasks}
        self._missing: dict[str, set[str]] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._order = {key: i for i, key in enumerate(self._tasks)}
        self.outcomes: dict[str, Outcome] = {}
        for task in self._tasks.values():
            needed = set(task.inputs.values())
            if unknown := needed - self._tasks.keys():
                raise ExecutionError(f"{task.label}: needs {len(unknown)} task(s) that are not in the plan")
            self._missing[task.key] = needed
            for key in needed:
                self._dependents[key].append(task.key)
        self._weight = self._chain_seconds()
        for key, needed in self._missing.items():
            if not needed:
                self._push(key)

    def _chain_seconds(self) -> dict[str, float]:
        """Return for each task the seconds of the longest chain that starts with it."""
        waiting = {key: len(items) for key, items in self._dependents.items()}
        leaves = [key for key, count in waiting.items() if count == 0]
        weight = dict.fromkeys(self._tasks, 0.0)
        done = 0
        while leaves:
            key = leaves.pop()
            done += 1
            weight[key] += STEP_SECONDS.get(self._tasks[key].step, 1.0)
            for needed in set(self._tasks[key].inputs.values()):
                weight[needed] = max(weight[needed], weight[key])
                waiting[needed] -= 1
                if waiting[needed] == 0:
                    leaves.append(needed)
        if done != len(self._tasks):
            raise ExecutionError("the plan has tasks that wait for each other in a circle")
        return weight

    def _push(self, key: str) -> None:
        heapq.heappush(self._ready, (-self._weight[key], self._order[key], key))

    @property
    def finished(self) -> bool:
        """Whether every task has an outcome."""
        return len(self.outcomes) == len(self._tasks)

    def pop(self) -> Task | None:
        """Return the ready task that heads the longest chain, None where none is ready."""
        return self._tasks[heapq.heappop(self._ready)[2]] if self._ready else None

    def put_back(self, key: str) -> None:
        """Make a task that :meth:`pop` returned ready again."""
        self._push(key)

    def complete(self, outcome: Outcome) -> list[Outcome]:
        """Note an outcome.

        Parameters
        ----------
        outcome : Outcome
            Of a task that :meth:`pop` returned.

        Returns
        -------
        list of Outcome
            This one, then those of the tasks that cannot run because of it.
        """
        noted, stack = [], [outcome]
        while stack:
            current = stack.pop()
            self.outcomes[current.key] = current
            noted.append(current)
            for key in self._dependents[current.key]:
                if current.ok:
                    self._missing[key].discard(current.key)
                    if not self._missing[key] and key not in self.outcomes:
                        self._push(key)
                elif key not in self.outcomes and all(item.key != key for item in stack):
                    stack.append(upstream_outcome(self._tasks[key], current))
        return noted
