"""The data of the plots of a run, computed once for Matplotlib and for its page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves import Curves, PrecisionRecall
from epochal.curves.statistics import Floats, Ints

MAX_CLASSES = 12
"""Panels of precision against recall."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve over the repeats, at each evaluation.

    Args:
        name: its column.
        role: "running", "train", "validation" or "test".
        mean: over the repeats; one that has stopped counts with its last value.
        low: the lower end of the 95 % interval of the mean while at least 4 repeats run, or all of fewer.
        high: the upper end.
        count: how many repeats run.
        repeats: a row each; none of a running loss, or of a single repeat.
        baseline: what the baseline reaches; None where that is not known.
    """

    name: str
    role: str
    mean: Floats
    low: Floats
    high: Floats
    count: Ints
    repeats: Floats
    baseline: float | None

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Where most repeats run; the mean is dotted behind."""
        return self.count == self.count.max(initial=0)


def kind_of(name: str) -> str:
    """What a column measures, its part apart; "loss" of each kind of loss."""
    metric = name.partition(".")[2] or name
    return "loss" if metric.endswith("loss") else metric


def panels_of(curves: Curves, main: str) -> list[list[str]]:
    """The columns of each panel: the losses; then each metric, the main one first, with all its parts."""
    measured = [name for name in curves.names if np.isfinite(curves.columns[name]).any()]
    order = {"train.running_loss": 0, "train.loss": 1, "validation.loss": 2}
    losses = sorted(
        (name for name in measured if kind_of(name) == "loss"), key=lambda name: order.get(name, 3)
    )
    metrics = dict.fromkeys(kind_of(name) for name in measured if name not in losses)
    ordered = sorted(metrics, key=lambda metric: metric != kind_of(main))
    parts = ("train", "validation", "test")
    panels = [losses, *([f"{part}.{m}" for part in parts if f"{part}.{m}" in measured] for m in ordered)]
    return [panel for panel in panels if panel]


def lines_of(
    curves: Curves, names: Sequence[str], baseline: Mapping[str, ArrayLike] | None = None
) -> list[Line]:
    """The lines of some columns."""
    found = []
    for name in names:
        band, (_, array) = curves.summary(name), curves.values(name)
        running = name.endswith("running_loss")
        shown = band.count >= min(len(array), 4)  # with fewer left, the interval only says that
        found.append(
            Line(
                name,
                "running" if running else name.partition(".")[0],
                band.mean,
                np.where(shown, band.low, np.nan),
                np.where(shown, band.high, np.nan),
                band.count,
                array[:0] if running or len(array) < 2 else array,
                level_of(baseline or {}, name),
            )
        )
    return found


def level_of(baseline: Mapping[str, ArrayLike], name: str) -> float | None:
    """What the baseline reaches of a curve, the mean over repeats; None where that is not known."""
    level = baseline.get(name)
    return None if level is None else float(np.mean(np.asarray(level, float)))


def along_at(curves: Curves, x: str, epochs: ArrayLike) -> Floats:
    """Where epochs lie on an x-axis: at the nearest evaluations, which are the same for all columns."""
    at, _ = curves.values(curves.names[0], "epochs")
    along, _ = curves.values(curves.names[0], x)
    return along[np.abs(at - np.asarray(epochs, float)[..., None]).argmin(axis=-1)]


@dataclass(frozen=True, eq=False)
class PrecisionRecallLine:
    """Precision at each recall, from recall 0 on, for one part of the samples."""

    role: str
    average: str
    recall: Floats
    mean: Floats
    low: Floats
    high: Floats
    repeats: Floats


@dataclass(frozen=True, eq=False)
class PrecisionRecallPanel:
    """Precision against recall of one class: the base rate, and one line per part."""

    name: str
    base: float
    lines: tuple[PrecisionRecallLine, ...]


def precision_recall_panels(parts: Mapping[str, Sequence[PrecisionRecall]]) -> list[PrecisionRecallPanel]:
    """One panel per class: all, or of many those with the lowest average precision."""
    averages: dict[str, float] = {}
    for curves in parts.values():
        for one in curves:
            averages.setdefault(one.name, one.average_precision.mean)
    worst = sorted(averages, key=lambda name: averages[name])[:MAX_CLASSES]
    found = []
    for name in filter(worst.__contains__, averages):
        own = {part: one for part, curves in parts.items() for one in curves if one.name == name}
        base = float(np.mean([one.base_rate for one in own.values()]))
        found.append(PrecisionRecallPanel(name, base, tuple(map(_line_of, own, own.values()))))
    return found


def _line_of(part: str, found: PrecisionRecall) -> PrecisionRecallLine:
    summary, several = found.average_precision, len(found.repeats) > 1
    spread = "" if summary.sd is None else f" ± {summary.format_value(summary.sd)}"
    first = np.concatenate([[0], np.arange(len(found.recall))])  # the first step begins at recall 0
    each = [curve.at(found.recall)[first] for curve in found.repeats if several]
    return PrecisionRecallLine(
        part,
        f"{summary.format_value(summary.mean)}{spread}",
        np.concatenate([[0.0], found.recall]),
        found.mean[first],
        found.low[first],
        found.high[first],
        np.array(each).reshape(-1, len(first)),
    )


def evenly(points: int, most: int) -> Ints:
    """The points that are drawn: all, or evenly spaced ones."""
    return np.unique(np.linspace(0, points - 1, min(points, most)).round().astype(np.int64))


def json_numbers(values: ArrayLike) -> list[float | None]:
    """Numbers for JSON: six digits, more where they differ by little; what is not finite becomes None.

    >>> json_numbers([1 / 3, np.nan]), json_numbers([1_700_000_040.526, 1_700_000_140.3])
    ([0.333333, None], [1700000040.53, 1700000140.3])
    """
    array = np.asarray(values, np.float64)
    known = array[np.isfinite(array)]
    size, apart = (float(np.abs(known).max()), float(np.ptp(known))) if known.size else (0.0, 0.0)
    digits = min(max(math.ceil(math.log10(size / apart)) + 4, 6), 15) if size > apart > 0 else 6
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in array.tolist()]


def json_number(value: float | None) -> float | None:
    """One for JSON: six digits; None where it is not finite."""
    return None if value is None else json_numbers([value])[0]
