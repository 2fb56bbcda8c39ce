from __future__ import annotations

import numpy as np
import openmm
import pytest
from builders import ion, peptide


from dockkit.core.errors import SamplingError
from dockkit.core.model import Region
from dockkit.core.settings import MdSettings
from dockkit.forcefield.system import assemble, make_region, region_system
from dockkit.sampling import choose_platform, minimise, replica_seeds, run_dynamics

SHORT = MdSettings(
    replicas=2, equilibration_ps=0.1, production_ps=0.4, frame_ps=0.1, segment_ps=0.2, step_fs=2.0, platform="CPU"
)


@pytest.fixture(scope="module")
def pocket():
    receptor = peptide()
    center = receptor.coordinates.mean(axis=0)
    ligand, parameters = ion(1.0, tuple(center + [7.0, 0.0, 0.0]))
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, ligand.coordinates])
    residues = np.arange(receptor.n_residues)
    region = make_region(assembly, residues[3:5], residues)
    options = {"dielectric": 4.0, "cutoff": 12.0, "backbone_restraint": 1.0}
    return assembly, xyz, region, options


def test_minimisation_moves_only_what_may_move(pocket):
    assembly, xyz, region, options = pocket
    system = region_system(assembly, region, xyz, **options)
    moved, energy = minimise(system, region, xyz, 200)
    shift = np.linalg.norm(moved - xyz, axis=1)
    frozen = np.setdiff1d(np.arange(assembly.n_atoms), region.atoms[region.mobile])
    assert (shift[frozen] == 0.0).all()
    assert shift.max() > 0.01
    again, lower = minimise(system, region, moved, 200)
    assert lower <= energy + 1e-3


def test_minimum_of_a_spring_is_its_length():
    """Two particles, one frozen, r0 = 1.5 A."""
    system = openmm.System()
    system.addParticle(0.0)
    system.addParticle(12.0)
    bond = openmm.HarmonicBondForce()
    bond.addBond(0, 1, 0.15, 1e5)
    system.addForce(bond)
    region = Region([0, 1], [False, True], [], [])
    xyz, energy = minimise(system, region, np.array([[0.0, 0, 0], [2.0, 0.3, 0]]), 100, "Reference")
    assert np.linalg.norm(xyz[1] - xyz[0]) == pytest.approx(1.5, abs=1e-3)
    assert energy == pytest.approx(0.0, abs=1e-3)


def test_a_particle_on_a_spring_obeys_equipartition(tmp_path):
    """Restrained oscillators: <k/2 x^2> per degree of freedom is RT/2 (400 particles)."""
    n, k = 400, 500.0
    system = openmm.System()
    force = openmm.CustomExternalForce("0.5*k*(x^2+y^2+z^2)")
    force.addGlobalParameter("k", k)
    for i in range(n):
        system.addParticle(12.0)
        force.addParticle(i, [])
    system.addForce(force)
    region = Region(np.arange(n), np.ones(n, bool), [], [])
    settings = SHORT.model_copy(
        update={
            "equilibration_ps": 3.0,
            "production_ps": 10.0,
            "frame_ps": 1.0,
            "segment_ps": 5.0,
            "friction_per_ps": 5.0,
        }
    )
    frames = run_dynamics(system, region, np.zeros((n, 3)), settings, (11,), tmp_path)
    energy = 0.5 * k * np.square(frames.coordinates[0] / 10.0).mean()
    assert energy == pytest.approx(0.5 * 0.00831446 * 300.0, rel=0.03)
    assert frames.temperature_kelvin.mean() == pytest.approx(300.0, rel=0.03)


def test_same_seed_same_frames_and_resuming_changes_nothing(pocket, tmp_path):
    assembly, xyz, region, options = pocket
    system = region_system(assembly, region, xyz, **options, for_dynamics=True)
    seeds = replica_seeds(5, 2)
    first = run_dynamics(system, region, xyz, SHORT, seeds, tmp_path / "a")
    whole = run_dynamics(system, region, xyz, SHORT, seeds, tmp_path / "b")
    np.testing.assert_array_equal(first.coordinates, whole.coordinates)
    assert not np.array_equal(first.coordinates[0], first.coordinates[1])
    for path in (tmp_path / "b").rglob("segment-00001*"):
        path.unlink()
    resumed = run_dynamics(system, region, xyz, SHORT, seeds, tmp_path / "b")
    np.testing.assert_array_equal(first.coordinates, resumed.coordinates)
    assert first.time_ps == pytest.approx([0.1, 0.2, 0.3, 0.4])
    frozen = ~region.mobile
    assert np.abs(first.coordinates[:, :, frozen] - xyz[region.atoms][frozen]).max() < 1e-4


def test_a_run_that_blows_up_is_an_explained_failure(tmp_path):
    system = openmm.System()
    force = openmm.CustomExternalForce("-1e9*x^2")
    system.addParticle(1.0)
    force.addParticle(0, [])
    system.addForce(force)
    region = Region([0], [True], [], [])
    with pytest.raises(SamplingError, match="blew up"):
        run_dynamics(system, region, np.ones((1, 3)), SHORT, (3,), tmp_path)


def test_unknown_platform_lists_those_present():
    with pytest.raises(SamplingError, match="CPU"):
        choose_platform("Quantum")


def test_a_platform_without_a_device_is_passed_over(monkeypatch):
    names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    assert choose_platform().getName() in names
    monkeypatch.setattr(platforms, "_works", lambda name: name == "Reference")
    assert choose_platform().getName() == "Reference"


def test_seeds_are_distinct_and_repeat():
    assert replica_seeds(1, 3) == replica_seeds(1, 3)
    assert len(set(replica_seeds(1, 3)) | set(replica_seeds(2, 3))) == 6
