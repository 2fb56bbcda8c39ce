"""Finished panels against what clinic and cell assays say of each pair: resistant, or still held.

Reads ``panel_long.csv`` of each panel's folder and a table of ``kinase, mutation, inhibitor, resistant`` (1 or 0), by
default ``benchmarks/data/panel_knowledge.csv``: calls set by hand from general knowledge of Redaelli et al., J. Clin.
Oncol. 2009, 27, 469; O'Hare et al., Cancer Cell 2009, 16, 401; Ren et al., J. Med. Chem. 2013, 56, 879; Leonetti et
al., Br. J. Cancer 2019, 121, 725; Gainor et al., Cancer Discov. 2016, 6, 1118; Shaw et al., N. Engl. J. Med. 2016, 374,
54; Serrano et al., Br. J. Cancer 2019, 120, 612; Smith et al., Cancer Cell 2019, 35, 738. Doubtful pairs are left out.
Writes ``pairs.csv`` (each pair with
what was expected) and ``summary.json``: AUROC of the expected effective ddG, of the computed one, and of the null model
that no pair is resistant (0.5); the share of pairs on the right side of 50 % probability, with the share that the
majority class alone gets; and for each mutation the share of its resistant-sensitive pairs of inhibitors that are
ranked the right way round.

    python benchmarks/panel_clinic.py --panels kit-panel egfr-panel --out benchmarks/out/panel_clinic
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

NUMBERS = ("ddg_expected_kcal_mol", "ddg_effective_kcal_mol", "resistance_probability")
Pair = dict[str, str]


def read(path: Path) -> list[Pair]:
    """Return the rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def joined(panels: list[Path], knowledge: Path) -> tuple[list[Pair], int]:
    """Return the pairs that both sides know and that have a value, and how many of them have none."""
    rows = {
        (row["kinase"], row["mutation"], row["ligand"]): row
        for folder in panels
        for row in read(folder / "panel_long.csv")
    }
    found, failed = [], 0
    for known in read(knowledge):
        row = rows.get((known["kinase"], known["mutation"], known["inhibitor"]))
        if row is None:
            continue
        if row["status"] != "ok":
            failed += 1
            continue
        found.append({**known, **{name: row[name] for name in (*NUMBERS, "rank", "call")}})
    return found, failed


def auroc(pairs: list[Pair], column: str) -> float:
    """Return the share of (resistant, sensitive) pairs in which the resistant one has the larger number."""
    groups = [[float(p[column]) for p in pairs if p["resistant"] == side] for side in ("1", "0")]
    return concordance(*groups)


def concordance(high: list[float], low: list[float]) -> float:
    """Return how often a value of the first is above one of the second; equal ones count half."""
    if not high or not low:
        return math.nan
    wins = sum((a > b) + 0.5 * (a == b) for a in high for b in low)
    return wins / (len(high) * len(low))


def scores(pairs: list[Pair], prefix: str) -> dict[str, float]:
    """Return the numbers of one group of pairs."""
    resistant = sum(p["resistant"] == "1" for p in pairs)
    right = sum((float(p["resistance_probability"]) > 0.5) == (p["resistant"] == "1") for p in pairs)
    by_mutation = defaultdict(list)
    for pair in pairs:
        by_mutation[pair["kinase"], pair["mutation"]].append(pair)
    ranked = [value for group in by_mutation.values() if math.isfinite(value := auroc(group, "rank"))]
    found = {
        "n": len(pairs), "resistant": resistant, "auroc_expected": auroc(pairs, NUMBERS[0]),
        "auroc_computed": auroc(pairs, NUMBERS[1]), "right_side": right / len(pairs),
        "right_side_majority": max(resistant, len(pairs) - resistant) / len(pairs), "mutations_ranked": len(ranked),
        "ranked_right_within_mutation": sum(ranked) / len(ranked) if ranked else math.nan,
    }  # fmt: skip
    return {f"{prefix}_{name}": round(value, 3) for name, value in found.items() if math.isfinite(value)}


def main() -> int:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", nargs="+", type=Path, required=True, help="output folders of dockkit panel")
    parser.add_argument("--knowledge", type=Path, default=HERE / "data" / "panel_knowledge.csv")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "panel_clinic")
    arguments = parser.parse_args()
    pairs, failed = joined(arguments.panels, arguments.knowledge)
    if not pairs:
        raise SystemExit("no pair of the panels is in the table")
    summary: dict[str, float] = {"failed": failed, **scores(pairs, "all")}
    for kinase in dict.fromkeys(pair["kinase"] for pair in pairs):
        summary |= scores([pair for pair in pairs if pair["kinase"] == kinase], kinase.lower())
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(pairs[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(pairs)
    (arguments.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for name, value in summary.items():
        print(f"{name:36} {value:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
