"""Minimise a region, or everything under restraints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openmm
from openmm import unit

from dockkit.core.errors import SamplingError
from dockkit.core.model import FloatArray, Region, Stiffness
from dockkit.core.units import ANGSTROM_PER_NM, KCAL_PER_KJ
from dockkit.sampling.field import RegionField
from dockkit.sampling.platforms import make_context
from dockkit.sampling.preconditioned import Metric, descend

MINIMISATION_TOLERANCE = 10.0
"""kJ/mol/nm, root-mean-square force at which a minimisation may end before its iterations are used up."""


def _positions(context: openmm.Context) -> FloatArray:
    state = context.getState(getPositions=True)
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.angstrom), dtype=np.float64)


class Minimiser:
    """Energies and minimisations of one region: no implicit solvent, charges scaled for a uniform dielectric.

    Parameters
    ----------
    region : Region
        Which atoms of the assembly it holds, and which of them move.
    stiffness : Stiffness
        Its force field and restraints.
    reference : (n_atoms, 3) float
        Where restraints hold the atoms of the assembly, Angstrom.
    dielectric : float
        Charges are divided by its square root.
    cutoff : float
        Angstrom; the Coulomb term is shifted to zero there.
    """

    def __init__(
        self, region: Region, stiffness: Stiffness, reference: FloatArray, dielectric: float, cutoff: float
    ) -> None:
        self._region = region
        self._mobile = np.flatnonzero(region.mobile)
        self._metric = Metric(stiffness, region.mobile)
        self._field = RegionField(stiffness, region.mobile, reference[region.atoms], dielectric, cutoff)

    def energy(self, coordinates: FloatArray) -> float:
        """Return the potential energy, kcal/mol.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, the whole assembly.

        Returns
        -------
        float
            kcal/mol.

        Raises
        ------
        SamplingError
            It is not finite.
        """
        xyz = coordinates[self._region.atoms]
        self._field.place(xyz)
        return _finite(self._field.evaluate(xyz[self._mobile])[0])

    def minimise(
        self, coordinates: FloatArray, max_iterations: int, tolerance: float = MINIMISATION_TOLERANCE
    ) -> tuple[FloatArray, float]:
        """Minimise the mobile atoms.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, the whole assembly.
        max_iterations : int
            At most.
        tolerance : float
            Root-mean-square of the force components of mobile atoms at which it may end earlier, kJ/mol/nm.

        Returns
        -------
        coordinates : (n_atoms, 3) float
            The whole assembly with the mobile atoms moved.
        energy : float
            Potential energy of the region's model, kcal/mol.

        Raises
        ------
        SamplingError
            The energy is not finite.
        """
        atoms = self._region.atoms
        self._field.place(coordinates[atoms])
        limit = tolerance * KCAL_PER_KJ / ANGSTROM_PER_NM
        xyz, energy = descend(
            self._field.evaluate, self._metric, coordinates[atoms], self._mobile, max_iterations, limit
        )
        moved = np.array(coordinates, dtype=np.float64)
        moved[atoms] = xyz
        return moved, _finite(energy)


def _finite(energy: float) -> float:
    if not np.isfinite(energy):
        raise SamplingError("the energy is not finite; the structure has overlapping atoms")
    return energy


def minimise(
    system: openmm.System, region: Region, coordinates: FloatArray, max_iterations: int, platform: str = "CPU"
) -> tuple[FloatArray, float]:
    """Minimise the mobile atoms of a region loosely, by OpenMM's own minimiser.

    Parameters
    ----------
    system : openmm.System
        Of the region; frozen atoms have mass 0.
    region : Region
    coordinates : (n_atoms, 3) float
        Angstrom, the whole assembly.
    max_iterations : int
        L-BFGS iterations at most; 0 for no limit.
    platform : str
        OpenMM platform.

    Returns
    -------
    coordinates : (n_atoms, 3) float
        The whole assembly with the mobile atoms moved.
    energy : float
        Potential energy of the region's model, kcal/mol.

    Raises
    ------
    SamplingError
        The energy is not finite.
    """
    chosen = openmm.Platform.getPlatformByName(platform)
    found, energy = settle(system, coordinates[region.atoms], max_iterations, chosen)
    moved = np.array(coordinates, dtype=np.float64)
    moved[region.atoms[region.mobile]] = found[region.mobile]
    return moved, energy


def settle(
    system: openmm.System,
    coordinates: FloatArray,
    max_iterations: int,
    platform: openmm.Platform,
    parameters: Mapping[str, float] | None = None,
) -> tuple[FloatArray, float]:
    """Minimise everything that a system may move.

    Parameters
    ----------
    system : openmm.System
        With its box, where it has one.
    coordinates : (n_particles, 3) float
        Angstrom.
    max_iterations : int
        L-BFGS iterations at most; 0 for no limit.
    platform : openmm.Platform
    parameters : mapping of str to float, optional
        Global parameters to set, such as restraint constants.

    Returns
    -------
    coordinates : (n_particles, 3) float
        Angstrom.
    energy : float
        Potential energy, kcal/mol, restraints included.

    Raises
    ------
    SamplingError
        The energy is not finite.
    """
    context = make_context(system, openmm.VerletIntegrator(0.001), platform)
    for name, value in (parameters or {}).items():
        context.setParameter(name, value)
    context.setPositions(coordinates / ANGSTROM_PER_NM)
    openmm.LocalEnergyMinimizer.minimize(context, MINIMISATION_TOLERANCE, max_iterations)
    energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    if not np.isfinite(energy):
        raise SamplingError("minimisation ended at an energy that is not finite; the start has overlapping atoms")
    return _positions(context), float(energy)
