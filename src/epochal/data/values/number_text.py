"""Normalization of number characters: digits of other scripts, dashes, apostrophes and blanks."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

_DASHES = "[\u2010-\u2015\u2212\ufe63\uff0d]"
_DIGITS = [
    "".join(chr(first + digit) for digit in range(10)) for first in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50)
]
"""Arabic, Persian, Devanagari, Bengali and Thai digits."""


def in_one_way(words: Any) -> Any:
    """Text with one kind of digits, minus, apostrophe and blank, and without signs of an estimate.

    >>> import pyarrow as pa
    >>> in_one_way(pa.array(["−1’200", "~5", "٣٫٥"])).to_pylist()
    ["-1'200", '5', '3.5']
    """
    plain_ascii = pc.all(pc.string_is_ascii(words)).as_py() is not False
    if plain_ascii and not pc.any(pc.match_substring_regex(words, r"\s\s|^[\s~]|\s$|[\t\n`]")).as_py():
        return words
    plain = pc.utf8_normalize(words, form="NFKC")
    if not plain_ascii and pc.any(pc.match_substring_regex(plain, f"[{''.join(_DIGITS)}]")).as_py():
        for digit, others in enumerate(zip(*_DIGITS, strict=True)):
            plain = pc.replace_substring_regex(plain, f"[{''.join(others)}]", str(digit))
        for mark, instead in (("\u066b", "."), ("\u066c", ","), ("\u066a", "%")):
            plain = pc.replace_substring(plain, mark, instead)
    marks = ((_DASHES, "-"), ("[\u2018\u2019\u00b4`]", "'"), (r"\s+", " "), (r"^\s*[~≈∼]\s*", ""))
    for pattern, instead in marks:
        plain = pc.replace_substring_regex(plain, pattern, instead)
    return pc.utf8_trim_whitespace(plain)
