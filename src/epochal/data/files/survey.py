"""A first scan of all bytes of a text: encoding, first and last lines, quoting."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from epochal.data.files.container import PACKING_ERRORS, unreadable
from epochal.data.files.content import Content
from epochal.data.files.encodings import ASSUMED, guess, marked, wide
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


@dataclass(frozen=True)
class Survey:
    """Properties of a text's bytes: `head` and `tail` are decoded; `whole` if the head is everything."""

    encoding: str
    quoted: bool
    head: str
    tail: str
    whole: bool
    notes: tuple[str, ...]


def survey(content: Content, encoding: str | None = None) -> Survey:
    """Read all bytes once and determine the encoding, as given or recognized.

    Raises:
        Refusal: an empty file, one that is not text or not in the encoding that was given, a damaged archive.
    """
    try:
        return _surveyed(content, encoding or content.encoding)
    except Refusal:
        raise
    except (*PACKING_ERRORS, RuntimeError) as error:
        raise unreadable(content.name, error) from error


def _surveyed(content: Content, given: str | None) -> Survey:
    with content.open() as file:
        sample = file.read(SAMPLE_BYTES + 1)
    whole, sample = len(sample) <= SAMPLE_BYTES, sample[:SAMPLE_BYTES]
    known = given or marked(sample) or wide(sample)
    narrow = not (known or "").replace("_", "-").lower().startswith(_WIDE)
    utf8, windows, quoted, words, tail = _pass(content, narrow, known)
    hint = "`encoding=...` changes that"
    if known is None and not utf8:
        known = _valid(content, guess(bytes(words)))
        if known is None:
            known, hint = (
                ASSUMED[0 if windows else 1],
                "if that looks wrong, name another with `encoding=NAME`",
            )
        if known == "cp1252" and _wrong(content, known) is not None:  # letters of DOS?
            known = _valid(content, guess(bytes(words), sure=0.0)) or "cp850"
    elif given is not None and (at := _wrong(content, given)) is not None:
        raise Refusal(
            f"{content.name} is not written in {given}: the bytes at position {at:,} are no character of it. "
            "Leave the encoding out to have it recognized, or name another."
        )
    final = "utf-8" if known in (None, "utf-8-sig") else known
    recognized = final != "utf-8" and given is None
    notes = (f"{content.name} is not UTF-8: read as {final}; {hint}.",) if recognized else ()
    head = sample.decode(final, errors="ignore").lstrip("\ufeff")
    rest = head if whole else "" if not narrow else tail.decode(final, errors="replace")
    return Survey(final, quoted or not narrow, head, rest, whole, notes)


def _valid(content: Content, encoding: str | None) -> str | None:
    """The encoding, if all bytes are valid in it."""
    return encoding if encoding is not None and _wrong(content, encoding) is None else None


def _pass(content: Content, narrow: bool, known: str | None) -> tuple[bool, bool, bool, bytearray, bytes]:
    """One pass: UTF-8, bytes of cp1252, quotes; the non-ASCII lines; and the last bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, windows, quoted, position = True, False, False, 0
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
                if utf8 and known is None:
                    try:
                        decoder.decode(block)
                    except UnicodeDecodeError:
                        utf8 = False
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
    if utf8 and known is None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    if position > len(tail) and b"\n" in tail:
        tail = tail[tail.index(b"\n") + 1 :]
    return utf8, windows, quoted, words[:_WORD_BYTES], tail


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
