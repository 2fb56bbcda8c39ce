"""A sequence aligned with a profile, where long insertions and chain breaks are allowed for.

HMMER says whether and where a domain is there. Which residue stands at which of the 85 pocket positions needs an
alignment that keeps the pocket's own rules: within a block of the pocket nothing is inserted, a kinase insert of any
length costs the same, and missing loops cost little where the chain is broken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dockkit.core.model import FloatArray, IntArray

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN = len(LETTERS)
"""Code of a residue that is none of the twenty."""
GAP = UNKNOWN + 1

_UNKNOWN_SCORE = -0.5
_LONG_INSERT = 12.0
_SKIP = 15.0
_SKIP_AT_BREAK = 4.0
_CUT_POCKET = 4.0
_CUT_POSITION = 0.5
_NEVER = -1.0e9


def encode(sequence: str) -> IntArray:
    """Return the code of each letter, (n,) int: its place in ``LETTERS``, ``UNKNOWN`` for any other, ``GAP`` for -."""
    table = np.full(128, UNKNOWN)
    for code, letter in enumerate(LETTERS):
        table[ord(letter)] = code
    table[ord("-")] = GAP
    return np.asarray(table[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8) & 127], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Model:
    """Scores of a profile with m columns, in nats.

    Parameters
    ----------
    emissions : (m, 21) float
        Log odds of each residue in each column; the last is for an unknown residue.
    transitions : (m, 7) float
        Log probabilities of leaving column k: match to match, insert, delete; insert to match, insert; delete to match,
        delete.
    pocket : (p,) int
        Columns of the pocket positions.
    long_insert : (m,) bool
        Whether an insert of any length may stand before the column.
    """

    emissions: FloatArray
    transitions: FloatArray
    pocket: IntArray
    long_insert: NDArray[np.bool_]

    def cost_of_start(self) -> FloatArray:
        """Return what it costs that the alignment starts at each column: pocket positions left out, (m,) nats."""
        lost = (np.arange(len(self.emissions))[:, None] > self.pocket[None, :]).sum(axis=1)
        return np.asarray(_CUT_POCKET * (lost > 0) + _CUT_POSITION * lost)

    def cost_of_end(self) -> FloatArray:
        """Return the same of the column that it ends at."""
        lost = (np.arange(len(self.emissions))[:, None] < self.pocket[None, :]).sum(axis=1)
        return np.asarray(_CUT_POCKET * (lost > 0) + _CUT_POSITION * lost)


@dataclass(frozen=True, slots=True)
class _Traces:
    """Where each cell of the three matrices came from."""

    match: NDArray[np.int8]
    insert: NDArray[np.int8]
    delete: IntArray
    skipped_from: IntArray
    insert_from: IntArray

    @classmethod
    def of_shape(cls, shape: tuple[int, int]) -> _Traces:
        """Return traces that are still empty."""
        small, large = np.zeros((2, *shape), dtype=np.int8), np.zeros((3, *shape), dtype=np.int64)
        return cls(small[0], small[1], large[0], large[1], large[2])


_START, _MATCH, _INSERT, _DELETE, _LONG, _SKIPPED = range(6)


def align(
    model: Model,
    codes: IntArray,
    breaks: NDArray[np.bool_],
    *,
    allowed: NDArray[np.bool_] | None = None,
    start: FloatArray | None = None,
    end: FloatArray | None = None,
) -> tuple[float, IntArray]:
    """Find the best alignment of a sequence with a profile (Viterbi).

    Parameters
    ----------
    model : Model
    codes : (n,) int
        Residues, as :func:`encode` has them.
    breaks : (n,) bool
        The chain is broken before the residue.
    allowed : (n, m) bool, optional
        Which residue may stand in which column.
    start, end : (n, m) float, optional
        Cost of starting and ending at a residue and column; by default the ends are free but for pocket positions lost.

    Returns
    -------
    score : float
        Nats.
    columns : (n,) int
        Column of each residue, -1 where it stands in none.
    """
    n, m = len(codes), len(model.emissions)
    if n == 0:
        return 0.0, np.zeros(0, dtype=np.int64)
    start = np.broadcast_to(model.cost_of_start(), (n, m)) if start is None else start
    end = np.broadcast_to(model.cost_of_end(), (n, m)) if end is None else end
    to_match, to_insert, to_delete, insert_match, insert_on, delete_match, delete_on = model.transitions.T
    along = np.concatenate([[0.0], np.cumsum(delete_on)[:-1]])
    columns = np.arange(m)
    traces = _Traces.of_shape((n, m))
    scores = np.full((n, m), _NEVER)
    match, insert, delete, best = (np.full(m, _NEVER) for _ in range(4))
    best_row = np.zeros(m, dtype=np.int64)
    for i in range(n):
        options = np.full((6, m), _NEVER)
        options[_START] = -start[i]
        if i:
            leading = np.maximum.accumulate(match)
            leader = np.maximum.accumulate(np.where(match == leading, columns, 0))
            options[_MATCH, 1:] = match[:-1] + to_match[:-1]
            options[_INSERT, 1:] = insert[:-1] + insert_match[:-1]
            options[_DELETE, 1:] = delete[:-1] + delete_match[:-1]
            options[_LONG, 1:] = np.where(model.long_insert[1:], best[:-1] - _LONG_INSERT, _NEVER)
            options[_SKIPPED, 1:] = leading[:-1] - (_SKIP_AT_BREAK if breaks[i] else _SKIP)
            traces.skipped_from[i, 1:], traces.insert_from[i, 1:] = leader[:-1], best_row[:-1]
            inserted = np.stack([match + to_insert, insert + insert_on])
            traces.insert[i] = inserted.argmax(axis=0)
            insert = inserted.max(axis=0)
        traces.match[i] = options.argmax(axis=0)
        now = options.max(axis=0) + model.emissions[:, codes[i]]
        if allowed is not None:
            now = np.where(allowed[i], now, _NEVER)
        opened = np.full(m, _NEVER)
        opened[1:] = now[:-1] + to_delete[:-1] - along[1:]
        widest = np.maximum.accumulate(opened)
        traces.delete[i] = np.maximum.accumulate(np.where(opened == widest, columns, 0))
        delete = widest + along
        best, best_row = np.where(match > best, match, best), np.where(match > best, i - 1, best_row)
        match, scores[i] = now, now - end[i]
    return float(scores.max()), _trace_back(traces, scores)


def _trace_back(traces: _Traces, scores: FloatArray) -> IntArray:
    columns = np.full(len(scores), -1, dtype=np.int64)
    i, k = (int(index) for index in np.unravel_index(int(scores.argmax()), scores.shape))
    state = _MATCH
    while True:
        if state == _MATCH:
            columns[i] = k
            came = int(traces.match[i, k])
            if came == _START:
                return columns
            if came == _LONG:
                i, k = int(traces.insert_from[i, k]), k - 1
            elif came == _SKIPPED:
                i, k = i - 1, int(traces.skipped_from[i, k])
            else:
                i, k, state = i - 1, k - 1, came
        elif state == _INSERT:
            state = _INSERT if traces.insert[i, k] else _MATCH
            i -= 1
        else:
            k, state = int(traces.delete[i, k]) - 1, _MATCH
