"""Mutilated structure files through reading, identification and preparation: none may crash, hang or pass in silence.

Each input is derived from a seed and a good file (``mutilate.py``) and goes through the ``receptor`` step of a study in
a child process. An input is

* ``refused``: an error of dockkit's own that names the file and says more than a bare exception would;
* ``read``: a receptor, and whatever differs from the receptor of the good file is stated;
* ``crashed``: any other exception, an error without a useful message, or the death of the process;
* ``hung``: no answer within the time limit, of the child's processor time so that a busy machine does not count (ten
  times as long by the clock);
* ``silent``: a receptor that lacks a residue of the good file's, has one more or another one, has an observed heavy
  atom (one that preparation of the good file keeps) more than 1 Angstrom elsewhere, or a residue at its place under
  another UniProt number, where no Change or note that only one of the two receptors has names that residue or a range
  that holds it. A statement about the whole chain or file suffices for residues that are gone, and for everything where
  it says that another chain, model or order was taken. Statements about waters do not count.

    python benchmarks/fuzz.py --structures ../shared/data/structures --n 500 --out benchmarks/out/fuzz
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import multiprocessing
import os
import re
import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import gemmi
import mutilate
import numpy as np

from dockkit.core.errors import DockkitError
from dockkit.core.library import library_dir

MOVED = 1.0
"""An observed heavy atom further than this from its place in the good file has moved, Angstrom."""

MEMORY_BYTES = 8 << 30
CAPS = {"ACE", "NME"}
NOTHING: dict[str, Any] = {"chain": "", "names": {}, "atoms": {}, "said": [], "observed": set()}
FIELDS = ["input", "file", "damage", "outcome", "seconds", "detail"]


# --------------------------------------------------------------------------- in the child


def summary(path: str, clean: bool) -> dict[str, Any]:
    """Prepare a file and return residues with their heavy atoms, and everything that was stated."""
    from dockkit.pipeline.steps import run_receptor
    from dockkit.structure import read_structure

    params = {"entry": path, "chain": "", "kinase": "", "preparation": {}, "numbering": "uniprot", "seed": 0}
    receptor = run_receptor(params, {}, Path())
    atoms: dict[tuple[int, str], dict[str, list[float]]] = {}
    names = {}
    for residue in range(receptor.n_residues):
        name, number = str(receptor.residue_names[residue]), int(receptor.author_numbers[residue])
        if name in CAPS or name == "HOH" or len(receptor.atom_indices(residue)) == 1:
            continue
        key = (number, str(receptor.insertion_codes[residue]))
        if int(receptor.uniprot_numbers[residue]):
            key = (int(receptor.uniprot_numbers[residue]), "uniprot")
        names[key] = (name, number)
        atoms[key] = {
            str(receptor.atom_names[i]): receptor.coordinates[i].tolist()
            for i in receptor.atom_indices(residue)
            if receptor.elements[i] != "H"
        }
    said = [change.sentence for change in receptor.changes if change.kind != "water"]
    raw = read_structure(path)
    said += [change.sentence for change in raw.changes] + [note for note in receptor.notes if "water" not in note]
    observed: set[tuple[int, str]] = set()
    if clean:
        numbers = raw.author_numbers[raw.atom_residue].tolist()
        rebuilt = {change.author_number for change in receptor.changes if change.kind == "loop"}
        pairs = zip(numbers, raw.atom_names.tolist(), strict=True)
        observed = {(number, name) for number, name in pairs if number not in rebuilt}
    return {"chain": raw.chain, "names": names, "atoms": atoms, "said": sorted(set(said)), "observed": observed}


def serve(pipe: Connection) -> None:
    """Answer paths with summaries, or with what went wrong, until told to stop."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        path, clean = pipe.recv()
        try:
            pipe.send(("read", summary(path, clean)))
        except DockkitError as error:
            pipe.send(("refused", str(error)))
        except BaseException as error:  # noqa: BLE001
            last = traceback.extract_tb(error.__traceback__)[-1]
            pipe.send(("crashed", f"{type(error).__name__}: {error} at {Path(last.filename).name}:{last.lineno}"))


