"""Reading structures: what is chosen is stated, what cannot be is refused, nothing is lost in silence."""

import gzip
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.errors import StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import Change
from dockkit.structure import RawStructure, extract_het, list_chains, parsing, read_structure

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="reference data are not beside the checkout")


@cache
def peptide_lines(sequence: str, seed: int = 3) -> tuple[str, ...]:
    """Return heavy atoms of a peptide as PDB records, chain A, numbered from 1."""
    molecule = Chem.AddHs(Chem.MolFromSequence(sequence))
    assert AllChem.EmbedMolecule(molecule, randomSeed=seed) == 0
    text = Chem.MolToPDBBlock(Chem.RemoveHs(molecule))
    return tuple(line for line in text.splitlines() if line.startswith("ATOM"))


@cache
def kinase_text() -> str:
    """Return the bundled ABL1 as PDB text: one chain, 274 residues, whole sequence given."""
    return gemmi.read_structure(str(library_dir("structures") / "abl1-1iep.cif.gz")).make_pdb_string()


def write(folder: Path, lines: str | Iterable[str], name: str = "x.pdb") -> Path:
    path = folder / name
    path.write_text(lines if isinstance(lines, str) else "".join(line + "\n" for line in lines) + "END\n")
    return path


def name_of(line: str) -> str:
    return line[12:16].strip()


def number_of(line: str) -> int:
    return int(line[22:26])


def edited(lines: Iterable[str], change: Callable[[str], str | list[str]]) -> list[str]:
    """Return the records after each was changed into one or several (none for '')."""
    out: list[str] = []
    for line in lines:
        new = change(line)
        out += [item for item in ([new] if isinstance(new, str) else new) if item]
    return out


def moved(line: str, x: float, y: float = 0.0, z: float = 0.0) -> str:
    xyz = [float(line[a : a + 8]) + d for a, d in zip((30, 38, 46), (x, y, z), strict=True)]
    return line[:30] + "".join(f"{value:8.3f}" for value in xyz) + line[54:]


def hetatm(serial: int, name: str, residue: str, number: int, xyz: tuple[float, float, float], element: str) -> str:
    place = "".join(f"{value:8.3f}" for value in xyz)
    return f"HETATM{serial:5d} {name:<4s} {residue:>3s} A{number:4d}    {place}  0.80 20.00          {element:>2s}  "


def said(raw: RawStructure, kind: str) -> list[str]:
    return [change.sentence for change in raw.changes if change.kind == kind]


# --------------------------------------------------------------------------- formats


def test_the_same_chain_from_pdb_mmcif_and_gzip(tmp_path: Path) -> None:
    plain = write(tmp_path, peptide_lines("ACDEF"))
    packed = tmp_path / "x.pdb.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    structure = gemmi.read_structure(str(plain))
    structure.setup_entities()
    cif = write(tmp_path, structure.make_mmcif_document().as_string(), "x.cif")
    first = read_structure(plain)
    assert first.sequence == "ACDEF"
    assert first.author_numbers.tolist() == [1, 2, 3, 4, 5]
    assert first.changes == ()
    for path in (packed, cif):
        other = read_structure(path)
        assert other.sequence == first.sequence
        np.testing.assert_allclose(other.coordinates, first.coordinates, atol=1e-6)


