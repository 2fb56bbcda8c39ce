"""Run a study, or compare wild type and mutant without writing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockkit.core.errors import StoreError
from dockkit.core.files import store_error
from dockkit.core.model import StudyResult
from dockkit.core.settings import Study, bundled_studies, load_study, validate_study
from dockkit.core.task import Step
from dockkit.execution import Event, FolderLock, Workers, as_workers, run_tasks, stored_outcomes
from dockkit.pipeline.collect import collect
from dockkit.pipeline.dynamics_plan import clear_simulations
from dockkit.pipeline.outputs import write_outputs
from dockkit.pipeline.plan import Plan, plan
from dockkit.pipeline.steps import STEPS
from dockkit.store import Outcome, Store


@dataclass(frozen=True, slots=True)
class Run:
    """A study that ran: its result, how every task ended, and where the files are."""

    plan: Plan
    result: StudyResult
    outcomes: Mapping[str, Outcome]
    out: Path

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The tasks that failed themselves, without those that waited for them."""
        return tuple(outcome for outcome in self.outcomes.values() if outcome.status == "failed")


def read_study(name_or_path: str | Path) -> Study:
    """Read a study file or a bundled study.

    Parameters
    ----------
    name_or_path : str or Path
        A TOML file, or a name that ``dockkit run --list`` shows. Relative paths of structures and ligands in a file
        count from the folder of the file.

    Returns
    -------
    Study
        Checked, with defaults filled in.

    Raises
    ------
    SettingsError
        No such study, or a bad key.
    """
    text = str(name_or_path)
    study = load_study(text)
    return study if text in bundled_studies() else _with_paths_from(study, Path(text).resolve().parent)


def _with_paths_from(study: Study, folder: Path) -> Study:
    """Make relative paths of files that exist beside the study file absolute."""

    def resolve(text: str) -> str:
        path, _, row = text.rpartition("#") if "#" in text else (text, "", "")
        beside = folder / path
        there = bool(path) and not Path(path).is_absolute() and beside.is_file()
        return f"{beside}{'#' if row else ''}{row}" if there else text

    structures = study.structures.model_copy(
        update={name: resolve(getattr(study.structures, name)) for name in ("dfg_in", "dfg_out")}
    )
    return study.model_copy(update={"structures": structures, "inhibitors": [resolve(x) for x in study.inhibitors]})


def compare_study(
    structure: str | Path,
    ligands: Sequence[str | Path],
    mutations: Sequence[str],
    *,
    kinase: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    name: str = "",
    **settings: Any,
) -> Study:
    """Return the study of a one-off comparison.

    Parameters
    ----------
    structure : str or Path
        A PDB or mmCIF file, or the name of a library structure; it stands for every conformation.
    ligands, mutations : sequence of str
        As in a study file.
    kinase : str
        Gene or UniProt accession; empty reads it from the structure's sequence.
    chain : str
        Author chain; empty takes the first protein chain.
    numbering : {"uniprot", "author"}
        How the mutations count.
    name : str
        Names the output folder; empty makes one from structure, mutations and ligands.
    **settings
        Further keys of a study, for example ``md={"enabled": False}``.

    Returns
    -------
    Study
        Checked.

    Raises
    ------
    SettingsError
        A value is wrong.
    """
    parts = [Path(structure).name.split(".")[0], *mutations, *(Path(str(ligand)).stem for ligand in ligands)]
    label = "-".join("".join(c if c.isalnum() else "-" for c in text) for text in parts)[:80].strip("-")
    structures = {"dfg_in": str(structure), "dfg_out": str(structure), "chain": chain}
    data = {
        "name": name or f"compare-{label}",
        "title": f"{', '.join(mutations)} in {Path(structure).name}",
        "question": "Wild type against mutant: which of these ligands still bind?",
        "kinase": kinase,
        "mutations": list(mutations),
        "inhibitors": [str(ligand) for ligand in ligands],
        "numbering": numbering,
        **settings,
        "structures": {**structures, **settings.get("structures", {})},
    }
    return validate_study(data, "compare")


def plan_study(study: Study) -> Plan:
    """Return the tasks of a study; nothing is computed or written.

    Raises
    ------
    InputError
        Something in the study is wrong.
    """
    return plan(study, STEPS)


