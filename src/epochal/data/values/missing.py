"""Cells of a text column: missing values, odd ones, and other spellings of a word."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from epochal.common.option_text import option
from epochal.data.columns import called
from epochal.errors import Refusal

NA_VALUES = (
    *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", "NULL", "null", "<NA>"),
    *("#N/A", "#N/A N/A", "#NA", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN", "\\N"),
)
"""Default missing-value cells: those of pandas, R and databases."""

NUMBER_NA_VALUES = (
    *("-", "--", "---", "–", "—", ".", "..", "na", "None"),
    *("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"),
)
"""Further ones, which may be values in text: missing only among numbers, dates and amounts."""

Counts = Mapping[str, Mapping[str, int]]
"""Counts of each word, by column name."""

_DIGITS_SHARE = 0.8
_CODE = re.compile(r"[A-Z]{2}")
_CODES = 3
"""Other two-letter codes that make "NA" a value."""

NA_WORD_SHARE = 0.2
"""The largest share of a word without digits that is taken as missing."""

_LACKING = frozenset(
    [
        *(word.lower().replace(" ", "_") for word in (*NA_VALUES, *NUMBER_NA_VALUES)),
        *("unknown", "missing", "nil", "tbd", "tba", "pending", "unspecified", "unavailable", "undefined"),
        *("void", "blank", "empty", "no_data", "not_available", "not_applicable", "n.a.", "n.a", "unbekannt"),
        *("keine", "fehlt", "k.a.", "k.a", "inconnu", "desconocido", "sconosciuto", "onbekend"),
        *("...", "??", "*", "x", "#"),
        *("0000-00-00", "0000-00-00_00:00:00", "00.00.0000", "00/00/0000"),
    ]
)


def numeric_na_values(na_values: Collection[str] | None) -> tuple[str, ...]:
    """Missing-value cells of numeric columns: all known ones, and the given ones."""
    return tuple(dict.fromkeys((*NA_VALUES, *NUMBER_NA_VALUES, *(na_values or ()))))


def settle_na_values(
    table: pa.Table, na_values: Collection[str] | None, levels: Mapping[str, Collection[str]] | None = None
) -> tuple[pa.Table, dict[str, dict[str, int]], tuple[str, ...]]:
    """The table with the words for missing values in text as missing, counts of each, and notes.

    A word that is a training value of the column (`levels`) is kept. "NA" among two-letter codes
    is Namibia. If almost all other values have digits, those of numbers apply too.

    >>> table = pa.table({"country": ["NA", "DE", "FR", "ES"], "price": ["$ 3", "-", "$ 4", "NA"]})
    >>> settled, counts, notes = settle_na_values(table, None)
    >>> settled["country"].null_count, settled["price"].null_count, counts
    (0, 2, {'price': {'-': 1, 'NA': 1}})
    """
    always = set(NA_VALUES if na_values is None else na_values) | {""}
    known = set(numeric_na_values(na_values))
    arrays = list(table.columns)
    counts: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    names = table.column_names
    for index, column in enumerate(table.columns):
        if not pa.types.is_string(column.type):
            continue
        arrays[index] = column = pc.utf8_trim_whitespace(column)
        there = na_counts(column, known)
        missing = set(there) & always
        if set(there) - always:
            others, digits = _others(column, known, lambda word: any(map(str.isdigit, word)))
            missing = set(there) if digits and digits >= _DIGITS_SHARE * others else missing
        missing -= set((levels or {}).get(names[index], ())) - {""}
        if na_values is None and "NA" in missing and levels is None:
            others, codes = _others(column, NA_VALUES, _CODE.fullmatch)
            if others >= _CODES and codes >= 0.9 * others:
                missing.discard("NA")
                times = "once" if there["NA"] == 1 else f"{there['NA']:,} times"
                notes.append(
                    f'{called(names, index)} has "NA" among codes of two letters ({times}): kept '
                    'as a value; `missing=["NA"]` reads it as missing.'
                )
        if missing:
            arrays[index] = emptied(column, missing)
        if found := {word: count for word, count in there.items() if word in missing - {""}}:
            counts[names[index]] = found
    return pa.Table.from_arrays(arrays, names=names), counts, tuple(notes)


def emptied(words: Any, na_values: Collection[str]) -> Any:
    """Text with these words as missing values.

    >>> emptied(pa.array(["a", "?"]), ["?"]).to_pylist()
    ['a', None]
    """
    found = pc.is_in(words, value_set=pa.array(sorted(na_values), pa.string()))
    return pc.if_else(found, pa.scalar(None, pa.string()), words)


def na_counts(column: pa.ChunkedArray | pa.Array, na_values: Collection[str]) -> dict[str, int]:
    """Counts of the words that occur in a column of stripped texts.

    >>> na_counts(pa.array(["NA", "a", "NA"]), ["NA", "-"])
    {'NA': 2}
    """
    return value_counts(column.filter(pc.is_in(column, value_set=pa.array(sorted(na_values), pa.string()))))


def na_note(names: Sequence[str], counts: Counts) -> tuple[str, ...]:
    """A note on the cells read as missing, if any.

    >>> na_note(["id", "age"], {"age": {"NA": 3}})
    ('read as missing: "NA" (3 in column 2 ("age")); `missing=...` names others.',)
    """
    columns: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(names):
        for word, count in counts.get(name, {}).items():
            columns.setdefault(word, []).append((index, count))
    if not columns:
        return ()
    shown = ", ".join(f'"{word}" ({_where(names, found)})' for word, found in columns.items())
    return (f"read as missing: {shown}; `missing=...` names others.",)


def _where(names: Sequence[str], found: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{count:,} in {called(names, index)}" for index, count in found[:3])
    if len(found) <= 3:
        return shown
    more, total = len(found) - 3, sum(count for _, count in found)
    return f"{shown} and more in {more:,} other column{'s' if more > 1 else ''}; {total:,} in all"


def _others(
    column: pa.ChunkedArray, known: Collection[str], fits: Callable[[str], object]
) -> tuple[int, int]:
    """Number of distinct values that mean no missing value, and of those that fit."""
    distinct = pc.unique(column.slice(0, 20_000)).drop_null().to_pylist()
    others = [value for value in distinct if value not in known]
    return len(others), sum(map(bool, map(fits, others)))


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
    found = most_common(words)
    first = {word: rows[pc.index(words, word).as_py()].as_py() + 1 for word in list(found)[:20]}
    return tuple(Odd(word, count, first.get(word, 0)) for word, count in found.items())


def known_na_values(odd: Sequence[Odd]) -> bool:
    """Whether all of them are known missing-value words."""
    return all(one.word.lower().replace(" ", "_") in _LACKING for one in odd)


def are_na_values(odd: Sequence[Odd], cells: int) -> bool:
    """Whether odd cells stand for missing values: known words for it, and at most one other without digits.

    Several other words may have distinct meanings, such as low and high.
    """
    others = [one for one in odd if not known_na_values([one])]
    count = sum(one.count for one in odd)
    if not others:
        return count <= cells / 2
    return len(others) == 1 and not re.search(r"\d", others[0].word) and count <= NA_WORD_SHARE * cells


def refuse_odd(
    odd: Sequence[Odd], column: pa.ChunkedArray, name: str, reference: str | int, what: str
) -> None:
    """Refuse odd cells of a column that can't be read as missing."""
    filled = len(column) - column.null_count
    if are_na_values(odd, filled):
        return
    count = sum(one.count for one in odd)
    words = [one.word for one in odd[:5]] + ["…"] * (len(odd) > 5)
    text = f", or {option('categorical', [reference])}" if reference else ""
    raise Refusal(
        f"{name} holds {what}, but for {count:,} of {filled:,} cells: {quoted(odd)}; correct them, pass "
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


def most_common(words: Any) -> dict[str, int]:
    """Counts of words, the most frequent first."""
    return dict(Counter(value_counts(words.drop_null())).most_common())


def value_counts(words: Any) -> dict[str, int]:
    """Counts of words, in the order of first appearance."""
    return {one["values"]: one["counts"] for one in pc.value_counts(words).to_pylist()}


def spelling_key(words: Any) -> Any:
    """A key of equal spellings: small letters, single blanks, composed accents.

    >>> spelling_key(pa.array(["Yes ", "NEW  York", None])).to_pylist()
    ['yes', 'new york', None]
    """
    plain = pc.utf8_lower(pc.utf8_normalize(words, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))


def one_spelling(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """A text column with the most frequent spelling of each word, and a note.

    The note is empty if nothing changed.

    >>> column, note = one_spelling(pa.chunked_array([["Yes", "yes ", "YES", "No", "Yes"]]))
    >>> column.to_pylist(), note
    (['Yes', 'Yes', 'Yes', 'No', 'Yes'], '"Yes", "yes " and "YES" are one: "Yes"')
    """
    found = most_common(column)
    words = pa.array(list(found), pa.string())
    same: dict[str, list[str]] = defaultdict(list)
    for word, key in zip(found, spelling_key(words).to_pylist(), strict=True):
        same[key].append(word)
    if len(same) == len(found):
        return column, ""
    instead = {word: group[0] for group in same.values() for word in group}
    chosen = pa.array([instead[word] for word in found], pa.string())
    changed = pa.chunked_array(
        [chosen.take(pc.index_in(chunk, value_set=words)) for chunk in column.chunks], pa.string()
    )
    merged = [group for group in same.values() if len(group) > 1]
    notes = []
    for group in merged[:3]:
        others = ", ".join(f'"{word}"' for word in group[:-1][:4])
        notes.append(f'{others} and "{group[-1]}" are one: "{group[0]}"')
    notes += [f"and {len(merged) - 3:,} more"] if len(merged) > 3 else []
    return changed, "; ".join(notes)
