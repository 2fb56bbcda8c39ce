"""What a crystallised chain is beside its UniProt sequence: offset of its numbers, changed residues, tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import StructureError
from dockkit.core.model import Change, ChangeKind, IntArray, Kinase
from dockkit.kinase.numbering import clean_sequence

_SHOWN = 6


def _pieces(author: IntArray, uniprot: IntArray) -> list[tuple[int, int, int]]:
    """Part the residues by offset: first and last UniProt number of each run, and author minus UniProt."""
    used = np.flatnonzero(uniprot > 0)
    if len(used) == 0:
        return []
    offsets = author[used] - uniprot[used]
    runs = np.split(used, np.flatnonzero(np.diff(offsets)) + 1)
    return [(int(uniprot[run[0]]), int(uniprot[run[-1]]), int(author[run[0]] - uniprot[run[0]])) for run in runs]


def _shift(offset: int) -> str:
    return f"UniProt {'+' if offset > 0 else '-'} {abs(offset)}" if offset else "UniProt"


def describe_offset(author_numbers: ArrayLike, uniprot_numbers: ArrayLike) -> str:
    """Say in words how a chain's own numbers and UniProt's differ.

    Parameters
    ----------
    author_numbers, uniprot_numbers : (n_residues,) int
        A UniProt number of 0 stands for none; such residues are left out.

    Returns
    -------
    str
        Such as ``author = UniProt - 24 throughout``, or the offset of each piece.

    Raises
    ------
    StructureError
        The two have different lengths.
    """
    author, uniprot = np.asarray(author_numbers, dtype=np.int64), np.asarray(uniprot_numbers, dtype=np.int64)
    if author.shape != uniprot.shape:
        raise StructureError(
            f"{author.size} author numbers but {uniprot.size} UniProt numbers; give one for each residue"
        )
    pieces = _pieces(author, uniprot)
    if not pieces:
        return "no residue has a UniProt number"
    if len({offset for _, _, offset in pieces}) == 1:
        return f"author = {_shift(pieces[0][2])} throughout"
    told = [f"author = {_shift(offset)} at UniProt {first}-{last}" for first, last, offset in pieces[:_SHOWN]]
    return "; ".join(told) + (f"; and {len(pieces) - _SHOWN} more pieces" if len(pieces) > _SHOWN else "")


def sequence_differences(sequence: str, uniprot_numbers: ArrayLike, kinase: Kinase) -> list[tuple[int, str, str]]:
    """List the residues of a chain that are others in UniProt.

    Parameters
    ----------
    sequence : str
        One-letter codes; X, a residue that is none of the twenty, is not compared.
    uniprot_numbers : (n_residues,) int
        0 for none.
    kinase : Kinase

    Returns
    -------
    list of (int, str, str)
        UniProt number, letter in UniProt, letter found; in the order of the chain.
    """
    numbers = np.asarray(uniprot_numbers, dtype=np.int64)
    pairs = zip(clean_sequence(sequence), numbers, strict=True)
    there = [(int(number), kinase.sequence[number - 1], letter) for letter, number in pairs if number > 0]
    return [item for item in there if item[2] not in ("X", item[1])]


def construct_changes(
    sequence: str,
    uniprot_numbers: ArrayLike,
    kinase: Kinase,
    *,
    author_numbers: ArrayLike,
    residue_names: Sequence[str],
    chain: str = "",
    insertion_codes: Sequence[str] | None = None,
) -> tuple[Change, ...]:
    """Report engineered residues and tags of a chain, residue by residue.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, modified ones as their parents or X.
    uniprot_numbers : (n_residues,) int
        0 for none.
    kinase : Kinase
    author_numbers : (n_residues,) int
    residue_names : sequence of str
        As deposited.
    chain : str
        Author chain.
    insertion_codes : sequence of str, optional

    Returns
    -------
    tuple of Change
        Kind ``engineered`` where the residue differs from UniProt, ``tag`` where it has no UniProt number; in the order
        of the chain.
    """
    letters = clean_sequence(sequence)
    author, uniprot = np.asarray(author_numbers, dtype=np.int64), np.asarray(uniprot_numbers, dtype=np.int64)
    codes = insertion_codes if insertion_codes is not None else [""] * len(letters)
    used = np.flatnonzero(uniprot > 0)
    changes = []
    for i, letter in enumerate(letters):
        number = int(uniprot[i])
        kind: ChangeKind = "engineered" if number > 0 else "tag"
        if number > 0:
            wild_type = kinase.sequence[number - 1]
            if letter in ("X", wild_type):
                continue
            what = f"{wild_type}{number}{letter} against UniProt {kinase.uniprot}".rstrip()
            why = "engineered, a natural variant or another species"
        else:
            what, why = "no counterpart in UniProt: tag, linker or fusion partner", _where(i, used)
        changes.append(
            Change(kind, what, why, str(residue_names[i]), chain, int(author[i]), str(codes[i]), max(number, 0))
        )
    return tuple(changes)


def _where(index: int, used: IntArray) -> str:
    if len(used) == 0 or index < used[0]:
        return "before the first residue of UniProt"
    return "after the last residue of UniProt" if index > used[-1] else "between residues of UniProt"
