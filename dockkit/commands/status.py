"""Say how far a run is: from the files in its output folder alone, so on any machine that sees them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockkit.execution import RunStatus

GOOD, SOME_FAILED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``dockkit status``."""
    parser.add_argument("folder", metavar="FOLDER", help="output folder of a run (--out)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--all", action="store_true", help="every running task and failure, not the first ten")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; 1 where a task failed."""
    from dockkit.execution import as_record, read_status

    status = read_status(Path(arguments.folder))
    if arguments.json:
        print(json.dumps(as_record(status), indent=2))
    else:
        print("\n".join(_lines(status, None if arguments.all else 10)))
    return SOME_FAILED if status.failed else GOOD


def _lines(status: RunStatus, most: int | None) -> list[str]:
    """Return a status in words, lists cut at ``most``."""
    lines = [f"{status.folder}: {_state(status)}", f"  workers     {status.workers}"]
    failed = f", {status.failed} failed" if status.failed else ""
    reused = f" ({status.reused} from before)" if status.reused else ""
    lines.append(f"  tasks       {status.ended} of {status.total}{reused}{failed}{_left(status)}")
    for step in status.steps:
        bad = [f"{count} {word}" for count, word in ((step.failed, "failed"), (step.upstream, "not run")) if count]
        lines.append(f"    {step.step:16} {step.done} of {step.total}{', ' if bad else ''}{', '.join(bad)}")
    if status.state == "running":
        lines += _some("running", [f"{label} ({_duration(seconds)})" for label, seconds in status.running], most)
    lines += _some("jobs", [f"{job} {state}" for job, state in status.jobs], most)
    lines += _some("failed", [f"{label}: {reason}" for label, reason in status.failures], most)
    return lines + _some("lately", list(status.notes[-5:] if most else status.notes), None)


def _state(status: RunStatus) -> str:
    holder = status.holder
    if status.state == "running" and holder is not None:
        return f"running since {_duration(status.seconds)} ({holder.who}, last sign of life {holder.seconds:.0f} s ago)"
    if status.state == "lost":
        return "its driver is gone without a word; run the same command again to go on"
    how = "finished" if status.state == "finished" else "stopped before its end; run the same command again to go on"
    return f"{how} (after {_duration(status.seconds)})"


def _left(status: RunStatus) -> str:
    left = status.seconds_left
    return "" if left is None else f", about {_duration(left)} left at this pace"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _some(title: str, items: list[str], most: int | None) -> list[str]:
    shown = items if most is None else items[:most]
    lines = [f"  {title if i == 0 else '':11} {item}" for i, item in enumerate(shown)]
    return [*lines, f"  {'':11} and {len(items) - len(shown)} more (--all)"] if len(items) > len(shown) else lines
