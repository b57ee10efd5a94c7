"""How are new rows encoded as the training table was?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.arrays import INPUT_KEYS, TARGET_KEYS, dataset_of_arrays, inputs_of_array
from epochal.data.columns import called, default_name
from epochal.data.dataset import Dataset, Task, fingerprint
from epochal.data.encode import encode, to_numbers
from epochal.data.examples import example
from epochal.data.frames import is_frame, table_of_frame
from epochal.data.load import ARRAY_SUFFIXES
from epochal.data.read import existing, read_table
from epochal.data.schema import Column, Encoder
from epochal.data.sniff import MISSING, sniff
from epochal.data.table import release_memory, weights_of
from epochal.data.target import class_ids, target_numbers
from epochal.errors import Refusal

__all__ = ["encode_new"]


def encode_new(
    encoder: Encoder | None,
    source: Any,
    *,
    task: Task | None = None,
    shape: tuple[int, ...] | None = None,
    target_name: str = "",
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] = MISSING,
) -> Dataset:
    """New samples, encoded as those that the network was trained on; with targets if they have any.

    Columns may come in another order; columns that were no input are ignored. Rows are never left out: a
    missing target makes all of them unlabeled.

    Args:
        encoder: the training table's; None if it was trained on plain arrays.
        source: as for `load`, with or without the target.
        task: what is predicted, where `encoder` is None.
        shape: the shape of one sample's inputs, where `encoder` is None.
        target_name: what the target was called, where `encoder` is None: "column 3" of an `.npy` file.
        header: whether a text table has one; recognized by default.
        delimiter: what separates a text table's fields; recognized by default.
        missing: the cells of a text table that mean a missing value.

    Raises:
        Refusal: a column is missing or holds another kind of value (with its row); or no rows.
    """
    if encoder is None:
        return _new_arrays(source, task, shape, target_name, header, delimiter, missing)
    table, notes, name = _table(encoder, source, header, delimiter, missing)
    positions, target, said = _match(encoder, table.column_names)
    if not table.num_rows:
        raise Refusal(f"{name} must have at least 1 row to predict; got 0.")
    inputs, unseen = encode(table, encoder, positions)
    targets = None
    if target is not None:
        targets, note = _targets(encoder, table.column(target))
        said += note
    weight = None
    if encoder.weight is not None and targets is not None:
        at = {name: index for index, name in enumerate(table.column_names)}.get(encoder.names[encoder.weight])
        weight = None if at is None else weights_of(table.column(at), called(encoder.names, encoder.weight))
    rows = table.num_rows
    del table
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
        notes=(*notes, *said, *unseen),
        rows=np.arange(1, rows + 1, dtype=np.int64),
        sample_weight=weight,
        fingerprint=fingerprint((*encoder.features, encoder.target_name), inputs, targets, weight),
    )


def _table(
    encoder: Encoder, source: Any, header: bool | None, delimiter: str | None, missing: Collection[str]
) -> tuple[pa.Table, tuple[str, ...], str]:
    if isinstance(source, (str, Path)):
        name = str(source)
        if name.startswith("example:"):
            return *example(name.removeprefix("example:")), name
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            inputs, targets = _arrays_of_file(path)
            return _table_of_array(encoder, inputs, targets), (), path.name
        if path.suffix.lower() in (".parquet", ".pq"):
            return *read_table(path), path.name
        dialect = sniff(path, delimiter, header, missing)
        if header is None:
            first = sniff(path, dialect.delimiter, True, missing).names if encoder.header else ()
            known = {encoder.names[column.index] for column in encoder.columns}
            header = bool(known & set(first)) or (dialect.header and not encoder.header)
            if (
                encoder.header
                and not header
                and len(first) not in (len(encoder.names), len(encoder.names) - 1)
            ):
                header = dialect.header
            dialect = sniff(path, dialect.delimiter, header, missing)
        positions, target, _ = _match(encoder, dialect.names)
        text = [dialect.names[at] for at, c in zip(positions, encoder.columns, strict=True) if c.text]
        text += [dialect.names[target]] if target is not None and encoder.target_text else []
        table, notes = read_table(path, dialect.delimiter, header, missing, text)
        return table, notes, path.name
    if is_frame(source):
        return table_of_frame(source), (), "data frame"
    if isinstance(source, tuple) and source and is_frame(source[0]):
        return table_of_frame(source[0]), (), "data frame"
    if isinstance(source, tuple) and len(source) == 2:
        return _table_of_array(encoder, np.asarray(source[0]), np.asarray(source[1])), (), "arrays"
    return _table_of_array(encoder, np.asarray(source), None), (), "array"


def _table_of_array(encoder: Encoder, inputs: NDArray[Any], targets: NDArray[Any] | None) -> pa.Table:
    """An array's columns by count, as a file without a header has them."""
    if inputs.ndim != 2 or inputs.dtype.kind not in "buif":
        raise Refusal(
            f"new samples must be (samples, {len(encoder.names)}) numbers or a table; got {inputs.dtype} "
            f"of the shape {inputs.shape}."
        )
    arrays = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in inputs.T]
    names = [default_name(index) for index in range(len(arrays))]
    if targets is not None and encoder.target is not None:
        arrays.insert(encoder.target, pa.array(targets, from_pandas=True))
        names.append(default_name(len(names)))
    return pa.Table.from_arrays(arrays, names=names)


