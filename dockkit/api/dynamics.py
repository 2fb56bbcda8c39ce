"""Simulate the same complex as wild type and mutant: with the inhibitor, with ATP, and apo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dockkit.api.studies import compare_study
from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.model import DynamicsStudy, Trajectory
from dockkit.core.settings import MdSettings, validate_md
from dockkit.core.task import Step
from dockkit.execution import Event, FolderLock, Workers, run_tasks, stored_outcomes
from dockkit.pipeline.dynamics import MD_STEPS, MdReplica, replica_progress, trajectory_folder
from dockkit.pipeline.dynamics_plan import MdCell, clear_simulations, plan_dynamics
from dockkit.pipeline.dynamics_results import (
    MdProgress,
    MdRow,
    analyse_cells,
    md_platform,
    read_progress,
    write_summary,
)
from dockkit.pipeline.dynamics_setup import MdStart
from dockkit.pipeline.plan import Plan, plan
from dockkit.pipeline.prepare import name_or_path
from dockkit.pipeline.steps import STEPS
from dockkit.store import Outcome, Store

SIMULATIONS = "md"
"""Folder of the segments, under the output folder."""


@dataclass(frozen=True, slots=True)
class MdPlan:
    """What ``simulate`` is about to do.

    Parameters
    ----------
    plan : Plan
        With the tasks of the simulations.
    cells : tuple of MdCell
    settings : MdSettings
    platform : str
        OpenMM platform.
    warning : str
        Where a graphics card was asked for and none works; empty otherwise.
    stored : mapping of str to Outcome
        What need not be computed again.
    out : Path
    jobs : int
    """

    plan: Plan
    cells: tuple[MdCell, ...]
    settings: MdSettings
    platform: str
    warning: str
    stored: Mapping[str, Outcome]
    out: Path
    jobs: int

    @property
    def simulations(self) -> Path:
        """Folder of the segments and their progress."""
        return self.out / SIMULATIONS


@dataclass(frozen=True, slots=True)
class MdRun:
    """Simulations that ran.

    Parameters
    ----------
    plan : MdPlan
    rows : tuple of MdRow
        One for each replica, failed ones with their reason.
    outcomes : mapping of str to Outcome
    studies : tuple of DynamicsStudy
        What the comparison of wild type and mutant found, one for each mutation with trajectories of both.
    """

    plan: MdPlan
    rows: tuple[MdRow, ...]
    outcomes: Mapping[str, Outcome]
    studies: tuple[DynamicsStudy, ...] = ()

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The tasks that failed themselves, without those that waited for them."""
        return tuple(outcome for outcome in self.outcomes.values() if outcome.status == "failed")

    def trajectory(self, cell: MdCell, state: str) -> Trajectory | None:
        """Return the frames of one state, None where it failed."""
        key = cell.trajectories[state]
        if not self.outcomes[key].ok:
            return None
        record = Store(self.plan.out / "store").load(key)
        return record if isinstance(record, Trajectory) else None


def md_progress(folder: Path) -> list[MdProgress]:
    """Return how far every replica under a folder of simulations is."""
    return read_progress(folder)


