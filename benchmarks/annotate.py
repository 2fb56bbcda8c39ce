"""Annotation against KLIFS and UniProt: pocket positions from sequence, states and construct differences from crystals.

Sequence: each row of the table of pockets whose ``map_ok`` is true, in three ways: as dockkit answers (``pocket_*``),
by profile alone (``*_profile_only``; of those the kinases that no profile was built from are ``*_unseen``), and, for
kinases that a profile was built from, by a profile built without their family (``*_left_out``). Where a protein has
several kinase domains, the row's own range says which is compared; a domain that is not found counts as wrong.

Structure: DFG and alpha-C against ``klifs_state``, first alternate location of each chain, ``-like`` counted with what
it resembles (``out-like`` is out); offsets and differences against ``chains`` and ``differences_vs_uniprot``.

Writes ``pockets.csv``, ``pocket_misses.csv``, ``states.csv``, ``state_misses.csv``, ``constructs.csv`` and
``summary.json``. Rows that are there already are not measured again; ``--fresh`` starts anew.

    python benchmarks/annotate.py --out benchmarks/out/annotate

with ``--klifs``, ``--sequences`` (FASTA, the accession first in the header) and ``--structures`` for other data.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from dockkit.core.errors import DockkitError
from dockkit.core.model import Annotation, Receptor
from dockkit.kinase import (
    annotate_sequence,
    construct_changes,
    describe_offset,
    identify_kinase,
    known_kinases,
    measure_conformation,
)
from dockkit.kinase.profiles import families, load_profile
from dockkit.structure import read_structure

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
GATEKEEPER = 44
POCKET_FIELDS = [
    "row",
    "gene",
    "way",
    "family",
    "seen",
    "in_table",
    "gatekeeper",
    "gatekeeper_found",
    "positions_right",
    "wrong",
    "seconds",
    "statement",
]
STATE_FIELDS = [
    "pdb",
    "chain",
    "gene",
    "klifs_dfg",
    "klifs_alpha_c",
    "dfg",
    "alpha_c",
    "salt_bridge",
    "spine",
    "activation_loop",
    "loop_missing",
    "dfg_phe_to_alpha_c",
    "dfg_phe_to_lysine",
    "glutamate_to_dfg_phe_c_alpha",
    "lysine_glutamate_salt_bridge",
    "lysine_glutamate_c_beta",
    "spine_1_2",
    "spine_2_3",
    "spine_3_4",
    "dfg_asp_phi",
    "dfg_asp_psi",
    "dfg_phe_phi",
    "dfg_phe_psi",
    "dfg_phe_chi1",
    "note",
]
CONSTRUCT_FIELDS = [
    "pdb",
    "chain",
    "gene",
    "found",
    "offset",
    "offset_agrees",
    "offset_text",
    "differences_agree",
    "expected",
    "ours",
    "n_tag",
    "note",
]


class Table:
    """Rows appended to a CSV as they come, and found there again."""

    def __init__(self, path: Path, fields: list[str], n_key: int, fresh: bool) -> None:
        self.path, self.fields, self.n_key = path, fields, n_key
        self.rows: dict[tuple[str, ...], dict[str, str]] = {}
        if path.exists() and not fresh:
            with path.open(newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    self.rows[tuple(row[name] for name in fields[:n_key])] = row
        else:
            path.write_text(",".join(fields) + "\n", encoding="utf-8")

    def add(self, row: dict[str, object]) -> None:
        """Keep a row, on disk at once."""
        text = {name: str(row.get(name, "")) for name in self.fields}
        self.rows[tuple(text[name] for name in self.fields[: self.n_key])] = text
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self.fields, lineterminator="\n").writerow(text)


def read_fasta(path: Path) -> dict[str, str]:
    """Return sequences by the first word of their header up to a bar."""
    sequences: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(">"):
            current = sequences.setdefault(re.split(r"[|\s]", line[1:])[0], [])
        else:
            current.append(line.strip())
    return {name: "".join(parts) for name, parts in sequences.items()}


def number(text: str) -> int:
    """Return an integer from ``315``, ``315.0`` or nothing (0)."""
    return int(float(text)) if text not in ("", "-", "_", "nan") else 0


def expected_pocket(row: dict[str, str]) -> np.ndarray:
    """Return the 85 residue numbers, 0 for a gap."""
    return np.array([number(item) for item in row["pocket_resnums"].split(",")])


def found_pocket(annotation: Annotation, row: dict[str, str]) -> tuple[np.ndarray, str]:
    """Return the pocket of the domain that the row is about, and what the annotation says of it."""
    expected = expected_pocket(row)
    used = expected[expected > 0]
    first = number(row["domain_start"]) or int(used.min())
    last = number(row["domain_end"]) or int(used.max())
    best, overlap = None, 0
    for domain in annotation.domains:
        shared = min(domain.last, last) - max(domain.first, first)
        if shared > overlap:
            best, overlap = domain, shared
    if best is None or not best.pocket:
        return np.zeros(85, dtype=int), annotation.statement
    return np.array([residue.number or 0 for residue in best.pocket]), best.statement


def runs(expected: np.ndarray, found: np.ndarray) -> str:
    """Write wrong positions as ``20-32:+2`` (shifted by 2), ``50:gap`` (found none) or ``50:no gap``."""
    parts: list[list] = []
    for position in np.flatnonzero(expected != found) + 1:
        e, f = int(expected[position - 1]), int(found[position - 1])
        kind = "gap" if not f else "no gap" if not e else f"{f - e:+d}"
        if parts and parts[-1][1] == position - 1 and parts[-1][2] == kind:
            parts[-1][1] = position
        else:
            parts.append([position, position, kind])
    return " ".join(f"{a}-{b}:{kind}" for a, b, kind in parts)


def seen_genes() -> set[str]:
    """Return the genes that some profile was built from."""
    return {member.partition("_")[0] for family in families() for member in load_profile(family).members}


def measure_pockets(rows: list[dict[str, str]], sequences: dict[str, str], table: Table) -> None:
    """Annotate each row in each way that applies to it."""
    seen = seen_genes()
    groups: dict[str, frozenset[str]] = {}
    for row in rows:
        groups[row["family"]] = groups.get(row["family"], frozenset()) | {row["gene"]}
    started = time.perf_counter()
    for done, (i, row) in enumerate(sorted(enumerate(rows), key=lambda item: (item[1]["family"], item[0])), start=1):
        ways = ["default", "profile"] + (["left_out"] if row["gene"] in seen else [])
        for way in ways:
            if (str(i), row["gene"], way) in table.rows:
                continue
            begun = time.process_time()
            without = groups[row["family"]] if way == "left_out" else frozenset()
            annotation = annotate_sequence(sequences[row["uniprot"]], use_table=way == "default", leave_out=without)
            expected, (found, statement) = expected_pocket(row), found_pocket(annotation, row)
            table.add(
                {
                    "row": i, "gene": row["gene"], "way": way, "family": row["family"],
                    "seen": int(row["gene"] in seen), "in_table": int(row["gene"] in known_kinases()),
                    "gatekeeper": number(row["gatekeeper_resnum"]), "gatekeeper_found": int(found[GATEKEEPER]),
                    "positions_right": int((expected == found).sum()), "wrong": runs(expected, found),
                    "seconds": round(time.process_time() - begun, 3), "statement": statement,
                }
            )  # fmt: skip
        if done % 25 == 0 or done == len(rows):
            print(f"pockets {done}/{len(rows)}, {time.perf_counter() - started:.0f} s", flush=True)


def stated(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield chain with altloc, DFG and alpha-C state of each whole entry of ``klifs_state``."""
    for item in text.split(";"):
        match = re.fullmatch(r"\s*(\w+):DFG-(in|out|out-like)/aC-(in|out|out-like)", item)
        if match:
            yield match[1], match[2], match[3]


