from __future__ import annotations

import dataclasses
import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from builders import ion, peptide

from dockkit.core.errors import SamplingError, SettingsError, StoreError
from dockkit.core.model import Region
from dockkit.core.settings import MD_PRESETS, MdSettings, validate_md
from dockkit.forcefield.system import assemble, make_region, region_system
from dockkit.sampling import (
    Setup,
    Stage,
    choose_platform,
    minimise,
    platform_warning,
    platforms,
    read_progress,
    replica_seeds,
    run_dynamics,
    run_setup,
)
from dockkit.sampling.imaging import Imaging, minimum_image
from dockkit.sampling.setup import whole_steps

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
    system = region_system(assembly, region, xyz, **options)
    settled, _ = minimise(system, region, xyz, 200)
    return assembly, settled, region, options


def springs(n: int = 30, k: float = 500.0, mass: float = 12.0) -> Setup:
    """Particles held at the origin, without forces between them."""
    system = openmm.System()
    force = openmm.CustomExternalForce("0.5*k*(x^2+y^2+z^2)")
    force.addGlobalParameter("k", k)
    for i in range(n):
        system.addParticle(mass)
        force.addParticle(i, [])
    system.addForce(force)
    stages = (Stage("warm", 0.1, 2.0, (("k", 2 * k),)), Stage("settle", 0.1, 2.0, (("k", k),)))
    return Setup(system, np.zeros((n, 3)), np.arange(n), stages, Stage("production", 1.0, 2.0, (("k", k),)))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.npz"))}


# ------------------------------------------------------------------------------------------------- minimisation


def test_minimisation_moves_only_what_may_move(pocket):
    assembly, xyz, region, options = pocket
    shaken = xyz + np.random.default_rng(1).normal(scale=0.1, size=xyz.shape)
    system = region_system(assembly, region, xyz, **options)
    moved, energy = minimise(system, region, shaken, 200)
    shift = np.linalg.norm(moved - shaken, axis=1)
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


# ----------------------------------------------------------------------------------------------------- dynamics


def test_a_particle_on_a_spring_obeys_equipartition(tmp_path):
    """Restrained oscillators: <k/2 x^2> per degree of freedom is RT/2 (400 particles)."""
    n, k = 400, 500.0
    settings = SHORT.model_copy(
        update={"production_ps": 10.0, "frame_ps": 1.0, "segment_ps": 5.0, "friction_per_ps": 5.0}
    )
    stages = (Stage("equilibration", 3.0, 2.0),)
    setup = springs(n, k)
    setup = Setup(setup.system, setup.coordinates, setup.saved, stages, Stage("production", 10.0, 2.0))
    frames = run_setup(setup, settings, (11,), tmp_path)
    energy = 0.5 * k * np.square(frames.coordinates[0] / 10.0).mean()
    assert energy == pytest.approx(0.5 * 0.00831446 * 300.0, rel=0.03)
    assert frames.temperature_kelvin.mean() == pytest.approx(300.0, rel=0.03)
    potential = frames.potential_kcal_mol.mean() / n
    assert potential == pytest.approx(1.5 * 0.001987204 * 300.0, rel=0.03)


def test_frozen_atoms_stay_and_the_same_seed_gives_the_same_frames(pocket, tmp_path):
    assembly, xyz, region, options = pocket
    system = region_system(assembly, region, xyz, **options, for_dynamics=True)
    seeds = replica_seeds(5, 2)
    first = run_dynamics(system, region, xyz, SHORT, seeds, tmp_path / "a")
    other = run_dynamics(system, region, xyz, SHORT, seeds[:1], tmp_path / "b")
    np.testing.assert_array_equal(first.coordinates[0], other.coordinates[0])
    assert not np.array_equal(first.coordinates[0], first.coordinates[1])
    assert first.time_ps == pytest.approx([0.1, 0.2, 0.3, 0.4])
    frozen = ~region.mobile
    assert np.abs(first.coordinates[:, :, frozen] - xyz[region.atoms][frozen]).max() < 1e-4


