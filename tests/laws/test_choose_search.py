"""Does the search find the best batch size and rate of a landscape that is known, with few short trainings?

Nothing is trained here: a landscape says how many updates a point needs, `run` makes trials of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import epochal as ep
from epochal.choose.advice.steps import Adviser
from epochal.choose.search import search as search_module
from epochal.choose.search.pilot import candidate_sizes
from epochal.choose.search.search import CAP, SCREEN, Point, Search, TrialResult, exponent_of, rate_at
from epochal.choose.statistics.time_to_target import Reached
from epochal.choose.trials.progress import ProgressSteps
from epochal.choose.trials.target_values import cost_of, reached_in, target_values
from epochal.choose.trials.trial import DIVERGED, Candidate, Job, Trial
from epochal.curves import Curves

SAMPLES, REPEATS, MOST, TARGET = 1024, 10, 30, 0.1
EPOCHS = 20_000


@dataclass
class Landscape:
    """Updates to the target: S_min (1 + B_c/B), more where the rate is not the best one of the batch size.

    The best rate grows with the batch until the critical batch size. A rate 8 times too high breaks.
    """

    critical: float
    fixed: float
    kind: str = "time"
    best_rate: float = 0.1
    curvature: float = 0.25
    noise: float = 0.3
    minimum: float = 60.0
    seed: int = 0
    jobs: list[Job] = field(default_factory=list)

    def seconds(self, batch_size: int) -> float:
        """The time of an update."""
        return 1e-6 * (self.fixed + batch_size)

    def off(self, point: Point) -> float:
        """How many factors of 2 a rate is above the best one of its batch size."""
        assert point.exponent is not None
        best = self.best_rate / (1 + self.critical / point.batch_size)
        return math.log2(rate_at(point.exponent) / best)

    def updates(self, point: Point) -> float:
        """What a point needs without noise."""
        wrong = math.exp(self.curvature * self.off(point) ** 2)
        return self.minimum * (1 + self.critical / point.batch_size) * wrong

    def cost(self, point: Point) -> float:
        """What it costs to get there."""
        return self.updates(point) * cost_of(self.kind, self.seconds)(point.batch_size)

    def min_price(self) -> float:
        """Of all points of the grid."""
        return min(
            self.cost(Point(size, step)) for size in candidate_sizes(SAMPLES) for step in range(-50, 10)
        )

    def trial(self, job: Job) -> Trial:
        """A training: the loss falls evenly from 1 to the target, where it ends."""
        self.jobs.append(job)
        changes = job.candidate.changes
        step = round(2 * math.log2(changes["learning_rate"]))
        point = Point(changes["batch_size"], step)
        of_split = np.random.default_rng((self.seed, job.repeat)).normal()
        own = np.random.default_rng((self.seed, job.repeat, point.batch_size, step + 1000)).normal()
        needed = self.updates(point) * math.exp(self.noise * (of_split + own) / math.sqrt(2))
        diverged = self.off(point) > 3
        last = 0 if diverged else min(job.updates, job.eval_interval * math.ceil(needed / job.eval_interval))
        at = np.unique([*range(0, last, job.eval_interval), last])
        assert job.target_value is not None
        values = 1 - (1 - job.target_value) * at / needed
        epochs = at * point.batch_size / SAMPLES
        rows = (np.full(len(at), job.repeat), epochs, at, at * point.batch_size, at * 1e-6)
        curves = Curves(*rows, {"validation.loss": values.astype(np.float64)})
        return Trial(job.candidate.name, job.repeat, curves, int(at[-1]), 0.0, DIVERGED if diverged else "")


@pytest.fixture(autouse=True)
def _no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A landscape has no data by which a change could be called negligible."""
    monkeypatch.setattr(search_module, "negligible_change", lambda runner, repeat: 0.0)


def bench_of(optimizer: str = "sgd") -> Any:
    """What a search asks of a runner."""
    spec = SimpleNamespace(optimizer=SimpleNamespace(name=optimizer, given=None, learning_rate=0.01))
    base = SimpleNamespace(
        plan=ep.Plan(SAMPLES, 1, 1),
        settings=SimpleNamespace(repeats=MOST, learning_rate=None),
        spec=spec,
    )
    return SimpleNamespace(base=base, monitor="validation.loss")


