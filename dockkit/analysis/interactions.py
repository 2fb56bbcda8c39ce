"""Interactions between ligand and protein in every frame, residue by residue and kind by kind.

The field's library for this, ProLIF, brings MDAnalysis and eleven more packages and turns every frame into RDKit
molecules; what is needed here is distances and angles of known atoms, so it is written with arrays over all frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dockkit.analysis.chemistry import Features, ligand_features, residue_features
from dockkit.analysis.frames import Laid, Sites
from dockkit.analysis.geometry import HBOND_DISTANCE, is_hydrogen_bond
from dockkit.core.model import FloatArray, IntArray

KINDS = (
    "hydrogen bond", "salt bridge", "metal", "halogen bond", "π stacking", "cation-π", "hydrophobic", "water bridge",
)  # fmt: skip
"""Kinds of interaction, in the order of reports."""

HYDROPHOBIC_ANGSTROM = 4.5
"""Between apolar atoms: two carbons' radii (1.7 A, Bondi 1964) and most of a water's diameter do not fit between."""

SALT_BRIDGE_ANGSTROM = 4.0
"""Between charged atoms: Barlow & Thornton, J. Mol. Biol. 1983, 168, 867."""

METAL_ANGSTROM = 2.8
"""Metal to ligand atom: Harding, Acta Cryst. D 2001, 57, 401 (Mg-O 2.07, Ca-O 2.36), with room for heat."""

HALOGEN_ANGSTROM, HALOGEN_DEGREES = 3.5, 140.0
"""Halogen to acceptor, and the angle at the halogen: Auffinger et al., Proc. Natl. Acad. Sci. USA 2004, 101, 16789."""

STACKING_ANGSTROM, STACKING_OFFSET_ANGSTROM = 5.5, 2.0
"""Between ring centres, and how far one may stand beside the other's axis (McGaughey et al., J. Biol. Chem. 1998)."""

CATION_PI_ANGSTROM = 6.0
"""Cation to ring centre: Gallivan & Dougherty, PNAS 1999, 96, 9459; within 45 degrees of its axis."""

_NEAR_ANGSTROM = 7.0
_EDGE_ANGSTROM = 6.5

Frames = NDArray[np.bool_]


