"""Complexes as PDB text."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text
from dockkit.core.formats.numbering import (
    MODIFICATIONS,
    chain_letters,
    is_hetero,
    ligand_chain,
    remarks,
    residue_labels,
)
from dockkit.core.formats.parts import LigandBlocks, all_parts
from dockkit.core.model import FloatArray, Numbering, Receptor
from dockkit.core.residues import is_polymer, parent_name, residue_templates


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
    for remark in remarks(receptor, numbering):
        ascii_text = remark.encode("ascii", "replace").decode()
        lines += [f"REMARK   1 {part}" for part in textwrap.wrap(ascii_text, 68) or [""]]
    letters = chain_letters(receptor)
    numbers, codes = residue_labels(receptor, numbering)
    lines += _modified_records(receptor, letters, numbers, codes)
    polymer = is_polymer(receptor.residue_names)
    ends = _polymer_ends(receptor, letters, polymer)
    for i in range(receptor.n_atoms):
        r = int(receptor.atom_residue[i])
        residue = str(receptor.residue_names[r])
        record = "HETATM" if is_hetero(residue) else "ATOM"
        lines.append(
            _pdb_atom(record, i + 1, str(receptor.atom_names[i]), residue, letters[str(receptor.chain_ids[r])],
                      numbers[r], codes[r], receptor.coordinates[i], str(receptor.elements[i]))
        )  # fmt: skip
        if i in ends:
            lines.append("TER")
    serial = receptor.n_atoms
    links = [*_disulfide_links(receptor), *_modified_links(receptor)]
    chain = ligand_chain(set(letters.values()))
    for number, part in enumerate(all_parts(blocks), start=1):
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


def _polymer_ends(receptor: Receptor, letters: dict[str, str], polymer: NDArray[np.bool_]) -> set[int]:
    """Return the last atom of each chain's polymer, after which TER stands; waters and ions follow without."""
    last: dict[str, int] = {}
    for i in np.flatnonzero(polymer[receptor.atom_residue]):
        last[letters[str(receptor.chain_ids[receptor.atom_residue[i]])]] = int(i)
    return set(last.values())


def _modified_records(receptor: Receptor, letters: dict[str, str], numbers: list[int], codes: list[str]) -> list[str]:
    """Return MODRES records of phosphorylated residues."""
    return [
        f"MODRES {'DOCK':<4} {name} {letters[str(receptor.chain_ids[r])]} {numbers[r]:>4}{codes[r] or ' '} "
        f"{parent_name(str(name))}  {MODIFICATIONS[str(name)]}"
        for r, name in enumerate(receptor.residue_names)
        if name in MODIFICATIONS
    ]


def _modified_links(receptor: Receptor) -> list[tuple[int, int]]:
    """Return the bonds of phosphorylated residues, those to their neighbours included, as pairs of serials."""
    links: list[tuple[int, int]] = []
    for r in np.flatnonzero(np.isin(receptor.residue_names, sorted(MODIFICATIONS))):
        serial = {str(receptor.atom_names[i]): int(i) + 1 for i in receptor.atom_indices(int(r))}
        bonds = residue_templates()[str(receptor.residue_names[r])].bonds
        links += [(serial[a], serial[b]) for a, b in bonds if a in serial and b in serial]
        for other, own, theirs in ((int(r) - 1, "N", "C"), (int(r) + 1, "C", "N")):
            if 0 <= other < receptor.n_residues and receptor.segments[other] == receptor.segments[r]:
                partner = [int(i) + 1 for i in receptor.atom_indices(other) if receptor.atom_names[i] == theirs]
                links += [(serial[own], atom) for atom in partner]
    return links


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

    Caps, phosphorylated residues (with MODRES and CONECT), waters and ions are HETATM; TER ends each chain's protein.

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
