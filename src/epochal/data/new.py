"""How are new rows encoded as the training table was?"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.arrays import INPUT_KEYS, TARGET_KEYS, WEIGHT_KEYS, dataset_of_arrays, inputs_of_array
from epochal.data.columns import called, default_name, plain_name, resolve
from epochal.data.container import unpack
from epochal.data.dataset import Dataset, Task, fingerprint
from epochal.data.encode import encode, plain_numbers, to_numbers, without_marks
from epochal.data.encoders import SampleEncoder
from epochal.data.examples import example
from epochal.data.frames import ROLES, column_beside, is_frame, is_pair, table_of_frame
from epochal.data.host import parts_on_host
from epochal.data.json_lines import is_json
from epochal.data.known_labels import known_ids
from epochal.data.load import ARRAY_SUFFIXES
from epochal.data.match import match_columns, refuse_other_table
from epochal.data.npy import open_npz, read_array
from epochal.data.pixel_arrays import as_kept
from epochal.data.read import existing, is_parquet, parquet_table, read_table, table_of
from epochal.data.reading import AS_FOUND, Reading
from epochal.data.rewritten import as_in_training
from epochal.data.schema import Column, Encoder
from epochal.data.sniff import sniff
from epochal.data.standardize import first_missing
from epochal.data.table import release_memory, weights_of
from epochal.data.target import target_numbers
from epochal.data.target_text import plain_target
from epochal.data.tidy import column_of
from epochal.errors import Refusal

__all__ = ["encode_new", "match_columns", "new_arrays", "new_rows", "read_new"]

Encoded = Callable[[pa.Table, Encoder, Sequence[int]], tuple[NDArray[Any], Sequence[str]]]


def encode_new(
    encoder: Encoder | SampleEncoder | None,
    source: Any,
    *,
    task: Task | None = None,
    shape: tuple[int, ...] | None = None,
    target_name: str = "",
    dtype: Any = None,
    reading: Reading = AS_FOUND,
    finite: bool = False,
    partial: bool = False,
) -> Dataset:
    """New samples, encoded as those that the network was trained on; with targets if they have any.

    Columns may come in another order; columns that were no input are ignored. Rows are never left out: a
    missing target makes all of them unlabeled.

    Args:
        encoder: the training data's; None if it was trained on plain arrays.
        source: as for `load`, with or without the target and sample weights.
        task: what is predicted, where `encoder` is None.
        shape: the shape of one sample's inputs, where `encoder` is None.
        target_name: what the target was called, where `encoder` is None: "column 3" of an `.npy` file.
        dtype: what the training inputs were kept as.
        reading: what is said about how a file is read; the rest is recognized in it anew.
        finite: whether missing values are refused, since no scaling of the training samples fills them.
        partial: whether the targets of a table may be missing in some rows, where they are then -1 or NaN;
            else none of them are used.

    Raises:
        Refusal: a column is missing or holds another kind of value (with its row); or no rows.
    """
    source = parts_on_host(source)
    if encoder is None:
        found = _new_arrays(_beside(source, reading), task, shape, target_name, dtype)
    elif not isinstance(encoder, Encoder):
        found = encoder.encode_new(source, reading)
    else:
        as_kept_in_training = functools.partial(encode, dtype=dtype)
        found = new_rows(read_new(encoder, source, reading), encoder, as_kept_in_training, partial)
    row = first_missing(found.inputs) if finite else None
    if row is not None:
        raise Refusal(
            "the inputs must have no missing values (NaN), which only a training that standardizes them can "
            f"fill; got one in row {row + 1:,}."
        )
    return found


@dataclass(frozen=True)
class _Read:
    """A new table, with the target and the sample weights that were handed over beside it."""

    table: pa.Table
    name: str
    notes: tuple[str, ...] = ()
    target: pa.ChunkedArray | None = None
    weight: pa.ChunkedArray | None = None

    @property
    def beside(self) -> frozenset[str]:
        """The roles of what is beside the table."""
        return frozenset(
            role for role, column in zip(ROLES, (self.target, self.weight), strict=True) if column is not None
        )


def new_rows(read: _Read, encoder: Encoder, encoded: Encoded = encode, partial: bool = False) -> Dataset:
    """The samples of a new table; `encoded` makes inputs and notes of (table, encoder, positions)."""
    table, name, notes = read.table, read.name, read.notes
    positions, target_at, weight_at, said = match_columns(encoder, table.column_names, read.beside)
    if not table.num_rows:
        raise Refusal(f"{name} must have at least 1 row to predict; got 0.")
    table, otherwise = as_in_training(table, encoder, positions)
    said += otherwise
    inputs, unseen = encoded(table, encoder, positions)
    lacking = _newly_missing(table, encoder, positions)
    targets, weight = None, None
    column = read.target if read.target is not None or target_at is None else table.column(target_at)
    if column is not None:
        targets, note = _targets(encoder, column, partial)
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


def _newly_missing(table: pa.Table, encoder: Encoder, positions: Sequence[int]) -> list[str]:
    """What is said of cells that are missing here, and never were in training."""
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


def read_new(encoder: Encoder, source: Any, reading: Reading = AS_FOUND) -> _Read:
    """The table of a new source, with text where the training table had text, and what is beside it."""
    if isinstance(source, (str, Path)):
        name = str(source)
        if name.startswith("example:"):
            table, notes = example(name.removeprefix("example:"))
            return _Read(table, name, notes)
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            return _read_arrays(encoder, _arrays_of_file(path), path.name)
        table, notes = _read_file(encoder, path, reading)
        return _Read(table, path.name, notes)
    if is_frame(source):
        if getattr(source, "ndim", 2) == 1 and set(encoder.names) & set(
            map(str, getattr(source, "index", ()))
        ):
            raise Refusal(
                "new rows must be a data frame; got one row of it. Use frame.iloc[[0]], not frame.iloc[0]."
            )
        table, notes = table_of_frame(source, _unused(encoder))
        return _Read(table, "data frame", notes)
    if is_pair(source):
        return _read_pair(encoder, source)
    if isinstance(source, tuple) and len(source) in (2, 3):
        return _read_arrays(encoder, source, "arrays")
    return _read_arrays(encoder, (source,), "array")


def _read_file(encoder: Encoder, path: Path, reading: Reading) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a file, with text where the training table had text."""
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
    """Which of the names of a new table have no role, so that they may hold anything."""
    roles = (*(column.index for column in encoder.columns), encoder.target, encoder.weight)
    used = {plain_name(encoder.names[index]) for index in roles if index is not None}

    def unused(names: Sequence[str]) -> Collection[int]:
        return [index for index, name in enumerate(names) if encoder.header and plain_name(name) not in used]

    return unused