class Child:
    """A process that prepares files; a new one is started where it dies or hangs."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.process: Any = None

    def ask(self, path: Path, clean: bool = False) -> tuple[str, Any, float]:
        """Return outcome, summary or message, and seconds of processor time."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=serve, args=(other,), daemon=True)
            self.process.start()
            other.close()
            first = True
        else:
            first = False
        start = time.monotonic()
        self.pipe.send((str(path), clean))
        try:
            limit = self.limit + (60 if first or clean else 0)
            used = self.processor_seconds()
            while not self.pipe.poll(0.5):
                spent = self.processor_seconds() - used
                if spent > limit or time.monotonic() - start > 10 * limit:
                    break
            else:
                outcome, value = self.pipe.recv()
                return outcome, value, self.processor_seconds() - used
            outcome, value = "hung", f"no answer in {self.limit:g} s"
        except EOFError:
            outcome, value = "crashed", "the process died"
        self.stop()
        return outcome, value, time.monotonic() - start

    def processor_seconds(self) -> float:
        """Return the processor time of the child so far; the clock's where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return time.monotonic()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


# --------------------------------------------------------------------------- judging


def differences(clean: dict[str, Any], now: dict[str, Any]) -> dict[int, tuple[str, int]]:
    """Return what is not as in the good file, and the residue's number now, by author number in the good file."""
    found: dict[int, tuple[str, int]] = {}
    places = {(now["names"][key][0], tuple(np.round(atoms["CA"], 2))): key for key, atoms in now["atoms"].items()}
    matched = set()
    for key, (name, number) in clean["names"].items():
        if key not in now["names"]:
            same = places.get((name, tuple(np.round(clean["atoms"][key]["CA"], 2))))
            if same is None:
                found[number] = f"{name} {number} is gone", number
            elif same[1] == "uniprot":
                found[number] = f"{name} {number} is UniProt {same[0]} now", now["names"][same][1]
            matched.add(same)
            continue
        if now["names"][key][0] != name:
            found[number] = f"{name} {number} is {now['names'][key][0]}", now["names"][key][1]
            continue
        for atom, place in clean["atoms"][key].items():
            if (number, atom) in clean["observed"] and atom in now["atoms"][key]:
                shift = float(np.linalg.norm(np.subtract(place, now["atoms"][key][atom])))
                if shift > MOVED:
                    found[number] = f"{name} {number} {atom} moved by {shift:.1f} A", now["names"][key][1]
    for key in now["names"].keys() - clean["names"].keys() - matched:
        name, number = now["names"][key]
        found.setdefault(number, (f"{name} {number} is new", number))
    return found


RANGE = re.compile(r"(-?\d+)[A-Z]?(?: to |-)\w{3} (?:\w*:)?(-?\d+)")


def is_stated(number: int, what: str, said: list[str], other_chain: bool) -> bool:
    """Tell whether a statement names a residue or a range that holds it, or says as much of the whole chain."""
    for text in said:
        if re.search(r"first of \d+ models|order of their numbers|after the END", text):
            return True
        if other_chain and re.search(r"^chain \S+ taken", text):
            return True
        if what.endswith("gone") and re.match(r"the file has no END|\d+ of the \d+ residues", text):
            return True
        if re.search(rf"(?<![\d.]){number}(?![\d.]\d|\d)", text):
            return True
        for low, high in RANGE.findall(text):
            if int(low) <= number <= int(high):
                return True
    return False


def is_useful(message: str, path: Path) -> bool:
    """Tell a message for people: it names the file and is no bare exception."""
    bare = re.search(r"Traceback|NoneType|has no attribute|object is not|index out of|KeyError|positional arg", message)
    return path.stem in message and len(message) > len(path.name) + 20 and bare is None


def judge(clean: dict[str, Any], outcome: str, value: Any, path: Path) -> tuple[str, str]:
    """Return the outcome and a line of detail."""
    if outcome == "refused":
        return ("refused" if is_useful(value, path) else "crashed"), str(value).replace(str(path), path.name)
    if outcome != "read":
        return outcome, str(value)
    new = sorted(set(value["said"]) ^ set(clean["said"]))
    found = differences(clean, value)
    other = value["chain"] != clean["chain"]
    mute = [
        text
        for number, (text, here) in sorted(found.items())
        if not is_stated(number, text, new, other) and not is_stated(here, text, new, other)
    ]
    if mute:
        return "silent", f"{len(mute)} of {len(found)} unstated: " + "; ".join(mute[:5])
    return "read", f"{len(found)} residues differ, {len(new)} statements: " + "; ".join(new)[:300]


# --------------------------------------------------------------------------- the inputs


@dataclass(frozen=True)
class Case:
    """One mutilated input."""

    number: int
    source: Path
    damage: str

    @property
    def name(self) -> str:
        """Such as ``0042-1iep-shuffled``."""
        return f"{self.number:04d}-{self.source.name.split('.')[0]}-{self.damage}"


