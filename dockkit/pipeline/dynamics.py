"""Dynamics of one state of a complex under each preset: what is simulated, where it starts, what comes out.

``pocket``: a mobile shell around ligand and mutation in frozen surroundings. ``implicit``: the whole domain in
generalised-Born solvent. ``explicit``: the whole domain in a box of water. Equilibration goes in stages with restraints
that fade; production is free but for ``md.backbone_restraint_kcal_mol_a2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openmm

from dockkit.core.model import (
    Assembly,
    ComplexState,
    FloatArray,
    IntArray,
    Ligand,
    LigandParameters,
    Pose,
    Receptor,
    Region,
    Trajectory,
    freeze,
)
from dockkit.core.model.proteins import NO_AMINO_ACIDS
from dockkit.core.records import register
from dockkit.core.residues import is_polymer
from dockkit.core.settings import EnergySettings, MdSettings
from dockkit.energy import BindingEnergy
from dockkit.forcefield.solvated import (
    RESTRAIN_BACKBONE,
    RESTRAIN_REST,
    apo_assembly,
    complex_topology,
    explicit_system,
    implicit_system,
    whole_region,
)
from dockkit.forcefield.solvent import Solvent, solvate
from dockkit.forcefield.system import assemble, make_region, region_system, select_residues, subset_receptor
from dockkit.mutation import parse_variant, site_indices
from dockkit.sampling import Frames, Setup, Stage, choose_platform, n_frames, replica_seeds, run_setup, settle
from dockkit.sampling.writing import write_frames

ENERGY_SUBSET_ANGSTROM = 10.0
"""Receptor residues within this distance of a mutated residue or the ligand enter the energies of frames."""

EVALUATED_FRAMES = 100
"""At most so many frames of each replica, evenly spaced, get a binding energy."""

NEAREST_WATERS = 60
"""Bulk waters kept in each frame."""

MINIMISE_STEPS = 300

_FADING = (
    ("heating", 0.2, 2.0, 5.0, 2.0, False),
    ("restrained", 0.3, 4.0, 2.0, 0.5, True),
    ("loosened", 0.3, 4.0, 0.5, 0.0, True),
    ("free", 0.2, 4.0, 0.0, 0.0, True),
)
"""Equilibration of a whole domain: name, share of the time, longest step (fs), restraints of main chain and of the rest
(kcal/mol/A^2), whether the barostat works."""

_POCKET_RESTRAINT = "k"
_POCKET_FIRM = 10.0
_POCKET_HELD_SHARE = 0.5
_POCKET_FIRST_STEP = 2.0

_KJ_NM2 = 418.4
"""kJ/mol/nm^2 in kcal/mol/A^2."""

Params = dict[str, Any]
Inputs = dict[str, Any]


@register
@dataclass(frozen=True, slots=True)
class MdStart:
    """Where the replicas of one complex start: minimised, with its solvent.

    Parameters
    ----------
    coordinates : (n_particles, 3) float
        Angstrom; the complex, then its solvent.
    potential_kcal_mol : float
        After minimisation, restraints included.
    solvent : Solvent or None
        As it was built, before minimisation; says how many waters and ions there are, and the box.
    """

    coordinates: FloatArray
    potential_kcal_mol: float
    solvent: Solvent | None = None

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "coordinates", np.float64, (None, 3))


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


@dataclass(frozen=True, slots=True)
class Simulated:
    """One complex as it is simulated.

    Parameters
    ----------
    assembly : Assembly
        All of it, also what is left out of a pocket.
    ligand : Ligand or None
        None for apo.
    region : Region
        What is simulated of the assembly.
    coordinates : (n_atoms, 3) float
        Angstrom, of the assembly.
    """

    assembly: Assembly
    ligand: Ligand | None
    region: Region
    coordinates: FloatArray


def _common(inputs: Inputs) -> tuple[Receptor, Pose]:
    """Return the complex that both states were built on, which says for both alike what is near."""
    if "start" in inputs:
        receptor, pose = inputs["start"]
        return receptor, pose
    return inputs["receptor"], inputs["pose"]


def _near(params: Params, inputs: Inputs, shell: float, surrounding: float) -> tuple[IntArray, IntArray]:
    """Return residues of the state that are near to ligand and mutation, and those around them.

    They are chosen on the complex that both states were built on. A state may lack waters that the mutant displaced, so
    that residues are told by chain and number and not by their place.
    """
    common, pose = _common(inputs)
    sites = site_indices(common, parse_variant(params["variant"]), params["numbering"])
    chosen = select_residues(common, pose.coordinates, sites, shell, surrounding)
    names = _residue_keys(common)
    place = {name: index for index, name in enumerate(_residue_keys(inputs["complex"].receptor))}
    mobile, kept = (
        np.array(sorted(place[names[index]] for index in part if names[index] in place), dtype=np.int64)
        for part in chosen
    )
    return mobile, kept


def _residue_keys(receptor: Receptor) -> list[tuple[str, int, str, str]]:
    """Return what tells residues apart: chain, number, insertion code, and of caps, waters and ions the name."""
    polymer = is_polymer(receptor.residue_names)
    cap = np.isin(receptor.residue_names, NO_AMINO_ACIDS)
    return [
        (str(chain), int(number), str(code), "" if inside and not loose else str(name))
        for chain, number, code, name, inside, loose in zip(
            receptor.chain_ids, receptor.author_numbers, receptor.insertion_codes, receptor.residue_names, polymer, cap,
            strict=True,
        )
    ]  # fmt: skip


def simulated(params: Params, inputs: Inputs) -> Simulated:
    """Return what is simulated of one state of a complex.

    Parameters
    ----------
    params : dict
        ``md``, ``variant``, ``numbering``; ``apo`` where the ligand is left out.
    inputs : dict
        ``complex``, ``ligand``, ``parameters``, and ``start`` (or ``receptor`` and ``pose``).

    Returns
    -------
    Simulated
        The same residues for wild type and mutant, with and without ligand.
    """
    state: ComplexState = inputs["complex"]
    md = MdSettings(**params["md"])
    apo = bool(params.get("apo", False))
    ligand: Ligand = inputs["ligand"]
    parameters: LigandParameters = inputs["parameters"]
    assembly = apo_assembly(state.receptor) if apo else assemble(state.receptor, ligand, parameters)
    parts = [state.receptor.coordinates] if apo else [state.receptor.coordinates, state.ligand_coordinates]
    if md.preset == "pocket":
        mobile, kept = _near(params, inputs, md.shell_angstrom, md.frozen_angstrom)
        region = make_region(assembly, mobile, kept)
    else:
        region = whole_region(assembly)
    return Simulated(assembly, None if apo else ligand, region, np.concatenate(parts))


# ------------------------------------------------------------------------------------------------------ systems


def _system(what: Simulated, md: MdSettings, solvent: Solvent | None) -> openmm.System:
    if md.preset == "pocket":
        return region_system(
            what.assembly,
            what.region,
            what.coordinates,
            dielectric=md.dielectric,
            cutoff=md.cutoff_angstrom,
            backbone_restraint=md.backbone_restraint_kcal_mol_a2,
            for_dynamics=True,
        )
    if solvent is None:
        return implicit_system(what.assembly, what.coordinates, dielectric=md.dielectric, cutoff=md.cutoff_angstrom)
    return explicit_system(
        what.assembly,
        what.coordinates,
        solvent,
        cutoff=md.cutoff_angstrom,
        temperature=md.temperature_kelvin,
        pressure=md.pressure_bar,
    )


def _restraints(backbone: float, rest: float) -> tuple[tuple[str, float], ...]:
    return ((RESTRAIN_BACKBONE, backbone), (RESTRAIN_REST, rest))


def equilibration_stages(md: MdSettings) -> tuple[Stage, ...]:
    """Return the stages of equilibration of a preset.

    Parameters
    ----------
    md : MdSettings
        Preset, time step, length of equilibration, restraint of production.

    Returns
    -------
    tuple of Stage
        Empty where ``equilibration_ps`` is 0.
    """
    total, final = md.equilibration_ps, md.backbone_restraint_kcal_mol_a2
    if not total:
        return ()
    if md.preset == "pocket":
        held = total * _POCKET_HELD_SHARE
        firm = max(1.0, _POCKET_FIRM * final) * _KJ_NM2
        first = min(_POCKET_FIRST_STEP, md.step_fs)
        return (
            Stage("restrained", held, first, ((_POCKET_RESTRAINT, firm),)),
            Stage("free", total - held, md.step_fs, ((_POCKET_RESTRAINT, final * _KJ_NM2),)),
        )
    return tuple(
        Stage(name, share * total, min(step, md.step_fs), _restraints(max(main, final), rest), barostat)
        for name, share, step, main, rest, barostat in _FADING
    )


def _production(md: MdSettings) -> Stage:
    final = md.backbone_restraint_kcal_mol_a2
    parameters = ((_POCKET_RESTRAINT, final * _KJ_NM2),) if md.preset == "pocket" else _restraints(final, 0.0)
    return Stage("production", md.production_ps, md.step_fs, parameters)


def make_start(what: Simulated, md: MdSettings, seed: int) -> MdStart:
    """Solvate and minimise a complex, restrained to where it is; a pocket is minimised already.

    Parameters
    ----------
    what : Simulated
        The complex.
    md : MdSettings
        Preset and its box.
    seed : int
        Places the ions.

    Returns
    -------
    MdStart
        Coordinates of everything.

    Raises
    ------
    ForceFieldError
        The box cannot be built.
    SamplingError
        The minimisation failed.
    """
    if md.preset == "pocket":
        return MdStart(what.coordinates[what.region.atoms], 0.0)
    xyz, solvent = what.coordinates, None
    if md.preset == "explicit":
        solvent = solvate(
            what.assembly,
            what.coordinates,
            padding=md.padding_angstrom,
            cutoff=md.cutoff_angstrom,
            molarity=md.ionic_strength_molar,
            seed=seed,
        )
        xyz = np.concatenate([what.coordinates + solvent.solute_shift, solvent.coordinates])
    system = _system(what, md, solvent)
    _, _, _, main, rest, _ = _FADING[0]
    xyz, energy = settle(system, xyz, MINIMISE_STEPS, choose_platform(md.platform), dict(_restraints(main, rest)))
    return MdStart(xyz, energy, solvent)


def make_setup(what: Simulated, md: MdSettings, start: MdStart) -> Setup:
    """Return what the engine simulates.

    Parameters
    ----------
    what : Simulated
        The complex.
    md : MdSettings
        Preset, restraints, equilibration.
    start : MdStart
        From :func:`make_start`.

    Returns
    -------
    Setup
        Saves the complex, or everything where ``keep_solvent`` is set.
    """
    solute = len(what.region.atoms)
    solvent = start.solvent
    n_waters = len(solvent.waters) if solvent is not None else 0
    waters = solute + np.arange(3 * n_waters).reshape(-1, 3)
    saved = np.arange(len(start.coordinates) if md.keep_solvent else solute)
    return Setup(
        system=_system(what, md, solvent),
        coordinates=start.coordinates,
        saved=saved,
        equilibration=equilibration_stages(md),
        production=_production(md),
        waters=waters,
        centre=_centre(what) if n_waters else np.zeros(0, dtype=np.int64),
        n_nearest=min(NEAREST_WATERS, n_waters),
    )


def _centre(what: Simulated) -> IntArray:
    """Return the heavy atoms that waters are counted around: the ligand's, or the pocket's where it is empty."""
    n = what.assembly.receptor.n_atoms
    heavy = np.flatnonzero(what.assembly.elements != "H")
    if what.ligand is not None:
        return heavy[heavy >= n]
    receptor = what.assembly.receptor
    return np.flatnonzero(receptor.atom_names == "CA") if receptor.n_atoms else heavy


# -------------------------------------------------------------------------------------------------------- steps


def run_md_start(params: Params, inputs: Inputs, work_dir: Path) -> MdStart:
    """Solvate and minimise one state of a complex."""
    return make_start(simulated(params, inputs), MdSettings(**params["md"]), params["seed"])


def _frames(params: Params, inputs: Inputs, work_dir: Path, what: Simulated, seeds: tuple[int, ...]) -> Frames:
    md = MdSettings(**params["md"])
    start = inputs.get("box") or make_start(what, md, params["seed"])
    folder = Path(params["folder"]) if params.get("folder") else work_dir
    return run_setup(make_setup(what, md, start), md, seeds, folder, label=str(params.get("label", params["state"])))


def run_md_replica(params: Params, inputs: Inputs, work_dir: Path) -> MdReplica:
    """Run one replica; its frames stay in the folder of the simulation, where the next step finds them."""
    md = MdSettings(**params["md"])
    seed = replica_seeds(params["seed"], params["replica"] + 1)[-1]
    label = f"{params.get('label', params['state'])}, replica {params['replica'] + 1}"
    frames = _frames({**params, "label": label}, inputs, work_dir, simulated(params, inputs), (seed,))
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


MD_STEPS: dict[str, MdStep] = {
    "md-start": MdStep("1", run_md_start),
    "md-replica": MdStep("1", run_md_replica),
    "md": MdStep("1", run_md),
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
    _, subset = _near(params, inputs, 0.0, ENERGY_SUBSET_ANGSTROM)
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
