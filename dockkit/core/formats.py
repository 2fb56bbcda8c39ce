"""Complexes as PDB and mmCIF, poses as SDF."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text
from dockkit.core.model import FloatArray, IntArray, Ligand, Numbering, Receptor, StrArray
from dockkit.core.residues import CAPS

__all__ = [
    "LigandBlocks",
    "LigandPart",
    "complex_mmcif",
    "complex_pdb",
    "ligand_parts",
    "mol_block_bonds",
    "residue_labels",
    "sdf_record",
    "write_complex_mmcif",
    "write_complex_pdb",
    "write_sdf",
]

# --------------------------------------------------------------------------- ligands as residues


@dataclass(frozen=True, slots=True)
class LigandPart:
    """One molecule or ion of a ligand, as a residue of a coordinate file.

    Parameters
    ----------
    residue_name : str
        At most three characters.
    atom_names, elements : (n,) str
    coordinates : (n, 3) float
        Angstrom.
    bonds : (m, 3) int
        Two atom indices and the bond order.
    """

    residue_name: str
    atom_names: StrArray
    elements: StrArray
    coordinates: FloatArray
    bonds: IntArray


def mol_block_bonds(mol_block: str) -> IntArray:
    """Return the bonds of a V2000 mol block: (m, 3) int, two atom indices from 0 and the order."""
    lines = mol_block.splitlines()
    n_atoms, n_bonds = int(lines[3][:3]), int(lines[3][3:6])
    rows = [
        (int(line[:3]) - 1, int(line[3:6]) - 1, int(line[6:9])) for line in lines[4 + n_atoms : 4 + n_atoms + n_bonds]
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _fragments(n_atoms: int, bonds: IntArray) -> IntArray:
    """Return the connected piece each atom belongs to, numbered in order of first atom."""
    root = np.arange(n_atoms)
    for _ in range(n_atoms):
        before = root.copy()
        for a, b, _order in bonds:
            root[a] = root[b] = min(root[a], root[b])
        if (root == before).all():
            break
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


def _residue_name(ligand: Ligand, elements: StrArray) -> str:
    if len(elements) == 1:
        return str(elements[0]).upper()
    first = re.split(r"[^A-Za-z0-9]", ligand.name.upper())[0]
    return first if len(first) == 3 else "LIG"


def ligand_parts(ligand: Ligand, coordinates: FloatArray) -> tuple[LigandPart, ...]:
    """Return the molecules and ions of a ligand in the record's atom order.

    Parameters
    ----------
    ligand : Ligand
    coordinates : (n_atoms, 3) float
        Angstrom.

    Returns
    -------
    tuple of LigandPart
        One part where the pieces' atoms are interleaved, so that the atom order is kept.

    Raises
    ------
    StoreError
        The coordinates do not fit the ligand.
    """
    xyz = np.asarray(coordinates, dtype=np.float64)
    if xyz.shape != (ligand.n_atoms, 3):
        raise StoreError(f"{ligand.name}: coordinates of shape {xyz.shape} for {ligand.n_atoms} atoms")
    bonds = mol_block_bonds(ligand.mol_block)
    piece = _fragments(ligand.n_atoms, bonds)
    if (np.diff(piece) < 0).any():
        piece = np.zeros_like(piece)
    parts = []
    for index in range(int(piece.max()) + 1):
        rows = np.flatnonzero(piece == index)
        inside = bonds[np.isin(bonds[:, 0], rows)] - [rows[0], rows[0], 0] if len(bonds) else bonds
        elements = ligand.elements[rows]
        parts.append(LigandPart(_residue_name(ligand, elements), _atom_names(elements), elements, xyz[rows], inside))
    return tuple(parts)


def _atom_names(elements: StrArray) -> StrArray:
    if len(elements) == 1:
        return np.array([str(elements[0]).upper()])
    seen: dict[str, int] = {}
    names = []
    for element in elements.tolist():
        seen[element] = seen.get(element, 0) + 1
        names.append(f"{element.upper()}{seen[element]}"[:4])
    return np.array(names)


LigandBlocks = Sequence[LigandPart | tuple[Ligand, FloatArray]]


def _parts(blocks: LigandBlocks) -> list[LigandPart]:
    parts: list[LigandPart] = []
    for block in blocks:
        parts += [block] if isinstance(block, LigandPart) else ligand_parts(*block)
    return parts


# --------------------------------------------------------------------------- numbering


def residue_labels(receptor: Receptor, numbering: Numbering) -> tuple[list[int], list[str]]:
    """Return a number and an insertion code for every residue, unique in its chain.

    Caps take the number next to their neighbour. In UniProt numbering, residues without a UniProt number count on from
    the residue before; where a number is taken an insertion code (Z, Y, X, ...) sets them apart. A receptor without
    any UniProt number keeps its author numbers.

    Parameters
    ----------
    receptor : Receptor
    numbering : {"uniprot", "author"}

    Returns
    -------
    numbers : list of int
    codes : list of str
        '' for none.
    """
    by_uniprot = numbering == "uniprot" and bool((receptor.uniprot_numbers > 0).any())
    caps = np.isin(receptor.residue_names, sorted(CAPS))
    fixed = (receptor.uniprot_numbers > 0) & ~caps if by_uniprot else ~caps
    source = receptor.uniprot_numbers if by_uniprot else receptor.author_numbers
    numbers = [int(value) for value in source]
    codes = ["" if by_uniprot else str(code) for code in receptor.insertion_codes]
    used = {(str(receptor.chain_ids[i]), numbers[i], codes[i]) for i in np.flatnonzero(fixed)}
    first = int(np.flatnonzero(fixed)[0]) if fixed.any() else 0
    loose = [*range(first - 1, -1, -1), *range(first, receptor.n_residues)]
    for i in loose:
        if fixed[i]:
            continue
        starts = receptor.residue_names[i] == "ACE" and i + 1 < receptor.n_residues and fixed[i + 1]
        number = numbers[i + 1] - 1 if i < first or starts else numbers[i - 1] + 1
        code = next(
            c for c in ("", *"ZYXWVUTSRQPONMLKJIHGFEDCBA") if (str(receptor.chain_ids[i]), number, c) not in used
        )
        numbers[i], codes[i] = number, code
        used.add((str(receptor.chain_ids[i]), number, code))
    return numbers, codes


def _offset_runs(receptor: Receptor) -> list[tuple[int, int]]:
    """Return (first, last) residue indices of stretches with one author-minus-UniProt offset."""
    runs: list[tuple[int, int]] = []
    for i in np.flatnonzero(receptor.uniprot_numbers > 0):
        offset = receptor.author_numbers[i] - receptor.uniprot_numbers[i]
        if runs:
            start, end = runs[-1]
            same = offset == receptor.author_numbers[start] - receptor.uniprot_numbers[start]
            if same and receptor.chain_ids[start] == receptor.chain_ids[i] and i > end:
                runs[-1] = (start, int(i))
                continue
        runs.append((int(i), int(i)))
    return runs


def _remarks(receptor: Receptor, numbering: Numbering) -> list[str]:
    used = numbering if numbering == "author" or (receptor.uniprot_numbers > 0).any() else "author"
    lines = [f"{receptor.name}, from {receptor.source}" + (", modelled structure" if receptor.modelled else "")]
    lines.append(f"residue numbers: {used}; ACE and NME are caps that dockkit added")
    for start, end in _offset_runs(receptor):
        author, uniprot = receptor.author_numbers, receptor.uniprot_numbers
        lines.append(
            f"chain {receptor.chain_ids[start]} author {author[start]}-{author[end]} = "
            f"UniProt {receptor.uniprot} {uniprot[start]}-{uniprot[end]}"
        )
    return [*lines, *receptor.notes]


def _chain_letters(receptor: Receptor) -> dict[str, str]:
    """Return a one-character chain for each chain."""
    letters: dict[str, str] = {}
    pool = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    for chain in dict.fromkeys(str(c) for c in receptor.chain_ids):
        wanted = chain if len(chain) == 1 and chain.strip() else ""
        free = [c for c in pool if c not in letters.values()]
        letters[chain] = wanted if wanted and wanted in free else free[0]
    return letters


def _ligand_chain(taken: set[str]) -> str:
    return next(c for c in "LXYZIJKMNOPQRSTUVWABCDEFGH" if c not in taken)


# --------------------------------------------------------------------------- PDB


def _pdb_atom(
    record: str, serial: int, atom: str, residue: str, chain: str, number: int, code: str, xyz: FloatArray, element: str
) -> str:
    name = atom if len(atom) >= 4 or len(element) == 2 else f" {atom}"
    x, y, z = (f"{value:8.3f}" for value in xyz)
    if max(len(x), len(y), len(z)) > 8 or not -999 <= number <= 9999:
        raise StoreError(f"{residue} {number} {atom}: does not fit into the columns of a PDB file; write mmCIF")
    return (
        f"{record:<6}{serial % 100000:>5} {name:<4} {residue:>3} {chain}{number:>4}{code or ' '}   "
        f"{x}{y}{z}{1.0:6.2f}{0.0:6.2f}          {element.upper():>2}"
    )


def complex_pdb(receptor: Receptor, blocks: LigandBlocks, numbering: Numbering = "uniprot") -> str:
    """Return a complex as PDB text; see ``write_complex_pdb``."""
    lines = []
    for remark in _remarks(receptor, numbering):
        ascii_text = remark.encode("ascii", "replace").decode()
        lines += [f"REMARK   1 {part}" for part in textwrap.wrap(ascii_text, 68) or [""]]
    letters = _chain_letters(receptor)
    numbers, codes = residue_labels(receptor, numbering)
    serial = 0
    previous = ""
    for i in range(receptor.n_atoms):
        r = int(receptor.atom_residue[i])
        chain = letters[str(receptor.chain_ids[r])]
        if previous and chain != previous:
            lines.append("TER")
        previous = chain
        serial += 1
        residue = str(receptor.residue_names[r])
        record = "HETATM" if residue in CAPS else "ATOM"
        lines.append(
            _pdb_atom(record, serial, str(receptor.atom_names[i]), residue, chain, numbers[r], codes[r],
                      receptor.coordinates[i], str(receptor.elements[i]))
        )  # fmt: skip
    if receptor.n_atoms:
        lines.append("TER")
    links = _disulfide_links(receptor)
    chain = _ligand_chain(set(letters.values()))
    for number, part in enumerate(_parts(blocks), start=1):
        links += [(serial + 1 + int(a), serial + 1 + int(b)) for a, b, _ in part.bonds]
        for atom, element, xyz in zip(part.atom_names, part.elements, part.coordinates, strict=True):
            serial += 1
            lines.append(
                _pdb_atom("HETATM", serial, str(atom), part.residue_name, chain, number, "", xyz, str(element))
            )
    return "\n".join([*lines, *_conect(links), "END"]) + "\n"


def _disulfide_links(receptor: Receptor) -> list[tuple[int, int]]:
    sulfur = {int(receptor.atom_residue[i]): i + 1 for i in np.flatnonzero(receptor.atom_names == "SG")}
    return [(int(sulfur[a]), int(sulfur[b])) for a, b in receptor.disulfides.tolist()]


def _conect(links: list[tuple[int, int]]) -> list[str]:
    partners: dict[int, list[int]] = {}
    for a, b in links:
        partners.setdefault(a, []).append(b)
        partners.setdefault(b, []).append(a)
    lines = []
    for atom in sorted(partners):
        others = sorted(set(partners[atom]))
        for k in range(0, len(others), 4):
            lines.append("CONECT" + "".join(f"{n % 100000:>5}" for n in (atom, *others[k : k + 4])))
    return lines


def write_complex_pdb(
    path: str | Path, receptor: Receptor, ligand_blocks: LigandBlocks, numbering: Numbering = "uniprot"
) -> None:
    """Write a receptor and its ligands as PDB, hydrogens included, receptor atoms first, in the records' order.

    Parameters
    ----------
    path : str or Path
    receptor : Receptor
    ligand_blocks : sequence of (Ligand, (n, 3) coordinates) or LigandPart
        Written as HETATM residues of a chain of their own (L where free), with CONECT records. Separate molecules and
        ions of one ligand become residues of their own.
    numbering : {"uniprot", "author"}
        Of the residue numbers; REMARKs give the other.

    Raises
    ------
    StoreError
        The file cannot be written, or the complex does not fit into PDB's columns.
    """
    atomic_write_text(path, complex_pdb(receptor, ligand_blocks, numbering))


# --------------------------------------------------------------------------- mmCIF

_ATOM_SITE: Final = (
    "group_PDB",
    "id",
    "type_symbol",
    "label_atom_id",
    "label_alt_id",
    "label_comp_id",
    "label_asym_id",
    "label_entity_id",
    "label_seq_id",
    "pdbx_PDB_ins_code",
    "Cartn_x",
    "Cartn_y",
    "Cartn_z",
    "occupancy",
    "B_iso_or_equiv",
    "auth_seq_id",
    "auth_comp_id",
    "auth_asym_id",
    "auth_atom_id",
    "pdbx_PDB_model_num",
    "pdbx_sifts_xref_db_name",
    "pdbx_sifts_xref_db_acc",
    "pdbx_sifts_xref_db_num",
)


def _cif_word(text: str) -> str:
    if (
        text
        and re.fullmatch(r"[A-Za-z0-9.+][A-Za-z0-9_.:+*'-]*", text)
        and not text.lower().startswith(("data_", "loop_"))
    ):
        return text
    quote = '"' if '"' not in text else "'"
    return f"{quote}{text}{quote}" if text else "."


def complex_mmcif(receptor: Receptor, blocks: LigandBlocks, numbering: Numbering = "uniprot") -> str:
    """Return a complex as mmCIF text; see ``write_complex_mmcif``."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", receptor.name) or "complex"
    lines = [f"data_{name}", "#", f"_entry.id {_cif_word(name)}", "#"]
    lines += ["loop_", "_dockkit_note.ordinal", "_dockkit_note.text"]
    for ordinal, remark in enumerate(_remarks(receptor, numbering), start=1):
        safe = remark.replace("\n", " ").replace("\r", " ")
        lines += [str(ordinal), ";" + safe, ";"]
    parts = _parts(blocks)
    lines += ["#", "loop_", "_entity.id", "_entity.type", "1 polymer"]
    lines += [f"{k} non-polymer" for k in range(2, len(parts) + 2)]
    lines += ["#", "loop_", *(f"_atom_site.{column}" for column in _ATOM_SITE)]
    lines += _cif_protein(receptor, numbering)
    serial = receptor.n_atoms
    taken = {str(c) for c in receptor.chain_ids}
    chain = _ligand_chain(taken)
    for k, part in enumerate(parts, start=1):
        for atom, element, xyz in zip(part.atom_names, part.elements, part.coordinates, strict=True):
            serial += 1
            x, y, z = (f"{value:.4f}" for value in xyz)
            lines.append(
                f"HETATM {serial} {element} {atom} . {part.residue_name} {chain}{k} {k + 1} . ? {x} {y} {z} 1.00 0.00 "
                f"{k} {part.residue_name} {chain} {atom} 1 ? ? ?"
            )
    lines += _cif_bonds(parts)
    return "\n".join([*lines, "#"]) + "\n"


