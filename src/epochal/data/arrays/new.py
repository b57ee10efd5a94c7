"""New samples that are arrays, kept as the training samples are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.data.arrays.arrays import arrays_of_file, dataset_of_arrays, inputs_of_array
from epochal.data.columns import called
from epochal.data.dataset import Dataset
from epochal.data.files.npy import ARRAY_SUFFIXES, npy_header
from epochal.data.files.read import existing, read_table
from epochal.data.files.reading import Reading
from epochal.data.images.pixel_arrays import as_kept
from epochal.data.rows import FileRows
from epochal.data.source import Known
from epochal.data.streams.large import streams
from epochal.data.tables.encode import to_numbers
from epochal.data.tables.frames import is_frame, is_pair, table_of_frame
from epochal.data.tables.new import frame_beside
from epochal.errors import Refusal


def new_arrays(source: Any, known: Known) -> Dataset:
    """New samples from arrays or their files, as `known.dtype` like the training samples."""
    rows = _rows_of_file(source, known)
    if rows is not None:
        return rows
    task, shape, dtype = known.task, known.shape, known.dtype
    name, inputs, targets, weights = _parts(source, known.reading)
    notes: tuple[str, ...] = ()
    if shape is not None and dtype is not None:
        inputs, notes = as_kept(np.asarray(inputs), shape, np.dtype(dtype))
    inputs, at = np.asarray(inputs), _column_of(known.target_name)
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
        target_name=known.target_name or "target",
        least=1,
        dtype=dtype,
    )
    return replace(made, noticed=(*notes, *made.noticed))


def _rows_of_file(source: Any, known: Known) -> Dataset | None:
    """The rows of an `.npy` file that stay in it; None if it is small or must be read as a whole."""
    if not isinstance(source, str | Path) or Path(source).suffix.lower() != ".npy" or known.stream is False:
        return None
    path, shape = existing(source), known.shape
    header, at = npy_header(path), _column_of(known.target_name)
    if shape is None or header.fortran or header.dtype.kind not in "buif" or not header.shape[0]:
        return None
    kept = np.dtype(np.float32 if known.dtype is None else known.dtype)
    without = at if at is not None and header.shape[1:] == (shape[0] + 1,) else None
    if (without is None and header.shape[1:] != shape) or (kept == np.uint8) != (header.dtype == np.uint8):
        return None
    rows = FileRows(path, header.shape, header.dtype, header.offset, without=without, kept=kept)
    if not streams(len(rows) * rows.sample_bytes, known.stream):
        return None
    targets = None if without is None or known.task is None else rows.column(without)
    name = known.target_name or "target"
    return dataset_of_arrays(rows, targets, task=known.task, source=path.name, target_name=name, least=1)


def _parts(source: Any, reading: Reading) -> tuple[str, Any, Any, Any]:
    """The source's name, its inputs, and targets and sample weights if there are any."""
    if isinstance(source, (str, Path)):
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            return path.name, *arrays_of_file(path)
        return path.name, _matrix(read_table(path, reading)[0]), None, None
    if is_frame(source):
        return "data frame", _matrix(table_of_frame(source)[0]), None, None
    if is_pair(source):
        read = frame_beside(None, source)
        target, weight = (
            None if column is None else np.asarray(column.to_numpy()) for column in (read.target, read.weight)
        )
        return "data frame", _matrix(read.table), target, weight
    if isinstance(source, tuple) and len(source) in (2, 3):
        return "arrays", *source, *[None] * (3 - len(source))
    return "array", source, None, None


def _column_of(target_name: str) -> int | None:
    """The index of a numbered target column; None for a target that was no column."""
    found = re.fullmatch(r"column (\d+)", target_name)
    return None if found is None else int(found[1]) - 1


def _matrix(table: pa.Table) -> NDArray[Any]:
    columns = []
    for index, column in enumerate(table.columns):
        said = called(table.column_names, index)
        columns.append(np.concatenate([to_numbers(chunk, said) for chunk in column.chunks]))
    return np.column_stack(columns)
