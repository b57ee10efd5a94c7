"""The search for the lowest error.

A tuned rate matters more than the batch size (Masters & Luschi 2018, arXiv 1804.07612; Shallue et al. 2019,
JMLR 20): so rates are tuned at the batch size of the pilot, a few other sizes are tried at rates scaled from
it, and the best few race on other seeds. The best epoch of a noisy curve is partly luck: so a setting is
compared after one number of epochs for all its repeats, the one at which they are best on average.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from epochal.choose.search.final_step import LATE, EpochAdvice, epoch_advice
from epochal.choose.search.pilot import Pilot
from epochal.choose.search.search import SCREEN, Point, Search, rate_shift
from epochal.choose.trials.target_values import baselines, negligible_change
from epochal.choose.trials.trial import Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.metric_names import higher_is_better
from epochal.curves import summarize
from epochal.curves.statistics import Floats, leave_one_out_epochs, t_quantile

FINALISTS = 4  # settings that race on the seeds of the check
ROUNDS = 2  # rounds of the race, each with as many seeds as the search has
LONGER = 1.5  # training length as a multiple of the epochs that were best for others, since it may need more
LARGE = 3.0  # the same for batches larger than the pilot's, whose epochs are cheap
FURTHER = 5  # fewest additional epochs

NONINFERIORITY_MARGIN = 0.01
"""The margin of non-inferiority, arbitrary: a setting is non-inferior if it is worse than the best by at most
this fraction of the best one's improvement over the baseline."""

ONE_SIDED = 0.95  # confidence that it is worse by no more than the margin


@dataclass
class EpochScores:
    """Trainings of points, and their values after a number of epochs."""

    monitor: str  # the monitored metric
    sign: float  # the factor that makes lower values better
    baseline: Mapping[int, float]  # the baseline by repeat; NaN if unknown
    min_delta: float  # the smallest change of the monitored metric that counts
    trials: dict[Point, dict[int, Trial]] = field(default_factory=dict)  # the trainings, by point and repeat

    def record(self, point: Point, trials: Mapping[int, Trial]) -> None:
        """Add trainings of a point."""
        self.trials[point] = dict(sorted({**self.trials.get(point, {}), **trials}.items()))

    def missing(self, point: Point, repeats: Iterable[int]) -> list[int]:
        """Repeats in which a point was not trained yet."""
        return [repeat for repeat in repeats if repeat not in self.trials.get(point, {})]

    def trained_repeats(self, point: Point, repeats: Sequence[int]) -> list[int]:
        """The repeats in which a point was trained; without any, all its repeats."""
        found = self.trials[point]
        return [repeat for repeat in repeats if repeat in found] or list(found)

    def diverged(self, point: Point, repeats: Iterable[int]) -> bool:
        """Whether a training did not stay finite."""
        found = self.trials[point]
        return any(found[repeat].diverged or not len(found[repeat].curves) for repeat in repeats)

    def matrix(self, point: Point, repeats: Sequence[int]) -> Floats:
        """The values after 1, 2, ... epochs, the lower the better; shape (repeats, epochs).

        Up to the median length of the trainings; a shorter one is padded with its last value.
        """
        curves = [self.trials[point][repeat].curves for repeat in repeats]
        last = [int(one.epoch[-1] + 1e-9) for one in curves]
        epochs = np.arange(1, max(1, math.ceil(float(np.median(last)))) + 1)
        rows = [np.searchsorted(one.epoch, epochs + 1e-9, side="right") - 1 for one in curves]
        return self.sign * np.array(
            [one.columns[self.monitor][row] for one, row in zip(curves, rows, strict=True)]
        )

    def epochs(self, point: Point, repeats: Sequence[int]) -> int:
        """The first number of epochs at which the mean is at its best, but for a negligible change."""
        mean = self.matrix(point, repeats).mean(axis=0)
        return int(np.argmax(mean <= mean.min() + self.min_delta)) + 1

    def leave_one_out_values(self, point: Point, repeats: Sequence[int]) -> Floats:
        """The value of each repeat after the epochs that the others choose; infinite if one diverged."""
        if self.diverged(point, repeats):
            return np.full(len(repeats), math.inf)
        values = self.matrix(point, repeats)
        found: Floats = values[np.arange(len(values)), leave_one_out_epochs(values)]
        return found

    def failures(self, point: Point, repeats: Sequence[int]) -> int:
        """Repeats that end worse than the baseline."""
        constant = self.sign * np.array([self.baseline[repeat] for repeat in repeats])
        return int((self.leave_one_out_values(point, repeats) > constant).sum())

    def ranked(self, points: Iterable[Point], repeats: Sequence[int]) -> list[Point]:
        """The points without a training that diverged, by their means, the best first.

        If some point never ended worse than the baseline, those that did are excluded.
        """
        whole = [
            point for point in points if not (self.missing(point, repeats) or self.diverged(point, repeats))
        ]
        failures = {point: self.failures(point, repeats) for point in whole}
        if 0 in failures.values():
            whole = [point for point in whole if not failures[point]]
        return sorted(whole, key=lambda point: float(self.leave_one_out_values(point, repeats).mean()))

    def worse(self, point: Point, best: Point, repeats: Sequence[int]) -> bool:
        """Whether a point is significantly worse than the best one, by pairs of repeats."""
        apart = summarize(
            self.leave_one_out_values(point, repeats) - self.leave_one_out_values(best, repeats)
        )
        return apart.ci95 is not None and apart.ci95[0] > 0

    def noninferior(self, points: Sequence[Point], repeats: Sequence[int]) -> list[Point]:
        """The first point and those that are non-inferior to it: worse by no more than the margin."""
        best = self.leave_one_out_values(points[0], repeats)
        constant = self.sign * np.array([self.baseline[repeat] for repeat in repeats])
        margin = NONINFERIORITY_MARGIN * max(float(np.mean(constant - best)), 0.0)
        if not math.isfinite(margin) or len(repeats) < 2:
            return [points[0]]
        half = t_quantile(ONE_SIDED, len(repeats) - 1) / math.sqrt(len(repeats))

        def close(point: Point) -> bool:
            apart = self.leave_one_out_values(point, repeats) - best
            return float(apart.mean() + half * apart.std(ddof=1)) <= margin

        return [points[0], *filter(close, points[1:])]

    def epoch_advice(self, point: Point, repeats: Sequence[int], most: int) -> EpochAdvice:
        """How long to train: the epochs at which the mean is best."""
        trials = {repeat: self.trials[point][repeat] for repeat in repeats}
        values = self.matrix(point, repeats)
        each = values <= values.min(axis=1, keepdims=True) + self.min_delta
        best = tuple(float(one) + 1 for one in each.argmax(axis=1))
        improving = tuple(
            most <= float(trial.curves.epoch[-1]) + 1e-9 and one >= LATE * most
            for one, trial in zip(best, trials.values(), strict=True)
        )
        late = 2 * sum(improving) >= len(improving)
        return epoch_advice(most if late else self.epochs(point, repeats), best, improving, trials)