def _match(encoder: Encoder, names: Sequence[str]) -> tuple[list[int], int | None, list[str]]:
    """Where the new table has each input column and the target; and what was ignored."""
    numbered = list(names) == [default_name(index) for index in range(len(names))]
    if numbered and (not encoder.header or len(names) in (len(encoder.names), len(encoder.names) - 1)):
        return _match_by_count(encoder, len(names))
    at = {name: index for index, name in enumerate(names)}
    lacking = [column for column in encoder.columns if column.name not in at]
    if lacking:
        _refuse_lacking(encoder, lacking, names)
    target = at.get(encoder.target_name) if encoder.target is not None else None
    extra = [name for name in names if name not in encoder.names]
    said = []
    if extra:
        shown = ", ".join(f'"{name}"' for name in extra[:5]) + (", …" if len(extra) > 5 else "")
        which = f"column {shown} was" if len(extra) == 1 else f"columns {shown} were"
        said.append(f"{which} not in the training table: ignored.")
    return [at[column.name] for column in encoder.columns], target, said


def _match_by_count(encoder: Encoder, count: int) -> tuple[list[int], int | None, list[str]]:
    full = len(encoder.names)
    said = ["columns are matched by position, having no names."] if encoder.header else []
    if count == full:
        return [column.index for column in encoder.columns], encoder.target, said
    if encoder.target is not None and count == full - 1:
        target = encoder.target
        return [column.index - (column.index > target) for column in encoder.columns], None, said
    bound = (
        f"{full:,} columns, or {full - 1:,} without the target,"
        if encoder.target is not None
        else f"{full:,} columns"
    )
    raise Refusal(f"the new table must have {bound} as the training table had; got {count:,}.")


def _refuse_lacking(encoder: Encoder, lacking: Sequence[Column], names: Sequence[str]) -> None:
    shown = ", ".join(f'"{column.name}"' for column in lacking[:5])
    more = f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
    near = difflib.get_close_matches(lacking[0].name, list(names), n=1, cutoff=0.6)
    hint = (
        f' Is "{near[0]}" the first of them? Rename it.'
        if near
        else " Add them, or train without them (--drop)."
    )
    raise Refusal(
        f"the new table must have the {len(encoder.columns):,} input columns of the training table; "
        f"it lacks {shown}{more}.{hint}"
    )


def _targets(encoder: Encoder, column: pa.ChunkedArray) -> tuple[NDArray[Any] | None, list[str]]:
    said = called(encoder.names, encoder.target or 0)
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
    return (class_ids(column, task, said) if task.is_classification else target_numbers(column, said)), []


def _arrays_of_file(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
        held = np.load(path, allow_pickle=False)
        if not hasattr(held, "files"):
            return held, None
        inputs = next((held[key] for key in INPUT_KEYS if key in held), None)
        targets = next((held[key] for key in TARGET_KEYS if key in held), None)
    except (OSError, ValueError, EOFError) as error:
        raise Refusal(f"{path.name} can't be read as NumPy arrays: {error}.") from error
    if inputs is None:
        raise Refusal(
            f"{path.name} must have the inputs as {' or '.join(INPUT_KEYS)}; got {', '.join(held.files)}."
        )
    return inputs, targets


def _new_arrays(
    source: Any,
    task: Task | None,
    shape: tuple[int, ...] | None,
    target_name: str,
    header: bool | None,
    delimiter: str | None,
    missing: Collection[str],
) -> Dataset:
    name, targets = "array", None
    if isinstance(source, (str, Path)):
        path = existing(source)
        name = path.name
        if path.suffix.lower() in ARRAY_SUFFIXES:
            inputs, targets = _arrays_of_file(path)
        else:
            inputs = _matrix(read_table(path, delimiter, header, missing)[0])
    elif is_frame(source):
        name, inputs = "data frame", _matrix(table_of_frame(source))
    elif isinstance(source, tuple) and len(source) in (2, 3):
        inputs, targets = np.asarray(source[0]), np.asarray(source[1])
    else:
        inputs = np.asarray(source)
    at = _column_of(target_name)
    if targets is None and at is not None and shape is not None and inputs.shape[1:] == (shape[0] + 1,):
        inputs, targets = np.delete(inputs, at, axis=1), inputs[:, at]
    values = inputs_of_array(inputs, least=1)
    if shape is not None and values.shape[1:] != tuple(shape):
        raise Refusal(f"new samples must have the shape {tuple(shape)} each; got {values.shape[1:]}.")
    found = dataset_of_arrays(values, source=name, least=1)
    if targets is None or task is None:
        return found
    column = pa.chunked_array([pa.array(targets.tolist() if targets.dtype.kind in "UT" else targets)])
    labels = class_ids(column, task, "target") if task.is_classification else target_numbers(column, "target")
    return replace(found, targets=labels, task=task, target_name=target_name or "target")


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
