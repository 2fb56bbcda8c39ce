"""Grafting a conformation: who stands for whom, what is taken, and that the outcome is the state that was asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dockkit.core.errors import InputError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.residues import templates
from dockkit.core.settings import PreparationSettings
from dockkit.kinase import identify_kinase, load_kinase, measure_conformation, motifs
from dockkit.pipeline import states as pipeline_states
from dockkit.pipeline.states import model_state, rank_templates
from dockkit.structure import find_entry, read_structure
from dockkit.structure.homology import align, by_uniprot, lay, lower_lobe, polymer, shared_atoms
from dockkit.structure.states import crystal_receptor, faults, graft_state


def bundled(name):
    raw = read_structure(library_dir("structures") / find_entry(name).file)
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments)
    receptor = crystal_receptor(raw, name=name, kinase=kinase, numbers=numbers)
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase)), kinase


@pytest.fixture(scope="module")
def abl1():
    return bundled("abl1-1iep")


@pytest.fixture(scope="module")
def lck():
    return bundled("lck-dockstring")


def grafted(target, template, state, **options):
    loops = {
        "activation_loop": motifs(target[1])["activation_loop"],
        "template_loop": motifs(template[1])["activation_loop"],
    }
    return graft_state(*target, *template, state=state, **loops, **options)


# ------------------------------------------------------------------------------------------------------- alignment


def test_a_kinase_aligns_with_itself_residue_by_residue():
    kinase = load_kinase("KDR")
    pairs = align(kinase, kinase)
    assert all(a == b for a, b in pairs.items())
    assert set(range(kinase.domain[0], kinase.domain[1] + 1)) <= set(pairs)


def test_landmarks_stand_for_landmarks_whatever_lies_between():
    target, template = load_kinase("ABL1"), load_kinase("CDK2")
    loops = motifs(target)["activation_loop"], motifs(template)["activation_loop"]
    pairs = align(target, template, loops)
    for name in ("gatekeeper", "catalytic_lysine", "alpha_c_glutamate", "hrd_aspartate", "dfg_aspartate"):
        assert pairs[getattr(target, name)] == getattr(template, name)
    assert pairs[loops[0][-1]] == loops[1][-1], "the Glu of APE"
    others = [pairs[n] for n in sorted(pairs)]
    assert others == sorted(set(others)), "in order, each once"


@pytest.mark.parametrize("template", ["CSF1R", "MAPK14", "JAK2", "ROCK1"])
def test_a_loop_of_another_length_differs_in_one_place(template):
    target, other = load_kinase("ABL1"), load_kinase(template)
    loops = motifs(target)["activation_loop"], motifs(other)["activation_loop"]
    pairs = align(target, other, loops)
    inside = [n for n in loops[0] if n in pairs]
    steps = [(b - a, pairs[b] - pairs[a]) for a, b in zip(inside, inside[1:], strict=False)]
    assert sum(step != (1, 1) for step in steps) <= 1
    assert len(inside) == min(map(len, loops))


def test_a_gap_goes_where_the_template_has_a_hole_anyway():
    target, other = load_kinase("ABL1"), load_kinase("CSF1R")
    loops = motifs(target)["activation_loop"], motifs(other)["activation_loop"]
    whole = frozenset(range(1, 1000))
    for hole in (808, 812, 816):
        pairs = align(target, other, loops, whole - {hole})
        skipped = set(loops[1]) - set(pairs.values())
        if skipped == {hole}:
            return
    pytest.fail("the hole never drew the gap")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("GLY", "LEU", "N CA C O"), ("ALA", "LEU", "N CA C O CB"), ("PHE", "TYR", "N CA C O CB CG CD1 CD2 CE1 CE2 CZ"),
        ("VAL", "ILE", "N CA C O CB"), ("LYS", "ARG", "N CA C O CB CG CD"), ("MET", "LYS", "N CA C O CB CG"),
        ("ASP", "ASN", "N CA C O CB CG OD1"), ("PRO", "LEU", "N CA C O CB"), ("LEU", "GLY", "N CA C O"),
    ],
)  # fmt: skip
def test_atoms_that_two_residues_share(one, other, expected):
    assert shared_atoms(one, other) == set(expected.split())
    assert shared_atoms(one, one) == set(templates()[one].heavy.tolist())


# ------------------------------------------------------------------------------------------------------------- graft


def test_the_graft_follows_the_template_and_the_rest_stays(abl1, lck):
    graft = grafted(abl1, lck, "dfg-in", excluded=frozenset({"P00519"}))
    own = by_uniprot(polymer(abl1[0]))
    numbers = np.array(graft.uniprot_numbers)
    model = crystal_receptor(graft.raw, name="model", kinase=abl1[1], numbers=numbers)
    chain = by_uniprot(polymer(model))
    loop = motifs(abl1[1])["activation_loop"]
    assert set(loop) <= graft.grafted
    assert sorted(chain) == sorted(own), "nothing lost, nothing new"
    assert all(chain[n].name == own[n].name for n in own), "the target's sequence"
    for n in set(own) - graft.grafted - graft.rebuilt:
        assert all(np.allclose(chain[n].xyz[a], own[n].xyz[a], atol=1e-6) for a in own[n].xyz if a != "O")
    state = measure_conformation(model, abl1[1])
    assert abl1[0].conformation.dfg == "out"
    assert state.dfg == "in"
    donor = by_uniprot(polymer(lck[0]))
    shifted = {n: donor[n + 1] for n in own if n + 1 in donor}
    laid, _, _ = lay(shifted, chain, lower_lobe(abl1[1], loop))
    apart = [np.linalg.norm(laid[n].xyz["CA"] - chain[n].xyz["CA"]) for n in loop[:20]]
    assert max(apart) < 1.0
    labels = {c.uniprot_number for c in graft.changes if c.residue_name}
    assert graft.grafted <= labels, "every grafted residue is on record"


def test_joins_are_peptide_bonds(abl1, lck):
    graft = grafted(abl1, lck, "dfg-in")
    model = crystal_receptor(graft.raw, name="model", kinase=abl1[1], numbers=np.array(graft.uniprot_numbers))
    chain = by_uniprot(polymer(model))
    edges = [n for n in chain if n + 1 in chain and (n in graft.grafted) != (n + 1 in graft.grafted)]
    assert edges
    for n in edges:
        assert np.linalg.norm(chain[n + 1].xyz["N"] - chain[n].xyz["C"]) < 1.5


def test_the_graft_does_not_depend_on_where_the_structures_stand(abl1, lck):
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    moved = dataclasses.replace(lck[0], coordinates=lck[0].coordinates @ turn + [30.0, -10.0, 5.0])
    one, other = grafted(abl1, lck, "dfg-in"), grafted(abl1, (moved, lck[1]), "dfg-in")
    assert np.abs(one.raw.coordinates - other.raw.coordinates).max() < 1e-3


def test_a_kinase_grafted_with_itself_is_itself(abl1):
    graft = grafted(abl1, abl1, "dfg-out")
    assert graft.raw.n_residues == abl1[0].n_residues
    assert np.abs(graft.raw.coordinates - abl1[0].coordinates).max() < 1e-6


def test_faults_sees_a_mirrored_residue_and_an_overlap(abl1):
    assert faults(abl1[0]) == []
    receptor = abl1[0]
    xyz = np.array(receptor.coordinates)
    atoms = receptor.atom_indices(receptor.residue_index(300))
    names = receptor.atom_names[atoms]
    n, ca, c, cb = (xyz[atoms[names == name][0]] for name in ("N", "CA", "C", "CB"))
    normal = np.cross(n - ca, c - ca)
    normal /= np.linalg.norm(normal)
    xyz[atoms[names == "CB"][0]] = cb - 2.0 * normal * (normal @ (cb - ca))
    assert any("not an L" in text for text in faults(dataclasses.replace(receptor, coordinates=xyz)))
    xyz = np.array(receptor.coordinates)
    far = receptor.atom_indices(receptor.residue_index(400))[0]
    xyz[far] = xyz[receptor.atom_indices(receptor.residue_index(300))[0]] + [0.5, 0.5, 0.5]
    assert any("overlap" in text for text in faults(dataclasses.replace(receptor, coordinates=xyz)))


# ---------------------------------------------------------------------------------------------------------- pipeline


def test_templates_are_in_the_state_and_like_the_target():
    kinase = load_kinase("ABL1")
    ranked = rank_templates(kinase, "dfg-in", excluded=frozenset({"P00519"}))
    assert all(entry.dfg == "in" and entry.kinase != "ABL1" and not entry.modelled for entry, _ in ranked)
    assert ranked[0][0].kinase == "LCK"
    assert "56 %" in ranked[0][1]
    assert rank_templates(kinase, "dfg-out")[0][0].kinase == "ABL1"


def test_a_template_in_another_state_is_refused(abl1):
    with pytest.raises(StructureError, match="cannot serve as template for dfg-in"):
        model_state(*abl1, "dfg-in", template="abl1-1iep")
    with pytest.raises(InputError, match="choose one of: dfg-in"):
        model_state(*abl1, "sideways")


def test_a_model_comes_out_in_the_state_and_says_so(abl1, monkeypatch):
    monkeypatch.setattr(pipeline_states, "STAGES", ((20.0, 30),))
    plain = PreparationSettings(protonation="model", flips=False)
    model = model_state(*abl1, "dfg-in", excluded=frozenset({"P00519"}), settings=plain)
    assert model.modelled
    assert model.name == "abl1-1iep-dfg-in"
    assert model.conformation.dfg == "in"
    assert measure_conformation(model, abl1[1]).dfg == "in"
    assert model.changes[0].kind == "model"
    assert "lck-dockstring" in model.changes[0].what
    assert "expected" in model.changes[0].why.lower()
    assert any("activation loop, residues 380-" in note for note in model.notes)
    taken = {c.uniprot_number for c in model.changes if "lck-dockstring" in c.what and c.residue_name}
    assert set(range(381, 405)) <= taken
    assert (model.elements == "H").sum() > 0.9 * (model.elements != "H").sum(), "hydrogens are there"
