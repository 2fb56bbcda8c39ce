from __future__ import annotations

import numpy as np
import pytest
from builders import ion, peptide

from dockkit.core.geometry import rotate_about
from dockkit.forcefield.hydroxyls import turn_hydroxyls
from dockkit.forcefield.system import assemble


def indices(receptor, residue, *names):
    found = {str(receptor.atom_names[i]): int(i) for i in receptor.atom_indices(residue)}
    return [found[name] for name in names]


@pytest.mark.parametrize(("charge", "points_to_it"), [(-1.0, True), (1.0, False)])
def test_a_hydroxyl_points_to_a_negative_ion_and_away_from_a_positive_one(charge, points_to_it):
    receptor = peptide("AGTGA")
    carbon, oxygen, hydrogen = indices(receptor, 2, "CB", "OG1", "HG1")
    away = receptor.coordinates[oxygen] - receptor.coordinates.mean(axis=0)
    position = receptor.coordinates[oxygen] + 3.2 * away / np.linalg.norm(away)
    ligand, parameters = ion(5.0 * charge, tuple(position))
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, ligand.coordinates])
    turned = turn_hydroxyls(assembly, xyz, np.arange(5), 4.0)

    axis = xyz[oxygen] - xyz[carbon]
    circle = rotate_about(np.tile(xyz[hydrogen], (360, 1, 1)), xyz[oxygen], axis, np.arange(360.0))[:, 0]
    reach = np.linalg.norm(circle - position, axis=1)
    middle = 0.5 * (reach.min() + reach.max())
    assert bool(np.linalg.norm(turned[hydrogen] - position) < middle) is points_to_it
    others = np.arange(len(xyz)) != hydrogen
    np.testing.assert_array_equal(turned[others], xyz[others])
    bond = np.linalg.norm(turned[hydrogen] - turned[oxygen])
    assert bond == pytest.approx(np.linalg.norm(xyz[hydrogen] - xyz[oxygen]), abs=1e-9)


def test_residues_without_a_hydroxyl_are_left_alone():
    receptor = peptide("AGTGA")
    ligand, parameters = ion(1.0, (9.0, 9.0, 9.0))
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, ligand.coordinates])
    np.testing.assert_array_equal(turn_hydroxyls(assembly, xyz, np.array([0, 1, 3, 4]), 4.0), xyz)
