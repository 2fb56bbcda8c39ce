"""Accuracy of ddG of binding against measured values.

Reads a table with the columns ``tki, mutation, ddg_exp`` (kcal/mol, mutant minus wild type) and prepared complexes
``<tki>_nowat_protein.pdb`` / ``<tki>_nowat_ligand.sdf``; computes each point the way ``dockkit compare`` does, without
dynamics; writes ``points.csv`` and ``summary.json``. It can be interrupted and continued: points already in
``points.csv`` with the same settings are kept.

    python benchmarks/ddg.py --table ../shared/data/abl1_hauser2018/abl1_hauser2018.csv \
        --complexes ../shared/data/abl1_hauser2018/complexes --out benchmarks/out/ddg
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, rankdata, spearmanr

from dockkit.core.errors import DockkitError
from dockkit.core.settings import EnergySettings, RelaxSettings
from dockkit.pipeline import steps
from dockkit.resistance import paired_difference

RESISTANT = 1.36
"""kcal/mol: a ten-fold change at 298 K."""

_PREPARED: dict[str, dict] = {}


def prepared(complexes: Path, name: str) -> dict:
    """Return receptor, ligand, parameters and pose of one complex, prepared once per process."""
    if name not in _PREPARED:
        stem = complexes / f"{name}_nowat"
        receptor = steps.run_receptor(
            {
                "entry": f"{stem}_protein.pdb",
                "chain": "",
                "preparation": {"waters": "none"},
                "numbering": "uniprot",
                "kinase": "",
                "seed": 0,
            },
            {},
            Path(),
        )
        ligand = steps.run_ligand(
            {"ligand": f"{stem}_ligand.sdf", "label": "", "keep_state": False, "seed": 0}, {}, Path()
        )
        parameters = steps.run_parameters({}, {"ligand": ligand}, Path())
        pose = steps.pose_from_input(receptor, ligand)
        _PREPARED[name] = {"receptor": receptor, "ligand": ligand, "parameters": parameters, "pose": pose}
    return _PREPARED[name]


def one_point(complexes: Path, name: str, mutation: str, relax: dict, energy: dict, seed: int) -> dict:
    """Return one predicted ddG with its error, time and message."""
    start = time.perf_counter()
    row: dict = {"tki": name, "mutation": mutation, "ddg": np.nan, "sem": np.nan, "message": ""}
    try:
        inputs = prepared(complexes, name)
        start = time.perf_counter()
        common = {"variant": mutation, "numbering": "uniprot", "relax": relax}
        inputs = {**inputs, "start": steps.run_start(common, inputs, Path())}
        states = [
            steps.run_state(
                {
                    "variant": mutation,
                    "state": state,
                    "numbering": "uniprot",
                    "relax": relax,
                    "energy": energy,
                    "seed": seed,
                },
                inputs,
                Path(),
            )
            for state in ("wild-type", "mutant")
        ]
        estimate = paired_difference(*states)
        terms = states[1].terms.mean(axis=0) - states[0].terms.mean(axis=0)
        row.update(
            ddg=estimate.value, sem=estimate.sem, **dict(zip(("vdw", "coulomb", "gb", "surface"), terms, strict=True))
        )
        row["rotamer"] = states[1].start_labels[0]
        row["per_start"] = " ".join(f"{v:.2f}" for v in states[1].terms.sum(1) - states[0].terms.sum(1))
    except DockkitError as error:
        row["message"] = f"{type(error).__name__}: {error}"
    row["seconds"] = time.perf_counter() - start
    return row


def scores(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Return RMSE, MUE, Pearson, Spearman and AUROC (resistant above 1.36 kcal/mol)."""
    error = predicted - measured
    out = {"rmse": float(np.sqrt(np.mean(error**2))), "mue": float(np.mean(np.abs(error)))}
    if np.ptp(predicted) > 0:
        out["pearson"] = float(pearsonr(predicted, measured)[0])
        out["spearman"] = float(spearmanr(predicted, measured)[0])
        positive = measured > RESISTANT
        if positive.any() and not positive.all():
            ranks = rankdata(predicted)
            n = positive.sum()
            out["auroc"] = float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum()))
    return out


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(__file__).resolve().parents[2] / "shared" / "data" / "abl1_hauser2018"
    parser.add_argument("--table", type=Path, default=data / "abl1_hauser2018.csv")
    parser.add_argument("--complexes", type=Path, default=data / "complexes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    parser.add_argument("--what", default="ddG of imatinib, dasatinib and bosutinib with ABL1 mutants (crystal poses)")
    parser.add_argument("--accuracy", type=Path, help="also write the record that reports quote")
    parser.add_argument(
        "--self", action="store_true", help="replace every mutation by the wild type: the noise control"
    )
    options = parser.parse_args()
    relax = RelaxSettings(**options.relax).model_dump()
    energy = EnergySettings(**options.energy).model_dump()
    table = pd.read_csv(options.table)
    measured = [c for c in table.columns if c.startswith("ddg_") and not c.endswith(("err", "sd3"))]
    options.out.mkdir(parents=True, exist_ok=True)
    points = options.out / "points.csv"
    settings = json.dumps({"relax": relax, "energy": energy, "seed": options.seed}, sort_keys=True)
    stamp = options.out / "settings.json"
    done = pd.DataFrame(columns=["tki", "mutation"])
    if points.is_file() and stamp.is_file() and stamp.read_text() == settings:
        done = pd.read_csv(points)
    stamp.write_text(settings)
    seen = set(zip(done["tki"], done["mutation"], strict=True))
    rows = done.to_dict("records")
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = []
        for tki, mutation in zip(table["tki"], table["mutation"], strict=True):
            wanted = mutation[:-1] + mutation[0] if options.self else mutation
            if (tki, wanted) not in seen:
                futures.append(pool.submit(one_point, options.complexes, tki, wanted, relax, energy, options.seed))
        for count, future in enumerate(as_completed(futures), 1):
            row = future.result()
            rows.append(row)
            pd.DataFrame(rows).to_csv(points, index=False)
            print(
                f"{count}/{len(futures)} {row['tki']} {row['mutation']} {row['ddg']:.2f} {row['message']}",
                flush=True,
            )
    result = pd.DataFrame(rows)
    if options.self:
        print(result.groupby("tki")["ddg"].agg(lambda v: float(np.sqrt(np.mean(v**2)))))
        return
    merged = table.merge(result, on=["tki", "mutation"])
    good = merged[np.isfinite(merged["ddg"])]
    exp = good["ddg_exp"].to_numpy()
    summary: dict[str, float] = {
        "n": len(good), "n_failed": len(merged) - len(good), "n_resistant": int((exp > RESISTANT).sum()),
        "seconds_per_prediction": float(good["seconds"].median()),
        **scores(good["ddg"].to_numpy(), exp),
    }  # fmt: skip
    summary |= {f"{k}_null": v for k, v in scores(np.zeros(len(exp)), exp).items()}
    for column in (c for c in measured if c != "ddg_exp"):
        summary |= {f"{k}_{column}": v for k, v in scores(good[column].to_numpy(), exp).items()}
    for tki, part in good.groupby("tki"):
        summary |= {f"{k}_{tki}": v for k, v in scores(part["ddg"].to_numpy(), part["ddg_exp"].to_numpy()).items()}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))
    if options.accuracy:
        keys = ("n", "rmse", "mue", "pearson", "spearman", "auroc", "rmse_null")
        record = {"what": options.what, "date": date.today().isoformat(), **{k: summary[k] for k in keys}}
        options.accuracy.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
