"""Which hetero groups are bonded to the protein or to each other, found by distance and by the file's own records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import Change, FloatArray, HetGroup, IntArray, Link, StrArray
from dockkit.ligand.matching import SHORTEST, covalent_radii

SLACK: Final = 0.25
"""Angstrom beyond the sum of covalent radii within which a group and a residue are bonded: C-S up to 2.06."""

RECORDED_SLACK: Final = 0.8
"""The same where the file records the bond."""

NEARBY: Final = 9.0
"""Angstrom: protein atoms around the bond that the freed warhead must keep clear of."""

_NON_METALS: Final = ("C", "N", "O", "S", "P", "Se", "B", "F", "Cl", "Br", "I")


class ProteinAtoms(Protocol):
    """Atoms of a chain: a ``RawStructure`` or a ``Receptor``."""

    @property
    def atom_names(self) -> StrArray: ...  # noqa: D102
    @property
    def elements(self) -> StrArray: ...  # noqa: D102
    @property
    def coordinates(self) -> FloatArray: ...  # noqa: D102
    @property
    def atom_residue(self) -> IntArray: ...  # noqa: D102
    @property
    def residue_names(self) -> StrArray: ...  # noqa: D102
    @property
    def chain_ids(self) -> StrArray: ...  # noqa: D102
    @property
    def author_numbers(self) -> IntArray: ...  # noqa: D102
    @property
    def insertion_codes(self) -> StrArray: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class CovalentBond:
    """A bond between a group and a residue of the chain, or another group.

    Parameters
    ----------
    group : HetGroup
    atom : str
        Of the group.
    residue_name, chain, insertion_code, residue_atom : str
        The other end.
    number : int
        Its author number.
    length : float
        Angstrom.
    recorded : bool
        The file states it (LINK, ``_struct_conn``).
    to_group : bool
        The other end is a group.
    anchor : (3,) float
        Where the other end is, Angstrom.
    nearby : (k, 3) float
        Protein heavy atoms around, the anchor left out, Angstrom.
    """

    group: HetGroup
    atom: str
    residue_name: str
    chain: str
    number: int
    insertion_code: str
    residue_atom: str
    length: float
    recorded: bool
    to_group: bool
    anchor: FloatArray
    nearby: FloatArray

    @property
    def partner(self) -> str:
        """Such as ``CYS A:797 SG``."""
        return f"{self.residue_name} {self.chain}:{self.number}{self.insertion_code} {self.residue_atom}"

    @property
    def label(self) -> str:
        """Such as ``HKI A:1797 CBT - CYS A:797 SG, 1.83 A``."""
        return f"{self.group.label} {self.atom} - {self.partner}, {self.length:.2f} A"

    @property
    def change(self) -> Change:
        """Return what preparation records of it."""
        return Change(
            kind="covalent",
            what=f"bonded to {self.group.label}: {self.residue_atom} - {self.atom}",
            why=f"{self.length:.2f} A" + (", recorded in the file" if self.recorded else ", not recorded in the file"),
            residue_name=self.residue_name,
            chain=self.chain,
            author_number=self.number,
            insertion_code=self.insertion_code,
        )


def covalent_bonds(
    groups: Sequence[HetGroup], protein: ProteinAtoms, links: Sequence[Link] = ()
) -> tuple[CovalentBond, ...]:
    """Return the bonds of groups to residues of a chain and to each other.

    Bonded are non-metal atoms within 0.25 A of the sum of their covalent radii (Cordero et al., Dalton Trans. 2008,
    2832), each group atom to its nearest partner only, and within 0.8 A where the file records the bond. Metals
    coordinate and are not reported.

    Parameters
    ----------
    groups : sequence of HetGroup
        Single atoms are passed over.
    protein : ProteinAtoms
        A ``RawStructure`` or ``Receptor``; hydrogens do not matter.
    links : sequence of Link
        Bonds that the file states.

    Returns
    -------
    tuple of CovalentBond
        In the order of the groups; bonds between groups are given from both sides.
    """
    heavy = np.flatnonzero(~np.isin(protein.elements, ("H", "D")))
    tree = cKDTree(protein.coordinates[heavy]) if len(heavy) else None
    found: list[CovalentBond] = []
    pool = [group for group in groups if len(group.elements) > 1]
    for group in pool:
        if tree is not None:
            found += _to_protein(group, protein, heavy, tree, links)
        found += _to_groups(group, pool)
    return tuple(found)


def _to_protein(
    group: HetGroup, protein: ProteinAtoms, heavy: IntArray, tree: cKDTree, links: Sequence[Link]
) -> list[CovalentBond]:
    found = []
    for k, near in enumerate(tree.query_ball_point(group.coordinates, 3.0)):
        best: tuple[float, int, float, bool] | None = None
        for row in heavy[near].tolist():
            length = float(np.linalg.norm(protein.coordinates[row] - group.coordinates[k]))
            r = int(protein.atom_residue[row])
            stated = _is_recorded(group, k, protein, row, r, links)
            excess = _excess(str(group.elements[k]), str(protein.elements[row]), length)
            if excess < (RECORDED_SLACK if stated else SLACK) and (best is None or excess < best[0]):
                best = excess, row, length, stated
        if best is None:
            continue
        _, row, length, stated = best
        r, anchor = int(protein.atom_residue[row]), protein.coordinates[row]
        around = heavy[tree.query_ball_point(anchor, NEARBY)]
        found.append(
            CovalentBond(
                group, str(group.atom_names[k]), str(protein.residue_names[r]), str(protein.chain_ids[r]),
                int(protein.author_numbers[r]), str(protein.insertion_codes[r]), str(protein.atom_names[row]),
                round(length, 3), stated, False, anchor, protein.coordinates[around[around != row]],
            )
        )  # fmt: skip
    return found


def _excess(first: str, second: str, length: float) -> float:
    """Return by how much two atoms are farther apart than a bond, Angstrom; infinite for metals and overlaps."""
    pair = np.array([first.capitalize(), second.capitalize()])
    if length < SHORTEST or not np.isin(pair, _NON_METALS).all():
        return float("inf")
    return length - float(covalent_radii(pair).sum())


def _is_recorded(group: HetGroup, k: int, protein: ProteinAtoms, row: int, r: int, links: Sequence[Link]) -> bool:
    here = (group.chain, group.number, group.insertion_code, str(group.atom_names[k]))
    there = (
        str(protein.chain_ids[r]), int(protein.author_numbers[r]), str(protein.insertion_codes[r]),
        str(protein.atom_names[row]),
    )  # fmt: skip
    for link in links:
        first = (link.chain, link.number, link.insertion_code, link.atom_name)
        second = (link.partner_chain, link.partner_number, link.partner_insertion_code, link.partner_atom)
        if {here, there} == {first, second} and link.kind != "metal":
            return True
    return False


def _to_groups(group: HetGroup, pool: Sequence[HetGroup]) -> list[CovalentBond]:
    found = []
    for other in pool:
        if other is group or other.label == group.label:
            continue
        gaps = np.linalg.norm(group.coordinates[:, None] - other.coordinates[None], axis=-1)
        for a, b in zip(*np.nonzero(gaps < 3.0), strict=True):
            if _excess(str(group.elements[a]), str(other.elements[b]), float(gaps[a, b])) < SLACK:
                found.append(
                    CovalentBond(
                        group, str(group.atom_names[a]), other.name, other.chain, other.number, other.insertion_code,
                        str(other.atom_names[b]), round(float(gaps[a, b]), 3), False, True, other.coordinates[b],
                        np.zeros((0, 3)),
                    )
                )  # fmt: skip
    return found
