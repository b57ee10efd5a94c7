"""Windows of the past, and how new rows become such windows."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from epochal.data.clock import Clock
from epochal.data.columns import ColumnReference
from epochal.data.cut import cut
from epochal.data.dataset import Dataset, Task
from epochal.data.ordered import series_columns, series_table
from epochal.data.reading import AS_FOUND, Reading
from epochal.data.recipe import Recipe
from epochal.data.schema import Column, Encoder
from epochal.data.steps import Step
from epochal.data.typed import Damaged, built
from epochal.errors import Refusal, did_you_mean
from epochal.faces import named

__all__ = ["FILLS", "RELATIVE", "WindowEncoder", "windows"]

RELATIVE = ("difference", "ratio")
"""What a window may be seen relative to its last value by."""
FILLS = ("forward",)


@dataclass(frozen=True)
class WindowEncoder:
    """How windows are cut from a table: it does so with any table that has these columns.

    `table` encodes one row; its first feature is the forecast column. Nothing in it is a statistic of the
    data, so no split can leak.
    """

    table: Encoder
    lags: int
    horizon: int
    stride: int
    relative: str | None
    fill: str | None
    period: int
    clock: Clock
    time: int | None
    """The column that tells the time, from 0."""
    by: int | None
    """The column that tells several series apart, from 0."""
    across_gaps: bool = False
    """Whether windows count rows, whatever time lies between them."""
    step: Step | None = None
    """How far apart the rows of the training table usually are."""
    ahead: bool = False
    """Whether windows whose targets lie beyond the end of their series are among the samples."""

    @property
    def loader(self) -> str:
        """The function that reads such data, as Python code calls it."""
        return "ep.windows"

    @property
    def standardize(self) -> bool:
        """As tables are, unless the user says."""
        return True

    @property
    def target(self) -> int:
        """The forecast column, from 0."""
        return self.table.columns[0].index

    @property
    def target_name(self) -> str:
        """The name of the forecast column."""
        return self.table.names[self.target]

    @property
    def task(self) -> Task:
        """One number for each step ahead."""
        return Task("regression", targets=self.horizon)

    def looking_ahead(self) -> WindowEncoder:
        """The same with the windows whose targets are not known yet."""
        return replace(self, ahead=True)

    def encode_new(self, source: Any, reading: Reading = AS_FOUND) -> Dataset:
        """The windows of a new table, which must have the columns of the training table."""
        from epochal.data.new import match_columns, read_new  # which knows of all kinds of data

        extra = [
            Column(self.table.names[index], index, "category", text=text)
            for index, text in ((self.time, bool(self.clock.form)), (self.by, True))
            if index is not None
        ]
        wanted = replace(self.table, columns=(*self.table.columns, *extra))
        if isinstance(source, np.ndarray) and source.ndim == 1:
            source = source[:, None]
        read = read_new(wanted, source, reading)
        positions, _, _, notes = match_columns(wanted, read.table.column_names)
        own = dict(zip([column.index for column in wanted.columns], positions, strict=True))
        return cut(self, read.table, own, read.name, (*read.notes, *notes), least=1)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object of it."""
        named = ("lags", "horizon", "stride", "relative", "fill", "period", "time", "by", "across_gaps")
        return {
            "kind": "windows",
            "table": self.table.to_dict(),
            **{name: getattr(self, name) for name in named},
            "clock": dict(vars(self.clock)),
            "step": None if self.step is None else {**vars(self.step), "slots": list(self.step.slots)},
        }

    @staticmethod
    def from_dict(value: Any) -> WindowEncoder:
        """The inverse of `to_dict`."""
        encoder = built(
            WindowEncoder,
            {name: item for name, item in value.items() if name not in ("kind", "table", "clock", "step")},
            table=Encoder.from_dict(value.get("table")),
            clock=built(Clock, value.get("clock")),
            step=None if value.get("step") is None else built(Step, value["step"]),
        )
        size, told = len(encoder.table.names), (encoder.time, encoder.by)
        if (
            min(encoder.lags, encoder.horizon, encoder.stride) < 1
            or max(encoder.lags, encoder.horizon, encoder.stride, encoder.period) > 2**31
            or encoder.period < 0
            or any(index is not None and not 0 <= index < size for index in told)
            or (encoder.clock.kind != "row" and encoder.time is None)
            or encoder.relative not in (None, *RELATIVE)
            or encoder.fill not in (None, *FILLS)
            or encoder.table.columns[0].kind != "numeric"
            or (encoder.step is not None and not encoder.step.sound)
        ):
            raise Damaged("no windows can be cut as it says")
        return encoder


