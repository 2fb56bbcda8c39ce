"""Controls of ddG that need no measured value: what has to be zero, must not change, or has to repeat.

On one or several complexes, at residues about so far from the ligand as --distances says (or at --mutations), through
the same steps as every study:

- self: a residue replaced by itself, with another seed than the wild type's; root-mean-square of ddG;
- back: A to B, then B to A from the mutant's own relaxed complex; the two have to cancel;
- far: residues 25 A and a little more from the ligand made Ala, Lys and Glu;
- rigid: the whole input rotated and moved before anything else;
- repeat: the same seed again, in a fresh process; exactly the same number;
- seeds: five seeds; their standard deviation against the reported standard error.

Writes ``controls.csv`` (a row per control and case, appended as they come, and reused) and ``summary.json``. Seconds
are of processor time; a state that several controls need is computed once, and counted in the first.

    python benchmarks/controls.py --complexes ../shared/data/abl1_hauser2018/complexes --drugs imatinib dasatinib \
        --out benchmarks/out/controls
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Callable
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
from dockkit.core.model import ComplexState, Estimate
from dockkit.core.residues import templates
from dockkit.core.settings import EnergySettings, RelaxSettings
from dockkit.pipeline import steps
from dockkit.resistance import state_difference

COLUMNS = ("drug", "control", "case", "distance_angstrom", "ddg", "sem", "value", "seconds", "message")
CONTROLS = ("self", "back", "far", "rigid", "repeat", "seeds")
FAR_ANGSTROM = 25.0
FAR_LETTERS = "AKE"
SEEDS = 5
SWAP = {
    "V": "I", "I": "V", "L": "F", "F": "L", "M": "I", "T": "I", "S": "T", "N": "D", "D": "N", "E": "K", "K": "E",
    "Q": "R", "R": "Q", "H": "Y", "Y": "F", "W": "F",
}  # fmt: skip
"""What a residue chosen by its distance becomes: neighbours in size, and all kinds of change of charge."""


class Bench:
    """One complex with its starts and the states computed on them, each once."""

    def __init__(self, task: dict[str, Any]) -> None:
        source = find_source(task["folders"], task["kinase"], task["drug"], "", [])
        self._task = task
        self._held = prepare(source, task["kinase"], task["cache"], {}, task["energy"], task["seed"])
        self._starts: dict[bool, dict[str, Any]] = {}
        self._states: dict[tuple[Any, ...], ComplexState] = {}

    def start(self, moved: bool = False) -> dict[str, Any]:
        """Return the complex with its start; ``moved`` turns and shifts the whole input first."""
        if moved not in self._starts:
            held = dict(self._held)
            if moved:
                turn = Rotation.random(rng=np.random.default_rng(self._task["seed"])).as_matrix().T
                receptor, pose = held["receptor"], held["pose"]
                shift = np.array([11.0, -7.0, 4.0])
                held["receptor"] = dataclasses.replace(receptor, coordinates=receptor.coordinates @ turn + shift)
                held["pose"] = dataclasses.replace(pose, coordinates=pose.coordinates @ turn + shift)
            start_of(held, self._task["relax"])
            self._starts[moved] = held
        return self._starts[moved]

    def state(self, mutation: str, which: str, seed: int, moved: bool = False) -> ComplexState:
        """Return one state; the wild type is the same for every mutation of a residue."""
        key = (mutation[:-1] if which == "wild-type" else mutation, which, seed, moved)
        if key not in self._states:
            self._states[key] = self.on(self.start(moved), mutation, which, seed)
        return self._states[key]

    def on(self, held: dict[str, Any], mutation: str, which: str, seed: int) -> ComplexState:
        """Return one state on a given start."""
        made: ComplexState = state_of(held, mutation, which, self._task["relax"], self._task["energy"], seed)
        return made

    def difference(self, mutation: str, seed: int, mutant_seed: int = -1, moved: bool = False) -> Estimate:
        """Return ddG of one mutation; the mutant may have a seed of its own."""
        other = seed if mutant_seed < 0 else mutant_seed
        return state_difference(
            self.state(mutation, "wild-type", seed, moved), self.state(mutation, "mutant", other, moved)
        )

    def forget(self) -> None:
        """Drop the states of the last case."""
        self._states.clear()

    def distances(self) -> dict[str, float]:
        """Return the distance to the ligand of every residue that may be chosen, by letter and number."""
        receptor, ligand = self._held["receptor"], self._held["pose"].coordinates
        letters = {name: template.letter for name, template in templates().items()}
        out = {}
        for index, number in enumerate(receptor.uniprot_numbers.tolist()):
            letter = letters.get(str(receptor.residue_names[index]), "")
            if number and letter and letter not in "GPCA" and 3 < index < receptor.n_residues - 4:
                own = receptor.coordinates[receptor.atom_residue == index]
                out[f"{letter}{number}"] = float(np.linalg.norm(own[:, None] - ligand[None], axis=2).min())
        return out


def back_again(bench: Bench, mutation: str, seed: int, relax: dict[str, Any]) -> tuple[Estimate, Estimate]:
    """Return ddG of a mutation and of its way back from the mutant's own complex."""
    held, mutant = bench.start(), bench.state(mutation, "mutant", seed)
    pose = dataclasses.replace(held["pose"], coordinates=mutant.ligand_coordinates)
    second = {**held, "receptor": mutant.receptor, "pose": pose}
    start_of(second, relax)
    turned = mutation[-1] + mutation[1:-1] + mutation[0]
    states = [bench.on(second, turned, which, seed) for which in ("wild-type", "mutant")]
    return bench.difference(mutation, seed), state_difference(*states)


