"""Laws: a comparison is paired, fair, the same again, and the same after an interruption."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import epochal as ep
from epochal.choose.comparison import compare as module
from epochal.choose.comparison.compare import compare
from epochal.choose.comparison.grid import as_json, axes_of, entries
from epochal.choose.comparison.rates import FACTOR, first_guess
from epochal.choose.trials.fairness import (
    EqualBudget,
    amount_of,
    at_points,
    lengths,
    parse_budget,
    seen_after,
)
from epochal.choose.trials.timing import measure
from epochal.choose.trials.trial import Interrupted, TrialStopping
from epochal.curves import Curves
from epochal.plan import Plan

MODEL = ep.MLP(6)
SMALL = {"epochs": 4, "repeats": 3, "batch_size": [8, 32, "full"], "learning_rate": 0.02}


@pytest.fixture(scope="module", autouse=True)
def hasty():
    """Times of updates are no matter of these laws: they are taken quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "measure", lambda runner, several: measure(runner, several, seconds=0.005))
        yield


@pytest.fixture(scope="module")
def found():
    """A small comparison that several tests look at."""
    return compare(MODEL, "example:iris", **SMALL)


def same(one, other):
    """Whether two comparisons agree in everything that is not a time."""
    left, right = one.to_dict(), other.to_dict()
    for document in (left, right):
        for name in ("usage", "timing", "environment", "folder", "answer"):
            document.pop(name)
        for row in document["rows"]:
            del row["update_seconds"], row["seconds"]
    assert left == right
    for name, curves in one.curves.items():
        other_curves = other.curves[name]
        np.testing.assert_array_equal(curves.update, other_curves.update)
        for column, values in curves.columns.items():
            np.testing.assert_array_equal(values, other_curves.columns[column])


# Orders ----------------------------------------------------------------------------------------------------


def test_orders_are_told_apart_by_all_that_they_know():
    """In names, and in what a folder remembers: else it would answer for other groups."""
    axes, _ = axes_of(MODEL, {"order": ["shuffle", ep.Blocks(4), ep.Blocks(8)], "batch_size": [8]})
    assert [entry.name for entry in entries(axes, 40, True)[0]] == ["shuffle", "blocks of 4", "blocks of 8"]
    one, same, other = (as_json(ep.Groups(who)) for who in ([0, 1, 0], ["a", "b", "a"], [0, 1, 1]))
    assert one == same != other
    base = {"batch_size": 4, "validation": 0.25}
    x, y = np.zeros((8, 2), np.float32), np.arange(8) % 2
    described = [
        module.TrialRunner(
            module.prepare_shared(MODEL, (x, y), ep.Settings(**{**base, "order": ep.Groups(who)}))
        ).described()
        for who in ([0, 1, 2, 3] * 2, [0, 0, 1, 1, 2, 2, 3, 3])
    ]
    assert described[0] != described[1]


@pytest.mark.parametrize("length", [5, 40, 300])
def test_what_a_plan_has_seen_counts_the_turns_of_its_order(length):
    plan = Plan(100, 5, 1, order=ep.Replacement(length))
    assert seen_after(plan, 30) == (150 / length, 150)


# The comparison ------------------------------------------------------------------------------------------


def test_the_same_call_gives_the_same_answer(found):
    same(found, compare(MODEL, "example:iris", **SMALL))


def test_a_repeat_is_that_of_fit(found):
    options = {"batch_size": 8, "learning_rate": 0.02, "epochs": 4, "repeats": 3}
    stop = TrialStopping(
        "validation.loss"
    )  # without limits; the rule of a comparison, and so the same program
    run = ep.fit(MODEL, "example:iris", evaluate_train=False, stop=stop, **options)
    curves = found.curves["batch 8"]
    for repeat in range(3):
        ours, theirs = curves.of(repeat), run.curves.of(repeat)
        rows = np.isin(ours.update, theirs.update)
        assert rows.sum() == len(theirs) == 5
        for column in ("validation.loss", "validation.accuracy"):
            np.testing.assert_allclose(ours.columns[column][rows], theirs.columns[column], rtol=1e-5)


