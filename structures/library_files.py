"""Files of the structure library: plain residue records in, gzip mmCIF and ``catalogue.toml`` out.

Shared by the build scripts of this folder; dockkit itself only reads what they wrote.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from dockkit.core.geometry import dihedral
from dockkit.core.model import Conformation, FloatArray, Kinase, Receptor, StructureEntry
from dockkit.kinase import measure_conformation

CATALOGUE = "catalogue.toml"
PEPTIDE_BOND_LIMIT = 2.0
"""Longest C-N distance, Angstrom, that is still called a bond."""

THREE_TO_ONE = {
    code: letter
    for letter, codes in {
        "A": "ALA", "R": "ARG", "N": "ASN", "D": "ASP ASH", "C": "CYS CYX CYM CYT", "Q": "GLN", "E": "GLU GLH GLV",
        "G": "GLY", "H": "HIS HID HIE HIP HIZ", "I": "ILE", "L": "LEU LEV", "K": "LYS LYN", "M": "MET MEU",
        "F": "PHE", "P": "PRO", "S": "SER SEP", "T": "THR TPO", "W": "TRP", "Y": "TYR PTR", "V": "VAL",
    }.items()
    for code in codes.split()
}  # fmt: skip
"""Residue names as force fields and docking programs write them; LEV, MEU, GLV, CYT and HIZ are the names that the
DUD-E preparation gives to hinge residues with a polarised backbone."""

ONE_TO_THREE = {letter: gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA) for letter in "ACDEFGHIKLMNPQRSTVWY"}

SIDE_CHAINS = {
    "A": "CB", "R": "CB CG CD NE CZ NH1 NH2", "N": "CB CG OD1 ND2", "D": "CB CG OD1 OD2", "C": "CB SG",
    "Q": "CB CG CD OE1 NE2", "E": "CB CG CD OE1 OE2", "G": "", "H": "CB CG ND1 CD2 CE1 NE2", "I": "CB CG1 CG2 CD1",
    "L": "CB CG CD1 CD2", "K": "CB CG CD CE NZ", "M": "CB CG SD CE", "F": "CB CG CD1 CD2 CE1 CE2 CZ", "P": "CB CG CD",
    "S": "CB OG", "T": "CB OG1 CG2", "W": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "Y": "CB CG CD1 CD2 CE1 CE2 CZ OH", "V": "CB CG1 CG2",
}  # fmt: skip
"""Side-chain heavy atoms by one-letter code."""

BACKBONE = ("N", "CA", "C", "O")


@dataclass
class Residue:
    """One residue: one-letter code, number, and its heavy atoms by name."""

    letter: str
    number: int
    atoms: dict[str, FloatArray] = field(default_factory=dict)

    @property
    def expected(self) -> tuple[str, ...]:
        """Names of the heavy atoms that the residue should have, in order."""
        return (*BACKBONE, *SIDE_CHAINS[self.letter].split())


def joined(first: Residue, second: Residue) -> bool:
    """Say whether a peptide bond joins the two residues."""
    if "C" not in first.atoms or "N" not in second.atoms:
        return False
    return float(np.linalg.norm(first.atoms["C"] - second.atoms["N"])) < PEPTIDE_BOND_LIMIT


def segments(residues: list[Residue]) -> list[int]:
    """Return a number per residue that rises at every chain break."""
    numbers = [0]
    for first, second in zip(residues, residues[1:], strict=False):
        numbers.append(numbers[-1] + (not joined(first, second)))
    return numbers[: len(residues)]


def as_receptor(name: str, kinase: Kinase, residues: list[Residue]) -> Receptor:
    """Put heavy atoms numbered by UniProt into dockkit's record (no hydrogens)."""
    names = [(atom, i) for i, residue in enumerate(residues) for atom in residue.atoms]
    numbers = [residue.number for residue in residues]
    return Receptor(
        name=name,
        kinase=kinase.gene,
        uniprot=kinase.uniprot,
        source=name,
        modelled=False,
        atom_names=np.array([atom for atom, _ in names]),
        elements=np.array([atom[0] for atom, _ in names]),
        atom_residue=np.array([i for _, i in names]),
        coordinates=np.array([residues[i].atoms[atom] for atom, i in names]),
        residue_names=np.array([ONE_TO_THREE[residue.letter] for residue in residues]),
        chain_ids=np.array(["A"] * len(residues)),
        insertion_codes=np.array([""] * len(residues)),
        author_numbers=np.array(numbers),
        uniprot_numbers=np.array(numbers),
        segments=np.array(segments(residues)),
    )


def conformation(name: str, kinase: Kinase, residues: list[Residue]) -> Conformation:
    """Measure the DFG and alpha-C state of heavy atoms numbered by UniProt."""
    return measure_conformation(as_receptor(name, kinase, residues), kinase)


def differences(kinase: Kinase, residues: list[Residue]) -> tuple[str, ...]:
    """Return the substitutions against UniProt, such as ``N336S``."""
    wild_type = kinase.sequence
    return tuple(
        f"{wild_type[r.number - 1]}{r.number}{r.letter}" for r in residues if wild_type[r.number - 1] != r.letter
    )


