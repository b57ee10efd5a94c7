"""How is this text table written: its encoding, delimiter, decimal mark and header?"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from epochal.data.columns import default_name
from epochal.errors import Refusal

__all__ = ["MISSING", "Dialect", "open_bytes", "sniff"]

MISSING = ("", "?", "NA", "NaN", "nan", "N/A", "null")
"""The cells that are read as missing values unless told otherwise."""

DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_CONTROL_BYTES = bytes({*range(32)} - set(b"\t\n\v\f\r\x1b"))
_SAMPLE_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 22
_UNFOLDED_BYTES, _UNFOLDED_TIMES = 1 << 30, 200
"""A packed table that unfolds to more than both, in bytes and in times its size, is no table but a trap."""


@dataclass(frozen=True)
class Dialect:
    """How a text table is written; `header_lines` are the physical lines before the first data row."""

    encoding: str
    delimiter: str
    decimal: str
    header: bool
    header_lines: int
    names: tuple[str, ...]
    quoted: bool
    notes: tuple[str, ...]


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed where its name ends in `.gz`."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def sniff(
    path: Path,
    delimiter: str | None = None,
    header: bool | None = None,
    missing: Collection[str] = MISSING,
) -> Dialect:
    """Recognize how the table at `path` is written, from its bytes and its first rows.

    Raises:
        Refusal: an empty file, one that is not text, or one without rows below its header.
    """
    encoding, quoted, sample, whole = _survey(path)
    notes: list[str] = []
    if encoding != "utf-8":
        notes.append(f"{path.name} is not UTF-8: read as {encoding}.")
    text = sample.decode(encoding, errors="ignore").lstrip("\ufeff")
    if not text.strip():
        raise Refusal(f"{path.name} is empty: a table needs at least 2 rows; got 0.")
    if not whole and "\n" not in text and "\r" not in text:
        raise Refusal(
            f"{path.name} must have a first row of at most {_SAMPLE_BYTES:,} bytes; it is longer. "
            "Use a .parquet or an .npy file for so many columns."
        )
    if not whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    if delimiter is None:
        delimiter = _delimiter(text, path)
        if delimiter != ",":
            notes.append(f"fields are separated by {DELIMITERS[delimiter]}s; --delimiter changes that.")
    elif len(delimiter) != 1:
        raise Refusal(f'delimiter must be one character; got "{delimiter}".')
    rows, first_end = _rows(text, delimiter)
    body = rows[1:]
    decimal = "."
    if delimiter != "," and any(_DECIMAL_COMMA.fullmatch(cell) for row in rows for cell in row):
        dotted = any("." in cell and _NUMBER.fullmatch(cell) for row in rows for cell in row)
        if not dotted:
            decimal = ","
            notes.append("a comma is the decimal mark.")
    found = header if header is not None else _has_header(rows[0], body, frozenset(missing))
    if found and header is None:
        notes.append("the first row is a header; --no-header reads it as data.")
    elif not found and header is None:
        notes.append("no header: columns are numbered from 1; --header reads the first row as one.")
    names, renamed = _names(rows[0] if found else [""] * len(rows[0]))
    notes += renamed
    if found and whole and not body:
        raise Refusal(f"{path.name} has a header but no rows: a table needs at least 2 rows; got 0.")
    return Dialect(
        encoding, delimiter, decimal, found, first_end if found else 0, names, quoted, tuple(notes)
    )


def _survey(path: Path) -> tuple[str, bool, bytes, bool]:
    """Encoding, whether any cell is quoted, the first bytes, and whether they are the whole file."""
    sample, whole, quoted = b"", True, False
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, windows, position = True, False, 0
    try:
        with open_bytes(path) as file:
            while block := file.read(_BLOCK_BYTES):
                if position == 0:
                    sample = block[:_SAMPLE_BYTES]
                    whole = len(block) <= _SAMPLE_BYTES
                    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                        return "utf-16", True, _even(sample), whole
                if len(block.translate(None, _CONTROL_BYTES)) != len(block):
                    at, byte = next((i, byte) for i, byte in enumerate(block) if byte in _CONTROL_BYTES)
                    raise Refusal(
                        f"{path.name} must be a text table in UTF-8 or Latin-1; got the byte "
                        f"0x{byte:02x} at position {position + at:,}: is it another kind of file?"
                    )
                quoted = quoted or b'"' in block
                if utf8 and not (block.isascii() and not decoder.getstate()[0]):
                    try:
                        decoder.decode(block)
                    except UnicodeDecodeError:
                        utf8 = False
                if not utf8:
                    windows = windows or bool(re.search(rb"[\x80-\x9f]", block))
                position += len(block)
                if position > max(_UNFOLDED_BYTES, _UNFOLDED_TIMES * path.stat().st_size):
                    raise Refusal(
                        f"{path.name} unfolds to more than {_UNFOLDED_TIMES} times its size, beyond "
                        f"{_UNFOLDED_BYTES:,} bytes. If that is what it should hold, unpack it first."
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal(f"{path.name} can't be read: {getattr(error, 'strerror', None) or error}.") from error
    return ("utf-8" if utf8 else "cp1252" if windows else "latin-1"), quoted, sample, whole


def _even(sample: bytes) -> bytes:
    """An even number of bytes, so that two-byte characters stay whole."""
    return sample[: len(sample) // 2 * 2]


def _rows(text: str, delimiter: str, most: int = 1000) -> tuple[list[list[str]], int]:
    """The first rows that are not blank, with the line at which the first of them ends."""
    rows: list[list[str]] = []
    first_end = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter == " ")
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            cells = [cell.strip() for cell in row]
            if delimiter == " ":
                while cells and not cells[-1]:
                    cells.pop()
            rows.append(cells)
            if len(rows) == 1:
                first_end = reader.line_num
            if len(rows) >= most:
                break
    except csv.Error as error:
        if not rows:
            raise Refusal(f"line {reader.line_num}: {error}.") from error
    return rows, first_end


def _delimiter(text: str, path: Path) -> str:
    """The delimiter that gives the same number of fields, more than one, in the most rows."""
    if ".tsv" in path.suffixes and "\t" in text:
        return "\t"
    best, best_score = ",", 0.0
    for candidate in DELIMITERS:
        if candidate == " " and best_score > 0:
            break
        rows, _ = _rows(text, candidate, most=100)
        (fields, count), *_ = Counter(len(row) for row in rows).most_common(1) or [(0, 0)]
        score = count / len(rows) if fields > 1 else 0.0
        if candidate == " " and score < 0.8:
            continue
        if score > best_score + 1e-9:
            best, best_score = candidate, score
    return best


def _has_header(first: Sequence[str], body: Sequence[Sequence[str]], missing: frozenset[str]) -> bool:
    """A header has no number and no missing mark, and stands above a number or is unlike the cells below."""
    marks = missing - {""}
    if any(_NUMBER.fullmatch(cell) or cell in marks or not cell for cell in first[1:]):
        return False
    if not first or _NUMBER.fullmatch(first[0]) or first[0] in marks or (not first[0] and len(first) == 1):
        return False
    if not body:
        return True
    for index in range(len(first)):
        cells = [row[index] for row in body if index < len(row) and row[index] not in missing]
        if cells and sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) > len(cells) / 2:
            return True
    recurring = any(
        index < len(row) and row[index] == cell for row in body for index, cell in enumerate(first)
    )
    return len(set(first)) == len(first) and not recurring and all(first) and len(body) > 1


def _names(cells: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names without gaps or doubles, and what was done to get there."""
    names: list[str] = []
    notes: list[str] = []
    taken: set[str] = set()
    for index, cell in enumerate(cells):
        name = cell or default_name(index)
        if name in taken:
            name = f"{cell} ({index + 1})"
            notes.append(f'two columns are called "{cell}": column {index + 1} is now "{name}".')
        taken.add(name)
        names.append(name)
    return tuple(names), notes
