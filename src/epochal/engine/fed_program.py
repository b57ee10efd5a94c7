"""Compiled programs of a fed training: updates of a chunk, evaluation of a block, the decision after it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from epochal.engine.evaluate import decide, forward
from epochal.engine.optimizers import averaged
from epochal.engine.program import over_repeats
from epochal.engine.sharded import ShardedBatch
from epochal.engine.spec import Spec
from epochal.engine.state import Repeat, Seeds
from epochal.engine.update import Packing, update
from epochal.models import Variables


class Leg(NamedTuple):
    """Which updates of a chunk to make, int32 scalars."""

    low: Any
    high: Any
    epoch: Any
    index: Any
    """The index in the epoch of the chunk's first batch."""
    update: Any
    """Its update."""


def running(spec: Spec, shapes: Variables) -> Any:
    """The function (repeat, seeds, chunk, leg) -> repeat, which makes the updates of a leg.

    Leaves of a chunk have a leading axis of batches, (room, devices, slots, ...).
    """
    step = update(spec, Packing(spec, shapes.params))

    def run(repeat: Repeat, seeds: Seeds, chunk: ShardedBatch, leg: Leg) -> Repeat:
        def body(number: jax.Array, repeat: Repeat) -> Repeat:
            batch: ShardedBatch = jax.tree.map(
                lambda leaf: lax.dynamic_index_in_dim(leaf, number, keepdims=False), chunk
            )
            index, count = leg.index + number, leg.update + number
            return step(repeat, batch, seeds.noise, leg.epoch, index, seeds.rates, count)

        repeat = lax.fori_loop(leg.low, leg.high, body, repeat)
        broke = (repeat.broken_index >= 0) & (repeat.broken_epoch < 0)
        return repeat._replace(broken_epoch=jnp.where(broke, leg.epoch, repeat.broken_epoch))

    return over_repeats(1, run, (0, 0, None, None))


def scoring(spec: Spec, shapes: Variables) -> Any:
    """The function (repeat, samples) -> (outputs, losses) of sharded samples."""
    packed = Packing(spec, shapes.params)

    def score(repeat: Repeat, samples: ShardedBatch) -> tuple[jax.Array, jax.Array]:
        part = samples.whole()
        variables = Variables(packed.unpack(averaged(repeat.optimizer, repeat.params)), repeat.model)
        outputs = forward(spec.model, variables, part.inputs, spec.mesh)
        return outputs, spec.loss(outputs, spec.mesh.replicate(part.targets))

    return over_repeats(1, score, (0, None))


def deciding(spec: Spec, shapes: Variables) -> Any:
    """The function (repeats, figures, halves, position, epoch) -> (repeats, rows, running), as `decide`."""
    return over_repeats(spec.repeats, functools.partial(decide, spec), (0, 0, 0, None, None))
