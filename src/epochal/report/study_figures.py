"""The interactive figures of a comparison and of an advice as plain data for the script of their pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.choose.advice.advice import Advice, Tried
from epochal.choose.comparison.comparison import Comparison, Row
from epochal.choose.statistics.hyperbola import Hyperbola
from epochal.choose.statistics.time_to_target import ExpectedRunningTime
from epochal.choose.trials.timing import TimingCurve
from epochal.common.metric_names import label_of
from epochal.curves import X_AXES, Curves
from epochal.report.plot_data import json_number, json_numbers, lines_of

_MAX_POINTS = 12_000  # of all lines of a figure
_MIN_POINTS = 60  # of one line
_CURVE_POINTS = 81
_MAX_QUANTITIES = 4


def status(row: Row, comparison: Comparison) -> str:
    """The status of a setting: "best" (the recommended one), "tied", "worse", "dropped" or "diverged".

    "tied" is not significantly worse than the best mean: practically the same, or no significant difference.
    """
    if not math.isfinite(row.quality.mean):
        return "diverged"
    if row.name == comparison.recommended:
        return "best"
    if row.name in comparison.tied:
        return "tied"
    return "dropped" if row.dropped is not None else "worse"


def by_size(comparison: Comparison) -> list[Row]:
    """The settings by batch size, then in their original order."""
    return sorted(comparison.rows, key=lambda row: row.batch_size)


def comparison_figures(comparison: Comparison) -> dict[str, Any]:
    """Data for the script: settings, curves, and the updates to the target."""
    rows = by_size(comparison)
    return {
        "monitored": label_of(comparison.monitor),
        "higher": comparison.higher_is_better,
        "settings": [
            {
                "name": row.name,
                "batch": row.batch_size,
                "rank": _rank(i, len(rows)),
                "status": status(row, comparison),
                "mean": json_number(row.quality.mean),
                **dict(zip(("low", "high"), map(json_number, row.quality.ci95 or (None, None)), strict=True)),
                "values": json_numbers(row.quality.per_repeat),
                "repeats": row.repeats,
                **{name: json_number(getattr(row, name)) for name in ("seconds", "updates", "samples")},
            }
            for i, row in enumerate(rows)
        ],
        "curves": _comparison_curves(comparison, rows),
        "ert": _comparison_ert(comparison, rows),
    }


def advice_figures(advice: Advice) -> dict[str, Any]:
    """Data for the script: costs, update times, best epochs, the curves of the advised setting."""
    return {
        "monitored": label_of(advice.monitor),
        "higher": advice.higher_is_better,
        "cost": {
            "goal": advice.goal,
            "advised": advice.batch_size,
            "points": [_tried(one, advice) for one in advice.tried],
        },
        "timing": _timing(advice.timing, advice.batch_size if advice.recommended else math.nan),
        "epochs": {
            "advised": json_number(advice.epochs.value),
            **{end: json_number(getattr(advice.epochs, end)) for end in ("low", "high")},
            "best": json_numbers(advice.best_epochs),
            "improving": list(advice.improving),
        },
        "curves": _advice_curves(advice),
    }


# --- curves -------------------------------------------------------------------------------------------------


def _comparison_curves(comparison: Comparison, rows: Sequence[Row]) -> dict[str, Any]:
    found = [(row, comparison.curves[row.name]) for row in rows if len(comparison.curves.get(row.name, ()))]
    points = max(_MIN_POINTS, _MAX_POINTS // max(1, len(found)))
    drawn = [(row, curves, _kept(curves, points)) for row, curves in found]
    quantities = [
        {
            "name": label_of(column),
            "lines": [
                {
                    "name": row.name,
                    "source": source,
                    "rank": _rank(rows.index(row), len(rows)),
                    "status": status(row, comparison),
                    **_line(curves, column, kept),
                }
                for source, (row, curves, kept) in enumerate(drawn)
                if column in curves.columns
            ],
            "target": json_number(comparison.target_value if column == comparison.monitor else None),
        }
        for column in _columns([curves for _, curves in found], comparison.monitor)
    ]
    return {"x": [_along(curves, kept) for _, curves, kept in drawn], "quantities": quantities, "best": None}


def _while_all_train(curves: Curves) -> Curves:
    """The rows until the first repeat ended, since a mean over the others would drift."""
    last = min(int(curves.update[curves.repeat == repeat].max()) for repeat in curves.repeats)
    return Curves.from_arrow(curves.to_arrow().filter(curves.update <= last))


def _advice_curves(advice: Advice) -> dict[str, Any]:
    if not len(advice.curves):
        return {"x": [], "quantities": [], "best": None}
    curves = _while_all_train(advice.curves)
    kept = _kept(curves, _MAX_POINTS // 8)
    quantities = []
    for column in _columns([curves], advice.monitor):
        part, _, metric = column.partition(".")
        if part == "train" and f"validation.{metric}" in curves.columns:
            continue
        both = [column, *([f"train.{metric}"] if part == "validation" else [])]
        lines = [
            {"name": label_of(one), "source": 0, "role": one.partition(".")[0], **_line(curves, one, kept)}
            for one in both
            if one in curves.columns
        ]
        target_line = advice.target_value if column == advice.monitor and advice.goal != "quality" else None
        quantities.append(
            {"name": metric.replace("_", " "), "lines": lines, "target": json_number(target_line)}
        )
    x = _along(curves, kept)
    epochs, advised = [one or 0.0 for one in x["epochs"]], advice.epochs.value
    best = None
    if advice.recommended and math.isfinite(advised) and epochs:
        best = {
            axis: json_number(float(np.interp(advised, epochs, np.array(x[axis], float)))) for axis in X_AXES
        }
    return {"x": [x], "quantities": quantities, "best": best}


def _columns(curves: Sequence[Curves], monitor: str) -> list[str]:
    """The monitored metric first, then other validation columns, then training ones."""
    known = dict.fromkeys(
        name
        for one in curves
        for name, column in one.columns.items()
        if np.isfinite(column).any() and not name.startswith("test.")
    )
    order = sorted(
        known, key=lambda name: (name != monitor, not name.startswith("validation."), "running" in name)
    )
    return order[:_MAX_QUANTITIES]


def _kept(curves: Curves, most: int) -> NDArray[np.int64]:
    points = np.unique(curves.update).size
    if points <= most:
        return np.arange(points)
    even = np.linspace(0, points - 1, most // 2)
    early = np.geomspace(1, points - 1, most // 2)
    return np.unique(np.concatenate([even, early]).round().astype(np.int64))


def _line(curves: Curves, column: str, kept: NDArray[np.int64]) -> dict[str, Any]:
    (line,) = lines_of(curves, [column])
    return {end: json_numbers(getattr(line, end)[kept]) for end in ("mean", "low", "high")}


def _along(curves: Curves, kept: NDArray[np.int64]) -> dict[str, list[float | None]]:
    return {axis: json_numbers(curves.values(curves.names[0], axis)[0][kept]) for axis in X_AXES}


# --- work to the target -------------------------------------------------------------------------------------


def _comparison_ert(comparison: Comparison, rows: Sequence[Row]) -> dict[str, Any] | None:
    points = [
        {
            "name": row.name,
            "batch": row.batch_size,
            "status": status(row, comparison),
            **_ert(row.updates_to_target),
        }
        for row in rows
        if row.updates_to_target is not None
    ]
    if not points:
        return None
    sizes = [row.batch_size for row in rows]
    fit = _fit(comparison.hyperbola, comparison.critical_batch_size_ci95, min(sizes), max(sizes))
    return {"points": points, **fit}


def point_of(ert: ExpectedRunningTime) -> float:
    """The updates that one may expect to need; where no repeat reached the target, those spent in vain."""
    spent = ert.within[1] if ert.within is not None else ert.low
    return ert.expected if ert.reached else spent


def _ert(ert: ExpectedRunningTime) -> dict[str, Any]:
    none = ert.reached == 0
    return {
        "at": json_number(point_of(ert)),
        "low": None if none else json_number(ert.low),
        "high": None if none else json_number(ert.high),
        "high_is_infinite": bool(not none and math.isinf(ert.high)),
        "reached": ert.reached,
        "repeats": ert.repeats,
        "text": str(ert),
    }


def _fit(
    curve: Hyperbola | None, critical: tuple[float, float] | None, low: float, high: float
) -> dict[str, Any]:
    """The curve over a little more than the measured sizes, and its turning point."""
    if curve is None:
        return {"curve": None}
    sizes = np.geomspace(low / 2 if low > 1 else low, high * 2, _CURVE_POINTS)
    found = {
        "estimated": curve.estimated,
        "curve": {"x": json_numbers(sizes), "y": json_numbers(curve.steps(sizes))},
    }
    if not curve.estimated:  # an interpolated curve has no turning point
        return found
    return found | {
        "fewest": json_number(curve.minimal_steps),
        "constant_samples": json_numbers(curve.minimal_samples / sizes),
        "critical_batch_size": json_number(curve.critical_batch_size),
        "unbounded": bool(math.isinf(curve.critical_batch_size)),
        "interval": [json_number(end) for end in critical or (math.nan, math.nan)],
    }


def _tried(one: Tried, advice: Advice) -> dict[str, Any]:
    value, low, high = one.value
    missed = one.updates_to_target.reached == 0 and advice.goal != "quality"
    return {
        "batch": one.batch_size,
        "rate": json_number(one.learning_rate),
        "status": "best" if advice.advises(one) else "tied" if one.tied else "worse",
        "at": json_number(low if missed else value),
        "low": None if missed else json_number(low),
        "high": None if missed else json_number(high),
        "high_is_infinite": bool(math.isinf(high) and not missed),
        "missed": missed,
        "reached": one.updates_to_target.reached,
        "repeats": one.repeats,
    }


def _timing(timing: TimingCurve, advised: float) -> dict[str, Any]:
    points = timing.points
    line = None
    if len(points) > 1:
        a, b = timing.line()
        sizes = np.geomspace(points[0].batch_size, points[-1].batch_size, _CURVE_POINTS)
        line = {"x": json_numbers(sizes), "y": json_numbers(a + b * sizes)}
    return {
        "batch": [point.batch_size for point in points],
        **{
            name: json_numbers([getattr(point, name) for point in points])
            for name in ("seconds", "relative_excess")
        },
        "line": line,
        "advised": json_number(advised),
    }


def _rank(i: int, count: int) -> float:
    return i / (count - 1) if count > 1 else 0.0
