"""The steps of an advice.

1. Time an update at several batch sizes.
2. Pilot: find a learning rate at one batch size; its trainings set each repeat's target (`pilot`).
3. Where theory applies (plain SGD), the gradient noise scale says where to begin.
4. Search batch sizes and rates with short trainings that end at the target (`search`).
5. Train the best candidates again with other seeds; the best over both sets wins, and its interval is what
   does not differ significantly. The number of epochs comes from the best epochs of long trainings with it.
6. Train the winner and the defaults with seeds unused in the search (`confirm`): they give the expected
   results, and whether there is anything to advise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from epochal.choose.advice.advice import Recommendation
from epochal.choose.search import pilot as pilots
from epochal.choose.search.final_step import Confirmed, EpochAdvice, advise_epochs, confirm, default_point
from epochal.choose.search.quality_search import EpochScores, lowest_error, scores_of, sizes_beside
from epochal.choose.search.search import SCREEN, Point, Search, exponent_of, rate_shift, refuse_far_target
from epochal.choose.statistics.hyperbola import fastest_batch
from epochal.choose.statistics.noise_measurement import NoiseOverTraining, check_separable
from epochal.choose.trials.progress import ProgressSteps
from epochal.choose.trials.target_values import (
    baselines,
    cost_of,
    refuse_easy_target,
    target_values,
    tolerance_of,
)
from epochal.choose.trials.timing import Timer, left_out
from epochal.choose.trials.trial import Candidate, Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner, notes_of
from epochal.common.machine import cores
from epochal.common.metric_names import higher_is_better
from epochal.common.text import duration
from epochal.errors import Refusal

PATIENCE_EPOCHS, PATIENCE_UPDATES = 20, 200
"""A training ends after so many epochs without improvement, and not before so many updates."""

CHECK_RATIO = 2.0  # a batch size whose cost is up to so many times the best is trained with other seeds, too
DROP_EXCESS = 0.5  # a setting that seems worse by this much (a ratio of 1.5) is given up
CHECK_SECONDS = 8.0  # training time after which no further repeats are asked for

TYPICAL_EPOCHS, COMPILING = 750, 8.0
"""Epochs of an advice for each of its repeats, and seconds to compile: measured on the tables of
`benchmarks/promises.py` within a factor of 2; an epoch takes 3 times its updates, evaluations included."""

MAX_PILOT_SECONDS = 3 * 3600.0  # seconds that a pilot may take


@dataclass
class Adviser:
    """The steps of one advice, and what they leave behind.

    `final_seeds` is the number of seeds that choose nothing: a training as advised begins with them. `used`
    are the seeds that chose: those of the search, and as many of the check as it took.
    """

    runner: TrialRunner
    candidate: Candidate
    goal: str
    target_value: float | None
    batch_size: int | None
    repeats: int
    final_seeds: int
    epochs: int
    steps: ProgressSteps
    spent: float = 0.0
    tolerance: float | None = None
    notes: list[str] = field(default_factory=list)
    noise: NoiseOverTraining | None = None
    noise_text: str = "It is not measured where quality is the goal."
    theory: Recommendation | None = None
    scores: EpochScores | None = None
    checked: list[Point] = field(init=False)
    pilot: pilots.Pilot = field(init=False)
    confirmed: Confirmed = field(init=False)

    def __post_init__(self) -> None:
        plan = self.runner.base.plan
        self.possible = pilots.possible_sizes(plan) if self.batch_size is None else [self.batch_size]
        usual = pilots.pilot_size(plan.positions_per_epoch)
        self.start = min(self.possible, key=lambda size: abs(size - usual))
        self.sizes = self.possible if self.goal != "quality" else sizes_beside(self.possible, self.start)
        several = self.runner.base.settings.repeats
        self.check_seeds = list(range(self.final_seeds, several - self.repeats))
        self.search_seeds = list(range(several - self.repeats, several))
        self.used = list(self.search_seeds)
        self.default = default_point(self.runner, self.batch_size)
        self.timer = Timer(self.runner, self.candidate)
        self.search = Search(
            self.runner,
            self.candidate,
            self.goal,
            cost_of(self.goal, self.timer.seconds),
            lambda size: self.epochs * self.search.batches(size),
            lambda size: float(max(PATIENCE_EPOCHS, -(-PATIENCE_UPDATES // self.search.batches(size)))),
            self._run,
            # evaluations: once an epoch, as `fit` does; more often where an epoch has very many samples
            min(8, max(1, plan.positions_per_epoch // 8000)),
        )

    def advise(self) -> None:
        """All steps, one after the other."""
        self.steps.on_progress("timing updates")
        refuse_easy_target(self.runner, self.target_value, self.search_seeds)
        self._compile()
        for size in self._timed():
            self.timer.seconds(size)
        self._refuse_long()
        expected = duration(float(f"{self._expected():.2g}"))
        self.steps.on_progress("piloting", text=f"The advice takes about {expected} from here.")
        self.pilot = pilots.pilot(self.search, self.start, self._first_guess(), self.search_seeds)
        pilot_points = self.pilot.points
        self.search.target_values |= self._target_values([self.pilot.trials[point] for point in pilot_points])
        epochs_for: Callable[[Point], EpochAdvice | None]
        if self.goal == "quality":
            self.scores = scores_of(self.runner, self.pilot, self.search_seeds, self.check_seeds)
            seeds = self.search_seeds, self.check_seeds
            ranked, self.used = lowest_error(
                self.search, self.scores, pilot_points, self.sizes, *seeds, self.timer.seconds
            )
            self.checked = list(self.scores.trials)
            epochs_for = partial(self.scores.epoch_advice, repeats=self.used, most=self.epochs)
        else:
            first = self._tuned(self.start, pilot_points[0])
            self.noise, self.noise_text = self._noise(first)
            self.theory = self._theory()
            self.checked = self._check(self._search(first, self.theory), pilot_points)
            ranked = self._ranked(self.checked)
            seen = [*self.check_seeds[: len(self.search_seeds)], *self.search_seeds]
            epochs_for = partial(advise_epochs, self.search, repeats=seen, epochs=self.epochs)
        self.confirmed = confirm(
            self.search, ranked, range(self.final_seeds), epochs_for, self.epochs, self.default
        )
        self.notes += [note[:1].upper() + note[1:] for note in notes_of(self.runner)]

    @property
    def best(self) -> Point:
        """What is advised."""
        return self.confirmed.final.point

    def _run(self, phase: str, jobs: Sequence[Job]) -> Iterator[Trial]:
        for done, trial in enumerate(self.runner.run(jobs), start=1):
            self.spent += trial.seconds
            self.steps.on_progress(phase, done, len(jobs), self.runner.executor.news())
            yield trial

    def _refuse_long(self) -> None:
        epochs = 6 * SCREEN * pilots.FIRST_EPOCHS
        epochs += 5 * len(self.search_seeds) * min(self.epochs, 3 * PATIENCE_EPOCHS)
        batches, each = self.search.batches(self.start), self.timer.seconds(self.start)
        seconds = epochs * batches * each / cores()
        if seconds > MAX_PILOT_SECONDS:
            raise Refusal(
                f"the pilot alone would take about {duration(seconds)} ({batches:,} updates an epoch, "
                f"{duration(each)} each); give fewer epochs or repeats, or a part of the rows."
            )

    def _expected(self) -> float:
        """Seconds that an advice takes, roughly, by what small tables took."""
        updates = 3 * TYPICAL_EPOCHS * len(self.search_seeds) * self.search.batches(self.start)
        return COMPILING + updates * self.timer.seconds(self.start) / cores()

    def _compile(self) -> None:
        """Compile the programs side by side, before they are timed in turn; leave out what is too large."""
        sized = {size: self.candidate.with_(f"batch {size}", batch_size=size) for size in self._timed()}
        large = left_out(self.runner, sized)
        if large:
            self.notes.append(f"{next(iter(large.values()))}.")
            self.sizes = [size for size in self.sizes if size < min(large)]
        if not self.sizes:
            raise Refusal(f"no batch size fits into memory: {self.notes[-1]} Take a smaller network.")

    def _first_guess(self) -> int | None:
        """The exponent of the optimizer's usual rate; None where the rate is not searched."""
        usual = self.runner.base.spec.optimizer.learning_rate
        given = self.runner.base.spec.optimizer.given or self.runner.base.settings.learning_rate
        return None if given is not None or usual is None else exponent_of(usual)

    def _target_values(self, trials: Sequence[Mapping[int, Trial]]) -> dict[int, float]:
        """What counts as reached, for the repeats of these trainings: by the median of the references."""
        repeats = list(trials[0])
        if self.target_value is not None:
            return dict.fromkeys(repeats, self.target_value)
        monitor, up = self.runner.monitor, higher_is_better(self.runner.monitor)
        values = np.array([[one[repeat].best(monitor) for repeat in repeats] for one in trials])
        values = values[np.isfinite(values).all(axis=1)]
        if not len(values):
            raise Refusal(
                "no learning rate that was tried kept the loss finite in every repeat; scale the inputs, or "
                "give a smaller learning_rate."
            )
        constant = baselines(self.runner, repeats)
        if self.tolerance is None:
            self.tolerance = tolerance_of(values, np.array(list(constant.values())))
        best = dict(zip(repeats, np.median(values, axis=0).tolist(), strict=True))
        return target_values(best, constant, self.tolerance, higher_is_better=up)

    def _noise(self, tuned: Point) -> tuple[NoiseOverTraining | None, str]:
        """The noise scale along tuned trainings, up to the target; or why there is none."""
        model = self.runner.prepared(self.search.candidate_of(tuned)).model
        try:
            check_separable(model, self.runner.base.dataset.shape, self.runner.base.dataset.dtype)
        except Refusal as refusal:
            return None, refusal.sentence
        found = [one.reached for one in self.search.results[tuned].values()]
        reached = [one.updates for one in found if one.reached]
        if not reached:
            return None, "No training at the first batch size reached the target to measure it along."
        self.steps.on_progress("measuring the gradient noise")
        updates = max(10, int(np.median(reached)))
        return pilots.noise_along(self.search, tuned, updates, self.search_seeds[:3]), ""

    def _theory(self) -> Recommendation | None:
        """The batch size that noise scale and update times suggest together, for the goal time.

        None where the rate is not known to be tuned: at one that is 8 times too small the noise scale was
        seen to be 3.5 to 13 times too large.
        """
        noise, tuned = self.noise, self._first_guess() is not None and not self.pilot.edge
        if not tuned or self.goal != "time" or noise is None or noise.value is None:
            return None
        curve = self.timer.curve
        seconds = [point.seconds for point in curve.points]
        value, low, high = (
            fastest_batch(curve.batch_sizes, seconds, critical)
            for critical in (noise.value, noise.low, noise.high)
        )
        return Recommendation(value, low, high)

    def _search(self, first: Point, theory: Recommendation | None) -> dict[int, Point]:
        """Tune rates at batch sizes a factor of 4 apart, outwards, and then beside the best one."""
        search, sizes = self.search, self.sizes
        tuned = {first.batch_size: first}
        if theory is not None and self.runner.base.spec.optimizer.name == "sgd":
            place = int(np.argmin(np.abs(np.log(sizes) - math.log(theory.value))))
            if sizes[place] not in tuned:
                tuned[sizes[place]] = self._tuned(sizes[place], first)
        for size in sorted(self._timed(), key=lambda size: abs(math.log(size / first.batch_size))):
            if size not in tuned:
                nearest = min(tuned, key=lambda other: abs(math.log(other / size)))
                tuned[size] = self._tuned(size, tuned[nearest])
        while True:
            best = search.best(tuned.values(), self.search_seeds)
            at = sizes.index(best.batch_size)
            new = [size for size in sizes[max(0, at - 1) : at + 2] if size not in tuned]
            if not new:
                return tuned
            for size in new:
                tuned[size] = self._tuned(size, best)

    def _timed(self) -> list[int]:
        """Every other batch size, and the largest; all of the few where quality is the goal."""
        if self.goal == "quality":
            return self.sizes
        return sorted({*self.sizes[::2], self.sizes[-1]})

    def _tuned(self, batch_size: int, near: Point) -> Point:
        """The best rate at a batch size, starting from what was found at another."""
        optimizer, guess = self.runner.base.spec.optimizer.name, near.exponent
        if guess is not None:
            guess += rate_shift(optimizer, batch_size, near.batch_size)
        return self.search.tune(batch_size, guess, self.search_seeds)

    def _check(self, tuned: Mapping[int, Point], pilot_points: Sequence[Point]) -> list[Point]:
        """Race what came near the best on the seeds of the check; what is clearly worse falls out on the way.

        Rounds of such repeats go on until one point is left, the repeats are used up, or they have taken
        `CHECK_SECONDS` of training.
        """
        search = self.search
        self.timer.again(sorted({point.batch_size for point in search.results}))
        racing = self._near(tuned)
        checked, before = list(racing), self.spent
        for begin in range(0, len(self.check_seeds), len(self.search_seeds)):
            seeds = self.check_seeds[begin : begin + len(self.search_seeds)]
            if self.target_value is not None:
                search.target_values |= dict.fromkeys(seeds, self.target_value)
            else:
                trials = pilots.long_trainings(search, pilot_points, seeds, "checking with other seeds")
                search.target_values |= self._target_values([trials[point] for point in pilot_points])
            self.used += seeds
            search.measure(racing, self.used)
            best = search.best(racing, self.used)
            ratios = {point: search.against(point, best, self.used) for point in racing if point != best}
            worse = [point for point, (low, middle) in ratios.items() if low > 0 or middle > DROP_EXCESS]
            racing = [point for point in racing if point not in worse]
            if len(racing) == 1 or self.spent - before > CHECK_SECONDS:
                break
        search.measure([self.default], self.search_seeds)
        return list(dict.fromkeys([*checked, self.default]))

    def _near(self, tuned: Mapping[int, Point]) -> list[Point]:
        """What is worth a check: the tuned points near the best, and rates around the best ones."""
        search, seeds = self.search, self.search_seeds
        whole = [point for point in tuned.values() if set(seeds) <= set(search.results[point])]
        ranked = sorted(whole, key=lambda point: search.score(point, seeds))
        lowest = search.score(ranked[0], seeds)
        near = [point for point in ranked if search.score(point, seeds) <= CHECK_RATIO * lowest] or ranked[:1]
        around = [
            Point(point.batch_size, point.exponent + offset)
            for point in near[:2]
            if point.exponent is not None
            for offset in (-2, -1, 1, 2)
        ]
        return list(dict.fromkeys([*near, *around]))

    def _ranked(self, checked: Sequence[Point]) -> list[Point]:
        """The points that were measured on all repeats that were used, the best first.

        One that diverged in any of them is out.
        """
        search = self.search
        whole = [point for point in checked if set(self.used) <= set(search.results[point])]
        left = [point for point in whole if not any(search.results[point][one].diverged for one in self.used)]
        if math.isinf(search.score(search.best(whole, self.used), self.used)):
            refuse_far_target(self.search, self.target_value, self.epochs)
        ranked: list[Point] = []
        while left:
            ranked.append(search.best(left, self.used))
            left.remove(ranked[-1])
        return ranked
