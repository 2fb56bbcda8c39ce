"""Rings of amino acids and bonds that pass through them: the one clash that no minimisation undoes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from dockkit.core.model import FloatArray

RINGS: Final = {
    "PHE": (("CG", "CD1", "CE1", "CZ", "CE2", "CD2"),),
    "TYR": (("CG", "CD1", "CE1", "CZ", "CE2", "CD2"),),
    "PTR": (("CG", "CD1", "CE1", "CZ", "CE2", "CD2"),),
    "TRP": (("CG", "CD1", "NE1", "CE2", "CD2"), ("CD2", "CE2", "CZ2", "CH2", "CZ3", "CE3")),
    "HIS": (("CG", "ND1", "CE1", "NE2", "CD2"),),
    "PRO": (("N", "CA", "CB", "CG", "CD"),),
}
"""Atom names around each ring, by residue name."""


def residue_rings(name: str, xyz: Mapping[str, FloatArray]) -> list[FloatArray]:
    """Return the vertices (n, 3) of each whole ring of a residue with atoms ``xyz``, Angstrom."""
    return [np.array([xyz[a] for a in ring]) for ring in RINGS.get(name, ()) if all(a in xyz for a in ring)]


def pierced(ring: FloatArray, starts: FloatArray, ends: FloatArray) -> FloatArray:
    """Tell which bonds pass through a ring.

    The ring is taken as triangles about its centre; each bond is intersected with each (Moeller & Trumbore, J. Graph.
    Tools 1997, 2, 21-28). A bond that has an end on the ring's rim does not pass through it.

    Parameters
    ----------
    ring : (n, 3) float
        Vertices in order, Angstrom.
    starts, ends : (m, 3) float
        Ends of the bonds.

    Returns
    -------
    (m,) bool
    """
    centre = ring.mean(axis=0)
    first, second = ring - centre, np.roll(ring, -1, axis=0) - centre
    ray = (ends - starts)[:, None]
    normal = np.cross(ray, second[None])
    volume = (normal * first[None]).sum(-1)
    safe = np.where(np.abs(volume) < 1e-9, 1.0, volume)
    from_centre = (starts - centre)[:, None]
    u = (normal * from_centre).sum(-1) / safe
    other = np.cross(from_centre, first[None])
    v = (other * ray).sum(-1) / safe
    along = (other * second[None]).sum(-1) / safe
    edge = 1e-6
    inside = (u >= -edge) & (v >= -edge) & (u + v <= 1.0 + edge) & (along > 1e-3) & (along < 1.0 - 1e-3)
    own = np.linalg.norm(np.stack([starts, ends])[:, :, None] - ring[None, None], axis=-1).min(axis=(0, 2)) < 0.1
    return np.asarray((inside & (np.abs(volume) >= 1e-9)).any(axis=1) & ~own)


def count_piercings(rings: Iterable[FloatArray], starts: FloatArray, ends: FloatArray) -> int:
    """Return how many ring-bond pairs pass through each other; bonds (m, 3) and (m, 3), Angstrom."""
    middle = 0.5 * (starts + ends)
    total = 0
    for ring in rings:
        near = np.linalg.norm(middle - ring.mean(axis=0), axis=1) < 3.5
        if near.any():
            total += int(pierced(ring, starts[near], ends[near]).sum())
    return total
