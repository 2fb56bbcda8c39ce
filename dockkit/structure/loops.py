"""Short missing stretches inside a chain: found, built, checked, or left as a capped break with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dockkit.core.geometry import dihedral
from dockkit.core.model import Change, FloatArray
from dockkit.core.residues import one_letter, residue_templates, templates, three_letter
from dockkit.core.rings import count_piercings, residue_rings
from dockkit.structure.fragments import fragment_library
from dockkit.structure.loop_search import FLANKS, Candidates, Gap, search, surroundings
from dockkit.structure.repair import WorkResidue, add_side_chain, clash, heavy_cloud

MAX_LENGTH: Final = 12
"""Longest stretch that is built where a bundled structure has it, with flanks that fit within ``TRUSTED``."""

MAX_DRAWN: Final = 5
"""Longest that is built where none has it: beyond, the error measured on crystal loops is mostly above 2 A."""

TRUSTED: Final = 1.0
"""Flanks of a fragment that fit this well, Angstrom, mean that the fragment is the homologous stretch."""

TURNED: Final = 0.5
"""An oxygen that moves further than this is stated, Angstrom."""

TRUSTED_ERROR: Final = {1: (0.1, 0.2), 3: (0.3, 0.9), 5: (0.6, 1.1), 7: (0.8, 2.0), 9: (0.9, 2.0), 11: (1.2, 4.4)}
DRAWN_ERROR: Final = {1: (0.2, 0.4), 3: (0.6, 1.8), 5: (1.3, 5.0)}
"""Median and 90th percentile of the backbone RMSD by length (from), Angstrom: ``benchmarks/loops.py``, the kinase's own
structures excluded; with a fragment to trust, and without."""

N_DRESSED: Final = 6
"""Candidates that get side chains."""

DRESSED_WEIGHT: Final = 0.3
MAIN_CHAIN_LIMIT: Final = 2.45
SIDE_CHAIN_LIMIT: Final = 1.9
"""Built main-chain and side-chain atoms nearer to another residue, Angstrom, make a candidate fail."""

REACH_PER_RESIDUE: Final = 3.8


@dataclass(frozen=True, slots=True)
class _Break:
    """A break of the chain after residue ``index``: what is absent there, as far as it is known."""

    index: int
    letters: str
    numbers: tuple[int, ...]
    uniprots: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Model:
    residues: list[WorkResidue]
    oxygen: FloatArray
    origin: str
    context: float
    score: float
    problem: str


def _is_peptide(residue: WorkResidue) -> bool:
    return {"N", "CA", "C"} <= set(residue.xyz)


def _breaks(residues: list[WorkResidue], sequence: str, seqres: tuple[str, ...]) -> list[_Break]:
    """Find the breaks and what is missing at each."""
    deposited = _deposited(residues, seqres)
    found = []
    for index, (before, after) in enumerate(zip(residues, residues[1:], strict=False)):
        joins = _is_peptide(before) and _is_peptide(after) and before.chain == after.chain
        if joins and before.segment != after.segment:
            found.append(_describe(index, before, after, sequence, deposited.get(index)))
    return found


def _deposited(residues: list[WorkResidue], seqres: tuple[str, ...]) -> dict[int, str]:
    """Lay the segments on the deposited sequence; return the letters between two segments by the index before."""
    whole = "".join(one_letter(name) for name in seqres)
    segments: list[list[int]] = []
    for index, residue in enumerate(residues):
        if not _is_peptide(residue):
            continue
        if segments and residues[segments[-1][-1]].segment == residue.segment:
            segments[-1].append(index)
        else:
            segments.append([index])
    found: dict[int, str] = {}
    end, last = -1, -1
    for members in segments:
        letters = "".join(one_letter(residues[i].name) for i in members)
        start = whole.find(letters, max(end, 0))
        if start < 0:
            return {}
        if last >= 0:
            expected = end + residues[members[0]].number - residues[last].number - 1
            if expected >= end and whole.startswith(letters, expected):
                start = expected
            found[last] = whole[end:start]
        end, last = start + len(letters), members[-1]
    return found


def _describe(index: int, before: WorkResidue, after: WorkResidue, sequence: str, deposited: str | None) -> _Break:
    a, b = before.uniprot, after.uniprot
    natural = sequence[a : b - 1] if 0 < a < b <= len(sequence) else None
    letters = deposited if deposited is not None else natural
    if letters is None:
        return _Break(index, "", (), (), "the sequence of the missing part is not known")
    n = len(letters)
    if not n:
        return _Break(index, "", (), (), "no residue is missing by number, yet no peptide bond can join the two")
    if "X" in letters:
        return _Break(index, "", (), (), "the missing part holds residues of unknown kind")
    split, uniprots = _uniprot_numbers(letters, natural, a, b)
    front = [before.number + 1 + i for i in range(split)]
    numbers = (*front, *(after.number - n + i for i in range(split, n)))
    if any(y <= x for x, y in zip((before.number, *numbers), (*numbers, after.number), strict=True)):
        return _Break(index, letters, (), uniprots, "the author's numbers leave no room for it")
    return _Break(index, letters, numbers, uniprots)


def _uniprot_numbers(letters: str, natural: str | None, a: int, b: int) -> tuple[int, tuple[int, ...]]:
    """Give the missing letters between UniProt residues ``a`` and ``b`` their numbers.

    A construct may lack part of the natural stretch: its letters then continue from one side and end on the other.

    Returns
    -------
    split : int
        Letters before it are counted from ``a``, the rest back from ``b``.
    uniprots : tuple of int
        0 where the letters are not the natural ones.
    """
    n = len(letters)
    if natural is not None and len(natural) >= n:
        for split in range(n, -1, -1):
            if natural.startswith(letters[:split]) and natural.endswith(letters[split:]):
                return split, (*range(a + 1, a + 1 + split), *range(b - n + split, b))
    return n, (0,) * n


def _environment(
    residues: list[WorkResidue], skip: set[int], others: FloatArray
) -> tuple[FloatArray, list[tuple[int, str]]]:
    rows = [
        (index, name, xyz)
        for index, residue in enumerate(residues)
        if index not in skip
        for name, xyz in residue.xyz.items()
        if not name.startswith("H")
    ]
    keys = [(index, name) for index, name, _ in rows] + [(-1, "C")] * len(others)
    points = np.array([xyz for *_, xyz in rows], dtype=np.float64).reshape(-1, 3)
    return np.concatenate([points, others.reshape(-1, 3)]), keys


def _gap(residues: list[WorkResidue], first: int, last: int, letters: str) -> Gap:
    """Describe the gap between residues ``first`` and ``last``, with the flanks that both sides have."""
    width = 1
    while width < FLANKS:
        a, b = first - width, last + width
        if a < 0 or b >= len(residues) or residues[a].segment != residues[first].segment:
            break
        if residues[b].segment != residues[last].segment or not (_is_peptide(residues[a]) and _is_peptide(residues[b])):
            break
        width += 1

    def chain(indices: range) -> FloatArray:
        return np.array([[residues[i].xyz[name] for name in ("N", "CA", "C")] for i in indices])

    before, after = chain(range(first - width + 1, first + 1)), chain(range(last, last + width))
    phi = dihedral(before[-2, 2], before[-1, 0], before[-1, 1], before[-1, 2]) if width > 1 else np.nan
    psi = dihedral(after[0, 0], after[0, 1], after[0, 2], after[1, 0]) if width > 1 else np.nan
    return Gap(
        letters,
        before,
        after,
        float(phi),
        float(psi),
        one_letter(residues[first].name),
        one_letter(residues[last].name),
    )


def _candidates(
    residues: list[WorkResidue], first: int, last: int, letters: str, others: FloatArray, seed: int,
    excluded: NDArray[np.bool_] | None,
) -> Candidates:  # fmt: skip
    gap = _gap(residues, first, last, letters)
    points, keys = _environment(residues, set(range(first + 1, last)), others)
    keep = np.array([key != (first, "O") for key in keys])
    ends = 0.5 * (gap.before[-1, 1] + gap.after[0, 1])
    keep &= np.linalg.norm(points - ends, axis=1) < 12.0 + 0.5 * REACH_PER_RESIDUE * (gap.n + 1)
    main = ("N", "CA", "C", "O", "CB")
    skips = [np.array([i == end and name in main for i, name in keys]) for end in (first, last)]
    names = np.array([name for _, name in keys])
    elements = np.array([name[0] for _, name in keys])
    around = surroundings(points[keep], names[keep], elements[keep], skips[0][keep], skips[1][keep])
    return search(gap, around, np.random.default_rng([seed, residues[first].number & 0xFFFF, gap.n]), excluded)


def _dress(
    residues: list[WorkResidue], first: int, last: int, hole: _Break, found: Candidates, row: int, others: FloatArray,
    kept: list[WorkResidue],
) -> _Model:  # fmt: skip
    """Give one candidate its residues with side chains, and check it."""
    head, tail = residues[first], residues[last]
    rest, _ = _environment(residues, set(range(first + 1, last)), others)
    built: list[WorkResidue] = []
    shells = _shells(head, tail, hole, kept)
    for i, shell in enumerate(shells):
        xyz = dict(zip(("N", "CA", "C"), found.backbone[row, i], strict=True)) | {"O": found.oxygens[row, i + 1]}
        built.append(replace(shell, segment=head.segment, xyz=xyz))
    overlap = 0.0
    for residue in built:
        if len(residue.xyz) == len(templates()[residue.name].heavy):
            continue
        cloud = np.concatenate([rest, heavy_cloud([r for r in built if r is not residue])])
        add_side_chain(residue, cloud)
        side = np.array([xyz for name, xyz in residue.xyz.items() if name not in ("N", "CA", "C", "O")])
        overlap += clash(side[1:], cloud) if len(side) > 1 else 0.0
    origin = int(found.origins[row])
    library = fragment_library()
    source = "torsions drawn from those of the bundled structures"
    if origin >= 0:
        numbers = library.numbers[[origin, origin + len(built) - 1]]
        fit = float(found.contexts[row])
        source = f"from {library.entries[origin]} {numbers[0]}-{numbers[1]}, whose flanks fit within {fit:.1f} A"
    problem = _problem(residues, first, last, built, rest)
    score = float(found.scores[row]) + DRESSED_WEIGHT * overlap
    context = float(found.contexts[row]) if origin >= 0 else np.inf
    return _Model(built, found.oxygens[row, 0], source, context, score, problem)


def _shells(head: WorkResidue, tail: WorkResidue, hole: _Break, kept: list[WorkResidue]) -> list[WorkResidue]:
    """Return the residues to build, without atoms: those missing, between those opened on either side."""
    missing = [
        WorkResidue(three_letter(letter), head.chain, "", number, uniprot, head.segment, {})
        for letter, number, uniprot in zip(hole.letters, hole.numbers, hole.uniprots, strict=True)
    ]
    opened = [replace(residue, xyz={}) for residue in kept]
    middle = len(opened) // 2
    return [*opened[:middle], *missing, *opened[middle:]]


def _problem(residues: list[WorkResidue], first: int, last: int, built: list[WorkResidue], rest: FloatArray) -> str:
    """Say what is wrong with a built stretch, or nothing."""
    _, keys = _environment(residues, set(range(first + 1, last)), np.zeros((0, 3)))
    # Across one residue a carbonyl and a nitrogen stand at 2.4 A in any chain: neighbours' neighbours do not count.
    joints = np.array([first - 1 <= i <= last + 1 for i, _ in keys] + [False] * (len(rest) - len(keys)))
    tree = cKDTree(rest[~joints])
    for i, residue in enumerate(built):
        for name, xyz in residue.xyz.items():
            limit = MAIN_CHAIN_LIMIT if name in ("N", "CA", "C", "O") else SIDE_CHAIN_LIMIT
            nearest = float(tree.query(xyz)[0])
            for other in built[: max(0, i - 2)]:
                nearest = min(nearest, *(float(np.linalg.norm(xyz - point)) for point in other.xyz.values()))
            if nearest < limit:
                return f"{residue.label} {name} stands {nearest:.1f} A from another residue"
    if _threaded(residues, first, last, built):
        return "a bond passes through a ring"
    return ""


def chain_bonds(chain: list[WorkResidue]) -> list[tuple[FloatArray, FloatArray]]:
    """Return the ends of every bond inside and between residues of a chain."""
    found = []
    for residue in chain:
        template = residue_templates().get(residue.name)
        inside = template.bonds if template else ()
        found += [(residue.xyz[a], residue.xyz[b]) for a, b in inside if a in residue.xyz and b in residue.xyz]
    for before, after in zip(chain, chain[1:], strict=False):
        if before.segment == after.segment and _is_peptide(before) and _is_peptide(after):
            found.append((before.xyz["C"], after.xyz["N"]))
    return found


def _threaded(residues: list[WorkResidue], first: int, last: int, built: list[WorkResidue]) -> bool:
    middle = np.mean([residue.xyz["CA"] for residue in built], axis=0)
    far = 15.0 + REACH_PER_RESIDUE * len(built)
    near = [
        r for i, r in enumerate(residues)
        if not first < i < last and "CA" in r.xyz and float(np.linalg.norm(r.xyz["CA"] - middle)) < far
    ]  # fmt: skip
    new = chain_bonds([residues[first], *built, replace(residues[last], segment=built[0].segment)])
    old = chain_bonds(near)
    own = [ring for residue in built for ring in residue_rings(residue.name, residue.xyz)]
    theirs = [ring for residue in near for ring in residue_rings(residue.name, residue.xyz)]
    starts, ends = (np.array([bond[side] for bond in new]) for side in (0, 1))
    old_starts, old_ends = (np.array([bond[side] for bond in old]) for side in (0, 1))
    return bool(count_piercings([*theirs, *own], starts, ends) or (own and count_piercings(own, old_starts, old_ends)))


def _attempt(
    residues: list[WorkResidue], hole: _Break, widen: int, others: FloatArray, seed: int,
    excluded: NDArray[np.bool_] | None, max_drawn: int,
) -> tuple[_Model | None, str]:  # fmt: skip
    """Build the missing part with ``widen`` residues opened on either side; return the best or the reason why not."""
    first, last = hole.index - widen, hole.index + 1 + widen
    if first < 0 or last >= len(residues):
        return None, "the chain ends beside it"
    inner = residues[hole.index - widen + 1 : hole.index + 1], residues[hole.index + 1 : last]
    kept = [*inner[0], *inner[1]]
    flanks = (residues[first], *kept, residues[last])
    if any(not _is_peptide(r) for r in flanks) or any(r.name not in templates() for r in kept):
        return None, "a neighbour is not a standard residue"
    if len({r.segment for r in flanks}) > 2:
        return None, "another break lies beside it"
    letters = (
        "".join(one_letter(r.name) for r in inner[0]) + hole.letters + "".join(one_letter(r.name) for r in inner[1])
    )
    found = _candidates(residues, first, last, letters, others, seed, excluded)
    if not len(found.scores):
        return None, f"the ends are too far apart, or stand wrongly, for {len(letters)} residues"
    models = [
        _dress(residues, first, last, hole, found, row, others, kept)
        for row in range(min(N_DRESSED, len(found.scores)))
    ]
    good = [model for model in models if not model.problem]
    if not good:
        return None, f"no candidate fits: {models[0].problem}"
    if len(hole.letters) > max_drawn:
        good = [model for model in good if model.context <= TRUSTED]
        if not good:
            return None, f"no bundled structure has this stretch, and it is longer than {max_drawn} residues"
    return min(good, key=lambda model: model.score), ""


def _changes(model: _Model, hole: _Break, widen: int) -> list[Change]:
    span = f"{hole.numbers[0]}-{hole.numbers[-1]}" if len(hole.numbers) > 1 else f"{hole.numbers[0]}"
    median, bad = _expected(len(model.residues), model.context)
    why = f"{model.origin}; expected backbone error {median:.1f} A, one in ten above {bad:.1f} A"
    changes = []
    for residue in model.residues:
        fresh = residue.number in hole.numbers
        what = f"missing residue built, part of {span}" if fresh else f"rebuilt to close the missing {span} beside it"
        changes.append(
            Change("loop", what, why, residue.name, residue.chain, residue.number, residue.icode, residue.uniprot)
        )
    return changes


def _expected(length: int, context: float) -> tuple[float, float]:
    """Return median and 90th percentile of the error of such loops, Angstrom."""
    table = TRUSTED_ERROR if context <= TRUSTED else DRAWN_ERROR
    return table[max(start for start in table if start <= length)]


def _left(residues: list[WorkResidue], hole: _Break, reason: str) -> Change:
    before, after = residues[hole.index], residues[hole.index + 1]
    gap = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
    absent = f"{len(hole.letters)} residues absent" if hole.letters else "chain broken"
    what = f"{absent} up to {after.label} (C-N {gap:.1f} A); both ends capped, nothing built"
    return Change("break", what, reason, before.name, before.chain, before.number, before.icode, before.uniprot)


def build_loops(
    residues: list[WorkResidue], sequence: str, *, seqres: tuple[str, ...] = (), others: FloatArray | None = None,
    max_length: int = MAX_LENGTH, max_drawn: int = MAX_DRAWN, max_widen: int = 1, seed: int = 0,
    excluded_kinases: frozenset[str] = frozenset(),
) -> tuple[list[WorkResidue], list[Change]]:  # fmt: skip
    """Build the short stretches that are missing inside a chain.

    Candidates come from fragments of the bundled crystal structures whose flanks fit the ends of the gap (in a kinase
    mostly the homologous stretch of another kinase), and from torsions drawn from those structures. All are closed
    exactly, scored and refined; the best few get side chains, and the best of those that pass the checks (planar
    peptides, bond angles, no clash, no bond through a ring) is kept. Where none does, one residue on either side is
    opened as well.

    Parameters
    ----------
    residues : list of WorkResidue
        One chain in order, side chains of the residues present complete; the segment rises at each break.
    sequence : str
        UniProt sequence of the kinase, one-letter; empty where unknown.
    seqres : tuple of str
        Deposited sequence, three-letter names. Where it fits the chain it decides what is missing: a construct may lack
        what the natural sequence has.
    others : (n, 3) float, optional
        Heavy atoms that are not in ``residues`` (ligands, partner chains), to be kept clear of.
    max_length : int
        Longest stretch to build; 0 for none.
    max_drawn : int
        Longest to build where no bundled structure has the stretch.
    max_widen : int
        Residues that may be opened on either side where the gap alone cannot be closed.
    seed : int
    excluded_kinases : frozenset of str
        UniProt accessions whose bundled structures are not used (for measuring).

    Returns
    -------
    residues : list of WorkResidue
        Residues given are the same objects, save flanking ones whose O moved or that were rebuilt; segments renumbered.
    changes : list of Change
        ``loop`` for each residue built, ``break`` for each break left.
    """
    away = np.zeros((0, 3)) if others is None else np.asarray(others, dtype=np.float64).reshape(-1, 3)
    chain, changes = [replace(residue) for residue in residues], []
    excluded = None
    if excluded_kinases:
        excluded = np.isin(fragment_library().kinases, sorted(excluded_kinases))
    # From the end backwards, so that indices of the breaks before stay right; short ones first would need bookkeeping.
    for hole in reversed(_breaks(chain, sequence, seqres)):
        reason = hole.reason
        if not reason and len(hole.letters) > max_length:
            reason = f"longer than the {max_length} residues that can be built well"
        model, widen = None, 0
        while not reason and model is None and widen <= max_widen:
            model, problem = _attempt(chain, hole, widen, away, seed, excluded, max_drawn)
            widen += model is None
            if widen > max_widen:
                reason = problem
        if model is None:
            changes.append([_left(chain, hole, reason)])
            continue
        changes.append(_turned(chain[hole.index - widen], model) + _changes(model, hole, widen))
        chain = _insert(chain, hole, widen, model)
    return chain, [change for group in reversed(changes) for change in group]


def _turned(before: WorkResidue, model: _Model) -> list[Change]:
    """State that the oxygen before a stretch follows it, where that moves it visibly."""
    shift = float(np.linalg.norm(model.oxygen - before.xyz["O"])) if "O" in before.xyz else 0.0
    if shift < TURNED:
        return []
    what, why = "carbonyl oxygen turned with the stretch built after it", f"by {shift:.1f} A"
    return [
        Change("loop", what, why, before.name, before.chain, before.number, before.icode, before.uniprot)
    ]  # fmt: skip


def _insert(chain: list[WorkResidue], hole: _Break, widen: int, model: _Model) -> list[WorkResidue]:
    first, last = hole.index - widen, hole.index + 1 + widen
    head = replace(chain[first], xyz=chain[first].xyz | {"O": model.oxygen})
    drop = chain[last].segment - chain[first].segment
    rest = [replace(residue, segment=residue.segment - drop) for residue in chain[last:]]
    return [*chain[:first], head, *model.residues, *rest]
