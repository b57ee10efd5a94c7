"""Data of the interactive figures about a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import label_of
from epochal.curves import AXES, Curves
from epochal.data.values.rounding import number_word
from epochal.report.document import Confusion, ReportDocument, Residuals
from epochal.report.forecast import forecast_data
from epochal.report.tradeoff import tradeoff_data

__all__ = ["figure_data"]

Floats = NDArray[np.float64]

_MOST_POINTS = 1500  # along x; more are indistinguishable on a screen
_MOST_LINES = 30
_MOST_DOTS = 4000


def figure_data(document: ReportDocument) -> dict[str, Any]:
    """Data for `page.js`: the x-axes, each panel's curves with bands and repeats, residuals."""
    data: dict[str, Any] = {"panels": [], "x": {}, "best": None}
    curves = document.curves
    if curves.names and len(curves):
        keep = _kept(curves)
        data["x"] = {x: _numbers(curves.values(curves.names[0], x)[0][keep]) for x in AXES}
        panels = _panels(curves, document.headline_name)
        data["panels"] = [_panel(document, names, keep) for names in panels]
        data["best"] = _best(curves)
    if document.precision_recall:
        data["precision_recall"] = tradeoff_data(document)
    if document.forecasts is not None:
        data["forecast"] = forecast_data(document.forecasts)
    if document.residuals is not None:
        data["residuals"] = _residuals(document.residuals)
    if document.confusion is not None:
        data["confusion"] = _confusion(document.confusion)
    return data


def _kept(curves: Curves) -> NDArray[np.int64]:
    """The evaluations to draw: all, or evenly spaced ones."""
    points = np.unique(curves.update).size
    if points <= _MOST_POINTS:
        return np.arange(points)
    return np.unique(np.linspace(0, points - 1, _MOST_POINTS).round().astype(np.int64))


def _panels(curves: Curves, headline: str) -> list[list[str]]:
    """Losses first; then the headline metric; then the others, each with its training counterpart."""
    measured = [name for name in curves.names if np.isfinite(curves.columns[name]).any()]
    order = {"train.running_loss": 0, "train.loss": 1, "validation.loss": 2}
    losses = sorted((name for name in measured if name.endswith("loss")), key=lambda name: order.get(name, 3))
    metrics = dict.fromkeys(name.partition(".")[2] for name in measured if not name.endswith("loss"))
    main = headline.partition(".")[2]
    ordered = sorted(metrics, key=lambda metric: metric != main)
    splits = ("train", "validation", "test")
    return [
        panel
        for panel in (losses, *([f"{s}.{m}" for s in splits if f"{s}.{m}" in measured] for m in ordered))
        if panel
    ]


def _panel(document: ReportDocument, names: list[str], keep: NDArray[np.int64]) -> dict[str, Any]:
    curves = document.curves
    kind = "loss" if names[0].endswith("loss") else names[0].partition(".")[2]
    lines = []
    for name in names:
        band = curves.summary(name)
        _, array = curves.values(name)
        several = len(array) > 1
        running = name.endswith("running_loss")
        shown = band.count >= min(len(array), 4)
        lines.append(
            {
                "name": name,
                "role": "running" if running else name.partition(".")[0],
                "mean": _numbers(band.mean[keep]),
                "low": _numbers(np.where(shown, band.low, np.nan)[keep]) if several else None,
                "high": _numbers(np.where(shown, band.high, np.nan)[keep]) if several else None,
                "sd": _numbers(band.sd[keep]) if several else None,
                "count": band.count[keep].tolist(),
                "repeats": []
                if running or not several
                else [_numbers(row[keep]) for row in array[:_MOST_LINES]],
            }
        )
    levels = [
        float(np.mean(np.asarray(document.baseline[n], float))) for n in names if n in document.baseline
    ]
    least = min((v for line in lines for v in line["mean"] if v is not None), default=0.0)
    return {
        "kind": kind,
        "title": label_of(kind),
        "lines": lines,
        "baseline": _number(levels[-1]) if levels else None,
        "log_possible": bool(least > 0),
    }


def _best(curves: Curves) -> dict[str, float | None] | None:
    """The best epoch on every x-axis."""
    if "validation.loss" not in curves.columns:
        return None
    median = curves.best("validation.loss").median_epoch
    if not math.isfinite(median):
        return None
    epochs, _ = curves.values("validation.loss")
    at = int(np.argmin(np.abs(epochs - median)))
    return {x: _number(float(curves.values("validation.loss", x)[0][at])) for x in AXES}


def _residuals(residuals: Residuals) -> dict[str, Any]:
    true = np.asarray(residuals.true, dtype=np.float64)
    predicted = np.asarray(residuals.predicted, dtype=np.float64)
    known = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[known], predicted[known]
    rest = predicted - true
    if not rest.size:
        return {
            "true": [],
            "predicted": [],
            "counts": [],
            "edges": [],
            "target": residuals.target,
            "samples": 0,
        }
    bins = int(np.clip(np.ceil(2 * np.cbrt(rest.size)), 8, 50))
    counts, edges = np.histogram(rest, bins=bins)
    step = max(1, math.ceil(rest.size / _MOST_DOTS))
    return {
        "true": _numbers(true[::step], float(np.ptp(true))),
        "predicted": _numbers(predicted[::step], float(np.ptp(true))),
        "counts": counts.tolist(),
        "edges": _numbers(edges),
        "target": residuals.target,
        "samples": int(rest.size),
        "mean": _number(float(rest.mean())),
        "rmse": _number(float(np.sqrt(np.mean(rest**2)))),
    }


def _confusion(confusion: Confusion) -> dict[str, Any]:
    """The occurring pairs of a true and a predicted class: mean counts, and shares of the true class."""
    mean = confusion.counts.mean(axis=0)
    true, predicted = np.nonzero(mean)
    counts = mean[true, predicted]
    return {
        "classes": [str(name) for name in confusion.classes],
        "true": true.tolist(),
        "predicted": predicted.tolist(),
        "counts": _numbers(counts),
        "shares": _numbers(counts / mean.sum(axis=1)[true]),
    }


def _numbers(column: Floats, apart: float = math.inf) -> list[float | None]:
    return [_number(float(value), apart) for value in column]


def _number(value: float, apart: float = math.inf) -> float | None:
    """Six digits, more for close values far from zero; non-finite values become None."""
    return float(number_word(value, apart)) if math.isfinite(value) else None
