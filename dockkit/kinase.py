"""Kinase knowledge: who a sequence is, where its motifs are, and which state a structure is in.

All residue numbers are UniProt numbers of the canonical isoform. The facts are in ``structures/kinases.toml``;
a new kinase is a new table there.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dockkit.core.errors import InputError, StoreError, StructureError, nearest
from dockkit.core.library import library_dir
from dockkit.core.model import Conformation, DfgState, FloatArray, HelixState, IntArray, Kinase, Receptor

POCKET_LENGTH = 85
"""Number of positions of the KLIFS pocket."""

_KMER = 4
_MIN_IDENTITY = 0.80
_MIN_DOMAIN_MATCHES = 80

# Alignment of a chain with its own reference sequence: identity counts, substitutions are few.
_SAME_SCORE = 5.0
_DIFFERENT_SCORE = -3.0
_UNUSUAL_SCORE = -1.0
_GAP_COST = 15.0
_BREAK_COST = 4.0
_MIN_SCORE = 40.0
_MAX_CHANCE = 0.01

# Pocket positions, counted from 1, of the KLIFS regions (van Linden et al., J. Med. Chem. 2014, 57, 249-277).
_POCKET_REGIONS = {
    "p_loop": (4, 9),
    "beta_3": (14, 19),
    "alpha_c": (20, 30),
    "hinge": (46, 48),
    "hrd": (68, 70),
    "dfg": (81, 83),
}

# Modi & Dunbrack, Proc. Natl. Acad. Sci. USA 2019, 116, 6818-6827: where the DFG-Phe ring is.
_DFG_HELIX_LIMIT = 11.0
_DFG_IN_LYSINE_LIMIT = 11.0
_DFG_OUT_LYSINE_LIMIT = 14.0
# Salt bridge: Barlow & Thornton, J. Mol. Biol. 1983, 168, 867-885 (4 A between charged atoms). C-beta limit: Modi &
# Dunbrack, Nucleic Acids Res. 2022, 50, D654-D664.
_SALT_BRIDGE_LIMIT = 4.0
_HELIX_CBETA_LIMIT = 10.0

# The outermost side-chain atom, for kinases whose DFG motif has another residue than Phe.
_OUTERMOST_ATOM = {
    "PHE": "CZ",
    "TYR": "CZ",
    "TRP": "CH2",
    "LEU": "CD1",
    "MET": "CE",
    "ILE": "CD1",
    "VAL": "CG1",
    "HIS": "CE1",
    "LYS": "NZ",
    "ARG": "CZ",
    "GLN": "CD",
    "GLU": "CD",
    "ASN": "CG",
    "ASP": "CG",
    "SER": "OG",
    "THR": "CG2",
    "CYS": "SG",
}


# ----------------------------------------------------------------------------------------- the table of kinases


def _expand_pocket(text: str) -> tuple[int, ...]:
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
    fields["pocket"] = _expand_pocket(fields["pocket"])
    kinase = Kinase(**fields)
    if len(kinase.pocket) != POCKET_LENGTH or max(kinase.pocket) > len(kinase.sequence):
        raise ValueError(f"{kinase.gene} has {len(kinase.pocket)} pocket positions up to residue {max(kinase.pocket)}")
    return kinase


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
        for name, (first, last) in _POCKET_REGIONS.items()
    }
    for name in ("gatekeeper", "catalytic_lysine", "alpha_c_glutamate"):
        number = getattr(kinase, name)
        found[name] = (number,) if number else ()
    found["activation_loop"] = ()
    if kinase.dfg_aspartate:
        # APE stands 18 to 45 residues after the Asp; the first two letters vary, the Glu hardly does.
        start = kinase.dfg_aspartate + 15
        ape = re.search("[ASGPCT][PLIV]E", kinase.sequence[start - 1 : min(start + 40, kinase.domain[1])])
        if ape:
            found["activation_loop"] = tuple(range(kinase.dfg_aspartate, start + ape.end()))
    return found


# ---------------------------------------------------------------------------------------------- sequence to number


def _clean(sequence: str) -> str:
    letters = "".join(sequence.split()).upper()
    return re.sub("[^ACDEFGHIKLMNPQRSTVWY]", "X", letters)


def _best_path(match: FloatArray, breaks: NDArray[np.bool_]) -> tuple[float, list[tuple[int, int]]]:
    """Align two sequences locally; a gap costs the same at any length, and less at a chain break.

    Smith & Waterman, J. Mol. Biol. 1981, 147, 195-197, with the gap cost a constant.

    Parameters
    ----------
    match : (n_query, n_reference) float
        Score of putting residue i on residue j.
    breaks : (n_query,) bool
        The chain is broken before residue i.

    Returns
    -------
    score : float
    pairs : list of (int, int)
        Query and reference index of each aligned pair, in order.
    """
    n_query, n_reference = match.shape
    columns = np.arange(n_reference)
    score = np.zeros((n_query, n_reference))
    previous = np.full((n_query, n_reference, 2), -1, dtype=np.int64)
    column_best, column_row = np.zeros(n_reference), np.full(n_reference, -1)
    for i in range(n_query):
        gain, source = np.zeros(n_reference), np.full((n_reference, 2), -1)
        if i:
            above = score[i - 1]
            leading = np.maximum.accumulate(above)
            leader = np.maximum.accumulate(np.where(above == leading, columns, 0))
            options = (
                (above, np.full(n_reference, i - 1), columns, 1, 0.0),
                (leading, np.full(n_reference, i - 1), leader, 2, _BREAK_COST if breaks[i] else _GAP_COST),
                (column_best, column_row, columns, 1, _GAP_COST),
            )
            for values, rows, partners, shift, cost in options:
                better = np.flatnonzero(values[:-shift] - cost > gain[shift:])
                gain[better + shift] = values[better] - cost
                source[better + shift, 0], source[better + shift, 1] = rows[better], partners[better]
            improved = above > column_best
            column_best, column_row = np.where(improved, above, column_best), np.where(improved, i - 1, column_row)
        score[i], previous[i] = gain + match[i], source
    i, j = (int(index) for index in np.unravel_index(int(score.argmax()), score.shape))
    top, pairs = float(score[i, j]), []
    while i >= 0:
        pairs.append((i, j))
        i, j = int(previous[i, j, 0]), int(previous[i, j, 1])
    return top, pairs[::-1]


def _drop_chance_ends(numbers: IntArray, same: NDArray[np.bool_]) -> None:
    """Unnumber, in place, pieces at either end that may have found their place by chance.

    A tag or a second copy of some residues can match a few letters somewhere. The number of chance matches of a piece
    is the number of places it could have gone to, times 1/20 for each letter that agrees.
    """
    for step in (1, -1):
        while True:
            used = np.flatnonzero(numbers)[::step]
            jumps = np.flatnonzero(np.diff(numbers[used]) != step)
            if len(jumps) == 0:
                break
            piece, following = used[: jumps[0] + 1], used[jumps[0] + 1]
            skipped = abs(int(numbers[following] - numbers[piece[-1]]))
            loose = abs(int(following - piece[-1])) + (int(piece[0]) if step == 1 else len(numbers) - 1 - int(piece[0]))
            if skipped * loose * 0.05 ** int(same[piece].sum()) <= _MAX_CHANCE:
                break
            numbers[piece] = 0


def map_to_uniprot(sequence: str, kinase: Kinase, *, segments: ArrayLike | None = None) -> IntArray:
    """Give each residue of a chain its number in the kinase's UniProt sequence.

    Local alignment in which identity counts and a gap costs the same whatever its length, so that missing loops,
    tags, fusion partners and point differences do not shift the numbers.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, in order; X for anything unusual.
    kinase : Kinase
    segments : (n_residues,) int, optional
        Segment of each residue, rising at every chain break. A gap at a break costs less, which settles at which
        residue a missing loop starts where the letters leave it open.

    Returns
    -------
    (n_residues,) int
        UniProt number of each residue, 0 where it has none (a tag, a fusion partner, a repeated residue).

    Raises
    ------
    StructureError
        Nothing aligns.
    """
    query = np.array(list(_clean(sequence)), dtype="U1")
    reference = np.array(list(kinase.sequence), dtype="U1")
    numbers = np.zeros(len(query), dtype=np.int64)
    breaks = np.zeros(len(query), dtype=bool)
    if segments is not None:
        breaks[1:] = np.diff(np.asarray(segments)) != 0
    top = 0.0
    if len(query):
        match = np.where(query[:, None] == reference[None, :], _SAME_SCORE, _DIFFERENT_SCORE)
        match[query == "X"] = _UNUSUAL_SCORE
        top, pairs = _best_path(match, breaks)
        for i, j in pairs:
            numbers[i] = j + 1
        _drop_chance_ends(numbers, np.append(reference, "")[numbers - 1] == query)
    if top < _MIN_SCORE:
        raise StructureError(f"the chain of {len(query)} residues does not align with {kinase.gene} ({kinase.uniprot})")
    return numbers


def _candidates(query: str) -> list[Kinase]:
    """Kinases in order of how many 4-letter words they share with the query."""
    words = {query[i : i + _KMER] for i in range(len(query) - _KMER + 1)}
    scored = [(sum(word in kinase.sequence for word in words), kinase.gene, kinase) for kinase in _table().values()]
    scored.sort(key=lambda item: (-item[0], item[1]))
    most = scored[0][0]
    return [kinase for count, _, kinase in scored[:4] if count > most / 2]


def identify_kinase(sequence: str, *, segments: ArrayLike | None = None) -> tuple[Kinase, IntArray]:
    """Say which kinase a chain is, from its sequence alone.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, in order; X for anything unusual.
    segments : (n_residues,) int, optional
        As in :func:`map_to_uniprot`.

    Returns
    -------
    kinase : Kinase
    numbers : (n_residues,) int
        UniProt number of each residue, 0 where it has none.

    Raises
    ------
    StructureError
        No known kinase fits: fewer than 80 residues of a kinase domain agree, or less than 80 per cent.
    """
    query = _clean(sequence)
    best: tuple[int, float, Kinase, IntArray] | None = None
    for kinase in _candidates(query):
        try:
            numbers = map_to_uniprot(query, kinase, segments=segments)
        except StructureError:
            continue
        in_domain = (numbers >= kinase.domain[0]) & (numbers <= kinase.domain[1])
        same = sum(query[i] == kinase.sequence[numbers[i] - 1] for i in np.flatnonzero(in_domain))
        if best is None or same > best[0]:
            best = (same, same / max(1, int(in_domain.sum())), kinase, numbers)
    if best is None or best[0] < _MIN_DOMAIN_MATCHES or best[1] < _MIN_IDENTITY:
        closest = f"; the closest is {best[2].gene} with {best[0]} residues in common" if best else ""
        raise StructureError(
            f"the chain of {len(query)} residues is none of the {len(_table())} kinases that dockkit knows{closest}. "
            "Check the chain, or add the kinase to structures/kinases.toml"
        )
    return best[2], best[3]


# --------------------------------------------------------------------------------------------------- conformation


def _atom(receptor: Receptor, number: int, name: str) -> FloatArray | None:
    """Position of an atom of the residue with this UniProt number, None where it is not there."""
    if number <= 0:
        return None
    try:
        atoms = receptor.atom_indices(receptor.residue_index(number))
    except StructureError:
        return None
    hits = atoms[receptor.atom_names[atoms] == name]
    return receptor.coordinates[hits[0]] if len(hits) else None


def _distance(first: FloatArray | None, second: FloatArray | None) -> float:
    """Distance in Angstrom, NaN where an atom is missing."""
    if first is None or second is None:
        return float("nan")
    return float(np.linalg.norm(first - second))


def _ring_position(receptor: Receptor, number: int) -> FloatArray | None:
    try:
        residue = receptor.residue_index(number)
    except StructureError:
        return None
    return _atom(receptor, number, _OUTERMOST_ATOM.get(str(receptor.residue_names[residue]), "CA"))


def _dfg_state(to_helix: float, to_lysine: float) -> DfgState:
    if np.isnan(to_helix) or np.isnan(to_lysine):
        return "unknown"
    if to_helix <= _DFG_HELIX_LIMIT:
        return "in" if to_lysine >= _DFG_IN_LYSINE_LIMIT else "inter"
    return "out" if to_lysine <= _DFG_OUT_LYSINE_LIMIT else "unknown"


def _helix_state(salt_bridge: float, c_beta: float) -> HelixState:
    if np.isnan(c_beta):
        return "unknown"
    return "in" if c_beta <= _HELIX_CBETA_LIMIT or salt_bridge <= _SALT_BRIDGE_LIMIT else "out"


def measure_conformation(receptor: Receptor, kinase: Kinase) -> Conformation:
    """Read the DFG and alpha-C states of a structure from distances.

    DFG after Modi & Dunbrack (PNAS 2019, 116, 6818-6827): with D1 from the outermost ring atom of the DFG-Phe to
    C-alpha of the residue four after the alpha-C Glu, and D2 from it to C-alpha of the catalytic Lys, the motif is
    *in* at D1 <= 11 and D2 >= 11 A, *inter* at D1 <= 11 and D2 < 11 A, *out* at D1 > 11 and D2 <= 14 A. The
    alpha-C helix is *in* where the Lys-Glu C-beta distance is at most 10 A (Modi & Dunbrack, Nucleic Acids Res.
    2022, 50, D654) or the salt bridge is formed (NZ to OE1 or OE2 at most 4 A).

    Parameters
    ----------
    receptor : Receptor
        With UniProt numbers; hydrogens are not needed.
    kinase : Kinase

    Returns
    -------
    Conformation
        States, ``unknown`` where an atom is missing or the distances fit no state, and the distances in Angstrom:
        ``dfg_phe_to_alpha_c``, ``dfg_phe_to_lysine``, ``lysine_glutamate_salt_bridge``,
        ``lysine_glutamate_c_beta``; those that could be measured.
    """
    lysine, glutamate = kinase.catalytic_lysine, kinase.pocket[23]
    ring = _ring_position(receptor, kinase.dfg_aspartate + 1 if kinase.dfg_aspartate else 0)
    to_helix = _distance(ring, _atom(receptor, glutamate + 4 if glutamate else 0, "CA"))
    to_lysine = _distance(ring, _atom(receptor, lysine, "CA"))
    nitrogen = _atom(receptor, lysine, "NZ")
    bridges = [_distance(nitrogen, _atom(receptor, kinase.alpha_c_glutamate, name)) for name in ("OE1", "OE2")]
    salt_bridge = min(bridges) if not np.isnan(bridges).all() else float("nan")
    c_beta = _distance(_atom(receptor, lysine, "CB"), _atom(receptor, glutamate, "CB"))
    measures = {
        "dfg_phe_to_alpha_c": to_helix,
        "dfg_phe_to_lysine": to_lysine,
        "lysine_glutamate_salt_bridge": salt_bridge,
        "lysine_glutamate_c_beta": c_beta,
    }
    return Conformation(
        dfg=_dfg_state(to_helix, to_lysine),
        alpha_c=_helix_state(salt_bridge, c_beta),
        measures=tuple((name, value) for name, value in measures.items() if not np.isnan(value)),
    )
