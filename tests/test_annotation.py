"""What a sequence is: domains, pocket positions by profile, families, offsets and construct differences."""

import csv
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from dockkit.core.errors import StructureError
from dockkit.core.model import Kinase
from dockkit.kinase import (
    KLIFS_REGIONS,
    annotate_sequence,
    construct_changes,
    describe_offset,
    identify_kinase,
    kinase_from_annotation,
    known_kinases,
    load_kinase,
    map_to_uniprot,
    motifs,
    sequence_differences,
)
from dockkit.kinase.alignment import LETTERS, Model, align, encode
from dockkit.kinase.profiles import families, load_profile
from dockkit.structure import read_structure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_klifs = pytest.mark.skipif(not (DATA / "klifs").is_dir(), reason="KLIFS table is not beside the checkout")
needs_crystals = pytest.mark.skipif(not (DATA / "structures").is_dir(), reason="crystals are not beside the checkout")
LYSOZYME = (
    "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQ"
    "INSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNCAKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL"
)


def domain(kinase: Kinase) -> str:
    first, last = kinase.domain
    return kinase.sequence[first - 1 : last]


def numbers(kinase: Kinase) -> np.ndarray:
    return np.arange(kinase.domain[0], kinase.domain[1] + 1)


def pocket_of(annotation, which: int = 0) -> tuple[int, ...]:
    return tuple(residue.number or 0 for residue in annotation.domains[which].pocket)


def family_member(name: str) -> str:
    """A sequence of the alignment that a family's profile is built from."""
    profile = load_profile(name)
    return "".join(LETTERS[code] for code in profile.letters[0] if code < len(LETTERS))


# -------------------------------------------------------------------------------------------------------- alignment


def little_model() -> Model:
    """Three columns that like A, C and D; steps cost 1 nat to insert or delete, 0.5 to go on, and 0.1 to move on."""
    emissions = np.full((3, 21), -2.0)
    for column, letter in enumerate("ACD"):
        emissions[column, LETTERS.index(letter)] = 3.0
    row = [-0.1, -1.0, -1.0, -0.1, -0.5, -0.1, -0.5]
    return Model(emissions, np.array([row] * 3), np.zeros(0, dtype=np.int64), np.zeros(3, dtype=bool))


def every_score(model: Model, codes: np.ndarray) -> float:
    """Best score over every set of residue-column pairs, by the definition."""
    best = -np.inf
    n, m = len(codes), len(model.emissions)
    pairs = [(i, k) for i in range(n) for k in range(m)]
    for size in range(1, min(n, m) + 1):
        for path in itertools.combinations(pairs, size):
            steps = list(itertools.pairwise(path))
            if any(b[0] <= a[0] or b[1] <= a[1] or (b[0] - a[0] > 1 and b[1] - a[1] > 1) for a, b in steps):
                continue
            score = sum(model.emissions[k, codes[i]] for i, k in path)
            for (i, k), (j, c) in steps:
                t = model.transitions
                if j - i > 1:
                    score += t[k, 1] + (j - i - 2) * t[k, 4] + t[k, 3]
                elif c - k > 1:
                    score += t[k, 2] + sum(t[x, 6] for x in range(k + 1, c - 1)) + t[c - 1, 5]
                else:
                    score += t[k, 0]
            best = max(best, score)
    return best


@pytest.mark.parametrize("text", ["ACD", "AD", "AWCD", "WACWWD", "CD", "DCA", "ACACD", "AAWD", "WWA"])
def test_alignment_is_the_best_of_all(text: str) -> None:
    model, codes = little_model(), encode(text)
    score, columns = align(model, codes, np.zeros(len(codes), dtype=bool))
    assert score == pytest.approx(every_score(model, codes))
    used = columns[columns >= 0]
    assert (np.diff(used) > 0).all()


# ----------------------------------------------------------------------------------------------- pocket by profile