def as_receptor(raw, kinase, numbers) -> Receptor:
    """Return the heavy atoms of a chain with UniProt numbers."""
    return Receptor(
        name=raw.source, kinase=kinase.gene, uniprot=kinase.uniprot, source=raw.source, modelled=False,
        atom_names=raw.atom_names, elements=raw.elements, atom_residue=raw.atom_residue, coordinates=raw.coordinates,
        residue_names=raw.residue_names, chain_ids=np.array([raw.chain] * raw.n_residues),
        insertion_codes=raw.insertion_codes, author_numbers=raw.author_numbers, uniprot_numbers=numbers,
        segments=raw.segments,
    )  # fmt: skip


def read_chain(path: Path, names: Iterable[str]):
    """Read the first of these chains that the file has."""
    error: DockkitError | None = None
    for name in names:
        try:
            return read_structure(path, chain=name)
        except DockkitError as caught:
            error = caught
    raise error or ValueError(f"{path}: no chain named")


def measure_states(rows: list[dict[str, str]], folder: Path, table: Table) -> None:
    """Measure each chain with a stated conformation."""
    for done, row in enumerate(rows, start=1):
        chains: dict[str, tuple[str, str, str]] = {}
        for label, dfg, helix in stated(row.get("klifs_state", "")):
            chains.setdefault(label[0], (label, dfg, helix))
        for chain, (label, dfg, helix) in chains.items():
            if (row["pdb"], chain) in table.rows:
                continue
            try:
                raw = read_chain(folder / row["file"], dict.fromkeys((label, chain)))
                kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
                found = measure_conformation(as_receptor(raw, kinase, numbers), kinase)
            except DockkitError as error:
                table.add(
                    {"pdb": row["pdb"], "chain": chain, "gene": row["gene"], "note": str(error).split("; ")[0][-120:]}
                )
                continue
            table.add(
                {
                    "pdb": row["pdb"], "chain": chain, "gene": row["gene"], "klifs_dfg": dfg, "klifs_alpha_c": helix,
                    "dfg": found.dfg, "alpha_c": found.alpha_c, "salt_bridge": found.salt_bridge, "spine": found.spine,
                    "activation_loop": found.activation_loop, "loop_missing": found.activation_loop_missing,
                    **{name: round(value, 2) for name, value in (*found.measures, *found.angles)},
                }
            )  # fmt: skip
        if done % 10 == 0 or done == len(rows):
            print(f"states {done}/{len(rows)} structures", flush=True)


