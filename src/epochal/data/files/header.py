"""The first and last rows of a text table: cells, decimal separator, names, units, titles and totals."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from epochal.data.values.missing import NA_VALUES, NUMBER_NA_VALUES
from epochal.errors import Refusal

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d.*)?")
_AMOUNT = re.compile(r"[^\w\s]{0,2}\s?[+-]?\d[\d.,' \u00a0]*\s?[^\d\s]{0,3}")
_WHOLE = re.compile(r"\d{1,9}")
_UNIT = re.compile(r"[\[(<{].*[\])>}]")
_FIGURE = re.compile(r"(?<![\w^/*·])(?<!\w-)\d(?!\d*[\^²³]|/[^\W\d])")
"""A digit that belongs to no unit, as those of m2, l/100 km, 1/s, s-1 and 10^3 do."""
_TOTAL = re.compile(
    r"((grand |sub)?totals?|sum|averages?|mean|gesamt|(gesamt)?summe|insgesamt|"
    r"mittelwert|total g[eé]n[eé]ral|moyenne|suma|media|totale|totaal|"
    r"итого|всего|среднее|合计|总计|合計|總計|平均)( general)?\s*:?",
    re.IGNORECASE,
)
_CELLS, _FEWEST = 100_000, 50
"""Most cells to inspect, and the fewest rows."""
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?(\d*\.\d+|\d+\.)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:([.,])\d{3})+")
_SIGNED = re.compile(r"[+-]?\d+")
_SURE_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_NA_VALUES = frozenset((*NA_VALUES, *NUMBER_NA_VALUES)) - {""}
_MAX_ROWS = 200
"""Rows below the first that determine the column types."""


@dataclass(frozen=True)
class Row:
    """A row of cells and its lines, `start` (from 0) to `end`."""

    cells: list[str]
    start: int
    end: int
    raw: str

    def begins(self, prefix: str) -> bool:
        """Whether its line begins with this prefix of comments."""
        return bool(prefix) and self.raw.lstrip().startswith(prefix)


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
    max_rows: int = 1000,
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
            if len(rows) >= max_rows:
                break
    except csv.Error as error:
        if not rows:
            raise Refusal(f"line {reader.line_num + before}: {error}.") from error
    return rows


def is_number(cell: str) -> bool:
    """Whether a cell is written as a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(cell) is not None


def looks_like_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: texts above numbers or dates, or unlike those below.

    >>> rows = [["0", "52.15", "47.48"], ["1", "65.12", "55.56"], ["2", "43.65", "66.03"]]
    >>> looks_like_header(["region", "2019", "2020"], rows), looks_like_header(["9", "50.5", "60.1"], rows)
    (True, False)
    """
    if not first or not any(first):
        return False
    body = body[:_MAX_ROWS]
    columns = [[row[at] for row in body if at < len(row)] for at in range(len(first))]
    kinds = [(_kind(cell), _most(column)) for cell, column in zip(first, columns, strict=True)]
    values = {("date", "date"), ("amount", "amount"), ("number", "amount")}
    if any(cell == "na" or (cell, below) in values for cell, below in kinds):
        return False
    support = sum(below in ("number", "date", "amount") and cell == "text" for cell, below in kinds)
    support += sum(below == "number" and cell == "date" for cell, below in kinds)
    numbers = [at for at, (cell, below) in enumerate(kinds) if cell == below == "number"]
    if numbers and not _are_labels(numbers, first, body, bool(support)):
        return False
    if numbers or support:
        return True
    if not body:
        return all(cell == "text" for cell, _ in kinds)
    recurring = sum(cell in column for cell, column in zip(first, columns, strict=True))
    return len(set(first)) == len(first) and recurring * 2 < len(first) and all(first) and len(body) > 1


def _kind(cell: str) -> str:
    if not cell:
        return "blank"
    if cell in _NA_VALUES:
        return "na"
    if is_number(cell):
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    return "amount" if _AMOUNT.fullmatch(cell) else "text"


def _most(column: Sequence[str]) -> str:
    """The type of most cells of a column, blank if it has none."""
    if not (kinds := Counter(kind for kind in map(_kind, column) if kind not in ("blank", "na"))):
        return "blank"
    kind, count = kinds.most_common(1)[0]
    return kind if count > kinds.total() / 2 else "text"


def _are_labels(at: Sequence[int], first: Sequence[str], body: Sequence[Sequence[str]], named: bool) -> bool:
    """Whether numbers above numbers are names: in even steps or out of range, as years are.

    `named` says that other cells of the row are names without doubt.
    """
    cells = [first[index] for index in at]
    values = [_value(cell) for cell in cells]
    if len(set(cells)) < len(cells):
        return False
    whole = all(_WHOLE.fullmatch(cell) for cell in cells)
    outside = sum(_unlike(first[index], [row[index] for row in body if index < len(row)]) for index in at)
    below = [[row[index] for index in at] for row in body if len(row) > max(at)]
    numeric = [[_value(cell) for cell in row] for row in below if all(map(is_number, row))]
    count, most = len(values), outside * 2 >= len(values)
    even, rising = (
        count > 1 and holds(values) and sum(map(holds, numeric)) <= 0.2 * len(numeric)
        for holds in (_even, _rising)
    )
    years = whole and all(1500 <= value <= 2200 for value in values)
    if named:
        return (whole and (most or (even and years))) or (count > 2 and even) or (count > 3 and rising)
    if not whole or len(body) < 3:
        return False
    saved = values in (list(range(count)), list(range(1, count + 1)))
    return (
        (saved and even and (count > 3 or not first[0]))
        or (count > 2 and even and most)
        or (years and outside == count and (count == 1 or rising))
    )


def _value(cell: str) -> float:
    return float(cell.replace(",", "."))


def _unlike(cell: str, column: Sequence[str]) -> bool:
    """Whether a number is out of the range of those below, or whole above fractions."""
    if not (numbers := list(filter(is_number, column))):
        return False
    values = list(map(_value, numbers))
    fractions = sum(not _WHOLE.fullmatch(number.lstrip("+-")) for number in numbers)
    return not min(values) <= _value(cell) <= max(values) or fractions > len(values) / 2


def _even(values: Sequence[float]) -> bool:
    steps = {round(after - before, 9) for before, after in itertools.pairwise(values)}
    return len(steps) == 1 and steps != {0.0}


def _rising(values: Sequence[float]) -> bool:
    pairs = list(itertools.pairwise(values))
    return all(before < after for before, after in pairs) or all(before > after for before, after in pairs)


def has_row_names(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether rows have one field more than the names, as from R's write.table with row names."""
    if len(first) < 2 or len(body) < 2 or any(len(row) != len(first) + 1 for row in body):
        return False
    rows = [row[0] for row in body]
    if len(set(rows)) < len(rows) or not all(rows):
        return False
    counted = all(_WHOLE.fullmatch(cell) for cell in rows) and _even([float(cell) for cell in rows])
    named = not any(map(is_number, rows))
    return (counted or named) and looks_like_header(["", *first], body)


