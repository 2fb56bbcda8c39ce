"""The search box: around a bound ligand, around the KLIFS pocket, or as the user gives it; with its checks.

Edges are parallel to the axes of the structure's file.

References
----------
The pocket is that of KLIFS: 85 residues around the ATP site (van Linden et al., J. Med. Chem. 2014, 57, 249).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import InputError, StructureError
from dockkit.core.model import FloatArray, Kinase, Ligand, Receptor

MARGIN: Final = 6.0
"""Angstrom added on every side of a bound ligand."""

MIN_LIGAND_EDGE: Final = 18.0
"""Angstrom: an edge around a bound ligand is at least this long, so that a larger ligand finds room too."""

POCKET_EDGES: Final = (20.0, 28.0)
"""Angstrom: shortest and longest edge around the pocket's C-alpha atoms."""

EDGE_LIMITS: Final = (8.0, 50.0)
"""Angstrom: edges outside are refused."""

MIN_ATOMS: Final = 40
"""Heavy atoms of the protein that a box must hold; a pocket-sized box in a protein holds several hundred."""

MAX_SHARE: Final = 0.75
"""A box that holds more of the protein's heavy atoms than this is no search of a pocket."""

FOLDED: Final = 0.6
"""A flexible ligand can fold to about this share of its extended length."""


