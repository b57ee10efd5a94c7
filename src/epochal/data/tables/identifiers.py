"""Identifier columns: row numbers, IDs, free text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.columns import called
from epochal.data.tables.association import Goal
from epochal.data.values.scripts import writing_of

_ROWS = 50
_SHARE = 0.9
_SENTENCE = 8
"""Fewest characters of a sentence in a script without blanks."""
_LOOKED_AT = 1000

_WORDS = (
    "ids?|idx|index|rows?|rowid|rownames|nr|no|num|number|uuid|guid|key|pk|code|serial|ref|reference|"
    r"n[°º]|№|\w*(?:nr|nummer|numero|número|numéro)|código|codigo|номер|编号|序号|番号|번호"
)
IDENTIFIER_NAME = re.compile(
    rf"(?is:(.*[\W_])?({_WORDS}|unnamed: \d+)\W*|\W*)|(?s:.*[a-z](Id|ID|Uuid|UUID|Nr|No|Key|Index|Number))"
)
"""Names of identifiers and row numbers; a blank one is that of row numbers."""
_KEY = re.compile(r"(?is:(.*[\W_])?(ids?|uuid|guid|key|pk)\W*)|(?s:.*[a-z](Id|ID|Uuid|UUID|Key))")
"""Names of certain identifiers, whatever the order of the rows."""
_ENTRY = re.compile(
    r"(?i:(.*[\W_])?(order|invoice|receipt|ticket|case|record|entry|sample|customer|patient|obs|observation|"
    r"auftrag|bestellung|rechnung|vorgang|kunde|commande|facture|client|pedido|factura|cliente)\W*)"
)
"""Names of what a table lists, which a number that counts the rows stands for."""


def no_input(
    filled: pa.ChunkedArray, name: str, goal: Goal | None, column: pa.ChunkedArray
) -> tuple[str, str]:
    """Why a column is no input, in a word (empty if it is one), and a note.

    Args:
        filled: the cells that are not missing.
        name: of the column.
        goal: the target; a number associated with it is no identifier. None if unknown.
        column: all cells.
    """
    kind, text = filled.type, pa.types.is_string(filled.type)
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind) or len(filled) < 10:
        return "", ""
    if not text and not _counts(filled):
        return "", ""
    distinct = pc.count_distinct(filled).as_py()
    share, few = f"{distinct:,} of {len(filled):,} values differ", distinct < len(filled) / 2
    named = IDENTIFIER_NAME.fullmatch(name) is not None or (
        re.fullmatch(r"column \d+", name) is not None and not text and rows_counted(column, (0, 1))
    )
    if text:
        if (len(filled) >= _ROWS and distinct >= _SHARE * len(filled)) or distinct == len(filled):
            length = pc.mean(pc.utf8_length(filled)).as_py()
            blanks = pc.mean(pc.count_substring(filled, " ")).as_py()
            some = filled.slice(0, _LOOKED_AT).to_pylist()
            if length > 40 or blanks >= 3 or (length >= _SENTENCE and writing_of(some).unspaced):
                return "free text", f"looks like free text ({share})"
            return "identifier", f"looks like an identifier ({share})"
        by_name = named and not few
        return ("identifier", f"looks like an identifier by its name ({share})") if by_name else ("", "")
    counted = rows_counted(column)
    if not counted and (not named or few):
        return "", ""
    if counted and not named and not _ENTRY.fullmatch(name):
        return "", f"counts the rows ({pc.min(filled).as_py():,} to {pc.max(filled).as_py():,})"
    goes = goal is not None and goal.goes_with(column)
    if counted:
        sorted_ = ", and goes with the target only as the order of the rows does" if goes else ""
        return "identifier", f"looks like a row number (consecutive integers){sorted_}"
    if goes:
        return "", f"looks like an identifier by its name ({share}), but goes with the target"
    what = "looks like an identifier" if distinct == len(filled) else "looks like an identifier by its name"
    says = " and says nothing about the target" if goal is not None else ""
    return "identifier", f"{what} ({share}){says}"


def usual_target(names: Sequence[str], column: Callable[[int], pa.ChunkedArray]) -> tuple[int, str]:
    """The default target column, and a note if it is not the last one.

    It is the last column that is no identifier by its name and values.

    >>> table = pa.table({"x": range(0, 20, 2), "y": [0, 1] * 5, "id": range(1, 11)})
    >>> usual_target(table.column_names, table.column)[0]
    1
    """
    last = len(names) - 1
    at = next((at for at in range(last, 0, -1) if not _tells_rows_apart(names[at], column, at)), last)
    if at == last:
        return last, ""
    aside = called(names, last)
    return at, f"{aside} tells rows apart: the target is {called(names, at)}; `target=COLUMN` names another."


def _tells_rows_apart(name: str, column: Callable[[int], pa.ChunkedArray], at: int) -> bool:
    if not name.strip() or not IDENTIFIER_NAME.fullmatch(name):
        return False
    cells = column(at)
    if len(cells) < 10 or cells.null_count:
        return False
    text, whole = pa.types.is_string(cells.type), pa.types.is_integer(cells.type)
    if whole and rows_counted(cells):
        return True
    may = text or (whole and _KEY.fullmatch(name) is not None)
    return may and bool(pc.count_distinct(cells).as_py() == len(cells))


def rows_counted(column: pa.ChunkedArray, starts: tuple[int, ...] = ()) -> bool:
    """Whether integers count the rows, each one more than the one before, from one of `starts`.

    >>> rows_counted(pa.chunked_array([[5, 6, 7]])), rows_counted(pa.chunked_array([[5, 7, 8]]))
    (True, False)
    """
    if column.null_count or len(column) < 2 or (starts and column[0].as_py() not in starts):
        return False
    values = column.cast(pa.float64(), safe=False)
    steps = pc.subtract(values.slice(1), values.slice(0, len(values) - 1))
    return bool(pc.all(pc.equal(steps, 1.0)).as_py())


def _counts(column: pa.ChunkedArray) -> bool:
    """Whether all values are whole numbers from 0."""
    for part in (column.slice(0, 1000), column):  # most columns end with the first ones
        if pa.types.is_floating(part.type) and not pc.all(pc.equal(pc.floor(part), part)).as_py():
            return False
        if (pc.min(part).as_py() or 0) < 0:
            return False
    return True
