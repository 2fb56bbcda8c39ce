"""Docking: PDBQT, mapping, choice, bound poses and ATP placement, on a site small enough to check by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from scipy.optimize import check_grad

from dockkit.core.errors import DockingError
from dockkit.core.library import library_dir
from dockkit.core.model import Conformation, Kinase, Ligand, LigandEntry, Pose, Receptor
from dockkit.core.settings import DockingSettings
from dockkit.docking import atp
from dockkit.docking.anchored import rotatable_bonds
from dockkit.docking.atp import find_nucleotide, place_atp
from dockkit.docking.bound import pose_from_bound_file, pose_from_group, pose_from_input
from dockkit.docking.choose import choose_pose
from dockkit.docking.merge import merge_poses
from dockkit.docking.molecule import acceptor_atoms, donor_hydrogens, ligand_mol, rebuild_hydrogens, same_stereo
from dockkit.docking.receptor import atom_types, receptor_pdbqt
from dockkit.docking.restraints import Clashes, Restraint, energy_and_gradient
from dockkit.docking.torsions import TorsionTree
from dockkit.docking.vina import dock, ligand_pdbqt, optimise
from dockkit.kinase import identify_kinase
from dockkit.structure import prepare_receptor, read_structure

ATP = "Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(=O)([O-])OP(=O)([O-])OP(=O)([O-])[O-])[C@@H](O)[C@H]1O.[Mg+2].[Mg+2]"

KINASE = Kinase("TEST", "", "test", "A" * 40, (1, 40), 10, 3, 5, 13, 20, 30)


def make_ligand(smiles: str, name: str = "ligand", binding_type: str = "I") -> Ligand:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 3
    assert rdDistGeom.EmbedMolecule(mol, parameters) == 0
    flat = Chem.Mol(mol)
    Chem.Kekulize(flat, clearAromaticFlags=True)
    return Ligand(
        name=name,
        smiles=smiles,
        mol_block=Chem.MolToMolBlock(flat),
        elements=np.array([a.GetSymbol() for a in mol.GetAtoms()]),
        formal_charges=np.array([a.GetFormalCharge() for a in mol.GetAtoms()]),
        coordinates=mol.GetConformer().GetPositions(),
        entry=LigandEntry(name, smiles, binding_type=binding_type),
    )


def make_receptor(residues: list[tuple[str, int, list[tuple[str, str, tuple[float, float, float]]]]]) -> Receptor:
    atoms = [(k, *atom) for k, (_, _, listed) in enumerate(residues) for atom in listed]
    numbers = np.array([number for _, number, _ in residues])
    return Receptor(
        name="site",
        kinase="TEST",
        uniprot="",
        source="made by hand",
        modelled=True,
        atom_names=np.array([a[1] for a in atoms]),
        elements=np.array([a[2] for a in atoms]),
        atom_residue=np.array([a[0] for a in atoms]),
        coordinates=np.array([a[3] for a in atoms]),
        residue_names=np.array([name for name, _, _ in residues]),
        chain_ids=np.array(["A"] * len(residues)),
        insertion_codes=np.array([""] * len(residues)),
        author_numbers=numbers,
        uniprot_numbers=numbers,
        segments=np.arange(len(residues)),
        conformation=Conformation("in", "in"),
    )


@pytest.fixture
def hinge() -> Receptor:
    """Hinge of residues 11 to 13: the N-H of 13 points along +x at the origin, the O of 11 lies beside it."""
    gatekeeper = [("CA", "C", (-1, 8, 0)), ("CB", "C", (0, 7, 0)), ("OG1", "O", (1, 6.5, 0)), ("CG2", "C", (0, 7, 1.5))]
    first = [("N", "N", (-3, 6, 0)), ("CA", "C", (-3, 5, 0)), ("C", "C", (-2, 4, 0)), ("O", "O", (-1, 3.5, 0))]
    second = [("N", "N", (-3, 3, 0)), ("CA", "C", (-4, 2, 0)), ("C", "C", (-3.9, 0.6, 0)), ("O", "O", (-4.8, -0.2, 0))]
    middle = [("N", "N", (-2.9, 0, 0)), ("H", "H", (-1.9, 0, 0)), ("CA", "C", (-3.6, -1.2, 0))]
    middle += [("C", "C", (-2.6, -2.4, 0)), ("O", "O", (-1.4, -2.4, 0))]
    return make_receptor([("THR", 10, gatekeeper), ("GLU", 11, first), ("PHE", 12, second), ("MET", 13, middle)])


def moved(ligand: Ligand, atom: int, inward: int, origin: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Coordinates with ``atom`` at ``origin`` and the atom opposite it in the ring on +x of it."""
    xyz = np.array(ligand.coordinates) - ligand.coordinates[atom]
    x = xyz[inward] / np.linalg.norm(xyz[inward])
    z = np.cross(x, [0.3, 0.9, 0.2])
    z /= np.linalg.norm(z)
    return xyz @ np.array([x, np.cross(z, x), z]).T + np.array(origin)


