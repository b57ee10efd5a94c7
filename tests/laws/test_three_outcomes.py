"""Laws of verdicts that can't be sure: nothing reassures wrongly, and what matters more is said first."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.known_curves import TRUTHS, Known, drawn
from scipy import stats

import epochal as ep
from epochal.curves import Curves, Verdict, judge, summarize
from epochal.curves.statistics import fit_slope
from epochal.errors import Refusal
from epochal.runs import Scores
from epochal.runs.run_warnings import not_beaten, warnings_of

trend_tests, limits = (importlib.import_module(f"epochal.curves.{n}") for n in ("trend_tests", "limits"))


def judged(known: Known, **more: object) -> Verdict:
    arguments: dict[str, object] = {
        "baseline": known.baseline,
        "validation_samples": known.samples,
        "training_samples": known.training_samples,
        "stopped_early": known.truth.endswith("stopped"),
        "settings": {"loss": known.loss},
    }
    return judge(known.curves, **(arguments | more))  # type: ignore[arg-type]


def above(known: Known) -> float:
    """The end of the mean curve over its minimum, stopped repeats at their last value."""
    mean = known.curves.summary("validation.loss").mean
    mean = mean[np.isfinite(mean)]
    return float(mean[-1] / mean.min())


def some(truth: str, repeats: int, count: int) -> list[Known]:
    rng = np.random.default_rng([TRUTHS.index(truth), repeats, 1])
    return [drawn(truth, repeats, rng) for _ in range(count)]


@pytest.mark.parametrize("repeats", [1, 3, 5, 10])
def test_what_ends_above_its_least_is_never_a_good_fit(repeats: int) -> None:
    for truth in TRUTHS:
        for known in some(truth, repeats, 8):
            if above(known) > 1.2:
                assert not judged(known).reassures, (truth, above(known))


def test_without_the_bound_on_the_end_some_would_be_called_a_good_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: tests of significance alone let a tenth of ends above 1.2 times the minimum pass.

    By the bounds of a binomial at 1 %: of about 190 curves 9 and more, and none without the control.
    """
    ends = [
        known
        for truth in ("overfitting", "overfitting, stopped")
        for known in some(truth, 5, 150)
        if above(known) > 1.2
    ]
    assert len(ends) > 150 and not any(judged(known).reassures for known in ends)
    monkeypatch.setattr(limits, "ABOVE_MINIMUM", np.inf)
    monkeypatch.setattr(trend_tests, "PROBABLE", 0.9)
    monkeypatch.setattr("epochal.curves.curve_view.CurveView.end_over_own_best", 1.0)
    monkeypatch.setattr(trend_tests.Difference, "ruled_out", True)
    monkeypatch.setattr("epochal.curves.curve_view.CurveView.end_over_best", 1.0)
    assert sum(judged(known).reassures for known in ends) >= stats.binom.ppf(0.01, len(ends), 0.1)


def rising(ends: tuple[float, ...], training_ends: float = 0.05) -> Curves:
    """Repeats that fall to 0.3 by epoch 20 and rise to `ends` of it by epoch 60."""
    t, rng = np.arange(61.0), np.random.default_rng(0)
    turn = np.clip((t - 20) / 40, 0, 1)
    rows = np.array([0.3 * (1 + (end - 1) * turn) + 0.6 * np.exp(-t / 4) for end in ends])
    rows += rng.normal(0, 0.003, rows.shape)
    training = np.tile(training_ends + 0.65 * np.exp(-t / 15), (len(ends), 1))
    repeat, at = np.repeat(np.arange(len(ends)), t.size), np.tile(np.arange(t.size), len(ends))
    columns = {"train.loss": training.ravel(), "validation.loss": rows.ravel()}
    return Curves(repeat, at, at * 10, at * 100, at * 0.1, columns)


KNOWN = {"baseline": {"validation.loss": 0.68}, "validation_samples": 100, "training_samples": 400}