def test_the_quality_is_the_value_after_the_whole_epochs_that_the_next_repeat_chooses(found):
    for row in found.rows:
        curves = found.curves[row.name]
        batches = row.updates // 4
        several = [curves.of(repeat) for repeat in range(row.repeats)]
        whole = [own.columns["validation.loss"][own.update % batches == 0] for own in several]
        for repeat, quality in enumerate(row.quality.per_repeat):
            assert quality == whole[repeat][whole[(repeat + 1) % len(whole)].argmin()]


def test_everything_in_it_is_plain(found):
    json.dumps(found.to_dict(), allow_nan=False)
    json.dumps(found.table, allow_nan=False)
    assert found.to_arrow().num_rows == len(found.rows) == len(found.table) == 3
    assert list(found.to_pandas()["setting"]) == [row.name for row in found.rows]
    assert found.answer in str(found)
    assert all(row.name in str(found) for row in found.rows)
    assert found.answer in repr(found)


def test_the_best_is_first_and_the_regimes_have_rows(found):
    assert found.rows[0].name == found.recommended in found.tied and found.best in found.tied
    assert {regime.name: regime.row is not None for regime in found.regimes} == {
        "batch": True,
        "mini-batch": True,
        "stochastic": False,
    }
    assert found.row(found.best).difference is None
    assert all(row.difference.a == found.best for row in found.rows if row.name != found.best)


def test_it_draws(found, tmp_path):
    figure = found.plot(tmp_path / "compare.png")
    assert (tmp_path / "compare.png").stat().st_size > 10_000
    assert len(figure.axes) == 3


def test_it_goes_on_after_an_interruption(tmp_path):
    options = SMALL | {"learning_rate": "tune", "batch_size": [32, "full"], "epochs": 2}
    whole = compare(MODEL, "example:iris", **options)
    for stop_after in (1, 9, 33):
        stop_signal, seen = ep.StopSignal(), []

        def watch(step, seen=seen, stop_signal=stop_signal, stop_after=stop_after):
            seen.append(step.done)
            if len([done for done in seen if done]) >= stop_after:
                stop_signal.stop()

        with pytest.raises(Interrupted):
            compare(
                MODEL,
                "example:iris",
                folder=tmp_path / "kept",
                stop_signal=stop_signal,
                watch=watch,
                **options,
            )
    finished = compare(MODEL, "example:iris", folder=tmp_path / "kept", **options)
    same(whole, finished)
    trained = []
    again = compare(MODEL, "example:iris", folder=tmp_path / "kept", watch=trained.append, **options)
    same(whole, again)
    assert again.row("batch 32").update_seconds == finished.row("batch 32").update_seconds


def test_the_rate_is_tuned_on_other_repeats_and_bracketed_or_said():
    found = compare(MODEL, "example:iris", batch_size=[32, "full"], epochs=3, repeats=3)
    for row in found.rows:
        rates = [rate for rate, _, _ in row.tuned.tried]
        whole = {rate: value for rate, value, repeats in row.tuned.tried if repeats == row.tuned.repeats}
        minimum = min(whole, key=whole.get)
        assert rates == sorted(rates)
        assert row.learning_rate == row.tuned.rate in rates
        assert row.tuned.rate <= minimum and row.tuned.rate in whole
        assert ({rates[0], rates[-1]} & {row.tuned.rate, minimum} != set()) == bool(row.tuned.edge)
        assert any(note.startswith(f"{row.name}: ") for note in found.notes) == bool(row.tuned.edge)
        assert set(found.curves[row.name].repeats) == {0, 1, 2}


def test_what_is_clearly_worse_is_dropped_and_said():
    found = compare(
        MODEL,
        "example:iris",
        batch_size=8,
        learning_rate={"good": 0.03, "hopeless": 1e-7},
        epochs=12,
        repeats=10,
    )
    assert found.best == "good"
    assert found.tied == ("good",)
    row = found.row("hopeless")
    assert row.dropped.after == row.repeats < 10
    assert set(found.curves["hopeless"].repeats) == set(range(row.repeats))
    assert any(note.startswith(f"hopeless was dropped after {row.repeats} repeats") for note in found.notes)
    assert found.row("good").repeats == 10
    assert "significantly better than hopeless" in found.answer