def execute(
    study: Study,
    out: str | Path | None = None,
    *,
    jobs: int | Workers | None = None,
    fresh: bool = False,
    steps: Mapping[str, Step] | None = None,
    on_plan: Callable[[Plan, Mapping[str, Outcome], Path, int], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    write: Callable[[StudyResult, Plan, Store, Mapping[str, Outcome], Path], None] = write_outputs,
    lean: bool = False,
) -> Run:
    """Plan, run, collect and write a study; what the command line calls.

    Parameters
    ----------
    study : Study
        Checked settings.
    out : str or Path, optional
        Output folder, default ``./<study name>``.
    jobs : int or Workers, optional
        Processes, default one per usable core; or which executor, with the site of a batch system.
    fresh : bool
        Throw stored results of this folder away first.
    steps : mapping of str to Step
        The table of steps; default dockkit's own.
    on_plan : callable, optional
        Called with the plan, the outcomes already stored, the folder and the number of processes, before work starts.
    on_event : callable, optional
        Called for each task reused, started and finished.
    on_note : callable, optional
        Called with a sentence where a task is tried again and where something happens to a batch job.
    write : callable
        Writes the output folder; default everything, as :func:`dockkit.pipeline.outputs.write_outputs` does.
    lean : bool
        Keep the structures of each ligand's first row only, as :func:`dockkit.pipeline.collect.collect` says.

    Returns
    -------
    Run
        With a row for every pair, failed ones included.

    Raises
    ------
    InputError
        Something in the study is wrong; nothing was computed.
    StoreError
        The folder cannot be written, or another run holds it.
    """
    workers = as_workers(jobs)
    table = STEPS if steps is None else steps
    folder = Path(out) if out is not None else Path(study.name)
    simulations = (folder / "md").resolve()
    planned = plan(study, table, simulations)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{store_error(folder, error)} (--out)") from error
    with FolderLock(folder) as lock:
        store = Store(folder / "store", remember=64)
        store.clear() if fresh else store.clean()
        if fresh:
            clear_simulations(simulations)
        stored = stored_outcomes(planned.tasks, store)
        if on_plan is not None:
            on_plan(planned, stored, folder, workers.count)
        outcomes = run_tasks(
            planned.tasks, store, table, jobs=workers, on_event=on_event, stored=stored, on_note=on_note,
            folder=folder, check=lock.check,
        )  # fmt: skip
        result = collect(planned, store, outcomes, lean=lean)
        write(result, planned, store, outcomes, folder)
    return Run(planned, result, outcomes, folder)


def run_study(
    study: Study | str | Path, out: str | Path | None = None, *, jobs: int | Workers | None = None, fresh: bool = False
) -> StudyResult:
    """Run a study and write its output folder; results already there are used again.

    Parameters
    ----------
    study : Study, str or Path
        Settings, a TOML file, or the name of a bundled study.
    out : str or Path, optional
        Output folder, default ``./<study name>``.
    jobs : int or Workers, optional
        Processes, default one per usable core; or which executor, with the site of a batch system.
    fresh : bool
        Compute everything anew.

    Returns
    -------
    StudyResult
        Rows with their ligands, poses, states and dynamics.

    Raises
    ------
    DockkitError
        See :func:`execute`. A task that fails is a row with its reason, not an exception.
    """
    return execute(study if isinstance(study, Study) else read_study(study), out, jobs=jobs, fresh=fresh).result


def compare(
    structure: str | Path,
    ligands: Sequence[str | Path],
    mutations: Sequence[str],
    out: str | Path | None = None,
    *,
    jobs: int | Workers | None = None,
    fresh: bool = False,
    **settings: Any,
) -> StudyResult:
    """Compare wild type and mutant in one structure, without a study file.

    Parameters
    ----------
    structure, ligands, mutations, **settings
        See :func:`compare_study`.
    out, jobs, fresh
        See :func:`run_study`.

    Returns
    -------
    StudyResult
        One row for each mutation with each ligand.

    Raises
    ------
    DockkitError
        See :func:`execute`.
    """
    return run_study(compare_study(structure, ligands, mutations, **settings), out, jobs=jobs, fresh=fresh)
