from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import openmm
import pytest
from builders import ion, peptide
from openmm import app, unit
from openmm.app.internal.customgbforces import GBSAOBC2Force
from scipy.spatial import cKDTree

from dockkit.core.errors import ForceFieldError
from dockkit.forcefield import solvated, solvent
from dockkit.forcefield.solvated import (
    RESTRAIN_BACKBONE,
    RESTRAIN_REST,
    apo_assembly,
    born_force,
    complex_topology,
    explicit_system,
    implicit_system,
)
from dockkit.forcefield.solvent import Solvent, solvate
from dockkit.forcefield.system import assemble, make_region, region_system
from dockkit.sampling import choose_platform, make_context, settle

REFERENCE = openmm.Platform.getPlatformByName("Reference")
CPU = openmm.Platform.getPlatformByName("CPU")


@pytest.fixture(scope="module")
def complexes():
    """A peptide with a cation beside it, and alone."""
    receptor = peptide()
    far = receptor.coordinates.mean(axis=0) + [0.0, 0.0, 12.0]
    ligand, parameters = ion(1.0, tuple(far))
    assembly = assemble(receptor, ligand, parameters)
    return assembly, ligand, np.concatenate([receptor.coordinates, ligand.coordinates]), apo_assembly(receptor)


@pytest.fixture(scope="module")
def boxed(complexes):
    assembly, _, xyz, _ = complexes
    return solvate(assembly, xyz, padding=5.0, cutoff=8.0, molarity=0.3, seed=1)


def energy(context: openmm.Context, groups: int = -1) -> float:
    state = context.getState(getEnergy=True, groups=groups)
    return float(state.getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole))


def whole_energy(context: openmm.Context) -> float:
    state = context.getState(getEnergy=True)
    return float((state.getPotentialEnergy() + state.getKineticEnergy()).value_in_unit(unit.kilocalorie_per_mole))


# ---------------------------------------------------------------------------------------------- implicit solvent


@pytest.mark.parametrize("cutoff", [0.0, 9.0])
@pytest.mark.parametrize("dielectric", [1.0, 4.0])
def test_native_and_custom_born_models_agree(complexes, cutoff, dielectric):
    """OpenMM's own OBC2 against the CustomGBForce that implicit/obc2.xml makes: 0.01 kcal/mol per atom."""
    assembly, _, xyz, _ = complexes
    custom = GBSAOBC2Force(
        solventDielectric=solvated.SOLVENT_DIELECTRIC, soluteDielectric=dielectric, SA=None,
        cutoff=cutoff / 10 if cutoff else None, kappa=0.0,
    )  # fmt: skip
    for row in zip(assembly.parameters.charges, assembly.born_radii / 10, assembly.born_scales, strict=True):
        custom.addParticle(list(row))
    custom.finalize()
    if cutoff:
        custom.setNonbondedMethod(custom.CutoffNonPeriodic)
        custom.setCutoffDistance(cutoff / 10)
    found = []
    for force in (born_force(assembly, dielectric, cutoff), custom):
        system = openmm.System()
        for _ in range(assembly.n_atoms):
            system.addParticle(1.0)
        system.addForce(force)
        context = make_context(system, openmm.VerletIntegrator(0.001), CPU)
        context.setPositions(xyz / 10)
        found.append(energy(context))
    assert abs(found[0]) > 50.0
    assert abs(found[0] - found[1]) / assembly.n_atoms < 0.01


def test_two_charges_in_implicit_solvent_feel_the_dielectric(complexes):
    """Far from the peptide the ion's Coulomb energy with it is screened: E(eps=4) charges carry 1/4 of the energy."""
    assembly, _, xyz, _ = complexes
    energies = []
    for dielectric in (1.0, 4.0):
        system = implicit_system(assembly, xyz, dielectric=dielectric, cutoff=40.0)
        nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
        nonbonded.setForceGroup(3)
        for index in range(nonbonded.getNumParticles()):
            q, sigma, _ = nonbonded.getParticleParameters(index)
            nonbonded.setParticleParameters(index, q, sigma, 0.0)
        for index in range(nonbonded.getNumExceptions()):
            i, j, q, sigma, _ = nonbonded.getExceptionParameters(index)
            nonbonded.setExceptionParameters(index, i, j, q, sigma, 0.0)
        nonbonded.setNonbondedMethod(nonbonded.NoCutoff)
        context = make_context(system, openmm.VerletIntegrator(0.001), REFERENCE)
        context.setPositions(xyz / 10)
        energies.append(energy(context, 1 << 3))
    assert energies[0] == pytest.approx(4.0 * energies[1], rel=1e-6)


