"""The figure of learning curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from epochal.common.metric_names import label_of
from epochal.common.text import mean_count
from epochal.curves.curves import X_AXES, Best, Curves
from epochal.curves.judgment import Verdict
from epochal.errors import Refusal, did_you_mean
from epochal.report.plot_data import Line, along_at, kind_of, lines_of, panels_of
from epochal.report.plots import parts


def main_metric(curves: Curves) -> str | None:
    """The metric to show below the losses: the first one of validation, or else of training.

    >>> none = np.zeros(1)
    >>> main_metric(Curves(none, none, none, none, none, {"validation.loss": none, "validation.r2": none}))
    'validation.r2'
    """
    preferred = ("accuracy", "balanced_accuracy", "r2", "rmse", "mae")
    for split in ("validation", "train"):
        names = [name for name in curves.names if name.startswith(f"{split}.") and not name.endswith("loss")]
        if names:
            known = [f"{split}.{metric}" for metric in preferred if f"{split}.{metric}" in names]
            return (known or names)[0]
    return None


def plot(
    curves: Curves,
    names: Sequence[str] | None = None,
    x: str = "epochs",
    ax: Axes | Sequence[Axes] | None = None,
    path: str | Path | None = None,
    *,
    style: str = "auto",
    verdict: Verdict | None = None,
    baseline: Mapping[str, ArrayLike] | None = None,
    log: bool | None = None,
    monitor: str = "validation.loss",
) -> Figure:
    """Plot losses, and the main metric below, with the 95 % interval of the mean over repeats.

    Thick lines are means over the repeats (dotted once some have stopped and count with their last value;
    they end once most have), thin ones the repeats, bands the 95 % interval of the mean (while at least 4
    repeats run, or all). The upright line is the best epoch of `monitor`: the median over repeats.

    Args:
        names: the curves to draw; losses share one panel, each other metric has one of its own.
        x: "epochs", "updates", "samples" or "seconds".
        ax: one Axes, or one per panel; a new figure by default.
        path: also save there, in the format of the suffix.
        style: "light", "dark", or "auto" (transparent, for either background).
        verdict: its sentence becomes the title.
        baseline: the baseline by curve name: a dashed line.
        log: a logarithmic loss axis; by default if the losses span more than a factor of 30.
        monitor: the curve whose best epoch is marked: the one that chose the parameters, if not the loss.
    """
    look = parts.style_of(style)
    if x not in X_AXES:
        raise Refusal(did_you_mean("x-axis", x, X_AXES))
    panels = _panels(curves, names)
    if monitor not in curves.columns and monitor != "validation.loss":
        raise Refusal(did_you_mean("curve", monitor, curves.columns))
    if ax is None:
        heights = [3.0] + [1.7] * (len(panels) - 1)
        figure = parts.new_figure(look, 8.6, sum(heights) + 1.2, hspace=0.06)
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
        axes = list(grid[:, 0])
    else:
        figure, axes = parts.axes_of(ax)
    ends = []
    for panel, at in zip(panels, axes, strict=False):
        parts.style_axes(at, look)
        ends.append(_draw_panel(curves, lines_of(curves, panel, baseline), x, at, look, log))
        if monitor in curves.columns:
            _mark_best(curves, curves.best(monitor), panel, x, at, look)
    axes[-1].set_xlabel("samples seen" if x == "samples" else x.rstrip("s") if x != "seconds" else "seconds")
    if verdict is not None:
        width = max(40, int(figure.get_figwidth() * 11.5))
        sentence = "\n".join(textwrap.wrap(str(verdict), width))
        axes[0].set_title(sentence, loc="left", color=look.text, fontsize=11.5, pad=26)
    figure.draw_without_rendering()
    for at, labels in zip(axes, ends, strict=False):
        parts.label_ends(at, labels, room=27.0)
    return parts.saved(figure, path, style)


def _panels(curves: Curves, names: Sequence[str] | None) -> list[list[str]]:
    for name in names or ():
        if name not in curves.columns:
            raise Refusal(did_you_mean("curve", name, curves.columns))
    if names is None:
        found = panels_of(curves, main_metric(curves) or "")[:2]
    else:
        kinds = dict.fromkeys(map(kind_of, names))
        found = [[name for name in names if kind_of(name) == kind] for kind in kinds]
    if not found:
        raise Refusal("curves need at least one measured quantity to be plotted; got none.")
    return found


def _draw_panel(
    curves: Curves, lines: Sequence[Line], x: str, ax: Axes, look: parts.Style, log: bool | None
) -> list[tuple[float, str, str]]:
    """Draw one panel; the (height, label, color) of each line's end."""
    kind = kind_of(lines[0].name)
    loss = kind == "loss"
    along, _ = curves.values(lines[0].name, x)
    names = {"running": "training, running", "train": "training, fixed"} if loss else {"train": "training"}
    inks = {"running": (look.running, 1.1, 5), "train": (look.training, 2.0, 3)}
    ends, seen = [], []
    for line in lines:
        color, width, rank = inks.get(line.role, (look.validation, 2.2, 4))
        parts.draw_line(ax, along, line, color, width, rank)
        known = line.mean[np.isfinite(line.mean)]
        if known.size:
            ends.append((float(known[-1]), f"{names.get(line.role, line.role)}\n{known[-1]:.3g}", color))
            repeats = line.repeats[np.isfinite(line.repeats)]
            seen += [known.min(), known.max()]
            seen += np.quantile(repeats, (0.002, 0.998)).tolist() if repeats.size else []
        if line.baseline is not None:
            seen.append(line.baseline)
            _draw_baseline(ax, line.baseline, look, "baseline" if loss else "")
    bottom, top = min(seen, default=0.0), max(seen, default=1.0)
    logarithmic = loss and bottom > 0 and (top > 30 * bottom if log is None else log)
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter("")
    elif seen:
        margin = 0.06 * ((top - bottom) or abs(top) or 1.0)
        ax.set_ylim(bottom - margin, top + margin)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter("{x:,.6g}")
    some = np.isfinite([line.mean for line in lines]).any(axis=0)
    ax.set_xlim(0, float(along[some].max(initial=0.0)) * 1.01 or 1.0)
    parts.name_axis(ax, label_of(kind) + (" (log scale)" if logarithmic else ""), look)
    return ends


