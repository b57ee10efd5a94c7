"""How does what was measured become an advice in words?"""

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
from epochal.choose.finals import widened
from epochal.choose.goal import SHARE
from epochal.choose.noise import NoiseOverTraining
from epochal.choose.pilot import Pilot
from epochal.choose.reached import effort, relative_effort
from epochal.choose.search import Point, Search, rate_at
from epochal.choose.timing import Timer
from epochal.curves import Curves, Summary, summarize
from epochal.describe import conditions, describe_data
from epochal.directions import higher_is_better
from epochal.models import bounds_of

__all__ = ["Evidence", "conclude"]

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
    checked: Sequence[Point]
    repeats: Sequence[int]
    noise: NoiseOverTraining | None
    noise_words: str
    theory: Choice | None
    target: float | None
    share: float | None
    sizes: Sequence[int]
    asked: int
    epochs: int
    begin: float
    notes: Sequence[str]

    @property
    def best(self) -> Point:
        """What is advised."""
        return self.confirmed.final.point

    @property
    def rate(self) -> float | None:
        """The advised learning rate; None for an object that has its own."""
        if self.best.step is not None:
            return rate_at(self.best.step)
        return self.bench.base.spec.optimizer.learning_rate


def conclude(evidence: Evidence) -> Advice:
    """The advice."""
    bench, best, goal = evidence.bench, evidence.best, evidence.search.goal
    tried = _tried(evidence)
    tied = [one for one in tried if one.tied]
    sizes = _contiguous(evidence.sizes, tried, best.batch_size)
    batch_size = Choice(best.batch_size, min(sizes), max(sizes))
    learning_rate = _learning_rate(evidence, tied)
    lengths, final = evidence.confirmed.lengths, evidence.confirmed.final
    epochs, quality = _epochs(evidence), final.quality
    return Advice(
        answer=answer(evidence.confirmed, evidence.rate, _whole(evidence)),
        recommended=not evidence.confirmed.nothing,
        told_apart=_told_apart(evidence, sizes, tied),
        goal=goal.kind,
        batch_size=batch_size,
        learning_rate=learning_rate,
        epochs=epochs,
        optimizer=bench.base.spec.optimizer.name,
        column=bench.monitor,
        higher_is_better=higher_is_better(bench.monitor),
        target=float(np.mean([evidence.search.targets[repeat] for repeat in evidence.repeats])),
        target_words=_target_words(evidence),
        quality=quality,
        figures=_figures(evidence),
        defaults=_defaults(evidence),
        failures=final.failures,
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
    """Each point that was measured on all repeats, against the advised one."""
    search, best = evidence.search, evidence.best
    rows = []
    for point in sorted(evidence.checked, key=lambda one: (one.batch_size, one.step or 0)):
        repeats = [
            one for one in evidence.repeats if one in search.found[point] and one in search.found[best]
        ]
        reached = search.within(point, [search.found[point][repeat].reached for repeat in repeats])
        if search.goal.kind == "quality":
            price, ratio, tied = _by_quality(evidence, point, repeats)
        else:
            scale = search.price(point.batch_size)
            spent = effort(reached, scale, unit=search.goal.unit)
            price = (spent.expected, spent.low, spent.high)
            others = search.within(best, [search.found[best][repeat].reached for repeat in repeats])
            against = relative_effort(reached, others, scale, search.price(best.batch_size))
            middle = math.inf if against.ratio is None else against.ratio
            ratio, tied = (middle, against.low, against.high), point == best or against.low <= 1
        rate = None if point.step is None else rate_at(point.step)
        rows.append(Tried(point.batch_size, rate, len(repeats), effort(reached), price, ratio, tied))
    return tuple(rows)


def _by_quality(
    evidence: Evidence, point: Point, repeats: Sequence[int]
) -> tuple[tuple[float, float, float], tuple[float, float, float], bool]:
    """Mean value with its interval, paired difference to the advised point, and whether it is none."""
    found = evidence.search.found
    values = np.array([found[point][repeat].best for repeat in repeats])
    differences = values - np.array([found[evidence.best][repeat].best for repeat in repeats])
    mean, apart = summarize(values), summarize(differences)
    low, high = mean.ci95 or (math.nan, math.nan)
    less, more = apart.ci95 or (math.nan, math.nan)
    worse = more < 0 if higher_is_better(evidence.bench.monitor) else less > 0
    tied = point == evidence.best or not worse
    return (mean.mean, low, high), (apart.mean, less, more), tied


def _contiguous(sizes: Sequence[int], tried: Sequence[Tried], best: int) -> list[int]:
    """The sizes around the best one that can't be told from it, up to one that is worse or was not checked.

    A size is judged by the rate that was measured most: one that was given up early says little either way.
    """
    judged: dict[int, Tried] = {}
    for one in tried:
        held = judged.get(one.batch_size)
        if held is None or (one.repeats, -one.ratio[0]) > (held.repeats, -held.ratio[0]):
            judged[one.batch_size] = one

    def level(size: int) -> bool:
        return size == best or (size in judged and judged[size].tied)

    low = high = sizes.index(best)
    while low > 0 and level(sizes[low - 1]):
        low -= 1
    while high < len(sizes) - 1 and level(sizes[high + 1]):
        high += 1
    return list(sizes[low : high + 1])


def _learning_rate(evidence: Evidence, tied: Sequence[Tried]) -> Choice | None:
    if evidence.rate is None:
        return None
    rates = [
        one.learning_rate
        for one in tied
        if one.batch_size == evidence.best.batch_size and one.learning_rate is not None
    ]
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


def _whole(evidence: Evidence) -> bool:
    """Whether the advised batch holds all training samples."""
    plan = evidence.bench.base.plan
    return plan.order.once and evidence.best.batch_size == plan.samples


def _figures(evidence: Evidence) -> dict[str, Summary]:
    """The other columns, where the judged one is read."""
    final, loss_name = evidence.confirmed.final, evidence.bench.base.loss_name
    return {
        name: widened(values, final.rules.overlap, bounds_of(name.partition(".")[2], loss_name))
        for name, values in final.figures.items()
    }


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


_CHEAPEST = {
    "time": "is the fastest of them",
    "samples": "needs the fewest samples of them",
    "updates": "needs the fewest updates of them",
    "quality": "takes the least time of them",
}


def _told_apart(evidence: Evidence, sizes: Sequence[int], tied: Sequence[Tried]) -> str:
    if len(sizes) > 1:
        # A size that seemed much worse was given up with few repeats, which is not to be told apart by many.
        each = [max(one.repeats for one in tied if one.batch_size == size) for size in sizes]
        least, most = min(each), max(each)
        repeats = f"{most}" if least == most else f"{least} to {most}"
        return (
            f"No significant difference between {sizes[0]:,} and {sizes[-1]:,} with {repeats} repeats; "
            f"{evidence.best.batch_size:,} {_CHEAPEST[evidence.search.goal.kind]}."
        )
    return ""


def _target_words(evidence: Evidence) -> str:
    column = evidence.bench.monitor.replace(".", " ")
    if evidence.target is not None:
        return f"{column} {evidence.target:g}, as given"
    share = evidence.share or SHARE
    why = "" if share == SHARE else ", since luck alone makes that much of a difference"
    return (
        f"{column} within {100 * share:.2g} % of the best{why}: on the scale from the best value of tuned "
        "trainings (0 %) to the baseline (100 %); each repeat has a split and a target of its own"
    )


def _decided_by(evidence: Evidence) -> str:
    optimizer = evidence.bench.base.spec.optimizer.name
    theory = evidence.theory
    measured = "so short trainings at several batch sizes and rates decided"
    if evidence.search.goal.kind != "time":
        return f"The noise scale says nothing about the goal {evidence.search.goal.kind}, {measured}."
    if optimizer != "sgd":
        return f"The noise scale is no guide for {optimizer}, only for plain SGD, {measured}."
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
    bench, repeats, sizes = evidence.bench, evidence.asked, evidence.sizes
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
