"""Laws of what is called level: bounds rule out a rise and a fall, and something was learned."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from benchmarks.known_curves import TRUTHS, drawn

import epochal as ep
from epochal.curves import Curves, Verdict, judge
from epochal.curves.judgment import GOOD
from epochal.curves.limits import FLAT as TOLERANCE
from epochal.curves.statistics import three_digits
from epochal.stopping import waited
from epochal.training.scoring import effective_samples

trend_tests = importlib.import_module("epochal.curves.trend_tests")

KNOWN: dict[str, Any] = {
    "baseline": {"validation.loss": 1.0}, "validation_samples": 100, "training_samples": 400
}  # fmt: skip
SQUARES = {"loss": "squared_error"}


def made(validation: np.ndarray, training: np.ndarray | None = None, **more: np.ndarray) -> Curves:
    repeats, points = validation.shape
    repeat, at = np.repeat(np.arange(repeats), points), np.tile(np.arange(points), repeats)
    training = 0.9 * validation if training is None else training
    columns = {"train.loss": training.ravel(), "validation.loss": validation.ravel()}
    columns |= {name: column.ravel() for name, column in more.items()}
    return Curves(repeat, at, at * 10, at * 100, at * 0.1, columns)


def scatter(rng: np.random.Generator, repeats: int, points: int, sd: float) -> np.ndarray:
    return np.exp(rng.normal(0, sd, (repeats, points)))


T = np.arange(101.0)
FLAT = 0.3 + 0.6 * np.exp(-T / 5)
FALLING = 0.9 * (1 + T / 3) ** -0.6
"""Twice the epochs lower it by a third."""


def reassured(curve: np.ndarray, repeats: int, sd: float, apart: float = 0.0, count: int = 30) -> int:
    """How many of 30 sets of repeats that scatter, and whose powers of the epochs differ, look good."""
    rng, found = np.random.default_rng(repeats), 0
    for _ in range(count):
        rows = curve * (1 + T / 3) ** rng.normal(0, apart, (repeats, 1))
        rows = rows * scatter(rng, repeats, curve.size, sd)
        found += judge(made(rows), **KNOWN, settings=SQUARES).reassures
    return found


@pytest.mark.parametrize("repeats", [1, 3, 5, 10])
@pytest.mark.parametrize("sd", [0.02, 0.1, 0.3])
def test_a_curve_that_falls_for_long_is_not_level(repeats: int, sd: float) -> None:
    assert reassured(FALLING, repeats, sd) == 0
    if repeats >= 5:  # fewer may all be drawn level
        assert reassured(FALLING, repeats, sd, apart=0.5) == 0


def test_what_shows_no_fall_would_be_called_level_without_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_tests.Difference, "ruled_out", True)
    assert reassured(FALLING, 5, 0.02, apart=0.5) >= 2


@pytest.mark.parametrize(("repeats", "minimum"), [(1, 24), (5, 28), (10, 28)])
def test_a_level_curve_is_still_called_so(repeats: int, minimum: int) -> None:
    """The bounds have the power to rule out what is not there."""
    assert reassured(FLAT, repeats, 0.02) >= minimum


@pytest.mark.parametrize("repeats", [1, 3, 5, 10])
def test_a_loss_far_below_the_baseline_that_halves_for_ever_is_still_improving(repeats: int) -> None:
    rng = np.random.default_rng(0)
    curve = 0.5 * np.exp(-T / 5) + 0.02 * 2.0 ** (-T / 25)
    levels = np.exp(rng.normal(0, 0.2, (repeats, 1)))
    verdict = judge(made(curve * levels * scatter(rng, repeats, T.size, 0.02)), **KNOWN, settings=SQUARES)
    assert verdict.kind == "still improving"


def test_green_exactly_where_both_bounds_are_within_a_fifth() -> None:
    for truth in TRUTHS:
        rng = np.random.default_rng(TRUTHS.index(truth))
        for _ in range(12):
            known = drawn(truth, int(rng.choice([1, 5, 10])), rng)
            verdict = judge(
                known.curves, baseline=known.baseline, validation_samples=known.samples,
                training_samples=known.training_samples, settings={"loss": known.loss},
            )  # fmt: skip
            if verdict.kind not in (*GOOD, "undecided"):
                continue
            figures = verdict.statistics
            rise = figures["rise_at_most"]
            room = rise is None or rise > TOLERANCE * figures["value_there"]
            fall = figures["fall_in_twice_the_epochs_at_most"]
            end = figures["value_at_the_end"]
            falls = fall is None or fall > TOLERANCE * end
            swings = figures["reversed_rise"] > TOLERANCE * figures["value_there"]
            assert verdict.reassures == (not room and not falls and not swings), verdict


def test_without_validation_there_is_no_verdict() -> None:
    training = np.tile(FLAT, (5, 1))
    curves = made(training)
    for metric in ("train.loss", "train.running_loss"):
        verdict = judge(curves, **KNOWN, metric=metric)
        assert verdict.kind == "not judged" and "`validation=0.2`" in verdict.remedy
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, 60)
    run = ep.fit(
        ep.MLP(16), X, y, validation=0, epochs=30, repeats=4, learning_rate=0.03, progress=False
    )  # fmt: skip
    assert run.verdict.kind == "not judged" and "held out" in run.verdict.sentence


def test_without_a_baseline_nothing_is_good_unless_a_metric_says_so() -> None:
    rng = np.random.default_rng(0)
    rows = FLAT * scatter(rng, 5, T.size, 0.01)
    none = judge(made(rows), validation_samples=100, training_samples=400)
    assert none.kind == "leveled off" and "No baseline is known" in none.sentence and not none.reassures
    for gain, kind in ((0.3, "good fit"), (0.0, "leveled off")):
        metric = 0.5 + gain * (rows < 0.5) + 0.01 * rng.normal(size=rows.shape)
        curves = made(rows, **{"validation.accuracy": metric})
        found = judge(curves, **{**KNOWN, "baseline": {"validation.accuracy": 0.5}}, settings={"loss": "one"})
        assert found.kind == kind


def test_a_loss_without_a_likelihood_needs_repeats() -> None:
    """One repeat of a loss of one's own is not called chance, however much it learned; five are good."""
    rng = np.random.default_rng(0)
    own = {"loss": "one of its own"}
    one = judge(made(FLAT * scatter(rng, 1, T.size, 0.01)), **KNOWN, settings=own)
    assert one.kind == "undecided" and "can't tell of this loss" in one.sentence
    five = judge(made(FLAT * scatter(rng, 5, T.size, 0.01)), **KNOWN, settings=own)
    assert five.kind == "good fit"
    noise = 0.99 + 0.02 * rng.normal(size=(5, 1)) + 0.002 * rng.normal(size=(5, T.size))
    for shared in (True, False):
        verdict = judge(made(noise), **KNOWN, settings=own, same_samples=shared)
        assert verdict.kind == "no significant difference from chance"


