"""Bucketed order: samples of similar length share a batch, each sample once per epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan import permutation
from epochal.plan.order import Arrays, Backend, OrderArrays, PerSample
from epochal.plan.pass_schedule import Segments
from epochal.plan.permutation import Int64s
from epochal.plan.sample_values import SampleValues
from epochal.plan.sizes import as_integer
from epochal.plan.threefry import Array, threefry2x32, uint32_words

_BATCHES = np.uint32(0x80000042)
"""Separates the stream that shuffles the batches from that of the samples."""


@dataclass(frozen=True)
class Buckets(PerSample):
    """Batches of samples of similar length, such as texts, shuffled anew in every epoch.

    In every epoch the samples are shuffled (as by `Shuffle`) and then sorted by bucket, keeping that order
    within each; the row is cut into batches, and the sequence of the batches is shuffled. So a batch holds
    samples of one bucket, or of two at their border. Where the batch size does not divide the samples, the
    smaller batch is cut out of the row at a random place and comes last.

    A training with this order trims the padding that a batch does not need, to one of `edges`: outputs of the
    model must not depend on padding.

    Args:
        count: buckets, at most; they have about the same number of samples.
        edges: the longest length of each bucket; by the lengths of all samples by default.
        lengths: the length of each sample, at least 0.

    >>> order = Buckets(2).bind([9, 1, 8, 2]).within(((2, 2),))
    >>> order.edges, order.samples(seed=0, epoch=0, count=4, positions=range(4)).tolist()
    ((2, 9), [0, 2, 1, 3])
    """

    count: int = 4
    edges: tuple[int, ...] = ()
    lengths: np.typing.ArrayLike | SampleValues | None = None
    size: int = 0
    """Samples of a full batch."""

    name: ClassVar[str] = "buckets"
    fixed: ClassVar[bool] = False
    needs: ClassVar[str] = "lengths"
    _field, _value = "lengths", "length"
    _remedy: ClassVar[str] = "the length of each sample: Buckets().bind(lengths)"

    def __post_init__(self) -> None:
        count = as_integer(self.count) or 0
        if count < 1:
            raise Refusal(f"count must be a whole number of buckets, at least 1; got {self.count!r}.")
        super().__post_init__()
        edges = tuple(int(edge) for edge in self.edges)
        known = np.empty(0, np.int64) if self.values is None else self.values
        if len(known) and not edges:
            at = [100 * (bucket + 1) / count for bucket in range(count)]
            found = np.percentile(np.maximum(known, 1), at, method="inverted_cdf")
            edges = tuple(int(edge) for edge in np.unique(found))
        if list(edges) != sorted(set(edges)) or (edges and edges[0] < 1):
            raise Refusal(f"edges must be lengths that rise, at least 1; got {edges}.")
        lowest, highest = (known.min(), known.max()) if len(known) else (0, 0)
        if len(known) and not 0 <= lowest <= highest <= edges[-1]:
            raise Refusal(
                f"lengths must be between 0 and {edges[-1]} (the last edge); got {lowest} to {highest}."
            )
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "edges", edges)

    @staticmethod
    def _read(values: np.typing.ArrayLike) -> Int64s:
        return np.asarray(values, np.int64).reshape(-1)

    @property
    def description(self) -> str:
        shown = ", ".join(map(str, self.edges))
        return f"samples of like length together (up to {shown}), batches shuffled in every epoch"

    @property
    def options(self) -> dict[str, Any]:
        return {"count": self.count, "edges": list(self.edges)}

    def bind(self, values: np.typing.ArrayLike) -> Buckets:
        """See `Order`; the edges stay as they are, if there are any."""
        return replace(self, lengths=values, size=0)

    @property
    def trim_lengths(self) -> tuple[int, ...]:
        return self.edges

    def check_batches(self, batch_size: int, remainder: str) -> None:
        if remainder not in ("keep", "drop"):
            raise Refusal(f'`remainder` must be keep or drop with order "buckets"; got "{remainder}".')

    def within(self, segments: Segments) -> Buckets:
        return replace(self, size=segments[0][1])

    @cached_property
    def arrays(self) -> Arrays:
        return {"buckets": np.searchsorted(self.edges, self._values).astype(np.int32)}

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        """See `Order`; computes a whole epoch, since a position depends on all lengths."""
        return _epoch(self, seed, epoch)[0][np.array(positions, np.int64, ndmin=1)]

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        return _epoch(self, seed, epoch)[1][np.array(values, np.int64, ndmin=1)]

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        xp = on.xp
        shuffled = permutation.table(seed_words, epoch, count, *on)
        alike = shuffled[xp.argsort(arrays["buckets"][shuffled], stable=True)]
        size = self.size
        full, rest = divmod(count, size)
        zero = seed_words[0:1] ^ seed_words[0:1]
        own = xp.concatenate(threefry2x32((seed_words[0:1], seed_words[1:2]), (zero ^ _BATCHES, zero)))
        # A smaller batch is the last one, wherever it lies in the sorted row.
        sequence = permutation.table(own, epoch, full + (rest > 0), *on)
        start = sequence * np.int32(size)
        if rest:
            start = xp.where(sequence > sequence[full], start - np.int32(size - rest), start)
        position = xp.arange(count, dtype=xp.int32)
        return alike[start[position // size] + position % size]


@lru_cache(maxsize=8)
def _epoch(order: Buckets, seed: int, epoch: int) -> tuple[Int64s, Int64s]:
    """The samples at all positions of an epoch, and the inverse."""
    count = len(order.arrays["buckets"])
    table = order.table(uint32_words(seed), np.uint32(epoch), count, arrays=order.arrays).astype(np.int64)
    inverse = np.empty(count, np.int64)
    inverse[table] = np.arange(count)
    return table, inverse