def adviser_of(land: Landscape, optimizer: str = "sgd") -> Adviser:
    """The steps of an advice on a landscape, with a target that is given."""
    asked = (Candidate("", None, {}), land.kind, TARGET, None, REPEATS, 0, EPOCHS)
    adviser = Adviser(bench_of(optimizer), *asked, ProgressSteps(None, False, None))
    adviser.timer = SimpleNamespace(seconds=land.seconds, again=lambda sizes: None)  # type: ignore[assignment]
    search = adviser.search
    search.cost = cost_of(land.kind, land.seconds)

    def run(phase: str, jobs: Sequence[Job]) -> Iterator[Trial]:
        limit = search.limit()
        for job in jobs:
            price = search.cost(job.candidate.changes["batch_size"])
            assert job.updates * price <= max(limit, 8 * price) + price, "no training beyond the limit"
            yield land.trial(job)

    search.run = run
    search.target_values |= dict.fromkeys(adviser.search_seeds, TARGET)
    return adviser


def chosen(land: Landscape, off: int = 0, optimizer: str = "sgd") -> Point:
    """What the steps after the pilot choose, where its rate is off by so many steps."""
    adviser = adviser_of(land, optimizer)
    guess = exponent_of(land.best_rate / (1 + land.critical / 32)) + off
    first = adviser.search.tune(32, guess, adviser.search_seeds)
    tuned = adviser._search(first, None)
    return adviser._ranked(adviser._check(tuned, [first]))[0]


def of_seed(seed: int) -> Landscape:
    """A landscape drawn at random."""
    random = np.random.default_rng(seed)
    critical = float(2 ** random.uniform(3, 9))
    return Landscape(
        critical=critical,
        fixed=float(2 ** random.uniform(0, 8)),
        kind=("time", "time", "time", "samples", "updates")[seed % 5],
        best_rate=float(2 ** random.uniform(-5, 1)),
        curvature=float(random.uniform(0.15, 0.5)),
        minimum=float(random.uniform(1, 5) * 4 * SAMPLES / critical),  # the target takes several epochs
        seed=seed,
    )


def test_it_finds_the_best_of_noisy_landscapes() -> None:
    """At most 15 % dearer than the best point of the grid in 95 %, and no training made twice."""
    regrets = []
    for seed in range(40):
        land = of_seed(seed)
        regrets.append(land.cost(chosen(land, off=(-4, 0, 2)[seed % 3])) / land.min_price())
        names = [(job.candidate.name, job.repeat) for job in land.jobs]
        assert len(set(names)) == len(names), "the same training twice"
    assert np.mean(np.array(regrets) <= 1.15) >= 0.95, np.sort(regrets)[-10:]
    assert np.median(regrets) <= 1.06
    assert max(regrets) <= 1.5


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("kind", "critical", "best"), [("samples", 2.0, 1), ("updates", 4000.0, SAMPLES), ("time", 64.0, 64)]
)
def test_without_noise_it_finds_the_best_wherever_it_is(
    kind: str, critical: float, best: int, optimizer: str
) -> None:
    land = Landscape(critical, fixed=64.0, kind=kind, noise=0.0, minimum=8 * SAMPLES / critical)
    point = chosen(land, optimizer=optimizer)
    assert point.batch_size == best
    assert land.cost(point) <= 1.001 * land.min_price()


def search_of(land: Landscape, run: Any = None) -> Search:
    """A search on a landscape, with targets."""
    adviser = adviser_of(land)
    if run is not None:
        adviser.search.run = run
    return adviser.search


REPEAT = list(range(MOST - REPEATS, MOST))


