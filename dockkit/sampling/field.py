"""The energy of a region and its gradient, over what the mobile atoms take part in.

OpenMM's processor kernels sum every pair of a system, and most pairs of a region stand between atoms that never move.
Here the sum runs over the pairs of a mobile atom alone, in double precision, compiled when first used and kept for the
next process. The model is that of :func:`dockkit.forcefield.system.region_system`, term by term.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dockkit.core.compiled import compiled
from dockkit.core.model import FloatArray, IntArray, Stiffness
from dockkit.core.units import COULOMB_CONSTANT

BLOCK: Final = 16
"""Mobile atoms that share one list of frozen neighbours."""

SKIN: Final = 1.0
"""Angstrom by which such a list reaches beyond the cut-off; it is made anew once an atom has moved that far."""


@compiled
def _neighbours(mobile: FloatArray, frozen: FloatArray, reach: float, block: int) -> tuple[IntArray, IntArray]:
    """Return the frozen atoms near each block of mobile ones, one list after the other, and where each list starts."""
    m, blocks = len(mobile), (len(mobile) + block - 1) // block
    starts = np.zeros(blocks + 1, np.int64)
    out = np.empty(blocks * len(frozen), np.int64)
    count, squared = 0, reach * reach
    for b in range(blocks):
        first, last = b * block, min(m, (b + 1) * block)
        x, y, z, around = 0.0, 0.0, 0.0, 0.0
        for i in range(first, last):
            x += mobile[i, 0] / (last - first)
            y += mobile[i, 1] / (last - first)
            z += mobile[i, 2] / (last - first)
        for i in range(first, last):
            away = (mobile[i, 0] - x) ** 2 + (mobile[i, 1] - y) ** 2 + (mobile[i, 2] - z) ** 2
            around = max(around, away)
        outer = (reach + np.sqrt(around)) ** 2
        for j in range(len(frozen)):
            if (frozen[j, 0] - x) ** 2 + (frozen[j, 1] - y) ** 2 + (frozen[j, 2] - z) ** 2 > outer:
                continue
            for i in range(first, last):
                dx, dy, dz = mobile[i, 0] - frozen[j, 0], mobile[i, 1] - frozen[j, 1], mobile[i, 2] - frozen[j, 2]
                if dx * dx + dy * dy + dz * dz < squared:
                    out[count] = j
                    count += 1
                    break
        starts[b + 1] = count
    return out[:count].copy(), starts


@compiled
def _frozen_pairs(atoms: FloatArray, cutoff: float) -> float:
    """Return the energy among atoms, rows of ``atoms`` being x, y, z, charge, half sigma, 2 sqrt(epsilon)."""
    x, y, z, q, s, e = atoms[0], atoms[1], atoms[2], atoms[3], atoms[4], atoms[5]
    squared, shift, total = cutoff * cutoff, 1.0 / cutoff, 0.0
    for i in range(atoms.shape[1]):
        own = 0.0
        for j in range(i + 1, atoms.shape[1]):
            dx, dy, dz = x[i] - x[j], y[i] - y[j], z[i] - z[j]
            r2 = dx * dx + dy * dy + dz * dz
            inside = 1.0 if r2 < squared else 0.0
            inverse = 1.0 / np.sqrt(r2)
            ratio = (s[i] + s[j]) * inverse
            six = ratio * ratio * ratio * ratio * ratio * ratio
            own += inside * (e[i] * e[j] * (six * six - six) + q[i] * q[j] * (inverse - shift))
        total += own
    return total


@compiled
def _among_mobile(atoms: FloatArray, cutoff: float, gradient: FloatArray) -> float:
    """Return the energy of pairs of mobile atoms and add to its gradient, (3, m).

    No loop both sums and stores: how such a one is cut into vectors may hang on where its arrays lie in memory.
    """
    x, y, z, q, s, e = atoms[0], atoms[1], atoms[2], atoms[3], atoms[4], atoms[5]
    gx, gy, gz = gradient[0], gradient[1], gradient[2]
    m, squared, shift, total = atoms.shape[1], cutoff * cutoff, 1.0 / cutoff, 0.0
    energy, pull = np.empty(m), np.empty(m)
    for i in range(m):
        for j in range(i + 1, m):
            dx, dy, dz = x[i] - x[j], y[i] - y[j], z[i] - z[j]
            r2 = dx * dx + dy * dy + dz * dz
            inside = 1.0 if r2 < squared else 0.0
            inverse2 = 1.0 / r2
            inverse = np.sqrt(inverse2)
            ratio2 = (s[i] + s[j]) * (s[i] + s[j]) * inverse2
            six = ratio2 * ratio2 * ratio2
            lj, qq = inside * e[i] * e[j] * six, inside * q[i] * q[j]
            energy[j] = lj * (six - 1.0) + qq * (inverse - shift)
            pull[j] = -(lj * (12.0 * six - 6.0) + qq * inverse) * inverse2
        own = ax = ay = az = 0.0
        for j in range(i + 1, m):
            own += energy[j]
            ax += pull[j] * (x[i] - x[j])
            ay += pull[j] * (y[i] - y[j])
            az += pull[j] * (z[i] - z[j])
        for j in range(i + 1, m):
            gx[j] -= pull[j] * (x[i] - x[j])
            gy[j] -= pull[j] * (y[i] - y[j])
            gz[j] -= pull[j] * (z[i] - z[j])
        gx[i] += ax
        gy[i] += ay
        gz[i] += az
        total += own
    return total


@compiled
def _with_frozen(
    atoms: FloatArray, around: FloatArray, starts: IntArray, block: int, cutoff: float, gradient: FloatArray
) -> float:
    """Return the energy between mobile atoms and their block's neighbours and add to its gradient, (3, m)."""
    squared, shift, total = cutoff * cutoff, 1.0 / cutoff, 0.0
    for b in range(len(starts) - 1):
        part = around[:, starts[b] : starts[b + 1]]
        x, y, z, q, s, e = part[0], part[1], part[2], part[3], part[4], part[5]
        for i in range(b * block, min(atoms.shape[1], (b + 1) * block)):
            xi, yi, zi, qi, si, ei = atoms[0, i], atoms[1, i], atoms[2, i], atoms[3, i], atoms[4, i], atoms[5, i]
            own = ax = ay = az = 0.0
            for j in range(part.shape[1]):
                dx, dy, dz = xi - x[j], yi - y[j], zi - z[j]
                r2 = dx * dx + dy * dy + dz * dz
                inside = 1.0 if r2 < squared else 0.0
                inverse2 = 1.0 / r2
                inverse = np.sqrt(inverse2)
                ratio2 = (si + s[j]) * (si + s[j]) * inverse2
                six = ratio2 * ratio2 * ratio2
                lj, qq = inside * ei * e[j] * six, inside * qi * q[j]
                own += lj * (six - 1.0) + qq * (inverse - shift)
                pull = -(lj * (12.0 * six - 6.0) + qq * inverse) * inverse2
                ax += pull * dx
                ay += pull * dy
                az += pull * dz
            gradient[0, i] += ax
            gradient[1, i] += ay
            gradient[2, i] += az
            total += own
    return total


