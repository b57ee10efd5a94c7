"""The gradient of a batch, whole or in micro-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from epochal.engine.sharded import BatchSource, ShardedBatch
from epochal.engine.spec import Spec
from epochal.engine.state import SplitPart
from epochal.models import PyTree, Variables, as_model_input


def take(part: SplitPart, samples: jax.Array) -> SplitPart:
    """The rows of a part, as the model sees them."""
    weights = None if part.weights is None else part.weights[samples]
    return SplitPart(as_model_input(part.inputs[samples]), part.targets[samples], weights)


def size_of(part: BatchSource, samples: jax.Array | None) -> int:
    """The number of samples of a batch (see `gradient`)."""
    if isinstance(part, ShardedBatch):
        return part.size
    return int((part.targets if samples is None else samples).shape[0])


def batch_of(
    spec: Spec,
    part: BatchSource,
    samples: jax.Array | None,
    number: jax.Array | int = 0,
    size: int | None = None,
    most: int = 0,
) -> SplitPart:
    """A batch as the model sees it, sharded over the mesh; or one micro-batch of it."""

    def cut(rows: Any) -> Any:
        if size is None:
            return rows
        return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, number * most, size), rows)

    if samples is not None and not isinstance(part, ShardedBatch):
        # Constrain the gathered samples and the indices: otherwise XLA shards the whole data set and
        # sums those of each batch over all devices.
        return spec.mesh.shard(take(spec.mesh.replicate(part), spec.mesh.shard(cut(samples))))
    if isinstance(part, ShardedBatch):
        found = part.whole() if size is None else part.micro_batch(number, size, most)
    else:
        found = cut(part)
    return spec.mesh.shard(found._replace(inputs=as_model_input(found.inputs)))


def micro_batches(size: int, most: int | None) -> tuple[tuple[int, int], ...]:
    """The micro-batches of a batch as (count, size), full ones first.

    >>> micro_batches(53, 8), micro_batches(48, 8), micro_batches(8, 8), micro_batches(5, None)
    (((6, 8), (1, 5)), ((6, 8),), ((1, 8),), ((1, 5),))
    """
    if most is None or most >= size:
        return ((1, size),)
    full, rest = divmod(size, most)
    return ((full, most), (1, rest)) if rest else ((full, most),)


def gradient(
    spec: Spec,
) -> Callable[
    [PyTree, PyTree, BatchSource, jax.Array | None, jax.Array],
    tuple[tuple[jax.Array, PyTree], PyTree],
]:
    """The function (params, state, part, samples, key) -> ((loss, new state), gradient) of one batch.

    The batch is the rows `samples` of the part, or the whole part if None, in order or sharded. Rows are
    gathered one micro-batch at a time, so memory grows with those, not with the batch. Losses and gradients
    are summed over micro-batches and divided once by the batch size, so a smaller last one counts by its
    samples. The model's state passes from one to the next; the key of each is derived from (key, its number).
    """

    training_loss = spec.training_loss

    def losses(params: PyTree, state: PyTree, batch: SplitPart, key: jax.Array) -> tuple[jax.Array, PyTree]:
        outputs, new_state = spec.model.apply(Variables(params, state), batch.inputs, key, True)
        found = training_loss(outputs, batch.targets)
        return found if batch.weights is None else found * batch.weights, new_state

    def cut_short(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
        """The function applied to the samples without the part that is padding for all of them."""
        lengths = spec.layout.order.trim_lengths
        # Vmapped repeats would run the program of every length.
        if len(lengths) < 2 or spec.n_repeats > 1:
            return function

        def of_length(length: int) -> Callable[..., PyTree]:
            return lambda params, state, batch, key: function(
                params, state, batch._replace(inputs=batch.inputs[:, :length]), key
            )

        def switched(params: PyTree, state: PyTree, batch: SplitPart, key: jax.Array) -> PyTree:
            places = jnp.arange(1, batch.inputs.shape[1] + 1)
            longest = jnp.where((batch.inputs != 0).any(axis=0), places, 0).max()
            which = jnp.searchsorted(jnp.array(lengths), longest)
            return lax.switch(which, [of_length(length) for length in lengths], params, state, batch, key)

        return switched

    def gradient_of(reduced: Callable[[jax.Array], jax.Array]) -> Callable[..., PyTree]:
        def loss(params: PyTree, state: PyTree, batch: SplitPart, key: jax.Array) -> tuple[jax.Array, PyTree]:
            found, new_state = losses(params, state, batch, key)
            return reduced(found), new_state

        return cut_short(jax.value_and_grad(loss, has_aux=True))

    def of_batch(
        params: PyTree, state: PyTree, part: BatchSource, samples: jax.Array | None, key: jax.Array
    ) -> tuple[tuple[jax.Array, PyTree], PyTree]:
        size = size_of(part, samples)
        cut = micro_batches(size, spec.micro_batch)
        if cut == ((1, size),):
            batch = batch_of(spec, part, samples)
            return gradient_of(jnp.mean)(params, state, batch, key)
        of_micro_batch, most = gradient_of(jnp.sum), cut[0][1]

        def add(number: jax.Array | int, sums: PyTree, count: int = most) -> PyTree:
            loss, state, summed = sums
            batch = batch_of(spec, part, samples, number, count, most)
            own = jax.random.fold_in(key, number)
            (more, state), found = of_micro_batch(params, state, batch, own)
            return loss + more, state, jax.tree.map(jnp.add, summed, found)

        zeros = jax.tree.map(  # sums in 32 bits at least
            lambda leaf: jnp.zeros(leaf.shape, jnp.promote_types(leaf.dtype, jnp.float32)), params
        )
        sums = (jnp.float32(0), state, zeros)
        sums = lax.fori_loop(0, cut[0][0], add, sums)
        for _, rest in cut[1:]:
            sums = add(cut[0][0], sums, rest)
        loss, state, summed = sums
        means = jax.tree.map(lambda leaf, of: (leaf / size).astype(of.dtype), summed, params)
        return (loss / size, state), means

    return of_batch
