"""Result tables: results.csv, results.json and the energy terms behind every row."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dockkit.core.files import atomic_write_text
from dockkit.core.model import STATE_TERM_NAMES, ComplexState, ResistanceRow, RowDetail, StudyResult
from dockkit.report.notation import residue_label, residue_numbers, row_stems

COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(ResistanceRow))
"""Columns of results.csv and keys of results.json, in order; the names are an interface."""


def _plain(value: Any) -> Any:
    """Return None for a number that is not finite, a Python scalar otherwise."""
    if isinstance(value, str | bool) or value is None:
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and not math.isfinite(number):
        return None
    return number


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return comma-separated text, lines ending in a line feed; what is not a finite number is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        plain = [_plain(value) for value in row]
        writer.writerow(["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in plain])
    return buffer.getvalue()


def result_records(result: StudyResult) -> list[dict[str, Any]]:
    """Return the rows as plain dictionaries: inhibitors in the study's order, then the ATP rows; None for NaN."""
    return [{name: _plain(getattr(detail.row, name)) for name in COLUMNS} for detail in (*result.rows, *result.atp)]


def write_results(result: StudyResult, out_dir: Path) -> tuple[Path, Path]:
    """Write results.csv and results.json: one row per kinase x mutation x ligand, failed ones included.

    The rows of ATP (``binding_type`` nucleotide) come last; their ``ddg_inhibitor`` columns hold ATP's own ddG.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    out_dir : Path
        Output folder; made where it is missing.

    Returns
    -------
    tuple of Path
        The CSV and the JSON file.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    records = result_records(result)
    csv_path, json_path = out_dir / "results.csv", out_dir / "results.json"
    atomic_write_text(csv_path, csv_text(COLUMNS, (list(record.values()) for record in records)))
    atomic_write_text(json_path, json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return csv_path, json_path


def _states(detail: RowDetail) -> list[ComplexState]:
    return [state for state in (detail.wild_type, detail.mutant) if state is not None]


def term_rows(detail: RowDetail) -> list[list[Any]]:
    """Return one line per geometry of a state: state, variant, number, label, weight, the terms and their sum."""
    lines: list[list[Any]] = []
    for state in _states(detail):
        for start, terms in enumerate(state.terms.tolist()):
            label = state.start_labels[start] if start < len(state.start_labels) else ""
            lines.append([state.state, state.variant, start + 1, label, state.weights[start], *terms, sum(terms)])
    return lines


def residue_rows(detail: RowDetail, result: StudyResult) -> list[list[Any]]:
    """Return one line per state and residue, and one for what belongs to no residue (kcal/mol).

    Columns: state, chain, number (the study's numbering), insertion code, residue, label, vdw, coulomb, gb, total.
    The totals of one state add up to its binding energy, the weighted mean over its geometries.
    """
    lines: list[list[Any]] = []
    for state in _states(detail):
        receptor = state.receptor
        numbers = residue_numbers(receptor, result)
        for index, terms in enumerate(state.per_residue.tolist()):
            name, number = str(receptor.residue_names[index]), numbers[index]
            chain, insertion = str(receptor.chain_ids[index]), str(receptor.insertion_codes[index])
            lines.append(
                [state.state, chain, number or None, insertion, name, residue_label(name, number), *terms, sum(terms)]
            )
        rest = float(state.desolvation)
        lines.append([state.state, "", None, "", "", "desolvation and strain", None, None, None, rest])
    return lines


def write_energies(result: StudyResult, out_dir: Path) -> list[Path]:
    """Write the energy terms behind every row that has them, as CSV files under ``energies/``.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    out_dir : Path
        Output folder.

    Returns
    -------
    list of Path
        ``<mutation>_<ligand>_terms.csv`` (one line per geometry) and ``..._residues.csv`` (one line per residue).

    Raises
    ------
    StoreError
        A file could not be written.
    """
    folder = out_dir / "energies"
    terms = [f"{name}_kcal_mol" for name in STATE_TERM_NAMES]
    term_header = ["state", "variant", "geometry", "label", "weight", *terms]
    residue_header = ["state", "chain", "residue_number", "insertion_code", "residue_name", "residue"]
    residue_header += [f"{name}_kcal_mol" for name in ("vdw", "coulomb", "gb", "total")]
    details = (*result.rows, *result.atp)
    written: list[Path] = []
    for detail, stem in zip(details, row_stems(details), strict=True):
        if not _states(detail):
            continue
        for kind, header, lines in (
            ("terms", [*term_header, "total_kcal_mol"], term_rows(detail)),
            ("residues", residue_header, residue_rows(detail, result)),
        ):
            written.append(folder / f"{stem}_{kind}.csv")
            atomic_write_text(written[-1], csv_text(header, lines))
    return written
