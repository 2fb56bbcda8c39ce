"""Residue numbers, chains and remarks of coordinate files."""

from __future__ import annotations

from typing import Final

import numpy as np

from dockkit.core.model import Numbering, Receptor
from dockkit.core.residues import CAPS, IONS, WATER, is_polymer

MODIFICATIONS: Final = {"SEP": "PHOSPHOSERINE", "TPO": "PHOSPHOTHREONINE", "PTR": "PHOSPHOTYROSINE"}
"""Modified residues and what PDB's MODRES record calls them."""


def is_hetero(residue: str) -> bool:
    """Tell whether a residue of a receptor is written as HETATM: anything but the twenty amino acids."""
    return residue in CAPS or residue in MODIFICATIONS or residue in IONS or residue == WATER


def residue_labels(receptor: Receptor, numbering: Numbering) -> tuple[list[int], list[str]]:
    """Return a number and an insertion code for every residue, unique in its chain.

    Caps take the number next to their neighbour. In UniProt numbering, residues without a UniProt number count on from
    the residue before; where a number is taken an insertion code (Z, Y, X, ...) sets them apart. Waters and ions keep
    their author numbers where those are free and take the next free ones otherwise. A receptor without any UniProt
    number keeps its author numbers.

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
    chain = is_polymer(receptor.residue_names)
    fixed = ((receptor.uniprot_numbers > 0) & ~caps if by_uniprot else ~caps) & chain
    source = receptor.uniprot_numbers if by_uniprot else receptor.author_numbers
    numbers = [int(value) for value in source]
    codes = ["" if by_uniprot else str(code) for code in receptor.insertion_codes]
    used = {(str(receptor.chain_ids[i]), numbers[i], codes[i]) for i in np.flatnonzero(fixed)}
    first = int(np.flatnonzero(fixed)[0]) if fixed.any() else 0
    loose = [*range(first - 1, -1, -1), *range(first, receptor.n_residues)]
    for i in loose:
        if fixed[i] or not chain[i]:
            continue
        starts = receptor.residue_names[i] == "ACE" and i + 1 < receptor.n_residues and fixed[i + 1]
        number = numbers[i + 1] - 1 if i < first or starts else numbers[i - 1] + 1
        code = next(
            c for c in ("", *"ZYXWVUTSRQPONMLKJIHGFEDCBA") if (str(receptor.chain_ids[i]), number, c) not in used
        )
        numbers[i], codes[i] = number, code
        used.add((str(receptor.chain_ids[i]), number, code))
    for i in np.flatnonzero(~chain):
        here, number = str(receptor.chain_ids[i]), int(receptor.author_numbers[i])
        if any(other == here and taken == number for other, taken, _ in used):
            number = max(taken for other, taken, _ in used if other == here) + 1
        numbers[i], codes[i] = number, ""
        used.add((here, number, ""))
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


def remarks(receptor: Receptor, numbering: Numbering) -> list[str]:
    """Return what a reader of the file must know, one sentence each."""
    used = numbering if numbering == "author" or (receptor.uniprot_numbers > 0).any() else "author"
    lines = [f"{receptor.name}, from {receptor.source}" + (", modelled structure" if receptor.modelled else "")]
    lines.append(f"residue numbers: {used}; ACE and NME are caps that dockkit added")
    if not is_polymer(receptor.residue_names).all():
        lines.append("waters and ions have author numbers where those are free")
    for start, end in _offset_runs(receptor):
        author, uniprot = receptor.author_numbers, receptor.uniprot_numbers
        lines.append(
            f"chain {receptor.chain_ids[start]} author {author[start]}-{author[end]} = "
            f"UniProt {receptor.uniprot} {uniprot[start]}-{uniprot[end]}"
        )
    return [*lines, *receptor.notes]


def chain_letters(receptor: Receptor) -> dict[str, str]:
    """Return a one-character chain for each chain."""
    letters: dict[str, str] = {}
    pool = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    for chain in dict.fromkeys(str(c) for c in receptor.chain_ids):
        wanted = chain if len(chain) == 1 and chain.strip() else ""
        free = [c for c in pool if c not in letters.values()]
        letters[chain] = wanted if wanted and wanted in free else free[0]
    return letters


def ligand_chain(taken: set[str]) -> str:
    """Return a free chain letter for ligands, L first."""
    return next(c for c in "LXYZIJKMNOPQRSTUVWABCDEFGH" if c not in taken)
