"""Which table does a data frame hold, without importing the library that made it?"""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa

from epochal.data.tidy import plain_names, tidy
from epochal.errors import Refusal

__all__ = ["is_frame", "table_of_frame"]


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
