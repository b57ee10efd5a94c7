"""The first rows of a text table, cell by cell, with the lines that each spans."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from epochal.errors import Refusal


@dataclass(frozen=True)
class Row:
    """A row of cells and its lines, `start` (from 0) to `end`."""

    cells: list[str]
    start: int
    end: int
    raw: str

    def begins(self, mark: str) -> bool:
        """Whether its line begins with a comment mark."""
        return bool(mark) and self.raw.lstrip().startswith(mark)


def quote_mark(lines: Sequence[str], delimiter: str, doubled: bool) -> str:
    """The quote character: single if it is around all cells of a column, else double.

    `doubled`: there are double quotes.
    """
    if doubled:
        return '"'
    rows = [row.cells for row in rows_of(lines[:1000], delimiter, quote=None)]
    for at in range(max(map(len, rows), default=0)):
        cells = [row[at] for row in rows[1:] if at < len(row) and row[at]]
        if len(cells) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells):
            return "'"
    return '"'


def quotes_behind_blanks(lines: Sequence[str], delimiter: str, quote: str = '"') -> bool:
    """Whether quoted fields follow a delimiter and a blank."""
    lines = lines[:2000]
    before = re.compile(re.escape(delimiter) + " +" + quote)
    if delimiter == " " or not any(map(before.search, lines)):
        return False
    ways = [rows_of(lines, delimiter, spaced=spaced, quote=quote) for spaced in (False, True)]
    plain, spaced = (Counter(len(row.cells) for row in rows).most_common(1)[0][1] for rows in ways)
    return spaced >= plain


def rows_of(
    lines: Sequence[str],
    delimiter: str,
    before: int = 0,
    most: int = 1000,
    spaced: bool = False,
    quote: str | None = '"',
) -> list[Row]:
    """The first rows that are not blank, after `before` lines."""
    rows: list[Row] = []
    reader = csv.reader(
        iter(lines),
        delimiter=delimiter,
        skipinitialspace=spaced or delimiter == " ",
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    start = 0
    try:
        for row in reader:
            begin, start = start, reader.line_num
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            cells = [cell.strip() for cell in row]
            while delimiter == " " and cells and not cells[-1]:
                cells.pop()
            rows.append(Row(cells, begin + before, start + before, lines[begin]))
            if len(rows) >= most:
                break
    except csv.Error as error:
        if not rows:
            raise Refusal(f"line {reader.line_num + before}: {error}.") from error
    return rows
