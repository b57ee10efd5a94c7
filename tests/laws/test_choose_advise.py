"""Does an advice fit together: numbers with their intervals, the settings tried, its cost, its words?

The data is tiny and the trainings short: what is tested is the whole, not how good the advice is.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optax
import pytest

import epochal as ep
from epochal.choose.advice.advice import Advice
from epochal.choose.advice.advise import advise
from epochal.choose.advice.builder import standing_flags
from epochal.choose.search import final_step
from epochal.choose.search.search import Point
from epochal.choose.trials.progress import ProgressStep
from epochal.choose.trials.trial import Interrupted
from epochal.curves import summarize
from epochal.errors import Refusal
from epochal.report.plots.advice import plot
from epochal.runs.forecast import score_forecasts
from epochal.training.loop import StopSignal

ROWS = 100
NET = ep.MLP(4)
SHORT: dict[str, Any] = {"repeats": 3, "epochs": 20, "optimizer": "sgd", "seed": 1}
FAST: dict[str, Any] = {**SHORT, "goal": "time"}
ASKED: dict[str, Any] = {"class_weight": "balanced", "standardize": True, "validation": 0.25}


def samples() -> tuple[Any, Any]:
    """Two overlapping classes."""
    random = np.random.default_rng(4)
    inputs = random.normal(size=(ROWS, 2)).astype(np.float32)
    score = inputs[:, 0] + 0.5 * inputs[:, 1] + 0.7 * random.normal(size=ROWS)
    return inputs, (score > 0).astype(int)


@pytest.fixture(autouse=True, scope="module")
def _hasty() -> Any:
    """No repeats beyond those asked for and as many again, few batch sizes, update times taken quickly."""
    from epochal.choose.advice import advise as module
    from epochal.choose.search import pilot
    from epochal.choose.trials import timing

    measured = timing.update_time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MORE_REPEATS", 0)
        patch.setattr(module, "FINAL_SEEDS", 2)
        patch.setattr(pilot, "MAX_BATCHES", 10)  # 8, 16, 32 and all 80
        patch.setattr(
            timing, "update_time", lambda runner, candidate, _=0.0: measured(runner, candidate, 0.002)
        )
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("advice") / "kept"


@pytest.fixture(scope="module")
def steps() -> list[ProgressStep]:
    return []


@pytest.fixture(scope="module")
def advice(folder: Path, steps: list[ProgressStep]) -> Advice:
    return advise(NET, samples(), folder=folder, watch=steps.append, **FAST)


def consistent(advice: Advice) -> None:
    """What holds for every advice."""
    training = round(0.8 * ROWS)
    assert advice.epochs.low <= advice.epochs.value <= advice.epochs.high
    assert 1 <= advice.batch_size <= training
    assert 1 <= advice.epochs.value <= 20 and advice.epochs.value == round(advice.epochs.value)
    sizes = {one.batch_size for one in advice.tried}
    assert advice.batch_size in sizes
    ours = [one for one in advice.tried if one.batch_size == advice.batch_size and one.tied]
    if advice.learning_rate is not None and any(one.learning_rate is not None for one in advice.tried):
        assert advice.learning_rate in {one.learning_rate for one in ours}
    assert ours, "the advised setting cannot be told apart from itself"
    for one in advice.tried:
        assert one.tied + one.given_up + one.left_out + one.ahead <= 1 + one.is_reference
        if one.tied and not one.is_reference and not math.isnan(one.effect[1]):
            neither = 0.0 if advice.goal == "quality" else 1.0
            assert one.effect[1] <= neither <= one.effect[2], "the interval leaves no difference out"
    for one in advice.tried:
        middle, low, high = one.value
        assert (low <= middle <= high) or math.isinf(middle) or math.isnan(low)
        assert 0 <= one.updates_to_target.reached <= one.repeats > 0
    assert len(advice.best_epochs) == len(advice.improving)
    assert len(advice.curves.repeats) == len(advice.best_epochs)
    assert len(set(advice.timing.batch_sizes)) == len(advice.timing.points)
    assert all(0 < point.seconds < 60 for point in advice.timing.points)
    assert math.isfinite(advice.target_value) and advice.target_text and advice.decided_by
    assert advice.noise is not None or advice.noise_text
    cost = advice.usage
    assert cost.trainings >= len(advice.tried) * 3 and cost.updates > 0 and cost.seconds > 0
    assert cost.of_one_training > 0 and cost.of_grid > 0 and "repeats" in cost.grid
    assert f"{advice.batch_size:,.0f}" in advice.answer and f"{advice.epochs.value:,.0f}" in advice.answer
    strict_json(advice)


def strict_json(advice: Advice) -> dict[str, Any]:
    """The advice as JSON that knows no NaN and no infinity."""
    found: dict[str, Any] = json.loads(json.dumps(advice.to_dict(), allow_nan=False))
    return found


def test_its_fields_fit_together(advice: Advice, folder: Path) -> None:
    consistent(advice)
    assert (advice.goal, advice.optimizer, advice.monitor) == ("time", "sgd", "validation.loss")
    assert not advice.higher_is_better and advice.folder == folder
    rate = advice.learning_rate
    assert rate is not None and rate in {one.learning_rate for one in advice.tried}
    assert [(one.batch_size, one.learning_rate) for one in advice.tried] == sorted(
        (one.batch_size, one.learning_rate) for one in advice.tried
    )
    [best] = [one for one in advice.tried if (one.batch_size, one.learning_rate) == (advice.batch_size, rate)]
    assert best.effect[0] == pytest.approx(1.0) and best.updates_to_target.reached > 0
    assert best.value[0] == min(one.value[0] for one in advice.tried if one.repeats == best.repeats)


def test_its_options_are_those_of_fit(advice: Advice) -> None:
    """With everything that was asked of the advice."""
    assert advice.options == {
        "batch_size": advice.batch_size,
        "epochs": advice.epochs.value,
        "optimizer": "sgd",
        "learning_rate": advice.learning_rate,  # type: ignore[union-attr]
        "seed": 1,
    }
    run = ep.fit(NET, samples(), **advice.options)
    assert run.plan.batch_size == advice.batch_size and run.plan.epochs == advice.epochs.value


def test_it_can_be_read(advice: Advice) -> None:
    assert str(advice) == advice.summary() and advice.answer in str(advice)
    assert repr(advice).startswith(f"Advice(batch_size={advice.batch_size:g}, learning_rate=")
    assert repr(advice).endswith(f"epochs={advice.epochs.value:g})")
    found = strict_json(advice)
    assert found["options"]["batch_size"] == advice.batch_size
    assert len(found["tried"]) == len(advice.tried) == advice.to_arrow().num_rows
    assert {"batch_size", "learning_rate", "seconds", "tied"} <= set(advice.table[0])


def test_it_tells_how_far_it_is(advice: Advice, steps: list[ProgressStep]) -> None:
    assert advice.usage.trainings >= len([step for step in steps if step.total]) > 0
    assert len({step.phase for step in steps}) >= 4
    times = [step.seconds for step in steps]
    assert times == sorted(times)


def test_the_same_call_trains_nothing_again(advice: Advice, folder: Path) -> None:
    def kept() -> dict[str, bytes]:  # what came out is written again, with the cost of the last call
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "study.json"}

    before = kept()
    again = advise(NET, samples(), folder=folder, **FAST)
    assert kept() == before
    one, other = strict_json(advice), strict_json(again)
    for found in (one, other):
        del found["usage"], found["environment"]
    assert one == other
    assert again.usage.trainings == advice.usage.trainings


def test_another_question_to_the_same_folder_is_refused(advice: Advice, folder: Path) -> None:
    with pytest.raises(Refusal, match="must hold the same comparison"):
        advise(NET, samples(), folder=folder, **{**FAST, "optimizer": "adam"})


@pytest.mark.parametrize("goal", ["samples", "updates", "quality"])
def test_other_goals(goal: str) -> None:
    advice = advise(NET, samples(), goal=goal, **SHORT)
    consistent(advice)
    assert advice.goal == goal and advice.theory is None
    if goal == "quality":
        assert all(0 < one.value[0] < 2 for one in advice.tried if one.tied), "losses"
        assert all(one.epochs is None or one.epochs >= 1 for one in advice.tried)
        assert goal in advice.table[0]
    else:
        for one in advice.tried:
            scale = one.batch_size if goal == "samples" else 1
            assert one.value[0] == pytest.approx(one.updates_to_target.expected * scale)
    plot(advice)


def test_what_is_given_is_kept() -> None:
    advice = advise(NET, samples(), batch_size=16, **FAST, **ASKED)
    assert ASKED.items() <= advice.options.items() and advice.options["batch_size"] == 16
    run = ep.fit(NET, samples(), **advice.options)
    assert run.settings["class_weight"] == "balanced" and run.data["sizes"]["validation"] == 25
    consistent(advice)
    assert advice.batch_size == 16
    assert {one.batch_size for one in advice.tried} == {16}


def test_a_rate_that_was_not_tuned_is_kept_and_no_theory_rests_on_it() -> None:
    advice = advise(NET, samples(), learning_rate=0.3, **FAST)
    consistent(advice)
    assert advice.learning_rate is not None and advice.learning_rate == 0.3
    assert advice.options["learning_rate"] == 0.3
    assert advice.theory is None
    plot(advice)


def test_an_optax_object_has_its_own_rate() -> None:
    advice = advise(NET, samples(), **{**FAST, "optimizer": optax.adam(0.1), "batch_size": "full"})
    consistent(advice)
    assert advice.learning_rate is None and "learning_rate" not in advice.options
    assert advice.batch_size == 80 and "all training samples" in advice.answer
    assert "learning_rate" not in repr(advice)
    plot(advice)


def test_a_target_that_is_given(advice: Advice) -> None:
    found = advise(NET, samples(), target_value=0.6, **FAST)
    consistent(found)
    assert found.target_value == 0.6 and "as given" in found.target_text


def test_regression_with_a_metric_that_grows() -> None:
    inputs, _ = samples()
    data = inputs, inputs[:, 0] - inputs[:, 1]
    upwards = {**FAST, "monitor": "validation.r2", "batch_size": 16}
    advice = advise(NET, data, **upwards)
    consistent(advice)
    assert advice.higher_is_better and advice.monitor == "validation.r2"
    plot(advice)
    # Negative control: the noise scale has a value at a given rate, and yet nothing is concluded from it.
    given = advise(NET, data, learning_rate=0.01, **upwards)
    assert given.noise is not None and given.noise.value is not None
    assert given.theory is None
    assert "not tuned" in given.decided_by and "short trainings" in given.decided_by


def test_the_promise_of_random_splits_is_that_of_new_rows(advice: Advice) -> None:
    """By Nadeau & Bengio's correction with the overlap of these splits: 20 of 100 rows are held out."""
    assert "each repeat has a split and a target of its own" in advice.target_text
    expected = summarize(advice.quality.per_repeat, (0.0, math.inf), test_train_ratio=20 / 80)
    assert advice.quality == expected and advice.quality != summarize(advice.quality.per_repeat)
    accuracy = advice.metrics["validation.accuracy"]
    assert accuracy == summarize(accuracy.per_repeat, (0.0, 1.0), test_train_ratio=20 / 80)
    assert advice.defaults.difference is None or advice.defaults.difference == summarize(
        advice.defaults.difference.per_repeat, test_train_ratio=20 / 80
    )


