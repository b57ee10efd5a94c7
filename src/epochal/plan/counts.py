"""Counts of a plan: batches, batch sizes and updates of each epoch.

They need no samples. A pass through the samples is cut into segments of equally sized batches
(`epochal.plan.pass_schedule`); an epoch is a pass, or a number of updates across passes.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

from epochal.errors import Refusal
from epochal.plan.order import Order
from epochal.plan.pass_schedule import PassSchedule, Phase, Segments
from epochal.plan.phases import pass_schedule_of
from epochal.plan.remainder import REMAINDERS
from epochal.plan.sizes import BatchSchedule, Full, Scheduled, bounded

Regime = Literal["batch", "mini-batch", "stochastic"]


@dataclass(frozen=True, init=False, repr=False)
class Counts:
    """The counts of a `Plan`, which has the arguments."""

    samples: int
    batch_size: int
    epochs: int
    seed: int
    order: Order
    remainder: str
    updates_per_epoch: int | None

    @property
    def is_full(self) -> bool:
        """Whether the batch size is "full"."""
        return isinstance(self.batch_size, Full)

    @property
    def batch_schedule(self) -> BatchSchedule | None:
        """The schedule of batch sizes, None for a constant one; `batch_size` is then the first."""
        return self.batch_size.schedule if isinstance(self.batch_size, Scheduled) else None

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """All sizes that batches have, the largest first.

        >>> from epochal import Plan
        >>> Plan(614, 32, 1).batch_sizes
        (32, 6)
        """
        return tuple(sorted({size for phase in self.phases for _, size in phase.segments}, reverse=True))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Consecutive passes with the same batches: one phase, or several."""
        return tuple(phase for phase in self._schedule.phases if phase.first < self.passes.epochs)

    @cached_property
    def passes(self) -> Self:
        """The passes through the samples that the updates make, as a plan in which an epoch is a pass.

        The plan itself unless it has `updates_per_epoch`; then the last pass may have more updates.

        >>> from epochal import Plan
        >>> Plan(10, 5, 3, updates_per_epoch=3).passes.epochs
        5
        """
        if self.updates_per_epoch is None:
            return self
        size = self._batch_schedule_of_passes or ("full" if self.is_full else int(self.batch_size))
        passes = self._schedule.locate(self.updates - 1)[0] + 1
        return self.with_(batch_size=size, epochs=passes, updates_per_epoch=None)

    @property
    def positions_per_epoch(self) -> int:
        """Positions of an epoch: the samples, unless the order repeats or skips some."""
        return self.order.positions_per_epoch(self.samples)

    @property
    def batches_per_epoch(self) -> int:
        """Updates in one epoch; with `carry` the most; with a schedule those of epoch 0."""
        return self.batches_in(0)

    @property
    def updates(self) -> int:
        """Updates in all epochs."""
        return self.first_update(self.epochs)

    @property
    def segments(self) -> Segments:
        """The batches of an epoch (of epoch 0, with `carry`) as (how many, of which size) in their order.

        >>> from epochal import Plan
        >>> Plan(614, 32, 1).segments
        ((19, 32), (1, 6))
        """
        return self.segments_in(0)

    # Epochs and updates ------------------------------------------------------------------------------------

    def segments_in(self, epoch: int) -> Segments:
        """The batches of this epoch as (how many, of which size) in their order."""
        epoch = self._epoch(epoch)
        if self.updates_per_epoch is None:
            return self._schedule.segments(epoch)
        return self._schedule.between(self.first_update(epoch), self.first_update(epoch + 1))

    def batches_in(self, epoch: int) -> int:
        """How many batches start in this epoch."""
        if self.updates_per_epoch is not None:
            return self.updates_per_epoch if self._epoch(epoch) >= 0 else 0
        return sum(count for count, _ in self.segments_in(epoch))

    def left_out(self, epoch: int) -> int:
        """Positions of this epoch (of the passes that end in it) that are left out; only with `drop`."""
        if self._epoch(epoch) < 0 or self.remainder != "drop":
            return 0
        positions, passes = self.positions_per_epoch, self._schedule
        first, last = epoch, epoch + 1
        if self.updates_per_epoch is not None:
            first, last = (passes.locate(self.first_update(at))[0] for at in (first, last))
        return (last - first) * positions - (passes.samples_used(last) - passes.samples_used(first))

    def start(self, epoch: int) -> int:
        """The position of the epoch's order at which its first batch begins.

        0, except for `carry`, where the previous epoch's last batch borrowed the first ones, and for `drop`
        with a fixed order, where each epoch continues the last one.

        >>> from epochal import Plan
        >>> [Plan(1000, 400, 3, remainder="carry").start(epoch) for epoch in range(3)]
        [0, 200, 0]
        """
        epoch = self._epoch(epoch)
        if self.updates_per_epoch is None:
            return self._schedule.start(epoch)
        at, index = self._schedule.locate(self.first_update(epoch))
        return (self._schedule.start(at) + self.passes._slice(at, index)[0]) % self.positions_per_epoch

    def first_update(self, epoch: int) -> int:
        """The first update of the epoch, counted from 0 over the whole plan (of `epochs`: `updates`)."""
        epoch = self._epoch(epoch, self.epochs)
        if self.updates_per_epoch is not None:
            return epoch * self.updates_per_epoch
        return self._schedule.first_update(epoch)

    def locate(self, update: int) -> tuple[int, int]:
        """The epoch of an update and the index of its batch in that epoch.

        >>> from epochal import Plan
        >>> Plan(1000, 400, 3).locate(5)
        (1, 2)
        """
        update = index_within("update", update, self.updates)
        if self.updates_per_epoch is not None:
            return divmod(update, self.updates_per_epoch)
        return self._schedule.locate(update)

    def epochs_after(self, update: int) -> float:
        """The epochs, with a fraction, after so many updates.

        >>> from epochal import Plan
        >>> Plan(1000, 400, 3).epochs_after(4)
        1.3333333333333333
        """
        if update >= self.updates:
            return float(self.epochs)
        epoch, index = self.locate(update)
        return epoch + (index / self.batches_in(epoch) if index else 0.0)

    def samples_after(self, update: int) -> int:
        """Samples used after so many updates, repeats included.

        >>> from epochal import Plan
        >>> Plan(10, 4, 3).samples_after(5)
        18
        """
        epoch, index = self._schedule.locate(update)
        since = self._schedule.between(update - index, update)
        return self._schedule.samples_used(epoch) + sum(count * size for count, size in since)

    def with_(self, **changes: Any) -> Self:
        """The same plan with some of its arguments changed; a "full" batch stays full.

        >>> from epochal import Plan
        >>> Plan(200, "full", 10).with_(samples=100).batch_size
        100
        """
        return dataclasses.replace(self, **changes)

    @property
    def regime(self) -> Regime:
        """Batch gradient descent (all samples in each update), stochastic (one), or mini-batch (between)."""
        firsts = {phase.segments[0][1] for phase in self.phases}
        if self.order.once and firsts == {self.samples}:
            return "batch"
        return "stochastic" if firsts == {1} else "mini-batch"

    def by_remainder(self) -> dict[str, Self]:
        """The plan with each remainder policy that its order allows."""
        found = {}
        for name in REMAINDERS:
            with suppress(Refusal):
                found[name] = self.with_(remainder=name)
        return found

    @property
    def divides(self) -> bool:
        """Whether there is no remainder."""
        sizes, schedule = {int(self.batch_size)}, self._batch_schedule_of_passes
        if schedule is not None:
            end = self.updates if schedule.unit == "updates" else self.epochs
            begins = (begin for begin, _ in schedule.changes)
            each = zip(begins, schedule.sizes(self.positions_per_epoch), strict=True)
            sizes = {size for begin, size in each if begin < end}
            cut = {size for phase in self.phases for _, size in phase.segments}
            if cut - sizes or any(phase.used < self.positions_per_epoch for phase in self.phases):
                return False
        return all(self.positions_per_epoch % size == 0 for size in sizes)

    @property
    def outcome(self) -> str:
        """What happens to the remainder, in a few words.

        >>> from epochal import Plan
        >>> Plan(1000, 400, 1).outcome
        'a smaller last batch of 200'
        """
        if self.divides:
            return "none: every batch is full"
        if self.batch_schedule is not None:
            return _OUTCOMES[self.remainder]
        return REMAINDERS[self.remainder](self.positions_per_epoch, int(self.batch_size)).outcome

    # Inside ------------------------------------------------------------------------------------------------

    @cached_property
    def _schedule(self) -> PassSchedule:
        changes, remainder_policy = self._batch_schedule_of_passes, REMAINDERS[self.remainder]
        positions, size = self.positions_per_epoch, int(self.batch_size)
        return pass_schedule_of(remainder_policy, positions, self.order.fixed, size, changes)

    @property
    def _batch_schedule_of_passes(self) -> BatchSchedule | None:
        """The batch schedule in passes or updates, where an epoch is not a pass."""
        schedule = self.batch_schedule
        if schedule is None or self.updates_per_epoch is None or schedule.unit == "updates":
            return schedule
        return BatchSchedule({at * self.updates_per_epoch: size for at, size in schedule.changes}, "updates")

    def _epoch(self, epoch: int, most: int | None = None) -> int:
        return index_within("epoch", epoch, self.epochs if most is None else most + 1)

    def _slice(self, epoch: int, index: int) -> tuple[int, int]:
        """The offset of a batch from the beginning of the epoch's first batch, and its size."""
        offset = 0
        for count, size in self.segments_in(epoch):
            if index < count:
                return offset + index * size, size
            offset, index = offset + count * size, index - count
        raise AssertionError("an index within batches_in lies in a segment")


def index_within(name: str, value: object, count: int) -> int:
    """The index as an int, or a refusal unless it is in [0, count)."""
    return bounded(name, value, 0, count - 1, f"between 0 and {count - 1}")


_OUTCOMES = {
    "keep": "a smaller last batch",
    "drop": "left out, others in each epoch",
    "spread": "batch sizes of an epoch differ by at most one",
}
"""What happens to the remainder where the batch size changes."""