def sources(folder: Path, count: int, seed: int) -> list[Path]:
    """Return some good files: two thirds from the folder, the rest from the library."""
    rng = np.random.default_rng(seed)
    found = sorted(path for path in folder.iterdir() if re.search(r"\.(pdb|ent|cif)(\.gz)?$", path.name))
    own = sorted(library_dir("structures").glob("*.cif.gz"))
    n = min(len(found), max(1, 2 * count // 3))
    picked = [found[i] for i in sorted(rng.choice(len(found), n, replace=False))]
    return picked + [own[i] for i in sorted(rng.choice(len(own), min(len(own), max(1, count - n)), replace=False))]


def texts(path: Path) -> tuple[str, str]:
    """Return a good file as PDB and as mmCIF text."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", errors="replace")
    structure = gemmi.read_structure(str(path))
    if ".cif" in path.name:
        return structure.make_pdb_string(), text
    structure.setup_entities()
    structure.assign_label_seq_id()
    return text, structure.make_mmcif_document().as_string()


def cases(files: list[Path], n: int, seed: int) -> Iterator[tuple[Case, bytes, str]]:
    """Make the inputs one after the other: every damage in turn, each on a file drawn from the seed.

    Yields
    ------
    case, content, kind : Case, bytes, {"pdb", "cif"}
    """
    tables = {
        "pdb": {**mutilate.pdb_damage(), **mutilate.text_damage()},
        "cif": {**mutilate.cif_damage(), **{f"cif-{k}": v for k, v in mutilate.text_damage().items()}},
    }
    listing = [(kind, name) for kind, table in tables.items() for name in table]
    listing += [("absurd", kind) for kind in mutilate.ABSURD]
    order = np.random.default_rng([seed, 1]).permutation(len(listing))
    for number in range(n):
        rng = np.random.default_rng([seed, 2, number])
        source = files[int(rng.integers(len(files)))]
        kind, name = listing[order[number % len(listing)]]
        case = Case(number, source, name)
        if kind == "absurd":
            yield case, mutilate.absurd(name), "pdb"
            continue
        pdb, cif = texts(source)
        yield case, tables[kind][name](pdb if kind == "pdb" else cif, rng), kind


def main() -> None:
    """Run the inputs, resuming where an earlier run stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=Path, default=Path("../shared/data/structures"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/fuzz"))
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--files", type=int, default=15, help="good files that the inputs are made from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of processor time an input may take")
    parser.add_argument("--only", default="", help="run the inputs whose name contains this; results are not kept")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "fuzz.csv"
    done: dict[str, dict[str, str]] = {}
    if table.exists() and not options.only:
        with table.open(newline="") as stream:
            done = {row["input"]: row for row in csv.DictReader(stream)}
    child, clean = Child(options.limit), {}
    start = time.monotonic()
    for case, content, kind in cases(sources(options.structures, options.files, options.seed), options.n, options.seed):
        if case.name in done or options.only not in case.name:
            continue
        key = (case.source, kind)
        if key not in clean and case.damage not in mutilate.ABSURD:
            good = options.out / f"good-{case.source.name.split('.')[0]}.{kind}"
            good.write_text(texts(case.source)[kind == "cif"])
            outcome, value, _ = child.ask(good, clean=True)
            clean[key] = value if outcome == "read" else NOTHING
            if outcome != "read":
                print(f"{good.name}: {outcome}: {value}", flush=True)
            good.unlink()
        path = options.out / f"{case.name}.{kind}"
        path.write_bytes(content)
        outcome, value, seconds = child.ask(path)
        outcome, detail = judge(clean.get(key, NOTHING), outcome, value, path)
        row = {"input": case.name, "file": case.source.name, "damage": case.damage, "outcome": outcome,
               "seconds": f"{seconds:.2f}", "detail": detail.replace("\n", " ")[:500]}  # fmt: skip
        done[case.name] = row
        if outcome in ("refused", "read"):
            path.unlink()
        if not options.only:
            new = not table.exists()
            with table.open("a", newline="") as stream:
                writer = csv.DictWriter(stream, FIELDS)
                if new:
                    writer.writeheader()
                writer.writerow(row)
        print(f"{case.name}: {outcome} ({seconds:.1f} s) {detail[:160]}", flush=True)
    child.stop()
    if options.only:
        return
    outcomes = [row["outcome"] for row in done.values()]
    counts = {kind: outcomes.count(kind) for kind in ("refused", "read", "crashed", "hung", "silent")}
    slowest = max((float(row["seconds"]) for row in done.values()), default=0.0)
    result = {"n": len(outcomes), **counts, "seconds_slowest": slowest, "seconds": round(time.monotonic() - start, 1)}
    (options.out / "summary.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
