"""Protonation states, histidine tautomers and flips of Asn, Gln and His."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.geometry import dihedral, place_atom, unit_vector
from dockkit.core.model import HetGroup
from dockkit.core.residues import templates
from dockkit.structure import protonate, read_structure
from dockkit.structure.flips import (
    AMIDES,
    choose_tautomers,
    make_puzzle,
    optimise_amides_and_histidines,
    turn_energies,
    turned_amide,
    turned_ring,
)
from dockkit.structure.hetero import Perceived, partner_atoms
from dockkit.structure.network import Atoms, Network, Site
from dockkit.structure.protonate import add_hydrogens, assign_states
from dockkit.structure.reading import RawStructure
from dockkit.structure.repair import WorkResidue
from dockkit.structure.titration import Pka, side_chain_pkas

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="reference structures are not beside the checkout")


def ideal(name: str, number: int = 1, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> WorkResidue:
    """Return a lone residue with the template's heavy atoms."""
    template = templates()[name]
    xyz = {str(a): template.coordinates[template.index(a)] + np.array(shift) for a in template.heavy}
    return WorkResidue(name, "A", "", number, number, number, xyz)


def peptide(sequence: str, seed: int = 3) -> list[WorkResidue]:
    """Return the heavy atoms of a peptide in some conformation."""
    molecule = Chem.AddHs(Chem.MolFromSequence(sequence))
    assert AllChem.EmbedMolecule(molecule, randomSeed=seed) == 0
    points = molecule.GetConformer().GetPositions()
    found: dict[int, WorkResidue] = {}
    for atom, xyz in zip(molecule.GetAtoms(), points, strict=True):
        info = atom.GetPDBResidueInfo()
        if info is None or atom.GetAtomicNum() == 1:
            continue
        number, name = info.GetResidueNumber(), info.GetResidueName()
        residue = found.setdefault(number, WorkResidue(name, "A", "", number, 0, 0, {}))
        if info.GetName().strip() in templates()[name].heavy:
            residue.xyz[info.GetName().strip()] = np.array(xyz)
    return [found[number] for number in sorted(found)]


def group(name: str, atoms: list[tuple[str, tuple[float, float, float]]]) -> HetGroup:
    """Return a hetero group."""
    elements = np.array([element for element, _ in atoms])
    names = np.array([f"{element}{i}" for i, (element, _) in enumerate(atoms, start=1)])
    return HetGroup(name, "A", 900, "", names, elements, np.array([xyz for _, xyz in atoms], dtype=float), 3.0)


def beyond(residue: WorkResidue, first: str, second: str, length: float) -> np.ndarray:
    """Return a point on the line from one atom through another, beyond it."""
    return residue.xyz[second] + length * unit_vector(residue.xyz[second] - residue.xyz[first])


def ion(xyz: np.ndarray, element: str = "ZN") -> HetGroup:
    return group(element, [(element, tuple(float(v) for v in xyz))])


# --------------------------------------------------------------------------- network


def lone_site(rng: np.random.Generator, n: int) -> Site:
    """Return a site of n random energies whose atoms meet nothing."""
    return Site(Atoms(rng.normal(size=(n, 1, 3)) * 100, np.zeros((n, 1)), np.zeros((n, 1))), rng.normal(size=n))


def test_the_solver_finds_the_lowest_of_all_combinations() -> None:
    rng = np.random.default_rng(5)
    sizes = (2, 6, 3, 2, 4, 2)
    network = Network([lone_site(rng, n) for n in sizes])
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4)]
    network.pairs = {(i, j): rng.normal(size=(sizes[i], sizes[j])) for i, j in pairs}
    assert network.components() == [[0, 1, 2, 3, 4], [5]]

    def total(rows: tuple[int, ...]) -> float:
        own = sum(site.cost[r] for site, r in zip(network.sites, rows, strict=True))
        return float(own + sum(table[rows[i], rows[j]] for (i, j), table in network.pairs.items()))

    best = min(product(*(range(n) for n in sizes)), key=total)
    found = [network.solve(members) for members in network.components()]
    assert sum(energy for energy, _ in found) == pytest.approx(total(best))
    assert tuple({**found[0][1], **found[1][1]}[i] for i in range(6)) == best
    energy, choice = network.solve([0, 1, 2, 3, 4], {1: np.array([2, 5])})
    assert choice[1] in (2, 5)
    restricted = [rows for rows in product(*(range(n) for n in sizes[:5])) if rows[1] in (2, 5)]
    assert energy == pytest.approx(min(total((*rows, 0)) for rows in restricted) - network.sites[5].cost[0])


