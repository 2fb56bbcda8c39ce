"""Backbone fragments of the bundled structures: stretches whose flanks fit a gap, and how often torsions occur."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dockkit.core.errors import StoreError
from dockkit.core.geometry import dihedral
from dockkit.core.library import library_dir
from dockkit.core.model import FloatArray, IntArray, StrArray
from dockkit.core.residues import one_letter
from dockkit.structure.library import catalogue

BACKBONE: Final = ("N", "CA", "C")
PEPTIDE_BOND_LIMIT: Final = 2.0
"""A C-N distance beyond this is a break, Angstrom."""

BIN: Final = 10.0
"""Width of a bin of the torsion map, degrees."""

CLASSES: Final = ("general", "G", "P", "before P", "turn")
"""Residues with a torsion map of their own; ``turn`` is Asn and Asp, which take left-handed torsions."""


@dataclass(frozen=True, slots=True)
class FragmentLibrary:
    """The backbones of the bundled crystal structures, one chain after another.

    Parameters
    ----------
    entries : (n,) str
        Name of the structure of each residue.
    kinases : (n,) str
        UniProt accession.
    numbers : (n,) int
        Residue numbers as in the structure's file.
    letters : (n,) str
    backbone : (n, 3, 3) float
        N, CA, C, Angstrom.
    links : (n,) int
        Residues of one unbroken stretch share a number.
    torsions : (n, 2) float
        phi, psi, degrees; NaN at the ends.
    """

    entries: StrArray
    kinases: StrArray
    numbers: IntArray
    letters: StrArray
    backbone: FloatArray
    links: IntArray
    torsions: FloatArray

    def windows(self, length: int) -> IntArray:
        """Return the first residue of every unbroken stretch of this length."""
        first = np.arange(max(0, len(self.links) - length + 1))
        return np.asarray(first[self.links[first] == self.links[first + length - 1]])


@cache
def fragment_library() -> FragmentLibrary:
    """Read the backbones of the library's crystal structures (models are left out).

    Raises
    ------
    StoreError
        A bundled file cannot be read.
    """
    entries: list[str] = []
    kinases: list[str] = []
    numbers: list[int] = []
    letters: list[str] = []
    backbone: list[FloatArray] = []
    links: list[int] = []
    for entry in catalogue():
        if entry.modelled:
            continue
        found = _read_backbone(library_dir("structures") / entry.file, links[-1] + 1 if links else 0)
        entries += [entry.name] * len(found[0])
        kinases += [entry.uniprot] * len(found[0])
        numbers += found[0]
        letters += found[1]
        backbone += found[2]
        links += found[3]
    xyz, joined = np.array(backbone), np.array(links)
    return FragmentLibrary(
        np.array(entries), np.array(kinases), np.array(numbers), np.array(letters), xyz, joined, _torsions(xyz, joined)
    )


def _read_backbone(path: Path, link: int) -> tuple[list[int], list[str], list[FloatArray], list[int]]:
    """Read numbers, letters, N CA C and unbroken stretches (counted from ``link``) of a bundled file."""
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise StoreError(f"{path}: the bundled structure cannot be read ({error}); install dockkit again") from error
    numbers: list[int] = []
    letters: list[str] = []
    backbone: list[FloatArray] = []
    links: list[int] = []
    for residue in structure[0][0]:
        atoms = {atom.name: atom.pos.tolist() for atom in residue if atom.name in BACKBONE}
        if len(atoms) < len(BACKBONE):
            link += 1
            continue
        xyz = np.array([atoms[name] for name in BACKBONE])
        if backbone and np.linalg.norm(xyz[0] - backbone[-1][2]) > PEPTIDE_BOND_LIMIT:
            link += 1
        numbers.append(residue.seqid.num or 0)
        letters.append(one_letter(residue.name))
        backbone.append(xyz)
        links.append(link)
    return numbers, letters, backbone, links


def _torsions(backbone: FloatArray, links: IntArray) -> FloatArray:
    joined = links[1:] == links[:-1]
    found = np.full((len(links), 2), np.nan)
    n, ca, c = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    found[1:, 0] = np.where(joined, dihedral(c[:-1], n[1:], ca[1:], c[1:]), np.nan)
    found[:-1, 1] = np.where(joined, dihedral(n[:-1], ca[:-1], c[:-1], n[1:]), np.nan)
    return found


def residue_class(letter: str, following: str) -> int:
    """Return which torsion map holds for a residue, an index into ``CLASSES``."""
    if letter in "GP":
        return CLASSES.index(letter)
    if following == "P":
        return CLASSES.index("before P")
    return CLASSES.index("turn" if letter in "ND" else "general")


@cache
def torsion_maps() -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Return the observed (phi, psi) pairs of each class and their smoothed log densities.

    Returns
    -------
    pairs : tuple of (n, 2) float
        Degrees, one array per class.
    scores : (n_classes, 36, 36) float
        log of density over the mean density of the map; indexed by phi and psi from -180 in steps of 10 degrees.
    """
    library = fragment_library()
    whole = np.isfinite(library.torsions).all(axis=1)
    following = np.append(library.letters[1:], "")
    kinds = np.array([residue_class(a, b) for a, b in zip(library.letters, following, strict=True)])
    pairs = tuple(library.torsions[whole & (kinds == index)] for index in range(len(CLASSES)))
    bins = int(360 / BIN)
    scores = np.empty((len(CLASSES), bins, bins))
    for index, found in enumerate(pairs):
        counts, *_ = np.histogram2d(found[:, 0], found[:, 1], bins=bins, range=[[-180, 180], [-180, 180]])
        if CLASSES[index] == "G":
            counts = counts + counts[::-1, ::-1]
        density = gaussian_filter(counts / counts.sum(), 1.0, mode="wrap")
        scores[index] = np.log((density + 2e-5) * bins * bins)
    return pairs, scores


