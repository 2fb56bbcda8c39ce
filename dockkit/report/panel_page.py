"""panel.html and scan.html: pages of their own, one file each, that open without a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from dockkit.core.model import ResistanceRow, RowDetail, StudyResult
from dockkit.core.model.panels import Cover, PanelResult, ScanResult, ScanRow
from dockkit.report.figures import DrawnFigure
from dockkit.report.heatmap import which_residues
from dockkit.report.notation import MISSING, listing, with_error
from dockkit.report.page import inline_svg, page_environment, provenance_parts
from dockkit.report.viewer import Scene, hot_spot_scene

COVER_LINES, SCAN_LINES, NAMED = 5, 40, 8


def panel_headline(panel: PanelResult) -> str:
    """Return the answer of a panel in a sentence or two."""
    gene = panel.study.kinase.gene
    known = int(np.isfinite(panel.effective).sum())
    if not known:
        return f"{gene}: none of the {panel.effective.size} pairs could be computed."
    parts = [
        f"Of {len(panel.mutations)} {gene} mutations, {_share(panel.singles[0], panel)} by {_names(panel.singles[0])}"
    ]
    if panel.pairs:
        parts.append(f"{_share(panel.pairs[0], panel)} by the best pair, {_names(panel.pairs[0])}")
    text = "; ".join(parts) + "."
    rivals = [c for c in panel.singles[1:] if panel.singles[0].expected - c.expected <= panel.singles[0].spread]
    if rivals:
        several = "lie" if len(rivals) > 1 else "lies"
        text += f" {listing([_names(c) for c in rivals[:3]])} {several} within the error of the best single one."
    return text


def _share(cover: Cover, panel: PanelResult) -> str:
    unit = "of the cases" if panel.counted else "of them"
    return f"{100 * cover.expected:.0f} % ± {100 * cover.spread:.0f} {unit} are expected to be held"


def _names(cover: Cover) -> str:
    return listing(cover.inhibitors)


def _failed(details: Iterable[RowDetail]) -> list[tuple[str, str]]:
    return [
        (f"{d.row.mutation}, {d.row.ligand}", d.row.message or d.row.status) for d in details if d.row.status != "ok"
    ]


def _ranking(panel: PanelResult) -> list[dict[str, Any]]:
    """Return one line for each mutation: its inhibitors in the order of their ranks, failed ones last."""
    columns = {name: j for j, name in enumerate(panel.inhibitors)}
    groups: dict[str, list[ResistanceRow]] = {mutation: [] for mutation in panel.mutations}
    for detail in panel.study.rows:
        groups[detail.row.mutation].append(detail.row)
    lines = []
    for i, (mutation, group) in enumerate(groups.items()):
        group.sort(key=lambda row: (row.rank <= 0, row.rank))
        fields = [_ranked(row, float(panel.holds[i, columns[row.ligand]])) for row in group]
        lines.append({"mutation": mutation, "cases": float(panel.cases[i]), "fields": fields})
    return lines


def _ranked(row: ResistanceRow, holds: float) -> dict[str, str]:
    good = row.status == "ok"
    return {
        "name": row.ligand,
        "value": with_error(row.ddg_expected_kcal_mol, row.ddg_expected_error) if good else "no value",
        "holds": f"holds {100 * holds:.0f}\u00a0%" if math.isfinite(holds) else "",
        "raw": with_error(row.ddg_effective_kcal_mol, row.ddg_effective_sem) if good else "",
        "call": row.call if good else "failed",
    }


def _common(result: StudyResult) -> dict[str, Any]:
    environment = page_environment()
    source = environment.loader
    assert source is not None
    style, script = (source.get_source(environment, name)[0] for name in ("style.css", "viewer.js"))
    facts = dict(result.provenance)
    return {
        "result": result,
        "kinase": result.kinase,
        "style": Markup(style),
        "script": Markup(script),
        "calls": facts.get("calls", ""),
        "calibration": facts.get("calibration", ""),
        "versions": provenance_parts(result.provenance)["versions"],
    }


def _drawn(figures: Mapping[str, DrawnFigure]) -> dict[str, tuple[DrawnFigure, Markup]]:
    return {name: (figure, inline_svg(figure)) for name, figure in figures.items()}


def render_panel(
    panel: PanelResult, figures: Mapping[str, DrawnFigure], *, has_report: bool, no_parquet: str = ""
) -> str:
    """Return panel.html.

    Parameters
    ----------
    panel : PanelResult
    figures : mapping
        ``heatmap`` and ``cover``.
    has_report : bool
        report.html, with every pair in detail, lies beside.
    no_parquet : str
        Why panel.parquet does not lie beside; empty where it does.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    errors = panel.error[np.isfinite(panel.error)]
    return (
        page_environment()
        .get_template("panel.html.jinja")
        .render(
            **_common(panel.study),
            panel=panel,
            headline=panel_headline(panel),
            figures=_drawn(figures),
            covers=[panel.singles[:COVER_LINES], panel.pairs[:COVER_LINES]],
            ranking=_ranking(panel),
            failed=_failed(panel.study.rows),
            cells=panel.effective.size,
            typical_error=float(errors.mean()) if errors.size else math.nan,
            warnings=[*panel.notes, *_warnings(panel.study), *([no_parquet] if no_parquet else [])],
            has_report=has_report,
            parquet=not no_parquet,
        )
    )


