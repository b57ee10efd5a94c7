"""Sharding of streamed batches: the samples of a batch that each device gets.

Each piece of a batch (the batch, or a micro-batch) is cut into consecutive shares, one a device, as XLA
divides a sharded axis: all of one width but for the last, which may be smaller or empty. Padding of smaller
shares is cut off before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax import lax
from numpy.typing import NDArray

from epochal.engine.state import Part

EMPTY = -1
"""A slot without a sample."""


def slots(pieces: Sequence[tuple[int, int]], devices: int) -> NDArray[np.int64]:
    """The batch position of each slot of each device, (devices, slots); see `engine.gradient.pieces`.

    >>> slots([(1, 10)], 4)
    array([[ 0,  1,  2],
           [ 3,  4,  5],
           [ 6,  7,  8],
           [ 9, -1, -1]])
    >>> slots([(2, 4), (1, 1)], 2)
    array([[ 0,  1,  4,  5,  8],
           [ 2,  3,  6,  7, -1]])
    """
    begin, shares = 0, []
    for size in (size for count, size in pieces for _ in range(count)):
        width = -(-size // devices)
        share = np.full(devices * width, EMPTY, np.int64)
        share[:size] = np.arange(begin, begin + size)
        shares.append(share.reshape(devices, width))
        begin += size
    return np.concatenate(shares, axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ShardedBatch:
    """Samples sharded over devices."""

    part: Part
    """Leaves (devices, slots, ...)."""
    size: int = jax.tree.static()
    """Number of samples."""

    def piece(self, number: jax.Array | int, size: int, most: int) -> Part:
        """The samples of a piece, (size, ...), in their order; those before it have the size `most`."""

        def of(leaf: jax.Array) -> jax.Array:
            devices = leaf.shape[0]
            width, before = -(-size // devices), -(-most // devices)
            own = lax.dynamic_slice_in_dim(leaf, number * before, width, axis=1)
            return own.reshape(devices * width, *leaf.shape[2:])[:size]

        return jax.tree.map(of, self.part)

    def whole(self) -> Part:
        """All samples, which were sharded as one piece."""
        return self.piece(0, self.size, self.size)
