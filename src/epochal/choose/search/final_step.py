"""The last step of an advice: epochs, final seeds for the winner and the defaults, the decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from epochal.choose.search.final_estimate import (
    Criteria,
    FinalEstimate,
    choose_final,
    final_of,
    min_failures,
)
from epochal.choose.search.search import Point, Search
from epochal.choose.trials.target_values import baselines, best_epoch, negligible_change
from epochal.choose.trials.trial import Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.curves import Summary
from epochal.curves.intervals import influences
from epochal.curves.statistics import Ints
from epochal.models import bounds_of
from epochal.models.subsets import one_by_one
from epochal.runs.forecast import ForecastScores, score_forecasts
from epochal.settings import Settings
from epochal.training.baselines import baseline_functions, baseline_metrics
from epochal.training.prepare import DEFAULT_BATCH
from epochal.training.prepared import Prepared
from epochal.training.scoring import blocks_of_part

MAX_TRIES = 4
"""Settings tried on the final seeds, where those before diverged or ended worse than the baseline."""

MIN_FINAL_SEEDS = 10  # seeds for the final estimate, at least, as far as there are so many

LATE = 0.9
"""A best epoch after this share of the trained epochs counts as still improving, if nothing stopped it."""

DEFAULT_EPOCHS = Settings().epochs  # epochs of a training where nobody says how many


@dataclass(frozen=True, eq=False)
class EpochAdvice:
    """How many epochs to train, by trainings that went on until nothing improved."""

    # what is advised; `low` and `high` hold four fifths of the repeats, and `high` is infinite where they
    # were still improving
    epochs: int
    low: float
    high: float
    # best, improving: the best epoch of each repeat, and whether it was still improving at the end
    best: tuple[float, ...]
    improving: tuple[bool, ...]
    trials: Mapping[int, Trial]  # the trainings, by repeat

    @property
    def still_improving(self) -> bool:
        """Whether half of the repeats were."""
        return 2 * sum(self.improving) >= len(self.improving)


@dataclass(frozen=True)
class DisplayMetric:
    """A metric in the target's units, its bounds, and its baseline."""

    name: str
    bounds: tuple[float, float]
    baseline: float


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What the final seeds said."""

    final: FinalEstimate  # what is advised, or, where nothing beats the baseline, what came nearest to it
    winner: FinalEstimate | None  # what the search would have advised; None if every setting tried diverged
    defaults: FinalEstimate  # the defaults on the same seeds
    epoch_advice: EpochAdvice  # of `final`
    none_beats_baseline: bool  # neither the winner nor the defaults
    # settings that diverged or ended worse than the baseline on some of these seeds
    left_out: tuple[FinalEstimate, ...] = ()
    # a metric in the target's units that is shown in place of the loss; None where the monitored metric is
    # shown itself
    display_metric: DisplayMetric | None = None
    # of windows of a series, against naive ones on the same windows; None for other data
    forecasts: ForecastScores | None = None

    def shown(self, final: FinalEstimate) -> tuple[str, Summary]:
        """A metric to be shown of a final, and its values: in the target's units, where there are some."""
        if self.display_metric is None or self.display_metric.name not in final.metrics:
            return final.criteria.monitor, final.quality
        return self.display_metric.name, final.metric(self.display_metric.name, self.display_metric.bounds)

    @property
    def baseline(self) -> float:
        """The baseline in the shown metric, the mean over the seeds."""
        monitored = float(self.final.baseline.mean())
        return monitored if self.display_metric is None else self.display_metric.baseline

    @property
    def ahead(self) -> FinalEstimate | None:
        """A setting that was better on average on the same seeds, and is not advised all the same."""
        others = [one for one in (self.winner, *self.left_out) if one is not None and one is not self.final]
        return next(
            (one for one in others if one.criteria.sign * one.paired_difference(self.final).mean < 0), None
        )


def default_point(runner: TrialRunner, batch_size: int | None) -> Point:
    """The batch size and rate of a training that asks for neither, or for a batch size alone."""
    optimizer = runner.base.spec.optimizer
    size = min(DEFAULT_BATCH, runner.base.plan.positions_per_epoch) if batch_size is None else batch_size
    if optimizer.given is not None or runner.base.settings.learning_rate is not None:
        return Point(size, None)
    assert optimizer.learning_rate is not None
    return Point(size, 2 * math.log2(optimizer.learning_rate))


