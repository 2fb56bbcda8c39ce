"""Whole-file writing, and complexes that other programs can read back."""

import errno
import io
import os
import warnings
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import pytest
from Bio.PDB import PDBParser
from openmm.app import PDBxFile
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_bytes, atomic_write_text
from dockkit.core.formats import (
    ligand_parts,
    residue_labels,
    write_complex_mmcif,
    write_complex_pdb,
    write_sdf,
)
from dockkit.core.model import Ligand, Receptor
from dockkit.structure import prepare_receptor, read_structure


def make_ligand(smiles: str = "CC(=O)Nc1ccc(O)cc1", name: str = "paracetamol") -> Ligand:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    return Ligand(
        name=name,
        smiles=smiles,
        mol_block=Chem.MolToMolBlock(molecule),
        elements=np.array([a.GetSymbol() for a in molecule.GetAtoms()]),
        formal_charges=np.array([a.GetFormalCharge() for a in molecule.GetAtoms()]),
        coordinates=molecule.GetConformer().GetPositions(),
    )


def make_receptor(path: Path, sequence: str = "ACDWK", shift: int = 19) -> Receptor:
    molecule = Chem.AddHs(Chem.MolFromSequence(sequence))
    AllChem.EmbedMolecule(molecule, randomSeed=3)
    file = path / "peptide.pdb"
    file.write_text(Chem.MolToPDBBlock(Chem.RemoveHs(molecule)))
    raw = read_structure(file)
    return prepare_receptor(raw, name="peptide", kinase=None, uniprot_numbers=raw.author_numbers + shift)


@pytest.fixture(scope="module")
def receptor(tmp_path_factory: pytest.TempPathFactory) -> Receptor:
    return make_receptor(tmp_path_factory.mktemp("peptide"))


@pytest.fixture(scope="module")
def ligand() -> Ligand:
    return make_ligand()


