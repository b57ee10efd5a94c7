"""Smoothing and noise estimates of curves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALPHA",
    "around",
    "carried",
    "counted",
    "ending",
    "last_known",
    "line",
    "majority_mean",
    "mean_over_repeats",
    "noise_bound",
    "normal_quantile",
    "plain",
    "smoothed",
    "t_quantile",
    "tail",
]

Floats = NDArray[np.float64]

ALPHA = 0.025
"""The one-sided error of every test: two-sided 95 %."""


def mean_over_repeats(array: Floats) -> Floats:
    """The mean over rows of the finite values, NaN without any."""
    finite = np.isfinite(array)
    count = finite.sum(axis=0)
    total = np.where(finite, array, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def carried(array: Floats) -> tuple[Floats, NDArray[np.int64]]:
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
    return np.where(running * 2 > _measured(array), mean_over_repeats(continued), np.nan)


def _measured(array: Floats) -> int:
    return int(np.isfinite(array).any(axis=1).sum())


def smoothed(row: Floats, window: int) -> Floats:
    """A centered moving mean over `window` evaluations, shorter at the ends; NaN remains NaN."""
    finite = np.isfinite(row)
    half = window // 2
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, row, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(row.size)
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, row.size)
    number = count[high] - count[low]
    return np.where(finite, (total[high] - total[low]) / np.maximum(number, 1), np.nan)


def around(row: Floats, at: int, window: int) -> float:
    """The mean of the finite values in the window around an index."""
    half = window // 2
    part = row[max(0, at - half) : at + half + 1]
    part = part[np.isfinite(part)]
    return float(part.mean()) if part.size else math.nan


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


def noise_bound(row: Floats, k: int, window: int, places: float, *, both: bool) -> float:
    """The largest error of a window's mean due to noise, over `places` windows.

    The noise is measured around a parabola from the minimum on, where overfitting is smooth; if
    neighbors are correlated, a window counts for fewer evaluations. `both`: a difference of two windows.
    """
    rest = row[k:][np.isfinite(row[k:])]
    if rest.size < 8:
        rest = row[np.isfinite(row)][-max(8, rest.size) :]
    if rest.size < 6:
        return math.inf
    x = np.linspace(-1, 1, rest.size)
    left = rest - np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyfit(x, rest, 2))
    squares = float(left @ left)
    sigma = math.sqrt(squares / (rest.size - 3))
    rho = float(left[1:] @ left[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 4 / rest.size, 0.0), 0.95)  # corrects the bias of the estimate
    factor = (1 + rho) / (1 - rho)
    number = max(1.0, window / factor)
    freedom = max(3.0, (rest.size - 3) / factor)
    return t_quantile(1 - ALPHA / places, freedom) * sigma * math.sqrt((2 if both else 1) / number)


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
    rho = min(max(rho + 1 / x.size, 0.0), 0.9)
    return slope, sigma / math.sqrt(spread) * math.sqrt((1 + rho) / (1 - rho))


def normal_quantile(share: float) -> float:
    """A quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(share))


def t_quantile(share: float, freedom: float) -> float:
    """A quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def plain(value: float) -> float | int | None:
    """A number for JSON: whole ones as int, non-finite ones as None."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else float(value)


def counted(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
