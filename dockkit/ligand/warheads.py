"""The molecule as it was before it bonded to the protein."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray
from dockkit.ligand.library import recognise

_ACCEPTOR: Final = "$([#6X3]=[O,N]),$([#6]#N),$([SX4](=O)=O),$([SX3]=O),$([NX3+](=O)[O-]),$([PX4]=O)"
_FLAT_SUM: Final = 348.0
"""Degrees: sum of three angles above which an atom with three bonds is flat."""

_VINYL: Final = 1.44
"""Angstrom: a C-C bond shorter than this is not single."""

_UNREACTED: Final = (
    ("Michael acceptor", f"[CX3:1]=[CX3][{_ACCEPTOR}]"),
    ("alkynyl Michael acceptor", f"[CX2:1]#[CX2][{_ACCEPTOR}]"),
    ("alkene", "[CX3:1]=[CX3]"),
    ("nitrile", "[CX2:1]#[NX1]"),
    ("aldehyde or ketone", "[CX3:1](=[OX1])[#6,#1]"),
    ("alkyl halide", "[CX4:1][Cl,Br,I]"),
    ("epoxide or aziridine", "[CX4:1]1[CX4][O,N]1"),
    ("sulfonyl fluoride", "[SX4:1](=O)(=O)F"),
    ("thiol (disulfide)", "[SX2H:1]"),
)
"""Forms in which the named atom can still react with a cysteine, lysine or serine, in the order tried."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The unreacted molecule.

    Parameters
    ----------
    molecule : Chem.Mol
        Heavy atoms in the order given.
    reacted : tuple of int
        Atoms of the bond that took part.
    note : str
        What was done.
    """

    molecule: Chem.Mol
    reacted: tuple[int, ...]
    note: str


def restore_warhead(
    molecule: Chem.Mol, index: int, coordinates: FloatArray, anchor: FloatArray, where: str
) -> Restored:
    """Return a bonded group as the molecule that it was before the reaction.

    The dictionary holds some groups as they were (acrylamide) and some as they are in the crystal, with a hydrogen
    where the protein is (propanamide). The latter get their double or triple bond back.

    Parameters
    ----------
    molecule : Chem.Mol
        Heavy atoms with bond orders, from the dictionary or a template.
    index : int
        The atom bonded to the protein.
    coordinates : (n, 3) float
        Angstrom, of the crystal.
    anchor : (3,) float
        Where the protein's atom is, Angstrom.
    where : str
        For messages.

    Returns
    -------
    Restored

    Raises
    ------
    LigandError
        The reactive form cannot be told: its leaving group is gone, or the chemistry is unknown.
    """
    if found := _butynamide(molecule, index, coordinates, anchor):
        return found
    for name, smarts in _UNREACTED:
        for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(smarts), uniquify=False):
            if match[0] == index:
                return Restored(molecule, match[:2], f"{name}, already in its unreacted form in the template")
    if found := _michael(molecule, index) or _small(molecule, index):
        return found
    raise LigandError(
        f"{where}: bonded to the protein, and what it was before cannot be told (a leaving group is gone, or the "
        "chemistry is not known); give the SMILES of the unreacted inhibitor"
    )


def _michael(molecule: Chem.Mol, index: int) -> Restored | None:
    """Give a saturated Michael adduct its double bond back, trans where there is a choice."""
    pattern = Chem.MolFromSmarts(f"[CX4;H2,H3]-!@[CX4;H1,H2]-!@[{_ACCEPTOR}]")
    for beta, alpha, carbonyl in molecule.GetSubstructMatches(pattern, uniquify=False):
        if beta != index:
            continue
        edited = Chem.RWMol(molecule)
        bond = edited.GetBondBetweenAtoms(beta, alpha)
        bond.SetBondType(Chem.BondType.DOUBLE)
        _reset_hydrogens(edited, (beta, alpha))
        first = next((n.GetIdx() for n in edited.GetAtomWithIdx(beta).GetNeighbors() if n.GetIdx() != alpha), None)
        variants = [Chem.Mol(edited)]
        if first is not None:
            variants = [_with_stereo(edited, beta, alpha, first, carbonyl, stereo) for stereo in _BOTH]
        known = [v for v in variants if recognise(v)[0] is not None]
        chosen = (known or variants)[0]
        isomer = (
            ""
            if first is None
            else (", trans" if chosen is variants[0] else ", cis") + " as in the library" * bool(known)
        )
        return Restored(
            chosen, (beta, alpha), f"Michael acceptor: its double bond, saturated in the template, restored{isomer}"
        )
    return None


_BOTH: Final = (Chem.BondStereo.STEREOTRANS, Chem.BondStereo.STEREOCIS)


def _with_stereo(
    molecule: Chem.RWMol, beta: int, alpha: int, first: int, last: int, stereo: Chem.BondStereo
) -> Chem.Mol:
    variant = Chem.RWMol(molecule)
    bond = variant.GetBondBetweenAtoms(beta, alpha)
    ends = (first, last) if bond.GetBeginAtomIdx() == beta else (last, first)
    bond.SetStereoAtoms(*ends)
    bond.SetStereo(stereo)
    Chem.AssignStereochemistry(variant, cleanIt=True, force=True)
    return variant.GetMol()


def _butynamide(molecule: Chem.Mol, index: int, xyz: FloatArray, anchor: FloatArray) -> Restored | None:
    """Give a vinyl thioether (the adduct of an alkynamide, flat at the bonded carbon) its triple bond back."""
    pattern = Chem.MolFromSmarts(f"[CX3;H1,H2]=[CX3;H1]-[{_ACCEPTOR}]")
    for beta, alpha, *_ in molecule.GetSubstructMatches(pattern, uniquify=False):
        if beta != index or len(xyz) <= max(beta, alpha):
            continue
        methyl = [n.GetIdx() for n in molecule.GetAtomWithIdx(beta).GetNeighbors() if n.GetIdx() != alpha]
        if len(methyl) != 1 or molecule.GetAtomWithIdx(methyl[0]).GetTotalNumHs() != 3:
            continue
        arms = [xyz[alpha] - xyz[beta], xyz[methyl[0]] - xyz[beta], anchor - xyz[beta]]
        angles = sum(_angle(arms[i], arms[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
        if angles > _FLAT_SUM and float(np.linalg.norm(arms[0])) < _VINYL:
            return _with_order(molecule, beta, alpha, Chem.BondType.TRIPLE, "alkynyl Michael acceptor: its triple bond")
    return None


def _small(molecule: Chem.Mol, index: int) -> Restored | None:
    """Give nitriles (thioimidates) and carbonyls (hemithioacetals) their bond back."""
    for smarts, order, name in (
        ("[CX3]=[NX2;H1]", Chem.BondType.TRIPLE, "nitrile: its triple bond"),
        ("[CX4;H1,H2]-[OX2;H1]", Chem.BondType.DOUBLE, "aldehyde or ketone: its double bond"),
    ):
        for carbon, hetero in molecule.GetSubstructMatches(Chem.MolFromSmarts(smarts), uniquify=False):
            if carbon == index:
                return _with_order(molecule, carbon, hetero, order, name)
    return None


def _with_order(molecule: Chem.Mol, a: int, b: int, order: Chem.BondType, name: str) -> Restored:
    edited = Chem.RWMol(molecule)
    edited.GetBondBetweenAtoms(a, b).SetStereo(Chem.BondStereo.STEREONONE)
    edited.GetBondBetweenAtoms(a, b).SetBondType(order)
    _reset_hydrogens(edited, (a, b))
    return Restored(edited.GetMol(), (a, b), f"{name}, changed in the template, restored")


def _reset_hydrogens(molecule: Chem.RWMol, atoms: tuple[int, ...]) -> None:
    for index in atoms:
        atom = molecule.GetAtomWithIdx(index)
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    with BlockLogs():
        Chem.SanitizeMol(molecule)


def _angle(first: FloatArray, second: FloatArray) -> float:
    cosine = float(first @ second / max(1e-9, float(np.linalg.norm(first) * np.linalg.norm(second))))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
