"""A 3-D conformer: ETKDGv3 distance geometry, then a force-field clean-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rdkit import Chem, DistanceGeometry
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray

_MG_OXYGEN = 2.05
"""Mg-O distance, Angstrom: 2.0-2.1 in crystals (Harding, Acta Cryst. D 2006, 62, 678)."""

_ION_ION, _FAR = 3.4, 30.0
_CLEARANCE = {"O": 2.9, "P": 2.9, "H": 2.6}
"""How close ions and atoms that are not in contact may come, Angstrom; 3.0 for other elements."""

_RESTRAINT = 2000.0
"""Force constant of the ion distances, kcal/mol/A^2."""

_SHORTEST, _LONGEST = 0.75, 1.25
"""Bond lengths that are believed, relative to the sum of covalent radii."""

_CLOSE_HEAVY, _CLOSE_HYDROGEN = 2.4, 1.4
"""Angstrom: atoms more than three bonds apart come no closer; a short hydrogen bond has 1.5."""

_CLEANUP_STEPS = 1000
_ATTEMPTS, _ATTEMPT_STRIDE = 8, 1_000_003
_EMBED_ITERATIONS, _GIVE_UP = 100, 1


def embed(molecule: Chem.Mol, name: str, seed: int) -> None:
    """Give the molecule one conformer, in place.

    ETKDGv3 (Wang, Witek, Landrum and Riniker, J. Chem. Inf. Model. 2020, 60, 2044), then MMFF94s, or UFF where MMFF
    has no parameters. A nucleotide with Mg2+ gets its ions on the phosphates as in PDB 1RDQ: one between the last two
    phosphates, one between the first and the last.

    Parameters
    ----------
    molecule : Chem.Mol
        All hydrogens explicit.
    name : str
        For messages.
    seed : int
        Same seed, same conformer.

    Raises
    ------
    LigandError
        No conformer could be made.
    """
    contacts = _mg_contacts(molecule)
    problem = "distance geometry finds none"
    with BlockLogs():
        bounds = _chelate_bounds(molecule, contacts) if contacts else None
        for attempt in range(_ATTEMPTS):
            if not _embed_once(molecule, bounds, (seed + 1 + attempt * _ATTEMPT_STRIDE) % (2**31 - 1)):
                if attempt >= _GIVE_UP:
                    break
                continue
            _clean_up(molecule, contacts)
            problem = geometry_problem(molecule)
            if not problem and _ions_in_place(molecule, contacts):
                return
    raise LigandError(
        f"{name}: no 3-D conformer could be made ({problem}); check the stereochemistry or give a 3-D SDF file"
    )


def geometry_problem(molecule: Chem.Mol) -> str:
    """Return what is wrong with a conformer, empty where nothing is.

    Checked are the stereochemistry against the molecule's own, bond lengths against covalent radii (a ring threaded by
    a bond shows as a long bond), and the distances of atoms more than three bonds apart.

    Parameters
    ----------
    molecule : Chem.Mol
        All hydrogens explicit, one conformer.
    """
    points = positions(molecule)
    if not np.isfinite(points).all():
        return "coordinates are not finite"
    return _stereo_problem(molecule) or _bond_problem(molecule, points) or _clash(molecule, points)


def _stereo_problem(molecule: Chem.Mol) -> str:
    wanted = Chem.RemoveHs(molecule)
    found = Chem.Mol(molecule)
    Chem.AssignStereochemistryFrom3D(found)
    found = Chem.RemoveHs(found)
    same = found.GetSubstructMatch(wanted, useChirality=True)
    return "" if len(same) == wanted.GetNumAtoms() else "the clean-up changed the stereochemistry"


def _bond_problem(molecule: Chem.Mol, points: FloatArray) -> str:
    table = Chem.GetPeriodicTable()
    for bond in molecule.GetBonds():
        a, b = bond.GetBeginAtom(), bond.GetEndAtom()
        usual = table.GetRcovalent(a.GetAtomicNum()) + table.GetRcovalent(b.GetAtomicNum())
        length = float(np.linalg.norm(points[a.GetIdx()] - points[b.GetIdx()]))
        if not _SHORTEST * usual < length < _LONGEST * usual:
            return f"a {a.GetSymbol()}-{b.GetSymbol()} bond of {length:.2f} A"
    return ""


def _clash(molecule: Chem.Mol, points: FloatArray) -> str:
    bonds = np.asarray(Chem.GetDistanceMatrix(molecule))
    hydrogen = np.array([atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms()])
    near = np.where(hydrogen[:, None] | hydrogen[None], _CLOSE_HYDROGEN, _CLOSE_HEAVY)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    metal = np.array([atom.GetDegree() == 0 for atom in molecule.GetAtoms()])
    pairs = (bonds > 3) & (distances < near) & ~(metal[:, None] | metal[None])
    return f"atoms {distances[pairs].min():.2f} A apart" if pairs.any() else ""


def _embed_once(molecule: Chem.Mol, bounds: FloatArray | None, seed: int) -> bool:
    """Make one conformer: ETKDGv3, again from random coordinates, then without its knowledge of torsions (cages)."""
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed, settings.maxIterations = seed, _EMBED_ITERATIONS
    if bounds is not None:
        settings.SetBoundsMat(bounds)
    if rdDistGeom.EmbedMolecule(molecule, settings) == 0:
        return True
    settings.useRandomCoords = True
    if rdDistGeom.EmbedMolecule(molecule, settings) == 0:
        return True
    settings.useBasicKnowledge = settings.useExpTorsionAnglePrefs = False
    return bool(rdDistGeom.EmbedMolecule(molecule, settings) == 0)


def _ions_in_place(molecule: Chem.Mol, contacts: list[tuple[int, int]]) -> bool:
    if not contacts:
        return True
    points = positions(molecule)
    wanted = _ion_distances(molecule, contacts)
    distances = ((float(np.linalg.norm(points[i] - points[j])), near, far) for i, j, near, far in wanted)
    return all(near - 0.2 < distance < far + 0.2 for distance, near, far in distances)


def _clean_up(molecule: Chem.Mol, contacts: list[tuple[int, int]]) -> None:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94s")
    if properties is None:
        if rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
            rdForceFieldHelpers.UFFOptimizeMolecule(molecule, maxIters=_CLEANUP_STEPS)
        return
    if contacts:
        properties.SetMMFFEleTerm(False)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(molecule, properties, ignoreInterfragInteractions=False)
    for ion, other, near, far in _ion_distances(molecule, contacts):
        field.MMFFAddDistanceConstraint(ion, other, False, near, far, _RESTRAINT)
    field.Initialize()
    field.Minimize(maxIts=_CLEANUP_STEPS)


def _ion_distances(molecule: Chem.Mol, contacts: list[tuple[int, int]]) -> Iterator[tuple[int, int, float, float]]:
    """Yield (ion, atom, shortest, longest distance): contacts are tight, everything else stays clear."""
    ions = sorted({ion for ion, _ in contacts})
    for ion in ions:
        for atom in molecule.GetAtoms():
            other = atom.GetIdx()
            if (ion, other) in contacts:
                yield ion, other, _MG_OXYGEN - 0.05, _MG_OXYGEN + 0.05
            elif other not in ions:
                yield ion, other, _CLEARANCE.get(atom.GetSymbol(), 3.0), _FAR
            elif other > ion:
                yield ion, other, _ION_ION, _FAR


def _mg_contacts(molecule: Chem.Mol) -> list[tuple[int, int]]:
    """Return the (ion, oxygen) pairs of a nucleotide chelate: no oxygen is shared."""
    ions = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetSymbol() == "Mg"]
    chain = _phosphates(molecule)
    if not ions or len(chain) < 2:
        return []
    first, last = chain[0], chain[-1]
    pairs = [(chain[-2][0], last[0]), (first[-1], last[-1])]
    return [(ion, oxygen) for ion, pair in zip(ions, pairs, strict=False) for oxygen in pair]


def _phosphates(molecule: Chem.Mol) -> list[list[int]]:
    """Return the terminal oxygens of each phosphate, from the sugar outwards."""
    phosphorus = [atom for atom in molecule.GetAtoms() if atom.GetSymbol() == "P"]
    sugar = molecule.GetSubstructMatches(Chem.MolFromSmarts("[#6]OP"))
    if not phosphorus or not sugar:
        return []
    distances = Chem.GetDistanceMatrix(molecule)[sugar[0][0]]
    phosphorus.sort(key=lambda atom: float(distances[atom.GetIdx()]))
    return [[n.GetIdx() for n in atom.GetNeighbors() if n.GetDegree() == 1] for atom in phosphorus]


def _chelate_bounds(molecule: Chem.Mol, contacts: list[tuple[int, int]]) -> FloatArray:
    """Return smoothed distance bounds (upper triangle: longest, lower triangle: shortest) with the ions in place."""
    bounds: FloatArray = rdDistGeom.GetMoleculeBoundsMatrix(molecule)
    for ion, other, near, far in _ion_distances(molecule, contacts):
        low, high = min(ion, other), max(ion, other)
        bounds[low, high], bounds[high, low] = far, near
    if not DistanceGeometry.DoTriangleSmoothing(bounds):
        raise LigandError("the magnesium ions do not fit on the phosphates")
    return bounds


def positions(molecule: Chem.Mol) -> FloatArray:
    """Return the coordinates of the only conformer, (n_atoms, 3), Angstrom."""
    return np.array(molecule.GetConformer().GetPositions(), dtype=np.float64)
