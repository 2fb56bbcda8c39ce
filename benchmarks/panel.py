"""Speed of the engine: speed-up of two processes, overhead per task, memory of a worker, planning and resuming.

Writes into --out ``summary.json`` (flat: metric -> number, with n and seconds) and ``runs.csv`` (each timing as it
came). A part whose timings are there already is not run again; ``--fresh`` forgets them. Wall times mean something on
an otherwise idle machine only; ``*_load`` holds the machine's load average at the start of each part.

    python benchmarks/panel.py --out benchmarks/out/panel
    python benchmarks/panel.py --out benchmarks/out/panel --parts overhead plan --tasks 200
    python benchmarks/panel.py --out benchmarks/out/panel --study bcr-abl-panel --limit 20

``--study`` also runs real tasks: the study's first ``--limit`` mutations and two inhibitors, first what they share,
then the rest with one process of one thread, two processes of one thread, and one process of two threads. ``--site``
measures Parsl's overhead on a batch system instead of on this machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

from panel_steps import STEPS, BenchStep, sized_receptor  # noqa: E402

from dockkit import api  # noqa: E402
from dockkit.core.settings import Study, validate_study  # noqa: E402
from dockkit.core.sites import SiteSettings, load_site  # noqa: E402
from dockkit.core.task import Task, make_task  # noqa: E402
from dockkit.execution import Workers, run_tasks, stored_outcomes, usable_cores  # noqa: E402
from dockkit.kinase import load_kinase  # noqa: E402
from dockkit.store import Store  # noqa: E402

PARTS = ("overhead", "speedup", "memory", "plan", "study")
TARGETS = {
    "speedup_2_processes": (1.85, ">=", "speedup_n", 40),
    "overhead_local_ms_per_task": (30.0, "<=", "overhead_local_n", 2000),
    "overhead_parsl_ms_per_task": (30.0, "<=", "overhead_parsl_n", 2000),
    "plan_seconds": (10.0, "<=", "plan_n", 10000),
    "resume_seconds": (15.0, "<=", "plan_n", 10000),
}
"""What is wanted, and of how many tasks: a smaller sample is told as such."""


def say(text: str) -> None:
    """Print with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def tasks_of(step: str, count: int, **params: Any) -> list[Task]:
    """Return independent tasks of one step."""
    return [make_task(STEPS, step, {"value": i, **params}, {}, f"{step} {i}") for i in range(count)]


def timed_run(tasks: list[Task], folder: Path, workers: Workers) -> dict[str, float]:
    """Run tasks in a new folder and return seconds in all, and from the first result to the last, and CPU seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    ends: list[float] = []
    cpu = time.process_time()
    started = time.perf_counter()
    outcomes = run_tasks(
        tasks, Store(folder / "store"), STEPS, jobs=workers,
        on_event=lambda event: ends.append(time.perf_counter()) if event.kind == "finished" else None,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    bad = [outcome.message for outcome in outcomes.values() if not outcome.ok]
    if bad:
        raise SystemExit(f"{len(bad)} tasks failed: {bad[0]}")
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "seconds": seconds,
        "steady_seconds": ends[-1] - ends[0],
        "start_seconds": ends[0] - started,
        "driver_cpu_seconds": time.process_time() - cpu,
    }


def measure_overhead(arguments: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return wall milliseconds per trivial task, the start left out and told apart."""
    count, found = arguments.tasks, {}
    here = SiteSettings(scheduler="here", cores_per_node=2, address="127.0.0.1", poll_seconds=5)
    kinds = {
        "inline": Workers("inline"),
        "local": Workers("local", jobs=2),
        "parsl": Workers("parsl", site=load_site(arguments.site) if arguments.site else here),
    }
    for name, workers in kinds.items():
        say(f"overhead: {count} trivial tasks, {name}")
        timing = timed_run(tasks_of("nothing", count), work / "overhead", workers)
        found[f"overhead_{name}_ms_per_task"] = 1000 * timing["steady_seconds"] / (count - 1)
        found[f"overhead_{name}_driver_cpu_ms_per_task"] = 1000 * timing["driver_cpu_seconds"] / count
        found[f"overhead_{name}_start_seconds"] = timing["start_seconds"]
        found[f"overhead_{name}_n"] = count
        found[f"overhead_{name}_seconds"] = timing["seconds"]
    return found


