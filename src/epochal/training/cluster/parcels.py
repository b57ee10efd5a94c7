"""Job batches for workers, and the choice of the next one."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Generic, Protocol, TypeVar

__all__ = ["Parcel", "Sent", "Todo"]


class Parcel(Protocol):
    """Trainings in step, or one of them."""

    @property
    def program(self) -> Hashable:
        """The same for parcels that are compiled once."""

    @property
    def large(self) -> bool:
        """Whether one of them is enough for all cores of a machine."""

    @property
    def count(self) -> int:
        """How many trainings it is."""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""


Sent = TypeVar("Sent", bound=Parcel)


class Todo(Generic[Sent]):
    """Parcels that nobody has, by their programs."""

    def __init__(self, parcels: Sequence[Sent]) -> None:
        self._left: dict[Hashable, deque[Sent]] = {}
        for parcel in parcels:
            self._left.setdefault(parcel.program, deque()).append(parcel)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._left.values())

    def program(self, known: set[Hashable], all_known: Sequence[set[Hashable]], large: bool) -> Hashable:
        """What a worker should train that has compiled some programs: one of them, else what fewest share."""
        open_ = [one for one, queue in self._left.items() if queue and (large or not queue[0].large)]
        if not open_:
            return None
        have = [one for one in open_ if one in known]
        if have:
            return max(have, key=lambda one: len(self._left[one]))
        return max(
            open_, key=lambda one: len(self._left[one]) / (1 + sum(one in knows for knows in all_known))
        )

    def take(self, program: Hashable, share: int, workers: int) -> list[Sent]:
        """Some parcels of a program, and not so many that the other workers have nothing to do."""
        queue = self._left[program]
        fair = max(1, len(queue) // (2 * workers))
        count = 1 if queue[0].large else min(share, fair)
        return [queue.popleft() for _ in range(count)]

    def give_back(self, parcels: Sequence[Sent]) -> None:
        """Put parcels in front that were not done."""
        for parcel in reversed(parcels):
            self._left.setdefault(parcel.program, deque()).appendleft(parcel)
