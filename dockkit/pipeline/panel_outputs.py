"""Write what a finished panel leaves: tables, figures, page; of single pairs only what was asked for."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scipy.special import ndtr

from dockkit.core.files import atomic_write_bytes, atomic_write_text, store_error
from dockkit.core.formats import write_complex_pdb, write_sdf
from dockkit.core.model import ResistanceRow, RowDetail, StudyResult
from dockkit.core.model.panels import PanelResult, RefusedRow
from dockkit.pipeline.outputs import provenance
from dockkit.pipeline.plan import Plan
from dockkit.report import COLUMNS, write_figures, write_results
from dockkit.report.heatmap import draw_cover, draw_panel
from dockkit.report.notation import file_stem
from dockkit.report.panel_page import render_panel
from dockkit.report.tables import csv_text
from dockkit.store import Outcome, Store

PARQUET_HINT = "no panel.parquet: it needs pyarrow (pip install 'dockkit[parquet]'); panel_long.csv holds the same"

_LONG = (*COLUMNS, "cases", "weight", "probability_held")


def write_summary(
    result: StudyResult, plan: Plan, store: Store, outcomes: Mapping[str, Outcome], out_dir: Path
) -> None:
    """Write the table of a study and its provenance, and each ligand's pose, but no file for every pair.

    Parameters
    ----------
    result : StudyResult
    plan : Plan
    store : Store
        Not read.
    outcomes : mapping of str to Outcome
    out_dir : Path
        ``results.csv``, ``results.json``, ``run.json``, ``poses/`` and ``structures/`` go here.

    Raises
    ------
    StoreError
        The disk is full or the folder may not be written.
    """
    write_results(result, out_dir)
    atomic_write_text(out_dir / "run.json", json.dumps(provenance(result, plan, outcomes), indent=2) + "\n")
    seen: set[str] = set()
    try:
        for detail in (*result.rows, *result.atp):
            if detail.pose is None or detail.ligand is None or detail.row.ligand in seen:
                continue
            seen.add(detail.row.ligand)
            _write_one(detail, result, out_dir)
    except OSError as error:
        raise store_error(Path(error.filename or out_dir), error) from error


def _write_one(detail: RowDetail, result: StudyResult, out_dir: Path) -> None:
    """Write the pose of one ligand, and the wild-type complex of its first mutation."""
    pose, ligand = detail.pose, detail.ligand
    assert pose is not None
    assert ligand is not None
    for name in ("poses", "structures"):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    stem = file_stem(detail.row.ligand)
    facts = {"engine": pose.engine, "score_kcal_mol": f"{pose.score_kcal_mol:.3f}", "receptor": pose.receptor}
    write_sdf(out_dir / "poses" / f"{stem}.sdf", ligand, [pose.coordinates], [{**facts, "reason": pose.reason}])
    state = detail.wild_type
    if state is not None:
        path = out_dir / "structures" / f"{stem}_wild-type.pdb"
        write_complex_pdb(path, state.receptor, [(ligand, state.ligand_coordinates)], result.numbering)


def write_panel(panel: PanelResult, out_dir: Path) -> tuple[Path, ...]:
    """Write the tables, figures and page of a panel.

    Parameters
    ----------
    panel : PanelResult
    out_dir : Path
        Output folder of the study.

    Returns
    -------
    tuple of Path
        ``panel.html``, ``panel_matrix.csv``, ``panel_long.csv``, ``panel_ranking.csv``, ``panel_cover.csv``,
        ``panel_refused.csv``, and ``panel.parquet`` where pyarrow is installed.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    tables = {
        "panel_matrix.csv": matrix_table(panel),
        "panel_long.csv": long_table(panel),
        "panel_ranking.csv": ranking_table(panel),
        "panel_cover.csv": cover_table(panel),
        "panel_refused.csv": refused_table(panel.refused),
    }
    written = []
    for name, (header, rows) in tables.items():
        written.append(out_dir / name)
        atomic_write_text(written[-1], csv_text(header, rows))
    parquet = _write_parquet(panel, out_dir / "panel.parquet")
    if parquet is not None:
        written.append(parquet)
    figures = {"heatmap": draw_panel(panel), "cover": draw_cover(panel)}
    write_figures({name: [figure] for name, figure in figures.items()}, out_dir)
    page = out_dir / "panel.html"
    has_report = (out_dir / "report.html").is_file()
    hint = "" if parquet is not None else PARQUET_HINT
    atomic_write_text(page, render_panel(panel, figures, has_report=has_report, no_parquet=hint))
    return (page, *written)


Table = tuple[list[str], list[list[Any]]]


