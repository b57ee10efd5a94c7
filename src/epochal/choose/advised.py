"""Assembly of an `Advice` from measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from epochal.choose.advice import Advice, Choice, Defaults, Price, Tried
from epochal.choose.advice_words import answer, remarks
from epochal.choose.bench import Bench
from epochal.choose.confirm import Confirmed
from epochal.choose.goal import SHARE
from epochal.choose.levels import MARGIN, Levels
from epochal.choose.noise import NoiseOverTraining
from epochal.choose.pilot import Pilot
from epochal.choose.reached import Effort, effort, relative_effort
from epochal.choose.search import Point, Search, rate_at
from epochal.choose.timing import Timer
from epochal.choose.words import called
from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves, Summary, summarize
from epochal.models import bounds_of
from epochal.training.describe import conditions, describe_data

GRID_RATES = 9
"""Rates of the exhaustive grid that an advice is compared with: a factor of 256 in steps of 2."""

GRID_EPOCHS = 100
"""Its epochs, or the advised number if that is larger."""

TOO_WIDE = 4.0
"""An interval of the theory wider than this factor decides nothing (see `hyperbola.regret`)."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that the steps of an advice have left behind."""

    bench: Bench
    search: Search
    timer: Timer
    pilot: Pilot
    confirmed: Confirmed
    levels: Levels | None
    checked: Sequence[Point]
    repeats: Sequence[int]
    noise: NoiseOverTraining | None
    noise_words: str
    theory: Choice | None
    target: float | None
    share: float | None
    sizes: Sequence[int]
    possible: Sequence[int]
    asked: int
    epochs: int
    begin: float
    notes: Sequence[str]

    @property
    def best(self) -> Point:
        """What is advised."""
        return self.confirmed.final.point

    def rate_of(self, point: Point) -> float | None:
        """The learning rate of a point; None for an object that has its own."""
        return self.bench.base.spec.optimizer.learning_rate if point.step is None else rate_at(point.step)

    @property
    def rate(self) -> float | None:
        """The advised learning rate; None for an object that has its own."""
        return self.rate_of(self.best)


def conclude(evidence: Evidence) -> Advice:
    """The advice."""
    bench, best, goal = evidence.bench, evidence.best, evidence.search.goal
    tried = _tried(evidence)
    tied = [one for one in tried if one.tied]
    sizes = [best.batch_size, *(one.batch_size for one in tied)]
    batch_size = Choice(best.batch_size, min(sizes), max(sizes))
    learning_rate = _learning_rate(evidence, tied)
    lengths, final = evidence.confirmed.lengths, evidence.confirmed.final
    epochs, quality = _epochs(evidence), final.quality
    return Advice(
        answer=answer(evidence.confirmed, evidence.rate, _whole(evidence)),
        recommended=not evidence.confirmed.nothing,
        told_apart=_told_apart(evidence, tied),
        goal=goal.kind,
        batch_size=batch_size,
        learning_rate=learning_rate,
        epochs=epochs,
        optimizer=bench.base.spec.optimizer.name,
        column=bench.monitor,
        higher_is_better=higher_is_better(bench.monitor),
        target=float(np.mean(list(evidence.search.targets.values()))),
        target_words=_target_words(evidence),
        quality=quality,
        figures=_figures(evidence),
        defaults=_defaults(evidence),
        failures=final.failures,
        seconds=_seconds(evidence),
        best_epochs=lengths.best,
        improving=lengths.improving,
        tried=tried,
        timing=evidence.timer.curve,
        noise=evidence.noise,
        noise_words=evidence.noise_words,
        theory=evidence.theory,
        decided_by=_decided_by(evidence),
        curves=Curves.concatenate([trial.curves for trial in lengths.trials.values()]),
        notes=_notes(evidence),
        cost=_cost(evidence, epochs),
        data=describe_data(bench.base),
        settings=bench.described(),
        conditions=conditions(deterministic=bench.base.settings.deterministic),
        folder=bench.store.folder,
    )


def _tried(evidence: Evidence) -> tuple[Tried, ...]:
    """Each point that was measured, against the advised one."""
    points = evidence.checked if evidence.levels is None else evidence.levels.found
    ordered = sorted(points, key=lambda one: (one.batch_size, one.step or 0))
    if evidence.levels is None:
        return tuple(_by_price(evidence, point) for point in ordered)
    return tuple(_by_quality(evidence, evidence.levels, point) for point in ordered)


