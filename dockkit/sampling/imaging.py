"""Put molecules of a periodic box back beside each other, and find the waters around the ligand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm

from dockkit.core.model import FloatArray, IntArray
from dockkit.sampling.setup import Setup

_NEIGHBOURS = np.stack(np.meshgrid(*[np.arange(-1.0, 2.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def minimum_image(vectors: FloatArray, box: FloatArray) -> FloatArray:
    """Return the shortest periodic images of vectors.

    Parameters
    ----------
    vectors : (n, 3) float
        Angstrom.
    box : (3, 3) float
        Angstrom, OpenMM's reduced form (rows; lower triangle).

    Returns
    -------
    (n, 3) float
        Differences from ``vectors`` are lattice vectors.
    """
    out = np.array(vectors, dtype=np.float64)
    for row in (2, 1, 0):
        out -= np.round(out[:, row] / box[row, row])[:, None] * box[row]
    unsure = np.flatnonzero(np.linalg.norm(out, axis=1) > 0.5 * np.diag(box).min())
    images = out[unsure, None] + _NEIGHBOURS @ box
    out[unsure] = images[np.arange(len(unsure)), np.linalg.norm(images, axis=-1).argmin(axis=1)]
    return out


@dataclass(frozen=True, slots=True)
class Imaging:
    """How the molecules of a setup stand to each other at the start.

    Parameters
    ----------
    setup : Setup
    molecules : tuple of (n,) int
        Positions in ``setup.saved`` of each molecule that is saved, the largest one first.
    offsets : (n_molecules, 3) float
        Angstrom; centre of each relative to that of the largest.
    """

    setup: Setup
    molecules: tuple[IntArray, ...]
    offsets: FloatArray

    @classmethod
    def of(cls, setup: Setup, context: openmm.Context) -> Imaging:
        """Return the imaging of a setup; without a box there is nothing to do."""
        if not setup.periodic:
            return cls(setup, (), np.zeros((0, 3)))
        place = np.full(len(setup.coordinates), -1, dtype=np.int64)
        place[setup.saved] = np.arange(len(setup.saved))
        found = [place[np.array(atoms)] for atoms in context.getMolecules()]
        molecules = tuple(sorted((m[m >= 0] for m in found if (m >= 0).any()), key=len, reverse=True))
        start = setup.coordinates[setup.saved]
        centres = np.array([start[m].mean(axis=0) for m in molecules])
        return cls(setup, molecules, centres - centres[0])

    def apply(self, positions: FloatArray, box: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what is kept of a frame.

        Parameters
        ----------
        positions : (n_particles, 3) float
            Angstrom.
        box : (3, 3) float
            Angstrom.

        Returns
        -------
        coordinates : (n_saved, 3) float
            Each molecule in the image nearest to where it stood beside the largest one at the start.
        waters : (n_nearest, 3, 3) float
            The nearest bulk waters, in the image nearest to the centre.
        """
        saved = positions[self.setup.saved]
        if not self.molecules:
            return saved, np.zeros((0, 3, 3))
        centres = np.array([saved[m].mean(axis=0) for m in self.molecules])
        moved = centres - centres[0] - self.offsets
        shifts = minimum_image(moved, box) - moved
        for molecule, shift in zip(self.molecules, shifts, strict=True):
            saved[molecule] += shift
        if not self.setup.n_nearest:
            return saved, np.zeros((0, 3, 3))
        return saved, self._nearest(positions, saved, box)

    def _nearest(self, positions: FloatArray, saved: FloatArray, box: FloatArray) -> FloatArray:
        """Return the waters whose oxygens are nearest to any atom of the centre."""
        anchors = saved[np.searchsorted(self.setup.saved, self.setup.centre)]
        middle = anchors.mean(axis=0)
        oxygens = positions[self.setup.waters[:, 0]]
        vectors = minimum_image(oxygens - middle, box)
        reach = float(np.linalg.norm(anchors - middle, axis=1).max())
        far = np.linalg.norm(vectors, axis=1)
        candidates = np.argsort(far, kind="stable")[: max(4 * self.setup.n_nearest, 1)]
        if len(candidates) < len(far):
            limit = far[candidates[-1]] + 2.0 * reach
            candidates = np.flatnonzero(far <= limit)
        apart = np.linalg.norm(vectors[candidates, None] + middle - anchors, axis=-1).min(axis=1)
        chosen = candidates[np.argsort(apart, kind="stable")[: self.setup.n_nearest]]
        shifts: FloatArray = vectors[chosen] + middle - oxygens[chosen]
        waters: FloatArray = positions[self.setup.waters[chosen]] + shifts[:, None]
        return waters