def test_a_rise_in_some_repeats_is_probable_and_says_how_many_would_tell() -> None:
    verdict = judge(rising((1.0, 2.6, 1.3, 1.1, 1.0)), **KNOWN)  # type: ignore[arg-type]
    assert verdict.kind == "probably overfitting" and verdict.sentence.startswith("Probably overfitting")
    assert "scatter could still explain" in verdict.sentence
    assert "`repeats=" in verdict.remedy or "more validation samples" in verdict.remedy
    sure = judge(rising((1.5, 1.6, 1.4, 1.7, 1.5)), **KNOWN)  # type: ignore[arg-type]
    assert sure.kind == "overfitting"
    flat = judge(rising((1.0,) * 5), **KNOWN)  # type: ignore[arg-type]
    assert flat.kind == "good fit" and "5 repeats leave room for a rise of up to" in flat.sentence
    assert flat.statistics["rise_at_most"] > 0 and "Nothing needs to change" not in flat.remedy


def test_a_rise_is_judged_against_what_was_learned() -> None:
    """From 0.30 to 0.33 with a baseline of 0.36: half of what was learned, though 8 % of the baseline."""
    little = dict(KNOWN, baseline={"validation.loss": 0.36})
    assert judge(rising((1.04, 1.05, 1.045, 1.05, 1.04)), **little).kind == "overfitting"  # type: ignore[arg-type]


def test_an_end_above_the_least_without_a_falling_training_loss_is_no_good_fit() -> None:
    curves = rising((1.5,) * 5)
    curves.columns["train.loss"] = np.full(len(curves), 0.2)
    assert judge(curves, **KNOWN).kind == "probably unstable"  # type: ignore[arg-type]


def test_one_value_for_one_thing() -> None:
    """The best value is that of the table of results, the end that of the picture."""
    curves = rising((1.5, 1.6, 1.4, 1.7, 1.5))
    verdict = judge(curves, **KNOWN)  # type: ignore[arg-type]
    best, end = curves.best("validation.loss"), curves.summary("validation.loss").mean[-1]
    assert f"from {best.value.mean():.3g} at the best epochs to {end:.3g} at epoch 60" in verdict.sentence
    assert f"around epoch {best.median_epoch:.0f}:" in verdict.sentence


def test_stopped_by_patience_is_in_time_and_not_without_overfitting() -> None:
    """In three quarters, undecided in 6 %: by the bounds of a binomial at 1 %, of 300 curves."""
    found = [judged(known) for known in some("good fit, stopped", 5, 300)]
    kinds = Counter(verdict.kind for verdict in found)
    assert kinds["stopped in time"] >= stats.binom.ppf(0.01, 300, 0.75), kinds
    assert kinds["undecided"] <= stats.binom.isf(0.01, 300, 0.06), kinds
    assert not kinds.keys() & {"good fit", "overfitting", "unstable"}, kinds
    assert all("no sign of overfitting" not in verdict.sentence.lower() for verdict in found)


def test_patience_is_advised_only_where_it_saves_and_keeps_the_weights() -> None:
    curves = rising((1.5, 1.6, 1.4, 1.7, 1.5))
    remedy = judge(curves, **KNOWN).remedy  # type: ignore[arg-type]
    assert "ep.Patience" in remedy and "would have kept the same weights" in remedy
    late = curves.columns["validation.loss"].reshape(5, -1)
    late[:, -1] = 0.25  # the best is the last: no patience would have saved anything
    assert "ep.Patience" not in judge(curves, **KNOWN).remedy  # type: ignore[arg-type]


def test_nothing_left_to_learn_is_not_told_to_train_longer() -> None:
    t = np.arange(6)
    columns = {"train.loss": 1e-10 * np.ones(6), "validation.loss": 0.1 + 0.5 * np.exp(-t)}
    short = Curves(np.zeros(6, int), t, t * 10, t * 100, t * 0.1, columns)
    remedy = judge(short, **KNOWN).remedy  # type: ignore[arg-type]
    assert "nothing left to learn" in remedy and "epochs=" not in remedy