def _warnings(result: StudyResult) -> list[str]:
    """Return the warnings of a study, those of single states left out."""
    of_states = {
        f"{state.ligand}, {state.variant} {state.state}: {text}"
        for detail in (*result.rows, *result.atp)
        for state in (detail.wild_type, detail.mutant)
        if state is not None
        for text in state.warnings
    }
    atp = [f"{d.row.mutation}: ATP half missing: {d.row.message}" for d in result.atp if d.row.status != "ok"]
    return [*(text for text in result.warnings if text not in of_states), *atp]


# ---------------------------------------------------------------------------------------------------------- the scan


def scan_headline(scan: ScanResult) -> str:
    """Return the answer of a scan in a sentence or two."""
    gene = scan.study.kinase.gene
    alive = {r.place for r in scan.residues if not r.essential}
    ranked = [row for row in scan.rows if row.rank and row.place in alive]
    if not ranked:
        return f"{gene} with {scan.ligand}: no substitution could be computed."
    first = [row.detail.row.mutation for row in ranked if row.score > 0][:3] or [ranked[0].detail.row.mutation]
    hot = sorted((r for r in scan.residues if not r.essential), key=lambda r: -r.score)[:3]
    spots = listing([r.label for r in hot if r.score > 0])
    text = f"{gene} with {scan.ligand}: resistance is likeliest by {listing(first)}"
    return text + (f"; the hottest residues are {spots}." if spots else ".")


def _scan_lines(scan: ScanResult) -> list[dict[str, Any]]:
    residues = {residue.place: residue for residue in scan.residues}
    return [_scan_line(row, residues[row.place]) for row in scan.rows if row.rank][:SCAN_LINES]


def _scan_line(row: ScanRow, residue: Any) -> dict[str, Any]:
    values = row.detail.row
    spread = row.reachable_high - row.reachable_low > 1e-9
    around = f" ({100 * row.reachable_low:.0f} to {100 * row.reachable_high:.0f})" if spread else ""
    return {
        "rank": row.rank,
        "mutation": values.mutation,
        "role": residue.role or MISSING,
        "essential": residue.essential,
        "inhibitor": with_error(values.ddg_inhibitor_kcal_mol, values.ddg_inhibitor_sem),
        "atp": with_error(values.ddg_atp_kcal_mol, values.ddg_atp_sem),
        "effective": with_error(values.ddg_effective_kcal_mol, values.ddg_effective_sem),
        "expected": with_error(values.ddg_expected_kcal_mol, values.ddg_expected_error),
        "resists": f"{100 * row.resists:.0f} %",
        "reachable": f"{100 * row.reachable:.0f} %{around}" if row.reachable else MISSING,
        "nucleotides": row.nucleotides,
        "score": f"{100 * row.score:.1f} %" if row.score else MISSING,
    }


def _scene(scan: ScanResult) -> Scene:
    """Colour the pocket by the square root of the residues' scores, so that middling ones are seen too."""
    detail = next((row.detail for row in scan.rows if row.detail.wild_type and row.detail.ligand), None)
    if detail is None or detail.wild_type is None or detail.ligand is None:
        return Scene("", 0, ())
    values = {
        r.number: r.score if scan.single_nucleotide or not math.isfinite(r.mean_resists) else r.mean_resists
        for r in scan.residues
    }
    top = max(values.values(), default=0.0) or 1.0
    heat = {number: math.sqrt(value / top) for number, value in values.items()}
    named = sorted(values, key=lambda number: -values[number])[:NAMED]
    return hot_spot_scene(scan.study, detail.wild_type, detail.ligand, heat, named)


def render_scan(scan: ScanResult, figures: Mapping[str, DrawnFigure]) -> str:
    """Return scan.html.

    Parameters
    ----------
    scan : ScanResult
    figures : mapping
        ``hotspots`` and ``halves``.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    scene = _scene(scan)
    return (
        page_environment()
        .get_template("scan.html.jinja")
        .render(
            **_common(scan.study),
            scan=scan,
            residues_are=which_residues(scan),
            headline=scan_headline(scan),
            figures=_drawn(figures),
            scene=scene,
            scene_json=Markup(scene.json),
            lines=_scan_lines(scan),
            failed=_failed(row.detail for row in scan.rows),
            warnings=[*scan.notes, *_warnings(scan.study)],
        )
    )
