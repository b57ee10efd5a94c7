"""Phases of a plan: passes of equal batches, and passes within which the batch size changes."""

from __future__ import annotations

import itertools
from bisect import bisect_right

from epochal.plan.pass_schedule import PassSchedule, Phase, Segments
from epochal.plan.remainder import Carry, Drop, Remainder
from epochal.plan.sizes import BatchSchedule


class PhasedSchedule(PassSchedule):
    """Phases, each with passes cut alike; positions after the last batch of a pass are left out."""

    def __init__(self, phases: tuple[Phase, ...], positions: int, continues: bool) -> None:
        self._phases, self.positions, self._continues = phases, positions, continues
        self._firsts = [phase.first for phase in phases]
        self._updates = [phase.update for phase in phases]
        self._samples_used = [0]
        for phase, following in itertools.pairwise(phases):
            self._samples_used.append(self._samples_used[-1] + (following.first - phase.first) * phase.used)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self._phases

    def _phase(self, pass_index: int) -> Phase:
        return self._phases[bisect_right(self._firsts, pass_index) - 1]

    def segments(self, pass_index: int) -> Segments:
        return self._phase(pass_index).segments

    def start(self, pass_index: int) -> int:
        phase = self._phase(pass_index)
        start = phase.start + (pass_index - phase.first) * phase.used
        return start % self.positions if self._continues else 0

    def first_update(self, pass_index: int) -> int:
        phase = self._phase(pass_index)
        return phase.update + (pass_index - phase.first) * phase.batches

    def locate(self, update: int) -> tuple[int, int]:
        phase = self._phases[bisect_right(self._updates, update) - 1]
        passes, index = divmod(update - phase.update, phase.batches)
        return phase.first + passes, index

    def locate_position(self, pass_index: int, position: int) -> tuple[int, int] | None:
        offset = (position - self.start(pass_index)) % self.positions
        return (pass_index, offset) if offset < self._phase(pass_index).used else None

    def samples_used(self, pass_index: int) -> int:
        number = bisect_right(self._firsts, pass_index) - 1
        phase = self._phases[number]
        return self._samples_used[number] + (pass_index - phase.first) * phase.used


def pass_schedule_of(
    remainder_policy: type[Remainder],
    positions: int,
    fixed: bool,
    size: int,
    schedule: BatchSchedule | None = None,
) -> PassSchedule:
    """The pass schedule for one batch size, or for a schedule; `fixed`: all passes have one order."""
    if remainder_policy is Carry:
        return Carry(positions, size)
    continues = remainder_policy is Drop and fixed
    schedule = schedule or BatchSchedule({0: size})
    begins = (begin for begin, _ in schedule.changes)
    changes = tuple(zip(begins, schedule.sizes(positions), strict=True))
    phases = phases_of(remainder_policy, positions, continues, changes, schedule.unit)
    return PhasedSchedule(phases, positions, continues)


def phases_of(
    remainder_policy: type[Remainder],
    positions: int,
    continues: bool,
    changes: tuple[tuple[int, int], ...],
    unit: str,
) -> tuple[Phase, ...]:
    """The phases of a schedule in passes ("epochs") or updates; `changes` are (beginning, size), from 0 on.

    `remainder_policy` is any but `carry`; `continues`: each pass begins in the order where the last ended.

    >>> from epochal.plan.remainder import Keep
    >>> for phase in phases_of(Keep, 10, False, ((0, 2), (7, 4)), "updates"):
    ...     print(phase.first, phase.update, phase.segments)
    0 0 ((5, 2),)
    1 5 ((2, 2), (1, 4), (1, 2))
    2 9 ((2, 4), (1, 2))
    """
    phases: list[Phase] = []
    first = update = start = 0

    def add(passes: int, segments: Segments) -> None:
        nonlocal first, update, start
        phase = Phase(first, update, start, segments)
        phases.append(phase)
        first, update = first + passes, update + passes * phase.batches
        start = (start + passes * phase.used) % positions if continues else 0

    begins, sizes = zip(*changes, strict=True)
    number = 0
    while number < len(changes):
        whole = remainder_policy(positions, sizes[number]).segments()
        if number + 1 == len(changes):
            add(1, whole)
            break
        end = begins[number + 1]
        batches = sum(count for count, _ in whole)
        passes = end - first if unit == "epochs" else max(0, end - update) // batches
        if passes:
            add(passes, whole)
        number += 1
        if unit == "updates" and update < end:
            mixed, number = _mixed(remainder_policy, positions, update, changes, number - 1)
            add(1, mixed)
    return tuple(phases)


def _mixed(
    remainder_policy: type[Remainder],
    positions: int,
    update: int,
    changes: tuple[tuple[int, int], ...],
    number: int,
) -> tuple[Segments, int]:
    """A pass that begins at `update` with size `number` and changes size within; (segments, last size)."""
    segments: list[tuple[int, int]] = []
    left = positions
    while left:
        wanted = None if number + 1 == len(changes) else changes[number + 1][0] - update
        if remainder_policy.name == "drop" and changes[number][1] > left:
            break
        for count, size in remainder_policy(left, min(changes[number][1], left)).segments():
            taken = count if wanted is None else min(count, wanted)
            if taken:
                segments.append((taken, size))
                left, update = left - taken * size, update + taken
                wanted = None if wanted is None else wanted - taken
        if wanted != 0:
            break
        number += 1
    return tuple(segments), number
