"""Convolution as shifted slices and one matrix product, and max pooling over them.

    patches[b, y, x] = the kernel's window of inputs at (y, x), as one row
    outputs          = patches @ kernel

The gradients are products, too: that of the kernel is patchesᵀ @ gradient, that of the inputs adds the
columns of gradient @ kernelᵀ back where their slices came from. Patches are made again for it, so that
nothing but the inputs is kept between the two passes. Images of one channel need no patches, and windows of
3 x 3 over many channels have a way with fewer multiplications (`epochal.nn.winograd`).

Accelerators take the vendor's kernels. On a CPU, XLA's convolution inside a compiled loop is naive and
single-threaded, and this form is faster (docs/log.md).

The maximum of a pooling is taken over shifted slices, too, and the index of the winning slice is kept: the
gradient goes back to that slice, the first one among equals, as in PyTorch and XLA. The inputs need not be
kept. Used on every device: XLA's own gradient is slow on a CPU, and has no deterministic form on a GPU.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from epochal.errors import Refusal
from epochal.nn.basic import Initializer, he, make_param
from epochal.nn.winograd import Pads, convolve_3x3, gradient_3x3

Padding = str | Sequence[tuple[int, int]]
Sizes = tuple[int, ...]

MAX_TAPS = 16
"""Most window positions over one channel at which outputs are summed shifts instead of a product."""

MIN_CHANNELS = 8
"""Fewest channels at which Winograd's filtering saves more than its transforms cost."""

_AXES = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


def form() -> Literal["slices", "vendor"]:
    """The form that is fast on the default device."""
    return "slices" if jax.default_backend() == "cpu" else "vendor"


def padding_of(sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Padding) -> Pads:
    """The padding of each axis, for "SAME", "VALID" or pairs of numbers; too large a window is refused.

    >>> padding_of((28, 28), (3, 3), (1, 1), "SAME")
    ((1, 1), (1, 1))
    """
    if isinstance(padding, str):
        pads = tuple(lax.padtype_to_pads(sizes, window, strides, padding.upper()))
    else:
        pads = tuple((int(low), int(high)) for low, high in padding)
    for size, width, (low, high) in zip(sizes, window, pads, strict=True):
        if width > size + low + high:
            raise Refusal(
                f"a window of {_by(window)} must fit into what it slides over, {_by(sizes)}; got "
                f'{width} > {size + low + high}. Use a smaller window, padding="SAME", or larger inputs.'
            )
    return pads


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def convolve(
    inputs: jax.Array, kernel: jax.Array, strides: Sequence[int] = (), padding: Padding = "SAME"
) -> jax.Array:
    """Convolution (cross-correlation, as in other libraries).

    Args:
        inputs: (batch, width, channels) or (batch, height, width, channels).
        kernel: (width, channels, filters) or (height, width, channels, filters).
        strides: steps along each axis; 1 by default.
        padding: "SAME" (zeros, so that a stride of 1 keeps the size), "VALID" (none), or pairs (low, high).

    Computed in the dtype of the kernel.

    >>> convolve(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 2)))[0, :, :, 0].tolist()[0]
    [4.0, 6.0, 6.0, 4.0]
    """
    window = kernel.shape[:-2]
    steps = tuple(strides) or (1,) * len(window)
    pads = padding_of(inputs.shape[1:-1], window, steps, padding)
    inputs = inputs.astype(kernel.dtype)
    if form() == "slices":
        return _sliced(inputs, kernel, steps, pads)
    return lax.conv_general_dilated(inputs, kernel, steps, pads, dimension_numbers=_AXES[len(window)])


