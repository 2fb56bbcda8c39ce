"""What the atoms of a hetero group can do in a hydrogen bond, told from its geometry alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.geometry import place_atom, unit_vector
from dockkit.core.model import FloatArray, HetGroup

CATIONS: Final = {
    "LI": 1, "NA": 1, "K": 1, "CS": 1, "MG": 2, "CA": 2, "SR": 2, "BA": 2, "MN": 2, "FE": 2, "CO": 2, "NI": 2, "CU": 2,
    "ZN": 2, "CD": 2, "HG": 2,
}  # fmt: skip
"""Charges of metal ions by element, e."""

ANIONS: Final = frozenset({"F", "CL", "BR", "I"})

CONJUGATED: Final = 1.42
"""A C-N bond shorter than this has double-bond character, Angstrom."""

METAL_RADIUS: Final = 0.9

_COVALENT: Final = {
    "H": 0.31, "B": 0.84, "C": 0.76, "N": 0.71, "O": 0.66, "F": 0.57, "SI": 1.11, "P": 1.07, "S": 1.05, "CL": 1.02,
    "SE": 1.20, "BR": 1.20, "I": 1.39,
}  # fmt: skip
_RADII: Final = {"C": 1.70, "N": 1.55, "O": 1.40, "F": 1.40, "P": 1.80, "S": 1.80, "CL": 1.75, "BR": 1.85, "I": 1.95}


@dataclass(frozen=True, slots=True)
class PartnerAtoms:
    """Atoms of a group that matter to hydrogen bonds.

    Parameters
    ----------
    xyz : (n, 3) float
        Angstrom; hydrogens whose place is certain included.
    charges, radii : (n,) float
        Rough partial charges (e; 0 where an atom may be donor or acceptor) and radii (Angstrom).
    """

    xyz: FloatArray
    charges: FloatArray
    radii: FloatArray


class Perceived:
    """Bonds, rings and conjugation of a group, from distances between its heavy atoms.

    Parameters
    ----------
    group : HetGroup
    """

    def __init__(self, group: HetGroup) -> None:
        self.elements = [str(e).upper() for e in group.elements]
        self.xyz = np.asarray(group.coordinates, dtype=np.float64)
        radii = np.array([_COVALENT.get(e, -5.0) for e in self.elements])
        self.gaps = np.linalg.norm(self.xyz[:, None] - self.xyz[None], axis=-1)
        bonded = (self.gaps < radii[:, None] + radii[None] + 0.35) & (self.gaps > 0.4)
        self.neighbours = [np.flatnonzero(row).tolist() for row in bonded]

    def ring(self, atom: int) -> list[int]:
        """Return the smallest ring of at most seven atoms that an atom is in, or an empty list."""
        best: list[int] = []
        for start in self.neighbours[atom]:
            paths = [[atom, start]]
            for _ in range(5):
                paths = [[*p, n] for p in paths for n in self.neighbours[p[-1]] if n not in p[1:] and n != p[-2]]
                closed = [p[:-1] for p in paths if p[-1] == atom]
                if closed:
                    if not best or len(closed[0]) < len(best):
                        best = closed[0]
                    break
        return best

    def conjugated(self, atom: int) -> bool:
        """Tell whether a nitrogen's shortest bond has double-bond character, or it is a sulfonamide's."""
        bonds = [self.gaps[atom, n] for n in self.neighbours[atom]]
        sulfonyl = any(
            self.elements[n] in ("S", "P") and sum(self.elements[k] == "O" for k in self.neighbours[n]) >= 2
            for n in self.neighbours[atom]
        )
        return sulfonyl or bool(bonds) and min(bonds) < CONJUGATED

    def carbonyl(self, atom: int) -> bool:
        """Tell whether an atom is a carbon with a doubly bonded oxygen."""
        return self.elements[atom] == "C" and any(
            self.elements[k] == "O" and len(self.neighbours[k]) == 1 and self.gaps[atom, k] < 1.30
            for k in self.neighbours[atom]
        )

    def shares_pair(self, atom: int) -> bool:
        """Tell whether a nitrogen outside aromatic rings shares its lone pair: aniline, amide, sulfonamide."""
        around = self.neighbours[atom]
        beside = any(self.aromatic(n) or self.carbonyl(n) for n in around)
        return beside or len(around) < 3 and self.conjugated(atom)

    def nitrogen_types(self) -> dict[int, str]:
        """Return SYBYL types of nitrogens that planarity and distances alone mistake: N.3 an amine, N.pl3 none."""
        return {
            i: "N.pl3" if self.shares_pair(i) else "N.3"
            for i, element in enumerate(self.elements)
            if element == "N"
            and len(self.neighbours[i]) >= 2
            and not self.aromatic(i)
            and (self.shares_pair(i) or all(self.elements[n] == "C" for n in self.neighbours[i]))
        }

    def phosphine_oxides(self) -> dict[int, str]:
        """Return SYBYL types of phosphorus with one terminal oxygen, and of that oxygen, which takes no proton."""
        types: dict[int, str] = {}
        for i, element in enumerate(self.elements):
            oxygens = [n for n in self.neighbours[i] if self.elements[n] == "O" and len(self.neighbours[n]) == 1]
            if element == "P" and len(oxygens) == 1 and sum(self.elements[n] == "O" for n in self.neighbours[i]) == 1:
                types |= {i: "P.3", oxygens[0]: "O.2"}
        return types

    def aromatic(self, atom: int) -> bool:
        """Tell whether an atom is in a flat ring of five or six."""
        ring = self.ring(atom)
        if len(ring) not in (5, 6) or any(self.elements[k] not in ("C", "N", "S", "O") for k in ring):
            return False
        centred = self.xyz[ring] - self.xyz[ring].mean(axis=0)
        return bool(np.linalg.svd(centred)[1][-1] < 0.15)

    def nitrogen(self, atom: int) -> tuple[float, list[FloatArray]]:
        """Return a nitrogen's charge and its certain hydrogens."""
        around, here = self.neighbours[atom], self.xyz[atom]
        if len(around) == 1 and self.gaps[atom, around[0]] < 1.22:
            return -0.45, []
        if not (self.conjugated(atom) or self.aromatic(atom) or self.shares_pair(atom)):
            return 0.0, []
        if len(around) == 1:
            beyond = [n for n in self.neighbours[around[0]] if n != atom]
            if not beyond:
                return 0.0, []
            frame = (self.xyz[beyond[0]], self.xyz[around[0]], here)
            return -0.6, [place_atom(*frame, 1.01, 120.0, turn) for turn in (0.0, 180.0)]
        if len(around) == 2:
            away = here - 1.01 * unit_vector(sum((unit_vector(self.xyz[n] - here) for n in around), start=np.zeros(3)))
            if not self.aromatic(atom) or any(self.carbonyl(n) for n in around):
                return -0.4, [away]
            return (-0.5, []) if len(self.ring(atom)) == 6 else (0.0, [])
        return 0.0, []

    def oxygen(self, atom: int) -> float:
        """Return an oxygen's charge: 0 for a hydroxyl, which gives as well as takes."""
        around = self.neighbours[atom]
        if len(around) != 1:
            return -0.3 if around else 0.0
        other = around[0]
        if self.elements[other] == "P":
            return -0.75
        if self.elements[other] in ("S", "N"):
            return -0.5
        twins = sum(self.elements[k] == "O" and len(self.neighbours[k]) == 1 for k in self.neighbours[other])
        if twins >= 2:
            return -0.8
        return -0.55 if self.gaps[atom, other] < 1.30 else 0.0


