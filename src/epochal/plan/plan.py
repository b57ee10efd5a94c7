"""Which samples form which update?

An epoch is an order of the samples, a batch is a slice of it. `Plan` answers both ways without storing
either: `batch` is a pure function, `find` its inverse.
"""

from __future__ import annotations

import dataclasses
import operator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal
from epochal.plan.named import order_named
from epochal.plan.order import Order
from epochal.plan.permutation import MOST_SAMPLES
from epochal.plan.remainder import REMAINDERS, Segments, remainder_named

if TYPE_CHECKING:
    from epochal.plan.audit import Audit

__all__ = ["Full", "Plan", "Regime", "Turn"]

Regime = Literal["batch", "mini-batch", "stochastic"]

_MOST_EPOCHS = 2**32 - 1
_MOST_SEED = 2**64 - 1


class Full(int):
    """The batch size that "full" stands for: all samples, of another number of them too.

    It is an int for all purposes; `dataclasses.replace(plan, samples=...)` reads it as "full" again.
    """


@dataclass(frozen=True, order=True)
class Turn:
    """One turn of a sample: `plan.batch(turn.epoch, turn.batch)[turn.slot]` is the sample."""

    update: int
    epoch: int
    batch: int
    slot: int


def _whole(value: object) -> int | None:
    """The value as an int if it is a whole number by type (NumPy's too, bool not), else None."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _bounded(name: str, value: object, least: int, most: int, bounds: str, remedy: str = "") -> int:
    whole = _whole(value)
    if whole is None:
        shown = f'"{value}"' if isinstance(value, str) else value
        raise Refusal(f"{name} must be a whole number {bounds}; got {shown}.{remedy}")
    if not least <= whole <= most:
        raise Refusal(f"{name} must be {bounds}; got {whole}.{remedy}")
    return whole


def _batch_size(value: object, samples: int, turns: int) -> int:
    if isinstance(value, Full) or (isinstance(value, str) and value == "full"):
        return Full(turns)
    what = "the training samples" if turns == samples else "the turns of an epoch"
    bounds = f"between 1 and {turns} ({what})"
    return _bounded("batch_size", value, 1, turns, bounds, ' Use "full" for one batch per epoch.')


@dataclass(frozen=True, init=False, repr=False)
class Plan:
    """Order + batch size + remainder + epochs: which samples form which update.

    Args:
        samples: the number of training samples, 1 to 2^62.
        batch_size: the samples of one update, 1 to `turns`, or "full" for all of them.
        epochs: how often each sample has its turn, at least 1.
        seed: which random order, 0 to 2^64 - 1.
        order: "shuffle" (a new random order in every epoch), "shuffle_once", "sequential", "replacement", or
            an `Order` such as `Blocks(12)` or `Stratified(labels)`.
        remainder: what becomes of the samples that do not fill a batch: "keep" (a smaller last batch),
            "drop" (left out of this epoch), "spread" (batch sizes differ by at most one), "carry" (the last
            batch borrows from the next epoch).

    Raises:
        Refusal: where one of these is out of its bounds.

    Examples:
        >>> plan = Plan(samples=200, batch_size=5, epochs=1000)
        >>> plan.batches_per_epoch, plan.updates, plan.regime
        (40, 40000, 'mini-batch')
        >>> plan.batch(epoch=999, index=39).tolist()
        [184, 56, 20, 89, 31]
        >>> plan.find(sample=56, epoch=999)
        (Turn(update=39999, epoch=999, batch=39, slot=1),)
        >>> Plan(614, 1000, 1)
        Traceback (most recent call last):
        epochal.errors.Refusal: batch_size must be between 1 and 614 (the training samples); got 1000. \
