"""Complexes as mmCIF text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from dockkit.core.files import atomic_write_text
from dockkit.core.formats.numbering import is_hetero, ligand_chain, remarks, residue_labels
from dockkit.core.formats.parts import LigandBlocks, LigandPart, all_parts
from dockkit.core.model import Numbering, Receptor
from dockkit.core.residues import WATER, is_polymer

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
    for ordinal, remark in enumerate(remarks(receptor, numbering), start=1):
        safe = remark.replace("\n", " ").replace("\r", " ")
        lines += [str(ordinal), ";" + safe, ";"]
    parts = all_parts(blocks)
    others = _other_entities(receptor)
    lines += ["#", "loop_", "_entity.id", "_entity.type", "1 polymer"]
    lines += [f"{k} non-polymer" for k in range(2, len(parts) + 2)]
    lines += [f"{len(parts) + k} {'water' if name == WATER else 'non-polymer'}" for k, name in enumerate(others, 2)]
    lines += ["#", "loop_", *(f"_atom_site.{column}" for column in _ATOM_SITE)]
    lines += _cif_receptor(receptor, numbering, {name: len(parts) + k for k, name in enumerate(others, 2)})
    serial = receptor.n_atoms
    taken = {str(c) for c in receptor.chain_ids}
    chain = ligand_chain(taken)
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


def _other_entities(receptor: Receptor) -> list[str]:
    """Return the names of the waters and ions of a receptor, each once, in order."""
    return list(dict.fromkeys(str(n) for n in receptor.residue_names[~is_polymer(receptor.residue_names)]))


def _asym_ids(receptor: Receptor) -> list[str]:
    """Return the label_asym_id of every residue: its chain; waters of a chain share one, every ion has its own."""
    chains = [str(chain).strip() or "A" for chain in receptor.chain_ids]
    taken: set[str] = set(chains)
    shared: dict[str, str] = {}
    asym = list(chains)
    for r in np.flatnonzero(~is_polymer(receptor.residue_names)):
        water = receptor.residue_names[r] == WATER
        if water and chains[r] in shared:
            asym[r] = shared[chains[r]]
            continue
        stem = f"{chains[r]}{'W' if water else 'X'}"
        asym[r] = next(name for name in (stem, *(f"{stem}{k}" for k in range(2, len(asym) + 2))) if name not in taken)
        taken.add(asym[r])
        if water:
            shared[chains[r]] = asym[r]
    return asym


def _cif_receptor(receptor: Receptor, numbering: Numbering, entities: Mapping[str, int]) -> list[str]:
    numbers, codes = residue_labels(receptor, numbering)
    asym = _asym_ids(receptor)
    lines = []
    for i in range(receptor.n_atoms):
        r = int(receptor.atom_residue[i])
        residue, chain = str(receptor.residue_names[r]), _cif_word(str(receptor.chain_ids[r]).strip() or "A")
        xyz = " ".join(f"{value:.4f}" for value in receptor.coordinates[i])
        mapped = int(receptor.uniprot_numbers[r])
        reference = f"UNP {_cif_word(receptor.uniprot or '?')} {mapped}" if mapped > 0 else "? ? ?"
        atom = _cif_word(str(receptor.atom_names[i]))
        group = "HETATM" if is_hetero(residue) else "ATOM"
        place = f"{entities[residue]} ." if residue in entities else f"1 {r + 1}"
        lines.append(
            f"{group} {i + 1} {receptor.elements[i]} {atom} . {residue} {_cif_word(asym[r])} {place} "
            f"{codes[r] or '?'} {xyz} "
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
    """Write a receptor and its ligands as mmCIF, hydrogens included; waters and ions are entities of their own.

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
