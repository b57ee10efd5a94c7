"""The search for the lowest error.

A tuned rate matters more than the batch size (Masters & Luschi 2018, arXiv 1804.07612; Shallue et al. 2019,
JMLR 20): so rates are tuned at the batch size of the pilot, a few other sizes are tried at rates scaled from
it, and the best few race on fresh seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from epochal.choose.bench import Bench
from epochal.choose.goal import baseline, negligible
from epochal.choose.levels import Levels
from epochal.choose.pilot import Pilot
from epochal.choose.search import SCREEN, Point, Search, rate_shift
from epochal.choose.trial import Job, Send, Trial
from epochal.common.metric_names import higher_is_better

FINALISTS = 4
"""Settings that race on fresh seeds."""

ROUNDS = 2
"""Rounds of fresh seeds, each with as many as the search has."""

LONGER = 1.5
"""Training length as a multiple of the epochs that were best for others, since it may need more."""

LARGE = 3.0
"""The same for batches larger than the pilot's, whose epochs are cheap."""

FURTHER = 5
"""Fewest additional epochs."""


def sizes_beside(sizes: Sequence[int], start: int) -> list[int]:
    """The batch sizes that are tried where quality is the goal: a factor of 4 apart, and the largest.

    >>> sizes_beside([1, 2, 4, 8, 16, 32, 64, 128, 256, 455], 32)
    [8, 32, 128, 455]
    """
    return sorted({size for size in sizes if size in (start // 4, start, 4 * start)} | {start, max(sizes)})


def finest(
    search: Search,
    levels: Levels,
    reference: Sequence[Point],
    sizes: Sequence[int],
    first: Sequence[int],
    fresh: Sequence[int],
    seconds: Callable[[int], float],
    run: Send,
) -> tuple[list[Point], list[int]]:
    """Candidates in the order in which they are to be advised, and the seeds that ordered them.

    Args:
        search: makes settings of points.
        levels: holds the long trainings of the pilot, and takes the others.
        reference: the tuned points of the pilot, the calmest first.
        sizes: the batch sizes to try.
        first: seeds of the search.
        fresh: seeds that the search has not seen.
        seconds: the time of an update at a batch size.
        run: sends jobs out.
    """
    screen = list(first[: max(SCREEN, 3)])
    enough = levels.epochs(reference[0], first) if not levels.broken(reference[0], first) else FURTHER
    start, step = reference[0].batch_size, reference[0].step
    for size in sizes:
        if size == start:
            continue
        points = [Point(size, None)]
        if step is not None:
            guess = step + rate_shift(search.bench.base.spec.optimizer.name, size, start)
            points = [Point(size, guess + offset) for offset in (-2, 0, 2)]
        horizon = max(enough + FURTHER, math.ceil(enough * (LARGE if size > start else LONGER)))
        _train(search, levels, dict.fromkeys(points, horizon), screen, "searching", run)
    ranked = levels.ranked(levels.found, screen)
    racing = _finalists(ranked, reference[0])
    if not racing:
        return [], screen
    used: list[int] = []
    for begin in range(0, min(len(fresh), ROUNDS * len(first)), len(first)):
        known = {point: levels.epochs(point, used or screen) for point in racing}
        lengths = {point: max(one + FURTHER, math.ceil(LONGER * one)) for point, one in known.items()}
        used += fresh[begin : begin + len(first)]
        _train(search, levels, lengths, used, "checking with fresh seeds", run)
        order = levels.ranked(racing, used)
        if not order:
            return [], used
        racing = [point for point in order if not levels.worse(point, order[0], used)]
        if len(racing) == 1:
            break
    order = levels.ranked(racing, used)
    equal = levels.equivalent(order, used)

    def takes(point: Point) -> float:
        return levels.epochs(point, used) * search.batches(point.batch_size) * seconds(point.batch_size)

    lead = min(equal, key=takes)
    return [lead, *(point for point in order if point != lead)], used


def levels_of(bench: Bench, piloted: Pilot, first: Sequence[int], fresh: Sequence[int]) -> Levels:
    """The trainings of the pilot, to be judged after a number of epochs."""
    levels = Levels(
        bench.monitor,
        -1.0 if higher_is_better(bench.monitor) else 1.0,
        {repeat: baseline(bench, repeat) for repeat in (*first, *fresh)},
        float(np.mean([negligible(bench, repeat) for repeat in first])),
    )
    for point, trials in piloted.trials.items():
        levels.learn(point, trials)
    return levels


def _finalists(ranked: Sequence[Point], calm: Point) -> list[Point]:
    """The best few, not more than two of a batch size, and the calmest of the pilot."""
    found: list[Point] = []
    for point in ranked:
        if sum(one.batch_size == point.batch_size for one in found) < 2:
            found.append(point)
        if len(found) == FINALISTS:
            break
    return found if calm in found or calm not in ranked else [*found[: FINALISTS - 1], calm]


def _train(
    search: Search,
    levels: Levels,
    horizons: Mapping[Point, int],
    repeats: Sequence[int],
    phase: str,
    run: Send,
) -> None:
    """Train missing repeats, each point for its number of epochs, with an evaluation after each."""
    jobs, places = [], {}
    for point, epochs in horizons.items():
        batches = search.batches(point.batch_size)
        setting = search.setting_of(point)
        places[setting.name] = point
        most = min(epochs * batches, search.most_updates(point.batch_size))
        jobs += [Job(setting, repeat, most, batches) for repeat in levels.missing(point, repeats)]
    found: dict[Point, dict[int, Trial]] = {}
    for trial in run(phase, jobs):
        found.setdefault(places[trial.setting], {})[trial.repeat] = trial
    for point, trials in found.items():
        levels.learn(point, trials)
