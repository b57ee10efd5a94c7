"""Remainder policies: keep, drop, spread or carry the samples that do not fill a batch.

Pure functions of (samples, batch size, epoch). The batches of an epoch are consecutive positions from `start`
on; a position past the end of the epoch is one of the next epoch, which only `carry` and `drop` with a fixed
order reach.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from epochal.errors import Refusal, did_you_mean

Segments = tuple[tuple[int, int], ...]
"""Consecutive batches of equal size: (number of batches, samples in each)."""


def _segments(*pairs: tuple[int, int]) -> Segments:
    return tuple((count, size) for count, size in pairs if count and size)


class Remainder(ABC):
    """How an epoch is cut into batches. This base cuts every epoch alike."""

    name: ClassVar[str]

    @abstractmethod
    def segments(self, samples: int, batch_size: int, epoch: int = 0) -> Segments:
        """The batches of the epoch."""

    @abstractmethod
    def outcome(self, samples: int, batch_size: int, fixed: bool) -> str:
        """What happens to the remainder, if there is one, in a few words."""

    def batches(self, samples: int, batch_size: int, epoch: int = 0) -> int:
        """How many batches the epoch has."""
        return sum(count for count, _ in self.segments(samples, batch_size, epoch))

    def first_update(self, samples: int, batch_size: int, epoch: int) -> int:
        """The updates before the epoch; of epoch E, the updates of E epochs."""
        return epoch * self.batches(samples, batch_size)

    def locate(self, samples: int, batch_size: int, update: int) -> tuple[int, int]:
        """The epoch in which an update's batch starts, and the batch's index there."""
        return divmod(update, self.batches(samples, batch_size))

    def start(self, samples: int, batch_size: int, epoch: int, fixed: bool) -> int:
        """The position of the epoch's first batch; `fixed`: all epochs have one order."""
        return 0

    def turn(
        self, samples: int, batch_size: int, epoch: int, position: int, fixed: bool
    ) -> tuple[int, int] | None:
        """The place of the sample at this position of the epoch; None if it is left out.

        The epoch in which its batch starts, and the offset from the beginning of that epoch's first batch.
        """
        offset = (position - self.start(samples, batch_size, epoch, fixed)) % samples
        used = sum(count * size for count, size in self.segments(samples, batch_size, epoch))
        return (epoch, offset) if offset < used else None


class Keep(Remainder):
    """A smaller last batch.

    >>> Keep().segments(1000, 400)
    ((2, 400), (1, 200))
    """

    name = "keep"

    def segments(self, samples: int, batch_size: int, epoch: int = 0) -> Segments:
        full, rest = divmod(samples, batch_size)
        return _segments((full, batch_size), (1, rest))

    def outcome(self, samples: int, batch_size: int, fixed: bool) -> str:
        return f"a smaller last batch of {samples % batch_size:,}"


class Drop(Remainder):
    """The remainder is left out; the dropped samples differ from epoch to epoch.

    With a shuffled order that follows; with a fixed one each epoch continues where the last one ended.

    >>> Drop().segments(1000, 400)
    ((2, 400),)
    >>> [Drop().start(1000, 400, epoch, fixed=True) for epoch in range(4)]
    [0, 800, 600, 400]
    """

    name = "drop"

    def segments(self, samples: int, batch_size: int, epoch: int = 0) -> Segments:
        return _segments((samples // batch_size, batch_size))

    def start(self, samples: int, batch_size: int, epoch: int, fixed: bool) -> int:
        return epoch * (samples - samples % batch_size) % samples if fixed else 0

    def outcome(self, samples: int, batch_size: int, fixed: bool) -> str:
        return f"{samples % batch_size:,} left out, others in each epoch"


class Spread(Remainder):
    """Batch sizes differ by at most one, larger ones first.

    The number of batches brings their mean size nearest to `batch_size`; of a tie, the larger number.

    >>> Spread().segments(1000, 400)
    ((1, 334), (2, 333))
    """

    name = "spread"

    def segments(self, samples: int, batch_size: int, epoch: int = 0) -> Segments:
        fewer = samples // batch_size
        more = fewer + 1
        # samples / fewer - batch_size against batch_size - samples / more, times fewer * more
        above = (samples - batch_size * fewer) * more
        below = (batch_size * more - samples) * fewer
        count = more if below <= above and above else fewer
        size, larger = divmod(samples, count)
        return _segments((larger, size + 1), (count - larger, size))

    def outcome(self, samples: int, batch_size: int, fixed: bool) -> str:
        sizes = {size for _, size in self.segments(samples, batch_size)}
        return "batch sizes differ by at most one" if len(sizes) > 1 else "all batches have one size"


class Carry(Remainder):
    """Every batch is full: the last one of an epoch borrows from the next epoch.

    `position = update * batch_size + slot; epoch, i = divmod(position, samples)`. A batch belongs to the
    epoch in which it starts.

    >>> [Carry().segments(1000, 400, epoch) for epoch in range(3)]
    [((3, 400),), ((2, 400),), ((3, 400),)]
    """

    name = "carry"

    def segments(self, samples: int, batch_size: int, epoch: int = 0) -> Segments:
        first = self.first_update(samples, batch_size, epoch)
        return _segments((self.first_update(samples, batch_size, epoch + 1) - first, batch_size))

    def first_update(self, samples: int, batch_size: int, epoch: int) -> int:
        return -(-epoch * samples // batch_size)

    def locate(self, samples: int, batch_size: int, update: int) -> tuple[int, int]:
        epoch = update * batch_size // samples
        return epoch, update - self.first_update(samples, batch_size, epoch)

    def start(self, samples: int, batch_size: int, epoch: int, fixed: bool) -> int:
        return -epoch * samples % batch_size

    def turn(
        self, samples: int, batch_size: int, epoch: int, position: int, fixed: bool
    ) -> tuple[int, int] | None:
        start = self.start(samples, batch_size, epoch, fixed)
        if position >= start:
            return epoch, position - start
        return epoch - 1, samples + position - self.start(samples, batch_size, epoch - 1, fixed)

    def outcome(self, samples: int, batch_size: int, fixed: bool) -> str:
        return "the last batch borrows from the next epoch"


REMAINDERS: dict[str, Remainder] = {policy.name: policy for policy in (Keep(), Drop(), Spread(), Carry())}


def remainder_named(name: str) -> Remainder:
    """The policy of this name.

    >>> remainder_named("drip")
    Traceback (most recent call last):
    epochal.errors.Refusal: unknown remainder "drip"; did you mean "drop"? Known: keep, drop, spread, carry.
    """
    if name not in REMAINDERS:
        raise Refusal(did_you_mean("remainder", name, REMAINDERS))
    return REMAINDERS[name]
