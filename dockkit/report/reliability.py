"""The reliability diagram: predicted probabilities against what was measured."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike

from dockkit.report.figures import INHIBITOR, MUTED, STYLE, DrawnFigure, finish_figure, new_figure


def draw_reliability(
    predicted: ArrayLike,
    observed: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    counts: ArrayLike,
    *,
    brier: float = float("nan"),
    what: str = "resistance (ten-fold or more)",
) -> DrawnFigure:
    """Draw predicted probabilities against observed frequencies.

    Parameters
    ----------
    predicted, observed : (n_bins,) float
        Mean probability and observed share of each bin.
    low, high : (n_bins,) float
        Interval of the observed share.
    counts : (n_bins,) int
        Points in each bin, written beside it.
    brier : float
        Brier score for the caption; left out where it is not finite.
    what : str
        What is predicted.

    Returns
    -------
    DrawnFigure
        On the diagonal the probabilities mean what they say.
    """
    x, y, bottom, top = (np.asarray(values, dtype=float) for values in (predicted, observed, low, high))
    numbers = np.asarray(counts, dtype=int)
    with mpl.rc_context(STYLE):
        figure = new_figure(4.2, 4.0)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle="--")
        reach = np.clip(np.array([y - bottom, top - y]), 0.0, None)
        axes.errorbar(x, y, yerr=reach, color=INHIBITOR, marker="o", markersize=5, linewidth=1.4, capsize=3)
        for place, share, number in zip(x, y, numbers, strict=True):
            axes.annotate(f"n = {number}", (place, share), xytext=(7, -10), textcoords="offset points", fontsize=8)
        axes.set_xlim(-0.02, 1.1)
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlabel(f"predicted probability of {what}")
        axes.set_ylabel("share measured")
        axes.grid(axis="both")
    score = f" Brier score {brier:.3f}." if np.isfinite(brier) else ""
    caption = (
        f"Predicted probability of {what} against the share of measured points that have it, {numbers.sum()} points; "
        f"bars: 95% Wilson intervals; dashed: probabilities that mean what they say.{score}"
    )
    bins = zip(x, y, numbers, strict=True)
    spoken = "; ".join(f"predicted {a:.2f}, measured {b:.2f} ({n} points)" for a, b, n in bins)
    return finish_figure(figure, "reliability", "Do the probabilities hold?", caption, spoken)