def test_a_jumping_loss_of_unscaled_inputs_is_first_of_all_unscaled() -> None:
    known = some("unstable", 5, 1)[0]
    remedy = judged(known, settings={"unscaled": True, "learning_rate": 0.1}).remedy
    assert remedy.startswith("The inputs are not standardized")
    assert "not standardized" not in judged(known, settings={"learning_rate": 0.1}).remedy


def flat(train: float, validation: tuple[float, ...]) -> Curves:
    """Repeats that fall by epoch 20 to these losses and stay there."""
    t, rng = np.arange(61.0), np.random.default_rng(0)
    rows = np.array([one + 0.2 * np.exp(-t / 4) for one in (*validation, *[train] * len(validation))])
    rows += rng.normal(0, 0.002, rows.shape)
    repeat, at = np.repeat(np.arange(len(validation)), t.size), np.tile(np.arange(t.size), len(validation))
    columns = {
        "validation.loss": rows[: len(validation)].ravel(),
        "train.loss": rows[len(validation) :].ravel(),
    }
    return Curves(repeat, at, at * 10, at * 100, at * 0.1, columns)


HARD = (0.86, 0.98, 1.10, 0.92, 1.05)
"""Validation samples that happen to be easy or hard, for the baseline as well."""


def underfit(baseline: dict[str, object]) -> Verdict:
    curves = flat(0.9, tuple(0.9 * one for one in HARD))
    return judge(
        curves, baseline=baseline, validation_samples=100, training_samples=400,
        settings={"loss": "squared_error"},
    )  # fmt: skip


def test_few_validation_samples_that_are_hard_for_the_baseline_too_are_no_gap() -> None:
    """Negative control: without what the baseline reaches on the training samples it can't be told."""
    levels = {"validation.loss": np.array(HARD)}
    assert underfit({**levels, "train.loss": 1.0}).kind == "underfitting"
    assert underfit(dict(levels)).kind != "underfitting"


def test_where_little_was_learned_nothing_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training loss 15 % below its baseline, with a gap that is none of underfitting's."""
    known = {"baseline": {"validation.loss": 1.0, "train.loss": 1.0}, "settings": {"loss": "squared_error"}}
    more = known | {"validation_samples": 2000, "training_samples": 8000}
    curves = flat(0.85, (0.925, 0.93, 0.92, 0.925, 0.93))
    found = judge(curves, **more)  # type: ignore[arg-type]
    assert found.kind == "leveled off" and "little was learned" in found.sentence
    monkeypatch.setattr(limits, "EXPLAINED", 0.0)
    assert judge(curves, **more).kind == "good fit"  # type: ignore[arg-type]


def falling(falls: tuple[float, ...], scatter: float = 0.003) -> Curves:
    """Fifteen epochs in which repeats fall to the end, by so much over the last four."""
    t, rng = np.arange(16.0), np.random.default_rng(0)
    rows = np.array([0.3 + fall / 4 * (15 - t) for fall in falls]) + 0.02 * np.exp(-t / 2)
    rows += rng.normal(0, scatter, rows.shape)
    repeat, at = np.repeat(np.arange(len(falls)), t.size), np.tile(np.arange(t.size), len(falls))
    columns = {"validation.loss": rows.ravel(), "train.loss": (rows - 0.05).ravel()}
    return Curves(repeat, at, at * 10, at * 100, at * 0.1, columns)


