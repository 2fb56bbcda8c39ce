"""What a sequence is: kinase or not, which one, and where its pocket and motifs are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import StructureError
from dockkit.core.model import Annotation, IntArray, Kinase, KinaseDomain, PocketResidue
from dockkit.kinase.alignment import encode
from dockkit.kinase.construct import describe_offset
from dockkit.kinase.numbering import clean_sequence, identify_kinase
from dockkit.kinase.pocket import Placement, place_domain
from dockkit.kinase.profiles import PROTEIN_KINASE, Hit, Profile, families, find_hits, load_profile
from dockkit.kinase.table import APE_PATTERN, APE_REACH, POCKET_REGIONS, motifs

KLIFS_REGIONS = tuple(
    name
    for name, length in (
        ("I", 3), ("g.l", 6), ("II", 4), ("III", 6), ("alphaC", 11), ("b.l", 7), ("IV", 4), ("V", 3), ("GK", 1),
        ("hinge", 3), ("linker", 4), ("alphaD", 7), ("alphaE", 5), ("VI", 3), ("c.l", 8), ("VII", 3), ("VIII", 1),
        ("xDFG", 4), ("a.l", 2),
    )
    for _ in range(length)
)  # fmt: skip
"""KLIFS region of each pocket position (van Linden et al., J. Med. Chem. 2014, 57, 249-277)."""

# Pocket position, name and residues that are usual there.
_CONSERVED = (
    (4, "first Gly of the P-loop", "G"),
    (6, "second Gly of the P-loop", "G"),
    (17, "catalytic Lys", "K"),
    (24, "alpha-C Glu", "E"),
    (70, "HRD Asp", "D"),
    (75, "catalytic-loop Asn", "N"),
    (81, "DFG Asp", "D"),
    (83, "DFG Gly", "G"),
)
# Without one of these a kinase counts as a pseudokinase (Boudeau et al., Trends Cell Biol. 2006, 16, 443-452).
_ESSENTIAL = frozenset({17, 70, 81})
_LANDMARKS = {"gatekeeper": 45, "catalytic_lysine": 17, "alpha_c_glutamate": 24}
_HINGE_MIDDLE, _HRD_ASPARTATE, _DFG_ASPARTATE = 48, 70, 81

# Human kinases that are not in the table and differ so little from one that is that a domain alone is mistaken for it;
# identity of the two domains.
_CLOSE_RELATIVES = {
    "CDK8": (("CDK19", 0.94),),
    "CSNK1D": (("CSNK1E", 0.97),),
    "PAK1": (("PAK3", 0.96), ("PAK2", 0.93)),
    "PRKACA": (("PRKACB", 0.96),),
}
_SURE_IDENTITY = 0.985
_CERTAIN_BITS = 100.0
_ROOM = 150
# No kinase of the table is longer; a giant such as titin is looked up around its domain.
_WINDOW = 2500

_OTHER_FAMILIES = {
    "PI3/PI4-kinase family": (
        "PI3/PI4-kinase family (lipid kinases and the PIKK protein kinases mTOR, ATM, ATR, DNA-PK): not of the common "
        "protein kinase fold; pocket positions are those that KLIFS gives mTOR, carried over"
    ),
    "RIO kinase": "RIO kinase (atypical protein kinase); pocket positions are those that KLIFS gives RIOK1 and RIOK2",
    "ABC1/ADCK kinase": (
        "ABC1/ADCK kinase (atypical, COQ8-like); pocket positions are those that KLIFS gives ADCK1 and COQ8A"
    ),
    "alpha kinase": "alpha kinase (atypical protein kinase, such as eEF2K): KLIFS positions do not apply",
    "mitochondrial PDK/BCKDK kinase": (
        "mitochondrial PDK/BCKDK kinase (GHKL fold, no protein kinase fold): KLIFS positions do not apply"
    ),
}


@dataclass(frozen=True, slots=True)
class _Chain:
    """A sequence with its own numbers, and UniProt's where the table has the protein."""

    letters: str
    numbers: IntArray
    segments: IntArray
    kinase: Kinase | None
    uniprot_numbers: IntArray


def _read_chain(sequence: str, segments: ArrayLike | None, numbers: ArrayLike | None) -> _Chain:
    letters = clean_sequence(sequence)
    n = len(letters)
    own = np.arange(1, n + 1) if numbers is None else np.asarray(numbers, dtype=np.int64)
    parts = np.zeros(n, dtype=np.int64) if segments is None else np.asarray(segments, dtype=np.int64)
    if len(own) != n or len(parts) != n:
        raise StructureError(f"{n} residues, {len(own)} numbers and {len(parts)} segments; give one for each residue")
    return _Chain(letters, own, parts, None, np.zeros(n, dtype=np.int64))


