"""Another conformation of a kinase: the segments that differ, taken from a homologous kinase that has it.

The target's own frame stays. From the template, laid on the target's C-lobe, comes the activation loop with the DFG
motif; laid on the sheet of its N-lobe, the alpha-C helix or the P-loop as rigid pieces. Joins are closed by turning
torsions, insertions and deletions are built as loops, and side chains that the template cannot give are searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.errors import StructureError
from dockkit.core.model import Change, FloatArray, IntArray, Kinase, Receptor
from dockkit.core.residues import CAPS, one_letter, templates
from dockkit.core.rings import count_piercings, residue_rings
from dockkit.structure.homology import Chain, align, as_target, by_uniprot, lay, lower_lobe, polymer, sheet
from dockkit.structure.loops import build_loops, chain_bonds
from dockkit.structure.reading import RawStructure
from dockkit.structure.repair import WorkResidue
from dockkit.structure.splicing import JOIN_LIMIT, close_join, incomplete, joins, repack

KinaseState = Literal["dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"]
Part = Literal["activation loop", "alpha-C", "P-loop"]

PARTS: Final[dict[str, tuple[Part, ...]]] = {
    "dfg-in": ("activation loop",),
    "dfg-out": ("activation loop",),
    "alpha-c-in": ("activation loop", "alpha-C"),
    "alpha-c-out": ("activation loop", "alpha-C"),
}
"""What is taken from the template for each state, unless told otherwise."""

P_LOOP_POSITIONS: Final = (1, 13)
ALPHA_C_POSITIONS: Final = (20, 30)
"""Pocket positions (KLIFS, from 1) of the P-loop with the ends of its strands, and of the alpha-C helix."""

AGREE: Final = 0.8
"""A segment is widened until target and template C-alpha lie this near, Angstrom ..."""

WIDEN: Final = 6
"""... or by this many residues."""

LONGEST_HOLE: Final = 12
BARE_WITHIN: Final = 12.0
"""Side chains this near to the ends of a hole, Angstrom between C-alpha, are set aside while it is built."""

MAIN_CHAIN: Final = frozenset({"N", "CA", "C", "O", "CB"})
TOO_NEAR: Final = 2.2
"""Heavy atoms of residues that are not neighbours may not come nearer, Angstrom."""


@dataclass(frozen=True, slots=True)
class Graft:
    """A chain with segments of another kinase, heavy atoms only.

    Parameters
    ----------
    raw : RawStructure
        To be prepared like any chain.
    uniprot_numbers : (raw.n_residues,) int
    grafted : frozenset of int
        UniProt numbers of residues whose main chain is not the target's own.
    rebuilt : frozenset of int
        Those whose side chain was searched.
    changes : tuple of Change
    """

    raw: RawStructure
    uniprot_numbers: tuple[int, ...]
    grafted: frozenset[int]
    rebuilt: frozenset[int]
    changes: tuple[Change, ...]


def graft_state(
    receptor: Receptor, kinase: Kinase, template: Receptor, template_kinase: Kinase, *, state: KinaseState,
    activation_loop: tuple[int, ...], template_loop: tuple[int, ...], parts: tuple[Part, ...] | None = None,
    seed: int = 0, excluded: frozenset[str] = frozenset(),
) -> Graft:  # fmt: skip
    """Put the segments that make a state into a kinase.

    Parameters
    ----------
    receptor : Receptor
        Of ``kinase``, prepared, in another state.
    kinase : Kinase
    template : Receptor
        Of ``template_kinase``, prepared, in the wanted state.
    template_kinase : Kinase
    state : {"dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"}
    activation_loop, template_loop : tuple of int
        UniProt numbers of the activation loop of target and template, the DFG Asp first, the Glu of APE last.
    parts : tuple of str, optional
        What to take; by default what ``PARTS`` says for the state.
    seed : int
        For the loops.
    excluded : frozenset of str
        UniProt accessions of kinases whose bundled structures give no loops.

    Returns
    -------
    Graft

    Raises
    ------
    StructureError
        The kinases cannot be laid on each other, or the template lacks the segments.
    """
    residues = polymer(receptor)
    own = by_uniprot(residues)
    given = by_uniprot(polymer(template))
    pairs = align(kinase, template_kinase, (activation_loop, template_loop), frozenset(given))
    donor = as_target(given, pairs, kinase)
    where = f"{receptor.name} after {template.name}"
    if not activation_loop:
        raise StructureError(f"{where}: the activation loop of {kinase.gene} is not known, so nothing can be modelled")
    chosen = PARTS[state] if parts is None else parts
    pieces: dict[Part, Chain] = {}
    fits: dict[Part, float] = {}
    for part in chosen:
        frame = lower_lobe(kinase, activation_loop) if part == "activation loop" else sheet(kinase)
        laid, used, rmsd = lay(donor, own, frame)
        if not used:
            raise StructureError(f"{where}: too few residues in common to lay one kinase on the other")
        inner = _core(kinase, part, activation_loop)
        numbers = _widened(own, laid, inner)
        pieces[part] = {n: laid[n] for n in numbers if n in laid}
        fits[part] = rmsd
        if not any(n in laid for n in inner):
            raise StructureError(f"{where}: the template lacks the {part}; give another template")
    return _assembled(receptor, kinase, template, residues, pieces, fits, pairs, seed, excluded)


def _core(kinase: Kinase, part: Part, loop: tuple[int, ...]) -> list[int]:
    if part == "activation loop":
        return [loop[0] - 1, *loop]
    first, last = P_LOOP_POSITIONS if part == "P-loop" else ALPHA_C_POSITIONS
    numbers = [n for n in kinase.pocket[first - 1 : last] if n]
    return list(range(min(numbers), max(numbers) + 1)) if numbers else []


def _widened(own: Chain, laid: Chain, inner: list[int]) -> list[int]:
    """Widen a segment at both ends until the two kinases agree."""

    def agree(number: int) -> bool:
        if number not in own or number not in laid:
            return False
        return float(np.linalg.norm(own[number].xyz["CA"] - laid[number].xyz["CA"])) < AGREE

    first, last = inner[0], inner[-1]
    # Where the template has a hole at an end, the target keeps what it has.
    while last not in laid and last in own and last > inner[len(inner) // 2]:
        last -= 1
    for _ in range(WIDEN):
        if agree(first - 1) or first - 1 not in laid:
            break
        first -= 1
    for _ in range(WIDEN):
        if agree(last + 1) or last + 1 not in laid:
            break
        last += 1
    return list(range(first, last + 1))


# ---------------------------------------------------------------------------------------------------- putting together


def _assembled(
    receptor: Receptor, kinase: Kinase, template: Receptor, residues: list[WorkResidue], pieces: dict[Part, Chain],
    fits: dict[Part, float], pairs: dict[int, int], seed: int, excluded: frozenset[str],
) -> Graft:  # fmt: skip
    merged = {n: residue for piece in pieces.values() for n, residue in piece.items()}
    spans = {part: (min(piece), max(piece)) for part, piece in pieces.items()}
    merged = {n: r for n, r in merged.items() if n not in _torn(merged, spans, pairs)}
    chain, letters = _spliced(residues, merged, spans, kinase)
    grafted = set(merged)
    for index in joins(chain, grafted):
        close_join(chain, index, grafted)
    turned = grafted - set(merged)
    _renumber_segments(chain)
    rebuilt = {r.uniprot for r in chain if r.uniprot in merged and incomplete(r)}
    chain, changes = _filled(chain, letters, seed, excluded)
    built = {c.uniprot_number for c in changes if c.kind == "loop"}
    repacked = repack(chain, rebuilt | built)
    grafted |= built
    notes = _changes(chain, template, pieces, spans, fits, rebuilt, repacked - rebuilt - built, turned - built)
    loops = [c for c in changes if c.kind == "loop" or any(a <= c.uniprot_number <= b for a, b in spans.values())]
    return Graft(
        _as_raw(receptor, chain), tuple(r.uniprot for r in chain), frozenset(grafted),
        frozenset(rebuilt | repacked | built), (*notes, *loops),
    )  # fmt: skip


def _filled(
    chain: list[WorkResidue], letters: str, seed: int, excluded: frozenset[str]
) -> tuple[list[WorkResidue], list[Change]]:
    """Build the holes among main chains and CB alone: side chains around are searched afterwards."""
    holes = [a.xyz["CA"] for a, b in zip(chain, chain[1:], strict=False) if a.segment != b.segment]
    holes += [b.xyz["CA"] for a, b in zip(chain, chain[1:], strict=False) if a.segment != b.segment]
    aside: dict[int, dict[str, FloatArray]] = {}
    for residue in chain:
        near = any(float(np.linalg.norm(residue.xyz["CA"] - hole)) < BARE_WITHIN for hole in holes)
        if near and residue.name in templates() and residue.name != "PRO":
            aside[id(residue)] = dict(residue.xyz)
            residue.xyz = {name: xyz for name, xyz in residue.xyz.items() if name in MAIN_CHAIN}
    whole, changes = build_loops(
        chain, letters, max_length=LONGEST_HOLE, max_widen=3, seed=seed, excluded_kinases=excluded
    )
    given = {r.uniprot: aside[id(r)] for r in chain if id(r) in aside and r.uniprot}
    built = {c.uniprot_number for c in changes if c.kind == "loop"}
    for residue in whole:
        if residue.uniprot in given and residue.uniprot not in built:
            residue.xyz = given[residue.uniprot] | residue.xyz
    return whole, changes


def _torn(merged: Chain, spans: dict[Part, tuple[int, int]], pairs: dict[int, int]) -> set[int]:
    """Return the grafted residues beside an insertion or deletion, which are built anew with it."""
    found = set()
    for first, last in spans.values():
        for number in range(first, last):
            a, b = pairs.get(number), pairs.get(number + 1)
            if a is not None and b is not None and b != a + 1:
                found |= {number, number + 1}
            if (a is None) != (b is None):
                found.add(number if b is None else number + 1)
    return found & set(merged)


def _spliced(
    residues: list[WorkResidue], merged: Chain, spans: dict[Part, tuple[int, int]], kinase: Kinase
) -> tuple[list[WorkResidue], str]:
    """Exchange the target's residues in the spans for the grafted ones; return the chain and the sequence."""
    known = {r.uniprot: r for r in residues if r.uniprot}
    inside = {n for first, last in spans.values() for n in range(first, last + 1)}
    # Holes elsewhere are the crystal's own and stay: their letters are not told.
    letters = [letter if n in inside else "X" for n, letter in enumerate(kinase.sequence, start=1)]
    for number in inside & set(known):
        letters[number - 1] = one_letter(known[number].name)
    kept = [r for r in residues if r.uniprot not in inside]
    for number in sorted(inside):
        donor = merged.get(number)
        if donor is None:
            continue
        name, own = donor.name, known.get(number)
        if own is not None and own.name != donor.name:
            name = own.name if own.name in templates() else donor.name
        xyz = donor.xyz if name == donor.name else {a: p for a, p in donor.xyz.items() if a in ("N", "CA", "C", "O")}
        kept.append(_numbered(residues, number, name, xyz))
    order = {id(r): i for i, r in enumerate(residues)}
    anchors = [(r.uniprot, order.get(id(r), -1)) for r in kept]
    ranked = sorted(range(len(kept)), key=lambda i: _place(anchors[i], residues, order))
    return [kept[i] for i in ranked], "".join(letters)


