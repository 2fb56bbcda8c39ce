"""Calibrated ddG: limits of the model, features measured on states, flags, probabilities."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_study import state

from dockkit.calibration import (
    LEVELS,
    PARAMETERS,
    WITHIN,
    Features,
    calibrate,
    calibration_record,
    confidence_level,
    expected,
    measure_features,
    predictive_scale,
    resistance_probability,
    without_group,
)
from dockkit.core.errors import EnergyError
from dockkit.core.model import Estimate
from dockkit.core.units import thermal_energy
from dockkit.pipeline.calibrated import atp_part

RECORD = {
    "parameters": {
        "slope_positive": 0.5, "slope_negative": 0.1, "slope_charged": 0.5, "offset": 1.0, "length": 6.0, "floor": 0.5,
        "near": 0.8, "charged": 0.3, "degrees": 5.0,
    },
    "fitted_range": {
        "ddg_kcal_mol": [-2.0, 3.0], "charge_change": 1, "n_sites": 1, "kinases": ["ABL1"], "wild_type_spread": 0.3,
    },
    "widening": dict.fromkeys(
        ("range", "charge", "sites", "kinase", "recipe", "modelled", "docked", "clash", "spread"), 1.5
    ),
    "recipe": "abc",
    "left_out": {"drug imatinib": {"offset": 7.0}, "kinase KIT": {"offset": 8.0}},
}  # fmt: skip
PLAIN = Features(Estimate(1.0, 0.1, 3), 3.5, kinase="ABL1", recipe="abc")


def test_nothing_mutated_far_away_is_zero_within_the_floor():
    nothing = calibrate(replace(PLAIN, ddg=Estimate(0.0, 0.0), distance_angstrom=math.inf, n_sites=0), RECORD)
    assert nothing.value == 0.0
    assert nothing.scale == 0.5
    assert nothing.flags == ()


def test_value_and_scale_by_hand():
    found = calibrate(PLAIN, RECORD)
    decay = math.exp(-3.5 / 6.0)
    assert found.value == pytest.approx(0.5 + decay)
    assert found.scale == pytest.approx(math.sqrt(0.25 + (0.8 * decay) ** 2 + 0.01))
    assert found.error == pytest.approx(found.scale * math.sqrt(5 / 3))


def test_charged_and_negative_predictions_are_shrunk_more():
    value = expected(RECORD["parameters"], [2.0, 2.0, -2.0], [np.inf] * 3, [0, 1, 0])
    assert value == pytest.approx([1.0, 0.5, -0.2])
    assert predictive_scale(RECORD["parameters"], [np.inf], [2])[0] == pytest.approx(math.hypot(0.5, 0.6))


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(2, 30))
def test_more_physical_ddg_never_means_less_expected(first, second, distance):
    low, high = sorted((first, second))
    values = expected(RECORD["parameters"], [low, high], [distance] * 2, [0, 0])
    assert values[0] <= values[1] + 1e-12


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ddg": Estimate(5.0, 0.1)}, "outside the fitted"),
        ({"ddg": Estimate(-4.0, 0.1)}, "outside the fitted"),
        ({"charge_change": -2}, "charge change -2"),
        ({"n_sites": 2}, "2 residues"),
        ({"kinase": "EGFR"}, "EGFR is not among"),
        ({"recipe": "other"}, "other settings"),
        ({"modelled": True}, "modelled"),
        ({"docked": True}, "docked"),
        ({"overlap_angstrom": 0.7}, "overlaps by 0.7 A"),
        ({"wild_type_spread": 0.9}, "varies by 0.9"),
    ],
)
def test_what_lies_outside_the_fit_is_said_and_widens_the_error(change, word):
    changed = replace(PLAIN, **change)
    found, same = calibrate(changed, RECORD), calibrate(replace(changed, overlap_angstrom=0.0), RECORD)
    assert len(found.flags) == 1
    assert word in found.flags[0]
    bare = predictive_scale(
        RECORD["parameters"], [changed.distance_angstrom], [changed.charge_change], [changed.ddg.sem]
    )
    assert found.scale == pytest.approx(1.5 * bare[0])
    assert found.confidence <= same.confidence


def test_flags_multiply():
    found = calibrate(replace(PLAIN, docked=True, modelled=True), RECORD)
    assert found.scale == pytest.approx(2.25 * calibrate(PLAIN, RECORD).scale)
    assert found.confidence < calibrate(PLAIN, RECORD).confidence


def test_confidence_is_the_chance_of_being_within_one():
    found = calibrate(PLAIN, RECORD)
    draws = found.value + found.scale * np.random.default_rng(1).standard_t(found.degrees, 200_000)
    assert np.mean(np.abs(draws - found.value) < WITHIN) == pytest.approx(found.confidence, abs=0.005)
    assert np.mean(draws > 1.364) == pytest.approx(found.probability_above(1.364), abs=0.005)
    assert draws.std() == pytest.approx(found.error, rel=0.02)


def test_levels():
    assert [confidence_level(value) for _, value in LEVELS] == ["high", "medium", "low"]
    assert confidence_level(math.nan) == ""


def test_probability_joins_the_atp_half():
    found = calibrate(PLAIN, RECORD)
    alone = resistance_probability(found, temperature_kelvin=298.15)
    assert alone == pytest.approx(found.probability_above(thermal_energy() * math.log(10)))
    assert resistance_probability(found, shift=1.0, temperature_kelvin=298.15) > alone
    centre = {"fold": math.exp(found.value / thermal_energy()), "temperature_kelvin": 298.15}
    assert resistance_probability(found, **centre) == pytest.approx(0.5)
    assert resistance_probability(found, shift_error=3.0, **centre) == pytest.approx(0.5)
    assert resistance_probability(found, shift_error=3.0, temperature_kelvin=298.15) > alone - 0.5


def test_measured_constants_of_atp_count_whole_and_predicted_ones_are_shrunk():
    atp = calibration_record()["atp"]
    shift = Estimate(1.4, 0.3, 2)
    assert atp_part(shift, measured=True) == (1.4, 0.3)
    assert atp_part(shift, measured=False) == pytest.approx((1.4 * atp["slope"], atp["error_kcal_mol"]))
    assert atp_part(Estimate(0.0, 0.0, 2), measured=False) == (0.0, 0.0)


def test_the_fold_without_the_drug_is_used_where_there_is_one():
    assert without_group(RECORD, "Imatinib", "KIT")["parameters"] == {"offset": 7.0}
    assert without_group(RECORD, "unseen", "KIT")["parameters"] == {"offset": 8.0}
    assert without_group(RECORD, "unseen", "ABL1")["parameters"] == RECORD["parameters"]


def test_a_number_that_is_none_is_refused():
    with pytest.raises(EnergyError, match="not finite"):
        calibrate(replace(PLAIN, ddg=Estimate(math.nan, 0.1)), RECORD)


def test_features_of_two_states():
    """The invented complex mutates T315I beside the ligand: a heavy-atom distance recomputed pair by pair."""
    wild_type, mutant = state("imatinib", "wild-type", "T315I", 1), state("imatinib", "mutant", "T315I", 2)
    found = measure_features(wild_type, mutant, Estimate(1.0, 0.1), kinase="ABL1")
    nearest = min(
        float(np.linalg.norm(atom - other))
        for one in (wild_type, mutant)
        for atom in one.receptor.coordinates[
            (one.receptor.uniprot_numbers[one.receptor.atom_residue] == 315) & (one.receptor.elements != "H")
        ]
        for other in one.ligand_coordinates
    )
    assert found.distance_angstrom == pytest.approx(nearest)
    assert (found.n_sites, found.charge_change) == (1, 0)
    assert found.wild_type_spread == pytest.approx(wild_type.terms.sum(axis=1).std())


def test_features_of_a_state_with_itself():
    wild_type = state("imatinib", "wild-type", "T315I", 1)
    found = measure_features(wild_type, wild_type, Estimate(0.0, 0.0))
    assert (found.n_sites, found.charge_change, found.overlap_angstrom) == (0, 0, 0.0)
    assert math.isinf(found.distance_angstrom)


@pytest.mark.parametrize(("name", "change"), [("LYS", 1), ("GLU", -1), ("ALA", 0)])
def test_charge_change_follows_the_residue(name, change):
    wild_type, mutant = state("imatinib", "wild-type", "T315I", 1), state("imatinib", "mutant", "T315I", 2)
    names = np.array(mutant.receptor.residue_names)
    names[names != wild_type.receptor.residue_names] = name
    changed = replace(mutant, receptor=replace(mutant.receptor, residue_names=names))
    assert measure_features(wild_type, changed, Estimate(0.0, 0.0)).charge_change == change


def test_a_clash_left_in_the_mutant_is_measured():
    wild_type, mutant = state("imatinib", "wild-type", "T315I", 1), state("imatinib", "mutant", "T315I", 2)
    protein = mutant.receptor
    site = int(np.flatnonzero(protein.residue_names != wild_type.receptor.residue_names)[0])
    own = np.flatnonzero((protein.atom_residue == site) & (protein.atom_names == "CG"))[0]
    other = np.flatnonzero((protein.atom_residue == site + 4) & (protein.atom_names == "CB"))[0]
    xyz = np.array(protein.coordinates)
    xyz[other] = xyz[own] + [2.0, 0.0, 0.0]
    clashing = replace(mutant, receptor=replace(protein, coordinates=xyz))
    assert measure_features(wild_type, clashing, Estimate(0.0, 0.0)).overlap_angstrom >= 3.4 - 0.4 - 2.0 - 1e-9


def test_the_shipped_record_is_whole_and_says_where_it_is_from():
    record = calibration_record()
    assert set(PARAMETERS) <= set(record["parameters"])
    for key in ("what", "date", "script", "n", "drugs", "model", "candidates_tried", "scores", "fitted_range", "atp"):
        assert key in record
    assert {f"drug {name}" for name in record["drugs"]} <= set(record["left_out"])
    assert record["scores"]["rmse_drug_out"] > 0
    found = calibrate(replace(PLAIN, recipe=""))
    assert 0.0 < found.confidence < 1.0
    assert 0.3 < found.error < 3.0
