"""The generalised Born model OBC2, of a complex and of its two parts at once.

Complex, receptor and ligand of one geometry share their pairs: what an atom's surroundings take from its field is
summed once, apart for each part, and so are the distances of the energy. Double precision matters, since the energy
wanted is a small difference of large sums.

References
----------
Onufriev, Bashford, Case, Proteins 2004, 55, 383, eqs. 6-8; pairwise integral of Hawkins, Cramer, Truhlar, Chem. Phys.
Lett. 1995, 246, 122.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dockkit.core.compiled import compiled
from dockkit.core.model import FloatArray
from dockkit.core.units import COULOMB_CONSTANT

_OBC2: Final = (1.0, 0.8, 4.85)
_RADIUS_OFFSET: Final = 0.09
_FAR: Final = 3.0
"""Scaled radii; of a sphere so many of its radii away eight terms of the series are right to 2e-8."""

_DEEPEST: Final = -40.0
"""Exponent below which the exponential is taken as this one's, 4e-18."""


@compiled
def _integrals(
    x: FloatArray, y: FloatArray, z: FloatArray, inner: FloatArray, scaled: FloatArray, n: int
) -> FloatArray:
    """Return the pairwise integrals over the first n atoms and over the others, (atoms, 2) float.

    A far sphere's integral is (s / r^2) (1 / (1 - u^2) - atanh(u) / u) with u = s / r, whose series runs in vectors;
    near ones take the closed form.
    """
    count = len(x)
    largest = scaled.max()
    reach = max(_FAR * largest, inner.max() + largest)
    squared = reach * reach
    out = np.zeros((count, 2))
    row = np.empty(count)
    for i in range(count):
        for j in range(count):
            dx, dy, dz = x[i] - x[j], y[i] - y[j], z[i] - z[j]
            row[j] = dx * dx + dy * dy + dz * dz
        for part in range(2):
            first, last = (0, n) if part == 0 else (n, count)
            total = 0.0
            for j in range(first, last):
                far = 1.0 if row[j] >= squared else 0.0
                inverse2 = 1.0 / max(row[j], squared)
                u2 = scaled[j] * scaled[j] * inverse2
                series = 12.0 / 13.0 + u2 * (14.0 / 15.0 + u2 * (16.0 / 17.0))
                series = 6.0 / 7.0 + u2 * (8.0 / 9.0 + u2 * (10.0 / 11.0 + u2 * series))
                series = 2.0 / 3.0 + u2 * (4.0 / 5.0 + u2 * series)
                total += far * scaled[j] * inverse2 * u2 * series
            for j in range(first, last):
                if row[j] < squared and i != j:
                    total += _near(np.sqrt(row[j]), inner[i], scaled[j])
            out[i, part] = 0.5 * total
    return out


@compiled
def _near(r: float, rho: float, s: float) -> float:
    """Return twice the integral over a sphere of radius s at r, outside one of radius rho."""
    if rho >= r + s:
        return 0.0
    upper, lower = 1.0 / (r + s), 1.0 / max(rho, abs(r - s))
    term: float = (
        lower - upper + 0.25 * (r - s * s / r) * (upper * upper - lower * lower) + 0.5 / r * np.log(upper / lower)
    )
    if rho < s - r:
        term += 2.0 * (1.0 / rho - lower)
    return term


@compiled
def _smooth(squared: float, product: float) -> float:
    """Return 1 / f of Still's function f^2 = r^2 + R R' exp(-r^2 / 4 R R'), the exponential as runs in vectors.

    Its argument is divided by 256, put into a Taylor polynomial, and the result squared eight times.
    """
    v = max(-0.25 * squared / product, _DEEPEST) / 256.0
    p = 1.0 + v * (1.0 / 5.0) * (1.0 + v * (1.0 / 6.0) * (1.0 + v * (1.0 / 7.0) * (1.0 + v * (1.0 / 8.0))))
    p = 1.0 + v * (1.0 + v * (1.0 / 2.0) * (1.0 + v * (1.0 / 3.0) * (1.0 + v * (1.0 / 4.0) * p)))
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return float(1.0 / np.sqrt(squared + product * p))


