from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders import peptide
from scipy.spatial.transform import Rotation

from dockkit.analysis.dynamics import compare_dynamics
from dockkit.analysis.geometry import hydrogens_of, is_hydrogen_bond, rmsd, rmsf
from dockkit.analysis.statistics import block_means, estimate, mutant_minus_wild_type
from dockkit.core.model import Kinase, Ligand, Trajectory


def test_rmsd_of_a_shift_is_its_length():
    reference = np.random.default_rng(1).normal(size=(5, 3))
    frames = np.stack([reference, reference + [3.0, 4.0, 0.0]])
    assert rmsd(frames, reference) == pytest.approx([0.0, 5.0])


def test_rmsf_of_a_square_wave():
    """An atom that sits at +1 and -1 A along x in turn fluctuates by 1 A."""
    frames = np.zeros((10, 2, 3))
    frames[:, 1, 0] = [1, -1] * 5
    assert rmsf(frames) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("angle", "distance", "formed"), [(180, 2.9, True), (130, 2.9, True), (110, 2.9, False), (180, 3.7, False)]
)
def test_hydrogen_bond_by_distance_and_angle(angle, distance, formed):
    donor = np.zeros(3)
    hydrogen = np.array([1.0, 0.0, 0.0])
    turn = Rotation.from_euler("z", 180 - angle, degrees=True).as_matrix()
    direction = turn @ np.array([1.0, 0.0, 0.0])
    # walk from the hydrogen along the bent direction until the donor-acceptor distance is right
    reach = np.linspace(0.5, 5, 20000)
    points = hydrogen + reach[:, None] * direction
    acceptor = points[np.argmin(np.abs(np.linalg.norm(points, axis=1) - distance))]
    assert bool(is_hydrogen_bond(donor, hydrogen, acceptor)) is formed


def test_hydrogens_belong_to_their_heavy_atom():
    receptor = peptide()
    found = hydrogens_of(receptor.elements, receptor.coordinates)
    nz = int(np.flatnonzero(receptor.atom_names == "NZ")[0])
    assert sorted(receptor.atom_names[found[nz]]) == ["HZ1", "HZ2", "HZ3"]


def test_blocks_and_errors_by_hand():
    values = np.array([[1.0, 1.0, 3.0, 3.0], [5.0, 5.0, 7.0, 7.0]])
    assert block_means(values, 2) == pytest.approx([1, 3, 5, 7])
    mean = estimate(np.array([1.0, 3.0, 5.0, 7.0]))
    assert (mean.value, mean.n) == (4.0, 4)
    assert mean.sem == pytest.approx(np.sqrt(20 / 3) / 2)
    assert np.isnan(estimate(np.array([2.0])).sem)
    assert mutant_minus_wild_type(values, values + 2.0).value == pytest.approx(2.0)


KINASE = Kinase("X", "X", "X", "M" * 400, (311, 317), 312, 0, 0, 315, 0, 0)


def trajectory(state: str, offset: np.ndarray, terms: float) -> tuple[Trajectory, Ligand]:
    receptor = peptide()
    amide = int(np.flatnonzero((receptor.atom_names == "H") & (receptor.atom_residue == 4))[0])
    nitrogen = int(np.flatnonzero((receptor.atom_names == "N") & (receptor.atom_residue == 4))[0])
    direction = receptor.coordinates[amide] - receptor.coordinates[nitrogen]
    oxygen = receptor.coordinates[nitrogen] + 2.9 * direction / np.linalg.norm(direction)
    ligand = Ligand("water-like", "O", "", ["O"], [0], oxygen[None])
    frames = np.tile(oxygen + offset, (2, 6, 1, 1))
    protein = np.tile(receptor.coordinates, (2, 6, 1, 1))
    values = np.zeros((2, 6, 4))
    values[..., 0] = terms
    made = Trajectory(
        state, "water-like", receptor, oxygen[None], frames, protein, np.arange(receptor.n_residues),
        np.arange(1, 7) * 0.5, values, np.full((2, 6), 300.0), [1, 2],
    )  # fmt: skip
    return made, ligand


def test_comparison_of_two_states_that_differ_as_we_made_them():
    wild, ligand = trajectory("wild-type", np.zeros(3), -40.0)
    mutant, _ = trajectory("mutant", np.array([9.0, 0.0, 0.0]), -37.5)
    result = compare_dynamics(wild, mutant, ligand, KINASE, "uniprot")
    assert result.ligand_rmsd_wild_type == pytest.approx(0.0, abs=1e-4)
    assert result.ligand_rmsd_mutant == pytest.approx(9.0, abs=1e-4)
    assert result.hinge_hbond_wild_type.value == 1.0
    assert result.hinge_hbond_mutant.value == 0.0
    assert result.ddg.value == pytest.approx(2.5)
    assert list(result.rmsf_labels) == ["A311", "K312", "T313", "I314", "F315", "D316", "G317"]
    assert result.length_ps == 3.0
    without = compare_dynamics(wild, mutant, ligand, None, "uniprot")
    assert np.isnan(without.hinge_hbond_wild_type.value)


def test_numbering_is_the_one_asked_for():
    wild, ligand = trajectory("wild-type", np.zeros(3), -40.0)
    shifted = dataclasses.replace(wild.receptor, author_numbers=wild.receptor.author_numbers - 24)
    moved = dataclasses.replace(wild, receptor=shifted)
    assert compare_dynamics(moved, moved, ligand, KINASE, "author").rmsf_residues[0] == 287
