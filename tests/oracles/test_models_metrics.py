"""Oracle: sklearn.metrics, for each metric in NumPy and in jax.numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as oracle

from epochal.models import METRICS, default_metrics, metrics_for, of_subsets, probabilities, weighted_means

RANDOM = np.random.default_rng(1)
BOTH = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])


def value(name, outputs, targets, classes, xp):
    return float(METRICS[name].function(xp.asarray(outputs), xp.asarray(targets), classes, xp))


def binary_case(samples=60, ties=False):
    targets = RANDOM.integers(0, 2, samples)
    logits = (targets + RANDOM.normal(scale=1.5, size=samples)).astype(np.float32) - 0.5
    return (np.round(logits) if ties else logits)[:, None], targets


@BOTH
@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics(xp, ties):
    outputs, targets = binary_case(ties=ties)
    chosen = (outputs[:, 0] > 0).astype(int)
    wanted = {
        "accuracy": oracle.accuracy_score(targets, chosen),
        "balanced_accuracy": oracle.balanced_accuracy_score(targets, chosen),
        "roc_auc": oracle.roc_auc_score(targets, outputs[:, 0]),
        "average_precision": oracle.average_precision_score(targets, outputs[:, 0]),
        "f1": oracle.f1_score(targets, chosen),
        "precision": oracle.precision_score(targets, chosen),
        "recall": oracle.recall_score(targets, chosen),
        "mcc": oracle.matthews_corrcoef(targets, chosen),
    }
    assert set(wanted) == {metric.name for metric in metrics_for("binary")}
    pair = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
    for name, figure in wanted.items():
        assert value(name, outputs, targets, 2, xp) == pytest.approx(figure, abs=1e-6), name
        assert value(name, pair, targets, 2, xp) == pytest.approx(figure, abs=1e-6), name


@BOTH
def test_multi_class_metrics(xp):
    targets = RANDOM.integers(0, 4, 90)
    outputs = (2 * np.eye(4)[targets] + RANDOM.normal(scale=1.2, size=(90, 4))).astype(np.float32)
    chosen, shares = outputs.argmax(axis=1), probabilities(outputs.astype(float), np)
    wanted = {
        "accuracy": oracle.accuracy_score(targets, chosen),
        "balanced_accuracy": oracle.balanced_accuracy_score(targets, chosen),
        "roc_auc": oracle.roc_auc_score(targets, shares, multi_class="ovr"),
        "average_precision": oracle.average_precision_score(np.eye(4)[targets], shares),
        "f1": oracle.f1_score(targets, chosen, average="macro"),
        "precision": oracle.precision_score(targets, chosen, average="macro"),
        "recall": oracle.recall_score(targets, chosen, average="macro"),
        "mcc": oracle.matthews_corrcoef(targets, chosen),
    }
    assert set(wanted) == {metric.name for metric in metrics_for("multiclass")}
    for name, figure in wanted.items():
        assert value(name, outputs, targets, 4, xp) == pytest.approx(figure, abs=1e-6), name


@BOTH
@pytest.mark.parametrize("columns", [1, 3])
def test_regression_metrics(xp, columns):
    targets = RANDOM.normal(size=(50, columns)).astype(np.float32)
    outputs = (targets + 0.5 * RANDOM.normal(size=targets.shape)).astype(np.float32)
    wanted = {
        "r2": oracle.r2_score(targets, outputs),
        "rmse": oracle.mean_squared_error(targets.ravel(), outputs.ravel()) ** 0.5,
        "mae": oracle.mean_absolute_error(targets, outputs),
    }
    for name, figure in wanted.items():
        shown = targets[:, 0] if columns == 1 else targets
        assert value(name, outputs, shown, 0, xp) == pytest.approx(figure, rel=1e-5), name


@BOTH
def test_the_area_counts_ties_half_and_is_undefined_for_one_class(xp):
    assert value("roc_auc", np.zeros((10, 1)), np.arange(10) % 2, 2, xp) == pytest.approx(0.5)
    assert value("roc_auc", np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1]), 2, xp) == 0.875
    assert np.isnan(value("roc_auc", np.ones((4, 1)), np.ones(4, int), 2, xp))


def test_the_area_is_exact_in_32_bit_floats_for_many_samples():
    targets = RANDOM.integers(0, 2, 200_000)
    scores = (targets * 0.3 + RANDOM.normal(size=len(targets))).astype(np.float32)
    found = value("roc_auc", scores[:, None], targets, 2, jnp)
    assert found == pytest.approx(oracle.roc_auc_score(targets, scores), abs=2e-5)


def test_figures_of_a_rare_class_are_exact_in_32_bit_floats():
    targets = (RANDOM.uniform(size=200_000) < 2e-4).astype(int)
    scores = (3 * targets + RANDOM.normal(size=len(targets)) - 3).astype(np.float32)
    wanted = {
        "mcc": oracle.matthews_corrcoef(targets, scores > 0),
        "average_precision": oracle.average_precision_score(targets, scores),
    }
    for name, figure in wanted.items():
        assert value(name, scores[:, None], targets, 2, jnp) == pytest.approx(figure, rel=1e-5), name


@BOTH
def test_a_constant_prediction_has_the_base_rate_as_average_precision_and_no_correlation(xp):
    targets = np.arange(10) // 7
    constant = np.full((10, 1), 0.5)
    assert value("average_precision", constant, targets, 2, xp) == pytest.approx(0.3)
    assert value("mcc", constant, targets, 2, xp) == 0
    assert value("precision", -constant, targets, 2, xp) == 0, "nothing is taken for the class"
    assert np.isnan(value("average_precision", constant, np.zeros(10, int), 2, xp)), "nothing to find"


@BOTH
def test_classes_that_do_not_occur(xp):
    """As in scikit-learn's balanced accuracy, a class without samples counts in no figure."""
    targets, outputs = np.array([0, 0, 1, 1]), np.eye(3, dtype=np.float32)[[0, 1, 1, 1]]
    assert value("balanced_accuracy", outputs, targets, 3, xp) == pytest.approx(
        oracle.balanced_accuracy_score(targets, outputs.argmax(axis=1))
    )
    wanted = oracle.f1_score(targets, outputs.argmax(axis=1), labels=[0, 1], average="macro", zero_division=0)
    assert value("f1", outputs, targets, 3, xp) == pytest.approx(wanted)
    nothing = value("f1", np.full((3, 1), -1.0), np.zeros(3, int), 2, xp)
    assert np.isnan(nothing), "no positive sample"


