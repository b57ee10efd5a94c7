"""Data of the figures of precision against recall."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import PrecisionRecall
from epochal.report.document import ReportDocument
from epochal.report.paper.precision_recall import shown_classes

__all__ = ["tradeoff_data"]

_MOST_POINTS = 400
_MOST_LINES = 12


def tradeoff_data(document: ReportDocument) -> list[dict[str, Any]]:
    """Data for `page.js`: a panel per class, with the lines of each part."""
    panels = []
    for name in shown_classes(document.precision_recall):
        own = [
            (part, one)
            for part, curves in document.precision_recall.items()
            for one in curves
            if one.name == name
        ]
        panels.append(
            {
                "name": name,
                "base": _number(float(np.mean([one.base_rate for _, one in own]))),
                "lines": [_line(part, one) for part, one in own],
            }
        )
    return panels


def _line(part: str, found: PrecisionRecall) -> dict[str, Any]:
    places = found.recall
    keep = np.unique(np.linspace(0, len(places) - 1, _MOST_POINTS).round().astype(np.int64))
    several = len(found.repeats) > 1
    summary = found.average_precision
    spread = "" if summary.sd is None else f" ± {summary.written(summary.sd)}"
    return {
        "role": part,
        "average": f"{summary.written(summary.mean)}{spread}",
        "recall": [0.0, *_numbers(places[keep])],
        "mean": _led(found.mean[keep]),
        "low": _led(found.low[keep]) if several else None,
        "high": _led(found.high[keep]) if several else None,
        "repeats": [_led(curve.at(places[keep])) for curve in found.repeats[:_MOST_LINES]] if several else [],
    }


def _led(values: NDArray[np.float64]) -> list[float | None]:
    """The values preceded by the first one, for recall 0."""
    return _numbers(np.concatenate([values[:1], values]))


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
