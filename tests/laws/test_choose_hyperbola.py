"""Law: updates to a target fall with the batch size as a hyperbola; no more is claimed than is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.choose.statistics.hyperbola import bootstrap_hyperbola, fastest_batch, fit_hyperbola
from epochal.errors import Refusal

SIZES = 2.0 ** np.arange(10)
CRITICAL, FEWEST = 30.0, 100.0
TRUTH = FEWEST * (1 + CRITICAL / SIZES)


def study(seed, repeats=5, scatter=0.1, shared=0.0, truth=TRUTH):
    """Measured steps of one study, with lognormal scatter of each point and of each repeat."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, shared, (repeats, 1))
    return truth * np.exp(rows + random.normal(0, scatter, (repeats, truth.size)))


# The curve --------------------------------------------------------------------------------------------------


def test_at_a_quarter_and_at_four_times_the_critical_batch_size():
    curve = fit_hyperbola([1, 100, 10_000], 10 * (1 + 1000 / np.array([1, 100, 10_000])))
    assert curve.critical_batch_size == pytest.approx(1000)
    np.testing.assert_allclose(curve.steps([250, 1000, 4000]) / curve.minimal_steps, [5, 2, 1.25])


@given(st.floats(-2, 4), st.floats(0, 6))
def test_without_noise_it_is_found_again(log_critical, log_fewest):
    critical, fewest = 10**log_critical, 10**log_fewest
    curve = fit_hyperbola(SIZES, fewest * (1 + critical / SIZES))
    assert curve.critical_batch_size == pytest.approx(critical, rel=1e-9)
    assert curve.minimal_steps == pytest.approx(fewest, rel=1e-9)
    assert curve.minimal_samples == pytest.approx(fewest * critical, rel=1e-9)
    assert curve.scatter < 1e-11
    for interval, value in (
        (curve.critical_batch_size_ci95, critical),
        (curve.steps_ci95, fewest),
        (curve.samples_ci95, fewest * critical),
    ):
        assert interval == pytest.approx((value, value), rel=1e-6)


@given(st.integers(0, 1000), st.sampled_from([0.125, 8.0, 4096.0]), st.sampled_from([0.25, 512.0]))
@settings(max_examples=30)
def test_other_units_change_the_units_only(seed, batch_factor, step_factor):
    steps = study(seed, 1, 0.3)[0]
    here, there = fit_hyperbola(SIZES, steps), fit_hyperbola(SIZES * batch_factor, steps * step_factor)
    for name, factor in (
        ("critical_batch_size", batch_factor),
        ("steps", step_factor),
        ("samples", batch_factor * step_factor),
    ):
        scaled = tuple(end * factor for end in getattr(here, f"{name}_ci95"))
        assert getattr(there, f"{name}_ci95") == pytest.approx(scaled, rel=1e-6)
    assert there.critical_batch_size == pytest.approx(here.critical_batch_size * batch_factor, rel=1e-6)
    assert there.scatter == pytest.approx(here.scatter, rel=1e-9)


def test_two_points_leave_nothing_to_judge_by():
    curve = fit_hyperbola([10, 100], [110, 20])
    assert curve.critical_batch_size == pytest.approx(100) and curve.scatter is None
    assert curve.critical_batch_size_ci95 == curve.steps_ci95 == curve.samples_ci95 == (0.0, math.inf)
    assert "not known" in str(curve)


# One branch only --------------------------------------------------------------------------------------------


def test_noise_alone_bounds_the_critical_batch_size_from_below_only():
    curve = fit_hyperbola(SIZES, study(3, 1, 0.05, truth=1e5 / SIZES)[0])
    low, high = curve.critical_batch_size_ci95
    assert SIZES[-1] < low <= curve.critical_batch_size <= high == math.inf
    assert curve.steps_ci95[0] == 0 and curve.steps_ci95[1] < 1e5 / SIZES[-1]
    assert curve.samples_ci95[0] < 1e5 < curve.samples_ci95[1] < 1.2e5


