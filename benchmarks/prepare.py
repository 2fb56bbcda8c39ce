"""Preparation of whole crystal structures: is each handled, does it build, what does it take.

Every structure of a folder goes through ``dockkit prepare`` and, with its ligand, into an OpenMM system whose energy
is minimised. *Handled* is a structure that was built, or refused for a reason that names what is wrong; *built* is one
whose minimised energy is finite. Writes ``prepare.csv`` (a row per structure, appended as they come; a second run goes
on) and ``summary.json``.

    python benchmarks/prepare.py --structures ../shared/data/structures --out benchmarks/out/prepare
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import pandas as pd

from dockkit.core.errors import DockkitError
from dockkit.core.model import Assembly
from dockkit.forcefield.parameters import parametrise
from dockkit.forcefield.system import assemble, born_parameters, make_region, receptor_parameters, region_system
from dockkit.pipeline.prepare import prepare_structure
from dockkit.sampling import minimise

COLUMNS = (
    "file", "outcome", "reason", "kinase", "chain", "dfg", "alpha_c", "ligand", "ligand_charge", "covalent", "atoms",
    "loops_built", "breaks", "flips", "waters_kept", "metals_kept", "engineered", "energy_start_kcal_mol",
    "energy_kcal_mol", "largest_move_angstrom", "seconds_prepare", "seconds_build",
)  # fmt: skip
SUFFIXES = (".pdb", ".ent", ".cif", ".pdb.gz", ".cif.gz", ".ent.gz")
ITERATIONS = 200


def build(prepared) -> dict:
    """Make the OpenMM system of the complex and minimise it, backbone restrained."""
    receptor, bound = prepared.receptor, prepared.ligand
    if bound is not None:
        assembly = assemble(receptor, bound.ligand, parametrise(bound.ligand))
        xyz = np.concatenate([receptor.coordinates, bound.ligand.coordinates])
    else:
        parameters = receptor_parameters(receptor)
        radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
        assembly = Assembly(receptor, "", np.zeros(0, dtype=str), parameters, radii, scales)
        xyz = receptor.coordinates
    everything = np.arange(receptor.n_residues)
    region = make_region(assembly, everything, everything)
    system = region_system(assembly, region, xyz, dielectric=4.0, cutoff=10.0, backbone_restraint=1.0)
    start = minimise(system, region, xyz, 1)[1]
    moved, energy = minimise(system, region, xyz, ITERATIONS)
    return {
        "atoms": len(xyz),
        "energy_start_kcal_mol": round(start, 1),
        "energy_kcal_mol": round(energy, 1),
        "largest_move_angstrom": round(float(np.linalg.norm(moved - xyz, axis=1).max()), 2),
    }


def one(path: str) -> dict:
    """Prepare and build one structure; an error of ours is an answer, any other one a fault."""
    row: dict = dict.fromkeys(COLUMNS, "")
    row["file"] = Path(path).name
    start = time.perf_counter()
    try:
        prepared = prepare_structure(path)
        row["seconds_prepare"] = round(time.perf_counter() - start, 2)
        receptor, bound = prepared.receptor, prepared.ligand
        kinds = Counter(change.kind for change in receptor.changes)
        kept = receptor.residue_names.tolist()
        row |= {
            "kinase": receptor.kinase, "chain": str(receptor.chain_ids[0]), "dfg": receptor.conformation.dfg,
            "alpha_c": receptor.conformation.alpha_c, "ligand": bound.label if bound else "",
            "ligand_charge": int(bound.ligand.formal_charges.sum()) if bound else "",
            "covalent": "; ".join(bond.label for bond in bound.bonds) if bound else "",
            "loops_built": kinds["loop"], "breaks": kept.count("ACE") - 1, "flips": kinds["flip"],
            "waters_kept": kept.count("HOH"), "engineered": kinds["engineered"],
            "metals_kept": sum(name in ("MG", "MN", "ZN", "CA", "NA", "K", "CL") for name in kept),
        }  # fmt: skip
        start = time.perf_counter()
        row |= build(prepared)
        row["seconds_build"] = round(time.perf_counter() - start, 2)
        row["outcome"] = "built" if math.isfinite(row["energy_kcal_mol"]) else "not finite"
    except DockkitError as error:
        row |= {"outcome": "refused", "reason": f"{type(error).__name__}: {error}"}
    except Exception as error:  # a fault of ours: counted, shown, never fatal for the run
        row |= {"outcome": "crashed", "reason": f"{type(error).__name__}: {error}"}
    return row


def summarise(table: pd.DataFrame) -> dict:
    """Return the flat summary."""
    built = table[table.outcome == "built"]
    return {
        "n": len(table),
        "handled": int(table.outcome.isin(["built", "refused"]).sum()),
        "built": len(built),
        "refused": int((table.outcome == "refused").sum()),
        "crashed": int((table.outcome == "crashed").sum()),
        "seconds_median": round(float(built.seconds_prepare.astype(float).median()), 2),
        "seconds_build_median": round(float(built.seconds_build.astype(float).median()), 2),
        "seconds": round(float(built.seconds_prepare.astype(float).sum() + built.seconds_build.astype(float).sum()), 1),
        "loops_built": int(built.loops_built.astype(float).sum()),
        "flips": int(built.flips.astype(float).sum()),
        "waters_kept": int(built.waters_kept.astype(float).sum()),
        "covalent": int((built.covalent.fillna("") != "").sum()),
    }


def main() -> None:
    """Run what is not done yet and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=Path, default=Path("../shared/data/structures"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/prepare"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="throw earlier rows away")
    arguments = parser.parse_args()
    files = sorted(p for p in arguments.structures.iterdir() if p.name.lower().endswith(SUFFIXES))
    if not files:
        raise SystemExit(f"{arguments.structures}: no structure files")
    arguments.out.mkdir(parents=True, exist_ok=True)
    target = arguments.out / "prepare.csv"
    if arguments.fresh:
        target.unlink(missing_ok=True)
    done = set(pd.read_csv(target, dtype=str).file) if target.exists() else set()
    todo = [str(path) for path in files if path.name not in done]
    new = not target.exists()
    with target.open("a", newline="", encoding="utf-8") as stream, ProcessPoolExecutor(arguments.jobs) as pool:
        writer = csv.DictWriter(stream, COLUMNS)
        if new:
            writer.writeheader()
        for number, future in enumerate(as_completed([pool.submit(one, path) for path in todo]), start=1):
            row = future.result()
            writer.writerow(row)
            stream.flush()
            print(
                f"[{len(done) + number}/{len(files)}] {row['file']}: {row['outcome']} {row['kinase']} {row['ligand']} "
                f"{row['energy_kcal_mol']} {row['reason']}",
                flush=True,
            )
    table = pd.read_csv(target)
    table = table[table.file.isin([path.name for path in files])].sort_values("file")
    table.to_csv(target, index=False)
    summary = summarise(table)
    (arguments.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
