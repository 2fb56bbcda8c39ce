"""Atoms that the crystal does not show, placed on those it does: hydrogens, a few missing atoms, freed warheads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign
from rdkit.Geometry import Point3D
from rdkit.rdBase import BlockLogs
from scipy.spatial import cKDTree

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray
from dockkit.ligand.conformer import positions

MAX_MISSING: Final = 6
MAX_MISSING_SHARE: Final = 0.2
"""At most this many heavy atoms, and this share of them, are built."""

FREE: Final = 3.4
"""Angstrom between the freed atom and the residue's atom: van der Waals contact of C and S."""

CLEAR: Final = 3.1
"""Angstrom between moved atoms and the protein."""

_STEPS: Final = 500
_SEEDS: Final = 12
_FORCE: Final = 100.0
_FAR: Final = 99.0
_SHORT_OF: Final = 0.3
"""Angstrom that the freed atom may stay short of contact before all atoms give way."""

_TETHER: Final = 0.2
_TETHER_FORCE: Final = 5.0
"""Angstrom and kcal/mol/A^2: atoms that give way are held back beyond this."""

_REACH: Final = 4
"""Bonds from the freed atom within which atoms that are in no ring may move."""


def with_hydrogens(molecule: Chem.Mol, coordinates: FloatArray) -> Chem.Mol:
    """Return the molecule with hydrogens placed on heavy atoms that stay where they are.

    Parameters
    ----------
    molecule : Chem.Mol
        Heavy atoms, hydrogens implicit.
    coordinates : (n, 3) float
        Angstrom.

    Returns
    -------
    Chem.Mol
        All hydrogens explicit behind the heavy atoms, one conformer; torsions of rotatable hydrogens by MMFF94s.
    """
    bare = Chem.Mol(molecule)
    bare.RemoveAllConformers()
    conformer = Chem.Conformer(bare.GetNumAtoms())
    conformer.SetPositions(np.ascontiguousarray(coordinates, dtype=np.float64))
    bare.AddConformer(conformer)
    full = Chem.AddHs(bare, addCoords=True)
    _minimise(full, frozenset(range(bare.GetNumAtoms())))
    points = positions(full)
    points[: len(coordinates)] = coordinates
    full.GetConformer().SetPositions(points)
    return full


def complete(molecule: Chem.Mol, coordinates: FloatArray, where: str, names: list[str]) -> FloatArray:
    """Return coordinates of all heavy atoms where the last few were not seen in the crystal.

    Parameters
    ----------
    molecule : Chem.Mol
        Heavy atoms; the first ones have coordinates.
    coordinates : (k, 3) float
        Angstrom.
    where : str
        For messages.
    names : list of str
        Names of the missing atoms.

    Returns
    -------
    (n, 3) float
        The given ones unchanged.

    Raises
    ------
    LigandError
        Too many are missing, or they are not at the ends of the molecule.
    """
    n, known = molecule.GetNumAtoms(), len(coordinates)
    listed = ", ".join(names[:12]) + ("..." if len(names) > 12 else "")
    if n - known > max(1, min(MAX_MISSING, int(MAX_MISSING_SHARE * n))):
        raise LigandError(
            f"{where}: {n - known} of {n} heavy atoms are missing in the structure ({listed}); at most {MAX_MISSING} "
            f"and {MAX_MISSING_SHARE:.0%} are built. Take another copy or structure, or dock the ligand"
        )
    seen = Chem.RWMol(molecule)
    for index in range(n - 1, known - 1, -1):
        seen.RemoveAtom(index)
    if len(Chem.GetMolFrags(seen)) > 1:
        raise LigandError(
            f"{where}: atoms are missing in the middle of the molecule ({listed}); take another copy or structure, or "
            "dock the ligand"
        )
    return _built(molecule, coordinates, where)


def _built(molecule: Chem.Mol, coordinates: FloatArray, where: str) -> FloatArray:
    known = len(coordinates)
    full = Chem.AddHs(molecule)
    settings: Any = rdDistGeom.ETKDGv3()
    settings.useRandomCoords = True
    settings.SetCoordMap({k: Point3D(*map(float, xyz)) for k, xyz in enumerate(coordinates)})
    target = Chem.Mol(full)
    target.RemoveAllConformers()
    conformer = Chem.Conformer(full.GetNumAtoms())
    for k, xyz in enumerate(coordinates):
        conformer.SetAtomPosition(k, Point3D(*map(float, xyz)))
    target.AddConformer(conformer)
    best: tuple[float, FloatArray] | None = None
    for seed in range(1, _SEEDS + 1):
        settings.randomSeed = seed
        trial = Chem.Mol(full)
        with BlockLogs():
            if rdDistGeom.EmbedMolecule(trial, settings) != 0:
                continue
        rdMolAlign.AlignMol(trial, target, atomMap=[(k, k) for k in range(known)])
        points = positions(trial)
        points[:known] = coordinates
        trial.GetConformer().SetPositions(points)
        energy = _minimise(trial, frozenset(range(known)))
        if best is None or energy < best[0]:
            best = energy, positions(trial)[: molecule.GetNumAtoms()]
    if best is None:
        raise LigandError(f"{where}: its missing atoms could not be built on those of the structure; dock the ligand")
    best[1][:known] = coordinates
    return best[1]


