"""Principal components of the C-alpha motion that both states share."""

from __future__ import annotations

import numpy as np

from dockkit.analysis.frames import superpose
from dockkit.core.model import Components, FloatArray, StrArray

N_COMPONENTS = 3

_ROUNDS = 3
_MIN_ATOMS, _MIN_FRAMES = 4, 6


def cosine_content(series: FloatArray, component: int) -> float:
    """Return how much of a projection is half a cosine, as diffusion gives: 0 to 1.

    Parameters
    ----------
    series : (n_frames,) float
        Projection on one component.
    component : int
        From 0; component k is compared with k + 1 half periods.

    Returns
    -------
    float
        Hess, Phys. Rev. E 2000, 62, 8438, eq. 10, of the series about its mean; 0 for a constant one.
    """
    n = len(series)
    values = series - series.mean()
    square = float((values**2).sum())
    if square <= 0.0:
        return 0.0
    wave = np.cos(np.pi * (component + 1) * (np.arange(n) + 0.5) / n)
    return float(2.0 / n * (wave @ values) ** 2 / square)


def shared_components(wild_type: FloatArray, mutant: FloatArray, labels: StrArray) -> Components | None:
    """Return the principal components of both states' frames together.

    Parameters
    ----------
    wild_type, mutant : (n_replicas, n_frames, n_atoms, 3) float
        Angstrom; the same atoms in the same order.
    labels : (n_atoms,) str
        Residue of each.

    Returns
    -------
    Components or None
        Frames are laid on their common mean structure first; None where there are fewer than four atoms or six frames,
        or nothing moves. Signs are such that the largest loading of each component is positive.
    """
    atoms = wild_type.shape[2]
    flat = [frames.reshape(1, -1, atoms, 3) for frames in (wild_type, mutant)]
    together = np.concatenate(flat, axis=1)
    if atoms < _MIN_ATOMS or together.shape[1] < _MIN_FRAMES:
        return None
    everything = np.arange(atoms)
    reference = together[0, 0]
    for _ in range(_ROUNDS):
        together = superpose(together, everything, reference)
        reference = together[0].mean(axis=0)
    deviations = (together[0] - reference).reshape(-1, 3 * atoms)
    left, size, right = np.linalg.svd(deviations, full_matrices=False)
    total = float((size**2).sum())
    count = min(N_COMPONENTS, int((size > 1e-9 * max(size[0], 1e-300)).sum()))
    if total / len(deviations) < 1e-8 or count == 0:
        return None
    vectors = right[:count]
    sign = np.sign(vectors[np.arange(count), np.abs(vectors).argmax(axis=1)])
    projections = left[:, :count] * size[:count] * sign
    cut = flat[0].shape[1]
    first = projections[:cut].reshape(*wild_type.shape[:2], count)
    second = projections[cut:].reshape(*mutant.shape[:2], count)
    content = [
        np.mean([cosine_content(row[:, k], k) for state in (first, second) for row in state]) for k in range(count)
    ]
    return Components(
        variance=size[:count] ** 2 / total,
        labels=labels,
        loadings=np.linalg.norm(vectors.reshape(count, atoms, 3), axis=2),
        wild_type=first,
        mutant=second,
        cosine_content=np.array(content),
    )
