"""Dense and embedding layers, and the masked mean."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from epochal.models.dense import dense
from epochal.nn.start import Glorot, Start, rows, started


class Dense(nnx.Module):
    """`inputs @ kernel + bias`, lowered by size (`epochal.models.dense`).

    Args:
        features: of the inputs, their last axis.
        units: of the outputs.
        start: the initializer of the kernel; Glorot's by default.
        rngs: Flax's random numbers.

    >>> Dense(3, 2, rngs=nnx.Rngs(0))(jnp.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        start: Start = Glorot(),  # noqa: B008 - it is frozen
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = started(rngs, (features, units), start)
        self.bias = nnx.Param(jnp.zeros(units))

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Map (..., features) to (..., units)."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        return dense(flat, self.kernel[...], self.bias[...]).reshape(*inputs.shape[:-1], -1)


class Embed(nnx.Module):
    """An embedding layer.

    Args:
        vocabulary: number of tokens; ids are 0 to vocabulary - 1.
        features: size of an embedding, normal with variance 1 / features.
        rngs: Flax's random numbers.

    >>> Embed(10, 4, rngs=nnx.Rngs(0))(jnp.array([[1, 2, 0]])).shape
    (1, 3, 4)
    """

    def __init__(self, vocabulary: int, features: int, *, rngs: nnx.Rngs) -> None:
        self.table = started(rngs, (vocabulary, features), rows)

    def __call__(self, ids: jax.Array) -> jax.Array:
        """Map ids (...) to (..., features)."""
        return self.table[...][ids]


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean over time of unmasked positions; zeros if there are none.

    Args:
        values: (batch, time, features).
        mask: (batch, time), true where a position counts.

    >>> masked_mean(jnp.array([[[1.0], [3.0], [8.0]]]), jnp.array([[True, True, False]])).tolist()
    [[2.0]]
    """
    total = jnp.where(mask[..., None], values, 0).sum(axis=1)
    return total / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
