"""Columns of a pandas data frame, of any type, as Arrow columns."""

from __future__ import annotations

import datetime
import decimal
import numbers
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_WORDS = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


class Unconvertible(ValueError):
    """A description of content that can't be a column of a table."""


def is_pandas(value: object) -> bool:
    """Whether it is a pandas data frame or series; does not import pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))


def as_series(values: Any) -> Any:
    """A pandas index or array, such as categories, as a series; others unchanged."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(values, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        return values
    return pandas.Series(values)


def columns_of_pandas(frame: Any) -> Iterator[tuple[str, Any]]:
    """The columns with their names, those of several levels joined."""
    if frame.ndim == 1:
        yield str(frame.name) if frame.name is not None else "value", frame
        return
    for index, name in enumerate(frame.columns):
        several = isinstance(name, tuple)
        yield " ".join(filter(None, map(str, name))) if several else str(name), frame.iloc[:, index]


def index_of_pandas(frame: Any, wanted: Collection[str], time: bool) -> Iterator[tuple[str, Any]]:
    """The index levels requested by name, or that hold times if `time`."""
    for level, name in enumerate(frame.index.names):
        values = frame.index.get_level_values(level)
        dated = hasattr(values, "to_timestamp") or values.dtype.kind == "M"
        if (name is not None and str(name) in wanted) or (time and dated):
            yield "time" if name is None else str(name), values.to_series(index=frame.index)


def arrow_of_series(series: Any) -> tuple[pa.Array, str]:
    """A pandas column as an Arrow array, and a note.

    Raises:
        Unconvertible: it holds lists, records or objects.
    """
    kind = type(series.dtype).__name__
    if kind == "SparseDtype":
        series = series.sparse.to_dense()
    elif kind == "PeriodDtype":
        series = series.dt.to_timestamp()
    elif kind == "IntervalDtype" or (kind == "CategoricalDtype" and _odd(series.cat.categories)):
        cells = zip(series, series.isna(), strict=True)
        return pa.array([None if missing else str(value) for value, missing in cells], pa.string()), ""
    if series.dtype.kind == "c":
        raise Unconvertible("complex numbers")
    try:
        column = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _of_objects(series.tolist())
    if pa.types.is_nested(column.type):
        raise Unconvertible(str(column.type))
    return column, ""


def _odd(categories: Any) -> bool:
    """Whether categories are neither numbers, words nor dates."""
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
            raise Unconvertible(f"values of type {type(value).__name__} (first in row {row:,})")
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
