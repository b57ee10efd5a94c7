"""Law: what a model has to beat is the best constant, whatever the shape of its outputs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.curves import summarize
from epochal.data import source_from_xy
from epochal.models import METRICS
from epochal.settings import Settings
from epochal.training.baselines import baseline_functions, baseline_metrics, best_constant, random_order
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared
from epochal.training.samples import as_dataset

X = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
Y = (X[:, 0] > 0.4).astype(np.int32)
KW = {"epochs": 2, "batch_size": 16, "repeats": 2}


def flat(outputs):
    """A linear model with outputs (batch,), (batch, 1) or (batch, 2)."""
    shape = (3,) if outputs == 0 else (3, outputs)
    return (lambda key, sample: jnp.zeros(shape)), (lambda weights, inputs: inputs @ weights)


@pytest.mark.parametrize("outputs", [0, 1, 2])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_baseline_of_classes_is_their_frequency(outputs, class_weight):
    run = ep.fit(flat(outputs), (X, Y), class_weight=class_weight, **KW)
    for repeat, found in enumerate(run.baseline["validation.loss"]):
        train, held = (Y[run.split_codes[repeat] == part] for part in (1, 2))
        weights = np.ones(2) if class_weight is None else len(train) / (2 * np.bincount(train))
        shares = np.bincount(train) * weights / (np.bincount(train) * weights).sum()
        wanted = np.average(-np.log(shares)[held], weights=weights[held])
        assert found == pytest.approx(wanted, abs=1e-5)


def test_a_run_has_the_baseline_of_its_own_loss():
    """Of the squared error it is the share of the second class among the training samples."""
    run = ep.fit(ep.MLP(4), (X, Y), loss=lambda outputs, targets: (outputs[:, 0] - targets) ** 2, **KW)
    for repeat, found in enumerate(run.baseline["validation.loss"]):
        train, held = (Y[run.split_codes[repeat] == part] for part in (1, 2))
        assert found == pytest.approx(((held - train.mean()) ** 2).mean(), rel=1e-3)
    assert "validation.accuracy" in run.baseline


# Any loss and metric --------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(200, 3)).astype(np.float32)
NUMBERS = np.exp(RANDOM.normal(size=200))
CLASSES = np.where(RANDOM.random(200) < 0.2, "b", "a")


def prepared(targets: Any, **options: Any) -> Prepared:
    settings = Settings(**{"batch_size": 20, "repeats": 1, **options})
    return prepare(ep.MLP(2), as_dataset(source_from_xy(INPUTS, targets, None, task=None), None), settings)


def pinball(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The loss whose best constant is the quantile 0.9 (Koenker & Bassett 1978)."""
    error = targets.reshape(-1) - outputs.reshape(-1)
    return jnp.maximum(0.9 * error, -0.1 * error)


