"""Oracle: the hyperbola is the one that SciPy's general optimizers find, with two free parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import f as fisher

from epochal.choose.statistics.hyperbola import fastest_batch, fit_hyperbola

SIZES = np.tile([1.0, 3, 10, 30, 100, 300], 3)


def measured(seed):
    """Steps of three repeats with much scatter, the target missed where more than 700 were needed."""
    random = np.random.default_rng(seed)
    steps = 50 * (1 + 10 ** random.uniform(0, 2.5) / SIZES) * np.exp(random.normal(0, 0.3, SIZES.size))
    return np.minimum(steps, 700), steps >= 700


def residuals(steps, missed, log_fewest, log_critical):
    left = np.log(steps) - log_fewest - np.log1p(np.exp(log_critical) / SIZES)
    return np.where(missed, np.maximum(left, 0), left)


def scipy_fit(steps, missed, fixed=None):
    """The smallest sum of squares, over both parameters or with one of them fixed: {index: value}."""
    fixed = fixed or {}
    free = [index for index in range(2) if index not in fixed]

    def of(values):
        both = dict(zip(free, values, strict=True)) | fixed
        return residuals(steps, missed, both[0], both[1])

    fits = [
        least_squares(of, [(math.log(40.0), start)[i] for i in free], xtol=1e-12, ftol=1e-12, gtol=1e-12)
        for start in (0.0, 3.0, 6.0)
    ]
    best = min(fits, key=lambda fit: fit.cost)
    return best.x, 2 * best.cost


@pytest.mark.parametrize("censoring", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_same_curve_as_a_search_over_both_parameters(seed, censoring):
    steps, missed = measured(seed)
    missed &= censoring
    curve = fit_hyperbola(SIZES, steps, censored=missed)
    (log_fewest, log_critical), squares = scipy_fit(steps, missed)
    ours = residuals(steps, missed, math.log(curve.minimal_steps), math.log(curve.critical_batch_size))
    assert float(ours @ ours) <= squares * (1 + 1e-9)
    assert math.log(curve.critical_batch_size) == pytest.approx(log_critical, abs=1e-4)
    assert math.log(curve.minimal_steps) == pytest.approx(log_fewest, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_ends_of_the_intervals_are_where_the_f_test_says(seed):
    steps, _ = measured(seed)
    missed = np.zeros(steps.size, np.bool_)
    curve = fit_hyperbola(SIZES, steps)
    _, minimum = scipy_fit(steps, missed)
    df = steps.size - 2
    for index, interval in ((0, curve.steps_ci95), (1, curve.critical_batch_size_ci95)):
        for end in interval:
            assert 0 < end < math.inf
            _, squares = scipy_fit(steps, missed, {index: math.log(end)})
            assert (squares - minimum) / minimum * df == pytest.approx(fisher.ppf(0.95, 1, df), rel=1e-3)


@pytest.mark.parametrize("critical", [0.0, 3.0, 40.0, 900.0, math.inf])
@pytest.mark.parametrize("seed", range(5))
def test_the_fastest_batch_size_on_a_measured_curve_is_that_of_a_fine_grid(seed, critical):
    random = np.random.default_rng(seed)
    sizes = 2.0 ** np.arange(0, 12)
    seconds = np.exp(np.cumsum(random.uniform(-0.1, 0.8, sizes.size)))  # knees at every size
    at = np.unique(np.concatenate([sizes, np.geomspace(1, sizes[-1], 20_001)]))
    time = np.exp(np.interp(np.log(at), np.log(sizes), np.log(seconds)))
    needed = 1 / at if math.isinf(critical) else 1 + critical / at
    found = fastest_batch(sizes, seconds, critical)
    assert found == pytest.approx(at[np.argmin(needed * time)], rel=1e-3)
