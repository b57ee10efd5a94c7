"""Which differences between curves are more than noise?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves.record import Curves
from epochal.curves.smoothing import (
    ALPHA,
    around,
    counted,
    ending,
    last_known,
    line,
    mean_over_repeats,
    noise_bound,
    normal_quantile,
    plain,
    smoothed,
    t_quantile,
    tail,
)
from epochal.curves.statistics import t_factor
from epochal.directions import higher_is_better, label_of

__all__ = [
    "COLLAPSE",
    "EXPLAINED",
    "FALL",
    "FEWEST_EVALUATIONS",
    "FEWEST_REPEATS",
    "GAP",
    "JUMP",
    "RISE",
    "Case",
    "Chance",
    "Difference",
    "beats_chance",
    "falling_to_the_end",
    "risen",
    "training_share",
]

Floats = NDArray[np.float64]

# Sizes below which a difference is not worth a word, however sure; each is arbitrary, and said to be.
FEWEST_EVALUATIONS = 10
FEWEST_REPEATS = 4  # below, a t interval is too wide to be of use, and the samples are reasoned about
RISE = 0.02  # of the baseline loss: a rise of the validation loss that is worth a word
FALL = 0.01  # of the baseline loss, over the last fifth of the run: a fall that is worth waiting for
EXPLAINED = 0.20  # of the baseline loss: a training loss that explains less has learned little
GAP = 0.05  # of the baseline loss: a smaller gap between validation and training is no gap
JUMP = 0.10  # of the baseline loss, within one evaluation: a jump of the training loss
COLLAPSE = 0.50  # of the baseline loss, within one evaluation: a collapse
_OVERLAP = 0.25  # validation to training samples, where the training samples are not known


@dataclass(frozen=True)
class Case:
    """The curves, oriented so that lower is better, and the yardsticks."""

    curves: Curves
    name: str
    epochs: Floats  # (points,)
    monitored: Floats | None  # (repeats, points), lower is better
    training: Floats | None
    yardstick: float  # a loss worth 100 %
    baseline: dict[str, Floats]
    samples: int
    overlap: float
    settings: Mapping[str, Any]
    window: int
    training_samples: int | None

    @classmethod
    def of(
        cls,
        curves: Curves,
        baseline: Mapping[str, ArrayLike] | None,
        samples: int,
        training_samples: int | None,
        monitor: str,
        settings: Mapping[str, Any],
    ) -> Case:
        """The case that `judge` is asked about."""
        monitored = None
        if monitor in curves.columns and np.isfinite(curves.columns[monitor]).any():
            monitored = curves.values(monitor)[1]
            monitored = -monitored if higher_is_better(monitor) else monitored
        training, epochs = None, np.empty(0)
        if curves.columns:
            epochs = curves.values(curves.names[0])[0]
        for name in ("train.loss", "train.running_loss"):
            if name in curves.columns and np.isfinite(curves.columns[name]).any():
                training = curves.values(name)[1]
                break
        repeats = len(curves.repeats)
        known = {
            name: np.broadcast_to(np.asarray(level, float), repeats)
            for name, level in (baseline or {}).items()
        }
        yardstick = _yardstick(known.get(monitor), monitored, training)
        points = epochs.size
        overlap = samples / training_samples if training_samples else _OVERLAP
        window = max(1, min(max(3, points // 20), points // 3))
        return cls(
            curves,
            monitor,
            epochs,
            monitored,
            training,
            yardstick,
            known,
            samples,
            overlap,
            settings,
            window,
            training_samples,
        )

    @property
    def repeats(self) -> int:
        """How many repeats there are."""
        return len(self.curves.repeats)

    @property
    def evaluations(self) -> int:
        """Evaluations of the repeat in the middle."""
        assert self.monitored is not None
        return int(np.median(np.isfinite(self.monitored).sum(axis=1)))

    @property
    def horizon(self) -> float:
        """The last epoch that was evaluated: nothing is claimed beyond."""
        return float(self.epochs[-1]) if self.epochs.size else 0.0

    @property
    def always(self) -> str:
        """The baseline in words: what the best constant prediction always says."""
        if self.name.endswith("accuracy"):
            return "always predicting the most frequent class"
        said = {
            "log_loss": "always predicting the class frequencies",
            "squared_error": "always predicting the mean",
            "absolute_error": "always predicting the median",
        }
        return said.get(str(self.settings.get("loss")), "the baseline, a constant prediction,")

    @property
    def flipped(self) -> bool:
        """Whether the monitored curve is better higher, and was turned over."""
        return higher_is_better(self.name)

    @property
    def called(self) -> str:
        """The monitored curve in words."""
        return label_of(self.name)

    def lower_bound(self, differences: Floats, confidence: float = 0.9) -> float:
        """The lower end of a two-sided interval of a mean difference over overlapping splits.

        By default it is the one-sided 95 % bound, for questions that have a direction.
        """
        sd = float(differences.std(ddof=1))
        return (
            float(differences.mean())
            - t_factor(differences.size, overlap=self.overlap, confidence=confidence) * sd
        )

    def nats(self, worse: float, better: float) -> float:
        """The log likelihood ratio of two predictors on the validation samples, from their mean losses.

        For a log loss it is samples · (worse - better), exactly; for a squared loss, with normal errors,
        samples / 2 · log(worse / better). If the worse predictor were the true one, a ratio of 20 would have
        a probability of at most 1/20 (Markov's inequality), whatever the spread of single losses.
        """
        if not self.samples:
            return math.inf if worse > better else -math.inf
        if self.flipped:  # an accuracy or the like: a normal approximation of the difference of two shares
            share = min(max(-(worse + better) / 2, 0.0), 1.0)
            variance = max(2 * share * (1 - share), 1e-3) / self.samples
            return math.copysign((worse - better) ** 2 / (2 * variance), worse - better)
        if self.loss == "log_loss":
            return self.samples * (worse - better)
        if self.loss != "squared_error":  # no likelihood belongs to it, and none is claimed
            return -math.inf
        if min(worse, better) <= 0:
            return math.inf if worse > better else -math.inf
        return self.samples / 2 * math.log(worse / better)

    @property
    def loss(self) -> str:
        """The name of the loss; without settings, the usual one of curves with or without an accuracy."""
        usual = any(name.endswith("accuracy") for name in self.curves.names)
        return str(self.settings.get("loss") or ("log_loss" if usual else "squared_error"))

    def figures(self) -> dict[str, Any]:
        """The figures that every verdict has."""
        best = self.curves.best(self.name)
        known = best.value[np.isfinite(best.value)]
        found: dict[str, Any] = {
            "repeats": self.repeats,
            "evaluations": self.evaluations,
            "epochs": plain(self.horizon),
            "validation_samples": self.samples,
            "best_epoch": plain(best.median_epoch),
            "best_epoch_range": [plain(float(np.nanmin(best.epoch))), plain(float(np.nanmax(best.epoch)))],
            "best_value": plain(float(known.mean())),
        }
        level = self.baseline.get(self.name)
        if level is not None:
            found["baseline"] = plain(float(level.mean()))
        return found


def _yardstick(level: Floats | None, monitored: Floats | None, training: Floats | None) -> float:
    """The loss of the baseline, or, where it is not known, the loss at the first evaluation."""
    for column in (
        level,
        None if monitored is None else monitored[:, 0],
        None if training is None else training[:, 0],
    ):
        if column is not None:
            sizes = np.abs(column[np.isfinite(column)])
            if sizes.size and sizes.mean() > 0:
                return float(sizes.mean())
    return 1.0


# --- the checks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A difference that was tested: whether it holds, its size, and the figures and words for it."""

    holds: bool
    size: float
    epoch: float
    figures: dict[str, Any]
    how: str


def risen(case: Case) -> Difference:
    """Has the monitored curve risen from its minimum while the training loss fell?"""
    curve = case.monitored
    assert curve is not None
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).sum() >= 2]
    smooth = np.stack([smoothed(curve[r], case.window) for r in rows])
    middle = mean_over_repeats(smooth)
    everywhere = np.isfinite(smooth).sum(axis=0) * 2 >= len(rows)  # half of the repeats are still running
    k = int(np.nanargmin(np.where(everywhere, middle, np.nan)))
    # Losses of different splits differ in scale, and rises with them: ratios are compared, not differences.
    ratios = not case.flipped and float(np.nanmin(smooth)) > 0
    lows, ends, falls, grown = [], [], [], []
    paired = len(rows) >= FEWEST_REPEATS
    for i, r in enumerate(rows):
        last = int(np.flatnonzero(np.isfinite(curve[r]))[-1])
        at = k
        if paired:
            others = mean_over_repeats(np.delete(smooth, i, axis=0))[: last + 1]
            at = int(np.nanargmin(np.where(everywhere[: last + 1], others, np.nan)))
        at = min(at, last)
        low, end = around(curve[r], at, case.window), tail(curve[r], last, case.window)
        lows.append(low)
        ends.append(end)
        grown.append(math.log(end / low) if ratios and min(low, end) > 0 else end - low)
        if case.training is not None:
            after = tail(case.training[r], last, case.window)
            falls.append(around(case.training[r], at, case.window) - after)
    rise, fall = np.array(ends) - np.array(lows), np.array(falls)
    sign = -1.0 if case.flipped else 1.0
    size, drop = float(rise.mean()), float(fall.mean()) if fall.size else math.nan
    figures: dict[str, Any] = {
        "lowest_epoch": plain(float(case.epochs[k])),
        "value_there": plain(sign * float(np.mean(lows))),
        "value_at_the_end": plain(sign * float(np.mean(ends))),
        "rise_to_the_end": plain(size),
        "training_fall_meanwhile": plain(drop),
    }
    worth = size > RISE * case.yardstick
    if paired:
        least = case.lower_bound(np.array(grown))
        name = "rise_by_a_factor_of_at_least" if ratios else "rise_at_least"
        figures[name] = plain(math.exp(least) if ratios else least)
        sure = least > 0
        falling = fall.size > 0 and case.lower_bound(fall) > 0
        how = (
            f"the paired rise from the lowest epoch (chosen on the other repeats) to the last {case.window} "
            f"evaluations is above zero by the one-sided 95 % bound of its {'ratio' if ratios else 'size'} "
            f"over {len(rows)} repeats"
        )
    else:
        places = max(2.0, len(middle) / case.window)
        bound = noise_bound(mean_over_repeats(curve[rows]), k, case.window, places, both=True)
        low_value = float(
            np.mean([around(curve[r], min(k, last_known(curve[r])), case.window) for r in rows])
        )
        nats = case.nats(low_value + size, low_value)
        figures |= {"scatter_bound": plain(bound), "log_likelihood_ratio": plain(nats)}
        sure = size > bound and nats > math.log(20 * places)
        falling = fall.size > 0 and drop > 0
        how = (
            f"with {counted(len(rows), 'repeat')}, the rise of the smoothed curve from its lowest point to "
            f"the last "
            f"{case.window} evaluations exceeds what its own scatter allows, and a likelihood ratio of 20 "
            f"for each of the "
            f"{places:.0f} places where a minimum could lie, on {case.samples:,} validation samples"
        )
    return Difference(bool(sure and worth and falling), size, float(case.epochs[k]), figures, how)


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
        low = case.lower_bound(falls)
        how = f"the slope is below zero by its one-sided 95 % bound over {len(slopes)} repeats"
    else:
        error = span * math.sqrt(float(np.square(errors).sum())) / len(errors)
        low = size - t_quantile(1 - ALPHA, 6) * error
        middle = smoothed(mean_over_repeats(curve), case.window)
        if int(np.nanargmin(middle)) < 0.8 * (last_known(middle) + 1):
            low = min(low, 0.0)  # it was lower before
        worth *= 2
        how = (
            "the slope is below zero by its standard error, widened for the correlation of neighbors, "
            "and the curve is at its lowest there"
        )
    figures = {
        "fall_over_last_epochs": plain(size),
        "fall_at_least": plain(low),
        "last_epochs": plain(span),
        "fall_worth_a_word": plain(worth),
    }
    return Difference(bool(low > 0 and size > worth), size, span, figures, how)


