"""The steps of a study: the only place where stages meet.

Each step is a function ``run(params, inputs, work_dir) -> record``. Its version is part of every content key: raise it
whenever the same inputs would give another result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.errors import DockkitError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import (
    ComplexState,
    DynamicsComparison,
    DynamicsLeg,
    FloatArray,
    Kinase,
    Ligand,
    LigandParameters,
    Numbering,
    Pose,
    Receptor,
    StructureEntry,
    Variant,
)
from dockkit.core.settings import DockingSettings, EnergySettings, PreparationSettings, RelaxSettings
from dockkit.docking.atp import with_metals
from dockkit.docking.bound import pose_from_bound_file, pose_from_group, pose_from_input
from dockkit.docking.box import box_of_pocket
from dockkit.docking.search import dock_kinase
from dockkit.energy import BindingEnergy
from dockkit.forcefield.hydroxyls import turn_hydroxyls
from dockkit.forcefield.parameters import parametrise
from dockkit.forcefield.system import assemble, make_region, region_system
from dockkit.kinase import identify_kinase, load_kinase, measure_conformation
from dockkit.ligand import load_ligand
from dockkit.mutation import build_variant, check_variant, parse_variant, site_indices
from dockkit.mutation.waters import displaced_waters, without_waters
from dockkit.pipeline.dynamics import run_md
from dockkit.pipeline.dynamics_analysis import compare_leg
from dockkit.pipeline.legs import Geometry, choose_zones, energy_atoms, settle_models
from dockkit.pipeline.nucleotide import place_nucleotide
from dockkit.pipeline.prepare import chain_differences
from dockkit.pipeline.rescore import choose_refined
from dockkit.sampling import minimise
from dockkit.structure import catalogue, prepare_receptor, read_structure

ENERGY_SUBSET_ANGSTROM = 10.0
"""Receptor residues within this distance of a mutated residue or the ligand enter the energies of trajectory frames."""

BOUND_WITHIN_ANGSTROM = 4.0
"""A group of a structure file this close to the chosen chain may be the ligand's bound pose."""

TELLING_WEIGHT = 0.1
"""Conformers below it are left out of the contributions of residues, not of the sum."""

START_ITERATIONS = 1000
"""L-BFGS iterations of the common start; some 2 s for a kinase domain."""

