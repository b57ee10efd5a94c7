"""Which table does a text file hold, read in blocks, whatever comes late in it?"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from epochal.data.sniff import DELIMITERS, Dialect, open_bytes, sniff
from epochal.data.tidy import shrink_batches
from epochal.errors import Refusal

__all__ = ["read_text"]

STREAM_BYTES = 1 << 25
"""Files above this are read in blocks, so that text and numbers are never in memory together."""

_BLOCK_BYTES = 1 << 22


class _Reader:
    """One file, one dialect, and the options that pyarrow needs for them."""

    def __init__(self, file: Path, dialect: Dialect, missing: Collection[str], text: Collection[str]) -> None:
        self.file, self.dialect, self.missing = file, dialect, frozenset(missing)
        self.types: dict[str, pa.DataType] = {name: pa.string() for name in text if name in dialect.names}

    def source(self) -> Any:
        if self.dialect.delimiter != " ":
            return open_bytes(self.file) if self.file.suffix == ".gz" else str(self.file)
        with open_bytes(self.file) as lines:
            plain = lines.read().decode(self.dialect.encoding)
        if '"' not in plain:
            plain = "\n".join(re.sub(r"[ \t]+", " ", line.strip()) for line in plain.splitlines())
        return pa.BufferReader(plain.encode())

    def options(self) -> dict[str, Any]:
        dialect = self.dialect
        marks = sorted(self.missing | {f" {mark}" for mark in self.missing})
        encoding = "utf-8" if dialect.delimiter == " " else dialect.encoding
        return {
            "read_options": pc_csv.ReadOptions(
                column_names=list(dialect.names),
                skip_rows=dialect.header_lines,
                encoding=encoding,
                block_size=_BLOCK_BYTES,
            ),
            "parse_options": pc_csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=dialect.quoted
            ),
            "convert_options": pc_csv.ConvertOptions(
                null_values=marks,
                strings_can_be_null=True,
                column_types=self.types,
                decimal_point=dialect.decimal,
            ),
        }

    def stream(self) -> pa.Table:
        with pc_csv.open_csv(self.source(), **self.options()) as reader:
            return shrink_batches(reader.schema, _batches(reader))

    def fit_types(self) -> None:
        """Look at every cell of the columns that the first block made numbers of: what fits them all?"""
        with pc_csv.open_csv(self.source(), **self.options()) as reader:
            guessed = {field.name: field.type for field in reader.schema}
        self.types.update({name: pa.string() for name in guessed})
        with pc_csv.open_csv(self.source(), **self.options()) as reader:
            for batch in _batches(reader):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    while not _fits(column, guessed[name]):
                        guessed[name] = _wider(guessed[name])
        self.types = guessed


def read_text(
    file: Path,
    delimiter: str | None,
    header: bool | None,
    missing: Collection[str],
    text: Collection[str] = (),
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a text file, and notes on what was recognized. Arguments as in `read_table`.

    Raises:
        Refusal: as `sniff`; and rows with more or fewer fields than the first one, with the line number.
    """
    dialect = sniff(file, delimiter, header, missing)
    reader = _Reader(file, dialect, missing, text)
    small = file.stat().st_size < STREAM_BYTES and file.suffix != ".gz"
    try:
        if small:
            table = pc_csv.read_csv(reader.source(), **reader.options())
        else:
            try:
                table = reader.stream()
            except pa.ArrowInvalid as error:
                if "conversion error" not in str(error):
                    raise
                reader.fit_types()
                table = reader.stream()
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        _refuse_ragged(file, dialect)
        said = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise Refusal(f"{file.name} can't be read as a table: {said}.") from error
    return table, dialect.notes


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    yield from reader


def _fits(column: pa.Array, kind: pa.DataType) -> bool:
    if pa.types.is_string(kind):
        return True
    if pa.types.is_null(kind):
        return bool(column.null_count == len(column))
    try:
        if pa.types.is_boolean(kind):
            words = pa.array(["true", "false", "True", "False", "TRUE", "FALSE", "0", "1"])
            return bool(pc.all(pc.is_in(column.drop_null(), value_set=words)).as_py() is not False)
        pc.utf8_trim_whitespace(column).cast(kind)
    except pa.ArrowException:
        return False
    return True


def _wider(kind: pa.DataType) -> pa.DataType:
    """The next type that holds more: nothing, integers, floats, text."""
    if pa.types.is_null(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_integer(kind) else pa.string()


def _refuse_ragged(file: Path, dialect: Dialect) -> None:
    """Find the first line whose number of fields is not that of the first row, and refuse it."""
    expected = len(dialect.names)
    with open_bytes(file) as raw:
        lines = io.TextIOWrapper(raw, encoding=dialect.encoding, errors="replace", newline="")
        space = dialect.delimiter == " "
        reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=space)
        start = 1
        try:
            for row in reader:
                if space:
                    row = [cell for cell in row if cell]
                if row and len(row) != expected:
                    raise Refusal(
                        f"line {start:,} of {file.name} must have {expected:,} fields like the first; "
                        f"got {len(row):,}. Correct the line, or give the delimiter (it was taken to be a "
                        f"{DELIMITERS.get(dialect.delimiter, dialect.delimiter)}) with --delimiter."
                    )
                start = reader.line_num + 1
        except csv.Error as error:
            raise Refusal(f"line {start:,} of {file.name}: {error}.") from error
