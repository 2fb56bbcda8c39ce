"""What the engine simulates: a system, where it starts, how it is equilibrated, and what is kept of it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
import openmm
from openmm import unit

from dockkit.core.model import FloatArray, IntArray
from dockkit.core.records import canonical_json
from dockkit.core.settings import MdSettings

ENGINE_VERSION = "2"
"""Raised whenever the same setup would give another trajectory."""

PS_PER_FS = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of dynamics under unchanged conditions.

    Parameters
    ----------
    name : str
        For progress and messages.
    length_ps : float
    step_fs : float
        Time step; shortened where it does not divide the length.
    parameters : tuple of (str, float)
        Global parameters of the system, such as restraint constants.
    barostat : bool
        Whether the system's barostat, if it has one, is at work.
    friction_per_ps : float
        0 takes that of the settings.
    """

    name: str
    length_ps: float
    step_fs: float
    parameters: tuple[tuple[str, float], ...] = ()
    barostat: bool = True
    friction_per_ps: float = 0.0


def _no_atoms() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a trajectory depends on but for its length and its seed.

    Parameters
    ----------
    system : openmm.System
        Frozen atoms have mass 0; its default box is the starting box.
    coordinates : (n_particles, 3) float
        Angstrom, minimised.
    saved : (n,) int
        Particles whose coordinates are kept.
    equilibration : tuple of Stage
        In order; velocities are drawn at its start.
    production : Stage
        Its length is that of the settings.
    waters : (n, 3) int
        O, H, H of the bulk waters, of which the nearest are kept in each frame.
    centre : (n,) int
        Particles that waters are near to.
    n_nearest : int
        Waters kept in each frame.
    """

    system: openmm.System
    coordinates: FloatArray
    saved: IntArray
    equilibration: tuple[Stage, ...]
    production: Stage
    waters: IntArray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))
    centre: IntArray = field(default_factory=_no_atoms)
    n_nearest: int = 0

    @property
    def periodic(self) -> bool:
        """Whether there is a box."""
        return bool(self.system.usesPeriodicBoundaryConditions())

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the particles that move."""
        masses = [self.system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(len(self.coordinates))]
        return 3 * int(np.count_nonzero(masses)) - int(self.system.getNumConstraints())

    def key(self, settings: MdSettings, platform: str) -> str:
        """Return the content key of these trajectories: the same for any length and any number of replicas.

        Parameters
        ----------
        settings : MdSettings
            Temperature, friction, spacing of frames and length of segments enter.
        platform : str
            Name of the OpenMM platform: trajectories are the same to the last bit on one platform only.

        Returns
        -------
        str
            16 hexadecimal digits.
        """
        digest = hashlib.sha256(openmm.XmlSerializer.serialize(self.system).encode("utf-8"))
        for array in (self.coordinates, self.saved, self.waters, self.centre):
            digest.update(np.ascontiguousarray(array).tobytes())
        stages = [
            [s.name, s.length_ps, s.step_fs, [list(item) for item in s.parameters], s.barostat, s.friction_per_ps]
            for s in (*self.equilibration, self.production)
        ]
        stages[-1][1] = 0.0
        numbers = [settings.temperature_kelvin, settings.friction_per_ps, settings.frame_ps, settings.segment_ps]
        content = [ENGINE_VERSION, platform, stages, numbers, self.n_nearest]
        digest.update(canonical_json(content).encode("ascii"))
        return digest.hexdigest()[:16]


def n_frames(settings: MdSettings) -> int:
    """Return how many frames each replica has."""
    return max(1, round(settings.production_ps / settings.frame_ps))


def whole_steps(length_ps: float, step_fs: float) -> tuple[int, float]:
    """Return how many steps of which length make ``length_ps``: the longest step up to ``step_fs`` that divides it.

    Returns
    -------
    count : int
    step_ps : float
    """
    count = max(1, math.ceil(length_ps / (step_fs * PS_PER_FS) - 1e-9))
    return count, length_ps / count


def replica_seeds(seed: int, replicas: int) -> tuple[int, ...]:
    """Return one seed per replica, spawned from the study's seed; more replicas leave the first ones as they are."""
    return tuple(int(value) for value in np.random.SeedSequence(seed).generate_state(replicas) % (2**31 - 1))


def part_seed(seed: int, *part: int) -> int:
    """Return the seed of one part of a replica, in OpenMM's range and never 0, which would mean a random one."""
    return int(np.random.SeedSequence([seed, *part]).generate_state(1)[0] % (2**31 - 1)) + 1