def _place(anchor: tuple[int, int], residues: list[WorkResidue], order: dict[int, int]) -> float:
    """Return where in the target's chain a residue belongs."""
    number, index = anchor
    if index >= 0:
        return float(index)
    before = [i for i, r in enumerate(residues) if r.uniprot and r.uniprot <= number]
    last = max(before) if before else -1
    return last + 0.5 + 1e-4 * number


def _numbered(residues: list[WorkResidue], number: int, name: str, xyz: dict[str, FloatArray]) -> WorkResidue:
    """Return a residue under the author's number that it has, or would have."""
    nearest = min((r for r in residues if r.uniprot), key=lambda r: abs(r.uniprot - number))
    author = nearest.number + number - nearest.uniprot
    return WorkResidue(name, nearest.chain, "", author, number, 0, {a: np.array(p) for a, p in xyz.items()})


def _renumber_segments(chain: list[WorkResidue]) -> None:
    segment = 0
    for before, after in zip([None, *chain], chain, strict=False):
        if before is not None:
            gap = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
            segment += gap > JOIN_LIMIT + 0.35 or (before.uniprot > 0 and after.uniprot > before.uniprot + 1)
        after.segment = segment


# ------------------------------------------------------------------------------------------------------------- records


def _changes(
    chain: list[WorkResidue], template: Receptor, pieces: dict[Part, Chain], spans: dict[Part, tuple[int, int]],
    fits: dict[Part, float], rebuilt: set[int], repacked: set[int],
    turned: set[int],
) -> list[Change]:  # fmt: skip
    notes = [
        Change("model", f"{part}, residues {first}-{last} (UniProt), taken from {template.name} ({template.kinase})",
               f"laid on the rest within {fits[part]:.1f} A")
        for part, (first, last) in spans.items()
    ]  # fmt: skip
    for residue in chain:
        part = next((part for part, piece in pieces.items() if residue.uniprot in piece), None)
        if part is not None:
            side = "; side chain searched" if residue.uniprot in rebuilt else "; side chain of the template"
            what = f"main chain of {template.name}{side}"
        elif residue.uniprot in turned:
            what = "main chain turned to close the join with the graft"
        elif residue.uniprot in repacked:
            what = "side chain turned to make room for the graft"
        else:
            continue
        label = (residue.name, residue.chain, residue.number, residue.icode, residue.uniprot)
        notes.append(Change("model", what, part or "", *label))
    return notes


