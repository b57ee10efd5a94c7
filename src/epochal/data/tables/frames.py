"""Tables from data frames, without importing their library, and from paths and examples."""

from __future__ import annotations

import datetime
import decimal
import numbers
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from epochal.common.option_text import option
from epochal.data.arrays.host import on_host
from epochal.data.columns import called, unique_names
from epochal.data.examples import example
from epochal.data.files.column_types import Selection, none_of, normalize_types
from epochal.data.files.read import existing, read_table
from epochal.data.files.reading import Reading
from epochal.data.recipe import EXAMPLE
from epochal.errors import Refusal, join_refusals

_WORDS = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
ROLES = ("target", "sample_weight")
"""The roles of the second and third element beside a data frame."""


def is_frame(value: object) -> bool:
    """Whether it is a pandas, Polars or Arrow table, or one with the data frame protocol.

    >>> is_frame(pa.table({"a": [1]})), is_frame([1, 2])
    (True, False)
    """
    return isinstance(value, pa.Table) or any(
        hasattr(value, name) for name in ("__dataframe__", "__arrow_c_stream__", "to_arrow", "collect_schema")
    )


def table_of_frame(
    frame: Any, drop: Selection = none_of, index: Collection[str] = (), time: bool = False
) -> tuple[pa.Table, tuple[str, ...]]:
    """The frame as an Arrow table of normalized types, and notes on how it was read.

    Args:
        frame: a data frame or series of pandas, a Polars or Arrow table, lazy or not, or one of the protocol.
        drop: selects unused columns, which need not be convertible.
        index: names of pandas index levels to use as columns, appended last.
        time: whether to use an index of times as a column.
    """
    if type(frame).__name__ == "LazyFrame" and hasattr(frame, "collect"):
        table = normalize_types(_arrow_table(frame.collect()), drop=drop)
        return table, ("the lazy data frame was collected.",)
    if not _is_pandas(frame):
        return normalize_types(_arrow_table(frame), drop=drop), ()
    levels = list(_levels_of_pandas(frame, index, time))
    named = [*_columns_of_pandas(frame), *levels]
    names = unique_names(name for name, _ in named)
    unused = set(drop(names))
    columns, notes, problems = list[pa.Array](), list[str](), list[str]()
    for at, (_, one) in enumerate(named):
        try:
            column, note = (pa.nulls(len(frame)), "") if at in unused else _arrow_of_series(one)
        except _Unconvertible as error:
            problems.append(
                f"{called(names, at)} must hold numbers, booleans, dates or text; got {error}. Leave it out "
                f"with {option('drop', [names[at]])}."
            )
            continue
        columns.append(column)
        notes += [f"{called(names, at)} {note}"] if note else []
    if problems:
        raise join_refusals(problems)
    left_out = [f'"{name}"' for name in frame.index.names if name is not None]
    if left_out and not levels and not time:
        notes.append(
            f"the index ({', '.join(left_out)}) of the data frame is no input; reset_index() makes a column "
            "of it."
        )
    return normalize_types(pa.Table.from_arrays(columns, names=names), drop=drop), tuple(notes)


