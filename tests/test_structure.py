"""Preparing structures into receptors that a force field accepts, and the bundled library."""

from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import unit
from openmm.app import ForceField, NoCutoff
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.errors import StoreError, StructureError
from dockkit.core.geometry import dihedral
from dockkit.core.library import library_dir
from dockkit.core.model import Receptor
from dockkit.core.settings import PreparationSettings
from dockkit.forcefield.system import receptor_parameters, receptor_topology
from dockkit.structure import catalogue, find_entry, library, prepare_receptor, read_structure

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="reference structures are not beside the checkout")


def peptide_pdb(sequence: str, seed: int = 3) -> str:
    """Return heavy atoms of a peptide as PDB text, chain A, numbered from 1."""
    molecule = Chem.AddHs(Chem.MolFromSequence(sequence))
    assert AllChem.EmbedMolecule(molecule, randomSeed=seed) == 0
    return "".join(
        line + "\n" for line in Chem.MolToPDBBlock(Chem.RemoveHs(molecule)).splitlines() if line.startswith("ATOM")
    )


def write(folder: Path, text: str, name: str = "x.pdb") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def prepare(path: Path, **options: object) -> Receptor:
    raw = read_structure(path)
    return prepare_receptor(raw, name="x", kinase=None, uniprot_numbers=raw.author_numbers, **options)  # type: ignore[arg-type]


def energy(receptor: Receptor) -> tuple[float, float]:
    """Return energies before and after a short minimisation, kJ/mol."""
    field = ForceField("amber14/protein.ff14SB.xml")
    system = field.createSystem(receptor_topology(receptor), nonbondedMethod=NoCutoff)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(receptor.coordinates / 10)

    def now() -> float:
        value = context.getState(getEnergy=True).getPotentialEnergy()
        return float(value.value_in_unit(unit.kilojoules_per_mole))

    before = now()
    openmm.LocalEnergyMinimizer.minimize(context, 10, 100)
    return before, now()


# --------------------------------------------------------------------------- preparing


@pytest.mark.parametrize("sequence", ["ARNDCEQGH", "ILKMFPSTWYV"])
def test_every_amino_acid_builds_a_system(tmp_path: Path, sequence: str) -> None:
    receptor = prepare(write(tmp_path, peptide_pdb(sequence)))
    assert receptor.residue_names[0] == "ACE"
    assert receptor.residue_names[-1] == "NME"
    before, after = energy(receptor)
    assert np.isfinite(before)
    assert after < before


@pytest.mark.parametrize(("ph", "expected"), [(1.0, {"HD1", "HE2", "HD2"}), (7.4, {"HE2"}), (12.0, {"HE2"})])
def test_protonation_follows_the_ph(tmp_path: Path, ph: float, expected: set[str]) -> None:
    receptor = prepare(write(tmp_path, peptide_pdb("AHDEKCA")), settings=PreparationSettings(ph=ph))
    names = {
        str(receptor.residue_names[r]): set(receptor.atom_names[receptor.atom_indices(r)].tolist()) for r in range(9)
    }
    his = names["HIS"] & {"HD1", "HE2"}
    assert his == (expected & {"HD1", "HE2"} if ph < 6 else his)
    assert len(his) == (2 if ph < 6 else 1)
    assert ("HD2" in names["ASP"]) == (ph < 3)
    assert ("HE2" in names["GLU"]) == (ph < 3)
    assert ("HZ1" in names["LYS"]) == (ph < 11)
    assert ("HG" in names["CYS"]) == (ph < 8)
    energy(receptor)


def test_hydrogens_have_the_lengths_and_the_amide_the_plane_they_should(tmp_path: Path) -> None:
    receptor = prepare(write(tmp_path, peptide_pdb("AYGKA")))
    topology = receptor_topology(receptor)
    for a, b in topology.bonds():
        length = np.linalg.norm(receptor.coordinates[a.index] - receptor.coordinates[b.index])
        if "H" in (a.element.symbol, b.element.symbol):
            assert 0.94 < length < 1.12
        else:
            assert 1.15 < length < 1.65
    at = {
        (int(r), str(n)): x
        for r, n, x in zip(receptor.atom_residue, receptor.atom_names, receptor.coordinates, strict=True)
    }
    omega_h = dihedral(at[2, "O"], at[2, "C"], at[3, "N"], at[3, "H"])
    omega = dihedral(at[2, "CA"], at[2, "C"], at[3, "N"], at[3, "CA"])
    assert abs(abs(omega_h) - abs(omega)) < 15


def test_a_missing_side_chain_end_is_rebuilt_and_the_rest_stays(tmp_path: Path) -> None:
    text = peptide_pdb("AKLRA")
    cut = "\n".join(
        line
        for line in text.splitlines()
        if not (line[17:20] in ("LYS", "ARG") and line[12:16].strip() in ("CD", "CE", "NZ", "NE", "CZ", "NH1", "NH2"))
    )
    receptor = prepare(write(tmp_path, cut))
    built = {c.label: c.what for c in receptor.changes if c.kind == "atoms"}
    assert built == {
        "LYS A:2": "missing atoms built: CD CE NZ",
        "ARG A:4": "missing atoms built: CD NE CZ NH1 NH2",
    }
    raw = read_structure(tmp_path / "x.pdb")
    for xyz in raw.coordinates[raw.atom_names != "OXT"]:
        assert np.abs(receptor.coordinates - xyz).max(axis=1).min() < 1e-9
    energy(receptor)


