"""Text of a sheet in a workbook: .xlsx, .xls, .xlsb and .ods."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path
from typing import Any

from epochal.common.printable import shortlist
from epochal.data.files.reading import Content
from epochal.errors import Refusal, did_you_mean, first_line, require


def text_of_sheet(path: Path, sheet: str | int | None) -> Content:
    """A sheet as comma-separated text, so that header, titles and totals are recognized in the same way.

    Raises:
        Refusal: a damaged workbook, no sheet with values, or no such sheet.
        MissingExtra: the package `python-calamine` is not installed.
    """
    calamine = require("python_calamine", extra="excel", purpose=f"{path.name} is a workbook: reading it")
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        rows: list[list[Any]] = []
        for chosen in names if sheet is None else [_chosen(sheet, names)]:
            rows = book.get_sheet_by_name(chosen).to_python()
            if rows:
                break
    except Refusal:
        raise
    except Exception as error:  # an exception class per format
        raise Refusal(f"{path.name} can't be read as a workbook: {first_line(error)}.") from error
    if not rows:
        where = f'the sheet "{chosen}" of {path.name}' if sheet is not None and names else path.name
        raise Refusal(f"{where} is empty: a table needs at least 2 rows; got 0.")
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    data = out.getvalue().encode()
    notes: tuple[str, ...] = ()
    if len(names) > 1:
        shown = shortlist(names)
        notes = (f'the sheet "{chosen}" is read, of {len(names):,} ({shown}); `sheet=...` names another.',)
    return Content(path.name, len(data), lambda: io.BytesIO(data), notes=notes, encoding="utf-8")


def _chosen(sheet: str | int, names: list[str]) -> str:
    if str(sheet) in names:
        return str(sheet)
    try:
        number = int(sheet)
    except ValueError:
        raise Refusal(did_you_mean("sheet", str(sheet), names)) from None
    if not 1 <= number <= len(names):
        raise Refusal(f"`sheet` must be a name or a number from 1 to {len(names):,}; got {number}.")
    return names[number - 1]


def _cell(value: Any) -> str:
    """A cell as text.

    >>> _cell(3.0), _cell(datetime.datetime(2024, 5, 1)), _cell(True)
    ('3', '2024-05-01', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, datetime.timedelta):
        return repr(value.total_seconds())
    return str(value)
