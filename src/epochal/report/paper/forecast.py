"""Matplotlib picture of forecasts beside the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal, did_you_mean
from epochal.report.paper.curves import STYLES

if TYPE_CHECKING:
    from epochal.runs.record import Run

__all__ = ["Drawn", "DrawnPart", "drawn", "plot_forecast"]

Floats = NDArray[np.float64]
_CODES = {"validation": 2, "test": 3}
_COLORS = {"validation": "validation", "test": "running"}


@dataclass(frozen=True, eq=False)
class DrawnPart:
    """The forecasts of one part for one series: rows, mean and sd over repeats."""

    name: str
    at: NDArray[np.int64]
    mean: Floats
    sd: Floats | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """One series with its forecasts: `x` are the times, datetime64 for dates; `truth` its values."""

    name: str
    x: NDArray[Any]
    truth: Floats
    parts: tuple[DrawnPart, ...]


def drawn(run: Run, series: int = 0, step: int = 1) -> Drawn:
    """The forecasts of a run at a step ahead, for one series.

    Without parts whose windows come from other data, or differ between repeats.
    """
    history = run.observed
    assert history is not None
    own = np.flatnonzero(history.series == series)
    time = history.time[own]
    if history.clock.kind == "date":
        time = time.astype("datetime64[s]")
    elif history.clock.kind == "row":
        time = history.row[own]
    shared = all(np.array_equal(run.splits[0], other) for other in run.splits[1:])
    parts = []
    for name, scores in run.scores.items():
        samples = np.flatnonzero(run.splits[0] == _CODES[name])
        if not shared or scores.predicted is None or not len(samples):
            continue
        predicted = scores.predicted.reshape(run.repeats, len(samples), -1)[:, :, step - 1]
        at = history.places(run.rows[samples]) + step - 1
        here = history.series[at] == series
        values = predicted[:, here]
        order = np.argsort(at[here])
        sd = values.std(axis=0, ddof=1)[order] if run.repeats > 1 else None
        parts.append(DrawnPart(name, np.searchsorted(own, at[here][order]), values.mean(axis=0)[order], sd))
    return Drawn(history.names[series], time, history.value[own], tuple(parts))


def plot_forecast(
    run: Run, path: str | Path | None, step: int, series: str | None, style: str = "auto"
) -> Any:
    """See `Run.plot_forecast`."""
    from epochal.report.paper.picture import Picture

    if run.observed is None:
        raise Refusal("forecasts are drawn for windows of a series; this run was trained on other samples.")
    horizon = run.task.targets
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= horizon:
        raise Refusal(f"step must be between 1 and {horizon} (the horizon); got {step!r}.")
    names = run.observed.names
    if series is not None and series not in names:
        raise Refusal(did_you_mean("series", series, names[:20]))
    if style not in STYLES:
        raise Refusal(did_you_mean("style", style, STYLES))
    look = STYLES[style]
    found = drawn(run, 0 if series is None else names.index(series), step)
    figure = Picture(figsize=(9, 4), layout="constrained", facecolor=look.background)
    axes = figure.subplots()
    axes.set_facecolor(look.background)
    axes.plot(found.x, found.truth, color=look.text, linewidth=1.3, label=f"true {run.data['target']}")
    for part in found.parts:
        color = getattr(look, _COLORS[part.name])
        x = found.x[part.at]
        label = f"{part.name} forecast" + (", mean ± sd of repeats" if part.sd is not None else "")
        joined = np.flatnonzero(np.diff(part.at) > 1) + 1
        for number, piece in enumerate(np.split(np.arange(len(part.at)), joined)):
            if part.sd is not None:
                low, high = part.mean[piece] - part.sd[piece], part.mean[piece] + part.sd[piece]
                axes.fill_between(x[piece], low, high, color=color, alpha=0.25, linewidth=0)
            axes.plot(
                x[piece],
                part.mean[piece],
                color=color,
                linewidth=1.8,
                marker="." if len(piece) < 60 else None,
                label=label if number == 0 else None,
            )
        if len(x):
            axes.axvline(x[0], color=look.muted, linewidth=1, linestyle=":")
    axes.grid(True, color=look.grid, linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(look.muted)
    axes.tick_params(colors=look.muted)
    axes.set_xlabel(run.observed.clock.name or "row", color=look.muted)
    ahead = "1 step ahead" if step == 1 else f"{step} steps ahead"
    title = f"{run.data['target']}, {ahead}" + (f", {found.name}" if found.name else "")
    axes.set_title(title, color=look.text, loc="left", fontsize=11)
    axes.legend(frameon=False, labelcolor=look.text, fontsize=9)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
