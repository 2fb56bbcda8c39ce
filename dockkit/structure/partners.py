"""The atoms around movable groups: residues with hydrogens, hetero groups and waters, with rough charges and radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from dockkit.core.hydrogens import residue_hydrogens
from dockkit.core.model import FloatArray, HetGroup
from dockkit.core.residues import CAPS, residue_templates, templates
from dockkit.structure.hetero import CATIONS, METAL_RADIUS, partner_atoms
from dockkit.structure.network import Atoms, Environment
from dockkit.structure.repair import WorkResidue

BACKBONE_CHARGES: Final = {"N": -0.42, "H": 0.27, "C": 0.60, "O": -0.57}

SIDE_CHARGES: Final[dict[str, dict[str, float]]] = {
    "ASP": {"CG": 0.75, "OD1": -0.80, "OD2": -0.80},
    "GLU": {"CD": 0.75, "OE1": -0.80, "OE2": -0.80},
    "LYS": {"CE": 0.10, "NZ": -0.30, "HZ1": 0.34, "HZ2": 0.34, "HZ3": 0.34},
    "ARG": {
        "CD": 0.10, "NE": -0.50, "HE": 0.35, "CZ": 0.80, "NH1": -0.80, "NH2": -0.80, "HH11": 0.42, "HH12": 0.42,
        "HH21": 0.42, "HH22": 0.42,
    },
    "ASN": {"CG": 0.65, "OD1": -0.60, "ND2": -0.87, "HD21": 0.41, "HD22": 0.41},
    "GLN": {"CD": 0.65, "OE1": -0.60, "NE2": -0.87, "HE21": 0.41, "HE22": 0.41},
    "SER": {"CB": 0.22, "OG": -0.65, "HG": 0.43},
    "THR": {"CB": 0.27, "OG1": -0.68, "HG1": 0.41},
    "TYR": {"CZ": 0.16, "OH": -0.56, "HH": 0.40},
    "TRP": {"NE1": -0.34, "HE1": 0.34},
    "MET": {"SD": -0.20},
    "CYS": {"SG": -0.20},
}  # fmt: skip
"""Side-chain charges, rounded from the Amber ff14SB values, of the atoms that matter to hydrogen bonds; e."""

HISTIDINE_CHARGES: Final = {
    "delta": {"ND1": -0.38, "HD1": 0.36, "CE1": 0.15, "HE1": 0.14, "NE2": -0.55, "CD2": 0.08, "HD2": 0.10},
    "epsilon": {"ND1": -0.54, "CE1": 0.16, "HE1": 0.14, "NE2": -0.30, "HE2": 0.34, "CD2": -0.05, "HD2": 0.15},
    "both": {"ND1": -0.15, "HD1": 0.39, "CE1": 0.00, "HE1": 0.25, "NE2": -0.17, "HE2": 0.39, "CD2": -0.05, "HD2": 0.22},
}
"""Ring charges of the three states, rounded in the same way; e."""

PHOSPHATE_CHARGE: Final = -0.85
HEAVY_RADII: Final = {"C": 1.70, "N": 1.55, "O": 1.40, "S": 1.80, "P": 1.80}
POLAR_HYDROGEN: Final = 1.0
"""Radius of a hydrogen on N or O, Angstrom; others have 1.17."""

WATERS: Final = frozenset({"HOH", "WAT", "DOD"})
WATER_RADIUS: Final = 1.2
"""A water turns to suit: it has no charge here and a radius that lets it be donor or acceptor, Angstrom."""


def hydrogens_of(residues: Sequence[WorkResidue], index: int) -> dict[str, FloatArray]:
    """Return the hydrogens that a residue's heavy atoms define; none where the residue is unknown or incomplete."""
    residue = residues[index]
    template = residue_templates().get(residue.name)
    if template is None or any(str(name) not in residue.xyz for name in template.heavy):
        return {}
    before = residues[index - 1] if index and residues[index - 1].segment == residue.segment else None
    previous = before.xyz.get("C") if before is not None else None
    absent = residue.absent | {name for name in template.optional if residue.name in ("ASP", "GLU")}
    heavy = {name: xyz for name, xyz in residue.xyz.items() if not name.startswith("H")}
    return residue_hydrogens(template, heavy, previous, frozenset(absent))


def charge_of(residue: str, atom: str) -> float:
    """Return an atom's rough charge in e."""
    if atom in BACKBONE_CHARGES:
        return BACKBONE_CHARGES[atom] if not (residue == "PRO" and atom == "N") else -0.25
    if residue in SIDE_CHARGES:
        return SIDE_CHARGES[residue].get(atom, 0.0)
    if residue not in templates() and atom.startswith("O") and atom.endswith("P"):
        return PHOSPHATE_CHARGE
    return 0.0


def radius_of(atom: str, charge: float) -> float:
    """Return an atom's radius in Angstrom, from its name and charge."""
    if atom.startswith("H"):
        return POLAR_HYDROGEN if charge > 0.2 else 1.17
    return HEAVY_RADII.get(atom[0], 1.70)


def _residue_rows(residues: Sequence[WorkResidue], index: int) -> list[tuple[str, FloatArray, float, float]]:
    """Return the atoms of one residue, hydrogens included: name, coordinates, charge, radius."""
    residue = residues[index]
    if residue.name in WATERS:
        return [(name, xyz, 0.0, WATER_RADIUS) for name, xyz in residue.xyz.items() if name.startswith("O")]
    if residue.name not in templates() and residue.name not in CAPS and len(residue.xyz) == 1:
        name, xyz = next(iter(residue.xyz.items()))
        return [(name, xyz, 0.8 * CATIONS.get(name.upper().strip("+0123456789"), 1), METAL_RADIUS)]
    rows = []
    for name, xyz in {**residue.xyz, **hydrogens_of(residues, index)}.items():
        charge = charge_of(residue.name, name)
        rows.append((name, xyz, charge, radius_of(name, charge)))
    return rows


def surroundings(
    residues: Sequence[WorkResidue],
    moving: Mapping[int, frozenset[str]],
    groups: Sequence[HetGroup],
    waters: Sequence[HetGroup],
) -> Environment:
    """Return everything that does not move.

    Parameters
    ----------
    residues : sequence of WorkResidue
        Hydrogens that heavy atoms define are placed here where they are not there yet.
    moving : mapping of int to frozenset of str
        Atoms of residues that move, and so are no part of it.
    groups, waters : sequence of HetGroup

    Returns
    -------
    Environment
        Side-chain atoms are owned by their residue, all others by none.
    """
    xyz: list[FloatArray] = []
    table: list[tuple[float, float, int]] = []
    for index, residue in enumerate(residues):
        for name, point, charge, radius in _residue_rows(residues, index):
            if name in moving.get(index, ()):
                continue
            xyz.append(point)
            table.append((charge, radius, -1 if name in BACKBONE_CHARGES or residue.name in CAPS else index))
    for group in groups:
        partner = partner_atoms(group)
        xyz += list(partner.xyz)
        table += [(c, r, -1) for c, r in zip(partner.charges.tolist(), partner.radii.tolist(), strict=True)]
    for water in waters:
        xyz += list(water.coordinates[:1])
        table.append((0.0, WATER_RADIUS, -1))
    rows = np.array(table, dtype=np.float64).reshape(-1, 3)
    points = np.array(xyz, dtype=np.float64).reshape(-1, 3)
    return Environment(Atoms(points, rows[:, 0], rows[:, 1]), rows[:, 2].astype(np.int64))
