"""Systems of a whole kinase domain: in generalised-Born solvent, or in a box of TIP3P water with ions.

Bonded terms, charges, constraints and repartitioned masses are those of ``forcefield/system.py``; here come the solvent
and the restraints of equilibration. The generalised-Born model is OBC2 (Onufriev, Bashford, Case, Proteins 2004, 55,
383) as OpenMM's own GBSAOBCForce on every platform: the same model as a CustomGBForce, as ``implicit/obc2.xml`` makes
it, gives the same energies and takes an order of magnitude longer on the CPU.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import openmm
from openmm import app, unit

from dockkit.core.formats.parts import ligand_parts
from dockkit.core.model import Assembly, FloatArray, Ligand, Receptor, Region
from dockkit.core.residues import WATER, is_polymer
from dockkit.core.units import ANGSTROM_PER_NM, KCAL_PER_KJ
from dockkit.forcefield.protein import WATER_FORCE_FIELD, born_parameters, receptor_parameters, receptor_topology
from dockkit.forcefield.solvent import Solvent
from dockkit.forcefield.system import region_system

RESTRAIN_BACKBONE = "restrain_backbone"
RESTRAIN_REST = "restrain_rest"
"""Global parameters of the restraints: constants k of energies k r^2, kcal/mol/A^2, of main-chain heavy atoms and of
the other heavy atoms of the solute."""

SOLVENT_DIELECTRIC = 78.5

_KEPT_WATER, _KEPT_ION = 0.5, 1.0
"""kcal/mol/A^2; hold kept waters and ions in implicit solvent, where nothing else keeps them in place."""


def apo_assembly(receptor: Receptor) -> Assembly:
    """Return an assembly of a receptor alone.

    Parameters
    ----------
    receptor : Receptor
        Prepared receptor.

    Returns
    -------
    Assembly
        Without ligand atoms.

    Raises
    ------
    ForceFieldError
        The receptor has no parameters.
    """
    parameters = receptor_parameters(receptor)
    radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
    return Assembly(receptor, "", np.zeros(0, dtype=str), parameters, radii, scales)


def whole_region(assembly: Assembly) -> Region:
    """Return the region that is everything, all of it free to move."""
    residues = np.arange(assembly.receptor.n_residues)
    return Region(np.arange(assembly.n_atoms), np.ones(assembly.n_atoms, dtype=bool), residues, residues)


def implicit_system(assembly: Assembly, coordinates: FloatArray, *, dielectric: float, cutoff: float) -> openmm.System:
    """Make the system of a whole complex in generalised-Born solvent, for dynamics.

    Parameters
    ----------
    assembly : Assembly
        The complex, or a receptor alone.
    coordinates : (n_atoms, 3) float
        Angstrom; reference of the restraints.
    dielectric : float
        Of the solute.
    cutoff : float
        Angstrom, of all non-bonded terms; Coulomb and Born terms are shifted to zero there.

    Returns
    -------
    openmm.System
        Atoms in the assembly's order, with the global parameters ``restrain_backbone`` and ``restrain_rest``, both 0.
    """
    system = _bare_system(assembly, coordinates, dielectric, cutoff)
    system.addForce(born_force(assembly, dielectric, cutoff))
    _add_restraints(system, assembly, coordinates, periodic=False)
    _hold_loose(system, assembly, coordinates)
    return system


def born_force(assembly: Assembly, dielectric: float, cutoff: float) -> openmm.GBSAOBCForce:
    """Return OpenMM's own OBC2 force of a complex, without a surface term.

    Parameters
    ----------
    assembly : Assembly
        Charges, radii and scales.
    dielectric : float
        Of the solute.
    cutoff : float
        Angstrom; 0 for none.

    Returns
    -------
    openmm.GBSAOBCForce
        To go with a NonbondedForce of the same cut-off.
    """
    force = openmm.GBSAOBCForce()
    force.setNonbondedMethod(force.CutoffNonPeriodic if cutoff else force.NoCutoff)
    if cutoff:
        force.setCutoffDistance(cutoff / ANGSTROM_PER_NM)
    force.setSoluteDielectric(dielectric)
    force.setSolventDielectric(SOLVENT_DIELECTRIC)
    force.setSurfaceAreaEnergy(0.0)
    charges = assembly.parameters.charges
    for q, r, s in zip(charges, assembly.born_radii / ANGSTROM_PER_NM, assembly.born_scales, strict=True):
        force.addParticle(q, r, s)
    return force


def explicit_system(
    assembly: Assembly, coordinates: FloatArray, solvent: Solvent, *, cutoff: float, temperature: float, pressure: float
) -> openmm.System:
    """Make the system of a complex in a box of water: PME, rigid water, a barostat.

    Parameters
    ----------
    assembly : Assembly
        The complex, or a receptor alone.
    coordinates : (n_atoms, 3) float
        Angstrom, of the complex before ``solvent.solute_shift``; reference of the restraints.
    solvent : Solvent
        From :func:`solvate`.
    cutoff : float
        Angstrom, of the direct space sum and of Lennard-Jones terms (with a long-range correction).
    temperature, pressure : float
        Kelvin, bar; of the barostat.

    Returns
    -------
    openmm.System
        The complex, then waters, cations and anions; with the global parameters ``restrain_backbone`` and
        ``restrain_rest``, both 0. Positions: ``coordinates + solvent.solute_shift``, then ``solvent.coordinates``.
    """
    system = _bare_system(assembly, coordinates, 1.0, cutoff)
    nonbonded = _nonbonded(system)
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.PME)
    nonbonded.setReactionFieldDielectric(SOLVENT_DIELECTRIC)
    nonbonded.setUseDispersionCorrection(True)
    model = _water_model()
    for _ in range(len(solvent.waters)):
        first = system.getNumParticles()
        for mass, (q, sigma, epsilon) in zip(model.masses, model.nonbonded, strict=True):
            system.addParticle(mass)
            nonbonded.addParticle(q, sigma, epsilon)
        for i, j, length in model.constraints:
            system.addConstraint(first + i, first + j, length)
            nonbonded.addException(first + i, first + j, 0.0, 1.0, 0.0)
    ions = ((solvent.cations, model.sodium), (solvent.anions, model.chloride))
    for places, (mass, (q, sigma, epsilon)) in ions:
        for _ in range(len(places)):
            system.addParticle(mass)
            nonbonded.addParticle(q, sigma, epsilon)
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in solvent.box / ANGSTROM_PER_NM))
    _add_restraints(system, assembly, coordinates + solvent.solute_shift, periodic=True)
    system.addForce(openmm.MonteCarloBarostat(pressure * unit.bar, temperature * unit.kelvin, 25))
    return system


def _bare_system(assembly: Assembly, coordinates: FloatArray, dielectric: float, cutoff: float) -> openmm.System:
    """Return the region system of everything, without its restraints."""
    system = region_system(
        assembly,
        whole_region(assembly),
        coordinates,
        dielectric=dielectric,
        cutoff=cutoff,
        backbone_restraint=0.0,
        for_dynamics=True,
    )
    for index in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(index), openmm.CustomExternalForce):
            system.removeForce(index)
    return system


def _nonbonded(system: openmm.System) -> openmm.NonbondedForce:
    return next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))


def _add_restraints(system: openmm.System, assembly: Assembly, reference: FloatArray, *, periodic: bool) -> None:
    """Add restraints whose constants are global parameters, 0 to begin with."""
    receptor = assembly.receptor
    chain = is_polymer(receptor.residue_names)[receptor.atom_residue]
    main = np.zeros(assembly.n_atoms, dtype=bool)
    main[: receptor.n_atoms] = chain & np.isin(receptor.atom_names, ("N", "CA", "C", "O"))
    heavy = assembly.elements != "H"
    square = "periodicdistance(x,y,z,x0,y0,z0)^2" if periodic else "((x-x0)^2+(y-y0)^2+(z-z0)^2)"
    per_nm = ANGSTROM_PER_NM**2 / KCAL_PER_KJ
    for name, chosen in ((RESTRAIN_BACKBONE, main & heavy), (RESTRAIN_REST, ~main & heavy)):
        force = openmm.CustomExternalForce(f"{name}*{per_nm!r}*{square}")
        force.addGlobalParameter(name, 0.0)
        for axis in ("x0", "y0", "z0"):
            force.addPerParticleParameter(axis)
        for atom in np.flatnonzero(chosen):
            force.addParticle(int(atom), (reference[atom] / ANGSTROM_PER_NM).tolist())
        system.addForce(force)


def _hold_loose(system: openmm.System, assembly: Assembly, reference: FloatArray) -> None:
    """Hold kept waters and ions of the receptor where they are."""
    receptor = assembly.receptor
    loose = ~is_polymer(receptor.residue_names)[receptor.atom_residue] & (receptor.elements != "H")
    if not loose.any():
        return
    force = openmm.CustomExternalForce("k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0", "k"):
        force.addPerParticleParameter(name)
    water = (receptor.residue_names == WATER)[receptor.atom_residue]
    per_nm = ANGSTROM_PER_NM**2 / KCAL_PER_KJ
    for atom in np.flatnonzero(loose):
        constant = (_KEPT_WATER if water[atom] else _KEPT_ION) * per_nm
        force.addParticle(int(atom), [*(reference[atom] / ANGSTROM_PER_NM).tolist(), constant])
    system.addForce(force)


@dataclass(frozen=True, slots=True)
class _WaterModel:
    """TIP3P and the ions made for it, nm and kJ/mol."""

    masses: tuple[float, ...]
    nonbonded: tuple[tuple[float, float, float], ...]
    constraints: tuple[tuple[int, int, float], ...]
    sodium: tuple[float, tuple[float, float, float]]
    chloride: tuple[float, tuple[float, float, float]]


@functools.cache
def _water_model() -> _WaterModel:
    """Read water and ions from the force field's own file."""
    topology = app.Topology()
    chain = topology.addChain()
    water = topology.addResidue("HOH", chain)
    oxygen, *hydrogens = (topology.addAtom(name, app.Element.getBySymbol(name[0]), water) for name in ("O", "H1", "H2"))
    for hydrogen in hydrogens:
        topology.addBond(oxygen, hydrogen)
    for name, symbol in (("NA", "Na"), ("CL", "Cl")):
        topology.addAtom(name, app.Element.getBySymbol(symbol), topology.addResidue(name, topology.addChain()))
    system = app.ForceField(WATER_FORCE_FIELD).createSystem(topology, rigidWater=True, removeCMMotion=False)
    force = _nonbonded(system)
    masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(5)]
    terms = []
    for i in range(5):
        q, sigma, epsilon = (
            value.value_in_unit_system(unit.md_unit_system) for value in force.getParticleParameters(i)
        )
        terms.append((q, sigma, epsilon))
    constraints = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    return _WaterModel(
        tuple(masses[:3]),
        tuple(terms[:3]),
        tuple((int(i), int(j), d.value_in_unit(unit.nanometer)) for i, j, d in constraints),
        (masses[3], terms[3]),
        (masses[4], terms[4]),
    )