def test_a_break_is_capped_on_both_sides_and_noted(tmp_path: Path) -> None:
    text = "\n".join(line for line in peptide_pdb("AGAVGGSAGA").splitlines() if int(line[22:26]) not in (5, 6))
    receptor = prepare(write(tmp_path, text))
    names = receptor.residue_names.tolist()
    assert names == ["ACE", "ALA", "GLY", "ALA", "VAL", "NME", "ACE", "SER", "ALA", "GLY", "ALA", "NME"]
    assert receptor.segments.tolist() == [0] * 6 + [1] * 6
    (broken,) = [c for c in receptor.changes if c.kind == "break"]
    assert broken.label == "VAL A:4"
    assert "SER 7" in broken.what
    assert "capped" in broken.what
    energy(receptor)


def test_modified_residues_are_reverted_with_a_note(tmp_path: Path) -> None:
    text = peptide_pdb("ATA").replace("THR", "TPO")
    receptor = prepare(write(tmp_path, text), settings=PreparationSettings(phosphorylation="revert"))
    assert receptor.residue_names.tolist() == ["ACE", "ALA", "THR", "ALA", "NME"]
    assert [c.label for c in receptor.changes if c.kind == "modified"] == ["TPO A:2"]


def test_preparing_twice_gives_the_same_atoms(tmp_path: Path) -> None:
    path = write(tmp_path, peptide_pdb("ASTYCHA"))
    one, two = prepare(path), prepare(path)
    np.testing.assert_array_equal(one.coordinates, two.coordinates)


def test_numbers_that_do_not_fit_the_chain_are_refused(tmp_path: Path) -> None:
    raw = read_structure(write(tmp_path, peptide_pdb("AGA")))
    with pytest.raises(StructureError, match="2 UniProt numbers for 3 residues"):
        prepare_receptor(raw, name="x", kinase=None, uniprot_numbers=[1, 2])


def test_a_disulfide_is_found_and_bonded(tmp_path: Path) -> None:
    cyclic = Chem.MolFromSequence("CGGC")
    sulfurs = [a.GetIdx() for a in cyclic.GetAtoms() if a.GetSymbol() == "S"]
    editable = Chem.RWMol(cyclic)
    editable.AddBond(*sulfurs, Chem.BondType.SINGLE)
    molecule = editable.GetMol()
    Chem.SanitizeMol(molecule)
    molecule = Chem.AddHs(molecule)
    assert AllChem.EmbedMolecule(molecule, randomSeed=5) == 0
    text = Chem.MolToPDBBlock(Chem.RemoveHs(molecule), flavor=2)
    receptor = prepare(write(tmp_path, "\n".join(x for x in text.splitlines() if x.startswith("ATOM"))))
    assert receptor.disulfides.tolist() == [[1, 4]]
    assert "HG" not in receptor.atom_names
    energy(receptor)


# --------------------------------------------------------------------------- the library


def test_an_unknown_entry_offers_the_nearest() -> None:
    with pytest.raises(StructureError, match="abl1-1iep"):
        find_entry("abl1-1iepp")


def test_every_entry_has_its_file_and_a_unique_name() -> None:
    folder = library_dir("structures")
    names = [entry.name for entry in catalogue()]
    assert len(set(names)) == len(names) >= 12
    for entry in catalogue():
        assert (folder / entry.file).is_file()


def test_a_catalogue_with_an_unknown_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[[structure]]\nname = "x"\nkinaze = "ABL1"\n', "catalogue.toml")
    monkeypatch.setattr(library, "library_dir", lambda _: tmp_path)
    library.catalogue.cache_clear()
    with pytest.raises(StoreError, match="did you mean 'kinase'"):
        library.catalogue()
    library.catalogue.cache_clear()


def test_the_bundled_abl1_builds_a_system() -> None:
    entry = find_entry("abl1-1iep")
    raw = read_structure(library_dir("structures") / entry.file)
    receptor = prepare_receptor(raw, name=entry.name, kinase=None, uniprot_numbers=raw.author_numbers)
    assert str(receptor.residue_names[receptor.residue_index(315)]) == "THR"
    assert receptor_parameters(receptor).n_atoms == receptor.n_atoms


@needs_reference
@pytest.mark.parametrize("pdb", ["1m17", "5bvw", "1atp", "5p9i"])
def test_deposited_structures_build_a_system(pdb: str) -> None:
    receptor = prepare(REFERENCE / f"{pdb}.pdb")
    assert receptor_parameters(receptor).n_atoms == receptor.n_atoms
