"""Trajectories made by hand: geometry that is known, invariance, states, components, maps, and what is written."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import peptide
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.transform import Rotation

from dockkit.analysis.activation import activation, step
from dockkit.analysis.chemistry import ligand_features, residue_features
from dockkit.analysis.components import cosine_content, shared_components
from dockkit.analysis.dynamics import compare_dynamics
from dockkit.analysis.frames import Sites, common_residues, lay_both, superpose
from dockkit.analysis.interactions import fingerprint
from dockkit.analysis.pocket import PROBE_ANGSTROM, free_volume, ligand_rmsd, p_loop_opening, symmetries
from dockkit.core.errors import InputError
from dockkit.core.model import Conformation, DynamicsLeg, Kinase, Ligand, Trajectory
from dockkit.kinase import load_kinase
from dockkit.pipeline.dynamics_analysis import analyse_dynamics, compare_legs, kinase_sites

KINASE = Kinase("X", "X", "X", "M" * 400, (311, 317), 312, 0, 0, 315, 0, 0)
R, F = 3, 12


@functools.cache
def molecule(smiles: str) -> Ligand:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=3)
    elements = [atom.GetSymbol() for atom in mol.GetAtoms()]
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    return Ligand("made", smiles, Chem.MolToMolBlock(mol), elements, charges, mol.GetConformer().GetPositions())


def run(state="wild-type", ligand=None, at=(0.0, 0.0, 0.0), noise=0.0, seed=0, energy=-40.0, receptor=None, **changes):
    """Frames of the peptide with a ligand put somewhere, each atom with its own noise."""
    receptor = receptor if receptor is not None else peptide()
    rng = np.random.default_rng(seed)
    start = np.zeros((0, 3)) if ligand is None else ligand.coordinates + np.asarray(at)
    count = len(start)
    terms = np.zeros((R, F, 4 if count else 0))
    if count:
        terms[..., 0] = energy + rng.normal(size=(R, F)) * max(noise, 1e-3)
    values = {
        "state": state, "ligand": ligand.name if ligand else "", "receptor": receptor, "ligand_start": start,
        "ligand_coordinates": start + noise * rng.normal(size=(R, F, count, 3)),
        "receptor_coordinates": receptor.coordinates + noise * rng.normal(size=(R, F, receptor.n_atoms, 3)),
        "mobile_residues": np.arange(receptor.n_residues), "time_ps": np.arange(1, F + 1) * 0.5, "terms": terms,
        "temperature_kelvin": np.full((R, F), 300.0), "seeds": [1, 2, 3], "preset": "implicit",
    }  # fmt: skip
    return Trajectory(**(values | changes))


def turned(trajectory: Trajectory, seed: int) -> Trajectory:
    """The same motion, each frame in a frame of reference of its own."""
    rng = np.random.default_rng(seed)
    turns = Rotation.random(R * F, rng=rng).as_matrix().reshape(R, F, 3, 3)
    shifts = rng.normal(scale=20.0, size=(R, F, 1, 3))
    return dataclasses.replace(
        trajectory,
        ligand_coordinates=trajectory.ligand_coordinates @ turns + shifts,
        receptor_coordinates=trajectory.receptor_coordinates @ turns + shifts,
    )


# ------------------------------------------------------------------------------------------------ frames, pocket


def test_superposition_undoes_turns_and_shifts():
    xyz = peptide().coordinates
    moved = turned(run(), 4).receptor_coordinates
    atoms = np.arange(len(xyz))
    assert superpose(moved, atoms, xyz) == pytest.approx(np.broadcast_to(xyz, moved.shape), abs=2e-4)


def test_nothing_that_is_compared_knows_of_the_frame_of_reference():
    ligand = molecule("CC(=O)[O-]")
    wild, mutant = (run(s, ligand, (4.0, 0.0, 0.0), 0.2, seed, e) for s, seed, e in
                    (("wild-type", 1, -40.0), ("mutant", 2, -35.0)))  # fmt: skip
    plain = compare_dynamics(wild, mutant, ligand, KINASE, "uniprot")
    other = compare_dynamics(turned(wild, 5), turned(mutant, 6), ligand, KINASE, "uniprot")
    assert [o.name for o in plain.observables] == [o.name for o in other.observables]
    for first, second in zip(plain.observables, other.observables, strict=True):
        if first.name not in ("pc1", "pc2", "pc3"):
            assert second.wild_type == pytest.approx(first.wild_type, abs=2e-3), first.name
            assert second.mutant == pytest.approx(first.mutant, abs=2e-3), first.name
    for first, second in zip(plain.maps, other.maps, strict=True):
        assert second.change == pytest.approx(first.change, abs=2e-3, nan_ok=True)


def test_ligand_rmsd_sees_a_shift_but_not_a_swap_of_equal_atoms():
    ligand = molecule("CC(=O)[O-]")
    oxygens = np.flatnonzero(ligand.elements == "O")
    start = ligand.coordinates + [5.0, 0.0, 0.0]
    swapped = start.copy()
    swapped[oxygens] = start[oxygens[::-1]]
    frames = np.broadcast_to(swapped, (R, F, *start.shape)).copy()
    frames[1] = start + [0.0, 3.0, 4.0]
    made = run(ligand=ligand, at=(5.0, 0.0, 0.0), ligand_coordinates=frames)
    laid, _ = lay_both(made, made, ligand, Sites(), "uniprot")
    found = ligand_rmsd(laid)
    assert found[0] == pytest.approx(0.0, abs=1e-3)
    assert found[1] == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize(
    ("smiles", "count"), [("CC(=O)[O-]", 2), ("c1ccccc1", 12), ("CC(C)(C)O", 6), ("OP(=O)([O-])[O-]", 24), ("CCO", 1)]
)
def test_symmetries_are_counted(smiles, count):
    """Carboxylate 2, benzene 12, t-butyl 3!, phosphate 4! (hydrogens on O are not looked at), ethanol none."""
    assert len(symmetries(molecule(smiles))) == count


def test_free_volume_of_an_empty_grid_and_of_one_with_an_atom():
    axes = [np.arange(-8.0, 8.01, 1.0)] * 3
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    assert free_volume(points, np.full((1, 3), 100.0), np.array([1.7])) == len(points)
    taken = len(points) - free_volume(points, np.array([[0.1, 0.2, 0.3]]), np.array([3.6]))
    assert taken == pytest.approx(4 / 3 * np.pi * (3.6 + PROBE_ANGSTROM) ** 3, rel=0.05)
    exact = (np.linalg.norm(points - [0.1, 0.2, 0.3], axis=1) < 3.6 + PROBE_ANGSTROM).sum()
    assert taken == exact


def test_p_loop_opening_is_the_distance_it_says():
    pocket = [0] * 85
    pocket[3:8], pocket[76] = range(311, 316), 317
    made = run()
    laid, _ = lay_both(made, made, None, Sites(pocket=tuple(pocket)), "uniprot")
    alpha = peptide().coordinates[peptide().atom_names == "CA"]
    expected = np.linalg.norm(alpha[:5].mean(axis=0) - alpha[6])
    assert p_loop_opening(laid, Sites(pocket=tuple(pocket))) == pytest.approx(expected, abs=1e-3)
    assert p_loop_opening(laid, Sites()) is None


# ------------------------------------------------------------------------------------------------ interactions


def beside(smiles: str, ligand_atom: int, residue: int, name: str, distance: float) -> dict[str, bool]:
    """Interactions with one residue when a ligand atom stands beside one of its atoms, away from the peptide."""
    receptor, ligand = peptide(), molecule(smiles)
    target = receptor.coordinates[(receptor.atom_residue == residue) & (receptor.atom_names == name)][0]
    away = target - receptor.coordinates.mean(axis=0)
    place = target + distance * away / np.linalg.norm(away)
    ligand = dataclasses.replace(ligand, coordinates=ligand.coordinates - ligand.coordinates[ligand_atom] + place)
    made = run(ligand=ligand)
    laid, _ = lay_both(made, made, ligand, Sites(), "uniprot")
    return {kind: bool(frames.all()) for (at, kind), frames in fingerprint(laid).items() if at == residue}


def test_ions_of_opposite_charge_make_a_salt_bridge_within_four_angstrom():
    chloride = "[O-]C(=O)C"
    assert beside(chloride, 0, 1, "NZ", 3.0).get("salt bridge")
    assert not beside(chloride, 0, 1, "NZ", 6.5).get("salt bridge")
    assert not beside("[NH4+]", 0, 1, "NZ", 3.0).get("salt bridge")
    assert beside("[NH4+]", 0, 5, "OD1", 3.0).get("salt bridge")


def test_methane_touches_apolar_carbons_only():
    assert beside("C", 0, 3, "CD1", 4.0).get("hydrophobic")
    assert not beside("C", 0, 3, "CD1", 6.8).get("hydrophobic")


def test_magnesium_holds_a_carboxylate():
    assert beside("[Mg+2]", 0, 5, "OD1", 2.1).get("metal")
    assert not beside("[Mg+2]", 0, 5, "OD1", 4.5).get("metal")


def test_what_atoms_can_do():
    amide = ligand_features(molecule("CC(=O)Nc1ccncc1"))
    elements = molecule("CC(=O)Nc1ccncc1").elements
    assert sorted(elements[amide.acceptors]) == ["N", "O"]
    assert len(amide.donors) == 1
    assert len(amide.rings) == 1
    assert len(ligand_features(molecule("CC[NH3+]")).cations) == 1
    assert len(ligand_features(molecule("CCC(=O)[O-]")).anions) == 2
    assert len(ligand_features(molecule("Clc1ccccc1")).halogens) == 1
    receptor = peptide()
    lysine, phenylalanine = residue_features(receptor, 1), residue_features(receptor, 4)
    assert receptor.atom_names[lysine.cations].tolist() == ["NZ"]
    assert [len(ring) for ring in phenylalanine.rings] == [6]


def test_a_water_between_makes_a_bridge():
    receptor, ligand = peptide(), molecule("[O-]C(=O)C")
    nitrogen = receptor.coordinates[(receptor.atom_residue == 1) & (receptor.atom_names == "NZ")][0]
    hydrogen = receptor.coordinates[(receptor.atom_residue == 1) & (receptor.atom_names == "HZ1")][0]
    along = (hydrogen - nitrogen) / np.linalg.norm(hydrogen - nitrogen)
    oxygen = nitrogen + 2.8 * along
    water = np.stack([oxygen, oxygen + 0.96 * along, oxygen + np.array([0.0, 0.0, 0.96])])
    ligand = dataclasses.replace(ligand, coordinates=ligand.coordinates - ligand.coordinates[0] + oxygen + 2.8 * along)
    waters = np.broadcast_to(water, (R, F, 1, 3, 3))
    made = run(ligand=ligand, water_coordinates=waters)
    laid, _ = lay_both(made, made, ligand, Sites(), "uniprot")
    assert fingerprint(laid)[(1, "water bridge")].all()
    dry, _ = lay_both(run(ligand=ligand), run(ligand=ligand), ligand, Sites(), "uniprot")
    assert (1, "water bridge") not in fingerprint(dry)


# ------------------------------------------------------------------------------------------------ motion, states


def test_shared_components_find_the_mode_that_was_put_in():
    """One C-alpha swings along x with amplitude 2: one component, variance as made; a shift of the mutant shows."""
    base = np.random.default_rng(0).normal(scale=8.0, size=(20, 3))
    wave = 2.0 * np.sin(np.linspace(0, 8 * np.pi, 40, endpoint=False))
    frames = np.broadcast_to(base, (1, 40, 20, 3)).copy()
    frames[0, :, 7, 0] += wave
    shifted = frames.copy()
    shifted[0, :, 7, 0] += 5.0
    found = shared_components(frames, shifted, np.array([f"A{k}" for k in range(20)]))
    assert found.variance[0] > 0.98
    assert found.loadings[0].argmax() == 7
    assert abs(found.mutant[..., 0].mean() - found.wild_type[..., 0].mean()) == pytest.approx(5.0, rel=0.05)
    assert found.wild_type[..., 0].std() == pytest.approx(np.sqrt(2.0), rel=0.05)
    assert shared_components(frames[:, :2], frames[:, :2], np.array(["A"] * 20)) is None


def test_cosine_content_of_a_cosine_is_one_and_of_noise_small():
    half = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    assert cosine_content(half, 0) == pytest.approx(1.0, abs=1e-6)
    assert cosine_content(half, 1) == pytest.approx(0.0, abs=1e-6)
    assert cosine_content(np.random.default_rng(1).normal(size=400), 0) < 0.05
    assert cosine_content(np.ones(5), 0) == 0.0


def test_activation_is_signed_and_leaves_out_what_stands_still():
    assert step(np.array([4.0, 4.5, 3.5]), 4.0) == pytest.approx([0.5, 0.2689, 0.7311], abs=1e-4)
    noise = 0.05 * np.random.default_rng(2).random((2, 30))
    wild = {"αC helix in": 0.2 + noise, "spine": np.full((2, 30), 0.5)}
    mutant = {"αC helix in": 0.8 + noise, "spine": np.full((2, 30), 0.5)}
    first, second = activation(wild, mutant)
    assert first.still == ("spine",)
    assert (second.score - first.score).mean() == pytest.approx(0.6)
    assert activation({"spine": np.ones((1, 3))}, {"spine": np.ones((1, 3))}) is None


def test_states_are_those_that_the_measure_says():
    """The measure is handed in: here the helix is in where the first atom is at positive x."""
    made = run(noise=0.3, seed=3)

    def measure(receptor):
        reach = float(np.linalg.norm(receptor.coordinates[0] - receptor.coordinates[20]))
        return Conformation(alpha_c="in" if reach < 9.0 else "out", measures=(("glutamate_to_dfg_phe_c_alpha", reach),))

    result = compare_dynamics(made, made, None, KINASE, "uniprot", measure=measure, role="apo")
    heavy = np.flatnonzero(made.receptor.elements != "H")
    gap = made.receptor_coordinates[:, :, heavy[0]] - made.receptor_coordinates[:, :, heavy[20]]
    reach = np.linalg.norm(gap, axis=-1)
    assert result.observable("glutamate_to_dfg_phe_c_alpha").wild_type == pytest.approx(reach, abs=1e-3)
    assert result.observable("alpha_c_in").wild_type.mean() == pytest.approx((reach < 9.0).mean())
    assert result.observable("activation") is not None
    assert result.observable("dfg_in") is None


def test_harmonic_fluctuation_is_found_residue_by_residue():
    """Independent noise of 0.3 A in each direction is an RMSF of 0.3 sqrt(3); twice that at one residue is called."""
    rng = np.random.default_rng(5)
    receptor = peptide()
    base = 0.3 * rng.normal(size=(2, R, 120, receptor.n_atoms, 3))
    base[1][:, :, receptor.atom_residue == 3] *= 3.0
    long = {"time_ps": np.arange(1, 121) * 0.5, "temperature_kelvin": np.full((R, 120), 300.0)}
    empty = {"ligand_coordinates": np.zeros((R, 120, 0, 3)), "terms": np.zeros((R, 120, 0)), **long}
    wild, mutant = (
        run(state, receptor_coordinates=receptor.coordinates + part, **empty)
        for state, part in zip(("wild-type", "mutant"), base, strict=True)
    )
    found = compare_dynamics(wild, mutant, None, KINASE, "uniprot", role="apo").residue_map("rmsf")
    assert found.wild_type == pytest.approx(0.3 * np.sqrt(3), rel=0.2)
    assert found.called.tolist() == [False, False, False, True, False, False, False]
    assert found.labels[3] == "I314"


# ------------------------------------------------------------------------------------------------ comparisons


def mutated() -> Trajectory:
    receptor = peptide()
    names = receptor.residue_names.copy()
    names[2] = "ILE"
    return run("mutant", noise=0.2, seed=9, receptor=dataclasses.replace(receptor, residue_names=names))


def test_a_mutated_residue_is_paired_and_labelled():
    wild, mutant = run(noise=0.2), mutated()
    first, second = common_residues(wild.receptor, mutant.receptor)
    assert first.tolist() == second.tolist() == list(range(7))
    result = compare_dynamics(wild, mutant, None, KINASE, "uniprot", role="apo")
    assert "T313I" in result.rmsf_labels
    assert np.isnan(result.ddg.value)
    assert result.ligand_rmsd_wild_type.shape == (0, F)


def test_energies_by_residue_and_over_some_frames_only():
    ligand = molecule("CC(=O)[O-]")
    contributions = np.zeros((R, F, 7, 3))
    contributions[:, :, 3] = [-1.0, -0.5, 0.2]
    wild = run("wild-type", ligand, (4.0, 0.0, 0.0), 0.1, 1, contributions=contributions)
    changed = contributions + 0.01 * np.random.default_rng(0).normal(size=contributions.shape)
    changed[:, :, 3] += 0.5
    terms = np.full((R, F, 4), np.nan)
    terms[:, ::3] = [-35.0, 0.0, 0.0, 0.0]
    mutant = run("mutant", ligand, (4.0, 0.0, 0.0), 0.1, 2, contributions=changed, terms=terms)
    result = compare_dynamics(wild, mutant, ligand, KINASE, "uniprot")
    found = result.residue_map("energy")
    at = found.labels.tolist().index("I314")
    assert found.wild_type[at] == pytest.approx(-1.3)
    assert found.change[at] == pytest.approx(1.5, abs=0.02)
    assert found.called[at]
    assert result.ddg.value == pytest.approx(5.0, abs=0.1)
    assert result.observable("binding_energy").difference.called
    assert any("binds worse to the mutant" in text for text in result.words)
    assert result.convergence.length_ps[-1] == pytest.approx(6.0)


def test_runs_of_unequal_length_are_cut_to_the_shorter():
    long, short = run(noise=0.1), run("mutant", noise=0.1, seed=2)
    cut = {name: getattr(short, name)[:, :7] for name in
           ("ligand_coordinates", "receptor_coordinates", "terms", "temperature_kelvin")}  # fmt: skip
    result = compare_dynamics(
        long, dataclasses.replace(short, time_ps=short.time_ps[:7], **cut), None, None, "uniprot", role="apo"
    )
    assert result.length_ps == 3.5
    assert any("3.5 ps of each are compared" in note for note in result.notes)


def test_parts_of_a_kinase_that_dynamics_look_at():
    abl, pka = kinase_sites(load_kinase("ABL1")), kinase_sites(load_kinase("PRKACA"))
    assert (abl.gatekeeper, abl.hinge) == (315, (316, 317, 318))
    assert abl.tyrosine_kinase
    assert not pka.tyrosine_kinase
    assert abl.klifs(318) == "hinge 48"
    assert abl.klifs(315) == "GK 45"
    assert abl.klifs(500) == ""
    assert abl.position(17) == 271


def legs() -> list[DynamicsLeg]:
    ligand = molecule("CC(=O)[O-]")
    states = (("wild-type", -40.0), ("mutant", -36.0))
    wild, mutant = (run(s, ligand, (4.0, 0, 0), 0.3, k, e) for k, (s, e) in enumerate(states))
    atp = [
        run(s, ligand, (4.0, 0, 0), 0.3, 5 + k, e) for k, (s, e) in enumerate((("wild-type", -50.0), ("mutant", -51.0)))
    ]
    return [
        DynamicsLeg("inhibitor", wild, mutant, ligand),
        DynamicsLeg("ATP", atp[0], atp[1], dataclasses.replace(ligand, name="ATP.Mg")),
        DynamicsLeg("apo", run(noise=0.3, seed=8), mutated(), None),
    ]


def test_effective_ddg_is_the_inhibitors_less_atps():
    study = compare_legs(legs()[:2], "T313I", None)
    ((name, inhibitor),), ((same, effective),) = study.inhibitors, study.effective
    assert name == same == "made"
    assert inhibitor.value == pytest.approx(4.0, abs=0.4)
    assert study.ddg_atp.value == pytest.approx(-1.0, abs=0.4)
    assert effective.value == inhibitor.value - study.ddg_atp.value
    assert effective.sem == pytest.approx(np.hypot(inhibitor.sem, study.ddg_atp.sem))
    with pytest.raises(InputError, match="T313I: no trajectories"):
        compare_legs([], "T313I", None)


def test_several_inhibitors_are_told_by_their_names():
    first, atp, _ = legs()
    stronger = dataclasses.replace(first.mutant, terms=first.mutant.terms - [3.0, 0.0, 0.0, 0.0])
    named = [
        dataclasses.replace(first, mutant=mutant, ligand=dataclasses.replace(first.ligand, name=name))
        for name, mutant in (("one", first.mutant), ("two", stronger))
    ]
    study = compare_legs([*named, atp], "T313I", None)
    heads = [text.rsplit(" ", 4)[0] for text in study.words]
    assert heads == [
        "ddG of one", "ddG of two", "ddG of ATP", "effective ddG (one less ATP)", "effective ddG (two less ATP)"
    ]  # fmt: skip
    by_name = dict(study.effective)
    assert by_name["one"].value - by_name["two"].value == pytest.approx(3.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dynamics")
    analyse_dynamics(legs(), "T313I", None, out, title="A <b>title</b>", facts=[("seed", "7")])
    return out


def test_page_is_self_contained_and_escapes_what_it_is_given(written):
    html = (written / "dynamics.html").read_text(encoding="utf-8")
    assert "<b>title" not in html
    assert not re.search(r"(src|href)=\"https?:", html)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket)\b", html)
    for link in re.findall(r'href="([^"#][^"]*)"', html):
        assert (written / link).is_file(), link
    data = json.loads(re.search(r'id="player-data">(.*?)</script>', html, re.DOTALL).group(1))
    assert [leg["name"] for leg in data["legs"]] == ["made", "ATP.Mg", "apo"]
    assert data["legs"][2]["mutant"]["labels"][0][1] == "I313"
    assert "binds worse to the mutant" in html


def test_tables_hold_every_comparison(written):
    with (written / "comparisons.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    energy = next(row for row in rows if row["quantity"] == "binding_energy" and row["role"] == "inhibitor")
    assert float(energy["change"]) == pytest.approx(4.0, abs=0.4)
    assert energy["called"] == "true"
    assert energy["control_called"] in ("true", "false")
    summary = json.loads((written / "dynamics.json").read_text(encoding="utf-8"))
    assert summary["ddg_inhibitor"]["made"]["kcal_mol"] == pytest.approx(float(energy["change"]))
    assert [leg["leg"] for leg in summary["legs"]] == ["made", "ATP.Mg", "apo"]
    with (written / "series_made.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 2 * R * F


def test_maps_of_residues_leave_equilibration_out():
    """A ligand that stands off for a quarter of the frames: neither its energy nor its contacts enter the maps."""
    frames, ligand = 60, molecule("C")
    rng = np.random.default_rng(3)
    near = peptide().coordinates[5] + [0.0, 0.0, 3.0]
    settling = np.where(np.arange(frames) < 15, 1.0, 0.0)[None, :, None]

    def long(state: str) -> Trajectory:
        made = run(state, ligand)
        shape = (R, frames)
        places = (ligand.coordinates + near)[None, None] + 0.05 * rng.normal(size=(*shape, len(ligand.elements), 3))
        terms = np.zeros((*shape, 4))
        terms[..., 0] = -40.0 + 20.0 * settling[..., 0] + rng.normal(size=shape)
        contributions = np.zeros((*shape, made.receptor.n_residues, 3))
        contributions[:, :, 2, 0] = -2.0 + 2.0 * settling[..., 0] + 0.01 * rng.normal(size=shape)
        receptor = made.receptor.coordinates + 0.05 * rng.normal(size=(*shape, made.receptor.n_atoms, 3))
        return dataclasses.replace(
            made,
            ligand_start=ligand.coordinates + near,
            ligand_coordinates=places + 6.0 * settling[..., None],
            receptor_coordinates=receptor,
            terms=terms,
            contributions=contributions,
            time_ps=0.5 * np.arange(1, frames + 1),
            temperature_kelvin=np.full(shape, 300.0),
        )

    result = compare_dynamics(long("wild-type"), long("mutant"), ligand, None, "uniprot")
    maps = {item.name: item for item in result.maps}
    assert maps["energy"].wild_type.min() == pytest.approx(-2.0, abs=0.1)  # -1.5 over all frames
    assert maps["interactions"].wild_type.max() > 0.95  # 0.75 over all frames
    cut = next(note for note in result.notes if note.startswith("maps of residues"))
    assert 7.0 <= float(cut.split()[5]) <= 9.0
