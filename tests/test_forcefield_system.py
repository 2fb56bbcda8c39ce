from __future__ import annotations

import dataclasses

import numpy as np
import openmm
import pytest
from builders import ion, peptide
from openmm import app, unit

from dockkit.core.errors import ForceFieldError
from dockkit.forcefield.system import (
    HYDROGEN_MASS,
    assemble,
    combine,
    make_region,
    receptor_parameters,
    receptor_topology,
    region_system,
    select_residues,
    subset_receptor,
)


def potential(system: openmm.System, coordinates: np.ndarray) -> float:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(coordinates / 10.0)
    return context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)


def everything(assembly, coordinates, **options):
    n = np.arange(assembly.receptor.n_residues)
    region = make_region(assembly, n, n)
    options = {"dielectric": 1.0, "cutoff": 200.0, "backbone_restraint": 0.0, **options}
    return region, region_system(assembly, region, coordinates, **options)


def test_flat_parameters_give_openmm_its_own_energy_back():
    receptor = peptide()
    ligand, parameters = ion(0.0, (200.0, 0.0, 0.0))
    assembly = assemble(receptor, ligand, parameters)
    coordinates = np.concatenate([receptor.coordinates, ligand.coordinates])
    _, system = everything(assembly, coordinates, cutoff=1e9)
    reference = app.ForceField("amber14/protein.ff14SB.xml").createSystem(receptor_topology(receptor))
    assert potential(system, coordinates) == pytest.approx(potential(reference, receptor.coordinates), abs=1e-3)


def test_two_charges_obey_coulombs_law_in_the_dielectric():
    receptor = peptide()
    first, p1 = ion(1.0)
    _, p2 = ion(-1.0, (5.0, 0.0, 0.0))
    pair = combine(p1, p2)
    block = first.mol_block
    both = type(first)("pair", "[Na+].[Na+]", block, ["Na", "Na"], [1, -1], [(500.0, 0, 0), (505.0, 0, 0)])
    assembly = assemble(receptor, both, pair)
    region = make_region(assembly, np.array([], dtype=int), np.array([], dtype=int))
    coordinates = np.concatenate([receptor.coordinates, both.coordinates])
    options = {"backbone_restraint": 0.0, "cutoff": 1e7}
    energies = [
        potential(region_system(assembly, region, coordinates, dielectric=d, **options), both.coordinates)
        for d in (1.0, 4.0)
    ]
    assert energies[0] - energies[1] == pytest.approx(-332.0637 / 5.0 * 0.75, abs=1e-3)


def test_constraints_and_masses_for_dynamics():
    receptor = peptide()
    ligand, parameters = ion(1.0, (8.0, 8.0, 8.0))
    assembly = assemble(receptor, ligand, parameters)
    coordinates = np.concatenate([receptor.coordinates, ligand.coordinates])
    residues = np.arange(receptor.n_residues)
    region = make_region(assembly, residues[2:4], residues)
    system = region_system(
        assembly, region, coordinates, dielectric=4.0, cutoff=9.0, backbone_restraint=1.0, for_dynamics=True
    )
    masses = np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())])
    hydrogen = assembly.elements[region.atoms] == "H"
    assert (masses[~region.mobile] == 0.0).all()
    assert masses[region.mobile & hydrogen] == pytest.approx(HYDROGEN_MASS)
    moved = np.isin(assembly.atom_residue[region.atoms], residues[2:4])
    expected = assembly.parameters.masses[region.atoms][moved].sum()
    assert masses[moved].sum() == pytest.approx(expected), "repartitioning keeps the total mass"
    assert system.getNumConstraints() == int((moved & hydrogen).sum())


def test_one_choice_of_residues_serves_both_states():
    receptor = peptide()
    mobile, kept = select_residues(receptor, receptor.coordinates[:1] + 3.0, [3], 5.0, 6.0)
    assert 3 in mobile
    assert np.isin(mobile, kept).all()
    everything_kept = select_residues(receptor, receptor.coordinates[:1], [3], 100.0, 1.0)
    assert len(everything_kept[0]) == receptor.n_residues


def test_a_mutated_residue_far_from_the_ligand_is_among_the_chosen():
    receptor = peptide()
    ligand = receptor.coordinates.mean(axis=0)[None] + 50.0
    mobile, kept = select_residues(receptor, ligand, [3], 0.0, 2.0)
    assert list(mobile) == [3]
    assert list(kept) == [2, 3, 4], "its neighbours are bonded to it"


def test_subset_keeps_names_numbers_and_coordinates():
    receptor = peptide()
    part = subset_receptor(receptor, np.array([0, 1, 4]), receptor.coordinates)
    assert list(part.author_numbers) == [311, 312, 315]
    assert list(part.segments) == [0, 0, 1]
    chosen = np.isin(receptor.atom_residue, [0, 1, 4])
    np.testing.assert_array_equal(part.coordinates, receptor.coordinates[chosen])


def test_a_residue_without_template_is_named():
    receptor = peptide()
    assert receptor_parameters(receptor).n_atoms == receptor.n_atoms
    keep = ~np.isin(receptor.atom_names, ["CB"]) | (receptor.atom_residue != 2)
    hole = dataclasses.replace(
        receptor,
        atom_names=receptor.atom_names[keep],
        elements=receptor.elements[keep],
        atom_residue=receptor.atom_residue[keep],
        coordinates=receptor.coordinates[keep],
    )
    with pytest.raises(ForceFieldError, match="THR"):
        receptor_parameters(hole)
