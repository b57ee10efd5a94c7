"""Paired statistics of two settings: difference, wins, intervals."""

from __future__ import annotations

import bisect
import functools
import math
from typing import NamedTuple

import numpy as np

from epochal.curves.statistics import Floats, Summary, summarize, t_factor, t_quantile

ALPHA = 0.02
"""How often equal settings may be called different, over all pairs and looks: in one comparison of fifty."""
MIN_PAIRS = 3  # with fewer pairs nothing is significant: their spread is unknown
SMALL_EFFECT = 0.2
"""The smallest difference that matters, unless one is given: this share of the sd over repeats.

Cohen (1988, section 2.2) calls it a small effect. Whoever trains once with the better of two settings that
differ by so much, and once with the other, gets the better result from the better one in 56 of 100 cases.
"""
LOUDER = 1.5
"""From how many times the variance of all on two settings have a spread of their own.

Arbitrary, between the power among settings that scatter alike and the level among those that don't: see
`benchmarks/equal_settings.py`.
"""
MAX_REPEATS = 10_000  # beyond this a difference is not worth the repeats that would show it

UNLIKE = 0.0001
"""The level of the F test by which a setting that is noisier than the others is not pooled with them.

Rare enough that settings that scatter alike hardly ever lose one, so that what is promised for them holds.
"""

_SAME = 1e-6  # differences closer than this share of the values are equal: values come from 32-bit numbers


def improvement_of(one: Floats, two: Floats, higher_is_better: bool) -> Floats:
    """By how much `one` is better in each repeat: ±infinity where only one is finite, 0 where none is."""
    finite_one, finite_two = np.isfinite(one), np.isfinite(two)
    both = finite_one & finite_two
    plain = np.where(both, one, 0.0) - np.where(both, two, 0.0)
    ranked = np.where(finite_one == finite_two, 0.0, np.where(finite_one, np.inf, -np.inf))
    # both NaN: a tie that no mean may count, hence NaN, which is neither above nor below 0
    return np.where(both, plain if higher_is_better else -plain, np.where(ranked == 0, np.nan, ranked))


def paired_test(improvement: Floats, one: Floats, two: Floats) -> tuple[float, float]:
    """The two-sided p-value, and a number whose sign says which is better.

    A repeat that neither finished says nothing and is left out; one that only one of them finished has no
    difference to average, and so ranks are compared instead.
    """
    known = ~np.isnan(improvement)
    improvement, one, two = improvement[known], one[known], two[known]
    if not np.isfinite(improvement).all():
        return _signed_rank(improvement)
    mean = float(improvement.mean()) if improvement.size else 0.0
    if mean == 0 or improvement.size < 2:
        return 1.0, mean
    from scipy.special import stdtr  # late: importing SciPy costs more than most calls need

    error = _sd(improvement, one, two) / math.sqrt(improvement.size)
    return (0.0 if error == 0 else float(2 * stdtr(improvement.size - 1, -abs(mean) / error))), mean


def _sd(improvement: Floats, one: Floats, two: Floats) -> float:
    """The sd of the differences, at least that of rounding where some of them tie.

    Ties show that the values are rounded: an accuracy is a count over the validation samples. Equal
    differences then do not mean that there is no spread, only that it hides below one step of r; the
    rounding of two values has a standard deviation of r / √6. The step is the smallest gap between values.
    """
    sd = float(improvement.std(ddof=1))
    same = _SAME * float(np.abs([one, two]).max())
    if (np.diff(np.sort(improvement)) > same).all():
        return sd
    gaps = np.diff(np.sort(np.concatenate([one, two])))
    steps = gaps[gaps > same]
    return max(sd, float(steps.min()) / math.sqrt(6)) if steps.size else sd


def summary_of(improvement: Floats, one: Floats, two: Floats) -> Summary:
    """Mean, sd and Student t interval of the finite differences."""
    finite = np.isfinite(improvement)
    plain = summarize(improvement)
    count = plain.repeats
    if count < 2:
        return plain
    sd = _sd(improvement[finite], one[finite], two[finite])
    half = t_factor(count) * sd
    return Summary(plain.mean, sd, (plain.mean - half, plain.mean + half), plain.per_repeat)


