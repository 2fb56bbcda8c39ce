"""MM-GBSA in plain OpenMM, without any code of dockkit's energies: what `mmgbsa_reference.py` compares with.

Whole systems of complex, receptor and ligand from an assembly's parameters, no cut-off; energies and minimisation.
"""

from __future__ import annotations

import numpy as np
import openmm
from openmm import unit

from dockkit.core.model import Assembly
from dockkit.core.settings import EnergySettings
from dockkit.core.units import KCAL_PER_KJ

NM = 0.1


def plain_system(
    assembly: Assembly,
    atoms: np.ndarray,
    energy: EnergySettings,
    *,
    solvent: bool,
    bonded: bool = False,
    mobile: np.ndarray | None = None,
) -> openmm.System:
    """Return a system of some atoms of a complex: group 0 vdW and bonded, group 1 Coulomb, group 2 OBC2; no cut-off.

    Parameters
    ----------
    assembly : Assembly
    atoms : (n,) int
        Ascending.
    energy : EnergySettings
        Dielectric constants.
    solvent : bool
        With OBC2.
    bonded : bool
        With bonds, angles and torsions.
    mobile : (n,) bool, optional
        Atoms that keep their mass; all by default.
    """
    p, system = assembly.parameters, openmm.System()
    index = np.full(assembly.n_atoms, -1)
    index[atoms] = np.arange(len(atoms))
    for k, atom in enumerate(atoms):
        system.addParticle(float(p.masses[atom]) if mobile is None or mobile[k] else 0.0)
    vdw, coulomb, born = openmm.NonbondedForce(), openmm.NonbondedForce(), openmm.GBSAOBCForce()
    born.setSoluteDielectric(energy.solute_dielectric)
    born.setSolventDielectric(energy.solvent_dielectric)
    born.setSurfaceAreaEnergy(0.0)
    scaled = p.charges / np.sqrt(energy.solute_dielectric)
    for atom in atoms:
        vdw.addParticle(0.0, p.sigma[atom] * NM, p.epsilon[atom] / KCAL_PER_KJ)
        coulomb.addParticle(scaled[atom], 0.1, 0.0)
        born.addParticle(p.charges[atom], assembly.born_radii[atom] * NM, assembly.born_scales[atom])
    for (i, j), (product, sigma, depth) in zip(index[p.exception_atoms].tolist(), p.exception_parameters, strict=True):
        if i >= 0 and j >= 0:
            vdw.addException(i, j, 0.0, sigma * NM, depth / KCAL_PER_KJ)
            coulomb.addException(i, j, product / energy.solute_dielectric, 0.1, 0.0)
    forces: list[openmm.Force] = [vdw, coulomb]
    forces += [born] if solvent else []
    forces += _bonded(assembly, index) if bonded else []
    for force, group in zip(forces, (0, 1, 2 if solvent else 0, 0, 0, 0), strict=False):
        force.setForceGroup(group)
        system.addForce(force)
    return system


def _bonded(assembly: Assembly, index: np.ndarray) -> list[openmm.Force]:
    p = assembly.parameters
    bonds, angles, torsions = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    for atoms, (length, k) in zip(index[p.bond_atoms].tolist(), p.bond_parameters, strict=True):
        if min(atoms) >= 0:
            bonds.addBond(*atoms, length * NM, k / KCAL_PER_KJ / NM**2)
    for atoms, (theta, k) in zip(index[p.angle_atoms].tolist(), p.angle_parameters, strict=True):
        if min(atoms) >= 0:
            angles.addAngle(*atoms, theta, k / KCAL_PER_KJ)
    for atoms, (n, phase, k) in zip(index[p.torsion_atoms].tolist(), p.torsion_parameters, strict=True):
        if min(atoms) >= 0:
            torsions.addTorsion(*atoms, int(n), phase, k / KCAL_PER_KJ)
    return [bonds, angles, torsions]


def context_of(system: openmm.System) -> openmm.Context:
    """Return a context on one thread of the CPU platform."""
    platform = openmm.Platform.getPlatformByName("CPU")
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Threads": "1"})


def energy_of(context: openmm.Context, xyz: np.ndarray | None, groups: int = -1) -> float:
    """Return the energy of some force groups, kcal/mol."""
    if xyz is not None:
        context.setPositions(xyz * NM)
    found = context.getState(getEnergy=True, groups=groups).getPotentialEnergy()
    return float(found.value_in_unit(unit.kilocalorie_per_mole))


def parts_of(assembly: Assembly) -> list[np.ndarray]:
    """Return the atoms of complex, receptor and ligand."""
    n = assembly.receptor.n_atoms
    return [np.arange(assembly.n_atoms), np.arange(n), np.arange(n, assembly.n_atoms)]


def plain_terms(assembly: Assembly, xyz: np.ndarray, energy: EnergySettings) -> list[float]:
    """Return vdW, Coulomb and OBC2 of binding as three whole systems give them, kcal/mol."""
    out = np.zeros(3)
    for atoms, sign in zip(parts_of(assembly), (1.0, -1.0, -1.0), strict=True):
        context = context_of(plain_system(assembly, atoms, energy, solvent=True))
        out += [sign * energy_of(context, xyz[atoms] if k == 0 else None, 1 << k) for k in range(3)]
    return out.tolist()


class Surrounded:
    """The complex, or its receptor, in OBC2 with some residues mobile."""

    def __init__(
        self,
        assembly: Assembly,
        atoms: np.ndarray,
        residues: np.ndarray,
        reference: np.ndarray,
        restraint: float,
        energy: EnergySettings,
    ) -> None:
        receptor = assembly.receptor
        mobile = np.isin(assembly.atom_residue[atoms], [*residues, receptor.n_residues])
        system = plain_system(assembly, atoms, energy, solvent=True, bonded=True, mobile=mobile)
        held = openmm.CustomExternalForce("k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
        held.addGlobalParameter("k", restraint / KCAL_PER_KJ / NM**2)
        for name in ("x0", "y0", "z0"):
            held.addPerParticleParameter(name)
        for k in np.flatnonzero(mobile):
            atom = atoms[k]
            if atom < receptor.n_atoms and receptor.atom_names[atom] in ("N", "CA", "C", "O"):
                held.addParticle(int(k), (reference[atom] * NM).tolist())
        system.addForce(held)
        self._atoms, self._context = atoms, context_of(system)

    def energy(self, xyz: np.ndarray) -> float:
        """Return the energy, kcal/mol."""
        return energy_of(self._context, xyz[self._atoms])

    def minimise(self, xyz: np.ndarray, iterations: int, tolerance: float) -> tuple[np.ndarray, float]:
        """Return coordinates and energy after L-BFGS."""
        self._context.setPositions(xyz[self._atoms] * NM)
        openmm.LocalEnergyMinimizer.minimize(self._context, tolerance, iterations)
        state = self._context.getState(getPositions=True)
        out = np.array(xyz)
        out[self._atoms] = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        return out, energy_of(self._context, None)
