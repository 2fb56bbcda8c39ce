"""Figures of a study, drawn with matplotlib's object interface: the same records give the same bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from dockkit.core.files import atomic_write_bytes
from dockkit.core.model import DynamicsComparison, FloatArray, RowDetail, StudyResult
from dockkit.report.answer import rows_of
from dockkit.report.notation import (
    MINUS,
    file_stem,
    inhibitors,
    mutations,
    residue_label,
    residue_numbers,
    signed,
    with_error,
)

INK, MUTED, RULE = "#1f2328", "#59636e", "#d1d9e0"
INHIBITOR, ATP, EFFECTIVE = "#0072b2", "#e69f00", "#5e3c99"
WILD_TYPE, MUTANT = "#0072b3", "#d55e00"
FAILED_FILL = "#eaeef2"
DIVERGING = LinearSegmentedColormap.from_list("gain_loss", ["#1b6ca8", "#7db8dd", "#f5f5f5", "#f1a06a", "#b33d00"])
"""Blue for tighter binding, orange for loss: told apart with every common colour-vision deficiency."""

DDG = "\N{GREEK CAPITAL LETTER DELTA}\N{GREEK CAPITAL LETTER DELTA}G"
N_RESIDUES = 8

STYLE: Any = {
    "svg.fonttype": "none", "font.family": ["DejaVu Sans"], "font.size": 9.0, "axes.titlesize": 9.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.0, "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5, "legend.fontsize": 8.5, "legend.frameon": False, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": MUTED, "axes.linewidth": 0.7, "text.color": INK,
    "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "grid.color": RULE, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "lines.linewidth": 1.3, "hatch.linewidth": 0.5, "axes.unicode_minus": True,
    "path.simplify": True, "axes.prop_cycle": cycler(color=[INHIBITOR, MUTANT]),
}  # fmt: skip

_DPI = 200


@dataclass(frozen=True, slots=True)
class DrawnFigure:
    """One figure in both formats.

    Parameters
    ----------
    stem : str
        File name without ending.
    title, caption : str
        For the page; the caption says what is seen and how to read it.
    alternative : str
        What a reader who cannot see the figure is told.
    svg, png : bytes
    """

    stem: str
    title: str
    caption: str
    alternative: str
    svg: bytes
    png: bytes


def finish_figure(figure: Figure, stem: str, title: str, caption: str, alternative: str) -> DrawnFigure:
    """Lay the figure out once and write it in both formats."""
    svg, png = io.BytesIO(), io.BytesIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": stem}):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
        figure.savefig(png, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return DrawnFigure(stem, title, caption, alternative, svg.getvalue(), png.getvalue())


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches; laid out as fine as it is saved, since hinted text is narrower when coarse."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _empty(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes, wrap=True)


# --------------------------------------------------------------------------- the two halves


def draw_ddg(result: StudyResult, mutation: str) -> DrawnFigure:
    """Draw, for one mutation, the inhibitor half, the ATP half and their sum for each inhibitor, with standard errors.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    mutation : str
        Which mutation.

    Returns
    -------
    DrawnFigure
        Horizontal bars in kcal/mol; a failed inhibitor keeps its line.
    """
    details = rows_of(result, mutation)
    with mpl.rc_context(STYLE):
        figure = new_figure(7.2, 1.25 + 0.62 * max(len(details), 1))
        axes = figure.subplots()
        _ddg_bars(axes, details)
        axes.set_xlabel(f"{DDG} / kcal/mol  (mutant {MINUS} wild type; right: resistance)")
        axes.set_title(f"{result.kinase.gene} {mutation}", pad=22)
    spoken = "; ".join(
        f"{d.row.ligand}: inhibitor {with_error(d.row.ddg_inhibitor_kcal_mol, d.row.ddg_inhibitor_sem)}, "
        f"effective {with_error(d.row.ddg_effective_kcal_mol, d.row.ddg_effective_sem)}"
        for d in details
    )
    caption = (
        f"{DDG} of {mutation} for each inhibitor: how much worse the inhibitor itself binds (blue), how much ATP's own "
        "change adds through the competition (orange: to the right where ATP gains), and both together "
        "(purple). Bars to the right mean resistance. Error bars: one standard error."
    )
    return finish_figure(
        figure, file_stem("ddg", mutation), f"The two halves of resistance, {mutation}", caption, spoken
    )


def _ddg_bars(axes: Axes, details: Sequence[RowDetail]) -> None:
    rows = [detail.row for detail in details]
    centre = np.arange(len(rows), dtype=float)
    series = (
        ("inhibitor half", INHIBITOR, [(r.ddg_inhibitor_kcal_mol, r.ddg_inhibitor_sem) for r in rows]),
        ("ATP half", ATP, [(r.ddg_effective_kcal_mol - r.ddg_inhibitor_kcal_mol, r.ddg_atp_sem) for r in rows]),
        ("effective", EFFECTIVE, [(r.ddg_effective_kcal_mol, r.ddg_effective_sem) for r in rows]),
    )
    for index, (label, colour, pairs) in enumerate(series):
        values, sems = np.array(pairs, dtype=float).reshape(-1, 2).T
        shown = np.isfinite(values)
        place = centre[shown] + (index - 1) * 0.26
        axes.barh(place, values[shown], height=0.23, color=colour, label=label, zorder=2)
        axes.errorbar(
            values[shown], place, xerr=np.where(np.isfinite(sems[shown]), sems[shown], 0.0), fmt="none",
            ecolor=INK, elinewidth=0.8, capsize=2.0, capthick=0.8, zorder=3,
        )  # fmt: skip
    for index, row in enumerate(rows):
        if row.status != "ok":
            axes.text(0.0, index, "  failed: see the messages", va="center", ha="left", color=MUTED, style="italic")
    axes.axvline(0.0, color=MUTED, linewidth=0.8, zorder=1)
    axes.set_yticks(centre, [row.ligand for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    if not any(math.isfinite(r.ddg_effective_kcal_mol) or math.isfinite(r.ddg_inhibitor_kcal_mol) for r in rows):
        axes.set_xlim(-1.0, 1.0)
    handles = [Patch(facecolor=colour, label=label) for label, colour, _ in series]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)


# --------------------------------------------------------------------------- heat map


def draw_heatmap(result: StudyResult) -> DrawnFigure:
    """Draw the effective ddG of every mutation x inhibitor pair.

    Parameters
    ----------
    result : StudyResult
        The finished study.

    Returns
    -------
    DrawnFigure
        Mutations down, inhibitors across; the number and the call stand in each cell, failed cells are hatched.
    """
    rows, columns = mutations(result), inhibitors(result)
    cells = {(detail.row.mutation, detail.row.ligand): detail for detail in result.rows}
    values = [d.row.ddg_effective_kcal_mol for d in result.rows if math.isfinite(d.row.ddg_effective_kcal_mol)]
    limit = min(max([2.0, *(abs(v) for v in values)]), 6.0)
    norm = Normalize(-limit, limit)
    with mpl.rc_context(STYLE):
        figure = new_figure(1.9 + max(0.82 * len(columns), 2.4), 1.45 + 0.46 * len(rows))
        axes = figure.subplots()
        for i, mutation in enumerate(rows):
            for j, ligand in enumerate(columns):
                _heat_cell(axes, i, j, cells.get((mutation, ligand)), norm)
        axes.set_xlim(-0.5, max(len(columns), 1) - 0.5)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        scale = mpl.cm.ScalarMappable(norm=norm, cmap=DIVERGING)
        bar = figure.colorbar(
            scale, ax=axes, location="right", shrink=min(0.9, 6.0 / len(rows)), aspect=14, extend="both"
        )
        bar.set_label(f"effective {DDG}\nkcal/mol")
        bar.outline.set_visible(False)
    lines = [f"{m} with {n}: {_heat_words(cells.get((m, n)))}" for m in rows for n in columns]
    caption = (
        f"Effective {DDG} (inhibitor half minus ATP half) of every mutation and inhibitor. Orange: the inhibitor is "
        "lost; blue: it gains; hatched: the task failed or was not asked for."
    )
    return finish_figure(figure, "heatmap", "Mutation by inhibitor", caption, "; ".join(lines))


def _heat_words(detail: RowDetail | None) -> str:
    if detail is None or detail.row.status != "ok":
        return "no value"
    return f"{signed(detail.row.ddg_effective_kcal_mol)} kcal/mol, {detail.row.call or 'no call'}"


def _heat_cell(axes: Axes, i: int, j: int, detail: RowDetail | None, norm: Normalize) -> None:
    value = math.nan if detail is None else detail.row.ddg_effective_kcal_mol
    box = (j - 0.48, i - 0.47)
    if detail is None or not math.isfinite(value):
        axes.add_patch(
            Rectangle(box, 0.96, 0.94, facecolor=FAILED_FILL, edgecolor="#9aa4ae", hatch="////", linewidth=0)
        )
        if detail is not None:
            patch = {"facecolor": FAILED_FILL, "edgecolor": "none", "pad": 1.2}
            axes.text(j, i, "failed", ha="center", va="center", fontsize=7.5, color=INK, bbox=patch)
        return
    colour = DIVERGING(norm(value))
    light = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] > 0.45
    axes.add_patch(Rectangle(box, 0.96, 0.94, facecolor=colour, linewidth=0))
    ink = "#101418" if light else "#fdfdfd"
    axes.text(j, i - 0.13, signed(value), ha="center", va="center", fontsize=9, fontweight="bold", color=ink)
    axes.text(j, i + 0.25, detail.row.call, ha="center", va="center", fontsize=7, color=ink)


# --------------------------------------------------------------------------- per residue


def residue_changes(detail: RowDetail, result: StudyResult, count: int = N_RESIDUES) -> list[tuple[str, float, float]]:
    """Return the residues whose interaction with the ligand changes most.

    Parameters
    ----------
    detail : RowDetail
        One row.
    result : StudyResult
        The study, for its numbering.
    count : int
        At most this many.

    Returns
    -------
    list of (str, float, float)
        Label (``T315I`` at the mutated site), wild-type and mutant contribution in kcal/mol; the largest absolute
        change first. Residues are matched by chain and number; empty where a state is missing.
    """
    if detail.wild_type is None or detail.mutant is None:
        return []
    tables: list[dict[tuple[str, int, str], tuple[str, float]]] = []
    for state in (detail.wild_type, detail.mutant):
        receptor, totals = state.receptor, state.per_residue.sum(axis=1)
        table: dict[tuple[str, int, str], tuple[str, float]] = {}
        for index, number in enumerate(residue_numbers(receptor, result)):
            key = (str(receptor.chain_ids[index]), number, str(receptor.insertion_codes[index]))
            if number:
                table[key] = (str(receptor.residue_names[index]), float(totals[index]))
        tables.append(table)
    before, after = tables
    changes = []
    for key in before.keys() & after.keys():
        old, new = residue_label(before[key][0], key[1]), residue_label(after[key][0], key[1])
        label = old if old == new else f"{old}{new[: len(new) - len(str(key[1]))]}"
        changes.append((abs(after[key][1] - before[key][1]), key, (label, before[key][1], after[key][1])))
    changes.sort(key=lambda item: (-item[0], item[1]))
    return [item[2] for item in changes[:count]]


def _grid(count: int, columns: int, width: float, height: float, extra: float) -> tuple[Figure, list[Axes]]:
    lines = max(1, math.ceil(count / columns))
    figure = new_figure(width, extra + height * lines)
    flat = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axes in flat[count:]:
        axes.set_axis_off()
    return figure, flat[:count]


def draw_residues(result: StudyResult, mutation: str) -> DrawnFigure:
    """Draw which residues' interactions with each ligand change most on mutation.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    mutation : str
        Which mutation.

    Returns
    -------
    DrawnFigure
        One panel per ligand (ATP last): mutant minus wild type, the largest changes.
    """
    details = [*rows_of(result, mutation), *(d for d in result.atp if d.row.mutation == mutation)]
    details = [d for d in details if d.wild_type is not None and d.mutant is not None] or details[:1]
    spoken = []
    with mpl.rc_context(STYLE):
        figure, panels = _grid(len(details), 3 if len(details) > 2 else max(len(details), 1), 7.6, 2.15, 0.35)
        for axes, detail in zip(panels, details, strict=True):
            changes = residue_changes(detail, result)
            axes.set_title(detail.row.ligand)
            if not changes:
                _empty(axes, "no energies")
                continue
            delta = np.array([new - old for _, old, new in changes])
            axes.barh(range(len(delta)), delta, height=0.72, color=[MUTANT if d > 0 else WILD_TYPE for d in delta])
            axes.set_yticks(range(len(delta)), [label for label, _, _ in changes])
            for tick, (label, _, _) in zip(axes.get_yticklabels(), changes, strict=True):
                tick.set_fontweight("bold" if label[-1:].isalpha() else "normal")
            axes.set_ylim(N_RESIDUES - 0.4, -0.6)
            axes.axvline(0.0, color=MUTED, linewidth=0.8)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x")
            if not np.abs(delta).max() > 0:
                axes.set_xlim(-1.0, 1.0)
            spoken.append(f"{detail.row.ligand}: " + ", ".join(f"{n} {signed(b - a)}" for n, a, b in changes[:3]))
        figure.supxlabel(f"change of the interaction / kcal/mol (mutant {MINUS} wild type)", fontsize=9)
    caption = (
        f"Residues whose interaction with the ligand changes most in {mutation} (van der Waals, Coulomb and "
        "generalised Born screening, first start). Orange: the contact gets weaker; blue: stronger. The mutated "
        "residue is bold. Desolvation belongs to no single residue and is left out here; it is in the energies folder."
    )
    title = f"Where the change comes from, {mutation}"
    return finish_figure(figure, file_stem("residues", mutation), title, caption, "; ".join(spoken) or "no energies")


# --------------------------------------------------------------------------- dynamics


def _finite_mean(values: FloatArray) -> FloatArray:
    counts = np.isfinite(values).sum(axis=0)
    sums = np.nansum(values, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _draw_rmsd(axes: Axes, dynamics: DynamicsComparison) -> None:
    for values, colour in ((dynamics.ligand_rmsd_wild_type, WILD_TYPE), (dynamics.ligand_rmsd_mutant, MUTANT)):
        for replica in values:
            axes.plot(dynamics.time_ps, replica, color=colour, alpha=0.35, linewidth=0.8)
        if len(values):
            axes.plot(dynamics.time_ps, _finite_mean(values), color=colour, linewidth=1.8)
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y")


def _draw_rmsf(axes: Axes, dynamics: DynamicsComparison) -> None:
    place = np.arange(len(dynamics.rmsf_residues))
    axes.plot(place, dynamics.rmsf_wild_type, color=WILD_TYPE, marker="o", markersize=2.6)
    axes.plot(place, dynamics.rmsf_mutant, color=MUTANT, marker="s", markersize=2.4)
    step = max(1, math.ceil(len(place) / 12))
    labels = [str(label) for label in dynamics.rmsf_labels]
    axes.set_xticks(place[::step], labels[::step], rotation=60, ha="right", rotation_mode="anchor", fontsize=7.5)
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y")


def draw_dynamics(result: StudyResult, mutation: str) -> DrawnFigure | None:
    """Draw ligand RMSD over time and the RMSF of the pocket, wild type against mutant.

    Parameters
    ----------
    result : StudyResult
        The finished study.
    mutation : str
        Which mutation.

    Returns
    -------
    DrawnFigure or None
        One line of two panels per ligand; None where no row has dynamics.
    """
    details = [*rows_of(result, mutation), *(d for d in result.atp if d.row.mutation == mutation)]
    runs = [(d.row.ligand, d.dynamics) for d in details if d.dynamics is not None]
    if not runs:
        return None
    spoken = []
    with mpl.rc_context(STYLE):
        figure = new_figure(7.6, 0.45 + 1.75 * len(runs))
        grid = figure.subplots(len(runs), 2, squeeze=False, gridspec_kw={"width_ratios": (1.0, 1.35)})
        for (left, right), (name, dynamics) in zip(grid, runs, strict=True):
            _draw_rmsd(left, dynamics)
            _draw_rmsf(right, dynamics)
            left.set_title(name)
            left.set_ylabel("ligand RMSD / Å")
            right.set_ylabel("RMSF / Å")
            ends = [
                _finite_mean(v)[-1] if v.size else math.nan
                for v in (dynamics.ligand_rmsd_wild_type, dynamics.ligand_rmsd_mutant)
            ]
            spoken.append(f"{name}: ligand RMSD at the end {ends[0]:.1f} Å wild type, {ends[1]:.1f} Å mutant")
        grid[-1, 0].set_xlabel("time / ps")
        handles = [Patch(facecolor=WILD_TYPE, label="wild type"), Patch(facecolor=MUTANT, label=mutation)]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
    length = max(dynamics.length_ps for _, dynamics in runs)
    caption = (
        f"Short restrained dynamics of the pocket ({length:g} ps for each replica). Left: heavy-atom RMSD of "
        "the ligand to its start (thin: replicas, thick: their mean). Right: fluctuation of each residue's "
        "C-alpha atom. Runs this short see the pose settle or slip; they do not sample loop or DFG motion."
    )
    title = f"Does the pose stay? {mutation}"
    return finish_figure(figure, file_stem("dynamics", mutation), title, caption, "; ".join(spoken))


# --------------------------------------------------------------------------- all of them


def draw_figures(result: StudyResult) -> dict[str, list[DrawnFigure]]:
    """Return every figure of a study by section: heatmap, ddg, residues, dynamics (each in the mutations' order)."""
    names = mutations(result)
    with_rows = [name for name in names if rows_of(result, name)]
    runs = [draw_dynamics(result, name) for name in names]
    return {
        "ddg": [draw_ddg(result, name) for name in with_rows],
        "heatmap": [draw_heatmap(result)] if result.rows else [],
        "residues": [draw_residues(result, name) for name in names],
        "dynamics": [run for run in runs if run is not None],
    }


def write_figures(figures: dict[str, list[DrawnFigure]], out_dir: Path) -> list[Path]:
    """Write figures as PNG (200 dpi) and SVG under ``figures/``.

    Parameters
    ----------
    figures : dict of str to list of DrawnFigure
        From ``draw_figures``.
    out_dir : Path
        Output folder.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    written: list[Path] = []
    for drawn in (figure for group in figures.values() for figure in group):
        for ending, data in (("svg", drawn.svg), ("png", drawn.png)):
            written.append(out_dir / "figures" / f"{drawn.stem}.{ending}")
            atomic_write_bytes(written[-1], data)
    return written