def test_receptor_types_of_a_histidine():
    residue = (
        "HIS",
        7,
        [
            ("N", "N", (0, 0, 0)), ("H", "H", (0, 0, 1)), ("CA", "C", (1.5, 0, 0)), ("HA", "H", (1.5, 0, 1.1)),
            ("CG", "C", (3, 0, 0)), ("ND1", "N", (4, 1, 0)), ("HD1", "H", (4, 2, 0)), ("CE1", "C", (5.3, 0.8, 0)),
            ("NE2", "N", (5.4, -0.5, 0)), ("CD2", "C", (4.0, -1.2, 0)), ("O", "O", (1.5, -2.5, 0)),
        ],
    )  # fmt: skip
    receptor = make_receptor([residue])
    types = dict(zip(receptor.atom_names.tolist(), atom_types(receptor), strict=True))
    assert types == {
        "N": "N", "H": "HD", "CA": "C", "HA": "", "CG": "A", "ND1": "N", "HD1": "HD", "CE1": "A",
        "NE2": "NA", "CD2": "A", "O": "OA",
    }  # fmt: skip
    lines = receptor_pdbqt(receptor).splitlines()
    assert len(lines) == 10
    assert [float(lines[7][i : i + 8]) for i in (30, 38, 46)] == [5.4, -0.5, 0.0]
    assert lines[7][77:79].strip() == "NA"


def test_receptor_without_hydrogens_or_type_is_refused(hinge: Receptor):
    with pytest.raises(DockingError, match="add hydrogens"):
        atom_types(make_receptor([("GLY", 1, [("CA", "C", (0, 0, 0))])]))
    with pytest.raises(DockingError, match="'Xe' has no AutoDock type"):
        atom_types(make_receptor([("XEN", 1, [("XE", "Xe", (0, 0, 0))])]))


def test_hydrogens_follow_their_heavy_atoms_exactly():
    ligand = make_ligand("CC(=O)Nc1ccc(O)cc1")
    mol = ligand_mol(ligand)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    target = ligand.coordinates @ turn + [1.0, -2.0, 3.0]
    heavy = np.flatnonzero(ligand.elements != "H")
    start = np.zeros_like(target)
    start[heavy] = target[heavy]
    np.testing.assert_allclose(rebuild_hydrogens(mol, start, heavy), target, atol=1e-6)


def test_donors_and_acceptors_of_an_amide_and_a_pyridine():
    mol = Chem.AddHs(Chem.MolFromSmiles("O=C(Nc1cccnc1)c1cc[nH]c1"))
    assert {mol.GetAtomWithIdx(int(i)).GetSymbol() for i in acceptor_atoms(mol)} == {"O", "N"}
    assert len(acceptor_atoms(mol)) == 2
    assert sorted(mol.GetAtomWithIdx(int(p)).GetSymbol() for _, p in donor_hydrogens(mol)) == ["N", "N"]