@pytest.mark.parametrize(
    ("gene", "relatives"),
    [
        ("ABL1", {"ABL1", "ABL2"}),
        ("EGFR", {"EGFR", "ERBB2", "ERBB3", "ERBB4"}),
        ("CDK2", {"CDK1", "CDK2"}),
        ("BRAF", {"ARAF", "BRAF", "RAF1"}),
        ("AURKA", {"AURKA", "AURKB"}),
        ("PRKACA", {"PRKACA"}),
    ],
)
def test_a_kinase_that_the_profile_has_not_seen_gets_its_pocket(gene: str, relatives: set[str]) -> None:
    kinase = load_kinase(gene)
    found = annotate_sequence(domain(kinase), numbers=numbers(kinase), use_table=False, leave_out=relatives)
    assert pocket_of(found) == kinase.pocket
    assert found.domains[0].closest not in relatives
    assert "not in the table" in found.statement


def test_a_kinase_insert_of_any_length_does_not_shift_the_pocket() -> None:
    kinase = load_kinase("KIT")
    at = 720
    text = kinase.sequence[:at] + "GSSGGSEPNA" * 20 + kinase.sequence[at:]
    own = np.concatenate([np.arange(1, at + 1), np.arange(5001, 5201), np.arange(at + 1, len(kinase.sequence) + 1)])
    assert pocket_of(annotate_sequence(text, numbers=own, use_table=False)) == kinase.pocket


def test_missing_loops_leave_the_rest_in_place() -> None:
    kinase = load_kinase("ABL1")
    own = numbers(kinase)
    keep = ~np.isin(own, [*range(250, 254), *range(274, 281), *range(386, 400)])
    text = "".join(np.array(list(domain(kinase)))[keep])
    segments = np.cumsum(np.diff(own[keep], prepend=own[keep][0]) != 1)
    found = annotate_sequence(text, numbers=own[keep], segments=segments, use_table=False)
    there = set(own[keep].tolist())
    assert pocket_of(found) == tuple(number if number in there else 0 for number in kinase.pocket)


@pytest.mark.parametrize("gene", known_kinases()[::15])
def test_motifs_by_profile_are_those_of_the_table(gene: str) -> None:
    kinase = load_kinase(gene)
    found = dict(annotate_sequence(kinase.sequence, use_table=False).domains[-1].motifs)
    expected = motifs(kinase)
    for name in ("p_loop", "hinge", "hrd", "dfg", "gatekeeper", "catalytic_lysine", "activation_loop"):
        assert found[name] == expected[name], name


@needs_klifs
def test_kinases_outside_the_table_have_the_gatekeeper_of_klifs() -> None:
    sequences: dict[str, str] = {}
    for block in (DATA / "sequences" / "human_kinases_uniprot.fasta").read_text().split(">")[1:]:
        header, _, body = block.partition("\n")
        sequences[header.split("|")[0]] = body.replace("\n", "")
    with (DATA / "klifs" / "klifs_pockets.csv").open(newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["map_ok"] == "True" and row["gene"] not in known_kinases() and row["group"] != "Atypical"
        ]
    right = 0
    for row in rows[::15]:
        own = np.arange(1, len(sequences[row["uniprot"]]) + 1)
        found = annotate_sequence(sequences[row["uniprot"]], numbers=own)
        right += any(
            d.gatekeeper and d.gatekeeper.number == int(float(row["gatekeeper_resnum"])) for d in found.domains
        )
    assert right >= 0.9 * len(rows[::15])


# ------------------------------------------------------------------------------------------------------ what it is


def test_a_kinase_of_the_table_is_named_and_numbered() -> None:
    kinase = load_kinase("ABL1")
    found = annotate_sequence("GSHM" + domain(kinase), numbers=np.arange(4 + len(domain(kinase))) + 257)
    only = found.domains[0]
    assert (only.kinase, only.uniprot, only.pseudokinase, only.replaced) == ("ABL1", "P00519", False, ())
    assert found.offset == "author = UniProt + 19 throughout"
    assert only.gatekeeper is not None
    assert (only.gatekeeper.number, only.gatekeeper.uniprot_number, only.gatekeeper.letter) == (334, 315, "T")
    assert found.uniprot_numbers[:5] == (0, 0, 0, 0, 242)
    assert dict(only.motifs)["activation_loop"] == tuple(range(381 + 19, 409 + 20))
    json.dumps(dataclasses.asdict(found))


