"""The format of a file by its first bytes: text, compressed text, a sheet of a workbook, or no table."""

from __future__ import annotations

import atexit
import bz2
import csv
import datetime
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa

from epochal.common.text import shortlist
from epochal.data.files.reading import Content
from epochal.errors import Refusal, did_you_mean, first_line, require

PACKING_ERRORS = (
    *(OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException),
)
"""Exceptions of damaged files during decompression."""

_HEAD = 512
_PACKED: tuple[tuple[bytes, str, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", ".gz", gzip.open),
    (b"BZh", ".bz2", bz2.open),
    (b"\xfd7zXZ\x00", ".xz", lzma.open),
    (b"\x28\xb5\x2f\xfd", ".zst", lambda path: pa.input_stream(str(path), compression="zstd")),
)
_Formats = tuple[tuple[bytes | tuple[bytes, ...], str], ...]
_FORMATS: _Formats = (
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a sound, a film or a WebP image"),
    ((b"II*\x00", b"MM\x00*"), "a TIFF image"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array; give it a name that ends in .npy"),
    (b"ARROW1", "an Arrow or Feather file; save it as .parquet"),
    (b"ORC", "an ORC file; save it as .parquet"),
    (b"Obj\x01", "an Avro file; save it as .parquet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    ((b"\x7fELF", b"MZ\x90"), "a program"),
    ((b"RDX", b"X\n\x00\x00\x00"), "data of R; save it with write.csv"),
    (b"$FL2", "data of SPSS; save it as .csv"),
    (b"<stata_dta>", "data of Stata; save it as .csv"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "data of SAS; save it as .csv"),
    (b"MATLAB 5.0", "data of MATLAB; save it as .csv or .npz"),
    (
        (b"\x80\x04\x95", b"\x80\x05\x95"),
        "a pickle, which can run code and is never opened; save it as .csv or .parquet",
    ),
)
_TEXT_FORMATS: _Formats = (
    ((b"<!doctype html", b"<html"), "an HTML page"),
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
    """A temporary file with the content of standard input ("-", no terminal) or a pipe, removed at exit."""
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

    Another kind of file is refused by its name in words, as is a damaged archive.
    """
    head, name, size = head_of(path), path.name, path.stat().st_size
    zipped = head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    member = _only_file(path) if zipped else ""
    if head.startswith(_OLE) or (zipped and not member):
        return text_of_sheet(path, sheet)
    if sheet is not None:
        raise Refusal(f"`sheet` is about workbooks (.xlsx, .xls, .ods); {name} is none. Leave it out.")
    suffix = path.suffix.lower()
    openers = [opener for magic, _, opener in _PACKED if head.startswith(magic)]
    openers += [opener for _, packed, opener in _PACKED if packed == suffix]
    if member:
        note = f"{name} holds one file, {Path(member).name}, which is read."
        content = Content(name, size, lambda: zipfile.ZipFile(path).open(member), notes=(note,))  # noqa: SIM115 (whoever opens the content closes it)
    elif openers:
        content = Content(name, size, lambda: openers[0](path))
    else:
        _refuse_other(head, name)
        return Content(name, size, lambda: path.open("rb"), plain=path)
    with unpacking(name), content.open() as file:
        head = bytes(file.read(_HEAD))
    if member and head.startswith((b"PK\x03\x04", b"PAR1", b"\x1f\x8b")):
        raise Refusal(f"{name} holds {member}, which is packed itself: unpack it first.")
    _refuse_other(head, member or name)
    return content


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Refuse a damaged file, whose content can't be unpacked within the context."""
    try:
        yield
    except PACKING_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Refusal(f"{name} can't be read: {str(reason).splitlines()[0].rstrip('.')}.") from error


def _refuse_other(head: bytes, name: str) -> None:
    kind = next((kind for magic, kind in _FORMATS if head.startswith(magic)), "")
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = kind or next((kind for magic, kind in _TEXT_FORMATS if lower.startswith(magic)), "")
    if not kind and head[257:262] == b"ustar":
        kind = "a tar archive; unpack it"
    if kind:
        kind, _, remedy = kind.partition("; ")
        done = remedy[:1].upper() + remedy[1:] if remedy else "Save the table as .csv, .xlsx or .parquet"
        raise Refusal(f"{name} must be a table; it is {kind}. {done}.")


def _only_file(path: Path) -> str:
    """The file in an archive; empty for a workbook."""
    with unpacking(path.name), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        kind = archive.read("mimetype")[:80].decode("ascii", "replace") if "mimetype" in names else ""
    if any(part in names for part in _BOOK_PARTS) or "opendocument.spreadsheet" in kind:
        return ""
    for part, document in _ZIP_PARTS:
        if any(one.startswith(part) for one in names):
            raise Refusal(f"{path.name} must be a table; it is {document}. Save the table as .csv or .xlsx.")
    files = [one for one in names if not one.endswith("/") and not one.startswith("__MACOSX/")]
    files = [one for one in files if not Path(one).name.startswith(".")]
    if files and all(one.endswith(".npy") for one in files):
        raise Refusal(f"{path.name} holds NumPy arrays: give it a name that ends in .npz.")
    if len(files) != 1:
        remedy = f" ({shortlist(files, quote='')}). Unpack it, and name one." if files else "."
        raise Refusal(f"{path.name} must hold one table; it holds {len(files):,} files{remedy}")
    return files[0]


def text_of_sheet(path: Path, sheet: str | int | None) -> Content:
    """A sheet as comma-separated text, so that header, titles and totals are recognized in the same way."""
    calamine = require("python_calamine", extra="excel", purpose=f"{path.name} is a workbook: reading it")
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        rows: list[list[Any]] = []
        only = ""
        for chosen in names if sheet is None else [_chosen(sheet, names)]:
            if rows := book.get_sheet_by_name(chosen).to_python():
                break
        if sheet is None and not _are_table(rows):  # a cover
            others = {name: book.get_sheet_by_name(name).to_python() for name in names if name != chosen}
            tables = [name for name, cells in others.items() if _are_table(cells)]
            if len(tables) == 1:
                chosen, rows, only = tables[0], others[tables[0]], "the only one that holds a table; "
    except Refusal:
        raise
    except Exception as error:  # an exception class per format
        raise Refusal(f"{path.name} can't be read as a workbook: {first_line(error)}.") from error
    if not rows:
        where = f'the sheet "{chosen}" of {path.name}' if sheet is not None and names else path.name
        raise Refusal(f"{where} is empty: a table needs at least 2 rows; got 0.")
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    data = out.getvalue().encode()
    notes: tuple[str, ...] = ()
    if len(names) > 1:
        shown = shortlist(names)
        notes = (
            f'the sheet "{chosen}" is read, of {len(names):,} ({shown}); {only}`sheet=...` names another.',
        )
    return Content(
        path.name, len(data), lambda: io.BytesIO(data), notes=notes, encoding="utf-8", sheet=chosen
    )


def _are_table(rows: list[list[Any]]) -> bool:
    """Whether two rows of a sheet have two values, or most of its values are numbers.

    >>> _are_table([["made by", ""], ["me", ""]]), _are_table([["a", "y"], ["u", 1.0]]), _are_table([[1.0]])
    (False, True, True)
    """
    filled = [[cell for cell in row if cell != ""] for row in rows]
    cells = [cell for row in filled for cell in row]
    numbers = sum(isinstance(cell, int | float) for cell in cells)
    return sum(len(row) > 1 for row in filled) > 1 or 2 * numbers > len(cells)


def _chosen(sheet: str | int, names: list[str]) -> str:
    if str(sheet) in names:
        return str(sheet)
    try:
        number = int(sheet)
    except ValueError:
        raise Refusal(did_you_mean("sheet", str(sheet), names)) from None
    if not 1 <= number <= len(names):
        raise Refusal(f"`sheet` must be a name or a number from 1 to {len(names):,}; got {number}.")
    return names[number - 1]


def _cell(value: Any) -> str:
    """A cell as text.

    >>> _cell(3.0), _cell(datetime.datetime(2024, 5, 1)), _cell(True)
    ('3', '2024-05-01', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, datetime.timedelta):
        return repr(value.total_seconds())
    return str(value)
