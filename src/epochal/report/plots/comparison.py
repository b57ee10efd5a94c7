"""The figure of a comparison."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from epochal.choose.comparison.comparison import Comparison
from epochal.choose.statistics.time_to_target import format_amount, format_amount_range
from epochal.common.metric_names import label_of
from epochal.common.text import duration
from epochal.report.plot_data import lines_of
from epochal.report.plots import parts
from epochal.report.study_figures import point_of

INKS = {
    "light": ("#0b5fa5", "#c2501a", "#00795c", "#8a4fb0", "#a87700", "#3c8fd0", "#b0306a", "#4d5664"),
    "dark": ("#69aaf5", "#ff9557", "#3fc79a", "#c29df5", "#e6bd4b", "#9fd3ff", "#f589b5", "#b8c0cc"),
    "auto": ("#3f87d9", "#dd6b2c", "#1f9e7a", "#9279d6", "#b98a1c", "#63a8e0", "#d05a8e", "#7b8494"),
}
"""Colors of settings, which differ in hue and lightness for color vision deficiencies."""

MARKERS = "osDvPX*p"
Inks = Mapping[str, Sequence[str]]
"""The color and the marker of each setting that has its own."""

FEW = 6
"""Most settings with a band and a label."""


def plot(found: Comparison, path: str | Path | None = None, *, style: str = "light") -> Figure:
    """Plot a comparison.

    Above, the monitored metric along the training: means over repeats with their 95 % intervals. Below on the
    left, the quality of each setting against the time of one training; on the right, the updates to
    the target against the batch size, with the fitted curve, and triangles if some repeats did not reach
    it.
    """
    look = parts.style_of(style)
    # Settings in the order of their batch sizes have a color and a marker; the others are gray.
    shown = sorted(found.rows[: len(INKS[style])], key=lambda row: (row.batch_size, row.name))
    inks = {row.name: ink for row, *ink in zip(shown, INKS[style], MARKERS, strict=False)}
    times = [row.updates_to_target.expected for row in found.rows if row.updates_to_target]
    steps = any(0 < one < math.inf for one in times)
    figure = parts.new_figure(look, 10.0, 8.4, hspace=0.08, wspace=0.06)
    grid = figure.add_gridspec(2, 2 if steps else 1, height_ratios=[1.15, 1.0])
    below = [grid[1, column] for column in range(2 if steps else 1)]
    panels = [figure.add_subplot(place) for place in (grid[0, :], *below)]
    for panel in panels:
        parts.style_axes(panel, look)
    for panel, draw in zip(panels, (_curves, _costs, _steps), strict=False):
        draw(found, panel, look, inks)
    title = "\n".join(textwrap.wrap(found.answer, 118))
    panels[0].set_title(title, loc="left", color=look.text, fontsize=11, pad=24)
    return parts.saved(figure, path, style)


def _curves(found: Comparison, ax: Axes, look: parts.Style, inks: Inks) -> None:
    ends, marks, starts, lows = [], [], [], []
    words = found.budget.split()
    unit = words[1].removesuffix("s") + "s" if len(words) > 1 else ""
    unit = unit if unit in ("samples", "updates", "seconds") else "epochs"  # in which settings are equal
    for row in reversed(found.rows):
        curves = found.curves[row.name]
        if not len(curves) or not np.isfinite(curves.columns[found.monitor]).any():
            continue
        along, _ = curves.values(found.monitor, "updates" if unit == "seconds" else unit)
        along = along * (row.update_seconds if unit == "seconds" else 1.0)
        (line,) = lines_of(curves, [found.monitor])
        color, marker = inks.get(row.name, (look.muted, ""))
        best = row.name == found.recommended
        mean = np.where(line.whole, line.mean, np.nan)
        if row.name in inks and (best or len(found.rows) <= FEW):
            shade = 0.2 if best else 0.08
            ax.fill_between(
                along, line.low, line.high, where=line.whole, color=color, alpha=shade, linewidth=0
            )
        width, alpha, rank = (2.4, 1.0, 4) if best else (1.5, 1.0, 3) if marker else (0.8, 0.45, 2)
        ax.plot(along, mean, color=color, linewidth=width, alpha=alpha, zorder=rank)
        if marker:
            last = int(np.flatnonzero(np.isfinite(mean))[-1])
            ends.append((float(mean[last]), row.name, color))
            marks.append((float(along[last]), float(mean[last]), marker, color))
        if np.isfinite(row.best_epoch.mean):
            values = mean[np.isfinite(mean)]
            starts.append(float(values[0]))
            lows += [float(values.min()), float(np.median(values))]
    if not ends:
        return
    _limits(found, ax, starts, lows, [value for value, _, _ in ends])
    bottom, top = ax.get_ylim()  # a curve that ends far outside is marked at the edge
    ends = [(min(max(value, bottom), top), name, color) for value, name, color in ends]
    for at, value, marker, color in marks:
        value = min(max(value, bottom), top)
        ax.plot(at, value, marker, color=color, markersize=6, zorder=5, clip_on=False)
    ax.margins(x=0.0)
    ax.set_xlim(left=0)
    ax.set_xlabel("samples seen" if unit == "samples" else unit.rstrip("s") if unit != "seconds" else unit)
    ax.xaxis.set_major_formatter("{x:,.6g}")
    log = " (log scale)" if ax.get_yscale() == "log" else ""
    label = f"{label_of(found.monitor)}: mean and 95 % interval{log}"
    hidden = len(found.rows) - len(inks)
    parts.name_axis(ax, label + (f" (gray: {hidden} other settings)" if hidden > 0 else ""), look)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # no subfigure
    parts.label_ends(ax, ends, found.recommended)


def _limits(
    found: Comparison, ax: Axes, starts: Sequence[float], lows: Sequence[float], ends: Sequence[float]
) -> None:
    """Limits from the starting losses to the best; a curve far above its start is cut off."""
    if found.higher_is_better or not lows:
        return
    bottom, top = min(lows), max(*starts, *ends)
    top = min(top, 1.25 * float(np.median(starts)))
    if bottom > 0 and top > 4 * bottom:
        ax.set_yscale("log")
        ax.set_ylim(bottom / 1.35, top * 1.1)
        parts.log_ticks(ax, "y")
    elif top > bottom:
        ax.set_ylim(bottom - 0.08 * (top - bottom), top + 0.05 * (top - bottom))


def _costs(found: Comparison, ax: Axes, look: parts.Style, inks: Inks) -> None:
    """The quality of each setting against the time of one training, or the batch size if times are equal."""
    labels, times = [], [row.seconds for row in found.rows]
    equal = max(times) < 1.2 * min(times)
    sizes = [(row.name, float(row.batch_size) if equal else row.seconds) for row in found.rows]
    places = parts.spread_apart(sizes)
    for row in found.rows:
        mean, at = row.quality.mean, places[row.name]
        if not math.isfinite(mean):
            continue
        color, marker = inks.get(row.name, (look.muted, "."))
        best = row.name == found.recommended
        if row.quality.ci95 is not None:
            ax.plot([at] * 2, row.quality.ci95, color=color, linewidth=2.6 if best else 1.4, alpha=0.75)
        hollow = row.name not in found.tied and look.background != "none"
        inside, size = look.background if hollow else color, 8 if best else 6
        ax.plot(at, mean, marker, color=color, markersize=size, markerfacecolor=inside, mew=1.5, zorder=5)
        if row.name in inks and len(found.rows) <= FEW:
            labels.append((at, mean, row.name, color))
    ax.set_xscale("log")
    ax.set_xlabel("batch size (log scale)" if equal else "time of one training (log scale)")
    ax.margins(x=0.14, y=0.12)
    if equal:
        parts.size_ticks(ax, [row.batch_size for row in found.rows])
    else:
        parts.log_ticks(ax, "x", duration)
    parts.name_axis(ax, f"best {label_of(found.monitor)}: mean and 95 % interval", look)
    parts.scatter_labels(ax, labels)
    if len(found.tied) < len(found.rows):
        parts.remark(ax, "filled: no significant difference from the best", look)


def _steps(found: Comparison, ax: Axes, look: parts.Style, inks: Inks) -> None:
    sizes, labels, missed = [row.batch_size for row in found.rows], [], False
    places = parts.spread_apart([(row.name, float(row.batch_size)) for row in found.rows])
    if found.hyperbola is not None:
        along = np.geomspace(min(sizes), max(sizes), 100)
        ax.plot(along, found.hyperbola.steps(along), color=look.muted, linewidth=1.3, zorder=2)
        critical = found.hyperbola.critical_batch_size
        if found.hyperbola.estimated and min(sizes) <= critical <= max(sizes):
            ax.axvline(critical, color=look.muted, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
            ci95 = found.critical_batch_size_ci95
            several = "" if ci95 is None else f" ({format_amount_range(*ci95)})"
            label, of = f"critical batch size\n{format_amount(critical)}{several}", ("data", "axes fraction")
            parts.note(ax, label, (critical, 1), (5, -2), of, fontsize=8.2, color=look.muted, va="top")
    for row in found.rows:
        ert, at = row.updates_to_target, places[row.name]
        if ert is None:
            continue
        color, marker = inks.get(row.name, (look.muted, "."))
        censored = ert.reached < ert.repeats
        missed = missed or censored
        updates = point_of(ert)
        if ert.reached and math.isfinite(ert.high) and ert.low > 0:
            ax.plot([at] * 2, [ert.low, ert.high], color=color, linewidth=1.4, alpha=0.75)
        inside, shape = color if ert.reached else "none", "^" if censored else marker
        ax.plot(at, updates, shape, color=color, markersize=7, markerfacecolor=inside, zorder=5)
        if censored and row.name in inks:
            labels.append((at, updates, f"{ert.reached} of {ert.repeats}", color))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.margins(x=0.1, y=0.14)
    parts.log_ticks(ax, "y")
    parts.size_ticks(ax, sizes)
    ax.set_xlabel("batch size (log scale)")
    parts.scatter_labels(ax, labels)
    parts.name_axis(ax, "updates to the target (log scale)", look)
    if missed:
        parts.remark(ax, "triangle: so many repeats got there", look)
