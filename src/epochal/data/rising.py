"""Do the rows of a table follow one another in time?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from epochal.data.columns import called
from epochal.data.encode import to_dates
from epochal.data.schema import Column

__all__ = ["rising_note"]

_FEWEST = 20
"""Rows of which it is said."""


def rising_note(table: pa.Table, columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    """A note on a table whose rows are in the order of a column of times, as those of a series are.

    Most times must differ; the same time in several rows is that of several series.
    """
    for column in columns:
        if column.kind != "date" or table.num_rows < _FEWEST or table.column(column.index).null_count:
            continue
        dates = to_dates(table.column(column.index), column.format, column.name)
        steps = np.diff(np.asarray(dates.cast(pa.int64()).to_numpy()))
        if (steps >= 0).all() and (steps > 0).mean() > 0.5:
            return [
                f"the rows are in the order of {called(names, column.index)}: if they are a series, "
                "--window 24 forecasts it from its past, and --split chronological holds out the last rows; "
                "a random split trains on the future of what it validates on."
            ]
    return []
