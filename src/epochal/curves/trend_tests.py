"""Tests for differences between curves that exceed the noise.

Each has three outcomes: detected, probable, or not detected; the last comes with the largest difference that
is not ruled out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from epochal.common.text import counted
from epochal.curves import limits, statistics as stats
from epochal.curves.curve_view import CurveView
from epochal.curves.statistics import Floats

PROBABLE = 0.6  # two-sided confidence of a probable difference: one-sided 80 %; arbitrary
POWER = 0.8  # of the advised number of repeats; arbitrary
_MAX_REPEATS = 50
_T6 = {0.8: 0.9057032858, 0.95: 1.9431802805, 0.975: 2.4469118511}
"""Quantiles of Student's t with 6 degrees of freedom: importing SciPy for them takes 0.3 s."""
_SWING = 0.5
"""Of a rise or a fall: a curve that swung by as much before may do so again. (Arbitrary.)"""


@dataclass(frozen=True)
class Difference:
    """A tested difference.

    detected           significant at 95 %, and large enough to matter.
    significant        at 95 %, however small; `likely` at one-sided 80 %.
    probable           not detected, but likely and large.
    effect             the size of a rise since the epoch `epoch`, or of a fall over the last `epoch` epochs;
                       `loss_at_minimum` is the loss at its lower end.
    min_relevant       a larger effect matters.
    upper_bound        the largest effect that is not ruled out, one-sided at 95 %.
    flat_tolerance     what a flat curve may rise or fall by.
    repeats_to_detect  the repeats that would show it, None for more than 50; `repeats_to_bound` those that
                       would rule out one above the tolerance.
    reversed_rise      the largest earlier rise that the curve fell back from, since it was first as low as at
                       its end, if at least half of `effect`, which may then be such a swing; else 0.
    """

    detected: bool
    effect: float
    epoch: float
    statistics: dict[str, Any]
    method: str
    probable: bool = False
    significant: bool = False
    upper_bound: float = math.inf
    flat_tolerance: float = 0.0
    loss_at_minimum: float = 0.0
    repeats_to_detect: int | None = None
    repeats_to_bound: int | None = None
    reversed_rise: float = 0.0
    likely: bool = False
    min_relevant: float = math.inf

    @property
    def relevant(self) -> bool:
        """Whether it is significant, and large enough to matter."""
        return self.significant and self.effect > self.min_relevant

    @property
    def ruled_out(self) -> bool:
        """Whether a difference that matters is ruled out."""
        return self.upper_bound <= self.flat_tolerance