class SharedSd(NamedTuple):
    """The spread of the values of several settings over the same repeats.

    Of a two-way analysis of variance, settings by repeats (Fisher's randomized blocks): what is left when the
    means of settings and of repeats are taken out.
    """

    sd: float  # of the difference of two settings, as if all settings scattered alike
    df: int  # its degrees of freedom
    variances: tuple[float, ...]
    """The variance of each setting (Grubbs 1948); empty for two settings, where it is not identifiable."""


def shared_sd(table: Floats) -> SharedSd:
    """How settings scatter over repeats, together and each, by a (settings, repeats) table of finite values.

    >>> found = shared_sd(np.array([[1.0, 2.0, 3.0], [1.5, 2.0, 4.0]]))
    >>> round(found.sd, 6), found.df
    (0.5, 2)
    """
    settings, repeats = table.shape
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    df = (settings - 1) * (repeats - 1)
    squares = (residual**2).sum(axis=1)
    variances: tuple[float, ...] = ()
    if settings > 2:
        # Of a sum of squares the expectation is (repeats - 1) ((1 - 2 / k) own + sum of all / k^2).
        both = squares.sum() / (repeats - 1) / (settings - 1)
        own = (squares / (repeats - 1) - both / settings) / (1 - 2 / settings)
        variances = tuple(float(one) for one in np.maximum(own, 0.0))
    return SharedSd(math.sqrt(2 * float(squares.sum()) / df), df, variances)


def similar_variance(table: Floats) -> list[int]:
    """The settings that scatter alike: one that is much noisier must not hide how the others differ.

    The noisiest is left out while its variance exceeds that of those left (F test at the level `UNLIKE`).

    Args:
        table: (settings, repeats) finite values; at least two of both.

    >>> calm = np.array([[1.0, 1.2, 1.1, 1.3], [2.0, 2.1, 2.2, 2.2], [1.5, 1.7, 1.5, 1.8]])
    >>> similar_variance(np.vstack([calm, [9.0, 1.0, 5.0, 30.0]]))
    [0, 1, 2]
    """
    from scipy.special import fdtrc  # late: importing SciPy costs more than most calls need

    places = list(range(len(table)))
    while len(places) > 2:
        variances = shared_sd(table[places]).variances
        noisiest = places[int(np.argmax(variances))]
        others = [place for place in places if place != noisiest]
        rest = shared_sd(table[others])
        ratio = 2 * max(variances) / rest.sd**2 if rest.sd else math.inf
        if fdtrc(table.shape[1] - 1, rest.df, ratio) > UNLIKE:
            break
        places = others
    return places


def shared_test(own: Summary, shared: SharedSd, two: tuple[int, int]) -> tuple[Summary, float, float]:
    """A paired difference seen with the spread of all settings: its values, degrees of freedom, p-value.

    Three repeats say little about the spread of one difference; those of all settings say much more. But a
    noisy setting must not be tested with the spread of calm ones. So the largest of three estimates counts,
    with its degrees of freedom: that of all settings of `similar_variance` and of these two, that of this
    pair's differences, and, where its variance is `LOUDER` times that of all, that of the two settings by
    themselves (Satterthwaite 1946). `own` are the differences of this pair, at least two and all finite;
    `two` the places of its settings in `shared.variances`.
    """
    from scipy.special import stdtr  # late: importing SciPy costs more than most calls need

    estimates = [(shared.sd, float(shared.df)), (own.sd or 0.0, own.repeats - 1.0)]
    if shared.variances:
        one, other = (shared.variances[place] for place in two)
        satterthwaite = (one + other) ** 2 / ((one**2 + other**2) or 1.0)
        if one + other > LOUDER * shared.sd**2:
            estimates.append((math.sqrt(one + other), min(satterthwaite * (own.repeats - 1), shared.df)))
    sd, df = max(estimates, key=lambda estimate: estimate[0])
    error = sd / math.sqrt(own.repeats)
    low, high = interval_of(own.mean, sd, own.repeats, df, 0.05)
    summary = Summary(own.mean, sd, (low, high), own.per_repeat)
    if error == 0:
        return summary, df, 1.0 if own.mean == 0 else 0.0
    return summary, df, float(2 * stdtr(df, -abs(own.mean) / error))


