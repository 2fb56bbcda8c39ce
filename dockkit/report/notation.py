"""How numbers, names and lists are written for a reader, and how rows are named in files."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Protocol

from dockkit.core.model import Kinase, Numbering, Receptor, RowDetail, StudyResult
from dockkit.core.residues import amino_acids, one_letter


class Framed(Protocol):
    """What says how residues are numbered, and of which kinase: a study's result, or less."""

    @property
    def kinase(self) -> Kinase:
        """The kinase."""

    @property
    def numbering(self) -> Numbering:
        """Author's or UniProt's."""


MINUS, MISSING = "\N{MINUS SIGN}", "\N{EM DASH}"


def signed(value: float, digits: int = 1) -> str:
    """Return ``+1.2`` or ``−0.3`` (true minus sign), a dash for NaN and infinities.

    Parameters
    ----------
    value : float
        Any number.
    digits : int
        Decimals; a value that rounds to zero has no sign.
    """
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def with_error(value: float, sem: float, digits: int = 1) -> str:
    """Return ``+1.2 ± 0.3``; the error is left out where it is unknown."""
    if not math.isfinite(value):
        return MISSING
    return signed(value, digits) + (f" ± {sem:.{digits}f}" if math.isfinite(sem) else "")


def fold(value: float) -> str:
    """Return a fold change with two significant digits, e.g. ``0.14``, ``7.2``, ``350``, ``1.2 × 10⁶``."""
    if not math.isfinite(value) or value < 0:
        return MISSING
    if value == 0:
        return "0"
    exponent = int(f"{value:.1e}".split("e")[1])
    if -3 < exponent < 5:
        rounded = round(value, 1 - exponent)
        return f"{rounded:,.{max(0, 1 - exponent)}f}"
    power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10.0**exponent:.1f} × 10{power}"


def listing(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def residue_numbers(receptor: Receptor, result: Framed) -> list[int]:
    """Return every residue's number in the study's numbering; 0 where it has none, and for caps, waters and ions.

    A cap's author number is only that of the place it took, which may be a real residue's where a break has no gap.
    """
    numbers = receptor.uniprot_numbers if result.numbering == "uniprot" else receptor.author_numbers
    real = amino_acids(receptor.residue_names)
    return [int(number) if counts else 0 for number, counts in zip(numbers, real, strict=True)]


def residue_label(name: str, number: int) -> str:
    """Return ``T315``; a residue that is no amino acid or derivative of one keeps its three-letter name."""
    letter = one_letter(name)
    return f"{name if letter == 'X' else letter}{number}" if number else name


def file_stem(*parts: str) -> str:
    """Return a file name stem made of ``parts``: safe on every system, never empty, at most 100 characters."""
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-.") or "x" for part in parts]
    stem = "_".join(words)
    if len(stem) <= 100:
        return stem
    return stem[:88] + "-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:11]


def row_stems(details: Sequence[RowDetail]) -> list[str]:
    """Return one distinct file name stem for each row, ``<mutation>_<ligand>``."""
    stems: list[str] = []
    used: set[str] = set()
    for detail in details:
        base = file_stem(detail.row.mutation, detail.row.ligand)
        stem, count = base, 2
        while stem.lower() in used:
            stem, count = f"{base}-{count}", count + 1
        used.add(stem.lower())
        stems.append(stem)
    return stems


def mutations(result: StudyResult) -> list[str]:
    """Return the mutations of the study, in its order."""
    return list(dict.fromkeys(detail.row.mutation for detail in (*result.rows, *result.atp)))


def inhibitors(result: StudyResult) -> list[str]:
    """Return the inhibitors of the study, in its order."""
    return list(dict.fromkeys(detail.row.ligand for detail in result.rows))
