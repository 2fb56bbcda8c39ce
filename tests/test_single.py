"""Commands about one structure: prepare, annotate, mutate; end to end on what the package carries."""

from __future__ import annotations

import json

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from dockkit import api, cli
from dockkit.core.errors import MutationError, SettingsError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.settings import PreparationSettings
from dockkit.pipeline.annotate import annotate_input
from dockkit.pipeline.prepare import name_or_path, prepare_structure
from dockkit.structure import find_entry

FAST = {"longest_loop": 0, "protonation": "model"}


@pytest.fixture(scope="module")
def complex_file(tmp_path_factory):
    """CDK2 with its bound ligand, a buffer molecule, a chloride and two waters, one of them between the two."""
    folder = library_dir("structures")
    structure = gemmi.read_structure(str(folder / find_entry("cdk2-1h1q").file))
    ligand = Chem.MolFromMolFile(str(folder / "cdk2-1h1q-ligand.sdf"), removeHs=True)
    chain = structure[0][0]
    number = max(residue.seqid.num for residue in chain) + 100

    def add(name, atoms):
        nonlocal number
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.het_flag = name, gemmi.SeqId(number, " "), "H"
        for label, element, xyz in atoms:
            atom = gemmi.Atom()
            atom.name, atom.element, atom.pos, atom.occ, atom.b_iso = label, gemmi.Element(element), xyz, 1.0, 20.0
            residue.add_atom(atom)
        chain.add_residue(residue)
        number += 1

    counts: dict[str, int] = {}
    rows = []
    for atom, xyz in zip(ligand.GetAtoms(), ligand.GetConformer().GetPositions(), strict=True):
        counts[atom.GetSymbol()] = counts.get(atom.GetSymbol(), 0) + 1
        rows.append((f"{atom.GetSymbol()}{counts[atom.GetSymbol()]}", atom.GetSymbol(), gemmi.Position(*xyz)))
    add("LIG", rows)
    far = gemmi.Position(*(np.array(rows[0][2].tolist()) + [40.0, 0.0, 0.0]))
    add("CL", [("CL", "Cl", far)])
    path = tmp_path_factory.mktemp("complex") / "mine.pdb"
    structure.setup_entities()
    structure.write_pdb(str(path))
    return path, Chem.MolToSmiles(ligand)


def test_a_structure_with_its_ligand_is_prepared_and_recorded(complex_file, tmp_path):
    path, smiles = complex_file
    done = api.prepare(path, ligand_smiles=smiles, ligand_code="LIG", settings=FAST, out=tmp_path / "out")
    written = {file.name for _, file in done.files}
    assert {"receptor.pdb", "complex.cif", "preparation.json", "preparation.txt"} <= written
    record = json.loads((tmp_path / "out" / "preparation.json").read_text())
    assert record["structure"]["kinase"] == "CDK2"
    (ligand,) = record["ligands"]
    assert ligand["site"] == "atp"
    assert Chem.MolFromSmiles(ligand["smiles"]) is not None
    assert any(change["residue"] == "CL" for change in record["changes"]) or "CL" in done.text
    mol = Chem.MolFromMolFile(str(tmp_path / "out" / ligand["file"]), removeHs=True)
    assert mol.GetNumHeavyAtoms() == Chem.MolFromSmiles(smiles).GetNumHeavyAtoms()
    whole = gemmi.read_structure(str(tmp_path / "out" / "complex.pdb"))
    assert sum(len(residue) for chain in whole[0] for residue in chain) > record["structure"]["atoms"]


def test_the_ligand_stays_exactly_where_it_was(complex_file):
    path, smiles = complex_file
    prepared = prepare_structure(path, ligand_smiles=smiles, ligand_code="LIG", settings=PreparationSettings(**FAST))
    group = prepared.ligand.found.group
    np.testing.assert_array_equal(prepared.ligand.ligand.coordinates[: len(group.elements)], group.coordinates)


