"""Ligand parameters: against OpenFF's own OpenMM system, and shipped against computed."""

import json
import warnings

import numpy as np
import openmm
import pytest
from openmm import unit
from rdkit import Chem

from dockkit.core.errors import ForceFieldError
from dockkit.core.library import library_dir
from dockkit.forcefield.parameters import (
    FORCE_FIELD,
    METHOD,
    MG_METHOD,
    compute_parameters,
    load_parameters,
    parametrise,
    save_parameters,
)
from dockkit.ligand import catalogue, load_ligand, to_rdkit

KJ = 4.184
ARRAYS = ("masses", "charges", "sigma", "epsilon", *(f"{term}_parameters" for term in ("bond", "angle", "torsion")))


def _system(parameters):
    """Assemble the flat arrays term by term; nm, kJ/mol."""
    system = openmm.System()
    bonds, angles, torsions = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    pairs = openmm.NonbondedForce()
    for mass in parameters.masses:
        system.addParticle(mass)
    for atoms, (length, k) in zip(parameters.bond_atoms.tolist(), parameters.bond_parameters, strict=True):
        bonds.addBond(*atoms, length / 10, k * KJ * 100)
    for atoms, (angle, k) in zip(parameters.angle_atoms.tolist(), parameters.angle_parameters, strict=True):
        angles.addAngle(*atoms, angle, k * KJ)
    for atoms, (n, phase, k) in zip(parameters.torsion_atoms.tolist(), parameters.torsion_parameters, strict=True):
        torsions.addTorsion(*atoms, round(n), phase, k * KJ)
    for charge, sigma, epsilon in zip(parameters.charges, parameters.sigma, parameters.epsilon, strict=True):
        pairs.addParticle(charge, sigma / 10, epsilon * KJ)
    for atoms, (charge, sigma, epsilon) in zip(
        parameters.exception_atoms.tolist(), parameters.exception_parameters, strict=True
    ):
        pairs.addException(*atoms, charge, sigma / 10, epsilon * KJ)
    for force in (bonds, angles, torsions, pairs):
        system.addForce(force)
    return system


def _energies(system, coordinates):
    """Return kcal/mol by kind of force."""
    forces = {type(force).__name__: force for force in system.getForces()}
    forces.pop("CMMotionRemover", None)
    for group, force in enumerate(forces.values()):
        force.setForceGroup(group)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(coordinates / 10)
    return {
        name: context.getState(getEnergy=True, groups={force.getForceGroup()})
        .getPotentialEnergy()
        .value_in_unit(unit.kilocalorie_per_mole)
        for name, force in forces.items()
    }


@pytest.mark.parametrize("name", ["imatinib", "ATP"])
def test_energy_equals_openff_interchange(name):
    """The oracle is the OpenMM system that OpenFF Interchange writes for the same charges."""
    ligand = load_ligand(name, seed=3)
    computed = compute_parameters(ligand)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from openff.interchange import Interchange
        except (ImportError, SyntaxError) as error:
            pytest.skip(f"OpenFF Interchange does not import here ({type(error).__name__})")
        from openff.toolkit import ForceField, Molecule
        from openff.units import Quantity

        molecule = Molecule.from_rdkit(to_rdkit(ligand), allow_undefined_stereo=True)
        molecule.partial_charges = Quantity(computed.charges, "elementary_charge")
        made = Interchange.from_smirnoff(
            ForceField(FORCE_FIELD), molecule.to_topology(), charge_from_molecules=[molecule]
        ).to_openmm(combine_nonbonded_forces=True)
    wanted = _energies(made, ligand.coordinates)
    for parameters in (computed, parametrise(ligand)):
        found = _energies(_system(parameters), ligand.coordinates)
        assert set(found) == set(wanted)
        for kind, value in wanted.items():
            assert found[kind] == pytest.approx(value, abs=1e-4), kind


@pytest.mark.parametrize("name", ["imatinib", "vandetanib", "ATP.Mg"])
def test_shipped_equal_computed(name):
    ligand = load_ligand(name, seed=2)
    shipped, computed = parametrise(ligand), compute_parameters(ligand)
    assert shipped.method == computed.method
    assert shipped.smiles == ligand.smiles
    assert shipped.charges.sum() == pytest.approx(ligand.charge, abs=1e-9)
    a, b = (_energies(_system(p), ligand.coordinates) for p in (shipped, computed))
    assert a == pytest.approx(b, abs=1e-6)


