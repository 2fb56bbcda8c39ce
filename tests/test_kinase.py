"""Kinase facts, numbering by sequence, and conformational states."""

import csv
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockkit.core.errors import InputError, StructureError
from dockkit.core.model import Kinase, Receptor
from dockkit.kinase import (
    identify_kinase,
    known_kinases,
    load_kinase,
    map_to_uniprot,
    measure_conformation,
    motifs,
)
from dockkit.structure import RawStructure, read_structure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_klifs = pytest.mark.skipif(not (DATA / "klifs").is_dir(), reason="KLIFS table is not beside the checkout")
needs_crystals = pytest.mark.skipif(not (DATA / "structures").is_dir(), reason="crystals are not beside the checkout")

# Gatekeeper, catalytic Lys, alpha-C Glu, hinge middle, HRD Asp, DFG Asp as the clinical literature names them.
LITERATURE = {
    "ABL1": "T315 K271 E286 M318 D363 D381",
    "EGFR": "T790 K745 E762 M793 D837 D855",
    "KIT": "T670 K623 E640 C673 D792 D810",
    "ALK": "L1196 K1150 E1167 M1199 D1249 D1270",
    "BRAF": "T529 K483 E501 C532 D576 D594",
    "MET": "L1157 K1110 E1127 M1160 D1204 D1222",
    "BTK": "T474 K430 E445 M477 D521 D539",
    "FLT3": "F691 K644 E661 C694 D811 D829",
    "JAK2": "M929 K882 E898 L932 D976 D994",
    "RET": "V804 K758 E775 A807 D874 D892",
    "PDGFRA": "T674 K627 E644 C677 D818 D836",
    "CDK2": "F80 K33 E51 L83 D127 D145",
}


def domain(kinase: Kinase) -> str:
    first, last = kinase.domain
    return kinase.sequence[first - 1 : last]


# ------------------------------------------------------------------------------------------------------------ facts


@pytest.mark.parametrize("gene", LITERATURE)
def test_landmarks_are_those_of_the_literature(gene: str) -> None:
    kinase = load_kinase(gene)
    numbers = (
        kinase.gatekeeper,
        kinase.catalytic_lysine,
        kinase.alpha_c_glutamate,
        kinase.hinge_middle,
        kinase.hrd_aspartate,
        kinase.dfg_aspartate,
    )
    assert " ".join(f"{kinase.sequence[n - 1]}{n}" for n in numbers) == LITERATURE[gene]


def test_every_kinase_is_consistent() -> None:
    assert len(known_kinases()) >= 60
    for gene in known_kinases():
        kinase = load_kinase(gene)
        letters = kinase.sequence
        assert set(letters) <= set("ACDEFGHIKLMNPQRSTVWY"), gene
        assert len(kinase.pocket) == 85, gene
        present = [n for n in kinase.pocket if n]
        assert present == sorted(set(present)), gene
        assert kinase.domain[0] <= present[0] < present[-1] <= kinase.domain[1], gene
        assert letters[kinase.catalytic_lysine - 1] == "K", gene
        assert kinase.alpha_c_glutamate == 0 or letters[kinase.alpha_c_glutamate - 1] == "E", gene
        assert kinase.hrd_aspartate == 0 or letters[kinase.hrd_aspartate - 1] == "D", gene
        assert letters[kinase.dfg_aspartate - 1] == "D", gene
        assert kinase.hinge_middle == kinase.gatekeeper + 3, gene


def test_a_kinase_is_found_by_gene_or_accession_in_any_case() -> None:
    assert load_kinase("abl1") is load_kinase("P00519") is load_kinase(" ABL1 ")


def test_an_unknown_kinase_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="'ABLI' is known; did you mean .*'ABL1'"):
        load_kinase("ABLI")


def test_motifs_of_abl1() -> None:
    found = motifs(load_kinase("ABL1"))
    assert found["p_loop"] == tuple(range(249, 255))
    assert found["hrd"] == (361, 362, 363)
    assert found["dfg"] == (381, 382, 383)
    assert found["hinge"] == (316, 317, 318)
    assert (found["activation_loop"][0], found["activation_loop"][-1]) == (381, 409)  # D381 to E409 of APE
    assert motifs(load_kinase("ERBB3"))["alpha_c_glutamate"] == ()


