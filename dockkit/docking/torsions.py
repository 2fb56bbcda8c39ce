"""A molecule moved as one body with rotatable bonds: coordinates and gradients in torsion space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from dockkit.core.model import FloatArray, IntArray


class TorsionTree:
    """Rigid-body motion and torsions of one molecule.

    The variables are a shift (3, Angstrom), a rotation vector (3, radian, about the centre of the root) and one
    angle (radian) for each rotatable bond, all zero at the reference coordinates.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        The molecule; may hold other fragments, which stay where they are.
    reference : (n_atoms, 3) float
        Angstrom.
    root : sequence of int
        Atoms that no torsion moves; not empty.
    bonds : sequence of (int, int)
        Rotatable bonds, none in a ring. Which end moves is found from the root.
    """

    def __init__(
        self, mol: Chem.Mol, reference: FloatArray, root: Sequence[int], bonds: Sequence[tuple[int, int]]
    ) -> None:
        self.reference = np.array(reference, dtype=np.float64)
        self.root = list(root)
        self.body = _reachable(mol, self.root[0], None)
        self.axes = sorted((_outward(mol, self.root[0], pair) for pair in bonds), key=lambda axis: -len(axis[2]))
        self.n_variables = 6 + len(self.axes)

    def coordinates(self, variables: FloatArray) -> FloatArray:
        """Return the coordinates at ``variables``, (n_atoms, 3) Angstrom."""
        xyz = self.reference.copy()
        for angle, (start, end, moved) in zip(variables[6:], self.axes, strict=True):
            axis = xyz[end] - xyz[start]
            turn = rotation_matrix(angle * axis / math.sqrt(axis @ axis))
            xyz[moved] = (xyz[moved] - xyz[start]) @ turn.T + xyz[start]
        center = self.reference[self.root].mean(axis=0)
        turn = rotation_matrix(variables[3:6])
        xyz[self.body] = (xyz[self.body] - center) @ turn.T + center + variables[:3]
        return xyz

    def gradient(self, variables: FloatArray, xyz: FloatArray, forces: FloatArray) -> FloatArray:
        """Return the derivative by the variables from the derivative by the coordinates.

        Parameters
        ----------
        variables : (n_variables,) float
        xyz : (n_atoms, 3) float
            ``coordinates(variables)``.
        forces : (n_atoms, 3) float
            Derivative of a function by the coordinates.

        Returns
        -------
        (n_variables,) float
        """
        result = np.zeros(self.n_variables)
        body = forces[self.body]
        center = self.reference[self.root].mean(axis=0) + variables[:3]
        result[:3] = body.sum(axis=0)
        torque = _torque(xyz[self.body] - center, body)
        result[3:6] = _left_jacobian(variables[3:6]).T @ torque
        for k, (start, end, moved) in enumerate(self.axes):
            axis = xyz[end] - xyz[start]
            torque = _torque(xyz[moved] - xyz[start], forces[moved])
            result[6 + k] = torque @ axis / math.sqrt(axis @ axis)
        return result


def rotation_matrix(rotvec: FloatArray) -> FloatArray:
    """Return the matrix of a rotation vector (Rodrigues), (3, 3); it turns column vectors.

    Parameters
    ----------
    rotvec : (3,) float
        Axis times angle in radian.
    """
    x, y, z = (float(v) for v in rotvec)
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = x / angle, y / angle, z / angle
    c, s = math.cos(angle), math.sin(angle)
    t = 1.0 - c
    return np.array(
        [
            [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
            [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
            [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
        ]
    )


def _torque(arm: FloatArray, force: FloatArray) -> FloatArray:
    """Sum of cross products, read off the antisymmetric part of one matrix product; (3,)."""
    m = arm.T @ force
    return np.array([m[1, 2] - m[2, 1], m[2, 0] - m[0, 2], m[0, 1] - m[1, 0]])


def _left_jacobian(rotvec: FloatArray) -> FloatArray:
    """Left Jacobian of the rotation group (Chirikjian, Stochastic Models 2, 2012, section 10.6)."""
    angle = float(np.linalg.norm(rotvec))
    x, y, z = rotvec
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-6:
        return np.asarray(np.eye(3) + 0.5 * cross)
    first, second = (1.0 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross))


def _reachable(mol: Chem.Mol, start: int, blocked: int | None) -> IntArray:
    seen, stack = {start}, [start]
    while stack:
        for neighbour in mol.GetAtomWithIdx(stack.pop()).GetNeighbors():
            index = neighbour.GetIdx()
            if index not in seen and index != blocked:
                seen.add(index)
                stack.append(index)
    return np.array(sorted(seen), dtype=np.int64)


def _outward(mol: Chem.Mol, root: int, bond: tuple[int, int]) -> tuple[int, int, IntArray]:
    """Order a bond from the root outward and list the atoms beyond it."""
    first, second = bond
    beyond = _reachable(mol, second, first)
    if root in beyond:
        first, second = second, first
        beyond = _reachable(mol, second, first)
    return first, second, beyond
