"""The pilot: a tuned training at one batch size.

It finds a learning rate that works, the value that a tuned training reaches in each repeat, and the gradient
noise scale along the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from epochal.choose.search.search import FURTHEST, SCREEN, Point, Search
from epochal.choose.statistics.noise_measurement import NoiseOverTraining, during, over_training
from epochal.choose.statistics.noise_scale import NoiseScale
from epochal.choose.trials.trial import Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.metric_names import higher_is_better
from epochal.curves.statistics import Floats
from epochal.errors import Refusal
from epochal.plan import Plan

FIRST_UPDATES = 400  # a first look at a rate takes at least so many updates, and at least `FIRST_EPOCHS`
FIRST_EPOCHS = 20

NOISE_SAMPLES = 512  # most training samples whose gradients are measured
NOISE_LOOKS = 10  # how often along a training


@dataclass(frozen=True)
class Pilot:
    """The result of the pilot."""

    points: tuple[Point, ...]  # the tuned points that set the targets: the lowest of the best rates first
    trials: Mapping[Point, Mapping[int, Trial]]  # all trainings until nothing improved, by point and repeat
    edge: str  # in words, if the best rate is at the edge of those tried; else ""


MAX_BATCHES = 20_000  # most updates per epoch of a candidate batch size


def possible_sizes(plan: Plan) -> list[int]:
    """The candidate batch sizes that the plan's order can fill.

    >>> from epochal.plan import Stratified
    >>> possible_sizes(Plan(20, "full", 1, order=Stratified([0, 1, 2, 2] * 5)))
    [4, 8, 20]
    """
    found = []
    for size in candidate_sizes(plan.positions_per_epoch):
        with suppress(Refusal):
            found.append(int(plan.with_(batch_size=size).batch_size))
    return found


def candidate_sizes(samples: int) -> list[int]:
    """The candidate batch sizes: powers of two, and all samples.

    Without sizes with too many updates per epoch.

    >>> candidate_sizes(142), candidate_sizes(1_000_000)[0]
    ([1, 2, 4, 8, 16, 32, 64, 142], 64)
    """
    powers = [2**power for power in range(samples.bit_length()) if 2**power <= samples / 1.5]
    return [*(size for size in powers if samples / size <= MAX_BATCHES), samples]


def pilot_size(samples: int) -> int:
    """The batch size of the pilot: 32, or less where that leaves fewer than 8 updates an epoch.

    >>> pilot_size(60_000), pilot_size(142), pilot_size(3)
    (32, 16, 1)
    """
    return int(2 ** min(5, max(0, math.floor(math.log2(max(1, samples / 8))))))


def pilot(search: Search, batch_size: int, guess: float | None, repeats: Sequence[int]) -> Pilot:
    """Find a learning rate and the values it reaches.

    A first look at rates a factor of 4 apart, on a few repeats, goes on while the best one lies at the edge.
    Then the best one and its neighbors are trained on all repeats until nothing improves.
    """
    edge = ""
    if guess is None:
        near = [Point(batch_size, None)]
    else:
        best, edge = _first_look(search, batch_size, guess, repeats[:SCREEN])
        near = [Point(batch_size, best + offset) for offset in (-4, -2, 0, 2)]
    trials = long_trainings(search, near, repeats, "piloting")
    lowest = lowest_tied(search.runner, trials)
    around = [] if lowest.exponent is None else [lowest.exponent - 2, lowest.exponent + 2]
    beside = [Point(batch_size, exponent) for exponent in around]
    missing = [point for point in beside if point not in trials]
    trials |= long_trainings(search, missing, repeats, "piloting")
    return Pilot((lowest, *beside), trials, edge)


def _first_look(search: Search, batch_size: int, guess: float, repeats: Sequence[int]) -> tuple[float, str]:
    updates = min(
        max(FIRST_UPDATES, FIRST_EPOCHS * search.batches(batch_size)), search.max_updates(batch_size)
    )
    trials: dict[Point, dict[int, Trial]] = {}
    tried: list[float] = [guess + 4 * offset for offset in (-1, 0, 1, 2)]
    best = guess
    for _ in range(FURTHEST // 2):
        points = [Point(batch_size, one) for one in tried]
        new = [point for point in points if point not in trials]
        jobs = [
            (point, Job(search.candidate_of(point), repeat, updates, search.eval_interval(batch_size)))
            for repeat in repeats
            for point in new
        ]
        trials |= search.run_jobs("looking for a learning rate", jobs)
        best = _best(search.runner, trials).exponent or 0
        if min(tried) < best < max(tried):
            return best, ""
        tried = [*tried, min(tried) - 4 if best == min(tried) else max(tried) + 4]
    side = "lowest" if best == min(trials).exponent else "highest"
    return best, f"the best learning rate of the pilot was the {side} of {len(tried)} that were tried"


def long_trainings(
    search: Search, points: Sequence[Point], repeats: Sequence[int], phase: str
) -> dict[Point, dict[int, Trial]]:
    """Trainings of points until nothing improves any more.

    They take initial parameters and order from another repeat: what they reach on a split becomes its target,
    and no setting should meet a target that its own luck has set.
    """
    most, several = search.max_updates, search.runner.base.settings.repeats
    jobs = [
        (point, search.job(point, repeat, most(point.batch_size), seed_repeat=(repeat + 1) % several))
        for repeat in repeats
        for point in points
    ]
    return search.run_jobs(phase, jobs)


def _best(runner: TrialRunner, trials: Mapping[Point, Mapping[int, Trial]]) -> Point:
    """The point with the best mean; a training that diverged is worse than any that did not."""
    values = _values(runner, trials)
    means = {
        point: float(one.mean()) if np.isfinite(one).all() else math.inf for point, one in values.items()
    }
    return min(trials, key=means.__getitem__)


def _values(runner: TrialRunner, trials: Mapping[Point, Mapping[int, Trial]]) -> dict[Point, Floats]:
    """The best values of each point, by repeat; lower is better."""
    sign = -1.0 if higher_is_better(runner.monitor) else 1.0
    return {
        point: sign * np.array([found[repeat].best(runner.monitor) for repeat in sorted(found)])
        for point, found in trials.items()
    }


def lowest_tied(runner: TrialRunner, trials: Mapping[Point, Mapping[int, Trial]]) -> Point:
    """The lowest rate whose mean is within one standard error of the best, by pairs of repeats.

    Rates that are as good differ by luck: of several minima of noisy curves the lowest is the luckiest.
    The rule of one standard error (Breiman et al. 1984, section 3.4.3) takes the lowest of them.
    """
    best, values = _best(runner, trials), _values(runner, trials)

    def close(point: Point) -> bool:
        worse = values[point] - values[best]
        if len(worse) < 2 or not np.isfinite(worse).all():
            return point == best
        return bool(worse.mean() <= worse.std(ddof=1) / math.sqrt(len(worse)))

    return min((point for point in trials if close(point)), key=lambda point: point.exponent or 0)


def noise_along(search: Search, point: Point, updates: int, repeats: Sequence[int]) -> NoiseOverTraining:
    """The gradient noise scale along trainings of a point, over its first `updates` updates."""
    runner, candidate = search.runner, search.candidate_of(point)
    looked = []
    for repeat in repeats:
        job = Job(candidate, repeat, updates, search.eval_interval(point.batch_size))
        stack = runner.stack([job], fixed_updates_per_call=max(1, updates // NOISE_LOOKS))
        found: list[NoiseScale] = []
        while not stack.done:
            stack.advance()
            found += during(stack, samples=NOISE_SAMPLES)
        runner.add_updates(stack.update)
        looked.append(found)
    return over_training(looked)