@compiled
def _exceptions(
    xyz: FloatArray, pairs: IntArray, plain: FloatArray, values: FloatArray, cutoff: float, gradient: FloatArray
) -> float:
    """Return what listed pairs have in place of their plain interaction, and add to its gradient, (n, 3).

    Both tables hold charge product (kcal/mol A), sigma (A) and 4 epsilon (kcal/mol); the plain one ends at the cut-off.
    """
    total, squared, shift = 0.0, cutoff * cutoff, 1.0 / cutoff
    for k in range(len(pairs)):
        i, j = pairs[k]
        dx, dy, dz = xyz[i, 0] - xyz[j, 0], xyz[i, 1] - xyz[j, 1], xyz[i, 2] - xyz[j, 2]
        r2 = dx * dx + dy * dy + dz * dz
        inverse2 = 1.0 / r2
        inverse = np.sqrt(inverse2)
        ratio2 = values[k, 1] * values[k, 1] * inverse2
        six = ratio2 * ratio2 * ratio2
        total += values[k, 2] * six * (six - 1.0) + values[k, 0] * inverse
        pull = -(values[k, 2] * six * (12.0 * six - 6.0) + values[k, 0] * inverse) * inverse2
        if r2 < squared:
            ratio2 = plain[k, 1] * plain[k, 1] * inverse2
            six = ratio2 * ratio2 * ratio2
            total -= plain[k, 2] * six * (six - 1.0) + plain[k, 0] * (inverse - shift)
            pull += (plain[k, 2] * six * (12.0 * six - 6.0) + plain[k, 0] * inverse) * inverse2
        gradient[i, 0] += pull * dx
        gradient[i, 1] += pull * dy
        gradient[i, 2] += pull * dz
        gradient[j, 0] -= pull * dx
        gradient[j, 1] -= pull * dy
        gradient[j, 2] -= pull * dz
    return total


