"""The choice of a pose: rank scores and reasons by hand, refined energies against invariants."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from builders import ion, peptide
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms
from test_docking import KINASE

from dockkit.core.model import Ligand, Pose
from dockkit.core.settings import EnergySettings, RescoreSettings
from dockkit.docking.choose import ENERGY_RANGE, RESCORED, UNREFINED, Refined, choose_pose, combined_score, rank_poses
from dockkit.docking.molecule import ligand_mol
from dockkit.docking.starts import starting_conformers
from dockkit.docking.vina import ligand_pdbqt
from dockkit.pipeline.dock_steps import DockedLigand, DockedPose, DockSite, run_choice
from dockkit.pipeline.rescore import choose_refined, rescore_poses

FEATURES = {"hinge_bonds": 1.5, "bridge_bonds": 2.0, "hinge_distance": 3.0}


def molecule(smiles: str, seed: int = 3) -> Ligand:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=seed) == 0
    block = Chem.MolToMolBlock(mol)
    elements = [a.GetSymbol() for a in mol.GetAtoms()]
    charges = [a.GetFormalCharge() for a in mol.GetAtoms()]
    return Ligand("ligand", smiles, block, elements, charges, mol.GetConformer().GetPositions())


def along_x(ligand: Ligand, shifts: list[float], scores: list[float]) -> list[Pose]:
    return [
        Pose("ligand", "site", ligand.coordinates + [shift, 0.0, 0.0], "vina", score, rank)
        for rank, (shift, score) in enumerate(zip(shifts, scores, strict=True), start=1)
    ]


def refined(poses: list[Pose], energies: list[float]) -> list[Refined | None]:
    receptor = peptide().coordinates
    return [
        None if math.isnan(energy) else Refined(energy, 0.0, pose.coordinates, receptor)
        for pose, energy in zip(poses, energies, strict=True)
    ]


def test_rank_score_is_the_weighted_sum():
    w = RESCORED
    expected = -8.0 + 3.0 * w.energy + 2.0 * w.strain - 1.5 * w.hinge - 2.0 * w.bridge
    assert combined_score(-8.0, FEATURES, "I", 3.0, 2.0) == pytest.approx(expected)
    plain = -8.0 - 1.5 * UNREFINED.hinge - 2.0 * UNREFINED.bridge
    assert combined_score(-8.0, FEATURES, "unknown") == pytest.approx(plain)
    off = {**FEATURES, "hinge_bonds": 0.0, "bridge_bonds": 0.0, "hinge_distance": 9.0}
    assert combined_score(-8.0, off, "II") == pytest.approx(-8.0 + UNREFINED.off_hinge)
    assert combined_score(-8.0, FEATURES, "III") == -8.0
    assert combined_score(-8.0, {}, "I", 1e9) == pytest.approx(-8.0 + ENERGY_RANGE * w.energy)


def test_a_refined_energy_can_overrule_the_engine_and_the_reason_says_by_how_much():
    ligand = molecule("c1ccncc1")
    poses = along_x(ligand, [0.0, 5.0, 10.0], [-9.0, -8.9, -8.8])
    chosen = choose_pose(poses, peptide(), ligand, None, refined(poses, [-30.0, -38.0, math.nan]))
    assert chosen.rank == 2
    assert dict(chosen.features)["relative_energy"] == 0.0
    assert "best of 2 refined poses by MM-GBSA" in chosen.reason
    assert "preferred to rank 1 (-9.0 kcal/mol), whose MM-GBSA interaction is 8.0 kcal/mol weaker" in chosen.reason
    assert choose_pose(poses, peptide(), ligand, None).rank == 1
    left = choose_pose(poses[2:], peptide(), ligand, None, n_docked=3)
    assert left.reason.startswith("rank 3 of 3 by score")


def test_poses_that_were_not_refined_come_last_and_the_order_given_does_not_matter():
    ligand = molecule("c1ccncc1")
    poses = along_x(ligand, [0.0, 5.0, 10.0], [-9.0, -8.9, -8.8])
    ranked = rank_poses(poses, peptide(), ligand, None, refined(poses, [math.nan, -30.0, -30.0]))
    assert [pose.rank for pose in ranked] == [2, 3, 1]
    poses.reverse()
    turned = rank_poses(poses, peptide(), ligand, None, refined(poses, [-30.0, -30.0, math.nan]))
    assert [pose.rank for pose in turned] == [2, 3, 1]
    assert "relative_energy" not in dict(ranked[-1].features)


def test_poses_that_failed_a_check_and_a_missing_hinge_are_told_with_the_refined_choice(tmp_path):
    ligand, nothing = molecule("c1ccncc1"), (np.zeros(0), np.zeros((0, 3)))
    poses = along_x(ligand, [0.0, 5.0, 10.0], [-9.0, -8.9, -8.8])
    failed = (("a clash",), (), ())
    docked = tuple(DockedPose(p, p.rank, 20, f, *nothing) for p, f in zip(poses, failed, strict=True))
    site = DockSite(peptide(), dataclasses.replace(KINASE, hinge_middle=33), (0.0,) * 3, (20.0,) * 3, "given")
    params = {"rescore": {"max_poses": 0}, "energy": {}}
    inputs = {"site": site, "ligand": ligand, "parameters": None, "poses": DockedLigand(docked, 1, "")}
    result = run_choice(params, inputs, tmp_path)
    assert result.best.pose.rank == 2
    assert result.reason.startswith("rank 2 of 3 by score")
    assert "could not be judged as a kinase's" in result.reason
    assert result.reason.endswith("1 of 3 poses failed a check and were passed over.")


def test_rescoring_prefers_contact_with_the_negative_side_chain_and_is_a_property_of_the_pose():
    receptor = peptide()
    carboxylate = receptor.coordinates[receptor.atom_names == "OD1"][0]
    away = carboxylate - receptor.coordinates.mean(axis=0)
    outward = away / np.linalg.norm(away)
    ligand, parameters = ion(1.0)
    poses = [
        Pose("ion", "peptide", (carboxylate + distance * outward)[None], "vina", -1.0, rank)
        for rank, distance in enumerate((30.0, 3.0), start=1)
    ]
    settings = RescoreSettings(shell_angstrom=0.0, max_iterations=20)
    found = rescore_poses(receptor, ligand, parameters, poses, settings, EnergySettings())
    far, near = (item.total for item in found)
    assert abs(far) < 1.0
    assert near < far - 2.0
    assert found[1].moved < 1.5
    assert [item.strain for item in found] == [0.0, 0.0]
    swapped = rescore_poses(receptor, ligand, parameters, poses[::-1], settings, EnergySettings())
    assert [item.total for item in swapped] == pytest.approx([near, far], abs=1e-3)
    chosen = choose_refined(poses, receptor, ligand, None, parameters, settings, EnergySettings())
    assert chosen.rank == 2
    np.testing.assert_array_equal(chosen.coordinates, poses[1].coordinates)
    none = dataclasses.replace(poses[0], score=-2.0)
    off = RescoreSettings(max_poses=0)
    assert choose_refined([none, poses[1]], receptor, ligand, None, parameters, off, EnergySettings()).rank == 1


def test_a_substituted_ring_starts_with_its_substituents_either_way():
    """cis-1,4-disubstituted cyclohexane: one group is axial, and either may be."""
    mol = ligand_mol(molecule("C[C@H]1CC[C@@H](c2ccccc2)CC1"))
    starts = starting_conformers(mol, 5, 4)
    methyl, phenyl = mol.GetSubstructMatch(Chem.MolFromSmarts("[CH3]C1CC[CH](c)CC1"))[0:6:5]

    def axial(start: Chem.Mol, substituent: int) -> bool:
        carbon = next(a for a in start.GetAtomWithIdx(substituent).GetNeighbors() if a.GetHybridization() == SP3)
        ring = next(r for r in start.GetRingInfo().AtomRings() if carbon.GetIdx() in r)
        k = ring.index(carbon.GetIdx())
        torsion = (substituent, ring[k], ring[(k + 1) % 6], ring[(k + 2) % 6])
        return abs(rdMolTransforms.GetDihedralDeg(start.GetConformer(), *torsion)) < 120.0

    seen = {(axial(start, methyl), axial(start, phenyl)) for start in starts}
    assert (True, False) in seen
    assert (False, True) in seen
    again = starting_conformers(mol, 5, 4)
    for one, other in zip(starts, again, strict=True):
        np.testing.assert_array_equal(one.GetConformer().GetPositions(), other.GetConformer().GetPositions())


SP3 = Chem.HybridizationType.SP3


def test_a_flat_molecule_has_one_start_and_an_amide_keeps_its_side():
    flat = ligand_mol(molecule("c1ccc2ncccc2c1"))
    assert starting_conformers(flat, 1, 4) == [flat]
    ring = ligand_mol(molecule("CC(=O)NC1CCN(C(C)=O)CC1"))
    amide = Chem.MolFromSmarts("O=C-[NH]-C1CC[N]CC1")
    for start in starting_conformers(ring, 2, 3):
        o, c, n, beyond = start.GetSubstructMatch(amide)[:4]
        assert abs(rdMolTransforms.GetDihedralDeg(start.GetConformer(), o, c, n, beyond)) < 30.0


@pytest.mark.parametrize(
    ("smiles", "torsions"),
    [("CC(=O)NC", 0), ("CC(=O)N(CC)c1ccccc1", 2), ("CC(=O)OCC", 1), ("CCOc1ccccc1", 2)],
)
def test_amides_and_esters_are_no_torsions_of_the_search(smiles: str, torsions: int):
    text, _ = ligand_pdbqt(ligand_mol(molecule(smiles)), "ligand")
    assert text.count("ENDBRANCH") == torsions
