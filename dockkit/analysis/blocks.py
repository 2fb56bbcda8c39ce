"""Statistics of correlated time series from replicas: equilibration, effective samples, differences that can be called.

Arrays are (n_replicas, n_frames); NaN frames count as not there. The estimators are written here and checked against
exact autoregressive series and against pymbar: pymbar's take one series at a time, keep float32, refuse constant series
and print a notice on every import.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from dockkit.core.model import Convergence, Difference, Estimate, FloatArray

CONFIDENCE = 0.95
"""Of every interval."""

_DRIFT_P = 0.01
_PAIRING_P = 0.05
_MIN_PAIRS = 3
_CANDIDATES = 20
_FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
_DISAGREE = 2.0
_WORTHWHILE = 4.0 / 3.0


def autocovariance(values: FloatArray) -> FloatArray:
    """Return the autocovariance of replicas about their common mean, by lag.

    Parameters
    ----------
    values : (n_replicas, n_frames) float
        No NaN.

    Returns
    -------
    (n_frames,) float
        Each lag's products are averaged over as many pairs of frames as there are.
    """
    frames = values.shape[1]
    deviations = values - values.mean()
    size = 1 << (2 * frames - 1).bit_length()
    transformed = np.fft.rfft(deviations, size, axis=1)
    products = np.fft.irfft(np.abs(transformed) ** 2, size, axis=1)[:, :frames].sum(axis=0)
    return np.asarray(products / (values.shape[0] * (frames - np.arange(frames))), dtype=np.float64)


def statistical_inefficiency(values: FloatArray) -> float:
    """Return how many correlated frames are worth one independent frame.

    Parameters
    ----------
    values : (n_replicas, n_frames) float
        Stationary; replicas are independent of each other. No NaN.

    Returns
    -------
    float
        ``g = 1 + 2 sum (1 - t / T) C(t) / C(0)``, at least 1; 1 for a constant series.

    References
    ----------
    The sum ends by the initial monotone positive sequence of Geyer, Statist. Sci. 1992, 7, 473; replicas are pooled
    about their common mean, so that replicas that disagree raise it. Definition: Chodera et al., J. Chem. Theory
    Comput. 2007, 3, 26.
    """
    covariance = autocovariance(values)
    frames = len(covariance)
    scale = max(float(np.abs(values).max(initial=0.0)), 1.0)
    if frames < 2 or covariance[0] <= (1e-12 * scale) ** 2:
        return 1.0
    correlation = covariance / covariance[0]
    even = frames // 2 * 2
    sums = correlation[:even:2] + correlation[1:even:2]
    negative = np.flatnonzero(sums <= 0.0)
    kept = sums[: negative[0] if len(negative) else len(sums)]
    kept = np.minimum.accumulate(kept)
    weights = 1.0 - (2.0 * np.arange(len(kept)) + 0.5) / frames
    return max(1.0, float(2.0 * (kept * weights).sum() - 1.0))


def detect_equilibration(values: FloatArray) -> int:
    """Return how many frames at the start of each replica to discard.

    Parameters
    ----------
    values : (n_replicas, n_frames) float
        No NaN.

    Returns
    -------
    int
        The start, in the first half of the frames, that leaves the most effective samples (Chodera, J. Chem. Theory
        Comput. 2016, 12, 1799); 0 where no start leaves a third more than all frames give, since the best of many
        noisy counts is too good by chance.
    """
    replicas, frames = values.shape
    starts = np.unique(np.linspace(0, frames // 2, min(_CANDIDATES, frames // 2 + 1)).astype(int))
    effective = [replicas * (frames - s) / statistical_inefficiency(values[:, s:]) for s in starts]
    best = int(np.argmax(effective))
    return int(starts[best]) if effective[best] > _WORTHWHILE * effective[0] else 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of a state and what its error rests on.

    Parameters
    ----------
    mean, sem : float
    freedom : float
        Degrees of freedom of the error.
    effective : float
        Independent samples.
    inefficiency : float
        In frames.
    discarded : int
        Frames of each replica.
    replica_means : (n_replicas,) float
    drift : bool
        The second half differs from the first.
    fluctuation_sem : float
        What the fluctuation within replicas alone would give.
    """

    mean: float
    sem: float
    freedom: float
    effective: float
    inefficiency: float
    discarded: int
    replica_means: FloatArray
    drift: bool
    fluctuation_sem: float


def _whole(values: ArrayLike) -> FloatArray:
    """Return the frames that every replica has a value for."""
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return array[:, np.isfinite(array).all(axis=0)]


