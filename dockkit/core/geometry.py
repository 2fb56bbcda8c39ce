"""Geometry on coordinates: dihedrals, rotations, superposition, internal coordinates, hydrogens of a residue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.model import FloatArray
from dockkit.core.residues import ResidueTemplate


def unit_vector(vector: ArrayLike) -> FloatArray:
    """Return ``vector`` (..., 3) scaled to length 1."""
    array = np.asarray(vector, dtype=np.float64)
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=-1, keepdims=True), 1e-12))


def dihedral(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> FloatArray:
    """Return the dihedral angle a-b-c-d in degrees, -180 to 180, IUPAC sign; broadcasts over leading axes."""
    a, b, c, d = (np.asarray(p, dtype=np.float64) for p in (a, b, c, d))
    axis = unit_vector(c - b)
    v = (a - b) - np.sum((a - b) * axis, axis=-1, keepdims=True) * axis
    w = (d - c) - np.sum((d - c) * axis, axis=-1, keepdims=True) * axis
    return np.asarray(np.degrees(np.arctan2(np.sum(np.cross(axis, v) * w, axis=-1), np.sum(v * w, axis=-1))))


def angle_difference(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Return a - b in degrees, folded to -180..180."""
    return np.asarray((np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64) + 180.0) % 360.0 - 180.0)


def rotate_about(points: FloatArray, origin: ArrayLike, axis: ArrayLike, degrees: ArrayLike) -> FloatArray:
    """Turn points about an axis through ``origin`` (Rodrigues' formula).

    Parameters
    ----------
    points : (..., n, 3) float
        Angstrom.
    origin, axis : (..., 3) float
        A point on the axis and its direction; right-handed turn.
    degrees : (...) float
        Angle; the leading axes broadcast against those of ``points``.

    Returns
    -------
    (..., n, 3) float
        Turned copy.
    """
    start = np.asarray(origin, dtype=np.float64)[..., None, :]
    k = unit_vector(axis)[..., None, :]
    theta = np.radians(np.asarray(degrees, dtype=np.float64))[..., None, None]
    v = points - start
    turned = v * np.cos(theta) + np.cross(k, v) * np.sin(theta)
    turned = turned + k * np.sum(k * v, axis=-1, keepdims=True) * (1.0 - np.cos(theta))
    return np.asarray(start + turned)


def place_atom(a: ArrayLike, b: ArrayLike, c: ArrayLike, length: float, angle: float, torsion: float) -> FloatArray:
    """Return the point d with |c-d| = length, angle b-c-d and dihedral a-b-c-d (Angstrom, degrees), (3,) float."""
    a, b, c = (np.asarray(p, dtype=np.float64) for p in (a, b, c))
    bc = unit_vector(c - b)
    normal = unit_vector(np.cross(b - a, bc))
    side = np.cross(normal, bc)
    theta, phi = np.radians(angle), np.radians(torsion)
    local = -np.cos(theta) * bc + np.sin(theta) * (np.cos(phi) * side + np.sin(phi) * normal)
    return np.asarray(c + length * local)


def superposition(
    mobile: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the rotation and shift that lay ``mobile`` on ``target`` (Kabsch, Acta Cryst. A 1976, 32, 922).

    Parameters
    ----------
    mobile, target : (n, 3) float
        Angstrom, at least two distinct points.
    weights : (n,) float, optional
        Default 1.

    Returns
    -------
    rotation : (3, 3) float
    shift : (3,) float
        ``mobile @ rotation + shift`` lies on ``target``.
    """
    p, q = np.asarray(mobile, dtype=np.float64), np.asarray(target, dtype=np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    p0, q0 = w @ p / w.sum(), w @ q / w.sum()
    u, _, vt = np.linalg.svd(((p - p0) * w[:, None]).T @ (q - q0))
    sign = np.sign(np.linalg.det(u @ vt))
    rotation = u @ np.diag([1.0, 1.0, sign]) @ vt
    return rotation, q0 - p0 @ rotation


def lay_template(template: ResidueTemplate, placed: Mapping[str, FloatArray], anchors: list[str]) -> FloatArray:
    """Return the template's coordinates (n, 3) with its ``anchors`` laid on ``placed`` atoms, the first one exactly."""
    rows = [template.index(name) for name in anchors]
    target = np.array([placed[name] for name in anchors])
    weights = np.ones(len(anchors))
    weights[:2] = (10.0, 5.0)[: len(anchors)]
    rotation, _ = superposition(template.coordinates[rows], target, weights)
    return np.asarray((template.coordinates - template.coordinates[rows[0]]) @ rotation + target[0])


def template_chis(template: ResidueTemplate, coordinates: FloatArray | None = None) -> FloatArray:
    """Return the chi angles, (n_chi,) float in degrees, of the template as stored or of other coordinates (n, 3)."""
    xyz = template.coordinates if coordinates is None else coordinates
    points = [[xyz[template.index(name)] for name in chi.atoms] for chi in template.chis]
    return np.array([dihedral(*four) for four in points], dtype=np.float64).reshape(len(points))


def template_rotamers(template: ResidueTemplate, chis: FloatArray) -> FloatArray:
    """Return the template turned to each row of chi angles.

    Parameters
    ----------
    template : ResidueTemplate
    chis : (n, n_chi) float
        Degrees; ring chi angles (proline) are left as they are.

    Returns
    -------
    (n, n_atoms, 3) float
        In the template's frame; main-chain atoms do not move.
    """
    chis = np.asarray(chis, dtype=np.float64)
    xyz = np.repeat(template.coordinates[None], len(chis), axis=0)
    for column, chi in enumerate(template.chis):
        if not chi.moves:
            continue
        a, b, c, d = (template.index(name) for name in chi.atoms)
        moved = [template.index(name) for name in chi.moves]
        turn = angle_difference(chis[:, column], dihedral(xyz[:, a], xyz[:, b], xyz[:, c], xyz[:, d]))
        xyz[:, moved] = rotate_about(xyz[:, moved], xyz[:, c], xyz[:, c] - xyz[:, b], turn)
    return xyz
