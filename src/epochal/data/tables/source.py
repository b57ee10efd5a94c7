"""The tables source: files, examples and data frames; and original columns to show beside predictions."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.arrays.arrays import arrays_of_file
from epochal.data.columns import ColumnReference, default_name, has_header, resolve, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.examples import example
from epochal.data.files.column_types import Selection
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing, is_parquet, parquet_table, read_table
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.recipe import EXAMPLE
from epochal.data.source import DataSource, ProgressCallback, TrainingContext, chosen
from epochal.data.streams.parquet import converted_parquet, is_large, new_rows_of_parquet
from epochal.data.tables.encode import encode
from epochal.data.tables.frames import ROLES, column_beside, is_frame, is_pair, named_table, table_of_frame
from epochal.data.tables.new_rows import new_rows, read_new
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import TableEncoder
from epochal.data.tables.table import dataset_of_table
from epochal.data.values.missing import emptied
from epochal.errors import Refusal


def _load(source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    options, reading = chosen(TableOptions, arguments), chosen(Reading, arguments)
    if options.groups_from is not None and options.groups is None:
        raise Refusal(
            "`groups_from` finds groups in the names of files, or in a column of a table; name it: "
            "`groups=COLUMN`."
        )
    if not isinstance(source, str | Path):
        return _of_frame(source, options)
    if not str(source).startswith(EXAMPLE):
        path = existing(source)
        if is_parquet(path) and is_large(path, arguments.get("stream")):
            return converted_parquet(path, options, progress)
    read = named_table(source, reading, drop=functools.partial(resolve_all, options.drop, role="drop"))
    assert read is not None
    named = has_header(read.table.column_names)
    tables, name, notes = [read.table], read.name, read.notes
    del read  # so that the table can be freed once it is encoded
    found = dataset_of_table(tables.pop(), options, name, notes, header=named)
    assert isinstance(found.encoder, TableEncoder)
    return replace(found, encoder=replace(found.encoder, na_values=reading.na_values))


def _transform(encoder: TableEncoder, source: Any, context: TrainingContext) -> Dataset:
    """Encode new rows; columns may be in another order, and unused ones are ignored."""
    if isinstance(source, str | Path) and context.stream is not False and not str(source).startswith(EXAMPLE):
        path = existing(source)
        if is_parquet(path) and is_large(path, context.stream):
            return new_rows_of_parquet(path, encoder, context)
    as_in_training = functools.partial(encode, dtype=context.dtype)
    return new_rows(read_new(encoder, source, context.reading), encoder, as_in_training, context.partial)


def _of_frame(source: Any, options: TableOptions) -> Dataset:
    frame, *given = source if is_pair(source) else (source,)
    named = {one for one in (options.target, options.sample_weight, options.groups) if isinstance(one, str)}
    unused = functools.partial(resolve_all, options.drop, role="drop")
    table, notes = table_of_frame(frame, unused, index=named)
    roles: dict[str, Any] = {}
    beside: list[str] = []
    for role, values in zip(ROLES, given, strict=False):
        if isinstance(values, (str, int)):
            roles[role] = values
        elif values is not None or role == "target":
            name, column = column_beside(table, role, values)
            while name in table.column_names:
                name = f"{name}_"
            table, roles[role] = table.append_column(name, column), name
            beside.append(name)
    among = frame.shape[1] if getattr(frame, "ndim", 0) == 2 and frame.shape[1] else None
    options = replace(options, **roles)
    return dataset_of_table(table, options, "data frame", notes, beside=beside, among=among)


def columns_beside(
    source: Any,
    samples: int | None,
    wanted: Sequence[ColumnReference],
    reading: Reading = AS_FOUND,
    others: bool = False,
) -> pa.Table:
    """Columns of a source with their original text: 007 stays 007, and 1.234,5 has its separators.

    The `source` is the predicted data, a table or an array of two dimensions, with so many `samples` if
    known. All other columns follow the `wanted` ones if `others` is set.
    """

    def unwanted(names: Sequence[str]) -> Collection[int]:  # those may have any content
        return () if others else set(range(len(names))) - resolve_all(wanted, names, "id")

    frame = source[0] if isinstance(source, tuple) and source else source
    if isinstance(frame, (str, Path)):
        table = _of_file(frame, samples, reading, unwanted)
    elif is_frame(frame) or is_pair(source):
        table = table_of_frame(frame, unwanted)[0]
    else:
        table = _of_array(np.asarray(frame))
    if table is None or samples not in (None, table.num_rows):
        raise Refusal(
            "columns of the input stand beside predictions of tables, a row for a row; "
            "the data is of another kind. Leave out `id` and `with_inputs`."
        )
    names = table.column_names
    chosen = [names[resolve(one, names, "id")] for one in wanted]
    return table.select(list(dict.fromkeys(chosen + names if others else chosen)))


def _of_file(
    source: str | Path, samples: int | None, reading: Reading, unwanted: Selection
) -> pa.Table | None:
    """The table of a file; for a text, with or without a header to match the predicted rows."""
    if str(source).startswith(EXAMPLE):
        return example(str(source).removeprefix(EXAMPLE))[0]
    path = existing(source)
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return _of_array(arrays_of_file(path)[0])
    if is_parquet(path):
        return parquet_table(path, unwanted, list)[0]
    for header in (None, True, False) if reading.header is None else (reading.header,):
        table, _ = read_table(path, replace(reading, header=header, missing=()), list, unwanted)
        if samples in (None, table.num_rows):
            columns = [_as_written(column) for column in table.columns]
            return pa.Table.from_arrays(columns, names=table.column_names)
    return None


def _of_array(array: Any) -> pa.Table | None:
    if array.ndim != 2:
        return None
    names = [default_name(index) for index in range(array.shape[1])]
    columns = array.astype(array.dtype.newbyteorder("="), copy=False).T
    return pa.Table.from_arrays([pa.array(column) for column in columns], names=names)


def _as_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers if that preserves its writing; empty cells are missing.

    >>> [_as_written(pa.chunked_array([cells])).to_pylist() for cells in (["007", "5"], ["12", ""], ["1,5"])]
    [['007', '5'], [12, None], ['1,5']]
    """
    if not pa.types.is_string(column.type):
        return column
    column = emptied(column, [""])
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = column.cast(kind)
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.equal(numbers.cast(pa.string()), column)).as_py() is not False:
            return numbers
    return column


TABLES = DataSource(
    recognizes=lambda source: isinstance(source, str | Path) or is_frame(source) or is_pair(source),
    load=_load,
    options={**get_type_hints(TableOptions), **get_type_hints(Reading), "stream": bool},
    encoder=TableEncoder,
    transform=_transform,
)