def test_torsion_gradient_matches_finite_differences():
    ligand = make_ligand("OCCOc1ccccc1")
    mol = ligand_mol(ligand)
    tree = TorsionTree(mol, ligand.coordinates, [4, 5, 9], rotatable_bonds(mol))
    rng = np.random.default_rng(4)
    weights = rng.normal(size=ligand.coordinates.shape)

    def value(x: np.ndarray) -> float:
        return float((weights * tree.coordinates(x) ** 2).sum())

    def slope(x: np.ndarray) -> np.ndarray:
        xyz = tree.coordinates(x)
        return tree.gradient(x, xyz, 2.0 * weights * xyz)

    assert tree.n_variables == 6 + 3
    assert check_grad(value, slope, rng.normal(size=tree.n_variables)) < 1e-4 * np.abs(weights).sum()


def test_restraint_and_clash_gradient_matches_finite_differences():
    ligand = make_ligand("OCCO")
    protein = np.array([[3.0, 0.5, 0.2], [0.0, 2.5, 0.0]])
    clashes = Clashes(ligand_mol(ligand), [0, 1, 2, 3], protein, np.array(["C", "O"]), sticky=[0, 1])
    restraints = [
        Restraint("near", np.array([0]), np.array([0]), 1.0, 1.5, 2.0),
        Restraint("own", np.array([0]), np.array([3]), 5.0, 6.0, 1.0, internal=True),
    ]
    shape = ligand.coordinates.shape

    def value(x: np.ndarray) -> float:
        return energy_and_gradient(restraints, clashes, x.reshape(shape), protein)[0]

    def slope(x: np.ndarray) -> np.ndarray:
        return energy_and_gradient(restraints, clashes, x.reshape(shape), protein)[1].ravel()

    assert check_grad(value, slope, ligand.coordinates.ravel().copy()) < 1e-3


def test_a_restraint_inside_its_bounds_costs_nothing():
    ligand = make_ligand("CO")
    protein = ligand.coordinates[:1] + [10.0, 0.0, 0.0]
    clashes = Clashes(ligand_mol(ligand), [0, 1], protein, np.array(["C"]))
    inside = Restraint("x", np.array([0]), np.array([0]), 9.0, 11.0, 7.0)
    outside = dataclasses.replace(inside, high=9.0, low=8.0)
    assert energy_and_gradient([inside], clashes, ligand.coordinates, protein)[0] == 0.0
    assert energy_and_gradient([outside], clashes, ligand.coordinates, protein)[0] == pytest.approx(7.0)


def test_choice_prefers_the_hinge_bond_to_a_slightly_better_score(hinge: Receptor):
    ligand = make_ligand("c1ccncc1")
    nitrogen = 3
    opposite = 0
    bonded = moved(ligand, nitrogen, opposite)
    turned = moved(ligand, opposite, nitrogen)
    poses = [
        Pose("ligand", "site", turned, engine="vina", score=-6.5, rank=1),
        Pose("ligand", "site", bonded, engine="vina", score=-6.0, rank=2),
    ]
    chosen = choose_pose(poses, hinge, ligand, KINASE)
    features = dict(chosen.features)
    assert chosen.rank == 2
    assert features["hinge_bonds"] == pytest.approx(1.0)
    assert features["hinge_distance"] < 3.0
    assert "Met13 N-H" in chosen.reason
    assert "preferred to rank 1" in chosen.reason
    far_better = [dataclasses.replace(poses[0], score=-9.0), poses[1]]
    assert choose_pose(far_better, hinge, ligand, KINASE).rank == 1


