"""Missing conformations modelled and compared with crystals that have them.

For every kinase of which structures in two states are at hand (the table's and, unless ``--no-library``, the bundled
ones), one is modelled in the other's state after a structure of another kinase: the kinase's own bundled structures are
excluded. The model is laid on the crystal by the C-lobe (C-alpha atoms that agree), and main-chain RMSD of the
activation loop, C-alpha RMSD of the pocket and others are taken beside those of the structure it started from (the
null). Several references give a median. States are dockkit's own measure; a pair counts only where the DFG motif (or
the helix) really stands elsewhere, by ``MOVED``. Seconds are of one core.

    python benchmarks/model_state.py --structures ../shared/data/structures --out benchmarks/out/model_state
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import pandas as pd

from dockkit.core.errors import DockkitError
from dockkit.core.library import library_dir
from dockkit.core.model import Kinase, Receptor
from dockkit.core.settings import PreparationSettings
from dockkit.kinase import identify_kinase, measure_conformation, motifs
from dockkit.pipeline.states import model_state
from dockkit.structure import catalogue, prepare_receptor, read_structure
from dockkit.structure.homology import Chain, by_uniprot, lay, lower_lobe, polymer
from dockkit.structure.states import crystal_receptor

PLAIN = PreparationSettings(waters="none", metals="none", longest_loop=0)
MOVED = {"dfg": 3.0, "alpha_c": 2.5}
"""Main-chain RMSD between start and reference from which on they are two states, Angstrom."""

MAIN = ("N", "CA", "C", "O")


@dataclasses.dataclass
class Crystal:
    """One structure: what it is and which states it has."""

    name: str
    path: Path
    kinase: Kinase
    receptor: Receptor
    resolution: float

    @property
    def dfg(self) -> str:
        """DFG state as measured."""
        return self.receptor.conformation.dfg

    @property
    def alpha_c(self) -> str:
        """Alpha-C state as measured."""
        return self.receptor.conformation.alpha_c


def read(name: str, path: Path, resolution: float) -> Crystal | None:
    """Read a crystal and measure its state."""
    try:
        raw = read_structure(path)
        kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
    except DockkitError as error:
        print(f"{name}: left out: {error}", flush=True)
        return None
    receptor = crystal_receptor(raw, name=name, kinase=kinase, numbers=numbers)
    receptor = dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase))
    return Crystal(name, path, kinase, receptor, resolution)


def gather(folder: Path, library: bool) -> list[Crystal]:
    """Return the crystals of the table and of the library."""
    table = pd.read_csv(folder / "structures.csv").sort_values(["resolution", "pdb"])
    found = [read(row.pdb, folder / row.file, float(row.resolution)) for row in table.itertuples()]
    if library:
        known = {crystal.name.upper() for crystal in found if crystal}
        for entry in catalogue():
            if not entry.modelled and entry.pdb_id not in known:
                found.append(read(entry.name, library_dir("structures") / entry.file, 9.0))
    return [crystal for crystal in found if crystal is not None]


def jobs(crystals: list[Crystal], starts: int, references: int) -> list[tuple[str, Crystal, list[Crystal]]]:
    """Return (state, start, references) for every kinase seen in two states."""
    found = []
    for gene in sorted({crystal.kinase.gene for crystal in crystals}):
        mine = [crystal for crystal in crystals if crystal.kinase.gene == gene]
        for state in ("in", "out"):
            other = "out" if state == "in" else "in"
            begin = [c for c in mine if c.dfg == other]
            end = [c for c in mine if c.dfg == state]
            found += paired(f"dfg-{state}", "dfg", begin, end, starts, references)
        for state in ("in", "out"):
            other = "out" if state == "in" else "in"
            begin = [c for c in mine if c.alpha_c == other and c.dfg == "in"]
            end = [c for c in mine if c.alpha_c == state and c.dfg == "in"]
            found += paired(f"alpha-c-{state}", "alpha_c", begin, end, starts, references)
    return found


def paired(
    state: str, part: str, begin: list[Crystal], end: list[Crystal], starts: int, references: int
) -> list[tuple[str, Crystal, list[Crystal]]]:
    """Give each start the references that differ from it."""
    found = []
    for start in begin:
        apart = [c for c in end if moved(start, c, part) >= MOVED[part]]
        if apart and len(found) < starts:
            found.append((state, start, apart[:references]))
    return found


def moved(one: Crystal, other: Crystal, part: str) -> float:
    """Return the RMSD of a part between two crystals laid on each other by the C-lobe; 0 where it is missing."""
    value = deviations(one.receptor, one.receptor, other.receptor, one.kinase)[f"{part}_rmsd"]
    return 0.0 if np.isnan(value) else value


def apart(one: Chain, other: Chain, numbers: list[int], atoms: tuple[str, ...]) -> float:
    """Return the RMSD over the residues that both have, without further superposition."""
    squares = [
        float(((one[n].xyz[a] - other[n].xyz[a]) ** 2).sum())
        for n in numbers
        if n in one and n in other
        for a in atoms
        if a in one[n].xyz and a in other[n].xyz
    ]
    return float(np.sqrt(np.mean(squares))) if squares else float("nan")


def deviations(model: Receptor, start: Receptor, reference: Receptor, kinase: Kinase) -> dict[str, float]:
    """Compare model and start with a reference."""
    parts = motifs(kinase)
    loop = parts["activation_loop"]
    true = by_uniprot(polymer(reference))
    core = lower_lobe(kinase, loop)
    laid, _, _ = lay(by_uniprot(polymer(model)), true, core)
    null, _, _ = lay(by_uniprot(polymer(start)), true, core)
    shared = set(laid) & set(null) & set(true)
    segments = {
        "loop": (list(loop), MAIN),
        "dfg": (list(parts["dfg"]), MAIN),
        "loop_start": (list(loop[:8]), MAIN),
        "p_loop": (list(parts["p_loop"]), MAIN),
        "alpha_c": (list(parts["alpha_c"]), MAIN),
        "pocket": ([n for n in kinase.pocket if n], ("CA",)),
    }
    row: dict[str, float] = {}
    for name, (numbers, atoms) in segments.items():
        both = [n for n in numbers if n in shared]
        row[f"{name}_rmsd"] = apart(laid, true, both, atoms)
        row[f"{name}_null_rmsd"] = apart(null, true, both, atoms)
    row["loop_all_rmsd"] = apart(laid, true, list(loop), MAIN)
    return row


def measure(state: str, start: Crystal, references: list[Crystal], parts: tuple[str, ...] | None, seed: int) -> dict:
    """Model one state and compare."""
    row: dict = {"model_dfg": "", "model_alpha_c": "", "right": False, "error": "", "template": "", "seconds": np.nan}
    try:
        raw = read_structure(start.path)
        _, numbers = identify_kinase(raw.sequence, segments=raw.segments)
        receptor = prepare_receptor(
            raw, name=start.name, kinase=start.kinase, uniprot_numbers=numbers, settings=PLAIN, modelled=False
        )
        receptor = dataclasses.replace(receptor, conformation=start.receptor.conformation)
        begin = time.process_time()
        model = model_state(
            receptor, start.kinase, state, excluded=frozenset({start.kinase.uniprot}), settings=PLAIN, parts=parts,
            seed=seed,
        )  # fmt: skip
        row["seconds"] = time.process_time() - begin
    except DockkitError as error:
        return row | {"error": str(error)}
    row["model_dfg"], row["model_alpha_c"] = model.conformation.dfg, model.conformation.alpha_c
    row["template"] = model.changes[0].what.split(" after ")[1].split(";")[0]
    which, _, value = state.rpartition("-")
    row["right"] = (model.conformation.dfg if which == "dfg" else model.conformation.alpha_c) == value
    row["breaks"] = sum(change.kind == "break" for change in model.changes)
    found = pd.DataFrame([deviations(model, receptor, r.receptor, start.kinase) for r in references])
    row |= {"loop_rmsd_closest": float(found.loop_rmsd.min()), "pocket_rmsd_closest": float(found.pocket_rmsd.min())}
    return row | {name: float(value) for name, value in found.median().items()}


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Return the flat summary: all, then by state."""

    def numbers(part: pd.DataFrame, head: str) -> dict[str, float]:
        names = {
            "backbone_rmsd_median": "loop_rmsd", "pocket_rmsd_median": "pocket_rmsd",
            "null_rmsd_median": "loop_null_rmsd", "null_pocket_rmsd_median": "pocket_null_rmsd",
            "dfg_rmsd_median": "dfg_rmsd", "null_dfg_rmsd_median": "dfg_null_rmsd",
            "alpha_c_rmsd_median": "alpha_c_rmsd", "null_alpha_c_rmsd_median": "alpha_c_null_rmsd",
            "backbone_rmsd_closest_median": "loop_rmsd_closest", "pocket_rmsd_closest_median": "pocket_rmsd_closest",
            "backbone_rmsd_max": "loop_rmsd", "seconds_median": "seconds",
        }  # fmt: skip
        row = {f"{head}n": len(part), f"{head}state_right": float(part.right.mean())}
        for name, column in names.items():
            if column in part:
                value = part[column].max() if name.endswith("max") else part[column].median()
                row[head + name] = round(float(value), 3)
        return row

    summary = numbers(frame, "")
    for state, part in frame.groupby("state"):
        summary |= numbers(part, f"{state}_")
    return summary


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
    parser.add_argument("--structures", type=Path, default=default, help="folder with structures.csv and its files")
    parser.add_argument("--no-library", action="store_true", help="leave the bundled crystals out")
    parser.add_argument("--starts", type=int, default=3, help="structures to start from, per kinase and state")
    parser.add_argument("--references", type=int, default=5, help="crystals to compare with, best resolved first")
    parser.add_argument("--states", default="dfg-in,dfg-out,alpha-c-in,alpha-c-out")
    parser.add_argument(
        "--parts", default="", help="activation loop,alpha-C,P-loop; empty for the default of the state"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts = tuple(options.parts.split(",")) if options.parts else None
    path = options.out / "model_state.csv"
    rows = pd.read_csv(path, keep_default_na=False, na_values=[""]).to_dict("records") if path.is_file() else []
    done = {(row["state"], row["start"]) for row in rows}
    wanted = options.states.split(",")
    crystals = gather(options.structures, not options.no_library)
    todo = [job for job in jobs(crystals, options.starts, options.references) if job[0] in wanted]
    for count, (state, start, references) in enumerate(todo, start=1):
        if (state, start.name) in done:
            continue
        row = {"gene": start.kinase.gene, "state": state, "start": start.name}
        row |= {"references": " ".join(r.name for r in references)}
        row |= measure(state, start, references, parts, options.seed)
        rows.append(row)
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.3f")
        outcome = row["error"] or (
            f"loop {row['loop_rmsd']:.2f} (null {row['loop_null_rmsd']:.2f}), DFG {row['dfg_rmsd']:.2f}, "
            f"pocket {row['pocket_rmsd']:.2f} (null {row['pocket_null_rmsd']:.2f}) A, {row['seconds']:.0f} s, "
            f"after {row['template']}"
        )
        print(f"{count}/{len(todo)} {row['gene']} {start.name} {state}: {outcome}", flush=True)
    frame = pd.DataFrame(rows)
    frame["right"] = frame.right.astype(bool)
    summary = summarise(frame)
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
