"""Poses of the main job against crystals: RMSD of each chosen pose after superposing the pocket.

Each inhibitor is docked into the library structure that the study uses, which in most cases is not the crystal it is
compared with (cross-docking), and in some is a model. Writes ``poses.csv`` and ``summary.json``.

    python benchmarks/poses.py --structures ../shared/data/structures --out benchmarks/out/poses
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from dockkit.core.geometry import superposition
from dockkit.core.settings import load_study
from dockkit.kinase import load_kinase
from dockkit.ligand import to_rdkit
from dockkit.pipeline import steps
from dockkit.pipeline.plan import plan

CRYSTALS = {
    "imatinib": "1iep.pdb",
    "nilotinib": "3cs9.pdb",
    "ponatinib": "3oxz.pdb",
    "dasatinib": "2gqg.pdb",
    "bosutinib": "3ue4.pdb",
}


def crystal_pose(structures: Path, name: str, kinase: str) -> tuple:
    """Return receptor, ligand and bound pose of a crystal."""
    entry = str(structures / CRYSTALS[name])
    receptor = steps.run_receptor(
        {
            "entry": entry,
            "chain": "",
            "preparation": {"waters": "none"},
            "numbering": "uniprot",
            "kinase": kinase,
            "seed": 0,
        },
        {},
        Path(),
    )
    ligand = steps.run_ligand({"ligand": name, "label": "", "keep_state": False, "seed": 0}, {}, Path())
    pose = steps.run_pose(
        {"docking": {}, "seed": 0, "cpu": 1, "kinase": kinase, "entry": entry},
        {"receptor": receptor, "ligand": ligand},
        Path(),
    )
    if pose.engine != "bound":
        raise SystemExit(f"{entry}: {name} is not bound there")
    return receptor, ligand, pose


def pocket_alpha_carbons(receptor, kinase) -> dict[int, np.ndarray]:
    """Return the C-alpha positions of the KLIFS pocket by UniProt number."""
    chosen = np.isin(receptor.uniprot_numbers, [n for n in kinase.pocket if n])[receptor.atom_residue]
    atoms = np.flatnonzero(chosen & (receptor.atom_names == "CA"))
    return {int(receptor.uniprot_numbers[receptor.atom_residue[i]]): receptor.coordinates[i] for i in atoms}


def one(task: tuple) -> dict:
    """Dock one inhibitor as the study does and compare it with its crystal."""
    study_name, label, structures = task
    planned = plan(load_study(study_name), steps.STEPS)
    tasks = {t.key: t for t in planned.tasks}
    cell = next(c for c in planned.cells if c.ligand.label == label)
    receptor = steps.run_receptor(tasks[cell.keys["receptor"]].params, {}, Path())
    ligand = steps.run_ligand(tasks[cell.keys["ligand"]].params, {}, Path())
    start = time.perf_counter()
    made = {"receptor": receptor, "ligand": ligand, "parameters": steps.run_parameters({}, {"ligand": ligand}, Path())}
    pose = steps.run_pose(tasks[cell.keys["pose"]].params, made, Path())
    seconds = time.perf_counter() - start
    kinase = load_kinase(receptor.kinase)
    crystal, crystal_ligand, bound = crystal_pose(structures, label, receptor.kinase)
    here, there = pocket_alpha_carbons(receptor, kinase), pocket_alpha_carbons(crystal, kinase)
    shared = sorted(set(here) & set(there))
    rotation, shift = superposition(np.array([there[n] for n in shared]), np.array([here[n] for n in shared]))
    moved = bound.coordinates @ rotation + shift
    docked = Chem.RemoveHs(to_rdkit(ligand, pose.coordinates))
    reference = Chem.RemoveHs(to_rdkit(crystal_ligand, moved))
    return {
        "ligand": label,
        "receptor": receptor.name,
        "crystal": CRYSTALS[label].split(".")[0],
        "rmsd_angstrom": rdMolAlign.CalcRMS(docked, reference),
        "engine_rank": pose.rank,
        "score": pose.score,
        "seconds": seconds,
        "reason": pose.reason,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default)
    parser.add_argument("--study", default="abl1-t315i")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = [name for name in load_study(options.study).inhibitors if name in CRYSTALS]
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = []
        for row in pool.map(one, [(options.study, name, options.structures) for name in names]):
            rows.append(row)
            print(f"{row['ligand']:10s} {row['rmsd_angstrom']:.2f} A ({row['seconds']:.0f} s)", flush=True)
            pd.DataFrame(rows).to_csv(options.out / "poses.csv", index=False)
    rmsd = np.array([row["rmsd_angstrom"] for row in rows])
    summary = {
        "n": len(rows),
        "under_2A": float((rmsd < 2.0).mean()),
        "rmsd_median": float(np.median(rmsd)),
        "seconds_median": float(np.median([row["seconds"] for row in rows])),
    }
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
