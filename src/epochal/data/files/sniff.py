"""Detection of a text table's encoding, delimiter, decimal separator, header and surrounding lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from epochal.common.text import counted
from epochal.data.columns import default_name, unique_names
from epochal.data.files.header import (
    Row,
    codes,
    decimal_separator,
    has_row_names,
    is_number,
    is_title,
    is_total,
    is_units,
    looks_like_header,
    quote_mark,
    quotes_behind_blanks,
    rows_of,
)
from epochal.data.files.reading import AS_FOUND, Content, Reading
from epochal.data.files.text_scan import SAMPLE_BYTES, scan_text
from epochal.errors import Refusal

DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
COMMENTS = ("#", "%", "//")
"""Beginnings of comment lines, if these are no rows of the table."""

_SEP = re.compile(r'"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)
_TAIL_ROWS = 12


@dataclass(frozen=True)
class Dialect:
    """The format of a text table.

    `start` counts the lines before the first row of data, `tail` those after the last one. `unnamed` are the
    columns without a header, left out if empty. Lines that begin with `comment` are
    skipped: all of them if it was `given`, else those with another number of fields.
    """

    encoding: str
    delimiter: str
    decimal: str
    header: bool
    start: int
    names: tuple[str, ...]
    quoted: bool
    notes: tuple[str, ...]
    unnamed: frozenset[int] = frozenset()
    comment: str = ""
    given: bool = False
    tail: int = 0
    unclear: frozenset[int] = frozenset()
    """Columns of digits to read as text: ambiguous decimal separator, or codes such as 01."""
    spaced: bool = False
    """Whether quotes follow a delimiter and a blank, as in `1, "a, b"`."""
    first: str = ""
    """The header line, which concatenated files repeat further below."""
    quote: str = '"'
    """The quote character, double or single."""


def sniff(content: Content, reading: Reading = AS_FOUND) -> Dialect:
    """Detect the format of a text table from its bytes, first and last rows; an empty one is refused."""
    seen = scan_text(content, reading.encoding)
    text, name = seen.head, content.name
    if not text.strip():
        raise _empty(name)
    if not seen.whole and "\n" not in text and "\r" not in text:
        raise Refusal(
            f"{name} must have a first row of at most {SAMPLE_BYTES:,} bytes; it is longer. "
            "Use a .parquet or an .npy file for so many columns."
        )
    if not seen.whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    notes = [*content.notes, *seen.notes]
    lines = list(io.StringIO(text, newline=""))
    start, delimiter = reading.skip_rows or 0, reading.delimiter
    separator = _SEP.fullmatch(lines[0].rstrip("\r\n")) if not reading.skip_rows else None
    if separator is not None:
        start, delimiter = 1, delimiter or separator[1]
        shown = separator[1] if separator[1].isprintable() else DELIMITERS.get(separator[1], "?")
        notes.append(f'the first line, "sep={shown}", says how fields are separated.')
    elif start:
        notes.append(f"{counted(start, 'line')} at the beginning skipped (`skip_rows`).")
    body = lines[start:]
    if delimiter is None:
        delimiter = _delimiter(body, name, reading.comment)
        if content.sheet and delimiter == " ":
            delimiter = ","  # blanks are between the words of a cell
        if delimiter != ",":
            notes.append(f"fields are separated by {DELIMITERS[delimiter]}s; `delimiter=...` changes that.")
    quote = quote_mark(body, delimiter, seen.quoted)
    spaced = (seen.quoted or quote == "'") and quotes_behind_blanks(body, delimiter, quote)
    layout = _Layout(rows_of(body, delimiter, start, spaced=spaced, quote=quote), reading, name)
    last = rows_of(seen.tail, delimiter, max_rows=len(seen.tail), spaced=spaced, quote=quote)
    tail = layout.tail([row for row in last if row.start >= layout.start or not seen.whole], len(seen.tail))
    cells = [row.cells for row in layout.body]
    decimal, unclear = (
        (reading.decimal, frozenset()) if reading.decimal else decimal_separator(cells, delimiter)
    )
    if decimal == ",":
        layout.notes.append('a comma is the decimal separator; `decimal="."` changes that.')
    if layout.header and seen.whole and not layout.body:
        raise Refusal(f"{name} has a header but no rows: a table needs at least 2 rows; got 0.")
    return Dialect(
        seen.encoding,
        delimiter,
        decimal,
        layout.header,
        layout.start or start,
        layout.names,
        seen.quoted or quote == "'",
        (*notes, *layout.notes),
        layout.unnamed,
        layout.comment,
        reading.comment is not None,
        tail,
        unclear | codes(cells),
        spaced,
        layout.first,
        quote,
    )


class _Layout:
    """The layout of a text table: remarks and titles, names, units, rows, and totals."""

    def __init__(self, rows: list[Row], reading: Reading, name: str) -> None:
        self.notes: list[str] = []
        self.reading, self.name = reading, name
        self.comment, rows, remark = self._without_comments(rows)
        if not rows:
            raise _empty(name)
        self.fields = _usual(rows)
        rows = self._below_titles(rows)
        first, self.body = rows[0], rows[1:]
        self.start = 0
        self.header, cells = self._header(first, remark)
        self.first = first.raw.strip() if self.header else ""
        self.names, self.unnamed, notes = _named(cells if self.header else [""] * len(cells), self.header)
        self.notes += notes
        if self.header and reading.header is None and self.body:
            units, below = self.body[0], [row.cells for row in self.body[1:]]
            if len(units.cells) == len(cells) and is_units(units.cells, below):
                self.body, self.start = self.body[1:], units.end
                self.notes.append(
                    f"line {units.start + 1:,} ({_shown(units.cells)}) stands below the header as units do: "
                    "left out; `header=True` reads it as data."
                )

    def _without_comments(self, rows: list[Row]) -> tuple[str, list[Row], Row | None]:
        """The comment prefix, the rows without comments, and the comment just above the table."""
        given = self.reading.comment
        for prefix in COMMENTS if given is None else (given,):
            marked = [row for row in rows if row.begins(prefix)]
            others = [row for row in rows if not row.begins(prefix)]
            if given is not None:
                if marked:
                    self.notes.append(f'lines that begin with "{prefix}" are left out (`comment`).')
                return prefix, others, None
            if not marked or not others or len(marked) > max(1, len(rows) // 2) + 1:
                continue
            fields, top = _usual(others), rows.index(others[0])
            if any(len(row.cells) == fields for row in rows[top:] if row.begins(prefix)):
                continue
            begin, what = ("begins", "a comment") if len(marked) == 1 else ("begin", "comments")
            self.notes.append(
                f'{counted(len(marked), "line")} that {begin} with "{prefix}" (the first is line '
                f"{marked[0].start + 1:,}): left out as {what}; `comment=...` names another prefix."
            )
            return prefix, others, rows[top - 1] if top else None
        return "", rows, None

    def _below_titles(self, rows: list[Row]) -> list[Row]:
        """The rows from the start of the table."""
        if self.reading.skip_rows is not None:
            return rows
        at = 0
        while at + 2 < len(rows) and (not any(rows[at].cells) or self._is_title(rows[at:], at > 0)):
            at += 1
        if at and has_row_names(rows[at - 1].cells, [row.cells for row in rows[at:]]):
            at -= 1
        if at:
            titles = [_shown([cell for cell in row.cells if cell], 40) for row in rows[:at] if any(row.cells)]
            shown = f" ({titles[0]}{', …' if len(titles) > 1 else ''})" if titles else ""
            self.notes.append(
                f"{counted(rows[at].start, 'line')} above the table{shown} left out; `skip_rows=0` reads all."
            )
        return rows[at:]

    def _is_title(self, rows: Sequence[Row], more: bool) -> bool:
        """Whether the first row is a title, or one `more`: few cells, or words above a header."""
        first, following, *rest = [row.cells for row in rows]
        if len(first) >= self.fields:
            return self._is_padded_title(rows, more)
        words = not any(map(is_number, first)) and any(c.isalpha() for cell in first for c in cell)
        if is_title(first, self.fields) or (more and self._is_padded_title(rows, more)):
            return True
        return (
            words
            and len(following) == self.fields
            and not has_row_names(first, [following, *rest])
            and looks_like_header(following, rest)
        )

    def _is_padded_title(self, rows: Sequence[Row], more: bool) -> bool:
        """Whether the first row is a title (or one `more`, even a date) with empty cells, above a header."""
        first, *rest = [row.cells for row in rows if any(row.cells)]
        while rest and self._is_short(rest[0]):
            rest.pop(0)
        return (
            self.reading.header is not False
            and len(first) <= self.fields > 1
            and self._is_short(first)
            and (more or is_title(first, self.fields))
            and len(rest) > 1
            and sum(map(bool, rest[0])) > 1
            and looks_like_header(rest[0], rest[1:])
        )

    def _is_short(self, cells: Sequence[str]) -> bool:
        """Whether one cell has a value, or the first ones, at most half of them."""
        filled = sum(map(bool, cells))
        return filled <= 1 or (filled <= self.fields // 2 and all(cells[:filled]))

    def _header(self, first: Row, remark: Row | None) -> tuple[bool, list[str]]:
        """Whether there is a header, and its cells, or those of the first row."""
        cells, below = list(first.cells), [row.cells for row in self.body]
        given, self.start = self.reading.header, first.end
        if given is not False and has_row_names(cells, below):
            self.notes.append("the rows have one field more than the header: the first field has no name.")
            return True, ["", *cells]
        padded = below and all(len(row) == self.fields and not row[-1] for row in below)
        if padded and len(cells) == self.fields - 1:
            cells.append("")
        if len(cells) == self.fields + 1 and not cells[-1] and len(below) > 1:
            cells.pop()
        if len(cells) != self.fields and sum(len(row) == self.fields for row in below) * 2 > len(below) > 2:
            raise Refusal(
                f"line {first.start + 1:,} of {self.name} has {len(cells):,} fields and most others have "
                f"{self.fields:,}. Correct it; or, if the table begins below it, say so with "
                f"`skip_rows={first.end}`; or give the delimiter with `delimiter=CHAR`."
            )
        found = looks_like_header(cells, below) if given is None else given
        if not found and given is None and remark is not None:
            above = remark.raw.lstrip().removeprefix(self.comment).strip()
            splits = [next(csv.reader([above], delimiter=one)) for one in (*DELIMITERS, ",")]
            split = next((cells for cells in splits if len(cells) == self.fields), splits[-1])
            names = [cell.strip() for cell in split]
            if len(names) == len(cells) and looks_like_header(names, [cells, *below]):
                self.body = [first, *self.body]
                self.start = remark.end
                self.notes[-1:] = [
                    f"the comment in line {remark.start + 1:,} is the header; `header=False` reads none."
                ]
                return True, names
        if not found:
            self.start = first.start
        if given is None:
            self.notes.append(
                "the first row is a header; `header=False` reads it as data."
                if found
                else "no header: columns are numbered from 1; `header=True` reads the first row as one."
            )
        return found, cells

    def tail(self, rows: list[Row], lines: int) -> int:
        """How many of the last `lines`, with `rows`, are below the table: totals, sources, empty rows."""
        if self.reading.skip_rows == 0:
            return 0
        known = [row.cells for row in self.body]
        gone: list[Row] = []
        cut: Row | None = None
        for row in reversed(rows[-_TAIL_ROWS:]):
            cells, left = row.cells, len(known) - len(gone)
            if left < 2 or cells == known[0]:
                break
            if any(cells):
                if row.begins(self.comment):
                    continue
                values = [cells, *(one.cells for one in gone)]
                others = [other for other in known if any(other) and other not in values]
                others += [one.cells for one in rows if one.start < row.start and any(one.cells)]
                outside = left > 2 and is_title(cells, self.fields)
                if len(cells) >= self.fields:
                    filled = [sum(map(bool, row)) for row in (cells, *others)]
                    outside = outside and len(cells) > 2 and filled[0] == 1 and min(filled[1:], default=2) > 1
                    total = (left > 2 or _repeats(cells, known[0])) and is_total(cells, others)
                    outside = len(cells) == self.fields and (outside or total)
                if not outside:
                    break
                gone.append(row)
            cut = row
        if cut is None:
            return 0
        if gone:
            self.notes.append(
                f"{counted(len(gone), 'line')} below the table ({_shown(gone[-1].cells)}) left out; "
                "`skip_rows=0` reads all."
            )
        return lines - cut.start


def _repeats(total: Sequence[str], row: Sequence[str]) -> bool:
    """Whether the cells are those of the row, or empty, as in the total of a single one."""
    return all(cell in ("", own) for cell, own in zip(total[1:], row[1:], strict=False))


def _empty(name: str) -> Refusal:
    return Refusal(f"{name} is empty: a table needs at least 2 rows; got 0.")


def _shown(cells: Sequence[str], max_length: int = 60) -> str:
    text = ", ".join(cell for cell in cells if cell)
    return f'"{text if len(text) <= max_length else text[: max_length - 2] + " …"}"'


def _usual(rows: Sequence[Row]) -> int:
    """The most common number of fields."""
    return Counter(len(row.cells) for row in rows).most_common(1)[0][0]


def _delimiter(lines: Sequence[str], name: str, comment: str | None) -> str:
    """The delimiter with which the most rows have the same number of fields, more than one."""
    prefixes = COMMENTS if comment is None else (comment,)
    some = lines[:2000]
    plain = [line for line in some if not line.lstrip().startswith(prefixes)]
    lines = plain if len(plain) * 2 >= len(some) or comment is not None else lines
    if ".tsv" in name.lower() and any("\t" in line for line in lines):
        return "\t"
    best, best_score = ",", 0.0
    for candidate in DELIMITERS:
        if candidate == " " and best_score > 0:
            break
        rows = rows_of(lines, candidate, max_rows=100)
        (fields, count), *_ = Counter(len(row.cells) for row in rows).most_common(1) or [(0, 0)]
        score = count / len(rows) if fields > 1 else 0.0
        if score > best_score + 1e-9 and (candidate != " " or score >= 0.8):
            best, best_score = candidate, score
    return best


def _named(cells: Sequence[str], header: bool) -> tuple[tuple[str, ...], frozenset[int], list[str]]:
    """Unique, non-empty names, the columns without their own, and notes."""
    unnamed = frozenset(index for index, cell in enumerate(cells) if not cell)
    given = list(cells)
    notes: list[str] = []
    if header and 0 in unnamed and len(cells) > 1 and "index" not in cells:
        given[0] = "index"
        notes.append('column 1 has no name, as saved row numbers have none: it is called "index".')
    names = unique_names([cell or default_name(index) for index, cell in enumerate(given)])
    for index, (cell, name) in enumerate(zip(given, names, strict=True)):
        cell = " ".join(cell.split())
        if cell and name != cell:
            notes.append(f'two columns are called "{cell}": column {index + 1} is now "{name}".')
    return tuple(names), unnamed, notes
