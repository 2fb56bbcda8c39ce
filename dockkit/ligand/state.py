"""The state that is modelled, the limits of what can be modelled, and the record of it."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import Ligand, LigandEntry
from dockkit.ligand.conformer import positions
from dockkit.ligand.library import inchi_key, recognise, uncharged
from dockkit.ligand.protonation import is_charged, protonate
from dockkit.ligand.stereo import check_stereo

_ELEMENTS = frozenset(("H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I"))
_MIN_HEAVY, _MAX_HEAVY = 3, 150
_MAX_CHARGE = 6


def check_molecule(molecule: Chem.Mol, where: str) -> None:
    """Refuse what has no parameters: other elements, too few or too many atoms, radicals, open stereochemistry.

    Parameters
    ----------
    molecule : Chem.Mol
        Sanitised.
    where : str
        File name, SMILES or group, for the message.

    Raises
    ------
    LigandError
        The molecule is outside the limits.
    """
    heavy = molecule.GetNumHeavyAtoms()
    metals = {"Mg"} if len(Chem.GetMolFrags(molecule)) > 1 else set()
    foreign = sorted({atom.GetSymbol() for atom in molecule.GetAtoms()} - _ELEMENTS - metals)
    if foreign:
        raise LigandError(f"{where}: {', '.join(foreign)} has no parameters; supported: {', '.join(sorted(_ELEMENTS))}")
    if not _MIN_HEAVY <= heavy <= _MAX_HEAVY:
        raise LigandError(f"{where}: {heavy} heavy atoms; a ligand has {_MIN_HEAVY} to {_MAX_HEAVY}")
    radicals = [atom.GetIdx() + 1 for atom in molecule.GetAtoms() if atom.GetNumRadicalElectrons()]
    if radicals:
        raise LigandError(f"{where}: radical at atom {radicals[0]}; hydrogens are missing there or the charge is wrong")
    check_stereo(molecule, where)


def check_charge(molecule: Chem.Mol, where: str) -> None:
    """Raise LigandError where the net charge is beyond reason."""
    charge = Chem.GetFormalCharge(molecule)
    if abs(charge) > _MAX_CHARGE:
        raise LigandError(f"{where}: net charge {charge:+d} is beyond {_MAX_CHARGE}")


def choose_state(molecule: Chem.Mol) -> tuple[Chem.Mol, LigandEntry | None, tuple[str, ...]]:
    """Return the molecule in the state to model, its library entry, and why."""
    entry, same_tautomer = recognise(molecule)
    if is_charged(molecule):
        return molecule, entry, (f"protonation state as written, charge {Chem.GetFormalCharge(molecule):+d}",)
    if entry is not None and same_tautomer:
        return _library_state(molecule, entry), entry, (f"recognised as {entry.name}: library protonation state",)
    state, notes = protonate(molecule)
    return state, entry, notes


def _library_state(molecule: Chem.Mol, entry: LigandEntry) -> Chem.Mol:
    """Return the molecule, its atoms in their order, with the formal charges of the library's state."""
    charged = Chem.RemoveHs(Chem.MolFromSmiles(entry.smiles_ph74))
    match = molecule.GetSubstructMatch(uncharged(charged), useChirality=True)
    result = Chem.RWMol(molecule)
    for source, target in zip(charged.GetAtoms(), match, strict=True):
        atom = result.GetAtomWithIdx(target)
        if atom.GetFormalCharge() != source.GetFormalCharge():
            atom.SetFormalCharge(source.GetFormalCharge())
            atom.SetNumExplicitHs(source.GetNumExplicitHs())
            atom.SetNoImplicit(source.GetNoImplicit())
    Chem.SanitizeMol(result)
    return result.GetMol()


def own_name(molecule: Chem.Mol) -> str:
    """Return the formula and the start of the InChIKey: short, safe in file names, different for isomers."""
    formula: str = rdMolDescriptors.CalcMolFormula(uncharged(molecule))
    return f"{formula}-{inchi_key(molecule)[:6]}"


def make_record(
    molecule: Chem.Mol, name: str, entry: LigandEntry | None, *, pose_given: bool, notes: tuple[str, ...]
) -> Ligand:
    """Return the record of a molecule with all hydrogens and one conformer."""
    molecule = Chem.Mol(molecule)
    if any(atom.GetIsotope() for atom in molecule.GetAtoms()):
        notes = (*notes, "isotope labels dropped")
        for atom in molecule.GetAtoms():
            atom.SetIsotope(0)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    molecule.SetProp("_Name", name)
    with BlockLogs():
        block = Chem.MolToMolBlock(molecule, forceV3000=False)
        smiles = Chem.MolToSmiles(Chem.RemoveHs(molecule))
    return Ligand(
        name=name,
        smiles=smiles,
        mol_block=block,
        elements=np.array([atom.GetSymbol() for atom in molecule.GetAtoms()]),
        formal_charges=np.array([atom.GetFormalCharge() for atom in molecule.GetAtoms()]),
        coordinates=positions(molecule),
        pose_given=pose_given,
        entry=entry,
        notes=notes,
    )
