"""What the command line shows: the plan, progress with the time left, and the result table."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from rich import box
from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dockkit.core.model import ResistanceRow, StudyResult
from dockkit.core.task import Task
from dockkit.execution import Event
from dockkit.execution.schedule import STEP_SECONDS
from dockkit.pipeline.plan import Plan
from dockkit.store import Outcome

STAGES: Final[Mapping[str, str]] = {
    "receptor": "structures",
    "ligand": "molecules",
    "parameters": "parameters",
    "pose": "poses",
    "start": "common starts",
    "state": "energies",
    "dynamics": "dynamics",
    "comparison": "comparisons",
    "dock-structure": "structures",
    "dock-site": "sites",
    "dock-fresh": "conformers",
    "dock-poses": "poses",
    "dock-choice": "rescoring",
}
_COLOURS: Final = {"lost": "red", "weakened": "yellow", "kept": "green", "gained": "cyan"}


def plan_lines(plan: Plan, stored: Mapping[str, Outcome], out: Path, jobs: int) -> list[str]:
    """Return what a plan will do, line by line."""
    study = plan.study
    first = plan.cells[0].variant
    structures: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.variant == first:
            dfg = f" (DFG-{cell.template.dfg})" if cell.template.dfg != "unknown" else ""
            model = ", modelled" if cell.template.modelled else ""
            structures.setdefault(f"{cell.template.label}{dfg}{model}", []).append(cell.ligand.label)
    to_do = Counter(task.step for task in plan.tasks if task.key not in stored)
    work = ", ".join(f"{count} {STAGES.get(step, step)}" for step, count in to_do.items()) or "nothing"
    lines = [
        f"{study.title or study.name}",
        f"  kinase      {plan.kinase.gene} ({plan.kinase.uniprot}, {plan.kinase.name})",
        f"  mutations   {', '.join(study.mutations)} ({study.numbering} numbering)",
    ]
    lines += [f"  structure   {name}: {', '.join(ligands)}" for name, ligands in structures.items()]
    lines.append(f"  to do       {work}")
    if stored:
        lines.append(f"  in store    {len(stored)} of {len(plan.tasks)} results")
    processes = "1 process" if jobs == 1 else f"{jobs} processes"
    lines.append(f"  running     {processes}, output in {out}")
    return lines + [f"  warning: {text}" for text in plan.warnings]


class Progress:
    """Shows a plan and its progress: bars on a terminal, plain lines elsewhere.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to write; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._bars: bars.Progress | None = None
        self._rows: dict[str, bars.TaskID] = {}
        self._total = self._done = 0
        self._work_done = self._work_left = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        """Show nothing until there is a plan."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars down."""
        if self._bars is not None:
            self._bars.stop()

    def show_plan(self, plan: Plan, stored: Mapping[str, Outcome], out: Path, jobs: int) -> None:
        """Print what will be done and start the bars."""
        self.begin(plan_lines(plan, stored, out, jobs), plan.tasks, stored)

    def begin(self, lines: Sequence[str], tasks: Sequence[Task], stored: Mapping[str, Outcome]) -> None:
        """Print lines that say what will be done, and start the bars of these tasks."""
        for line in lines:
            self._console.print(escape(line), soft_wrap=True)
        counts = Counter(task.step for task in tasks)
        self._total, self._started = len(tasks), time.monotonic()
        self._work_left = sum(_work(task) for task in tasks if task.key not in stored)
        if not self._console.is_terminal:
            return
        self._bars = bars.Progress(
            bars.TextColumn("{task.description:11}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[now]}"),
            console=self._console,
        )
        self._rows = {
            step: self._bars.add_task(STAGES.get(step, step), total=count, start=False, now="")
            for step, count in counts.items()
        }
        self._bars.start()

    def show_event(self, event: Event) -> None:
        """Note that a task was reused, started or finished."""
        if event.kind != "started":
            self._done += 1
        if event.kind == "finished":
            self._work_done += _work(event.task)
            self._work_left -= _work(event.task)
        if self._bars is None:
            self._print_line(event)
            return
        row = self._rows[event.task.step]
        if event.kind == "started":
            self._bars.start_task(row)
            self._bars.update(row, now=event.task.label)
        else:
            self._bars.start_task(row)
            self._bars.update(row, advance=1, now="")
        if event.outcome is not None and event.outcome.status == "failed":
            self._bars.console.print(f"[red]{escape(_failure(event.outcome))}[/red]", soft_wrap=True)

    def show_note(self, text: str) -> None:
        """Print what happened beside tasks."""
        console = self._console if self._bars is None else self._bars.console
        console.print(escape(text), soft_wrap=True)

    def _print_line(self, event: Event) -> None:
        outcome = event.outcome
        if outcome is None or (event.kind == "reused" and outcome.ok):
            return
        count = f"[{self._done}/{self._total}]"
        if outcome.status == "failed":
            line = f"{count} {_failure(outcome)}"
        elif outcome.status == "upstream":
            line = f"{count} {outcome.label}: not run, something it needs failed"
        else:
            line = f"{count} {outcome.label} ({outcome.seconds:.1f} s{self._left()})"
        self._console.print(escape(line), soft_wrap=True)

    def _left(self) -> str:
        if self._done == self._total or not self._work_done:
            return ""
        seconds = (time.monotonic() - self._started) * self._work_left / self._work_done
        return f", about {_duration(seconds)} left"


