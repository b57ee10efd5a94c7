"""The table of a path, an example or a data frame, with its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from epochal.data.examples import example
from epochal.data.files.read import existing, read_table
from epochal.data.files.reading import Reading
from epochal.data.recipe import EXAMPLE
from epochal.data.tables.frames import ROLES, is_frame, table_of_frame


@dataclass(frozen=True)
class NamedTable:
    """A table, its name in sentences, notes on how it was read, and columns given beside it."""

    table: pa.Table
    name: str
    notes: tuple[str, ...] = ()
    target: pa.ChunkedArray | None = None
    weight: pa.ChunkedArray | None = None

    @property
    def beside(self) -> frozenset[str]:
        """The roles given beside the table."""
        given = zip(ROLES, (self.target, self.weight), strict=True)
        return frozenset(role for role, column in given if column is not None)


def named_table(
    source: Any,
    reading: Reading,
    *,
    text: Callable[[Sequence[str]], Collection[str]] = lambda names: (),
    drop: Callable[[Sequence[str]], Collection[int]] = lambda names: (),
    time: bool = False,
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