# --------------------------------------------------------------------------------------------------- topology


def complex_topology(receptor: Receptor, ligand: Ligand | None, solvent: Solvent | None = None) -> app.Topology:
    """Return the OpenMM topology of a complex and its solvent, with every bond.

    Parameters
    ----------
    receptor : Receptor
        Residue numbers are the author's.
    ligand : Ligand or None
        Each of its molecules and ions is a residue.
    solvent : Solvent, optional
        Waters and ions after the complex.

    Returns
    -------
    openmm.app.Topology
        Atoms in the system's order.
    """
    topology = receptor_topology(receptor)
    if ligand is not None:
        _add_ligand(topology, ligand)
    if solvent is not None:
        _add_solvent(topology, solvent)
        topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in solvent.box / ANGSTROM_PER_NM] * unit.nanometer)
    return topology


def _add_ligand(topology: app.Topology, ligand: Ligand) -> None:
    chain = topology.addChain("L")
    for part in ligand_parts(ligand, ligand.coordinates):
        residue = topology.addResidue(part.residue_name, chain)
        atoms = [
            topology.addAtom(name, app.Element.getBySymbol(symbol), residue)
            for name, symbol in zip(part.atom_names.tolist(), part.elements.tolist(), strict=True)
        ]
        for i, j, _ in part.bonds.tolist():
            topology.addBond(atoms[i], atoms[j])


def _add_solvent(topology: app.Topology, solvent: Solvent) -> None:
    chain = topology.addChain("W")
    oxygen, hydrogen = app.Element.getBySymbol("O"), app.Element.getBySymbol("H")
    for _ in range(len(solvent.waters)):
        residue = topology.addResidue(WATER, chain)
        centre = topology.addAtom("O", oxygen, residue)
        for name in ("H1", "H2"):
            topology.addBond(centre, topology.addAtom(name, hydrogen, residue))
    chain = topology.addChain("I")
    for count, symbol in ((len(solvent.cations), "Na"), (len(solvent.anions), "Cl")):
        for _ in range(count):
            residue = topology.addResidue(symbol.upper(), chain)
            topology.addAtom(symbol.upper(), app.Element.getBySymbol(symbol), residue)