@pytest.mark.parametrize("guess", [-24, -6, 8])
def test_a_rate_is_found_beyond_the_edges(guess: int) -> None:
    land = Landscape(critical=32.0, fixed=64.0, best_rate=0.125, curvature=0.6, noise=0.0)
    point = search_of(land).tune(32, guess, REPEAT)
    assert point == Point(32, -8), "half of 0.125, at the critical batch size"
    far = [job for job in land.jobs if job.repeat not in REPEAT[:SCREEN]]
    assert len(far) < len(land.jobs) / 2, "what is far off is screened on a few repeats"


def test_a_fixed_rate_is_not_searched() -> None:
    def run(phase: str, jobs: Sequence[Job]) -> Iterator[Trial]:
        assert {job.candidate.name for job in jobs} == {"batch 32"}
        assert all("learning_rate" not in job.candidate.changes for job in jobs)
        for job in jobs:
            yield Trial("batch 32", job.repeat, curve([0, 10], [1.0, 0.05], job.repeat), 10, 0.0, "")

    search = search_of(Landscape(32.0, 64.0), run)
    assert search.tune(32, None, REPEAT) == Point(32, None)
    assert sorted(search.results[Point(32, None)]) == REPEAT


def test_where_all_break_there_is_still_a_point() -> None:
    def run(phase: str, jobs: Sequence[Job]) -> Iterator[Trial]:
        for job in jobs:
            yield Trial(job.candidate.name, job.repeat, curve([0], [1.0], job.repeat), 0, 0.0, DIVERGED)

    search = search_of(Landscape(32.0, 64.0), run)
    point = search.tune(32, -6, REPEAT)
    assert point.batch_size == 32 and search.score(point, REPEAT[:SCREEN]) == math.inf


# Score, limit, within -------------------------------------------------------------------------------------


def curve(updates: list[int], values: list[float], repeat: int = 0) -> Curves:
    """A curve of one repeat."""
    at = np.array(updates)
    return Curves(
        np.full(len(at), repeat), at / 32, at, at * 32, at * 1e-6, {"validation.loss": np.array(values)}
    )


def with_found(kind: str, found: dict[Point, list[TrialResult]]) -> Search:
    """A search that has found this on repeats 0, 1, ..."""
    search = search_of(Landscape(32.0, 64.0, kind=kind))
    search.results = {point: dict(enumerate(several)) for point, several in found.items()}
    return search


def hits(*updates: float) -> list[TrialResult]:
    """Trainings that reached the target."""
    return [TrialResult(Reached(float(one), True), 0.1) for one in updates]


positive = st.floats(1, 1e4)


@given(updates=st.lists(positive, min_size=SCREEN, max_size=8), factor=st.floats(1.01, 10))
def test_a_score_is_what_it_costs_on_average(updates: list[float], factor: float) -> None:
    most = CAP * np.median(updates)
    one, slower = Point(32, 0), Point(32, 2)
    search = with_found("samples", {one: hits(*updates), slower: hits(*(factor * n for n in updates))})
    every = range(len(updates))
    within = [n for n in updates if n <= most]
    wanted = (sum(within) + (len(updates) - len(within)) * most) / len(within) * 32
    assert search.limit() == pytest.approx(most * 32)
    assert search.score(one, every) == pytest.approx(wanted)
    assert search.score(one, every) <= search.score(slower, every)
    assert search.best([slower, one], every) == one


@given(updates=st.lists(positive, min_size=1, max_size=8), spent=positive)
def test_within_the_limit_nothing_changes_and_beyond_it_is_not_reached(
    updates: list[float], spent: float
) -> None:
    found = [*hits(*updates), TrialResult(Reached(spent, False), 0.2)]
    search = with_found("updates", {Point(8, 0): hits(*[100.0] * SCREEN), Point(8, 1): found})
    most, reached = search.limit(), search.reached(Point(8, 1), range(len(found)))
    assert most <= CAP * 100
    for before, after in zip(found, reached, strict=True):
        if before.reached.updates <= most:
            assert after == before.reached
        else:
            assert after == Reached(most, False)