def test_a_target_that_nobody_reaches_is_said():
    found = compare(MODEL, "example:iris", target_value=1e-9, **SMALL | {"epochs": 1})
    assert found.target_value == 1e-9
    assert "was not reached by any setting within 1 epoch;" in found.answer
    assert all(
        row.updates_to_target.reached == 0 and math.isinf(row.updates_to_target.expected)
        for row in found.rows
    )
    assert found.hyperbola is None


def test_a_figure_that_is_better_higher_is_read_upwards():
    sizes = {"batch_size": [8, "full"]}
    found = compare(MODEL, "example:iris", monitor="validation.accuracy", **SMALL | sizes)
    assert found.higher_is_better
    means = [row.quality.mean for row in found.rows]
    assert means == sorted(means, reverse=True)
    tops = np.max([row.quality.per_repeat for row in found.rows], axis=0)
    assert 1 / 3 < found.target_value < tops.mean()
    for row in found.rows:
        assert row.metrics["validation.loss"].mean > 0


def test_a_column_that_never_changes_is_said():
    inputs = np.zeros((60, 2), np.float32)
    targets = np.array([0] * 45 + [1] * 15)
    found = compare(
        MODEL,
        (inputs, targets),
        monitor="validation.accuracy",
        **SMALL | {"batch_size": 8, "learning_rate": [0.01, 0.02], "epochs": 2},
    )
    assert "cannot tell the settings apart" in found.answer


def test_settings_that_all_break_are_said():
    found = compare(MODEL, "example:iris", **SMALL | {"learning_rate": 1e30, "epochs": 2})
    assert found.answer.startswith("No setting can be trained")
    assert found.tied == ()
    assert all(row.diverged == row.repeats for row in found.rows)
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_setting_is_no_comparison_and_says_so():
    found = compare(MODEL, "example:iris", batch_size=32, learning_rate=0.02, epochs=2, repeats=2)
    assert "no other setting" in found.answer
    assert any("only one setting" in note for note in found.notes)


def test_settings_that_are_equal_in_updates_are_evaluated_alike():
    found = compare(MODEL, "example:iris", budget="40updates", **SMALL)
    assert found.budget == "40 updates each"
    assert {row.updates for row in found.rows} == {40}
    updates = [found.curves[row.name].of(0).update.tolist() for row in found.rows]
    assert updates[0] == updates[1] == updates[2]
    run = ep.fit(found.model, "example:iris", **found.options)
    assert run.outcomes[0].updates == 40 and run.plan.batch_size == found.row(found.recommended).batch_size


def test_what_trainings_made_before_a_rule_ended_them_is_their_updates_and_time():
    random = np.random.default_rng(2)
    inputs = random.normal(size=(80, 3)).astype(np.float32)
    targets = (inputs[:, 0] + random.normal(size=80) > 0).astype(int)
    found = compare(
        ep.MLP(4), inputs, targets, batch_size=[8, "full"], learning_rate=0.02, epochs=300, repeats=3,
        stop=ep.Patience(5), progress=False,
    )  # fmt: skip
    for row in found.rows:
        curves = found.curves[row.name]
        last = [int(curves.update[curves.repeat == repeat].max()) for repeat in range(3)]
        assert row.updates == round(np.mean(last)) < 300
        assert row.seconds == pytest.approx(row.updates * row.update_seconds)
        assert row.epochs == pytest.approx(row.updates / (1 if row.regime == "batch" else 8), abs=0.1)
    assert not any("near its last epoch" in note for note in found.notes), "a rule ended them"


