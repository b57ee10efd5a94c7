"""Sparse updates: only the embedding rows that a batch reads.

A model of tables (embeddings) may say which rows a batch reads. Where the optimizer moves nothing without a
gradient (`sgd`, `adagrad`), only those rows, and their part of its state, are read and written: the
parameters are those of the whole gradient, and the cost does not grow with the vocabulary.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax

from epochal.engine.gradient import batch_of
from epochal.engine.sharded import BatchSource
from epochal.engine.spec import Spec
from epochal.models import Model, PyTree


@runtime_checkable
class RowModel(Model, Protocol):
    """A model without changing state whose parameters are tables (rows, columns)."""

    def rows(self, state: PyTree, inputs: jax.Array, key: jax.Array) -> PyTree:
        """The rows that a batch reads: a tree like the parameters, each int32 (reads,), with repetitions."""
        ...

    def of_rows(self, read: PyTree, rows: PyTree, inputs: jax.Array) -> jax.Array:
        """The outputs for a batch from the rows read, each (reads, columns)."""
        ...


def uses_sparse_update(spec: Spec) -> bool:
    """Whether the training uses sparse updates."""
    # Clipping needs the norm over all rows, and noise moves all of them.
    lazy = spec.optimizer.lazy and spec.clip_norm is None and not spec.gradient_noise
    return lazy and spec.micro_batch is None and isinstance(spec.model, RowModel)


def sparse_update(
    spec: Spec,
    transformation: optax.GradientTransformation,
    params: PyTree,
    optimizer: PyTree,
    state: PyTree,
    part: BatchSource,
    samples: jax.Array | None,
    key: jax.Array,
    alive: jax.Array,
) -> tuple[jax.Array, jax.Array, PyTree, PyTree]:
    """One update: (mean loss, whether all is finite, parameters, optimizer).

    Nothing changes unless `alive` and all is finite.
    """
    model: Any = spec.model
    batch = batch_of(spec, part, samples)
    rows = model.rows(state, batch.inputs, key)

    def mean(read: PyTree) -> jax.Array:
        losses = spec.training_loss(model.of_rows(read, rows, batch.inputs), batch.targets)
        return (losses if batch.weights is None else losses * batch.weights).mean()

    read = jax.tree.map(lambda table, at: table[at], params, rows)
    loss, found = jax.value_and_grad(mean)(read)
    gradient = jax.tree.map(lambda table, at, one: _summed(table.shape[0], at, one), params, rows, found)
    # The state of a lazy optimizer has only arrays shaped like the parameters.
    where = optax.tree_utils.tree_map_params(transformation, lambda _, at: at, optimizer, rows)
    own = jax.tree.map(lambda leaf, at: leaf[at], optimizer, where)
    change, after = transformation.update(gradient, own, read)
    moved = optax.apply_updates(read, change)
    finite = jnp.isfinite(loss) & jnp.array([jnp.isfinite(one).all() for one in jax.tree.leaves(moved)]).all()
    going = alive & finite

    def put(table: jax.Array, at: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
        # A row that was read several times is written several times, with equal values.
        return table.at[at].set(jnp.where(going, new, old))

    params = jax.tree.map(put, params, rows, moved, read)
    return loss, finite, params, jax.tree.map(put, optimizer, where, after, own)


def _summed(size: int, at: jax.Array, gradient: jax.Array) -> jax.Array:
    """For each read, the gradient of its row: the sum over all reads of that row."""
    count = at.shape[0]
    # The first read of a row owns it: the same on every device that adds up a part of them.
    owner = jnp.full(size, count, jnp.int32).at[at].min(jnp.arange(count, dtype=jnp.int32))[at]
    return jnp.zeros_like(gradient).at[owner].add(gradient)[owner]
