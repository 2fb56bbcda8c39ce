"""From a molecule as read to the one molecule meant: checked by RDKit, metals cut off, salt and labels removed."""

from __future__ import annotations

import functools
from typing import Final

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.ligand.library import recognise, uncharged

_LIGHT_METALS: Final = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2}
"""Metals whose salts are often drawn with a bond; with their charge as ions."""

NON_METALS: Final = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 51, 52, 53, 54, 85, 86))
"""Atomic numbers of what is not a metal."""

_SMALLEST: Final = 3

_PARTNERS: Final = (
    "Cl", "Br", "I", "F", "O", "N", "S", "[Na]", "[K]", "[Li]", "[Ca]", "[Mg]", "[Zn]",
    "OS(O)(=O)=O", "OP(O)(O)=O", "O[N+](=O)[O-]", "OCl(=O)(=O)=O", "OC(O)=O", "FB(F)F", "FP(F)(F)(F)F",
    "CS(O)(=O)=O", "CCS(O)(=O)=O", "OCCS(O)(=O)=O", "OS(=O)(=O)CCS(O)(=O)=O", "OS(=O)(=O)c1ccccc1",
    "Cc1ccc(S(O)(=O)=O)cc1", "OS(=O)(=O)c1ccc2ccccc2c1", "OS(=O)(=O)c1cccc2c1cccc2S(O)(=O)=O", "NS(O)(=O)=O",
    "CC1(C)C2CCC1(CS(O)(=O)=O)C(=O)C2", "OC(=O)C(F)(F)F", "OC=O", "CC(O)=O", "CCC(O)=O", "OC(=O)C(O)=O",
    "OC(=O)CC(O)=O", "OC(=O)CCC(O)=O", "OC(=O)CCCCC(O)=O", "OC(=O)C=CC(O)=O", "OC(=O)CC(O)C(O)=O",
    "OC(=O)C(O)C(O)C(O)=O", "OC(=O)CC(O)(CC(O)=O)C(O)=O", "CC(O)C(O)=O", "OCC(O)=O", "OC(=O)c1ccccc1",
    "OC(=O)c1ccccc1O", "OC(=O)c1ccc2ccccc2c1O", "OC(=O)C(O)c1ccccc1", "OC(=O)c1cccnc1", "OC(=O)C1CCC(=O)N1",
    "OCC(O)C(O)C(O)C(O)C(O)=O", "OC(=O)c1cc2ccccc2c(Cc2c3ccccc3cc(C(O)=O)c2O)c1O",
    "CNCC(O)C(O)C(O)C(O)CO", "NC(CO)(CO)CO", "NCCO", "OCCNCCO", "OCCN(CCO)CCO", "NCCN", "C[N+](C)(C)CCO",
    "NCCCCC(N)C(O)=O", "NC(=N)NCCCC(N)C(O)=O", "C1CNCCN1", "CC(C)(C)N", "CCNCC", "CCN(CC)CC",
    "CO", "CCO", "CC(C)O", "CCCO", "CCCCO", "CC(C)=O", "CC#N", "CS(C)=O", "CN(C)C=O", "CCOC(C)=O", "CCOCC",
    "C1CCOC1", "C1COCCO1", "ClCCl", "ClC(Cl)Cl", "Cc1ccccc1", "CCCCCC", "CCCCCCC", "CC(O)CO", "OCCO", "CC(C)OC(C)=O",
    "c1ccncc1",
)  # fmt: skip
"""Counter-ions, co-formers and solvents of drug salts (Paulekuhn, Dressman and Saal, J. Med. Chem. 2007, 50, 6665)."""


def sanitised(molecule: Chem.Mol, where: str) -> Chem.Mol:
    """Return a checked copy with stereochemistry assigned, or raise LigandError with what RDKit says."""
    with BlockLogs():
        problems = Chem.DetectChemistryProblems(molecule)
        if problems:
            what = "; ".join(problem.Message() for problem in problems[:3])
            raise LigandError(f"{where}: RDKit rejects the molecule: {what}{_hint(what)}")
        molecule = Chem.Mol(molecule)
        Chem.SanitizeMol(molecule)
        if molecule.GetNumConformers() and not molecule.GetConformer().Is3D():
            Chem.AssignChiralTypesFromBondDirs(molecule)
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return molecule


def _hint(problem: str) -> str:
    if "kekulize" in problem.lower():
        return "; an aromatic nitrogen with a hydrogen is written [nH]"
    if " N, 4," in problem:
        return "; a nitrogen with four bonds carries a charge, [N+]"
    return ""