def free_warhead(
    molecule: Chem.Mol, n_heavy: int, reacted: tuple[int, ...], anchor: FloatArray, nearby: FloatArray
) -> tuple[Chem.Mol, float, float]:
    """Return the molecule with its warhead moved off the atom that it was bonded to, to van der Waals contact.

    Atoms outside rings within four bonds of the freed atom move, by MMFF94s, and keep clear of the protein; the rest
    stays where it is. Where that is not enough (a nitrile on a ring) all atoms give way a little.

    Parameters
    ----------
    molecule : Chem.Mol
        All hydrogens explicit, one conformer; the reacted bond in its unreacted form, with its stereo.
    n_heavy : int
        Heavy atoms come first.
    reacted : tuple of int
        The freed atom first.
    anchor : (3,) float
        The residue's atom, Angstrom.
    nearby : (k, 3) float
        Other heavy atoms of the protein, Angstrom.

    Returns
    -------
    molecule : Chem.Mol
    distance : float
        Of the freed atom from the residue's, Angstrom.
    moved : float
        Largest displacement of a heavy atom, Angstrom.
    """
    freed = reacted[0]
    bonds = np.asarray(Chem.GetDistanceMatrix(molecule))
    mobile = {
        atom.GetIdx()
        for atom in molecule.GetAtoms()
        if atom.GetIdx() < n_heavy and bonds[freed, atom.GetIdx()] <= _REACH and not atom.IsInRing()
    } | set(reacted)
    start = positions(molecule)
    result = Chem.Mol(molecule)
    torsions = _torsions(molecule, reacted)
    for moving in (frozenset(mobile), frozenset(range(n_heavy))):
        close = cKDTree(start[sorted(moving)]).query(nearby)[0] < 6.0 if len(nearby) else np.zeros(0, dtype=bool)
        fixed = frozenset(range(n_heavy)) - moving
        for constrained in (torsions, ()):
            _minimise(result, fixed, anchor=anchor, surroundings=nearby[close], mobile=moving, freed=freed,
                      torsions=constrained)  # fmt: skip
        points = positions(result)
        if float(np.linalg.norm(points[freed] - anchor)) > FREE - _SHORT_OF:
            break
    moved = float(np.linalg.norm(points[:n_heavy] - start[:n_heavy], axis=1).max())
    return result, float(np.linalg.norm(points[freed] - anchor)), moved


def _torsions(molecule: Chem.Mol, reacted: tuple[int, ...]) -> tuple[tuple[int, int, int, int, float], ...]:
    """Return the torsions that a restored double bond prescribes, degrees."""
    if len(reacted) < 2:
        return ()
    bond = molecule.GetBondBetweenAtoms(reacted[0], reacted[1])
    if bond is None or bond.GetStereo() not in (
        Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOTRANS, Chem.BondStereo.STEREOCIS
    ):  # fmt: skip
        return ()
    first, last = bond.GetStereoAtoms()
    trans = bond.GetStereo() in (Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOTRANS)
    return ((first, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), last, 180.0 if trans else 0.0),)


def _minimise(
    molecule: Chem.Mol,
    fixed: frozenset[int],
    *,
    anchor: FloatArray | None = None,
    surroundings: FloatArray | None = None,
    mobile: frozenset[int] = frozenset(),
    freed: int = -1,
    torsions: tuple[tuple[int, int, int, int, float], ...] = (),
) -> float:
    """Minimise in place with some atoms fixed and others kept off the protein; return the energy, kcal/mol."""
    with BlockLogs():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94s")
        if properties is None:
            if not rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
                return 0.0
            field = rdForceFieldHelpers.UFFGetMoleculeForceField(molecule)
        else:
            properties.SetMMFFEleTerm(False)
            field = rdForceFieldHelpers.MMFFGetMoleculeForceField(molecule, properties)
    points = [] if anchor is None else [anchor, *(surroundings if surroundings is not None else ())]
    for point in points:
        field.AddExtraPoint(*map(float, point), fixed=True)
    field.Initialize()
    for index in fixed:
        field.AddFixedPoint(index)
    constrain = field.UFFAddDistanceConstraint if properties is None else field.MMFFAddDistanceConstraint
    twist = field.UFFAddTorsionConstraint if properties is None else field.MMFFAddTorsionConstraint
    hold = field.UFFAddPositionConstraint if properties is None else field.MMFFAddPositionConstraint
    n = molecule.GetNumAtoms()
    for k in range(len(points)):
        for index in mobile:
            near = FREE if k == 0 and index == freed else CLEAR
            constrain(index, n + k, False, near, _FAR, _FORCE)
    for index in mobile if len(mobile) and not fixed else ():
        hold(index, _TETHER, _TETHER_FORCE)
    for a, b, c, d, angle in torsions:
        twist(a, b, c, d, False, angle - 5.0, angle + 5.0, _FORCE)
    field.Minimize(maxIts=_STEPS)
    return float(field.CalcEnergy())
