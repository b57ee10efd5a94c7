"""Cells of a text column that differ from the rest: marks of missing values, and typos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from epochal.common.faces import option
from epochal.data.values.marks import MISSING, NUMBER_MARKS

MARK_SHARE = 0.2
"""The largest share of a word without digits that is taken as missing."""

_LACKING = frozenset(
    [
        *(mark.lower().replace(" ", "_") for mark in (*MISSING, *NUMBER_MARKS)),
        *("unknown", "missing", "nil", "tbd", "tba", "pending", "unspecified", "unavailable", "undefined"),
        *("void", "blank", "empty", "no_data", "not_available", "not_applicable", "n.a.", "n.a", "unbekannt"),
        *("keine", "fehlt", "k.a.", "k.a", "inconnu", "desconocido", "sconosciuto", "onbekend"),
        *("...", "??", "*", "x", "#"),
        *("0000-00-00", "0000-00-00_00:00:00", "00.00.0000", "00/00/0000"),
    ]
)


@dataclass(frozen=True)
class Odd:
    """Cells of one spelling that do not fit the column; `row` is the first, from 1."""

    word: str
    count: int
    row: int


def odd_cells(column: Any, values: Any) -> tuple[Odd, ...]:
    """The filled cells without a value, the most frequent first."""
    odd = pc.and_(pc.is_null(values), pc.is_valid(column))
    if not pc.any(odd).as_py():
        return ()
    words, rows = column.filter(odd), pc.indices_nonzero(odd)
    found = counted(words)
    first = {word: rows[pc.index(words, word).as_py()].as_py() + 1 for word in list(found)[:20]}
    return tuple(Odd(word, count, first.get(word, 0)) for word, count in found.items())


def known_marks(odd: Sequence[Odd]) -> bool:
    """Whether all of them are known missing-value words."""
    return all(one.word.lower().replace(" ", "_") in _LACKING for one in odd)


def are_marks(odd: Sequence[Odd], cells: int) -> bool:
    """Whether odd cells stand for missing values: known words for it, and at most one other without digits.

    Several other words may have distinct meanings, such as low and high.
    """
    others = [one for one in odd if not known_marks([one])]
    count = sum(one.count for one in odd)
    if not others:
        return count <= cells / 2
    return len(others) == 1 and not re.search(r"\d", others[0].word) and count <= MARK_SHARE * cells


def refuse_odd(
    odd: Sequence[Odd], column: pa.ChunkedArray, said: str, reference: str | int, what: str
) -> str:
    """Why the odd cells of a column can't be read as missing; empty if they can."""
    filled = len(column) - column.null_count
    if not odd or are_marks(odd, filled):
        return ""
    count = sum(one.count for one in odd)
    words = [one.word for one in odd[:5]] + ["…"] * (len(odd) > 5)
    text = f", or {option('categorical', [reference])}" if reference else ""
    return (
        f"{said} holds {what}, but for {count:,} of {filled:,} cells: {quoted(odd)}; correct them, pass "
        f"{option('missing', words)} to read them as missing{text}."
    )


def quoted(odd: Sequence[Odd]) -> str:
    """Odd cells with their counts and rows.

    >>> quoted([Odd("unknown", 2, 7), Odd("1O", 1, 9)])
    '"unknown" (2 values, first in row 7), "1O" (row 9)'
    """
    shown = []
    for one in odd[:5]:
        values = f"{one.count:,} values, first in " if one.count > 1 else ""
        shown.append(f'"{one.word}" ({values}row {one.row:,})')
    more = f" and {len(odd) - 5:,} more kinds" if len(odd) > 5 else ""
    return ", ".join(shown) + more


def read_as_missing(odd: Sequence[Odd]) -> str:
    """That these cells are read as missing, without a period."""
    return f"{quoted(odd)} {'is' if len(odd) == 1 else 'are'} read as missing"


def counted(words: Any) -> dict[str, int]:
    """Counts of words, the most frequent first."""
    found = pc.value_counts(words.drop_null()).to_pylist()
    return dict(Counter({one["values"]: one["counts"] for one in found}).most_common())
