"""Write what a finished scan leaves: tables, the structure with its hot spots, figures, page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text
from dockkit.core.formats.pdb import complex_pdb
from dockkit.core.model.panels import ScanResult
from dockkit.report import COLUMNS, write_figures
from dockkit.report.heatmap import draw_halves, draw_hotspots
from dockkit.report.notation import residue_numbers
from dockkit.report.panel_page import render_scan
from dockkit.report.tables import csv_text

_ROW = (
    "rank",
    "residue_number",
    "insertion_code",
    "wild_type",
    "mutant",
    "role",
    "essential",
    "nucleotides",
    "reachable",
)
_ROW_MORE = ("reachable_low", "reachable_high", "probability_resistant", "score")


def write_scan(scan: ScanResult, out_dir: Path) -> tuple[Path, ...]:
    """Write the tables, the structure, the figures and the page of a scan.

    Parameters
    ----------
    scan : ScanResult
    out_dir : Path
        Output folder of the study.

    Returns
    -------
    tuple of Path
        ``scan.html``, ``scan.csv``, ``scan_residues.csv``, ``hot_spots.pdb``.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    page, table, residues, structure = (
        out_dir / name for name in ("scan.html", "scan.csv", "scan_residues.csv", "hot_spots.pdb")
    )
    atomic_write_text(table, csv_text(*row_table(scan)))
    atomic_write_text(residues, csv_text(*residue_table(scan)))
    atomic_write_text(structure, hot_spot_pdb(scan))
    figures = {"hotspots": draw_hotspots(scan), "halves": draw_halves(scan)}
    write_figures({name: [figure] for name, figure in figures.items()}, out_dir)
    atomic_write_text(page, render_scan(scan, figures))
    return page, table, residues, structure


def row_table(scan: ScanResult) -> tuple[list[str], list[list[Any]]]:
    """Return one line a substitution, by rank, failed ones last with their reason; results.csv's columns follow."""
    roles = {residue.place: residue for residue in scan.residues}
    rows = []
    for row in scan.rows:
        place = roles[row.place]
        own = [
            row.rank or None,
            row.number,
            row.insertion_code,
            row.wild_type,
            row.mutant,
            place.role,
            place.essential,
            row.nucleotides,
        ]
        chance = [row.reachable, row.reachable_low, row.reachable_high, row.resists, row.score]
        rows.append([*own, *chance, *(getattr(row.detail.row, name) for name in COLUMNS if name != "rank")])
    return [*_ROW, *_ROW_MORE, *(name for name in COLUMNS if name != "rank")], rows


def residue_table(scan: ScanResult) -> tuple[list[str], list[list[Any]]]:
    """Return one line a residue, in the order of the chain."""
    header = ["residue_number", "insertion_code", "residue", "chain", "role", "essential", "distance_angstrom"]
    header += ["score", "mean_probability_resistant", "best", "computed", "failed"]
    rows = [
        [r.number, r.insertion_code, r.letter, r.chain, r.role, r.essential, r.distance, r.score, r.mean_resists,
         r.best, r.n, r.failed]
        for r in scan.residues
    ]  # fmt: skip
    return header, rows


def hot_spot_pdb(scan: ScanResult) -> str:
    """Return the complex as PDB text with 100 times the score of its residue in each atom's B-factor column.

    With every substitution scanned, it is 100 times the mean probability of resistance instead.

    Raises
    ------
    StoreError
        A scanned residue is not in the text.
    """
    detail = next((row.detail for row in scan.rows if row.detail.ligand is not None), None)
    ligand = detail.ligand if detail else None
    blocks = [(ligand, scan.ligand_coordinates)] if ligand is not None else []
    values = {
        (r.chain, *r.place): r.score if scan.single_nucleotide else r.mean_resists for r in scan.residues
    }  # fmt: skip
    heat, found = _heat(scan, values)
    if missing := sorted(values.keys() - found):
        raise StoreError(f"residue {missing[0][1]}{missing[0][2]} was scanned and is not in {scan.receptor.name}")
    what = "reachable x resists, summed" if scan.single_nucleotide else "mean probability of resistance"
    lines = [f"REMARK   1 B-factor column: 100 x {what}, {scan.ligand}; 0 where not scanned"]
    left = iter(heat)  # the receptor's atoms come first, in its order
    for line in complex_pdb(scan.receptor, blocks, scan.study.numbering).splitlines():
        if line.startswith(("ATOM  ", "HETATM")) and (value := next(left, None)) is not None:
            line = f"{line[:60]}{100.0 * value:6.2f}{line[66:]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _heat(
    scan: ScanResult, values: Mapping[tuple[str, int, str], float]
) -> tuple[list[float], set[tuple[str, int, str]]]:
    """Return the value of each atom of the receptor, 0 where it has none, and the residues that were met."""
    receptor, by_uniprot = scan.receptor, scan.study.numbering == "uniprot"
    numbers, places = residue_numbers(receptor, scan.study), []
    for i, number in enumerate(numbers):
        code = "" if by_uniprot else str(receptor.insertion_codes[i])
        places.append((str(receptor.chain_ids[i]), number, code))
    of_residue = [value if math.isfinite(value := values.get(place, 0.0)) else 0.0 for place in places]
    return [of_residue[i] for i in receptor.atom_residue.tolist()], values.keys() & set(places)
