"""One entry of a study's list of inhibitors as one molecule or many: tables, multi-molecule files, stereoisomers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rdkit import Chem

from dockkit.core.errors import LigandError
from dockkit.core.model import Ligand, LigandEntry
from dockkit.ligand.files import Record, read_records
from dockkit.ligand.library import find_entry
from dockkit.ligand.protonation import is_charged
from dockkit.ligand.reading import (
    Parsed,
    Prepared,
    file_of,
    label_of,
    load_ligand,
    parse_record,
    parse_text,
    prepare_entry,
    prepare_parsed,
)
from dockkit.ligand.state import check_limits
from dockkit.ligand.stereo import stereoisomers
from dockkit.ligand.tautomers import settle
from dockkit.ligand.text import cleaned


@dataclass(frozen=True, slots=True)
class LigandRow:
    """One molecule of an entry, checked but without coordinates, or the reason why there is none.

    Parameters
    ----------
    label : str
        For tables; no two rows of an entry share it.
    where : str
        ``compounds.csv, row 4``; the text itself where the entry is one molecule.
    text : str
        What ``load_ligand`` reads to make this one molecule, or to fail with the same explanation. Pass it ``label``
        and ``keep_state`` too.
    content : str
        sha256 of what the file says of the molecule; empty where ``text`` says everything itself.
    entry : LigandEntry or None
        Catalogue facts where known.
    smiles : str
        Canonical SMILES of the state that is modelled; empty for a failure.
    notes : tuple of str
        What happened to the row: renamed, or other rows dropped as the same molecule.
    error : LigandError or None
        Why the row cannot be used.
    """

    label: str
    where: str
    text: str
    content: str
    entry: LigandEntry | None = None
    smiles: str = ""
    notes: tuple[str, ...] = ()
    error: LigandError | None = None


def read_ligands(
    text: str, *, seed: int = 0, keep_state: bool = False, enumerate_stereo: bool = False
) -> tuple[tuple[str, Ligand | LigandError], ...]:
    """Return every molecule of an entry in 3-D, or the reason why there is none, each with its label.

    Parameters
    ----------
    text, keep_state, enumerate_stereo
        As for ``expand_ligands``.
    seed : int
        Seed of the conformers.

    Returns
    -------
    tuple of (str, Ligand or LigandError)
        In the order of the file.

    Raises
    ------
    LigandError
        The file cannot be read at all, or no row of it can be used.
    """
    made: list[tuple[str, Ligand | LigandError]] = []
    for row in expand_ligands(text, keep_state=keep_state, enumerate_stereo=enumerate_stereo):
        if row.error is not None:
            made.append((row.label, row.error))
            continue
        try:
            made.append((row.label, load_ligand(row.text, seed=seed, keep_state=keep_state, label=row.label)))
        except LigandError as error:
            made.append((row.label, error))
    return tuple(made)


def expand_ligands(text: str, *, keep_state: bool = False, enumerate_stereo: bool = False) -> tuple[LigandRow, ...]:
    """Return the molecules that one entry of a study stands for, checked, without making coordinates.

    Parameters
    ----------
    text : str
        Anything that ``load_ligand`` reads, or a file with several molecules: a table (CSV, TSV, SMI) with a column
        of SMILES and one of names, an SDF or a MOL2 file, each also gzipped.
    keep_state : bool
        Model the protonation states and tautomers that the input has.
    enumerate_stereo : bool
        Where stereochemistry is open, take each isomer (at most eight) as a molecule of its own, named like
        ``compound (R)``, instead of refusing.

    Returns
    -------
    tuple of LigandRow
        One row a molecule, in the order of the file; a row that cannot be used has an ``error``. A molecule that
        occurs again is taken once, and its row says so.

    Raises
    ------
    LigandError
        The entry is one molecule that cannot be used, the file cannot be read, or no row of it can be used.
    """
    file = file_of(text)
    records = read_records(file[0]) if file is not None and file[1] is None else ()
    if file is not None and len(records) > 1:
        return _distinct(_all_rows(records, file[0], keep_state, enumerate_stereo), file[0])
    entry = find_entry(cleaned(text)) if file is None else None
    if entry is not None:
        return (_row(prepare_entry(entry), entry.name, entry.name, ""),)
    parsed = parse_text(text)
    content = _content(records[0]) if records else _content(_selected(file)) if file is not None else ""
    return tuple(_rows_of_parsed(parsed, text.strip(), text.strip(), content, keep_state, enumerate_stereo))


def _selected(file: tuple[Path, int | None]) -> Record:
    return next(record for record in read_records(file[0]) if record.number == file[1])


def _all_rows(records: Iterable[Record], path: Path, keep_state: bool, enumerate_stereo: bool) -> Iterator[LigandRow]:
    """Yield the rows of all records; a record that says the same as one before it is not read again."""
    seen: dict[str, list[LigandRow]] = {}
    for record in records:
        content = _content(record)
        if content in seen:
            yield from (replace(row, where=record.where) for row in seen[content])
            continue
        seen[content] = list(_rows_of(record, path, keep_state, enumerate_stereo))
        yield from seen[content]


def _rows_of(record: Record, path: Path, keep_state: bool, enumerate_stereo: bool) -> Iterator[LigandRow]:
    """Yield the rows of one record: one, or one an isomer; a failure is a row too."""
    own_text, content = f"{path}#{record.number}", _content(record)
    try:
        parsed = parse_record(record)
        yield from _rows_of_parsed(parsed, own_text, record.where, content, keep_state, enumerate_stereo)
    except LigandError as error:
        label = label_of(record.name) or record.where
        yield LigandRow(label, record.where, own_text, content, error=error)


def _rows_of_parsed(
    parsed: Parsed, own_text: str, where: str, content: str, keep_state: bool, enumerate_stereo: bool
) -> Iterator[LigandRow]:
    isomers: tuple[tuple[str, Chem.Mol], ...] = (("", parsed.molecule),)
    if enumerate_stereo and not parsed.has_pose:
        check_limits(parsed.molecule, parsed.where)
        kept = keep_state or is_charged(parsed.molecule)
        isomers = stereoisomers(parsed.molecule if kept else settle(parsed.molecule)[0], parsed.where)
    if len(isomers) == 1:
        yield _row(prepare_parsed(parsed, keep_state=keep_state), where, own_text, content)
        return
    rows = []
    for labels, isomer in isomers:
        prepared = prepare_parsed(replace(parsed, molecule=isomer), keep_state=keep_state)
        label = f"{prepared.label} ({labels})"
        note = f"one of {len(isomers)} isomers: the input leaves its stereochemistry open"
        rows.append(
            replace(_row(prepared, where, f"{Chem.MolToSmiles(isomer)} {label}", ""), label=label, notes=(note,))
        )
    yield from rows


def _row(prepared: Prepared, where: str, text: str, content: str) -> LigandRow:
    return LigandRow(prepared.label, where, text, content, prepared.entry, prepared.smiles)


def _content(record: Record) -> str:
    return hashlib.sha256(f"{record.kind}\n{record.name}\n{record.text}".encode()).hexdigest()


def _distinct(rows: Iterable[LigandRow], path: Path) -> tuple[LigandRow, ...]:
    """Return the rows with each molecule once and each label once."""
    kept: dict[str, LigandRow] = {}
    labels: set[str] = set()
    for row in rows:
        key = row.smiles or row.content
        if key in kept:
            same = "the same molecule" if row.smiles else "the same row again"
            note = f"{row.where} ({row.label}) is {same} and was left out"
            kept[key] = replace(kept[key], notes=(*kept[key].notes, note))
            continue
        if row.label.lower() in labels:
            place = row.where.rpartition(", ")[2]
            label = f"{row.label} ({place})"
            note = f"{row.where}: the name {row.label} is taken; this one is called {label}"
            row = replace(row, label=label, notes=(*row.notes, note))
        labels.add(row.label.lower())
        kept[key] = row
    if all(row.error is not None for row in kept.values()):
        reasons = "; ".join(str(row.error) for row in list(kept.values())[:3])
        raise LigandError(f"{path}: none of {len(kept)} molecules can be used: {reasons}")
    return tuple(kept.values())
