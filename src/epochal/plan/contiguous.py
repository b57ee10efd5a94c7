"""Contiguous order, for stateful training: each slot of a batch follows its own consecutive samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan.order import Backend, BuiltInOrder, Order, OrderArrays
from epochal.plan.pass_schedule import Segments
from epochal.plan.permutation import Int64s
from epochal.plan.threefry import Array


@dataclass(frozen=True)
class Contiguous(BuiltInOrder):
    """Each slot of a batch follows its own stretch of consecutive samples, one per batch.

    The samples, in order, are cut into as many equal stretches as a batch has slots, so that what a slot
    sees in one batch is continued in the next. With k full batches, slot s of batch j holds sample
    `offset + s * k + j`. Samples that fill no batch are left out before and after the stretches: `offset`
    is the epoch's number modulo one more than there are, so that over the epochs each of them is used.

    >>> from epochal.plan import Plan
    >>> plan = Plan(13, 3, 2, order="contiguous", remainder="drop")
    >>> [plan.batch(0, j).tolist() for j in range(4)]
    [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    >>> plan.batch(1, 0).tolist()
    [1, 5, 9]
    """

    name: ClassVar[str] = "contiguous"
    description = "each slot of a batch goes on, in the next batch, with the sample that follows"
    fixed: ClassVar[bool] = False
    slots: int = field(default=1, init=False, repr=False)
    batches: int | None = field(default=None, init=False, repr=False)

    def check_batches(self, batch_size: int, remainder: str) -> None:
        if remainder == "carry":
            raise Refusal(
                '`remainder` must be keep, drop or spread with order "contiguous", whose batches are filled '
                'from one epoch; got "carry".'
            )

    def within(self, segments: Segments) -> Order:
        found = replace(self)
        count, size = segments[0] if segments else (None, 1)
        object.__setattr__(found, "slots", size)
        object.__setattr__(found, "batches", count)
        return found

    def _cut(self, epoch: Any, samples: int) -> tuple[int, int, Any]:
        """Number of batches, samples in them, and the samples before the first stretch in this epoch."""
        batches = samples // self.slots if self.batches is None else self.batches
        used = batches * self.slots
        return batches, used, epoch % (samples - used + 1)

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        batches, used, offset = self._cut(epoch, count)
        at = np.array(positions, np.int64, ndmin=1)
        inside: Int64s = offset + at % self.slots * batches + at // self.slots
        rest = at - used
        return np.where(rest < 0, inside, np.where(rest < offset, rest, at))

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        batches, used, offset = self._cut(epoch, count)
        value = np.array(values, np.int64, ndmin=1)
        slot, batch = np.divmod(value - offset, max(batches, 1))
        found: Int64s = np.where(value < offset, used + value, batch * self.slots + slot)
        return np.where(value >= offset + used, value, found)

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        xp = on.xp
        batches, used, offset = self._cut(epoch, count)
        offset = offset.astype(xp.int32)
        at = xp.arange(count, dtype=xp.int32)
        inside = offset + at % np.int32(self.slots) * np.int32(batches) + at // np.int32(self.slots)
        rest = at - np.int32(used)
        return xp.where(rest < 0, inside, xp.where(rest < offset, rest, at)).astype(xp.int32)
