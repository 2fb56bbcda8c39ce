"""Bond orders from heavy-atom coordinates alone, for groups that no dictionary knows. Uncertain by nature."""

from __future__ import annotations

from typing import Final

import networkx as nx
import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray, HetGroup
from dockkit.ligand.matching import bonded_pairs, covalent_radii

LINEAR: Final = 155.0
PLANAR_SUM: Final = 351.0
BENT: Final = 114.0
"""Degrees: an angle of an sp atom; the sum of the angles of a planar atom; the angle of an sp2 atom with two bonds."""

RING_FLAT: Final = 0.12
"""Angstrom: largest distance of a ring atom from the plane of a conjugated ring."""

_SHORT: Final = 0.825
"""A triple bond is shorter, as a share of the single bond's length."""

_MIDDLE: Final = 0.935
"""Half-way between single and double, as a share of the single bond's length."""

_CLEARLY_DOUBLE: Final = 0.91
_MOST_BONDS: Final = {"C": 4, "N": 4, "O": 2, "F": 1, "Cl": 1, "Br": 1, "I": 1, "S": 4, "P": 4, "B": 4}
_PI: Final = 20.0
_RING: Final = 4.0
"""Weights of giving a flat atom its double bond, and of keeping it in a ring; bond lengths weigh about 1."""


def perceive(group: HetGroup) -> Chem.Mol:
    """Return a molecule with bond orders guessed from the geometry.

    Atoms are bonded within covalent radii; flat atoms get a double bond each where that is possible, short bonds first
    (a maximum-weight matching); nitro groups, sulfones, phosphates and triple bonds are set first. Hydrogens fill the
    valences, so that the result is neutral save for nitro groups.

    Parameters
    ----------
    group : HetGroup
        Heavy atoms.

    Returns
    -------
    Chem.Mol
        Sanitised, in the group's atom order; stereo not assigned.

    Raises
    ------
    LigandError
        The atoms are in several pieces, or no consistent valences were found.
    """
    molecule = Chem.RWMol()
    for element in group.elements:
        molecule.AddAtom(Chem.Atom(str(element).capitalize()))
    lengths = _connect(molecule, group)
    pieces = len(Chem.GetMolFrags(molecule))
    if pieces > 1:
        raise LigandError(f"{group.label}: its atoms are in {pieces} pieces; atoms are missing. Give its SMILES")
    Chem.FastFindRings(molecule)
    done = _set_groups(molecule, lengths) | _set_triples(molecule, group.coordinates, lengths)
    done |= _set_carbonyls(molecule, lengths, done)
    _set_doubles(molecule, group.coordinates, lengths, done)
    with BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except Chem.MolSanitizeException as error:
            raise LigandError(
                f"{group.label}: no bond orders fit its geometry ({error}); give the SMILES of the molecule"
            ) from error
    return molecule.GetMol()


Lengths = dict[frozenset[int], float]
"""Length of each bond as a share of the single bond's."""


def _connect(molecule: Chem.RWMol, group: HetGroup) -> Lengths:
    radii = covalent_radii(group.elements)
    lengths: Lengths = {}
    xyz = group.coordinates
    for a, b in bonded_pairs(group.elements, xyz, 0.4):
        lengths[frozenset((a, b))] = float(np.linalg.norm(xyz[a] - xyz[b]) / (radii[a] + radii[b]))
    for index, element in enumerate(group.elements):
        most = _MOST_BONDS.get(str(element).capitalize(), 4)
        mine = sorted((pair for pair in lengths if index in pair), key=lambda pair: lengths[pair])
        for pair in mine[most:]:
            del lengths[pair]
    for pair in lengths:
        a, b = sorted(pair)
        molecule.AddBond(a, b, Chem.BondType.SINGLE)
    return lengths


def _set_groups(molecule: Chem.RWMol, lengths: Lengths) -> set[int]:
    """Set the double bonds of nitro groups, sulfones, sulfoxides, sulfonamides and phosphates; return their atoms."""
    done: set[int] = set()
    for atom in molecule.GetAtoms():
        ends = [n.GetIdx() for n in atom.GetNeighbors() if n.GetSymbol() == "O" and n.GetDegree() == 1]
        ends.sort(key=lambda end: lengths[frozenset((end, atom.GetIdx()))])
        symbol, degree = atom.GetSymbol(), atom.GetDegree()
        count = 0
        if symbol == "S" and degree in (3, 4):
            count = min(len(ends), degree - 2)
        elif symbol == "P" and degree == 4 or symbol == "N" and degree == 3 and len(ends) == 2:
            count = min(len(ends), 1)
        for end in ends[:count]:
            molecule.GetBondBetweenAtoms(atom.GetIdx(), end).SetBondType(Chem.BondType.DOUBLE)
        if count:
            done |= {atom.GetIdx(), *ends}
        if symbol == "N" and count:
            atom.SetFormalCharge(1)
            molecule.GetAtomWithIdx(ends[1]).SetFormalCharge(-1)
    return done