def test_regions_are_those_of_klifs() -> None:
    assert len(KLIFS_REGIONS) == 85
    assert (KLIFS_REGIONS[44], KLIFS_REGIONS[45], KLIFS_REGIONS[80], KLIFS_REGIONS[23]) == (
        "GK", "hinge", "xDFG", "alphaC",
    )  # fmt: skip


def test_both_domains_of_a_janus_kinase_are_found_and_the_first_is_a_pseudokinase() -> None:
    found = annotate_sequence(load_kinase("JAK2").sequence)
    assert [d.kinase for d in found.domains] == ["JAK2", "JAK2"]
    assert [d.pseudokinase for d in found.domains] == [True, False]
    assert "HRD Asp is N" in found.domains[0].replaced
    assert pocket_of(found, 1) == load_kinase("JAK2").pocket
    gatekeeper = found.domains[0].gatekeeper
    assert gatekeeper is not None
    assert (gatekeeper.number, gatekeeper.letter) == (626, "Q")  # the JH2 gatekeeper, Q626
    assert found.statement.startswith("2 kinase domains")


def test_erbb3_is_a_pseudokinase_and_a_mutant_of_abl1_is_not() -> None:
    assert annotate_sequence(domain(load_kinase("ERBB3"))).domains[0].pseudokinase
    kinase = load_kinase("ABL1")
    dead = domain(kinase).replace("HRDLAARN", "HRNLAARN")
    only = annotate_sequence(dead).domains[0]
    assert not only.pseudokinase
    assert "1 of 254 residues of the domain differ" in only.statement


def test_a_kinase_like_one_of_the_table_is_not_taken_for_it() -> None:
    kinase = load_kinase("PRKCA")
    letters = list(domain(kinase))
    for i in range(5, len(letters), 8):  # 12 per cent changed
        letters[i] = "A" if letters[i] != "A" else "S"
    found = annotate_sequence("".join(letters))
    assert found.domains[0].kinase == ""
    assert found.domains[0].closest == "PRKCA"
    with pytest.raises(StructureError, match=r"closest is PRKCA .* 8\d% of those aligned"):
        identify_kinase("".join(letters))


def test_few_differences_from_a_kinase_with_close_relatives_are_told() -> None:
    letters = list(domain(load_kinase("CSNK1D")))
    for i in range(10, 250, 40):
        letters[i] = "W"
    assert "CSNK1E (97%)" in annotate_sequence("".join(letters)).statement


@pytest.mark.parametrize("family", families()[1:])
def test_other_families_are_recognised_as_such(family: str) -> None:
    found = annotate_sequence(family_member(family))
    assert [d.family for d in found.domains] == [family]
    assert not found.is_protein_kinase
    assert found.domains[0].kinase == ""


@pytest.mark.parametrize("sequence", ["", "X", "XXXXXXXX", "GSHM", LYSOZYME, "ACDEFGHIKLMNPQRSTVWY" * 30])
def test_what_is_no_kinase_is_told_so(sequence: str) -> None:
    found = annotate_sequence(sequence)
    assert found.domains == ()
    assert "no kinase domain" in found.statement


def test_a_sequence_longer_than_any_protein_is_refused() -> None:
    with pytest.raises(StructureError, match="longer than any protein"):
        annotate_sequence("A" * 100_001)


def test_numbers_must_be_one_for_each_residue() -> None:
    with pytest.raises(StructureError, match="one for each"):
        annotate_sequence("ACDEF", numbers=[1, 2])


# ------------------------------------------------------------------------------------------ a kinase of one's own


def test_a_record_of_an_unknown_kinase_counts_in_its_own_numbers() -> None:
    kinase = load_kinase("EGFR")
    text, own = domain(kinase), numbers(kinase) - 24
    made = kinase_from_annotation(text, annotate_sequence(text, numbers=own, use_table=False), own)
    assert (made.gene, made.uniprot) == ("", "")
    assert (made.gatekeeper, made.catalytic_lysine, made.alpha_c_glutamate) == (790 - 24, 745 - 24, 762 - 24)
    assert (made.hinge_middle, made.hrd_aspartate, made.dfg_aspartate) == (793 - 24, 837 - 24, 855 - 24)
    assert made.sequence[790 - 24 - 1] == "T"
    assert made.pocket == tuple(number - 24 if number else 0 for number in kinase.pocket)
    assert motifs(made)["activation_loop"] == tuple(n - 24 for n in motifs(kinase)["activation_loop"])


