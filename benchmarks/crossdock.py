"""Ligands docked into another crystal of the same kinase: RMSD after superposing the pocket.

The pairs come from the table: for each kinase and ligand the crystal that holds the ligand, and as receptor another one
of that kinase with another ligand, in the same KLIFS state where there is one. At most ``--pairs`` of them, kinases in
turn. The search box is that of the KLIFS pocket, as for a structure without a ligand; ``--box ligand`` takes the
receptor's own ligand. Everything else as in ``redock.py``.

    python benchmarks/crossdock.py --structures ../shared/data/structures --out benchmarks/out/crossdock
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
from dock_data import Case, NotACaseError, Problem, append_rows, find_cases, read_rows, rmsd, set_up, write_summary
from redock import RIGHT, dock_once, numbers

from dockkit.core.errors import DockkitError
from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, Kinase, Receptor
from dockkit.core.settings import DockingSettings
from dockkit.docking.box import box_of_pocket

FIELDS = [
    "name", "gene", "ligand_crystal", "receptor_crystal", "ligand_state", "receptor_state", "binding_type",
    "pocket_rmsd", "top1", "best9", "score_top1", "chosen_rank", "seconds", "reason", "error",
]  # fmt: skip


def find_pairs(cases: list[Case], wanted: int) -> list[tuple[Case, Case]]:
    """Return (ligand's case, receptor's case), the first of each kinase, then the second, until there are enough."""
    pairs: dict[str, list[tuple[Case, Case]]] = {}
    for gene in sorted({case.gene for case in cases}):
        own = [case for case in cases if case.gene == gene]
        for het in sorted({case.het for case in own}):
            holder = next(case for case in own if case.het == het)
            others = [case for case in own if case.het != het and case.pdb != holder.pdb]
            others.sort(key=lambda other, state=holder.state: (other.state != state, other.pdb))
            if others:
                pairs.setdefault(gene, []).append((holder, others[0]))
    longest = max((len(found) for found in pairs.values()), default=0)
    turns = [found[k] for k in range(longest) for found in pairs.values() if k < len(found)]
    return turns[:wanted]


def pocket_alpha_carbons(receptor: Receptor, kinase: Kinase) -> dict[int, FloatArray]:
    """Return the C-alpha positions of the KLIFS pocket by UniProt number."""
    chosen = np.isin(receptor.uniprot_numbers, [n for n in kinase.pocket if n])[receptor.atom_residue]
    atoms = np.flatnonzero(chosen & (receptor.atom_names == "CA"))
    return {int(receptor.uniprot_numbers[receptor.atom_residue[i]]): receptor.coordinates[i] for i in atoms}


def one(pair: tuple[Case, Case], options: argparse.Namespace) -> dict:
    """Return the row of a pair."""
    mine, other = pair
    row = {
        "name": f"{mine.name}_into_{other.pdb}", "gene": mine.gene, "ligand_crystal": mine.pdb,
        "receptor_crystal": other.pdb, "ligand_state": mine.state, "receptor_state": other.state,
    }  # fmt: skip
    try:
        native, host = set_up(mine, options.seed), set_up(other, options.seed)
        kinase = host.kinase
        here, there = pocket_alpha_carbons(host.receptor, kinase), pocket_alpha_carbons(native.receptor, kinase)
        shared = sorted(set(here) & set(there))
        target = np.array([here[n] for n in shared])
        rotation, shift = superposition(np.array([there[n] for n in shared]), target)
        fitted = np.array([there[n] for n in shared]) @ rotation + shift
        reference = native.bound.coordinates @ rotation + shift
        problem = Problem(host.receptor, kinase, native.bound, native.ligand, native.parameters)
        box = host.box if options.box == "ligand" else box_of_pocket(host.receptor, kinase)
        settings = DockingSettings(exhaustiveness=options.exhaustiveness)
        ranked, chosen, seconds, _ = dock_once(problem, box, settings, options.seed)
        distances = {pose.rank: rmsd(native.ligand, pose.coordinates, native.bound, reference) for pose in ranked}
    except NotACaseError as reason:
        return {**row, "error": f"left out: {reason}"}
    except DockkitError as error:
        return {**row, "error": f"{type(error).__name__}: {error}"}
    entry = native.ligand.entry
    row |= {
        "binding_type": entry.binding_type if entry else "unknown",
        "pocket_rmsd": float(np.sqrt(((fitted - target) ** 2).sum(axis=1).mean())),
        "top1": distances[chosen.rank], "best9": min(distances.values()), "score_top1": distances[1],
        "chosen_rank": chosen.rank, "seconds": seconds, "reason": chosen.reason,
    }  # fmt: skip
    return {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--exhaustiveness", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--box", choices=("pocket", "ligand"), default="pocket")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "crossdock_pairs.csv"
    pairs = find_pairs(find_cases(options.structures)[0], options.pairs)
    known = {row["name"] for row in read_rows(table)}
    todo = [pair for pair in pairs if f"{pair[0].name}_into_{pair[1].pdb}" not in known]
    print(f"{len(pairs)} pairs, {len(pairs) - len(todo)} known already", flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(one, pair, options) for pair in todo]):
            row = done.result()
            append_rows(table, [row], FIELDS)
            print(row["name"], row.get("error") or f"{row['top1']} A (best {row['best9']})", flush=True)
    rows = [row for row in read_rows(table) if not row["error"].startswith("left out")]
    if not rows:
        raise SystemExit(f"{options.structures}: no kinase with two crystals of different ligands")
    found = [row for row in rows if row["top1"]]
    summary = {"n": len(rows), "failed": len(rows) - len(found)}
    for key in ("top1", "best9", "score_top1"):
        values = numbers(found, key)
        summary[f"{key}_under_2A"] = round(float((values < RIGHT).sum()) / len(rows), 4)
        summary[f"{key}_rmsd_median"] = round(float(np.median(values)), 2)
    summary["seconds_median"] = round(float(np.median(numbers(found, "seconds"))), 1)
    write_summary(options.out / "summary.json", summary)


if __name__ == "__main__":
    main()
