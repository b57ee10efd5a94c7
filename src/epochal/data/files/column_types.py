"""Column types of Arrow tables, normalized to the few that are read: numbers, booleans, dates and text."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.columns import called, default_name, unique_names
from epochal.data.values.missing import emptied
from epochal.data.values.rounding import loses_differences
from epochal.errors import Refusal, join_refusals


def shrink_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """A table of the batches with 64-bit floats and integers narrowed where they fit.

    Samples become float32 in any case; narrowing batch by batch halves the memory of a large table.
    """
    shrunk = [[_shrink(column) for column in batch.columns] for batch in batches]
    arrays = []
    for index, field in enumerate(schema):
        chunks = [columns[index] for columns in shrunk]
        kinds = {chunk.type for chunk in chunks}
        if len(kinds) > 1:
            widest = next((kind for kind in (pa.int64(), pa.float64()) if kind in kinds), field.type)
            chunks = [chunk.cast(widest) for chunk in chunks]
        arrays.append(pa.chunked_array(chunks, type=None if chunks else field.type))
    return pa.Table.from_arrays(arrays, names=schema.names)


def _shrink(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return _written_out(column)
    if pa.types.is_float64(column.type):
        lossy = loses_differences(column.to_numpy(zero_copy_only=False)[:, None], constant=True)[0]
        return column if lossy else column.cast(pa.float32(), safe=False)
    if pa.types.is_int64(column.type):
        lowest, highest = pc.min_max(column).as_py().values()
        if lowest is None or (lowest >= -(2**31) and highest < 2**31):
            return column.cast(pa.int32())
    return column


MAX_TEXT = 1 << 29
"""Most bytes of a dictionary's expanded texts in one block of rows."""


def _written_out(column: pa.DictionaryArray) -> pa.Array:
    """A dictionary column expanded to its values."""
    kind = column.type.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        lengths = pc.binary_length(column.dictionary).cast(pa.int64()).take(column.indices)
        if (pc.sum(lengths).as_py() or 0) > MAX_TEXT:
            raise Refusal(
                f"the texts of {len(column):,} rows must take at most {MAX_TEXT:,} bytes; they take more. "
                "Leave that column out of the file."
            )
    return column.cast(kind)


def table_of_array(values: NDArray[Any]) -> pa.Table:
    """Numbers `(rows, columns)` as numbered columns, with NaN missing.

    Half floats, which Arrow can't compare, become 32-bit ones, and swapped bytes those of this machine.

    >>> table_of_array(np.array([[0.5], [np.nan]], np.float16))["column 1"].null_count
    1
    """
    native = np.float32 if values.dtype == np.float16 else values.dtype.newbyteorder("=")
    values = values.astype(native, copy=False)
    columns = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in values.T]
    return pa.Table.from_arrays(columns, names=list(map(default_name, range(len(columns)))))


_KEPT = (
    *(pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating),
    *(pa.types.is_timestamp, pa.types.is_date),
)
"""Types of columns that stay as they are."""


Selection = Callable[[Sequence[str]], Collection[Any]]
"""Selects some of the columns with these names, by their names or positions."""


def none_of(names: Sequence[str]) -> Collection[Any]:
    """The selection of no columns."""
    return ()


def normalize_types(table: pa.Table, drop: Selection = none_of, text: Selection = none_of) -> pa.Table:
    """The table with only booleans, integers, floats, timestamps, dates and stripped text.

    Dictionaries become text, decimals floats, times of day hours, durations seconds, times with a zone local
    times, empty text missing. Columns selected by `drop` are left empty; nested ones of `text` become JSON.
    """
    if table.num_columns > MAX_COLUMNS:
        raise Refusal(
            f"a table must have at most {MAX_COLUMNS:,} columns; got {table.num_columns:,}. "
            "Use an .npy or .npz file for so many numbers."
        )
    names = unique_names(table.column_names)
    arrays: list[Any] = list(table.columns)
    unused, written, problems = set(drop(names)), set(text(names)), list[str]()
    for index, column in enumerate(table.columns):
        if names[index] in written and pa.types.is_nested(column.type):
            cells = [None if cell is None else _json(cell) for cell in column.to_pylist()]
            column = pa.chunked_array([cells], pa.string())
        try:
            empty = index in unused
            arrays[index] = pa.nulls(table.num_rows) if empty else _normalized(column, called(names, index))
        except Refusal as error:
            problems.append(error.sentence)
    if problems:
        raise join_refusals(problems)
    return pa.Table.from_arrays(arrays, names=names)


def _normalized(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _normalized(
            pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type), name
        )
    if pa.types.is_dictionary(kind):
        column = pa.chunked_array(map(_written_out, column.chunks), type=kind.value_type)
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return emptied(pc.utf8_trim_whitespace(column.cast(pa.string())), [""])
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    elif pa.types.is_time(kind):
        micro = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
        column = pc.divide(micro.cast(pa.float64()), 3.6e9)
    elif pa.types.is_duration(kind):
        micro = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        column = pc.divide(micro.cast(pa.float64(), safe=False), 1e6)
    elif pa.types.is_timestamp(kind) and kind.tz is not None:
        try:
            column = pc.local_timestamp(column)
        except pa.ArrowException:  # an unknown zone: as UTC
            column = column.cast(pa.timestamp(kind.unit))
    elif not any(is_kind(kind) for is_kind in _KEPT):
        raise Refusal(
            f"{name} must hold numbers, booleans, dates or text; got {kind}. "
            "Leave it out with `drop=COLUMN`, or out of the file."
        )
    if pa.types.is_floating(column.type) and pc.any(nan := pc.is_nan(column)).as_py():
        return pc.if_else(nan, pa.scalar(None, column.type), column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        _check_years(column, name)
    return column


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


MAX_COLUMNS = 100_000
"""Most columns that are inspected one by one."""

_SECONDS = -62_135_596_800, 253_402_300_799
"""Seconds from 1970 of the years 1 and 9999, the limits of calendars."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _check_years(column: pa.ChunkedArray, name: str) -> None:
    bounds = pc.min_max(column)
    if not bounds["min"].is_valid:
        return
    days = pa.types.is_date32(column.type)
    each = 1000 if pa.types.is_date64(column.type) else 1 if days else _PER_SECOND[column.type.unit]
    lowest, highest = (bounds[end].value * (86_400 if days else 1) // each for end in ("min", "max"))
    if lowest < _SECONDS[0] or highest > _SECONDS[1]:
        raise Refusal(
            f"{name} must hold dates of the years 1 to 9999; got others, which may be "
            "counted in another unit. Write them as text, or leave the column out of the file."
        )
