"""Oracle: sklearn.metrics, for each metric in NumPy and in jax.numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as oracle

from epochal.models import METRICS, default_metrics, metrics_for, probabilities

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
        "f1": oracle.f1_score(targets, chosen),
    }
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
        "f1": oracle.f1_score(targets, chosen, average="macro"),
    }
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


@BOTH
def test_classes_that_do_not_occur(xp):
    """scikit-learn, too, averages balanced accuracy over the classes that occur; F1 counts the rest as 0."""
    targets, outputs = np.array([0, 0, 1, 1]), np.eye(3, dtype=np.float32)[[0, 1, 1, 1]]
    assert value("balanced_accuracy", outputs, targets, 3, xp) == pytest.approx(
        oracle.balanced_accuracy_score(targets, outputs.argmax(axis=1))
    )
    wanted = oracle.f1_score(
        targets, outputs.argmax(axis=1), labels=range(3), average="macro", zero_division=0
    )
    assert value("f1", outputs, targets, 3, xp) == pytest.approx(wanted)
    nothing = value("f1", np.full((3, 1), -1.0), np.zeros(3, int), 2, xp)
    assert nothing == 0, "no positive sample and none predicted"


@BOTH
def test_r2_of_a_constant_target_is_undefined_and_that_of_the_mean_is_zero(xp):
    assert np.isnan(value("r2", np.ones((3, 1)), np.ones(3), 0, xp))
    targets = np.arange(4.0)
    assert value("r2", np.full((4, 1), targets.mean()), targets, 0, xp) == pytest.approx(0, abs=1e-6)


def test_each_task_has_its_metrics_and_the_first_default_is_the_main_one():
    assert [metric.name for metric in default_metrics("binary")] == ["accuracy"]
    assert next(metric.name for metric in default_metrics("regression")) == "r2"
    assert {metric.name for kind in ("binary", "regression") for metric in metrics_for(kind)} == set(METRICS)
