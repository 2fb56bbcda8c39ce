"""Scores, intervals and reliability against other libraries, by hand, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dockkit.analysis import benchmarking as bench


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    truth = rng.normal(0.8, 1.0, 40).round(1)
    return truth + rng.normal(0.0, 0.8, 40).round(1), truth


def test_scores_agree_with_scipy(data):
    predicted, measured = data
    found = bench.scores(predicted, measured)
    assert found["pearson"] == pytest.approx(stats.pearsonr(predicted, measured)[0])
    assert found["spearman"] == pytest.approx(stats.spearmanr(predicted, measured)[0])
    positive = measured > bench.TEN_FOLD
    wins = stats.mannwhitneyu(predicted[positive], predicted[~positive]).statistic
    assert found["auroc"] == pytest.approx(wins / (positive.sum() * (~positive).sum()))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - measured) ** 2)))
    assert (found["n"], found["n_resistant"]) == (40, positive.sum())


def test_without_ties_concordance_is_kendall(data):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=30), rng.normal(size=30)
    assert bench.scores(x, y)["concordance"] == pytest.approx((stats.kendalltau(x, y).statistic + 1) / 2)


def test_weights_are_the_resample_written_out(data):
    """Every score of a row of weights is the score of the points repeated that often."""
    predicted, measured = data
    side = np.where(np.arange(40) % 7 == 0, 1, np.where(np.arange(40) % 11 == 0, -1, 0))
    weights = bench.resampling_weights(40, 5, seed=1)
    found = bench.weighted_scores(predicted, measured, weights, side)
    for b in range(5):
        again = np.repeat(np.arange(40), weights[b].astype(int))
        written = bench.scores(predicted[again], measured[again], side[again])
        assert {k: v[b] for k, v in found.items()} == pytest.approx({k: written[k] for k in bench.METRICS})


def test_bounds_that_are_kept_are_no_error():
    error = bench.residuals([6.0, 4.0, -1.0, 1.0, 3.0], [5.0, 5.0, 0.0, 0.0, 1.0], [1, 1, -1, -1, 0])
    assert error.tolist() == [0.0, -1.0, 0.0, 1.0, 2.0]


def test_bounds_leave_classes_open_where_they_reach_across_the_threshold():
    found = bench.classes([2.0, 1.0, 1.0, 2.0, 2.0], [1, 1, -1, -1, 0], threshold=1.5)
    assert found.tolist() == [1, -1, 0, -1, 1]


def test_a_constant_prediction_has_no_correlation_and_half_the_area():
    found = bench.scores(np.zeros(6), [0.0, 1.0, 2.0, 3.0, 0.5, 0.2])
    assert math.isnan(found["pearson"])
    assert math.isnan(found["spearman"])
    assert found["auroc"] == 0.5


@given(st.lists(st.integers(-20, 20), min_size=4, max_size=12, unique=True))
def test_order_scores_ignore_monotone_maps(values):
    x = np.array(values, dtype=float)
    y = np.arange(len(x), dtype=float)
    first, second = (bench.scores(p, y, threshold=len(x) / 2 - 0.5) for p in (x, np.exp(x / 7.0)))
    for name in ("spearman", "auroc", "concordance"):
        assert first[name] == pytest.approx(second[name])


def test_interval_covers_the_truth_as_often_as_it_says():
    """Means of 30 normal values: the 95% bootstrap interval of the bias holds 0 in about 93% of repeats."""
    rng = np.random.default_rng(11)
    weights = bench.resampling_weights(30, 400, seed=2)
    held = 0
    for _ in range(200):
        noise = rng.normal(size=30)
        found = bench.bootstrap_scores(noise, np.zeros(30), weights)["bias"]
        held += found.low <= 0.0 <= found.high
    assert 0.88 <= held / 200 <= 0.98


def test_whole_groups_are_drawn_together():
    weights = bench.resampling_weights(6, 50, seed=4, groups=["a", "a", "b", "b", "c", "c"])
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert (weights[:, ::2].sum(axis=1) == 3).all()
    assert (weights == bench.resampling_weights(6, 50, seed=4, groups=["a", "a", "b", "b", "c", "c"])).all()


def test_paired_difference_of_a_prediction_with_itself_is_exactly_zero(data):
    predicted, measured = data
    weights = bench.resampling_weights(40, 50, seed=1)
    for found in bench.paired_bootstrap(predicted, predicted, measured, weights).values():
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_paired_difference_sees_what_separate_intervals_hide(data):
    """A prediction that is worse by the same amount everywhere is worse in every resample."""
    _, measured = data
    noise = np.random.default_rng(8).normal(0, 1, 40)
    weights = bench.resampling_weights(40, 500, seed=1)
    found = bench.paired_bootstrap(measured + noise, measured + 1.1 * noise, measured, weights)["rmse"]
    assert found.high < 0.0
    assert found.below_zero == 1.0


def test_mean_within_groups_sees_no_difference_between_groups():
    x, y, groups = [0, 1, 2, 10, 11, 12], [2, 1, 0, 9, 8, 7], list("aaabbb")
    assert bench.mean_within(x, y, groups)[0] == pytest.approx(-1.0)
    assert bench.scores(x, y)["spearman"] > 0.4


def test_sign_agreement_counts_only_known_signs():
    share, known = bench.sign_agreement([1, -1, 1, 1, -2], [0.5, 0.5, -0.3, -0.3, 0.0], [0, 0, 1, -1, 0])
    assert (share, known) == (pytest.approx(1 / 3), 3)


def test_reliability_of_true_probabilities():
    rng = np.random.default_rng(0)
    probability = rng.random(20000)
    found = bench.reliability(probability, (rng.random(20000) < probability).astype(int))
    np.testing.assert_allclose(found.predicted, found.observed, atol=0.03)
    assert found.brier == pytest.approx(1 / 6, abs=0.005)
    assert found.brier_base == pytest.approx(1 / 4, abs=0.005)
    assert found.counts.sum() == 20000


def test_reliability_leaves_unknown_outcomes_out_and_wilson_is_as_published():
    found = bench.reliability([0.9, 0.9, 0.9, 0.1], [1, 1, -1, 0], n_bins=2)
    assert found.counts.tolist() == [1, 2]
    assert (found.low[1], found.high[1]) == (pytest.approx(0.342, abs=1e-3), pytest.approx(1.0))


def test_exceedance_of_the_centre_is_a_half():
    assert bench.exceedance([1.0, 1.0], [0.5, 2.0], 1.0, 5.0).tolist() == [0.5, 0.5]
    assert bench.exceedance([0.0], [1.0], 1.959964)[0] == pytest.approx(0.025, abs=1e-5)


def test_thirds_are_ordered_by_the_score():
    thirds = bench.by_thirds([0.1, 0.9, 0.5], [3.0, 1.0, -2.0])
    assert [part["rmse"] for part in thirds] == [3.0, 2.0, 1.0]
