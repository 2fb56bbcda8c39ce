"""The ABL1 panel with the real science on a real one-node Slurm: undisturbed, then killed in every way; same tables.

    python tests/slurm/panel.py --out OUT                    the recipe as it is
    python tests/slurm/panel.py --out OUT --quick            one conformer and one start a state, shallow docking

Starts a cluster of its own (``cluster.py``), runs ``dockkit panel`` through pilot jobs into ``OUT/undisturbed``, then
into ``OUT/disturbed`` with a worker killed by signal 9, the pilot job cancelled, the driver killed by signal 9 and
started again, and the node set down and back. Writes ``OUT/events.csv`` and ``OUT/summary.json``; exit code 1 where a
table differs. Takes as long as the science: minutes to an hour.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from cluster import Cluster, missing  # noqa: E402

from dockkit.core.settings import load_study  # noqa: E402
from dockkit.execution import RunStatus, read_status  # noqa: E402

TABLES = ("results.csv", "panel_matrix.csv", "panel_long.csv", "panel_ranking.csv", "panel_cover.csv")
SITE = """\
scheduler = "slurm"
partition = "short"
walltime = "02:00:00"
cores_per_node = {cores}
heartbeat_seconds = {heartbeat}
poll_seconds = 5
address = "127.0.0.1"
"""


class Panel:
    """One run of the panel, with what happened to it."""

    def __init__(self, cluster: Cluster, study: Path, site: Path, out: Path) -> None:
        self.cluster, self.out = cluster, out
        words = ["panel", str(study), "--executor", "parsl", "--site", str(site), "--out", str(out)]
        self.command = [sys.executable, "-m", "dockkit", *words]
        self.events: list[tuple[float, str, str]] = []
        self.begun = time.monotonic()
        self.start()

    def start(self) -> None:
        """Start a driver."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        environment = {**self.cluster.environment, "PYTHONPATH": str(ROOT)}
        with (self.out.parent / f"{self.out.name}.log").open("a") as log:
            self.driver = subprocess.Popen(self.command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.note("driver", f"process {self.driver.pid} started")

    def note(self, kind: str, text: str) -> None:
        """Write down what happens."""
        seconds = time.monotonic() - self.begun
        self.events.append((round(seconds, 1), kind, text))
        print(f"{self.out.name} {seconds:7.1f} s  {kind}: {text}", flush=True)

    def status(self) -> RunStatus | None:
        """Return how far the run is, None before its first word."""
        return read_status(self.out) if (self.out / "run" / "status.json").is_file() else None

    def wait_for_energies(self, count: int) -> None:
        """Wait until so many states have their energies."""

        def enough() -> bool:
            status = self.status()
            return status is not None and sum(s.done for s in status.steps if s.step == "state") >= count

        self.wait_until(enough)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, as long as the driver lives."""
        while not condition():
            if self.driver.poll() is not None:
                raise SystemExit(f"the driver ended with {self.driver.returncode}; see {self.out}.log")
            time.sleep(0.5)

    def kill_worker(self) -> None:
        """Kill a worker that is at work; the folder it works in has its process in its name."""

        def at_work() -> list[int]:
            pids = [int(item.name.split("-")[-2]) for item in (self.out / "store" / ".work").glob("*-*-*")]
            return [pid for pid in pids if Path(f"/proc/{pid}").exists()]

        self.wait_until(at_work)
        pid = at_work()[0]
        os.kill(pid, signal.SIGKILL)
        self.note("kill -9", f"worker {pid}")

    def cancel_job(self) -> None:
        """Cancel the pilot job."""
        self.wait_until(self.cluster.jobs)
        jobs = self.cluster.jobs()
        self.cluster.run("scancel", *jobs)
        self.note("scancel", f"job {', '.join(jobs)}")

    def kill_driver(self) -> None:
        """Kill the driver, see that ``dockkit status`` says so, and run the same command again."""
        self.driver.kill()
        self.driver.wait()
        status = self.status()
        assert status is not None
        self.note("kill -9", f"driver; status: {status.state}, {status.ended} of {status.total} tasks")
        self.start()

    def node_down_and_up(self, seconds: float = 10.0) -> None:
        """Set the node down, and back after a while."""
        self.cluster.node_down()
        self.note("node", "down")
        time.sleep(seconds)
        self.cluster.node_up()
        self.note("node", "up")

    def finish(self) -> float:
        """Wait for the end; return seconds since the first start."""
        code = self.driver.wait()
        seconds = time.monotonic() - self.begun
        self.note("end", f"exit code {code}")
        if code:
            raise SystemExit(f"the driver ended with {code}; see {self.out}.log")
        return seconds


def study_file(folder: Path, mutations: int, *, quick: bool) -> Path:
    """Write the study: the first mutations of the bundled panel, one inhibitor in its crystal pose and one docked."""
    whole = load_study("bcr-abl-panel")
    path = folder / "abl1-slurm.toml"
    lines = ['kinase = "ABL1"', f"mutations = {json.dumps(whole.mutations[:mutations])}"]
    lines += ['inhibitors = ["imatinib", "dasatinib"]', "[md]", "enabled = false"]
    lines += ["[docking]", f"exhaustiveness = {1 if quick else 4}"]
    lines += ["[relax]", "n_starts = 1", "n_rotamers = 1"] if quick else []
    path.write_text("\n".join([*lines, ""]), encoding="ascii")
    return path


def main() -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mutations", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="one conformer and one start a state, shallow docking")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--heartbeat", type=int, default=5, help="seconds; a node silent for four of them is lost")
    arguments = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    study, site = study_file(out, arguments.mutations, quick=arguments.quick), out / "site.toml"
    site.write_text(SITE.format(cores=arguments.cores, heartbeat=arguments.heartbeat), encoding="ascii")
    cluster = Cluster(out / "cluster", cpus=arguments.cores)
    cluster.start()
    try:
        quiet = Panel(cluster, study, site, out / "undisturbed")
        undisturbed = quiet.finish()
        rough = Panel(cluster, study, site, out / "disturbed")
        step = max(1, arguments.mutations // 4)
        for place, disturb in enumerate(
            (rough.kill_worker, rough.cancel_job, rough.kill_driver, rough.node_down_and_up), start=1
        ):
            rough.wait_for_energies(place * step)
            disturb()
        disturbed = rough.finish()
    finally:
        cluster.stop()
    same = {name: (quiet.out / name).read_bytes() == (rough.out / name).read_bytes() for name in TABLES}
    with (out / "events.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "seconds", "kind", "what"])
        writer.writerows([run.out.name, *event] for run in (quiet, rough) for event in run.events)
    status = rough.status()
    assert status is not None
    summary = {
        "mutations": arguments.mutations, "inhibitors": 2, "quick": int(arguments.quick), "cores": arguments.cores,
        "tasks": status.total, "undisturbed_seconds": round(undisturbed, 1), "disturbed_seconds": round(disturbed, 1),
        "tables_compared": len(same), "tables_identical": sum(same.values()),
    }  # fmt: skip
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="ascii")
    print(json.dumps({**summary, "identical": same}, indent=1))
    return 0 if all(same.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