def sizes_beside(sizes: Sequence[int], start: int) -> list[int]:
    """The batch sizes that are tried where quality is the goal: a factor of 4 apart, and the largest.

    >>> sizes_beside([1, 2, 4, 8, 16, 32, 64, 128, 256, 455], 32)
    [8, 32, 128, 455]
    """
    return sorted({size for size in sizes if size in (start // 4, start, 4 * start)} | {start, max(sizes)})


def lowest_error(
    search: Search,
    scores: EpochScores,
    pilot_points: Sequence[Point],
    sizes: Sequence[int],
    search_seeds: Sequence[int],
    check_seeds: Sequence[int],
    seconds: Callable[[int], float],
) -> tuple[list[Point], list[int]]:
    """Candidates in the order in which they are to be advised, and the seeds that ordered them.

    `pilot_points` are the tuned points of the pilot, the lowest of the best rates first; the search has not
    seen `check_seeds`.
    """
    screen = list(search_seeds[: max(SCREEN, 3)])
    lowest, start, exponent = pilot_points[0], pilot_points[0].batch_size, pilot_points[0].exponent
    enough = FURTHER if scores.diverged(lowest, search_seeds) else scores.epochs(lowest, search_seeds)
    for size in sizes:
        if size == start:
            continue
        points = [Point(size, None)]
        if exponent is not None:
            guess = exponent + rate_shift(search.runner.base.spec.optimizer.name, size, start)
            points = [Point(size, guess + offset) for offset in (-2, 0, 2)]
        epochs = max(enough + FURTHER, math.ceil(enough * (LARGE if size > start else LONGER)))
        _train(search, scores, dict.fromkeys(points, epochs), screen, "searching")
    racing = _finalists(scores.ranked(scores.trials, screen), pilot_points[0])
    if not racing:
        return [], screen
    used: list[int] = []
    for begin in range(0, min(len(check_seeds), ROUNDS * len(search_seeds)), len(search_seeds)):
        known = {point: scores.epochs(point, used or screen) for point in racing}
        epochs_of = {point: max(one + FURTHER, math.ceil(LONGER * one)) for point, one in known.items()}
        used += check_seeds[begin : begin + len(search_seeds)]
        _train(search, scores, epochs_of, used, "checking with other seeds")
        order = scores.ranked(racing, used)
        if not order:
            return [], used
        racing = [point for point in order if not scores.worse(point, order[0], used)]
        if len(racing) == 1:
            break
    order = scores.ranked(racing, used)
    noninferior = scores.noninferior(order, used)

    def takes(point: Point) -> float:
        return scores.epochs(point, used) * search.batches(point.batch_size) * seconds(point.batch_size)

    lead = min(noninferior, key=takes)
    return [lead, *(point for point in order if point != lead)], used


def scores_of(
    runner: TrialRunner, piloted: Pilot, search_seeds: Sequence[int], check_seeds: Sequence[int]
) -> EpochScores:
    """The trainings of the pilot, to be compared after a number of epochs."""
    scores = EpochScores(
        runner.monitor,
        -1.0 if higher_is_better(runner.monitor) else 1.0,
        baselines(runner, (*search_seeds, *check_seeds)),
        float(np.mean([negligible_change(runner, repeat) for repeat in search_seeds])),
    )
    for point, trials in piloted.trials.items():
        scores.record(point, trials)
    return scores


def _finalists(ranked: Sequence[Point], lowest: Point) -> list[Point]:
    """The best few, not more than two of a batch size, and the lowest of the pilot's best rates."""
    found: list[Point] = []
    for point in ranked:
        if sum(one.batch_size == point.batch_size for one in found) < 2:
            found.append(point)
        if len(found) == FINALISTS:
            break
    return found if lowest in found or lowest not in ranked else [*found[: FINALISTS - 1], lowest]


def _train(
    search: Search, scores: EpochScores, epochs_of: Mapping[Point, int], repeats: Sequence[int], phase: str
) -> None:
    jobs = []
    for point, epochs in epochs_of.items():
        batches, candidate = search.batches(point.batch_size), search.candidate_of(point)
        most = min(epochs * batches, search.max_updates(point.batch_size))
        jobs += [(point, Job(candidate, repeat, most, batches)) for repeat in scores.missing(point, repeats)]
    for point, trials in search.run_jobs(phase, jobs).items():
        scores.record(point, trials)