def slices(
    inputs: jax.Array, window: Sizes, strides: Sizes, pads: Pads, fill: float = 0
) -> Iterator[jax.Array]:
    """The inputs at each position of the window, (batch, *outputs, channels)."""
    if any(map(any, pads)):
        inputs = jnp.pad(inputs, ((0, 0), *pads, (0, 0)), constant_values=fill)
    batch, *sizes, channels = inputs.shape
    outputs = [(size - width) // step + 1 for size, width, step in zip(sizes, window, strides, strict=True)]
    for offset in itertools.product(*map(range, window)):
        ends = [low + (out - 1) * step + 1 for low, out, step in zip(offset, outputs, strides, strict=True)]
        yield lax.slice(inputs, (0, *offset, 0), (batch, *ends, channels), (1, *strides, 1))


def input_gradient(
    gradients: Iterable[jax.Array], shape: Sizes, window: Sizes, strides: Sizes, pads: Pads
) -> jax.Array:
    """The gradient of inputs of that shape from those of their `slices`, added up in float32."""
    total = jnp.zeros(shape, jnp.float32)
    for gradient, offset in zip(gradients, itertools.product(*map(range, window)), strict=True):
        # Spread by the strides, shifted, cut to the inputs.
        edges = [(0, 0, 0)]
        for at, step, (low, _), size, out in zip(
            offset, strides, pads, shape[1:-1], gradient.shape[1:-1], strict=True
        ):
            before = at - low
            edges.append((before, size - before - ((out - 1) * step + 1), step - 1))
        edges.append((0, 0, 0))
        total += lax.pad(gradient, jnp.zeros((), gradient.dtype), edges)
    return total


def _patches(inputs: jax.Array, window: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    """(batch, *outputs, window * channels): the window of inputs of each output, as a row."""
    shifted = list(slices(inputs, window, strides, pads))
    return jnp.concatenate(shifted, axis=-1) if len(shifted) > 1 else shifted[0]


def _way(kernel: jax.Array, strides: Sizes) -> str:
    """The form: "taps" sums, Winograd's filtering, or patches.

    In fewer than 32 bits patches, whose product accumulates in float32; the others would round each sum.
    """
    *window, channels, _ = kernel.shape
    if kernel.dtype != jnp.float32:
        return "patches"
    if prod(window) <= MAX_TAPS and channels == 1:
        return "taps"
    if tuple(window) == (3, 3) and set(strides) == {1} and channels >= MIN_CHANNELS:
        return "winograd"
    return "patches"


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _sliced(inputs: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads) -> jax.Array:
    return _forward(inputs, kernel, strides, pads)[0]


def _forward(inputs: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads) -> tuple[jax.Array, Any]:
    window, way = kernel.shape[:-2], _way(kernel, strides)
    if way == "winograd":
        outputs, residuals = convolve_3x3(inputs, kernel, pads)
        return outputs, (inputs, kernel, residuals)
    if way == "taps":
        shifted, taps = slices(inputs, window, strides, pads), kernel.reshape(-1, kernel.shape[-1])
        outputs = sum((one * tap for one, tap in zip(shifted, taps, strict=True)), jnp.zeros(()))
        # The barrier keeps each pooling window from recomputing its outputs.
        return lax.optimization_barrier(outputs), (inputs, kernel, None)
    patches = _patches(inputs, window, strides, pads)
    outputs = patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return outputs.reshape(*patches.shape[:-1], kernel.shape[-1]), (inputs, kernel, None)


def _backward(strides: Sizes, pads: Pads, residuals: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    inputs, kernel, transformed = residuals
    window, (channels, filters) = kernel.shape[:-2], kernel.shape[-2:]
    way = _way(kernel, strides)
    if way == "winograd":
        return gradient_3x3(transformed, gradient, inputs.shape, pads)
    rows = gradient.reshape(-1, filters)
    if way == "taps":
        columns_of = jnp.stack(list(slices(inputs, window, strides, pads))).reshape(prod(window), -1)
        of_kernel = (columns_of @ rows).reshape(kernel.shape)
    else:
        patches = _patches(inputs, window, strides, pads)
        of_kernel = (patches.reshape(len(rows), -1).T @ rows).reshape(kernel.shape)

    columns = (rows @ kernel.reshape(-1, filters).T).reshape(*gradient.shape[:-1], prod(window), channels)
    shifted = (columns[..., number, :] for number in range(prod(window)))
    return input_gradient(shifted, inputs.shape, window, strides, pads).astype(inputs.dtype), of_kernel


_sliced.defvjp(_forward, _backward)


class Conv(nnx.Module):
    """A convolution over one or two axes, with a bias.

    Args:
        channels: of the inputs.
        filters: of the outputs.
        kernel: the size of the window, (width,) or (height, width).
        strides, padding: as for `convolve`.
        bias: whether to add one.
        kernel_init: the initializer of the kernel; He's by default.
        rngs: Flax's random numbers.

    >>> layer = Conv(1, 8, (3, 3), rngs=nnx.Rngs(0))
    >>> layer(jnp.zeros((2, 28, 28, 1))).shape
    (2, 28, 28, 8)
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: Sequence[int],
        *,
        strides: Sequence[int] = (),
        padding: Padding = "SAME",
        bias: bool = True,
        kernel_init: Initializer = he,
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = make_param(rngs, (*kernel, channels, filters), kernel_init)
        self.bias = nnx.Param(jnp.zeros(filters)) if bias else nnx.data(None)
        self.strides = tuple(strides)
        self.padding = padding if isinstance(padding, str) else tuple((low, high) for low, high in padding)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Map (batch, ..., channels) to (batch, ..., filters)."""
        outputs = convolve(inputs, self.kernel[...], self.strides, self.padding)
        return outputs if self.bias is None else outputs + self.bias[...]


# Pooling ----------------------------------------------------------------------------------------------------


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
    pads = padding_of(inputs.shape[1:-1], sizes, steps, padding)
    return _largest(inputs, inputs.shape[1:-1], sizes, steps, pads)


def _pool_forward(
    inputs: jax.Array, sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads
) -> tuple[jax.Array, jax.Array]:
    dtype = jnp.int8 if prod(window) < 128 else jnp.int32
    most, *others = slices(inputs, window, strides, pads, fill=-jnp.inf)
    where = jnp.zeros(most.shape, dtype)
    for number, one in enumerate(others, start=1):
        larger = one > most
        most, where = jnp.where(larger, one, most), jnp.where(larger, dtype(number), where)
    return most, where


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _largest(inputs: jax.Array, sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    return _pool_forward(inputs, sizes, window, strides, pads)[0]


def _pool_backward(
    sizes: Sizes, window: Sizes, strides: Sizes, pads: Pads, where: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
    if window == strides and all(pad == (0, 0) for pad in pads):
        return (_tiled(sizes, window, where, gradient),)
    zero = jnp.zeros((), gradient.dtype)
    shifted = (jnp.where(where == number, gradient, zero) for number in range(prod(window)))
    shape = (len(gradient), *sizes, gradient.shape[-1])
    return (input_gradient(shifted, shape, window, strides, pads).astype(gradient.dtype),)


def _tiled(sizes: Sizes, window: Sizes, where: jax.Array, gradient: jax.Array) -> jax.Array:
    """The gradient of windows that do not overlap: each input belongs to at most one."""
    axes = tuple(range(2, 2 + 2 * len(window), 2))
    numbers = jnp.arange(prod(window), dtype=where.dtype).reshape([n for w in window for n in (1, w)] + [1])
    mine = jnp.expand_dims(where, axes) == numbers
    scattered = jnp.where(mine, jnp.expand_dims(gradient, axes), jnp.zeros((), gradient.dtype))
    covered = [out * width for out, width in zip(gradient.shape[1:-1], window, strict=True)]
    whole = scattered.reshape(len(gradient), *covered, -1)
    rest = [(0, size - done) for size, done in zip(sizes, covered, strict=True)]
    return jnp.pad(whole, ((0, 0), *rest, (0, 0))) if any(high for _, high in rest) else whole


_largest.defvjp(_pool_forward, _pool_backward)