Use "full" for one batch per epoch.
    """

    samples: int
    batch_size: int
    epochs: int
    seed: int
    order: Order
    remainder: str

    def __init__(
        self,
        samples: int,
        batch_size: int | Literal["full"],
        epochs: int,
        seed: int = 0,
        order: str | Order = "shuffle",
        remainder: str = "keep",
    ) -> None:
        samples = _bounded("samples", samples, 1, MOST_SAMPLES, "between 1 and 2^62")
        least = "at least 1"
        epochs_bounds = least if (_whole(epochs) or 0) <= _MOST_EPOCHS else f"at most {_MOST_EPOCHS}"
        order = order if isinstance(order, Order) else order_named(str(order))
        order.check(samples)
        turns = order.turns(samples)
        size = _batch_size(batch_size, samples, turns)
        policy = remainder_named(str(remainder))
        order.check_batches(size, policy.name)
        values: dict[str, object] = {
            "samples": samples,
            "batch_size": size,
            "epochs": _bounded("epochs", epochs, 1, _MOST_EPOCHS, epochs_bounds),
            "seed": _bounded("seed", seed, 0, _MOST_SEED, "between 0 and 2^64 - 1"),
            "order": order.within(policy.segments(turns, int(size))),
            "remainder": policy.name,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        size = '"full"' if self.is_full else self.batch_size
        return (
            f"Plan(samples={self.samples}, batch_size={size}, epochs={self.epochs}, seed={self.seed}, "
            f'order="{self.order.name}", remainder="{self.remainder}")'
        )

    def __str__(self) -> str:
        from epochal.plan.summary import summary  # which imports this module

        return summary(self)

    # What is known before any epoch ------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the batch size was given as "full"."""
        return isinstance(self.batch_size, Full)

    @property
    def turns(self) -> int:
        """Positions of an epoch: the samples, but for an order that repeats some or skips some."""
        return self.order.turns(self.samples)

    @property
    def regime(self) -> Regime:
        """Batch gradient descent (all samples in each update), stochastic (one), or mini-batch (between)."""
        largest = self.segments[0][1]
        if self.order.once and largest == self.samples:
            return "batch"
        return "stochastic" if largest == 1 else "mini-batch"

    @property
    def batches_per_epoch(self) -> int:
        """Updates in one epoch; with `carry`, where that varies by one, the most."""
        return self.batches_in(0)

    @property
    def updates(self) -> int:
        """Updates in all epochs."""
        return self.first_update(self.epochs)

    @property
    def segments(self) -> Segments:
        """The batches of an epoch (of epoch 0, with `carry`) as (how many, of which size) in their order.

        >>> Plan(614, 32, 1).segments
        ((19, 32), (1, 6))
        """
        return self.segments_in(0)

    # Epochs and updates ------------------------------------------------------------------------------------

    def segments_in(self, epoch: int) -> Segments:
        """The batches of this epoch as (how many, of which size) in their order."""
        return REMAINDERS[self.remainder].segments(self.turns, int(self.batch_size), self._epoch(epoch))

    def batches_in(self, epoch: int) -> int:
        """How many batches start in this epoch."""
        return sum(count for count, _ in self.segments_in(epoch))

    def left_out(self, epoch: int) -> int:
        """How many turns of this epoch are left out: only `drop` leaves any out."""
        return self.turns % self.batch_size if self._epoch(epoch) >= 0 and self.remainder == "drop" else 0

    def start(self, epoch: int) -> int:
        """The position of the epoch's order at which its first batch begins.

        0, but for `carry`, whose last batch of the epoch before has borrowed the first ones, and for `drop`
        with a fixed order, where each epoch begins where the last one ended.

        >>> [Plan(1000, 400, 3, remainder="carry").start(epoch) for epoch in range(3)]
        [0, 200, 0]
        """
        policy = REMAINDERS[self.remainder]
        return policy.start(self.turns, int(self.batch_size), self._epoch(epoch), self.order.fixed)

    def first_update(self, epoch: int) -> int:
        """The first update of the epoch, counted from 0 over the whole plan (of `epochs`: `updates`)."""
        epoch = self._epoch(epoch, self.epochs)
        return REMAINDERS[self.remainder].first_update(self.turns, int(self.batch_size), epoch)

    def locate(self, update: int) -> tuple[int, int]:
        """The epoch of an update and the index of its batch in that epoch.

        >>> Plan(1000, 400, 3).locate(5)
        (1, 2)
        """
        update = _index("update", update, self.updates)
        return REMAINDERS[self.remainder].locate(self.turns, int(self.batch_size), update)

    # Samples -----------------------------------------------------------------------------------------------

    def batch(self, epoch: int, index: int) -> npt.NDArray[np.int64]:
        """The samples of a batch: a pure function, in memory proportional to the batch.

        >>> Plan(10**12, 4, 1, seed=1).batch(0, 10**11).tolist()
        [864540389894, 808096262787, 850151953267, 870229723348]
        """
        return self.batches(epoch, index, 1)

    def batches(self, epoch: int, index: int, count: int) -> npt.NDArray[np.int64]:
        """The samples of `count` batches from `index` on, one batch after the other.

        It is what `batch` gives for each of them, at the price of one: an order is quick for many positions.

        >>> plan = Plan(10, 4, 1)
        >>> plan.batches(0, 1, 2).tolist() == [*plan.batch(0, 1).tolist(), *plan.batch(0, 2).tolist()]
        True
        """
        index = _index("index", index, self.batches_in(epoch))
        last = _index("index", index + count - 1, self.batches_in(epoch))
        offset, _ = self._slice(epoch, index)
        end = sum(self._slice(epoch, last))
        first, size = self.start(epoch) + offset, end - offset
        here = max(0, min(size, self.turns - first))
        parts = [
            self.order.samples(self.seed, at, self.samples, np.arange(begin, begin + count, dtype=np.int64))
            for at, begin, count in (
                (epoch, first, here),
                (epoch + 1, max(0, first - self.turns), size - here),
            )
            if count
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def batch_of_update(self, update: int) -> npt.NDArray[np.int64]:
        """The samples of an update, counted from 0 over the whole plan."""
        return self.batch(*self.locate(update))

    def find(self, sample: int, epoch: int) -> tuple[Turn, ...]:
        """All turns of a sample in an epoch: one, or none where it was left out; several with some orders.

        With `carry` its batch may have started in the epoch before; `find(sample, epochs)` then answers for
        the samples that the very last batch borrowed.
        """
        sample = _index("sample", sample, self.samples)
        epoch = self._epoch(epoch, self.epochs if self.remainder == "carry" else self.epochs - 1)
        positions = self.order.positions(self.seed, epoch, self.samples, [sample]).tolist()
        return tuple(turn for position in positions if (turn := self._turn(epoch, position)) is not None)

    def audit(self, labels: npt.ArrayLike | None = None, epochs: int | None = None) -> Audit:
        """Count what the first epochs do: classes of the batches, turns of the samples, what is left out.

        Args:
            labels: the class of each sample; by default those of a stratified or balanced order.
            epochs: how many, 10 or all of the plan's by default.

        >>> Plan(10, 3, 5).audit().most_turns
        5
        """
        from epochal.plan.audit import audit  # which imports this module

        return audit(self, labels, epochs)

    # Other plans, other forms ------------------------------------------------------------------------------

    def with_(self, **changes: Any) -> Plan:
        """The same plan with some of its arguments changed; a "full" batch stays full.

        >>> Plan(200, "full", 10).with_(samples=100).batch_size
        100
        """
        return dataclasses.replace(self, **changes)

    def by_remainder(self) -> dict[str, Plan]:
        """The plan with each remainder policy that its order allows."""
        found = {}
        for name in REMAINDERS:
            with suppress(Refusal):
                found[name] = self.with_(remainder=name)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON can hold it, and what each remainder policy would do."""
        return {
            "samples": self.samples,
            "turns": self.turns,
            "batch_size": int(self.batch_size),
            "batches_per_epoch": self.batches_per_epoch,
            "epochs": self.epochs,
            "updates": self.updates,
            "regime": self.regime,
            "segments": [list(segment) for segment in self.segments],
            "last_batch_size": self.segments[-1][1],
            "left_out": self.left_out(0),
            "order": self.order.name,
            "order_options": self.order.options,
            "remainder": self.remainder,
            "seed": self.seed,
            "remainders": {
                name: {
                    "segments": [list(segment) for segment in other.segments],
                    "batches_per_epoch": other.batches_per_epoch,
                    "updates": other.updates,
                    "outcome": other.outcome,
                }
                for name, other in self.by_remainder().items()
            },
        }

    @property
    def outcome(self) -> str:
        """What becomes of the remainder, in a few words.

        >>> Plan(1000, 400, 1).outcome
        'a smaller last batch of 200'
        """
        if self.turns % self.batch_size == 0:
            return "none: every batch is full"
        return REMAINDERS[self.remainder].outcome(self.turns, int(self.batch_size), self.order.fixed)

    # Inside ------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int, most: int | None = None) -> int:
        return _index("epoch", epoch, self.epochs if most is None else most + 1)

    def _turn(self, epoch: int, position: int) -> Turn | None:
        """The turn at a position of an epoch's order, None where it is left out or past the last epoch."""
        policy, fixed = REMAINDERS[self.remainder], self.order.fixed
        turn = policy.turn(self.turns, int(self.batch_size), epoch, position, fixed)
        if turn is None or turn[0] >= self.epochs:
            return None
        batch, slot = self._batch_and_slot(*turn)
        return Turn(self.first_update(turn[0]) + batch, turn[0], batch, slot)

    def _slice(self, epoch: int, index: int) -> tuple[int, int]:
        """The offset of a batch from the beginning of the epoch's first batch, and its size."""
        offset = 0
        for count, size in self.segments_in(epoch):
            if index < count:
                return offset + index * size, size
            offset, index = offset + count * size, index - count
        raise AssertionError("an index within batches_in lies in a segment")

    def _batch_and_slot(self, epoch: int, offset: int) -> tuple[int, int]:
        before = 0
        for count, size in self.segments_in(epoch):
            if offset < count * size:
                batch, slot = divmod(offset, size)
                return before + batch, slot
            before, offset = before + count, offset - count * size
        raise AssertionError("an offset within an epoch lies in a segment")


def _index(name: str, value: object, count: int) -> int:
    return _bounded(name, value, 0, count - 1, f"between 0 and {count - 1}")
