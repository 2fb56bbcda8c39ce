"""Bound ligands out of structure files: bond orders, stereo and coordinates against a reference, and drug against junk.

Every pair of structure and het code in ``ligand_smiles.csv`` is extracted by ``ligand_from_group`` without being told
its SMILES, and compared, uncharged, with the table's SMILES and with ``ligands/<pdb>_<code>_<chain>.sdf``. Three harder
variants follow: with renamed atoms in another order (the dictionary's bond orders must be laid on by graph), with the
code unknown (bond orders from the geometry alone), and with the table's SMILES as template. Every group of every file
is classified and held against ``structures.csv``. Writes ``ligands.csv``, ``groups.csv``, ``sites.csv`` and
``summary.json``; finished structures are not computed again.

    python benchmarks/bound.py --structures ../shared/data/structures --out benchmarks/out/bound
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import biotite.structure.io.mol as biotite_mol
import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import DockkitError, LigandError
from dockkit.core.formats import write_sdf
from dockkit.core.model import HetGroup, Ligand
from dockkit.core.molecule import forget_exchanging_centres
from dockkit.kinase import identify_kinase
from dockkit.ligand.bonds import covalent_bonds
from dockkit.ligand.bound import ligand_from_group
from dockkit.ligand.groups import classify_groups, site_ligands
from dockkit.ligand.library import uncharged
from dockkit.structure import read_structure

HINGE = slice(45, 48)
"""KLIFS positions 46 to 48."""


def plain(smiles: str, stereo: bool = True) -> str:
    """Return a SMILES that protonation states share; centres that exchange do not count."""
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return ""
    molecule = uncharged(molecule)
    forget_exchanging_centres(molecule)
    return Chem.MolToSmiles(molecule, isomericSmiles=stereo)


def scrambled(group: HetGroup) -> HetGroup:
    """Return a group with meaningless names in another order."""
    order = np.random.default_rng(7).permutation(len(group.elements))
    return dataclasses.replace(
        group,
        name="ZZZ9",
        atom_names=np.array([f"X{k}" for k in range(len(order))]),
        elements=group.elements[order],
        coordinates=group.coordinates[order],
    )


def attempt(group: HetGroup, **options: object) -> tuple[Ligand | None, str]:
    """Return the ligand, or why not."""
    try:
        return ligand_from_group(group, **options), ""
    except LigandError as error:
        return None, str(error)


def survives_writing(ligand: Ligand, path: Path) -> bool:
    """Write an SDF and read it with RDKit and with biotite: same molecule, same atoms, same places."""
    write_sdf(path, ligand, [None])
    molecule = next(iter(Chem.SDMolSupplier(str(path), removeHs=False)))
    atoms = biotite_mol.get_structure(biotite_mol.SDFile.read(path))
    bonds = {tuple(sorted(pair)) for pair in atoms.bonds.as_array()[:, :2].tolist()}
    own = {tuple(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))) for b in molecule.GetBonds()}
    with BlockLogs():
        Chem.AssignStereochemistryFrom3D(molecule)
        forget_exchanging_centres(molecule)
        same = plain(Chem.MolToSmiles(Chem.RemoveHs(molecule))) == plain(ligand.smiles)
    return bool(
        same
        and bonds == own
        and [str(e).capitalize() for e in atoms.element] == list(ligand.elements)
        and np.abs(atoms.coord - ligand.coordinates).max() < 2e-3
        and np.array_equal(atoms.charge, ligand.formal_charges)
    )


def reference_coordinates(folder: Path, pdb: str, code: str) -> tuple[str, np.ndarray | None]:
    """Return the chain and the heavy-atom coordinates of the reference SDF, if there is one."""
    for path in sorted(folder.glob(f"{pdb}_{code.lower()}_*.sdf")):
        molecule = Chem.MolFromMolFile(str(path), sanitize=False)
        heavy = [a.GetIdx() for a in molecule.GetAtoms() if a.GetAtomicNum() > 1]
        return path.stem.rsplit("_", 1)[1], molecule.GetConformer().GetPositions()[heavy]
    return "", None


def same_places(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two sets of points are the same, in any order."""
    if len(first) != len(second):
        return False
    gaps = np.linalg.norm(first[:, None] - second[None], axis=-1)
    return bool(gaps.min(axis=0).max() < 2e-3 and gaps.min(axis=1).max() < 2e-3)


