"""Tests of bound ligands: bond orders, stereo, protonation and coordinates of hetero groups."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bound_groups import conformer, from_component, from_smiles, subset
from rdkit import Chem

from dockkit.core.errors import LigandError
from dockkit.core.model import HetGroup, Link
from dockkit.core.molecule import to_rdkit
from dockkit.ligand.bonds import covalent_bonds
from dockkit.ligand.bound import ligand_from_group
from dockkit.ligand.components import component, component_molecule
from dockkit.ligand.library import uncharged
from dockkit.ligand.warheads import restore_warhead
from dockkit.structure import read_structure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
IMATINIB = "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"
CRIZOTINIB = "C[C@@H](Oc1cc(-c2cnn(C3CCNCC3)c2)cnc1N)c1c(Cl)ccc(F)c1Cl"
AXITINIB = "CNC(=O)c1ccccc1Sc1ccc2c(/C=C/c3ccccn3)n[nH]c2c1"
COMPOUND = "COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1O[C@H]1CCOC1"


def neutral(smiles: str) -> str:
    return Chem.MolToSmiles(uncharged(Chem.MolFromSmiles(smiles)))


def seen_in_3d(ligand) -> str:
    molecule = to_rdkit(ligand)
    Chem.AssignStereochemistryFrom3D(molecule)
    return Chem.MolToSmiles(Chem.RemoveHs(molecule))


def has_note(ligand, *words: str) -> bool:
    return any(all(word in note for word in words) for note in ligand.notes)


# --------------------------------------------------------------------------- templates


@pytest.mark.parametrize("smiles", [IMATINIB, CRIZOTINIB, AXITINIB, COMPOUND, "O=S(=O)(Nc1ccccc1)c1ccc(C#N)cc1"])
def test_a_smiles_is_laid_on_atoms_without_names(smiles):
    group = from_smiles(smiles)
    ligand = ligand_from_group(group, smiles=smiles)
    n = len(group.elements)
    assert neutral(ligand.smiles) == Chem.CanonSmiles(smiles)
    assert ligand.pose_given
    assert np.array_equal(ligand.coordinates[:n], group.coordinates)
    assert list(ligand.elements[:n]) == list(group.elements)
    assert set(ligand.elements[n:]) == {"H"}
    assert seen_in_3d(ligand) == ligand.smiles


def test_hydrogens_have_the_lengths_and_angles_of_chemistry():
    ligand = ligand_from_group(from_smiles(IMATINIB), smiles=IMATINIB)
    molecule = to_rdkit(ligand)
    xyz = ligand.coordinates
    for bond in molecule.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if ligand.elements[b] == "H" or ligand.elements[a] == "H":
            assert 0.95 < np.linalg.norm(xyz[a] - xyz[b]) < 1.15
    gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1) + 9 * np.eye(len(xyz))
    assert gaps.min() > 0.95


def test_the_dictionary_by_names_and_by_graph():
    group = from_component("AXI")
    named = ligand_from_group(group)
    assert named.name == "axitinib"
    assert neutral(named.smiles) == Chem.CanonSmiles(AXITINIB)
    assert not has_note(named, "elements and distances")
    order = np.random.default_rng(1).permutation(len(group.elements))
    renamed = dataclasses.replace(subset(group, order), atom_names=np.array([f"Q{k}" for k in range(len(order))]))
    by_graph = ligand_from_group(renamed)
    assert by_graph.smiles == named.smiles
    assert has_note(by_graph, "elements and distances")


def test_wrong_names_are_found_out_by_their_distances():
    group = from_component("AXI")
    swapped = group.atom_names.copy()
    carbons = np.flatnonzero(group.elements == "C")
    swapped[carbons] = np.roll(swapped[carbons], 5)
    ligand = ligand_from_group(dataclasses.replace(group, atom_names=swapped))
    assert neutral(ligand.smiles) == Chem.CanonSmiles(AXITINIB)
    assert has_note(ligand, "elements and distances")


def test_noise_of_a_poor_crystal_does_not_matter():
    group = from_component("AXI")
    noise = np.random.default_rng(5).normal(scale=0.08, size=group.coordinates.shape)
    ligand = ligand_from_group(dataclasses.replace(group, coordinates=group.coordinates + noise))
    assert neutral(ligand.smiles) == Chem.CanonSmiles(AXITINIB)


def test_a_code_that_means_something_else_falls_back_on_the_geometry():
    ligand = ligand_from_group(from_smiles(IMATINIB, "LIG"))
    assert neutral(ligand.smiles) == Chem.CanonSmiles(IMATINIB)
    assert has_note(ligand, "uncertain", "geometry")
    assert has_note(ligand, "not the LIG")


@pytest.mark.parametrize(
    "smiles",
    [
        IMATINIB, AXITINIB, COMPOUND, "O=C(O)c1ccccc1S(=O)(=O)N1CCCC1", "O=[N+]([O-])c1ccc(OCC#C)cc1",
        "CC(=O)Nc1nc(C)cs1", "Cn1cc(-c2cnc3ccccc3c2)cn1", "NC(=O)C1CC1", "CCOP(=O)(O)Oc1ccccc1", "C=CC(=O)Nc1ccccc1",
    ],
)  # fmt: skip
def test_bond_orders_from_the_geometry_alone(smiles):
    ligand = ligand_from_group(from_smiles(smiles))
    assert neutral(ligand.smiles) == neutral(smiles)
    assert has_note(ligand, "uncertain")


# --------------------------------------------------------------------------- what does not fit


def test_another_molecule_is_refused_with_the_atoms_that_differ():
    group = from_smiles("Cc1ccc(NC(=O)c2ccccc2)cc1Cl")
    with pytest.raises(LigandError, match=r"the structure has X\d+, which the template lacks"):
        ligand_from_group(group, smiles="Cc1ccc(NC(=O)c2ccccc2)cc1")
    with pytest.raises(LigandError, match="give the SMILES of the molecule as it is in the structure"):
        ligand_from_group(group, smiles="Cc1ccc(NC(=O)c2ccccc2)cc1Br")


def test_missing_atoms_at_the_end_are_built_and_stated():
    group = from_component("AXI")
    (methyl,) = component_molecule(component("AXI")).GetSubstructMatch(Chem.MolFromSmarts("[CH3]"))
    name = component_molecule(component("AXI")).GetAtomWithIdx(methyl).GetProp("name")
    terminal = subset(group, group.atom_names != name)
    ligand = ligand_from_group(terminal)
    n = len(terminal.elements)
    assert neutral(ligand.smiles) == Chem.CanonSmiles(AXITINIB)
    assert np.array_equal(ligand.coordinates[:n], terminal.coordinates)
    assert has_note(ligand, "missing", "built", name)
    xyz, molecule = ligand.coordinates, to_rdkit(ligand)
    for bond in molecule.GetBonds():
        length = np.linalg.norm(xyz[bond.GetBeginAtomIdx()] - xyz[bond.GetEndAtomIdx()])
        assert 0.9 < length < 2.0


def test_missing_atoms_in_the_middle_or_too_many_are_refused():
    group = from_smiles(IMATINIB, shuffle=False)
    carbonyl = 6
    with pytest.raises(LigandError, match="middle of the molecule|connects otherwise"):
        ligand_from_group(subset(group, np.arange(37) != carbonyl), smiles=IMATINIB)
    with pytest.raises(LigandError, match="of 37 heavy atoms are missing"):
        ligand_from_group(subset(group, np.arange(37) < 24), smiles=IMATINIB)


def test_ions_and_parts_of_larger_molecules_are_refused():
    ion = HetGroup("MG", "A", 1, "", np.array(["MG"]), np.array(["Mg"]), np.zeros((1, 3)), 2.0)
    with pytest.raises(LigandError, match="a single atom"):
        ligand_from_group(ion)
    sugar = from_component("NAG")
    c1 = sugar.coordinates[sugar.atom_names == "C1"][0]
    o1 = sugar.coordinates[sugar.atom_names == "O1"][0]
    protein = residue("ASN", 300, {"ND2": c1 + 1.45 * (o1 - c1) / np.linalg.norm(o1 - c1)})
    linked = subset(sugar, sugar.atom_names != "O1")
    with pytest.raises(LigandError, match="sugar of the glycoprotein, bonded to ASN A:300 ND2"):
        ligand_from_group(linked, bonds=covalent_bonds([linked], protein))


# --------------------------------------------------------------------------- stereo and state


def test_the_mirror_image_is_noticed():
    group = from_component("VGH")
    right = ligand_from_group(group)
    assert neutral(right.smiles) == Chem.CanonSmiles(CRIZOTINIB)
    mirrored = dataclasses.replace(group, coordinates=group.coordinates * np.array([-1.0, 1.0, 1.0]))
    wrong = ligand_from_group(mirrored)
    assert neutral(wrong.smiles) == Chem.CanonSmiles(CRIZOTINIB.replace("@@", "@"))
    assert has_note(wrong, "other way round", "check the structure")
    with pytest.raises(LigandError, match="another stereoisomer than the SMILES"):
        ligand_from_group(mirrored, smiles=CRIZOTINIB)


def test_the_other_double_bond_isomer_is_noticed():
    group = from_smiles(AXITINIB.replace("/C=C/", "/C=C\\"))
    with pytest.raises(LigandError, match="another stereoisomer"):
        ligand_from_group(group, smiles=AXITINIB)


def test_stereo_that_the_template_leaves_open_is_that_of_the_coordinates():
    flat = Chem.MolToSmiles(Chem.MolFromSmiles(CRIZOTINIB), isomericSmiles=False)
    ligand = ligand_from_group(from_smiles(CRIZOTINIB), smiles=flat)
    assert neutral(ligand.smiles) == Chem.CanonSmiles(CRIZOTINIB)
    assert has_note(ligand, "taken from the coordinates")


def test_protonation_is_that_of_the_library_or_the_rules_or_the_smiles():
    assert ligand_from_group(from_component("STI")).charge == 1
    assert ligand_from_group(from_component("ATP")).charge == -4
    group = from_smiles("CN1CCN(c2ccccc2)CC1")
    assert ligand_from_group(group, smiles="CN1CCN(c2ccccc2)CC1").charge == 1
    assert ligand_from_group(group, smiles="C[NH+]1CCN(c2ccccc2)CC1").charge == 1
    amine = from_smiles("OC(=O)c1ccc(CCN)cc1")
    zwitterion = ligand_from_group(amine, smiles="OC(=O)c1ccc(CCN)cc1")
    assert (zwitterion.charge, sorted(zwitterion.formal_charges)[0]) == (0, -1)
    assert has_note(ligand_from_group(group, ph=5.0), "check it for pH 5.0")


# --------------------------------------------------------------------------- bonds to the protein


def residue(name: str, number: int, atoms: dict[str, np.ndarray]) -> SimpleNamespace:
    """Return the atoms of one residue as ``covalent_bonds`` wants them."""
    names = list(atoms)
    return SimpleNamespace(
        atom_names=np.array(names),
        elements=np.array([atom[0] for atom in names]),
        coordinates=np.array([atoms[atom] for atom in names], dtype=float),
        atom_residue=np.zeros(len(names), dtype=int),
        residue_names=np.array([name]),
        chain_ids=np.array(["A"]),
        author_numbers=np.array([number]),
        insertion_codes=np.array([""]),
    )


def adduct(smiles: str) -> tuple[HetGroup, SimpleNamespace]:
    """Split ``CS<ligand>`` into the ligand and a cysteine; the ligand's first atom is bonded."""
    molecule = conformer(smiles)
    xyz = np.round(molecule.GetConformer().GetPositions(), 3)
    heavy = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1]
    assert [molecule.GetAtomWithIdx(k).GetSymbol() for k in heavy[:2]] == ["C", "S"]
    protein = residue("CYS", 797, {"CB": xyz[0], "SG": xyz[1]})
    rest = heavy[2:]
    elements = np.array([molecule.GetAtomWithIdx(k).GetSymbol() for k in rest])
    names = np.array([f"X{k}" for k in range(len(rest))])
    return HetGroup("ZZZ99", "A", 1101, "", names, elements, xyz[rest], 1.8), protein