@compiled
def _bonds(xyz: FloatArray, atoms: IntArray, values: FloatArray, gradient: FloatArray) -> float:
    """Return the energy of bonds, half k (r - r0)^2, and add to its gradient."""
    total = 0.0
    for row in range(len(atoms)):
        i, j = atoms[row]
        d = xyz[i] - xyz[j]
        r = np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        off = r - values[row, 0]
        total += 0.5 * values[row, 1] * off * off
        for c in range(3):
            g = values[row, 1] * off * d[c] / r
            gradient[i, c] += g
            gradient[j, c] -= g
    return total


@compiled
def _angles(xyz: FloatArray, atoms: IntArray, values: FloatArray, gradient: FloatArray) -> float:
    """Return the energy of angles, half k (theta - theta0)^2, and add to its gradient."""
    total = 0.0
    for row in range(len(atoms)):
        i, j, k = atoms[row]
        u, w = xyz[i] - xyz[j], xyz[k] - xyz[j]
        u_length = np.sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])
        w_length = np.sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2])
        cosine = (u[0] * w[0] + u[1] * w[1] + u[2] * w[2]) / (u_length * w_length)
        cosine = min(1.0, max(-1.0, cosine))
        off = np.arccos(cosine) - values[row, 0]
        total += 0.5 * values[row, 1] * off * off
        pull = -values[row, 1] * off / max(np.sqrt(1.0 - cosine * cosine), 1e-6)
        for c in range(3):
            first = pull * (w[c] / w_length - cosine * u[c] / u_length) / u_length
            last = pull * (u[c] / u_length - cosine * w[c] / w_length) / w_length
            gradient[i, c] += first
            gradient[k, c] += last
            gradient[j, c] -= first + last
    return total


@compiled
def _torsions(xyz: FloatArray, atoms: IntArray, values: FloatArray, gradient: FloatArray) -> float:
    """Return the energy of torsions, k (1 + cos(n phi - phase)), and add to its gradient.

    Blondel, Karplus, J. Comput. Chem. 1996, 17, 1132.
    """
    total = 0.0
    a, b = np.empty(3), np.empty(3)
    for row in range(len(atoms)):
        i, j, k, o = atoms[row]
        f, g, h = xyz[i] - xyz[j], xyz[j] - xyz[k], xyz[o] - xyz[k]
        for c in range(3):
            d, t = (c + 1) % 3, (c + 2) % 3
            a[c] = f[d] * g[t] - f[t] * g[d]
            b[c] = h[d] * g[t] - h[t] * g[d]
        a2 = max(a[0] * a[0] + a[1] * a[1] + a[2] * a[2], 1e-12)
        b2 = max(b[0] * b[0] + b[1] * b[1] + b[2] * b[2], 1e-12)
        length = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
        cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
        sine = -length * (b[0] * f[0] + b[1] * f[1] + b[2] * f[2])
        phi = np.arctan2(sine, cosine)
        n, phase, barrier = values[row, 0], values[row, 1], values[row, 2]
        total += barrier * (1.0 + np.cos(n * phi - phase))
        pull = -barrier * n * np.sin(n * phi - phase)
        fg = (f[0] * g[0] + f[1] * g[1] + f[2] * g[2]) / (a2 * length)
        hg = (h[0] * g[0] + h[1] * g[1] + h[2] * g[2]) / (b2 * length)
        for c in range(3):
            first, last = -pull * length / a2 * a[c], pull * length / b2 * b[c]
            middle = pull * (fg * a[c] - hg * b[c])
            gradient[i, c] += first
            gradient[j, c] += middle - first
            gradient[k, c] -= middle + last
            gradient[o, c] += last
    return total


