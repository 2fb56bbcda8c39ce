"""How different two poses are, and which are one: RMSD that knows the molecule's symmetry, and leader clustering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, IntArray, Ligand
from dockkit.core.molecule import skeleton, to_rdkit

CLUSTER_RMSD: Final = 2.0
"""Angstrom, heavy atoms, no superposition: a pose this close to a leader belongs to it."""

MAX_SYMMETRIES: Final = 20_000
"""Ways to lay the molecule on itself that are looked at; beyond, the RMSD is an upper bound."""


class Symmetry:
    """The ways a molecule's heavy atoms can be laid on themselves: by element and connection, whatever bond orders say.

    Parameters
    ----------
    ligand : Ligand
        Resonance forms (carboxylates, guanidines, phosphates) are symmetric too, as no bond order counts.

    Attributes
    ----------
    heavy : (n_heavy,) int
        Indices of the heavy atoms.
    maps : (n_maps, n_heavy) int
        Each row: the heavy atom (position in ``heavy``) that stands in for each one.
    """

    def __init__(self, ligand: Ligand) -> None:
        plain, index = skeleton(to_rdkit(ligand))
        found = plain.GetSubstructMatches(plain, uniquify=False, maxMatches=MAX_SYMMETRIES)
        self.heavy: IntArray = np.array(index, dtype=np.int64)
        self.maps: IntArray = np.array(found or [range(len(index))], dtype=np.int64).reshape(-1, len(index))

    def rmsd(self, first: FloatArray, second: FloatArray) -> float:
        """Return the smallest heavy-atom RMSD over the symmetries, without superposition, Angstrom.

        Parameters
        ----------
        first, second : (n_atoms, 3) float
            All atoms of the molecule, Angstrom.
        """
        a, b = np.asarray(first)[self.heavy], np.asarray(second)[self.heavy]
        squared = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        rows = np.arange(len(self.heavy))
        return float(np.sqrt(squared[rows, self.maps].mean(axis=1).min()))

    def matrix(self, poses: Sequence[FloatArray]) -> FloatArray:
        """Return the RMSD of every pose to every other, (n_poses, n_poses), Angstrom."""
        n = len(poses)
        table = np.zeros((n, n))
        for i in range(n):
            for j in range(i):
                table[i, j] = table[j, i] = self.rmsd(poses[i], poses[j])
        return table


def symmetry_rmsd(ligand: Ligand, first: FloatArray, second: FloatArray) -> float:
    """Return the heavy-atom RMSD of two poses of one molecule, symmetry counted, no superposition, Angstrom.

    Parameters
    ----------
    ligand : Ligand
    first, second : (n_atoms, 3) float
        Angstrom, in the ligand's atom order.
    """
    return Symmetry(ligand).rmsd(first, second)


def leader_clusters(ligand: Ligand, poses: Sequence[FloatArray], cutoff: float = CLUSTER_RMSD) -> IntArray:
    """Cluster poses: each joins the first leader within the cutoff, or leads a cluster of its own.

    Parameters
    ----------
    ligand : Ligand
    poses : sequence of (n_atoms, 3) float
        Best first, since the order decides who leads; Angstrom.
    cutoff : float
        Angstrom.

    Returns
    -------
    (n_poses,) int
        Cluster of each pose, from 1 in the order of their leaders; never two leaders within the cutoff.

    Raises
    ------
    DockingError
        The cutoff is not positive.
    """
    if not cutoff > 0:
        raise DockingError(f"a cluster radius of {cutoff} A makes no sense; give a positive one")
    symmetry = Symmetry(ligand)
    leaders: list[int] = []
    clusters = np.zeros(len(poses), dtype=np.int64)
    for k, pose in enumerate(poses):
        near = (c for c, leader in enumerate(leaders, start=1) if symmetry.rmsd(pose, poses[leader]) <= cutoff)
        clusters[k] = next(near, 0)
        if not clusters[k]:
            leaders.append(k)
            clusters[k] = len(leaders)
    return clusters