def oddities(residues: list[Residue]) -> list[str]:
    """Name what is unusual in the backbone: cis peptides other than before proline, and wrong-handed residues."""
    found = []
    for first, second in zip(residues, residues[1:], strict=False):
        if joined(first, second) and second.letter != "P":
            a, b = first.atoms, second.atoms
            if abs(float(dihedral(a["CA"], a["C"], b["N"], b["CA"]))) < 90.0:
                found.append(f"cis peptide {first.letter}{first.number}-{second.letter}{second.number}")
    for residue in residues:
        if "CB" in residue.atoms:
            n, ca, c, cb = (residue.atoms[name] for name in ("N", "CA", "C", "CB"))
            if float(np.dot(np.cross(n - ca, c - ca), cb - ca)) < 0.5:
                found.append(f"wrong-handed C-alpha {residue.letter}{residue.number}")
    return found


def site_center(kinase: Kinase, residues: list[Residue]) -> tuple[float, float, float]:
    """Return the middle of the ATP site, Angstrom: the mean C-alpha of eight residues around it.

    KLIFS positions 4 and 11 (P-loop), 17 (catalytic Lys), 48 and 52 (hinge), 75 and 77 (below the adenine) and 81
    (DFG Asp); over this library it lies 3 A (median) from the centre of the ligands of DFG-in structures.
    """
    wanted = {kinase.pocket[position - 1] for position in (4, 11, 17, 48, 52, 75, 77, 81)}
    x, y, z = np.mean([r.atoms["CA"] for r in residues if r.number in wanted], axis=0)
    return round(float(x), 2), round(float(y), 2), round(float(z), 2)


# ------------------------------------------------------------------------------------------------------------ mmCIF


def write_cif(path: Path, name: str, kinase: Kinase, residues: list[Residue], title: str) -> None:
    """Write heavy atoms as gzip mmCIF, chain A, author numbers = UniProt numbers; the same bytes every time."""
    structure = gemmi.Structure()
    structure.name = name
    chain = gemmi.Chain("A")
    for label, residue in enumerate(residues, start=1):
        new = gemmi.Residue()
        new.name, new.seqid, new.label_seq = ONE_TO_THREE[residue.letter], gemmi.SeqId(str(residue.number)), label
        new.subchain, new.entity_type, new.entity_id = "A", gemmi.EntityType.Polymer, "1"
        for atom_name in sorted(residue.atoms, key=residue.expected.index):
            atom = gemmi.Atom()
            atom.name, atom.element = atom_name, gemmi.Element(atom_name[0])
            atom.pos = gemmi.Position(*(round(float(x), 3) for x in residue.atoms[atom_name]))
            new.add_atom(atom)
        chain.add_residue(new)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    entity = gemmi.Entity("1")
    entity.entity_type, entity.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.PeptideL
    entity.subchains, entity.full_sequence = ["A"], [ONE_TO_THREE[residue.letter] for residue in residues]
    structure.entities = gemmi.EntityList([entity])
    groups = gemmi.MmcifOutputGroups(
        False, atoms=True, entity=True, entity_poly=True, entity_poly_seq=True, block_name=True
    )
    document = structure.make_mmcif_document(groups)
    block = document.sole_block()
    block.set_pair("_struct.title", gemmi.cif.quote(title))
    block.set_pair("_struct_ref.db_name", "UNP")
    block.set_pair("_struct_ref.pdbx_db_accession", kinase.uniprot)
    path.write_bytes(gzip.compress(document.as_string().encode(), compresslevel=9, mtime=0))


def read_cif(path: Path) -> list[Residue]:
    """Read back what :func:`write_cif` wrote."""
    structure = gemmi.read_structure(str(path))
    return [
        Residue(
            THREE_TO_ONE[residue.name],
            int(residue.seqid.num or 0),
            {atom.name: np.array(atom.pos.tolist()) for atom in residue if not atom.is_hydrogen()},
        )
        for residue in structure[0]["A"]
    ]


# -------------------------------------------------------------------------------------------------------- catalogue

_CATALOGUE_HEAD = """\
# Structures bundled with dockkit. Written by build_library.py and the model_*.py scripts; do not edit by hand.
# Residue numbers are UniProt's; dfg and alpha_c are as measured by dockkit.kinase.measure_conformation.
"""


def read_catalogue(folder: Path) -> dict[str, StructureEntry]:
    """Read the catalogue of a folder; empty where there is none yet."""
    path = folder / CATALOGUE
    if not path.exists():
        return {}
    entries = {}
    for table in tomllib.loads(path.read_text(encoding="utf-8")).get("structure", []):
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        entries[values["name"]] = StructureEntry(**values)
    return entries


def write_catalogue(folder: Path, entries: dict[str, StructureEntry]) -> None:
    """Write the catalogue, sorted by name."""
    blocks = [_CATALOGUE_HEAD]
    for name in sorted(entries):
        values = asdict(entries[name])
        lines = ["[[structure]]"]
        # A JSON string, number, true/false or list of them is also TOML.
        lines += [
            f"{item.name} = {json.dumps(values[item.name], ensure_ascii=False)}" for item in fields(StructureEntry)
        ]
        blocks.append("\n".join(lines) + "\n")
    (folder / CATALOGUE).write_text("\n".join(blocks), encoding="utf-8")
