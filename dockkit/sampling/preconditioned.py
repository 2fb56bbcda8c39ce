"""Minimise with L-BFGS in the metric of the bonded force field.

A bond is a thousand times stiffer than the slide of a side chain, so that a plain minimiser spends its steps on bonds.
Here each direction is first divided by an approximate Hessian: the positive part of bonds, angles, torsions, close
contacts and restraints (Packwood et al., J. Chem. Phys. 2016, 144, 164109; Mones, Ortner, Csanyi, Sci. Rep. 2018, 8,
13991). A pocket then takes some 100 evaluations of its energy where it took a thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import SuperLU, splu
from scipy.spatial import cKDTree

from dockkit.core.model import FloatArray, IntArray, Stiffness

CONTACT_REACH: Final = 4.5
"""Angstrom; pairs within it enter the metric where they repel."""

STIFFEST_CONTACT: Final = 700.0
"""kcal/mol/A^2; overlapping atoms of a new side chain would otherwise rule the metric."""

SOFTEST: Final = 5.0
"""kcal/mol/A^2, added to the diagonal: what a direction that nothing holds is taken to cost."""

MEMORY: Final = 20
REFRESH: Final = 40
"""Iterations after which the metric is made anew."""

LONGEST_STEP: Final = 0.2
"""Angstrom; no atom moves further in one iteration."""

PATIENCE: Final = 20
LEAST_GAIN: Final = 1e-3
"""kcal/mol; a descent that gains less in 20 iterations stands on the rounding of its forces, and ends."""

_ARMIJO: Final = 1e-4
_SHORTEST_STEP: Final = 1e-5
_ROUNDING: Final = 1e-6
"""Relative error of an energy summed in single precision."""

Evaluate = Callable[[FloatArray], tuple[float, FloatArray]]
"""Coordinates of the mobile atoms, (m, 3) Angstrom -> energy (kcal/mol) and its gradient, (m, 3) kcal/mol/A."""


class Metric:
    """The approximate Hessian of a region.

    Parameters
    ----------
    stiffness : Stiffness
        Of the region's n atoms.
    mobile : (n,) bool
        Which of them move.
    """

    def __init__(self, stiffness: Stiffness, mobile: NDArray[np.bool_]) -> None:
        p = stiffness.parameters
        self._mobile = np.flatnonzero(mobile)
        self._dof = np.full(len(mobile), -1, dtype=np.int64)
        self._dof[self._mobile] = np.arange(len(self._mobile))
        self._bonds, self._bond_k = p.bond_atoms, p.bond_parameters[:, 1]
        self._angles, self._angle_k = p.angle_atoms, p.angle_parameters[:, 1]
        self._torsions, self._torsion_k = _merged(
            p.torsion_atoms, np.abs(p.torsion_parameters[:, 2]) * p.torsion_parameters[:, 0] ** 2
        )
        self._sigma, self._epsilon = p.sigma, p.epsilon
        pairs = np.sort(p.exception_atoms, axis=1)
        self._excluded = np.sort(pairs[:, 0] * len(mobile) + pairs[:, 1])
        scaled = p.exception_parameters[:, 2] > 0.0
        scaled &= (self._dof[pairs] >= 0).any(axis=1)
        self._scaled = pairs[scaled], p.exception_parameters[scaled, 1], p.exception_parameters[scaled, 2]
        self._held = np.repeat(2.0 * stiffness.restraints[self._mobile], 3)

    def factor(self, xyz: FloatArray) -> SuperLU:
        """Return the factorised matrix at a geometry.

        Parameters
        ----------
        xyz : (n, 3) float
            Angstrom, every atom of the region.

        Returns
        -------
        SuperLU
            Of a (3 m, 3 m) positive definite matrix, kcal/mol/A^2; m mobile atoms.
        """
        contacts, contact_k = self._contacts(xyz)
        pairs, pair_k = np.concatenate([self._bonds, contacts]), np.concatenate([self._bond_k, contact_k])
        parts = [
            self._blocks(pairs, _stretches(xyz[pairs]), pair_k),
            self._blocks(self._angles, _bends(xyz[self._angles]), self._angle_k),
            self._blocks(self._torsions, _twists(xyz[self._torsions]), self._torsion_k),
        ]
        size = 3 * len(self._mobile)
        rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        matrix = scipy.sparse.csc_matrix((values, (rows, columns)), shape=(size, size))
        matrix += scipy.sparse.diags(self._held + SOFTEST, format="csc")
        return splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )  # fmt: skip

    def _contacts(self, xyz: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the pairs that repel each other, and the curvature of their Lennard-Jones energy."""
        near = cKDTree(xyz[self._mobile]).sparse_distance_matrix(cKDTree(xyz), CONTACT_REACH, output_type="ndarray")
        first, second = self._mobile[near["i"]], near["j"]
        low, high = np.minimum(first, second), np.maximum(first, second)
        code = np.unique((low * len(xyz) + high)[low < high])
        code = code[~np.isin(code, self._excluded, assume_unique=True)]
        pairs = np.stack([code // len(xyz), code % len(xyz)], axis=1)
        sigma = 0.5 * self._sigma[pairs].sum(axis=1)
        epsilon = np.sqrt(self._epsilon[pairs].prod(axis=1))
        pairs = np.concatenate([pairs, self._scaled[0]])
        sigma, epsilon = np.concatenate([sigma, self._scaled[1]]), np.concatenate([epsilon, self._scaled[2]])
        r = np.maximum(np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1), 0.1)
        six = (sigma / r) ** 6
        curvature = 4.0 * epsilon * (156.0 * six * six - 42.0 * six) / r**2
        repel = curvature > 0.0
        return pairs[repel], np.minimum(curvature[repel], STIFFEST_CONTACT)

    def _blocks(self, atoms: IntArray, gradient: FloatArray, k: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return rows, columns and values of sum k g g^T over internal coordinates with gradients g."""
        flat = gradient.reshape(len(atoms), 3 * atoms.shape[1])
        dof = self._dof[atoms]
        index = np.where(dof[:, :, None] >= 0, 3 * dof[:, :, None] + np.arange(3), -1).reshape(flat.shape)
        rows = np.broadcast_to(index[:, :, None], (*index.shape, index.shape[1]))
        columns = rows.swapaxes(1, 2)
        values = k[:, None, None] * flat[:, :, None] * flat[:, None, :]
        kept = (rows >= 0) & (columns >= 0)
        return rows[kept], columns[kept], values[kept]


def _merged(atoms: IntArray, k: FloatArray) -> tuple[IntArray, FloatArray]:
    """Add up the Fourier terms of one torsion."""
    unique, inverse = np.unique(atoms, axis=0, return_inverse=True)
    summed = np.bincount(inverse.ravel(), weights=k, minlength=len(unique))
    return unique, np.asarray(summed, dtype=np.float64)


def _unit(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / length, length


def _stretches(xyz: FloatArray) -> FloatArray:
    """Return the gradients of distances, (q, 2, 3)."""
    along, _ = _unit(xyz[:, 0] - xyz[:, 1])
    return np.stack([along, -along], axis=1)


def _bends(xyz: FloatArray) -> FloatArray:
    """Return the gradients of angles, (q, 3, 3)."""
    u, u_length = _unit(xyz[:, 0] - xyz[:, 1])
    w, w_length = _unit(xyz[:, 2] - xyz[:, 1])
    cosine = (u * w).sum(axis=1, keepdims=True)
    sine = np.sqrt(np.maximum(1.0 - cosine**2, 1e-4))
    first, last = (cosine * u - w) / (u_length * sine), (cosine * w - u) / (w_length * sine)
    return np.stack([first, -first - last, last], axis=1)


def _twists(xyz: FloatArray) -> FloatArray:
    """Return the gradients of dihedral angles, (q, 4, 3) (Blondel, Karplus, J. Comput. Chem. 1996, 17, 1132)."""
    f, g, h = xyz[:, 0] - xyz[:, 1], xyz[:, 1] - xyz[:, 2], xyz[:, 3] - xyz[:, 2]
    a, b = np.cross(f, g), np.cross(h, g)
    a2, b2 = (np.maximum((v * v).sum(axis=1, keepdims=True), 1e-2) for v in (a, b))
    length = np.linalg.norm(g, axis=1, keepdims=True)
    fg, hg = (f * g).sum(axis=1, keepdims=True), (h * g).sum(axis=1, keepdims=True)
    first, last = -length / a2 * a, length / b2 * b
    middle = fg / (a2 * length) * a - hg / (b2 * length) * b
    return np.stack([first, -first + middle, -last - middle, last], axis=1)


def descend(
    evaluate: Evaluate, metric: Metric, xyz: FloatArray, mobile: IntArray, max_iterations: int, tolerance: float
) -> tuple[FloatArray, float]:
    """Minimise.

    Parameters
    ----------
    evaluate : callable
        Of the mobile atoms' coordinates.
    metric : Metric
    xyz : (n, 3) float
        Angstrom, every atom of the region.
    mobile : (m,) int
        Indices of the mobile ones.
    max_iterations : int
    tolerance : float
        Root-mean-square of the mobile atoms' force components at which it ends, kcal/mol/A.

    Returns
    -------
    xyz : (n, 3) float
        Angstrom.
    energy : float
        kcal/mol; not finite where the start's is not.
    """
    here = np.array(xyz, dtype=np.float64)
    energy, gradient = evaluate(here[mobile])
    history: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=MEMORY)
    solve: SuperLU | None = None
    milestone = energy
    for iteration in range(max_iterations):
        if iteration and iteration % PATIENCE == 0:
            if milestone - energy < LEAST_GAIN:
                break
            milestone = energy
        if not np.isfinite(energy) or np.sqrt(np.mean(gradient**2)) < tolerance:
            break
        if solve is None or iteration % REFRESH == 0:
            solve = metric.factor(here)
        step = -_scaled(gradient.ravel(), history, solve).reshape(-1, 3)
        found = _search(evaluate, here[mobile], step, energy, gradient)
        if found is None:
            if not history:
                break
            history.clear()
            continue
        moved, energy, new_gradient = found
        change, turn = (moved - here[mobile]).ravel(), (new_gradient - gradient).ravel()
        if (curvature := float(change @ turn)) > 0.0:
            history.append((change, turn, curvature))
        here[mobile], gradient = moved, new_gradient
    return here, energy


def _scaled(gradient: FloatArray, history: deque[tuple[FloatArray, FloatArray, float]], solve: SuperLU) -> FloatArray:
    """Return the inverse Hessian times the gradient, by the two loops of L-BFGS."""
    q: FloatArray = gradient.copy()
    weights: list[float] = []
    for change, turn, curvature in reversed(history):
        weights.append(float(change @ q) / curvature)
        q -= weights[-1] * turn
    q = np.asarray(solve.solve(q), dtype=np.float64)
    if history:
        _, turn, curvature = history[-1]
        q *= curvature / float(turn @ solve.solve(turn))
    for (change, turn, curvature), weight in zip(history, reversed(weights), strict=True):
        q += (weight - float(turn @ q) / curvature) * change
    return q


def _search(
    evaluate: Evaluate, start: FloatArray, step: FloatArray, energy: float, gradient: FloatArray
) -> tuple[FloatArray, float, FloatArray] | None:
    """Walk along a direction until the energy falls enough; None where it does not."""
    slope = float((gradient * step).sum())
    if slope >= 0.0:
        return None
    length = min(1.0, LONGEST_STEP / float(np.sqrt((step**2).sum(axis=1).max())))
    while length > _SHORTEST_STEP:
        moved = start + length * step
        found, there = evaluate(moved)
        if found <= energy + _ARMIJO * length * slope + _ROUNDING * abs(energy):
            return moved, found, there
        bent = found - energy - slope * length
        guess = -slope * length**2 / (2.0 * bent) if np.isfinite(bent) else 0.1 * length
        length = float(np.clip(guess, 0.1 * length, 0.5 * length))
    return None
