"""What do the engine's tests share? Small trainings whose every batch is known, and their results.

An oracle starts from the same variables, takes its batches from `plan.batch`, and must end at the same
parameters. With validation=0 and arrays that are not standardized, training sample k is row k.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import epochal as ep
from epochal.engine.rules import Observation
from epochal.runs import disk
from epochal.runs.checksummed_json import seal

SAMPLES, FEATURES, HIDDEN, BATCH, EPOCHS = 53, 4, 6, 8, 3
RATES = {"sgd": 0.1, "momentum": 0.05, "adam": 0.01, "adamw": 0.01}
CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}
CLASS_WEIGHT = {"0": 1.0, "1": 3.0, "2": 0.5}


@dataclass(frozen=True)
class Case:
    """A training that every oracle repeats; a ragged remainder, since 53 = 6 * 8 + 5."""

    optimizer: str
    kind: str
    remainder: str
    order: str
    class_weight: bool = False
    sample_weight: bool = False

    def __str__(self) -> str:
        weights = ["class"] * self.class_weight + ["sample"] * self.sample_weight
        return "-".join([self.optimizer, self.kind, self.remainder, self.order, *weights])

    @property
    def outputs(self) -> int:
        """Of the network: one logit for two classes, one per class, or one number."""
        return 3 if self.kind == "multiclass" else 1


CASES = (
    Case("sgd", "binary", "keep", "shuffle", class_weight=True),
    Case("momentum", "multiclass", "keep", "shuffle", class_weight=True, sample_weight=True),
    Case("adam", "multiclass", "spread", "shuffle_once", class_weight=True),
    Case("adamw", "binary", "carry", "shuffle", class_weight=True, sample_weight=True),
    Case("sgd", "regression", "drop", "sequential"),
    Case("momentum", "binary", "drop", "shuffle"),
    Case("adam", "regression", "carry", "sequential", sample_weight=True),
    Case("adamw", "multiclass", "keep", "shuffle"),
)
"""Each optimizer twice, with class weights and without; all tasks, remainders and orders."""


@dataclass(frozen=True)
class Samples:
    """Plain arrays, and the weights as the engine's definition has them: mean 1 over the training samples."""

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    given: NDArray[np.float64] | None
    """The sample weights as they are handed to `fit`."""
    weights: NDArray[np.float64]


def samples_of(case: Case) -> Samples:
    """The arrays of a case."""
    random = np.random.default_rng(7)
    inputs = random.normal(size=(SAMPLES, FEATURES)).astype(np.float32)
    score = inputs @ random.normal(size=FEATURES) + 0.5 * random.normal(size=SAMPLES)
    if case.kind == "regression":
        targets: NDArray[Any] = score.astype(np.float32)
    else:
        cuts = [0.0] if case.kind == "binary" else [-0.7, 0.7]
        targets = np.digitize(score, cuts).astype(np.int32)
    given = random.uniform(0.2, 3.0, SAMPLES) if case.sample_weight else None
    weights = np.ones(SAMPLES) if given is None else given.astype(np.float32).astype(np.float64)
    if case.class_weight:
        weights = weights * np.array([CLASS_WEIGHT[str(label)] for label in targets])
    return Samples(inputs, targets, given, weights / weights.mean())


def start_of(case: Case) -> ep.Variables:
    """Variables of a network with one hidden layer, drawn with NumPy."""
    random = np.random.default_rng(3)

    def layer(fan_in: int, fan_out: int) -> dict[str, NDArray[np.float32]]:
        return {
            "kernel": (random.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in)).astype(np.float32),
            "bias": (0.1 * random.normal(size=fan_out)).astype(np.float32),
        }

    return ep.Variables([layer(FEATURES, HIDDEN), layer(HIDDEN, case.outputs)], [])


