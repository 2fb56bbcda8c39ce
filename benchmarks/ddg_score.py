"""What `ddg.py` writes: scores, intervals, comparisons, groups, reliability and the worst points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dockkit.analysis import benchmarking as bench
from dockkit.calibration import Features, calibrate, calibration_record, without_group
from dockkit.core.model import STATE_TERM_NAMES, Estimate
from dockkit.core.units import thermal_energy
from dockkit.report.reliability import draw_reliability

RESAMPLES = 4000
LOUD = ("rmse", "mue", "auroc")
"""Scores whose paired differences are asked for."""


def calibrated_columns(points: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """Return the points with their calibrated values: of the fit that did not see the drug, and as shipped.

    The widening for a kinase, a clash, a docked pose and so on is the shipped calibration's in both.
    """
    threshold = thermal_energy() * np.log(10.0)
    rows = []
    for p in points.to_dict("records"):
        docked, modelled = (str(p.get(key, "")).lower() == "true" for key in ("docked", "modelled"))
        features = Features(
            ddg=Estimate(p["ddg"], p.get("sem", np.nan)),
            distance_angstrom=p["distance_angstrom"],
            charge_change=int(p["charge_change"]),
            n_sites=int(p.get("n_sites", 1)),
            overlap_angstrom=_number(p, "overlap_angstrom", 0.0),
            wild_type_spread=_number(p, "wild_type_spread", np.nan),
            kinase=str(p.get("kinase") or ""),
            modelled=modelled,
            docked=docked,
            recipe=str(p.get("recipe") or "") if isinstance(p.get("recipe"), str) else "",
        )
        unseen = calibrate(features, without_group(record, str(p["drug"]), features.kinase))
        rows.append(
            {
                "ddg_calibrated": unseen.value,
                "ddg_calibrated_error": unseen.error,
                "probability_resistant": unseen.probability_above(threshold),
                "confidence": unseen.confidence,
                "level": unseen.level,
                "ddg_calibrated_shipped": calibrate(features, record).value,
                "flags": "; ".join(unseen.flags),
            }
        )
    return pd.concat([points.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def _number(row: Mapping[str, Any], key: str, default: float) -> float:
    value = row.get(key, default)
    return float(value) if value is not None and np.isfinite(value) else default


def score_all(
    points: pd.DataFrame, published: list[str], groups: str | None, seed: int
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame]:
    """Return the flat summary, the scores by group and the paired differences.

    Parameters
    ----------
    points : DataFrame
        Finished points: ``ddg``, ``measured``, ``side``, ``drug``, features, published columns.
    published : list of str
        Columns of other predictions.
    groups : str or None
        Column whose values are resampled whole; single points where None.
    seed : int
        Of the bootstrap.
    """
    y, side = points["measured"].to_numpy(float), points["side"].to_numpy(int)
    weights = bench.resampling_weights(len(y), RESAMPLES, seed, points[groups].to_numpy() if groups else None)
    predictions = _predictions(points, published)
    summary: dict[str, float] = {}
    lines = []
    for name, x in predictions.items():
        ending = f"_{name}" if name else ""
        counts = bench.scores(x, y, side)
        if not name:
            summary |= {key: counts[key] for key in ("n", "n_resistant", "n_censored")}
        intervals = bench.bootstrap_scores(x, y, weights, side)
        drugs = points["drug"].to_numpy()
        within = bench.interval(float(bench.mean_within(x, y, drugs)[0]), bench.mean_within(x, y, drugs, weights))
        intervals["within_drug_spearman"] = within
        for key, found in intervals.items():
            for part in ("value", "low", "high"):
                label = f"{key}{ending}" + ("" if part == "value" else f"_{part}")
                summary[label] = getattr(found, part)
        share, known = bench.sign_agreement(x, y, side)
        summary |= {f"sign_agreement{ending}": share, f"n_sign{ending}": float(known)}
        lines += _by_group(points, x, name or "dockkit", seed)
    return summary, pd.DataFrame(lines), _paired(points, predictions, weights, summary)


def _predictions(points: pd.DataFrame, published: list[str]) -> dict[str, np.ndarray]:
    out = {"": points["ddg"].to_numpy(float)}
    if "ddg_calibrated" in points:
        out |= {"calibrated": points["ddg_calibrated"].to_numpy(float)}
        out |= {"calibrated_shipped": points["ddg_calibrated_shipped"].to_numpy(float)}
    out["null"] = np.zeros(len(points))
    out["nearest"] = np.exp(-points["distance_angstrom"].to_numpy(float) / 6.0)
    out |= {column: points[column].to_numpy(float) for column in published}
    return out


def distance_class(distance: float) -> str:
    """Return the class of a distance from the mutated residue to the ligand."""
    return "to 4 A" if distance <= 4 else "4 to 10 A" if distance <= 10 else "beyond 10 A"


def _by_group(points: pd.DataFrame, x: np.ndarray, name: str, seed: int) -> list[dict[str, Any]]:
    charge = np.where(points["charge_change"].to_numpy(int) != 0, "charge changes", "charge kept")
    distance = [distance_class(d) for d in points["distance_angstrom"]]
    lines = []
    for kind, labels in (
        ("kinase", points["kinase"]),
        ("drug", points["drug"]),
        ("charge", charge),
        ("distance", distance),
    ):
        labels = np.asarray(labels).astype(str)
        for label in np.unique(labels):
            part = points[labels == label]
            y, side = part["measured"].to_numpy(float), part["side"].to_numpy(int)
            weights = bench.resampling_weights(len(part), RESAMPLES // 4, seed)
            found = bench.bootstrap_scores(x[labels == label], y, weights, side)
            row: dict[str, Any] = {"prediction": name, "by": kind, "group": label}
            row |= {k: v for k, v in bench.scores(x[labels == label], y, side).items() if k.startswith("n")}
            for key, value in found.items():
                row |= {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}
            lines.append(row)
    return lines


def _paired(
    points: pd.DataFrame, predictions: Mapping[str, np.ndarray], weights: np.ndarray, summary: dict[str, float]
) -> pd.DataFrame:
    y, side = points["measured"].to_numpy(float), points["side"].to_numpy(int)
    lines = []
    ours = [name for name in ("", "calibrated") if name in predictions]
    for name in ours:
        for other, x in predictions.items():
            if other in ("", "calibrated", "calibrated_shipped"):
                continue
            found = bench.paired_bootstrap(predictions[name], x, y, weights, side)
            for key, value in found.items():
                lines.append(
                    {
                        "prediction": name or "dockkit", "against": other, "score": key, "difference": value.value,
                        "low": value.low, "high": value.high, "share_below_zero": value.below_zero,
                    }
                )  # fmt: skip
                if key in LOUD:
                    label = f"{key}{'_' + name if name else ''}_minus_{other}"
                    summary |= {label: value.value, f"{label}_low": value.low, f"{label}_high": value.high}
    return pd.DataFrame(lines)


def probability_scores(points: pd.DataFrame, out: Path, summary: dict[str, float]) -> None:
    """Write the reliability of the probability of resistance and what the confidence sorts; add to the summary."""
    y, side = points["measured"].to_numpy(float), points["side"].to_numpy(int)
    truth = bench.classes(y, side)
    found = bench.reliability(points["probability_resistant"], truth)
    table = pd.DataFrame(
        {
            "predicted": found.predicted, "observed": found.observed, "low": found.low, "high": found.high,
            "n": found.counts,
        }
    )  # fmt: skip
    table.to_csv(out / "reliability.csv", index=False)
    summary |= {"brier": found.brier, "brier_base_rate": found.brier_base, "n_brier": float((truth >= 0).sum())}
    drawn = draw_reliability(found.predicted, found.observed, found.low, found.high, found.counts, brier=found.brier)
    (out / "reliability.png").write_bytes(drawn.png)
    error = bench.residuals(points["ddg_calibrated"], y, side)
    thirds = bench.by_thirds(points["confidence"], error)
    null = bench.by_thirds(points["confidence"], bench.residuals(np.zeros(len(y)), y, side))
    lines = []
    for name, part, nothing in zip(("low", "middle", "high"), thirds, null, strict=False):
        lines.append({"third": name, **part, "rmse_null": nothing["rmse"], "mue_null": nothing["mue"]})
        summary |= {f"rmse_confidence_{name}_third": part["rmse"], f"mue_confidence_{name}_third": part["mue"]}
    for level, part in points.groupby("level"):
        e = bench.residuals(part["ddg_calibrated"], part["measured"], part["side"])
        lines.append({"third": f"level {level}", "n": len(e), "rmse": np.sqrt(np.mean(e**2)), "mue": np.abs(e).mean()})
    pd.DataFrame(lines).to_csv(out / "confidence.csv", index=False)
    spearman = bench.scores(points["confidence"], -np.abs(error))["spearman"]
    summary["spearman_confidence_minus_error"] = spearman
    inside = np.abs(points["measured"] - points["ddg_calibrated"]) <= points["ddg_calibrated_error"]
    summary["share_within_one_error"] = float(inside[points["side"] == 0].mean())


def worst(points: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """Return the points with the largest raw errors and what is known about each."""
    terms = [c for c in STATE_TERM_NAMES if c in points]
    table = points.reindex(points["error"].abs().sort_values(ascending=False, kind="stable").index).head(count).copy()
    table["known"] = [_known(row) for row in table.to_dict("records")]
    keep = ["kinase", "drug", "mutation", "measured", "side", "ddg", "error", "ddg_calibrated", "confidence", *terms]
    keep += ["distance_angstrom", "charge_change", "overlap_angstrom", "wild_type_spread", "rotamer", "flags", "known"]
    return table[[column for column in keep if column in table]]


def _known(row: Mapping[str, Any]) -> str:
    """Say what is known of one bad point, from its own numbers."""
    found = [f"{'under' if row['error'] < 0 else 'over'}estimated by {abs(row['error']):.1f}"]
    if row["side"]:
        found.append("measured value is a bound")
    if row["charge_change"]:
        found.append(f"charge changes by {int(row['charge_change']):+d}")
    if row["distance_angstrom"] > 4:
        found.append(f"no contact with the ligand ({row['distance_angstrom']:.1f} A)")
    if {"vdw", "coulomb", "gb"} <= row.keys() and np.isfinite(row["vdw"]):
        parts = [("vdW", row["vdw"]), ("electrostatics with GB", row["coulomb"] + row["gb"])]
        parts += [("strain", row["strain"])] if np.isfinite(row.get("strain", np.nan)) else []
        larger, value = max(parts, key=lambda item: abs(item[1]))
        found.append(f"mostly {larger} ({value:+.1f})" if abs(value) > 0.3 else "no term changes by more than 0.3")
    sizes = _size_change(str(row["mutation"]))
    if sizes <= -2:
        found.append("large to small: nothing fills the cavity in the model")
    if sizes >= 2:
        found.append("small to large: the new side chain has to find room")
    if row.get("overlap_angstrom", 0) and row["overlap_angstrom"] > 0:
        found.append(f"overlap of {row['overlap_angstrom']:.1f} A left")
    return "; ".join(found)


_HEAVY = dict(zip("GASCTPVDNILEQMHFKRYW", (0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 4, 6, 7, 5, 7, 8, 10), strict=True))


def _size_change(mutation: str) -> int:
    """Return how many heavy atoms the side chains gain."""
    return sum(_HEAVY[m[-1]] - _HEAVY[m[0]] for m in mutation.replace(";", "/").split("/"))


def write_all(points: pd.DataFrame, published: list[str], out: Path, groups: str | None, seed: int) -> dict[str, float]:
    """Score finished points and write points.csv, groups.csv, paired.csv, worst.csv, reliability and summary.json."""
    good = points[np.isfinite(points["ddg"])].reset_index(drop=True)
    bad = points[~np.isfinite(points["ddg"])]
    record = calibration_record()
    good = calibrated_columns(good, record)
    good["error"] = good["ddg"] - good["measured"]
    good["error_calibrated"] = good["ddg_calibrated"] - good["measured"]
    summary, by_group, paired = score_all(good, published, groups, seed)
    summary |= {"n_failed": float(len(bad))}
    if "seconds" in good:
        summary["seconds_per_prediction"] = float(good["seconds"].mean())
    for name in ("seconds_prepare", "seconds_start", "seconds_wild_type", "seconds_mutant", "memory_mb"):
        if name in good:
            spent = good[name][good[name] > 0]
            summary[f"{name}_median"] = float(spent.median()) if len(spent) else float("nan")
    probability_scores(good, out, summary)
    pd.concat([good, bad]).to_csv(out / "points.csv", index=False)
    by_group.to_csv(out / "groups.csv", index=False)
    paired.to_csv(out / "paired.csv", index=False)
    worst(good).to_csv(out / "worst.csv", index=False)
    plain = {key: None if not np.isfinite(value) else value for key, value in summary.items()}
    (out / "summary.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return summary