@pytest.mark.parametrize("shared", ["file", "chronological"])
def test_the_promise_on_shared_rows_counts_them(shared: str) -> None:
    """Where a training is evaluated by itself on the same rows, the interval is that of those rows."""
    inputs, classes = samples()
    more: dict[str, Any] = {"split": "chronological"}
    if shared == "file":
        inputs, classes, more = inputs[:80], classes[:80], {"validation": (inputs[80:], classes[80:])}
    found = advise(NET, (inputs, classes), batch_size=16, learning_rate=0.3, **FAST, **more)
    plain = summarize(found.quality.per_repeat, (0.0, math.inf))
    assert found.quality.per_repeat == plain.per_repeat and found.quality.ci95 is not None
    run = ep.fit(NET, inputs, classes, **{**found.options, **more, "repeats": 5}, progress=False)
    whole = run.metrics["validation"]["loss"].ci95
    assert whole is not None and plain.ci95 is not None
    widths = [high - low for low, high in (found.quality.ci95, whole, plain.ci95)]
    assert widths[0] == pytest.approx(widths[1], rel=0.6) and widths[0] > 2 * widths[2]
    assert any("the same 20 samples" in note for note in found.notes)
    assert "all repeats share one split, and each has a target of its own" in found.target_text


def test_where_no_baseline_is_known_the_answer_says_so_first() -> None:
    def picky(outputs: Any, targets: Any) -> float:
        return float(np.nan if np.ptp(outputs) == 0 else np.mean((outputs.reshape(-1) > 0) == targets))

    metric = ep.metric(picky, greater_is_better=True)
    found = advise(
        NET, samples(), batch_size=16, learning_rate=0.3, **FAST, metrics=[metric], monitor="validation.picky"
    )
    assert found.recommended
    assert found.answer.startswith(
        "What the baseline (always predicting the same) reaches in validation picky"
    )


