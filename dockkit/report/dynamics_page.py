"""dynamics.html: wild type and mutant over their dynamics, one self-contained page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from dockkit.core.model import DynamicsComparison, DynamicsLeg, DynamicsStudy, Estimate, Kinase, Numbering, Observable
from dockkit.report.dynamics_figures import leg_label
from dockkit.report.figures import DrawnFigure
from dockkit.report.notation import MINUS, MISSING, file_stem
from dockkit.report.page import inline_svg, page_environment
from dockkit.report.player import MAX_FRAMES, build_player

MAX_PLAYER_BYTES = 4_000_000
"""Beyond this the player is left out; the trajectory files hold the frames."""

_PERCENT = ("hinge_occupancy", "dfg_in", "dfg_out", "alpha_c_in", "salt_bridge_formed", "spine_assembled")
_LENGTH_WORDS = "the standard error of ddG is"


def _value(value: float, digits: int, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return MISSING
    zero = round(value, digits) == 0
    return (f"{value:+.{digits}f}" if sign and not zero else f"{0.0 if zero else value:.{digits}f}").replace("-", MINUS)


def _with_error(estimate: Estimate, scale: float, digits: int, *, sign: bool = False) -> str:
    if not math.isfinite(estimate.value):
        return MISSING
    error = f" ± {estimate.sem * scale:.{digits}f}" if math.isfinite(estimate.sem) else ""
    return _value(estimate.value * scale, digits, sign=sign) + error


def table_row(item: Observable) -> dict[str, str]:
    """Return the printable form of one comparison."""
    d = item.difference
    percent = item.name in _PERCENT
    scale, digits = (100.0, 0) if percent else (1.0, 0 if item.unit == "Å³" else 2)
    span = [_value(v * scale, digits, sign=True) for v in (d.low, d.high)]
    remarks = []
    if d.control_called:
        remarks.append("the wild type differs from itself as well")
    if any(d.drift):
        remarks.append("still drifting")
    if max(d.discarded_ps) > 0:
        remarks.append(f"equilibration {d.discarded_ps[0]:g} and {d.discarded_ps[1]:g} ps left out")
    if d.paired:
        remarks.append(f"paired replicas (± {d.independent_sem * scale:.{digits}f} without)")
    return {
        "label": item.label,
        "unit": "%" if percent else item.unit,
        "wild_type": _with_error(d.wild_type, scale, digits),
        "mutant": _with_error(d.mutant, scale, digits),
        "change": _with_error(d.change, scale, digits, sign=True),
        "span": f"{span[0]} to {span[1]}" if math.isfinite(d.low) else "",
        "called": ("up" if d.change.value > 0 else "down") if d.called else "",
        "control": _with_error(d.control, scale, digits, sign=True),
        "effective": f"{d.wild_type.n}, {d.mutant.n}",
        "remarks": "; ".join(remarks),
    }


def leg_heading(comparison: DynamicsComparison) -> str:
    """Return the heading of a leg."""
    return "Empty pocket (apo)" if comparison.role == "apo" else f"With {leg_label(comparison)}"


def headline(study: DynamicsStudy) -> str:
    """Return the answer in one sentence: the energies where there are some, otherwise the first thing that changed."""
    name = f"{study.kinase} {study.variant}".strip()
    words = "; ".join(study.words)
    if not words:
        words = next((c.words[0] for c in study.comparisons if c.words), "nothing was compared")
    return f"{name}: {words}."


def _leg(comparison: DynamicsComparison, figures: list[DrawnFigure]) -> dict[str, Any]:
    name = leg_label(comparison)
    words = [text for text in comparison.words if not text.startswith(_LENGTH_WORDS)]
    return {
        "name": name,
        "heading": leg_heading(comparison),
        "words": [text[:1].upper() + text[1:] if not text.startswith(name) else text for text in words],
        "length": [text for text in comparison.words if text.startswith(_LENGTH_WORDS)],
        "notes": comparison.notes,
        "rows": [table_row(item) for item in comparison.observables],
        "figures": [(figure, inline_svg(figure)) for figure in figures],
        "residues": f"{file_stem('residues', name)}.csv",
        "series": f"{file_stem('series', name)}.csv",
    }


def render_dynamics(
    study: DynamicsStudy,
    legs: Sequence[DynamicsLeg],
    figures: tuple[list[DrawnFigure], list[list[DrawnFigure]]],
    *,
    kinase: Kinase | None,
    numbering: Numbering,
    title: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    study : DynamicsStudy
    legs : sequence of DynamicsLeg
        In the order of ``study.comparisons``; their frames are played.
    figures : tuple
        From ``draw_dynamics_figures``.
    kinase : Kinase or None
    numbering : {"uniprot", "author"}
    title : str
        By default the kinase and the variant.
    facts : sequence of (str, str)
        How the runs were made.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    environment = page_environment()
    source = environment.loader
    assert source is not None
    style, script = (source.get_source(environment, name)[0] for name in ("style.css", "player.js"))
    player = build_player(legs, kinase, numbering)
    names = [leg_label(comparison) for comparison in study.comparisons]
    return environment.get_template("dynamics.html.jinja").render(
        study=study,
        title=title or f"{study.kinase} {study.variant} in motion: {', '.join(names)}".strip(),
        headline=headline(study),
        legs=[_leg(c, drawn) for c, drawn in zip(study.comparisons, figures[1], strict=True)],
        answer=[(figure, inline_svg(figure)) for figure in figures[0]],
        facts=facts,
        player=Markup(player) if len(player) <= MAX_PLAYER_BYTES else "",
        max_frames=MAX_FRAMES,
        style=Markup(style),
        script=Markup(script),
    )