def test_numbers_given_twice_cannot_serve() -> None:
    kinase = load_kinase("EGFR")
    text, own = domain(kinase), numbers(kinase).copy()
    own[50] = own[49]
    with pytest.raises(StructureError, match="given twice"):
        kinase_from_annotation(text, annotate_sequence(text, numbers=own, use_table=False), own)
    with pytest.raises(StructureError, match="no pocket to model in"):
        kinase_from_annotation(LYSOZYME, annotate_sequence(LYSOZYME), np.arange(len(LYSOZYME)))


# ------------------------------------------------------------------------------------------ offsets and constructs


def test_offsets_in_words() -> None:
    assert describe_offset([1, 2, 3], [25, 26, 27]) == "author = UniProt - 24 throughout"
    assert describe_offset([7, 315], [0, 315]) == "author = UniProt throughout"
    assert describe_offset([5, 6], [0, 0]) == "no residue has a UniProt number"
    told = describe_offset([10, 11, 50, 51], [10, 11, 40, 41])
    assert told == "author = UniProt at UniProt 10-11; author = UniProt + 10 at UniProt 40-41"
    with pytest.raises(StructureError, match="one for each"):
        describe_offset([1], [1, 2])


def test_engineered_residues_and_tags_are_reported_residue_by_residue() -> None:
    kinase = load_kinase("ABL1")
    text = domain(kinase)
    changed = "GS" + text[:73] + "I" + text[74:] + "HH"  # T315I: the domain starts at 242
    mapped = map_to_uniprot(changed, kinase)
    assert sequence_differences(changed, mapped, kinase) == [(315, "T", "I")]
    author = np.arange(len(changed)) + 240
    names = ["ILE" if i == 75 else "XXX" for i in range(len(changed))]
    found = construct_changes(changed, mapped, kinase, author_numbers=author, residue_names=names, chain="B")
    assert [change.kind for change in found] == ["tag", "tag", "engineered", "tag", "tag"]
    middle = found[2]
    assert (middle.label, middle.uniprot_number, middle.what) == ("ILE B:315", 315, "T315I against UniProt P00519")
    assert found[0].why == "before the first residue of UniProt"
    assert found[-1].why == "after the last residue of UniProt"


def test_own_numbers_settle_on_which_side_of_a_missing_loop_a_residue_is() -> None:
    kinase = load_kinase("KDR")
    letters, first, last = kinase.sequence, 820, 1100
    own = np.array([*range(first, 940), 940, *range(991, last)])  # residue 940 was changed to what 990 nearly is
    text = letters[first - 1 : 939] + "V" + letters[990 : last - 1]
    segments = np.repeat([0, 1], [940 - first, last - 991 + 1])  # the file breaks before it, as distances say
    assert map_to_uniprot(text, kinase, segments=segments)[940 - first] == 990
    assert (map_to_uniprot(text, kinase, segments=segments, own_numbers=own - 24) == own).all()


@needs_crystals
@pytest.mark.parametrize(
    ("pdb", "chain", "offset", "expected"),
    [
        ("1m17", "A", "author = UniProt - 24 throughout", set()),
        ("1opj", "A", "author = UniProt + 19 throughout", {"N336S"}),
        ("2f4j", "A", "author = UniProt throughout", {"V228M", "H396P"}),
        ("5aac", "A", "author = UniProt throughout", {"C1156Y"}),
        ("3wzd", "A", "author = UniProt throughout", {"T940V"}),
    ],
)
def test_constructs_of_crystals(pdb: str, chain: str, offset: str, expected: set[str]) -> None:
    raw = read_structure(DATA / "structures" / f"{pdb}.pdb", chain=chain)
    kinase, mapped = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    assert describe_offset(raw.author_numbers, mapped) == offset
    found = construct_changes(
        raw.sequence, mapped, kinase, author_numbers=raw.author_numbers, residue_names=raw.residue_names.tolist()
    )
    assert {change.what.split()[0] for change in found if change.kind == "engineered"} == expected