@pytest.mark.parametrize("what", ["loss", "roc_auc"])
def test_noise_is_no_advice_whatever_is_judged(what: str) -> None:
    random = np.random.default_rng(3)
    inputs = random.normal(size=(ROWS, 2)).astype(np.float32)
    options: dict[str, Any] = {"metrics": ["roc_auc"], "monitor": "validation.roc_auc"}
    targets: Any = random.integers(2, size=ROWS)
    if what == "loss":
        targets, options = random.normal(size=ROWS), {"loss": cubed}
    found = advise(NET, (inputs, targets), batch_size=16, learning_rate=0.1, **FAST, **options)
    assert not found.recommended and found.answer.startswith("No recommendation")


def cubed(outputs: Any, targets: Any) -> Any:
    return abs(outputs.reshape(-1) - targets.reshape(-1)) ** 1.5


def test_a_regression_speaks_in_units_of_the_target() -> None:
    inputs, _ = samples()
    data = inputs, 1000 * (inputs[:, 0] + 0.3 * np.random.default_rng(1).normal(size=ROWS))
    found = advise(NET, data, batch_size=16, learning_rate=0.1, **FAST)
    rmse = found.metrics["validation.rmse"]
    assert f"validation RMSE {rmse.format_value(rmse.mean)}" in found.answer and rmse.mean > 100
    assert "the defaults in 20 epochs would give" in found.answer or "Keep the defaults" in found.answer