def test_samples_that_are_few_in_effect_are_little_evidence() -> None:
    """A gain of 0.06 in log loss on 200 samples is evidence; on 10, each copied 20 times, it is none."""
    rng = np.random.default_rng(0)
    rows = (0.63 + 0.07 * np.exp(-T / 5)) * scatter(rng, 1, T.size, 0.003)
    known: dict[str, Any] = {
        "baseline": {"validation.loss": 0.69},
        "validation_samples": 200,
        "training_samples": 800,
        "settings": {"loss": "log_loss"},
    }
    assert judge(made(rows), **known).kind != "no significant difference from chance"
    assert judge(made(rows), **known, effective_samples=10.0).kind == "no significant difference from chance"


def test_copies_and_weights_count_as_kish_says() -> None:
    class Parts:
        dataset = type("D", (), {"groups": None, "samples": 6})()
        weights = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32)

        def data_of(self, name: str) -> Any:
            return self.dataset

        def indices(self, repeat: int, name: str) -> np.ndarray:
            return np.arange(6)

        def targets_and_weights(self, repeat: int, name: str) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(6), self.weights

    parts: Any = Parts()
    parts.dataset.groups = np.arange(6)
    assert effective_samples(parts, [0, 1]) == 6
    parts.dataset.groups = np.array([0, 0, 0, 1, 1, 1])
    assert effective_samples(parts, [0]) == 2
    parts.dataset.groups = np.arange(6)
    parts.weights = np.array([5, 0, 0, 0, 0, 0], np.float32)
    assert effective_samples(parts, [0]) == 1