@named("ep.windows")
def windows(
    source: Any,
    *,
    target: ColumnReference | None = None,
    lags: int = 12,
    horizon: int = 1,
    stride: int = 1,
    time: ColumnReference | None = None,
    time_zone: str | None = None,
    by: ColumnReference | None = None,
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
    """Windows of an ordered table: `lags` rows are the inputs, the next `horizon` values the targets.

    Window i begins at row `i * stride` of its series. Inputs are float32 `(n, lags, features)`, the target's
    own past first; targets `(n,)`, or `(n, horizon)` for more than one step ahead. `fit` splits them in the
    order of time (see `Settings.split`).

    Args:
        source: a path, "example:NAME", a data frame, `(frame, "target")`, or numbers `(rows,)` or
            `(rows, columns)`.
        target: the column to forecast, by name or number from 1; the last one with numbers by default.
        lags: rows of the past that a window sees.
        horizon: rows ahead that are forecast, each an output.
        stride: rows from one window to the next.
        time: the column that tells when a row was; the first one with dates, or with whole numbers that
            rise evenly but for gaps, by default. Rows are sorted by it; it is no input unless `keep`
            names it.
        time_zone: the zone that the times are local times of, such as "Europe/Berlin": of the hour that
            clocks repeat in autumn, the rows that come first are before they are set back.
        by: the column that tells several series apart; no window crosses from one into another.
        inputs: further columns whose past is an input; all by default, none with ().
        relative: "difference": the target's values are seen and predicted as differences from the last one
            of their window; "ratio": as shares of it, less 1. A remedy for series that trend, whose test part
            lies where no training value was. Predictions and final figures are in the column's own units.
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

    >>> data = windows(np.arange(6.0), lags=3)
    >>> data.inputs[:, :, 0].tolist(), data.targets.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], [3.0, 4.0, 5.0])
    """
    asked = locals().copy()
    reading = Reading(header, delimiter, missing, encoding, skip_rows, comment, sheet, decimal)
    lags, horizon, stride = (
        _whole(name, value) for name, value in (("lags", lags), ("horizon", horizon), ("stride", stride))
    )
    for role, value, known in (("relative", relative, RELATIVE), ("fill", fill, FILLS)):
        if value is not None and value not in known:
            raise Refusal(did_you_mean(role, str(value), known))
    if period is not None and _whole("period", period, least=0) > lags:
        raise Refusal(
            f"period must be at most {lags:,} (the lags), for the season before to lie in the window; "
            f"got {period:,}. Use longer windows, or 0 for none."
        )
    table, name, notes, target = series_table(source, target, reading)
    found = series_columns(
        table,
        target=target,
        time=time,
        time_zone=time_zone,
        by=by,
        inputs=inputs,
        keep=keep,
        drop=drop,
        categorical=categorical,
        numeric=numeric,
        decimal=decimal,
        date_format=date_format,
        named=table.column_names != [f"column {index + 1}" for index in range(table.num_columns)],
    )
    encoder = WindowEncoder(
        table=replace(found.encoder, missing=reading.marks),
        lags=lags,
        horizon=horizon,
        stride=stride,
        relative=relative,
        fill=fill,
        period=-1 if period is None else period,
        clock=found.clock,
        time=found.time,
        by=found.by,
        across_gaps=across_gaps,
    )
    own = {index: index for index in range(table.num_columns)}
    dataset = cut(encoder, table, own, name, (*notes, *found.notes), least=2)
    return replace(dataset, recipe=Recipe.of("windows", source, asked))


def _whole(name: str, value: Any, least: int = 1) -> int:
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < least:
        raise Refusal(f"{name} must be a whole number of rows, at least {least}; got {value!r}.")
    return number
