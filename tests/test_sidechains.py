"""Built side chains: the record, room made, clashes and threaded rings, hydrogens, numbering of real files."""

from pathlib import Path

import numpy as np
import pytest

from dockkit.core.errors import MutationError
from dockkit.core.geometry import angle_difference, dihedral
from dockkit.core.library import library_dir
from dockkit.core.model import Numbering, Receptor, SideChainModel, Variant
from dockkit.core.residues import BACKBONE, one_letter, templates, three_letter
from dockkit.core.rotamers import backbone_rotamers
from dockkit.mutation import (
    build_variant,
    charge_change,
    check_variant,
    find_clashes,
    find_threaded,
    mentioned_gene,
    parse_variant,
)
from dockkit.structure import find_entry, prepare_receptor, read_structure

STRUCTURES = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "structures"


@pytest.fixture(scope="module")
def abl1() -> Receptor:
    raw = read_structure(library_dir("structures") / find_entry("abl1-1iep").file)
    return prepare_receptor(raw, name="abl1-1iep", kinase=None, uniprot_numbers=raw.author_numbers)


def build(receptor: Receptor, text: str, n_models: int = 1) -> SideChainModel:
    return build_variant(receptor, parse_variant(text), n_models=n_models)[0]


def heavy_of(receptor: Receptor, number: int) -> dict[str, np.ndarray]:
    rows = receptor.atom_indices(receptor.residue_index(number))
    return {str(receptor.atom_names[i]): receptor.coordinates[i] for i in rows if receptor.elements[i] != "H"}


def with_coordinates(receptor: Receptor, coordinates: np.ndarray) -> Receptor:
    fields = {name: getattr(receptor, name) for name in Receptor.__dataclass_fields__}
    return Receptor(**{**fields, "coordinates": coordinates})


# --------------------------------------------------------------------------- record


def test_every_change_is_on_record_by_residue(abl1: Receptor) -> None:
    built = build(abl1, "T315W").receptor
    new = [change for change in built.changes if change not in abl1.changes]
    site = next(change for change in new if change.author_number == 315)
    assert site.kind == "model"
    assert site.residue_name == "THR"
    assert "T315W: TRP built, chi " in site.what
    assert "rotamer probability" in site.why
    named = {change.uniprot_number for change in new}
    different = set()
    for number in abl1.uniprot_numbers[abl1.uniprot_numbers > 0].tolist():
        before, after = heavy_of(abl1, number), heavy_of(built, number)
        if before.keys() != after.keys() or any(np.abs(before[n] - after[n]).max() > 1e-9 for n in before):
            different.add(number)
    assert different <= named
    assert all(change.sentence in built.notes for change in new)


def test_a_kept_side_chain_says_so(abl1: Receptor) -> None:
    control = build(abl1, "F317F").receptor
    assert any("side chain kept as in the input" in change.what for change in control.changes)
    np.testing.assert_array_equal(control.coordinates, abl1.coordinates)


@pytest.mark.parametrize(("text", "charge"), [("T315D", -1), ("E255K", 2), ("E255V", 1), ("K271M", -1), ("T315I", 0)])
def test_charge_change_is_counted(abl1: Receptor, text: str, charge: int) -> None:
    model = build(abl1, text)
    assert model.charge_change == charge
    site = abl1.residue_index(int(text[1:-1]))
    assert charge_change(abl1, model.receptor, [site]) == charge
    stated = " ".join(change.why for change in model.receptor.changes)
    assert (f"charge {charge:+d} e" in stated) == bool(charge)


def test_proline_in_a_helix_is_warned_of(abl1: Receptor) -> None:
    by_phi = {
        int(n): phi_of(abl1, i)
        for i, n in enumerate(abl1.uniprot_numbers)
        if n > 0 and abl1.residue_names[i] not in ("PRO", "GLY") and 0 < i < abl1.n_residues - 1
    }
    stretched = min(by_phi, key=lambda n: by_phi[n])
    letter = templates()[str(abl1.residue_names[abl1.residue_index(stretched)])].letter
    changes = build(abl1, f"{letter}{stretched}P").receptor.changes
    assert any("outside of what proline takes" in change.why for change in changes)


def phi_of(receptor: Receptor, index: int) -> float:
    atoms = {str(receptor.atom_names[i]): receptor.coordinates[i] for i in receptor.atom_indices(index)}
    before = {str(receptor.atom_names[i]): receptor.coordinates[i] for i in receptor.atom_indices(index - 1)}
    return float(dihedral(before["C"], atoms["N"], atoms["CA"], atoms["C"]))


