"""Times of day and durations as clocks show them, read as hours."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["CLOCK_TIME", "hours_of"]

CLOCK_TIME = (
    r"^(?P<minus>-)?(?P<hour>[0-9]{1,3}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9](?:[.,][0-9]+)?))?"
    r"\s?(?P<half>[AaPp]\.?[Mm]\.?)?$"
)


def hours_of(words: Any) -> Any:
    """Times of day and durations such as 14:30, 1:05:20 or 2:30 PM as hours; missing where there is none.

    >>> hours_of(pa.array(["14:30", "2:30 PM", "1:05:20", "soon"])).to_pylist()
    [14.5, 14.5, 1.0888888888888888, None]
    """
    parts = pc.extract_regex(words, CLOCK_TIME)

    def number(name: str) -> Any:
        text = pc.replace_substring(pc.struct_field(parts, name), ",", ".")
        return pc.cast(pc.if_else(pc.equal(text, ""), "0", text), pa.float64())

    half = pc.utf8_lower(pc.utf8_slice_codeunits(pc.struct_field(parts, "half"), 0, 1))
    hour = number("hour")
    hour = pc.if_else(pc.and_(pc.not_equal(half, ""), pc.equal(hour, 12.0)), 0.0, hour)
    hour = pc.if_else(pc.equal(half, "p"), pc.add(hour, 12.0), hour)
    whole = pc.add(pc.add(hour, pc.divide(number("minute"), 60.0)), pc.divide(number("second"), 3600.0))
    return pc.if_else(pc.equal(pc.struct_field(parts, "minus"), "-"), pc.negate(whole), whole)
