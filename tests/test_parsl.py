"""Parsl on this machine and with stand-ins for batch systems; tests/test_slurm.py has a real one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import get_args

import pytest
from fake_plan import failing, number, total
from fake_steps import STEPS

pytest.importorskip("parsl", reason="Parsl is not installed: pip install 'dockkit[hpc]'")

sys.path.insert(0, str(Path(__file__).parent / "slurm"))

import fake_batch  # noqa: E402

from dockkit.cli import main  # noqa: E402
from dockkit.core.errors import ExecutionError  # noqa: E402
from dockkit.core.sites import SiteSettings  # noqa: E402
from dockkit.execution import Workers, job_script, read_status, run_tasks  # noqa: E402
from dockkit.store import Store  # noqa: E402

QUICK = {"cores_per_node": 1, "address": "127.0.0.1", "heartbeat_seconds": 2, "poll_seconds": 1}


def script(**site: object) -> str:
    return job_script(Workers(site=SiteSettings(**{**QUICK, **site})))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheduler", get_args(SiteSettings.model_fields["scheduler"].annotation))
def test_every_scheduler_that_a_site_may_name_has_a_job_script(scheduler):
    assert "process_worker_pool" in script(scheduler=scheduler)


@pytest.mark.parametrize(
    ("site", "lines"),
    [
        (
            {"scheduler": "slurm", "partition": "short", "account": "a1", "qos": "high", "walltime": "02:30:00",
             "cores_per_node": 32, "gpus_per_node": 4, "memory_gb_per_node": 64, "extra": ["#SBATCH --hint=x"]},
            ["#SBATCH --partition=short", "#SBATCH --account=a1", "#SBATCH --qos=high", "#SBATCH --time=150",
             "#SBATCH --cpus-per-task=32", "#SBATCH --gpus-per-node=4", "#SBATCH --mem=64g", "#SBATCH --no-requeue",
             "#SBATCH --hint=x", "export OPENMM_CPU_THREADS=8"],
        ),
        (
            {"scheduler": "pbs", "cores_per_node": 16, "gpus_per_node": 2, "memory_gb_per_node": 8, "nodes": 2},
            ["#PBS -l select=2:ncpus=16:ngpus=2:mem=8gb", "#PBS -l walltime=01:00:00", "export OMP_NUM_THREADS=8"],
        ),
        (
            {"scheduler": "lsf", "partition": "normal", "account": "p", "cores_per_node": 16, "gpus_per_node": 1},
            ["#BSUB -q normal", "#BSUB -P p", "#BSUB -n 16", '#BSUB -R "span[ptile=16]"', '#BSUB -gpu "num=1"',
             "#BSUB -W 60"],
        ),
        (
            {"scheduler": "sge", "account": "p", "parallel_environment": "smp", "cores_per_node": 16},
            ["#$ -pe smp 16", "#$ -P p", "#$ -l h_rt=01:00:00", "export PARSL_CORES=16"],
        ),
    ],
    ids=["slurm", "pbs", "lsf", "sge"],
)  # fmt: skip
def test_script_asks_for_what_the_site_says(site, lines):
    text = script(worker_init="module load gcc\n", **site)
    present = text.splitlines()
    assert [line for line in lines if line not in present] == []
    assert "module load gcc" in present
    head = [i for i, line in enumerate(present) if line.startswith(("#SBATCH", "#PBS", "#BSUB", "#$"))]
    assert max(head) < present.index("module load gcc"), "a line of the head after the first command is not read"
    assert "parsl.executors.high_throughput.process_worker_pool" in text


def test_script_of_several_nodes_starts_workers_on_each():
    text = script(scheduler="slurm", nodes=3, cores_per_node=8)
    assert "srun --ntasks 3 -l --cpus-per-task=8" in text
    assert "#SBATCH --nodes=3" in text


def test_workers_of_a_container():
    assert "apptainer exec d.sif python -m parsl" in script(scheduler="slurm", python="apptainer exec d.sif python")


def test_dry_run_prints_plan_and_script_and_does_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text('scheduler = "slurm"\ncores_per_node = 8\naddress = "127.0.0.1"\n', encoding="ascii")
    assert main(["run", "abl1-t315i", "--executor", "parsl", "--site", "site.toml", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "mutations   T315I" in text
    assert "#SBATCH --cpus-per-task=8" in text
    assert [path.name for path in tmp_path.iterdir()] == ["site.toml"]


def test_tasks_run_in_workers_and_a_killed_one_is_tried_again(tmp_path):
    bad, once = failing("input"), failing("killed-once", mark=str(tmp_path / "mark"))
    numbers = [number(i) for i in range(4)]
    tasks = [*numbers, bad, once, total(*numbers), total(bad, numbers[0])]
    notes: list[str] = []
    store = Store(tmp_path / "store")
    workers = Workers("parsl", site=SiteSettings(scheduler="here", **QUICK))  # type: ignore[arg-type]
    outcomes = run_tasks(tasks, store, STEPS, jobs=workers, on_note=notes.append)
    assert [outcomes[task.key].status for task in tasks] == ["ok"] * 4 + ["failed", "ok", "ok", "upstream"]
    assert store.load(tasks[6].key).value == 6.0
    assert store.load(tasks[6].key).sem == 1.0, "one thread"
    assert any("died" in note and "tried again" in note for note in notes)
    assert not list(store.root.glob(".work/*"))


@pytest.mark.skipif(os.environ.get("DOCKKIT_SLURM") != "1", reason="slow; asked for with DOCKKIT_SLURM=1")
@pytest.mark.parametrize("kind", ["pbs", "lsf", "sge"])
def test_commands_of_other_batch_systems(tmp_path, monkeypatch, kind):
    commands = tmp_path / "bin"
    fake_batch.install(commands, kind)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    tasks = [number(i) for i in range(3)]
    workers = Workers("parsl", site=SiteSettings(scheduler=kind, worker_init="echo hello", **QUICK))  # type: ignore[arg-type]
    outcomes = run_tasks(tasks, Store(tmp_path / "store"), STEPS, jobs=workers)
    assert all(outcome.ok for outcome in outcomes.values())
    assert "echo hello" in (commands / "submitted").read_text()
    assert not any(fake_batch.jobs(commands).values()), "the job was left behind"
    assert read_status(tmp_path).state == "finished"


@pytest.mark.skipif(os.environ.get("DOCKKIT_SLURM") != "1", reason="slow; asked for with DOCKKIT_SLURM=1")
def test_jobs_that_die_end_the_run_with_their_last_words(tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    fake_batch.install(commands, "pbs")
    (commands / "qsub").write_text("#!/bin/sh\necho 'qsub: Unauthorized Request' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    workers = Workers("parsl", site=SiteSettings(scheduler="pbs", **QUICK))  # type: ignore[arg-type]
    with pytest.raises(ExecutionError, match="three jobs in a row gave no workers .qsub: Unauthorized Request"):
        run_tasks([number(1)], Store(tmp_path / "store"), STEPS, jobs=workers)
