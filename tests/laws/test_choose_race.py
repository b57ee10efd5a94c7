"""Law 6, Evidence: a race saves repeats and does not lose the best setting."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from benchmarks.equal_settings import called_different as equal, dealt, judged, simulated, without
from benchmarks.equal_trainings import BATCH_SIZE, HELD, KINDS, trained
from scipy import stats

import epochal as ep
from epochal.choose.statistics import race as module
from epochal.choose.statistics.paired_statistics import ALPHA
from epochal.choose.statistics.race import RaceResult, clearly_worse, race, rounds, shares

NAN = math.nan
SETTINGS = 12


def raced(table: np.ndarray, **options: Any) -> tuple[RaceResult, int]:
    """How a race on known values ends, and how many repeats all settings took together."""
    cost = 0

    def train(live: Sequence[str], done: int, look: int) -> dict[str, list[float]]:
        nonlocal cost
        cost += len(live) * (look - done)
        return {name: list(table[int(name), :look]) for name in live}

    return race(list(map(str, range(len(table)))), table.shape[1], train, **options), cost


def settings(random: np.random.Generator, means: np.ndarray, spreads: object, repeats: int) -> np.ndarray:
    """Skewed noise of each setting, on splits that all share."""
    own = (random.lognormal(sigma=0.5, size=(means.size, repeats)) - math.exp(0.125)) / 0.604
    return (
        means[:, None] + np.broadcast_to(spreads, means.size)[:, None] * own + 2 * random.normal(size=repeats)
    )


def test_rounds() -> None:
    assert [rounds(n) for n in (1, 2, 3, 4, 5, 6, 8)] == [(1,), (2,), (3,), (4,), (3, 5), (3, 6), (4, 8)]
    assert rounds(10) == (3, 5, 10) and rounds(30) == (3, 7, 15, 30)
    for repeats in range(1, 200):
        looks = rounds(repeats)
        assert looks[-1] == repeats and all(one < two for one, two in itertools.pairwise(looks))


@pytest.mark.parametrize(
    ("gaps", "spreads", "repeats"),
    [
        (np.arange(SETTINGS) * 0.5, 1.0, 10),
        (np.r_[0, np.full(SETTINGS - 1, 0.5)], np.r_[3, np.ones(SETTINGS - 1)], 5),
    ],
    ids=["ladder", "the best is the noisiest"],
)
def test_the_best_survives(gaps: np.ndarray, spreads: object, repeats: int) -> None:
    random = np.random.default_rng(0)
    trials = [raced(settings(random, gaps, spreads, repeats))[0] for _ in range(300)]
    assert sum("0" in outcome.tied for outcome in trials) >= 0.98 * 300


def test_clear_differences_are_dropped_at_the_first_look_and_save_half() -> None:
    random = np.random.default_rng(1)
    means = np.r_[0, 0.5, np.linspace(6, 40, SETTINGS - 2)]
    trials = [raced(settings(random, means, 1.0, 10)) for _ in range(50)]
    first = [sum(one.after == 3 for one in outcome.dropped.values()) for outcome, _ in trials]
    assert np.mean(first) > 6.5  # of 10: three repeats say little about how noisy each of them is
    assert np.mean([cost for _, cost in trials]) < 0.5 * SETTINGS * 10
    assert all("0" in outcome.tied or "1" in outcome.tied for outcome, _ in trials)


NOISE = {
    "normal": lambda random, size: random.normal(size=size),
    "lognormal": lambda random, size: random.lognormal(size=size),
    "heavy tails": lambda random, size: random.standard_t(3, size=size),
}
TRIALS = 400


def called_different(noise: str, count: int, repeats: int, trials: int = TRIALS) -> int:
    """How many comparisons of equal settings on shared splits end with any that is called worse."""
    random = np.random.default_rng([count, repeats])
    tables = (NOISE[noise](random, (count, repeats)) + random.normal(size=repeats) for _ in range(trials))
    return sum(len(raced(table, margin=0.0)[0].tied) < count for table in tables)


@pytest.mark.parametrize("repeats", [3, 10, 30])
@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("noise", NOISE)
def test_equal_settings_are_called_different_in_no_more_than_the_level(
    noise: str, count: int, repeats: int
) -> None:
    """Over all looks and pairs. 18 cases: each may exceed by chance what one of 1,800 does (binomial)."""
    most = stats.binom.isf(0.01 / 18, TRIALS, ALPHA)
    assert called_different(noise, count, repeats) <= most


def test_a_level_that_the_last_look_spends_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control, 6 looks: each early one takes an even share, and the last the whole once more."""
    trials = 2000
    most = stats.binom.isf(0.01, trials, ALPHA)
    assert called_different("normal", 2, 100, trials) <= most
    monkeypatch.setattr(module, "shares", lambda looks: (1 / looks,) * (looks - 1) + (1.0,))
    assert called_different("normal", 2, 100, trials) > most