def test_the_sweep_ends_in_a_state_that_no_single_change_improves(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    network = Network([lone_site(rng, 3) for _ in range(5)])
    network.pairs = {(i, j): rng.normal(size=(3, 3)) for i in range(5) for j in range(i + 1, 5)}
    exact, _ = network.solve(range(5))
    monkeypatch.setattr("dockkit.structure.network.LARGEST_TABLE", 2)
    energy, choice = network.solve(range(5))
    assert energy >= exact - 1e-9
    for site in range(5):
        for option in range(3):
            others = {k: np.array([v]) for k, v in choice.items()} | {site: np.array([option])}
            assert network.solve(range(5), others)[0] >= energy - 1e-9


# --------------------------------------------------------------------------- flips


def test_turning_puts_atoms_into_each_other_s_place_and_keeps_the_geometry() -> None:
    for name, pairs in (
        ("ASN", [("OD1", "ND2")]),
        ("GLN", [("OE1", "NE2")]),
        ("HIS", [("ND1", "CD2"), ("CE1", "NE2")]),
    ):
        residue = ideal(name)
        before = dict(residue.xyz)
        residue.xyz.update(turned_ring(residue) if name == "HIS" else turned_amide(residue))
        for a, b in pairs:
            assert np.linalg.norm(residue.xyz[a] - before[b]) < 0.3
            gap = np.linalg.norm(before[a] - before[b])
            assert np.linalg.norm(residue.xyz[a] - residue.xyz[b]) == pytest.approx(gap)
        residue.xyz.update(turned_ring(residue) if name == "HIS" else turned_amide(residue))
        assert max(np.linalg.norm(residue.xyz[a] - before[a]) for a in before) < 0.25


@pytest.mark.parametrize("name", ["ASN", "GLN"])
def test_an_amide_turns_its_oxygen_to_a_metal(name: str) -> None:
    residue = ideal(name)
    _, carbon, oxygen, nitrogen = AMIDES[name]
    metal = ion(beyond(residue, carbon, nitrogen, 2.2), "MG")
    changes = optimise_amides_and_histidines([residue], [metal])
    assert [c.kind for c in changes] == ["flip"]
    assert changes[0].author_number == 1
    assert np.linalg.norm(residue.xyz[oxygen] - metal.coordinates[0]) < 2.6
    assert optimise_amides_and_histidines([residue], [metal]) == []


def test_near_ties_and_lone_groups_keep_the_deposited_orientation() -> None:
    for name in ("ASN", "GLN", "HIS"):
        residue = ideal(name)
        before = dict(residue.xyz)
        carbon, nitrogen = {"ASN": ("CG", "ND2"), "GLN": ("CD", "NE2"), "HIS": ("CG", "NE2")}[name]
        water = group("HOH", [("O", tuple(beyond(residue, carbon, nitrogen, 2.9)))])
        assert optimise_amides_and_histidines([residue], waters=[water]) == []
        assert all(np.array_equal(before[a], residue.xyz[a]) for a in before)
    asn = ideal("ASN")
    metal = ion(beyond(asn, "CG", "ND2", 2.2))
    assert optimise_amides_and_histidines([asn], [metal], fixed=frozenset({0})) == []


def test_two_amides_are_solved_together() -> None:
    """Oxygen faces oxygen about a twofold axis: turning either would do; one amide has its acceptor already."""
    first, second = ideal("ASN", 1), ideal("ASN", 2)
    toward = unit_vector(first.xyz["OD1"] - first.xyz["CG"])
    normal = unit_vector(np.cross(toward, first.xyz["ND2"] - first.xyz["CG"]))
    centre = first.xyz["OD1"] + 1.4 * toward
    half_turn = 2.0 * np.outer(normal, normal) - np.eye(3)
    second.xyz = {a: half_turn @ (x - centre) + centre for a, x in first.xyz.items()}
    puzzle = make_puzzle([first, second], (), (), turn=True)
    energies = [[puzzle.network.solve([0, 1], {0: np.array([i]), 1: np.array([j])})[0] for j in (0, 1)] for i in (0, 1)]
    assert energies[0][1] == pytest.approx(energies[1][0])
    assert energies[0][1] < min(energies[0][0], energies[1][1]) - 2.0
    oxygen = place_atom(*(first.xyz[a] for a in ("CB", "CG", "ND2")), 2.9, 120.0, 0.0)
    away = unit_vector(oxygen - first.xyz["ND2"])
    ketone = group("LIG", [("O", tuple(oxygen)), ("C", tuple(oxygen + 1.22 * away))])
    changes = optimise_amides_and_histidines([first, second], [ketone])
    assert [c.author_number for c in changes] == [2]
    assert float(changes[0].why.split()[-2]) > 2.0


# --------------------------------------------------------------------------- histidine


@pytest.mark.parametrize(("held", "expected"), [("ND1", "epsilon"), ("NE2", "delta")])
def test_a_nitrogen_on_a_metal_has_no_hydrogen(held: str, expected: str) -> None:
    residue = ideal("HIS")
    opposite = {"ND1": "NE2", "NE2": "ND1"}[held]
    centre = (residue.xyz["CG"] + residue.xyz["CE1"] + residue.xyz[opposite]) / 3
    metal = ion(residue.xyz[held] + 2.1 * unit_vector(residue.xyz[held] - centre))
    assert choose_tautomers([residue], {0: ("epsilon", "delta")}, [metal])[0][0] == expected
    changes = assign_states([residue], 7.4, set(), groups=[metal])
    assert expected in changes[0].what
    assert len(residue.absent) == 1


def test_without_bonds_a_neutral_histidine_has_its_hydrogen_on_epsilon() -> None:
    residue = ideal("HIS")
    assert choose_tautomers([residue], {0: ("epsilon", "delta")})[0] == ("epsilon", pytest.approx(0.8, abs=1.5))
    assert choose_tautomers([residue], {0: ("both",)})[0] == ("both", float("inf"))


# --------------------------------------------------------------------------- states


def states(residues: list[WorkResidue]) -> dict[str, frozenset[str]]:
    return {r.name: r.absent for r in residues}


@pytest.mark.parametrize(
    ("ph", "expected"),
    [
        (1.0, {"ASP": set(), "GLU": set(), "LYS": set(), "CYS": set(), "HIS": set()}),
        (7.4, {"ASP": {"HD2"}, "GLU": {"HE2"}, "LYS": set(), "CYS": set()}),
        (13.5, {"ASP": {"HD2"}, "GLU": {"HE2"}, "LYS": {"HZ1"}, "CYS": {"HG"}}),
    ],
)
def test_states_of_a_peptide_follow_the_ph(ph: float, expected: dict[str, set[str]]) -> None:
    residues = peptide("AHGDGEGKGCGA")
    changes = assign_states(residues, ph, set())
    found = states(residues)
    assert {name: set(found[name]) for name in expected} == expected
    said = {c.residue_name for c in changes}
    assert "HIS" in said
    assert ("ASP" in said) == (ph < 3)
    assert ("LYS" in said) == (ph > 12)
    assert all(c.kind == "protonation" and c.author_number for c in changes)


def test_propka_of_a_free_peptide_is_the_model_value() -> None:
    residues = peptide("AGDGGA")
    pkas = side_chain_pkas(residues)
    assert list(pkas) == [2]
    assert pkas[2].model == 3.8
    assert pkas[2].value == pytest.approx(3.8, abs=0.8)
    assert side_chain_pkas(residues) == pkas


def test_a_failure_of_propka_falls_back_to_model_values_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[int, Pka]:
        raise KeyError("no such atom")

    monkeypatch.setattr(protonate, "side_chain_pkas", fail)
    residues = peptide("AHGDGKA")
    changes = assign_states(residues, 7.4, set())
    assert "PROPKA failed: KeyError" in changes[0].why
    assert changes[0].residue_name == ""
    assert states(residues)["ASP"] == {"HD2"}
    assert len(states(residues)["HIS"]) == 1


def with_pka(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    def same(residues: list[WorkResidue], _: object) -> dict[int, Pka]:
        return {i: Pka(value, 4.0, 1.0, "burial +9.0") for i in range(len(residues))}

    monkeypatch.setattr(protonate, "side_chain_pkas", same)


def test_a_buried_acid_stays_charged_unless_something_takes_the_proton(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pka(monkeypatch, 8.5)
    alone = ideal("ASP")
    change = assign_states([alone], 7.4, set())[0]
    assert alone.absent == {"HD2"}
    assert "kept charged: no acceptor" in change.what
    assert "pKa 8.5 above pH 7.4" in change.why
    facing = ideal("ASP")
    acceptor = facing.xyz["OD1"] + 2.7 * unit_vector(facing.xyz["OD1"] - facing.xyz["OD2"])
    ketone = group("LIG", [("O", tuple(acceptor)), ("C", tuple(acceptor + np.array([0.0, 0.0, 1.2])))])
    change = assign_states([facing], 7.4, set(), groups=[ketone])[0]
    assert facing.absent == frozenset()
    assert change.what == "protonated, neutral"
    assert "acceptor at 2.7 A" in change.why
    assert np.linalg.norm(facing.xyz["OD2"] - acceptor) == pytest.approx(2.7)


def test_a_salt_bridge_keeps_both_charges(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pka(monkeypatch, 10.0)
    glu, lys = ideal("GLU", 1), ideal("LYS", 2)
    shift = glu.xyz["OE1"] + 2.8 * unit_vector(glu.xyz["OE1"] - glu.xyz["CA"]) - lys.xyz["NZ"]
    lys.xyz = {a: x + shift for a, x in lys.xyz.items()}
    changes = assign_states([glu, lys], 7.4, set())
    assert glu.absent == {"HE2"}
    assert changes[0].what == "kept charged: salt bridge with LYS 2"
    with_pka(monkeypatch, 5.0)
    changes = assign_states([glu, lys], 7.4, set())
    assert lys.absent == frozenset()
    assert changes[-1].what == "kept charged: salt bridge with GLU 1"


def test_cysteine_in_a_bridge_on_a_metal_and_on_a_ligand(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pka(monkeypatch, 9.0)
    cys = ideal("CYS")
    assert assign_states([cys], 7.4, {0}) == []
    assert cys.absent == {"HG"}
    zinc = ion(beyond(cys, "CB", "SG", 2.3))
    assert "thiolate" in assign_states([cys], 7.4, set(), groups=[zinc])[0].what
    assert cys.absent == {"HG"}
    tip = beyond(cys, "CB", "SG", 1.8)
    ligand = group("LIG", [("C", tuple(tip)), ("C", tuple(tip + np.array([1.5, 0.0, 0.0])))])
    assert "bonded to LIG A:900" in assign_states([cys], 7.4, set(), groups=[ligand])[0].why
    assert cys.absent == frozenset()
    with_pka(monkeypatch, 7.0)
    assert "kept neutral" in assign_states([cys], 7.4, set())[0].what
    with_pka(monkeypatch, 6.0)
    assert assign_states([cys], 7.4, set())[0].what == "thiolate, charged"


def test_tyrosine_stays_neutral_and_unknown_or_incomplete_residues_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_pka(monkeypatch, 6.0)
    tyr, asp = ideal("TYR", 1), ideal("ASP", 2, (30.0, 0.0, 0.0))
    del asp.xyz["OD2"]
    water = WorkResidue("HOH", "A", "", 3, 0, 9, {"O": np.array([8.0, 8.0, 8.0])})
    zinc = WorkResidue("ZN", "A", "", 4, 0, 10, {"ZN": np.array([-8.0, 8.0, 8.0])})
    changes = assign_states([tyr, asp, water, zinc], 7.4, set())
    assert [(c.residue_name, c.what) for c in changes] == [("TYR", "kept neutral")]
    assert "tyrosinate" in changes[0].why


def test_the_proton_of_a_neutral_acid_points_at_its_acceptor(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pka(monkeypatch, 9.9)
    residues = peptide("AGDGA")
    asp = residues[2]
    assign_states(residues, 7.4, set())
    add_hydrogens(residues)
    assert "HD2" in asp.xyz
    twist = abs(float(dihedral(asp.xyz["OD1"], asp.xyz["CG"], asp.xyz["OD2"], asp.xyz["HD2"])))
    assert min(twist, 180.0 - twist) < 5.0


# --------------------------------------------------------------------------- hetero groups


def smiles_group(smiles: str) -> tuple[HetGroup, Chem.Mol]:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(molecule)
    heavy = Chem.RemoveHs(molecule)
    points = heavy.GetConformer().GetPositions()
    return group("LIG", [(a.GetSymbol(), tuple(points[a.GetIdx()])) for a in heavy.GetAtoms()]), heavy


@pytest.mark.parametrize(
    ("smiles", "types"),
    [
        ("c1ccccc1Nc1ncccn1", {6: "N.pl3"}),
        ("CC(=O)NCc1ccccc1", {3: "N.pl3"}),
        ("CN1CCNCC1", {1: "N.3", 4: "N.3"}),
        ("CN1CCN(CC1)c1ccccc1", {1: "N.3", 4: "N.pl3"}),
        ("CS(=O)(=O)Nc1ccccc1", {4: "N.pl3"}),
        ("CC(=O)N1CCCC1", {3: "N.pl3"}),
        ("c1ccncc1", {}),
        ("CCNCC", {2: "N.3"}),
    ],
)
def test_nitrogens_that_take_no_proton_are_told_from_amines(smiles: str, types: dict[int, str]) -> None:
    found, _ = smiles_group(smiles)
    assert Perceived(found).nitrogen_types() == types


def test_a_phosphine_oxide_is_no_phosphate() -> None:
    assert Perceived(smiles_group("CP(C)(=O)c1ccccc1")[0]).phosphine_oxides() == {1: "P.3", 3: "O.2"}
    assert Perceived(smiles_group("CCOP(=O)(O)O")[0]).phosphine_oxides() == {}


def test_partners_know_acceptors_and_donors() -> None:
    found, heavy = smiles_group("CC(=O)NCCO")
    partner = partner_atoms(found)
    assert len(partner.xyz) == heavy.GetNumAtoms() + 1
    by_heavy = {a.GetIdx(): None for a in heavy.GetAtoms()}
    assert len(by_heavy) == 7
    charges = partner.charges.tolist()
    assert charges[2] == pytest.approx(-0.55)
    assert 0.35 in charges
    assert charges[-1] == 0.0
    assert partner_atoms(ion(np.zeros(3), "MG")).charges.tolist() == [pytest.approx(1.6)]
    assert partner_atoms(ion(np.zeros(3), "CL")).charges.tolist() == [pytest.approx(-0.8)]


# --------------------------------------------------------------------------- crystals


@needs_reference
def test_a_crystal_s_flips_are_found_and_undone() -> None:
    """2hyy has two side chains the wrong way round, told by every other crystal of the same protein."""
    raw = read_structure(REFERENCE / "2hyy.pdb")
    residues = residues_of(raw)
    waters = [w for w in raw.waters if w.distance < 4.5]
    changes = optimise_amides_and_histidines(residues, raw.hetero, waters)
    assert {322, 295} <= {c.author_number for c in changes}
    assert optimise_amides_and_histidines(residues, raw.hetero, waters) == []
    asn = next(r for r in residues if r.number == 322)
    asn.xyz.update(turned_amide(asn))
    assert [c.author_number for c in optimise_amides_and_histidines(residues, raw.hetero, waters)] == [322]


@needs_reference
def test_flips_do_not_depend_on_where_the_structure_lies() -> None:
    raw = read_structure(REFERENCE / "1iep.pdb")
    rotation = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    first = residues_of(raw)
    second = residues_of(raw)
    for residue in second:
        residue.xyz = {a: rotation @ x + np.array([11.0, -7.0, 3.0]) for a, x in residue.xyz.items()}
    here, there = (turn_energies(make_puzzle(r, (), (), turn=True)) for r in (first, second))
    assert here.keys() == there.keys()
    assert np.allclose(list(here.values()), list(there.values()), atol=1e-6)


@needs_reference
def test_active_site_of_a_crystal_has_its_charges() -> None:
    """Lys 72, Glu 91 and Asp 184 of PKA with ATP and two metal ions."""
    raw = read_structure(REFERENCE / "1atp.pdb")
    residues = residues_of(raw)
    changes = assign_states(residues, 7.4, set(), groups=[g for g in raw.hetero if g.distance < 4.0])
    at = {r.number: r for r in residues}
    assert at[72].absent == frozenset()
    assert at[91].absent == {"HE2"}
    assert at[184].absent == {"HD2"}
    assert all(len(r.absent) < 2 for r in residues)
    assert {c.author_number for c in changes} >= {r.number for r in residues if r.name == "HIS"}


def residues_of(raw: RawStructure) -> list[WorkResidue]:
    """Return the complete standard residues of a chain."""
    found = []
    for index, name in enumerate(str(n) for n in raw.residue_names):
        rows = np.flatnonzero(raw.atom_residue == index)
        atoms = {str(raw.atom_names[i]): np.array(raw.coordinates[i]) for i in rows}
        if name not in templates() or any(str(a) not in atoms for a in templates()[name].heavy):
            continue
        kept = {str(a): atoms[str(a)] for a in templates()[name].heavy}
        number, icode = int(raw.author_numbers[index]), str(raw.insertion_codes[index])
        found.append(WorkResidue(name, raw.chain, icode, number, 0, int(raw.segments[index]), kept))
    return found
