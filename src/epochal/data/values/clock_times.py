"""Amounts in several units: times of day, durations, feet and inches, pounds and ounces."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_CLOCK = r"(?P<hour>[0-9]{1,3}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9](?:[.,][0-9]+)?))?"
CLOCK_TIME = (
    r"^(?P<minus>-)?(?:(?P<day>[0-9]+) days?,? (?P<plus>\+)?)?"
    rf"{_CLOCK}\s?(?P<half>[AaPp]\.?\s?[Mm]\.?)?$"
)
_LAP = r"^(?P<minus>-)?(?P<minute>[0-9]{1,3}):(?P<second>[0-5][0-9][.,][0-9]+)$"
"""Minutes and seconds: if there are fractions, the last number is seconds."""

_JOINT = {
    "h": (
        (r"d|days?|tage?", 24.0),
        (r"h|hr|hrs|hours?|std\.?|stunden?|heures?|horas?|ч\.?", 1.0),
        (r"m|min\.?|mins|minutes?|minuten|minutos|мин\.?", 1 / 60),
        (r"s|sec\.?|secs|seconds?|sek\.?|sekunden|с\.?|сек\.?", 1 / 3600),
    ),
    "ft": ((r"ft\.?|feet|foot|'|’|′", 1.0), (r"in\.?|inch|inches|\"|''|”|″", 1 / 12)),
    "lb": ((r"lbs?\.?|pounds?", 1.0), (r"oz\.?|ounces?", 1 / 16)),
}
"""Units that are combined in one amount, the largest first, by the unit in which they are read."""


def joint_unit(words: Any) -> str:
    """The unit of texts that are mostly amounts in several units, or clock times; else empty.

    >>> joint_unit(pa.array(["1h 20m", "3h", "2h05"])), joint_unit(pa.array(["3 h", "20 m"]))
    ('h', '')
    """
    if 2 * (pc.sum(pc.match_substring_regex(words, f"{CLOCK_TIME}|{_LAP}")).as_py() or 0) > len(words):
        return "h"
    several = pc.match_substring_regex(words, r"[0-9][^0-9.,:-]+[0-9]")
    for unit in _JOINT:
        read = pc.is_valid(_joint(words, unit))
        if 2 * (pc.sum(pc.and_(read, several)).as_py() or 0) > len(words):
            return unit
    return ""


def amounts_of(words: Any, unit: str) -> Any:
    """Amounts in one of the units of `joint_unit`, missing if a text is none.

    >>> amounts_of(pa.array(["5'6\\"", "6 ft", "tall"]), "ft").to_pylist()
    [5.5, 6.0, None]
    """
    found = _joint(words, unit)
    return pc.coalesce(hours_of(words), found) if unit == "h" else found


def _joint(words: Any, unit: str) -> Any:
    bare = r"(?i)^(-?[0-9]+\s?h)\s?([0-9]{1,2})$" if unit == "h" else r"^(-?[0-9]+\s?['’′])\s?([0-9]{1,2})$"
    words = pc.replace_substring_regex(words, bare, rf"\1 \2{'m' if unit == 'h' else 'in'}")
    each = "".join(
        rf"(?:(?P<part{at}>[0-9]+(?:[.,][0-9]+)?)\s?(?:{names})[\s,]*)?"
        for at, (names, _) in enumerate(_JOINT[unit])
    )
    parts = pc.extract_regex(words, rf"(?i)^(?P<minus>-)?{each}$")
    whole: Any = pa.scalar(0.0)
    some = pc.match_substring_regex(words, "[0-9]")
    for at, (_, size) in enumerate(_JOINT[unit]):
        whole = pc.add(whole, pc.multiply(_number(parts, f"part{at}"), size))
    return pc.if_else(pc.fill_null(some, False), _signed(whole, parts), pa.scalar(None, pa.float64()))


def hours_of(words: Any) -> Any:
    """Times of day and durations such as 14:30, 1:05:20 or 2:30 PM as hours; missing for other texts.

    >>> hours_of(pa.array(["14:30", "2:30 PM", "1:05:20", "soon", "2 days 01:30:00", "03:30.6"])).to_pylist()
    [14.5, 14.5, 1.0888888888888888, None, 49.5, 0.0585]
    """
    parts = pc.extract_regex(words, CLOCK_TIME)
    half = pc.utf8_lower(pc.utf8_slice_codeunits(pc.struct_field(parts, "half"), 0, 1))
    hour = _number(parts, "hour")
    hour = pc.if_else(pc.and_(pc.not_equal(half, ""), pc.equal(hour, 12.0)), 0.0, hour)
    hour = pc.if_else(pc.equal(half, "p"), pc.add(hour, 12.0), hour)
    hour = pc.add(hour, pc.multiply(_number(parts, "day"), 24.0))
    whole = pc.add(hour, _minutes(parts))
    lap = pc.extract_regex(words, _LAP)
    return pc.coalesce(_signed(whole, parts), _signed(_minutes(lap), lap))


def _minutes(parts: Any) -> Any:
    """Minutes and seconds in hours."""
    return pc.add(pc.divide(_number(parts, "minute"), 60.0), pc.divide(_number(parts, "second"), 3600.0))


def _signed(whole: Any, parts: Any) -> Any:
    return pc.if_else(pc.equal(pc.struct_field(parts, "minus"), "-"), pc.negate(whole), whole)


def _number(parts: Any, name: str) -> Any:
    text = pc.replace_substring(pc.struct_field(parts, name), ",", ".")
    return pc.cast(pc.if_else(pc.equal(text, ""), "0", text), pa.float64())
