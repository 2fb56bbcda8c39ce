"""From the ddG pair to the effective ddG, the fold change, a call and a ranking.

For an ATP-competitive inhibitor (Cheng and Prusoff, Biochem. Pharmacol. 1973, 22, 3099)

    IC50 = K_i (1 + [ATP]/K_m)
    fold = exp(ddG_inhibitor/RT) (1 + [ATP]/K_m,mut) / (1 + [ATP]/K_m,wt),   K_m,mut = K_m,wt exp(ddG_ATP/RT)

with K_m standing for ATP's dissociation constant. The effective ddG is RT ln(fold); at [ATP] >> K_m it is
ddG_inhibitor - ddG_ATP.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import numpy as np

from dockkit.core.errors import EnergyError
from dockkit.core.model import Call, ComplexState, Estimate, ResistanceRow
from dockkit.core.units import thermal_energy

LOST_FOLD = 10.0
"""An inhibitor whose effective fold change exceeds this is called lost."""

WEAKENED_FOLD = 3.0
"""Above this, and below LOST_FOLD, it is called weakened; below its inverse, gained."""

CALLS_IN_WORDS = (
    f"lost above {LOST_FOLD:g}-fold, weakened above {WEAKENED_FOLD:g}-fold, gained below 1/{WEAKENED_FOLD:g}, "
    "kept between"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ddG pair means for one inhibitor."""

    ddg_effective: Estimate
    fold_change: float
    fold_change_low: float
    fold_change_high: float
    call: Call
    reason: str
    atp_range: tuple[float, float] | None = None
    atp_shift: Estimate = Estimate(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Competition:
    """What is known of ATP's own binding.

    Parameters
    ----------
    concentration_um : float
        Cellular ATP, uM.
    wild_type_um, mutant_um : tuple of float
        K_m or K_d of ATP, uM; several values are several measurements. Without any for the mutant it follows from the
        wild type's and ddG_ATP.
    concentration_error, km_error : float
        Relative standard uncertainties; 0.5 means a factor of 1.5 either way.
    """

    concentration_um: float
    wild_type_um: tuple[float, ...]
    mutant_um: tuple[float, ...] = ()
    concentration_error: float = 0.0
    km_error: float = 0.0


@functools.cache
def _accuracy() -> dict[str, Any]:
    path = files("dockkit.core") / "data" / "accuracy.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


def method_error() -> float:
    """Return the root-mean-square error against measured values in the last benchmark, kcal/mol; 0 before the first."""
    return float(_accuracy().get("rmse", 0.0))


def accuracy_in_words() -> str:
    """Return how far predictions were from measured values in the last benchmark, with the null model beside it.

    Returns
    -------
    str
        One sentence; its figures are read from ``core/data/accuracy.json``, which ``benchmarks/ddg.py`` writes. Empty
        where nothing was measured yet.
    """
    record = _accuracy()
    if not record:
        return ""
    return (
        f"on {record['n']} measured {record['what']}, {record['date']}: root-mean-square error "
        f"{record['rmse']:.2f} kcal/mol (always predicting no change: {record['rmse_null']:.2f}; two laboratories' "
        f"assays of the same pairs: 0.41 to 0.49), Spearman {record['spearman']:.2f}, "
        f"AUROC {record['auroc']:.2f} (chance: 0.50)"
    )


def combined_error(parts: Sequence[float]) -> float:
    """Return the root of the summed squares of independent errors, kcal/mol."""
    return float(np.sqrt(np.sum(np.square(parts))))


def state_difference(wild_type: ComplexState, mutant: ComplexState) -> Estimate:
    """Return ddG of binding from the relaxed geometries of two states.

    Parameters
    ----------
    wild_type, mutant : ComplexState
        Same ligand, same path.

    Returns
    -------
    Estimate
        Difference of the weighted means, its statistical standard error (:func:`statistical_error` of both states)
        and the number of geometries; kcal/mol, mutant minus wild type. NaN where no state has more than one geometry.

    Raises
    ------
    EnergyError
        The states differ in ligand.
    """
    if wild_type.ligand != mutant.ligand:
        raise EnergyError(f"{mutant.variant} with {mutant.ligand}: the two states were not made along the same path")
    value = float(mutant.mean_terms.sum() - wild_type.mean_terms.sum())
    errors = [statistical_error(state) for state in (wild_type, mutant)]
    known = [error for error in errors if np.isfinite(error)]
    sem = float(np.hypot.reduce(known)) if known else float("nan")
    return Estimate(value, sem, len(wild_type.terms) + len(mutant.terms))


def statistical_error(state: ComplexState) -> float:
    """Return the standard error of a state's mean binding energy, kcal/mol; NaN with a single geometry.

    The conformers' own spread about the mean enters by their squared weights (the usual linear estimate for a weighted
    mean; Cochran, Sampling Techniques, 1977, ch. 6), and so does the scatter between starts of one conformer, which
    stands for that of conformers with a single start too.
    """
    sums, weights = state.terms.sum(axis=1), np.asarray(state.weights)
    if len(sums) < 2:
        return float("nan")
    mean = float(weights @ sums)
    between = scatter = 0.0
    squares, freedom = 0.0, 0
    for conformer in np.unique(state.conformers):
        own = state.conformers == conformer
        share, center = float(weights[own].sum()), float(sums[own].mean())
        between += (share * (center - mean)) ** 2
        scatter += share**2 / int(own.sum())
        squares += float(((sums[own] - center) ** 2).sum())
        freedom += int(own.sum()) - 1
    variance = squares / freedom if freedom else 0.0
    return float(np.sqrt(between + variance * scatter))


def fold_change(ddg_inhibitor: float, ddg_atp: float, atp_over_km: float, temperature_kelvin: float) -> float:
    """Return the Cheng-Prusoff fold change of IC50, mutant over wild type.

    Parameters
    ----------
    ddg_inhibitor, ddg_atp : float
        kcal/mol, mutant minus wild type.
    atp_over_km : float
        [ATP]/K_m of the wild type; 0 for an inhibitor that does not compete with ATP.
    temperature_kelvin : float
        Absolute temperature.

    Returns
    -------
    float
        Above 1 the mutant resists.
    """
    rt = thermal_energy(temperature_kelvin)
    competition = (1.0 + atp_over_km * np.exp(-ddg_atp / rt)) / (1.0 + atp_over_km)
    return float(np.exp(ddg_inhibitor / rt) * competition)


def _log_mean(values: Sequence[float], least_error: float) -> tuple[float, float]:
    """Return the geometric mean and the standard deviation of its logarithm, no smaller than a relative error says."""
    logs = np.log(np.asarray(values, dtype=float))
    spread = float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    return float(np.exp(logs.mean())), max(spread, float(np.log1p(least_error)))


def atp_shift(
    competition: Competition, ddg_atp: Estimate | None, temperature_kelvin: float
) -> tuple[Estimate, tuple[float, float] | None]:
    """Return what the competition with ATP adds to the effective ddG.

    With r = [ATP]/K the shift is RT ln[(1 + r_mut)/(1 + r_wt)]. Its error propagates, to first order in the logarithms,
    those of [ATP] (shared by both states), of K and, where the mutant's K is predicted, of ddG_ATP.

    Parameters
    ----------
    competition : Competition
    ddg_atp : Estimate or None
        kcal/mol; used where the mutant's K was not measured.
    temperature_kelvin : float

    Returns
    -------
    shift : Estimate
        kcal/mol; ``n`` is ddG_ATP's, or the number of measured values of the mutant.
    limits : tuple of two float, or None
        Lowest and highest shift over all pairs of measured values; None with nothing or one pair measured.

    Raises
    ------
    EnergyError
        Neither a measured value nor ddG_ATP is given.
    """
    rt = thermal_energy(temperature_kelvin)
    atp = competition.concentration_um
    wild, wild_error = _log_mean(competition.wild_type_um, competition.km_error)
    atp_error = float(np.log1p(competition.concentration_error))
    if competition.mutant_um:
        mutant, mutant_error = _log_mean(competition.mutant_um, competition.km_error)
        own, n = rt * mutant_error, len(competition.mutant_um)
    elif ddg_atp is not None:
        mutant = wild * float(np.exp(ddg_atp.value / rt))
        own, n = ddg_atp.sem, ddg_atp.n
    else:
        raise EnergyError("the ATP half has neither a measured K_m of the mutant nor ddG_ATP")
    occupied, before = atp / (atp + mutant), atp / (atp + wild)
    from_wild = before if competition.mutant_um else occupied - before
    shift = _shift(rt, atp, wild, mutant)
    parts = [occupied * own, rt * (occupied - before) * atp_error, rt * from_wild * wild_error]
    limits = None
    if competition.mutant_um and len(competition.mutant_um) * len(competition.wild_type_um) > 1:
        every = [_shift(rt, atp, w, m) for w in competition.wild_type_um for m in competition.mutant_um]
        limits = (min(every), max(every))
    return Estimate(shift, combined_error(parts), n), limits


def _shift(rt: float, atp: float, wild_type: float, mutant: float) -> float:
    return rt * float(np.log1p(atp / mutant) - np.log1p(atp / wild_type))


def judge(
    ddg_inhibitor: Estimate,
    ddg_atp: Estimate | None,
    *,
    competition: Competition,
    temperature_kelvin: float,
    atp_competitive: bool,
    method_error: float = 0.0,
) -> Verdict:
    """Join the two halves into an effective ddG, a fold change and a call.

    Parameters
    ----------
    ddg_inhibitor : Estimate
        kcal/mol.
    ddg_atp : Estimate or None
        kcal/mol; None where it was not computed.
    competition : Competition
        [ATP] and ATP's constants.
    temperature_kelvin : float
        Absolute temperature.
    atp_competitive : bool
        False leaves the ATP half out.
    method_error : float
        Root-mean-square error of the method against experiment, kcal/mol; widens the fold-change interval only.

    Returns
    -------
    Verdict
        The fold-change interval reaches one error either way, statistical and method's together. ``atp_range`` is that
        of the effective ddG over measured constants of ATP, where there are several; ``atp_shift`` what ATP adds to the
        effective ddG, zero where it takes no part.
    """
    rt = thermal_energy(temperature_kelvin)
    competes = atp_competitive and (ddg_atp is not None or bool(competition.mutant_um))
    shift, limits = Estimate(0.0, 0.0, ddg_inhibitor.n), None
    if competes:
        shift, limits = atp_shift(competition, ddg_atp, temperature_kelvin)
    error = combined_error([ddg_inhibitor.sem, shift.sem])
    effective = Estimate(ddg_inhibitor.value + shift.value, error, min(ddg_inhibitor.n, shift.n))
    fold = float(np.exp(effective.value / rt))
    reach = combined_error([error, method_error])
    low, high = (float(np.exp((effective.value + side * reach) / rt)) for side in (-1, 1))
    call = _call(fold)
    reason = _reason(call, ddg_inhibitor.value, shift.value, rt, atp_competitive, competes)
    if competes and competition.mutant_um:
        reason += " (ATP half from measured constants)"
    spread = None if limits is None else (ddg_inhibitor.value + limits[0], ddg_inhibitor.value + limits[1])
    return Verdict(effective, fold, low, high, call, reason, spread, shift)


def _call(fold: float) -> Call:
    if not np.isfinite(fold):
        return ""
    if fold > LOST_FOLD:
        return "lost"
    if fold > WEAKENED_FOLD:
        return "weakened"
    return "gained" if fold < 1.0 / WEAKENED_FOLD else "kept"


def _reason(call: Call, inhibitor: float, atp: float, rt: float, competitive: bool, competes: bool) -> str:
    threshold = rt * float(np.log(WEAKENED_FOLD))
    if not competitive:
        return "inhibitor half (does not compete with ATP)"
    if not competes:
        return "inhibitor half (ATP half not computed)"
    if call == "kept":
        if abs(inhibitor) <= threshold and abs(atp) <= threshold:
            return "neither half changes by more than 3-fold"
        return "the two halves cancel"
    sign = -1.0 if call == "gained" else 1.0
    halves = [name for name, part in (("inhibitor half", inhibitor), ("ATP half", atp)) if sign * part > threshold / 2]
    return "both halves" if len(halves) != 1 else halves[0]


def rank(rows: Sequence[ResistanceRow]) -> tuple[ResistanceRow, ...]:
    """Rank the inhibitors of each mutation, 1 for the one that is expected to keep most affinity.

    The order is that of the expected effective ddG; ties, and rows that were not calibrated, follow the effective ddG
    as computed.

    Parameters
    ----------
    rows : sequence of ResistanceRow
        Any number of mutations; rows that failed get rank 0.

    Returns
    -------
    tuple of ResistanceRow
        In the given order.
    """
    places: dict[int, int] = {}
    for key in {(row.kinase, row.mutation) for row in rows}:
        members = [
            i
            for i, row in enumerate(rows)
            if (row.kinase, row.mutation) == key and row.status == "ok" and np.isfinite(row.ddg_effective_kcal_mol)
        ]
        members.sort(key=lambda i: (_expected(rows[i]), rows[i].ddg_effective_kcal_mol, rows[i].ligand))
        places.update({i: place for place, i in enumerate(members, start=1)})
    return tuple(replace(row, rank=places.get(i, 0)) for i, row in enumerate(rows))


def _expected(row: ResistanceRow) -> float:
    value = row.ddg_expected_kcal_mol
    return value if np.isfinite(value) else row.ddg_effective_kcal_mol
