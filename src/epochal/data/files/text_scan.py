"""A first scan of all bytes of a text: encoding, first and last lines, quoting."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass

from epochal.data.files.file_format import unpacking
from epochal.data.files.reading import Content
from epochal.errors import Refusal

SAMPLE_BYTES = 1 << 18
_TAIL_BYTES = 1 << 14
_BLOCK_BYTES = 1 << 22
_WORD_BYTES = 1 << 20
"""Bytes of non-ASCII lines that are used to guess an encoding."""
_UNFOLDED_BYTES, _UNFOLDED_TIMES = 1 << 30, 200
"""A table that expands beyond both, in bytes and in times its size, is taken for a decompression bomb."""

_CONTROL_BYTES = bytes({*range(32)} - set(b"\t\n\v\f\r\x1b"))
_WIDE = ("utf-16", "utf-32")

_ASSUMED = ("cp1252", "latin-1")
"""Fallbacks for bytes that are no UTF-8 and have no detected encoding: with and without 0x80 to 0x9f."""

_SEVERAL_BYTES = ("gb18030", "big5", "big5hkscs", "cp932", "euc-jp", "cp949")

_BYTE_ORDER_MARKS = (
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

_SURE = 0.03
"""The detector's confidence from which guesses were right in tests on 20 languages."""
_USUAL, _TIED = "Windows-1252", 0.999
"""The encoding of most such tables, which is taken where no other one is likelier."""
_NEAR = 0.95
"""A guess needs this share of the highest confidence."""


@dataclass(frozen=True)
class TextScan:
    """Properties of a text's bytes: `head` and the lines of `tail` are decoded; `whole`: head is all."""

    encoding: str
    quoted: bool
    head: str
    tail: list[str]
    whole: bool
    notes: tuple[str, ...]


def scan_text(content: Content, encoding: str | None = None) -> TextScan:
    """Read all bytes once and determine the encoding, as given or recognized; other bytes are refused."""
    with unpacking(content.name):
        return _scanned(content, encoding or content.encoding)


def _scanned(content: Content, encoding: str | None) -> TextScan:
    with content.open() as file:
        sample = file.read(SAMPLE_BYTES + 1)
    whole, sample = len(sample) <= SAMPLE_BYTES, sample[:SAMPLE_BYTES]
    known = encoding or marked(sample) or wide(sample)
    narrow = not (known or "").replace("_", "-").lower().startswith(_WIDE)
    utf8, windows, quoted, words, tail = _pass(content, narrow, known)
    hint = "`encoding=...` changes that"
    if known is None and not utf8:
        known = valid_in(content, guess(bytes(words)))
        if known is None:
            known = _ASSUMED[0 if windows else 1]
            hint = "if that looks wrong, name another with `encoding=NAME`"
        if known == "cp1252" and _wrong(content, known) is not None:  # letters of DOS?
            known = valid_in(content, guess(bytes(words), sure=0.0)) or "cp850"
    elif encoding is not None and (at := _wrong(content, encoding)) is not None:
        raise Refusal(
            f"{content.name} is not written in {encoding}: the bytes at position {at:,} are no character of "
            "it. Leave the encoding out to have it recognized, or name another."
        )
    final = "utf-8" if known in (None, "utf-8-sig") else known
    recognized = final != "utf-8" and encoding is None
    notes = (f"{content.name} is not UTF-8: read as {final}; {hint}.",) if recognized else ()
    head = sample.decode(final, errors="ignore").lstrip("\ufeff")
    mark = next((bom for bom, _ in _BYTE_ORDER_MARKS if sample.startswith(bom)), b"")
    rest = head if whole else (mark + tail).decode(final, errors="replace").lstrip("\ufeff")
    lines = list(io.StringIO(rest, newline=""))[not whole :]  # the first one may be cut
    return TextScan(final, quoted or not narrow, head, lines, whole, notes)


def valid_in(content: Content, encoding: str | None) -> str | None:
    """The encoding, if all bytes are valid in it."""
    return encoding if encoding is not None and _wrong(content, encoding) is None else None


def _pass(content: Content, narrow: bool, known: str | None) -> tuple[bool, bool, bool, bytearray, bytes]:
    """One pass: UTF-8, bytes of cp1252, quotes; the non-ASCII lines; and the last bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, windows, quoted, position = known is None, False, False, 0
    words, tail = bytearray(), b""
    with content.open() as file:
        while block := file.read(_BLOCK_BYTES):
            if narrow and len(block.translate(None, _CONTROL_BYTES)) != len(block):
                at, byte = next((i, byte) for i, byte in enumerate(block) if byte in _CONTROL_BYTES)
                raise Refusal(
                    f"{content.name} must be a text table in UTF-8 or another encoding; got the byte "
                    f"0x{byte:02x} at position {position + at:,}: is it another kind of file?"
                )
            quoted = quoted or b'"' in block
            if not block.isascii() or decoder.getstate()[0]:
                utf8 = utf8 and _decodes(decoder, block)
                if len(words) < _WORD_BYTES:
                    words += b"\n".join(line for line in block.split(b"\n") if not line.isascii())
                windows = windows or re.search(rb"[\x80-\x9f]", block) is not None
            position += len(block)
            tail = (tail + block)[-_TAIL_BYTES:]
            if content.plain is None and position > max(_UNFOLDED_BYTES, _UNFOLDED_TIMES * content.size):
                raise Refusal(
                    f"{content.name} unfolds to more than {_UNFOLDED_TIMES} times its size, beyond "
                    f"{_UNFOLDED_BYTES:,} bytes. If that is what it should hold, unpack it first."
                )
    utf8 = utf8 and _decodes(decoder, b"", final=True)
    return utf8, windows, quoted, words[:_WORD_BYTES], tail


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _wrong(content: Content, encoding: str) -> int | None:
    """The offset of bytes that are invalid in this encoding; None if all are valid."""
    decoder, position = codecs.getincrementaldecoder(encoding)(), 0
    with content.open() as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return max(0, position + error.start)
            if not block:
                return None
            position += len(block)


def marked(head: bytes) -> str | None:
    """The encoding given by a byte order mark.

    >>> marked("a".encode("utf-16")), marked(b"a")
    ('utf-16', None)
    """
    return next((encoding for bom, encoding in _BYTE_ORDER_MARKS if head.startswith(bom)), None)


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


def guess(sample: bytes, sure: float = _SURE) -> str | None:
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
