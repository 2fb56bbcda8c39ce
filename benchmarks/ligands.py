"""Ligand input: every molecule of a torture set is to be handled, or refused for the right reason.

Three tables go through the reader as a study's inhibitors do: the torture set, any further table of compounds, and the
library. A handled molecule must have the expected charge and SMILES where the table gives them, a conformer without
faults, the same coordinates a second time, and parameters whose charges add up. A refused one must say why in the words
expected. For a further table a refusal counts as right where RDKit, asked on its own, finds open stereochemistry or
there is no SMILES. Writes ``ligands_<set>.csv`` and ``summary.json``; rows already in the tables are not done again.

    python benchmarks/ligands.py --compounds ../shared/data/davis2011/davis2011_mutants.csv --out benchmarks/out/ligands
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import DockkitError
from dockkit.forcefield.parameters import parametrise
from dockkit.ligand import catalogue, expand_ligands, load_ligand, to_rdkit
from dockkit.ligand.conformer import geometry_problem

COLUMNS = (
    "name", "group", "input", "expected", "outcome", "right", "why_wrong", "message", "smiles", "charge", "n_atoms",
    "seconds", "seconds_parameters",
)  # fmt: skip


def measure(row: dict, load: Callable) -> dict:
    """Read one molecule, check everything that can be checked, and judge it against what the row expects."""
    done = {key: row.get(key, "") for key in ("name", "group", "input", "expected")}
    start = time.perf_counter()
    try:
        ligand = load()
    except DockkitError as error:
        done |= {"outcome": "refused", "message": str(error), "seconds": round(time.perf_counter() - start, 3)}
        expected = re.search(row["reason"], str(error)) if row["reason"] else True
        wrong = "" if row["expected"] == "refused" else "should be handled"
        return done | {"why_wrong": wrong or ("" if expected else "another reason was expected")}
    done |= {
        "outcome": "handled",
        "seconds": round(time.perf_counter() - start, 3),
        "message": " | ".join(ligand.notes),
    }
    done |= {"smiles": ligand.smiles, "charge": ligand.charge, "n_atoms": ligand.n_atoms}
    faults = list(faults_of(ligand, row, load))
    start = time.perf_counter()
    try:
        parameters = parametrise(ligand)
        total = float(parameters.charges.sum())
        if abs(total - ligand.charge) > 1e-6:
            faults.append(f"partial charges add up to {total:.6f}")
    except DockkitError as error:
        done["message"] += f" | {error}"
        if row.get("parameters", "yes") == "yes":
            faults.append("no parameters")
    done["seconds_parameters"] = round(time.perf_counter() - start, 3)
    return done | {"why_wrong": "; ".join(faults)}


def faults_of(ligand, row: dict, load: Callable) -> Iterator[str]:
    """Yield what is wrong with a molecule that was handled."""
    if row["expected"] == "refused":
        yield "should be refused"
    if row.get("charge", "") not in ("", str(ligand.charge)):
        yield f"charge {ligand.charge:+d}, expected {row['charge']}"
    if row.get("smiles") and Chem.CanonSmiles(row["smiles"]) != ligand.smiles:
        yield "another state or tautomer was expected"
    fault = geometry_problem(to_rdkit(ligand))
    if fault:
        yield fault
    if not np.array_equal(load().coordinates, ligand.coordinates):
        yield "other coordinates at the second time"


def torture(path: Path) -> Iterator[tuple[dict, Callable]]:
    """Yield the rows of the torture set."""
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            yield row, lambda text=row["input"]: load_ligand(text, seed=1)


def compounds(path: Path) -> Iterator[tuple[dict, Callable]]:
    """Yield the distinct compounds of a table, read as a study reads it; open isomers are taken one by one too."""
    for row in expand_ligands(str(path)):
        expected, reason = "handled", ""
        if row.error is not None:
            text = re.search(r"no SMILES", str(row.error))
            expected, reason = ("refused", "no SMILES") if text else _expected_by_rdkit(path, row.label)
        yield (
            {"name": row.label, "group": "table", "input": row.where, "expected": expected, "reason": reason},
            lambda text=row.text, label=row.label: load_ligand(text, seed=1, label=label),
        )
    for row in expand_ligands(str(path), enumerate_stereo=True):
        if any("isomers" in note for note in row.notes):
            yield (
                {"name": row.label, "group": "isomer", "input": row.where, "expected": "handled", "reason": ""},
                lambda text=row.text, label=row.label: load_ligand(text, seed=1, label=label),
            )


def _expected_by_rdkit(path: Path, label: str) -> tuple[str, str]:
    """Return whether RDKit on its own finds open stereochemistry in a compound."""
    with path.open(encoding="utf-8", newline="") as handle:
        smiles = next((row["smiles"] for row in csv.DictReader(handle) if label in row.values() and row["smiles"]), "")
    with BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        centres = Chem.FindMolChiralCenters(molecule, includeUnassigned=True, useLegacyImplementation=False)
        bonds = [item for item in Chem.FindPotentialStereo(molecule) if item.type == Chem.StereoType.Bond_Double]
    still_open = any(code == "?" for _, code in centres) or any(
        item.specified == Chem.StereoSpecified.Unspecified for item in bonds
    )
    return ("refused", "undefined stereochemistry") if still_open else ("handled", "")


def library() -> Iterator[tuple[dict, Callable]]:
    """Yield every library entry by its name and by its uncharged SMILES; both must give the library's state."""
    for entry in catalogue():
        wanted = {"expected": "handled", "reason": "", "smiles": entry.smiles_ph74}
        for text, group in ((entry.name, "by name"), (entry.smiles, "by SMILES")):
            yield {"name": entry.name, "group": group, "input": text, **wanted}, (lambda t=text: load_ligand(t, seed=1))


