r"""Side chains against crystals: mutants built into their wild-type partner, and residues built back from alanine.

*Pairs*: each row of a table (columns mutant_pdb, wt_pdb, mutation in UniProt numbering, chain, resname, chi1) names a
crystal of a mutant and one of the wild type. The wild type is prepared as ``dockkit prepare`` does, the mutation built
as ``dockkit mutate`` does, the wild type's own bound ligand in place. Right is chi1 within 40 degrees of the mutant's
crystal; alanine and glycine have none and count as right. The RMSD is that of side-chain heavy atoms after superposing
the main chain within 10 A, and of two ways to name a symmetric group the better one.

*Back*: buried residues (side chain exposed by less than a fifth of Gly-X-Gly), drawn by seed evenly from all
structures of the folder, none with built atoms, are made alanine and made themselves again.

PDBFixer (optional: ``pip install pdbfixer``) does the same mutations on the same residues, on the part of the file
within 15 A of the site, ligand included; ``chi1_pdbfixer`` is its fraction over pairs and back together, with
``chi1_pdbfixer_pairs`` and ``chi1_pdbfixer_back`` apart. Writes ``sidechain.csv`` (a row per case, appended as they
come; a second run goes on) and ``summary.json``.

    python benchmarks/sidechain.py --pairs ../shared/data/structures/mutant_sidechain_pairs.csv \
        --structures ../shared/data/structures --out benchmarks/out/sidechain
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import gemmi
import mdtraj
import numpy as np
import pandas as pd

from dockkit.core.errors import DockkitError
from dockkit.core.geometry import angle_difference, dihedral, superposition
from dockkit.core.residues import one_letter, templates
from dockkit.forcefield.system import receptor_topology
from dockkit.mutation import build_variant, find_clashes, find_threaded, parse_variant
from dockkit.pipeline.prepare import prepare_structure

try:
    import pdbfixer
except ImportError:
    pdbfixer = None

COLUMNS = (
    "set", "case", "file", "mutation", "chi1_true", "chi1_top", "chi1_all", "top_right", "ensemble_right", "rmsd_top",
    "rmsd_best", "clashes", "probability", "charge_change", "seconds", "chi1_pdbfixer", "pdbfixer_right",
    "seconds_pdbfixer", "error",
)  # fmt: skip
TOLERANCE = 40.0
SUFFIXES = (".pdb", ".ent", ".cif", ".pdb.gz", ".cif.gz", ".ent.gz")
EXPOSED = {
    "ALA": 67, "ARG": 196, "ASN": 113, "ASP": 106, "CYS": 104, "GLN": 144, "GLU": 138, "GLY": 1, "HIS": 151, "ILE": 140,
    "LEU": 137, "LYS": 167, "MET": 160, "PHE": 175, "PRO": 105, "SER": 80, "THR": 102, "TRP": 217, "TYR": 187,
    "VAL": 117,
}  # fmt: skip
"""Side-chain area in Gly-X-Gly, Angstrom^2 (Miller et al., J. Mol. Biol. 1987, 196, 641)."""

BURIED = 0.2
SWAPS = {
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")), "TYR": (("CD1", "CD2"), ("CE1", "CE2")), "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),), "ARG": (("NH1", "NH2"),), "VAL": (), "LEU": (),
}  # fmt: skip
REACH = 15.0


def file_of(folder: Path, name: str) -> Path:
    """Return the file of a structure given by its stem."""
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if not found:
        raise SystemExit(f"{folder}: no structure file {name}")
    return found[0]


@functools.lru_cache(maxsize=4)
def prepared(path: Path, chain: str = ""):
    """Return a prepared structure."""
    return prepare_structure(str(path), chain=chain) if chain else prepare_structure(str(path))


def ligand_of(made) -> dict:
    """Return the arguments for the bound ligand."""
    if made.ligand is None:
        return {}
    return {
        "ligand_coordinates": made.ligand.ligand.coordinates,
        "ligand_elements": made.ligand.ligand.elements,
    }


def atoms_of(receptor, index: int) -> dict:
    """Return the atoms of a residue."""
    return {str(receptor.atom_names[i]): receptor.coordinates[i] for i in receptor.atom_indices(index)}


def chi1(atoms: dict, name: str) -> float:
    """Return chi1, nan where there is none."""
    chis = templates()[name].chis
    return float(dihedral(*(atoms[a] for a in chis[0].atoms))) if chis else float("nan")


def right(value: float, truth: float) -> bool:
    """Tell whether chi1 is right; a residue without one is."""
    return bool(np.isnan(truth) or abs(float(angle_difference(value, truth))) <= TOLERANCE)


def side_rmsd(model, truth, index: int, other: int, frame: tuple) -> float:
    """Return the side-chain RMSD after superposition, Angstrom; nan for glycine or lacking atoms."""
    name = str(model.residue_names[index])
    rotation, shift = frame
    a, b = atoms_of(model, index), {n: x @ rotation + shift for n, x in atoms_of(truth, other).items()}
    names = [str(n) for n in templates()[name].heavy if str(n) not in ("N", "CA", "C", "O")]
    if not names or any(n not in a or n not in b for n in names):
        return float("nan")
    swapped = dict(b)
    for x, y in SWAPS.get(name, ()):
        swapped[x], swapped[y] = b[y], b[x]
    return min(float(np.sqrt(np.mean([((a[n] - t[n]) ** 2).sum() for n in names]))) for t in (b, swapped))


def common_frame(model, truth, index: int) -> tuple:
    """Return the superposition of the truth's main chain on the model's around a residue."""
    centre = atoms_of(model, index)["CA"]
    numbers = {int(n): i for i, n in enumerate(truth.uniprot_numbers) if n > 0}
    a, b = [], []
    for i, n in enumerate(model.uniprot_numbers):
        if n <= 0 or int(n) not in numbers:
            continue
        here, there = atoms_of(model, i), atoms_of(truth, numbers[int(n)])
        if "CA" in here and "CA" in there and np.linalg.norm(here["CA"] - centre) < 10.0:
            a += [here[k] for k in ("N", "CA", "C")]
            b += [there[k] for k in ("N", "CA", "C")]
    return superposition(np.array(b), np.array(a))


def judge(models, index: int, truth: float, ligand: dict) -> dict:
    """Return the columns that models share."""
    name = str(models[0].receptor.residue_names[index])
    values = [chi1(atoms_of(model.receptor, index), name) for model in models]
    top = models[0].receptor
    faults = (*find_threaded(top, [index], **ligand), *find_clashes(top, [index], **ligand))
    return {
        "chi1_true": round(truth, 1), "chi1_top": round(values[0], 1),
        "chi1_all": " ".join(f"{v:.0f}" for v in values),
        "top_right": right(values[0], truth), "ensemble_right": any(right(v, truth) for v in values),
        "clashes": len(faults), "probability": round(models[0].probability, 4),
        "charge_change": models[0].charge_change,
    }  # fmt: skip


def pair_case(row: dict, folder: Path, n_models: int) -> dict:
    """Build one mutant into its wild-type partner."""
    made = prepared(file_of(folder, row["wt_pdb"]))
    variant = parse_variant(row["mutation"])
    index = made.receptor.residue_index(variant.substitutions[0].number)
    ligand = ligand_of(made)
    start = time.perf_counter()
    models = build_variant(made.receptor, variant, n_models=n_models, **ligand)
    seconds = time.perf_counter() - start
    truth = float(row["chi1"]) if row["chi1"] not in ("", None) else float("nan")
    out = judge(models, index, truth, ligand) | {"seconds": round(seconds, 2)}
    mutant = prepared(file_of(folder, row["mutant_pdb"]), row["chain"]).receptor
    other = mutant.residue_index(variant.substitutions[0].number)
    frame = common_frame(made.receptor, mutant, index)
    values = [side_rmsd(model.receptor, mutant, index, other, frame) for model in models]
    out |= {"rmsd_top": round(values[0], 2), "rmsd_best": round(float(np.nanmin(values)), 2)}
    return out | with_pdbfixer(made, index, three(variant.substitutions[0].mutant), truth)


def three(letter: str) -> str:
    """Return the three-letter name."""
    return next(t.name for t in templates().values() if t.letter == letter)


def back_case(path: Path, index: int, n_models: int) -> dict:
    """Make a residue alanine and itself again."""
    made = prepared(path)
    receptor, ligand = made.receptor, ligand_of(made)
    name, chain = str(receptor.residue_names[index]), str(receptor.chain_ids[index])
    number = f"{receptor.author_numbers[index]}{receptor.insertion_codes[index]}"
    letter = one_letter(name)
    truth_atoms = atoms_of(receptor, index)
    start = time.perf_counter()
    alanine = build_variant(
        receptor, parse_variant(f"{chain}:{letter}{number}A"), numbering="author", n_models=1, **ligand
    )[0].receptor
    models = build_variant(
        alanine, parse_variant(f"{chain}:A{number}{letter}"), numbering="author", n_models=n_models, **ligand
    )
    seconds = (time.perf_counter() - start) / 2
    truth = chi1(truth_atoms, name)
    out = judge(models, index, truth, ligand) | {"seconds": round(seconds, 2)}
    still = (np.eye(3), np.zeros(3))
    values = [side_rmsd(model.receptor, receptor, index, index, still) for model in models]
    out |= {"rmsd_top": round(values[0], 2), "rmsd_best": round(float(np.nanmin(values)), 2)}
    return out | with_pdbfixer(made, index, name, truth)


def with_pdbfixer(made, index: int, target: str, truth: float) -> dict:
    """Return what PDBFixer makes of the same mutation in the deposited file, by way of alanine."""
    if pdbfixer is None or Path(made.origin).suffix not in (".pdb", ".ent"):
        return {}
    receptor = made.receptor
    chain, number = str(receptor.chain_ids[index]), int(receptor.author_numbers[index])
    start = time.perf_counter()
    model = gemmi.read_structure(made.origin)[0]
    site = next(r for r in model[chain] if r.seqid.num == number and not r.seqid.icode.strip())
    centre = site.find_atom("CA", "*").pos
    piece = gemmi.Structure()
    piece.add_model(gemmi.Model("1"))
    for strand in model:
        kept = gemmi.Chain(strand.name)
        for residue in strand:
            if residue.name != "HOH" and any(atom.pos.dist(centre) < REACH for atom in residue):
                kept.add_residue(residue)
        if len(kept):
            piece[0].add_chain(kept)
    piece.remove_alternative_conformations()
    with tempfile.TemporaryDirectory() as folder:
        target_file = Path(folder) / "piece.pdb"
        piece.write_pdb(str(target_file))
        fixer = pdbfixer.PDBFixer(filename=str(target_file))
    if site.name != "ALA":
        fixer.applyMutations([f"{site.name}-{number}-ALA"], chain)
    if target != "ALA":
        fixer.applyMutations([f"ALA-{number}-{target}"], chain)
    fixer.missingResidues = {}
    fixer.findMissingAtoms()
    fixer.missingTerminals = {}
    wanted = [r for r in fixer.topology.residues() if r.chain.id == chain and r.id == str(number) and r.name == target]
    fixer.missingAtoms = {r: a for r, a in fixer.missingAtoms.items() if r in wanted}
    fixer.addMissingAtoms(seed=1)
    xyz = np.array([[p.x, p.y, p.z] for p in fixer.positions]) * 10.0
    found = [r for r in fixer.topology.residues() if r.chain.id == chain and r.id == str(number) and r.name == target]
    value = chi1({atom.name: xyz[atom.index] for atom in found[0].atoms()}, target)
    return {
        "chi1_pdbfixer": round(value, 1), "pdbfixer_right": right(value, truth),
        "seconds_pdbfixer": round(time.perf_counter() - start, 2),
    }  # fmt: skip


def buried_residues(path: Path) -> list[int]:
    """Return the residues of a structure to draw from, residue indices."""
    made = prepared(path)
    receptor = made.receptor
    topology = mdtraj.Topology.from_openmm(receptor_topology(receptor))
    frame = mdtraj.Trajectory(receptor.coordinates[None].astype(np.float32) / 10.0, topology)
    area = 100.0 * mdtraj.shrake_rupley(frame, mode="atom")[0]
    repaired = {c.author_number for c in receptor.changes if c.kind in ("atoms", "loop", "modified", "engineered")}
    out = []
    for index, name in enumerate(receptor.residue_names.tolist()):
        if name not in templates() or not templates()[name].chis or int(receptor.author_numbers[index]) in repaired:
            continue
        rows = receptor.atom_indices(index)
        side = rows[~np.isin(receptor.atom_names[rows], ("N", "H", "CA", "HA", "C", "O"))]
        if not (receptor.disulfides == index).any() and area[side].sum() < BURIED * EXPOSED[name]:
            out.append(index)
    return out


def back_tasks(folder: Path, n: int, seed: int, store: Path) -> list[dict]:
    """Return the residues to build back, drawn once and kept beside the results."""
    if store.is_file():
        kept = json.loads(store.read_text(encoding="utf-8"))
        if kept["n"] == n and kept["seed"] == seed:
            return kept["tasks"]
    files = sorted(p for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES))
    order = np.random.default_rng(seed).permutation(len(files))
    shares = [n // len(files) + (k < n % len(files)) for k in range(len(files))]
    tasks = []
    for k, share in zip(order.tolist(), shares, strict=True):
        if share == 0:
            continue
        try:
            pool = buried_residues(files[k])
        except DockkitError as error:
            print(f"{files[k].name}: left out of the draw ({error})", flush=True)
            continue
        rng = np.random.default_rng([seed, k])
        for index in sorted(rng.choice(pool, size=min(share, len(pool)), replace=False).tolist()):
            receptor = prepared(files[k]).receptor
            label = f"{receptor.residue_names[index]}{receptor.author_numbers[index]}{receptor.insertion_codes[index]}"
            tasks.append({"file": files[k].name, "index": index, "mutation": label})
        print(f"drawn {len(tasks)}/{n}: {files[k].name}", flush=True)
    store.write_text(json.dumps({"n": n, "seed": seed, "tasks": tasks}), encoding="utf-8")
    return tasks


def mean(series: pd.Series) -> float | None:
    """Return the fraction that is true, None for an empty set."""
    values = series.dropna().astype(str).str.lower()
    values = values[values.isin(["true", "false"])]
    return round(float((values == "true").mean()), 4) if len(values) else None


def summarise(table: pd.DataFrame) -> dict:
    """Return the flat summary."""
    good = table[table.error.isna()]
    pairs, back = good[good.set == "pair"], good[good.set == "back"]
    seconds = good.seconds.astype(float)
    return {
        "n": int((table.set == "pair").sum()), "n_without_chi1": int(pairs.chi1_true.isna().sum()),
        "n_back": int((table.set == "back").sum()), "n_failed": len(table) - len(good),
        "chi1_top": mean(pairs.top_right), "chi1_ensemble": mean(pairs.ensemble_right),
        "rmsd_median": round(float(pairs.rmsd_top.astype(float).median()), 2) if len(pairs) else None,
        "rmsd_best_median": round(float(pairs.rmsd_best.astype(float).median()), 2) if len(pairs) else None,
        "clashes": round(float((pairs.clashes.astype(float) > 0).mean()), 4) if len(pairs) else None,
        "chi1_back": mean(back.top_right), "chi1_back_ensemble": mean(back.ensemble_right),
        "rmsd_back_median": round(float(back.rmsd_top.astype(float).median()), 2) if len(back) else None,
        "clashes_back": round(float((back.clashes.astype(float) > 0).mean()), 4) if len(back) else None,
        "chi1_pdbfixer": mean(good.pdbfixer_right), "chi1_pdbfixer_pairs": mean(pairs.pdbfixer_right),
        "chi1_pdbfixer_back": mean(back.pdbfixer_right),
        "seconds_median": round(float(seconds.median()), 2), "seconds_max": round(float(seconds.max()), 2),
        "seconds": round(float(seconds.sum()), 1),
    }  # fmt: skip


def main() -> None:
    """Run what is not done yet and write the tables."""
    data = Path("../shared/data/structures")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=data / "mutant_sidechain_pairs.csv")
    parser.add_argument("--structures", type=Path, default=data)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/sidechain"))
    parser.add_argument("--n-back", type=int, default=200)
    parser.add_argument("--n-models", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="throw earlier rows away")
    arguments = parser.parse_args()
    if pdbfixer is None:
        print("pdbfixer is not installed (pip install pdbfixer): its columns stay empty", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    target = arguments.out / "sidechain.csv"
    if arguments.fresh:
        target.unlink(missing_ok=True)
    done = set(pd.read_csv(target, dtype=str).case) if target.exists() else set()
    with arguments.pairs.open(newline="", encoding="utf-8") as stream:
        pairs = list(csv.DictReader(stream))
    tasks = [
        {"set": "pair", "case": f"pair {r['mutant_pdb']} {r['mutation']} in {r['wt_pdb']}", "file": r["wt_pdb"],
         "mutation": r["mutation"], "row": r}
        for r in pairs
    ]  # fmt: skip
    store = arguments.out / "back_residues.json"
    for item in back_tasks(arguments.structures, arguments.n_back, arguments.seed, store):
        tasks.append({"set": "back", "case": f"back {item['file']} {item['mutation']}", **item})
    new = not target.exists()
    with target.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if new:
            writer.writeheader()
        for number, task in enumerate(tasks, start=1):
            if task["case"] in done:
                continue
            row: dict = dict.fromkeys(COLUMNS, "") | {k: task[k] for k in ("set", "case", "file", "mutation")}
            try:
                if task["set"] == "pair":
                    row |= pair_case(task["row"], arguments.structures, arguments.n_models)
                else:
                    row |= back_case(arguments.structures / task["file"], task["index"], arguments.n_models)
            except Exception as error:  # a failure is a row with its reason
                row["error"] = f"{type(error).__name__}: {error}"
            writer.writerow(row)
            stream.flush()
            print(
                f"[{number}/{len(tasks)}] {row['case']}: chi1 {row['chi1_true']} built {row['chi1_all']} "
                f"pdbfixer {row['chi1_pdbfixer']} {row['seconds']} s {row['error']}",
                flush=True,
            )
    table = pd.read_csv(target)
    table = table[table.case.isin([task["case"] for task in tasks])]
    summary = summarise(table)
    (arguments.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