def test_trainings_that_are_dealt_out_as_settings_are_those_of_compare_and_meet_once() -> None:
    """What is measured of equal settings is measured of the losses that `compare` itself would judge."""
    kind = KINDS["classes"]
    inputs, targets = kind.table()
    rows = np.random.default_rng(1).permutation(len(inputs))
    held, rest = rows[:HELD], rows[HELD:]
    found = ep.compare(
        ep.MLP(kind.hidden), inputs[rest], targets[rest], validation=(inputs[held], targets[held]),
        batch_size=[BATCH_SIZE], learning_rate=kind.learning_rate, epochs=kind.epochs, repeats=3,
        progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(judged(trained(kind, 3, 1)[:, 0]), found.rows[0].quality.per_repeat, rtol=1e-5)
    for count, repeats in ((2, 3), (5, 10)):
        tables = list(dealt(np.arange(600.0).reshape(20, 30, 1), count, repeats, 1000))
        assert len(tables) == 20 // count * (30 // repeats)
        assert np.unique(np.concatenate(tables, axis=None)).size == 20 // count * count * 30


def test_each_correction_that_is_taken_out_is_found_out() -> None:
    """Negative controls of the measurement itself: five equal settings, four looks."""
    trials = 400
    most = stats.binom.isf(0.01, trials, ALPHA)
    count = {}
    for control in ("", "looks", "pairs"):
        with without(*filter(None, [control])):
            count[control], of = equal(simulated("normal", 5 if control == "pairs" else 2, 30, trials))
        assert of == trials
    assert count[""] <= most < min(count["looks"], count["pairs"])


@pytest.mark.parametrize(("count", "repeats", "times"), [(5, 3, 3), (5, 10, 10), (10, 3, 10)])
def test_a_setting_that_is_as_good_but_noisier_is_not_called_different(
    count: int, repeats: int, times: int
) -> None:
    """At most 3 %; the negative control judges the noisy one with the degrees of freedom of the calm ones."""
    trials = 1000
    most = stats.binom.isf(0.01 / 3, trials, 0.03)
    name = f"normal, one setting {times} times as noisy"
    assert equal(simulated(name, count, repeats, trials))[0] <= most
    if count == 10:
        with without("own"):
            assert equal(simulated(name, count, repeats, trials))[0] > most


SPREADS = {
    "one loud": lambda count: np.r_[10, np.ones(count - 1)],
    "one calm": lambda count: np.r_[0.1, np.ones(count - 1)],
    "every other one loud": lambda count: np.where(np.arange(count) % 2, 3, 1),
    "from calm to loud": lambda count: np.geomspace(1, 10, count),
}


@pytest.mark.parametrize(
    ("spreads", "count", "repeats", "control"),
    [
        ("one loud", 2, 30, "looks"),
        ("one calm", 2, 30, "looks"),
        ("one loud", 5, 3, "own"),
        ("every other one loud", 5, 10, ""),
        ("from calm to loud", 5, 10, ""),
    ],
)
def test_equal_settings_of_unequal_spreads_over_several_looks(
    spreads: str, count: int, repeats: int, control: str
) -> None:
    """At most 3 %; the controls spend the level at each look, or the degrees of freedom of calm settings.

    Of 1,000 comparisons at most 46 by a binomial at 1 % over 5 cases; the controls call 70 and more so.
    """
    trials = 1000
    most = stats.binom.isf(0.01 / 5, trials, 0.03)

    def tables() -> Iterator[np.ndarray]:
        random = np.random.default_rng([count, repeats])
        own = SPREADS[spreads](count)[:, None]
        return (
            own * random.normal(size=(count, repeats)) + random.normal(size=repeats) for _ in range(trials)
        )

    assert equal(tables())[0] <= most
    if control:
        with without(control):
            assert equal(tables())[0] > most


@pytest.mark.parametrize("looks", range(1, 9))
def test_the_looks_spend_the_level_once(looks: int) -> None:
    assert len(shares(looks)) == looks and sum(shares(looks)) == pytest.approx(1)
    assert all(share > 0 for share in shares(looks)) and shares(looks)[-1] >= 0.75


def test_the_intervals_are_those_of_the_test() -> None:
    """Each leaves zero out exactly where its setting is called worse, dropped ones at their own look."""
    random = np.random.default_rng(4)
    for _ in range(100):
        table = settings(random, random.choice([0, 1, 2, 30], size=6), 1.0, 10)
        outcome, _ = raced(table, margin=0.0)
        for name, found in outcome.differences.items():
            low, high = found.interval or (0, 0)
            behind_another = name in outcome.dropped and outcome.dropped[name].than != found.a
            if behind_another:
                assert found.better is None and name not in outcome.tied
                continue
            assert (low > 0) == (found.better == found.a) == (name not in outcome.tied) and high > 0
            assert found.p_adjusted < ALPHA if low > 0 else found.p_adjusted >= ALPHA


def test_at_most_half_go_at_one_look_unless_overwhelming() -> None:
    random = np.random.default_rng(3)
    noise = np.round(random.normal(size=(4, 3)), 3)
    for gap, gone in ((300.0, 2), (3000.0, 3)):
        values = {str(i): column + gap * (i > 0) + 0.1 * i for i, column in enumerate(noise)}
        dropped = [one.name for one, _ in clearly_worse(values, share=0.25)]
        assert "0" not in dropped and len(dropped) == gone


def test_what_never_finished_goes_at_once() -> None:
    dropped = clearly_worse({"a": [NAN], "b": [0.3], "c": [math.inf]}, share=0.25)
    assert [one.name for one, _ in dropped] == ["a", "c"]
    assert str(dropped[0][0]) == "a was dropped after 1 repeat: no finite value in any of 1 repeat"
    assert [one.name for one, _ in clearly_worse({"a": [NAN]}, share=1.0)] == ["a"]
    assert clearly_worse({}, share=1.0) == []


def test_one_failure_is_not_enough() -> None:
    values = {"a": [0.3, 0.31, 0.29], "b": [0.31, NAN, 0.3], "c": [0.3, 0.32, 0.3]}
    assert clearly_worse(values, share=0.25) == []
    longer = {"a": np.linspace(1, 2, 12), "b": np.r_[[NAN] * 4, np.linspace(8, 9, 8)]}
    ((dropped, _),) = clearly_worse(longer, share=0.25)
    assert dropped.name == "b" and dropped.reason.startswith("worse than a in 12 of 12 repeats")


def test_an_accuracy_is_a_loss_upside_down() -> None:
    values = settings(np.random.default_rng(5), np.array([0, 1, 40, 60.0]), 1.0, 5)
    losses = {name: values[i] for i, name in enumerate("abcd")}
    upside_down = {name: -column for name, column in losses.items()}
    gone = clearly_worse(losses, share=0.25)
    assert gone == clearly_worse(upside_down, share=0.25, higher_is_better=True)
