"""The public Python API: run a study, or compare wild type and mutant without writing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dockkit.core.errors import SettingsError, StoreError
from dockkit.core.files import store_error
from dockkit.core.model import Numbering, StudyResult
from dockkit.core.settings import Study, bundled_studies, load_study, validate_preparation, validate_study
from dockkit.core.task import Step
from dockkit.execution import Event, FolderLock, run_tasks, stored_outcomes, usable_cores
from dockkit.pipeline import states
from dockkit.pipeline.annotate import annotate_input, annotation_record, annotation_text
from dockkit.pipeline.collect import collect
from dockkit.pipeline.mutate import mutate_structure, mutation_text, write_mutated
from dockkit.pipeline.outputs import write_outputs
from dockkit.pipeline.plan import Plan, plan
from dockkit.pipeline.prepare import Prepared, name_or_path, prepare_structure
from dockkit.pipeline.prepared import preparation_text, write_prepared
from dockkit.pipeline.states import KinaseState
from dockkit.pipeline.steps import STEPS
from dockkit.pipeline.variants import parse_mutations
from dockkit.store import Outcome, Store

__all__ = ["Prepared", "Study", "StudyResult", "compare", "compare_study", "read_study", "run_study"]


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


def execute(
    study: Study,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    fresh: bool = False,
    steps: Mapping[str, Step] | None = None,
    on_plan: Callable[[Plan, Mapping[str, Outcome], Path, int], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Run:
    """Plan, run, collect and write a study; what the command line calls.

    Parameters
    ----------
    study : Study
        Checked settings.
    out : str or Path, optional
        Output folder, default ``./<study name>``.
    jobs : int, optional
        Processes, default one per usable core.
    fresh : bool
        Throw stored results of this folder away first.
    steps : mapping of str to Step
        The table of steps; default dockkit's own.
    on_plan : callable, optional
        Called with the plan, the outcomes already stored, the folder and the number of processes, before work starts.
    on_event : callable, optional
        Called for each task reused, started and finished.

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
    count = usable_cores() if jobs is None else jobs
    if count < 1:
        raise SettingsError(f"jobs is {count}; give 1 or more")
    table = STEPS if steps is None else steps
    planned = plan(study, table)
    folder = Path(out) if out is not None else Path(study.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{store_error(folder, error)} (--out)") from error
    with FolderLock(folder):
        store = Store(folder / "store")
        store.clear() if fresh else store.clean()
        stored = stored_outcomes(planned.tasks, store)
        if on_plan is not None:
            on_plan(planned, stored, folder, count)
        outcomes = run_tasks(planned.tasks, store, table, jobs=count, on_event=on_event, stored=stored)
        result = collect(planned, store, outcomes)
        write_outputs(result, planned, store, outcomes, folder)
    return Run(planned, result, outcomes, folder)


def run_study(
    study: Study | str | Path, out: str | Path | None = None, *, jobs: int | None = None, fresh: bool = False
) -> StudyResult:
    """Run a study and write its output folder; results already there are used again.

    Parameters
    ----------
    study : Study, str or Path
        Settings, a TOML file, or the name of a bundled study.
    out : str or Path, optional
        Output folder, default ``./<study name>``.
    jobs : int, optional
        Processes, default one per usable core.
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
    jobs: int | None = None,
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


# --------------------------------------------------------------------------------------------- one structure


@dataclass(frozen=True, slots=True)
class Done:
    """What a command about one structure leaves: the record as text, and the files."""

    text: str
    files: tuple[tuple[str, Path], ...]


def prepare(
    structure: str | Path,
    *,
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
) -> Done:
    """Make a structure ready for modelling and write it with a record of everything that was changed.

    Parameters
    ----------
    structure : str or Path
        PDB or mmCIF file, name of a bundled structure, PDB id, UniProt accession.
    chain : str
        Author chain; empty takes the first kinase chain with a ligand.
    ligand_code, ligand_smiles : str
        Het code of the ligand that matters, and its molecule where the component dictionary does not know it.
    numbering : {"uniprot", "author"}
        Of the residues in the files written.
    settings : mapping
        Keys of :class:`dockkit.core.settings.PreparationSettings`.
    out : str or Path, optional
        Folder, default ``./<name>-prepared``.
    cache : str or Path, optional
        Folder for downloads.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        The structure cannot be had, read or prepared, or the folder cannot be written.
    """
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    folder = Path(out) if out is not None else Path(f"{prepared.name}-prepared")
    return Done(preparation_text(prepared), tuple(write_prepared(prepared, folder, numbering)))


def annotate(text: str | Path, *, chain: str = "", cache: str | Path | None = None) -> tuple[str, dict[str, Any]]:
    """Say which kinase something is, where its landmarks are, and in which conformation.

    Parameters
    ----------
    text : str or Path
        A structure as in :func:`prepare`, a FASTA file, a sequence, a gene or a UniProt accession.
    chain : str
        Author chain of a structure; empty takes every protein chain.
    cache : str or Path, optional
        Folder for downloads.

    Returns
    -------
    text : str
        For people.
    record : dict
        The same, JSON-able.

    Raises
    ------
    DockkitError
        Nothing of that name, or it cannot be read.
    """
    found = annotate_input(str(text), chain=chain, cache=cache)
    return annotation_text(found), annotation_record(str(text), found)


def _prepared(
    structure: str | Path,
    chain: str,
    ligand_code: str,
    ligand_smiles: str,
    settings: Mapping[str, Any] | None,
    cache: str | Path | None,
) -> Prepared:
    return prepare_structure(
        structure,
        chain=chain,
        ligand_code=ligand_code,
        ligand_smiles=ligand_smiles,
        settings=validate_preparation(dict(settings or {})),
        cache=cache,
    )


def mutate(
    structure: str | Path,
    mutations: Sequence[str],
    *,
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    models: int = 3,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
) -> Done:
    """Build mutations into a structure, each on its own, and write the models with their records.

    Parameters
    ----------
    structure, chain, ligand_code, ligand_smiles, settings, cache
        See :func:`prepare`.
    mutations : sequence of str
        Such as ``T315I``; ``L858R/T790M`` is one variant with two substitutions.
    numbering : {"uniprot", "author"}
        How the mutations count, and the files written.
    models : int
        Conformers kept of each at most.
    out : str or Path, optional
        Folder, default ``./<name>-mutated``.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        See :func:`prepare`; a mutation cannot be read or does not fit. Nothing is written then.
    """
    if models < 1:
        raise SettingsError(f"models is {models}; give 1 or more")
    parsed = parse_mutations(mutations)
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    built = [mutate_structure(prepared, variant, numbering, models) for variant in parsed]
    folder = Path(out) if out is not None else Path(f"{prepared.name}-mutated")
    files = write_prepared(prepared, folder, numbering)
    for mutated in built:
        files += write_mutated(mutated, folder)
    return Done("\n".join(mutation_text(mutated) for mutated in built), tuple(files))


def model_state(
    structure: str | Path,
    state: KinaseState,
    *,
    template: str = "",
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    seed: int = 2026,
) -> Done:
    """Model a kinase in a conformation it was not seen in, and write the model with its record.

    Parameters
    ----------
    structure, chain, ligand_code, ligand_smiles, numbering, settings, cache
        See :func:`prepare`. The ligand counts for the preparation only; the model has none.
    state : {"dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"}
    template : str
        A kinase in that state: anything that :func:`prepare` takes; empty takes the best bundled structure.
    out : str or Path, optional
        Folder, default ``./<name>-<state>``.
    seed : int
        Of everything random.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        See :func:`prepare`; the template is not in the wanted state, or the model did not come out in it.
    """
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    model = states.model_state(
        prepared.receptor, prepared.kinase, state, template=name_or_path(template, cache),
        settings=prepared.settings, seed=seed,
    )  # fmt: skip
    modelled = replace(prepared, name=model.name, receptor=model, ligands=(), refused=())
    folder = Path(out) if out is not None else Path(model.name)
    return Done(preparation_text(modelled), tuple(write_prepared(modelled, folder, numbering)))