def summarise(
    values: ArrayLike, *, fraction: bool = False, discard: int | None = None, correlated: float = float("inf")
) -> Summary:
    """Return the mean of a state over its replicas with a standard error that is on the safe side.

    The error is the larger of two: from the spread of the replicas' means (n - 1 degrees of freedom), and from the
    fluctuation of all frames and their statistical inefficiency. The first misses nothing but is itself noisy with few
    replicas; the second is blind to what is slower than a replica. A single replica gets half the degrees of freedom
    that its effective samples would give, since its inefficiency comes from itself alone.

    Parameters
    ----------
    values : (n_replicas, n_frames) float
        Frames with a NaN in any replica are left out.
    fraction : bool
        The values are 0 or 1: the error is at least that of a few observations, after Agresti and Coull (Am. Stat.
        1998, 52, 119), so that "in all frames" is not taken for "always".
    correlated : float
        Statistical inefficiency of that kind of value where it is known from elsewhere; the observations of a fraction
        that never changes are one for each replica or for so many frames, whichever is more.
    discard : int, optional
        Frames to cut from the start of each replica; found by :func:`detect_equilibration` by default.

    Returns
    -------
    Summary
        NaN where there are no frames; a NaN error for a single frame.
    """
    rows = _whole(values)
    replicas, frames = rows.shape
    if frames == 0 or replicas == 0:
        nan = float("nan")
        return Summary(nan, nan, 1.0, 0.0, nan, 0, np.full(replicas, nan), False, nan)
    cut = detect_equilibration(rows) if discard is None else min(discard, frames - 1)
    kept = rows[:, cut:]
    g = statistical_inefficiency(kept)
    effective = max(kept.size / g, 1.0)
    by_frames = float(kept.std() / np.sqrt(max(effective - 1.0, 1.0))) if kept.size > 1 else float("nan")
    means = kept.mean(axis=1)
    by_replicas = float(means.std(ddof=1) / np.sqrt(replicas)) if replicas > 1 else 0.0
    within = (
        np.array([statistical_inefficiency(row[None]) * row.var(ddof=1) for row in kept]) if frames - cut > 1 else 0
    )
    fluctuation = float(np.sqrt(np.mean(within) / kept.size)) if np.ndim(within) else float("nan")
    by_frames_freedom = max((effective - 1.0) / (2.0 if replicas == 1 else 1.0), 1.0)
    sem, freedom = (by_replicas, replicas - 1.0) if by_replicas > by_frames else (by_frames, by_frames_freedom)
    if fraction:
        seen = max(float(replicas), kept.size / max(correlated, g, 1.0))
        rough = (float(means.mean()) * seen + 1.0) / (seen + 2.0)
        least = float(np.sqrt(rough * (1.0 - rough) / (seen + 2.0)))
        if least > sem:
            sem, freedom = least, max(seen - 1.0, 1.0)
    drift = _drifts(kept)
    return Summary(float(kept.mean()), sem, freedom, effective, g, cut, means, drift, fluctuation)


def _changeable(values: ArrayLike, discard: int | None = None) -> float:
    """Return the statistical inefficiency of a fraction that changes, 0 for one that does not."""
    rows = _whole(values)[:, discard or 0 :]
    return statistical_inefficiency(rows) if rows.size and np.ptp(rows) > 0 else 0.0


def _fractions(first: ArrayLike, second: ArrayLike, discard: tuple[int | None, int | None]) -> tuple[Summary, Summary]:
    """Summarise two states of a fraction: where one never changes, the other says how correlated it may be."""
    known = max(_changeable(values, cut) for values, cut in zip((first, second), discard, strict=True))
    a, b = (
        summarise(values, fraction=True, discard=cut, correlated=known or float("inf"))
        for values, cut in zip((first, second), discard, strict=True)
    )
    return a, b


def _drifts(rows: FloatArray) -> bool:
    """Tell whether second halves differ from first halves, replica by replica."""
    replicas, frames = rows.shape
    half = frames // 2
    if half < 3:
        return False
    first, second = rows[:, :half], rows[:, frames - half :]
    steps = second.mean(axis=1) - first.mean(axis=1)
    noise = np.array([_mean_variance(part[r]) for part in (first, second) for r in range(replicas)])
    sem = float(np.sqrt(noise.sum())) / replicas
    if replicas > 1:
        sem = max(sem, float(steps.std(ddof=1) / np.sqrt(replicas)))
    return _p_value(float(steps.mean()), sem, max(replicas - 1.0, 2.0)) < _DRIFT_P


def _mean_variance(row: FloatArray) -> float:
    """Return the squared standard error of a stretch's mean from its fluctuation about its own straight line."""
    time = np.arange(len(row)) - (len(row) - 1) / 2.0
    left = row - row.mean() - time * float(time @ row) / float(time @ time)
    return float(statistical_inefficiency(left[None]) * left.var() / max(len(row) - 2, 1))


