"""A box of water with ions around a solute.

Water comes from OpenMM's equilibrated cube of TIP3P; what overlaps the solute or, across the faces of the box, another
water is left out, and randomly chosen waters become ions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from openmm import app, unit
from scipy.spatial import cKDTree

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import Assembly, FloatArray, IntArray, StrArray, freeze
from dockkit.core.records import register

_WATER_BOX = "tip3p.pdb"
_WATER_MOLAR = 55.4
_WATER_CLASH, _SOLUTE_CLASH, _SOLUTE_CLASH_H = 2.35, 2.6, 2.1
_ION_TO_SOLUTE, _ION_TO_ION = 6.0, 5.0


@register
@dataclass(frozen=True, slots=True)
class Solvent:
    """Bulk water and ions around a solute in a periodic box.

    Parameters
    ----------
    solute_shift : (3,) float
        Angstrom; what the solute's coordinates are moved by into the box. Their mean comes to lie at the origin: a
        barostat scales the places of whole molecules from there, so that it leaves restrained ones where they are.
    waters : (n_waters, 3, 3) float
        Angstrom: O, H, H.
    cations, anions : (n, 3) float
        Angstrom: Na+ and Cl-.
    box : (3, 3) float
        Angstrom, rows are the box vectors in OpenMM's reduced form.
    """

    solute_shift: FloatArray
    waters: FloatArray
    cations: FloatArray
    anions: FloatArray
    box: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "solute_shift", np.float64, (3,))
        freeze(self, "waters", np.float64, (None, 3, 3))
        freeze(self, "cations", np.float64, (None, 3))
        freeze(self, "anions", np.float64, (None, 3))
        freeze(self, "box", np.float64, (3, 3))

    @property
    def coordinates(self) -> FloatArray:
        """Waters, then cations, then anions; (n_atoms, 3) Angstrom."""
        return np.concatenate([self.waters.reshape(-1, 3), self.cations, self.anions])


def solvate(
    assembly: Assembly, coordinates: FloatArray, *, padding: float, cutoff: float, molarity: float, seed: int
) -> Solvent:
    """Put a complex into a rhombic dodecahedron of TIP3P water, neutralise it and add salt.

    Parameters
    ----------
    assembly : Assembly
        Gives elements and the total charge.
    coordinates : (n_atoms, 3) float
        Angstrom.
    padding : float
        Water on every side of the solute's bounding sphere, Angstrom: images stay two paddings apart as the solute
        turns.
    cutoff : float
        Angstrom; the box is made large enough for it.
    molarity : float
        Of NaCl, mol/l, beside the ions that neutralise.
    seed : int
        Chooses which waters become ions.

    Returns
    -------
    Solvent
        Waters, ions and the box.

    Raises
    ------
    ForceFieldError
        The complex has no integral charge, or there is no room for the ions.
    """
    middle = 0.5 * (coordinates.min(axis=0) + coordinates.max(axis=0))
    radius = float(np.linalg.norm(coordinates - middle, axis=1).max())
    width = max(2.0 * (radius + padding), 2.4 * cutoff * float(np.sqrt(2.0)))
    box = width * np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, np.sqrt(0.5)]])
    shift = 0.5 * np.diag(box) - middle
    solute = coordinates + shift
    waters = _without_seams(_tiled_waters(np.diag(box)), box)
    waters = waters[_clear_of(waters, solute, assembly.elements, box)]
    return _with_ions(waters, solute, assembly, box, shift, molarity, seed)


@functools.cache
def _water_cube() -> tuple[FloatArray, FloatArray]:
    """Return OpenMM's equilibrated cube of TIP3P water, (n, 3, 3) Angstrom, and its edges."""
    file = app.PDBFile(str(Path(app.__file__).parent / "data" / _WATER_BOX))
    xyz = np.asarray(file.getPositions(asNumpy=True).value_in_unit(unit.angstrom), dtype=np.float64)
    edges = np.diag(np.asarray(file.topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom)))
    return xyz.reshape(-1, 3, 3), edges


