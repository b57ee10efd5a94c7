"""Reading a text table in blocks, with types that hold for all of its rows."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from epochal.common.text import shortlist
from epochal.data.files.column_types import normalize_types, shrink_batches
from epochal.data.files.file_format import PACKING_ERRORS
from epochal.data.files.reading import Content, FileForm, Reading
from epochal.data.files.sniff import DELIMITERS, Dialect
from epochal.data.values.missing import na_counts, na_note, numeric_na_values, settle_na_values
from epochal.errors import Refusal, first_line

STREAM_BYTES = 1 << 25
"""Files above this are read in blocks, so that text and numbers are never in memory together."""

_BLOCK_BYTES = 1 << 22
_MAX_RAGGED = 5
"""Most lines with a wrong number of fields that a refusal names."""
_WIDER = {pa.null(): pa.int64(), pa.int64(): pa.float64()}
"""The next wider type; text for all others."""


class _Reader:
    """A text, its dialect, and pyarrow's options for them."""

    def __init__(
        self, content: Content, dialect: Dialect, na_values: Collection[str], text: Collection[str]
    ) -> None:
        self.content, self.dialect, self.na_values = content, dialect, frozenset(na_values)
        self.types: dict[str, pa.DataType] = {name: pa.string() for name in text if name in dialect.names}
        self.sifted = self.repeated = False
        """Whether to skip non-rows, and repeated headers, among the rows."""
        self.cleaned = dialect.delimiter == " " or dialect.spaced or dialect.quote != '"' or dialect.given
        self.cleaned = self.cleaned or dialect.tail > 0

    @contextmanager
    def source(self) -> Iterator[Any]:
        """The input of pyarrow: the file, or a copy of the table's lines.

        Its threads may hold the input beyond the call, and a Python object would abort a process
        that exits then: so a path is used unless the copy is large.
        """
        if not self.cleaned and self.content.plain is not None:
            yield str(self.content.plain)
            return
        with self.content.open() as file, tempfile.NamedTemporaryFile() as out:
            if not self.cleaned and self.content.size >= STREAM_BYTES:
                yield file
                return
            if self.cleaned:
                lines = _cleaned_lines(self.content, self.dialect, self.sifted, self.repeated)
                out.writelines(map(str.encode, lines))
            else:
                shutil.copyfileobj(file, out)
            out.flush()
            yield out.name

    def options(self, only: Collection[str] = ()) -> dict[str, Any]:
        dialect = self.dialect
        read = pc_csv.ReadOptions(
            column_names=list(dialect.names),
            skip_rows=0 if self.cleaned else dialect.start,
            encoding="utf-8" if self.cleaned else dialect.encoding,
            block_size=_BLOCK_BYTES,
        )
        parse = pc_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=dialect.quoted)
        convert = pc_csv.ConvertOptions(
            null_values=sorted(self.na_values | {f" {one}" for one in self.na_values}),
            strings_can_be_null=False,
            column_types=dict.fromkeys(only, pa.string()) if only else self.types,
            decimal_point=dialect.decimal,
            include_columns=list(only) or None,
        )
        return {"read_options": read, "parse_options": parse, "convert_options": convert}

    @contextmanager
    def opened(self, only: Collection[str] = ()) -> Iterator[Any]:
        """A reader of blocks."""
        with self.source() as source, pc_csv.open_csv(source, **self.options(only)) as reader:
            yield reader

    def table(self) -> pa.Table:
        """The table; if rows have another number of fields, retried without comments and blank lines."""
        try:
            return self._read()
        except pa.ArrowInvalid as error:
            if self.sifted or "CSV parse error" not in str(error):
                raise
            self.sifted = self.cleaned = True
            return self._read()

    def _read(self) -> pa.Table:
        if self.content.size < STREAM_BYTES and self.content.plain is not None:
            with self.source() as source:
                return pc_csv.read_csv(source, **self.options())
        try:
            return self._stream()
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            self._fit_types()
            return self._stream()

    def _stream(self) -> pa.Table:
        with self.opened() as reader:
            return shrink_batches(reader.schema, reader)

    def _fit_types(self) -> None:
        """Widen the types of columns that the first block read as numbers to fit all cells."""
        with self.opened() as reader:
            guessed = dict(zip(reader.schema.names, reader.schema.types, strict=True))
        self.types.update(dict.fromkeys(guessed, pa.string()))
        for name, column in self._cells():
            column = column.filter(pc.invert(pc.is_in(column, value_set=pa.array(sorted(self.na_values)))))
            while not _fits(column, guessed[name]):
                guessed[name] = _WIDER.get(guessed[name], pa.string())
        self.types = guessed

    def _cells(self, only: Collection[str] = ()) -> Iterator[tuple[str, pa.Array]]:
        """Columns of text of each block, with their names."""
        with self.opened(only) as reader:
            for batch in reader:
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    yield name, pc.utf8_trim_whitespace(column)

    def na_values_in(self, names: Collection[str]) -> Mapping[str, dict[str, int]]:
        """Counts of each word for a missing value in these columns, whose cells have lost their text."""
        found: dict[str, Counter[str]] = {}
        for name, column in self._cells(names) if names else ():
            if counts := na_counts(column, self.na_values - {""}):
                found.setdefault(name, Counter()).update(counts)
        return found


