"""Assemble a complex from flat parameter arrays and make OpenMM systems of it or of a part of it.

The protein is Amber ff14SB (Maier et al., J. Chem. Theory Comput. 2015, 11, 3696). Its parameters are read once
from OpenMM into the same flat arrays as a ligand's, so that any subset of atoms, any charge scaling and any
choice of frozen atoms is an array operation.
"""

from __future__ import annotations

import dataclasses
import functools
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app
from scipy.spatial import cKDTree

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import Assembly, FloatArray, IntArray, Ligand, LigandParameters, Receptor, Region
from dockkit.core.units import ANGSTROM_PER_NM, KCAL_PER_KJ

PROTEIN_FORCE_FIELD = "amber14/protein.ff14SB.xml"
HYDROGEN_MASS = 3.0
"""Dalton; repartitioned hydrogen mass (Hopkins et al., J. Chem. Theory Comput. 2015, 11, 1864)."""

_MBONDI2 = {"H": 1.2, "C": 1.7, "N": 1.55, "O": 1.5, "F": 1.5, "Si": 2.1, "P": 1.85, "S": 1.8, "Cl": 1.7, "Br": 1.85}
_MBONDI2_DEFAULT = 1.5
_MBONDI2_H_ON_N = 1.3
_MAGNESIUM_RADIUS = 1.18
_HCT_SCALE = {"H": 0.85, "C": 0.72, "N": 0.79, "O": 0.85, "F": 0.88, "P": 0.86, "S": 0.96}
_HCT_SCALE_DEFAULT = 0.8


@functools.cache
def _protein_force_field() -> app.ForceField:
    return app.ForceField(PROTEIN_FORCE_FIELD)


def receptor_topology(receptor: Receptor) -> app.Topology:
    """Return the OpenMM topology of a receptor.

    Parameters
    ----------
    receptor : Receptor
        Every hydrogen present, breaks capped.

    Returns
    -------
    openmm.app.Topology
        One OpenMM chain per peptide segment, standard bonds and disulfides, atoms in the record's order.
    """
    topology = app.Topology()
    chain = None
    previous: tuple[str, int] | None = None
    start = np.searchsorted(receptor.atom_residue, np.arange(receptor.n_residues + 1))
    atoms: list[app.topology.Atom] = []
    for index in range(receptor.n_residues):
        here = (str(receptor.chain_ids[index]), int(receptor.segments[index]))
        if here != previous:
            chain = topology.addChain(here[0])
            previous = here
        residue = topology.addResidue(
            str(receptor.residue_names[index]),
            chain,
            str(receptor.author_numbers[index]),
            str(receptor.insertion_codes[index]),
        )
        for atom in range(start[index], start[index + 1]):
            element = app.Element.getBySymbol(str(receptor.elements[atom]))
            atoms.append(topology.addAtom(str(receptor.atom_names[atom]), element, residue))
    topology.createStandardBonds()
    names = receptor.atom_names
    for first, second in receptor.disulfides:
        pair = [next(atoms[i] for i in range(start[r], start[r + 1]) if names[i] == "SG") for r in (first, second)]
        topology.addBond(*pair)
    return topology


def _parameters_of(system: openmm.System, name: str) -> LigandParameters:
    nm, kcal = ANGSTROM_PER_NM, KCAL_PER_KJ
    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(system))
    forces = {str(force.get("type")): force for force in root.iterfind("Forces/Force")}
    known = {"HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce"}
    if set(forces) - known:
        raise ForceFieldError(f"{name}: unexpected force {sorted(set(forces) - known)} in {PROTEIN_FORCE_FIELD}")

    def table(node: ElementTree.Element, path: str, columns: str) -> FloatArray:
        keys = columns.split()
        rows = [[float(str(item.get(key))) for key in keys] for item in node.iterfind(path)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(keys))

    bonds = table(forces["HarmonicBondForce"], "Bonds/Bond", "p1 p2 d k")
    angles = table(forces["HarmonicAngleForce"], "Angles/Angle", "p1 p2 p3 a k")
    torsions = table(forces["PeriodicTorsionForce"], "Torsions/Torsion", "p1 p2 p3 p4 periodicity phase k")
    particles = table(forces["NonbondedForce"], "Particles/Particle", "q sig eps")
    exceptions = table(forces["NonbondedForce"], "Exceptions/Exception", "p1 p2 q sig eps")
    return LigandParameters(
        name=name,
        smiles="",
        method=PROTEIN_FORCE_FIELD,
        masses=table(root, "Particles/Particle", "mass")[:, 0],
        charges=particles[:, 0],
        sigma=particles[:, 1] * nm,
        epsilon=particles[:, 2] * kcal,
        bond_atoms=bonds[:, :2].astype(np.int64),
        bond_parameters=bonds[:, 2:] * [nm, kcal / nm**2],
        angle_atoms=angles[:, :3].astype(np.int64),
        angle_parameters=angles[:, 3:] * [1.0, kcal],
        torsion_atoms=torsions[:, :4].astype(np.int64),
        torsion_parameters=torsions[:, 4:] * [1.0, 1.0, kcal],
        exception_atoms=exceptions[:, :2].astype(np.int64),
        exception_parameters=exceptions[:, 2:] * [1.0, nm, kcal],
    )