def simulate(
    structure: str | Path,
    ligands: Sequence[str | Path],
    mutations: Sequence[str],
    out: str | Path | None = None,
    *,
    preset: str = "pocket",
    ns: float | None = None,
    replicas: int | None = None,
    apo: bool = False,
    atp: bool = False,
    seed: int | None = None,
    platform: str = "",
    kinase: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    settings: Mapping[str, Any] | None = None,
    jobs: int | Workers | None = None,
    fresh: bool = False,
    on_plan: Callable[[MdPlan], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    dry_run: bool = False,
) -> MdRun | None:
    """Simulate complexes as wild type and mutant under identical settings.

    A run that was stopped goes on from its last finished segment; asking for more nanoseconds or replicas extends it.

    Parameters
    ----------
    structure : str or Path
        A PDB or mmCIF file, the name of a library structure, a PDB id or a UniProt accession.
    ligands, mutations : sequence of str
        As in a study file.
    out : str or Path, optional
        Output folder; default named after the input.
    preset : {"pocket", "implicit", "explicit"}
        What is simulated.
    ns : float, optional
        Total length of each replica, nanoseconds.
    replicas : int, optional
        Independent replicas of each state.
    apo, atp : bool
        Simulate the protein alone too, and with ATP and two magnesium ions.
    seed : int, optional
        Of everything random.
    platform : str
        OpenMM platform or ``gpu``; empty takes the fastest that works.
    kinase, chain, numbering
        See :func:`dockkit.api.compare_study`.
    settings : mapping, optional
        Further keys of ``[md]``.
    jobs : int or Workers, optional
        Processes; default one per usable core, or one where a graphics card does the work; or which executor and site.
    fresh : bool
        Throw away what is stored, segments of simulations too.
    on_plan, on_event, on_note : callable, optional
        Called with the plan before work starts, for each task reused, started and finished, and with a sentence where a
        task is tried again.
    dry_run : bool
        Plan and call ``on_plan``, and compute nothing.

    Returns
    -------
    MdRun or None
        A row for every replica; trajectories by complex and state. None after a dry run.

    Raises
    ------
    InputError
        Something that was given is wrong; nothing was computed.
    StoreError
        The folder cannot be written, or another run holds it.
    """
    given = {"preset": preset, "platform": platform, **(settings or {})}
    if ns is not None:
        given["production_ps"] = 1000.0 * ns
    if replicas is not None:
        given["replicas"] = replicas
    md = validate_md(given)
    extra: dict[str, Any] = {} if seed is None else {"seed": seed}
    study = compare_study(
        name_or_path(str(structure)), ligands, mutations, kinase=kinase, chain=chain, numbering=numbering,
        name=_name(structure, ligands, mutations, md), md={"enabled": False}, atp={"include": atp}, **extra,
    )  # fmt: skip
    chosen, is_gpu, warning = md_platform(md.platform)
    workers = jobs if isinstance(jobs, Workers) else Workers(jobs=jobs)
    if workers.jobs is None and workers.site is None and is_gpu:
        workers = replace(workers, jobs=1)
    steps: dict[str, Step] = {**STEPS, **MD_STEPS}
    folder = Path(out) if out is not None else Path(study.name)
    work_folder = (folder / SIMULATIONS).resolve()
    planned, cells = plan_dynamics(plan(study, steps), md, work_folder, steps, apo=apo)
    if dry_run:
        if on_plan is not None:
            on_plan(MdPlan(planned, cells, md, chosen, warning, {}, folder, workers.count))
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{store_error(folder, error)} (--out)") from error
    with FolderLock(folder) as lock:
        store = Store(folder / "store")
        store.clear() if fresh else store.clean()
        if fresh:
            clear_simulations(work_folder)
        files = _TrajectoryFiles(trajectory_folder(folder / SIMULATIONS), cells)
        stored = files.without_lost(stored_outcomes(planned.tasks, store))
        work = MdPlan(planned, cells, md, chosen, warning, stored, folder, workers.count)
        if on_plan is not None:
            on_plan(work)
        outcomes = run_tasks(
            planned.tasks, store, steps, jobs=workers, on_event=files.told(on_event), stored=stored, on_note=on_note,
            folder=folder, check=lock.check, progress=replica_progress,
        )  # fmt: skip
        rows = _rows(work, store, outcomes)
        ran_on = ", ".join(sorted({row.platform for row in rows if row.platform})) or chosen
        write_summary(rows, planned, md, ran_on, outcomes, folder)
        studies = analyse_cells(work.plan, work.cells, md, ran_on, store, outcomes, folder)
    return MdRun(work, rows, outcomes, studies)


def _name(structure: str | Path, ligands: Sequence[str | Path], mutations: Sequence[str], md: MdSettings) -> str:
    parts = [Path(structure).name.split(".")[0], *mutations, *(Path(str(ligand)).stem for ligand in ligands), md.preset]
    return "md-" + "-".join("".join(c if c.isalnum() else "-" for c in text) for text in parts)[:80].strip("-")


class _TrajectoryFiles:
    """Which task wrote the trajectory files of each name: another length or setting writes over them.

    Parameters
    ----------
    place : Path
        Where the files lie; ``tasks.json`` there says whose they are.
    cells : sequence of MdCell
    """

    def __init__(self, place: Path, cells: Sequence[MdCell]) -> None:
        self._place, self._record = place, place / "tasks.json"
        self._stems = {cell.trajectories[state]: stem for cell in cells for state, stem in cell.stems.items()}
        self._writers: dict[str, str] = {}

    def without_lost(self, stored: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Leave out trajectories whose files are gone or another task's, so that they are written again."""
        try:
            self._writers = dict(json.loads(self._record.read_text(encoding="utf-8")))
        except FileNotFoundError:  # nothing ran here yet, or an older dockkit did
            self._writers = {stem: key for key, stem in self._stems.items() if key in stored}
        except (OSError, ValueError, TypeError):
            self._writers = {}
        lost = {
            key
            for key, stem in self._stems.items()
            if self._writers.get(stem) != key or not (self._place / f"{stem}.pdb").is_file()
        }
        return {key: outcome for key, outcome in stored.items() if key not in lost}

    def told(self, further: Callable[[Event], None] | None) -> Callable[[Event], None]:
        """Return a listener that notes who writes which files, and passes events on."""

        def tell(event: Event) -> None:
            stem = self._stems.get(event.task.key)
            if stem is not None and event.kind != "reused":
                self._writers.pop(stem, None)
                if event.outcome is not None and event.outcome.ok:
                    self._writers[stem] = event.task.key
                atomic_write_text(self._record, json.dumps(self._writers, indent=1, sort_keys=True) + "\n")
            if further is not None:
                further(event)

        return tell


def _rows(work: MdPlan, store: Store, outcomes: Mapping[str, Outcome]) -> tuple[MdRow, ...]:
    rows = []
    for cell in work.cells:
        for state, keys in cell.replicas.items():
            for number, key in enumerate(keys, start=1):
                outcome = outcomes[key]
                replica = store.load(key) if outcome.ok else None
                start = store.load(cell.starts[state]) if outcomes[cell.starts[state]].ok else None
                rows.append(_row(work, cell, state, number, outcome, replica, start))
    return tuple(rows)


def _row(
    work: MdPlan,
    cell: MdCell,
    state: str,
    number: int,
    outcome: Outcome,
    replica: MdReplica | None,
    start: MdStart | None,
) -> MdRow:
    solvent = start.solvent if start is not None else None
    row = MdRow(
        mutation=cell.cell.variant.label,
        complex=cell.label,
        kind=cell.kind,
        state=state,
        replica=number,
        structure=cell.cell.template.label,
        preset=work.settings.preset,
        waters=len(solvent.waters) if solvent is not None else 0,
        ions=len(solvent.cations) + len(solvent.anions) if solvent is not None else 0,
    )
    if replica is None:
        return replace(row, status=outcome.status, message=outcome.message)
    return replace(
        row,
        seed=replica.seed,
        particles=replica.n_particles,
        length_ps=work.settings.frame_ps * replica.n_frames,
        frames=replica.n_frames,
        mean_kelvin=replica.mean_kelvin,
        sd_kelvin=replica.sd_kelvin,
        mean_potential_kcal_mol=replica.mean_potential_kcal_mol,
        platform=replica.platform,
        message="; ".join(replica.notes),
    )
