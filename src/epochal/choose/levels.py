"""The best setting after a number of epochs that other trainings chose.

The best epoch of a noisy curve is partly luck. So a setting is judged after one number of epochs for all its
repeats: the one at which they are best on average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from epochal.choose.confirm import LATE, Lengths
from epochal.choose.finals import epochs_of_others
from epochal.choose.search import Point
from epochal.choose.trial import Trial
from epochal.curves import summarize

Floats = NDArray[np.float64]

MARGIN = 0.01
"""The margin of equivalence (Schuirmann 1987), arbitrary: a setting is as good as the best one if it is worse
by no more than this share of what the best one gains on the baseline."""

ONE_SIDED = 0.95
"""Confidence that it is worse by no more than the margin."""


@dataclass
class Levels:
    """Trainings of points, and their values after a number of epochs.

    column    the judged one.
    sign      the factor that makes lower values better.
    baseline  the baseline by repeat; NaN if unknown.
    change    a change of the judged column that is too small to count.
    found     the trainings, by point and repeat.
    """

    column: str
    sign: float
    baseline: Mapping[int, float]
    change: float
    found: dict[Point, dict[int, Trial]] = field(default_factory=dict)

    def learn(self, point: Point, trials: Mapping[int, Trial]) -> None:
        """Add trainings of a point."""
        held = self.found.setdefault(point, {})
        held |= trials
        self.found[point] = dict(sorted(held.items()))

    def missing(self, point: Point, repeats: Iterable[int]) -> list[int]:
        """Repeats in which a point was not trained yet."""
        return [repeat for repeat in repeats if repeat not in self.found.get(point, {})]

    def seen(self, point: Point, repeats: Sequence[int]) -> list[int]:
        """The repeats in which a point was trained; without any, all its repeats."""
        found = self.found[point]
        return [repeat for repeat in repeats if repeat in found] or list(found)

    def broken(self, point: Point, repeats: Iterable[int]) -> bool:
        """Whether a training did not stay finite."""
        found = self.found[point]
        return any(found[repeat].broken or not len(found[repeat].curves) for repeat in repeats)

    def matrix(self, point: Point, repeats: Sequence[int]) -> Floats:
        """The values after 1, 2, ... epochs, the lower the better; shape (repeats, epochs).

        As far as half of the trainings went; one that ended before keeps its last value.
        """
        curves = [self.found[point][repeat].curves for repeat in repeats]
        last = [int(one.epoch[-1] + 1e-9) for one in curves]
        epochs = np.arange(1, max(1, math.ceil(float(np.median(last)))) + 1)
        rows = [np.searchsorted(one.epoch, epochs + 1e-9, side="right") - 1 for one in curves]
        return self.sign * np.array(
            [one.columns[self.column][row] for one, row in zip(curves, rows, strict=True)]
        )

    def epochs(self, point: Point, repeats: Sequence[int]) -> int:
        """The first number of epochs at which the mean is at its best, but for a negligible change."""
        mean = self.matrix(point, repeats).mean(axis=0)
        return int(np.argmax(mean <= mean.min() + self.change)) + 1

    def by_others(self, point: Point, repeats: Sequence[int]) -> Floats:
        """The value of each repeat after the epochs that the others choose; infinite if one broke."""
        if self.broken(point, repeats):
            return np.full(len(repeats), math.inf)
        values = self.matrix(point, repeats)
        found: Floats = values[np.arange(len(values)), epochs_of_others(values)]
        return found

    def failures(self, point: Point, repeats: Sequence[int]) -> int:
        """Repeats that end worse than the baseline."""
        constant = self.sign * np.array([self.baseline[repeat] for repeat in repeats])
        return int((self.by_others(point, repeats) > constant).sum())

    def ranked(self, points: Iterable[Point], repeats: Sequence[int]) -> list[Point]:
        """The points without a training that broke, by their means, the best first.

        One that ended worse than the baseline in any repeat is out where another one never did.
        """
        whole = [
            point for point in points if not self.missing(point, repeats) and not self.broken(point, repeats)
        ]
        failures = {point: self.failures(point, repeats) for point in whole}
        if 0 in failures.values():
            whole = [point for point in whole if not failures[point]]
        return sorted(whole, key=lambda point: float(self.by_others(point, repeats).mean()))

    def worse(self, point: Point, best: Point, repeats: Sequence[int]) -> bool:
        """Whether a point is significantly worse than the best one, by pairs of repeats."""
        apart = summarize(self.by_others(point, repeats) - self.by_others(best, repeats))
        return apart.ci95 is not None and apart.ci95[0] > 0

    def equivalent(self, points: Sequence[Point], repeats: Sequence[int]) -> list[Point]:
        """The points that are as good as the first, within the margin."""
        from scipy.special import stdtrit  # late: importing SciPy is slower than most calls

        best = self.by_others(points[0], repeats)
        constant = self.sign * np.array([self.baseline[repeat] for repeat in repeats])
        margin = MARGIN * max(float(np.mean(constant - best)), 0.0)
        if not math.isfinite(margin) or len(repeats) < 2:
            return [points[0]]
        half = float(stdtrit(len(repeats) - 1, ONE_SIDED)) / math.sqrt(len(repeats))
        found = [points[0]]
        for point in points[1:]:
            apart = self.by_others(point, repeats) - best
            if float(apart.mean() + half * apart.std(ddof=1)) <= margin:
                found.append(point)
        return found

    def lengths(self, point: Point, repeats: Sequence[int], most: int) -> Lengths:
        """Training lengths: the epochs at which the mean is best."""
        trials = {repeat: self.found[point][repeat] for repeat in repeats}
        values = self.matrix(point, repeats)
        each = values <= values.min(axis=1, keepdims=True) + self.change
        best = tuple(float(one) + 1 for one in each.argmax(axis=1))
        epochs = self.epochs(point, repeats)
        low, high = np.percentile(best, [10, 90], method="inverted_cdf").tolist()
        improving = tuple(
            most <= float(trial.curves.epoch[-1]) + 1e-9 and one >= LATE * most
            for one, trial in zip(best, trials.values(), strict=True)
        )
        if 2 * sum(improving) >= len(improving):
            return Lengths(most, min(low, most), math.inf, best, improving, trials)
        return Lengths(epochs, min(low, epochs), max(high, epochs), best, improving, trials)
