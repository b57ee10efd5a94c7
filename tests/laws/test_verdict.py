"""Laws of verdicts: each kind is found where it was put, and noise is not called a trend."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from epochal.common.option_text import render_message
from epochal.curves import KINDS, Curves, Verdict, judge

EPOCHS = np.arange(151.0)


def noise(rng: np.random.Generator, shape: tuple[int, int], sd: float, rho: float = 0.5) -> np.ndarray:
    """Scatter whose neighbors are correlated."""
    found = rng.normal(0, sd, shape) * np.sqrt(1 - rho**2)
    found[:, 0] = rng.normal(0, sd, shape[0])
    for t in range(1, shape[1]):
        found[:, t] += rho * found[:, t - 1]
    return found


def made(training: np.ndarray, validation: np.ndarray) -> Curves:
    repeats, points = validation.shape
    repeat, at = np.repeat(np.arange(repeats), points), np.tile(np.arange(points), repeats)
    columns = {
        "train.loss": training.ravel(),
        "validation.loss": validation.ravel(),
        "validation.accuracy": np.full(validation.size, 0.65),
    }
    return Curves(repeat, at, at * 62, at * 614, at * 0.01, columns)


def case(kind: str, repeats: int, seed: int = 0, sd: float = 0.004) -> Curves:
    rng = np.random.default_rng(seed)
    t, shape = EPOCHS, (repeats, EPOCHS.size)
    split = rng.normal(0, 0.02, (repeats, 1))

    def falls(end: float, speed: float) -> np.ndarray:
        return end + (0.72 - end) * np.exp(-t / speed)

    if kind == "overfitting":
        training, validation = falls(0.15, 35), falls(0.15, 35) + 0.02 + 0.003 * np.clip(t - 22, 0, None)
    elif kind == "good fit":
        training, validation = falls(0.42, 12), falls(0.47, 12)
    elif kind == "still improving":
        training, validation = falls(0.35, 90), falls(0.37, 90)
    elif kind == "underfitting":
        training, validation, split = falls(0.59, 6), falls(0.595, 6), split * 0.2
    elif kind == "no significant difference from chance":
        training, validation, split = falls(0.645, 6), falls(0.66, 6), split * 0.2
    elif kind == "unstable":
        training = falls(0.4, 12) + (rng.random(shape) < 0.2) * rng.exponential(0.4, shape)
        validation = training + 0.03
    else:
        raise AssertionError(kind)
    return made(training + noise(rng, shape, sd / 2), validation + split + noise(rng, shape, sd))


def judged(curves: Curves, **more: object) -> Verdict:
    settings = {"learning_rate": 0.001, "batch_size": 10}
    known = {"validation.loss": np.full(len(curves.repeats), 0.65), "validation.accuracy": 0.65}
    arguments: dict[str, object] = {"baseline": known, "validation_samples": 154, "training_samples": 614}
    return judge(curves, **(arguments | {"settings": settings} | more))  # type: ignore[arg-type]


ALL = [
    "overfitting",
    "underfitting",
    "good fit",
    "still improving",
    "unstable",
    "no significant difference from chance",
]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("repeats", [4, 10])
def test_each_kind_is_found(kind: str, repeats: int) -> None:
    found = [judged(case(kind, repeats, seed)).kind for seed in range(10)]
    assert found.count(kind) >= 9, found


@pytest.mark.parametrize("kind", [k for k in ALL if k != "underfitting"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_few_repeats_find_the_large_effects_and_say_that_they_are_few(kind: str, repeats: int) -> None:
    found = [judged(case(kind, repeats, seed)) for seed in range(10)]
    assert [verdict.kind for verdict in found].count(kind) >= 8, [verdict.kind for verdict in found]
    if kind != "unstable":
        assert all("Tentative" in verdict.remedy for verdict in found)


@pytest.mark.parametrize("repeats", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("points", [30, 151])
@pytest.mark.parametrize(("sd", "rho"), [(0.01, 0.0), (0.03, 0.0), (0.01, 0.9)])
def test_flat_noise_is_not_called_over_learned(repeats: int, points: int, sd: float, rho: float) -> None:
    """The negative control: training falls, validation only scatters; at least 95 % are not accused."""
    rng = np.random.default_rng(11)
    accused = 0
    trials = 60
    for _ in range(trials):
        shape = (repeats, points)
        training = 0.3 + 0.35 * np.exp(-np.arange(points) / (points / 4)) + noise(rng, shape, 0.002)
        validation = 0.5 + rng.normal(0, 0.03, (repeats, 1)) + noise(rng, shape, sd, rho)
        accused += judged(made(training, validation)).kind == "overfitting"
    assert accused <= 0.05 * trials + 1


@pytest.mark.parametrize("repeats", [1, 5])
def test_scatter_around_chance_is_not_called_learning(repeats: int) -> None:
    rng = np.random.default_rng(5)
    praised = 0
    for _ in range(60):
        shape = (repeats, 60)
        validation = 0.655 + noise(rng, shape, 0.01)
        kind = judged(made(0.65 + noise(rng, shape, 0.002), validation)).kind
        praised += kind not in ("no significant difference from chance", "still improving")
    assert praised <= 3


def test_learned_by_heart_is_chance_and_says_so() -> None:
    training = np.tile(0.05 + 0.65 * np.exp(-EPOCHS / 40), (5, 1))
    validation = 0.67 + 0.8 * EPOCHS / 150 + noise(np.random.default_rng(0), training.shape, 0.005)
    verdict = judged(made(training, validation))
    assert verdict.kind == "no significant difference from chance"
    assert "does not carry over" in verdict.sentence


def test_rises_of_very_different_size_in_every_repeat_are_over_learning() -> None:
    """Ratios of 1.2 to 2.5, as small tables give: differences alone are too skewed for a t interval."""
    epochs = np.arange(101)
    rows = []
    for low, ratio in ((0.06, 1.4), (0.058, 1.7), (0.05, 2.5), (0.17, 2.4), (0.07, 1.9)):
        turn = np.clip((epochs - 15) / 85, 0, 1)
        rows.append(low * ratio**turn + 0.6 * np.exp(-epochs / 3))
    training = np.tile(0.65 * np.exp(-epochs / 12), (5, 1))
    verdict = judged(made(training, np.array(rows)))
    assert verdict.kind == "overfitting"
    assert verdict.statistics["rise_by_a_factor_of_at_least"] > 1


def test_a_loss_that_is_not_finite_is_unstable_and_counted() -> None:
    curves = case("good fit", 10)
    curves.columns["validation.loss"][(curves.repeat == 3) & (curves.update >= 40 * 62)] = np.nan
    curves.columns["train.loss"][(curves.repeat == 5) & (curves.update >= 60 * 62)] = np.inf
    verdict = judged(curves)
    assert verdict.kind == "unstable"
    assert "2 of 10 repeats" in verdict.sentence and "epoch 40" in verdict.sentence
    assert "`learning_rate=0.0003`" in verdict.remedy and "`batch_size=40`" in verdict.remedy


def test_the_running_loss_of_epoch_0_is_not_a_fault() -> None:
    curves = case("good fit", 5)
    curves.columns["train.running_loss"] = np.where(curves.update == 0, np.nan, curves.columns["train.loss"])
    assert judged(curves).kind == "good fit"
    everywhere = dict(curves.columns) | {"test.loss": np.full(len(curves), np.nan)}
    never = Curves(curves.repeat, curves.epoch, curves.update, curves.samples, curves.seconds, everywhere)
    assert judged(never).kind == "good fit"


def test_a_collapse_without_return() -> None:
    curves = case("good fit", 5)
    curves.columns["train.loss"][(curves.update >= 41 * 62) & (curves.repeat < 2)] = 2.0
    verdict = judged(curves)
    assert verdict.kind == "unstable" and "epoch 41" in verdict.sentence


def test_not_judged() -> None:
    curves = case("good fit", 3)
    few = curves.update <= 5 * 62
    short = Curves(
        curves.repeat[few], curves.epoch[few], curves.update[few], curves.samples[few], curves.seconds[few],
        {name: column[few] for name, column in curves.columns.items()},
    )  # fmt: skip
    assert (
        judged(short).kind == "not judged"
        and "at least 10 evaluations; there were 6" in judged(short).sentence
    )
    told = judged(short)
    assert "epochs that were advised need no verdict" in told.remedy and "epochs=" not in told.remedy
    assert not re.search(r",[.)]", str(told)), "a sentence that breaks"
    bare = Curves(
        curves.repeat, curves.epoch, curves.update, curves.samples, curves.seconds,
        {"train.loss": curves.columns["train.loss"]},
    )  # fmt: skip
    assert judged(bare).kind == "not judged" and "`validation=" in judged(bare).remedy
    assert judge(Curves.empty()).kind == "not judged"


def test_all_nan_validation_and_no_baseline() -> None:
    curves = case("good fit", 3)
    blank = dict(curves.columns) | {"validation.loss": np.full(len(curves), np.nan)}
    none = Curves(curves.repeat, curves.epoch, curves.update, curves.samples, curves.seconds, blank)
    assert judged(none).kind == "not judged"
    unknown = judged(curves, baseline=None)
    assert unknown.kind == "leveled off" and "No baseline is known" in unknown.sentence


def test_repeats_that_stopped_early() -> None:
    curves = case("overfitting", 10)
    keep = curves.epoch <= 70 + 5 * curves.repeat
    cut = Curves(
        curves.repeat[keep], curves.epoch[keep], curves.update[keep], curves.samples[keep],
        curves.seconds[keep],
        {name: column[keep] for name, column in curves.columns.items()},
    )  # fmt: skip
    verdict = judged(cut)
    assert verdict.kind in ("overfitting", "good fit") and verdict.statistics["epochs"] == 115


def test_a_metric_may_be_monitored() -> None:
    curves = case("good fit", 5)
    curves.columns["validation.accuracy"] = 1 - curves.columns["validation.loss"]
    verdict = judged(curves, metric="validation.accuracy", baseline={"validation.accuracy": 0.35})
    assert verdict.kind == "good fit" and "validation accuracy" in verdict.sentence


@pytest.mark.parametrize("kind", ALL)
def test_a_verdict_travels(kind: str) -> None:
    verdict = judged(case(kind, 5))
    again = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert set(again) == {"kind", "sentence", "rule", "statistics", "remedy", "warnings"}
    assert all(again[name] for name in ("sentence", "rule", "statistics"))
    assert verdict.kind in KINDS and str(verdict) == render_message(verdict.sentence)
    assert verdict.sentence.endswith(".") and verdict.remedy.endswith(
        (".", "") if kind == "good fit" else "."
    )


def test_over_learning_names_options_and_keeps_the_best() -> None:
    verdict = judged(case("overfitting", 10))
    first, last = verdict.statistics["best_epoch_range"]
    assert first <= verdict.statistics["best_epoch"] <= last
    assert f"`epochs={last}`" in verdict.remedy and "`stop=ep.Patience(" in verdict.remedy
    assert "from the best epoch" in verdict.sentence and 35 <= verdict.statistics["lowest_epoch"] <= 85


def test_nothing_is_claimed_beyond_the_horizon() -> None:
    assert "within 150 epochs" in judged(case("good fit", 5)).sentence
    assert "`epochs=300`" in judged(case("still improving", 5)).remedy


def test_what_decided_about_the_parameters_is_not_claimed_to_come_from_before() -> None:
    curves = case("overfitting", 6)
    kept = judged(curves)
    assert "weights from the best epoch" in kept.sentence
    later = judged(curves, monitor="train.loss")
    assert later.kind == "overfitting" and "from the best epoch" not in later.sentence
    assert "where train.loss was best" in later.sentence


def test_repeats_that_a_rule_ended_are_not_told_of_more_epochs() -> None:
    curves = case("still improving", 6)
    assert "`epochs=" in judged(curves).remedy
    stopped = judged(curves, stopped_early=True)
    assert stopped.kind == "still improving" and "a rule ended training" in stopped.sentence
    assert "epochs=" not in stopped.remedy and "larger `patience`" in stopped.remedy
    spent = judged(curves, settings={"ended_by": "the budget of 400 updates is spent"})
    assert "epochs=" not in spent.remedy and "budget of 400 updates" in spent.remedy


def test_the_first_descent_of_a_short_curve_is_no_improvement_at_its_end() -> None:
    epochs = np.arange(10)
    rng = np.random.default_rng(3)
    fall = 0.4 + 0.5 * np.exp(-epochs)
    rows = np.tile(fall, (6, 1)) + rng.normal(0, 0.002, (6, 10))
    assert judged(made(rows, rows + 0.01)).kind != "still improving"


def test_the_way_down_from_a_swing_is_no_improvement() -> None:
    down = np.array([0.60, 0.32, 0.16, 0.09, 0.055, 0.0400, 0.047, 0.053, 0.0545, 0.052, 0.046, 0.0402])
    swung, training = down[None], 0.5 * np.exp(-0.4 * np.arange(12.0))[None]
    found = judged(made(training, swung), baseline={"validation.loss": np.array([0.6])})
    assert "improving" not in found.kind
    steady = np.minimum.accumulate(swung[:, ::-1], axis=1)[:, ::-1] * np.linspace(1.3, 0.7, 12)
    found = judged(made(training, steady), baseline={"validation.loss": np.array([0.6])})
    assert "improving" in found.kind, "negative control: without the swing it is"


def level(repeats: int, points: int, sd: float, rho: float, seed: int) -> Curves:
    """Curves that are level from a third of their epochs on, scatter, and fall in training."""
    rng, t = np.random.default_rng(seed), np.arange(float(points))
    falls = np.exp(-t / (0.06 * points))
    training = (
        (0.3 + 0.35 * falls) * (1 - 0.1 * t / points) * (1 + noise(rng, (repeats, points), sd / 3, rho))
    )
    return made(training, (0.4 + 0.25 * falls) * (1 + noise(rng, (repeats, points), sd, rho)))


@pytest.mark.parametrize("repeats", [1, 2, 3, 5])
@pytest.mark.parametrize(("points", "rho"), [(31, 0.0), (101, 0.8)])
def test_an_end_that_is_high_by_scatter_is_seldom_probable_over_learning(
    repeats: int, points: int, rho: float
) -> None:
    """One-sided 80 %: at most a fifth by the binomial at 0.1 %; the last over the lowest gave a half."""
    found = [judged(level(repeats, points, 0.1, rho, seed)).kind for seed in range(100)]
    assert found.count("probably overfitting") + found.count("overfitting") <= 33
    assert found.count("probably unstable") <= 10


@pytest.mark.parametrize("repeats", [5, 10])
def test_one_high_value_at_the_end_of_one_repeat_is_no_probable_over_learning(repeats: int) -> None:
    found = []
    for seed in range(30):
        curves = level(repeats, 60, 0.01, 0.0, seed)
        curves.columns["validation.loss"][59] *= 1 + 0.3 * repeats
        found.append(judged(curves).kind)
    assert found.count("probably overfitting") + found.count("good fit") <= 3, found


@pytest.mark.parametrize("repeats", [5, 10])
def test_a_sure_rise_without_a_falling_training_loss_is_no_good_fit(repeats: int) -> None:
    """Both losses jump near the end, and are on their way back."""
    for seed in range(10):
        curves = level(repeats, 100, 0.01, 0.0, seed)
        for name in ("train.loss", "validation.loss"):
            rows = curves.columns[name].reshape(repeats, 100)
            rows[:, 90:] *= 1 + 0.4 * np.exp(-np.arange(10) / 8)
        verdict = judged(curves)
        assert verdict.kind not in ("good fit", "leveled off"), verdict
        assert "which is small" not in verdict.sentence


def test_a_fall_far_below_the_baseline_in_few_evaluations_is_better_than_chance() -> None:
    """So few evaluations show no scatter: the fall itself would count as such."""
    falling = np.array([[3.0, 2.2, 1.5, 1.0, 0.7, 0.5, 0.35, 0.26]])
    level = np.array([[2.6, 2.5, 2.4, 2.38, 2.41, 2.39, 2.4, 2.38]])
    for losses, unsure in ((falling, False), (level, True)):
        found = judged(made(losses, losses), baseline={"validation.loss": 2.4})
        assert found.kind == "not judged"
        assert ("not yet surely better" in found.sentence) is unsure
