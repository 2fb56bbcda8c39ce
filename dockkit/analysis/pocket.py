"""The pocket over time: ligand and backbone RMSD, P-loop opening, gatekeeper contacts and free volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.spatial import ConvexHull, Delaunay, cKDTree

from dockkit.analysis.frames import BACKBONE, Laid, Sites
from dockkit.analysis.geometry import rmsd
from dockkit.core.model import FloatArray, IntArray, Ligand

CONTACT_ANGSTROM = 4.5
"""Heavy atoms this close are in contact."""

GRID_ANGSTROM = 1.0
PROBE_ANGSTROM = 1.4
"""Spacing of the volume's grid, and the probe (a water) whose centre a free point can hold."""

P_LOOP, FLOOR = range(4, 10), 77
"""KLIFS positions, counted from 1, of the glycine-rich loop and of the residue under the adenine site."""

_RADII = {"H": 1.1, "C": 1.7, "N": 1.55, "O": 1.52, "S": 1.8, "P": 1.8, "MG": 1.73}
_OTHER_RADIUS = 1.8
_MAX_MATCHES = 2000
_MAX_VOLUMES = 100


def symmetries(ligand: Ligand) -> IntArray:
    """Return the permutations of heavy atoms that leave the molecule's graph as it is.

    Bond orders and charges are ignored, so that the oxygens of a phosphate or carboxylate are equal.

    Parameters
    ----------
    ligand : Ligand

    Returns
    -------
    (n_permutations, n_heavy) int
        Indices among the ligand's heavy atoms, the identity among them; the identity alone where there would be more
        than 2000.
    """
    heavy = np.flatnonzero(ligand.elements != "H")
    identity = np.arange(len(heavy))[None]
    molecule = Chem.MolFromMolBlock(ligand.mol_block, removeHs=False, sanitize=False)
    if molecule is None or molecule.GetNumAtoms() != ligand.n_atoms:
        return identity
    graph = Chem.RWMol()
    place = {int(atom): graph.AddAtom(Chem.Atom(str(ligand.elements[atom]))) for atom in heavy}
    hydrogens = np.zeros(len(heavy), dtype=np.int64)
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if i in place and j in place:
            graph.AddBond(place[i], place[j], Chem.BondType.SINGLE)
        elif i in place or j in place:
            hydrogens[place[i] if i in place else place[j]] += 1
    for atom in graph.GetAtoms():
        atom.SetNoImplicit(True)
        carbon = atom.GetSymbol() == "C"
        atom.SetIsotope(1 + int(hydrogens[atom.GetIdx()]) if carbon else 0)
    found = graph.GetSubstructMatches(graph, uniquify=False, useChirality=False, maxMatches=_MAX_MATCHES + 1)
    if not found or len(found) > _MAX_MATCHES:
        return identity
    return np.array(found, dtype=np.int64)


def ligand_rmsd(laid: Laid) -> FloatArray:
    """Return the heavy-atom RMSD of the ligand to its start after the pocket's superposition.

    Parameters
    ----------
    laid : Laid
        With a ligand.

    Returns
    -------
    (n_replicas, n_frames) float
        Angstrom; the least over the molecule's symmetries.
    """
    assert laid.ligand is not None
    heavy = np.flatnonzero(laid.ligand.elements != "H")
    moved, start = laid.small[:, :, heavy], laid.small_start[heavy]
    least = np.full(laid.shape, np.inf)
    for order in symmetries(laid.ligand):
        least = np.minimum(least, rmsd(moved[:, :, order], start))
    return least


def backbone_rmsd(laid: Laid) -> FloatArray:
    """Return the RMSD of the mobile residues' backbone to the state's own start, (n_replicas, n_frames), Angstrom."""
    residue = laid.receptor.atom_residue
    moves = (laid.mobile & laid.chain_residues)[residue]
    atoms = np.flatnonzero(np.isin(laid.receptor.atom_names, BACKBONE) & moves)
    if not len(atoms):
        return np.zeros(laid.shape)
    return rmsd(laid.protein[:, :, atoms], laid.protein_start[atoms])


def p_loop_opening(laid: Laid, sites: Sites) -> FloatArray | None:
    """Return the distance from the centre of the P-loop's C-alphas to the C-alpha under the adenine site.

    Parameters
    ----------
    laid : Laid
    sites : Sites

    Returns
    -------
    (n_replicas, n_frames) float or None
        Angstrom; None where either part is not simulated.
    """
    loop = [laid.atom(sites.position(place), "CA") for place in P_LOOP]
    floor = laid.atom(sites.position(FLOOR), "CA")
    present = [atom for atom in loop if atom is not None]
    if floor is None or len(present) < len(P_LOOP) - 1:
        return None
    centre = laid.protein[:, :, present].mean(axis=2)
    return np.asarray(np.linalg.norm(centre - laid.protein[:, :, floor], axis=-1))


