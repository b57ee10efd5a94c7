"""Windowed data sets, and windows of new rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from epochal.common.option_text import register_call
from epochal.data.columns import ColumnReference
from epochal.data.dataset import Dataset
from epochal.data.files.reading import Reading, naming_sheet
from epochal.data.recipe import Recipe, option_types
from epochal.data.series.cut import FILLS, RELATIVE, WindowEncoder, cut
from epochal.data.series.ordered import series_columns, series_table
from epochal.data.source import DataSource, TrainingContext, chosen
from epochal.data.tables.encode import as_in_training
from epochal.data.tables.new_rows import match_columns, read_new
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import Column
from epochal.errors import Refusal, did_you_mean
from epochal.settings.option import Option, checked
from epochal.settings.value_kinds import whole

_ROWS = whole(1, "a whole number of rows")


@register_call("ep.load_windows")
def load_windows(
    source: Any,
    *,
    target: ColumnReference | None = None,
    window: int = 12,
    horizon: int = 1,
    stride: int = 1,
    time: ColumnReference | None = None,
    time_zone: str | None = None,
    series: ColumnReference | None = None,
    inputs: Sequence[ColumnReference] | None = None,
    relative: str | None = None,
    fill: str | None = None,
    period: int | None = None,
    across_gaps: bool = False,
    keep: Sequence[ColumnReference] = (),
    drop: Sequence[ColumnReference] = (),
    categorical: Sequence[ColumnReference] = (),
    numeric: Sequence[ColumnReference] = (),
    decimal: str | None = None,
    date_format: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
) -> Dataset:
    """Windows of an ordered table: `window` rows are the inputs, the next `horizon` values the targets.

    Window i begins at row `i * stride` of its series. Inputs are float32 `(n, window, features)`, the
    target's own past first; targets `(n,)`, or `(n, horizon)` for more than one step. `fit` splits them in
    the order of time (see `Settings.split`).

    Args:
        source: a path, "example:NAME", a data frame, `(frame, "target")`, or numbers `(rows,)` or
            `(rows, columns)`.
        target: the column to forecast, by name or number from 1; the last one with numbers by default.
        window: rows of the past that a sample holds.
        horizon: rows ahead to forecast, each an output.
        stride: rows from one window to the next.
        time: the time column; by default the first one with dates, or with whole numbers that increase evenly
            except for gaps. Rows are sorted by it; it is no input unless `keep` names it.
        time_zone: the time zone of local times, such as "Europe/Berlin": in the hour that
            clocks repeat in fall, the first rows are before the change.
        series: the column that names several series; no window crosses between them.
        inputs: further columns whose past is an input; all by default, none with ().
        relative: "difference": the target's values are seen and predicted as differences from the last one
            of their window; "ratio": as shares of it, less 1. A remedy for series that trend, whose test part
            lies where no training value was. Predictions and final metrics are in the column's own units.
        fill: "forward" carries the last value onward where one is missing, never a later one back;
            missing values of the target are refused without it.
        period: rows of a season, for the seasonal naive forecast; by the calendar by default (12 for
            months, 7 for days), where the window is that long. 0 for none.
        across_gaps: whether a window may hold rows on both sides of a gap. By default none does: where rows
            are missing, as their usual distance says, windows end before and begin anew after. Weekends,
            nights and single holidays of rows that keep to working days or hours are no gaps.
        keep, drop, categorical, numeric, decimal, date_format: as for `load_data`.
        header, delimiter, missing, encoding, skip_rows, comment, sheet: as for `load_data`.

    Raises:
        Refusal: a time that occurs twice in a series, with its rows; no series as long as a window; a target
            that is no number or misses values.

    >>> data = load_windows(np.arange(6.0), window=3)
    >>> data.inputs[:, :, 0].tolist(), data.targets.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], [3.0, 4.0, 5.0])
    """
    arguments = locals().copy()
    reading = chosen(Reading, arguments)
    names = ("window", "horizon", "stride")
    lengths = {name: checked(Option(name, 1, _ROWS), arguments[name]) for name in names}
    period = checked(Option("period", None, whole(0, "a whole number of rows")), period)
    for role, value, known in (("relative", relative, RELATIVE), ("fill", fill, FILLS)):
        if value is not None and value not in known:
            raise Refusal(did_you_mean(role, str(value), known))
    if period is not None and period > lengths["window"]:
        raise Refusal(
            f"`period` must be at most {lengths['window']:,} (the window), for the season before to lie in "
            f"the window; got {period:,}. Use longer windows, or 0 for none."
        )
    read, target = series_table(source, target, reading, drop)
    options = replace(chosen(TableOptions, arguments), target=target)
    with naming_sheet(read.notes):
        columns, time_column, when, by, notes = series_columns(read.table, options, arguments)
    found = {"time_column": time_column, "time": when, "series_column": by}
    given = {**arguments, **lengths, "period": -1 if period is None else period, **found}
    encoder = chosen(WindowEncoder, given | {"table": replace(columns, na_values=reading.na_values)})
    own = {index: index for index in range(read.table.num_columns)}
    dataset = cut(encoder, replace(read, notes=(*read.notes, *notes)), own, training=True)
    return replace(dataset, recipe=Recipe.of("load_windows", SERIES.options, source, arguments))


def new_windows(encoder: WindowEncoder, source: Any, context: TrainingContext) -> Dataset:
    """The windows of a new table with the columns of the training table."""
    form, time = encoder.time_column.form, "date" if encoder.time_column.kind == "date" else "category"
    roles: dict[int | None, Any] = {encoder.series_column: "category", encoder.time: time}
    names = encoder.table.names
    extra = [
        Column(names[index], index, kind, text=bool(form) or index == encoder.series_column, format=form)
        for index, kind in roles.items()
        if index is not None
    ]
    wanted = replace(encoder.table, columns=(*encoder.table.columns, *extra))
    if isinstance(source, np.ndarray) and source.ndim == 1:
        source = source[:, None]
    read = read_new(wanted, source, context.reading)
    positions, _, _, notes = match_columns(wanted, read.table.column_names)
    own = dict(zip([column.index for column in wanted.columns], positions, strict=True))
    table, rewritten = as_in_training(read.table, wanted, positions)
    read = replace(read, table=table, notes=(*read.notes, *notes, *rewritten))
    return cut(encoder, read, own, training=False)


SERIES = DataSource(
    load=lambda source, arguments, progress: load_windows(source, **arguments),
    options=option_types(load_windows),
    reader="load_windows",
    encoder=WindowEncoder,
    transform=new_windows,
)
