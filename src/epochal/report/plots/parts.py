"""What the figures share: styles, axes, lines with bands, labels and ticks that keep apart."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from epochal.errors import Refusal, did_you_mean
from epochal.report.plot_data import Line


@dataclass(frozen=True)
class Style:
    """Colors of a figure; the pair of lines differs in hue and lightness for color vision deficiencies."""

    background: str
    text: str
    muted: str
    grid: str
    training: str
    running: str
    validation: str
    test: str


STYLES = {
    "light": Style("#ffffff", "#1c2330", "#646f80", "#e6e9ee", "#2563b0", "#7b5cc4", "#c2501a", "#1b7a63"),
    "dark": Style("#12161d", "#e8ebf0", "#98a3b3", "#272e39", "#69aaf5", "#b39df5", "#ff9557", "#4fc9a6"),
    "auto": Style("none", "#7b8494", "#7b8494", "#8b94a340", "#3f87d9", "#9279d6", "#dd6b2c", "#2a9d82"),
}
"""`light` and `dark` have a background; `auto` is transparent, legible on both."""


def style_of(name: str) -> Style:
    """The style of a name; another is refused."""
    if name not in STYLES:
        raise Refusal(did_you_mean("style", name, STYLES))
    return STYLES[name]


class Picture(Figure):
    """A figure that IPython shows without `%matplotlib inline`, which registers a display of its own."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=110)
        return written.getvalue()


def new_figure(look: Style, width: float, height: float, **pads: float) -> Figure:
    """A figure without axes; `pads` are those of its constrained layout."""
    figure = Picture(figsize=(width, height), layout="constrained", facecolor=look.background)
    figure.get_layout_engine().set(**pads)  # type: ignore[union-attr]  # constrained
    FigureCanvasAgg(figure)
    return figure


def axes_of(given: Axes | Sequence[Axes]) -> tuple[Figure, list[Axes]]:
    """The axes that were given to draw in, with their figure."""
    axes = list(given) if isinstance(given, Sequence | np.ndarray) else [given]
    figure: Any = axes[0].figure
    return figure, axes


def saved(figure: Figure, path: str | Path | None, style: str) -> Figure:
    """The figure, also in a file where a path is given, in the format of its suffix."""
    if path is not None:
        face = figure.get_facecolor()
        figure.savefig(path, dpi=160, bbox_inches="tight", transparent=style == "auto", facecolor=face)
    return figure