def contacts_of(laid: Laid, uniprot_number: int) -> FloatArray | None:
    """Return how many heavy-atom pairs within 4.5 A a residue's side chain makes with the ligand.

    Parameters
    ----------
    laid : Laid
    uniprot_number : int

    Returns
    -------
    (n_replicas, n_frames) float or None
        None where the residue or the ligand is not there.
    """
    residue = np.flatnonzero((laid.uniprot == uniprot_number) & (uniprot_number > 0))
    if laid.ligand is None or not len(residue):
        return None
    atoms = laid.atoms(int(residue[0]))
    side = atoms[(laid.receptor.elements[atoms] != "H") & ~np.isin(laid.receptor.atom_names[atoms], ("N", "C", "O"))]
    heavy = np.flatnonzero(laid.ligand.elements != "H")
    gaps = laid.protein[:, :, side, None] - laid.small[:, :, None, heavy]
    return np.asarray((np.square(gaps).sum(axis=-1) <= CONTACT_ANGSTROM**2).sum(axis=(2, 3)), dtype=np.float64)


def pocket_grid(laid: Laid, pocket: NDArray[np.bool_]) -> FloatArray:
    """Return the grid points inside the convex hull of the pocket's C-alpha atoms at the start.

    Parameters
    ----------
    laid : Laid
        The wild type: both states are measured on its grid.
    pocket : (n_residues,) bool
        Which residues line the pocket.

    Returns
    -------
    (n_points, 3) float
        Angstrom; none where fewer than five C-alphas are there.
    """
    alpha = np.flatnonzero((laid.receptor.atom_names == "CA") & pocket[laid.receptor.atom_residue])
    corners = laid.protein_start[alpha]
    if len(corners) < 5:
        return np.zeros((0, 3))
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes = [np.arange(a + GRID_ANGSTROM / 2, b, GRID_ANGSTROM) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    hull = ConvexHull(corners)
    return np.asarray(points[Delaunay(corners[hull.vertices]).find_simplex(points) >= 0])


def free_volume(points: FloatArray, protein: FloatArray, radii: FloatArray) -> float:
    """Return the volume of the grid points that a probe's centre can stand on.

    Parameters
    ----------
    points : (n_points, 3) float
        Angstrom, each standing for a cube of side :data:`GRID_ANGSTROM`.
    protein : (n_atoms, 3) float
        Angstrom.
    radii : (n_atoms,) float
        Angstrom; the probe's is added.

    Returns
    -------
    float
        Cubic Angstrom.
    """
    if not len(points):
        return 0.0
    reach = radii + PROBE_ANGSTROM
    low, high = points.min(axis=0), points.max(axis=0)
    near = ((protein > low - reach[:, None]) & (protein < high + reach[:, None])).all(axis=1)
    free = np.ones(len(points), dtype=bool)
    for radius in np.unique(reach[near]):
        left = np.flatnonzero(free)
        gap = cKDTree(protein[near & (reach == radius)]).query(points[left], distance_upper_bound=radius)[0]
        free[left[gap < radius]] = False
    return float(free.sum()) * GRID_ANGSTROM**3


def pocket_volume(laid: Laid, points: FloatArray) -> FloatArray | None:
    """Return the pocket's free volume in every frame; the ligand and waters do not count as filling.

    A grid point counts where it lies in the convex hull of the pocket's C-alphas and further from every protein heavy
    atom than its radius (Bondi, J. Phys. Chem. 1964, 68, 441) plus 1.4 A. Openings of the pocket to the outside are
    closed by the hull alone, so differences mean more than the volume itself.

    Parameters
    ----------
    laid : Laid
    points : (n_points, 3) float
        From :func:`pocket_grid` of the wild type.

    Returns
    -------
    (n_replicas, n_frames) float or None
        Cubic Angstrom; NaN in frames that are passed over, where a replica has more than 100; None without a grid.
    """
    if not len(points):
        return None
    receptor = laid.receptor
    heavy = np.flatnonzero((receptor.elements != "H") & laid.chain_residues[receptor.atom_residue])
    radii = np.array([_RADII.get(str(e).upper(), _OTHER_RADIUS) for e in receptor.elements[heavy]])
    out = np.full(laid.shape, np.nan)
    for frame in range(0, laid.shape[1], -(-laid.shape[1] // _MAX_VOLUMES)):
        for replica in range(laid.shape[0]):
            out[replica, frame] = free_volume(points, laid.protein[replica, frame, heavy], radii)
    return out