class RegionField:
    """The energy of a region in a given geometry of its frozen atoms.

    Parameters
    ----------
    stiffness : Stiffness
        Of the region's n atoms.
    mobile : (n,) bool
        Which of them move.
    reference : (n, 3) float
        Where restraints hold them, Angstrom.
    dielectric : float
        Charges are divided by its square root.
    cutoff : float
        Angstrom; the Coulomb term is shifted to zero there.
    """

    def __init__(
        self,
        stiffness: Stiffness,
        mobile: NDArray[np.bool_],
        reference: FloatArray,
        dielectric: float,
        cutoff: float,
    ) -> None:
        p = stiffness.parameters
        self._mobile, self._frozen = np.flatnonzero(mobile), np.flatnonzero(~mobile)
        self._cutoff = float(cutoff)
        self._table = np.zeros((6, len(mobile)))
        self._table[3] = p.charges * np.sqrt(COULOMB_CONSTANT / dielectric)
        self._table[4], self._table[5] = 0.5 * p.sigma, 2.0 * np.sqrt(p.epsilon)
        moves = np.asarray(mobile[p.exception_atoms]).any(axis=1)
        self._pairs = self._exceptions_of(stiffness, np.flatnonzero(moves), dielectric)
        self._still = self._exceptions_of(stiffness, np.flatnonzero(~moves), dielectric)
        self._bonds = _contiguous(p.bond_atoms), _contiguous(p.bond_parameters)
        self._angles = _contiguous(p.angle_atoms), _contiguous(p.angle_parameters)
        turns = p.torsion_parameters[:, 2] != 0.0
        self._torsions = _contiguous(p.torsion_atoms[turns]), _contiguous(p.torsion_parameters[turns])
        self._held = stiffness.restraints[self._mobile][:, None]
        self._places = reference[self._mobile]
        self._xyz = np.array(reference, dtype=np.float64)
        self._listed: FloatArray | None = None
        self._around = np.zeros((6, 0))
        self._starts = np.zeros(1, dtype=np.int64)
        self._own = np.zeros((6, 0))
        self._constant = 0.0

    def _exceptions_of(
        self, stiffness: Stiffness, rows: IntArray, dielectric: float
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        p = stiffness.parameters
        atoms = _contiguous(p.exception_atoms[rows])
        i, j = atoms.T
        _, _, _, q, s, e = self._table
        plain = np.stack([q[i] * q[j], s[i] + s[j], e[i] * e[j]], axis=1)
        values = p.exception_parameters[rows] * [COULOMB_CONSTANT / dielectric, 1.0, 4.0]
        return atoms, plain, _contiguous(values)

    def place(self, xyz: FloatArray) -> None:
        """Take the frozen atoms of a geometry.

        Parameters
        ----------
        xyz : (n, 3) float
            Angstrom.
        """
        self._xyz = np.array(xyz, dtype=np.float64)
        self._table[:3] = self._xyz.T
        self._listed = None
        still = _frozen_pairs(np.ascontiguousarray(self._table[:, self._frozen]), self._cutoff)
        self._constant = still + _exceptions(self._xyz, *self._still, self._cutoff, np.zeros_like(self._xyz))

    def evaluate(self, xyz: FloatArray) -> tuple[float, FloatArray]:
        """Return the energy and its gradient.

        Parameters
        ----------
        xyz : (m, 3) float
            The mobile atoms, Angstrom.

        Returns
        -------
        energy : float
            kcal/mol, pairs of frozen atoms included.
        gradient : (m, 3) float
            kcal/mol/A.
        """
        if self._listed is None or ((xyz - self._listed) ** 2).sum(axis=1).max() > SKIN**2:
            self._list(xyz)
        self._xyz[self._mobile] = xyz
        atoms = self._own
        atoms[:3] = xyz.T
        pairs = np.zeros((3, len(self._mobile)))
        full = np.zeros_like(self._xyz)
        energy = self._constant
        energy += _among_mobile(atoms, self._cutoff, pairs)
        energy += _with_frozen(atoms, self._around, self._starts, BLOCK, self._cutoff, pairs)
        energy += _exceptions(self._xyz, *self._pairs, self._cutoff, full)
        energy += _bonds(self._xyz, *self._bonds, full)
        energy += _angles(self._xyz, *self._angles, full)
        energy += _torsions(self._xyz, *self._torsions, full)
        off = xyz - self._places
        energy += float((self._held * off**2).sum())
        return energy, full[self._mobile] + pairs.T + 2.0 * self._held * off

    def _list(self, xyz: FloatArray) -> None:
        """Find the frozen neighbours of each block of mobile atoms."""
        frozen = self._xyz[self._frozen]
        near, self._starts = _neighbours(np.ascontiguousarray(xyz), frozen, self._cutoff + SKIN, BLOCK)
        self._around = np.ascontiguousarray(self._table[:, self._frozen[near]])
        self._own = np.ascontiguousarray(self._table[:, self._mobile])
        self._listed = np.array(xyz)


def _contiguous(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values)
