"""Steps for benchmarks/panel.py, importable by name in worker processes: nothing, work for one core, and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dockkit.core.model import Estimate, Receptor


@dataclass(frozen=True)
class BenchStep:
    """A step with a version and a function."""

    version: str
    run: Callable[[dict[str, Any], dict[str, Any], Path], Any]


def nothing(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Give the number back: what remains is the engine."""
    return Estimate(float(params["value"]), 0.0)


def work(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Move argon on OpenMM's CPU platform with one thread: the kind of work that a state's minimisation is."""
    import openmm
    from openmm import unit

    n_side = 8
    grid = np.array(np.meshgrid(*[np.arange(n_side)] * 3)).reshape(3, -1).T * 0.38
    system, force = openmm.System(), openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    edge = n_side * 0.38
    system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
    for _ in grid:
        system.addParticle(39.9)
        force.addParticle(0.0, 0.34, 0.996)
    system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(120 * unit.kelvin, 1 / unit.picosecond, 2 * unit.femtosecond)
    integrator.setRandomNumberSeed(int(params["value"]) + 1)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, integrator, platform, {"Threads": "1"})
    context.setPositions(grid)
    integrator.step(int(params["steps"]))
    energy = context.getState(getEnergy=True).getPotentialEnergy()
    return Estimate(float(energy.value_in_unit(unit.kilocalorie_per_mole)), 0.0)


def memory(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Estimate:
    """Give the resident MB of this worker: bare, or with every library that real steps use."""
    if params["imports"]:
        import dockkit.pipeline.steps  # noqa: F401
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return Estimate(int(line.split()[1]) / 1024, 0.0)
    raise OSError("/proc/self/status has no VmRSS")


def sized_receptor(params: dict[str, Any], inputs: dict[str, Any], work_dir: Path) -> Receptor:
    """Give a receptor as large as a kinase domain with hydrogens: 270 residues, 4,320 atoms, no physics in them."""
    residues, each = 270, 16
    names = ["N", "CA", "C", "O", "CB", *(f"H{k}" for k in range(each - 5))]
    elements = ["N", "C", "C", "O", "C", *["H"] * (each - 5)]
    place = np.random.default_rng(1).normal(scale=15.0, size=(residues * each, 3))
    return Receptor(
        name="sized", kinase="ABL1", uniprot="P00519", source="made up", modelled=False, atom_names=names * residues,
        elements=elements * residues, atom_residue=np.repeat(np.arange(residues), each), coordinates=place,
        residue_names=["ALA"] * residues, chain_ids=["A"] * residues, insertion_codes=[""] * residues,
        author_numbers=range(233, 233 + residues), uniprot_numbers=range(233, 233 + residues), segments=[0] * residues,
    )  # fmt: skip


STEPS = {"nothing": BenchStep("1", nothing), "work": BenchStep("1", work), "memory": BenchStep("1", memory)}
