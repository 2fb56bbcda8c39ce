"""Turn hydroxyl hydrogens to the ligand: preparation placed them before there was one, and minimisation cannot."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from dockkit.core.geometry import rotate_about
from dockkit.core.model import Assembly, FloatArray, IntArray
from dockkit.core.units import COULOMB_CONSTANT

STEP_DEGREES = 15.0
"""Spacing of the angles tried."""

ROUNDS = 2
"""Each hydroxyl is turned this often, so that neighbours can answer one another."""

_REACH = 10.0
_CONTACT = 1.6
_BONDS = {"SER": ("CB", "OG", "HG"), "THR": ("CB", "OG1", "HG1"), "TYR": ("CZ", "OH", "HH")}


def turn_hydroxyls(assembly: Assembly, coordinates: FloatArray, residues: IntArray, dielectric: float) -> FloatArray:
    """Turn the hydroxyl hydrogens of some residues to their lowest energy.

    Each hydrogen is turned about its C-O bond in steps of 15 degrees; the energy is Lennard-Jones plus Coulomb with all
    atoms within 10 A save its own C, O and their other hydrogens, whose distance does not matter or does not change.

    Parameters
    ----------
    assembly : Assembly
        The complex.
    coordinates : (n_atoms, 3) float
        Angstrom.
    residues : (n,) int
        Residue indices; those without an aliphatic or phenolic hydroxyl are passed over.
    dielectric : float
        Of the Coulomb term.

    Returns
    -------
    (n_atoms, 3) float
        A copy; an orientation changes only where another is lower.
    """
    xyz = np.array(coordinates, dtype=np.float64)
    for _ in range(ROUNDS):
        for residue in residues:
            atoms = _hydroxyl(assembly, int(residue))
            if atoms is not None:
                xyz[atoms[2]] = _best_position(assembly, xyz, atoms, dielectric)
    return xyz


def _hydroxyl(assembly: Assembly, residue: int) -> tuple[int, int, int] | None:
    receptor = assembly.receptor
    wanted = _BONDS.get(str(receptor.residue_names[residue]))
    if wanted is None:
        return None
    found = {str(receptor.atom_names[i]): int(i) for i in receptor.atom_indices(residue)}
    if not all(name in found for name in wanted):
        return None
    carbon, oxygen, hydrogen = (found[name] for name in wanted)
    return carbon, oxygen, hydrogen


def _best_position(assembly: Assembly, xyz: FloatArray, atoms: tuple[int, int, int], dielectric: float) -> FloatArray:
    carbon, oxygen, hydrogen = atoms
    p = assembly.parameters
    near = np.linalg.norm(xyz - xyz[oxygen], axis=1) < _REACH
    near[[carbon, oxygen, hydrogen]] = False
    others = np.flatnonzero(near)
    angles = np.arange(0.0, 360.0, STEP_DEGREES)
    axis = xyz[oxygen] - xyz[carbon]
    tried = rotate_about(np.tile(xyz[hydrogen], (len(angles), 1, 1)), xyz[oxygen], axis, angles)[:, 0]
    distance = cdist(tried, xyz[others])
    coulomb = COULOMB_CONSTANT / dielectric * p.charges[hydrogen] * p.charges[others] / distance
    sigma = 0.5 * (p.sigma[hydrogen] + p.sigma[others])
    six = (sigma / distance) ** 6
    lennard_jones = 4.0 * np.sqrt(p.epsilon[hydrogen] * p.epsilon[others]) * (six * six - six)
    # Amber's hydroxyl hydrogen has no Lennard-Jones radius; a soft wall keeps it out of neighbouring atoms.
    wall = np.where(distance < _CONTACT, 20.0 * (_CONTACT - distance) ** 2, 0.0)
    return np.asarray(tried[np.argmin((coulomb + lennard_jones + wall).sum(axis=1))], dtype=np.float64)
