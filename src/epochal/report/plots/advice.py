"""The figure of an advice."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from epochal.choose.advice.advice import Advice, Tried
from epochal.choose.statistics.time_to_target import format_amount
from epochal.common.metric_names import label_of
from epochal.common.text import duration
from epochal.report.plot_data import lines_of
from epochal.report.plots import parts

DOTTED: Any = (0, (2, 2))


def plot(advice: Advice, path: str | Path | None = None, *, style: str = "light") -> Figure:
    """Plot an advice in four panels.

    Above: the cost of each setting that was measured, and the time of an update, against the batch size.
    Below: the best epoch of each repeat (an arrow if it was still improving), and the monitored metric
    along the training with the advised setting: the mean over repeats with its 95 % interval.
    """
    look = parts.style_of(style)
    figure = parts.new_figure(look, 11.0, 8.2, hspace=0.07, wspace=0.06)
    panels = figure.subplots(2, 2, height_ratios=[1.15, 1.0]).ravel()
    for panel, draw in zip(panels, (_costs, _times, _epochs, _curve), strict=True):
        parts.style_axes(panel, look)
        draw(advice, panel, look)
    title = "\n".join(textwrap.wrap(f"{advice.answer} {advice.tied_text}", 126))
    figure.suptitle(title, x=0.01, ha="left", color=look.text, fontsize=11)
    return parts.saved(figure, path, style)


def _costs(advice: Advice, ax: Axes, look: parts.Style) -> None:
    quality = advice.goal == "quality"
    shown = [one for one in advice.tried if math.isfinite(one.value[0])]
    hidden = len(advice.tried) - len(shown)
    ring = "ring: advised; " if any(map(advice.advises, advice.tried)) else ""
    notes = [f"{ring}filled: no significant difference"]
    if hidden:
        notes.append(f"{hidden} never got there")
    if quality:
        near = [one for one in shown if not _far_worse(advice, one)]
        if len(near) < len(shown):
            notes.append(f"not drawn: {len(shown) - len(near)} far worse")
        shown = near
    for size in sorted({one.batch_size for one in shown}):
        beside = [one for one in shown if one.batch_size == size]
        beside.sort(key=lambda one: one.learning_rate or 0.0)
        for place, one in enumerate(beside):
            at = size * 1.07 ** (place - (len(beside) - 1) / 2)
            _cost(one, at, advice.advises(one), ax, look)
    sizes = [one.batch_size for one in advice.tried]
    _size_axis(ax, sizes)
    if quality:
        label = f"best {label_of(advice.monitor)}: mean, 95 % interval of the difference"
        ax.margins(y=0.12)
    else:
        label = f"{advice.goal} until the target (log scale): 95 % interval"
        ax.set_yscale("log")
        furthest = 30 * max((one.value[0] for one in shown), default=1.0)
        _fit_log(ax, [min(value, furthest) for one in shown for value in one.value], 1.4)
        parts.log_ticks(ax, "y", duration if advice.goal == "time" else _counted)
    parts.name_axis(ax, label, look)
    parts.remark(ax, "\n".join(notes), look, up=-24)


def _far_worse(advice: Advice, one: Tried) -> bool:
    """Whether a mean is so far off that it would compress the others."""
    tied = [other for other in advice.tried if other.tied and math.isfinite(other.value[0])]
    ends = [end for other in tied for end in other.value if math.isfinite(end)]
    sign = -1.0 if advice.higher_is_better else 1.0
    worst = max((sign * end for end in ends), default=math.inf)
    return sign * one.value[0] > worst + 3 * ((max(ends) - min(ends)) if ends else 0.0)


def _cost(one: Tried, at: float, advised: bool, ax: Axes, look: parts.Style) -> None:
    cost, low, high = one.value
    color = look.validation if one.tied else look.muted
    top = high if math.isfinite(high) else 10 * cost
    if math.isfinite(low):
        ax.plot([at, at], [low, top], color=color, linewidth=1.6, alpha=0.7, zorder=2)
    face = color if one.tied else "none"
    ax.plot(at, cost, "o", color=color, markerfacecolor=face, markersize=5.5, zorder=4)
    if advised:
        _ring(ax, at, cost, look)


def _ring(ax: Axes, x: float, y: float, look: parts.Style) -> None:
    ax.plot(
        x, y, "o", markersize=13, zorder=5, color=look.training, markerfacecolor="none", markeredgewidth=2
    )


def _times(advice: Advice, ax: Axes, look: parts.Style) -> None:
    points = advice.timing.points
    sizes, seconds = advice.timing.batch_sizes, [point.seconds for point in points]
    ax.plot(sizes, seconds, "-", color=look.training, linewidth=1.6, zorder=3)
    ax.plot(sizes, seconds, "o", color=look.training, markersize=5, zorder=4)
    for point in points:
        half = min(point.relative_excess / 2, 0.9)
        ends = [point.seconds * (1 - half), point.seconds * (1 + half)]
        ax.plot([point.batch_size] * 2, ends, color=look.training, linewidth=1.4, alpha=0.6, zorder=2)
    size = advice.batch_size
    took = float(advice.timing.seconds(size))
    _ring(ax, size, took, look)
    _size_axis(ax, [int(size) for size in sizes])
    ax.set_yscale("log")
    _fit_log(ax, seconds, 1.5)
    parts.log_ticks(ax, "y", duration)
    parts.name_axis(ax, "time of an update on this machine (log scale)", look)
    parts.remark(ax, f"ring: batch size {size:,.0f}, {duration(took)}", look, up=-24)


def _epochs(advice: Advice, ax: Axes, look: parts.Style) -> None:
    known = np.isfinite(advice.best_epochs)
    epochs, late = np.array(advice.best_epochs)[known], np.array(advice.improving, bool)[known]
    rows = np.arange(1, len(epochs) + 1)
    order = np.argsort(epochs, kind="stable")
    epochs, late = epochs[order], late[order]
    high = advice.epochs.high
    furthest = max(float(epochs.max(initial=1)), advice.epochs.value)
    end = high if math.isfinite(high) else furthest * 1.15
    ax.axvspan(advice.epochs.low, end, color=look.validation, alpha=0.12, linewidth=0, zorder=0)
    if advice.recommended:
        ax.axvline(advice.epochs.value, color=look.training, linewidth=1.4, zorder=1)
    ax.plot(epochs[~late], rows[~late], "o", color=look.validation, markersize=5.5, zorder=4)
    ax.plot(epochs[late], rows[late], ">", color=look.validation, markersize=7, zorder=4)
    ax.set_xlim(0, furthest * 1.15)
    ax.set_ylim(0, len(epochs) + 1.6)
    ax.set_yticks([])
    _epoch_axis(ax)
    at_least = "at least " if math.isinf(high) else ""
    left = advice.epochs.value > 0.55 * furthest * 1.15
    label = f"advised: {at_least}{advice.epochs.value:,.0f}" if advice.recommended else ""
    parts.note_upright(ax, label, advice.epochs.value, left, fontsize=8.8, color=look.training, zorder=6)
    parts.name_axis(ax, f"best epoch of each of {len(epochs)} repeats", look)
    interval = f"{advice.epochs.low:,.0f} {'or more' if math.isinf(high) else f'to {high:,.0f}'}"
    notes = [f"shaded: {interval}", *(["arrow: was still improving at the end"] if late.any() else [])]
    parts.remark(ax, "; ".join(notes), look, up=-24)


def _curve(advice: Advice, ax: Axes, look: parts.Style) -> None:
    along, array = advice.curves.values(advice.monitor, "epochs")
    (line,) = lines_of(advice.curves, [advice.monitor])
    parts.draw_line(ax, along, line, look.validation, 2.2, rank=2)
    ax.axvline(advice.epochs.value, color=look.training, linewidth=1.4, zorder=1)
    ax.axhline(advice.target_value, color=look.muted, linewidth=1, linestyle=DOTTED, zorder=1)
    known = line.mean[np.isfinite(line.mean)]
    values = array[np.isfinite(array)]
    if values.size:
        _limits(ax, known, values, advice)
    ax.set_xlim(0, max(float(along.max(initial=1)), advice.epochs.value) * 1.02)
    _epoch_axis(ax)
    log = " (log scale)" if ax.get_yscale() == "log" else ""
    parts.name_axis(ax, f"{label_of(advice.monitor)}: mean and 95 % interval{log}", look)
    parts.remark(ax, f"dashed: mean target, {advice.target_value:.3g}", look, up=-24)


def _limits(ax: Axes, mean: Any, values: Any, advice: Advice) -> None:
    """Limits for all repeats, except values far above the start."""
    bottom, top = float(np.quantile(values, 0.002)), float(np.quantile(values, 0.998))
    bottom, top = min(bottom, advice.target_value), max(top, advice.target_value)
    if not advice.higher_is_better:
        top = min(top, max(1.25 * float(mean[0]), 1.1 * float(mean[-1]), advice.target_value))
        if bottom > 0 and top > 30 * bottom:
            ax.set_yscale("log")
            ax.set_ylim(bottom / 1.2, top * 1.5)
            parts.log_ticks(ax, "y", _counted)
            return
    margin = 0.06 * ((top - bottom) or abs(top) or 1.0)
    ax.set_ylim(bottom - margin, top + 2 * margin)


def _epoch_axis(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.xaxis.set_major_formatter(lambda value, _: _counted(value))
    ax.set_xlabel("epoch", loc="left", fontsize=9)


def _size_axis(ax: Axes, sizes: Sequence[int]) -> None:
    parts.size_ticks(ax, sizes or [1])
    ax.set_xlim(min(sizes, default=1) / 1.5, max(sizes, default=1) * 1.5)
    ax.set_xlabel("batch size (log scale)", loc="left", fontsize=9)


def _fit_log(ax: Axes, values: Sequence[float], room: float) -> None:
    known = [value for value in values if math.isfinite(value) and value > 0]
    if known:
        ax.set_ylim(min(known) / room, max(known) * room)


def _counted(value: float) -> str:
    return format_amount(value) if value >= 100 else f"{value:.6g}"
