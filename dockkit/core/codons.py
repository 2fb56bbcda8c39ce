"""The standard genetic code: which amino acids one changed nucleotide can make, and how easily."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

from dockkit.core.errors import InputError

BASES: Final = "TCAG"

CODE: Final[dict[str, str]] = dict(
    zip(
        map("".join, product(BASES, repeat=3)),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)
"""Codon (DNA) to one-letter code, ``*`` for a stop: NCBI translation table 1."""

AMINO_ACIDS: Final = "ACDEFGHIKLMNPQRSTVWY"

PURINES: Final = frozenset("AG")


@dataclass(frozen=True, slots=True)
class Reach:
    """How near a substitution lies in the genetic code.

    Parameters
    ----------
    nucleotides : int
        The fewest nucleotides to change, 0 to 3, over the codons that may stand there.
    probability : float
        That a random single-nucleotide change of the codon makes it, 0 to 1: the rates of the changes that do over
        those of all nine. The mean over the codons that may stand there.
    low, high : float
        Least and largest over those codons.
    codons : tuple of str
        The codons that may stand there: one where the coding sequence is known, else every codon of the residue.
    """

    nucleotides: int
    probability: float
    low: float
    high: float
    codons: tuple[str, ...]


def is_transition(one: str, other: str) -> bool:
    """Tell whether a base change stays among the purines (A, G) or the pyrimidines (C, T)."""
    return one != other and (one in PURINES) == (other in PURINES)


def codons_of(amino_acid: str) -> tuple[str, ...]:
    """Return the codons of an amino acid (one-letter code, ``*`` for stop), in alphabetical order."""
    return tuple(sorted(codon for codon, letter in CODE.items() if letter == amino_acid))


def single_changes(codon: str) -> Iterator[tuple[str, bool]]:
    """Yield the nine codons that differ in one base, each with whether the change is a transition."""
    for place, old in enumerate(codon):
        for new in BASES:
            if new != old:
                yield codon[:place] + new + codon[place + 1 :], is_transition(old, new)


@cache
def _probabilities(codon: str, transition_rate: float) -> dict[str, float]:
    """Return, for each amino acid, the chance that one random change of the codon makes it."""
    found: dict[str, float] = {}
    for changed, transition in single_changes(codon):
        rate = transition_rate if transition else 1.0
        found[CODE[changed]] = found.get(CODE[changed], 0.0) + rate
    total = 3 * (transition_rate + 2.0)
    return {letter: rate / total for letter, rate in found.items()}


def reach(wild_type: str, mutant: str, *, codon: str = "", transition_rate: float = 4.0) -> Reach:
    """Return how easily one amino acid becomes another by changes of its codon.

    At each of the three bases one change is a transition and two are transversions, so that all nine have the rate
    3 (transition_rate + 2).

    Parameters
    ----------
    wild_type, mutant : str
        One-letter codes.
    codon : str
        The codon that stands there; empty takes every codon of ``wild_type``, equally likely.
    transition_rate : float
        Rate of a transition over that of one transversion. With 4, twice as many changes are transitions as
        transversions, as among human variants (The 1000 Genomes Project Consortium, Nature 2010, 467, 1061-1073).

    Returns
    -------
    Reach

    Raises
    ------
    InputError
        The codon does not code for ``wild_type``, or a letter is no amino acid.
    """
    for letter in (wild_type, mutant):
        if letter not in AMINO_ACIDS:
            raise InputError(f"'{letter}' is not one of the twenty amino acids")
    if codon and CODE.get(codon) != wild_type:
        raise InputError(f"codon {codon} codes for {CODE.get(codon, 'nothing')}, not for {wild_type}")
    start = (codon,) if codon else codons_of(wild_type)
    chances = [_probabilities(one, transition_rate).get(mutant, 0.0) for one in start]
    fewest = min(sum(a != b for a, b in zip(one, other, strict=True)) for one in start for other in codons_of(mutant))
    return Reach(fewest, sum(chances) / len(chances), min(chances), max(chances), start)


def translate(coding_sequence: str) -> str:
    """Return the protein of a coding sequence (DNA, upper case, frame 1); an incomplete last codon is left out.

    Codons with ambiguous bases become ``X``.
    """
    whole = len(coding_sequence) - len(coding_sequence) % 3
    return "".join(CODE.get(coding_sequence[k : k + 3], "X") for k in range(0, whole, 3))


def read_coding_sequence(path: str | Path, protein: str, name: str) -> dict[int, str]:
    """Return the codon of each residue of a protein from a FASTA file of its coding sequence.

    The coding sequence may be a part of the whole one, and may lie within a transcript: the frame and the place are
    found by the translation, of which at least 20 residues in a row must be the protein's. Up to 5 residues that differ
    (variants) have no codon.

    Parameters
    ----------
    path : str or Path
        FASTA, one record; DNA or RNA.
    protein : str
        The protein's sequence, residue 1 first.
    name : str
        Of the protein, for messages.

    Returns
    -------
    dict of int to str
        Residue number (from 1) to codon (DNA).

    Raises
    ------
    InputError
        Not readable, not one record, not a nucleotide sequence, or not of this protein.
    """
    bases = _one_record(Path(path))
    matches = [_longest_match(translate(bases[frame:]), protein) for frame in range(3)]
    frame = max(range(3), key=lambda k: matches[k][2])
    at, first, length = matches[frame]
    if length < MIN_MATCH:
        raise InputError(
            f"{path}: its translation is not {name}: at most {length} residues in a row are alike, {MIN_MATCH} are "
            "needed; give the coding sequence of the canonical isoform, 5' to 3'"
        )
    codons: dict[int, str] = {}
    wrong = []
    translated = translate(bases[frame:])
    for place, letter in enumerate(translated):
        number = place - at + first
        if 1 <= number <= len(protein):
            if letter == protein[number - 1]:
                codons[number] = bases[frame + 3 * place : frame + 3 * place + 3]
            elif letter != "X":
                wrong.append(f"{protein[number - 1]}{number}{letter}")
    if len(wrong) > MAX_DIFFERENCES:
        raise InputError(
            f"{path}: its translation differs from {name} in {len(wrong)} residues ({', '.join(wrong[:5])} ...); "
            "give the coding sequence of the canonical isoform"
        )
    return codons


MIN_MATCH: Final = 20
"""Residues in a row that a coding sequence must have in common with the protein."""

MAX_DIFFERENCES: Final = 5
"""Residues that may differ (variants); their codons are taken as unknown."""


def _one_record(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if text.count(">") > 1:
        raise InputError(f"{path}: holds {text.count('>')} sequences; give one coding sequence")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith((">", ";"))]
    bases = "".join("".join(line.split()) for line in lines).upper().replace("U", "T")
    odd = sorted(set(bases) - set("ACGTNRYSWKMBDHV"))
    if not bases or odd:
        what = f"it has the letters {', '.join(odd[:6])}" if odd else "it is empty"
        raise InputError(f"{path}: not a nucleotide sequence ({what}); give the coding DNA as FASTA")
    return bases


def _longest_match(translated: str, protein: str) -> tuple[int, int, int]:
    """Return where translation and protein agree longest: place (from 0), residue number (from 1), length."""
    best = (0, 1, 0)
    for start in range(0, len(translated) - MIN_MATCH + 1):
        found = protein.find(translated[start : start + MIN_MATCH])
        if found >= 0:
            length = MIN_MATCH
            while (
                start + length < len(translated)
                and found + length < len(protein)
                and translated[start + length] == protein[found + length]
            ):
                length += 1
            best = max(best, (start, found + 1, length), key=lambda item: item[2])
            if length * 2 > len(protein):
                break
    return best