def run(name: str, rows: Iterator[tuple[dict, Callable]], out: Path) -> list[dict]:
    """Measure the rows of a set that the table does not have yet, appending each as it comes."""
    path = out / f"ligands_{name}.csv"
    old: dict[tuple[str, str], dict] = {}
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as handle:
            old = {(row["name"], row["input"]): row for row in csv.DictReader(handle)}
    done = []
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        if not old:
            writer.writeheader()
        for row, load in rows:
            result = old.get((row["name"], row["input"]))
            if result is None:
                result = measure(row, load)
                result["right"] = "no" if result["why_wrong"] else "yes"
                if name == "compounds":  # the table's own molecules are not copied out of it
                    result |= {"smiles": "", "message": row["reason"]}
                writer.writerow(result)
                handle.flush()
                print(f"{name}: {result['name'][:40]:40s} {result['outcome']:8s} {result['why_wrong']}", flush=True)
            done.append(result)
    return done


def summary(sets: dict[str, list[dict]], seconds: float) -> dict[str, float]:
    """Return the flat summary: over all sets, then for each."""
    found: dict[str, float] = {}
    everything = [row for rows in sets.values() for row in rows]
    for prefix, rows in {"": everything, **sets}.items():
        head = f"{prefix}_" if prefix else ""
        times = [float(row["seconds"]) for row in rows if row["outcome"] == "handled"]
        found[f"{head}n"] = len(rows)
        found[f"{head}handled"] = sum(row["outcome"] == "handled" and row["right"] == "yes" for row in rows)
        found[f"{head}refused_right"] = sum(row["outcome"] == "refused" and row["right"] == "yes" for row in rows)
        found[f"{head}wrong"] = sum(row["right"] == "no" for row in rows)
        found[f"{head}seconds_median"] = round(statistics.median(times), 3) if times else 0.0
    every = [
        float(row["seconds_parameters"]) for rows in sets.values() for row in rows if row.get("seconds_parameters")
    ]
    found["seconds_parameters_median"] = round(statistics.median(every), 3) if every else 0.0
    found["seconds"] = round(seconds, 1)
    return found


def main() -> None:
    """Run the sets and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--torture", type=Path, default=here / "data" / "ligands_torture.csv")
    parser.add_argument("--compounds", type=Path, default=Path("../shared/data/davis2011/davis2011_mutants.csv"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    sets = {"torture": run("torture", torture(options.torture), options.out)}
    if options.compounds.is_file():
        sets["compounds"] = run("compounds", compounds(options.compounds), options.out)
    else:
        print(f"{options.compounds} is absent: that set is left out")
    sets["library"] = run("library", library(), options.out)
    result = summary(sets, time.perf_counter() - start)
    (options.out / "summary.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
