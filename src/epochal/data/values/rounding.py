"""Numbers whose differences 32-bit floats would lose, and how many digits show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max)
"""The largest number a network can take."""

_LOST = 1e-5
"""Rounding errors above this share of the interquartile range count as a loss."""
_ROWS = 10_000
_VALUES = 1 << 22
"""Most values to inspect."""
FEW_VALUES = 1 << 16
"""Most values to inspect of an array in a file, where each needs a read."""


def kept_float(values: NDArray[Any], limit: int = _VALUES) -> np.dtype[Any]:
    """The dtype of inputs `(n, ..., d)` before scaling: float64 if a column needs it.

    >>> str(kept_float(np.array([[1e9], [1e9 + 1]]))), str(kept_float(np.array([[0.1], [0.2]])))
    ('float64', 'float32')
    """
    return np.dtype(np.float64 if loses_differences(values, limit=limit).any() else np.float32)


def loses_differences(
    values: NDArray[Any], constant: bool = False, limit: int = _VALUES
) -> NDArray[np.bool_]:
    """For each column of `(n, ..., d)`: whether float32 would lose its differences.

    Numbers far from zero that differ by little, such as time stamps, are rounded by up to 3e-8 of their size,
    whatever their differences. Values that float32 holds exactly, such as years, lose nothing.

    Args:
        constant: the result for a constant column that float32 would round.
        limit: most values to inspect, in evenly spaced samples.

    >>> loses_differences(np.array([[1.7e9, 2020.0, 0.1], [1.7e9 + 40, 2021.0, 0.9]])).tolist()
    [True, False, False]
    """
    step, width = max(1, values.size // limit), values.shape[-1]
    if values.dtype.itemsize <= 2 or values.dtype == np.float32 or not values.size:
        return np.zeros(width, bool)
    exact = values[::step].reshape(-1, width).astype(np.float64)
    exact[np.abs(exact) > LARGEST] = np.nan
    error = np.abs(exact.astype(np.float32) - exact)
    largest = np.where(np.isnan(error), 0, error).max(axis=0)
    if not largest.any():
        return np.zeros(width, bool)
    # The interquartile range is robust to outliers.
    some = exact[:: max(1, len(exact) // _ROWS), largest > 0]
    seen = np.where(np.isnan(some), np.inf, some)
    ordered, count = np.sort(seen, axis=0), np.isfinite(seen).sum(axis=0)
    low, high, ends = (
        np.take_along_axis(ordered, (share * (count - 1)).clip(0).astype(int)[None], axis=0)[0]
        for share in (0.25, 0.75, 1)
    )
    spread = np.where(high > low, high - low, ends - ordered[0])
    lost = np.zeros(width, bool)
    lost[largest > 0] = np.where(spread > 0, largest[largest > 0] > _LOST * spread, constant & (count > 0))
    return lost


def number_word(value: float, apart: float) -> str:
    """A number with six digits, all of a whole part, or as many as distinguish numbers that are `apart`.

    >>> number_word(346.0, 321.0), number_word(1700000040.526, 99.8), number_word(7344200.0, 7e6)
    ('346', '1700000040.53', '7344200')
    """
    size = abs(value)
    more = np.log10(size / apart) if size > apart > 0 else 0.0
    whole = np.floor(np.log10(size)) + 1 if size >= 1 else 0
    return f"{value:.{int(np.clip(max(np.ceil(more) + 4, whole if whole <= 12 else 0), 6, 15))}g}"
