"""One update: gradient, clipping, noise, optimizer.

The gradient is that of the mean of weight times loss over exactly the samples of the batch
(`engine.gradient`). Weights have mean one over the training samples, so a sample counts the same in any
batch, and the learning rate keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import optax

from epochal.engine.gradient import gradient, size_of
from epochal.engine.schedules import Rates, learning_rate
from epochal.engine.sharded import BatchSource, ShardedBatch
from epochal.engine.sparse_update import sparse_update, uses_sparse_update
from epochal.engine.spec import Spec
from epochal.engine.state import RepeatState, SplitPart
from epochal.models import PyTree

FLAT_LIMIT = 16_384
"""Most parameters that are kept as one vector: one loop instead of one per array (docs/log.md)."""

_NOISE, _NOISE_DECAY = 2**32 - 1, 0.55
"""The key index of gradient noise, which no micro-batch has; the exponent of its decay."""

SMALL_LEAF = 4096
"""Most numbers in an array whose gradient is checked in every update."""


class ParamRaveler:
    """How parameters shaped like `template` are kept between updates: as a tree, or few as one vector.

    As `jax.flatten_util.ravel_pytree`, without flattening trees of many parameters.
    """

    def __init__(self, spec: Spec, template: PyTree) -> None:
        self.leaves, self.tree = jax.tree.flatten(template)
        few = 0 < sum(prod(leaf.shape) for leaf in self.leaves) <= FLAT_LIMIT
        one_dtype = all(leaf.dtype == jnp.float32 for leaf in self.leaves)
        self.flat = spec.optimizer.elementwise and few and one_dtype

    def ravel(self, params: PyTree) -> PyTree:
        """The parameters as they are kept."""
        if not self.flat:
            return params
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(params)])

    def unravel(self, kept: PyTree) -> PyTree:
        """The parameters as the model takes them."""
        if not self.flat:
            return kept
        arrays, begin = [], 0
        for leaf in self.leaves:
            size = prod(leaf.shape)
            arrays.append(kept[begin : begin + size].reshape(leaf.shape))
            begin += size
        return jax.tree.unflatten(self.tree, arrays)


def make_update_step(spec: Spec, raveler: ParamRaveler) -> Callable[..., RepeatState]:
    """The pure function (repeat_state, part, key, pass_index, index, rates, update_index, samples=None).

    It returns the new state. The batch is the rows `samples` of the part, or all of it, possibly sharded.

    An update that is not finite (its loss, its new parameters or its gradient) is skipped: the repeat keeps
    its parameters, is marked as diverged at this index, and is frozen from then on, like a stopped repeat.
    """

    gradient_of = gradient(spec)

    def step(
        repeat_state: RepeatState,
        part: BatchSource,
        key: jax.Array,
        pass_index: jax.Array,
        index: jax.Array,
        rates: Rates,
        update_index: jax.Array,
        samples: jax.Array | None = None,
    ) -> RepeatState:
        key = jax.random.fold_in(jax.random.fold_in(key, pass_index), index)
        if spec.layout.drawn_by_weight:
            part = _unweighted(part)
        params = raveler.unravel(repeat_state.params)
        model_state = repeat_state.model
        if spec.stateful:
            model_state = jax.tree.map(
                lambda leaf: jnp.where(index == 0, jnp.zeros_like(leaf), leaf), model_state
            )
        transformation = spec.optimizer.with_rate(learning_rate(spec.schedule, rates, update_index))
        size = size_of(part, samples)
        if uses_sparse_update(spec) and not raveler.flat:
            alive = (repeat_state.status == 0) & (repeat_state.diverged_index < 0)
            loss, finite, params, optimizer = sparse_update(
                spec, transformation, params, repeat_state.optimizer, model_state, part, samples, key, alive
            )
            repeat_state = repeat_state._replace(params=params, optimizer=optimizer)
            return _counted(repeat_state, loss * size, alive, finite, index)
        (loss, model), grads = gradient_of(params, model_state, part, samples, key)
        processed_grads = raveler.ravel(grads)
        if spec.clip_norm is not None:  # Pascanu et al. 2013
            processed_grads, _ = optax.clip_by_global_norm(spec.clip_norm).update(
                processed_grads, optax.EmptyState()
            )
        processed_grads = _noisy(spec, processed_grads, raveler, key, update_index)
        updates, optimizer = transformation.update(
            processed_grads, repeat_state.optimizer, repeat_state.params
        )
        new_params = optax.apply_updates(repeat_state.params, updates)

        # New parameters in one vector are cheap to check; large arrays would need an extra pass over memory.
        # There, non-finite values show in the loss and in the gradients of the biases.
        checked = (
            new_params
            if raveler.flat
            else [leaf for leaf in jax.tree.leaves(grads) if leaf.size <= SMALL_LEAF]
        )
        finite = jnp.isfinite(loss) & _all_finite(checked)
        not_diverged = repeat_state.diverged_index < 0
        going = (repeat_state.status == 0) & not_diverged & finite

        def keep(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda a, b: jnp.where(going, a, b), new, old)

        updated = repeat_state._replace(
            params=keep(new_params, repeat_state.params),
            optimizer=keep(optimizer, repeat_state.optimizer),
            model=keep(model, repeat_state.model),
        )
        return _counted(updated, loss * size, (repeat_state.status == 0) & not_diverged, finite, index)

    return step


def _noisy(
    spec: Spec, grads: PyTree, raveler: ParamRaveler, key: jax.Array, update_index: jax.Array
) -> PyTree:
    """The gradient with normal noise of variance gradient_noise / (1 + t)^0.55 (Neelakantan et al. 2015).

    Drawn for each array by the key of the update, whether raveled or not.
    """
    if not spec.gradient_noise:
        return grads
    sd = jnp.sqrt(spec.gradient_noise / (1.0 + update_index) ** _NOISE_DECAY)
    leaves, tree = jax.tree.flatten(raveler.unravel(grads))
    keys = jax.random.split(jax.random.fold_in(key, _NOISE), len(leaves))
    drawn = [
        sd.astype(leaf.dtype) * jax.random.normal(own, leaf.shape, leaf.dtype)
        for own, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.map(jnp.add, grads, raveler.ravel(jax.tree.unflatten(tree, drawn)))


def _unweighted(part: BatchSource) -> SplitPart | ShardedBatch:
    if isinstance(part, ShardedBatch):
        return replace(part, part=part.part._replace(weights=None))
    return part._replace(weights=None)


def _counted(
    repeat_state: RepeatState, loss: jax.Array, alive: jax.Array, finite: jax.Array, index: jax.Array
) -> RepeatState:
    """The repeat with the batch's losses added (Kahan 1965), or marked as diverged at this update."""
    added = jnp.where(alive & finite, loss, 0.0) - repeat_state.running_rest
    total = repeat_state.running_loss + added
    return repeat_state._replace(
        running_loss=total,
        running_rest=(total - repeat_state.running_loss) - added,
        diverged_index=jnp.where(alive & ~finite, index, repeat_state.diverged_index),
    )


def _all_finite(tree: PyTree) -> jax.Array:
    """Whether all numbers are finite: finite ones times zero sum to zero."""
    total = sum((leaf * 0).sum() for leaf in jax.tree.leaves(tree))
    return jnp.isfinite(jnp.asarray(total, jnp.float32))
