"""What do trainings on several devices give? Run as a program, with 8 devices forced on a CPU; prints JSON.

One process for all checks, so that start-up and what is compiled are paid once (`laws/test_devices.py`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

import epochal as ep
from epochal.engine.gradient import gradient
from epochal.engine.mesh import ALONE, DeviceMesh
from epochal.engine.prefetch import Prefetcher
from epochal.engine.state import SplitPart
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared

COUNTS = (2, 3, 8)
SIZES = (1, 2, 7, 8, 9, 17)
"""Batches that leave every kind of rest on 2, 3 and 8 devices, and some devices without a sample."""

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(61, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int32)
WEIGHTS = RANDOM.uniform(0.1, 3.0, len(X)).astype(np.float32)


def devices(count: int) -> tuple[jax.Device, ...]:
    """The first of them; the one that JAX takes by itself is none."""
    return () if count == 1 else tuple(jax.devices()[:count])


def gap(found: Any, wanted: Any) -> float:
    """The largest difference between two trees of numbers."""

    def between(one: Any, other: Any) -> float:
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        return float(
            np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0, np.abs(one - other)).max()
        )

    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)
    return max(between(one, other) for one, other in pairs)


def prepared_for(model: Any = None, data: Any = (X, Y), **options: Any) -> Prepared:
    """A short training without rules that make small differences large."""
    usual = {"batch_size": 16, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.1, "metrics": ()}
    return prepare(ep.MLP() if model is None else model, data, Settings(**{**usual, **options}))


# Gradients --------------------------------------------------------------------------------------------------


def slopes(mesh: DeviceMesh, model: Any, micro_batch: int | None, sizes: tuple[int, ...]) -> Any:
    """Loss, state and gradient of batches of these sizes."""
    spec = replace(prepared_for(model).spec, mesh=mesh, micro_batch=micro_batch)
    params, state = spec.model.init(jax.random.key(1), X[0])
    of_batch = gradient(spec)

    def all_of_them(part: SplitPart, params: Any, state: Any) -> Any:
        return [of_batch(params, state, part, np.arange(size) * 3, jax.random.key(2)) for size in sizes]

    arguments = mesh.put((SplitPart(X, Y, WEIGHTS), params, state))
    return jax.jit(all_of_them, out_shardings=mesh.replicated)(*arguments)


def mean_of_shard_means(count: int) -> Any:
    """The wrong gradient: that of the mean over devices of the mean over the samples of each."""
    spec = prepared_for().spec
    params, state = spec.model.init(jax.random.key(1), X[0])
    key, of_batch = jax.random.key(2), jax.jit(gradient(spec))
    shards = np.array_split(np.arange(17) * 3, count)
    found = [of_batch(params, state, SplitPart(X, Y, WEIGHTS), shard, key) for shard in shards]
    return jax.tree.map(lambda *leaves: sum(leaves) / count, *found)


def gradients() -> Iterator[tuple[str, float]]:
    """How far shared gradients are from those of one device."""
    for name, model, micro_batch, sizes, counts in (
        ("all sizes", ep.MLP(), None, SIZES, COUNTS),
        ("batch normalization and dropout", ep.MLP(5, batch_norm=True, dropout=0.3), None, (17,), (8,)),
        ("micro-batches", ep.MLP(5, batch_norm=True, dropout=0.3), 5, (17,), (3,)),
    ):
        wanted = slopes(ALONE, model, micro_batch, sizes)
        for count in counts:
            yield (
                f"{name} on {count}",
                gap(slopes(DeviceMesh(devices(count)), model, micro_batch, sizes), wanted),
            )
        if name == "all sizes":
            yield "mean of means on 3", gap(mean_of_shard_means(3), wanted[-1])


# Trainings --------------------------------------------------------------------------------------------------


def trained(prepared: Prepared, count: int, budget: int | None = None) -> dict[str, Any]:
    """What a stack on so many devices ends with, as numbers."""
    repeats = range(prepared.settings.repeats)
    stack = make_stack(prepared, repeats, fixed_updates_per_call=budget, devices=devices(count))
    start, rows = jax.tree.map(np.array, stack.train_state.repeat_states.params), []
    while not stack.done:
        rows += stack.advance()
    rows += stack.finish()
    stack.close()
    state = jax.tree.map(np.asarray, stack.train_state.repeat_states)
    return {
        "at": [(row.update, *row.active.tolist()) for row in rows],
        "values": np.concatenate([row.values[row.active] for row in rows]),
        "state": state,
        "status": state.status.tolist(),
        "moved": gap(state.params, start),
    }


def poison(prefetcher: Any) -> None:
    """Memory for chunks comes filled with what is not a number, as it may when it was used before."""
    clean = prefetcher._memory

    def dirty(self: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        memory, inputs = clean(self, shape, dtype)
        inputs[...] = np.nan
        return memory, inputs

    prefetcher._memory = dirty


TRAININGS: dict[str, dict[str, Any]] = {
    "repeats": {"repeats": 3, "stop": ep.Patience(1), "epochs": 12, "optimizer": "momentum"},
    "carry": {"remainder": "carry", "order": "weighted", "micro_batch": 6, "data": (X, Y, WEIGHTS)},
    "streamed": {
        "stream": True,
        "micro_batch": 5,
        "batch_size": 14,
        "order": "stratified",
        "remainder": "spread",
    },
}


def trainings() -> Iterator[tuple[str, Any]]:
    """How far whole trainings are from those on one device, from themselves, and moved along the way."""
    poison(Prefetcher)
    for name, options in TRAININGS.items():
        prepared = prepared_for(**options)
        wanted = trained(prepared, 1)
        found = {count: trained(prepared, count) for count in COUNTS}
        again = trained(prepared, 3, budget=2)
        yield (
            name,
            {
                "places": all(one["at"] == wanted["at"] for one in found.values()),
                "stopped": {count: one["status"] for count, one in {1: wanted, **found}.items()},
                "values": {count: gap(one["values"], wanted["values"]) for count, one in found.items()},
                "state": {count: gap(one["state"], wanted["state"]) for count, one in found.items()},
                "moved": wanted["moved"],
                "again": gap(again["state"], found[3]["state"]),
                "elsewhere": gap(elsewhere(prepared), wanted["state"]),
            },
        )


def elsewhere(prepared: Prepared) -> Any:
    """What a training ends with that begins on 3 devices, goes on on one, and comes back."""
    kept = None
    for budget, count in ((3, 3), (2, 1), (10**6, 3)):
        repeats = range(prepared.settings.repeats)
        stack = make_stack(
            prepared, repeats, fixed_updates_per_call=budget, devices=devices(count), resume_from=kept
        )
        stack.advance()
        while budget > 3 and not stack.done:
            stack.advance()
        kept = stack.snapshot()
        stack.close()
    stack.finish()
    return jax.tree.map(np.asarray, stack.train_state.repeat_states)


# Work -------------------------------------------------------------------------------------------------------


def work() -> Iterator[tuple[str, Any]]:
    """How many products a device computes for an update of 48 samples, and what devices tell one another."""
    for name, model, inputs in (("MLP", ep.MLP(64), X), ("LSTM", ep.LSTM(8), X.reshape(61, 2, 2))):
        spec = prepared_for(model, (inputs, Y)).spec
        shapes = jax.eval_shape(spec.model.init, jax.random.key(1), inputs[0])
        given = (shapes.params, shapes.state, SplitPart(inputs, Y, None), np.arange(48), jax.random.key(2))
        products = {}
        for count in (1, 8):
            mesh = DeviceMesh(devices(count))
            lowered = jax.jit(gradient(replace(spec, mesh=mesh)), out_shardings=mesh.replicated).lower(
                *jax.tree.map(mesh.shaped, given)
            )
            compiled = lowered.compile()
            products[count] = compiled.cost_analysis()["flops"]
        told = re.findall(r"\b(all-gather|all-to-all|collective-permute|all-reduce)\(", compiled.as_text())
        yield name, {"share": products[8] / products[1], "told": sorted(set(told))}


# Whole runs -------------------------------------------------------------------------------------------------


def runs() -> Iterator[tuple[str, Any]]:
    """Repeats on groups of devices, from end to end."""
    options: dict[str, Any] = {"epochs": 3, "repeats": 2, "optimizer": "sgd", "metrics": ()}
    alone, shared = (ep.fit(ep.MLP(), (X, Y), devices=count, **options) for count in (1, 8))
    stacks = prepare(ep.MLP(), (X, Y), Settings(**{**options, "devices": 8})).stacks
    yield (
        "groups",
        {
            "notes": stacks.notes,
            "environment": [shared.environment["devices"], shared.environment["devices_per_batch"]],
            "fitted": gap([one.last for one in shared.fitted], [one.last for one in alone.fitted]),
            "same places": shared.curves.update.tolist() == alone.curves.update.tolist(),
        },
    )


CHECKS: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    "gradients": gradients,
    "trainings": trainings,
    "work": work,
    "runs": runs,
}

if __name__ == "__main__":
    print(json.dumps({name: dict(CHECKS[name]()) for name in sys.argv[1:] or CHECKS}))
