"""Predictions and evaluations fit into the code of users: labels of the target type, exact counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import epochal as ep
from epochal.data.duplicates import row_hashes

RANDOM = np.random.default_rng(5)
INPUTS = RANDOM.normal(size=(60, 3)).astype(np.float32)
POSITIVE = INPUTS[:, 0] > 0
FRAME = pd.DataFrame(INPUTS, columns=["a", "b", "c"], index=[f"p{k}" for k in range(60)])
QUICK = {"epochs": 15, "learning_rate": 0.1, "standardize": True}

TARGETS = {
    "signed integers": POSITIVE.astype(np.int64) * 4 - 2,
    "bytes": POSITIVE.astype(np.uint8),
    "booleans": POSITIVE,
    "whole floats": POSITIVE.astype(np.float32) + 1,
    "half floats": POSITIVE.astype(np.float16),
    "text": np.where(POSITIVE, "yes", "no"),
    "text of digits": np.where(POSITIVE, "1", "0"),
    "objects": np.where(POSITIVE, "yes", "no").astype(object),
    "a column": POSITIVE.astype(np.int32)[:, None],
    "pandas categories": pd.Series(pd.Categorical(np.where(POSITIVE, "u", "v")), index=FRAME.index),
    "pandas categories of integers": pd.Series(pd.Categorical(np.where(POSITIVE, 3, 7)), index=FRAME.index),
    "nullable integers": pd.Series(POSITIVE.astype(int), index=FRAME.index, dtype="Int64"),
    "nullable booleans": pd.Series(POSITIVE, index=FRAME.index, dtype="boolean"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_labels_equal_the_target_for_every_kind_of_it(name, tmp_path):
    targets = TARGETS[name]
    from_arrays = isinstance(targets, np.ndarray)
    data = (INPUTS if from_arrays else FRAME, targets)
    run = ep.fit(ep.MLP(4), data, **QUICK)
    flat = np.asarray(targets).reshape(-1) if from_arrays else targets
    kept = ep.load(run.save(tmp_path / "run"))
    for one in (run, kept):
        prediction = one.predict(data[0])
        accuracy = float((prediction.labels == flat).mean())
        assert accuracy >= 0.9
        assert accuracy == one.predict(data).accuracy
        assert set(prediction.classes_) == set(np.asarray(flat).tolist())
        assert prediction.probabilities.shape == (60, 2)
    assert kept.predict(data[0]).labels.dtype == prediction.labels.dtype
    assert (
        json.loads((tmp_path / "run" / "run.json").read_text())["task"]["label_type"] == run.task.label_type
    )


@pytest.fixture(scope="module")
def run():
    return ep.fit(ep.MLP(4), (FRAME, TARGETS["pandas categories of integers"]), repeats=3, test=0.2, **QUICK)


def test_a_prediction_is_indexed_as_an_array_of_labels_is(run):
    prediction = run.predict(FRAME)
    labels = prediction.labels
    assert prediction[3] == labels[3] and prediction[-1] == labels[-1]
    assert list(prediction) == labels.tolist() and len(prediction) == 60
    for part in (slice(2, 9, 2), labels == 3, [5, 1], np.array([7])):
        found = prediction[part]
        np.testing.assert_array_equal(found.labels, labels[part])
        np.testing.assert_array_equal(found.probabilities, prediction.probabilities[part])
        np.testing.assert_array_equal(found.per_repeat, prediction.per_repeat[:, part])
        assert found.to_arrow()["row"].to_pylist() == (np.arange(60)[part] + 1).tolist()
    with pytest.raises(IndexError):
        prediction[60]


def test_a_prediction_becomes_a_frame_beside_the_one_that_was_predicted(run):
    prediction = run.predict(FRAME)
    frame = prediction.to_pandas()
    assert frame.index.equals(FRAME.index)
    assert (FRAME.join(frame)["predicted target"] == prediction.labels).all()
    assert frame["predicted target"].dtype == np.int64
    shown = prediction.to_polars()
    assert isinstance(shown, pl.DataFrame) and shown["predicted target"].dtype == pl.Int64
    document = prediction.to_dict()
    assert json.loads(json.dumps(document)) == document and document["rows"][0]["predicted target"] in (3, 7)
    assert prediction[5:7].to_pandas().index.tolist() == ["p5", "p6"]


def test_numbers_have_no_classes():
    found = ep.fit(ep.MLP(4), (INPUTS, INPUTS @ [1.0, 2.0, 3.0]), **QUICK)
    prediction = found.predict(INPUTS)
    assert not hasattr(prediction, "probabilities") and not hasattr(prediction, "classes_")
    with pytest.raises(AttributeError, match="regression has values"):
        _ = prediction.probabilities
    assert prediction[:3].labels.shape == (3,)
    evaluation = found.evaluate(INPUTS, INPUTS @ [1.0, 2.0, 3.0])
    error = prediction.labels - INPUTS @ [1.0, 2.0, 3.0]
    (own,) = evaluation.residuals
    assert own.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert own.quantiles[0.5] == pytest.approx(np.median(error), abs=1e-5)
    assert evaluation.metrics["r2"].sd is None and "1 repeat" in str(evaluation)


def held_out(run, repeat, part):
    return np.flatnonzero(run.split_codes[repeat] == part)


def test_an_evaluation_on_the_test_rows_is_that_of_the_run(run):
    targets = TARGETS["pandas categories of integers"]
    for repeat in range(3):
        rows = held_out(run, repeat, 3)
        found = run.evaluate(FRAME.iloc[rows], targets.iloc[rows])
        for name, summary in found.metrics.items():
            assert summary.per_repeat[repeat] == pytest.approx(
                run.metrics["test"][name].per_repeat[repeat], rel=1e-6, nan_ok=True
            ), name
        np.testing.assert_array_equal(found.confusion[repeat], run.scores["test"].confusion[repeat])


def test_the_ensemble_is_what_predict_gives(run):
    targets = TARGETS["pandas categories of integers"]
    found, prediction = run.evaluate(FRAME, targets), run.predict(FRAME)
    assert found.ensemble["accuracy"] == pytest.approx((prediction.labels == targets).mean())
    from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

    np.testing.assert_array_equal(
        found.ensemble_confusion, confusion_matrix(targets.astype(int), prediction.labels)
    )
    shares = prediction.probabilities[:, 1]
    assert found.ensemble["roc_auc"] == pytest.approx(roc_auc_score(targets == 7, shares))
    assert found.ensemble["loss"] == pytest.approx(log_loss(targets == 7, shares))
    table = found.to_pandas()
    assert table.loc["accuracy", "ensemble"] == found.ensemble["accuracy"]
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_rows_that_were_trained_on_are_counted_exactly(run, tmp_path):
    targets = TARGETS["pandas categories of integers"]
    trained = np.array([(run.split_codes[repeat] == 1) for repeat in range(3)])
    kept = ep.load(run.save(tmp_path / "run"))
    new = FRAME + 0.001
    for one in (run, kept):
        whole = one.evaluate(FRAME, targets).overlap
        assert (whole.trained, whole.by_all) == (trained.any(axis=0).sum(), trained.all(axis=0).sum())
        assert whole.same_data and "This is the data" in whole.sentence
        none = one.evaluate(new, targets).overlap
        assert none.trained == 0 and none.sentence == "None of the 60 rows was used in training."
        mixed = pd.concat([FRAME.iloc[:20], new.iloc[20:]])
        overlap = one.evaluate(mixed, targets).overlap
        assert overlap.trained == trained[:, :20].any(axis=0).sum() and not overlap.same_data
        assert overlap.sentence.startswith(f"{overlap.trained} of 60 rows were used in training by at least")
    alone = ep.fit(ep.MLP(4), (FRAME, targets), repeats=1, test=0.2, **QUICK)
    for part, validated in ((2, 12), (3, 0)):
        held_out = alone.evaluate(
            FRAME[alone.split_codes[0] == part], targets[alone.split_codes[0] == part]
        ).overlap
        assert (held_out.trained, held_out.validated) == (0, validated)
        assert ("but 12 in validation" in held_out.sentence) == (part == 2)
    # The same inputs with another label are another row.
    other = targets.map({3: 7, 7: 3})
    assert run.evaluate(FRAME, other).overlap.trained == 0


def test_evaluating_needs_a_target(run):
    with pytest.raises(ep.Refusal, match=r"must have the target .* use predict"):
        run.evaluate(FRAME)


def test_calibration_is_that_of_brute_force(run):
    targets = TARGETS["pandas categories of integers"]
    found, shares = run.evaluate(FRAME, targets).calibration, run.predict(FRAME).probabilities[:, 1]
    from sklearn.calibration import calibration_curve

    observed, predicted = calibration_curve(targets == 7, shares, n_bins=10)
    bins = [one for one in found.bins if one.samples]
    np.testing.assert_allclose([one.observed for one in bins], observed)
    np.testing.assert_allclose([one.predicted for one in bins], predicted)
    assert sum(one.samples for one in bins) == 60
    weights = np.array([one.samples for one in bins]) / 60
    assert found.error == pytest.approx(float((weights * np.abs(observed - predicted)).sum()))


def test_hashes_tell_rows_apart_and_are_the_same_for_ever():
    rows = RANDOM.integers(0, 3, size=(500, 5)).astype(np.float32)
    hashes = row_hashes(rows)
    _, first = np.unique(rows, axis=0, return_inverse=True)
    _, second = np.unique(hashes, return_inverse=True)
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(set(first)) == len(set(second))
    np.testing.assert_array_equal(row_hashes(rows, rows[:, 0])[::7], row_hashes(rows[::7], rows[::7, 0]))
    strange = np.array([[0.0, np.nan], [-0.0, -np.nan]], np.float32)
    assert row_hashes(strange)[0] == row_hashes(strange)[1]
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert row_hashes(images).tolist() == GOLDEN


GOLDEN = [6163242706167443826, 1055499214154575175]


def test_the_screen_fits_and_says_the_same(run):
    found = run.evaluate(FRAME, TARGETS["pandas categories of integers"])
    for width in (80, 140):
        lines = found.summary(width).splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.startswith("Confusion matrix") for line in lines)


def test_labels_that_need_not_sum_to_one_are_evaluated(tmp_path):
    held = np.load(Path(__file__).parents[1] / "trials" / "several-labels.npz")
    inputs, targets = held["X"].astype(np.float32), held["y"]
    run = ep.fit(ep.MLP(4), (inputs, targets), epochs=5, repeats=2, test=0.2)
    rows = held_out(run, 0, 3)
    found = run.evaluate(inputs[rows], targets[rows])
    for name, summary in found.metrics.items():
        assert summary.per_repeat[0] == pytest.approx(
            run.metrics["test"][name].per_repeat[0], rel=1e-6, nan_ok=True
        )
    prediction = run.predict(inputs[rows])
    assert found.ensemble["exact_match"] == (prediction.labels == targets[rows]).all(axis=1).mean()
    assert found.ensemble_confusion.shape == (targets.shape[1], 2, 2)
    assert "Labels (" in found.summary() and "Confusion" not in found.summary()
    assert found.overlap.trained == (run.split_codes[1][rows] == 1).sum()
    json.dumps(found.to_dict(), allow_nan=False)


def test_columns_of_a_frame_stand_beside(run):
    named = FRAME.assign(customer=[f"{k:04d}" for k in range(60)])
    found = run.predict(named, id="customer")
    assert found.to_arrow().column_names[:2] == ["row", "customer"]
    assert found[7:9].to_pandas()["customer"].tolist() == ["0007", "0008"]
    whole = run.predict((named, TARGETS["pandas categories of integers"]), with_inputs=True).to_pandas()
    pd.testing.assert_frame_equal(whole[list(named)], named, check_dtype=False)


TRIALS = Path(__file__).parents[1] / "trials"


def test_rows_without_a_known_label_are_left_out_and_said(tmp_path):
    run = ep.fit(ep.MLP(4), str(TRIALS / "adult.csv"), epochs=2, repeats=2)
    with pytest.raises(ep.Refusal, match=r'labels "<=50K\.", ">50K\." .* nothing is left to evaluate'):
        run.evaluate(str(TRIALS / "adult-new.csv"))
    lines = (TRIALS / "adult.csv").read_text().splitlines()[:41]
    for at, label in ((4, "unknown"), (5, ""), (6, lines[6].rpartition(",")[2].lower())):
        lines[at] = f"{lines[at].rpartition(',')[0]},{label}"
    (tmp_path / "mixed.csv").write_text("\n".join(lines) + "\n")
    found = run.evaluate(str(tmp_path / "mixed.csv"))
    assert found.rows == 38 and found.ensemble_confusion.sum() == 38
    assert any('the label "unknown" in 1 of 39 rows' in note for note in found.notes)
    assert "2 of 40 rows have no income, or one that training did not have, and are left out." in found.notes


def test_rows_without_a_number_are_left_out_and_said_without_talk_of_classes(tmp_path):
    rows = [f"{at % 7},{at % 7 * 1.5 if at else ''}" for at in range(60)]
    (tmp_path / "t.csv").write_text("x,price\n" + "\n".join(rows) + "\n")
    run = ep.fit(ep.MLP(4), str(tmp_path / "t.csv"), epochs=2)
    assert "1 of 60 rows have no price, and are left out." in run.evaluate(str(tmp_path / "t.csv")).notes


def test_large_targets_are_evaluated_with_all_their_digits():
    run = ep.fit(ep.MLP(8), str(TRIALS / "timestamps.csv"), epochs=60, learning_rate=0.05, test=0.2)
    whole = run.evaluate(str(TRIALS / "timestamps.csv"))
    assert whole.metrics["r2"].mean > 0.95
    rows = held_out(run, 0, 3)
    frame = pd.read_csv(TRIALS / "timestamps.csv").iloc[rows]
    found = run.evaluate(frame)
    for name in ("r2", "rmse", "mae"):
        assert found.metrics[name].mean == pytest.approx(run.metrics["test"][name].mean, rel=1e-6), name
    assert found.residuals[0].rmse == pytest.approx(found.ensemble["rmse"])