@compiled
def _gained(
    x: FloatArray, y: FloatArray, z: FloatArray, q: FloatArray, joint: FloatArray, apart: FloatArray, n: int
) -> float:
    """Return sum q q' / f over the complex less that over its parts, each pair once and each atom's own half."""
    count, total = len(x), 0.0
    for i in range(count):
        sum_own = 0.0
        for j in range(i + 1, n if i < n else count):
            dx, dy, dz = x[i] - x[j], y[i] - y[j], z[i] - z[j]
            r2 = dx * dx + dy * dy + dz * dz
            sum_own += q[j] * (_smooth(r2, joint[i] * joint[j]) - _smooth(r2, apart[i] * apart[j]))
        for j in range(n, count if i < n else n):
            dx, dy, dz = x[i] - x[j], y[i] - y[j], z[i] - z[j]
            sum_own += q[j] * _smooth(dx * dx + dy * dy + dz * dz, joint[i] * joint[j])
        total += q[i] * (sum_own + 0.5 * q[i] * (1.0 / joint[i] - 1.0 / apart[i]))
    return total


def _effective(integral: FloatArray, inner: FloatArray, radii: FloatArray) -> FloatArray:
    alpha, beta, gamma = _OBC2
    psi = integral * inner
    return np.asarray(1.0 / (1.0 / inner - np.tanh(alpha * psi - beta * psi**2 + gamma * psi**3) / radii))


def born_radii(coordinates: FloatArray, radii: FloatArray, scales: FloatArray) -> FloatArray:
    """Return OBC2 effective Born radii.

    Parameters
    ----------
    coordinates : (n, 3) float
        Angstrom.
    radii, scales : (n,) float
        Intrinsic radii (Angstrom) and HCT screening factors.

    Returns
    -------
    (n,) float
        Angstrom.
    """
    return complex_radii(coordinates, radii, scales, len(radii))[0]


def complex_radii(
    coordinates: FloatArray, radii: FloatArray, scales: FloatArray, n: int
) -> tuple[FloatArray, FloatArray]:
    """Return OBC2 effective Born radii of a complex, and of its two parts without each other.

    Parameters
    ----------
    coordinates : (m, 3) float
        Angstrom.
    radii, scales : (m,) float
        Intrinsic radii (Angstrom) and HCT screening factors.
    n : int
        The first n atoms are one part, the rest the other.

    Returns
    -------
    joint, apart : (m,) float, (m,) float
        Angstrom.
    """
    inner = np.ascontiguousarray(radii - _RADIUS_OFFSET)
    x, y, z = np.ascontiguousarray(coordinates.T, dtype=np.float64)
    integral = _integrals(x, y, z, inner, np.ascontiguousarray(scales * inner), n)
    own = np.where(np.arange(len(radii)) < n, integral[:, 0], integral[:, 1])
    return _effective(integral.sum(axis=1), inner, radii), _effective(own, inner, radii)


def binding_polarisation(
    coordinates: FloatArray, charges: FloatArray, joint: FloatArray, apart: FloatArray, n: int
) -> float:
    """Return what the polarisation energy of a complex is above that of its parts, per unit of 1/eps - 1/eps'.

    Parameters
    ----------
    coordinates : (m, 3) float
        Angstrom.
    charges : (m,) float
        Elementary charges.
    joint, apart : (m,) float, (m,) float
        From :func:`complex_radii`.
    n : int
        The first n atoms are one part, the rest the other.

    Returns
    -------
    float
        kcal/mol.
    """
    x, y, z = np.ascontiguousarray(coordinates.T, dtype=np.float64)
    return -COULOMB_CONSTANT * _gained(x, y, z, np.ascontiguousarray(charges), joint, apart, n)
