"""The forecasts of a series in a report: the numbers of the figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves.statistics import Floats, Ints
from epochal.report.plot_data import json_numbers
from epochal.runs import Run

_CODES = {"validation": 2, "test": 3}
_MAX_SERIES, _MAX_STEPS, _MAX_ROWS = 12, 12, 1500


def forecast_figure(run: Run) -> dict[str, Any] | None:
    """The numbers of the figure; None without windows of a series."""
    if run.observed is None or not run.forecasts:
        return None
    steps = list(range(1, min(run.task.targets, _MAX_STEPS) + 1))
    return {
        "target": run.data["target"],
        "time": run.observed.time_column.name or "row",
        "repeats": run.repeats,
        "steps": steps,
        "series": [_series(run, *one, steps) for one in enumerate(run.observed.names[:_MAX_SERIES])],
    }


def _series(run: Run, number: int, name: str, steps: list[int]) -> dict[str, Any]:
    found = [drawn(run, number, step) for step in steps]
    x, truth, _ = found[0]
    first = max(0, len(x) - _MAX_ROWS)
    parts = [
        {
            "name": steps_of[0].name,
            "steps": [
                {
                    "at": (each.at[each.at >= first] - first).tolist(),
                    "mean": json_numbers(each.mean[each.at >= first]),
                    "sd": None if each.sd is None else json_numbers(each.sd[each.at >= first]),
                }
                for each in steps_of
            ],
        }
        for steps_of in zip(*(parts for _, _, parts in found), strict=True)
    ]
    x, dates = x[first:], x.dtype.kind == "M"
    return {
        "name": name,
        "x": [str(time) for time in np.datetime_as_string(x)]
        if dates
        else json_numbers(x.astype(np.float64)),
        "truth": json_numbers(truth[first:]),
        "parts": parts,
    }


@dataclass(frozen=True, eq=False)
class DrawnPart:
    """The forecasts of one part for one series: rows, mean and sd over repeats."""

    name: str
    at: Ints
    mean: Floats
    sd: Floats | None


def drawn(run: Run, series: int = 0, step: int = 1) -> tuple[NDArray[Any], Floats, list[DrawnPart]]:
    """The times of one series, datetime64 for dates, its values, and the forecasts at a step ahead.

    Without parts whose windows come from other data, or differ between repeats.
    """
    history = run.observed
    assert history is not None
    own = np.flatnonzero(history.series == series)
    time = history.time[own]
    if history.time_column.kind == "date":
        time = time.astype("datetime64[s]")
    elif history.time_column.kind == "row":
        time = history.row[own]
    shared = all(np.array_equal(run.split_codes[0], other) for other in run.split_codes[1:])
    parts = []
    for name, scores in run.scores.items():
        samples = np.flatnonzero(run.split_codes[0] == _CODES[name])
        if not shared or scores.predicted is None or not len(samples):
            continue
        predicted = scores.predicted.reshape(run.repeats, len(samples), -1)[:, :, step - 1]
        at = history.places(run.rows[samples]) + step - 1
        here = history.series[at] == series
        values = predicted[:, here]
        order = np.argsort(at[here])
        sd = values.std(axis=0, ddof=1)[order] if run.repeats > 1 else None
        parts.append(DrawnPart(name, np.searchsorted(own, at[here][order]), values.mean(axis=0)[order], sd))
    return time, history.value[own], parts
