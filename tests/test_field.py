"""The compiled energy of a region against OpenMM's, its gradient, and what moves without being listed anew."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from builders import ion, peptide

from dockkit.forcefield.system import assemble, make_region, region_stiffness, region_system
from dockkit.sampling.field import SKIN, RegionField


@pytest.fixture(scope="module")
def assembly():
    receptor = peptide()
    ligand, parameters = ion(1.0, tuple(receptor.coordinates.mean(axis=0) + [6.0, 0.0, 0.0]))
    return assemble(receptor, ligand, parameters)


def places(assembly):
    middle = assembly.receptor.coordinates.mean(axis=0)
    return np.concatenate([assembly.receptor.coordinates, [middle + [6.0, 0.0, 0.0]]])


def both(assembly, mobile, dielectric, cutoff, restraint):
    """OpenMM's energy and gradient of a region, and ours, as functions of the mobile atoms."""
    xyz, residues = places(assembly), np.arange(assembly.receptor.n_residues)
    region = make_region(assembly, residues[mobile], residues)
    options = {"dielectric": dielectric, "cutoff": cutoff, "backbone_restraint": restraint}
    system = region_system(assembly, region, xyz, **options)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    field = RegionField(region_stiffness(assembly, region, restraint), region.mobile, xyz, dielectric, cutoff)
    return region, context, field


def by_openmm(context, xyz, mobile):
    context.setPositions(xyz / 10.0)
    state = context.getState(getEnergy=True, getForces=True)
    forces = np.asarray(state.getForces(asNumpy=True)._value)[mobile]
    return state.getPotentialEnergy()._value / 4.184, -forces / 41.84


@pytest.mark.parametrize("mobile", [slice(2, 6), slice(0, 1), slice(None)], ids=["part", "one residue", "all"])
@pytest.mark.parametrize(("dielectric", "cutoff", "restraint"), [(4.0, 6.0, 0.2), (1.0, 40.0, 0.0)])
def test_energy_and_gradient_are_openmms(assembly, mobile, dielectric, cutoff, restraint):
    region, context, field = both(assembly, mobile, dielectric, cutoff, restraint)
    start, rng = places(assembly), np.random.default_rng(5)
    for noise in (0.0, 0.05, 0.15):
        xyz = start + rng.normal(scale=noise, size=start.shape)
        field.place(xyz)
        energy, gradient = field.evaluate(xyz[region.mobile])
        wanted, slope = by_openmm(context, xyz, region.mobile)
        assert energy == pytest.approx(wanted, rel=1e-6, abs=1e-4)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-3 + 1e-6 * np.abs(slope).max())


def test_gradient_is_the_slope_of_the_energy(assembly):
    region, _, field = both(assembly, slice(2, 5), 4.0, 40.0, 0.2)
    rng, start = np.random.default_rng(6), places(assembly)
    xyz = start + rng.normal(scale=0.1, size=start.shape)
    field.place(xyz)
    start = xyz[region.mobile]
    _, gradient = field.evaluate(start)
    way = rng.normal(size=start.shape)
    up, down = (field.evaluate(start + sign * 1e-5 * way)[0] for sign in (1.0, -1.0))
    assert (up - down) / 2e-5 == pytest.approx(float((gradient * way).sum()), rel=1e-5)


def test_atoms_that_travel_meet_new_neighbours(assembly):
    """Far beyond the reach of the first lists; a field made there says the same."""
    region, context, field = both(assembly, slice(4, 6), 4.0, 5.0, 0.0)
    xyz = places(assembly)
    field.place(xyz)
    field.evaluate(xyz[region.mobile])
    for distance in (0.9 * SKIN, 1.1 * SKIN, 4.0):
        moved = xyz.copy()
        moved[region.mobile] += [0.0, distance, 0.0]
        assert field.evaluate(moved[region.mobile])[0] == pytest.approx(
            by_openmm(context, moved, region.mobile)[0], rel=1e-6
        )


def test_frozen_pairs_count(assembly):
    """The energies of two frozen surroundings differ by what OpenMM says, their own pairs included."""
    region, context, field = both(assembly, slice(0, 1), 4.0, 8.0, 0.2)
    energies, wanted = [], []
    for noise in (0.0, 0.02):
        xyz = places(assembly) + np.random.default_rng(7).normal(scale=noise, size=places(assembly).shape)
        field.place(xyz)
        energies.append(field.evaluate(xyz[region.mobile])[0])
        wanted.append(by_openmm(context, xyz, region.mobile)[0])
    assert abs(wanted[1] - wanted[0]) > 0.1
    assert energies[1] - energies[0] == pytest.approx(wanted[1] - wanted[0], abs=1e-4)


def test_same_numbers_wherever_the_arrays_lie(assembly):
    region, _, _ = both(assembly, slice(None), 4.0, 40.0, 0.2)
    xyz, found, kept = places(assembly), set(), []
    for size in np.random.default_rng(8).integers(1, 3000, size=40):
        kept.append(np.zeros(size))
        field = RegionField(region_stiffness(assembly, region, 0.2), region.mobile, xyz, 4.0, 40.0)
        field.place(xyz)
        energy, gradient = field.evaluate(xyz[region.mobile])
        found.add((energy, gradient.tobytes()))
    assert len(found) == 1