def _as_raw(receptor: Receptor, chain: list[WorkResidue]) -> RawStructure:
    rows = [(i, name, xyz) for i, r in enumerate(chain) for name, xyz in r.xyz.items()]
    return RawStructure(
        source=receptor.source, chain=chain[0].chain,
        atom_names=np.array([row[1] for row in rows]), elements=np.array([row[1][0] for row in rows]),
        atom_residue=np.array([row[0] for row in rows]), coordinates=np.array([row[2] for row in rows]),
        residue_names=np.array([r.name for r in chain]), insertion_codes=np.array([r.icode for r in chain]),
        author_numbers=np.array([r.number for r in chain]), hetero=(), waters=(), changes=(),
        occupancies=np.ones(len(rows)), b_factors=np.zeros(len(rows)), is_model=True,
    )  # fmt: skip


def crystal_receptor(raw: RawStructure, *, name: str, kinase: Kinase, numbers: IntArray) -> Receptor:
    """Return a chain as it was read, heavy atoms only, nothing built: a template, or a crystal to compare with."""
    return Receptor(
        name=name, kinase=kinase.gene, uniprot=kinase.uniprot, source=raw.source, modelled=raw.is_model,
        atom_names=raw.atom_names, elements=raw.elements, atom_residue=raw.atom_residue, coordinates=raw.coordinates,
        residue_names=raw.residue_names, chain_ids=raw.chain_ids, insertion_codes=raw.insertion_codes,
        author_numbers=raw.author_numbers, uniprot_numbers=numbers, segments=raw.segments,
    )  # fmt: skip


