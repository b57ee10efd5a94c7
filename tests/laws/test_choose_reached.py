"""Law: the first crossing of a curve is found, and what did not get there still counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.choose.statistics.time_to_target import (
    Reached,
    expected_running_time,
    first_reached,
    resampled_ci95,
    running_time_ratio,
)

value = st.floats(-100, 100, allow_subnormal=False) | st.sampled_from([math.nan, math.inf, -math.inf])


@st.composite
def curves(draw):
    """Updates that increase, and values some of which are not finite."""
    values = draw(st.lists(value, min_size=1, max_size=12))
    steps = draw(st.lists(st.integers(1, 1000), min_size=len(values), max_size=len(values)))
    start = draw(st.sampled_from([0, 7]))
    return start + np.cumsum(steps) - steps[0], np.array(values)


target = st.floats(-100, 100, allow_subnormal=False)


def brute_force(updates, values, goal, higher):
    """One evaluation after the other, as one would with a pencil."""
    before = None
    for at, here in zip(updates, values, strict=True):
        if not math.isfinite(here):
            continue
        if (here >= goal) if higher else (here <= goal):
            if before is None:
                return float(at), True
            share = (before[1] - goal) / (before[1] - here)
            return before[0] + share * (at - before[0]), True
        before = (at, here)
    return float(updates[-1]), False


# The first crossing -----------------------------------------------------------------------------------------


@given(curves(), target, st.booleans())
def test_it_is_what_a_pencil_finds(curve, goal, higher):
    found = first_reached(*curve, goal, higher)
    updates, reached = brute_force(*curve, goal, higher)
    assert found.reached is reached
    assert found.updates == pytest.approx(updates, rel=1e-9)


@given(curves(), target, target)
def test_a_harder_target_is_not_reached_earlier(curve, one, other):
    easy, hard = first_reached(*curve, max(one, other)), first_reached(*curve, min(one, other))
    assert easy.updates <= hard.updates * (1 + 1e-12)
    assert easy.reached or not hard.reached


@given(curves(), target, st.sampled_from([0.25, 2.0, 1024.0]))
def test_other_units_of_updates_change_the_units_only(curve, goal, factor):
    updates, values = curve
    found, scaled = first_reached(updates, values, goal), first_reached(updates * factor, values, goal)
    assert scaled == Reached(found.updates * factor, found.reached)


@given(curves(), target)
def test_upside_down_is_the_same(curve, goal):
    updates, values = curve
    assert first_reached(updates, values, goal) == first_reached(
        updates, -values, -goal, higher_is_better=True
    )


@given(curves(), target)
def test_there_the_line_between_two_evaluations_meets_the_target(curve, goal):
    updates, values = np.append(curve[0], curve[0][-1] + 5) + 3, np.append(curve[1], -101.0)
    updates, values = np.insert(updates, 0, 0), np.insert(values, 0, 101.0)
    found = first_reached(updates, values, goal)
    finite = np.isfinite(values)
    place = int(np.flatnonzero(finite & (values <= goal))[0])
    before = int(np.flatnonzero(finite[:place])[-1])
    assert updates[before] <= found.updates <= updates[place]
    height = np.interp(found.updates, updates[[before, place]], values[[before, place]])
    assert height == pytest.approx(goal, abs=1e-9 * 100)


def test_at_the_target_from_the_start():
    assert first_reached([0, 10], [0.1, 0.5], 0.1) == Reached(0.0, True)
    assert first_reached([0, 10], [math.nan, 0.1], 0.2) == Reached(10.0, True)


def test_a_repeat_that_diverged_is_censored_at_its_last_update():
    assert first_reached([0, 10, 20], [1.0, math.inf, math.nan], 0.5) == Reached(20.0, False)


def test_the_noise_of_a_curve_is_not_smoothed():
    assert first_reached([0, 10, 20, 30], [1.0, 0.0, 1.0, 0.0], 0.5) == Reached(5.0, True)


# The expected running time ----------------------------------------------------------------------------------


def done(*updates):
    return [Reached(float(at), True) for at in updates]


def missed(*updates):
    return [Reached(float(at), False) for at in updates]


def test_the_expected_running_time_by_hand():
    found = expected_running_time([*done(100, 300), *missed(1000, 1000, 2000)])
    assert found.expected == (100 + 300 + 1000 + 1000 + 2000) / 2
    assert (found.reached, found.repeats, found.within) == (2, 5, (1000.0, 2000.0))
    assert found.low < found.expected < found.high
    assert found.shortfall == "not reached within 1,000 to 2,000 updates in 3 of 5 repeats"


def test_without_misses_it_is_the_mean():
    found = expected_running_time(done(100, 200, 600))
    assert found.expected == 300 and found.shortfall == "" and math.isfinite(found.high)


def test_not_reached_at_all_is_a_lower_bound():
    found = expected_running_time(missed(2000, 2000, 2000))
    assert (found.expected, found.low, found.high) == (math.inf, 6000.0, math.inf)
    assert str(found) == "not reached within 2,000 updates in any of 3 repeats"


def test_one_repeat_has_no_interval():
    found = expected_running_time(done(100))
    assert (found.expected, found.low, found.high) == (100.0, 0.0, math.inf)
    assert str(found) == "100 updates (1 repeat: no interval)"
    assert str(expected_running_time(missed(50))) == "not reached within 50 updates in the only repeat"


@given(st.lists(st.builds(Reached, st.floats(1, 1e4), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=50)
def test_a_scale_changes_the_unit_only(repeats):
    updates, samples = (
        expected_running_time(repeats, resamples=100),
        expected_running_time(repeats, 32.0, resamples=100),
    )
    for name in ("expected", "low", "high"):
        assert getattr(samples, name) == pytest.approx(32 * getattr(updates, name), rel=1e-12)
    assert updates.low <= updates.expected <= updates.high


# Two settings -----------------------------------------------------------------------------------------------


def test_against_itself_a_setting_is_as_good_for_sure():
    one = [*done(100, 300, 250), *missed(400)]
    found = running_time_ratio(one, one, 2.0, 1.0)
    assert found == (2.0, 2.0, 2.0)


def test_where_half_of_the_repeats_missed_none_may_reach():
    one = [*done(100), *missed(400)]
    found = running_time_ratio(one, one)
    assert found == (1.0, 0.0, math.inf)


def test_what_a_seed_does_to_both_cancels_out():
    random = np.random.default_rng(1)
    rows = np.exp(random.normal(0, 1, 10))
    a, b = done(*130 * rows * np.exp(random.normal(0, 0.01, 10))), done(*100 * rows)
    _, low, high = running_time_ratio(a, b)
    _, shuffled_low, shuffled_high = running_time_ratio(a, b[1:] + b[:1])
    assert low < 1.3 < high < 1.35
    assert shuffled_low < 1 < 2 < shuffled_high


@given(
    st.lists(
        st.tuples(*[st.builds(Reached, st.just(0.0) | st.floats(0.1, 1e4), st.booleans())] * 2),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=100)
def test_the_other_way_round_is_the_reciprocal_and_never_nan(pairs):
    a, b = ([pair[side] for pair in pairs] for side in (0, 1))
    there, back = (running_time_ratio(*two, resamples=200) for two in ((a, b), (b, a)))
    ratio, low, high = there
    assert low <= high
    if not any(one.reached for one in a + b):
        assert there == back == (math.inf, 0.0, math.inf)
        return
    assert low <= ratio <= high
    with np.errstate(divide="ignore"):
        for one, other in zip(there, (back[0], back[2], back[1]), strict=True):
            assert one == pytest.approx(float(np.divide(1.0, other)), rel=1e-6)


def test_a_target_that_only_one_setting_reached():
    worse = running_time_ratio(missed(1000, 1000), done(100, 100))
    assert worse == (math.inf, 20.0, math.inf)
    better = running_time_ratio(done(100, 100), missed(1000, 1000))
    assert better == (0.0, 0.0, 0.05)


@pytest.mark.parametrize("repeats", [2, 3, 5, 10])
def test_the_intervals_cover_as_often_as_they_say(repeats):
    random = np.random.default_rng(repeats)
    mean, trials = math.exp(0.3**2 / 2), 300
    covers = [0, 0]
    for trial in range(trials):
        rows = np.exp(random.normal(0, 0.3, repeats))
        a, b = (done(*rows * np.exp(random.normal(0, 0.1, repeats))) for _ in range(2))
        alone, ratio = (
            expected_running_time(done(*rows), resamples=200, seed=trial),
            running_time_ratio(a, b, resamples=200, seed=trial),
        )
        covers[0] += alone.low <= mean <= alone.high
        covers[1] += ratio[1] <= 1 <= ratio[2]
    assert all(0.88 <= cover / trials <= 0.99 for cover in covers), covers


def test_no_interpolation_towards_infinity():
    figures = np.array([1.0] * 97 + [math.inf] * 3)
    assert resampled_ci95(1.0, figures, figures, repeats=10_000)[1] == math.inf
    figures = np.array([1.0] * 98 + [math.inf] * 2)
    assert resampled_ci95(1.0, figures, figures, repeats=10_000) == (1.0, 1.0)