def extract(pdb: str, code: str, groups: list[HetGroup], bonds: tuple, smiles: str, options) -> dict:
    """Extract one ligand in all variants and compare it with what is known."""
    chain, places = reference_coordinates(options.structures / "ligands", pdb, code)
    mine = [g for g in groups if g.name == code and g.chain == (chain or g.chain)]
    if chain and places is not None:
        mine = [g for g in mine if same_places(g.coordinates, places)] or mine
    if not mine:
        return {"pdb": pdb, "code": code, "chain": chain, "refused": True, "reason": "not in the file"}
    group = mine[0]
    start = time.perf_counter()
    ligand, reason = attempt(group, bonds=bonds)
    row = {"pdb": pdb, "code": code, "chain": group.chain, "seconds": time.perf_counter() - start, "reason": reason,
           "refused": ligand is None, "bonded": any(b.group.label == group.label for b in bonds)}  # fmt: skip
    if ligand is None:
        return row
    row |= {"smiles": ligand.smiles, "charge": ligand.charge, "notes": " | ".join(ligand.notes)}
    row["coordinates_kept"] = bool(np.abs(ligand.coordinates[: len(group.elements)] - group.coordinates).max() < 1e-6)
    if places is not None:
        row["reference_coordinates"] = same_places(group.coordinates, places)
    row["written_and_read"] = survives_writing(ligand, options.out / "one.sdf")
    known = plain(smiles) if smiles else ""
    target = known or plain(ligand.smiles)
    if known:
        row["identical"] = plain(ligand.smiles, False) == plain(smiles, False)
        row["stereo"] = plain(ligand.smiles) == known
        templated, why = attempt(group, bonds=bonds, smiles=smiles)
        row["by_smiles"] = templated is not None and plain(templated.smiles) == known
        row["by_smiles_reason"] = why
    if row["bonded"]:
        return row
    by_graph, why = attempt(scrambled(group), smiles=ligand.smiles)
    row["by_graph"] = by_graph is not None and plain(by_graph.smiles) == plain(ligand.smiles)
    row["by_graph_reason"] = why
    guess, why = attempt(scrambled(group))
    row["by_geometry"] = guess is not None and plain(guess.smiles) == target
    row["by_geometry_smiles"] = why if guess is None else guess.smiles
    return row


def one_structure(path: Path, table: pd.DataFrame, facts: pd.Series | None, options) -> dict:
    """Extract, classify and rank everything of one file."""
    raw = read_structure(path)
    groups = list(raw.hetero)
    bonds = covalent_bonds(groups, raw, raw.links)
    result: dict = {"ligands": [], "groups": [], "sites": []}
    for record in table.itertuples():
        smiles = record.smiles if isinstance(record.smiles, str) else ""
        result["ligands"].append(extract(path.stem, record.het, groups, bonds, smiles, options))
    expected = set(table["het"])
    for code, group in {g.name: g for g in reversed(groups)}.items():
        what = classify_groups([group])[0]
        result["groups"].append({
            "pdb": path.stem, "code": code, "category": what.category, "reason": what.reason,
            "right": what.is_ligand == (code in expected),
        })  # fmt: skip
    if facts is not None:
        result["sites"].append(site_row(raw, groups, bonds, facts))
    return result


