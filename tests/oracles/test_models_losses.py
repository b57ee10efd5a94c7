"""Oracle: scikit-learn's and PyTorch's losses, sample by sample."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from epochal.models import LOSSES, loss_for, probabilities
from helpers import need

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(40, 3)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, 40)
ONE = RANDOM.normal(scale=3, size=(40, 1)).astype(np.float32)
BINARY = RANDOM.integers(0, 2, 40)
NUMBERS = RANDOM.normal(size=(40, 2)).astype(np.float32)


def test_log_loss_is_that_of_scikit_learn():
    several = LOSSES["log_loss"].function(jnp.asarray(LOGITS), jnp.asarray(LABELS))
    assert float(several.mean()) == pytest.approx(
        log_loss(LABELS, probabilities(LOGITS.astype(float), np)), abs=1e-6
    )
    one = LOSSES["log_loss"].function(jnp.asarray(ONE), jnp.asarray(BINARY))
    assert one.shape == (40,)
    assert float(one.mean()) == pytest.approx(
        log_loss(BINARY, probabilities(ONE.astype(float), np)), abs=1e-6
    )
    flat = LOSSES["log_loss"].function(jnp.asarray(ONE[:, 0]), jnp.asarray(BINARY))
    np.testing.assert_array_equal(flat, one)


def test_two_logits_and_their_difference_are_the_same_binary_loss():
    pair = LOSSES["log_loss"].function(jnp.asarray(LOGITS[:, :2]), jnp.asarray(BINARY))
    single = LOSSES["log_loss"].function(jnp.asarray(LOGITS[:, 1:2] - LOGITS[:, :1]), jnp.asarray(BINARY))
    np.testing.assert_allclose(pair, single, atol=1e-5)


def test_log_loss_and_its_gradient_stay_finite_at_extreme_logits():
    for outputs, target in (([[1e4]], 0), ([[-1e4]], 1), ([[1e4, -1e4, 0]], 1)):
        value, slope = jax.value_and_grad(
            lambda z, t=target: LOSSES["log_loss"].function(z, jnp.array([t]))[0]
        )(jnp.array(outputs, jnp.float32))
        assert float(value) == pytest.approx(2e4 if len(outputs[0]) == 3 else 1e4)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("name", "oracle"), [("squared_error", mean_squared_error), ("absolute_error", mean_absolute_error)]
)
def test_errors_are_those_of_scikit_learn(name, oracle):
    outputs = NUMBERS + RANDOM.normal(size=NUMBERS.shape).astype(np.float32)
    losses = LOSSES[name].function(jnp.asarray(outputs), jnp.asarray(NUMBERS))
    assert losses.shape == (40,)
    assert float(losses.mean()) == pytest.approx(oracle(NUMBERS, outputs), rel=1e-6)
    column = LOSSES[name].function(jnp.asarray(outputs[:, :1]), jnp.asarray(NUMBERS[:, 0]))
    assert column.shape == (40,), "outputs (n, 1) and targets (n,) must not broadcast to (n, n)"
    assert float(column.mean()) == pytest.approx(oracle(NUMBERS[:, 0], outputs[:, 0]), rel=1e-6)


def test_losses_of_each_sample_are_those_of_torch():
    torch = need("torch")
    outputs = (NUMBERS + 2 * RANDOM.normal(size=NUMBERS.shape)).astype(np.float32)
    functional = torch.nn.functional
    pairs = {
        "squared_error": functional.mse_loss,
        "absolute_error": functional.l1_loss,
        "huber": functional.huber_loss,
    }
    for name, oracle in pairs.items():
        wanted = oracle(torch.tensor(outputs), torch.tensor(NUMBERS), reduction="none").mean(dim=1)
        np.testing.assert_allclose(
            LOSSES[name].function(jnp.asarray(outputs), jnp.asarray(NUMBERS)), wanted.numpy(), atol=1e-6
        )
    wanted = functional.cross_entropy(torch.tensor(LOGITS), torch.tensor(LABELS), reduction="none")
    found = LOSSES["log_loss"].function(jnp.asarray(LOGITS), jnp.asarray(LABELS))
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)


def test_probabilities_are_the_softmax_and_the_logistic_function():
    torch = need("torch")
    wanted = torch.softmax(torch.tensor(LOGITS), dim=1).numpy()
    for xp in (np, jnp):
        np.testing.assert_allclose(probabilities(xp.asarray(LOGITS), xp), wanted, atol=1e-6)
        both = probabilities(xp.asarray(ONE), xp)
        np.testing.assert_allclose(both[:, 1], torch.sigmoid(torch.tensor(ONE[:, 0])).numpy(), atol=1e-6)
        np.testing.assert_allclose(probabilities(xp.asarray(ONE[:, 0]), xp), both)


def test_a_function_is_a_loss_under_its_own_name():
    def pinball(outputs, targets):
        return jnp.abs(outputs[:, 0] - targets)

    assert loss_for(pinball, "binary") == ("pinball", pinball)
    assert loss_for(None, "multiclass")[0] == "log_loss"
    assert loss_for(None, "regression")[0] == "squared_error"
