"""Max pooling with a fast, deterministic gradient.

The maximum is taken over shifted slices, and the index of the winning slice is kept: the gradient goes back
to that slice, the first one among equals, as in PyTorch and XLA. The inputs need not be kept. Used on every
device: XLA's own gradient is slow on a CPU, and has no deterministic form on a GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod

import jax
import jax.numpy as jnp

from epochal.nn.convolution import Padding, Pads, Sizes, slices, spread, windows


def max_pool(
    inputs: jax.Array, window: Sequence[int], strides: Sequence[int] = (), padding: Padding = "VALID"
) -> jax.Array:
    """Max pooling.

    Args:
        inputs: (batch, ..., channels), with the axes of the window between.
        window: the size along each axis.
        strides: steps along each axis; the window's size by default.
        padding: "VALID" (a rest at the end is dropped), "SAME", or pairs (low, high).

    >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), (2, 2))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    sizes, steps = tuple(window), tuple(strides) or tuple(window)
    pads = windows(inputs.shape[1:-1], sizes, steps, padding)
    return _largest(inputs, inputs.shape[1:-1], sizes, steps, pads)


def _forward(
    inputs: jax.Array, sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads
) -> tuple[jax.Array, jax.Array]:
    """The largest values, and the slice index of each."""
    dtype = jnp.int8 if prod(window) < 128 else jnp.int32
    most, *others = slices(inputs, window, strides, pads, fill=-jnp.inf)
    where = jnp.zeros(most.shape, dtype)
    for number, one in enumerate(others, start=1):
        larger = one > most
        most, where = jnp.where(larger, one, most), jnp.where(larger, dtype(number), where)
    return most, where


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _largest(inputs: jax.Array, sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    return _forward(inputs, sizes, window, strides, pads)[0]


def _backward(
    sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads, where: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
    if window == strides and all(pad == (0, 0) for pad in pads):
        return (_tiled(sizes, window, where, gradient),)
    zero = jnp.zeros((), gradient.dtype)
    parts = (jnp.where(where == number, gradient, zero) for number in range(prod(window)))
    shape = (len(gradient), *sizes, gradient.shape[-1])
    return (spread(parts, shape, window, strides, pads).astype(gradient.dtype),)


def _tiled(sizes: Sizes, window: Sizes, where: jax.Array, gradient: jax.Array) -> jax.Array:
    """The gradient of windows that do not overlap: each input belongs to at most one."""
    axes = tuple(range(2, 2 + 2 * len(window), 2))
    numbers = jnp.arange(prod(window), dtype=where.dtype).reshape([n for w in window for n in (1, w)] + [1])
    mine = jnp.expand_dims(where, axes) == numbers
    spread = jnp.where(mine, jnp.expand_dims(gradient, axes), jnp.zeros((), gradient.dtype))
    covered = [out * width for out, width in zip(gradient.shape[1:-1], window, strict=True)]
    whole = spread.reshape(len(gradient), *covered, -1)
    rest = [(0, size - done) for size, done in zip(sizes, covered, strict=True)]
    return jnp.pad(whole, ((0, 0), *rest, (0, 0))) if any(high for _, high in rest) else whole


_largest.defvjp(_forward, _backward)
