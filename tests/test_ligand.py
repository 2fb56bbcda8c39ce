"""Ligands: what is in the library, what is refused, which protonation state and which coordinates come out."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from dockkit.core.errors import LigandError
from dockkit.ligand import catalogue, load_ligand, to_rdkit
from dockkit.ligand.library import uncharged
from dockkit.ligand.protonation import protonate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

FORMULAS = {
    "imatinib": "C29H31N7O", "nilotinib": "C28H22F3N7O", "dasatinib": "C22H26ClN7O2S", "bosutinib": "C26H29Cl2N5O3",
    "ponatinib": "C29H27F3N6O", "olverembatinib": "C29H27F3N6O", "asciminib": "C20H18ClF2N5O3",
    "axitinib": "C22H18N4OS", "bafetinib": "C30H31F3N8O", "rebastinib": "C30H28FN7O3", "tozasertib": "C23H28N8OS",
    "masitinib": "C28H30N6OS", "gefitinib": "C22H24ClFN4O3", "erlotinib": "C22H23N3O4", "icotinib": "C22H21N3O4",
    "lapatinib": "C29H26ClFN4O4S", "afatinib": "C24H25ClFN5O3", "dacomitinib": "C24H25ClFN5O2",
    "neratinib": "C30H29ClN6O3", "osimertinib": "C28H33N7O2", "rociletinib": "C27H28F3N7O3",
    "lazertinib": "C30H34N8O3", "mobocertinib": "C32H39N7O4", "vandetanib": "C22H24BrFN4O2",
    "crizotinib": "C21H22Cl2FN5O", "ceritinib": "C28H36ClN5O3S", "alectinib": "C30H34N4O2",
    "brigatinib": "C29H39ClN7O2P", "lorlatinib": "C21H19FN6O2", "sunitinib": "C22H27FN4O2",
    "sorafenib": "C21H16ClF3N4O3", "regorafenib": "C21H15ClF4N4O3", "ripretinib": "C24H21BrFN5O2",
    "avapritinib": "C26H27FN10", "pazopanib": "C21H23N7O2S", "lenvatinib": "C21H19ClN4O4",
    "pexidartinib": "C20H15ClF3N5", "quizartinib": "C29H32N6O4S", "gilteritinib": "C29H44N8O3",
    "crenolanib": "C26H29N5O2", "midostaurin": "C35H30N4O4", "vemurafenib": "C23H18ClF2N3O3S",
    "dabrafenib": "C23H20F3N5O2S2", "encorafenib": "C22H27ClFN7O4S", "capmatinib": "C23H17FN6O",
    "tepotinib": "C29H28N6O2", "cabozantinib": "C28H24FN3O5", "selpercatinib": "C29H31N7O3",
    "pralsetinib": "C27H32FN9O2", "entrectinib": "C31H34F2N6O2", "larotrectinib": "C21H22F2N6O2",
    "repotrectinib": "C18H18FN5O2", "selitrectinib": "C20H21FN6O", "ibrutinib": "C25H24N6O2",
    "acalabrutinib": "C26H23N7O2", "zanubrutinib": "C27H29N5O3", "pirtobrutinib": "C22H21F4N5O3",
    "tofacitinib": "C16H20N6O", "ruxolitinib": "C17H18N6", "fedratinib": "C27H36N6O3S",
    "baricitinib": "C16H17N7O2S", "palbociclib": "C24H29N7O2", "ribociclib": "C23H30N8O",
    "abemaciclib": "C27H32F2N8", "trametinib": "C26H23FIN5O4", "cobimetinib": "C21H21F3IN3O2",
    "erdafitinib": "C25H30N6O2", "staurosporine": "C28H26N4O3", "ATP": "C10H16N5O13P3", "ADP": "C10H15N5O10P2",
    "ATP.Mg": "C10H12Mg2N5O13P3", "ADP.Mg": "C10H12MgN5O10P2-",
}  # fmt: skip
"""Molecular formulas as in the drugs' labels."""

