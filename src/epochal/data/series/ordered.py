"""Columns of a time series: the forecast one, the time, and further inputs."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.data.columns import ColumnReference, called, has_header, reference, resolve, resolve_all
from epochal.data.files.column_types import table_of_array
from epochal.data.files.npy import ARRAY_SUFFIXES, read_array
from epochal.data.files.read import existing, form_of
from epochal.data.files.reading import Reading
from epochal.data.series.sampling_interval import usual_interval
from epochal.data.series.time_column import TimeColumn, zone_named
from epochal.data.tables.encode import to_dates, to_numbers
from epochal.data.tables.frames import NamedTable, is_pair, named_table
from epochal.data.tables.recognize import TableOptions, recognize
from epochal.data.tables.schema import Column, LeftOut, TableEncoder
from epochal.data.tables.table import hints_of
from epochal.data.values.date_forms import compact_form, infer_dates
from epochal.data.values.missing import quoted
from epochal.data.values.number_forms import infer_numbers
from epochal.errors import Refusal

_EVEN = 0.8
"""The share of rows one step apart that makes numbers a time, if no name does."""


def series_table(
    source: Any, target: ColumnReference | None, reading: Reading, drop: Sequence[ColumnReference] = ()
) -> tuple[NamedTable, ColumnReference | None]:
    """The table of a source, with columns of `drop` empty, and the target, which may be given beside it."""
    suffix = Path(source).suffix.lower() if isinstance(source, str | Path) else ""
    if suffix in ARRAY_SUFFIXES:
        path = existing(source)
        if suffix == ".npz":
            raise Refusal(f"windows are cut from a table or one array; {path.name} has several: use .npy.")
        return NamedTable(_of_numbers(read_array(path)), path.name), target
    if is_pair(source) and len(source) == 2 and isinstance(source[1], (str, int)):
        source, target = source
    unused = functools.partial(resolve_all, drop, role="drop")
    if (found := named_table(source, reading, drop=unused, time=True)) is not None:
        return found, target
    if isinstance(source, (tuple, list)) and len(source) == 2 and np.ndim(source[0]) > 0:
        raise Refusal("windows make their own targets; give the ordered numbers alone, without targets.")
    return NamedTable(_of_numbers(source), "array"), target


def _of_numbers(source: Any) -> pa.Table:
    array = np.asarray(source)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "buif" or 0 in array.shape:
        raise Refusal(
            "an ordered table must be a file, a data frame, or numbers (rows,) or (rows, columns); "
            f"got {array.dtype} of the shape {array.shape}."
        )
    return table_of_array(array)


def series_columns(
    table: pa.Table, options: TableOptions, arguments: Mapping[str, Any]
) -> tuple[TableEncoder, TimeColumn, int | None, int | None, list[str]]:
    """The encoder of a row, the forecast column first; the time column; indices of time and series; notes."""
    time, time_zone, by, inputs = map(arguments.get, ("time", "time_zone", "series", "inputs"))
    names, roles = tuple(table.column_names), options.columns(table.column_names)
    dropped = roles.pop("drop")
    series = None if by is None else resolve(by, names, "series")
    when = None if time is None else resolve(time, names, "time")
    chosen = _target(table, options.target, {series, when} | dropped)
    for role, index in (("series", series), ("time", when), ("drop", next(iter(dropped & {chosen}), None))):
        if index == chosen:
            raise Refusal(f"{role} must be another column than the target; got {called(names, chosen)}.")
    if series is not None and series == when:
        raise Refusal(f"series and time must be two columns; got {called(names, series)} for both.")
    if when is None:
        when, time_column, note = _time(table, {chosen, series} | dropped, series, options.date_format)
    else:
        time_column, note = _read_time_column(table.column(when), names, when, options.date_format)
    notes, left_out = [note], list[LeftOut]()
    if time_zone is not None:
        time_column = _in_zone(time_column, time_zone, table, when)
    wanted = frozenset(range(len(names))) if inputs is None else resolve_all(inputs, names, "inputs")
    listed = frozenset[int]().union(*roles.values(), () if inputs is None else wanted)
    if when is None:
        aside = {chosen, series} | dropped | roles["categorical"] | roles["keep"]
        _refuse_unread_time(table, aside if inputs is None else aside | wanted)
    hints = hints_of(table, options, {chosen, series, when})
    columns = [Column(names[chosen], chosen, "numeric")]
    if not _numbers(table.column(chosen)):
        found, _ = recognize(names, table.column(chosen), chosen, ["numeric"], hints)
        assert isinstance(found, Column)
        columns = [replace(found, missing=False)]
    for index, name in enumerate(names):
        if index in (chosen, series):
            continue
        if index in dropped or index not in wanted | listed or (index == when and index not in listed):
            left_out.append(LeftOut(name, index, "the time" if index == when else "not asked for"))
            continue
        column = table.column(index)
        holds_numbers = _numbers(column) and column.null_count < len(column)
        steps = np.diff(to_numbers(column.combine_chunks(), "")) if holds_numbers else np.zeros(0)
        counts = len(steps) > 0 and steps[0] != 0 and bool((steps == steps[0]).all())
        own = {role for role, positions in roles.items() if index in positions}
        own = own or ({"keep"} if index in listed else set())
        own |= {"numeric"} if holds_numbers and not counts else set()
        found, note = recognize(names, column, index, own, hints)
        if counts and index not in listed:
            kept = option("keep", [reference(names, index)])
            note = f"{called(names, index)} only counts the rows: left out; {kept} keeps it."
            found = LeftOut(name, index, "counts the rows")
        notes.append(note)
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        columns.append(found)
        if column.null_count:
            instead = "a missing level is no level"
            if found.kind != "category":
                instead = "numbers are filled with the median of the training windows, and an indicator says "
                instead += "where"
            notes.append(
                f"{called(names, index)} misses {column.null_count:,} values: {instead}; "
                '`fill="forward"` carries the last one on.'
            )
    encoder = TableEncoder(
        names=names,
        header=has_header(names),
        columns=tuple(columns),
        left_out=tuple(left_out),
        target=None,
        target_text=False,
        weight=None,
        task=None,
        **form_of(table),
    )
    return encoder, time_column, when, series, [note for note in notes if note]


def _refuse_unread_time(table: pa.Table, aside: Collection[int | None]) -> None:
    names = table.column_names
    for index, column in enumerate(table.columns):
        if index in aside or not pa.types.is_string(column.type):
            continue
        filled = column.drop_null()
        if len(filled) < 2 or infer_numbers(column, called(names, index)) is not None:
            continue
        distinct, digits = pc.count_distinct(filled).as_py(), pc.match_substring_regex(filled, "[0-9]")
        max_digits = 2 * (pc.sum(digits).as_py() or 0) > len(filled)
        if distinct >= 0.9 * len(filled) or (max_digits and distinct >= len(filled) / 4):
            drop = option("drop", [reference(names, index)])
            raise Refusal(
                f'{called(names, index)} may be the time, but is not understood: got "{filled[0]}". Say how '
                "it is written with `date_format=...`, such as %d.%m.%Y; name the column that is the time "
                f"with `time=COLUMN`; or leave it out with {drop}: the rows then count in their order."
            )


def _numbers(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


def _target(table: pa.Table, target: ColumnReference | None, taken: Collection[int | None]) -> int:
    """The forecast column: as named, or the last one with numbers."""
    names = table.column_names

    def holds_numbers(index: int) -> bool:
        column = table.column(index)
        return _numbers(column) or infer_numbers(column, called(names, index)) is not None

    if target is not None:
        index = resolve(target, names, "target")
        if not holds_numbers(index):
            raise Refusal(
                f"{called(names, index)} is to be forecast and must hold numbers; got "
                f"{table.column(index).type}. The next class can't be forecast: name a column of numbers "
                "with `target=COLUMN`."
            )
        return index
    for index in reversed(range(len(names))):
        if index not in taken and holds_numbers(index):
            return index
    raise Refusal(
        "the table must have a column of numbers to forecast; it has none. Name one with `target=COLUMN`."
    )


_TIME_NAME = re.compile(
    r"(t|when|times?|timestamp|date|datetime|day|hour|week|month|quarter|year|minute|second|period|step|tick)s?",
    re.IGNORECASE,
)


def _time(
    table: pa.Table, taken: Collection[int | None], series: int | None, form: str | None
) -> tuple[int | None, TimeColumn, str]:
    """The first column with dates, or with numbers that increase evenly except for gaps."""
    names = table.column_names
    free = [index for index in range(len(names)) if index not in taken]
    for index in free:
        if (dated := _dated(table.column(index), names, index, form)) is not None:
            return index, *dated
    labels = None if series is None else table.column(series).combine_chunks().dictionary_encode()
    codes = None if labels is None or labels.null_count else labels.indices.to_numpy()
    for index in free:
        column, named = table.column(index), _TIME_NAME.fullmatch(names[index]) is not None
        if pa.types.is_integer(column.type) or (named and pa.types.is_floating(column.type)):
            values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
            if np.isfinite(values).all() and _tells_time(values, codes, named=named):
                return index, TimeColumn("number", names[index]), ""
    return None, TimeColumn(), ""


def _tells_time(values: NDArray[np.float64], codes: NDArray[np.int32] | None, *, named: bool) -> bool:
    """Whether numbers are times: unique in each series, most of them about one step apart.

    A column without a name of time must rise (or fall) from row to row, in whole multiples of that step.

    >>> days = np.array([1.0, 2, 3, 4, 5, 9, 10, 11, 12, 13])
    >>> _tells_time(days, None, named=False), _tells_time(days**2, None, named=False)
    (True, False)
    """
    series = np.zeros(len(values), np.int32) if codes is None else codes
    order = np.argsort(series, kind="stable")
    steps = np.diff(values[order])[np.diff(series[order]) == 0]
    falls = len(steps) > 0 and bool((steps < 0).all())
    if named and not falls and (steps <= 0).any():
        order = np.lexsort((values, series))
        steps = np.diff(values[order])[np.diff(series[order]) == 0]
    steps = np.round(-steps if falls else steps, 9)
    if len(steps) < 2 or (steps <= 0).any():
        return False
    if named:
        return usual_interval(TimeColumn("number"), [np.cumsum(steps)]) is not None
    sizes, counts = np.unique(steps, return_counts=True)
    usual, share = sizes[counts.argmax()], counts.max() / len(steps)
    return bool(share >= _EVEN and (steps % usual == 0).all())


def _in_zone(time_column: TimeColumn, zone: str, table: pa.Table, when: int | None) -> TimeColumn:
    zone_named(zone)
    if when is None or time_column.kind != "date" or not time_column.hours:
        raise Refusal(
            f'`time_zone` is for a column of dates with hours; got "{zone}" for '
            f"{'rows without a time' if when is None else called(table.column_names, when)}. Leave it out."
        )
    kind = table.column(when).type
    if (pa.types.is_timestamp(kind) and kind.tz) or "%z" in time_column.form:
        raise Refusal(
            f"{called(table.column_names, when)} says its own time zone, so time_zone must be left out; "
            f'got "{zone}".'
        )
    return replace(time_column, zone=zone)


def _read_time_column(
    column: pa.ChunkedArray, names: Sequence[str], index: int, date_format: str | None
) -> tuple[TimeColumn, str]:
    """The column that was named as the time, and a note on how it was read."""
    if (dated := _dated(column, names, index, date_format)) is not None:
        return dated
    if _numbers(column):
        return TimeColumn("number", names[index]), ""
    first = column.drop_null()
    shown = f'"{first[0].as_py()}"' if len(first) else "no value"
    how = ", such as 2020-12-31, or numbers"
    how = f" as {option('date_format', date_format)} says" if date_format else how
    raise Refusal(
        f"{called(names, index)} is the time and must hold dates{how}; got {shown}. Name another column with "
        f"`time=COLUMN`, or drop it: {option('drop', [reference(names, index)])}."
    )


def _dated(
    column: pa.ChunkedArray, names: Sequence[str], index: int, date_format: str | None
) -> tuple[TimeColumn, str] | None:
    """A column with dates as time, and a note on how they are written; None without dates."""
    known_as, form, note = called(names, index), "", ""
    if compact := compact_form(column):
        form, note = compact, f"{known_as} is the time, written as {compact}."
    elif pa.types.is_string(column.type) and (found := infer_dates(column, date_format)) is not None:
        if found.odd:
            raise Refusal(
                f"{known_as} is the time and must hold dates in all rows; got {quoted(found.odd)}. Correct "
                "them, or remove those rows."
            )
        remark = found.remark.replace(", the local time as written", ", counted in UTC")
        form, note = found.form, f"{known_as} is the time, written as {found.form}{remark}." if remark else ""
    elif not pa.types.is_temporal(column.type):
        return None
    seconds = to_dates(column.combine_chunks(), form, names[index]).cast(pa.int64()).drop_null().to_numpy()
    return TimeColumn("date", names[index], form, hours=bool((seconds % 86_400).any())), note