def style_axes(ax: Axes, look: Style) -> None:
    """Style axes like all figures."""
    ax.set_facecolor(look.background)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(look.muted)
    ax.tick_params(which="both", colors=look.muted, labelsize=9, length=0, axis="y")
    ax.tick_params(colors=look.muted, labelsize=9, length=3, axis="x")
    ax.grid(axis="y", color=look.grid, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.xaxis.label.set_color(look.muted)
    ax.yaxis.label.set_color(look.muted)


def note(
    ax: Axes,
    label: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    of: str | tuple[str, str] = "axes fraction",
    **look: Any,
) -> None:
    """Words so many points off a place, which is given in the coordinates `of` the axes or the data."""
    ax.annotate(label, at, xycoords=of, xytext=offset, textcoords="offset points", **look)


def note_upright(ax: Axes, label: str, x: float, left: bool, **look: Any) -> None:
    """Words at the top of an upright line, on its left or its right."""
    side, offset = ("right", (-5, -3)) if left else ("left", (5, -3))
    note(ax, label, (x, 1), offset, ("data", "axes fraction"), ha=side, va="top", **look)


def name_axis(ax: Axes, label: str, look: Style) -> None:
    """Label the y-axis above it."""
    note(ax, label, (0, 1), (-2, 6), fontsize=9.5, color=look.text, fontweight="bold", ha="left", va="bottom")


def remark(ax: Axes, label: str, look: Style, up: float = 4) -> None:
    """How a panel is read, on the right: so far above its x-axis."""
    side = "bottom" if up > 0 else "top"
    note(ax, label, (1, 0), (0, up), fontsize=8.2, color=look.muted, ha="right", va=side)


def draw_line(
    ax: Axes, along: NDArray[np.float64], line: Line, color: str, width: float, rank: int = 3
) -> None:
    """The repeats, the interval of the mean, and the mean: dotted where some repeats have stopped."""
    for row in line.repeats:
        ax.plot(along, row, color=color, linewidth=0.6, alpha=0.22, zorder=rank)
    if len(line.repeats):
        ax.fill_between(along, line.low, line.high, color=color, alpha=0.16, linewidth=0, zorder=rank)
    rest = ~line.whole | np.append(~line.whole[1:], False)
    mean = np.where(line.whole, line.mean, np.nan)
    ax.plot(along, mean, color=color, linewidth=width, zorder=rank + 3, solid_capstyle="round")
    dots = np.where(rest, line.mean, np.nan)
    ax.plot(along, dots, color=color, linewidth=width, zorder=rank + 3, linestyle=(0, (1, 1.5)))


def label_ends(
    ax: Axes, ends: Sequence[tuple[float, str, str]], bold: str | None = None, room: float = 13.0
) -> None:
    """Name each line (height, label, color) at its end, to the right of the panel, none over another.

    The figure must have been laid out (`draw_without_rendering`).
    """
    figure: Any = ax.figure
    tall = ax.get_window_extent().height * 72 / figure.dpi
    place = ax.transAxes.inverted().transform
    at = sorted(
        (min(max(float(place(ax.transData.transform((0.0, value)))[1]), 0.0), 1.0) * tall, label, color)
        for value, label, color in ends
    )
    heights = _apart([height for height, _, _ in at], room, tall)
    for height, (_, label, color) in zip(heights, at, strict=True):
        weight, at_end = "bold" if label == bold else "normal", (1, height / tall)
        text: Any = {"fontsize": 9, "fontweight": weight, "va": "center", "annotation_clip": False}
        note(ax, label, at_end, (7, 0), color=color, **text)


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
    for x, y, label, color in sorted(labels, key=lambda one: (one[0], -one[1])):
        left, bottom = (float(pixel) * scale for pixel in ax.transData.transform((x, y)))
        width = 5.2 * len(label)
        for shift in (5.0, -9.0, 17.0, -21.0, 29.0, -33.0):
            free = all(
                abs(bottom + shift - other) >= 10.5 or left + width < begin or left > end
                for begin, end, other in taken
            )
            if free:
                break
        taken.append((left, left + width, bottom + shift))
        text: Any = {"fontsize": 8.4, "va": "center", "annotation_clip": False, "zorder": 6}
        note(ax, label, (x, y), (7, shift), "data", color=color, **text)


def log_ticks(ax: Axes, axis: str, write: Callable[[float], str] = "{:,.6g}".format) -> None:
    """Round numbers on a logarithmic axis, enough of them where it is short."""
    chosen = getattr(ax, f"{axis}axis")
    low, high = getattr(ax, f"get_{axis}lim")()
    digits = (1, 2, 5) if high < 60 * low else (1, 3) if high < 1000 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    chosen.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    chosen.set_major_formatter(lambda value, _: write(value))
    chosen.set_minor_locator(NullLocator())


def size_ticks(ax: Axes, sizes: Sequence[int]) -> None:
    """A logarithmic axis of batch sizes, written but for those too close to the one before."""
    kept: list[int] = []
    for size in sorted(set(sizes)):
        if not kept or size >= kept[-1] * (max(sizes) / min(sizes)) ** 0.07:
            kept.append(size)
    ax.set_xscale("log")
    ax.set_xticks(kept, [f"{size:,}" for size in kept])
    ax.minorticks_off()


def spread_apart(places: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Positions on a logarithmic axis, spread a little if settings share one.

    >>> spread_apart([("a", 8.0), ("b", 8.0), ("c", 32.0)])
    {'a': 8.0, 'b': 8.48, 'c': 32.0}
    """
    found: dict[str, float] = {}
    for name, place in sorted(places, key=lambda one: one[1]):
        while any(abs(place / other - 1) < 0.055 for other in found.values()):
            place *= 1.06
        found[name] = place
    return found
