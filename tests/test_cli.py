from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import fake_science
import numpy as np
import pytest
from mdtraj.formats import DCDTrajectoryFile
from rich.console import Console

import dockkit
from dockkit import api, cli, console
from dockkit.core.errors import SettingsError
from dockkit.core.library import library_dir
from dockkit.core.units import thermal_energy
from dockkit.pipeline import outputs
from dockkit.report import write_results

STUDY = """
title = "A test"
kinase = "ABL1"
mutations = ["T315I"]
inhibitors = ["imatinib", "dasatinib"]
"""


@pytest.fixture(autouse=True)
def fake_steps(monkeypatch):
    monkeypatch.setattr(api.studies, "STEPS", fake_science.STEPS)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)


def table_and_empty_page(result, out_dir):
    """Stand in for the report where a test is not about it: figures take a second a run."""
    write_results(result, out_dir)
    (out_dir / "report.html").touch()


@pytest.fixture(autouse=True)
def no_figures(request, monkeypatch):
    if "whole_report" not in request.fixturenames:
        monkeypatch.setattr(outputs, "write_report", table_and_empty_page)


@pytest.fixture
def whole_report():
    """Asked for by the tests that want the real report."""


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "test.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def run(*arguments) -> int:
    return cli.main([str(item) for item in arguments])


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["ligand"]: row for row in csv.DictReader(file)}


