"""How often are equal settings called different, and how often would they be without each correction?

Values are noise, or of trainings of one setting that differ in nothing but initial weights and order, dealt
out as if they were several settings. All settings of a comparison share their splits, as in `compare`, and go
through its own looks, tests and corrections. A number of comparisons may follow: `python -m
benchmarks.equal_settings 1000`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr
from scipy.stats import binomtest, kurtosis, skew

from benchmarks.equal_trainings import KINDS, trained
from benchmarks.measure import Aim, Table
from epochal.choose.statistics import paired_statistics, paired_test, race
from epochal.choose.statistics.paired_statistics import SharedSd
from epochal.curves import Summary
from epochal.curves.statistics import epochs_of_next

Floats = NDArray[np.float64]

COMPARISONS = 1000
REPEATS = (3, 10, 30)
SETTINGS = (2, 5, 10)
NOISE: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy tails (t, 3 degrees)": lambda random, shape: random.standard_t(3, size=shape),
    "skewed (lognormal)": lambda random, shape: random.lognormal(size=shape),
    "normal, one setting 3 times as noisy": lambda random, shape: louder(random.normal(size=shape), 3),
    "normal, one setting 10 times as noisy": lambda random, shape: louder(random.normal(size=shape), 10),
}


def louder(table: Floats, times: float) -> Floats:
    """The same with one setting that scatters more, as a batch size of 1 or a high rate does."""
    return np.concatenate([times * table[:1], table[1:]])


def judged(several: Floats) -> Floats:
    """Values of repeats, or their curves (repeats, evaluations), each read where the next one is best."""
    if several.ndim == 1:
        return several
    return np.asarray(several[np.arange(len(several)), epochs_of_next(several)])


def called_different(tables: Iterator[Floats], margin: float | None = 0.0) -> tuple[int, int]:
    """At the end of how many comparisons any setting is called worse, of how many; (settings, repeats)."""
    found = []
    for table in tables:

        def train(live: Sequence[str], _: int, look: int, table: Floats = table) -> dict[str, list[float]]:
            return {name: judged(table[int(name), :look]).tolist() for name in live}

        names = [str(place) for place in range(len(table))]
        outcome = race.race(names, table.shape[1], train, margin=margin)
        found.append(len(outcome.tied) < len(table))
    return sum(found), len(found)


def twice(looks: int) -> tuple[float, ...]:
    """A negative control: early looks take even shares, and the last one takes the whole level again."""
    return (1 / looks,) * (looks - 1) + (1.0,)


def without(*corrections: str) -> ExitStack:
    """Negative controls: takes corrections out while it is open; of "once", "looks", "pairs", "own"."""
    stack = ExitStack()
    if "once" in corrections:
        stack.enter_context(mock.patch.object(race, "shares", twice))
    if "looks" in corrections:
        stack.enter_context(mock.patch.object(race, "shares", lambda looks: (1.0,) * looks))
    if "pairs" in corrections:
        for module in (race, paired_test):
            stack.enter_context(mock.patch.object(module, "comparisons_of", return_value=1))
    if "own" in corrections:
        stack.enter_context(mock.patch.object(paired_statistics, "shared_test", by_all_alone))
    return stack


def by_all_alone(own: Summary, shared: SharedSd, two: tuple[int, int]) -> tuple[Summary, float, float]:
    """A negative control: the largest spread, with the degrees of freedom of all settings."""
    sd = max(shared.sd, own.sd or 0.0)
    chance = 2 * stdtr(shared.df, -abs(own.mean) / (sd / own.repeats**0.5))
    return Summary(own.mean, sd, own.ci95, own.per_repeat), shared.df, float(chance)


def simulated(noise: str, settings: int, repeats: int, comparisons: int) -> Iterator[Floats]:
    """Noise, with splits that differ as much."""
    random = np.random.default_rng([settings, repeats])
    for _ in range(comparisons):
        yield NOISE[noise](random, (settings, repeats)) + random.normal(size=repeats)


def dealt(pool: Floats, settings: int, repeats: int, comparisons: int) -> Iterator[Floats]:
    """Comparisons of curves (draws, splits, evaluations) that share none; as many as there are or wanted."""
    draws, splits, _ = pool.shape
    places = (
        (draw, first)
        for draw in range(0, draws - settings + 1, settings)
        for first in range(0, splits - repeats + 1, repeats)
    )
    for (draw, first), _ in zip(places, range(comparisons), strict=False):
        yield pool[draw : draw + settings, first : first + repeats]


def share(count: int, of: int) -> str:
    """A share with its 95 % interval (Clopper & Pearson 1934).

    >>> share(12, 1000)
    '1.2 (0.6 to 2.1)'
    """
    ends = binomtest(count, of).proportion_ci(0.95, method="exact")
    return f"{100 * count / of:.2g} ({100 * ends.low:.1f} to {100 * ends.high:.1f})"


def rows(values: str, comparisons: int) -> tuple[list[dict[str, Any]], str]:
    """The rows of one kind of values, and what is to be known about them."""
    note = ""
    pool = np.empty((0, 0, 0))
    if values in KINDS:
        pool = trained(KINDS[values], max(SETTINGS[0] * comparisons, SETTINGS[-1]), max(REPEATS))
        best = pool.min(axis=2)
        of = f"{np.median(skew(best)):.1f} and {np.median(kurtosis(best)):.1f}"
        note = f"{values}: {of}"
    found = []
    for settings in SETTINGS:
        for repeats in REPEATS:

            def tables(settings: int = settings, repeats: int = repeats) -> Iterator[Floats]:
                if values in KINDS:
                    return dealt(pool, settings, repeats, comparisons)
                return simulated(values, settings, repeats, comparisons)

            called, count = called_different(tables())
            row: dict[str, Any] = {
                "values": f"trainings, {values}" if values in KINDS else f"noise, {values}",
                "settings": settings,
                "repeats": repeats,
                "comparisons": count,
                "called": share(called, count),
                "margin": share(*called_different(tables(), None)),
                "count": called,
            }
            for control in ("once", "looks", "pairs", "own"):
                if control in ("pairs", "own") and settings == 2:
                    continue
                if control in ("once", "looks") and repeats == min(REPEATS):
                    continue  # one look, one pair: there is nothing to correct
                with without(control):
                    row[control] = share(*called_different(tables()))
            found.append(row)
    return found, note


def main(comparisons: int = COMPARISONS) -> None:
    table = Table(
        "equal_settings",
        "Comparisons of equal settings that call any of them worse, %",
        {
            "values": "values",
            "settings": "settings",
            "repeats": "repeats",
            "comparisons": "comparisons",
            "called": "called different (95 % interval)",
            "margin": "with the default margin",
            "once": "if the last look spent the level again",
            "looks": "if every look spent the whole level",
            "pairs": "if pairs were not corrected for",
            "own": "if noisy settings were judged by calm ones",
        },
        timed=False,
    )
    names = [*KINDS, *NOISE]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        found = list(workers.map(rows, names, [comparisons] * len(names)))
    for several, _ in found[len(KINDS) :] + found[: len(KINDS)]:
        table.rows += several
    for kind in ("noise", "trainings"):
        for repeats in REPEATS:
            some = [
                row for row in table.rows if str(row["values"]).startswith(kind) and row["repeats"] == repeats
            ]
            most = max(100 * row["count"] / row["comparisons"] for row in some)  # type: ignore[operator]
            together = 100 * sum(row["count"] for row in some) / sum(row["comparisons"] for row in some)  # type: ignore[misc,operator]
            table.aims.append(Aim(f"{kind}, {repeats} repeats, all rows together", together, 3, at_most=True))
            table.aims.append(Aim(f"{kind}, {repeats} repeats, the worst row", most, 3, at_most=True))
    table.notes += [
        "At most 2 % is promised, over all pairs and looks. The intervals are those of Clopper and Pearson. "
        "All settings of a comparison share their splits.",
        "Trainings: 100 rows, 20 of them held out, MLP(4) or MLP(8), Adam, batch size 16, 20 or 40 epochs; "
        f"on each of 30 splits as many as {comparisons:,} comparisons of two settings need. They differ in "
        "initial weights and order, and none is in two comparisons of a row. Skewness and excess kurtosis of "
        f"the best losses of a split (median): {'; '.join(note for _, note in found if note)}.",
    ]
    table.publish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
