"""Scores of predictions against measured values, censored ones included, with bootstrap intervals: arrays in and out.

A censored value is a bound: ``side`` is 0 for an exact value, +1 where the truth is at least ``measured``, -1 where it
is at most ``measured``. Every score is written for weighted points, so that a bootstrap resample is a row of integer
weights: the same code gives the score and its interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from dockkit.core.model import FloatArray, IntArray

TEN_FOLD = 1.364
"""kcal/mol: RT ln 10 at 298.15 K, above which a mutant is called resistant."""

METRICS = ("rmse", "mue", "bias", "pearson", "spearman", "auroc", "rmse_bounded", "mue_bounded", "concordance")
"""What :func:`scores` returns besides the counts."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its bootstrap percentile interval; ``below_zero`` is the share of resamples under 0."""

    value: float
    low: float
    high: float
    below_zero: float = float("nan")


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predicted probabilities against what happened, bin by bin.

    Parameters
    ----------
    predicted, observed : (n_bins,) float
        Mean predicted probability and observed share of each bin that holds points.
    low, high : (n_bins,) float
        95% Wilson interval of the observed share.
    counts : (n_bins,) int
    brier : float
        Mean squared difference between probability and outcome; 0 is best.
    brier_base : float
        Of always predicting the observed share of all points.
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    counts: IntArray
    brier: float
    brier_base: float


def _sides(side: ArrayLike | None, n: int) -> IntArray:
    return np.zeros(n, dtype=np.int64) if side is None else np.asarray(side, dtype=np.int64)


def residuals(predicted: ArrayLike, measured: ArrayLike, side: ArrayLike | None = None) -> FloatArray:
    """Return predicted minus measured; 0 where a bound is kept.

    Parameters
    ----------
    predicted, measured : (n,) float
        Same unit.
    side : (n,) int, optional
        Which measured values are bounds (module docstring); none by default.

    Returns
    -------
    (n,) float
        For a lower bound only what the prediction falls short of it, for an upper one only what it exceeds it.
    """
    error = np.asarray(predicted, dtype=float) - np.asarray(measured, dtype=float)
    sides = _sides(side, len(error))
    kept = ((sides > 0) & (error > 0)) | ((sides < 0) & (error < 0))
    return np.where(kept, 0.0, error)


def classes(measured: ArrayLike, side: ArrayLike | None = None, threshold: float = TEN_FOLD) -> IntArray:
    """Return 1 where the truth is above the threshold, 0 where it is not, -1 where a bound leaves it open.

    Parameters
    ----------
    measured : (n,) float
        Values or bounds.
    side : (n,) int, optional
        Which are bounds.
    threshold : float
        In the unit of ``measured``.
    """
    values = np.asarray(measured, dtype=float)
    sides = _sides(side, len(values))
    above = values > threshold
    open_ = ((sides > 0) & ~above) | ((sides < 0) & above)
    return np.where(open_, -1, above.astype(np.int64))