def _p_value(change: float, sem: float, freedom: float) -> float:
    if not np.isfinite(change) or not np.isfinite(sem):
        return 1.0
    if sem <= 0.0:
        return 1.0 if abs(change) < 1e-12 else 0.0
    return float(2.0 * student.sf(abs(change) / sem, freedom))


def _welch(first: Summary, second: Summary) -> tuple[float, float, float]:
    """Return the difference, its standard error and its degrees of freedom (Welch 1947)."""
    a, b = first.sem**2, second.sem**2
    sem = float(np.sqrt(a + b))
    if not np.isfinite(sem):
        return second.mean - first.mean, float("nan"), 1.0
    bottom = a * a / first.freedom + b * b / second.freedom
    freedom = (a + b) ** 2 / bottom if bottom > 0 else first.freedom + second.freedom
    return second.mean - first.mean, sem, float(freedom)


def _blocks(values: FloatArray, length: int) -> FloatArray:
    count = values.shape[1] // length
    return np.asarray(values[:, : count * length].reshape(len(values), count, length).mean(axis=2))


def _correlation(first: FloatArray, second: FloatArray, length: int) -> tuple[float, float]:
    """Return the correlation of paired blocks about each state's mean and its one-sided p-value."""
    a, b = (_blocks(rows, length) for rows in (first, second))
    x, y = (a - a.mean()).ravel(), (b - b.mean()).ravel()
    n = len(x)
    if n < 2 * _MIN_PAIRS or x.std() <= 0.0 or y.std() <= 0.0:
        return float("nan"), 1.0
    r = float(np.clip((x * y).mean() / (x.std() * y.std()), -0.999999, 0.999999))
    return r, float(student.sf(r * np.sqrt((n - 2) / (1.0 - r * r)), n - 2))


