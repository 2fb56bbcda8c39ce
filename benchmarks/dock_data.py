"""Crystal complexes of a folder as docking problems: which there are, how one is set up, how a pose is measured.

The folder holds ``structures.csv`` (file, pdb, gene, covalent_to, klifs_state), ``ligand_smiles.csv`` (het, smiles) and
``ligands/<pdb>_<het>_<chain>.sdf``, one for each bound ligand.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem
from spyrmsd.rmsd import symmrmsd

from dockkit.core.model import FloatArray, Kinase, Ligand, LigandParameters, Receptor
from dockkit.core.molecule import skeleton, to_rdkit
from dockkit.core.settings import PreparationSettings
from dockkit.docking.box import Box, box_around
from dockkit.forcefield.parameters import parametrise
from dockkit.ligand import load_ligand
from dockkit.pipeline.prepare import prepare_structure

PHOSPHATE = Chem.MolFromSmarts("OP(=O)(O)")


@dataclass(frozen=True)
class Case:
    """One bound ligand of one crystal."""

    folder: Path
    pdb: str
    het: str
    chain: str
    gene: str
    state: str
    smiles: str

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.pdb}_{self.het}"


@dataclass(frozen=True)
class Problem:
    """A prepared receptor without its ligand, and the ligand made from SMILES."""

    receptor: Receptor
    kinase: Kinase
    bound: Ligand
    ligand: Ligand
    parameters: LigandParameters

    @property
    def box(self) -> Box:
        """Around the bound ligand."""
        return box_around(self.bound.coordinates[self.bound.elements != "H"], "bound ligand")


class NotACaseError(Exception):
    """Why a bound ligand is no non-covalent drug-like ligand."""


def find_cases(folder: Path) -> tuple[list[Case], list[str]]:
    """Return the ligands with known SMILES in crystals without a covalent bond, and what was left out and why."""
    with (folder / "ligand_smiles.csv").open(newline="", encoding="utf-8") as handle:
        smiles = {row["het"]: row["smiles"] for row in csv.DictReader(handle)}
    with (folder / "structures.csv").open(newline="", encoding="utf-8") as handle:
        table = {row["pdb"]: row for row in csv.DictReader(handle)}
    cases, left_out = [], []
    for path in sorted((folder / "ligands").glob("*.sdf")):
        pdb, het, chain = path.stem.split("_")
        row, code = table[pdb], het.upper()
        if row["covalent_to"]:
            left_out.append(f"{pdb} {code}: bonded to {row['covalent_to']}")
        elif not smiles.get(code):
            left_out.append(f"{pdb} {code}: no SMILES in the table")
        elif Chem.MolFromSmiles(smiles[code]).HasSubstructMatch(PHOSPHATE):
            left_out.append(f"{pdb} {code}: a phosphate, no drug")
        else:
            states = row["klifs_state"].split(";")
            own = next((s for s in states if s.startswith(chain)), states[0])
            cases.append(Case(folder, pdb, code, chain, row["gene"], own.partition(":")[2], smiles[code]))
    return cases, left_out


def set_up(case: Case, seed: int) -> Problem:
    """Prepare one case; raises NotACaseError for a nucleotide or a ligand bonded to the protein."""
    prepared = prepare_structure(
        case.folder / f"{case.pdb}.pdb",
        chain=case.chain,
        ligand_code=case.het,
        settings=PreparationSettings(waters="none"),
    )
    bound = prepared.ligand
    if bound.found.what.category != "drug":
        raise NotACaseError(f"a {bound.found.what.category}")
    if bound.bonds:
        raise NotACaseError("bonded to the protein")
    ligand = load_ligand(case.smiles, seed=seed, label=case.het)
    return Problem(prepared.receptor, prepared.kinase, bound.ligand, ligand, parametrise(ligand))


def rmsd(ligand: Ligand, coordinates: FloatArray, reference: Ligand, at: FloatArray | None = None) -> float:
    """Return the symmetry-corrected heavy-atom RMSD to a reference molecule, without superposition, Angstrom."""
    mol, index = skeleton(to_rdkit(ligand, coordinates))
    other, other_index = skeleton(to_rdkit(reference))
    target = np.asarray(reference.coordinates if at is None else at)[other_index]
    return float(
        symmrmsd(
            target,
            np.asarray(coordinates)[index],
            [a.GetAtomicNum() for a in other.GetAtoms()],
            [a.GetAtomicNum() for a in mol.GetAtoms()],
            _bonds(other),
            _bonds(mol),
        )
    )


def _bonds(mol) -> np.ndarray:
    table = np.zeros((mol.GetNumAtoms(), mol.GetNumAtoms()), dtype=int)
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        table[i, j] = table[j, i] = 1
    return table


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of an earlier run, none where there was none."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def append_rows(path: Path, rows: list[dict], fields: list[str]) -> None:
    """Append rows to a table, with a heading where it is new."""
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fields, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def write_summary(path: Path, summary: dict[str, float]) -> None:
    """Write metric -> number."""
    path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))
