"""Oracle: SciPy's Student t for every mean, sd and interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from epochal.curves import Curves, summarize
from epochal.curves.statistics import t_factor


@pytest.mark.parametrize("count", [2, 3, 5, 10, 100])
def test_summary(count: int) -> None:
    values = np.random.default_rng(count).normal(0.7, 0.05, count)
    summary = summarize(values)
    assert summary.ci95 is not None and summary.sd is not None
    expected = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert summary.mean == pytest.approx(values.mean())
    assert summary.sd == pytest.approx(values.std(ddof=1))
    assert summary.ci95 == pytest.approx(expected, rel=1e-9)
    assert summary.per_repeat == tuple(values)


@pytest.mark.parametrize("count", [2, 4, 30])
def test_nadeau_and_bengio_widen(count: int) -> None:
    expected = stats.t.ppf(0.975, count - 1) * math.sqrt(1 / count + 0.25)
    assert t_factor(count, test_train_ratio=0.25) == pytest.approx(expected)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(2000):
        low, high = summarize(rng.normal(size=5)).ci95 or (0, 0)
        held += low <= 0 <= high
    assert 0.935 <= held / 2000 <= 0.965


def test_bands() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(size=(6, 4))
    repeat, epoch = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    band = Curves(repeat, epoch, epoch, epoch, epoch, {"train.loss": array.ravel()}).summary("train.loss")
    low, high = stats.t.interval(0.95, 5, loc=array.mean(axis=0), scale=stats.sem(array))
    assert np.allclose(band.low, low) and np.allclose(band.high, high)
    assert np.allclose(band.sd, array.std(axis=0, ddof=1))


def test_one_repeat_none_and_not_finite() -> None:
    one = summarize([0.5])
    assert (one.mean, one.sd, one.ci95) == (0.5, None, None)
    assert one.to_dict() == {"mean": 0.5, "sd": None, "ci95": None, "per_repeat": [0.5]}
    none = summarize([math.nan])
    assert math.isnan(none.mean) and none.to_dict()["mean"] is None and "not finite" in str(none)
    some = summarize([1.0, math.nan, 3.0])
    assert some.repeats == 2 and some.mean == 2.0 and "1 not finite, left out" in str(some)
    assert some.to_dict()["per_repeat"] == [1.0, None, 3.0]
    assert str(summarize([0.0, 0.0])) and str(summarize([-1.0, 1.0])).count(" to ") == 1
