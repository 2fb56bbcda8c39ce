"""The state that is modelled, the limits of what can be modelled, and the record of it."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import Ligand, LigandEntry
from dockkit.ligand.alternatives import alternatives
from dockkit.ligand.conformer import positions
from dockkit.ligand.covalent import find_warhead
from dockkit.ligand.library import as_entry, inchi_key, recognise, uncharged
from dockkit.ligand.parts import NON_METALS
from dockkit.ligand.protonation import amines, is_charged, protonate
from dockkit.ligand.stereo import check_stereo, hindered_axes
from dockkit.ligand.tautomers import settle

_ELEMENTS = frozenset(("H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I"))
_MIN_HEAVY, _MAX_HEAVY = 3, 150
_MAX_CHARGE = 6
_WHY_NOT = {
    "B": "boron is in neither OpenFF Sage nor the charge model, and a boronic acid changes shape as it binds",
    "Si": "silicon is in neither OpenFF Sage nor the charge model",
    "Se": "selenium is in neither OpenFF Sage nor the charge model; the sulfur analogue may serve",
}


def check_molecule(molecule: Chem.Mol, where: str) -> None:
    """Refuse what cannot be modelled: ``check_limits``, then open stereochemistry.

    Raises
    ------
    LigandError
        The molecule is outside the limits.
    """
    check_limits(molecule, where)
    check_stereo(molecule, where)


def check_limits(molecule: Chem.Mol, where: str) -> None:
    """Refuse what has no parameters: other elements, too few or too many atoms, radicals, wildcards.

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
    ions = {"Mg"} if len(Chem.GetMolFrags(molecule)) > 1 else set()
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise LigandError(f"{where}: an open attachment point or wildcard atom; write out the whole molecule")
    foreign = sorted({atom.GetSymbol() for atom in molecule.GetAtoms()} - _ELEMENTS - ions)
    if foreign:
        metals = {atom.GetSymbol() for atom in molecule.GetAtoms() if atom.GetAtomicNum() not in NON_METALS}
        why = "; ".join(_WHY_NOT[symbol] for symbol in foreign if symbol in _WHY_NOT)
        why = "metal complexes cannot be modelled" if metals & set(foreign) else why
        raise LigandError(
            f"{where}: {', '.join(foreign)} has no parameters{f' ({why})' if why else ''}; "
            f"supported: {', '.join(sorted(_ELEMENTS))}"
        )
    if not _MIN_HEAVY <= heavy <= _MAX_HEAVY:
        raise LigandError(f"{where}: {heavy} heavy atoms; a ligand has {_MIN_HEAVY} to {_MAX_HEAVY}")
    radicals = [atom.GetIdx() + 1 for atom in molecule.GetAtoms() if atom.GetNumRadicalElectrons()]
    if radicals:
        raise LigandError(f"{where}: radical at atom {radicals[0]}; hydrogens are missing there or the charge is wrong")


def check_charge(molecule: Chem.Mol, where: str) -> None:
    """Raise LigandError where the net charge is beyond reason."""
    charge = Chem.GetFormalCharge(molecule)
    if abs(charge) > _MAX_CHARGE:
        raise LigandError(f"{where}: net charge {charge:+d} is beyond {_MAX_CHARGE}")


def choose_state(
    molecule: Chem.Mol, *, keep_state: bool = False
) -> tuple[Chem.Mol, LigandEntry | None, tuple[str, ...]]:
    """Return the molecule in the state to model, its library entry, and why.

    Parameters
    ----------
    molecule : Chem.Mol
        Checked, hydrogens implicit; conformers are kept.
    keep_state : bool
        Keep protonation and tautomer as they are.

    Returns
    -------
    molecule : Chem.Mol
        Heavy atoms in their order.
    entry : LigandEntry or None
        What the library knows of it, in any tautomer and protonation state.
    notes : tuple of str
        State, rule and alternatives.
    """
    entry, same_tautomer = recognise(molecule)
    if keep_state or is_charged(molecule):
        why = "kept on request" if keep_state else "as written"
        return molecule, entry, (f"protonation state {why}, charge {Chem.GetFormalCharge(molecule):+d}",)
    notes: tuple[str, ...] = ()
    if not same_tautomer:
        settled, notes = settle(molecule)
        if entry is None:
            molecule = settled
            entry, same_tautomer = recognise(molecule)
    if entry is not None:
        state = _library_state(molecule, entry) if same_tautomer else as_entry(molecule, entry)
        if state is not None:
            what = "library protonation state" if same_tautomer else "library tautomer and protonation state"
            return state, entry, (f"recognised as {entry.name}: {what}", *other_states(state, entry))
    state, decided = protonate(molecule)
    return state, entry, (*decided, *notes, *other_states(state, entry))


def other_states(state: Chem.Mol, entry: LigandEntry | None) -> tuple[str, ...]:
    """Return notes on the states that were not chosen, and on a group that may bond to the protein.

    Parameters
    ----------
    state : Chem.Mol
        As chosen, hydrogens implicit.
    entry : LigandEntry or None
        Whose covalent residue is stated elsewhere.
    """
    found = [
        f"also possible near pH 7.4: {item.change}, {item.smiles}"
        for item in alternatives(state, amines(uncharged(state)))
    ]
    warhead = find_warhead(state)
    if warhead and (entry is None or not entry.covalent_residue):
        found.append(f"has a {warhead}, which may bond to a cysteine; only reversible binding is modelled")
    found += [
        f"the bond {axis} may be too hindered to turn (atropisomers); one arrangement is modelled"
        for axis in hindered_axes(state)
    ]
    return tuple(found)


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
