"""The pipeline of dockkit md: presets, legs, files, plan and command."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest
from builders import ion, peptide

from dockkit.api.dynamics import _TrajectoryFiles
from dockkit.cli import main
from dockkit.core.model import STATE_TERM_NAMES, ComplexState, Pose
from dockkit.core.records import load_record, save_record
from dockkit.core.settings import validate_md
from dockkit.core.task import Task
from dockkit.execution import Event
from dockkit.pipeline import dynamics_setup
from dockkit.pipeline.dynamics import evaluated_frames, replica_progress, run_md, run_md_replica, run_md_start
from dockkit.pipeline.dynamics_plan import clear_simulations
from dockkit.pipeline.dynamics_setup import equilibration_stages, make_setup, make_start, simulated
from dockkit.sampling import engine, platforms
from dockkit.store import Outcome

TINY = {
    "replicas": 2, "equilibration_ps": 0.1, "production_ps": 0.2, "frame_ps": 0.1, "segment_ps": 0.1, "platform": "CPU",
    "step_fs": 2.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs():
    receptor = peptide()
    ligand, parameters = ion(1.0, tuple(receptor.coordinates.mean(axis=0) + [0.0, 0.0, 12.0]))
    pose = Pose(ligand.name, receptor.name, ligand.coordinates, "bound")
    state = ComplexState(
        "wild-type", "T313I", receptor, ligand.name, ligand.coordinates, np.zeros((1, len(STATE_TERM_NAMES))),
        np.zeros((receptor.n_residues, 3)), 0.0,
    )  # fmt: skip
    return {"complex": state, "ligand": ligand, "parameters": parameters, "start": (receptor, pose)}


def params(folder: Path, preset: str, **more: object) -> dict[str, object]:
    settings = {**TINY, "padding_angstrom": 5.0, "cutoff_angstrom": 8.0} if preset == "explicit" else TINY
    return {
        "md": validate_md({"preset": preset, **settings}).model_dump(mode="json"), "energy": {}, "seed": 5,
        "state": "wild-type", "variant": "T313I", "numbering": "uniprot", "folder": str(folder / "md"),
        "label": "ion", **more,
    }  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _short_minimisations():
    patch = pytest.MonkeyPatch()
    patch.setattr(dynamics_setup, "MINIMISE_STEPS", 40)
    yield
    patch.undo()


@pytest.mark.parametrize("preset", ["pocket", "implicit"])
@pytest.mark.parametrize("apo", [False, True])
def test_a_state_is_simulated_with_and_without_its_ligand(inputs, tmp_path, preset, apo):
    given = params(tmp_path, preset, apo=apo, stem="T313I_ion_wild-type")
    given["box"] = None
    box = run_md_start(given, inputs, tmp_path)
    trajectory = run_md(given, {**inputs, "box": box}, tmp_path)
    n_ligand = 0 if apo else 1
    assert trajectory.preset == preset
    assert trajectory.fixed_frame == (preset == "pocket")
    assert trajectory.ligand == ("" if apo else "ion")
    assert trajectory.ligand_coordinates.shape == (2, 2, n_ligand, 3)
    assert trajectory.terms.shape == (2, 2, 0 if apo else 4)
    assert np.isfinite(trajectory.terms).all()
    if not apo:
        total = trajectory.contributions[..., 0].sum(axis=2)
        np.testing.assert_allclose(total, trajectory.terms[..., 0], rtol=1e-4)
    assert trajectory.platform == "CPU"
    assert (trajectory.potential_kcal_mol != 0).all()
    assert len(np.unique(trajectory.receptor_coordinates[:, :, 0, 0])) == 4
    save_record(trajectory, tmp_path / "record")
    assert load_record(tmp_path / "record").ligand == trajectory.ligand
    files = sorted(path.name for path in (tmp_path / "trajectories").iterdir())
    assert files == [f"T313I_ion_wild-type{end}" for end in (".pdb", "_replica1.xtc", "_replica2.xtc")]
    read = mdtraj.load(
        str(tmp_path / "trajectories" / files[2]), top=str(tmp_path / "trajectories" / files[0])
    )  # fmt: skip
    assert read.n_frames == 2
    assert read.n_atoms == trajectory.receptor.n_atoms + n_ligand
    assert read.time == pytest.approx([0.1, 0.2])
    numbers = [residue.resSeq for residue in read.topology.residues][: trajectory.receptor.n_residues]
    assert numbers == trajectory.receptor.author_numbers.tolist()
    if preset == "pocket":
        expected = trajectory.receptor_coordinates[1]
        assert np.abs(read.xyz[:, : expected.shape[1]] * 10 - expected).max() < 0.02
    else:
        carbons = read.topology.select("name CA and protein")
        reference = mdtraj.load(str(tmp_path / "trajectories" / files[0]))
        offset = read.xyz[:, carbons].mean(axis=1) - reference.xyz[0, carbons].mean(axis=0)
        assert np.abs(offset).max() < 0.002


@pytest.mark.parametrize("keep", [False, True])
def test_a_box_of_water_comes_out_whole_or_stripped(inputs, tmp_path, keep):
    given = params(tmp_path, "explicit", stem="wet")
    given["md"] = {**given["md"], "keep_solvent": keep, "replicas": 1, "production_ps": 0.1, "equilibration_ps": 0.02}
    box = run_md_start(given, inputs, tmp_path)
    assert len(box.solvent.waters) > 300
    replica = run_md_replica({**given, "replica": 0}, {**inputs, "box": box}, tmp_path)
    assert replica.n_particles == len(box.coordinates)
    trajectory = run_md(given, {**inputs, "box": box}, tmp_path)
    assert replica.seed == trajectory.seeds[0]
    read = mdtraj.load(
        str(tmp_path / "trajectories" / "wet_replica1.xtc"), top=str(tmp_path / "trajectories" / "wet.pdb")
    )  # fmt: skip
    assert read.n_atoms == (len(box.coordinates) if keep else trajectory.receptor.n_atoms + 1)
    assert (read.unitcell_lengths is not None) == keep
    oxygens = trajectory.water_coordinates[0, 0, :, 0]
    assert trajectory.water_coordinates.shape == (1, 1, 60, 3, 3)
    distance = np.linalg.norm(oxygens - trajectory.ligand_coordinates[0, 0, 0], axis=1)
    assert (np.diff(distance) >= 0).all()
    assert distance[0] < 4.0
    bonds = np.linalg.norm(trajectory.water_coordinates[..., 1, :] - trajectory.water_coordinates[..., 0, :], axis=-1)
    assert bonds == pytest.approx(0.9572, abs=1e-3)


def test_wild_type_and_apo_share_the_region_of_a_pocket(inputs, tmp_path):
    full = simulated(params(tmp_path, "pocket"), inputs)
    bare = simulated(params(tmp_path, "pocket", apo=True), inputs)
    np.testing.assert_array_equal(full.region.residues, bare.region.residues)
    np.testing.assert_array_equal(full.region.mobile_residues, bare.region.mobile_residues)
    assert full.assembly.n_atoms == bare.assembly.n_atoms + 1


def test_restraints_fade_and_the_stages_fill_the_time():
    for preset in ("pocket", "implicit", "explicit"):
        md = validate_md({"preset": preset, "equilibration_ps": 20.0})
        stages = equilibration_stages(md)
        assert sum(stage.length_ps for stage in stages) == pytest.approx(20.0)
        held = [stage.parameters[0][1] for stage in stages]
        assert held == sorted(held, reverse=True)
        assert held[-1] == pytest.approx(418.4 * 0.1 if preset == "pocket" else 0.0)
        assert stages[0].step_fs < stages[-1].step_fs == md.step_fs
        assert equilibration_stages(md.model_copy(update={"equilibration_ps": 0.0})) == ()
    assert [stage.barostat for stage in stages] == [False, True, True, True]


def test_every_setup_sets_the_restraints_it_names(inputs, tmp_path):
    for preset in ("pocket", "implicit"):
        given = params(tmp_path, preset)
        what, md = simulated(given, inputs), validate_md(given["md"])
        setup = make_setup(what, md, make_start(what, md, 1))
        known = {
            force.getGlobalParameterName(i)
            for force in setup.system.getForces()
            if hasattr(force, "getNumGlobalParameters")
            for i in range(force.getNumGlobalParameters())
        }
        named = {name for stage in (*setup.equilibration, setup.production) for name, _ in stage.parameters}
        assert named == known


def test_evaluated_frames_are_even_and_hold_the_last():
    assert evaluated_frames(20).tolist() == list(range(20))
    chosen = evaluated_frames(250)
    assert len(chosen) <= 100
    assert chosen[-1] == 249
    assert set(np.diff(chosen)) == {3}


def test_the_command_refuses_what_makes_no_sense(tmp_path, capsys):
    base = ["md", "abl1-1iep", "--ligand", "imatinib", "--mutation", "T315I", "--out", str(tmp_path / "out")]
    assert main([*base, "--set", "replica=2"]) == 2
    assert "replicas" in capsys.readouterr().err
    assert main([*base, "--set", "step_fs"]) == 2
    assert "KEY=VALUE" in capsys.readouterr().err
    assert main([*base, "--ns", "-1"]) == 2
    assert "production_ps" in capsys.readouterr().err
    assert main([*base, "--platform", "Quantum"]) == 1
    assert "present" in capsys.readouterr().err
    wrong = [*base[:5], "A315I", *base[6:]]
    assert main(wrong) == 2
    assert "315" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_trajectory_files_are_written_again_after_another_length_wrote_over_them(tmp_path):
    def run(key: str, *, killed: bool = False) -> bool:
        """Run the only trajectory under this key, and say whether it was computed."""
        files = _TrajectoryFiles(tmp_path, [SimpleNamespace(trajectories={"mutant": key}, stems={"mutant": "a"})])  # type: ignore[list-item]
        outcome = Outcome(key, "md", "dynamics", "ok")
        if key in files.without_lost({known: Outcome(known, "md", "dynamics", "ok") for known in stored}):
            return False
        task = Task(key, "md", {}, {}, "dynamics")
        files.told(None)(Event("started", task))
        (tmp_path / "a.pdb").touch()
        if not killed:
            stored.add(key)
            files.told(None)(Event("finished", task, outcome))
        return True

    stored: set[str] = set()
    assert [run("long"), run("long"), run("short"), run("long"), run("long")] == [True, False, True, True, False]
    run("short")
    run("other", killed=True)
    assert run("short")
    assert not run("short")
    (tmp_path / "a.pdb").unlink()
    assert run("short")


def test_a_fresh_run_removes_segments_and_nothing_else(tmp_path):
    own, other = tmp_path / "0123456789abcdef" / "replica-7", tmp_path / "notes"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    clear_simulations(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    assert (other / "file").is_file()
    clear_simulations(tmp_path / "missing")


def test_gathering_takes_segments_of_a_platform_that_does_not_work_here(inputs, tmp_path, monkeypatch):
    """Replicas from a graphics card are read where there is none; they are not simulated again."""
    given = params(tmp_path, "pocket")
    given["md"] = {**given["md"], "platform": "Reference"}
    start = run_md_start(given, inputs, tmp_path)
    replicas = {
        f"replica{number}": run_md_replica({**given, "replica": number}, {**inputs, "box": start}, tmp_path)
        for number in range(2)
    }
    assert [replica.platform for replica in replicas.values()] == ["Reference", "Reference"]
    given["md"] = {**given["md"], "platform": ""}
    monkeypatch.setattr(platforms, "works", lambda name: name == "CPU")
    monkeypatch.setattr(engine, "works", lambda name: name == "CPU")
    before = sorted((tmp_path / "md").rglob("*.npz"))
    trajectory = run_md(given, {**inputs, "box": start, **replicas}, tmp_path)
    assert sorted((tmp_path / "md").rglob("*.npz")) == before
    assert trajectory.platform == "Reference"
    for path in (tmp_path / "md").glob(f"*/replica-{replicas['replica1'].seed}/*.frames.npz"):
        path.unlink()
    again = run_md(given, {**inputs, "box": start, **replicas}, tmp_path)
    assert again.platform == "Reference, CPU"
    np.testing.assert_array_equal(again.receptor_coordinates[0], trajectory.receptor_coordinates[0])


def test_a_run_with_fewer_replicas_leaves_no_file_of_the_others(inputs, tmp_path):
    for replicas in (3, 1):
        given = params(tmp_path, "pocket", stem="a")
        given["md"] = {**given["md"], "replicas": replicas}
        run_md(given, {**inputs, "box": run_md_start(given, inputs, tmp_path)}, tmp_path)
        place = tmp_path / "trajectories"
        (place / "a_replica2_notes.xtc").touch()
        found = sorted(path.name for path in place.glob("a_replica?.xtc"))
        assert found == [f"a_replica{number + 1}.xtc" for number in range(replicas)]
    assert (place / "a_replica2_notes.xtc").is_file()


def test_how_far_a_replica_is_grows_with_its_segments(inputs, tmp_path):
    given = params(tmp_path, "pocket", replica=0)
    task = Task("key", "md-replica", given, {}, "replica")
    assert replica_progress(task) == 0
    start, far = run_md_start(given, inputs, tmp_path), [0]
    for length in (0.1, 0.2):
        given["md"] = {**given["md"], "production_ps": length}
        run_md_replica(given, {**inputs, "box": start}, tmp_path)
        far.append(replica_progress(task))
    assert far[0] < far[1] < far[2]
    assert replica_progress(Task("key", "md-replica", {**given, "replica": 1}, {}, "another")) == 0
    assert replica_progress(Task("key", "md", given, {}, "not a replica")) == 0