def test_where_the_defaults_are_advised_the_best_tried_stands_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(final_step, "choose_final", lambda winner, defaults, for_quality: defaults)
    found = advise(NET, samples(), batch_size=16, learning_rate=0.3, **FAST)
    ((name, other),) = found.beside.items()
    assert found.answer.startswith("Keep the defaults") and name == "the best tried" and not other.kept
    apart = np.subtract(found.quality.per_repeat, other.quality.per_repeat)
    assert other.difference is not None and other.difference.per_repeat == pytest.approx(apart)


# Pictures -------------------------------------------------------------------------------------------------


def test_a_picture_has_four_panels(advice: Advice, tmp_path: Path) -> None:
    figure = advice.plot(tmp_path / "advice.png")
    assert (tmp_path / "advice.png").stat().st_size > 10_000
    price, time, epochs, curve = figure.axes
    assert price.get_xscale() == price.get_yscale() == time.get_xscale() == time.get_yscale() == "log"
    words = [text.get_text() for panel in figure.axes for text in panel.texts]
    assert any("advised" in word and f"{advice.epochs.value:,.0f}" in word for word in words)
    late = sum(advice.improving)
    points = {line.get_marker(): len(line.get_xdata()) for line in epochs.lines if line.get_marker() in "o>"}
    assert points == {"o": len(advice.improving) - late, ">": late}
    assert (late > 0) == any("arrow" in word for word in words)
    low, high = curve.get_ylim()
    assert low <= advice.target_value <= high
    for style in ("dark", "auto"):
        plot(advice, style=style)
    with pytest.raises(Refusal, match="style"):
        plot(advice, style="sepia")