def _arrow_table(frame: Any) -> pa.Table:
    try:
        if isinstance(frame, pa.Table):
            return frame
        if hasattr(frame, "to_arrow"):
            return frame.to_arrow()
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
        from pyarrow.interchange import from_dataframe

        return from_dataframe(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = "; ".join(str(part) for part in error.args).splitlines()[0].rstrip(".")
        raise Refusal(f"the data frame must have one kind of value in each column; {reason}.") from error


def is_pair(value: object) -> bool:
    """Whether it is a data frame with its target, and possibly sample weights."""
    return isinstance(value, tuple) and 1 <= len(value) <= 3 and is_frame(value[0])


def column_beside(table: pa.Table, role: str, values: Any) -> tuple[str, pa.ChunkedArray]:
    """The name and column, of a normalized type, of values given beside a table.

    >>> column_beside(pa.table({"a": [1, 2]}), "target", ["no", "yes"])[0]
    'target'
    """
    pandas = sys.modules.get("pandas")
    if pandas and isinstance(values, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        values = pandas.Series(values)
    if _is_pandas(values) and values.ndim == 1:
        values = values.set_axis(range(len(values)))
        try:
            given = _arrow_of_series(values)[0]
        except _Unconvertible as error:
            raise Refusal(f"{role} must hold numbers, booleans or text; got {error}.") from error
    else:
        values = on_host(values)
        given = getattr(values, "to_numpy", lambda: values)()
    if getattr(given, "ndim", 1) == 2 and given.shape[1] == 1:
        given = given[:, 0]
    matrix, names = getattr(given, "ndim", 1) == 2, table.column_names
    few = isinstance(values, list | tuple) and 1 < len(values) < table.num_rows
    if matrix or (few and all(isinstance(one, str) and one in names for one in values)):
        got = f"the shape {given.shape}" if matrix else ", ".join(values)
        raise Refusal(
            f"{role} of several columns, labels or numbers, goes with an array of inputs and not with a data "
            f"frame; got {got}. Give arrays, with categories encoded: "
            f"ep.fit(model, inputs.to_numpy(), {role}s)."
        )
    try:
        column = given if isinstance(given, pa.Array) else pa.array(given, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        shape = getattr(given, "shape", None)
        got = type(values).__name__ if shape is None else f"the shape {shape} of {given.dtype}"
        raise Refusal(
            f"{role} beside a data frame must be one value for each row or a column's name; got {got}."
        ) from error
    if len(column) != table.num_rows:
        raise Refusal(
            f"{role} must have one value for each of the {table.num_rows:,} rows; got {len(column):,}."
        )
    plain = getattr(values, "name", None)
    (name,) = unique_names([role if plain is None else plain])
    return name, normalize_types(pa.table({name: column})).column(0)


@dataclass(frozen=True)
class NamedTable:
    """A table, its name in sentences, notes on how it was read, and columns given beside it."""

    table: pa.Table
    name: str
    notes: tuple[str, ...] = ()
    target: pa.ChunkedArray | None = None
    weight: pa.ChunkedArray | None = None


def named_table(
    source: Any, reading: Reading, *, text: Selection = none_of, drop: Selection = none_of, time: bool = False
) -> NamedTable | None:
    """The table of a source, or None if it is none; `text` and `drop` as for `read_table`.

    `time` says whether to use a data frame's index of times as a column.
    """
    if is_frame(source):
        table, notes = table_of_frame(source, drop, time=time)
        return NamedTable(table, "data frame", notes)
    if not isinstance(source, str | Path):
        return None
    name = str(source)
    if name.startswith(EXAMPLE):
        table, notes = example(name.removeprefix(EXAMPLE))
        return NamedTable(table, name, notes)
    path = existing(source)
    table, notes = read_table(path, reading, text, drop)
    return NamedTable(table, path.name, notes)


class _Unconvertible(ValueError):
    """A description of content that can't be a column of a table."""


def _is_pandas(value: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))


def _columns_of_pandas(frame: Any) -> Iterator[tuple[str, Any]]:
    """The columns with their names, those of several levels joined."""
    if frame.ndim == 1:
        yield str(frame.name) if frame.name is not None else "value", frame
        return
    for index, name in enumerate(frame.columns):
        joined = " ".join(filter(None, map(str, name))) if isinstance(name, tuple) else str(name)
        yield joined, frame.iloc[:, index]


def _levels_of_pandas(frame: Any, wanted: Collection[str], time: bool) -> Iterator[tuple[str, Any]]:
    """The index levels requested by name, or that hold times if `time`."""
    for level, name in enumerate(frame.index.names):
        values = frame.index.get_level_values(level)
        dated = hasattr(values, "to_timestamp") or values.dtype.kind == "M"
        if (name is not None and str(name) in wanted) or (time and dated):
            yield "time" if name is None else str(name), values.to_series(index=frame.index)


def _arrow_of_series(series: Any) -> tuple[pa.Array, str]:
    kind = type(series.dtype).__name__
    if kind == "SparseDtype":
        series = series.sparse.to_dense()
    elif kind == "PeriodDtype":
        series = series.dt.to_timestamp()
    elif kind == "IntervalDtype" or (kind == "CategoricalDtype" and _odd(series.cat.categories)):
        cells = zip(series, series.isna(), strict=True)
        return pa.array([None if missing else str(value) for value, missing in cells], pa.string()), ""
    if series.dtype.kind == "c":
        raise _Unconvertible("complex numbers")
    try:
        column = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _of_objects(series.tolist())
    if pa.types.is_nested(column.type):
        raise _Unconvertible(str(column.type))
    return column, ""


def _odd(categories: Any) -> bool:
    return type(categories.dtype).__name__ in ("IntervalDtype", "PeriodDtype") or (
        categories.dtype.kind == "O" and not all(isinstance(one, str) for one in categories)
    )


def _of_objects(values: Sequence[Any]) -> tuple[pa.Array, str]:
    """Values of mixed types: numbers if all are, else texts."""
    there = [None if is_missing(value) else value for value in values]
    known = [value for value in there if value is not None]
    if all(isinstance(value, (numbers.Real, decimal.Decimal)) for value in known):
        return pa.array([None if value is None else float(value) for value in there], pa.float64()), ""
    for row, value in enumerate(there, start=1):
        plain = isinstance(value, (str, bytes, numbers.Real, decimal.Decimal, *_WORDS))
        if value is not None and not (plain or type(value).__name__ in ("Interval", "Period")):
            raise _Unconvertible(f"values of type {type(value).__name__} (first in row {row:,})")
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in there]
    words = [None if text is None else str(text) for text in texts]
    kinds = list(dict.fromkeys(type(value).__name__ for value in known))
    return pa.array(words, pa.string()), f"holds values of several types ({', '.join(kinds)}): read as text."


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, NaT or NA."""
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN and NaT
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"
