"""What the dynamics of one state of a complex simulate under each preset, and where they start.

``pocket``: a mobile shell around ligand and mutation in frozen surroundings. ``implicit``: the whole domain in
generalised-Born solvent. ``explicit``: the whole domain in a box of water. Equilibration goes in stages with restraints
that fade; production is free but for ``md.backbone_restraint_kcal_mol_a2``.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    freeze,
)
from dockkit.core.model.proteins import NO_AMINO_ACIDS
from dockkit.core.records import register
from dockkit.core.residues import is_polymer
from dockkit.core.settings import MdSettings
from dockkit.forcefield.solvated import (
    RESTRAIN_BACKBONE,
    RESTRAIN_REST,
    apo_assembly,
    explicit_system,
    implicit_system,
    whole_region,
)
from dockkit.forcefield.solvent import Solvent, solvate
from dockkit.forcefield.system import assemble, make_region, region_system, select_residues
from dockkit.mutation import parse_variant, site_indices
from dockkit.sampling import Setup, Stage, choose_platform, settle

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

_EQUILIBRATION_FRICTION = 10.0
"""1/ps. Velocities are drawn at a minimum, where half of their heat goes into the potential; the bath gives it back
within a few of the friction's time constants."""

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


def near_residues(params: Params, inputs: Inputs, shell: float, surrounding: float) -> tuple[IntArray, IntArray]:
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
        mobile, kept = near_residues(params, inputs, md.shell_angstrom, md.frozen_angstrom)
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
            Stage("restrained", held, first, ((_POCKET_RESTRAINT, firm),), friction_per_ps=_EQUILIBRATION_FRICTION),
            Stage(
                "free", total - held, md.step_fs, ((_POCKET_RESTRAINT, final * _KJ_NM2),),
                friction_per_ps=_EQUILIBRATION_FRICTION,
            ),
        )  # fmt: skip
    return tuple(
        Stage(
            name,
            share * total,
            min(step, md.step_fs),
            _restraints(max(main, final), rest),
            barostat,
            _EQUILIBRATION_FRICTION,
        )  # fmt: skip
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