def _identified(chain: _Chain, hits: list[tuple[Profile, Hit]]) -> _Chain:
    """Look the chain up in the table, where it has a domain of a protein kinase."""
    own_kind = [hit for profile, hit in hits if profile.family == PROTEIN_KINASE]
    if not own_kind:
        return chain
    best = max(own_kind, key=lambda hit: hit.score_bits)
    first, last = max(0, best.first - _WINDOW), min(len(chain.letters), best.last + _WINDOW)
    part = slice(first, last)
    try:
        kinase, mapped = identify_kinase(
            chain.letters[part], segments=chain.segments[part], own_numbers=chain.numbers[part]
        )
    except StructureError:
        return chain
    uniprot_numbers = chain.uniprot_numbers.copy()
    uniprot_numbers[part] = mapped
    return replace(chain, kinase=kinase, uniprot_numbers=uniprot_numbers)


def _all_hits(letters: str, leave_out: frozenset[str]) -> list[tuple[Profile, Hit]]:
    """Domains of every family, the better one where two claim the same residues."""
    found: list[tuple[Profile, Hit]] = []
    for family in families():
        profile = load_profile(family, leave_out)
        for hit in find_hits(profile, letters):
            rivals = [item for item in found if item[1].first <= hit.last and hit.first <= item[1].last]
            if all(rival.score_bits < hit.score_bits for _, rival in rivals):
                found = [item for item in found if item not in rivals] + [(profile, hit)]
        covered = sum(hit.last - hit.first + 1 for _, hit in found)
        if found and found[0][1].score_bits >= _CERTAIN_BITS and len(letters) < covered + _ROOM:
            break  # no room for another domain
    return sorted(found, key=lambda item: item[1].first)


def _table_pocket(chain: _Chain, placement: Placement) -> IntArray | None:
    """Places of the pocket that the table gives, where the domain is the one that the table describes."""
    kinase = chain.kinase
    if kinase is None:
        return None
    inside = chain.uniprot_numbers[placement.first : placement.last + 1]
    inside = inside[inside > 0]
    described = (inside >= kinase.domain[0]) & (inside <= kinase.domain[1])
    if described.sum() <= len(inside) / 2:
        return None
    place = {int(number): i for i, number in enumerate(chain.uniprot_numbers) if number}
    return np.array([place.get(number, -1) if number else -1 for number in kinase.pocket])


def _pocket_residues(chain: _Chain, pocket: IntArray, table: tuple[int, ...] | None) -> tuple[PocketResidue, ...]:
    residues = []
    for position, (region, index) in enumerate(zip(KLIFS_REGIONS, pocket, strict=True), start=1):
        i = int(index)
        known = table[position - 1] if table is not None else int(chain.uniprot_numbers[i]) if i >= 0 else 0
        here = (chain.letters[i], int(chain.numbers[i]), i) if i >= 0 else ("-", None, None)
        residues.append(PocketResidue(position, region, here[0], here[1], known, here[2]))
    return tuple(residues)


def _loop_end(chain: _Chain, placement: Placement, aspartate: int) -> int:
    """Place of the Glu of APE, -1 where it cannot be told."""
    start = aspartate + APE_REACH[0]
    found = re.search(APE_PATTERN, chain.letters[start : aspartate + APE_REACH[1]])
    return start + found.end() - 1 if found else placement.ape


