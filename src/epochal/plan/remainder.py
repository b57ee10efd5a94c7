"""Remainder policies: keep, drop, spread or carry the samples that do not fill a batch.

The batches of an epoch are consecutive positions; one past the end of the epoch is one of the next epoch,
which only `carry` and `drop` with a fixed order reach.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from epochal.errors import Refusal, did_you_mean
from epochal.plan.pass_schedule import PassSchedule, Phase, Segments


def _segments(*pairs: tuple[int, int]) -> Segments:
    return tuple((count, size) for count, size in pairs if count and size)


@dataclass(frozen=True)
class Remainder(ABC):
    """How each epoch is cut into batches; all epochs alike, but for `Carry`.

    Args:
        positions: of an epoch.
        size: samples of a batch.
    """

    positions: int
    size: int

    name: ClassVar[str]

    @abstractmethod
    def segments(self) -> Segments:
        """The batches of an epoch."""

    @property
    @abstractmethod
    def outcome(self) -> str:
        """What happens to the remainder, if there is one, in a few words."""


class Keep(Remainder):
    """A smaller last batch.

    >>> Keep(1000, 400).segments()
    ((2, 400), (1, 200))
    """

    name = "keep"

    def segments(self) -> Segments:
        full, rest = divmod(self.positions, self.size)
        return _segments((full, self.size), (1, rest))

    @property
    def outcome(self) -> str:
        return f"a smaller last batch of {self.positions % self.size:,}"


class Drop(Remainder):
    """The remainder is left out; the dropped samples differ from epoch to epoch.

    With a shuffled order that follows; with a fixed one each epoch continues where the last one ended.

    >>> Drop(1000, 400).segments()
    ((2, 400),)
    """

    name = "drop"

    def segments(self) -> Segments:
        return _segments((self.positions // self.size, self.size))

    @property
    def outcome(self) -> str:
        return f"{self.positions % self.size:,} left out, others in each epoch"


class Spread(Remainder):
    """Batch sizes differ by at most one, larger ones first.

    The number of batches brings their mean size nearest to `size`; of a tie, the larger number.

    >>> Spread(1000, 400).segments()
    ((1, 334), (2, 333))
    """

    name = "spread"

    def segments(self) -> Segments:
        fewer = self.positions // self.size
        more = fewer + 1
        # positions / fewer - size against size - positions / more, times fewer * more
        above = (self.positions - self.size * fewer) * more
        below = (self.size * more - self.positions) * fewer
        count = more if below <= above and above else fewer
        size, larger = divmod(self.positions, count)
        return _segments((larger, size + 1), (count - larger, size))

    @property
    def outcome(self) -> str:
        several = len({size for _, size in self.segments()}) > 1
        return "batch sizes differ by at most one" if several else "all batches have one size"


class Carry(Remainder, PassSchedule):
    """Every batch is full: the last one of an epoch borrows from the next epoch.

    `position = update * size + slot; epoch, i = divmod(position, positions)`. A batch belongs to the epoch in
    which it starts.

    >>> [Carry(1000, 400).segments(epoch) for epoch in range(3)]
    [((3, 400),), ((2, 400),), ((3, 400),)]
    """

    name = "carry"

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (Phase(0, 0, 0, self.segments()),)

    def segments(self, pass_index: int = 0) -> Segments:
        return _segments((self.first_update(pass_index + 1) - self.first_update(pass_index), self.size))

    def first_update(self, pass_index: int) -> int:
        return -(-pass_index * self.positions // self.size)

    def locate(self, update: int) -> tuple[int, int]:
        pass_index = update * self.size // self.positions
        return pass_index, update - self.first_update(pass_index)

    def start(self, pass_index: int) -> int:
        return -pass_index * self.positions % self.size

    def locate_position(self, pass_index: int, position: int) -> tuple[int, int] | None:
        start = self.start(pass_index)
        if position >= start:
            return pass_index, position - start
        return pass_index - 1, self.positions + position - self.start(pass_index - 1)

    def samples_used(self, pass_index: int) -> int:
        return self.first_update(pass_index) * self.size

    @property
    def outcome(self) -> str:
        return "the last batch borrows from the next epoch"


REMAINDERS: dict[str, type[Remainder]] = {policy.name: policy for policy in (Keep, Drop, Spread, Carry)}


def remainder_named(name: str) -> type[Remainder]:
    """The policy of this name.

    >>> remainder_named("drip")
    Traceback (most recent call last):
    epochal.errors.Refusal: unknown remainder "drip"; did you mean "drop"? Known: keep, drop, spread, carry.
    """
    if name not in REMAINDERS:
        raise Refusal(did_you_mean("remainder", name, REMAINDERS))
    return REMAINDERS[name]
