"""Dynamics of wild type against mutant, with the inhibitor and with ATP: ddG with its error, sign against experiment.

For each line of ``--cases`` (kinase, mutation, structure, ligand; the structure a library name or a file under
``--structures``) both states are simulated; the lines of one kinase and mutation are compared together, as ``dockkit
md`` does. Beside each ddG stand the wild type against itself, the length that would bring the standard error to 0.5
kcal/mol, and what was measured: an inhibitor's from the binding constants of ``--kd`` (Davis et al. 2011; the least
fold change if several forms were measured, a bound where one side is above 10 uM), ATP's sign from ``--atp`` (ATP
concentrations of assays). Stopped and run again it goes on with the segments that are there. Seconds are wall time at
one job.

    python benchmarks/md_compare.py --ps 100 --replicas 3 --out benchmarks/out/md_compare
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import pandas as pd

from dockkit.api.dynamics import MdRun, simulate
from dockkit.core.errors import DockkitError
from dockkit.core.model import DynamicsComparison, DynamicsLeg, Ligand
from dockkit.execution import Event
from dockkit.kinase import load_kinase
from dockkit.pipeline.dynamics_analysis import analyse_dynamics
from dockkit.store import Store

HERE = Path(__file__).parent


def measured_inhibitor(table: pd.DataFrame, gene: str, ligand: str, mutation: str) -> tuple[float, bool]:
    """Return the measured ddG (kcal/mol) and whether it is a lower bound; NaN where there is none."""
    same = table["compound"].str.lower().eq(ligand.lower()) | table["alt_name"].str.lower().eq(ligand.lower())
    found = table[same & table["gene"].eq(gene) & table["mutation"].eq(mutation) & table["ddg_kcal"].notna()]
    if found.empty:
        return math.nan, False
    row = found.loc[found["ddg_kcal"].idxmin()]
    return float(row["ddg_kcal"]), row["censored"] == "mut_gt_10uM"


def measured_atp(table: pd.DataFrame, gene: str, mutation: str) -> float:
    """Return the ddG of ATP that the assays' concentrations hint at (kcal/mol), NaN where there is none."""
    found = table[table["gene"].eq(gene) & table["mutation"].eq(mutation)]
    return float(found["ddg_atp_proxy_kcal"].iloc[0]) if len(found) else math.nan


def legs_of(run: MdRun) -> list[DynamicsLeg]:
    """Return the legs of a finished run that have both states."""
    store = Store(run.plan.out / "store")
    legs = []
    for cell in run.plan.cells:
        wild, mutant = run.trajectory(cell, "wild-type"), run.trajectory(cell, "mutant")
        ligand = store.load(cell.cell.keys["ligand"])
        if wild is not None and mutant is not None and isinstance(ligand, Ligand):
            nucleotide = ligand.entry is not None and ligand.entry.binding_type == "nucleotide"
            legs.append(DynamicsLeg("ATP" if nucleotide else "inhibitor", wild, mutant, ligand))
    return legs


def leg_row(comparison: DynamicsComparison, measured: float, bound: bool) -> dict[str, Any]:
    """Return what is reported of one leg."""
    energy, length = comparison.observable("binding_energy"), comparison.convergence
    row: dict[str, Any] = {"leg": comparison.ligand or "apo", "role": comparison.role, "ps": comparison.length_ps}
    if energy is not None and length is not None:
        d = energy.difference
        row |= {
            "ddg_kcal_mol": d.change.value, "ddg_sem": d.change.sem, "low_95": d.low, "high_95": d.high,
            "called": d.called, "independent_sem": d.independent_sem, "paired_sem": d.paired_sem,
            "correlation": d.correlation, "pairing_used": d.paired, "control_kcal_mol": d.control.value,
            "control_sem": d.control.sem, "control_called": d.control_called,
            "inefficiency_frames": max(d.inefficiency), "effective_samples": min(d.wild_type.n, d.mutant.n),
            "drift": any(d.drift), "needed_ps": length.needed_ps, "needed_replicas": length.needed_replicas,
            "replicas_disagree": length.replicas_disagree, "measured_kcal_mol": measured, "measured_is_bound": bound,
            "sign_right": bool(d.change.value * measured > 0) if math.isfinite(measured) and measured else None,
        }  # fmt: skip
    return row


