"""Position of samples in time, and the chronological split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.text import counted, duration
from epochal.data.series.sampling_interval import SamplingInterval, skipped_hours
from epochal.data.series.time_column import TimeColumn, Times
from epochal.data.split import Split, part_size
from epochal.errors import Refusal

_ROWS = TimeColumn()


@dataclass(frozen=True, eq=False)
class Timeline:
    """Positions of samples in their series.

    Rows of a series are counted from 0, in the order of time. A sample spans `span` rows from `begin`, of
    which the last `horizon` are its targets.

    Args:
        names: names of the series; one empty name for a single one.
        times: the time of each row, by series, ascending.
        rows: the row of the source, from 1, of each row, by series.
        values: the forecast column in its own units, by series, or empty.
        series: int64 `(n,)`, the series of each sample.
        begin: int64 `(n,)`, its first row there.
        span: rows of a sample, inputs and targets.
        horizon: target rows of a sample.
        offset, scale: float64 `(n,)`; `offset + scale * target` is in the column's own units.
        period: rows of a season, for the seasonal naive forecast; 0 for none.
        time_column: the kind of time.
        interval: the sampling interval, if regular.
        series_column: the column that names the series.
    """

    names: tuple[str, ...]
    times: tuple[Times, ...]
    rows: tuple[NDArray[np.int64], ...]
    values: tuple[NDArray[np.float64], ...]
    series: NDArray[np.int64]
    begin: NDArray[np.int64]
    span: int
    horizon: int
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    period: int = 0
    time_column: TimeColumn = _ROWS
    interval: SamplingInterval | None = None
    series_column: str = ""

    @classmethod
    def of_rows(cls, rows: NDArray[np.int64]) -> Timeline:
        """One sample per row, in order."""
        order = np.arange(len(rows), dtype=np.int64)
        offset, scale = np.zeros(len(rows)), np.ones(len(rows))
        return cls(("",), (order,), (rows,), (), np.zeros_like(order), order, 1, 1, offset, scale)

    @cached_property
    def starts(self) -> Times:
        """The first time of each sample, in the time that all series share."""
        return np.concatenate(self._aligned_times)[self._in_sequence]

    @cached_property
    def _in_sequence(self) -> NDArray[np.int64]:
        """The first row of each sample where the series follow one another."""
        return np.cumsum([0, *map(len, self.times)])[self.series] + self.begin

    @cached_property
    def _aligned_times(self) -> tuple[Times, ...]:
        """The times; series without any are aligned at their ends."""
        if self.time_column.kind != "row":
            return self.times
        return tuple(times - len(times) for times in self.times)

    def stretches(self, samples: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The samples, split where one does not continue the inputs of the one before."""
        steps, series = np.diff(self.begin[samples]), np.diff(self.series[samples])
        return np.split(samples, np.flatnonzero((steps != self.span - self.horizon) | (series != 0)) + 1)

    def time(self, series: int, position: int) -> Any:
        """The time of a row; beyond the end extrapolated, or None."""
        times = self.times[series]
        beyond = position - len(times) + 1
        if beyond <= 0:
            return times[position].item()
        if self.time_column.kind == "row":
            return position
        interval = self.interval
        return None if interval is None else interval.at_end(times).after(times[-1].item(), beyond)

    def coordinates(self) -> dict[str, list[Any]]:
        """The coordinates of each sample's first target: row (None beyond the end), series and time."""
        first = (self.begin + self.span - self.horizon).tolist()
        pairs = list(zip(self.series.tolist(), first, strict=True))
        rows = [int(self.rows[one][at]) if at < len(self.rows[one]) else None for one, at in pairs]
        found: dict[str, list[Any]] = {"row": rows}
        if self.series_column:
            found[self.series_column] = [self.names[one] for one, _ in pairs]
        if (column := self.time_column).kind != "row":
            times = [self.time(one, at) for one, at in pairs]
            found[column.name] = [None if time is None else column.say(time) for time in times]
        return found

    def inverse_transform(self, values: NDArray[Any], samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Targets or predictions `(n,)` or `(n, horizon)` of some samples in the column's own units."""
        offset, scale = self.offset[samples], self.scale[samples]
        if values.ndim > 1:
            offset, scale = offset[:, None], scale[:, None]
        return np.asarray(offset + scale * values.astype(np.float64))

    def naive(self, samples: NDArray[np.int64], period: int = 0) -> NDArray[np.float64]:
        """The naive forecast `(n, horizon)`: the last value, or that of one season ago.

        The value `period` rows before each target; for targets further ahead, by whole periods.
        """
        ahead = np.arange(self.horizon)
        back = period - 1 - ahead % period if period else np.zeros(self.horizon, np.int64)
        before = self._in_sequence[samples] + self.span - self.horizon - 1
        return np.concatenate(self.values)[before[:, None] - back]


def chronological(
    timeline: Timeline, *, validation: float | int = 0.2, test: float | int = 0.0, gap: int = 0
) -> Split:
    """A chronological split: training, then validation, then test samples.

    Two moments cut the time that all series share. A sample belongs to the part that holds all its rows,
    inputs and targets; one that crosses a cut, or comes within `gap` rows before it, is in no part. No row
    that one part predicts is used by another. For windows of one series with stride 1, `window + horizon -
    1` of them cross each cut.

    Args:
        timeline: positions of the samples.
        validation: a fraction in [0, 1), or a whole number of samples: the number that begin at or after the
            first cut, counted without those that cross the second (more where several series share a moment).
        test: likewise, at or after the second.
        gap: additional rows to leave out before each cut.

    >>> line = Timeline.of_rows(np.arange(1, 11))
    >>> parts = chronological(line, validation=0.2, test=0.1, gap=1)
    >>> parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()
    ([0, 1, 2, 3, 4], [6, 7], [9])
    """
    samples = len(timeline.begin)
    held_out = {"test": test, "validation": validation}
    sizes = {name: part_size(name, part, samples) for name, part in held_out.items()}
    free = np.ones(samples, bool)
    parts = dict.fromkeys(sizes, np.empty(0, np.int64))
    for name, size in sizes.items():
        left = np.sort(timeline.starts[free])
        if size >= len(left):  # refused below
            free[:] = False
        elif size:
            cut = left[len(left) - size]
            parts[name] = np.flatnonzero(free & (timeline.starts >= cut))
            first = np.array([np.searchsorted(times, cut) for times in timeline._aligned_times])
            free &= timeline.begin + timeline.span - 1 + gap < first[timeline.series]
    if not free.any():
        held = " and ".join(f"{size:,} for {name}" for name, size in sizes.items() if size)
        raise Refusal(
            f"the {samples:,} samples are too few to hold out {held} in the order of time: those that begin "
            f"within {timeline.span - 1 + gap:,} rows before a cut are left out, and none remains to train "
            "on. Use smaller fractions, a shorter window, or a longer series."
        )
    return Split(np.flatnonzero(free), parts["validation"], parts["test"])


def time_notes(
    timeline: Timeline | None, samples: int, chosen: Split, kind: str | None, gap: int
) -> tuple[str, ...]:
    """Notes on the split of ordered data; none for unordered samples."""
    parts = {"validate": chosen.validation, "test": chosen.test}
    held_out = {name: part for name, part in parts.items() if len(part)}
    if not held_out or (kind != "chronological" and timeline is None):
        return ()
    if kind != "chronological":
        return (
            "a random split of windows holds out rows that training windows have seen, so that metrics are "
            'too good; `split="chronological"` does not.',
        )
    line = timeline or Timeline.of_rows(np.arange(1, samples + 1))
    cuts = []
    for name, part in held_out.items():
        first = part[np.argmin(line.starts[part])]
        time = line.times[line.series[first]][line.begin[first]]
        cuts.append(f"those that begin at {line.time_column.say(time)} or later {name}")
    left = samples - sum(len(part) for part in (chosen.train, chosen.validation, chosen.test))
    rows = f" (`gap={gap}`)" if gap else ""
    what = "window" if timeline is not None else "sample"
    many = counted(left, f"{what} that crosses a cut is", f"{what}s that cross a cut are")
    crossing = f"; {many} left out{rows}" if left else ""
    return (f"split in the order of time, the same in all repeats: {', '.join(cuts)}{crossing}.",)


def gap_notes(line: Timeline, across_gaps: bool) -> list[str]:
    """Notes on the rows of windows that are not one step apart."""
    if (interval := line.interval) is None:
        apart = np.concatenate([np.diff(times) for times in line.times])
        if len(apart) < 2:
            return []
        low, usual, high = (
            duration(one) if line.time_column.kind == "date" else f"{one:.4g}"
            for one in (apart.min(), np.median(apart), apart.max())
        )
        return [
            f"the rows have no usual distance in time ({low} to {high}, median {usual}): windows count rows, "
            "whatever lies between."
        ]
    cuts, changes = zip(*map(interval.cuts, line.times), strict=True)
    gaps = tuple(cut & ~change for cut, change in zip(cuts, changes, strict=True))
    notes = []
    for found, (one, many, rest), remark in (
        (gaps, ("gap", "gaps", "in time"), "no window crosses {}; `across_gaps=True` lets them"),
        (changes, ("change", "changes", "of the distance between rows"), "no window has both distances"),
    ):
        count = sum(int(own.sum()) for own in found)
        if not count:
            continue
        series = next(number for number, own in enumerate(found) if own.any())
        at, times = int(np.argmax(found[series])), line.times[series]
        what, first = (f"1 {one}", "") if count == 1 else (f"{count:,} {many}", "first ")
        crossing = "windows count rows, whatever lies between" if across_gaps else remark
        notes.append(
            f"{what} {rest}, {first}between {line.time_column.say(times[at])} and "
            f"{line.time_column.say(times[at + 1])} (row {line.rows[series][at + 1]:,}): "
            f"{crossing.format('it' if count == 1 else 'them')}."
        )
    if absent := sum(int(interval.absent(times).sum()) for times in line.times):
        notes.append(
            f"rows come at certain days or hours of the week only: the {absent:,} breaks between, with "
            "holidays of up to 5 days, are read as closed times, not as gaps."
        )
    skipped = sum(int(skipped_hours(interval, times).sum()) for times in line.times)
    if skipped and not line.time_column.zone:
        hours = counted(skipped, "missing hour")
        notes.append(f"{hours} on a Sunday in spring: read as clocks set forward, not as a gap.")
    return notes
