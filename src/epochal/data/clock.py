"""When was each row of an ordered table, and are its rows in order?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.encode import to_dates, to_numbers
from epochal.errors import Refusal

__all__ = ["Clock", "Step", "check_order", "usual_step"]

Unit = Literal["months", "month ends", "seconds", "units"]

Times = NDArray[Any]
"""int64 seconds since 1970-01-01 for dates, float64 for numbers, int64 positions where there is no time."""


_FINER = " Rows that are closer than a second count in their order without it (--drop)."


@dataclass(frozen=True)
class Clock:
    """How time is told: by a column of dates or numbers, or by the order of the rows alone.

    `form` is how dates are written, as `strptime` says it; empty for ISO 8601 and for columns of dates.
    `hours` says whether times of such columns have hours.
    """

    kind: Literal["date", "number", "row"] = "row"
    name: str = ""
    form: str = ""
    hours: bool = False

    def read(self, column: pa.ChunkedArray, said: str) -> Times:
        """The time of each row.

        Raises:
            Refusal: a row without a time, or with one that is no date or number; with its row.
        """
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py() + 1
            raise Refusal(
                f"{said} is the time and may miss no value; got none in row {row:,}. "
                "Fill it in, or remove that row."
            )
        if self.kind == "date":
            dates = to_dates(column.combine_chunks(), self.form, said)
            seconds: Times = np.asarray(dates.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
            return seconds
        numbers: Times = np.asarray(to_numbers(column.combine_chunks(), said), np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.argmin(np.isfinite(numbers)))
            raise Refusal(f"{said} is the time and must be finite; got {numbers[row]:g} in row {row + 1:,}.")
        return numbers

    def say(self, time: Any) -> str:
        """A time as the table writes it.

        >>> Clock("date", "Month", "%Y-%m").say(0), Clock("number", "t").say(2.5), Clock().say(3)
        ('1970-01', '2.5', 'row 4')
        """
        if self.kind == "number":
            return f"{time:.10g}"
        if self.kind == "row":
            return f"row {int(time) + 1:,}"
        moment = np.datetime64(int(time), "s").item()
        return str(moment.strftime(self.form or ("%Y-%m-%d %H:%M:%S" if self.hours else "%Y-%m-%d")))


@dataclass(frozen=True)
class Step:
    """How far apart rows usually are: so many months (ends of months, seconds, or units of a number).

    >>> Step("months", 1).after(0, 14) == np.datetime64("1971-03-01", "s").astype(int).item()
    True
    """

    unit: Unit
    size: float
    gaps: int = 0
    """How many neighboring rows are further apart or closer."""
    first: int = -1
    """The row, from 0, after which the first of them is."""

    def after(self, time: float, steps: int) -> float:
        """The time that many steps later."""
        if self.unit in ("seconds", "units"):
            return time + steps * self.size
        moment = np.datetime64(int(time), "s")
        month = moment.astype("datetime64[M]")
        later = month + np.timedelta64(int(self.size) * steps, "M")
        if self.unit == "months":
            rest = moment - month.astype("datetime64[s]")
            return int((later.astype("datetime64[s]") + rest).astype(np.int64))
        rest = (month + np.timedelta64(1, "M")).astype("datetime64[s]") - moment
        return int(((later + np.timedelta64(1, "M")).astype("datetime64[s]") - rest).astype(np.int64))

    def __str__(self) -> str:
        if self.unit in ("months", "month ends"):
            years, months = divmod(int(self.size), 12)
            return _count(years, "year") if months == 0 else _count(int(self.size), "month")
        if self.unit == "units":
            return f"{self.size:g}"
        for seconds, name in ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute")):
            if self.size % seconds == 0:
                return _count(int(self.size // seconds), name)
        return _count(int(self.size), "second")


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("s" if number != 1 else "")


def check_order(clock: Clock, times: Sequence[Times], rows: Sequence[NDArray[np.int64]], said: str) -> None:
    """Refuse rows that are not in the order of time, or share one, within a series; with row and value."""
    if clock.kind == "row":
        return
    for of_series, numbers in zip(times, rows, strict=True):
        steps = np.diff(of_series)
        if (steps > 0).all():
            continue
        at = int(np.argmax(steps <= 0))
        first, second = int(numbers[at]), int(numbers[at + 1])
        if steps[at] == 0:
            to, finer = ("", "") if not clock.hours else (", to the second", _FINER)
            raise Refusal(
                f"{said} must have each time once{to}; got {clock.say(of_series[at])} in row {first:,} and "
                f"in row {second:,}. Name the column that tells several series apart with --series, or "
                f"remove one of the rows.{finer}"
            )
        raise Refusal(
            f"{said} must rise from row to row; got {clock.say(of_series[at + 1])} in row {second:,} after "
            f"{clock.say(of_series[at])} in row {first:,}. Sort the table by time."
        )


def usual_step(clock: Clock, times: Sequence[Times]) -> Step | None:
    """The most frequent distance of neighboring rows; None if fewer than half of them have it.

    Dates that all lie on the same day of a month (or as far from its end) are counted in months.

    >>> month = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"], "datetime64[s]")
    >>> step = usual_step(Clock("date"), [month.astype(np.int64)])
    >>> str(step), step.gaps, step.first
    ('1 month', 1, 2)
    """
    if clock.kind == "row":
        return None
    found = _in_months(times) if clock.kind == "date" else None
    plain: Unit = "seconds" if clock.kind == "date" else "units"
    unit, counted = found if found is not None else (plain, times)
    steps = np.concatenate([np.diff(one) for one in counted])
    if not len(steps):
        return None
    if unit == "units":
        steps = np.round(steps, 9)
    sizes, counts = np.unique(steps, return_counts=True)
    usual, count = sizes[counts.argmax()], int(counts.max())
    if 2 * count < len(steps) or len(steps) < 2:
        return None
    other = np.flatnonzero(steps != usual)
    return Step(unit, usual.item(), len(other), int(other[0]) if len(other) else -1)


def _in_months(times: Sequence[Times]) -> tuple[Unit, Sequence[Times]] | None:
    """The dates as months, where each is as far from the begin (or end) of its month as all others are."""
    moments = [one.astype("datetime64[s]") for one in times]
    months = [one.astype("datetime64[M]") for one in moments]
    units: tuple[tuple[Unit, int], ...] = (("months", 0), ("month ends", 1))
    for unit, later in units:
        rests = np.concatenate(
            [
                (one - (month + later).astype("datetime64[s]")).astype(np.int64)
                for one, month in zip(moments, months, strict=True)
            ]
        )
        if len(rests) and (rests == rests[0]).all():
            return unit, [month.astype(np.int64) for month in months]
    return None
