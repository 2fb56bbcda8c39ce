"""From a file's bytes to gemmi's structure: what is no structure, or a damaged one, is refused with the reason."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gemmi
import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model import Change

MAX_FILE_BYTES: Final = 400_000_000
MAX_ATOMS: Final = 1_000_000
"""More atom records than this are refused: reading them would take minutes."""

LONG_NAMES: Final = {
    "HISA": "HID", "HISD": "HID", "HISB": "HIE", "HISE": "HIE", "HISH": "HIP", "HISP": "HIP", "LYSH": "LYS",
    "LYSN": "LYN", "ARGN": "ARG", "ASPH": "ASH", "ASPP": "ASH", "GLUH": "GLH", "GLUP": "GLH", "CYS2": "CYX",
    "CYSH": "CYS", "CYSS": "CYX", "TIP3": "HOH", "TIP4": "HOH", "TIP5": "HOH",
}  # fmt: skip
"""Four-letter residue names of GROMACS and CHARMM files, whose fourth letter stands in column 21."""

_ATOM_LINE: Final = re.compile(r"^(?:ATOM  |HETATM)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A parsed structure file.

    Parameters
    ----------
    structure : gemmi.Structure
    is_cif : bool
    predicted : bool
        True where the file itself says that it is a predicted model.
    lacks_elements : bool
        True for a PDB file without element column.
    changes : tuple of Change
        What is odd about the file as a whole.
    """

    structure: gemmi.Structure
    is_cif: bool
    predicted: bool
    lacks_elements: bool
    changes: tuple[Change, ...]


def file_text(path: Path) -> str:
    """Return a file's text, unpacked, with plain line ends.

    Raises
    ------
    StructureError
        No such file, too large, empty, binary, or damaged gzip.
    """
    if not path.exists():
        raise StructureError(f"{path}: no such structure file; check the path")
    if not path.is_file():
        raise StructureError(f"{path}: not a file; give a PDB or mmCIF file (plain or .gz)")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StructureError(f"{path}: larger than {MAX_FILE_BYTES // 1_000_000} MB; cut out the chain you need")
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(path) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StructureError(f"{path}: the gzip file is damaged or cut short ({error}); fetch it again") from error
    except OSError as error:
        raise StructureError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_FILE_BYTES:
        raise StructureError(
            f"{path}: larger than {MAX_FILE_BYTES // 1_000_000} MB unpacked; cut out the chain you need"
        )
    return _decode(data, path)


def _decode(data: bytes, path: Path) -> str:
    if not data.strip():
        raise StructureError(f"{path}: the file is empty")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise StructureError(f"{path}: damaged UTF-16 text ({error.reason}); save it as plain text") from error
    else:
        if b"\x00" in data:
            raise StructureError(f"{path}: binary data, not a PDB or mmCIF text file")
        text = data.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_pdb_lines(lines: list[str], path: Path) -> None:
    """Refuse coordinates that gemmi would read leniently: cut lines, NaN, text in number columns, shifted columns."""
    for number, line in enumerate(lines, start=1):
        if line[:6] not in ("ATOM  ", "HETATM"):
            continue
        if len(line) < 54:
            raise StructureError(f"{path}: line {number} is cut short; the file is truncated, fetch it again")
        for start in (30, 38, 46):
            field = line[start : start + 8]
            try:
                value = float(field)
            except ValueError as error:
                raise StructureError(f"{path}: line {number} has '{field}' where a coordinate belongs") from error
            if not np.isfinite(value):
                raise StructureError(f"{path}: line {number} has a coordinate that is not finite ({field.strip()})")
            if field[4] != "." and abs(value) < 1000:
                raise StructureError(
                    f"{path}: line {number} has '{field}' in columns {start + 1}-{start + 8}, where a coordinate with "
                    "its point in the fifth place belongs; the columns are shifted, write the file anew"
                )


def _short_names(lines: list[str]) -> None:
    """Replace four-letter residue names by their three-letter ones, in place."""
    for index, line in enumerate(lines):
        if line[:6] in ("ATOM  ", "HETATM", "TER   ") and line[17:21] in LONG_NAMES:
            lines[index] = f"{line[:17]}{LONG_NAMES[line[17:21]]} {line[21:]}"


def _after_end(lines: list[str]) -> int:
    end = next((i for i, line in enumerate(lines) if line[:6].rstrip() == "END"), len(lines))
    return sum(line[:6] in ("ATOM  ", "HETATM") for line in lines[end:])


def header(structure: gemmi.Structure, key: str) -> str:
    """Return one entry of the header, by its mmCIF name, or ''."""
    return str(dict(structure.info).get(key, "")).strip()


