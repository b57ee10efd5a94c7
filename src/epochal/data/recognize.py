"""What kind of input is each column, and which say nothing?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.columns import called, flag_value
from epochal.data.encode import as_text, date_parts, parse_dates, to_dates, to_numbers
from epochal.data.schema import DATE_PARTS, Column, LeftOut
from epochal.errors import Refusal

__all__ = ["MOST_LEVELS", "date_format", "recognize", "stray_marks"]

MOST_LEVELS = 1000
"""A category has at most this many levels."""

_EXACT = 2**24
IDENTIFIER_ROWS = 50
IDENTIFIER_SHARE = 0.9

_IDENTIFIER_NAME = re.compile(r"(.*[\W_])?(id|uuid|guid)|.*[a-z](Id|ID|Uuid|UUID)", re.DOTALL)
_DATE_FORMATS = (
    "",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
)


def recognize(
    names: Sequence[str],
    column: pa.ChunkedArray,
    index: int,
    *,
    keep: bool,
    categorical: bool,
    numeric: bool,
) -> tuple[Column | LeftOut, str]:
    """The kind of one input column, or why it is left out; and a note that says so (or nothing).

    Raises:
        Refusal: a flag that does not fit, or a category with too many levels.
    """
    name = names[index]
    said, flag = called(names, index), flag_value(names, index)
    if column.null_count == len(column):
        if keep or categorical or numeric:
            raise Refusal(f"{said} has no values at all, so it can't be kept.")
        return LeftOut(name, index, "all missing"), f"{said} has no values at all: left out."
    if numeric:
        kind = "boolean" if pa.types.is_boolean(column.type) else "numeric"
        if kind == "numeric":
            _all_numbers(column, said)
        return Column(name, index, kind, bool(column.null_count)), ""  # type: ignore[arg-type]
    if not (keep or categorical):
        reason, how = _says_nothing(column, name)
        if reason:
            return LeftOut(name, index, reason), f"{said} {how}: left out; --keep {flag} keeps it."
    if categorical:
        return _category(column, name, index, said, flag), ""
    return _kind(column, name, index, said, flag)


def _all_numbers(column: pa.ChunkedArray, said: str) -> None:
    start = 0
    for chunk in column.chunks:
        to_numbers(chunk, said, start)
        start += len(chunk)


def _says_nothing(column: pa.ChunkedArray, name: str) -> tuple[str, str]:
    """Why a column is no input, in a word and in a sentence; two empty strings if it is one."""
    kind = column.type
    filled = len(column) - column.null_count
    if not column.null_count and _constant(column):
        return "constant", f"is constant ({column[0].as_py()})"
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind):
        return "", ""
    text = pa.types.is_string(kind)
    if not text and not _counts(column):
        return "", ""
    distinct = pc.count_distinct(column).as_py()
    share = f"{distinct:,} of {filled:,} values differ"
    if text:
        if date_format(column) is not None or _share_of_numbers(column) > 0.5:
            return "", ""
        if (filled >= IDENTIFIER_ROWS and distinct >= IDENTIFIER_SHARE * filled) or (
            filled >= 10 and distinct == filled
        ):
            length = pc.mean(pc.utf8_length(column)).as_py()
            blanks = pc.mean(pc.count_substring(column, " ")).as_py()
            if length > 40 or blanks >= 3:
                return "free text", f"looks like free text ({share})"
            return "identifier", f"looks like an identifier ({share})"
    elif filled >= 10 and distinct == filled and _consecutive(column):
        return "identifier", "looks like a row number (consecutive integers)"
    elif filled >= IDENTIFIER_ROWS and distinct >= IDENTIFIER_SHARE * filled:
        return "identifier", f"looks like an identifier ({share})"
    if _IDENTIFIER_NAME.fullmatch(name) and filled >= 10 and distinct >= filled / 2:
        return "identifier", f"looks like an identifier by its name ({share})"
    return "", ""


def _constant(column: pa.ChunkedArray) -> bool:
    first = column[0]
    return bool(
        pc.all(pc.equal(column.slice(0, 1000), first)).as_py() and pc.all(pc.equal(column, first)).as_py()
    )


def _counts(column: pa.ChunkedArray) -> bool:
    """Whether all values are whole numbers from 0."""
    for part in (column.slice(0, 1000), column):
        if pa.types.is_floating(part.type) and not pc.all(pc.equal(pc.floor(part), part)).as_py():
            return False
        if pa.types.is_signed_integer(part.type) or pa.types.is_floating(part.type):
            least = pc.min(part).as_py()
            if least is not None and least < 0:
                return False
    return True


def _consecutive(column: pa.ChunkedArray) -> bool:
    if column.null_count:
        return False
    values = column.cast(pa.float64(), safe=False)
    steps = pc.subtract(values.slice(1), values.slice(0, len(values) - 1))
    return bool(pc.all(pc.equal(steps, 1.0)).as_py())


def _kind(
    column: pa.ChunkedArray, name: str, index: int, said: str, flag: str
) -> tuple[Column | LeftOut, str]:
    kind, missing = column.type, bool(column.null_count)
    if pa.types.is_boolean(kind):
        return Column(name, index, "boolean", missing), ""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Column(name, index, "numeric", missing), _lost_digits(column, said, flag)
    form = "" if pa.types.is_temporal(kind) else date_format(column)
    if form is not None:
        return _date(column, name, index, said, flag, form)
    marks, count, first = stray_marks(column)
    levels = pc.count_distinct(column).as_py()
    if marks and levels > 20:
        raise Refusal(
            f"{said} holds numbers, but for {_quoted(marks)} ({count:,} of {len(column):,} values, first in "
            f"row {first:,}); pass --missing {flag_word(marks)} to read that as missing, "
            f"or --categorical {flag}."
        )
    found = _category(column, name, index, said, flag)
    note = f"{said} is a category of {levels:,} levels; --numeric {flag} reads it as numbers."
    if marks:
        note = (
            f"{said} holds numbers, but for {_quoted(marks)} ({count:,} times): a category of {levels:,} "
            f"levels; --missing {flag_word(marks)} makes numbers of it."
        )
    elif _share_of_numbers(column) < 1:
        note = f"{said} is a category of {levels:,} levels; --drop {flag} leaves it out."
    return found, note


def _lost_digits(column: pa.ChunkedArray, said: str, flag: str) -> str:
    """A note where whole numbers have more digits than float32 can hold."""
    if not pa.types.is_integer(column.type):
        return ""
    most = max(abs(bound) for bound in pc.min_max(column).as_py().values())
    if most <= _EXACT:
        return ""
    return (
        f"{said} has whole numbers up to {most:,}; float32 is exact to {_EXACT:,} and rounds them; "
        f"--drop {flag} leaves it out."
    )


def _category(column: pa.ChunkedArray, name: str, index: int, said: str, flag: str) -> Column:
    words = as_text(column)
    distinct = pc.count_distinct(words).as_py()
    if distinct > MOST_LEVELS:
        raise Refusal(
            f"{said} must have at most {MOST_LEVELS:,} categories; got {distinct:,}. "
            f"Leave it out with --drop {flag}."
        )
    levels = pc.unique(words).drop_null().to_pylist()
    ordered = tuple(sorted(levels, key=natural))
    return Column(
        name, index, "category", bool(column.null_count), ordered, text=pa.types.is_string(column.type)
    )


def natural(word: str) -> tuple[int, float, str]:
    """A key that sorts numbers by size and before other text.

    >>> sorted(["b", "10", "9"], key=natural)
    ['9', '10', 'b']
    """
    try:
        return (0, float(word), word)
    except ValueError:
        return (1, 0.0, word)


def _date(
    column: pa.ChunkedArray, name: str, index: int, said: str, flag: str, form: str
) -> tuple[Column | LeftOut, str]:
    dates = to_dates(column, form, said).combine_chunks()
    values = dict(zip(DATE_PARTS, date_parts(dates.drop_null(), DATE_PARTS), strict=True))
    parts = tuple(part for part in DATE_PARTS if (values[part] != values[part][0]).any())
    if not parts:
        return LeftOut(
            name, index, "constant"
        ), f"{said} holds one date only: left out; nothing can be learned."
    written = f" written as {form}" if form else ""
    found = Column(name, index, "date", bool(column.null_count), parts=parts, format=form, text=bool(form))
    return found, f"{said} is a date{written}: {', '.join(parts)}; --categorical {flag} or --drop {flag}."


def date_format(column: pa.ChunkedArray) -> str | None:
    """How a text column writes its dates; None if it holds something else."""
    words = column.drop_null()
    for form in _DATE_FORMATS:
        if all(parse_dates(part, form).null_count == 0 for part in (words.slice(0, 100), words)):
            return form
    return None


def _number_mask(words: Any) -> Any:
    return pc.match_substring_regex(words, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


def _share_of_numbers(column: pa.ChunkedArray) -> float:
    share: float | None = pc.mean(_number_mask(column.drop_null()).cast(pa.int8())).as_py()
    return share or 0.0


def stray_marks(column: pa.ChunkedArray) -> tuple[list[str], int, int]:
    """The few words (at most 3) among numbers, how often they occur, and the row of the first (from 1)."""
    if not pa.types.is_string(column.type) or _share_of_numbers(column) < 0.8:
        return [], 0, 0
    stray = pc.fill_null(pc.invert(_number_mask(column)), False)
    words = column.filter(stray)
    marks = [word for word in pc.unique(words).to_pylist() if word is not None]
    if not 1 <= len(marks) <= 3:
        return [], 0, 0
    return marks, len(words), int(pc.index(stray, True).as_py()) + 1


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def flag_word(words: Sequence[str]) -> str:
    """Words as a command line takes them: quoted where they need it."""
    safe: Callable[[str], bool] = lambda word: re.fullmatch(r"[\w./+-]+", word) is not None  # noqa: E731
    return ",".join(word if safe(word) else f"'{word}'" for word in words)
