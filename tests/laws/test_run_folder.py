"""Law: a run folder is the run. What is loaded predicts the same bits, and answers which update saw a sample.

Also: predictions come in the units of the target, and the columns of their table say what they hold.
"""

from __future__ import annotations

import dataclasses
import functools
import json

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.errors import Refusal
from epochal.runs import Scores, load_record
from epochal.runs.trace import formed, seen, seen_throughout
from helpers import assert_same_bits

RANDOM = np.random.default_rng(6)
ROWS = 60
SIZE = RANDOM.normal(size=ROWS)
COLOR = RANDOM.choice(["red", "green", "blue"], ROWS)
LABEL = np.where(SIZE + (COLOR == "red") + 0.4 * RANDOM.normal(size=ROWS) > 0.3, "yes", "no")
LABEL[0] = "yes"
TABLE = pa.table({"size": np.where(np.arange(ROWS) % 9 == 4, np.nan, SIZE), "color": COLOR, "bought": LABEL})
X = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
PRICE = (500 + 100 * (X[:, 0] - X[:, 1]) + 5 * RANDOM.normal(size=ROWS)).astype(np.float32)


def start(key, sample):
    return {"slope": jnp.zeros((sample.size, 1)), "level": jnp.zeros(())}


def start_two(key, sample):
    return {"slope": jnp.zeros((sample.size, 2)), "level": jnp.zeros(())}


def line(params, inputs):
    return inputs @ params["slope"] + params["level"]


@functools.cache
def classified():
    return ep.fit(
        ep.MLP(5, batch_norm=True, dropout=0.1),
        (TABLE, "bought"),
        batch_size=8,
        epochs=4,
        repeats=2,
        seed=5,
        validation=0.2,
        test=0.1,
        remainder="carry",
        learning_rate=0.02,
    )


@functools.cache
def regressed():
    return ep.fit(
        (start, line),
        (X, PRICE),
        batch_size=8,
        epochs=6,
        optimizer="sgd",
        learning_rate=0.1,
        standardize=True,
        seed=5,
        metrics=("rmse", "mae", "r2"),
    )


NEW = TABLE.drop_columns(["bought"]).slice(0, 20)


@pytest.fixture
def folders(tmp_path):
    return classified().save(tmp_path / "classes"), regressed().save(tmp_path / "numbers")


# Save, load, predict ----------------------------------------------------------------------------------------


def test_what_is_loaded_predicts_the_same_bits(folders):
    run, loaded = classified(), ep.load(folders[0])
    for parameters in ("best", "last"):
        mine, its = run.predict(NEW, parameters=parameters), loaded.predict(NEW, parameters=parameters)
        assert_same_bits((mine.values, mine.per_repeat, mine.sd), (its.values, its.per_repeat, its.sd))
        assert list(mine.labels) == list(its.labels)
    numbers = ep.load(folders[1], model=ep.model_from_functions(start, line))
    assert_same_bits(numbers.predict(X).values, regressed().predict(X).values)


def test_a_model_of_ones_own_is_given_as_fit_takes_it(folders):
    """Scalar parameters keep their shape on the way."""
    numbers = ep.load(folders[1], model=(start, line))
    assert_same_bits(numbers.predict(X).values, regressed().predict(X).values)
    assert numbers.fitted[0].last.params["level"].shape == ()
    with pytest.raises(Refusal, match=r"give it: ep\.load\(\.\.\., model=\.\.\.\)"):
        ep.load(folders[1])


def test_everything_else_comes_back_too(folders):
    run, loaded = classified(), ep.load(folders[0])
    assert loaded.curves.equals(run.curves)
    assert (loaded.plan, loaded.task, loaded.model) == (run.plan, run.task, run.model)
    assert loaded.outcomes == run.outcomes
    assert loaded.order_seeds == run.order_seeds
    assert loaded.verdict.to_dict() == json.loads(json.dumps(run.verdict.to_dict()))
    assert_same_bits((loaded.rows, list(loaded.split_codes)), (run.rows, list(run.split_codes)))
    assert loaded.metrics.keys() == run.metrics.keys() == {"validation", "test"}
    for part, metrics in run.metrics.items():
        for name, summary in metrics.items():
            assert loaded.metrics[part][name].per_repeat == pytest.approx(summary.per_repeat, nan_ok=True)
    np.testing.assert_array_equal(loaded.scores["test"].confusion, run.scores["test"].confusion)
    numbers = ep.load(folders[1], model=ep.model_from_functions(start, line)).scores["validation"]
    np.testing.assert_allclose(np.ravel(numbers.true), np.ravel(regressed().scores["validation"].true))


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 3)])
def test_true_and_predicted_targets_keep_their_shape(shape, tmp_path):
    true, predicted = RANDOM.normal(size=(2, *shape))
    scores = Scores(regressed().metrics["validation"], None, true, predicted)
    run = dataclasses.replace(regressed(), scores={"validation": scores, "test": scores})
    folder = run.save(tmp_path / "run")
    loaded = load_record(folder).scores
    for part in ("validation", "test"):
        assert_same_bits((loaded[part].true, loaded[part].predicted), (true, predicted))
        assert pq.ParquetFile(folder / f"predictions-{part}.parquet").metadata.num_rows == 7