def one_control(kind: str, bench: Bench, mutation: str, task: dict[str, Any]) -> tuple[Estimate, float]:
    """Return ddG (of the seeds: their mean and mean reported error) and the value that ought to be small."""
    seed = task["seed"]
    if kind == "self":
        found = bench.difference(mutation, seed, seed + 1000)
        return found, found.value
    if kind == "back":
        there, again = back_again(bench, mutation, seed, task["relax"])
        return there, there.value + again.value
    here = bench.difference(mutation, seed)
    if kind == "far":
        return here, here.value
    if kind == "rigid":
        return here, bench.difference(mutation, seed, moved=True).value - here.value
    if kind == "repeat":
        again, _ = task["fresh"](mutation)
        return here, again - here.value
    many = [bench.difference(mutation, seed + 7919 * k) for k in range(SEEDS)]
    values = np.array([one.value for one in many])
    reported = float(np.sqrt(np.mean([one.sem**2 for one in many])))
    return Estimate(float(values.mean()), reported, SEEDS), float(values.std(ddof=1))


_FRESH: dict[str, Bench] = {}


def _in_fresh_process(task: dict[str, Any], mutation: str) -> tuple[float, float]:
    """Return ddG and the processor time it took, computed from the input on."""
    begin = time.process_time()
    if task["drug"] not in _FRESH:
        _FRESH[task["drug"]] = Bench(task)
    value = _FRESH[task["drug"]].difference(mutation, task["seed"]).value
    return value, time.process_time() - begin