def test_prices_that_are_infinite_are_left_out_of_the_picture(advice: Advice) -> None:
    from dataclasses import replace

    lost = replace(advice.tried[0], value=(math.inf, 3.0, math.inf), tied=False)
    open_end = replace(advice.tried[-1], value=(1.0, 0.5, math.inf))
    none = replace(advice.tried[-1], value=(1.0, math.nan, math.nan))
    figure = plot(replace(advice, tried=(lost, open_end, none)))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert any("1 never got there" in word for word in words)
    assert math.isfinite(figure.axes[0].get_ylim()[1])
    never = replace(
        advice,
        tried=(lost,),
        epochs=replace(advice.epochs, high=math.inf),
        improving=(True,) * len(advice.improving),
    )
    figure = plot(never)
    assert any("at least" in text.get_text() for text in figure.axes[2].texts)


# Refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"goal": "tiem"}, 'goal.*"time"'),
        ({"validation": 0}, "validation=0"),
        ({"validation": 0.0}, "validation=0"),
        ({"repeats": 1}, "repeats must be at least 3.*got 1"),
        ({"repeats": True}, "repeats must be at least 3"),
        ({"repeats": 3.5}, "repeats must be at least 3"),
        ({"stop": ep.Patience(3)}, "stop has no place"),
        ({"target_value": math.nan}, "target_value must be a finite number; got nan"),
        ({"target_value": math.inf}, "target_value must be a finite number; got inf"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 81}, "batch_size.*81"),
        ({"batch_size": ep.BatchSchedule({0: 8, 1: 16})}, "must be one size to keep"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"patience": 3}, "patience"),
        ({"monitor": "validation.lost"}, "validation.l"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        advise(NET, samples(), **{**FAST, **options})


@pytest.mark.parametrize("repeats", [3, 5])
def test_a_target_that_nothing_reaches_is_refused(repeats: int) -> None:
    """With more repeats than a point is screened on, too."""
    words = (
        r"target 1e-06 was not reached by any setting within 20 epochs, or until nothing improved; best 0\."
    )
    with pytest.raises(Refusal, match=words):
        advise(NET, samples(), target_value=1e-6, batch_size=16, **{**FAST, "repeats": repeats})


def test_a_rate_that_breaks_everything_is_refused() -> None:
    with pytest.raises(Refusal, match="kept the loss finite"):
        advise(NET, samples(), learning_rate=1e30, batch_size=16, **FAST)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    stop_signal = StopSignal()

    def watch(step: ProgressStep) -> None:
        if step.total:
            stop_signal.stop()

    with pytest.raises(Interrupted):
        advise(NET, samples(), folder=tmp_path / "kept", stop_signal=stop_signal, watch=watch, **FAST)
    assert (tmp_path / "kept" / "trials.jsonl").read_text().count("\n") >= 1


def test_under_adam_the_measured_trainings_decide() -> None:
    found = advise(NET, samples(), batch_size=16, **{**FAST, "optimizer": "adam"})
    assert found.noise is not None
    assert found.decided_by == "Short trainings at several batch sizes and rates decided."


def test_a_target_that_takes_no_training_is_refused():
    with pytest.raises(Refusal, match="target 50 must be better than the baseline"):
        advise(NET, samples(), target_value=50.0, **FAST)


def test_an_advice_that_would_take_hours_is_refused(monkeypatch):
    monkeypatch.setattr("epochal.choose.advice.steps.MAX_PILOT_SECONDS", 1e-9)
    with pytest.raises(Refusal, match="the pilot alone would take about"):
        advise(NET, samples(), batch_size=16, **FAST)


@pytest.mark.parametrize(("kept", "noise", "beats"), [(0.97, 1.0, False), (0.0, 0.2, True)])
def test_forecasts_are_judged_as_those_of_a_run(
    kept: float, noise: float, beats: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both by the intervals of the gains on naive forecasts of the same windows, at the same fresh seeds."""
    judged = []
    monkeypatch.setattr(
        final_step,
        "score_forecasts",
        lambda *given: judged.append(score_forecasts(*given)) or judged[-1],
    )
    random, level = np.random.default_rng(2), 0.0
    values = np.sin(np.arange(200) * 2 * np.pi / 7) * (not kept) + noise * random.normal(size=200)
    for row, shock in enumerate(values):
        values[row] = level = kept * level + shock
    data = ep.load_windows(values[:, None], window=7, period=0)
    found = advise(NET, data, batch_size=16, learning_rate=0.03, **FAST)
    ((scores,), says) = (
        judged,
        r"The forecast does not (surely )?beat the last value on the validation windows\.",
    )
    assert found.recommended and scores.rmse.mean == pytest.approx(found.metrics["validation.rmse"].mean)
    assert bool(re.match(says, found.answer)) is not beats
    assert ("It beats the last value: RMSE" in found.answer) is beats is not bool(scores.unbeaten)


@pytest.mark.parametrize("relative", ["ratio", "difference"])
def test_no_figure_of_shares_passes_for_one_in_the_units_of_the_target(relative: str) -> None:
    """The program's errors of ratios are shares: what is shown as RMSE is of the forecasts themselves."""
    random = np.random.default_rng(5)
    values = 900 + 90 * np.sin(np.arange(160) * 2 * np.pi / 7) + random.normal(size=160)
    data = ep.load_windows(values[:, None], window=7, period=0, relative=relative)
    options: dict[str, Any] = {"batch_size": 16, "learning_rate": 0.03}
    found = advise(NET, data, **options, **FAST)
    rmse = found.metrics["validation.rmse"].mean
    assert rmse > 1 and f"RMSE {found.metrics['validation.rmse'].format_value(rmse)} against" in found.answer
    row = ep.compare(NET, data, epochs=3, repeats=3, progress=False, **options).rows[0]
    run = ep.fit(NET, data, epochs=12, progress=False, **options)
    assert ("validation.rmse" in row.metrics) == ("RMSE" in str(run.verdict)) == (relative == "difference")
    assert run.metrics["validation"]["rmse"].mean > 1


def test_what_failed_on_fresh_seeds_or_is_better_has_not_no_significant_difference() -> None:
    one, other, best = (Point(size, None) for size in (8, 16, 32))
    adviser = SimpleNamespace(confirmed=SimpleNamespace(left_out=(SimpleNamespace(point=one),)))

    def flags(point: Point, **more: bool) -> set[str]:
        given = {"no_worse": True, "better": False, "few": False} | more
        return {name for name, holds in standing_flags(adviser, point, best, **given).items() if holds}

    assert flags(one) == flags(one, better=True) == flags(one, few=True) == {"left_out"}
    assert flags(other) == {"tied"} and flags(other, few=True) == {"given_up"}
    assert flags(other, better=True) == {"ahead"} and flags(other, no_worse=False) == set()
    assert flags(best, no_worse=False) == {"tied", "is_reference"}
