"""MM-GBSA binding energies of one geometry, and what each residue contributes.

The binding energy is taken on a single trajectory: complex, receptor and ligand share one geometry, so bonded terms
cancel and

    dE = E_vdW + E_Coulomb / eps_in + [G_GB(complex) - G_GB(receptor) - G_GB(ligand)] + gamma dSASA

with the OBC2 generalised Born model (Onufriev, Bashford, Case, Proteins 2004, 55, 383) and a surface term of
0.0072 kcal/mol/A^2 (Still et al., J. Am. Chem. Soc. 1990, 112, 6127). Entropy is left out; the strain of a relaxed
state is added where its legs are minimised (:mod:`dockkit.pipeline.legs`).
"""

from __future__ import annotations

import mdtraj
import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from dockkit.core.errors import EnergyError
from dockkit.core.model import Assembly, FloatArray, IntArray
from dockkit.core.settings import EnergySettings
from dockkit.core.units import ANGSTROM_PER_NM, COULOMB_CONSTANT, KCAL_PER_KJ

SURFACE_TENSION = 0.0072
"""kcal/mol/A^2."""

PROBE_RADIUS = 1.4
"""Angstrom, the water probe of the solvent-accessible surface."""

_SPHERE_POINTS = 480
_BURIAL_REACH = 8.0
_OBC2 = (1.0, 0.8, 4.85)
_RADIUS_OFFSET = 0.09


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
    platform : str
        OpenMM platform of the generalised Born sums.
    """

    def __init__(
        self,
        assembly: Assembly,
        settings: EnergySettings,
        receptor_atoms: IntArray | None = None,
        platform: str = "CPU",
    ) -> None:
        n_receptor = assembly.receptor.n_atoms
        self.assembly = assembly
        self.settings = settings
        self._receptor = np.arange(n_receptor) if receptor_atoms is None else np.asarray(receptor_atoms)
        self._ligand = np.arange(n_receptor, assembly.n_atoms)
        self._complex = np.concatenate([self._receptor, self._ligand])
        self._contexts = [self._gb_context(atoms, platform) for atoms in (self._complex, self._receptor, self._ligand)]

    def _gb_context(self, atoms: IntArray, platform: str) -> openmm.Context:
        a, nm = self.assembly, 1.0 / ANGSTROM_PER_NM
        system = openmm.System()
        force = openmm.GBSAOBCForce()
        force.setNonbondedMethod(openmm.GBSAOBCForce.NoCutoff)
        force.setSoluteDielectric(self.settings.solute_dielectric)
        force.setSolventDielectric(self.settings.solvent_dielectric)
        force.setSurfaceAreaEnergy(0.0)
        for q, r, s in zip(a.parameters.charges[atoms], a.born_radii[atoms] * nm, a.born_scales[atoms], strict=True):
            system.addParticle(1.0)
            force.addParticle(q, r, s)
        system.addForce(force)
        chosen = openmm.Platform.getPlatformByName(platform)
        one_thread = {"Threads": "1"} if platform == "CPU" else {}
        return openmm.Context(system, openmm.VerletIntegrator(0.001), chosen, one_thread)

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
        parts = []
        for context, atoms in zip(self._contexts, (self._complex, self._receptor, self._ligand), strict=True):
            context.setPositions(coordinates[atoms] / ANGSTROM_PER_NM)
            energy = context.getState(getEnergy=True).getPotentialEnergy()
            parts.append(energy.value_in_unit(unit.kilojoule_per_mole) * KCAL_PER_KJ)
        surface = 0.0
        if self.settings.include_surface:
            surface = SURFACE_TENSION * self._buried_area(coordinates)
        terms = np.array([vdw.sum(), coulomb.sum(), parts[0] - parts[1] - parts[2], surface])
        if not np.isfinite(terms).all():
            raise EnergyError(
                f"{self.assembly.receptor.name} with {self.assembly.ligand}: energy is not finite ({terms})"
            )
        return terms

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
        radii = born_radii(coordinates[self._complex], a.born_radii[self._complex], a.born_scales[self._complex])
        product = radii[: len(i), None] * radii[None, len(i) :]
        squared = cdist(coordinates[i], coordinates[j], "sqeuclidean")
        smooth = np.sqrt(squared + product * np.exp(-squared / (4.0 * product)))
        gap = 1.0 / self.settings.solute_dielectric - 1.0 / self.settings.solvent_dielectric
        q = a.parameters.charges
        screening = (-COULOMB_CONSTANT * gap * q[i][:, None] * q[j][None, :] / smooth).sum(axis=1)
        out = np.zeros((a.receptor.n_residues, 3))
        residue = a.receptor.atom_residue[i]
        for column, values in enumerate((vdw, coulomb, screening)):
            np.add.at(out[:, column], residue, values)
        return out


def _surface_area(elements: NDArray[np.str_], coordinates: FloatArray) -> float:
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for element in elements:
        topology.add_atom(str(element), mdtraj.element.get_by_symbol(str(element)), residue)
    frame = mdtraj.Trajectory(coordinates[None] / ANGSTROM_PER_NM, topology)
    area = mdtraj.shrake_rupley(frame, probe_radius=PROBE_RADIUS / ANGSTROM_PER_NM, n_sphere_points=_SPHERE_POINTS)
    return float(area.sum()) * ANGSTROM_PER_NM**2


def born_radii(coordinates: FloatArray, radii: FloatArray, scales: FloatArray, chunk: int = 512) -> FloatArray:
    """Return OBC2 effective Born radii.

    Parameters
    ----------
    coordinates : (n, 3) float
        Angstrom.
    radii, scales : (n,) float
        Intrinsic radii (Angstrom) and HCT screening factors.
    chunk : int
        Rows handled at once; bounds the memory.

    Returns
    -------
    (n,) float
        Angstrom.

    References
    ----------
    Onufriev, Bashford, Case, Proteins 2004, 55, 383, eqs. 6-8; pairwise integral of Hawkins, Cramer, Truhlar,
    Chem. Phys. Lett. 1995, 246, 122.
    """
    inner = radii - _RADIUS_OFFSET
    scaled = scales * inner
    integral = np.empty(len(radii))
    for start in range(0, len(radii), chunk):
        rows = slice(start, min(start + chunk, len(radii)))
        r = cdist(coordinates[rows], coordinates)
        own = np.arange(rows.start, rows.stop)
        r[own - start, own] = np.inf
        rho = inner[rows][:, None]
        upper = 1.0 / (r + scaled)
        lower = 1.0 / np.maximum(rho, np.abs(r - scaled))
        inverse = 1.0 / r
        r[own - start, own] = 0.0
        upper[own - start, own] = lower[own - start, own] = 1.0
        term = (
            lower
            - upper
            + 0.25 * (r - scaled**2 * inverse) * (upper**2 - lower**2)
            + 0.5 * inverse * np.log(upper / lower)
        )
        term += np.where(rho < scaled - r, 2.0 * (1.0 / rho - lower), 0.0)
        term[own - start, own] = 0.0
        integral[rows] = 0.5 * np.where(rho < r + scaled, term, 0.0).sum(axis=1)
    alpha, beta, gamma = _OBC2
    psi = integral * inner
    return 1.0 / (1.0 / inner - np.tanh(alpha * psi - beta * psi**2 + gamma * psi**3) / radii)