def test_a_ligand_that_is_not_there_is_told_with_what_is(complex_file):
    path, _ = complex_file
    with pytest.raises(StructureError, match=r"no hetero group 'STI'; present: .*LIG"):
        prepare_structure(path, ligand_code="STI")


def test_bundled_names_files_and_nonsense_are_told_apart(tmp_path):
    assert name_or_path("abl1-1iep") == "abl1-1iep"
    assert name_or_path("") == ""
    own = tmp_path / "abl1-1iep.pdb"
    own.write_text("REMARK a file of the user's with a library structure's name\n", encoding="utf-8")
    assert name_or_path(str(own)) == str(own)
    assert name_or_path(str(library_dir("structures") / find_entry("abl1-1iep").file)) == "abl1-1iep"
    with pytest.raises(StructureError, match="no such structure file"):
        name_or_path(str(tmp_path / "absent.pdb"))


def test_settings_of_a_preparation_are_checked():
    with pytest.raises(SettingsError, match="unknown key 'water'; did you mean 'waters'"):
        api.prepare("abl1-1iep", settings={"water": "none"})


def test_mutants_are_written_with_their_record(tmp_path):
    done = api.mutate(
        "abl1-1iep", ["T315I", "E255K/T315I"], models=2, numbering="author", settings=FAST, out=tmp_path / "m"
    )
    assert "T315I" in done.text
    record = json.loads((tmp_path / "m" / "E255K-T315I.json").read_text())
    assert {(row["mutation"], row["author_number"]) for row in record["models"]} == {("E255K", 255), ("T315I", 315)}
    model = gemmi.read_structure(str(tmp_path / "m" / "T315I-model1.pdb"))
    assert model[0][0]["315"][0].name == "ILE"
    assert model[0][0]["255"][0].name == "GLU"


def test_a_mutation_that_does_not_fit_writes_nothing(tmp_path):
    with pytest.raises(MutationError, match="T316I"):
        api.mutate("abl1-1iep", ["T316I"], settings=FAST, out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


# --------------------------------------------------------------------------------------------------- annotation


def test_a_gene_a_sequence_a_fasta_file_and_a_structure_say_the_same(tmp_path):
    text, record = api.annotate("ABL1")
    gatekeeper = dict(record["chains"][0]["domains"][0]["motifs"])["gatekeeper"]
    assert gatekeeper == [315]
    assert "T315" in text
    (gene,) = annotate_input("ABL1")
    fasta = tmp_path / "x.fasta"
    fasta.write_text(f">mine\n{gene.sequence}\n")
    (read,) = annotate_input(str(fasta))
    assert read.label == "mine"
    assert read.annotation.domains == gene.annotation.domains
    (word,) = annotate_input(gene.sequence[228:500].lower())
    assert word.annotation.domains[0].gatekeeper.uniprot_number == 315
    assert word.annotation.domains[0].gatekeeper.number == 315 - 228
    (chain,) = annotate_input("abl1-1iep")
    assert chain.annotation.domains[0].gatekeeper.number == 315
    assert chain.conformation.dfg == "out"


def test_what_is_no_kinase_is_told_so():
    (found,) = annotate_input(
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALR"
    )
    assert not found.annotation.is_protein_kinase


def test_an_empty_fasta_file_is_refused(tmp_path):
    path = tmp_path / "x.fasta"
    path.write_text("\n")
    with pytest.raises(StructureError, match="no sequence in it"):
        annotate_input(str(path))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["annotate", "ABL1"], 0, "T315"),
        (["annotate", "abl1-1iep", "--json"], 0, '"dfg": "out"'),
        (["annotate", "no_such_thing.pdb"], 2, "no such structure file"),
        (["prepare", "no_such_thing.pdb"], 2, "no such structure file"),
        (["mutate", "abl1-1iep", "--mutation", "E255_T315del"], 2, "deletion"),
        (["mutate", "abl1-1iep", "--mutation", "T315I", "--models", "0"], 2, "give 1 or more"),
    ],
)
def test_the_command_line(arguments, code, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == code
    output = capsys.readouterr()
    assert says in output.out + output.err
    assert "Traceback" not in output.err
