"""The steps of ``dockkit md``: where the replicas of one state of a complex start, each replica, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dockkit.core.model import FloatArray, IntArray, Trajectory
from dockkit.core.records import register
from dockkit.core.settings import EnergySettings, MdSettings
from dockkit.core.task import Task
from dockkit.energy import BindingEnergy
from dockkit.forcefield.solvated import complex_topology
from dockkit.forcefield.system import subset_receptor
from dockkit.pipeline.dynamics_setup import (
    Inputs,
    MdStart,
    Params,
    Simulated,
    make_setup,
    make_start,
    near_residues,
    simulated,
)
from dockkit.sampling import Frames, n_frames, replica_seeds, run_setup, stored_progress
from dockkit.sampling.writing import write_frames

ENERGY_SUBSET_ANGSTROM = 10.0
"""Receptor residues within this distance of a mutated residue or the ligand enter the energies of frames."""

EVALUATED_FRAMES = 100
"""At most so many frames of each replica, evenly spaced, get a binding energy."""

REPLICA_ROLE = "replica"
"""Of an input; its number, from 0, follows."""


@register
@dataclass(frozen=True, slots=True)
class MdReplica:
    """A replica that is finished; its frames lie in the folder of the simulation.

    Parameters
    ----------
    seed, n_particles, n_frames : int
    mean_kelvin, sd_kelvin, mean_potential_kcal_mol : float
        Over the frames of production.
    platform : str
    notes : tuple of str
    """

    seed: int
    n_particles: int
    n_frames: int
    mean_kelvin: float
    sd_kelvin: float
    mean_potential_kcal_mol: float
    platform: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MdStep:
    """A named computation with its version."""

    version: str
    run: Callable[[Params, Inputs, Path], Any]


def run_md_start(params: Params, inputs: Inputs, work_dir: Path) -> MdStart:
    """Solvate and minimise one state of a complex."""
    return make_start(simulated(params, inputs), MdSettings(**params["md"]), params["seed"])


def _frames(params: Params, inputs: Inputs, work_dir: Path, what: Simulated, seeds: tuple[int, ...]) -> Frames:
    md = MdSettings(**params["md"])
    start = inputs.get("box") or make_start(what, md, params["seed"])
    folder = Path(params["folder"]) if params.get("folder") else work_dir
    label = str(params.get("label", params["state"]))
    ran_on = [done.platform for done in _replicas(inputs)]
    return run_setup(make_setup(what, md, start), md, seeds, folder, label=label, ran_on=ran_on)


def _replicas(inputs: Inputs) -> list[MdReplica]:
    """Return the replicas among the inputs, in order of their numbers."""
    names = [name for name in inputs if name.startswith(REPLICA_ROLE)]
    return [inputs[name] for name in sorted(names, key=lambda name: int(name.removeprefix(REPLICA_ROLE)))]


def run_md_replica(params: Params, inputs: Inputs, work_dir: Path) -> MdReplica:
    """Run one replica; its frames stay in the folder of the simulation, where the next step finds them."""
    md = MdSettings(**params["md"])
    seed = replica_seeds(params["seed"], params["replica"] + 1)[-1]
    frames = _frames({**params, "label": _label(params)}, inputs, work_dir, simulated(params, inputs), (seed,))
    return MdReplica(
        seed=seed,
        n_particles=len(inputs["box"].coordinates),
        n_frames=n_frames(md),
        mean_kelvin=float(frames.temperature_kelvin.mean()),
        sd_kelvin=float(frames.temperature_kelvin.std()),
        mean_potential_kcal_mol=float(frames.potential_kcal_mol.mean()),
        platform=frames.platform,
        notes=frames.notes,
    )


def run_md(params: Params, inputs: Inputs, work_dir: Path) -> Trajectory:
    """Gather the replicas of one state of a complex, running those that are not there, with energies of frames."""
    md, energy = MdSettings(**params["md"]), EnergySettings(**params["energy"])
    what = simulated(params, inputs)
    start = inputs.get("box") or make_start(what, md, params["seed"])
    frames = _frames(params, {**inputs, "box": start}, work_dir, what, replica_seeds(params["seed"], md.replicas))
    if params.get("stem"):
        _write_files(what, start, frames, md, trajectory_folder(Path(params["folder"])), params["stem"])
    solute = frames.coordinates[:, :, : len(what.region.atoms)]
    n_protein = int((what.region.atoms < what.assembly.receptor.n_atoms).sum())
    shape = solute.shape[:2]
    if what.ligand is None:
        terms, contributions = np.zeros((*shape, 0)), np.zeros((0, 0, 0, 3))
    else:
        terms, contributions = _energies(what, solute, params, inputs, energy)
    first = start.coordinates[: len(what.region.atoms)]
    moved = np.array(what.assembly.receptor.coordinates)
    moved[what.region.atoms[:n_protein]] = first[:n_protein]
    return Trajectory(
        state=params["state"],
        ligand=what.ligand.name if what.ligand else "",
        receptor=subset_receptor(what.assembly.receptor, what.region.residues, moved),
        ligand_start=first[n_protein:],
        ligand_coordinates=solute[:, :, n_protein:],
        receptor_coordinates=solute[:, :, :n_protein],
        mobile_residues=np.searchsorted(what.region.residues, what.region.mobile_residues),
        time_ps=frames.time_ps,
        terms=terms,
        temperature_kelvin=frames.temperature_kelvin,
        seeds=np.array(frames.seeds),
        preset=md.preset,
        potential_kcal_mol=frames.potential_kcal_mol,
        water_coordinates=frames.waters,
        platform=frames.platform,
        notes=frames.notes,
        contributions=contributions,
    )


def replica_progress(task: Task) -> int:
    """Return a number that grows with every segment of a replica that is stored; 0 for other tasks.

    Parameters
    ----------
    task : Task

    Returns
    -------
    int
        A replica that a walltime ended goes on from the last of them.
    """
    if task.step != "md-replica":
        return 0
    return stored_progress(Path(task.params["folder"]), _label(task.params))


def _label(params: Params) -> str:
    return f"{params.get('label', params['state'])}, replica {params['replica'] + 1}"


MD_STEPS: dict[str, MdStep] = {
    "md-start": MdStep("2", run_md_start),
    "md-replica": MdStep("2", run_md_replica),
    "md": MdStep("2", run_md),
}
"""The steps of ``dockkit md``. ``folder`` among their parameters is where simulations live from run to run."""


def _write_files(what: Simulated, start: MdStart, frames: Frames, md: MdSettings, folder: Path, stem: str) -> None:
    """Write every replica as XTC, and one PDB as their topology."""
    receptor = what.assembly.receptor
    part = subset_receptor(receptor, what.region.residues, receptor.coordinates)
    topology = complex_topology(part, what.ligand, start.solvent if md.keep_solvent else None)
    boxed = md.keep_solvent and start.solvent is not None
    first = start.coordinates[: frames.coordinates.shape[2]]
    write_frames(frames, topology, first, folder, stem, superpose=not boxed and md.preset != "pocket", boxed=boxed)


def trajectory_folder(folder: Path) -> Path:
    """Return where trajectory files go: beside the folder of the simulations."""
    return folder.parent / "trajectories"


def evaluated_frames(count: int) -> IntArray:
    """Return which of ``count`` frames get a binding energy: all, or evenly spaced ones with the last among them."""
    stride = max(1, -(-count // EVALUATED_FRAMES))
    return np.arange(count - 1, -1, -stride)[::-1]


def _energies(
    what: Simulated, solute: FloatArray, params: Params, inputs: Inputs, energy: EnergySettings
) -> tuple[FloatArray, FloatArray]:
    """Return MM-GBSA terms of frames and what each residue contributes; NaN in frames that are passed over."""
    _, subset = near_residues(params, inputs, 0.0, ENERGY_SUBSET_ANGSTROM)
    atoms = np.flatnonzero(np.isin(what.assembly.receptor.atom_residue, subset))
    evaluator = BindingEnergy(what.assembly, energy, atoms)
    replicas, count = solute.shape[:2]
    terms = np.full((replicas, count, 4), np.nan)
    contributions = np.full((replicas, count, len(what.region.residues), 3), np.nan)
    whole = what.coordinates.copy()
    for replica in range(replicas):
        for frame in evaluated_frames(count):
            whole[what.region.atoms] = solute[replica, frame]
            terms[replica, frame] = evaluator.terms(whole)
            contributions[replica, frame] = evaluator.per_residue(whole)[what.region.residues]
    return terms, contributions
