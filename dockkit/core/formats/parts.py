"""Ligands as residues of a coordinate file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dockkit.core.errors import StoreError
from dockkit.core.model import FloatArray, IntArray, Ligand, StrArray


@dataclass(frozen=True, slots=True)
class LigandPart:
    """One molecule or ion of a ligand, as a residue of a coordinate file.

    Parameters
    ----------
    residue_name : str
        At most three characters.
    atom_names, elements : (n,) str
    coordinates : (n, 3) float
        Angstrom.
    bonds : (m, 3) int
        Two atom indices and the bond order.
    """

    residue_name: str
    atom_names: StrArray
    elements: StrArray
    coordinates: FloatArray
    bonds: IntArray


def mol_block_bonds(mol_block: str) -> IntArray:
    """Return the bonds of a V2000 mol block: (m, 3) int, two atom indices from 0 and the order."""
    lines = mol_block.splitlines()
    n_atoms, n_bonds = int(lines[3][:3]), int(lines[3][3:6])
    rows = [
        (int(line[:3]) - 1, int(line[3:6]) - 1, int(line[6:9])) for line in lines[4 + n_atoms : 4 + n_atoms + n_bonds]
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _fragments(n_atoms: int, bonds: IntArray) -> IntArray:
    """Return the connected piece each atom belongs to, numbered in order of first atom."""
    root = np.arange(n_atoms)
    for _ in range(n_atoms):
        before = root.copy()
        for a, b, _order in bonds:
            root[a] = root[b] = min(root[a], root[b])
        if (root == before).all():
            break
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


def _residue_name(ligand: Ligand, elements: StrArray) -> str:
    if len(elements) == 1:
        return str(elements[0]).upper()
    first = re.split(r"[^A-Za-z0-9]", ligand.name.upper())[0]
    return first if len(first) == 3 else "LIG"


def ligand_parts(ligand: Ligand, coordinates: FloatArray) -> tuple[LigandPart, ...]:
    """Return the molecules and ions of a ligand in the record's atom order.

    Parameters
    ----------
    ligand : Ligand
    coordinates : (n_atoms, 3) float
        Angstrom.

    Returns
    -------
    tuple of LigandPart
        One part where the pieces' atoms are interleaved, so that the atom order is kept.

    Raises
    ------
    StoreError
        The coordinates do not fit the ligand.
    """
    xyz = np.asarray(coordinates, dtype=np.float64)
    if xyz.shape != (ligand.n_atoms, 3):
        raise StoreError(f"{ligand.name}: coordinates of shape {xyz.shape} for {ligand.n_atoms} atoms")
    bonds = mol_block_bonds(ligand.mol_block)
    piece = _fragments(ligand.n_atoms, bonds)
    if (np.diff(piece) < 0).any():
        piece = np.zeros_like(piece)
    parts = []
    for index in range(int(piece.max()) + 1):
        rows = np.flatnonzero(piece == index)
        inside = bonds[np.isin(bonds[:, 0], rows)] - [rows[0], rows[0], 0] if len(bonds) else bonds
        elements = ligand.elements[rows]
        parts.append(LigandPart(_residue_name(ligand, elements), _atom_names(elements), elements, xyz[rows], inside))
    return tuple(parts)


def _atom_names(elements: StrArray) -> StrArray:
    if len(elements) == 1:
        return np.array([str(elements[0]).upper()])
    seen: dict[str, int] = {}
    names = []
    for element in elements.tolist():
        seen[element] = seen.get(element, 0) + 1
        names.append(f"{element.upper()}{seen[element]}"[:4])
    return np.array(names)


LigandBlocks = Sequence[LigandPart | tuple[Ligand, FloatArray]]


def all_parts(blocks: LigandBlocks) -> list[LigandPart]:
    """Return the parts of every block, in order."""
    parts: list[LigandPart] = []
    for block in blocks:
        parts += [block] if isinstance(block, LigandPart) else ligand_parts(*block)
    return parts