def _cif_protein(receptor: Receptor, numbering: Numbering) -> list[str]:
    numbers, codes = residue_labels(receptor, numbering)
    lines = []
    for i in range(receptor.n_atoms):
        r = int(receptor.atom_residue[i])
        residue, chain = str(receptor.residue_names[r]), _cif_word(str(receptor.chain_ids[r]).strip() or "A")
        xyz = " ".join(f"{value:.4f}" for value in receptor.coordinates[i])
        mapped = int(receptor.uniprot_numbers[r])
        reference = f"UNP {_cif_word(receptor.uniprot or '?')} {mapped}" if mapped > 0 else "? ? ?"
        atom = _cif_word(str(receptor.atom_names[i]))
        group = "HETATM" if residue in CAPS else "ATOM"
        lines.append(
            f"{group} {i + 1} {receptor.elements[i]} {atom} . {residue} {chain} 1 {r + 1} {codes[r] or '?'} {xyz} "
            f"1.00 0.00 {numbers[r]} {residue} {chain} {atom} 1 {reference}"
        )
    return lines


def _cif_bonds(parts: list[LigandPart]) -> list[str]:
    orders = {1: "sing", 2: "doub", 3: "trip", 4: "arom"}
    rows: dict[str, list[str]] = {}
    for part in parts:
        if len(part.bonds) and part.residue_name not in rows:
            rows[part.residue_name] = [
                f"{part.residue_name} {part.atom_names[a]} {part.atom_names[b]} {orders.get(int(order), 'sing')}"
                for a, b, order in part.bonds
            ]
    if not rows:
        return []
    columns = ("comp_id", "atom_id_1", "atom_id_2", "value_order")
    head = ["#", "loop_", *(f"_chem_comp_bond.{column}" for column in columns)]
    return head + [line for lines in rows.values() for line in lines]


