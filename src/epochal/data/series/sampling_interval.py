"""The sampling interval of a series, its gaps, and the times of future rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from epochal.common.text import counted
from epochal.data.series.time_column import TimeColumn, Times

Unit = Literal["months", "month ends", "seconds", "units"]

_TOLERANCE = 1.5
"""A distance of this many steps is a gap: a missing row is one, jitter is not."""
_STRETCH = 8
"""So many equal distances in a row are a change of interval, not gaps."""
_DAY, _WEEK = 86_400, 604_800
_CYCLES = ((_WEEK, 3), (_DAY, 3))
"""Cycles in which rows may regularly be absent, and how many of them must have been observed."""
_ODD = 0.02
"""The largest share of rows outside the times of a cycle."""
_CLOSED = 5 * _DAY
"""With working days or opening hours, a longer absence is a gap, a shorter one a holiday."""
_PLACE = 0.16
"""The largest deviation of monthly dates from their mean day, in months, as for first working days."""
_FIRST_MONDAY = 4 * _DAY


@dataclass(frozen=True)
class SamplingInterval:
    """The sampling interval: months (or ends of months), seconds, or numeric units.

    `cycle` is 0, or the seconds of a day or a week in which rows come at certain times only, such as working
    days or opening hours; `slots` are those times, in steps from the start of the cycle (Monday), and
    `offset` is the seconds from the start of a slot to its row.

    >>> SamplingInterval("months", 1).after(0, 14) == np.datetime64("1971-03-01", "s").astype(int).item()
    True
    >>> str(SamplingInterval("seconds", 86_400, 604_800, (0, 1, 2, 3, 4)))
    '1 working day'
    """

    unit: Unit
    size: float
    cycle: int = 0
    slots: tuple[int, ...] = ()
    offset: int = 0

    @property
    def in_months(self) -> bool:
        """Whether the unit is months, which vary in length."""
        return self.unit in ("months", "month ends")

    @property
    def rows_of_season(self) -> int:
        """Rows of a day, or of a week of days, if they come at certain times only; else 0."""
        return int(self._of_days().max()) if self.size < _DAY else len(self.slots)

    def _of_days(self) -> NDArray[np.int64]:
        return np.bincount(np.asarray(self.slots, np.int64) * int(self.size) // _DAY, minlength=7)

    @property
    def sound(self) -> bool:
        """Whether it is valid; a file may hold anything."""
        if self.size <= 0 or (self.in_months and not 1 <= self.size <= 12_000):
            return False
        turn = self.cycle in (_DAY, _WEEK) and self.size >= 60 and self.cycle % self.size == 0
        inside = all(0 <= one < self.cycle / self.size for one in self.slots)
        rising = list(self.slots) == sorted(set(self.slots))
        return not self.cycle or (turn and inside and rising and len(self.slots) > 0)

    def after(self, time: float, steps: int) -> float:
        """The time this many steps later."""
        if self.in_months:
            return _months_later(time, int(self.size) * steps, from_end=self.unit == "month ends")
        if not self.cycle:
            return time + steps * self.size
        slots = np.asarray(self.slots)
        slot, cycle = self._place(np.array([time]))
        passed = int(np.searchsorted(slots, slot[0], side="right")) + steps - 1
        turns, number = divmod(passed, len(slots))
        begin = (int(cycle[0]) + turns) * self.cycle + _FIRST_MONDAY
        return int(begin + slots[number] * self.size + self.offset)

    def at_end(self, times: Times) -> SamplingInterval:
        """That of the last rows, if their interval differs."""
        changes = np.flatnonzero(self.cuts(times)[1])
        own = self.distances(times)[changes[-1] if len(changes) else len(times) :]
        return self if len(own) < _STRETCH or self.cycle else replace(self, size=float(np.median(own)))

    def cuts(self, times: Times) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """`(n - 1,)`: whether no window may hold both of two neighboring rows; and why.

        Rows are missing between them, or the interval changes for good, as the second array says. Rows that
        are absent regularly (weekends, nights, single holidays) are not missing; nor is the hour skipped in
        spring.

        >>> SamplingInterval("units", 1.0).cuts(np.array([0.0, 1.0, 2.0, 4.0, 5.0]))[0].tolist()
        [False, False, True, False]
        >>> times = np.append(np.arange(20.0), 20 + 0.5 * np.arange(20))
        >>> int(np.flatnonzero(SamplingInterval("units", 1.0).cuts(times)[1])[0])
        20
        """
        apart = self.distances(times)
        far = apart > _TOLERANCE * self.size
        near = apart * _TOLERANCE < self.size
        if self.unit == "seconds":
            far &= ~self.absent(times) & ~skipped_hours(self, times)
        cuts, changes = far.copy(), np.zeros(len(far), bool)
        edges = np.flatnonzero(np.diff((far | near).astype(np.int8), prepend=0, append=0))
        for begin, end in edges.reshape(-1, 2).tolist():
            own = apart[begin:end]
            pace = np.median(own)
            even = (own <= _TOLERANCE * pace) & (own * _TOLERANCE >= pace)
            if end - begin >= _STRETCH and even.mean() > 0.5:
                cuts[begin:end] = own > _TOLERANCE * pace
                for at in {begin, end} - {0, len(apart)}:
                    cuts[at] = changes[at] = True
        return cuts, changes

    def distances(self, times: Times) -> NDArray[np.float64]:
        """Distances of neighboring rows, in the unit of `size`."""
        return np.diff(_months(times) if self.in_months else times).astype(np.float64)

    def _place(self, times: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The slot of each time in its cycle, and the number of the cycle."""
        cycle, within = np.divmod(times.astype(np.int64) - _FIRST_MONDAY, self.cycle)
        return (within // int(self.size)).astype(np.int64), cycle.astype(np.int64)

    def absent(self, times: Times) -> NDArray[np.bool_]:
        """`(n - 1,)`: whether rows are further apart than that, but all between is regularly absent."""
        apart = np.diff(times) > _TOLERANCE * self.size
        if not self.cycle:
            return np.zeros(len(apart), bool)
        slots = np.asarray(self.slots)
        slot, cycle = self._place(times)
        at = np.searchsorted(slots, slot)
        following = np.diff(cycle * len(slots) + at) <= 1
        ends = np.cumsum(self._of_days()) - 1
        begins = ends + 1 - self._of_days()
        today = slot * int(self.size) // _DAY
        holiday = (at >= ends[today])[:-1] & (at <= begins[today])[1:] & (np.diff(times) <= _CLOSED)
        return np.asarray(apart & (following | holiday))

    def __str__(self) -> str:
        if self.in_months:
            years, months = divmod(int(self.size), 12)
            return counted(years, "year") if months == 0 else counted(int(self.size), "month")
        if self.unit == "units":
            return f"{self.size:g}"
        if self.cycle == _WEEK and self.size == _DAY:
            return "1 working day" if self.slots == (0, 1, 2, 3, 4) else "1 day"
        for seconds, name in ((_WEEK, "week"), (_DAY, "day"), (3600, "hour"), (60, "minute")):
            if self.size % seconds == 0:
                return counted(int(self.size // seconds), name)
        return f"{self.size:g} second" + ("s" if self.size != 1 else "")


def usual_interval(time_column: TimeColumn, times: Sequence[Times]) -> SamplingInterval | None:
    """The sampling interval; None if less than half of the distances agree.

    Dates of which no two lie in the same month are counted in months.

    >>> month = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"], "datetime64[s]")
    >>> interval = usual_interval(TimeColumn("date"), [month.astype(np.int64)])
    >>> str(interval), interval.cuts(month.astype(np.int64))[0].tolist()
    ('1 month', [False, False, True])
    """
    if time_column.kind == "row":
        return None
    unit: Unit = "seconds" if time_column.kind == "date" else "units"
    in_months = _monthly(times) if time_column.kind == "date" else None
    counts = times if in_months is None else [_months(one) for one in times]
    apart = np.concatenate([np.diff(one) for one in counts]).astype(np.float64)
    if len(apart) < 2:
        return None
    sizes, times_each = np.unique(np.round(apart, 9), return_counts=True)
    size = float(sizes[times_each.argmax()])
    if 2 * int(times_each.max()) < len(apart):
        size = float(np.median(apart))
    near = (apart <= _TOLERANCE * size) & (apart * _TOLERANCE >= size)
    if 2 * int(near.sum()) < len(apart):
        return None
    return _with_cycle(SamplingInterval(in_months or unit, size), times)


def _with_cycle(interval: SamplingInterval, times: Sequence[Times]) -> SamplingInterval:
    """The interval with the times of day or week at which there are rows, if not at all times."""
    if interval.unit != "seconds" or interval.size < 60:
        return interval
    together = np.unique(np.concatenate(times).astype(np.int64))
    offsets = np.unique((together - _FIRST_MONDAY) % int(interval.size))
    if len(offsets) != 1 or interval.size != int(interval.size):
        return interval
    for cycle, minimum in _CYCLES:
        if cycle % interval.size or cycle == interval.size:
            continue
        found = replace(interval, cycle=cycle, offset=int(offsets[0]))
        slot, number = found._place(together)
        seen = int(number[-1] - number[0]) + 1
        counts = np.bincount(slot, minlength=int(cycle // interval.size))
        usual = np.flatnonzero(2 * counts >= seen - 1)
        rare = int(counts[counts * 2 < seen - 1].sum())
        if seen - 1 < minimum or not 0 < len(usual) < len(counts) or rare > _ODD * len(together):
            continue
        return replace(found, slots=tuple(usual.tolist()))
    return interval


def skipped_hours(interval: SamplingInterval, times: Times) -> NDArray[np.bool_]:
    """Whether daylight saving time begins between neighboring rows.

    Local times skip an hour: on a Sunday in spring (March to the first week of April, or September to that
    of October in the South), before 4 a.m..
    """
    if interval.unit != "seconds" or interval.size > 3600:
        return np.zeros(max(len(times) - 1, 0), bool)
    moments = times[1:].astype(np.int64)
    days = moments // _DAY
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    first_week = days - months.astype("datetime64[D]").astype(np.int64) < 7
    month = months.astype(np.int64) % 12 + 1
    spring = np.isin(month, (3, 9)) | (np.isin(month, (4, 10)) & first_week)
    sunday = (days + 3) % 7 == 6
    early = moments % _DAY <= 4 * 3600
    extra = np.diff(times) - interval.size
    return np.asarray((np.abs(extra - 3600) < interval.size / 2) & spring & sunday & early)


def _months(times: Times) -> NDArray[np.int64]:
    return np.asarray(times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64))


def _monthly(times: Sequence[Times]) -> Unit | None:
    """Months, if no two rows of a series share one, and all are at about the same place in it."""
    if not any(len(one) > 1 for one in times) or any((np.diff(_months(one)) < 1).any() for one in times):
        return None
    together = np.concatenate(times).astype(np.int64)
    month = together.astype("datetime64[s]").astype("datetime64[M]")
    both = (month, month + np.timedelta64(1, "M"))
    begin, end = (one.astype("datetime64[s]").astype(np.int64) for one in both)
    if len(np.unique(together - begin)) == 1:
        return "months"
    if len(np.unique(end - together)) == 1:
        return "month ends"
    place = (together - begin) / (end - begin)
    middle = np.angle(np.exp(2j * np.pi * place).mean()) / (2 * np.pi)
    away = (place - middle + 0.5) % 1 - 0.5
    if np.abs(away).max() > _PLACE:
        return None
    return "month ends" if -_PLACE < middle < 0 else "months"


def _months_later(time: float, months: int, from_end: bool) -> int:
    """The time in a later month at the same distance from its start (or end)."""
    moment = np.datetime64(int(time), "s")
    month = moment.astype("datetime64[M]")
    begin, end, later, later_end = (
        (month + np.timedelta64(count, "M")).astype("datetime64[s]") for count in (0, 1, months, months + 1)
    )
    found = max(later, later_end - (end - moment)) if from_end else later + (moment - begin)
    while found >= later_end:
        found -= np.timedelta64(_DAY, "s")
    return int(found.astype(np.int64))
