from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockkit.core.errors import EnergyError
from dockkit.core.model import ComplexState, Estimate, ResistanceRow
from dockkit.core.settings import AtpSettings
from dockkit.core.units import thermal_energy
from dockkit.resistance import Competition, accuracy_in_words, atp_shift, fold_change, judge, rank, state_difference

T = 298.15
RT = thermal_energy(T)
COMMON = {"competition": Competition(2000.0, (25.0,)), "temperature_kelvin": T, "atp_competitive": True}


def test_thermal_energy():
    assert RT == pytest.approx(0.59248, abs=1e-4)


def test_ten_fold_loss_is_1_36_kcal():
    assert fold_change(1.3643, 0.0, 80.0, T) == pytest.approx(10.0, rel=1e-3)


def test_published_example_of_the_atp_half():
    """EGFR L858R/T790M: K_m(ATP) 8.4 uM against 148 uM of L858R (Yun et al., PNAS 2008, 105, 2070).

    Gefitinib's K_d barely changes; at 1 mM ATP the fold change is the ratio of 1 + [ATP]/K_m.
    """
    ddg_atp = RT * math.log(8.4 / 148.0)
    expected = (1 + 1000 / 8.4) / (1 + 1000 / 148.0)
    assert fold_change(0.0, ddg_atp, 1000 / 148.0, T) == pytest.approx(expected)
    assert expected == pytest.approx(15.5, abs=0.1)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_saturating_atp_gives_the_difference(inhibitor, atp):
    fold = fold_change(inhibitor, atp, 1e12, T)
    assert RT * math.log(fold) == pytest.approx(inhibitor - atp, abs=1e-6)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_no_atp_leaves_the_inhibitor_half(inhibitor, atp):
    assert RT * math.log(fold_change(inhibitor, atp, 0.0, T)) == pytest.approx(inhibitor, abs=1e-9)


@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(0.1, 1e4))
def test_mutating_back_inverts_the_fold(inhibitor, atp, ratio):
    there = fold_change(inhibitor, atp, ratio, T)
    back = fold_change(-inhibitor, -atp, ratio * math.exp(-atp / RT), T)
    assert there * back == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("inhibitor", "atp", "call", "reason"),
    [
        (3.0, 0.0, "lost", "inhibitor half"),
        (0.0, -3.0, "lost", "ATP half"),
        (1.5, -1.5, "lost", "both halves"),
        (1.0, 0.0, "weakened", "inhibitor half"),
        (0.1, 0.1, "kept", "neither half changes by more than 3-fold"),
        (2.0, 2.0, "kept", "the two halves cancel"),
        (-2.0, 0.0, "gained", "inhibitor half"),
        (0.0, 2.0, "gained", "ATP half"),
    ],
)
def test_calls_and_reasons(inhibitor, atp, call, reason):
    verdict = judge(Estimate(inhibitor, 0.1, 4), Estimate(atp, 0.1, 4), **COMMON)
    assert (verdict.call, verdict.reason) == (call, reason)
    assert verdict.fold_change_low < verdict.fold_change < verdict.fold_change_high


def test_a_non_competitive_inhibitor_ignores_atp():
    verdict = judge(Estimate(1.0, 0.2, 4), Estimate(-3.0, 0.2, 4), **{**COMMON, "atp_competitive": False})
    assert verdict.ddg_effective.value == pytest.approx(1.0)
    assert "does not compete" in verdict.reason


def test_error_propagates_as_the_derivative_says():
    verdict = judge(Estimate(1.0, 0.3, 4), Estimate(-0.5, 0.4, 4), **COMMON)
    step = 1e-5
    ratio = 80.0
    slope = RT * (math.log(fold_change(1.0, -0.5 + step, ratio, T)) - math.log(fold_change(1.0, -0.5, ratio, T))) / step
    assert verdict.ddg_effective.sem == pytest.approx(math.hypot(0.3, slope * 0.4), rel=1e-4)


EGFR = Competition(1000.0, (148.0,), (8.4,))


def test_measured_constants_replace_the_predicted_half():
    """Gefitinib with EGFR L858R/T790M against L858R at 1 mM ATP (Yun et al., PNAS 2008, 105, 2070): 15.5-fold."""
    verdict = judge(
        Estimate(0.0, 0.1, 3), Estimate(5.0, 0.1, 3), competition=EGFR, temperature_kelvin=T, atp_competitive=True
    )
    assert verdict.fold_change == pytest.approx(15.5, abs=0.1)
    assert "measured" in verdict.reason
    assert verdict.atp_range is None
    alone = judge(Estimate(0.0, 0.1, 3), None, competition=EGFR, temperature_kelvin=T, atp_competitive=True)
    assert alone.fold_change == verdict.fold_change


def test_several_measured_constants_give_a_range_around_the_mean():
    many = replace(EGFR, mutant_um=(4.0, 8.4, 16.0))
    shift, limits = atp_shift(many, None, T)
    assert limits[0] < shift.value < limits[1]
    assert limits[0] == pytest.approx(RT * math.log((1 + 1000 / 16.0) / (1 + 1000 / 148.0)))
    verdict = judge(Estimate(1.0, 0.0, 3), None, competition=many, temperature_kelvin=T, atp_competitive=True)
    assert verdict.atp_range == pytest.approx((1.0 + limits[0], 1.0 + limits[1]))


