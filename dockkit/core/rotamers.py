"""Side-chain rotamers as a function of the main chain's phi and psi.

``data/backbone_rotamers.npz``, made by ``data/make_rotamers.py``: the smoothed backbone-dependent rotamer library of
2010 by M. V. Shapovalov and R. L. Dunbrack Jr. (Structure 2011, 19, 844-858), on its grid of 10 degrees.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from dockkit.core.errors import StoreError
from dockkit.core.model import FloatArray, frozen_array
from dockkit.core.residues import RotamerSet, rotamers

_FILE: Final = Path(__file__).with_name("data") / "backbone_rotamers.npz"

UNKNOWN_PHI: Final = tuple(range(-150, -49, 10))
UNKNOWN_PSI: Final = (-60, -50, -40, -30, 110, 120, 130, 140, 150, 160)
"""Averaged over where a residue has no phi (first of a chain) or no psi (last): the usual regions, degrees."""

BIN_SIGMA: Final = 15.0
"""Standard deviation about the centre of a 30-degree bin of a last angle that is not rotameric, degrees: neighbouring
bins then add up to an even density."""

HALF_WIDTH_TO_SIGMA: Final = 1.0 / 1.1774
"""A Gaussian's standard deviation over its half width at half height."""

BINNED: Final = frozenset({"ASN", "ASP", "GLN", "GLU", "HIS", "PHE", "TYR", "TRP"})
"""Amino acids whose last chi angle is not rotameric and comes in bins."""


@cache
def _tables() -> dict[str, np.ndarray]:
    try:
        with np.load(_FILE, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise StoreError(f"{_FILE}: the rotamer library cannot be read ({error}); install dockkit again") from error


def _shares(angle: float, usual: tuple[int, ...], n: int) -> list[tuple[int, float]]:
    """Return grid lines about an angle with their weights; evenly over the usual ones where it is unknown."""
    if not math.isfinite(angle):
        return [(int((value + 180) * n / 360) % n, 1.0 / len(usual)) for value in usual]
    place = (angle + 180.0) * n / 360.0
    low = math.floor(place)
    return [(low % n, 1.0 - (place - low)), ((low + 1) % n, place - low)]


def _label(chis: FloatArray, binned: bool) -> str:
    letters = ["p" if 0 <= c % 360 < 120 else "t" if c % 360 < 240 else "m" for c in chis]
    if binned:
        letters[-1] = f"{round(float((chis[-1] + 180) % 360 - 180)):d}"
    return "".join(letters)


def backbone_rotamers(name: str, phi: float = math.nan, psi: float = math.nan) -> RotamerSet:
    """Return the rotamers of an amino acid on a main chain.

    Parameters
    ----------
    name : str
        Three-letter code; for a phosphorylated amino acid its rotamers without regard to the main chain.
    phi, psi : float
        Degrees; nan where the residue has none, then averaged over the usual regions.

    Returns
    -------
    RotamerSet
        Probabilities interpolated between grid points, chi1 shifted as the main chain asks; ``widths`` are standard
        deviations. One row without angles for Ala and Gly.

    Raises
    ------
    StoreError
        The installation lacks the data file.
    """
    tables = _tables()
    if f"{name}_cost" not in tables:
        plain = rotamers(name)
        sigma = frozen_array(plain.widths * HALF_WIDTH_TO_SIGMA, np.float64, plain.widths.shape, name)
        return RotamerSet(plain.names, plain.probabilities, plain.chis, sigma)
    cost, shift = tables[f"{name}_cost"], tables[f"{name}_shift"]
    n = cost.shape[0]
    odds = np.zeros(cost.shape[2])
    moved = np.zeros(cost.shape[2])
    for i, a in _shares(phi, UNKNOWN_PHI, n):
        for j, b in _shares(psi, UNKNOWN_PSI, n):
            here = a * b * np.exp(cost[i, j] / -10.0)
            odds += here
            moved += here * shift[i, j]
    chis = tables[f"{name}_chi"].astype(np.float64)
    chis[:, 0] += moved / odds
    sigma = tables[f"{name}_sigma"].astype(np.float64)
    if name in BINNED:
        sigma[:, -1] = BIN_SIGMA
    return RotamerSet(
        tuple(_label(row, name in BINNED) for row in chis),
        frozen_array(odds / odds.sum(), np.float64, (len(chis),), name),
        frozen_array(chis, np.float64, chis.shape, name),
        frozen_array(sigma, np.float64, sigma.shape, name),
    )
