"""Statistics over repeats and along curves: mean, spread, interval, smoothing, noise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.common.text import counted
from epochal.data.records import NullableFloat, Record, built

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Summary(Record):
    """A quantity over repeats: mean, spread, interval, and the values themselves.

    `sd` is the standard deviation of one repeat (n - 1 in the denominator); `ci95` is a 95 % interval, None
    if none is valid. Both are None with a single repeat: one value has no spread. Values
    that are not finite (a repeat that diverged) stay in `per_repeat` but are left out of the statistics.

    >>> print(summarize([0.75, 0.78, 0.77]))
    0.767 ± 0.015 (sd of 3 repeats; 95 % interval 0.729–0.805)
    >>> print(summarize([0.75]))
    0.75 (1 repeat: no interval)
    """

    mean: float
    sd: float | None
    ci95: tuple[float, float] | None
    per_repeat: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Summary({self})"

    @property
    def repeats(self) -> int:
        """Number of repeats with a finite value."""
        return sum(math.isfinite(value) for value in self.per_repeat)

    @property
    def decimals(self) -> int:
        """Decimals worth printing: two digits of the spread, or three of the mean."""
        if self.sd is not None and self.sd > 1e-12 * abs(self.mean) and math.isfinite(self.sd):
            return min(12, max(0, 1 - math.floor(math.log10(self.sd))))
        if self.mean == 0 or not math.isfinite(self.mean):
            return 3
        return min(12, max(0, 2 - math.floor(math.log10(abs(self.mean)))))

    def format_value(self, value: float) -> str:
        """A value of this quantity with the digits that its spread justifies.

        >>> summarize([0.75, 0.78, 0.77]).format_value(0.7)
        '0.700'
        >>> summarize([72_737.4, 76_130.2]).format_value(72_737.4)
        '72,737'
        >>> summarize([0.1 + 0.2, 0.3]).format_value(0.3)  # rounding of the machine is no spread
        '0.300'
        """
        if self.decimals > 6 or not abs(value) < 1e15:
            return f"{value:.4g}"
        return f"{round(value, self.decimals) + 0.0:,.{self.decimals}f}"  # no minus sign before zero

    @staticmethod
    def from_dict(value: Any) -> Summary:
        """The inverse of `to_dict`."""
        stored = built(_Stored, value)
        low, high = stored.ci95 or (None, None)
        return replace(
            summarize(stored.per_repeat), ci95=None if low is None or high is None else (low, high)
        )

    def __str__(self) -> str:
        finite = self.repeats
        left_out = len(self.per_repeat) - finite
        if finite == 0:
            return f"not finite in any of {counted(left_out, 'repeat')}"
        aside = f"; {left_out} not finite, left out" if left_out else ""
        if self.sd is None:
            return f"{three_digits(self.mean)} (1 repeat: no interval{aside})"
        interval = ""
        if self.ci95 is not None:
            low, high = map(self.format_value, self.ci95)
            interval = f"; 95 % interval {low}{'–' if self.ci95[0] >= 0 else ' to '}{high}"
        spread = f"{self.format_value(self.mean)} ± {self.format_value(self.sd)}"
        return f"{spread} (sd of {finite} repeats{interval}{aside})"


@dataclass(frozen=True)
class _Stored:
    mean: float | None
    sd: float | None
    ci95: tuple[float | None, float | None] | None
    per_repeat: tuple[NullableFloat, ...]


def summarize(
    values: Iterable[float] | ArrayLike,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    *,
    interval: bool = True,
    test_train_ratio: float = 0.0,
) -> Summary:
    """Mean, standard deviation and 95 % Student t interval over repeats.

    The interval is mean ± t(0.975, n - 1) · sd / √n over the n finite values, clipped to the `bounds` of
    the values (0 and 1 for an accuracy). It assumes independent values; for repeats that share samples, pass
    `interval=False`, and for random splits of the same data their `test_train_ratio` (see `t_factor`).

    >>> summary = summarize([1.0, 2.0, 3.0])
    >>> summary.mean, summary.sd
    (2.0, 1.0)
    >>> tuple(round(end, 3) for end in summary.ci95)
    (-0.484, 4.484)
    """
    given: Any = values
    column = np.asarray(given if hasattr(given, "__array__") else list(given), dtype=np.float64).ravel()
    per_repeat = tuple(float(value) for value in column)
    finite = column[np.isfinite(column)]
    count = finite.size
    mean = float(finite.mean()) if count else math.nan
    sd = float(finite.std(ddof=1)) if count > 1 else None
    if sd is None or not interval:
        return Summary(mean, sd, None, per_repeat)
    half = t_factor(count, test_train_ratio=test_train_ratio) * sd
    return Summary(mean, sd, (max(mean - half, bounds[0]), min(mean + half, bounds[1])), per_repeat)


def three_digits(number: float | None) -> str:
    """A number in three digits, large ones to the unit, as tables show them.

    >>> three_digits(0.08284), three_digits(69_278.3), three_digits(1e-7), three_digits(None)
    ('0.0828', '69,278', '1e-07', 'unknown')
    """
    if number is None or not math.isfinite(number):
        return "unknown"
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.3g}"


def t_factor(count: int, *, test_train_ratio: float = 0.0, confidence: float = 0.95) -> float:
    """Half the width of a two-sided t interval of the mean of `count` values, in standard deviations.

    `test_train_ratio` is that of validation to training samples when the repeats are random splits of the
    same data: such values are not independent, and their variance counts 1/n + this ratio instead of 1/n
    (Nadeau & Bengio 2003, Inference for the generalization error, section 3).

    >>> round(t_factor(10), 4)
    0.7154
    """
    return t_quantile(0.5 + confidence / 2, count - 1) * math.sqrt(1 / count + test_train_ratio)


def t_quantile(p: float, df: float) -> float:
    """A quantile of Student's t distribution."""
    from scipy.special import stdtrit  # late: importing SciPy is slower than most calls

    return float(stdtrit(df, p))


