"""Which differences between curves are more than noise?

Each question has three answers: it holds, it is probable, or there is no sign of it; and with the last the
size that would have been seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves.case import ABOVE_LEAST, FALL, FEWEST_EVALUATIONS, FEWEST_REPEATS, LEARNED, RISE, Case
from epochal.curves.smoothing import (
    ALPHA,
    around,
    carried,
    counted,
    last_known,
    line,
    majority_mean,
    mean_over_repeats,
    noise_bound,
    normal_quantile,
    plain,
    smoothed,
    t_quantile,
    tail,
)
from epochal.curves.statistics import t_factor
from epochal.directions import higher_is_better

__all__ = ["Chance", "Difference", "beats_chance", "falling_to_the_end", "repeats_needed", "risen"]

Floats = NDArray[np.float64]

PROBABLE = 0.6
"""Two-sided confidence at which a difference is probable: one-sided 80 %. (Arbitrary.)"""
POWER = 0.95
"""With which a difference of the size that "would have been seen" is seen. (Arbitrary.)"""
_MOST_REPEATS = 50


@dataclass(frozen=True)
class Difference:
    """A difference that was tested.

    `holds` at 95 %; `probable` where it does not hold and yet more speaks for it than against it; `seen`
    is the
    size that would have been found with a probability of 95 %; `repeats` how many would probably tell, None
    where that is more than 50.
    """

    holds: bool
    size: float
    epoch: float
    figures: dict[str, Any]
    how: str
    probable: bool = False
    seen: float = math.inf
    repeats: int | None = None


def repeats_needed(differences: Floats, overlap: float) -> int | None:
    """How many repeats tell a difference of this mean and spread from zero, one-sided at 95 %; None above 50.

    Random splits of one table overlap, so that the error of a mean has a floor that no number of repeats goes
    below (Nadeau & Bengio 2003): then the answer is more samples.

    >>> repeats_needed(np.array([0.01, 0.02, 0.06, 0.03]), overlap=0.25)
    6
    """
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    for count in range(differences.size + 1, _MOST_REPEATS + 1):
        if mean > t_factor(count, overlap=overlap, confidence=0.9) * sd:
            return count
    return None


def risen(case: Case) -> Difference:
    """Has the monitored curve risen from its minimum while the training loss fell?"""
    curve = case.monitored
    assert curve is not None
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).sum() >= 2]
    smooth = np.stack([smoothed(curve[r], case.window) for r in rows])
    middle = majority_mean(smooth)
    everywhere = np.isfinite(middle)
    k = int(np.nanargmin(middle))
    # Losses of different splits differ in scale, and rises with them: ratios are compared, not differences.
    ratios = not case.flipped and float(np.nanmin(smooth)) > 0
    held = carried(smooth)[0]
    lows, ends, falls, grown = [], [], [], []
    paired = len(rows) >= FEWEST_REPEATS
    for i, r in enumerate(rows):
        last = int(np.flatnonzero(np.isfinite(curve[r]))[-1])
        at = k
        if paired:
            others = mean_over_repeats(np.delete(held, i, axis=0))[: last + 1]
            at = int(np.nanargmin(np.where(everywhere[: last + 1], others, np.nan)))
        at = min(at, last)
        low, end = around(curve[r], at, case.window), tail(curve[r], last, case.window)
        lows.append(low)
        ends.append(end)
        grown.append(math.log(end / low) if ratios and min(low, end) > 0 else end - low)
        if case.training is not None:
            after = tail(case.training[r], last, case.window)
            falls.append(around(case.training[r], at, case.window) - after)
    rise, fall, growth = np.array(ends) - np.array(lows), np.array(falls), np.array(grown)
    sign = -1.0 if case.flipped else 1.0
    size, drop = float(rise.mean()), float(fall.mean()) if fall.size else math.nan
    least = float(np.mean(lows))
    worth = _worth(case, least)
    figures: dict[str, Any] = {
        "lowest_epoch": plain(float(case.epochs[k])),
        "value_there": plain(sign * least),
        "value_at_the_end": plain(sign * float(np.mean(ends))),
        "rise_to_the_end": plain(size),
        "end_over_least": plain(case.above_least),
        "rise_worth_a_word": plain(worth),
        "training_fall_meanwhile": plain(drop),
    }
    if paired:
        sure, likely, seen, more, needed = _paired(case, growth, least, ratios, figures)
        falling = fall.size > 0 and case.lower_bound(fall) > 0
        perhaps = fall.size > 0 and case.lower_bound(fall, PROBABLE) > 0
        how = (
            f"the rise in {len(rows)} repeats, from the lowest epoch of the others to the last "
            f"{counted(case.window, 'evaluation')}, is above zero by its one-sided 95 % bound"
        )
    else:
        places = max(2.0, len(middle) / case.window)
        mean = mean_over_repeats(curve[rows])
        bound = noise_bound(mean, k, case.window, places, both=True)
        # A rise as large as a bound is found in half of all cases, one larger by this in 95 %.
        more = noise_bound(mean, k, case.window, ALPHA / (1 - POWER), both=True)
        low_value = float(
            np.mean([around(curve[r], min(k, last_known(curve[r])), case.window) for r in rows])
        )
        nats, asked = case.nats(low_value + size, low_value), math.log(20 * places)
        figures |= {
            "scatter_bound": plain(bound),
            "log_likelihood_ratio": plain(nats),
            "log_likelihood_ratio_needed": plain(asked),
        }
        sure = size > bound and nats > asked
        likely = size > bound / 2 and (nats > math.log(4) or nats == -math.inf)
        perhaps = falling = fall.size > 0 and drop > 0
        seen, needed = max(bound + more, case.rise_of(asked, low_value)), 5
        how = (
            f"with {counted(len(rows), 'repeat')}, the rise of the smoothed curve exceeds its own "
            f"scatter, and "
            f"is 20 times as likely as none on {case.samples:,} validation samples, at each of "
            f"{places:.0f} places"
        )
    seen = max(seen, worth + more)
    figures["rise_that_would_be_seen"] = plain(seen)
    holds = bool(sure and size > worth and falling)
    # A curve that was still lowest at its end has not risen, however far a single evaluation lies above.
    above = case.above_least > ABOVE_LEAST
    probable = not holds and perhaps and ((likely and size > worth) or above)
    return Difference(holds, size, float(case.epochs[k]), figures, how, probable, seen, needed)


def _worth(case: Case, least: float) -> float:
    """The rise that is worth a word: the smallest of three shares, of the baseline, the learned, the least.

    A share of the baseline alone passes over a rise that takes back a good part of little that was
    learned, and one that doubles a loss far below the baseline.
    """
    shares = [RISE * case.yardstick]
    if not case.flipped and case.name in case.baseline and case.yardstick > least > 0:
        shares += [LEARNED * (case.yardstick - least), (ABOVE_LEAST - 1) * least]
    return min(shares)


def _paired(
    case: Case, growth: Floats, least: float, ratios: bool, figures: dict[str, Any]
) -> tuple[bool, bool, float, float, int | None]:
    """Whether a rise is sure, whether likely, what would be seen, and how many repeats would tell.

    A rise as large as a bound is found in half of all cases; the fourth is by how much one must be larger.
    """
    low = case.lower_bound(growth)
    name = "rise_by_a_factor_of_at_least" if ratios else "rise_at_least"
    figures[name] = plain(math.exp(low) if ratios else low)
    error = math.sqrt(1 / growth.size + case.overlap) * float(growth.std(ddof=1))
    free = growth.size - 1

    def rise(errors: float) -> float:
        return least * math.expm1(min(errors * error, 50.0)) if ratios else errors * error

    more = t_quantile(POWER, free)
    likely = case.lower_bound(growth, PROBABLE) > 0
    return (
        low > 0,
        likely,
        rise(t_quantile(0.95, free) + more),
        rise(more),
        repeats_needed(growth, case.overlap),
    )


def falling_to_the_end(case: Case, curve: Floats) -> Difference:
    """Is a curve still falling at the end?"""
    slopes, errors, spans = [], [], []
    for row in curve:
        at = np.flatnonzero(np.isfinite(row))
        # The last fifth, and ten evaluations if that is no more than a third: not the first descent.
        length = min(max(10, at.size // 5), max(4, at.size // 3))
        if at.size < FEWEST_EVALUATIONS:
            continue
        at = at[-length:]
        slope, error = line(case.epochs[at], row[at])
        slopes.append(slope)
        errors.append(error)
        spans.append(float(case.epochs[at[-1]] - case.epochs[at[0]]))
    if not slopes:
        return Difference(False, math.nan, math.nan, {}, "")
    span = float(np.median(spans))
    falls = -np.array(slopes) * span
    size = float(falls.mean())
    worth = FALL * case.yardstick
    if len(slopes) >= FEWEST_REPEATS:
        # Repeats that all fall, but at very different paces, have an interval that may hold zero.
        each = float((falls - t_quantile(1 - ALPHA, 6) * span * np.array(errors)).min())
        low = max(case.lower_bound(falls), each)
        likely = case.lower_bound(falls, PROBABLE) > 0
        how = (
            f"the slope is below zero by its one-sided 95 % bound over {len(slopes)} repeats, or in each of "
            "them by its own error"
        )
    else:
        error = span * math.sqrt(float(np.square(errors).sum())) / len(errors)
        low = size - t_quantile(1 - ALPHA, 6) * error
        likely = size > t_quantile((1 + PROBABLE) / 2, 6) * error
        middle = smoothed(majority_mean(curve), case.window)
        if int(np.nanargmin(middle)) < 0.8 * (last_known(middle) + 1):
            low = min(low, 0.0)  # it was lower before
        worth *= 2
        how = "the slope is below zero by its standard error, and the curve is at its lowest there"
    figures = {
        "fall_over_last_epochs": plain(size),
        "fall_at_least": plain(low),
        "last_epochs": plain(span),
        "fall_worth_a_word": plain(worth),
    }
    holds = bool(low > 0 and size > worth)
    return Difference(holds, size, span, figures, how, bool(likely and size > worth and not holds))


@dataclass(frozen=True)
class Chance:
    """Whether a run is better than the baseline, with the figures and words for it.

    `probable`: not surely better, and yet probably; `repeats` as in `Difference`; `seen` is the gain in the
    monitored curve that would have been seen.
    """

    better: bool
    figures: dict[str, Any]
    how: str
    probable: bool = False
    seen: float = math.inf
    repeats: int | None = None


def beats_chance(case: Case) -> Chance | None:
    """Is the best evaluation better than the baseline?"""
    curve, level = case.monitored, case.baseline.get(case.name)
    if curve is None or level is None:
        return None
    level = -level if case.flipped else level
    smooth = np.stack([smoothed(row, case.window) for row in curve])
    held = carried(smooth)[0]
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).any() and np.isfinite(level[r])]
    if not rows:
        return None
    paired = len(rows) >= FEWEST_REPEATS
    gains, extra_gains = [], []
    extra = next((name for name in case.baseline if name not in (case.name, case.told, "train.loss")
                  and name in case.curves.columns), None)  # fmt: skip
    extra_curve = case.curves.values(extra)[1] if extra is not None else None
    for r in rows:
        others = mean_over_repeats(np.delete(held, r, axis=0)) if paired else mean_over_repeats(held)
        usable = np.isfinite(others) & np.isfinite(curve[r])
        at = int(np.argmin(np.where(usable, others, np.inf)))
        gains.append(level[r] - around(curve[r], at, case.window))
        if extra is not None and extra_curve is not None:
            sign = 1.0 if higher_is_better(extra) else -1.0
            gain = sign * (around(extra_curve[r], at, case.window) - case.baseline[extra][r])
            extra_gains.append(gain)
    gain = np.array(gains)
    size = float(gain.mean())
    reached = float(level[rows].mean() - size)
    figures: dict[str, Any] = {
        "fair_best_value": plain(-reached if case.flipped else reached),
        "gain_over_baseline": plain(size),
    }
    nats = case.nats(float(level[rows].mean()), reached)
    needed: int | None = 5
    if paired:
        low = case.lower_bound(gain, 0.95)
        asked = math.log(2 / ALPHA)
        figures["gain_at_least"] = plain(low)
        better = low > 0 or (size > 0 and nats > asked)
        likely = case.lower_bound(gain, PROBABLE) > 0
        error = math.sqrt(1 / gain.size + case.overlap) * float(gain.std(ddof=1))
        seen = (t_quantile(1 - ALPHA, gain.size - 1) + t_quantile(POWER, gain.size - 1)) * error
        needed = repeats_needed(gain, case.overlap) if likely else None
        how = f"the 95 % interval over {len(rows)} repeats, or a likelihood ratio on the validation samples"
    else:
        places = max(2.0, len(case.epochs) / case.window)
        asked = math.log(places / ALPHA)
        middle = mean_over_repeats(held[rows])
        bound = noise_bound(
            mean_over_repeats(curve[rows]), int(np.nanargmin(middle)), case.window, places, both=False
        )
        better = nats > asked and size > bound
        likely = nats > math.log(4) and size > bound / 2
        seen = max(bound, case.rise_of(asked, max(reached, 1e-12)))
        figures["scatter_bound"] = plain(bound)
        how = f"a likelihood ratio on {case.samples:,} validation samples and the scatter of the curve"
    figures |= {
        "log_likelihood_ratio": plain(nats),
        "log_likelihood_ratio_needed": plain(asked),
        "gain_that_would_be_seen": plain(seen),
    }
    extra_gain = np.array(extra_gains)
    if extra is not None and extra_gain.size and np.isfinite(extra_gain).all():
        figures[f"{extra}_gain_over_baseline"] = plain(float(extra_gain.mean()))
        if paired:
            better = better or case.lower_bound(extra_gain, 0.95) > 0
        elif extra.endswith("accuracy") and case.samples:
            share = float(np.mean(case.baseline[extra]))
            error = math.sqrt(max(share * (1 - share), 1 / case.samples) / case.samples)
            better = better or float(extra_gain.mean()) > normal_quantile(1 - ALPHA / 2) * error
    return Chance(bool(better), figures, how, bool(likely and not better), seen, needed)