@pytest.mark.parametrize("encode", [
    lambda text: text.encode("utf-16"), lambda text: text.encode("utf-8-sig"),
    lambda text: text.replace("\n", "\r\n").encode(), lambda text: text.replace("\n", "\r").encode(),
])  # fmt: skip
def test_encodings_and_line_ends_do_not_matter(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    plain = read_structure(write(tmp_path, peptide_lines("ACD")))
    path = tmp_path / "y.pdb"
    path.write_bytes(encode((tmp_path / "x.pdb").read_text()))
    other = read_structure(path)
    np.testing.assert_array_equal(other.coordinates, plain.coordinates)
    assert other.changes == ()


BAD_FILES = {
    "empty": (b"", "empty"),
    "blank": (b"  \n\n", "empty"),
    "binary": (bytes(range(256)) * 4, "binary"),
    "text": (b"hello, this is not a structure\n" * 5, "no atoms"),
    "gzip cut": (gzip.compress(b"ATOM" * 1000)[:20], "gzip"),
    "utf-16 cut": (b"\xff\xfeA\x00T", "damaged UTF-16"),
    "cif cut": (b"data_x\nloop_\n_atom_site.id\n_atom_site.type_symbol\n1 N 2", "mmCIF"),
    "cif header": (b"data_x\n_entry.id x\n", "no atoms"),
    "pdb header": (b"HEADER    KINASE\nREMARK 1\n", "no atoms"),
    "water only": (b"HETATM    1  O   HOH A   1       1.000   2.000   3.000  1.00 10.00           O\n", "no protein"),
    "line of x": (b"ATOM  " + b"x" * 100_000, "where a coordinate belongs"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_are_no_structure_are_named_as_such(tmp_path: Path, case: str) -> None:
    data, words = BAD_FILES[case]
    path = tmp_path / "bad.pdb"
    path.write_bytes(data)
    with pytest.raises(StructureError, match=words) as caught:
        read_structure(path)
    assert "bad.pdb" in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="no such structure file"):
        read_structure(tmp_path / "none.pdb")
    with pytest.raises(StructureError, match="not a file"):
        read_structure(tmp_path)


def test_cut_lines_words_for_numbers_and_shifted_columns(tmp_path: Path) -> None:
    lines = list(peptide_lines("ACD"))
    with pytest.raises(StructureError, match="line 7 is cut short"):
        read_structure(write(tmp_path, "\n".join([*lines[:6], lines[6][:40]])))
    for bad, words in (("     nan", "not finite"), ("  x.yz  ", "where a coordinate belongs")):
        spoilt = [*lines[:2], lines[2][:30] + bad + lines[2][38:], *lines[3:]]
        with pytest.raises(StructureError, match=words):
            read_structure(write(tmp_path, spoilt))
    with pytest.raises(StructureError, match="line 3 has .* the columns are shifted"):
        read_structure(write(tmp_path, [*lines[:2], lines[2][:20] + " " + lines[2][20:], *lines[3:]]))


def test_more_atoms_than_can_be_read_and_longer_chains_than_can_be_modelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MAX_ATOMS", 7000)
    atom = "ATOM      1  CA  ALA A   1       1.000   2.000   3.000  1.00 10.00           C\n"
    with pytest.raises(StructureError, match="more than 7000 atoms"):
        read_structure(write(tmp_path, atom * 7001))
    many = [
        atom[:22]
        + f"{i % 9999:4d}{chr(65 + i // 9999)}"
        + f"   {3.8 * (i % 100):8.3f}{3.8 * (i // 100):8.3f}"
        + atom[46:-1]
        for i in range(6000)
    ]
    with pytest.raises(StructureError, match="6000 residues, more than the 5000"):
        read_structure(write(tmp_path, many))


# --------------------------------------------------------------------------- chains and models


def test_an_absent_chain_offers_those_there(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"no protein chain 'B'; choose one of: A \(3 residues\)"):
        read_structure(write(tmp_path, peptide_lines("ACD")), chain="B")


def test_chains_are_listed_and_the_choice_is_stated(tmp_path: Path) -> None:
    first = list(peptide_lines("ACD"))
    other = [moved(line[:21] + "B" + line[22:], 50) for line in peptide_lines("GWAEK")]
    ligand = [hetatm(900, " C1", "LIG", 201, (52.0, 0.0, 0.0), "C"), hetatm(901, " O1", "LIG", 201, (53.2, 0, 0), "O")]
    path = write(tmp_path, [*first, "TER", *other, "TER", *ligand])
    chains = list_chains(path)
    assert [(c.name, c.n_residues, c.sequence) for c in chains] == [("A", 3, "ACD"), ("B", 5, "GWAEK")]
    assert chains[1].segments.tolist() == [0] * 5
    assert [c.groups for c in chains] == [(), ("LIG A:201",)]
    raw = read_structure(path)
    assert raw.chain == "B"
    assert said(raw, "chain") == ["chain B taken (the first long enough of: A (3 residues), B (5 residues))"]
    assert read_structure(path, "A").changes == ()


def test_a_chain_without_name(tmp_path: Path) -> None:
    blank = [line[:21] + " " + line[22:] for line in peptide_lines("ACD")]
    other = [moved(line[:21] + "B" + line[22:], 50) for line in peptide_lines("ACDEF")]
    path = write(tmp_path, [*blank, "TER", *other])
    assert read_structure(path).chain == "B"
    raw = read_structure(path, " ")
    assert (raw.chain, raw.sequence) == ("", "ACD")
    with pytest.raises(StructureError, match=r"choose one of: \(blank\) \(3 residues\), B"):
        read_structure(path, "C")


def test_the_first_model_is_taken_and_that_is_stated(tmp_path: Path) -> None:
    lines = peptide_lines("ACD")
    text = [f"{'MODEL':6s}{1:8d}", *lines, "ENDMDL", f"{'MODEL':6s}{2:8d}", *(moved(x, 9) for x in lines), "ENDMDL"]
    raw = read_structure(write(tmp_path, text))
    assert said(raw, "chain") == ["first of 2 models taken"]
    np.testing.assert_array_equal(raw.coordinates, read_structure(write(tmp_path, lines, "y.pdb")).coordinates)


def test_a_copy_after_ter_is_another_chain_and_records_after_end_are_stated(tmp_path: Path) -> None:
    lines = [line for line in kinase_text().splitlines() if line.startswith("ATOM")]
    copy = [moved(line, 90) for line in lines]
    raw = read_structure(write(tmp_path, [*lines, "TER", *copy]))
    assert raw.n_residues == len({number_of(line) for line in lines})
    assert "chain A numbers its residues anew after a TER: that part is called A_2 here" in said(raw, "chain")
    assert read_structure(tmp_path / "x.pdb", "A_2").coordinates[0, 0] == pytest.approx(raw.coordinates[0, 0] + 90)
    ended = read_structure(write(tmp_path, [*lines, "END", *copy], "y.pdb"))
    assert said(ended, "removed") == [f"{len(copy)} atom records after the END record left out (END ends a structure)"]
    np.testing.assert_array_equal(ended.coordinates, raw.coordinates)


def test_ter_records_inside_a_chain_or_residue_change_nothing(tmp_path: Path) -> None:
    lines = peptide_lines("ACDEF")
    raw = read_structure(write(tmp_path, edited(lines, lambda x: [x, "TER"] if name_of(x) == "CA" else x)))
    assert raw.sequence == "ACDEF"
    assert raw.changes == ()
    assert len(raw.coordinates) == len(lines)


def test_residues_out_of_order_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    lines = peptide_lines("ACDEF")
    raw = read_structure(write(tmp_path, sorted(lines, key=lambda x: -number_of(x))))
    assert raw.sequence == "ACDEF"
    assert raw.segments.tolist() == [0] * 5
    [text] = said(raw, "chain")
    assert text.startswith(
        "residues of chain A put in the order of their numbers (4 peptide bonds join neighbours, 0 in"
    )


def test_insertion_codes_keep_the_order_of_the_file(tmp_path: Path) -> None:
    codes = {1: " 60 ", 2: " 60B", 3: " 60A", 4: " 61 ", 5: " 62 "}
    raw = read_structure(write(tmp_path, [x[:22] + f" {codes[number_of(x)]}" + x[27:] for x in peptide_lines("ACDEF")]))
    assert raw.sequence == "ACDEF"
    assert raw.insertion_codes.tolist() == ["", "B", "A", "", ""]
    assert raw.author_numbers.tolist() == [60, 60, 60, 61, 62]
    assert raw.changes == ()


def test_a_file_without_end_may_be_cut_short(tmp_path: Path) -> None:
    raw = read_structure(write(tmp_path, "\n".join(peptide_lines("ACD"))))
    assert said(raw, "chain") == ["the file has no END record (it may have been cut short)"]


def test_c_alpha_traces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="C-alpha atoms only"):
        read_structure(write(tmp_path, [line for line in peptide_lines("ACDE") if name_of(line) == "CA"]))


# --------------------------------------------------------------------------- mmCIF


def as_cif(change: Callable[[gemmi.cif.Block], object] = lambda block: None) -> str:
    structure = gemmi.read_pdb_string("\n".join([*peptide_lines("ACDEF"), "END"]))
    for residue in structure[0][0]:
        residue.seqid.num += 100
    structure.setup_entities()
    structure.entities[0].full_sequence = [residue.name for residue in structure[0][0]]
    structure.assign_label_seq_id()
    document = structure.make_mmcif_document()
    change(document.sole_block())
    return document.as_string()


def without(column: str) -> str:
    def drop(block: gemmi.cif.Block) -> None:
        tags = [tag for tag in block.find_mmcif_category("_atom_site.").tags if tag != f"_atom_site.{column}"]
        rows = list(zip(*(list(block.find_values(tag)) for tag in tags), strict=True))
        loop = block.init_loop("", tags)
        for row in rows:
            loop.add_row(list(row))

    return as_cif(drop)


def test_author_names_and_numbers_of_mmcif(tmp_path: Path) -> None:
    raw = read_structure(write(tmp_path, as_cif(), "x.cif"))
    assert raw.author_numbers.tolist() == [101, 102, 103, 104, 105]
    assert raw.chain == "A"
    assert raw.changes == ()
    with pytest.raises(StructureError, match="Axp is the label_asym_id of author chain A"):
        read_structure(tmp_path / "x.cif", "Axp")


@pytest.mark.parametrize(
    ("column", "statement"),
    [
        ("auth_seq_id", "residue numbers are label_seq_id, counted along the crystallised sequence"),
        ("auth_asym_id", "chain names are label_asym_id"), ("label_alt_id", ""), ("id", ""), ("label_asym_id", ""),
        ("occupancy", ""), ("label_seq_id", ""), ("group_PDB", ""),
    ],
)  # fmt: skip
def test_mmcif_columns_that_may_be_absent(tmp_path: Path, column: str, statement: str) -> None:
    raw = read_structure(write(tmp_path, without(column), "x.cif"))
    whole = read_structure(write(tmp_path, as_cif(), "y.cif"))
    assert raw.sequence == "ACDEF"
    np.testing.assert_array_equal(raw.coordinates, whole.coordinates)
    assert [change.what for change in raw.changes] == ([statement] if statement else [])
    assert raw.author_numbers.tolist() == (
        [1, 2, 3, 4, 5] if column == "auth_seq_id" else whole.author_numbers.tolist()
    )


def test_groups_and_waters_without_any_number_stay_apart(tmp_path: Path) -> None:
    groups = [hetatm(900 + i, " O", "HOH", 900 + i, (20.0 + 3 * i, 0, 0), "O") for i in range(3)]
    groups += [hetatm(910 + i, "MG", "MG", 910 + i, (20.0 + 3 * i, 9, 0), "MG") for i in range(2)]
    groups += [hetatm(920 + i, f"C{i}", "LIG", 920, (20.0 + 2 * i, 19, 0), "C") for i in range(2)]
    structure = gemmi.read_pdb_string("\n".join([*peptide_lines("ACDEF"), "TER", *groups, "END"]))
    structure.setup_entities()
    structure.entities[0].full_sequence = ["ALA", "CYS", "ASP", "GLU", "PHE"]
    structure.assign_label_seq_id()
    text = re.sub("_atom_site.auth_seq_id", "_atom_site.other", structure.make_mmcif_document().as_string())
    raw = read_structure(write(tmp_path, text, "x.cif"))
    assert raw.n_waters == 3
    assert sorted((g.name, len(g.elements)) for g in raw.hetero) == [("LIG", 2), ("MG", 1), ("MG", 1)]


def test_mmcif_without_any_residue_number_is_refused(tmp_path: Path) -> None:
    text = re.sub(r"(_atom_site.)auth_seq_id", r"\1pdbx_other", as_cif()).replace("label_seq_id", "pdbx_third")
    with pytest.raises(StructureError, match="no residue numbers"):
        read_structure(write(tmp_path, text, "x.cif"))


@pytest.mark.parametrize("column", ["Cartn_y", "type_symbol", "label_atom_id", "label_comp_id"])
def test_mmcif_columns_that_may_not_be_absent(tmp_path: Path, column: str) -> None:
    with pytest.raises(StructureError, match=column):
        read_structure(write(tmp_path, without(column), "x.cif"))


def test_a_second_data_block_is_stated(tmp_path: Path) -> None:
    text = as_cif()
    raw = read_structure(write(tmp_path, text + text.replace("data_", "data_other", 1), "x.cif"))
    assert [change.what for change in raw.changes] == ["first of 2 data blocks with atoms taken"]


# --------------------------------------------------------------------------- conformers, names, elements


def two_places(line: str, letters: str, shares: tuple[float, float], names: Iterable[str] | None = None) -> list[str]:
    if names is not None and name_of(line) not in names:
        return [line]
    place = line[:16] + letters[0] + line[17:54] + f"{shares[0]:6.2f}" + line[60:]
    other = line[:16] + letters[1] + line[17:54] + f"{shares[1]:6.2f}" + line[60:]
    return [place, moved(other, 0.2)]


def test_altlocs_go_by_occupancy_and_the_occupancies_are_stated(tmp_path: Path) -> None:
    lines = peptide_lines("ASA")
    raw = read_structure(
        write(
            tmp_path, edited(lines, lambda x: two_places(x, "AB", (0.3, 0.7), ("CB", "OG")) if number_of(x) == 2 else x)
        )
    )
    plain = read_structure(write(tmp_path, lines, "y.pdb"))
    shift = np.round(raw.coordinates - plain.coordinates, 3)
    assert sorted(raw.atom_names[shift[:, 0] == 0.2].tolist()) == ["CB", "OG"]
    change = Change("altloc", "alternate location B kept", "occupancy 0.70 against A 0.30", "SER", "A", 2)
    assert raw.changes == (change,)
    assert raw.notes == ("alternate location B kept (occupancy 0.70 against A 0.30): SER A:2",)


def test_neighbours_whose_main_chains_alternate_are_decided_together(tmp_path: Path) -> None:
    shares = {2: (0.6, 0.4), 3: (0.3, 0.7), 4: (0.4, 0.6)}
    lines = edited(
        peptide_lines("ACDEF"), lambda x: two_places(x, "AB", shares[number_of(x)]) if number_of(x) in shares else x
    )
    raw = read_structure(write(tmp_path, lines))
    assert [change.what for change in raw.changes] == ["alternate location B kept"] * 3
    assert raw.changes[0].why == "occupancy 0.40 against A 0.60"
    assert raw.segments.tolist() == [0] * 5


def test_equal_occupancies_take_the_first_letter(tmp_path: Path) -> None:
    lines = edited(peptide_lines("ASA"), lambda x: two_places(x, "BA", (0.5, 0.5)) if number_of(x) == 2 else x)
    assert said(read_structure(write(tmp_path, lines)), "altloc") == [
        "SER A:2: alternate location A kept (occupancy 0.50 against B 0.50)"
    ]


def test_two_residues_at_one_number(tmp_path: Path) -> None:
    lines = edited(peptide_lines("ASA"), lambda x: two_places(x, "AB", (0.4, 0.6)) if number_of(x) == 2 else x)
    lines = [x[:17] + "CYS" + x[20:] if x[16] == "B" else x for x in lines]
    lines = [
        x[:12] + " SG " + x[16:76] + " S" + x[78:] if x[17:20] == "CYS" and name_of(x) == "OG" else x for x in lines
    ]
    raw = read_structure(write(tmp_path, lines))
    assert raw.sequence == "ACA"
    assert said(raw, "altloc") == ["CYS A:2: CYS kept of SER/CYS at this number (occupancy 0.60 against A 0.40)"]


def test_atoms_given_twice_and_foreign_atoms_are_stated(tmp_path: Path) -> None:
    lines = edited(peptide_lines("ASA"), lambda x: [x, moved(x, 3)] if number_of(x) == 2 and name_of(x) == "OG" else x)
    lines.append(lines[0][:12] + " XX " + lines[0][16:])
    raw = read_structure(write(tmp_path, lines))
    assert raw.sequence == "ASA"
    assert said(raw, "duplicate") == ["SER A:2: atoms given twice, the first kept: OG"]
    assert said(raw, "removed") == ["ALA A:1: atoms left out: XX (ALA has no such atoms)"]
    np.testing.assert_array_equal(raw.coordinates, read_structure(write(tmp_path, peptide_lines("ASA"))).coordinates)


def test_occupancy_zero_is_kept_and_stated(tmp_path: Path) -> None:
    def empty(line: str) -> str:
        return line[:54] + "  0.00" + line[60:] if number_of(line) == 2 and name_of(line) in ("CG", "CD") else line

    raw = read_structure(write(tmp_path, edited(peptide_lines("AEA"), empty)))
    assert said(raw, "atoms") == ["GLU A:2: occupancy 0, kept as deposited: CG CD (not seen in the density)"]
    assert raw.occupancies[raw.atom_names == "CG"].tolist() == [0.0]


def test_a_residue_without_c_alpha_does_not_vanish_in_silence(tmp_path: Path) -> None:
    raw = read_structure(write(tmp_path, [x for x in peptide_lines("ACDE") if number_of(x) != 4 or name_of(x) == "N"]))
    assert raw.sequence == "ACD"
    assert said(raw, "removed") == ["GLU A:4: left out (it has no CA atom)"]


def test_the_atom_name_decides_where_the_element_column_is_wrong(tmp_path: Path) -> None:
    lines = edited(
        peptide_lines("ACD"), lambda x: x[:76] + " H" + x[78:] if number_of(x) == 2 and name_of(x) == "N" else x
    )
    raw = read_structure(write(tmp_path, lines))
    plain = read_structure(write(tmp_path, peptide_lines("ACD"), "y.pdb"))
    assert raw.elements.tolist() == plain.elements.tolist()
    assert said(raw, "atoms") == ["CYS A:2: element column not followed: N H (the atom name decides)"]


def test_names_of_gromacs_and_charmm(tmp_path: Path) -> None:
    lines = edited(
        peptide_lines("HKG"),
        lambda x: x[:17] + {1: "HISE", 2: "LYSH", 3: "GLY "}[number_of(x)] + " " + x[22:76],
    )
    names = {"O": " OT1", "OXT": " OT2"}
    lines = [x[:12] + names.get(name_of(x), x[12:16]) + x[16:] if number_of(x) == 3 else x for x in lines]
    lines.append(lines[-1][:12] + " HN  TIP3 " + lines[-1][22:])
    raw = read_structure(write(tmp_path, lines))
    assert (raw.chain, raw.sequence) == ("", "HKG")
    assert {"O", "OXT"} <= set(raw.atom_names[raw.atom_residue == 2].tolist())
    assert set(raw.elements.tolist()) == {"C", "N", "O"}
    assert said(raw, "chain") == []


def test_caps_are_left_out_and_stated(tmp_path: Path) -> None:
    cap = peptide_lines("A")[0].replace("ALA", "NMA").replace("A   1", "A   4")
    raw = read_structure(write(tmp_path, [*peptide_lines("ACD"), moved(cap, 5)]))
    assert raw.sequence == "ACD"
    assert raw.hetero == ()
    assert said(raw, "removed") == ["NMA A:4: left out (preparation builds its own caps)"]


# --------------------------------------------------------------------------- groups, waters, links, units


def test_selenomethionine_groups_and_waters(tmp_path: Path) -> None:
    lines = []
    for line in peptide_lines("AMA"):
        if line[17:20] == "MET":
            line = "HETATM" + line[6:17] + "MSE" + line[20:]
            if line[12:16] == " SD ":
                line = line[:12] + "SE  " + line[16:76] + "SE" + line[78:]
        lines.append(line)
    lines += [
        hetatm(900, " C1", "LIG", 201, (20, 20, 20), "C"), hetatm(901, " O1", "LIG", 201, (21.2, 20, 20), "O"),
        hetatm(902, " O", "HOH", 301, (30, 20, 20), "O"), hetatm(903, " O", "HOH", 302, (25, 20, 20), "O"),
    ]  # fmt: skip
    raw = read_structure(write(tmp_path, lines))
    assert raw.sequence == "AMA"
    assert "SD" in raw.atom_names
    assert raw.changes == (Change("modified", "selenomethionine read as methionine", "", "MSE", "A", 2),)
    assert [water.number for water in raw.waters] == [302, 301]  # nearest first
    assert raw.n_waters == 2
    assert raw.notes[-1] == "2 waters in the file"
    ligand = extract_het(raw, "lig")
    np.testing.assert_allclose(ligand.coordinates, [[20, 20, 20], [21.2, 20, 20]])
    nearest = min(math.dist(a, b) for a in raw.coordinates.tolist() for b in ligand.coordinates.tolist())
    assert (ligand.occupancy, ligand.b_factor, ligand.distance) == (0.8, 20.0, round(nearest, 3))
    with pytest.raises(StructureError, match="no hetero group 'STI'; present: LIG A:201"):
        extract_het(raw, "STI")


def test_a_free_amino_acid_is_a_group(tmp_path: Path) -> None:
    free = [moved("HETATM" + x[6:22] + " 900" + x[26:], 25) for x in peptide_lines("G")]
    raw = read_structure(write(tmp_path, [*peptide_lines("ACD"), "TER", *free]))
    assert raw.sequence == "ACD"
    assert [group.label for group in raw.hetero] == ["GLY A:900"]


def test_elements_of_a_ligand_without_element_column(tmp_path: Path) -> None:
    ligand = [
        hetatm(900, "CA1", "LIG", 201, (20, 0, 0), "")[:66], hetatm(901, "NA", "LIG", 201, (21, 0, 0), "")[:66],
        hetatm(902, "CL2", "LIG", 201, (22, 0, 0), "")[:66], hetatm(903, "ZN", "ZN", 202, (30, 0, 0), "")[:66],
    ]  # fmt: skip
    raw = read_structure(write(tmp_path, [*(x[:66] for x in peptide_lines("ACD")), *ligand]))
    assert {g.name: g.elements.tolist() for g in raw.hetero} == {"LIG": ["C", "N", "Cl"], "ZN": ["Zn"]}
    assert any("elements read from the atom names" in text for text in said(raw, "atoms"))


def test_a_group_without_finite_coordinates_is_left_out_and_stated(tmp_path: Path) -> None:
    structure = gemmi.read_pdb_string(
        "\n".join([*peptide_lines("ACD"), hetatm(9, " O1", "LIG", 9, (9, 9, 9), "O"), "END"])
    )
    structure.setup_entities()
    text = re.sub(r"(LIG.*) 9 9 9 ", r"\1 ? 9 9 ", structure.make_mmcif_document().as_string())
    raw = read_structure(write(tmp_path, text, "x.cif"))
    assert raw.hetero == ()
    assert said(raw, "removed") == ["LIG A:9: left out (its coordinates are not finite numbers)"]


def test_stated_bonds_and_the_header(tmp_path: Path) -> None:
    head = [
        "HEADER    TRANSFERASE                             01-JAN-20   1ABC              ",
        "TITLE     A KINASE IN A TEST                                                    ",
        "EXPDTA    X-RAY DIFFRACTION                                                     ",
        "REMARK   2 RESOLUTION.    1.95 ANGSTROMS.                                       ",
        "SEQRES   1 A    6  ALA CYS ASP GLU PHE GLY                                      ",
        "LINK         SG  CYS A   2                 C1  LIG A 201     1555   1555  1.80  ",
    ]
    ligand = [hetatm(900, " C1", "LIG", 201, (20.0, 20.0, 20.0), "C")]
    raw = read_structure(write(tmp_path, [*head, *peptide_lines("ACDEF"), "TER", *ligand]))
    assert [(link.kind, link.label) for link in raw.links] == [("covalent", "CYS A:2 SG - LIG A:201 C1")]
    assert (raw.pdb_id, raw.title, raw.method) == ("1ABC", "A KINASE IN A TEST", "X-RAY DIFFRACTION")
    assert raw.resolution == 1.95
    assert not raw.is_model
    assert raw.seqres == ("ALA", "CYS", "ASP", "GLU", "PHE", "GLY")
    assert said(raw, "break") == ["1 of the 6 residues of the crystallised chain have no coordinates"]


def test_residues_that_are_not_those_crystallised_are_stated(tmp_path: Path) -> None:
    head = "SEQRES   1 A    8  GLY GLY ALA CYS GLU GLU PHE GLY                              "
    raw = read_structure(write(tmp_path, [head, *peptide_lines("ACDEF")]))
    assert said(raw, "modified") == ["ASP A:3: the crystallised sequence has GLU here (kept as named)"]
    other = "SEQRES   1 A    8  TRP TRP TRP TRP TRP TRP TRP TRP                              "
    assert said(read_structure(write(tmp_path, [other, *peptide_lines("ACDEF")])), "modified") == []


UNIT = [
    "REMARK 350 BIOMOLECULE: 1",
    "REMARK 350 AUTHOR DETERMINED BIOLOGICAL UNIT: DIMERIC",
    "REMARK 350 APPLY THE FOLLOWING TO CHAINS: A",
    "REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000",
    "REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000",
    "REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000",
    "REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000       10.00000",
    "REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000",
    "REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000",
]


def test_the_biological_unit_and_who_touches_a_group(tmp_path: Path) -> None:
    lines = peptide_lines("ACDEF")
    other = [moved(line[:21] + "B" + line[22:], 0, 0, 8) for line in lines]
    raw = read_structure(write(tmp_path, [*UNIT, *lines, "TER", *other]), "A")
    copy = "A (operator 2 of unit 1)"
    assert raw.unit == ("A", copy)
    assert said(raw, "chain") == [f"biological unit 1 (dimeric): chain A with {copy} (only A is prepared)"]
    point = np.array([raw.coordinates[0] + [0, 0, 8]])
    [partner] = [p for p in raw.partners(point, within=3.0) if p.chain == "B"]
    assert partner.distance == 0.0
    assert partner.residues[0] == "ALA 1"
    x, y, z = raw.coordinates[0]
    assert {n.chain for n in raw.neighbours} == {"B", copy}
    assert any(p.chain == copy and p.distance < 1e-6 for p in raw.partners(np.array([[10 - x, -y, z]])))
    assert raw.partners(np.array([[500.0, 0, 0]])) == ()


# --------------------------------------------------------------------------- predicted models


def test_confidence_in_the_b_column_tells_a_predicted_model(tmp_path: Path) -> None:
    sequence = "ACDEFGHKLS"
    lines = [x[:60] + f"{(35 + 6 * number_of(x)):6.2f}" + x[66:] for x in peptide_lines(sequence)]
    raw = read_structure(write(tmp_path, lines))
    assert raw.is_model
    first, *low = raw.changes
    assert (first.what, first.kind) == ("a predicted structure, not an observation", "model")
    assert "mean pLDDT 68.0" in first.why
    assert [(c.author_number, c.why) for c in low] == [(1, "pLDDT 41"), (2, "pLDDT 47")]
    crystal = ["EXPDTA    X-RAY DIFFRACTION"]
    assert not read_structure(write(tmp_path, [*crystal, *lines])).is_model
    assert not read_structure(write(tmp_path, peptide_lines(sequence))).is_model
    named = ["TITLE     ALPHAFOLD MONOMER V2.0 PREDICTION FOR TYROSINE-PROTEIN KINASE ABL1"]
    assert read_structure(write(tmp_path, [*named, *lines])).is_model


# --------------------------------------------------------------------------- coordinates that cannot be


def kinase_lines() -> list[str]:
    return [line for line in kinase_text().splitlines() if line.startswith("ATOM")]


def test_an_atom_far_from_its_place_is_taken_out_with_what_hangs_on_it(tmp_path: Path) -> None:
    lines = edited(peptide_lines("AFALA"), lambda x: moved(x, 4) if number_of(x) == 2 and name_of(x) == "CD1" else x)
    raw = read_structure(write(tmp_path, lines))
    [text] = said(raw, "removed")
    assert text.startswith("PHE A:2: impossible positions left out: CD1")
    assert {"CG", "CD2", "CB"} <= set(raw.atom_names[raw.atom_residue == 1].tolist())
    assert "CD1" not in raw.atom_names[raw.atom_residue == 1]


def test_a_carbonyl_turned_out_of_its_plane_is_taken_out(tmp_path: Path) -> None:
    lines = list(peptide_lines("AGA"))
    at = {(number_of(x), name_of(x)): np.array([float(x[30:38]), float(x[38:46]), float(x[46:54])]) for x in lines}
    axis = at[1, "C"] - at[1, "CA"]
    axis /= np.linalg.norm(axis)
    arm = at[1, "O"] - at[1, "C"]
    turned = 2 * axis * (axis @ arm) - arm  # half a turn about CA-C
    shift = turned - arm
    lines = edited(lines, lambda x: moved(x, *shift) if number_of(x) == 1 and name_of(x) == "O" else x)
    assert "ALA A:1: impossible position left out: O" in said(read_structure(write(tmp_path, lines)), "removed")[0]


def transformed(lines: Iterable[str], matrix: np.ndarray) -> list[str]:
    out = []
    for line in lines:
        xyz = matrix @ np.array([float(line[30:38]), float(line[38:46]), float(line[46:54])])
        out.append(line[:30] + "".join(f"{value:8.3f}" for value in xyz) + line[54:])
    return out


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([1.0, -1.0, 1.0]), "mirror image"), (np.diag([0.1, 0.1, 0.1]), "not in Angstrom"),
        (np.diag([1.1, 1.1, 1.0]), "1.06 times as long"), (np.diag([1.0, 1.0, 0.0]), "impossible bonds"),
        (np.diag([1.4, 1.0, 1.0]), "damaged|stretched"), (np.zeros((3, 3)), "all atoms at one place"),
    ],
)  # fmt: skip
def test_coordinates_of_a_wrong_shape_are_refused(tmp_path: Path, matrix: np.ndarray, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        read_structure(write(tmp_path, transformed(kinase_lines(), matrix)))


def test_a_rigid_motion_changes_nothing(tmp_path: Path) -> None:
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    raw = read_structure(write(tmp_path, transformed(kinase_lines(), turn)))
    plain = read_structure(write(tmp_path, kinase_lines(), "y.pdb"))
    np.testing.assert_allclose(raw.coordinates, plain.coordinates @ turn.T, atol=1e-3)
    assert raw.changes == plain.changes


def test_residues_on_top_of_each_other_and_residues_that_nothing_joins(tmp_path: Path) -> None:
    lines = kinase_lines()
    first = {name_of(x): x for x in lines if number_of(x) == 300}
    same = edited(
        lines, lambda x: x[:30] + first["CA"][30:54] + x[54:] if number_of(x) == 350 and name_of(x) == "O" else x
    )
    raw = read_structure(write(tmp_path, same))
    assert any("A:350: impossible positions left out: O" in text for text in said(raw, "removed"))
    far = edited(lines, lambda x: moved(x, 90.0 * (number_of(x) % 2)))
    with pytest.raises(StructureError, match="only .* neighbouring residues are joined"):
        read_structure(write(tmp_path, far))
    near = [moved(x, 0.3)[:21] + "A" + f"{number_of(x) + 1000:4d}" + x[26:] for x in lines]
    with pytest.raises(StructureError, match="atoms on top of others"):
        read_structure(write(tmp_path, [*lines, *near]))


# --------------------------------------------------------------------------- mutilated files


def differing(clean: RawStructure, now: RawStructure) -> set[int]:
    """Return author numbers of residues that are gone or have an atom more than 1 Angstrom elsewhere."""
    places = {
        (int(raw.author_numbers[i]), str(name)): (str(raw.residue_names[i]), xyz)
        for raw in (now,)
        for i, name, xyz in zip(raw.atom_residue, raw.atom_names, raw.coordinates, strict=True)
    }
    found = set()
    for i, name, xyz in zip(clean.atom_residue, clean.atom_names, clean.coordinates, strict=True):
        number = int(clean.author_numbers[i])
        residue, there = places.get((number, str(name)), ("", None))
        gone = there is None and number not in now.author_numbers
        if gone or (there is not None and (residue != clean.residue_names[i] or np.linalg.norm(there - xyz) > 1.0)):
            found.add(number)
    return found


def beside_breaks(raw: RawStructure) -> set[int]:
    """Return author numbers of the residues on either side of each break, which preparation states."""
    ends = np.flatnonzero(np.diff(raw.segments))
    return set(raw.author_numbers[np.concatenate([ends, ends + 1])].tolist())


@pytest.mark.parametrize("number", range(40))
def test_mutilated_files_are_refused_or_the_damage_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import mutilate

    damages = {**mutilate.pdb_damage(), **mutilate.text_damage()}
    renumbering = {"number-order", "inserted", "one-number"} | {n for n in damages if n.startswith("residue-number")}
    names = sorted(set(damages) - renumbering)
    rng = np.random.default_rng([7, number])
    name = names[(number * 17) % len(names)]
    path = tmp_path / "damaged.pdb"
    path.write_bytes(damages[name](kinase_text(), rng))
    clean = read_structure(write(tmp_path, kinase_text(), "clean.pdb"))
    try:
        raw = read_structure(path)
    except StructureError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert "damaged.pdb" in message
        assert len(message) > len(str(path)) + 15
        return
    new = set(raw.changes) ^ set(clean.changes)
    stated = {change.author_number for change in new} | beside_breaks(raw)
    whole = any(change.kind in ("chain", "break", "removed") and not change.residue_name for change in new)
    assert whole or differing(clean, raw) <= stated, name


# --------------------------------------------------------------------------- reference files


@needs_reference
def test_the_peptide_that_shares_atps_site_is_named() -> None:
    raw = read_structure(REFERENCE / "structures" / "1atp.pdb")
    [partner] = raw.partners(extract_het(raw, "ATP").coordinates)
    assert partner.chain == "I"
    assert partner.residues == ("ARG 18", "ARG 19", "ASN 20", "ALA 21")


@needs_reference
@pytest.mark.parametrize(
    ("pdb", "label"), [("5ug9", "CYS A:797 SG - 8AM A:9001 C31"), ("8f1x", "CYS A:797 SG - R28 A:1101 C20")]
)
def test_covalent_drugs_are_linked(pdb: str, label: str) -> None:
    assert [link.label for link in read_structure(REFERENCE / "structures" / f"{pdb}.pdb").links] == [label]


@needs_reference
def test_predicted_models_without_header_are_known_and_their_weak_residues_named() -> None:
    rows = (REFERENCE / "af2_models" / "models.csv").read_text().splitlines()
    header = rows[0].split(",")
    for row in rows[1:]:
        values = dict(zip(header, row.split(","), strict=True))
        raw = read_structure(REFERENCE / "af2_models" / values["file"])
        assert raw.is_model
        assert f"mean pLDDT {float(values['mean_plddt']):.1f}" in raw.changes[0].why
        assert raw.n_residues == int(values["n"])
