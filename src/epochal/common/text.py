"""Text that people read: without control characters, wrapped and aligned, counts and durations in words.

Names of columns, classes, files and runs are untrusted. A control character in one could clear the screen,
overwrite earlier output, or reverse the reading direction.
"""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Iterable, Sequence

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, delete, C1 (U+009B begins a sequence, too)
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line and paragraph separators, reading direction
    "\ufff9-\ufffb\ufeff\ud800-\udfff]"  # annotations, byte order mark, halves of characters
)
_MOST = 3000
"""Most characters of a sentence, since a name can be as long as a file."""


def printable(text: str) -> str:
    r"""The text with a question mark for each control character; line breaks and tabs stay.

    >>> printable("a\x1b[2Jb\u202e\n")
    'a?[2Jb?\n'
    """
    return _STEERING.sub("?", text)


def one_line(value: object, max_length: int = _MOST) -> str:
    r"""A value as one line of text without control characters, shortened in the middle if long.

    >>> one_line("a\r\n b\x07"), one_line("x" * 20, max_length=5)
    ('a b?', 'xxx … xx')
    """
    text = printable(re.sub(r"\s*[\r\n]\s*", " ", str(value)).replace("\t", " "))
    half = max_length // 2
    return text if len(text) <= max_length else f"{text[: max_length - half]} … {text[-half:]}"


def shortlist(words: Iterable[object], limit: int = 5, quote: str = '"') -> str:
    """The first words between quotes, and an ellipsis where there are more.

    >>> print(shortlist(["no", "yes"]), shortlist(range(9), limit=2, quote=""))
    "no", "yes" 0, 1, …
    """
    shown = [f"{quote}{word}{quote}" for word in words]
    return ", ".join([*shown[:limit], *["…"] * (len(shown) > limit)])


def counted(number: int, one: str, many: str = "") -> str:
    """A count with its noun, whose plural is regular if not given.

    >>> counted(1, "batch"), counted(1_000, "batch"), counted(2, "image has", "images have")
    ('1 batch', '1,000 batches', '2 images have')
    """
    many = many or one + ("es" if one.endswith("ch") and one != "epoch" else "s")
    return f"{number:,} {one if number == 1 else many}"


def mean_count(value: float) -> str:
    """A count or an epoch, or the mean of some: with a decimal where it is a small fraction.

    >>> mean_count(12.0), mean_count(12.25), mean_count(1500.0)
    ('12', '12.2', '1,500')
    """
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"


def natural(word: str) -> tuple[int, float, str]:
    """A key that sorts numbers by size and before other text.

    >>> sorted(["b", "10", "9"], key=natural)
    ['9', '10', 'b']
    """
    try:
        return (0, float(word), word)
    except ValueError:
        return (1, 0.0, word)


_COLUMN = re.compile(r"\s*\S.*?\s{2,}(?=\S)")


def wrapped(lines: Iterable[str], width: int) -> str:
    """The lines, indented by two; a long one goes on below its text, or below its second column.

    >>> print(wrapped(["one two three four", "  size  12 of them"], 18))
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


_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Two digits below a minute, the two largest units above.

    >>> [duration(one) for one in (2.54e-6, 0.0034, 14.3, 75, 7320, 90_000)]
    ['2.5 µs', '3.4 ms', '14 s', '1 min 15 s', '2 h 2 min', '1 d 1 h']
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 59.5:
        rounded = float(f"{seconds:.2g}")
        size, unit = next((one for one in ((1.0, "s"), (1e-3, "ms")) if rounded >= one[0]), (1e-6, "µs"))
        return f"{float(f'{rounded / size:.2g}'):g} {unit}" if rounded else "0 s"
    pairs = [
        (divmod(round(seconds / small), size // small), unit, small_unit)
        for (size, unit), (small, small_unit) in itertools.pairwise(_UNITS)
    ]
    (whole, rest), unit, small_unit = next(pair for pair in pairs if pair[0][0])
    return f"{whole} {unit}" + (f" {rest} {small_unit}" if rest else "")