def ranks(values: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """Return average ranks from 1 among points that count ``weights`` times.

    Parameters
    ----------
    values : (n,) float
    weights : (b, n) or (n,) float, optional
        One row per resample; ones by default.

    Returns
    -------
    (b, n) or (n,) float
        The rank of every point, also of those with weight 0.
    """
    x = np.asarray(values, dtype=float)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    below = (x[:, None] < x[None, :]).astype(float) + 0.5 * (x[:, None] == x[None, :])
    return np.asarray(w @ below + 0.5)


def _weighted_pearson(x: FloatArray, y: FloatArray, w: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        total = w.sum(axis=1, keepdims=True)
        dx = x - (w * x).sum(axis=1, keepdims=True) / total
        dy = y - (w * y).sum(axis=1, keepdims=True) / total
        sxx, syy, sxy = ((w * a).sum(axis=1) for a in (dx * dx, dy * dy, dx * dy))
        flat = (sxx <= 1e-14 * np.maximum(total[:, 0], 1)) | (syy <= 1e-14 * np.maximum(total[:, 0], 1))
        return np.where(flat, np.nan, sxy / np.sqrt(sxx * syy))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _auroc(x: FloatArray, truth: IntArray, w: FloatArray) -> FloatArray:
    higher = (x[:, None] > x[None, :]).astype(float) + 0.5 * (x[:, None] == x[None, :])
    positive, negative = w * (truth == 1), w * (truth == 0)
    won = np.einsum("bi,bi->b", positive @ higher, negative)
    return _ratio(won, positive.sum(axis=1) * negative.sum(axis=1))


def _concordance(x: FloatArray, y: FloatArray, side: IntArray, w: FloatArray) -> FloatArray:
    """Return the share of pairs of known order that are predicted in that order (Harrell's C; ties count half)."""
    known_above = (y[:, None] > y[None, :]) & (side[:, None] >= 0) & (side[None, :] <= 0)
    higher = (x[:, None] > x[None, :]).astype(float) + 0.5 * (x[:, None] == x[None, :])
    pairs = np.einsum("bi,bi->b", w @ known_above.astype(float), w)
    won = np.einsum("bi,bi->b", w @ (known_above * higher), w)
    return _ratio(won, pairs)


def weighted_scores(
    predicted: ArrayLike,
    measured: ArrayLike,
    weights: ArrayLike,
    side: ArrayLike | None = None,
    threshold: float = TEN_FOLD,
) -> dict[str, FloatArray]:
    """Return every score of :data:`METRICS` for each row of weights.

    Parameters
    ----------
    predicted, measured : (n,) float
    weights : (b, n) float
        How often each point counts.
    side, threshold
        As in :func:`scores`.

    Returns
    -------
    dict of str to (b,) float
        NaN where a score is not defined (one class only, no spread).
    """
    x, y = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    w, sides = np.asarray(weights, dtype=float), _sides(side, len(y))
    total = w.sum(axis=1)
    out: dict[str, FloatArray] = {}
    for name, error in (("", x - y), ("_bounded", residuals(x, y, sides))):
        out[f"rmse{name}"] = np.sqrt(_ratio(w @ error**2, total))
        out[f"mue{name}"] = _ratio(w @ np.abs(error), total)
    out["bias"] = _ratio(w @ (x - y), total)
    out["pearson"] = _weighted_pearson(x, y, w)
    out["spearman"] = _weighted_pearson(ranks(x, w), ranks(y, w), w)
    out["auroc"] = _auroc(x, classes(y, sides, threshold), w)
    out["concordance"] = _concordance(x, y, sides, w)
    return {name: out[name] for name in METRICS}


def scores(
    predicted: ArrayLike, measured: ArrayLike, side: ArrayLike | None = None, threshold: float = TEN_FOLD
) -> dict[str, float]:
    """Return how well predictions agree with measured values.

    Parameters
    ----------
    predicted, measured : (n,) float
        ddG, kcal/mol.
    side : (n,) int, optional
        Which measured values are bounds.
    threshold : float
        kcal/mol, above which a mutant is resistant.

    Returns
    -------
    dict of str to float
        ``n``, ``n_resistant``, ``n_censored`` and :data:`METRICS`. ``rmse``, ``mue``, ``pearson`` and ``spearman`` take
        a bound as the value, as published tables do; ``rmse_bounded`` and ``mue_bounded`` count only what breaks it;
        ``auroc`` leaves out points whose class a bound leaves open; ``concordance`` uses pairs of known order only.
    """
    y = np.asarray(measured, dtype=float)
    sides = _sides(side, len(y))
    found = weighted_scores(predicted, y, np.ones((1, len(y))), sides, threshold)
    counts = {
        "n": float(len(y)),
        "n_resistant": float((classes(y, sides, threshold) == 1).sum()),
        "n_censored": float((sides != 0).sum()),
    }
    return counts | {name: float(value[0]) for name, value in found.items()}


def resampling_weights(n: int, n_resamples: int, seed: int, groups: ArrayLike | None = None) -> FloatArray:
    """Return bootstrap weights.

    Parameters
    ----------
    n : int
        Points.
    n_resamples : int
        Rows.
    seed : int
        The same weights for the same seed.
    groups : (n,) array, optional
        Whole groups are drawn (points of one mutation share its error); single points by default.

    Returns
    -------
    (n_resamples, n) float
        How often each point was drawn.
    """
    index = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(index.max()) + 1 if n else 0
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=n_resamples)
    return np.asarray(drawn[:, index], dtype=float)


def interval(value: float, resampled: ArrayLike, level: float = 0.95) -> Interval:
    """Return a value with the percentile interval of its resamples; NaN limits where fewer than half are defined."""
    values = np.asarray(resampled, dtype=float)
    good = values[np.isfinite(values)]
    if len(good) < max(1, len(values) // 2):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(good, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, float(low), float(high), float(np.mean(good < 0)))


def bootstrap_scores(
    predicted: ArrayLike,
    measured: ArrayLike,
    weights: ArrayLike,
    side: ArrayLike | None = None,
    threshold: float = TEN_FOLD,
) -> dict[str, Interval]:
    """Return every score with its 95% interval.

    Parameters
    ----------
    predicted, measured, side, threshold
        As in :func:`scores`.
    weights : (b, n) float
        From :func:`resampling_weights`.
    """
    found = scores(predicted, measured, side, threshold)
    drawn = weighted_scores(predicted, measured, weights, side, threshold)
    return {name: interval(found[name], drawn[name]) for name in METRICS}


def paired_bootstrap(
    predicted: ArrayLike,
    other: ArrayLike,
    measured: ArrayLike,
    weights: ArrayLike,
    side: ArrayLike | None = None,
    threshold: float = TEN_FOLD,
) -> dict[str, Interval]:
    """Return the difference of every score, first prediction minus second, over the same resamples.

    Parameters
    ----------
    predicted, other : (n,) float
        Two predictions of the same points.
    measured, weights, side, threshold
        As in :func:`bootstrap_scores`.

    Returns
    -------
    dict of str to Interval
        ``below_zero`` is the share of resamples in which the first has the smaller score.
    """
    value, second = (scores(x, measured, side, threshold) for x in (predicted, other))
    drawn, drawn_second = (weighted_scores(x, measured, weights, side, threshold) for x in (predicted, other))
    return {name: interval(value[name] - second[name], drawn[name] - drawn_second[name]) for name in METRICS}


def mean_within(
    predicted: ArrayLike, measured: ArrayLike, groups: ArrayLike, weights: ArrayLike | None = None
) -> FloatArray:
    """Return the mean over groups of Spearman's correlation inside each (groups without spread are left out).

    Parameters
    ----------
    predicted, measured : (n,) float
    groups : (n,) array
        Drug of each point.
    weights : (b, n) float, optional
        Resamples; all points once by default.

    Returns
    -------
    (b,) float
    """
    x, y, g = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float), np.asarray(groups)
    w = np.ones((1, len(x))) if weights is None else np.asarray(weights, dtype=float)
    found = []
    for group in np.unique(g):
        inside = g == group
        part = w[:, inside]
        found.append(_weighted_pearson(ranks(x[inside], part), ranks(y[inside], part), part))
    values = np.array(found).reshape(len(found), len(w))
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(float))


