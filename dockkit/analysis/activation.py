"""How near each frame is to the active state of a kinase: a score between 0 and 1 from what an active kinase has.

Each part is a smooth step at the limit of the definition: 0.5 there, nearer to 1 on the active side. The score is the
mean of the parts that the run can see; parts that cannot move in it are left out and named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from dockkit.analysis.frames import Laid, Sites
from dockkit.core.model import FloatArray

WIDTH_ANGSTROM = 0.5
"""Over this distance a part goes from 0.5 to 0.73."""

_DISTANCES: dict[str, tuple[str, tuple[tuple[str, float, int], ...]]] = {
    # Limits as where one structure is measured: Modi & Dunbrack, PNAS 2019, 116, 6818 (DFG); 7.25 A C-alpha distance as
    # KLIFS uses the word (alpha-C); Barlow & Thornton, J. Mol. Biol. 1983, 168, 867 (salt bridge); 5 A (spine).
    "dfg": ("DFG in", (("dfg_phe_to_alpha_c", 11.0, -1), ("dfg_phe_to_lysine", 11.0, 1))),
    "alpha_c": ("αC helix in", (("glutamate_to_dfg_phe_c_alpha", 7.25, -1),)),
    "salt_bridge": ("Lys-Glu salt bridge", (("lysine_glutamate_salt_bridge", 4.0, -1),)),
    "spine": ("regulatory spine", (("spine_1_2", 5.0, -1), ("spine_2_3", 5.0, -1), ("spine_3_4", 5.0, -1))),
}
# Faezov & Dunbrack, bioRxiv 2023.07.21.550125: the sixth residue of the activation loop is bonded to the residue before
# HRD (3.6 A between N and O), and the ninth residue from its end is near the carbonyl of the HRD Arg (C-alpha to O
# 6 A, in tyrosine kinases 9 A).
_LOOP_START_LIMIT, _LOOP_END_LIMIT, _LOOP_END_LIMIT_TYROSINE = 3.6, 6.0, 9.0
_LOOP_SIXTH, _LOOP_NINTH_FROM_END = 5, -9
_STILL = 1e-3


@dataclass(frozen=True, slots=True)
class Activation:
    """The score and its parts.

    Parameters
    ----------
    score : (n_replicas, n_frames) float
        0 inactive to 1 active.
    parts : dict of str to (n_replicas, n_frames) float
        Label to part.
    still : tuple of str
        Parts that were left out, since nothing of them moves in this run.
    """

    score: FloatArray
    parts: dict[str, FloatArray]
    still: tuple[str, ...]


def step(distance: FloatArray, limit: float, sign: int = -1) -> FloatArray:
    """Return the smooth step: 0.5 at the limit, to 1 below it for sign -1, above it for sign 1."""
    return np.asarray(expit(sign * (distance - limit) / WIDTH_ANGSTROM))


def _bonded(laid: Laid, first: int, second: int) -> FloatArray | None:
    """Return the shorter N-O distance between two residues' main chains."""
    pairs = [(laid.atom(first, a), laid.atom(second, b)) for a, b in (("N", "O"), ("O", "N"))]
    gaps = [
        np.linalg.norm(laid.protein[:, :, i] - laid.protein[:, :, j], axis=-1)
        for i, j in pairs
        if i is not None and j is not None
    ]
    return np.minimum(*gaps) if len(gaps) == 2 else None


def _loop_parts(laid: Laid, sites: Sites) -> dict[str, FloatArray]:
    loop, hrd = sites.activation_loop, sites.hrd
    if len(loop) < 15 or len(hrd) != 3:
        return {}
    parts = {}
    start = _bonded(laid, loop[_LOOP_SIXTH], hrd[0] - 1)
    if start is not None:
        parts["activation loop start"] = step(start, _LOOP_START_LIMIT)
    i, j = laid.atom(loop[_LOOP_NINTH_FROM_END], "CA"), laid.atom(hrd[1], "O")
    if i is not None and j is not None:
        limit = _LOOP_END_LIMIT_TYROSINE if sites.tyrosine_kinase else _LOOP_END_LIMIT
        parts["activation loop end"] = step(
            np.linalg.norm(laid.protein[:, :, i] - laid.protein[:, :, j], axis=-1), limit
        )
    return parts


def activation_parts(laid: Laid, measures: dict[str, FloatArray], sites: Sites) -> dict[str, FloatArray]:
    """Return every part of the score that can be measured.

    Parameters
    ----------
    laid : Laid
    measures : dict of str to (n_replicas, n_frames) float
        Distances by name, Angstrom.
    sites : Sites

    Returns
    -------
    dict of str to (n_replicas, n_frames) float
        Label to values between 0 and 1.
    """
    parts = {}
    for label, conditions in _DISTANCES.values():
        if all(name in measures and np.isfinite(measures[name]).all() for name, _, _ in conditions):
            steps = [step(measures[name], limit, sign) for name, limit, sign in conditions]
            parts[label] = np.min(steps, axis=0)
    return parts | _loop_parts(laid, sites)


def activation(first: dict[str, FloatArray], second: dict[str, FloatArray]) -> tuple[Activation, Activation] | None:
    """Join the parts of both states into their scores.

    Parameters
    ----------
    first, second : dict of str to (n_replicas, n_frames) float
        Parts of wild type and mutant from :func:`activation_parts`.

    Returns
    -------
    tuple of Activation or None
        From the parts that both have and that move in either; None where there are none.
    """
    shared = [label for label in first if label in second]
    still = tuple(
        label for label in shared if max(np.ptp(first[label]), np.ptp(second[label])) < _STILL * WIDTH_ANGSTROM
    )
    moving = [label for label in shared if label not in still]
    if not moving:
        return None
    states = []
    for parts in (first, second):
        chosen = {label: parts[label] for label in moving}
        states.append(Activation(np.mean(list(chosen.values()), axis=0), chosen, still))
    return states[0], states[1]