def test_a_flat_curve_bounds_the_critical_batch_size_from_above_only():
    curve = fit_hyperbola(SIZES, study(3, 1, 0.05, truth=100 + 0 * SIZES)[0])
    low, high = curve.critical_batch_size_ci95
    assert 0 == low <= curve.critical_batch_size <= high < SIZES[0]
    assert curve.samples_ci95[0] == 0 and 90 < curve.steps_ci95[0] < 100 < curve.steps_ci95[1] < 110


@pytest.mark.parametrize("power", [-1.5, -1.0, 0.0, 0.3])
def test_no_hyperbola_is_steeper_than_one_over_b_or_rises(power):
    curve = fit_hyperbola(SIZES, 1000 * SIZES**power)
    if power < -0.5:
        assert curve.critical_batch_size == math.inf and curve.minimal_steps == 0
        np.testing.assert_allclose(curve.steps(SIZES), curve.minimal_samples / SIZES)
    else:
        assert curve.critical_batch_size == 0 and curve.minimal_samples == 0
        np.testing.assert_allclose(curve.steps(SIZES), curve.minimal_steps)
    for name in ("steps", "samples"):
        low, high = getattr(curve, f"{name}_ci95")
        assert low <= getattr(curve, f"minimal_{name}") <= high < math.inf


@pytest.mark.parametrize("truth", [1e5 / SIZES, 100 + 0 * SIZES], ids=["noise", "flat"])
def test_the_bootstrap_is_as_careful_on_one_branch(truth):
    low, high = bootstrap_hyperbola(SIZES, study(5, 5, 0.1, truth=truth)).critical_batch_size_ci95
    assert (high == math.inf and low > SIZES[-1]) if truth[0] > 1000 else (low == 0 and high < SIZES[0])


# Censored points --------------------------------------------------------------------------------------------


@given(st.integers(1, 8))
def test_censored_points_that_lie_below_the_curve_change_nothing(count):
    known = TRUTH.copy()
    known[:count] /= 2
    curve = fit_hyperbola(SIZES, known, censored=np.arange(10) < count)
    assert curve.critical_batch_size == pytest.approx(CRITICAL, rel=1e-9)
    assert curve.minimal_steps == pytest.approx(FEWEST, rel=1e-9)
    assert curve.censored == count


def test_a_censored_point_above_the_curve_lifts_it():
    steps = study(2, 1)[0]
    without = fit_hyperbola(SIZES[1:], steps[1:])
    lifted = fit_hyperbola(SIZES, [3 * steps[0], *steps[1:]], censored=SIZES == 1)
    assert lifted.steps(1) > 1.2 * without.steps(1)


@pytest.mark.parametrize("cap", [250, 480, 850, 1600])
def test_training_too_short_for_small_batches_hardly_biases_the_estimate(cap):
    critical, fewest = [], []
    for seed in range(60):
        steps = study(seed)
        curve = fit_hyperbola(
            np.tile(SIZES, 5), np.minimum(steps, cap).ravel(), censored=(steps >= cap).ravel()
        )
        critical.append(curve.critical_batch_size)
        fewest.append(curve.minimal_steps)
    assert np.median(critical) == pytest.approx(CRITICAL, rel=0.1)
    assert np.median(fewest) == pytest.approx(FEWEST, rel=0.02)


def test_taking_censored_points_as_reached_would_bias_it():
    steps, cap = study(0), 480
    naive = fit_hyperbola(np.tile(SIZES, 5), np.minimum(steps, cap).ravel())
    assert naive.critical_batch_size < 0.6 * CRITICAL


# The bootstrap ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeats", "scatter", "shared", "cap"),
    [(5, 0.1, 0.0, math.inf), (5, 0.3, 0.3, math.inf), (3, 0.1, 0.1, math.inf), (5, 0.2, 0.0, 700)],
)
def test_the_interval_covers_as_often_as_it_says(repeats, scatter, shared, cap):
    trials, covers = 120, np.zeros(2)
    for seed in range(trials):
        steps = study(seed, repeats, scatter, shared)
        curve = bootstrap_hyperbola(SIZES, np.minimum(steps, cap), steps < cap, resamples=100, seed=seed)
        covers += (
            curve.critical_batch_size_ci95[0] <= CRITICAL <= curve.critical_batch_size_ci95[1],
            (curve.steps_ci95[0] <= FEWEST <= curve.steps_ci95[1]),
        )
    assert ((covers / trials >= 0.88) & (covers / trials <= 0.99)).all(), covers / trials