def _read_pair(encoder: Encoder | None, source: tuple[Any, ...]) -> _Read:
    """A frame with its target and sample weights beside it, or named among its columns."""
    named = {plain_name(one) for one in source[1:] if isinstance(one, str)}
    numbered = any(isinstance(one, int) for one in source[1:])  # numbers count the columns that are there
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
    return _Read(table, "data frame", notes, beside.get("target"), beside.get("sample_weight"))


def _read_arrays(encoder: Encoder, source: Sequence[Any], name: str) -> _Read:
    """Arrays as columns by count, as a file without a header has them."""
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
    return _Read(table, name, (), target, weight)


def _targets(
    encoder: Encoder, column: pa.ChunkedArray, partial: bool = False
) -> tuple[NDArray[Any] | None, list[str]]:
    """The targets of new rows with notes; where some are missing, none, or -1 and NaN there if `partial`."""
    said = called(encoder.names, encoder.target or 0)
    if partial and 0 < column.null_count < len(column):
        known, notes = _targets(encoder, column.drop_null())
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


def _arrays_of_file(path: Path) -> tuple[Any, Any, Any]:
    """Inputs, and targets and sample weights where the file has them."""
    if path.suffix.lower() == ".npy":
        return read_array(path), None, None
    with open_npz(path) as held:
        inputs, targets, weights = (
            next((held[key] for key in keys if key in held), None)
            for keys in (INPUT_KEYS, TARGET_KEYS, WEIGHT_KEYS)
        )
        if inputs is None:
            raise Refusal(
                f"{path.name} must have the inputs as {' or '.join(INPUT_KEYS)}; got {', '.join(held.names)}."
            )
    return inputs, targets, weights


def _beside(source: Any, reading: Reading) -> tuple[str, Any, Any, Any]:
    """What it is called, inputs, and targets and sample weights where there are any."""
    if isinstance(source, (str, Path)):
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            return path.name, *_arrays_of_file(path)
        return path.name, _matrix(read_table(path, reading)[0]), None, None
    if is_frame(source):
        return "data frame", _matrix(table_of_frame(source)[0]), None, None
    if is_pair(source):
        read = _read_pair(None, source)
        target, weight = (
            None if column is None else np.asarray(column.to_numpy()) for column in (read.target, read.weight)
        )
        return "data frame", _matrix(read.table), target, weight
    if isinstance(source, tuple) and len(source) in (2, 3):
        return "arrays", *source, *[None] * (3 - len(source))
    return "array", source, None, None


def new_arrays(source: Any, task: Task, shape: tuple[int, ...], dtype: Any, target_name: str) -> Dataset:
    """New samples of arrays, of an `.npy` or an `.npz` file, kept as `dtype` as the training samples are."""
    return _new_arrays(_beside(source, AS_FOUND), task, shape, target_name, dtype)


def _new_arrays(
    given: tuple[str, Any, Any, Any],
    task: Task | None,
    shape: tuple[int, ...] | None,
    target_name: str,
    dtype: Any,
) -> Dataset:
    name, inputs, targets, weights = given
    notes: tuple[str, ...] = ()
    if shape is not None and dtype is not None:
        inputs, notes = as_kept(np.asarray(inputs), shape, np.dtype(dtype))
    inputs, at = np.asarray(inputs), _column_of(target_name)
    if targets is None and at is not None and shape is not None and inputs.shape[1:] == (shape[0] + 1,):
        inputs, targets = np.delete(inputs, at, axis=1), inputs[:, at]
    values = inputs_of_array(inputs, least=1, dtype=dtype)
    if shape is not None and values.shape[1:] != tuple(shape):
        raise Refusal(f"new samples must have the shape {tuple(shape)} each; got {values.shape[1:]}.")
    made = dataset_of_arrays(
        values,
        None if task is None else targets,
        weights,
        task=task,
        source=name,
        target_name=target_name or "target",
        least=1,
        dtype=dtype,
    )
    return replace(made, noticed=(*notes, *made.noticed))


def _column_of(target_name: str) -> int | None:
    """Where a numbered target column is, from 0; None for a target that was no column."""
    found = re.fullmatch(r"column (\d+)", target_name)
    return None if found is None else int(found[1]) - 1


def _matrix(table: pa.Table) -> NDArray[Any]:
    columns = []
    for index, column in enumerate(table.columns):
        said = called(table.column_names, index)
        columns.append(np.concatenate([to_numbers(chunk, said) for chunk in column.chunks]))
    return np.column_stack(columns)
