"""Accuracy of ddG of binding against measured values.

Reads a table of measured ddG (see `ddg_data.py` for the two formats), computes each point as `dockkit compare` does,
without dynamics and without ATP, and writes into --out: `points.csv` (every point: measured, predicted, error, terms,
features, flags), `summary.json` (flat: metric -> number), `groups.csv` (by drug, kinase, charge and distance class),
`paired.csv` (differences to the null model and to published predictions over the same resamples), `worst.csv`,
`reliability.csv/.png` and `confidence.csv`. It can be interrupted and continued: `computed.csv` grows by a row a point.

    python benchmarks/ddg.py --table ../shared/data/abl1_hauser2018/abl1_hauser2018.csv --gene ABL1 \
        --complexes ../shared/data/abl1_hauser2018/complexes --out benchmarks/out/ddg

    python benchmarks/ddg.py --table ../shared/data/davis2011/davis2011_mutants.csv --genes EGFR KIT --limit 10 \
        --complexes ../shared/data/structures --out benchmarks/out/ddg-davis

`*_calibrated` is the calibration fitted without the drug of the point (where the drug was among the fitted points);
`*_calibrated_shipped` the one that users get, which has seen those points.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from ddg_data import CEILING_NM, Source, find_source, kept, prepare, read_table, select
from ddg_score import write_all

from dockkit.calibration import measure_features
from dockkit.core.errors import DockkitError
from dockkit.core.model import STATE_TERM_NAMES
from dockkit.core.settings import DockingSettings, EnergySettings, RelaxSettings
from dockkit.kinase import load_kinase
from dockkit.mutation import parse_variant
from dockkit.pipeline import steps
from dockkit.pipeline.calibrated import recipe_tag
from dockkit.resistance import state_difference

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "abl1_hauser2018"
COMPUTED = (
    "kinase", "drug", "mutation", "ddg", "sem", *STATE_TERM_NAMES, "distance_angstrom", "charge_change", "n_sites",
    "overlap_angstrom", "wild_type_spread", "modelled", "docked", "structure", "rotamer", "geometries_wild_type",
    "geometries_mutant", "seconds", "seconds_start", "seconds_wild_type", "seconds_mutant", "seconds_prepare",
    "memory_mb", "recipe", "message",
)  # fmt: skip
_HELD: dict[str, Any] = {}


def one_point(task: dict[str, Any]) -> dict[str, Any]:
    """Return one predicted ddG with its terms, features, times and message."""
    row: dict[str, Any] = dict.fromkeys(COMPUTED, np.nan)
    row |= {key: task[key] for key in ("kinase", "drug", "mutation")} | {"message": ""}
    try:
        begin = time.perf_counter()
        held = _complex(task)
        row["seconds_prepare"] = time.perf_counter() - begin
        row |= _energies(task, held)
    except DockkitError as error:
        row["message"] = f"{type(error).__name__}: {error}"
    row["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def _complex(task: dict[str, Any]) -> dict[str, Any]:
    """Return the prepared complex of a task and its relaxed start, kept for the next one with the same."""
    key = f"{task['kinase']} {task['drug']}"
    if key not in _HELD:
        _HELD.clear()
        names = (task["kinase"], task["drug"], task["smiles"], task["all_mutations"])
        source: Source = find_source(task["folders"], *names)
        held = prepare(
            source, task["kinase"], task["poses"], task["docking"], task["energy"], task["seed"], task["any_version"]
        )
        _HELD[key] = {**held, "wild_types": {}}
    found: dict[str, Any] = _HELD[key]
    return found


def start_of(held: dict[str, Any], relax: dict[str, Any], path: Path | None = None) -> float:
    """Give a prepared complex its relaxed start, from a file where it is there; return the seconds it took."""
    begin = time.perf_counter()
    make = functools.partial(steps.run_start, {"relax": relax}, held, Path())
    held["start"] = make() if path is None else kept(path, make)
    return time.perf_counter() - begin


def state_of(
    held: dict[str, Any], mutation: str, state: str, relax: dict[str, Any], energy: dict[str, Any], seed: int
) -> Any:
    """Return one state on the start, by the pipeline's own step."""
    built = parse_variant(mutation)
    label = (built.reversed_to_wild_type if state == "wild-type" else built).label
    params = {
        "variant": label, "state": state, "numbering": "uniprot", "relax": relax, "energy": energy, "seed": seed,
    }  # fmt: skip
    return steps.run_state(params, held, Path())


