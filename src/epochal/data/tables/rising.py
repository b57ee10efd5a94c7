"""Detection of tables whose rows follow one another in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from epochal.data.columns import called
from epochal.data.tables.encode import to_dates, without_marks
from epochal.data.tables.schema import Column

_FEWEST = 20
"""Fewest rows for the note."""


def rising_column(table: pa.Table, columns: Sequence[Column], names: Sequence[str]) -> str:
    """The time column by which the rows are ordered; empty if there is none.

    Most times must differ; equal times may be of several series.
    """
    for column in columns:
        if column.kind != "date" or table.num_rows < _FEWEST:
            continue
        cells = without_marks(table.column(column.index), column)
        if cells.null_count:
            continue
        dates = to_dates(cells, column.format, column.name)
        steps = np.diff(np.asarray(dates.cast(pa.int64()).to_numpy()))
        if (steps >= 0).all() and (steps > 0).mean() > 0.5:
            return called(names, column.index)
    return ""


def rising_note(column: str, kind: str | None, validation: object, test: object) -> tuple[str, ...]:
    """A note if rows ordered in time are split at random.

    Args:
        column: the result of `rising_column`.
        kind: of the split.
        validation: a share or a number of held-out rows; separate data is not split off.
        test: likewise.

    >>> rising_note('column 1 ("day")', "chronological", 0.2, 0)
    ()
    """
    drawn = any(isinstance(held, int | float) and held for held in (validation, test))
    if not column or kind in ("chronological", "groups") or not drawn:
        return ()
    return (
        f"the rows are in the order of {column}: if they are a series, `ep.windows(..., lags=24)` forecasts "
        'it from its past, and `split="chronological"` holds out the last rows; a random split trains on the '
        "future of what it validates on.",
    )
