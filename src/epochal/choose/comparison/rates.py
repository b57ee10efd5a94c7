"""Learning rate tuning for each setting of a comparison.

A rate that suits one batch size hurts another, so each setting is tuned, on repeats that the comparison does
not use, over the whole length of its training (short trainings prefer other rates). The search is geometric:
five rates a factor of 4 apart, more of them while the best lies at an end, two at a factor of 2 around the
best, and the most promising three on the remaining repeats. One repeat says little, and too large a rate does
more harm than one that is too small by as much: so those three are picked by averages over neighboring rates,
and of rates without a significant difference the lowest is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from epochal.choose.comparison.comparison import Tuned
from epochal.choose.comparison.grid import Entry
from epochal.choose.search.search import rate_power
from epochal.choose.trials.fairness import TrainingLength
from epochal.choose.trials.trial import Job
from epochal.engine.optimizers import OPTIMIZERS

REPEATS = 5  # repeats of the tuning, after those of the comparison
FACTOR = 4.0  # between neighboring rates of the first search
EXTENSIONS = 4  # most extensions of a search beyond its edge
PROMISING_RATES = 3  # rates that are tried on all tuning repeats
MAX_TRAININGS = 7 + EXTENSIONS + PROMISING_RATES * (REPEATS - 1)  # of one setting, at most

_REFERENCE = 32


def short(rate: float) -> float:
    """A rate with three digits, so that the one that is printed is the one that was tried.

    >>> short(0.0905096679918781), short(0.001)
    (0.0905, 0.001)
    """
    return float(f"{rate:.3g}")


def first_guess(optimizer: str, batch_size: int) -> float:
    """Where a search begins: the optimizer's usual rate at batch size 32, scaled with the batch size.

    >>> first_guess("sgd", 32), first_guess("adam", 128), first_guess("adam", 1)
    (0.01, 0.002, 0.000177)
    """
    ratio = (batch_size / _REFERENCE) ** rate_power(optimizer)
    return short(min(OPTIMIZERS[optimizer].learning_rate * ratio, 0.5))


@dataclass
class _Search:
    entry: Entry
    guess: float
    length: TrainingLength
    repeats: Sequence[int]
    # losses by rate and repeat, lower is better; infinite where a training diverged
    found: dict[float, dict[int, float]] = field(default_factory=dict)
    # by rate, the loss of the first repeat before there were others
    alone: dict[float, float] = field(default_factory=dict)

    def jobs(self, rates: Sequence[float], repeats: Sequence[int]) -> list[tuple[float, Job]]:
        """Trainings at those rates."""
        named = {rate: f"{self.entry.name} | tuning at {rate:.9g}" for rate in rates}
        candidates = {rate: self.entry.candidate.with_(named[rate], learning_rate=rate) for rate in rates}
        return [
            (rate, Job(candidates[rate], repeat, self.length.updates, self.length.eval_interval))
            for rate in rates
            for repeat in repeats
        ]

    def loss(self, rate: float) -> float:
        """The mean over the repeats that were done."""
        return float(np.mean(list(self.found[rate].values())))

    def whole(self) -> list[float]:
        """The rates that were tried on all repeats."""
        return [rate for rate, losses in self.found.items() if len(losses) == len(self.repeats)]

    def best(self, rates: Iterable[float]) -> float:
        """The rate with the lowest loss; of equal ones the nearest to the guess."""
        return min(rates, key=lambda rate: (self.loss(rate), abs(math.log(rate / self.guess))))

    def promising(self) -> list[float]:
        """The rates that are worth all repeats: the best by an average over their neighbors.

        Weights are 1, 1/2 and 1/4 at factors of 1, 2 and 4; a training that diverged counts as the worst.
        """
        losses = {rate: self.loss(rate) for rate in self.found}
        worst = max(filter(math.isfinite, losses.values()), default=0.0)

        def smooth(rate: float) -> float:
            weights = {other: 0.5 ** abs(round(math.log2(other / rate))) for other in losses}
            near = {other: weight for other, weight in weights.items() if weight >= 0.25}
            total = sum(weight * min(losses[other], worst) for other, weight in near.items())
            return total / sum(near.values())

        return sorted(losses, key=lambda rate: (math.isinf(losses[rate]), smooth(rate)))[:PROMISING_RATES]

    def chosen_rate(self) -> float:
        """The lowest rate that is within one standard error of the best, over all repeats.

        The error is that of their paired difference (the one-standard-error rule of Breiman et al. 1984).
        """
        best = self.best(self.whole())
        for rate in sorted(rate for rate in self.whole() if rate < best):
            behind = np.array([self.found[rate][one] - self.found[best][one] for one in self.repeats])
            if np.isfinite(behind).all():
                error = float(behind.std(ddof=1)) / math.sqrt(len(behind))
                if float(behind.mean()) <= error:
                    return rate
        return best

    def beyond(self) -> list[float]:
        """The next rate where the best one is at an end; nothing where it is bracketed."""
        best, lowest, highest = self.best(self.found), min(self.found), max(self.found)
        if math.isinf(self.loss(best)) or best == lowest:
            return [short(lowest / FACTOR)]
        return [short(best * FACTOR)] if best == highest else []

    def around(self) -> list[float]:
        """The two rates at half the distance from the best."""
        best = self.best(self.found)
        if math.isinf(self.loss(best)):
            return []
        return [short(best / math.sqrt(FACTOR)), short(best * math.sqrt(FACTOR))]

    def tuned(self, sign: float) -> Tuned:
        """The result."""
        chosen, best, tried = self.chosen_rate(), self.best(self.whole()), sorted(self.found)
        shown = tuple(
            (rate, sign * level if math.isfinite(level) else math.nan, len(self.found[rate]))
            for rate, level in self._levels()
        )
        edge = ""
        if math.isinf(self.loss(chosen)):
            edge = "the training diverged at every rate that was tried"
        elif tried[0] in (chosen, best):
            edge = f"{tried[0]:.3g} is the lowest rate tried; lower ones may be better"
        elif best == tried[-1]:
            edge = f"the best mean is at {best:.3g}, the highest rate tried; higher ones may be better"
            if chosen != best:
                edge += f" ({chosen:.3g} is used: the lowest within one standard error of it)"
        return Tuned(chosen, shown, edge, len(self.repeats))

    def _levels(self) -> list[tuple[float, float]]:
        """The mean of each rate over all tuning repeats.

        For one that was given up after the first repeat it is the loss there, moved by how far the other
        repeats are from the first for those that had all: else it would look good where that one was easy.
        """
        whole = [rate for rate in self.whole() if math.isfinite(self.loss(rate))]
        moves = [self.loss(rate) - self.alone[rate] for rate in whole]
        move = float(np.mean(moves)) if moves else 0.0
        return [(rate, self.loss(rate) + (0.0 if rate in whole else move)) for rate in sorted(self.found)]


def tune(
    entries: Sequence[Entry],
    batch_sizes: Mapping[str, int],
    lengths: Mapping[str, TrainingLength],
    repeats: Sequence[int],
    train: Callable[[Sequence[tuple[Job, TrainingLength]], str], Mapping[str, Mapping[int, float]]],
    higher_is_better: bool,
) -> dict[str, Tuned]:
    """Find the rate of each setting; the trainings of one wave go out together.

    `train` trains jobs and gives the monitored metric of each of their candidates in all its repeats so far,
    NaN where it diverged.
    """
    sign = -1.0 if higher_is_better else 1.0
    searches = [
        _Search(
            entry,
            first_guess(entry.candidate.changes["optimizer"], batch_sizes[entry.name]),
            lengths[entry.name],
            repeats,
        )
        for entry in entries
    ]

    def wave(wanted: Sequence[tuple[_Search, Sequence[float]]], on: Sequence[int], what: str) -> None:
        jobs = [(search, rate, job) for search, rates in wanted for rate, job in search.jobs(rates, on)]
        values = train([(job, search.length) for search, _, job in jobs], what) if jobs else {}
        for search, rate, job in jobs:
            search.found[rate] = {
                repeat: sign * value if math.isfinite(value) else math.inf
                for repeat, value in values[job.candidate.name].items()
            }
            search.alone.setdefault(rate, search.loss(rate))

    first, rest = repeats[:1], repeats[1:]
    powers = [FACTOR**power for power in (-2, -1, 0, 1, 2)]
    wave([(one, [short(one.guess * power) for power in powers]) for one in searches], first, "five rates")
    for _ in range(EXTENSIONS):
        wave([(one, one.beyond()) for one in searches], first, "rates beyond the ends")
    wave([(one, one.around()) for one in searches], first, "rates around the best")
    wave([(one, one.promising()) for one in searches], rest, "the most promising three rates")
    return {one.entry.name: one.tuned(sign) for one in searches}
