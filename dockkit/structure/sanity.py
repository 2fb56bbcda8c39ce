"""Coordinates that cannot be: impossible bonds and angles, residues on top of each other, mirror images.

The limits are far outside of what any refined structure shows, so that poor geometry passes and damage does not.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.errors import StructureError
from dockkit.core.model import Change
from dockkit.core.residues import parent_name, templates
from dockkit.structure.chains import MIN_CHAIN_RESIDUES, ResidueAtoms, joined

BOND_DEVIATION: Final = 0.3
"""Bonds of an amino acid differ by less from their ideal lengths, Angstrom (0.24 at most in 130 kinase files)."""

ANGLE_DEVIATION: Final = 0.42
"""The same for distances between atoms two bonds apart (0.31 at most in the same files)."""

PEPTIDE_LIMITS: Final = {("O", "N"): (1.65, 2.65), ("CA", "N"): (2.0, 3.0), ("C", "CA"): (2.0, 3.0)}
"""Distances between an atom of a residue and one of the next, where a peptide bond joins them (1.78 to 2.83)."""

MEAN_STRETCH: Final = 0.03
"""The mean ratio of bond lengths to ideal ones differs by less from 1 (by 0.013 at most in the same files)."""

CONTACT_LIMIT: Final = 1.0
"""Atoms of different residues are not nearer than this, Angstrom."""

MIN_AGREEMENT: Final = 0.6
"""A stretch of residues is at its place in the crystallised sequence where this fraction of the names agree."""

MAX_DAMAGED: Final = 0.2
"""A chain with more than this fraction of damaged residues is refused."""

Pair = tuple[str, str, float]
"""Two atoms of an amino acid and a distance, Angstrom."""


@cache
def _pairs(name: str) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Return the heavy-atom bonds of an amino acid and its pairs of atoms two bonds apart, with ideal distances."""
    template = templates()[name]
    at = {
        str(a): xyz
        for a, xyz, e in zip(template.atoms, template.coordinates, template.elements, strict=True)
        if e != "H"
    }
    bonds = {(a, b) for a, b in template.bonds if a in at and b in at}
    near: dict[str, set[str]] = {}
    for a, b in bonds:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    angles = {(a, b) for centre in near.values() for a in centre for b in centre if a < b and b not in near[a]}

    def measured(pairs: set[tuple[str, str]]) -> tuple[Pair, ...]:
        return tuple((a, b, float(np.linalg.norm(at[a] - at[b]))) for a, b in sorted(pairs))

    return measured(bonds), measured(angles)


def _wrong(residue: ResidueAtoms, pairs: tuple[Pair, ...], limit: float) -> list[Pair]:
    at = dict(zip(residue.names, residue.xyz, strict=True))
    found = []
    for a, b, ideal in pairs:
        if a in at and b in at:
            gap = math.dist(at[a], at[b])
            if not abs(gap - ideal) <= limit:
                found.append((a, b, gap))
    return found


def _depths(name: str, cut: set[frozenset[str]]) -> dict[str, int]:
    """Return how many bonds each atom of an amino acid lies from CA where some bonds do not hold."""
    near: dict[str, list[str]] = {}
    for a, b, _ in _pairs(name)[0]:
        if frozenset((a, b)) not in cut:
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
    depths, edge = {"CA": 0}, ["CA"]
    while edge:
        edge = [b for a in edge for b in near.get(a, []) if b not in depths and not depths.update({b: depths[a] + 1})]
    return depths


def _misplaced(name: str, bonds: list[Pair], angles: list[Pair]) -> set[str]:
    """Return the atoms that cannot be trusted: those beyond an impossible bond, or at the far end of an angle."""
    heavy = {str(atom) for atom in templates()[name].heavy}
    cut = {frozenset((a, b)) for a, b, _ in bonds}
    depths = _depths(name, cut)
    lost = heavy - depths.keys()
    for a, b, _ in angles:
        if a not in lost and b not in lost:
            lost.add(max((a, b), key=lambda atom: (depths[atom], atom not in ("N", "C"), atom)))
    full = _depths(name, set())
    children = {
        a: {b for x, y, _ in _pairs(name)[0] for b in (x, y) if a in (x, y) and full[b] > full[a]} for a in heavy
    }
    pending = [atom for atom in lost if atom not in ("N", "CA", "C", "O")]
    while pending:
        for child in children[pending.pop()] - lost:
            lost.add(child)
            pending.append(child)
    return lost


