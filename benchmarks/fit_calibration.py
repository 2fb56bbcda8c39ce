"""Fit the calibration of ddG, chosen by leaving whole drugs out, and write the file that dockkit ships.

Reads `points.csv` tables of `ddg.py` (``ddg``, ``sem``, features, ``measured``, ``side``). Each candidate model is a
subset of the parameters of `dockkit.calibration`; the others stand at the values that switch their effect off. They are
fitted by penalised maximum likelihood of Student's t, bounds entering as the probability of the side they leave open.
The candidate is chosen by the log probability of the drugs that were left out: the simplest within one standard error
of the best, among those that use the physical ddG at all (the others are printed beside them, as baselines). Writes
`candidates.csv` (all of them, with the scores of leaving out drugs, sites and kinases) and, with --record, the data
file.

    python benchmarks/fit_calibration.py --points benchmarks/out/ddg/points.csv --out benchmarks/out/calibration \
        --what "63 cell-assay values of ABL1" --record dockkit/core/data/calibration.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import gammaln, stdtr

from dockkit.analysis import benchmarking as bench
from dockkit.calibration import PARAMETERS, expected, predictive_scale

NOISE = 0.45
"""kcal/mol: two laboratories' assays of the same pairs differ by 0.41 to 0.49; no scale may be smaller."""

OFF = {
    "slope_positive": 0.0, "slope_negative": 0.0, "slope_charged": 1.0, "offset": 0.0, "length": 6.0, "floor": 0.8,
    "near": 0.0, "charged": 0.0, "degrees": 5.0,
}  # fmt: skip
"""Values at which a parameter does nothing (``length``: a guess at how far a side chain is felt)."""

PRIOR = {
    "slope_positive": (0.5, 0.5), "slope_negative": (0.2, 0.3), "slope_charged": (0.7, 0.4), "offset": (0.5, 1.0),
    "length": (6.0, 2.0), "floor": (0.6, 0.3), "near": (0.5, 0.5), "charged": (0.3, 0.3),
}  # fmt: skip
"""Centre and width of the normal penalty on each fitted parameter: wide, only against runaway values."""

LIMITS = {
    "slope_positive": (0.0, 1.5), "slope_negative": (0.0, 1.5), "slope_charged": (0.0, 1.5), "offset": (0.0, 4.0),
    "length": (2.0, 15.0), "floor": (NOISE, 2.0), "near": (0.0, 4.0), "charged": (0.0, 2.0),
}  # fmt: skip

CANDIDATES: dict[str, tuple[str, ...]] = {
    "null": ("floor",),
    "null, error by distance": ("floor", "near"),
    "distance only": ("offset", "floor", "near"),
    "slope": ("slope_both", "floor", "near"),
    "positive slope": ("slope_positive", "floor", "near"),
    "two slopes": ("slope_positive", "slope_negative", "floor", "near"),
    "positive slope, offset, flat error": ("slope_positive", "offset", "floor"),
    "positive slope, offset": ("slope_positive", "offset", "floor", "near"),
    "slope, offset": ("slope_both", "offset", "floor", "near"),
    "two slopes, offset": ("slope_positive", "slope_negative", "offset", "floor", "near"),
    "positive slope, offset, charge": ("slope_positive", "slope_charged", "offset", "floor", "near"),
    "positive slope, offset, charge error": ("slope_positive", "offset", "floor", "near", "charged"),
    "positive slope, offset, charge both": (
        "slope_positive", "slope_charged", "offset", "floor", "near", "charged",
    ),
    "positive slope, offset, length": ("slope_positive", "offset", "length", "floor", "near"),
    "all": (
        "slope_positive", "slope_negative", "slope_charged", "offset", "length", "floor", "near", "charged",
    ),
}  # fmt: skip
"""Which parameters each candidate fits; ``slope_both`` is one slope for both signs."""

WIDENING = {
    "range": 1.25, "charge": 1.25, "sites": 1.25, "kinase": 1.25, "recipe": 1.25, "modelled": 1.25, "docked": 1.5,
    "clash": 1.25, "spread": 1.25,
}  # fmt: skip
"""Factors on the error where a prediction leaves what was fitted: assumed, not fitted."""


