"""MM-GBSA binding energies of one geometry, and what each residue contributes.

The binding energy is taken on a single trajectory: complex, receptor and ligand share one geometry, so bonded terms
cancel and

    dE = E_vdW + E_Coulomb / eps_in + [G_GB(complex) - G_GB(receptor) - G_GB(ligand)] + gamma dSASA

with the OBC2 generalised Born model (Onufriev, Bashford, Case, Proteins 2004, 55, 383) and a surface term of
0.0072 kcal/mol/A^2 (Still et al., J. Am. Chem. Soc. 1990, 112, 6127). Entropy is left out; the strain of a relaxed
state is added where its legs are minimised (:mod:`dockkit.pipeline.legs`).
"""

from __future__ import annotations

from functools import lru_cache

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from dockkit.core.errors import EnergyError
from dockkit.core.model import Assembly, FloatArray, IntArray
from dockkit.core.settings import EnergySettings
from dockkit.core.units import ANGSTROM_PER_NM, COULOMB_CONSTANT
from dockkit.energy.born import binding_polarisation, complex_radii

SURFACE_TENSION = 0.0072
"""kcal/mol/A^2."""

PROBE_RADIUS = 1.4
"""Angstrom, the water probe of the solvent-accessible surface."""

_SPHERE_POINTS = 480
_BURIAL_REACH = 8.0


class BindingEnergy:
    """Evaluates the binding energy of one assembly at many geometries.

    Parameters
    ----------
    assembly : Assembly
        The complex.
    settings : EnergySettings
        Dielectric constants and surface term.
    receptor_atoms : (n,) int, optional
        Receptor atoms to keep (whole residues); all by default. The same subset must be used for every state compared.
    """

    def __init__(
        self,
        assembly: Assembly,
        settings: EnergySettings,
        receptor_atoms: IntArray | None = None,
    ) -> None:
        n_receptor = assembly.receptor.n_atoms
        self.assembly = assembly
        self.settings = settings
        self._receptor = np.arange(n_receptor) if receptor_atoms is None else np.asarray(receptor_atoms)
        self._ligand = np.arange(n_receptor, assembly.n_atoms)
        self._complex = np.concatenate([self._receptor, self._ligand])
        self._gap = 1.0 / settings.solute_dielectric - 1.0 / settings.solvent_dielectric

    def terms(self, coordinates: FloatArray) -> FloatArray:
        """Return the four terms of the binding energy.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom, the whole assembly.

        Returns
        -------
        (4,) float
            vdW, Coulomb, generalised Born, surface; kcal/mol.

        Raises
        ------
        EnergyError
            A term is not finite.
        """
        vdw, coulomb = self._direct(coordinates)
        joint, apart = self._radii(coordinates)
        charges, n = self.assembly.parameters.charges[self._complex], len(self._receptor)
        polar = self._gap * binding_polarisation(coordinates[self._complex], charges, joint, apart, n)
        surface = 0.0
        if self.settings.include_surface:
            surface = SURFACE_TENSION * self._buried_area(coordinates)
        terms = np.array([vdw.sum(), coulomb.sum(), polar, surface])
        if not np.isfinite(terms).all():
            raise EnergyError(
                f"{self.assembly.receptor.name} with {self.assembly.ligand}: energy is not finite ({terms})"
            )
        return terms

    def _radii(self, coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the effective Born radii of the complex's atoms, together and apart."""
        a, kept = self.assembly, self._complex
        return complex_radii(coordinates[kept], a.born_radii[kept], a.born_scales[kept], len(self._receptor))

    def _direct(self, coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = self.assembly.parameters
        i, j = self._receptor, self._ligand
        distance = cdist(coordinates[i], coordinates[j])
        sigma = 0.5 * (p.sigma[i][:, None] + p.sigma[j][None, :])
        epsilon = np.sqrt(p.epsilon[i][:, None] * p.epsilon[j][None, :])
        six = (sigma / distance) ** 6
        vdw = 4.0 * epsilon * (six * six - six)
        scale = COULOMB_CONSTANT / self.settings.solute_dielectric
        coulomb = scale * p.charges[i][:, None] * p.charges[j][None, :] / distance
        return vdw.sum(axis=1), coulomb.sum(axis=1)

    def _buried_area(self, coordinates: FloatArray) -> float:
        a = self.assembly
        tree = cKDTree(coordinates[self._ligand])
        near = tree.query(coordinates[self._receptor], distance_upper_bound=_BURIAL_REACH)[0] <= _BURIAL_REACH
        pocket = self._receptor[near]
        areas = [
            _surface_area(a.elements[atoms], coordinates[atoms])
            for atoms in (np.concatenate([pocket, self._ligand]), pocket, self._ligand)
        ]
        return areas[0] - areas[1] - areas[2]

    def per_residue(self, coordinates: FloatArray) -> FloatArray:
        """Return what each residue's direct interaction with the ligand is worth.

        Parameters
        ----------
        coordinates : (n_atoms, 3) float
            Angstrom.

        Returns
        -------
        (n_residues, 3) float
            vdW, Coulomb and GB screening between residue and ligand, kcal/mol. What the sum of :meth:`terms` holds
            beside them belongs to no pair: the change of GB self and intramolecular terms, and the surface term.
        """
        a, i, j = self.assembly, self._receptor, self._ligand
        vdw, coulomb = self._direct(coordinates)
        radii, _ = self._radii(coordinates)
        product = radii[: len(i), None] * radii[None, len(i) :]
        squared = cdist(coordinates[i], coordinates[j], "sqeuclidean")
        smooth = np.sqrt(squared + product * np.exp(-squared / (4.0 * product)))
        q = a.parameters.charges
        screening = (-COULOMB_CONSTANT * self._gap * q[i][:, None] * q[j][None, :] / smooth).sum(axis=1)
        out = np.zeros((a.receptor.n_residues, 3))
        residue = a.receptor.atom_residue[i]
        for column, values in enumerate((vdw, coulomb, screening)):
            np.add.at(out[:, column], residue, values)
        return out


@lru_cache(maxsize=64)
def _topology(elements: tuple[str, ...]) -> mdtraj.Topology:
    """Return atoms without bonds, which is all that a surface asks for."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for element in elements:
        topology.add_atom(element, mdtraj.element.get_by_symbol(element), residue)
    return topology


def _surface_area(elements: NDArray[np.str_], coordinates: FloatArray) -> float:
    frame = mdtraj.Trajectory(coordinates[None] / ANGSTROM_PER_NM, _topology(tuple(elements.tolist())))
    area = mdtraj.shrake_rupley(frame, probe_radius=PROBE_RADIUS / ANGSTROM_PER_NM, n_sphere_points=_SPHERE_POINTS)
    return float(area.sum()) * ANGSTROM_PER_NM**2
