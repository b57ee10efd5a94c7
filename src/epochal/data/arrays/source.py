"""Arrays as a source of samples, in memory or in `.npy` and `.npz` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epochal.data.arrays.arrays import dataset_of_arrays, read_npy, read_npz
from epochal.data.arrays.new import new_arrays
from epochal.data.columns import ColumnReference
from epochal.data.dataset import Dataset
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing
from epochal.data.images.pixel_arrays import channels_last
from epochal.data.rows import FileRows
from epochal.data.source import Progress, Source, refuse_columns
from epochal.data.streams.large import rows_of_array, streams, streams_note
from epochal.data.tables.frames import is_frame


def _is_arrays(source: Any) -> bool:
    """Whether it is a NumPy file, `(X, y)` or `(X, y, sample_weight)`."""
    if isinstance(source, str | Path):
        return Path(source).suffix.lower() in ARRAY_SUFFIXES
    several = isinstance(source, tuple | list) and 2 <= len(source) <= 3 and not is_frame(source[0])
    return several and all(hasattr(part, "__len__") for part in source)


def _load(source: Any, arguments: Mapping[str, Any], progress: Progress | None) -> Dataset:
    if not isinstance(source, str | Path):
        refuse_columns(arguments, "arrays")
        return _of_arrays(source, arguments.get("task"), arguments.get("stream"))
    path = existing(source)
    packed = path.suffix.lower() == ".npz"
    refuse_columns(arguments, path.name, target=packed)
    if packed:
        return read_npz(path, arguments.get("task"))
    return read_npy(path, arguments.get("target"), arguments.get("task"), arguments.get("stream"))


def _of_arrays(source: Sequence[Any], task: str | None, stream: bool | None) -> Dataset:
    """`(X, y)` or `(X, y, sample_weight)`; a large or memory-mapped X may be streamed."""
    inputs = source[0]
    if not isinstance(inputs, np.ndarray) or inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        return dataset_of_arrays(*source, task=task)
    values = 1 if inputs.dtype == np.uint8 and inputs.ndim > 2 else 4
    if not streams(inputs.size * values, stream):
        return dataset_of_arrays(*source, task=task)
    inputs, moved = channels_last(inputs)
    rows = rows_of_array(inputs)
    where = rows.path.name if isinstance(rows, FileRows) else "the array"
    said = (*moved, streams_note(rows, where))
    return dataset_of_arrays(rows, *source[1:], task=task, source=where, said=said)


ARRAYS = Source(
    recognizes=_is_arrays,
    load=_load,
    options={"target": ColumnReference, "task": str, "stream": bool},
    encode_new=lambda _, source, known: new_arrays(source, known),
)
