"""CSV files, with a guard against formulas.

A spreadsheet takes a cell that begins with = + - or @ for a formula, which can open programs and send cells
elsewhere. Names of classes, columns and files are untrusted. The guard is OWASP's (CSV Injection): each cell
is quoted, and a single quote is put before a formula. It is off by default, since programs that read the file
would see the quote.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, Any

from epochal.data.files.read import PARQUET_SUFFIXES
from epochal.errors import Refusal

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""Beginnings of formulas, full-width signs included, and guarded ones."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def guarded(cell: str) -> str:
    """Put a single quote before text that a spreadsheet would run as a formula.

    Numbers are unchanged. Cells that look guarded are guarded again, so that it can be undone.

    >>> guarded("=1+1"), guarded("-3.5"), guarded("plain"), guarded("'=1")
    ("'=1+1", '-3.5', 'plain', "''=1")
    """
    return cell if not _FORMULA.match(cell) or _NUMBER.fullmatch(cell) else f"'{cell}"


def write_csv(table: Any, place: Path | IO[bytes], guard_formulas: bool = False) -> None:
    """Write an Arrow table as CSV, optionally guarded against formulas in names and text."""
    import pyarrow as pa
    import pyarrow.csv

    if guard_formulas:
        columns = [
            pa.array([None if cell is None else guarded(cell) for cell in column.to_pylist()], pa.string())
            if pa.types.is_string(column.type)
            else column
            for column in table.columns
        ]
        table = pa.table(columns, names=list(map(guarded, table.column_names)))
    pyarrow.csv.write_csv(table, place)


def write_table(table: Any, path: str | Path, guard_formulas: bool = False) -> Path:
    """Write a table as CSV, or as Parquet, which takes no guard, if the name ends so."""
    import pyarrow.parquet

    path = Path(path)
    if path.suffix.lower() not in PARQUET_SUFFIXES:
        write_csv(table, path, guard_formulas)
    elif guard_formulas:
        raise Refusal("guard_formulas is about CSV, which spreadsheets open; leave it out for Parquet.")
    else:
        pyarrow.parquet.write_table(table, path)
    return path
