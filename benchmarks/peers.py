"""Who else can train this network, and how many seconds does each take for an update?

A contender is a function of a `Workload`: it builds the network and returns a trial. Each call of the trial
trains for `workload.epochs` and returns the seconds per update. All of them draw a fresh order for every
epoch and use Adam, and with `workload.evaluate` all compute the loss on the training set after every epoch.
"""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from benchmarks.measure import Cell, Measured, Table, Trial, alternate

os.environ["EPOCHAL_CACHE"] = ""  # a first call compiles, whatever was run before

INSTALL = 'pip install -e ".[bench]"'


@dataclass(frozen=True)
class Workload:
    """What is trained, on what, and for how long."""

    inputs: np.ndarray  # (samples, features), float32
    targets: np.ndarray  # (samples,), int32 in [0, classes)
    hidden: tuple[int, ...]
    classes: int
    batch_size: int
    epochs: int
    evaluate: bool = False  # the clean training loss, after every epoch
    learning_rate: float = 1e-3
    torch_threads: int | None = None  # None: PyTorch's own choice, all cores

    @property
    def samples(self) -> int:
        return len(self.inputs)

    @property
    def updates(self) -> int:
        return self.epochs * math.ceil(self.samples / self.batch_size)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units of each layer; two classes share one output."""
        return self.inputs.shape[1], *self.hidden, 1 if self.classes == 2 else self.classes


@dataclass(frozen=True)
class Contender:
    name: str
    needs: tuple[str, ...]
    prepare: Callable[[Workload], Trial]

    @property
    def missing(self) -> list[str]:
        return [module for module in self.needs if find_spec(module) is None]


CONTENDERS: dict[str, Contender] = {}
EPOCHAL = "epochal, the call of fit"
EPOCHAL_CLOCK = "epochal, its own clock"
BY_HAND = "JAX, hand-written scans"
SCIKIT_LEARN = "scikit-learn MLPClassifier"
TORCH = "PyTorch, hand-written loop"
TORCH_FUSED = f"{TORCH}, fused Adam"
KERAS = "Keras on JAX, fit"
KERAS_MANY = f"{KERAS}, 40 updates a call"
AS_THEY_COME = (SCIKIT_LEARN, KERAS, TORCH, "PyTorch, DataLoader", "skorch", "PyTorch Lightning")
TUNED = (KERAS_MANY, TORCH_FUSED)


Prepare = TypeVar("Prepare", bound=Callable[..., Trial])


def contender(name: str, *needs: str) -> Callable[[Prepare], Prepare]:
    """Enter a function under a name, with the modules that it needs."""

    def register(prepare: Prepare) -> Prepare:
        CONTENDERS[name] = Contender(name, needs, prepare)
        return prepare

    return register


def race(
    table: Table,
    variants: Mapping[str, Workload],
    names: Sequence[str],
    epochs: Mapping[str, int],
    scale: float,
) -> dict[str, dict[str, Measured]]:
    """Let the contenders alternate in each variant, fill the rows of the table, and return what was measured.

    `epochs` holds the contenders that train for fewer epochs than the workload says: seconds per update do
    not depend on it, the patience of the reader does. `scale` turns seconds into the unit of the table.
    """
    present = [name for name in names if not CONTENDERS[name].missing]
    for name in names:
        if name not in present:
            missing = ", ".join(CONTENDERS[name].missing)
            table.skipped.append(f"{name}: {missing} not installed; {INSTALL}")
            print(f"skipped {table.skipped[-1]}", flush=True)

    measured: dict[str, dict[str, Measured]] = {}
    for variant, workload in variants.items():
        own = {name: replace(workload, epochs=epochs.get(name, workload.epochs)) for name in present}
        measured[variant] = alternate(
            {name: partial(CONTENDERS[name].prepare, own[name]) for name in present}
        )

    first = next(iter(variants))
    for name in present:
        row: dict[str, Cell] = {"contender": name}
        for variant, found in measured.items():
            row[f"{variant}_per_update"] = found[name].clock.times(scale)
            row[f"{variant}_ratio"] = times_faster(found, name) if name != EPOCHAL else None
        row["epochs"] = epochs.get(name, variants[first].epochs)
        row["first_seconds"] = measured[first][name].first_seconds
        row["call_seconds"] = measured[first][name].call_seconds.median
        table.rows.append(row)
    return measured


def times_faster(found: Mapping[str, Measured], peer: str, ours: str = EPOCHAL) -> float:
    """How many times as long as epochal the peer takes for an update: the median over the rounds."""
    return found[peer].clock.per(found[ours].clock).median


def fastest(found: Mapping[str, Measured], among: Sequence[str]) -> str:
    return min((name for name in among if name in found), key=lambda name: found[name].clock.median)


def race_columns(unit: str, variants: Mapping[str, str]) -> dict[str, str]:
    """The columns that `race` fills, with a heading for each variant."""
    columns = {"contender": ""}
    for variant, heading in variants.items():
        columns |= {
            f"{variant}_per_update": f"{unit} per update, {heading}",
            f"{variant}_ratio": "to epochal",
        }
    return columns | {
        "epochs": "epochs timed",
        "first_seconds": "s for import, compile and first call",
        "call_seconds": "s for a later call",
    }


def timed(work: Callable[[], object], updates: int) -> Trial:
    def trial() -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / updates

    return trial


@contender(EPOCHAL, "epochal")
def epochal(workload: Workload) -> Trial:
    """Timed from outside, as the peers are: with the checks before and the verdict after."""
    return timed(lambda: fit_epochal(workload), workload.updates)


@contender(EPOCHAL_CLOCK, "epochal")
def epochal_clock(workload: Workload) -> Trial:
    """The run's own clock, as its curves have it at the last evaluation: the updates and nothing else."""
    return lambda: float(fit_epochal(workload).curves.seconds.max()) / workload.updates


