"""Check a study's mutations against sequences before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from dockkit.core.errors import MutationError
from dockkit.core.model import Kinase, Substitution, Variant
from dockkit.mutation import mentioned_gene, parse_variant

KNOWN_OFFSETS: Final = {
    "ABL1": (-19, "isoform 1b numbers residues 19 higher"),
    "EGFR": (24, "the mature protein is numbered 24 lower"),
}
"""Other numberings in use (canonical minus other), after UniProt P00519 and P00533."""

GENE_ALIASES: Final = {
    "ABL": "ABL1", "C-ABL": "ABL1", "HER1": "EGFR", "ERBB1": "EGFR", "HER2": "ERBB2", "NEU": "ERBB2", "C-KIT": "KIT",
    "CD117": "KIT", "C-MET": "MET", "TRKA": "NTRK1", "TRKB": "NTRK2", "TRKC": "NTRK3", "VEGFR2": "KDR",
    "MEK1": "MAP2K1",
}  # fmt: skip
"""Other names in use, in capitals, after UniProt."""


def check_gene(text: str, kinase: Kinase, what: str = "study") -> None:
    """Check that a mutation is not written with the name of another gene.

    Parameters
    ----------
    text : str
        As the user wrote it, such as ``EGFR(T790M)``.
    kinase : Kinase
    what : str
        What is about the kinase, for the message.

    Raises
    ------
    MutationError
        Another gene is named.
    """
    gene = mentioned_gene(text)
    if GENE_ALIASES.get(gene, gene) not in ("", kinase.gene.upper(), kinase.uniprot.upper()):
        raise MutationError(
            f"'{text}' is about {gene}; the {what} is about {kinase.gene}. Leave it out, or name {gene} as the kinase"
        )


def parse_mutations(texts: Sequence[str], kinase: Kinase | None = None) -> tuple[Variant, ...]:
    """Return the variants of a study.

    Parameters
    ----------
    texts : sequence of str
        As the user wrote them.
    kinase : Kinase, optional
        The study's; a mutation of another gene is refused then.

    Returns
    -------
    tuple of Variant
        In the same order.

    Raises
    ------
    MutationError
        One cannot be read, names another gene, or two are the same.
    """
    variants: list[Variant] = []
    seen: set[str] = set()
    for text in texts:
        if kinase is not None:
            check_gene(text, kinase)
        variant = parse_variant(text)
        if not variant.substitutions:
            raise MutationError(f"'{text}': no substitution; write for example T315I")
        if variant.label in seen:
            raise MutationError(f"'{text}' is given twice ({variant.label})")
        seen.add(variant.label)
        variants.append(variant)
    return tuple(variants)


def with_wild_type(variant: Variant, letters: Mapping[int, str]) -> Variant:
    """Return the variant with the wild-type residue of each site filled in where the user left it out (``315I``)."""
    return Variant(
        tuple(
            site if site.wild_type or site.insertion_code else replace(site, wild_type=letters.get(site.number, ""))
            for site in variant.substitutions
        )
    )


def check_against_sequence(variant: Variant, kinase: Kinase) -> None:
    """Check that each residue is what the mutation says it is in the UniProt sequence.

    Parameters
    ----------
    variant : Variant
        In UniProt numbering.
    kinase : Kinase
        With its whole sequence.

    Raises
    ------
    MutationError
        Another residue stands there; the message proposes the number in the kinase's other common numbering.
    """
    offset, why = KNOWN_OFFSETS.get(kinase.gene, (0, ""))
    for site in variant.substitutions:
        there = _letter(kinase, site.number)
        if there and there == (site.wild_type or there):
            continue
        says = f"is {there}, not {site.wild_type}" if there else f"does not exist ({len(kinase.sequence)} residues)"
        hint = "check the number, or use numbering = 'author' if it counts as a structure file does"
        if offset and site.wild_type and _letter(kinase, site.number + offset) == site.wild_type:
            proposed = f"{site.wild_type}{site.number + offset}{site.mutant}"
            hint = f"did you mean {proposed}? ({why}; dockkit uses UniProt {kinase.uniprot})"
        raise MutationError(f"{site.label}: residue {site.number} of {kinase.gene} {says}; {hint}")


def _letter(kinase: Kinase, number: int) -> str:
    """Return the residue of a kinase's sequence at a number, '' where there is none."""
    return kinase.sequence[number - 1] if 1 <= number <= len(kinase.sequence) else ""


def check_present(variant: Variant, letters: Mapping[int, str], where: str, numbering: str, sequence: str = "") -> None:
    """Check that the residues of a variant are in a structure and are what the mutation says.

    A site with an insertion code is left to the prepared receptor.

    Parameters
    ----------
    variant : Variant
        The mutation.
    letters : mapping of int to str
        One-letter code of each residue present, by number.
    where, numbering : str
        For the message.
    sequence : str
        Of the whole kinase as in UniProt; tells whether the user counted that way.

    Raises
    ------
    MutationError
        A residue is missing or is another one.
    """
    for site in variant.substitutions:
        if site.insertion_code:
            continue
        there = letters.get(site.number)
        if there is None:
            span = f"{min(letters)}-{max(letters)}" if letters else "none"
            raise MutationError(
                f"{site.label}: {where} has no residue {site.number} in {numbering} numbering (present: {span}); "
                "it may lie in a missing loop"
            )
        if site.wild_type and there not in (site.wild_type, site.mutant, "X"):
            raise MutationError(
                f"{site.label}: residue {site.number} of {where} is {there} in {numbering} numbering, not "
                f"{site.wild_type}; {_other_numbering(site, numbering, sequence)}"
            )


def _other_numbering(site: Substitution, numbering: str, sequence: str) -> str:
    """Say whether the residue would fit if the user had counted as UniProt does."""
    if numbering == "author" and sequence[site.number - 1 : site.number] == site.wild_type:
        return f"in UniProt numbering {site.number} is {site.wild_type}: use numbering = 'uniprot'"
    return "check the number, or choose the other numbering ('uniprot' or 'author')"
