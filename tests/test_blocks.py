from __future__ import annotations

import logging

import numpy as np
import pytest

from dockkit.analysis.blocks import (
    autocovariance,
    benjamini_hochberg,
    compare,
    compare_columns,
    convergence,
    detect_equilibration,
    statistical_inefficiency,
    summarise,
)


def ar1(phi: float, replicas: int, frames: int, seed: int) -> np.ndarray:
    """A stationary autoregressive series of variance 1, whose statistical inefficiency is (1 + phi) / (1 - phi)."""
    rng = np.random.default_rng(seed)
    series = np.empty((replicas, frames))
    series[:, 0] = rng.normal(size=replicas)
    noise = rng.normal(size=(replicas, frames)) * np.sqrt(1 - phi**2)
    for t in range(1, frames):
        series[:, t] = phi * series[:, t - 1] + noise[:, t]
    return series


def test_autocovariance_by_hand():
    values = np.array([[1.0, -1.0, 1.0, -1.0]])
    assert autocovariance(values) == pytest.approx([1.0, -1.0, 1.0, -1.0])


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8, 0.9])
def test_inefficiency_of_an_autoregressive_series_is_the_exact_one(phi):
    found = statistical_inefficiency(ar1(phi, 4, 6000, 3))
    assert found == pytest.approx((1 + phi) / (1 - phi), rel=0.15)


def test_inefficiency_agrees_with_pymbar():
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    timeseries = pytest.importorskip("pymbar").timeseries
    series = ar1(0.8, 1, 8000, 5)
    assert statistical_inefficiency(series) == pytest.approx(timeseries.statistical_inefficiency(series[0]), rel=0.15)


def test_a_constant_and_an_alternating_series_have_inefficiency_one():
    assert statistical_inefficiency(np.full((2, 50), 7.3)) == 1.0
    assert statistical_inefficiency(np.tile([1.0, -1.0], (1, 40))) == 1.0


def test_replicas_that_disagree_are_worth_one_sample_each():
    apart = np.array([[-1.0], [0.0], [1.0]]) + 1e-3 * ar1(0.0, 3, 100, 1)
    assert 3 * 100 / statistical_inefficiency(apart) < 6


def test_equilibration_is_cut_where_a_decay_ends_and_nowhere_else():
    still = ar1(0.5, 3, 200, 7)
    assert detect_equilibration(still) == 0
    falling = still + 20.0 * np.exp(-np.arange(200) / 10.0)
    assert 20 <= detect_equilibration(falling) <= 70
    assert summarise(falling).mean == pytest.approx(0.0, abs=0.3)


def test_standard_error_of_independent_samples_by_hand():
    values = np.array([[1.0, 3.0], [5.0, 7.0], [9.0, 11.0]])
    found = summarise(values, discard=0)
    assert found.replica_means == pytest.approx([2, 6, 10])
    assert (found.mean, found.sem, found.freedom) == (6.0, pytest.approx(4.0 / np.sqrt(3.0)), 2.0)


@pytest.mark.parametrize(("replicas", "frames", "phi"), [(3, 100, 0.9), (3, 20, 0.5), (6, 40, 0.95)])
def test_equal_states_are_called_different_about_as_often_as_said(replicas, frames, phi):
    """At 95 % one in twenty; short of a hundred trials, no more than one in eight."""
    pairs = [(ar1(phi, replicas, frames, 2 * k), ar1(phi, replicas, frames, 2 * k + 1)) for k in range(80)]
    assert np.mean([compare(*pair).called for pair in pairs]) <= 0.125


def test_a_real_difference_is_called_with_its_sign_and_interval():
    first, second = ar1(0.7, 4, 200, 1), ar1(0.7, 4, 200, 2) + 1.0
    found = compare(first, second, frame_ps=0.5)
    assert found.called
    assert found.low < 1.0 < found.high
    assert found.low > 0
    assert found.change.value == pytest.approx(second.mean() - first.mean())
    assert not found.control_called
    assert found.drift == (False, False)
    other = compare(second, first)
    assert other.change.value == pytest.approx(-found.change.value)
    assert other.change.sem == pytest.approx(found.change.sem)


def test_a_change_no_larger_than_the_wild_types_own_is_not_called():
    """Replicas that settled in two different states: the wild type differs from itself by 2, the mutant by 1.3."""
    noise, apart = ar1(0.3, 4, 200, 21), np.array([0.0, 2.0, 0.0, 2.0])[:, None]
    first = 0.02 * noise + apart
    control = compare(first, first)
    assert control.control_called
    assert abs(control.control.value) == pytest.approx(2.0, abs=0.05)
    for shift, called in ((3.5, False), (9.0, True)):
        found = compare(first, 0.02 * ar1(0.3, 4, 200, 22) + 1.0 + shift)
        assert found.low > 0.0
        assert found.called is called


