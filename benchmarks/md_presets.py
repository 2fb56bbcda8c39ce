"""Proof that the presets of ``dockkit md`` work on a real complex, and that a killed run gives the same bytes.

Each preset is run twice through the command line for a few segments: once in one go, and once killed with SIGKILL again
and again while segments are written, started anew each time. Then every segment of both is compared byte by byte, the
trajectory files are opened with MDTraj beside their topology, and temperature, energies and the density of the box are
looked at. ``pocket`` is run with all legs: inhibitor, ATP, apo. Short on purpose: a step of an explicit box takes about
a second on a CPU.

    python benchmarks/md_presets.py --presets pocket implicit explicit --out md_presets

Finished presets are kept in ``--out`` and used again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

LENGTHS = {
    "pocket": {"equilibration_ps": 2.0, "production_ps": 4.0, "segment_ps": 0.5, "frame_ps": 0.25},
    "implicit": {"equilibration_ps": 0.8, "production_ps": 0.8, "segment_ps": 0.1, "frame_ps": 0.05},
    "explicit": {"equilibration_ps": 0.4, "production_ps": 0.24, "segment_ps": 0.04, "frame_ps": 0.02},
}
WATER_DALTON, SODIUM_DALTON, CHLORIDE_DALTON = 18.015, 22.990, 35.453
DALTON_PER_A3_IN_G_ML = 1.66054


def command(preset: str, arguments: argparse.Namespace, out: Path) -> list[str]:
    """Return the command line of one run."""
    settings = [item for name, value in LENGTHS[preset].items() for item in ("--set", f"{name}={value}")]
    legs = ["--atp", "--apo"] if preset == "pocket" else []
    return [
        sys.executable, "-m", "dockkit", "md", str(arguments.structure), "--ligand", arguments.ligand, "--mutation",
        arguments.mutation, "--preset", preset, "--replicas", "1", "--jobs", "1", "--platform", arguments.platform,
        *settings, *legs, "--out", str(out),
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """Return the environment of a run: one thread."""
    return {**os.environ, "OPENMM_CPU_THREADS": "1", "OMP_NUM_THREADS": "1"}


def run_whole(preset: str, arguments: argparse.Namespace, out: Path) -> float:
    """Run in one go; return wall seconds."""
    started = time.perf_counter()
    with (out.parent / f"{out.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run(
            command(preset, arguments, out), check=True, env=environment(), stdout=log, stderr=subprocess.STDOUT
        )
    return time.perf_counter() - started


def stored(out: Path) -> int:
    """Return how many segments a run has written."""
    return sum(1 for _ in (out / "md").rglob("*.npz"))


def run_killed(preset: str, arguments: argparse.Namespace, out: Path, whole: Path) -> int:
    """Run with kills, each one after another segment was written; return how many kills met a running process.

    The preparation is that of the whole run: only what is simulated is killed.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shutil.copytree(whole / "store", out / "store")
    for path in (out / "store").glob("*/*/record.json"):
        if any(f'"$record":"{name}"' in path.read_text(encoding="utf-8")[:300] for name in ("MdReplica", "Trajectory")):
            shutil.rmtree(path.parent)
    draw, met = random.Random(2026), 0
    for _ in range(arguments.kills):
        before = stored(out)
        process = subprocess.Popen(
            command(preset, arguments, out), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        while stored(out) <= before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 2.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            met += 1
        process.wait()
    run_whole(preset, arguments, out)
    return met


def segments(out: Path) -> dict[str, bytes]:
    """Return every stored segment."""
    folder = out / "md"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.npz"))}


def density(out: Path, row: dict[str, str], solute_dalton: float) -> float:
    """Return the density of the last frame's box, g/ml; NaN without a box."""
    waters, ions = int(row["waters"]), int(row["ions"])
    if not waters:
        return float("nan")
    last = max((out / "md").rglob(f"replica-{row['seed']}/*.frames.npz"))
    with np.load(last) as frames:
        volume = float(np.prod(np.diag(frames["box"][-1])))
    total = solute_dalton + waters * WATER_DALTON + ions * (SODIUM_DALTON + CHLORIDE_DALTON) / 2.0
    return total / volume * DALTON_PER_A3_IN_G_ML


def look_at(preset: str, out: Path) -> list[dict[str, Any]]:
    """Return one row for each trajectory: what MDTraj reads, temperature, energy, density."""
    with (out / "replicas.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = []
    for row in rows:
        stem = "_".join((row["mutation"], row["complex"], row["state"]))
        place = out / "trajectories"
        read = mdtraj.load(str(place / f"{stem}_replica{row['replica']}.xtc"), top=str(place / f"{stem}.pdb"))
        topology = read.topology
        pairs = np.array(
            [(a.index, b.index) for a, b in topology.bonds if "Mg" not in (a.element.symbol, b.element.symbol)]
        )
        lengths = mdtraj.compute_distances(read, pairs, periodic=False)
        solute = sum(atom.element.mass for atom in topology.atoms)
        found.append({
            "preset": preset, "complex": row["complex"], "state": row["state"], "status": row["status"],
            "particles": int(row["particles"]), "atoms_read": read.n_atoms, "frames_read": read.n_frames,
            "bonds": len(pairs), "longest_bond_angstrom": float(lengths.max() * 10.0),
            "mean_kelvin": float(row["mean_kelvin"]), "sd_kelvin": float(row["sd_kelvin"]),
            "potential_kcal_mol": float(row["mean_potential_kcal_mol"]), "waters": int(row["waters"]),
            "density_g_ml": density(out, row, solute),
        })  # fmt: skip
    return found


def measure(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run and compare one preset."""
    whole, killed = arguments.out / f"{preset}-whole", arguments.out / f"{preset}-killed"
    seconds = run_whole(preset, arguments, whole)
    print(f"{preset}: in one go {seconds:.0f} s", flush=True)
    met = run_killed(preset, arguments, killed, whole)
    first, second = segments(whole), segments(killed)
    same = sum(first.get(name) == data for name, data in second.items())
    print(f"{preset}: {met} kills, {same} of {len(first)} segments the same", flush=True)
    return {
        "rows": look_at(preset, killed), "kills": met, "segments": len(first), "segments_same": same,
        "left_over": sum(1 for _ in (killed / "md").rglob("*.part")), "seconds": seconds,
    }  # fmt: skip


def main() -> int:
    """Run the benchmark; exit with 1 where a segment differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structure", default="abl1-1iep", help="library structure or file")
    parser.add_argument("--ligand", default="imatinib")
    parser.add_argument("--mutation", default="T315I")
    parser.add_argument("--presets", nargs="+", choices=tuple(LENGTHS), default=list(LENGTHS))
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("md_presets"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out = arguments.out.resolve()
    rows: list[dict[str, Any]] = []
    summary: dict[str, Any] = {"n": 0, "seconds": 0.0}
    for preset in arguments.presets:
        kept = arguments.out / f"{preset}.json"
        done = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else measure(preset, arguments)
        kept.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
        rows += done.pop("rows")
        summary["seconds"] = round(summary["seconds"] + done["seconds"], 1)
        summary |= {f"{preset}_{name}": value for name, value in done.items()}
        write(rows, summary, arguments.out)
    return int(any(summary[f"{p}_segments"] != summary[f"{p}_segments_same"] for p in arguments.presets))


def write(rows: list[dict[str, Any]], summary: dict[str, Any], out: Path) -> None:
    """Write ``md_presets.csv`` and ``summary.json``."""
    with (out / "md_presets.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    summary["n"] = len(rows)
    for name in ("mean_kelvin", "density_g_ml"):
        for preset in {row["preset"] for row in rows}:
            values = [row[name] for row in rows if row["preset"] == preset and np.isfinite(row[name])]
            if values:
                summary[f"{preset}_{name}"] = round(float(np.mean(values)), 3)
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
