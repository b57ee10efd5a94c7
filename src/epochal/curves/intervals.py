"""Confidence intervals of held-out statistics for new samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from epochal.curves.statistics import Bools, Floats, Ints, Summary, summarize, t_quantile

BLOCKS = 30  # most blocks of samples that are left out in turn
_LARGE = 50  # samples of a block that is evaluated alone instead of being left out


def influences(statistic: Callable[[Bools], Floats], block: Ints, blocks: int = BLOCKS) -> Floats:
    """The influence of each block of samples on a statistic, (blocks,), or on several, (blocks, ...).

    For a mean over samples it is exactly the sum of a block's deviations over the number of samples; for
    other statistics, the change on leaving the block out, times the share that is left (the jackknife: Efron
    1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 3). If every block is large, each
    is evaluated alone instead, at the cost of one evaluation. `statistic` gives that of each of the subsets
    (subsets, n) of the samples, `block` (n,) is the block of each sample; empty ones have influence 0.

    >>> values = np.array([1.0, 2.0, 3.0, 6.0])
    >>> influences(lambda kept: kept @ values / kept.sum(axis=1), np.array([0, 0, 1, 2]), 4).tolist()
    [-0.75, 0.0, 0.75, 0.0]
    """
    sizes = np.bincount(block, minlength=blocks)
    there = np.flatnonzero(sizes)
    if len(there) < 2:
        return np.zeros_like(statistic(np.ones((blocks, len(block)), bool)))
    own, share = block == there[:, None], sizes[there] / len(block)
    if sizes[there].min() >= _LARGE:
        alone = statistic(own)
        if np.isfinite(alone).all():
            return _placed((share * (alone - np.average(alone, weights=share, axis=0)).T).T, there, blocks)
    each = statistic(np.concatenate([np.ones_like(own[:1]), ~own]))
    with np.errstate(invalid="ignore"):  # a statistic that is not finite has no influences
        return _placed(((1 - share) * (each[0] - each[1:]).T).T, there, blocks)


def _placed(values: Floats, there: Ints, blocks: int) -> Floats:
    found = np.zeros((blocks, *values.shape[1:]))
    found[there] = np.where(np.isfinite(values), values, 0.0)
    return found


def optimism(halves: Floats) -> Floats:
    """The optimism of a statistic due to choosing the epoch on the same samples, (repeats,).

    By cross-fitting: each half of the samples chooses an epoch, and looks better there than where the other
    half is best, which is the optimism of a choice on half of the samples. Of a choice among neighbors of the
    best epoch it falls with their number (Efron 2004, The estimation of prediction error: covariance
    penalties and cross-validation, section 2), so that all samples gain half as much. Of one among epochs
    that differ by chance alone it falls with the root of their number. Trainings are in between, and so is
    the share that is taken here, 2^(-3/4). `halves` are (repeats, 2, 2) values, [:, i, j] that on
    half j at the epoch where half i was best.

    >>> optimism(np.array([[[0.9, 0.8], [0.7, 0.8]]])).round(3).tolist()
    [0.059]
    """
    halved = (halves[:, 0, 0] - halves[:, 1, 0] + halves[:, 1, 1] - halves[:, 0, 1]) / 2
    return np.asarray(halved * 2**-0.75)


def variance(values: Floats, influences: Floats, blocks: int | None = None) -> tuple[float, float]:
    """The variance of a mean over repeats, and its degrees of freedom.

    Repeats and samples are both random: the variance is that of the samples, which repeats may share, plus
    that by which repeats differ beyond their samples. These are the variance components of a crossed design
    (Searle, Casella & McCulloch 1992, Variance Components, section 4.3), with samples in blocks, and a sample
    in several repeats counted together (Bayle et al. 2020, Cross-validation confidence intervals for test
    error, has the case of one repeat for each sample). The degrees of freedom are Satterthwaite's (1946) for
    the sum. `values` are (repeats,), and `influences` (repeats, blocks); all blocks have samples by default.

    >>> random = np.random.default_rng(2)
    >>> hits = random.random((3, 400)) < 0.8
    >>> block = np.arange(400) % 30
    >>> influences = np.stack([influences(lambda kept: kept @ one / kept.sum(axis=1), block) for one in hits])
    >>> found, df = variance(hits.mean(axis=1), influences)
    >>> bool(0.5 < found / (0.8 * 0.2 / 1200) < 2)
    True
    """
    repeats, blocks = len(values), max(blocks or influences.shape[1], 2)
    more = blocks / (blocks - 1)
    together = influences.mean(axis=0)
    of_samples = more * float((together**2).sum())
    apart = more * float(((influences - together) ** 2).sum()) / (repeats - 1) / repeats
    beyond = max(float(values.var(ddof=1)) / repeats - apart, 0.0)
    total = of_samples + beyond
    if not total:
        return 0.0, blocks - 1.0
    return total, total**2 / (of_samples**2 / (blocks - 1) + beyond**2 / (repeats - 1))


def new_samples(
    values: Iterable[float] | ArrayLike,
    influences: Floats,
    samples: int,
    blocks: int,
    optimism: Floats | float = 0.0,
    test_train_ratio: float = 0.0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Summary:
    """Mean and sd over repeats, with a 95 % interval for new samples.

    The interval holds the expected value, on new samples of the same kind, of a network that is trained this
    way on this data: the mean over all repeats that could be made, of which these are some. It counts that
    the held-out samples are few and that repeats share them. It corrects the optimism of choosing the epoch
    on them (`optimism`), and the bias of ratios of means in small samples, such as R²: minus the sum of the
    influences (the jackknife: Efron 1982, chapter 2). Mean, sd and the values of the repeats stay as they
    were measured, and the interval reaches the mean in any case.

    It lies within the bounds: of shares it is Wilson's (1927) for as many independent samples as have the
    same variance, of errors it is one of their logarithm, and of R² one of that of 1 - R².

    Args:
        values: the statistic of each repeat.
        influences: (repeats, blocks) `influences` of the held-out samples on it.
        samples: number of distinct held-out samples: duplicates, and those of a group, count once.
        blocks: number of blocks with samples. With fewer than two there is no interval.
        optimism: the optimism of each repeat's statistic (negative if smaller) from choosing the
            epoch on the same samples (`optimism`). Known from halves of few samples, it adds to the variance.
        test_train_ratio: of held-out to training samples, where a sample is held out in one repeat and trains
            in another. What all repeats learned alike from the samples that they share is no
            difference between them; the variance is larger by that ratio (Nadeau & Bengio 2003, Inference for
            the generalization error, section 3).
        bounds: the range of the statistic.

    >>> values = np.array([0.8, 0.9, 0.85])
    >>> influences = np.stack([np.where(np.arange(20) < 20 * one, 1 - one, -one) / 20 for one in values])
    >>> [round(end, 2) for end in new_samples(values, influences, samples=20, blocks=20, bounds=(0, 1)).ci95]
    [0.64, 0.95]
    """
    plain = summarize(values, bounds)
    column = np.asarray(plain.per_repeat)
    known = np.isfinite(column)
    if plain.ci95 is None or blocks < 2:
        return replace(plain, ci95=None)
    found, df = variance(column[known], influences[known], blocks)
    found *= 1 + test_train_ratio
    center = plain.mean + float(influences[known].sum(axis=1).mean())
    gains = np.broadcast_to(np.asarray(optimism, np.float64), column.shape)[known]
    gains = gains[np.isfinite(gains)]
    if gains.size:
        center -= float(gains.mean())
        found += float(gains.var()) / max(gains.size - 1, 1)
    low, high = _ends(center, found, df, samples, bounds)
    return replace(plain, ci95=(min(low, plain.mean), max(high, plain.mean)))


def _ends(
    center: float, variance_: float, df: float, samples: int, bounds: tuple[float, float]
) -> tuple[float, float]:
    factor = t_quantile(0.975, df)
    low, high = bounds
    center = min(max(center, low), high)
    if math.isfinite(low) and math.isfinite(high):
        share = (center - low) / (high - low)
        free = share * (1 - share) * (high - low) ** 2
        rounding = (1e-6 * (high - low)) ** 2  # of metrics that are all perfect
        worth = free / variance_ if min(variance_, free) > rounding else float(samples)
        square = factor**2 / max(worth, 1.0)
        middle = (share + square / 2) / (1 + square)
        half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
        return low + (high - low) * max(0.0, middle - half), low + (high - low) * min(1.0, middle + half)
    half = factor * math.sqrt(variance_)
    if math.isfinite(low) and center > low:
        ratio = math.exp(min(half / (center - low), 700.0))
        return low + (center - low) / ratio, low + (center - low) * ratio
    if math.isfinite(high) and center < high:
        ratio = math.exp(min(half / (high - center), 700.0))
        return high - (high - center) * ratio, high - (high - center) / ratio
    return max(center - half, low), min(center + half, high)