@pytest.mark.parametrize(
    ("bound", "template", "free"),
    [
        ("CSCCC(=O)Nc1ccccc1", "CCC(=O)Nc1ccccc1", "C=CC(=O)Nc1ccccc1"),
        ("CSCCC(=O)Nc1ccccc1", "C=CC(=O)Nc1ccccc1", "C=CC(=O)Nc1ccccc1"),
        ("CS[C@H](CN(C)C)CC(=O)Nc1ccccc1", "CN(C)CCCC(=O)Nc1ccccc1", "CN(C)C/C=C/C(=O)Nc1ccccc1"),
        ("CS/C(C)=C/C(=O)Nc1ccccc1", "CC=CC(=O)Nc1ccccc1", "CC#CC(=O)Nc1ccccc1"),
        ("CSC(=N)c1ccc(OC)cc1", "N=Cc1ccc(OC)cc1", "COc1ccc(C#N)cc1"),
        ("CSC(O)c1ccc(OC)cc1", "OCc1ccc(OC)cc1", "COc1ccc(C=O)cc1"),
        ("CSCCS(=O)(=O)Nc1ccccc1", "CCS(=O)(=O)Nc1ccccc1", "C=CS(=O)(=O)Nc1ccccc1"),
    ],
)
def test_a_bonded_inhibitor_becomes_the_free_one(bound, template, free):
    group, protein = adduct(bound)
    bonds = covalent_bonds([group], protein)
    assert [bond.partner for bond in bonds] == ["CYS A:797 SG"]
    assert bonds[0].change.kind == "covalent"
    assert bonds[0].change.author_number == 797
    ligand = ligand_from_group(group, smiles=template, bonds=bonds)
    n = len(group.elements)
    assert neutral(ligand.smiles) == Chem.CanonSmiles(free)
    assert seen_in_3d(ligand) == ligand.smiles
    gaps = np.linalg.norm(ligand.coordinates[:n, None] - protein.coordinates[None], axis=-1)
    assert gaps.min() > 2.8
    ring = [atom.GetIdx() for atom in to_rdkit(ligand).GetAtoms() if atom.GetIsAromatic()]
    moved = np.linalg.norm(ligand.coordinates[ring] - group.coordinates[ring], axis=1).max()
    assert moved < (1e-9 if free.startswith("C=C") else 1.5)
    assert has_note(ligand, "CYS A:797 SG in the structure")
    assert has_note(ligand, "reversible complex")


