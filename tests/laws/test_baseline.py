"""Law: what a model has to beat is the best constant, whatever the shape of its outputs."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep

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
        train, held = (Y[run.splits[repeat] == part] for part in (1, 2))
        weights = np.ones(2) if class_weight is None else len(train) / (2 * np.bincount(train))
        shares = np.bincount(train) * weights / (np.bincount(train) * weights).sum()
        wanted = np.average(-np.log(shares)[held], weights=weights[held])
        assert found == pytest.approx(wanted, abs=1e-5)


def test_of_a_loss_of_ones_own_no_baseline_is_claimed():
    run = ep.fit(ep.MLP(4), (X, Y), loss=lambda outputs, targets: (outputs[:, 0] - targets) ** 2, **KW)
    assert "validation.loss" not in run.baseline and "validation.accuracy" in run.baseline
    assert "always predicting" not in run.verdict.sentence