# --------------------------------------------------------------------------- controls


def test_there_and_back_leaves_the_neighbours(abl1: Receptor) -> None:
    for text in ("T315A", "F317A", "V299A", "I313A"):
        number = int(text[1:-1])
        back = build(build(abl1, text).receptor, f"A{number}{text[0]}").receptor
        heavy = abl1.elements != "H"
        assert back.n_atoms == abl1.n_atoms
        others = heavy & (abl1.atom_residue != abl1.residue_index(number))
        steps = np.linalg.norm(back.coordinates - abl1.coordinates, axis=1)
        assert steps[others].max() < 0.3, text


def test_most_rotamers_come_back(abl1: Receptor) -> None:
    numbers = [n for n in (270, 290, 293, 299, 301, 313, 315, 317, 348, 359, 382, 384) if n in abl1.uniprot_numbers]
    right = 0
    for number in numbers:
        name = str(abl1.residue_names[abl1.residue_index(number)])
        letter, atom = templates()[name].letter, templates()[name].chis[0].atoms[3]
        back = build(build(abl1, f"{letter}{number}A").receptor, f"A{number}{letter}").receptor
        values = [
            float(dihedral(a["N"], a["CA"], a["CB"], a[atom])) for a in (heavy_of(abl1, number), heavy_of(back, number))
        ]
        right += abs(float(angle_difference(values[0], values[1]))) <= 40
    assert right >= 0.8 * len(numbers)


def test_a_crowded_mutant_is_the_same_wherever_the_protein_lies(abl1: Receptor) -> None:
    angle = np.radians(70.0)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1.0, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = with_coordinates(abl1, abl1.coordinates @ turn.T + [-40.0, 25.0, 3.0])
    one, two = build(abl1, "V299F").receptor, build(moved, "V299F").receptor
    back = (two.coordinates - [-40.0, 25.0, 3.0]) @ turn
    np.testing.assert_allclose(back, one.coordinates, atol=0.05)


def test_making_room_keeps_bonds_and_angles(abl1: Receptor) -> None:
    built = build(abl1, "A269W").receptor
    moved = [c for c in built.changes if "moved by" in c.what or "made room" in c.why]
    assert moved
    for change in moved:
        before, after = heavy_of(abl1, change.uniprot_number), heavy_of(built, change.uniprot_number)
        template = templates()[str(built.residue_names[built.residue_index(change.uniprot_number)])]
        for a, b in template.bonds:
            if a in before and b in before and a in after and b in after:
                lengths = [np.linalg.norm(x[a] - x[b]) for x in (before, after)]
                assert abs(lengths[0] - lengths[1]) < 0.08


def test_several_neighbouring_sites_do_not_run_into_each_other(abl1: Receptor) -> None:
    model = build(abl1, "T315F/F317W/A380V")
    sites = [model.receptor.residue_index(n) for n in (315, 317, 380)]
    assert not [c for c in find_clashes(model.receptor, sites) if c.distance < 2.3]
    assert not find_threaded(model.receptor, sites)


# --------------------------------------------------------------------------- clashes and rings


def test_a_bond_put_through_a_ring_is_found(abl1: Receptor) -> None:
    assert not find_threaded(abl1)
    ring = heavy_of(abl1, 317)
    vertices = np.array([ring[n] for n in ("CG", "CD1", "CE1", "CZ", "CE2", "CD2")])
    centre = vertices.mean(axis=0)
    normal = np.cross(vertices[0] - centre, vertices[1] - centre)
    normal /= np.linalg.norm(normal)
    coordinates = np.array(abl1.coordinates)
    site = abl1.residue_index(271)
    rows = {str(abl1.atom_names[i]): i for i in abl1.atom_indices(site)}
    coordinates[rows["CD"]], coordinates[rows["CE"]] = centre - 0.75 * normal, centre + 0.75 * normal
    threaded = with_coordinates(abl1, coordinates)
    found = find_threaded(threaded, [site])
    assert any("LYS A:271 CD - LYS A:271 CE" in c.sentence and "PHE A:317" in c.sentence for c in found)
    assert find_threaded(threaded, [abl1.residue_index(317)]) == found
    assert not find_threaded(threaded, [abl1.residue_index(450)])


