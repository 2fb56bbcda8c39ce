"""Find the residues of a variant in a receptor, and say what is wrong where they do not fit."""

from __future__ import annotations

from typing import Final

import numpy as np

from dockkit.core.errors import MutationError
from dockkit.core.model import IntArray, Numbering, Receptor, Substitution, Variant
from dockkit.core.residues import amino_acids, one_letter

SEARCH_RANGE: Final = 60
"""Largest shift of numbering that is looked for, residues."""


def _numbers(receptor: Receptor, numbering: Numbering) -> IntArray:
    return receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers


def _matches(receptor: Receptor, site: Substitution, numbering: Numbering, number: int) -> IntArray:
    mask = (_numbers(receptor, numbering) == number) & amino_acids(receptor.residue_names)
    if numbering == "uniprot":
        mask &= receptor.uniprot_numbers > 0
    if site.chain:
        mask &= receptor.chain_ids == site.chain
    if site.insertion_code or numbering == "author":
        with_code = mask & (receptor.insertion_codes == site.insertion_code)
        mask = with_code if with_code.any() or site.insertion_code else mask
    return np.flatnonzero(mask)


def _where(receptor: Receptor, index: int) -> str:
    return (
        f"chain {receptor.chain_ids[index]} residue {receptor.author_numbers[index]}{receptor.insertion_codes[index]}"
    )


def _absent_message(receptor: Receptor, site: Substitution, numbering: Numbering) -> str:
    real = amino_acids(receptor.residue_names)
    numbers = _numbers(receptor, numbering)[real]
    numbers = np.sort(numbers[numbers > 0]) if numbering == "uniprot" else np.sort(numbers)
    head = f"{site.label}: {receptor.name} has no residue {site.number}{site.insertion_code} in {numbering} numbering"
    if site.chain and site.chain not in set(receptor.chain_ids):
        present = ", ".join(sorted({str(c) for c in receptor.chain_ids}))
        return f"{site.label}: {receptor.name} has no chain '{site.chain}' (present: {present}); name one of these"
    if len(numbers) == 0:
        return f"{head}: it has no {numbering} numbers at all; use numbering = 'author'"
    below, above = numbers[numbers < site.number], numbers[numbers > site.number]
    if len(below) and len(above):
        return (
            f"{head}: it lies in a missing loop between {below[-1]} and {above[0]}; "
            "take a structure in which that loop is resolved"
        )
    return f"{head} (present: {numbers[0]} to {numbers[-1]}); check the number or take a structure that covers it"


def site_indices(receptor: Receptor, variant: Variant, numbering: Numbering = "uniprot") -> tuple[int, ...]:
    """Return the residue index of each substitution.

    Parameters
    ----------
    receptor : Receptor
    variant : Variant
    numbering : {"uniprot", "author"}

    Returns
    -------
    tuple of int

    Raises
    ------
    MutationError
        A residue is not there (a missing loop is named as such) or not unique.
    """
    indices = []
    for site in variant.substitutions:
        hits = _matches(receptor, site, numbering, site.number)
        if len(hits) == 0:
            raise MutationError(_absent_message(receptor, site, numbering))
        if len(hits) > 1:
            places = ", ".join(_where(receptor, int(i)) for i in hits)
            raise MutationError(f"{site.label}: residue {site.number} is ambiguous ({places}); name the chain")
        indices.append(int(hits[0]))
    return tuple(indices)


def _fitting_offsets(receptor: Receptor, variant: Variant, numbering: Numbering) -> list[int]:
    """Return shifts of the numbers at which every wild-type letter fits, likeliest first."""
    real = receptor.uniprot_numbers > 0
    shifts = np.unique((receptor.author_numbers - receptor.uniprot_numbers)[real])
    known = [int(s) * sign for s in shifts for sign in ((1,) if numbering == "author" else (-1, 1)) if s]
    offsets = []
    for offset in [*known, *sorted(range(-SEARCH_RANGE, SEARCH_RANGE + 1), key=lambda k: (abs(k), -k))]:
        if offset == 0 or offset in offsets:
            continue
        fits = True
        for site in variant.substitutions:
            hits = _matches(receptor, site, numbering, site.number + offset)
            fits &= len(hits) == 1 and one_letter(str(receptor.residue_names[hits[0]])) == site.wild_type
        if fits:
            offsets.append(offset)
    return offsets


def _proposal(receptor: Receptor, variant: Variant, numbering: Numbering) -> str:
    """Return what to do about a wild type that does not match."""
    other: Numbering = "author" if numbering == "uniprot" else "uniprot"
    try:
        indices = site_indices(receptor, variant, other)
    except MutationError:
        indices = ()
    letters = [one_letter(str(receptor.residue_names[i])) for i in indices]
    if letters and letters == [site.wild_type for site in variant.substitutions]:
        own = _numbers(receptor, numbering)[list(indices)]
        label = "/".join(
            f"{s.wild_type}{n}{s.mutant}" for s, n in zip(variant.substitutions, own, strict=True) if n > 0
        )
        shift = int(receptor.author_numbers[indices[0]] - receptor.uniprot_numbers[indices[0]])
        return f"the structure is numbered {shift:+d} to UniProt, did you mean {label}? Use numbering = '{other}'"
    offsets = _fitting_offsets(receptor, variant, numbering)
    if not offsets:
        return f"no shift of up to {SEARCH_RANGE} residues fits; check the mutation and the kinase"
    options = [
        f"{'/'.join(f'{s.wild_type}{s.number + k}{s.mutant}' for s in variant.substitutions)} ({k:+d})"
        for k in offsets[:3]
    ]
    return f"nearest numbering in which the wild type fits: {', '.join(options)}"


def check_variant(receptor: Receptor, variant: Variant, numbering: Numbering = "uniprot", canonical: str = "") -> None:
    """Check that every residue of a variant is there and is what the variant says.

    A structure of the mutant itself passes: its residue is then built back to the wild type. Given the canonical
    sequence it passes only where that has the wild type: residue 766 of EGFR is a methionine, so that ``T766M``,
    counted as 1m17 does, is no mutant already made.

    Parameters
    ----------
    receptor : Receptor
    variant : Variant
    numbering : {"uniprot", "author"}
        Which numbers the variant counts in.
    canonical : str
        Whole UniProt sequence of the kinase, where known.

    Raises
    ------
    MutationError
        A residue is missing, ambiguous or another one; the message proposes the offset that would fit.
    """
    for site, index in zip(variant.substitutions, site_indices(receptor, variant, numbering), strict=True):
        there = str(receptor.residue_names[index])
        letter = one_letter(there)
        number = int(receptor.uniprot_numbers[index])
        expected = canonical[number - 1 : number] if number > 0 else ""
        made = letter == site.mutant and expected in ("", site.wild_type)
        if site.wild_type and letter != site.wild_type and not made:
            place = f"{_where(receptor, index)} of {receptor.name}"
            if numbering == "uniprot":
                place += f" (UniProt {site.number})"
            raise MutationError(f"{site.label}: {place} is {there}; {_proposal(receptor, variant, numbering)}")