def power(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.abs(outputs.reshape(-1) - targets.reshape(-1)) ** 1.5


def logistic(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The log loss, as a loss of one's own."""
    return jnp.logaddexp(0.0, (1 - 2 * targets) * outputs.reshape(-1))


def worst(outputs: Any, targets: Any) -> Any:
    return abs(outputs.reshape(-1) - targets.reshape(-1)).max()


@pytest.mark.parametrize("loss", [pinball, power])
def test_no_constant_of_a_fine_grid_has_a_smaller_own_loss(loss: Any) -> None:
    base = prepared(NUMBERS, loss=loss)
    best = best_constant(base, 0, [np.zeros(1)])
    assert best is not None
    train, _ = base.targets_and_weights(0, "train")
    grid = np.linspace(train.min(), train.max(), 2000)
    losses = [float(loss(jnp.full(len(train), one), train).mean()) for one in grid]
    assert float(loss(jnp.full(len(train), best[0]), train).mean()) <= min(losses) * 1.001
    held, _ = base.targets_and_weights(0, "validation")
    found = baseline_metrics(base, 0)["loss"]
    assert found == pytest.approx(float(loss(jnp.full(len(held), best[0]), held).mean()), rel=0.01)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_constant_of_a_fine_grid_has_a_smaller_loss_by_name(loss: str, weighted: bool) -> None:
    """On the training samples, by their weights: noise must not beat the baseline of a skewed target."""
    weights = np.where(NUMBERS > 1.5, 10.0, 1.0) if weighted else None
    settings = Settings(batch_size=20, repeats=1, loss=loss)
    data = as_dataset(source_from_xy(INPUTS, NUMBERS, weights, task=None), None)
    base = prepare(ep.MLP(2), data, settings)
    targets, given = base.targets_and_weights(0, "train")
    grid = np.linspace(targets.min(), targets.max(), 4000)
    each = np.asarray(base.spec.loss(jnp.asarray(grid.repeat(len(targets))[:, None]), np.tile(targets, 4000)))
    minimum = np.average(each.reshape(4000, -1), axis=1, weights=given).min()
    assert baseline_metrics(base, 0, on="train")["loss"] <= minimum * 1.001


def test_an_own_loss_has_the_baseline_of_the_same_loss_by_name() -> None:
    own, known = (baseline_metrics(prepared(CLASSES, **one), 0)["loss"] for one in ({"loss": logistic}, {}))
    assert own == pytest.approx(known, rel=1e-3)


def test_metrics_of_classes_have_their_constant() -> None:
    names = ["accuracy", "roc_auc", "average_precision", "f1", "balanced_accuracy", "recall", "mcc"]
    base = prepared(CLASSES, metrics=names)
    true = base.targets_and_weights(0, "validation")[0] == 1
    share = float(true.mean())
    found = baseline_metrics(base, 0)
    assert found["roc_auc"] == found["balanced_accuracy"] == 0.5 and found["mcc"] == 0
    assert found["accuracy"] == 1 - share
    assert found["average_precision"] == random_order(true[:, None]) > share, "of a random order"
    assert found["recall"] == 1.0, "of always saying the second class"
    assert found["f1"] == pytest.approx(2 * share / (1 + share)), "likewise"


def test_weights_of_classes_do_not_make_accuracy_easy() -> None:
    """With balanced weights the classes are equally frequent for the loss, and not for the accuracy."""
    base = prepared(CLASSES, class_weight="balanced")
    assert baseline_metrics(base, 0)["accuracy"] == float(
        (base.targets_and_weights(0, "validation")[0] == 0).mean()
    )


def test_errors_are_of_the_constant_that_is_best_for_each() -> None:
    base = prepared(NUMBERS, metrics=["rmse", "mae", ep.metric(worst, greater_is_better=False)])
    train, held = (base.truth(0, name).ravel() for name in ("train", "validation"))
    found = baseline_metrics(base, 0)
    assert found["rmse"] == pytest.approx(np.sqrt(((held - train.mean()) ** 2).mean()), rel=1e-5)
    assert found["mae"] == pytest.approx(np.abs(held - np.median(train)).mean(), rel=1e-3)
    assert np.isfinite(found["worst"])


def test_functions_of_rows_agree_with_the_figures_of_all() -> None:
    base = prepared(CLASSES, metrics=["accuracy", "roc_auc"])
    figures = baseline_metrics(base, 0)
    everyone = np.arange(base.part_size("validation"))
    for name, figure in baseline_functions(base, 0).items():
        assert figure(everyone) == figure(slice(None)) == figures[name]


def test_what_fails_on_constants_has_no_baseline() -> None:
    def picky(outputs: Any, targets: Any) -> float:
        if np.ptp(outputs) == 0:
            raise ValueError("all the same")
        return 0.5

    base = prepared(NUMBERS, metrics=[ep.metric(picky, greater_is_better=True)])
    assert "picky" not in baseline_metrics(base, 0)


# Average precision ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "positives"), [(20, 1), (20, 19), (5, 5), (40, 3), (1, 1)])
def test_the_baseline_of_average_precision_is_that_of_a_random_order(samples: int, positives: int) -> None:
    """The mean over random orders; the base rate, which a constant has, is far from it with few samples."""
    random, true = np.random.default_rng(0), np.arange(samples) < positives
    wanted = random_order(true[:, None])
    found = [
        METRICS["average_precision"].function(random.random(samples), true, 2, np) for _ in range(20_000)
    ]
    assert wanted == pytest.approx(np.mean(found), abs=5 * np.std(found) / 141 + 1e-9)
    if samples > 5:
        assert np.mean(found) - positives / samples > 2 * np.std(found) / 141, "the control: the base rate"


def test_scores_at_random_do_not_beat_the_baseline_of_average_precision() -> None:
    """20 repeats of 20 samples with one positive; the base rate, the control, is beaten far more often."""
    random, beaten = np.random.default_rng(1), dict.fromkeys(("random order", "base rate"), 0)
    base = {"random order": random_order(np.arange(20)[:, None] < 1), "base rate": 0.05}
    for _ in range(400):
        places = random.integers(1, 21, size=20)  # of the positive: its average precision is one over it
        for name, level in base.items():
            beaten[name] += summarize(1 / places - level, test_train_ratio=0.1).ci95[0] > 0
    assert beaten["random order"] <= 10 and beaten["base rate"] > 40, beaten


def test_the_baseline_of_macro_averages_is_the_mean_over_classes_or_labels() -> None:
    of_three = prepared(np.array(["a", "b", "c", "c"])[np.arange(200) % 4], metrics=["average_precision"])
    counts = np.bincount(of_three.targets_and_weights(0, "validation")[0], minlength=3)
    each = [random_order(np.arange(counts.sum())[:, None] < one) for one in counts]
    assert baseline_metrics(of_three, 0)["average_precision"] == pytest.approx(np.mean(each))
    labels = (RANDOM.random((200, 3)) < [0.1, 0.5, 0.0]).astype(np.int64)
    labels[0, 2] = labels[1, 2] = 1
    of_labels = prepared(labels, metrics=["average_precision_macro"])
    true = of_labels.targets_and_weights(0, "validation")[0] > 0
    each = [random_order(column[:, None]) for column in true.T if column.any()]
    assert baseline_metrics(of_labels, 0)["average_precision_macro"] == pytest.approx(np.mean(each))
