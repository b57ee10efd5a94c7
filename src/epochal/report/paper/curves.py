"""Matplotlib picture of learning curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves.record import AXES, Curves
from epochal.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from epochal.curves.judgment import Verdict

__all__ = ["LABELS", "STYLES", "Style", "dress", "main_metric", "name_axis", "plot"]

Floats = NDArray[np.float64]

LABELS = {
    "train.running_loss": "training, running (parameters moving)",
    "train.loss": "training (fixed parameters)",
    "validation.loss": "validation",
    "test.loss": "test",
}
"""Labels of the losses."""


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
    best: str
    test: str


STYLES = {
    "light": Style(
        "#ffffff", "#1c2330", "#646f80", "#e6e9ee", "#2563b0", "#7b5cc4", "#c2501a", "#646f80", "#1b7a63"
    ),
    "dark": Style(
        "#12161d", "#e8ebf0", "#98a3b3", "#272e39", "#69aaf5", "#b39df5", "#ff9557", "#98a3b3", "#4fc9a6"
    ),
    "auto": Style(
        "none", "#7b8494", "#7b8494", "#8b94a340", "#3f87d9", "#9279d6", "#dd6b2c", "#7b8494", "#2a9d82"
    ),
}
"""`light` and `dark` have a background; `auto` is transparent, legible on both."""


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
) -> Figure:
    """Plot losses, and the main metric below, with the 95 % interval of the mean over repeats.

    Thick lines are means over the repeats (dotted once some have stopped and count with their last value;
    they end once most have), thin ones the repeats, bands the 95 % interval of the mean (while at least 4
    repeats run, or all). The upright line is the best epoch: the median over repeats.

    Args:
        names: the curves to draw; losses share one panel, each other metric has one of its own.
        x: "epochs", "updates", "samples" or "seconds".
        ax: one Axes, or one per panel; a new figure by default.
        path: also save there, in the format of the suffix.
        style: "light", "dark", or "auto" (transparent, for either background).
        verdict: its sentence becomes the title.
        baseline: the baseline by curve name: a dashed line.
        log: a logarithmic loss axis; by default if the losses span more than a factor of 30.
    """
    if style not in STYLES:
        raise Refusal(did_you_mean("style", style, STYLES))
    if x not in AXES:
        raise Refusal(did_you_mean("x-axis", x, AXES))
    panels = _panels(curves, names)
    look = STYLES[style]
    figure, axes = _axes(panels, ax, look)
    for panel, at in zip(panels, axes, strict=False):
        dress(at, look)
        _draw_panel(curves, panel, x, at, look, baseline or {}, log)
    axes[-1].set_xlabel("samples seen" if x == "samples" else x.rstrip("s") if x != "seconds" else "seconds")
    if verdict is not None:
        width = max(40, int(figure.get_figwidth() * 11.5))
        sentence = "\n".join(textwrap.wrap(str(verdict), width))
        axes[0].set_title(sentence, loc="left", color=look.text, fontsize=11.5, pad=26)
    if path is not None:
        figure.savefig(
            path, dpi=160, transparent=style == "auto", facecolor=figure.get_facecolor(), bbox_inches="tight"
        )
    return figure


def _panels(curves: Curves, names: Sequence[str] | None) -> list[list[str]]:
    """The names in each panel: the losses together, each metric with its training counterpart."""
    if names is None:
        losses = [
            name for name in LABELS if name in curves.columns and np.isfinite(curves.columns[name]).any()
        ]
        metric = main_metric(curves)
        pair = []
        if metric is not None:
            kind = metric.partition(".")[2]
            pair = [n for n in (f"train.{kind}", f"validation.{kind}") if n in curves.columns]
        panels = [losses, pair]
    else:
        for name in names:
            if name not in curves.columns:
                raise Refusal(did_you_mean("curve", name, curves.columns))
        kinds = dict.fromkeys(_kind(name) for name in names)
        panels = [[name for name in names if _kind(name) == kind] for kind in kinds]
    found = [panel for panel in panels if panel]
    if not found:
        raise Refusal("curves need at least one measured quantity to be plotted; got none.")
    return found


def _kind(name: str) -> str:
    metric = name.partition(".")[2] or name
    return "loss" if metric.endswith("loss") else metric


def _axes(
    panels: Sequence[Sequence[str]], ax: Axes | Sequence[Axes] | None, look: Style
) -> tuple[Figure, list[Axes]]:
    if ax is not None:
        given = list(ax) if isinstance(ax, Sequence | np.ndarray) else [ax]
        figure: Any = given[0].figure
        return figure, given
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from epochal.report.paper.picture import Picture

    heights = [3.0] + [1.7] * (len(panels) - 1)
    figure = Picture(figsize=(8.6, sum(heights) + 1.2), layout="constrained", facecolor=look.background)
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(hspace=0.06)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(grid[:, 0])


def dress(ax: Axes, look: Style) -> None:
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


def name_axis(ax: Axes, words: str, look: Style) -> None:
    """Label the y-axis above it."""
    ax.annotate(
        words,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-2, 6),
        textcoords="offset points",
        fontsize=9.5,
        color=look.text,
        fontweight="bold",
        ha="left",
        va="bottom",
    )


def _draw_panel(
    curves: Curves,
    names: Sequence[str],
    x: str,
    ax: Axes,
    look: Style,
    baseline: Mapping[str, ArrayLike],
    log: bool | None,
) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    loss = _kind(names[0]) == "loss"
    ends, lows, highs = [], [], []
    for name in names:
        color, width, rank = _ink(name, look)
        along, array = curves.values(name, x)
        band = curves.summary(name, x)
        running = name == "train.running_loss"
        if len(array) > 1 and not running:
            for row in array:
                ax.plot(along, row, color=color, linewidth=0.6, alpha=0.22, zorder=rank)
            shown = band.count >= min(len(array), 4)  # with fewer, the interval would only show that
            low, high = np.where(shown, band.low, np.nan), np.where(shown, band.high, np.nan)
            ax.fill_between(along, low, high, color=color, alpha=0.16, linewidth=0, zorder=rank)
        everyone = band.count == band.count.max(initial=0)
        whole = np.where(everyone, band.mean, np.nan)
        some = np.where(~everyone | np.concatenate([~everyone[1:], [False]]), band.mean, np.nan)
        ax.plot(along, whole, color=color, linewidth=width, zorder=rank + 3, solid_capstyle="round")
        ax.plot(along, some, color=color, linewidth=width, zorder=rank + 3, linestyle=(0, (1, 1.5)))
        known = np.flatnonzero(np.isfinite(band.mean))
        if known.size:
            ends.append((float(along[known[-1]]), float(band.mean[known[-1]]), name, color))
            finite = array[np.isfinite(array)]
            lows.append(float(band.mean[known].min()))
            highs.append(float(band.mean[known].max()))
            if not running:
                lows.append(float(np.quantile(finite, 0.002)))
                highs.append(float(np.quantile(finite, 0.998)))
    for name in names:
        if name in baseline:
            level = float(np.mean(np.asarray(baseline[name], dtype=float)))
            ax.axhline(level, color=look.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            lows.append(level)
            highs.append(level)
            if not loss:
                continue
            ax.annotate(
                "baseline",
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=8.5,
                color=look.muted,
                zorder=9,
                bbox=None
                if look.background == "none"
                else {"facecolor": look.background, "alpha": 0.7, "edgecolor": "none", "pad": 1},
            )
    logarithmic = (
        loss and lows and (log if log is not None else min(lows) > 0 and max(highs) > 30 * min(lows))
    )
    if logarithmic and min(lows) > 0:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter("")
    elif lows:
        bottom, top = min(lows), max(highs)
        margin = 0.06 * ((top - bottom) or abs(top) or 1.0)
        ax.set_ylim(bottom - margin, top + margin)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    furthest = max((end[0] for end in ends), default=1.0)
    ax.set_xlim(0, furthest * 1.01 or 1.0)
    what = "loss" if loss else _kind(names[0]).replace("_", " ")
    if logarithmic:
        what += " (log scale)"
    name_axis(ax, what, look)
    _mark_best(curves, names, x, ax, look, loss=loss)
    _label_ends(ax, ends, loss=loss)


def _ink(name: str, look: Style) -> tuple[str, float, int]:
    if name == "train.running_loss":
        return look.running, 1.1, 5
    if name.startswith("train."):
        return look.training, 2.0, 3
    return look.validation, 2.2, 4


def _mark_best(curves: Curves, names: Sequence[str], x: str, ax: Axes, look: Style, *, loss: bool) -> None:
    if "validation.loss" not in curves.columns:
        return
    best = curves.best("validation.loss")
    if not np.isfinite(best.median_epoch):
        return
    along, _ = curves.values("validation.loss", x)
    epochs, _ = curves.values("validation.loss", "epochs")
    places = np.array([along[int(np.argmin(np.abs(epochs - e)))] for e in best.epoch if np.isfinite(e)])
    at = float(along[int(np.argmin(np.abs(epochs - best.median_epoch)))])
    ax.axvline(at, color=look.best, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    if not loss:
        return
    if "validation.loss" in names and len(places) > 1:
        ax.plot(
            places,
            best.value[np.isfinite(best.epoch)],
            "o",
            markersize=3.4,
            color=look.validation,
            markeredgewidth=0,
            alpha=0.75,
            zorder=8,
        )
    left = at > 0.6 * float(along[-1])
    several = f" (median of {len(places)})" if len(places) > 1 else ""
    ax.annotate(
        f"best epoch {best.median_epoch:,.5g}{several}",
        (at, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if left else 5, -3),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        fontsize=8.5,
        color=look.muted,
        zorder=9,
    )


def _label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]], *, loss: bool) -> None:
    """Label each line at its end, to the right of the panel, without overlaps."""
    if not ends:
        return
    figure: Any = ax.figure
    tall = figure.get_figheight() * 72 * ax.get_position().height * 0.85
    at = sorted(
        (
            (
                float(ax.transAxes.inverted().transform(ax.transData.transform((x, y)))[1]) * tall,
                y,
                name,
                color,
            )
            for x, y, name, color in ends
        ),
        key=lambda end: end[0],
    )
    room = 23.0
    places: list[float] = []
    for height, *_ in at:
        places.append(max(height, places[-1] + room) if places else max(height, 4.0))
    over = places[-1] - (tall - 4.0)
    if over > 0:
        places[-1] -= over
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - room)
    for place, (_, value, name, color) in zip(places, at, strict=True):
        words = _end_label(name, loss=loss)
        ax.annotate(
            f"{words}\n{value:.3g}",
            (1, place / tall),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=8.8,
            color=color,
            linespacing=1.15,
            annotation_clip=False,
        )


def _end_label(name: str, *, loss: bool) -> str:
    if loss:
        return {
            "train.running_loss": "training, running",
            "train.loss": "training, fixed",
        }.get(name, name.partition(".")[0])
    return {"train": "training"}.get(name.partition(".")[0], name.partition(".")[0])
