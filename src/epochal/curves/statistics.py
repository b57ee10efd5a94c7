"""Mean, spread and interval over repeats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.data.records import Measured, Record, built

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

    def written(self, value: float) -> str:
        """A value of this quantity with the digits that its spread justifies.

        >>> summarize([0.75, 0.78, 0.77]).written(0.7)
        '0.700'
        >>> summarize([72_737.4, 76_130.2]).written(72_737.4)
        '72,737'
        >>> summarize([0.1 + 0.2, 0.3]).written(0.3)  # rounding of the machine is no spread
        '0.300'
        """
        if self.decimals > 6 or not abs(value) < 1e15:
            return f"{value:.4g}"
        return f"{round(value, self.decimals) + 0.0:,.{self.decimals}f}"  # no minus sign before zero

    @staticmethod
    def from_dict(value: Any) -> Summary:
        """The inverse of `to_dict`."""
        kept = built(_Kept, value)
        low, high = kept.ci95 or (None, None)
        return replace(summarize(kept.per_repeat), ci95=None if low is None or high is None else (low, high))

    def __str__(self) -> str:
        finite = self.repeats
        left_out = len(self.per_repeat) - finite
        if finite == 0:
            return f"not finite in any of {counted(left_out, 'repeat')}"
        aside = f"; {left_out} not finite, left out" if left_out else ""
        if self.sd is None:
            return f"{digits(self.mean)} (1 repeat: no interval{aside})"
        interval = ""
        if self.ci95 is not None:
            low, high = map(self.written, self.ci95)
            interval = f"; 95 % interval {low}{'–' if self.ci95[0] >= 0 else ' to '}{high}"
        spread = f"{self.written(self.mean)} ± {self.written(self.sd)}"
        return f"{spread} (sd of {finite} repeats{interval}{aside})"


@dataclass(frozen=True)
class _Kept:
    mean: float | None
    sd: float | None
    ci95: tuple[float | None, float | None] | None
    per_repeat: tuple[Measured, ...]


def summarize(
    values: Iterable[float] | ArrayLike,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    *,
    interval: bool = True,
    overlap: float = 0.0,
) -> Summary:
    """Mean, standard deviation and 95 % Student t interval over repeats.

    The interval is mean ± t(0.975, n - 1) · sd / √n over the n finite values, clipped to the `bounds` of
    the values (0 and 1 for an accuracy). It assumes independent values; for repeats that share samples, pass
    `interval=False`, and for random splits of the same data their `overlap` (see `t_factor`).

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
    half = t_factor(count, overlap=overlap) * sd
    return Summary(mean, sd, (max(mean - half, bounds[0]), min(mean + half, bounds[1])), per_repeat)


def digits(number: float | None) -> str:
    """A figure in three digits, large ones to the unit, as tables show them.

    >>> digits(0.08284), digits(69_278.3), digits(1e-7), digits(None)
    ('0.0828', '69,278', '1e-07', 'unknown')
    """
    if number is None or not math.isfinite(number):
        return "unknown"
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.3g}"


def t_factor(count: int, *, overlap: float = 0.0, confidence: float = 0.95) -> float:
    """Half the width of a two-sided t interval of the mean of `count` values, in standard deviations.

    `overlap` is the ratio of validation to training samples when the repeats are random splits of the same
    data: such values are not independent, and their variance counts 1/n + overlap instead of 1/n
    (Nadeau & Bengio 2003, Inference for the generalization error, section 3).

    >>> round(t_factor(10), 4)
    0.7154
    """
    return t_quantile(0.5 + confidence / 2, count - 1) * math.sqrt(1 / count + overlap)


def t_quantile(share: float, freedom: float) -> float:
    """A quantile of Student's t distribution."""
    from scipy.special import stdtrit  # late: importing SciPy is slower than most calls

    return float(stdtrit(freedom, share))


def counted(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