@pytest.mark.parametrize("mutant", [(), (8.4,)])
def test_errors_of_atp_and_km_propagate_as_sampling_says(mutant):
    """First-order errors against ten thousand draws of [ATP], K_m and ddG_ATP."""
    predicted = Estimate(-1.7, 0.1, 3)
    known = Competition(1000.0, (148.0,), mutant, concentration_error=0.1, km_error=0.15)
    rng = np.random.default_rng(1)
    a, b, w, m = rng.normal(size=(4, 10_000))
    atp, wild = 1000.0 * np.exp(a * np.log1p(0.1)), 148.0 * np.exp(w * np.log1p(0.15))
    own = 8.4 * np.exp(m * np.log1p(0.15)) if mutant else wild * np.exp((predicted.value + 0.1 * b) / RT)
    drawn = RT * (np.log1p(atp / own) - np.log1p(atp / wild))
    shift, _ = atp_shift(known, predicted, T)
    assert shift.sem == pytest.approx(drawn.std(), rel=0.05)
    assert shift.value == pytest.approx(drawn.mean(), abs=0.02)


def test_at_saturating_atp_its_concentration_does_not_matter():
    known = Competition(1e9, (25.0,), concentration_error=1.0)
    assert atp_shift(known, Estimate(-1.0, 0.0), T)[0].sem == pytest.approx(0.0, abs=1e-6)


def test_without_any_knowledge_of_the_mutant_there_is_no_atp_half():
    with pytest.raises(EnergyError, match="neither"):
        atp_shift(Competition(1000.0, (25.0,)), None, T)


def test_measured_values_of_a_study_are_found_by_variant():
    measured = [
        {"variant": "WT", "km_um": 5.2, "source": "a"},
        {"variant": "T790M/L858R", "km_um": 8.4, "source": "b"},
        {"variant": "L858R/T790M", "kd_um": 9.0, "source": "c"},
    ]
    settings = AtpSettings(measured=measured)
    assert settings.measured_um("wild-type") == (5.2,)
    assert settings.measured_um("L858R/T790M") == (8.4, 9.0)
    assert settings.measured_um("T790M") == ()
    for wrong in ({"variant": "WT", "source": "a"}, {"variant": "WT", "km_um": 1.0, "kd_um": 1.0, "source": "a"}):
        with pytest.raises(ValueError, match="one of the two"):
            AtpSettings(measured=[wrong])


def state(receptor, name, sums):
    terms = np.zeros((len(sums), 5))
    terms[:, 0] = sums
    return ComplexState(name, "T315I", receptor, "x", np.zeros((1, 3)), terms, np.zeros((receptor.n_residues, 3)), 0.0)


def test_the_fold_range_holds_the_methods_error_and_the_sem_does_not():
    bare = judge(Estimate(1.0, 0.1, 3), None, **COMMON)
    wide = judge(Estimate(1.0, 0.1, 3), None, **COMMON, method_error=0.9)
    assert wide.ddg_effective == bare.ddg_effective
    assert RT * math.log(wide.fold_change_high / wide.fold_change) == pytest.approx(math.hypot(0.1, 0.9))
    assert wide.fold_change_low < bare.fold_change_low


def test_ddg_is_the_difference_of_weighted_means():
    from builders import peptide

    receptor = peptide()
    wild = state(receptor, "wild-type", [-40.0, -41.0])
    mutant = replace(state(receptor, "mutant", [-38.0, -30.0]), weights=[0.75, 0.25], conformers=[0, 1])
    found = state_difference(wild, mutant)
    assert (found.value, found.n) == (pytest.approx(-36.0 + 40.5), 4)
    # starts of one conformer: variance 1/2 over 2; two conformers with one start each: (0.75 * 2)^2 + (0.25 * 6)^2
    assert found.sem == pytest.approx(math.sqrt(0.25 + 2.25 + 2.25))
    alone = state_difference(state(receptor, "wild-type", [1.0]), state(receptor, "mutant", [2.0]))
    assert math.isnan(alone.sem)
    with pytest.raises(EnergyError, match="same path"):
        state_difference(wild, replace(mutant, ligand="y"))
    with pytest.raises(EnergyError, match="add up"):
        replace(mutant, weights=[0.5, 0.2])


def test_ranking_leaves_failed_rows_out():
    def row(ligand, value, status="ok"):
        return ResistanceRow("ABL1", "P00519", "s", "T315I", ligand, ddg_effective_kcal_mol=value, status=status)

    rows = rank([row("a", 2.0), row("b", -1.0), row("c", float("nan"), "failed"), row("d", 0.5)])
    assert [r.rank for r in rows] == [3, 1, 0, 2]


def test_ranking_goes_by_what_is_to_be_expected_and_then_by_what_was_computed():
    def row(ligand, computed, expected):
        return ResistanceRow(
            "ABL1", "P00519", "s", "T315I", ligand, ddg_effective_kcal_mol=computed, ddg_expected_kcal_mol=expected
        )

    rows = rank([row("a", 2.0, 1.5), row("b", 3.0, 1.0), row("c", -1.0, 0.0), row("d", -2.0, 0.0)])
    assert [r.rank for r in rows] == [4, 3, 2, 1]


def test_the_accuracy_that_reports_quote_is_the_benchmarks_own():
    text = accuracy_in_words()
    assert "always predicting no change" in text
    assert "kcal/mol" in text
