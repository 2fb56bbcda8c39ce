"""Hydrogens of amino acids: from the template's geometry, then hydroxyls and histidines by their hydrogen bonds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.geometry import lay_template, rotate_about, unit_vector
from dockkit.core.model import FloatArray, StrArray
from dockkit.core.residues import IONS, PHOSPHORYLATED, WATER, ResidueTemplate

ACCEPTORS: Final = frozenset({"O", "OD1", "OD2", "OE1", "OE2", "O1P", "O2P", "O3P"})
DONORS: Final = frozenset({"N", "NZ", "NE", "NH1", "NH2", "ND2", "NE1"})
HYDROXYLS: Final = {
    "SER": ("CB", "OG", "HG"),
    "THR": ("CB", "OG1", "HG1"),
    "CYS": ("CB", "SG", "HG"),
    "TYR": ("CZ", "OH", "HH"),
    "ASP": ("CG", "OD2", "HD2"),
    "GLU": ("CD", "OE2", "HE2"),
}
"""The bond that a hydroxyl, thiol or carboxyl hydrogen turns about, and the hydrogen."""

PLANAR: Final = frozenset({"TYR", "ASP", "GLU"})
"""Residues whose hydroxyl hydrogen stays in the plane of the group."""

HYDROGEN_BOND: Final = 3.4
"""Longest donor-acceptor distance counted, Angstrom."""


@dataclass(slots=True)
class PolarCloud:
    """Atoms around a hydroxyl: coordinates (n, 3), rough charges (n,), whether each is a hydrogen (n,)."""

    coordinates: FloatArray
    charges: FloatArray
    is_hydrogen: np.ndarray

    def take(self, rows: np.ndarray) -> PolarCloud:
        """Return some of the atoms."""
        rows = rows.astype(np.int64)
        return PolarCloud(self.coordinates[rows], self.charges[rows], self.is_hydrogen[rows])


def residue_hydrogens(
    template: ResidueTemplate, heavy: Mapping[str, FloatArray], previous_c: FloatArray | None, absent: frozenset[str]
) -> dict[str, FloatArray]:
    """Place every hydrogen of a residue from the template's geometry.

    Parameters
    ----------
    template : ResidueTemplate
    heavy : mapping of str to (3,) float
        All heavy atoms of the residue, Angstrom.
    previous_c : (3,) float or None
        Carbonyl carbon of the residue before, for the amide hydrogen.
    absent : frozenset of str
        Hydrogens that this protonation state lacks.

    Returns
    -------
    dict of str to (3,) float
        In template order; groups with one heavy neighbour stand as in the template (staggered, or planar for amides).
    """
    placed: dict[str, FloatArray] = {}
    wanted = [name for name in template.atoms[template.elements == "H"] if name not in absent]
    laid: dict[str, FloatArray] = {}
    for name in wanted:
        parent = template.neighbours(name)[0]
        if name == "H":
            toward = unit_vector(heavy["CA"] - heavy["N"])
            if previous_c is not None:
                toward = toward + unit_vector(previous_c - heavy["N"])
            placed["H"] = heavy["N"] - 1.01 * unit_vector(toward)
            continue
        if parent not in laid:
            bonded = [other for other in template.neighbours(parent) if other in heavy]
            anchors = [parent, *bonded]
            if len(bonded) == 1:
                anchors += [n for n in template.neighbours(bonded[0]) if n in heavy and n not in anchors]
            laid[parent] = lay_template(template, heavy, anchors)
        placed[str(name)] = laid[parent][template.index(name)]
    return placed


def polarity(residue: str, atom: str, absent: frozenset[str] = frozenset()) -> float:
    """Return a rough partial charge in e, enough to tell donors from acceptors.

    Parameters
    ----------
    residue, atom : str
        Names.
    absent : frozenset of str
        Hydrogens the protonation state lacks.
    """
    if residue in IONS:
        return 0.5 * IONS[residue]
    if residue == WATER:
        return -0.7 if atom == "O" else 0.35
    if atom in ACCEPTORS:
        return -0.7 if residue in ("ASP", "GLU", *PHOSPHORYLATED) and atom != "O" else -0.5
    if atom in ("OG", "OG1", "OH"):
        return -0.4
    if residue == "HIS" and atom in ("ND1", "NE2"):
        return -0.4 if f"H{atom[1:]}" in absent else -0.2
    polar = {
        "LYS": ("HZ",), "ARG": ("HH", "HE"), "ASN": ("HD2",), "GLN": ("HE2",), "TRP": ("HE1",), "HIS": ("HD1", "HE2"),
        "ASP": ("HD2",), "GLU": ("HE2",),
    }.get(residue, ())  # fmt: skip
    return 0.35 if atom == "H" or atom.startswith(polar) and polar else 0.0


def turn_hydroxyl(residue: str, atoms: Mapping[str, FloatArray], around: PolarCloud) -> FloatArray:
    """Return the position of a hydroxyl (or thiol) hydrogen with the best hydrogen bond and no clash.

    Parameters
    ----------
    residue : str
        SER, THR, TYR, CYS, or a protonated ASP or GLU.
    atoms : mapping of str to (3,) float
        The residue's atoms, the hydrogen among them.
    around : PolarCloud
        Neighbouring atoms, without the four of the group itself.

    Returns
    -------
    (3,) float
        The best of 24 positions 15 degrees apart (two in the plane for tyrosine and acids).
    """
    second, parent, hydrogen = HYDROXYLS[residue]
    step = 180.0 if residue in PLANAR else 15.0
    scan = np.arange(0.0, 360.0, step)
    start = np.repeat(atoms[hydrogen][None, None], len(scan), axis=0)
    trial = rotate_about(start, atoms[parent], atoms[parent] - atoms[second], scan)[:, 0]
    gap = np.linalg.norm(trial[:, None] - around.coordinates[None], axis=-1)
    contact = np.where(around.is_hydrogen, 2.0, np.where(around.charges < -0.3, 1.7, 2.3))
    attraction = (33.0 * around.charges / np.maximum(gap, 0.8) ** 2).sum(axis=1)
    repulsion = 10.0 * (np.maximum(contact - gap, 0.0) ** 2).sum(axis=1)
    return np.asarray(trial[int(np.argmin(np.round(attraction + repulsion, 6)))])


def prefers_delta(
    nd1: FloatArray, ne2: FloatArray, residue_names: StrArray, atom_names: StrArray, coordinates: FloatArray
) -> bool:
    """Tell whether a neutral histidine's hydrogen belongs on ND1 rather than NE2.

    Parameters
    ----------
    nd1, ne2 : (3,) float
        Ring nitrogens, Angstrom.
    residue_names, atom_names : (n,) str
        Of the surrounding atoms.
    coordinates : (n, 3) float

    Returns
    -------
    bool
        True where the acceptors (less the donors) within 3.4 A of ND1 outweigh those of NE2.
    """
    acceptor = np.isin(atom_names, sorted(ACCEPTORS))
    donor = np.isin(atom_names, sorted(DONORS)) | ((atom_names == "NE2") & (residue_names == "GLN"))
    sign = acceptor.astype(float) - donor.astype(float)
    scores = []
    for centre in (nd1, ne2):
        reach = HYDROGEN_BOND - np.linalg.norm(coordinates - centre, axis=1)
        scores.append(float((np.where(reach > 0, reach + 0.2, 0.0) * sign).sum()))
    return scores[0] > scores[1] + 1e-9
