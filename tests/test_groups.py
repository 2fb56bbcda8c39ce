"""Tests of het codes, the component dictionary, and telling drugs from what crystallisation left behind."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bound_groups import from_component, from_smiles

from dockkit.core.model import HetGroup
from dockkit.ligand import codes, components
from dockkit.ligand.components import component, component_molecule
from dockkit.ligand.groups import classify_group, classify_groups, site_ligands

LISTS = {
    name: getattr(codes, name)
    for name in ("NUCLEOTIDES", "COFACTORS", "BUFFERS", "LIPIDS", "METALS", "IONS", "UNKNOWN")
}


def single(name: str, element: str) -> HetGroup:
    return HetGroup(name, "A", 900, "", np.array([name]), np.array([element]), np.zeros((1, 3)), 2.0)


# --------------------------------------------------------------------------- the dictionary


def test_entries_are_what_is_known_of_them():
    found = components.components(["gol", "ATP", "NOSUCHCODE"])
    glycerol, atp = found["GOL"], found["ATP"]
    assert found["NOSUCHCODE"] is None
    assert (glycerol.name, glycerol.kind, glycerol.n_heavy) == ("GLYCEROL", "non-polymer", 6)
    assert len(glycerol.elements) == 14
    assert len(glycerol.bonds) == 13
    assert set(glycerol.atom_names) >= {"C1", "O1", "C2", "O2", "C3", "O3", "HO1"}
    assert atp.n_heavy == 31
    assert sorted(atp.elements[atp.elements != "H"]) == sorted("C" * 10 + "N" * 5 + "O" * 13 + "P" * 3)
    lengths = np.linalg.norm(np.diff(atp.coordinates[atp.bonds], axis=1)[:, 0], axis=1)
    assert 0.9 < lengths.min() < lengths.max() < 1.9


def test_stereo_comes_from_the_coordinates_of_the_dictionary():
    from rdkit import Chem

    alanine = component_molecule(component("ALA"))
    assert Chem.MolToSmiles(alanine) == Chem.CanonSmiles("C[C@H](N)C(=O)O")
    fumarate, maleate = (Chem.MolToSmiles(component_molecule(component(code))) for code in ("FUM", "MAE"))
    assert fumarate == Chem.CanonSmiles("OC(=O)/C=C/C(=O)O")
    assert maleate == Chem.CanonSmiles(r"OC(=O)/C=C\C(=O)O")


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("delta", [False, True])
def test_rows_of_a_packed_column_are_those_of_the_whole_column(width, delta):
    rng = np.random.default_rng(3)
    high = 2 ** (8 * width - 1) - 1
    values = rng.integers(-3 * high, 3 * high, 200)
    values[[3, 50, 51, 120]] = high, -high - 1, 0, 2 * high
    packed: list[int] = []
    for value in np.diff(values, prepend=0) if delta else values:
        rest = int(value)
        limit = high if rest >= 0 else -high - 1
        while rest >= high if limit > 0 else rest <= limit:
            packed.append(limit)
            rest -= limit
        packed.append(rest)
    steps = [
        *([{"kind": "Delta", "origin": 0, "srcType": 3}] if delta else []),
        {"kind": "IntegerPacking", "byteCount": width, "isUnsigned": False, "srcSize": len(values)},
        {"kind": "ByteArray", "type": width},
    ]
    data = np.array(packed, dtype=f"<i{width}").tobytes()
    column = components._Column({"data": {"data": data, "encoding": steps}, "mask": None})
    assert np.array_equal(components._decode(data, steps), values)
    for window in ((0, 200), (0, 1), (3, 5), (49, 121), (199, 200), (7, 7)):
        assert np.array_equal(column.rows([window])[0], values[slice(*window)])


# --------------------------------------------------------------------------- codes


def test_listed_codes_exist_and_stand_in_one_list():
    known = components.components(itertools.chain.from_iterable(LISTS.values()))
    absent = {code for code, entry in known.items() if entry is None}
    assert absent <= {"UNL"}
    for (first, a), (second, b) in itertools.combinations(LISTS.items(), 2):
        assert not a & b, f"{a & b} in both {first} and {second}"


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("GOL", "buffer"), ("EDO", "buffer"), ("SO4", "buffer"), ("PO4", "buffer"), ("DMS", "buffer"),
        ("ACT", "buffer"), ("PEG", "buffer"), ("MES", "buffer"), ("TRS", "buffer"), ("CIT", "buffer"),
        ("ATP", "nucleotide"), ("ANP", "nucleotide"), ("ACP", "nucleotide"), ("AGS", "nucleotide"),
        ("MYR", "lipid"), ("BOG", "lipid"), ("NAG", "glycan"), ("MAN", "glycan"), ("HEM", "cofactor"),
        ("SAM", "cofactor"), ("STI", "drug"), ("0WM", "drug"), ("STU", "drug"), ("GLU", "peptide"), ("UNX", "unknown"),
    ],
)  # fmt: skip
def test_well_known_codes(code, category):
    if code == "UNX":
        assert classify_group(single("UNX", "X")).category == "unknown"
        return
    assert classify_group(from_component(code)).category == category


def test_single_atoms():
    groups = [single("MG", "MG"), single("ZN", "Zn"), single("CL", "CL"), single("IOD", "I"), single("UNX", "C")]
    assert [what.category for what in classify_groups(groups)] == ["metal", "metal", "ion", "ion", "unknown"]


# --------------------------------------------------------------------------- chemistry of codes never seen


@pytest.mark.parametrize(
    ("smiles", "category"),
    [
        ("OCCOCCOCCOCCO", "buffer"),  # a glycol
        ("CC(O)CO", "buffer"),
        ("OS(=O)(=O)CCN1CCN(CCO)CC1", "buffer"),  # one of Good's
        ("OC(=O)CC(O)(CC(O)=O)C(O)=O", "buffer"),
        ("CCCCCCCCCCCC(=O)O", "lipid"),
        ("CCCCCCCCCCCCOCCOCCOCCO", "lipid"),
        ("OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "glycan"),
        ("Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(O)(O)=O)[C@@H](O)[C@H]1O", "nucleotide"),
        ("Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1", "drug"),
        ("COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1OC", "drug"),
        ("c1ccc2[nH]ncc2c1", "drug"),  # a fragment
    ],
)
def test_unseen_codes_are_told_by_their_chemistry(smiles, category):
    assert classify_group(from_smiles(smiles, "ZZZ99")).category == category


def test_most_of_the_junk_is_recognised_without_its_code():
    rest = [entry for entry in components.components(codes.BUFFERS).values() if entry and entry.n_heavy > 1]
    found = [classify_group(from_component(entry.code, rename="ZZZ99")).category for entry in rest]
    kept = [entry.code for entry, category in zip(rest, found, strict=True) if category in ("drug", "peptide")]
    assert len(rest) > 150
    assert len(kept) <= 0.04 * len(rest), kept


def test_a_code_that_stands_for_something_else_is_not_believed():
    group = from_smiles("COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1OC", "GOL")
    what = classify_group(group)
    assert what.category == "drug"
    assert "another compound" in what.reason


# --------------------------------------------------------------------------- place


def shell(center: np.ndarray, radius: float, n: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(n, 3))
    return center + radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def place(smiles: str, code: str, center: tuple[float, float, float], number: int, distance: float = 3.0) -> HetGroup:
    group = from_smiles(smiles, code, number=number)
    xyz = group.coordinates - group.coordinates.mean(axis=0) + np.array(center)
    return HetGroup(code, "A", number, "", group.atom_names, group.elements, xyz, distance)


def test_ligands_of_a_site_in_order():
    drug, nucleotide = "COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1OC", "Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(O)(O)=O)[C@@H](O)[C@H]1O"
    pocket = np.vstack([shell(np.array([0.0, 0, 0]), r, 150, k) for k, r in enumerate((3.0, 5.0, 7.0))])
    hinge = pocket[:5]
    remote = np.vstack([shell(np.array([40.0, 0, 0]), r, 300, k) for k, r in enumerate((5.0, 7.0, 8.0))])
    protein = np.vstack([pocket, remote])
    groups = [
        place("OCC(O)CO", "GOL", (1.0, 0, 0), 1),
        place(drug, "AAA99", (80.0, 0, 0), 2, distance=4.0),
        place(drug, "BBB99", (40.0, 0, 0), 3),
        place(nucleotide, "CCC99", (0.0, 0, 0), 4),
        place(drug, "DDD99", (0.0, 0.5, 0), 5),
        place(drug, "EEE99", (120.0, 0, 0), 6, distance=30.0),
    ]
    found = site_ligands(groups, pocket, hinge, protein)
    assert [(ligand.group.name, ligand.site) for ligand in found] == [
        ("DDD99", "atp"), ("BBB99", "allosteric"), ("CCC99", "atp"), ("AAA99", "surface")
    ]  # fmt: skip
    assert found[0].change.kind == "ligand"
    assert found[0].change.author_number == 5
    beside = site_ligands(groups[4:5], pocket, hinge + 100.0, protein)
    assert beside[0].site == "back"


def test_no_pocket_and_no_groups():
    assert site_ligands([], np.zeros((0, 3))) == ()
    lone = place("COc1cc2ncnc(Nc3cccc(Cl)c3)c2cc1OC", "AAA99", (0.0, 0, 0), 1)
    assert site_ligands([lone], np.zeros((0, 3)))[0].site == "surface"
