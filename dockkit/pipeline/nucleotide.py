"""ATP or ADP with magnesium in a kinase: placed, minimised in the force field, checked; another structure proposed.

:func:`place_nucleotide` joins the placement on annotated residues with a minimisation in which the side chains around
the nucleotide give way, and keeps the result that has more of the contacts that crystals show. Where a structure cannot
hold the nucleotide, :func:`alternatives` names those of the library that can.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.errors import DockingError, DockkitError
from dockkit.core.library import library_dir
from dockkit.core.model import FloatArray, Kinase, Ligand, LigandParameters, Pose, Receptor, StructureEntry
from dockkit.core.settings import PreparationSettings, RelaxSettings
from dockkit.docking.atp import measure_nucleotide, place_atp, with_metals
from dockkit.docking.nucleotide.geometry import NucleotideGeometry
from dockkit.forcefield.hydroxyls import turn_hydroxyls
from dockkit.forcefield.system import assemble, make_region, region_system, select_residues
from dockkit.kinase import identify_kinase, measure_conformation
from dockkit.pipeline.choice import choose_entry
from dockkit.sampling import minimise
from dockkit.structure import catalogue, prepare_receptor, read_structure

SIDE_CHAINS_WITHIN: Final = 4.5
"""Angstrom: residues this close to the nucleotide give way."""


@dataclass(frozen=True, slots=True)
class NucleotideComplex:
    """A kinase with ATP or ADP and magnesium.

    Parameters
    ----------
    receptor : Receptor
        With the side chains as minimised around the nucleotide, or as given where the placement was better.
    ligand : Ligand
        With the metals that were asked for.
    pose : Pose
        ``engine`` is ``placed``; features and reason hold the geometry.
    geometry : NucleotideGeometry
    placed : NucleotideGeometry
        Before minimisation.
    minimised : bool
        Whether the minimised complex was kept.
    energy_kcal_mol : float
        Potential energy of the minimised region; NaN where nothing was minimised.
    moved_angstrom : float
        Root-mean-square motion of the nucleotide's heavy atoms in the minimisation.
    """

    receptor: Receptor
    ligand: Ligand
    pose: Pose
    geometry: NucleotideGeometry
    placed: NucleotideGeometry
    minimised: bool
    energy_kcal_mol: float
    moved_angstrom: float


def place_nucleotide(
    receptor: Receptor,
    ligand: Ligand,
    kinase: Kinase,
    parameters: LigandParameters | None,
    seed: int,
    *,
    n_magnesium: int | None = None,
    settings: RelaxSettings | None = None,
    propose: bool = True,
) -> NucleotideComplex:
    """Place ATP or ADP with magnesium, minimise it with the side chains around it, and check its geometry.

    Parameters
    ----------
    receptor : Receptor
    ligand : Ligand
        The nucleotide with one or two Mg2+ as further fragments.
    kinase : Kinase
    parameters : LigandParameters or None
        Of the nucleotide with the metals asked for (:func:`dockkit.docking.atp.with_metals`); None for a placement
        without minimisation.
    seed : int
    n_magnesium : int, optional
        1 or 2; as many as the ligand has by default. With fewer than it has, its last ions are left out.
    settings : RelaxSettings, optional
        Dielectric, cut-off, restraint and iterations of the minimisation.
    propose : bool
        Try other structures of the library where this one cannot hold the nucleotide, and say which can.

    Returns
    -------
    NucleotideComplex
        The minimised complex, unless the placement itself fails fewer checks.

    Raises
    ------
    DockingError
        The structure cannot hold the nucleotide: why, and which structures of the library to use instead.
    """
    wanted = ligand if n_magnesium is None else with_metals(ligand, n_magnesium)
    try:
        pose = place_atp(receptor, wanted, kinase, seed)
    except DockingError as error:
        if not propose:
            raise
        raise DockingError(f"{error}. {proposal(receptor, wanted, kinase, seed)}") from error
    geometry = measure_nucleotide(receptor, wanted, kinase, pose.coordinates)
    placed = NucleotideComplex(receptor, wanted, pose, geometry, geometry, False, float("nan"), 0.0)
    if parameters is None:
        return placed
    return refine_nucleotide(placed, kinase, parameters, settings or RelaxSettings())


def refine_nucleotide(
    placed: NucleotideComplex, kinase: Kinase, parameters: LigandParameters, settings: RelaxSettings
) -> NucleotideComplex:
    """Minimise a placed nucleotide and the residues around it in the force field.

    Parameters
    ----------
    placed : NucleotideComplex
        Not yet minimised.
    kinase : Kinase
    parameters : LigandParameters
        Of ``placed.ligand``.
    settings : RelaxSettings

    Returns
    -------
    NucleotideComplex
        The minimised complex, unless the placement fails fewer checks.

    Raises
    ------
    ForceFieldError, SamplingError
        The complex has no parameters, or its energy is not finite.
    """
    receptor, ligand, pose = placed.receptor, placed.ligand, placed.pose
    moved, xyz, energy = _minimised(receptor, ligand, parameters, pose.coordinates, settings)
    geometry = measure_nucleotide(moved, ligand, kinase, xyz)
    heavy = ligand.elements != "H"
    shift = float(np.sqrt(((xyz - pose.coordinates)[heavy] ** 2).sum(axis=1).mean()))
    if len(geometry.failed) > len(placed.geometry.failed):
        return dataclasses.replace(placed, energy_kcal_mol=energy, moved_angstrom=shift)
    better = dataclasses.replace(
        pose,
        coordinates=xyz,
        features=geometry.features,
        reason=f"placed on the hinge, the catalytic Lys, the DFG Asp and the catalytic loop, then minimised with the "
        f"side chains around it ({shift:.1f} A): {geometry.statement}",
    )
    return NucleotideComplex(moved, ligand, better, geometry, placed.geometry, True, energy, shift)


def _minimised(
    receptor: Receptor, ligand: Ligand, parameters: LigandParameters, placed: FloatArray, settings: RelaxSettings
) -> tuple[Receptor, FloatArray, float]:
    """Return receptor, ligand coordinates and energy after minimising the nucleotide and what touches it."""
    mobile, kept = select_residues(receptor, placed, (), SIDE_CHAINS_WITHIN, settings.cutoff_angstrom)
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, placed])
    turned = turn_hydroxyls(assembly, xyz, mobile, settings.dielectric)
    region = make_region(assembly, mobile, kept)
    system = region_system(
        assembly,
        region,
        turned,
        dielectric=settings.dielectric,
        cutoff=settings.cutoff_angstrom,
        backbone_restraint=settings.start_restraint_kcal_mol_a2,
    )
    moved, energy = minimise(system, region, turned, settings.max_iterations)
    n = receptor.n_atoms
    return dataclasses.replace(receptor, coordinates=moved[:n]), moved[n:], energy


@dataclass(frozen=True, slots=True)
class Alternative:
    """A structure of the library tried for a nucleotide.

    Parameters
    ----------
    entry : StructureEntry
    pose : Pose or None
        None where it cannot hold it either.
    reason : str
        Why not; empty where it can.
    """

    entry: StructureEntry
    pose: Pose | None
    reason: str = ""


def alternatives(
    kinase: Kinase, ligand: Ligand, seed: int, exclude: Sequence[str] = (), enough: int = 1
) -> list[Alternative]:
    """Try the library's structures of a kinase for a nucleotide, the likeliest first.

    Parameters
    ----------
    kinase : Kinase
    ligand : Ligand
    seed : int
    exclude : sequence of str
        Names of structures not to try.
    enough : int
        Stop after so many that hold it.

    Returns
    -------
    list of Alternative
        In the order tried.
    """
    left = [e for e in catalogue() if e.uniprot == kinase.uniprot and e.name not in exclude]
    tried: list[Alternative] = []
    while left and sum(a.pose is not None for a in tried) < enough:
        entry = choose_entry(left, "nucleotide", ligand.name)
        left.remove(entry)
        try:
            tried.append(Alternative(entry, place_atp(_prepared(entry, kinase), ligand, kinase, seed)))
        except DockkitError as error:
            tried.append(Alternative(entry, None, str(error)))
    return tried


def _prepared(entry: StructureEntry, kinase: Kinase) -> Receptor:
    raw = read_structure(library_dir("structures") / entry.file)
    _, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    receptor = prepare_receptor(
        raw,
        name=entry.name,
        kinase=kinase,
        uniprot_numbers=numbers,
        settings=PreparationSettings(waters="none"),
        modelled=entry.modelled,
    )
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase))


def proposal(receptor: Receptor, ligand: Ligand, kinase: Kinase, seed: int = 0) -> str:
    """Return what to use in place of a structure that cannot hold a nucleotide, in a sentence.

    Parameters
    ----------
    receptor : Receptor
        That cannot; left out of the proposals.
    ligand : Ligand
    kinase : Kinase
    seed : int

    Returns
    -------
    str
        Names a structure of the library that holds the nucleotide, with how well; or, where there is none, the command
        that models one.
    """
    try:
        tried = alternatives(kinase, ligand, seed, exclude=(receptor.name,))
    except DockkitError as error:
        return f"No other structure could be tried: {error}"
    good = [a for a in tried if a.pose is not None]
    refused = [a.entry.name for a in tried if a.pose is None]
    also = f" ({', '.join(refused)} cannot hold it either)" if refused else ""
    if good:
        entry = good[0].entry
        kind = "a model" if entry.modelled else f"PDB {entry.pdb_id}" if entry.pdb_id else "a crystal"
        return f"In the library {entry.name} holds it: {kind}, DFG-{entry.dfg}, alpha-C {entry.alpha_c}{also}"
    return (
        f"The library has no structure of {kinase.gene} that holds it{also}; model the active conformation with "
        f"'dockkit model-state {receptor.name} --state dfg-in' and use what it writes"
    )
