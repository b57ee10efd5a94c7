"""The interactive figures of a run as plain data for the script of its page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import label_of
from epochal.common.text import mean_count
from epochal.curves import X_AXES, Curves, PrecisionRecall
from epochal.report import plot_data
from epochal.report.forecast import forecast_figure
from epochal.report.plot_data import json_number, json_numbers
from epochal.runs import Run

_MAX_POINTS = 1500  # along x; more are indistinguishable on a screen
_MAX_STEPS = 400
_MAX_LINES = 30
_MAX_DOTS = 4000


def figure_data(run: Run, precision_recall: Mapping[str, Sequence[PrecisionRecall]]) -> dict[str, Any]:
    """The x-axes, panels of curves, and the other figures that there are."""
    curves = run.curves
    keep = plot_data.evenly(np.unique(curves.update).size, _MAX_POINTS)
    main = "validation.loss" if run.headline is None else run.headline[0]
    panels = plot_data.panels_of(curves, main) if len(curves) else []
    return {
        "x": {x: json_numbers(curves.values(panels[0][0], x)[0][keep]) for x in X_AXES} if panels else {},
        "panels": [_panel(plot_data.lines_of(curves, names, run.baseline), keep) for names in panels],
        "best": _best(curves, str(run.settings["monitor"])),
        "precision_recall": [
            {"name": one.name, "base": json_number(one.base), "lines": list(map(_steps, one.lines))}
            for one in plot_data.precision_recall_panels(precision_recall)
        ],
        "forecast": forecast_figure(run),
        "residuals": _residuals(run),
        "confusion": _confusion(run),
    }


def confusion_of(run: Run) -> NDArray[np.float64] | None:
    """Counts (repeats, true, predicted) of the validation samples' classes."""
    scores = run.scores.get("validation")
    if scores is None or scores.confusion is None or not run.task.is_classification:
        return None
    return np.asarray(scores.confusion, np.float64)


def _panel(lines: list[plot_data.Line], keep: NDArray[np.int64]) -> dict[str, Any]:
    kind = plot_data.kind_of(lines[0].name)
    shown = [
        {
            "name": line.name,
            "role": line.role,
            **{end: json_numbers(getattr(line, end)[keep]) for end in ("mean", "low", "high")},
            "count": line.count[keep].tolist(),
            "repeats": [json_numbers(row[keep]) for row in line.repeats[:_MAX_LINES]],
        }
        for line in lines
    ]
    levels = [line.baseline for line in lines if line.baseline is not None]
    return {
        "kind": kind,
        "title": label_of(kind),
        "lines": shown,
        "baseline": json_number(levels[-1]) if levels else None,
        "log_possible": all(np.nanmin(line.mean[keep], initial=np.inf) > 0 for line in lines),
    }


def _best(curves: Curves, monitor: str) -> dict[str, float | str | None] | None:
    median = curves.best(monitor).median_epoch if monitor in curves.columns else math.nan
    if not math.isfinite(median):
        return None
    places = {x: json_number(float(plot_data.along_at(curves, x, median))) for x in X_AXES}
    return {**places, "text": mean_count(median)}


def _steps(line: plot_data.PrecisionRecallLine) -> dict[str, Any]:
    keep = np.append(0, 1 + plot_data.evenly(len(line.recall) - 1, _MAX_STEPS))
    ends = {end: json_numbers(getattr(line, end)[keep]) for end in ("recall", "mean", "low", "high")}
    each = [json_numbers(row[keep]) for row in line.repeats[:_MAX_LINES]]
    return {"role": line.role, "average": line.average, **ends, "repeats": each}


def _residuals(run: Run) -> dict[str, Any] | None:
    """Of the validation samples, all repeats pooled."""
    scores = run.scores.get("validation")
    if scores is None or scores.true is None or scores.predicted is None:
        return None
    true, predicted = np.ravel(scores.true), np.ravel(scores.predicted)
    known = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[known], predicted[known]
    rest = predicted - true
    counts, edges = np.histogram(rest, bins=int(np.clip(np.ceil(2 * np.cbrt(rest.size)), 8, 50)))
    step = max(1, math.ceil(rest.size / _MAX_DOTS))
    return {
        "true": json_numbers(true[::step]),
        "predicted": json_numbers(predicted[::step]),
        "counts": counts.tolist(),
        "edges": json_numbers(edges),
        "target": str(run.data.get("target") or "target"),
        "mean": json_number(float(rest.sum() / max(rest.size, 1))),
        "rmse": json_number(float(np.sqrt(np.square(rest).sum() / max(rest.size, 1)))),
    }


def _confusion(run: Run) -> dict[str, Any] | None:
    """The pairs of a true and a predicted class that occur: mean counts, and shares of the true class."""
    each = confusion_of(run)
    if each is None:
        return None
    mean = each.mean(axis=0)
    true, predicted = np.nonzero(mean)
    counts = mean[true, predicted]
    return {
        "classes": list(run.task.classes),
        "true": true.tolist(),
        "predicted": predicted.tolist(),
        "counts": json_numbers(counts),
        "shares": json_numbers(counts / mean.sum(axis=1)[true]),
    }
