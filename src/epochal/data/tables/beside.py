"""Original columns of a table, to show beside its predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.arrays.arrays import arrays_of_file
from epochal.data.columns import ColumnReference, default_name, resolve, resolve_all
from epochal.data.examples import example
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing, is_parquet, parquet_table, read_table
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.recipe import EXAMPLE
from epochal.data.tables.frames import is_frame, is_pair, table_of_frame
from epochal.errors import Refusal

_COMMA_NUMBER = r"^[+-]?((0|[1-9]\d{0,2}([. \xa0]\d{3})+|[1-9]\d*)(,\d+)?|,\d+)([eE][+-]?\d+)?$"


def columns_beside(
    source: Any, samples: int | None, wanted: Sequence[ColumnReference] = (), reading: Reading = AS_FOUND
) -> pa.Table:
    """Columns of a source with their original text: 007 stays 007.

    Numbers with a decimal comma become numbers, since predictions beside them have a point; the
    table's metadata `decimal` is then a comma.

    Args:
        source: the predicted data: a file with a table, a data frame, or an array of two dimensions.
        samples: the number of rows, if known.
        wanted: the columns, by name or by number from 1; all by default.
        reading: reading options; the rest is recognized.

    Raises:
        Refusal: it has no such columns, or is no table.
    """

    def unwanted(names: Sequence[str]) -> Collection[int]:  # those may have any content
        return set(range(len(names))) - resolve_all(wanted, names, "id") if wanted else ()

    frame = source[0] if isinstance(source, tuple) and source else source
    if isinstance(frame, (str, Path)):
        table = _of_file(frame, samples, reading)
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
    chosen = [names[resolve(one, names, "id")] for one in wanted] if wanted else names
    return table.select(list(dict.fromkeys(chosen)))


def _of_file(source: str | Path, samples: int | None, reading: Reading) -> pa.Table | None:
    """The table of a file; for a text, with or without a header to match the predicted rows."""
    if str(source).startswith(EXAMPLE):
        return example(str(source).removeprefix(EXAMPLE))[0]
    path = existing(source)
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return _of_array(arrays_of_file(path)[0])
    if is_parquet(path):
        return parquet_table(path)[0]
    for header in (None, True, False) if reading.header is None else (reading.header,):
        table, _ = read_table(path, replace(reading, header=header, missing=()), lambda names: names)
        if samples in (None, table.num_rows):
            comma = (table.schema.metadata or {}).get(b"decimal") == b","
            columns = [_as_written(_with_points(one) if comma else one) for one in table.columns]
            found = pa.Table.from_arrays(columns, names=table.column_names)
            return found.replace_schema_metadata({"decimal": ","}) if comma else found
    return None


def _of_array(array: Any) -> pa.Table | None:
    if array.ndim != 2:
        return None
    names = [default_name(index) for index in range(array.shape[1])]
    return pa.Table.from_arrays([pa.array(column) for column in array.T], names=names)


def _with_points(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with decimal commas as numbers; others unchanged.

    >>> _with_points(pa.chunked_array([["1.165,7", "-0,25", None]])).to_pylist()
    [1165.7, -0.25, None]
    >>> _with_points(pa.chunked_array([["5.120", "12"]])).to_pylist()
    [5120.0, 12.0]
    >>> _with_points(pa.chunked_array([["007", "1,5"]])).to_pylist()
    ['007', '1,5']
    """
    if not pa.types.is_string(column.type):
        return column
    cells = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    numbers = pc.all(pc.match_substring_regex(cells, _COMMA_NUMBER)).as_py()
    if not numbers or not pc.any(pc.match_substring_regex(cells, r"\D")).as_py():
        return column
    plain = pc.replace_substring(pc.replace_substring_regex(cells, r"[. \xa0]", ""), ",", ".")
    return plain.cast(pa.float64())


def _as_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers if that preserves its writing; empty cells are missing."""
    if not pa.types.is_string(column.type):
        return column
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = column.cast(kind)
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.equal(numbers.cast(pa.string()), column)).as_py() is not False:
            return numbers
    return column
