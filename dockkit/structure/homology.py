"""Two kinases side by side: which residue stands for which, and how one lies on the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import gemmi
import numpy as np

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, Kinase, Receptor
from dockkit.core.residues import BACKBONE, CAPS, templates
from dockkit.structure.repair import WorkResidue

LAID_LIMIT: Final = 2.0
"""Residues farther apart after superposing, Angstrom, do not take part in the superposition."""

MIN_LAID: Final = 8
SIMILAR_FRAMES: Final = 20

SHEET_POSITIONS: Final = (*range(1, 4), *range(10, 20), *range(31, 46))
"""Pocket positions (KLIFS, from 1) of the N-lobe's strands 1 to 5, the tip of the P-loop left out."""

HOLE_BONUS: Final = 6.0
"""What it is worth, in BLOSUM62 units, to put an insertion where the template has a hole anyway."""

Chain = dict[int, WorkResidue]


def polymer(receptor: Receptor) -> list[WorkResidue]:
    """Return the amino acids of a receptor as heavy atoms; caps, waters and ions are left out."""
    found = []
    for index in range(receptor.n_residues):
        name = str(receptor.residue_names[index])
        atoms = receptor.atom_indices(index)
        xyz = {
            str(receptor.atom_names[a]): np.array(receptor.coordinates[a]) for a in atoms if receptor.elements[a] != "H"
        }
        if name in CAPS or not {"N", "CA", "C", "O"} <= set(xyz):
            continue
        found.append(
            WorkResidue(
                name, str(receptor.chain_ids[index]), str(receptor.insertion_codes[index]),
                int(receptor.author_numbers[index]), int(receptor.uniprot_numbers[index]),
                int(receptor.segments[index]), xyz,
            )
        )  # fmt: skip
    return found


def by_uniprot(residues: list[WorkResidue]) -> Chain:
    """Return residues by UniProt number; those without one are left out."""
    return {residue.uniprot: residue for residue in residues if residue.uniprot}


def align(
    target: Kinase, template: Kinase, loops: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    present: frozenset[int] = frozenset(),
) -> dict[int, int]:  # fmt: skip
    """Give each residue of the target's domain its counterpart in the template.

    Pocket positions (KLIFS) correspond by definition; stretches of equal length between them too; the rest is aligned
    by sequence (Needleman & Wunsch, BLOSUM62).

    Parameters
    ----------
    target, template : Kinase
    loops : pair of tuple of int
        UniProt numbers of the activation loop of each, DFG Asp to APE Glu. Where their lengths differ, all that one has
        more stands in one place.
    present : frozenset of int
        Residues that the template structure has; that place is best where it lacks some anyway.

    Returns
    -------
    dict of int to int
        UniProt number of the target to that of the template.
    """
    pairs = [(a, b) for a, b in zip(target.pocket, template.pocket, strict=True) if a and b]
    if not pairs:
        return _aligned(target, template, *target.domain, *template.domain)
    first, last = pairs[0], pairs[-1]
    found = _aligned(target, template, target.domain[0], first[0] - 1, template.domain[0], first[1] - 1)
    for (a, b), (c, d) in zip(pairs, pairs[1:], strict=False):
        found[a] = b
        found |= _aligned(target, template, a + 1, c - 1, b + 1, d - 1)
    found[last[0]] = last[1]
    if not (loops[0] and loops[1] and loops[0][-1] > last[0] and loops[1][-1] > last[1]):
        return found | _aligned(target, template, last[0] + 1, target.domain[1], last[1] + 1, template.domain[1])
    ends = (last[0] + 1, loops[0][-1], last[1] + 1, loops[1][-1])
    found |= _with_one_gap(target, template, *ends, present)
    return found | _aligned(target, template, ends[1] + 1, target.domain[1], ends[3] + 1, template.domain[1])


@cache
def _similarity(one: str, other: str) -> int:
    """Return the BLOSUM62 score of two residues, by one-letter code."""
    names = [gemmi.expand_one_letter_sequence(letter, gemmi.ResidueKind.AA) for letter in (one, other)]
    return int(gemmi.align_string_sequences(names[0], names[1], [], gemmi.AlignmentScoring("b")).score)


def _with_one_gap(
    target: Kinase, template: Kinase, first: int, last: int, other_first: int, other_last: int, present: frozenset[int]
) -> dict[int, int]:
    """Align two stretches end to end with one insertion or deletion, where it costs least similarity."""
    n, m = last - first + 1, other_last - other_first + 1
    shorter = min(n, m)

    def pairs(split: int) -> list[tuple[int, int]]:
        front = [(first + i, other_first + i) for i in range(split)]
        return front + [(last - i, other_last - i) for i in range(shorter - split)]

    def worth(split: int) -> tuple[float, int]:
        similar = sum(_similarity(target.sequence[a - 1], template.sequence[b - 1]) for a, b in pairs(split))
        # Next to residues that the template lacks, the gap costs no further main chain.
        beside = {other_first + split - 1, other_first + split} - present
        return similar + (HOLE_BONUS if beside else 0.0), -abs(2 * split - shorter)

    return dict(pairs(max(range(shorter + 1), key=worth)))