@pytest.mark.parametrize("shape", [(2, 2), (5, 3, 3), (1, 2, 2)])
def test_a_confusion_matrix_keeps_its_shape(shape, tmp_path):
    confusion = RANDOM.integers(0, 99, shape)
    scores = dataclasses.replace(regressed().scores["validation"], confusion=confusion)
    folder = dataclasses.replace(regressed(), scores={"validation": scores}).save(tmp_path / "run")
    assert_same_bits(load_record(folder).scores["validation"].confusion, confusion)


def test_a_run_with_several_targets_comes_back(tmp_path):
    targets = np.stack([PRICE, -2 * PRICE], axis=1)
    run = ep.fit((start_two, line), (X, targets), batch_size=16, epochs=2, learning_rate=0.01, metrics=())
    mine, its = run.scores, ep.load(run.save(tmp_path / "run"), model=(start_two, line)).scores
    assert mine["validation"].true.shape == (int((run.split_codes[0] == 2).sum()), 2)
    assert_same_bits(its["validation"].true, mine["validation"].true)
    assert_same_bits(its["validation"].predicted, mine["validation"].predicted)


def test_nothing_in_a_folder_can_execute_code(folders):
    allowed = {".json", ".parquet", ".safetensors", ".html"}
    for folder in folders:
        files = sorted(folder.iterdir())
        assert {file.suffix for file in files} <= allowed
        for file in files:
            content = file.read_bytes()
            assert not content.startswith((b"\x80\x04", b"\x80\x05", b"PK\x03\x04")), "pickle, or a zip of it"
            if file.suffix == ".json":
                json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_loaded_run_can_be_saved_again(folders, tmp_path):
    again = ep.load(ep.load(folders[0]).save(tmp_path / "again"))
    assert_same_bits(again.predict(NEW).values, classified().predict(NEW).values)
    for file in folders[0].iterdir():
        if file.suffix == ".safetensors":
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


# Trace ------------------------------------------------------------------------------------------------------


def test_formed_and_seen_are_inverse_to_each_other_and_are_the_plan():
    run = classified()
    for repeat in range(2):
        plan = run.plan.with_(seed=run.order_seeds[repeat])
        train = np.flatnonzero(run.split_codes[repeat] == 1)
        for update in range(run.outcomes[repeat].updates):
            found = formed(run, update, repeat)
            assert (found.epoch, found.batch) == plan.locate(update)
            assert found.rows == tuple(run.rows[train[plan.batch_of_update(update)]].tolist())
            for slot, row in enumerate(found.rows):
                # With carry, a batch may hold samples of the epoch after the one in which it starts,
                # and so one sample twice.
                turns = [
                    turn
                    for epoch in (found.epoch, found.epoch + 1)
                    for turn in seen(run, row, epoch, repeat).uses
                ]
                assert (update, found.epoch, found.batch, slot) in {
                    (turn.update, turn.epoch, turn.batch, turn.slot) for turn in turns
                }


def test_seen_answers_for_rows_of_the_source_and_says_why_it_cannot():
    run = classified()
    held_out = int(run.rows[np.flatnonzero(run.split_codes[0] == 2)[0]])
    tested = int(run.rows[np.flatnonzero(run.split_codes[0] == 3)[0]])
    trained = int(run.rows[np.flatnonzero(run.split_codes[0] == 1)[0]])
    answer = seen(run, trained, 0)
    assert len(answer.uses) == 1 and answer.sizes == (8,)
    for arguments, sentence in (
        ((run, held_out, 0), f"row {held_out} is a validation sample in repeat 1, so no update saw it."),
        ((run, tested, 0), f"row {tested} is a test sample in repeat 1, so no update saw it."),
        ((run, 0, 0), "no sample is row 0: rows are 1 to 60."),
        ((run, 61, 0), "no sample is row 61: rows are 1 to 60."),
        ((run, trained, 5), "epoch must be between 1 and 5 (those of the plan); got 6."),
        ((run, trained, 0, 2), "repeat must be between 1 and 2; got 3."),
    ):
        with pytest.raises(Refusal) as refused:
            seen(*arguments)
        assert sentence in str(refused.value)
    with pytest.raises(Refusal, match="update must be "):
        formed(run, run.plan.updates)


def test_updates_that_were_not_made_formed_nothing():
    run = ep.fit(ep.MLP(4), (X, PRICE), batch_size=8, epochs=50, stop=ep.Budget(updates=9), metrics=())
    assert formed(run, 8).update == 8
    with pytest.raises(Refusal, match=r"update must be between 1 and 9 \(repeat 1 made that many\); got 10."):
        formed(run, 9)
    train = np.flatnonzero(run.split_codes[0] == 1)
    row = int(run.rows[train[0]])
    first = seen(run, row, 0)
    assert row in formed(run, first.uses[0].update).rows
    with pytest.raises(
        Refusal, match=rf"epoch must be one in which row {row} had its turn; repeat 1 ended after 9 updates"
    ):
        seen(run, row, 10)


