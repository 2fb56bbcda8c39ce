"""ATP.Mg placed from the protein alone: where it may stand, and how near to the nucleotides of crystals.

Every structure of the folder, of the library and of ``--complexes`` is stripped to its protein; ATP with two (and with
one) Mg2+ is placed in it, or refused for a reason. Crystals that hold an adenine nucleotide (found by its atoms among
the het codes of ``structures.csv``) and the complexes are references: the RMSD is that of their own protein, before and
after minimisation in the force field, and of the other structures of the kinase that hold none, after superposing the
C-alpha atoms of the KLIFS pocket. ``minimised`` is the placed pose where minimisation would lose a check. The null
model is the top pose of AutoDock Vina for ATP in a box around the pocket. Equivalent phosphate oxygens are matched to
give the smallest RMSD; atoms that the reference lacks do not count.

Writes ``sites.csv`` (a row per structure and number of metals), ``rmsd.csv`` (a row per reference, structure, number of
metals and method), both appended as they come and reused, and ``summary.json``.

    python benchmarks/atp.py --structures ../shared/data/structures --out benchmarks/out/atp
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import math
import os
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import pandas as pd
from rdkit import Chem

from dockkit.core.errors import DockkitError
from dockkit.core.geometry import superposition
from dockkit.core.library import library_dir
from dockkit.core.settings import DockingSettings, RelaxSettings
from dockkit.docking.atp import find_nucleotide, with_metals
from dockkit.docking.molecule import ligand_mol
from dockkit.docking.nucleotide.parts import ADENINE, RIBOSE
from dockkit.docking.vina import dock
from dockkit.forcefield.parameters import parametrise
from dockkit.kinase import identify_kinase, measure_conformation
from dockkit.ligand import load_ligand
from dockkit.pipeline.nucleotide import place_nucleotide, refine_nucleotide
from dockkit.structure import catalogue, prepare_receptor, read_structure

SITES = (
    "structure", "source", "kinase", "dfg", "alpha_c", "klifs_state", "metals", "nucleotide", "outcome", "score",
    "checks_failed", "checks_failed_minimised", "moved_angstrom", "seconds_place", "seconds_minimise", "reason",
)  # fmt: skip
RMSD = (
    "reference", "code", "structure", "kinase", "pair", "method", "metals", "rmsd_angstrom", "adenine", "ribose",
    "phosphates", "metal_distance", "atoms",
)  # fmt: skip
TERMINAL = (("O1A", "O2A"), ("O1B", "O2B", "O3B"), ("O1G", "O2G", "O3G"))
BRIDGES = {"O3A": ("O3A", "N3A", "C3A"), "O3B": ("O3B", "N3B", "C3B")}
SEED = 1


@dataclasses.dataclass
class Case:
    """A structure, and the nucleotide it holds."""

    name: str
    path: Path
    source: str
    klifs: str = ""
    modelled: bool = False
    code: str = ""
    atoms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    metals: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    chain: str = ""


def nucleotide_of(path: Path, codes: set[str]) -> tuple[str, dict, np.ndarray, str]:
    """Return code, atoms, metals and chain of the adenine nucleotide nearest to the protein; empty where none is."""
    if path.suffix != ".gz" and " PB " not in path.read_text(encoding="utf-8", errors="replace"):
        return "", {}, np.zeros((0, 3)), ""
    raw = read_structure(path)
    for group in raw.hetero:
        atoms = dict(zip(group.atom_names.tolist(), group.coordinates, strict=True))
        if group.name in codes and {"N6", "N9", "C1'", "PA", "PB"} <= set(atoms):
            far = [
                (float(np.linalg.norm(group.coordinates - g.coordinates[0], axis=1).min()), g.coordinates[0])
                for g in raw.hetero
                if len(g.coordinates) == 1 and str(g.elements[0]).upper() in ("MG", "MN")
            ]
            metals = np.array([xyz for d, xyz in far if d < 3.5]).reshape(-1, 3)
            return group.name, atoms, metals, raw.chain
    return "", {}, np.zeros((0, 3)), ""


def crystals(folder: Path) -> list[Case]:
    """Return the crystals of ``structures.csv``, the nucleotides of those that hold one among them."""
    table = pd.read_csv(folder / "structures.csv", keep_default_na=False)
    cases = []
    for row in table.itertuples():
        path = folder / row.file
        code, atoms, metals, chain = nucleotide_of(path, set(str(row.het).split(",")))
        cases.append(Case(path.stem, path, "crystal", str(row.klifs_state), False, code, atoms, metals, chain))
    return cases


def complexes(folder: Path) -> list[Case]:
    """Return complexes given as ``<name>_atp.sdf`` and ``<name>_mg_water.pdb``."""
    cases = []
    for sdf in sorted(folder.glob("*_atp.sdf")):
        name = sdf.name.removesuffix("_atp.sdf")
        path = folder / f"{name}_mg_water.pdb"
        metals = [g.coordinates[0] for g in read_structure(path).hetero if str(g.elements[0]).upper() in ("MG", "MN")]
        mol = Chem.RWMol(Chem.MolFromMolFile(str(sdf), removeHs=False))
        xyz = np.concatenate([mol.GetConformer().GetPositions(), np.reshape(metals, (-1, 3))])
        for _ in metals:
            mol.AddAtom(Chem.Atom("Mg"))
        parts = find_nucleotide(mol.GetMol(), name)
        atoms = {n: xyz[i] for n, i in parts.atoms.items()}
        for names, group in zip(TERMINAL, parts.phosphates, strict=False):
            atoms |= {n: xyz[i] for n, i in zip(names, group, strict=False)}
        model = "crystal complex" if name.startswith("pka") else "model complex"
        cases.append(Case(name, path, model, "", False, "ATP", atoms, np.reshape(metals, (-1, 3))))
    return cases


def library() -> list[Case]:
    """Return the structures bundled with dockkit."""
    folder = library_dir("structures")
    return [Case(e.name, folder / e.file, "library", modelled=e.modelled) for e in catalogue()]


def protein_alone(case: Case):
    """Prepare the protein without any ligand, ion or water."""
    raw = dataclasses.replace(read_structure(case.path, case.chain), hetero=(), waters=())
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    receptor = prepare_receptor(raw, name=case.name, kinase=kinase, uniprot_numbers=numbers, modelled=case.modelled)
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase)), kinase


def deviations(ligand, coordinates: np.ndarray, case: Case) -> dict:
    """Return RMSD of the whole and of its parts against a reference nucleotide, Angstrom."""
    mol = ligand_mol(ligand)
    metals = [a.GetIdx() for a in mol.GetAtoms() if a.GetSymbol() == "Mg"]
    bare = mol if metals else Chem.RWMol(mol)
    if not metals:
        bare.AddAtom(Chem.Atom("Mg"))
    parts = find_nucleotide(bare, ligand.name)
    squares: dict[str, float] = {}
    for name, atom in parts.atoms.items():
        seen = next((case.atoms[n] for n in BRIDGES.get(name, (name,)) if n in case.atoms), None)
        if seen is not None and (name != "O3B" or "PG" in case.atoms):
            squares[name] = float(((coordinates[atom] - seen) ** 2).sum())
    triphosphate = "PG" in case.atoms
    for k, group in enumerate(parts.phosphates):
        names = [n for n in TERMINAL[k] if n in case.atoms and not (n == "O3B" and triphosphate)]
        if names:
            squares |= dict.fromkeys(names, matched(coordinates[list(group)], [case.atoms[n] for n in names]))
    rest = [n for n in squares if n not in ADENINE and n not in RIBOSE]

    def over(names) -> float:
        found = [squares[n] for n in names if n in squares]
        return math.sqrt(sum(found) / len(found)) if found else math.nan

    far = [float(np.linalg.norm(coordinates[metals] - m, axis=1).min()) for m in case.metals] if metals else []
    return {
        "rmsd_angstrom": over(squares), "adenine": over(ADENINE), "ribose": over(RIBOSE), "phosphates": over(rest),
        "metal_distance": float(np.mean(far)) if far else math.nan, "atoms": len(squares),
    }  # fmt: skip


def matched(ours: np.ndarray, theirs: list[np.ndarray]) -> float:
    """Return the least mean square distance over the ways to pair equivalent atoms; a longer list loses some."""
    few, many = sorted((list(ours), list(theirs)), key=len)
    return min(
        sum(float(((a - b) ** 2).sum()) for a, b in zip(few, order, strict=True)) / len(few)
        for order in itertools.permutations(many, len(few))
    )


def pocket(receptor, kinase) -> dict[int, np.ndarray]:
    """Return the C-alpha positions of the KLIFS pocket by UniProt number."""
    chosen = np.isin(receptor.uniprot_numbers, [n for n in kinase.pocket if n])[receptor.atom_residue]
    atoms = np.flatnonzero(chosen & (receptor.atom_names == "CA"))
    return {int(receptor.uniprot_numbers[receptor.atom_residue[i]]): receptor.coordinates[i] for i in atoms}


def laid_on(receptor, reference, kinase):
    """Return a function that brings coordinates of one receptor into the frame of another."""
    here, there = pocket(receptor, kinase), pocket(reference, kinase)
    shared = sorted(set(here) & set(there))
    rotation, shift = superposition(np.array([here[n] for n in shared]), np.array([there[n] for n in shared]))
    return lambda xyz: xyz @ rotation + shift


def append(path: Path, columns: tuple[str, ...], row: dict) -> None:
    """Append one row."""
    new = not path.is_file()
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        if new:
            writer.writeheader()
        writer.writerow(row)


class Run:
    """The benchmark: cases, references, and rows already there."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.out: Path = options.out
        self.cases = [*crystals(options.structures), *complexes(options.complexes), *library()]
        if options.only:
            self.cases = [c for c in self.cases if c.name in options.only]
        self.cases.sort(key=lambda case: not case.code)
        self.references = [c for c in self.cases if c.code]
        self.proteins: dict[str, tuple] = {}
        self.two = load_ligand("ATP.Mg")
        self.parameters = {n: parametrise(with_metals(self.two, n)) for n in options.metals}
        self.sites = self._done("sites.csv", ["structure", "metals"])
        self.rmsd = self._done("rmsd.csv", ["reference", "structure", "method", "metals"])

    def _done(self, name: str, keys: list[str]) -> set[tuple[str, ...]]:
        path = self.out / name
        if not path.is_file():
            return set()
        return set(pd.read_csv(path, dtype=str, keep_default_na=False)[keys].itertuples(index=False, name=None))

    def protein(self, case: Case):
        """Return receptor and kinase of a case, prepared once."""
        if case.name not in self.proteins:
            self.proteins[case.name] = protein_alone(case)
        return self.proteins[case.name]

    def place(self, case: Case, metals: int) -> None:
        """Place ATP in one structure and compare it with the references of its kinase."""
        if (case.name, str(metals)) in self.sites:
            return
        row = dict.fromkeys(SITES, "") | {
            "structure": case.name, "source": case.source, "klifs_state": case.klifs, "metals": metals,
            "nucleotide": case.code,
        }  # fmt: skip
        try:
            receptor, kinase = self.protein(case)
            state = receptor.conformation
            row |= {"kinase": kinase.gene, "dfg": state.dfg, "alpha_c": state.alpha_c}
            start = time.process_time()
            bare = place_nucleotide(receptor, self.two, kinase, None, SEED, n_magnesium=metals, propose=False)
            row |= {"seconds_place": round(time.process_time() - start, 1), "score": round(bare.pose.score, 2)}
            row |= {"outcome": "placed", "reason": bare.pose.reason, "checks_failed": len(bare.geometry.failed)}
            self.compare(case, receptor, kinase, bare.ligand, bare.pose.coordinates, "placed", metals)
            if case.code:
                start = time.process_time()
                full = refine_nucleotide(bare, kinase, self.parameters[metals], RelaxSettings())
                row["seconds_minimise"] = round(time.process_time() - start, 1)
                row["checks_failed_minimised"] = len(full.geometry.failed)
                row["moved_angstrom"] = round(full.moved_angstrom, 2)
                self.compare(case, receptor, kinase, full.ligand, full.pose.coordinates, "minimised", metals)
        except DockkitError as error:
            row |= {"outcome": "refused", "reason": str(error)}
        append(self.out / "sites.csv", SITES, row)
        print(f"{case.name:18s} {row['kinase']:7s} {row['dfg']:5s} {metals} Mg: {row['outcome']}", flush=True)

    def compare(self, case, receptor, kinase, ligand, xyz, method: str, metals: int) -> None:
        """Write the RMSD against each reference of the kinase."""
        for reference in self.references:
            own = reference.name == case.name
            if (case.code and not own) or (reference.name, case.name, method, str(metals)) in self.rmsd:
                continue
            other, theirs = self.protein(reference)
            if theirs.uniprot != kinase.uniprot:
                continue
            moved = xyz if own else laid_on(receptor, other, kinase)(xyz)
            found = {k: round(v, 3) for k, v in deviations(ligand, moved, reference).items()}
            row = {
                "reference": reference.name, "code": reference.code, "structure": case.name, "kinase": kinase.gene,
                "pair": "own" if own else "cross", "method": method, "metals": metals, **found,
            }  # fmt: skip
            append(self.out / "rmsd.csv", RMSD, row)
            print(f"  {reference.name} <- {case.name} {method}: {found['rmsd_angstrom']:.2f} A", flush=True)

    def null(self, case: Case, exhaustiveness: int) -> None:
        """Dock bare ATP with Vina into a reference's own protein."""
        if (case.name, case.name, "vina", "0") in self.rmsd:
            return
        receptor, kinase = self.protein(case)
        ligand = load_ligand("ATP")
        xyz = np.array(list(pocket(receptor, kinase).values()))
        center, size = 0.5 * (xyz.min(axis=0) + xyz.max(axis=0)), np.clip(np.ptp(xyz, axis=0), 20.0, 28.0)
        settings = DockingSettings(exhaustiveness=exhaustiveness, n_poses=1)
        pose = dock(receptor, ligand, center.tolist(), size.tolist(), settings, SEED, 1)[0]
        self.compare(case, receptor, kinase, ligand, pose.coordinates, "vina", 0)


