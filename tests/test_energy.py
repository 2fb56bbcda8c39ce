from __future__ import annotations

import numpy as np
import openmm
import pytest
from builders import ion, peptide
from openmm import app, unit
from scipy.spatial.transform import Rotation

from dockkit.core.settings import EnergySettings
from dockkit.core.units import COULOMB_CONSTANT
from dockkit.energy import BindingEnergy, born_radii
from dockkit.energy.binding import _surface_area
from dockkit.forcefield.system import assemble, born_parameters, receptor_parameters, receptor_topology

SETTINGS = EnergySettings()


@pytest.fixture(scope="module")
def bound():
    receptor = peptide()
    center = receptor.coordinates.mean(axis=0)
    ligand, parameters = ion(1.0, tuple(center + [6.0, 0.0, 0.0]))
    assembly = assemble(receptor, ligand, parameters)
    return assembly, np.concatenate([receptor.coordinates, ligand.coordinates])


def test_born_ion():
    radius = 1.5
    effective = born_radii(np.zeros((1, 3)), np.array([radius]), np.array([0.8]))
    assert effective == pytest.approx([radius - 0.09])


def test_two_spheres_of_the_pairwise_integral():
    """The HCT integral of a sphere outside the other's, against numerical quadrature of 1/r^4 over the sphere."""
    distance, radius, scale = 6.0, 1.7, 0.72
    scaled = scale * (radius - 0.09)
    u = np.linspace(-scaled, scaled, 4001)
    z = distance + u
    disc = scaled**2 - u**2
    integrand = np.pi * (1.0 / z**2 - 1.0 / (z**2 + disc))
    integral = np.trapezoid(integrand, u) / (4.0 * np.pi)
    inner = radius - 0.09
    psi = integral * inner
    expected = 1.0 / (1.0 / inner - np.tanh(psi - 0.8 * psi**2 + 4.85 * psi**3) / radius)
    got = born_radii(np.array([[0.0, 0, 0], [distance, 0, 0]]), np.full(2, radius), np.full(2, scale))
    assert got == pytest.approx([expected, expected], rel=1e-6)


def test_native_gb_equals_openmms_custom_obc2():
    receptor = peptide()
    custom = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml").createSystem(receptor_topology(receptor))
    reference = openmm.Platform.getPlatformByName("Reference")
    for index in range(custom.getNumForces()):
        custom.getForce(index).setForceGroup(5 if "GB" in type(custom.getForce(index)).__name__ else 1)
    context = openmm.Context(custom, openmm.VerletIntegrator(0.001), reference)
    context.setPositions(receptor.coordinates / 10.0)
    expected = context.getState(getEnergy=True, groups={5}).getPotentialEnergy()

    parameters = receptor_parameters(receptor)
    radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
    native = openmm.GBSAOBCForce()
    system = openmm.System()
    for q, r, s in zip(parameters.charges, radii / 10.0, scales, strict=True):
        system.addParticle(1.0)
        native.addParticle(q, r, s)
    system.addForce(native)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), reference)
    context.setPositions(receptor.coordinates / 10.0)
    got = context.getState(getEnergy=True).getPotentialEnergy()
    per_atom = (got - expected).value_in_unit(unit.kilocalorie_per_mole) / receptor.n_atoms
    assert abs(per_atom) < 1e-3


def test_born_radii_give_openmms_gb_energy():
    """The NumPy radii, put into the GB sum, reproduce OpenMM's native GB energy."""
    receptor = peptide()
    parameters = receptor_parameters(receptor)
    radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
    effective = born_radii(receptor.coordinates, radii, scales)
    squared = np.square(receptor.coordinates[:, None] - receptor.coordinates[None]).sum(-1)
    product = effective[:, None] * effective[None]
    smooth = np.sqrt(squared + product * np.exp(-squared / (4 * product)))
    q = parameters.charges
    by_hand = -0.5 * COULOMB_CONSTANT * (1 - 1 / 78.5) * (q[:, None] * q[None] / smooth).sum()
    force = openmm.GBSAOBCForce()
    force.setSurfaceAreaEnergy(0.0)
    force.setSoluteDielectric(1.0)
    force.setSolventDielectric(78.5)
    system = openmm.System()
    for row in zip(q, radii / 10, scales, strict=True):
        system.addParticle(1.0)
        force.addParticle(*row)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(receptor.coordinates / 10)
    openmm_energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    assert by_hand == pytest.approx(openmm_energy, abs=0.02)