def test_choice_without_a_hinge_or_poses_is_refused(hinge: Receptor):
    ligand = make_ligand("c1ccncc1")
    pose = Pose("ligand", "site", ligand.coordinates, engine="vina", score=-1.0)
    with pytest.raises(DockingError, match="no residue 33"):
        choose_pose([pose], hinge, ligand, dataclasses.replace(KINASE, hinge_middle=33))
    with pytest.raises(DockingError, match="no poses"):
        choose_pose([], hinge, ligand, KINASE)
    assert choose_pose([pose], hinge, ligand, None).rank == 1


def test_merging_sorts_by_score_and_drops_repeats():
    ligand = make_ligand("CCO")
    far = ligand.coordinates + [5.0, 0, 0]
    poses = [
        Pose("l", "r", ligand.coordinates, engine="vina", score=-5.0),
        Pose("l", "r", ligand.coordinates + 0.1, engine="vina", score=-6.0),
        Pose("l", "r", far, engine="vina", score=-5.5),
        Pose("l", "r", far + [9.0, 0, 0], engine="vina", score=-1.0),
    ]
    merged = merge_poses(poses, ligand, DockingSettings())
    assert [(pose.score, pose.rank) for pose in merged] == [(-6.0, 1), (-5.5, 2)]


def test_ligands_that_vina_cannot_take_are_refused():
    with pytest.raises(DockingError, match="several molecules"):
        ligand_pdbqt(ligand_mol(make_ligand("CCO.CCN")), "two")
    with pytest.raises(DockingError, match="no parameters for B"):
        ligand_pdbqt(ligand_mol(make_ligand("OB(O)c1ccccc1")), "boronic acid")
    with pytest.raises(DockingError, match="limited to 32"):
        ligand_pdbqt(ligand_mol(make_ligand("C" * 40)), "wax")


def test_vina_docks_maps_back_and_repeats(hinge: Receptor):
    """One real run: every pose is the same molecule, mapped atom by atom, and the same seed gives the same numbers."""
    ligand = make_ligand("Cc1ccncc1", binding_type="I")
    wall = [("ALA", 100 + k, [("CB", "C", (1.5 + 3 * np.cos(k), 3 * np.sin(k), 3.6))]) for k in range(6)]
    rows = []
    for k in range(hinge.n_residues):
        atoms = hinge.atom_indices(k)
        named = [(str(hinge.atom_names[a]), str(hinge.elements[a]), tuple(hinge.coordinates[a])) for a in atoms]
        rows.append((str(hinge.residue_names[k]), int(hinge.uniprot_numbers[k]), named))
    receptor = make_receptor(rows + wall)
    settings = DockingSettings(exhaustiveness=1, n_poses=2)
    poses = dock(receptor, ligand, (0, 0, 0), (16, 16, 16), settings, 5, 1)
    again = dock(receptor, ligand, (0, 0, 0), (16, 16, 16), settings, 5, 1)
    assert [p.score for p in poses] == [p.score for p in again]
    np.testing.assert_array_equal(poses[0].coordinates, again[0].coordinates)
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in ligand_mol(ligand).GetBonds()])

    def lengths(xyz: np.ndarray) -> np.ndarray:
        return np.linalg.norm(xyz[bonds[:, 0]] - xyz[bonds[:, 1]], axis=1)

    for pose in poses:
        np.testing.assert_allclose(lengths(pose.coordinates), lengths(ligand.coordinates), atol=5e-3)
    (refined,) = optimise(receptor, ligand, [poses[0].coordinates], 5, 1)
    assert refined.score == pytest.approx(poses[0].score, abs=0.1)
    np.testing.assert_allclose(refined.coordinates, poses[0].coordinates, atol=0.3)
    with pytest.raises(DockingError, match="misses the binding site"):
        dock(receptor, ligand, (90, 0, 0), (16, 16, 16), settings, 5, 1)
    with pytest.raises(DockingError, match="5 to 60"):
        dock(receptor, ligand, (0, 0, 0), (160, 16, 16), settings, 5, 1)