def read_text(
    content: Content,
    dialect: Dialect,
    reading: Reading,
    text: Collection[str] = (),
    levels: Mapping[str, Collection[str]] | None = None,
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a text, and notes; rows with another number of fields are refused with their lines.

    Columns of `text` are read as text, as are those with ambiguous numbers. The values in `levels`, those of
    the training by column, never mean a missing value.
    """
    unclear = [dialect.names[index] for index in dialect.unclear if index < len(dialect.names)]
    reader = _Reader(content, dialect, numeric_na_values(reading.missing), [*text, *unclear])
    types = dict(reader.types)
    try:
        table = reader.table()
        if copies := _headers_in(table, dialect):
            reader.cleaned = reader.repeated = True
            reader.types = types
            table = reader.table()
        table, counts, notes = settle_na_values(table, reading.missing, levels)
        columns = zip(table.schema, table.columns, strict=True)
        counts |= reader.na_values_in(
            [field.name for field, one in columns if one.null_count and not pa.types.is_string(field.type)]
        )
    except (*PACKING_ERRORS, UnicodeError) as error:
        _refuse_ragged(content, dialect)
        raise Refusal(f"{content.name} can't be read as a table: {first_line(error)}.") from error
    if copies:
        times = "once" if copies == 1 else f"{copies:,} times"
        more = f"the header is there {times} more below the first row, as in files put together: left out."
        notes = (more, *notes)
    notes = (*na_note(table.column_names, counts), *notes)
    empty = [
        index
        for index in sorted(dialect.unnamed)
        if table.column(index).null_count == table.num_rows
        and table.column_names[index] not in counts
        and (dialect.header or index == table.num_columns - 1)
    ]
    if empty and len(empty) < table.num_columns:
        which = shortlist([index + 1 for index in empty], quote="")
        columns_have = f"columns {which} have" if len(empty) > 1 else f"column {which} has"
        table = table.drop_columns([table.column_names[index] for index in empty])
        notes = (f"{columns_have} neither a name nor a value (a delimiter ends each line): left out.", *notes)
    form = FileForm(dialect.delimiter, content.sheet, reading.header, reading.skip_rows, reading.comment)
    metadata = {"na_values": json.dumps(counts), "decimal": dialect.decimal, "encoding": dialect.encoding}
    metadata["form"] = json.dumps(asdict(form))
    return normalize_types(table).replace_schema_metadata(metadata), (*dialect.notes, *notes)


def _headers_in(table: pa.Table, dialect: Dialect) -> int:
    cells = _cells(dialect.first, dialect) if dialect.first else []
    if len(cells) != table.num_columns:
        return 0
    same: Any = pa.scalar(True)
    for column, cell in zip(table.columns, cells, strict=True):
        if cell and not pa.types.is_string(column.type) and not cell.replace(".", "", 1).isdigit():
            return 0  # the name would have made the column text
        if pa.types.is_string(column.type) and cell and pc.any(same).as_py():
            same = pc.and_(same, pc.equal(pc.utf8_trim_whitespace(column), cell))
    return 0 if isinstance(same, pa.Scalar) else int(pc.sum(same).as_py() or 0)


def _cells(line: str, dialect: Dialect) -> list[str]:
    return [cell.strip() for cell in next(_parsed([line], dialect), [])]


def _parsed(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    blanks = dialect.spaced or dialect.delimiter == " "
    return csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=blanks, quotechar=dialect.quote)


def _fits(column: pa.Array, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return len(column) == 0
    if pa.types.is_boolean(kind):
        words = pa.array(["true", "false", "True", "False", "TRUE", "FALSE", "0", "1"])
        return pc.all(pc.is_in(column, value_set=words)).as_py() is not False
    try:
        column.cast(kind)
    except pa.ArrowException:
        return False
    return True


def _table_lines(content: Content, dialect: Dialect) -> Iterator[str]:
    """The lines from the header to the end of the table."""
    delayed: deque[str] = deque()
    with io.TextIOWrapper(content.open(), dialect.encoding, errors="replace", newline="") as lines:
        for line in itertools.islice(lines, dialect.start, None):
            delayed.append(line)
            if len(delayed) > dialect.tail:
                yield delayed.popleft()


def _cleaned_lines(content: Content, dialect: Dialect, sifted: bool, repeated: bool) -> Iterator[str]:
    """The lines of the table without comments, and with one space between fields.

    `sifted` also skips blank lines, and comments recognized by their number of fields; `repeated` skips
    repeated headers.
    """
    lines = _table_lines(content, dialect)
    if sifted:
        lines = (raw for raw, fields, _ in _rows(content, dialect) if fields)
    if dialect.given or dialect.delimiter == " " or repeated:
        lines = _plain_lines(lines, dialect, repeated)
    if not dialect.spaced and dialect.quote == '"':
        yield from lines
        return
    for row in _parsed(lines, dialect):
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=dialect.delimiter, lineterminator="\n").writerow(row)
        yield out.getvalue()


def _plain_lines(lines: Iterable[str], dialect: Dialect, repeated: bool) -> Iterator[str]:
    header = _cells(dialect.first, dialect) if repeated else []
    for line in lines:
        if repeated and line.lstrip(' "').startswith(header[0]) and _cells(line, dialect) == header:
            continue
        if dialect.given and line.lstrip().startswith(dialect.comment):
            continue
        if dialect.delimiter == " " and '"' not in line:
            line = re.sub(r"[ \t]+", " ", line.strip()) + "\n"
        yield line


def _rows(content: Content, dialect: Dialect) -> Iterator[tuple[str, int, int]]:
    """Each row, its number of fields (0 for non-rows), and its first line, from 1."""
    expected, space, consumed = len(dialect.names), dialect.delimiter == " ", list[str]()

    def lines() -> Iterator[str]:
        for line in _table_lines(content, dialect):
            consumed.append(line)
            yield line

    start = dialect.start + 1
    reader: Any = _parsed(lines(), dialect)
    try:
        for row in reader:
            raw = "".join(consumed)
            consumed.clear()
            fields = sum(map(bool, row)) if space else len(row)
            marked = bool(dialect.comment) and raw.lstrip().startswith(dialect.comment)
            yield raw, 0 if fields != expected and (marked or not raw.strip()) else fields, start
            start = dialect.start + reader.line_num + 1
    except csv.Error as error:
        raise Refusal(f"line {start:,} of {content.name}: {error}.") from error


def _refuse_ragged(content: Content, dialect: Dialect) -> None:
    expected = len(dialect.names)
    wrong = [(start, fields) for _, fields, start in _rows(content, dialect) if fields not in (0, expected)]
    if not wrong:
        return
    delimiter = DELIMITERS.get(dialect.delimiter, dialect.delimiter)
    remedy = f"or give the delimiter (it was taken to be a {delimiter}) with `delimiter=CHAR`."
    like = f"of {content.name} must have {expected:,} fields like the others; got"
    if len(wrong) == 1:
        ((line, fields),) = wrong
        raise Refusal(f"line {line:,} {like} {fields:,}. Correct the line, {remedy}")
    each = ", ".join(f"{line:,} ({fields:,})" for line, fields in wrong[:_MAX_RAGGED])
    more = f" and {len(wrong) - _MAX_RAGGED:,} more" if len(wrong) > _MAX_RAGGED else ""
    raise Refusal(f"{len(wrong):,} lines {like}, in line {each}{more}. Correct the lines, {remedy}")