def test_terms_by_hand(bound):
    assembly, xyz = bound
    terms = BindingEnergy(assembly, SETTINGS).terms(xyz)
    distance = np.linalg.norm(xyz[:-1] - xyz[-1], axis=1)
    p = assembly.parameters
    coulomb = COULOMB_CONSTANT / 2.0 * (p.charges[:-1] * p.charges[-1] / distance).sum()
    sigma = 0.5 * (p.sigma[:-1] + p.sigma[-1])
    six = (sigma / distance) ** 6
    vdw = (4 * np.sqrt(p.epsilon[:-1] * p.epsilon[-1]) * (six**2 - six)).sum()
    assert terms[:2] == pytest.approx([vdw, coulomb], rel=1e-9)


def test_polarisation_is_openmms(bound):
    """The change of the GB energy when the parts meet, from one pass over the complex, against three of OpenMM's."""
    assembly, xyz = bound
    settings = EnergySettings(solute_dielectric=2.0)
    n = assembly.receptor.n_atoms

    def gb(atoms):
        system, force = openmm.System(), openmm.GBSAOBCForce()
        force.setSurfaceAreaEnergy(0.0)
        force.setSoluteDielectric(settings.solute_dielectric)
        force.setSolventDielectric(settings.solvent_dielectric)
        a = assembly
        for row in zip(a.parameters.charges[atoms], a.born_radii[atoms] / 10.0, a.born_scales[atoms], strict=True):
            system.addParticle(1.0)
            force.addParticle(*row)
        system.addForce(force)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(xyz[atoms] / 10.0)
        return context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)

    everything = np.arange(assembly.n_atoms)
    expected = gb(everything) - gb(everything[:n]) - gb(everything[n:])
    assert abs(expected) > 1.0
    # The constant of OpenMM's GB kernels differs from its Coulomb constant in the seventh digit.
    assert BindingEnergy(assembly, settings).terms(xyz)[2] == pytest.approx(expected, abs=1e-3)


def test_same_terms_wherever_the_arrays_lie(bound):
    assembly, xyz = bound
    found, kept = set(), []
    for size in np.random.default_rng(8).integers(1, 3000, size=40):
        kept.append(np.zeros(size))
        found.add(BindingEnergy(assembly, SETTINGS).terms(xyz.copy()).tobytes())
    assert len(found) == 1


def test_residues_add_up(bound):
    assembly, xyz = bound
    evaluator = BindingEnergy(assembly, SETTINGS)
    parts = evaluator.per_residue(xyz)
    assert parts[:, :2].sum(axis=0) == pytest.approx(evaluator.terms(xyz)[:2], abs=1e-9)


def test_a_ligand_far_away_does_not_bind(bound):
    assembly, xyz = bound
    far = xyz.copy()
    far[-1] += 1e5
    assert BindingEnergy(assembly, SETTINGS).terms(far) == pytest.approx(np.zeros(4), abs=0.01)


def test_rotation_and_translation_change_nothing(bound):
    assembly, xyz = bound
    evaluator = BindingEnergy(assembly, SETTINGS)
    moved = xyz @ Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix().T + [12.0, -7.0, 30.0]
    exact = [0, 1, 2]
    assert evaluator.terms(moved)[exact] == pytest.approx(evaluator.terms(xyz)[exact], abs=1e-6)
    # The surface is sampled on a fixed sphere of points, so it turns with a small error.
    assert evaluator.terms(moved)[3] == pytest.approx(evaluator.terms(xyz)[3], abs=0.02)


def test_buried_area_of_touching_spheres():
    """Two equal spheres: the buried caps have a closed form."""
    radius = 1.7 + 1.4
    distance = 4.0
    cap = 2 * np.pi * radius * (radius - distance / 2)
    expected = 2 * (4 * np.pi * radius**2 - cap)
    elements = np.array(["C", "C"])
    assert _surface_area(elements, np.array([[0.0, 0, 0], [distance, 0, 0]])) == pytest.approx(expected, rel=0.01)