STEREO = {
    "asciminib": "R", "bafetinib": "S", "afatinib": "S", "crizotinib": "R", "lorlatinib": "R", "avapritinib": "S",
    "encorafenib": "S", "larotrectinib": "RS", "repotrectinib": "RS", "selitrectinib": "RR", "ibrutinib": "R",
    "acalabrutinib": "S", "zanubrutinib": "S", "pirtobrutinib": "S", "tofacitinib": "RR", "ruxolitinib": "R",
    "cobimetinib": "S", "midostaurin": "RRRS", "staurosporine": "RRRS", "ATP": "RRRS", "selpercatinib": "RS",
    "pralsetinib": "RSs",
}  # fmt: skip
"""CIP labels in the drugs' systematic names, sorted; selpercatinib is meso."""

STATED_BY_HAND = {"dabrafenib", "selpercatinib"}
"""Library states that differ from the rule table's: an acidic sulfonamide and a strained bridged amine."""


# ------------------------------------------------------------------------------------------------ the library


def test_catalogue_covers_the_families():
    inhibitors = [entry for entry in catalogue() if entry.binding_type != "nucleotide"]
    generations = {entry.generation for entry in inhibitors}
    wanted = {f"{family} {n}" for family in ("ABL", "EGFR", "ALK") for n in ("1st", "2nd", "3rd")}
    wanted |= {
        "KIT",
        "FLT3 2nd",
        "BRAF 1st",
        "MET",
        "RET 2nd",
        "NTRK 2nd",
        "BTK 1st",
        "JAK",
        "CDK4/6",
        "ABL allosteric",
    }
    assert len(inhibitors) >= 35
    assert wanted <= generations
    assert {"ATP", "ADP", "ATP.Mg", "ADP.Mg"} <= {entry.name for entry in catalogue()}


def test_catalogue_marks_covalent_and_allosteric():
    entries = {entry.name: entry for entry in catalogue()}
    assert entries["osimertinib"].covalent_residue == "EGFR C797"
    assert entries["ibrutinib"].covalent_residue == "BTK C481"
    assert entries["imatinib"].covalent_residue == ""
    assert not entries["asciminib"].atp_competitive
    assert entries["dasatinib"].atp_competitive


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_catalogue_entry_is_the_compound(entry):
    molecule = Chem.MolFromSmiles(entry.smiles)
    assert CalcMolFormula(molecule) == FORMULAS[entry.name]
    rdCIPLabeler.AssignCIPLabels(molecule)
    labels = sorted(atom.GetProp("_CIPCode") for atom in molecule.GetAtoms() if atom.HasProp("_CIPCode"))
    assert "".join(labels) == STEREO.get(entry.name.removesuffix(".Mg").replace("ADP", "ATP"), "")
    assert Chem.MolToSmiles(uncharged(Chem.MolFromSmiles(entry.smiles_ph74))) == Chem.MolToSmiles(uncharged(molecule))


def test_midostaurin_is_benzoylated_staurosporine():
    entries = {entry.name: entry for entry in catalogue()}
    benzoylate = entries["staurosporine"].smiles.replace("CN[C@@H]1", "CN(C(=O)c9ccccc9)[C@@H]1", 1)
    assert Chem.CanonSmiles(benzoylate) == Chem.CanonSmiles(entries["midostaurin"].smiles)


def test_catalogue_against_crystal_ligands():
    table = DATA / "structures" / "ligand_smiles.csv"
    if not table.is_file():
        pytest.skip("reference data not present")
    known = {entry.name: entry for entry in catalogue()}
    with table.open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["smiles"] and row["name"] in known]
    assert len(rows) >= 25
    for row in rows:
        ours, theirs = (Chem.MolToInchiKey(Chem.MolFromSmiles(s)) for s in (known[row["name"]].smiles, row["smiles"]))
        assert ours == theirs, row["name"]


# ------------------------------------------------------------------------------------------------ loading


