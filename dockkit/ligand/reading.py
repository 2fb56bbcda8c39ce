"""Read a ligand from the library, a SMILES or a file, check it, and make the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError, nearest
from dockkit.core.model import Ligand, LigandEntry
from dockkit.core.molecule import forget_exchanging_centres
from dockkit.ligand.conformer import embed, positions
from dockkit.ligand.library import catalogue, find_entry, recognise
from dockkit.ligand.state import check_charge, check_molecule, choose_state, make_record, own_name

_FILE_SUFFIXES = (".sdf", ".sd", ".mol", ".mol2", ".pdb", ".cif", ".mmcif", ".smi", ".pdbqt")


def load_ligand(text: str, *, seed: int = 0) -> Ligand:
    """Return one molecule, protonated for pH 7.4, in 3-D.

    Parameters
    ----------
    text : str
        A library name or synonym (case does not matter), a path to an SDF, MOL or MOL2 file with one molecule, or a
        SMILES, optionally followed by a space and a name.
    seed : int
        Seed of the conformer.

    Returns
    -------
    Ligand
        A SMILES that carries charges, and a 3-D file that carries hydrogens, keep their protonation state. Otherwise
        a molecule of the library gets the library's state and any other one the state of
        ``dockkit.ligand.protonation``. ``pose_given`` is true for a 3-D file. Notes say what was decided.

    Raises
    ------
    LigandError
        The name is unknown (the nearest ones are given), the file is missing, empty, truncated or holds several
        molecules, RDKit rejects the SMILES, a stereocentre is not defined, or the molecule is outside the limits
        (elements, size, charge, radicals).
    """
    text = text.strip()
    if not text:
        raise LigandError("the ligand is empty; give a library name, a SMILES or a file")
    path = Path(text)
    if path.suffix.lower() in _FILE_SUFFIXES or _is_file(path):
        return _from_file(path, seed)
    entry = find_entry(text)
    if entry is not None:
        return _from_entry(entry, seed)
    return _from_smiles(text, seed)


# --------------------------------------------------------------------------- the three kinds of input


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _from_entry(entry: LigandEntry, seed: int) -> Ligand:
    molecule = Chem.AddHs(Chem.MolFromSmiles(entry.smiles_ph74))
    embed(molecule, entry.name, seed)
    state = f"library protonation state, charge {Chem.GetFormalCharge(molecule):+d}"
    return make_record(molecule, entry.name, entry, pose_given=False, notes=(state,))


def _from_smiles(text: str, seed: int) -> Ligand:
    smiles, _, name = text.partition(" ")
    with BlockLogs():
        raw = Chem.MolFromSmiles(smiles, sanitize=False)
    if raw is None:
        hint = nearest(text, (entry.name for entry in catalogue()))
        what = f"'{_short(text)}' is neither a library ligand nor a file nor a SMILES that can be read"
        raise LigandError(f"{what}; {hint}" if hint else what)
    where = _short(smiles)
    molecule = _sanitised(raw, where)
    molecule, notes = _strip_salt(molecule, where)
    check_molecule(molecule, where)
    molecule, entry, more = choose_state(molecule)
    check_charge(molecule, where)
    label = name.strip() or (entry.name if entry is not None else own_name(molecule))
    molecule = Chem.AddHs(molecule)
    embed(molecule, label, seed)
    return make_record(molecule, label, entry, pose_given=False, notes=(*notes, *more))


def _from_file(path: Path, seed: int) -> Ligand:
    molecule = _read_file(path)
    label = molecule.GetProp("_Name").strip() if molecule.HasProp("_Name") else ""
    three_d = molecule.GetConformer().Is3D() and bool(np.ptp(positions(molecule), axis=0).min() > 1e-3)
    if three_d:
        Chem.AssignStereochemistryFrom3D(molecule)
        forget_exchanging_centres(molecule)
    has_hydrogens = any(atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms())
    molecule, notes = _strip_salt(molecule, str(path))
    check_molecule(molecule, str(path))
    if has_hydrogens and three_d:
        state, entry = molecule, recognise(molecule)[0]
        notes = (*notes, f"protonation state of the file, charge {Chem.GetFormalCharge(molecule):+d}")
        if entry is not None and Chem.MolToSmiles(Chem.RemoveHs(molecule)) != Chem.MolToSmiles(
            Chem.MolFromSmiles(entry.smiles_ph74)
        ):
            notes = (*notes, f"the library models {entry.name} as {entry.smiles_ph74}")
    else:
        state, entry, more = choose_state(Chem.RemoveHs(molecule))
        notes = (*notes, *more)
    check_charge(state, str(path))
    label = entry.name if entry is not None else label or path.stem
    missing = sum(atom.GetTotalNumHs() for atom in state.GetAtoms())
    molecule = Chem.AddHs(state, addCoords=three_d)
    if three_d and missing:
        notes = (*notes, f"{missing} hydrogens added to the pose of the file")
    if not three_d:
        embed(molecule, label, seed)
        notes = (*notes, "the file has no 3-D coordinates; a conformer was made")
    return make_record(molecule, label, entry, pose_given=three_d, notes=notes)


def _read_file(path: Path) -> Chem.Mol:
    suffix = path.suffix.lower()
    if suffix not in (".sdf", ".sd", ".mol", ".mol2"):
        raise LigandError(f"{path}: ligands are read from .sdf, .mol and .mol2 files; a SMILES can be given as it is")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LigandError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not text.strip():
        raise LigandError(f"{path}: the file is empty")
    if suffix == ".mol2":
        count = text.count("@<TRIPOS>MOLECULE")
        complete = "@<TRIPOS>BOND" in text
    else:
        count = sum(1 for block in text.split("$$$$") if block.strip())
        complete = "M  END" in text
    if count > 1:
        raise LigandError(f"{path}: holds {count} molecules; give one molecule a file")
    if not complete:
        raise LigandError(f"{path}: the file is truncated or not a {suffix} file (no end of the molecule found)")
    with BlockLogs():
        if suffix == ".mol2":
            raw = Chem.MolFromMol2Block(text, sanitize=False, removeHs=False)
        else:
            raw = Chem.MolFromMolBlock(text.split("$$$$")[0], sanitize=False, removeHs=False)
    if raw is None or raw.GetNumAtoms() == 0 or raw.GetNumConformers() == 0:
        raise LigandError(f"{path}: no molecule could be read; the counts line and the atom and bond blocks do not fit")
    return _sanitised(raw, str(path))


# --------------------------------------------------------------------------- checks


def _sanitised(molecule: Chem.Mol, where: str) -> Chem.Mol:
    with BlockLogs():
        problems = Chem.DetectChemistryProblems(molecule)
        if problems:
            raise LigandError(f"{where}: RDKit rejects the molecule: " + "; ".join(p.Message() for p in problems[:3]))
        molecule = Chem.Mol(molecule)
        Chem.SanitizeMol(molecule)
        if molecule.GetNumConformers() and not molecule.GetConformer().Is3D():
            Chem.AssignChiralTypesFromBondDirs(molecule)
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return molecule


def _strip_salt(molecule: Chem.Mol, where: str) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Keep the largest fragment if the others are counter-ions, acids or solvent; a library chelate stays whole."""
    parts = Chem.GetMolFrags(molecule, asMols=True)
    if len(parts) == 1 or recognise(molecule)[0] is not None:
        return molecule, ()
    parts = tuple(sorted(parts, key=lambda part: -part.GetNumHeavyAtoms()))
    if parts[1].GetNumHeavyAtoms() * 2 > parts[0].GetNumHeavyAtoms():
        raise LigandError(f"{where}: holds {len(parts)} molecules of similar size; give one")
    removed = ", ".join(sorted(Chem.MolToSmiles(Chem.RemoveHs(part)) for part in parts[1:]))
    return parts[0], (f"salt or solvent removed: {removed}",)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
