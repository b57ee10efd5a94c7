"""The batches of a plan: `batch` is a pure function without state, `find` its inverse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal
from epochal.plan.counts import Counts, index_within
from epochal.plan.named import order_named
from epochal.plan.order import Order
from epochal.plan.permutation import MOST_SAMPLES
from epochal.plan.remainder import REMAINDERS, remainder_named
from epochal.plan.sizes import BatchSchedule, Scheduled, batch_size_of, bounded, whole

Regime = Literal["batch", "mini-batch", "stochastic"]

_MOST_EPOCHS = 2**32 - 1
_MOST_SEED = 2**64 - 1


@dataclass(frozen=True, order=True)
class Turn:
    """One turn of a sample: `plan.batch(turn.epoch, turn.batch)[turn.slot]` is the sample."""

    update: int
    epoch: int
    batch: int
    slot: int


@dataclass(frozen=True, init=False, repr=False)
class Batches(Counts):
    """The batches of a plan; `Plan` documents the arguments."""

    def __init__(
        self,
        samples: int,
        batch_size: int | Literal["full"] | Mapping[int, Any] | BatchSchedule,
        epochs: int,
        seed: int = 0,
        order: str | Order = "shuffle",
        remainder: str = "keep",
        updates_per_epoch: int | None = None,
    ) -> None:
        samples = bounded("samples", samples, 1, MOST_SAMPLES, "between 1 and 2^62")
        least = "at least 1"
        epochs_bounds = least if (whole(epochs) or 0) <= _MOST_EPOCHS else f"at most {_MOST_EPOCHS}"
        order = order if isinstance(order, Order) else order_named(str(order))
        order.check(samples)
        turns = order.turns(samples)
        size = batch_size_of(batch_size, samples, turns)
        policy = remainder_named(str(remainder))
        for each in {size, *(size.schedule.sizes(turns) if isinstance(size, Scheduled) else ())}:
            order.check_batches(int(each), policy.name)
        values: dict[str, object] = {
            "samples": samples,
            "batch_size": size,
            "epochs": bounded("`epochs`", epochs, 1, _MOST_EPOCHS, epochs_bounds),
            "seed": bounded("`seed`", seed, 0, _MOST_SEED, "between 0 and 2^64 - 1"),
            "order": order.within(policy(turns, int(size)).segments()),
            "remainder": policy.name,
            "updates_per_epoch": updates_per_epoch
            if updates_per_epoch is None
            else bounded("`updates_per_epoch`", updates_per_epoch, 1, 2**62, "at least 1"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_pace(order)

    def __repr__(self) -> str:
        size: object = '"full"' if self.is_full else self.batch_schedule or int(self.batch_size)
        size = repr(size) if isinstance(size, BatchSchedule) else size
        pace = "" if self.updates_per_epoch is None else f", updates_per_epoch={self.updates_per_epoch}"
        return (
            f"{type(self).__name__}(samples={self.samples}, batch_size={size}, epochs={self.epochs}, "
            f'seed={self.seed}, order="{self.order.name}", remainder="{self.remainder}"{pace})'
        )

    @property
    def regime(self) -> Regime:
        """Batch gradient descent (all samples in each update), stochastic (one), or mini-batch (between)."""
        firsts = {phase.segments[0][1] for phase in self.phases}
        if self.order.once and firsts == {self.samples}:
            return "batch"
        return "stochastic" if firsts == {1} else "mini-batch"

    # Samples -----------------------------------------------------------------------------------------------

    def batch(self, epoch: int, index: int) -> npt.NDArray[np.int64]:
        """The samples of a batch: a pure function, in memory proportional to the batch.

        >>> Batches(10**12, 4, 1, seed=1).batch(0, 10**11).tolist()
        [864540389894, 808096262787, 850151953267, 870229723348]
        """
        return self.batches(epoch, index, 1)

    def batches(self, epoch: int, index: int, count: int) -> npt.NDArray[np.int64]:
        """The samples of `count` batches from `index` on, one batch after the other.

        Equal to `batch` for each of them, but faster: orders are vectorized over positions.

        >>> plan = Batches(10, 4, 1)
        >>> plan.batches(0, 1, 2).tolist() == [*plan.batch(0, 1).tolist(), *plan.batch(0, 2).tolist()]
        True
        """
        index = index_within("index", index, self.batches_in(epoch))
        last = index_within("index", index + count - 1, self.batches_in(epoch))
        if self.updates_per_epoch is not None:
            begin = self.first_update(epoch)
            updates = range(begin + index, begin + last + 1)
            return np.concatenate([self.passes.batch_of_update(update) for update in updates])
        offset, _ = self._slice(epoch, index)
        end = sum(self._slice(epoch, last))
        return self._taken(epoch, self.start(epoch) + offset, end - offset)

    def share(self, epoch: int, index: int, part: int, parts: int) -> npt.NDArray[np.int64]:
        """One shard of a batch for one of several devices or hosts: consecutive slots.

        All shards have `ceil(size / parts)` samples, but for the last ones, which may have fewer or none:
        that is how XLA divides an array. One after the other they are `batch`; each costs what it has.

        >>> plan = Batches(10, 10, 1)
        >>> [plan.share(0, 0, part, 4).tolist() for part in range(4)]
        [[4, 8, 7], [0, 1, 6], [9, 2, 3], [5]]
        """
        parts = bounded("parts", parts, 1, 2**31 - 1, "between 1 and 2^31 - 1")
        part = index_within("part", part, parts)
        index = index_within("index", index, self.batches_in(epoch))
        if self.updates_per_epoch is not None:
            return self.passes.share(*self.passes.locate(self.first_update(epoch) + index), part, parts)
        offset, size = self._slice(epoch, index)
        each = -(-size // parts)
        begin = min(part * each, size)
        return self._taken(epoch, self.start(epoch) + offset + begin, min(each, size - begin))

    def _taken(self, epoch: int, first: int, size: int) -> npt.NDArray[np.int64]:
        """The samples at `size` positions from `first` on, continued in the next epoch past the end."""
        here = max(0, min(size, self.turns - first))
        parts = [
            self.order.samples(self.seed, at, self.samples, np.arange(begin, begin + count, dtype=np.int64))
            for at, begin, count in (
                (epoch, first, here),
                (epoch + 1, max(0, first - self.turns), size - here),
            )
            if count
        ]
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])

    def batch_of_update(self, update: int) -> npt.NDArray[np.int64]:
        """The samples of an update, counted from 0 over the whole plan."""
        return self.batch(*self.locate(update))

    def find(self, sample: int, epoch: int) -> tuple[Turn, ...]:
        """All turns of a sample in an epoch: one, none if it was left out, several with some orders.

        With `carry` its batch may have started in the epoch before; `find(sample, epochs)` then answers for
        the samples that the very last batch borrowed.
        """
        sample = index_within("sample", sample, self.samples)
        if self.updates_per_epoch is not None:
            return self._find_among(sample, self._epoch(epoch))
        epoch = self._epoch(epoch, self.epochs if self.remainder == "carry" else self.epochs - 1)
        positions = self.order.positions(self.seed, epoch, self.samples, [sample]).tolist()
        return tuple(turn for position in positions if (turn := self._turn(epoch, position)) is not None)

    # Other plans, other forms ------------------------------------------------------------------------------

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
        sizes, schedule = {int(self.batch_size)}, self._schedule_of_passes
        if schedule is not None:
            end = self.updates if schedule.unit == "updates" else self.epochs
            begins = (begin for begin, _ in schedule.changes)
            each = zip(begins, schedule.sizes(self.turns), strict=True)
            sizes = {size for begin, size in each if begin < end}
            cut = {size for phase in self.phases for _, size in phase.segments}
            if cut - sizes or any(phase.used < self.turns for phase in self.phases):
                return False
        return all(self.turns % size == 0 for size in sizes)

    @property
    def outcome(self) -> str:
        """What happens to the remainder, in a few words.

        >>> Batches(1000, 400, 1).outcome
        'a smaller last batch of 200'
        """
        if self.divides:
            return "none: every batch is full"
        if self.batch_schedule is not None:
            return _OUTCOMES[self.remainder]
        return REMAINDERS[self.remainder](self.turns, int(self.batch_size)).outcome

    # Inside ------------------------------------------------------------------------------------------------

    def _check_pace(self, order: Order) -> None:
        if self.batch_schedule is not None:
            if self.remainder == "carry":
                raise Refusal(
                    '`remainder` must be keep, drop or spread where the batch_size changes; got "carry".'
                )
            if len({order.within(phase.segments) for phase in self._walk.phases}) > 1:
                raise Refusal(
                    f'order "{order.name}" composes batches of one size, and the batch_size changes; '
                    "give one batch_size, or another order."
                )
        if self.updates_per_epoch is not None and self._walk.locate(self.updates - 1)[0] >= _MOST_EPOCHS:
            raise Refusal(
                f"`updates_per_epoch` must make at most {_MOST_EPOCHS} passes through the samples; "
                f"{self.epochs} epochs of {self.updates_per_epoch} updates make more."
            )

    def _find_among(self, sample: int, epoch: int) -> tuple[Turn, ...]:
        """The turns of a sample in an epoch with `updates_per_epoch`, in any pass."""
        begin, end = self.first_update(epoch), self.first_update(epoch + 1)
        passes, borrowed = self.passes, self.remainder == "carry"
        first, last = (passes.locate(update)[0] for update in (begin, end - 1))
        found = [
            turn
            for at in range(first, last + 1 + borrowed)
            for turn in passes.find(sample, at)
            if begin <= turn.update < end
        ]
        return tuple(Turn(turn.update, epoch, turn.update - begin, turn.slot) for turn in sorted(found))

    def _turn(self, epoch: int, position: int) -> Turn | None:
        """The turn at a position of an epoch's order, None where it is left out or past the last epoch."""
        turn = self._walk.turn(epoch, position)
        if turn is None or turn[0] >= self.epochs:
            return None
        batch, slot = self._batch_and_slot(*turn)
        return Turn(self.first_update(turn[0]) + batch, turn[0], batch, slot)

    def _batch_and_slot(self, epoch: int, offset: int) -> tuple[int, int]:
        before = 0
        for count, size in self.segments_in(epoch):
            if offset < count * size:
                batch, slot = divmod(offset, size)
                return before + batch, slot
            before, offset = before + count, offset - count * size
        raise AssertionError("an offset within an epoch lies in a segment")


_OUTCOMES = {
    "keep": "a smaller last batch",
    "drop": "left out, others in each epoch",
    "spread": "batch sizes of an epoch differ by at most one",
}
"""What happens to the remainder where the batch size changes."""