def run_leg(case: dict[str, Any], options: argparse.Namespace, folder: Path) -> list[DynamicsLeg]:
    """Simulate both states of one line."""
    file = options.structures / case["structure"]
    started = time.time()

    def tell(event: Event) -> None:
        if event.kind == "finished":
            print(f"  {time.time() - started:7.0f} s  {event.task.label}", flush=True)

    run = simulate(
        str(file) if file.is_file() else case["structure"], [case["ligand"]], [case["mutation"]], folder,
        preset=options.preset, ns=options.ps / 1000.0, replicas=options.replicas, seed=options.seed,
        platform=options.platform, kinase=case["kinase"],
        settings={"frame_ps": options.frame_ps} if options.frame_ps else None, jobs=1, on_event=tell,
    )  # fmt: skip
    for failure in run.failed:
        print(f"  failed: {failure.label}: {failure.message}", flush=True)
    return legs_of(run)


def run_group(cases: list[dict[str, Any]], options: argparse.Namespace, tables: tuple[pd.DataFrame, ...]) -> Any:
    """Simulate the lines of one kinase and mutation and compare them; return their rows."""
    gene, mutation = cases[0]["kinase"], cases[0]["mutation"]
    legs: list[DynamicsLeg] = []
    rows: list[dict[str, Any]] = []
    started = time.time()
    for case in cases:
        name = f"{gene}-{mutation}-{case['ligand']}"
        print(name, flush=True)
        try:
            legs += run_leg(case, options, options.out / name)
        except DockkitError as error:
            print(f"  failed: {error}", flush=True)
            rows.append({**case, "leg": case["ligand"], "role": "failed", "message": str(error)})
    if not legs:
        return rows
    simulated = time.time()
    study = analyse_dynamics(legs, mutation, load_kinase(gene), options.out / f"{gene}-{mutation}")
    spent = {"seconds_simulation": simulated - started, "seconds_analysis": time.time() - simulated}
    common = {"kinase": gene, "mutation": mutation, "replicas": options.replicas, **spent}
    for comparison in study.comparisons:
        value, bound = measured_inhibitor(tables[0], gene, comparison.ligand, mutation)
        if comparison.role == "ATP":
            value, bound = measured_atp(tables[1], gene, mutation), False
        rows.append({**common, **leg_row(comparison, value, bound)})
    for name, effective in study.effective:
        if math.isfinite(effective.value):
            both = {"ddg_kcal_mol": effective.value, "ddg_sem": effective.sem}
            rows.append({**common, "leg": f"effective {name}", "role": "effective", "ps": options.ps, **both})
    return rows


def summary_of(rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return the flat summary."""
    out: dict[str, Any] = {
        "n_legs": sum("ddg_kcal_mol" in row and row["role"] != "effective" for row in rows),
        "seconds": round(seconds, 1),
    }
    judged = [row for row in rows if row.get("sign_right") is not None]
    out |= {"signs_right": sum(row["sign_right"] for row in judged), "n_signs": len(judged)}
    controls = [row for row in rows if "control_called" in row]
    out |= {"controls_called": sum(row["control_called"] for row in controls), "n_controls": len(controls)}
    for row in rows:
        name = f"{row['kinase']}_{row['mutation']}_{row['leg']}".lower().replace(".", "").replace(" ", "_")
        for key in ("ddg_kcal_mol", "ddg_sem", "control_kcal_mol", "needed_ps", "measured_kcal_mol"):
            if key in row and math.isfinite(row[key]):
                out[f"{name}_{key}"] = round(float(row[key]), 3)
    return out


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = HERE.parent.parent / "shared" / "data"
    parser.add_argument("--cases", type=Path, default=HERE / "data" / "md_compare.csv")
    parser.add_argument("--structures", type=Path, default=data / "structures")
    parser.add_argument("--kd", type=Path, default=data / "davis2011" / "davis2011_mutants.csv")
    parser.add_argument("--atp", type=Path, default=data / "atp_assay" / "atp_assay_concentration.csv")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "md_compare")
    parser.add_argument("--preset", default="pocket", choices=("pocket", "implicit", "explicit"))
    parser.add_argument("--ps", type=float, default=100.0, help="production of each replica")
    parser.add_argument("--frame-ps", type=float, default=0.0, help="time between frames; 0: the preset's")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--platform", default="CPU")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tables = (pd.read_csv(options.kd), pd.read_csv(options.atp))
    started = time.time()
    rows: list[dict[str, Any]] = []
    for _, group in pd.read_csv(options.cases, dtype=str).groupby(["kinase", "mutation"], sort=False):
        rows += run_group([dict(line) for line in group.to_dict("records")], options, tables)
        pd.DataFrame(rows).to_csv(options.out / "legs.csv", index=False)
        summary = summary_of(rows, time.time() - started)
        (options.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary_of(rows, time.time() - started), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
