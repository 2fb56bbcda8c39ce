"""Assemble a complex from flat parameter arrays and make OpenMM systems of it or of a part of it.

The receptor's parameters (``forcefield/protein.py``) stand in the same flat arrays as a ligand's, so that any subset of
atoms, any charge scaling and any choice of frozen atoms is an array operation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import Assembly, FloatArray, IntArray, Ligand, LigandParameters, Receptor, Region, Stiffness
from dockkit.core.residues import WATER, is_polymer
from dockkit.core.units import ANGSTROM_PER_NM, KCAL_PER_KJ
from dockkit.forcefield.protein import born_parameters, receptor_parameters, receptor_topology
from dockkit.forcefield.splice import changed_parameters

ION_RESTRAINT = 10.0
"""Restraint of ions relative to that of the main chain."""

WATER_RESTRAINT = 5.0
"""The same of water oxygens in dynamics: at 0.1 kcal/mol/A^2 on the main chain a water alone spreads as one with a B
factor of 47 A^2 (3 B / 8 pi^2 = 3 RT / 2 k)."""

__all__ = [
    "assemble",
    "born_parameters",
    "combine",
    "make_region",
    "receptor_parameters",
    "receptor_topology",
    "region_system",
    "select_residues",
    "subset_receptor",
]

HYDROGEN_MASS = 3.0
"""Dalton; repartitioned hydrogen mass (Hopkins et al., J. Chem. Theory Comput. 2015, 11, 1864)."""


def combine(first: LigandParameters, second: LigandParameters) -> LigandParameters:
    """Return the parameters of two molecules side by side, the second's indices shifted.

    Parameters
    ----------
    first, second : LigandParameters
        Not bonded to each other.

    Returns
    -------
    LigandParameters
        ``first.n_atoms + second.n_atoms`` atoms.
    """
    shift = first.n_atoms
    joined = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("masses", "charges", "sigma", "epsilon")
    }
    for kind in ("bond", "angle", "torsion", "exception"):
        atoms, values = f"{kind}_atoms", f"{kind}_parameters"
        joined[atoms] = np.concatenate([getattr(first, atoms), getattr(second, atoms) + shift])
        joined[values] = np.concatenate([getattr(first, values), getattr(second, values)])
    return LigandParameters(
        name=f"{first.name}+{second.name}",
        smiles=second.smiles,
        method=f"{first.method}; {second.method}",
        **joined,
    )


def assemble(
    receptor: Receptor, ligand: Ligand, parameters: LigandParameters, parent: Receptor | None = None
) -> Assembly:
    """Join a receptor and a ligand.

    Parameters
    ----------
    receptor : Receptor
        Prepared receptor.
    ligand : Ligand
        Its atom order is that of ``parameters``.
    parameters : LigandParameters
        Of the ligand.
    parent : Receptor, optional
        What the receptor was made of by substitutions: its parameters are kept in memory, and only those of changed
        residues are made anew.

    Returns
    -------
    Assembly
        Parameters of every atom.

    Raises
    ------
    ForceFieldError
        The receptor has no parameters, or the ligand's do not fit it.
    """
    if parameters.n_atoms != ligand.n_atoms:
        raise ForceFieldError(f"{ligand.name}: {parameters.n_atoms} parameters for {ligand.n_atoms} atoms")
    if parent is None:
        protein = receptor_parameters(receptor)
    else:
        protein = changed_parameters(receptor_parameters(parent), parent, receptor)
    whole = combine(protein, parameters)
    radii, scales = born_parameters([*receptor.elements, *ligand.elements], whole.bond_atoms)
    return Assembly(receptor, ligand.name, ligand.elements, whole, radii, scales)


def select_residues(
    receptor: Receptor,
    ligand_coordinates: FloatArray,
    sites: Iterable[int],
    shell: float,
    surrounding: float,
) -> tuple[IntArray, IntArray]:
    """Choose the residues that may move and those kept around them.

    Called once per complex, on the receptor before any mutation, so that wild type and mutant share one choice.

    Parameters
    ----------
    receptor : Receptor
        Before mutation.
    ligand_coordinates : (n, 3) float
        Angstrom.
    sites : iterable of int
        Residue indices of the mutated residues.
    shell : float
        Residues with an atom within this distance (Angstrom) of a site or the ligand may move; with 0 the sites alone.
    surrounding : float
        Residues with an atom within this distance of a mobile atom (or of the ligand) are kept; the rest is left out.

    Returns
    -------
    mobile, kept : (m,) int, (k,) int
        Residue indices, ascending; ``mobile`` is part of ``kept``.
    """
    residue, xyz = receptor.atom_residue, receptor.coordinates

    def within(anchor: FloatArray, distance: float) -> IntArray:
        hits = cKDTree(anchor).query(xyz, distance_upper_bound=distance)[0] <= distance
        return np.unique(residue[hits])

    mutated = np.array(sorted(sites), dtype=np.int64)
    core = np.concatenate([xyz[np.isin(residue, mutated)], ligand_coordinates])
    mobile = np.union1d(mutated, within(core, shell))
    moving = np.concatenate([xyz[np.isin(residue, mobile)], ligand_coordinates])
    return mobile, np.union1d(mobile, within(moving, surrounding))


def make_region(assembly: Assembly, mobile_residues: IntArray, kept_residues: IntArray) -> Region:
    """Return the region of an assembly that holds these residues and the ligand, which always moves.

    Parameters
    ----------
    assembly : Assembly
        The complex.
    mobile_residues, kept_residues : (m,) int, (k,) int
        From :func:`select_residues`.

    Returns
    -------
    Region
        Whole residues.
    """
    residue, ligand = assembly.atom_residue, assembly.receptor.n_residues
    atoms = np.flatnonzero(np.isin(residue, [*kept_residues, ligand]))
    mobile = np.isin(residue[atoms], [*mobile_residues, ligand])
    return Region(atoms, mobile, kept_residues, mobile_residues)


def subset_receptor(receptor: Receptor, residues: IntArray, coordinates: FloatArray) -> Receptor:
    """Return a receptor of fewer residues.

    Parameters
    ----------
    receptor : Receptor
        The whole.
    residues : (m,) int
        Residue indices to keep, ascending.
    coordinates : (n_atoms, 3) float
        Coordinates of the whole receptor to take, Angstrom.

    Returns
    -------
    Receptor
        Numbers and names as in the whole; disulfides with a partner left out are dropped.
    """
    atoms = np.isin(receptor.atom_residue, residues)
    renumber = np.full(receptor.n_residues, -1)
    renumber[residues] = np.arange(len(residues))
    bridges = renumber[receptor.disulfides] if len(receptor.disulfides) else receptor.disulfides
    gaps = np.concatenate([[0], np.cumsum(np.diff(residues) > 1)])
    return dataclasses.replace(
        receptor,
        atom_names=receptor.atom_names[atoms],
        elements=receptor.elements[atoms],
        atom_residue=renumber[receptor.atom_residue[atoms]],
        coordinates=coordinates[atoms],
        segments=receptor.segments[residues] + gaps,
        disulfides=bridges[(bridges >= 0).all(axis=1)],
        **{
            name: getattr(receptor, name)[residues]
            for name in ("residue_names", "chain_ids", "insertion_codes", "author_numbers", "uniprot_numbers")
        },
    )


def _kept_rows(atoms: IntArray, index: IntArray, mobile: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    local = index[atoms]
    rows = np.flatnonzero((local >= 0).all(axis=1))
    moves = mobile[local[rows]].any(axis=1)
    rows = rows[moves]
    return rows, local[rows]


def region_stiffness(assembly: Assembly, region: Region, backbone_restraint: float) -> Stiffness:
    """Return what holds a region's mobile atoms, for a minimiser that knows its stiff directions.

    Parameters
    ----------
    assembly : Assembly
        The complex.
    region : Region
        From :func:`make_region`.
    backbone_restraint : float
        As in :func:`region_system`.

    Returns
    -------
    Stiffness
        Terms as in that system: bonded ones of mobile atoms, exceptions of all.
    """
    p, atoms = assembly.parameters, region.atoms
    index = np.full(assembly.n_atoms, -1, dtype=np.int64)
    index[atoms] = np.arange(len(atoms))
    terms: dict[str, Any] = {}
    everywhere = np.ones(len(atoms), dtype=bool)
    for kind in ("bond", "angle", "torsion", "exception"):
        of = everywhere if kind == "exception" else region.mobile
        rows, local = _kept_rows(getattr(p, f"{kind}_atoms"), index, of)
        terms |= {f"{kind}_atoms": local, f"{kind}_parameters": getattr(p, f"{kind}_parameters")[rows]}
    per_atom = {name: getattr(p, name)[atoms] for name in ("masses", "charges", "sigma", "epsilon")}
    part = LigandParameters(name=p.name, smiles=p.smiles, method=p.method, **per_atom, **terms)
    return Stiffness(part, backbone_restraint * _restraint_weights(assembly, 1.0)[atoms])


def region_system(
    assembly: Assembly,
    region: Region,
    coordinates: FloatArray,
    *,
    dielectric: float,
    cutoff: float,
    backbone_restraint: float,
    for_dynamics: bool = False,
) -> openmm.System:
    """Make the OpenMM system of a region: no implicit solvent, charges scaled for a uniform dielectric.

    Parameters
    ----------
    assembly : Assembly
        The complex.
    region : Region
        From :func:`make_region`.
    coordinates : (n_atoms, 3) float
        Angstrom; restraint reference of the whole assembly.
    dielectric : float
        Charges are divided by its square root.
    cutoff : float
        Non-bonded cut-off, Angstrom; the Coulomb term is shifted to zero there.
    backbone_restraint : float
        Harmonic constant on mobile main-chain heavy atoms and water oxygens, kcal/mol/A^2 (energy k r^2); ten times
        that on ions, whose place a crystal shows better than fixed charges hold it, and five times on water oxygens in
        dynamics, since no solvent keeps a water in its place.
    for_dynamics : bool
        Constrain bonds to hydrogen, keep waters rigid, and repartition hydrogen masses save those of water.

    Returns
    -------
    openmm.System
        Atoms in the order of ``region.atoms``; frozen atoms have mass 0. Bonded terms among frozen atoms are left out.
    """
    p = assembly.parameters
    nm, kj = 1.0 / ANGSTROM_PER_NM, 1.0 / KCAL_PER_KJ
    index = np.full(assembly.n_atoms, -1, dtype=np.int64)
    index[region.atoms] = np.arange(len(region.atoms))
    mobile = region.mobile
    hydrogen = assembly.elements[region.atoms] == "H"
    masses = _masses(assembly, region, index, hydrogen, for_dynamics)

    system = openmm.System()
    for mass in masses:
        system.addParticle(float(mass))

    bonds = openmm.HarmonicBondForce()
    rows, local = _kept_rows(p.bond_atoms, index, mobile)
    lengths: dict[int, float] = {}
    for (i, j), (length, k) in zip(local.tolist(), p.bond_parameters[rows].tolist(), strict=True):
        if for_dynamics and (hydrogen[i] or hydrogen[j]) and mobile[i] and mobile[j]:
            system.addConstraint(i, j, length * nm)
            lengths[i if hydrogen[i] else j] = length * nm
        else:
            bonds.addBond(i, j, length * nm, k * kj / nm**2)
    angles = openmm.HarmonicAngleForce()
    rows, local = _kept_rows(p.angle_atoms, index, mobile)
    water = _is_water(assembly)[region.atoms]
    for (i, j, k_), (theta, k) in zip(local.tolist(), p.angle_parameters[rows].tolist(), strict=True):
        if for_dynamics and water[j] and mobile[j]:
            system.addConstraint(i, k_, _third_side(lengths[i], lengths[k_], theta))
        else:
            angles.addAngle(i, j, k_, theta, k * kj)
    torsions = openmm.PeriodicTorsionForce()
    rows, local = _kept_rows(p.torsion_atoms, index, mobile)
    for atoms, (n, phase, k) in zip(local.tolist(), p.torsion_parameters[rows].tolist(), strict=True):
        torsions.addTorsion(*atoms, int(n), phase, k * kj)

    nonbonded = openmm.NonbondedForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffNonPeriodic)
    nonbonded.setCutoffDistance(cutoff * nm)
    nonbonded.setReactionFieldDielectric(1.0)
    charges = p.charges[region.atoms] / np.sqrt(dielectric)
    for q, s, e in zip(charges, p.sigma[region.atoms] * nm, p.epsilon[region.atoms] * kj, strict=True):
        nonbonded.addParticle(q, s, e)
    local = index[p.exception_atoms]
    rows = np.flatnonzero((local >= 0).all(axis=1))
    values = p.exception_parameters[rows] * [1.0 / dielectric, nm, kj]
    for (i, j), (q, s, e) in zip(local[rows].tolist(), values.tolist(), strict=True):
        nonbonded.addException(i, j, q, s, e)

    restraint = openmm.CustomExternalForce("k*weight*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    restraint.addGlobalParameter("k", backbone_restraint * kj / nm**2)
    for name in ("x0", "y0", "z0", "weight"):
        restraint.addPerParticleParameter(name)
    held = _restraint_weights(assembly, WATER_RESTRAINT if for_dynamics else 1.0)[region.atoms]
    for i in np.flatnonzero((held > 0.0) & mobile):
        restraint.addParticle(int(i), [*(coordinates[region.atoms[i]] * nm).tolist(), float(held[i])])
    for force in (bonds, angles, torsions, nonbonded, restraint):
        system.addForce(force)
    return system


def _is_water(assembly: Assembly) -> NDArray[np.bool_]:
    """Tell which atoms of an assembly belong to waters of its receptor."""
    receptor = assembly.receptor
    water = (receptor.residue_names == WATER)[receptor.atom_residue]
    return np.concatenate([water, np.zeros(len(assembly.ligand_elements), dtype=bool)])


def _restraint_weights(assembly: Assembly, of_water: float) -> FloatArray:
    """Return how strongly each atom is restrained: main-chain heavy atoms 1, water oxygens as said, ions 10."""
    receptor = assembly.receptor
    chain = is_polymer(receptor.residue_names)[receptor.atom_residue]
    water = _is_water(assembly)[: receptor.n_atoms]
    backbone = np.isin(receptor.atom_names, ("N", "CA", "C", "O"))
    held = np.where(chain, backbone, np.where(water, of_water * (receptor.elements != "H"), ION_RESTRAINT))
    return np.concatenate([held, np.zeros(len(assembly.ligand_elements))]).astype(np.float64)


def _third_side(a: float, b: float, angle: float) -> float:
    """Return the side of a triangle opposite ``angle`` (radians)."""
    return float(np.sqrt(a * a + b * b - 2.0 * a * b * np.cos(angle)))


def _masses(
    assembly: Assembly, region: Region, index: IntArray, hydrogen: NDArray[np.bool_], repartition: bool
) -> FloatArray:
    p = assembly.parameters
    masses = p.masses[region.atoms].copy()
    if repartition:
        water = _is_water(assembly)[region.atoms]
        for i, j in index[p.bond_atoms]:
            if i < 0 or j < 0 or hydrogen[i] == hydrogen[j] or water[i]:
                continue
            h, heavy = (i, j) if hydrogen[i] else (j, i)
            masses[heavy] -= HYDROGEN_MASS - masses[h]
            masses[h] = HYDROGEN_MASS
    masses[~region.mobile] = 0.0
    return masses
