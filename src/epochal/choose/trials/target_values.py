"""The target that counts as "as good as the best", and the cost of reaching it.

Splits differ in difficulty, so each repeat has its own target: from the best value that a tuned training
reached there, a small share of the way back to the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from epochal.choose.statistics.time_to_target import Reached, first_reached
from epochal.choose.trials.trial import Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.metric_names import constant_of, higher_is_better
from epochal.curves.statistics import Floats
from epochal.errors import Refusal
from epochal.training.baselines import baseline_metrics

TOLERANCE, MAX_TOLERANCE = 0.03, 0.1
"""How far from the best a value may be to count as reached, as a share of the way to the baseline: the lowest
and the highest; between them the luck of a single training decides (`tolerance_of`)."""

NEGLIGIBLE = 0.002
"""An improvement by less than this share of the distance from the baseline to a perfect value counts as none:
else a training on easy data would never run out of patience."""

LUCK = 2.0  # standard deviations of luck that a value may be away from the best


def check_target_value(value: float | None) -> None:
    """Refuse what no metric can reach."""
    if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
        raise Refusal(
            f"`target_value` must be a finite number; got {value!r}. Leave it out to have one chosen."
        )


def cost_of(goal: str, seconds: Callable[[int], float]) -> Callable[[int], float]:
    """The cost of one update at a batch size: in seconds, samples or updates.

    >>> cost_of("samples", lambda size: 1e-5)(32)
    32.0
    """
    return {"samples": float, "updates": lambda size: 1.0}.get(goal, seconds)


def baseline(runner: TrialRunner, repeat: int) -> float:
    """The baseline in the monitored metric; NaN where it is not known."""
    part, _, name = runner.monitor.partition(".")
    if part != "validation":
        return math.nan
    repeat = 0 if runner.base.same_samples else repeat
    if repeat not in runner.baselines:
        runner.baselines[repeat] = baseline_metrics(runner.base, repeat, {name}).get(name, math.nan)
    return runner.baselines[repeat]


def baselines(runner: TrialRunner, repeats: Iterable[int]) -> dict[int, float]:
    """The baseline of each repeat."""
    return {repeat: baseline(runner, repeat) for repeat in repeats}


def refuse_easy_target(runner: TrialRunner, target_value: float | None, repeats: Sequence[int]) -> None:
    """A target that takes no training says nothing about settings."""
    if target_value is None:
        return
    up = higher_is_better(runner.monitor)
    constant = list(baselines(runner, repeats).values())
    if all(value >= target_value if up else value <= target_value for value in constant):
        raise Refusal(
            f"target {target_value:g} must be better than the baseline ({constant_of(runner.monitor)}), "
            f"which has {np.mean(constant):.3g} ({runner.monitor}); give a {'higher' if up else 'lower'} one."
        )


def negligible_change(runner: TrialRunner, repeat: int) -> float:
    """The change of the monitored metric that is too small to count in a repeat."""
    constant = baseline(runner, repeat)
    if not math.isfinite(constant):
        return 0.0
    perfect = 1.0 if higher_is_better(runner.monitor) else 0.0
    return NEGLIGIBLE * abs(constant - perfect)


def best_epoch(trial: Trial, monitor: str, min_delta: float) -> float:
    """The first epoch that was as good as the best one, but for a change below `min_delta`."""
    sign = -1.0 if higher_is_better(monitor) else 1.0
    values = sign * trial.curves.columns[monitor]
    good = values <= np.nanmin(np.where(np.isfinite(values), values, np.nan)) + min_delta
    return float(trial.curves.epoch[np.argmax(good)])


def tolerance_of(best: Floats, constant: Floats) -> float:
    """How far from the best still is as good as the best.

    Two trainings on the same split differ by the luck of their initial parameters and order: its standard
    deviation, left over when the means of settings and of splits are taken out, is no difference between
    settings. A target that asks for more than luck allows would measure how often one is lucky. It is a share
    of the distance from the best values, shape (settings, repeats), to the baseline, and lies between
    `TOLERANCE` and `MAX_TOLERANCE`.

    >>> round(tolerance_of(np.array([[0.10, 0.30], [0.12, 0.28]]), np.array([1.0, 1.0])), 3)
    0.05
    """
    settings, repeats = best.shape
    distance = float(np.mean(np.abs(constant - np.median(best, axis=0))))
    if settings < 2 or repeats < 2 or not distance > 0 or not np.isfinite(best).all():
        return TOLERANCE
    rest = best - best.mean(axis=0) - best.mean(axis=1, keepdims=True) + best.mean()
    luck = math.sqrt(float((rest**2).sum()) / ((settings - 1) * (repeats - 1)))
    return min(MAX_TOLERANCE, max(TOLERANCE, LUCK * luck / distance))


def target_values(
    best: Mapping[int, float],
    constant: Mapping[int, float],
    tolerance: float = TOLERANCE,
    higher_is_better: bool = False,
) -> dict[int, float]:
    """The value that counts as reached in each repeat.

    It lies a share of the way from the best value that a tuned training reached to the baseline; where that
    is not known or no worse, a share of the best value itself.

    >>> target_values({0: 0.1, 1: 0.2}, {0: 1.1, 1: 1.2}, tolerance=0.05)
    {0: 0.15000000000000002, 1: 0.25}
    """
    sign = -1.0 if higher_is_better else 1.0
    found = {}
    for repeat, value in best.items():
        distance = sign * (constant[repeat] - value)
        found[repeat] = value + sign * tolerance * (distance if distance > 0 else abs(value))
    return found


def reached_in(trial: Trial, monitor: str, target_value: float, spent: int | None = None) -> Reached:
    """When a training reached a target.

    One that diverged counts with `spent` updates, by default its own.
    """
    if trial.diverged:
        return Reached(float(trial.updates if spent is None else spent), False)
    # The engine compares float32 numbers: a target that it has seen reached counts as reached here.
    values, goal = trial.curves.columns[monitor], float(np.float32(target_value))
    return first_reached(trial.curves.update, values, goal, higher_is_better(monitor))
