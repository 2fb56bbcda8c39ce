"""The parts of a docking: engines, boxes, clusters, checks, moving side chains."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
import spyrmsd.rmsd
from builders import peptide
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdMolTransforms
from test_docking import KINASE, make_ligand
from vina import Vina

from dockkit.core.errors import DockingError, InputError, SettingsError, StructureError
from dockkit.core.geometry import dihedral
from dockkit.core.residues import residue_templates
from dockkit.core.settings import DockingSettings
from dockkit.docking.box import Box, box_around, box_of_pocket, check_box, check_fits, parse_box
from dockkit.docking.checks import check_poses
from dockkit.docking.clusters import Symmetry, leader_clusters, symmetry_rmsd
from dockkit.docking.engines import Engine, engine_content, engine_names, find_engine
from dockkit.docking.flexible import (
    dock_flexible,
    flexible_residues,
    parse_flexible,
    requests_after,
    split_receptor,
    turned_receptor,
)
from dockkit.docking.molecule import ligand_mol
from dockkit.docking.receptor import receptor_pdbqt
from dockkit.docking.vina import ligand_pdbqt
from dockkit.mutation import parse_variant

ENGINE_FILE = Path(__file__).with_name("engine_of_one_point.py")


def residue(receptor, number):
    return receptor.residue_index(number, "author")


# ---------------------------------------------------------------------------------------------------- engines


def test_an_engine_is_found_by_name_and_in_a_file(tmp_path):
    assert find_engine("vina").name == "vina"
    assert "vina" in engine_names()
    assert find_engine(str(ENGINE_FILE)).name == "one-point"
    changed = tmp_path / ENGINE_FILE.name
    changed.write_text(ENGINE_FILE.read_text() + "\n# another engine\n")
    assert engine_content(str(changed)) != engine_content(str(ENGINE_FILE))


def test_a_wrong_engine_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"no docking engine 'vinna'; did you mean 'vina'\?"):
        find_engine("vinna")
    with pytest.raises(SettingsError, match="no such file"):
        find_engine(str(tmp_path / "none.py"))
    (tmp_path / "empty.py").write_text("ENGINE = 3\n")
    with pytest.raises(SettingsError, match="not a docking engine"):
        find_engine(str(tmp_path / "empty.py"))
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(SettingsError, match="ModuleNotFoundError"):
        find_engine(str(tmp_path / "broken.py"))


def test_the_second_engine_is_real_and_repeats():
    receptor, ligand = peptide(), make_ligand("c1ccccc1O")
    engine = find_engine(str(ENGINE_FILE))
    center = receptor.coordinates.mean(axis=0)
    options = DockingSettings(n_poses=3)
    poses = engine.dock(receptor, ligand, center, (20.0, 20.0, 20.0), options, seed=4, cpu=1)
    again = engine.dock(receptor, ligand, center, (20.0, 20.0, 20.0), options, seed=4, cpu=2)
    other = engine.dock(receptor, ligand, center, (20.0, 20.0, 20.0), options, seed=5, cpu=1)
    assert [pose.score for pose in poses] == sorted(pose.score for pose in poses)
    assert all(np.array_equal(a.coordinates, b.coordinates) for a, b in zip(poses, again, strict=True))
    assert not np.array_equal(poses[0].coordinates, other[0].coordinates)
    assert isinstance(engine, Engine)


# ------------------------------------------------------------------------------------------------------ boxes


def test_box_around_a_ligand_holds_it_with_its_margin():
    xyz = np.array([[0.0, 0.0, 0.0], [20.0, 2.0, 1.0]])
    box = box_around(xyz, "test")
    assert box.center == (10.0, 1.0, 0.5)
    assert box.size == (32.0, 18.0, 18.0)


def test_box_of_the_pocket_and_what_it_needs():
    receptor = peptide()
    kinase = dataclasses.replace(KINASE, pocket=(0, 311, 312, 313, 314, 315))
    box = box_of_pocket(receptor, kinase)
    alpha = receptor.coordinates[
        (receptor.atom_names == "CA") & (receptor.uniprot_numbers[receptor.atom_residue] < 316)
    ]
    assert (np.abs(alpha - box.center) <= np.array(box.size) / 2).all()
    assert min(box.size) >= 20.0
    with pytest.raises(StructureError, match="--box"):
        box_of_pocket(receptor, dataclasses.replace(KINASE, pocket=(1, 2)))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1,2,3", "3 numbers"),
        ("1,2,3,4,5,nan", "6 numbers"),
        ("1,2,3,2,20,20", "edge of 2.0 A"),
        ("1,2,3,20,20,90", "edge of 90.0 A"),
        ("ligand2", "six numbers"),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(text, match):
    with pytest.raises(InputError, match=match):
        parse_box(text)


def test_a_box_is_read_and_a_word_is_no_box():
    assert parse_box("-1.5, 2,3, 20,21,22.5") == Box((-1.5, 2.0, 3.0), (20.0, 21.0, 22.5), "given")
    assert parse_box("pocket") is None


def test_a_box_beside_the_protein_or_around_all_of_it_is_refused():
    receptor = peptide()
    center = tuple(float(v) for v in receptor.coordinates.mean(axis=0))
    with pytest.raises(InputError, match="misses the binding site"):
        check_box(Box((center[0] + 90.0, *center[1:]), (20.0, 20.0, 20.0), "given"), receptor)
    with pytest.raises(InputError, match=r"holds 100% of the protein"):
        check_box(Box(center, (45.0, 45.0, 45.0), "given"), receptor)


def test_a_ligand_longer_than_the_box_is_refused_and_a_flexible_one_may_fold():
    stiff = make_ligand("C#CC#CC#CC#CC#CC#C")
    folding = make_ligand("CCCCCCCCCCCC")
    box = Box((0.0, 0.0, 0.0), (11.0, 11.0, 11.0), "given")
    with pytest.raises(InputError, match="does not fit"):
        check_fits(box, stiff)
    check_fits(box, folding)
    check_fits(Box((0.0, 0.0, 0.0), (20.0, 11.0, 11.0), "given"), stiff)


# --------------------------------------------------------------------------------------------------- clusters


@pytest.mark.parametrize(
    "smiles", ["Cc1ccccc1", "OC(=O)c1ccc(C(F)(F)F)cc1", "NC(=[NH2+])c1ccc(S(N)(=O)=O)cc1", "CC(C)C"]
)
def test_rmsd_is_spyrmsds(smiles):
    ligand = make_ligand(smiles)
    rng = np.random.default_rng(3)
    first = np.array(ligand.coordinates)
    second = first[:] @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + rng.normal(size=3)
    mol = Chem.RemoveHs(ligand_mol(ligand))
    heavy = ligand.elements != "H"
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    adjacency = Chem.GetAdjacencyMatrix(mol)
    expected = spyrmsd.rmsd.symmrmsd(first[heavy], second[heavy], numbers, numbers, adjacency, adjacency)
    assert symmetry_rmsd(ligand, first, second) == pytest.approx(expected, abs=1e-9)


def test_a_flipped_ring_is_the_same_pose():
    ligand = make_ligand("Cc1ccccc1")
    xyz = np.array(ligand.coordinates)
    flipped = xyz.copy()
    mol = ligand_mol(ligand)
    match = mol.GetSubstructMatch(Chem.MolFromSmarts("Cc1ccccc1"))
    flipped[list(match)] = xyz[[match[k] for k in (0, 1, 6, 5, 4, 3, 2)]]
    assert symmetry_rmsd(ligand, xyz, flipped) == pytest.approx(0.0, abs=1e-12)
    assert float(np.sqrt(((xyz - flipped)[ligand.elements != "H"] ** 2).sum(axis=1).mean())) > 1.5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 4.0))
def test_no_two_leaders_are_within_the_cutoff_and_every_pose_is_near_its_own(seed, cutoff):
    ligand = LIGAND
    rng = np.random.default_rng(seed)
    poses = [ligand.coordinates + rng.normal(scale=2.0, size=3) for _ in range(7)]
    clusters = leader_clusters(ligand, poses, cutoff)
    leaders = [int(np.flatnonzero(clusters == c)[0]) for c in range(1, clusters.max() + 1)]
    table = Symmetry(ligand).matrix(poses)
    assert leaders == sorted(leaders)
    assert all(table[a, b] > cutoff for a in leaders for b in leaders if a != b)
    assert all(table[k, leaders[c - 1]] <= cutoff for k, c in enumerate(clusters))


LIGAND = make_ligand("Oc1ccccc1")


def test_a_radius_of_nothing_is_refused():
    with pytest.raises(DockingError, match="radius"):
        leader_clusters(LIGAND, [LIGAND.coordinates], 0.0)


# ----------------------------------------------------------------------------------------------------- checks


def test_posebusters_pass_a_free_neighbour_and_name_a_clash_and_a_stretched_bond():
    receptor = peptide()
    heavy = receptor.coordinates[receptor.elements != "H"]
    beside = np.array(LIGAND.coordinates) - LIGAND.coordinates.mean(axis=0) + receptor.coordinates.mean(axis=0)
    while np.linalg.norm(heavy[:, None] - beside[None], axis=2).min() < 3.4:
        beside[:, 0] -= 0.2
    inside = np.array(LIGAND.coordinates) - LIGAND.coordinates[0] + receptor.coordinates[receptor.atom_names == "CB"][1]
    torn = beside.copy()
    torn[0] -= [1.5, 0.0, 0.0]
    good, clash, stretched = check_poses(receptor, LIGAND, [beside, inside, torn])
    assert good.valid
    assert good.sentence.startswith("passes all")
    assert "minimum distance to protein" in clash.failed
    assert "bond lengths" in stretched.failed
    assert check_poses(receptor, LIGAND, []) == ()


# ------------------------------------------------------------------------------------------ moving side chains


def test_what_shall_move_is_read():
    requests = parse_flexible(["gatekeeper,T315", "A:317", "neighbors"])
    assert [request.label for request in requests] == ["gatekeeper", "T315", "A:317", "neighbours"]
    with pytest.raises(InputError, match="'foo'"):
        parse_flexible(["foo"])
    with pytest.raises(InputError, match="twice"):
        parse_flexible(["T315,T315"])


def test_residues_that_move_are_found_by_number_and_role():
    receptor = peptide()  # AKTIFDG from 311
    kinase = dataclasses.replace(KINASE, gatekeeper=313, pocket=(312, 313, 314, 315))
    found = flexible_residues(receptor, kinase, parse_flexible(["gatekeeper", "F315"]), "uniprot")
    assert [int(receptor.author_numbers[r]) for r in found] == [313, 315]
    near = flexible_residues(receptor, kinase, parse_flexible(["neighbours"]), "uniprot")
    assert {int(receptor.author_numbers[r]) for r in near} <= {312, 314, 315}
    for text, match in (
        ("I315", "is F"),
        ("311", "does not turn"),
        ("G317", "does not turn"),
        ("400", "no residue 400"),
    ):
        with pytest.raises(InputError, match=match):
            flexible_residues(receptor, kinase, parse_flexible([text]), "uniprot")


def test_a_residue_that_moves_is_followed_through_its_mutation():
    requests = parse_flexible(["T313,F315", "gatekeeper"])
    isoleucine = requests_after(requests, parse_variant("T313I"))
    assert [request.label for request in isoleucine] == ["I313", "F315", "gatekeeper"]
    assert [request.label for request in requests_after(requests, parse_variant("F315A"))] == ["T313", "gatekeeper"]
    assert requests_after(requests, parse_variant("S313I"))[0].label == "T313"  # a wrong letter stays one


def test_rigid_and_moving_part_are_the_whole_receptor():
    receptor = peptide()
    moving = (residue(receptor, 312), residue(receptor, 314))
    rigid, flexible = split_receptor(receptor, moving)

    def atoms(text):
        return sorted(line[11:54] for line in text.splitlines() if line.startswith("ATOM"))

    assert sorted(atoms(rigid) + atoms(flexible)) == atoms(receptor_pdbqt(receptor))
    assert flexible.count("BEGIN_RES") == flexible.count("END_RES") == 2
    assert flexible.count("\nBRANCH") == flexible.count("\nENDBRANCH") == 4 + 2  # Lys has four, Ile two chi angles
    names = [line[12:16].strip() for line in flexible.splitlines() if line.startswith("ATOM")]
    assert names.count("CA") == 2
    assert "N" not in names


def test_side_chains_come_back_with_their_hydrogens_and_nothing_else_moves():
    receptor = peptide()
    moving = residue(receptor, 312)
    _, text = split_receptor(receptor, (moving,))
    names = {str(receptor.atom_names[a]): int(a) for a in receptor.atom_indices(moving)}
    mol = Chem.RWMol()
    template = residue_templates()["LYS"]
    order = [name for name in template.atoms.tolist() if name in names]
    for name in order:
        mol.AddAtom(Chem.Atom(str(receptor.elements[names[name]])))
    for a, b in template.bonds:
        if a in names and b in names:
            mol.AddBond(order.index(a), order.index(b), Chem.BondType.SINGLE)
    Chem.FastFindRings(mol)
    conformer = Chem.Conformer(len(order))
    conformer.SetPositions(np.array([receptor.coordinates[names[name]] for name in order]))
    mol.AddConformer(conformer)
    for chi, angle in zip(template.chis, (65.0, -170.0, 60.0, 180.0), strict=True):
        rdMolTransforms.SetDihedralDeg(mol.GetConformer(), *(order.index(name) for name in chi.atoms), angle)
    turned = {names[name]: xyz for name, xyz in zip(order, mol.GetConformer().GetPositions(), strict=True)}
    lines = []
    for line in text.splitlines():
        if line.startswith("ATOM"):
            x, y, z = turned[names[line[12:16].strip()]]
            line = f"{line[:30]}{x:8.3f}{y:8.3f}{z:8.3f}{line[54:]}"
        lines.append(line)
    result = turned_receptor(receptor, (moving,), "\n".join(lines))
    still = np.setdiff1d(np.arange(receptor.n_atoms), receptor.atom_indices(moving))
    assert np.array_equal(result[still], receptor.coordinates[still])
    assert max(np.linalg.norm(result[a] - xyz) for a, xyz in turned.items()) < 0.02
    assert float(dihedral(*(result[names[n]] for n in ("N", "CA", "CB", "CG")))) == pytest.approx(65.0, abs=0.2)


def test_vina_with_moving_side_chains_scores_as_without_them_in_the_place_it_found(monkeypatch):
    monkeypatch.setattr("dockkit.docking.flexible.EVALUATIONS_PER_RUN", 5_000)
    receptor, ligand = peptide(), make_ligand("Cc1ccccc1")
    moving = tuple(residue(receptor, number) for number in (313, 315))
    center = receptor.coordinates.mean(axis=0)
    options = DockingSettings(exhaustiveness=1, n_poses=1)
    ((pose, xyz),) = dock_flexible(receptor, ligand, moving, center, (18.0, 18.0, 18.0), options, 3, 1)
    hinges = receptor.coordinates[(receptor.atom_names == "CA") & np.isin(receptor.atom_residue, moving)]
    gap = np.linalg.norm(pose.coordinates[:, None] - hinges[None], axis=-1).min()
    assert gap > 4.5, "Vina does not see the C-alpha of a moving residue; a pose beside one cannot be compared"
    moved = dataclasses.replace(receptor, coordinates=xyz)
    changed = {
        int(receptor.author_numbers[r]) for r in receptor.atom_residue[np.abs(xyz - receptor.coordinates).max(1) > 1e-6]
    }
    assert changed <= {313, 315}
    mol = ligand_mol(ligand)
    mol.GetConformer().SetPositions(np.array(pose.coordinates))
    engine = Vina(verbosity=0, cpu=1, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor_pdbqt(moved))
        engine.set_receptor(str(path))
    engine.set_ligand_from_string(ligand_pdbqt(mol, "toluene")[0])
    engine.compute_vina_maps(center=list(center), box_size=[24.0, 24.0, 24.0])
    assert engine.score()[0] == pytest.approx(pose.score, abs=0.3)