def _by_price(evidence: Evidence, point: Point) -> Tried:
    """What a point costs until its target, over the price of the advised one on the same repeats."""
    search, best = evidence.search, evidence.best
    shared = [one for one in evidence.repeats if one in search.found[best]]
    repeats = [one for one in shared if one in search.found[point]]
    reached = search.within(point, [search.found[point][repeat].reached for repeat in repeats])
    scale = search.price(point.batch_size)
    spent = effort(reached, scale, unit=search.goal.unit)
    others = search.within(best, [search.found[best][repeat].reached for repeat in repeats])
    against = relative_effort(reached, others, scale, search.price(best.batch_size))
    middle = math.inf if against.ratio is None else against.ratio
    few, level = len(repeats) < len(shared), point == best or against.low <= 1
    return Tried(
        batch_size=point.batch_size,
        learning_rate=evidence.rate_of(point),
        repeats=len(repeats),
        effort=effort(reached),
        price=(spent.expected, spent.low, spent.high),
        ratio=(middle, against.low, against.high),
        tied=bool(level and not few),
        given_up=bool(level and few),
        reference=point == best,
    )


def _by_quality(evidence: Evidence, levels: Levels, point: Point) -> Tried:
    """What a point reaches after the epochs that are best for it, less the winner on the same repeats."""
    winner = evidence.confirmed.winner
    best = evidence.best if winner is None else winner.point
    held = levels.found.get(best, {})
    repeats = levels.seen(point, evidence.repeats)
    repeats = [repeat for repeat in repeats if repeat in held] or repeats
    values = levels.sign * levels.by_others(point, repeats)
    others = np.full(len(repeats), math.nan)  # whatever was tried broke: there is nothing to compare with
    if all(repeat in held for repeat in repeats):
        others = levels.sign * levels.by_others(best, repeats)
    few = bool(levels.missing(point, evidence.repeats))
    apart, price = summarize(values - others), summarize(values)
    less, more = apart.ci95 or (math.nan, math.nan)
    middle, (low, high) = price.mean, price.ci95 or (math.nan, math.nan)
    if few and not levels.missing(best, evidence.repeats):
        # On other seeds its values are others: what the winner has on all of them, and the difference.
        whole = summarize(levels.sign * levels.by_others(best, evidence.repeats)).mean
        middle, low, high = whole + apart.mean, whole + less, whole + more
    level = point == best or (less <= 0 if levels.sign > 0 else more >= 0)
    epochs = None if levels.broken(point, repeats) else levels.epochs(point, repeats)
    made = (
        math.inf if epochs is None else float(epochs * -(-evidence.bench.base.plan.turns // point.batch_size))
    )
    return Tried(
        batch_size=point.batch_size,
        learning_rate=evidence.rate_of(point),
        repeats=len(repeats),
        effort=Effort(made, made, made, 0 if epochs is None else len(repeats), len(repeats)),
        price=(middle, low, high),
        ratio=(apart.mean, less, more),
        tied=bool(level and not few),
        given_up=bool(level and few),
        epochs=epochs,
        reference=point == best,
    )


def _learning_rate(evidence: Evidence, tied: Sequence[Tried]) -> Choice | None:
    if evidence.rate is None:
        return None
    rates = [evidence.rate, *(one.learning_rate for one in tied if one.learning_rate is not None)]
    if evidence.best.step is None:
        return Choice(evidence.rate, evidence.rate, evidence.rate, "as it was given")
    return Choice(evidence.rate, min(rates), max(rates))


def _epochs(evidence: Evidence) -> Choice:
    """The advised number; the interval holds four fifths of the repeats."""
    lengths = evidence.confirmed.lengths
    note = ""
    if math.isinf(lengths.high) and lengths.still_improving:
        note = f"still improving at epoch {lengths.epochs:,}, the most that was tried"
    return Choice(float(lengths.epochs), lengths.low, lengths.high, note)


def _seconds(evidence: Evidence) -> float:
    """What a training as advised takes, by the measured time of an update."""
    batches = -(-evidence.bench.base.plan.turns // evidence.best.batch_size)
    each = float(evidence.timer.curve.seconds(evidence.best.batch_size))
    return evidence.confirmed.lengths.epochs * batches * each


def _whole(evidence: Evidence) -> bool:
    """Whether the advised batch holds all training samples."""
    plan = evidence.bench.base.plan
    return plan.order.once and evidence.best.batch_size == plan.samples


def _figures(evidence: Evidence) -> dict[str, Summary]:
    """The other columns, where the judged one is read."""
    final, loss_name = evidence.confirmed.final, evidence.bench.base.loss_name
    return {name: final.figure(name, bounds_of(name.partition(".")[2], loss_name)) for name in final.figures}


def _defaults(evidence: Evidence) -> Defaults:
    """What the defaults give on the same seeds, and how far the advice is from it."""
    usual, final = evidence.confirmed.defaults, evidence.confirmed.final
    rate = evidence.bench.base.spec.optimizer.learning_rate
    return Defaults(
        batch_size=usual.point.batch_size,
        learning_rate=rate if usual.point.step is None else rate_at(usual.point.step),
        epochs=usual.trained,
        quality=usual.quality,
        difference=None if evidence.confirmed.usual else final.less(usual),
        failures=usual.failures,
    )


def _told_apart(evidence: Evidence, tied: Sequence[Tried]) -> str:
    sizes = sorted({evidence.best.batch_size, *(one.batch_size for one in tied)})
    if len(sizes) < 2 or evidence.confirmed.nothing:
        return ""
    # A size that seemed much worse was given up with few repeats, which is not to be told apart by many.
    each = [max((one.repeats for one in tied if one.batch_size == size), default=0) for size in sizes]
    least, most = min(filter(None, each)), max(each)
    repeats = f"{most}" if least == most else f"{least} to {most}"
    worse = {one.batch_size for one in _tried(evidence) if sizes[0] < one.batch_size < sizes[-1]} - set(sizes)
    but = f" (but {called([f'{size:,}' for size in sorted(worse)])} did worse)" if worse else ""
    return (
        f"No significant difference between batch sizes {called([f'{size:,}' for size in sizes])}{but} with "
        f"{repeats} repeats."
    )


def _target_words(evidence: Evidence) -> str:
    column = evidence.bench.monitor.replace(".", " ")
    if evidence.target is not None:
        return f"{column} {evidence.target:g}, as given"
    share = evidence.share or SHARE
    why = "" if share == SHARE else ", since luck alone makes that much of a difference"
    return (
        f"{column} within {100 * share:.2g} % of the best{why} (0 % is the best value of tuned trainings, "
        "100 % the baseline; each repeat has a split and a target of its own)"
    )


def _decided_by(evidence: Evidence) -> str:
    optimizer = evidence.bench.base.spec.optimizer.name
    theory = evidence.theory
    measured = "so short trainings at several batch sizes and rates decided"
    if evidence.search.goal.kind == "quality":
        return (
            "A setting is judged after the epochs at which its repeats are best on average. Those that are "
            f"worse than the best by at most {MARGIN:.0%} of its gain on the baseline are as good; the "
            "fastest of them is taken."
        )
    if evidence.search.goal.kind != "time" or optimizer != "sgd":
        return "Short trainings at several batch sizes and rates decided."
    if theory is None and evidence.noise is not None and evidence.noise.value is not None:
        return f"At a rate that was not tuned the noise scale can be many times too large, {measured}."
    if theory is None:
        return f"The noise scale could not be measured, {measured}."
    if theory.high > TOO_WIDE * theory.low:
        return (
            f"The noise scale suggests {theory.value:,.0f}, but anything from {theory.low:,.0f} to "
            f"{theory.high:,.0f} fits it, {measured}."
        )
    size = evidence.best.batch_size
    agrees = theory.low / 2 <= size <= theory.high * 2
    words = "the measured trainings agree"
    if not agrees:
        words = f"the measured trainings say {size:,}, and they decided"
    return f"The noise scale suggests {theory.value:,.0f} ({theory.low:,.0f} to {theory.high:,.0f}); {words}."


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = [*evidence.notes, *remarks(evidence.confirmed)]
    if evidence.pilot.edge:
        notes.append(f"{evidence.pilot.edge[0].upper()}{evidence.pilot.edge[1:]}.")
    lengths = evidence.confirmed.lengths
    late = sum(lengths.improving)
    if late:
        notes.append(
            f"{late} of {len(lengths.improving)} repeats were still improving at the last epoch that was "
            "tried: more epochs may be better."
        )
    sizes = sorted({point.batch_size for point in evidence.search.found})
    if evidence.best.batch_size in (1, evidence.bench.base.plan.turns) and len(sizes) > 1:
        notes.append("The advised batch size is at the end of those that are possible.")
    return tuple(notes)


def _cost(evidence: Evidence, epochs: Choice) -> Price:
    bench, repeats, sizes = evidence.bench, evidence.asked, evidence.possible
    turns = bench.base.plan.turns
    length = max(GRID_EPOCHS, int(epochs.value))
    in_epoch = sum(-(-turns // size) for size in sizes)
    rates = 1 if evidence.best.step is None else GRID_RATES
    grid = in_epoch * length * rates * repeats
    one = int(epochs.value) * -(-turns // evidence.best.batch_size)
    return Price(
        trainings=bench.trainings,
        updates=bench.updates,
        seconds=time.perf_counter() - evidence.begin,
        of_one_training=bench.updates / max(one, 1),
        of_grid=bench.updates / grid,
        grid=f"{len(sizes)} batch sizes × {rates} rates × {repeats} repeats, {length:,} epochs each",
    )