def matrix_table(panel: PanelResult) -> Table:
    """Return one line a mutation; for each inhibitor the expected and the computed value with errors, and status."""
    header = ["mutation", "cases", "weight"]
    parts = ("ddg_expected_kcal_mol", "error_kcal_mol", "ddg_effective_kcal_mol", "sem_kcal_mol", "probability_held")
    for name in panel.inhibitors:
        header += [f"{name}_{part}" for part in (*parts, "status")]
    found = {(detail.row.mutation, detail.row.ligand): detail.row for detail in panel.study.rows}
    rows = []
    for i, (mutation, cases, weight) in enumerate(zip(panel.mutations, panel.cases, panel.weights, strict=True)):
        line: list[Any] = [mutation, _count(cases), float(weight)]
        for j, name in enumerate(panel.inhibitors):
            row = found.get((mutation, name))
            if row is None or row.status != "ok":
                line += [*[None] * len(parts), "not computed" if row is None else row.message or row.status]
            else:
                line += [row.ddg_expected_kcal_mol, row.ddg_expected_error, row.ddg_effective_kcal_mol]
                line += [row.ddg_effective_sem, float(panel.holds[i, j]), row.call or row.status]
        rows.append(line)
    return header, rows


def _count(cases: float) -> float | int:
    return int(cases) if float(cases).is_integer() else float(cases)


def _long_rows(panel: PanelResult) -> list[list[Any]]:
    rows, weights = [], panel.weights
    for detail, (i, j) in zip(panel.study.rows, _places(panel), strict=True):
        own = [getattr(detail.row, name) for name in COLUMNS]
        more = [_count(panel.cases[i]), weights[i], panel.holds[i, j]]
        rows.append([*own, *more])
    return rows


def _places(panel: PanelResult) -> list[tuple[int, int]]:
    """Return row and column of each pair in the matrix."""
    rows = {name: i for i, name in enumerate(panel.mutations)}
    columns = {name: j for j, name in enumerate(panel.inhibitors)}
    return [(rows[detail.row.mutation], columns[detail.row.ligand]) for detail in panel.study.rows]


def long_table(panel: PanelResult) -> Table:
    """Return one line a pair: the columns of results.csv, then cases, weight and probability of holding."""
    return list(_LONG), _long_rows(panel)


def ranking_table(panel: PanelResult) -> Table:
    """Return the inhibitors of each mutation in the order of results.csv's rank, failed ones last, without a rank.

    ``probability_better_than_first`` is that of holding better than the inhibitor ranked first, the errors of the two
    being normal and independent.
    """
    header = ["mutation", "cases", "rank", "ligand", "ddg_expected_kcal_mol", "error_kcal_mol", "probability_held"]
    header += ["resistance_probability", "probability_better_than_first", "ddg_effective_kcal_mol", "sem_kcal_mol"]
    header += ["fold_change", "call", "status", "message"]
    ranked: list[list[tuple[int, ResistanceRow]]] = [[] for _ in panel.mutations]
    for detail, (i, j) in zip(panel.study.rows, _places(panel), strict=True):
        ranked[i].append((j, detail.row))
    rows: list[list[Any]] = []
    for i, (mutation, group) in enumerate(zip(panel.mutations, ranked, strict=True)):
        group.sort(key=lambda item: (item[1].rank <= 0, item[1].rank))
        for j, row in group:
            rows.append([
                mutation, _count(panel.cases[i]), row.rank or None, row.ligand, row.ddg_expected_kcal_mol,
                row.ddg_expected_error, float(panel.holds[i, j]), row.resistance_probability,
                _better(panel, i, j, group[0][0]), row.ddg_effective_kcal_mol, row.ddg_effective_sem, row.fold_change,
                row.call, row.status, row.message,
            ])  # fmt: skip
    return header, rows


def _better(panel: PanelResult, i: int, j: int, first: int) -> float:
    if j == first:
        return math.nan
    gap = float(panel.expected[i, first] - panel.expected[i, j])
    error = math.hypot(panel.error[i, j], panel.error[i, first])
    if not math.isfinite(gap):
        return math.nan
    return float(ndtr(gap / error)) if error > 0 else float(gap > 0)


def cover_table(panel: PanelResult) -> Table:
    """Return every single inhibitor and every pair with the share of the panel that it holds, best first."""
    header = ["size", "place", "inhibitors", "expected_share", "standard_deviation", "upper_share", "called_share"]
    rows: list[list[Any]] = []
    for group in (panel.singles, panel.pairs):
        for place, item in enumerate(group, start=1):
            names = " + ".join(item.inhibitors)
            numbers = [item.expected, item.spread, item.upper, item.called, item.unknown]
            rows.append([len(item.inhibitors), place, names, *numbers])
    return [*header, "unknown_share"], rows


def refused_table(refused: Sequence[RefusedRow]) -> Table:
    """Return the rows of the user's tables that are not in the panel, with the reason."""
    return ["mutation", "rows", "first_seen", "reason"], [[r.text, r.rows, r.where, r.reason] for r in refused]


def _write_parquet(panel: PanelResult, path: Path) -> Path | None:
    if find_spec("pyarrow") is None:
        return None
    rows = _long_rows(panel)
    columns = {name: [_plain(row[k]) for row in rows] for k, name in enumerate(_LONG)}
    columns["cases"] = [float(value) for value in columns["cases"]]
    buffer = io.BytesIO()
    import_module("pyarrow.parquet").write_table(import_module("pyarrow").table(columns), buffer)
    atomic_write_bytes(path, buffer.getvalue())
    return path


def _plain(value: Any) -> Any:
    """Return a Python scalar, None for a number that is not finite."""
    scalar = value.item() if hasattr(value, "item") else value
    return None if isinstance(scalar, float) and not math.isfinite(scalar) else scalar