@functools.cache
def ours(case: Case, micro_batch: int | None = None) -> tuple[ep.Plan, list[dict[str, NDArray[np.float32]]]]:
    """The plan and epochal's parameters after all epochs; once a process, whoever asks."""
    samples = samples_of(case)
    data: tuple[Any, ...] = (samples.inputs, samples.targets)
    run = ep.fit(
        ep.MLP(HIDDEN, activation="tanh"),
        data if samples.given is None else (*data, samples.given),
        batch_size=BATCH,
        micro_batch=micro_batch,
        epochs=EPOCHS,
        optimizer=case.optimizer,
        learning_rate=RATES[case.optimizer],
        order=case.order,
        remainder=case.remainder,
        class_weight={str(k): CLASS_WEIGHT[str(k)] for k in range(CLASSES[case.kind])}
        if case.class_weight
        else None,
        validation=0,
        standardize=False,
        metrics=(),
        seed=11,
        initial=start_of(case),
    )
    return run.plan.with_(seed=run.order_seeds[0]), run.fitted[0].last.params


def batches(plan: ep.Plan) -> Iterator[NDArray[np.int64]]:
    """The samples of every update of a plan, one after the other."""
    for epoch in range(plan.epochs):
        for index in range(plan.batches_in(epoch)):
            yield plan.batch(epoch, index)


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    """Trees of the same arrays, to an absolute tolerance (parameters are of the order of one)."""
    ours_, theirs = jax.tree.leaves(found), jax.tree.leaves(wanted)
    assert len(ours_) == len(theirs)
    for one, other in zip(ours_, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=0, atol=tolerance)


def assert_same_bits(found: Any, wanted: Any) -> None:
    """Trees of the same arrays, bit for bit (NaN equals NaN)."""
    ours_, theirs = jax.tree.leaves(found), jax.tree.leaves(wanted)
    assert len(ours_) == len(theirs)
    for one, other in zip(ours_, theirs, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other), strict=True)


def read_json(file: Path) -> dict[str, Any]:
    """A sealed document without its seal."""
    document: dict[str, Any] = json.loads(file.read_text())
    del document["sha256"]
    return document


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Seal what was tampered with, as someone would who means harm: only what it says can give it away."""
    file.write_text(seal(document))


def list_again(folder: Path, *names: str) -> None:
    """Let run.json list files as they are now, whatever was done to them."""
    document = read_json(folder / "run.json")
    for name in names:
        document["files"][name] = disk.measure(folder / name).to_dict()
    write_json(folder / "run.json", document)


def need(module: str) -> object:
    """An oracle's module; where EPOCHAL_ORACLES is set, its absence is a failure and not a reason to skip."""
    if os.environ.get("EPOCHAL_ORACLES"):
        __import__(module)
    return pytest.importorskip(module)


def without_times(found: Any) -> dict[str, Any]:
    """A comparison or an advice as JSON holds it, without what depends on the clock and the place.

    Which one of several equally good settings is recommended, and stands first, depends on the clock too.
    """
    timed = {"usage", "timing", "environment", "folder", "answer", "notes", "seconds", "update_seconds"}
    fastest = {"recommended", "same", "regimes"} if isinstance(found, ep.Comparison) else set()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items() if name not in timed}
        return [plain(one) for one in value] if isinstance(value, list) else value

    document: dict[str, Any] = {
        name: value for name, value in plain(found.to_dict()).items() if name not in fastest
    }
    if fastest:
        document["rows"] = sorted(document["rows"], key=lambda row: str(row["name"]))
    return document


@dataclass(frozen=True)
class Stop:
    """A rule stops at an epoch, for a reason."""

    reason: str
    epoch: float


def decide(rule, curves, repeat=0):
    """Where a stopping rule ends the curve of one repeat, as the engine would; or None."""
    one, state = curves.of(repeat), rule.init()
    for row, epoch in enumerate(one.epoch):
        columns = {name: jnp.float32(values[row]) for name, values in one.columns.items()}
        state, stop = rule.step(state, Observation(jnp.float32(epoch), columns))
        if stop:
            return Stop(rule.reason(state), float(epoch))
    return None
