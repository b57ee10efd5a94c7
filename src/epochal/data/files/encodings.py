"""The encoding of a text: from its byte order mark, zero bytes, UTF-8, or a statistical guess."""

from __future__ import annotations

import codecs
import re

ASSUMED = ("cp1252", "latin-1")
"""Fallbacks for bytes that are no UTF-8 and have no detected encoding: with and without 0x80 to 0x9f."""

_SEVERAL_BYTES = ("gb18030", "big5", "big5hkscs", "cp932", "euc-jp", "cp949")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_TRUSTED = {
    **{name: name for name in ("gb18030", "big5", "cp932", "euc-jp", "cp949", "cp874", "koi8-r")},
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5-hkscs": "big5hkscs",
    **{f"windows-{number}": f"cp{number}" for number in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257)},
    **{f"iso-8859-{number}": f"iso8859-{number}" for number in (2, 5, 7, 8, 9)},
    "kz1048": "cp1251",
    "ibm866": "cp866",
    "ibm855": "cp855",
    "tis-620": "cp874",
    "windows-874": "cp874",
}
"""Encodings of tables, by the detector's and Python's names."""

SURE = 0.03
"""The detector's confidence from which guesses were right in tests on 20 languages."""
_USUAL, _TIED = "Windows-1252", 0.999
"""The encoding of most such tables, which is taken where no other one is likelier."""
_NEAR = 0.95
"""A guess needs this share of the highest confidence."""


def marked(head: bytes) -> str | None:
    """The encoding given by a byte order mark.

    >>> marked("a".encode("utf-16")), marked(b"a")
    ('utf-16', None)
    """
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


def wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: ASCII characters leave every second byte, or three of four, zero.

    >>> wide("a,b\\n1,2\\n".encode("utf-16-be")), wide(b"a,b")
    ('utf-16-be', None)
    """
    if b"\0" not in head or len(head) < 8:
        return None
    head = head[: len(head) // 4 * 4]
    zero = [sum(byte == 0 for byte in head[at::4]) / len(head[at::4]) for at in range(4)]
    for encoding, empty in (
        ("utf-32-le", (1, 2, 3)),
        ("utf-32-be", (0, 1, 2)),
        ("utf-16-le", (1, 3)),
        ("utf-16-be", (0, 2)),
    ):
        if all((share > 0.3) if at in empty else (share < 0.02) for at, share in enumerate(zero)):
            return encoding
    return None


def guess(sample: bytes, sure: float = SURE) -> str | None:
    """The likely encoding of bytes that are no UTF-8, or None.

    Based on the distinct words with non-ASCII bytes.

    >>> guess(b"") is None
    True
    """
    import chardet  # late: only needed for files that are no UTF-8

    words = sorted({word for word in re.split(rb"[\s,;|]+", sample) if not word.isascii()})
    found = [one for one in chardet.detect_all(b"\n".join(words)) if one["encoding"] is not None]
    most = max((one["confidence"] for one in found), default=0.0)
    for one in sorted(found, key=lambda one: one["encoding"] != _USUAL or one["confidence"] < _TIED * most):
        encoding = _TRUSTED.get(one["encoding"].lower())
        if encoding is not None and one["confidence"] >= max(sure, _NEAR * most):
            # A single character of several bytes may be the degree sign of °C.
            text = b"\n".join(words).decode(encoding, errors="ignore")
            characters = {character for character in text if not character.isascii()}
            return None if encoding in _SEVERAL_BYTES and len(characters) < 2 else encoding
    return None