def measure_constructs(rows: list[dict[str, str]], folder: Path, table: Table) -> None:
    """Compare kinase, offset and differences of each structure's first chain of the kinase with the table."""
    for row in rows:
        listed = re.match(r"(\w):(\w+)\[(-?\d+)-(-?\d+)\] off=(-?\d+)", row.get("chains", ""))
        if listed is None or (row["pdb"],) in table.rows:
            continue
        record: dict[str, object] = {"pdb": row["pdb"], "chain": listed[1], "gene": row["gene"]}
        try:
            raw = read_structure(folder / row["file"], chain=listed[1])
            kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
        except DockkitError as error:
            table.add({**record, "note": str(error)[-150:]})
            continue
        changes = construct_changes(
            raw.sequence, numbers, kinase, author_numbers=raw.author_numbers, residue_names=raw.residue_names.tolist(),
            chain=raw.chain, insertion_codes=raw.insertion_codes.tolist(),
        )  # fmt: skip
        offset = int(listed[5])
        expected = [item for item in row["differences_vs_uniprot"].split(";") if re.fullmatch(r"[A-Z]\d+[A-Z]", item)]
        tags = {change.author_number - offset for change in changes if change.kind == "tag"}
        ours = {change.what.split()[0] for change in changes if change.kind == "engineered"}
        counted = re.match(r"(\d+) \(", row["differences_vs_uniprot"])
        lacking = [item for item in expected if item not in ours and int(item[1:-1]) not in tags]
        surplus = sorted(ours - set(expected)) if not counted else []
        agree = not lacking and not surplus and (not counted or len(ours) == int(counted[1]))
        usual = np.bincount(np.abs(raw.author_numbers[numbers > 0] - numbers[numbers > 0] - offset)).argmax() == 0
        table.add(
            {
                **record, "found": kinase.gene, "offset": offset, "offset_agrees": int(usual),
                "offset_text": describe_offset(raw.author_numbers, numbers), "differences_agree": int(agree),
                "expected": row["differences_vs_uniprot"], "ours": ";".join(sorted(ours, key=lambda x: int(x[1:-1]))),
                "n_tag": len(tags),
            }
        )  # fmt: skip
    print(f"constructs {len(table.rows)}", flush=True)


