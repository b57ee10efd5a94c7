"""`Plan`: which samples form which update; `batch` is a pure function without state, `find` its inverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from epochal.errors import Refusal
from epochal.plan.audit import Audit, audit
from epochal.plan.counts import Counts, index_within
from epochal.plan.order import Order
from epochal.plan.order_registry import order_named
from epochal.plan.permutation import MAX_SAMPLES
from epochal.plan.remainder import remainder_named
from epochal.plan.sizes import BatchSchedule, Scheduled, as_integer, batch_size_of, bounded
from epochal.plan.summary import html, plan_json, summary

_MAX_EPOCHS = 2**32 - 1
_MAX_SEED = 2**64 - 1


@dataclass(frozen=True, order=True)
class SampleUse:
    """One use of a sample: `plan.batch(use.epoch, use.batch)[use.slot]` is the sample."""

    update: int
    epoch: int
    batch: int
    slot: int


@dataclass(frozen=True, init=False, repr=False)
class Plan(Counts):
    """Order + batch size + remainder + epochs: which samples form which update.

    Samples, epochs, batches, updates and slots count from 0, as indices do in Python. Screens, pages and the
    command line count from 1.

    Args:
        samples: the number of training samples, 1 to 2^62.
        batch_size: the samples of one update, 1 to `positions_per_epoch`, or "full" for all; or a mapping
            from the epoch at which a size begins to the size, or a `BatchSchedule`, which may count updates.
        epochs: passes through the samples, at least 1; with `updates_per_epoch`, how many times that
            many updates are made.
        seed: of the random order, 0 to 2^64 - 1.
        order: "shuffle" (a new random order in every epoch), "shuffle_once", "sequential", "replacement", or
            an `Order` such as `Blocks(12)` or `Stratified(labels)`.
        remainder: the samples that do not fill a batch: "keep" (a smaller last batch),
            "drop" (left out of this epoch), "spread" (batch sizes differ by at most one), "carry" (the last
            batch borrows from the next epoch).
        updates_per_epoch: the length of an epoch, instead of one pass through the samples; passes continue
            across the ends of epochs, so that no sample is favored.

    Raises:
        Refusal: an argument is out of bounds.

    Examples:
        >>> plan = Plan(samples=200, batch_size=5, epochs=1000)
        >>> plan.batches_per_epoch, plan.updates, plan.regime
        (40, 40000, 'mini-batch')
        >>> plan.batch(epoch=999, index=39).tolist()
        [184, 56, 20, 89, 31]
        >>> plan.find(sample=56, epoch=999)
        (SampleUse(update=39999, epoch=999, batch=39, slot=1),)
        >>> Plan(10, 5, 3, updates_per_epoch=3).find(sample=1, epoch=1)
        (SampleUse(update=4, epoch=1, batch=1, slot=4),)
        >>> [phase.segments for phase in Plan(10, {0: 2, 4: 5, 6: "full"}, 9).phases]
        [((5, 2),), ((2, 5),), ((1, 10),)]
        >>> Plan(614, 1000, 1)
        Traceback (most recent call last):
        epochal.errors.Refusal: batch_size must be between 1 and 614 (the training samples); got 1000. \