@needs_klifs
def test_the_table_agrees_with_klifs() -> None:
    rows = {}
    with (DATA / "klifs" / "klifs_pockets.csv").open(newline="") as stream:
        rows = {row["gene"]: row for row in csv.DictReader(stream) if row["map_ok"] == "True"}
    checked = 0
    for gene in set(known_kinases()) & set(rows):
        kinase, row = load_kinase(gene), rows[gene]
        assert kinase.uniprot == row["uniprot"]
        assert kinase.gatekeeper == int(float(row["gatekeeper_resnum"]))
        letters = "".join(kinase.sequence[n - 1] if n else "-" for n in kinase.pocket)
        assert letters == row["pocket"].replace("_", "-")
        checked += 1
    assert checked >= 100


# -------------------------------------------------------------------------------------------------------- numbering


def test_a_domain_numbers_itself() -> None:
    kinase = load_kinase("KIT")
    assert (map_to_uniprot(domain(kinase), kinase) == np.arange(kinase.domain[0], kinase.domain[1] + 1)).all()


def test_tags_and_fusion_partners_have_no_number() -> None:
    kinase = load_kinase("ABL1")
    numbers = map_to_uniprot("MHHHHHHGSDDDDK" + domain(kinase) + "GSGSGSENLYFQ", kinase)
    assert (numbers[:14] == 0).all()
    assert (numbers[-12:] == 0).all()
    assert (numbers[14:-12] == np.arange(kinase.domain[0], kinase.domain[1] + 1)).all()


def test_engineered_changes_and_unusual_residues_keep_their_numbers() -> None:
    kinase = load_kinase("BRAF")
    letters = list(domain(kinase))
    for i in range(20, 250, 17):
        letters[i] = "A" if letters[i] != "A" else "S"
    letters[100] = "X"
    assert (map_to_uniprot("".join(letters), kinase) == np.arange(kinase.domain[0], kinase.domain[1] + 1)).all()


def test_a_break_decides_where_a_missing_loop_starts() -> None:
    # ABL1 has ...R386 L387 M388 T389 ... : drop 388-391, then put a letter that fits both sides before the break.
    kinase = load_kinase("ABL1")
    letters, first = kinase.sequence, kinase.domain[0]
    before, after = letters[first - 1 : 392], letters[396:480]
    assert letters[391] == "T"
    changed = before[:-1] + "A" + after  # residue 392 mutated; nothing but the break says which side it is on
    n = len(before)
    segments = np.repeat([0, 1], [n, len(after)])
    assert map_to_uniprot(changed, kinase, segments=segments)[n - 1] == 392
    segments = np.repeat([0, 1], [n - 1, len(after) + 1])
    assert map_to_uniprot(changed, kinase, segments=segments)[n - 1] == 396


def test_repeated_residues_after_the_chain_are_left_out() -> None:
    kinase = load_kinase("ABL1")
    text = domain(kinase)
    numbers = map_to_uniprot(text + text[90:130], kinase, segments=np.repeat([0, 1], [len(text), 40]))
    assert (numbers[: len(text)] == np.arange(kinase.domain[0], kinase.domain[1] + 1)).all()
    assert (numbers[len(text) :] == 0).all()


@settings(max_examples=25, deadline=None)
@given(
    gene=st.sampled_from(["ABL1", "EGFR", "KIT", "JAK2", "CDK2"]),
    loop=st.tuples(st.integers(20, 120), st.integers(1, 40)),
    changes=st.lists(st.integers(0, 200), max_size=8),
)
def test_a_missing_loop_and_point_changes_never_shift_numbers(
    gene: str, loop: tuple[int, int], changes: list[int]
) -> None:
    kinase = load_kinase(gene)
    letters, numbers = list(domain(kinase)), np.arange(kinase.domain[0], kinase.domain[1] + 1)
    for i in changes:
        letters[10 + i] = "W" if letters[10 + i] != "W" else "G"
    keep = np.ones(len(letters), dtype=bool)
    keep[loop[0] : loop[0] + loop[1]] = False
    text = "".join(np.array(letters)[keep])
    segments = np.repeat([0, 1], [loop[0], len(text) - loop[0]])
    assert (map_to_uniprot(text, kinase, segments=segments) == numbers[keep]).all()