@dataclass(frozen=True, slots=True)
class Box:
    """A search box.

    Parameters
    ----------
    center, size : three floats
        Angstrom.
    source : str
        Where it comes from, for tables.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    source: str

    @property
    def sentence(self) -> str:
        """Centre, size and source in words."""
        x, y, z = self.center
        a, b, c = self.size
        return f"{a:.1f} x {b:.1f} x {c:.1f} A around {x:.1f}, {y:.1f}, {z:.1f} ({self.source})"


def box_around(coordinates: FloatArray, source: str) -> Box:
    """Return the box around a bound ligand, with a margin.

    Parameters
    ----------
    coordinates : (n, 3) float
        Heavy atoms of the ligand, Angstrom.
    source : str
    """
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    return _box(0.5 * (low + high), np.maximum(high - low + 2.0 * MARGIN, MIN_LIGAND_EDGE), source)


def box_of_pocket(receptor: Receptor, kinase: Kinase) -> Box:
    """Return the box around the C-alpha atoms of the annotated pocket.

    Parameters
    ----------
    receptor : Receptor
        Its UniProt numbers count as the kinase does.
    kinase : Kinase

    Raises
    ------
    StructureError
        No residue of the pocket is there.
    """
    pocket = np.isin(receptor.uniprot_numbers, [number for number in kinase.pocket if number])
    inside = pocket[receptor.atom_residue] & (receptor.atom_names == "CA")
    if not inside.any():
        raise StructureError(
            f"{receptor.name}: no residue of the {kinase.gene or kinase.name} pocket is present, so there is no search "
            'box; dockkit dock takes one of your own with --box "x,y,z,a,b,c"'
        )
    xyz = receptor.coordinates[inside]
    center = 0.5 * (xyz.min(axis=0) + xyz.max(axis=0))
    return _box(center, np.clip(np.ptp(xyz, axis=0), *POCKET_EDGES), f"KLIFS pocket of {kinase.gene or kinase.name}")


def parse_box(text: str) -> Box | None:
    """Return the box that a user wrote as six numbers; None for a word.

    Parameters
    ----------
    text : str
        ``x,y,z,a,b,c``: centre and edges, Angstrom; or a word such as ``ligand``.

    Raises
    ------
    InputError
        Numbers, but not six finite ones with edges of a sensible length.
    """
    words = text.replace(",", " ").replace(";", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        if any(character.isdigit() for character in text):
            raise InputError(f"--box '{text}': write ligand, pocket, or six numbers \"x,y,z,a,b,c\"") from None
        return None
    if len(numbers) != 6 or not np.isfinite(numbers).all():
        raise InputError(f"--box '{text}': {len(numbers)} numbers; write six: centre x,y,z and edges a,b,c in Angstrom")
    box = _box(np.array(numbers[:3]), np.array(numbers[3:]), "given")
    _check_edges(box, f"--box '{text}'")
    return box


def check_box(box: Box, receptor: Receptor) -> None:
    """Check that a box is a pocket-sized part of a protein.

    Parameters
    ----------
    box : Box
    receptor : Receptor

    Raises
    ------
    InputError
        It is too small or too large, misses the protein, or holds nearly all of it.
    """
    _check_edges(box, receptor.name)
    heavy = receptor.coordinates[receptor.elements != "H"]
    inside = int(_inside(heavy, box).sum())
    if inside < MIN_ATOMS:
        nearest = float(np.linalg.norm(heavy - np.asarray(box.center), axis=1).min())
        low, high = np.round(heavy.min(axis=0)), np.round(heavy.max(axis=0))
        span = ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
        raise InputError(
            f"{receptor.name}: the search box {box.sentence} holds {inside} heavy atoms of the protein (the nearest is "
            f"{nearest:.1f} A from its centre) and misses the binding site; the protein spans {span}. Give the centre "
            "in the frame of this structure, or --box pocket"
        )
    if inside > MAX_SHARE * len(heavy):
        raise InputError(
            f"{receptor.name}: the search box {box.sentence} holds {inside / len(heavy):.0%} of the protein; "
            "a search needs a pocket: use edges of 20 to 30 A, or --box pocket"
        )


def check_fits(box: Box, ligand: Ligand) -> None:
    """Check that a ligand can lie in a box.

    Parameters
    ----------
    box : Box
    ligand : Ligand
        In any conformer.

    Raises
    ------
    InputError
        Its extent, folded where it is flexible, exceeds the box.
    """
    heavy = ligand.coordinates[ligand.elements != "H"]
    centred = heavy - heavy.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2] if len(heavy) > 2 else np.eye(3)
    extent = np.sort(np.ptp(centred @ axes.T, axis=0))[::-1]
    needed = extent * (FOLDED if _is_flexible(ligand) else 1.0)
    edges = np.sort(np.asarray(box.size))[::-1]
    if (needed[: len(edges)] > edges[: len(needed)]).any():
        longest = float(extent[0])
        raise InputError(
            f"{ligand.name} is {longest:.1f} A long and does not fit in the search box {box.sentence}; "
            f"make its edges at least {np.ceil(longest + 4.0):.0f} A"
        )


def _is_flexible(ligand: Ligand) -> bool:
    mol = Chem.MolFromMolBlock(ligand.mol_block, removeHs=True, sanitize=False)
    turning = Chem.MolFromSmarts("[!D1&!$(*#*)]-&!@[!D1&!$(*#*)]")
    return bool(mol is None or mol.HasSubstructMatch(turning))


def _check_edges(box: Box, where: str) -> None:
    low, high = EDGE_LIMITS
    if min(box.size) < low:
        raise InputError(
            f"{where}: the search box has an edge of {min(box.size):.1f} A; no drug can turn in it. "
            f"Edges must be {low:.0f} to {high:.0f} A, 20 to 30 A are usual"
        )
    if max(box.size) > high:
        raise InputError(
            f"{where}: the search box has an edge of {max(box.size):.1f} A; the search would be lost in it. "
            f"Edges must be {low:.0f} to {high:.0f} A, 20 to 30 A are usual"
        )


def _inside(coordinates: FloatArray, box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((np.abs(coordinates - np.asarray(box.center)) <= 0.5 * np.asarray(box.size)).all(axis=1))


def _box(center: FloatArray, size: FloatArray, source: str) -> Box:
    x, y, z = (round(float(value), 3) for value in center)
    a, b, c = (round(float(value), 3) for value in size)
    return Box((x, y, z), (a, b, c), source)