def test_where_one_class_is_never_held_out_no_setting_is_shown_to_beat_the_baseline():
    random = np.random.default_rng(3)
    inputs, targets = random.normal(size=(60, 3)), np.zeros(60, int)
    targets[0] = 1
    found = compare(
        ep.MLP(4),
        inputs,
        targets,
        batch_size=[8, 32],
        learning_rate=0.1,
        epochs=20,
        repeats=5,
        progress=False,
    )
    assert found.baseline_not_beaten is not None and "shown to beat the baseline" in found.answer
    assert any("lack the class" in note for note in found.notes)


def test_options_hold_the_columns_that_were_named():
    frame = pd.DataFrame(
        {"y": ["a", "b"] * 30, "weight": 1.0, "x": np.arange(60) % 7, "floors": [1, 2, 3] * 20}
    )
    grid = {"batch_size": [8, 16], "learning_rate": 0.01, "epochs": 2, "repeats": 2}
    found = compare(MODEL, frame, target="y", sample_weight="weight", **grid)
    assert found.options["target"] == "y" and found.options["sample_weight"] == "weight"
    run = ep.fit(found.model, frame, **found.options)
    assert run.task.classes == ("a", "b")
    assert "target" not in compare(MODEL, frame[["x"]], frame["y"], **grid).options


def test_the_options_of_a_setting_train_with_it():
    asked = {"class_weight": "balanced", "validation": 0.3, "seed": 5, "standardize": False}
    grid = {"batch_size": [8, "full"], "optimizer": ["sgd", "adam"], "epochs": 2, "repeats": 2}
    found = compare({"small": ep.MLP(3), "none": ep.MLP()}, "example:iris", **asked, **grid)
    assert len(found.rows) == 8 and found.options == found.rows[0].options
    for row in found.rows:
        assert row.options == asked | {
            "batch_size": row.axes["batch_size"] if row.axes["batch_size"] == 8 else "full",
            "optimizer": row.axes["optimizer"],
            "learning_rate": row.learning_rate,
            "epochs": 2,
            **{name: row.options[name] for name in ("schedule", "order", "remainder")},
        }
        assert len(row.model.hidden) == (row.axes["model"] == "small")
    run = ep.fit(found.model, "example:iris", **found.options)
    assert run.settings["learning_rate"] == found.rows[0].learning_rate
    json.dumps(found.to_dict(), allow_nan=False)


# The grid ------------------------------------------------------------------------------------------------


def grid(**options):
    axes, _ = axes_of(options.pop("model", MODEL), options)
    return entries(axes, 100, "batch_size" in options)


@given(
    st.lists(st.integers(1, 99), min_size=1, max_size=4),
    st.lists(st.sampled_from(["sgd", "adam", "lion"]), min_size=1, max_size=3, unique=True),
    st.lists(st.floats(1e-4, 1), min_size=1, max_size=3, unique=True),
)
def test_a_grid_is_the_product_of_its_axes(sizes, optimizers, rates):
    found, _ = grid(batch_size=sizes, optimizer=optimizers, learning_rate=rates)
    words = {f"{rate:.4g}" for rate in rates}
    names = [entry.name for entry in found]
    assert len(names) == len(set(names))
    assert len(found) == len(set(sizes)) * len(optimizers) * len(rates) or len(words) < len(rates)
    for entry in found:
        assert ("batch" in entry.name) == (len(set(sizes)) > 1 or len(found) == 1)


def test_usual_sizes_that_do_not_fit_become_full():
    axes, _ = axes_of(MODEL, {})
    found, notes = entries(axes, 20, False)
    assert [entry.name for entry in found] == ["batch 1", "batch 8", "full batch (20)"]
    assert "32" in notes[0]


@given(
    st.sampled_from(
        [{"optimizer": ["sgd", "adam"]}, {"order": ["shuffle", "sequential"]}, {"epochs": [2, 3]}]
    ),
    st.sampled_from([{}, {"batch_size": [4, 8, 16]}]),
    st.integers(33, 99),
)
def test_only_asked_sizes_are_crossed_with_what_else_is_compared(others, sizes, samples):
    axes, _ = axes_of(MODEL, {**others, **sizes})
    found, notes = entries(axes, samples, bool(sizes))
    taken = [4, 8, 16] if sizes else [32]
    assert sorted({entry.candidate.changes["batch_size"] for entry in found}) == taken
    assert len(found) == 2 * len(taken)
    assert bool(sizes) != any("all settings have batch size 32" in note for note in notes)