@BOTH
def test_r2_of_a_constant_target_is_undefined_and_that_of_the_mean_is_zero(xp):
    assert np.isnan(value("r2", np.ones((3, 1)), np.ones(3), 0, xp))
    targets = np.arange(4.0)
    assert value("r2", np.full((4, 1), targets.mean()), targets, 0, xp) == pytest.approx(0, abs=1e-6)


KINDS = ("binary", "multilabel", "regression")


def test_each_task_has_its_metrics_and_the_first_default_is_the_main_one():
    assert [metric.name for metric in default_metrics("binary")] == ["accuracy"]
    assert next(metric.name for metric in default_metrics("regression")) == "r2"
    assert {metric.name for kind in KINDS for metric in metrics_for(kind)} == set(METRICS)


def of_kind(metric, samples=24):
    """Outputs and targets of a kind of task for which a metric is, with ties, and how many classes."""
    if "multilabel" in metric.tasks:
        return np.round(RANDOM.normal(size=(samples, 3)), 1), RANDOM.integers(0, 2, (samples, 3)), 3
    if "regression" in metric.tasks:
        return RANDOM.normal(size=(samples, 2)), RANDOM.normal(10, 1, (samples, 2)), 0
    classes = int(RANDOM.integers(2, 4))
    outputs = np.round(RANDOM.normal(size=(samples, classes)), 1)
    return outputs, RANDOM.integers(0, classes, samples), classes


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("most", [0, 2**20])
def test_metrics_of_subsets_are_those_of_their_samples_alone(name, most, monkeypatch):
    monkeypatch.setattr("epochal.models.subsets._MOST", most)
    for _ in range(8):
        outputs, targets, classes = of_kind(METRICS[name])
        kept = RANDOM.random((12, len(targets))) < RANDOM.uniform(0.1, 1, (12, 1))
        kept[:, 0] = True
        alone = [METRICS[name].function(outputs[one], targets[one], classes, np) for one in kept]
        found = of_subsets(METRICS[name], outputs, targets, classes, kept)
        assert found == pytest.approx(np.array(alone, float), abs=1e-9, nan_ok=True)


def test_weighted_means_of_subsets():
    values, weights = RANDOM.normal(size=20), RANDOM.integers(0, 3, 20)
    kept = RANDOM.random((9, 20)) < 0.7
    alone = [np.average(values[one], weights=weights[one]) for one in kept]
    assert weighted_means(values, weights, kept) == pytest.approx(alone)
    assert weighted_means(values, None, kept) == pytest.approx([values[one].mean() for one in kept])