def rising(rng: np.random.Generator, repeats: int, share: float) -> Curves:
    rows = FLAT * (1 + share * np.clip((T - 30) / 70, 0, 1)) * scatter(rng, repeats, T.size, 0.02)
    rows *= np.exp(rng.normal(0, 0.15, (repeats, 1)) * np.clip((T - 30) / 70, 0, 1))
    return made(rows, np.tile(0.05 + 0.7 * np.exp(-T / 20), (repeats, 1)))


def test_more_samples_of_a_validation_file_make_no_verdict_blind() -> None:
    """4,000 rows of a file of one's own beside 160 training rows are no overlap of 25."""
    known: dict[str, Any] = {
        "baseline": {"validation.loss": 1.0},
        "training_samples": 160,
        "settings": SQUARES,
    }
    curves = [rising(np.random.default_rng(seed), 6, 0.4) for seed in range(10)]

    def found(samples: int, same: bool) -> int:
        verdicts = [judge(c, **known, validation_samples=samples, same_samples=same) for c in curves]
        return sum(verdict.kind == "overfitting" for verdict in verdicts)

    assert found(4000, True) == 10
    assert found(4000, False) <= 2  # the negative control: as if the rows were a split of the same table
    assert found(8, True) <= 2  # eight rows that all repeats share are no evidence of a rise


def test_few_samples_that_all_repeats_share_leave_room_for_a_fall() -> None:
    """Level curves: 100 rows that every repeat is judged by may hide what still falls; 4,000 hardly can."""
    curves = made(FLAT * scatter(np.random.default_rng(0), 5, T.size, 0.01))
    known: dict[str, Any] = {
        "baseline": {"validation.loss": 1.0},
        "training_samples": 160,
        "settings": SQUARES,
        "same_samples": True,
    }
    few, many = (judge(curves, **known, validation_samples=samples) for samples in (100, 4000))
    most = "fall_in_twice_the_epochs_at_most"
    assert few.statistics[most] > many.statistics[most] + 0.04 * FLAT.min()
    assert many.kind == "good fit"


def test_noise_on_samples_that_all_repeats_share_is_not_better_than_chance() -> None:
    """By chance alone the best epoch on 40 shared rows is below the baseline in every repeat."""
    rng = np.random.default_rng(1)
    rows = 0.69 - 0.02 * np.exp(-(((T - 20) / 20) ** 2)) + 0.002 * rng.normal(size=(6, T.size))
    known: dict[str, Any] = {
        "baseline": {"validation.loss": 0.69},
        "validation_samples": 40,
        "training_samples": 160,
        "settings": {"loss": "log_loss"},
    }
    verdict = judge(made(rows, 0.99 * rows), **known, same_samples=True)
    assert verdict.kind == "no significant difference from chance"


@pytest.mark.parametrize(
    ("gain", "said"), [(0.02, "No significant"), (0.06, "Perhaps better than chance, but")]
)
def test_a_gain_on_few_samples_is_perhaps_better_than_chance(gain: float, said: str) -> None:
    rows = 0.69 - gain * (1 - np.exp(-T / 10)) + 0.002 * np.random.default_rng(1).normal(size=(3, T.size))
    known: dict[str, Any] = {"baseline": {"validation.loss": 0.69}, "settings": {"loss": "log_loss"}}
    verdict = judge(made(rows, 0.99 * rows), **known, validation_samples=40, training_samples=160)
    assert verdict.kind == "no significant difference from chance" and verdict.sentence.startswith(said)


def one_that_overfits(rng: np.random.Generator, repeats: int, rise: float) -> Verdict:
    """Level repeats, one of which rises so that the mean rises by this share of its minimum."""
    curves = 0.4 + 0.6 * np.exp(-T / 6) * np.ones((repeats, 1))
    curves[0] *= 1 + rise * repeats * np.clip((T - 50) / 50, 0, 1)
    return judge(
        made(
            curves * scatter(rng, repeats, T.size, 0.01),
            (0.3 + 0.7 * np.exp(-T / 6)) * (1 - 0.002 * T) * np.ones((repeats, 1)),
        ),
        **KNOWN,
        settings=SQUARES,
    )