def is_units(row: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a row below the header has units, such as kg and m, that no other row has, but numbers.

    >>> is_units(["kg", "m2"], [["1", "2"], ["3", "4"]]), is_units(["kg", "m"], [["a", "2"]] * 2)
    (True, False)
    >>> is_units(["3 kg", ""], [["1 kg", "2"], ["3 kg", "4"]])
    False
    """
    if len(body) < 2 or any(map(_FIGURE.search, row)):
        return False
    columns = [[other[at] for other in body[:_MAX_ROWS] if at < len(other)] for at in range(len(row))]
    pairs = zip(row, columns, strict=True)
    if any(cell in column for cell, column in pairs if cell and cell not in _NA_VALUES):
        return False
    numeric = [_most(column) in ("number", "amount") for column in columns]
    above = list(itertools.compress(row, numeric))
    beside = [cell for cell, is_above in zip(row, numeric, strict=True) if not is_above]
    units = [cell for cell in above if cell and cell not in _NA_VALUES]
    if not units or any(len(cell) > 16 for cell in above):
        return False
    if all(_UNIT.fullmatch(cell) for cell in units):
        return True
    plain = all(not cell or cell in _NA_VALUES or _UNIT.fullmatch(cell) for cell in beside)
    return len(units) > 1 and len(units) * 2 >= len(above) and (plain or len(above) > 2)


def is_title(row: Sequence[str], fields: int) -> bool:
    """Whether a row above the table is a title or a remark: few cells, with words.

    >>> is_title(["Sales 2024"], 4), is_title(["1"], 4), is_title(["a", "b", "c"], 4)
    (True, False, False)
    """
    return sum(map(bool, row)) <= max(1, fields // 2) and any(c.isalpha() for cell in row for c in cell)


def is_total(row: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the last row holds totals: "Total" in its first cell, and in no other row's.

    >>> is_total(["Sum", "", "3"], [["a", "x", "1"], ["b", "y", "2"]]), is_total(["", "a"], [["x", "b"]])
    (True, False)
    """
    at = next((at for at, cell in enumerate(row) if cell), None)
    if at is None or at > 1 or not _TOTAL.fullmatch(row[at]):
        return False
    word = row[at].casefold()
    return not any(at < len(other) and other[at].casefold() == word for other in body)


def decimal_separator(rows: Sequence[Sequence[str]], delimiter: str) -> tuple[str, frozenset[int]]:
    """The decimal separator, and the columns with ambiguous numbers, to read as text.

    One before exactly three digits may separate thousands. In tables with
    commas between fields it is a point.

    >>> decimal_separator([["8.864,16", "53,6"], ["911", "7,5"]], ";")
    (',', frozenset())
    >>> decimal_separator([["5.683", "1.5"], ["911", "2"]], ";"), decimal_separator([["5.683"], ["911"]], ";")
    (('.', frozenset()), ('.', frozenset({0})))
    """
    if delimiter == ",":
        return ".", frozenset()
    width = max(map(len, rows), default=0)
    rows = rows[: max(_FEWEST, _CELLS // max(1, width))]
    cells = [cell for row in rows for cell in row]
    single = [cell for cell in cells if not _GROUPED.fullmatch(cell)]
    commas = any(map(_SURE_COMMA.fullmatch, cells)) or any(map(_COMMA.fullmatch, single))
    points = any(map(_POINT.fullmatch, single))
    if commas and not points:
        return ",", frozenset()
    if points and not commas:
        return ".", frozenset()
    return ".", frozenset(at for at in range(width) if _is_ambiguous(rows, at))


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


def _is_ambiguous(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a column is ambiguous: three digits after each point, or no points."""
    cells = [row[at] for row in rows if at < len(row)]
    grouped = [cell for cell in cells if "." in cell and _GROUPED.fullmatch(cell)]
    written = [cell for cell in cells if cell and cell[-1].isdigit()]
    whole = sum(bool(_SIGNED.fullmatch(cell)) for cell in written)
    return bool(grouped) and whole > 0 and len(grouped) + whole == len(written)
