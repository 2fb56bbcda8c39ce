"""Stereochemistry: what must be defined, and what is no stereocentre at all."""

from __future__ import annotations

from typing import Any

from rdkit import Chem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.molecule import forget_exchanging_centres, is_exchanging


def check_stereo(molecule: Chem.Mol, where: str) -> None:
    """Refuse undefined stereochemistry, naming each centre.

    Phosphorus and sulfur whose terminal oxygens differ only by a proton or by resonance do not count, nor do protonated
    amines (they exchange their proton and invert), nor centres for which the rings allow a single arrangement.

    Parameters
    ----------
    molecule : Chem.Mol
        Sanitised.
    where : str
        File name or SMILES, for the message.

    Raises
    ------
    LigandError
        A stereocentre or double bond is open; the message names the atoms and gives a complete SMILES as an example.
    """
    with BlockLogs():
        neutral = rdMolStandardize.Uncharger().uncharge(Chem.Mol(molecule))
        forget_exchanging_centres(neutral)
        open_centres = [item for item in Chem.FindPotentialStereo(neutral) if _is_open(neutral, item)]
    if not open_centres:
        return
    isomers = _isomers(neutral)
    if len(isomers) == 1:
        return
    named = ", ".join(_describe(molecule, item) for item in open_centres)
    example = f", for instance {isomers[0]}" if isomers else ""
    raise LigandError(f"{where}: undefined stereochemistry at {named}; write it out{example}")


def _isomers(molecule: Chem.Mol) -> list[str]:
    """Return the SMILES of the isomers that exist in 3-D, at most eight."""
    enumerator: Any = EnumerateStereoisomers
    make_options: Any = StereoEnumerationOptions
    options = make_options(onlyUnassigned=True, unique=True, tryEmbedding=True, maxIsomers=8)
    with BlockLogs():
        isomers = enumerator(Chem.RemoveHs(molecule), options)
        return sorted({Chem.MolToSmiles(Chem.RemoveHs(isomer)) for isomer in isomers})


def _is_open(molecule: Chem.Mol, item: Any) -> bool:
    if item.specified != Chem.StereoSpecified.Unspecified:
        return False
    if item.type == Chem.StereoType.Bond_Double:
        return True
    return item.type == Chem.StereoType.Atom_Tetrahedral and not is_exchanging(molecule.GetAtomWithIdx(item.centeredOn))


def _describe(molecule: Chem.Mol, item: Any) -> str:
    if item.type == Chem.StereoType.Bond_Double:
        bond = molecule.GetBondWithIdx(item.centeredOn)
        return f"the double bond {_label(bond.GetBeginAtom())}={_label(bond.GetEndAtom())}"
    atom = molecule.GetAtomWithIdx(item.centeredOn)
    near = ", ".join(_label(neighbour) for neighbour in atom.GetNeighbors() if neighbour.GetAtomicNum() > 1)
    return f"atom {_label(atom)} (bonded to {near})"


def _label(atom: Chem.Atom) -> str:
    return f"{atom.GetSymbol()}{atom.GetIdx() + 1}"