def test_restraints_on_three_particles_by_hand():
    """k r^2: a main-chain N 0.5 A off at k = 2 costs 0.5; a side-chain C 1 A off at 0.25 costs 0.25; H is free."""
    receptor = SimpleNamespace(
        residue_names=np.array(["ALA"]), atom_residue=np.zeros(3, dtype=int), n_atoms=3,
        atom_names=np.array(["N", "CB", "H"]), elements=np.array(["N", "C", "H"]),
    )  # fmt: skip
    held = SimpleNamespace(receptor=receptor, n_atoms=3, elements=receptor.elements)
    reference = np.array([[0.0, 0, 0], [5.0, 0, 0], [10.0, 0, 0]])
    shifted = reference + [[0.0, 0.3, 0.4], [1.0, 0, 0], [3.0, 3, 3]]
    for periodic in (False, True):
        system = openmm.System()
        for _ in range(3):
            system.addParticle(12.0)
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in np.eye(3) * 2.0))
        solvated._add_restraints(system, held, reference, periodic=periodic)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), REFERENCE)
        context.setPositions((shifted + ([40.0, -20.0, 0] if periodic else [0, 0, 0])) / 10)
        assert energy(context) == 0.0
        context.setParameter(RESTRAIN_BACKBONE, 2.0)
        assert energy(context) == pytest.approx(0.5, rel=1e-5)
        context.setParameter(RESTRAIN_REST, 0.25)
        assert energy(context) == pytest.approx(0.75, rel=1e-5)


# ------------------------------------------------------------------------------------------------------ the box


def test_a_box_is_neutral_salted_and_free_of_overlaps(complexes, boxed):
    assembly, _, xyz, _ = complexes
    charge = round(assembly.parameters.charges.sum())
    assert len(boxed.cations) - len(boxed.anions) == -charge
    total = len(boxed.waters) + len(boxed.cations) + len(boxed.anions)
    assert min(len(boxed.cations), len(boxed.anions)) == round(0.3 / 55.4 * total)
    box = boxed.box
    solute = xyz + boxed.solute_shift
    shifts = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ box
    heavy = np.concatenate([boxed.waters[:, 0], boxed.cations, boxed.anions])
    images = (heavy[None] + shifts[:, None]).reshape(-1, 3)
    distance = cKDTree(images).query(heavy, k=2)[0][:, 1]
    assert distance.min() > 2.2
    to_solute = cKDTree(images).query(solute[assembly.elements != "H"])[0]
    assert to_solute.min() > 2.5
    assert np.linalg.norm(boxed.waters[:, 1] - boxed.waters[:, 0], axis=1) == pytest.approx(0.9572, abs=0.02)


def test_bulk_water_has_its_density_across_the_faces_too():
    """33.4 molecules in a cubic nanometre; what overlaps across the faces is left out."""
    box = 60.0 * np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, np.sqrt(0.5)]])
    waters = solvent._without_seams(solvent._tiled_waters(np.diag(box)), box)
    assert len(waters) / np.prod(np.diag(box)) * 1000 == pytest.approx(33.4, rel=0.04)


def test_a_box_is_the_same_for_the_same_seed_and_ions_move_with_it(complexes, boxed):
    assembly, _, xyz, _ = complexes
    again = solvate(assembly, xyz, padding=5.0, cutoff=8.0, molarity=0.3, seed=1)
    other = solvate(assembly, xyz, padding=5.0, cutoff=8.0, molarity=0.3, seed=2)
    np.testing.assert_array_equal(again.coordinates, boxed.coordinates)
    np.testing.assert_array_equal(other.box, boxed.box)
    assert not np.array_equal(other.cations, boxed.cations)


def test_too_much_salt_is_refused(complexes):
    assembly, _, xyz, _ = complexes
    with pytest.raises(ForceFieldError, match="ionic_strength_molar"):
        solvate(assembly, xyz, padding=5.0, cutoff=8.0, molarity=9.0, seed=1)


