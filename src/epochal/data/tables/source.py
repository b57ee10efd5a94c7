"""The tables source: files, examples, data frames, and streamed Parquet."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from epochal.data.columns import has_header, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.files.read import existing, is_parquet
from epochal.data.files.reading import Reading
from epochal.data.recipe import EXAMPLE
from epochal.data.source import Known, Progress, Source, chosen
from epochal.data.streams.parquet import converted, is_large, new_rows_of_parquet
from epochal.data.tables.encode import encode
from epochal.data.tables.frames import ROLES, column_beside, is_frame, is_pair, named_table, table_of_frame
from epochal.data.tables.new import new_rows, read_new
from epochal.data.tables.schema import Encoder
from epochal.data.tables.table import TableOptions, dataset_of_table
from epochal.errors import Refusal


def _load(source: Any, arguments: Mapping[str, Any], progress: Progress | None) -> Dataset:
    options, reading = chosen(TableOptions, arguments), chosen(Reading, arguments)
    if options.groups_from is not None and options.groups is None:
        raise Refusal(
            "`groups_from` finds groups in the names of files, or in a column of a table; name it: "
            "`groups=COLUMN`."
        )
    if isinstance(source, str | Path):
        return _of_path(source, options, reading, arguments.get("stream"), progress)
    return _of_frame(source, options)


def _encode_new(encoder: Encoder, source: Any, known: Known) -> Dataset:
    """Encode new rows; columns may be in another order, and unused ones are ignored."""
    if isinstance(source, str | Path) and known.stream is not False and not str(source).startswith(EXAMPLE):
        path = existing(source)
        if is_parquet(path) and is_large(path, known.stream):
            return new_rows_of_parquet(path, encoder, known)
    as_in_training = functools.partial(encode, dtype=known.dtype)
    return new_rows(read_new(encoder, source, known.reading), encoder, as_in_training, known.partial)


def _of_path(
    source: str | Path,
    options: TableOptions,
    reading: Reading,
    stream: bool | None,
    progress: Progress | None,
) -> Dataset:
    if not str(source).startswith(EXAMPLE):
        path = existing(source)
        if is_parquet(path) and is_large(path, stream):
            return converted(path, options, progress)
    read = named_table(source, reading, drop=lambda names: resolve_all(options.drop, names, "drop"))
    assert read is not None
    named = has_header(read.table.column_names)
    tables, name, notes = [read.table], read.name, read.notes
    del read  # so that the table can be freed once it is encoded
    found = dataset_of_table(tables.pop(), options, name, notes, header=named)
    assert isinstance(found.encoder, Encoder)
    return replace(found, encoder=replace(found.encoder, missing=reading.marks))


def _of_frame(source: Any, options: TableOptions) -> Dataset:
    frame, *given = source if is_pair(source) else (source,)
    named = {one for one in (options.target, options.sample_weight, options.groups) if isinstance(one, str)}
    table, notes = table_of_frame(frame, lambda names: resolve_all(options.drop, names, "drop"), index=named)
    roles: dict[str, Any] = {}
    beside: list[str] = []
    for role, values in zip(ROLES, given, strict=False):
        if isinstance(values, (str, int)):
            roles[role] = values
        elif values is not None or role == "target":
            name, column = column_beside(table, role, values)
            while name in table.column_names:
                name = f"{name}_"
            table = table.append_column(name, column)
            roles[role] = name
            beside.append(name)
    among = frame.shape[1] if getattr(frame, "ndim", 0) == 2 and frame.shape[1] else None
    options = replace(options, **roles)
    return dataset_of_table(table, options, "data frame", notes, beside=beside, among=among)


TABLES = Source(
    recognizes=lambda source: isinstance(source, str | Path) or is_frame(source) or is_pair(source),
    load=_load,
    options={**get_type_hints(TableOptions), **get_type_hints(Reading), "stream": bool},
    encoder=Encoder,
    encode_new=_encode_new,
)