def _draw_baseline(ax: Axes, level: float, look: parts.Style, label: str) -> None:
    ax.axhline(level, color=look.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    under = {"facecolor": look.background, "alpha": 0.7, "edgecolor": "none", "pad": 1}
    text: Any = {"fontsize": 8.5, "color": look.muted, "zorder": 9, "ha": "right", "va": "bottom"}
    box = None if look.background == "none" else under
    parts.note(ax, label, (1, level), (0, 3), ("axes fraction", "data"), bbox=box, **text)


def _mark_best(curves: Curves, best: Best, panel: Sequence[str], x: str, ax: Axes, look: parts.Style) -> None:
    """A line in each panel, dots on the monitored curve, and label in the panel of the losses."""
    if not np.isfinite(best.median_epoch):
        return
    known = np.isfinite(best.epoch)
    places, at = along_at(curves, x, best.epoch[known]), float(along_at(curves, x, best.median_epoch))
    ax.axvline(at, color=look.muted, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    if best.name in panel and len(places) > 1:
        ax.plot(
            places, best.value[known], "o", markersize=3.4, color=look.validation, markeredgewidth=0,
            alpha=0.75, zorder=8,
        )  # fmt: skip
    if kind_of(panel[0]) != "loss":
        return
    left = at > 0.6 * float(curves.values(best.name, x)[0][-1])
    several = f" (median of {len(places)})" if len(places) > 1 else ""
    label = f"best epoch {mean_count(best.median_epoch)}{several}"
    parts.note_upright(ax, label, at, left, fontsize=8.5, color=look.muted, zorder=9)
