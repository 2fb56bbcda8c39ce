"""The RDKit view of a ligand record: donors, acceptors, and hydrogens on heavy atoms that have moved."""

from __future__ import annotations

from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, IntArray, Ligand

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


def rigid_transform(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rotation and translation that lay ``source`` on ``target`` with least squares.

    Parameters
    ----------
    source, target : (n, 3) float
        Angstrom.

    Returns
    -------
    rotation : (3, 3) float
        Proper (determinant +1), also for planar and linear sets; apply as ``points @ rotation + shift``.
    shift : (3,) float

    References
    ----------
    Kabsch, Acta Cryst. A 1976, 32, 922.
    """
    source_center, target_center = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((source - source_center).T @ (target - target_center))
    sign = np.sign(np.linalg.det(u @ vt)) or 1.0
    rotation = u @ np.diag([1.0, 1.0, sign]) @ vt
    return rotation, target_center - source_center @ rotation


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
        rotation, shift = rigid_transform(reference[frame], result[frame])
        result[index] = reference[index] @ rotation + shift
    return result


def _local_frame(hydrogen: Chem.Atom) -> list[int]:
    parent = hydrogen.GetNeighbors()[0]
    heavy = [a for a in parent.GetNeighbors() if a.GetAtomicNum() > 1]
    frame = [parent.GetIdx(), *(a.GetIdx() for a in heavy)]
    if len(heavy) == 1:
        frame += [a.GetIdx() for a in heavy[0].GetNeighbors() if a.GetAtomicNum() > 1 and a.GetIdx() != parent.GetIdx()]
    return frame
