"""Oracle: Keras 3 on JAX, `train_on_batch` with `sample_weight`, fed with `plan.batch`.

Keras' reduction "sum_over_batch_size" divides the weighted sum by the number of samples of the batch, not
by the sum of their weights: the same mean as here. Its Adam adds epsilon before the second moment is
corrected; with 1e-8 on both sides that is far below the tolerance.
"""

from __future__ import annotations

import numpy as np
import pytest

from helpers import CASES, FEATURES, HIDDEN, RATES, assert_close, batches, need, ours, samples_of, start_of

keras = need("keras")

OPTIMIZERS = {
    "sgd": lambda rate: keras.optimizers.SGD(rate),
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, epsilon=1e-8, weight_decay=0.01),
}
LOSSES = {
    "binary": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "multiclass": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "regression": lambda: keras.losses.MeanSquaredError(),
}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.class_weight or case.kind == "regression"], ids=str
)
def test_parameters_after_three_epochs_are_those_of_keras(case):
    plan, params = ours(case)
    samples = samples_of(case)
    network = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(HIDDEN, activation="tanh"),
            keras.layers.Dense(case.outputs),
        ]
    )
    for layer, start in zip(network.layers, start_of(case).params, strict=True):
        layer.set_weights([start["kernel"], start["bias"]])
    network.compile(OPTIMIZERS[case.optimizer](RATES[case.optimizer]), loss=LOSSES[case.kind]())
    targets = samples.targets if case.kind == "multiclass" else samples.targets[:, None]
    for batch in batches(plan):
        network.train_on_batch(
            samples.inputs[batch],
            targets[batch].astype("float32"),
            sample_weight=samples.weights[batch].astype("float32"),
        )
    found = [
        {"kernel": np.asarray(layer.kernel.value), "bias": np.asarray(layer.bias.value)}
        for layer in network.layers
    ]
    assert_close(params, found)
