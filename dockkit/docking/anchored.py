"""Poses grown from the hinge: a search that knows where an ATP-competitive inhibitor is held.

Vina's Monte Carlo rarely threads a long inhibitor past the gatekeeper. Here each hydrogen-bond acceptor of the ligand
is laid in turn on the backbone N-H of gatekeeper + 3, in many conformers and turns about that bond; the best starts are
refined in rigid-body and torsion space against clashes, contacts and the hinge bond (for type II also the bonds to the
alpha-C Glu and the DFG Asp N-H). The result is a set of candidates for an engine to optimise and score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from dockkit.core.errors import StructureError
from dockkit.core.geometry import unit_vector
from dockkit.core.model import FloatArray, IntArray, Kinase, Ligand, Receptor
from dockkit.docking.molecule import acceptor_atoms, donor_hydrogens, embed, ligand_mol
from dockkit.docking.restraints import Clashes, Restraint, Restraints, energy_and_gradient
from dockkit.docking.torsions import TorsionTree

N_CONFORMERS: Final = 40
N_TURNS: Final = 12
"""Turns about the hinge bond tried for each conformer and acceptor."""

N_REFINED: Final = 60
"""Starts that are refined."""

SITE_RADIUS: Final = 22.0
"""Angstrom around the hinge: protein atoms that the search sees."""

DIFFERENT: Final = 1.5
"""Angstrom, heavy atoms: candidates closer than this are one."""


def anchored_candidates(
    receptor: Receptor, ligand: Ligand, kinase: Kinase, seed: int, n_candidates: int
) -> list[FloatArray]:
    """Return candidate poses that hold on to the hinge, best first.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present, UniProt numbers set.
    ligand : Ligand
        ``entry.binding_type`` II adds the bonds behind the gatekeeper.
    kinase : Kinase
    seed : int
        The same seed gives the same candidates.
    n_candidates : int
        At most this many.

    Returns
    -------
    list of (n_atoms, 3) float
        Angstrom; empty where the ligand has no acceptor or the receptor no complete hinge.
    """
    mol = ligand_mol(ligand)
    acceptors = [int(a) for a in acceptor_atoms(mol) if _may_face_hinge(mol.GetAtomWithIdx(int(a)))]
    anchor = _hinge_anchor(receptor, kinase)
    if anchor is None or not acceptors:
        return []
    nitrogen, outward = anchor
    near = np.linalg.norm(receptor.coordinates - nitrogen, axis=1) < SITE_RADIUS
    index = np.flatnonzero(near & (receptor.elements != "H"))
    heavy = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    clashes = Clashes(mol, heavy, receptor.coordinates[index], receptor.elements[index], sticky=heavy)
    bridge = _bridge_restraints(mol, receptor, kinase, index) if _is_type_two(ligand) else []
    bonds = rotatable_bonds(mol)
    middle = _site_index(index, receptor, kinase)
    held = {a: Restraints([Restraint("hinge", np.array([a]), middle, 2.7, 3.2, 5.0), *bridge]) for a in acceptors}
    scored: list[tuple[float, int, int, FloatArray]] = []
    for conformer in _conformers(mol, seed):
        for acceptor in acceptors:
            for placed in _turned(mol, conformer, acceptor, nitrogen, outward):
                energy, _ = energy_and_gradient(held[acceptor], clashes, placed, clashes.protein)
                scored.append((energy, len(scored), acceptor, placed))
    scored.sort(key=lambda item: item[:2])
    refined = []
    for _, k, acceptor, placed in scored[:N_REFINED]:
        root = [acceptor, *(n.GetIdx() for n in mol.GetAtomWithIdx(acceptor).GetNeighbors())]
        tree = TorsionTree(mol, placed, root, bonds)
        energy, xyz = _refine(tree, held[acceptor], clashes)
        refined.append((energy, k, xyz))
    refined.sort(key=lambda item: item[:2])
    return _distinct([xyz for _, _, xyz in refined], heavy, n_candidates)


def rotatable_bonds(mol: Chem.Mol) -> list[tuple[int, int]]:
    """Return the bonds whose torsion is free: single, acyclic, no amide, and a heavy substituent at either end."""
    amide = Chem.MolFromSmarts("[CX3](=[O,S])-[NX3]")
    stiff = {frozenset((m[0], m[2])) for m in mol.GetSubstructMatches(amide)}
    bonds = []
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        if bond.GetBondType() != Chem.BondType.SINGLE or bond.IsInRing():
            continue
        heavy = [sum(n.GetAtomicNum() > 1 for n in atom.GetNeighbors()) for atom in ends]
        pair = ends[0].GetIdx(), ends[1].GetIdx()
        if min(heavy) >= 2 and frozenset(pair) not in stiff and all(atom.GetAtomicNum() > 1 for atom in ends):
            bonds.append(pair)
    return bonds


def _may_face_hinge(atom: Chem.Atom) -> bool:
    """Tell whether an acceptor is of a kind seen at hinges: aromatic N, nitrile N, or carbonyl O."""
    if atom.GetAtomicNum() == 7:
        return bool(atom.GetIsAromatic() or atom.GetDegree() == 1)
    return bool(atom.GetAtomicNum() == 8 and atom.GetDegree() == 1)


def _is_type_two(ligand: Ligand) -> bool:
    return ligand.entry is not None and ligand.entry.binding_type == "II"


def _atom(receptor: Receptor, number: int, *names: str) -> IntArray:
    try:
        residue = receptor.residue_index(number)
    except StructureError:
        return np.zeros(0, dtype=np.int64)
    atoms = receptor.atom_indices(residue)
    return np.asarray(atoms[np.isin(receptor.atom_names[atoms], names)], dtype=np.int64)


def _hinge_anchor(receptor: Receptor, kinase: Kinase) -> tuple[FloatArray, FloatArray] | None:
    """Position of the N of gatekeeper + 3 and the direction of its N-H bond."""
    middle = kinase.hinge_middle
    parts = [
        _atom(receptor, middle, "N"),
        _atom(receptor, middle, "CA"),
        _atom(receptor, middle - 1, "C"),
    ]
    if any(len(part) != 1 for part in parts):
        return None
    nitrogen, alpha, carbonyl = (receptor.coordinates[int(part[0])] for part in parts)
    return nitrogen, -unit_vector(unit_vector(alpha - nitrogen) + unit_vector(carbonyl - nitrogen))


def _site_index(index: IntArray, receptor: Receptor, kinase: Kinase) -> IntArray:
    return np.flatnonzero(np.isin(index, _atom(receptor, kinase.hinge_middle, "N")))


def _bridge_restraints(mol: Chem.Mol, receptor: Receptor, kinase: Kinase, index: IntArray) -> list[Restraint]:
    """Bonds of a type II inhibitor's amide or urea to the alpha-C Glu and the DFG Asp N."""
    donors = np.unique(donor_hydrogens(mol)[:, 1])
    carbonyls = np.array(
        sorted({m[0] for m in mol.GetSubstructMatches(Chem.MolFromSmarts("[OX1]=[CX3]"))}), dtype=np.int64
    )
    acid = np.flatnonzero(np.isin(index, _atom(receptor, kinase.alpha_c_glutamate, "OE1", "OE2", "OD1", "OD2")))
    amide = np.flatnonzero(np.isin(index, _atom(receptor, kinase.dfg_aspartate, "N")))
    wanted = [("alpha-C Glu", donors, acid), ("DFG Asp N", carbonyls, amide)]
    return [Restraint(name, a, b, 2.6, 3.2, 2.0) for name, a, b in wanted if len(a) and len(b)]