def test_a_ligand_bond_through_a_ring_and_a_side_chain_through_a_ligand_ring_are_found(abl1: Receptor) -> None:
    ring = heavy_of(abl1, 317)
    vertices = np.array([ring[n] for n in ("CG", "CD1", "CE1", "CZ", "CE2", "CD2")])
    centre = vertices.mean(axis=0)
    normal = np.cross(vertices[0] - centre, vertices[1] - centre)
    normal /= np.linalg.norm(normal)
    stick = np.array([centre - 0.75 * normal, centre + 0.75 * normal])
    site = abl1.residue_index(317)
    assert find_threaded(abl1, [site], stick, ["C", "C"])[0].threaded
    bond = ring["CB"] - ring["CA"]
    middle, axis = 0.5 * (ring["CA"] + ring["CB"]), bond / np.linalg.norm(bond)
    side = np.cross(axis, [0.3, 0.5, 0.8])
    side /= np.linalg.norm(side)
    angles = np.arange(6) * np.pi / 3
    hexagon = middle + 1.4 * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * np.cross(axis, side))
    found = find_threaded(abl1, [site], hexagon, ["C"] * 6)
    assert any(c.second == "ligand" for c in found)


def test_clashes_are_found_and_named(abl1: Receptor) -> None:
    site = abl1.residue_index(315)
    assert not find_clashes(abl1, [site])
    near = heavy_of(abl1, 315)["CG2"] + [1.5, 0.0, 0.0]
    found = find_clashes(abl1, [site], near[None], ["C"])
    assert found
    assert any("THR A:315 CG2" in (c.first, c.second) and "ligand atom 1" in (c.first, c.second) for c in found)
    assert found[0].distance == min(c.distance for c in found)


def test_bonded_atoms_do_not_clash(abl1: Receptor) -> None:
    protein = [i for i, name in enumerate(abl1.residue_names) if name in templates()]
    found = find_clashes(abl1, protein)
    assert len(found) <= 0.02 * len(protein)


def test_a_threaded_model_is_not_offered_first(abl1: Receptor) -> None:
    for text in ("G250W", "A269F", "G321Y"):
        model = build(abl1, text, 3)
        site = model.receptor.residue_index(int(text[1:-1]))
        assert not find_threaded(model.receptor, [site])
        assert not any("passes through" in sentence for sentence in model.clashes)


# --------------------------------------------------------------------------- hydrogens


def test_neighbouring_hydroxyls_turn_to_the_new_residue(abl1: Receptor) -> None:
    built = build(abl1, "M290K").receptor
    turned = [c for c in built.changes if c.kind == "protonation" and c not in abl1.changes]
    for change in turned:
        assert change.residue_name in ("SER", "THR", "TYR", "HIS")
        before, after = heavy_of(abl1, change.uniprot_number), heavy_of(built, change.uniprot_number)
        assert before.keys() == after.keys()


def test_a_freed_cysteine_gets_its_hydrogen(abl1: Receptor) -> None:
    fields = {name: getattr(abl1, name) for name in Receptor.__dataclass_fields__}
    pair = build(abl1, "V299C/T315C").receptor
    sites = [pair.residue_index(n) for n in (299, 315)]
    hg = [i for s in sites for i in pair.atom_indices(s) if pair.atom_names[i] == "HG"]
    kept = np.setdiff1d(np.arange(pair.n_atoms), hg)
    fields = {name: getattr(pair, name) for name in Receptor.__dataclass_fields__}
    bridged = Receptor(
        **{
            **fields, "disulfides": np.array([sites]), "atom_names": pair.atom_names[kept],
            "elements": pair.elements[kept], "atom_residue": pair.atom_residue[kept],
            "coordinates": pair.coordinates[kept],
        }
    )  # fmt: skip
    freed = build(bridged, "C299A").receptor
    assert len(freed.disulfides) == 0
    assert "HG" in freed.atom_names[freed.atom_indices(sites[1])]
    assert any(c.kind == "disulfide" and c.uniprot_number == 315 for c in freed.changes)


# --------------------------------------------------------------------------- numbering of real files


