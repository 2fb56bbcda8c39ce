"""Read a ligand from the library, a SMILES, an InChI, a het code or a file, check it, and make the record."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError, nearest
from dockkit.core.model import Ligand, LigandEntry
from dockkit.core.molecule import forget_exchanging_centres
from dockkit.ligand.components import component, component_molecule
from dockkit.ligand.conformer import embed, positions
from dockkit.ligand.files import MOLECULE_SUFFIXES, TABLE_SUFFIXES, Record, base_suffix, read_records
from dockkit.ligand.library import catalogue, find_entry, inchi_key, recognise, uncharged
from dockkit.ligand.parts import has_counter_ion, sanitised, strip_salt, without_labels
from dockkit.ligand.protonation import is_charged
from dockkit.ligand.state import check_charge, check_limits, choose_state, make_record, other_states, own_name
from dockkit.ligand.stereo import check_stereo
from dockkit.ligand.text import cleaned, explain, is_blank, is_inchi_key, looks_like_smiles, short, written_molecule

__all__ = ["load_ligand", "sanitised", "strip_salt"]

_OTHER_SUFFIXES = (".pdb", ".cif", ".mmcif", ".pdbqt", ".xlsx", ".xls", ".ods", ".cdx", ".cdxml", ".mae")
_FILE_SUFFIXES = (*MOLECULE_SUFFIXES, *TABLE_SUFFIXES, *_OTHER_SUFFIXES)
_MAX_LABEL = 60


@dataclass(frozen=True, slots=True)
class Parsed:
    """A molecule that was read: one fragment, sanitised; limits, stereochemistry and state not yet looked at.

    Parameters
    ----------
    molecule : Chem.Mol
        Hydrogens explicit only where ``keeps_hydrogens``.
    where : str
        For messages.
    label : str
        What the input calls it; may be empty.
    fallback : str
        Label where neither the input nor the library has a name; may be empty.
    has_pose : bool
        The conformer is a pose in 3-D.
    keeps_hydrogens : bool
        A pose with its own hydrogens, which decide the protonation state.
    notes : tuple of str
    """

    molecule: Chem.Mol
    where: str
    label: str
    fallback: str = ""
    has_pose: bool = False
    keeps_hydrogens: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked molecule in the state to model, without hydrogens or conformer made for it yet."""

    state: Chem.Mol
    label: str
    entry: LigandEntry | None
    has_pose: bool
    notes: tuple[str, ...]

    @property
    def smiles(self) -> str:
        """Canonical SMILES of the state."""
        with BlockLogs():
            smiles: str = Chem.MolToSmiles(Chem.RemoveHs(self.state))
        return smiles


def load_ligand(text: str, *, seed: int = 0, keep_state: bool = False, label: str = "") -> Ligand:
    """Return one molecule, protonated for pH 7.4, in 3-D.

    Parameters
    ----------
    text : str
        A library name or synonym (case does not matter); a path to an SDF, MOL or MOL2 file or to a table, holding
        one molecule, or ``path#4`` for the molecule in row 4 of a table or the fourth of an SDF or MOL2 file; a SMILES
        or InChI, optionally followed by a space and a name; the InChIKey of a library ligand; a het code of the PDB.
    seed : int
        Seed of the conformer.
    keep_state : bool
        Model the protonation state and tautomer that the input has.
    label : str
        Name of the record; that of the input where left out.

    Returns
    -------
    Ligand
        A SMILES that carries charges, and a 3-D file that carries hydrogens, keep their protonation state. Otherwise
        a molecule of the library gets the library's state and any other one the state of
        ``dockkit.ligand.protonation``. ``pose_given`` is true for a 3-D file. Notes say what was decided, and which
        other states and tautomers there are.

    Raises
    ------
    LigandError
        The name is unknown (the nearest ones are given), the file is missing, empty, truncated or holds several
        molecules, RDKit rejects the molecule, it is a query, a reaction or a mixture, a stereocentre is not defined,
        or the molecule is outside the limits (elements, size, charge, radicals).
    """
    prepared = prepare_text(text, keep_state=keep_state)
    return finish(replace(prepared, label=label) if label else prepared, seed)


def finish(prepared: Prepared, seed: int) -> Ligand:
    """Return the record of a prepared molecule: hydrogens added, a conformer made where there is no pose."""
    notes = prepared.notes
    missing = sum(atom.GetTotalNumHs() for atom in prepared.state.GetAtoms())
    molecule = Chem.AddHs(prepared.state, addCoords=prepared.has_pose)
    if prepared.has_pose and missing:
        notes = (*notes, f"{missing} hydrogens added to the pose of the file")
    if not prepared.has_pose:
        embed(molecule, prepared.label, seed)
    return make_record(molecule, prepared.label, prepared.entry, pose_given=prepared.has_pose, notes=notes)


