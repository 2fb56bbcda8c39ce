"""A Ligand record as an RDKit molecule."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import Ligand


def to_rdkit(ligand: Ligand, coordinates: ArrayLike | None = None) -> Chem.Mol:
    """Return the ligand as an RDKit molecule with one conformer; the atom order is the record's.

    Parameters
    ----------
    ligand : Ligand
        Any.
    coordinates : (n_atoms, 3) array_like, optional
        Angstrom; the ligand's own where left out.

    Returns
    -------
    Chem.Mol
        Sanitised, all hydrogens explicit.

    Raises
    ------
    LigandError
        The coordinates have another shape, or the mol block cannot be read.
    """
    points = np.asarray(ligand.coordinates if coordinates is None else coordinates, dtype=np.float64)
    if points.shape != (ligand.n_atoms, 3):
        raise LigandError(f"{ligand.name}: coordinates have shape {points.shape}, expected ({ligand.n_atoms}, 3)")
    with BlockLogs():
        molecule = Chem.MolFromMolBlock(ligand.mol_block, removeHs=False)
    if molecule is None or molecule.GetNumAtoms() != ligand.n_atoms:
        raise LigandError(f"{ligand.name}: the mol block of the record cannot be read")
    forget_exchanging_centres(molecule)
    molecule.GetConformer().SetPositions(np.ascontiguousarray(points))
    return molecule


def skeleton(molecule: Chem.Mol) -> tuple[Chem.Mol, list[int]]:
    """Return the heavy atoms, joined by single bonds alone, and the index of each in ``molecule``."""
    plain = Chem.RWMol()
    index = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1]
    position = {old: plain.AddAtom(Chem.Atom(molecule.GetAtomWithIdx(old).GetAtomicNum())) for old in index}
    for bond in molecule.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if all(end in position for end in ends):
            plain.AddBond(position[ends[0]], position[ends[1]], Chem.BondType.SINGLE)
    return plain.GetMol(), index


def forget_exchanging_centres(molecule: Chem.Mol) -> None:
    """Clear, in place, the chirality of atoms that invert by exchange, and of centres that hang on them."""
    centres = [atom for atom in molecule.GetAtoms() if is_exchanging(atom) and atom.GetChiralTag()]
    for atom in centres:
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    if centres:
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)


def is_exchanging(atom: Chem.Atom) -> bool:
    """Tell whether an atom looks like a stereocentre but is none in solution.

    That is phosphorus or sulfur whose terminal oxygens differ only by a proton or by resonance, and a protonated
    amine, which loses its proton and inverts.
    """
    if atom.GetSymbol() == "N":
        return bool(atom.GetTotalNumHs(includeNeighbors=True) > 0)
    if atom.GetSymbol() not in ("P", "S"):
        return False
    terminal = [near for near in atom.GetNeighbors() if near.GetSymbol() == "O" and _heavy_degree(near) == 1]
    return len(terminal) > 1


def _heavy_degree(atom: Chem.Atom) -> int:
    return sum(1 for near in atom.GetNeighbors() if near.GetAtomicNum() > 1)
