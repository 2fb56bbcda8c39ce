"""Stereochemistry: what must be defined, and what is no stereocentre at all."""

from __future__ import annotations

from typing import Any

from rdkit import Chem
from rdkit.Chem import rdCIPLabeler, rdDistGeom
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.molecule import forget_exchanging_centres, is_exchanging

_MAX_ISOMERS = 8
_FEW_CENTRES, _MANY_CENTRES, _SAMPLES = 4, 6, 8
_CROWDED = 3
_OPEN_BOND = (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY)


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
    neutral, open_centres = _open(molecule)
    if not open_centres:
        return
    isomers = _isomers(neutral, len(open_centres))
    if len(isomers) == 1:
        return
    named = ", ".join(dict.fromkeys(open_centres))
    example = f", for instance {Chem.MolToSmiles(isomers[0])}" if isomers else ""
    raise LigandError(
        f"{where}: undefined stereochemistry at {named}; write it out{example}, or ask for every isomer "
        "(enumerate_stereo)"
    )


def stereoisomers(molecule: Chem.Mol, where: str) -> tuple[tuple[str, Chem.Mol], ...]:
    """Return the isomers of a molecule whose stereochemistry is open, each with its labels.

    Parameters
    ----------
    molecule : Chem.Mol
        Sanitised, hydrogens implicit.
    where : str
        For messages.

    Returns
    -------
    tuple of (str, Chem.Mol)
        Labels of what was open (``R``, ``R,S``, ``E`` ...) and the isomer, charges as given; the molecule itself
        with an empty label where nothing is open.

    Raises
    ------
    LigandError
        There are more than eight, or none that exists in 3-D.
    """
    neutral, open_centres = _open(molecule)
    if not open_centres:
        return (("", molecule),)
    isomers = _isomers(neutral, len(open_centres))
    too_many = len(isomers) > _MAX_ISOMERS or (len(isomers) > 1 and len(open_centres) > _MANY_CENTRES)
    if too_many or not isomers:
        count = f"more than {_MAX_ISOMERS}" if isomers else "no possible"
        raise LigandError(
            f"{where}: {count} isomers by undefined stereochemistry at {', '.join(dict.fromkeys(open_centres))}; "
            "write out the one that is meant"
        )
    if len(isomers) == 1:
        return (("", molecule),)
    named: dict[str, Chem.Mol] = {}
    for isomer in isomers:
        label = _new_labels(neutral, isomer)
        while label in named:
            label += "'"
        named[label] = _charged_as(isomer, molecule)
    return tuple(sorted(named.items(), key=lambda item: item[0]))


def _open(molecule: Chem.Mol) -> tuple[Chem.Mol, list[str]]:
    """Return the uncharged molecule and a description of each open centre."""
    with BlockLogs():
        neutral = rdMolStandardize.Uncharger().uncharge(Chem.Mol(molecule))
        forget_exchanging_centres(neutral)
        found = [_describe(molecule, item) for item in Chem.FindPotentialStereo(neutral) if _is_open(neutral, item)]
    for group in neutral.GetStereoGroups():
        if group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE:
            found += [f"atom {_label(atom)} (one of a mixture)" for atom in group.GetAtoms()]
    return neutral, found


def _isomers(molecule: Chem.Mol, n_open: int) -> list[Chem.Mol]:
    """Return the isomers that exist in 3-D, by SMILES; nine where there are more than eight.

    Where four or more centres are open, conformers made without any stereochemistry are asked first: if all of them are
    the same isomer the rings allow no other (adamantane). Beyond six centres these conformers stand for all isomers.
    """
    if n_open >= _FEW_CENTRES:
        sampled = _sampled(molecule)
        if len(sampled) == 1 or n_open > _MANY_CENTRES:
            return sampled
    enumerator: Any = EnumerateStereoisomers
    make_options: Any = StereoEnumerationOptions
    options = make_options(onlyUnassigned=True, unique=True, tryEmbedding=True, maxIsomers=_MAX_ISOMERS + 1, rand=1)
    with BlockLogs():
        found: dict[str, Chem.Mol] = {}
        for isomer in enumerator(Chem.RemoveHs(molecule), options):
            plain = Chem.RemoveHs(isomer)
            plain.RemoveAllConformers()
            found.setdefault(Chem.MolToSmiles(plain), plain)
    return [found[smiles] for smiles in sorted(found)]


