"""Figures of panels and scans: the clustered heat map, the cover of the best inhibitors, hot spots around a ligand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram

from dockkit.core.model.panels import Cover, PanelResult, ScanResidue, ScanResult
from dockkit.report.figures import (
    ATP,
    DDG,
    DIVERGING,
    EFFECTIVE,
    FAILED_FILL,
    INHIBITOR,
    INK,
    MUTED,
    RULE,
    STYLE,
    DrawnFigure,
    finish_figure,
    new_figure,
)
from dockkit.report.notation import MINUS, signed

HEAT = LinearSegmentedColormap.from_list("heat", ["#f6f3ee", "#f6c79b", "#e8833a", "#b33d00", "#6e1f00"])
"""Pale to dark orange: probabilities of resistance."""

Colour = tuple[float, float, float, float]

COLUMN_INCH, ROW_INCH = 0.74, 0.275
AMINO_ACID_ORDER = "GAVLIMCPFYWHKRQNEDST"
"""Small and aliphatic first, then aromatic, charged and polar, so that alike columns stand together."""


# --------------------------------------------------------------------------------------------------------- the panel


def draw_panel(panel: PanelResult) -> DrawnFigure:
    """Draw the expected effective ddG of every mutation x inhibitor, both clustered, with the cases beside.

    Parameters
    ----------
    panel : PanelResult
        At least one mutation and one inhibitor.

    Returns
    -------
    DrawnFigure
        Bold numbers lie beyond one standard deviation from no change; failed cells are hatched.
    """
    m, n = len(panel.mutations), len(panel.inhibitors)
    tree_rows, tree_columns = bool(panel.row_tree), bool(panel.column_tree)
    wide = [0.9 if tree_rows else 0.02, max(COLUMN_INCH * n, 2.0), 0.9 if panel.counted else 0.02]
    high = [0.55 if tree_columns else 0.02, max(ROW_INCH * m, 0.9)]
    with mpl.rc_context(STYLE):
        figure = new_figure(sum(wide) + 2.3, sum(high) + 1.25)
        grid = figure.subplots(
            2, 3, gridspec_kw={"width_ratios": wide, "height_ratios": high, "wspace": 0.01, "hspace": 0.01}
        )
        for axes in (grid[0, 0], grid[0, 2], *([] if tree_columns else [grid[0, 1]])):
            axes.set_axis_off()
        if tree_columns:
            _tree(grid[0, 1], panel.column_tree, n, sideways=False)
        if tree_rows:
            _tree(grid[1, 0], panel.row_tree, m, sideways=True)
        else:
            grid[1, 0].set_axis_off()
        norm = _panel_cells(grid[1, 1], panel)
        _case_bars(grid[1, 2], panel)
        scale = mpl.cm.ScalarMappable(norm=norm, cmap=DIVERGING)
        bar = figure.colorbar(
            scale, ax=grid[:, :], location="right", shrink=min(0.9, 2.2 / sum(high)), aspect=16, extend="both"
        )
        bar.set_label(f"expected effective {DDG} / kcal/mol")
        bar.outline.set_visible(False)
    caption = (
        f"Expected effective {DDG} (inhibitor and ATP together, mutant minus wild type) of every pair. Orange: the "
        "inhibitor is lost; blue: it gains. Bold: beyond one standard deviation; hatched: no value, for the reasons "
        "listed below."
        + (" Mutations and inhibitors that behave alike stand together (average linkage)." if tree_rows else "")
        + (" Bars: cases seen." if panel.counted else "")
    )
    spoken = "; ".join(
        f"{panel.mutations[i]} with {panel.inhibitors[j]}: {_words(panel.expected[i, j])}"
        for i in panel.row_order
        for j in panel.column_order
    )
    return finish_figure(figure, "panel_heatmap", "Mutations against inhibitors", caption, spoken)


def _words(value: float) -> str:
    return f"{signed(value)} kcal/mol" if math.isfinite(value) else "no value"


def _tree(axes: Axes, rows: Sequence[Sequence[float]], count: int, *, sideways: bool) -> None:
    """Draw a dendrogram whose leaves lie at 0, 1, 2 ... along the heat map."""
    drawn = dendrogram(np.array(rows), no_plot=True)
    for across, depth in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        place = [(value - 5.0) / 10.0 for value in across]
        axes.plot(*((depth, place) if sideways else (place, depth)), color=MUTED, linewidth=0.8)
    if sideways:
        axes.invert_xaxis()
        axes.set_ylim(count - 0.5, -0.5)
        axes.margins(x=0.02)
    else:
        axes.set_xlim(-0.5, count - 0.5)
        axes.margins(y=0.02)
    axes.set_axis_off()


def _panel_cells(axes: Axes, panel: PanelResult) -> Normalize:
    finite = np.abs(panel.expected[np.isfinite(panel.expected)])
    limit = min(max(2.0, float(finite.max()) if finite.size else 0.0), 6.0)
    norm = Normalize(-limit, limit)
    for y, i in enumerate(panel.row_order):
        for x, j in enumerate(panel.column_order):
            value, error = float(panel.expected[i, j]), float(panel.error[i, j])
            if not math.isfinite(value):
                _cell(axes, x, y, FAILED_FILL, "", hatch=True)
                continue
            _cell(axes, x, y, DIVERGING(norm(value)), signed(value), bold=abs(value) > error)
    _frame(axes, [panel.inhibitors[j] for j in panel.column_order], [panel.mutations[i] for i in panel.row_order])
    return norm


def _cell(
    axes: Axes, x: int, y: int, colour: str | Colour, text: str, *, bold: bool = False, hatch: bool = False
) -> None:
    style: dict[str, Any] = {"hatch": "////", "edgecolor": "#9aa4ae"} if hatch else {}
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0, **style))
    if text:
        red, green, blue = mpl.colors.to_rgb(colour)
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
        axes.text(
            x, y, text, ha="center", va="center", fontsize=8, fontweight="bold" if bold else "normal",
            color="#101418" if light else "#fdfdfd",
        )  # fmt: skip


def _frame(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xlim(-0.5, max(len(columns), 1) - 0.5)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _case_bars(axes: Axes, panel: PanelResult) -> None:
    if not panel.counted:
        axes.set_axis_off()
        return
    values = panel.cases[list(panel.row_order)]
    axes.barh(range(len(values)), values, height=0.7, color=MUTED)
    for y, value in enumerate(values):
        axes.text(value, y, f" {value:g}", va="center", ha="left", fontsize=7.5, color=INK)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 1.35 * float(values.max()))
    axes.set_yticks([])
    axes.set_xticks([])
    axes.set_xlabel("cases", fontsize=8.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_cover(panel: PanelResult, count: int = 8) -> DrawnFigure:
    """Draw how much of the panel each inhibitor and the best pairs hold.

    Parameters
    ----------
    panel : PanelResult
    count : int
        At most this many of each.

    Returns
    -------
    DrawnFigure
        Bars of the expected share with one standard deviation; a line to the upper value; a mark at the share of calls.
    """
    groups = [group for group in (panel.singles[:count], panel.pairs[:count]) if group]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.2, 0.9 + 0.3 * sum(len(group) for group in groups))
        panels = figure.subplots(
            len(groups), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [len(group) for group in groups]}
        )[:, 0]
        for axes, group, colour in zip(panels, groups, (INHIBITOR, EFFECTIVE), strict=False):
            _cover_bars(axes, group, colour)
        panels[-1].set_xlabel("share of the panel that is held / %")
    best = "; ".join(f"{' and '.join(c.inhibitors)}: {100 * c.expected:.0f} %" for g in groups for c in g)
    caption = (
        f"Expected share of the panel at most {panel.covered_fold:g}-fold resistant to one inhibitor (blue) and to the "
        "better of two (purple), with one standard deviation over the errors of the values; the thin line reaches to "
        "independent errors of the two, mutations without a value held. Diamonds: the share by the expected values "
        "alone."
    )
    return finish_figure(figure, "panel_cover", "What holds most of the panel", caption, best)


def _cover_bars(axes: Axes, group: Sequence[Cover], colour: str) -> None:
    place = np.arange(len(group), dtype=float)
    expected, upper, spread, called = (
        100 * np.array([getattr(item, name) for item in group]) for name in ("expected", "upper", "spread", "called")
    )
    axes.barh(place, expected, height=0.62, color=colour, zorder=2)
    axes.hlines(place, expected, upper, color=MUTED, linewidth=0.9, zorder=3)
    axes.errorbar(expected, place, xerr=spread, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2.5, zorder=4)
    axes.plot(called, place, linestyle="none", marker="D", markersize=4, color=ATP, markeredgecolor=INK, zorder=5)
    axes.set_yticks(place, [" + ".join(item.inhibitors) for item in group])
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.set_xlim(0, 105)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


# ---------------------------------------------------------------------------------------------------------- the scan


def draw_hotspots(scan: ScanResult) -> DrawnFigure:
    """Draw the residues around the ligand: how likely a random change resists, and which substitutions do.

    Parameters
    ----------
    scan : ScanResult
        At least one residue.

    Returns
    -------
    DrawnFigure
        Bars above, the substitutions below, residue by residue.
    """
    residues = scan.residues
    letters = [a for a in AMINO_ACID_ORDER if any(row.mutant == a for row in scan.rows)]
    with mpl.rc_context(STYLE):
        width = 1.9 + 0.33 * max(len(residues), 8)
        figure = new_figure(width, 1.9 + 0.9 + 0.2 * len(letters))
        top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.9, 0.2 * len(letters) + 0.3]})
        _hot_bars(top, scan)
        _substitutions(bottom, scan, letters)
        scale = mpl.cm.ScalarMappable(norm=Normalize(0, 1), cmap=HEAT)
        bar = figure.colorbar(scale, ax=bottom, location="right", aspect=18, shrink=0.9)
        bar.set_label("probability of resistance")
        bar.outline.set_visible(False)
    what = _score_words(scan)
    caption = (
        f"{which_residues(scan)}. Above: {what}. Below: the probability that each "
        f"substitution resists more than {scan.resistant_fold:g}-fold; a dot marks those that one changed nucleotide "
        "makes, a cross those that failed. Grey names: catalysis needs this very residue."
    )
    spoken = "; ".join(f"{r.label}: {100 * _height(r, scan):.1f} %, best {r.best or 'none'}" for r in residues)
    return finish_figure(figure, "scan_hotspots", f"Hot spots around {scan.ligand}", caption, spoken)


def which_residues(scan: ScanResult) -> str:
    """Say which residues a scan is about."""
    if any(residue.distance > scan.within_angstrom for residue in scan.residues):
        return f"The residues that were asked for, around {scan.ligand}"
    return f"Residues within {scan.within_angstrom:g} Å of {scan.ligand}"


def _score_words(scan: ScanResult) -> str:
    if scan.single_nucleotide:
        return "the probability that a random single-nucleotide change of the codon resists"
    return "the mean probability of resistance over the substitutions (light), and the probability that a random " \
           "single-nucleotide change of the codon resists (dark)"  # fmt: skip


def _height(residue: ScanResidue, scan: ScanResult) -> float:
    value = residue.score if scan.single_nucleotide else residue.mean_resists
    return value if math.isfinite(value) else 0.0


def _hot_bars(axes: Axes, scan: ScanResult) -> None:
    place = np.arange(len(scan.residues))
    if not scan.single_nucleotide:
        means = [100 * _height(residue, scan) for residue in scan.residues]
        axes.bar(place, means, width=0.74, color="#f6c79b", zorder=2)
    axes.bar(place, [100 * residue.score for residue in scan.residues], width=0.74, color="#b33d00", zorder=3)
    tallest = max([100 * max(_height(r, scan), r.score) for r in scan.residues], default=0.0) or 1.0
    for x, residue in enumerate(scan.residues):
        if residue.best:
            y = 100 * max(_height(residue, scan), residue.score)
            axes.text(x, y + 0.02 * tallest, residue.best[-1], ha="center", va="bottom", fontsize=8, color=INK)
    axes.set_ylim(0, 1.15 * tallest)
    axes.set_ylabel("resistant changes / %")
    axes.grid(axis="y")
    axes.tick_params(axis="x", length=0)
    axes.set_title("letter: likeliest resistant substitution")


def _substitutions(axes: Axes, scan: ScanResult, letters: Sequence[str]) -> None:
    column = {r.place: x for x, r in enumerate(scan.residues)}
    colours: Colormap = HEAT
    for x, residue in enumerate(scan.residues):
        if residue.letter in letters:
            y = letters.index(residue.letter)
            axes.add_patch(Rectangle((x - 0.46, y - 0.45), 0.92, 0.9, facecolor="none", edgecolor=RULE, linewidth=0.7))
    for row in scan.rows:
        x, y = column[row.place], letters.index(row.mutant)
        if not math.isfinite(row.resists):
            axes.text(x, y, "×", ha="center", va="center", fontsize=8, color=MUTED)
            continue
        axes.add_patch(Rectangle((x - 0.46, y - 0.45), 0.92, 0.9, facecolor=colours(row.resists), linewidth=0))
        if row.reachable > 0 and not scan.single_nucleotide:
            axes.plot([x], [y], marker="o", markersize=2.6, color="#fdfdfd" if row.resists > 0.6 else INK)
    axes.set_xlim(-0.6, len(scan.residues) - 0.4)
    axes.set_ylim(len(letters) - 0.5, -0.5)
    axes.set_yticks(range(len(letters)), letters)
    names = [residue.label for residue in scan.residues]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    for label, residue in zip(axes.get_xticklabels(), scan.residues, strict=True):
        label.set_color("#9aa4ae" if residue.essential else INK)
    axes.tick_params(length=0)
    axes.set_ylabel("becomes")
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_halves(scan: ScanResult, count: int = 20) -> DrawnFigure:
    """Draw the two halves of the likeliest resistant substitutions: inhibitor loss and ATP gain.

    Parameters
    ----------
    scan : ScanResult
    count : int
        At most this many.

    Returns
    -------
    DrawnFigure
        Stacked bars in kcal/mol, the likeliest on top.
    """
    rows = [row for row in scan.rows if row.rank][:count]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.2, 1.2 + 0.27 * max(len(rows), 1))
        axes = figure.subplots()
        place = np.arange(len(rows), dtype=float)
        own = np.array([row.detail.row.ddg_inhibitor_kcal_mol for row in rows])
        effective = np.array([row.detail.row.ddg_effective_kcal_mol for row in rows])
        errors = np.array([row.detail.row.ddg_effective_sem for row in rows])
        expected = np.array([row.detail.row.ddg_expected_kcal_mol for row in rows])
        axes.barh(place - 0.2, own, height=0.36, color=INHIBITOR, label="inhibitor half", zorder=2)
        axes.barh(place + 0.2, effective - own, height=0.36, color=ATP, label="ATP half", zorder=2)
        axes.errorbar(
            effective, place, xerr=np.where(np.isfinite(errors), errors, 0.0), fmt="D", markersize=4, color=EFFECTIVE,
            ecolor=INK, elinewidth=0.8, capsize=2.0, label="effective, as computed", zorder=4,
        )  # fmt: skip
        axes.plot(
            expected, place, linestyle="none", marker="|", markersize=13, markeredgewidth=2.2, color=INK,
            label="effective, expected", zorder=5,
        )  # fmt: skip
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_yticks(place, [row.detail.row.mutation for row in rows])
        axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(f"{DDG} / kcal/mol  (mutant {MINUS} wild type; right: resistance)")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)
    spoken = "; ".join(f"{r.detail.row.mutation}: {_words(r.detail.row.ddg_expected_kcal_mol)}" for r in rows)
    caption = (
        "The substitutions most likely to be met as resistance, best ranked on top: how much worse the inhibitor "
        "itself binds, what ATP's own change adds, and both together with one standard error, as computed; the upright "
        "line is what to expect of both after calibration, which the probabilities go by."
    )
    return finish_figure(figure, "scan_halves", "Why they resist", caption, spoken or "no value")
