"""ATP.Mg placement: what is refused and why, metals, geometry, motion of the input, crystals."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem
from scipy.spatial.transform import Rotation

from dockkit.core.errors import DockingError
from dockkit.core.library import library_dir
from dockkit.core.model import Conformation, Kinase, Ligand, Receptor
from dockkit.core.settings import RelaxSettings
from dockkit.docking import atp
from dockkit.docking.atp import find_nucleotide, measure_nucleotide, place_atp, with_metals
from dockkit.docking.molecule import ligand_mol
from dockkit.docking.nucleotide.contacts import ARRANGEMENTS, contacts
from dockkit.docking.nucleotide.geometry import MetalShell, NucleotideGeometry
from dockkit.docking.nucleotide.site import Site
from dockkit.docking.restraints import Restraint, Restraints
from dockkit.forcefield.parameters import parametrise
from dockkit.kinase import identify_kinase, measure_conformation
from dockkit.ligand import load_ligand
from dockkit.pipeline.nucleotide import alternatives, place_nucleotide, proposal
from dockkit.structure import prepare_receptor, read_structure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"


def prepared(path: Path, name: str) -> tuple[Receptor, Kinase]:
    """Prepare the protein alone."""
    raw = dataclasses.replace(read_structure(path), hetero=(), waters=())
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    receptor = prepare_receptor(raw, name=name, kinase=kinase, uniprot_numbers=numbers)
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase)), kinase


@pytest.fixture(scope="module")
def abl1() -> tuple[Receptor, Kinase]:
    return prepared(library_dir("structures") / "abl1-dfg-in-atp.cif.gz", "abl1-dfg-in-atp")


@pytest.fixture(scope="module")
def nucleotide() -> Ligand:
    return load_ligand("ATP.Mg")


def changed(receptor: Receptor, number: int, name: str, without: tuple[str, ...] = ()) -> Receptor:
    """Rename a residue and leave atoms of it out."""
    residue = receptor.residue_index(number)
    names = np.array(receptor.residue_names, dtype="<U4")
    names[residue] = name
    gone = (receptor.atom_residue == residue) & np.isin(receptor.atom_names, without)
    arrays = {k: getattr(receptor, k)[~gone] for k in ("atom_names", "elements", "atom_residue", "coordinates")}
    return dataclasses.replace(receptor, residue_names=names, **arrays)


def test_one_of_two_metals_is_left_out_and_nothing_else(nucleotide: Ligand):
    one = with_metals(nucleotide, 1)
    assert (one.n_atoms, one.charge) == (nucleotide.n_atoms - 1, nucleotide.charge - 2)
    parts, whole = (find_nucleotide(ligand_mol(record), "x") for record in (one, nucleotide))
    assert len(parts.metals) == 1
    assert parts.phosphates == whole.phosphates
    assert Chem.MolFromSmiles(one.smiles) is not None
    assert with_metals(nucleotide, 2) is nucleotide
    with pytest.raises(DockingError, match="1 metal ions, 2 asked for"):
        with_metals(one, 2)
    with pytest.raises(DockingError, match="2 metal ions, 3 asked for"):
        with_metals(nucleotide, 3)


def test_the_triphosphate_is_named_atom_by_atom(nucleotide: Ligand):
    mol = ligand_mol(nucleotide)
    atoms = find_nucleotide(mol, "x").atoms
    for bond in (("PA", "O3A"), ("O3A", "PB"), ("PB", "O3B"), ("O3B", "PG"), ("PA", "O5'"), ("N9", "C1'")):
        assert mol.GetBondBetweenAtoms(*(atoms[name] for name in bond)) is not None, bond
    parts = find_nucleotide(mol, "x")
    assert len(parts.phosphate_atoms) == 3 + 7 + 3


def test_prepared_restraints_are_the_sum_of_each():
    rng = np.random.default_rng(4)
    ligand, protein = rng.normal(size=(6, 3)), rng.normal(size=(5, 3)) + 2.0
    some = [
        Restraint("a", np.array([0, 1]), np.array([0, 1, 2]), 0.5, 1.0, 2.0),
        Restraint("b", np.array([2]), np.array([3, 5]), 3.0, 4.0, 1.0, internal=True),
        Restraint("c", np.array([4, 5]), np.array([4]), 0.1, 0.2, 20.0),
    ]
    energy, gradient = Restraints(some)(ligand, protein)
    singly = [Restraints([r])(ligand, protein) for r in some]
    assert energy == pytest.approx(sum(e for e, _ in singly))
    np.testing.assert_allclose(gradient, sum(g for _, g in singly))
    shift = np.zeros_like(ligand)
    for index in itertools.product(range(6), range(3)):
        shift[index] = 1e-6
        slope = (Restraints(some)(ligand + shift, protein)[0] - Restraints(some)(ligand - shift, protein)[0]) / 2e-6
        assert gradient[index] == pytest.approx(slope, abs=1e-4)
        shift[index] = 0.0
    energy, gradient = Restraints([])(ligand, protein)
    assert energy == 0.0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dfg_aspartate": 0}, "has no DFG Asp by its annotation"),
        ({"catalytic_lysine": 0, "hrd_aspartate": 0}, "no catalytic Lys, no HRD Asp"),
        ({"hinge_middle": 0}, "no hinge"),
        ({"dfg_aspartate": 2000}, "no residue 2000"),
    ],
)
def test_a_kinase_without_its_landmarks_is_refused(abl1, nucleotide: Ligand, change: dict[str, int], message: str):
    receptor, kinase = abl1
    with pytest.raises(DockingError, match=message):
        place_atp(receptor, nucleotide, dataclasses.replace(kinase, **change), 1)


def test_replaced_residues_are_refused_by_name(abl1, nucleotide: Ligand):
    """Kinase-dead mutants of a kinase that has the residue, and a pseudokinase that never had it."""
    receptor, kinase = abl1
    with pytest.raises(DockingError, match=r"residue 381.*is ASN.*build the wild-type D381 first"):
        place_atp(changed(receptor, 381, "ASN"), nucleotide, kinase, 1)
    with pytest.raises(DockingError, match=r"residue 271.*is MET.*build the wild-type K271 first"):
        place_atp(changed(receptor, 271, "MET"), nucleotide, kinase, 1)
    sequence = kinase.sequence[:380] + "S" + kinase.sequence[381:]
    with pytest.raises(DockingError, match=r"is SER.*ABL1 has S there, as pseudokinases do"):
        place_atp(changed(receptor, 381, "SER"), nucleotide, dataclasses.replace(kinase, sequence=sequence), 1)
    with pytest.raises(DockingError, match=r"381.*no atom CG"):
        place_atp(changed(receptor, 381, "ASP", ("CG", "OD1", "OD2")), nucleotide, kinase, 1)


def test_a_dfg_out_structure_is_refused_with_its_distances(abl1, nucleotide: Ligand):
    receptor, kinase = abl1
    out = Conformation("out", "out", measures=(("dfg_phe_to_alpha_c", 13.6), ("dfg_phe_to_lysine", 10.9)))
    with pytest.raises(DockingError, match=r"DFG-out \(its Phe is 13.6 A to the alpha-C helix, 10.9 A to the cat"):
        place_atp(dataclasses.replace(receptor, conformation=out), nucleotide, kinase, 1)


def test_contacts_are_those_of_the_annotated_residues(abl1, nucleotide: Ligand):
    receptor, kinase = abl1
    site = Site(receptor, kinase, "ATP.Mg")
    parts = find_nucleotide(ligand_mol(nucleotide), "x")
    wanted = {r.label: r for r in contacts(site, parts, ("M1", "M2"))}
    assert site.labels(wanted["N1 - hinge gatekeeper+3 N"].second) == [("MET 318", "MET", "N")]
    assert site.labels(wanted["N6 - hinge gatekeeper+1 O"].second) == [("GLU 316", "GLU", "O")]
    assert site.labels(wanted["M2 - catalytic-loop Asn"].second) == [("ASN 368", "ASN", "OD1")]
    assert {atom for _, _, atom in site.labels(wanted["M2 - DFG Asp"].second)} == {"OD1", "OD2"}
    lone = [r.label for option in ARRANGEMENTS[1] for r in contacts(site, parts_with_one(nucleotide), option)]
    assert any(label.startswith("M1") for label in lone)
    assert any(label.startswith("M2") for label in lone)


def parts_with_one(nucleotide: Ligand):
    return find_nucleotide(ligand_mol(with_metals(nucleotide, 1)), "x")


def geometry(**changes) -> NucleotideGeometry:
    shell = MetalShell("M1", 2, 2, 0, 2.0, 2.1, ("ASP 381 OD1", "ASP 381 OD2", "beta phosphate", "gamma phosphate"))
    good = NucleotideGeometry(2.9, 3.0, 2.8, 3.0, (shell,), 0.2)
    return dataclasses.replace(good, **changes)


def test_geometry_says_what_is_not_as_in_crystals():
    assert geometry().failed == ()
    assert "all as in crystals" in geometry().statement
    shell = geometry().metals[0]
    assert (shell.count, shell.open_places) == (4, 2)
    assert geometry(hinge_n1=4.0).failed == ("N1 - hinge N 4.0 A",)
    assert geometry(lysine=float("nan")).failed == ("phosphate - Lys nan A",)
    for change in ({"protein": 0}, {"phosphate": 1}, {"phosphate": 5}, {"shortest": 1.7}, {"asp": 2.6}):
        failed = geometry(metals=(dataclasses.replace(shell, **change),)).failed
        assert len(failed) == 1
        assert failed[0].startswith("M1 oxygens")
    assert dict(geometry().features)["M1 places left to water"] == 2.0
    assert dict(geometry(overlap=1.2).features)["checks failed"] == 1.0


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(atp, "N_STARTS", 6)
    monkeypatch.setattr(atp, "N_SAMPLES", 300)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("n_metals", [1, 2])
def test_the_pose_of_a_moved_receptor_is_the_moved_pose(abl1, nucleotide: Ligand, n_metals: int):
    """Turned and shifted input, same seed: the same pose, turned and shifted, up to rounding of the minimiser."""
    receptor, kinase = abl1
    ligand = with_metals(nucleotide, n_metals)
    pose = place_atp(receptor, ligand, kinase, 3)
    features = dict(pose.features)
    assert features["N6 - hinge O"] < 3.5
    assert features["N1 - hinge N"] < 3.5
    assert features["phosphate - Lys"] < 4.0
    assert features["deepest overlap"] < 1.0
    turn = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    moved = dataclasses.replace(receptor, coordinates=receptor.coordinates @ turn.T + [30.0, -12.0, 5.0])
    other = place_atp(moved, ligand, kinase, 3)
    back = (other.coordinates - [30.0, -12.0, 5.0]) @ turn
    heavy = ligand.elements != "H"
    assert np.sqrt(((back - pose.coordinates)[heavy] ** 2).sum(axis=1).mean()) < 1e-3
    assert other.score == pytest.approx(pose.score, abs=1e-3)


@pytest.mark.usefixtures("quick")
def test_what_stands_in_the_way_is_named(abl1, nucleotide: Ligand):
    """A wall of water in the site of the adenine."""
    receptor, kinase = abl1
    site = Site(receptor, kinase, "ATP.Mg")
    n1, _, c4 = site.hinge_frame()
    spots = np.array([n1, c4, 0.5 * (n1 + c4), c4 + (c4 - n1)])
    spots = site.back(spots)
    names = ("atom_names", "elements", "residue_names", "chain_ids", "insertion_codes")
    extra = dict(zip(names, ("O", "O", "HOH", "W", ""), strict=True))
    grown = {k: np.append(getattr(receptor, k), [v] * len(spots)) for k, v in extra.items()}
    count = np.arange(len(spots))
    blocked = dataclasses.replace(
        receptor,
        **grown,
        atom_residue=np.append(receptor.atom_residue, receptor.n_residues + count),
        coordinates=np.concatenate([receptor.coordinates, spots]),
        author_numbers=np.append(receptor.author_numbers, 9001 + count),
        uniprot_numbers=np.append(receptor.uniprot_numbers, 0 * count),
        segments=np.append(receptor.segments, receptor.segments.max() + 1 + count),
    )
    with pytest.raises(DockingError, match=r"HOH W:900\d \(a kept water, \d.\d A\).*without waters"):
        place_atp(blocked, nucleotide, kinase, 3)


def crystal(path: Path, chain: str, codes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Atoms of the first nucleotide of a chain."""
    for residue in gemmi.read_structure(str(path))[0][chain]:
        if residue.name in codes:
            return {a.name: np.array(a.pos.tolist()) for a in residue}
    raise AssertionError(f"no nucleotide in {path}")


