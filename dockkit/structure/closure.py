"""Backbone stretches between two fixed ends: grown from internal coordinates, closed by damped least squares.

The unknowns are torsions and, with little freedom, bond angles and omega. Each step is the smallest change, in a norm
that says how stiff each unknown is, that brings the end nearer to where it must be: the random tweak of Shenkin,
Yarmush, Fine, Wang & Levinthal (Biopolymers 1987, 26, 2053-2085) with the damping of Wampler (IEEE Trans. Syst. Man
Cybern. 1986, 16, 93-101). All candidates are closed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.geometry import angle_difference, dihedral, unit_vector
from dockkit.core.model import FloatArray

IDEAL_LENGTHS: Final = (1.329, 1.458, 1.525)
"""C-N, N-CA, CA-C, Angstrom (Engh & Huber, Acta Cryst. A 1991, 47, 392-400)."""

IDEAL_ANGLES: Final = (116.9, 121.7, 111.0)
"""CA-C-N, C-N-CA, N-CA-C, degrees (the same)."""

STIFFNESS: Final = {"torsion": 1.0, "omega": 0.02, "angle": 0.004}
"""Freedom of each unknown while closing, relative to phi and psi."""

DAMPING: Final = 0.02
LARGEST_STEP: Final = 25.0
"""Degrees of one torsion in one step."""

ITERATIONS: Final = 40
CLOSED: Final = 0.02
"""Root-mean-square distance of the three end atoms from their places at which a chain counts as closed, Angstrom."""


@dataclass(frozen=True, slots=True)
class Internal:
    """Internal coordinates of ``k`` chains of ``m`` atoms N, CA, C, N, CA, C ... that follow a fixed N, CA, C.

    Parameters
    ----------
    lengths : (m,) float
        Bond to the atom before, Angstrom.
    angles, torsions : (k, m) float
        At the atom before; about the bond before it. Degrees. Torsions are psi, omega, phi, psi ...
    """

    lengths: FloatArray
    angles: FloatArray
    torsions: FloatArray


def backbone_internal(backbone: FloatArray) -> Internal:
    """Return the internal coordinates of backbones (k, n + 1 residues, 3 atoms, 3) after their first residue."""
    k, n = backbone.shape[0], backbone.shape[1]
    atoms = backbone.reshape(k, 3 * n, 3)
    bond = atoms[:, 1:] - atoms[:, :-1]
    lengths = np.linalg.norm(bond, axis=-1).mean(axis=0)[2:]
    cosines = -np.sum(unit_vector(bond[:, :-1]) * unit_vector(bond[:, 1:]), axis=-1)
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))[:, 1:]
    torsions = dihedral(atoms[:, :-3], atoms[:, 1:-2], atoms[:, 2:-1], atoms[:, 3:])
    return Internal(lengths, angles, torsions)


def grow(stem: FloatArray, internal: Internal) -> FloatArray:
    """Return the atoms (k, m + 3, 3) of chains that start with ``stem`` (3, 3), its N, CA, C."""
    k, m = internal.torsions.shape
    atoms = np.empty((k, m + 3, 3))
    atoms[:, :3] = stem
    theta, phi = np.radians(internal.angles), np.radians(internal.torsions)
    local = np.stack([-np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)], axis=-1)
    local *= internal.lengths[:, None]
    for i in range(m):
        a, b, c = atoms[:, i], atoms[:, i + 1], atoms[:, i + 2]
        along = (c - b) / np.linalg.norm(c - b, axis=-1, keepdims=True)
        normal = np.cross(b - a, along)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        side = np.cross(normal, along)
        x = local[:, i]
        atoms[:, i + 3] = c + x[:, :1] * along + x[:, 1:2] * side + x[:, 2:] * normal
    return atoms


def _jacobian(atoms: FloatArray) -> FloatArray:
    """Return the motion of the three end atoms per radian of each torsion, then of each angle, (k, 2m, 9)."""
    k, total, _ = atoms.shape
    m = total - 3
    pivot = atoms[:, 2:-1]
    bond = unit_vector(atoms[:, 2:-1] - atoms[:, 1:-2])
    before = atoms[:, 1:-2] - atoms[:, 2:-1]
    after = atoms[:, 3:] - atoms[:, 2:-1]
    hinge = unit_vector(np.cross(before, after))
    arms = atoms[:, None, -3:] - pivot[:, :, None]
    moves = np.arange(3, total)[:, None] <= np.arange(total - 3, total)[None]
    turned = [np.cross(axis[:, :, None], arms) * moves[None, :, :, None] for axis in (bond, hinge)]
    return np.concatenate(turned, axis=1).reshape(k, 2 * m, 9)


def _freedom(m: int) -> FloatArray:
    kinds = np.arange(m) % 3
    torsions = np.where(kinds == 1, STIFFNESS["omega"], STIFFNESS["torsion"])
    return np.concatenate([torsions, np.full(m, STIFFNESS["angle"])])


def close(
    stem: FloatArray, internal: Internal, target: FloatArray, iterations: int = ITERATIONS
) -> tuple[Internal, FloatArray, FloatArray]:
    """Turn chains until their last residue's N, CA, C lie on ``target``.

    Parameters
    ----------
    stem, target : (3, 3) float
        N, CA, C of the fixed residues before and after, Angstrom.
    internal : Internal
        Starting chains; their last residue is that of ``target``, with its own bond lengths and angle.

    Returns
    -------
    internal : Internal
    atoms : (k, m + 3, 3) float
    misses : (k,) float
        Root-mean-square distance of the end atoms from ``target``, Angstrom.
    """
    angles, torsions = internal.angles.copy(), internal.torsions.copy()
    m = torsions.shape[1]
    freedom = _freedom(m)
    # The last angle, N-CA-C of the fixed residue after, is a fact.
    freedom[-1] = 0.0
    atoms = grow(stem, internal)
    misses = np.full(len(atoms), np.inf)
    for _ in range(iterations):
        error = (target[None] - atoms[:, -3:]).reshape(-1, 9)
        misses = np.sqrt((error**2).sum(axis=1) / 3.0)
        active = np.flatnonzero(misses > 0.2 * CLOSED)
        if len(active) == 0:
            break
        jacobian = _jacobian(atoms[active])
        weighted = jacobian * freedom[:, None]
        normal = np.einsum("kui,kuj->kij", weighted, jacobian)
        damped = normal + DAMPING * np.minimum(1.0, misses[active])[:, None, None] * np.eye(9)
        step = np.degrees(np.einsum("kui,ki->ku", weighted, np.linalg.solve(damped, error[active][..., None])[..., 0]))
        step *= np.minimum(1.0, LARGEST_STEP / np.maximum(np.abs(step).max(axis=1), 1e-9))[:, None]
        torsions[active] += step[:, :m]
        # The hinge axis is before x after: a right-handed turn about it opens the angle.
        angles[active] = np.clip(angles[active] + step[:, m:], 95.0, 140.0)
        atoms[active] = grow(stem, Internal(internal.lengths, angles[active], torsions[active]))
    error = (target[None] - atoms[:, -3:]).reshape(-1, 9)
    misses = np.sqrt((error**2).sum(axis=1) / 3.0)
    return Internal(internal.lengths, angles, angle_difference(torsions, 0.0)), atoms, misses


def place_oxygens(backbone: FloatArray) -> FloatArray:
    """Return the carbonyl oxygens (k, n - 1, 3) of backbones (k, n, 3 atoms, 3), the last residue's left out."""
    ca, c, following = backbone[:, :-1, 1], backbone[:, :-1, 2], backbone[:, 1:, 0]
    return np.asarray(c - 1.231 * unit_vector(unit_vector(ca - c) + unit_vector(following - c)))


def place_betas(backbone: FloatArray) -> FloatArray:
    """Return ideal C-beta positions (k, n, 3) of L residues from N, CA, C (k, n, 3 atoms, 3)."""
    n, ca, c = backbone[:, :, 0], backbone[:, :, 1], backbone[:, :, 2]
    b, d = unit_vector(n - ca), unit_vector(c - ca)
    middle, normal = unit_vector(b + d), unit_vector(np.cross(d, b))
    # Tetrahedral: CB lies opposite the bisector of N and C, on the L side of their plane.
    return np.asarray(ca + 1.53 * unit_vector(-0.58 * middle - 0.815 * normal))
