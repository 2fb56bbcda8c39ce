"""Speed of dynamics: ns/day of each preset, against a bare OpenMM script on the same System.

For each preset the complex is prepared and simulated through dockkit's own steps, then the same System, start and
integrator run in a bare script: ``ratio`` is the bare script's seconds over dockkit's for the same number of steps and
frames, in alternating rounds so that a busy machine slows both alike (``cpu_ratio`` is the same of processor seconds,
which other programs disturb less). Segments: what it costs to end one and begin the next, as a share of a segment of
the preset's default length. Memory: the largest resident set of a process that runs one preset.

    python benchmarks/md_speed.py --out md_speed
    python benchmarks/md_speed.py --presets pocket implicit --steps 200 --rounds 5 --out md_speed

Results are kept as they come; what is there is used again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import openmm
from openmm import unit
from openmm.app.internal.customgbforces import GBSAOBC2Force

from dockkit.api import compare_study
from dockkit.core.settings import validate_md
from dockkit.execution import run_tasks
from dockkit.pipeline.dynamics_setup import MdStart, make_setup, make_start, simulated
from dockkit.pipeline.plan import plan
from dockkit.pipeline.steps import STEPS
from dockkit.sampling import Setup, Stage, choose_platform, run_setup
from dockkit.store import Store

PRESETS = ("pocket", "implicit", "explicit")
FRAMES = 4


def prepared(arguments: argparse.Namespace, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and inputs of the wild type's dynamics, from dockkit's own steps."""
    study = compare_study(
        arguments.structure, [arguments.ligand], [arguments.mutation], md={"enabled": False}, atp={"include": False}
    )
    planned = plan(study, STEPS)
    keys = planned.cells[0].keys
    wanted = [task for task in planned.tasks if task.key != keys["mutant"]]
    outcomes = run_tasks(wanted, store, STEPS, jobs=1)
    failed = [outcome for outcome in outcomes.values() if not outcome.ok]
    if failed:
        raise SystemExit(f"{failed[0].label}: {failed[0].message}")
    inputs = {role: store.load(keys[role]) for role in ("start", "ligand", "parameters")}
    inputs["complex"] = store.load(keys["wild_type"])
    variant = planned.cells[0].variant.label
    return {"variant": variant, "numbering": study.numbering}, inputs


def bare_run(setup: Setup, md: Any, steps: int, platform: openmm.Platform) -> tuple[float, float]:
    """Run a plain OpenMM script that keeps positions as often as dockkit; return wall and processor seconds."""
    integrator = openmm.LangevinMiddleIntegrator(md.temperature_kelvin, md.friction_per_ps, md.step_fs * 1e-3)
    integrator.setConstraintTolerance(1e-6)
    known = platform.getPropertyNames()
    wanted = {"DeterministicForces": "true", "Threads": "1", "Precision": "mixed"}
    context = openmm.Context(setup.system, integrator, platform, {k: v for k, v in wanted.items() if k in known})
    context.setPositions(setup.coordinates / 10.0)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(md.temperature_kelvin, 1)
    for name, value in setup.production.parameters:
        context.setParameter(name, value)
    context.getState(getForces=True)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(FRAMES):
        integrator.step(steps // FRAMES)
        context.getState(getPositions=True, getEnergy=True).getPositions(asNumpy=True)
    return time.perf_counter() - wall, time.process_time() - cpu


def dockkit_run(setup: Setup, md: Any, steps: int, folder: Path, seed: int) -> tuple[float, float, float, float]:
    """Run one segment through the engine; return wall and processor seconds of the steps, and of all of it."""
    length = steps * md.step_fs * 1e-3
    short = md.model_copy(update={"production_ps": length, "frame_ps": length / FRAMES, "segment_ps": length})
    marks: list[tuple[float, float]] = []
    real = openmm.Context.setVelocitiesToTemperature

    def begin(context: openmm.Context, *rest: Any) -> None:
        real(context, *rest)
        context.getState(getForces=True)
        marks.append((time.perf_counter(), time.process_time()))

    ends: list[tuple[float, float]] = []
    whole, whole_cpu = time.perf_counter(), time.process_time()
    openmm.Context.setVelocitiesToTemperature = begin
    try:
        run_setup(
            setup, short, (seed,), folder,
            listener=lambda progress: ends.append((time.perf_counter(), time.process_time())),
        )  # fmt: skip
    finally:
        openmm.Context.setVelocitiesToTemperature = real
    wall, cpu = time.perf_counter() - whole, time.process_time() - whole_cpu
    return ends[-1][0] - marks[0][0], ends[-1][1] - marks[0][1], wall, cpu


def native_and_custom(setup: Setup, inputs: dict[str, Any], what: Any, platform: openmm.Platform) -> dict[str, float]:
    """Return energies and seconds of a force evaluation of OpenMM's own OBC2 and of the same as CustomGBForce."""
    native = next(force for force in setup.system.getForces() if isinstance(force, openmm.GBSAOBCForce))
    cutoff = native.getCutoffDistance().value_in_unit(unit.nanometer)
    custom = GBSAOBC2Force(
        solventDielectric=native.getSolventDielectric(), soluteDielectric=native.getSoluteDielectric(), SA=None,
        cutoff=cutoff, kappa=0.0,
    )  # fmt: skip
    assembly = what.assembly
    for row in zip(assembly.parameters.charges, assembly.born_radii / 10, assembly.born_scales, strict=True):
        custom.addParticle(list(row))
    custom.finalize()
    custom.setNonbondedMethod(custom.CutoffNonPeriodic)
    custom.setCutoffDistance(cutoff)
    found = {}
    for name, force in (("native", openmm.GBSAOBCForce(native)), ("custom", custom)):
        system = openmm.System()
        for _ in range(assembly.n_atoms):
            system.addParticle(1.0)
        system.addForce(force)
        threads = {"Threads": "1"} if platform.getName() == "CPU" else {}
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, threads)
        context.setPositions(setup.coordinates / 10.0)
        state = context.getState(getEnergy=True, getForces=True)
        seconds = time.process_time()
        context.setPositions(setup.coordinates / 10.0)
        context.getState(getEnergy=True, getForces=True)
        found[f"{name}_cpu_seconds"] = time.process_time() - seconds
        found[f"{name}_kcal_mol"] = state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    apart = abs(found["native_kcal_mol"] - found["custom_kcal_mol"])
    found["native_custom_kcal_mol_per_atom"] = apart / assembly.n_atoms
    return found