def prepare_text(text: str, *, keep_state: bool = False) -> Prepared:
    """Return what ``load_ligand`` reads, checked and in its state, before the conformer is made."""
    entry = find_entry(cleaned(text))
    if entry is not None and file_of(text) is None:
        return prepare_entry(entry)
    return prepare_parsed(parse_text(text), keep_state=keep_state)


def prepare_entry(entry: LigandEntry) -> Prepared:
    """Return a library ligand in the library's state."""
    state = Chem.MolFromSmiles(entry.smiles_ph74)
    note = f"library protonation state, charge {Chem.GetFormalCharge(state):+d}"
    return Prepared(state, entry.name, entry, False, (note, *other_states(state, entry)))


def prepare_parsed(parsed: Parsed, *, keep_state: bool = False) -> Prepared:
    """Check a molecule and choose its state.

    Raises
    ------
    LigandError
        It is outside the limits, or its stereochemistry is open.
    """
    molecule, where, notes = parsed.molecule, parsed.where, parsed.notes
    check_limits(molecule, where)
    if parsed.keeps_hydrogens:
        state, entry = molecule, recognise(molecule)[0]
        notes = (*notes, f"protonation state of the file, charge {Chem.GetFormalCharge(molecule):+d}")
        if entry is not None and Chem.MolToSmiles(Chem.RemoveHs(molecule)) != Chem.MolToSmiles(
            Chem.MolFromSmiles(entry.smiles_ph74)
        ):
            notes = (*notes, f"the library models {entry.name} as {entry.smiles_ph74}")
    else:
        with BlockLogs():
            heavy = Chem.RemoveHs(molecule)
        state, entry, more = choose_state(heavy, keep_state=keep_state)
        notes = (*notes, *more)
    check_limits(state, where)
    check_stereo(state, where)
    check_charge(state, where)
    label = parsed.label or (entry.name if entry is not None else parsed.fallback or own_name(state))
    return Prepared(state, label, entry, parsed.has_pose, notes)


# --------------------------------------------------------------------------- what the text means


def file_of(text: str) -> tuple[Path, int | None] | None:
    """Return the path that a text means and the number of the molecule in it (None: all), or None for other text."""
    text = text.strip()
    path = Path(text)
    if base_suffix(path) in _FILE_SUFFIXES or (_is_file(path) and find_entry(text) is None):
        return path, None
    selected = re.fullmatch(r"(.+)#(\d+)", text)
    if selected and base_suffix(Path(selected[1])) in _FILE_SUFFIXES:
        return Path(selected[1]), int(selected[2])
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def parse_text(text: str) -> Parsed:
    """Read the one molecule that a text means: a file, a SMILES, an InChI, an InChIKey or a het code.

    Raises
    ------
    LigandError
        Nothing that can be read, or not exactly one molecule.
    """
    file = file_of(text)
    if file is None:
        return parse_written(cleaned(text))
    path, number = file
    records = read_records(path)
    if number is not None:
        chosen = [record for record in records if record.number == number]
        if not chosen:
            last = max(record.number for record in records)
            raise LigandError(f"{path}: no molecule number {number}; the last one has number {last}")
        return parse_record(chosen[0])
    if len(records) > 1:
        raise LigandError(
            f"{path}: holds {len(records)} molecules; name one as {path.name}#{records[0].number}, or list the file "
            "among a study's inhibitors to use them all"
        )
    parsed = parse_record(replace(records[0], where=str(path)))
    if records[0].kind == "smiles":
        return parsed
    known = recognise(parsed.molecule)[0]
    return replace(parsed, label=known.name if known is not None else parsed.label, fallback=label_of(path.stem))


def parse_record(record: Record) -> Parsed:
    """Read one record of a file.

    Raises
    ------
    LigandError
        It holds no molecule that can be read.
    """
    if record.kind != "smiles":
        return _from_block(record)
    text, name = cleaned(record.text), label_of(record.name)
    text = "" if is_blank(text) else text
    entry = find_entry(text) if text else find_entry(cleaned(record.name))
    if entry is not None:
        return Parsed(Chem.MolFromSmiles(entry.smiles), record.where, name or entry.name)
    if not text:
        hint = nearest(name, (entry.name for entry in catalogue())) if name else ""
        what = f"no SMILES, and '{name}' is not in the library" if name else "no SMILES and no name"
        raise LigandError(f"{record.where}: {what}; {hint}" if hint else f"{record.where}: {what}")
    try:
        parsed = parse_written(text)
    except LigandError as error:
        raise LigandError(f"{record.where}: {error}") from error
    return replace(parsed, label=name or parsed.label, where=f"{record.where} ({name})" if name else record.where)


