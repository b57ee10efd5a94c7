"""Text of a screen: lines that fit its width, counts with their nouns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

_COLUMN = re.compile(r"\s*\S.*?\s{2,}(?=\S)")


def folded(lines: Iterable[str], width: int) -> str:
    """The lines, indented by two; a long one goes on below its text, or below its second column.

    >>> print(folded(["one two three four", "  size  12 of them"], 18))
      one two three
        four
        size  12 of
              them
    """
    done: list[str] = []
    for line in (part for one in lines for part in one.splitlines()):
        label = _COLUMN.match(line)
        hang = label.end() if label is not None and label.end() < width // 2 else 2
        done += textwrap.wrap(
            line,
            width,
            initial_indent="  ",
            subsequent_indent=" " * (2 + hang),
            drop_whitespace=True,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(done)


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows of cells as lines with even columns; those in `right` end together.

    >>> aligned([["a", "1"], ["bcd", "12"]], right=[1])
    ['a     1', 'bcd  12']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:>{width}}" if place in right else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