def test_names_hold_what_varies_only():
    found, _ = grid(batch_size=[8], optimizer=["sgd", "adam"], learning_rate=0.1)
    assert [entry.name for entry in found] == ["sgd", "adam"]
    found, _ = grid(batch_size={"small": 8, "large": 64}, learning_rate=0.1)
    assert [entry.name for entry in found] == ["small", "large"]
    found, notes = grid(batch_size=8, optimizer=[optax.sgd(0.1), optax.sgd(0.2), "sgd"])
    assert [(entry.name, entry.tuned) for entry in found] == [
        ("optax", False),
        ("optax 2", False),
        ("sgd", True),
    ]
    assert "its own learning rate" in notes[0]
    found, _ = grid(model=[ep.MLP(8), ep.MLP(8, activation="tanh")], batch_size=8, learning_rate=0.1)
    assert [entry.name for entry in found] == ["MLP(8)", "MLP(8) 2"]


# Fairness ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "wanted"),
    [
        ("epochs", EqualBudget("epochs", None)),
        ("50epochs", EqualBudget("epochs", 50)),
        ("100,000 samples", EqualBudget("samples", 100_000)),
        ("2000updates", EqualBudget("updates", 2000)),
        ("1epoch", EqualBudget("epochs", 1)),
        ("2s", EqualBudget("seconds", 2)),
        ("0.5 seconds", EqualBudget("seconds", 0.5)),
    ],
)
def test_at_is_read(budget, wanted):
    assert parse_budget(budget) == wanted


plans = st.builds(
    lambda samples, sizes, epochs, remainder: {
        str(size): Plan(samples, min(size, samples), epochs, remainder=remainder) for size in sizes
    },
    st.integers(1, 400),
    st.lists(st.integers(1, 400), min_size=1, max_size=4, unique=True),
    st.integers(1, 450),
    st.sampled_from(["keep", "drop", "spread", "carry"]),
)


@settings(deadline=None)
@given(plans, st.sampled_from(["epochs", "samples", "updates", "seconds"]))
def test_lengths_are_fair(several, unit):
    at = EqualBudget(unit, None)
    first = next(iter(several.values()))
    amount = amount_of(at, first, lambda size: 1e-5 * size)
    each = {name: 1e-5 * plan.segments[0][1] for name, plan in several.items()}
    found = lengths(at, amount, several, each)
    counts = {len(length.points) for length in found.values()}
    assert len(counts) == 1
    assert counts.pop() <= 200
    for name, length in found.items():
        plan = several[name]
        assert list(length.points) == sorted(set(length.points))
        assert length.points[-1] == length.updates
        assert length.updates / length.eval_interval <= 210 + len(length.points)
        if unit == "epochs":
            assert length.updates == plan.updates
            if plan.remainder != "carry":
                assert all(end % plan.batches_in(0) == 0 for end in length.points)
                evaluated = {*range(0, length.updates, length.eval_interval), length.updates}
                assert evaluated >= set(length.points)
        elif unit == "samples" and plan.remainder == "carry":
            assert abs(length.updates * plan.batch_size - amount) <= plan.batch_size
        elif unit == "updates":
            assert length == next(iter(found.values()))
        elif unit == "seconds":
            each = 1e-5 * plan.segments[0][1]
            assert abs(length.updates * each - amount) <= each


def test_equal_samples_are_equal_epochs_where_all_are_used():
    several = {str(size): Plan(100, size, 7) for size in (1, 8, 32, 100)}
    at = EqualBudget("samples", None)
    found = lengths(at, amount_of(at, several["1"], lambda size: 1.0), several, lambda name: 1.0)
    assert {name: length.updates for name, length in found.items()} == {
        name: plan.updates for name, plan in several.items()
    }


