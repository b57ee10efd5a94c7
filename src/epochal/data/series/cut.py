"""Windows of a table, cut per series and between its gaps, and the encoder that a run folder keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.text import counted, shortlist
from epochal.data.columns import called
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.records import Damaged
from epochal.data.series.sampling_interval import SamplingInterval, usual_interval
from epochal.data.series.time_column import TimeColumn, Times, as_utc, in_order
from epochal.data.series.timeline import Timeline, gap_notes
from epochal.data.tables.encode import as_text, encode, plain_numbers
from epochal.data.tables.frames import NamedTable
from epochal.data.tables.schema import TableBased
from epochal.data.tables.target import target_numbers
from epochal.data.task import Task
from epochal.errors import Refusal

RELATIVE = ("difference", "ratio")
"""Ways to make a window relative to its last value."""
FILLS = ("forward",)


@dataclass(frozen=True)
class WindowEncoder(TableBased):
    """Cuts windows from any table with these columns.

    `table` encodes one row; its first feature is the forecast column. It has no statistics of the
    data, so no split can leak.
    """

    kind: ClassVar[str] = "windows"
    loader: ClassVar[str] = "ep.load_windows"

    window: int
    horizon: int
    stride: int
    relative: str | None
    fill: str | None
    period: int
    time_column: TimeColumn
    time: int | None
    """The index of the time column."""
    series_column: int | None
    """The index of the column that names several series."""
    across_gaps: bool = False
    """Whether windows ignore gaps in time."""
    interval: SamplingInterval | None = None
    """The sampling interval of the training table."""
    ahead: bool = False
    """Whether to include windows whose targets lie beyond the end of their series."""

    @property
    def target(self) -> int:
        """The index of the forecast column."""
        return self.table.columns[0].index

    @property
    def target_name(self) -> str:
        """The name of the forecast column."""
        return self.table.names[self.target]

    @property
    def task(self) -> Task:
        """One number for each step ahead."""
        return Task("regression", targets=self.horizon)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in super().to_dict().items() if name != "ahead"}

    def check(self) -> None:
        lengths = (self.window, self.horizon, self.stride)
        if (
            min(lengths) < 1
            or max(*lengths, self.period) > 2**31
            or self.period < 0
            or any(not 0 <= (at or 0) < len(self.table.names) for at in (self.time, self.series_column))
            or (self.time_column.kind != "row" and self.time is None)
            or self.relative not in (None, *RELATIVE)
            or self.fill not in (None, *FILLS)
            or self.table.columns[0].kind != "numeric"
            or (self.interval is not None and not self.interval.sound)
        ):
            raise Damaged("no windows can be cut as it says")


_SEASONS = {("months", 1): 12, ("month ends", 1): 12, ("months", 3): 4, ("month ends", 3): 4}
_SEASONS |= {("seconds", 86_400): 7, ("seconds", 3600): 24}
"""Rows of a season by the calendar: a year of months or quarters, a week of days, a day of hours."""


def cut(encoder: WindowEncoder, read: NamedTable, at: dict[int, int], *, training: bool) -> Dataset:
    """Cut a table into windows, 2 at least for training; column i of the training table is at `at[i]`."""
    table, source, time_column = read.table, read.name, encoder.time_column
    members, labels = _groups(encoder, table, at)
    known_as = "the rows" if encoder.time is None else called(encoder.table.names, encoder.time)
    if encoder.time is None:
        times = [np.arange(len(own), dtype=np.int64) for own in members]
    else:
        zone, moments = time_column.zone, time_column.read(table.column(at[encoder.time]), known_as)
        times = [as_utc(moments[own], zone) if zone else moments[own] for own in members]
    members, times, unsorted = in_order(time_column, members, times, known_as)
    values, filled = _values(encoder, table.column(at[encoder.target]), members)
    features, unseen = encode(table, encoder.table, [at[column.index] for column in encoder.table.columns])
    if training:
        encoder = replace(encoder, interval=usual_interval(time_column, times))
    stretches = [_stretches(encoder, own) for own in times]
    begins = [_begins(encoder, own) for own in stretches]
    found = list(map(_Series, labels, members, times, values, stretches, begins))
    raw_notes = [*read.notes, *unsorted, *unseen, *filled, *_short(encoder, found, source, new=not training)]
    found = [series for series in found if len(series.begins)]
    if encoder.period < 0:
        season = 0
        if (interval := encoder.interval) is not None:
            season = interval.rows_of_season or _SEASONS.get((interval.unit, int(interval.size)), 0)
        encoder = replace(encoder, period=season if season <= encoder.window else 0)
    line = _timeline(encoder, found)
    inputs = np.concatenate([_inputs(encoder, features[series.rows], series) for series in found])
    if len(inputs) < 1 + training:
        raise Refusal(
            f"{source} must give at least {1 + training} windows of {encoder.window + encoder.horizon} rows; "
            f"got {len(inputs)}. Use a shorter window or horizon."
        )
    targets = None
    if not encoder.ahead:
        ahead = encoder.window + np.arange(encoder.horizon)
        exact = np.concatenate([series.values[series.begins[:, None] + ahead] for series in found])
        targets = (exact - line.offset[:, None]) / line.scale[:, None]
        targets = targets[:, 0] if encoder.horizon == 1 else targets
    beyond = np.full(encoder.horizon, -1)
    first = [np.append(series.rows, beyond)[series.begins + encoder.window] + 1 for series in found]
    if training:
        raw_notes += _notes(encoder, line)
    return Dataset(
        inputs=inputs,
        targets=targets,
        task=None if targets is None else encoder.task,
        features=encoder.table.features,
        continuous=encoder.table.continuous,
        encoder=replace(encoder, ahead=False),
        target_name=encoder.target_name,
        source=source,
        raw_notes=tuple(raw_notes),
        row_numbers=np.concatenate(first),
        fingerprint=fingerprint((*encoder.table.features, encoder.target_name), inputs, targets, line.offset),
        timeline=line,
    )


@dataclass(frozen=True, eq=False)
class _Series:
    """A series in the order of time: its rows in the table, from 0, and the first rows of its windows."""

    label: str
    rows: NDArray[np.int64]
    times: Times
    values: NDArray[np.float64]
    stretches: list[tuple[int, int]]
    begins: NDArray[np.int64]


def _groups(
    encoder: WindowEncoder, table: pa.Table, at: dict[int, int]
) -> tuple[list[NDArray[np.int64]], list[str]]:
    """The rows of each series, from 0, and its name, in the order of first rows."""
    if encoder.series_column is None:
        return [np.arange(table.num_rows, dtype=np.int64)], [""]
    column = as_text(table.column(at[encoder.series_column])).combine_chunks()
    known_as = called(encoder.table.names, encoder.series_column)
    if column.null_count:
        row = int(np.argmin(column.is_valid().to_numpy(zero_copy_only=False))) + 1
        raise Refusal(f"{known_as} tells the series apart and may miss no value; got none in row {row:,}.")
    coded = column.dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))[:-1]
    return np.split(order, ends), [str(label) for label in coded.dictionary.to_pylist()]


def _values(
    encoder: WindowEncoder, column: pa.ChunkedArray, members: list[NDArray[np.int64]]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """The forecast column by series, filled if requested, and a note on what was filled."""
    known_as = called(encoder.table.names, encoder.target)
    column = plain_numbers(column, encoder.table.columns[0], known_as)
    missing = np.asarray(column.is_null().to_numpy())
    target_numbers(column.drop_null(), known_as)
    numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    found = []
    for own in members:
        lost = missing[own]
        if lost.any() and encoder.fill is None:
            row = int(own[np.argmax(lost)]) + 1
            raise Refusal(
                f"{known_as} is forecast from its own past and may miss no value; got {int(missing.sum()):,} "
                f"missing, first in row {row:,}. "
                '`fill="forward"` carries the last value onward; or remove what comes before.'
            )
        if len(own) and lost[0]:
            raise Refusal(
                f"{known_as} must begin with a value, which filling forward carries onward; got none in row "
                f"{int(own[0]) + 1:,}. Remove the rows before the first value."
            )
        found.append(numbers[own][_carried(lost)])
    count = int(missing.sum())
    filled = (
        f"{counted(count, 'missing value')} of {known_as} {'is' if count == 1 else 'are'} filled with the "
        "last one before; errors are measured against filled values, too."
    )
    return found, [filled] if count else []


def _carried(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the last present one, itself included; itself if there is none."""
    places = np.arange(len(lost), dtype=np.int64)
    before = np.maximum.accumulate(np.where(lost, -1, places))
    return np.where(before < 0, places, before)