def measure_speedup(arguments: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return how much faster 40 tasks of OpenMM work are with two processes: medians, the two kinds in turn."""
    steps = _calibrated_steps(arguments.task_seconds)
    tasks = tasks_of("work", 40, steps=steps)
    one, two = [], []
    for repeat in range(arguments.repeats):
        say(f"speed-up: 40 tasks of about {arguments.task_seconds:g} s, round {repeat + 1} of {arguments.repeats}")
        one.append(timed_run(tasks, work / "speedup", Workers("local", jobs=1))["seconds"])
        two.append(timed_run(tasks, work / "speedup", Workers("local", jobs=2))["seconds"])
    return {
        "speedup_2_processes": statistics.median(one) / statistics.median(two),
        "speedup_1_process_seconds": statistics.median(one),
        "speedup_2_processes_seconds": statistics.median(two),
        "speedup_n": 40,
        "speedup_repeats": arguments.repeats,
        "speedup_cores": usable_cores(),
    }


def _calibrated_steps(seconds: float) -> int:
    """Return how many MD steps take so long on this machine."""
    trial = 2000
    started = time.process_time()
    STEPS["work"].run({"value": 0, "steps": trial}, {}, Path())
    return max(trial, int(trial * seconds / max(0.01, time.process_time() - started)))


def measure_memory(arguments: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return the resident MB of a worker, bare and with the libraries of real steps."""
    found = {}
    for name, imports in (("bare", False), ("loaded", True)):
        say(f"memory: a {name} worker")
        store = Store(work / f"memory-{name}" / "store")
        task = make_task(STEPS, "memory", {"imports": imports}, {}, name)
        started = time.perf_counter()
        run_tasks([task], store, STEPS, jobs=Workers("local", jobs=1))
        found[f"worker_{name}_mb"] = store.load(task.key).value
        found[f"worker_{name}_start_seconds"] = time.perf_counter() - started
        shutil.rmtree(work / f"memory-{name}")
    return found


def big_study(at_least: int) -> Study:
    """Return a study of ABL1 with at least so many tasks: every substitution from residue 245 on, two inhibitors."""
    sequence = load_kinase("ABL1").sequence
    letters = "ACDEFGHIKLMNPQRSTVWY"
    every = [
        f"{sequence[number - 1]}{number}{letter}"
        for number in range(245, 500)
        for letter in letters
        if letter != sequence[number - 1]
    ]
    count = 100
    while True:
        study = validate_study(
            {"name": "big", "kinase": "ABL1", "mutations": every[:count], "inhibitors": ["imatinib", "dasatinib"]},
            "benchmark",
        )
        planned = len(api.plan_study(study).tasks)
        if planned >= at_least or count >= len(every):
            return study
        count = min(len(every), max(count + 50, int(1.02 * count * at_least / planned)))


def measure_plan(arguments: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return the time to plan a 10,000-task study, and to resume it when complete, its science made up.

    Records are as large as real ones, since reading and checking them is most of the work.
    """
    import fake_science

    steps = {**fake_science.STEPS, "receptor": BenchStep("sized", sized_receptor)}

    say(f"plan: looking for a study of {arguments.plan_tasks} tasks")
    study = big_study(arguments.plan_tasks)
    started, cpu = time.perf_counter(), time.process_time()
    planned = api.plan_study(study)
    found: dict[str, float] = {
        "plan_seconds": time.perf_counter() - started,
        "plan_cpu_seconds": time.process_time() - cpu,
        "plan_n": len(planned.tasks),
    }
    out = work / "resume"
    say(f"plan: {len(planned.tasks)} tasks in {found['plan_seconds']:.1f} s; filling a store with fake results")
    api.execute(study, out, jobs=1, steps=steps, write=_write_nothing, lean=True)
    say("plan: resuming it")
    started, cpu = time.perf_counter(), time.process_time()
    again = api.execute(study, out, jobs=1, steps=steps, write=_write_nothing, lean=True)
    found["resume_seconds"] = time.perf_counter() - started
    found["resume_cpu_seconds"] = time.process_time() - cpu
    started = time.perf_counter()
    stored_outcomes(again.plan.tasks, Store(out / "store"))
    found["resume_store_seconds"] = time.perf_counter() - started
    found["resume_store_mb"] = sum(file.stat().st_size for file in (out / "store").rglob("*.*")) / 2**20
    found["resume_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    shutil.rmtree(out)
    return found


def _write_nothing(*written: object) -> None:
    """Stand in for the writer of tables, figures and report: the engine is measured."""


def measure_study(arguments: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return the speed-up on real tasks of a study, and the best split of two cores into processes and threads."""
    if not arguments.study:
        return {}
    whole = api.read_study(arguments.study)
    update = {"mutations": whole.mutations[: arguments.limit], "inhibitors": whole.inhibitors[:2]}
    study = whole.model_copy(update=update)
    shared = study.model_copy(update={"mutations": study.mutations[:1]})
    found: dict[str, float] = {"study_mutations": len(study.mutations), "study_inhibitors": len(study.inhibitors)}
    for name, jobs, threads in (("1x1", 1, 1), ("2x1", 2, 1), ("1x2", 1, 2)):
        say(f"study: {name} (processes x threads)")
        out = work / f"study-{name}"
        shutil.rmtree(out, ignore_errors=True)
        os.environ["OPENMM_CPU_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
        api.execute(shared, out, jobs=Workers("inline" if threads > 1 else "local", jobs=1), write=_write_nothing)
        before = len(list((out / "store").glob("??/*")))
        started = time.perf_counter()
        workers = Workers("inline") if threads > 1 else Workers("local", jobs=jobs)
        run = api.execute(study, out, jobs=workers, write=_write_nothing)
        found[f"study_{name}_seconds"] = time.perf_counter() - started
        found[f"study_{name}_n"] = len(list((out / "store").glob("??/*"))) - before
        found[f"study_{name}_failed"] = len(run.failed)
    found["study_speedup_2_processes"] = found["study_1x1_seconds"] / found["study_2x1_seconds"]
    found["study_speedup_2_threads"] = found["study_1x1_seconds"] / found["study_1x2_seconds"]
    found["study_worker_peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return found


MEASURES: Mapping[str, Callable[[argparse.Namespace, Path], dict[str, float]]] = {
    "overhead": measure_overhead,
    "speedup": measure_speedup,
    "memory": measure_memory,
    "plan": measure_plan,
    "study": measure_study,
}


def main() -> int:
    """Run the parts that are missing and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out" / "panel")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tasks", type=int, default=2000, help="trivial tasks (default 2000)")
    parser.add_argument("--plan-tasks", type=int, default=10000, help="tasks of the study to plan (default 10000)")
    parser.add_argument("--task-seconds", type=float, default=2.0, help="length of a task of the speed-up (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the speed-up (default 3)")
    parser.add_argument("--study", default="", help="a study whose real tasks are timed too")
    parser.add_argument("--limit", type=int, default=20, help="mutations of it (default 20)")
    parser.add_argument("--site", default="", help="measure Parsl on this site")
    parser.add_argument("--fresh", action="store_true", help="forget earlier timings")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = arguments.out / "runs.csv"
    if arguments.fresh:
        rows.unlink(missing_ok=True)
    known = _read(rows)
    for part in arguments.parts:
        if part in known or (part == "study" and not arguments.study):
            continue
        load = os.getloadavg()[0]
        started = time.perf_counter()
        found = MEASURES[part](arguments, arguments.out / "work")
        found |= {f"{part}_load": load, f"{part}_part_seconds": time.perf_counter() - started}
        known[part] = found
        with rows.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([part, name, repr(value)] for name, value in found.items())
    summary = {name: round(value, 4) for found in known.values() for name, value in found.items()}
    (arguments.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(arguments.out / "work", ignore_errors=True)
    for name, (target, sense, counted, wanted) in TARGETS.items():
        if name in summary:
            met = summary[name] >= target if sense == ">=" else summary[name] <= target
            verdict = f"only {summary[counted]:g} of {wanted} tasks" if summary[counted] < wanted else ""
            verdict = verdict or ("met" if met else "MISSED")
            say(f"{name:32} {summary[name]:10.2f}   target {sense} {target:g}: {verdict}")
    return 0


def _read(rows: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    if rows.exists():
        with rows.open(newline="", encoding="utf-8") as file:
            for part, name, value in csv.reader(file):
                found.setdefault(part, {})[name] = float(value)
    return found


if __name__ == "__main__":
    sys.exit(main())