def confirm(
    search: Search,
    ranked: Sequence[Point],
    repeats: Sequence[int],
    epochs_for: Callable[[Point], EpochAdvice | None],
    epochs: int,
    default: Point,
) -> Confirmed:
    """Train the winner and the defaults on seeds that chose no setting, and decide.

    Of `ranked` the next is tried where one diverged or ended worse than the baseline on any of the repeats.
    Half of these are for the final estimate, with the defaults beside it; the others look for a rare
    failure. `epochs_for` says how long to train a point, by seeds that chose it; None if one diverged.
    """
    criteria = criteria_of(search.runner)
    compared = repeats[: max(MIN_FINAL_SEEDS, -(-len(repeats) // 2))]
    wanted = criteria.samples or search.runner.base.dataset.timeline is not None

    def tested(
        point: Point, many: int, these: Sequence[int], scored: str = "last", **options: bool
    ) -> FinalEstimate:
        trials = _trained(search, point, many, these, scored if wanted else "")
        return final_of(point, many, trials, baselines(search.runner, these), criteria, **options)

    finals: list[FinalEstimate] = []
    found: dict[Point, EpochAdvice] = {}
    diverged: list[Point] = []
    for point in ranked:
        bolder = any(  # a higher rate than one that diverged or failed, at the same batch size
            point.batch_size == other.batch_size and (point.exponent or 0) > (other.exponent or 0)
            for other in [*found, *diverged]
        )
        if len(finals) == MAX_TRIES or bolder:
            continue
        advice = epochs_for(point)
        if advice is None:
            diverged.append(point)
            continue
        found[point] = advice
        final = tested(point, advice.epochs, compared)
        if not final.failures:
            final = final.with_further(tested(point, advice.epochs, repeats[len(compared) :]))
        finals.append(final)
        if not final.failures:
            break
    winner = min_failures(finals)
    most = min(DEFAULT_EPOCHS, epochs)
    planned = search.runner.base.spec.schedule.kind != "constant"
    of_defaults = partial(tested, default, most, scored="best", kept=True, whole=planned)
    defaults = of_defaults(compared)
    if winner is not None and winner.failures and winner.further[0] and not defaults.failures:
        defaults = defaults.with_further(of_defaults(repeats[len(compared) :]))
    best = choose_final(winner, defaults, for_quality=search.goal == "quality")
    final = best or winner or defaults
    advice = found.get(final.point) if final is not defaults else None
    return Confirmed(
        final=final,
        winner=winner,
        defaults=defaults,
        epoch_advice=_default_epochs(search, defaults) if advice is None else advice,
        none_beats_baseline=best is None,
        left_out=tuple(one for one in finals if one.failures > final.failures),
        display_metric=_display_metric(search.runner, compared),
        forecasts=_forecasts(search.runner.base, final),
    )


def advise_epochs(search: Search, point: Point, repeats: Sequence[int], epochs: int) -> EpochAdvice | None:
    """How long to train a point: the median of the best epochs; None if a training diverged."""
    runner, size = search.runner, point.batch_size
    candidate, most, wait = search.candidate_of(point), search.max_updates(size), search.patience(size)
    jobs = [
        (point, Job(candidate, one, most, search.batches(size), None, 2 * wait, change))
        for one, change in ((one, negligible_change(runner, one)) for one in repeats)
    ]
    trials = search.run_jobs("counting epochs", jobs)[point]
    if any(trial.diverged for trial in trials.values()):
        return None
    best = _best_epochs(runner, trials)
    improving = tuple(
        not trial.reason and found >= LATE * float(trial.curves.epoch[-1])
        for trial, found in zip(trials.values(), best, strict=True)
    )
    low, middle, high = np.percentile(best, [10, 50, 90], method="inverted_cdf").tolist()
    if any(one and found >= high for one, found in zip(improving, best, strict=True)):
        high = math.inf
    found = EpochAdvice(max(1, round(middle)), low, high, best, improving, trials)
    return replace(found, epochs=epochs, high=math.inf) if found.still_improving else found


def _best_epochs(runner: TrialRunner, trials: Mapping[int, Trial]) -> tuple[float, ...]:
    return tuple(
        best_epoch(one, runner.monitor, negligible_change(runner, repeat)) for repeat, one in trials.items()
    )


def epoch_advice(
    epochs: int, best: tuple[float, ...], improving: tuple[bool, ...], trials: Mapping[int, Trial]
) -> EpochAdvice:
    """How long to train, where the number of epochs is known: it belongs to the interval."""
    low, high = np.percentile(best, [10, 90], method="inverted_cdf").tolist() if best else (1.0, math.inf)
    advice = EpochAdvice(epochs, min(low, epochs), max(high, epochs), best, improving, trials)
    return replace(advice, high=math.inf) if advice.still_improving else advice


def _default_epochs(search: Search, defaults: FinalEstimate) -> EpochAdvice:
    trials = {repeat: trial for repeat, trial in defaults.trials.items() if not trial.diverged}
    best = _best_epochs(search.runner, trials)
    ends = [float(trial.curves.epoch[-1]) for trial in trials.values()]
    late = tuple(found >= LATE * end for found, end in zip(best, ends, strict=True))
    return epoch_advice(defaults.epochs, best, late, trials)


def _trained(
    search: Search, point: Point, epochs: int, repeats: Sequence[int], scored: str
) -> dict[int, Trial]:
    """Trainings of exactly so many epochs, evaluated after each of them."""
    batches, candidate = search.batches(point.batch_size), search.candidate_of(point)
    jobs = [(point, Job(candidate, r, epochs * batches, batches, scored_parameters=scored)) for r in repeats]
    return search.run_jobs("checking with fresh seeds", jobs).get(point, {})


def criteria_of(runner: TrialRunner) -> Criteria:
    """How trainings are compared with the baseline, by where their validation samples come from."""
    base, monitor = runner.base, runner.monitor
    part, _, name = monitor.partition(".")
    held_out, trained_on = base.part_size("validation"), base.part_size("train")
    bounds = bounds_of(name, base.loss_name)
    one_class = part == "validation" and _one_class(base)
    if not base.same_validation:
        return Criteria(monitor, held_out / trained_on, bounds, one_class=one_class)
    functions = baseline_functions(base, 0, {name}) if part == "validation" else {}
    block = blocks_of_part(base, "validation")[base.indices(0, "validation")]
    of_blocks = influences(one_by_one(functions[name]), block) if name in functions else None
    counts, classes = tuple[Ints, ...](), np.arange(len(base.task.classes))
    if len(classes):
        true = base.targets_and_weights(0, "validation")[0]
        counts = ((true > 0 if true.ndim > 1 else true[:, None] == classes).sum(axis=0),) * 2
    return Criteria(monitor, 0.0, bounds, held_out, len(np.unique(block)), of_blocks, counts, one_class)


def _one_class(base: Prepared) -> bool:
    """Whether in half of the repeats or more the validation samples are all of one class."""
    if not base.task.is_classification:
        return False
    parts = [base.targets_and_weights(repeat, "validation")[0] for repeat in range(len(base.splits))]
    return 2 * sum(bool(len(part)) and bool((part == part[0]).all()) for part in parts) >= len(parts)


def _display_metric(runner: TrialRunner, repeats: Sequence[int]) -> DisplayMetric | None:
    """The typical error in the target's units, where the loss of a regression is monitored."""
    base = runner.base
    if not base.task.is_regression or runner.monitor != "validation.loss" or base.on_relative_targets:
        return None
    metric = next((one for one in base.spec.metrics if one.in_target_units), None)
    if metric is None:
        return None
    repeats = [0] if base.same_samples else repeats
    constant = [baseline_metrics(base, one, {metric.name}).get(metric.name, math.nan) for one in repeats]
    return DisplayMetric(f"validation.{metric.name}", metric.bounds, float(np.mean(constant)))


def _forecasts(base: Prepared, final: FinalEstimate) -> ForecastScores | None:
    """The forecasts of a final's repeats against naive ones, compared as those of a run are."""
    trials = {repeat: one for repeat, one in final.trials.items() if len(one.forecasts)}
    windows = [window for repeat in trials if (window := base.windows_of(repeat, "validation"))]
    if not windows:
        return None
    predicted = np.stack([one.forecasts for one in trials.values()])
    true = [base.truth(repeat, "validation").reshape(predicted.shape[1:]) for repeat in trials]
    line, samples = windows[0][0], [index for _, index in windows]
    optimism = [final.optimism("validation.rmse", repeat) for repeat in trials]
    return score_forecasts(np.stack(true), predicted, line, samples, np.array(optimism))