@pytest.mark.parametrize("name", ["imatinib", "axitinib", "afatinib", "lorlatinib", "selpercatinib", "ATP.Mg"])
def test_conformer_has_the_stereo_of_the_smiles(name):
    ligand = load_ligand(name, seed=1)
    molecule = to_rdkit(ligand)
    assert Chem.MolToSmiles(Chem.RemoveHs(molecule)) == ligand.smiles
    assert [atom.GetSymbol() for atom in molecule.GetAtoms()] == list(ligand.elements)
    assert [atom.GetFormalCharge() for atom in molecule.GetAtoms()] == list(ligand.formal_charges)
    assert sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms()) == 0, "a hydrogen is not explicit"
    assert ligand.mol_block.splitlines()[3].endswith("V2000")
    distances = np.linalg.norm(ligand.coordinates[:, None] - ligand.coordinates[None], axis=-1)
    assert distances[~np.eye(ligand.n_atoms, dtype=bool)].min() > 0.9


def test_seed_decides_the_conformer():
    first, again, other = (load_ligand("imatinib", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.coordinates, again.coordinates)
    assert np.abs(first.coordinates - other.coordinates).max() > 0.1


def test_names_ignore_case_and_know_codes():
    assert {load_ligand(text).name for text in ("Imatinib", "STI-571", "sti")} == {"imatinib"}


@pytest.mark.parametrize(
    ("name", "charge"),
    [
        ("imatinib", 1),
        ("ponatinib", 1),
        ("bosutinib", 1),
        ("nilotinib", 0),
        ("dasatinib", 0),
        ("axitinib", 0),
        ("ATP", -4),
    ],
)
def test_charges_of_the_main_job(name, charge):
    assert load_ligand(name).charge == charge


def test_neutral_smiles_of_a_library_ligand_gets_its_state_in_any_atom_order():
    reference = load_ligand("imatinib")
    molecule = Chem.MolFromSmiles(next(e.smiles for e in catalogue() if e.name == "imatinib"))
    order = list(np.random.default_rng(1).permutation(molecule.GetNumAtoms()))
    shuffled = Chem.MolToSmiles(Chem.RenumberAtoms(molecule, [int(i) for i in order]), canonical=False)
    ligand = load_ligand(f"{shuffled}.CS(=O)(=O)O")
    assert (ligand.name, ligand.smiles) == ("imatinib", reference.smiles)
    assert any("salt" in note for note in ligand.notes)


def test_atp_magnesium_chelate():
    for seed in (0, 3):
        ligand = load_ligand("ATP.Mg", seed=seed)
        assert ligand.charge == 0
        metals = np.flatnonzero(ligand.elements == "Mg")
        distances = np.linalg.norm(ligand.coordinates[metals][:, None] - ligand.coordinates[None], axis=-1)
        contacts = [np.flatnonzero((row < 2.35) & (row > 0)) for row in distances]
        molecule = to_rdkit(ligand)
        phosphorus = [
            {molecule.GetAtomWithIdx(int(oxygen)).GetNeighbors()[0].GetIdx() for oxygen in row} for row in contacts
        ]
        assert [len(row) for row in contacts] == [2, 2]
        assert all(len(pair) == 2 for pair in phosphorus), "each ion joins two phosphates"
        assert phosphorus[0] != phosphorus[1]
        assert np.linalg.norm(np.diff(ligand.coordinates[metals], axis=0)) > 3.0


def test_isomers_get_different_names_fit_for_files():
    names = [load_ligand(smiles).name for smiles in ("CCCO", "COCC", "CC(=O)[O-]", "CCCO propanol")]
    assert names[3] == "propanol"
    assert len(set(names)) == 4
    assert all(name.replace("-", "").isalnum() for name in names)


# ------------------------------------------------------------------------------------------------ protonation


@pytest.mark.parametrize(
    ("smiles", "state"),
    [
        ("CN1CCN(Cc2ccccc2)CC1", "C[NH+]1CCN(Cc2ccccc2)CC1"),
        ("CN1CCN(c2ccccc2)CC1", "C[NH+]1CCN(c2ccccc2)CC1"),
        ("OCCN1CCN(c2ncccn2)CC1", "OCCN1CCN(c2ncccn2)CC1"),
        ("C1CNCCN1c1ccccn1", "C1C[NH2+]CCN1c1ccccn1"),
        ("CN1CCOCC1", "CN1CCOCC1"),
        ("CCNCC(F)(F)F", "CCNCC(F)(F)F"),
        ("CC(=O)NC", "CC(=O)NC"),
        ("Nc1ccccc1", "Nc1ccccc1"),
        ("OC(=O)CCN", "[O-]C(=O)CC[NH3+]"),
        ("COP(=O)(O)O", "COP(=O)([O-])[O-]"),
        ("NC(=N)c1ccccc1", "NC(=[NH2+])c1ccccc1"),
        ("CNC(=N)N", "CNC(=[NH2+])N"),
        ("CN(C)c1ccncc1", "CN(C)c1cc[nH+]cc1"),
        ("Cc1nn[nH]n1", "Cc1nn[n-]n1"),
        ("CS(=O)(=O)Nc1ccccc1", "CS(=O)(=O)Nc1ccccc1"),
        ("Oc1ccccc1", "Oc1ccccc1"),
        ("c1c[nH]cn1", "c1c[nH]cn1"),
        ("NCCCN", "[NH3+]CCC[NH3+]"),
        ("NCCN", "NCC[NH3+]"),
    ],
)
def test_rule_table(smiles, state):
    result, notes = protonate(Chem.MolFromSmiles(smiles))
    assert Chem.MolToSmiles(result) == Chem.CanonSmiles(state)
    assert len(notes) == 1


def test_rule_table_agrees_with_the_library():
    different = {
        entry.name
        for entry in catalogue()
        if "." not in entry.name
        and Chem.MolToSmiles(protonate(Chem.MolFromSmiles(entry.smiles))[0]) != Chem.CanonSmiles(entry.smiles_ph74)
    }
    assert different == STATED_BY_HAND


def test_written_charges_are_kept():
    ligand = load_ligand("CC(=O)[O-]")
    assert ligand.charge == -1
    assert "as written" in ligand.notes[0]


# ------------------------------------------------------------------------------------------------ files


def test_pose_file_keeps_order_coordinates_and_state(tmp_path):
    source = load_ligand("imatinib", seed=5)
    order = [int(i) for i in np.random.default_rng(2).permutation(source.n_atoms)]
    molecule = Chem.RenumberAtoms(to_rdkit(source, source.coordinates + 30.0), order)
    path = tmp_path / "pose.sdf"
    path.write_text(Chem.MolToMolBlock(molecule) + "$$$$\n")
    ligand = load_ligand(str(path))
    assert ligand.pose_given
    assert ligand.entry is not None
    assert (ligand.name, ligand.charge) == ("imatinib", 1)
    assert list(ligand.elements) == list(source.elements[order])
    np.testing.assert_allclose(ligand.coordinates, source.coordinates[order] + 30.0, atol=1e-4)


def test_pose_file_without_hydrogens_gets_them_in_place(tmp_path):
    source = load_ligand("imatinib", seed=5)
    heavy = Chem.RemoveHs(to_rdkit(source))
    for atom in heavy.GetAtoms():
        atom.SetFormalCharge(0)
    path = tmp_path / "crystal.sdf"
    path.write_text(Chem.MolToMolBlock(heavy) + "$$$$\n")
    ligand = load_ligand(str(path))
    assert ligand.pose_given
    assert ligand.smiles == source.smiles
    np.testing.assert_allclose(
        ligand.coordinates[: heavy.GetNumAtoms()], heavy.GetConformer().GetPositions(), atol=1e-4
    )


def test_neutral_pose_of_a_charged_drug_is_kept_and_said(tmp_path):
    molecule = Chem.AddHs(uncharged(Chem.MolFromSmiles(load_ligand("imatinib").smiles)))
    from rdkit.Chem import rdDistGeom

    rdDistGeom.EmbedMolecule(molecule, randomSeed=7)
    path = tmp_path / "neutral.mol"
    path.write_text(Chem.MolToMolBlock(molecule))
    ligand = load_ligand(str(path))
    assert ligand.charge == 0
    assert any("library models" in note for note in ligand.notes)


def test_chelate_file_keeps_its_ions(tmp_path):
    path = tmp_path / "atp.sdf"
    path.write_text(load_ligand("ATP.Mg").mol_block + "$$$$\n")
    ligand = load_ligand(str(path))
    assert (ligand.name, ligand.charge, int((ligand.elements == "Mg").sum())) == ("ATP.Mg", 0, 2)


def test_mol2_file(tmp_path):
    source = load_ligand("CCO", seed=1)
    kinds = {"C": "C.3", "O": "O.3", "H": "H"}
    rows = zip(source.elements, source.coordinates, strict=True)
    atoms = [f"{i} {e}{i} {x:.4f} {y:.4f} {z:.4f} {kinds[e]} 1 LIG 0.0" for i, (e, (x, y, z)) in enumerate(rows, 1)]
    pairs = [(bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1) for bond in to_rdkit(source).GetBonds()]
    bonds = [f"{k} {i} {j} 1" for k, (i, j) in enumerate(pairs, 1)]
    head = ["@<TRIPOS>MOLECULE", "ethanol", f"{len(atoms)} {len(bonds)} 1", "SMALL", "NO_CHARGES"]
    path = tmp_path / "ethanol.mol2"
    path.write_text("\n".join([*head, "@<TRIPOS>ATOM", *atoms, "@<TRIPOS>BOND", *bonds]) + "\n")
    ligand = load_ligand(str(path))
    assert (ligand.name, ligand.smiles, ligand.pose_given) == ("ethanol", "CCO", True)
    np.testing.assert_allclose(ligand.coordinates, source.coordinates, atol=1e-4)


def test_own_poses_of_published_complexes():
    files = sorted((DATA / "abl1_hauser2018" / "complexes").glob("*_nowat_ligand.sdf"))
    if not files:
        pytest.skip("reference data not present")
    with (DATA / "abl1_hauser2018" / "complex_checks.csv").open() as handle:
        charges = {row["ligand"]: int(row["ligand_charge"]) for row in csv.DictReader(handle)}
    for path in files:
        ligand = load_ligand(str(path))
        assert (ligand.name, ligand.charge) == (path.name.split("_")[0], charges[path.name])
        assert ligand.pose_given


def test_coordinates_of_another_shape_are_refused():
    ligand = load_ligand("CCO")
    with pytest.raises(LigandError, match="shape"):
        to_rdkit(ligand, np.zeros((3, 3)))


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imatinob", "did you mean 'imatinib'"),
        ("", "empty"),
        ("C1CC", "SMILES"),
        ("c1ccccc1(C)(C)C", "RDKit rejects.*valence"),
        ("CC(N)C(=O)O", r"undefined stereochemistry at atom C2 \(bonded to C1, N3, C4\)"),
        ("CC=CC(=O)O", "double bond C2=C3"),
        ("OCC(N)CO.OCC(O)CO", "2 molecules"),
        ("C[Si](C)(C)C", "Si has no parameters"),
        ("CC[CH2]", "radical at atom 3"),
        ("CO", "2 heavy atoms"),
        ("C" * 200, "200 heavy atoms"),
        ("missing.sdf", "cannot be read"),
        ("protein.pdb", "read from .sdf"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(LigandError, match=message):
        load_ligand(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ("half", "truncated"), ("damaged", "no molecule could be read"), ("two", "holds 2 molecules")],
)
def test_bad_file(tmp_path, content, message):
    block = load_ligand("imatinib").mol_block
    texts = {"half": block[:900], "damaged": block[:900] + "\nM  END\n", "two": 2 * (block + "$$$$\n")}
    path = tmp_path / "ligand.sdf"
    path.write_text(texts.get(content, content))
    with pytest.raises(LigandError, match=message):
        load_ligand(str(path))


def test_stereo_that_is_none_is_accepted():
    assert load_ligand("C[NH+]1CCC(CO)CC1").charge == 1, "a protonated amine inverts"
    assert load_ligand("COP(=O)([O-])OP(=O)([O-])OC").charge == -2, "phosphate oxygens are equal"
    assert load_ligand("C1CC2CCC1C2").n_atoms == 19, "the bridge leaves one arrangement"


def test_reading_a_ligand_needs_no_force_field():
    code = "import sys, dockkit.ligand; print(any(name.startswith(('openff', 'openmm')) for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
