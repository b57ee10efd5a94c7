"""The schema of a table: its input columns, their kinds, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from epochal.data.files.reading import FileForm
from epochal.data.records import Damaged, SampleEncoder
from epochal.data.task import Task

ColumnKind = Literal["numeric", "boolean", "category", "date"]

MISSING_LEVEL = "(missing)"
ONE_HOT_LEVELS = 50
"""A category with more levels is embedded."""
DATE_PARTS = ("year", "month", "day", "weekday", "day number", "hour")
"""Parts of a date; weekday counts from Monday = 1, the day number from 1970-01-01 = 0."""


@dataclass(frozen=True)
class Column:
    """One input column of a table.

    `index` counts from 0 in the training table. `levels` are a category's values, `parts` a date's numbers,
    `format` the format of text dates, `missing` whether the training table had missing values here, and
    `text` whether the column was text (so that "01" stays "01"). `number_format` is that of text
    (decimal separator, thousands separator, currency, unit), and `na_values` are its words for missing ones.
    """

    name: str
    index: int
    kind: ColumnKind
    missing: bool = False
    levels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    format: str = ""
    text: bool = False
    number_format: tuple[str, ...] = ()
    na_values: tuple[str, ...] = ()

    @property
    def coded(self) -> bool:
        """Whether it is a category of many levels, encoded as one column of codes.

        Code 0 is unknown, 1 the first of `all_levels`, and so on.
        """
        return self.kind == "category" and len(self.all_levels) > ONE_HOT_LEVELS

    @property
    def all_levels(self) -> tuple[str, ...]:
        """The levels, with one for missing values if the training table had any."""
        return (*self.levels, MISSING_LEVEL) if self.missing else self.levels

    @property
    def raw_names(self) -> tuple[str, ...]:
        """The names of its numbers: one, or one per part of a date."""
        return tuple(f"{self.name} {part}" for part in self.parts) if self.kind == "date" else (self.name,)


@dataclass(frozen=True)
class LeftOut:
    """A column that is no input, and why."""

    name: str
    index: int
    reason: str


class FeatureLayout(NamedTuple):
    """For each kind of feature, the indices into `raw_names`, with their columns."""

    passthrough: list[int]
    one_hot: list[tuple[int, Column]]
    indicators: list[tuple[int, Column]]
    codes: list[tuple[int, Column]]


@dataclass(frozen=True)
class TableEncoder(SampleEncoder):
    """The frozen schema of a table: it encodes any table with these columns.

    A table becomes raw numbers first (`raw_names`: a number, a boolean as 0 or 1, a category as the
    position of its level, the parts of a date), then `features`: all raw numbers that are not categories,
    then one 0/1 column per level, one 0/1 column per column with missing values, and last one column of codes
    for each category of many levels. Since nothing in it depends on other rows, no split can leak.
    """

    kind: ClassVar[str] = "table"

    names: tuple[str, ...]
    header: bool
    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...]
    target: int | None
    target_text: bool
    weight: int | None
    task: Task | None
    na_values: tuple[str, ...] | None = None
    """The cells that mean a missing value in a text table, if given for training."""
    target_number_format: tuple[str, ...] = ()
    """The number format of a text target, as in `Column.number_format`."""
    target_na_values: tuple[str, ...] = ()
    """Words in it that mean a missing value, as in `Column.na_values`."""
    encoding: str = ""
    """The encoding of a text table, for new ones that are no UTF-8 either; empty for other tables."""
    form: FileForm = field(default_factory=FileForm)
    """How it was read otherwise, for new ones."""

    @property
    def target_name(self) -> str:
        """The name of the target column, or empty."""
        return "" if self.target is None else self.names[self.target]

    @cached_property
    def raw_names(self) -> tuple[str, ...]:
        """The names of the raw numbers, in the order of the table."""
        return tuple(name for column in self.columns for name in column.raw_names)

    @cached_property
    def layout(self) -> FeatureLayout:
        """Which raw numbers become which features."""
        begins = accumulate((len(column.raw_names) for column in self.columns), initial=0)
        placed = list(zip(begins, self.columns, strict=False))
        numbers = [(at, column) for at, column in placed if column.kind != "category"]
        return FeatureLayout(
            passthrough=[at + part for at, column in numbers for part in range(len(column.raw_names))],
            one_hot=[(at, column) for at, column in placed if column.kind == "category" and not column.coded],
            indicators=[(at, column) for at, column in numbers if column.missing],
            codes=[(at, column) for at, column in placed if column.coded],
        )

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each trailing feature, "unknown" included."""
        return tuple(1 + len(column.all_levels) for _, column in self.layout.codes)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        passthrough, one_hot, indicators, codes = self.layout
        names = [self.raw_names[at] for at in passthrough]
        names += [f"{column.name}={level}" for _, column in one_hot for level in column.all_levels]
        names += [f"{column.name} is missing" for _, column in indicators]
        return (*names, *(column.name for _, column in codes))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of inputs of each column, by name, including that of missing values."""
        found = {column.name: len(column.raw_names) for column in self.columns}
        found |= {column.name: len(column.all_levels) for _, column in self.layout.one_hot}
        for _, column in self.layout.indicators:
            found[column.name] += 1
        return found

    @cached_property
    def continuous(self) -> NDArray[np.bool_]:
        """Which encoded columns are numbers to be standardized: bool `(len(features),)`."""
        passthrough = [c.kind != "boolean" for c in self.columns if c.kind != "category" for _ in c.raw_names]
        return np.array(passthrough + [False] * (len(self.features) - len(passthrough)), dtype=bool)

    def check(self, texts: bool = False) -> None:
        """See `SampleEncoder`; columns of `texts` have no levels."""
        size, taken = len(self.names), [one.index for one in self.columns]
        pointed = [self.target, self.weight, *taken, *(one.index for one in self.left_out)]
        if any(index is not None and not 0 <= index < size for index in pointed):
            raise Damaged(f"a column must be one of {size:,}, counted from 0")
        if len(set(self.names)) < size or len(set(taken)) < len(taken) or not taken:
            raise Damaged("columns must have names of their own, and each be an input once")
        if not _is_number_format(self.target_number_format):
            raise Damaged("the target's numbers are written with two separators, a currency and a unit")
        for column in self.columns:
            levels = column.all_levels
            if (column.kind == "category" and not levels and not texts) or len(set(levels)) < len(levels):
                raise Damaged("a category must have levels, each once")
            if not _is_number_format(column.number_format):
                raise Damaged("numbers are written with two separators, a currency and a unit")
            if not set(column.parts) <= set(DATE_PARTS) or (column.kind == "date" and not column.parts):
                raise Damaged(f"a date must have some of {', '.join(DATE_PARTS)}")


@dataclass(frozen=True)
class TableBased(SampleEncoder):
    """The base of encoders that encode the columns of a table, and do more with them."""

    table: TableEncoder

    @property
    def code_sizes(self) -> tuple[int, ...]:
        return self.table.code_sizes


def _is_number_format(written: tuple[str, ...]) -> bool:
    return not written or (len(written) == 4 and written[0] in (".", ","))
