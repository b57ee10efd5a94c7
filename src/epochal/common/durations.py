"""Durations in words."""

from __future__ import annotations

import itertools
import math

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Two digits below a minute, the two largest units above.

    >>> [duration(one) for one in (2.54e-6, 0.0034, 14.3, 75, 7320, 90_000)]
    ['2.5 µs', '3.4 ms', '14 s', '1 min 15 s', '2 h 2 min', '1 d 1 h']
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 59.5:
        rounded = float(f"{seconds:.2g}")
        size, unit = next((one for one in ((1.0, "s"), (1e-3, "ms")) if rounded >= one[0]), (1e-6, "µs"))
        return f"{float(f'{rounded / size:.2g}'):g} {unit}" if rounded else "0 s"
    pairs = [
        (divmod(round(seconds / small), size // small), unit, small_unit)
        for (size, unit), (small, small_unit) in itertools.pairwise(_UNITS)
    ]
    (whole, rest), unit, small_unit = next(pair for pair in pairs if pair[0][0])
    return f"{whole} {unit}" + (f" {rest} {small_unit}" if rest else "")