def test_what_a_seed_does_to_a_whole_row_does_not_blur_the_critical_batch_size():
    low, high = bootstrap_hyperbola(SIZES, study(1, 10, 0.01, shared=1.0)).critical_batch_size_ci95
    assert high / low < 1.05
    low, high = bootstrap_hyperbola(SIZES, study(1, 10, 0.01, shared=1.0)).steps_ci95
    assert high / low > 2


def test_the_bootstrap_is_a_function_of_its_seed():
    steps = study(1)
    assert bootstrap_hyperbola(SIZES, steps, seed=3) == bootstrap_hyperbola(SIZES, steps, seed=3)
    assert bootstrap_hyperbola(SIZES, steps, seed=3) != bootstrap_hyperbola(SIZES, steps, seed=4)


def test_one_repeat_keeps_the_interval_of_the_profile():
    steps = study(1, 1)
    assert bootstrap_hyperbola(SIZES, steps) == fit_hyperbola(SIZES, steps[0])


def test_samples_of_repeats_that_tell_nothing_widen_the_interval():
    steps = study(1, 4)
    reached = np.ones(steps.shape, np.bool_)
    reached[:3] = SIZES[-1] == SIZES  # three of four repeats reached the target at the largest batch only
    curve = bootstrap_hyperbola(SIZES, steps, reached)
    assert curve.critical_batch_size_ci95 == (0.0, math.inf)


# The fastest batch size -------------------------------------------------------------------------------------


@given(st.floats(1e-3, 1e6), st.floats(0, 1e6))
def test_the_fastest_measured_batch_size_follows_the_units(unit, critical):
    seconds = 1e-3 + 1e-5 * SIZES**1.1
    here = fastest_batch(SIZES, seconds, critical)
    assert fastest_batch(SIZES, seconds * unit, critical) == pytest.approx(here, rel=1e-9)
    assert fastest_batch(SIZES[::-1], seconds[::-1], critical) == here
    assert SIZES[0] <= here <= SIZES[-1]


def test_the_fastest_batch_size_at_the_limits():
    seconds = [1.0, 0.9, 1.2, 5.0]
    assert fastest_batch([1, 2, 4, 8], seconds, 0.0) == 2
    assert fastest_batch([1, 2, 4, 8], seconds, math.inf) == 4
    assert fastest_batch([32], [1.0], 100.0) == 32


# What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fit_hyperbola([1, 2], [1.0, 0.0]), "steps must be positive and finite; got 0"),
        (lambda: fit_hyperbola([1, 2], [1.0, math.nan]), "got nan"),
        (lambda: fit_hyperbola([2, 2], [1.0, 1.0]), "2 batch sizes or more; it was at 1"),
        (
            lambda: fit_hyperbola([1, 2], [1.0, 1.0], censored=[True, True]),
            "2 batch sizes or more; it was at 0",
        ),
        (lambda: fit_hyperbola([1, 2], [2.0, 1.0], censored=[True, False]), "choose an easier target"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, said):
    with pytest.raises(Refusal, match=said):
        call()


@pytest.mark.parametrize(
    ("interval", "known"),
    [
        ((10.0, 50.0), True),
        ((0.4, 900.0), False),
        ((0.0, math.inf), False),
        ((9.0, math.inf), True),
        ((0.0, 3.0), True),
    ],
)
def test_an_interval_that_says_nothing_is_no_estimate(interval: tuple[float, float], known: bool) -> None:
    curve = replace(fit_hyperbola([250, 1000, 4000], [500, 200, 125]), critical_batch_size_ci95=interval)
    assert curve.estimated is known
    assert ("could not be estimated" in str(curve)) is not known