@pytest.mark.parametrize("gene", known_kinases()[::6])
def test_a_domain_is_recognised(gene: str) -> None:
    kinase = load_kinase(gene)
    found, numbers = identify_kinase(domain(kinase))
    assert found.gene == gene
    assert (numbers == np.arange(kinase.domain[0], kinase.domain[1] + 1)).all()


def test_close_relatives_are_told_apart() -> None:
    for gene in ("ABL2", "FGFR2", "PDGFRB", "ERBB4", "MAP2K2", "AKT3"):
        assert identify_kinase(domain(load_kinase(gene)))[0].gene == gene


@pytest.mark.parametrize(
    "sequence",
    [
        "",
        "XXXX",
        "GSGSGS",
        # Hen egg-white lysozyme.
        "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNCAKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL",
    ],
)
def test_what_is_no_known_kinase_is_refused(sequence: str) -> None:
    with pytest.raises(StructureError, match="none of the"):
        identify_kinase(sequence)


def test_another_kinase_does_not_align_silently() -> None:
    with pytest.raises(StructureError, match="does not align with ABL1"):
        map_to_uniprot("GSGSGS", load_kinase("ABL1"))


# ----------------------------------------------------------------------------------------------------- conformation


def little_receptor(ring: tuple[float, float, float], bridge: float = 2.9) -> Receptor:
    """Lys 271, Glu 286, Met 290 and Phe 382 of ABL1 with the few atoms that are measured.

    Lys C-alpha is the origin; C-alpha of 290 is 14 A along x; C-beta of Lys and Glu are 8 A apart.
    """
    atoms = [
        ("CA", "C", 0, (0.0, 0.0, 0.0)),
        ("CB", "C", 0, (0.0, 1.5, 0.0)),
        ("NZ", "N", 0, (0.0, 5.0, 0.0)),
        ("CB", "C", 1, (0.0, 9.5, 0.0)),
        ("OE1", "O", 1, (0.0, 5.0 + bridge, 0.0)),
        ("OE2", "O", 1, (0.0, 5.0 + bridge, 9.0)),
        ("CA", "C", 2, (14.0, 0.0, 0.0)),
        ("CZ", "C", 3, ring),
    ]
    numbers = np.array([271, 286, 290, 382])
    return Receptor(
        name="little",
        kinase="ABL1",
        uniprot="P00519",
        source="",
        modelled=False,
        atom_names=np.array([a[0] for a in atoms]),
        elements=np.array([a[1] for a in atoms]),
        atom_residue=np.array([a[2] for a in atoms]),
        coordinates=np.array([a[3] for a in atoms]),
        residue_names=np.array(["LYS", "GLU", "MET", "PHE"]),
        chain_ids=np.array(["A"] * 4),
        insertion_codes=np.array([""] * 4),
        author_numbers=numbers,
        uniprot_numbers=numbers,
        segments=np.arange(4),
    )


@pytest.mark.parametrize(
    ("x", "state"),
    [
        (12.0, "in"),  # 2 A from alpha-C, 12 A from Lys
        (5.0, "inter"),  # 9 A, 5 A
        (-6.0, "out"),  # 20 A, 6 A
        (-15.0, "unknown"),  # 29 A, 15 A
    ],
)
def test_dfg_state_by_hand(x: float, state: str) -> None:
    found = measure_conformation(little_receptor((x, 0.0, 0.0)), load_kinase("ABL1"))
    assert found.dfg == state
    measures = dict(found.measures)
    assert measures["dfg_phe_to_alpha_c"] == pytest.approx(abs(14.0 - x))
    assert measures["dfg_phe_to_lysine"] == pytest.approx(abs(x))
    assert measures["lysine_glutamate_salt_bridge"] == pytest.approx(2.9)
    assert measures["lysine_glutamate_c_beta"] == pytest.approx(8.0)
    assert found.alpha_c == "in"


def test_what_is_missing_is_unknown() -> None:
    whole = little_receptor((12.0, 0.0, 0.0))
    kinase = load_kinase("KIT")  # none of its residues is there
    found = measure_conformation(whole, kinase)
    assert (found.dfg, found.alpha_c, found.measures) == ("unknown", "unknown", ())


def crystal_receptor(raw: RawStructure, kinase: Kinase, numbers: np.ndarray) -> Receptor:
    """Heavy atoms of a chain with UniProt numbers."""
    return Receptor(
        name=raw.source,
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
        uniprot_numbers=numbers,
        segments=np.arange(raw.n_residues),
    )


