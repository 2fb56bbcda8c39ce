"""Ways of damaging a structure file, for ``fuzz.py`` and the tests: each takes a text and a generator, returns bytes.

Damage that gives another valid file (a rigid motion, all chains renamed alike) is left out: nothing could tell it.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable

import gemmi
import numpy as np

Generator = np.random.Generator
Damage = Callable[[str, Generator], bytes]


def is_atom(line: str) -> bool:
    """Tell coordinate records of a PDB file."""
    return line.startswith(("ATOM  ", "HETATM")) and len(line) >= 54


def on_lines(change: Callable[[list[str], Generator], Iterable[str]]) -> Damage:
    """Return a damage of a PDB text from one of its lines."""

    def damage(text: str, rng: Generator) -> bytes:
        return "".join(line + "\n" for line in change(text.splitlines(), rng)).encode()

    return damage


def on_atoms(share: float, change: Callable[[str, Generator], str]) -> Damage:
    """Return a damage that changes a share of the atom records, one by one; share 0 means one record."""

    def damage(text: str, rng: Generator) -> bytes:
        lines = text.splitlines()
        rows = [i for i, line in enumerate(lines) if is_atom(line)]
        for i in rng.choice(rows, size=max(1, int(share * len(rows))), replace=False):
            lines[i] = change(lines[i], rng)
        return ("\n".join(lines) + "\n").encode()

    return damage


def residue_of(line: str) -> str:
    """Return chain, number and insertion code of an atom record."""
    return line[21:27]


def on_residues(share: float, change: Callable[[list[str], Generator], list[str]]) -> Damage:
    """Return a damage that changes a share of the residues, each as its list of records; share 0 means one."""

    def damage(text: str, rng: Generator) -> bytes:
        lines = text.splitlines()
        names = sorted({residue_of(line) for line in lines if line.startswith("ATOM  ")})
        chosen = set(rng.choice(names, size=max(1, int(share * len(names))), replace=False).tolist())
        members: dict[str, list[str]] = {}
        for line in lines:
            if is_atom(line) and residue_of(line) in chosen:
                members.setdefault(residue_of(line), []).append(line)
        out: list[str] = []
        for line in lines:
            if is_atom(line) and residue_of(line) in chosen:
                out += change(members.pop(residue_of(line), []), rng)
            else:
                out.append(line)
        return ("\n".join(out) + "\n").encode()

    return damage


def moved(line: str, shift: np.ndarray) -> str:
    """Return an atom record with its position shifted."""
    xyz = [float(line[a : a + 8]) + d for a, d in zip((30, 38, 46), shift, strict=True)]
    return line[:30] + "".join(f"{v:8.3f}"[:8] for v in xyz) + line[54:]


def placed(line: str, values: Iterable[str]) -> str:
    """Return an atom record with other texts in its coordinate columns."""
    return line[:30] + "".join(f"{v:>8}"[:8] for v in values) + line[54:]


def direction(rng: Generator, length: float) -> np.ndarray:
    """Return a random vector of this length."""
    vector = rng.normal(size=3)
    return length * vector / np.linalg.norm(vector)


def scaled(factor: tuple[float, float, float]) -> Damage:
    """Return a damage that multiplies every coordinate."""

    def change(line: str, rng: Generator) -> str:
        values = [float(line[a : a + 8]) * f for a, f in zip((30, 38, 46), factor, strict=True)]
        return placed(line, [f"{v:.3f}" for v in values])

    return on_atoms(1.0, change)


def text_damage() -> dict[str, Damage]:
    """Return damages of any text: cut, junk, encodings, line ends, gzip."""

    def cut(text: str, rng: Generator) -> bytes:
        return text.encode()[: int(rng.integers(1, len(text)))]

    def cut_at_line(text: str, rng: Generator) -> bytes:
        lines = text.splitlines()
        return "\n".join(lines[: int(rng.integers(1, len(lines)))]).encode() + b"\n"

    def junk(text: str, rng: Generator) -> bytes:
        data, at = text.encode(), int(rng.integers(len(text)))
        return data[:at] + rng.bytes(int(rng.integers(1, 2000))) + data[at:]

    def only_junk(text: str, rng: Generator) -> bytes:
        return rng.bytes(int(rng.integers(1, 100_000)))

    def typos(text: str, rng: Generator) -> bytes:
        data = bytearray(text.encode())
        for at in rng.integers(len(data), size=int(rng.integers(1, 200))):
            if data[at] != 10:
                data[at] = int(rng.integers(32, 127))
        return bytes(data)

    def lost_bytes(text: str, rng: Generator) -> bytes:
        data, at = text.encode(), int(rng.integers(len(text)))
        return data[:at] + data[at + int(rng.integers(1, 5000)) :]

    def packed_cut(text: str, rng: Generator) -> bytes:
        data = gzip.compress(text.encode(), mtime=0)
        return data[: int(rng.integers(2, len(data)))]

    def packed_flipped(text: str, rng: Generator) -> bytes:
        data = bytearray(gzip.compress(text.encode(), mtime=0))
        at = int(rng.integers(10, len(data)))
        data[at] ^= 1 << int(rng.integers(8))
        return bytes(data)

    def mixed_ends(text: str, rng: Generator) -> bytes:
        ends = [b"\n", b"\r\n", b"\r"]
        return b"".join(line.encode() + ends[int(rng.integers(3))] for line in text.splitlines())

    def blank_lines(text: str, rng: Generator) -> bytes:
        return "".join(line + "\n" * int(rng.integers(1, 4)) for line in text.splitlines()).encode()

    return {
        "cut": cut, "cut-at-line": cut_at_line, "junk-inside": junk, "only-junk": only_junk, "typos": typos,
        "lost-bytes": lost_bytes, "gzip-cut": packed_cut, "gzip-flipped": packed_flipped, "mixed-ends": mixed_ends,
        "blank-lines": blank_lines,
        "crlf": lambda text, rng: text.replace("\n", "\r\n").encode(),
        "utf-16": lambda text, rng: text.encode("utf-16"),
        "utf-16-bare": lambda text, rng: text.encode("utf-16-le"),
        "bom": lambda text, rng: text.encode("utf-8-sig"),
        "empty": lambda text, rng: b" \n" * int(rng.integers(0, 3)),
        "twice": lambda text, rng: (text + text).encode(),
        "gzip-twice": lambda text, rng: gzip.compress(gzip.compress(text.encode(), mtime=0), mtime=0),
    }  # fmt: skip


def pdb_damage() -> dict[str, Damage]:
    """Return damages of a PDB text."""

    def shuffled(lines: list[str], rng: Generator) -> list[str]:
        return [lines[i] for i in rng.permutation(len(lines))]

    def shuffled_residues(lines: list[str], rng: Generator) -> list[str]:
        groups: dict[str, list[str]] = {}
        for line in lines:
            if is_atom(line):
                groups.setdefault(residue_of(line), []).append(line)
        names = list(groups)
        return [line for i in rng.permutation(len(names)) for line in groups[names[i]]] + ["END"]

    def twice_moved(lines: list[str], rng: Generator) -> list[str]:
        atoms = [line for line in lines if is_atom(line)]
        extra = [moved(atoms[i], direction(rng, 3.0)) for i in rng.integers(len(atoms), size=40)]
        return [*lines[:-1], *extra, "END"]

    def twice_same(lines: list[str], rng: Generator) -> list[str]:
        return [line for line in lines for _ in range(1 + (is_atom(line) and int(rng.integers(20) == 0)))]

    def copy_elsewhere(lines: list[str], rng: Generator) -> list[str]:
        shift = direction(rng, 60.0)
        return [*lines[:-1], *(moved(line, shift) for line in lines if is_atom(line)), "END"]

    def two_models(lines: list[str], rng: Generator) -> list[str]:
        atoms = [line for line in lines if is_atom(line)]
        other = [moved(line, direction(rng, 2.0)) for line in atoms]
        return ["MODEL        1", *atoms, "ENDMDL", "MODEL        2", *other, "ENDMDL", "END"]

    def altlocs(lines: list[str], rng: Generator) -> list[str]:
        out = []
        for line in lines:
            if is_atom(line):
                occupancy = float(rng.choice([0.3, 0.5, 0.7]))
                out.append(line[:16] + "A" + line[17:54] + f"{occupancy:6.2f}" + line[60:])
                out.append(
                    moved(line[:16] + "B" + line[17:54] + f"{1 - occupancy:6.2f}" + line[60:], direction(rng, 1.5))
                )
            else:
                out.append(line)
        return out

    def hetero_only(lines: list[str], rng: Generator) -> list[str]:
        return [line for line in lines if not line.startswith("ATOM  ")]

    def cut_columns(lines: list[str], rng: Generator) -> list[str]:
        width = int(rng.choice([54, 60, 66, 70]))
        return [line[:width] if is_atom(line) else line for line in lines]

    def number_order(lines: list[str], rng: Generator) -> list[str]:
        order: dict[str, int] = {}
        numbers = rng.permutation(9000)
        return [
            line[:22] + f"{numbers[order.setdefault(residue_of(line), len(order))]:4d} " + line[27:]
            if is_atom(line)
            else line
            for line in lines
        ]

    def ter_everywhere(lines: list[str], rng: Generator) -> list[str]:
        return [
            part for line in lines for part in ([line, "TER"] if is_atom(line) and line[12:16] == " C  " else [line])
        ]

    def inserted(lines: list[str], rng: Generator) -> list[str]:
        numbers: dict[str, int] = {}
        out = []
        for line in lines:
            if is_atom(line):
                rank = numbers.setdefault(residue_of(line), len(numbers))
                line = line[:22] + f"{rank // 26 + 1:4d}" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rank % 26] + line[27:]
            out.append(line)
        return out

    def removed(lines: list[str], rng: Generator) -> list[str]:
        return []

    def far(lines: list[str], rng: Generator) -> list[str]:
        shift = direction(rng, float(rng.choice([2.0, 5.0, 40.0])))
        return [moved(line, shift) for line in lines]

    def renamed(name: str | None) -> Callable[[list[str], Generator], list[str]]:
        def change(lines: list[str], rng: Generator) -> list[str]:
            new = name or str(rng.choice(["ALA", "GLY", "TRP", "PRO", "ASP", "LEU", "SER", "LYS"]))
            return [line[:17] + new + line[20:] for line in lines]

        return change

    def other_chain(lines: list[str], rng: Generator) -> list[str]:
        new = {"A": "B", "B": "A"}
        return [line[:21] + new.get(line[21], "A") + line[22:] for line in lines]

    def main_chain_only(lines: list[str], rng: Generator) -> list[str]:
        return [line for line in lines if line[12:16].strip() in ("N", "CA", "C", "O")]

    def number(line: str, rng: Generator) -> str:
        return placed(line, [str(rng.choice(["nan", "inf", "-inf", "********", "1e400", "", "abc"]))] * 3)

    def huge(line: str, rng: Generator) -> str:
        return placed(line, [f"{v:8.3f}" for v in rng.choice([9999.999, -999.999, 8000.0], size=3)])

    def sideways(line: str, rng: Generator) -> str:
        at, by = int(rng.choice([6, 12, 17, 22, 27])), int(rng.choice([-2, -1, 1, 2, 3]))
        return line[:at] + " " * by + line[at:] if by > 0 else line[: at + by] + line[at:]

    def element(line: str, rng: Generator) -> str:
        return line[:76].ljust(76) + f"{rng.choice(['H', 'C', 'ZN', 'X', 'FE', 'N', '']):>2}" + line[78:]

    many = {
        f"{name}-{label}": on_atoms(share, change)
        for name, change in {
            "not-a-number": number, "huge": huge, "columns": sideways, "element": element,
            "chain-letter": lambda line, rng: line[:21] + str(rng.choice(list("AB Z"))) + line[22:],
            "residue-number": lambda line, rng: line[:22] + f"{rng.integers(-99, 999):4d}" + line[26:],
            "atom-name": lambda line, rng: line[:12] + str(rng.choice([" CB ", " XX ", " CA ", " O  "])) + line[16:],
            "wild": lambda line, rng: moved(line, direction(rng, float(rng.choice([1.5, 2.0, 4.0, 30.0])))),
            "dropped": lambda line, rng: "REMARK",
            "tabs": lambda line, rng: re.sub(" +", "\t", line),
        }.items()
        for label, share in (("one", 0.0), ("some", 0.02), ("all", 1.0))
        if not (label == "all" and name in ("atom-name", "dropped"))
    }  # fmt: skip
    return many | {
        "shuffled": on_lines(shuffled), "shuffled-residues": on_lines(shuffled_residues),
        "twice-moved": on_lines(twice_moved), "twice-same": on_lines(twice_same),
        "copy-elsewhere": on_lines(copy_elsewhere), "two-models": on_lines(two_models),
        "altlocs": on_lines(altlocs), "hetero-only": on_lines(hetero_only), "cut-columns": on_lines(cut_columns),
        "number-order": on_lines(number_order), "ter-everywhere": on_lines(ter_everywhere),
        "inserted": on_lines(inserted),
        "residues-removed": on_residues(0.1, removed), "residue-removed": on_residues(0.0, removed),
        "residues-far": on_residues(0.05, far), "residue-far": on_residues(0.0, far),
        "residues-unknown": on_residues(0.05, renamed("QQQ")), "residues-renamed": on_residues(0.05, renamed(None)),
        "residue-renamed": on_residues(0.0, renamed(None)), "all-unknown": on_residues(1.0, renamed("UNK")),
        "residues-swapped": on_residues(0.05, other_chain), "no-side-chains": on_residues(1.0, main_chain_only),
        "some-side-chains": on_residues(0.3, main_chain_only),
        "mirror": scaled((-1.0, 1.0, 1.0)), "nanometres": scaled((0.1, 0.1, 0.1)), "flat": scaled((1.0, 1.0, 0.0)),
        "one-place": scaled((0.0, 0.0, 0.0)), "stretched": scaled((1.3, 1.0, 1.0)),
        "no-occupancy": on_atoms(1.0, lambda line, rng: line[:54] + "  0.00" + line[60:]),
        "all-hetatm": on_atoms(1.0, lambda line, rng: "HETATM" + line[6:]),
        "all-atom": on_atoms(1.0, lambda line, rng: "ATOM  " + line[6:]),
        "one-number": on_atoms(1.0, lambda line, rng: line[:22] + "   1 " + line[27:]),
        "no-chain": on_atoms(1.0, lambda line, rng: line[:21] + " " + line[22:]),
        "lower-case": on_lines(lambda lines, rng: [line.lower() for line in lines]),
        "c-alpha": on_lines(lambda lines, rng: [line for line in lines if not is_atom(line) or line[12:16] == " CA "]),
    }  # fmt: skip


def cif_damage() -> dict[str, Damage]:
    """Return damages of an mmCIF text: columns lost, values lost, loops cut, tables repeated."""

    def without(columns: Iterable[str]) -> Damage:
        def damage(text: str, rng: Generator) -> bytes:
            document = gemmi.cif.read_string(text)
            block = document.sole_block()
            table = block.find_mmcif_category("_atom_site.")
            kept = [tag for tag in table.tags if tag.partition(".")[2] not in columns]
            rows = list(zip(*(list(block.find_values(tag)) for tag in kept), strict=True))
            loop = block.init_loop("", kept)
            for row in rows:
                loop.add_row(list(row))
            return document.as_string().encode()

        return damage

    def some_values(column: str, value: str, share: float) -> Damage:
        def damage(text: str, rng: Generator) -> bytes:
            document = gemmi.cif.read_string(text)
            values = document.sole_block().find_values(f"_atom_site.{column}")
            for i in range(len(values)):
                if share >= 1 or rng.random() < share:
                    values[i] = value
            return document.as_string().encode()

        return damage

    def lost_word(text: str, rng: Generator) -> bytes:
        lines = text.splitlines()
        rows = [i for i, line in enumerate(lines) if len(line.split()) >= 12]
        row = int(rng.choice(rows))
        words = lines[row].split()
        lines[row] = " ".join(words[:-1])
        return "\n".join(lines).encode()

    columns = ("Cartn_x", "type_symbol", "label_atom_id", "auth_asym_id", "label_asym_id", "auth_seq_id",
               "label_seq_id", "label_comp_id", "occupancy", "B_iso_or_equiv", "group_PDB", "label_alt_id",
               "id")  # fmt: skip
    return {
        **{f"cif-no-{column}": without([column]) for column in columns},
        "cif-no-numbers": without(["auth_seq_id", "label_seq_id"]),
        "cif-unknown-x": some_values("Cartn_x", "?", 0.01), "cif-nan-x": some_values("Cartn_x", "nan", 0.01),
        "cif-word-x": some_values("Cartn_x", "abc", 0.005), "cif-huge-x": some_values("Cartn_x", "1e30", 0.005),
        "cif-no-x": some_values("Cartn_x", "?", 1.0), "cif-unknown-names": some_values("label_atom_id", "?", 0.01),
        "cif-lost-word": lost_word,
        "cif-two-blocks": lambda text, rng: (text + "\n" + text.replace("data_", "data_b", 1)).encode(),
        "cif-quote": lambda text, rng: text.replace("\n_atom_site.id", "\n;\n_atom_site.id", 1).encode(),
    }  # fmt: skip


def absurd(kind: str) -> bytes:
    """Return a file of absurd size: ``atoms``, ``residues``, ``chains``, ``waters`` or ``line``."""
    form = "{:6s}{:5d} {:<4s} {:3s} {:1s}{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00 10.00           {:2s}\n"
    if kind == "atoms":
        return form.format("ATOM", 1, " CA", "ALA", "A", 1, 1.0, 2.0, 3.0, "C").encode() * 1_200_000
    if kind == "line":
        return b"ATOM  " + b"x" * 30_000_000
    out = []
    for i in range(60_000 if kind == "residues" else 300_000 if kind == "waters" else 20_000):
        name = "HOH" if kind == "waters" else "ALA"
        chain = chr(33 + i % 90) if kind == "chains" else chr(65 + i // 10_000 % 26) if kind == "waters" else "A"
        at = (3.8 * (i % 300), 3.8 * (i // 300 % 300), 3.8 * (i // 90_000))
        code = chr(65 + i // 9999) if kind == "residues" else " "
        for k, atom in enumerate(("O",) if kind == "waters" else ("N", "CA", "C", "O")):
            line = form.format(
                "ATOM", i % 99_999, f" {atom}", name, chain, i % 9999, at[0] + k % 2, at[1] + k // 2, at[2], atom[0]
            )
            out.append(line[:26] + code + line[27:])
    return "".join(out).encode()


ABSURD = ("atoms", "residues", "chains", "waters", "line")
