"""Tables of a page: cells with what they are sorted by, set by one macro of the templates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what stands small below it, by what it is sorted (None comes last), and its class."""

    text: str
    small: str = ""
    by: float | str | None = None
    kind: str = ""

    @property
    def key(self) -> str:
        """What the script sorts by."""
        if self.by is None or (isinstance(self.by, float) and math.isnan(self.by)):
            return ""
        return self.by if isinstance(self.by, str) else repr(float(self.by))


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; one with meanings of its heads is sorted by a click on them.

    Args:
        heads: the name of each column, or (name, meaning).
        rows: their cells.
        caption: for who cannot see it.
        kind: its class.
    """

    heads: Sequence[str | tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    kind: str = ""

    @property
    def columns(self) -> list[tuple[str, str, bool]]:
        """Name, meaning, and whether it holds numbers: what is sorted by some and by no text."""
        kinds = [
            {type(row[i].by) for row in self.rows if row[i].by is not None} for i in range(len(self.heads))
        ]
        names = [(head, "") if isinstance(head, str) else head for head in self.heads]
        return [(*name, bool(kind) and str not in kind) for name, kind in zip(names, kinds, strict=True)]
