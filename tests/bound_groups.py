"""Hetero groups for tests, made from SMILES or from the component dictionary."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.model import HetGroup
from dockkit.ligand.components import component


def conformer(smiles: str, seed: int = 11) -> Chem.Mol:
    """Return a molecule with hydrogens and one minimised conformer."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=seed) == 0
    if AllChem.MMFFHasAllMoleculeParams(molecule):
        AllChem.MMFFOptimizeMolecule(molecule, maxIters=2000)
    return molecule


def from_smiles(
    smiles: str, code: str = "ZZZ99", *, number: int = 900, seed: int = 11, shuffle: bool = True
) -> HetGroup:
    """Return a group with meaningless atom names, its atoms in another order than in the SMILES."""
    molecule = conformer(smiles, seed)
    heavy = np.array([atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1])
    if shuffle:
        heavy = np.random.default_rng(seed).permutation(heavy)
    return HetGroup(
        code,
        "A",
        number,
        "",
        np.array([f"X{k}" for k in range(len(heavy))]),
        np.array([molecule.GetAtomWithIdx(int(k)).GetSymbol() for k in heavy]),
        np.round(molecule.GetConformer().GetPositions()[heavy], 3),
        2.8,
    )


def from_component(code: str, *, rename: str = "", number: int = 900) -> HetGroup:
    """Return the heavy atoms of an entry of the dictionary at its own coordinates, under its code or another."""
    entry = component(code)
    heavy = entry.elements != "H"
    return HetGroup(
        rename or code,
        "A",
        number,
        "",
        entry.atom_names[heavy],
        entry.elements[heavy],
        np.nan_to_num(entry.coordinates[heavy]),
        2.8,
    )


def subset(group: HetGroup, keep: np.ndarray) -> HetGroup:
    """Return a group with some of its atoms."""
    return HetGroup(
        group.name, group.chain, group.number, "", group.atom_names[keep], group.elements[keep],
        group.coordinates[keep], group.distance,
    )  # fmt: skip