def test_shipped_parameters_follow_another_atom_order(tmp_path):
    source = load_ligand("afatinib", seed=1)
    order = [int(i) for i in np.random.default_rng(8).permutation(source.n_atoms)]
    path = tmp_path / "afatinib.sdf"
    path.write_text(Chem.MolToMolBlock(Chem.RenumberAtoms(to_rdkit(source), order)))
    ligand = load_ligand(str(path))
    np.testing.assert_allclose(parametrise(ligand).masses, parametrise(source).masses[order])
    moved = _energies(_system(parametrise(ligand)), source.coordinates[order])
    assert moved == pytest.approx(_energies(_system(parametrise(source)), source.coordinates), abs=1e-6)


def test_another_protonation_state_is_not_taken_from_the_shipped():
    neutral = load_ligand("Cn1cnc2c1c(=O)n(C)c(=O)n2C")
    assert parametrise(neutral).method == METHOD
    charged = load_ligand("Cc1nc(Nc2ncc(C(=O)Nc3c(C)cccc3Cl)s2)cc(N2CC[NH+](CCO)CC2)n1")
    assert charged.name == "dasatinib"
    assert parametrise(charged).charges.sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_every_library_ligand_is_shipped(entry):
    folder = library_dir("ligands") / "parameters"
    index = json.loads((folder / "index.json").read_text())
    stored = load_parameters(folder / index[Chem.CanonSmiles(entry.smiles_ph74)])
    molecule = Chem.MolFromSmiles(entry.smiles_ph74)
    assert stored.name == entry.name
    assert stored.n_atoms == Chem.AddHs(molecule).GetNumAtoms()
    assert stored.charges.sum() == pytest.approx(Chem.GetFormalCharge(molecule), abs=1e-9)
    assert all(np.isfinite(getattr(stored, name)).all() for name in ARRAYS)
    assert METHOD in stored.method


def test_magnesium_is_the_li_merz_ion():
    ligand = load_ligand("ATP.Mg")
    parameters = parametrise(ligand)
    metals = np.flatnonzero(ligand.elements == "Mg")
    assert parameters.method == f"{METHOD} + {MG_METHOD}"
    np.testing.assert_allclose(parameters.charges[metals], 2.0)
    np.testing.assert_allclose(parameters.sigma[metals] * 2 ** (1 / 6) / 2, 1.360, atol=5e-4)
    np.testing.assert_allclose(parameters.epsilon[metals], 0.01020237, atol=1e-8)
    for term in ("bond", "angle", "torsion", "exception"):
        assert not np.isin(getattr(parameters, f"{term}_atoms"), metals).any()


def test_exceptions_of_propane_by_hand():
    """3 carbons and 8 hydrogens: 10 bonds, 18 angles, 18 pairs three bonds apart; 1-4 scales 5/6 and 1/2."""
    parameters = compute_parameters(load_ligand("CCC"))
    scaled = parameters.exception_parameters[:, 2] > 0
    assert (len(parameters.bond_atoms), len(parameters.angle_atoms)) == (10, 18)
    assert (int((~scaled).sum()), int(scaled.sum())) == (28, 18)
    for (i, j), (charge, sigma, epsilon) in zip(
        parameters.exception_atoms[scaled], parameters.exception_parameters[scaled], strict=True
    ):
        assert charge == pytest.approx(5 / 6 * parameters.charges[i] * parameters.charges[j], rel=1e-8)
        assert sigma == pytest.approx((parameters.sigma[i] + parameters.sigma[j]) / 2)
        assert epsilon == pytest.approx(0.5 * np.sqrt(parameters.epsilon[i] * parameters.epsilon[j]))


def test_save_and_load(tmp_path):
    ligand = load_ligand("CC(=O)Nc1ccc(O)cc1")
    parameters = compute_parameters(ligand)
    path = tmp_path / "paracetamol.json"
    save_parameters(parameters, ligand, path)
    again = load_parameters(path)
    assert (again.name, again.smiles, again.method) == (parameters.name, parameters.smiles, parameters.method)
    for name in ("charges", "torsion_parameters", "exception_parameters"):
        np.testing.assert_allclose(getattr(again, name), getattr(parameters, name), rtol=1e-11)
    np.testing.assert_array_equal(again.torsion_atoms, parameters.torsion_atoms)


def test_parameters_of_another_ligand_are_not_saved(tmp_path):
    with pytest.raises(ForceFieldError, match="another molecule"):
        save_parameters(compute_parameters(load_ligand("CCO")), load_ligand("CCN"), tmp_path / "x.json")


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2, "mapped_smiles": ""}', "[1, 2]"])
def test_damaged_file(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ForceFieldError, match="not a parameter file"):
        load_parameters(path)


def test_molecule_outside_the_charge_model_is_named():
    with pytest.raises(ForceFieldError, match="phosphaalkyne: the charge model"):
        parametrise(load_ligand("CC(C)(C)C#P phosphaalkyne"))
