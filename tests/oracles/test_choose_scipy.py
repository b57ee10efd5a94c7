"""Oracle: SciPy's paired t test, Student's t, signed ranks, the bootstrap, and trials counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from epochal.choose.statistics.paired_statistics import (
    ALPHA,
    probability_interval,
    repeats_needed,
    shared_sd,
)
from epochal.choose.statistics.paired_test import against, difference


@pytest.mark.parametrize("count", [3, 5, 10, 30])
@pytest.mark.parametrize("higher_is_better", [False, True])
def test_the_paired_t_test(count: int, higher_is_better: bool) -> None:
    random = np.random.default_rng(count)
    one, two = random.normal(size=(2, count))
    found = difference(one, two, a="one", b="two", higher_is_better=higher_is_better)
    theirs = stats.ttest_rel(one, two) if higher_is_better else stats.ttest_rel(two, one)
    interval = theirs.confidence_interval(1 - ALPHA)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.sd == pytest.approx((one - two).std(ddof=1))
    assert found.mean == pytest.approx((one - two).mean() * (1 if higher_is_better else -1))
    assert found.significant == (theirs.pvalue < ALPHA)


@pytest.mark.parametrize("count", [3, 6, 20])
def test_a_family_of_two_is_the_paired_t_test(count: int) -> None:
    one, two = np.random.default_rng(count).normal(size=(2, count))
    (found,) = against({"one": one, "two": two}, reference="one")
    alone = difference(one, two, a="one", b="two")
    assert found.p_value == pytest.approx(stats.ttest_rel(one, two).pvalue, rel=1e-9)
    assert found.interval == pytest.approx(alone.interval) and found.sd == pytest.approx(alone.sd)
    assert found.better == alone.better and found.p_adjusted == found.p_value


def test_the_shared_sd_is_that_of_randomized_blocks() -> None:
    """By least squares on indicators of the settings and of the repeats."""
    table = np.random.default_rng(4).normal(size=(5, 7)) + np.arange(7)
    setting, repeat = (np.repeat(np.eye(5), 7, axis=0), np.tile(np.eye(7), (5, 1)))
    design = np.hstack([setting, repeat])
    fitted = design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
    shared = shared_sd(table)
    assert shared.df == 35 - np.linalg.matrix_rank(design)
    assert shared.sd == pytest.approx(math.sqrt(2 * ((table.ravel() - fitted) ** 2).sum() / shared.df))


def test_the_spread_of_each_setting_is_the_one_it_was_drawn_with() -> None:
    """Unbiased: over many tables the mean of the estimates is the variance, where none is cut off at 0."""
    random, sds = np.random.default_rng(5), np.array([2.0, 1.0, 1.5, 1.0])
    found = [
        shared_sd(sds[:, None] * random.normal(size=(4, 40)) + random.normal(size=40)).variances
        for _ in range(2000)
    ]
    assert np.mean(found, axis=0) == pytest.approx(sds**2, rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_signed_ranks_where_a_repeat_diverged(seed: int) -> None:
    """An infinite loss ranks above any finite one, as a huge one does in SciPy's exact test."""
    random = np.random.default_rng(seed)
    one, two = random.normal(size=(2, 9)) + np.array([[0.0], [0.7]])
    diverged = two.copy()
    diverged[0], two[0] = [math.nan, math.inf, -math.inf][seed % 3], 1e6
    found = difference(one, diverged, a="one", b="two")
    assert found.p_value == pytest.approx(stats.wilcoxon(one, two, method="exact").pvalue)
    assert found.nonfinite == (0, 1)


def test_signed_ranks_with_ties_by_all_signs() -> None:
    improvement = np.array([np.inf, np.inf, 2.0, 2.0, 1.0, -3.0])
    ranks = stats.rankdata(np.abs(improvement))
    signs = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1)
    sums, seen = ranks @ signs, ranks[improvement > 0].sum()
    two_sided = 2 * min((sums >= seen).mean(), (sums <= seen).mean())
    found = difference(np.zeros(6), np.where(np.isinf(improvement), np.nan, improvement), a="a", b="b")
    assert found.p_value == pytest.approx(two_sided)


@pytest.mark.parametrize("wins", range(6))
def test_the_interval_of_the_probability_is_clopper_and_pearsons(wins: int) -> None:
    theirs = stats.binomtest(wins, 5).proportion_ci(0.95, method="exact")
    assert probability_interval(wins, 0, 5 - wins) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("better", "tied"), [(0.5, 0.3), (0.8, 0.1), (0.1, 0.8)])
def test_with_ties_the_interval_of_the_probability_covers_it(better: float, tied: float) -> None:
    drawn = np.random.default_rng(0).multinomial(10, [better, tied, 1 - better - tied], size=5000)
    ends = [probability_interval(*map(int, one)) for one in drawn]
    covered = np.mean([low <= better + tied / 2 <= high for low, high in ends])
    assert covered >= 0.95


@pytest.mark.parametrize("size", [0.3, 0.7071, 1.5, 4.0, 30.0])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
def test_repeats_needed_by_the_noncentral_t(size: float, alpha: float) -> None:
    def power(count: int) -> float:
        critical, shift = stats.t.ppf(1 - alpha / 2, count - 1), size * math.sqrt(count)
        if shift > 10 * critical:
            return 1.0
        return 1 - stats.nct.cdf(critical, count - 1, shift)  # the other tail is below 1e-3 in all cases

    needed = repeats_needed(1.0, size, alpha=alpha)
    assert needed is not None and power(needed) >= 0.8 - 1e-4
    assert needed == 3 or power(needed - 1) < 0.8


def test_repeats_needed_by_trial() -> None:
    """Cohen's (1988) table has 34 pairs for half a standard deviation; so many find it in 80 % of trials."""
    assert repeats_needed(2.0, 1.0, alpha=0.05) == 34
    random = np.random.default_rng(0)
    trials = stats.ttest_1samp(random.normal(1.0, 2.0, (20_000, 34)), 0, axis=1).pvalue < 0.05
    fewer = stats.ttest_1samp(random.normal(1.0, 2.0, (20_000, 30)), 0, axis=1).pvalue < 0.05
    assert 0.8 <= trials.mean() < 0.83 and fewer.mean() < 0.775
    assert repeats_needed(1.0, 1e-4) is None
