"""Golden: what is recognized as the objective of a training, on small files of kinds that users have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

import epochal as ep
from epochal.cli.main import main

TRIALS = Path(__file__).parents[1] / "trials"
LABELS = TRIALS / "several-labels.npz"
HELD = np.load(LABELS)
X, Y = HELD["X"], HELD["y"]


@pytest.fixture(scope="module")
def run() -> ep.Run:
    return ep.fit(
        ep.MLP(8), LABELS, epochs=12, learning_rate=0.03, repeats=2, vary=("init", "order"), test=0.2, seed=1
    )


def test_a_matrix_of_0_and_1_has_a_log_loss_for_each_label(run):
    assert run.task.kind == "multilabel"
    assert run.settings["loss"] == "log_loss"
    assert "labels (multilabel)" in " ".join(run.data["notes"])
    assert run.metrics["validation"]["label_accuracy"].mean > 0.9
    assert run.baseline["validation.loss"][0] == pytest.approx(0.64, abs=0.06)


def test_probabilities_are_of_each_label_and_need_not_sum_to_1(run):
    found = run.predict(X[:40])
    assert found.values.shape == (40, 3)
    assert ((found.values > 0) & (found.values < 1)).all()
    assert np.ptp(found.values.sum(axis=1)) > 0.5
    assert found.labels.shape == (40, 3)
    assert set(np.unique(found.labels)) == {0, 1}
    np.testing.assert_array_equal(found.labels, found.values > 0.5)
    assert (found.labels == Y[:40]).mean() > 0.9


def test_figures_are_those_of_scikit_learn(run):
    scores = run.scores["test"]
    true, shares = scores.labels[0], scores.probabilities[0]
    chosen = shares > 0.5
    wanted = {
        "loss": np.mean([oracle.log_loss(true[:, k], shares[:, k], labels=[0, 1]) for k in range(3)]),
        "label_accuracy": 1 - oracle.hamming_loss(true, chosen),
        "exact_match": oracle.accuracy_score(true, chosen),
        "f1_micro": oracle.f1_score(true, chosen, average="micro"),
        "f1_macro": oracle.f1_score(true, chosen, average="macro"),
        "roc_auc_macro": oracle.roc_auc_score(true, shares, average="macro"),
        "average_precision_macro": oracle.average_precision_score(true, shares, average="macro"),
    }
    found = {name: summary.per_repeat[0] for name, summary in run.metrics["test"].items()}
    assert found == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_array_equal(scores.confusion[0], oracle.multilabel_confusion_matrix(true, chosen))
    table = run.per_class["test"]["target 2"]
    assert table.recall.per_repeat[0] == pytest.approx(oracle.recall_score(true[:, 1], chosen[:, 1]))


def test_a_run_of_labels_is_evaluated_on_other_rows(run):
    found = run.evaluate(X[:50], Y[:50])
    shares = run.predict(X[:50]).probabilities
    wanted = {
        "loss": np.mean([oracle.log_loss(Y[:50, k], shares[:, k]) for k in range(3)]),
        "f1_micro": oracle.f1_score(Y[:50], shares > 0.5, average="micro"),
        "average_precision_macro": oracle.average_precision_score(Y[:50], shares, average="macro"),
    }
    assert {name: found.ensemble[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)
    assert list(found.per_class) == list(run.task.classes)
    assert sum(one.samples for one in found.calibration.bins) == 150
    assert "target 2" in str(found)


def test_a_run_of_labels_is_kept_and_shown(run, tmp_path):
    folder = run.save(tmp_path / "run")
    again = ep.load(folder)
    assert again.task == run.task
    np.testing.assert_array_equal(again.predict(X).values, run.predict(X).values)
    np.testing.assert_array_equal(again.scores["test"].labels, run.scores["test"].labels)
    assert [one.name for one in again.precision_recall()] == list(run.task.classes)
    page = again.report(tmp_path / "page.html").read_text()
    assert "Each label, validation" in page
    assert "exact match" in page.replace("_", " ")
    with pytest.raises(ep.Refusal, match="labels are not taken for one another"):
        again.most_confused()


def test_labels_from_the_command_line(tmp_path, capsys):
    folder = tmp_path / "run"
    args = ["train", str(LABELS), "--epochs", "3", "--hidden", "4", "--out", str(folder), "--json"]
    assert main(args) == 0
    assert json.loads(capsys.readouterr().out)["task"]["kind"] == "multilabel"
    table = tmp_path / "predicted.csv"
    assert main(["predict", str(folder), str(LABELS), "--out", str(table)]) == 0
    head, first = table.read_text().splitlines()[:2]
    assert "probability target 3" in head
    assert "predicted target 1" in head
    assert len(first.split(",")) == 7


def test_interrupted_compared_and_streamed_labels(tmp_path):
    full = ep.fit(ep.MLP(4), (X, Y), epochs=4, seed=3)
    part = ep.fit(ep.MLP(4), (X, Y), epochs=2, seed=3, out=tmp_path / "run")
    assert part.task.kind == "multilabel"
    on = ep.resume(tmp_path / "run", data=(X, Y), epochs=4)
    np.testing.assert_array_equal(on.predict(X).values, full.predict(X).values)
    streamed = ep.fit(ep.MLP(4), (X, Y), epochs=4, seed=3, stream=True)
    np.testing.assert_allclose(streamed.predict(X).values, full.predict(X).values, atol=1e-5)
    np.testing.assert_allclose(
        streamed.metrics["validation"]["f1_macro"].mean,
        full.metrics["validation"]["f1_macro"].mean,
        atol=1e-5,
    )


KINDS = {
    "bool": Y.astype(bool),
    "floats": Y.astype(np.float64),
    "two columns": np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1),
    "a column of ones": np.column_stack([Y, np.ones(len(Y), int)]),
}


@pytest.mark.parametrize("name", KINDS)
def test_other_label_matrices(name):
    found = ep.load_data((X, KINDS[name]))
    assert found.task.kind == "multilabel"
    assert found.task.outputs == KINDS[name].shape[1]
    assert (name == "a column of ones") == any("column 4 is the same" in note for note in found.notes)


@pytest.mark.parametrize("width", [2, 4])
def test_one_hot_rows_are_classes_and_said(width):
    ids = np.arange(len(X)) % width
    found = ep.load_data((X, np.eye(width)[ids]))
    assert found.task.kind == ("binary" if width == 2 else "multiclass")
    np.testing.assert_array_equal(found.targets, ids)
    assert "exactly one 1: columns are classes" in found.notes[0]
    labels = ep.load_data((X, np.eye(width)[ids]), task="multilabel")
    assert labels.task.kind == "multilabel"
    numbers = ep.load_data((X, np.eye(width)[ids]), task="regression")
    assert numbers.task.kind == "regression"


def test_labels_keep_the_names_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(Y, columns=["red", "green", "blue"])
    assert ep.load_data((X, frame)).task.classes == ("red", "green", "blue")


def test_labels_beside_a_data_frame_are_refused_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    for labels in (Y, pandas.DataFrame(Y)):
        with pytest.raises(ep.Refusal, match="of several columns, labels or numbers, goes with an array"):
            ep.load_data((frame, labels))
    with pytest.raises(ep.Refusal, match=r"several columns.*got a, b"):
        ep.load_data((frame, ["a", "b"]))


def test_numbers_stay_numbers():
    assert ep.load_data((X, Y * 1.5)).task.kind == "regression"
    assert ep.load_data((X, Y), task="regression").task.kind == "regression"


WRONG = {
    "class_weight": ({"class_weight": "balanced"}, "class_weight needs classes; this is a multilabel task"),
    "threshold": (
        {"threshold": 0.4},
        "threshold must be left out except for two classes; got 0.4 for 3 labels",
    ),
    "order": ({"order": "stratified"}, "needs classes, and this is a multilabel task"),
    "balanced": ({"order": "balanced"}, "needs"),
    "metric": ({"metrics": ("accuracy",)}, "use one of: label_accuracy, exact_match, f1_micro"),
    "loss": ({"loss": "squared_error"}, "does not fit a multilabel task; use one of: log_loss"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_labels_can_not_have_is_refused_by_name(name):
    options, sentence = WRONG[name]
    with pytest.raises(ep.Refusal, match=sentence):
        ep.fit(ep.MLP(4), (X, Y), epochs=1, **options)