Use "full" for one batch per epoch.
    """

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
        samples = bounded("samples", samples, 1, MAX_SAMPLES, "between 1 and 2^62")
        from_one = "at least 1"
        epochs_bounds = from_one if (as_integer(epochs) or 0) <= _MAX_EPOCHS else f"at most {_MAX_EPOCHS}"
        order = order if isinstance(order, Order) else order_named(str(order))
        order.check(samples)
        positions = order.positions_per_epoch(samples)
        size = batch_size_of(batch_size, samples, positions)
        remainder_policy = remainder_named(str(remainder))
        for each in {size, *(size.schedule.sizes(positions) if isinstance(size, Scheduled) else ())}:
            order.check_batches(int(each), remainder_policy.name)
        values: dict[str, object] = {
            "samples": samples,
            "batch_size": size,
            "epochs": bounded("`epochs`", epochs, 1, _MAX_EPOCHS, epochs_bounds),
            "seed": bounded("`seed`", seed, 0, _MAX_SEED, "between 0 and 2^64 - 1"),
            "order": order.within(remainder_policy(positions, int(size)).segments()),
            "remainder": remainder_policy.name,
            "updates_per_epoch": updates_per_epoch
            if updates_per_epoch is None
            else bounded("`updates_per_epoch`", updates_per_epoch, 1, 2**62, "at least 1"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_schedule(order)

    def __repr__(self) -> str:
        size: object = '"full"' if self.is_full else self.batch_schedule or int(self.batch_size)
        size = repr(size) if isinstance(size, BatchSchedule) else size
        pace = "" if self.updates_per_epoch is None else f", updates_per_epoch={self.updates_per_epoch}"
        return (
            f"{type(self).__name__}(samples={self.samples}, batch_size={size}, epochs={self.epochs}, "
            f'seed={self.seed}, order="{self.order.name}", remainder="{self.remainder}"{pace})'
        )

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        return html(self)

    # Samples -----------------------------------------------------------------------------------------------

    def batch(self, epoch: int, index: int) -> np.typing.NDArray[np.int64]:
        """The samples of a batch: a pure function, in memory proportional to the batch.

        >>> Plan(10**12, 4, 1, seed=1).batch(0, 10**11).tolist()
        [864540389894, 808096262787, 850151953267, 870229723348]
        """
        return self.batches(epoch, index, 1)

    def batches(self, epoch: int, index: int, count: int) -> np.typing.NDArray[np.int64]:
        """The samples of `count` batches from `index` on, one batch after the other.

        Equal to `batch` for each of them, but faster: orders are vectorized over positions.

        >>> plan = Plan(10, 4, 1)
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

    def shard(self, epoch: int, index: int, shard: int, shards: int) -> np.typing.NDArray[np.int64]:
        """One shard of a batch for one of several devices or hosts: consecutive slots.

        All shards have `ceil(size / shards)` samples, but for the last ones, which may have fewer or none:
        that is how XLA divides an array. One after the other they are `batch`; each costs what it has.

        >>> plan = Plan(10, 10, 1)
        >>> [plan.shard(0, 0, shard, 4).tolist() for shard in range(4)]
        [[4, 8, 7], [0, 1, 6], [9, 2, 3], [5]]
        """
        shards = bounded("shards", shards, 1, 2**31 - 1, "between 1 and 2^31 - 1")
        shard = index_within("shard", shard, shards)
        index = index_within("index", index, self.batches_in(epoch))
        if self.updates_per_epoch is not None:
            return self.passes.shard(*self.passes.locate(self.first_update(epoch) + index), shard, shards)
        offset, size = self._slice(epoch, index)
        each = -(-size // shards)
        begin = min(shard * each, size)
        return self._taken(epoch, self.start(epoch) + offset + begin, min(each, size - begin))

    def _taken(self, epoch: int, first: int, size: int) -> np.typing.NDArray[np.int64]:
        """The samples at `size` positions from `first` on, continued in the next epoch past the end."""
        here = max(0, min(size, self.positions_per_epoch - first))
        found = [
            self.order.samples(self.seed, at, self.samples, np.arange(begin, begin + count, dtype=np.int64))
            for at, begin, count in (
                (epoch, first, here),
                (epoch + 1, max(0, first - self.positions_per_epoch), size - here),
            )
            if count
        ]
        return found[0] if len(found) == 1 else np.concatenate([np.empty(0, np.int64), *found])

    def batch_of_update(self, update: int) -> np.typing.NDArray[np.int64]:
        """The samples of an update, counted from 0 over the whole plan."""
        return self.batch(*self.locate(update))

    def find(self, sample: int, epoch: int) -> tuple[SampleUse, ...]:
        """All uses of a sample in an epoch: one, none if it was left out, several with some orders.

        With `carry` its batch may have started in the epoch before; `find(sample, epochs)` then answers for
        the samples that the very last batch borrowed.
        """
        sample = index_within("sample", sample, self.samples)
        if self.updates_per_epoch is not None:
            return self._find_among(sample, self._epoch(epoch))
        epoch = self._epoch(epoch, self.epochs if self.remainder == "carry" else self.epochs - 1)
        positions = self.order.positions(self.seed, epoch, self.samples, [sample]).tolist()
        return tuple(use for position in positions if (use := self._use_at(epoch, position)) is not None)

    def audit(self, labels: np.typing.ArrayLike | None = None, epochs: int | None = None) -> Audit:
        """Count classes per batch, uses per sample and samples left out over the first epochs.

        Args:
            labels: the class of each sample; by default those of a stratified or balanced order.
            epochs: how many, 10 or all of the plan's by default.

        >>> Plan(10, 3, 5).audit().max_uses
        5
        """
        return audit(self, self.batches, labels, epochs)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the outcome of each remainder policy."""
        return plan_json(self)

    # Inside ------------------------------------------------------------------------------------------------

    def _check_schedule(self, order: Order) -> None:
        if self.batch_schedule is not None:
            if self.remainder == "carry":
                raise Refusal(
                    '`remainder` must be keep, drop or spread where the `batch_size` changes; got "carry".'
                )
            if len({order.within(phase.segments) for phase in self._schedule.phases}) > 1:
                raise Refusal(
                    f'order "{order.name}" composes batches of one size, and the `batch_size` changes; '
                    "give one `batch_size`, or another order."
                )
        if self.updates_per_epoch is not None and self._schedule.locate(self.updates - 1)[0] >= _MAX_EPOCHS:
            raise Refusal(
                f"`updates_per_epoch` must make at most {_MAX_EPOCHS} passes through the samples; "
                f"{self.epochs} epochs of {self.updates_per_epoch} updates make more."
            )

    def _find_among(self, sample: int, epoch: int) -> tuple[SampleUse, ...]:
        """The uses of a sample in an epoch with `updates_per_epoch`, in any pass."""
        begin, end = self.first_update(epoch), self.first_update(epoch + 1)
        passes, borrowed = self.passes, self.remainder == "carry"
        first, last = (passes.locate(update)[0] for update in (begin, end - 1))
        found = [
            use
            for at in range(first, last + 1 + borrowed)
            for use in passes.find(sample, at)
            if begin <= use.update < end
        ]
        return tuple(SampleUse(use.update, epoch, use.update - begin, use.slot) for use in sorted(found))

    def _use_at(self, epoch: int, position: int) -> SampleUse | None:
        """The use at a position of an epoch's order, None where it is left out or past the last epoch."""
        found = self._schedule.locate_position(epoch, position)
        if found is None or found[0] >= self.epochs:
            return None
        batch, slot = self._batch_and_slot(*found)
        return SampleUse(self.first_update(found[0]) + batch, found[0], batch, slot)

    def _batch_and_slot(self, epoch: int, offset: int) -> tuple[int, int]:
        before = 0
        for count, size in self.segments_in(epoch):
            if offset < count * size:
                batch, slot = divmod(offset, size)
                return before + batch, slot
            before, offset = before + count, offset - count * size
        raise AssertionError("an offset within an epoch lies in a segment")
