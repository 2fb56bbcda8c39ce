"""Tables and multi-molecule files of ligands, states and isomers, and what is no molecule."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from dockkit.core.errors import LigandError
from dockkit.core.model import Substitution, Variant
from dockkit.ligand import (
    catalogue,
    covalent_site,
    covalent_step_lost,
    covalent_warning,
    expand_ligands,
    load_ligand,
    read_ligands,
    to_rdkit,
)
from dockkit.ligand.alternatives import alternatives
from dockkit.ligand.conformer import geometry_problem
from dockkit.ligand.covalent import find_warhead
from dockkit.ligand.protonation import protonate
from dockkit.ligand.state import choose_state
from dockkit.ligand.tautomers import aromatic_rings, settle, tautomers

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IMATINIB = next(entry for entry in catalogue() if entry.name == "imatinib")


def _rows(path, **options):
    return {row.label: row for row in expand_ligands(str(path), **options)}


# ------------------------------------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".csv", "name,smiles\nphenol,Oc1ccccc1\naniline,Nc1ccccc1\n"),
        (".csv", "\ufeffSMILES;Compound Name;IC50\nOc1ccccc1;phenol;1,5\nNc1ccccc1;aniline;2,0\n"),
        (".csv", '"ID","Canonical SMILES"\r\n"phenol","Oc1ccccc1"\r\n"aniline","Nc1ccccc1"\r\n'),
        (".tsv", "compound\tcanonical_smiles\n\nphenol\tOc1ccccc1\n\n\naniline\tNc1ccccc1\n"),
        (".smi", "Oc1ccccc1 phenol\nNc1ccccc1 aniline\n"),
        (".smi", "# made by hand\nOc1ccccc1\tphenol\nNc1ccccc1\taniline\n"),
        (".txt", "phenol, Oc1ccccc1\naniline, Nc1ccccc1\n"),
        (".csv", "cid,isomeric_smiles,name\n1,Oc1ccccc1,phenol\n2,Nc1ccccc1,aniline\n"),
    ],
)
def test_delimiter_header_and_column_names_are_found(tmp_path, suffix, content):
    path = tmp_path / f"table{suffix}"
    path.write_text(content, encoding="utf-8", newline="")
    assert {label: row.smiles for label, row in _rows(path).items()} == {"phenol": "Oc1ccccc1", "aniline": "Nc1ccccc1"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_spreadsheets(tmp_path, encoding):
    path = tmp_path / "table.csv"
    path.write_bytes("name,smiles\ncaféine,Cn1c(=O)c2c(ncn2C)n(C)c1=O\nphenol,Oc1ccccc1\n".encode(encoding))
    assert list(_rows(path)) == ["caféine", "phenol"]


def test_a_bad_row_is_one_explained_failure_and_the_others_go_on(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text(
        "name,smiles\nphenol,Oc1ccccc1\nbroken,C1CC\n\nempty,\nimatinib,\nopen,CC(N)C(=O)O\nboronic,OB(O)c1ccccc1\n"
        "blank,n/a\naniline,Nc1ccccc1\n"
    )
    made = read_ligands(str(path), seed=3)
    good = {label: item for label, item in made if not isinstance(item, LigandError)}
    bad = {label: str(item) for label, item in made if isinstance(item, LigandError)}
    assert list(good) == ["phenol", "imatinib", "aniline"]
    assert good["imatinib"].charge == 1
    assert good["imatinib"].entry is IMATINIB
    assert set(bad) == {"broken", "empty", "open", "boronic", "blank"}
    assert "mixed.csv, row 3" in bad["broken"]
    assert "ring bond 1" in bad["broken"]
    assert "row 5: no SMILES" in bad["empty"]
    assert "row 7" in bad["open"]
    assert "undefined stereochemistry" in bad["open"]
    assert "B has no parameters" in bad["boronic"]
    assert "no SMILES" in bad["blank"]


def test_every_row_can_be_read_again_on_its_own(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("name,smiles\nphenol,Oc1ccccc1\nbroken,C1CC\nracemate,CC(O)c1ccccc1\n")
    for row in expand_ligands(str(path), enumerate_stereo=True):
        if row.error is None:
            ligand = load_ligand(row.text, label=row.label)
            assert (ligand.name, ligand.smiles) == (row.label, row.smiles)
        else:
            with pytest.raises(LigandError) as caught:
                load_ligand(row.text)
            assert str(caught.value) == str(row.error)
            assert len(row.content) == 64


def test_the_same_molecule_is_taken_once_and_a_name_only_once(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text(
        f"name,smiles\ngleevec,{IMATINIB.smiles}\nsti,{IMATINIB.smiles_ph74}\nx,Oc1ccccc1\nX,Nc1ccccc1\nempty,\nempty,\n"
    )
    rows = expand_ligands(str(path))
    assert [row.label for row in rows] == ["gleevec", "x", "X (row 5)", "empty"]
    assert rows[0].entry is IMATINIB
    assert "row 3 (sti) is the same molecule" in rows[0].notes[0]
    assert "row 7" in rows[3].notes[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"name,smiles\nx,C1CC\ny,c1ccnc1\n", "none of 2 molecules can be used: a.csv, row 2"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"name,smiles\n", "no rows"),
        ("a.csv", b"date,price\n1,2\n3,4\n", "no column of SMILES"),
        ("a.csv", b"PK\x03\x04rest", "Excel workbook"),
        ("a.xlsx", b"PK\x03\x04rest", "read from"),
        ("a.csv", b"name,smiles\nx,\x00\x00", "not a text file"),
        ("a.sdf.gz", gzip.compress(b"x" * 5000)[:20], "truncated or damaged"),
        ("a.sdf", b"\n\n$$$$\n\n$$$$\n", "no molecule"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LigandError, match=message):
        expand_ligands(str(path))


def test_davis_table_as_it_is():
    path = DATA / "davis2011" / "davis2011_mutants.csv"
    if not path.is_file():
        pytest.skip("reference data not present")
    with path.open() as handle:
        compounds = {row["compound"]: row["smiles"] for row in csv.DictReader(handle)}
    rows = _rows(path)
    assert set(rows) == set(compounds)
    no_smiles = {label for label, row in rows.items() if row.error is not None and "no SMILES" in str(row.error)}
    assert no_smiles == {name for name, smiles in compounds.items() if not smiles}
    assert {label for label, row in rows.items() if row.error is not None} - no_smiles == {"SU-14813", "SB-203580"}
    split = _rows(path, enumerate_stereo=True)
    assert {"SB-203580 (R)", "SB-203580 (S)", "SU-14813 (R)", "SU-14813 (S)"} <= set(split)


# ------------------------------------------------------------------------------------------------ files of molecules


def test_multi_molecule_sdf_gzipped(tmp_path):
    first, second = (load_ligand(text, seed=2) for text in ("CC(=O)Nc1ccc(O)cc1", "c1ccc2[nH]ccc2c1"))
    blocks = []
    for ligand, title, field in ((first, "paracetamol", ""), (second, "", "> <Name>\nindole\n\n")):
        lines = ligand.mol_block.split("\n")
        blocks.append("\r\n".join([title, *lines[1:]]) + "\r\n" + field)
    path = tmp_path / "two.sdf.gz"
    path.write_bytes(gzip.compress(("$$$$\r\n".join([*blocks, "broken\n\nM  END\n"]) + "$$$$\r\n").encode()))
    made = dict(read_ligands(str(path)))
    assert list(made) == ["paracetamol", "indole", "broken"]
    np.testing.assert_allclose(made["indole"].coordinates, second.coordinates, atol=1e-4)
    assert made["paracetamol"].pose_given
    assert "two.sdf.gz, molecule 3" in str(made["broken"])
    assert load_ligand(f"{path}#2").name == "indole"
    with pytest.raises(LigandError, match=r"holds 3 molecules; name one as two\.sdf\.gz#1"):
        load_ligand(str(path))
    with pytest.raises(LigandError, match="no molecule number 9; the last one has number 3"):
        load_ligand(f"{path}#9")


def _mol2(text, name):
    ligand = load_ligand(text)
    kinds = {"H": "H"}
    rows = zip(ligand.elements, ligand.coordinates, strict=True)
    atoms = [
        f"{i} {e}{i} {x:.4f} {y:.4f} {z:.4f} {kinds.get(e, f'{e}.3')} 1 LIG 0.0"
        for i, (e, (x, y, z)) in enumerate(rows, 1)
    ]
    pairs = [(bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1) for bond in to_rdkit(ligand).GetBonds()]
    bonds = [f"{k} {i} {j} 1" for k, (i, j) in enumerate(pairs, 1)]
    head = ["@<TRIPOS>MOLECULE", name, f"{len(atoms)} {len(bonds)} 1", "SMALL", "NO_CHARGES", "@<TRIPOS>ATOM"]
    return "\n".join([*head, *atoms, "@<TRIPOS>BOND", *bonds]) + "\n"


def test_multi_mol2(tmp_path):
    path = tmp_path / "two.mol2"
    path.write_text(_mol2("CCO", "ethanol") + _mol2("CCS", "ethanethiol"))
    made = dict(read_ligands(str(path)))
    assert {label: ligand.smiles for label, ligand in made.items()} == {"ethanol": "CCO", "ethanethiol": "CCS"}
    heavy = "@<TRIPOS>MOLECULE\nx\n3 2 1\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C1 0 0 0 C.3\n2 C2 1.5 0.1 0 C.3\n"
    path.write_text(f"{heavy}3 O3 2.1 1.4 0.3 O.3\n@<TRIPOS>BOND\n1 1 2 1\n2 2 3 1\n")
    with pytest.raises(LigandError, match="without hydrogens"):
        load_ligand(str(path))


def test_one_molecule_is_one_row(tmp_path):
    path = tmp_path / "pose.sdf"
    path.write_text(load_ligand("gefitinib").mol_block + "$$$$\n")
    (row,) = expand_ligands(str(path))
    assert (row.label, row.text) == ("gefitinib", str(path))
    assert len(row.content) == 64
    (row,) = expand_ligands("IMATINIB")
    assert (row.label, row.text, row.content, row.entry) == ("imatinib", "imatinib", "", IMATINIB)
    with pytest.raises(LigandError, match="did you mean"):
        expand_ligands("imatinob")


# ------------------------------------------------------------------------------------------------ stereo


def test_isomers_are_named_and_complete():
    rows = expand_ligands("CC(O)C(F)Cl halohydrin", enumerate_stereo=True)
    assert [row.label for row in rows] == [f"halohydrin ({a},{b})" for a in "RS" for b in "RS"]
    assert len({row.smiles for row in rows}) == 4
    for row in rows:
        molecule = Chem.MolFromSmiles(row.smiles)
        codes = [code for _, code in Chem.FindMolChiralCenters(molecule, useLegacyImplementation=False)]
        assert sorted(codes) == sorted(row.label[-4:-1].split(","))


def test_isomers_of_a_meso_compound_a_double_bond_and_a_defined_one():
    assert len(expand_ligands("CC(O)C(C)O butanediol", enumerate_stereo=True)) == 3
    assert [r.label for r in expand_ligands("CC=CC#N c", enumerate_stereo=True)] == ["c (E)", "c (Z)"]
    assert [r.label for r in expand_ligands("C[C@H](O)CC x", enumerate_stereo=True)] == ["x"]
    half = expand_ligands("C[C@H](O)C(F)Cl h", enumerate_stereo=True)
    assert [row.label for row in half] == ["h (R)", "h (S)"]


def test_a_racemate_by_cxsmiles_is_open_and_too_many_isomers_are_refused():
    with pytest.raises(LigandError, match="one of a mixture"):
        load_ligand("C[C@H](O)CC |&1:1|")
    assert len(expand_ligands("C[C@H](O)CC |&1:1| rac", enumerate_stereo=True)) == 2
    sugar = "OCC1OC(O)C(O)C(O)C1O"
    with pytest.raises(LigandError, match="more than 8"):
        expand_ligands(sugar, enumerate_stereo=True)


def test_a_charged_isomer_keeps_its_charge():
    rows = expand_ligands("C[NH+](C)CC(O)c1ccccc1 x", enumerate_stereo=True)
    assert [load_ligand(row.text).charge for row in rows] == [1, 1]


def test_cages_leave_one_arrangement():
    assert load_ligand("NC12CC3CC(CC(C3)C1)C2").charge == 1
    assert load_ligand("OC(=O)C12C3C4C1C5C2C3C45").charge == -1


def test_hindered_axis_is_said():
    assert any("atropisomers" in note for note in load_ligand("Oc1ccc2ccccc2c1-c1c(O)ccc2ccccc12").notes)
    assert not any("atropisomers" in note for note in load_ligand("Cc1cccc(C)c1-c1ccncc1").notes)


# ------------------------------------------------------------------------------------------------ state and tautomer


@pytest.mark.parametrize(
    ("smiles", "state"),
    [
        ("CN(C)C(=N)NC(=N)N", 1),
        ("CCCCNC(=O)NS(=O)(=O)c1ccc(C)cc1", -1),
        ("CCC1=C(O)c2ccccc2OC1=O", -1),
        ("CCN(CC)CCCC(C)Nc1ccnc2cc(Cl)ccc12", 2),
        ("COP(O)(=S)OC", -1),
        ("[CH3:1][N:2]1[CH2:3][CH2:4][CH2:5][CH2:6]1", 1),
        ("[N]1(C)CCCC1", 1),
    ],
)
def test_more_groups_of_the_rule_table(smiles, state):
    result, _ = protonate(Chem.MolFromSmiles(smiles))
    assert Chem.GetFormalCharge(result) == state
    assert not any(atom.GetNumRadicalElectrons() for atom in result.GetAtoms())


def test_permanent_charge_is_no_choice_of_state():
    assert load_ligand("C[N+](C)(C)CCC(=O)O").charge == 0, "the acid still ionises"
    assert load_ligand("C[N+](C)(C)CCNC").charge == 2, "the amine still protonates"
    assert load_ligand("CC(=O)[O-]").charge == -1


def test_alternatives_are_stated_and_can_be_asked_for():
    notes = load_ligand("gefitinib").notes
    other = next(note for note in notes if "also possible" in note)
    assert "morpholine" in other
    assert load_ligand(other.rpartition(", ")[2]).charge == 1
    moved = alternatives(Chem.MolFromSmiles("C[NH+]1CCN(Cc2ccccc2)CC1"), (1, 4))
    assert "CN1CC[NH+](Cc2ccccc2)CC1" in {item.smiles for item in moved}


def test_keep_state_keeps_everything():
    other = "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1N=c1nccc(-c2cccnc2)[nH]1"
    neutral = load_ligand(IMATINIB.smiles, keep_state=True)
    assert (neutral.charge, neutral.smiles) == (0, Chem.CanonSmiles(IMATINIB.smiles))
    assert any("kept on request" in note for note in neutral.notes)
    assert load_ligand(other).smiles == Chem.CanonSmiles(IMATINIB.smiles_ph74)
    with pytest.raises(LigandError, match="double bond"):
        load_ligand(other, keep_state=True)


def test_library_compounds_are_left_alone_and_come_back_from_their_aromatic_tautomers():
    came_back = 0
    for entry in (entry for entry in catalogue() if "." not in entry.smiles):
        molecule = Chem.MolFromSmiles(entry.smiles)
        assert Chem.MolToSmiles(settle(molecule)[0]) == Chem.CanonSmiles(entry.smiles), entry.name
        for other in tautomers(molecule):
            if all(count(other) >= count(molecule) for count in (aromatic_rings, _amides)):
                state, found, _ = choose_state(Chem.MolFromSmiles(Chem.MolToSmiles(other)))
                assert found is entry, Chem.MolToSmiles(other)
                assert Chem.MolToSmiles(state) == Chem.CanonSmiles(entry.smiles_ph74)
                came_back += 1
    assert came_back >= 6


def _amides(molecule):
    return len(molecule.GetSubstructMatches(Chem.MolFromSmarts("[#7;!X2][#6]=O")))


def test_quinoid_tautomer_is_made_aromatic_and_lactams_stay():
    dovitinib = "CN1CCN(c2ccc3c(c2)N/C(=C2/C(=O)N=c4cccc(F)c4=C2N)N3)CC1"
    settled, notes = settle(Chem.MolFromSmiles(dovitinib))
    assert settled.HasSubstructMatch(Chem.MolFromSmarts("c1cccc2c1c(N)c(c(=O)[nH]2)-c3nc4ccccc4[nH]3"))
    assert "more aromatic rings" in notes[0]
    for smiles in ("Cc1cc[nH]c(=O)c1", "Cc1ccnc(O)c1", "O=C1Nc2ccccc2/C1=C/c1ccc[nH]1"):
        assert Chem.MolToSmiles(settle(Chem.MolFromSmiles(smiles))[0]) == Chem.CanonSmiles(smiles)


# ------------------------------------------------------------------------------------------------ salts, labels, text


@pytest.mark.parametrize(
    ("text", "smiles"),
    [
        ("O=C(O[Na])c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)[O-]"),
        ("[Na+].CS(=O)(=O)[N-]c1ccc(F)cc1", "CS(=O)(=O)Nc1ccc(F)cc1"),
        ("CN1CCC(c2ccccc2)CC1.CN1CCC(c2ccccc2)CC1.OC(=O)/C=C/C(=O)O", "C[NH+]1CCC(c2ccccc2)CC1"),
        ("CN1CCN(c2ccccc2)CC1.Cc1ccc(S(=O)(=O)O)cc1", "C[NH+]1CCN(c2ccccc2)CC1"),
        ("[2H]C([2H])([2H])NC(=O)c1ccccc1", "CNC(=O)c1ccccc1"),
        ("[2H][C@@H](O)c1ccccc1", "OCc1ccccc1"),
        ("InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)", "CC(=O)Oc1ccccc1C(=O)[O-]"),
        ("C1CCCCC1\u2013c1ccccc1O", "Oc1ccccc1C1CCCCC1"),
        ("KTUFNOKKBVMGRW-UHFFFAOYSA-N", "imatinib"),
        ("sti\u2011571", "imatinib"),
        ("\u201cImatinib\u201d", "imatinib"),
    ],
)
def test_what_is_meant_is_found(text, smiles):
    wanted = IMATINIB.smiles_ph74 if smiles == "imatinib" else smiles
    assert load_ligand(text).smiles == Chem.CanonSmiles(wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CC>>CO", "reaction"),
        ("[#6]~[#7]", "SMARTS"),
        ("*CCO*", "attachment point"),
        ("[R1]c1ccccc1", "attachment point"),
        ("nan", "empty"),
        ("BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "does not hold it"),
        ("InChI=1S/C9H8O4/c1-6(10", "cannot read this InChI"),
        ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", "metal complexes"),
        ("N[Pt](N)(Cl)Cl", "metal complexes"),
        ("[Na+].[Cl-]", "nothing but counter-ions"),
        ("OB(O)c1ccccc1", "B has no parameters"),
        ("CN(C)(C)Cc1ccccc1", r"carries a charge, \[N\+\]"),
        ("c1ccnc1", r"\[nH\]"),
        ("CC[NH2", "bracket"),
        ("CC(=O", "parentheses"),
    ],
)
def test_what_is_no_molecule_says_so(text, message):
    with pytest.raises(LigandError, match=message):
        load_ligand(text)


def test_het_code_outside_the_library():
    ligand = load_ligand("bnz")
    assert ligand.smiles == "c1ccccc1"
    assert "PDB component BNZ: BENZENE" in ligand.notes[0]


# ------------------------------------------------------------------------------------------------ conformers


def test_geometry_check_sees_mirror_images_threads_and_clashes():
    ligand = load_ligand("C[C@H](O)CC1CCCCC1")
    molecule = to_rdkit(ligand)
    assert geometry_problem(molecule) == ""
    assert "stereochemistry" in geometry_problem(to_rdkit(ligand, ligand.coordinates * [1, 1, -1]))
    stretched = ligand.coordinates.copy()
    stretched[0] += 3.0
    assert "bond" in geometry_problem(to_rdkit(ligand, stretched))
    folded = ligand.coordinates.copy()
    hydrogens = np.flatnonzero(ligand.elements == "H")
    assert len(hydrogens) > 2
    assert geometry_problem(to_rdkit(ligand, folded * 0.5)) != ""


@pytest.mark.parametrize("smiles", [e.smiles for e in catalogue() if e.name in ("lorlatinib", "selitrectinib")])
def test_macrocycles_from_smiles(smiles):
    ligand = load_ligand(smiles, seed=4)
    assert geometry_problem(to_rdkit(ligand)) == ""
    np.testing.assert_array_equal(ligand.coordinates, load_ligand(smiles, seed=4).coordinates)


# ------------------------------------------------------------------------------------------------ covalent


def _variant(text):
    return Variant((Substitution(int(text[1:-1]), text[0], text[-1]),))


COVALENT = {entry.name: entry for entry in catalogue() if entry.covalent_residue}


def test_every_covalent_entry_has_a_cysteine_and_a_warhead():
    assert {"osimertinib", "afatinib", "ibrutinib", "acalabrutinib", "zanubrutinib", "neratinib"} <= set(COVALENT)
    for entry in COVALENT.values():
        assert find_warhead(Chem.MolFromSmiles(entry.smiles)), entry.name
        for kinase, residue in (site.split() for site in entry.covalent_residue.split(", ")):
            site = covalent_site(entry, kinase)
            assert site is not None
            assert site.label == f"{residue}C"
    for entry in catalogue():
        if entry.name in ("imatinib", "gefitinib", "pirtobrutinib", "tofacitinib"):
            assert not find_warhead(Chem.MolFromSmiles(entry.smiles)), entry.name


@pytest.mark.parametrize(
    ("ligand", "gene", "mutation", "lost"),
    [
        ("osimertinib", "EGFR", "C797S", True),
        ("osimertinib", "EGFR", "T790M", False),
        ("afatinib", "EGFR", "C797G", True),
        ("afatinib", "ERBB2", "C805S", True),
        ("ibrutinib", "BTK", "C481S", True),
        ("ibrutinib", "BTK", "T474I", False),
        ("ibrutinib", "EGFR", "C797S", False),
        ("pirtobrutinib", "BTK", "C481S", False),
    ],
)
def test_covalent_step(ligand, gene, mutation, lost):
    entry = next(entry for entry in catalogue() if entry.name == ligand)
    assert covalent_step_lost(entry, gene, _variant(mutation)) is lost
    warning = covalent_warning(entry, gene, _variant(mutation), ligand)
    assert ("covalent step is lost" in warning) is lost
    assert not covalent_step_lost(None, gene, _variant(mutation))


def test_the_wild_type_keeps_its_covalent_step():
    variant = _variant("C797S").reversed_to_wild_type
    assert not covalent_step_lost(COVALENT["osimertinib"], "EGFR", variant)


def test_an_unknown_ligand_with_a_warhead_is_told():
    notes = load_ligand("C=CC(=O)Nc1cccc(Nc2nc(Nc3ccc(OCCOC)cc3)ncc2F)c1").notes
    assert any("acrylamide" in note for note in notes)
