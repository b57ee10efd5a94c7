"""Options for reading a file, and a text that can be opened repeatedly."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from epochal.errors import Refusal


@dataclass(frozen=True)
class Reading:
    """Options for reading a table from a file, as `load` describes them; None is recognized.

    >>> Reading(skip_rows=-1)
    Traceback (most recent call last):
    epochal.errors.Refusal: skip_rows must be a number of lines, at least 0; got -1.
    """

    header: bool | None = None
    delimiter: str | None = None
    missing: Collection[str] | None = None
    encoding: str | None = None
    skip_rows: int | None = None
    comment: str | None = None
    sheet: str | int | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise Refusal(f'`delimiter` must be one character; got "{self.delimiter}".')
        if self.decimal not in (None, ".", ","):
            raise Refusal(f'`decimal` must be "." or ","; got "{self.decimal}".')
        if isinstance(self.missing, str):
            object.__setattr__(self, "missing", (self.missing,))
        if self.encoding is not None:
            try:
                text = codecs.lookup(self.encoding)._is_text_encoding  # excludes "rot13" and "zip"
            except (LookupError, TypeError, ValueError):
                text = False
            if not text:
                raise Refusal(
                    "`encoding` must be one that Python knows, such as utf-8, cp1252 or gbk; "
                    f'got "{self.encoding}".'
                )
        rows = self.skip_rows
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 0):
            raise Refusal(f"`skip_rows` must be a number of lines, at least 0; got {rows!r}.")
        comment = self.comment
        if comment is not None and (not comment.strip() or "\n" in comment):
            raise Refusal(f"`comment` must be what a comment line begins with, such as #; got {comment!r}.")

    @property
    def na_values(self) -> tuple[str, ...] | None:
        """The cells that mean a missing value, for encoders; None for the default ones."""
        return None if self.missing is None else tuple(sorted(self.missing))


AS_FOUND = Reading()
"""Everything is recognized."""


@contextmanager
def naming_sheet(notes: Iterable[str]) -> Iterator[None]:
    """Say in a refusal which sheet of a workbook was read, as one of the notes does if there are several."""
    try:
        yield
    except Refusal as error:
        said = (f"T{note[1:]}" for note in notes if note.startswith("the sheet "))
        raise Refusal(" ".join((error.sentence, *said))) from error


@dataclass(frozen=True)
class FileForm:
    """How the text of a table was read: what was found, and the options that were given."""

    delimiter: str = ""
    sheet: str = ""
    header: bool | None = None
    skip_rows: int | None = None
    comment: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The options of `Reading` that were given, the sheet, and an unusual delimiter."""
        found = asdict(self) | {"delimiter": "" if self.delimiter in "\t;|, " else self.delimiter}
        return {name: one for name, one in found.items() if one not in (None, "")}


@dataclass(frozen=True)
class Content:
    """A text that can be opened repeatedly, compressed or not.

    `plain` is the path of uncompressed bytes; `size` counts the bytes on disk.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    plain: Path | None = None
    notes: tuple[str, ...] = ()
    encoding: str | None = None
    """Known if the text was generated here."""
    sheet: str = ""
    """The name of a workbook's sheet."""
