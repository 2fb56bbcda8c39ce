"""Read a PDB or mmCIF file into a RawStructure: one protein chain, one altloc each, and the hetero groups around."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gemmi
import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model import FloatArray, HetGroup, IntArray, StrArray, frozen_array
from dockkit.core.residues import one_letter, parent_name

MAX_FILE_BYTES: Final = 400_000_000
WATERS: Final = frozenset({"HOH", "WAT", "DOD", "H2O", "SOL", "TIP3", "TIP"})
PEPTIDE_BOND_LIMIT: Final = 2.5
"""A C-N distance beyond this is a break, Angstrom."""

MIN_CHAIN_RESIDUES: Final = 30
"""A chain this long is taken for a protein rather than a peptide when none is asked for."""


@dataclass(frozen=True, slots=True)
class RawStructure:
    """One protein chain as deposited: heavy atoms only, one altloc, nothing built.

    Parameters
    ----------
    source : str
        File name without folder.
    chain : str
        Author chain chosen.
    atom_names, elements : (n_atoms,) str
    atom_residue : (n_atoms,) int
        Index of each atom's residue.
    coordinates : (n_atoms, 3) float
        Angstrom.
    residue_names, insertion_codes : (n_residues,) str
        Names as deposited, save selenomethionine, which is MET.
    author_numbers : (n_residues,) int
    hetero : tuple of HetGroup
        Of every chain, nearest first.
    n_waters : int
        Waters left out.
    notes : tuple of str
        Choices made while reading.
    """

    source: str
    chain: str
    atom_names: StrArray
    elements: StrArray
    atom_residue: IntArray
    coordinates: FloatArray
    residue_names: StrArray
    insertion_codes: StrArray
    author_numbers: IntArray
    hetero: tuple[HetGroup, ...]
    n_waters: int
    notes: tuple[str, ...]

    @property
    def n_residues(self) -> int:
        """Number of residues."""
        return len(self.residue_names)

    @property
    def chain_ids(self) -> StrArray:
        """The chosen chain for every residue, (n_residues,) str."""
        return np.array([self.chain] * self.n_residues, dtype=str)

    @property
    def segments(self) -> IntArray:
        """Segment of each residue, (n_residues,) int; it rises where no peptide bond joins a residue to the last."""
        ends: dict[str, FloatArray] = {}
        for name in ("C", "N"):
            rows = np.flatnonzero(self.atom_names == name)
            ends[name] = np.full((self.n_residues, 3), np.inf)
            ends[name][self.atom_residue[rows]] = self.coordinates[rows]
        with np.errstate(invalid="ignore"):
            gaps = np.linalg.norm(ends["N"][1:] - ends["C"][:-1], axis=1)
        joined = gaps <= PEPTIDE_BOND_LIMIT
        return np.concatenate([[0], np.cumsum(~joined)]).astype(np.int64)

    @property
    def sequence(self) -> str:
        """One-letter codes of the residues present; modified residues give their parent."""
        return "".join(one_letter(str(name)) for name in self.residue_names)


def _file_text(path: Path) -> str:
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
    if not data.strip():
        raise StructureError(f"{path}: the file is empty")
    if b"\x00" in data:
        raise StructureError(f"{path}: binary data, not a PDB or mmCIF text file")
    return data.decode("utf-8", errors="replace")


def _check_pdb_lines(text: str, path: Path) -> None:
    """Refuse coordinates that gemmi would read leniently: cut lines, NaN, text in number columns."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line[:6] not in ("ATOM  ", "HETATM"):
            continue
        if len(line) < 54:
            raise StructureError(f"{path}: line {number} is cut short; the file is truncated, fetch it again")
        for field in (line[30:38], line[38:46], line[46:54]):
            try:
                value = float(field)
            except ValueError as error:
                raise StructureError(f"{path}: line {number} has '{field}' where a coordinate belongs") from error
            if not np.isfinite(value):
                raise StructureError(f"{path}: line {number} has a coordinate that is not finite ({field.strip()})")


