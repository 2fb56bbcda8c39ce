"""Files of molecules as records of text: CSV, TSV, SMI, SDF and MOL2, gzipped or not. No chemistry here."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockkit.core.errors import LigandError

MOLECULE_SUFFIXES: Final = (".sdf", ".sd", ".mol", ".mol2")
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".smi", ".smiles", ".ism", ".txt", ".tab")
_BINARY: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file; save it as CSV",
    b"%PDF": "a PDF document; a table is read from CSV",
}
_MAX_BYTES: Final = 500_000_000
_SMILES_COLUMNS: Final = (
    "smiles_ph74", "isomeric_smiles", "isomericsmiles", "smiles", "canonical_smiles", "canonicalsmiles",
    "ligand_smiles", "compound_smiles", "smiles_string", "smi", "rdkit_smiles", "structure", "inchi",
    "standard_inchi",
)  # fmt: skip
_NAME_COLUMNS: Final = (
    "name", "compound_name", "molecule_name", "ligand_name", "drug_name", "inhibitor_name", "compound", "ligand",
    "inhibitor", "drug", "molecule", "common_name", "pref_name", "title", "id", "compound_id", "molecule_id",
    "ligand_id", "chembl_id", "molecule_chembl_id", "cid", "identifier", "code", "het_code",
)  # fmt: skip
_NAME_FIELDS: Final = (
    "name",
    "compound_name",
    "id",
    "compound_id",
    "_name",
    "title",
    "chembl_id",
    "pubchem_compound_cid",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One molecule of a file, as text.

    Parameters
    ----------
    kind : {"smiles", "mol", "mol2"}
        ``smiles``: a SMILES, InChI or library name.
    text : str
        The SMILES, or the block; empty where the row gives none.
    name : str
        As the file says; may be empty.
    number : int
        Line of a table as a spreadsheet counts it (the header is line 1), place among the molecules of an SDF or MOL2.
    where : str
        For messages, e.g. ``compounds.csv, row 4``.
    """

    kind: str
    text: str
    name: str
    number: int
    where: str