def faults(receptor: Receptor) -> list[str]:
    """Name what no minimisation repairs: bonds through rings, mirror images, atoms on top of each other."""
    chain = polymer(receptor)
    found = []
    for residue in chain:
        if "CB" in residue.xyz:
            n, ca, c, cb = (residue.xyz[a] for a in ("N", "CA", "C", "CB"))
            if float(np.cross(n - ca, c - ca) @ (cb - ca)) < 0.5:
                found.append(f"{residue.label} is not an L amino acid")
    bonds = chain_bonds(chain)
    starts, ends = (np.array([bond[side] for bond in bonds]) for side in (0, 1))
    for residue in chain:
        if count_piercings(residue_rings(residue.name, residue.xyz), starts, ends):
            found.append(f"a bond passes through the ring of {residue.label}")
    # Caps at two ends of one break may stand close; they stand for nothing.
    heavy = (receptor.elements != "H") & ~np.isin(receptor.residue_names, sorted(CAPS))[receptor.atom_residue]
    owner = receptor.atom_residue[heavy]
    for i, j in cKDTree(receptor.coordinates[heavy]).query_pairs(TOO_NEAR):
        if abs(int(owner[i]) - int(owner[j])) > 1:
            labels = [f"{receptor.residue_names[owner[k]]} {receptor.author_numbers[owner[k]]}" for k in (i, j)]
            if {str(receptor.residue_names[owner[k]]) for k in (i, j)} != {"CYS"}:
                found.append(f"{labels[0]} and {labels[1]} overlap")
    return found