@pytest.mark.skipif(not (DATA / "1atp.pdb").is_file(), reason="shared/data/structures is not there")
def test_pka_as_in_its_crystal(nucleotide: Ligand):
    """1ATP from the protein alone: whole nucleotide within 2 A, adenine within 1 A."""
    receptor, kinase = prepared(DATA / "1atp.pdb", "1atp")
    pose = place_atp(receptor, nucleotide, kinase, 1)
    seen = crystal(DATA / "1atp.pdb", "E", ("ATP",))
    parts = find_nucleotide(ligand_mol(nucleotide), "x")
    squares = {n: ((pose.coordinates[i] - seen[n]) ** 2).sum() for n, i in parts.atoms.items()}
    assert np.sqrt(np.mean(list(squares.values()))) < 2.0
    assert np.sqrt(np.mean([squares[n] for n in ("N6", "C6", "N1", "C2", "N3", "C4", "C5", "N7", "C8", "N9")])) < 1.0
    measured = measure_nucleotide(receptor, nucleotide, kinase, pose.coordinates)
    assert measured.hinge_n6 == pytest.approx(dict(pose.features)["N6 - hinge O"])
    assert [shell.place for shell in measured.metals] == ["M1", "M2"]


@pytest.mark.usefixtures("quick")
def test_a_refusal_names_the_structure_of_the_library_that_holds_it(abl1, nucleotide: Ligand):
    receptor, kinase = abl1
    out = dataclasses.replace(receptor, name="mine", conformation=Conformation("out", "out"))
    with pytest.raises(
        DockingError, match=r"mine cannot hold ATP.Mg: it is DFG-out.*abl1-dfg-in-atp holds it: a model"
    ):
        place_nucleotide(out, nucleotide, kinase, None, 3)
    with pytest.raises(DockingError, match=r"active conformation$|structure of this kinase$"):
        place_nucleotide(out, nucleotide, kinase, None, 3, propose=False)
    nobody = dataclasses.replace(kinase, uniprot="X00000", gene="NOBODY")
    assert alternatives(nobody, nucleotide, 3) == []
    assert "no structure of NOBODY that holds it; model" in proposal(out, nucleotide, nobody)


@pytest.mark.usefixtures("quick")
def test_minimisation_keeps_or_improves_the_checks(abl1, nucleotide: Ligand):
    """One metal; the nucleotide moves little, bond lengths stay, and no check is lost."""
    receptor, kinase = abl1
    ligand = with_metals(nucleotide, 1)
    settings = RelaxSettings(max_iterations=60, cutoff_angstrom=8.0)
    done = place_nucleotide(receptor, nucleotide, kinase, parametrise(ligand), 3, n_magnesium=1, settings=settings)
    assert (done.ligand.elements == "Mg").sum() == 1
    assert len(done.geometry.failed) <= len(done.placed.failed)
    assert 0.0 < done.moved_angstrom < 1.5
    assert np.isfinite(done.energy_kcal_mol)
    if done.minimised:
        moved = np.linalg.norm(done.receptor.coordinates - receptor.coordinates, axis=1)
        assert 0.0 < moved.max() < 3.0
    for bond in ligand_mol(ligand).GetBonds():
        ends = done.pose.coordinates[[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]]
        assert 0.9 < np.linalg.norm(ends[0] - ends[1]) < 1.9