def test_bound_poses_are_mapped_and_checked(hinge: Receptor, tmp_path):
    ligand = make_ligand("Cc1ccncc1")
    nitrogen = next(i for i, e in enumerate(ligand.elements) if e == "N")
    placed = moved(ligand, nitrogen, 1)
    given = dataclasses.replace(ligand, coordinates=placed, pose_given=True)
    assert pose_from_input(hinge, given).engine == "bound"
    with pytest.raises(DockingError, match="free conformer"):
        pose_from_input(hinge, ligand)
    with pytest.raises(DockingError, match="does not lie in the protein"):
        pose_from_input(hinge, dataclasses.replace(given, coordinates=placed + [40.0, 0, 0]))
    with pytest.raises(DockingError, match="clashes"):
        pose_from_input(hinge, dataclasses.replace(given, coordinates=placed - [2.0, 0, 0]))
    mol = ligand_mol(given)
    heavy = [i for i in range(ligand.n_atoms) if ligand.elements[i] != "H"]
    shuffled = Chem.RenumberAtoms(Chem.RemoveHs(mol), list(reversed(range(len(heavy)))))
    path = tmp_path / "bound.sdf"
    path.write_text(Chem.MolToMolBlock(shuffled))
    pose = pose_from_bound_file(hinge, ligand, path)
    ring = [i for i in heavy if mol.GetAtomWithIdx(i).IsInRing() and ligand.elements[i] == "N"]
    np.testing.assert_allclose(pose.coordinates[ring], placed[ring], atol=1e-3)
    hydrogen = np.flatnonzero(ligand.elements == "H")
    parents = [mol.GetAtomWithIdx(int(h)).GetNeighbors()[0].GetIdx() for h in hydrogen]
    distance = np.linalg.norm(pose.coordinates[hydrogen] - pose.coordinates[parents], axis=1)
    assert ((distance > 0.9) & (distance < 1.2)).all()
    with pytest.raises(DockingError, match="other atoms or connections"):
        pose_from_bound_file(hinge, make_ligand("CCc1ccncc1"), path)
    with pytest.raises(DockingError, match="no such file"):
        pose_from_bound_file(hinge, ligand, tmp_path / "absent.sdf")


def test_a_group_of_a_structure_file_is_recognised_from_its_atoms_alone(hinge: Receptor):
    """Heavy atoms in another order, upper-case elements, no bonds: as a PDB file gives them."""
    ligand = make_ligand("Clc1ccncc1")
    nitrogen = next(i for i, e in enumerate(ligand.elements) if e == "N")
    placed = moved(ligand, nitrogen, 1)
    heavy = np.flatnonzero(ligand.elements != "H")[::-1]
    elements = np.char.upper(ligand.elements[heavy])
    pose = pose_from_group(hinge, ligand, elements, placed[heavy], "LIG A:1")
    assert pose is not None
    assert pose.engine == "bound"
    np.testing.assert_allclose(pose.coordinates[nitrogen], placed[nitrogen], atol=1e-3)
    assert pose_from_group(hinge, make_ligand("Cc1ccncc1"), elements, placed[heavy], "LIG A:1") is None


def test_bound_pose_of_the_other_enantiomer_is_refused(hinge: Receptor, tmp_path):
    path = tmp_path / "r.sdf"
    path.write_text(Chem.MolToMolBlock(ligand_mol(make_ligand("C[C@H](F)c1ccncc1"))))
    with pytest.raises(DockingError, match="another stereoisomer"):
        pose_from_bound_file(hinge, make_ligand("C[C@@H](F)c1ccncc1"), path)


def test_a_protonated_amine_inverts_and_is_no_stereocentre(tmp_path):
    """N-methylpiperidinium: its N-H may stand on either side in the record and in the crystal."""
    up, down = (make_ligand(f"c1ncccc1[C@H]1CC[N@{h}H+](C)CC1") for h in ("", "@"))
    assert same_stereo(ligand_mol(up), rebuilt_as(up, down))


