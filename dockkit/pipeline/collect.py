"""Join the records of a finished plan into the study's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dockkit import resistance
from dockkit.core.errors import DockkitError
from dockkit.core.model import Call, Estimate, ResistanceRow, RowDetail, StudyResult
from dockkit.core.settings import Study
from dockkit.pipeline.calibrated import calibration_in_words, with_calibration
from dockkit.pipeline.plan import Cell, Plan
from dockkit.store import Outcome, Store, package_versions

_NEEDED: Final = ("receptor", "ligand", "parameters", "pose", "start", "wild_type", "mutant")
MOST_WHOLE: Final = 500
"""Rows of a result that keep their structures; each has two complexes, together half a megabyte."""

_DYNAMICS: Final = ("dynamics_wild_type", "dynamics_mutant", "comparison")


def collect(plan: Plan, store: Store, outcomes: Mapping[str, Outcome], *, lean: bool = False) -> StudyResult:
    """Return the result of a plan whose tasks all have an outcome.

    Parameters
    ----------
    plan : Plan
        The study as tasks.
    store : Store
        Where the records are.
    outcomes : mapping of str to Outcome
        How each task ended, by key.
    lean : bool
        Keep ligand, pose and wild type of the first good row of each ligand only, and drop every other record once its
        row is made. Otherwise the records of the first :data:`MOST_WHOLE` rows are kept: those of thousands do not fit
        into memory. :func:`load_detail` reads those of one row again.

    Returns
    -------
    StudyResult
        One row for each mutation with each ligand; a row whose tasks failed says so.

    Raises
    ------
    StoreError
        A record that should be there cannot be read.
    """
    atp: dict[str, RowDetail] = {}
    rows: list[RowDetail] = []
    warnings: dict[str, None] = dict.fromkeys(plan.warnings)
    shown: set[str] | None = set() if lean else None
    place = {variant: i for i, variant in enumerate(dict.fromkeys(cell.variant for cell in plan.cells))}
    cells = sorted(plan.cells, key=lambda cell: (place[cell.variant], not cell.is_atp))  # ATP's before those it is for
    for count, cell in enumerate(cells):
        dropped = lean or count >= MOST_WHOLE
        detail = load_detail(cell, plan, store, outcomes)
        warnings.update(dict.fromkeys(_state_warnings(detail, by_ligand=dropped)))
        if cell.is_atp:
            atp[cell.variant.label] = _kept(detail, shown) if dropped else detail
        else:
            judged = _judge(cell, detail, atp.get(cell.variant.label), plan)
            rows.append(_kept(judged, shown) if dropped else judged)
    if not lean and len(cells) > MOST_WHOLE:
        page = f"report.html shows the structures of the first {MOST_WHOLE} of {len(cells)} pairs; the files are of all"
        warnings[page] = None
    ranked = resistance.rank([detail.row for detail in rows])
    study = plan.study
    return StudyResult(
        name=study.name,
        title=study.title or study.name,
        question=study.question,
        kinase=plan.kinase,
        numbering=study.numbering,
        rows=tuple(replace(detail, row=row) for detail, row in zip(rows, ranked, strict=True)),
        atp=tuple(atp.values()),
        atp_concentration_mm=study.atp.concentration_mm,
        temperature_kelvin=study.temperature_kelvin,
        warnings=tuple(warnings),
        provenance=_provenance(plan, outcomes),
    )


def _kept(detail: RowDetail, shown: set[str] | None) -> RowDetail:
    """Return a row without its records, but for the first of each ligand not yet in ``shown``, where that is given."""
    small = RowDetail(row=detail.row, variant=detail.variant)
    if shown is None or detail.row.ligand in shown or detail.wild_type is None or detail.pose is None:
        return small
    shown.add(detail.row.ligand)
    return replace(small, ligand=detail.ligand, pose=detail.pose, wild_type=detail.wild_type)


def load_detail(cell: Cell, plan: Plan, store: Store, outcomes: Mapping[str, Outcome]) -> RowDetail:
    """Load what there is of one cell; the row gets ddG of binding, or the reason why there is none.

    Parameters
    ----------
    cell : Cell
    plan, store, outcomes
        As in :func:`collect`.

    Returns
    -------
    RowDetail
        With ddG of binding alone; :func:`collect` joins the halves.

    Raises
    ------
    StoreError
        A record that should be there cannot be read.
    """
    parts: dict[str, Any] = {
        role: store.load(key)
        for role, key in cell.keys.items()
        if outcomes[key].ok and role in ("receptor", "ligand", "pose", "wild_type", "mutant", "comparison")
    }
    pose, receptor = parts.get("pose"), parts.get("receptor")
    row = ResistanceRow(
        kinase=plan.kinase.gene,
        uniprot=plan.kinase.uniprot,
        structure=cell.template.label,
        mutation=cell.variant.label,
        ligand=cell.ligand.label,
        modelled_structure=cell.template.modelled or (receptor is not None and receptor.modelled),
        binding_type=cell.ligand.binding_type,
        pose_engine=pose.engine if pose is not None else "",
    )
    return RowDetail(
        row=_with_energy(row, cell, parts, outcomes),
        ligand=parts.get("ligand"),
        pose=pose,
        wild_type=parts.get("wild_type"),
        mutant=parts.get("mutant"),
        dynamics=parts.get("comparison"),
        variant=cell.variant,
    )


def _with_energy(
    row: ResistanceRow, cell: Cell, parts: Mapping[str, Any], outcomes: Mapping[str, Outcome]
) -> ResistanceRow:
    cause = _first_failure(cell, outcomes, _NEEDED)
    if cause is not None:
        return replace(row, status="failed", message=cause)
    try:
        ddg = resistance.state_difference(parts["wild_type"], parts["mutant"])
    except DockkitError as error:
        return replace(row, status="failed", message=str(error))
    message = _first_failure(cell, outcomes, _DYNAMICS) or ""
    return replace(row, ddg_inhibitor_kcal_mol=ddg.value, ddg_inhibitor_sem=ddg.sem, message=message)


def _first_failure(cell: Cell, outcomes: Mapping[str, Outcome], roles: tuple[str, ...]) -> str | None:
    """Return the reason of the first task of these roles that failed, None where all went well."""
    for role in roles:
        outcome = outcomes[cell.keys[role]] if role in cell.keys else None
        if outcome is not None and not outcome.ok:
            cause = outcome.message
            return cause if outcome.status == "upstream" else f"{outcome.label} failed: {cause}"
    return None


def _judge(cell: Cell, detail: RowDetail, atp: RowDetail | None, plan: Plan) -> RowDetail:
    """Join the inhibitor half and the ATP half of a row."""
    row = detail.row
    if row.status != "ok":
        return detail
    ddg = _own_ddg(detail)
    ddg_atp = _own_ddg(atp) if atp is not None and atp.row.status == "ok" else None
    verdict = resistance.judge(
        ddg,
        ddg_atp,
        competition=_competition(plan.study, cell.variant.label),
        temperature_kelvin=plan.study.temperature_kelvin,
        atp_competitive=cell.ligand.entry.atp_competitive if cell.ligand.entry else True,
        method_error=resistance.method_error(),
    )
    message = row.message
    if atp is not None and atp.row.status != "ok":
        message = "; ".join(filter(None, (message, f"ATP half missing: {atp.row.message}")))
    if verdict.atp_range is not None:
        low, high = verdict.atp_range
        said = f"effective ddG {low:+.2f} to {high:+.2f} kcal/mol over the measured constants of ATP"
        message = "; ".join(filter(None, (message, said)))
    call: Call = verdict.call
    row = replace(
        row,
        ddg_atp_kcal_mol=ddg_atp.value if ddg_atp else row.ddg_atp_kcal_mol,
        ddg_atp_sem=ddg_atp.sem if ddg_atp else row.ddg_atp_sem,
        ddg_effective_kcal_mol=verdict.ddg_effective.value,
        ddg_effective_sem=verdict.ddg_effective.sem,
        fold_change=verdict.fold_change,
        fold_change_low=verdict.fold_change_low,
        fold_change_high=verdict.fold_change_high,
        call=call,
        reason=verdict.reason,
        message=message,
    )
    return with_calibration(replace(detail, row=row), plan.study, plan.kinase.gene, verdict.atp_shift)


def _competition(study: Study, variant: str) -> resistance.Competition:
    """Return what the study says of ATP with one variant; measured values come before the wild type's default."""
    atp = study.atp
    return resistance.Competition(
        concentration_um=1000.0 * atp.concentration_mm,
        wild_type_um=atp.measured_um("wild-type") or (atp.km_wild_type_um,),
        mutant_um=atp.measured_um(variant),
        concentration_error=atp.concentration_relative_error,
        km_error=atp.km_relative_error,
    )


