"""Sign of ddG of ATP against what assays of mutants say of it.

The table gives, per mutation, RT ln of the ATP concentrations at which an assay of the mutant and of the wild type were
run (``gene, mutation, ddg_atp_proxy_kcal``: assays are run near K_m, so the sign of it is that of ddG of ATP, and its
size little more than a guess). Added to these: a mutation beside another one whose sign is known (``--known
GENE:BACKGROUND:MUTATION:SIGN``; by default T790M of EGFR beside L858R, which binds ATP better: Yun et al., PNAS 2008,
105, 2070), as the difference of two ddG.

ATP.Mg is placed and its states are computed by the steps of every study. The structure is the one named with
--structure GENE=ENTRY, else, with --crystals FOLDER, the wild type's crystals with DFG and alpha-C in, else what a
study would choose from the library, else a model of its DFG-in state; the first in which ATP can be placed, and why not
in those before it is told. Null models: always the commonest sign, and always zero.

Writes ``points.csv`` (a row per mutation, appended as they come, and reused) and ``summary.json``.

    python benchmarks/atp_sign.py --table ../shared/data/atp_assay/atp_assay_concentration.csv \
        --out benchmarks/out/atp-sign
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import pandas as pd
from ddg import start_of, state_of
from ddg_data import kept
from scipy.stats import spearmanr

from dockkit.core.errors import DockkitError
from dockkit.core.model import STATE_TERM_NAMES, Receptor
from dockkit.core.settings import DockingSettings, EnergySettings, PreparationSettings, RelaxSettings
from dockkit.kinase import load_kinase, measure_conformation
from dockkit.pipeline import steps
from dockkit.pipeline.calibrated import recipe_tag
from dockkit.pipeline.choice import choose_entry
from dockkit.pipeline.plan import ATP
from dockkit.pipeline.states import model_state
from dockkit.resistance import state_difference
from dockkit.structure import catalogue

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
KNOWN = ("EGFR:L858R:L858R/T790M:-1",)
COLUMNS = (
    "gene", "background", "mutation", "measured", "sign", "ddg", "sem", "agrees", *STATE_TERM_NAMES,
    "structure", "placement", "refused", "recipe", "seconds", "message",
)  # fmt: skip


def read_points(path: Path, known: list[str]) -> list[dict[str, Any]]:
    """Return the mutations with their signs: of the table, then those given."""
    table = pd.read_csv(path)
    missing = {"gene", "mutation", "ddg_atp_proxy_kcal"} - set(table.columns)
    if missing:
        raise SystemExit(f"{path}: no column {', '.join(sorted(missing))}")
    points = [
        {"gene": r.gene, "background": "", "mutation": r.mutation, "measured": r.ddg_atp_proxy_kcal,
         "sign": int(np.sign(r.ddg_atp_proxy_kcal))}
        for r in table.itertuples()
    ]  # fmt: skip
    for text in known:
        parts = text.split(":")
        if len(parts) != 4 or parts[3] not in ("-1", "1", "+1"):
            raise SystemExit(f"--known {text}: give GENE:BACKGROUND:MUTATION:SIGN, the sign -1 or 1")
        points.append(
            {"gene": parts[0], "background": parts[1], "mutation": parts[2], "measured": np.nan, "sign": int(parts[3])}
        )
    return points


# -------------------------------------------------------------------------------------------------- complexes


def candidates(gene: str, task: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield structures to place ATP in, the first choice first: a name and what makes the receptor."""
    named = task["structures"].get(gene)
    if named:
        yield named, lambda: read_receptor(named, gene)
        return
    for path in _crystals(task["crystals"], gene):
        yield path.name, lambda path=path: read_receptor(str(path), gene)
    left = [entry for entry in catalogue() if entry.kinase == gene]
    names = []
    while left:
        entry = choose_entry(left, "nucleotide", ATP)
        left.remove(entry)
        names.append(entry.name)
        yield entry.name, lambda name=entry.name: read_receptor(name, gene)
    for name in names:
        yield f"{name} modelled DFG-in", lambda name=name: _modelled(name, gene)


def read_receptor(entry: str, gene: str) -> Receptor:
    """Return a prepared receptor without waters, by the step of every study."""
    params = {
        "entry": entry, "chain": "", "preparation": {"waters": "none"}, "numbering": "uniprot", "kinase": gene,
        "seed": 0,
    }  # fmt: skip
    return steps.run_receptor(params, {}, Path())