def repeats_to_detect(differences: Floats, test_train_ratio: float) -> int | None:
    """The repeats needed to detect a difference of this mean and spread with a power of 80 %.

    One-sided at 95 %, in steps of five; the present number if it is enough, None above 50. Random splits
    of one table overlap, so the error of a mean has a floor at any number of repeats
    (Nadeau & Bengio 2003): then more samples are needed.

    >>> repeats_to_detect(np.array([0.01, 0.02, 0.07, 0.02]), test_train_ratio=0.0)
    10
    """
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    if mean > stats.t_factor(differences.size, test_train_ratio=test_train_ratio, confidence=0.9) * sd:
        return differences.size
    for count in range(5 * (differences.size // 5 + 1), _MAX_REPEATS + 1, 5):
        quantiles = stats.t_quantile(0.95, count - 1) + stats.t_quantile(POWER, count - 1)
        if mean > quantiles * math.sqrt(1 / count + test_train_ratio) * sd:
            return count
    return None


def detect_rise(view: CurveView) -> Difference:
    """Test whether the judged curve has risen from its minimum while the training loss fell."""
    curve = view.minimized
    assert curve is not None
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).sum() >= 2]
    smooth = np.stack([stats.smoothed(curve[r]) for r in rows])
    middle = stats.majority_mean(smooth)
    everywhere = np.isfinite(middle)
    k = int(np.nanargmin(middle))
    # Losses of different splits differ in scale, and rises with them: ratios are compared, not differences.
    ratios = not view.higher_is_better and float(np.nanmin(smooth)) > 0
    continued = stats.forward_filled(smooth)[0]
    each = []
    paired = len(rows) >= limits.MIN_REPEATS
    for i, r in enumerate(rows):
        last = stats.last_known(curve[r])
        at = k
        if paired:
            others = stats.mean_over_repeats(np.delete(continued, i, axis=0))[: last + 1]
            at = int(np.nanargmin(np.where(everywhere[: last + 1], others, np.nan)))
        at = min(at, last)
        low, end = float(smooth[i, at]), stats.tail(curve[r], last, view.window)
        fallen = math.nan
        if view.training is not None:
            train = view.training[r]  # a running loss begins after epoch 0
            fallen = stats.smoothed(train)[max(at, 1)] - stats.tail(train, last, view.window)
        each.append((low, end, fallen, math.log(end / low) if ratios and min(low, end) > 0 else end - low))
    lows, ends, fall, growth = np.ascontiguousarray(np.array(each).T)
    sign = -1.0 if view.higher_is_better else 1.0
    size, drop = float((ends - lows).mean()), float(fall.mean())
    minimum = float(np.mean(lows))
    min_relevant = _min_relevant_rise(view, minimum)
    statistics: dict[str, Any] = {
        "lowest_epoch": float(view.epochs[k]),
        "value_there": sign * minimum,
        "value_at_the_end": sign * float(np.mean(ends)),
        "rise_to_the_end": size,
        "end_over_minimum": view.end_over_best,
        "min_relevant_rise": min_relevant,
        "training_fall_meanwhile": drop,
    }
    limit, bounding = view.flat_tolerance(minimum), None
    if paired:
        low, most = view.lower_bound(growth), -view.lower_bound(-growth)
        sure, likely = low > 0, view.lower_bound(growth, PROBABLE) > 0
        name, room = "rise_at_least", limit
        if ratios:  # of logarithms
            most, room = minimum * math.expm1(min(most, 50.0)), math.log1p(limits.FLAT)
            name, low = "rise_by_a_factor_of_at_least", math.exp(low)
        statistics[name] = low
        # Where a single repeat rises, the epoch at which the flat others are lowest is chance.
        most = max(most, _most_since(view, smooth[:, k], ends, ratios))
        needed, bounding = (repeats_to_detect(one, view.test_train_ratio) for one in (growth, room - growth))
        falling = view.lower_bound(fall) > 0
        perhaps = view.lower_bound(fall, PROBABLE) > 0
        how = (
            f"the rise in {len(rows)} repeats, from the lowest epoch of the others to the last "
            f"{counted(view.window, 'evaluation')}, is above zero by its one-sided 95 % bound"
        )
        if view.same_samples and view.known_likelihood:
            sure = sure and view.log_likelihood_ratio(minimum + size, minimum) > math.log(20)
            most = max(most, size + view.rise_of(math.log(20), minimum))
            how += (
                f", and 20 times as likely as none on the {view.validation_samples:,} samples that they share"
            )
    else:
        bound = stats.noise_bound(stats.mean_over_repeats(curve[rows]), k, window=view.window)
        looked_at = max(2.0, stats.window_count(middle.size))
        log_ratio, required = view.log_likelihood_ratio(minimum + size, minimum), math.log(20 * looked_at)
        statistics |= {
            "scatter_bound": bound,
            "log_likelihood_ratio": log_ratio,
            "log_likelihood_ratio_needed": required,
        }
        sure = size > bound and log_ratio > required
        # One high value at the end makes the mean of the last evaluations, but not their median.
        ended = [np.median(curve[r][np.isfinite(curve[r])][-view.window :]) for r in rows]
        likely = size > bound / 2 and (log_ratio > math.log(4) or log_ratio == -math.inf)
        likely = likely and float(np.mean(ended)) - minimum > size / 2
        perhaps = falling = drop > 0
        most, needed = size + max(bound, view.rise_of(required, minimum)), None
        how = (
            f"with {counted(len(rows), 'repeat')}, the rise of the smoothed curve exceeds its own "
            f"scatter, and "
            f"is 20 times as likely as none on {view.validation_samples:,} validation samples, at each of "
            f"{looked_at:.0f} places"
        )
    swings = _reversed_rise(middle)
    statistics |= {"rise_at_most": most, "reversed_rise": swings}
    steady = swings < _SWING * size
    holds = bool(sure and size > min_relevant and falling and steady)
    sure = bool(sure) and k <= stats.last_known(middle) - view.window  # else it is lowest at the end
    # A curve that is lowest at its end has not risen, however high a single evaluation lies.
    # Of few repeats a high end may be scatter; the mean of several that rise by different factors is none.
    large = paired and size > (limits.ABOVE_MINIMUM - 1) * minimum > 0
    probable = (
        not holds
        and perhaps
        and (large or (likely and (size > min_relevant or view.end_over_best > limits.ABOVE_MINIMUM)))
    )
    return Difference(
        holds, size, float(view.epochs[k]), statistics, how, probable, sure, most, limit, minimum, needed,
        bounding, 0.0 if steady else swings, bool(likely), min_relevant,
    )  # fmt: skip


def _most_since(view: CurveView, minimum: Floats, ends: Floats, ratios: bool) -> float:
    """The one-sided 95 % upper bound of the rise since the epoch where the mean curve is lowest."""
    known = np.isfinite(minimum)
    minimum, ends = minimum[known], ends[known]
    if minimum.size < 2:
        return -math.inf
    if ratios and ends.min() > 0:
        return float(minimum.mean()) * math.expm1(min(-view.lower_bound(-np.log(ends / minimum)), 50.0))
    return -view.lower_bound(minimum - ends)


def _reversed_rise(mean: Floats) -> float:
    """The largest rise that the curve reversed, since it was first as low as at its end."""
    known = mean[np.isfinite(mean)]
    part = known[int(np.argmax(known <= known[-1])) :]
    rise = part - np.minimum.accumulate(part)
    back = part - np.minimum.accumulate(part[::-1])[::-1]
    return float(np.minimum(rise, back).max())