def rebuilt_as(record: Ligand, other: Ligand) -> np.ndarray:
    """Coordinates of ``other`` in the atom order of ``record``; both were made from SMILES of one atom order."""
    assert record.elements.tolist() == other.elements.tolist()
    return other.coordinates


def test_nucleotides_are_recognised():
    parts = find_nucleotide(ligand_mol(make_ligand(ATP)), "ATP.Mg")
    assert [len(group) for group in parts.phosphates] == [2, 2, 3]
    assert len(parts.metals) == 2
    assert len(parts.bonds) == 8
    adp = ATP.replace("OP(=O)([O-])OP(=O)([O-])OP(=O)([O-])[O-]", "OP(=O)([O-])OP(=O)([O-])[O-]").removesuffix(
        ".[Mg+2]"
    )
    parts = find_nucleotide(ligand_mol(make_ligand(adp)), "ADP.Mg")
    assert [len(group) for group in parts.phosphates] == [2, 3]
    assert len(parts.metals) == 1
    with pytest.raises(DockingError, match="only ATP and ADP"):
        find_nucleotide(ligand_mol(make_ligand("CCO")), "ethanol")
    with pytest.raises(DockingError, match="0 metal ions"):
        find_nucleotide(ligand_mol(make_ligand(ATP.removesuffix(".[Mg+2].[Mg+2]"))), "bare ATP")


def test_atp_is_refused_by_a_dfg_out_structure(hinge: Receptor):
    out = dataclasses.replace(hinge, conformation=Conformation("out", "in"))
    with pytest.raises(DockingError, match="DFG-out"):
        place_atp(out, make_ligand(ATP, "ATP.Mg", "nucleotide"), KINASE, 1)
    with pytest.raises(DockingError, match="no residue 30"):
        place_atp(hinge, make_ligand(ATP, "ATP.Mg", "nucleotide"), KINASE, 1)


def test_atp_stands_on_the_hinge_with_both_metals_bound(monkeypatch):
    """The bundled model of active ABL1; two runs with one seed are the same to the last digit."""
    monkeypatch.setattr(atp, "N_STARTS", 8)
    monkeypatch.setattr(atp, "N_SAMPLES", 500)
    raw = read_structure(library_dir("structures") / "abl1-dfg-in-atp.cif.gz")
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
    receptor = prepare_receptor(raw, name="abl1-dfg-in-atp", kinase=kinase, uniprot_numbers=numbers)
    ligand = make_ligand(ATP, "ATP.Mg", "nucleotide")
    pose = place_atp(receptor, ligand, kinase, 7)
    np.testing.assert_array_equal(pose.coordinates, place_atp(receptor, ligand, kinase, 7).coordinates)
    parts = find_nucleotide(ligand_mol(ligand), "ATP.Mg")

    def to_residue(atom: int, number: int, *names: str) -> float:
        rows = [a for a in receptor.atom_indices(receptor.residue_index(number)) if receptor.atom_names[a] in names]
        return float(np.linalg.norm(receptor.coordinates[rows] - pose.coordinates[atom], axis=1).min())

    assert 2.4 < to_residue(parts.atoms["N6"], 316, "O") < 3.6
    assert 2.4 < to_residue(parts.atoms["N1"], 318, "N") < 3.6
    for metal in parts.metals:
        assert 1.8 < to_residue(metal, 381, "OD1", "OD2") < 3.2
    heavy = ligand.elements != "H"
    protein = receptor.coordinates[receptor.elements != "H"]
    assert np.linalg.norm(protein[:, None] - pose.coordinates[heavy][None], axis=2).min() > 1.8
    mol = ligand_mol(ligand)
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        assert 0.9 < np.linalg.norm(pose.coordinates[i] - pose.coordinates[j]) < 1.9