def test_the_limit_needs_enough_trainings_and_half_of_them_there() -> None:
    missed = [TrialResult(Reached(50.0, False), 0.2)]
    assert with_found("updates", {}).limit() == math.inf
    assert with_found("updates", {Point(8, 0): hits(*[10] * (SCREEN - 1))}).limit() == math.inf
    assert with_found("updates", {Point(8, 0): [*hits(10), *missed * 3]}).limit() == math.inf
    assert with_found("updates", {Point(8, 0): [*hits(10, 20, 30), *missed]}).limit() == CAP * 25
    two = {Point(8, 0): hits(10, 10, 10, 10), Point(64, 0): hits(4, 4, 4, 4)}
    assert with_found("updates", two).limit() == CAP * 4
    assert with_found("samples", two).limit() == CAP * 80


def test_of_points_that_never_get_there_the_lowest_is_best() -> None:
    def misses(value: float) -> list[TrialResult]:
        return [TrialResult(Reached(50.0, False), value)] * SCREEN

    low, high, diverged = Point(8, 0), Point(8, 2), Point(8, 4)
    found = {high: misses(0.3), low: misses(0.2), diverged: misses(math.nan)}
    search = with_found("time", found)
    assert search.score(low, range(SCREEN)) == math.inf
    assert search.best(found, range(SCREEN)) == low
    assert search.best([diverged, high], range(SCREEN)) == high


def test_only_what_was_measured_on_all_repeats_can_be_the_best() -> None:
    search = with_found("updates", {Point(8, 0): hits(1, 1), Point(8, 2): hits(9, 9, 9, 9)})
    assert search.best(search.results, range(4)) == Point(8, 2)
    assert search.best(search.results, range(2)) == Point(8, 0)


def test_against_is_a_ratio_of_prices() -> None:
    one, double = Point(32, 0), Point(32, 2)
    search = with_found("updates", {one: hits(10, 12, 11, 9), double: hits(20, 24, 22, 18)})
    low, middle = search.against(double, one, range(4))
    assert low == pytest.approx(1.0) and middle == pytest.approx(1.0)
    assert search.against(one, double, range(4))[1] == pytest.approx(-0.5)


# Goals ----------------------------------------------------------------------------------------------------


@given(step=st.integers(-60, 20))
def test_steps_and_rates_belong_together(step: int) -> None:
    assert rate_at(step) == pytest.approx(2 ** (step / 2), rel=0.05)
    assert abs(exponent_of(rate_at(step)) - step) <= 1 and exponent_of(rate_at(step)) % 2 == 0
    assert rate_at(step) < rate_at(step + 1)


@given(
    best=st.floats(0.001, 1),
    above=st.floats(0.001, 10),
    share=st.floats(0.001, 0.5),
)
def test_a_target_lies_between_best_and_constant(best: float, above: float, share: float) -> None:
    down = target_values({3: best}, {3: best + above}, share)[3]
    assert best <= down <= best + above
    assert down == pytest.approx(best + share * above)
    up = target_values({3: best}, {3: best - above}, share, higher_is_better=True)[3]
    assert up == pytest.approx(best - share * above)
    unknown = target_values({3: best}, {3: math.nan}, share)[3]
    assert unknown == pytest.approx(best * (1 + share))


def test_reached_in_a_trial() -> None:
    trial = Trial("one", 0, curve([0, 10, 20], [1.0, 0.5, 0.3]), 20, 0.0, "")
    assert reached_in(trial, "validation.loss", 0.5) == Reached(10.0, True)
    assert reached_in(trial, "validation.loss", 0.75) == Reached(5.0, True)
    assert reached_in(trial, "validation.loss", 0.1) == Reached(20.0, False)
    diverged = Trial("one", 0, trial.curves, 20, 0.0, DIVERGED)
    assert reached_in(diverged, "validation.loss", 0.5) == Reached(20.0, False)
    assert reached_in(diverged, "validation.loss", 0.5, spent=99) == Reached(99.0, False)


def test_what_an_update_costs() -> None:
    def seconds(size: int) -> float:
        return 1e-6 * size

    assert [cost_of(kind, seconds)(8) for kind in ("time", "samples", "updates")] == [8e-6, 8.0, 1.0]
