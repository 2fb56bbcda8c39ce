"""The rotamer score's contact energy: heavy atoms with united radii, softened 12-6, hydrogen bonds by distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.model import FloatArray, IntArray, StrArray
from dockkit.core.residues import WATER

RADII: Final = {"C": 1.95, "N": 1.75, "O": 1.60, "S": 1.95, "F": 1.55, "Cl": 1.85, "Br": 1.95, "I": 2.10, "P": 2.05,
                "Mg": 1.20, "Zn": 1.20, "Mn": 1.20, "Ca": 1.40, "Na": 1.40, "K": 1.70}  # fmt: skip
"""Half the distance of lowest energy, Angstrom; carbons carry their hydrogens (near Amber's 1.908 and 1.66)."""

FLAT_CARBON: Final = 1.87
"""The same for trigonal carbons, whose hydrogens stand in the plane."""

DEPTHS: Final = {"C": 0.13, "N": 0.17, "O": 0.18, "S": 0.25}
DEFAULT_DEPTH: Final = 0.15
"""Well depth of an atom, kcal/mol; geometric means for pairs."""

HYDROGEN_BOND_DISTANCE: Final = 2.85
HYDROGEN_BOND_DEPTH: Final = 0.7
"""Polar pairs of donor and acceptor, Angstrom and kcal/mol."""

CAP: Final = 10.0
"""No pair repels by more, kcal/mol: a built side chain is minimised afterwards."""

OVERLAP: Final = 0.6
OVERLAP_SLOPE: Final = 30.0
"""Below 0.6 of the best distance the repulsion goes on rising, kcal/mol per unit of that fraction."""

CUTOFF: Final = 7.0

FLAT: Final = {
    "PHE": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ"), "TYR": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "TRP": ("CG", "CD1", "CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2"), "HIS": ("CG", "CD2", "CE1"), "ASP": ("CG",),
    "ASN": ("CG",), "GLU": ("CD",), "GLN": ("CD",), "ARG": ("CZ",),
}  # fmt: skip
DONOR_ACCEPTOR: Final = frozenset({"OG", "OG1", "OH", "ND1"})


@dataclass(frozen=True, slots=True)
class Sites:
    """Interaction sites: heavy atoms with what the contact energy needs of them.

    Parameters
    ----------
    radii, depths : (n,) float
        Angstrom, kcal/mol.
    donors, acceptors : (n,) bool
    """

    radii: FloatArray
    depths: FloatArray
    donors: np.ndarray
    acceptors: np.ndarray

    def take(self, rows: IntArray) -> Sites:
        """Return some of the sites."""
        return Sites(self.radii[rows], self.depths[rows], self.donors[rows], self.acceptors[rows])


def protein_sites(residue_names: StrArray, atom_names: StrArray, elements: StrArray) -> Sites:
    """Return the sites of protein atoms, all arguments (n,) str."""
    flat = np.array(
        [
            name == "C" or name in FLAT.get(residue, ())
            for residue, name in zip(residue_names.tolist(), atom_names.tolist(), strict=True)
        ],
        dtype=bool,
    )
    radii = np.array([RADII.get(e, 1.9) for e in elements.tolist()])
    radii[flat & (elements == "C")] = FLAT_CARBON
    both = np.isin(atom_names, sorted(DONOR_ACCEPTOR)) | ((atom_names == "NE2") & (residue_names == "HIS"))
    both |= residue_names == WATER
    donors = (elements == "N") & (residue_names != "PRO") | both
    acceptors = (elements == "O") | both
    return Sites(radii, _depths(elements), donors, acceptors)


def ligand_sites(elements: StrArray) -> Sites:
    """Return the sites of a ligand's heavy atoms; its N and O count as donors and acceptors both."""
    radii = np.array([RADII.get(e, 1.9) for e in elements.tolist()])
    radii[elements == "C"] = FLAT_CARBON
    polar = np.isin(elements, ["N", "O"])
    return Sites(radii, _depths(elements), polar, polar)


def _depths(elements: StrArray) -> FloatArray:
    return np.array([DEPTHS.get(e, DEFAULT_DEPTH) for e in elements.tolist()], dtype=np.float64)


def join(first: Sites, second: Sites) -> Sites:
    """Return both lists of sites as one."""
    return Sites(
        np.concatenate([first.radii, second.radii]),
        np.concatenate([first.depths, second.depths]),
        np.concatenate([first.donors, second.donors]),
        np.concatenate([first.acceptors, second.acceptors]),
    )


def pair_energies(
    a: Sites, xyz_a: FloatArray, b: Sites, xyz_b: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Return contact energies of every conformer of ``a`` with ``b``.

    Parameters
    ----------
    a, b : Sites
        n and m sites.
    xyz_a : (k, n, 3) float
        Conformers, Angstrom.
    xyz_b : (m, 3) float
    weights : (n, m) float, optional
        Weight of each pair; 0 for bonded ones.

    Returns
    -------
    (k, m) float
        kcal/mol per conformer and site of ``b``; finite however close two atoms are.
    """
    if len(xyz_b) == 0 or xyz_a.shape[1] == 0:
        return np.zeros((len(xyz_a), len(xyz_b)))
    squares = (
        (xyz_a**2).sum(-1)[:, :, None] + (xyz_b**2).sum(-1)[None, None] - 2.0 * np.einsum("kni,mi->knm", xyz_a, xyz_b)
    )
    bond = (a.donors[:, None] & b.acceptors[None]) | (a.acceptors[:, None] & b.donors[None])
    best = np.where(bond, HYDROGEN_BOND_DISTANCE, a.radii[:, None] + b.radii[None])
    depth = np.where(bond, HYDROGEN_BOND_DEPTH, np.sqrt(a.depths[:, None] * b.depths[None]))
    six = (best**2 / np.maximum(squares, 0.5)) ** 3
    energy = np.minimum(depth * (six * six - 2.0 * six), CAP)
    overlap = np.maximum(OVERLAP - np.sqrt(np.maximum(squares, 0.0)) / best, 0.0)
    energy += OVERLAP_SLOPE * overlap
    energy[squares > CUTOFF**2] = 0.0
    if weights is not None:
        energy = energy * weights
    return np.asarray(energy.sum(axis=1))
