"""When a curve first reaches a target, and the work until then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from epochal.curves.statistics import Bools, Floats, t_quantile

RESAMPLES = 2000  # how many bootstrap samples an interval rests on
NORMAL = 1.959963984540054  # the 0.975 quantile of the standard normal distribution


@dataclass(frozen=True)
class Reached:
    """One repeat: the updates until the target, or those spent without reaching it (censored)."""

    updates: float
    reached: bool


@dataclass(frozen=True)
class ExpectedRunningTime:
    """The expected running time (ERT) to a target over repeats, in updates, with a 95 % interval.

    `expected` is infinite when no repeat reached the target; `low` is then all the work that was done. With
    one repeat that reached it there is no interval: `low` is 0 and `high` infinite. `within` are the smallest
    and the largest number that was spent by a repeat which did not reach the target.
    """

    expected: float
    low: float
    high: float
    reached: int
    repeats: int
    unit: str = "updates"
    within: tuple[float, float] | None = None

    @property
    def shortfall(self) -> str:
        """Which repeats did not reach the target, in words; empty when all did.

        >>> expected_running_time([Reached(500, True), Reached(2000, False), Reached(2000, False)]).shortfall
        'not reached within 2,000 updates in 2 of 3 repeats'
        """
        if self.within is None:
            return ""
        lowest, highest = (format_amount(end) for end in self.within)
        spent = lowest if lowest == highest else f"{lowest} to {highest}"
        missed = self.repeats - self.reached
        share = f"{missed} of {self.repeats} repeats"
        if missed == self.repeats:
            share = f"any of {missed} repeats" if missed > 1 else "the only repeat"
        return f"not reached within {spent} updates in {share}"

    def __str__(self) -> str:
        if self.reached == 0:
            return self.shortfall
        count = "1 repeat: no interval"
        if self.repeats > 1:
            count = f"{self.repeats} repeats; 95 % interval {format_amount_range(self.low, self.high)}"
        return "; ".join(filter(None, (f"{format_amount(self.expected)} updates ({count})", self.shortfall)))


def first_reached(
    updates: ArrayLike, values: ArrayLike, target_value: float, higher_is_better: bool = False
) -> Reached:
    """The first crossing of a target by one curve, interpolated between two evaluations.

    The curve is taken as it is: where it is noisy, a lucky evaluation counts. A curve that is at the target
    when it begins needs the updates of its first evaluation (0 when that came before the first update).
    Evaluations that are not finite are skipped. A curve that never gets there is censored at its last
    update: that is data for `expected_running_time`. Both arrays have shape (evaluations,).

    >>> first_reached([0, 10, 20, 30], [1.0, 0.6, 0.2, 0.3], target_value=0.5)
    Reached(updates=12.5, reached=True)
    >>> first_reached([0, 10, 20], [1.0, 0.6, 0.2], target_value=0.1)
    Reached(updates=20.0, reached=False)
    """
    at, curve = np.asarray(updates, np.float64), np.asarray(values, np.float64)
    sign = -1.0 if higher_is_better else 1.0
    known = np.flatnonzero(np.isfinite(curve))
    above = sign * (curve[known] - target_value)
    there = np.flatnonzero(above <= 0)
    if there.size == 0:
        return Reached(float(at[-1]), False)
    first, end = int(there[0]), float(at[known[there[0]]])
    if first == 0:
        return Reached(end, True)
    start, before, after = float(at[known[first - 1]]), float(above[first - 1]), float(above[first])
    return Reached(min(end, start + (end - start) * (before / (before - after))), True)


def expected_running_time(
    reached: Sequence[Reached], scale: float = 1.0, *, resamples: int = RESAMPLES, seed: int = 0
) -> ExpectedRunningTime:
    """The expected running time: all the updates of all repeats, over the number that reached the target.

    It is what one would spend on average by training again, with another seed, until the target is reached:
    repeats that did not reach it count with what they cost (Hansen et al. 2021, COCO: a platform for
    comparing continuous optimizers in a black-box setting, doi 10.1080/10556788.2020.1808977). The interval
    comes from resampling the repeats (`resampled_ci95`). `scale` is what one update costs: the batch size for
    samples, or measured seconds.

    >>> print(expected_running_time([Reached(one, one < 1000) for one in (400, 600, 500, 1000)]))
    833 updates (4 repeats; 95 % interval 262 to 12,285); not reached within 1,000 updates in 1 of 4 repeats
    """
    spent, hit = _columns(reached, scale)
    rows = np.random.default_rng(seed).integers(spent.size, size=(resamples, spent.size))
    missed = spent[~hit]
    total, hits = float(spent.sum()), int(hit.sum())
    expected = total / hits if hits else math.inf
    low, high = resampled_ci95(expected, *_bounds(spent[rows], hit[rows]), repeats=spent.size)
    return ExpectedRunningTime(
        expected=expected,
        low=low if hits else total,
        high=high,
        reached=hits,
        repeats=spent.size,
        within=(float(missed.min()), float(missed.max())) if missed.size else None,
    )


def running_time_ratio(
    a: Sequence[Reached],
    b: Sequence[Reached],
    scale_a: float = 1.0,
    scale_b: float = 1.0,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float, float]:
    """How many times the expected work of B does A need? Repeat i of both had the same seed.

    The ratio with its 95 % interval, (ratio, low, high); infinite where A did not reach the target, 0 where
    only A did.

    The bootstrap draws the same repeats for both, so that what a seed does to both cancels out. A drawn
    setting that nowhere reached the target counts with the work done at the low end, without bound at the
    high end.

    >>> fast = [Reached(100, True), Reached(120, True), Reached(110, True), Reached(90, True)]
    >>> slow = [Reached(131, True), Reached(155, True), Reached(140, True), Reached(119, True)]
    >>> [round(one, 2) for one in running_time_ratio(slow, fast)]
    [1.3, 1.27, 1.33]
    """
    spent_a, hit_a = _columns(a, scale_a)
    spent_b, hit_b = _columns(b, scale_b)
    rows = np.random.default_rng(seed).integers(spent_a.size, size=(resamples, spent_a.size))
    min_a, max_a = _bounds(spent_a[rows], hit_a[rows])
    min_b, max_b = _bounds(spent_b[rows], hit_b[rows])
    whole = (_bounds(spent[None], hit[None])[1] for spent, hit in ((spent_a, hit_a), (spent_b, hit_b)))
    ratio = float(_ratio(*whole)[0]) if hit_a.any() or hit_b.any() else math.inf
    ends = _ratio(min_a, max_b), _ratio(max_a, min_b)
    return ratio, *resampled_ci95(ratio, *ends, repeats=spent_a.size)


def resampled_ci95(estimate: float, lows: Floats, highs: Floats, *, repeats: int) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap statistics, stretched for few repeats; they may be infinite.

    A percentile interval of n values is too narrow by √((n - 1)/n) and by the difference between the normal
    and Student's t (Hesterberg 2015, What teachers should know about the bootstrap, proposes wider
    percentiles; of three repeats there are only ten different samples to take them from). So the logs of the
    statistics are spread around that of the estimate by t(0.975, n - 1)/1.96 · √(n/(n - 1)): 1.6 with five
    repeats, 1.2 with ten. An estimate of 0 or infinity has no log; there all of them are covered.

    `lows` and `highs` are the bounds of the statistic in each bootstrap sample, both of shape (resamples,).
    With a single repeat the ends are 0 and infinity.

    >>> statistics = np.exp(np.linspace(-1, 1, 201))
    >>> [round(math.log(end), 2) for end in resampled_ci95(1.0, statistics, statistics, repeats=10_000)]
    [-0.95, 0.95]
    >>> [round(math.log(end), 2) for end in resampled_ci95(1.0, statistics, statistics, repeats=5)]
    [-1.5, 1.5]
    """
    if repeats == 1:
        return 0.0, math.inf
    low, high = np.sort(lows), np.sort(highs)
    if not 0 < estimate < math.inf:
        return float(low[0]), float(high[-1])
    stretch = t_quantile(0.975, repeats - 1) / NORMAL * math.sqrt(repeats / (repeats - 1))
    tail = math.floor(0.025 * (lows.size - 1))
    # No interpolation: between a finite statistic and an infinite one there is nothing.
    return (
        estimate * (float(low[tail]) / estimate) ** stretch,
        estimate * (float(high[-1 - tail]) / estimate) ** stretch,
    )


