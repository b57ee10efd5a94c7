"""The time column: units, time zones, and the order of rows."""

from __future__ import annotations

import datetime
import difflib
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.tables.encode import to_dates, to_numbers
from epochal.data.values.date_forms import OR
from epochal.errors import Refusal

Times = NDArray[Any]
"""int64 seconds since 1970-01-01 for dates, float64 for numbers, int64 positions without a time column."""


_DAY = 86_400
_EPOCH = datetime.datetime(1970, 1, 1)
_FINER = " Rows that are closer than a second count in their order without it (`drop`)."


@dataclass(frozen=True)
class TimeColumn:
    """The kind of time: a column of dates or numbers, or the order of the rows.

    `form` is the `strptime` format of dates; empty for ISO 8601 and date columns. `hours` is whether times
    have hours; `zone` is their time zone (converted to UTC).
    """

    kind: Literal["date", "number", "row"] = "row"
    name: str = ""
    form: str = ""
    hours: bool = False
    zone: str = ""

    def read(self, column: pa.ChunkedArray, known_as: str) -> Times:
        """The time of each row; one that is missing, no date or not finite is refused with its row."""
        what = f"{known_as} is the time and"
        if column.null_count:
            row, remedy = pc.index(pc.is_null(column), True).as_py() + 1, "Fill it in, or remove that row."
            raise Refusal(f"{what} may miss no value; got none in row {row:,}. {remedy}")
        if self.kind == "date":
            dates = to_dates(column.combine_chunks(), self.form, known_as, utc=True)
            return np.asarray(dates.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
        numbers: Times = np.asarray(to_numbers(column.combine_chunks(), known_as), np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.argmin(np.isfinite(numbers)))
            raise Refusal(f"{what} must be finite; got {numbers[row]:g} in row {row + 1:,}.")
        return numbers

    def say(self, time: Any) -> str:
        """A time as in the table.

        >>> TimeColumn("date", "Month", "%Y-%m").say(0), TimeColumn().say(3)
        ('1970-01', 'row 4')
        """
        if self.kind == "number":
            return f"{time:.10g}"
        if self.kind == "row":
            return f"row {int(time) + 1:,}"
        moment = np.datetime64(int(time), "s").item()
        if self.zone:
            moment = moment.replace(tzinfo=datetime.UTC).astimezone(zone_named(self.zone))
        form = self.form.partition(OR)[0] or ("%Y-%m-%d %H:%M:%S" if self.hours else "%Y-%m-%d")
        form = form.replace("%q", str((moment.month + 2) // 3)).replace("%z", "Z")
        return str(moment.strftime(form))


def in_order(
    time_column: TimeColumn, rows: Sequence[NDArray[np.int64]], times: Sequence[Times], known_as: str
) -> tuple[list[NDArray[np.int64]], list[Times], list[str]]:
    """The rows of each series and their times, sorted by time, with a note if they were not sorted.

    `rows`, those of the table from 0, and `times` are by series, in the order of the table.
    """
    orders = [np.argsort(own, kind="stable") for own in times]
    sorted_rows = [own[order] for own, order in zip(rows, orders, strict=True)]
    sorted_times = [own[order] for own, order in zip(times, orders, strict=True)]
    for moments, numbers in zip(sorted_times, sorted_rows, strict=True):
        same = np.flatnonzero(np.diff(moments) == 0)
        if len(same):
            raise _twice(time_column, moments, numbers, same, known_as)
    notes = []
    steps = [np.diff(own) for own in times]
    falling = [number for number, one in enumerate(steps) if (one < 0).any()]
    if falling and all((one < 0).all() for one in steps):
        notes = [f"{known_as} falls from row to row: sorted, the oldest row first."]
    elif falling:
        own, at = times[falling[0]], int(np.argmax(steps[falling[0]] < 0))
        notes = [
            f"{known_as} does not rise from row to row ({time_column.say(own[at + 1])} in row "
            f"{rows[falling[0]][at + 1] + 1:,} comes after {time_column.say(own[at])}): sorted by it."
        ]
    return sorted_rows, sorted_times, notes


def _twice(
    time_column: TimeColumn, times: Times, rows: NDArray[np.int64], same: NDArray[np.int64], known_as: str
) -> Refusal:
    """The refusal of rows at the same time; `times` are sorted, `same` the first of each pair."""
    at = int(same[0])
    first, second = sorted(rows[at : at + 2] + 1)
    if time_column.hours and not time_column.zone and set_back(times[same]):
        hour = np.datetime64(int(times[at]), "s").item().strftime("%Y-%m-%d %H:%M")
        return Refusal(
            f"{known_as} has the hour from {hour} twice (rows {first:,} and {second:,}), as local time has "
            "it when clocks are set back. Write the times in UTC, or name their time zone: "
            '`time_zone="Europe/Berlin"`, for example.'
        )
    exact = time_column.kind == "date" and not time_column.form and time_column.hours
    to, finer = (", to the second", _FINER) if exact else ("", "")
    return Refusal(
        f"{known_as} must have each time once{to}; got {time_column.say(times[at])} in row {first:,} and "
        f"in row {second:,}. Name the column that tells several series apart with `series=COLUMN`, or "
        f"remove one of the rows.{finer}"
    )


def set_back(repeated: Times) -> bool:
    """Whether repeated times are of the hour repeated at the end of daylight saving time.

    On each day within one hour, before 4 a.m., in spring or fall.

    >>> hours = np.array(["2012-11-04T01:00", "2012-11-04T01:30"], "datetime64[s]").astype(np.int64)
    >>> set_back(hours), set_back(hours + 12 * 3600)
    (True, False)
    """
    days, within = np.divmod(np.unique(repeated).astype(np.int64), _DAY)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    if not np.isin(months, (3, 4, 9, 10, 11)).all() or (within >= 4 * 3600).any():
        return False
    return all(np.ptp(within[days == day]) < 3600 for day in np.unique(days))


def as_utc(times: Times, zone: str) -> Times:
    """Local times of a zone, in row order, as UTC.

    In the repeated hour, the first row of each time is before the change, the second after.

    >>> local = np.array(["2012-11-04T01:00", "2012-11-04T01:00"], "datetime64[s]").astype(np.int64)
    >>> as_utc(local, "America/New_York").astype("datetime64[s]").astype(str).tolist()
    ['2012-11-04T05:00:00', '2012-11-04T06:00:00']
    """
    info = zone_named(zone)
    falls = len(times) > 1 and 2 * int((np.diff(times) < 0).sum()) > len(times)
    found = np.empty(len(times), np.int64)
    seen: set[int] = set()
    for place in range(len(times))[:: -1 if falls else 1]:
        local = int(times[place])
        moment = _EPOCH + datetime.timedelta(seconds=local)
        found[place] = int(moment.replace(tzinfo=info, fold=int(local in seen)).timestamp())
        seen.add(local)
    return found


def zone_named(name: str) -> zoneinfo.ZoneInfo:
    """A time zone of the IANA database."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            raise Refusal("`time_zone` needs the data of time zones: pip install tzdata.") from error
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else "."
        raise Refusal(f'unknown time_zone "{name}"{hint} Zones are named as Europe/Berlin is.') from error
