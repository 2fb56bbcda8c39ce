"""A 3-D conformer: ETKDGv3 distance geometry, then a force-field clean-up."""

from __future__ import annotations

from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray

_MG_OXYGEN = 2.05
"""Mg-O distance, Angstrom: 2.0-2.1 in crystals (Harding, Acta Cryst. D 2006, 62, 678)."""

_CLEANUP_STEPS = 500


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
    seed = seed % (2**31 - 1)
    contacts = _mg_contacts(molecule)
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = seed
    with BlockLogs():
        if contacts:
            settings.SetBoundsMat(_chelate_bounds(molecule, contacts))
        done = rdDistGeom.EmbedMolecule(molecule, settings)
        if done != 0:
            settings.useRandomCoords = True
            settings.maxIterations = 1000
            done = rdDistGeom.EmbedMolecule(molecule, settings)
        if done != 0:
            raise LigandError(
                f"{name}: no 3-D conformer could be made; check the stereochemistry or give a 3-D SDF file"
            )
        _clean_up(molecule, contacts)


def _clean_up(molecule: Chem.Mol, contacts: list[tuple[int, int]]) -> None:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94s")
    if properties is None:
        if rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
            rdForceFieldHelpers.UFFOptimizeMolecule(molecule, maxIters=_CLEANUP_STEPS)
        return
    if contacts:
        properties.SetMMFFEleTerm(False)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(molecule, properties)
    for ion, oxygen in contacts:
        field.MMFFAddDistanceConstraint(ion, oxygen, False, _MG_OXYGEN - 0.05, _MG_OXYGEN + 0.05, 500.0)
    field.Initialize()
    field.Minimize(maxIts=_CLEANUP_STEPS)


def _mg_contacts(molecule: Chem.Mol) -> list[tuple[int, int]]:
    """Return the (ion, oxygen) pairs of a nucleotide chelate: no oxygen is shared."""
    ions = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetSymbol() == "Mg"]
    chain = _phosphates(molecule)
    if not ions or len(chain) < 2:
        return []
    first, last = chain[0], chain[-1]
    if len(chain) == 2:
        pairs = [(first[0], last[0]), (first[1], last[1])]
    else:
        pairs = [(chain[-2][0], last[0]), (first[0], last[1])]
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
    """Return distance bounds (upper triangle: upper limits) with the Mg-O contacts set."""
    bounds: FloatArray = rdDistGeom.GetMoleculeBoundsMatrix(molecule)
    ions = {ion for ion, _ in contacts}
    for ion in ions:
        for other in range(molecule.GetNumAtoms()):
            low, high = min(ion, other), max(ion, other)
            if other != ion and (ion, other) not in contacts:
                floor = 4.0 if other in ions else 2.6
                bounds[high, low] = max(bounds[high, low], floor) if bounds[low, high] > floor else bounds[high, low]
    for ion, oxygen in contacts:
        low, high = min(ion, oxygen), max(ion, oxygen)
        bounds[low, high], bounds[high, low] = _MG_OXYGEN + 0.1, _MG_OXYGEN - 0.1
    return bounds


def positions(molecule: Chem.Mol) -> FloatArray:
    """Return the coordinates of the only conformer, (n_atoms, 3), Angstrom."""
    return np.array(molecule.GetConformer().GetPositions(), dtype=np.float64)
