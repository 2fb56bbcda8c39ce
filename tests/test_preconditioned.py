"""The minimiser of the legs: its gradients, its minimum against OpenMM's, and what it costs."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from builders import ion, peptide

from dockkit.core.errors import SamplingError
from dockkit.core.model import LigandParameters, Region, Stiffness
from dockkit.forcefield.system import assemble, make_region, region_stiffness, region_system
from dockkit.sampling import Minimiser
from dockkit.sampling import preconditioned as pre


def numerical(function, xyz, h=1e-5):
    out = np.zeros_like(xyz)
    for index in np.ndindex(xyz.shape):
        moved = xyz.copy()
        moved[index] += h
        up = function(moved)
        moved[index] -= 2 * h
        out[index] = (up - function(moved)) / (2 * h)
    return out


def angle(x):
    u, w = x[0] - x[1], x[2] - x[1]
    return np.arccos(u @ w / np.linalg.norm(u) / np.linalg.norm(w))


def dihedral(x):
    b = np.diff(x, axis=0)
    a, c = np.cross(b[0], b[1]), np.cross(b[1], b[2])
    return np.arctan2(np.linalg.norm(b[1]) * (b[0] @ c), a @ c)


@pytest.mark.parametrize(
    ("gradient", "value", "atoms"),
    [
        (pre._stretches, lambda x: np.linalg.norm(x[0] - x[1]), 2),
        (pre._bends, angle, 3),
        (pre._twists, dihedral, 4),
    ],
)
def test_gradients_of_internal_coordinates(gradient, value, atoms):
    xyz = np.random.default_rng(atoms).normal(size=(atoms, 3))
    found, wanted = gradient(xyz[None])[0], numerical(value, xyz)
    sign = 1.0 if atoms < 4 else np.sign((found * wanted).sum())  # a metric does not ask for the sense of a torsion
    np.testing.assert_allclose(found * sign, wanted, atol=1e-6)


def chain_of_springs(k):
    """n + 1 particles in a row, the first one frozen; bonds of very different stiffness and a weak pull apart."""
    n = len(k)
    none2, none3, none4 = (np.zeros((0, m), dtype=int) for m in (2, 3, 4))
    parameters = LigandParameters(
        name="chain", smiles="", method="", masses=np.ones(n + 1), charges=np.zeros(n + 1), sigma=np.ones(n + 1),
        epsilon=np.zeros(n + 1), bond_atoms=np.stack([np.arange(n), np.arange(1, n + 1)], axis=1),
        bond_parameters=np.stack([np.full(n, 1.5), k], axis=1), angle_atoms=none3, angle_parameters=np.zeros((0, 2)),
        torsion_atoms=none4, torsion_parameters=np.zeros((0, 3)), exception_atoms=none2,
        exception_parameters=np.zeros((0, 3)),
    )  # fmt: skip
    atoms = np.arange(n + 1)
    return Region(atoms, atoms > 0, [], []), Stiffness(parameters, np.zeros(n + 1))


def test_springs_of_any_stiffness_come_to_rest():
    k = np.geomspace(1.0, 1000.0, 12)
    region, stiffness = chain_of_springs(k)
    start = np.cumsum(np.random.default_rng(1).normal(1.0, 0.1, size=(13, 3)), axis=0)
    xyz, energy = Minimiser(region, stiffness, start, 4.0, 10.0).minimise(start, 200, 1e-3)
    assert np.linalg.norm(np.diff(xyz, axis=0), axis=1) == pytest.approx(np.full(12, 1.5), abs=1e-4)
    assert energy == pytest.approx(0.0, abs=1e-6)
    assert (xyz[0] == start[0]).all()


@pytest.fixture(scope="module")
def pocket():
    receptor = peptide()
    center = receptor.coordinates.mean(axis=0)
    ligand, parameters = ion(1.0, tuple(center + [7.0, 0.0, 0.0]))
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, ligand.coordinates])
    residues = np.arange(receptor.n_residues)
    region = make_region(assembly, residues[2:6], residues)
    system = region_system(assembly, region, xyz, dielectric=4.0, cutoff=40.0, backbone_restraint=1.0)
    shaken = xyz + np.random.default_rng(3).normal(scale=0.15, size=xyz.shape)
    return system, region, region_stiffness(assembly, region, 1.0), xyz, shaken


def minimiser(region, stiffness, reference):
    return Minimiser(region, stiffness, reference, 4.0, 40.0)


def forces(system, region, xyz):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(xyz[region.atoms] / 10.0)
    found = context.getState(getForces=True).getForces(asNumpy=True)
    return np.asarray(found._value)[region.mobile]


def test_minimum_of_a_peptide_has_no_forces_and_is_one_of_openmm_too(pocket):
    system, region, stiffness, xyz, shaken = pocket
    xyz, energy = minimiser(region, stiffness, xyz).minimise(shaken, 2000, 0.2)
    assert np.sqrt(np.mean(forces(system, region, xyz) ** 2)) < 0.2
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(xyz[region.atoms] / 10.0)
    openmm.LocalEnergyMinimizer.minimize(context, 0.01, 0)
    lower = context.getState(getEnergy=True).getPotentialEnergy()._value / 4.184
    assert lower == pytest.approx(energy, abs=0.01)
    assert (xyz[region.atoms[~region.mobile]] == shaken[region.atoms[~region.mobile]]).all()


def test_the_metric_saves_evaluations(pocket, monkeypatch):
    """The same descent without the metric (a unit matrix) needs several times as many energies."""
    system, region, stiffness, xyz, shaken = pocket

    def evaluations(metric):
        tool, count, real = minimiser(region, stiffness, xyz), [0], pre._search

        def counted(evaluate, *rest):
            def one(xyz):
                count[0] += 1
                return evaluate(xyz)

            return real(one, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(pre, "_search", counted)
            patch.setattr(tool, "_metric", metric)
            tool.minimise(shaken, 2000, 1.0)
        return count[0]

    with_metric = evaluations(pre.Metric(stiffness, region.mobile))
    empty = {f"{kind}_atoms": np.zeros((0, n), dtype=int) for kind, n in (("bond", 2), ("angle", 3), ("torsion", 4))}
    values = {f"{kind}_parameters": np.zeros((0, n)) for kind, n in (("bond", 2), ("angle", 2), ("torsion", 3))}
    p = stiffness.parameters
    per_atom = {name: getattr(p, name) for name in ("masses", "charges", "sigma")}
    bare = LigandParameters(
        name="", smiles="", method="", **per_atom, epsilon=np.zeros(p.n_atoms), **empty, **values,
        exception_atoms=np.zeros((0, 2), dtype=int), exception_parameters=np.zeros((0, 3)),
    )  # fmt: skip
    unit = pre.Metric(Stiffness(bare, np.zeros(p.n_atoms)), region.mobile)
    assert evaluations(unit) > 2 * with_metric


def test_atoms_on_top_of_each_other_are_an_error(pocket):
    system, region, stiffness, xyz, shaken = pocket
    bad = shaken.copy()
    bad[region.atoms[region.mobile][:2]] = np.nan
    with pytest.raises(SamplingError, match="not finite"):
        minimiser(region, stiffness, xyz).minimise(bad, 10)


def test_same_start_same_minimum(pocket):
    system, region, stiffness, xyz, shaken = pocket
    once, again = (minimiser(region, stiffness, xyz).minimise(shaken, 300) for _ in range(2))
    assert (once[0] == again[0]).all()
    assert once[1] == again[1]


def test_a_descent_that_stands_on_rounding_ends():
    """A tolerance that single precision cannot reach: the energy is rounded to 1e-4, its gradient to 1e-2."""
    region, stiffness = chain_of_springs(np.full(4, 100.0))
    metric, count = pre.Metric(stiffness, region.mobile), [0]
    places = np.arange(15.0).reshape(5, 3)

    def rounded(xyz):
        count[0] += 1
        away = xyz - places[1:]
        return float(np.round(50.0 * (away**2).sum(), 4)), np.round(100.0 * away, 2) + 0.01

    found, _ = pre.descend(rounded, metric, places + 0.3, np.arange(1, 5), 5000, 1e-6)
    assert count[0] < 200
    np.testing.assert_allclose(found[1:], places[1:], atol=1e-3)
