"""Each ligand docked again into its own crystal, from a conformer made from SMILES; the pose chosen against Vina's own.

Non-covalent drug-like ligands; the receptor is prepared by dockkit, its ligand and waters removed; the box is that
around the bound ligand and, with ``--pocket``, also that of the KLIFS pocket. Every ``--direct``-th ligand is also
docked by calling the vina package on the same PDBQT texts, in the same box at the same exhaustiveness. RMSD: spyrmsd,
symmetry corrected, no superposition; validity: PoseBusters, of the chosen pose. Seconds are processor seconds of one
core (the wall's beside them), so that a busy machine does not count. Tables are appended as results come and reused.

    python benchmarks/redock.py --structures ../shared/data/structures --out benchmarks/out/redock
    python benchmarks/redock.py --out benchmarks/out/redock --fit      weights of the pose choice, from the stored table
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
from dock_data import Case, NotACaseError, Problem, append_rows, find_cases, read_rows, rmsd, set_up, write_summary
from scipy.optimize import minimize
from vina import Vina

from dockkit.core.errors import DockkitError
from dockkit.core.settings import DockingSettings, EnergySettings
from dockkit.docking.box import Box, box_of_pocket
from dockkit.docking.checks import check_poses
from dockkit.docking.choose import (
    ENERGY_RANGE,
    HINGE_LIMIT,
    OFF_HINGE_DISTANCE,
    RESCORED,
    UNREFINED,
    choose_pose,
    rank_poses,
)
from dockkit.docking.molecule import ligand_mol, rebuild_hydrogens
from dockkit.docking.receptor import receptor_pdbqt
from dockkit.docking.search import dock_kinase
from dockkit.docking.vina import ligand_pdbqt, read_poses
from dockkit.pipeline.rescore import refine_promising

RIGHT = 2.0
"""Angstrom."""

FIELDS = [
    "name", "gene", "state", "binding_type", "n_poses", "top1", "best9", "score_top1", "chosen_rank", "valid", "failed",
    "seconds", "wall_seconds", "pocket_top1", "pocket_best9", "pocket_score_top1",
    "direct_top1", "direct_best9", "direct_seconds", "reason", "error",
]  # fmt: skip
CANDIDATE_FIELDS = [
    "name", "gene", "binding_type", "rank", "score", "rmsd", "hinge_bonds", "bridge_bonds", "hinge_distance",
    "relative_energy", "relative_strain",
]  # fmt: skip


def dock_once(problem: Problem, box: Box, settings: DockingSettings, seed: int) -> tuple[list, object, float, float]:
    """Search and choose; return all poses ranked, the chosen one, processor and wall seconds."""
    receptor, ligand, kinase = problem.receptor, problem.ligand, problem.kinase
    cpu, wall = time.process_time(), time.perf_counter()
    poses = dock_kinase(receptor, ligand, kinase, box.center, box.size, settings, seed, 1)
    refined = refine_promising(poses, receptor, ligand, kinase, problem.parameters, settings.rescore, EnergySettings())
    chosen = choose_pose(poses, receptor, ligand, kinase, refined)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return list(rank_poses(poses, receptor, ligand, kinase, refined)), chosen, cpu, wall


def dock_directly(problem: Problem, box: Box, settings: DockingSettings, seed: int) -> tuple[list[float], float]:
    """Call Vina as its documentation does; return the RMSD of its poses in its order, and processor seconds."""
    mol = ligand_mol(problem.ligand)
    receptor = receptor_pdbqt(problem.receptor)
    text, serials = ligand_pdbqt(mol, problem.ligand.name)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor, encoding="ascii")
        engine = Vina(sf_name="vina", cpu=1, seed=seed % 2**30 + 1, verbosity=0)
        engine.set_receptor(str(path))
        engine.set_ligand_from_string(text)
        engine.compute_vina_maps(center=list(box.center), box_size=list(box.size))
        engine.dock(exhaustiveness=settings.exhaustiveness, n_poses=settings.n_poses)
        found = engine.poses(n_poses=settings.n_poses, energy_range=settings.energy_range_kcal_mol)
    seconds = time.process_time() - start
    poses = [
        rebuild_hydrogens(mol, placed, known) for _, placed, known in read_poses(found, serials, problem.ligand.n_atoms)
    ]
    return [rmsd(problem.ligand, xyz, problem.bound) for xyz in poses], seconds


def one(case: Case, options: argparse.Namespace, direct: bool) -> tuple[dict, list[dict]]:
    """Return the row of a case and the rows of its poses."""
    row = {"name": case.name, "gene": case.gene, "state": case.state}
    settings = DockingSettings(exhaustiveness=options.exhaustiveness)
    try:
        problem = set_up(case, options.seed)
        ranked, chosen, row["seconds"], row["wall_seconds"] = dock_once(problem, problem.box, settings, options.seed)
        entry = problem.ligand.entry
        row["binding_type"] = entry.binding_type if entry else "unknown"
        distances = {pose.rank: rmsd(problem.ligand, pose.coordinates, problem.bound) for pose in ranked}
        row |= {
            "n_poses": len(ranked), "top1": distances[chosen.rank], "best9": min(distances.values()),
            "score_top1": distances[1], "chosen_rank": chosen.rank, "reason": chosen.reason,
        }  # fmt: skip
        (check,) = check_poses(problem.receptor, problem.ligand, [chosen.coordinates])
        row |= {"valid": int(check.valid), "failed": "; ".join(check.failed)}
        candidates = [
            {
                **{k: row[k] for k in ("name", "gene", "binding_type")},
                "rank": pose.rank, "score": pose.score, "rmsd": distances[pose.rank],
                **{k: v for k, v in pose.features if k in CANDIDATE_FIELDS},
            }
            for pose in ranked
        ]  # fmt: skip
        if options.pocket:
            again, best, _, _ = dock_once(
                problem, box_of_pocket(problem.receptor, problem.kinase), settings, options.seed
            )
            far = {pose.rank: rmsd(problem.ligand, pose.coordinates, problem.bound) for pose in again}
            row |= {"pocket_top1": far[best.rank], "pocket_best9": min(far.values()), "pocket_score_top1": far[1]}
        if direct:
            found, row["direct_seconds"] = dock_directly(problem, problem.box, settings, options.seed)
            row |= {"direct_top1": found[0], "direct_best9": min(found)}
    except NotACaseError as reason:
        return {**row, "error": f"left out: {reason}"}, []
    except DockkitError as error:
        return {**row, "error": f"{type(error).__name__}: {error}"}, []
    return {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()}, candidates


def numbers(rows: list[dict], key: str) -> np.ndarray:
    """Return a column, rows without the number left out."""
    return np.array([float(row[key]) for row in rows if row.get(key)])


def told(row: dict) -> str:
    """Return a line on one ligand."""
    if row.get("error"):
        return f"{row['name']} {row['error']}"
    return (
        f"{row['name']} {row['top1']} A (best {row['best9']}, by score {row['score_top1']}, rank {row['chosen_rank']}, "
        f"valid {row['valid']}) {row['seconds']} s"
    )


def summarise(rows: list[dict]) -> dict[str, float]:
    """Return metric -> number; a ligand that failed counts as wrong."""
    tried = [row for row in rows if not row["error"].startswith("left out")]
    n = len(tried)
    if not n:
        return {"n": 0}

    def share(key: str, of: int = n) -> float:
        return round(float((numbers(tried, key) < RIGHT).sum()) / of, 4)

    seconds = numbers(tried, "seconds")
    result = {
        "n": n,
        "failed": sum(bool(row["error"]) for row in tried),
        "top1_under_2A": share("top1"),
        "best9_under_2A": share("best9"),
        "vina_top1_under_2A": share("score_top1"),
        "valid": round(float(numbers(tried, "valid").sum()) / n, 4),
        "seconds_median": round(float(np.median(seconds)), 1) if len(seconds) else math.nan,
        "wall_seconds_median": round(float(np.median(numbers(tried, "wall_seconds"))), 1) if len(seconds) else math.nan,
    }
    both = [row for row in tried if row["direct_seconds"]]
    if both:
        ratio = numbers(both, "seconds") / numbers(both, "direct_seconds")
        result |= {
            "direct_n": len(both),
            "vina_time_ratio": round(float(np.median(ratio)), 3),
            "direct_top1_under_2A": round(float((numbers(both, "direct_top1") < RIGHT).mean()), 4),
            "direct_best9_under_2A": round(float((numbers(both, "direct_best9") < RIGHT).mean()), 4),
            "same_top1_under_2A": round(float((numbers(both, "top1") < RIGHT).mean()), 4),
        }
    pocket = [row for row in tried if row["pocket_top1"]]
    if pocket:
        result |= {
            "pocket_n": len(pocket),
            "pocket_top1_under_2A": round(float((numbers(pocket, "pocket_top1") < RIGHT).mean()), 4),
            "pocket_best9_under_2A": round(float((numbers(pocket, "pocket_best9") < RIGHT).mean()), 4),
        }
    return result


def terms(candidates: list[dict]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the terms of each refined pose, whether it is right, and the rows of each case."""
    rows = [row for row in candidates if row["relative_energy"]]
    table = np.array(
        [
            [
                float(row["score"]),
                min(float(row["relative_energy"]), ENERGY_RANGE),
                min(float(row["relative_strain"]), ENERGY_RANGE),
                -min(float(row["hinge_bonds"]), HINGE_LIMIT),
                -float(row["bridge_bonds"]),
                float(float(row["hinge_distance"]) > OFF_HINGE_DISTANCE),
            ]
            for row in rows
        ]
    )
    allosteric = np.array([row["binding_type"] in ("III", "IV") for row in rows])
    table[allosteric, 3:] = 0.0
    right = np.array([float(row["rmsd"]) < RIGHT for row in rows])
    names = np.array([row["name"] for row in rows])
    return table, right, [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def picked_right(weights: np.ndarray, table: np.ndarray, right: np.ndarray, groups: list[np.ndarray]) -> int:
    """Return in how many cases the pose of lowest weighted sum is right."""
    return sum(bool(right[group[np.argmin(table[group] @ weights)]]) for group in groups)


START = np.array([1.0, 0.2, 0.1, 0.7, 0.7, 0.7])
"""Where the fit starts, and what its ridge draws the weights to."""


def fit_weights(table: np.ndarray, right: np.ndarray, groups: list[np.ndarray], free: list[int]) -> np.ndarray:
    """Fit a conditional logit with positive weights and a mild ridge; scaled so that the engine's weight is 1."""
    usable = [group for group in groups if right[group].any() and not right[group].all()]

    def loss(x: np.ndarray) -> float:
        weights = np.zeros(table.shape[1])
        weights[free] = np.exp(x)
        total = 0.01 * float(((x - np.log(START[free])) ** 2).sum())
        for group in usable:
            value = -table[group] @ weights
            total += np.logaddexp.reduce(value) - np.logaddexp.reduce(value[right[group]])
        return total

    found = minimize(loss, np.log(START[free]), method="Nelder-Mead", options={"maxiter": 4000})
    weights = np.zeros(table.shape[1])
    weights[free] = np.exp(found.x)
    return weights / weights[0]


def fit(out: Path) -> None:
    """Fit on the odd kinases (by alphabet), test on the even ones, the other way round, and on all."""
    candidates = read_rows(out / "redock_candidates.csv")
    if not candidates:
        raise SystemExit(f"{out}: no redock_candidates.csv; run the benchmark first")
    table, right, groups = terms(candidates)
    rows = [row for row in candidates if row["relative_energy"]]
    genes = sorted({row["gene"] for row in rows})
    halves = [[g for g in groups if genes.index(rows[g[0]]["gene"]) % 2 == half] for half in (0, 1)]
    shipped = np.array([1.0, RESCORED.energy, RESCORED.strain, RESCORED.hinge, RESCORED.bridge, RESCORED.off_hinge])
    plain = np.array([1.0, 0.0, 0.0, UNREFINED.hinge, UNREFINED.bridge, UNREFINED.off_hinge])
    models = {
        "engine alone": [0],
        "engine + energy": [0, 1, 2],
        "engine + kinase": [0, 3, 4, 5],
        "all but strain": [0, 1, 3, 4, 5],
        "all": [0, 1, 2, 3, 4, 5],
    }
    print(f"{len(groups)} ligands, {len(genes)} kinases; a right pose among the refined: "
          f"{sum(right[g].any() for g in groups)}")  # fmt: skip
    for label, weights in (("shipped", shipped), ("shipped, unrefined", plain)):
        print(f"{label:20s} {picked_right(weights, table, right, groups)} right of {len(groups)}")
    for label, free in models.items():
        held_out = 0
        for half in (0, 1):
            weights = fit_weights(table, right, halves[half], free)
            held_out += picked_right(weights, table, right, halves[1 - half])
        weights = fit_weights(table, right, groups, free)
        print(
            f"{label:20s} held-out half {held_out}, fitted on all {picked_right(weights, table, right, groups)}; "
            f"weights (engine, energy, strain, hinge, bridge, off) {np.round(weights, 3).tolist()}"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--exhaustiveness", type=int, default=8)
    parser.add_argument("--direct", type=int, default=1, help="call Vina directly for every n-th ligand; 0: none")
    parser.add_argument("--pocket", action="store_true", help="also with the box of the KLIFS pocket")
    parser.add_argument("--every", type=int, default=1, help="every n-th ligand, for a quick look")
    parser.add_argument("--only", default="", help="names such as 2gqg_1N1, separated by commas")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fit", action="store_true", help="fit the weights of the choice to the stored table")
    options = parser.parse_args()
    if options.fit:
        fit(options.out)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    cases, left_out = find_cases(options.structures)
    for line in left_out:
        print(f"left out: {line}")
    cases = [case for case in cases if not options.only or case.name in options.only.split(",")][:: options.every]
    rows = read_rows(options.out / "redock_ligands.csv")
    known = {row["name"] for row in rows}
    todo = [(case, k) for k, case in enumerate(cases) if case.name not in known]
    print(f"{len(cases)} ligands, {len(cases) - len(todo)} known already", flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        running = [
            pool.submit(one, case, options, bool(options.direct) and k % options.direct == 0) for case, k in todo
        ]
        for done in as_completed(running):
            row, candidates = done.result()
            append_rows(options.out / "redock_candidates.csv", candidates, CANDIDATE_FIELDS)
            append_rows(options.out / "redock_ligands.csv", [row], FIELDS)
            rows = read_rows(options.out / "redock_ligands.csv")
            print(f"{len(rows)}/{len(cases)} {told(row)}", flush=True)
    write_summary(options.out / "summary.json", summarise(rows))


if __name__ == "__main__":
    main()