def _tiled_waters(brick: FloatArray) -> FloatArray:
    """Return waters whose oxygens fill a brick from the origin."""
    cube, edges = _water_cube()
    cube = cube - np.floor(cube[:, :1] / edges) * edges
    counts = np.ceil(brick / edges).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3) * edges
    tiled = (cube[None] + offsets[:, None, None]).reshape(-1, 3, 3)
    return tiled[(tiled[:, 0] < brick).all(axis=1)]


def _images(box: FloatArray) -> FloatArray:
    steps = np.array([-1.0, 0.0, 1.0])
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) @ box


def _near_brick(xyz: FloatArray, box: FloatArray, reach: float) -> Iterator[tuple[FloatArray, IntArray]]:
    """Yield the periodic images of points that come within reach of the brick, with the points' indices."""
    for shift in _images(box):
        moved = xyz + shift
        near = ((moved > -reach) & (moved < np.diag(box) + reach)).all(axis=1)
        yield moved[near], np.flatnonzero(near)


def _without_seams(waters: FloatArray, box: FloatArray) -> FloatArray:
    """Drop waters that overlap an image of another one across the faces of the brick."""
    oxygen = waters[:, 0]
    tree = cKDTree(oxygen)
    dropped = np.zeros(len(waters), dtype=bool)
    for points, origin in _near_brick(oxygen, box, _WATER_CLASH):
        for hits, other in zip(tree.query_ball_point(points, _WATER_CLASH), origin, strict=True):
            for hit in hits:
                if hit > other and not dropped[other]:
                    dropped[hit] = True
    return waters[~dropped]


def _clear_of(waters: FloatArray, solute: FloatArray, elements: StrArray, box: FloatArray) -> IntArray:
    """Return the waters that overlap no image of the solute."""
    clear = np.ones(len(waters), dtype=bool)
    hydrogen = elements == "H"
    for chosen, distance in ((~hydrogen, _SOLUTE_CLASH), (hydrogen, _SOLUTE_CLASH_H)):
        points = np.concatenate([moved for moved, _ in _near_brick(solute[chosen], box, 2.0 * distance)])
        if len(points):
            clear &= cKDTree(points).query(waters[:, 0], distance_upper_bound=distance)[0] > distance
    return np.flatnonzero(clear)


def _with_ions(
    waters: FloatArray,
    solute: FloatArray,
    assembly: Assembly,
    box: FloatArray,
    shift: FloatArray,
    molarity: float,
    seed: int,
) -> Solvent:
    total = float(assembly.parameters.charges.sum())
    charge = round(total)
    if abs(total - charge) > 0.02:
        raise ForceFieldError(
            f"{assembly.receptor.name} with {assembly.ligand or 'no ligand'}: its charges add up to {total:.3f} e; "
            "a periodic box needs a whole number"
        )
    pairs = round(molarity / _WATER_MOLAR * len(waters))
    signs = [1] * (pairs + max(0, -charge)) + [-1] * (pairs + max(0, charge))
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(waters))
    near = cKDTree(np.concatenate([moved for moved, _ in _near_brick(solute, box, _ION_TO_SOLUTE)]))
    far = near.query(waters[:, 0], distance_upper_bound=_ION_TO_SOLUTE)[0] > _ION_TO_SOLUTE
    places: list[int] = []
    lattice = _images(box)
    for index in order[far[order]]:
        if len(places) == len(signs):
            break
        apart = waters[places, 0][:, None] + lattice - waters[index, 0] if places else np.full((1, 1, 3), np.inf)
        if np.linalg.norm(apart, axis=-1).min() > _ION_TO_ION:
            places.append(int(index))
    if len(places) < len(signs):
        raise ForceFieldError(
            f"{assembly.receptor.name}: no room for {len(signs)} ions in {len(waters)} waters; "
            "raise md.padding_angstrom or lower md.ionic_strength_molar"
        )
    mixed = generator.permutation(np.array(signs, dtype=np.int64))
    where = np.array(places, dtype=np.int64)
    kept = np.setdiff1d(np.arange(len(waters)), where)
    centre = solute.mean(axis=0)
    waters, oxygen = waters - centre, waters[:, 0] - centre
    return Solvent(shift - centre, waters[kept], oxygen[where[mixed > 0]], oxygen[where[mixed < 0]], box)
