"""Matplotlib picture of precision against recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from epochal.curves.precision_recall import PrecisionRecall
from epochal.errors import Refusal, did_you_mean
from epochal.report.paper.curves import STYLES, Style, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_PANELS", "plot_precision_recall", "shown_classes"]

MOST_PANELS = 12


def shown_classes(parts: Mapping[str, Sequence[PrecisionRecall]]) -> list[str]:
    """The classes to draw, one per panel: all, or those with the lowest average precision."""
    found: dict[str, float] = {}
    for curves in parts.values():
        for one in curves:
            found.setdefault(one.name, one.average_precision.mean)
    worst = sorted(found, key=lambda name: found[name])[:MOST_PANELS]
    return [name for name in found if name in worst]


def plot_precision_recall(
    parts: Mapping[str, Sequence[PrecisionRecall]],
    path: str | Path | None = None,
    *,
    style: str = "auto",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Plot precision against recall, one panel per class.

    The thick line is the mean over repeats, thin ones are the repeats, the band is the 95 % interval of the
    mean. Dashed is the base rate, the precision of random predictions.

    Args:
        parts: the curves of the classes, by part: "validation", "test".
        path: also save there, in the format of the suffix.
        style: "light", "dark", or "auto" (transparent, for either background).
        ax: one Axes per panel; a new figure by default.
    """
    if style not in STYLES:
        raise Refusal(did_you_mean("style", style, STYLES))
    names = shown_classes(parts)
    if not names:
        raise Refusal("precision-recall curves need samples of each class in each repeat; got none to draw.")
    look = STYLES[style]
    figure, axes = _axes(len(names), ax, look)
    for place, (name, at) in enumerate(zip(names, axes, strict=False)):
        dress(at, look)
        own = {part: one for part, curves in parts.items() for one in curves if one.name == name}
        _panel(at, name, own, look, small=len(names) > 1)
        if place % _columns(len(names)) == 0:
            at.set_ylabel("precision", fontsize=9.5)
        at.set_xlabel("recall", fontsize=9.5)
    if path is not None:
        figure.savefig(
            path, dpi=160, transparent=style == "auto", facecolor=figure.get_facecolor(), bbox_inches="tight"
        )
    return figure


def _columns(panels: int) -> int:
    return min(panels, 3 if panels > 4 or panels == 3 else 2)


def _axes(panels: int, ax: Axes | Sequence[Axes] | None, look: Style) -> tuple[Figure, list[Axes]]:
    if ax is not None:
        given = list(ax) if isinstance(ax, Sequence | np.ndarray) else [ax]
        figure: Any = given[0].figure
        return figure, given
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from epochal.report.paper.picture import Picture

    columns = _columns(panels)
    rows = math.ceil(panels / columns)
    size = (7.2, 4.8) if panels == 1 else (3.6 * columns + 0.4, 3.1 * rows)
    figure = Picture(figsize=size, layout="constrained", facecolor=look.background)
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for empty in axes[panels:]:
        empty.set_visible(False)
    return figure, axes[:panels]


def _panel(ax: Axes, name: str, parts: Mapping[str, PrecisionRecall], look: Style, *, small: bool) -> None:
    inks = {"validation": look.validation, "test": look.test}
    said = []
    for part, found in parts.items():
        color = inks.get(part, look.text)
        x = np.concatenate([[0.0], found.recall])
        if len(found.repeats) > 1:
            for curve in found.repeats:
                ax.plot(
                    x,
                    _led(curve.at(found.recall)),
                    color=color,
                    linewidth=0.6,
                    alpha=0.3,
                    drawstyle="steps-pre",
                )
            ax.fill_between(
                x, _led(found.low), _led(found.high), color=color, alpha=0.16, linewidth=0, step="pre"
            )
        ax.plot(x, _led(found.mean), color=color, linewidth=2.0, drawstyle="steps-pre", zorder=4)
        summary = found.average_precision
        spread = "" if summary.sd is None else f" ± {summary.written(summary.sd)}"
        said.append((f"{part}: average precision {summary.written(summary.mean)}{spread}", color))
    base = float(np.mean([found.base_rate for found in parts.values()]))
    ax.axhline(base, color=look.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate(
        f"╌ base rate {base:.3g}",
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8.2 if small else 9.5,
        color=look.muted,
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    size = 8.2 if small else 9.5
    for row, (words, color) in enumerate(reversed(said)):
        ax.annotate(
            words.replace("average precision", "AP") if small else words,
            (0, 1),
            xycoords="axes fraction",
            xytext=(-2, 5 + row * (size + 3)),
            textcoords="offset points",
            fontsize=size,
            color=color,
        )
    ax.annotate(
        f"class {name if len(name) <= 32 else f'{name[:31]}…'}",
        (0, 1),
        xycoords="axes fraction",
        xytext=(-2, 6 + len(said) * (size + 3)),
        textcoords="offset points",
        fontsize=10.5,
        color=look.text,
        fontweight="bold",
    )


def _led(values: Any) -> Any:
    """The values preceded by the first one, for recall 0."""
    return np.concatenate([values[:1], values])
