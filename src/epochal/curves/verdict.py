"""What do the curves say, and what should be done?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves.record import Curves, higher_is_better
from epochal.curves.statistics import t_factor

__all__ = ["KINDS", "Verdict", "judge"]

Floats = NDArray[np.float64]

KINDS = (
    "over-learned",
    "under-learned",
    "suitably fit",
    "still improving",
    "unstable",
    "no detectable difference from chance",
    "not judged",
)
"""Every kind of verdict."""

# Sizes below which a difference is not worth a word, however sure; each is arbitrary, and said to be.
_FEWEST_EVALUATIONS = 10
_FEWEST_REPEATS = 4  # below, a t interval is too wide to be of use, and the samples are reasoned about
_RISE = 0.02  # of the baseline loss: a rise of the validation loss that is worth a word
_FALL = 0.01  # of the baseline loss, over the last fifth of the run: a fall that is worth waiting for
_EXPLAINED = 0.20  # of the baseline loss: a training loss that explains less has learned little
_GAP = 0.05  # of the baseline loss: a smaller gap between validation and training is no gap
_JUMP = 0.10  # of the baseline loss, within one evaluation: a jump of the training loss
_COLLAPSE = 0.50  # of the baseline loss, within one evaluation: a collapse
_OVERLAP = 0.25  # validation to training samples, where the training samples are not known
_ALPHA = 0.025


@dataclass(frozen=True)
class Verdict:
    """A judgment of learning curves that can be checked: the rule and the figures travel with it.

    kind      one of `KINDS`.
    sentence  the judgment in one or two sentences.
    rule      how it was reached, thresholds included.
    figures   the numbers that led to it.
    remedy    what to do, with the flags of the command line.
    """

    kind: str
    sentence: str
    rule: str
    figures: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "rule": self.rule,
            "figures": dict(self.figures),
            "remedy": self.remedy,
        }


def judge(
    curves: Curves,
    *,
    baseline: Mapping[str, ArrayLike] | None = None,
    validation_samples: int = 0,
    training_samples: int | None = None,
    monitor: str = "validation.loss",
    settings: Mapping[str, Any] | None = None,
) -> Verdict:
    """Judge a run by its curves, within the epochs that it ran: nothing is claimed beyond them.

    Args:
        curves: with `monitor` and, to tell over-learning from drift, `train.loss` at fixed parameters.
        baseline: what a constant prediction reaches on the validation samples, by curve name: a number, or one
            a repeat (`validation.loss`, and `validation.accuracy` for the majority class). Without it, the
            loss at epoch 0 is the yardstick, and nothing is said about chance.
        validation_samples: how many samples the validation figures rest on, in one repeat.
        training_samples: how many were trained on, for the overlap of random splits.
        monitor: the curve that is judged; the best parameters are those of its best evaluation.
        settings: `epochs`, `learning_rate`, `batch_size`, `loss`: for a remedy in numbers.

    The checks, in this order; the first that holds is the verdict:

    1. unstable: a loss that is not finite, or a training loss that jumps repeatedly, or collapses.
    2. not judged: no validation, or fewer than 10 evaluations.
    3. no detectable difference from chance: not better than a constant prediction, and not improving either.
    4. over-learned: the validation loss ended above its minimum while the training loss went on falling.
    5. still improving: the validation loss was falling at the end.
    6. under-learned: flat, without a gap to validation, and little explained.
    7. suitably fit: none of these.

    With four or more repeats, differences are paired by repeat and tested by a t interval that is widened for
    overlapping random splits (Nadeau & Bengio 2003). The epoch of the minimum is chosen, for each repeat, on
    the other repeats: a minimum over noise is lower than the truth, and this choice is not. With fewer
    repeats, a difference must exceed the curve's own scatter and amount to a likelihood ratio of 20 on
    the validation samples.
    """
    case = _Case.of(curves, baseline, validation_samples, training_samples, monitor, settings or {})
    shaken = _unstable(case)
    if shaken is not None:
        return shaken
    if case.monitored is None:
        return _not_judged(
            f'Not judged: there is no "{monitor}" curve.', "Hold samples back for validation: --validation 0.2."
        )
    if case.evaluations < _FEWEST_EVALUATIONS:
        return _not_judged(
            f"Not judged: {_count(case.evaluations, 'evaluation')} are too few to tell a trend from noise.",
            f"Train longer or evaluate more often: at least {_FEWEST_EVALUATIONS} evaluations are needed; "
            f"--epochs {max(2 * _FEWEST_EVALUATIONS, 2 * round(case.horizon))}.",
        )
    rise, fall, chance = _rise(case), _fall(case, case.monitored), _chance(case)
    if chance is not None and not chance.better and not fall.holds:
        verdict = _say_chance(case, chance)
    elif rise.holds:
        verdict = _say_over_learned(case, rise)
    elif fall.holds:
        verdict = _say_still_improving(case, fall, chance)
    else:
        verdict = _say_plateau(case, rise, fall, chance)
    if case.repeats >= _FEWEST_REPEATS:
        return verdict
    few = f" Tentative: {_count(case.repeats, 'repeat')} cannot tell a trend from drift; --repeats 5 can."
    return replace(verdict, remedy=verdict.remedy + few)


# --- what is looked at ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Case:
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

    @classmethod
    def of(
        cls,
        curves: Curves,
        baseline: Mapping[str, ArrayLike] | None,
        samples: int,
        training_samples: int | None,
        monitor: str,
        settings: Mapping[str, Any],
    ) -> _Case:
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
        known = {name: np.broadcast_to(np.asarray(level, float), repeats) for name, level in (baseline or {}).items()}
        yardstick = _yardstick(known.get(monitor), monitored, training)
        points = epochs.size
        overlap = samples / training_samples if training_samples else _OVERLAP
        window = max(1, min(max(3, points // 20), points // 3))
        return cls(
            curves, monitor, epochs, monitored, training, yardstick, known, samples, overlap, settings, window
        )

    @property
    def repeats(self) -> int:
        return len(self.curves.repeats)

    @property
    def evaluations(self) -> int:
        """Evaluations of the repeat in the middle."""
        assert self.monitored is not None
        return int(np.median(np.isfinite(self.monitored).sum(axis=1)))

    @property
    def horizon(self) -> float:
        return float(self.epochs[-1]) if self.epochs.size else 0.0

    @property
    def flipped(self) -> bool:
        return higher_is_better(self.name)

    @property
    def called(self) -> str:
        """The monitored curve in words."""
        return self.name.replace(".", " ").replace("_", " ")

    def lower_bound(self, differences: Floats) -> float:
        """The lower end of the 95 % interval of a mean difference over repeats that are overlapping splits."""
        sd = float(differences.std(ddof=1))
        return float(differences.mean()) - t_factor(differences.size, overlap=self.overlap) * sd

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
        if self.log_loss:
            return self.samples * (worse - better)
        if min(worse, better) <= 0:
            return math.inf if worse > better else -math.inf
        return self.samples / 2 * math.log(worse / better)

    @property
    def log_loss(self) -> bool:
        named = str(self.settings.get("loss", "")).lower()
        if named:
            return any(word in named for word in ("log", "entropy", "nll"))
        return any(name.endswith("accuracy") for name in self.curves.names)

    def figures(self) -> dict[str, Any]:
        best = self.curves.best(self.name)
        known = best.value[np.isfinite(best.value)]
        found: dict[str, Any] = {
            "repeats": self.repeats,
            "evaluations": self.evaluations,
            "epochs": _plain(self.horizon),
            "validation_samples": self.samples,
            "best_epoch": _plain(best.median_epoch),
            "best_epoch_range": [_plain(float(np.nanmin(best.epoch))), _plain(float(np.nanmax(best.epoch)))],
            "best_value": _plain(float(known.mean())),
        }
        level = self.baseline.get(self.name)
        if level is not None:
            found["baseline"] = _plain(float(level.mean()))
        return found


def _yardstick(level: Floats | None, monitored: Floats | None, training: Floats | None) -> float:
    """The loss of a constant prediction, or, where it is not known, the loss at the first evaluation."""
    for column in (level, None if monitored is None else monitored[:, 0], None if training is None else training[:, 0]):
        if column is not None:
            sizes = np.abs(column[np.isfinite(column)])
            if sizes.size and sizes.mean() > 0:
                return float(sizes.mean())
    return 1.0


# --- the checks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Difference:
    """A difference that was tested: whether it holds, its size, and the figures and words for it."""

    holds: bool
    size: float
    epoch: float
    figures: dict[str, Any]
    how: str


def _rise(case: _Case) -> _Difference:
    """Has the monitored curve risen from its minimum while the training loss fell?"""
    curve = case.monitored
    assert curve is not None
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).sum() >= 2]
    smooth = np.stack([_smooth(curve[r], case.window) for r in rows])
    middle = _mean(smooth)
    everywhere = np.isfinite(smooth).sum(axis=0) * 2 >= len(rows)  # half of the repeats are still running
    k = int(np.nanargmin(np.where(everywhere, middle, np.nan)))
    rises, falls = [], []
    paired = len(rows) >= _FEWEST_REPEATS
    for i, r in enumerate(rows):
        last = int(np.flatnonzero(np.isfinite(curve[r]))[-1])
        at = k
        if paired:
            others = _mean(np.delete(smooth, i, axis=0))[: last + 1]
            at = int(np.nanargmin(np.where(everywhere[: last + 1], others, np.nan)))
        at = min(at, last)
        rises.append(_tail(curve[r], last, case.window) - _around(curve[r], at, case.window))
        if case.training is not None:
            end = _tail(case.training[r], last, case.window)
            falls.append(_around(case.training[r], at, case.window) - end)
    rise, fall = np.array(rises), np.array(falls)
    size, drop = float(rise.mean()), float(fall.mean()) if fall.size else math.nan
    figures: dict[str, Any] = {
        "lowest_epoch": _plain(float(case.epochs[k])),
        "rise_to_the_end": _plain(size),
        "training_fall_meanwhile": _plain(drop),
    }
    worth = size > _RISE * case.yardstick
    if paired:
        low = case.lower_bound(rise)
        figures["rise_at_least"] = _plain(low)
        sure = low > 0
        falling = fall.size > 0 and case.lower_bound(fall) > 0
        how = (
            f"the paired rise from the lowest epoch (chosen on the other repeats) to the last {case.window} "
            f"evaluations is above zero by its 95 % interval over {len(rows)} repeats"
        )
    else:
        places = max(2.0, len(middle) / case.window)
        bound = _noise_bound(_mean(curve[rows]), k, case.window, places, both=True)
        low_value = float(np.mean([_around(curve[r], min(k, _last(curve[r])), case.window) for r in rows]))
        nats = case.nats(low_value + size, low_value)
        figures |= {"scatter_bound": _plain(bound), "log_likelihood_ratio": _plain(nats)}
        sure = size > bound and nats > math.log(20 * places)
        falling = fall.size > 0 and drop > 0
        how = (
            f"with {_count(len(rows), 'repeat')}, the rise of the smoothed curve from its lowest point to the last "
            f"{case.window} evaluations exceeds what its own scatter allows, and a likelihood ratio of 20 for each of the "
            f"{places:.0f} places where a minimum could lie, on {case.samples:,} validation samples"
        )
    return _Difference(bool(sure and worth and falling), size, float(case.epochs[k]), figures, how)


def _fall(case: _Case, curve: Floats) -> _Difference:
    """Is a curve still falling at the end?"""
    slopes, errors, spans = [], [], []
    for row in curve:
        at = np.flatnonzero(np.isfinite(row))
        length = min(max(10, at.size // 5), at.size)
        if length < 5:
            continue
        at = at[-length:]
        slope, error = _line(case.epochs[at], row[at])
        slopes.append(slope)
        errors.append(error)
        spans.append(float(case.epochs[at[-1]] - case.epochs[at[0]]))
    if not slopes:
        return _Difference(False, math.nan, math.nan, {}, "")
    span = float(np.median(spans))
    falls = -np.array(slopes) * span
    size = float(falls.mean())
    worth = _FALL * case.yardstick
    if len(slopes) >= _FEWEST_REPEATS:
        low = case.lower_bound(falls)
        how = f"the slope is below zero by its 95 % interval over {len(slopes)} repeats"
    else:
        error = span * math.sqrt(float(np.square(errors).sum())) / len(errors)
        low = size - _t(1 - _ALPHA, 6) * error
        middle = _smooth(_mean(curve), case.window)
        if int(np.nanargmin(middle)) < 0.8 * (_last(middle) + 1):
            low = min(low, 0.0)  # it was lower before
        worth *= 2
        how = (
            "the slope is below zero by its standard error, widened for the correlation of neighbors, "
            "and the curve is at its lowest there"
        )
    figures = {
        "fall_over_last_epochs": _plain(size),
        "fall_at_least": _plain(low),
        "last_epochs": _plain(span),
        "fall_worth_a_word": _plain(worth),
    }
    return _Difference(bool(low > 0 and size > worth), size, span, figures, how)


@dataclass(frozen=True)
class _Chance:
    better: bool
    figures: dict[str, Any]
    how: str


def _chance(case: _Case) -> _Chance | None:
    """Is the best evaluation better than a constant prediction?"""
    curve, level = case.monitored, case.baseline.get(case.name)
    if curve is None or level is None:
        return None
    level = -level if case.flipped else level
    smooth = np.stack([_smooth(row, case.window) for row in curve])
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).any() and np.isfinite(level[r])]
    if not rows:
        return None
    paired = len(rows) >= _FEWEST_REPEATS
    gains, extra_gains = [], []
    extra = next((name for name in case.baseline if name != case.name and name in case.curves.columns), None)
    extra_curve = case.curves.values(extra)[1] if extra is not None else None
    for r in rows:
        others = _mean(np.delete(smooth, r, axis=0)) if paired else _mean(smooth)
        usable = np.isfinite(others) & np.isfinite(curve[r])
        at = int(np.argmin(np.where(usable, others, np.inf)))
        gains.append(level[r] - _around(curve[r], at, case.window))
        if extra is not None and extra_curve is not None:
            sign = 1.0 if higher_is_better(extra) else -1.0
            gain = sign * (_around(extra_curve[r], at, case.window) - case.baseline[extra][r])
            extra_gains.append(gain)
    gain = np.array(gains)
    reached = float(level[rows].mean() - gain.mean())
    figures: dict[str, Any] = {
        "fair_best_value": _plain(-reached if case.flipped else reached),
        "gain_over_baseline": _plain(float(gain.mean())),
    }
    nats = case.nats(float(level[rows].mean()), reached)
    if paired:
        low = case.lower_bound(gain)
        needed = math.log(2 / _ALPHA)
        figures["gain_at_least"] = _plain(low)
        better = low > 0 or (gain.mean() > 0 and nats > needed)
        how = f"the 95 % interval over {len(rows)} repeats, or a likelihood ratio on the validation samples"
    else:
        places = max(2.0, len(case.epochs) / case.window)
        needed = math.log(places / _ALPHA)
        middle = _mean(smooth[rows])
        bound = _noise_bound(_mean(curve[rows]), int(np.nanargmin(middle)), case.window, places, both=False)
        better = nats > needed and float(gain.mean()) > bound
        figures["scatter_bound"] = _plain(bound)
        how = (
            f"a likelihood ratio on {case.samples:,} validation samples, for every place where a minimum could lie, "
            f"and the scatter of the curve"
        )
    figures |= {"log_likelihood_ratio": _plain(nats), "log_likelihood_ratio_needed": _plain(needed)}
    extra_gain = np.array(extra_gains)
    if extra is not None and extra_gain.size and np.isfinite(extra_gain).all():
        figures[f"{extra}_gain_over_baseline"] = _plain(float(extra_gain.mean()))
        if paired:
            better = better or case.lower_bound(extra_gain) > 0
        elif extra.endswith("accuracy") and case.samples:
            share = float(np.mean(case.baseline[extra]))
            error = math.sqrt(max(share * (1 - share), 1 / case.samples) / case.samples)
            better = better or float(extra_gain.mean()) > _normal(1 - _ALPHA / 2) * error
    return _Chance(bool(better), figures, how)


def _unstable(case: _Case) -> Verdict | None:
    """Has a loss left the numbers, or does the training loss jump about?"""
    curves = case.curves
    broken = np.zeros(len(curves), dtype=bool)
    for name, column in curves.columns.items():
        if name.endswith("loss"):
            broken |= ~np.isfinite(column) & ((curves.update > 0) | (name != "train.running_loss"))
    if broken.any() and not all(np.isnan(c).all() for n, c in curves.columns.items() if n.endswith("loss")):
        missing_everywhere = [n for n, c in curves.columns.items() if n.endswith("loss") and np.isnan(c).all()]
        for name in missing_everywhere:  # a column that was never measured says nothing
            broken &= ~np.isnan(curves.columns[name]) | _others_broken(curves, name)
    if broken.any():
        which = np.unique(curves.repeat[broken])
        first = float(curves.epoch[broken].min())
        return Verdict(
            "unstable",
            f"Unstable: the loss stopped being a finite number in {which.size} of "
            f"{_count(case.repeats, 'repeat')}, first by epoch {first:,.6g}.",
            "A loss that is not finite in any evaluation.",
            {"repeats": case.repeats, "repeats_not_finite": int(which.size), "first_epoch": _plain(first)},
            _calmer(case),
        )
    curve = case.training
    if curve is None:
        return None
    ends, collapsed, jumped, shares, places = [], 0, 0, [], []
    for row in curve:
        row = row[np.isfinite(row)]
        if row.size < 4:
            continue
        steps = np.diff(row)
        jumps = steps > _JUMP * case.yardstick
        shares.append(float(jumps.mean()))
        jumped += bool(jumps.sum() >= 3 and jumps.mean() >= 0.1)
        end = float(np.median(row[-min(max(case.window, 5), row.size) :]))
        ends.append(end)
        fallen = bool((steps > _COLLAPSE * case.yardstick).any()) and end > row.min() + _COLLAPSE * case.yardstick
        risen = end > row[0] + _JUMP * case.yardstick
        if fallen or risen:
            collapsed += 1
            finite = np.isfinite(case.epochs)
            places.append(float(case.epochs[finite][1 + int(np.argmax(steps))]))
    if not shares:
        return None
    figures = {
        "repeats": case.repeats,
        "repeats_that_jump": jumped,
        "repeats_that_collapsed": collapsed,
        "share_of_evaluations_with_a_jump": _plain(float(np.mean(shares))),
        "jump_is_more_than": _plain(_JUMP * case.yardstick),
    }
    rule = (
        f"Unstable when, in at least half of the repeats, the training loss rises from one evaluation to the next by "
        f"more than {_JUMP:.0%} of the baseline loss, three times or more and in a tenth of the evaluations; or when "
        f"in a fifth of the repeats it ends above its start, or jumps by {_COLLAPSE:.0%} and stays there. "
        f"(The shares are arbitrary.)"
    )
    if jumped * 2 >= len(shares):
        sentence = (
            f"Unstable: the training loss jumps up in {float(np.mean(shares)):.0%} of the evaluations, "
            f"in {jumped} of {_count(len(shares), 'repeat')}."
        )
    elif collapsed * 5 >= len(shares):
        sentence = (
            f"Unstable: the training loss collapsed upwards in {collapsed} of {_count(len(shares), 'repeat')}, "
            f"around epoch {float(np.median(places)):,.6g}, and did not come back."
        )
    else:
        return None
    return Verdict("unstable", sentence, rule, figures, _calmer(case))


def _others_broken(curves: Curves, name: str) -> NDArray[np.bool_]:
    broken = np.zeros(len(curves), dtype=bool)
    for other, column in curves.columns.items():
        if other != name and other.endswith("loss") and not np.isnan(column).all():
            broken |= ~np.isfinite(column) & ((curves.update > 0) | (other != "train.running_loss"))
    return broken


# --- the words ------------------------------------------------------------------------------------------


def _not_judged(sentence: str, remedy: str) -> Verdict:
    rule = f"A verdict needs a validation curve with at least {_FEWEST_EVALUATIONS} evaluations."
    return Verdict("not judged", sentence, rule, {}, remedy)


def _calmer(case: _Case) -> str:
    rate, size = case.settings.get("learning_rate"), case.settings.get("batch_size")
    slower = f"--learning-rate {float(rate) / 3:.1g}" if isinstance(rate, int | float) else "a third of the learning rate"
    larger = f"--batch-size {4 * int(size)}" if isinstance(size, int) else "a batch size four times as large"
    return (
        "The learning rate is too large for the noise of batches of this size: "
        f"try a smaller rate ({slower}), or a larger batch ({larger})."
    )


def _say_chance(case: _Case, chance: _Chance) -> Verdict:
    figures = case.figures() | chance.figures
    fall = _training_share(case)
    sentence = (
        f"No detectable difference from chance: at its best, the {case.called} is "
        f"{_value(figures['fair_best_value'])}, against {_value(figures['baseline'])} for a constant prediction."
    )
    if fall is not None and fall > _EXPLAINED:
        sentence += f" The training loss did fall ({fall:.0%} below): what was learned does not carry over."
        remedy = (
            "The inputs may say nothing about the target: check the target column and what was left out. "
            "More samples, or more repeats (--repeats 10), may show a smaller effect."
        )
    else:
        rate = case.settings.get("learning_rate")
        faster = f"--learning-rate {3 * float(rate):.1g}" if isinstance(rate, int | float) else "a larger --learning-rate"
        remedy = (
            f"The network learned nothing yet: try {faster}, more --epochs or more units (--hidden); if that does not "
            "help, the inputs may say nothing about the target."
        )
    rule = (
        f"Neither the {case.called} nor a second metric with a known baseline is better than a constant prediction "
        f"(the class frequencies, or the mean) by {chance.how}, and the curve is not falling at the end."
    )
    return Verdict("no detectable difference from chance", sentence, rule, figures, remedy)


def _say_over_learned(case: _Case, rise: _Difference) -> Verdict:
    k = max(1, round(rise.epoch))
    verb = "fell" if case.flipped else "rose"
    sentence = (
        f"Over-learned from about epoch {k:,}: from there the {case.called} {verb} by {rise.size:.3g} "
        f"({rise.size / case.yardstick:.0%} of the baseline), while the training loss went on falling. "
        f"The best parameters, which predictions use, are kept from before."
    )
    rule = (
        f"Over-learned when {rise.how}, the training loss at fixed parameters fell meanwhile, and the rise is more "
        f"than {_RISE:.0%} of the baseline (an arbitrary share)."
    )
    remedy = (
        f"Train fewer epochs: --epochs {k}, or stop early with --patience {max(3, min(50, math.ceil(k / 3)))}. "
        f"A smaller network or more samples would move the turn."
    )
    return Verdict("over-learned", sentence, rule, case.figures() | rise.figures, remedy)


def _say_still_improving(case: _Case, fall: _Difference, chance: _Chance | None) -> Verdict:
    verb = "rising" if case.flipped else "falling"
    yet = "" if chance is None or chance.better else " It is not yet better than a constant prediction."
    sentence = (
        f"Still improving: the {case.called} was {verb} when training ended at epoch {case.horizon:,.6g}, "
        f"by {fall.size:.3g} over the last {fall.epoch:,.3g} epochs.{yet}"
    )
    rule = (
        f"Still improving when, over the last fifth of the evaluations (10 at least), {fall.how}, and the change is "
        f"more than {fall.figures['fall_worth_a_word']:.3g} ({_FALL:.0%} of the baseline, twice that with fewer "
        f"than {_FEWEST_REPEATS} repeats; arbitrary shares). Where it would end is not claimed."
    )
    remedy = f"Train longer: --epochs {max(1, round(2 * case.horizon))}."
    figures = case.figures() | fall.figures | (chance.figures if chance else {})
    return Verdict("still improving", sentence, rule, figures, remedy)


def _say_plateau(case: _Case, rise: _Difference, fall: _Difference, chance: _Chance | None) -> Verdict:
    figures = case.figures() | rise.figures | fall.figures | (chance.figures if chance else {})
    explained = _training_share(case)
    gap = None
    flat = True
    if case.training is not None and not case.flipped and case.monitored is not None:
        gap = _end(case.monitored, case.window) - _end(case.training, case.window)
        flat = not _fall(case, case.training).holds
        figures |= {"gap_at_the_end": _plain(gap)}
    if explained is not None:
        figures |= {"explained_share_of_training_loss": _plain(explained)}
    if chance is None:
        near = f"The best epoch is around {figures['best_epoch']:,.6g}."
    else:
        near = (
            f"At its best, around epoch {figures['best_epoch']:,.6g}, it is {_value(figures['fair_best_value'])}, "
            f"against {_value(figures['baseline'])} for a constant prediction."
        )
    if (
        explained is not None
        and case.name in case.baseline
        and gap is not None
        and explained < _EXPLAINED
        and gap < _GAP * case.yardstick
        and flat
    ):
        sentence = (
            f"Under-learned, as far as curves can tell: training and validation loss are flat and close together, and "
            f"the training loss is only {max(explained, 0.0):.0%} below that of a constant prediction. "
            f"Curves cannot tell a network that is too small from inputs that say no more."
        )
        rule = (
            f"Under-learned when neither loss falls any more, the gap between them is under {_GAP:.0%} of the "
            f"baseline, and the training loss explains less than {_EXPLAINED:.0%} of it (arbitrary shares)."
        )
        rate = case.settings.get("learning_rate")
        faster = f"--learning-rate {3 * float(rate):.1g}" if isinstance(rate, int | float) else "another --learning-rate"
        remedy = f"Try more units (--hidden 128,128) and {faster}. If nothing changes, the inputs say no more."
        return Verdict("under-learned", sentence, rule, figures, remedy)
    sentence = (
        f"Suitably fit within the {case.horizon:,.6g} epochs that were run: the {case.called} leveled off without "
        f"a detectable rise. {near}"
    )
    rule = (
        f"Suitably fit when the {case.called} beats a constant prediction (where that is known), shows no rise from its "
        f"minimum ({rise.how}; more than {_RISE:.0%} of the baseline) and no fall at the end "
        f"(more than {_FALL:.0%}; arbitrary shares). Nothing is said about epochs beyond these."
    )
    remedy = (
        f"Nothing needs to change. To spend less time: --patience {max(5, min(50, round(case.horizon / 10)))}."
    )
    return Verdict("suitably fit", sentence, rule, figures, remedy)


def _training_share(case: _Case) -> float | None:
    """The share of the baseline loss that the training loss has lost, at the end."""
    if case.training is None or case.flipped or case.yardstick <= 0:
        return None
    return 1 - _end(case.training, case.window) / case.yardstick


# --- arithmetic -----------------------------------------------------------------------------------------


def _mean(array: Floats) -> Floats:
    """The mean over rows of what is finite, NaN where nothing is."""
    finite = np.isfinite(array)
    count = finite.sum(axis=0)
    total = np.where(finite, array, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _smooth(row: Floats, window: int) -> Floats:
    """A centered moving mean over `window` evaluations, shorter at the ends; NaN stays NaN."""
    finite = np.isfinite(row)
    half = window // 2
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, row, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(row.size)
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, row.size)
    number = count[high] - count[low]
    return np.where(finite, (total[high] - total[low]) / np.maximum(number, 1), np.nan)


def _around(row: Floats, at: int, window: int) -> float:
    half = window // 2
    part = row[max(0, at - half) : at + half + 1]
    part = part[np.isfinite(part)]
    return float(part.mean()) if part.size else math.nan


def _tail(row: Floats, last: int, window: int) -> float:
    part = row[max(0, last - window + 1) : last + 1]
    part = part[np.isfinite(part)]
    return float(part.mean()) if part.size else math.nan


def _last(row: Floats) -> int:
    return int(np.flatnonzero(np.isfinite(row))[-1])


def _end(array: Floats, window: int) -> float:
    """The mean over repeats of the last evaluations of each."""
    return float(np.mean([_tail(row, _last(row), window) for row in array if np.isfinite(row).any()]))


def _noise_bound(row: Floats, k: int, window: int, places: float, *, both: bool) -> float:
    """How far the mean of a window may lie off by scatter alone, at the worst of `places` windows.

    The scatter is that around a parabola from the minimum on, where over-learning would be smooth; where
    neighbors are correlated, a window counts for fewer evaluations. `both` is for a difference of two windows.
    """
    rest = row[k:][np.isfinite(row[k:])]
    if rest.size < 8:
        rest = row[np.isfinite(row)][-max(8, rest.size) :]
    if rest.size < 6:
        return math.inf
    x = np.linspace(-1, 1, rest.size)
    left = rest - np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyfit(x, rest, 2))
    squares = float(left @ left)
    sigma = math.sqrt(squares / (rest.size - 3))
    rho = float(left[1:] @ left[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 4 / rest.size, 0.0), 0.95)  # the estimate is biased by about that much
    factor = (1 + rho) / (1 - rho)
    number = max(1.0, window / factor)
    freedom = max(3.0, (rest.size - 3) / factor)
    return _t(1 - _ALPHA / places, freedom) * sigma * math.sqrt((2 if both else 1) / number)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope of the least-squares line and its standard error, widened for first-order correlation."""
    centered = x - x.mean()
    spread = float((centered**2).sum())
    if spread == 0:
        return 0.0, math.inf
    slope = float(centered @ y) / spread
    rest = y - y.mean() - slope * centered
    sigma = math.sqrt(float(rest @ rest) / max(1, x.size - 2))
    squares = float(rest @ rest)
    rho = float(rest[1:] @ rest[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 1 / x.size, 0.0), 0.9)
    return slope, sigma / math.sqrt(spread) * math.sqrt((1 + rho) / (1 - rho))


def _normal(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def _t(share: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _plain(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else float(value)


def _value(number: Any) -> str:
    return "unknown" if number is None else f"{number:.3g}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
