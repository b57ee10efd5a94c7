"""Whether a curve still falls at its end, and how much twice the epochs might gain."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from epochal.curves.case import FALL, FEWEST_EVALUATIONS, FEWEST_REPEATS, LEVEL, Case
from epochal.curves.evidence import PROBABLE, Difference
from epochal.curves.smoothing import (
    ALPHA,
    ending,
    last_known,
    line,
    majority_mean,
    plain,
    smoothed,
)
from epochal.curves.statistics import t_quantile

Floats = NDArray[np.float64]


def falling_to_the_end(case: Case, curve: Floats) -> Difference:
    """Test whether a curve is still falling at the end.

    Losses of different splits differ in scale, and their falls with them: slopes are those of logarithms.
    A curve is level only if no fall that matters is left: losses fall as powers of the epochs (Hestness et
    al. 2017, Deep learning scaling is predictable, empirically, section 3), so the slope over the logarithm
    of the epochs extrapolates to twice as many. The upper bound of that fall is `most`.
    """
    ratios = not case.flipped and bool(np.nanmin(curve) > 0)
    falls, fallen, errors = list[float](), list[float](), list[float]()
    spans, paces, doubts = list[float](), list[float](), list[float]()
    for row in curve:
        at = np.flatnonzero(np.isfinite(row) & (case.epochs > 0))
        if at.size < FEWEST_EVALUATIONS:
            continue
        scaled = np.log(np.where(np.isfinite(row), row, 1.0)) if ratios else row
        # The last fifth, and ten evaluations if that is at most a third, to leave out the initial descent.
        last = at[-min(max(10, at.size // 5), max(4, at.size // 3)) :]
        span = float(case.epochs[last[-1]] - case.epochs[last[0]])
        slope, error = line(case.epochs[last], scaled[last])
        falls.append(-span * line(case.epochs[last], row[last])[0])
        fallen.append(-span * slope)
        errors.append(span * error)
        spans.append(span)
        third = at[-max(4, at.size // 3) :]
        slope, doubt = line(np.log2(case.epochs[third]), scaled[third])
        paces.append(-slope)
        doubts.append(doubt)
    if not falls:
        return Difference(False, math.nan, math.nan, {}, "")
    span, size, level = float(np.median(spans)), float(np.mean(falls)), ending(curve, case.window)
    steps, pace = np.array(fallen), np.array(paces)
    paired = len(falls) >= FEWEST_REPEATS
    if paired:
        # Repeats that all fall at very different rates may have an interval that includes zero.
        each = float((steps - t_quantile(1 - ALPHA, 6) * np.array(errors)).min())
        low, likely = max(case.lower_bound(steps), each), case.lower_bound(steps, PROBABLE) > 0
        most = -case.lower_bound(-pace)
        how = (
            f"the slope is below zero by its one-sided 95 % bound over {len(falls)} repeats, or in each of "
            "them by its own error"
        )
    else:
        error, doubt = _of_mean(errors), _of_mean(doubts)
        low = float(steps.mean()) - t_quantile(1 - ALPHA, 6) * error
        likely = bool(steps.mean() > t_quantile(0.8, 6) * error)
        most = float(pace.mean() + t_quantile(0.95, 6) * doubt)
        middle = smoothed(majority_mean(curve))
        if int(np.nanargmin(middle)) < 0.8 * (last_known(middle) + 1):
            low, likely = min(low, 0.0), False  # it was lower before
        how = "the slope is below zero by its standard error, and the curve is at its lowest there"
    limit = case.limit(level)
    worth = FALL * case.yardstick * (1 if paired else 2)
    if ratios:
        doublings = math.log2(case.horizon / (case.horizon - span)) if case.horizon > span else 1.0
        worth = min(worth, level * (1 - (1 - LEVEL) ** doublings))
        low, most = -level * math.expm1(-low), -level * math.expm1(-most * math.log(2))
    if curve is case.monitored and case.shared and case.known_likelihood:
        # Samples that all repeats share may hide the fall from all of them.
        expected = -level * math.expm1(-float(pace.mean()) * math.log(2)) if ratios else float(pace.mean())
        most = max(most, expected + case.rise_of(math.log(20), abs(level)))
    figures = {
        "fall_over_last_epochs": plain(size),
        "fall_at_least": plain(low),
        "last_epochs": plain(span),
        "fall_worth_a_word": plain(worth),
        "fall_in_twice_the_epochs_at_most": plain(most),
    }
    holds = bool(low > 0 and size > worth)
    probable = bool(not holds and likely and size > worth)
    return Difference(holds, size, span, figures, how, probable, bool(low > 0), most, limit, level)


def _of_mean(errors: list[float]) -> float:
    """The standard error of a mean of independent figures."""
    return math.sqrt(float(np.square(errors).sum())) / len(errors)
