"""dock and redock from structure to files, with an engine of a few lines in place of Vina."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from dockkit.api.docking import dock, redock
from dockkit.cli import main
from dockkit.core.errors import InputError, SettingsError
from dockkit.core.library import library_dir
from dockkit.core.model import Pose, Variant
from dockkit.core.settings import validate_dock
from dockkit.pipeline.dock import DockCell, DockLigand, DockStructure, plan_docking
from dockkit.pipeline.dock_rows import DockRow, rank_rows
from dockkit.pipeline.dock_steps import DockedLigand, DockedPose
from dockkit.structure import read_structure

ENGINE = str(Path(__file__).with_name("engine_of_one_point.py"))
FAST = {"docking": {"engine": ENGINE, "n_poses": 4}, "checks": False, "seed": 3}
STRUCTURE = "cdk2-1h1q"


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def ligands(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ligands") / "ligands.csv"
    path.write_text("name,smiles\nindazole,c1ccc2[nH]ncc2c1\nbad,C1CC(\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory, ligands):
    return dock([STRUCTURE], [str(ligands)], ["F80A", "F81A"], out=tmp_path_factory.mktemp("dock"), jobs=1, **FAST)


def test_one_list_with_failures_as_rows(done):
    rows = table(done.out / "summary.csv")
    assert [row["mutant"] for row in rows if row["status"] == "ok"].count("wild-type") == 1
    assert len(rows) == 3 * 2
    good = [row for row in rows if row["status"] == "ok"]
    assert [row["rank"] for row in rows] == ["1", "2", "", "", "", ""]
    assert [float(row["score_kcal_mol"]) for row in good] == sorted(float(row["score_kcal_mol"]) for row in good)
    assert {row["ligand"] for row in good} == {"indazole"}
    assert {row["mutant"] for row in good} == {"wild-type", "F80A"}
    reasons = {(row["mutant"], row["ligand"]): row["reason"] for row in rows if row["status"] == "failed"}
    assert "C1CC(" in reasons["wild-type", "bad"]
    assert "F81A" in reasons["F81A", "indazole"]
    assert all(row["best_conformation"] == "yes" for row in good)


def test_poses_have_bond_orders_hydrogens_and_fields(done):
    row = next(row for row in table(done.out / "summary.csv") if row["rank"] == "1")
    mols = list(Chem.SDMolSupplier(str(done.out / row["poses_file"]), removeHs=False))
    rows = [item for item in table(done.out / "poses.csv") if item["poses_file"] == row["poses_file"]]
    assert len(mols) == len(rows) == 4
    assert Chem.MolToSmiles(Chem.RemoveHs(mols[0])) == Chem.CanonSmiles("c1ccc2[nH]ncc2c1")
    assert mols[0].GetNumAtoms() == 15
    for mol, item in zip(mols, rows, strict=True):
        assert mol.GetProp("score_kcal_mol") == item["score_kcal_mol"]
        assert mol.GetProp("chosen") == item["chosen"]
    assert [item["chosen"] for item in rows].count("yes") == 1


def test_receptors_are_written_in_uniprot_numbers_with_the_mutation(done):
    for mutant, name in (("wild-type", "PHE"), ("F80A", "ALA")):
        raw = read_structure(done.out / "receptors" / f"{STRUCTURE}_{mutant}.pdb")
        assert str(raw.residue_names[raw.author_numbers == 80][0]) == name


def test_page_and_record_say_where_it_comes_from_and_no_path(done):
    page = (done.out / "docking.html").read_text(encoding="utf-8")
    assert "indazole" in page
    assert "http://" not in page
    assert "https://" not in page
    record = json.loads((done.out / "run.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3
    assert record["engine"]["name"] == "one-point"
    assert len(record["engine"]["content"]) == 64
    assert str(Path.cwd()) not in (done.out / "run.json").read_text(encoding="utf-8")
    assert {task["status"] for task in record["tasks"]} == {"ok", "failed", "upstream"}


def test_again_nothing_is_computed_and_other_processes_give_the_same(done, ligands, tmp_path):
    events = []
    dock([STRUCTURE], [str(ligands)], ["F80A", "F81A"], out=done.out, jobs=1, on_event=events.append, **FAST)
    assert "started" not in {event.kind for event in events}
    other = dock([STRUCTURE], [str(ligands)], ["F80A"], out=tmp_path, jobs=2, **FAST)
    for name in ("poses", "receptors"):
        for path in (other.out / name).iterdir():
            assert path.read_bytes() == (done.out / name / path.name).read_bytes()


def test_wild_type_and_mutants_are_searched_with_one_seed():
    plan = plan_docking([STRUCTURE], ["c1ccc2[nH]ncc2c1"], ["F80A"], validate_dock({"seed": 3}))
    searches = [task for task in plan.tasks if task.step == "dock-poses"]
    assert len(searches) == 2
    assert len({task.params["seed"] for task in searches}) == 1


def test_placed_atp_has_no_score_and_stands_behind_every_docked_ligand():
    def row(ligand: str, engine: str, score: float) -> DockRow:
        pose = DockedPose(Pose(ligand, "x", np.zeros((1, 3)), engine, score), 1, 0, (), np.zeros(0), np.zeros((0, 3)))
        cell = DockCell(DockStructure("x", "x", ""), Variant(()), DockLigand(ligand, ligand), {})
        return DockRow(cell, ligand, "", result=DockedLigand((pose,), 0, ""))

    rows = rank_rows([row("atp", "placed", -20.0), row("indazole", "vina", -6.0)])
    assert [(item.cell.ligand.label, item.rank) for item in rows] == [("indazole", 1), ("atp", 2)]
    assert np.isnan(rows[1].score)
    assert [item.best_conformation for item in rows] == [True, False]


def test_redocking_measures_the_distance_to_the_crystal(tmp_path):
    options = {**FAST, "docking": {"engine": ENGINE, "n_poses": 9}}
    run = redock([STRUCTURE, "abl1-1iep"], out=tmp_path, jobs=1, box="auto", **options)
    good, failed = table(tmp_path / "summary.csv")
    assert failed["status"] == "failed"
    assert "no bound ligand" in failed["reason"]
    assert run.success[3] == 2
    crystal = Chem.MolFromMolFile(str(library_dir("structures") / "cdk2-1h1q-ligand.sdf"))
    mols = [Chem.RemoveHs(mol) for mol in Chem.SDMolSupplier(str(tmp_path / good["poses_file"]))]
    rmsds = [rdMolAlign.CalcRMS(mol, crystal) for mol in mols]
    assert [float(mol.GetProp("rmsd_to_crystal_angstrom")) for mol in mols] == pytest.approx(rmsds, abs=0.02)
    assert float(good["rmsd_best_angstrom"]) == pytest.approx(min(rmsds), abs=0.02)
    assert good["success"] == ("yes" if float(good["rmsd_chosen_angstrom"]) <= 2.0 else "no")
    fresh = np.array(run.rows[0].ligand.coordinates)
    internal = [
        np.linalg.norm(xyz[:, None] - xyz[None], axis=2) for xyz in (fresh, run.rows[0].target.reference.coordinates)
    ]
    assert np.abs(internal[0] - internal[1]).max() > 0.5  # the conformer is not the crystal's


def test_what_is_wrong_is_told_before_anything_is_computed(tmp_path, capsys):
    with pytest.raises(InputError, match="two ligands are named"):
        dock([STRUCTURE], ["imatinib", "imatinib"], out=tmp_path, **FAST)
    with pytest.raises(InputError, match="given twice"):
        dock([STRUCTURE, STRUCTURE], ["imatinib"], out=tmp_path, **FAST)
    with pytest.raises(SettingsError, match="cannot move side chains"):
        dock([STRUCTURE], ["imatinib"], out=tmp_path, flexible=("gatekeeper",), **FAST)
    with pytest.raises(SettingsError, match="unknown key 'boxx'"):
        dock([STRUCTURE], ["imatinib"], out=tmp_path, boxx="ligand")
    assert main(["dock", STRUCTURE, "--ligand", "imatinib", "--box", "1,2", "--out", str(tmp_path)]) == 2
    assert "six" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_list_and_its_exit_code_tells_of_failures(done, ligands, capsys):
    arguments = [
        "--engine",
        ENGINE,
        "--poses",
        "4",
        "--no-checks",
        "--seed",
        "3",
        "--jobs",
        "1",
        "--out",
        str(done.out),
    ]
    code = main(["dock", STRUCTURE, "--ligand", str(ligands), "--mutation", "F80A", "--mutation", "F81A", *arguments])
    text = capsys.readouterr().out
    assert code == 1
    assert "indazole" in text
    assert "4 rows failed" in text
