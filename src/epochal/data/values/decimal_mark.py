"""The decimal mark of a text table, inferred from all its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.values.number_forms import written_numbers
from epochal.errors import Refusal

_ROWS = 2000

_CELLS, _FEWEST = 100_000, 50
"""Most cells to inspect, and the fewest rows."""
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?(\d*\.\d+|\d+\.)([eE][+-]?\d+)?")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:([.,])\d{3})+")
_WHOLE = re.compile(r"[+-]?\d+")
_SURE_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")


def decimal_mark(rows: Sequence[Sequence[str]], delimiter: str) -> tuple[str, frozenset[int]]:
    """The decimal mark, and the columns with ambiguous numbers, to read as text.

    A mark before exactly three digits may separate thousands; others are decimal marks. In tables with
    commas between fields the mark is a point.

    >>> decimal_mark([["8.864,16", "53,6"], ["911", "7,5"]], ";")
    (',', frozenset())
    >>> decimal_mark([["5.683", "1.5"], ["911", "2"]], ";"), decimal_mark([["5.683"], ["911"]], ";")
    (('.', frozenset()), ('.', frozenset({0})))
    """
    if delimiter == ",":
        return ".", frozenset()
    width = max(map(len, rows), default=0)
    rows = rows[: max(_FEWEST, _CELLS // max(1, width))]
    cells = [cell for row in rows for cell in row]
    single = [cell for cell in cells if not _GROUPS.fullmatch(cell)]
    commas = any(map(_SURE_COMMA.fullmatch, cells)) or any(map(_COMMA.fullmatch, single))
    points = any(map(_POINT.fullmatch, single))
    if commas and not points:
        return ",", frozenset()
    if points and not commas:
        return ".", frozenset()
    return ".", frozenset(at for at in range(width) if _open(rows, at))


def mark_of_columns(table: pa.Table) -> str:
    """The decimal mark of a table: the file's if a comma, else inferred from the columns.

    Empty if they are inconclusive.

    >>> mark_of_columns(pa.table({"far": ["2,5 km", "12,1 km"], "price": ["504.879 €", "86.625 €"]}))
    ','
    >>> mark_of_columns(pa.table({"length": ["39.9 ft", "31.9 ft"], "price": ["$268,358", "$14,000"]}))
    '.'
    >>> mark_of_columns(pa.table({"price": ["$268,358", "$14,000"]}))
    ''
    """
    known = (table.schema.metadata or {}).get(b"decimal", b"").decode()
    if known == ",":
        return known
    proved = set()
    for column in table.columns:
        if known and pa.types.is_floating(column.type) and _has_fractions(column.slice(0, _ROWS)):
            proved.add(known)  # text of a file read with this mark
            continue
        try:
            found = written_numbers(column.slice(0, _ROWS), "")
        except Refusal:
            continue  # mixed units: refused when the column is used
        if found is not None and found.proves:
            proved.add(found.proves)
    return proved.pop() if len(proved) == 1 else ""


def _has_fractions(column: pa.ChunkedArray) -> bool:
    finite = column.filter(pc.fill_null(pc.is_finite(column), False))
    return bool(pc.any(pc.not_equal(pc.floor(finite), finite)).as_py())


def codes(rows: Sequence[Sequence[str]]) -> frozenset[int]:
    """The columns of digits of one width, at least 2, some with a leading zero.

    These are codes, such as ZIP codes, whose zero a number would lose.

    >>> codes([["75", "1", "07:30"], ["01", "0", "08:00"], ["", "1", "09:10"]])
    frozenset({0})
    """
    found = set()
    for at in range(max(map(len, rows), default=0)):
        cells = {row[at] for row in rows if at < len(row) and any(map(str.isdigit, row[at]))}
        if len(cells) > 1 and all(cell.isdigit() and cell.isascii() for cell in cells):
            one_width = len(set(map(len, cells))) == 1 < len(min(cells))
            if one_width and any(cell[0] == "0" for cell in cells):
                found.add(at)
    return frozenset(found)


def _open(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a column is ambiguous: three digits after each point, or no points."""
    cells = [row[at] for row in rows if at < len(row)]
    grouped = [cell for cell in cells if "." in cell and _GROUPS.fullmatch(cell)]
    written = [cell for cell in cells if cell and cell[-1].isdigit()]
    whole = sum(bool(_WHOLE.fullmatch(cell)) for cell in written)
    return bool(grouped) and whole > 0 and len(grouped) + whole == len(written)
