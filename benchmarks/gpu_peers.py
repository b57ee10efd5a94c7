"""How is one update after the other made on a GPU, by us and by others?

Each contender is a function of a `Workload` and a precision; it builds the network and returns a trial, which
gives the seconds per update. Samples lie on the device before the clock starts, orders are drawn there, and
all use Adam in one kernel where they have that. In float32 all may multiply in TF32, as XLA does by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.measure import Trial
from benchmarks.peers import timed

__all__ = ["CONTENDERS", "EPOCHAL", "Unable", "Workload"]


@dataclass(frozen=True)
class Workload:
    """What is trained, on what, for how long; and how each library builds the network."""

    inputs: np.ndarray
    targets: np.ndarray  # int32 classes, or float32 numbers
    batch_size: int
    epochs: int
    few_epochs: int  # for those whose updates are launched one by one: as exact, and sooner done
    epochal: Callable[[], Any]
    torch: Callable[[], Any]
    keras: Callable[[Any], list[Any]]
    images: bool = False
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        assert len(self.inputs) % self.batch_size == 0

    @property
    def updates_per_epoch(self) -> int:
        return len(self.inputs) // self.batch_size

    @property
    def classifies(self) -> bool:
        return self.targets.dtype.kind == "i"


class Unable(Exception):
    """Why a contender can't take part here."""