ALPHA = 0.025  # the one-sided error of every test: two-sided 95 %


def mean_over_repeats(array: Floats) -> Floats:
    """The mean over rows of the finite values, NaN without any."""
    finite = np.isfinite(array)
    count = finite.sum(axis=0)
    total = np.where(finite, array, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def forward_filled(array: Floats) -> tuple[Floats, Ints]:
    """Each repeat (row) continued at its last value after it has stopped, and the number still running.

    A mean over the repeats that still run jumps whenever one of them stops; a mean of these values does not.

    >>> continued, running = forward_filled(np.array([[3.0, 2.0, np.nan], [5.0, 4.0, 1.0]]))
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
    continued, running = forward_filled(array)
    return np.where(running * 2 > np.isfinite(array).any(axis=1).sum(), mean_over_repeats(continued), np.nan)


def _half(at: Ints) -> Ints:
    """How many neighbors on either side are averaged with a place: a twentieth of the way to it.

    Losses change on the scale of the epochs so far: with a window that is a share of the whole training, one
    that goes on for long after its minimum would average the minimum away.
    """
    return np.minimum(at // 2, np.maximum(1, at // 20))


def window_count(points: int) -> float:
    """How many windows, side by side, `points` evaluations hold: it grows with their logarithm.

    >>> [round(window_count(points)) for points in (30, 300, 3000)]
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


def leave_one_out_epochs(values: Floats) -> Ints:
    """For each repeat, the row at which the others are best on average; what is lower is better.

    A row that a repeat chooses for itself looks better there than on new rows; one that the other repeats
    choose does not (leaving one out, Stone 1974). Values have shape (repeats, rows).

    >>> leave_one_out_epochs(np.array([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])).tolist()
    [2, 1, 1]
    """
    if len(values) == 1:
        return np.argmin(values, axis=1)
    # Ties go to the first row; sums that differ in the last digit only are no ties that anybody would miss.
    return np.array([np.delete(values, at, axis=0).sum(axis=0).argmin() for at in range(len(values))])


def epochs_of_next(values: Floats) -> Ints:
    """For each repeat, the row at which the smoothed curve of the next one is best; lower is better.

    As `leave_one_out_epochs`, but each repeat has a choice of its own: where all share one, the differences
    of two settings share the difference of their choices, and a test over repeats takes it for theirs. Values
    have shape (repeats, rows), NaN after the end of a repeat.

    >>> epochs_of_next(np.array([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0], [1.0, 2.0, np.nan]])).tolist()
    [2, 0, 1]
    """
    curves = forward_filled(np.array([smoothed(row) for row in values]).reshape(values.shape))[0]
    rest = np.roll(curves, -1, axis=0)
    return np.argmin(np.where(np.isfinite(rest) & np.isfinite(values), rest, np.inf), axis=1)


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
    """How far the mean around a place may lie off by scatter alone, at the worst of all windows.

    With a `window`, how far it and the mean of the last evaluations may lie apart. The scatter is that within
    a doubling of the epochs, from the place on and up to the end: of the whole curve, a long rise would count
    as scatter.
    """
    known = np.flatnonzero(np.isfinite(row))
    last = int(known[-1])
    error, df = _scatter(
        row, known[(known >= k) & (known <= max(2 * k, k + 30))], 2 * int(_half(np.array(k))) + 1
    )
    if window:
        end, fewest = _scatter(row, known[known >= max(k, min(last // 2, last - 30))], window)
        error, df = math.hypot(error, end), min(df, fewest)
    return t_quantile(1 - ALPHA / max(2.0, window_count(row.size)), df) * error


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


def fit_slope(x: Floats, y: Floats) -> tuple[float, float]:
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


def for_json(value: Any) -> Any:
    """A number, or a list of some, for JSON: whole ones as int, non-finite ones as None."""
    if isinstance(value, list):
        return list(map(for_json, value))
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else float(value)