def share(values: list[bool]) -> float:
    """Return the fraction that is true, NaN for none."""
    return round(float(np.mean(values)), 4) if values else float("nan")


def like(state: str) -> str:
    """Count ``out-like`` with ``out``."""
    return state.removesuffix("-like")


def summarise(pockets: Table, states: Table, constructs: Table) -> dict[str, float]:
    """Return the flat table of metrics."""
    summary: dict[str, float] = {}
    rows = list(pockets.rows.values())
    parts = {
        "": [row for row in rows if row["way"] == "default"],
        "_profile_only": [row for row in rows if row["way"] == "profile"],
        "_unseen": [row for row in rows if row["way"] == "profile" and row["seen"] == "0"],
        "_left_out": [row for row in rows if row["way"] == "left_out"],
    }
    for suffix, part in parts.items():
        summary[f"gatekeeper_right{suffix}"] = share([r["gatekeeper"] == r["gatekeeper_found"] for r in part])
        right = sum(int(r["positions_right"]) for r in part)
        summary[f"pocket_positions_right{suffix}"] = round(right / (85 * len(part)), 4) if part else float("nan")
        summary[f"n_kinases{suffix}"] = len(part)
    chains = [row for row in states.rows.values() if row["dfg"]]
    summary["dfg_agree"] = share([row["dfg"] == like(row["klifs_dfg"]) for row in chains])
    summary["alphac_agree"] = share([row["alpha_c"] == like(row["klifs_alpha_c"]) for row in chains])
    summary["n_chains"] = len(chains)
    summary["n_chains_not_read"] = len(states.rows) - len(chains)
    built = [row for row in constructs.rows.values() if row["found"]]
    for name, field in (("kinase", ""), ("offset", "offset_agrees"), ("differences", "differences_agree")):
        hits = [row[field] == "1" if field else row["found"] == row["gene"] for row in built]
        summary[f"{name}_agree"] = share(hits)
    summary["n_constructs"] = len(built)
    summary["seconds"] = round(sum(float(row["seconds"]) for row in rows), 1)
    summary["seconds_median_annotation"] = float(np.median([float(row["seconds"]) for row in parts[""]] or [np.nan]))
    return summary


def write_misses(path: Path, rows: list[dict[str, str]], fields: list[str]) -> None:
    """Write chosen rows."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    """Measure and write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--klifs", type=Path, default=DATA / "klifs" / "klifs_pockets.csv")
    parser.add_argument("--sequences", type=Path, default=DATA / "sequences" / "human_kinases_uniprot.fasta")
    parser.add_argument("--structures", type=Path, default=DATA / "structures", help="folder with structures.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fresh", action="store_true", help="measure again what is there already")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    pockets = Table(out / "pockets.csv", POCKET_FIELDS, 3, arguments.fresh)
    states = Table(out / "states.csv", STATE_FIELDS, 2, arguments.fresh)
    constructs = Table(out / "constructs.csv", CONSTRUCT_FIELDS, 1, arguments.fresh)
    rows = read_rows(arguments.structures / "structures.csv")
    measure_states(rows, arguments.structures, states)
    measure_constructs(rows, arguments.structures, constructs)
    wanted = [row for row in read_rows(arguments.klifs) if row["map_ok"].lower() in ("true", "1")]
    sequences = read_fasta(arguments.sequences)
    present = [row for row in wanted if row["uniprot"] in sequences]
    print(f"{len(present)} of {len(wanted)} rows have a sequence", flush=True)
    measure_pockets(present, sequences, pockets)
    write_misses(out / "pocket_misses.csv", [r for r in pockets.rows.values() if r["wrong"]], pockets.fields)
    misses = [
        r for r in states.rows.values()
        if r["dfg"] and (r["dfg"] != like(r["klifs_dfg"]) or r["alpha_c"] != like(r["klifs_alpha_c"]))
    ]  # fmt: skip
    write_misses(out / "state_misses.csv", misses, states.fields)
    summary = summarise(pockets, states, constructs)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
