"""Minimise a region and run its short restrained dynamics, in seeded segments."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from openmm import unit

from dockkit.core.errors import SamplingError
from dockkit.core.files import atomic_write_bytes
from dockkit.core.model import FloatArray, Region
from dockkit.core.settings import MdSettings
from dockkit.core.units import ANGSTROM_PER_NM

MINIMISATION_TOLERANCE = 10.0
"""kJ/mol/nm, root-mean-square force at which a minimisation may end before its iterations are used up."""

_CONSTRAINT_TOLERANCE = 1e-6


def choose_platform(wanted: str = "") -> openmm.Platform:
    """Return the OpenMM platform to use.

    Parameters
    ----------
    wanted : str
        Platform name; empty takes the fastest that works here (CUDA, HIP, OpenCL, CPU).

    Returns
    -------
    openmm.Platform
        The platform.

    Raises
    ------
    SamplingError
        The wanted platform is not installed; the message lists those that are.
    """
    present = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    if wanted and wanted not in present:
        raise SamplingError(f"OpenMM platform '{wanted}' is not available here; present: {', '.join(present)}")
    if wanted:
        return openmm.Platform.getPlatformByName(wanted)
    for name in ("CUDA", "HIP", "OpenCL", "CPU", "Reference"):
        if name in present and _works(name):
            return openmm.Platform.getPlatformByName(name)
    raise SamplingError("OpenMM has no usable platform")


@functools.cache
def _works(name: str) -> bool:
    """Tell whether a platform has a device: one can be installed (a bare OpenCL loader, say) where there is none."""
    system = openmm.System()
    system.addParticle(1.0)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(name))
    except openmm.OpenMMException:
        return False
    return True


def make_context(system: openmm.System, integrator: openmm.Integrator, platform: openmm.Platform) -> openmm.Context:
    """Return a context whose forces are the same on every run.

    Parameters
    ----------
    system : openmm.System
    integrator : openmm.Integrator
    platform : openmm.Platform
        On the CPU one thread is used: tasks, not threads, share the cores, and the order of sums is fixed.

    Returns
    -------
    openmm.Context
        Without positions.
    """
    known = platform.getPropertyNames()
    wanted = {"DeterministicForces": "true", "Threads": "1"}
    return openmm.Context(system, integrator, platform, {k: v for k, v in wanted.items() if k in known})


def _positions(context: openmm.Context) -> FloatArray:
    state = context.getState(getPositions=True)
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.angstrom), dtype=np.float64)


def minimise(
    system: openmm.System, region: Region, coordinates: FloatArray, max_iterations: int, platform: str = "CPU"
) -> tuple[FloatArray, float]:
    """Minimise the mobile atoms of a region.

    Parameters
    ----------
    system : openmm.System
        Of the region; frozen atoms have mass 0.
    region : Region
        Which atoms of the assembly the system holds.
    coordinates : (n_atoms, 3) float
        Angstrom, the whole assembly.
    max_iterations : int
        L-BFGS iterations at most; 0 for no limit.
    platform : str
        OpenMM platform.

    Returns
    -------
    coordinates : (n_atoms, 3) float
        The whole assembly with the mobile atoms moved.
    energy : float
        Potential energy of the region's model, kcal/mol.

    Raises
    ------
    SamplingError
        The energy is not finite.
    """
    context = make_context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform))
    context.setPositions(coordinates[region.atoms] / ANGSTROM_PER_NM)
    openmm.LocalEnergyMinimizer.minimize(context, MINIMISATION_TOLERANCE, max_iterations)
    energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    if not np.isfinite(energy):
        raise SamplingError("minimisation ended at an energy that is not finite; the start has overlapping atoms")
    moved = np.array(coordinates, dtype=np.float64)
    moved[region.atoms[region.mobile]] = _positions(context)[region.mobile]
    return moved, float(energy)


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a region's dynamics.

    Parameters
    ----------
    coordinates : (n_replicas, n_frames, n_region_atoms, 3) float
        Angstrom.
    temperature_kelvin : (n_replicas, n_frames) float
        Of the mobile atoms.
    time_ps : (n_frames,) float
        Since the end of equilibration.
    seeds : (n_replicas,) int
    """

    coordinates: FloatArray
    temperature_kelvin: FloatArray
    time_ps: FloatArray
    seeds: tuple[int, ...]


def replica_seeds(seed: int, replicas: int) -> tuple[int, ...]:
    """Return one seed per replica, spawned from the study's seed."""
    return tuple(int(value) for value in np.random.SeedSequence(seed).generate_state(replicas) % (2**31 - 1))


def _segment_seed(seed: int, segment: int) -> int:
    return int(np.random.SeedSequence([seed, segment]).generate_state(1)[0] % (2**31 - 1)) + 1


