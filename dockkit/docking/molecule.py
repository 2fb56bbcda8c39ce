"""The RDKit view of a ligand record: donors, acceptors, and hydrogens on heavy atoms that have moved."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from dockkit.core.errors import DockingError
from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, IntArray, Ligand
from dockkit.core.molecule import forget_exchanging_centres

ACCEPTOR_PATTERN: Final = Chem.MolFromSmarts(
    "[$([O,S;v2;X1,X2;!$(*(C)(C=O));!+;!$([SX2]([#6])[#6])]),$([O-]),"
    "$([n;X2;+0]),$([N;X2;+0]),$([N;X1;+0]),$([N;X3;+0;!$(N-[C,S,P]=[O,S,N]);!$(N-[a]);!$(N-C=C)])]"
)
"""Atoms with a free lone pair: carbonyl and ether O, pyridine-like and imine N, nitrile N, basic amine N."""


def ligand_mol(ligand: Ligand) -> Chem.Mol:
    """Return the ligand as an RDKit molecule in the record's atom order.

    Parameters
    ----------
    ligand : Ligand

    Returns
    -------
    rdkit.Chem.Mol
        Hydrogens explicit, one conformer with the record's coordinates.

    Raises
    ------
    DockingError
        The record's mol block cannot be read or has another number of atoms.
    """
    mol = Chem.MolFromMolBlock(ligand.mol_block, removeHs=False)
    if mol is None or mol.GetNumAtoms() != ligand.n_atoms:
        raise DockingError(f"{ligand.name}: the ligand record holds no readable mol block of {ligand.n_atoms} atoms")
    mol.GetConformer().SetPositions(np.array(ligand.coordinates))
    return mol


def donor_hydrogens(mol: Chem.Mol) -> IntArray:
    """Return (hydrogen, parent) indices of hydrogens on N, O or S, (n, 2) int."""
    pairs = [
        (atom.GetIdx(), atom.GetNeighbors()[0].GetIdx())
        for atom in mol.GetAtoms()
        if atom.GetAtomicNum() == 1 and atom.GetDegree() == 1 and atom.GetNeighbors()[0].GetAtomicNum() in (7, 8, 16)
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def acceptor_atoms(mol: Chem.Mol) -> IntArray:
    """Return the indices of hydrogen-bond acceptors, (n,) int."""
    return np.array(sorted({match[0] for match in mol.GetSubstructMatches(ACCEPTOR_PATTERN)}), dtype=np.int64)


def rebuild_hydrogens(mol: Chem.Mol, placed: FloatArray, known: IntArray) -> FloatArray:
    """Return all coordinates, hydrogens that are not known carried along with their heavy atom.

    A hydrogen keeps its position relative to its parent and the parent's heavy neighbours (and their
    neighbours where the parent has only one). Docking moves these atoms as one rigid body, so the
    geometry of the conformer is kept exactly.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit; its conformer is the reference geometry.
    placed : (n_atoms, 3) float
        New coordinates; rows of unknown atoms are ignored.
    known : (n_known,) int
        Indices whose rows in ``placed`` are valid; all heavy atoms must be among them.

    Returns
    -------
    (n_atoms, 3) float
    """
    reference = np.array(mol.GetConformer().GetPositions())
    result = np.array(placed, dtype=np.float64)
    given = set(known.tolist())
    for atom in mol.GetAtoms():
        index = atom.GetIdx()
        if index in given:
            continue
        frame = _local_frame(atom)
        rotation, shift = superposition(reference[frame], result[frame])
        result[index] = reference[index] @ rotation + shift
    return result


def _local_frame(hydrogen: Chem.Atom) -> list[int]:
    parent = hydrogen.GetNeighbors()[0]
    heavy = [a for a in parent.GetNeighbors() if a.GetAtomicNum() > 1]
    frame = [parent.GetIdx(), *(a.GetIdx() for a in heavy)]
    if len(heavy) == 1:
        frame += [a.GetIdx() for a in heavy[0].GetNeighbors() if a.GetAtomicNum() > 1 and a.GetIdx() != parent.GetIdx()]
    return frame


def conformer_with_heavy_atoms(mol: Chem.Mol, heavy: dict[int, FloatArray]) -> FloatArray:
    """Return all coordinates with the heavy atoms where they are given and hydrogens in ideal geometry.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit.
    heavy : dict of int to (3,) float
        Position of every heavy atom, Angstrom.

    Returns
    -------
    (n_atoms, 3) float

    Notes
    -----
    Ring puckers and angles of a crystal differ from the record's conformer, so that hydrogens are set from the local
    valence geometry (RDKit), not carried over; one that sits on a lone heavy atom keeps the record's direction.
    """
    bare = Chem.RWMol(mol)
    hydrogens = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 1]
    parents = {h: mol.GetAtomWithIdx(h).GetNeighbors()[0].GetIdx() for h in hydrogens}
    kept = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    counts = {p: sum(1 for q in parents.values() if q == p) for p in parents.values()}
    for index in reversed(hydrogens):
        bare.RemoveAtom(index)
    for new, old in enumerate(kept):
        bare.GetAtomWithIdx(new).SetNoImplicit(True)
        bare.GetAtomWithIdx(new).SetNumExplicitHs(counts.get(old, 0))
    frozen = bare.GetMol()
    frozen.GetConformer().SetPositions(np.array([heavy[old] for old in kept], dtype=np.float64))
    Chem.SanitizeMol(frozen)
    full = Chem.AddHs(frozen, addCoords=True)
    result = np.array(mol.GetConformer().GetPositions())
    free: dict[int, list[int]] = {new: [] for new in range(len(kept))}
    for atom in list(full.GetAtoms())[len(kept) :]:
        free[atom.GetNeighbors()[0].GetIdx()].append(atom.GetIdx())
    position = full.GetConformer().GetPositions()
    for new, old in enumerate(kept):
        result[old] = position[new]
        for hydrogen in (h for h in hydrogens if parents[h] == old):
            result[hydrogen] = position[free[new].pop(0)]
    return result


def same_stereo(mol: Chem.Mol, coordinates: FloatArray) -> bool:
    """Tell whether coordinates keep the stereo centres and double bonds of a molecule, save those that invert freely.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit; its own conformer defines the stereo.
    coordinates : (n_atoms, 3) float
        Angstrom.

    Returns
    -------
    bool
    """
    labels = []
    for xyz in (mol.GetConformer().GetPositions(), coordinates):
        copy = Chem.Mol(mol)
        copy.GetConformer().SetPositions(np.array(xyz, dtype=np.float64))
        Chem.AssignStereochemistryFrom3D(copy)
        forget_exchanging_centres(copy)
        labels.append(Chem.MolToSmiles(Chem.RemoveHs(copy)))
    return bool(labels[0] == labels[1])


def embed(mol: Chem.Mol, n_conformers: int, seed: int) -> list[int]:
    """Replace the conformers by ETKDGv3's (Wang et al., J. Chem. Inf. Model. 2020, 60, 2044); return their ids.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit; changed in place.
    n_conformers, seed : int
        The same seed gives the same conformers.

    Returns
    -------
    list of int
        Empty where none could be made.
    """
    found = _embedded(mol.ToBinary(), n_conformers, seed)
    mol.RemoveAllConformers()
    ids = []
    for xyz in found:
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(np.array(xyz))
        ids.append(int(mol.AddConformer(conformer, assignId=True)))
    return ids


@functools.lru_cache(maxsize=4)
def _embedded(molecule: bytes, n_conformers: int, seed: int) -> tuple[FloatArray, ...]:
    """Return the coordinates; the last few are kept, since every part of a search asks for the same ones."""
    mol = Chem.Mol(molecule)
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed % (2**31 - 1)
    ids = list(rdDistGeom.EmbedMultipleConfs(mol, n_conformers, parameters))
    return tuple(np.array(mol.GetConformer(k).GetPositions()) for k in ids)
