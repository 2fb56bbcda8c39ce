"""Controls of ddG that need no measured value: what has to be zero, must not change, or has to repeat.

On one or several complexes, through the same steps as every study:

- self: a residue replaced by itself, with another seed than the wild type's; root-mean-square of ddG;
- back: A to B, then B to A from the mutant's own relaxed complex; the two have to cancel;
- far: residues 25 A and more from the ligand made Ala, Lys and Glu;
- rigid: the whole input rotated and moved before anything else;
- repeat: the same seed again, in another process; exactly the same number;
- seeds: five seeds; their standard deviation against the reported standard error.

    python benchmarks/controls.py --complexes ../shared/data/abl1_hauser2018/complexes --drugs imatinib dasatinib \
        --mutations T315I F317L L248R --out benchmarks/out/controls
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import pandas as pd
from ddg import DATA, start_of, state_of
from ddg_data import find_source, prepare
from scipy.spatial.transform import Rotation

from dockkit.core.errors import DockkitError
from dockkit.core.model import Estimate
from dockkit.core.residues import templates
from dockkit.core.settings import EnergySettings, RelaxSettings
from dockkit.resistance import state_difference

COLUMNS = ("drug", "control", "case", "ddg", "sem", "value", "seconds", "message")
FAR_ANGSTROM = 25.0
SEEDS = 5


def complex_of(task: dict[str, Any], moved: bool = False) -> dict[str, Any]:
    """Return a prepared complex with its start; ``moved`` turns and shifts the whole input first."""
    source = find_source(task["folders"], task["kinase"], task["drug"], "", [])
    held = dict(prepare(source, task["kinase"], task["cache"], {}, task["energy"], task["seed"]))
    if moved:
        turn = Rotation.random(rng=np.random.default_rng(task["seed"])).as_matrix().T
        receptor, pose = held["receptor"], held["pose"]
        shift = np.array([11.0, -7.0, 4.0])
        held["receptor"] = dataclasses.replace(receptor, coordinates=receptor.coordinates @ turn + shift)
        held["pose"] = dataclasses.replace(pose, coordinates=pose.coordinates @ turn + shift)
    start_of(held, task["relax"])
    return held


def difference(task: dict[str, Any], held: dict[str, Any], mutation: str, seed: int, mutant_seed: int = -1) -> Estimate:
    """Return ddG of one mutation; the mutant may have a seed of its own."""
    wild = state_of(held, mutation, "wild-type", task["relax"], task["energy"], seed)
    other = seed if mutant_seed < 0 else mutant_seed
    return state_difference(wild, state_of(held, mutation, "mutant", task["relax"], task["energy"], other))


def back_again(task: dict[str, Any], held: dict[str, Any], mutation: str) -> tuple[Estimate, Estimate]:
    """Return ddG of a mutation and of its way back from the mutant's own complex."""
    mutant = state_of(held, mutation, "mutant", task["relax"], task["energy"], task["seed"])
    wild = state_of(held, mutation, "wild-type", task["relax"], task["energy"], task["seed"])
    there = state_difference(wild, mutant)
    pose = dataclasses.replace(held["pose"], coordinates=mutant.ligand_coordinates)
    second = {**held, "receptor": mutant.receptor, "pose": pose}
    start_of(second, task["relax"])
    return there, difference(task, second, mutation[-1] + mutation[1:-1] + mutation[0], task["seed"])


def far_mutations(held: dict[str, Any], count: int = 3) -> list[str]:
    """Return mutations of the residues farthest from the ligand but the chain's ends: to Ala, Lys and Glu in turn."""
    receptor, ligand = held["receptor"], held["pose"].coordinates
    letters = {name: template.letter for name, template in templates().items()}
    gaps = []
    for index, number in enumerate(receptor.uniprot_numbers.tolist()):
        letter = letters.get(str(receptor.residue_names[index]), "")
        inner = 3 < index < receptor.n_residues - 4
        if number and letter and letter not in "GPCAKE" and inner:
            own = receptor.coordinates[receptor.atom_residue == index]
            gaps.append((-float(np.linalg.norm(own[:, None] - ligand[None], axis=2).min()), number, letter))
    far = [item for item in sorted(gaps) if -item[0] >= FAR_ANGSTROM][:count]
    return [f"{letter}{number}{new}" for (_, number, letter), new in zip(far, "AKE", strict=False)]