def test_atomic_write_makes_folders_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.txt"
    atomic_write_text(path, "one é")
    atomic_write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["x.txt"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "permission denied"), (errno.EROFS, "read-only")],
)
def test_a_failed_write_keeps_the_old_file_and_names_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "x.txt"
    atomic_write_text(path, "old")

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match=words) as caught:
        atomic_write_text(path, "new")
    assert str(path) in str(caught.value)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_file_in_place_of_the_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        atomic_write_text(tmp_path / "file" / "x.txt", "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_device_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: real_open(Path("/dev/full"), *a, **k))
    with pytest.raises(StoreError, match="disk is full"):
        atomic_write_text(tmp_path / "x.txt", "text")


def test_pdb_opens_in_gemmi_mdtraj_and_biopython(tmp_path: Path, receptor: Receptor, ligand: Ligand) -> None:
    path = tmp_path / "complex.pdb"
    write_complex_pdb(path, receptor, [(ligand, ligand.coordinates)], "uniprot")
    expected = np.concatenate([receptor.coordinates, ligand.coordinates])

    model = gemmi.read_structure(str(path))[0]
    positions = np.array([atom.pos.tolist() for chain in model for residue in chain for atom in residue])
    np.testing.assert_allclose(positions, expected, atol=5.1e-4)
    names = {str(r.seqid): r.name for r in model["A"]}
    assert names["20"] == "ALA"
    assert names["24"] == "LYS"
    assert names["19"] == "ACE"
    assert names["25"] == "NME"

    trajectory = mdtraj.load(str(path))
    np.testing.assert_allclose(trajectory.xyz[0] * 10, expected, atol=6e-4)
    assert [a.element.symbol for a in trajectory.topology.atoms] == [*receptor.elements, *ligand.elements]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure = PDBParser(QUIET=True).get_structure("x", str(path))
    assert len(list(structure.get_atoms())) == len(expected)


def test_pdb_conect_gives_the_ligand_its_bonds(tmp_path: Path, receptor: Receptor, ligand: Ligand) -> None:
    path = tmp_path / "complex.pdb"
    write_complex_pdb(path, receptor, [(ligand, ligand.coordinates)], "author")
    het = [
        line
        for line in path.read_text().splitlines()
        if line.startswith("CONECT") or (line.startswith("HETATM") and line[17:20] == "LIG")
    ]
    molecule = Chem.MolFromPDBBlock("\n".join(het), removeHs=False, proximityBonding=False)
    assert molecule.GetNumBonds() == Chem.MolFromMolBlock(ligand.mol_block, removeHs=False).GetNumBonds()


def test_mmcif_opens_in_gemmi_and_openmm_with_both_numberings(
    tmp_path: Path, receptor: Receptor, ligand: Ligand
) -> None:
    path = tmp_path / "complex.cif"
    write_complex_mmcif(path, receptor, [(ligand, ligand.coordinates)], "author")
    expected = np.concatenate([receptor.coordinates, ligand.coordinates])
    model = gemmi.read_structure(str(path))[0]
    positions = np.array([atom.pos.tolist() for chain in model for residue in chain for atom in residue])
    np.testing.assert_allclose(positions, expected, atol=1e-4)
    assert [str(r.seqid) for r in model["A"]] == ["0", "1", "2", "3", "4", "5", "6"]
    table = (
        gemmi.cif.read(str(path))
        .sole_block()
        .find("_atom_site.", ["auth_seq_id", "pdbx_sifts_xref_db_num", "auth_asym_id"])
    )
    assert {row[0]: row[1] for row in table if row[2] == "A"}["1"] == "20"
    openmm = PDBxFile(io.StringIO(path.read_text()))
    assert openmm.topology.getNumAtoms() == len(expected)


def test_author_and_uniprot_labels_are_unique_even_at_breaks() -> None:
    names = ["ACE", "ALA", "NME", "ACE", "GLY", "NME"]
    receptor = Receptor(
        name="x", kinase="", uniprot="P1", source="x", modelled=False,
        atom_names=np.array(["C"] * 6), elements=np.array(["C"] * 6), atom_residue=np.arange(6),
        coordinates=np.zeros((6, 3)), residue_names=np.array(names), chain_ids=np.array(["A"] * 6),
        insertion_codes=np.array([""] * 6), author_numbers=np.array([9, 10, 11, 10, 11, 12]),
        uniprot_numbers=np.array([0, 100, 0, 0, 102, 0]), segments=np.array([0, 0, 0, 1, 1, 1]),
    )  # fmt: skip
    numbers, codes = residue_labels(receptor, "author")
    assert len(set(zip(numbers, codes, strict=True))) == 6
    assert (numbers[1], codes[1], numbers[4], codes[4]) == (10, "", 11, "")
    numbers, codes = residue_labels(receptor, "uniprot")
    assert numbers == [99, 100, 101, 101, 102, 103]
    assert len(set(zip(numbers, codes, strict=True))) == 6


def test_a_receptor_without_uniprot_numbers_keeps_author_numbers(tmp_path: Path) -> None:
    receptor = make_receptor(tmp_path, "AG", shift=-100)
    assert residue_labels(receptor, "uniprot")[0] == [0, 1, 2, 3]


def test_coordinates_too_large_for_pdb_are_refused(tmp_path: Path, receptor: Receptor, ligand: Ligand) -> None:
    with pytest.raises(StoreError, match="write mmCIF"):
        write_complex_pdb(tmp_path / "x.pdb", receptor, [(ligand, ligand.coordinates + 1e5)], "author")
    assert not (tmp_path / "x.pdb").exists()


def test_separate_ions_become_residues_of_their_own() -> None:
    salt = make_ligand("[NH3+]CC(=O)[O-].[Mg+2]", "ATP.Mg")
    order = np.argsort(salt.elements == "Mg", kind="stable")
    molecule = Chem.RenumberAtoms(Chem.MolFromMolBlock(salt.mol_block, removeHs=False), [int(i) for i in order])
    salt = Ligand(
        salt.name, salt.smiles, Chem.MolToMolBlock(molecule), salt.elements[order], salt.formal_charges[order],
        salt.coordinates[order],
    )  # fmt: skip
    parts = ligand_parts(salt, salt.coordinates)
    assert [p.residue_name for p in parts] == ["ATP", "MG"]
    np.testing.assert_array_equal(np.concatenate([p.coordinates for p in parts]), salt.coordinates)


def test_sdf_round_trip(tmp_path: Path, ligand: Ligand) -> None:
    path = tmp_path / "poses.sdf"
    moved = ligand.coordinates + [1.0, 2.0, 3.0]
    write_sdf(path, ligand, [None, moved], [{"score": "-9.1"}, {"score": "-8.0", "why>": "two\nlines"}])
    molecules = list(Chem.SDMolSupplier(str(path), removeHs=False))
    assert [m.GetProp("score") for m in molecules] == ["-9.1", "-8.0"]
    assert molecules[1].GetProp("why") == "two lines"
    np.testing.assert_allclose(molecules[1].GetConformer().GetPositions(), moved, atol=1e-4)
    assert Chem.MolToSmiles(Chem.RemoveHs(molecules[0])) == Chem.CanonSmiles(ligand.smiles)


def test_sdf_refuses_lists_that_do_not_fit(tmp_path: Path, ligand: Ligand) -> None:
    with pytest.raises(StoreError, match="properties"):
        write_sdf(tmp_path / "x.sdf", ligand, [None], [{}, {}])
    with pytest.raises(StoreError, match="shape"):
        write_sdf(tmp_path / "x.sdf", ligand, [np.zeros((2, 3))])
