"""The figure of the forecasts of a series, beside the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from epochal.errors import Refusal, did_you_mean
from epochal.report.forecast import drawn
from epochal.report.plots.parts import new_figure, saved, style_axes, style_of
from epochal.runs.record import Run


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
    axes.set_xlabel(run.observed.clock.name or "row", color=look.muted)
    ahead = "1 step ahead" if step == 1 else f"{step} steps ahead"
    title = f"{run.data['target']}, {ahead}" + (f", {names[place]}" if names[place] else "")
    axes.set_title(title, color=look.text, loc="left", fontsize=11)
    axes.legend(frameon=False, labelcolor=look.text, fontsize=9)
    return saved(figure, path, style)