def _energies(task: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    relax, energy, seed = task["relax"], task["energy"], task["seed"]
    tag = hashlib.sha256(task["stamp"].encode()).hexdigest()[:10]
    stem = f"{task['kinase'] or 'given'}_{task['drug']}".replace("/", "_").replace(" ", "_")
    seconds = [0.0, 0.0]
    if "start" not in held:
        path = task["cache"] / f"{stem}_start_{tag}.pickle"
        known = path.is_file()
        spent = start_of(held, relax, path)
        seconds[0] = 0.0 if known else spent
    site = parse_variant(task["mutation"]).reversed_to_wild_type.label
    if site not in held["wild_types"]:
        begin = time.perf_counter()
        held["wild_types"][site] = state_of(held, task["mutation"], "wild-type", relax, energy, seed)
        seconds[1] = time.perf_counter() - begin
    wild_type = held["wild_types"][site]
    begin = time.perf_counter()
    mutant = state_of(held, task["mutation"], "mutant", relax, energy, seed)
    seconds.append(time.perf_counter() - begin)
    estimate = state_difference(wild_type, mutant)
    receptor = held["receptor"]
    features = measure_features(
        wild_type,
        mutant,
        estimate,
        kinase=load_kinase(receptor.kinase).gene,
        modelled=receptor.modelled,
        docked=held["pose"].engine != "bound",
    )
    terms = mutant.mean_terms - wild_type.mean_terms
    names = ("distance_angstrom", "charge_change", "n_sites", "overlap_angstrom", "wild_type_spread", "kinase")
    return {
        "ddg": estimate.value,
        "sem": estimate.sem,
        **dict(zip(STATE_TERM_NAMES, terms, strict=True)),
        **{name: getattr(features, name) for name in (*names, "modelled", "docked")},
        "structure": receptor.name,
        "rotamer": mutant.start_labels[0] if mutant.start_labels else "",
        "geometries_wild_type": _geometries(wild_type),
        "geometries_mutant": _geometries(mutant),
        "recipe": recipe_tag(RelaxSettings(**relax), EnergySettings(**energy)),
        "seconds": sum(seconds),
        **dict(zip(("seconds_start", "seconds_wild_type", "seconds_mutant"), seconds, strict=True)),
    }


def _geometries(state: Any) -> str:
    """Return the binding energy of every geometry with its weight."""
    pairs = zip(state.terms.sum(axis=1), state.weights, strict=True)
    return " ".join(f"{value:.2f}x{weight:.2f}" for value, weight in pairs)


def compute(table: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Return the predictions of every point, computed now or in an earlier run with the same settings."""
    relax = RelaxSettings(**options.relax).model_dump()
    energy = EnergySettings(**options.energy).model_dump()
    docking = DockingSettings(**options.docking).model_dump()
    versions = {name: steps.STEPS[name].version for name in ("receptor", "pose", "start", "state")}
    stamp_text = json.dumps(
        {
            "relax": relax, "energy": energy, "docking": docking, "seed": options.seed, "versions": versions,
            "complexes": [str(folder.name) for folder in options.complexes],
        },
        sort_keys=True,
    )  # fmt: skip
    path, stamp = options.out / "computed.csv", options.out / "settings.json"
    if path.is_file() and (not stamp.is_file() or stamp.read_text(encoding="utf-8") != stamp_text):
        path.replace(options.out / "computed-other-settings.csv")
        print("computed.csv is of other settings or versions; put aside as computed-other-settings.csv", flush=True)
    stamp.write_text(stamp_text, encoding="utf-8")
    if not path.is_file():
        path.write_text(",".join(COMPUTED) + "\n", encoding="utf-8")
    done = pd.read_csv(path)
    named = (table["kinase"] != "").all()
    held = zip(done["drug"], done["mutation"], done["kinase"].fillna("") if named else [""] * len(done), strict=True)
    seen = set(held)
    tasks = [
        {
            **{key: row[key] for key in ("kinase", "drug", "mutation")},
            "smiles": row.get("smiles", ""),
            "all_mutations": table.loc[table["drug"] == row["drug"], "mutation"].tolist(),
            "folders": options.complexes, "cache": options.out / "prepared", "docking": docking,
            "poses": options.poses or options.out / "prepared", "any_version": options.any_version,
            "relax": relax, "energy": energy, "seed": options.seed, "stamp": stamp_text,
        }
        for row in _ordered(table).to_dict("records")
        if (row["drug"], row["mutation"], row["kinase"]) not in seen
    ]  # fmt: skip
    if options.prepare:
        prepare_all(tasks, options.jobs)
        return done
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(one_point, task) for task in tasks]
        for count, future in enumerate(as_completed(futures), 1):
            row = future.result()
            pd.DataFrame([row])[list(COMPUTED)].to_csv(path, mode="a", header=False, index=False)
            print(
                f"{count}/{len(tasks)} {row['drug']} {row['mutation']} {row['ddg']:+.2f} {row['message']}", flush=True
            )
    return pd.read_csv(path)


def prepare_all(tasks: list[dict[str, Any]], jobs: int) -> None:
    """Prepare, and dock where needed, every complex of these tasks; what was made before is kept."""
    wanted = {(task["kinase"], task["drug"]): task for task in tasks}
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(_prepare_one, task) for task in wanted.values()]
        for count, future in enumerate(as_completed(futures), 1):
            print(f"{count}/{len(wanted)} {future.result()}", flush=True)


def _prepare_one(task: dict[str, Any]) -> str:
    begin, name = time.perf_counter(), f"{task['kinase']} {task['drug']}"
    try:
        held = _complex(task)
    except DockkitError as error:
        return f"{name}: {type(error).__name__}: {error}"
    spent = time.perf_counter() - begin
    return f"{name} in {held['receptor'].name}, pose {held['pose'].engine}, {spent:.0f} s"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the points so that what is shared (complex, then site) is computed once."""
    sites = table["mutation"].str.replace(r"[A-Z](?=/|$)", "", regex=True)
    return table.assign(_site=sites).sort_values(["kinase", "drug", "_site"], kind="stable").drop(columns="_site")


def given(options: argparse.Namespace, table: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of a file, their features measured on the unrelaxed complexes where the file lacks them."""
    found = pd.read_csv(options.predictions).rename(columns={"tki": "drug"})
    found["drug"] = found["drug"].str.lower()
    if "distance_angstrom" in found:
        return found
    rows = []
    for drug, part in found.groupby("drug"):
        gene = table.loc[table["drug"] == drug, "kinase"].iloc[0] if (table["drug"] == drug).any() else ""
        source = find_source(options.complexes, gene, str(drug), "", [])
        held = prepare(source, gene, options.out / "prepared", {}, {}, options.seed)
        rows += [{**row, **_geometry(held, row["mutation"])} for row in part.to_dict("records")]
    return pd.DataFrame(rows)


def _geometry(held: dict[str, Any], mutation: str) -> dict[str, Any]:
    receptor, ligand = held["receptor"], held["pose"].coordinates
    parts = mutation.split("/")
    sites = np.isin(receptor.uniprot_numbers, [int(part[1:-1]) for part in parts])[receptor.atom_residue]
    chosen = receptor.coordinates[sites & (receptor.elements != "H")]
    charge = {"R": 1, "K": 1, "D": -1, "E": -1}
    distance = np.linalg.norm(chosen[:, None] - ligand[None], axis=2).min() if len(chosen) else np.inf
    change = sum(charge.get(part[-1], 0) - charge.get(part[0], 0) for part in parts)
    return {"distance_angstrom": distance, "charge_change": change, "n_sites": len(parts)}


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DATA / "abl1_hauser2018.csv")
    parser.add_argument("--complexes", type=Path, nargs="+", default=[DATA / "complexes"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--columns", nargs="*", help="published predictions to score too (default: every ddg_ column)")
    parser.add_argument(
        "--gene", default="", help="kinase of a table that does not name it; else read from the complex"
    )
    parser.add_argument("--genes", nargs="*", default=[], help="only these kinases")
    parser.add_argument("--mutations", nargs="*", default=[], help="only these")
    parser.add_argument("--drugs", nargs="*", default=[], help="only these")
    parser.add_argument("--limit", type=int, default=0, help="drugs per mutation: those tightest on the wild type")
    parser.add_argument("--ceiling", type=float, default=CEILING_NM, help="nM; measured values there are bounds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    parser.add_argument("--docking", type=json.loads, default={}, help="JSON of DockingSettings to change")
    parser.add_argument("--poses", type=Path, help="folder of prepared and docked complexes (default: OUT/prepared)")
    parser.add_argument("--any-version", action="store_true", help="reuse poses that other versions of dockkit docked")
    parser.add_argument("--prepare", action="store_true", help="prepare and dock every complex, and stop there")
    parser.add_argument("--predictions", type=Path, help="score this file's drug (or tki), mutation, ddg, ... instead")
    parser.add_argument("--resample", help="column resampled whole in the bootstrap, e.g. mutation (default: points)")
    parser.add_argument("--what", default="ddG of imatinib, dasatinib and bosutinib with ABL1 mutants (crystal poses)")
    parser.add_argument("--accuracy", type=Path, help="also write the record that reports quote")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark."""
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    table, published, left = read_table(options.table, options.gene, options.ceiling)
    for text in left:
        print(f"left out: {text}", flush=True)
    published = published if options.columns is None else options.columns
    unknown = [column for column in published if column not in table]
    if unknown:
        raise SystemExit(f"{options.table}: no column {', '.join(unknown)}; it has {', '.join(table.columns)}")
    table = select(table, options.genes, options.mutations, options.drugs, options.limit)
    if table.empty:
        raise SystemExit("no point is left; see --genes, --mutations, --drugs")
    if options.prepare:
        compute(table, options)
        return
    predicted = given(options, table) if options.predictions else compute(table, options)
    keys = ["drug", "mutation"] + (["kinase"] if "kinase" in predicted and (table["kinase"] != "").all() else [])
    drop = [c for c in ("measured", "side", "smiles", "error", *published) if c in predicted]
    extra = [c for c in predicted if c in table and c not in keys and c not in drop]
    points = table.drop(columns=extra).merge(predicted.drop(columns=drop), on=keys, how="left")
    if points["ddg"].notna().sum() < 3:
        raise SystemExit(f"only {points['ddg'].notna().sum()} points have a prediction; see {options.out}/computed.csv")
    summary = write_all(points, published, options.out, options.resample, options.seed)
    print(json.dumps({k: round(v, 3) for k, v in summary.items() if not k.endswith(("_low", "_high"))}, indent=1))
    if options.accuracy:
        names = ("n", "rmse", "mue", "pearson", "spearman", "auroc", "rmse_null")
        record = {"what": options.what, "date": date.today().isoformat(), **{k: summary[k] for k in names}}
        record["n"] = int(record["n"])
        options.accuracy.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
