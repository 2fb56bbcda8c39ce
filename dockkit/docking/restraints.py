"""Flat-bottomed distance restraints and clash penalties with their gradients, for placing a ligand by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem
from scipy.spatial.distance import cdist

from dockkit.core.model import FloatArray, IntArray, StrArray

CLASH_WEIGHT: Final = 10.0
"""Energy per squared Angstrom of overlap."""

CONTACT_WEIGHT: Final = 0.1
CONTACT_GAP: Final = 0.5
CONTACT_WIDTH: Final = 0.7
"""Energy of a contact of a sticky atom, its best distance beyond the closest approach, and its width (Angstrom)."""

LINEAR_BEYOND: Final = 2.0
"""Angstrom outside the flat bottom from where a restraint grows linearly, so that a far start is not torn apart."""

METALS: Final = ("MG", "MN", "CA", "ZN")


@dataclass(frozen=True, slots=True)
class Restraint:
    """The shortest distance between two groups of atoms shall lie between two bounds.

    Parameters
    ----------
    label : str
        For reports.
    first : (n,) int
        Ligand atoms.
    second : (m,) int
        Protein atoms; ligand atoms where ``internal``.
    low, high : float
        Angstrom.
    weight : float
        Energy per squared Angstrom.
    internal : bool
    """

    label: str
    first: IntArray
    second: IntArray
    low: float
    high: float
    weight: float
    internal: bool = False


def _closest(restraint: Restraint, ligand: FloatArray, protein: FloatArray) -> tuple[int, int, float]:
    other = ligand if restraint.internal else protein
    table = ((ligand[restraint.first][:, None] - other[restraint.second]) ** 2).sum(axis=2)
    i, j = divmod(int(table.argmin()), table.shape[1])
    return int(restraint.first[i]), int(restraint.second[j]), math.sqrt(table[i, j])


def restraint_distance(restraint: Restraint, ligand: FloatArray, protein: FloatArray) -> float:
    """Return the shortest distance between the two groups, Angstrom."""
    return _closest(restraint, ligand, protein)[2]


def energy_and_gradient(
    restraints: Sequence[Restraint], clashes: Clashes, ligand: FloatArray, protein: FloatArray
) -> tuple[float, FloatArray]:
    """Return the sum of restraint and clash energies and its derivative.

    Parameters
    ----------
    restraints : sequence of Restraint
    clashes : Clashes
    ligand : (n_atoms, 3) float
        Angstrom.
    protein : (n_site_atoms, 3) float
        Angstrom.

    Returns
    -------
    energy : float
        Arbitrary units.
    gradient : (n_atoms, 3) float
    """
    energy, gradient = clashes(ligand)
    for restraint in restraints:
        i, j, distance = _closest(restraint, ligand, protein)
        excess = max(distance - restraint.high, 0.0) - max(restraint.low - distance, 0.0)
        if excess == 0.0:
            continue
        if abs(excess) < LINEAR_BEYOND:
            energy += restraint.weight * excess**2
            slope = 2.0 * restraint.weight * excess
        else:
            energy += restraint.weight * LINEAR_BEYOND * (2.0 * abs(excess) - LINEAR_BEYOND)
            slope = 2.0 * restraint.weight * LINEAR_BEYOND * np.sign(excess)
        other = ligand[j] if restraint.internal else protein[j]
        pull = slope * (ligand[i] - other) / max(distance, 1e-6)
        gradient[i] += pull
        if restraint.internal:
            gradient[j] -= pull
    return energy, gradient


class Clashes:
    """Overlap of a ligand's heavy atoms with a rigid protein and with each other.

    Two atoms may come as close as their hydrogen bond or van der Waals contact less a small allowance; atoms of the
    ligand fewer than four bonds apart are left to the torsions.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
    heavy : sequence of int
        Ligand atoms that count.
    protein : (n, 3) float
        Angstrom, heavy atoms.
    elements : (n,) str
    sticky : sequence of int
        Ligand atoms that are drawn into contact with the protein.
    """

    def __init__(
        self,
        mol: Chem.Mol,
        heavy: Sequence[int],
        protein: FloatArray,
        elements: StrArray,
        sticky: Sequence[int] = (),
    ) -> None:
        self.heavy = np.array(heavy, dtype=np.int64)
        self.protein = np.array(protein, dtype=np.float64)
        kinds = [_kind(mol.GetAtomWithIdx(i)) for i in heavy]
        self.limits = np.array([[_closest_approach(a, str(b).upper()) for b in elements] for a in kinds])
        self.sticky = np.array([list(heavy).index(i) for i in sticky], dtype=np.int64)
        bonds = Chem.GetDistanceMatrix(mol)[np.ix_(heavy, heavy)]
        first, second = np.triu_indices(len(heavy), 1)
        far = bonds[first, second] > 3.5
        self.first, self.second = first[far], second[far]
        self.own_limits = np.array(
            [0.95 * _closest_approach(kinds[i], kinds[j]) for i, j in zip(self.first, self.second, strict=True)]
        )

    def __call__(self, ligand: FloatArray) -> tuple[float, FloatArray]:
        """Return the penalty and its derivative by all ligand coordinates."""
        xyz = ligand[self.heavy]
        distance = cdist(xyz, self.protein)
        i, j = np.nonzero(distance < self.limits)
        overlap = self.limits[i, j] - distance[i, j]
        push = (-2.0 * CLASH_WEIGHT * overlap / np.maximum(distance[i, j], 1e-6))[:, None] * (xyz[i] - self.protein[j])
        local = np.zeros_like(xyz)
        np.add.at(local, i, push)
        energy = CLASH_WEIGHT * float(overlap @ overlap)
        if len(self.sticky):
            energy += self._contact(xyz, distance, local)
        vector = xyz[self.first] - xyz[self.second]
        own = np.linalg.norm(vector, axis=1)
        overlap = np.maximum(self.own_limits - own, 0.0)
        push = (-2.0 * CLASH_WEIGHT * overlap / np.maximum(own, 1e-6))[:, None] * vector
        np.add.at(local, self.first, push)
        np.add.at(local, self.second, -push)
        gradient = np.zeros_like(ligand)
        gradient[self.heavy] = local
        return energy + CLASH_WEIGHT * float(overlap @ overlap), gradient

    def _contact(self, xyz: FloatArray, distance: FloatArray, local: FloatArray) -> float:
        """Add the slope of the contact energy to ``local`` and return the energy."""
        beyond = distance[self.sticky] - self.limits[self.sticky] - CONTACT_GAP
        i, j = np.nonzero(np.abs(beyond) < 3.0 * CONTACT_WIDTH)
        scaled = beyond[i, j] / CONTACT_WIDTH
        value = -CONTACT_WEIGHT * np.exp(-(scaled**2))
        rows = self.sticky[i]
        slope = value * (-2.0 * scaled / CONTACT_WIDTH) / np.maximum(distance[rows, j], 1e-6)
        np.add.at(local, rows, slope[:, None] * (xyz[rows] - self.protein[j]))
        return float(value.sum())

    def deepest(self, ligand: FloatArray) -> float:
        """Return the deepest overlap with the protein, Angstrom (0 where there is none)."""
        return float(np.maximum(self.limits - cdist(ligand[self.heavy], self.protein), 0.0).max(initial=0.0))


def _kind(atom: Chem.Atom) -> str:
    symbol = atom.GetSymbol().upper()
    if symbol == "O" and any(b.GetSymbol() == "P" for b in atom.GetNeighbors()):
        return "OP"
    return str(symbol)


def _closest_approach(first: str, second: str) -> float:
    """Closest distance that is no clash, Angstrom: crystal contacts of kinase-nucleotide complexes, rounded down."""
    pair = {first, second}
    if pair & set(METALS):
        if pair <= set(METALS):
            return 3.3
        return 1.95 if pair & {"O", "OP"} else 2.75
    polar = {"N", "O", "OP"}
    if pair <= polar:
        return 2.85 if pair <= {"O", "OP"} and "OP" in pair else 2.6
    if pair & {"P", "S"}:
        return 3.3 if pair & polar else 3.5
    return 3.0 if pair & polar else 3.3