def strip_salt(molecule: Chem.Mol, where: str) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Return the one molecule meant, without counter-ions, co-formers and solvent; a library chelate stays whole.

    Known partners of salts go whatever their size, other fragments where they are at most half as large as the
    largest. Several copies of the same molecule count once.

    Parameters
    ----------
    molecule : Chem.Mol
        Sanitised; conformers are kept.
    where : str
        File name or SMILES, for the message.

    Returns
    -------
    molecule : Chem.Mol
    notes : tuple of str
        What was removed.

    Raises
    ------
    LigandError
        Several molecules of similar size remain.
    """
    parts = Chem.GetMolFrags(molecule, asMols=True)
    if len(parts) == 1 or recognise(molecule)[0] is not None:
        return molecule, ()
    named = [(_plain(part), part) for part in parts]
    kept = {name: part for name, part in reversed(named) if name not in _partners()}
    if not kept:
        kept = {name: part for name, part in reversed(named)}
    order = sorted(kept.values(), key=lambda part: (-part.GetNumHeavyAtoms(), Chem.MolToSmiles(part)))
    _refuse_fragments(parts, order[0], where)
    if len(order) > 1 and order[1].GetNumHeavyAtoms() * 2 > order[0].GetNumHeavyAtoms():
        raise LigandError(
            f"{where}: holds {len(order)} molecules of similar size; give one (a mixture is not docked as a whole)"
        )
    main = order[0]
    with BlockLogs():
        removed = ", ".join(sorted(Chem.MolToSmiles(Chem.RemoveHs(part)) for part in parts if part is not main))
    return main, (f"salt or solvent removed: {removed}",)


def _refuse_fragments(parts: tuple[Chem.Mol, ...], main: Chem.Mol, where: str) -> None:
    """Refuse what is no salt: a metal held by ions of carbon or unknown metals, or nothing but small ions."""
    foreign = {
        atom.GetSymbol()
        for part in parts
        for atom in part.GetAtoms()
        if atom.GetAtomicNum() not in NON_METALS and atom.GetSymbol() not in (*_LIGHT_METALS, "Zn")
    }
    if foreign:
        raise LigandError(
            f"{where}: {', '.join(sorted(foreign))} has no parameters (metal complexes cannot be modelled)"
        )
    if main.GetNumHeavyAtoms() < _SMALLEST:
        raise LigandError(f"{where}: nothing but counter-ions and solvent")


def has_counter_ion(molecule: Chem.Mol) -> bool:
    """Tell whether a molecule is written as ions of opposite charge, so that its charges are those of the salt."""
    charges = {
        Chem.GetFormalCharge(part) > 0 for part in Chem.GetMolFrags(molecule, asMols=True) if Chem.GetFormalCharge(part)
    }
    return len(charges) == 2


def without_labels(molecule: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Return the molecule without isotope labels and atom-map numbers, and a note where isotopes were dropped."""
    labelled = any(atom.GetIsotope() for atom in molecule.GetAtoms())
    if not labelled and not any(atom.GetAtomMapNum() for atom in molecule.GetAtoms()):
        return molecule, ()
    molecule = Chem.Mol(molecule)
    for atom in molecule.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    with BlockLogs():
        if not molecule.GetNumConformers():
            molecule = Chem.RemoveHs(molecule)
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return molecule, ("isotope labels dropped: binding energies do not depend on them",) if labelled else ()


def cut_light_metals(molecule: Chem.Mol) -> Chem.Mol:
    """Return the unsanitised molecule with bonds of Li, Na, K, Mg, Ca ... to O, N and S made ionic."""
    bonds = [
        (bond.GetIdx(), metal, other)
        for bond in molecule.GetBonds()
        for metal, other in (
            (bond.GetBeginAtom(), bond.GetEndAtom()),
            (bond.GetEndAtom(), bond.GetBeginAtom()),
        )
        if metal.GetSymbol() in _LIGHT_METALS and other.GetSymbol() in ("O", "N", "S")
    ]
    if not bonds:
        return molecule
    result = Chem.RWMol(molecule)
    for _, metal, other in bonds:
        result.RemoveBond(metal.GetIdx(), other.GetIdx())
        atom = result.GetAtomWithIdx(other.GetIdx())
        ion = result.GetAtomWithIdx(metal.GetIdx())
        if atom.GetFormalCharge() == 0:
            atom.SetFormalCharge(-1)
            atom.SetNoImplicit(True)
            ion.SetFormalCharge(min(ion.GetFormalCharge() + 1, _LIGHT_METALS[ion.GetSymbol()]))
    return result.GetMol()


def _plain(part: Chem.Mol) -> str:
    """Return the SMILES of the uncharged fragment without stereo."""
    with BlockLogs():
        smiles: str = Chem.MolToSmiles(uncharged(part), isomericSmiles=False)
    return smiles


@functools.cache
def _partners() -> frozenset[str]:
    with BlockLogs():
        plain = {Chem.MolToSmiles(uncharged(Chem.MolFromSmiles(smiles))) for smiles in _PARTNERS}
    ions = {f"[{symbol}+{charge}]" if charge > 1 else f"[{symbol}+]" for symbol, charge in _LIGHT_METALS.items()}
    return frozenset(plain | ions | {"[Zn+2]", "[Cl-]", "[Br-]", "[I-]", "[F-]", "F[B-](F)(F)F", "F[P-](F)(F)(F)(F)F"})