def _read_pdb(text: str, path: Path) -> ParsedFile:
    lines = [line for line in text.splitlines() if not line.startswith(("ANISOU", "SIGUIJ", "SIGATM"))]
    _check_pdb_lines(text.splitlines(), path)
    _short_names(lines)
    structure = gemmi.read_pdb_string("\n".join(lines) + "\n", split_chain_on_ter=True)
    method, title = header(structure, "_exptl.method"), header(structure, "_struct.title")
    predicted = "THEORETICAL" in method.upper() or "ALPHAFOLD" in title.upper()
    changes = []
    if not any(line[:6].rstrip() == "END" for line in lines):
        changes.append(Change("chain", "the file has no END record", "it may have been cut short"))
    if after := _after_end(lines):
        changes.append(Change("removed", f"{after} atom records after the END record left out", "END ends a structure"))
    lacking = not any(line[76:78].strip() for line in lines if line[:6] in ("ATOM  ", "HETATM"))
    return ParsedFile(structure, False, predicted, lacking, tuple(changes))


def _number_groups(block: gemmi.cif.Block, loop: gemmi.cif.Loop) -> None:
    """Add author numbers: label_seq_id, and running ones for the groups and waters that have none."""
    columns = [list(block.find_values(f"_atom_site.{c}")) for c in ("label_seq_id", "label_asym_id", "label_atom_id")]
    loop.add_columns(["_atom_site.auth_seq_id"], ".")
    added = block.find_values("_atom_site.auth_seq_id")
    running = max((int(value) for value in columns[0] if value.isdigit()), default=0)
    seen: set[str] = set()
    before = ""
    for row, (number, chain, atom) in enumerate(zip(*columns, strict=True)):
        if number not in (".", "?"):
            added[row] = number
            continue
        if chain != before or atom in seen:
            running, before, seen = running + 1, chain, set()
        seen.add(atom)
        added[row] = str(running)


def _complete_columns(block: gemmi.cif.Block, path: Path) -> list[Change]:
    """Add the columns that a reader needs and a writer may leave out; say which numbers and chain names are left."""

    def values(column: str) -> list[str]:
        return list(block.find_values(f"_atom_site.{column}"))

    for column in ("Cartn_x", "Cartn_y", "Cartn_z", "type_symbol"):
        if not values(column):
            raise StructureError(f"{path}: the mmCIF table of atoms lacks its column _atom_site.{column}")
    chains = values("label_asym_id") or values("auth_asym_id")
    if not chains:
        raise StructureError(f"{path}: the mmCIF table of atoms has neither label_asym_id nor auth_asym_id")
    loop = block.find_loop("_atom_site.Cartn_x").get_loop()
    for column, filling in (("label_alt_id", ["."]), ("label_asym_id", chains), ("id", [])):
        if not values(column):
            loop.add_columns([f"_atom_site.{column}"], ".")
            added = block.find_values(f"_atom_site.{column}")
            for row in range(len(added)):
                added[row] = filling[row % len(filling)] if filling else str(row + 1)
    changes = []
    if not values("auth_seq_id"):
        if all(value in (".", "?") for value in values("label_seq_id")):
            raise StructureError(f"{path}: the mmCIF table of atoms has no residue numbers, neither author's nor label")
        _number_groups(block, loop)
        what = "residue numbers are label_seq_id, counted along the crystallised sequence"
        changes.append(Change("chain", what, "the file has no author numbers"))
    if not values("auth_asym_id"):
        changes.append(Change("chain", "chain names are label_asym_id", "the file has no author names"))
    return changes


def _read_cif(text: str, path: Path) -> ParsedFile:
    document = gemmi.cif.read_string(text)
    blocks = [block for block in document if block.find_loop("_atom_site.Cartn_x") or block.find_loop("_atom_site.id")]
    if not blocks:
        raise StructureError(f"{path}: no atoms found (read as mmCIF); the file is truncated or not a structure")
    block = blocks[0]
    changes = _complete_columns(block, path)
    if len(blocks) > 1:
        changes.append(Change("chain", f"first of {len(blocks)} data blocks with atoms taken", block.name))
    structure = gemmi.make_structure_from_block(block)
    names = [value.upper() for value in block.find_values("_struct.title")]
    predicted = bool(block.find_mmcif_category("_ma_model_list.")) or any("ALPHAFOLD" in name for name in names)
    return ParsedFile(structure, True, predicted, False, tuple(changes))


def parse_file(path: Path) -> ParsedFile:
    """Parse a PDB or mmCIF file, plain or gzip; the content decides, not the ending.

    Raises
    ------
    StructureError
        Not a structure, damaged, without atoms, or with more atoms than ``MAX_ATOMS``.
    """
    text = file_text(path)
    is_cif = any(line.startswith(("data_", "loop_", "_")) for line in text[:50_000].splitlines()[:200])
    kind = "mmCIF" if is_cif else "PDB"
    if sum(1 for _ in _ATOM_LINE.finditer(text)) > MAX_ATOMS:
        raise StructureError(f"{path}: more than {MAX_ATOMS} atoms; cut out the chain you need")
    try:
        parsed = _read_cif(text, path) if is_cif else _read_pdb(text, path)
    except (RuntimeError, ValueError, IndexError, UnicodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StructureError(
            f"{path}: not a readable {kind} file ({reason}); it is damaged or cut short, fetch it again"
        ) from error
    if len(parsed.structure) == 0 or parsed.structure[0].count_atom_sites() == 0:
        raise StructureError(f"{path}: no atoms found (read as {kind}); the file is truncated or not a structure")
    return parsed