def write_complex_mmcif(
    path: str | Path, receptor: Receptor, ligand_blocks: LigandBlocks, numbering: Numbering = "uniprot"
) -> None:
    """Write a receptor and its ligands as mmCIF, hydrogens included.

    ``auth_seq_id`` holds the numbering asked for, ``pdbx_sifts_xref_db_num`` the UniProt number, and the notes give
    the offset to the author numbers. Ligand bonds are in ``_chem_comp_bond``.

    Parameters
    ----------
    path : str or Path
    receptor : Receptor
    ligand_blocks : sequence of (Ligand, (n, 3) coordinates) or LigandPart
    numbering : {"uniprot", "author"}

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    atomic_write_text(path, complex_mmcif(receptor, ligand_blocks, numbering))


# --------------------------------------------------------------------------- SDF


def sdf_record(ligand: Ligand, coordinates: FloatArray | None, properties: Mapping[str, str]) -> str:
    """Return one SDF record: the ligand's mol block with other coordinates (n_atoms, 3) in Angstrom, and properties."""
    lines = ligand.mol_block.split("$$$$")[0].splitlines()
    lines[0] = ligand.name.replace("\n", " ")
    xyz = ligand.coordinates if coordinates is None else np.asarray(coordinates, dtype=np.float64)
    if xyz.shape != (ligand.n_atoms, 3):
        raise StoreError(f"{ligand.name}: coordinates of shape {xyz.shape} for {ligand.n_atoms} atoms")
    for i, (x, y, z) in enumerate(xyz):
        lines[4 + i] = f"{x:10.4f}{y:10.4f}{z:10.4f}" + lines[4 + i][30:]
    end = next((k for k, line in enumerate(lines) if line.startswith("M  END")), len(lines) - 1)
    lines = lines[: end + 1]
    for key, value in properties.items():
        clean = re.sub(r"[<>\r\n]", " ", key).strip() or "property"
        text = " ".join(str(value).splitlines()).strip()
        lines += [f">  <{clean}>", text, ""]
    return "\n".join([*lines, "$$$$"]) + "\n"


def write_sdf(
    path: str | Path,
    ligand: Ligand,
    poses: Sequence[FloatArray | None],
    properties: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Write poses of one ligand, with properties, as SDF (V2000).

    Parameters
    ----------
    path : str or Path
    ligand : Ligand
    poses : sequence of (n_atoms, 3) float or None
        Angstrom; None for the record's own coordinates.
    properties : sequence of mapping of str to str, optional
        One mapping per pose.

    Raises
    ------
    StoreError
        The lists differ in length, the coordinates do not fit, or the file cannot be written.
    """
    tables: Sequence[Mapping[str, str]] = [{}] * len(poses) if properties is None else properties
    if len(tables) != len(poses):
        raise StoreError(f"{path}: {len(poses)} poses but {len(tables)} sets of properties")
    records = [sdf_record(ligand, xyz, table) for xyz, table in zip(poses, tables, strict=True)]
    atomic_write_text(path, "".join(records))
