"""Oracle: a network that starts from a Keras file gives the outputs of the Keras model that wrote it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import need

import epochal as ep
from epochal.models import as_model, shapes_of
from epochal.models.initial import initial_variables

os.environ.setdefault("KERAS_BACKEND", "jax")
# What Keras does with NumPy's arrays is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
RANDOM = np.random.default_rng(8)
NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (ep.MLP(7, 4), (5,)),
    "cnn": (ep.CNN(4, 4, dense=(6,), batch_norm=True), (8, 8, 2)),
    "lstm": (ep.LSTM(4), (7, 2)),
    "gru": (ep.GRU(4), (7, 2)),
}


@pytest.fixture(scope="module")
def keras() -> Any:
    return need("keras")


def theirs(keras: Any, kind: str) -> Any:
    """The same network in Keras, with parameters at random."""
    layers = keras.layers
    convolution = [
        layer
        for _ in range(2)
        for layer in (
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(epsilon=1e-5),
            layers.MaxPool2D(),
            layers.ReLU(),
        )
    ]
    parts = {
        "mlp": [layers.Dense(7, activation="relu"), layers.Dense(4, activation="relu")],
        "cnn": [*convolution, layers.Flatten(), layers.Dense(6, activation="relu")],
        "lstm": [layers.LSTM(4)],
        "gru": [layers.GRU(4)],
    }[kind]
    model = keras.Sequential([layers.Input(NETWORKS[kind][1]), *parts, layers.Dense(3, name="head")])
    drawn = [RANDOM.normal(size=variable.shape) * 0.4 for variable in model.weights]
    positive = ["variance" in variable.path for variable in model.weights]
    model.set_weights([np.abs(w) + 0.1 if p else w for w, p in zip(drawn, positive, strict=True)])
    return model


@pytest.mark.parametrize(
    ("kind", "suffix"), [*((kind, ".weights.h5") for kind in NETWORKS), ("mlp", ".keras")]
)
def test_the_outputs_are_those_of_keras(keras: Any, tmp_path: Path, kind: str, suffix: str):
    need("h5py")
    model, path = theirs(keras, kind), tmp_path / f"model{suffix}"
    model.save(path) if suffix == ".keras" else model.save_weights(path)
    network, shape = NETWORKS[kind]
    chosen = as_model(network, 3)
    start = initial_variables(path, shapes_of(chosen, shape))
    assert start.variables is not None
    inputs = RANDOM.normal(size=(6, *shape)).astype(np.float32)
    apply = jax.jit(lambda variables, x: chosen.apply(variables, x, jax.random.key(0), False)[0])
    outputs = apply(start.variables, jnp.asarray(inputs))
    wanted = np.asarray(model(inputs, training=False))
    np.testing.assert_allclose(np.asarray(outputs), wanted, rtol=0, atol=2e-6)
    assert "head" in start.notes[0]


def test_only_what_lies_in_the_file_itself_is_read(tmp_path: Path):
    """Links to other files and circles of groups are not followed."""
    h5py: Any = need("h5py")
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["vars/0"] = np.ones((5, 3))
        file["vars/1"] = np.ones(3)
    path = tmp_path / "links.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars"] = h5py.ExternalLink("secret.h5", "/vars")
    wanted = shapes_of(as_model(ep.MLP(), 3), (5,))
    with pytest.raises(ep.Refusal, match="has no variables of layers"):
        initial_variables(path, wanted)
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense")
        group["again"] = file["layers"]
    with pytest.raises(ep.Refusal, match="more groups than a model has"):
        initial_variables(path, wanted)