@pytest.mark.parametrize(
    ("file", "shift", "text", "numbering", "proposal"),
    [
        ("1m17.pdb", 24, "T790M", "author", r"numbered -24 to UniProt, did you mean T766M\? Use numbering = 'uniprot'"),
        ("1m17.pdb", 24, "T766M", "uniprot", r"did you mean T790M\? Use numbering = 'author'"),
        ("1opj.pdb", -19, "T315I", "author", r"numbered \+19 to UniProt, did you mean T334I\? Use numbering"),
        ("1opj.pdb", -19, "T334I", "uniprot", r"did you mean T315I\? Use numbering = 'author'"),
    ],
)
def test_offsets_of_deposited_files(file: str, shift: int, text: str, numbering: Numbering, proposal: str) -> None:
    path = STRUCTURES / file
    if not path.is_file():
        pytest.skip(f"{file} is not there: the shared data are absent")
    raw = read_structure(path)
    receptor = prepare_receptor(raw, name=file, kinase=None, uniprot_numbers=raw.author_numbers + shift)
    sequence = ["X"] * 1300
    for number, name in zip(receptor.uniprot_numbers, receptor.residue_names, strict=True):
        if number > 0:
            sequence[number - 1] = one_letter(str(name))
    with pytest.raises(MutationError, match=proposal):
        check_variant(receptor, parse_variant(text), numbering, "".join(sequence))


@pytest.mark.parametrize(
    ("text", "gene"),
    [
        ("ABL1(T315I)", "ABL1"), ("ABL1 T315I", "ABL1"), ("ABL1:p.T315I", "ABL1"), ("BCR-ABL1 T315I", "ABL1"),
        ("NM_005157.6(ABL1):c.944C>T (p.Thr315Ile)", "ABL1"), ("EGFR(L858R,T790M)", "EGFR"), ("MET D1228N", "MET"),
        ("T315I", ""), ("A:T315I", ""), ("THR:315:ILE", ""), ("MET 1250 THR", ""), ("NP_005148.2:p.Thr315Ile", ""),
        ("Q9UM73:p.L1196M", ""), ("P00519:p.T315I", ""), ("L858R-T790M", ""), ("ENSP00000323315.4:p.Thr315Ile", ""),
    ],
)  # fmt: skip
def test_the_gene_in_a_mutation_is_told(text: str, gene: str) -> None:
    assert mentioned_gene(text) == gene


# --------------------------------------------------------------------------- the library


@pytest.mark.parametrize("letter", "CDEFHIKLMNPQRSTVWY")
def test_backbone_rotamers_are_a_distribution_everywhere(letter: str) -> None:
    name = three_letter(letter)
    for phi, psi in ((-63.0, -43.0), (-120.0, 130.0), (55.0, 45.0), (179.9, -179.9), (np.nan, 140.0), (np.nan, np.nan)):
        library = backbone_rotamers(name, phi, psi)
        assert library.probabilities.sum() == pytest.approx(1.0)
        assert (library.probabilities >= 0).all()
        assert library.chis.shape == library.widths.shape == (len(library.names), len(templates()[name].chis))
        assert (library.widths > 0).all()


def test_backbone_rotamers_know_helix_and_strand() -> None:
    def most(name: str, phi: float, psi: float) -> tuple[str, float]:
        library = backbone_rotamers(name, phi, psi)
        best = int(np.argmax(library.probabilities))
        return library.names[best], float(library.probabilities[best])

    for name, phi, psi, rotamer, floor in (
        ("VAL", -63.0, -43.0, "t", 0.9), ("VAL", -120.0, 120.0, "t", 0.95), ("VAL", -120.0, 160.0, "m", 0.9),
        ("ILE", -63.0, -43.0, "mt", 0.7), ("LEU", -63.0, -43.0, "mt", 0.5), ("THR", -120.0, 120.0, "m", 0.9),
    ):  # fmt: skip
        label, probability = most(name, phi, psi)
        assert label == rotamer, (name, phi, psi)
        assert probability > floor, (name, phi, psi)


def test_backbone_rotamers_change_smoothly() -> None:
    for name in ("THR", "LEU", "PHE"):
        values = np.array([backbone_rotamers(name, -60.0 + x, -40.0).probabilities for x in np.arange(0, 20, 0.5)])
        assert np.abs(np.diff(values, axis=0)).max() < 0.05


def test_a_wild_type_variant_has_nothing_to_report(abl1: Receptor) -> None:
    model = build_variant(abl1, Variant())[0]
    assert model.clashes == ()
    assert model.charge_change == 0


def test_main_chain_names_are_those_of_the_templates() -> None:
    assert all(name in templates()["ALA"].atoms for name in BACKBONE - {"HA2", "HA3"})
