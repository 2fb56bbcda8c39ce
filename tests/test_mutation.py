"""Notation, checks against a structure, and built side chains."""

import re

import numpy as np
import pytest
from openmm.app import ForceField

from dockkit.core.errors import InputError, MutationError
from dockkit.core.geometry import angle_difference, dihedral
from dockkit.core.library import library_dir
from dockkit.core.model import Receptor, SideChainModel, Substitution, Variant
from dockkit.core.residues import BACKBONE, rotamers, templates, three_letter
from dockkit.forcefield.system import receptor_topology
from dockkit.mutation import build_variant, check_variant, parse_variant
from dockkit.structure import find_entry, prepare_receptor, read_structure

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"


@pytest.fixture(scope="module")
def abl1() -> Receptor:
    """ABL1 1IEP with UniProt numbers, and author numbers as isoform 1b has them (+19)."""
    entry = find_entry("abl1-1iep")
    raw = read_structure(library_dir("structures") / entry.file)
    receptor = prepare_receptor(raw, name=entry.name, kinase=None, uniprot_numbers=raw.author_numbers)
    fields = {name: getattr(receptor, name) for name in Receptor.__dataclass_fields__}
    return Receptor(**{**fields, "author_numbers": receptor.author_numbers + 19})


def atoms_of(receptor: Receptor, number: int) -> dict[str, np.ndarray]:
    rows = receptor.atom_indices(receptor.residue_index(number))
    return {str(receptor.atom_names[i]): receptor.coordinates[i] for i in rows}


def chi1(model: SideChainModel | Receptor, number: int, fourth: str) -> float:
    receptor = model if isinstance(model, Receptor) else model.receptor
    atoms = atoms_of(receptor, number)
    return float(dihedral(atoms["N"], atoms["CA"], atoms["CB"], atoms[fourth]))


# --------------------------------------------------------------------------- notation


@pytest.mark.parametrize(
    "text",
    [
        "T315I", "t315i", " T315I ", "p.Thr315Ile", "p.(Thr315Ile)", "NP_005148.2:p.Thr315Ile", "P00519:p.(T315I)",
        "NP_005148.2:p.(Thr315Ile)", "THR-315-ILE", "Thr315Ile", "ABL1(T315I)", "ABL1:T315I", "T-315-I", "THR:315:ILE",
        "Thr315\u2192Ile", "T315->I", "T315>I", "T315 to I", "T 315 I", "ABL1 T315I", "ABL1-T315I", "ABL1_T315I",
        "ABL1:p.T315I", "ABL1 p.Thr315Ile", "BCR-ABL1 T315I", "ABL1 T315I mutant", "c.944C>T (p.Thr315Ile)",
        "NM_005157.6(ABL1):c.944C>T (p.Thr315Ile)", "P.THR315ILE", "[T315I]", "'T315I'", "Thr(315)Ile",
        "T\u2013315\u2013I",
    ],
)  # fmt: skip
def test_one_substitution_in_many_hands(text: str) -> None:
    assert parse_variant(text) == Variant((Substitution(315, "T", "I"),))


def test_chain_insertion_code_and_no_wild_type() -> None:
    assert parse_variant("A:T315I").substitutions == (Substitution(315, "T", "I", "A"),)
    assert parse_variant("A:315:ILE").substitutions == (Substitution(315, "", "I", "A"),)
    assert parse_variant("B:THR-315-ILE").substitutions == (Substitution(315, "T", "I", "B"),)
    assert parse_variant("T315BI").substitutions == (Substitution(315, "T", "I", "", "B"),)


@pytest.mark.parametrize(
    "text",
    [
        "L858R/T790M", "EGFR(L858R,T790M)", "p.[Leu858Arg;Thr790Met]", "L858R + T790M", "p.Leu858Arg, p.Thr790Met",
        "L858R T790M", "L858R-T790M", "EGFR-L858R-T790M", "EGFR L858R/T790M", "EGFR: L858R, T790M", "L858R and T790M",
        "p.[Leu858Arg];[Thr790Met]", "p.(Leu858Arg)(;)(Thr790Met)", "L858R|T790M", "EGFR:L858R/EGFR:T790M",
    ],
)  # fmt: skip
def test_several_at_once_keep_their_order(text: str) -> None:
    assert parse_variant(text).label == "L858R/T790M"