Params = dict[str, Any]
Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A named computation with its version."""

    version: str
    run: Callable[[Params, Inputs, Path], Any]


def _library_entry(name: str) -> StructureEntry | None:
    return next((entry for entry in catalogue() if entry.name == name), None)


def _kinase_of(name: str) -> Kinase | None:
    return load_kinase(name) if name else None


def run_receptor(params: Params, inputs: Inputs, work_dir: Path) -> Receptor:
    """Read, number, repair and protonate a structure."""
    entry = _library_entry(params["entry"])
    path = library_dir("structures") / entry.file if entry else Path(params["entry"])
    raw = read_structure(path, params["chain"])
    try:
        found, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    except StructureError as error:
        raise StructureError(f"{path}: chain {raw.chain or '(blank)'}: {error}") from error
    wanted = _kinase_of(params["kinase"])
    if wanted is not None and wanted.uniprot != found.uniprot:
        raise StructureError(
            f"{path.name}: chain {raw.chain_ids[0]} is {found.gene} ({found.uniprot}), not {wanted.gene}; "
            "give a structure of the wanted kinase or change the study's kinase"
        )
    receptor = prepare_receptor(
        raw,
        name=entry.name if entry else path.name.split(".")[0],
        kinase=found,
        uniprot_numbers=numbers,
        settings=PreparationSettings(**params["preparation"]),
        modelled=bool(entry and entry.modelled),
        found=chain_differences(raw, found, numbers),
        seed=params["seed"],
    )
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, found))


def run_ligand(params: Params, inputs: Inputs, work_dir: Path) -> Ligand:
    """Read a ligand and give it three dimensions."""
    ligand = load_ligand(params["ligand"], seed=params["seed"], keep_state=params["keep_state"], label=params["label"])
    return with_metals(ligand, params["n_magnesium"]) if "n_magnesium" in params else ligand


def run_parameters(params: Params, inputs: Inputs, work_dir: Path) -> LigandParameters:
    """Parametrise a ligand, once."""
    return parametrise(inputs["ligand"])


def run_pose(params: Params, inputs: Inputs, work_dir: Path) -> Pose:
    """Take the bound pose where the input has one, place ATP, or dock."""
    receptor, ligand = inputs["receptor"], inputs["ligand"]
    settings = DockingSettings(**params["docking"])
    kinase = load_kinase(receptor.kinase)
    entry = _library_entry(params["entry"])
    if ligand.entry is not None and ligand.entry.binding_type == "nucleotide":
        return place_nucleotide(receptor, ligand, kinase, None, params["seed"]).pose
    stray = ligand.pose_given and not _touches(receptor, ligand)
    if ligand.pose_given and settings.use_bound_pose and not stray:
        return pose_from_input(receptor, ligand)
    if (
        entry
        and settings.use_bound_pose
        and entry.bound_ligand
        and ligand.entry
        and entry.bound_ligand == ligand.entry.name
    ):
        return pose_from_bound_file(receptor, ligand, library_dir("structures") / entry.bound_ligand_file)
    if entry is None and settings.use_bound_pose and (bound := _pose_in_file(receptor, ligand, Path(params["entry"]))):
        return bound
    if entry:
        center, size = entry.box_center, entry.box_size
    else:
        box = box_of_pocket(receptor, kinase)
        center, size = box.center, box.size
    poses = dock_kinase(receptor, ligand, kinase, center, size, settings, params["seed"], params["cpu"])
    energy = EnergySettings(**params.get("energy", {}))
    chosen = choose_refined(poses, receptor, ligand, kinase, inputs["parameters"], settings.rescore, energy)
    if stray:
        reason = f"docked, since the file's coordinates do not touch {receptor.name}; {chosen.reason}"
        chosen = dataclasses.replace(chosen, reason=reason)
    return chosen


def _touches(receptor: Receptor, ligand: Ligand) -> bool:
    distance = cKDTree(receptor.coordinates).query(ligand.coordinates)[0]
    return bool((distance <= BOUND_WITHIN_ANGSTROM).any())


def _pose_in_file(receptor: Receptor, ligand: Ligand, path: Path) -> Pose | None:
    """Return the ligand's pose where the user's structure file holds it, nearest copy to the chosen chain first."""
    chain = str(receptor.chain_ids[0])
    for group in read_structure(path, chain).hetero:
        if group.distance <= BOUND_WITHIN_ANGSTROM:
            pose = pose_from_group(receptor, ligand, group.elements, group.coordinates, group.label)
            if pose is not None:
                return pose
    return None


def _path_variant(params: Params) -> Variant:
    variant = parse_variant(params["variant"])
    return variant.reversed_to_wild_type if params["state"] == "wild-type" else variant


def run_start(params: Params, inputs: Inputs, work_dir: Path) -> tuple[Receptor, Pose]:
    """Relax the complex as given, before any mutation: the common start of the wild type and every mutant.

    From a common minimum the states differ near the mutation only; started from the unrelaxed structure each would
    find a minimum of its own, far away from the mutation too, and that noise would stand in ddG.
    """
    receptor, ligand, pose = inputs["receptor"], inputs["ligand"], inputs["pose"]
    relax = RelaxSettings(**params["relax"])
    assembly = assemble(receptor, ligand, inputs["parameters"])
    everything = np.arange(receptor.n_residues)
    turned = turn_hydroxyls(assembly, _complex(receptor, pose), everything, relax.dielectric)
    region = make_region(assembly, everything, everything)
    system = region_system(
        assembly, region, turned,
        dielectric=relax.dielectric, cutoff=relax.cutoff_angstrom,
        backbone_restraint=relax.start_restraint_kcal_mol_a2,
    )  # fmt: skip
    xyz, _ = minimise(system, region, turned, START_ITERATIONS)
    n = receptor.n_atoms
    return dataclasses.replace(receptor, coordinates=xyz[:n]), dataclasses.replace(pose, coordinates=xyz[n:])


def _without_displaced(
    receptor: Receptor, ligand: Ligand, pose: Pose, variant: Variant, numbering: Numbering
) -> Receptor:
    """Return the receptor without the waters that the mutant's side chains displace, for both states alike."""
    if not (receptor.residue_names == "HOH").any():
        return receptor
    model = build_variant(
        receptor, variant, numbering=numbering, ligand_coordinates=pose.coordinates, ligand_elements=ligand.elements,
        n_models=1,
    )[0]  # fmt: skip
    return without_waters(receptor, displaced_waters(model.receptor, site_indices(receptor, variant, numbering)))


