"""Hydrogens of waters, by the Coulomb energy with what is around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import rotate_about, unit_vector
from dockkit.core.hydrogens import polarity
from dockkit.core.model import FloatArray, HetGroup, StrArray
from dockkit.core.residues import WATER, WATER_ANGLE, WATER_BOND
from dockkit.core.units import COULOMB_CONSTANT
from dockkit.structure.hetero import CATIONS, partner_atoms
from dockkit.structure.repair import WorkResidue

DIELECTRIC: Final = 4.0
REACH: Final = 6.0
"""Atoms further than this from a water's oxygen do not turn it, Angstrom."""

HYDROGEN_CHARGE: Final = 0.417
"""Of TIP3P, e."""

_GIVES_AND_TAKES: Final = -0.3
"""Charge of a ligand's N or O that may be donor or acceptor, e."""

_SWEEPS: Final = 2
_DIRECTIONS: Final = 48
_STEP: Final = 15.0


def turn_waters(
    waters: Sequence[WorkResidue], residues: Sequence[WorkResidue], ligand: FloatArray, elements: StrArray
) -> None:
    """Place the hydrogens of waters by their Coulomb energy with what is around, in order, twice. Changes in place.

    Parameters
    ----------
    waters : sequence of WorkResidue
        With an oxygen each.
    residues : sequence of WorkResidue
        Protein with hydrogens, and metals.
    ligand : (n, 3) float
        Angstrom.
    elements : (n,) str
        Where no hydrogen is among them, what N and O of the ligand can do is told from its geometry.
    """
    if not waters:
        return
    xyz, charges = _charges(residues, ligand, elements)
    tree = cKDTree(xyz) if len(xyz) else None
    for _ in range(_SWEEPS):
        for water in waters:
            oxygen = water.xyz["O"]
            near = np.array(sorted(tree.query_ball_point(oxygen, REACH)) if tree is not None else [], dtype=np.int64)
            others = [w for w in waters if w is not water and np.linalg.norm(w.xyz["O"] - oxygen) < REACH]
            points = [*xyz[near], *(point for other in others for point in other.xyz.values())]
            q = [*charges[near], *(polarity(WATER, name) for other in others for name in other.xyz)]
            pair = _best_hydrogens(oxygen, np.array(points).reshape(-1, 3), np.array(q))
            water.xyz = {"O": oxygen, "H1": pair[0], "H2": pair[1]}


def _charges(residues: Sequence[WorkResidue], ligand: FloatArray, elements: StrArray) -> tuple[FloatArray, FloatArray]:
    rows = [
        (xyz, polarity(residue.name, atom, residue.absent)) for residue in residues for atom, xyz in residue.xyz.items()
    ]
    points = np.array([r[0] for r in rows], dtype=np.float64).reshape(-1, 3)
    charges = np.array([r[1] for r in rows], dtype=np.float64)
    if len(ligand) == 0:
        return points, charges
    symbols = np.char.capitalize(elements)
    if (symbols == "H").any():
        own = _ligand_charges(ligand, symbols)
        return np.concatenate([points, ligand]), np.concatenate([charges, own])
    partner = partner_atoms(HetGroup("LIG", "", 0, "", symbols, symbols, ligand, 0.0))
    gap, row = cKDTree(ligand).query(partner.xyz)
    either = (gap < 1e-6) & np.isin(symbols[row], ["N", "O"]) & (partner.charges == 0.0)
    own = np.where(either, _GIVES_AND_TAKES, partner.charges)
    return np.concatenate([points, partner.xyz]), np.concatenate([charges, own])


def _ligand_charges(ligand: FloatArray, symbols: StrArray) -> FloatArray:
    """Return rough charges of a ligand with hydrogens: those on N and O are donors, N and O without one acceptors."""
    charges = np.zeros(len(ligand))
    heavy, light = np.flatnonzero(symbols != "H"), np.flatnonzero(symbols == "H")
    parent = heavy[cKDTree(ligand[heavy]).query(ligand[light])[1]]
    donates = np.isin(symbols[parent], ["N", "O"])
    charges[light[donates]] = 0.35
    bare = np.isin(symbols, ["N", "O"])
    charges[bare] = -0.45
    giving = np.isin(np.arange(len(ligand)), parent[donates])
    charges[giving & (symbols == "N")] = -0.2
    for element, charge in CATIONS.items():
        charges[symbols == element.capitalize()] = 0.5 * charge
    return charges


def _directions() -> FloatArray:
    """Return unit vectors spread over the sphere (Fibonacci lattice), (48, 3) float."""
    k = np.arange(_DIRECTIONS) + 0.5
    z, phi = 1.0 - 2.0 * k / _DIRECTIONS, np.pi * (1.0 + np.sqrt(5.0)) * k
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(phi), ring * np.sin(phi), z], axis=1)


def _best_hydrogens(oxygen: FloatArray, points: FloatArray, charges: FloatArray) -> FloatArray:
    """Return the two hydrogens (2, 3) of a water with the lowest Coulomb energy and no contact below 1.6 A.

    One O-H bond points at each acceptor around, or at one of 48 directions; the other turns about it by 15 degrees.
    """
    gaps = np.linalg.norm(points - oxygen, axis=1)
    acceptors = points[(charges < -0.25) & (gaps < 3.6)]
    first = np.concatenate([unit_vector(acceptors - oxygen).reshape(-1, 3), _directions()])
    helper = np.where(np.abs(first[:, :1]) < 0.9, np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]))
    normal = unit_vector(np.cross(first, helper))
    angle = np.radians(WATER_ANGLE)
    second = np.cos(angle) * first + np.sin(angle) * normal
    turns = np.arange(0.0, 360.0, _STEP)
    spun = rotate_about(second[:, None, None, :], np.zeros(3), first[:, None, :], turns[None, :])[:, :, 0]
    pairs = np.stack([np.broadcast_to(first[:, None], spun.shape), spun], axis=2).reshape(-1, 2, 3)
    trial = oxygen + WATER_BOND * pairs
    if len(points) == 0:
        return np.asarray(trial[0])
    distance = np.linalg.norm(trial[:, :, None] - points[None, None], axis=-1)
    coulomb = COULOMB_CONSTANT / DIELECTRIC * HYDROGEN_CHARGE * (charges / np.maximum(distance, 0.8)).sum(axis=(1, 2))
    wall = 40.0 * (np.maximum(1.6 - distance, 0.0) ** 2).sum(axis=(1, 2))
    return np.asarray(trial[int(np.argmin(np.round(coulomb + wall, 6)))])