def near_residues(laid: Laid) -> IntArray:
    """Return residues (amino acids, ions) with an atom within 7 A of the ligand in any tenth frame."""
    every = max(1, laid.shape[1] // 10)
    chosen = np.zeros(laid.receptor.n_residues, dtype=bool)
    water = laid.receptor.residue_names == "HOH"
    for protein, small in zip(laid.protein[:, ::every], laid.small[:, ::every], strict=True):
        for xyz, ligand in zip(protein, small, strict=True):
            low, high = ligand.min(axis=0) - _NEAR_ANGSTROM, ligand.max(axis=0) + _NEAR_ANGSTROM
            boxed = np.flatnonzero(((xyz > low) & (xyz < high)).all(axis=1))
            gap = np.square(xyz[boxed, None] - ligand[None]).sum(axis=-1).min(axis=1)
            chosen[laid.receptor.atom_residue[boxed[gap <= _NEAR_ANGSTROM**2]]] = True
    return np.flatnonzero(chosen & ~water)


def _distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return (..., n, m) distances between (..., n, 3) and (..., m, 3)."""
    return np.asarray(np.linalg.norm(first[..., :, None, :] - second[..., None, :, :], axis=-1))


def _within(first: FloatArray, second: FloatArray, limit: float) -> Frames:
    if not first.shape[2] or not second.shape[2]:
        return np.zeros(first.shape[:2], dtype=bool)
    return np.asarray((_distances(first, second) <= limit).any(axis=(2, 3)))


def _donations(
    xyz: FloatArray, donors: dict[int, IntArray], other: FloatArray, acceptors: IntArray
) -> Iterator[tuple[int, int, Frames]]:
    """Yield donor, acceptor and the frames in which their hydrogen bond is there."""
    for heavy, hydrogens in donors.items():
        for acceptor in acceptors.tolist():
            near = np.linalg.norm(xyz[:, :, heavy] - other[:, :, acceptor], axis=-1) <= HBOND_DISTANCE
            if near.any():
                bonds = [
                    is_hydrogen_bond(xyz[:, :, heavy], xyz[:, :, h], other[:, :, acceptor]) for h in hydrogens.tolist()
                ]
                yield heavy, acceptor, np.logical_or.reduce(bonds)


def _rings(xyz: FloatArray, rings: tuple[IntArray, ...]) -> list[tuple[FloatArray, FloatArray]]:
    """Return centre and unit normal of each ring in every frame."""
    out = []
    for ring in rings:
        points = xyz[:, :, ring]
        centre = points.mean(axis=2)
        _, _, axes = np.linalg.svd(points - centre[:, :, None])
        out.append((centre, axes[:, :, 2]))
    return out


def _stacked(first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray]) -> Frames:
    """Tell where two rings lie face to face or edge to face."""
    between = second[0] - first[0]
    distance = np.linalg.norm(between, axis=-1)
    cosine = np.abs((first[1] * second[1]).sum(axis=-1))
    heights = [np.abs((between * normal).sum(axis=-1)) for _, normal in (first, second)]
    offset = np.sqrt(np.maximum(distance**2 - np.maximum(*heights) ** 2, 0.0))
    face = (distance <= STACKING_ANGSTROM) & (cosine >= np.cos(np.deg2rad(35.0)))
    edge = (distance <= _EDGE_ANGSTROM) & (cosine <= np.cos(np.deg2rad(60.0)))
    return np.asarray((face | edge) & (offset <= STACKING_OFFSET_ANGSTROM))


def _over_ring(cations: FloatArray, ring: tuple[FloatArray, FloatArray]) -> Frames:
    between = cations - ring[0][:, :, None]
    distance = np.linalg.norm(between, axis=-1)
    height = np.abs((between * ring[1][:, :, None]).sum(axis=-1))
    return np.asarray(((distance <= CATION_PI_ANGSTROM) & (height >= distance * np.cos(np.pi / 4))).any(axis=2))


def _halogen_bonds(small: FloatArray, halogens: IntArray, acceptors: FloatArray) -> Frames:
    out = np.zeros(small.shape[:2], dtype=bool)
    for halogen, carbon in halogens.tolist():
        to_acceptor = acceptors - small[:, :, [halogen]]
        to_carbon = small[:, :, [carbon]] - small[:, :, [halogen]]
        distance = np.linalg.norm(to_acceptor, axis=-1)
        cosine = (to_acceptor * to_carbon).sum(axis=-1) / (distance * np.linalg.norm(to_carbon, axis=-1))
        out |= ((distance <= HALOGEN_ANGSTROM) & (cosine <= np.cos(np.deg2rad(HALOGEN_DEGREES)))).any(axis=2)
    return out


def _of_residue(
    laid: Laid, own: Features, residue: Features, ligand_rings: list[tuple[FloatArray, FloatArray]]
) -> dict[str, Frames]:
    protein, small = laid.protein, laid.small
    bonds = [made for *_, made in _donations(protein, residue.donors, small, own.acceptors)]
    bonds += [made for *_, made in _donations(small, own.donors, protein, residue.acceptors)]
    found = {"hydrogen bond": np.logical_or.reduce(bonds)} if bonds else {}
    pairs = ((residue.cations, own.anions), (residue.anions, own.cations))
    found["salt bridge"] = np.logical_or.reduce(
        [_within(protein[:, :, i], small[:, :, j], SALT_BRIDGE_ANGSTROM) for i, j in pairs]
    )
    metals = ((residue.metals, own.donors_to_metal), (residue.donors_to_metal, own.metals))
    found["metal"] = np.logical_or.reduce(
        [_within(protein[:, :, i], small[:, :, j], METAL_ANGSTROM) for i, j in metals]
    )
    found["hydrophobic"] = _within(protein[:, :, residue.apolar], small[:, :, own.apolar], HYDROPHOBIC_ANGSTROM)
    if len(own.halogens) and len(residue.acceptors):
        found["halogen bond"] = _halogen_bonds(small, own.halogens, protein[:, :, residue.acceptors])
    rings = _rings(protein, residue.rings)
    if rings and ligand_rings:
        found["π stacking"] = np.logical_or.reduce([_stacked(a, b) for a in rings for b in ligand_rings])
    over = [_over_ring(small[:, :, own.cations], ring) for ring in rings if len(own.cations)]
    over += [_over_ring(protein[:, :, residue.cations], ring) for ring in ligand_rings if len(residue.cations)]
    if over:
        found["cation-π"] = np.logical_or.reduce(over)
    return found


def fingerprint(laid: Laid) -> dict[tuple[int, str], Frames]:
    """Return which interactions each residue makes with the ligand in every frame.

    Parameters
    ----------
    laid : Laid

    Returns
    -------
    dict of (residue index, kind) to (n_replicas, n_frames) bool
        Only those that occur in some frame; nothing without a ligand.
    """
    if laid.ligand is None or not len(laid.small_start):
        return {}
    own = ligand_features(laid.ligand)
    rings = _rings(laid.small, own.rings)
    out: dict[tuple[int, str], Frames] = {}
    near = near_residues(laid)
    for residue in near.tolist():
        found = _of_residue(laid, own, residue_features(laid.receptor, residue), rings)
        out.update({(residue, kind): frames for kind, frames in found.items() if frames.any()})
    for residue, frames in water_bridges(laid, own, near).items():
        out[(residue, "water bridge")] = frames
    return out


def hinge_bonds(laid: Laid, sites: Sites) -> FloatArray | None:
    """Return the number of hydrogen bonds between ligand and the main chain of the hinge.

    Parameters
    ----------
    laid : Laid
    sites : Sites

    Returns
    -------
    (n_replicas, n_frames) float or None
        None without a ligand or where the hinge is not known.
    """
    if laid.ligand is None or not sites.hinge:
        return None
    own = ligand_features(laid.ligand)
    count = np.zeros(laid.shape)
    for residue in np.flatnonzero(np.isin(laid.uniprot, sites.hinge)).tolist():
        features = residue_features(laid.receptor, residue)
        main = laid.atoms(residue, ("N", "O"))
        donors = {heavy: hydrogens for heavy, hydrogens in features.donors.items() if heavy in main}
        for *_, made in _donations(laid.protein, donors, laid.small, own.acceptors):
            count += made
        for *_, made in _donations(laid.small, own.donors, laid.protein, np.intersect1d(main, features.acceptors)):
            count += made
    return count


# --------------------------------------------------------------------------------------------------- waters


def _waters(laid: Laid) -> FloatArray:
    """Return O, H, H of every water that is kept in the receptor or near the ligand, (R, F, n, 3, 3)."""
    parts = [laid.waters]
    for residue in np.flatnonzero(laid.receptor.residue_names == "HOH").tolist():
        atoms = laid.receptor.atom_indices(residue)
        oxygen = atoms[laid.receptor.elements[atoms] == "O"]
        hydrogens = atoms[laid.receptor.elements[atoms] == "H"]
        if len(oxygen) == 1 and len(hydrogens) == 2:
            parts.append(laid.protein[:, :, np.concatenate([oxygen, hydrogens])][:, :, None])
    return np.concatenate(parts, axis=2)


def _bound_waters(waters: FloatArray, xyz: FloatArray, donors: dict[int, IntArray], acceptors: IntArray) -> Frames:
    """Return which waters have a hydrogen bond with any of these donors or acceptors, (R, F, n_waters)."""
    oxygen = waters[:, :, :, 0]
    out = np.zeros(oxygen.shape[:3], dtype=bool)
    for heavy, hydrogens in donors.items():
        for hydrogen in hydrogens.tolist():
            out |= is_hydrogen_bond(xyz[:, :, [heavy]], xyz[:, :, [hydrogen]], oxygen)
    for acceptor in acceptors.tolist():
        for k in (1, 2):
            out |= is_hydrogen_bond(oxygen, waters[:, :, :, k], xyz[:, :, [acceptor]])
    return out


def water_bridges(laid: Laid, own: Features, near: IntArray) -> dict[int, Frames]:
    """Return which residues are bridged to the ligand by one water in every frame.

    Parameters
    ----------
    laid : Laid
    own : Features
        Of the ligand.
    near : (n,) int
        Residues to look at.

    Returns
    -------
    dict of int to (n_replicas, n_frames) bool
        Residues bridged in some frame.
    """
    waters = _waters(laid)
    if not waters.shape[2]:
        return {}
    bound = _bound_waters(waters, laid.small, own.donors, own.acceptors)
    kept = bound.any(axis=(0, 1))
    waters, bound = waters[:, :, kept], bound[:, :, kept]
    out: dict[int, Frames] = {}
    for residue in near.tolist() if kept.any() else []:
        features = residue_features(laid.receptor, residue)
        both = bound & _bound_waters(waters, laid.protein, features.donors, features.acceptors)
        if both.any():
            out[residue] = np.asarray(both.any(axis=2))
    return out
