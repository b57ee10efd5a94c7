"""Assembly of an `Advice` from measurements: numbers, sentences, notes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from epochal.choose.advice.advice import Advice, AdviceUsage, ComparedSetting, Recommendation, Tried
from epochal.choose.advice.steps import Adviser
from epochal.choose.search.final_estimate import FinalEstimate
from epochal.choose.search.final_step import DEFAULT_EPOCHS, Confirmed
from epochal.choose.search.quality_search import NONINFERIORITY_MARGIN
from epochal.choose.search.search import Point, rate_at
from epochal.choose.statistics.time_to_target import (
    ExpectedRunningTime,
    expected_running_time,
    running_time_ratio,
)
from epochal.choose.trials.target_values import TOLERANCE
from epochal.common.metric_names import constant_of, higher_is_better, label_of
from epochal.common.text import counted
from epochal.curves import Curves, Summary, summarize
from epochal.models import bounds_of
from epochal.training.describe import describe_data, environment

GRID_RATES = 9  # rates of the exhaustive grid that an advice is compared with: a factor of 256 in steps of 2
GRID_EPOCHS = 100  # its epochs, if so many may be tried, or the advised number if that is larger

TOO_WIDE = 4.0
"""An interval of the theory wider than this factor decides nothing.

Where B_c is wrong by a factor q, the time is at worst (2 + √q + 1/√q)/4 times the minimum: where the overhead
of an update costs as much as B_c samples do.
"""


def build_advice(adviser: Adviser) -> Advice:
    """The advice."""
    runner, best, confirmed = adviser.runner, adviser.best, adviser.confirmed
    advice, final, forecasts = confirmed.epoch_advice, confirmed.final, confirmed.forecasts
    plan, rate, loss_name = runner.base.plan, adviser.search.rate_of(best), runner.base.loss_name
    points = adviser.checked if adviser.scores is None else adviser.scores.trials
    ordered = sorted(points, key=lambda one: (one.batch_size, one.exponent or 0))
    tried = tuple((_by_cost if adviser.scores is None else _by_quality)(adviser, point) for point in ordered)
    whole = plan.order.once and best.batch_size == plan.samples
    updates = advice.epochs * adviser.search.batches(best.batch_size)
    late = math.isinf(advice.high) and advice.still_improving
    note = f"still improving at epoch {advice.epochs:,}, the most that was tried" if late else ""
    return Advice(
        answer=answer(adviser.confirmed, rate, whole, adviser.goal),
        recommended=not adviser.confirmed.none_beats_baseline,
        goal=adviser.goal,
        batch_size=best.batch_size,
        learning_rate=rate,
        epochs=Recommendation(float(advice.epochs), advice.low, advice.high, note),
        optimizer=runner.base.spec.optimizer.name,
        monitor=runner.monitor,
        higher_is_better=higher_is_better(runner.monitor),
        target_value=float(np.mean(list(adviser.search.target_values.values()))),
        target_text=_target_text(adviser),
        quality=final.quality,
        metrics={
            name: final.metric(name, bounds_of(name.partition(".")[2], loss_name))
            for name in final.metrics
            if name.partition(".")[2] not in runner.base.on_relative_targets
        }
        | (
            {"validation.rmse": forecasts.rmse}
            if forecasts and "rmse" in runner.base.on_relative_targets
            else {}
        ),
        defaults=_beside(adviser, confirmed.defaults),
        best_tried=None if confirmed.winner is None else _beside(adviser, confirmed.winner),
        failures=final.failures,
        seconds=updates * float(adviser.timer.curve.seconds(best.batch_size)),
        best_epochs=advice.best,
        improving=advice.improving,
        tried=tried,
        timing=adviser.timer.curve,
        noise=adviser.noise,
        noise_text=adviser.noise_text,
        theory=adviser.theory,
        decided_by=_decided_by(adviser),
        curves=Curves.concatenate([trial.curves for trial in advice.trials.values()]),
        notes=_notes(adviser),
        usage=_cost(adviser, updates),
        data=describe_data(runner.base),
        settings=runner.described(),
        environment=environment(deterministic=runner.base.settings.deterministic),
        folder=runner.store.folder,
    )


def _by_cost(adviser: Adviser, point: Point) -> Tried:
    """What a point costs until its target, over the cost of the advised one on the same repeats."""
    search, best = adviser.search, adviser.best
    shared = [one for one in adviser.used if one in search.results[best]]
    repeats = [one for one in shared if one in search.results[point]]
    reached = search.reached(point, repeats)
    scale = search.cost(point.batch_size)
    spent = expected_running_time(reached, scale)
    effect = running_time_ratio(reached, search.reached(best, repeats), scale, search.cost(best.batch_size))
    few = len(repeats) < len(shared)
    diverged = any(search.results[point][repeat].diverged for repeat in repeats)
    no_worse = effect[1] <= 1 and spent.reached > 0 and not diverged
    value = (spent.expected, spent.low, spent.high)
    return Tried(
        *(
            point.batch_size,
            search.rate_of(point),
            len(repeats),
            expected_running_time(reached),
            value,
            effect,
        ),
        **standing_flags(adviser, point, best, no_worse=no_worse, better=effect[2] < 1, few=few),
    )


def standing_flags(
    adviser: Adviser, point: Point, best: Point, *, no_worse: bool, better: bool, few: bool
) -> dict[str, Any]:
    """How a point stands to the reference, by the interval of the difference."""
    is_reference = point == best
    left_out = any(point == one.point for one in adviser.confirmed.left_out)
    close = is_reference or (no_worse and not left_out)
    return {
        "tied": close and not few and not better and not left_out,
        "given_up": close and few,
        "left_out": left_out,
        "ahead": close and not few and better,
        "is_reference": is_reference,
    }


def _by_quality(adviser: Adviser, point: Point) -> Tried:
    """What a point reaches after the epochs that are best for it, less the winner on the same repeats."""
    winner, scores = adviser.confirmed.winner, adviser.scores
    assert scores is not None
    best = adviser.best if winner is None else winner.point
    held = scores.trials.get(best, {})
    repeats = scores.trained_repeats(point, adviser.used)
    repeats = [repeat for repeat in repeats if repeat in held] or repeats
    values = scores.sign * scores.leave_one_out_values(point, repeats)
    others = np.full(len(repeats), math.nan)  # whatever was tried diverged: there is nothing to compare with
    if all(repeat in held for repeat in repeats):
        others = scores.sign * scores.leave_one_out_values(best, repeats)
    few = bool(scores.missing(point, adviser.used))
    difference, middle = summarize(values - others), summarize(values).mean
    less, more = difference.ci95 or (math.nan, math.nan)
    if few and not scores.missing(best, adviser.used):
        # On other seeds its values are others: what the winner has on all of them, and the difference.
        middle = summarize(scores.sign * scores.leave_one_out_values(best, adviser.used)).mean
        middle += difference.mean
    low, high = (middle + end - difference.mean for end in (less, more))
    epochs = None if scores.diverged(point, repeats) else scores.epochs(point, repeats)
    constant = float(np.mean([scores.baseline[repeat] for repeat in repeats]))
    useless = scores.sign * (values.mean() - constant) > 0 and not adviser.confirmed.none_beats_baseline
    if scores.sign > 0:
        close, better = less <= 0, more < 0
    else:
        close, better = more >= 0, less > 0
    no_worse = bool(close and epochs is not None and not useless)
    made = math.inf if epochs is None else float(epochs * adviser.search.batches(point.batch_size))
    spent = ExpectedRunningTime(made, made, made, 0 if epochs is None else len(repeats), len(repeats))
    ends = (middle, low, high), (difference.mean, less, more)
    return Tried(
        *(point.batch_size, adviser.search.rate_of(point), len(repeats), spent, *ends),
        epochs=epochs,
        **standing_flags(adviser, point, best, no_worse=no_worse, better=bool(better), few=few),
    )


def _beside(adviser: Adviser, other: FinalEstimate) -> ComparedSetting:
    final = adviser.confirmed.final
    return ComparedSetting(
        batch_size=other.point.batch_size,
        learning_rate=adviser.search.rate_of(other.point),
        epochs=other.trained_epochs,
        quality=other.quality,
        difference=None if final is other else final.paired_difference(other),
        failures=other.failures,
        kept=other.kept,
    )


def _target_text(adviser: Adviser) -> str:
    metric = adviser.runner.monitor.replace(".", " ")
    if adviser.target_value is not None:
        return f"{metric} {adviser.target_value:g}, as given"
    share = adviser.tolerance or TOLERANCE
    why = "" if share == TOLERANCE else ", since luck alone makes that much of a difference"
    shared = adviser.runner.base.same_validation
    own = "all repeats share one split, and each has" if shared else "each repeat has a split and"
    return (
        f"{metric} within {100 * share:.2g} % of the best{why} (0 % is the best value of tuned trainings, "
        f"100 % the baseline; {own} a target of its own)"
    )


def _decided_by(adviser: Adviser) -> str:
    optimizer = adviser.runner.base.spec.optimizer.name
    theory = adviser.theory
    measured = "so short trainings at several batch sizes and rates decided"
    if adviser.goal == "quality":
        return (
            "Settings are compared after the epochs at which the repeats of each are best on average. Those "
            f"shown to be worse than the best by at most {NONINFERIORITY_MARGIN:.0%} of its gain on the "
            "baseline are as good; the fastest of them is taken."
        )
    if adviser.goal != "time" or optimizer != "sgd":
        return "Short trainings at several batch sizes and rates decided."
    if theory is None and adviser.noise is not None and adviser.noise.value is not None:
        return f"At a rate that was not tuned the noise scale can be many times too large, {measured}."
    if theory is None:
        return f"The noise scale could not be measured, {measured}."
    if theory.high > TOO_WIDE * theory.low:
        return (
            f"The noise scale suggests {theory.value:,.0f}, but anything from {theory.low:,.0f} to "
            f"{theory.high:,.0f} fits it, {measured}."
        )
    size = adviser.best.batch_size
    agrees = theory.low / 2 <= size <= theory.high * 2
    measured = f"the measured trainings {'agree' if agrees else f'say {size:,}, and they decided'}"
    return (
        f"The noise scale suggests {theory.value:,.0f} ({theory.low:,.0f} to {theory.high:,.0f}); {measured}."
    )


def _notes(adviser: Adviser) -> tuple[str, ...]:
    edge, notes = adviser.pilot.edge, [*adviser.notes, *final_notes(adviser.confirmed)]
    if edge:
        notes.append(f"{edge[0].upper()}{edge[1:]}.")
    improving = adviser.confirmed.epoch_advice.improving
    if any(improving):
        notes.append(
            f"{sum(improving)} of {len(improving)} repeats {'was' if sum(improving) == 1 else 'were'} still "
            "improving at the last epoch that was tried: more epochs may be better."
        )
    elif adviser.goal == "quality" and not adviser.confirmed.none_beats_baseline:
        notes.append(
            "The repeats went on until they no longer improved. The verdict on a training sees its own "
            "curves only, and may still suggest more epochs."
        )
    sizes = sorted({point.batch_size for point in adviser.search.results})
    if adviser.best.batch_size in (1, adviser.runner.base.plan.positions_per_epoch) and len(sizes) > 1:
        notes.append("The advised batch size is at the end of those that are possible.")
    return tuple(notes)


def _cost(adviser: Adviser, updates: int) -> AdviceUsage:
    runner, repeats, sizes = adviser.runner, len(adviser.search_seeds), adviser.possible
    length = max(min(GRID_EPOCHS, adviser.epochs), adviser.confirmed.epoch_advice.epochs)
    rates = 1 if adviser.best.exponent is None else GRID_RATES
    grid = sum(map(adviser.search.batches, sizes)) * length * rates * repeats
    return AdviceUsage(
        trainings=runner.trainings,
        updates=runner.updates,
        seconds=adviser.steps.seconds,
        of_one_training=runner.updates / max(updates, 1),
        of_grid=runner.updates / grid,
        grid=f"{len(sizes)} batch sizes × {rates} rates × {repeats} repeats, {length:,} epochs each",
    )


_LEAST = {
    "time": "For the least time",
    "samples": "For the fewest samples",
    "updates": "For the fewest updates",
}
"""What the advice is best at, by the goals that are not the quality."""


def answer(found: Confirmed, rate: float | None, whole: bool, goal: str) -> str:
    """The advice in a sentence or two, with what to expect and what the defaults give.

    `whole` is whether the batch holds all training samples.
    """
    final = found.final
    metric, quality = found.shown(final)
    seeds = _seeds(len(final.values))
    if found.none_beats_baseline:
        if final.diverged:
            return (
                "No recommendation: every setting that was tried diverged (the loss was not finite) in at "
                f"least one of {seeds}."
            )
        if final.criteria.one_class:
            return (
                "No recommendation: in half of the repeats or more all validation samples are of one class, "
                "and always predicting that class is perfect there. Hold out more samples (`validation`)."
            )
        return (
            "No recommendation: no setting that was tried beats the baseline by more than chance. The "
            f"nearest of those that were searched has {label_of(metric)} {_quality_text(quality)} on "
            f"{seeds}; the baseline ({constant_of(metric)}) has {quality.format_value(found.baseline)}."
        )
    at = "" if rate is None else f", learning rate {rate:g}"
    epochs = counted(found.epoch_advice.epochs, "epoch")
    if math.isinf(found.epoch_advice.high):
        epochs = f"at least {epochs}"
    size = f"{final.point.batch_size:,}{' (all training samples)' if whole else ''}"
    result = f"{label_of(metric)} {_quality_text(quality)} on {seeds}"
    first = "" if final.baseline_known else (
        f"What the baseline (always predicting the same) reaches in {label_of(final.criteria.monitor)} is "
        "not known, so nothing shows that anything is learned."
    )  # fmt: skip
    failed = f"But {_failures(final)}." if final.failures else ""
    if final is found.defaults:
        last = (
            f"Keep the defaults (batch size {size}{at}) and take {epochs}: {result}. {_others(found.ahead)}"
        )
    else:
        take = f"{_LEAST[goal]}, take" if goal in _LEAST else "Take"
        last = f"{take} batch size {size}{at} and {epochs}: {result}; {_of_defaults(found)}."
    warning = beats = ""
    if found.forecasts is not None:
        warning = found.forecasts.warning("validation")
    if found.forecasts is not None and not found.forecasts.unbeaten:
        best = min(found.forecasts.naive, key=lambda one: one.rmse.mean)
        own = found.forecasts.rmse
        against = f"RMSE {own.format_value(own.mean)} against {best.rmse.format_value(best.rmse.mean)}"
        beats = f"It beats {best.name}: {against} on the same windows."
    return " ".join(filter(None, (warning, first, last, failed, beats)))


def _others(ahead: FinalEstimate | None) -> str:
    if ahead is None:
        return "The best other setting that was tried is no better there."
    failed = f"failed on {ahead.failures} of {_seeds(ahead.looked_at)}"
    return f"Another was better on average, but {failed if ahead.failures else 'may not beat the baseline'}."


def _of_defaults(found: Confirmed) -> str:
    defaults = found.defaults
    many = len(defaults.values)
    if defaults.diverged:
        return f"the defaults diverged on {defaults.diverged} of {_seeds(many)}"
    _, quality = found.shown(defaults)
    within = "" if defaults.trained_epochs == DEFAULT_EPOCHS else f" in {defaults.trained_epochs:,} epochs"
    tied = ", no significant difference" if found.final.tied_with(defaults) else ""
    return f"the defaults{within} would give {quality.format_value(quality.mean)}{tied}"


def _failures(final: FinalEstimate) -> str:
    return f"{final.failures} of {_seeds(final.looked_at)} diverged or ended worse than the baseline"


def _quality_text(quality: Summary) -> str:
    if quality.ci95 is None:
        return quality.format_value(quality.mean)
    low, high = map(quality.format_value, quality.ci95)
    return f"{quality.format_value(quality.mean)} ({low} to {high})"


def _seeds(count: int) -> str:
    return counted(count, "fresh seed")


def final_notes(found: Confirmed) -> list[str]:
    """What to know about what the final seeds said, one sentence each."""
    notes, final = [], found.final
    if found.none_beats_baseline:
        notes.append(
            "Check that the target is the right column, that some input can be known to say something about "
            "it, and whether more rows can be had."
        )
    elif final.failures:
        notes.append(
            f"{_failures(final)}: what the inputs say about the target is little, or the training is not "
            "reliable. More validation samples would tell."
        )
    if final.criteria.samples and not found.none_beats_baseline:
        notes.append(
            f"All repeats validate on the same {final.criteria.samples:,} samples, which chose the setting, "
            "too: its mean is slightly optimistic for new rows."
        )
    for one in found.left_out:
        rate = "" if one.point.exponent is None else f", learning rate {rate_at(one.point.exponent):g}"
        notes.append(
            f"Batch size {one.point.batch_size:,}{rate} came out ahead, but {one.failures} of "
            f"{one.looked_at} fresh seeds (those of the estimate, and more that look for rare failures) "
            "diverged or ended worse than the baseline: that setting was left out."
        )
    return notes