def _modelled(entry: str, gene: str) -> Receptor:
    receptor, kinase = read_receptor(entry, gene), load_kinase(gene)
    made = model_state(receptor, kinase, "dfg-in", settings=PreparationSettings(waters="none"))
    return dataclasses.replace(made, conformation=measure_conformation(made, kinase))


def _crystals(folder: Path | None, gene: str) -> list[Path]:
    """Return the wild type's crystals with DFG and alpha-C in, best resolved first."""
    if folder is None:
        return []
    table = pd.read_csv(folder / "structures.csv")
    table = table[(table["gene"] == gene) & table["differences_vs_uniprot"].isna()]
    table = table[table["klifs_state"].astype(str).str.startswith(("A:DFG-in/aC-in", "AA:DFG-in/aC-in"))]
    return [folder / name for name in table.sort_values(["resolution", "file"])["file"]]


def complex_of(gene: str, task: dict[str, Any]) -> dict[str, Any]:
    """Return kinase and ATP.Mg placed in the first structure that holds it, and why those before it do not.

    Raises
    ------
    DockkitError
        None holds it.
    """
    refused = []
    for name, make in candidates(gene, task):
        try:
            return {**_placed(make(), gene, name, task), "refused": " | ".join(refused)}
        except DockkitError as error:
            refused.append(f"{name}: {error}".split(". In the library")[0])
            print(f"{gene}: not in {refused[-1]}", flush=True)
    raise DockkitError(f"{gene}: ATP could not be placed. " + (" | ".join(refused) or "No structure is known"))


def _placed(receptor: Receptor, gene: str, name: str, task: dict[str, Any]) -> dict[str, Any]:
    count = {"n_magnesium": 1} if task["magnesium"] == 1 else {}
    ligand = steps.run_ligand({"ligand": ATP, "label": ATP, "keep_state": False, "seed": 0, **count}, {}, Path())
    made: dict[str, Any] = {"receptor": receptor, "ligand": ligand, "structure": name}
    made["parameters"] = steps.run_parameters({}, made, Path())
    params = {
        "docking": DockingSettings().model_dump(), "energy": task["energy"], "seed": task["seed"], "cpu": 1,
        "kinase": gene, "entry": name,
    }  # fmt: skip
    return {**made, "pose": steps.run_pose(params, made, Path())}


# -------------------------------------------------------------------------------------------------- one point


