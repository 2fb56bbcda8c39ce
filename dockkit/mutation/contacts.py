"""The rotamer score's contact energy: heavy atoms with united radii, softened 12-6, directed hydrogen bonds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dockkit.core.geometry import unit_vector
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

ATTRACTION: Final = 0.4
"""Weight of the attractive part: rigid contacts overstate it beside the library."""

HYDROGEN_BOND_DISTANCE: Final = 2.85
HYDROGEN_BOND_DEPTH: Final = 0.6
HYDROGEN_BOND_CONTACT: Final = 2.7
"""Donor and acceptor: best distance (Angstrom), depth with both directions right (kcal/mol), where repulsion starts."""

REPULSION: Final = 0.12
"""Depth of the 12-6 term from which repulsion is taken, kcal/mol, the same for all pairs."""

SIDE_SOFTNESS: Final = (0.95, 0.8)
MAIN_SOFTNESS: Final = (0.95, 2.4)
LIGAND_SOFTNESS: Final = (1.0, 4.0)
"""Where repulsion starts, as a fraction of the best distance, and what one atom pair costs at most (kcal/mol), by what
stands in the way: a side chain gives way, the main chain less, a bound ligand least."""

OVERLAP: Final = 0.6
OVERLAP_SLOPE: Final = 3.0
"""Below 0.6 of the best distance the repulsion goes on rising, kcal/mol per unit of that fraction."""

CUTOFF: Final = 7.0

FREE, STRAIGHT, BENT = 0, 1, 2
"""How a polar atom's hydrogen bonds lie to the axis away from its heavy neighbours: anywhere (water, ions), along it
(two neighbours), or off it (one neighbour)."""

BONDED: Final = 1.9
"""Heavy atoms nearer than this are bonded, Angstrom."""

FLAT: Final = {
    "PHE": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ"), "TYR": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "TRP": ("CG", "CD1", "CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2"), "HIS": ("CG", "CD2", "CE1"), "ASP": ("CG",),
    "ASN": ("CG",), "GLU": ("CD",), "GLN": ("CD",), "ARG": ("CZ",),
}  # fmt: skip
DONOR_ACCEPTOR: Final = frozenset({"OG", "OG1", "OH", "ND1"})


STRAIGHT_ATOMS: Final = frozenset({"N", "NE", "NE1", "ND1"})


@dataclass(frozen=True, slots=True)
class Sites:
    """Interaction sites: heavy atoms with what the contact energy needs of them.

    Parameters
    ----------
    radii, depths : (n,) float
        Angstrom, kcal/mol.
    donors, acceptors : (n,) bool
    shapes : (n,) int
        FREE, STRAIGHT or BENT.
    scales, caps : (n,) float
        Softness towards a side chain that is placed: where repulsion starts and what it costs at most.
    """

    radii: FloatArray
    depths: FloatArray
    donors: NDArray[np.bool_]
    acceptors: NDArray[np.bool_]
    shapes: IntArray
    scales: FloatArray
    caps: FloatArray

    def take(self, rows: IntArray) -> Sites:
        """Return some of the sites."""
        return Sites(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def polar(self) -> IntArray:
        """Rows of donors and acceptors."""
        return np.flatnonzero(self.donors | self.acceptors)


def protein_sites(residue_names: StrArray, atom_names: StrArray, elements: StrArray) -> Sites:
    """Return the sites of protein atoms, waters and ions, all arguments (n,) str."""
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
    straight = np.isin(atom_names, sorted(STRAIGHT_ATOMS)) | ((atom_names == "NE2") & (residue_names == "HIS"))
    shapes = np.where(straight, STRAIGHT, np.where(residue_names == WATER, FREE, BENT))
    main = np.isin(atom_names, ("N", "CA", "C", "O", "CB")) & (residue_names != WATER)
    soft = np.where(main[:, None], [MAIN_SOFTNESS], [SIDE_SOFTNESS])
    return Sites(radii, _depths(elements), donors, acceptors, shapes, soft[:, 0], soft[:, 1])


def ligand_sites(elements: StrArray, neighbours: IntArray) -> Sites:
    """Return the sites of a ligand's heavy atoms; its N and O count as donors and acceptors both.

    Parameters
    ----------
    elements : (n,) str
    neighbours : (n,) int
        How many heavy atoms each is bonded to.
    """
    radii = np.array([RADII.get(e, 1.9) for e in elements.tolist()])
    radii[elements == "C"] = FLAT_CARBON
    polar = np.isin(elements, ["N", "O"]) & (neighbours <= 2)
    shapes = np.where(neighbours == 2, STRAIGHT, BENT)
    scale, cap = LIGAND_SOFTNESS
    n = len(elements)
    return Sites(radii, _depths(elements), polar, polar, shapes, np.full(n, scale), np.full(n, cap))


def _depths(elements: StrArray) -> FloatArray:
    return np.array([DEPTHS.get(e, DEFAULT_DEPTH) for e in elements.tolist()], dtype=np.float64)


def join(first: Sites, second: Sites) -> Sites:
    """Return both lists of sites as one."""
    return Sites(*(np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(first)))


def outward_axes(xyz: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the direction away from the bonded neighbours, (n, 3), zero where there is none, and their number, (n,).

    Parameters
    ----------
    xyz : (n, 3) float
        Heavy atoms, Angstrom; neighbours are found by distance.
    """
    axes = np.zeros_like(xyz)
    counts = np.zeros(len(xyz), dtype=np.int64)
    if len(xyz) > 1:
        pairs = cKDTree(xyz).query_pairs(BONDED, output_type="ndarray")
        away = unit_vector(xyz[pairs[:, 0]] - xyz[pairs[:, 1]])
        np.add.at(axes, pairs[:, 0], away)
        np.add.at(axes, pairs[:, 1], -away)
        counts += np.bincount(pairs.ravel(), minlength=len(xyz))
    return axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 0.3), counts


