"""Which residue of which kinase: a chain aligned with UniProt sequences."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dockkit.core.errors import StructureError
from dockkit.core.model import FloatArray, IntArray, Kinase
from dockkit.kinase.table import known_kinases, load_kinase

_KMER = 4
_MIN_WORDS = 30
_TWENTY = "ACDEFGHIKLMNPQRSTVWY"
# Of 28 human kinases outside the table that resemble one in it, 23 are below this in the domain; mouse and chicken
# kinases and constructs with 14 engineered changes are above.
_MIN_IDENTITY = 0.92
_MIN_DOMAIN_MATCHES = 80

# Alignment of a chain with its own reference sequence: identity counts, substitutions are few.
_SAME_SCORE = 5.0
_DIFFERENT_SCORE = -3.0
_UNUSUAL_SCORE = -1.0
_GAP_COST = 15.0
_BREAK_COST = 4.0
_MIN_SCORE = 40.0
_MAX_CHANCE = 0.01
# A run this short follows the chain's own numbers where at most one letter fewer agrees there.
_SHORT_RUN = 6
_MAX_FEWER = 1


def clean_sequence(sequence: str) -> str:
    """Return a sequence without blanks, in upper case, X for whatever is none of the twenty residues."""
    letters = "".join(sequence.split()).upper()
    return re.sub(f"[^{_TWENTY}]", "X", letters)


def _best_path(match: FloatArray, breaks: NDArray[np.bool_]) -> tuple[float, list[tuple[int, int]]]:
    """Align two sequences locally; a gap costs the same at any length, and less at a chain break.

    Smith & Waterman, J. Mol. Biol. 1981, 147, 195-197, with the gap cost a constant.

    Parameters
    ----------
    match : (n_query, n_reference) float
        Score of putting residue i on residue j.
    breaks : (n_query,) bool
        The chain is broken before residue i.

    Returns
    -------
    score : float
    pairs : list of (int, int)
        Query and reference index of each aligned pair, in order.
    """
    n_query, n_reference = match.shape
    columns = np.arange(n_reference)
    score = np.zeros((n_query, n_reference))
    previous = np.full((n_query, n_reference, 2), -1, dtype=np.int64)
    column_best, column_row = np.zeros(n_reference), np.full(n_reference, -1)
    for i in range(n_query):
        gain, source = np.zeros(n_reference), np.full((n_reference, 2), -1)
        if i:
            above = score[i - 1]
            leading = np.maximum.accumulate(above)
            leader = np.maximum.accumulate(np.where(above == leading, columns, 0))
            options = (
                (above, np.full(n_reference, i - 1), columns, 1, 0.0),
                (leading, np.full(n_reference, i - 1), leader, 2, _BREAK_COST if breaks[i] else _GAP_COST),
                (column_best, column_row, columns, 1, _GAP_COST),
            )
            for values, rows, partners, shift, cost in options:
                better = np.flatnonzero(values[:-shift] - cost > gain[shift:])
                gain[better + shift] = values[better] - cost
                source[better + shift, 0], source[better + shift, 1] = rows[better], partners[better]
            improved = above > column_best
            column_best, column_row = np.where(improved, above, column_best), np.where(improved, i - 1, column_row)
        score[i], previous[i] = gain + match[i], source
    i, j = (int(index) for index in np.unravel_index(int(score.argmax()), score.shape))
    top, pairs = float(score[i, j]), []
    while i >= 0:
        pairs.append((i, j))
        i, j = int(previous[i, j, 0]), int(previous[i, j, 1])
    return top, pairs[::-1]


def _drop_chance_ends(numbers: IntArray, same: NDArray[np.bool_]) -> None:
    """Unnumber, in place, pieces at either end that may have found their place by chance.

    A tag or a second copy of some residues can match a few letters somewhere. The number of chance matches of a piece
    is the number of places it could have gone to, times 1/20 for each letter that agrees.
    """
    for step in (1, -1):
        while True:
            used = np.flatnonzero(numbers)[::step]
            jumps = np.flatnonzero(np.diff(numbers[used]) != step)
            if len(jumps) == 0:
                break
            piece, following = used[: jumps[0] + 1], used[jumps[0] + 1]
            skipped = abs(int(numbers[following] - numbers[piece[-1]]))
            loose = abs(int(following - piece[-1])) + (int(piece[0]) if step == 1 else len(numbers) - 1 - int(piece[0]))
            if skipped * loose * 0.05 ** int(same[piece].sum()) <= _MAX_CHANCE:
                break
            numbers[piece] = 0


def _follow_own_numbers(numbers: IntArray, own: IntArray, query: NDArray[np.str_], reference: NDArray[np.str_]) -> None:
    """Renumber, in place, runs that the letters leave open so that the offset to the chain's own numbers stays one.

    A few residues beside a missing loop may fit as well at its other end, changed residues among them.
    """
    used = np.flatnonzero(numbers)
    if len(used) == 0:
        return
    offsets, counts = np.unique(own[used] - numbers[used], return_counts=True)
    if counts.max() < len(used) / 2:  # the chain's own numbers follow no sequence
        return
    offset = int(offsets[counts.argmax()])
    wanted = own - offset
    edges = np.flatnonzero(np.diff(own[used] - numbers[used])) + 1
    for run in np.split(used, edges):
        there = wanted[run]
        before, after = numbers[: run[0]].max(initial=0), numbers[run[-1] + 1 :]
        in_order = before < there.min() and there.max() < after[after > 0].min(initial=len(reference) + 1)
        if (there == numbers[run]).all() or not in_order or (np.diff(there) < 1).any():
            continue
        fits, now = (reference[there - 1] == query[run]).sum(), (reference[numbers[run] - 1] == query[run]).sum()
        if len(run) <= _SHORT_RUN and now - fits <= _MAX_FEWER:
            numbers[run] = there


def map_to_uniprot(
    sequence: str, kinase: Kinase, *, segments: ArrayLike | None = None, own_numbers: ArrayLike | None = None
) -> IntArray:
    """Give each residue of a chain its number in the kinase's UniProt sequence.

    Local alignment in which identity counts and a gap costs the same whatever its length, so that missing loops,
    tags, fusion partners and point differences do not shift the numbers.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, in order; X for anything unusual.
    kinase : Kinase
    segments : (n_residues,) int, optional
        Segment of each residue, rising at every chain break. A gap at a break costs less, which settles at which
        residue a missing loop starts where the letters leave it open.
    own_numbers : (n_residues,) int, optional
        The chain's own numbers. They settle where a few residues beside a missing loop belong.

    Returns
    -------
    (n_residues,) int
        UniProt number of each residue, 0 where it has none (a tag, a fusion partner, a repeated residue).

    Raises
    ------
    StructureError
        Nothing aligns.
    """
    query = np.array(list(clean_sequence(sequence)), dtype="U1")
    reference = np.array(list(kinase.sequence), dtype="U1")
    numbers = np.zeros(len(query), dtype=np.int64)
    breaks = np.zeros(len(query), dtype=bool)
    if segments is not None:
        breaks[1:] = np.diff(np.asarray(segments)) != 0
    top = 0.0
    if len(query):
        match = np.where(query[:, None] == reference[None, :], _SAME_SCORE, _DIFFERENT_SCORE)
        match[query == "X"] = _UNUSUAL_SCORE
        top, pairs = _best_path(match, breaks)
        for i, j in pairs:
            numbers[i] = j + 1
        _drop_chance_ends(numbers, np.append(reference, "")[numbers - 1] == query)
        if own_numbers is not None:
            _follow_own_numbers(numbers, np.asarray(own_numbers, dtype=np.int64), query, reference)
    if top < _MIN_SCORE:
        raise StructureError(f"the chain of {len(query)} residues does not align with {kinase.gene} ({kinase.uniprot})")
    return numbers


def _words(sequence: str) -> set[str]:
    return {sequence[i : i + _KMER] for i in range(len(sequence) - _KMER + 1)}


def _candidates(query: str) -> list[Kinase]:
    """Kinases in order of how many 4-letter words they share with the query, where the domains share enough."""
    words = _words(query)
    scored = []
    for kinase in (load_kinase(gene) for gene in known_kinases()):
        domain = _words(kinase.sequence[kinase.domain[0] - 1 : kinase.domain[1]])
        by_chance = len(domain) * len(words) / len(_TWENTY) ** _KMER
        if len(domain & words) >= _MIN_WORDS + by_chance:
            scored.append((len(words & _words(kinase.sequence)), kinase.gene, kinase))
    scored.sort(key=lambda item: (-item[0], item[1]))
    return [kinase for count, _, kinase in scored[:4] if count > scored[0][0] / 2]


def identify_kinase(
    sequence: str, *, segments: ArrayLike | None = None, own_numbers: ArrayLike | None = None
) -> tuple[Kinase, IntArray]:
    """Say which kinase a chain is, from its sequence alone.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, in order; X for anything unusual.
    segments, own_numbers : (n_residues,) int, optional
        As in :func:`map_to_uniprot`.

    Returns
    -------
    kinase : Kinase
    numbers : (n_residues,) int
        UniProt number of each residue, 0 where it has none.

    Raises
    ------
    StructureError
        No known kinase fits: fewer than 80 residues of a kinase domain agree, or less than 92 per cent.
    """
    query = clean_sequence(sequence)
    best: tuple[int, float, Kinase, IntArray] | None = None
    for kinase in _candidates(query):
        try:
            numbers = map_to_uniprot(query, kinase, segments=segments, own_numbers=own_numbers)
        except StructureError:
            continue
        in_domain = (numbers >= kinase.domain[0]) & (numbers <= kinase.domain[1])
        same = sum(query[i] == kinase.sequence[numbers[i] - 1] for i in np.flatnonzero(in_domain))
        if best is None or same > best[0]:
            best = (same, same / max(1, int(in_domain.sum())), kinase, numbers)
    if best is None or best[0] < _MIN_DOMAIN_MATCHES or best[1] < _MIN_IDENTITY:
        closest = (
            f"; the closest is {best[2].gene} with {best[0]} residues in common, {100 * best[1]:.0f}% of those aligned"
            if best
            else ""
        )
        raise StructureError(
            f"the chain of {len(query)} residues is none of the {len(known_kinases())} kinases that dockkit knows"
            f"{closest}. Check the chain, or add the kinase to structures/kinases.toml"
        )
    return best[2], best[3]
