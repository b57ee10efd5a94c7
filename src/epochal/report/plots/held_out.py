"""The figures of held-out samples: forecasts beside the truth, precision against recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from epochal.curves.precision_recall import PrecisionRecall
from epochal.errors import Refusal, did_you_mean
from epochal.report.forecast import drawn
from epochal.report.plot_data import PrecisionRecallPanel, precision_recall_panels
from epochal.report.plots.parts import Style, axes_of, new_figure, note, saved, style_axes, style_of
from epochal.runs.run import Run


def plot_forecast(
    run: Run, path: str | Path | None, step: int, series: str | None, style: str = "auto"
) -> Figure:
    """See `Run.plot_forecast`."""
    if run.observed is None:
        raise Refusal("forecasts are drawn for windows of a series; this run was trained on other samples.")
    horizon = run.task.targets
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= horizon:
        raise Refusal(f"step must be between 1 and {horizon} (the horizon); got {step!r}.")
    names = run.observed.names
    if series is not None and series not in names:
        raise Refusal(did_you_mean("series", series, names[:20]))
    look = style_of(style)
    place = 0 if series is None else names.index(series)
    times, truth, parts = drawn(run, place, step)
    figure = new_figure(look, 9, 4)
    axes = figure.subplots()
    style_axes(axes, look)
    axes.plot(times, truth, color=look.text, linewidth=1.3, label=f"true {run.data['target']}")
    for part in parts:
        color = getattr(look, part.name)
        x = times[part.at]
        label = f"{part.name} forecast" + (", mean ± sd of repeats" if part.sd is not None else "")
        joined = np.flatnonzero(np.diff(part.at) > 1) + 1
        for number, piece in enumerate(np.split(np.arange(len(part.at)), joined)):
            if part.sd is not None:
                low, high = part.mean[piece] - part.sd[piece], part.mean[piece] + part.sd[piece]
                axes.fill_between(x[piece], low, high, color=color, alpha=0.25, linewidth=0)
            look_of: Any = {"marker": "." if len(piece) < 60 else None, "label": None if number else label}
            axes.plot(x[piece], part.mean[piece], color=color, linewidth=1.8, **look_of)
        if len(x):
            axes.axvline(x[0], color=look.muted, linewidth=1, linestyle=":")
    axes.set_xlabel(run.observed.time_column.name or "row", color=look.muted)
    ahead = "1 step ahead" if step == 1 else f"{step} steps ahead"
    title = f"{run.data['target']}, {ahead}" + (f", {names[place]}" if names[place] else "")
    axes.set_title(title, color=look.text, loc="left", fontsize=11)
    axes.legend(frameon=False, labelcolor=look.text, fontsize=9)
    return saved(figure, path, style)


def plot_precision_recall(
    parts: Mapping[str, Sequence[PrecisionRecall]],
    path: str | Path | None = None,
    *,
    style: str = "auto",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """See `Run.plot_precision_recall`; `parts` are the curves of the classes, by part."""
    look, panels = style_of(style), precision_recall_panels(parts)
    if not panels:
        raise Refusal("precision-recall curves need samples of each class in each repeat; got none to draw.")
    columns = min(len(panels), 3 if len(panels) > 4 or len(panels) == 3 else 2)
    if ax is None:
        rows = math.ceil(len(panels) / columns)
        figure = new_figure(look, *((7.2, 4.8) if len(panels) == 1 else (3.6 * columns + 0.4, 3.1 * rows)))
        axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for empty in axes[len(panels) :]:
            empty.set_visible(False)
    else:
        figure, axes = axes_of(ax)
    for place, (panel, at) in enumerate(zip(panels, axes, strict=False)):
        style_axes(at, look)
        _draw(at, panel, look, small=len(panels) > 1)
        if place % columns == 0:
            at.set_ylabel("precision", fontsize=9.5)
        at.set_xlabel("recall", fontsize=9.5)
    return saved(figure, path, style)


def _draw(ax: Axes, panel: PrecisionRecallPanel, look: Style, *, small: bool) -> None:
    size = 8.2 if small else 9.5
    for row, line in enumerate(reversed(panel.lines)):
        color = {"validation": look.validation, "test": look.test}.get(line.role, look.text)
        for each in line.repeats:
            ax.plot(line.recall, each, color=color, linewidth=0.6, alpha=0.3, drawstyle="steps-pre")
        if len(line.repeats):
            ax.fill_between(
                line.recall, line.low, line.high, color=color, alpha=0.16, linewidth=0, step="pre"
            )
        ax.plot(line.recall, line.mean, color=color, linewidth=2.0, drawstyle="steps-pre", zorder=4)
        label = f"{line.role}: {'AP' if small else 'average precision'} {line.average}"
        note(ax, label, (0, 1), (-2, 5 + row * (size + 3)), fontsize=size, color=color)
    ax.axhline(panel.base, color=look.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    note(ax, f"╌ base rate {panel.base:.3g}", (1, 1), (0, 5), fontsize=size, color=look.muted, ha="right")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    name = panel.name if len(panel.name) <= 32 else f"{panel.name[:31]}…"
    height = 6 + len(panel.lines) * (size + 3)
    note(ax, f"class {name}", (0, 1), (-2, height), fontsize=10.5, color=look.text, fontweight="bold")
