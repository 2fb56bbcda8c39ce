"""Which inhibitor, and which two together, hold most of a panel: arrays in, ranked covers out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from dockkit.core.model import FloatArray
from dockkit.core.model.panels import Cover

Tree = tuple[tuple[float, float, float, float], ...]


def covers(
    inhibitors: Sequence[str], weights: FloatArray, holds: FloatArray, called: FloatArray, size: int
) -> tuple[Cover, ...]:
    """Return every choice of ``size`` inhibitors with the share of the panel it holds, best first.

    The criterion is ``Cover.expected``; ties go to the larger ``called``, then ``upper``, then the order of the names.

    Parameters
    ----------
    inhibitors : sequence of str
        n names.
    weights : (m,) float
        Share of each mutation; they add up to 1.
    holds : (m, n) float
        Probability that an inhibitor holds a mutation; NaN where unknown.
    called : (m, n) float
        1 where the value itself says it holds, 0 where not, NaN where unknown.
    size : {1, 2}

    Returns
    -------
    tuple of Cover
        Empty where there are fewer than ``size`` inhibitors.
    """
    found = [
        _cover(tuple(inhibitors[j] for j in chosen), weights, holds[:, chosen], called[:, chosen])
        for chosen in combinations(range(len(inhibitors)), size)
    ]
    return tuple(sorted(found, key=lambda item: (*(-round(x, 9) for x in (item.expected, item.called, item.upper)),
                                                 item.inhibitors)))  # fmt: skip


def _cover(names: tuple[str, ...], weights: FloatArray, holds: FloatArray, called: FloatArray) -> Cover:
    known = np.isfinite(holds)
    some = known.any(axis=1)
    chance = np.where(known, holds, 0.0)
    best = chance.max(axis=1)
    either = 1.0 - np.prod(1.0 - np.where(known, holds, 1.0), axis=1)
    return Cover(
        inhibitors=names,
        expected=float(weights @ best),
        upper=float(weights @ either),
        spread=float(np.sqrt(weights**2 @ (best * (1.0 - best)))),
        called=float(weights @ np.where(known, called, 0.0).max(axis=1)),
        unknown=float(weights @ ~some),
    )


def cluster(values: FloatArray) -> tuple[tuple[int, ...], Tree]:
    """Order rows so that alike ones stand together: average linkage of their root-mean-square distance.

    Parameters
    ----------
    values : (m, n) float
        NaN where unknown; two rows are compared over the columns that both have, and rows without a common column
        stand as far apart as the farthest others.

    Returns
    -------
    order : tuple of int
        Leaves, neighbours as alike as the tree allows (Bar-Joseph, Gifford & Jaakkola, Bioinformatics 2001, 17, S22).
    tree : tuple of (float, float, float, float)
        Linkage as scipy writes it; empty for fewer than three rows, which stay as they are.
    """
    m = len(values)
    if m < 3 or not np.isfinite(values).any():
        return tuple(range(m)), ()
    gaps = values[:, None, :] - values[None, :, :]
    shared = np.isfinite(gaps)
    counts = shared.sum(axis=2)
    squares = np.where(shared, gaps, 0.0) ** 2
    distance = np.sqrt(squares.sum(axis=2) / np.maximum(counts, 1))
    distance[counts == 0] = distance.max()
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    rows = tuple((float(a), float(b), float(d), float(k)) for a, b, d, k in tree)
    return tuple(int(leaf) for leaf in leaves_list(tree)), rows
