"""Loops cut out of crystals and built again: backbone error by length, beside a straight line between the ends.

Stretches are drawn at random from the structures in the table (one kinase as likely as another), not near the ends of a
segment, with at least 60 % of their residues in no helix or strand (DSSP). Fragments of the same kinase's own bundled
structures are excluded, unless ``--own`` is given. The RMSD is over N, CA, C without any superposition. Seconds are of
one core.

    python benchmarks/loops.py --structures ../shared/data/structures --out benchmarks/out/loops
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mdtraj
import numpy as np
import pandas as pd

from dockkit.core.errors import DockkitError
from dockkit.core.residues import parent_name, templates
from dockkit.kinase import identify_kinase
from dockkit.structure.loops import build_loops
from dockkit.structure.reading import RawStructure, read_structure
from dockkit.structure.repair import WorkResidue

MARGIN = 5
MIN_COIL = 0.6


def work_residues(raw: RawStructure, uniprot: np.ndarray) -> list[WorkResidue]:
    """Turn a chain into residues with the standard heavy atoms, those with an incomplete main chain left out."""
    found = []
    for index, original in enumerate(str(name) for name in raw.residue_names):
        rows = np.flatnonzero(raw.atom_residue == index)
        name = parent_name(original)
        atoms = {str(raw.atom_names[i]): np.array(raw.coordinates[i]) for i in rows}
        if not name or not {"N", "CA", "C", "O"} <= set(atoms):
            continue
        kept = {str(a): atoms[str(a)] for a in templates()[name].heavy if str(a) in atoms}
        number, icode = int(raw.author_numbers[index]), str(raw.insertion_codes[index])
        segment = int(raw.segments[index])
        found.append(WorkResidue(name, raw.chain, icode, number, int(uniprot[index]), segment, kept))
    return found


def coil(residues: list[WorkResidue]) -> np.ndarray:
    """Tell which residues are in no helix or strand."""
    topology, xyz, segment, chain = mdtraj.Topology(), [], None, None
    for residue in residues:
        if residue.segment != segment:
            chain, segment = topology.add_chain(), residue.segment
        row = topology.add_residue(residue.name, chain)
        for name, point in residue.xyz.items():
            topology.add_atom(name, mdtraj.element.Element.getBySymbol(name[0]), row)
            xyz.append(point / 10.0)
    return mdtraj.compute_dssp(mdtraj.Trajectory(np.array(xyz)[None], topology))[0] == "C"


class Source:
    """A structure to cut loops out of."""

    def __init__(self, path: Path, uniprot: str) -> None:
        raw = read_structure(path)
        kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
        self.uniprot = uniprot
        self.residues = work_residues(raw, numbers)
        self.coil = coil(self.residues)
        # Unknown letters keep the crystal's own gaps from being built as well.
        letters = ["X"] * len(kinase.sequence)
        for residue in self.residues:
            if residue.uniprot:
                letters[residue.uniprot - 1] = templates()[residue.name].letter
        self.sequence = "".join(letters)
        self.others = np.concatenate([np.zeros((0, 3)), *[g.coordinates for g in raw.hetero]])

    def stretches(self, length: int) -> list[int]:
        """Return the first residues of the stretches that may be cut out."""
        found = []
        for first in range(MARGIN, len(self.residues) - length - MARGIN):
            wide = self.residues[first - MARGIN : first + length + MARGIN]
            numbers = np.array([residue.uniprot for residue in wide])
            whole = len({residue.segment for residue in wide}) == 1 and (numbers > 0).all()
            if whole and (np.diff(numbers) == 1).all() and self.coil[first : first + length].mean() >= MIN_COIL:
                found.append(first)
        return found


def measure(source: Source, first: int, length: int, own: bool, seed: int) -> dict:
    """Cut a stretch out, build it again and compare."""
    cut = [
        WorkResidue(r.name, r.chain, r.icode, r.number, r.uniprot, r.segment + (i >= first + length), dict(r.xyz))
        for i, r in enumerate(source.residues)
        if not first <= i < first + length
    ]
    start = time.process_time()
    excluded = frozenset() if own else frozenset({source.uniprot})
    built, changes = build_loops(
        cut, source.sequence, others=source.others, max_length=length, seed=seed, excluded_kinases=excluded
    )
    seconds = time.process_time() - start
    row = {"seconds": seconds, "built": False, "reason": ""}
    mine = [c for c in changes if c.author_number == source.residues[first - 1].number and c.kind == "break"]
    if mine:
        return row | {"reason": mine[0].why}
    truth = source.residues[first - 1 : first + length + 1]
    by_number = {(r.number, r.icode): r for r in built}
    backbone = [[r.xyz[a] for a in ("N", "CA", "C")] for r in truth]
    model = [[by_number[r.number, r.icode].xyz[a] for a in ("N", "CA", "C")] for r in truth]
    true, mine_xyz = np.array(backbone), np.array(model)
    line = np.linspace(true[0, 1], true[-1, 1], length + 2)
    fresh = next(c for c in changes if c.kind == "loop" and c.author_number == truth[1].number)

    def rmsd(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a - b) ** 2).sum(-1).mean()))

    return row | {
        "built": True,
        "rmsd": rmsd(mine_xyz[1:-1], true[1:-1]),
        "ca_rmsd": rmsd(mine_xyz[1:-1, 1], true[1:-1, 1]),
        "null_ca_rmsd": rmsd(line[1:-1], true[1:-1, 1]),
        "widened": sum("rebuilt" in c.what for c in changes),
        "origin": fresh.why.split(";")[0],
    }


def choose(table: pd.DataFrame, folder: Path, lengths: list[int], per_length: int, seed: int) -> list[tuple]:
    """Draw (row of the table, Source, first, length)."""
    rng = np.random.default_rng(seed)
    genes = sorted(table.gene.unique())
    sources: dict[str, Source | None] = {}
    chosen = []
    for length in lengths:
        taken: set[tuple[str, int]] = set()
        tries = 0
        while len(taken) < per_length and tries < 50 * per_length:
            tries += 1
            rows = table[table.gene == genes[rng.integers(len(genes))]]
            row = rows.iloc[int(rng.integers(len(rows)))]
            if row.pdb not in sources:
                try:
                    sources[row.pdb] = Source(folder / row.file, row.uniprot)
                except DockkitError as error:
                    print(f"{row.pdb}: left out: {error}", flush=True)
                    sources[row.pdb] = None
            source = sources[row.pdb]
            firsts = source.stretches(length) if source else []
            if not firsts:
                continue
            first = firsts[int(rng.integers(len(firsts)))]
            if (row.gene, source.residues[first].uniprot) in taken:
                continue
            taken.add((row.gene, source.residues[first].uniprot))
            chosen.append((row, source, first, length))
    return chosen


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default, help="folder with structures.csv and its files")
    parser.add_argument("--lengths", default="1,2,3,4,5,6,7,8,9,10,12")
    parser.add_argument("--per-length", type=int, default=20)
    parser.add_argument("--resolution", type=float, default=2.5)
    parser.add_argument("--own", action="store_true", help="allow fragments of the same kinase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(options.structures / "structures.csv")
    table = table[table.resolution <= options.resolution]
    path = options.out / "loops.csv"
    rows = pd.read_csv(path).to_dict("records") if path.is_file() else []
    done = {(r["pdb"], r["first"], r["length"], r["own"]) for r in rows}
    lengths = [int(text) for text in options.lengths.split(",")]
    jobs = choose(table, options.structures, lengths, options.per_length, options.seed)
    for count, (entry, source, first, length) in enumerate(jobs, start=1):
        key = {"pdb": entry.pdb, "gene": entry.gene, "first": source.residues[first].number, "length": length}
        if (key["pdb"], key["first"], length, options.own) in done:
            continue
        row = key | {"own": options.own} | measure(source, first, length, options.own, options.seed)
        rows.append(row)
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.3f")
        outcome = f"{row['rmsd']:.2f} A" if row["built"] else f"left: {row['reason']}"
        print(
            f"{count}/{len(jobs)} {entry.pdb} {key['first']} +{length}: {outcome} ({row['seconds']:.1f} s)", flush=True
        )
    summary = summarise(pd.DataFrame([r for r in rows if r["own"] == options.own]))
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Return the flat summary."""
    summary = {
        "n": len(frame),
        "built": float(frame.built.mean()),
        "seconds_median": float(frame.seconds.median()),
        "seconds_max": float(frame.seconds.max()),
    }
    for length, part in frame.groupby("length"):
        good = part[part.built.astype(bool)]
        summary |= {
            f"length_{length}_n": len(part),
            f"length_{length}_built": float(part.built.mean()),
            f"length_{length}_rmsd_median": round(float(good.rmsd.median()), 3),
            f"length_{length}_rmsd_90": round(float(good.rmsd.quantile(0.9)), 3),
            f"length_{length}_ca_rmsd_median": round(float(good.ca_rmsd.median()), 3),
            f"length_{length}_null_ca_rmsd_median": round(float(good.null_ca_rmsd.median()), 3),
            f"length_{length}_seconds_median": round(float(part.seconds.median()), 3),
        }
    return summary


if __name__ == "__main__":
    main()
