"""Warnings that outrank the curves: leakage, naive forecasts, unbeaten baselines, classes never predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import constant_of, higher_is_better, label_of
from epochal.curves import Summary
from epochal.curves.statistics import three_digits
from epochal.data.grouping import GROUP_LEAK_NOTE_MARKER
from epochal.data.tables.association import LEAK_NOTE_MARKER
from epochal.runs.forecast import ForecastScores

_MOST_NAMED = 5


def warnings_of(
    notes: Sequence[str],
    forecasts: Mapping[str, ForecastScores],
    confusion: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
    weighted: bool,
    test: str = "",
) -> tuple[str, ...]:
    """Warnings, the most important first; `confusion` has counts (repeats, true, predicted) by part.

    `test` is that of `not_beaten`.

    >>> warnings_of((), {}, {"validation": np.array([[[9, 0], [3, 0]]])}, ("no", "yes"), weighted=True)
    ('"yes" is never predicted, though 3 of 12 validation samples are of it.',)
    """
    markers = (LEAK_NOTE_MARKER, GROUP_LEAK_NOTE_MARKER)
    found = [f"Leakage suspected: {note}" for note in notes if any(one in note for one in markers)]
    for part, scores in list(forecasts.items())[-1:]:  # test if there is one
        found.append(scores.warning(part))
    if not forecasts:
        found.append(test)
    for part, counts in list(confusion.items())[-1:]:
        found.append(_never_predicted(part, counts, classes, weighted))
    return tuple(filter(None, found))


def not_beaten(
    metrics: Mapping[str, Summary],
    ensemble: Mapping[str, float],
    baseline: Mapping[str, Sequence[float]],
    metric: str,
) -> str:
    """That the mean of the repeats is no better on the test samples than the baseline; empty if it is.

    >>> from epochal.curves import summarize
    >>> not_beaten({"rmse": summarize([2.5, 3.5])}, {}, {"test.rmse": [2.0, 2.0]}, "rmse")
    'No better than the baseline on the test samples: RMSE 3; always predicting the same gives 2.'
    """
    summary, level = metrics.get(metric), baseline.get(f"test.{metric}")
    if summary is None or level is None or not math.isfinite(summary.mean):
        return ""
    base, sign = float(np.mean(level)), 1.0 if higher_is_better(metric) else -1.0
    if sign * summary.mean > sign * base:
        return ""
    reached, together = three_digits(summary.mean), ensemble.get(metric)
    several = "" if together is None else (
        f" is the mean of the repeats, {three_digits(together)} that of their mean prediction (ensemble)"
    )  # fmt: skip
    return (
        f"No better than the baseline on the test samples: {label_of(metric)} {reached}{several}; "
        f"{constant_of(metric)} gives {three_digits(base)}."
    )


def _never_predicted(part: str, counts: NDArray[np.int64], classes: Sequence[str], weighted: bool) -> str:
    """Classes that at least half of the repeats with samples of them never predict."""
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    silent = ((true > 0) & (predicted == 0)).sum(axis=0)
    never = [k for k in range(len(classes)) if silent[k] and 2 * silent[k] >= (true[:, k] > 0).sum()]
    if not never:
        return ""
    repeats, total = len(counts), true.sum(axis=0)
    some, all_ = round(total[never].sum() / repeats), round(total.sum() / repeats)
    names = ", ".join(f'"{classes[k]}"' for k in never[:_MOST_NAMED])
    more = f" and {len(never) - _MOST_NAMED} more classes" if len(never) > _MOST_NAMED else ""
    verb, it = ("is", "it") if len(never) == 1 else ("are", "them")
    where = ""
    if predicted[:, never].any():
        least = "" if len(never) == 1 else "at least "
        where = f" in {least}{silent[never].min()} of {repeats} repeats"
    remedy = "" if weighted else f' `class_weight="balanced"` makes {it} count as much as the others.'
    are = "is" if some == 1 else "are"
    return (
        f"{names}{more} {verb} never predicted{where}, though {some:,} of {all_:,} {part} samples {are} of "
        f"{it}.{remedy}"
    )