def test_checkpoints_read_the_nearest_evaluation(found):
    curves = found.curves["batch 8"].of(0)
    plan = found.row("batch 8")
    length = lengths(EqualBudget("epochs", None), 4, {"8": Plan(120, 8, 4)}, {})["8"]
    assert curves.update[at_points(curves, length)].tolist() == [0, 15, 30, 45, 60]
    assert plan.updates == 60


@given(st.sampled_from(["sgd", "momentum", "adam", "lion"]), st.integers(1, 10_000))
def test_a_first_guess_grows_with_the_batch(optimizer, size):
    assert 0 < first_guess(optimizer, size) <= first_guess(optimizer, size + 1) <= 0.5 < FACTOR


@pytest.mark.parametrize("rate", [{}, {"learning_rate": 0.02}, {"learning_rate": [0.02, 0.05]}])
def test_a_named_optimizer_is_compared_with_an_optax_object(rate):
    """The rate goes to the named ones; the object keeps its own, and appears once."""
    found = compare(
        MODEL, "example:iris", batch_size=32, optimizer=["adam", optax.sgd(0.05)], epochs=2, repeats=3, **rate
    )
    objects = [row for row in found.rows if row.learning_rate is None]
    named = [row for row in found.rows if row.learning_rate is not None]
    assert [row.name for row in objects] == ["optax"]
    assert {row.learning_rate for row in named} >= set(np.ravel(rate.get("learning_rate", [])))
    assert any(note.startswith("optax: an Optax object keeps its own learning rate") for note in found.notes)
    with pytest.raises(ep.Refusal, match="has no effect on an Optax object"):
        compare(MODEL, "example:iris", batch_size=32, optimizer=optax.sgd(0.05), learning_rate=0.01, epochs=2)


def test_nothing_is_recommended_where_no_loss_was_finite():
    data = (np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2)
    options = {"batch_size": 16, "optimizer": "sgd", "learning_rate": [1e8, 1e7], "epochs": 4, "repeats": 3}
    found = ep.compare(ep.MLP(4), *data, **options, progress=False)
    assert found.recommended is None and found.to_dict()["recommended"] is None
    assert "No setting can be trained" in found.answer
    assert not any(line.startswith("*") for line in str(found).splitlines())
    assert "recommended" not in str(found) and str(found).count("best mean") == 1, "in the head alone"
    assert "fit(" not in found._repr_html_()
    with pytest.raises(ep.Refusal, match="nothing is recommended"):
        _ = found.options
    folder = Path(tempfile.mkdtemp())
    assert found.report(folder / "page.html").exists() and found.plot(folder / "figure.png")


def test_on_noise_the_answer_begins_with_the_baseline_that_nothing_beats():
    random = np.random.default_rng(5)
    options = {"batch_size": [8, 32], "learning_rate": 0.01, "epochs": 20, "repeats": 5, "progress": False}
    noise = ep.compare(ep.MLP(4), random.normal(size=(120, 3)), np.arange(120) % 2, **options)
    assert noise.baseline_not_beaten == pytest.approx(math.log(2), abs=0.02)
    begin = "No setting is shown to beat the baseline (always predicting the same), which has 0.69"
    assert noise.answer.startswith(begin)
    inputs = random.normal(size=(120, 3))
    learned = ep.compare(ep.MLP(4), inputs, (inputs[:, 0] > 0).astype(int), **options)
    assert learned.baseline_not_beaten is None and "baseline" not in learned.answer


def test_tuned_rates_are_short_so_that_a_printed_command_repeats_what_was_tried() -> None:
    found = compare(MODEL, "example:iris", epochs=2, repeats=3, batch_size=[3, 24])
    for row in found.rows:
        for rate, _, _ in row.tuned.tried:
            assert float(f"{rate:.3g}") == rate, rate
        assert row.options["learning_rate"] == row.tuned.rate and len(repr(row.tuned.rate)) <= 9


def test_settings_that_had_not_ended_are_named():
    grid = {"batch_size": [4, 96], "learning_rate": 0.001, "repeats": 3}
    found = compare(MODEL, "example:iris", epochs=3, **grid)
    assert any(note.startswith("batch 96 was best near its last epoch") for note in found.notes)
    ended = compare(MODEL, "example:iris", epochs=60, **{**grid, "learning_rate": 0.05})
    assert not any(note.startswith("batch 4 was best near") for note in ended.notes)


