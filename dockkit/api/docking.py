"""Dock ligands into structures, mutants and conformations; dock a structure's own ligand again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockkit.core.errors import StoreError
from dockkit.core.files import store_error
from dockkit.core.settings import validate_dock
from dockkit.core.task import Step
from dockkit.execution import Event, FolderLock, Workers, as_workers, run_tasks, stored_outcomes
from dockkit.pipeline.dock import DockPlan, plan_docking, plan_redocking
from dockkit.pipeline.dock_outputs import write_docking
from dockkit.pipeline.dock_rows import DockRow, collect_rows, success_rate, summary_rows
from dockkit.pipeline.dock_steps import DOCK_STEPS
from dockkit.store import Outcome, Store

OnPlan = Callable[[DockPlan, Mapping[str, Outcome], Path, int], None]


@dataclass(frozen=True, slots=True)
class DockRun:
    """A docking that ran.

    Parameters
    ----------
    plan : DockPlan
    rows : tuple of DockRow
        The ranked list, failures last; in a redocking in the order of the structures.
    outcomes : mapping of str to Outcome
        How every task ended.
    out : Path
    files : tuple of (str, Path)
        What to look at first.
    """

    plan: DockPlan
    rows: tuple[DockRow, ...]
    outcomes: Mapping[str, Outcome]
    out: Path
    files: tuple[tuple[str, Path], ...]

    @property
    def failed(self) -> tuple[DockRow, ...]:
        """The rows without poses."""
        return tuple(row for row in self.rows if not row.ok)

    @property
    def summary(self) -> list[dict[str, str]]:
        """What ``summary.csv`` holds, a row for each ligand in each structure."""
        return summary_rows(self.rows, self.plan)

    @property
    def success(self) -> tuple[int, int, int, int]:
        """Of a redocking: structures right by the chosen pose, by the top score, by any pose; and all of them."""
        return success_rate(self.rows, self.plan)


def dock(
    structures: Sequence[str | Path],
    ligands: Sequence[str | Path],
    mutations: Sequence[str] = (),
    /,
    *,
    out: str | Path | None = None,
    jobs: int | Workers | None = None,
    fresh: bool = False,
    cache: str | Path | None = None,
    on_plan: OnPlan | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    steps: Mapping[str, Step] | None = None,
    **settings: Any,
) -> DockRun:
    """Dock ligands into structures, wild type and mutants, and rank everything in one list.

    Parameters
    ----------
    structures : sequence of str or Path
        Files, names of bundled structures, PDB ids, UniProt accessions; several of one kinase are an ensemble.
    ligands : sequence of str or Path
        Library names, SMILES, SDF or MOL2 files, tables.
    mutations : sequence of str
        Such as ``T315I``; each is built on its own in every structure.
    out : str or Path, optional
        Folder, default ``./dock-<structure>``; results already there are used again.
    jobs : int or Workers, optional
        Processes, default one per usable core; results do not depend on it.
    fresh : bool
        Throw stored results of this folder away first.
    cache : str or Path, optional
        Folder for downloads.
    on_plan, on_event : callable, optional
        Called before work starts, and for each task.
    steps : mapping of str to Step, optional
        The table of steps; default dockkit's own.
    **settings
        Keys of :class:`dockkit.core.settings.DockSettings`, such as ``seed=1, docking={"exhaustiveness": 4}``.

    Returns
    -------
    DockRun
        A ligand or structure that failed is a row with its reason.

    Raises
    ------
    InputError
        Something given cannot be found or read; nothing was computed.
    StoreError
        The folder cannot be written, or another run holds it.
    """
    checked = validate_dock(settings)
    plan = plan_docking(
        [str(text) for text in structures],
        [str(text) for text in ligands],
        mutations,
        checked,
        cache=cache,
        steps=steps,
    )
    return _execute(plan, out, "dock", jobs, fresh, on_plan, on_event, on_note, steps)


def redock(
    structures: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    jobs: int | Workers | None = None,
    fresh: bool = False,
    cache: str | Path | None = None,
    on_plan: OnPlan | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    steps: Mapping[str, Step] | None = None,
    **settings: Any,
) -> DockRun:
    """Take each structure's ligand out, dock it from a fresh conformer, and compare with the crystal.

    Parameters
    ----------
    structures, out, jobs, fresh, cache, on_plan, on_event, steps, **settings
        See :func:`dock`; ``ligand_code`` names the ligand where a structure has several.

    Returns
    -------
    DockRun
        One row for each structure, with the symmetry-corrected RMSD of every pose.

    Raises
    ------
    InputError, StoreError
        See :func:`dock`.
    """
    checked = validate_dock(settings)
    plan = plan_redocking([str(text) for text in structures], checked, cache=cache, steps=steps)
    return _execute(plan, out, "redock", jobs, fresh, on_plan, on_event, on_note, steps)


def _execute(
    plan: DockPlan,
    out: str | Path | None,
    word: str,
    jobs: int | Workers | None,
    fresh: bool,
    on_plan: OnPlan | None,
    on_event: Callable[[Event], None] | None,
    on_note: Callable[[str], None] | None,
    steps: Mapping[str, Step] | None,
) -> DockRun:
    workers = as_workers(jobs)
    table = DOCK_STEPS if steps is None else steps
    folder = Path(out) if out is not None else Path(f"{word}-{plan.cells[0].structure.label}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{store_error(folder, error)} (--out)") from error
    with FolderLock(folder) as lock:
        store = Store(folder / "store")
        store.clear() if fresh else store.clean()
        stored = stored_outcomes(plan.tasks, store)
        if on_plan is not None:
            on_plan(plan, stored, folder, workers.count)
        outcomes = run_tasks(
            plan.tasks, store, table, jobs=workers, on_event=on_event, stored=stored, on_note=on_note, folder=folder,
            check=lock.check,
        )  # fmt: skip
        rows = collect_rows(plan, store, outcomes)
        files = write_docking(rows, plan, outcomes, folder)
    return DockRun(plan, rows, outcomes, folder, tuple(files))