def fit_epochal(workload: Workload, repeats: int = 1) -> Any:
    """Train on all samples; where no evaluation is asked for, 64 samples are evaluated before and after."""
    import epochal as ep

    few = (workload.inputs[:64], workload.targets[:64])
    return ep.fit(
        ep.MLP(*workload.hidden),
        (workload.inputs, workload.targets),
        batch_size=workload.batch_size,
        epochs=workload.epochs,
        optimizer="adam",
        learning_rate=workload.learning_rate,
        metrics=(),
        repeats=repeats,
        seed=0,
        validation=0 if workload.evaluate else few,
        evaluate_train=workload.evaluate,
        evaluate_every=1 if workload.evaluate else workload.epochs,
    )


@contender(BY_HAND, "jax", "optax")
def jax_scan(workload: Workload) -> Trial:
    """What one would write by hand to have all epochs in one compiled program."""
    import jax
    import jax.numpy as jnp
    import optax

    samples, size = workload.samples, workload.batch_size
    batches = samples // size
    assert batches * size == samples, "the hand-written scan knows no remainder"
    inputs, targets = jnp.asarray(workload.inputs), jnp.asarray(workload.targets)
    optimizer = optax.adam(workload.learning_rate)

    def loss(parameters: Any, x: jax.Array, y: jax.Array) -> Any:
        for weights, bias in parameters[:-1]:
            x = jax.nn.relu(x @ weights + bias)
        outputs = x @ parameters[-1][0] + parameters[-1][1]
        if workload.classes == 2:
            return optax.sigmoid_binary_cross_entropy(outputs[:, 0], y).mean()
        return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()

    def update(carry: Any, rows: jax.Array) -> tuple[Any, jax.Array]:
        parameters, state = carry
        value, gradients = jax.value_and_grad(loss)(parameters, inputs[rows], targets[rows])
        changes, state = optimizer.update(gradients, state)
        return (optax.apply_updates(parameters, changes), state), value

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        order = jax.random.permutation(key, samples).reshape(batches, size)
        carry, running = jax.lax.scan(update, carry, order)
        return carry, loss(carry[0], inputs, targets) if workload.evaluate else running.mean()

    @jax.jit
    def train(key: jax.Array) -> jax.Array:
        key, *keys = jax.random.split(key, len(workload.sizes))
        parameters = [
            (jax.nn.initializers.he_normal()(one, shape), jnp.zeros(shape[1]))
            for one, shape in zip(keys, pairwise(workload.sizes), strict=True)
        ]
        carry = parameters, optimizer.init(parameters)
        return jax.lax.scan(epoch, carry, jax.random.split(key, workload.epochs))[1]

    return timed(lambda: train(jax.random.key(0)).block_until_ready(), workload.updates)


@contender(SCIKIT_LEARN, "sklearn")
def scikit_learn(workload: Workload) -> Trial:
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    inputs, targets, classes = workload.inputs, workload.targets, np.arange(workload.classes)

    def model() -> MLPClassifier:
        return MLPClassifier(
            workload.hidden,
            batch_size=workload.batch_size,
            learning_rate_init=workload.learning_rate,
            alpha=0.0,
            max_iter=workload.epochs,
            n_iter_no_change=workload.epochs + 1,
            random_state=0,
        )

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged: nobody expected it to
            model().fit(inputs, targets)

    def fit_and_evaluate() -> None:
        fitted = model()
        for _ in range(workload.epochs):
            fitted.partial_fit(inputs, targets, classes=classes)
            log_loss(targets, fitted.predict_proba(inputs))

    return timed(fit_and_evaluate if workload.evaluate else fit, workload.updates)