def test_what_cannot_be_undone_is_refused():
    group, protein = adduct("CSCC(=O)Nc1ccccc1")
    bonds = covalent_bonds([group], protein)
    with pytest.raises(LigandError, match="give the SMILES of the unreacted inhibitor.*CYS A:797"):
        ligand_from_group(group, smiles="CC(=O)Nc1ccccc1", bonds=bonds)
    freed = ligand_from_group(group, smiles="ClCC(=O)Nc1ccccc1", bonds=bonds)
    assert neutral(freed.smiles) == Chem.CanonSmiles("ClCC(=O)Nc1ccccc1")


def test_restoring_needs_no_more_than_the_bonded_atom():
    molecule = Chem.MolFromSmiles("CCC(=O)Nc1ccccc1")
    xyz = np.zeros((molecule.GetNumAtoms(), 3))
    restored = restore_warhead(molecule, 0, xyz, np.ones(3), "LIG A:1")
    assert Chem.MolToSmiles(restored.molecule) == Chem.CanonSmiles("C=CC(=O)Nc1ccccc1")
    assert restored.reacted == (0, 1)
    with pytest.raises(LigandError, match="cannot be told"):
        restore_warhead(molecule, 1, xyz, np.ones(3), "LIG A:1")


def test_what_is_no_bond_and_what_the_file_says_is_one():
    group = from_smiles(COMPOUND)
    away = np.array([1.0, 1.0, 1.0]) / np.sqrt(3)
    top = int(np.argmax(group.coordinates @ away))

    def at(distance: float, atom: str, name: str = "CYS") -> SimpleNamespace:
        return residue(name, 797, {atom: group.coordinates[top] + distance * away})

    assert covalent_bonds([group], at(2.9, "SG")) == ()
    assert covalent_bonds([group], at(2.1, "ZN", "ZN")) == ()
    assert len(covalent_bonds([group], at(1.8, "SG"))) == 1
    link = Link("covalent", "CYS", "A", 797, "", "SG", "ZZZ99", "A", 900, "", str(group.atom_names[top]))
    stretched = covalent_bonds([group], at(2.4, "SG"), [link])
    assert [bond.recorded for bond in stretched] == [True]
    assert covalent_bonds([group], at(2.4, "SG")) == ()


