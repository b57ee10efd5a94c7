"""Reading a table from a file: text, workbook, JSON lines or Parquet."""

from __future__ import annotations

import difflib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json

from epochal.data.columns import unique_names
from epochal.data.files.column_types import MAX_TEXT, Selection, none_of, normalize_types, shrink_batches
from epochal.data.files.file_format import PACKING_ERRORS, head_of, is_stream, kept_stream, unpack, unpacking
from epochal.data.files.reading import AS_FOUND, Content, FileForm, Reading, naming_sheet
from epochal.data.files.sniff import sniff
from epochal.data.files.text import read_text
from epochal.errors import Refusal, first_line

PARQUET_SUFFIXES = (".parquet", ".pq")


def existing(path: str | Path) -> Path:
    """The path of a readable file (for "-" or a pipe, of a copy); refused with the nearest name."""
    file = kept_stream(path) if is_stream(path) else Path(path).expanduser()
    if file.is_dir():
        if parquet_in(file):
            return file
        raise Refusal(
            f"{path} is a folder, and no table; give a .csv, .tsv, .parquet, .npy or .npz file, or a "
            "folder with one sub-folder of images for each class."
        )
    if not file.exists():
        if not file.parent.is_dir():
            raise Refusal(f"there is no file {path} (nor is there a folder {file.parent}).")
        beside = (item.name for item in file.parent.iterdir())
        near = difflib.get_close_matches(file.name, beside, n=1, cutoff=0.75)
        hint = f' Did you mean "{file.parent / near[0]}"?' if near else ""
        raise Refusal(f"there is no file {path}.{hint}")
    if not file.is_file():
        raise Refusal(f"{path} must be a regular file or a pipe; it is a device. Copy its content to a file.")
    if not file.stat().st_size:
        raise Refusal(f"{file.name} is empty: at least 2 rows or samples are needed; got 0 bytes.")
    return file