def site_row(raw, groups: list[HetGroup], bonds: tuple, facts: pd.Series) -> dict:
    """Rank the ligands of the pocket and compare with the table's."""
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
    pocket = np.isin(numbers[raw.atom_residue], [n for n in kinase.pocket if n])
    hinge = np.isin(numbers[raw.atom_residue], [n for n in kinase.pocket[HINGE] if n])
    found = site_ligands(groups, raw.coordinates[pocket], raw.coordinates[hinge], raw.coordinates)
    covalent = [b for b in bonds if any(b.group.label == f.group.label for f in found)]
    stated = isinstance(facts["covalent_to"], str) and bool(facts["covalent_to"])
    return {
        "pdb": facts["pdb"],
        "site_ligand": facts["site_ligand"],
        "first": found[0].group.name if found else "",
        "first_right": bool(found) and found[0].group.name == facts["site_ligand"],
        "among_right": any(f.group.name == facts["site_ligand"] and f.site in ("atp", "back") for f in found),
        "covalent": "; ".join(b.label for b in covalent),
        "covalent_right": bool(covalent) == stated
        and (not stated or f"{covalent[0].residue_name[0]}{covalent[0].number}" == facts["covalent_to"].split()[0]),
        "all": "; ".join(f"{f.group.label} {f.what.category} {f.site}" for f in found),
    }


def summarise(rows: dict[str, list[dict]]) -> dict[str, float]:
    """Return the flat summary."""
    ligands, groups, sites = (pd.DataFrame(rows[name]) for name in ("ligands", "groups", "sites"))
    answer: dict[str, float] = {"n": len(ligands), "refused": int(ligands["refused"].sum())}
    for column, key in (
        ("identical", "identical_smiles"), ("stereo", "stereo_right"), ("coordinates_kept", "coordinates_kept"),
        ("reference_coordinates", "reference_coordinates"), ("written_and_read", "written_and_read"),
        ("by_smiles", "template_right"), ("by_graph", "renamed_right"), ("by_geometry", "geometry_right"),
    ):  # fmt: skip
        if column in ligands:
            known = ligands[column].dropna().astype(bool)
            answer[key], answer[f"n_{key}"] = int(known.sum()), len(known)
    answer |= {"classified_right": int(groups["right"].sum()), "n_groups": len(groups)}
    if len(sites):
        for name in ("first_right", "among_right", "covalent_right"):
            answer[f"site_{name}" if name != "covalent_right" else name] = int(sites[name].sum())
        answer["n_sites"] = len(sites)
    answer["seconds_median"] = round(float(ligands["seconds"].median()), 3)
    return answer


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(options.structures / "ligand_smiles.csv", keep_default_na=False)
    table = table.assign(pdb=table["pdbs"].str.split(";")).explode("pdb")
    table["het"] = table["het"].astype(str)
    facts_path = options.structures / "structures.csv"
    facts = pd.read_csv(facts_path).set_index("pdb", drop=False) if facts_path.exists() else pd.DataFrame()
    done_path = options.out / "done.jsonl"
    done = [json.loads(line) for line in done_path.read_text().splitlines()] if done_path.exists() else []
    rows: dict[str, list[dict]] = {"ligands": [], "groups": [], "sites": []}
    files = sorted(p for p in options.structures.iterdir() if p.suffix in (".pdb", ".cif", ".gz"))
    finished = {item["file"]: item for item in done}
    for number, path in enumerate(files, start=1):
        item = finished.get(path.name)
        if item is None:
            start = time.perf_counter()
            known = facts.loc[path.stem] if path.stem in facts.index else None
            try:
                item = {"file": path.name, **one_structure(path, table[table["pdb"] == path.stem], known, options)}
            except DockkitError as error:
                item = {"file": path.name, "ligands": [], "groups": [], "sites": [], "error": str(error)}
            with done_path.open("a") as stream:
                stream.write(json.dumps(item, default=lambda value: value.item()) + "\n")
            wrong = [r["code"] for r in item["ligands"] if r["refused"] or r.get("stereo") is False]
            print(f"{number}/{len(files)} {path.stem} {time.perf_counter() - start:.1f} s {wrong or ''}", flush=True)
        for name in rows:
            rows[name] += item[name]
    for name, content in rows.items():
        pd.DataFrame(content).to_csv(options.out / f"{name}.csv", index=False)
    summary = summarise(rows)
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