def parse_written(text: str) -> Parsed:
    """Read a SMILES, an InChI, an InChIKey of the library or a het code, ``cleaned`` before.

    Raises
    ------
    LigandError
        It is none of these; the message says what is wrong with it.
    """
    if is_blank(text):
        quoted = f"'{text}': " if text else ""
        raise LigandError(f"{quoted}the ligand is empty; give a library name, a SMILES or a file")
    if is_inchi_key(text):
        return _from_inchi_key(text)
    written = written_molecule(text)
    if written is None:
        return _from_het_code(text)
    molecule = sanitised(written.raw, written.source)
    return _single(molecule, written.source, label_of(written.name), written.notes)


def _from_inchi_key(key: str) -> Parsed:
    for entry in catalogue():
        molecule = Chem.MolFromSmiles(entry.smiles)
        if inchi_key(molecule).rpartition("-")[0] == key.rpartition("-")[0]:
            return Parsed(molecule, key, entry.name)
    raise LigandError(f"{key}: an InChIKey names a molecule but does not hold it; give the SMILES")


def _from_het_code(text: str) -> Parsed:
    code = text.upper()
    found = component(code) if re.fullmatch(r"[A-Z0-9]{3}|[A-Z0-9]{5}", code) else None
    molecule = component_molecule(found) if found is not None else None
    if found is None or molecule is None:
        raise LigandError(_unknown(text))
    return _single(molecule, code, code, (f"PDB component {code}: {found.name}",))


def _unknown(text: str) -> str:
    what = f"'{short(text)}' is neither a library ligand nor a file nor a SMILES that can be read"
    why = explain(text) if looks_like_smiles(text) else ""
    hint = "" if re.search(r"[=#()\[\]@]", text) else nearest(text, (entry.name for entry in catalogue()))
    return what + (f": {why}" if why else "") + (f"; {hint}" if hint else "")


def label_of(text: str) -> str:
    """Return a name on one line, without control characters, at most 60 characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in cleaned(text)).split())
    return plain if len(plain) <= _MAX_LABEL else plain[: _MAX_LABEL - 3].rstrip() + "..."


# --------------------------------------------------------------------------- from what was read to one molecule


def _single(molecule: Chem.Mol, where: str, label: str, notes: tuple[str, ...]) -> Parsed:
    """Return a molecule without pose: labels, salt and hydrogens taken off."""
    molecule, labels = without_labels(molecule)
    with BlockLogs():
        molecule = Chem.RemoveHs(molecule)
    single, salt = _without_salt(molecule, where)
    return Parsed(single, where, label, notes=(*notes, *labels, *salt))


def _without_salt(molecule: Chem.Mol, where: str) -> tuple[Chem.Mol, tuple[str, ...]]:
    single, notes = strip_salt(molecule, where)
    if notes and has_counter_ion(molecule) and is_charged(single):
        return uncharged(single), (*notes, "the charges of the salt form were taken off first")
    return single, notes


def _from_block(record: Record) -> Parsed:
    """Read one record of an SDF, MOL or MOL2 file."""
    where, text = record.where, record.text
    mark, suffix = ("@<TRIPOS>BOND", ".mol2") if record.kind == "mol2" else ("M  END", ".sdf")
    if mark not in text:
        raise LigandError(f"{where}: the file is truncated or not a {suffix} file (no end of the molecule found)")
    with BlockLogs():
        if record.kind == "mol2":
            raw = Chem.MolFromMol2Block(text, sanitize=False, removeHs=False)
        else:
            raw = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
    if raw is None or raw.GetNumAtoms() == 0 or raw.GetNumConformers() == 0:
        raise LigandError(
            f"{where}: no molecule could be read; the counts line and the atom and bond blocks do not fit"
        )
    if record.kind == "mol2" and all(atom.GetAtomicNum() > 1 for atom in raw.GetAtoms()):
        raise LigandError(
            f"{where}: a MOL2 file without hydrogens does not say which atoms are charged; add them, or give an SDF"
        )
    molecule, labels = without_labels(sanitised(raw, where))
    three_d = molecule.GetConformer().Is3D() and bool(np.ptp(positions(molecule), axis=0).min() > 1e-3)
    if three_d:
        Chem.AssignStereochemistryFrom3D(molecule)
        forget_exchanging_centres(molecule)
    own_hydrogens = three_d and any(atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms())
    if own_hydrogens:
        molecule, notes = strip_salt(molecule, where)
    else:
        with BlockLogs():
            molecule, notes = _without_salt(Chem.RemoveHs(molecule), where)
    if not three_d:
        molecule.RemoveAllConformers()
        notes = (*notes, "the file has no 3-D coordinates; a conformer was made")
    return Parsed(
        molecule,
        where,
        label_of(record.name),
        has_pose=three_d,
        keeps_hydrogens=own_hydrogens,
        notes=(*labels, *notes),
    )