def _control(wild_type: FloatArray, fraction: bool, discard: int) -> tuple[Estimate, bool]:
    """Compare two halves of the wild type: replicas in turn, or the halves of a single replica."""
    rows = _whole(wild_type)[:, discard:]
    replicas, frames = rows.shape
    in_time = (rows[:, : frames // 2], rows[:, frames - frames // 2 :])
    parts = (rows[::2], rows[1::2]) if replicas > 1 else in_time
    if min(part.shape[1] for part in parts) < 2:
        return Estimate(float("nan"), float("nan"), 0), False
    halves = (summarise(part, discard=0) for part in parts)
    first, second = _fractions(*parts, (0, 0)) if fraction else halves
    change, sem, freedom = _welch(first, second)
    return Estimate(change, sem, min(len(parts[0]), len(parts[1]))), _p_value(change, sem, freedom) < 1 - CONFIDENCE


def compare(
    wild_type: ArrayLike,
    mutant: ArrayLike,
    *,
    frame_ps: float = 1.0,
    paired: bool = False,
    fraction: bool = False,
) -> Difference:
    """Compare two states and say whether they differ.

    Parameters
    ----------
    wild_type, mutant : (n_replicas, n_frames) float
        Frames with a NaN in any replica are left out.
    frame_ps : float
        Time between frames.
    paired : bool
        Replica ``k`` of both states had the same seed and start. The pairs' covariance is used where their blocks
        (as long as the statistical inefficiency) go together by more than chance (one-sided p < 0.05) and three pairs
        or more say so; the standard error of both designs is reported either way.
    fraction : bool
        As in :func:`summarise`.

    Returns
    -------
    Difference
        The interval is Student's, with Welch's degrees of freedom; of fractions it ends at -1 and 1. Where the wild
        type differs from itself by more than chance, the errors are too small, and a change is called only if its
        whole interval lies beyond that difference.
    """
    states = (wild_type, mutant)
    first, second = _fractions(*states, (None, None)) if fraction else (summarise(values) for values in states)
    change, sem, freedom = _welch(first, second)
    paired_sem, correlation, use = float("nan"), float("nan"), False
    replicas = len(first.replica_means)
    if paired and len(second.replica_means) == replicas:
        steps = second.replica_means - first.replica_means
        paired_sem = float(steps.std(ddof=1) / np.sqrt(replicas)) if replicas > 1 else float("nan")
        a, b = _whole(wild_type)[:, first.discarded :], _whole(mutant)[:, second.discarded :]
        common = min(a.shape[1], b.shape[1])
        length = max(1, min(int(np.ceil(np.nanmax([first.inefficiency, second.inefficiency, 1.0]))), common))
        if common:
            correlation, chance = _correlation(a[:, -common:], b[:, -common:], length)
            use = replicas >= _MIN_PAIRS and chance < _PAIRING_P and paired_sem < sem
    independent = sem
    if use:
        sem, freedom = paired_sem, replicas - 1.0
    reach = float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) * sem
    low, high = change - reach, change + reach
    if fraction:
        low, high = max(low, -1.0), min(high, 1.0)
    p_value = _p_value(change, sem, freedom)
    control, control_called = _control(np.atleast_2d(np.asarray(wild_type, float)), fraction, first.discarded)
    floor = abs(control.value) if control_called else 0.0
    return Difference(
        wild_type=Estimate(first.mean, first.sem, round(first.effective)),
        mutant=Estimate(second.mean, second.sem, round(second.effective)),
        change=Estimate(change, sem, replicas),
        low=low,
        high=high,
        p_value=p_value,
        called=bool(p_value < 1 - CONFIDENCE and abs(change) - reach > floor),
        paired=use,
        independent_sem=independent,
        paired_sem=paired_sem,
        correlation=correlation,
        control=control,
        control_called=control_called,
        discarded_ps=(first.discarded * frame_ps, second.discarded * frame_ps),
        inefficiency=(first.inefficiency, second.inefficiency),
        drift=(first.drift, second.drift),
    )


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Return q-values: the false discovery rate at which each test would be called.

    Parameters
    ----------
    p_values : (n,) float
        NaN for a test that was not made; it does not count.

    Returns
    -------
    (n,) float
        NaN where the p-value is.

    References
    ----------
    Benjamini & Hochberg, J. R. Stat. Soc. B 1995, 57, 289.
    """
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def compare_columns(
    wild_type: FloatArray, mutant: FloatArray, *, fraction: bool = False, discard: tuple[int, int] = (0, 0)
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Compare many quantities at once, as :func:`compare` does one, and correct for their number.

    Parameters
    ----------
    wild_type, mutant : (n_replicas, n_frames, n) float
    fraction : bool
        As in :func:`summarise`.
    discard : tuple of int
        Frames cut off both states' replicas, the same for every quantity.

    Returns
    -------
    change, sem, p_values, q_values : (n,) float
    called : (n,) bool
        False discovery rate of 5 %.
    """
    n = wild_type.shape[2]
    change, sem, p_values = (np.full(n, np.nan) for _ in range(3))
    for k in range(n):
        rows = wild_type[:, :, k], mutant[:, :, k]
        plain = (summarise(values, discard=cut) for values, cut in zip(rows, discard, strict=True))
        first, second = _fractions(*rows, discard) if fraction else plain
        change[k], sem[k], freedom = _welch(first, second)
        if np.isfinite(sem[k]):
            p_values[k] = _p_value(change[k], sem[k], freedom)
    q_values = benjamini_hochberg(p_values)
    return change, sem, p_values, q_values, np.asarray(q_values < 1 - CONFIDENCE)


def convergence(wild_type: ArrayLike, mutant: ArrayLike, *, frame_ps: float, target: float) -> Convergence:
    """Say how the error of a difference falls with the length of the runs, and how long would be long enough.

    Parameters
    ----------
    wild_type, mutant : (n_replicas, n_frames) float
    frame_ps : float
        Time between frames.
    target : float
        Wanted standard error of the difference.

    Returns
    -------
    Convergence
        The projection is ``sem(whole) * sqrt(length(whole) / length)``: right once replicas outlast their slowest
        motion, which ``replicas_disagree`` puts in doubt.
    """
    rows = [_whole(values) for values in (wild_type, mutant)]
    frames = min(array.shape[1] for array in rows)
    counts = sorted({max(1, round(f * frames)) for f in _FRACTIONS})
    sems = []
    for count in counts:
        parts = [summarise(array[:, :count]) for array in rows]
        sems.append(float(np.hypot(parts[0].sem, parts[1].sem)) if count >= 4 else float("nan"))
    whole = [summarise(array[:, :frames]) for array in rows]
    last = float(np.hypot(whole[0].sem, whole[1].sem))
    by_fluctuation = float(np.hypot(whole[0].fluctuation_sem, whole[1].fluctuation_sem))
    lengths = frame_ps * np.array(counts, dtype=np.float64)
    shorter = (last / target) ** 2 if target > 0 and np.isfinite(last) else float("nan")
    replicas = rows[0].shape[0]
    return Convergence(
        length_ps=lengths,
        sem=np.array(sems),
        projected=last * np.sqrt(lengths[-1] / lengths),
        target=target,
        needed_ps=float(shorter * lengths[-1]),
        needed_replicas=int(np.ceil(shorter * replicas)) if np.isfinite(shorter) else 0,
        replicas_disagree=bool(last > _DISAGREE * by_fluctuation) if by_fluctuation > 0 else False,
    )