def receptor_parameters(receptor: Receptor) -> LigandParameters:
    """Return the Amber ff14SB parameters of a receptor as flat arrays.

    Parameters
    ----------
    receptor : Receptor
        Prepared receptor.

    Returns
    -------
    LigandParameters
        In the receptor's atom order.

    Raises
    ------
    ForceFieldError
        A residue matches no template; the message names it.
    """
    topology = receptor_topology(receptor)
    try:
        system = _protein_force_field().createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
        )
    except ValueError as error:
        raise ForceFieldError(f"{receptor.name}: {error}") from error
    return _parameters_of(system, receptor.name)


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


def born_parameters(elements: Iterable[str], bond_atoms: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return modified Bondi radii (mbondi2) and HCT screening factors.

    Parameters
    ----------
    elements : iterable of str
        Element symbols, n atoms.
    bond_atoms : (n_bonds, 2) int
        A hydrogen bonded to nitrogen gets 1.3 A.

    Returns
    -------
    radii : (n,) float
        Angstrom. Onufriev, Bashford, Case, Proteins 2004, 55, 383. Mg2+ takes its Pauling-like 1.18 A.
    scales : (n,) float
        Hawkins, Cramer, Truhlar, J. Phys. Chem. 1996, 100, 19824.
    """
    symbols = [str(element) for element in elements]
    radii = np.array([_MBONDI2.get(symbol, _MBONDI2_DEFAULT) for symbol in symbols])
    scales = np.array([_HCT_SCALE.get(symbol, _HCT_SCALE_DEFAULT) for symbol in symbols])
    for i, j in bond_atoms:
        for atom, other in ((i, j), (j, i)):
            if symbols[atom] == "H" and symbols[other] == "N":
                radii[atom] = _MBONDI2_H_ON_N
    radii[[symbol == "Mg" for symbol in symbols]] = _MAGNESIUM_RADIUS
    return radii, scales


def assemble(receptor: Receptor, ligand: Ligand, parameters: LigandParameters) -> Assembly:
    """Join a receptor and a ligand.

    Parameters
    ----------
    receptor : Receptor
        Prepared receptor.
    ligand : Ligand
        Its atom order is that of ``parameters``.
    parameters : LigandParameters
        Of the ligand.

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
    whole = combine(receptor_parameters(receptor), parameters)
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
        Harmonic constant on mobile N, CA, C, O atoms, kcal/mol/A^2 (energy k r^2).
    for_dynamics : bool
        Repartition hydrogen masses and constrain bonds to hydrogen.

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
    for (i, j), (length, k) in zip(local.tolist(), p.bond_parameters[rows].tolist(), strict=True):
        if for_dynamics and (hydrogen[i] or hydrogen[j]) and mobile[i] and mobile[j]:
            system.addConstraint(i, j, length * nm)
        else:
            bonds.addBond(i, j, length * nm, k * kj / nm**2)
    angles = openmm.HarmonicAngleForce()
    rows, local = _kept_rows(p.angle_atoms, index, mobile)
    for atoms, (theta, k) in zip(local.tolist(), p.angle_parameters[rows].tolist(), strict=True):
        angles.addAngle(*atoms, theta, k * kj)
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

    restraint = openmm.CustomExternalForce("k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    restraint.addGlobalParameter("k", backbone_restraint * kj / nm**2)
    for name in ("x0", "y0", "z0"):
        restraint.addPerParticleParameter(name)
    names = np.concatenate([assembly.receptor.atom_names, np.full(len(assembly.ligand_elements), "")])
    backbone = np.isin(names[region.atoms], ("N", "CA", "C", "O")) & mobile
    for i in np.flatnonzero(backbone):
        restraint.addParticle(int(i), (coordinates[region.atoms[i]] * nm).tolist())
    for force in (bonds, angles, torsions, nonbonded, restraint):
        system.addForce(force)
    return system


def _masses(
    assembly: Assembly, region: Region, index: IntArray, hydrogen: NDArray[np.bool_], repartition: bool
) -> FloatArray:
    p = assembly.parameters
    masses = p.masses[region.atoms].copy()
    if repartition:
        for i, j in index[p.bond_atoms]:
            if i < 0 or j < 0 or hydrogen[i] == hydrogen[j]:
                continue
            h, heavy = (i, j) if hydrogen[i] else (j, i)
            masses[heavy] -= HYDROGEN_MASS - masses[h]
            masses[h] = HYDROGEN_MASS
    masses[~region.mobile] = 0.0
    return masses
