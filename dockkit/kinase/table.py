"""The table of kinases: facts of each, looked up by name, and where its motifs are.

All residue numbers are UniProt numbers of the canonical isoform. The facts are in ``structures/kinases.toml``;
a new kinase is a new table there.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import Any

from dockkit.core.errors import InputError, StoreError, nearest
from dockkit.core.library import library_dir
from dockkit.core.model import Kinase

POCKET_LENGTH = 85
"""Number of positions of the KLIFS pocket."""

# Pocket positions, counted from 1, of the KLIFS regions (van Linden et al., J. Med. Chem. 2014, 57, 249-277).
POCKET_REGIONS = {
    "p_loop": (4, 9),
    "beta_3": (14, 19),
    "alpha_c": (20, 30),
    "hinge": (46, 48),
    "hrd": (68, 70),
    "dfg": (81, 83),
}


def expand_pocket(text: str) -> tuple[int, ...]:
    """Turn ``"246-248 gap 268"`` into ``(246, 247, 248, 0, 268)``."""
    numbers: list[int] = []
    for token in text.split():
        if token.startswith("gap"):
            numbers.extend([0] * int(token[4:] or 1))
        else:
            first, _, last = token.partition("-")
            numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _kinase(table: dict[str, Any]) -> Kinase:
    fields = dict(table)
    fields["sequence"] = "".join(fields["sequence"].split())
    fields["domain"] = (int(fields["domain"][0]), int(fields["domain"][1]))
    fields["pocket"] = expand_pocket(fields["pocket"])
    kinase = Kinase(**fields)
    if len(kinase.pocket) != POCKET_LENGTH or max(kinase.pocket) > len(kinase.sequence):
        raise ValueError(f"{kinase.gene} has {len(kinase.pocket)} pocket positions up to residue {max(kinase.pocket)}")
    return kinase


# APE stands 18 to 45 residues after the Asp; the first two letters vary, the Glu hardly does.
APE_PATTERN = "[ASGPCT][PLIV]E"
APE_REACH = (15, 56)


@lru_cache(maxsize=1)
def _table() -> dict[str, Kinase]:
    path = library_dir("structures") / "kinases.toml"
    try:
        with path.open("rb") as stream:
            kinases = [_kinase(table) for table in tomllib.load(stream)["kinase"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: the table of kinases cannot be read ({error}); install dockkit again") from error
    return {kinase.gene: kinase for kinase in kinases}


def known_kinases() -> tuple[str, ...]:
    """Return the gene symbols of the kinases that dockkit knows, in alphabetical order."""
    return tuple(sorted(_table()))


def load_kinase(gene_or_uniprot: str) -> Kinase:
    """Look a kinase up.

    Parameters
    ----------
    gene_or_uniprot : str
        HGNC symbol or UniProt accession, in any case.

    Returns
    -------
    Kinase

    Raises
    ------
    InputError
        The kinase is not in the table; the message offers the nearest names.
    """
    wanted = gene_or_uniprot.strip().upper()
    for kinase in _table().values():
        if wanted in (kinase.gene.upper(), kinase.uniprot):
            return kinase
    raise InputError(
        f"no kinase '{gene_or_uniprot}' is known; {nearest(gene_or_uniprot, known_kinases())}".rstrip("; ")
    )


def motifs(kinase: Kinase) -> dict[str, tuple[int, ...]]:
    """Return the residue numbers of the named parts of a kinase domain.

    Parameters
    ----------
    kinase : Kinase

    Returns
    -------
    dict of str to tuple of int
        ``p_loop``, ``beta_3``, ``alpha_c``, ``hinge``, ``hrd``, ``dfg`` (KLIFS regions), ``gatekeeper``,
        ``catalytic_lysine``, ``alpha_c_glutamate`` and ``activation_loop`` (DFG Asp to the Glu of the APE motif).
        Empty where the kinase lacks the part.
    """
    found = {
        name: tuple(number for number in kinase.pocket[first - 1 : last] if number)
        for name, (first, last) in POCKET_REGIONS.items()
    }
    for name in ("gatekeeper", "catalytic_lysine", "alpha_c_glutamate"):
        number = getattr(kinase, name)
        found[name] = (number,) if number else ()
    found["activation_loop"] = ()
    if kinase.dfg_aspartate:
        start = kinase.dfg_aspartate + APE_REACH[0]
        end = min(kinase.dfg_aspartate + APE_REACH[1] - 1, kinase.domain[1])
        ape = re.search(APE_PATTERN, kinase.sequence[start - 1 : end])
        if ape:
            found["activation_loop"] = tuple(range(kinase.dfg_aspartate, start + ape.end()))
    return found
