"""Law 6, Evidence: a race saves repeats and does not lose the best setting."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from epochal.choose.race import Dropped, rounds, survivors

NAN = math.nan
SETTINGS = 12


def race(table: np.ndarray) -> tuple[tuple[str, ...], list[Dropped], int]:
    """Who is left at the end, who was dropped when, and how many repeats all of it took."""
    looks = rounds(table.shape[1])
    names, dropped, cost, before = tuple(map(str, range(len(table)))), [], 0, 0
    for after in looks:
        cost += len(names) * (after - before)
        before = after
        if after < looks[-1]:
            values = {name: table[int(name), :after] for name in names}
            names, gone = survivors(values, looks=len(looks) - 1)
            dropped += gone
    return names, dropped, cost


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
    trials = [race(settings(random, gaps, spreads, repeats))[0] for _ in range(300)]
    assert sum("0" in names for names in trials) >= 0.98 * 300


def test_clear_differences_are_dropped_at_the_first_look_and_save_half() -> None:
    random = np.random.default_rng(1)
    means = np.r_[0, 0.5, np.linspace(6, 40, SETTINGS - 2)]
    trials = [race(settings(random, means, 1.0, 10)) for _ in range(50)]
    first = [sum(one.after == 3 for one in dropped) for _, dropped, _ in trials]
    assert np.mean(first) > 9
    assert np.mean([cost for _, _, cost in trials]) < 0.5 * SETTINGS * 10
    assert all("0" in names or "1" in names for names, _, _ in trials)


def test_equal_settings_are_almost_never_dropped() -> None:
    random = np.random.default_rng(2)
    trials = [race(settings(random, np.zeros(SETTINGS), 1.0, 10))[1] for _ in range(100)]
    assert sum(bool(dropped) for dropped in trials) <= 3


def test_at_most_half_go_at_one_look_unless_overwhelming() -> None:
    random = np.random.default_rng(3)
    for gap, gone in ((9.0, 2), (300.0, 3)):
        noise = np.round(random.normal(size=(4, 3)), 3)
        values = {str(i): column + gap * (i > 0) + 0.1 * i for i, column in enumerate(noise)}
        kept, dropped = survivors(values, looks=2)
        assert "0" in kept and len(dropped) == gone


def test_so_many_stay_as_are_asked_for() -> None:
    values = {str(i): [100.0 * i + noise for noise in (0.0, 0.1 * (i % 2), 0.2)] for i in range(6)}
    kept, _ = survivors(values, looks=2, keep_at_least=4)
    assert len(kept) == 4 and "0" in kept
    assert len(survivors(values, looks=2)[0]) < 4


def test_what_never_finished_goes_at_once() -> None:
    kept, dropped = survivors({"a": [NAN], "b": [0.3], "c": [math.inf]}, looks=2, keep_at_least=3)
    assert kept == ("b",) and [one.name for one in dropped] == ["a", "c"]
    assert str(dropped[0]) == "a was dropped after 1 repeat: no finite value in any of 1 repeat"
    assert survivors({"a": [NAN]}, looks=1)[0] == ()
    assert survivors({}, looks=1) == ((), ())


def test_one_failure_is_not_enough() -> None:
    values = {"a": [0.3, 0.31, 0.29], "b": [0.31, NAN, 0.3], "c": [0.3, 0.32, 0.3]}
    assert survivors(values, looks=2)[0] == ("a", "b", "c")
    longer = {"a": np.linspace(1, 2, 12), "b": np.r_[[NAN] * 4, np.linspace(8, 9, 8)]}
    kept, (dropped,) = survivors(longer, looks=2)
    assert kept == ("a",) and dropped.reason.startswith("worse than a in 12 of 12 repeats")


def test_an_accuracy_is_a_loss_upside_down() -> None:
    values = settings(np.random.default_rng(5), np.array([0, 1, 40, 60.0]), 1.0, 5)
    losses = {name: values[i] for i, name in enumerate("abcd")}
    upside_down = {name: -column for name, column in losses.items()}
    assert survivors(losses, looks=2) == survivors(upside_down, looks=2, higher_is_better=True)