def run_state(params: Params, inputs: Inputs, work_dir: Path) -> ComplexState:
    """Build one state of a complex on the common start, relax its conformers, and take their binding energies.

    A ligand that brings its metal ions has no strain: taken away, it would leave acids face to face that water and ions
    hold apart in the empty protein, and which minimum these fall into is noise.
    """
    ligand, (receptor, pose) = inputs["ligand"], inputs["start"]
    relax, energy, numbering = RelaxSettings(**params["relax"]), EnergySettings(**params["energy"]), params["numbering"]
    given = parse_variant(params["variant"])
    check_variant(receptor, given, numbering)
    receptor = _without_displaced(receptor, ligand, pose, given, numbering)
    sites = site_indices(receptor, given, numbering)
    zones = choose_zones(receptor, pose, sites, relax)
    models = build_variant(
        receptor, _path_variant(params), numbering=numbering, ligand_coordinates=pose.coordinates,
        ligand_elements=ligand.elements, n_models=relax.n_rotamers,
    )  # fmt: skip
    assembly = assemble(models[0].receptor, ligand, inputs["parameters"], receptor)
    geometries = settle_models(assembly, models, pose, zones, relax, params["seed"], "Mg" not in ligand.elements)
    counted = energy_atoms(receptor, pose, sites, energy.subset_angstrom)
    evaluator = BindingEnergy(assembly, energy, np.flatnonzero(np.isin(assembly.receptor.atom_residue, counted)))
    terms = np.array([[*evaluator.terms(one.leg.coordinates), one.leg.strain] for one in geometries])
    weights = np.array([one.weight for one in geometries])
    shown = geometries[0]
    contributions = _contributions(evaluator, geometries)
    n = assembly.receptor.n_atoms
    return ComplexState(
        state=params["state"],
        variant=params["variant"],
        receptor=dataclasses.replace(models[shown.conformer].receptor, coordinates=shown.leg.coordinates[:n]),
        ligand=ligand.name,
        ligand_coordinates=shown.leg.coordinates[n:],
        terms=terms,
        per_residue=contributions,
        desolvation=float(weights @ terms.sum(axis=1) - contributions.sum()),
        start_labels=tuple(f"{'; '.join(models[one.conformer].rotamers)} start {one.start}" for one in geometries),
        warnings=_model_warnings(receptor, pose),
        weights=weights,
        conformers=np.array([one.conformer for one in geometries]),
    )


def _contributions(evaluator: BindingEnergy, geometries: list[Geometry]) -> FloatArray:
    """Return the contributions of residues, (n_residues, 3) float, from the first start of conformers that matter."""
    telling = [one for one in geometries if one.start == 0 and (one is geometries[0] or one.weight >= TELLING_WEIGHT)]
    weights = np.array([one.weight for one in telling])
    each = np.array([evaluator.per_residue(one.leg.coordinates) for one in telling])
    return np.asarray(np.tensordot(weights / weights.sum(), each, axes=1))


def _model_warnings(receptor: Receptor, pose: Pose) -> tuple[str, ...]:
    out = []
    if receptor.modelled:
        out.append(f"{receptor.name} is a modelled structure")
    if pose.engine != "bound":
        out.append(f"pose of {pose.ligand} by {pose.engine}: {pose.reason}")
    return tuple(out)


def _complex(receptor: Receptor, pose: Pose) -> FloatArray:
    return np.concatenate([receptor.coordinates, pose.coordinates])


def run_comparison(params: Params, inputs: Inputs, work_dir: Path) -> DynamicsComparison:
    """Compare the two trajectories of a row."""
    kinase: Kinase | None
    try:
        kinase = load_kinase(inputs["wild_type"].receptor.kinase)
    except DockkitError:
        kinase = None
    nucleotide = inputs["ligand"].entry is not None and inputs["ligand"].entry.binding_type == "nucleotide"
    leg = DynamicsLeg("ATP" if nucleotide else "inhibitor", inputs["wild_type"], inputs["mutant"], inputs["ligand"])
    return compare_leg(leg, kinase, params["numbering"])


STEPS: dict[str, Step] = {
    "receptor": Step("2", run_receptor),
    "ligand": Step("2", run_ligand),
    "parameters": Step("1", run_parameters),
    "pose": Step("3", run_pose),
    "start": Step("6", run_start),
    "state": Step("7", run_state),
    "dynamics": Step("5", run_md),
    "comparison": Step("3", run_comparison),
}
