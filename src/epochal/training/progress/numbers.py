"""Short forms of losses and rates."""

from __future__ import annotations

import math


def figure(value: float) -> str:
    """A number in three digits, so that its width is constant; very small and large ones in two.

    >>> figure(0.4), figure(0.02174), figure(12.5), figure(5.95e-7)
    ('0.400', '0.0217', '12.5', '6.0e-7')
    """
    if value == 0 or 1e-3 <= abs(value) < 1000 or not math.isfinite(value):
        return f"{value:#.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def thousands(number: float) -> str:
    """A rate in short.

    >>> thousands(25925.0), thousands(312.0)
    ('26k', '312')
    """
    return f"{number / 1000:,.0f}k" if number >= 10_000 else f"{number:,.0f}"