def sign_agreement(predicted: ArrayLike, measured: ArrayLike, side: ArrayLike | None = None) -> tuple[float, int]:
    """Return the share of predictions with the measured sign, and of how many points the sign is known.

    A lower bound below 0 and an upper bound above 0 say nothing; a measured 0 neither.
    """
    y = np.asarray(measured, dtype=float)
    known = (classes(y, side, 0.0) >= 0) & (y != 0)
    agree = np.sign(np.asarray(predicted, dtype=float)) == np.sign(y)
    return (float(agree[known].mean()) if known.any() else float("nan")), int(known.sum())


def exceedance(value: ArrayLike, scale: ArrayLike, threshold: float, degrees: float = np.inf) -> NDArray[Any]:
    """Return the probability that the truth exceeds a threshold.

    Parameters
    ----------
    value, scale : array of float
        Centre and scale of the predictive distribution (Student's t with ``degrees``; normal where infinite).
    threshold : float
        In the same unit.
    degrees : float
        Degrees of freedom.

    Returns
    -------
    array of float
        Between 0 and 1.
    """
    z = (threshold - np.asarray(value, dtype=float)) / np.asarray(scale, dtype=float)
    return np.asarray(student.sf(z, degrees))


def reliability(probability: ArrayLike, outcome: ArrayLike, n_bins: int = 5) -> Reliability:
    """Return predicted against observed frequencies.

    Parameters
    ----------
    probability : (n,) float
        Between 0 and 1.
    outcome : (n,) int
        1 happened, 0 did not; others (-1, unknown) are left out.
    n_bins : int
        Bins of equal width.

    Returns
    -------
    Reliability
        Empty bins are left out. Interval: Wilson, J. Am. Stat. Assoc. 1927, 22, 209. Score: Brier, Mon. Weather Rev.
        1950, 78, 1.
    """
    p, y = np.asarray(probability, dtype=float), np.asarray(outcome)
    known = (y == 0) | (y == 1)
    p, y = p[known], y[known].astype(float)
    bins = np.clip((p * n_bins).astype(int), 0, n_bins - 1)
    filled = [k for k in range(n_bins) if (bins == k).any()]
    counts = np.array([(bins == k).sum() for k in filled], dtype=np.int64)
    observed = np.array([y[bins == k].mean() for k in filled])
    z = 1.959964
    centre = (observed + z * z / (2 * counts)) / (1 + z * z / counts)
    reach = z * np.sqrt(observed * (1 - observed) / counts + z * z / (4 * counts**2)) / (1 + z * z / counts)
    return Reliability(
        predicted=np.array([p[bins == k].mean() for k in filled]),
        observed=observed,
        low=np.clip(centre - reach, 0, 1),
        high=np.clip(centre + reach, 0, 1),
        counts=counts,
        brier=float(np.mean((p - y) ** 2)) if len(y) else float("nan"),
        brier_base=float(np.mean((y.mean() - y) ** 2)) if len(y) else float("nan"),
    )


def by_thirds(order: ArrayLike, error: ArrayLike) -> tuple[Mapping[str, float], ...]:
    """Return the errors of the lowest, middle and highest third of a score, such as a confidence.

    Parameters
    ----------
    order : (n,) float
        The score that sorts.
    error : (n,) float
        Predicted minus measured.

    Returns
    -------
    tuple of three mappings
        ``n``, ``rmse``, ``mue``, ``low`` and ``high`` (range of the score) of each third, lowest first.
    """
    score, errors = np.asarray(order, dtype=float), np.asarray(error, dtype=float)
    parts = np.array_split(np.argsort(score, kind="stable"), 3)
    return tuple(
        {
            "n": float(len(part)),
            "rmse": float(np.sqrt(np.mean(errors[part] ** 2))),
            "mue": float(np.mean(np.abs(errors[part]))),
            "low": float(score[part].min()),
            "high": float(score[part].max()),
        }
        for part in parts
        if len(part)
    )