@pytest.mark.parametrize("remainder", ["keep", "carry"])
def test_all_turns_of_a_row_are_those_of_the_updates_that_were_made(remainder):
    """The last epoch ends amid its batches: rows that come later in it had no turn there, and others had."""
    budget = ep.Budget(updates=9)
    run = ep.fit(ep.MLP(4), (X, PRICE), batch_size=7, epochs=3, remainder=remainder, stop=budget, metrics=())
    rows = [formed(run, update).rows for update in range(9)]
    for row in run.rows[run.split_codes[0] == 1].tolist():
        wanted = [(update, row) for update in range(9) for other in rows[update] if other == row]
        found = seen_throughout(run, row)
        assert [(turn.update, row) for one in found for turn in one.uses] == wanted
        assert [one.epoch for one in found if one.uses or one.epoch == 0]


def test_trace_of_a_loaded_run_is_that_of_the_run(folders):
    run, loaded = classified(), ep.load(folders[0])
    assert formed(loaded, 5, 1) == formed(run, 5, 1)
    row = formed(run, 5, 1).rows[2]
    assert seen(loaded, row, 1, 1) == seen(run, row, 1, 1)


# Predictions ------------------------------------------------------------------------------------------------


def test_a_prediction_of_classes_is_a_table_of_what_it_says(tmp_path):
    prediction = classified().predict(NEW)
    table = prediction.to_arrow()
    assert table.column_names == [
        "row",
        "predicted bought",
        "probability no",
        "probability yes",
        "sd of probability no",
        "sd of probability yes",
    ]
    assert len(prediction) == table.num_rows == 20
    np.testing.assert_allclose(prediction.values.sum(axis=1), 1)
    np.testing.assert_allclose(prediction.values, prediction.per_repeat.mean(axis=0))
    np.testing.assert_allclose(prediction.sd, prediction.per_repeat.std(axis=0, ddof=1))
    assert set(prediction.labels) <= {"no", "yes"}
    np.testing.assert_array_equal(np.asarray(prediction), prediction.labels)
    back = pq.read_table(prediction.write(tmp_path / "predicted.parquet"))
    assert back.equals(table)
    lines = prediction.write(tmp_path / "predicted.csv").read_text().splitlines()
    assert len(lines) == 21 and lines[0].startswith('"row","predicted bought","probability no"')


def test_a_prediction_of_numbers_is_in_the_units_of_the_target():
    run = regressed()
    prediction = run.predict(X)
    assert prediction.to_arrow().column_names == ["row", "predicted target"]
    assert np.isnan(prediction.sd).all(), "one repeat has no spread"
    assert abs(prediction.labels.mean() - PRICE.mean()) < 50
    params, scaling = run.fitted[0].best.params, run.fitted[0].scaling
    train = run.split_codes[0] == 1
    center, sd = X[train].mean(axis=0), X[train].std(axis=0)
    np.testing.assert_allclose(scaling.center, center, atol=1e-5)
    standardized = ((X - center) / sd) @ np.asarray(params["slope"])[:, 0] + float(params["level"])
    wanted = standardized * PRICE[train].std() + PRICE[train].mean()
    np.testing.assert_allclose(prediction.labels, wanted, rtol=1e-5)


def test_rmse_and_mae_are_in_the_units_of_the_target_along_the_curve_and_at_the_end():
    run = regressed()
    held = run.split_codes[0] == 2
    error = run.predict(X[held]).labels - PRICE[held]
    wanted = {
        "rmse": np.sqrt((error**2).mean()),
        "mae": np.abs(error).mean(),
        "r2": 1 - (error**2).sum() / ((PRICE[held] - PRICE[held].mean()) ** 2).sum(),
    }
    best = run.curves.columns["validation.loss"].argmin()
    for name, figure in wanted.items():
        assert run.metrics["validation"][name].mean == pytest.approx(figure, rel=1e-4)
        assert run.curves.columns[f"validation.{name}"][best] == pytest.approx(figure, rel=1e-3)
    np.testing.assert_allclose(np.ravel(run.scores["validation"].true), PRICE[held], rtol=1e-5)
    loss = run.curves.columns["validation.loss"][best]
    assert loss == pytest.approx((wanted["rmse"] / PRICE[run.split_codes[0] == 1].std()) ** 2, rel=1e-3), (
        "the loss stays in units of the standardized target"
    )


def test_scores_are_recomputed_from_predictions():
    run = classified()
    labels = np.array(["no", "yes"])
    for part, number in (("validation", 2), ("test", 3)):
        confusion = np.zeros((2, 2, 2), int)
        for repeat, split in enumerate(run.split_codes):
            rows = np.flatnonzero(split == number)
            prediction = run.predict(TABLE.drop_columns(["bought"]).take(rows)).per_repeat[repeat]
            chosen, true = prediction.argmax(axis=1), (LABEL[rows] == "yes").astype(int)
            np.add.at(confusion[repeat], (true, chosen), 1)
            share = (labels[chosen] == LABEL[rows]).mean()
            assert run.metrics[part]["accuracy"].per_repeat[repeat] == pytest.approx(share)
        np.testing.assert_array_equal(run.scores[part].confusion, confusion)