def _aligned(
    target: Kinase, template: Kinase, first: int, last: int, other_first: int, other_last: int
) -> dict[int, int]:
    """Align two stretches end to end."""
    n, m = last - first + 1, other_last - other_first + 1
    if n <= 0 or m <= 0:
        return {}
    if n == m and n < SIMILAR_FRAMES:
        return {first + i: other_first + i for i in range(n)}
    sequences = (target.sequence[first - 1 : last], template.sequence[other_first - 1 : other_last])
    names = [gemmi.expand_one_letter_sequence(text, gemmi.ResidueKind.AA) for text in sequences]
    result = gemmi.align_string_sequences(names[0], names[1], [], gemmi.AlignmentScoring("b"))
    gapped = [result.add_gaps(text, which + 1) for which, text in enumerate(sequences)]
    found, i, j = {}, first, other_first
    for a, b in zip(*gapped, strict=True):
        if a != "-" and b != "-":
            found[i] = j
        i, j = i + (a != "-"), j + (b != "-")
    return found


def as_target(template: Chain, pairs: Mapping[int, int], target: Kinase) -> Chain:
    """Return the template's residues under the target's numbers, with its side chains where they are alike.

    Atoms are kept where the amino acid is the same; where it differs the main chain, CB and those side-chain atoms that
    both have in the same place.
    """
    found = {}
    for number, other in pairs.items():
        residue = template.get(other)
        name = _three(target.sequence[number - 1])
        if residue is None or not name:
            continue
        kept = {atom: xyz for atom, xyz in residue.xyz.items() if atom in shared_atoms(residue.name, name)}
        found[number] = WorkResidue(name, residue.chain, "", number, number, residue.segment, kept)
    return found


def _three(letter: str) -> str:
    return next((name for name, template in templates().items() if template.letter == letter), "")


_STRAIGHT: Final = frozenset({"ARG", "LYS", "GLU", "GLN", "MET"})
_ALIKE: Final = (frozenset({"PHE", "TYR"}), frozenset({"ASP", "ASN"}), frozenset({"GLU", "GLN"}))
_GAMMA: Final = _STRAIGHT | {"PHE", "TYR", "TRP", "HIS", "LEU", "ASP", "ASN"}


def shared_atoms(one: str, other: str) -> frozenset[str]:
    """Return the heavy atoms of ``other`` that ``one`` has in the same place along the same chi angles."""
    wanted = frozenset(str(atom) for atom in templates()[other].heavy)
    if one == other:
        return wanted
    kept = {"N", "CA", "C", "O"}
    if "GLY" not in (one, other):
        kept.add("CB")
    if "PRO" in (one, other):
        return frozenset(kept) & wanted
    if one in _GAMMA and other in _GAMMA:
        kept.add("CG")
    if one in _STRAIGHT - {"MET"} and other in _STRAIGHT - {"MET"}:
        kept.add("CD")
    if any({one, other} <= pair for pair in _ALIKE):
        mine = frozenset(str(atom) for atom in templates()[one].heavy) if one in templates() else frozenset()
        # The ends of amides and acids differ in element, not in place.
        return frozenset(kept | (mine & wanted))
    return frozenset(kept) & wanted


def alpha_carbons(chain: Chain, numbers: list[int]) -> FloatArray:
    """Return C-alpha positions, (n, 3) float, Angstrom."""
    return np.array([chain[number].xyz["CA"] for number in numbers], dtype=np.float64).reshape(-1, 3)


def lay(mobile: Chain, target: Chain, numbers: list[int]) -> tuple[Chain, list[int], float]:
    """Superpose a chain on another by C-alpha atoms, those that do not agree left out step by step.

    Parameters
    ----------
    mobile, target : Chain
        Under the same numbers.
    numbers : list of int
        Residues to try; those that both have are used.

    Returns
    -------
    laid : Chain
    used : list of int
        Residues that agree within 2 A.
    rmsd : float
        Of those, Angstrom; infinite where fewer than eight are left, and then nothing moves.
    """
    shared = [n for n in numbers if n in mobile and n in target]
    for _ in range(20):
        if len(shared) < MIN_LAID:
            return mobile, [], float("inf")
        p, q = alpha_carbons(mobile, shared), alpha_carbons(target, shared)
        rotation, shift = superposition(p, q)
        apart = np.linalg.norm(p @ rotation + shift - q, axis=1)
        # Loosen at first: the worst tenth goes until all agree.
        limit = max(LAID_LIMIT, float(np.quantile(apart, 0.9)) - 1e-9)
        if apart.max() <= LAID_LIMIT:
            break
        shared = [n for n, distance in zip(shared, apart, strict=True) if distance < limit]
    laid = {
        n: WorkResidue(
            r.name, r.chain, r.icode, r.number, r.uniprot, r.segment,
            {name: xyz @ rotation + shift for name, xyz in r.xyz.items()},
        )
        for n, r in mobile.items()
    }  # fmt: skip
    return laid, shared, float(np.sqrt((apart**2).mean()))


def sheet(kinase: Kinase) -> list[int]:
    """Return the residues of the N-lobe's sheet."""
    return [kinase.pocket[position - 1] for position in SHEET_POSITIONS if kinase.pocket[position - 1]]


def lower_lobe(kinase: Kinase, loop: tuple[int, ...]) -> list[int]:
    """Return the residues of the C-lobe from the hinge on, without the activation loop ``loop``."""
    start = kinase.hinge_middle or kinase.pocket[47]
    left_out = set(range(min(loop) - 3, max(loop) + 1)) if loop else set()
    return [n for n in range(start, kinase.domain[1] + 1) if n not in left_out]


__all__ = [
    "BACKBONE", "Chain", "align", "alpha_carbons", "as_target", "by_uniprot", "lay", "lower_lobe", "polymer", "sheet",
]  # fmt: skip