def test_a_study_runs_to_its_table_and_files(study_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("run", study_file, "--out", out, "--jobs", 1) == 0
    found = rows(out)
    assert list(found) == ["imatinib", "dasatinib", "ATP.Mg"]
    imatinib = found["imatinib"]
    assert float(imatinib["ddg_inhibitor_kcal_mol"]) == pytest.approx(4.1)
    assert float(imatinib["ddg_inhibitor_sem"]) == pytest.approx(0.1)
    assert float(imatinib["ddg_atp_kcal_mol"]) == pytest.approx(-0.9)
    rt = thermal_energy()
    ratio = 2000 / 25
    fold = np.exp(4.1 / rt) * (1 + ratio * np.exp(0.9 / rt)) / (1 + ratio)
    assert float(imatinib["fold_change"]) == pytest.approx(fold, rel=1e-6)
    assert float(imatinib["ddg_effective_kcal_mol"]) == pytest.approx(rt * np.log(fold))
    assert (imatinib["call"], imatinib["status"], imatinib["rank"]) == ("lost", "ok", "2")
    assert found["dasatinib"]["rank"] == "1"
    shown = capsys.readouterr().out
    for text in ("ABL1 (P00519", "T315I", "imatinib", "3 poses", "lost", "report.html"):
        assert text in shown
    assert "left)" in shown


def test_every_named_output_is_there(study_file, tmp_path, whole_report):
    out = tmp_path / "out"
    run("run", study_file, "--out", out, "--jobs", 1)
    for name in ("results.csv", "results.json", "run.json", "report.html"):
        assert (out / name).stat().st_size > 0
    for ligand in ("imatinib", "dasatinib", "ATP.Mg"):
        for state in ("wild-type", "mutant"):
            stem = f"T315I_{ligand}_{state}"
            assert (out / "structures" / f"{stem}.pdb").stat().st_size
            assert (out / "structures" / f"{stem}.cif").stat().st_size
            with DCDTrajectoryFile(str(out / "trajectories" / f"{stem}_replica2.dcd")) as file:
                xyz = file.read()[0]
            lines = (out / "trajectories" / f"{stem}.pdb").read_text().splitlines()
            atoms = [line for line in lines if line.startswith(("ATOM", "HETATM"))]
            assert xyz.shape == (3, len(atoms), 3)
            first = [float(atoms[0][a:b]) for a, b in ((30, 38), (38, 46), (46, 54))]
            np.testing.assert_allclose(xyz[0, 0], first, atol=1.0)
        assert (out / "poses" / f"T315I_{ligand}.sdf").read_text().count("$$$$") == 1
        with (out / "energies" / f"T315I_{ligand}_frames.csv").open(newline="") as file:
            frames = list(csv.DictReader(file))
        assert len(frames) == 2 * 2 * 3
        terms = [float(frames[0][f"{name}_kcal_mol"]) for name in ("vdw", "coulomb", "gb", "surface")]
        assert float(frames[0]["total_kcal_mol"]) == pytest.approx(sum(terms), abs=1e-5)
    assert not list(out.rglob("*.part"))


def test_run_json_says_where_the_numbers_come_from(study_file, tmp_path):
    out = tmp_path / "out"
    run("run", study_file, "--out", out, "--jobs", 1)
    content = json.loads((out / "run.json").read_text())
    assert content["settings"]["atp"]["concentration_mm"] == 2.0
    assert content["seed"] == content["settings"]["seed"]
    assert content["versions"]["dockkit"] == dockkit.__version__
    assert len(content["inputs"]["structures"]["abl1-1iep"]["sha256"]) == 64
    assert {task["status"] for task in content["tasks"]} == {"ok"}
    keys = {task["key"] for task in content["tasks"]}
    assert all(set(task["inputs"].values()) <= keys for task in content["tasks"])


def test_second_run_computes_nothing_and_fresh_computes_all(study_file, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    run("run", study_file, "--out", out, "--jobs", 1)
    before = (out / "results.csv").read_bytes()
    started = []
    original = console.Progress.show_event
    monkeypatch.setattr(
        console.Progress, "show_event", lambda self, event: (started.append(event.kind), original(self, event))
    )
    capsys.readouterr()
    assert run("run", study_file, "--out", out, "--jobs", 1, "--resume") == 0
    assert set(started) == {"reused"}
    assert "nothing" in capsys.readouterr().out
    assert (out / "results.csv").read_bytes() == before
    started.clear()
    assert run("run", study_file, "--out", out, "--jobs", 1, "--fresh") == 0
    assert "reused" not in started
    assert (out / "results.csv").read_bytes() == before


def test_two_processes_give_the_same_table_as_one(study_file, tmp_path):
    assert run("run", study_file, "--out", tmp_path / "one", "--jobs", 1) == 0
    assert run("run", study_file, "--out", tmp_path / "two", "--jobs", 2) == 0
    assert (tmp_path / "one" / "results.csv").read_bytes() == (tmp_path / "two" / "results.csv").read_bytes()


def test_a_failed_task_is_a_row_with_its_reason_and_exit_code_1(tmp_path, capsys):
    path = tmp_path / "test.toml"
    path.write_text(STUDY + "[docking]\nexhaustiveness = 1\n", encoding="utf-8")
    assert run("run", path, "--out", tmp_path / "out", "--jobs", 1) == 1
    found = rows(tmp_path / "out")
    assert found["dasatinib"]["status"] == "failed"
    assert found["dasatinib"]["message"].startswith("pose of dasatinib in ")
    assert "no pose in the box" in found["dasatinib"]["message"]
    assert found["dasatinib"]["ddg_inhibitor_kcal_mol"] == found["dasatinib"]["call"] == ""
    assert found["imatinib"]["status"] == "ok"
    assert "1 task failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STUDY.replace("T315I", "T334I"), "did you mean T315I"),
        (STUDY.replace("imatinib", "imatinob"), "imatinib"),
        (STUDY.replace("ABL1", "ABLL1"), "'ABL1'"),
        (STUDY.replace("kinase", "kinaze"), "did you mean 'kinase'"),
        (STUDY + "[docking]\nexhaustivness = 4\n", "did you mean 'exhaustiveness'"),
        ("kinase = ", "not a readable TOML file"),
    ],
)
def test_bad_study_is_exit_code_2_without_a_traceback_or_a_folder(tmp_path, capsys, text, says, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "test.toml"
    path.write_text(text, encoding="utf-8")
    assert run("run", path) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not (tmp_path / "test").exists()


def test_a_file_name_with_blanks_names_the_study(tmp_path):
    path = tmp_path / "my study (2).toml"
    path.write_text(STUDY, encoding="utf-8")
    assert api.read_study(path).name == "my-study-2"


def test_unknown_study_offers_names_and_debug_shows_the_traceback(capsys):
    assert run("run", "abl1-t315") == 2
    assert "did you mean 'abl1-t315i'" in capsys.readouterr().err
    with pytest.raises(SettingsError):
        run("run", "abl1-t315", "--debug")
    with pytest.raises(SystemExit) as stop:
        run("run")
    assert stop.value.code == 2


def test_bundled_studies_are_listed(capsys):
    assert run("run", "--list") == 0
    assert "abl1-t315i" in capsys.readouterr().out


def test_a_closed_pipe_is_neither_a_fault_nor_a_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "dockkit", "run", "--list"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (cli.PIPE_CLOSED, "")


def test_unwritable_output_folder_is_exit_code_2(study_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run("run", study_file, "--out", tmp_path / "file" / "out") == 2
    assert "choose another folder (--out)" in capsys.readouterr().err


def test_full_disk_is_exit_code_2_and_the_next_run_goes_on(study_file, tmp_path, capsys, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dockkit.store.os.fsync", full)
        assert run("run", study_file, "--out", tmp_path / "out", "--jobs", 1) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert run("run", study_file, "--out", tmp_path / "out", "--jobs", 1) == 0


def test_ctrl_c_says_how_to_go_on(study_file, tmp_path, capsys, monkeypatch):
    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(api.studies, "run_tasks", stop)
    assert run("run", study_file, "--out", tmp_path / "out") == 130
    assert "run the same command again" in capsys.readouterr().err
    assert not (tmp_path / "out" / ".dockkit.lock").exists()


def test_fault_of_dockkit_shows_no_traceback(study_file, tmp_path, capsys, monkeypatch):
    def bug(*arguments, **settings):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(api.studies, "collect", bug)
    assert run("run", study_file, "--out", tmp_path / "out", "--jobs", 1) == 1
    assert "unexpected ZeroDivisionError" in capsys.readouterr().err


def test_compare_needs_no_study(tmp_path, capsys):
    out = tmp_path / "out"
    code = run(
        "compare", "--structure", "abl1-1iep", "--ligand", "imatinib", "--ligand", "dasatinib", "--mutation", "T315I",
        "--out", out, "--jobs", 1,
    )  # fmt: skip
    assert code == 0
    assert set(rows(out)) == {"imatinib", "dasatinib", "ATP.Mg"}
    used = {name: row["structure"] for name, row in rows(out).items()}
    assert used["imatinib"] == used["dasatinib"] == "abl1-1iep"
    assert used["ATP.Mg"] == "abl1-dfg-in-atp", "the named structure is DFG-out and holds no ATP"


def test_python_api_gives_the_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = dockkit.compare("abl1-1iep", ["imatinib"], ["T315I"], jobs=1, atp={"include": False})
    assert [detail.row.ligand for detail in result.rows] == ["imatinib"]
    assert result.rows[0].row.reason == "inhibitor half (ATP half not computed)"
    assert (tmp_path / "compare-abl1-1iep-T315I-imatinib" / "report.html").exists()
    with pytest.raises(AttributeError):
        dockkit.nothing  # noqa: B018


def test_paths_in_a_study_count_from_its_folder(tmp_path, monkeypatch):
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(library_dir("structures") / "abl1-1iep.cif.gz", folder / "mine.cif.gz")
    path = folder / "test.toml"
    path.write_text(STUDY + '[structures]\ndfg_in = "mine.cif.gz"\ndfg_out = "mine.cif.gz"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert api.read_study(path).structures.dfg_in == str(folder / "mine.cif.gz")
    assert run("run", path, "--out", tmp_path / "out", "--jobs", 1) == 0


def test_bars_on_a_terminal(study_file, tmp_path):
    screen = Console(force_terminal=True, width=140, record=True, file=(tmp_path / "screen").open("w"))
    with screen.file, console.Progress(screen) as progress:
        result = api.execute(
            api.read_study(study_file), tmp_path / "out", jobs=1, on_plan=progress.show_plan,
            on_event=progress.show_event,
        )  # fmt: skip
        progress.__exit__(None, None, None)
        console.show_result(result.result, result.failed, result.out, screen)
    shown = screen.export_text()
    assert "dynamics" in shown
    assert "6/6" in shown
    assert "lost" in shown


def test_help_and_version(capsys):
    for option, says in (("--help", "which inhibitors still bind"), ("--version", dockkit.__version__)):
        with pytest.raises(SystemExit) as stop:
            run(option)
        assert stop.value.code == 0
        assert says in capsys.readouterr().out


WAITING = """
import sys, time
from dockkit import cli
def wait(arguments):
    print("ready", flush=True)
    time.sleep(60)
cli._run = wait
sys.exit(cli.main())
"""


def test_terminate_signal_stops_as_ctrl_c(study_file):
    command = [sys.executable, "-c", WAITING, "run", str(study_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert "stopped" in process.communicate(timeout=30)[1]
    assert process.returncode == 130