def _parse(text: str, path: Path) -> gemmi.Structure:
    is_cif = any(line.startswith(("data_", "loop_", "_")) for line in text.splitlines()[:200])
    try:
        if is_cif:
            block = gemmi.cif.read_string(text).sole_block()
            structure = gemmi.make_structure_from_block(block)
        else:
            _check_pdb_lines(text, path)
            structure = gemmi.read_pdb_string(text)
    except (RuntimeError, ValueError, IndexError, UnicodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StructureError(f"{path}: not a readable {'mmCIF' if is_cif else 'PDB'} file ({reason})") from error
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        kind = "mmCIF" if is_cif else "PDB"
        raise StructureError(f"{path}: no atoms found (read as {kind}); the file is truncated or not a structure")
    return structure


def _is_protein(residue: gemmi.Residue) -> bool:
    """Tell an amino acid of a chain from a free ligand that merely looks like one."""
    names = {atom.name for atom in residue}
    if parent_name(residue.name):
        return "CA" in names
    info = gemmi.find_tabulated_residue(residue.name)
    return bool(info.is_amino_acid()) and {"N", "CA", "C"} <= names


def _pick_altloc(atoms: list[gemmi.Atom]) -> tuple[list[gemmi.Atom], str]:
    """Keep one conformer, by summed occupancy; return it and its letter where there was a choice."""
    letters = sorted({atom.altloc for atom in atoms if atom.altloc != "\0"})
    chosen = ""
    if letters:
        occupancy = {letter: sum(atom.occ for atom in atoms if atom.altloc == letter) for letter in letters}
        chosen = max(letters, key=lambda letter: (round(occupancy[letter], 3), -letters.index(letter)))
        rest = {atom.name for atom in atoms if atom.altloc in ("\0", chosen)}
        atoms = [a for a in atoms if a.altloc in ("\0", chosen) or a.name not in rest]
    unique: dict[str, gemmi.Atom] = {}
    for atom in atoms:
        unique.setdefault(atom.name, atom)
    return list(unique.values()), chosen if len(letters) > 1 else ""


def _protein_sites(chain: gemmi.Chain) -> list[list[gemmi.Residue]]:
    """Group residues by number: several at one number are alternative residues."""
    sites: dict[tuple[int, str], list[gemmi.Residue]] = {}
    for residue in chain:
        if _is_protein(residue):
            sites.setdefault((residue.seqid.num or 0, residue.seqid.icode), []).append(residue)
    return list(sites.values())


def _choose_chain(model: gemmi.Model, wanted: str, path: Path) -> tuple[gemmi.Chain, str]:
    lengths: dict[str, int] = {}
    for chain in model:
        lengths[chain.name] = lengths.get(chain.name, 0) + len(_protein_sites(chain))
    proteins = {name: n for name, n in lengths.items() if n}
    if not proteins:
        raise StructureError(f"{path}: no protein in it (chains: {', '.join(sorted(lengths)) or 'none'})")
    listing = ", ".join(f"{name or '(blank)'} ({n} residues)" for name, n in proteins.items())
    if wanted:
        if wanted not in proteins:
            raise StructureError(f"{path}: no protein chain '{wanted}'; choose one of: {listing}")
        name = wanted
    else:
        name = next(
            (c for c, n in proteins.items() if n >= MIN_CHAIN_RESIDUES), max(proteins, key=lambda c: proteins[c])
        )
    note = "" if len(proteins) == 1 or wanted else f"chain {name} taken, the first of: {listing}"
    merged = gemmi.Chain(name)
    for chain in model:
        if chain.name == name:
            for residue in chain:
                merged.add_residue(residue)
    return merged, note


def _read_chain(chain: gemmi.Chain, notes: list[str]) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {key: [] for key in ("atom", "element", "owner", "xyz", "name", "icode", "number")}
    altlocs, selenium, repeats = [], [], 0
    for site in _protein_sites(chain):
        residue = site[0]
        if len(site) > 1:
            best = max(site, key=lambda r: round(sum(a.occ for a in r) / max(1, len(r)), 3))
            residue = best
            if all(atom.altloc == "\0" for r in site for atom in r):
                residue, repeats = site[0], repeats + len(site) - 1
            else:
                altlocs.append(f"{residue.name}{residue.seqid} (of {'/'.join(r.name for r in site)})")
        atoms, chosen = _pick_altloc([atom for atom in residue if atom.element.name not in ("H", "D")])
        if chosen:
            altlocs.append(f"{residue.name}{residue.seqid} {chosen}")
        name = residue.name
        if name == "MSE":
            name = "MET"
            selenium.append(str(residue.seqid))
        index = len(table["name"])
        for atom in atoms:
            is_selenium = residue.name == "MSE" and atom.element.name == "Se"
            table["atom"].append("SD" if is_selenium else atom.name)
            table["element"].append("S" if is_selenium else atom.element.name)
            table["owner"].append(index)
            table["xyz"].append(atom.pos.tolist())
        table["name"].append(name)
        table["icode"].append(residue.seqid.icode.strip())
        table["number"].append(residue.seqid.num)
    if altlocs:
        notes.append("alternate locations, highest occupancy kept: " + ", ".join(altlocs))
    if selenium:
        notes.append("selenomethionine read as methionine: " + ", ".join(selenium))
    if repeats:
        notes.append(f"{repeats} residues repeated an earlier residue number in chain {chain.name} and were left out")
    return table


def _read_hetero(model: gemmi.Model, protein: FloatArray) -> tuple[tuple[HetGroup, ...], int]:
    groups, waters = [], 0
    for chain in model:
        for residue in chain:
            if residue.name in WATERS:
                waters += 1
                continue
            if _is_protein(residue) or parent_name(residue.name) or residue.name in ("ACE", "NME", "NMA", "NH2"):
                continue
            atoms, _ = _pick_altloc([atom for atom in residue if atom.element.name not in ("H", "D")])
            if not atoms:
                continue
            xyz = np.array([atom.pos.tolist() for atom in atoms])
            gap = np.sqrt(((xyz[:, None] - protein[None]) ** 2).sum(-1)).min()
            groups.append(
                HetGroup(
                    residue.name, chain.name, residue.seqid.num or 0, residue.seqid.icode.strip(),
                    frozen_array([a.name for a in atoms], str, (None,), residue.name),
                    frozen_array([a.element.name for a in atoms], str, (None,), residue.name),
                    frozen_array(xyz, np.float64, (None, 3), residue.name), round(float(gap), 3),
                )
            )  # fmt: skip
    return tuple(sorted(groups, key=lambda g: (g.distance, g.chain, g.number))), waters


def read_structure(path: str | Path, chain: str = "") -> RawStructure:
    """Read one protein chain and the hetero groups around it.

    Parameters
    ----------
    path : str or Path
        PDB or mmCIF, plain or gzip; the content decides, not the ending.
    chain : str
        Author chain; empty takes the first of at least 30 residues.

    Returns
    -------
    RawStructure
        First model, heavy atoms, one alternate location per residue.

    Raises
    ------
    StructureError
        No such file, empty, cut short, binary, no atoms, no protein, no such chain, or coordinates that are not finite.
    """
    path = Path(path)
    structure = _parse(_file_text(path), path)
    notes: list[str] = []
    if len(structure) > 1:
        notes.append(f"first of {len(structure)} models taken")
    model = structure[0]
    selected, note = _choose_chain(model, chain, path)
    if note:
        notes.append(note)
    table = _read_chain(selected, notes)
    xyz = np.array(table["xyz"], dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(xyz).all():
        owner = int(np.array(table["owner"])[~np.isfinite(xyz).all(axis=1)][0])
        where = f"{table['name'][owner]} {table['number'][owner]}"
        raise StructureError(f"{path}: chain {selected.name} {where} has coordinates that are not finite numbers")
    if len(xyz) < 4 or np.ptp(xyz, axis=0).max() < 1.0:
        raise StructureError(f"{path}: chain {selected.name} has no usable coordinates (all atoms at one place)")
    if not np.isin(["N", "C"], np.array(table["atom"])).all():
        raise StructureError(f"{path}: chain {selected.name} has C-alpha atoms only; full coordinates are needed")
    hetero, waters = _read_hetero(model, xyz)
    if waters:
        notes.append(f"{waters} waters left out")
    n = len(table["name"])
    return RawStructure(
        source=path.name, chain=selected.name,
        atom_names=frozen_array(table["atom"], str, (None,), "atom names"),
        elements=frozen_array(table["element"], str, (None,), "elements"),
        atom_residue=frozen_array(table["owner"], np.int64, (None,), "atom residues"),
        coordinates=frozen_array(xyz, np.float64, (None, 3), "coordinates"),
        residue_names=frozen_array(table["name"], str, (n,), "residue names"),
        insertion_codes=frozen_array(table["icode"], str, (n,), "insertion codes"),
        author_numbers=frozen_array(table["number"], np.int64, (n,), "author numbers"),
        hetero=hetero, n_waters=waters, notes=tuple(notes),
    )  # fmt: skip


def extract_het(raw: RawStructure, code: str) -> HetGroup:
    """Return the hetero group with this code that lies nearest to the chosen chain.

    Parameters
    ----------
    raw : RawStructure
    code : str
        Het code such as ``STI``; ``STI:B`` and ``STI:B:201`` name chain and number as well.

    Returns
    -------
    HetGroup

    Raises
    ------
    StructureError
        None fits; the message lists what is there.
    """
    name, chain, number = ([*code.split(":"), "", ""])[:3]
    fits = [
        g
        for g in raw.hetero
        if g.name.upper() == name.upper() and chain in ("", g.chain) and number in ("", f"{g.number}{g.insertion_code}")
    ]
    if not fits:
        listing = ", ".join(g.label for g in raw.hetero) or "none"
        raise StructureError(f"{raw.source}: no hetero group '{code}'; present: {listing}")
    return fits[0]