@contender(KERAS, "keras", "jax")
def keras_jax(workload: Workload, updates_per_call: int = 1) -> Trial:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    if keras.backend.backend() != "jax":
        raise RuntimeError(f"Keras was imported on {keras.backend.backend()} before; start a fresh process")
    binary = workload.classes == 2
    model = keras.Sequential(
        [
            keras.Input(workload.inputs.shape[1:]),
            *(keras.layers.Dense(units, "relu") for units in workload.hidden),
            keras.layers.Dense(workload.sizes[-1]),
        ]
    )
    losses = keras.losses
    model.compile(
        keras.optimizers.Adam(workload.learning_rate),
        losses.BinaryCrossentropy(True) if binary else losses.SparseCategoricalCrossentropy(True),
        steps_per_execution=updates_per_call,
    )
    inputs, targets = workload.inputs, workload.targets.reshape(-1, 1)

    def fit() -> None:
        model.fit(
            inputs,
            targets,
            batch_size=workload.batch_size,
            epochs=workload.epochs,
            validation_data=(inputs, targets) if workload.evaluate else None,
            validation_batch_size=workload.samples,
            verbose=0,
        )

    return timed(fit, workload.updates)


@contender(KERAS_MANY, "keras", "jax")
def keras_jax_many(workload: Workload) -> Trial:
    return keras_jax(workload, updates_per_call=40)


def torch_parts(workload: Workload) -> tuple[Any, Any, Any, Any]:
    """The tensors, the network and the loss that all faces of PyTorch share."""
    import torch

    if workload.torch_threads is not None:
        torch.set_num_threads(workload.torch_threads)
    sizes = list(pairwise(workload.sizes))
    layers = [layer for size in sizes[:-1] for layer in (torch.nn.Linear(*size), torch.nn.ReLU())]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(*sizes[-1]))
    inputs, targets = torch.from_numpy(workload.inputs), torch.from_numpy(workload.targets)
    if workload.classes == 2:
        return inputs, targets.float()[:, None], network, torch.nn.BCEWithLogitsLoss()
    return inputs, targets.long(), network, torch.nn.CrossEntropyLoss()


def torch_trial(workload: Workload, batches: Callable[[Any, Any], Callable[[], Any]], **adam: Any) -> Trial:
    """The loop that every PyTorch tutorial shows; `batches` says where the batches of an epoch come from."""
    import torch

    inputs, targets, network, loss = torch_parts(workload)
    optimizer = torch.optim.Adam(network.parameters(), workload.learning_rate, **adam)
    epoch = batches(inputs, targets)

    def train() -> None:
        for _ in range(workload.epochs):
            for x, y in epoch():
                optimizer.zero_grad()
                loss(network(x), y).backward()
                optimizer.step()
            if workload.evaluate:
                with torch.no_grad():
                    loss(network(inputs), targets).item()

    return timed(train, workload.updates)


@contender(TORCH, "torch")
def torch_loop(workload: Workload, **adam: Any) -> Trial:
    import torch

    def batches(inputs: Any, targets: Any) -> Callable[[], Any]:
        def epoch() -> Any:
            order = torch.randperm(workload.samples)
            size = workload.batch_size
            return zip(inputs[order].split(size), targets[order].split(size), strict=True)

        return epoch

    return torch_trial(workload, batches, **adam)


@contender(TORCH_FUSED, "torch")
def torch_loop_fused(workload: Workload) -> Trial:
    return torch_loop(workload, fused=True)


@contender("PyTorch, DataLoader", "torch")
def torch_data_loader(workload: Workload) -> Trial:
    return torch_trial(workload, lambda x, y: loader(x, y, workload.batch_size, shuffle=True).__iter__)


def loader(inputs: Any, targets: Any, batch_size: int, shuffle: bool) -> Any:
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(inputs, targets), batch_size, shuffle=shuffle)


@contender("skorch", "torch", "skorch")
def skorch(workload: Workload) -> Trial:
    import torch
    from skorch import NeuralNet
    from skorch.helper import predefined_split
    from torch.utils.data import TensorDataset

    inputs, targets, network, loss = torch_parts(workload)
    fitted = NeuralNet(
        network,
        criterion=loss,
        optimizer=torch.optim.Adam,
        lr=workload.learning_rate,
        batch_size=workload.batch_size,
        max_epochs=workload.epochs,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=workload.samples,
        train_split=predefined_split(TensorDataset(inputs, targets)) if workload.evaluate else None,
        callbacks="disable",
        verbose=0,
    )
    return timed(lambda: fitted.fit(inputs, targets), workload.updates)


@contender("PyTorch Lightning", "torch", "lightning")
def lightning(workload: Workload) -> Trial:
    """No logger, no bar, no checkpoint; timed between the hooks: the trainer's own start is left out."""
    import lightning as pl
    import torch

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    inputs, targets, network, loss = torch_parts(workload)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.seconds = 0.0

        def on_train_start(self) -> None:
            self.seconds = -time.perf_counter()

        def on_train_end(self) -> None:
            self.seconds += time.perf_counter()

        def training_step(self, batch: Any, _: int) -> Any:
            return loss(self.network(batch[0]), batch[1])

        def validation_step(self, batch: Any, _: int) -> None:
            loss(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), workload.learning_rate)

    module = Module()
    training = loader(inputs, targets, workload.batch_size, shuffle=True)
    evaluation = loader(inputs, targets, workload.samples, shuffle=False) if workload.evaluate else None

    def trial() -> float:
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=workload.epochs,
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, training, evaluation)
        return module.seconds / workload.updates

    return trial
