"""Oracle: the matrix product. Both lowerings of `dense` agree with it, gradients too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from epochal.models import ACTIVATIONS, MLP
from epochal.models.built_in import FUSED_LIMIT, dense

RANDOM = np.random.default_rng(2)
X, W, B = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((7, 5), (5, 3), (3,)))


def lowered(monkeypatch, limit):
    monkeypatch.setattr("epochal.models.built_in.FUSED_LIMIT", limit)
    return lambda x, w, b: dense(x, w, b)


@pytest.mark.parametrize("limit", [0, 10**9], ids=["product", "fused"])
def test_both_lowerings_are_the_product_and_have_its_gradients(monkeypatch, limit):
    form = lowered(monkeypatch, limit)
    text = str(jax.make_jaxpr(form)(X, W, B))
    assert ("dot_general" in text) == (limit == 0)
    np.testing.assert_allclose(form(X, W, B), X.astype(float) @ W + B, atol=1e-5)

    def total(form_):
        return jax.grad(lambda *args: jnp.sin(form_(*args)).sum(), argnums=(0, 1, 2))

    slope = np.cos(X.astype(float) @ W + B)
    wanted = (slope @ W.T, X.T @ slope, slope.sum(axis=0))
    for found, exact in zip(total(form)(X, W, B), wanted, strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-5)


def test_the_size_decides_about_the_lowering():
    most = FUSED_LIMIT // 64
    small = str(jax.make_jaxpr(dense)(np.ones((8, 8)), np.ones((8, most)), np.ones(most)))
    large = str(jax.make_jaxpr(dense)(np.ones((8, 8)), np.ones((8, most + 1)), np.ones(most + 1)))
    assert "dot_general" not in small and "dot_general" in large


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_is_products_and_activations(activation):
    model = MLP(4, 3, activation=activation, outputs=2)
    variables = model.init(jax.random.key(0), jnp.zeros((5,)))
    outputs, state = model.apply(variables, jnp.asarray(X), jax.random.key(1), True)
    x = X
    for layer in variables.params[:-1]:
        x = np.asarray(ACTIVATIONS[activation](x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])))
    last = variables.params[-1]
    np.testing.assert_allclose(outputs, x @ np.asarray(last["kernel"]) + np.asarray(last["bias"]), atol=1e-5)
    assert state == []


def test_mlp_flattens_inputs_and_starts_with_the_variance_of_he_or_glorot():
    image = MLP(400, outputs=1).init(jax.random.key(0), jnp.zeros((20, 25)))
    kernel = np.asarray(image.params[0]["kernel"])
    assert kernel.shape == (500, 400) and kernel.var() == pytest.approx(2 / 500, rel=0.02)
    tanh = np.asarray(MLP(400, activation="tanh").init(jax.random.key(0), jnp.zeros(500)).params[0]["kernel"])
    assert tanh.var() == pytest.approx(2 / 900, rel=0.02)
    assert not np.asarray(image.params[0]["bias"]).any()


def test_dropout_leaves_out_its_share_scales_the_rest_and_depends_on_the_key_only():
    model = MLP(2000, activation="identity", dropout=0.3, outputs=1)
    variables = model.init(jax.random.key(0), jnp.zeros(3))
    last = {"kernel": jnp.eye(2000), "bias": jnp.zeros(2000)}
    variables = variables._replace(params=[variables.params[0], last])
    rows = jnp.ones((2, 3))
    plain, _ = model.apply(variables, rows, jax.random.key(1), False)
    noisy, _ = model.apply(variables, rows, jax.random.key(1), True)
    again, _ = model.apply(variables, rows, jax.random.key(1), True)
    other, _ = model.apply(variables, rows, jax.random.key(2), True)
    kept = np.asarray(noisy) != 0
    assert kept.mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_allclose(np.asarray(noisy)[kept], np.asarray(plain)[kept] / 0.7, rtol=1e-5)
    np.testing.assert_array_equal(noisy, again)
    assert (np.asarray(other) != np.asarray(noisy)).any()
    assert (kept[0] != kept[1]).any(), "each sample has a mask of its own"