def test_a_state_against_itself_does_not_differ():
    rows = ar1(0.5, 3, 50, 4)
    found = compare(rows, rows, paired=True)
    assert found.change.value == 0.0
    assert not found.called
    assert found.correlation == pytest.approx(1.0, abs=1e-5)


def test_pairing_is_used_where_replicas_go_together_and_only_there():
    shared = ar1(0.9, 4, 200, 11)
    together = compare(shared + 0.1 * ar1(0.9, 4, 200, 12), shared + 0.1 * ar1(0.9, 4, 200, 13) + 0.2, paired=True)
    assert together.paired
    assert together.change.sem == together.paired_sem < 0.5 * together.independent_sem
    assert together.called
    apart = compare(ar1(0.9, 4, 200, 14), ar1(0.9, 4, 200, 15), paired=True)
    assert not apart.paired
    assert apart.change.sem == apart.independent_sem
    assert np.isnan(compare(shared, shared).paired_sem)


def test_drift_is_flagged():
    climbing = ar1(0.2, 3, 100, 3) * 0.1 + np.linspace(0.0, 3.0, 100)
    assert compare(climbing, ar1(0.2, 3, 100, 4)).drift == (True, False)


def test_always_in_few_replicas_is_not_taken_for_always():
    never, always = np.zeros((2, 50)), np.ones((2, 50))
    assert not compare(never, always, fraction=True).called
    assert compare(np.zeros((8, 50)), np.ones((8, 50)), fraction=True).called
    now_and_then = (ar1(0.3, 3, 100, 5) > 0).astype(float)
    assert compare(now_and_then, np.zeros((3, 100)), fraction=True).called


def test_the_interval_of_a_fraction_does_not_leave_what_a_fraction_can_be():
    """A single replica with one change between few observations."""
    rare = np.zeros((1, 8))
    rare[0, 3] = 1.0
    difference = compare(rare, 1.0 - rare, fraction=True)
    assert -1.0 <= difference.low <= difference.high <= 1.0
    assert difference.high == 1.0


def test_frames_without_a_value_are_left_out():
    rows = ar1(0.0, 3, 60, 8)
    sparse = np.full((3, 120), np.nan)
    sparse[:, ::2] = rows
    assert summarise(sparse).mean == summarise(rows).mean
    assert summarise(sparse).sem == summarise(rows).sem
    nothing = compare(np.full((3, 5), np.nan), rows)
    assert np.isnan(nothing.change.value)
    assert not nothing.called


def test_false_discovery_rate_by_hand():
    """Five p-values of Benjamini & Hochberg's kind: p m / rank, made monotone from the largest down."""
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005, 0.5])
    assert benjamini_hochberg(p)[[4, 0, 3, 1, 5]] == pytest.approx([0.025, 0.025, 0.05, 0.05, 0.5])
    assert np.isnan(benjamini_hochberg(p)[2])


def test_a_map_without_change_calls_next_to_nothing_and_one_with_change_finds_it():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 4, 50, 60))
    assert compare_columns(first, second)[4].sum() <= 2
    second = second + np.where(np.arange(60) == 17, 1.5, 0.0)
    change, sem, _, _, called = compare_columns(first, second)
    assert called[17]
    assert change[17] == pytest.approx(1.5, abs=4 * sem[17])


def test_projection_falls_with_the_square_root_and_says_when_to_stop():
    first, second = ar1(0.5, 4, 400, 21), ar1(0.5, 4, 400, 22)
    found = convergence(first, second, frame_ps=0.5, target=0.01)
    assert found.length_ps[-1] == 200.0
    assert found.projected[0] / found.projected[-1] == pytest.approx(np.sqrt(found.length_ps[-1] / found.length_ps[0]))
    assert found.needed_ps == pytest.approx(200.0 * (found.sem[-1] / 0.01) ** 2)
    exact = np.sqrt(2 * 3.0 / 1600)
    assert found.sem[-1] == pytest.approx(exact, rel=0.6)
    assert not found.replicas_disagree
    stuck = first + np.array([[-3.0], [-1.0], [1.0], [3.0]])
    assert convergence(stuck, second, frame_ps=0.5, target=0.1).replicas_disagree