def run_dynamics(
    system: openmm.System,
    region: Region,
    coordinates: FloatArray,
    settings: MdSettings,
    seeds: tuple[int, ...],
    work_dir: Path,
) -> Frames:
    """Run Langevin dynamics of a region: equilibration, then production in stored segments.

    Each segment has its own seed and starts from the stored state of the one before, so that a run resumed after a
    kill gives the same frames as one never interrupted.

    Parameters
    ----------
    system : openmm.System
        Of the region, made for dynamics.
    region : Region
        Which atoms it holds.
    coordinates : (n_atoms, 3) float
        Angstrom, the whole assembly, minimised.
    settings : MdSettings
        Length, step, temperature.
    seeds : tuple of int
        One per replica.
    work_dir : Path
        Finished segments are kept here; those found are not run again.

    Returns
    -------
    Frames
        Every replica's production frames.

    Raises
    ------
    SamplingError
        A segment blew up, twice.
    StoreError
        A segment could not be written.
    """
    start = coordinates[region.atoms]
    replicas = [_run_replica(system, region, start, settings, seed, work_dir / f"replica-{seed}") for seed in seeds]
    frames = np.stack([frames for frames, _ in replicas])
    time_ps = settings.frame_ps * np.arange(1, frames.shape[1] + 1)
    return Frames(frames, np.stack([temperature for _, temperature in replicas]), time_ps, seeds)


def _run_replica(
    system: openmm.System, region: Region, start: FloatArray, settings: MdSettings, seed: int, folder: Path
) -> tuple[FloatArray, FloatArray]:
    folder.mkdir(parents=True, exist_ok=True)
    n_frames = max(1, round(settings.production_ps / settings.frame_ps))
    per_segment = max(1, round(settings.segment_ps / settings.frame_ps))
    state: tuple[FloatArray, FloatArray | None] = (start, None)
    collected, temperatures = [], []
    for segment, first in enumerate(range(0, n_frames, per_segment)):
        wanted = min(per_segment, n_frames - first)
        path = folder / f"segment-{segment:05d}-{wanted}.npz"
        if not path.is_file():
            equilibration = settings.equilibration_ps if segment == 0 else 0.0
            arrays = _run_segment(system, region, state, settings, _segment_seed(seed, segment), wanted, equilibration)
            _write_segment(path, arrays)
        with np.load(path) as stored:
            state = (stored["positions"], stored["velocities"])
            collected.append(stored["frames"])
            temperatures.append(stored["temperature"])
    return np.concatenate(collected), np.concatenate(temperatures)


def _write_segment(path: Path, arrays: dict[str, FloatArray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    atomic_write_bytes(path, buffer.getvalue())


def _run_segment(
    system: openmm.System,
    region: Region,
    state: tuple[FloatArray, FloatArray | None],
    settings: MdSettings,
    seed: int,
    n_frames: int,
    equilibration_ps: float,
) -> dict[str, FloatArray]:
    for divisor in (1, 2):
        arrays = _try_segment(system, region, state, settings, seed, n_frames, equilibration_ps, divisor)
        if all(np.isfinite(array).all() for array in arrays.values()):
            return arrays
    raise SamplingError(
        f"dynamics blew up (seed {seed}), also with half the step; inspect the minimised complex for clashes"
    )


def _try_segment(
    system: openmm.System,
    region: Region,
    state: tuple[FloatArray, FloatArray | None],
    settings: MdSettings,
    seed: int,
    n_frames: int,
    equilibration_ps: float,
    divisor: int,
) -> dict[str, FloatArray]:
    step_ps = settings.step_fs / 1000.0 / divisor
    integrator = openmm.LangevinMiddleIntegrator(settings.temperature_kelvin, settings.friction_per_ps, step_ps)
    integrator.setRandomNumberSeed(seed)
    integrator.setConstraintTolerance(_CONSTRAINT_TOLERANCE)
    context = make_context(system, integrator, choose_platform(settings.platform))
    positions, velocities = state
    context.setPositions(positions / ANGSTROM_PER_NM)
    if velocities is None:
        context.applyConstraints(_CONSTRAINT_TOLERANCE)
        context.setVelocitiesToTemperature(settings.temperature_kelvin, seed)
    else:
        context.setVelocities(velocities / ANGSTROM_PER_NM)
    freedom = 3 * int(region.mobile.sum()) - system.getNumConstraints()
    stride = max(1, round(settings.frame_ps / step_ps))
    frames, temperatures = [], []
    try:
        integrator.step(round(equilibration_ps / step_ps))
        for _ in range(n_frames):
            integrator.step(stride)
            frames.append(_positions(context))
            kinetic = context.getState(getEnergy=True).getKineticEnergy()
            temperatures.append(2.0 * kinetic / (freedom * unit.MOLAR_GAS_CONSTANT_R) / unit.kelvin)
        speeds = context.getState(getVelocities=True).getVelocities(asNumpy=True)
    except openmm.OpenMMException as error:
        if "nan" not in str(error).lower():
            raise SamplingError(f"dynamics failed (seed {seed}): {error}") from error
        return {"frames": np.array([np.nan])}
    return {
        "frames": np.array(frames),
        "temperature": np.array(temperatures, dtype=np.float64),
        "positions": frames[-1],
        "velocities": np.asarray(speeds.value_in_unit(unit.angstrom / unit.picosecond), dtype=np.float64),
    }
