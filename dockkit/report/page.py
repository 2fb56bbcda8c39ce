"""report.html: one self-contained page that opens without a network."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dockkit.core.files import atomic_write_text
from dockkit.core.model import LigandEntry, RowDetail, StudyResult
from dockkit.report import figures as drawn_figures
from dockkit.report.answer import atp_of, atp_verdict, headline, mutation_sentence, rows_of
from dockkit.report.drawings import draw_ligand
from dockkit.report.figures import DrawnFigure, draw_figures, write_figures
from dockkit.report.notation import MISSING, fold, mutations, row_stems, with_error
from dockkit.report.tables import write_energies, write_results
from dockkit.report.viewer import Scene, build_scene

MAX_FIGURE_BYTES = 1_200_000
"""Figures beyond this many bytes are linked instead of drawn in the page."""

SETTING_SECTIONS = ("settings", "atp", "structures", "docking", "relax", "energy", "md")
"""First parts of the provenance names that are settings rather than versions."""

_SAID_ELSEWHERE = ("calls", "accuracy")
"""Provenance that stands in the page's text rather than in the list of versions."""

_PAGE_COLOURS = {
    drawn_figures.INK: "ink", drawn_figures.MUTED: "muted", drawn_figures.RULE: "rule",
    drawn_figures.INHIBITOR: "inhibitor", drawn_figures.ATP: "atp", drawn_figures.EFFECTIVE: "effective",
    drawn_figures.WILD_TYPE: "wild", drawn_figures.MUTANT: "mutant", drawn_figures.FAILED_FILL: "failed-fill",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of the page's result table, ready to print."""

    detail: RowDetail
    stem: str
    inhibitor: str
    atp: str
    effective: str
    fold: str
    fold_range: str
    expected: str
    chance: str
    marks: tuple[tuple[str, str], ...]
    in_scene: bool


def inline_svg(figure: DrawnFigure) -> Markup:
    """Return a figure as an ``<svg>`` element for the page.

    Its ids are made distinct, fixed sizes go, and the palette becomes CSS variables, so that it follows dark mode.

    Parameters
    ----------
    figure : DrawnFigure
        As drawn by matplotlib.
    """
    text = figure.svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<title>.*?</title>|<!--.*?-->", "", text, flags=re.DOTALL)
    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", figure.stem)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
    for colour, name in _PAGE_COLOURS.items():
        text = re.sub(colour, f"var(--{name})", text, flags=re.IGNORECASE)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    size = box.group(0) if box else ""
    width = round(float(box.group(1)) * 1.65) if box else 700
    opening = f'<svg {size} style="max-width:{width}px" role="img" aria-labelledby="{prefix}-alt">'
    alt = Markup('<title id="{}-alt">{}</title>').format(prefix, figure.alternative)
    return Markup(re.sub(r"<svg[^>]*>", opening.replace("\\", "") + str(alt).replace("\\", ""), text, count=1).strip())


def _marks(detail: RowDetail) -> tuple[tuple[str, str], ...]:
    """Return the badges of a row: short text and its explanation."""
    marks: list[tuple[str, str]] = []
    if detail.row.modelled_structure:
        marks.append(
            ("modelled structure", "Part of this receptor's conformation was modelled, not seen in a crystal.")
        )
    entry = detail.ligand.entry if detail.ligand else None
    if entry is not None and entry.binding_type != "nucleotide":
        if not entry.atp_competitive:
            marks.append(
                (
                    "not ATP-competitive",
                    "It does not compete with ATP, so the ATP half does not enter its effective ΔΔG.",
                )
            )
        if entry.covalent_residue:
            marks.append(
                (
                    f"covalent {entry.covalent_residue}",
                    "Only the reversible encounter is computed; the bond to this residue and its rate are not.",
                )
            )
    return tuple(marks)


def table_row(detail: RowDetail, stem: str, in_scene: bool) -> TableRow:
    """Return the printable form of one row."""
    row = detail.row
    has_range = math.isfinite(row.fold_change_low) and math.isfinite(row.fold_change_high)
    return TableRow(
        detail=detail,
        stem=stem,
        inhibitor=with_error(row.ddg_inhibitor_kcal_mol, row.ddg_inhibitor_sem),
        atp=with_error(row.ddg_atp_kcal_mol, row.ddg_atp_sem),
        effective=with_error(row.ddg_effective_kcal_mol, row.ddg_effective_sem),
        fold=fold(row.fold_change),
        fold_range=f"{fold(row.fold_change_low)} to {fold(row.fold_change_high)}" if has_range else "",
        expected=with_error(row.ddg_calibrated_kcal_mol, row.ddg_calibrated_error),
        chance=f"{row.resistance_probability:.0%}" if math.isfinite(row.resistance_probability) else "",
        marks=_marks(detail),
        in_scene=in_scene,
    )


def _tables(result: StudyResult, scene_ids: set[str]) -> list[dict[str, Any]]:
    details = [*result.rows, *result.atp]
    stems = {id(detail): stem for detail, stem in zip(details, row_stems(details), strict=True)}
    tables = []
    for mutation in mutations(result):
        atp = atp_of(result, mutation)
        lines = [table_row(d, stems[id(d)], stems[id(d)] in scene_ids) for d in rows_of(result, mutation)]
        lines.sort(key=lambda line: (line.detail.row.rank <= 0, line.detail.row.rank))
        tables.append(
            {
                "mutation": mutation,
                "sentence": mutation_sentence(result, mutation),
                "lines": lines,
                "atp": None if atp is None else table_row(atp, stems[id(atp)], stems[id(atp)] in scene_ids),
                "verdict": atp_verdict(atp, result.temperature_kelvin),
            }
        )
    return tables


def _facts(entry: LigandEntry | None, detail: RowDetail) -> list[tuple[str, str]]:
    binding = entry.binding_type if entry else detail.row.binding_type
    facts = [("binding", f"type {binding}" if binding and binding not in ("nucleotide", "unknown") else binding)]
    if entry is not None:
        facts += [
            ("targets", ", ".join(entry.targets)),
            ("generation", entry.generation),
            ("covalent bond", entry.covalent_residue),
            ("status", entry.status),
        ]
    return [(name, value) for name, value in facts if value]


def _cards(result: StudyResult) -> list[dict[str, Any]]:
    """Return one card for each distinct ligand that has a record."""
    cards: dict[str, dict[str, Any]] = {}
    for detail in (*result.rows, *result.atp):
        name = detail.row.ligand
        if detail.ligand is None or name in cards:
            continue
        pose = detail.pose
        cards[name] = {
            "name": name,
            "svg": Markup(draw_ligand(detail.ligand)),
            "facts": _facts(detail.ligand.entry, detail),
            "charge": detail.ligand.charge,
            "pose": "" if pose is None else pose.reason,
            "notes": detail.ligand.notes,
            "smiles": detail.ligand.smiles,
        }
    return list(cards.values())


def _dynamics_lines(result: StudyResult) -> list[dict[str, str]]:
    """Return the second opinion of the dynamics, a line for each mutation and ligand that was simulated."""
    lines = []
    for detail in (*result.rows, *result.atp):
        run = detail.dynamics
        if run is None:
            continue
        occupancy = (run.hinge_hbond_wild_type.value, run.hinge_hbond_mutant.value)
        lines.append(
            {
                "mutation": detail.row.mutation,
                "ligand": detail.row.ligand,
                "relaxed": with_error(detail.row.ddg_inhibitor_kcal_mol, detail.row.ddg_inhibitor_sem),
                "frames": with_error(run.ddg.value, run.ddg.sem),
                "hinge": " → ".join(f"{100 * value:.0f} %" if math.isfinite(value) else MISSING for value in occupancy),
            }
        )
    return lines


def _method(result: StudyResult) -> dict[str, Any]:
    """Return what the methods section says of this run: counts and lengths read from the records."""
    details = [*result.rows, *result.atp]
    states = [s for d in details for s in (d.wild_type, d.mutant) if s is not None]
    runs = [d.dynamics for d in details if d.dynamics is not None]
    return {
        "engines": sorted({d.row.pose_engine for d in details if d.row.pose_engine}),
        "n_geometries": max((len(state.terms) for state in states), default=0),
        "length_ps": max((run.length_ps for run in runs), default=0.0),
        "replicas": max((len(run.ligand_rmsd_wild_type) for run in runs), default=0),
        "structures": sorted({d.row.structure for d in details if d.row.structure}),
        "modelled": sorted({d.row.structure for d in details if d.row.modelled_structure}),
    }


def _messages(result: StudyResult) -> dict[str, list[tuple[str, str]]]:
    """Return failures and warnings as (where, what)."""
    details = [*result.rows, *result.atp]
    failed = [
        (f"{d.row.mutation}, {d.row.ligand}", d.row.message or d.row.status) for d in details if d.row.status != "ok"
    ]
    states = [state for detail in details for state in (detail.wild_type, detail.mutant) if state is not None]
    told = {f"{state.ligand}, {state.variant} {state.state}: {text}" for state in states for text in state.warnings}
    warnings: dict[tuple[str, str], None] = {("study", text): None for text in result.warnings if text not in told}
    for detail in details:
        where = f"{detail.row.mutation}, {detail.row.ligand}"
        if detail.row.status == "ok" and detail.row.message:
            warnings[(where, detail.row.message)] = None
        for text, of_states in _state_warnings(detail).items():
            warnings[(where if len(of_states) == 2 else f"{where}, {of_states[0]}", text)] = None
        for text in detail.dynamics.notes if detail.dynamics else ():
            warnings[(f"{where}, dynamics", text)] = None
    return {"failed": failed, "warnings": list(warnings)}


def _state_warnings(detail: RowDetail) -> dict[str, list[str]]:
    """Return the states that each warning of a row is about."""
    found: dict[str, list[str]] = {}
    for state in (detail.wild_type, detail.mutant):
        if state is not None:
            for text in state.warnings:
                found.setdefault(text, []).append(state.state)
    return found


def provenance_parts(pairs: Sequence[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Return provenance as ``settings`` and ``versions``, without what a page says elsewhere."""
    settings = [pair for pair in pairs if pair[0].split(".")[0] in SETTING_SECTIONS and "." in pair[0]]
    return {
        "settings": settings,
        "versions": [pair for pair in pairs if pair not in settings and pair[0] not in _SAID_ELSEWHERE],
    }


def _embedded(figures: dict[str, list[DrawnFigure]]) -> dict[str, list[tuple[DrawnFigure, Markup]]]:
    """Return each figure with its SVG, which is empty where the page would grow too big.

    The first figure of every section always stays; then one mutation after the other, while there is room.
    """
    order = sorted((place, group) for group, drawn in figures.items() for place in range(len(drawn)))
    page: dict[str, list[tuple[DrawnFigure, Markup]]] = {group: [] for group in figures}
    size = 0
    for place, group in order:
        figure = figures[group][place]
        svg = inline_svg(figure) if place == 0 or size < MAX_FIGURE_BYTES else Markup("")
        size += len(svg)
        page[group].append((figure, svg))
    return page


def page_environment() -> Environment:
    """Return the environment that every page's template is rendered in."""
    return Environment(
        loader=PackageLoader("dockkit.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(result: StudyResult, figures: dict[str, list[DrawnFigure]], scene: Scene) -> str:
    """Return the page.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    figures : dict of str to list of DrawnFigure
        From ``draw_figures``.
    scene : Scene
        From ``build_scene``.

    Returns
    -------
    str
        HTML that loads nothing from anywhere: styles, script, figures and coordinates are inside.
    """
    environment = page_environment()
    source = environment.loader
    assert source is not None
    details = [*result.rows, *result.atp]
    left_out = set(scene.left_out)
    views = [
        (stem, d.row.mutation, d.row.ligand)
        for stem, d in zip(row_stems(details), details, strict=True)
        if d.ligand and d.wild_type and d.mutant and f"{d.row.mutation}, {d.row.ligand}" not in left_out
    ]
    style, script = (source.get_source(environment, name)[0] for name in ("style.css", "viewer.js"))
    return environment.get_template("report.html.jinja").render(
        result=result,
        kinase=result.kinase,
        headline=headline(result),
        mutations=mutations(result),
        tables=_tables(result, {stem for stem, _, _ in views}),
        figures=_embedded(figures),
        cards=_cards(result),
        scene=scene,
        views=views,
        dynamics=_dynamics_lines(result),
        method=_method(result),
        messages=_messages(result),
        calls=dict(result.provenance).get("calls", ""),
        accuracy=dict(result.provenance).get("accuracy", ""),
        provenance=provenance_parts(result.provenance),
        style=Markup(style),
        script=Markup(script),
        scene_json=Markup(scene.json),
    )


def write_report(result: StudyResult, out_dir: Path) -> Path:
    """Write results.csv, results.json, energies/, figures/ and report.html.

    Parameters
    ----------
    result : StudyResult
        The finished study; rows that failed are shown with their message.
    out_dir : Path
        Output folder; made where it is missing.

    Returns
    -------
    Path
        ``report.html``.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    write_results(result, out_dir)
    write_energies(result, out_dir)
    figures = draw_figures(result)
    write_figures(figures, out_dir)
    page = out_dir / "report.html"
    atomic_write_text(page, render_page(result, figures, build_scene(result)))
    return page