def _direction(shapes: IntArray, cosines: FloatArray) -> FloatArray:
    """Return how well hydrogen bonds lie (0 to 1); shapes broadcast against the cosines to the outward axes."""
    straight, bent = np.clip((cosines - 0.3) / 0.5, 0.0, 1.0), np.clip((cosines + 0.2) / 0.4, 0.0, 1.0)
    return np.where(shapes == FREE, 1.0, np.where(shapes == STRAIGHT, straight, bent))


def pair_energies(
    a: Sites, xyz_a: FloatArray, axes_a: FloatArray, b: Sites, xyz_b: FloatArray, axes_b: FloatArray,
    weights: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Return contact energies of every conformer of ``a`` with ``b``.

    Attraction is that of a 12-6 potential inside its minimum; hydrogen bonds count by distance and direction at both
    ends; repulsion is soft and limited, by what ``b`` is: what a main chain or neighbour can give way to by moving a
    few tenths of an Angstrom does not decide between rotamers.

    Parameters
    ----------
    a, b : Sites
        n and m sites.
    xyz_a, axes_a : (k, n, 3) float
        Conformers, Angstrom, and their outward axes.
    xyz_b, axes_b : (m, 3) float
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
    np.maximum(squares, 0.5, out=squares)
    size = a.radii[:, None] + b.radii[None]
    bond = (a.donors[:, None] & b.acceptors[None]) | (a.acceptors[:, None] & b.donors[None])
    depth = ATTRACTION * np.sqrt(a.depths[:, None] * b.depths[None])
    six = np.maximum(size**2 / squares, 0.0) ** 3
    energy = np.where(six > 1.0, -depth, depth * (six - 2.0) * six)
    _add_hydrogen_bonds(energy, squares, depth, bond, (a, xyz_a, axes_a), (b, xyz_b, axes_b))
    six = (np.where(bond, HYDROGEN_BOND_CONTACT, b.scales * size) ** 2 / squares) ** 3
    energy += np.where(six > 1.0, np.minimum(REPULSION * (six - 1.0) ** 2, b.caps), 0.0)
    energy += OVERLAP_SLOPE * np.maximum(OVERLAP - np.sqrt(squares) / size, 0.0)
    energy[squares > CUTOFF**2] = 0.0
    if weights is not None:
        energy *= weights
    return np.asarray(energy.sum(axis=1))


Placed = tuple[Sites, FloatArray, FloatArray]


def _add_hydrogen_bonds(
    energy: FloatArray, squares: FloatArray, depth: FloatArray, bond: NDArray[np.bool_], first: Placed, second: Placed
) -> None:
    """Put the energy of well-directed hydrogen bonds in place of the attraction of their pairs. In place."""
    (a, xyz_a, axes_a), (b, xyz_b, axes_b) = first, second
    rows, columns = a.polar, b.polar
    if len(rows) == 0 or len(columns) == 0:
        return
    block = np.ix_(np.arange(len(energy)), rows, columns)
    gap = np.sqrt(squares[block])[..., None]
    toward = (xyz_b[columns][None, None] - xyz_a[:, rows][:, :, None]) / gap
    good = _direction(a.shapes[rows][:, None], np.einsum("knmi,kni->knm", toward, axes_a[:, rows]))
    good *= _direction(b.shapes[columns], -np.einsum("knmi,mi->knm", toward, axes_b[columns]))
    good *= bond[np.ix_(rows, columns)]
    six = (HYDROGEN_BOND_DISTANCE**2 / squares[block]) ** 3
    deep = np.where(six > 1.0, -HYDROGEN_BOND_DEPTH, HYDROGEN_BOND_DEPTH * (six - 2.0) * six)
    energy[block] = (1.0 - good) * energy[block] + good * deep