def test_an_explicit_system_has_the_water_of_the_force_field(complexes, boxed):
    """The same waters and ions through OpenMM's own ForceField give the same energy."""
    _, _, _, apo = complexes
    only = Solvent(np.zeros(3), boxed.waters[:200], boxed.cations[:1], boxed.anions[:1], np.eye(3) * 60.0)
    topology = app.Topology()
    solvated._add_solvent(topology, only)
    theirs = app.ForceField("amber14/tip3p.xml").createSystem(
        topology, nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=2.0, removeCMMotion=False
    )
    ours = explicit_system(
        apo, apo.receptor.coordinates, only, cutoff=20.0, temperature=300.0, pressure=1.0
    )  # fmt: skip
    mine = next(force for force in ours.getForces() if isinstance(force, openmm.NonbondedForce))
    other = next(force for force in theirs.getForces() if isinstance(force, openmm.NonbondedForce))
    first = apo.n_atoms
    assert ours.getNumParticles() - first == theirs.getNumParticles()
    for index in range(theirs.getNumParticles()):
        assert [str(x) for x in mine.getParticleParameters(first + index)] == [
            str(x) for x in other.getParticleParameters(index)
        ]
        assert ours.getParticleMass(first + index) == theirs.getParticleMass(index)
    assert ours.getNumConstraints() >= theirs.getNumConstraints()


def test_topologies_name_every_atom_in_order(complexes, boxed):
    assembly, ligand, _, _ = complexes
    topology = complex_topology(assembly.receptor, ligand, boxed)
    atoms = list(topology.atoms())
    assert len(atoms) == assembly.n_atoms + len(boxed.coordinates)
    assert [atom.index for atom in atoms] == list(range(len(atoms)))
    assert [atom.element.symbol for atom in atoms[: assembly.n_atoms]] == assembly.elements.tolist()
    assert topology.getNumBonds() >= 2 * len(boxed.waters)


# ---------------------------------------------------------------------------------------------- dynamics of them


def drift(system: openmm.System, xyz: np.ndarray, steps: int) -> tuple[float, float]:
    """Return the drift of the total energy in NVE over ``steps`` of 1 fs and its spread, kcal/mol."""
    for index in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(index), openmm.MonteCarloBarostat):
            system.removeForce(index)
    warm = make_context(system, openmm.LangevinMiddleIntegrator(300.0, 5.0, 0.002), CPU)
    warm.setPositions(xyz / 10)
    warm.setVelocitiesToTemperature(300.0, 1)
    warm.getIntegrator().step(200)
    state = warm.getState(getPositions=True, getVelocities=True)
    integrator = openmm.VerletIntegrator(0.001)
    integrator.setConstraintTolerance(1e-7)
    context = make_context(system, integrator, CPU)
    context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors())
    context.setPositions(state.getPositions())
    context.setVelocities(state.getVelocities())
    integrator.step(10)
    seen = []
    for _ in range(10):
        integrator.step(steps // 10)
        seen.append(whole_energy(context))
    slope = float(np.polyfit(np.arange(10), seen, 1)[0])
    return slope * 10, float(np.std(seen))


def test_energy_is_conserved_in_implicit_solvent(complexes):
    assembly, _, xyz, _ = complexes
    system = implicit_system(assembly, xyz, dielectric=1.0, cutoff=40.0)
    settled, _ = settle(system, xyz, 100, CPU, {RESTRAIN_BACKBONE: 1.0})
    lost, spread = drift(system, settled, 500)
    freedom = 3 * assembly.n_atoms - system.getNumConstraints()
    assert abs(lost) / freedom < 0.01 * 0.5962  # RT at 300 K, in half a picosecond
    assert spread / freedom < 0.01


def test_energy_is_conserved_in_a_pocket(complexes):
    """A mobile shell in frozen surroundings; frozen atoms stay to the last bit."""
    assembly, _, xyz, _ = complexes
    residues = np.arange(assembly.receptor.n_residues)
    region = make_region(assembly, residues[2:6], residues)
    system = region_system(
        assembly, region, xyz, dielectric=4.0, cutoff=40.0, backbone_restraint=0.1, for_dynamics=True
    )  # fmt: skip
    settled, _ = settle(system, xyz[region.atoms], 100, CPU)
    np.testing.assert_allclose(settled[~region.mobile], xyz[region.atoms][~region.mobile], atol=1e-4)
    lost, spread = drift(system, settled, 500)
    freedom = 3 * int(region.mobile.sum()) - system.getNumConstraints()
    assert abs(lost) / freedom < 0.01 * 0.5962
    assert spread / freedom < 0.01


def test_energy_is_conserved_in_a_box_of_water(complexes, boxed):
    assembly, _, xyz, _ = complexes
    system = explicit_system(assembly, xyz, boxed, cutoff=8.0, temperature=300.0, pressure=1.0)
    start = np.concatenate([xyz + boxed.solute_shift, boxed.coordinates])
    settled, _ = settle(system, start, 30, CPU, {RESTRAIN_BACKBONE: 5.0, RESTRAIN_REST: 2.0})
    lost, spread = drift(system, settled, 100)
    freedom = 3 * system.getNumParticles() - system.getNumConstraints()
    assert abs(lost) / freedom < 0.01 * 0.5962
    assert spread / freedom < 0.01


def test_equipartition_after_equilibration(complexes):
    """Langevin dynamics of a built system at 4 fs: protein and hydrogen-rich parts have the bath's temperature."""
    assembly, _, xyz, _ = complexes
    system = implicit_system(assembly, xyz, dielectric=1.0, cutoff=40.0)
    settled, _ = settle(system, xyz, 100, CPU)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 5.0, 0.004)
    integrator.setRandomNumberSeed(3)
    context = make_context(system, integrator, choose_platform("CPU"))
    context.setPositions(settled / 10)
    context.setVelocitiesToTemperature(300.0, 3)
    integrator.step(250)
    freedom = 3 * assembly.n_atoms - system.getNumConstraints()
    kinetic = []
    for _ in range(60):
        integrator.step(25)
        kinetic.append(context.getState(getEnergy=True).getKineticEnergy().value_in_unit(unit.kilojoule_per_mole))
    temperature = 2.0 * np.array(kinetic) / (freedom * 0.00831446)
    error = 300.0 * np.sqrt(2.0 / freedom / 30)
    assert temperature.mean() == pytest.approx(300.0, abs=4 * error)
    assert temperature.std() == pytest.approx(300.0 * np.sqrt(2.0 / freedom), rel=0.4)


