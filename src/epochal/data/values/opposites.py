"""Words behind a number that stand for a sign: north and south, east and west, credit and debit."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

OPPOSITES = {"N, S negative": ("N", "S"), "E, W negative": ("E", "W"), "CR, DR negative": ("CR", "DR")}
"""Pairs of words by description; the second one makes a number negative."""

_BEFORE = r"^([^A-Za-z]*[0-9])\s?°?\s?"


def opposites_in(words: Any) -> str:
    """The pair of words after the numbers of almost all texts, if both occur; else empty.

    >>> import pyarrow as pa
    >>> opposites_in(pa.array(["48.9° N", "12.5 S"])), opposites_in(pa.array(["60 W", "100 W"]))
    ('N, S negative', '')
    """
    for unit, (plus, minus) in OPPOSITES.items():
        counts = [
            pc.sum(pc.match_substring_regex(words, f"{_BEFORE}{word}$")).as_py() or 0
            for word in (plus, minus)
        ]
        if min(counts) and sum(counts) >= 0.9 * len(words):
            return unit
    return ""


def with_signs(words: Any, unit: str) -> Any:
    """The texts with a sign in place of the words of a pair.

    >>> import pyarrow as pa
    >>> with_signs(pa.array(["48.9° N", "12.5 S", "3"]), "N, S negative").to_pylist()
    ['48.9', '-12.5', '3']
    """
    plus, minus = OPPOSITES[unit]
    words = pc.replace_substring_regex(words, f"{_BEFORE}{plus}$", r"\1")
    return pc.replace_substring_regex(words, f"{_BEFORE}{minus}$", r"-\1")