def base_suffix(path: Path) -> str:
    """Return the suffix in lower case, that before ``.gz`` where the file is gzipped."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        suffixes = suffixes[:-1]
    return suffixes[-1] if suffixes else ""


def read_records(path: Path) -> tuple[Record, ...]:
    """Return the molecules of a file in their order.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.smi``, ``.txt`` with a column of SMILES (its name, the name column, the delimiter and
        the encoding are detected; a header may be missing), ``.sdf``, ``.mol`` or ``.mol2``, each also as ``.gz``.

    Returns
    -------
    tuple of Record
        At least one. Blank lines and blank rows are left out.

    Raises
    ------
    LigandError
        The file is missing, unreadable, empty, not text, of another kind, or has no column of SMILES.
    """
    suffix = base_suffix(path)
    if suffix not in (*MOLECULE_SUFFIXES, *TABLE_SUFFIXES):
        raise LigandError(
            f"{path}: ligands are read from {', '.join(MOLECULE_SUFFIXES)} files and {', '.join(TABLE_SUFFIXES[:3])} "
            "tables; a SMILES can be given as it is"
        )
    text = _text_of(path)
    if not text.strip():
        raise LigandError(f"{path}: the file is empty")
    if suffix == ".mol2":
        records = tuple(_mol2_records(text, path.name))
    elif suffix in MOLECULE_SUFFIXES:
        records = tuple(_sdf_records(text, path.name))
    else:
        records = tuple(_table_records(text, path))
    if not records:
        raise LigandError(f"{path}: the file holds no molecule")
    return records


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(_MAX_BYTES + 1)
    except OSError as error:
        raise LigandError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error) as error:
        raise LigandError(f"{path}: the gzip file is truncated or damaged ({error})") from error
    for mark, what in _BINARY.items():
        if data.startswith(mark):
            raise LigandError(f"{path}: this is {what}")
    if len(data) > _MAX_BYTES:
        raise LigandError(f"{path}: more than {_MAX_BYTES // 1_000_000} MB; split the file")
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if b"\x00" in data[:4096]:
        raise LigandError(f"{path}: not a text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


# --------------------------------------------------------------------------- SDF and MOL2


def _sdf_records(text: str, name: str) -> Iterator[Record]:
    blocks = re.split(r"^\$\$\$\$.*$", text.replace("\r\n", "\n").replace("\r", "\n"), flags=re.MULTILINE)
    blocks = [block[1:] if number and block.startswith("\n") else block for number, block in enumerate(blocks)]
    filled = [block for block in blocks if block.strip()]
    for number, block in enumerate(filled, 1):
        title = block.split("\n", 1)[0].strip() or _data_field(block)
        where = f"{name}, molecule {number}" if len(filled) > 1 else name
        yield Record("mol", block, title, number, where)


def _data_field(block: str) -> str:
    """Return the name that the data fields of an SDF record give, or an empty string."""
    fields = {
        match[1].strip().lower().replace(" ", "_"): match[2].strip()
        for match in re.finditer(r"^>[^<\n]*<([^>\n]+)>[^\n]*\n([^\n]*)", block, flags=re.MULTILINE)
    }
    return next((fields[key] for key in _NAME_FIELDS if fields.get(key)), "")


def _mol2_records(text: str, name: str) -> Iterator[Record]:
    mark = "@<TRIPOS>MOLECULE"
    blocks = [mark + part for part in text.replace("\r\n", "\n").split(mark)[1:]] or [text]
    for number, block in enumerate(blocks, 1):
        lines = block.split("\n")
        title = lines[1].strip() if len(lines) > 1 else ""
        where = f"{name}, molecule {number}" if len(blocks) > 1 else name
        yield Record("mol2", block, "" if title == "*****" else title, number, where)


# --------------------------------------------------------------------------- tables


def _table_records(text: str, path: Path) -> Iterator[Record]:
    rows = list(_rows(text, path))
    if not rows:
        raise LigandError(f"{path}: the table is empty")
    header = [re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_") for cell in rows[0][1]]
    smiles_at = _column(header, _SMILES_COLUMNS, lambda key: key.endswith(("smiles", "inchi")))
    name_at = _column(header, _NAME_COLUMNS, lambda key: key.endswith("name"))
    if smiles_at is None and name_at is None:
        yield from _without_header(rows, path)
        return
    if len(rows) == 1:
        raise LigandError(f"{path}: the table has a header and no rows")
    for number, cells in rows[1:]:
        smiles = cells[smiles_at].strip() if smiles_at is not None and smiles_at < len(cells) else ""
        name = cells[name_at].strip() if name_at is not None and name_at < len(cells) else ""
        yield Record("smiles", smiles, name, number, f"{path.name}, row {number}")


def _column(header: list[str], known: tuple[str, ...], otherwise: Callable[[str], bool]) -> int | None:
    for wanted in known:
        if wanted in header:
            return header.index(wanted)
    return next((place for place, key in enumerate(header) if otherwise(key)), None)


def _without_header(rows: list[tuple[int, list[str]]], path: Path) -> Iterator[Record]:
    """Yield the rows of a table without header: the column most like SMILES, then the first other one as name."""
    width = max(len(cells) for _, cells in rows)
    filled = [sum(_like_smiles(cells[k]) for _, cells in rows if k < len(cells)) for k in range(width)]
    smiles_at = max(range(width), key=lambda k: filled[k])
    if filled[smiles_at] * 2 < len(rows):
        raise LigandError(
            f"{path}: no column of SMILES found; name the columns in the first line, for instance name,smiles"
        )
    name_at = next((k for k in range(width) if k != smiles_at), None)
    for number, cells in rows:
        smiles = cells[smiles_at].strip() if smiles_at < len(cells) else ""
        name = cells[name_at].strip() if name_at is not None and name_at < len(cells) else ""
        yield Record("smiles", smiles, name, number, f"{path.name}, row {number}")


def _like_smiles(cell: str) -> bool:
    """Tell whether a cell may be a SMILES: only its characters, and a ring bond, branch, bond or several C, N, O."""
    word = cell.strip()
    if word.startswith("InChI="):
        return True
    marks = re.fullmatch(r"(?:\[[^\]\s]+\]|Br|Cl|[BCNOPSFIbcnops]|[-=#:/\\().%0-9~*$])+", word)
    return marks is not None and bool(re.search(r"[cnos]\d|[CNO]{2}|[=#\[(]|[CNO]", word)) and not word.isdigit()


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the rows that are not blank, comments or separators of a notebook."""
    delimiter = _delimiter(text)
    if delimiter is None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                head, _, rest = line.strip().partition(" ")
                yield number, [head, rest.strip()] if rest.strip() else [head]
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for start, cells in _numbered(reader):
            if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                yield start, cells
    except csv.Error as error:
        raise LigandError(f"{path}: line {reader.line_num} is not {delimiter!r}-separated text ({error})") from error


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    before = 0
    for cells in reader:
        yield before + 1, cells
        before = reader.line_num  # type: ignore[attr-defined]


def _delimiter(text: str) -> str | None:
    """Return the delimiter that splits most lines alike, None for blanks (a SMI file)."""
    lines = [line for line in text.splitlines()[:50] if line.strip() and not line.startswith("#")]
    best, score = None, 0.0
    for mark in ("\t", ";", ",", "|"):
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=mark, skipinitialspace=True)]
        common = max(set(counts), key=counts.count) if counts else 0
        agreeing = counts.count(common) / len(counts) if common else 0.0
        if agreeing > max(score, 0.5):
            best, score = mark, agreeing
    return best
