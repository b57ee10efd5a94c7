"""Sharding of streamed batches: the samples of a batch that each device gets.

Each micro-batch, or the whole batch, is cut into consecutive shards, one a device, as XLA divides a sharded
axis: all of one width but for the last, which may be smaller or empty. Padding of smaller shards is cut off
before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax import lax
from numpy.typing import NDArray

from epochal.engine.state import SplitPart

EMPTY = -1
"""A row of a shard without a sample."""


def shard_rows(micro_batches: Sequence[tuple[int, int]], devices: int) -> NDArray[np.int64]:
    """The slot in the batch of each row of each device's shard, (devices, rows); -1 for none.

    >>> shard_rows([(1, 10)], 4)
    array([[ 0,  1,  2],
           [ 3,  4,  5],
           [ 6,  7,  8],
           [ 9, -1, -1]])
    >>> shard_rows([(2, 4), (1, 1)], 2)
    array([[ 0,  1,  4,  5,  8],
           [ 2,  3,  6,  7, -1]])
    """
    begin, shards = 0, []
    for size in (size for count, size in micro_batches for _ in range(count)):
        width = -(-size // devices)
        shard = np.full(devices * width, EMPTY, np.int64)
        shard[:size] = np.arange(begin, begin + size)
        shards.append(shard.reshape(devices, width))
        begin += size
    return np.concatenate(shards, axis=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ShardedBatch:
    """Samples sharded over devices."""

    part: SplitPart
    """Leaves (devices, rows, ...)."""
    size: int = jax.tree.static()
    """Number of samples."""

    def micro_batch(self, number: jax.Array | int, size: int, most: int) -> SplitPart:
        """The samples of a micro-batch, (size, ...), in their order; those before it have the size `most`."""

        def of(leaf: jax.Array) -> jax.Array:
            devices = leaf.shape[0]
            width, before = -(-size // devices), -(-most // devices)
            own = lax.dynamic_slice_in_dim(leaf, number * before, width, axis=1)
            return own.reshape(devices * width, *leaf.shape[2:])[:size]

        return jax.tree.map(of, self.part)

    def whole(self) -> SplitPart:
        """All samples, which were sharded as one micro-batch."""
        return self.micro_batch(0, self.size, self.size)


BatchSource = SplitPart | ShardedBatch  # a part, some of whose rows are the batch, or the batch itself
