"""The record of a preparation: what was changed, residue by residue, as JSON and as one readable table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dockkit.core.model import Change, Receptor

TITLES: Final[Mapping[str, str]] = {
    "chain": "chain",
    "model": "modelled",
    "altloc": "alternate location",
    "duplicate": "given twice",
    "modified": "modified residue",
    "engineered": "differs from UniProt",
    "tag": "not in UniProt",
    "atoms": "missing atoms",
    "loop": "residues built",
    "break": "missing residues",
    "disulfide": "disulfide",
    "metal": "metal",
    "water": "water",
    "protonation": "protonation",
    "flip": "turned by 180 degrees",
    "ligand": "bound group",
    "covalent": "covalent bond",
    "removed": "left out",
}
"""Kinds of change in the order of the table, with the words they are shown under."""

WIDTH: Final = 132


def ordered(changes: Sequence[Change]) -> list[Change]:
    """Return changes by kind, then in the order of the chain.

    Parameters
    ----------
    changes : sequence of Change

    Returns
    -------
    list of Change
    """
    rank = {kind: number for number, kind in enumerate(TITLES)}
    return sorted(changes, key=lambda c: (rank[c.kind], c.chain, c.author_number, c.insertion_code))


def change_rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes as JSON-able rows.

    Parameters
    ----------
    changes : sequence of Change

    Returns
    -------
    list of dict
        Keys ``kind``, ``residue``, ``chain``, ``author_number``, ``insertion_code``, ``uniprot_number`` (null where
        there is none), ``what``, ``why``.
    """
    return [
        {
            "kind": change.kind,
            "residue": change.residue_name or None,
            "chain": change.chain or None,
            "author_number": change.author_number if change.residue_name else None,
            "insertion_code": change.insertion_code or None,
            "uniprot_number": change.uniprot_number or None,
            "what": change.what,
            "why": change.why,
        }
        for change in ordered(changes)
    ]


def change_table(changes: Sequence[Change]) -> str:
    """Return changes as a plain-text table.

    Parameters
    ----------
    changes : sequence of Change

    Returns
    -------
    str
        Columns: what kind, residue (author numbering), UniProt number, what and why; long cells are wrapped.
    """
    if not changes:
        return "nothing was changed\n"
    rows = [("", "residue", "UniProt", "what was done or found")]
    last = ""
    for change in ordered(changes):
        title = TITLES[change.kind]
        what = change.what + (f" ({change.why})" if change.why else "")
        number = str(change.uniprot_number) if change.uniprot_number else ("-" if change.residue_name else "")
        rows.append(("" if title == last else title, change.label, number, what))
        last = title
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    room = max(40, WIDTH - sum(widths) - 6)
    lines = []
    for index, row in enumerate(rows):
        head = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        for part, text in enumerate(textwrap.wrap(row[3], room) or [""]):
            lines.append(f"{head if part == 0 else ' ' * len(head)}  {text}".rstrip())
        if index == 0:
            lines.append("-" * min(WIDTH, max(len(line) for line in lines) + 20))
    return "\n".join(lines) + "\n"


def receptor_summary(receptor: Receptor) -> dict[str, Any]:
    """Return what a receptor is, JSON-able.

    Parameters
    ----------
    receptor : Receptor

    Returns
    -------
    dict
        Kinase, chain, residue ranges in both numberings, conformation with its distances (Angstrom), counts.
    """
    polymer = receptor.uniprot_numbers > 0
    author, uniprot = receptor.author_numbers[polymer], receptor.uniprot_numbers[polymer]
    return {
        "name": receptor.name,
        "kinase": receptor.kinase or None,
        "uniprot": receptor.uniprot or None,
        "source": receptor.source,
        "chain": str(receptor.chain_ids[0]) if receptor.n_residues else None,
        "modelled": receptor.modelled,
        "residues": int(receptor.n_residues),
        "atoms": int(receptor.n_atoms),
        "author_range": [int(author.min()), int(author.max())] if len(author) else None,
        "uniprot_range": [int(uniprot.min()), int(uniprot.max())] if len(uniprot) else None,
        "dfg": receptor.conformation.dfg,
        "alpha_c": receptor.conformation.alpha_c,
        "salt_bridge": receptor.conformation.salt_bridge,
        "spine": receptor.conformation.spine,
        "activation_loop": receptor.conformation.activation_loop,
        "measures_angstrom": dict(receptor.conformation.measures),
        "angles_degrees": dict(receptor.conformation.angles),
    }
