"""The bundled structures: catalogue and files agree, the models are sound, and the build scripts do what they say."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial import cKDTree

from dockkit.core.geometry import dihedral
from dockkit.core.library import library_dir
from dockkit.core.model import Receptor, StructureEntry
from dockkit.kinase import load_kinase, map_to_uniprot, measure_conformation
from dockkit.structure import RawStructure, catalogue, find_entry, prepare_receptor, read_structure

FOLDER = library_dir("structures")
REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
ENTRIES = catalogue()
MODELS = [entry for entry in ENTRIES if entry.modelled]


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType, ModuleType]:
    """The build scripts, imported as they run: with their own folder on the path."""
    sys.path.insert(0, str(FOLDER))
    try:
        import build_library
        import library_files
        import model_abl1_dfg_in
    finally:
        sys.path.remove(str(FOLDER))
    return library_files, build_library, model_abl1_dfg_in


@pytest.fixture(scope="module")
def homology(scripts: tuple[ModuleType, ModuleType, ModuleType]) -> ModuleType:
    """The script that models a kinase after another one."""
    sys.path.insert(0, str(FOLDER))
    try:
        import model_by_homology
    finally:
        sys.path.remove(str(FOLDER))
    return model_by_homology


def raw_structure(entry: StructureEntry) -> RawStructure:
    return read_structure(FOLDER / entry.file)


def segments(raw: RawStructure) -> list[int]:
    position = {(int(r), str(n)): x for r, n, x in zip(raw.atom_residue, raw.atom_names, raw.coordinates, strict=True)}
    numbers = [0]
    for i in range(raw.n_residues - 1):
        broken = np.linalg.norm(position[i, "C"] - position[i + 1, "N"]) > 2.0
        numbers.append(numbers[-1] + int(broken))
    return numbers


def receptor(entry: StructureEntry, raw: RawStructure) -> Receptor:
    kinase = load_kinase(entry.kinase)
    return prepare_receptor(raw, name=entry.name, kinase=kinase, uniprot_numbers=raw.author_numbers)


# -------------------------------------------------------------------------------------------------------- catalogue


def test_the_library_is_as_large_as_promised() -> None:
    assert len({entry.kinase for entry in ENTRIES}) >= 12
    assert {entry.dfg for entry in ENTRIES if entry.kinase == "ABL1"} == {"in", "out"}


def test_every_file_is_in_the_catalogue() -> None:
    assert {path.name for path in FOLDER.glob("*.cif.gz")} == {entry.file for entry in ENTRIES}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_says_what_its_file_holds(entry: StructureEntry) -> None:
    raw, kinase = raw_structure(entry), load_kinase(entry.kinase)
    assert entry.uniprot == kinase.uniprot
    numbers = raw.author_numbers
    assert (numbers[0], numbers[-1]) == (entry.first, entry.last)
    assert (np.diff(numbers) > 0).all()
    # The numbers must follow from the letters and the chain breaks alone.
    assert (map_to_uniprot(raw.sequence, kinase, segments=segments(raw)) == numbers).all()
    wild_type = "".join(kinase.sequence[n - 1] for n in numbers)
    pairs = zip(wild_type, numbers, raw.sequence, strict=True)
    assert entry.differences == tuple(f"{w}{n}{m}" for w, n, m in pairs if w != m)
    assert kinase.gatekeeper in numbers
    assert kinase.dfg_aspartate in numbers
    assert entry.source
    assert entry.licence
    assert entry.modelled == bool(entry.expected_error)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_state_in_the_catalogue_is_the_measured_one(entry: StructureEntry) -> None:
    raw, kinase = raw_structure(entry), load_kinase(entry.kinase)
    found = measure_conformation(
        Receptor(
            name=entry.name,
            kinase=kinase.gene,
            uniprot=kinase.uniprot,
            source="",
            modelled=False,
            atom_names=raw.atom_names,
            elements=raw.elements,
            atom_residue=raw.atom_residue,
            coordinates=raw.coordinates,
            residue_names=raw.residue_names,
            chain_ids=np.array(["A"] * raw.n_residues),
            insertion_codes=raw.insertion_codes,
            author_numbers=raw.author_numbers,
            uniprot_numbers=raw.author_numbers,
            segments=np.array(segments(raw)),
        ),
        kinase,
    )
    assert (found.dfg, found.alpha_c) == (entry.dfg, entry.alpha_c)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_search_box_is_at_the_site(entry: StructureEntry) -> None:
    raw, kinase = raw_structure(entry), load_kinase(entry.kinase)
    hinge = (raw.author_numbers[raw.atom_residue] == kinase.hinge_middle) & (raw.atom_names == "CA")
    lysine = (raw.author_numbers[raw.atom_residue] == kinase.catalytic_lysine) & (raw.atom_names == "CA")
    low = np.array(entry.box_center) - np.array(entry.box_size) / 2
    high = np.array(entry.box_center) + np.array(entry.box_size) / 2
    for atom in (lysine,) if entry.kinase == "MAP2K1" else (hinge, lysine):  # MEK1's box is at the allosteric site
        xyz = raw.coordinates[atom][0]
        assert (xyz > low - 2.0).all()
        assert (xyz < high + 2.0).all()
    near = cKDTree(raw.coordinates).query(np.array(entry.box_center))[0]
    assert near < 6.0


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.bound_ligand_file], ids=lambda entry: entry.name)
def test_a_bound_ligand_lies_in_the_site_without_a_clash(entry: StructureEntry) -> None:
    molecule = Chem.MolFromMolFile(str(FOLDER / entry.bound_ligand_file))
    assert molecule is not None
    coordinates = molecule.GetConformer().GetPositions()
    distances, _ = cKDTree(raw_structure(entry).coordinates).query(coordinates)
    assert distances.min() > 2.3
    assert np.median(distances) < 4.5


@pytest.mark.parametrize("name", ["abl1-1iep", "abl1-dfg-in", "abl1-dfg-in-atp", "lck-dockstring", "tyk2-4gih"])
def test_an_entry_can_be_prepared(name: str) -> None:
    entry = find_entry(name)
    prepared = receptor(entry, raw_structure(entry))
    kinase = load_kinase(entry.kinase)
    assert measure_conformation(prepared, kinase).dfg == entry.dfg
    assert prepared.residue_index(kinase.gatekeeper) > 0


# ----------------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_a_model_has_the_geometry_of_a_protein(entry: StructureEntry) -> None:
    raw = raw_structure(entry)
    rows = [np.flatnonzero(raw.atom_residue == i) for i in range(raw.n_residues)]
    atoms = [{str(raw.atom_names[i]): raw.coordinates[i] for i in row} for row in rows]
    followed = np.diff(raw.author_numbers) == 1  # a model may leave out what it has no template for
    for here, following, letter, bonded in zip(atoms, atoms[1:], raw.sequence[1:], followed, strict=False):
        if not bonded:
            continue
        assert 1.25 < np.linalg.norm(here["C"] - following["N"]) < 1.42
        omega = abs(float(dihedral(here["CA"], here["C"], following["N"], following["CA"])))
        assert omega > 145.0 or letter == "P"
    for here in atoms:
        if "CB" in here:
            handed = np.dot(np.cross(here["N"] - here["CA"], here["C"] - here["CA"]), here["CB"] - here["CA"])
            assert handed > 1.5  # L amino acids: about 2.5 cubic Angstrom
    for i, j in cKDTree(raw.coordinates).query_pairs(2.8):
        if abs(raw.atom_residue[i] - raw.atom_residue[j]) > 1:
            assert raw.elements[i] in "NOS"  # hydrogen bonds only
            assert raw.elements[j] in "NOS"
            assert np.linalg.norm(raw.coordinates[i] - raw.coordinates[j]) > 2.4


def test_the_models_are_human_wild_type_and_active() -> None:
    assert [entry.name for entry in MODELS] == ["abl1-dfg-in", "abl1-dfg-in-atp", "alk-dfg-in"]
    for entry in MODELS:
        assert entry.differences == ()
        assert (entry.dfg, entry.alpha_c) == ("in", "in")
        prepared = receptor(entry, raw_structure(entry))
        measures = dict(measure_conformation(prepared, load_kinase(entry.kinase)).measures)
        assert measures["lysine_glutamate_salt_bridge"] < 3.5


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="reference crystals are not beside the checkout")
def test_the_model_of_alk_is_as_near_to_crystals_as_it_says(
    scripts: tuple[ModuleType, ModuleType, ModuleType], homology: ModuleType
) -> None:
    residues = scripts[0].read_cif(FOLDER / "alk-dfg-in.cif.gz")
    references = [REFERENCE / f"{name}.pdb" for name in ("2xp2", "3aox", "4mkc", "5j7h")]
    assert homology.measure(residues, load_kinase("ALK"), references) == find_entry("alk-dfg-in").expected_error


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="reference crystals are not beside the checkout")
def test_the_inhibitor_model_is_as_near_to_crystals_as_it_says(
    scripts: tuple[ModuleType, ModuleType, ModuleType],
) -> None:
    _, _, model = scripts
    kinase = load_kinase("ABL1")
    table, contacts = model.measure(model.load(FOLDER, "abl1-dfg-in"), REFERENCE, kinase)
    assert model.expected_error(table) == find_entry("abl1-dfg-in").expected_error
    assert len(contacts) == 3
    for row in table.values():
        assert row["DFG"] < 0.6
        assert row["activation loop"] < 1.6
        assert row["401-412"] < 0.6
        assert row["alpha-C"] < 2.2
        assert row["P-loop"] < 2.8
    # Dasatinib of 2GQG, laid on the model, meets nothing but its hydrogen-bond partners below 2.8 A.
    molecule = Chem.MolFromMolFile(str(REFERENCE / "ligands" / "2gqg_1n1_A.sdf"))
    reference, _ = model.load_reference(REFERENCE / "2gqg.pdb", "A", kinase)
    close = model.closest(model.load(FOLDER, "abl1-dfg-in"), reference, molecule.GetConformer().GetPositions())
    assert all(label.split()[1] in ("N", "O", "OG1") for distance, label in close if distance < 2.8)


# ---------------------------------------------------------------------------------------------------------- scripts


def test_a_structure_is_written_and_read_back_the_same(
    scripts: tuple[ModuleType, ModuleType, ModuleType], tmp_path: Path
) -> None:
    files, _, _ = scripts
    kinase = load_kinase("ABL1")
    residues = files.read_cif(FOLDER / "abl1-1iep.cif.gz")
    for name in ("a", "b"):
        files.write_cif(tmp_path / f"{name}.cif.gz", "abl1-1iep", kinase, residues, "title")
    assert (tmp_path / "a.cif.gz").read_bytes() == (tmp_path / "b.cif.gz").read_bytes()
    again = files.read_cif(tmp_path / "a.cif.gz")
    assert [(r.letter, r.number, list(r.atoms)) for r in again] == [
        (r.letter, r.number, list(r.atoms)) for r in residues
    ]
    for one, two in zip(again, residues, strict=True):
        for name in one.atoms:
            assert np.allclose(one.atoms[name], two.atoms[name], atol=1e-9)


def test_the_catalogue_is_written_and_read_back_the_same(
    scripts: tuple[ModuleType, ModuleType, ModuleType], tmp_path: Path
) -> None:
    files, _, _ = scripts
    entries = {entry.name: entry for entry in ENTRIES}
    files.write_catalogue(tmp_path, entries)
    assert files.read_catalogue(tmp_path) == entries
    assert (tmp_path / "catalogue.toml").read_bytes() == (FOLDER / "catalogue.toml").read_bytes()


def test_renumbering_leaves_out_tags_scraps_and_other_molecules(
    scripts: tuple[ModuleType, ModuleType, ModuleType],
) -> None:
    files, build, _ = scripts
    kinase = load_kinase("ABL1")
    abl1 = files.read_cif(FOLDER / "abl1-1iep.cif.gz")
    # As a docking package has it: numbered from 1, a tag in front, holes, a copy of a piece of a neighbour behind.
    tag = [files.Residue("G", 0, {name: xyz - 3.8 * (i + 1) for name, xyz in abl1[0].atoms.items()}) for i in range(2)]
    body = [r for r in abl1 if r.number not in (440, 441, 442) and r.number != 470]
    copy = [files.Residue(r.letter, 0, {k: v + 80.0 for k, v in r.atoms.items()}) for r in abl1[100:130]]
    shuffled = [files.Residue(r.letter, i + 1, r.atoms) for i, r in enumerate([*tag, *body, *copy])]
    found = build.renumber(shuffled, kinase)
    assert [r.number for r in found] == [r.number for r in body]
    tidied = [r.number for r in build.tidy(found)]
    # The gap of one residue at 470 leaves no room for two caps: the shorter side gives one residue more.
    assert sorted({r.number for r in body} - set(tidied)) in ([469], [471])


def test_lck_residues_get_the_numbers_of_their_counterparts(scripts: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    _, _, model = scripts
    lck, abl1 = load_kinase("LCK"), load_kinase("ABL1")
    chain = model.renumber_as(lck, abl1, model.load(FOLDER, "lck-dockstring"))
    for landmark in ("gatekeeper", "catalytic_lysine", "alpha_c_glutamate", "hrd_aspartate", "dfg_aspartate"):
        number = getattr(abl1, landmark)
        assert chain[number].letter == abl1.sequence[number - 1]
    # Y393 of ABL1 is Y394 of LCK; the loop ends in the same GAKFPIKWTAPE.
    assert "".join(chain[n].letter for n in range(398, 410)) == "GAKFPIKWTAPE"
    assert chain[393].letter == "Y"