def partner_atoms(group: HetGroup) -> PartnerAtoms:
    """Return a group's atoms with rough charges: acceptors negative, certain donors with their hydrogens.

    Parameters
    ----------
    group : HetGroup
        Ligand, ion or buffer molecule.

    Returns
    -------
    PartnerAtoms
        Metals carry 0.8 of their formal charge. An atom whose role the geometry does not tell has charge 0.
    """
    found = Perceived(group)
    xyz, charges, radii = [], [], []
    for i, element in enumerate(found.elements):
        charge, radius = 0.0, _RADII.get(element, 1.70)
        hydrogens: list[FloatArray] = []
        if len(found.elements) == 1 and element in ANIONS:
            charge, radius = -0.8, 1.8
        elif element in CATIONS and not found.neighbours[i]:
            charge, radius = 0.8 * CATIONS[element], METAL_RADIUS
        elif element == "N":
            charge, hydrogens = found.nitrogen(i)
        elif element == "O":
            charge = found.oxygen(i)
            radius = 1.40 if charge else 1.20
        elif found.carbonyl(i):
            charge = 0.5
        xyz += [found.xyz[i], *hydrogens]
        charges += [charge, *[0.35] * len(hydrogens)]
        radii += [radius, *[1.0] * len(hydrogens)]
    return PartnerAtoms(np.array(xyz).reshape(-1, 3), np.array(charges, dtype=float), np.array(radii, dtype=float))
