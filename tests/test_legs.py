"""Parameters spliced into a mutant, and a leg of a ddG: exactness, invariance, and what strain is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dockkit.core.model import Pose
from dockkit.core.settings import EnergySettings, RelaxSettings
from dockkit.energy import BindingEnergy
from dockkit.forcefield.protein import receptor_parameters
from dockkit.forcefield.splice import changed_parameters
from dockkit.forcefield.system import assemble
from dockkit.mutation import build_variant, parse_variant, site_indices
from dockkit.pipeline import steps
from dockkit.pipeline.legs import Core, choose_zones, energy_atoms

RELAX = RelaxSettings(n_starts=1)


@pytest.fixture(scope="module")
def receptor():
    params = {
        "entry": "abl1-1iep", "chain": "", "preparation": {"waters": "none", "flips": False, "protonation": "model"},
        "numbering": "uniprot", "kinase": "", "seed": 0,
    }  # fmt: skip
    return steps.run_receptor(params, {}, Path())


@pytest.fixture(scope="module")
def bound():
    """The small complex of the library: CDK2 with its crystal ligand, relaxed as a study does."""
    params = {
        "entry": "cdk2-1h1q", "chain": "", "preparation": {"waters": "none", "flips": False, "protonation": "model"},
        "numbering": "uniprot", "kinase": "", "seed": 0,
    }  # fmt: skip
    protein = steps.run_receptor(params, {}, Path())
    file = steps.library_dir("structures") / "cdk2-1h1q-ligand.sdf"
    ligand = steps.run_ligand({"ligand": str(file), "label": "", "keep_state": False, "seed": 0}, {}, Path())
    parameters = steps.run_parameters({}, {"ligand": ligand}, Path())
    inputs = {"receptor": protein, "ligand": ligand, "parameters": parameters}
    inputs["pose"] = steps.pose_from_input(protein, ligand)
    inputs["start"] = steps.run_start({"relax": RELAX.model_dump()}, inputs, Path())
    return inputs


def canonical(parameters, kind):
    atoms, values = getattr(parameters, f"{kind}_atoms").tolist(), getattr(parameters, f"{kind}_parameters")
    rows = [(min(tuple(a), tuple(a[::-1])), *np.round(v, 9)) for a, v in zip(atoms, values, strict=True)]
    return sorted(rows)


@pytest.mark.parametrize("mutation", ["T315I", "F317P", "G250E/Q252H", "D381G", "H396R"])
def test_spliced_parameters_are_those_of_the_whole(receptor, mutation):
    mutant = build_variant(receptor, parse_variant(mutation), n_models=1)[0].receptor
    whole = receptor_parameters(mutant)
    spliced = changed_parameters(receptor_parameters(receptor), receptor, mutant)
    for name in ("masses", "charges", "sigma", "epsilon"):
        np.testing.assert_allclose(getattr(spliced, name), getattr(whole, name), rtol=0, atol=1e-12)
    for kind in ("bond", "angle", "torsion", "exception"):
        assert canonical(spliced, kind) == canonical(whole, kind)


def test_nothing_changed_gives_the_very_parameters(receptor):
    known = receptor_parameters(receptor)
    assert changed_parameters(known, receptor, receptor) is known


def state(inputs, variant, which, **relax):
    settings = RelaxSettings(**{**RELAX.model_dump(), **relax}).model_dump()
    params = {
        "variant": variant, "state": which, "numbering": "uniprot", "relax": settings,
        "energy": EnergySettings().model_dump(), "seed": 7,
    }  # fmt: skip
    return steps.run_state(params, inputs, Path())


def test_a_gatekeeper_cut_away_costs_contacts_and_a_distant_residue_nothing(bound):
    near = [state(bound, "F80A", which).mean_terms[0] for which in ("wild-type", "mutant")]
    wild, far = state(bound, "A282V", "wild-type"), state(bound, "A282V", "mutant")
    xyz, owner = bound["receptor"].coordinates, bound["receptor"].atom_residue
    site = site_indices(bound["receptor"], parse_variant("A282V"), "uniprot")[0]
    gap = np.linalg.norm(xyz[owner == site][:, None] - bound["pose"].coordinates[None], axis=-1).min()
    assert gap > 20.0
    assert abs(far.mean_terms.sum() - wild.mean_terms.sum()) < 0.1
    assert abs(far.mean_terms[4] - wild.mean_terms[4]) < 0.05
    assert near[1] > near[0] + 0.5


def test_the_wild_type_leg_is_the_same_for_every_mutation_of_a_residue(bound):
    first, second = state(bound, "F80A", "wild-type"), state(bound, "F80L", "wild-type")
    np.testing.assert_array_equal(first.terms, second.terms)


def test_conformers_weigh_by_their_energies_and_starts_share(bound):
    one = state(bound, "F80L", "mutant", n_starts=3)
    assert len(set(one.start_labels)) == len(one.terms) == len(one.weights)
    assert one.weights.sum() == pytest.approx(1.0)
    first = one.conformers == one.conformers[0]
    assert first.sum() == 3
    assert len(set(one.weights[first].round(12))) == 1
    cold = state(bound, "F80L", "mutant", rotamer_scale_kcal_mol=0.01)
    assert cold.weights[0] == pytest.approx(1.0, abs=1e-6)
    single = state(bound, "F80L", "mutant", n_rotamers=1)
    assert len(single.terms) == 1


def test_decomposition_adds_up_with_strain(bound):
    one = state(bound, "F80L", "mutant")
    assert one.per_residue.sum() + one.desolvation == pytest.approx(one.mean_terms.sum(), abs=1e-6)


def test_strain_is_what_receptor_and_ligand_gain_apart(bound):
    """A ligand pushed by 0.2 A off its minimum strains itself and the pocket; far outside, it strains nothing."""
    receptor, pose = bound["start"]
    assembly = assemble(receptor, bound["ligand"], bound["parameters"])
    sites = site_indices(receptor, parse_variant("F80F"), "uniprot")
    zones = choose_zones(receptor, pose, sites, RELAX)
    xyz = np.concatenate([receptor.coordinates, pose.coordinates])
    core = Core(assembly, zones, xyz, pose.coordinates, RELAX)
    bound_leg = core.part(*core.bind(xyz))
    away = np.concatenate([receptor.coordinates, pose.coordinates + [0.0, 0.0, 200.0]])
    free_pose = Pose(pose.ligand, pose.receptor, away[receptor.n_atoms :], "bound", 0.0)
    apart = Core(assembly, zones, away, free_pose.coordinates, RELAX)
    free_leg = apart.part(*apart.bind(away))
    relaxing_alone = bound_leg.strain - free_leg.strain
    assert bound_leg.energy < free_leg.energy - 20.0
    assert relaxing_alone > 0.5


def test_truncated_energies_are_near_the_full_ones(bound):
    """Differences between states, with every residue and with those within 12 A of the ligand, both complete sums."""
    differences = []
    for reach in (12.0, 1000.0):
        totals = []
        for which in ("wild-type", "mutant"):
            params = {
                "variant": "F80L", "state": which, "numbering": "uniprot", "relax": RELAX.model_dump(),
                "energy": EnergySettings(subset_angstrom=reach).model_dump(), "seed": 7,
            }  # fmt: skip
            totals.append(steps.run_state(params, bound, Path()).mean_terms.sum())
        differences.append(totals[1] - totals[0])
    assert differences[0] == pytest.approx(differences[1], abs=0.3)


def test_moved_and_turned_as_a_whole_nothing_changes(bound):
    rotation = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    receptor, pose = bound["start"]
    turned = dataclasses.replace(receptor, coordinates=receptor.coordinates @ rotation.T + [5.0, -3.0, 9.0])
    placed = dataclasses.replace(pose, coordinates=pose.coordinates @ rotation.T + [5.0, -3.0, 9.0])
    moved = {**bound, "start": (turned, placed)}
    here = state(bound, "F80L", "mutant").mean_terms.sum() - state(bound, "F80L", "wild-type").mean_terms.sum()
    there = state(moved, "F80L", "mutant").mean_terms.sum() - state(moved, "F80L", "wild-type").mean_terms.sum()
    assert here == pytest.approx(there, abs=0.15)


def test_energy_atoms_hold_the_sites_whatever_the_distance(bound):
    receptor, pose = bound["start"]
    sites = site_indices(receptor, parse_variant("A282V"), "uniprot")
    near = energy_atoms(receptor, pose, sites, 12.0)
    assert sites[0] in near
    assert len(near) < receptor.n_residues
    assert len(energy_atoms(receptor, pose, sites, float("inf"))) == receptor.n_residues


def test_energies_of_a_subset_leave_the_rest_out(bound):
    receptor, pose = bound["start"]
    assembly = assemble(receptor, bound["ligand"], bound["parameters"])
    xyz = np.concatenate([receptor.coordinates, pose.coordinates])
    kept = np.flatnonzero(np.isin(receptor.atom_residue, energy_atoms(receptor, pose, (), 6.0)))
    whole = BindingEnergy(assembly, EnergySettings()).terms(xyz)
    part = BindingEnergy(assembly, EnergySettings(), kept).terms(xyz)
    assert part[0] == pytest.approx(whole[0], abs=5.0)
    assert part[0] > whole[0]
