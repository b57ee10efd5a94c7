"""The format of a file by its first bytes: text, compressed text, workbook, or no table."""

from __future__ import annotations

import atexit
import bz2
import gzip
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from epochal.common.printable import shortlist
from epochal.data.files.reading import Content
from epochal.data.files.workbook import text_of_sheet
from epochal.errors import Refusal

PACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)
"""Exceptions of damaged files during decompression."""

_HEAD = 512
_PACKED: tuple[tuple[bytes, str, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", ".gz", gzip.open),
    (b"BZh", ".bz2", bz2.open),
    (b"\xfd7zXZ\x00", ".xz", lzma.open),
    (b"\x28\xb5\x2f\xfd", ".zst", lambda path: pa.input_stream(str(path), compression="zstd")),
)
_FORMATS = (
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a sound, a film or a WebP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array; give it a name that ends in .npy"),
    (b"ARROW1", "an Arrow or Feather file; save it as .parquet"),
    (b"ORC", "an ORC file; save it as .parquet"),
    (b"Obj\x01", "an Avro file; save it as .parquet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"RDX", "data of R; save it with write.csv"),
    (b"X\n\x00\x00\x00", "data of R; save it with write.csv"),
    (b"$FL2", "data of SPSS; save it as .csv"),
    (b"<stata_dta>", "data of Stata; save it as .csv"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "data of SAS; save it as .csv"),
    (b"MATLAB 5.0", "data of MATLAB; save it as .csv or .npz"),
    (b"\x80\x04\x95", "a pickle, which can run code and is never opened; save it as .csv or .parquet"),
    (b"\x80\x05\x95", "a pickle, which can run code and is never opened; save it as .csv or .parquet"),
)
_TEXT_FORMATS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
    (b"{\\rtf", "an RTF document"),
    (b"@relation", "an ARFF file"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOOK_PARTS = ("xl/workbook.xml", "xl/workbook.bin")
_ZIP_PARTS = (
    ("word/", "a Word document"),
    ("ppt/", "a presentation"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
)


_STREAMS: dict[str, Path] = {}
"""Copies of standard input and pipes, by their names."""


def is_stream(path: str | Path) -> bool:
    """Whether it is standard input ("-") or a pipe, which can be read only once."""
    return str(path) == "-" or Path(path).expanduser().is_fifo()


def kept_stream(path: str | Path) -> Path:
    """A temporary file with the content of standard input ("-") or a pipe, removed at exit.

    Raises:
        Refusal: a terminal, which has no end.
    """
    name = str(path)
    if name in _STREAMS:
        return _STREAMS[name]
    if name == "-" and (sys.stdin is None or sys.stdin.isatty()):
        raise Refusal("standard input is a terminal; pipe a table into the command, or name a file.")
    folder = Path(tempfile.mkdtemp(prefix="epochal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    called = "standard input" if name == "-" else "pipe" if Path(name).name.isdecimal() else Path(name).name
    file = folder / called
    try:
        with (
            file.open("wb") as out,
            nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as pipe,
        ):
            shutil.copyfileobj(pipe, out)
    except OSError as error:
        raise Refusal(f"{name} can't be read: {(error.strerror or str(error)).lower()}.") from error
    _STREAMS[name] = file
    return file


def head_of(path: Path) -> bytes:
    """The first bytes of a file, empty if unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def unpack(path: Path, sheet: str | int | None = None) -> Content:
    """The text of a file: plain, compressed (gzip, bz2, xz, zstd, zip), or a sheet of a workbook.

    Raises:
        Refusal: another kind of file, named in words; a damaged archive; no such sheet.
        MissingExtra: a workbook, without the package that reads it.
    """
    head = head_of(path)
    name, size = path.name, path.stat().st_size
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(path, sheet)
    if head.startswith(_OLE):
        return text_of_sheet(path, sheet)
    if sheet is not None:
        raise Refusal(f"`sheet` is about workbooks (.xlsx, .xls, .ods); {name} is none. Leave it out.")
    suffix = path.suffix.lower()
    openers = [opener for magic, _, opener in _PACKED if head.startswith(magic)]
    openers += [opener for _, packed, opener in _PACKED if packed == suffix]
    if not openers:
        _refuse_other(head, name)
        return Content(name, size, lambda: path.open("rb"), plain=path)
    content = Content(name, size, lambda: openers[0](path))
    _refuse_other(_head_of_packed(content), name)
    return content


def _head_of_packed(content: Content) -> bytes:
    try:
        with content.open() as file:
            return bytes(file.read(_HEAD))
    except (*PACKING_ERRORS, RuntimeError, NotImplementedError) as error:
        raise unreadable(content.name, error) from error


def unreadable(name: str, error: Exception) -> Refusal:
    """The refusal of a damaged file."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Refusal(f"{name} can't be read: {str(said).splitlines()[0].rstrip('.')}.")


def _refuse_other(head: bytes, name: str) -> None:
    """Refuse formats that are known to be no table, by name."""
    kind = next((said for magic, said in _FORMATS if head.startswith(magic)), None)
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = kind or next((said for magic, said in _TEXT_FORMATS if lower.startswith(magic)), None)
    if kind is None and head[257:262] == b"ustar":
        kind = "a tar archive; unpack it"
    if kind is not None:
        kind, _, remedy = kind.partition("; ")
        done = remedy[:1].upper() + remedy[1:] if remedy else "Save the table as .csv, .xlsx or .parquet"
        raise Refusal(f"{name} must be a table; it is {kind}. {done}.")


def _of_zip(path: Path, sheet: str | int | None) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype")[:80].decode("ascii", "replace") if "mimetype" in names else ""
    except (*PACKING_ERRORS, RuntimeError, NotImplementedError, KeyError) as error:
        raise unreadable(path.name, error) from error
    if any(part in names for part in _BOOK_PARTS) or "opendocument.spreadsheet" in kind:
        return text_of_sheet(path, sheet)
    for part, said in _ZIP_PARTS:
        if any(one.startswith(part) for one in names):
            raise Refusal(f"{path.name} must be a table; it is {said}. Save the table as .csv or .xlsx.")
    files = [one for one in names if not one.endswith("/") and not one.startswith("__MACOSX/")]
    files = [one for one in files if not Path(one).name.startswith(".")]
    if files and all(one.endswith(".npy") for one in files):
        raise Refusal(f"{path.name} holds NumPy arrays: give it a name that ends in .npz.")
    if len(files) != 1:
        remedy = f" ({shortlist(files, quote='')}). Unpack it, and name one." if files else "."
        raise Refusal(f"{path.name} must hold one table; it holds {len(files):,} files{remedy}")
    if sheet is not None:
        raise Refusal(f"`sheet` is about workbooks (.xlsx, .xls, .ods); {path.name} is none. Leave it out.")
    (member,) = files

    def opened() -> IO[bytes]:
        return zipfile.ZipFile(path).open(member)

    note = f"{path.name} holds one file, {Path(member).name}, which is read."
    content = Content(path.name, path.stat().st_size, opened, notes=(note,))
    head = _head_of_packed(content)
    if head.startswith((b"PK\x03\x04", b"PAR1", b"\x1f\x8b")):
        raise Refusal(f"{path.name} holds {member}, which is packed itself: unpack it first.")
    _refuse_other(head, member)
    return content