def difference(held: dict[str, Any], mutation: str, task: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """Return ddG of one mutation and its terms."""
    wild, mutant = (
        state_of(held, mutation, state, task["relax"], task["energy"], task["seed"])
        for state in ("wild-type", "mutant")
    )
    return state_difference(wild, mutant), mutant.mean_terms - wild.mean_terms


def one_point(point: dict[str, Any], held: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """Return the prediction of one mutation, beside its background where it has one."""
    begin = time.process_time()
    estimate, terms = difference(held, point["mutation"], task)
    value, sem = estimate.value, estimate.sem
    if point["background"]:
        other, other_terms = difference(held, point["background"], task)
        value, sem, terms = value - other.value, math.hypot(sem, other.sem), terms - other_terms
    return {
        "ddg": value, "sem": sem, "agrees": int(np.sign(value)) == point["sign"],
        **dict(zip(STATE_TERM_NAMES, terms, strict=True)),
        "structure": held["structure"], "placement": held["pose"].reason, "refused": held["refused"],
        "recipe": recipe_tag(RelaxSettings(**task["relax"]), EnergySettings(**task["energy"])),
        "seconds": time.process_time() - begin,
    }  # fmt: skip


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, J. Am. Stat. Assoc. 1927, 22, 209)."""
    if not n:
        return float("nan"), float("nan")
    z, p = 1.96, right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def summarise(table: pd.DataFrame) -> dict[str, float | None]:
    """Return sign agreement with its interval, sizes, and the null models."""
    good = table[table["ddg"].notna()]
    signs, x = good["sign"].to_numpy(int), good["ddg"].to_numpy(float)
    right = np.sign(x).astype(int) == signs
    low, high = wilson(int(right.sum()), len(good))
    common = max((signs > 0).sum(), (signs < 0).sum()) if len(good) else 0
    out: dict[str, float] = {
        "n": float(len(good)), "n_failed": float(len(table) - len(good)), "n_right": float(right.sum()),
        "sign_agreement": float(right.mean()) if len(good) else math.nan, "sign_agreement_low": low,
        "sign_agreement_high": high, "sign_agreement_null": float(common / len(good)) if len(good) else math.nan,
    }  # fmt: skip
    clear = np.abs(x) > 2 * np.nan_to_num(good["sem"].to_numpy(float))
    out |= {"n_beyond_two_errors": float(clear.sum()), "n_right_beyond_two_errors": float((right & clear).sum())}
    sized = good[good["measured"].notna()]
    y, z = sized["measured"].to_numpy(float), sized["ddg"].to_numpy(float)
    if len(sized) > 2:
        out |= {"n_sized": float(len(sized)), "rmse": float(np.sqrt(np.mean((z - y) ** 2)))}
        out |= {"rmse_null": float(np.sqrt(np.mean(y**2))), "spearman": float(spearmanr(z, y).statistic)}
    for gene, part in good.groupby("gene"):
        agreed = np.sign(part["ddg"]).astype(int) == part["sign"]
        out |= {f"n_{gene}": float(len(part)), f"n_right_{gene}": float(agreed.sum())}
    out["seconds"] = float(good["seconds"].sum())
    return {key: value if math.isfinite(value) else None for key, value in out.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DATA / "atp_assay" / "atp_assay_concentration.csv")
    parser.add_argument("--known", nargs="*", default=list(KNOWN), help="GENE:BACKGROUND:MUTATION:SIGN")
    parser.add_argument("--structure", nargs="*", default=[], help="GENE=file or library name")
    parser.add_argument("--crystals", type=Path, help="folder of crystals with structures.csv, tried first")
    parser.add_argument("--magnesium", type=int, choices=(1, 2), default=2)
    parser.add_argument("--genes", nargs="*", default=[], help="only these kinases")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    task: dict[str, Any] = {
        "structures": dict(text.split("=", 1) for text in options.structure), "crystals": options.crystals,
        "magnesium": options.magnesium, "seed": options.seed, "relax": RelaxSettings(**options.relax).model_dump(),
        "energy": EnergySettings(**options.energy).model_dump(),
    }  # fmt: skip
    path = options.out / "points.csv"
    _put_aside_if_other(path, options.out / "settings.json", json.dumps(task, default=str, sort_keys=True))
    if not path.is_file():
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    done = pd.read_csv(path)
    seen = set(zip(done["gene"], done["background"].fillna(""), done["mutation"], strict=True))
    for point in read_points(options.table, options.known):
        if (point["gene"], point["background"], point["mutation"]) in seen:
            continue
        if options.genes and point["gene"] not in options.genes:
            continue
        row = {**point, "message": ""}
        try:
            row |= one_point(point, _started(point["gene"], task, options.out), task)
        except DockkitError as error:
            row["message"] = f"{type(error).__name__}: {error}"
        pd.DataFrame([row], columns=list(COLUMNS)).to_csv(path, mode="a", header=False, index=False)
        print(
            point["gene"], point["mutation"], point["sign"], row.get("ddg"), row.get("sem"), row["message"], flush=True
        )
    summary = summarise(pd.read_csv(path))
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


def _put_aside_if_other(path: Path, stamp: Path, settings: str) -> None:
    """Keep rows of other settings or versions of the steps apart."""
    versions = {
        name: steps.STEPS[name].version for name in ("receptor", "ligand", "parameters", "pose", "start", "state")
    }
    text = f"{settings} {json.dumps(versions, sort_keys=True)}"
    if path.is_file() and (not stamp.is_file() or stamp.read_text(encoding="utf-8") != text):
        path.replace(path.with_name(f"{path.stem}-other-settings.csv"))
        print(f"{path} is of other settings or versions; put aside", flush=True)
    stamp.write_text(text, encoding="utf-8")


_HELD: dict[str, dict[str, Any]] = {}


def _started(gene: str, task: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return the complex of a kinase with its relaxed start, made once; a refusal is remembered too."""
    if gene not in _HELD:
        try:
            versions = "-".join(steps.STEPS[name].version for name in ("receptor", "ligand", "parameters", "pose"))
            kind = "crystal" if task["crystals"] else "library"
            held = kept(out / "prepared" / f"{gene}_{kind}_{versions}.pickle", lambda: complex_of(gene, task))
            start_of(held, task["relax"])
        except DockkitError as error:
            held = {"error": error}
        _HELD[gene] = held
    if "error" in _HELD[gene]:
        raise _HELD[gene]["error"]
    return _HELD[gene]


if __name__ == "__main__":
    main()
