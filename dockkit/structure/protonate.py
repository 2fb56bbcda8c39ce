"""Protonation states at a pH, histidine tautomers by hydrogen bonds, and the hydrogens themselves."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import place_atom, unit_vector
from dockkit.core.hydrogens import (
    HYDROXYLS,
    PolarCloud,
    polarity,
    prefers_delta,
    residue_hydrogens,
    turn_hydroxyl,
)
from dockkit.core.model import FloatArray, StrArray
from dockkit.core.residues import templates
from dockkit.structure.repair import WorkResidue

PKA: Final = {"ASP": 3.9, "GLU": 4.3, "HIS": 6.5, "CYS": 8.5, "LYS": 10.4}
"""Model pK_a of side chains in water (Thurlkill et al., Protein Sci. 2006, 15, 1214)."""

DEPROTONATED: Final = {"ASP": "HD2", "GLU": "HE2", "CYS": "HG", "LYS": "HZ1"}
"""The hydrogen that leaves above the pK_a."""


def _surroundings(residues: list[WorkResidue], own: int) -> tuple[StrArray, StrArray, FloatArray]:
    """Return residue names, atom names and coordinates of the other residues."""
    rows = [(r.name, name, xyz) for i, r in enumerate(residues) if i != own for name, xyz in r.xyz.items()]
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), np.array([r[2] for r in rows])


def assign_states(residues: list[WorkResidue], ph: float, bridged: set[int]) -> list[str]:
    """Decide which titratable hydrogens are absent; return notes.

    Asp, Glu, Lys and Cys follow their model pK_a. His is doubly protonated below its pK_a; above it the tautomer is
    chosen by the hydrogen bonds its two nitrogens can make (epsilon where nothing decides).

    Parameters
    ----------
    residues : list of WorkResidue
        Changed in place.
    ph : float
    bridged : set of int
        Cysteines in disulfides.
    """
    tautomers: list[str] = []
    unusual: list[str] = []
    for index, residue in enumerate(residues):
        if residue.name not in PKA:
            continue
        protonated = ph < PKA[residue.name]
        if residue.name == "HIS":
            if protonated:
                tautomers.append(f"{residue.label} doubly protonated")
                continue
            delta = prefers_delta(residue.xyz["ND1"], residue.xyz["NE2"], *_surroundings(residues, index))
            residue.absent = frozenset({"HE2" if delta else "HD1"})
            tautomers.append(f"{residue.label} {'delta' if delta else 'epsilon'}")
            continue
        if index in bridged:
            residue.absent = frozenset({"HG"})
        elif not protonated:
            residue.absent = (
                frozenset({DEPROTONATED[residue.name]}) if residue.name != "CYS" or ph > PKA["CYS"] else frozenset()
            )
        if residue.name in ("ASP", "GLU") and protonated or residue.name in ("LYS", "CYS") and not protonated:
            unusual.append(residue.label)
    notes = []
    if tautomers:
        notes.append(f"histidine states at pH {ph:g}: " + ", ".join(tautomers))
    if unusual:
        notes.append(f"not in their usual protonation state at pH {ph:g}: " + ", ".join(unusual))
    return notes


def _cap_hydrogens(cap: WorkResidue, neighbour: WorkResidue) -> dict[str, FloatArray]:
    """Return the hydrogens of ACE or NME."""
    x = cap.xyz
    placed: dict[str, FloatArray] = {}
    if cap.name == "NME":
        placed["H"] = x["N"] - 1.01 * unit_vector(
            unit_vector(x["C"] - x["N"]) + unit_vector(neighbour.xyz["C"] - x["N"])
        )
        frame = (neighbour.xyz["C"], x["N"], x["C"])
    else:
        frame = (neighbour.xyz["N"], x["C"], x["CH3"])
    for number, torsion in enumerate((180.0, 60.0, -60.0), start=1):
        placed[f"H{number}"] = place_atom(*frame, 1.09, 109.5, torsion)
    return placed


def add_hydrogens(residues: list[WorkResidue]) -> None:
    """Place every hydrogen, then turn hydroxyl and thiol hydrogens to their best hydrogen bond. Changes in place."""
    heavy = [dict(residue.xyz) for residue in residues]
    for index, residue in enumerate(residues):
        before = residues[index - 1] if index and residues[index - 1].segment == residue.segment else None
        if residue.name == "ACE":
            placed = _cap_hydrogens(residue, residues[index + 1])
        elif residue.name == "NME":
            placed = _cap_hydrogens(residue, residues[index - 1])
        else:
            previous_c = before.xyz["C"] if before is not None else None
            placed = residue_hydrogens(templates()[residue.name], heavy[index], previous_c, residue.absent)
        residue.xyz = {**heavy[index], **placed}
    turn_all_hydroxyls(residues)


def turn_all_hydroxyls(residues: list[WorkResidue]) -> None:
    """Turn every hydroxyl and thiol hydrogen, in chain order. Changes in place."""
    keys = [(index, name) for index, residue in enumerate(residues) for name in residue.xyz]
    row = {key: number for number, key in enumerate(keys)}
    cloud = PolarCloud(
        np.array([residues[index].xyz[name] for index, name in keys]),
        np.array([polarity(residues[index].name, name, residues[index].absent) for index, name in keys]),
        np.array([name.startswith("H") for _, name in keys]),
    )
    tree = cKDTree(cloud.coordinates)
    for index, residue in enumerate(residues):
        hydroxyl = HYDROXYLS.get(residue.name)
        if hydroxyl is None or hydroxyl[2] not in residue.xyz:
            continue
        own = {row[index, name] for name in hydroxyl}
        near = [i for i in tree.query_ball_point(residue.xyz[hydroxyl[1]], 6.0) if i not in own]
        turned = turn_hydroxyl(residue.name, residue.xyz, cloud.take(np.array(sorted(near))))
        cloud.coordinates[row[index, hydroxyl[2]]] = residue.xyz[hydroxyl[2]] = turned
