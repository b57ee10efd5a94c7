"""Laws of the built-in networks: padding counts nowhere, and a kept run predicts the same bits."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import epochal as ep
from epochal.nn import NETWORKS, Recurrent
from epochal.runs import save
from helpers import assert_close, assert_same_bits

RANDOM = np.random.default_rng(6)
LABELS = RANDOM.integers(0, 3, 60)
IMAGES = (RANDOM.integers(0, 60, (60, 6, 5)) + 60 * LABELS[:, None, None]).astype(np.uint8)
SERIES = RANDOM.normal(size=(40, 6, 2)).astype(np.float32)
TOKENS = np.where(np.arange(7) < RANDOM.integers(0, 6, (30, 1)), RANDOM.integers(1, 12, (30, 7)), 0)
SMALL = {"batch_size": 16, "epochs": 2, "metrics": (), "validation": 0.2}

OTHER = ep.LSTM(3)
SETTINGS = [
    ep.CNN(3, 4, kernel=5, stride=2, padding="valid", pool=1, dense=(), activation="gelu", axes=1, outputs=2),
    ep.LSTM(5, layers=2, dropout=0.1),
    ep.GRU(5),
    ep.TextClassifier(4, 5, "lstm", vocabulary=9, dropout=0.2, outputs=1),
]


def started(network, sample):
    return jax.jit(network.init)(jax.random.key(0), sample)


@pytest.mark.parametrize("network", SETTINGS, ids=lambda one: one.kind)
def test_settings_are_values_that_survive_json(network):
    again = NETWORKS[network.kind].from_dict(network.to_dict())
    assert again == network and hash(again) == hash(network) and type(again) is type(network)
    assert again != OTHER and network.with_outputs(7).outputs == (network.outputs or 7)
    described = {field.name for field in dataclasses.fields(network)}
    assert described | {"kind"} == set(network.to_dict())


@pytest.fixture(scope="module")
def images():
    return ep.fit(
        ep.CNN(3, dense=(4,), dropout=0.2, batch_norm=True), (IMAGES, LABELS), repeats=2, seed=5, **SMALL
    )


def test_a_kept_run_predicts_the_same_bits(images, tmp_path):
    found = ep.load(save(images, tmp_path / "run"))
    assert found.model == images.model and found.model.outputs == 3
    np.testing.assert_array_equal(found.predict(IMAGES).values, images.predict(IMAGES).values)


def test_a_repeat_is_the_run_that_its_seed_gives_alone(images):
    alone = ep.fit(images.model, (IMAGES, LABELS), seed=6, **SMALL)
    assert_same_bits(alone.fitted[0].last, images.fitted[1].last)
    moments = images.fitted[0].last.state["norms"][0]["mean"]
    assert np.abs(moments).min() > 0, "the running moments move"


def test_a_channel_axis_is_added_and_bytes_are_scaled_once():
    network = ep.CNN(2, dense=(), outputs=1)
    variables = started(network, jnp.zeros((6, 5)))

    def outputs(inputs):
        return network.apply(variables, jnp.asarray(inputs), jax.random.key(1), False)[0]

    plain = outputs((IMAGES / 255).astype(np.float32))
    np.testing.assert_allclose(outputs(IMAGES), plain, atol=1e-6)
    np.testing.assert_allclose(outputs((IMAGES / 255).astype(np.float32)[..., None]), plain, atol=1e-6)


def test_pooling_before_an_activation_that_never_falls_is_pooling_after_it():
    """By hand, for one that rises and one that falls in part."""
    for activation in ("tanh", "gelu"):
        network = ep.CNN(2, dense=(), activation=activation, outputs=1)
        variables = started(network, jnp.zeros((6, 4)))
        x = RANDOM.normal(size=(2, 6, 4)).astype(np.float32)
        layer = variables.params["convolutions"][0]
        x_ = jax.nn.tanh if activation == "tanh" else jax.nn.gelu
        hidden = np.asarray(x_(ep.nn.convolve(jnp.asarray(x)[..., None], layer["kernel"]) + layer["bias"]))
        pooled = hidden.reshape(2, 3, 2, 2, 2, 2).max(axis=(2, 4)).reshape(2, -1)
        last = variables.params["dense"][0]
        found = network.apply(variables, jnp.asarray(x), jax.random.key(0), False)[0]
        np.testing.assert_allclose(found, pooled @ np.asarray(last["kernel"]) + last["bias"], atol=1e-5)


@pytest.mark.parametrize("kind", ["mean", "gru", "lstm"])
def test_a_text_has_the_same_outputs_and_gradients_however_far_it_is_padded(kind):
    network = ep.TextClassifier(3, 4, kind, vocabulary=12, outputs=2)
    variables = started(network, jnp.zeros(7, jnp.int32))
    assert (TOKENS.max(axis=1) == 0).any(), "a text without a token is among them"

    def both(tokens):
        def total(params):
            outputs, _ = network.apply(
                variables._replace(params=params), jnp.asarray(tokens, jnp.int32), jax.random.key(1), True
            )
            return (outputs**2).sum(), outputs

        return jax.jit(jax.grad(total, has_aux=True))(variables.params)

    short, long = both(TOKENS), both(np.pad(TOKENS, ((0, 0), (0, 5))))
    assert_close(short, long, 1e-6)
    assert np.isfinite(short[1]).all()
    assert not np.asarray(short[0]["embed"]["table"])[0].any(), "padding learns nothing"


def test_a_sequence_in_two_parts_with_the_carry_between_is_the_whole():
    for cell in ("lstm", "gru"):
        layer = Recurrent(2, 3, cell=cell, rngs=nnx.Rngs(0))
        run = nnx.jit(lambda layer, x, carry: layer(x, carry))
        whole, last = run(layer, SERIES, layer.initial_carry(len(SERIES)))
        first, carry = run(layer, SERIES[:, :3], layer.initial_carry(len(SERIES)))
        second, end = run(layer, SERIES[:, 3:], carry)
        np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
        assert_close(end, last, 1e-6)


def test_tokens_train_with_a_vocabulary_that_the_data_has(tmp_path):
    data = ep.load_data((TOKENS.astype(np.float32), (TOKENS == 3).any(axis=1).astype(int)))
    data = dataclasses.replace(data, inputs=TOKENS.astype(np.int32))
    run = ep.fit(ep.TextClassifier(3, 4), data, **SMALL)
    assert run.model.vocabulary == TOKENS.max() + 1
    found = ep.load(save(run, tmp_path / "run"))
    assert found.model == run.model
    assert_same_bits(found.fitted[0].best, run.fitted[0].best)


def test_layers_of_recurrences_have_several_outputs():
    network = ep.LSTM(4, layers=2, dropout=0.1).with_outputs(3)
    variables = jax.eval_shape(network.init, jax.random.key(0), SERIES[0])
    outputs = jax.eval_shape(
        lambda v, x, k: network.apply(v, x, k, True)[0], variables, SERIES, jax.random.key(0)
    )
    assert outputs.shape == (40, 3)


def test_kernels_start_as_they_are_documented():
    params = ep.LSTM(60, outputs=1).init(jax.random.key(0), jnp.zeros((4, 90))).params["recurrent"][0]
    kernel, recurrent, bias = (np.asarray(params[name]) for name in ("kernel", "recurrent", "bias"))
    assert kernel.var() == pytest.approx(2 / 150, rel=0.05)
    for gate in range(4):
        square = recurrent[:, 60 * gate : 60 * (gate + 1)]
        np.testing.assert_allclose(square.T @ square, np.eye(60), atol=1e-5)
    assert bias.reshape(4, 60).tolist() == [[0] * 60, [1] * 60, [0] * 60, [0] * 60]
    image = ep.CNN(50, 60, dense=(40,), outputs=5).init(jax.random.key(0), jnp.zeros((8, 8))).params
    assert np.var(image["convolutions"][1]["kernel"]) == pytest.approx(2 / 450, rel=0.05)
    assert np.var(image["dense"][0]["kernel"]) == pytest.approx(2 / 240, rel=0.05)
    assert np.var(image["dense"][1]["kernel"]) == pytest.approx(2 / 45, rel=0.2)
    table = ep.TextClassifier(50, 4, vocabulary=90).init(jax.random.key(0), jnp.zeros(3, jnp.int32)).params
    assert np.var(table["embed"]["table"]) == pytest.approx(1 / 50, rel=0.05)


def test_flax_is_imported_only_where_a_network_needs_it():
    code = (
        "import sys, epochal, epochal.cli.train, epochal.runs.loading, epochal.training.train; "
        "epochal.MLP(3); "
        "print('flax' in sys.modules); epochal.CNN(3); print('flax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