def _set_carbonyls(molecule: Chem.RWMol, lengths: Lengths, done: set[int]) -> set[int]:
    """Set the double bond of carbons to their shortest terminal oxygen or sulfur, if it is short; return the atoms."""
    found: set[int] = set()
    for pair, ratio in sorted(lengths.items(), key=lambda item: item[1]):
        atoms = [molecule.GetAtomWithIdx(k) for k in sorted(pair)]
        ends = [atom for atom in atoms if atom.GetSymbol() in ("O", "S") and atom.GetDegree() == 1]
        carbons = [atom for atom in atoms if atom.GetSymbol() == "C" and atom.GetDegree() == 3]
        if ratio < _CLEARLY_DOUBLE and ends and carbons and not pair & (done | found):
            molecule.GetBondBetweenAtoms(*pair).SetBondType(Chem.BondType.DOUBLE)
            found |= pair
    return found


def _set_triples(molecule: Chem.RWMol, xyz: FloatArray, lengths: Lengths) -> set[int]:
    """Set alkynes and nitriles; return their atoms."""
    done: set[int] = set()
    for pair, ratio in sorted(lengths.items(), key=lambda item: item[1]):
        a, b = sorted(pair)
        symbols = {molecule.GetAtomWithIdx(k).GetSymbol() for k in pair}
        if ratio > _SHORT or not symbols <= {"C", "N"} or "C" not in symbols or pair & done:
            continue
        if all(_is_linear(molecule, k, xyz) for k in pair):
            molecule.GetBondBetweenAtoms(a, b).SetBondType(Chem.BondType.TRIPLE)
            done |= pair
    return done


def _is_linear(molecule: Chem.RWMol, index: int, xyz: FloatArray) -> bool:
    near = [n.GetIdx() for n in molecule.GetAtomWithIdx(index).GetNeighbors()]
    return len(near) == 1 or (len(near) == 2 and _angle(xyz, near[0], index, near[1]) > LINEAR)


def _set_doubles(molecule: Chem.RWMol, xyz: FloatArray, lengths: Lengths, done: set[int]) -> None:
    flat_rings = _flat_ring_atoms(molecule, xyz)
    able = {
        atom.GetIdx(): need
        for atom in molecule.GetAtoms()
        if atom.GetIdx() not in done and (need := _need(molecule, atom, xyz, flat_rings)) is not None
    }
    graph = nx.Graph()
    for pair, ratio in lengths.items():
        a, b = sorted(pair)
        if a not in able or b not in able:
            continue
        shortness = (_MIDDLE - ratio) / (1.0 - _MIDDLE)
        terminal = any(molecule.GetAtomWithIdx(k).GetDegree() == 1 for k in pair)
        if terminal and ratio > _CLEARLY_DOUBLE:
            continue
        in_ring = a in flat_rings and b in flat_rings and molecule.GetBondBetweenAtoms(a, b).IsInRing()
        weight = able[a] + able[b] + shortness + (_RING if in_ring else 0.0)
        if weight > 0:
            graph.add_edge(a, b, weight=weight)
    for a, b in nx.max_weight_matching(graph):
        molecule.GetBondBetweenAtoms(a, b).SetBondType(Chem.BondType.DOUBLE)


def _need(molecule: Chem.RWMol, atom: Chem.Atom, xyz: FloatArray, flat_rings: set[int]) -> float | None:
    """Return how much an atom wants a double bond, or None where it cannot have one."""
    symbol, index, degree = atom.GetSymbol(), atom.GetIdx(), atom.GetDegree()
    near = [n.GetIdx() for n in atom.GetNeighbors()]
    if degree == 1:
        return 0.0 if symbol in ("O", "S", "N", "C") else None
    if symbol == "C" and degree == 3:
        angles = [_angle(xyz, near[i], index, near[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
        return _PI if index in flat_rings or sum(angles) > PLANAR_SUM else None
    if symbol == "C" and degree == 2:
        return _PI if index in flat_rings else (0.0 if _angle(xyz, *_around(near, index)) > BENT else None)
    if symbol == "N" and degree == 2:
        return -1.0 if index in flat_rings else -_RING
    return None


def _around(near: list[int], index: int) -> tuple[int, int, int]:
    return near[0], index, near[1]


def _flat_ring_atoms(molecule: Chem.RWMol, xyz: FloatArray) -> set[int]:
    found: set[int] = set()
    for ring in Chem.GetSymmSSSR(molecule):
        atoms = list(ring)
        if len(atoms) in (5, 6, 7):
            points = xyz[atoms] - xyz[atoms].mean(axis=0)
            normal = np.linalg.svd(points)[2][-1]
            if np.abs(points @ normal).max() < RING_FLAT:
                found |= set(atoms)
    return found


def _angle(xyz: FloatArray, a: int, b: int, c: int) -> float:
    u, v = xyz[a] - xyz[b], xyz[c] - xyz[b]
    cosine = float(u @ v / max(1e-9, float(np.linalg.norm(u) * np.linalg.norm(v))))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
