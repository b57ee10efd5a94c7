"""Dense and embedding layers, the masked mean, and initializers of kernels.

An initializer maps standard normal numbers to a kernel. A parameter keeps its initializer beside its value,
so that all kernels of a network come from one draw: compiling a random generator costs more than a small
network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp
from flax import nnx

from epochal.models.built_in import RECTIFIED, dense

Initializer = Callable[[jax.Array], jax.Array]


def make_param(rngs: nnx.Rngs, shape: Sequence[int], kernel_init: Initializer) -> nnx.Param[jax.Array]:
    """A parameter of that shape."""
    return nnx.Param(kernel_init(jax.random.normal(rngs.params(), tuple(shape))), kernel_init=kernel_init)


def he(normal: jax.Array) -> jax.Array:
    """Variance 2 / fan_in (He et al. 2015), for rectifying activations.

    >>> float(he(jnp.ones((8, 5)))[0, 0])
    0.5
    """
    return normal * (2 / prod(normal.shape[:-1])) ** 0.5


@dataclass(frozen=True)
class Glorot:
    """Variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010); of several gates, fan_out is that of one."""

    gates: int = 1

    def __call__(self, normal: jax.Array) -> jax.Array:
        """The kernel."""
        area, channels = prod(normal.shape[:-2]), normal.shape[-2]
        return normal * (2 / (area * (channels + normal.shape[-1] // self.gates))) ** 0.5


def orthogonal(normal: jax.Array) -> jax.Array:
    """Concatenated orthogonal square kernels (Saxe et al. 2014).

    >>> kernel = orthogonal(jax.random.normal(jax.random.key(0), (3, 6)))[:, 3:]
    >>> bool(jnp.allclose(kernel.T @ kernel, jnp.eye(3), atol=1e-5))
    True
    """
    units = len(normal)
    stacked = normal.reshape(units, -1, units).swapaxes(0, 1)
    # In sequence: batched factorizations can deadlock (`engine.lapack_deadlock`).
    q, r = jax.lax.map(jnp.linalg.qr, stacked)
    # The signs of the diagonal make the distribution uniform over the orthogonal matrices (Mezzadri 2007).
    q = q * jnp.sign(jnp.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return q.swapaxes(0, 1).reshape(units, -1)


def embedding_init(normal: jax.Array) -> jax.Array:
    """Rows of variance 1 / length, so of norm about 1, for embeddings."""
    return normal * normal.shape[-1] ** -0.5


def default_kernel_init(activation: str) -> Initializer:
    """The initializer before that activation: He's if it rectifies, else Glorot's."""
    return he if activation in RECTIFIED else Glorot()


class Dense(nnx.Module):
    """`inputs @ kernel + bias`, lowered by size (`epochal.models.built_in`).

    Args:
        features: of the inputs, their last axis.
        units: of the outputs.
        kernel_init: the initializer of the kernel; Glorot's by default.
        rngs: Flax's random numbers.

    >>> Dense(3, 2, rngs=nnx.Rngs(0))(jnp.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self, features: int, units: int, *, kernel_init: Initializer = Glorot(), rngs: nnx.Rngs
    ) -> None:
        self.kernel = make_param(rngs, (features, units), kernel_init)
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
        self.table = make_param(rngs, (vocabulary, features), embedding_init)

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