def test_repeats_that_all_fall_at_very_different_paces_are_still_improving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: an interval of their mean fall holds zero, and reassured."""
    curves = falling((0.01, 0.03, 0.02, 0.60, 0.02), 0.0005)
    known = KNOWN | {"baseline": {"validation.loss": 1.0, "train.loss": 1.0}}
    assert judge(curves, **known).kind == "still improving"  # type: ignore[arg-type]
    assert judge(falling((0.0, 0.0, 0.0, 0.0, 0.0)), **known).kind != "still improving"  # type: ignore[arg-type]
    monkeypatch.setattr("epochal.curves.statistics.fit_slope", lambda x, y: (fit_slope(x, y)[0], np.inf))
    assert judge(curves, **known).kind != "still improving"  # type: ignore[arg-type]


def test_a_probable_fall_is_no_good_fit() -> None:
    known = KNOWN | {"baseline": {"validation.loss": 1.0, "train.loss": 1.0}}
    curves = falling((0.06, -0.01, 0.05, 0.07, -0.01), 0.001)
    found = judge(curves, **known)  # type: ignore[arg-type]
    assert found.kind == "probably still improving" and "`epochs=30`" in found.remedy


@pytest.mark.parametrize("repeats", [3, 10])
@pytest.mark.parametrize("size", [0.0, 0.02, 0.05])
def test_the_largest_rise_that_is_not_ruled_out_holds_the_true_one(repeats: int, size: float) -> None:
    """In 95 % at least (binomial at 1 %), and it is no larger than it must be: flat curves are level."""
    rng = np.random.default_rng(repeats)
    t, trials, shape = np.arange(61.0), 150, (repeats, 61)
    turn = np.clip((t - 20) / 30, 0, 1)
    known = KNOWN | {"validation_samples": 2000, "training_samples": 8000}
    most = []
    for _ in range(trials):
        level = rng.normal(0, 0.01, (repeats, 1))
        rows = 0.3 + level + 0.4 * np.exp(-t / 2) + size * turn * rng.normal(1, 0.2, (repeats, 1))
        columns = {
            "validation.loss": (rows + rng.normal(0, 0.004, shape)).ravel(),
            "train.loss": np.tile(0.05 + 0.65 * np.exp(-t / 15), repeats),
        }
        repeat, at = np.repeat(np.arange(repeats), t.size), np.tile(np.arange(t.size), repeats)
        curves = Curves(repeat, at, at * 10, at * 100, at * 0.1, columns)
        most.append(judge(curves, **known).statistics["rise_at_most"])  # type: ignore[arg-type]
    assert sum(one >= size for one in most) >= stats.binom.ppf(0.01, trials, 0.95)
    assert np.median(most) < size + 0.2 * 0.3


def test_warnings_come_first_and_nothing_is_good_beside_them() -> None:
    curves = rising((1.0,) * 5)
    verdict = judge(curves, **KNOWN, warnings=("A warning.",))  # type: ignore[arg-type]
    assert str(verdict).startswith("A warning. ") and verdict.kind == "leveled off" and not verdict.reassures
    assert replace(verdict, warnings=()).text == verdict.sentence


def test_what_is_warned_of() -> None:
    leak = "column 3 (code) determines the target: each of its 2 values goes with one class."
    counts = {"validation": np.array([[[9, 0], [3, 0]]])}
    found = warnings_of((leak, "another note"), {}, counts, ("no", "yes"), False)
    assert [one[:10] for one in found] == ["Leakage su", '"yes" is n']
    assert warnings_of((), {}, {"validation": np.array([[[9, 0], [2, 1]]])}, ("no", "yes"), False) == ()


def test_one_repeat_that_predicts_a_class_does_not_silence_the_others() -> None:
    silent, once = [[9, 0], [3, 0]], [[9, 0], [2, 1]]
    names = ("no", "yes")
    (most,) = warnings_of((), {}, {"validation": np.array([silent] * 9 + [once])}, names, False)
    assert most.startswith('"yes" is never predicted in 9 of 10 repeats') and "`class_weight=" in most
    assert warnings_of((), {}, {"validation": np.array([silent] * 4 + [once] * 6)}, names, False) == ()
    (weighted,) = warnings_of((), {}, {"validation": np.array([silent] * 10)}, names, True)
    assert "in 10" not in weighted and "class_weight" not in weighted


def test_test_samples_on_which_no_baseline_is_beaten_are_said_first() -> None:
    inputs = np.random.default_rng(0).normal(size=(200, 2))
    targets = inputs @ [1.0, -1.0]
    targets[160:] *= -1  # the relation turns round at the end
    data = ep.load_data((inputs, targets))
    run = ep.fit(
        ep.MLP(8),
        data,
        split="chronological",
        test=0.2,
        repeats=3,
        epochs=20,
        learning_rate=0.01,
        progress=False,
    )
    reached, level = run.metrics["test"]["rmse"].mean, np.mean(run.baseline["test.rmse"])
    assert reached > level and not run.verdict.reassures
    assert run.verdict.text.startswith(
        f"On the test samples the repeats beat no baseline: RMSE {reached:.3g}, and always "
        f"predicting the same gives {level:.3g}"
    )
    sound = ep.fit(
        ep.MLP(8), (inputs, inputs[:, 0]), test=0.2, repeats=3, epochs=20, learning_rate=0.02, progress=False
    )
    assert "no baseline" not in sound.verdict.text


def test_a_test_is_warned_of_only_where_nothing_is_better_than_a_baseline() -> None:
    def warned(metrics: dict[str, list[float]], samples: int = 40, **more: Any) -> str:
        levels = {"test.loss": [0.7], "test.accuracy": [0.6]}
        scores = Scores({name: summarize(values) for name, values in metrics.items()}, **more)
        return not_beaten(scores, levels, samples)

    bad = {"loss": [0.8, 0.9], "accuracy": [0.5, 0.6]}
    assert "loss 0.85, and always predicting the same gives 0.7." in warned(bad)
    assert warned({**bad, "accuracy": [0.8, 0.9]}) == "", "overconfident, and right more often"
    assert warned(bad, samples=5) == "" and warned({"f1": [0.1]}) == ""
    assert warned({**bad, "loss": [np.nan, np.nan]}) == ""
    one_class = np.array([[[20, 20], [0, 0]]] * 2)
    assert warned(bad, confusion=one_class) == ""
    assert "their mean prediction does, with 0.65" in warned(bad, ensemble={"loss": 0.65})


def test_an_unstable_training_that_beats_no_baseline_says_so_and_proposes_a_usual_rate() -> None:
    random = np.random.default_rng(0)
    data = random.normal(size=(100, 2)), random.integers(0, 2, 100)
    run = ep.fit(ep.MLP(8), data, learning_rate=1e9, epochs=20, progress=False)
    assert (
        run.verdict.kind == "unstable"
        and "no better than always predicting the class frequencies" in run.verdict.text
    )
    assert "`learning_rate=0.1`" in run.verdict.remedy


def test_a_class_that_is_never_predicted_is_said_first() -> None:
    rng = np.random.default_rng(0)
    targets = (np.arange(200) < 10).astype(int)
    run = ep.fit(ep.MLP(4), rng.normal(size=(200, 3)), targets, epochs=20, learning_rate=0.01, progress=False)
    counts = run.scores["validation"].confusion
    assert counts is not None
    assert counts.sum(axis=(0, 1))[1] == 0
    assert '"1" is never predicted' in run.verdict.warnings[0]
    assert str(run).splitlines()[1].startswith('"1" is never predicted')


def test_the_running_loss_decides_about_no_parameters() -> None:
    with pytest.raises(Refusal, match=r"monitor can't be train\.running_loss.*train\.loss"):
        ep.fit(ep.MLP(4), np.zeros((40, 2)), np.arange(40) % 2, monitor="train.running_loss", epochs=1)


def test_regression_speaks_in_units_of_the_target() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = 1000 + 50 * X[:, 0] + rng.normal(0, 40, 120)
    run = ep.fit(ep.MLP(64, 64), X, y, epochs=60, repeats=4, learning_rate=0.01, progress=False)
    typical = run.metrics["validation"]["rmse"].mean
    assert run.verdict.kind.endswith("overfitting")
    assert (
        f"the typical validation error (RMSE) rose from {typical:.3g} at the best epochs"
        in run.verdict.sentence
    )