def summarise(out: Path, seconds: float) -> dict:
    """Return the metrics."""
    sites, rmsd = pd.read_csv(out / "sites.csv"), pd.read_csv(out / "rmsd.csv")
    result: dict[str, float | int] = {
        "n_structures": sites.structure.nunique(),
        "n_references": rmsd.reference.nunique(),
    }
    for metals, rows in sites.groupby("metals"):
        placed = rows.outcome == "placed"
        result |= {f"placed_{metals}mg": int(placed.sum()), f"refused_{metals}mg": int((~placed).sum())}
        for state, group in rows[rows.source == "crystal"].groupby("dfg"):
            count = Counter(group.outcome)
            result |= {f"crystals_dfg_{state}_{k}_{metals}mg": v for k, v in sorted(count.items())}
        result[f"seconds_place_median_{metals}mg"] = float(rows.seconds_place.median())
        result[f"seconds_place_max_{metals}mg"] = float(rows.seconds_place.max())
    for (pair, method, metals), rows in rmsd.groupby(["pair", "method", "metals"]):
        name = f"{pair}_{method}_{metals}mg"
        result |= {
            f"n_{name}": len(rows), f"rmsd_median_{name}": float(rows.rmsd_angstrom.median()),
            f"under_2A_{name}": float((rows.rmsd_angstrom < 2.0).mean()),
            f"adenine_under_1A_{name}": float((rows.adenine < 1.0).mean()),
        }  # fmt: skip
    return result | {"seconds": round(seconds)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--structures", type=Path, default=data / "structures")
    parser.add_argument("--complexes", type=Path, default=data / "atp_complexes")
    parser.add_argument("--metals", type=int, nargs="+", choices=(1, 2), default=[2, 1])
    parser.add_argument("--only", nargs="+", default=[], help="names of structures; the others are left out")
    parser.add_argument("--exhaustiveness", type=int, default=4, help="of the null model; 0 leaves it out")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    run = Run(options)
    for metals, case in itertools.product(options.metals, run.cases):
        run.place(case, metals)
    for case in run.references if options.exhaustiveness else []:
        run.null(case, options.exhaustiveness)
    summary = summarise(options.out, time.perf_counter() - start)
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