def torsion_score(phi: FloatArray, psi: FloatArray, classes: IntArray) -> FloatArray:
    """Return log densities of torsions (k, n), degrees, of residues of the given classes (n,)."""
    bins = int(360 / BIN)
    rows = ((phi + 180.0) // BIN).astype(np.int64) % bins
    columns = ((psi + 180.0) // BIN).astype(np.int64) % bins
    return np.asarray(torsion_maps()[1][classes[None], rows, columns])


def draw_torsions(classes: IntArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Return (count, n, 2) phi and psi drawn from the observed pairs of each residue's class, blurred by 8 degrees."""
    pairs, _ = torsion_maps()
    drawn = np.stack([pairs[kind][rng.integers(len(pairs[kind]), size=count)] for kind in classes], axis=1)
    return np.asarray(drawn + rng.normal(scale=8.0, size=drawn.shape))


def fitting_windows(
    before: FloatArray, after: FloatArray, length: int, excluded: NDArray[np.bool_] | None = None
) -> tuple[IntArray, FloatArray]:
    """Find stretches whose flanks superpose on those of a gap.

    Parameters
    ----------
    before, after : (w, 3, 3) float
        N, CA, C of the residues before and after the gap, Angstrom.
    length : int
        Residues in the gap.
    excluded : (n,) bool, optional
        Residues of the library that must not be used.

    Returns
    -------
    first : (m,) int
        Library index of the first flanking residue, best fit first.
    rmsd : (m,) float
        Of the flanks, Angstrom.
    """
    library, width = fragment_library(), len(before)
    first = library.windows(length + 2 * width)
    if excluded is not None:
        first = first[~excluded[first]]
    if len(first) == 0:
        return first, np.zeros(0)
    rows = np.concatenate([np.arange(width), width + length + np.arange(width)])
    mobile = library.backbone[first[:, None] + rows].reshape(len(first), -1, 3)
    target = np.concatenate([before, after]).reshape(-1, 3)
    rmsd = superposed_rmsd(mobile, target)
    order = np.argsort(rmsd, kind="stable")
    return first[order], rmsd[order]


def superposed_rmsd(mobile: FloatArray, target: FloatArray) -> FloatArray:
    """Return the root-mean-square distance after superposing each of (k, n, 3) on (n, 3), (k,) float."""
    p = mobile - mobile.mean(axis=1, keepdims=True)
    q = target - target.mean(axis=0)
    covariance = np.einsum("kni,nj->kij", p, q)
    values = np.linalg.svd(covariance, compute_uv=False)
    values[:, 2] *= np.sign(np.linalg.det(covariance))
    squares = (p**2).sum(axis=(1, 2)) + (q**2).sum() - 2.0 * values.sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) / target.shape[0]))
