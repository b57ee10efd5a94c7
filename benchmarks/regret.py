"""How much slower is what `advise` advises than the best of an exhaustive grid?

For each table and optimizer the grid trains every batch size (powers of two, and all samples) with rates a
factor of 2 apart, each with the same seeds, none of which the advice has seen. A training ends at the target
of its seed: as good as what tuned trainings of the pilot batch size reach on that split, but for luck
(`trials.target_values.tolerance_of`), with other initial parameters and orders. The time to the
target is the expected running time of trainings that are given up at 4 times the lowest median time: all the
updates made, over the trainings that got there, times the measured time of an update.

The grid's best is the lowest of a hundred noisy figures and looks better than it is. So it is chosen on one
half of the seeds and timed on the other, and both halves are averaged; the advice is timed on the same ones.

    python -m benchmarks.regret grid NAME OPTIMIZER     one cell of the grid, kept in build/regret
    python -m benchmarks.regret                         all cells, advice and the table
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Aim, Table
from epochal.choose.advice.advise import advise
from epochal.choose.search.pilot import candidate_sizes, long_trainings, lowest_tied, pilot_size
from epochal.choose.search.search import Point, Search, TrialResult, rate_at
from epochal.choose.statistics.time_to_target import Reached
from epochal.choose.trials.target_values import (
    baseline,
    best_epoch,
    negligible_change,
    target_values,
    tolerance_of,
)
from epochal.choose.trials.timing import Timer
from epochal.choose.trials.trial import Candidate, Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.models import MLP
from epochal.settings import Settings

FOLDER = Path("build") / "regret"
TABLES = ("digits", "breast-cancer", "wine", "diabetes", "generated")
MANY = 64
"""Seeds of a grid point."""
FIRST_SEED = 1000
ADVICE_SEEDS = (0, 100, 200)
EPOCHS = 1000
LOWEST, HIGHEST = {"sgd": -16, "adam": -26}, {"sgd": 6, "adam": -2}
"""Steps (half powers of two) of the lowest and the highest rate."""
HIDDEN = 32
FAR = 4.0
"""A point whose price on the first 8 seeds is so many times the best is not trained on the others."""


def data(name: str) -> Any:
    """A bundled table, or a generated one: two classes by a random network, a tenth of the labels wrong."""
    if name != "generated":
        return f"example:{name}"
    random = np.random.default_rng(7)
    inputs = random.normal(size=(3000, 20)).astype(np.float32)
    hidden = np.tanh(inputs @ random.normal(size=(20, 16)))
    classes = (hidden @ random.normal(size=16) > 0).astype(np.int64)
    flipped = random.random(3000) < 0.1
    return inputs, np.where(flipped, 1 - classes, classes)


class Wide(Search):
    """The grid measures further than the limit, whose place is known only when updates have been timed."""

    def limit(self) -> float:
        return 3 * super().limit()


def search_on(name: str, optimizer: str, price: Any, repeats: int, kind: type[Search] = Search) -> Search:
    settings = Settings(
        optimizer=optimizer, repeats=repeats, seed=FIRST_SEED, epochs=EPOCHS, standardize=True
    )
    runner = TrialRunner(prepare_shared(MLP(HIDDEN), data(name), settings))
    samples = runner.base.plan.samples

    def most(size: int) -> int:
        return EPOCHS * -(-samples // size)

    def patience(size: int) -> float:
        return float(max(20, math.ceil(200 / -(-samples // size))))

    def run(phase: str, jobs: Sequence[Job]) -> Iterable[Trial]:
        return runner.run(jobs)

    return kind(runner, Candidate("", MLP(HIDDEN), {}), "time", price, most, patience, run)


def grid(name: str, optimizer: str) -> dict[str, Any]:
    """One cell: what every point needed on every seed, and the targets; updates only, no times."""
    begin = time.perf_counter()
    path = FOLDER / f"{name}-{optimizer}.json"
    if path.exists():
        return json.loads(path.read_text())
    seeds = list(range(MANY))
    search = search_on(name, optimizer, None, len(seeds), Wide)
    runner = search.runner
    samples = runner.base.plan.samples
    # While others work, times can't be measured; prices for capping are roughly those of this machine.
    search.cost = lambda size: 1.0 + size / 20
    sizes, steps = candidate_sizes(samples), range(LOWEST[optimizer], HIGHEST[optimizer] + 1, 2)
    start = pilot_size(samples)
    trials = long_trainings(search, [Point(start, step) for step in steps], seeds, "")
    calm = lowest_tied(runner, trials)
    family = [
        Point(start, calm.exponent + offset) for offset in (0, -2, 2) if calm.exponent + offset in steps
    ]
    values = np.array([[trials[point][seed].best(runner.monitor) for seed in seeds] for point in family])
    values = values[np.isfinite(values).all(axis=1)]
    constant = {seed: baseline(runner, seed) for seed in seeds}
    share = tolerance_of(values, np.array(list(constant.values())))
    best = dict(zip(seeds, np.median(values, axis=0).tolist(), strict=True))
    search.target_values |= target_values(best, constant, share)
    for size in sorted(sizes, key=lambda size: abs(math.log(size / start))):
        points = [Point(size, step) for step in steps]
        first = seeds[:8]
        search.measure(points, first)
        lowest = min(search.score(point, first) for point in search.results)
        near = [point for point in points if search.score(point, first) <= FAR * lowest]
        search.measure(near, seeds)
    cell = {
        "table": name, "optimizer": optimizer, "samples": samples, "reference": [start, calm.exponent],
        "share": share, "updates_made": runner.updates,
        "targets": [search.target_values[seed] for seed in seeds],
        "minutes": (time.perf_counter() - begin) / 60,
        "points": [
            {
                "batch_size": point.batch_size, "step": point.exponent,
                "updates": [found[seed].reached.updates for seed in sorted(found)],
                "reached": [found[seed].reached.reached for seed in sorted(found)],
            }
            for point, found in sorted(search.results.items())
        ],
    }  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cell))
    return cell


def times(name: str, optimizer: str, sizes: list[int]) -> dict[int, float]:
    """Measured update times, with nothing else running."""
    search = search_on(name, optimizer, None, 1)
    timer = Timer(search.runner, Candidate("", MLP(HIDDEN), {}))
    return {size: timer.seconds(size) for size in sizes}


def cell(name: str, optimizer: str, advice_seed: int) -> dict[str, Any]:
    """One advice against the grid."""
    found = grid(name, optimizer)
    seeds = list(range(MANY))
    begin = time.perf_counter()
    advice = advise(
        MLP(HIDDEN), data(name), goal="time", optimizer=optimizer, standardize=True, seed=advice_seed
    )
    took = time.perf_counter() - begin
    seconds = times(name, optimizer, sorted({point["batch_size"] for point in found["points"]}))
    assert advice.learning_rate is not None
    step = round(2 * math.log2(advice.learning_rate))
    advised = Point(int(advice.batch_size), step)
    assert rate_at(step) == advice.learning_rate
    search = search_on(name, optimizer, lambda size: seconds[size], len(seeds))
    search.target_values |= dict(zip(seeds, found["targets"], strict=True))
    for row in found["points"]:
        if len(row["updates"]) == len(seeds):
            point = Point(row["batch_size"], row["step"])
            pairs = zip(row["updates"], row["reached"], strict=True)
            search.results[point] = {
                seed: TrialResult(Reached(*pair), math.nan) for seed, pair in enumerate(pairs)
            }
    search.measure([advised], seeds)
    points, ratios = list(search.results), []
    for half in (seeds[::2], seeds[1::2]):
        other = [seed for seed in seeds if seed not in half]
        best = min(points, key=lambda point: search.score(point, half))
        ratios.append(search.score(advised, other) / search.score(best, other))
    whole = min(points, key=lambda point: search.score(point, seeds))
    fresh = fresh_epochs(name, optimizer, advised)
    low, middle, high = (float(end) for end in np.percentile(fresh, [10, 50, 90], method="inverted_cdf"))
    theory = advice.theory
    return {
        "table": name,
        "optimizer": optimizer,
        "seed": advice_seed,
        "advised": [advised.batch_size, rate_at(advised.exponent or 0), advice.epochs.value],
        "best": [whole.batch_size, rate_at(whole.exponent or 0)],
        "regret": float(np.exp(np.mean(np.log(ratios)))),
        "regret_in_sample": search.score(advised, seeds) / search.score(whole, seeds),
        "tied_text": advice.tied_text,
        "epochs_within": bool(low <= advice.epochs.value <= high),
        "fresh": [low, middle, high],
        "seconds": took,
        "updates": advice.usage.updates,
        "of_grid": advice.usage.of_grid,
        "theory": None if theory is None else [theory.value, theory.low, theory.high],
    }


def fresh_epochs(name: str, optimizer: str, point: Point, repeats: int = 30) -> list[float]:
    """The best epoch of long trainings of a setting on seeds that nobody has seen."""
    settings = Settings(optimizer=optimizer, repeats=repeats, seed=5000, epochs=1000, standardize=True)
    runner = TrialRunner(prepare_shared(MLP(HIDDEN), data(name), settings))
    batches = -(-runner.base.plan.samples // point.batch_size)
    candidate = Candidate(
        "fresh", MLP(HIDDEN), {"batch_size": point.batch_size, "learning_rate": rate_at(point.exponent or 0)}
    )
    wait = float(2 * max(20, math.ceil(200 / batches)))
    change = [negligible_change(runner, seed) for seed in range(repeats)]
    jobs = [
        Job(candidate, seed, 1000 * batches, batches, patience=wait, min_delta=change[seed])
        for seed in range(repeats)
    ]
    return [best_epoch(trial, runner.monitor, change[trial.repeat]) for trial in runner.run(jobs)]


def main() -> None:
    table = Table(
        "regret",
        f"Advice against an exhaustive grid: time to the target, MLP {HIDDEN}, goal time",
        {
            "table": "table",
            "optimizer": "optimizer",
            "seed": "first seed",
            "advised": "advised batch, rate, epochs",
            "best": "grid's best batch, rate",
            "regret": "time, times the grid's best",
            "in_sample": "the best chosen and timed on the same seeds",
            "fresh": "best epoch of 30 new seeds (10–90 %)",
            "share": "updates, share of a grid with the repeats that were asked for",
        },
        notes=[
            f"{MANY} seeds a grid point; the best is chosen on one half and timed on the other, both ways: "
            "below 1 is luck.",
            "The targets, the rule that gives trainings up and the update times are those of the advice; the "
            "seeds are others.",
        ],
    )
    cells = [
        cell(name, optimizer, seed)
        for seed in ADVICE_SEEDS
        for name in TABLES
        for optimizer in ("sgd", "adam")
    ]
    for one in cells:
        size, rate, epochs = one["advised"]
        low, middle, high = one["fresh"]
        table.rows.append(
            {
                "table": one["table"],
                "optimizer": one["optimizer"],
                "seed": one["seed"],
                "advised": f"{size}, {rate:g}, {epochs:g}",
                "best": f"{one['best'][0]}, {one['best'][1]:g}",
                "regret": one["regret"],
                "in_sample": one["regret_in_sample"],
                "fresh": f"{middle:g} ({low:g}–{high:g})" + ("" if one["epochs_within"] else " missed"),
                "share": f"{one['of_grid']:.1%}",
            }
        )
    regrets = np.array([one["regret"] for one in cells])
    within = float(np.mean([one["epochs_within"] for one in cells]))
    table.aims += [
        Aim("median regret", float(np.median(regrets)), 1.1, at_most=True),
        Aim("share of cells with at most 1.2", float(np.mean(regrets <= 1.2)), 0.8),
        Aim("worst regret", float(regrets.max()), 1.5, at_most=True),
        Aim("share of cells whose epochs lie within", within, 0.9),
    ]
    table.publish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["grid"]:
        one = grid(sys.argv[2], sys.argv[3])
        print(one["table"], one["optimizer"], f"{one['minutes']:.1f} min", one["updates_made"])
    else:
        main()
