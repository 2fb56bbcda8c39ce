"""Langevin dynamics in seeded segments.

Every segment has a seed of its own and starts from the stored state of the one before, in a context of its own. What is
on disk is whole or absent, so that a run killed at any moment and started again gives, on one platform, the same bytes
as one that was never interrupted. Lengths are totals: asking again for the same length runs nothing, asking for more
goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from openmm import unit

from dockkit.core.errors import SamplingError
from dockkit.core.files import atomic_write_text
from dockkit.core.model import FloatArray, Region
from dockkit.core.settings import MdSettings
from dockkit.core.units import ANGSTROM_PER_NM, GAS_CONSTANT
from dockkit.sampling.imaging import Imaging
from dockkit.sampling.platforms import choose_platform, make_context, platform_warning, works
from dockkit.sampling.progress import Clock, Listener, MdProgress, progress_writer
from dockkit.sampling.segments import MdState, SegmentFolder, SegmentFrames
from dockkit.sampling.setup import Setup, Stage, n_frames, part_seed, whole_steps

STEP_DIVISORS = (1, 2, 4)
"""A segment that blows up is tried again with the step divided by the next of these."""

_CONSTRAINT_TOLERANCE = 1e-6
_STEPS_AT_ONCE = 100
_HOT = 5.0
_PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of every replica.

    Parameters
    ----------
    coordinates : (n_replicas, n_frames, n_saved, 3) float
        Angstrom; molecules whole; stored in single precision.
    temperature_kelvin : (n_replicas, n_frames) float
        Of the mobile atoms.
    time_ps : (n_frames,) float
        Since the end of equilibration.
    seeds : (n_replicas,) int
    potential_kcal_mol : (n_replicas, n_frames) float
        Of everything simulated.
    box : (n_replicas, n_frames, 3, 3) float
        Angstrom; zeros without a box.
    waters : (n_replicas, n_frames, n_nearest, 3, 3) float
        Angstrom; O, H, H of the bulk waters nearest to the setup's centre, nearest first.
    platform : str
    notes : tuple of str
        Segments with a smaller time step; a graphics card that was not found.
    """

    coordinates: FloatArray
    temperature_kelvin: FloatArray
    time_ps: FloatArray
    seeds: tuple[int, ...]
    potential_kcal_mol: FloatArray
    box: FloatArray
    waters: FloatArray
    platform: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Segment:
    """One stretch between stored states; ``frames`` is 0 for a stage of equilibration."""

    name: str
    stage: Stage
    seed: int
    frames: int
    length_ps: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is kept of a moment; fields as in :class:`SegmentFrames`."""

    coordinates: FloatArray
    temperature: float
    potential: float
    box: FloatArray
    waters: FloatArray


class _BlowUpError(Exception):
    """The numbers are not finite or far too large."""


def run_dynamics(
    system: openmm.System,
    region: Region,
    coordinates: FloatArray,
    settings: MdSettings,
    seeds: tuple[int, ...],
    work_dir: Path,
) -> Frames:
    """Run Langevin dynamics of a region: equilibration, then production in stored segments.

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
        A segment blew up, also with smaller steps.
    StoreError
        A segment could not be written.
    """
    equilibration = Stage("equilibration", settings.equilibration_ps, settings.step_fs)
    setup = Setup(
        system=system,
        coordinates=coordinates[region.atoms],
        saved=np.arange(len(region.atoms)),
        equilibration=(equilibration,) if settings.equilibration_ps else (),
        production=Stage(_PRODUCTION, settings.production_ps, settings.step_fs),
    )
    return run_setup(setup, settings, seeds, work_dir)


def run_setup(
    setup: Setup,
    settings: MdSettings,
    seeds: tuple[int, ...],
    root: Path,
    *,
    label: str = "dynamics",
    listener: Listener | None = None,
    ran_on: Sequence[str] = (),
) -> Frames:
    """Run every replica of a setup as far as the settings say, and return the frames.

    Parameters
    ----------
    setup : Setup
        What to simulate.
    settings : MdSettings
        Length, temperature, spacing of frames, length of segments, platform.
    seeds : tuple of int
        One per replica.
    root : Path
        Finished segments are kept under ``<root>/<key of the setup>/replica-<seed>``; those found are not run again.
    label : str
        What is simulated, for progress and messages.
    listener : callable, optional
        Called with an :class:`MdProgress` every few seconds, beside the file ``progress.json`` of each replica.
    ran_on : sequence of str, optional
        Platform of each replica that ran before: its segments are taken from there, whether or not that platform works
        here. What is missing of them is run on it, or, where it does not work here, anew on the settings' platform.

    Returns
    -------
    Frames
        Every replica's production frames.

    Raises
    ------
    SamplingError
        A segment blew up, also with smaller steps; the message says where its start is kept.
    StoreError
        A segment could not be written; what was finished is kept.
    """
    here = choose_platform(settings.platform).getName()
    used, replicas = [], []
    for number, seed in enumerate(seeds, start=1):
        name = label if len(seeds) == 1 else f"{label}, replica {number}"
        for platform in dict.fromkeys((*ran_on[number - 1 : number], here)):
            folder = root / setup.key(settings, platform) / f"replica-{seed}"
            replica = _Replica(setup, settings, seed, folder, platform, name, listener)
            if not replica.missing() or works(platform):
                break
        replica.run()
        used.append(replica.platform)
        replicas.append(replica.frames())
    notes = [note for replica in replicas for note in replica[1]]
    if (warning := platform_warning(settings.platform)) and here in used:
        notes.append(warning)
    parts = [replica[0] for replica in replicas]
    return Frames(
        coordinates=np.stack([part.coordinates for part in parts]).astype(np.float64),
        temperature_kelvin=np.stack([part.temperature for part in parts]),
        time_ps=settings.frame_ps * np.arange(1, n_frames(settings) + 1, dtype=np.float64),
        seeds=seeds,
        potential_kcal_mol=np.stack([part.potential for part in parts]),
        box=np.stack([part.box for part in parts]),
        waters=np.stack([part.waters for part in parts]).astype(np.float64),
        platform=", ".join(dict.fromkeys(used)),
        notes=tuple(dict.fromkeys(notes)),
    )


def segments_of(setup: Setup, settings: MdSettings, seed: int) -> list[_Segment]:
    """Return the segments of a replica in order of time."""
    made = [
        _Segment(f"equilibration-{i:02d}", stage, part_seed(seed, 1, i), 0, stage.length_ps)
        for i, stage in enumerate(setup.equilibration)
    ]
    total = n_frames(settings)
    per_segment = max(1, round(settings.segment_ps / settings.frame_ps))
    for i, first in enumerate(range(0, total, per_segment)):
        wanted = min(per_segment, total - first)
        made.append(
            _Segment(
                f"segment-{i:05d}", setup.production, part_seed(seed, 0, i), wanted, wanted * settings.frame_ps
            )
        )  # fmt: skip
    return made


class _Replica:
    """One replica: which of its segments are there, and the running of those that are not."""

    def __init__(
        self,
        setup: Setup,
        settings: MdSettings,
        seed: int,
        folder: Path,
        platform: str,
        label: str,
        listener: Listener | None,
    ) -> None:
        self.setup, self.settings, self.platform, self.freedom = setup, settings, platform, setup.freedom
        self._seed, self._label = seed, label
        self._files = SegmentFolder(folder)
        self._segments = segments_of(setup, settings, seed)
        self._listeners: list[Listener] = [progress_writer(folder), *([listener] if listener else [])]

    def _tell(self, progress: MdProgress) -> None:
        for listener in self._listeners:
            listener(progress)

    def missing(self) -> list[int]:
        """Return the segments of production that are not there."""
        return [
            i
            for i, part in enumerate(self._segments)
            if part.frames and self._files.frames(part.name, part.frames) is None
        ]

    def run(self) -> None:
        """Run what is missing."""
        missing = self.missing()
        if not missing:
            return
        total = sum(part.length_ps for part in self._segments)
        there = sum(part.length_ps for i, part in enumerate(self._segments) if i not in missing and part.frames)
        there += sum(part.length_ps for part in self._segments[: self._first_to_run(missing[0])] if not part.frames)
        clock = Clock(self._label, there, total, self._tell)
        for index in missing:
            for part in range(self._first_to_run(index), index + 1):
                self._run_segment(part, clock)
        clock.tell("done")

    def _first_to_run(self, index: int) -> int:
        """Return the first segment to run so that ``index`` can: the one after the last stored state before it."""
        while index > 0 and self._files.state(self._segments[index - 1].name) is None:
            index -= 1
        return index

    def frames(self) -> tuple[SegmentFrames, list[str]]:
        """Return all frames, and what is to be said of them."""
        parts = []
        notes = []
        for segment in self._segments:
            if not segment.frames:
                continue
            part = self._files.frames(segment.name, segment.frames)
            if part is None:
                raise SamplingError(f"{self._label}: {segment.name} is gone from {self._files.path}; run it again")
            if part.step_fs < 0.75 * segment.stage.step_fs:
                notes.append(f"{self._label}: {segment.name} blew up and was run again with {part.step_fs:g} fs steps")
            parts.append(part)
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("coordinates", "temperature", "potential", "box", "waters")
        }
        return SegmentFrames(**joined, step_fs=min(part.step_fs for part in parts)), notes

    def _run_segment(self, index: int, clock: Clock) -> None:
        segment = self._segments[index]
        before = self._files.state(self._segments[index - 1].name) if index else None
        for divisor in STEP_DIVISORS:
            try:
                state, frames = _run(self, segment, before, divisor, clock)
            except _BlowUpError as error:
                reason = str(error)
                continue
            self._files.write(segment.name, state, frames)
            self._files.forget_states([part.name for part in self._segments[: index + 1]])
            return
        kept = self._keep_failure(segment, before)
        smallest = segment.stage.step_fs / STEP_DIVISORS[-1]
        raise SamplingError(
            f"{self._label}: {segment.stage.name} blew up ({reason}; {segment.name}, seed {self._seed}), also with "
            f"steps of {smallest:g} fs; system and starting state are kept in {kept}: look for overlapping atoms, then "
            "prepare the complex anew or choose another pose"
        )

    def _keep_failure(self, segment: _Segment, before: MdState | None) -> Path:
        """Write what the failed segment started from, for inspection."""
        folder = self._files.path / f"{segment.name}.failed"
        context = _context(self, segment, before, 1)[0]
        state = context.getState(getPositions=True, getVelocities=True, getParameters=True)
        atomic_write_text(folder / "system.xml", openmm.XmlSerializer.serialize(self.setup.system))
        atomic_write_text(folder / "state.xml", openmm.XmlSerializer.serialize(state))
        return folder


def _context(replica: _Replica, segment: _Segment, before: MdState | None, divisor: int) -> tuple[openmm.Context, int]:
    """Return a context at the start of a segment, and the number of steps between frames (or of the whole stage)."""
    settings, stage = replica.settings, segment.stage
    length = settings.frame_ps if segment.frames else stage.length_ps
    steps, step_ps = whole_steps(length, stage.step_fs)
    integrator = openmm.LangevinMiddleIntegrator(
        settings.temperature_kelvin, stage.friction_per_ps or settings.friction_per_ps, step_ps / divisor
    )
    integrator.setConstraintTolerance(_CONSTRAINT_TOLERANCE)
    integrator.setRandomNumberSeed(segment.seed)
    system = copy.deepcopy(replica.setup.system)
    for force in system.getForces():
        if isinstance(force, openmm.MonteCarloBarostat):
            force.setRandomNumberSeed(segment.seed)
            if not stage.barostat:
                force.setFrequency(0)
    context = make_context(system, integrator, openmm.Platform.getPlatformByName(replica.platform))
    if before is None:
        context.setPositions(replica.setup.coordinates / ANGSTROM_PER_NM)
        context.applyConstraints(_CONSTRAINT_TOLERANCE)
        context.setVelocitiesToTemperature(settings.temperature_kelvin, segment.seed)
    else:
        if replica.setup.periodic:
            context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in before.box / ANGSTROM_PER_NM))
        context.setPositions(before.positions / ANGSTROM_PER_NM)
        context.setVelocities(before.velocities / ANGSTROM_PER_NM)
    for name, value in stage.parameters:
        context.setParameter(name, value)
    return context, steps * divisor


def _run(
    replica: _Replica, segment: _Segment, before: MdState | None, divisor: int, clock: Clock
) -> tuple[MdState, SegmentFrames | None]:
    """Run one segment with its step divided by ``divisor``."""
    context, stride = _context(replica, segment, before, divisor)
    step_fs = 1000.0 * context.getIntegrator().getStepSize().value_in_unit(unit.picosecond)
    imaging = Imaging.of(replica.setup, context)
    collected = []
    clock.start()
    ran = 0.0
    try:
        for _ in range(segment.frames or 1):
            for steps in _pieces(stride):
                context.getIntegrator().step(steps)
            snapshot = _snapshot(replica, context, imaging)
            ran += stride * step_fs / 1000.0
            clock.advance(segment.stage.name, stride * step_fs / 1000.0, snapshot.temperature, snapshot.potential)
            collected.append(snapshot)
    except openmm.OpenMMException as error:
        clock.undo(ran)
        if "nan" not in str(error).lower():
            raise SamplingError(f"{segment.name}: OpenMM stopped: {error}") from error
        raise _BlowUpError(str(error).split(".")[0]) from error
    except _BlowUpError:
        clock.undo(ran)
        raise
    state = context.getState(getPositions=True, getVelocities=True)
    end = MdState(
        _angstrom(state.getPositions(asNumpy=True)),
        np.asarray(
            state.getVelocities(asNumpy=True).value_in_unit(unit.angstrom / unit.picosecond), dtype=np.float64
        ),
        _box(replica.setup, state),
    )  # fmt: skip
    if not segment.frames:
        return end, None
    return end, SegmentFrames(
        coordinates=np.array([item.coordinates for item in collected], dtype=np.float32),
        temperature=np.array([item.temperature for item in collected]),
        potential=np.array([item.potential for item in collected]),
        box=np.array([item.box for item in collected]),
        waters=np.array([item.waters for item in collected], dtype=np.float32),
        step_fs=step_fs,
    )


def _pieces(steps: int) -> Iterator[int]:
    """Yield runs short enough for Ctrl-C to be heard."""
    while steps > 0:
        yield min(steps, _STEPS_AT_ONCE)
        steps -= _STEPS_AT_ONCE


def _snapshot(replica: _Replica, context: openmm.Context, imaging: Imaging) -> _Snapshot:
    state = context.getState(getPositions=True, getEnergy=True)
    positions = _angstrom(state.getPositions(asNumpy=True))
    kinetic = state.getKineticEnergy().value_in_unit(unit.kilocalorie_per_mole)
    potential = state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    temperature = 2.0 * kinetic / (max(1, replica.freedom) * GAS_CONSTANT)
    wanted = replica.settings.temperature_kelvin
    limit = _HOT * wanted * (1.0 + 8.0 * np.sqrt(2.0 / max(1, replica.freedom)))
    if not (np.isfinite(potential) and np.isfinite(positions).all()):
        raise _BlowUpError("energies or coordinates are not finite")
    if temperature > limit:
        raise _BlowUpError(f"temperature {temperature:.0f} K")
    box = _box(replica.setup, state)
    coordinates, waters = imaging.apply(positions, box)
    return _Snapshot(coordinates, float(temperature), float(potential), box, waters)


def _angstrom(quantity: unit.Quantity) -> FloatArray:
    return np.asarray(quantity.value_in_unit(unit.angstrom), dtype=np.float64)


def _box(setup: Setup, state: openmm.State) -> FloatArray:
    if not setup.periodic:
        return np.zeros((3, 3))
    return _angstrom(state.getPeriodicBoxVectors(asNumpy=True))