def test_groups_bonded_to_each_other_are_parts_of_a_larger_molecule():
    whole = from_smiles("COc1ccc(CCc2ccccc2)cc1", shuffle=False)
    first = dataclasses.replace(subset(whole, np.arange(16) < 7), number=1)
    second = dataclasses.replace(subset(whole, np.arange(16) >= 7), number=2)
    far = residue("CYS", 797, {"SG": np.array([90.0, 0.0, 0.0])})
    bonds = covalent_bonds([first, second], far)
    assert {bond.to_group for bond in bonds} == {True}
    with pytest.raises(LigandError, match="part of a larger molecule"):
        ligand_from_group(first, bonds=bonds)


# --------------------------------------------------------------------------- crystals


@pytest.mark.skipif(not DATA.exists(), reason="the reference structures (../shared/data) are not there")
@pytest.mark.parametrize(
    ("pdb", "code", "smiles", "bonded"),
    [
        ("1iep", "STI", IMATINIB, ""),
        ("4g5j", "0WN", "CN(C)C/C=C/C(=O)Nc1cc2c(Nc3ccc(F)c(Cl)c3)ncnc2cc1O[C@H]1CCOC1", "CYS A:797 SG"),
        ("4zau", "YY3", "C=CC(=O)Nc1cc(Nc2nccc(-c3cn(C)c4ccccc34)n2)c(OC)cc1N(C)CCN(C)C", ""),
    ],
)
def test_crystals(pdb, code, smiles, bonded):
    raw = read_structure(DATA / f"{pdb}.pdb")
    group = next(group for group in raw.hetero if group.name == code)
    bonds = [bond for bond in covalent_bonds(raw.hetero, raw, raw.links) if bond.group.label == group.label]
    assert [bond.partner for bond in bonds] == ([bonded] if bonded else [])
    ligand = ligand_from_group(group, bonds=bonds)
    assert neutral(ligand.smiles) == Chem.CanonSmiles(smiles)
    if not bonded:
        assert np.array_equal(ligand.coordinates[: len(group.elements)], group.coordinates)
