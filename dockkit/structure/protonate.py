"""Protonation states at a pH, histidine tautomers by hydrogen bonds, and the hydrogens themselves."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import place_atom, residue_hydrogens, rotate_about, unit_vector
from dockkit.core.model import FloatArray
from dockkit.core.residues import templates
from dockkit.structure.repair import WorkResidue

PKA: Final = {"ASP": 3.9, "GLU": 4.3, "HIS": 6.5, "CYS": 8.5, "LYS": 10.4}
"""Model pK_a of side chains in water (Thurlkill et al., Protein Sci. 2006, 15, 1214)."""

DEPROTONATED: Final = {"ASP": "HD2", "GLU": "HE2", "CYS": "HG", "LYS": "HZ1"}
"""The hydrogen that leaves above the pK_a."""

ACCEPTORS: Final = frozenset({"O", "OD1", "OD2", "OE1", "OE2"})
DONORS: Final = frozenset({"N", "NZ", "NE", "NH1", "NH2", "ND2", "NE1"})
HYDROXYLS: Final = {"SER": ("CA", "CB", "OG", "HG"), "THR": ("CA", "CB", "OG1", "HG1"), "CYS": ("CA", "CB", "SG", "HG"),
                    "TYR": ("CE1", "CZ", "OH", "HH")}  # fmt: skip
HYDROGEN_BOND: Final = 3.4
"""Longest donor-acceptor distance counted, Angstrom."""


def _wants_hydrogen(residues: list[WorkResidue], own: int, atom: str) -> float:
    """Return how much the surroundings of a ring nitrogen speak for a hydrogen there (negative: against)."""
    centre = residues[own].xyz[atom]
    score = 0.0
    for index, other in enumerate(residues):
        if index == own or np.abs(other.xyz.get("CA", centre) - centre).max() > 12.0:
            continue
        for name, xyz in other.xyz.items():
            reach = HYDROGEN_BOND - float(np.linalg.norm(xyz - centre))
            if reach <= 0:
                continue
            is_acceptor = name in ACCEPTORS and not (name == "O" and other.name == "HOH")
            is_donor = name in DONORS or (name == "NE2" and other.name == "GLN")
            score += (reach + 0.2) * (int(is_acceptor) - int(is_donor))
    return score


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
            delta = _wants_hydrogen(residues, index, "ND1") > _wants_hydrogen(residues, index, "NE2")
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
    _turn_hydroxyls(residues)


def _turn_hydroxyls(residues: list[WorkResidue]) -> None:
    names = [(index, name) for index, residue in enumerate(residues) for name in residue.xyz]
    row = {key: number for number, key in enumerate(names)}
    xyz = np.array([residues[index].xyz[name] for index, name in names])
    charge = np.array([_polarity(residues[index], name) for index, name in names])
    is_hydrogen = np.array([name.startswith("H") for _, name in names])
    tree = cKDTree(xyz)
    angles = np.arange(0.0, 360.0, 15.0)
    for index, residue in enumerate(residues):
        if residue.name not in HYDROXYLS or HYDROXYLS[residue.name][3] not in residue.xyz:
            continue
        _, second, parent, hydrogen = HYDROXYLS[residue.name]
        origin = xyz[row[index, parent]]
        near = np.array(
            [
                i
                for i in tree.query_ball_point(origin, 6.0)
                if names[i] not in ((index, hydrogen), (index, parent), (index, second))
            ]
        )
        step = 180.0 if residue.name == "TYR" else 15.0
        scan = angles[angles % step == 0]
        start = np.repeat(xyz[row[index, hydrogen]][None, None], len(scan), axis=0)
        axis = origin - xyz[row[index, second]]
        trial = rotate_about(start, np.repeat(origin[None], len(scan), 0), np.repeat(axis[None], len(scan), 0), scan)[
            :, 0
        ]
        gap = np.linalg.norm(trial[:, None] - xyz[near][None], axis=-1)
        contact = np.where(is_hydrogen[near], 2.0, np.where(charge[near] < -0.3, 1.7, 2.3))
        energy = (332.0 / 4.0 * 0.4 * charge[near] / np.maximum(gap, 0.8) ** 2).sum(1) + 10.0 * (
            np.maximum(contact - gap, 0.0) ** 2
        ).sum(1)
        xyz[row[index, hydrogen]] = residue.xyz[hydrogen] = trial[int(np.argmin(np.round(energy, 6)))]


def _polarity(residue: WorkResidue, name: str) -> float:
    """Return a rough partial charge: enough to tell donors from acceptors."""
    if name in ACCEPTORS:
        return -0.7 if residue.name in ("ASP", "GLU") and name != "O" else -0.5
    if name in ("OG", "OG1", "OH"):
        return -0.4
    if name in ("ND1", "NE2") and residue.name == "HIS":
        return -0.4 if f"H{name[1:]}" in residue.absent else -0.2
    polar = (
        name == "H"
        or (residue.name in ("LYS", "ARG") and name.startswith(("HZ", "HH", "HE")))
        or (residue.name in ("ASN", "GLN") and name.startswith(("HD2", "HE2")))
    )
    return (
        0.35
        if polar
        and not (residue.name == "LYS" and name.startswith("HE"))
        and not (residue.name == "GLN" and name == "HE")
        else 0.0
    )
