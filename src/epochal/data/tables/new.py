"""Encoding of new rows as the training rows were."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.arrays.arrays import arrays_of_file
from epochal.data.columns import called, default_name, plain_name, resolve
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.examples import example
from epochal.data.files.container import unpack
from epochal.data.files.json_lines import is_json
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing, is_parquet, parquet_table, read_table, table_of
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.files.sniff import sniff
from epochal.data.files.tidy import column_of
from epochal.data.tables.encode import encode, plain_numbers, without_marks
from epochal.data.tables.frames import ROLES, column_beside, is_frame, is_pair, table_of_frame
from epochal.data.tables.match import match_columns, refuse_other_table
from epochal.data.tables.rewritten import as_in_training
from epochal.data.tables.schema import Column, Encoder
from epochal.data.tables.table import release_memory, weights_of
from epochal.data.tables.target import known_ids, plain_target, target_numbers
from epochal.errors import Refusal

Encoded = Callable[[pa.Table, Encoder, Sequence[int]], tuple[NDArray[Any], Sequence[str]]]


@dataclass(frozen=True)
class NewTable:
    """A new table, with the target and the sample weights given beside it."""

    table: pa.Table
    name: str
    notes: tuple[str, ...] = ()
    target: pa.ChunkedArray | None = None
    weight: pa.ChunkedArray | None = None

    @property
    def beside(self) -> frozenset[str]:
        """The roles given beside the table."""
        return frozenset(
            role for role, column in zip(ROLES, (self.target, self.weight), strict=True) if column is not None
        )


def new_rows(read: NewTable, encoder: Encoder, encoded: Encoded = encode, partial: bool = False) -> Dataset:
    """The samples of a new table; `encoded` makes inputs and notes of (table, encoder, positions)."""
    table, name, notes = read.table, read.name, read.notes
    positions, target_at, weight_at, said = match_columns(encoder, table.column_names, read.beside)
    if not table.num_rows:
        raise Refusal(f"{name} must have at least 1 row to predict; got 0.")
    table, otherwise = as_in_training(table, encoder, positions)
    said += otherwise
    inputs, unseen = encoded(table, encoder, positions)
    lacking = newly_missing(table, encoder, positions)
    targets, weight = None, None
    column = read.target if read.target is not None or target_at is None else table.column(target_at)
    if column is not None:
        targets, note = targets_of_new(encoder, column, partial)
        said += note
    column = read.weight if read.weight is not None or weight_at is None else table.column(weight_at)
    if column is not None and targets is not None:
        weighs = "sample_weight" if encoder.weight is None else called(encoder.names, encoder.weight)
        weight = weights_of(column, weighs)
    rows = table.num_rows
    del table, column, read
    release_memory()
    return Dataset(
        inputs=inputs,
        targets=targets,
        task=None if targets is None else encoder.task,
        features=encoder.features,
        continuous=encoder.continuous,
        encoder=encoder,
        target_name=encoder.target_name if targets is not None else "",
        source=name,
        noticed=(*notes, *said, *unseen, *lacking),
        rows=np.arange(1, rows + 1, dtype=np.int64),
        sample_weight=weight,
        fingerprint=fingerprint((*encoder.features, encoder.target_name), inputs, targets, weight),
    )


def newly_missing(table: pa.Table, encoder: Encoder, positions: Sequence[int]) -> list[str]:
    """Notes on missing values in columns that had none in training."""
    said = []
    for position, column in zip(positions, encoder.columns, strict=True):
        found = without_marks(table.column(position), column)
        if column.missing or not found.null_count:
            continue
        instead = (
            "treated as unknown"
            if column.kind == "category"
            else "filled with the median of the training samples"
        )
        first = pc.index(found.is_null(), True).as_py() + 1
        count = found.null_count
        where = f"value (row {first:,})" if count == 1 else f"values (first in row {first:,})"
        said.append(
            f"{called(encoder.names, column.index)} has {count:,} missing {where}, training had none: "
            f"{instead}."
        )
    return said


def read_new(encoder: Encoder, source: Any, reading: Reading = AS_FOUND) -> NewTable:
    """The table of a new source, with text columns as in training, and values given beside it."""
    if isinstance(source, (str, Path)):
        name = str(source)
        if name.startswith("example:"):
            table, notes = example(name.removeprefix("example:"))
            return NewTable(table, name, notes)
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            return _read_arrays(encoder, arrays_of_file(path), path.name)
        table, notes = _read_file(encoder, path, reading)
        return NewTable(table, path.name, notes)
    if is_frame(source):
        if getattr(source, "ndim", 2) == 1 and set(encoder.names) & set(
            map(str, getattr(source, "index", ()))
        ):
            raise Refusal(
                "new rows must be a data frame; got one row of it. Use frame.iloc[[0]], not frame.iloc[0]."
            )
        table, notes = table_of_frame(source, _unused(encoder))
        return NewTable(table, "data frame", notes)
    if is_pair(source):
        return frame_beside(encoder, source)
    if isinstance(source, tuple) and len(source) in (2, 3):
        return _read_arrays(encoder, source, "arrays")
    return _read_arrays(encoder, (source,), "array")


def _read_file(encoder: Encoder, path: Path, reading: Reading) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a file, with text columns as in training."""
    if is_parquet(path):
        return parquet_table(path)
    content = unpack(path, reading.sheet)
    if is_json(content):
        return read_table(path, reading)
    if reading.missing is None:
        reading = replace(reading, missing=encoder.missing)
    dialect = sniff(content, reading)
    known = {plain_name(column.name) for column in encoder.columns}
    named = encoder.header and dialect.header and known & set(map(plain_name, dialect.names))
    if reading.header is None and not named:
        first = sniff(content, replace(reading, header=True)) if encoder.header else dialect
        header = (encoder.header and bool(known & set(map(plain_name, first.names)))) or (
            dialect.header and not encoder.header
        )
        if encoder.header and dialect.header and not header:
            refuse_other_table(encoder, dialect.names, path.name)
        if encoder.header and not header and len(first.names) - len(encoder.names) not in (0, -1):
            header = dialect.header
        if header != dialect.header:
            dialect = sniff(content, replace(reading, header=header))
    positions, target, _, _ = match_columns(encoder, dialect.names)
    read = dict(zip([dialect.names[at] for at in positions], encoder.columns, strict=True))
    text = [name for name, column in read.items() if column.text]
    levels = {name: column.levels for name, column in read.items() if column.text}
    if target is not None and encoder.target_text:
        text.append(dialect.names[target])
        levels[dialect.names[target]] = encoder.task.classes if encoder.task is not None else ()
    return table_of(content, dialect, reading, text, levels)