def _motifs(
    chain: _Chain, placement: Placement, pocket: IntArray, from_table: bool
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    if from_table and chain.kinase is not None:
        place = {int(number): i for i, number in enumerate(chain.uniprot_numbers) if number}
        named = motifs(chain.kinase)
        return tuple(
            (name, tuple(int(chain.numbers[place[number]]) for number in found if number in place))
            for name, found in named.items()
        )
    spans = {name: pocket[first - 1 : last] for name, (first, last) in POCKET_REGIONS.items()}
    spans |= {name: pocket[position - 1 : position] for name, position in _LANDMARKS.items()}
    aspartate = int(pocket[_DFG_ASPARTATE - 1])
    end = _loop_end(chain, placement, aspartate) if aspartate >= 0 else -1
    spans["activation_loop"] = np.arange(aspartate, end + 1) if end > aspartate >= 0 else np.zeros(0, dtype=np.int64)
    return tuple((name, tuple(int(chain.numbers[i]) for i in span if i >= 0)) for name, span in spans.items())


def _replaced(letters: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Conserved residues that are others here, by pocket position; what is not there is not counted."""
    return tuple(
        (position, f"{name} is {letters[position - 1]}")
        for position, name, usual in _CONSERVED
        if letters[position - 1] not in usual + "-X"
    )


def _which(chain: _Chain, placement: Placement, described: bool) -> str:
    kinase, percent = chain.kinase, f"{100.0 * placement.identity:.0f}%"
    if kinase is None:
        return f"protein kinase that is not in the table; the closest there is {placement.closest}, {percent} identical"
    if not described:
        return f"second kinase domain of {kinase.gene} ({kinase.uniprot}); closest in the table {placement.closest}"
    used = np.flatnonzero(chain.uniprot_numbers[placement.first : placement.last + 1]) + placement.first
    same = np.array([kinase.sequence[chain.uniprot_numbers[i] - 1] == chain.letters[i] for i in used])
    text = f"protein kinase {kinase.gene} ({kinase.uniprot})"
    if same.all():
        return text
    text += f", {len(same) - int(same.sum())} of {len(same)} residues of the domain differ from human UniProt"
    if same.mean() < _SURE_IDENTITY:
        others = ", ".join(
            f"{gene} ({100 * identity:.0f}%)" for gene, identity in _CLOSE_RELATIVES.get(kinase.gene, ())
        )
        text += ": engineered, or another species"
        text += f", or a close relative of {kinase.gene}: {others}" if others else ""
    return text


def _describe(chain: _Chain, profile: Profile, hit: Hit, placement: Placement) -> KinaseDomain:
    """Turn a placed domain into the record."""
    table = _table_pocket(chain, placement) if profile.family == PROTEIN_KINASE else None
    pocket = placement.pocket if table is None else table
    described = table is not None and chain.kinase is not None
    known = chain.kinase.pocket if described and chain.kinase is not None else None
    residues = _pocket_residues(chain, pocket, known) if len(pocket) else ()
    replaced: tuple[tuple[int, str], ...] = ()
    if profile.family == PROTEIN_KINASE:
        natural = [residue.letter for residue in residues]
        if known is not None and chain.kinase is not None:
            natural = [chain.kinase.sequence[number - 1] if number else "-" for number in known]
        replaced = _replaced(natural)
        statement = _which(chain, placement, described)
    else:
        statement = _OTHER_FAMILIES.get(profile.family, profile.family)
    pseudo = any(position in _ESSENTIAL for position, _ in replaced)
    if pseudo:
        lost = ", ".join(text for position, text in replaced if position in _ESSENTIAL)
        statement += f"; likely a pseudokinase ({lost}), though some such kinases are active (WNK, CASK, ERBB3 weakly)"
    return KinaseDomain(
        family=profile.family,
        score_bits=round(hit.score_bits, 1),
        e_value=hit.e_value,
        first=int(chain.numbers[placement.first]),
        last=int(chain.numbers[placement.last]),
        first_index=placement.first,
        last_index=placement.last,
        kinase=chain.kinase.gene if chain.kinase and profile.family == PROTEIN_KINASE else "",
        uniprot=chain.kinase.uniprot if chain.kinase and profile.family == PROTEIN_KINASE else "",
        closest=placement.closest,
        identity=round(placement.identity, 3),
        pocket=residues,
        motifs=_motifs(chain, placement, pocket, described) if profile.family == PROTEIN_KINASE else (),
        replaced=tuple(text for _, text in replaced),
        pseudokinase=pseudo,
        statement=statement,
    )


def annotate_sequence(
    sequence: str,
    *,
    segments: ArrayLike | None = None,
    numbers: ArrayLike | None = None,
    use_table: bool = True,
    leave_out: Collection[str] = (),
) -> Annotation:
    """Say what a sequence is: its kinase domains, which kinase, the 85 pocket positions and the motifs.

    Domains are found with the profiles of ``structures/kinase_profiles.sto`` (HMMER); the pocket positions of a kinase
    of the table are the table's, those of any other come from its alignment with the profile of the protein kinases and
    the five closest of its members.

    Parameters
    ----------
    sequence : str
        One-letter codes of the residues present, in order; X for anything unusual.
    segments : (n_residues,) int, optional
        Segment of each residue, rising at every chain break.
    numbers : (n_residues,) int, optional
        The chain's own residue numbers; 1, 2, 3, ... where not given.
    use_table : bool
        False annotates by profile alone, as a kinase that the table does not have.
    leave_out : collection of str
        Genes that the profiles are built without, to measure how well they serve kinases they have not seen.

    Returns
    -------
    Annotation

    Raises
    ------
    StructureError
        ``segments`` or ``numbers`` have another length than the sequence, or the sequence is longer than any protein.
    """
    chain = _read_chain(sequence, segments, numbers)
    codes, breaks = encode(chain.letters), np.diff(chain.segments, prepend=chain.segments[:1]) != 0
    hits = _all_hits(chain.letters, frozenset(leave_out))
    if use_table:
        chain = _identified(chain, hits)
    domains = []
    for i, (profile, hit) in enumerate(hits):
        before = hits[i - 1][1].last + 1 if i else 0
        after = hits[i + 1][1].first - 1 if i + 1 < len(hits) else len(chain.letters) - 1
        placement = place_domain(profile, hit, codes, breaks, (min(before, hit.first), max(after, hit.last)))
        domains.append(_describe(chain, profile, hit, placement))
    mapped = chain.uniprot_numbers if chain.kinase else np.zeros(0, dtype=np.int64)
    return Annotation(
        length=len(chain.letters),
        domains=tuple(domains),
        uniprot_numbers=tuple(int(number) for number in mapped),
        offset=describe_offset(chain.numbers, mapped) if chain.kinase else "",
        statement=_summary(domains),
    )


def _summary(domains: list[KinaseDomain]) -> str:
    if not domains:
        return "no kinase domain of a family that dockkit recognises"
    parts = [f"{domain.first}-{domain.last}: {domain.statement}" for domain in domains]
    return (f"{len(parts)} kinase domains. " if len(parts) > 1 else "") + ". ".join(parts)


def kinase_from_annotation(
    sequence: str, annotation: Annotation, numbers: ArrayLike, *, domain: KinaseDomain | None = None
) -> Kinase:
    """Make a record of a kinase that is not in the table, so that modelling can go on in the chain's own numbers.

    Parameters
    ----------
    sequence : str
        As given to :func:`annotate_sequence`.
    annotation : Annotation
    numbers : (n_residues,) int
        The chain's own numbers; the record counts by them where the table counts by UniProt.
    domain : KinaseDomain, optional
        Which domain; that with the best score where not given.

    Returns
    -------
    Kinase
        ``gene`` and ``uniprot`` are empty; ``sequence`` has X where the chain has no residue of that number.

    Raises
    ------
    StructureError
        There is no domain with a pocket, or residues share a number or are numbered below 1.
    """
    candidates = [item for item in annotation.domains if item.pocket] if domain is None else [domain]
    if not candidates:
        raise StructureError(f"{annotation.statement}: there is no pocket to model in; choose another chain")
    chosen = max(candidates, key=lambda item: item.score_bits)
    own, letters = np.asarray(numbers, dtype=np.int64), clean_sequence(sequence)
    inside = own[chosen.first_index : chosen.last_index + 1]
    if (inside < 1).any() or len(np.unique(inside)) != len(inside):
        raise StructureError(
            f"residues {chosen.first}-{chosen.last}: numbers below 1 or given twice (insertion codes) cannot serve as "
            "the numbers of a kinase that is not in the table; renumber the chain from 1"
        )
    whole = ["X"] * int(inside.max())
    for number, letter in zip(inside, letters[chosen.first_index : chosen.last_index + 1], strict=True):
        whole[int(number) - 1] = letter
    pocket = tuple(residue.number or 0 for residue in chosen.pocket)

    def landmark(position: int, usual: str = "") -> int:
        residue = chosen.pocket[position - 1]
        return residue.number or 0 if not usual or residue.letter == usual else 0

    return Kinase(
        gene="",
        uniprot="",
        name=f"{chosen.family}, closest in the table {chosen.closest} ({100 * chosen.identity:.0f}%)",
        sequence="".join(whole),
        domain=(int(inside.min()), int(inside.max())),
        gatekeeper=landmark(_LANDMARKS["gatekeeper"]),
        catalytic_lysine=landmark(_LANDMARKS["catalytic_lysine"], "K"),
        alpha_c_glutamate=landmark(_LANDMARKS["alpha_c_glutamate"], "E"),
        hinge_middle=landmark(_HINGE_MIDDLE),
        hrd_aspartate=landmark(_HRD_ASPARTATE, "D"),
        dfg_aspartate=landmark(_DFG_ASPARTATE, "D"),
        pocket=pocket,
    )
