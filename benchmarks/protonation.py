"""Flips and protonation states on crystals: deliberate flips found, good side chains left alone, unusual states listed.

1. Well-determined Asn, Gln and His (complete, full occupancy, low B, buried, with hydrogen bonds that only the
   deposited orientation makes, by heavy-atom distances alone) are turned by 180 degrees one by one: how many are turned
   back (``flip_back``), and how many of the same residues are turned as deposited (``flip_false``).
2. The same residue in other entries of the same protein, in the same rotamer, votes on its orientation: how many flips
   go with the majority and how many against it; needs ``structures.csv`` for genes and numbering. Entries of one
   laboratory share a starting model, so a majority can be wrong.
3. Every state that is unusual or uncertain, with its reason (``states.csv``), and the processor time of each structure.

    python benchmarks/protonation.py --structures ../shared/data/structures --out benchmarks/out/protonation

Writes ``residues.csv``, ``turned.csv``, ``states.csv``, ``seconds.csv`` and ``summary.json``; done work is reused.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from dockkit.core.geometry import angle_difference, dihedral
from dockkit.core.residues import residue_templates
from dockkit.structure import read_structure
from dockkit.structure.flips import AMIDES, optimise_amides_and_histidines, turned_amide, turned_ring
from dockkit.structure.hetero import CATIONS
from dockkit.structure.protonate import add_hydrogens, assign_states
from dockkit.structure.repair import WorkResidue, add_oxygen, add_side_chain, cap_end, cap_start, heavy_cloud

CHIS = {
    "ASN": (("N", "CA", "CB", "CG"), ("CA", "CB", "CG", "OD1")),
    "GLN": (("N", "CA", "CB", "CG"), ("CA", "CB", "CG", "CD"), ("CB", "CG", "CD", "OE1")),
    "HIS": (("N", "CA", "CB", "CG"), ("CA", "CB", "CG", "ND1")),
}
DONORS = {"N", "NZ", "NH1", "NH2", "NE"}
ACCEPTORS = {"O", "OD1", "OD2", "OE1", "OE2"}
AMBIGUOUS = {("ASN", "OD1"), ("GLN", "OE1"), ("ASN", "ND2"), ("GLN", "NE2"), ("HIS", "ND1"), ("HIS", "NE2")}


class Loaded:
    """A structure ready for flips, with what is known of each residue as deposited."""

    def __init__(self, path: Path) -> None:
        raw = read_structure(path)
        self.raw, self.residues = raw, []
        self.facts: list[dict] = []
        segments = raw.segments
        for index, name in enumerate(str(n) for n in raw.residue_names):
            rows = np.flatnonzero(raw.atom_residue == index)
            atoms = {str(raw.atom_names[i]): np.array(raw.coordinates[i]) for i in rows}
            if name not in residue_templates() or not {"N", "CA", "C"} <= set(atoms):
                continue
            wanted = [str(a) for a in residue_templates()[name].heavy]
            kept = {a: atoms[a] for a in wanted if a in atoms}
            number, icode = int(raw.author_numbers[index]), str(raw.insertion_codes[index])
            self.residues.append(WorkResidue(name, raw.chain, icode, number, 0, int(segments[index]), kept))
            tip = [i for i in rows if raw.atom_names[i] not in ("N", "CA", "C", "O")]
            b = float(np.mean(raw.b_factors[tip])) if tip else 0.0
            occupancy = float(raw.occupancies[rows].min())
            self.facts.append({"complete": len(kept) == len(wanted), "b": b, "occupancy": occupancy})
        self._complete()
        self.cloud = heavy_cloud(self.residues)
        self.polar = [
            (k, name in DONORS or (r.name, name) == ("TRP", "NE1"), point)
            for k, r in enumerate(self.residues)
            for name, point in r.xyz.items()
            if (name in DONORS | ACCEPTORS or (r.name, name) == ("TRP", "NE1"))
            and (r.name, name) not in (*AMBIGUOUS, ("PRO", "N"))
        ]
        near = cKDTree(self.cloud)
        self.waters = [w for w in raw.waters if near.query(w.coordinates[0])[0] < 4.5]
        self.groups = [g for g in raw.hetero if g.distance < 6.0]

    def _complete(self) -> None:
        residues = self.residues
        for index, residue in enumerate(residues):
            if "O" not in residue.xyz:
                after = residues[index + 1] if index + 1 < len(residues) else None
                add_oxygen(residue, after if after and after.segment == residue.segment else None)
        for index, residue in enumerate(residues):
            if any(str(a) not in residue.xyz for a in residue_templates()[residue.name].heavy):
                add_side_chain(residue, heavy_cloud(residues, without=(index,)))

    def capped(self) -> list[WorkResidue]:
        """Return the residues with caps at both ends of every segment."""
        cloud, capped = heavy_cloud(self.residues), []
        for index, residue in enumerate(self.residues):
            before = self.residues[index - 1] if index else None
            after = self.residues[index + 1] if index + 1 < len(self.residues) else None
            if before is None or before.segment != residue.segment:
                capped.append(cap_start(residue, cloud))
            capped.append(residue)
            if after is None or after.segment != residue.segment:
                capped.append(cap_end(residue, cloud))
        return capped

    def well_determined(self, index: int) -> bool:
        """Tell whether a side chain was seen clearly in the map: all there, one place, low B, inside."""
        fact, residue = self.facts[index], self.residues[index]
        usual = float(np.median([f["b"] for f in self.facts if f["b"] > 0]))
        tip = np.array([residue.xyz[a] for a in residue.xyz if a not in ("N", "CA", "C", "O")])
        buried = int((np.linalg.norm(self.cloud - tip.mean(axis=0), axis=1) < 8.0).sum()) >= 65
        return fact["complete"] and fact["occupancy"] == 1.0 and 0 < fact["b"] <= usual and buried

    def evidence(self, index: int) -> int:
        """Return hydrogen bonds that only the deposited orientation makes, less those that only the other would."""
        residue = self.residues[index]
        is_ring = residue.name == "HIS"
        right, wrong = (
            (("ND1", "NE2"), ("CD2", "CE1")) if is_ring else (AMIDES[residue.name][2:3], AMIDES[residue.name][3:])
        )
        total = 0
        for owner, gives, point in self.polar:
            if owner == index:
                continue
            good, bad = (min(float(np.linalg.norm(residue.xyz[a] - point)) for a in atoms) for atoms in (right, wrong))
            if min(good, bad) <= 3.2:
                total += 1 if (good < bad) == (gives or is_ring) else -1
        return total


def turn(residue: WorkResidue) -> None:
    """Turn a side chain by 180 degrees in place."""
    residue.xyz.update(turned_ring(residue) if residue.name == "HIS" else turned_amide(residue))


def orientation(residue: WorkResidue) -> list[float]:
    """Return the chi angles, the last of which tells the orientation, degrees."""
    return [round(float(dihedral(*(residue.xyz[a] for a in four))), 1) for four in CHIS[residue.name]]


def copies(loaded: Loaded) -> list[WorkResidue]:
    """Return the residues, coordinates copied."""
    return [WorkResidue(r.name, r.chain, r.icode, r.number, r.uniprot, r.segment, dict(r.xyz)) for r in loaded.residues]


def places(table: Path) -> dict[str, tuple[str, dict[str, int]]]:
    """Return gene and offset to UniProt per chain, by file name."""
    if not table.is_file():
        return {}
    with table.open() as handle:
        return {
            row["file"]: (row["gene"], {c: int(o) for c, o in re.findall(r"(\w):[^;]*? off=(-?\d+)", row["chains"])})
            for row in csv.DictReader(handle)
        }


def examine(path: Path, gene: str, offset: int | None, ph: float) -> tuple[list[dict], list[dict], dict]:
    """Return rows on residues, rows on states, and times of one structure."""
    loaded = Loaded(path)
    deposited = {i: orientation(r) for i, r in enumerate(loaded.residues) if r.name in CHIS}
    flips_of = {(r.number, r.icode): i for i, r in enumerate(loaded.residues)}
    residues = copies(loaded)
    start = time.process_time()
    flips = optimise_amides_and_histidines(residues, loaded.groups, loaded.waters)
    flip_seconds = time.process_time() - start
    turned = {flips_of[c.author_number, c.insertion_code] for c in flips}
    loaded.residues = residues
    capped = loaded.capped()
    kept = [g for g in loaded.groups if len(g.elements) > 6 or str(g.elements[0]).upper() in CATIONS]
    start = time.process_time()
    states = assign_states(capped, ph, set(), groups=kept, waters=loaded.waters)
    state_seconds = time.process_time() - start
    start = time.process_time()
    add_hydrogens(capped)
    hydrogen_seconds = time.process_time() - start
    loaded = Loaded(path)
    rows = [
        {
            "file": path.name, "gene": gene, "residue": r.name, "number": r.number, "icode": r.icode,
            "uniprot": r.number - offset if offset is not None else 0, "good": loaded.well_determined(i),
            "complete": loaded.facts[i]["complete"], "evidence": loaded.evidence(i), "turned": i in turned,
            "chis": " ".join(map(str, deposited[i])),
        }
        for i, r in enumerate(loaded.residues) if i in deposited
    ]  # fmt: skip
    said = [{"file": path.name, "residue": c.label, "what": c.what, "why": c.why} for c in (*flips, *states)]
    seconds = {
        "file": path.name, "residues": len(loaded.residues), "flips": round(flip_seconds, 3),
        "states": round(state_seconds, 3), "hydrogens": round(hydrogen_seconds, 3),
    }  # fmt: skip
    return rows, said, seconds


def turned_back(loaded: Loaded, number: int, icode: str) -> bool:
    """Turn one residue and tell whether the optimiser turns it back."""
    residues = copies(loaded)
    turn(next(r for r in residues if (r.number, r.icode) == (number, icode)))
    flips = optimise_amides_and_histidines(residues, loaded.groups, loaded.waters)
    return any((c.author_number, c.insertion_code) == (number, icode) for c in flips)


def votes(residues: pd.DataFrame) -> dict[str, int]:
    """Count flips with and against the majority of the other entries of the same protein."""
    counts = {
        "flips_with_majority": 0,
        "flips_against_majority": 0,
        "kept_with_majority": 0,
        "kept_against_majority": 0,
    }
    known = residues[(residues.gene != "") & residues.complete]
    for _, same in known.groupby(["gene", "residue", "uniprot"]):
        chis = np.array([[float(x) for x in text.split()] for text in same.chis])
        for row in range(len(same)):
            gaps = np.abs(angle_difference(np.delete(chis, row, axis=0), chis[row]))
            rotamer = (gaps[:, :-1] < 40.0).all(axis=1)
            agree = int((rotamer & (gaps[:, -1] < 50.0)).sum())
            differ = int((rotamer & (gaps[:, -1] > 130.0)).sum())
            if agree + differ < 4 or max(agree, differ) < 0.75 * (agree + differ):
                continue
            verb = "flips" if same.turned.iloc[row] else "kept"
            right = (differ > agree) == bool(same.turned.iloc[row])
            counts[f"{verb}_{'with' if right else 'against'}_majority"] += 1
    return counts


def append(path: Path, rows: list[dict]) -> None:
    """Append rows to a CSV file."""
    if rows:
        pd.DataFrame(rows).to_csv(path, mode="a", header=not path.exists(), index=False)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=Path, default=Path("../shared/data/structures"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/protonation"))
    parser.add_argument("--ph", type=float, default=7.4)
    parser.add_argument("--n", type=int, default=300, help="side chains to turn on purpose")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in options.structures.iterdir() if p.name.endswith((".pdb", ".cif", ".pdb.gz", ".cif.gz")))
    table = places(options.structures / "structures.csv")
    tables = {name: options.out / f"{name}.csv" for name in ("residues", "states", "seconds", "turned")}
    done = set(pd.read_csv(tables["seconds"]).file) if tables["seconds"].exists() else set()
    for count, path in enumerate(files, start=1):
        if path.name in done:
            continue
        gene, offsets = table.get(path.name, ("", {}))
        offset = offsets.get(read_structure(path).chain)
        rows, said, seconds = examine(path, gene if offset is not None else "", offset, options.ph)
        append(tables["residues"], rows)
        append(tables["states"], said)
        append(tables["seconds"], [seconds])
        print(f"{count}/{len(files)} {path.name}: {sum(r['turned'] for r in rows)} of {len(rows)} turned", flush=True)
    residues = pd.read_csv(tables["residues"], keep_default_na=False)
    clear = residues[residues.good & (residues.evidence > 0)]
    rng = np.random.default_rng(options.seed)
    chosen = clear.iloc[np.sort(rng.permutation(len(clear))[: options.n])]
    known = {}
    if tables["turned"].exists():
        known = {
            (t.file, t.number, str(t.icode)): t.back
            for t in pd.read_csv(tables["turned"], keep_default_na=False).itertuples()
        }
    results, loaded = [], None
    for count, row in enumerate(chosen.itertuples(), start=1):
        key = (row.file, row.number, row.icode)
        if key not in known:
            if loaded is None or loaded.raw.source != row.file:
                loaded = Loaded(options.structures / row.file)
            known[key] = turned_back(loaded, row.number, row.icode)
            append(
                tables["turned"],
                [
                    {
                        "file": row.file,
                        "residue": row.residue,
                        "number": row.number,
                        "icode": row.icode,
                        "back": known[key],
                    }
                ],
            )
        results.append(known[key])
        if count % 20 == 0:
            print(f"{count}/{len(chosen)} turned on purpose: {np.mean(results):.3f} turned back", flush=True)
    seconds = pd.read_csv(tables["seconds"])
    total = seconds.flips + seconds.states + seconds.hydrogens
    good = residues[residues.good]
    summary = {
        "n": len(chosen), "n_structures": len(seconds), "flip_back": round(float(np.mean(results)), 4),
        "n_clear": len(clear), "flip_false": round(float(clear.turned.mean()), 4),
        "n_well_determined": len(good), "flip_rate_well_determined": round(float(good.turned.mean()), 4),
        "n_all": len(residues), "flip_rate_all": round(float(residues.turned.mean()), 4), **votes(residues),
        "seconds_median": round(float(total.median()), 3), "seconds_max": round(float(total.max()), 3),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