def _work(task: Task) -> float:
    """Return the weight of a task in the estimate of the time left."""
    return STEP_SECONDS.get(task.step, 1.0)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _failure(outcome: Outcome) -> str:
    return f"{outcome.label} failed: {outcome.message}"


def _number(value: float, error: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:+.1f} ± {error:.1f}" if math.isfinite(error) else f"{value:+.1f}"


def _fold(row: ResistanceRow) -> str:
    if not math.isfinite(row.fold_change):
        return "-"
    return f"{row.fold_change:.3g}" if row.fold_change < 1e4 else f"{row.fold_change:.0e}"


def result_table(result: StudyResult) -> Table:
    """Return the result as a table: one line for each mutation with each inhibitor.

    Parameters
    ----------
    result : StudyResult
        A finished study.

    Returns
    -------
    rich.table.Table
        Energies in kcal/mol, mutant minus wild type.
    """
    several = len({detail.row.mutation for detail in result.rows}) > 1
    caption = "ΔΔG in kcal/mol ± standard error, mutant minus wild type"
    title = f"{result.kinase.gene} {result.rows[0].row.mutation}" if result.rows and not several else result.kinase.gene
    table = Table(title=escape(title), caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    if several:
        table.add_column("mutation", no_wrap=True)
    table.add_column("inhibitor", no_wrap=True)
    for name in ("ΔΔG\ninhibitor", "ΔΔG\nATP", "ΔΔG\neffective", "fold", "rank"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("call", no_wrap=True)
    table.add_column("why", min_width=12)
    for detail in result.rows:
        row = detail.row
        colour = _COLOURS.get(row.call, "magenta")
        why = row.reason.replace(" half", "") if row.status == "ok" else row.message
        table.add_row(
            *([escape(row.mutation)] if several else []),
            escape(row.ligand) + ("*" if row.modelled_structure else ""),
            _number(row.ddg_inhibitor_kcal_mol, row.ddg_inhibitor_sem),
            _number(row.ddg_atp_kcal_mol, row.ddg_atp_sem),
            _number(row.ddg_effective_kcal_mol, row.ddg_effective_sem),
            _fold(row),
            str(row.rank) if row.rank else "-",
            f"[{colour}]{row.call or row.status}[/{colour}]",
            escape(why),
        )
    return table


def show_result(result: StudyResult, failed: Sequence[Outcome], out: Path, console: Console | None = None) -> None:
    """Print the result table and where the files are.

    Parameters
    ----------
    result : StudyResult
        A finished study.
    failed : sequence of Outcome
        Tasks that failed.
    out : Path
        The output folder.
    console : rich.console.Console, optional
        Where to write; standard output by default.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 140)
    console.print(result_table(result))
    if any(detail.row.modelled_structure for detail in result.rows):
        console.print("* on a modelled structure, not a crystal")
    if any(detail.row.modelled_structure for detail in result.atp):
        console.print("ΔΔG ATP is from a modelled structure, not a crystal")
    if failed:
        count = "1 task" if len(failed) == 1 else f"{len(failed)} tasks"
        console.print(f"{count} failed; each is a row of results.csv with its reason", soft_wrap=True)
    console.print(escape(f"report   {out / 'report.html'}"), soft_wrap=True)
    console.print(escape(f"table    {out / 'results.csv'}"), soft_wrap=True)
