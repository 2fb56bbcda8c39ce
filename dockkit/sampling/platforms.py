"""Choose the OpenMM platform, and make contexts on it that give the same forces on every run."""

from __future__ import annotations

import functools
import logging

import openmm

from dockkit.core.errors import SamplingError

GPU_PLATFORMS = ("CUDA", "HIP", "OpenCL")
_BY_SPEED = (*GPU_PLATFORMS, "CPU", "Reference")
_ANY_GPU = "gpu"

_LOG = logging.getLogger(__name__)


def choose_platform(wanted: str = "") -> openmm.Platform:
    """Return the OpenMM platform to use, and say in the log which it is.

    Parameters
    ----------
    wanted : str
        Platform name, or ``gpu`` for any graphics card; empty takes the fastest that works here (CUDA, HIP, OpenCL,
        CPU). Where a graphics card is wanted and none works, the fastest of the others is taken with a warning.

    Returns
    -------
    openmm.Platform
        The platform.

    Raises
    ------
    SamplingError
        The wanted platform is no graphics card's and is not installed; the message lists those that are.
    """
    if warning := platform_warning(wanted):
        _LOG.warning(warning)
    platform = openmm.Platform.getPlatformByName(_choose(wanted))
    _LOG.info("OpenMM platform %s", platform.getName())
    return platform


def platform_warning(wanted: str = "") -> str:
    """Return what to say where a graphics card was asked for and none works; empty otherwise.

    Parameters
    ----------
    wanted : str
        As for :func:`choose_platform`.

    Returns
    -------
    str
        A sentence with a remedy.
    """
    asked = _gpu_names(wanted)
    if not asked or any(works(name) for name in asked):
        return ""
    present = ", ".join(_present())
    return (
        f"NO GPU: platform '{wanted}' was asked for, but no such device works here (OpenMM has {present}); running on "
        f"{_choose(wanted)}, which is many times slower. Check the driver (nvidia-smi) and install dockkit[cuda]"
    )


def _gpu_names(wanted: str) -> tuple[str, ...]:
    if wanted.lower() == _ANY_GPU:
        return GPU_PLATFORMS
    return tuple(name for name in GPU_PLATFORMS if name.lower() == wanted.lower())


def _present() -> list[str]:
    return [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]


def _choose(wanted: str) -> str:
    present = _present()
    names = {name.lower(): name for name in present}
    asked = _gpu_names(wanted)
    if wanted and not asked:
        if wanted.lower() not in names:
            raise SamplingError(f"OpenMM platform '{wanted}' is not available here; present: {', '.join(present)}")
        return names[wanted.lower()]
    for name in (*asked, *_BY_SPEED):
        if works(name):
            return name
    raise SamplingError("OpenMM has no usable platform")


@functools.cache
def works(name: str) -> bool:
    """Tell whether a platform has a device: one can be installed (a bare OpenCL loader, say) where there is none."""
    if name not in _present():
        return False
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
        On the CPU one thread is used: tasks, not threads, share the cores, and the order of sums is fixed. On a
        graphics card forces are summed in fixed order and positions kept in mixed precision.

    Returns
    -------
    openmm.Context
        Without positions.
    """
    known = platform.getPropertyNames()
    wanted = {"DeterministicForces": "true", "Threads": "1", "Precision": "mixed"}
    return openmm.Context(system, integrator, platform, {k: v for k, v in wanted.items() if k in known})
