"""The input kind of each column, and columns that are left out: constants, identifiers, free text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from epochal.common.option_text import option
from epochal.common.text import counted, natural, shortlist
from epochal.data.columns import ColumnReference, called, reference, resolve_all
from epochal.data.tables.association import TargetValues
from epochal.data.tables.encode import as_text, date_parts, to_dates, to_numbers
from epochal.data.tables.schema import DATE_PARTS, ONE_HOT_LEVELS, Column, LeftOut
from epochal.data.values.date_forms import check_format, compact_form, infer_dates
from epochal.data.values.missing import (
    are_na_values,
    emptied,
    known_na_values,
    one_spelling,
    read_as_missing,
    refuse_odd,
)
from epochal.data.values.number_forms import FEW_LEVELS, ParsedNumbers, infer_numbers, say
from epochal.data.values.writing_systems import writing_of
from epochal.errors import Refusal

MAX_LEVELS = 1000
"""A target has at most this many classes."""

_ROLES = ("keep", "drop", "categorical", "numeric")


@dataclass(frozen=True)
class TableOptions:
    """Overrides of the recognition; columns by name, or by number from 1."""

    target: ColumnReference | None = None
    task: str | None = None
    keep: Sequence[ColumnReference] = ()
    drop: Sequence[ColumnReference] = ()
    categorical: Sequence[ColumnReference] = ()
    numeric: Sequence[ColumnReference] = ()
    sample_weight: ColumnReference | None = None
    groups: ColumnReference | None = None
    decimal: str | None = None
    date_format: str | None = None
    groups_from: str | None = None
    """A regular expression for the group in that column."""

    def __post_init__(self) -> None:
        for role in _ROLES:
            object.__setattr__(self, role, tuple(getattr(self, role)))
        if self.date_format is not None:
            check_format(self.date_format)

    def columns(self, names: Sequence[str]) -> dict[str, frozenset[int]]:
        """The columns that the user gave each role of an input."""
        return {role: resolve_all(getattr(self, role), names, role) for role in _ROLES}


@dataclass(frozen=True)
class Hints:
    """Information from the rest of a table, beside the given options.

    `decimal_separator` is inferred from file and columns, `day_first` says whether other columns have the day
    before the month.
    """

    given: TableOptions
    decimal_separator: str = ""
    day_first: bool | None = None
    targets: TargetValues | None = None


@dataclass(frozen=True)
class _Named:
    name: str
    index: int
    label: str
    reference: ColumnReference

    def option(self, name: str) -> str:
        """An option that lists columns, with this one."""
        return option(name, [self.reference])

    def column(self, kind: Any, missing: bool, **more: Any) -> Column:
        return Column(self.name, self.index, kind, missing, **more)


def recognize(
    names: Sequence[str], column: pa.ChunkedArray, index: int, roles: Collection[str], hints: Hints
) -> tuple[Column | LeftOut, str]:
    """The kind of an input column, or why it is left out, and a note (or nothing).

    `roles` are those of "keep", "categorical" and "numeric" that the user gave it.
    """
    named = _Named(names[index], index, called(names, index), reference(names, index))
    keep = "keep" in roles
    if column.null_count == len(column):
        if roles:
            raise Refusal(f"{named.label} has no values at all, so it can't be kept.")
        return LeftOut(named.name, index, "all missing"), f"{named.label} has no values at all: left out."
    if "numeric" in roles:
        return _as_asked_numeric(column, named, hints)
    if "categorical" in roles:
        return _category(column, named)
    if not keep and not column.null_count and pc.all(pc.equal(column, column[0])).as_py():
        note = f"{named.label} is constant ({column[0].as_py()}): left out; {named.option('keep')} keeps it."
        return LeftOut(named.name, index, "constant"), note
    if (found := _dates_or_numbers(column, named, hints)) is not None:
        return found
    reason, remark = ("", "") if keep else exclusion_reason(column, named.name, hints.targets)
    if reason:
        as_words, reads = option("text", named.reference, of="ep.load_texts"), ""
        if reason == "free text":
            reads = f", {as_words} reads its words"
        elif codes := _codes(column):
            remark, reads = f"{codes} and {remark}", f", {named.option('numeric')} reads it as numbers"
        note = f"{named.label} {remark}: left out; {named.option('keep')} keeps it{reads}."
        return LeftOut(named.name, index, reason), note
    if remark:
        remark = f"{named.label} {remark}: kept; {named.option('drop')} leaves it out."
    kind, note = _kind(column, named)
    return kind, " ".join(one for one in (remark, note) if one)


def _as_asked_numeric(column: pa.ChunkedArray, named: _Named, hints: Hints) -> tuple[Column, str]:
    """A column that the user declares numeric: its text must be numbers in one format."""
    if pa.types.is_boolean(column.type):
        return named.column("boolean", bool(column.null_count)), ""
    found = _infer_numbers(column, named, hints)
    if found is not None and are_na_values(found.odd, len(column) - column.null_count):
        return _numbers(column, named, found)
    to_numbers(column.combine_chunks(), named.label)  # refuses other text
    return named.column("numeric", bool(column.null_count), text=pa.types.is_string(column.type)), ""


def _dates_or_numbers(
    column: pa.ChunkedArray, named: _Named, hints: Hints
) -> tuple[Column | LeftOut, str] | None:
    """Dates and numbers in text; None for everything else."""
    if pa.types.is_temporal(column.type):
        return _date(column, named, "")
    if form := compact_form(column):
        return _date(column, named, form)
    if not pa.types.is_string(column.type):
        return None
    dates = infer_dates(column, hints.given.date_format, hints.day_first)
    if dates is None and hints.given.date_format is not None:
        dates = infer_dates(column, None, hints.day_first)
    if dates is not None:
        refuse_odd(dates.odd, column, named.label, named.reference, "dates")
        na_values = tuple(one.word for one in dates.odd)
        found, note = _date(emptied(column, na_values), named, dates.form, dates.remark)
        if na_values:
            found = replace(found, na_values=na_values) if isinstance(found, Column) else found
            note = f"{note.removesuffix('.')}; {read_as_missing(dates.odd)}."
        return found, note
    if (numbers := _infer_numbers(column, named, hints)) is None:
        return None
    if not known_na_values(numbers.odd) and pc.count_distinct(column).as_py() <= FEW_LEVELS:
        return None
    refuse_odd(numbers.odd, column, named.label, named.reference, "numbers")
    return _numbers(column, named, numbers)


def _infer_numbers(column: pa.ChunkedArray, named: _Named, hints: Hints) -> ParsedNumbers | None:
    separators = hints.given.decimal, hints.decimal_separator
    return infer_numbers(column, named.label, named.reference, *separators)


def _numbers(column: pa.ChunkedArray, named: _Named, found: ParsedNumbers) -> tuple[Column, str]:
    na_values = tuple(one.word for one in found.odd)
    missing = bool(column.null_count or na_values)
    made = named.column("numeric", missing, text=True, number_format=tuple(found.form), na_values=na_values)
    return made, f"{named.label} {say(found)}; {named.option('categorical')} takes the text as it is."


def _kind(column: pa.ChunkedArray, named: _Named) -> tuple[Column, str]:
    if not pa.types.is_string(column.type):
        kind: Any = "boolean" if pa.types.is_boolean(column.type) else "numeric"
        return named.column(kind, bool(column.null_count)), ""
    words, count, _ = stray_words(column)
    found, note = _category(column, named)
    if words:
        return found, (
            f"{named.label} holds numbers, but for {shortlist(words)} ({counted(count, 'time')}): a category "
            f"of {len(found.levels):,} levels; {option('missing', words)} makes numbers of it."
        )
    if _share_of_numbers(column) == 1:
        if codes := _codes(column):
            note = note.replace("is a category", f"{codes}: it is a category", 1)
        note += f" {named.option('numeric')} reads it as numbers."
    return found, note


def _category(column: pa.ChunkedArray, named: _Named) -> tuple[Column, str]:
    text = pa.types.is_string(column.type)
    words, merged = one_spelling(column) if text else (as_text(column), "")
    levels = tuple(sorted(pc.unique(words).drop_null().to_pylist(), key=natural))
    found = named.column("category", bool(column.null_count), levels=levels, text=text)
    what = f"{named.label} is a category of {counted(len(levels), 'level')}"
    what += f" ({merged})" if merged else ""
    if found.coded:
        what += f", more than {ONE_HOT_LEVELS}: the network learns an embedding of each; those that few "
        what += "training samples have share one"
    return found, f"{what}; {named.option('drop')} leaves it out."


def _date(
    column: pa.ChunkedArray, named: _Named, form: str, remark: str = ""
) -> tuple[Column | LeftOut, str]:
    dates = to_dates(column, form, named.label).combine_chunks()
    values = dict(zip(DATE_PARTS, date_parts(dates.drop_null(), DATE_PARTS), strict=True))
    parts = tuple(part for part in DATE_PARTS if (values[part] != values[part][0]).any())
    if not parts:
        left = LeftOut(named.name, named.index, "constant")
        return left, f"{named.label} holds one date only: left out; nothing can be learned."
    written = f" written as {form}{remark}" if form else remark
    text = pa.types.is_string(column.type)
    found = named.column("date", bool(column.null_count), parts=parts, format=form, text=text)
    what = f"{named.label} is a date{written}: {', '.join(parts)}"
    return found, f"{what}; {named.option('categorical')} takes the text as it is."


def _number_mask(words: Any) -> Any:
    return pc.match_substring_regex(words, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


def _share_of_numbers(column: pa.ChunkedArray) -> float:
    share: float | None = pc.mean(_number_mask(column.drop_null()).cast(pa.int8())).as_py()
    return share or 0.0


def _codes(column: pa.ChunkedArray) -> str:
    digits = pa.types.is_string(column.type) and _share_of_numbers(column) == 1
    zeros = digits and pc.any(pc.match_substring_regex(column, r"^0[0-9]")).as_py()
    return "holds codes with leading zeros" if zeros else ""


def stray_words(column: pa.ChunkedArray) -> tuple[list[str], int, int]:
    """The few words (at most 3) among numbers, their count, and the first row (from 1)."""
    if not pa.types.is_string(column.type) or _share_of_numbers(column) < 0.8:
        return [], 0, 0
    stray = pc.fill_null(pc.invert(_number_mask(column)), False)
    words = column.filter(stray)
    found = pc.unique(words).to_pylist()
    if not 1 <= len(found) <= 3:
        return [], 0, 0
    return found, len(words), int(pc.index(stray, True).as_py()) + 1


_ROWS = 50
_SHARE = 0.9
_SENTENCE = 8
"""Fewest characters of a sentence in a script without blanks."""
_LOOKED_AT = 1000
_DENSE = 0.9
"""At least so large a share of the steps is 1; the rest are explained by deleted rows. (Arbitrary.)"""

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
ENTRY = re.compile(
    r"(?i:(.*[\W_])?(order|invoice|receipt|ticket|case|record|entry|sample|customer|patient|obs|observation|"
    r"subject|participant|person|user|auftrag|bestellung|rechnung|vorgang|kunde|proband|"
    r"commande|facture|client|pedido|factura|cliente|paciente)([\W_]*(id|nr|no|number))?\W*)"
)
"""Names of entities (order, patient, ...) whose running number is an identifier."""


def exclusion_reason(column: pa.ChunkedArray, name: str, targets: TargetValues | None) -> tuple[str, str]:
    """Why a column is no input, in a word (empty if it is one), and a note.

    A number associated with the `targets` is no identifier.
    """
    filled, kind, text = column.drop_null(), column.type, pa.types.is_string(column.type)
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind) or len(filled) < 10:
        return "", ""
    if not text and not _are_nonnegative_integers(filled):
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
    counts_rows = rows_counted(column)
    if not counts_rows and (not named or few):
        gaps = rows_counted(column, gaps=True)
        if named or not (gaps or _numbers_rows(filled, distinct)):
            return "", ""
        how = "counts the rows, with gaps" if gaps else "holds nearly each number once"
        return "", f"{how} ({_range(filled)})"
    if counts_rows and not named and not ENTRY.fullmatch(name):
        return "", f"counts the rows ({_range(filled)})"
    associated = targets is not None and targets.associated_with(column)
    if counts_rows:
        sorted_ = ", and goes with the target only as the order of the rows does" if associated else ""
        return "identifier", f"looks like a row number (consecutive integers){sorted_}"
    if associated:
        return "", f"looks like an identifier by its name ({share}), but goes with the target"
    what = "looks like an identifier" if distinct == len(filled) else "looks like an identifier by its name"
    says = " and says nothing about the target" if targets is not None else ""
    return "identifier", f"{what} ({share}){says}"


def _range(filled: pa.ChunkedArray) -> str:
    return f"{pc.min(filled).as_py():,} to {pc.max(filled).as_py():,}"


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


def rows_counted(column: pa.ChunkedArray, starts: tuple[int, ...] = (), *, gaps: bool = False) -> bool:
    """Whether integers count the rows, from one of `starts`, each larger by one than the one before.

    With `gaps` at least 90 % of the steps are 1; the rest are explained by deleted rows.

    >>> rows_counted(pa.chunked_array([[5, 6, 7]])), rows_counted(pa.chunked_array([[5, 7, 8]]))
    (True, False)
    >>> rows_counted(pa.chunked_array([[*range(30), 31, None, 33]]), gaps=True)
    True
    """
    values, minimum = column.drop_null(), _DENSE if gaps else 1.0
    if len(values) < max(2, minimum * len(column)) or (starts and values[0].as_py() not in starts):
        return False
    steps = np.diff(values.to_numpy().astype(np.float64))
    return bool((steps >= 1).all() and min((steps == 1).mean(), len(steps) / steps.sum()) >= minimum)


def _numbers_rows(filled: pa.ChunkedArray, distinct: int) -> bool:
    """Whether integers are all different and leave few out, as row numbers of shuffled rows do."""
    span = pc.max(filled).as_py() - pc.min(filled).as_py() + 1
    return distinct == len(filled) >= _DENSE * span


def _are_nonnegative_integers(column: pa.ChunkedArray) -> bool:
    """Whether all values are whole numbers from 0."""
    for part in (column.slice(0, 1000), column):  # most columns end with the first ones
        if pa.types.is_floating(part.type) and not pc.all(pc.equal(pc.floor(part), part)).as_py():
            return False
        if (pc.min(part).as_py() or 0) < 0:
            return False
    return True