def _sampled(molecule: Chem.Mol) -> list[Chem.Mol]:
    """Return the isomers that distance geometry makes where nothing is said of the stereochemistry."""
    with BlockLogs():
        full = Chem.AddHs(molecule)
        settings: Any = rdDistGeom.ETKDGv3()
        settings.randomSeed, settings.useRandomCoords, settings.maxIterations = 1, True, 50
        found: dict[str, Chem.Mol] = {}
        for conformer in list(rdDistGeom.EmbedMultipleConfs(full, _SAMPLES, settings)):
            isomer = Chem.Mol(full)
            Chem.AssignStereochemistryFrom3D(isomer, conformer)
            forget_exchanging_centres(isomer)
            isomer.RemoveAllConformers()
            plain = Chem.RemoveHs(isomer)
            found.setdefault(Chem.MolToSmiles(plain), plain)
    return [found[smiles] for smiles in sorted(found)]


def hindered_axes(molecule: Chem.Mol) -> tuple[str, ...]:
    """Return the bonds between two aromatic rings that may be too hindered to turn, so that atropisomers exist.

    Three or four of the positions beside the bond carry a heavy atom, and neither ring is symmetric about it
    (LaPlante et al., J. Med. Chem. 2011, 54, 7005, class 2 or 3).
    """
    ranks = list(Chem.CanonicalRankAtoms(molecule, breakTies=False))
    found = []
    for a, b in molecule.GetSubstructMatches(Chem.MolFromSmarts("[c,n;R]-!@[c,n;R]")):
        ends = [(molecule.GetAtomWithIdx(a), b), (molecule.GetAtomWithIdx(b), a)]
        beside = [[near for near in atom.GetNeighbors() if near.GetIdx() != other] for atom, other in ends]
        filled = sum(near.GetDegree() > 2 for pair in beside for near in pair)
        lopsided = all(len({ranks[near.GetIdx()] for near in pair}) == len(pair) for pair in beside)
        six = all(atom.IsInRingSize(6) for atom, _ in ends)
        if six and filled >= _CROWDED and lopsided:
            found.append("-".join(_label(atom) for atom, _ in ends))
    return tuple(found)


def _new_labels(before: Chem.Mol, isomer: Chem.Mol) -> str:
    """Return the CIP labels of the centres and double bonds that were open, in the order of the atoms."""
    old, new = Chem.RemoveHs(before), Chem.Mol(isomer)
    mixed = {
        atom.GetIdx()
        for group in old.GetStereoGroups()
        if group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE
        for atom in group.GetAtoms()
    }
    with BlockLogs():
        rdCIPLabeler.AssignCIPLabels(new)
    labels = [
        (atom.GetIdx(), atom.GetProp("_CIPCode"))
        for atom, was in zip(new.GetAtoms(), old.GetAtoms(), strict=True)
        if atom.HasProp("_CIPCode") and (not was.GetChiralTag() or atom.GetIdx() in mixed)
    ]
    labels += [
        (bond.GetBeginAtomIdx(), bond.GetProp("_CIPCode"))
        for bond, was in zip(new.GetBonds(), old.GetBonds(), strict=True)
        if bond.HasProp("_CIPCode") and was.GetStereo() in _OPEN_BOND
    ]
    return ",".join(label for _, label in sorted(labels)) or "isomer"


def _charged_as(isomer: Chem.Mol, molecule: Chem.Mol) -> Chem.Mol:
    """Return the isomer with the charges and hydrogens of the molecule; heavy atoms have the same order."""
    result = Chem.RWMol(isomer)
    for atom, source in zip(result.GetAtoms(), Chem.RemoveHs(molecule).GetAtoms(), strict=True):
        if atom.GetFormalCharge() != source.GetFormalCharge():
            atom.SetFormalCharge(source.GetFormalCharge())
            atom.SetNumExplicitHs(source.GetTotalNumHs())
            atom.SetNoImplicit(True)
    result.SetStereoGroups([])
    with BlockLogs():
        Chem.SanitizeMol(result)
    return result.GetMol()


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
