"""Faults: models without gradients of single samples, gradients that say nothing, and bad numbers."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.choose.statistics.noise_measurement import block_sums, check_separable, over_training
from epochal.errors import Refusal
from epochal.models import LOSSES, as_model, model_from_functions
from helpers import need

LOG_LOSS = LOSSES["log_loss"].function
LINE = model_from_functions(lambda key, sample: jnp.zeros(sample.shape), lambda w, x: x @ w)


class Counting:
    """A model that counts its batches; its outputs are each sample's own."""

    def init(self, key, sample):
        return ep.Variables(jnp.zeros(sample.shape), {"batches": jnp.zeros(())})

    def apply(self, variables, inputs, key, training):
        return inputs @ variables.params, {"batches": variables.state["batches"] + training}


class Constant(Counting):
    """A model with a table that no batch changes."""

    def apply(self, variables, inputs, key, training):
        return inputs @ variables.params, variables.state


def test_models_without_gradients_of_single_samples_are_refused():
    centered = model_from_functions(
        lambda key, sample: jnp.ones(sample.shape), lambda w, x: (x - x.mean(axis=0)) @ w
    )
    for model, why in [
        (ep.MLP(8, batch_norm=True), "depends on the other samples"),
        (centered, "depends on the other samples"),
        (Counting(), "keeps state"),
    ]:
        with pytest.raises(Refusal, match=f"{why}.*leave batch normalization .* out, or") as refused:
            check_separable(model, (5,))
        assert str(refused.value).count(". ") == 0


def test_models_with_gradients_of_single_samples_pass():
    for model in (ep.MLP(8), ep.MLP(8, 8, dropout=0.5), LINE, Constant()):
        check_separable(model, (5,))
    check_separable(ep.MLP(4), (3, 3))


def test_flax_modules_are_tried_as_well():
    need("flax")
    from flax import nnx

    def network(normalize):
        def make(rngs):
            middle = nnx.BatchNorm(6, rngs=rngs) if normalize else nnx.Dropout(0.3, rngs=rngs)
            return nnx.Sequential(nnx.Linear(5, 6, rngs=rngs), middle, nnx.Linear(6, 1, rngs=rngs))

        return as_model(make, 1)

    check_separable(network(False), (5,))
    with pytest.raises(Refusal, match="leave batch normalization and the like out"):
        check_separable(network(True), (5,))


def measured(inputs, targets, weights=None, at=0.5):
    loss = LOSSES["squared_error"].function
    variables = ep.Variables(jnp.full(inputs.shape[1], at), ())
    return block_sums(LINE, loss, variables, inputs, targets, weights, key=jax.random.key(0)).noise_scale()


def test_gradients_that_say_nothing_give_no_value():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(160, 3)).astype(np.float32)
    targets = inputs.sum(axis=1) + random.normal(size=160).astype(np.float32)
    assert measured(inputs, targets).value is not None

    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    at_best = measured(inputs, targets - inputs @ best, at=0.0)
    assert at_best.value is None
    assert "can't be told from noise" in at_best.reason
    assert 1 < at_best.low < at_best.high == math.inf

    for found, why in [
        (measured(inputs[:15], targets[:15]), "at least 16 samples, one for each block; there are 15"),
        (measured(inputs, targets, at=math.nan), "not finite"),
        (measured(inputs, inputs.sum(axis=1) / 2), "the same"),
        (measured(inputs, targets, np.zeros(160, np.float32)), "the same"),
        (measured(inputs[:1].repeat(32, axis=0), targets[:1].repeat(32)), "the same"),
    ]:
        assert found.value is None
        assert (found.low, found.high) == (0.0, math.inf)
        assert why in found.reason
        assert str(found) == f"noise scale not known: {found.reason}"


def test_a_training_of_which_nothing_is_known_gives_no_value():
    nothing = measured(np.ones((3, 2), np.float32), np.ones(3, np.float32))
    found = over_training([[nothing], [nothing]])
    assert (found.value, found.low, found.high) == (None, 0.0, math.inf)
    assert "at least 16 samples" in found.reason
