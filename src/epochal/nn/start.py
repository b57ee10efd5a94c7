"""Initializers of kernels.

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

from epochal.models.built_in import RECTIFIED

Start = Callable[[jax.Array], jax.Array]


def started(rngs: nnx.Rngs, shape: Sequence[int], start: Start) -> nnx.Param[jax.Array]:
    """A parameter of that shape."""
    return nnx.Param(start(jax.random.normal(rngs.params(), tuple(shape))), start=start)


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


def of_gates(normal: jax.Array) -> jax.Array:
    """Concatenated orthogonal square kernels (Saxe et al. 2014).

    >>> kernel = of_gates(jax.random.normal(jax.random.key(0), (3, 6)))[:, 3:]
    >>> bool(jnp.allclose(kernel.T @ kernel, jnp.eye(3), atol=1e-5))
    True
    """
    units = len(normal)
    stacked = normal.reshape(units, -1, units).swapaxes(0, 1)
    # In sequence: batched factorizations can deadlock (`engine.factorizing`).
    q, r = jax.lax.map(jnp.linalg.qr, stacked)
    # The signs of the diagonal make the distribution uniform over the orthogonal matrices (Mezzadri 2007).
    q = q * jnp.sign(jnp.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return q.swapaxes(0, 1).reshape(units, -1)


def rows(normal: jax.Array) -> jax.Array:
    """Rows of variance 1 / length, so of norm about 1, for embeddings."""
    return normal * normal.shape[-1] ** -0.5


def before(activation: str) -> Start:
    """The initializer before that activation: He's if it rectifies, else Glorot's."""
    return he if activation in RECTIFIED else Glorot()
