"""Search of batch size and learning rate with short trainings.

A pattern search on a grid of batch sizes (powers of two and the full batch) and rates (powers of the square
root of two). The cost of a point is measured on the same repeats for all points. A training ends at its
target, or at a limit: a multiple of what the best point so far needs in half of its trainings (adaptive
capping, Hutter et al. 2009, ParamILS, section 4). So a point that is much worse costs little to reject, and
one training that never gets there does not outweigh all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from epochal.choose.statistics.time_to_target import Reached, running_time_ratio
from epochal.choose.trials.target_values import negligible_change, reached_in
from epochal.choose.trials.trial import Candidate, Job, Send, Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.metric_names import higher_is_better
from epochal.errors import Refusal

CAP = 4.0  # how many times the lowest median cost a training may cost
SCREEN = 4  # repeats of the first measurement of a point

HOPELESS = 1.6
"""A point whose cost on the first repeats is so many times the best is not measured on the others."""

FURTHEST = 12  # factors of 2 that a search for the rate may take in one direction


@dataclass(frozen=True, order=True)
class Point:
    """A point of the searched grid: batch size, learning rate 2 ** (exponent / 2) or None for a fixed one."""

    batch_size: int
    exponent: float | None


@dataclass(frozen=True)
class TrialResult:
    """The result of one training of a point: when it reached its target, and the best value."""

    reached: Reached
    best: float

    @property
    def diverged(self) -> bool:
        """Whether its loss did not stay finite."""
        return math.isnan(self.best)


def rate_at(exponent: float) -> float:
    """The learning rate 2 ** (exponent / 2), with two digits.

    >>> rate_at(-6), rate_at(-7)
    (0.12, 0.088)
    """
    return float(f"{2.0 ** (exponent / 2):.2g}")


def rate_shift(optimizer: str, batch_size: int, near: int) -> int:
    """The guessed difference of the exponents of two batch sizes.

    >>> rate_shift("sgd", 128, 32), rate_shift("adam", 128, 32)
    (4, 2)
    """
    return 2 * round(rate_power(optimizer) * math.log2(batch_size / near))


def rate_power(optimizer: str) -> float:
    """The power of the batch size with which the first guess of a learning rate grows.

    Linear for plain gradients (Goyal et al. 2017), by the square root where gradients are normalized
    (Krizhevsky 2014, Hoffer et al. 2017); neither holds everywhere, so a search only begins there.
    """
    return 1.0 if optimizer in ("sgd", "momentum", "nesterov", "lars") else 0.5


def exponent_of(rate: float) -> int:
    """The even exponent nearest to a rate.

    >>> rate_at(exponent_of(0.001))
    0.00098
    """
    return 2 * round(math.log2(rate))


@dataclass
class Search:
    """The state of a search."""

    runner: TrialRunner
    candidate: Candidate  # common to all points
    goal: str  # one of `advice.GOALS`: the quantity to minimize
    cost: Callable[[int], float]  # what an update costs at a batch size, in the unit of the goal
    max_updates: Callable[[int], int]  # a training makes at most so many, by batch size
    patience: Callable[[int], float]  # epochs without improvement after which a training ends, by batch size
    run: Send  # sends the jobs of a phase out and yields their trials
    per_epoch: int = 1  # evaluations in an epoch, where a batch size allows; each is a chance for a lucky one
    target_values: dict[int, float] = field(default_factory=dict)  # what counts as reached, by repeat
    results: dict[Point, dict[int, TrialResult]] = field(default_factory=dict)  # the measurements

    def candidate_of(self, point: Point) -> Candidate:
        """The setting of a point."""
        if point.exponent is None:
            return self.candidate.with_(f"batch {point.batch_size}", batch_size=point.batch_size)
        rate = rate_at(point.exponent)
        name = f"batch {point.batch_size}, rate {rate:g}"
        return self.candidate.with_(name, batch_size=point.batch_size, learning_rate=rate)

    def rate_of(self, point: Point) -> float | None:
        """The learning rate of a point; None for an object that has its own."""
        given, exponent = self.runner.base.spec.optimizer.learning_rate, point.exponent
        return given if exponent is None else rate_at(exponent)

    def batches(self, batch_size: int) -> int:
        """Updates of an epoch."""
        return -(-self.runner.base.plan.positions_per_epoch // batch_size)

    def eval_interval(self, batch_size: int) -> int:
        """Updates between two evaluations: the same part of an epoch for all batch sizes."""
        return max(1, self.batches(batch_size) // self.per_epoch)

    def job(
        self,
        point: Point,
        repeat: int,
        updates: int,
        target_value: float | None = None,
        seed_repeat: int | None = None,
    ) -> Job:
        """A training of a point that ends at the target, or when nothing improves."""
        candidate, size = self.candidate_of(point), point.batch_size
        interval, patience = self.eval_interval(size), self.patience(size)
        change = negligible_change(self.runner, repeat)
        return Job(candidate, repeat, updates, interval, target_value, patience, change, seed_repeat)

    def limit(self) -> float:
        """What a training may cost, in the unit of the cost; infinite as long as nothing got there."""

        def median(point: Point) -> float:
            reached = [one.reached for one in self.results[point].values()]
            spent = [one.updates if one.reached else math.inf for one in reached]
            return float(np.median(spent)) * self.cost(point.batch_size)

        medians = [median(point) for point, found in self.results.items() if len(found) >= SCREEN]
        return CAP * min(medians, default=math.inf)

    def measure(self, points: Iterable[Point], repeats: Sequence[int]) -> None:
        """Train missing repeats of points, each of which must have a target."""
        jobs, limit = list[tuple[Point, Job]](), self.limit()
        for point in dict.fromkeys(points):
            most = self.max_updates(point.batch_size)
            if math.isfinite(limit):
                most = min(most, max(8, math.ceil(limit / self.cost(point.batch_size))))
            missing = [repeat for repeat in repeats if repeat not in self.results.get(point, {})]
            jobs += [(point, self.job(point, repeat, most, self.target_values[repeat])) for repeat in missing]
        trials = self.run_jobs("searching", jobs)
        for point, job in jobs:  # in the requested order, whichever ended first
            self.record(point, trials[point][job.repeat], job.updates)

    def run_jobs(self, phase: str, jobs: Sequence[tuple[Point, Job]]) -> dict[Point, dict[int, Trial]]:
        """The trials of jobs by point and repeat."""
        points = {job.candidate.name: point for point, job in jobs}
        trials: dict[Point, dict[int, Trial]] = {point: {} for point, _ in jobs}
        for trial in self.run(phase, [job for _, job in jobs]):
            trials[points[trial.candidate_name]][trial.repeat] = trial
        # Sums over repeats are of floats: what comes first must not depend on what ended first.
        return {point: dict(sorted(found.items())) for point, found in trials.items()}

    def record(self, point: Point, trial: Trial, most: int) -> None:
        """Record the result of a training; a diverged one counts as having spent `most`."""
        reached = reached_in(trial, self.runner.monitor, self.target_values[trial.repeat], most)
        self.results.setdefault(point, {})[trial.repeat] = TrialResult(
            reached, trial.best(self.runner.monitor)
        )

    def score(self, point: Point, repeats: Sequence[int]) -> float:
        """The expected cost of a point over repeats; lower is better."""
        reached = self.reached(point, repeats)
        hits = sum(one.reached for one in reached)
        spent = sum(one.updates for one in reached)
        return spent * self.cost(point.batch_size) / hits if hits else math.inf

    def reached(self, point: Point, repeats: Sequence[int]) -> list[Reached]:
        """When the trainings of a point reached their targets, within the limit, the same for all points."""
        most = self.limit() / self.cost(point.batch_size)
        reached = (self.results[point][repeat].reached for repeat in repeats)
        return [one if one.updates <= most else Reached(most, False) for one in reached]

    def against(self, point: Point, other: Point, repeats: Sequence[int]) -> tuple[float, float]:
        """The ratio of two costs on the same repeats, minus 1: (low end of the interval, estimate)."""
        costs = self.cost(point.batch_size), self.cost(other.batch_size)
        ratio, low, _ = running_time_ratio(self.reached(point, repeats), self.reached(other, repeats), *costs)
        return low - 1, ratio - 1

    def best(self, points: Iterable[Point], repeats: Sequence[int]) -> Point:
        """The point with the lowest score among those measured on all these repeats.

        Where none reached its target, the one with the best values; of equal ones the lowest rate.
        """
        whole = [point for point in points if set(repeats) <= set(self.results.get(point, {}))]

        def rank(point: Point) -> tuple[float, float, float]:
            values = np.array([self.results[point][repeat].best for repeat in repeats])
            sign = -1.0 if higher_is_better(self.runner.monitor) else 1.0
            mean = float(sign * values.mean()) if np.isfinite(values).all() else math.inf
            return self.score(point, repeats), mean, point.exponent or 0

        return min(whole, key=rank)

    def tune(self, batch_size: int, guess: float | None, repeats: Sequence[int]) -> Point:
        """The best rate at a batch size, to a factor of 2: outwards from a guess until worse on both sides.

        A few repeats screen; only what is near the best is measured on all.
        """
        if guess is None:
            point = Point(batch_size, None)
            self.measure([point], repeats)
            return point
        screen = list(repeats[:SCREEN])
        tried: dict[float, Point] = {one: Point(batch_size, one) for one in (guess - 2, guess, guess + 2)}
        self.measure(tried.values(), screen)
        for _ in range(FURTHEST):
            best = self.best(tried.values(), screen)
            assert best.exponent is not None
            low, high = min(tried), max(tried)
            if low < best.exponent < high:
                break
            beyond = low - 2 if best.exponent == low else high + 2
            tried[beyond] = Point(batch_size, beyond)
            self.measure([tried[beyond]], screen)
        best = self.best(tried.values(), screen)
        lowest = self.score(best, screen)
        if math.isinf(lowest):
            if math.isinf(self.limit()):
                self.measure([best], repeats)
            return best
        assert best.exponent is not None
        near = [tried[best.exponent + offset] for offset in (-2, 0, 2) if best.exponent + offset in tried]
        near = [point for point in near if self.score(point, screen) <= HOPELESS * lowest]
        self.measure(near, repeats)
        return self.best(near, repeats)


def refuse_far_target(search: Search, target_value: float | None, epochs: int) -> NoReturn:
    """Say that no setting reached the target, and how far the best came."""
    values = [one.best for found in search.results.values() for one in found.values()]
    up = higher_is_better(search.runner.monitor)
    finite = [value for value in values if math.isfinite(value)]
    best = f"{(max if up else min)(finite):.3g}" if finite else "none was finite"
    what = "the target" if target_value is None else f"target {target_value:g}"
    raise Refusal(
        f"{what} was not reached by any setting within {epochs:,} epochs, or until nothing "
        f"improved; best {best} ({search.runner.monitor}, of all trainings). Give a target within reach."
    )