def test_self_mutation_is_the_control() -> None:
    for text in ("T315T", "p.Thr315=", "p.Thr315Thr"):
        variant = parse_variant(text)
        assert variant == variant.reversed_to_wild_type


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("E746_A750del", "a deletion"), ("p.Glu746_Ala750del", "a deletion"), ("delE746", "a deletion"),
        ("D770_N771insNPG", "an insertion"), ("p.L747_A750delinsP", "a deletion with insertion"),
        ("p.Thr315Profs*4", "a frameshift"), ("T315*", "a stop"), ("p.Thr315Ter", "a stop"), ("T315X", "a stop"),
        ("Y772_A775dup", "a duplication"), ("FLT3-ITD", "a duplication"), ("c.944C>T", "DNA or RNA"),
        ("NM_005157.6:c.944C>T", "DNA or RNA"), ("BCR::ABL1", "a fusion"),
        ("L747_P753>S", "a deletion with insertion"), ("L747_P753delinsS", "a deletion with insertion"),
        ("exon 19 del", "a deletion"), ("del E746-A750", "a deletion"), ("\u0394E746-A750", "a deletion"),
        ("EGFRvIII", "whole exons"), ("p.X1010_splice", "a splice variant"),
        ("MET exon 14 skipping", "a splice variant"),
        ("p.Met1?", "start"), ("p.?", "unknown effect"), ("p.Thr315?", "unknown effect"), ("p.=", "names no residue"),
        ("p.*1228Qext*?", "an extension"), ("rs121913459", "a database identifier"), ("EGFR amp", "copy number"),
        ("944C>T", "DNA or RNA"), ("wild type", "the wild type"), ("T-5I", "negative"), ("TA315I", "write A:T315I"),
        ("A.T315I", "write A:T315I"), ("ABLT315I", "ABL:T315I"), ("V600E/K", "separate variants"),
        ("EML4-ALK fusion", "a fusion"), ("BCR-ABL1", "not a substitution"), ("T315(I)", "not a substitution"),
        ("B315I", "'B' is not one of the twenty"), ("p.Thr315Xaa", "'Xaa' is not one of the twenty"),
        ("T315", "not a substitution"), ("hello", "not a substitution"), ("", "empty"), ("  ", "empty"),
        ("/", "no mutation"),
        ("T315I/T315V", "given twice"), ("315", "not a substitution"), ("T-I", "not a substitution"),
        ("=", "no mutation"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(MutationError, match=re.escape(words)) as caught:
        parse_variant(text)
    assert isinstance(caught.value, InputError)
    if text.strip():
        assert text in str(caught.value)


# --------------------------------------------------------------------------- checks


def test_a_fitting_variant_passes_in_either_numbering(abl1: Receptor) -> None:
    check_variant(abl1, parse_variant("T315I"), "uniprot")
    check_variant(abl1, parse_variant("A:T334I"), "author")
    check_variant(abl1, parse_variant("315:ILE"), "uniprot")


def test_the_wrong_numbering_proposes_the_right_one(abl1: Receptor) -> None:
    with pytest.raises(MutationError) as caught:
        check_variant(abl1, parse_variant("T315I"), "author")
    message = str(caught.value)
    there = abl1.residue_names[abl1.residue_index(296)]
    assert f"residue 315 of abl1-1iep is {there}" in message
    assert "numbered +19" in message
    assert "T334I" in message
    assert "numbering = 'uniprot'" in message
    with pytest.raises(MutationError, match=r"T315I\? Use numbering = 'author'"):
        check_variant(abl1, parse_variant("T334I"), "uniprot")


def test_an_unknown_shift_is_found_from_several_sites(abl1: Receptor) -> None:
    shifted = parse_variant("T322I/F324V/M325T")
    with pytest.raises(MutationError, match=r"T315I/F317V/M318T \(-7\)"):
        check_variant(abl1, shifted, "uniprot")


def test_absent_residues_say_why(abl1: Receptor) -> None:
    with pytest.raises(MutationError, match=r"no residue 900 in uniprot numbering \(present: \d+ to \d+\)"):
        check_variant(abl1, parse_variant("T900I"), "uniprot")
    with pytest.raises(MutationError, match="no chain 'B'"):
        check_variant(abl1, parse_variant("B:T315I"), "uniprot")
    fields = {name: getattr(abl1, name) for name in Receptor.__dataclass_fields__}
    numbers = np.where(abl1.uniprot_numbers == 315, 0, abl1.uniprot_numbers)
    with pytest.raises(MutationError, match="missing loop between 314 and 316"):
        check_variant(Receptor(**{**fields, "uniprot_numbers": numbers}), parse_variant("T315I"), "uniprot")


def test_a_structure_of_the_mutant_passes_and_goes_back(abl1: Receptor) -> None:
    mutant = build_variant(abl1, parse_variant("T315I"), n_models=1)[0].receptor
    check_variant(mutant, parse_variant("T315I"))
    back = build_variant(mutant, parse_variant("T315I").reversed_to_wild_type, n_models=1)[0].receptor
    assert str(back.residue_names[back.residue_index(315)]) == "THR"


# --------------------------------------------------------------------------- building


@pytest.mark.parametrize("letter", AMINO_ACIDS)
def test_every_amino_acid_is_built_whole_and_leaves_the_rest_alone(abl1: Receptor, letter: str) -> None:
    model = build_variant(abl1, parse_variant(f"V299{letter}"), n_models=1)[0]
    built = model.receptor
    site = built.residue_index(299)
    template = templates()[three_letter(letter)]
    names = set(built.atom_names[built.atom_indices(site)].tolist())
    assert set(template.atoms.tolist()) - names <= template.optional
    before, after = atoms_of(abl1, 299), atoms_of(built, 299)
    for name in ("N", "CA", "C", "O"):
        np.testing.assert_allclose(after[name], before[name], atol=0.4)
    heavy = set(template.heavy.tolist())
    for a, b in template.bonds:
        if {a, b} <= heavy:
            ideal = np.linalg.norm(template.coordinates[template.index(a)] - template.coordinates[template.index(b)])
            limit = 0.25 if template.name == "PRO" and {a, b} == {"N", "CD"} else 0.10
            assert abs(np.linalg.norm(after[a] - after[b]) - ideal) < limit, (a, b)
    moved = {change.uniprot_number for change in built.changes}
    still = [~np.isin(r.uniprot_numbers[r.atom_residue], sorted(moved)) for r in (abl1, built)]
    np.testing.assert_array_equal(built.atom_names[still[1]], abl1.atom_names[still[0]])
    np.testing.assert_array_equal(built.coordinates[still[1]], abl1.coordinates[still[0]])


@pytest.mark.parametrize("text", ["G250E/H396P/F359C/P296S/K271R", "E255H/T315W"])
def test_built_variants_match_force_field_templates(abl1: Receptor, text: str) -> None:
    field = ForceField("amber14/protein.ff14SB.xml")
    for model in build_variant(abl1, parse_variant(text), n_models=2):
        system = field.createSystem(receptor_topology(model.receptor))
        assert system.getNumParticles() == model.receptor.n_atoms


def test_handedness_of_new_alpha_carbons_and_threonine(abl1: Receptor) -> None:
    built = build_variant(abl1, parse_variant("G250T"), n_models=1)[0].receptor
    atoms = atoms_of(built, 250)
    centre = atoms["CA"]
    volume = np.dot(np.cross(atoms["N"] - centre, atoms["C"] - centre), atoms["CB"] - centre)
    assert volume > 0  # L amino acids: N, C, CB counter-clockwise seen from CB
    other = atoms_of(abl1, 315)
    signs = [
        np.sign(np.dot(np.cross(a["CA"] - a["CB"], a["OG1"] - a["CB"]), a["CG2"] - a["CB"])) for a in (atoms, other)
    ]
    assert signs[0] == signs[1]


def test_self_mutation_gives_the_input_back(abl1: Receptor) -> None:
    for text in ("T315T", "F317F", "L370L", "E355E/K419K", "H375H"):
        best = build_variant(abl1, parse_variant(text))[0].receptor
        np.testing.assert_allclose(best.coordinates, abl1.coordinates, atol=1e-9)


def test_there_and_back_gives_the_same_atoms(abl1: Receptor) -> None:
    there = build_variant(abl1, parse_variant("F317A"), n_models=1)[0].receptor
    back = build_variant(there, parse_variant("A317F"), n_models=1)[0].receptor
    np.testing.assert_array_equal(back.atom_names, abl1.atom_names)
    assert abs(angle_difference(chi1(back, 317, "CG"), chi1(abl1, 317, "CG"))) < 40


def test_models_are_distinct_ordered_and_repeatable(abl1: Receptor) -> None:
    models = build_variant(abl1, parse_variant("T315M"), n_models=3)
    again = build_variant(abl1, parse_variant("T315M"), n_models=3)
    scores = [model.score for model in models]
    assert scores == sorted(scores)
    assert len({model.rotamers for model in models}) == len(models) > 1
    assert all(0 < model.probability <= 1 for model in models)
    for one, two in zip(models, again, strict=True):
        np.testing.assert_array_equal(one.receptor.coordinates, two.receptor.coordinates)


def test_turning_everything_changes_nothing(abl1: Receptor) -> None:
    angle = np.radians(40.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    fields = {name: getattr(abl1, name) for name in Receptor.__dataclass_fields__}
    moved = Receptor(**{**fields, "coordinates": abl1.coordinates @ turn.T + [30.0, -20.0, 10.0]})
    one = build_variant(abl1, parse_variant("T315I"), n_models=1)[0]
    two = build_variant(moved, parse_variant("T315I"), n_models=1)[0]
    assert two.score == pytest.approx(one.score, abs=1e-3)
    assert two.rotamers == one.rotamers


def test_a_ligand_in_the_way_is_avoided(abl1: Receptor) -> None:
    free = build_variant(abl1, parse_variant("T315V"), n_models=3)
    blocked_atom = atoms_of(free[0].receptor, 315)["CG1"][None]
    models = build_variant(
        abl1, parse_variant("T315V"), n_models=3, ligand_coordinates=blocked_atom, ligand_elements=["C"]
    )
    gap = np.linalg.norm(atoms_of(models[0].receptor, 315)["CG1"] - blocked_atom[0])
    assert models[0].score > free[0].score
    assert gap > 1.0


def test_a_wild_type_variant_is_the_receptor_itself(abl1: Receptor) -> None:
    assert build_variant(abl1, Variant())[0].receptor is abl1


def test_bad_requests_are_refused(abl1: Receptor) -> None:
    with pytest.raises(MutationError, match="at least one model"):
        build_variant(abl1, parse_variant("T315I"), n_models=0)
    with pytest.raises(MutationError, match="2 ligand positions for 1 elements"):
        build_variant(abl1, parse_variant("T315I"), ligand_coordinates=np.zeros((2, 3)), ligand_elements=["C"])


def test_side_chains_keep_their_hydrogens_apart_from_their_own_bonds(abl1: Receptor) -> None:
    built = build_variant(abl1, parse_variant("A269K"), n_models=1)[0].receptor
    site = built.residue_index(269)
    rows = built.atom_indices(site)
    own = built.coordinates[rows[~np.isin(built.atom_names[rows], sorted(BACKBONE))]]
    rest = built.coordinates[~np.isin(np.arange(built.n_atoms), built.atom_indices(site)) & (built.elements != "H")]
    assert np.linalg.norm(own[:, None] - rest[None], axis=-1).min() > 1.0


# --------------------------------------------------------------------------- the library


@pytest.mark.parametrize("letter", AMINO_ACIDS)
def test_rotamer_probabilities_sum_to_one_and_chis_fit_the_template(letter: str) -> None:
    name = three_letter(letter)
    library = rotamers(name)
    assert library.probabilities.sum() == pytest.approx(1.0)
    assert library.chis.shape == (len(library.names), len(templates()[name].chis))
    assert (library.widths > 0).all()
