"""Means with honest errors."""

from __future__ import annotations

import numpy as np

from dockkit.core.model import Estimate, FloatArray


def block_means(values: FloatArray, blocks_per_replica: int = 2) -> FloatArray:
    """Return the means of consecutive blocks of every replica.

    Parameters
    ----------
    values : (n_replicas, n_frames) float
        A time series per replica.
    blocks_per_replica : int
        Blocks each replica is cut into; fewer where it has fewer frames.

    Returns
    -------
    (n_replicas * n_blocks,) float
        Replica by replica.
    """
    blocks = max(1, min(blocks_per_replica, values.shape[1]))
    return np.array([part.mean() for row in values for part in np.array_split(row, blocks)])


def estimate(values: FloatArray) -> Estimate:
    """Return the mean of independent values and its standard error (NaN for a single value).

    Parameters
    ----------
    values : (n,) float
        Independent values.

    Returns
    -------
    Estimate
        Mean, standard error with n - 1 degrees of freedom, n.
    """
    n = len(values)
    sem = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Estimate(float(np.mean(values)), sem, n)


def mutant_minus_wild_type(wild_type: FloatArray, mutant: FloatArray, blocks_per_replica: int = 2) -> Estimate:
    """Return the difference of two time series with a block error.

    Parameters
    ----------
    wild_type, mutant : (n_replicas, n_frames) float
        The states' replicas; their errors are taken as independent.
    blocks_per_replica : int
        As in :func:`block_means`.

    Returns
    -------
    Estimate
        Difference of the means; the error adds both states' block errors in quadrature; n is the blocks of one state.
    """
    first, second = (estimate(block_means(values, blocks_per_replica)) for values in (wild_type, mutant))
    return Estimate(second.value - first.value, float(np.hypot(first.sem, second.sem)), min(first.n, second.n))
