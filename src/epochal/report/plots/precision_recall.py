"""The figure of precision against recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from epochal.curves.precision_recall import PrecisionRecall
from epochal.errors import Refusal
from epochal.report.numbers import PrecisionRecallPanel, precision_recall_panels
from epochal.report.plots.parts import Style, axes_of, new_figure, note, saved, style_axes, style_of


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
        words = f"{line.role}: {'AP' if small else 'average precision'} {line.average}"
        note(ax, words, (0, 1), (-2, 5 + row * (size + 3)), fontsize=size, color=color)
    ax.axhline(panel.base, color=look.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    note(ax, f"╌ base rate {panel.base:.3g}", (1, 1), (0, 5), fontsize=size, color=look.muted, ha="right")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    name = panel.name if len(panel.name) <= 32 else f"{panel.name[:31]}…"
    height = 6 + len(panel.lines) * (size + 3)
    note(ax, f"class {name}", (0, 1), (-2, height), fontsize=10.5, color=look.text, fontweight="bold")
