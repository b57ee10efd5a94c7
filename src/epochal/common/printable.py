"""Safe display of text from files on a terminal, and counts in words.

Names of columns, classes, files and runs are untrusted. A control character in one could clear the screen,
overwrite earlier output, or reverse the reading direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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
