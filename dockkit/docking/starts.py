"""Shapes that a docking engine cannot reach by turning bonds: ring puckers and amides the other way round.

An engine that moves torsions alone keeps small rings and amides as its starting conformer has them. The search is
therefore started from several conformers that differ in these, the commonest of ETKDGv3's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolTransforms
from scipy.spatial.distance import pdist

from dockkit.core.model import FloatArray
from dockkit.docking.molecule import embed

N_SAMPLED: Final = 40
"""Conformers that shapes are looked for in."""

N_CLEANED: Final = 3
"""Conformers of a shape that are cleaned up; the one of lowest energy stands for it."""

MIN_SHARE: Final = 0.05
"""A shape of fewer of them is left out."""

SAME_SHAPE: Final = 0.5
"""Angstrom: shapes whose distances all agree better than this are one; axial and equatorial differ by 0.8."""

STRAIN_WINDOW: Final = 4.0
"""kcal/mol, MMFF94s without electrostatics, of the shape's best of three conformers above the molecule's own."""

LARGEST_STIFF_RING: Final = 6
"""Atoms; larger rings are opened and closed again in the search."""

STIFF_BOND: Final = "[CX3](=[O,S])-[#7X3,OX2]"
"""Amides, esters and their like, thio too: the bond between the first and the last atom keeps its torsion."""

_SECONDARY = Chem.MolFromSmarts("[#6,#7,#8:1]-[CX3](=[O,S])-!@[#7X3;H1,$([#7]-[H]),OX2;!$([OX2][H])]-[#6,#7]")
_TERTIARY = Chem.MolFromSmarts("[CX3](=[O,S])-!@[NX3]([#6,#7])[#6,#7]")


def starting_conformers(mol: Chem.Mol, seed: int, limit: int) -> list[Chem.Mol]:
    """Return the molecule in conformers that differ in ring puckers and amides; its own comes first.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit, with a conformer.
    seed : int
        The same seed gives the same conformers.
    limit : int
        At most this many, at least one.

    Returns
    -------
    list of rdkit.Chem.Mol
        One conformer each, atoms in the same order. Secondary amides and esters are trans in all but perhaps the first.
    """
    groups = _stiff_groups(mol)
    if limit < 2 or not groups:
        return [mol]
    sampled = Chem.Mol(mol)
    ids = [k for k in embed(sampled, N_SAMPLED, seed) if _is_trans(sampled, k)]
    own = _shape(np.array(mol.GetConformer().GetPositions()), groups)
    shapes: list[FloatArray] = []
    members: list[list[int]] = []
    for k in ids:
        shape = _shape(np.array(sampled.GetConformer(k).GetPositions()), groups)
        if _same(shape, own):
            continue
        known = next((c for c, other in enumerate(shapes) if _same(shape, other)), None)
        if known is None:
            shapes.append(shape)
            members.append([])
            known = len(members) - 1
        members[known].append(k)
    common = sorted((m for m in members if len(m) >= MIN_SHARE * N_SAMPLED), key=lambda m: (-len(m), m[0]))
    limit_energy = _energy(mol) + STRAIN_WINDOW
    found = [mol]
    for same in common:
        if len(found) == limit:
            break
        best = min((_cleaned(sampled, k) for k in same[:N_CLEANED]), key=_energy)
        if _energy(best) <= limit_energy:
            found.append(best)
    return found


def _stiff_groups(mol: Chem.Mol) -> list[list[int]]:
    """Return the atoms of each saturated small ring with what hangs on it, and of each lopsided tertiary amide."""
    groups = []
    for ring in mol.GetRingInfo().AtomRings():
        atoms = [mol.GetAtomWithIdx(i) for i in ring]
        bendable = sum(not a.GetIsAromatic() and a.GetHybridization() == Chem.HybridizationType.SP3 for a in atoms)
        if 3 < len(ring) <= LARGEST_STIFF_RING and bendable >= 2:
            groups.append(_with_neighbours(mol, ring))
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
    for carbon, _, nitrogen, first, second in mol.GetSubstructMatches(_TERTIARY):
        if ranks[first] != ranks[second]:
            groups.append(_with_neighbours(mol, (carbon, nitrogen)))
    return groups


def _with_neighbours(mol: Chem.Mol, atoms: Sequence[int]) -> list[int]:
    near = {n.GetIdx() for i in atoms for n in mol.GetAtomWithIdx(i).GetNeighbors() if n.GetAtomicNum() > 1}
    return sorted(near | set(atoms))


def _shape(xyz: FloatArray, groups: Sequence[Sequence[int]]) -> FloatArray:
    return np.concatenate([pdist(xyz[list(group)]) for group in groups])


def _same(first: FloatArray, second: FloatArray) -> bool:
    return bool(np.abs(first - second).max() < SAME_SHAPE)


def _is_trans(mol: Chem.Mol, conformer: int) -> bool:
    """Tell whether every acyclic secondary amide or ester has its chains on opposite sides (or its O and C on one)."""
    xyz = mol.GetConformer(conformer)
    return all(
        abs(rdMolTransforms.GetDihedralDeg(xyz, oxygen, carbon, other, beyond)) < 90.0
        for _, carbon, oxygen, other, beyond in mol.GetSubstructMatches(_SECONDARY)
    )


def _cleaned(mol: Chem.Mol, conformer: int) -> Chem.Mol:
    """Return one conformer after MMFF94s, as the record's own conformer is made."""
    alone = Chem.Mol(mol)
    kept = Chem.Conformer(mol.GetConformer(conformer))
    alone.RemoveAllConformers()
    alone.AddConformer(kept, assignId=True)
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(alone):
        rdForceFieldHelpers.MMFFOptimizeMolecule(alone, mmffVariant="MMFF94s", maxIters=1000)
    return alone


def _energy(mol: Chem.Mol) -> float:
    """Return the MMFF94s energy without electrostatics, which in vacuum would favour folded shapes; kcal/mol."""
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
    if properties is None:
        return 0.0
    properties.SetMMFFEleTerm(False)
    return float(rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties).CalcEnergy())