def test_lengths_are_totals_and_a_finished_run_is_extended(tmp_path):
    """0.5 ps (the last segment is short), 0.5 ps again, then 0.9 ps: the same bytes as 0.9 ps at once."""
    setup, seeds = springs(), (7, 8)
    at = {length: SHORT.model_copy(update={"production_ps": length}) for length in (0.5, 0.9)}
    short = run_setup(setup, at[0.5], seeds, tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*.npz")}
    again = run_setup(setup, at[0.5], seeds, tmp_path / "a")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*.npz")} == before
    np.testing.assert_array_equal(short.coordinates, again.coordinates)
    extended = run_setup(setup, at[0.9], seeds, tmp_path / "a")
    whole = run_setup(setup, at[0.9], seeds, tmp_path / "b")
    assert extended.coordinates.shape[1] == 9
    np.testing.assert_array_equal(extended.coordinates, whole.coordinates)
    np.testing.assert_array_equal(extended.coordinates[:, :5], short.coordinates)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    cut = run_setup(setup, at[0.5], seeds, tmp_path / "a")
    np.testing.assert_array_equal(cut.coordinates, short.coordinates)


def test_more_replicas_leave_the_first_ones_as_they_are(tmp_path):
    assert replica_seeds(3, 4)[:2] == replica_seeds(3, 2)
    assert replica_seeds(1, 3) == replica_seeds(1, 3)
    assert len(set(replica_seeds(1, 3)) | set(replica_seeds(2, 3))) == 6


def test_a_damaged_or_missing_segment_is_run_again(tmp_path):
    setup = springs()
    settings = SHORT.model_copy(update={"production_ps": 1.2})
    whole = run_setup(setup, settings, (5,), tmp_path)
    before = contents(tmp_path)
    damaged = next(tmp_path.rglob("segment-00001.frames.npz"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    again = run_setup(setup, settings, (5,), tmp_path)
    np.testing.assert_array_equal(whole.coordinates, again.coordinates)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_sampling import SHORT, springs, run_setup
root = Path(sys.argv[1])
settings = SHORT.model_copy(update={"production_ps": 20.0, "frame_ps": 0.02, "segment_ps": 0.1})
draw = random.Random(2026)
for attempt in range(10):
    child = os.fork()
    if child == 0:
        if attempt % 2:
            wanted, real, count = draw.randint(1, 12), os.fsync, 0
            def die_in_a_write(descriptor):
                global count
                count += 1
                if count == wanted:
                    os.kill(os.getpid(), signal.SIGKILL)
                real(descriptor)
            os.fsync = die_in_a_write
        run_setup(springs(), settings, (21,), root)
        os._exit(0)
    if attempt % 2:
        draw.randint(1, 12)
    else:
        time.sleep(draw.uniform(0.02, 0.3))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(list(root.rglob("*.frames.npz"))), flush=True)
"""


def test_killed_at_ten_moments_and_resumed_gives_the_same_bytes(tmp_path):
    """Five kills at random times, five in the middle of a write (the bytes are there, the rename is not)."""
    here = Path(__file__).parent
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path / "killed"), str(here)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    ends = [int(line.split()[0]) for line in killed.stdout.splitlines()]
    assert len(ends) == 10
    assert ends.count(-9) >= 5, killed.stdout
    settings = SHORT.model_copy(update={"production_ps": 20.0, "frame_ps": 0.02, "segment_ps": 0.1})
    resumed = run_setup(springs(), settings, (21,), tmp_path / "killed")
    whole = run_setup(springs(), settings, (21,), tmp_path / "whole")
    np.testing.assert_array_equal(resumed.coordinates, whole.coordinates)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.part"))


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    setup, real, calls = springs(), os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("dockkit.core.files.os.fsync", full)
    with pytest.raises(StoreError, match="disk is full"):
        run_setup(setup, SHORT, (5,), tmp_path / "full")
    monkeypatch.undo()
    kept = contents(tmp_path / "full")
    assert kept
    run_setup(setup, SHORT, (5,), tmp_path / "full")
    run_setup(setup, SHORT, (5,), tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "full") == whole
    assert all(whole[name] == data for name, data in kept.items() if name in whole)  # old states are removed


def test_a_run_that_blows_up_is_an_explained_failure_that_can_be_looked_at(tmp_path):
    system = openmm.System()
    force = openmm.CustomExternalForce("-1e9*x^2")
    system.addParticle(1.0)
    force.addParticle(0, [])
    system.addForce(force)
    region = Region([0], [True], [], [])
    with pytest.raises(SamplingError, match=r"blew up .*also with steps of 0\.5 fs.*kept in"):
        run_dynamics(system, region, np.ones((1, 3)), SHORT, (3,), tmp_path)
    state = openmm.XmlSerializer.deserialize(next(tmp_path.rglob("state.xml")).read_text(encoding="utf-8"))
    assert state.getPositions(asNumpy=True)._value == pytest.approx(np.full((1, 3), 0.1))
    again = openmm.XmlSerializer.deserialize(next(tmp_path.rglob("system.xml")).read_text(encoding="utf-8"))
    assert again.getNumParticles() == 1


def test_a_step_that_is_too_long_is_halved_and_the_frames_keep_their_times(tmp_path):
    """A spring of angular frequency w is stable for w dt < 2: here w 2 fs is 2.4, w 1 fs is 1.2."""
    mass, w = 12.0, 2.4 / 0.002
    setup = springs(10, mass * w**2, mass)
    setup = Setup(setup.system, setup.coordinates, setup.saved, (), setup.production)
    settings = SHORT.model_copy(update={"production_ps": 0.2})
    frames = run_setup(setup, settings, (3,), tmp_path, label="stiff")
    assert np.isfinite(frames.coordinates).all()
    assert frames.time_ps == pytest.approx([0.1, 0.2])
    assert frames.notes == ("stiff: segment-00000 blew up and was run again with 1 fs steps",)


def test_progress_says_how_far_it_is_and_how_fast(tmp_path):
    told = []
    run_setup(springs(), SHORT, (5,), tmp_path, label="what", listener=told.append)
    last = told[-1]
    assert (last.stage, last.done_ps, last.total_ps) == ("done", pytest.approx(0.6), pytest.approx(0.6))
    assert last.ns_per_day > 0
    assert told[0].stage == "warm"
    assert told[0].temperature_kelvin > 0
    stored = read_progress(tmp_path)
    assert [item.label for item in stored] == ["what"]
    assert stored[0].done_ps == pytest.approx(0.6)


def test_the_step_divides_the_time_between_frames():
    assert whole_steps(0.5, 4.0) == (125, pytest.approx(0.004))
    count, step = whole_steps(0.05, 4.0)
    assert (count, step) == (13, pytest.approx(0.05 / 13))


def test_the_key_is_of_what_is_simulated_not_of_how_long():
    setup, other = springs(), springs(k=501.0)
    longer = SHORT.model_copy(update={"production_ps": 9.0, "replicas": 5})
    warmer = SHORT.model_copy(update={"temperature_kelvin": 310.0})
    assert setup.key(SHORT, "CPU") == setup.key(longer, "CPU")
    keys = {setup.key(SHORT, "CPU"), other.key(SHORT, "CPU"), setup.key(warmer, "CPU"), setup.key(SHORT, "CUDA")}
    assert len(keys) == 4


# ------------------------------------------------------------------------------------------------------ imaging


def test_molecules_are_put_back_beside_each_other_and_waters_around_the_ligand():
    """Two molecules in a dodecahedron, the second moved by lattice vectors; waters against all images by hand."""
    box = 30.0 * np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, np.sqrt(0.5)]])
    draw = np.random.default_rng(4)
    solute = np.array([[1.0, 1, 1], [2.0, 1, 1], [14.0, 3, 2]])
    oxygens = draw.uniform(size=(60, 3)) @ box
    waters = (oxygens[:, None] + np.array([[0.0, 0, 0], [0.9, 0, 0], [0, 0.9, 0]])).reshape(-1, 3)
    system = openmm.System()
    for _ in range(3 + len(waters)):
        system.addParticle(1.0)
    bond, nonbonded = openmm.HarmonicBondForce(), openmm.NonbondedForce()
    bond.addBond(0, 1, 0.1, 1.0)
    nonbonded.setNonbondedMethod(nonbonded.CutoffPeriodic)
    for _ in range(3 + len(waters)):
        nonbonded.addParticle(0.0, 0.1, 0.0)
    system.addForce(bond)
    system.addForce(nonbonded)
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in box / 10))
    setup = Setup(
        system, np.concatenate([solute, waters]), np.arange(3), (), Stage("p", 1.0, 1.0),
        waters=3 + np.arange(len(waters)).reshape(-1, 3), centre=np.array([2]), n_nearest=5,
    )  # fmt: skip
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    imaging = Imaging.of(setup, context)
    moved = np.concatenate([solute, waters])
    moved[2] += box[2] - 2 * box[0]
    moved[3:] += np.repeat(draw.integers(-2, 3, size=(60, 3)) @ box, 3, axis=0)
    saved, near = imaging.apply(moved, box)
    np.testing.assert_allclose(saved, solute, atol=1e-9)
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ box
    distance = np.linalg.norm(oxygens[:, None] + shifts - solute[2], axis=-1).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(near[:, 0] - saved[2], axis=1), np.sort(distance)[:5], atol=1e-9)
    np.testing.assert_allclose(near[:, 1] - near[:, 0], np.tile([0.9, 0, 0], (5, 1)), atol=1e-9)
    short = minimum_image(moved[3::3] - solute[2], box)
    assert np.linalg.norm(short, axis=1) == pytest.approx(distance)


# --------------------------------------------------------------------------------------- platforms and settings


def test_unknown_platform_lists_those_present():
    with pytest.raises(SamplingError, match="CPU"):
        choose_platform("Quantum")


def test_a_platform_without_a_device_is_passed_over(monkeypatch):
    names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    assert choose_platform().getName() in names
    monkeypatch.setattr(platforms, "works", lambda name: name == "Reference")
    assert choose_platform().getName() == "Reference"


@pytest.mark.parametrize("wanted", ["CUDA", "cuda", "gpu", "GPU"])
def test_a_missing_gpu_is_a_loud_warning_and_not_an_end(monkeypatch, caplog, wanted):
    monkeypatch.setattr(platforms, "works", lambda name: name in ("CPU", "Reference"))
    with caplog.at_level(logging.INFO, logger="dockkit"):
        assert choose_platform(wanted).getName() == "CPU"
    assert "NO GPU" in caplog.text
    assert "OpenMM platform CPU" in caplog.text
    assert "CPU" in platform_warning(wanted)
    assert platform_warning("CPU") == platform_warning() == ""


def test_a_missing_gpu_is_noted_beside_the_frames(monkeypatch, tmp_path):
    monkeypatch.setattr(platforms, "works", lambda name: name == "Reference")
    frames = run_setup(springs(3), SHORT.model_copy(update={"platform": "gpu"}), (5,), tmp_path)
    assert frames.platform == "Reference"
    assert "NO GPU" in frames.notes[-1]


def test_presets_fill_what_a_study_leaves_open():
    assert MdSettings() == MdSettings(preset="pocket")
    for preset, own in MD_PRESETS.items():
        filled = validate_md({"preset": preset, "temperature_kelvin": 310.0})
        assert all(getattr(filled, name) == value for name, value in own.items())
        assert (filled.preset, filled.temperature_kelvin, filled.step_fs) == (preset, 310.0, 4.0)
    assert validate_md({"preset": "explicit", "cutoff_angstrom": 10.0}).cutoff_angstrom == 10.0
    assert MdSettings(**filled.model_dump(mode="json")) == filled
    with pytest.raises(SettingsError, match="preset"):
        validate_md({"preset": "vacuum"})
    with pytest.raises(SettingsError, match="did you mean 'replicas'"):
        validate_md({"replica": 3})


@pytest.mark.parametrize(("friction", "least", "most"), [(10.0, 290.0, 310.0), (0.0, 150.0, 270.0)])
def test_a_stage_with_strong_friction_gives_back_the_heat_that_the_potential_takes(tmp_path, friction, least, most):
    """Springs at rest take half of the heat; after t it is back but for exp(-friction t) / 2, over a whole period."""
    made = springs(n=2000)
    stage = Stage("free", 0.5, 2.0, (("k", 500.0),), friction_per_ps=friction)
    setup = Setup(made.system, made.coordinates, made.saved, (stage,), made.production)
    settings = SHORT.model_copy(update={"production_ps": 0.48, "frame_ps": 0.02, "segment_ps": 0.48})
    frames = run_setup(setup, settings, (4,), tmp_path)
    assert least < frames.temperature_kelvin.mean() < most
    assert setup.key(settings, "CPU") != Setup(
        made.system, made.coordinates, made.saved, (dataclasses.replace(stage, friction_per_ps=3.0),), made.production
    ).key(settings, "CPU")
