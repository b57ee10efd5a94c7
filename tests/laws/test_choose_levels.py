"""Is a setting judged after epochs that others chose, and are ties accepted only within a margin?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from epochal.choose.search.quality_search import NONINFERIORITY_MARGIN, EpochScores, sizes_beside
from epochal.choose.search.search import Point
from epochal.choose.trials.trial import DIVERGED, Trial
from epochal.curves import Curves

A, B, C = Point(32, -6), Point(32, -4), Point(8, -8)


def trial(repeat: int, losses: Sequence[float], reason: str = "") -> Trial:
    """A training that was evaluated at its start and once an epoch."""
    at = np.arange(len(losses))
    columns = {"validation.loss": np.array(losses, dtype=float)}
    curves = Curves(np.full(len(at), repeat), at * 1.0, at * 10, at * 320, at * 1e-3, columns)
    return Trial("one", repeat, curves, int(at[-1] * 10), 0.0, reason)


def scores(
    found: dict[Point, Sequence[Sequence[float]]], baseline: float = 1.0, sign: float = 1.0
) -> EpochScores:
    several = max(map(len, found.values()))
    made = EpochScores("validation.loss", sign, dict.fromkeys(range(several), baseline), 0.0)
    for point, curves in found.items():
        made.record(point, {repeat: trial(repeat, losses) for repeat, losses in enumerate(curves)})
    return made


def ends(point_values: Sequence[float]) -> list[list[float]]:
    """Trainings of one epoch with these values."""
    return [[1.0, value] for value in point_values]


def test_a_lucky_moment_does_not_count() -> None:
    """A noisy setting has the lower minima, a steady one the lower mean: negative control within."""
    random = np.random.default_rng(0)
    noisy = [[1.0, *(0.5 + random.normal(0, 0.1, 30))] for _ in range(60)]
    steady = [[1.0, *(0.45 + random.normal(0, 0.005, 30))] for _ in range(60)]
    made = scores({A: noisy, B: steady})
    assert np.mean([min(one) for one in noisy]) < np.mean([min(one) for one in steady])
    assert made.ranked([A, B], range(60))[0] == B
    assert made.leave_one_out_values(A, range(60)).mean() == pytest.approx(0.5, abs=0.045)


def test_the_epochs_are_those_of_the_best_mean() -> None:
    made = scores({A: [[1, 0.5, 0.2, 0.6], [1, 0.4, 0.3, 0.2]]})
    assert made.epochs(A, [0, 1]) == 2
    advice = made.epoch_advice(A, [0, 1], 100)
    assert (advice.epochs, advice.best, advice.improving) == (2, (2.0, 3.0), (False, False))
    late = made.epoch_advice(A, [0, 1], 3)
    assert late.improving == (False, True) and math.isinf(late.high) and late.epochs == 3


def test_one_that_ended_before_keeps_its_last_value() -> None:
    made = scores({A: [[1, 0.5, 0.4], [1, 0.5, 0.4, 0.3, 0.2], [1, 0.5, 0.4, 0.3, 0.2]]})
    assert made.matrix(A, [0, 1, 2]).tolist()[0] == [0.5, 0.4, 0.4, 0.4]


def test_what_diverged_or_was_once_worse_than_the_baseline_is_out() -> None:
    made = scores({A: ends([0.1, 0.1, 1.2]), B: ends([0.5, 0.5, 0.5]), C: ends([0.3, 0.3, 0.3])})
    assert made.ranked([A, B, C], range(3)) == [C, B], "A has the lowest of all, and 1 of 3 worse"
    made.record(C, {1: trial(1, [1.0, 0.3], DIVERGED)})
    assert made.ranked([A, B, C], range(3)) == [B]
    weak = scores({A: ends([0.9, 1.1]), B: ends([0.95, 1.1])})
    assert weak.ranked([A, B], range(2)) == [A, B], "where all have some, the mean decides"


def test_ties_are_within_the_margin_only() -> None:
    """Not told apart is not as good: with much noise between the pairs nothing is accepted."""
    random = np.random.default_rng(1)
    split = random.normal(0, 0.1, 20)
    best = list(0.5 + split)
    near = list(0.5 + split + 0.3 * NONINFERIORITY_MARGIN * 0.5)
    far = list(0.5 + split + 3 * NONINFERIORITY_MARGIN * 0.5)
    unclear = list(0.5 + split + random.normal(0, 0.1, 20))
    made = scores({A: ends(best), B: ends(near), C: ends(far), Point(128, 0): ends(unclear)})
    assert made.noninferior([A, B, C, Point(128, 0)], range(20)) == [A, B]
    assert not made.worse(Point(128, 0), A, range(20)), "and yet no difference was found"
    assert made.worse(C, A, range(20))


def test_higher_is_better_turns_the_sign() -> None:
    made = scores({A: ends([0.8, 0.9]), B: ends([0.7, 0.75])}, baseline=0.5, sign=-1.0)
    assert made.ranked([A, B], range(2)) == [A, B] and made.failures(A, range(2)) == 0


def test_sizes_are_few() -> None:
    assert sizes_beside([1, 2, 4, 8, 16, 32, 64, 128, 256, 455], 32) == [8, 32, 128, 455]
    assert sizes_beside([80], 80) == [80]