@pytest.mark.parametrize("repeats", [5, 10, 20])
@pytest.mark.parametrize("rise", [0.15, 0.25, 0.4])
def test_one_repeat_that_overfits_is_not_called_level(repeats: int, rise: float) -> None:
    rng = np.random.default_rng([repeats, int(100 * rise)])
    found = [one_that_overfits(rng, repeats, rise) for _ in range(20)]
    assert {one.kind for one in found} <= {"overfitting", "probably overfitting", "undecided"}
    assert sum(float(str(one.statistics["rise_at_most"])) < 0.4 * rise for one in found) <= 2


@pytest.mark.parametrize("repeats", [1, 3])
def test_one_high_last_value_of_few_repeats_is_no_probable_overfitting(repeats: int) -> None:
    random, found = np.random.default_rng(repeats), []
    for _ in range(20):
        curves = FLAT * scatter(random, repeats, T.size, 0.01)
        curves[0, -1] *= 1 + 0.3 * repeats
        training = (0.3 + 0.6 * np.exp(-T / 5)) * (1 - 0.004 * T) * np.ones((repeats, 1))
        found.append(judge(made(curves, training), **KNOWN, settings=SQUARES).kind)
    assert "probably overfitting" not in found and "overfitting" not in found


def test_no_gain_is_left_open_that_is_impossible() -> None:
    """A loss that is never below zero cannot gain more than its baseline."""
    noise = 1.2 * np.exp(np.random.default_rng(4).normal(0, 0.8, (1, T.size)))
    verdict = judge(made(noise, np.full_like(noise, 0.99)), **KNOWN, settings=SQUARES)
    assert "difference from chance" in verdict.sentence and "is not ruled out" not in verdict.sentence
    assert float(str(verdict.statistics["gain_at_most"])) > 1


@pytest.mark.parametrize(("area", "learned"), [((0.66, 0.94), True), ((0.52, 0.8), False), (None, False)])
def test_ranks_may_show_what_the_loss_of_a_rare_class_does_not(
    area: tuple[float, float] | None, learned: bool
) -> None:
    loss = 0.97 - 0.01 * (1 - np.exp(-T / 5)) + np.random.default_rng(7).normal(0, 0.02, (5, 1))
    made_of = made(loss + np.random.default_rng(8).normal(0, 0.001, (5, T.size)), 0.9 * loss + 0 * T)
    known = KNOWN | {"baseline": {"validation.loss": 0.97, "train.loss": 0.97}}
    verdict = judge(made_of, **known, settings={"loss": "log_loss"}, roc_auc=area)
    assert ("chance" not in verdict.kind) is learned


def test_swings_are_not_overfitting() -> None:
    """A curve that rose as far before, and came back, may come back again."""
    rng = np.random.default_rng(0)
    swung = FLAT * (1 + 0.3 * np.sin(T / 6)) * scatter(rng, 5, T.size, 0.01)
    training = np.tile(0.05 + 0.7 * np.exp(-T / 20), (5, 1))
    for last in (60, 63, 98):
        verdict = judge(made(swung[:, :last], training[:, :last]), **KNOWN, settings=SQUARES)
        assert verdict.kind != "overfitting" and not verdict.reassures
        if verdict.kind == "probably overfitting":
            assert "come back" in verdict.sentence


def test_swings_would_be_called_overfitting_by_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_tests, "_SWING", np.inf)
    rng = np.random.default_rng(0)
    swung = FLAT * (1 + 0.3 * np.sin(T / 6)) * scatter(rng, 5, T.size, 0.01)
    training = np.tile(0.05 + 0.7 * np.exp(-T / 20), (5, 1))
    kinds = [judge(made(swung[:, :n], training[:, :n]), **KNOWN, settings=SQUARES).kind for n in (60, 63, 98)]
    assert "overfitting" in kinds


def test_a_rise_that_every_repeat_shows_is_named_though_it_is_small() -> None:
    rng = np.random.default_rng(0)
    rise = 1 + 0.02 * np.clip((T - 40) / 60, 0, 1)
    rows = FLAT * rise * scatter(rng, 20, T.size, 0.002)
    training = np.tile(0.2 + 0.7 * np.exp(-T / 20), (20, 1))
    verdict = judge(made(rows, training), **{**KNOWN, "baseline": {"validation.loss": 0.5}}, settings=SQUARES)
    assert (
        verdict.kind == "good fit" and "little sign of overfitting (smoothed, it rose by" in verdict.sentence
    )
    assert "which is small" in verdict.sentence
    assert verdict.statistics["rise_by_a_factor_of_at_least"] > 1
    assert 0 < verdict.statistics["rise_to_the_end"] <= verdict.statistics["rise_at_most"]


