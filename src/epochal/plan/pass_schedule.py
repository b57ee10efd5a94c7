"""`PassSchedule`: consecutive passes through the samples, cut into batches, by positions and updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

Segments = tuple[tuple[int, int], ...]
"""Consecutive batches of equal size: (number of batches, samples in each)."""


class Phase(NamedTuple):
    """Consecutive passes with the same batches; the last phase has no end."""

    first: int
    """Its first pass."""
    update: int
    """The first update of that pass."""
    start: int
    """The position of the order at which the first batch of that pass begins."""
    segments: Segments

    @property
    def batches(self) -> int:
        """Batches of a pass."""
        return sum(count for count, _ in self.segments)

    @property
    def used(self) -> int:
        """Positions of a pass that are in a batch."""
        return sum(count * size for count, size in self.segments)


class PassSchedule(ABC):
    """Passes 0, 1, 2, ... and the batches of each."""

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The phases, the first from pass 0."""

    @abstractmethod
    def segments(self, pass_index: int) -> Segments:
        """The batches of a pass."""

    @abstractmethod
    def start(self, pass_index: int) -> int:
        """The position at which the first batch of the pass begins."""

    @abstractmethod
    def first_update(self, pass_index: int) -> int:
        """The updates before the pass."""

    @abstractmethod
    def locate(self, update: int) -> tuple[int, int]:
        """The pass of an update and the index of its batch there."""

    @abstractmethod
    def locate_position(self, pass_index: int, position: int) -> tuple[int, int] | None:
        """Where the sample at a position of the pass is used; None if it is left out.

        The pass in which its batch starts, and the offset from the beginning of that pass's first batch.
        """

    @abstractmethod
    def samples_used(self, pass_index: int) -> int:
        """Samples used in the batches of all earlier passes."""

    def between(self, low: int, high: int) -> Segments:
        """The batches of updates `low` to `high`, across passes."""
        pass_index, index = self.locate(low)
        left = high - low
        found: list[tuple[int, int]] = []
        while left:
            for count, size in self.segments(pass_index):
                skipped = min(index, count)
                taken = min(left, count - skipped)
                index, left = index - skipped, left - taken
                if taken and found and found[-1][1] == size:
                    found[-1] = (found[-1][0] + taken, size)
                elif taken:
                    found.append((taken, size))
            pass_index += 1
        return tuple(found)
