"""A real one-node Slurm, started by tests/slurm/cluster.py: jobs, workers and drivers are killed; the table stays.

Slow (minutes) and in need of root, so asked for: DOCKKIT_SLURM=1 python -m pytest tests/test_slurm.py
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "slurm"
sys.path.insert(0, str(FOLDER))

from cluster import Cluster, missing  # noqa: E402

pytest.importorskip("parsl", reason="Parsl is not installed: pip install 'dockkit[hpc]'")
if os.environ.get("DOCKKIT_SLURM") != "1":
    pytest.skip("asked for with DOCKKIT_SLURM=1", allow_module_level=True)
if reason := missing():
    pytest.skip(reason, allow_module_level=True)

from dockkit.execution import read_status  # noqa: E402

PATIENCE = float(os.environ.get("DOCKKIT_SLURM_PATIENCE", "180"))
STARTED: list[subprocess.Popen[str]] = []
"""Drivers of this module; those that a failed test leaves behind are killed at its end."""
SITE = """\
scheduler = "slurm"
partition = "{partition}"
walltime = "00:30:00"
cores_per_node = {cores}
heartbeat_seconds = 2
poll_seconds = 2
address = "127.0.0.1"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("slurm"), cpus=4)
    try:
        made.start()
        yield made
    finally:
        for process in STARTED:
            process.kill()
            process.communicate()
        made.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table of a run in one process."""
    out = tmp_path_factory.mktemp("inline")
    subprocess.run([sys.executable, str(FOLDER / "driver.py"), str(out), "0", "inline"], check=True)
    return table_of(out)


def table_of(out: Path) -> dict[str, float]:
    return json.loads((out / "table.json").read_text(encoding="ascii"))


def site_file(folder: Path, cores: int = 2, partition: str = "short") -> str:
    path = folder / "site.toml"
    path.write_text(SITE.format(cores=cores, partition=partition), encoding="ascii")
    return str(path)


class Driver:
    """A driver process."""

    def __init__(self, cluster: Cluster, folder: Path, seconds: float = 1.0, **site: object) -> None:
        self.out, self.cluster = folder / "out", cluster
        command = [sys.executable, str(FOLDER / "driver.py"), str(self.out), str(seconds), "parsl"]
        self.command = [*command, site_file(folder, **site)]  # type: ignore[arg-type]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, env=self.cluster.environment, stderr=subprocess.PIPE, text=True)
        STARTED.append(self.process)

    def finish(self) -> str:
        """Wait for a good end and return what was noted."""
        notes = self.process.communicate(timeout=PATIENCE)[1]
        assert self.process.returncode == 0, notes
        return notes

    def marks(self, what: str) -> list[Path]:
        return list(self.out.glob(f"{what}-*"))


def wait_for(condition, seconds: float = PATIENCE):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def test_pilot_job_gives_the_same_table_and_each_task_runs_once(cluster, undisturbed, tmp_path):
    driver = Driver(cluster, tmp_path, 0.2)
    notes = driver.finish()
    assert table_of(driver.out) == undisturbed
    assert len(driver.marks("started")) == 12
    assert notes.count("submitted") == 1
    status = read_status(driver.out)
    assert (status.state, status.ended, status.failed) == ("finished", 17, 0)
    wait_for(lambda: not cluster.jobs())


def test_killed_worker_costs_one_try_of_one_task(cluster, undisturbed, tmp_path):
    driver = Driver(cluster, tmp_path)
    mark = wait_for(lambda: driver.marks("started"))[0]
    os.kill(int(mark.name.split("-")[2]), signal.SIGKILL)
    notes = driver.finish()
    assert "died; its last line: thinking about" in notes
    assert table_of(driver.out) == undisturbed
    assert len(driver.marks("started")) <= 13


def test_killed_driver_is_gone_on_from_and_its_job_ends_by_itself(cluster, undisturbed, tmp_path):
    driver = Driver(cluster, tmp_path)
    wait_for(lambda: len(driver.marks("ended")) >= 3)
    second = subprocess.run(driver.command, env=cluster.environment, capture_output=True, text=True)
    assert second.returncode == 2
    assert f"another dockkit run (process {driver.process.pid}" in second.stderr
    assert read_status(driver.out).state == "running"
    driver.process.kill()
    driver.process.communicate()
    status = read_status(driver.out)
    assert status.state == "lost"
    assert 3 <= status.ended < 17
    done = {mark.name.split("-")[1] for mark in driver.marks("ended")}
    driver.start()
    driver.finish()
    assert table_of(driver.out) == undisturbed
    again = [mark for mark in driver.marks("started") if mark.name.split("-")[1] in done]
    assert len(again) <= len(done) + 2, "what was stored ran again"
    wait_for(lambda: not cluster.jobs())


def test_cancelled_job_is_replaced(cluster, undisturbed, tmp_path):
    driver = Driver(cluster, tmp_path)
    wait_for(lambda: len(driver.marks("ended")) >= 2)
    cluster.run("scancel", *cluster.jobs())
    notes = driver.finish()
    assert "fell silent" in notes
    assert notes.count("submitted") == 2
    assert table_of(driver.out) == undisturbed
    wait_for(lambda: not cluster.jobs())


def test_node_that_goes_down_and_comes_back(cluster, undisturbed, tmp_path):
    driver = Driver(cluster, tmp_path)
    wait_for(lambda: len(driver.marks("ended")) >= 2)
    cluster.node_down()
    time.sleep(3.0)
    cluster.node_up()
    notes = driver.finish()
    assert "fell silent" in notes
    assert table_of(driver.out) == undisturbed
    wait_for(lambda: not cluster.jobs())


def test_driver_in_a_job_of_its_own(cluster, undisturbed, tmp_path):
    out = tmp_path / "out"
    script = tmp_path / "driver.sh"
    words = [sys.executable, str(FOLDER / "driver.py"), str(out), "0.2", "parsl", site_file(tmp_path)]
    script.write_text(f"#!/bin/bash\n#SBATCH --cpus-per-task=1 --mem-per-cpu=100\n{' '.join(words)}\n")
    cluster.run("sbatch", f"--output={tmp_path}/log", str(script))
    wait_for((out / "table.json").exists)
    assert table_of(out) == undisturbed
    wait_for(lambda: not cluster.jobs())


def test_local_executor_in_a_job_uses_the_cores_it_was_given(cluster, tmp_path):
    code = "from dockkit.execution import usable_cores, default_jobs; print(usable_cores(), default_jobs())"
    root = str(Path(__file__).resolve().parents[1])
    log = tmp_path / "log"
    command = f"PYTHONPATH={root} {sys.executable} -c '{code}'"
    cluster.run("sbatch", "--cpus-per-task=1", f"--output={log}", "--wrap", command)
    wait_for(lambda: log.exists() and log.read_text().split())
    assert log.read_text().split() == ["1", "1"]


def test_refused_job_says_why(cluster, tmp_path):
    driver = Driver(cluster, tmp_path, partition="absent")
    notes = driver.process.communicate(timeout=PATIENCE)[1]
    assert driver.process.returncode == 2
    assert "ExecutionError: three jobs in a row gave no workers (sbatch: error: invalid partition" in notes
