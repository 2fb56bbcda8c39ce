"""Flat-bottomed distance restraints and clash penalties with their gradients, for placing a ligand by hand."""

from __future__ import annotations

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


def restraint_distance(restraint: Restraint, ligand: FloatArray, protein: FloatArray) -> float:
    """Return the shortest distance between the two groups, Angstrom."""
    other = ligand if restraint.internal else protein
    return float(cdist(ligand[restraint.first], other[restraint.second]).min())


class Restraints:
    """Several restraints, evaluated together.

    Parameters
    ----------
    restraints : sequence of Restraint
        Neither group of any may be empty.
    """

    def __init__(self, restraints: Sequence[Restraint]) -> None:
        pairs = [np.array([(i, j) for i in r.first for j in r.second], dtype=np.int64) for r in restraints]
        sizes = [len(p) for p in pairs]
        table = np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=np.int64)
        self._first, self._second = table[:, 0].copy(), table[:, 1].copy()
        self._inner = np.flatnonzero(np.repeat([r.internal for r in restraints], sizes))
        self._outer = np.flatnonzero(~np.repeat(np.array([r.internal for r in restraints], dtype=bool), sizes))
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if pairs else np.zeros(0, int)
        self._groups = np.repeat(np.arange(len(sizes)), sizes)
        self._internal = np.array([r.internal for r in restraints], dtype=bool)
        self._low, self._high, self._weight = (
            np.array([getattr(r, name) for r in restraints]) for name in ("low", "high", "weight")
        )

    def __call__(self, ligand: FloatArray, protein: FloatArray) -> tuple[float, FloatArray]:
        """Return energy (arbitrary units) and its derivative by the ligand's coordinates, (n_atoms, 3)."""
        gradient = np.zeros_like(ligand)
        if not len(self._starts):
            return 0.0, gradient
        vector = ligand[self._first]
        vector[self._outer] -= protein[self._second[self._outer]]
        vector[self._inner] -= ligand[self._second[self._inner]]
        squares = np.einsum("ij,ij->i", vector, vector)
        least = np.minimum.reduceat(squares, self._starts)
        hits = np.flatnonzero(squares == least[self._groups])
        chosen = hits[np.searchsorted(self._groups[hits], np.arange(len(least)))]
        distance = np.sqrt(least)
        excess = np.maximum(distance - self._high, 0.0) - np.maximum(self._low - distance, 0.0)
        size = np.abs(excess)
        near = np.minimum(size, LINEAR_BEYOND)
        energy = self._weight * near * (2.0 * size - near)
        slope = 2.0 * self._weight * near * np.sign(excess)
        pull = (slope / np.maximum(distance, 1e-6))[:, None] * vector[chosen]
        np.add.at(gradient, self._first[chosen], pull)
        np.add.at(gradient, self._second[chosen[self._internal]], -pull[self._internal])
        return float(energy.sum()), gradient


def energy_and_gradient(
    restraints: Restraints | Sequence[Restraint], clashes: Clashes, ligand: FloatArray, protein: FloatArray
) -> tuple[float, FloatArray]:
    """Return the sum of restraint and clash energies and its derivative.

    Parameters
    ----------
    restraints : Restraints or sequence of Restraint
        Prepared ones are faster.
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
    prepared = restraints if isinstance(restraints, Restraints) else Restraints(restraints)
    more, pull = prepared(ligand, protein)
    return energy + more, gradient + pull


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
    attraction : (n_sticky, n) float, optional
        Energy of the contact of each of these atoms with each of the protein's; everywhere ``CONTACT_WEIGHT`` by
        default.
    softened : float
        Factor on the penalty of overlap with the protein.
    """

    def __init__(
        self,
        mol: Chem.Mol,
        heavy: Sequence[int],
        protein: FloatArray,
        elements: StrArray,
        sticky: Sequence[int] = (),
        attraction: FloatArray | None = None,
        softened: float = 1.0,
    ) -> None:
        self.heavy = np.array(heavy, dtype=np.int64)
        self.protein = np.array(protein, dtype=np.float64)
        kinds = [_kind(mol.GetAtomWithIdx(i)) for i in heavy]
        self.limits = np.array([[_closest_approach(a, str(b).upper()) for b in elements] for a in kinds])
        self.sticky = np.array([list(heavy).index(i) for i in sticky], dtype=np.int64)
        self.weight = CLASH_WEIGHT * softened
        self.attraction = np.full((len(sticky), len(protein)), CONTACT_WEIGHT) if attraction is None else attraction
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
        push = (-2.0 * self.weight * overlap / np.maximum(distance[i, j], 1e-6))[:, None] * (xyz[i] - self.protein[j])
        local = np.zeros_like(xyz)
        np.add.at(local, i, push)
        energy = self.weight * float(overlap @ overlap)
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
        value = -self.attraction[i, j] * np.exp(-(scaled**2))
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
        if pair & {"O", "OP"}:
            return 1.95
        return 2.4 if "C" in pair else 2.75  # both oxygens of a carboxylate on one metal bring its carbon to 2.5 A
    polar = {"N", "O", "OP"}
    if pair <= polar:
        return 2.85 if pair <= {"O", "OP"} and "OP" in pair else 2.6
    if pair & {"P", "S"}:
        return 3.3 if pair & polar else 3.5
    return 3.0 if pair & polar else 3.3
