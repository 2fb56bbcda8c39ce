"""Panels of mutations against inhibitors, and scans of the residues around a ligand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockkit.api.studies import Run, execute, read_study
from dockkit.core.errors import DockingError
from dockkit.core.model import Kinase, Ligand, Pose, Receptor, StudyResult
from dockkit.core.model.panels import PanelResult, ScanResult
from dockkit.core.records import load_record
from dockkit.core.settings import Study, validate_scan
from dockkit.core.task import Step
from dockkit.pipeline.outputs import write_outputs
from dockkit.pipeline.panel import PanelStudy, check_cases, panel_result, panel_study, plannable, with_located
from dockkit.pipeline.panel_outputs import write_panel, write_summary
from dockkit.pipeline.plan import Plan, plan
from dockkit.pipeline.scan import Scan, nearby_sites, probe_study, scan_result, scan_study, sites_of_sequence
from dockkit.pipeline.scan_outputs import write_scan
from dockkit.pipeline.steps import STEPS
from dockkit.store import Outcome, Store, read_outcome


@dataclass(frozen=True, slots=True)
class PanelRun:
    """A panel that ran."""

    run: Run
    panel: PanelResult
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ScanRun:
    """A scan that ran."""

    run: Run
    scan: ScanResult
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """A scan whose ligand has its pose."""

    scan: Scan
    kinase: Kinase
    receptor: Receptor
    ligand: Ligand
    pose: Pose
    out: Path


# ------------------------------------------------------------------------------------------------------------- panels


def make_panel(
    mutations: Sequence[str] = (),
    inhibitors: Sequence[str] = (),
    *,
    study: Study | str | Path | None = None,
    kinase: str = "",
    structure: str | Path = "",
    chain: str = "",
    numbering: str = "uniprot",
    minimum_cases: float = 0.0,
    compounds: bool = True,
    cache: str | Path | None = None,
    steps: Mapping[str, Step] | None = None,
    **settings: Any,
) -> PanelStudy:
    """Return the study of a panel, with the rows of the user's tables that are not in it.

    Parameters
    ----------
    mutations : sequence of str
        Mutations, lists of them separated by commas, or files: a MAF file, a table with a column of mutations, or text.
    inhibitors : sequence of str
        Library names, SMILES, files; several may be separated by commas.
    study : Study, str or Path, optional
        A study (settings, file or bundled name) instead of the two lists.
    kinase, structure, chain, numbering
        As in :func:`dockkit.compare`; a PDB id is fetched; without a structure the library's are used.
    minimum_cases : float
        Mutations seen less often are left out.
    compounds : bool
        Also take together what one sample of a table has (T790M and C797S of one tumour as T790M/C797S too).
    cache : str or Path, optional
        Folder for downloads.
    steps : mapping of str to Step
        The table of steps; default dockkit's own.
    **settings
        Further keys of a study. Dynamics are off unless ``md`` says otherwise.

    Returns
    -------
    PanelStudy

    Raises
    ------
    InputError
        Something that the user gave is wrong, or nothing is left of it.
    """
    if study is not None:
        made = PanelStudy(with_located(study if isinstance(study, Study) else read_study(study), cache))
        check_cases(made.study)
        return made
    made = panel_study(
        mutations, inhibitors, kinase=kinase, structure=str(structure), chain=chain, numbering=numbering,
        minimum_cases=minimum_cases, compounds=compounds, cache=cache, settings={"md": {"enabled": False}, **settings},
    )  # fmt: skip
    return plannable(made, STEPS if steps is None else steps)


def run_panel(made: PanelStudy, out: str | Path | None = None, *, details: bool = False, **run: Any) -> PanelRun:
    """Compute a panel and say which inhibitor, and which two, hold most of it.

    Parameters
    ----------
    made : PanelStudy
        From :func:`make_panel`.
    out : str or Path, optional
        Output folder, default ``./<study name>``.
    details : bool
        Also write every pair's structures, poses, energies and report.html.
    **run
        See :func:`dockkit.api.execute`.

    Returns
    -------
    PanelRun
        A pair that failed is a cell with its reason.

    Raises
    ------
    DockkitError
        See :func:`dockkit.api.execute`.
    """
    finished = execute(made.study, out, write=write_outputs if details else write_summary, lean=not details, **run)
    result = panel_result(finished.result, made.study, made.refused, made.notes)
    return PanelRun(finished, result, write_panel(result, finished.out))


def panel(
    mutations: Sequence[str] = (),
    inhibitors: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    details: bool = False,
    jobs: int | None = None,
    fresh: bool = False,
    **given: Any,
) -> PanelResult:
    """Compute mutations x inhibitors; see :func:`make_panel` and :func:`run_panel`.

    Returns
    -------
    PanelResult
        Matrix, errors, ranking and covers.

    Raises
    ------
    DockkitError
        See :func:`make_panel` and :func:`run_panel`.
    """
    made = make_panel(mutations, inhibitors, **given)
    return run_panel(made, out, details=details, jobs=jobs, fresh=fresh).panel


# -------------------------------------------------------------------------------------------------------------- scans


def make_scan(
    ligand: str | Path,
    structure: str | Path = "",
    *,
    kinase: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    residues: Sequence[int] = (),
    coding_sequence: str | Path | None = None,
    atp: bool = True,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    scan_settings: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    **settings: Any,
) -> ScanPlan:
    """Find out where a ligand stands, and return the study of the substitutions around it.

    Parameters
    ----------
    ligand : str or Path
        Library name, SMILES or file; a pose in the structure's frame is used as it is.
    structure : str or Path
        File, library name, PDB id or accession; empty lets the library choose for the kinase.
    kinase, chain, numbering
        As in :func:`dockkit.compare`.
    residues : sequence of int
        These instead of those near the ligand.
    coding_sequence : str or Path, optional
        FASTA of the kinase's coding sequence; without it every codon of a residue is equally likely.
    atp : bool
        Whether the ATP half is computed.
    out : str or Path, optional
        Output folder, default ``./scan-<kinase>``; the pose's tasks are stored there.
    cache : str or Path, optional
        Folder for downloads.
    scan_settings : mapping, optional
        Keys of :class:`dockkit.core.settings.ScanSettings`.
    run : mapping, optional
        Arguments of :func:`dockkit.api.execute`, such as ``jobs`` and ``fresh``.
    **settings
        Further keys of a study. Dynamics are off unless ``md`` says otherwise.

    Returns
    -------
    ScanPlan

    Raises
    ------
    InputError
        Something that the user gave is wrong.
    DockingError
        The ligand has no pose.
    """
    rules = validate_scan(dict(scan_settings or {}))
    probe = probe_study(
        str(structure), str(ligand), kinase=kinase, chain=chain, numbering=numbering, cache=cache, settings=settings
    )
    folder = Path(out) if out is not None else Path(f"scan-{probe.kinase.lower()}")
    own, receptor, molecule, pose = _probed(probe, folder, run or {})
    sites, notes = nearby_sites(receptor, molecule, pose, own, probe, rules, residues)
    made = scan_study(
        probe, own, sites, rules, ligand=molecule.name, coding_sequence=coding_sequence, atp=atp, notes=notes
    )
    return ScanPlan(made, own, receptor, molecule, pose, folder)


@dataclass(frozen=True, slots=True)
class ScanPreview:
    """What a scan would do, as far as it can be told without computing anything.

    Parameters
    ----------
    plan : Plan
        Of the whole scan; of the pose alone where the residues are not known before it.
    stored : mapping of str to Outcome
        What the output folder holds of it.
    notes : tuple of str
    out : Path
    """

    plan: Plan
    stored: Mapping[str, Outcome]
    notes: tuple[str, ...]
    out: Path


def preview_scan(
    ligand: str | Path,
    structure: str | Path = "",
    *,
    kinase: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    residues: Sequence[int] = (),
    coding_sequence: str | Path | None = None,
    atp: bool = True,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    scan_settings: Mapping[str, Any] | None = None,
    **settings: Any,
) -> ScanPreview:
    """Say what :func:`make_scan` and :func:`run_scan` would do; nothing is computed and nothing is written.

    The residues around the ligand are known where its pose is in the output folder from before, or where they are given
    in UniProt numbers.

    Parameters
    ----------
    ligand, structure, kinase, chain, numbering, residues, coding_sequence, atp, out, cache, scan_settings, **settings
        As in :func:`make_scan`.

    Returns
    -------
    ScanPreview

    Raises
    ------
    InputError
        Something that the user gave is wrong.
    """
    rules = validate_scan(dict(scan_settings or {}))
    probe = probe_study(
        str(structure), str(ligand), kinase=kinase, chain=chain, numbering=numbering, cache=cache, settings=settings
    )
    folder = Path(out) if out is not None else Path(f"scan-{probe.kinase.lower()}")
    planned = plan(probe, STEPS)
    records = _stored_records(planned, folder / "store")
    name = planned.cells[0].ligand.label
    notes: tuple[str, ...] = ()
    if records is not None:
        sites, notes = nearby_sites(records[0], records[1], records[2], planned.kinase, probe, rules, residues)
    elif residues and numbering == "uniprot":
        sites = sites_of_sequence(planned.kinase, residues)
    else:
        notes = (
            f"the residues within {rules.within_angstrom:g} A are known once {name} has its pose, which is computed "
            "first; with --residues 315,317 in UniProt numbers all tasks can be told now",
        )
        return ScanPreview(planned, _stored(planned, folder / "store"), notes, folder)
    whole = scan_study(probe, planned.kinase, sites, rules, ligand=name, coding_sequence=coding_sequence, atp=atp)
    planned = plan(whole.study, STEPS)
    named = f"{len(sites)} residues: {', '.join(site.label for site in sites)}"
    return ScanPreview(planned, _stored(planned, folder / "store"), (named, whole.codons, *notes), folder)


def _stored(planned: Plan, root: Path) -> dict[str, Outcome]:
    found = ((task.key, read_outcome(root, task.key)) for task in planned.tasks)
    return {key: outcome for key, outcome in found if outcome is not None and outcome.final}


def _stored_records(planned: Plan, root: Path) -> tuple[Receptor, Ligand, Pose] | None:
    """Return receptor, ligand and pose of the first cell where a run left them."""
    keys = [planned.cells[0].keys[role] for role in ("receptor", "ligand", "pose")]
    outcomes = [read_outcome(root, key) for key in keys]
    if not all(outcome is not None and outcome.ok for outcome in outcomes):
        return None
    receptor, ligand, pose = (load_record(root / key[:2] / key) for key in keys)
    return receptor, ligand, pose


def _probed(probe: Study, folder: Path, run: Mapping[str, Any]) -> tuple[Kinase, Receptor, Ligand, Pose]:
    """Run the probe, whose tasks the scan uses again; nothing but the store is written."""
    records: dict[str, Any] = {}

    def keep(result: StudyResult, planned: Plan, store: Store, outcomes: Mapping[str, Outcome], out_dir: Path) -> None:
        for role in ("receptor", "ligand", "pose"):
            key = planned.cells[0].keys[role]
            if outcomes[key].ok:
                records[role] = store.load(key)

    done = execute(probe, folder, write=keep, **run)
    if len(records) < 3:
        row = done.result.rows[0].row
        raise DockingError(f"{row.ligand} in {row.structure}: {row.message}")
    return done.plan.kinase, records["receptor"], records["ligand"], records["pose"]


def run_scan(made: ScanPlan, **run: Any) -> ScanRun:
    """Compute a scan and rank its substitutions by predicted resistance.

    Parameters
    ----------
    made : ScanPlan
        From :func:`make_scan`.
    **run
        See :func:`dockkit.api.execute`.

    Returns
    -------
    ScanRun
        A substitution that failed is a row with its reason.

    Raises
    ------
    DockkitError
        See :func:`dockkit.api.execute`.
    """
    finished = execute(made.scan.study, made.out, write=write_summary, lean=True, **run)
    result = scan_result(finished.result, made.scan, made.receptor, made.pose)
    return ScanRun(finished, result, write_scan(result, finished.out))


def scan(
    ligand: str | Path, structure: str | Path = "", *, jobs: int | None = None, fresh: bool = False, **given: Any
) -> ScanResult:
    """Replace the residues around a ligand; see :func:`make_scan` and :func:`run_scan`.

    Returns
    -------
    ScanResult
        Substitutions by predicted resistance, and the residues.

    Raises
    ------
    DockkitError
        See :func:`make_scan` and :func:`run_scan`.
    """
    made = make_scan(ligand, structure, run={"jobs": jobs, "fresh": fresh}, **given)
    return run_scan(made, jobs=jobs).scan