def test_kept_waters_are_held_in_implicit_solvent_only(complexes):
    """The built peptide has none: no force is added for nothing."""
    assembly, _, xyz, _ = complexes
    system = implicit_system(assembly, xyz, dielectric=1.0, cutoff=40.0)
    held = [force for force in system.getForces() if isinstance(force, openmm.CustomExternalForce)]
    assert [force.getEnergyFunction().split("*")[0] for force in held] == [RESTRAIN_BACKBONE, RESTRAIN_REST]


def test_a_barostat_leaves_restrained_molecules_where_they_are(complexes):
    """Volume moves scale places from the origin, where the solute stands: with it at rest no restraint is strained."""
    assembly, _, xyz, _ = complexes
    box = solvate(assembly, xyz, padding=5.0, cutoff=8.0, molarity=0.3, seed=1)
    assert (xyz + box.solute_shift).mean(axis=0) == pytest.approx(0.0, abs=1e-9)
    peptide_at = xyz[: assembly.receptor.n_atoms] + box.solute_shift
    strains = []
    for offset in (0.0, 0.5 * np.diag(box.box)):
        system = openmm.System()
        bonds, held = openmm.HarmonicBondForce(), openmm.CustomExternalForce("periodicdistance(x,y,z,a,b,c)^2")
        for name in "abc":
            held.addPerParticleParameter(name)
        for i, at in enumerate((peptide_at + offset) / 10):
            system.addParticle(12.0)
            held.addParticle(i, at.tolist())
            if i:
                bonds.addBond(i - 1, i, 1.0, 0.0)
        system.addForce(bonds)
        system.addForce(openmm.MonteCarloBarostat(1e4, 300.0, 1))
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in box.box / 10))
        system.addForce(held)
        held.setForceGroup(2)
        context = openmm.Context(system, openmm.VerletIntegrator(1e-9), REFERENCE)
        context.setPositions((peptide_at + offset) / 10)
        context.getIntegrator().step(50)
        width = context.getState().getPeriodicBoxVectors()[0][0].value_in_unit(unit.angstrom)
        assert abs(width / box.box[0, 0] - 1.0) > 0.005
        strains.append(energy(context, 4))
    assert strains[0] < 1e-3 * strains[1]