def cases(bench: Bench, options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """Return mutations with the controls that they are for."""
    gaps = bench.distances()
    chosen = list(options.mutations)
    for wanted in options.distances if not chosen else ():
        site = min(gaps, key=lambda name: (abs(gaps[name] - wanted), name))
        chosen.append(site + SWAP[site[0]])
    out: list[tuple[str, list[str]]] = [(m, [k for k in options.controls if k != "far"]) for m in chosen]
    if "far" in options.controls:
        beyond = [name for name in sorted(gaps, key=lambda name: (gaps[name], name)) if gaps[name] >= FAR_ANGSTROM]
        for letter in FAR_LETTERS:
            site = next((name for name in beyond if name[0] != letter), "")
            if site:
                beyond.remove(site)
                out.append((site + letter, ["far"]))
    return out


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Return the flat summary: worst and root-mean-square values of each control."""
    out: dict[str, float] = {"seconds": float(table["seconds"].sum()), "n_failed": float(table["value"].isna().sum())}
    for kind, part in table[table["value"].notna()].groupby("control"):
        values = part["value"].to_numpy(float)
        out[f"n_{kind}"] = float(len(values))
        if kind == "seeds":
            errors = part["sem"].to_numpy(float)
            out["seeds_sd_rms"] = float(np.sqrt(np.mean(values**2)))
            out["seeds_sd_max"] = float(values.max())
            out["seeds_reported_error_rms"] = float(np.sqrt(np.mean(errors**2)))
            out["seeds_share_within_error"] = float(np.mean(values <= errors))
        else:
            out[f"{kind}_rms"] = float(np.sqrt(np.mean(values**2)))
            out[f"{kind}_max"] = float(np.abs(values).max())
            out[f"{kind}_median"] = float(np.median(np.abs(values)))
    return out


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--complexes", type=Path, nargs="+", default=[DATA / "complexes"])
    parser.add_argument("--drugs", nargs="+", default=["imatinib", "dasatinib"])
    parser.add_argument("--kinase", default="", help="gene; needed where the folder holds crystals of several")
    parser.add_argument("--distances", type=float, nargs="+", default=[4.0, 8.0, 12.0, 25.0], help="Angstrom")
    parser.add_argument("--mutations", nargs="+", default=[], help="these in place of residues by distance")
    parser.add_argument("--controls", nargs="+", default=list(CONTROLS), choices=CONTROLS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    return parser.parse_args()


def run_drug(
    task: dict[str, Any],
    options: argparse.Namespace,
    seen: set[tuple[str, ...]],
    write: Callable[[dict[str, Any]], None],
) -> None:
    """Run every control of one complex that was not run before."""
    bench = Bench(task)
    gaps = bench.distances()
    for mutation, kinds in cases(bench, options):
        for kind in kinds:
            label = mutation[:-1] + mutation[0] if kind == "self" else mutation
            if (task["drug"], kind, label) in seen:
                continue
            row: dict[str, Any] = {"drug": task["drug"], "control": kind, "case": label, "message": ""}
            row["distance_angstrom"] = gaps.get(mutation[:-1], np.nan)
            begin = time.process_time()
            try:
                ddg, value = one_control(kind, bench, label, task)
                row |= {"ddg": ddg.value, "sem": ddg.sem, "value": value}
            except DockkitError as error:
                row["message"] = str(error)
            row["seconds"] = time.process_time() - begin + task["spent"]()
            write(row)
        bench.forget()


def main() -> None:
    """Run the controls."""
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "controls.csv"
    relax, energy = (kind.model_dump() for kind in (RelaxSettings(**options.relax), EnergySettings(**options.energy)))
    versions = {
        name: steps.STEPS[name].version for name in ("receptor", "ligand", "parameters", "pose", "start", "state")
    }
    stamp, text = options.out / "settings.json", json.dumps([relax, energy, options.seed, versions], sort_keys=True)
    if path.is_file() and (not stamp.is_file() or stamp.read_text(encoding="utf-8") != text):
        path.replace(options.out / "controls-other-settings.csv")
        print("controls.csv is of other settings or versions; put aside as controls-other-settings.csv", flush=True)
    stamp.write_text(text, encoding="utf-8")
    if not path.is_file():
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    done = pd.read_csv(path)
    seen = set(zip(done["drug"], done["control"], done["case"].fillna(""), strict=True))

    def write(row: dict[str, Any]) -> None:
        pd.DataFrame([row], columns=list(COLUMNS)).to_csv(path, mode="a", header=False, index=False)
        numbers = " ".join(f"{key} {row[key]:+.4f}" for key in ("ddg", "sem", "value") if key in row)
        print(row["drug"], row["control"], row["case"], numbers, row["message"], flush=True)

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for drug in options.drugs:
            plain = {
                "folders": options.complexes, "kinase": options.kinase, "drug": drug, "seed": options.seed,
                "cache": options.out / "prepared", "relax": relax, "energy": energy,
            }  # fmt: skip
            elsewhere: list[float] = []

            def fresh(mutation: str, plain: dict[str, Any] = plain, elsewhere: list[float] = elsewhere) -> Any:
                found = pool.submit(_in_fresh_process, plain, mutation).result()
                elsewhere.append(found[1])
                return found

            def spent(elsewhere: list[float] = elsewhere) -> float:
                return elsewhere.pop() if elsewhere else 0.0

            run_drug({**plain, "fresh": fresh, "spent": spent}, options, seen, write)
    summary = summarise(pd.read_csv(path))
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
