"""Block order: consecutive samples stay together and in order; the blocks are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan import permutation
from epochal.plan.order import Backend, BuiltInOrder, OrderArrays
from epochal.plan.permutation import Int64s
from epochal.plan.sizes import as_integer
from epochal.plan.threefry import Array


@dataclass(frozen=True)
class Blocks(BuiltInOrder):
    """Blocks of consecutive samples stay together and in order; the blocks are shuffled in every epoch.

    The sequence is that of `Shuffle` for as many samples as there are blocks. The last block is shorter where
    `length` does not divide the samples; its place is shuffled like any other's.

    Args:
        length: samples of a block, at least 1; with 1 it is `Shuffle`.

    >>> Blocks(4).samples(seed=0, epoch=0, count=10, positions=range(10)).tolist()
    [4, 5, 6, 7, 8, 9, 0, 1, 2, 3]
    """

    length: int | None = None

    name: ClassVar[str] = "blocks"
    fixed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        length = as_integer(self.length)
        if self.length is not None and (length is None or length < 1):
            raise Refusal(f"`block_length` must be a whole number, at least 1; got {self.length!r}.")
        object.__setattr__(self, "length", length)

    @property
    def description(self) -> str:
        return f"blocks of {self._length:,} consecutive samples, their sequence shuffled in every epoch"

    @property
    def missing(self) -> str:
        return "the length of a block: `ep.Blocks(12)`" if self.length is None else ""

    @property
    def options(self) -> dict[str, Any]:
        return {"length": self.length}

    def check(self, samples: int) -> None:
        super().check(samples)
        if self._length > samples:
            raise Refusal(
                f"`block_length` must be between 1 and {samples} (the training samples); got {self.length}. "
                "Use a shorter one."
            )

    def notes(self, samples: int, batch_size: int) -> tuple[str, ...]:
        if batch_size % self._length == 0 and samples % self._length == 0:
            return ()
        if batch_size % self._length == 0:
            short = samples % self._length
            return (f"the last block has {short:,}; batches after it cut blocks",)
        return (f"batches of {batch_size:,} cut blocks of {self._length:,}; a multiple keeps them whole",)

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        blocks, at = self._count(count), np.array(positions, np.int64, ndmin=1)
        place, within = self._place(at, self._short_place(seed, epoch, blocks), count)
        return permutation.permute(seed, epoch, blocks, place) * self._length + within

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        blocks = self._count(count)
        block, within = np.divmod(np.array(values, np.int64, ndmin=1), self._length)
        place = permutation.inverse(seed, epoch, blocks, block)
        after = place > self._short_place(seed, epoch, blocks)
        return place * self._length + within - np.where(after, -count % self._length, 0)

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        xp = on.xp
        blocks = self._count(count)
        sequence = permutation.table(seed_words, epoch, blocks, *on)
        short = xp.argmax(sequence == blocks - 1).astype(xp.int32)
        place, within = self._place(xp.arange(count, dtype=xp.int32), short, count, xp)
        return (sequence[place] * np.int32(self._length) + within).astype(xp.int32)

    @property
    def _length(self) -> int:
        assert self.length is not None
        return self.length

    def _count(self, samples: int) -> int:
        return -(-samples // self._length)

    def _short_place(self, seed: int, epoch: int, count: int) -> int:
        """The place in the sequence of the last block, which may be shorter."""
        return int(permutation.inverse(seed, epoch, count, [count - 1])[0])

    def _place(
        self, positions: Array, short: Array, samples: int, xp: ModuleType = np
    ) -> tuple[Array, Array]:
        """The place in the sequence of each position, and its offset in that block."""
        length, missing = self._length, -samples % self._length
        if missing:
            # Positions after the short block are those of full blocks minus `missing`.
            end = short * length + (length - missing)
            positions = xp.where(positions >= end, positions + missing, positions)
        return positions // length, positions % length