def controls(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of one control on one complex."""
    rows: list[dict[str, Any]] = []

    def add(case: str, ddg: Estimate, value: float) -> None:
        nonlocal begin
        now = time.perf_counter()
        rows.append({"case": case, "ddg": ddg.value, "sem": ddg.sem, "value": value, "seconds": now - begin})
        begin = now

    begin = time.perf_counter()
    kind, seed = task["control"], task["seed"]
    held = complex_of(task)
    for mutation in far_mutations(held) if kind == "far" else task["mutations"]:
        if kind == "self":
            found = difference(task, held, mutation[:-1] + mutation[0], seed, seed + 1000)
            add(mutation[:-1] + mutation[0], found, found.value)
        elif kind == "back":
            there, again = back_again(task, held, mutation)
            add(mutation, there, there.value + again.value)
        elif kind == "far":
            found = difference(task, held, mutation, seed)
            add(mutation, found, found.value)
        elif kind == "rigid":
            here, there = (
                difference(task, held, mutation, seed),
                difference(task, complex_of(task, True), mutation, seed),
            )
            add(mutation, here, there.value - here.value)
        elif kind == "seeds":
            many = [difference(task, held, mutation, seed + 7919 * k) for k in range(SEEDS)]
            values = np.array([one.value for one in many])
            reported = float(np.mean([one.sem for one in many]))
            add(mutation, Estimate(float(values.mean()), reported, SEEDS), float(values.std(ddof=1)))
        else:
            found = difference(task, held, mutation, seed)
            with ProcessPoolExecutor(1) as pool:
                again = pool.submit(_again, task, mutation).result()
            add(mutation, found, again - found.value)
    return [{"drug": task["drug"], "control": kind, "message": "", **row} for row in rows]


def _again(task: dict[str, Any], mutation: str) -> float:
    return difference(task, complex_of(task), mutation, task["seed"]).value


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Return the flat summary: worst and root-mean-square values of each control."""
    out: dict[str, float] = {"seconds": float(table["seconds"].sum()), "n_failed": float(table["value"].isna().sum())}
    for kind, part in table[table["value"].notna()].groupby("control"):
        values = part["value"].to_numpy(float)
        out[f"n_{kind}"] = float(len(values))
        if kind == "seeds":
            out["seeds_sd_rms"] = float(np.sqrt(np.mean(values**2)))
            out["seeds_reported_error_rms"] = float(np.sqrt(np.mean(part["sem"].to_numpy(float) ** 2)))
            out["seeds_share_within_error"] = float(np.mean(values <= part["sem"].to_numpy(float)))
        else:
            out[f"{kind}_rms"] = float(np.sqrt(np.mean(values**2)))
            out[f"{kind}_max"] = float(np.abs(values).max())
    return out


def main() -> None:
    """Run the controls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--complexes", type=Path, nargs="+", default=[DATA / "complexes"])
    parser.add_argument("--drugs", nargs="+", default=["imatinib", "dasatinib"])
    parser.add_argument("--kinase", default="", help="gene; needed where the folder holds crystals of several")
    parser.add_argument("--mutations", nargs="+", default=["T315I", "F317L", "L248R", "E255K"])
    parser.add_argument("--controls", nargs="+", default=["self", "back", "far", "rigid", "repeat", "seeds"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "controls.csv"
    if not path.is_file():
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    done = pd.read_csv(path)
    seen = set(zip(done["drug"], done["control"], done["case"].fillna(""), strict=True))
    for drug in options.drugs:
        for kind in options.controls:
            cases = ["far"] if kind == "far" else options.mutations
            for case in cases:
                label = case[:-1] + case[0] if kind == "self" else case
                if (drug, kind, label) in seen or (kind == "far" and any(k[:2] == (drug, kind) for k in seen)):
                    continue
                task = {
                    "folders": options.complexes, "kinase": options.kinase, "drug": drug, "seed": options.seed,
                    "cache": options.out / "prepared", "relax": RelaxSettings(**options.relax).model_dump(),
                    "energy": EnergySettings(**options.energy).model_dump(), "control": kind, "mutations": [case],
                }  # fmt: skip
                try:
                    rows = controls(task)
                except DockkitError as error:
                    rows = [{"drug": drug, "control": kind, "case": label, "message": str(error)}]
                pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, mode="a", header=False, index=False)
                for row in rows:
                    print(drug, kind, row["case"], row.get("ddg"), row.get("value"), row["message"], flush=True)
    summary = summarise(pd.read_csv(path))
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