def read_table(
    path: str | Path, reading: Reading = AS_FOUND, text: Selection = none_of, drop: Selection = none_of
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a file, with notes on how it was read.

    A text with delimiters (.csv, .tsv), JSON lines, a workbook, or Parquet; compressed or not.

    Args:
        path: the file, "-" for standard input, or a pipe.
        reading: the reading options. Without a header, columns are named "column 1", "column 2" and so on.
        text: selects columns to read as text, by their names.
        drop: selects unused columns, which need not be convertible.

    Raises:
        Refusal: no such file, a folder, empty, no table, or ragged rows (with their lines).
    """
    file = existing(path)
    if is_parquet(file):
        return parquet_table(file, drop, text)
    content = unpack(file, reading.sheet)
    if is_json(content):
        table, notes = read_json(content, text)
        return normalize_types(table, drop, text), notes
    with naming_sheet(content.notes):
        dialect = sniff(content, reading)
        return read_text(content, dialect, reading, text(dialect.names))


def form_of(table: pa.Table) -> dict[str, Any]:
    """How the text of a table was read, as fields of a `TableEncoder`; none for another source."""
    known = table.schema.metadata or {}
    if b"form" not in known:
        return {}
    return {"encoding": known[b"encoding"].decode(), "form": FileForm(**json.loads(known[b"form"]))}


def parquet_table(
    file: Path, drop: Selection = none_of, text: Selection = none_of
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table of a Parquet file, or of a folder of them."""
    tables, notes = zip(*map(_read_parquet, parquet_in(file)), strict=True)
    try:
        table = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise Refusal(f"the files in {file.name} must have the same columns: {first_line(error)}.") from error
    return normalize_types(table, drop, text), notes[0]


def is_parquet(path: Path) -> bool:
    """Whether it is a Parquet file, or a folder with some."""
    if path.is_dir():
        return bool(parquet_in(path))
    return path.suffix.lower() in PARQUET_SUFFIXES or head_of(path).startswith(b"PAR1")


def parquet_in(path: Path) -> list[Path]:
    """A Parquet file, or those in a folder and its subfolders, by name, without hidden ones."""
    if not path.is_dir():
        return [path]
    found = (file for suffix in PARQUET_SUFFIXES for file in path.rglob(f"*{suffix}") if file.is_file())
    return sorted(file for file in found if not any(part[0] in "._" for part in file.relative_to(path).parts))


def open_parquet(file: Path) -> Any:
    """A Parquet file, with texts read as dictionaries.

    A few bytes can repeat a text often; so `normalize_types` can check the size before expanding it.
    """
    import pyarrow.parquet as pq

    source = pq.ParquetFile(file)
    about = source.metadata

    def max_text(index: int) -> int:
        chunks = [about.row_group(group).column(index) for group in range(about.num_row_groups)]
        texts = [one for one in chunks if one.physical_type == "BYTE_ARRAY" and one.has_dictionary_page]
        return sum(one.num_values * one.total_uncompressed_size for one in texts)

    large = [index for index in range(about.num_columns) if max_text(index) > MAX_TEXT]
    suspicious = [about.schema.column(index).path for index in large]
    return pq.ParquetFile(file, read_dictionary=suspicious) if suspicious else source


def _read_parquet(file: Path) -> tuple[pa.Table, tuple[str, ...]]:
    try:
        source = open_parquet(file)
        table = shrink_batches(source.schema_arrow, source.iter_batches(batch_size=1 << 16))
    except (pa.ArrowException, OSError, UnicodeError) as error:  # names of columns may be no UTF-8
        raise Refusal(f"{file.name} can't be read as Parquet: {first_line(error)}.") from error
    index = [name for name in table.column_names if name.startswith("__index_level_")]
    return table.drop_columns(index), ("the saved pandas index is left out.",) if index else ()


_SUFFIXES = (".json", ".jsonl", ".ndjson")


def is_json(content: Content) -> bool:
    """Whether a text is named, or begins, like JSON."""
    if any(Path(content.name).name.lower().endswith((one, f"{one}.gz")) for one in _SUFFIXES):
        return True
    with suppress(*PACKING_ERRORS), content.open() as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        return head.startswith((b'{"', b'[{"', b"[\n", b"[ {"))
    return False


def read_json(content: Content, text: Selection = none_of) -> tuple[pa.Table, tuple[str, ...]]:
    """A table with a column for each name of flat JSON objects; absent names are missing values."""
    with unpacking(content.name), content.open() as file:
        data = file.read()
    try:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            rows = json.loads(data)
            if not all(isinstance(row, dict) for row in rows):
                raise Refusal(f"{content.name} must hold a list of objects; it holds other values.")
            if rows:  # columns are made from the first one
                rows[0] = dict.fromkeys(name for row in rows for name in row) | rows[0]
            table = pa.Table.from_pylist(rows)
        else:
            buffer = pa.BufferOutputStream()  # Arrow's own memory: its threads outlive this call
            buffer.write(data)
            table = _json_lines(buffer.getvalue(), text)
    except Refusal:
        raise
    except (pa.ArrowException, ValueError, TypeError, RecursionError) as error:
        raise Refusal(
            f"{content.name} can't be read as JSON, one object a line: {first_line(error)}."
        ) from error
    return table, (f"{content.name} is read as JSON, one object a row.",)


def _json_lines(data: pa.Buffer, text: Selection) -> pa.Table:
    """The table of JSON lines; texts written as times are timestamps, but for the columns of `text`."""
    table = pa_json.read_json(pa.BufferReader(data))
    names = unique_names(table.column_names)
    written = set(text(names))
    fields = [field for field, name in zip(table.schema, names, strict=True) if name in written]
    times = [field.name for field in fields if pa.types.is_timestamp(field.type)]
    if not times:
        return table
    options = pa_json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in times]))
    return pa_json.read_json(pa.BufferReader(data), parse_options=options).select(table.column_names)