def moved(receptor: Receptor, **places: tuple[float, float, float]) -> Receptor:
    """The little receptor with C-alpha atoms added, named by residue index: ``r1=(x, y, z)``."""
    atoms = list(zip(receptor.atom_residue, receptor.atom_names, receptor.elements, receptor.coordinates, strict=True))
    atoms += [(int(key[1:]), "CA", "C", np.array(xyz)) for key, xyz in places.items()]
    atoms.sort(key=lambda atom: atom[0])
    return dataclasses.replace(
        receptor,
        atom_residue=np.array([a[0] for a in atoms]),
        atom_names=np.array([a[1] for a in atoms]),
        elements=np.array([a[2] for a in atoms]),
        coordinates=np.array([a[3] for a in atoms]),
    )


@pytest.mark.parametrize(("apart", "helix"), [(7.0, "in"), (7.5, "out")])
@pytest.mark.parametrize(("bridge", "state"), [(2.9, "formed"), (4.5, "broken")])
def test_helix_and_salt_bridge_are_told_apart(apart: float, helix: str, bridge: float, state: str) -> None:
    whole = moved(little_receptor((12.0, 0.0, 0.0), bridge), r1=(10.0, 10.0, 0.0), r3=(10.0, 10.0 + apart, 0.0))
    found = measure_conformation(whole, load_kinase("ABL1"))
    assert dict(found.measures)["glutamate_to_dfg_phe_c_alpha"] == pytest.approx(apart)
    assert (found.alpha_c, found.salt_bridge) == (helix, state)


def test_spine_residues_of_pka_and_abl1_are_those_of_the_literature() -> None:
    # Kornev et al. 2006 (PKA: Leu95, Leu106, Tyr164, Phe185 in the numbering without Met1); ABL1: H361 F382 M290 L301.
    kinase = load_kinase("PRKACA")
    found = measure_conformation(little_receptor((12.0, 0.0, 0.0)), kinase)
    assert [kinase.sequence[n - 1] + str(n - 1) for n in found.spine_residues] == ["Y164", "F185", "L95", "L106"]
    abl1 = measure_conformation(little_receptor((12.0, 0.0, 0.0)), load_kinase("ABL1"))
    assert abl1.spine_residues == (361, 382, 290, 301)
    assert (abl1.spine, abl1.activation_loop, abl1.activation_loop_missing) == ("unknown", "disordered", 28)


@needs_crystals
@pytest.mark.parametrize(
    ("pdb", "chain", "dfg", "helix", "bridge", "spine", "loop"),
    [
        ("1atp", "E", "in", "in", "formed", "assembled", "ordered"),
        ("1iep", "A", "out", "out", "formed", "broken", "ordered"),
        ("1xkk", "A", "in", "out", "broken", "broken", "disordered"),
    ],
)
def test_states_of_well_known_crystals(
    pdb: str, chain: str, dfg: str, helix: str, bridge: str, spine: str, loop: str
) -> None:
    raw = read_structure(DATA / "structures" / f"{pdb}.pdb", chain=chain)
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
    found = measure_conformation(crystal_receptor(raw, kinase, numbers), kinase)
    assert (found.dfg, found.alpha_c, found.salt_bridge, found.spine) == (dfg, helix, bridge, spine)
    assert found.activation_loop == loop
    assert {name for name, _ in found.angles} >= {"dfg_asp_phi", "dfg_phe_chi1"}


@needs_crystals
def test_states_of_crystals_agree_with_klifs() -> None:
    n = dfg_agree = helix_agree = 0
    with (DATA / "structures" / "structures.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows[::2]:
        match = re.match(r"(\w):DFG-([a-z]+)(?:-like)?/aC-([a-z]+)", row["klifs_state"])
        if not match:
            continue
        raw = read_structure(DATA / "structures" / row["file"], chain=match[1])
        kinase, numbers = identify_kinase(raw.sequence)
        assert kinase.gene == row["gene"]
        receptor = crystal_receptor(raw, kinase, numbers)
        found = measure_conformation(receptor, kinase)
        n += 1
        dfg_agree += found.dfg == match[2]
        helix_agree += found.alpha_c == match[3]
    assert n >= 12
    assert dfg_agree >= 0.9 * n
    assert helix_agree >= 0.95 * n
