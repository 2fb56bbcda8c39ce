"""Distances, fluctuations and hydrogen bonds of frames in a common frame of reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dockkit.core.model import FloatArray, IntArray, StrArray

HBOND_DISTANCE = 3.5
"""Angstrom between donor and acceptor heavy atoms."""

HBOND_ANGLE = 120.0
"""Degrees at the hydrogen, at least."""

_BOND_TO_HYDROGEN = 1.25


def rmsd(frames: FloatArray, reference: FloatArray) -> FloatArray:
    """Return the root-mean-square deviation of each frame, without superposition.

    Parameters
    ----------
    frames : (..., n_atoms, 3) float
        Angstrom.
    reference : (n_atoms, 3) float
        Angstrom, same frame of reference.

    Returns
    -------
    (...,) float
        Angstrom.
    """
    return np.asarray(np.sqrt(np.square(frames - reference).sum(axis=-1).mean(axis=-1)), dtype=np.float64)


def rmsf(frames: FloatArray) -> FloatArray:
    """Return each atom's root-mean-square fluctuation about its mean position.

    Parameters
    ----------
    frames : (n_frames, n_atoms, 3) float
        Angstrom, same frame of reference.

    Returns
    -------
    (n_atoms,) float
        Angstrom.
    """
    return np.asarray(np.sqrt(np.square(frames - frames.mean(axis=0)).sum(axis=-1).mean(axis=0)), dtype=np.float64)


def hydrogens_of(elements: StrArray, coordinates: FloatArray) -> dict[int, IntArray]:
    """Return the hydrogens bonded to each N, O or S atom, by distance.

    Parameters
    ----------
    elements : (n_atoms,) str
        Element symbols.
    coordinates : (n_atoms, 3) float
        Angstrom.

    Returns
    -------
    dict
        Heavy-atom index to the indices of its hydrogens.
    """
    hydrogen = np.flatnonzero(elements == "H")
    out: dict[int, IntArray] = {}
    for heavy in np.flatnonzero(np.isin(elements, ("N", "O", "S"))):
        near = np.linalg.norm(coordinates[hydrogen] - coordinates[heavy], axis=1) < _BOND_TO_HYDROGEN
        if near.any():
            out[int(heavy)] = hydrogen[near]
    return out


def is_hydrogen_bond(donor: FloatArray, hydrogen: FloatArray, acceptor: FloatArray) -> NDArray[np.bool_]:
    """Return whether a hydrogen bond is formed, by distance and angle.

    Parameters
    ----------
    donor, hydrogen, acceptor : (..., 3) float
        Angstrom.

    Returns
    -------
    (...,) bool
        Donor-acceptor within 3.5 A and the angle at the hydrogen 120 degrees or wider.
    """
    close = np.linalg.norm(donor - acceptor, axis=-1) <= HBOND_DISTANCE
    to_donor, to_acceptor = donor - hydrogen, acceptor - hydrogen
    norms = np.linalg.norm(to_donor, axis=-1) * np.linalg.norm(to_acceptor, axis=-1)
    cosine = (to_donor * to_acceptor).sum(axis=-1) / norms
    return np.asarray(close & (cosine <= np.cos(np.deg2rad(HBOND_ANGLE))))
