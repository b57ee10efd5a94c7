"""Smoothing and noise estimates of curves."""

from __future__ import annotations

import math

import numpy as np

from epochal.curves.statistics import Floats, Ints, t_quantile

ALPHA = 0.025  # the one-sided error of every test: two-sided 95 %


def mean_over_repeats(array: Floats) -> Floats:
    """The mean over rows of the finite values, NaN without any."""
    finite = np.isfinite(array)
    count = finite.sum(axis=0)
    total = np.where(finite, array, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def carried(array: Floats) -> tuple[Floats, Ints]:
    """Each repeat (row) continued at its last value after it has stopped, and the number still running.

    A mean over the repeats that still run jumps whenever one of them stops; a mean of these values does not.

    >>> continued, running = carried(np.array([[3.0, 2.0, np.nan], [5.0, 4.0, 1.0]]))
    >>> continued.tolist(), running.tolist()
    ([[3.0, 2.0, 2.0], [5.0, 4.0, 1.0]], [2, 2, 1])
    """
    finite = np.isfinite(array)
    at = np.arange(array.shape[1])
    seen = np.maximum.accumulate(np.where(finite, at, -1), axis=1)
    continued = np.where(seen >= 0, np.take_along_axis(array, np.maximum(seen, 0), axis=1), np.nan)
    last = np.where(finite, at, -1).max(axis=1, initial=-1)
    running = ((seen >= 0) & (at <= last[:, None])).sum(axis=0)
    return continued, running.astype(np.int64)


def majority_mean(array: Floats) -> Floats:
    """The mean over repeats, stopped ones at their last value, while more than half of them run; else NaN."""
    continued, running = carried(array)
    return np.where(running * 2 > np.isfinite(array).any(axis=1).sum(), mean_over_repeats(continued), np.nan)


def _half(at: Ints) -> Ints:
    """How many neighbors on either side are averaged with a place: a twentieth of the way to it.

    Losses change on the scale of the epochs so far: with a window that is a share of the whole training, one
    that goes on for long after its minimum would average the minimum away.
    """
    return np.minimum(at // 2, np.maximum(1, at // 20))


def places(points: int) -> float:
    """How many windows, side by side, `points` evaluations hold: it grows with their logarithm.

    >>> [round(places(points)) for points in (30, 300, 3000)]
    [11, 35, 58]
    """
    return float((1 / (2 * _half(np.arange(points)) + 1)).sum())


def smoothed(row: Floats) -> Floats:
    """A centered moving mean whose window is a tenth of the place, shorter at the ends; NaN stays NaN.

    >>> smoothed(np.array([9.0, 5.0, 1.0, 3.0, 2.0])).tolist()
    [9.0, 5.0, 3.0, 2.0, 2.5]
    """
    finite = np.isfinite(row)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, row, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(row.size)
    low, high = at - _half(at), np.minimum(at + _half(at) + 1, row.size)
    number = count[high] - count[low]
    return np.where(finite, (total[high] - total[low]) / np.maximum(number, 1), np.nan)


def tail(row: Floats, last: int, window: int) -> float:
    """The mean of the finite values in the window that ends at an index."""
    part = row[max(0, last - window + 1) : last + 1]
    part = part[np.isfinite(part)]
    return float(part.mean()) if part.size else math.nan


def last_known(row: Floats) -> int:
    """The index of the last finite value."""
    return int(np.flatnonzero(np.isfinite(row))[-1])


def ending(array: Floats, window: int) -> float:
    """The mean over repeats of each one's last evaluations."""
    return float(np.mean([tail(row, last_known(row), window) for row in array if np.isfinite(row).any()]))


def noise_bound(row: Floats, k: int, *, window: int = 0) -> float:
    """How far the mean around a place may lie off by scatter alone, at the worst of all `places`.

    With a `window`, how far it and the mean of the last evaluations may lie apart. The scatter is that within
    a doubling of the epochs, from the place on and up to the end: of the whole curve, a long rise would count
    as scatter.
    """
    known = np.flatnonzero(np.isfinite(row))
    last = int(known[-1])
    error, freedom = _scatter(
        row, known[(known >= k) & (known <= max(2 * k, k + 30))], 2 * int(_half(np.array(k))) + 1
    )
    if window:
        end, fewest = _scatter(row, known[known >= max(k, min(last // 2, last - 30))], window)
        error, freedom = math.hypot(error, end), min(freedom, fewest)
    return t_quantile(1 - ALPHA / max(2.0, places(row.size)), freedom) * error


def _scatter(row: Floats, at: Ints, window: int) -> tuple[float, float]:
    """The standard error of the mean of a window by the scatter at some places, and its degrees of freedom.

    The scatter is that around a parabola of the logarithm of the place; where neighbors are correlated, a
    window counts for fewer evaluations.
    """
    at = at if at.size >= 8 else np.flatnonzero(np.isfinite(row))[-8:]
    if at.size < 6:
        return math.inf, 3.0
    part, x = row[at], np.log1p(at)
    x = x - x.mean()
    left = part - np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyfit(x, part, 2))
    squares = float(left @ left)
    sigma = math.sqrt(squares / (part.size - 3))
    rho = float(left[1:] @ left[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 4 / part.size, 0.0), 0.95)  # the estimate is biased by about that much
    factor = (1 + rho) / (1 - rho)
    return sigma / math.sqrt(max(1.0, window / factor)), max(3.0, (part.size - 3) / factor)


def line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope of the least-squares line and its standard error, widened for first-order correlation."""
    centered = x - x.mean()
    spread = float((centered**2).sum())
    if spread == 0:
        return 0.0, math.inf
    slope = float(centered @ y) / spread
    rest = y - y.mean() - slope * centered
    sigma = math.sqrt(float(rest @ rest) / max(1, x.size - 2))
    squares = float(rest @ rest)
    rho = float(rest[1:] @ rest[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 4 / x.size, 0.0), 0.9)  # the estimate is biased by about that much
    return slope, sigma / math.sqrt(spread) * math.sqrt((1 + rho) / (1 - rho))


def normal_quantile(share: float) -> float:
    """A quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(share))


def plain(value: float) -> float | int | None:
    """A number for JSON: whole ones as int, non-finite ones as None."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else float(value)