def _stretches(encoder: WindowEncoder, times: Times) -> list[tuple[int, int]]:
    """Start and end of the stretches of a series between gaps."""
    if encoder.interval is None or encoder.across_gaps or len(times) < 2:
        return [(0, len(times))]
    cuts = np.flatnonzero(encoder.interval.cuts(times)[0]) + 1
    return list(pairwise([0, *cuts.tolist(), len(times)]))


_REMEDIES = {
    (1, 1): "Give more rows, or train anew with a shorter `window` or with `across_gaps=True`.",
    (1, 0): "Use a shorter `window`, or let windows cross gaps: `across_gaps=True`.",
    (0, 1): "Give more rows, those before them included, or train anew with a shorter `window`.",
    (0, 0): "Use a shorter `window` or more rows.",
}
"""What to do where no window fits, by whether gaps are the reason and whether the rows are new."""


def _short(encoder: WindowEncoder, found: Sequence[_Series], source: str, new: bool) -> list[str]:
    """A note on the series that are shorter than a window; a refusal if all are.

    `new`: the window length is fixed by the network.
    """
    needed = encoder.window + (0 if encoder.ahead else encoder.horizon)
    if not any(len(series.begins) for series in found):
        most = max(len(series.rows) for series in found)
        gaps = most >= needed
        if gaps:
            most = max(end - begin for series in found for begin, end in series.stretches)
        of = source if encoder.series_column is None else f"a series of {source}"
        raise Refusal(
            f"{of} must have at least {needed:,} rows{' without a gap in time' if gaps else ''} for a window "
            f"of {encoder.window:,}{'' if encoder.ahead else f' and {encoder.horizon} to forecast'}; got "
            f"{most:,}. {_REMEDIES[gaps, new]}"
        )
    short = [
        f'"{series.label}" ({len(series.rows)})' if series.label else f"({len(series.rows)})"
        for series in found
        if not len(series.begins)
    ]
    which = f"{counted(len(short), 'series is', 'series are')} shorter than the {needed:,} rows of a window"
    return [f"{which} and left out: {shortlist(short, quote='')}."] if short else []