def interval_of(mean: float, sd: float, repeats: int, df: float, alpha: float) -> tuple[float, float]:
    """The values that a two-sided t test at the level `alpha` does not reject as the mean.

    >>> low, high = interval_of(1.0, 1.0, 10, 9, 0.05)
    >>> round(low, 3), round(high, 3)
    (0.285, 1.715)
    """
    half = t_quantile(1 - alpha / 2, df) * sd / math.sqrt(repeats)
    return mean - half, mean + half


def default_margin(values: Floats) -> float:
    """The smallest difference that matters by default: `SMALL_EFFECT` times the sd over repeats, or 0.

    >>> default_margin(np.array([0.30, 0.32, 0.28]))
    0.004
    """
    sd = summarize(values).sd
    return 0.0 if sd is None else float(f"{SMALL_EFFECT * sd:.3g}")


def _signed_rank(improvement: Floats) -> tuple[float, float]:
    """Wilcoxon's signed-rank test, exact with ties: the p-value, and which side the ranks favor.

    Every sign is a fair coin under equal settings; the distribution of the sum of the positive ranks is
    built by adding one rank after the other. Differences of 0 are left out, as Wilcoxon has it.
    """
    from scipy.stats import rankdata  # late: importing SciPy costs more than most calls need

    signed = improvement[improvement != 0]
    doubled = np.rint(2 * rankdata(np.abs(signed))).astype(int)  # whole numbers, though ties share a rank
    total = int(doubled.sum())
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in doubled:
        chances = (chances + np.concatenate([np.zeros(rank), chances[:-rank]])) / 2
    positive = int(doubled[signed > 0].sum())
    lower, upper = chances[: positive + 1].sum(), chances[positive:].sum()
    return min(1.0, float(2 * min(lower, upper))), positive - total / 2


@functools.lru_cache(maxsize=4096)
def probability_interval(wins: int, ties: int, losses: int) -> tuple[float, float]:
    """The 95 % interval of P(a > b) over the pairs, exact but for ties (Clopper & Pearson 1934).

    A tie counts as half a win, which makes the interval a little too wide.

    >>> [round(end, 2) for end in probability_interval(2, 0, 3)]
    [0.05, 0.85]
    """
    from scipy.special import betaincinv

    won, lost = wins + ties / 2, losses + ties / 2
    low = 0.0 if won == 0 else float(betaincinv(won, lost + 1, 0.025))
    return low, 1.0 if lost == 0 else float(betaincinv(won + 1, lost, 0.975))


@functools.lru_cache(maxsize=1024)
def repeats_needed(sd: float, difference: float, *, alpha: float = ALPHA, power: float = 0.8) -> int | None:
    """How many pairs a two-sided paired t test needs to see a difference, by the noncentral t.

    The smallest sufficient number, at least 3; None beyond 10,000. `sd` is that of the differences, and
    `power` how often the difference shall be found.

    >>> repeats_needed(sd=1.0, difference=0.5, alpha=0.05), repeats_needed(sd=1.0, difference=0.5)
    (34, 43)
    """
    if sd == 0:
        return MIN_PAIRS
    size = abs(difference) / sd

    def enough(count: int) -> bool:
        return _power(size, count, alpha) >= power

    counts = range(MIN_PAIRS, MAX_REPEATS + 1)
    place = bisect.bisect_left(counts, True, key=enough)
    return None if place == len(counts) else counts[place]


def _power(size: float, count: int, alpha: float) -> float:
    """How often a difference of `size` standard deviations is found with `count` pairs."""
    from scipy.special import nctdtr  # late: importing SciPy costs more than most calls need

    critical = t_quantile(1 - alpha / 2, count - 1)
    shift = size * math.sqrt(count)
    if shift > 6 * critical + 10:
        return 1.0
    same, opposite = (float(nctdtr(count - 1, shift, end)) for end in (critical, -critical))
    return 1 - same + (0.0 if math.isnan(opposite) else opposite)  # SciPy gives NaN below about 1e-17
