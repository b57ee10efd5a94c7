"""Placement of labels and ticks without overlaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "beside",
    "formatter",
    "label_ends",
    "plain_numbers",
    "plain_ticks",
    "scatter_labels",
    "size_ticks",
    "ticks",
]


def label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]], best: str | None) -> None:
    """Label each line at its end, to the right of the panel, without overlaps."""
    figure: Any = ax.figure
    figure.draw_without_rendering()
    tall = ax.get_window_extent().height * 72 / figure.dpi
    place = ax.transAxes.inverted().transform
    at = sorted(
        (min(max(float(place(ax.transData.transform((0.0, value)))[1]), 0.0), 1.0) * tall, name, color)
        for value, name, color in ends
    )
    heights = _apart([height for height, _, _ in at], 13.0, tall)
    for height, (_, name, color) in zip(heights, at, strict=True):
        ax.annotate(
            name,
            (1, height / tall),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=color,
            fontweight="bold" if name == best else "normal",
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], room: float, most: float) -> list[float]:
    """Ascending heights, spread so that labels of that size do not overlap.

    >>> _apart([10.0, 11.0, 50.0], 12.0, 60.0)
    [10.0, 22.0, 50.0]
    """
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + room) if places else height)
    ceiling = most
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - room
    return places


def scatter_labels(ax: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Label points at the upper right, or lower to avoid overlaps."""
    figure: Any = ax.figure
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    taken: list[tuple[float, float, float]] = []
    for x, y, words, color in sorted(labels, key=lambda label: (label[0], -label[1])):
        left, bottom = (float(pixel) * scale for pixel in ax.transData.transform((x, y)))
        width = 5.2 * len(words)
        for shift in (5.0, -9.0, 17.0, -21.0, 29.0, -33.0):
            free = all(
                abs(bottom + shift - other) >= 10.5 or left + width < begin or left > end
                for begin, end, other in taken
            )
            if free:
                break
        taken.append((left, left + width, bottom + shift))
        ax.annotate(
            words,
            (x, y),
            xytext=(7, shift),
            textcoords="offset points",
            fontsize=8.4,
            color=color,
            va="center",
            annotation_clip=False,
            zorder=6,
        )


def ticks(low: float, high: float) -> list[float]:
    """Round ticks of a short logarithmic range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high
    ]


def plain_ticks(ax: Axes, axis: str) -> None:
    """Enough plain numbers on a logarithmic axis."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    chosen = getattr(ax, f"{axis}axis")
    low, high = getattr(ax, f"get_{axis}lim")()
    if high < 60 * low:
        chosen.set_major_locator(FixedLocator(ticks(low, high)))
    chosen.set_major_formatter(plain_numbers())
    chosen.set_minor_formatter(NullFormatter())


def plain_numbers() -> Any:
    """A formatter of plain numbers."""
    return formatter(lambda value, _: f"{value:,.6g}")


def formatter(function: Any) -> Any:
    """A tick formatter from a function of (value, position)."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(function)


def size_ticks(sizes: Sequence[int]) -> tuple[list[int], list[str]]:
    """Batch sizes to label on an axis, without those too close to another."""
    written: list[int] = []
    room = (max(sizes) / min(sizes)) ** 0.07
    for size in sorted(set(sizes)):
        if not written or size >= written[-1] * room:
            written.append(size)
    return written, [f"{size:,}" for size in written]


def beside(places: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Positions on a logarithmic axis, spread a little if settings share one.

    >>> beside([("a", 8.0), ("b", 8.0), ("c", 32.0)])
    {'a': 8.0, 'b': 8.48, 'c': 32.0}
    """
    found: dict[str, float] = {}
    for name, place in sorted(places, key=lambda one: one[1]):
        while any(abs(place / other - 1) < 0.055 for other in found.values()):
            place *= 1.06
        found[name] = place
    return found