def _columns(reached: Sequence[Reached], scale: float) -> tuple[Floats, Bools]:
    spent = np.array([one.updates for one in reached], dtype=np.float64) * scale
    return spent, np.array([one.reached for one in reached], dtype=np.bool_)


def _bounds(spent: Floats, hit: Bools) -> tuple[Floats, Floats]:
    """The bounds of the expected work of each row: they differ where none reached."""
    total, hits = spent.sum(axis=1), hit.sum(axis=1)
    lowest = total / np.maximum(hits, 1)
    return lowest, np.where(hits > 0, lowest, np.inf)


def _ratio(over: Floats, under: Floats) -> Floats:
    """A quotient of running times, where reaching the target with no update at all is as good as it gets."""
    same = (over == 0) & (under == 0)
    safe = np.where(under == 0, 1.0, under)
    return np.where(same, 1.0, np.where(under == 0, np.inf, over / safe))


def format_amount(value: float) -> str:
    """A count or a time as people write it.

    >>> format_amount(2000.0), format_amount(43.21), format_amount(math.inf)
    ('2,000', '43.2', 'infinite')
    """
    if math.isinf(value):
        return "infinite"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def format_amount_range(low: float, high: float) -> str:
    """An interval that may be open on one side or both.

    >>> [format_amount_range(*ends) for ends in ((12, 2000), (12, math.inf), (0, 7), (0, math.inf))]
    ['12 to 2,000', '12 or more', 'up to 7', 'not known']
    """
    if math.isinf(high):
        return "not known" if low == 0 else f"{format_amount(low)} or more"
    return f"up to {format_amount(high)}" if low == 0 else f"{format_amount(low)} to {format_amount(high)}"