def check_geometry(residues: list[ResidueAtoms], chain: str, path: Path) -> list[Change]:
    """Take out atoms whose place is impossible, and refuse a chain that is damaged throughout.

    Parameters
    ----------
    residues : list of ResidueAtoms
        Changed in place; preparation builds what was taken out of a side chain anew.
    chain : str
    path : Path
        For messages.

    Returns
    -------
    list of Change

    Raises
    ------
    StructureError
        More than ``MAX_DAMAGED`` of the residues have impossible bonds or lie on others, most neighbours are not
        joined, or the chain is a mirror image.
    """
    label = chain or "(blank)"
    changes: list[Change] = []
    first = ""
    for residue in residues:
        name = parent_name(residue.name)
        if not name:
            continue
        bonds, angles = _pairs(name)
        long, bent = _wrong(residue, bonds, BOND_DEVIATION), _wrong(residue, angles, ANGLE_DEVIATION)
        if long or bent:
            a, b, gap = (long or bent)[0]
            apart = f"{gap:.1f} A" if gap < 1000 else "more than 1000 A"
            lost = _misplaced(name, long, bent)
            which = [atom for atom in residue.names if atom in lost]
            if which:
                why = f"{a} and {b} are {apart} apart"
                changes.append(
                    residue.changed(chain, "removed", f"impossible positions left out: {' '.join(which)}", why)
                )
                first = first or f"{residue.name} {residue.number}: {why}"
                _take_out(residue, lost)
    changes += _peptides(residues, chain)
    _refuse_if_many(
        len({change.label for change in changes}), len(residues), f"{path}: chain {label}: impossible bonds", first
    )
    _check_scale(residues, f"{path}: chain {label}")
    changes += _overlaps(residues, chain, path) + _inverted(residues, chain, path)
    flags = joined(residues)
    if len(residues) >= MIN_CHAIN_RESIDUES and sum(flags) < len(flags) / 2:
        raise StructureError(
            f"{path}: chain {label}: only {sum(flags)} of {len(flags)} neighbouring residues are joined by a peptide "
            "bond; the records are mixed up or the coordinates damaged, fetch the file again"
        )
    return changes


def _peptides(residues: list[ResidueAtoms], chain: str) -> list[Change]:
    """Check the angles at peptide bonds; an oxygen out of place is taken out."""
    changes = []
    for before, after, bond in zip(residues, residues[1:], joined(residues), strict=False):
        for (a, b), (low, high) in PEPTIDE_LIMITS.items():
            here, there = before.at(a), after.at(b)
            if bond and here is not None and there is not None:
                gap = float(np.linalg.norm(here - there))
                if not low <= gap <= high:
                    why = f"{a} and {b} of {after.name} {after.number}{after.icode} are {gap:.1f} A apart"
                    if a == "O":
                        changes.append(before.changed(chain, "removed", "impossible position left out: O", why))
                        _take_out(before, {"O"})
                    else:
                        changes.append(before.changed(chain, "atoms", "impossible peptide angle, kept", why))
    return changes


def _check_scale(residues: list[ResidueAtoms], where: str) -> None:
    """Refuse coordinates that are stretched along an axis or in another unit."""
    ratios = []
    for residue in residues:
        at = dict(zip(residue.names, residue.xyz, strict=True))
        for a, b, length in _pairs(parent_name(residue.name))[0] if parent_name(residue.name) else ():
            if a in at and b in at:
                ratios.append(math.dist(at[a], at[b]) / length)
    if len(ratios) > 100 and abs(float(np.mean(ratios)) - 1) > MEAN_STRETCH:
        raise StructureError(
            f"{where}: bonds are {float(np.mean(ratios)):.2f} times as long as they should be on average; the "
            "coordinates are stretched or not in Angstrom"
        )


