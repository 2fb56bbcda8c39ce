"""AM1-BCC charges: against the original network code, and by what charges must obey."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from dockkit.core.errors import ForceFieldError
from dockkit.forcefield.charges import _WeightReader, am1bcc_charges, equilibrate
from dockkit.forcefield.resonance import average_formal_charges

ORACLE = json.loads((Path(__file__).parent / "oracles" / "am1bcc_charges.json").read_text())


def _with_hydrogens(smiles):
    return Chem.AddHs(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("name", ORACLE)
def test_charges_equal_the_original_code(name):
    """The oracle is the PyTorch network; its maker is oracles/make_am1bcc_charges.py."""
    charges = am1bcc_charges(_with_hydrogens(ORACLE[name]["smiles"]))
    np.testing.assert_allclose(charges, ORACLE[name]["charges"], atol=2e-6)


@pytest.mark.parametrize("name", ["imatinib", "ATP", "arginine"])
def test_charges_sum_to_the_formal_charge(name):
    molecule = _with_hydrogens(ORACLE[name]["smiles"])
    assert am1bcc_charges(molecule).sum() == pytest.approx(Chem.GetFormalCharge(molecule), abs=1e-12)


def test_equal_atoms_have_equal_charges():
    molecule = _with_hydrogens(ORACLE["ATP"]["smiles"])
    charges = am1bcc_charges(molecule)
    gamma = molecule.GetSubstructMatch(Chem.MolFromSmarts("O~P(~[OD1])(~[OD1])~[OD1]"))
    assert np.ptp(charges[[gamma[2], gamma[3], gamma[4]]]) < 1e-12


@pytest.mark.parametrize("name", ["ATP", "bosutinib"])
def test_charges_follow_the_atoms(name):
    molecule = _with_hydrogens(ORACLE[name]["smiles"])
    order = [int(i) for i in np.random.default_rng(3).permutation(molecule.GetNumAtoms())]
    shuffled = am1bcc_charges(Chem.RenumberAtoms(molecule, order))
    np.testing.assert_allclose(shuffled, am1bcc_charges(molecule)[order], atol=1e-12)


def test_bridged_rings_do_not_depend_on_atom_order():
    molecule = _with_hydrogens("C1NCC2CC1N2C")
    charges = am1bcc_charges(molecule)
    rng = np.random.default_rng(4)
    for _ in range(5):
        order = [int(i) for i in rng.permutation(molecule.GetNumAtoms())]
        again = Chem.MolFromSmiles(
            Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False), sanitize=False
        )
        Chem.SanitizeMol(again)
        np.testing.assert_allclose(np.sort(am1bcc_charges(again)), np.sort(charges), atol=1e-12)


def test_equilibrate_two_atoms_by_hand():
    """Equal hardness 1: the charge that moves is half the difference of the electronegativities."""
    charges = equilibrate(np.zeros(2), np.array([1.0, 0.4]), np.ones(2), 0.0)
    np.testing.assert_allclose(charges, [-0.3, 0.3])
    np.testing.assert_allclose(equilibrate(np.zeros(2), np.zeros(2), np.array([1.0, 3.0]), 1.0), [0.75, 0.25])
    np.testing.assert_allclose(equilibrate(np.array([0.2, -0.2]), np.ones(2), np.ones(2), 0.0), [0.2, -0.2])


def test_equilibrate_is_a_minimum():
    rng = np.random.default_rng(5)
    prior, electronegativity, hardness = rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2.0, size=6)

    def energy(charges):
        shift = charges - prior
        return float((electronegativity * shift + hardness * shift**2 / 2).sum())

    best = equilibrate(prior, electronegativity, hardness, -1.0)
    assert best.sum() == pytest.approx(-1.0)
    for _ in range(20):
        step = rng.normal(scale=0.05, size=6)
        assert energy(best + step - step.mean()) > energy(best)


@pytest.mark.parametrize(
    ("smiles", "wanted"),
    [
        ("CC(=O)[O-]", {"O": [-0.5, -0.5]}),
        ("COP(=O)([O-])[O-]", {"O": [-2 / 3, -2 / 3, -2 / 3, 0.0]}),
        ("COP(=O)([O-])OC", {"O": [-0.5, -0.5, 0.0, 0.0]}),
        ("NC(N)=[NH2+]", {"N": [1 / 3, 1 / 3, 1 / 3]}),
        ("CC(=O)[N-]C(C)=O", {"O": [-1 / 3, -1 / 3], "N": [-1 / 3]}),
        ("C[N+](=O)[O-]", {"O": [-0.5, -0.5], "N": [1.0]}),
        ("CN(C)c1cc[nH+]cc1", {"N": [0.5, 0.5]}),
        ("CS(C)=O", {"S": [1.0], "O": [-1.0]}),
        ("CC(=O)NC", {"N": [0.0], "O": [0.0]}),
    ],
)
def test_resonance_averages(smiles, wanted):
    molecule = _with_hydrogens(smiles)
    mean = average_formal_charges(molecule)
    assert mean.sum() == pytest.approx(Chem.GetFormalCharge(molecule))
    for element, values in wanted.items():
        found = sorted(mean[atom.GetIdx()] for atom in molecule.GetAtoms() if atom.GetSymbol() == element)
        assert found == pytest.approx(sorted(values))


@pytest.mark.parametrize(("smiles", "message"), [("C[Si](C)(C)C", "Si"), ("CC#P", r"group \[#15:1\]#")])
def test_foreign_chemistry_is_refused(smiles, message):
    with pytest.raises(ForceFieldError, match=message):
        am1bcc_charges(_with_hydrogens(smiles))


class _Harmful:
    def __reduce__(self):
        return os.system, ("false",)


def test_weight_file_cannot_run_code():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(_Harmful(), protocol=2))
    with zipfile.ZipFile(buffer) as archive, pytest.raises(pickle.UnpicklingError, match="unexpected object"):
        _WeightReader(archive, "model").load()
