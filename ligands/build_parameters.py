"""Compute and store the parameters of every ligand of the catalogue.

Run it after a change of the catalogue, the force field or the charge model: ``python ligands/build_parameters.py``.
Give names to build only these.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from dockkit.forcefield.parameters import compute_parameters, save_parameters
from dockkit.ligand import catalogue, load_ligand


def main() -> None:
    """Write parameters/<name>.json and parameters/index.json beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="ligands to build; all of the catalogue where left out")
    wanted = {name.lower() for name in parser.parse_args().names}
    folder = Path(__file__).resolve().parent / "parameters"
    folder.mkdir(exist_ok=True)
    index_path = folder / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8")) if wanted and index_path.exists() else {}
    for entry in tqdm(catalogue(), unit="ligand"):
        if wanted and entry.name.lower() not in wanted:
            continue
        ligand = load_ligand(entry.name, seed=0)
        path = folder / f"{entry.name}.json"
        save_parameters(compute_parameters(ligand), ligand, path)
        index[ligand.smiles] = path.name
    index_path.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