@dataclass(frozen=True)
class Chance:
    """Whether a run is better than the baseline, with the figures and words for it."""

    better: bool
    figures: dict[str, Any]
    how: str


def beats_chance(case: Case) -> Chance | None:
    """Is the best evaluation better than the baseline?"""
    curve, level = case.monitored, case.baseline.get(case.name)
    if curve is None or level is None:
        return None
    level = -level if case.flipped else level
    smooth = np.stack([smoothed(row, case.window) for row in curve])
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).any() and np.isfinite(level[r])]
    if not rows:
        return None
    paired = len(rows) >= FEWEST_REPEATS
    gains, extra_gains = [], []
    extra = next((name for name in case.baseline if name != case.name and name in case.curves.columns), None)
    extra_curve = case.curves.values(extra)[1] if extra is not None else None
    for r in rows:
        others = mean_over_repeats(np.delete(smooth, r, axis=0)) if paired else mean_over_repeats(smooth)
        usable = np.isfinite(others) & np.isfinite(curve[r])
        at = int(np.argmin(np.where(usable, others, np.inf)))
        gains.append(level[r] - around(curve[r], at, case.window))
        if extra is not None and extra_curve is not None:
            sign = 1.0 if higher_is_better(extra) else -1.0
            gain = sign * (around(extra_curve[r], at, case.window) - case.baseline[extra][r])
            extra_gains.append(gain)
    gain = np.array(gains)
    reached = float(level[rows].mean() - gain.mean())
    figures: dict[str, Any] = {
        "fair_best_value": plain(-reached if case.flipped else reached),
        "gain_over_baseline": plain(float(gain.mean())),
    }
    nats = case.nats(float(level[rows].mean()), reached)
    if paired:
        low = case.lower_bound(gain, 0.95)
        needed = math.log(2 / ALPHA)
        figures["gain_at_least"] = plain(low)
        better = low > 0 or (gain.mean() > 0 and nats > needed)
        how = f"the 95 % interval over {len(rows)} repeats, or a likelihood ratio on the validation samples"
    else:
        places = max(2.0, len(case.epochs) / case.window)
        needed = math.log(places / ALPHA)
        middle = mean_over_repeats(smooth[rows])
        bound = noise_bound(
            mean_over_repeats(curve[rows]), int(np.nanargmin(middle)), case.window, places, both=False
        )
        better = nats > needed and float(gain.mean()) > bound
        figures["scatter_bound"] = plain(bound)
        how = (
            f"a likelihood ratio on {case.samples:,} validation samples, for every place where a minimum "
            f"could lie, "
            f"and the scatter of the curve"
        )
    figures |= {"log_likelihood_ratio": plain(nats), "log_likelihood_ratio_needed": plain(needed)}
    extra_gain = np.array(extra_gains)
    if extra is not None and extra_gain.size and np.isfinite(extra_gain).all():
        figures[f"{extra}_gain_over_baseline"] = plain(float(extra_gain.mean()))
        if paired:
            better = better or case.lower_bound(extra_gain, 0.95) > 0
        elif extra.endswith("accuracy") and case.samples:
            share = float(np.mean(case.baseline[extra]))
            error = math.sqrt(max(share * (1 - share), 1 / case.samples) / case.samples)
            better = better or float(extra_gain.mean()) > normal_quantile(1 - ALPHA / 2) * error
    return Chance(bool(better), figures, how)


def training_share(case: Case) -> float | None:
    """The share of the baseline loss that the training loss has lost, at the end."""
    if case.training is None or case.flipped or case.yardstick <= 0:
        return None
    return 1 - ending(case.training, case.window) / case.yardstick
