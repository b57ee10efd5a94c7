"""Assembly of an `Advice` from measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from epochal.choose.advice import Advice, Choice, Defaults, Price, Tried
from epochal.choose.advice_words import answer, remarks
from epochal.choose.adviser import Adviser
from epochal.choose.confirm import Lengths
from epochal.choose.finest import MARGIN, Levels
from epochal.choose.goal import SHARE
from epochal.choose.reached import Effort, effort, relative_effort
from epochal.choose.search import Point
from epochal.choose.words import called
from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves, summarize
from epochal.models import bounds_of
from epochal.training.describe import conditions, describe_data

GRID_RATES = 9
"""Rates of the exhaustive grid that an advice is compared with: a factor of 256 in steps of 2."""

GRID_EPOCHS = 100
"""Its epochs, or the advised number if that is larger."""

TOO_WIDE = 4.0
"""An interval of the theory wider than this factor decides nothing.

Where B_c is wrong by a factor q, the time is at worst (2 + √q + 1/√q)/4 times the least: where the overhead
of an update costs as much as B_c samples do.
"""


def conclude(steps: Adviser) -> Advice:
    """The advice."""
    bench, best, lengths, final = steps.bench, steps.best, steps.confirmed.lengths, steps.confirmed.final
    plan, rate, loss_name = bench.base.plan, steps.search.rate_of(best), bench.base.loss_name
    tried = _tried(steps)
    tied = [one for one in tried if one.tied]
    sizes = [best.batch_size, *(one.batch_size for one in tied)]
    whole = plan.order.once and best.batch_size == plan.samples
    updates = lengths.epochs * steps.search.batches(best.batch_size)
    return Advice(
        answer=answer(steps.confirmed, rate, whole),
        recommended=not steps.confirmed.nothing,
        told_apart=_told_apart(steps, tried, tied),
        goal=steps.goal,
        batch_size=Choice(best.batch_size, min(sizes), max(sizes)),
        learning_rate=_learning_rate(rate, best, tied),
        epochs=_epochs(lengths),
        optimizer=bench.base.spec.optimizer.name,
        column=bench.monitor,
        higher_is_better=higher_is_better(bench.monitor),
        target=float(np.mean(list(steps.search.targets.values()))),
        target_words=_target_words(steps),
        quality=final.quality,
        figures={
            name: final.figure(name, bounds_of(name.partition(".")[2], loss_name)) for name in final.figures
        },
        defaults=_defaults(steps),
        failures=final.failures,
        seconds=updates * float(steps.timer.curve.seconds(best.batch_size)),
        best_epochs=lengths.best,
        improving=lengths.improving,
        tried=tried,
        timing=steps.timer.curve,
        noise=steps.noise,
        noise_words=steps.noise_words,
        theory=steps.theory,
        decided_by=_decided_by(steps),
        curves=Curves.concatenate([trial.curves for trial in lengths.trials.values()]),
        notes=_notes(steps),
        cost=_cost(steps, updates),
        data=describe_data(bench.base),
        settings=bench.described(),
        conditions=conditions(deterministic=bench.base.settings.deterministic),
        folder=bench.store.folder,
    )


def _tried(steps: Adviser) -> tuple[Tried, ...]:
    """Each point that was measured, against the advised one."""
    points = steps.checked if steps.levels is None else steps.levels.found
    ordered = sorted(points, key=lambda one: (one.batch_size, one.step or 0))
    if steps.levels is None:
        return tuple(_by_price(steps, point) for point in ordered)
    return tuple(_by_quality(steps, steps.levels, point) for point in ordered)


def _by_price(steps: Adviser, point: Point) -> Tried:
    """What a point costs until its target, over the price of the advised one on the same repeats."""
    search, best = steps.search, steps.best
    shared = [one for one in steps.used if one in search.found[best]]
    repeats = [one for one in shared if one in search.found[point]]
    reached = search.reached(point, repeats)
    scale = search.price(point.batch_size)
    spent = effort(reached, scale)
    against = relative_effort(reached, search.reached(best, repeats), scale, search.price(best.batch_size))
    middle = math.inf if against.ratio is None else against.ratio
    few, level = len(repeats) < len(shared), point == best or against.low <= 1
    return Tried(
        batch_size=point.batch_size,
        learning_rate=steps.search.rate_of(point),
        repeats=len(repeats),
        effort=effort(reached),
        price=(spent.expected, spent.low, spent.high),
        ratio=(middle, against.low, against.high),
        tied=bool(level and not few),
        given_up=bool(level and few),
        reference=point == best,
    )


def _by_quality(steps: Adviser, levels: Levels, point: Point) -> Tried:
    """What a point reaches after the epochs that are best for it, less the winner on the same repeats."""
    winner = steps.confirmed.winner
    best = steps.best if winner is None else winner.point
    held = levels.found.get(best, {})
    repeats = levels.seen(point, steps.used)
    repeats = [repeat for repeat in repeats if repeat in held] or repeats
    values = levels.sign * levels.by_others(point, repeats)
    others = np.full(len(repeats), math.nan)  # whatever was tried broke: there is nothing to compare with
    if all(repeat in held for repeat in repeats):
        others = levels.sign * levels.by_others(best, repeats)
    few = bool(levels.missing(point, steps.used))
    apart, price = summarize(values - others), summarize(values)
    less, more = apart.ci95 or (math.nan, math.nan)
    middle, (low, high) = price.mean, price.ci95 or (math.nan, math.nan)
    if few and not levels.missing(best, steps.used):
        # On other seeds its values are others: what the winner has on all of them, and the difference.
        whole = summarize(levels.sign * levels.by_others(best, steps.used)).mean
        middle, low, high = whole + apart.mean, whole + less, whole + more
    level = point == best or (less <= 0 if levels.sign > 0 else more >= 0)
    epochs = None if levels.broken(point, repeats) else levels.epochs(point, repeats)
    made = math.inf if epochs is None else float(epochs * steps.search.batches(point.batch_size))
    return Tried(
        batch_size=point.batch_size,
        learning_rate=steps.search.rate_of(point),
        repeats=len(repeats),
        effort=Effort(made, made, made, 0 if epochs is None else len(repeats), len(repeats)),
        price=(middle, low, high),
        ratio=(apart.mean, less, more),
        tied=bool(level and not few),
        given_up=bool(level and few),
        epochs=epochs,
        reference=point == best,
    )


def _learning_rate(rate: float | None, best: Point, tied: Sequence[Tried]) -> Choice | None:
    if rate is None:
        return None
    if best.step is None:
        return Choice(rate, rate, rate, "as it was given")
    rates = [rate, *(one.learning_rate for one in tied if one.learning_rate is not None)]
    return Choice(rate, min(rates), max(rates))


def _epochs(lengths: Lengths) -> Choice:
    """The advised number; the interval holds four fifths of the repeats."""
    note = ""
    if math.isinf(lengths.high) and lengths.still_improving:
        note = f"still improving at epoch {lengths.epochs:,}, the most that was tried"
    return Choice(float(lengths.epochs), lengths.low, lengths.high, note)


def _defaults(steps: Adviser) -> Defaults:
    usual, final = steps.confirmed.defaults, steps.confirmed.final
    return Defaults(
        batch_size=usual.point.batch_size,
        learning_rate=steps.search.rate_of(usual.point),
        epochs=usual.trained,
        quality=usual.quality,
        difference=None if steps.confirmed.usual else final.less(usual),
        failures=usual.failures,
    )


def _told_apart(steps: Adviser, tried: Sequence[Tried], tied: Sequence[Tried]) -> str:
    sizes = sorted({steps.best.batch_size, *(one.batch_size for one in tied)})
    if len(sizes) < 2 or steps.confirmed.nothing:
        return ""
    # A size that seemed much worse was given up with few repeats, which is not to be told apart by many.
    each = [max((one.repeats for one in tied if one.batch_size == size), default=0) for size in sizes]
    least, most = min(filter(None, each)), max(each)
    repeats = f"{most}" if least == most else f"{least} to {most}"
    worse = {one.batch_size for one in tried if sizes[0] < one.batch_size < sizes[-1]} - set(sizes)
    but = f" (but {called([f'{size:,}' for size in sorted(worse)])} did worse)" if worse else ""
    return (
        f"No significant difference between batch sizes {called([f'{size:,}' for size in sizes])}{but} with "
        f"{repeats} repeats."
    )


def _target_words(steps: Adviser) -> str:
    column = steps.bench.monitor.replace(".", " ")
    if steps.target is not None:
        return f"{column} {steps.target:g}, as given"
    share = steps.share or SHARE
    why = "" if share == SHARE else ", since luck alone makes that much of a difference"
    return (
        f"{column} within {100 * share:.2g} % of the best{why} (0 % is the best value of tuned trainings, "
        "100 % the baseline; each repeat has a split and a target of its own)"
    )


def _decided_by(steps: Adviser) -> str:
    optimizer = steps.bench.base.spec.optimizer.name
    theory = steps.theory
    measured = "so short trainings at several batch sizes and rates decided"
    if steps.goal == "quality":
        return (
            "A setting is judged after the epochs at which its repeats are best on average. Those that are "
            f"worse than the best by at most {MARGIN:.0%} of its gain on the baseline are as good; the "
            "fastest of them is taken."
        )
    if steps.goal != "time" or optimizer != "sgd":
        return "Short trainings at several batch sizes and rates decided."
    if theory is None and steps.noise is not None and steps.noise.value is not None:
        return f"At a rate that was not tuned the noise scale can be many times too large, {measured}."
    if theory is None:
        return f"The noise scale could not be measured, {measured}."
    if theory.high > TOO_WIDE * theory.low:
        return (
            f"The noise scale suggests {theory.value:,.0f}, but anything from {theory.low:,.0f} to "
            f"{theory.high:,.0f} fits it, {measured}."
        )
    size = steps.best.batch_size
    agrees = theory.low / 2 <= size <= theory.high * 2
    words = "the measured trainings agree"
    if not agrees:
        words = f"the measured trainings say {size:,}, and they decided"
    return f"The noise scale suggests {theory.value:,.0f} ({theory.low:,.0f} to {theory.high:,.0f}); {words}."


def _notes(steps: Adviser) -> tuple[str, ...]:
    notes = [*steps.notes, *remarks(steps.confirmed)]
    if steps.pilot.edge:
        notes.append(f"{steps.pilot.edge[0].upper()}{steps.pilot.edge[1:]}.")
    lengths = steps.confirmed.lengths
    late = sum(lengths.improving)
    if late:
        notes.append(
            f"{late} of {len(lengths.improving)} repeats were still improving at the last epoch that was "
            "tried: more epochs may be better."
        )
    elif steps.goal == "quality" and not steps.confirmed.nothing:
        notes.append(
            "The repeats went on until they no longer improved. The verdict on one training sees one curve "
            "only, and may still suggest more epochs."
        )
    sizes = sorted({point.batch_size for point in steps.search.found})
    if steps.best.batch_size in (1, steps.bench.base.plan.turns) and len(sizes) > 1:
        notes.append("The advised batch size is at the end of those that are possible.")
    return tuple(notes)


def _cost(steps: Adviser, updates: int) -> Price:
    """What the advice took, held against the `updates` of one training as advised and against a grid."""
    bench, repeats, sizes = steps.bench, len(steps.first), steps.possible
    length = max(GRID_EPOCHS, steps.confirmed.lengths.epochs)
    rates = 1 if steps.best.step is None else GRID_RATES
    grid = sum(map(steps.search.batches, sizes)) * length * rates * repeats
    return Price(
        trainings=bench.trainings,
        updates=bench.updates,
        seconds=time.perf_counter() - steps.begin,
        of_one_training=bench.updates / max(updates, 1),
        of_grid=bench.updates / grid,
        grid=f"{len(sizes)} batch sizes × {rates} rates × {repeats} repeats, {length:,} epochs each",
    )
