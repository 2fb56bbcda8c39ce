"""Tables of measured ddG and the complexes that belong to them, for `ddg.py`.

Two table formats are known by their columns: ``tki, mutation, ddg_exp`` (further ``ddg_*`` columns are published
predictions; ``ic50_nM`` at the assay's ceiling makes ``ddg_exp`` a lower bound), and ``gene, mutation, compound,
kd_wt_nM, kd_mut_nM, censored`` (binding constants; ``censored`` says which side is above the ceiling). Complexes are
``<drug>_nowat_protein.pdb`` or ``<drug>_protein.pdb`` with a ligand SDF, a folder of crystals with ``structures.csv``
and ``ligand_smiles.csv``, or the library, into which is docked.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rdkit import Chem

from dockkit.core.errors import DockkitError
from dockkit.core.units import thermal_energy
from dockkit.kinase import load_kinase
from dockkit.ligand import catalogue as ligand_catalogue
from dockkit.pipeline import steps
from dockkit.pipeline.choice import choose_entry
from dockkit.structure import catalogue as structure_catalogue

CEILING_NM = 10000.0
"""Concentration at which both assays stop."""

TABLE = ["kinase", "drug", "mutation", "measured", "side"]
"""Columns that every table is brought to; ``side`` is 1 for a lower bound, -1 for an upper one, 0 for a value."""

_POINT = re.compile(r"[A-Z]\d+[A-Z](?:[;/][A-Z]\d+[A-Z])*")


def read_table(path: Path, gene: str = "", ceiling: float = CEILING_NM) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the points, the names of published predictions, and what was left out.

    Parameters
    ----------
    path : Path
        Either format.
    gene : str
        Kinase of a table that does not name it.
    ceiling : float
        nM.
    """
    table = pd.read_csv(path)
    if {"tki", "mutation", "ddg_exp"} <= set(table.columns):
        return _cell_assay(table, gene, ceiling)
    if {"gene", "mutation", "compound", "kd_wt_nM", "kd_mut_nM", "censored"} <= set(table.columns):
        return _binding_assay(table, ceiling)
    raise SystemExit(f"{path}: neither tki, mutation, ddg_exp nor gene, mutation, compound, kd_wt_nM, kd_mut_nM, ...")


def _cell_assay(table: pd.DataFrame, gene: str, ceiling: float) -> tuple[pd.DataFrame, list[str], list[str]]:
    published = [c for c in table if c.startswith("ddg_") and c != "ddg_exp" and not re.search(r"_(err|sd\d*)$", c)]
    out = pd.DataFrame(
        {"kinase": table.get("kinase", gene), "drug": table["tki"].str.lower(), "mutation": table["mutation"]}
    )
    out["measured"] = table["ddg_exp"]
    out["side"] = (table["ic50_nM"] >= ceiling).astype(int) if "ic50_nM" in table else 0
    out["smiles"] = table.get("smiles", "")
    for column in published:
        out[column] = table[column]
    return out, published, []


