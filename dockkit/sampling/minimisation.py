"""Minimise a region, or everything under restraints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openmm
from openmm import unit

from dockkit.core.errors import SamplingError
from dockkit.core.model import FloatArray, Region
from dockkit.core.units import ANGSTROM_PER_NM
from dockkit.sampling.platforms import make_context

MINIMISATION_TOLERANCE = 10.0
"""kJ/mol/nm, root-mean-square force at which a minimisation may end before its iterations are used up."""


def _positions(context: openmm.Context) -> FloatArray:
    state = context.getState(getPositions=True)
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.angstrom), dtype=np.float64)


class Minimiser:
    """Energies and minimisations of one region, its context made once.

    Parameters
    ----------
    system : openmm.System
        Of the region; frozen atoms have mass 0.
    region : Region
        Which atoms of the assembly the system holds.
    platform : str
        OpenMM platform.
    """

    def __init__(self, system: openmm.System, region: Region, platform: str = "CPU") -> None:
        self._region = region
        self._context = make_context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform)
        )

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
        self._context.setPositions(coordinates[self._region.atoms] / ANGSTROM_PER_NM)
        return self._energy_here()

    def _energy_here(self) -> float:
        state = self._context.getState(getEnergy=True)
        energy = float(state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole))
        if not np.isfinite(energy):
            raise SamplingError("the energy is not finite; the structure has overlapping atoms")
        return energy

    def minimise(
        self, coordinates: FloatArray, max_iterations: int, tolerance: float = MINIMISATION_TOLERANCE
    ) -> tuple[FloatArray, float]:
        """Minimise the mobile atoms.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, the whole assembly.
        max_iterations : int
            L-BFGS iterations at most; 0 for no limit.
        tolerance : float
            Root-mean-square force at which it may end earlier, kJ/mol/nm.

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
        region = self._region
        self._context.setPositions(coordinates[region.atoms] / ANGSTROM_PER_NM)
        openmm.LocalEnergyMinimizer.minimize(self._context, tolerance, max_iterations)
        energy = self._energy_here()
        moved = np.array(coordinates, dtype=np.float64)
        moved[region.atoms[region.mobile]] = _positions(self._context)[region.mobile]
        return moved, energy


def minimise(
    system: openmm.System, region: Region, coordinates: FloatArray, max_iterations: int, platform: str = "CPU"
) -> tuple[FloatArray, float]:
    """Minimise the mobile atoms of a region, once; see :meth:`Minimiser.minimise`."""
    return Minimiser(system, region, platform).minimise(coordinates, max_iterations)


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