@pytest.mark.parametrize(("share", "said"), [(0.9, False), (0.3, False), (0.2, True), (0.01, True)])
def test_a_training_loss_far_below_the_validation_loss_is_said(share: float, said: bool) -> None:
    held_out = FLAT * scatter(np.random.default_rng(0), 5, FLAT.size, 0.01)
    verdict = judge(made(held_out, share * held_out), **KNOWN, settings=SQUARES)
    assert verdict.reassures
    assert ("training samples are fitted much closer than new ones" in verdict.sentence) is said


def test_squared_errors_are_spoken_of_as_the_typical_error() -> None:
    rng = np.random.default_rng(0)
    rows = FLAT * scatter(rng, 5, T.size, 0.02)
    curves = made(rows, **{"validation.rmse": 1000 * np.sqrt(rows)})
    verdict = judge(curves, **KNOWN, settings=SQUARES)
    share = verdict.statistics["rise_at_most"] / verdict.statistics["value_there"]
    assert "the typical validation error (RMSE) leveled off" in verdict.sentence
    assert f"({100 * (np.sqrt(1 + share) - 1):.2g}%)" in verdict.sentence


def test_the_number_of_repeats_that_would_tell_is_kept() -> None:
    """As many as are advised tell in about 80 of 100, and are not told of more."""
    rng = np.random.default_rng(0)
    few = rng.normal(size=6)
    few = 0.5 + (few - few.mean()) / few.std(ddof=1)
    count = trend_tests.repeats_to_detect(few, 0.0)
    assert count is not None and count > 6
    again = [rng.normal(0.5, 1, count) for _ in range(400)]
    assert 0.7 <= np.mean([trend_tests.repeats_to_detect(one, 0.0) == count for one in again]) <= 0.95
    assert trend_tests.repeats_to_detect(few - 0.49, 0.25) is None


def verdict_of(stop: Any, **more: Any) -> tuple[ep.Run, Verdict]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    run = ep.fit(ep.MLP(4), X, X[:, 0], stop=stop, epochs=40, batch_size=8, repeats=2, progress=False, **more)
    return run, run.verdict


def test_a_target_or_a_budget_is_no_sign_that_the_loss_no_longer_improved() -> None:
    for stop, said in ((ep.TargetValue(0.1), "reached"), (ep.Budget(updates=120), "budget of 120 updates")):
        run, verdict = verdict_of(stop, learning_rate=0.03)
        assert run.outcomes[0].epochs < 40 and said in run.outcomes[0].stopped
        assert verdict.kind not in GOOD and "epochs=" not in verdict.remedy


def test_which_rule_waited() -> None:
    patience, target = ep.Patience(3), ep.TargetValue(0.5)
    assert waited(patience, None) and not waited(target, None)
    assert not waited(ep.Patience(3, monitor="train.loss"), None)
    both = ep.any_of(patience, target)
    state = type("S", (), {"states": (None, None), "fired": (False, True)})()
    assert not waited(both, state)
    state.fired = (True, True)
    assert waited(both, state)


def test_the_end_of_the_training_loss_is_that_of_the_picture_where_repeats_stop_early() -> None:
    rng = np.random.default_rng(0)
    rows = FLAT * scatter(rng, 5, T.size, 0.01)
    training = np.tile(0.7 * np.exp(-T / 20), (5, 1)) * (1 + 0.2 * np.arange(5)[:, None])
    ends = (60, 70, 80, 90, T.size)
    kept = np.concatenate([np.arange(T.size) < end for end in ends])
    whole = made(rows, training)
    coordinates = (getattr(whole, name)[kept] for name in ("repeat", "epoch", "update", "samples", "seconds"))
    curves = Curves(*coordinates, {name: column[kept] for name, column in whole.columns.items()})
    verdict = judge(curves, **KNOWN, settings=SQUARES)
    mean = curves.summary("train.loss").mean
    shown = three_digits(float(mean[np.isfinite(mean)][-1]))
    assert f"ends far lower ({shown};" in verdict.sentence, (shown, verdict.sentence)
