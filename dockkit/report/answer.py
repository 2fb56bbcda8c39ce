"""The answer in words, made from the rows alone."""

from __future__ import annotations

import math

from dockkit.core.model import Call, RowDetail, StudyResult
from dockkit.core.units import thermal_energy
from dockkit.report.notation import inhibitors, listing, mutations, with_error

CALLS: tuple[Call, ...] = ("lost", "weakened", "kept", "gained")
"""Calls from worst to best."""


UNDECIDED = (0.3, 0.7)
"""A chance of resistance between these is told beside the call: the measured error of the method leaves it open."""


def rows_of(result: StudyResult, mutation: str) -> list[RowDetail]:
    """Return the inhibitor rows of one mutation."""
    return [detail for detail in result.rows if detail.row.mutation == mutation]


def atp_of(result: StudyResult, mutation: str) -> RowDetail | None:
    """Return the ATP row of one mutation, None where ATP was not asked for."""
    return next((detail for detail in result.atp if detail.row.mutation == mutation), None)


def atp_verdict(detail: RowDetail | None, temperature_kelvin: float) -> str:
    """Return what the mutation does to ATP, as a clause.

    A gain or loss is one beyond both a factor of two in K_d (RT ln 2) and twice the standard error.

    Parameters
    ----------
    detail : RowDetail or None
        The ATP row.
    temperature_kelvin : float
        Temperature of RT.
    """
    if detail is None:
        return "the ATP half was not computed"
    row = detail.row
    value, sem = row.ddg_inhibitor_kcal_mol, row.ddg_inhibitor_sem
    if row.status != "ok" or not math.isfinite(value):
        return "the ATP half could not be computed"
    threshold = max(thermal_energy(temperature_kelvin) * math.log(2), 2 * sem if math.isfinite(sem) else 0.0)
    number = f"ΔΔG {with_error(value, sem)} kcal/mol"
    if value <= -threshold:
        return f"ATP gains ({number})"
    if value >= threshold:
        return f"ATP binds worse ({number})"
    return f"ATP does not change beyond the error ({number})"


def best_ranked(details: list[RowDetail]) -> RowDetail | None:
    """Return the row with the best rank (1 is best; 0 is unranked)."""
    ranked = [detail for detail in details if detail.row.rank > 0 and detail.row.status == "ok"]
    return min(ranked, key=lambda detail: detail.row.rank, default=None)


def mutation_sentence(result: StudyResult, mutation: str) -> str:
    """Return one sentence on one mutation: what is lost, weakened, kept, gained, ATP, and the best ranked inhibitor."""
    details = rows_of(result, mutation)
    clauses = []
    for call in CALLS:
        names = [d.row.ligand for d in details if d.row.status == "ok" and d.row.call == call]
        if names:
            verb = (
                ("gains" if len(names) == 1 else "gain")
                if call == "gained"
                else f"{'is' if len(names) == 1 else 'are'} {call}"
            )
            clauses.append(f"{listing(names)} {verb}")
    open_ones = [
        f"{d.row.ligand} ({d.row.resistance_probability:.0%} chance of resistance)"
        for d in details
        if d.row.status == "ok" and UNDECIDED[0] < d.row.resistance_probability < UNDECIDED[1]
    ]
    if open_ones:
        clauses.append(f"not certain for {listing(open_ones)}")
    failed = [d.row.ligand for d in details if d.row.status != "ok" or not d.row.call]
    if failed:
        clauses.append(f"there is no answer for {listing(failed)}")
    clauses.append(atp_verdict(atp_of(result, mutation), result.temperature_kelvin))
    best = best_ranked(details)
    if best is not None and len(details) > 1:
        clauses.append(f"ranked first is {best.row.ligand}")
    return f"{result.kinase.gene} {mutation}: " + "; ".join(clauses) + "."


def mutation_sentences(result: StudyResult) -> list[str]:
    """Return ``mutation_sentence`` for every mutation, in the study's order."""
    return [mutation_sentence(result, mutation) for mutation in mutations(result)]


def headline(result: StudyResult) -> str:
    """Return the answer in one sentence.

    Parameters
    ----------
    result : StudyResult
        The finished study.

    Returns
    -------
    str
        For one mutation its sentence; for several, how many pairs are lost and which inhibitor holds best.
    """
    names = mutations(result)
    if not names:
        return f"{result.kinase.gene}: the study has no rows."
    if len(names) == 1:
        return mutation_sentence(result, names[0])
    good = [detail.row for detail in result.rows if detail.row.status == "ok" and detail.row.call]
    counts = [(call, sum(row.call == call for row in good)) for call in CALLS]
    parts = [f"{count} {call}" for call, count in counts if count]
    if not parts:
        return f"{result.kinase.gene}: none of the {len(result.rows)} mutation-inhibitor pairs could be computed."
    held = {name: sum(r.ligand == name and r.call in ("kept", "gained") for r in good) for name in inhibitors(result)}
    most = max(held.values())
    best = [name for name, count in held.items() if count == most and most > 0]
    verb = "holds" if len(best) == 1 else "hold"
    hold = (
        f"; {listing(best)} {verb} against the most ({most} of {len(names)})"
        if best
        else "; no inhibitor holds against any"
    )
    missing = len(result.rows) - len(good)
    tail = f" ({missing} could not be computed)" if missing else ""
    return (
        f"Of {len(result.rows)} pairs of {len(names)} {result.kinase.gene} mutations and {len(held)} inhibitors, "
        f"{listing(parts)}{tail}{hold}."
    )
