"""Who else can train a convolutional or a recurrent network, and how fast is each?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.measure import Cell, Measured, Table, Trial, alternate
from benchmarks.peers import EPOCHAL, INSTALL, KERAS, race_columns, timed, times_faster

TORCH = "PyTorch eager"
TORCH_LAST = "PyTorch eager, channels last"
NEEDS = {EPOCHAL: "flax", TORCH: "torch", TORCH_LAST: "torch", KERAS: "keras"}


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and for how long; the networks are built by those who know how."""

    inputs: np.ndarray
    targets: np.ndarray  # int32 classes, or float32 numbers
    batch_size: int
    epochs: int
    learning_rate: float = 1e-3

    @property
    def updates(self) -> int:
        assert len(self.inputs) % self.batch_size == 0
        return self.epochs * len(self.inputs) // self.batch_size

    @property
    def classifies(self) -> bool:
        return self.targets.dtype.kind == "i"


def epochal(task: Task, network: Any) -> Trial:
    """Timed from outside; 64 samples are evaluated before and after."""
    import epochal as ep

    def fit() -> None:
        ep.fit(
            network,
            (task.inputs, task.targets),
            task="classification" if task.classifies else "regression",
            standardize=False,
            batch_size=task.batch_size,
            epochs=task.epochs,
            optimizer="adam",
            learning_rate=task.learning_rate,
            metrics=(),
            validation=(task.inputs[:64], task.targets[:64]),
            evaluate_train=False,
            evaluate_every=task.epochs,
        )

    return timed(fit, task.updates)


def torch_eager(task: Task, build: Callable[[], Any], channels_last: bool = False) -> Trial:
    """The loop that every tutorial shows, the order drawn anew in each epoch."""
    import torch

    network = build()
    inputs, targets = torch.from_numpy(task.inputs), torch.from_numpy(task.targets)
    if task.classifies:
        targets, loss = targets.long(), torch.nn.CrossEntropyLoss()
    else:
        targets, loss = targets[:, None], torch.nn.MSELoss()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), task.learning_rate)

    def train() -> None:
        for _ in range(task.epochs):
            for rows in torch.randperm(len(inputs)).split(task.batch_size):
                optimizer.zero_grad()
                loss(network(inputs[rows]), targets[rows]).backward()
                optimizer.step()

    return timed(train, task.updates)


def keras_on_jax(task: Task, layers: Callable[[Any], list[Any]]) -> Trial:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = keras.Sequential([keras.Input(task.inputs.shape[1:]), *layers(keras.layers)])
    loss = keras.losses.SparseCategoricalCrossentropy(True) if task.classifies else "mse"
    model.compile(keras.optimizers.Adam(task.learning_rate), loss)

    def fit() -> None:
        model.fit(task.inputs, task.targets, batch_size=task.batch_size, epochs=task.epochs, verbose=0)

    return timed(fit, task.updates)


def race(table: Table, contenders: Mapping[str, Callable[[], Trial]], updates: int) -> dict[str, Measured]:
    """Let those that are installed alternate, and fill the rows of the table."""
    for name in [name for name in contenders if find_spec(NEEDS[name]) is None]:
        table.skipped.append(f"{name}: {NEEDS[name]} not installed; {INSTALL}")
    present = {name: make for name, make in contenders.items() if find_spec(NEEDS[name]) is not None}
    measured = alternate({name: partial(make) for name, make in present.items()})
    for name, found in measured.items():
        row: dict[str, Cell] = {
            "contender": name,
            "net_per_update": found.clock.times(1e3),
            "net_ratio": times_faster(measured, name) if name != EPOCHAL else None,
            "epochs": updates,
            "first_seconds": found.first_seconds,
            "call_seconds": found.call_seconds.median,
        }
        table.rows.append(row)
    return measured


def columns() -> dict[str, str]:
    found = race_columns("ms", {"net": ""})
    return found | {"net_per_update": "ms per update", "epochs": "updates timed"}


NOTE = (
    "Median of 5 alternating rounds (min–max); ratios are formed within a round. No evaluations, but for "
    "those that epochal makes of 64 samples before the first and after the last epoch."
)
