"""Where a graft meets the chain: bonds closed by turning torsions; side chains searched until none is in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray
from dockkit.core.residues import templates
from dockkit.structure.closure import (
    CLOSED,
    IDEAL_ANGLES,
    IDEAL_LENGTHS,
    Internal,
    backbone_internal,
    close,
    place_oxygens,
)
from dockkit.structure.repair import WorkResidue, add_side_chain, clash

JOIN_LIMIT: Final = 1.45
"""A C-N bond up to this is left to the minimiser, Angstrom."""

LARGEST_STRAIN: Final = 14.0
"""Degrees by which a bond angle of a closed join may leave the ideal one."""

CONTACT: Final = 3.0
ROUNDS: Final = 3
BETTER: Final = 0.5
"""A side chain is changed where that takes away this much overlap, Angstrom^2."""


def joins(chain: list[WorkResidue], grafted: set[int]) -> list[int]:
    """Return the index before each bond between the target's own chain and a graft."""
    return [
        i
        for i, (a, b) in enumerate(zip(chain, chain[1:], strict=False))
        if (a.uniprot in grafted) != (b.uniprot in grafted) and b.uniprot == a.uniprot + 1
    ]


def close_join(chain: list[WorkResidue], index: int, grafted: set[int]) -> None:
    """Turn the torsions around a join until the bond is right; leave the join open where that cannot be done.

    Two residues on either side take part, then three. They count as grafted from then on.
    """
    if _sound(chain[index], chain[index + 1]):
        return
    for reach in (2, 3, 4):
        rows = range(index - reach, index + reach + 2)
        if rows[0] < 0 or rows[-1] >= len(chain):
            break
        stretch = [chain[i] for i in rows]
        if any(b.uniprot != a.uniprot + 1 for a, b in zip(stretch, stretch[1:], strict=False)):
            break
        if (closed := _closed(stretch)) is None:
            continue
        for i, backbone, oxygen in zip(rows[:-1], *closed, strict=False):
            _move(chain[i], backbone, oxygen)
        grafted |= {chain[i].uniprot for i in rows[1:-1]}
        return


def _sound(before: WorkResidue, after: WorkResidue) -> bool:
    bond = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
    virtual = float(np.linalg.norm(after.xyz["CA"] - before.xyz["CA"]))
    return 1.2 < bond < JOIN_LIMIT and 3.6 < virtual < 4.0


def _closed(stretch: list[WorkResidue]) -> tuple[FloatArray, FloatArray] | None:
    """Close a stretch between its two end residues, starting from the torsions it has."""
    backbone = np.array([[r.xyz[name] for name in ("N", "CA", "C")] for r in stretch])
    seen = backbone_internal(backbone[None])
    n = len(stretch) - 1
    lengths, angles = np.tile(IDEAL_LENGTHS, n), np.tile(IDEAL_ANGLES, (1, n))
    lengths[-2:], angles[:, -1] = seen.lengths[-2:], seen.angles[:, -1]
    torsions = seen.torsions.copy()
    omega = torsions[:, 1::3]
    torsions[:, 1::3] = np.where(np.abs(omega) < 40.0, 0.0, 180.0)
    internal, atoms, misses = close(backbone[0], Internal(lengths, angles, torsions), backbone[-1], iterations=100)
    strain = float(np.abs(internal.angles - angles).max())
    twist = float(np.abs((internal.torsions - torsions + 180.0)[:, 1::3] % 360.0 - 180.0).max())
    if misses[0] > CLOSED or strain > LARGEST_STRAIN or twist > 30.0:
        return None
    chain = atoms.reshape(1, n + 1, 3, 3)
    return chain[0], place_oxygens(chain)[0]


def _move(residue: WorkResidue, backbone: FloatArray, oxygen: FloatArray) -> None:
    """Give a residue new main-chain atoms; its side chain goes along."""
    old = np.array([residue.xyz[name] for name in ("N", "CA", "C")])
    rotation, shift = superposition(old, backbone, np.array([1.0, 4.0, 1.0]))
    residue.xyz = {name: xyz @ rotation + shift for name, xyz in residue.xyz.items()}
    residue.xyz |= dict(zip(("N", "CA", "C"), backbone, strict=True)) | {"O": oxygen}


def repack(chain: list[WorkResidue], rebuilt: Iterable[int]) -> set[int]:
    """Search the side chains that are incomplete or built anew, and those of the target that stand in their way.

    Each in turn takes the rotamer that clashes least with all others, until none changes or three rounds are over.

    Returns
    -------
    set of int
        UniProt numbers of residues whose side chain is not the one they came with.
    """
    free = set(rebuilt)
    for residue in chain:
        if incomplete(residue):
            add_side_chain(residue, _others(chain, residue))
    crowded = {r.uniprot for r in chain if r.uniprot and _crowding(r, _others(chain, r)) > 2.0 * BETTER}
    changed = set()
    for _ in range(ROUNDS):
        moved = False
        for residue in chain:
            if (
                residue.uniprot not in free | crowded
                or residue.name not in templates()
                or residue.name in ("GLY", "ALA")
            ):
                continue
            cloud = _others(chain, residue)
            trial = replace(residue, xyz={a: p for a, p in residue.xyz.items() if a in ("N", "CA", "C", "O", "CB")})
            if residue.name == "PRO":
                continue
            add_side_chain(trial, cloud)
            if _crowding(trial, cloud) < _crowding(residue, cloud) - BETTER:
                residue.xyz, moved = trial.xyz, True
                changed.add(residue.uniprot)
        if not moved:
            break
    return changed


def _others(chain: list[WorkResidue], residue: WorkResidue) -> FloatArray:
    """Return the heavy atoms near a residue that are not its own, (n, 3) float."""
    reach = 14.0
    near = [r for r in chain if r is not residue and np.abs(r.xyz["CA"] - residue.xyz["CA"]).max() < reach]
    points = [xyz for r in near for xyz in r.xyz.values()]
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def _crowding(residue: WorkResidue, cloud: FloatArray) -> float:
    side = [p for a, p in residue.xyz.items() if a not in ("N", "CA", "C", "O", "CB")]
    return clash(np.array(side), cloud, CONTACT) if side else 0.0


def incomplete(residue: WorkResidue) -> bool:
    """Tell whether an amino acid lacks heavy atoms."""
    template = templates().get(residue.name)
    return template is not None and any(str(a) not in residue.xyz for a in template.heavy)
