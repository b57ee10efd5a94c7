"""Trainings of the winner and of the defaults on final seeds, which chose no setting.

A setting picked because it looked best on some seeds looks better there than it is. So its expected results,
and whether it trains at all and beats the baseline, come from other seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from epochal.choose.search.search import Point
from epochal.choose.trials.trial import Trial
from epochal.common.metric_names import higher_is_better
from epochal.curves import Summary, summarize
from epochal.curves.intervals import new_samples
from epochal.curves.statistics import Floats, Ints, leave_one_out_epochs
from epochal.runs.metrics import sample_size


@dataclass(frozen=True)
class Criteria:
    """What final estimates are compared by: the monitored metric, its bounds, its validation samples."""

    monitor: str  # the monitored metric
    # validation over training samples, where each repeat draws its validation samples anew: random splits
    # share most of their training samples, so their values vary less than those of new rows would (Nadeau &
    # Bengio 2003, Inference for the generalization error, section 3)
    test_train_ratio: float
    bounds: tuple[float, float] = (-math.inf, math.inf)  # what no value can lie beyond
    # the validation samples, where all repeats have the same: repeats then tell nothing about other rows, and
    # the intervals count what each block of these adds; 0 where repeats draw them
    samples: int = 0
    blocks: int = 0  # how many of the blocks hold any of these
    baseline_influences: Floats | None = None  # what each block of these adds to the baseline
    # how many of these have each class, twice: the second are those predicted as it, taken to be as many
    counts: tuple[Ints, ...] = ()
    one_class: bool = False  # whether half of the repeats or more validate on one class alone: then nothing
    # that is measured on them shows that anything was learned

    @property
    def sign(self) -> float:
        """The factor that makes lower values better."""
        return -1.0 if higher_is_better(self.monitor) else 1.0

    def summary(
        self,
        values: Sequence[float] | Floats,
        influences: Sequence[Floats],
        bounds: tuple[float, float] = (-math.inf, math.inf),
        metric: str = "",
    ) -> Summary:
        """A mean with the 95 % interval for new rows of the same kind, not only for other seeds.

        `influences` are what each block of validation samples adds to each value, where all repeats share
        them.
        """
        known = [one for value, one in zip(values, influences, strict=True) if math.isfinite(value)]
        if not self.samples or not known or not all(map(len, known)):
            return summarize(values, bounds, test_train_ratio=self.test_train_ratio)
        nothing = np.zeros(len(known[0]))  # of those that diverged
        influences = [one if len(one) else nothing for one in influences]
        name = (metric or self.monitor).partition(".")[2]
        samples, blocks = sample_size(name, self.counts, self.samples, self.blocks)
        return new_samples(values, np.array(influences), samples=samples, blocks=blocks, bounds=bounds)


@dataclass(frozen=True, eq=False)
class FinalEstimate:
    """A setting on seeds that chose neither it nor its number of epochs."""

    point: Point  # the batch size and rate
    epochs: int  # after how many the values are read; `trained_epochs` is how long it was trained
    trained_epochs: int
    trials: Mapping[int, Trial]  # by repeat
    # the monitored metric after that many epochs, by repeat in that order; NaN where training diverged
    values: Floats
    metrics: Mapping[str, Floats]  # the other metrics there
    # what always predicting the same reaches in the monitored metric, by repeat; NaN if not known
    baseline: Floats
    criteria: Criteria  # how they are compared
    kept: bool = False  # whether the values are those of weights that would be kept, at a best epoch
    # seeds that were only looked at for failures: how many, how many diverged, how many ended worse than the
    # baseline
    further: tuple[int, int, int] = (0, 0, 0)

    @property
    def diverged(self) -> int:
        """Seeds whose loss did not stay finite."""
        return int((~np.isfinite(self.values)).sum()) + self.further[1]

    @property
    def failures(self) -> int:
        """Seeds that diverged or ended worse than the baseline."""
        return self.diverged + int((self.improvements < 0).sum()) + self.further[2]

    @property
    def looked_at(self) -> int:
        """Seeds that were looked at for failures."""
        return len(self.values) + self.further[0]

    def with_further(self, other: FinalEstimate) -> FinalEstimate:
        """The same, with the failures of further seeds."""
        return replace(self, further=(len(other.values), other.diverged, int((other.improvements < 0).sum())))

    @property
    def improvements(self) -> Floats:
        """By how much each repeat is better than the baseline."""
        return self.criteria.sign * (self.baseline - self.values)

    @property
    def beats_baseline(self) -> bool:
        """Whether it is better than the baseline by more than chance, and never diverged.

        The lower end of the 95 % interval of the mean gain lies above 0. The gain in a loss is the share of
        the baseline's that is left out (the skill): where a few samples make most of the loss they make it of
        both, and the share says more than the difference. Where no baseline is known, nothing can be said
        against it, which the answer says first.
        """
        if self.diverged or self.criteria.one_class:
            return False
        if not self.baseline_known:
            return True
        skill = self.criteria.sign > 0 and bool((self.baseline > 0).all())
        scale = self.baseline if skill else np.ones(len(self.baseline))
        left = self.values / self.baseline if skill else np.ones(len(self.baseline))
        constant = 0.0 if self.criteria.baseline_influences is None else self.criteria.baseline_influences
        influences = [
            self.criteria.sign * (share * constant - one) / size
            for one, share, size in zip(self.influences(), left, scale, strict=True)
        ]
        gain = self.criteria.summary(self.improvements / scale, influences)
        return gain.ci95 is not None and gain.ci95[0] > 0

    @property
    def baseline_known(self) -> bool:
        """Whether the baseline is known."""
        return bool(np.isfinite(self.baseline).all())

    def influences(self, metric: str = "") -> list[Floats]:
        """The influences of the blocks of validation samples on a metric, by repeat."""
        nothing = np.zeros(0)
        name = metric or self.criteria.monitor
        return [trial.influences.get(name, nothing) for trial in self.trials.values()]

    @property
    def quality(self) -> Summary:
        """The monitored metric with the interval of its mean on new rows."""
        return self.criteria.summary(self.values, self.influences(), self.criteria.bounds)

    def metric(self, name: str, bounds: tuple[float, float]) -> Summary:
        """Another metric, likewise."""
        return self.criteria.summary(self.metrics[name], self.influences(name), bounds, name)

    def optimism(self, name: str, repeat: int) -> float:
        """By which share an error is smaller at the repeat's own best epoch than where it is read."""
        if not self.kept or name not in self.metrics:
            return 0.0
        columns = self.trials[repeat].curves.columns
        best = columns[name][int(np.nanargmin(self.criteria.sign * columns[self.criteria.monitor]))]
        return float(self.metrics[name][list(self.trials).index(repeat)] / best - 1)

    def paired_difference(self, other: FinalEstimate) -> Summary:
        """The paired differences of the monitored metric from another final, over the repeats of both."""
        mine, its = (dict(zip(one.trials, one.values.tolist(), strict=True)) for one in (self, other))
        both = [repeat for repeat in mine if repeat in its]
        blocks, others = (dict(zip(one.trials, one.influences(), strict=True)) for one in (self, other))
        influences = [
            blocks[repeat] - others[repeat] if len(blocks[repeat]) == len(others[repeat]) else np.zeros(0)
            for repeat in both
        ]
        return self.criteria.summary([mine[repeat] - its[repeat] for repeat in both], influences)

    def tied_with(self, other: FinalEstimate) -> bool:
        """Whether the difference may be zero, and so may that of the logarithms of losses.

        A few large losses widen the interval of a mean difference, however much lower all others are.
        """
        intervals = [self.paired_difference(other).ci95]
        own = dict(zip(other.trials, other.values.tolist(), strict=True))
        pairs = [
            (a, own[repeat]) for repeat, a in zip(self.trials, self.values, strict=True) if repeat in own
        ]
        if not self.criteria.samples and (np.array(pairs) > 0).all():
            ratios = [math.log(a / b) for a, b in pairs]
            intervals.append(summarize(ratios, test_train_ratio=self.criteria.test_train_ratio).ci95)
        return all(ends is not None and ends[0] <= 0 <= ends[1] for ends in intervals)