def _conformers(mol: Chem.Mol, seed: int) -> list[FloatArray]:
    copy = Chem.Mol(mol)
    ids = embed(copy, N_CONFORMERS, seed)
    return [np.array(mol.GetConformer().GetPositions()), *(np.array(copy.GetConformer(i).GetPositions()) for i in ids)]


def _turned(
    mol: Chem.Mol, xyz: FloatArray, acceptor: int, nitrogen: FloatArray, outward: FloatArray
) -> list[FloatArray]:
    """Lay the lone pair of an acceptor on the hinge N-H and turn the molecule about it."""
    neighbours = [n.GetIdx() for n in mol.GetAtomWithIdx(acceptor).GetNeighbors() if n.GetAtomicNum() > 1]
    inward = unit_vector(xyz[neighbours].mean(axis=0) - xyz[acceptor])
    align, _ = Rotation.align_vectors(outward[None], inward[None])
    aligned = (xyz - xyz[acceptor]) @ align.as_matrix().T
    target = nitrogen + 2.95 * outward
    turns = [Rotation.from_rotvec(2.0 * np.pi * k / N_TURNS * outward).as_matrix() for k in range(N_TURNS)]
    return [aligned @ turn.T + target for turn in turns]


def _refine(tree: TorsionTree, restraints: Restraints, clashes: Clashes) -> tuple[float, FloatArray]:
    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        xyz = tree.coordinates(x)
        energy, gradient = energy_and_gradient(restraints, clashes, xyz, clashes.protein)
        return energy, tree.gradient(x, xyz, gradient)

    result = minimize(objective, np.zeros(tree.n_variables), jac=True, method="L-BFGS-B", options={"maxiter": 80})
    return float(result.fun), tree.coordinates(result.x)


def _distinct(poses: Sequence[FloatArray], heavy: Sequence[int], n_wanted: int) -> list[FloatArray]:
    kept: list[FloatArray] = []
    for xyz in poses:
        if len(kept) == n_wanted:
            break
        if all(((xyz[heavy] - other[heavy]) ** 2).sum(axis=1).mean() > DIFFERENT**2 for other in kept):
            kept.append(xyz)
    return kept
