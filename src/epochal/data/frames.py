"""Which table does a data frame hold, without importing the library that made it?"""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa

from epochal.data.tidy import plain_names, tidy
from epochal.errors import Refusal

__all__ = ["ROLES", "column_beside", "is_frame", "is_pair", "table_of_frame"]

ROLES = ("target", "sample_weight")
"""What the second and the third element beside a data frame are."""


def is_frame(value: object) -> bool:
    """Whether it is a pandas, Polars or Arrow table, or one that speaks the data frame protocol.

    >>> is_frame(pa.table({"a": [1]})), is_frame([1, 2])
    (True, False)
    """
    return isinstance(value, pa.Table) or any(
        hasattr(value, name) for name in ("__dataframe__", "__arrow_c_stream__", "to_arrow")
    )


def table_of_frame(frame: Any) -> pa.Table:
    """The frame as a tidy Arrow table. A pandas index is no column.

    Raises:
        Refusal: a column mixes kinds that no table column can hold.
    """
    pandas = sys.modules.get("pandas")
    try:
        if isinstance(frame, pa.Table):
            table = frame
        elif pandas is not None and isinstance(frame, pandas.DataFrame):
            plain = frame.copy(deep=False)
            plain.columns = plain_names(frame.columns)
            table = pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)
        elif hasattr(frame, "to_arrow"):
            table = frame.to_arrow()
        elif hasattr(frame, "__arrow_c_stream__"):
            table = pa.table(frame)
        else:
            from pyarrow.interchange import from_dataframe

            table = from_dataframe(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = "; ".join(str(part) for part in error.args).splitlines()[0]
        raise Refusal(f"the data frame must have one kind of value in each column; {reason}.") from error
    return tidy(table)


def is_pair(value: object) -> bool:
    """Whether it is a data frame with its target, and perhaps sample weights, beside it."""
    return isinstance(value, tuple) and 1 <= len(value) <= 3 and is_frame(value[0])


def column_beside(table: pa.Table, role: str, values: Any) -> tuple[str, pa.ChunkedArray]:
    """Values that were handed over beside a table, as a tidy column; and what it is called.

    Raises:
        Refusal: another number of values than rows, or values that are no column.

    >>> column_beside(pa.table({"a": [1, 2]}), "target", ["no", "yes"])[0]
    'target'
    """
    given = getattr(values, "to_numpy", lambda: values)()
    if getattr(given, "ndim", 1) == 2 and given.shape[1] == 1:
        given = given[:, 0]
    try:
        column = pa.array(given, from_pandas=True)
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
    name = role if plain is None else str(plain)
    return name, tidy(pa.table({name: column})).column(0)