@pytest.mark.parametrize("fixed", [True, False], ids=["the same validation rows", "random splits"])
def test_noise_that_is_judged_by_accuracy_beats_no_baseline(fixed: bool) -> None:
    """The best of 20 evaluations of 25 rows is above a half by luck, if nothing allows for it."""
    beaten = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        rows, coin = random.normal(size=(125, 5)), (random.random(125) < 0.5).astype(int)
        found = ep.compare(
            ep.MLP(8), rows[:100], coin[:100], batch_size=[16, 64], learning_rate=0.01, epochs=20, repeats=6,
            validation=(rows[100:], coin[100:]) if fixed else 0.2, metrics=["accuracy"],
            monitor="validation.accuracy", progress=False,
        )  # fmt: skip
        beaten += found.baseline_not_beaten is None
    assert beaten <= 1


def scaled(curves: Curves, factor: float) -> Curves:
    return replace(curves, columns={name: factor * one for name, one in curves.columns.items()})


def test_a_setting_that_fails_has_not_no_significant_difference() -> None:
    """One repeat that is far off widens every interval, and one that is not finite is in no mean."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(200, 4))
    shared = {"batch_size": 8, "optimizer": "sgd", "epochs": 8, "progress": False}
    labels = (rows[:, 0] + 0.5 * random.normal(size=200) > 0).astype(int)
    found = ep.compare(ep.MLP(16), rows, labels, learning_rate=[0.05, 8], repeats=3, **shared)
    good, collapsed = found.rows
    far = {**found.curves, collapsed.name: scaled(found.curves[collapsed.name], 1e25)}
    assert replace(found, curves=far).plot(Path(tempfile.mkdtemp()) / "figure.png")
    assert good.learning_rate == 0.05 and collapsed.quality.mean > 2 > good.quality.mean
    assert collapsed.difference.better is None and collapsed.name not in found.tied
    assert "rate 8 did worse than the baseline on average" in found.answer
    assert "no significant difference" not in found.answer
    assert "○ worse than the baseline" in found.report(Path(tempfile.mkdtemp()) / "page.html").read_text()

    coins = random.integers(0, 2, 200)
    noise = ep.compare(ep.MLP(16), rows, coins, learning_rate=[0.01, 8], repeats=3, **shared)
    assert noise.baseline_not_beaten is not None and "No setting is shown to beat" in noise.answer
    assert "no significant difference" not in noise.answer and len(noise.tied) == 1
    assert "the best mean" in noise.answer and "rate 8 did far worse than the baseline" in noise.answer

    def cost(outputs: Any, targets: Any) -> Any:
        return (jax.nn.softplus(outputs[:, 0]) - targets * outputs[:, 0]).mean()

    own = {
        **shared,
        "metrics": [ep.metric(cost, greater_is_better=False)],
        "monitor": "validation.cost",
    }
    noise = ep.compare(ep.MLP(16), rows, coins, learning_rate=[0.01, 8], repeats=3, **own)
    assert len(noise.tied) == 1 and "no significant difference" not in noise.answer

    wide = ep.compare(ep.MLP(16), rows, labels, learning_rate=[0.05, 8], repeats=3, margin=1e9, **shared)
    assert wide.recommended == good.name and set(wide.same) <= set(wide.tied) == {good.name}

    rows[:, 3] = np.exp(3 * rows[:, 3])
    target = 3 * rows[:, 0] + rows[:, 1] + 0.3 * random.normal(size=200)
    found = ep.compare(ep.MLP(16), rows, target, learning_rate=[0.01, 0.15, 0.25], repeats=5, **shared)
    diverged = [row.name for row in found.rows if 0 < row.diverged < row.repeats]
    assert diverged and not {*diverged} & {*found.tied}, [(row.name, row.diverged) for row in found.rows]
    assert "diverged in some repeats" in found.answer
