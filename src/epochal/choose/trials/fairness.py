"""Training length and evaluations that make a comparison fair.

Settings are equal in epochs, samples, updates or seconds. Each is read at the same number of evaluation
points, evenly spread over its training, so that more evaluations are no advantage.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from epochal.choose.trials.trial import Trial
from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves
from epochal.curves.statistics import Ints, epochs_of_next
from epochal.errors import Refusal
from epochal.plan import Plan

MAX_EVALUATIONS = 200  # of one training: beyond this they cost more than they tell
EVALUATION_POINTS = 100  # where settings are read that are not equal in epochs, at most
REFERENCE = 32  # the batch size whose training an amount is taken from, where none was given

_UNITS = {"s": "seconds", "second": "seconds", "epoch": "epochs", "update": "updates", "sample": "samples"}


@dataclass(frozen=True)
class EqualBudget:
    """In what settings are equal: a unit, and how much of it, or None where that is to be worked out."""

    unit: str
    amount: float | None


@dataclass(frozen=True)
class TrainingLength:
    """How long a setting is trained, and where it is read."""

    updates: int  # how many it makes
    eval_interval: int  # updates between two evaluations; the last update is evaluated, too
    points: tuple[int, ...]  # after which updates it is read


_AMOUNT = r"(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.\d+)?(?:[eE]\d+)?"
"""A number; commas set off thousands and nothing else."""


def parse_budget(budget: str) -> EqualBudget:
    """Read "epochs", "50epochs", "100000 samples", "2000updates", "2s".

    >>> parse_budget("epochs"), parse_budget("2.5s")
    (EqualBudget(unit='epochs', amount=None), EqualBudget(unit='seconds', amount=2.5))
    """
    match = re.fullmatch(rf"\s*({_AMOUNT})?\s*([a-z]+)\s*", str(budget))
    unit = "" if match is None else _UNITS.get(match[2], match[2])
    if match is None or unit not in ("epochs", "samples", "updates", "seconds"):
        raise Refusal(
            "`budget` must be epochs, samples, updates or seconds, with a number before it or without, "
            f'such as "50epochs" or "2s"; got "{budget}".'
        )
    if not match[1]:
        return EqualBudget(unit, None)
    amount = float(re.sub("[,_]", "", match[1]))
    if not (amount > 0 and math.isfinite(amount)) or (unit != "seconds" and amount != int(amount)):
        bound = "greater than 0" if unit == "seconds" else "a whole number, at least 1"
        raise Refusal(f'`budget` must have an amount that is {bound}; got "{budget}".')
    return EqualBudget(unit, amount)


def amount_of(budget: EqualBudget, plan: Plan, seconds: Callable[[int], float]) -> float:
    """How much of the unit each setting gets; where none was given, what batch size 32 takes for the epochs.

    `plan` is any on the training samples, with the requested epochs; `seconds` is the time of an update.

    >>> amount_of(EqualBudget("updates", None), Plan(200, "full", 10), lambda size: 1e-5)
    70.0
    """
    if budget.amount is not None:
        return budget.amount
    if budget.unit == "epochs":
        return float(plan.epochs)
    usual = plan.with_(batch_size=min(REFERENCE, plan.positions_per_epoch))
    if budget.unit == "samples":
        return float(usual.samples_after(usual.updates))
    if budget.unit == "updates":
        return float(usual.updates)
    return float(f"{usual.updates * seconds(int(usual.batch_size)):.2g}")


def lengths(
    budget: EqualBudget, amount: float, plans: Mapping[str, Plan], seconds: Mapping[str, float]
) -> dict[str, TrainingLength]:
    """How far each setting trains and where it is read.

    At equal epochs those of each plan count; `seconds` is the time of an update of each setting.

    >>> plans = {"8": Plan(64, 8, 10), "full": Plan(64, "full", 10)}
    >>> found = lengths(EqualBudget("epochs", None), 10, plans, {})
    >>> found["8"].updates, found["8"].eval_interval, found["full"].updates, found["full"].eval_interval
    (80, 2, 10, 1)
    """
    if budget.unit == "epochs":
        stride = math.ceil(max(plan.epochs for plan in plans.values()) / MAX_EVALUATIONS)
        return {name: _whole_epochs(plan, stride) for name, plan in plans.items()}
    if budget.unit == "updates":
        updates = dict.fromkeys(plans, int(amount))
    elif budget.unit == "samples":
        updates = {name: _updates_for(plan, amount) for name, plan in plans.items()}
    else:
        updates = {name: max(1, round(amount / seconds[name])) for name in plans}
    for name, many in updates.items():
        if many >= 2**31:
            raise Refusal(f"`budget` must mean fewer than 2^31 updates of a setting; {name} needs {many:,}.")
    count = min(EVALUATION_POINTS, *updates.values())
    return {name: _spread(total, count) for name, total in updates.items()}


def _whole_epochs(plan: Plan, stride: int) -> TrainingLength:
    """Read after every `stride` epochs, and evaluated in between where the batches divide evenly."""
    ends = [plan.first_update(epoch) for epoch in range(stride, plan.epochs + 1, stride)]
    if not ends or ends[-1] != plan.updates:
        ends.append(plan.updates)
    interval = _every(plan.first_update(min(stride, plan.epochs)), len(ends))
    return TrainingLength(plan.updates, interval, tuple(ends))


def _spread(total: int, count: int) -> TrainingLength:
    ends = tuple(round(total * number / count) for number in range(1, count + 1))
    return TrainingLength(total, _every(max(1, total // count), count), ends)


def _every(step: int, count: int) -> int:
    """Updates between evaluations: a part of those between two evaluation points, of at least two updates."""
    parts = (4, 5, 3, 2)
    fits = (one for one in parts if step % one == 0 and step >= 2 * one and count * one <= MAX_EVALUATIONS)
    return step // next(fits, 1)


def _updates_for(plan: Plan, samples: float) -> int:
    """The updates after which a plan has seen about so many samples."""
    if plan.remainder == "carry":
        return max(1, round(samples / plan.batch_size))
    epochs, rest = divmod(samples, plan.samples_after(plan.first_update(1)))
    return max(1, int(epochs) * plan.batches_in(0) + round(rest / plan.segments[0][1]))


def seen_after(plan: Plan, updates: int) -> tuple[float, int]:
    """(epochs, samples) that a plan has made after so many updates.

    >>> seen_after(Plan(8, 4, 1), 3)
    (1.5, 12)
    """
    long = plan.with_(epochs=updates // max(1, plan.positions_per_epoch // plan.batch_size) + 2)
    epoch, index = long.locate(updates)
    share = index / long.batches_in(epoch) if index else 0.0
    return epoch + share, long.samples_after(long.first_update(epoch) + index)


def budget_in_words(budget: EqualBudget, amount: float, epochs: Sequence[int]) -> str:
    """In what settings are equal, in words.

    >>> budget_in_words(EqualBudget("updates", None), 70.0, [10])
    '70 updates each, as many as batch size 32 makes in 10 epochs'
    """
    if budget.unit == "epochs":
        same = len(set(epochs)) == 1
        return f"{_counted(epochs[0], budget.unit)} each" if same else "its own epochs each"
    text = f"{_counted(amount, budget.unit)} each"
    if budget.unit == "seconds":
        text += " of training, by the measured time of an update"
    if budget.amount is None:
        text += f", as many as batch size {REFERENCE} makes in {_counted(epochs[0], 'epochs')}"
    return text


def _counted(amount: float, units: str) -> str:
    """An amount with its unit, such as "1 epoch"."""
    return f"{amount:,.12g} {units.removesuffix('s') if amount == 1 else units}"


MIN_FOR_JITTER = 6  # evaluation points in the second half of a curve


@dataclass(frozen=True)
class TrialScore:
    """One training at the evaluation point where it is read; all NaN if it diverged."""

    value: float
    epoch: float
    metrics: dict[str, float]


def score_trials(trials: Sequence[Trial], monitor: str, length: TrainingLength) -> list[TrialScore]:
    """The trainings of one setting, each at the evaluation point where the smoothed next one is best.

    At its own best one a training looks the better, the more its curve jumps. One alone chooses for itself.
    The points are the start and the evaluation points, each read at the evaluation nearest to it: all
    settings have as many, so one that is evaluated more often has no advantage.
    """
    sign = -1.0 if higher_is_better(monitor) else 1.0
    rows = [at_points(trial.curves, length) for trial in trials]
    values = np.full((len(trials), max(map(len, rows), default=0)), np.nan)
    for trial, own, line in zip(trials, rows, values, strict=True):
        if not trial.diverged:
            line[: len(own)] = sign * trial.curves.columns[monitor][own]
    values[~np.isfinite(values)] = np.nan
    sound = np.isfinite(values).any(axis=1)
    chosen = dict(zip(np.flatnonzero(sound), epochs_of_next(values[sound]), strict=True))
    names = dict.fromkeys(name for trial in trials for name in trial.curves.names)
    others = [name for name in names if name != monitor and not name.startswith("train.running")]
    scores = []
    for at, (trial, own) in enumerate(zip(trials, rows, strict=True)):
        if at in chosen:
            row = own[chosen[at]]
            metrics = {name: float(trial.curves.columns[name][row]) for name in others}
            value, epoch = float(trial.curves.columns[monitor][row]), float(trial.curves.epoch[row])
            scores.append(TrialScore(value, epoch, metrics))
        else:
            scores.append(TrialScore(math.nan, math.nan, dict.fromkeys(others, math.nan)))
    return scores


def at_points(curves: Curves, length: TrainingLength) -> Ints:
    """The rows at the start and nearest to each evaluation point, up to where the training ended."""
    updates = curves.update
    if not len(updates):
        return np.empty(0, np.int64)
    wanted = np.array([0, *length.points])
    wanted = wanted[wanted <= updates[-1]]
    after = np.minimum(np.searchsorted(updates, wanted), len(updates) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(wanted - updates[before] < updates[after] - wanted, before, after)
    return np.unique(nearer)


def jitter(trials: Sequence[Trial], monitor: str, length: TrainingLength) -> float:
    """The jitter of the second half of a curve: sd of its scatter around a local straight line.

    Second differences of white noise with variance s² have a variance of 6 s², and a straight line has none
    (Gasser, Sroka & Jennen-Steinmetz 1986). The median over trainings; NaN with fewer than 6 evaluation
    points.
    """
    found = []
    for trial in trials:
        values = trial.curves.columns[monitor][at_points(trial.curves, length)]
        late = values[len(values) // 2 :]
        if not trial.diverged and len(late) >= MIN_FOR_JITTER and np.isfinite(late).all():
            found.append(float(np.sqrt(np.mean(np.diff(late, 2) ** 2) / 6)))
    return float(np.median(found)) if found else math.nan
