"""Winograd's 3 x 3 convolution, with less than half of the multiplications.

Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray 2016): two outputs of a filter of three taps need
four multiplications instead of six, and in two dimensions 16 instead of 36,

    outputs = Aᵀ [(G kernel Gᵀ) ⊙ (Bᵀ tile B)] A,

with a tile of 4 x 4 inputs for 2 x 2 outputs. Summed over channels, each of the 16 products is a matrix
product over all tiles. The gradients are the adjoints of the same steps, so they save as much.

Values are kept as lists of rows of arrays: place (r, c) of all tiles is one array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], ...]
Grid = list[list[jax.Array]]
Step = Callable[..., tuple[jax.Array, ...]]


def _b_transposed(d0: Any, d1: Any, d2: Any, d3: Any) -> tuple[Any, ...]:
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _b(v0: Any, v1: Any, v2: Any, v3: Any) -> tuple[Any, ...]:
    return v0, v1 - v2 + v3, v1 + v2 - v0, -v3


def _a_transposed(m0: Any, m1: Any, m2: Any, m3: Any) -> tuple[Any, ...]:
    return m0 + m1 + m2, m1 - m2 - m3


def _a(y0: Any, y1: Any) -> tuple[Any, ...]:
    return y0, y0 + y1, y0 - y1, -y1


def _g(k0: Any, k1: Any, k2: Any) -> tuple[Any, ...]:
    return k0, (k0 + k1 + k2) / 2, (k0 - k1 + k2) / 2, k2


def _g_transposed(u0: Any, u1: Any, u2: Any, u3: Any) -> tuple[Any, ...]:
    return u0 + (u1 + u2) / 2, (u1 - u2) / 2, (u1 + u2) / 2 + u3


def _both_ways(step: Step, grid: Sequence[Sequence[Any]]) -> Grid:
    """A one-dimensional step applied to the rows and columns of a grid."""
    columns = [step(*column) for column in zip(*grid, strict=True)]
    return [list(step(*row)) for row in zip(*columns, strict=True)]


def _flat(grid: Grid) -> jax.Array:
    """(16, tiles, channels) of a 4 x 4 grid."""
    stacked = jnp.stack([one for row in grid for one in row])
    return stacked.reshape(16, -1, stacked.shape[-1])


def _grid(flat: jax.Array, batch: int, high: int, wide: int) -> Grid:
    parts = flat.reshape(4, 4, batch, high, wide, flat.shape[-1])
    return [[parts[row, column] for column in range(4)] for row in range(4)]


def _woven(grid: Grid) -> jax.Array:
    """(batch, 2 high, 2 wide, channels) from even and odd rows and columns."""
    batch, high, wide, channels = grid[0][0].shape
    rows = [jnp.stack(row, axis=3) for row in grid]
    return jnp.stack(rows, axis=2).reshape(batch, 2 * high, 2 * wide, channels)


def _tiles(inputs: jax.Array, pads: Pads) -> tuple[int, int]:
    sizes = [size + low + high - 2 for size, (low, high) in zip(inputs.shape[1:3], pads, strict=True)]
    return -(-sizes[0] // 2), -(-sizes[1] // 2)


def _of_inputs(inputs: jax.Array, pads: Pads) -> jax.Array:
    """Bᵀ tile B for all tiles."""
    batch, *sizes, channels = inputs.shape
    high, wide = _tiles(inputs, pads)
    edges = [
        (low, 2 * count + 2 - size - low)
        for size, count, (low, _) in zip(sizes, (high, wide), pads, strict=True)
    ]
    padded = jnp.pad(inputs, ((0, 0), *edges, (0, 0)))

    def place(row: int, column: int) -> jax.Array:
        end = (batch, row + 2 * high - 1, column + 2 * wide - 1, channels)
        return lax.slice(padded, (0, row, column, 0), end, (1, 2, 2, 1))

    return _flat(_both_ways(_b_transposed, [[place(row, c) for c in range(4)] for row in range(4)]))


def convolve_3x3(inputs: jax.Array, kernel: jax.Array, pads: Pads) -> tuple[jax.Array, Any]:
    """The convolution with a stride of 1, and the residuals of its gradient.

    Args:
        inputs: (batch, height, width, channels).
        kernel: (3, 3, channels, filters).
        pads: zeros before and after each axis.
    """
    batch, height, width, _ = inputs.shape
    high, wide = _tiles(inputs, pads)
    tiles = _of_inputs(inputs, pads)
    taps = _flat(_both_ways(_g, [[kernel[row, column] for column in range(3)] for row in range(3)]))
    products = jnp.einsum("ntc,nco->nto", tiles, taps)
    woven = _woven(_both_ways(_a_transposed, _grid(products, batch, high, wide)))
    return woven[:, : height + sum(pads[0]) - 2, : width + sum(pads[1]) - 2], (tiles, taps)


def gradient_3x3(
    residuals: Any, gradient: jax.Array, shape: tuple[int, ...], pads: Pads
) -> tuple[jax.Array, jax.Array]:
    """The gradients with respect to the inputs, of that shape, and the kernel."""
    tiles, taps = residuals
    batch, height, width, channels = shape
    filters = gradient.shape[-1]
    high, wide = -(-gradient.shape[1] // 2), -(-gradient.shape[2] // 2)
    even = jnp.pad(
        gradient, ((0, 0), (0, 2 * high - gradient.shape[1]), (0, 2 * wide - gradient.shape[2]), (0, 0))
    ).reshape(batch, high, 2, wide, 2, filters)
    products = _flat(_both_ways(_a, [[even[:, :, r, :, c] for c in range(2)] for r in range(2)]))

    of_taps = jnp.einsum("ntc,nto->nco", tiles, products).reshape(4, 4, channels, filters)
    of_kernel = _both_ways(_g_transposed, [[of_taps[r, c] for c in range(4)] for r in range(4)])

    of_tiles = _grid(jnp.einsum("nto,nco->ntc", products, taps), batch, high, wide)
    places = _both_ways(_b, of_tiles)
    # Tiles overlap by two: places 0 and 2 of neighbors are the same input, as are 1 and 3.
    rows = [_folded([places[row][column] for row in range(4)], axis=1) for column in range(4)]
    folded = [_folded([rows[column][parity] for column in range(4)], axis=2) for parity in range(2)]
    (top, _), (left, _) = pads
    of_inputs = _woven(folded)[:, top : top + height, left : left + width]
    return of_inputs, jnp.stack([jnp.stack(row) for row in of_kernel])


def _folded(places: list[jax.Array], axis: int) -> list[jax.Array]:
    """Sums of overlapping places along an axis: at even inputs, at odd ones."""
    after = [(0, 1) if one == axis else (0, 0) for one in range(4)]
    before = [(1, 0) if one == axis else (0, 0) for one in range(4)]
    return [jnp.pad(places[one], after) + jnp.pad(places[one + 2], before) for one in range(2)]
