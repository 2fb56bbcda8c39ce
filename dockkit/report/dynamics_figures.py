"""Figures of a comparison of dynamics: the answer, time series, changes, residues, components, convergence."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dockkit.core.model import (
    Components,
    Convergence,
    DynamicsComparison,
    DynamicsStudy,
    Estimate,
    FloatArray,
    IntArray,
    Observable,
    ResidueMap,
)
from dockkit.report.figures import (
    ATP,
    DDG,
    EFFECTIVE,
    FAILED_FILL,
    INHIBITOR,
    INK,
    MUTANT,
    MUTED,
    STYLE,
    WILD_TYPE,
    DrawnFigure,
    finish_figure,
    new_figure,
)
from dockkit.report.notation import MINUS, file_stem, with_error

SERIES = (
    "binding_energy", "ligand_rmsd", "pocket_rmsd", "hinge_bonds", "gatekeeper_contacts", "pocket_volume", "p_loop",
    "lysine_glutamate_salt_bridge", "activation", "water_bridges",
)  # fmt: skip
"""Quantities whose time series are drawn, in order."""

MAX_RESIDUES = 24
"""Residues or interactions drawn of one map: those that change most."""

_PARTS = ("energy_", "activation_")
_GREY = "#9aa4ae"


def leg_label(comparison: DynamicsComparison) -> str:
    """Return what the leg is called: its ligand, or ``apo``."""
    return comparison.ligand or "apo"


def _axis_label(item: Observable) -> str:
    return f"{item.label} / {item.unit}" if item.unit else item.label


# --------------------------------------------------------------------------- the answer


def draw_answer(study: DynamicsStudy) -> DrawnFigure | None:
    """Draw ddG of every leg with a ligand, the effective ddG, and the wild type against itself.

    Parameters
    ----------
    study : DynamicsStudy

    Returns
    -------
    DrawnFigure or None
        None where there is no energy.
    """
    bars: list[tuple[str, Estimate, str]] = []
    controls: list[Estimate | None] = []
    for comparison in study.comparisons:
        energy = comparison.observable("binding_energy")
        if energy is not None:
            bars.append((leg_label(comparison), comparison.ddg, ATP if comparison.role == "ATP" else INHIBITOR))
            controls.append(energy.difference.control)
    if not bars:
        return None
    for name, value in study.effective:
        if math.isfinite(value.value):
            bars.append((f"effective, {name}" if len(study.effective) > 1 else "effective", value, EFFECTIVE))
            controls.append(None)
    with mpl.rc_context(STYLE):
        figure = new_figure(7.2, 1.2 + 0.55 * len(bars))
        axes = figure.subplots()
        for k, ((_, value, colour), control) in enumerate(zip(bars, controls, strict=True)):
            axes.barh(k, value.value, height=0.5, color=colour, zorder=2)
            axes.errorbar(
                value.value, k, xerr=_error(value), fmt="none", ecolor=INK, capsize=2.5, elinewidth=0.9, zorder=3
            )
            if control is not None and math.isfinite(control.value):
                axes.errorbar(
                    control.value, k + 0.36, xerr=_error(control), fmt="D", color=_GREY, markersize=4, elinewidth=0.9,
                    zorder=3,
                )  # fmt: skip
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel(f"{DDG} / kcal/mol  (mutant {MINUS} wild type)")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        handle = Line2D(
            [], [], marker="D", color=_GREY, linestyle="none", markersize=4, label="wild type against itself"
        )
        axes.legend(handles=[handle], loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    spoken = "; ".join(f"{name} {with_error(v.value, v.sem, 2)} kcal/mol" for name, v, _ in bars)
    caption = (
        f"{DDG} from MM-GBSA over the frames, {study.variant} against wild type: to the right the ligand binds worse. "
        "Error bars: one standard error over replicas. Grey: one half of the wild type's replicas against the other, "
        "where nothing differs; what it scatters is noise."
    )
    return finish_figure(
        figure, file_stem("answer", study.variant), f"Binding over the dynamics, {study.variant}", caption, spoken
    )


def _error(value: Estimate) -> float:
    return value.sem if math.isfinite(value.sem) else 0.0


# --------------------------------------------------------------------------- time series


def draw_series(comparison: DynamicsComparison, variant: str) -> DrawnFigure | None:
    """Draw the time series of the main quantities of one leg.

    Parameters
    ----------
    comparison : DynamicsComparison
    variant : str

    Returns
    -------
    DrawnFigure or None
        None where nothing was followed.
    """
    items = [item for item in (comparison.observable(name) for name in SERIES) if item is not None]
    if not items:
        return None
    rows = math.ceil(len(items) / 2)
    with mpl.rc_context(STYLE):
        figure = new_figure(7.8, 0.5 + 1.55 * rows)
        panels = figure.subplots(rows, 2, squeeze=False).ravel()
        for axes, item in zip(panels, items, strict=False):
            _plot_series(axes, item, comparison.time_ps)
        for axes in panels[len(items) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(items) - 2) : len(items)]:
            axes.set_xlabel("time / ps")
        handles = [Patch(facecolor=WILD_TYPE, label="wild type"), Patch(facecolor=MUTANT, label=variant)]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
    spoken = "; ".join(
        f"{item.label}: wild type {item.difference.wild_type.value:.2f}, mutant {item.difference.mutant.value:.2f}"
        for item in items
    )
    caption = (
        "Thin: replicas; thick: their mean. Shaded: equilibration that was found and left out of the means. "
        "A bold title marks a change whose 95 % interval excludes zero."
    )
    stem = file_stem("series", variant, leg_label(comparison))
    return finish_figure(figure, stem, f"Over time, {leg_label(comparison)}", caption, spoken)


def _plot_series(axes: Axes, item: Observable, time: FloatArray) -> None:
    for values, colour in ((item.wild_type, WILD_TYPE), (item.mutant, MUTANT)):
        shown = np.isfinite(values).all(axis=0)
        for replica in values:
            axes.plot(time[shown], replica[shown], color=colour, alpha=0.3, linewidth=0.7)
        axes.plot(time[shown], values[:, shown].mean(axis=0), color=colour, linewidth=1.7)
    cut = max(item.difference.discarded_ps)
    if cut > 0:
        axes.axvspan(float(time[0]), float(time[0]) + cut, color=FAILED_FILL, zorder=0)
    axes.set_title(_axis_label(item), fontweight="bold" if item.difference.called else "normal", fontsize=8.5)
    axes.grid(axis="y")


# --------------------------------------------------------------------------- what changed


def draw_changes(comparison: DynamicsComparison, variant: str) -> DrawnFigure | None:
    """Draw the change of every quantity in units of its own standard error, and the wild type against itself.

    Parameters
    ----------
    comparison : DynamicsComparison
    variant : str

    Returns
    -------
    DrawnFigure or None
        None where no change has an error.
    """
    items = [
        item for item in comparison.observables if not item.name.startswith(_PARTS) and item.difference.change.sem > 0
    ]
    if not items:
        return None
    with mpl.rc_context(STYLE):
        figure = new_figure(7.4, 0.9 + 0.235 * len(items))
        axes = figure.subplots()
        for k, item in enumerate(items):
            d = item.difference
            scale = 1.0 / d.change.sem
            colour = MUTANT if d.called else _GREY
            axes.plot([d.low * scale, d.high * scale], [k, k], color=colour, linewidth=2.0, solid_capstyle="butt")
            axes.plot(d.change.value * scale, k, "o", color=colour, markersize=4.5)
            if d.control.sem > 0:
                axes.plot(d.control.value / d.control.sem, k, "D", color=INK, markersize=2.6, alpha=0.7)
        axes.axvline(0.0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(items)), [item.label for item in items], fontsize=8)
        axes.set_ylim(len(items) - 0.4, -0.6)
        axes.set_xlim(*_limits(items))
        axes.set_xlabel(f"change / standard error  (mutant {MINUS} wild type)")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        handles = [
            Line2D([], [], marker="o", color=MUTANT, label="interval excludes zero"),
            Line2D([], [], marker="o", color=_GREY, label="no change beyond the error"),
            Line2D([], [], marker="D", color=INK, linestyle="none", markersize=3, label="wild type against itself"),
        ]
        axes.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2, fontsize=8
        )
    called = [item.label for item in items if item.difference.called]
    caption = (
        "Every quantity on one scale: the change over its standard error, with its 95 % interval (longer where few "
        f"replicas stand behind it). Orange: the interval excludes zero, {len(called)} of {len(items)} quantities; of "
        f"so many, about {max(1, round(0.05 * len(items)))} would by chance."
    )
    stem = file_stem("changes", variant, leg_label(comparison))
    spoken = f"changes beyond the error: {', '.join(called) or 'none'}"
    return finish_figure(figure, stem, f"What changed, {leg_label(comparison)}", caption, spoken)


def _limits(items: list[Observable]) -> tuple[float, float]:
    """Return limits that keep one huge change from flattening the others."""
    ends = [abs(v) / item.difference.change.sem for item in items for v in (item.difference.low, item.difference.high)]
    reach = min(max(ends) * 1.05, 25.0)
    return -reach, reach


# --------------------------------------------------------------------------- residues


def draw_residue_map(residue_map: ResidueMap, comparison: DynamicsComparison, variant: str) -> DrawnFigure | None:
    """Draw one map: both states and the change of every residue, or of those that change most.

    Parameters
    ----------
    residue_map : ResidueMap
    comparison : DynamicsComparison
        The leg it belongs to.
    variant : str

    Returns
    -------
    DrawnFigure or None
        None for an empty map.
    """
    if not len(residue_map.residues):
        return None
    order = np.argsort(-np.abs(np.nan_to_num(residue_map.change)), kind="stable")
    chosen = np.sort(order) if residue_map.name == "rmsf" else np.sort(order[:MAX_RESIDUES])
    with mpl.rc_context(STYLE):
        if residue_map.name == "rmsf":
            figure = new_figure(7.8, 3.3)
            upper, lower = figure.subplots(2, 1, sharex=True)
            _profile(upper, lower, residue_map, chosen)
        else:
            figure = new_figure(7.4, 1.0 + 0.24 * len(chosen))
            left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (1.25, 1.0)})
            _dumbbells(left, right, residue_map, chosen)
        handles = [Patch(facecolor=WILD_TYPE, label="wild type"), Patch(facecolor=MUTANT, label=variant)]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        figure.draw_without_rendering()
    called = [f"{residue_map.labels[k]} {residue_map.kinds[k]}".strip() for k in chosen if residue_map.called[k]]
    words = f"{int(residue_map.called.sum())} of {len(residue_map.residues)}"
    less = f" The {len(chosen)} that change most are drawn." if len(chosen) < len(residue_map.residues) else ""
    caption = (
        f"{residue_map.label[:1].upper()}{residue_map.label[1:]}, {leg_label(comparison)}, by residue.{less} Filled: "
        "called a change at a false discovery rate of 5 % (Benjamini-Hochberg over "
        f"{len(residue_map.residues)} comparisons), {words}. Error bars: one standard error."
    )
    stem = file_stem("residues", residue_map.name, variant, leg_label(comparison))
    title = f"{_TITLES.get(residue_map.name, residue_map.label)}, {leg_label(comparison)}"
    return finish_figure(figure, stem, title, caption, f"called changes: {', '.join(called) or 'none'}")


_TITLES = {"rmsf": "Fluctuation by residue", "interactions": "Interactions", "energy": "Energy by residue"}


def _profile(upper: Axes, lower: Axes, residue_map: ResidueMap, chosen: IntArray) -> None:
    place = np.arange(len(chosen))
    upper.plot(place, residue_map.wild_type, color=WILD_TYPE, linewidth=1.1)
    upper.plot(place, residue_map.mutant, color=MUTANT, linewidth=1.1)
    upper.set_ylabel(f"RMSF / {residue_map.unit}")
    upper.set_ylim(bottom=0.0)
    fill = [MUTANT if change > 0 else WILD_TYPE for change in residue_map.change]
    colours = [c if called else "none" for c, called in zip(fill, residue_map.called, strict=True)]
    lower.bar(place, residue_map.change, width=0.8, color=colours, edgecolor=fill, linewidth=0.5)
    lower.vlines(
        place, residue_map.change - residue_map.sem, residue_map.change + residue_map.sem, color=MUTED, linewidth=0.5
    )
    lower.axhline(0.0, color=MUTED, linewidth=0.7)
    lower.set_ylabel(f"change / {residue_map.unit}")
    step = max(1, math.ceil(len(place) / 24))
    labels = [str(label) for label in residue_map.labels]
    lower.set_xticks(place[::step], labels[::step], rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    for axes in (upper, lower):
        axes.grid(axis="y")
        axes.margins(x=0.01)


def _dumbbells(left: Axes, right: Axes, residue_map: ResidueMap, chosen: IntArray) -> None:
    percent = 100.0 if residue_map.name == "interactions" else 1.0
    unit = "%" if residue_map.name == "interactions" else residue_map.unit
    names = []
    for line, k in enumerate(chosen):
        a, b = percent * residue_map.wild_type[k], percent * residue_map.mutant[k]
        left.plot([a, b], [line, line], color=_GREY, linewidth=1.0, zorder=1)
        left.plot(a, line, "o", color=WILD_TYPE, markersize=4)
        left.plot(b, line, "s", color=MUTANT, markersize=3.6)
        change, sem = percent * residue_map.change[k], percent * residue_map.sem[k]
        tone = MUTANT if change > 0 else WILD_TYPE
        right.barh(
            line, change, height=0.62, color=tone if residue_map.called[k] else "none", edgecolor=tone, linewidth=0.7
        )
        if math.isfinite(sem):
            right.plot([change - sem, change + sem], [line, line], color=INK, linewidth=0.7)
        place = f" ({residue_map.klifs[k]})" if residue_map.klifs[k] else ""
        names.append(f"{residue_map.labels[k]}{place} {residue_map.kinds[k]}".strip())
    left.set_yticks(range(len(chosen)), names, fontsize=7.5)
    left.set_ylim(len(chosen) - 0.4, -0.6)
    left.set_xlabel(f"share of frames / {unit}" if unit == "%" else f"interaction / {unit}")
    right.set_xlabel(f"change / {'points' if unit == '%' else unit}")
    right.axvline(0.0, color=MUTED, linewidth=0.7)
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)


# --------------------------------------------------------------------------- components, convergence


def draw_components(comparison: DynamicsComparison, variant: str) -> DrawnFigure | None:
    """Draw both states on the first two shared components, and which residues move along them.

    Parameters
    ----------
    comparison : DynamicsComparison
    variant : str

    Returns
    -------
    DrawnFigure or None
        None where there are fewer than two components.
    """
    parts = comparison.components
    if parts is None or len(parts.variance) < 2:
        return None
    with mpl.rc_context(STYLE):
        figure = new_figure(7.8, 3.0)
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.0, 1.45)})
        _scatter(left, parts)
        place = np.arange(len(parts.labels))
        for k, colour in ((0, EFFECTIVE), (1, ATP)):
            right.plot(place, parts.loadings[k], color=colour, label=f"component {k + 1}")
        step = max(1, math.ceil(len(place) / 18))
        labels = [str(label) for label in parts.labels]
        right.set_xticks(place[::step], labels[::step], rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
        right.set_ylabel("share in the motion")
        right.set_ylim(bottom=0.0)
        right.legend(loc="upper right")
        right.grid(axis="y")
        handles = [Patch(facecolor=WILD_TYPE, label="wild type"), Patch(facecolor=MUTANT, label=variant)]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    content = ", ".join(f"{value:.2f}" for value in parts.cosine_content[:2])
    caption = (
        "Motion of the C-alpha atoms that both states share: the first two components hold "
        f"{100 * parts.variance[0]:.0f} and {100 * parts.variance[1]:.0f} % of it. Lines follow replicas. Cosine "
        f"content {content}: near 1 a component is diffusion that the run is too short for."
    )
    stem = file_stem("components", variant, leg_label(comparison))
    means = [parts.wild_type.mean(axis=(0, 1)), parts.mutant.mean(axis=(0, 1))]
    spoken = f"mean on component 1: wild type {means[0][0]:.1f} Å, mutant {means[1][0]:.1f} Å"
    return finish_figure(figure, stem, f"Shared motion, {leg_label(comparison)}", caption, spoken)


def _scatter(axes: Axes, parts: Components) -> None:
    for state, colour in ((parts.wild_type, WILD_TYPE), (parts.mutant, MUTANT)):
        for replica in state:
            axes.plot(replica[:, 0], replica[:, 1], color=colour, alpha=0.35, linewidth=0.6)
            axes.plot(replica[:, 0], replica[:, 1], ".", color=colour, markersize=2.5, alpha=0.7)
        axes.plot(*state.mean(axis=(0, 1))[:2], "P", color=colour, markersize=9, markeredgecolor="white")
    axes.set_xlabel("component 1 / Å")
    axes.set_ylabel("component 2 / Å")
    axes.grid()


def draw_convergence(comparison: DynamicsComparison, variant: str) -> DrawnFigure | None:
    """Draw how the standard error of ddG falls with length, observed and projected.

    Parameters
    ----------
    comparison : DynamicsComparison
    variant : str

    Returns
    -------
    DrawnFigure or None
        None where there is no energy.
    """
    c = comparison.convergence
    if c is None or not np.isfinite(c.projected).any():
        return None
    with mpl.rc_context(STYLE):
        figure = new_figure(5.6, 2.7)
        axes = figure.subplots()
        _plot_convergence(axes, c)
    last = float(c.projected[-1])
    caption = (
        f"Standard error of {DDG} from the first part of the runs (points), and as it would fall with the square root "
        f"of the length (line). Dotted: {c.target:g} kcal/mol, reached at {c.needed_ps:.0f} ps of each replica by that "
        f"line, or with {c.needed_replicas} replicas of the present length."
    )
    if c.replicas_disagree:
        caption += " Replicas differ more than their own fluctuation explains: the line is too hopeful for longer runs."
    stem = file_stem("convergence", variant, leg_label(comparison))
    spoken = f"standard error {last:.2f} kcal/mol at {c.length_ps[-1]:g} ps"
    return finish_figure(figure, stem, f"How long is long enough, {leg_label(comparison)}", caption, spoken)


def _plot_convergence(axes: Axes, c: Convergence) -> None:
    end = (
        min(max(c.needed_ps, c.length_ps[-1]), 30.0 * c.length_ps[-1])
        if math.isfinite(c.needed_ps)
        else c.length_ps[-1]
    )
    grid = np.geomspace(c.length_ps[0], 1.2 * end, 60)
    axes.plot(grid, c.projected[-1] * np.sqrt(c.length_ps[-1] / grid), color=_GREY, label="projected")
    axes.plot(c.length_ps, c.sem, "o-", color=INHIBITOR, markersize=4, label="observed")
    axes.axhline(c.target, color=MUTED, linestyle=":", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("length of each replica / ps")
    axes.set_ylabel(f"standard error of {DDG}\n/ kcal/mol")
    axes.legend(loc="upper right")
    axes.grid()


# --------------------------------------------------------------------------- all of them


def draw_dynamics_figures(study: DynamicsStudy) -> tuple[list[DrawnFigure], list[list[DrawnFigure]]]:
    """Return the figures of a study: the answer, and those of each leg.

    Parameters
    ----------
    study : DynamicsStudy

    Returns
    -------
    answer : list of DrawnFigure
        One, or none.
    legs : list of list of DrawnFigure
        In the order of ``study.comparisons``.
    """
    answer = draw_answer(study)
    legs = []
    for comparison in study.comparisons:
        drawn = [draw_changes(comparison, study.variant), draw_series(comparison, study.variant)]
        drawn += [draw_residue_map(item, comparison, study.variant) for item in comparison.maps]
        drawn += [draw_components(comparison, study.variant), draw_convergence(comparison, study.variant)]
        legs.append([figure for figure in drawn if figure is not None])
    return [answer] if answer is not None else [], legs