def _full(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    out = dict(OFF)
    for name, value in zip(names, values.tolist(), strict=True):
        if name == "slope_both":
            out["slope_positive"] = out["slope_negative"] = value
        else:
            out[name] = value
    return out


def log_probabilities(parameters: Mapping[str, float], points: Mapping[str, Any]) -> np.ndarray:
    """Return the log probability (density, or that of the side a bound leaves open) of every measured value."""
    where = (points["distance_angstrom"], points["charge_change"])
    scale = predictive_scale(parameters, *where, points["sem"])
    z = (np.asarray(points["measured"]) - expected(parameters, points["ddg"], *where)) / scale
    nu, side = parameters["degrees"], np.asarray(points["side"])
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
    density = constant - (nu + 1) / 2 * np.log1p(z * z / nu) - np.log(scale)
    return np.where(side == 0, density, np.log(stdtr(nu, -np.sign(side) * z)))


def fit(names: tuple[str, ...], points: pd.DataFrame) -> dict[str, float]:
    """Return all parameters, those of ``names`` fitted."""
    keys = ["slope_positive" if n == "slope_both" else n for n in names]
    centre, width = (np.array([PRIOR[k][i] for k in keys]) for i in (0, 1))

    arrays = {k: points[k].to_numpy() for k in ("ddg", "sem", "distance_angstrom", "charge_change", "measured", "side")}

    def loss(values: np.ndarray) -> float:
        penalty = 0.5 * float((((values - centre) / width) ** 2).sum())
        return penalty - float(log_probabilities(_full(names, values), arrays).sum())

    found = minimize(loss, centre, method="L-BFGS-B", bounds=[LIMITS[k] for k in keys])
    return _full(names, found.x)


def left_out(names: tuple[str, ...], points: pd.DataFrame, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return, for points of groups that the fit did not see: prediction, log probability, parameters by group."""
    value, density, found = np.full(len(points), np.nan), np.full(len(points), np.nan), {}
    for group in np.unique(groups):
        inside = groups == group
        if inside.all():
            continue
        parameters = found[str(group)] = fit(names, points[~inside])
        part = points[inside]
        value[inside] = expected(parameters, part["ddg"], part["distance_angstrom"], part["charge_change"])
        density[inside] = log_probabilities(parameters, part)
    return value, density, found


def candidate_scores(points: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return one line per candidate, and the log probabilities of left-out drugs."""
    splits = {
        "drug": points["drug"].to_numpy(str),
        "site": (points["kinase"] + points["mutation"].str.extract(r"(\d+)", expand=False)).to_numpy(str),
        "kinase": points["kinase"].to_numpy(str),
    }
    lines, densities = [], {}
    for name, parameters in CANDIDATES.items():
        line: dict[str, Any] = {"candidate": name, "n_parameters": len(parameters)}
        for split, groups in splits.items():
            if len(np.unique(groups)) < 2:
                continue
            value, density, _ = left_out(parameters, points, groups)
            found = bench.scores(value, points["measured"], points["side"])
            within = bench.mean_within(value, points["measured"], splits["drug"])[0]
            line |= {f"{k}_{split}_out": found[k] for k in ("rmse", "mue", "pearson", "spearman", "auroc")}
            line |= {f"log_probability_{split}_out": density.mean(), f"within_drug_spearman_{split}_out": within}
            if split == "drug":
                densities[name] = density
        lines.append(line)
        print(f"{name}: RMSE {line.get('rmse_drug_out', np.nan):.3f}", flush=True)
    return pd.DataFrame(lines), densities


def choose(densities: Mapping[str, np.ndarray]) -> str:
    """Return the candidate with fewest parameters within one standard error (over points) of the best with a slope."""
    physical = {n: d for n, d in densities.items() if any(p.startswith("slope") for p in CANDIDATES[n])}
    best = max(physical, key=lambda name: physical[name].mean())
    good = []
    for name, density in physical.items():
        difference = physical[best] - density
        error = difference.std(ddof=1) / np.sqrt(len(density))
        if difference.mean() <= error + 1e-12:
            good.append((len(CANDIDATES[name]), -density.mean(), name))
    return min(good)[2]


def load(paths: list[Path]) -> pd.DataFrame:
    """Return the points of all tables that have a prediction."""
    tables = []
    for path in paths:
        table = pd.read_csv(path)
        table["table"] = path.parent.name
        tables.append(table)
    points = pd.concat(tables, ignore_index=True)
    points["kinase"] = points["kinase"].fillna("")
    good = points[np.isfinite(points["ddg"]) & np.isfinite(points["measured"])]
    return good.reset_index(drop=True)


def record_of(points: pd.DataFrame, table: pd.DataFrame, chosen: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what is shipped."""
    names = CANDIDATES[chosen]
    drugs, kinases = points["drug"].to_numpy(str), points["kinase"].to_numpy(str)
    folds = {f"drug {k}": v for k, v in left_out(names, points, drugs)[2].items()}
    if len(np.unique(kinases)) > 1:
        folds |= {f"kinase {k}": v for k, v in left_out(names, points, kinases)[2].items()}
    spread = points["wild_type_spread"].dropna() if "wild_type_spread" in points else pd.Series(dtype=float)
    line = table[table["candidate"] == chosen].iloc[0].to_dict()
    rounded = {k: {n: round(float(v), 4) for n, v in p.items()} for k, p in folds.items()}
    return {
        "what": options.what,
        "date": date.today().isoformat(),
        "script": "benchmarks/fit_calibration.py",
        "n": len(points),
        "drugs": sorted(set(drugs)),
        "model": chosen,
        "candidates_tried": len(CANDIDATES),
        "recipe": options.recipe or _one_recipe(points),
        "parameters": {n: round(float(v), 4) for n, v in fit(names, points).items()},
        "fitted_range": {
            "ddg_kcal_mol": [
                float(np.floor(10 * points["ddg"].min()) / 10),
                float(np.ceil(10 * points["ddg"].max()) / 10),
            ],
            "charge_change": int(points["charge_change"].abs().max()),
            "n_sites": int(points["n_sites"].max()) if "n_sites" in points else 1,
            "kinases": sorted(set(kinases)),
            "wild_type_spread": round(float(spread.quantile(0.95)), 3) if len(spread) else 0.5,
        },
        "widening": WIDENING,
        "widening_source": "assumed, not fitted",
        "atp": {"slope": options.atp_slope, "error_kcal_mol": options.atp_error, "source": "assumed, not fitted"},
        "scores": {k: round(float(v), 4) for k, v in line.items() if k.endswith("_out") and np.isfinite(v)},
        "left_out": rounded,
    }


def _one_recipe(points: pd.DataFrame) -> str:
    """Return the tag of settings and versions that all points share; refuse a mixture."""
    tags = set(points["recipe"].dropna()) if "recipe" in points else set()
    if len(tags) > 1:
        raise SystemExit(
            f"the points were computed with different settings ({', '.join(sorted(tags))}); run them again"
        )
    return tags.pop() if tags else ""


def main() -> None:
    """Fit, choose, write."""
    assert set(OFF) == set(PARAMETERS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--what", default="measured ddG")
    parser.add_argument("--recipe", default="", help="tag of the settings and versions behind the predictions")
    parser.add_argument("--model", choices=CANDIDATES, help="ship this candidate instead of the chosen one")
    parser.add_argument("--atp-slope", type=float, default=0.5)
    parser.add_argument("--atp-error", type=float, default=0.6)
    parser.add_argument("--record", type=Path, help="write the data file that dockkit ships here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    points = load(options.points)
    table, densities = candidate_scores(points)
    chosen = options.model or choose(densities)
    table["chosen"] = table["candidate"] == chosen
    table.to_csv(options.out / "candidates.csv", index=False)
    record = record_of(points, table, chosen, options)
    text = json.dumps(record, indent=1) + "\n"
    (options.out / "calibration.json").write_text(text, encoding="utf-8")
    if options.record:
        options.record.write_text(text, encoding="utf-8")
    summary = {"n": len(points), "n_candidates": len(CANDIDATES), **record["parameters"], **record["scores"]}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"chosen": chosen, **summary}, indent=1))


if __name__ == "__main__":
    main()