def _unused(encoder: Encoder) -> Callable[[Sequence[str]], Collection[int]]:
    """Selects the columns of a new table without a role, which may have any content."""
    roles = (*(column.index for column in encoder.columns), encoder.target, encoder.weight)
    used = {plain_name(encoder.names[index]) for index in roles if index is not None}

    def unused(names: Sequence[str]) -> Collection[int]:
        return [index for index, name in enumerate(names) if encoder.header and plain_name(name) not in used]

    return unused


def frame_beside(encoder: Encoder | None, source: tuple[Any, ...]) -> NewTable:
    """A frame with its target and sample weights beside it, or named among its columns."""
    named = {plain_name(one) for one in source[1:] if isinstance(one, str)}
    numbered = any(isinstance(one, int) for one in source[1:])  # numbers count the present columns
    unused = (lambda names: ()) if encoder is None or numbered else _unused(encoder)
    table, notes = table_of_frame(
        source[0], lambda names: [at for at in unused(names) if plain_name(names[at]) not in named]
    )
    names = table.column_names
    beside: dict[str, pa.ChunkedArray] = {}
    for role, values in zip(ROLES, source[1:], strict=False):
        if values is None and role == "sample_weight":
            continue
        if isinstance(values, (str, int)):
            name = names[resolve(values, names, role)]
            beside[role] = table.column(name)
        else:
            beside[role] = column_beside(table, role, values)[1]
    taken = {names[resolve(values, names, "")] for values in source[1:] if isinstance(values, (str, int))}
    table = table.drop_columns(sorted(taken))
    return NewTable(table, "data frame", notes, beside.get("target"), beside.get("sample_weight"))


def _read_arrays(encoder: Encoder, source: Sequence[Any], name: str) -> NewTable:
    """Arrays as numbered columns, as from a file without a header."""
    inputs = np.asarray(source[0])
    if inputs.ndim != 2 or inputs.dtype.kind not in "buif":
        raise Refusal(
            f"new samples must be (samples, {len(encoder.names)}) numbers or a table; got {inputs.dtype} "
            f"of the shape {inputs.shape}."
        )
    arrays = [column_of(column) for column in inputs.T]
    table = pa.Table.from_arrays(arrays, names=[default_name(index) for index in range(len(arrays))])
    target, weight = (
        None if values is None else column_beside(table, role, values)[1]
        for role, values in zip(ROLES, [*source[1:], None, None][:2], strict=True)
    )
    return NewTable(table, name, (), target, weight)


def targets_of_new(
    encoder: Encoder, column: pa.ChunkedArray, partial: bool = False
) -> tuple[NDArray[Any] | None, list[str]]:
    """The targets of new rows with notes; None if some are missing, or -1 and NaN there if `partial`."""
    said = called(encoder.names, encoder.target or 0)
    if partial and 0 < column.null_count < len(column):
        known, notes = targets_of_new(encoder, column.drop_null())
        if known is None:
            return None, notes
        targets = np.full(
            (len(column), *known.shape[1:]), -1 if known.dtype.kind == "i" else np.nan, known.dtype
        )
        targets[np.asarray(column.is_valid().to_numpy())] = known
        return targets, notes
    if column.null_count:
        if column.null_count == len(column):
            return None, []
        row = pc.index(pc.is_null(column), True).as_py() + 1
        return None, [
            f"{said} is the target and misses {column.null_count:,} of {len(column):,} values (first in row "
            f"{row:,}): the targets are not used."
        ]
    task = encoder.task
    if task is None:
        return None, []
    if task.is_classification:
        return known_ids(column, task, said)
    if encoder.target_written and pa.types.is_string(column.type):
        form = Column(encoder.target_name, encoder.target or 0, "numeric", written=encoder.target_written)
        return target_numbers(
            pa.chunked_array([plain_numbers(column.combine_chunks(), form, said)]), said
        ), []
    return target_numbers(plain_target(column, said, "regression")[0], said), []