def _take_out(residue: ResidueAtoms, lost: set[str]) -> None:
    keep = [i for i, name in enumerate(residue.names) if name not in lost]
    residue.names = [residue.names[i] for i in keep]
    residue.elements = [residue.elements[i] for i in keep]
    residue.xyz = [residue.xyz[i] for i in keep]
    residue.occupancy = [residue.occupancy[i] for i in keep]
    residue.b_factor = [residue.b_factor[i] for i in keep]


def _refuse_if_many(count: int, total: int, what: str, example: str) -> None:
    if count > max(3, MAX_DAMAGED * total):
        raise StructureError(
            f"{what} in {count} of {total} residues ({example}); the coordinates or their columns are damaged, or "
            "not in Angstrom"
        )


def check_sequence(residues: list[ResidueAtoms], chain: str, seqres: tuple[str, ...]) -> list[Change]:
    """Return a Change for each residue whose name is not the one that the crystallised sequence has at its place.

    Each stretch of joined residues is laid on the sequence without gaps, after the one before; a stretch that fits
    nowhere (a shifted register, another molecule's sequence) is passed over.

    Parameters
    ----------
    residues : list of ResidueAtoms
    chain : str
    seqres : tuple of str
        Three-letter names, empty where unknown.
    """
    whole = [parent_name(name) or name for name in seqres]
    names = [parent_name(residue.name) or residue.name for residue in residues]
    breaks = [0, *(i + 1 for i, bond in enumerate(joined(residues)) if not bond), len(residues)]
    changes: list[Change] = []
    begin = 0
    for start, stop in zip(breaks, breaks[1:], strict=False):
        length = stop - start
        best, score = -1, 0
        for place in range(begin, len(whole) - length + 1):
            same = sum(a == b for a, b in zip(names[start:stop], whole[place : place + length], strict=True))
            if same > score:
                best, score = place, same
        if best < 0 or score < MIN_AGREEMENT * length:
            continue
        for residue, own, other in zip(
            residues[start:stop], names[start:stop], whole[best : best + length], strict=True
        ):
            if own != other:
                changes.append(
                    residue.changed(chain, "modified", f"the crystallised sequence has {other} here", "kept as named")
                )
        begin = best + length
    return changes


def _overlaps(residues: list[ResidueAtoms], chain: str, path: Path) -> list[Change]:
    owner = np.array([i for i, residue in enumerate(residues) for _ in residue.names])
    names = [name for residue in residues for name in residue.names]
    xyz = np.array([point for residue in residues for point in residue.xyz], dtype=np.float64).reshape(-1, 3)
    found: dict[int, str] = {}
    gaps, others = cKDTree(xyz).query(xyz, k=range(2, 6), distance_upper_bound=CONTACT_LIMIT)
    for atom, column in np.argwhere(np.isfinite(gaps)):
        other = int(others[atom, column])
        if owner[other] < owner[atom]:
            before = residues[owner[other]]
            where = f"{before.name} {before.number}{before.icode} {names[other]}"
            found.setdefault(int(owner[atom]), f"{names[atom]} lies {gaps[atom, column]:.1f} A from {where}")
    if found:
        index, where = next(iter(found.items()))
        what = f"{path}: chain {chain or '(blank)'}: atoms on top of others"
        _refuse_if_many(len(found), len(residues), what, f"{residues[index].name} {residues[index].number}: {where}")
    return [residues[i].changed(chain, "atoms", "overlaps another residue", where) for i, where in found.items()]


def _inverted(residues: list[ResidueAtoms], chain: str, path: Path) -> list[Change]:
    volumes: list[tuple[ResidueAtoms, float]] = []
    for residue in residues:
        n, ca, c, cb = (residue.at(name) for name in ("N", "CA", "C", "CB"))
        if n is not None and ca is not None and c is not None and cb is not None:
            volumes.append((residue, float(np.dot(np.cross(n - ca, c - ca), cb - ca))))
    wrong = [residue for residue, volume in volumes if volume < -0.5]
    if len(wrong) > max(3, len(volumes) / 2):
        raise StructureError(
            f"{path}: chain {chain or '(blank)'}: {len(wrong)} of {len(volumes)} residues are D-amino acids; the "
            "coordinates are a mirror image, or their columns are exchanged"
        )
    return [r.changed(chain, "atoms", "the C-alpha is inverted (a D-amino acid)", "kept as deposited") for r in wrong]