def _begins(encoder: WindowEncoder, parts: list[tuple[int, int]]) -> NDArray[np.int64]:
    """The first rows of a series' windows, each within one stretch."""
    span, found = encoder.window + encoder.horizon, []
    for number, (begin, end) in enumerate(parts):
        if encoder.ahead and number == len(parts) - 1:
            # The last window ends at the last row, and the others precede it at equal distances.
            last = end - encoder.window
            first = begin + (last - begin) % encoder.stride
        else:
            last, first = end - span, begin
        found.append(np.arange(first, last + 1, encoder.stride, dtype=np.int64))
    return np.concatenate(found)


def _timeline(encoder: WindowEncoder, found: Sequence[_Series]) -> Timeline:
    last = np.concatenate([series.values[series.begins + encoder.window - 1] for series in found])
    if encoder.relative == "ratio" and (last <= 0).any():
        at = int(np.argmax(last <= 0))
        row = np.concatenate([series.rows[series.begins + encoder.window - 1] for series in found])[at] + 1
        raise Refusal(
            f"{called(encoder.table.names, encoder.target)} must be above 0 to be seen as a ratio; got "
            f'{last[at]:g} in row {row:,}. Use `relative="difference"`.'
        )
    return Timeline(
        names=tuple(series.label for series in found),
        times=tuple(series.times for series in found),
        rows=tuple(series.rows + 1 for series in found),
        values=tuple(series.values for series in found),
        series=np.repeat(np.arange(len(found)), [len(series.begins) for series in found]),
        begin=np.concatenate([series.begins for series in found]),
        span=encoder.window + encoder.horizon,
        horizon=encoder.horizon,
        offset=np.zeros(len(last)) if encoder.relative is None else last,
        scale=last if encoder.relative == "ratio" else np.ones(len(last)),
        period=encoder.period,
        time_column=encoder.time_column,
        interval=encoder.interval,
        series_column="" if encoder.series_column is None else encoder.table.names[encoder.series_column],
    )


def _inputs(encoder: WindowEncoder, features: NDArray[np.float32], series: _Series) -> NDArray[np.float32]:
    """The windows of one series, float32 (n, window, features); the first feature is the series itself."""
    features[:, 0] = series.values
    if encoder.fill == "forward":
        for column in range(1, features.shape[1]):
            features[:, column] = features[_carried(np.isnan(features[:, column])), column]
    view = np.lib.stride_tricks.sliding_window_view(features, encoder.window, axis=0)
    inputs: NDArray[np.float32] = np.ascontiguousarray(view[series.begins].transpose(0, 2, 1))
    if encoder.relative is not None:  # to the last value of each window, in float64
        exact = series.values[series.begins[:, None] + np.arange(encoder.window)]
        inputs[:, :, 0] = (exact - exact[:, -1:]) / (exact[:, -1:] if encoder.relative == "ratio" else 1.0)
    return inputs


def _notes(encoder: WindowEncoder, line: Timeline) -> list[str]:
    names, notes = encoder.table.names, list[str]()
    if encoder.time is not None:
        say, first, last = line.time_column.say, min(t[0] for t in line.times), max(t[-1] for t in line.times)
        every = ""
        if (interval := line.interval) is not None:
            even = all((interval.distances(times) == interval.size).all() for times in line.times)
            every = f", {'' if even else 'usually '}{interval} apart"
        notes.append(
            f"{called(names, encoder.time)} is the time, {say(first)} to {say(last)}{every}; "
            "`time=COLUMN` names another column."
        )
        notes += gap_notes(line, encoder.across_gaps)
    if (series := encoder.series_column) is not None:
        notes.append(f"{called(names, series)} tells {len(line.names):,} series apart; no window crosses.")
    ahead = "the next value" if encoder.horizon == 1 else f"the next {encoder.horizon:,} values"
    further = shortlist(encoder.table.features[1:], 3, quote="")
    notes.append(
        f"target {called(names, encoder.target)}: {ahead} forecast from the {encoder.window:,} rows before"
        + (f", with {further}" if further else "")
        + f": {len(line.begin):,} windows"
        + (f", one every {encoder.stride:,} rows." if encoder.stride > 1 else ".")
    )
    if encoder.relative is not None:
        how = "differences from" if encoder.relative == "difference" else "shares of"
        notes.append(
            f"the target is seen and predicted in {how} the last value of its window, and so are errors in "
            "curves and comparisons."
        )
    if encoder.period:
        notes.append(
            f"a season of {encoder.period} rows is assumed for the naive forecast; `period=...` sets it."
        )
    return notes