def _binding_assay(table: pd.DataFrame, ceiling: float) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Bring binding constants to ddG; several rows of a pair (states of phosphorylation) become their mean."""
    left = []
    point = table["mutation"].str.fullmatch(_POINT.pattern)
    for text, keep in (
        ("rows are no substitutions", point),
        ("rows have both constants above the ceiling", table["censored"] != "both"),
        ("rows have no SMILES", table["smiles"].notna()),
    ):
        gone = int((~keep & table["mutation"].notna()).sum())
        left += [f"{gone} {text}"] if gone else []
        table = table[keep.reindex(table.index)]
    rt = thermal_energy()
    weak_wild_type = table["censored"] == "wt_gt_10uM"
    side = np.where(table["censored"] == "mut_gt_10uM", 1, np.where(weak_wild_type, -1, 0))
    mutant, wild = (table[c].fillna(ceiling) for c in ("kd_mut_nM", "kd_wt_nM"))
    named = table["alt_name"].where(table["alt_name"].notna(), table["compound"])
    long = pd.DataFrame(
        {
            "kinase": table["gene"],
            "drug": named.str.lower(),
            "mutation": table["mutation"].str.replace(";", "/"),
            "measured": rt * np.log(mutant / wild),
            "side": side,
            "smiles": table["smiles"],
            "kd_wt_nM": wild,
        }
    )
    rows = [_merged(part) for _, part in long.groupby(["kinase", "drug", "mutation"], sort=False)]
    return pd.DataFrame(rows).reset_index(drop=True), [], left


def _merged(part: pd.DataFrame) -> dict[str, Any]:
    """Return one row for a pair: the mean of its values where there are any, else its tightest bound."""
    exact = part[part["side"] == 0]
    row = part.iloc[0].to_dict()
    if len(exact):
        return {**row, "measured": exact["measured"].mean(), "side": 0, "kd_wt_nM": exact["kd_wt_nM"].min()}
    lower = part[part["side"] == 1]
    if len(lower):
        return {**row, "measured": lower["measured"].max(), "side": 1, "kd_wt_nM": lower["kd_wt_nM"].min()}
    return {**row, "measured": part["measured"].min(), "side": -1}


def select(
    table: pd.DataFrame, genes: Iterable[str], mutations: Iterable[str], drugs: Iterable[str], limit: int
) -> pd.DataFrame:
    """Return the chosen points; ``limit`` keeps, of each mutation, the drugs that bind the wild type tightest."""
    for column, wanted in (("kinase", set(genes)), ("mutation", set(mutations)), ("drug", {d.lower() for d in drugs})):
        if wanted:
            table = table[table[column].isin(wanted)]
    if limit and "kd_wt_nM" in table:
        order = table.sort_values(["kinase", "mutation", "kd_wt_nM", "drug"])
        table = order.groupby(["kinase", "mutation"], sort=False).head(limit)
    return table.reset_index(drop=True)


# ------------------------------------------------------------------------------------------------ complexes


@dataclass(frozen=True)
class Source:
    """Where a complex comes from: a structure (file or library name), its ligand, and whether it has to be docked."""

    entry: str
    ligand: str
    drug: str
    docked: bool
    separate: bool = False


def find_source(folders: list[Path], kinase: str, drug: str, smiles: str, mutations: list[str]) -> Source:
    """Return the complex to use: given, a crystal, or the library.

    Parameters
    ----------
    folders : list of Path
        Searched in order.
    kinase, drug, smiles : str
        Smiles may be empty where the drug is in the library.
    mutations : list of str
        A crystal that already carries one of them is not used.

    Raises
    ------
    DockkitError
        Neither file nor library knows the pair.
    """
    for folder in folders:
        if (folder / "structures.csv").is_file():
            crystal = _crystal(folder, kinase, smiles, mutations)
            if crystal is not None:
                return Source(str(folder / crystal), _library_name(drug) or smiles, drug, False)
            continue
        for stem in (f"{drug}_nowat", drug):
            protein, ligand = folder / f"{stem}_protein.pdb", folder / f"{stem}_ligand.sdf"
            if protein.is_file() and ligand.is_file() and _fits(protein, kinase):
                return Source(str(protein), str(ligand), drug, False, separate=True)
    known = _library_name(drug)
    binding = next((e.binding_type for e in ligand_catalogue() if e.name == known), "unknown")
    entry = choose_entry([e for e in structure_catalogue() if e.kinase == kinase], binding, known or drug)
    return Source(entry.name, known or smiles, drug, True)


def _library_name(drug: str) -> str:
    names = {n.lower(): e.name for e in ligand_catalogue() for n in (e.name, *e.synonyms)}
    return names.get(drug.lower(), "")


def _fits(protein: Path, kinase: str) -> bool:
    """Say whether a protein file is this kinase; an unnamed kinase fits all."""
    if not kinase:
        return True
    try:
        _receptor(str(protein), kinase)
    except DockkitError:
        return False
    return True


def _crystal(folder: Path, kinase: str, smiles: str, mutations: list[str]) -> str | None:
    """Return the crystal of this kinase with this ligand, not covalent, with fewest changes, none at a mutated site."""
    wanted = _skeleton(smiles)
    if not wanted:
        return None
    ligands = pd.read_csv(folder / "ligand_smiles.csv")
    codes = {r.het for r in ligands.itertuples() if isinstance(r.smiles, str) and _skeleton(r.smiles) == wanted}
    sites = {number for m in mutations for number in re.findall(r"\d+", m)}
    found = []
    for row in pd.read_csv(folder / "structures.csv").itertuples():
        changes = re.findall(r"[A-Z](\d+)[A-Z]", str(row.differences_vs_uniprot))
        if row.gene == kinase and row.site_ligand in codes and not isinstance(row.covalent_to, str):
            carries = bool(sites & set(changes)) or "construct" in str(row.differences_vs_uniprot)
            if not carries:
                found.append((len(changes), float(row.resolution), row.file))
    return min(found)[2] if found else None


def _skeleton(smiles: str) -> str:
    """Return the molecule without charges and stereo, by which two writings of a drug are the same."""
    molecule = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) and smiles else None
    return Chem.MolToInchiKey(molecule)[:14] if molecule is not None else ""


def _receptor(entry: str, kinase: str) -> Any:
    params = {
        "entry": entry, "chain": "", "preparation": {"waters": "none"}, "numbering": "uniprot", "kinase": kinase,
        "seed": 0,
    }  # fmt: skip
    return steps.run_receptor(params, {}, Path())


def prepare(
    source: Source,
    kinase: str,
    cache: Path,
    docking: dict[str, Any],
    energy: dict[str, Any],
    seed: int,
    any_version: bool = False,
) -> dict[str, Any]:
    """Return receptor, ligand, parameters and pose of one complex, from ``cache`` where they are there.

    Parameters
    ----------
    source : Source
    kinase : str
    cache : Path
        Complexes are kept by structure, drug, settings of docking, seed and the versions of the steps that make them.
    docking, energy : dict
        Settings; those of the energies enter the choice among docked poses, and are not part of the key.
    seed : int
    any_version : bool
        Take a kept complex of other versions of the steps too, with what it was docked by; the newest file.

    Raises
    ------
    DockkitError
        A stage refuses.
    """
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{kinase or 'given'}_{source.drug}_{Path(source.entry).name}")
    versions = {name: steps.STEPS[name].version for name in ("receptor", "ligand", "parameters", "pose")}
    key = [_key(docking), _key({"seed": seed}) if source.docked else "bound", _key(versions)]
    path = cache / f"{stem}__{'_'.join(key)}.pickle"
    others = sorted(cache.glob(f"{stem}__{key[0]}_{key[1]}_*.pickle"), key=lambda item: item.stat().st_mtime)
    if any_version and others and not path.is_file():
        path = others[-1]
    return kept(path, lambda: _prepared(source, kinase, docking, energy, seed))


def _key(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _prepared(
    source: Source, kinase: str, docking: dict[str, Any], energy: dict[str, Any], seed: int
) -> dict[str, Any]:
    receptor = _receptor(source.entry, kinase)
    label = "" if source.separate else source.drug
    ligand = steps.run_ligand({"ligand": source.ligand, "label": label, "keep_state": False, "seed": 0}, {}, Path())
    made: dict[str, Any] = {"receptor": receptor, "ligand": ligand}
    made["parameters"] = steps.run_parameters({}, made, Path())
    gene = load_kinase(receptor.kinase).gene
    params = {"docking": docking, "energy": energy, "seed": seed, "cpu": 1, "kinase": gene, "entry": source.entry}
    return {**made, "pose": steps.run_pose(params, made, Path())}


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what ``make`` returns, stored under ``path`` the first time."""
    if path.is_file():
        with path.open("rb") as handle:
            return pickle.load(handle)
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    with aside.open("wb") as handle:
        pickle.dump(made, handle)
    aside.replace(path)
    return made
