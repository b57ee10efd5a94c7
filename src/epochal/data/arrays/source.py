"""Arrays as a source of samples: in memory, or in `.npy` and `.npz` files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from epochal.data.arrays.arrays import arrays_of_file, dataset_of_arrays, inputs_of_array, read_npy
from epochal.data.columns import ColumnReference, called
from epochal.data.dataset import Dataset
from epochal.data.files.npy import ARRAY_SUFFIXES, npy_header
from epochal.data.files.read import existing
from epochal.data.files.reading import Reading
from epochal.data.images.pixel_arrays import as_kept, channels_last
from epochal.data.lazy import FileArray, lazy_array, streams, streams_note
from epochal.data.source import DataSource, ProgressCallback, TrainingContext, refuse_columns
from epochal.data.tables.encode import to_numbers
from epochal.data.tables.frames import is_frame, is_pair, named_table
from epochal.data.tables.new_rows import frame_beside
from epochal.errors import Refusal


def _is_arrays(source: Any) -> bool:
    if isinstance(source, str | Path):
        return Path(source).suffix.lower() in ARRAY_SUFFIXES
    several = isinstance(source, tuple | list) and 2 <= len(source) <= 3 and not is_frame(source[0])
    return several and all(hasattr(part, "__len__") for part in source)


def _load(source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    if not isinstance(source, str | Path):
        refuse_columns(arguments, "arrays")
        return _of_arrays(source, arguments.get("task"), arguments.get("stream"))
    path, task = existing(source), arguments.get("task")
    packed = path.suffix.lower() == ".npz"
    refuse_columns(arguments, path.name, target=packed)
    if not packed:
        return read_npy(path, arguments.get("target"), task, arguments.get("stream"))
    if not zipfile.is_zipfile(path):
        npy_header(path)  # refuses other formats by name
        raise Refusal(f"{path.name} must be an archive of arrays; got a single one. Call it .npy.")
    return dataset_of_arrays(*arrays_of_file(path, labeled=True), task=task, source=path.name, owned=True)


def _of_arrays(source: Sequence[Any], task: str | None, stream: bool | None) -> Dataset:
    """`(X, y)` or `(X, y, sample_weight)`; a large or memory-mapped X may be streamed."""
    inputs = source[0]
    numbers = isinstance(inputs, np.ndarray) and inputs.ndim > 1 and inputs.dtype.kind in "buif"
    if not numbers or not streams(
        inputs.size * (1 if inputs.dtype == np.uint8 and inputs.ndim > 2 else 4), stream
    ):
        return dataset_of_arrays(*source, task=task)
    inputs, moved = channels_last(inputs)
    rows = lazy_array(inputs)
    where = rows.path.name if isinstance(rows, FileArray) else "the array"
    notes = (*moved, streams_note(rows, where))
    return dataset_of_arrays(rows, *source[1:], task=task, source=where, remarks=notes)


def new_arrays(source: Any, context: TrainingContext) -> Dataset:
    """New samples from arrays or their files, as `context.dtype` like the training samples."""
    if (streamed := _rows_of_file(source, context)) is not None:
        return streamed
    task, shape, dtype = context.task, context.shape, context.dtype
    name, inputs, targets, weights = _parts(source, context.reading)
    notes: tuple[str, ...] = ()
    if shape is not None and dtype is not None:
        inputs, notes = as_kept(np.asarray(inputs), shape, np.dtype(dtype))
    inputs, at = np.asarray(inputs), _column_of(context.target_name)
    if targets is None and at is not None and shape is not None and inputs.shape[1:] == (shape[0] + 1,):
        inputs, targets = np.delete(inputs, at, axis=1), inputs[:, at]
    values = inputs_of_array(inputs, fewest=1, dtype=dtype)
    if shape is not None and values.shape[1:] != tuple(shape):
        raise Refusal(f"new samples must have the shape {tuple(shape)} each; got {values.shape[1:]}.")
    made = dataset_of_arrays(
        values,
        None if task is None else targets,
        weights,
        task=task,
        source=name,
        target_name=context.target_name or "target",
        fewest=1,
        dtype=dtype,
    )
    return replace(made, raw_notes=(*notes, *made.raw_notes))


def _rows_of_file(source: Any, context: TrainingContext) -> Dataset | None:
    """The rows of an `.npy` file that stay in it; None if it is small or must be read as a whole."""
    if not isinstance(source, str | Path) or Path(source).suffix.lower() != ".npy" or context.stream is False:
        return None
    path, shape = existing(source), context.shape
    header, at = npy_header(path), _column_of(context.target_name)
    if shape is None or header.fortran or header.dtype.kind not in "buif" or not header.shape[0]:
        return None
    kept = np.dtype(np.float32 if context.dtype is None else context.dtype)
    without = at if at is not None and header.shape[1:] == (shape[0] + 1,) else None
    if (without is None and header.shape[1:] != shape) or (kept == np.uint8) != (header.dtype == np.uint8):
        return None
    rows = FileArray(path, header, kept, without=without)
    if not streams(len(rows) * rows.sample_bytes, context.stream):
        return None
    targets = None if without is None or context.task is None else rows.column()
    name = context.target_name or "target"
    return dataset_of_arrays(rows, targets, task=context.task, source=path.name, target_name=name, fewest=1)


def _parts(source: Any, reading: Reading) -> tuple[str, Any, Any, Any]:
    """The name of a source, its inputs, and its targets and weights, if any."""
    if isinstance(source, str | Path) and (path := existing(source)).suffix.lower() in ARRAY_SUFFIXES:
        return path.name, *arrays_of_file(path)
    read = frame_beside(None, source) if is_pair(source) else named_table(source, reading)
    if read is not None:
        columns = [
            np.concatenate(
                [to_numbers(chunk, called(read.table.column_names, at)) for chunk in column.chunks]
            )
            for at, column in enumerate(read.table.columns)
        ]
        target, weight = (None if one is None else one.to_numpy() for one in (read.target, read.weight))
        return read.name, np.column_stack(columns), target, weight
    if isinstance(source, tuple) and len(source) in (2, 3):
        return "arrays", *source, *[None] * (3 - len(source))
    return "array", source, None, None


def _column_of(target_name: str) -> int | None:
    """The index of a numbered target column; None for a target that was no column."""
    found = re.fullmatch(r"column (\d+)", target_name)
    return None if found is None else int(found[1]) - 1


ARRAYS = DataSource(
    recognizes=_is_arrays,
    load=_load,
    options={"target": ColumnReference, "task": str, "stream": bool},
    transform=lambda _, source, context: new_arrays(source, context),
)