def needed(*modules: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise Unable(f'{", ".join(missing)} not installed; pip install -e ".[bench]"')


# epochal ---------------------------------------------------------------------------------------------------


def fitted(workload: Workload, precision: str) -> Any:
    import epochal as ep

    few = (workload.inputs[: workload.batch_size], workload.targets[: workload.batch_size])
    return ep.fit(
        workload.epochal(),
        (workload.inputs, workload.targets),
        task="classification" if workload.classifies else "regression",
        standardize=False,
        batch_size=workload.batch_size,
        epochs=workload.epochs,
        optimizer="adam",
        learning_rate=workload.learning_rate,
        metrics=(),
        validation=few,
        evaluate_train=False,
        evaluate_every=workload.epochs,
        precision=precision,
        devices=1,  # as many as the others use
    )


def epochal_call(workload: Workload, precision: str, device: str) -> Trial:
    """Timed from outside, as the peers are: with the checks before and the verdict after."""
    updates = workload.epochs * workload.updates_per_epoch
    return timed(lambda: fitted(workload, precision), updates)


def epochal_clock(workload: Workload, precision: str, device: str) -> Trial:
    """The run's own clock at the last evaluation: the updates and nothing else."""
    updates = workload.epochs * workload.updates_per_epoch
    return lambda: float(fitted(workload, precision).curves.seconds.max()) / updates


# PyTorch ---------------------------------------------------------------------------------------------------


def torch_trial(workload: Workload, precision: str, device: str, mode: str) -> Trial:
    """Eager, compiled, or with each update captured once as a CUDA graph and replayed."""
    needed("torch")
    import torch

    if device == "gpu" and not torch.cuda.is_available():
        raise Unable("this PyTorch finds no GPU")
    if mode == "graphs" and device != "gpu":
        raise Unable("CUDA graphs need a GPU")
    where = torch.device("cuda" if device == "gpu" else "cpu")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    network, inputs, targets, loss = torch_parts(workload, where)
    forward = torch.compile(network) if mode == "compiled" else network
    optimizer = torch.optim.Adam(
        network.parameters(), workload.learning_rate, fused=True, capturable=mode == "graphs"
    )
    # What autocast keeps between calls would be captured, and stale when replayed.
    cast = {"enabled": precision == "bfloat16", "cache_enabled": mode != "graphs"}

    def backward(rows: Any) -> None:
        with torch.autocast(where.type, torch.bfloat16, **cast):
            found = loss(forward(inputs[rows]), targets[rows])
        found.backward()
        optimizer.step()

    def update(rows: Any) -> None:
        optimizer.zero_grad(set_to_none=True)
        backward(rows)

    update = captured(update, backward, optimizer, workload.batch_size) if mode == "graphs" else update

    def train() -> None:
        for _ in range(workload.few_epochs):
            for rows in torch.randperm(len(inputs), device=where).split(workload.batch_size):
                update(rows)
        if device == "gpu":
            torch.cuda.synchronize()

    return timed(train, workload.few_epochs * workload.updates_per_epoch)


def torch_parts(workload: Workload, where: Any) -> tuple[Any, Any, Any, Any]:
    """The network, the samples on the device, and the loss."""
    import torch

    network = workload.torch().to(where)
    inputs, targets = (
        torch.from_numpy(workload.inputs).to(where),
        torch.from_numpy(workload.targets).to(where),
    )
    if workload.images:
        network = network.to(memory_format=torch.channels_last)
        inputs = inputs.permute(0, 3, 1, 2)  # whose memory is then channels last
    if not workload.classifies:
        return network, inputs, targets[:, None], torch.nn.MSELoss()
    if workload.targets.max() == 1:
        return network, inputs, targets.float()[:, None], torch.nn.BCEWithLogitsLoss()
    return network, inputs, targets.long(), torch.nn.CrossEntropyLoss()


def captured(update: Any, backward: Any, optimizer: Any, batch_size: int) -> Callable[[Any], None]:
    """The update as one graph, which reads the rows of a batch from a place that stays."""
    import torch

    place = torch.arange(batch_size, device="cuda")
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # libraries allocate and choose in their first calls, which can't be captured
            update(place)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        backward(place)

    def replay(rows: Any) -> None:
        place.copy_(rows)
        graph.replay()

    return replay


def torch_in(mode: str) -> Callable[[Workload, str, str], Trial]:
    return lambda workload, precision, device: torch_trial(workload, precision, device, mode)


# Keras -----------------------------------------------------------------------------------------------------


def keras_in(updates_per_call: int) -> Callable[[Workload, str, str], Trial]:
    def prepare(workload: Workload, precision: str, device: str) -> Trial:
        needed("keras", "jax")
        os.environ["KERAS_BACKEND"] = "jax"
        import keras

        keras.mixed_precision.set_global_policy("float32" if precision == "float32" else "mixed_bfloat16")
        model = keras.Sequential([keras.Input(workload.inputs.shape[1:]), *workload.keras(keras.layers)])
        keras.mixed_precision.set_global_policy("float32")
        model.compile(
            keras.optimizers.Adam(workload.learning_rate),
            keras_loss(workload, keras.losses),
            steps_per_execution=min(updates_per_call, workload.updates_per_epoch),
        )
        targets = workload.targets.reshape(-1, 1)

        def fit() -> None:
            size, epochs = workload.batch_size, workload.few_epochs
            model.fit(workload.inputs, targets, batch_size=size, epochs=epochs, verbose=0)

        return timed(fit, workload.few_epochs * workload.updates_per_epoch)

    return prepare


def keras_loss(workload: Workload, losses: Any) -> Any:
    if not workload.classifies:
        return losses.MeanSquaredError()
    binary = workload.targets.max() == 1
    return losses.BinaryCrossentropy(True) if binary else losses.SparseCategoricalCrossentropy(True)


EPOCHAL = "epochal, the call of fit"
CONTENDERS: dict[str, Callable[[Workload, str, str], Trial]] = {
    EPOCHAL: epochal_call,
    "epochal, its own clock": epochal_clock,
    "PyTorch eager": torch_in("eager"),
    "PyTorch compiled": torch_in("compiled"),
    "PyTorch CUDA graphs": torch_in("graphs"),
    "Keras on JAX": keras_in(1),
    "Keras on JAX, 40 updates a call": keras_in(40),
}
"""(workload, precision, device) -> trial, by name; raises `Unable` where it can't take part."""