def _min_relevant_rise(view: CurveView, minimum: float) -> float:
    """The smallest rise worth reporting: the smallest share of baseline, learned gain or lowest loss.

    A share of the baseline alone would miss a rise that undoes much of a small gain, and one that doubles a
    loss far below the baseline.
    """
    shares = [limits.RISE * view.reference_loss]
    if not view.higher_is_better and view.metric in view.baseline and view.reference_loss > minimum > 0:
        shares += [limits.LEARNED * (view.reference_loss - minimum), (limits.ABOVE_MINIMUM - 1) * minimum]
    return min(shares)


def detect_fall(view: CurveView, curve: Floats) -> Difference:
    """Test whether a curve is still falling at the end.

    Losses of different splits differ in scale, and their falls with them: slopes are those of logarithms.
    A curve is flat only if no fall that matters is left: losses fall as powers of the epochs (Hestness et
    al. 2017, Deep learning scaling is predictable, empirically, section 3), so the slope over the logarithm
    of the epochs extrapolates to twice as many. `upper_bound` is that of this fall.
    """
    ratios = not view.higher_is_better and bool(np.nanmin(curve) > 0)
    each = []
    for row in curve:
        at = np.flatnonzero(np.isfinite(row) & (view.epochs > 0))
        if at.size < limits.MIN_EVALUATIONS:
            continue
        scaled = np.log(np.where(np.isfinite(row), row, 1.0)) if ratios else row
        # The last fifth, and ten evaluations if that is at most a third, to leave out the initial descent.
        last = at[-min(max(10, at.size // 5), max(4, at.size // 3)) :]
        span = float(view.epochs[last[-1]] - view.epochs[last[0]])
        fall = -span * stats.fit_slope(view.epochs[last], row[last])[0]
        slope, error = stats.fit_slope(view.epochs[last], scaled[last])
        third = at[-max(4, at.size // 3) :]
        trend, doubt = stats.fit_slope(np.log2(view.epochs[third]), scaled[third])
        each.append((fall, -span * slope, span * error, span, -trend, doubt))
    if not each:
        return Difference(False, math.nan, math.nan, {}, "")
    falls, steps, errors, spans, pace, doubts = np.ascontiguousarray(np.array(each).T)
    span, size, end = float(np.median(spans)), float(np.mean(falls)), stats.ending(curve, view.window)
    paired, swing = len(falls) >= limits.MIN_REPEATS, 0.0
    if paired:
        # Repeats that all fall at very different rates may have an interval that includes zero.
        own = float((steps - _T6[0.975] * errors).min())
        low, likely = max(view.lower_bound(steps), own), view.lower_bound(steps, PROBABLE) > 0
        most = -view.lower_bound(-pace)
        how = (
            f"the slope is below zero by its one-sided 95 % bound over {len(falls)} repeats, or in each of "
            "them by its own error"
        )
    else:
        error, doubt = _of_mean(errors), _of_mean(doubts)
        low = float(steps.mean()) - _T6[0.975] * error
        likely = bool(steps.mean() > _T6[0.8] * error)
        most = float(pace.mean() + _T6[0.95] * doubt)
        middle = stats.majority_mean(curve)
        late = 0.8 * (stats.last_known(middle) + 1)
        if np.nanargmin(middle) < late:
            swing = _reversed_rise(middle)
        if np.nanargmin(stats.smoothed(middle)) < late:
            low, likely = min(low, 0.0), False  # it was as low before
        how = "the slope is below zero by its standard error, and the curve was not as low before"
    limit = view.flat_tolerance(end)
    min_relevant = limits.FALL * view.reference_loss * (1 if paired else 2)
    if ratios:
        doublings = math.log2(view.last_epoch / (view.last_epoch - span)) if view.last_epoch > span else 1.0
        min_relevant = min(min_relevant, end * (1 - (1 - limits.FLAT) ** doublings))
        low, most = -end * math.expm1(-low), -end * math.expm1(-most * math.log(2))
    if curve is view.minimized and view.same_samples and view.known_likelihood:
        # Samples that all repeats share may hide the fall from all of them.
        expected = -end * math.expm1(-float(pace.mean()) * math.log(2)) if ratios else float(pace.mean())
        most = max(most, expected + view.rise_of(math.log(20), abs(end)))
    statistics = {
        "fall_over_last_epochs": size,
        "fall_at_least": low,
        "last_epochs": span,
        "min_relevant_fall": min_relevant,
        "fall_in_twice_the_epochs_at_most": most,
    }
    holds = bool(low > 0 and size > min_relevant)
    probable = bool(not holds and likely and size > min_relevant)
    if (holds or probable) and swing > _SWING * size:
        return Difference(
            False, size, span, statistics, how, False, False, most, limit, end, reversed_rise=swing
        )
    return Difference(holds, size, span, statistics, how, probable, bool(low > 0), most, limit, end)


def _of_mean(errors: Floats) -> float:
    return math.sqrt(float(np.square(errors).sum())) / len(errors)