def measure(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one preset in this process."""
    store = Store(arguments.out / "store")
    params, inputs = prepared(arguments, store)
    md = validate_md({"preset": preset, "platform": arguments.platform})
    platform = choose_platform(md.platform)
    what = simulated({**params, "md": md.model_dump(mode="json")}, inputs)
    started = time.perf_counter()
    start: MdStart = make_start(what, md, 1)
    setup = make_setup(what, md, start)
    setup = Setup(
        setup.system,
        setup.coordinates,
        setup.saved,
        (),
        Stage("production", 1.0, md.step_fs, setup.production.parameters),
    )
    building = time.perf_counter() - started
    steps = arguments.steps if preset != "explicit" else max(FRAMES, arguments.steps // 10)
    steps -= steps % FRAMES
    with tempfile.TemporaryDirectory(dir=arguments.out) as scratch:
        bare_run(setup, md, FRAMES, platform)
        ours, bare = [], []
        for number in range(arguments.rounds):
            ours.append(dockkit_run(setup, md, steps, Path(scratch), number))
            bare.append(bare_run(setup, md, steps, platform))
            print(
                f"{preset}: round {number + 1} of {arguments.rounds}, {ours[-1][0]:.1f} and {bare[-1][0]:.1f} s",
                flush=True,
            )
    seconds = statistics.median(item[1] for item in ours) / steps
    boundary = statistics.median(item[3] - item[1] for item in ours)
    segment = seconds * md.segment_ps / (md.step_fs * 1e-3)
    row: dict[str, Any] = {
        "preset": preset,
        "platform": platform.getName(),
        "particles": len(setup.coordinates),
        "steps": steps,
        "rounds": arguments.rounds,
        "ns_per_day": md.step_fs * 1e-6 * 86400.0 / (min(item[0] for item in ours) / steps),
        "ns_per_day_cpu": md.step_fs * 1e-6 * 86400.0 / seconds,
        "ratio": statistics.median(b[0] / a[0] for a, b in zip(ours, bare, strict=True)),
        "cpu_ratio": statistics.median(b[1] / a[1] for a, b in zip(ours, bare, strict=True)),
        "boundary_cpu_seconds": boundary,
        "segment_ps": md.segment_ps,
        "boundary_share": boundary / (boundary + segment),
        "building_seconds": building,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }
    if preset == "implicit":
        row |= native_and_custom(setup, inputs, what, platform)
    return row


def in_process(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one preset in a process of its own, for its memory."""
    command = [
        sys.executable, __file__, "--one", preset,
        "--structure", str(arguments.structure), "--ligand", arguments.ligand,
        "--mutation", arguments.mutation, "--platform", arguments.platform, "--steps", str(arguments.steps),
        "--rounds", str(arguments.rounds), "--out", str(arguments.out),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    row: dict[str, Any] = json.loads((arguments.out / f"{preset}.json").read_text(encoding="utf-8"))
    return row


def main() -> None:
    """Measure, and write the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structure", default="abl1-1iep", help="library structure or file")
    parser.add_argument("--ligand", default="imatinib")
    parser.add_argument("--mutation", default="T315I")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--platform", default="", help="OpenMM platform (default: the fastest that works)")
    parser.add_argument("--steps", type=int, default=1000, help="of each round; a tenth for explicit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("md_speed"))
    parser.add_argument("--one", choices=PRESETS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out = arguments.out.resolve()
    if arguments.one:
        row = measure(arguments.one, arguments)
        (arguments.out / f"{arguments.one}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        return
    started = time.perf_counter()
    rows = []
    for preset in arguments.presets:
        kept = arguments.out / f"{preset}.json"
        rows.append(json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else in_process(preset, arguments))
    write(rows, arguments.out, time.perf_counter() - started)


def write(rows: list[dict[str, Any]], out: Path, seconds: float) -> None:
    """Write ``md_speed.csv`` and ``summary.json``."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (out / "md_speed.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: f"{value:.5g}" if isinstance(value, float) else value for name, value in row.items()})
    summary: dict[str, Any] = {"n": len(rows), "seconds": round(seconds, 1)}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float):
                summary[f"{row['preset']}_{name}"] = float(np.format_float_positional(value, 5, fractional=False))
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