FEWER = 0.75
"""Fewer epochs than the defaults are advised where they are at most this share: which of
the last epochs is best is luck, and other seeds do a little worse with fewer."""


def final_of(
    point: Point,
    epochs: int,
    trials: Mapping[int, Trial],
    baseline: Mapping[int, float],
    criteria: Criteria,
    *,
    kept: bool = False,
    whole: bool = False,
) -> FinalEstimate:
    """Read trainings, evaluated once an epoch, at their end; or, where `kept`, as weights would be kept.

    `fit` keeps the weights of the best epoch. Read at that epoch on the rows that chose it they look too
    good, so the epoch of each repeat is the one that is best on average in the others. A `whole` training is
    advised at its full length, since a shorter one would be another: its schedule ends earlier.
    """
    ordered = dict(sorted(trials.items()))
    sound = {
        repeat: trial
        for repeat, trial in ordered.items()
        if not trial.diverged
        and len(trial.curves)
        and np.isfinite(trial.curves.columns[criteria.monitor]).all()
    }
    trained = epochs
    rows = {repeat: len(trial.curves) - 1 for repeat, trial in sound.items()}
    if kept and sound:
        shortest = min(map(len, (trial.curves for trial in sound.values())))
        columns = np.array([trial.curves.columns[criteria.monitor][:shortest] for trial in sound.values()])
        rows = dict(zip(sound, leave_one_out_epochs(criteria.sign * columns).tolist(), strict=True))
        best = int(np.argmin(criteria.sign * columns.mean(axis=0)))
        found = max(1, round(float(next(iter(sound.values())).curves.epoch[best])))
        epochs = found if found <= FEWER * trained and not whole else trained
    names = [name for trial in sound.values() for name in trial.curves.names if not name.startswith("train.")]

    def read(name: str) -> Floats:
        found = {repeat: trial.curves.columns[name][rows[repeat]] for repeat, trial in sound.items()}
        return np.array([found.get(repeat, math.nan) for repeat in ordered], np.float64)

    return FinalEstimate(
        point=point,
        epochs=epochs,
        trained_epochs=trained,
        trials=ordered,
        values=read(criteria.monitor),
        metrics={name: read(name) for name in dict.fromkeys(names) if name != criteria.monitor},
        baseline=np.array([baseline[repeat] for repeat in ordered]),
        criteria=criteria,
        kept=kept,
    )


def min_failures(finals: Sequence[FinalEstimate]) -> FinalEstimate | None:
    """The first that neither diverged nor ended worse than the baseline in any repeat, or else did so least.

    Where even the steadiest one diverged there is none.
    """
    whole = [one for one in finals if not one.diverged]
    return min(whole, key=lambda one: one.failures, default=None)


def choose_final(
    winner: FinalEstimate | None, defaults: FinalEstimate | None, *, for_quality: bool
) -> FinalEstimate | None:
    """What is advised: the winner, the defaults, or nothing.

    The winner, if it beats the baseline; where quality is the goal, only if it is not worse than the defaults
    on the same repeats. Otherwise, or where the winner failed in a repeat and they did not, the defaults.
    """
    good = winner if winner is not None and winner.beats_baseline else None
    usual = defaults if defaults is not None and defaults.beats_baseline else None
    if good is None or usual is None:
        return good or usual
    if good.failures and not usual.failures:
        return usual
    worse = good.criteria.sign * good.paired_difference(usual).mean > 0
    return usual if for_quality and worse else good
