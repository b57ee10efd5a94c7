"""The trainings of one setting, as judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from epochal.choose.fairness import Length
from epochal.choose.goal import reached_in
from epochal.choose.reached import Reached
from epochal.choose.trial import Trial
from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves

SHORTEST = 6
"""Checkpoints in the second half of a curve that its unsteadiness needs."""


@dataclass(frozen=True)
class Judged:
    """One training at its best checkpoint; all NaN if it broke.

    value    of the judged column.
    epoch    of that checkpoint.
    figures  the other columns there.
    """

    value: float
    epoch: float
    figures: dict[str, float]


def judge_trial(trial: Trial, column: str, length: Length) -> Judged:
    """The best of the start and the checkpoints, each read at the evaluation nearest to it.

    All settings have as many checkpoints, so one that is evaluated more often has no advantage.
    """
    others = [name for name in trial.curves.names if name != column and not name.startswith("train.running")]
    rows = at_checkpoints(trial.curves, length)
    values = trial.curves.columns[column][rows]
    known = np.isfinite(values)
    if trial.broken or not known.any():
        return Judged(math.nan, math.nan, dict.fromkeys(others, math.nan))
    sign = -1.0 if higher_is_better(column) else 1.0
    row = rows[int(np.argmin(np.where(known, sign * values, np.inf)))]
    figures = {name: float(trial.curves.columns[name][row]) for name in others}
    return Judged(float(trial.curves.columns[column][row]), float(trial.curves.epoch[row]), figures)


def at_checkpoints(curves: Curves, length: Length) -> NDArray[np.int64]:
    """The rows at the start and nearest to each checkpoint, up to where the training ended."""
    updates = curves.update
    if not len(updates):
        return np.empty(0, np.int64)
    wanted = np.array([0, *length.checkpoints])
    wanted = wanted[wanted <= updates[-1]]
    after = np.minimum(np.searchsorted(updates, wanted), len(updates) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(wanted - updates[before] < updates[after] - wanted, before, after)
    return np.unique(nearer)


def reached_by(trial: Trial, column: str, target: float) -> Reached:
    """When a training reached its target, by all of its evaluations."""
    if not len(trial.curves) or not math.isfinite(target):
        return Reached(float(trial.updates), False)
    return reached_in(trial, column, target, spent=max(trial.updates, 1))


def unsteadiness(trials: Sequence[Trial], column: str, length: Length) -> float:
    """How unsteady the second half of a curve is: sd of its scatter around a local straight line.

    Second differences of white noise with variance s² have a variance of 6 s², and a straight line has none
    (Gasser, Sroka & Jennen-Steinmetz 1986). The median over trainings; NaN with fewer than 6 checkpoints.
    """
    found = []
    for trial in trials:
        values = trial.curves.columns[column][at_checkpoints(trial.curves, length)]
        late = values[len(values) // 2 :]
        if not trial.broken and len(late) >= SHORTEST and np.isfinite(late).all():
            found.append(float(np.sqrt(np.mean(np.diff(late, 2) ** 2) / 6)))
    return float(np.median(found)) if found else math.nan
