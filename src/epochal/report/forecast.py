"""Forecasts of a series in a report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary
from epochal.data.values.rounding import number_word
from epochal.report.paper.forecast import drawn
from epochal.runs import ForecastScores, Run

__all__ = ["Forecasts", "forecast_data", "forecast_section", "forecasts_of"]

_MOST_SERIES, _MOST_STEPS, _MOST_ROWS = 12, 12, 1500


@dataclass(frozen=True, eq=False)
class Forecasts:
    """The forecasts in a report: the scores by part, and the data of the figure."""

    scores: dict[str, ForecastScores]
    figure: dict[str, Any]


def forecasts_of(run: Run) -> Forecasts | None:
    """The forecasts of a run; None without windows of a series."""
    if run.observed is None or not run.forecasts:
        return None
    steps = range(1, min(run.task.targets, _MOST_STEPS) + 1)
    names = run.observed.names[:_MOST_SERIES]
    figure = {
        "target": run.data["target"],
        "time": run.observed.clock.name or "row",
        "repeats": run.repeats,
        "steps": list(steps),
        "series": [_series(run, number, list(steps)) for number in range(len(names))],
    }
    return Forecasts(run.forecasts, figure)


def _series(run: Run, number: int, steps: list[int]) -> dict[str, Any]:
    """The last rows of one series, and the forecasts of each part there, by step."""
    found = [drawn(run, number, step) for step in steps]
    one = found[0]
    first = max(0, len(one.x) - _MOST_ROWS)
    parts = []
    for part in one.parts:
        of_steps = [next(other for other in each.parts if other.name == part.name) for each in found]
        parts.append(
            {
                "name": part.name,
                "steps": [
                    {
                        "at": (each.at[each.at >= first] - first).tolist(),
                        "mean": _numbers(each.mean[each.at >= first]),
                        "sd": None if each.sd is None else _numbers(each.sd[each.at >= first]),
                    }
                    for each in of_steps
                ],
            }
        )
    x = one.x[first:]
    dates = x.dtype.kind == "M"
    return {
        "name": one.name,
        "x": [str(time) for time in np.datetime_as_string(x)] if dates else _numbers(x.astype(np.float64)),
        "truth": _numbers(one.truth[first:]),
        "parts": parts,
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    known = values[np.isfinite(values)]
    apart = float(np.ptp(known)) if known.size else math.inf
    return [float(number_word(value, apart)) if math.isfinite(value) else None for value in values.tolist()]


def forecast_data(forecasts: Forecasts) -> dict[str, Any]:
    """Data for `page.js`."""
    return forecasts.figure


def forecast_section(forecasts: Forecasts) -> str:
    """The figure, a sentence for each naive forecast, and the errors by step if there are several."""
    figure = forecasts.figure
    said = "".join(
        f"<li><b>{escape(part)}</b>: {escape(sentence)}</li>"
        for part, found in forecasts.scores.items()
        for sentence in found.sentences
    )
    choices = ""
    if len(figure["series"]) > 1:
        names = "".join(f"<option>{escape(one['name'])}</option>" for one in figure["series"])
        choices += f'<label>series <select id="forecast-series">{names}</select></label>'
    if len(figure["steps"]) > 1:
        steps = "".join(f"<option>{step}</option>" for step in figure["steps"])
        choices += f'<label>steps ahead <select id="forecast-step">{steps}</select></label>'
    controls = f'<form class="controls" id="forecast-choice">{choices}</form>' if choices else ""
    several = figure["repeats"] > 1
    band = (
        "The line is the mean over the repeats, the band one standard deviation of theirs to both sides: "
        "how far they differ, not how far the truth may lie. "
        if several
        else ""
    )
    return (
        f'<ul class="notes">{said}</ul>{controls}<div id="forecast" class="figure-box" role="img" '
        f'aria-label="Forecasts beside the truth"></div>'
        f'<p class="note">{band}Dotted lines stand where a part begins to be forecast; rows between two '
        f"parts are inputs of the later one only. Shares are of the root mean squared error on equal windows"
        f"{', with 95 % intervals' if several else ''}.</p>{_steps(forecasts)}"
    )


def _steps(forecasts: Forecasts) -> str:
    """A table of the errors by step ahead."""
    tables = []
    for part, found in forecasts.scores.items():
        if len(found.rmse_by_step) == 1:
            continue
        head = "".join(f"<th scope=col class=number>RMSE of {escape(one.name)}</th>" for one in found.naive)
        rows = []
        for step, rmse in enumerate(found.rmse_by_step):
            rivals = "".join(
                f"<td class=number>{rmse.written(one.rmse_by_step[step].mean)}</td>" for one in found.naive
            )
            rows.append(f"<tr><td class=number>{step + 1}</td>{_cell(rmse)}{rivals}</tr>")
        tables.append(
            f'<div class="scroll" tabindex="0"><table class=rows><thead><tr><th scope=col class=number>'
            f"step ahead</th><th scope=col class=number>RMSE, {escape(part)}</th>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )
    return "".join(tables)


def _cell(rmse: Summary) -> str:
    if rmse.sd is None or rmse.ci95 is None:
        return f"<td class=number>{rmse.written(rmse.mean)}</td>"
    low, high = (rmse.written(end) for end in rmse.ci95)
    return f"<td class=number>{rmse.written(rmse.mean)} ({low} to {high})</td>"