def _own_ddg(detail: RowDetail) -> Estimate:
    starts = len(detail.mutant.terms) if detail.mutant is not None else 1
    return Estimate(detail.row.ddg_inhibitor_kcal_mol, detail.row.ddg_inhibitor_sem, starts)


def _state_warnings(detail: RowDetail, *, by_ligand: bool) -> list[str]:
    return [
        f"{state.ligand}: {text}" if by_ligand else f"{state.ligand}, {state.variant} {state.state}: {text}"
        for state in (detail.wild_type, detail.mutant)
        if state is not None
        for text in state.warnings
    ]


def _provenance(plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[tuple[str, str], ...]:
    seconds = sum(outcome.seconds for outcome in outcomes.values())
    platforms = sorted({outcome.platform for outcome in outcomes.values() if outcome.platform})
    settings = plan.study
    return (
        *package_versions(),
        ("platform", ", ".join(platforms)),
        ("seed", str(settings.seed)),
        ("tasks", str(len(outcomes))),
        ("calls", resistance.CALLS_IN_WORDS),
        ("accuracy", resistance.accuracy_in_words()),
        ("calibration", calibration_in_words()),
        ("processor seconds", f"{seconds:.0f}"),
        ("ATP", f"{settings.atp.concentration_mm:g} mM, wild-type K_m {settings.atp.km_wild_type_um:g} uM"),
        ("temperature", f"{settings.temperature_kelvin:g} K"),
        *_flat_settings(settings),
    )


def _flat_settings(study: Study) -> tuple[tuple[str, str], ...]:
    sections = study.model_dump(mode="json", include={"structures", "docking", "relax", "energy", "md"})
    return tuple(
        (f"{section}.{key}", str(value)) for section, values in sections.items() for key, value in values.items()
    )
