"""The samples of plain arrays, in memory or in .npy and .npz files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.data.arrays.targets import array_targets, check_numbers, of_objects, same_length
from epochal.data.columns import ColumnReference, default_name, resolve
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.npy import npy_header, read_archive, read_array
from epochal.data.images.pixel_arrays import channels_last, channels_of, described
from epochal.data.lazy import FileArray, LazyArray, sampled, streams, streams_note
from epochal.data.tables.target import weights_of
from epochal.data.task import Task
from epochal.data.values.rounding import FEW_VALUES, LARGEST, kept_float
from epochal.errors import Refusal

_BLOCK_VALUES = 1 << 20
INPUT_KEYS = ("X", "x", "inputs", "data")
TARGET_KEYS = ("y", "target", "targets", "labels")
WEIGHT_KEYS = ("sample_weight", "weights")


def dataset_of_arrays(
    inputs: Any,
    targets: Any = None,
    sample_weight: Any = None,
    *,
    task: str | Task | None = None,
    source: str = "arrays",
    target_name: str = "target",
    features: tuple[str, ...] | None = None,
    fewest: int = 2,
    owned: bool = False,
    remarks: tuple[str, ...] = (),
    dtype: Any = None,
) -> Dataset:
    """A dataset of arrays; no column is left out.

    Args:
        inputs: `(n, *shape)`, numbers or booleans; float32 in row-major order is not copied, other numbers
            become float32 unless that would make distinct values equal. NaN is missing. A `LazyArray` stays
            where it is. Bytes (uint8) of three or more dimensions are images: the model sees 0 to 1.
        targets: `(n,)` class labels or numbers, or `(n, m)`: 0 and 1 are labels (one-hot rows are classes),
            anything else is m numbers; None when unlabeled.
        sample_weight: `(n,)`, not negative.
        task: overrides the task recognized from the targets; a `Task` is a known one.
        source: where they came from, in words.
        target_name: the name of the target.
        features: names of the columns of 2-d inputs; numbered from 1 by default.
        fewest: the fewest samples.
        owned: whether `inputs` was made for this dataset, so that it is writeable.
        remarks: further notes.
        dtype: the dtype of the training inputs, if these are new samples.
    """
    moved: tuple[str, ...] = ()
    if isinstance(inputs, LazyArray):
        _enough(inputs.shape, fewest)
        values: Any = inputs
        some = sampled(inputs)
    else:
        inputs, moved = channels_last(np.asarray(inputs))
        values = some = inputs_of_array(inputs, owned=owned or bool(moved), fewest=fewest, dtype=dtype)
    labels, found, weights, notes = None, None, None, list[str]()
    if targets is not None:
        labels, found, notes = array_targets(np.asarray(targets), len(values), task, target_name)
        columns = tuple(map(str, getattr(targets, "columns", ())))
        if found.is_multilabel and not isinstance(task, Task) and 0 < len(columns) == len(set(columns)):
            found = replace(found, classes=columns)
    if sample_weight is not None:
        numbers = np.asarray(sample_weight)
        same_length("sample_weight", numbers, len(values))
        if numbers.ndim != 1 or numbers.dtype.kind not in "buif":
            raise Refusal(
                f"`sample_weight` must be one number per sample; got {numbers.dtype} {numbers.shape}."
            )
        column = pa.array(numbers.astype(np.float64), from_pandas=True)
        weights = weights_of(pa.chunked_array([column]), "sample_weight")
    width = values.shape[1] if values.ndim == 2 else 0
    names = tuple(map(default_name, range(width))) if features is None else features
    notes += (*moved, *described(some))
    if values is some and values.ndim == 2 and np.isnan(values[: 1 << 16]).any():
        notes.append("the inputs have missing values: filled with the median of the training samples.")
    return Dataset(
        inputs=values,
        targets=labels,
        task=found,
        features=names,
        continuous=np.ones(width or channels_of(some), bool),
        target_name=target_name if labels is not None else "",
        source=source,
        raw_notes=(*notes, *remarks),
        row_numbers=np.arange(1, len(values) + 1, dtype=np.int64),
        sample_weight=weights,
        fingerprint=fingerprint((*names, target_name), some, labels, weights),
    )


def _enough(shape: tuple[int, ...], fewest: int) -> None:
    if shape[0] < fewest or 0 in shape:
        raise Refusal(f"inputs must have at least {fewest} samples and 1 feature; got the shape {shape}.")


def inputs_of_array(array: Any, *, owned: bool = False, fewest: int = 2, dtype: Any = None) -> NDArray[Any]:
    """Inputs `(n, *shape)` in row-major order; read-only if they are the caller's memory.

    Bytes of three or more dimensions are images and stay bytes. All else becomes float64 if `dtype` is,
    as for training samples that need it (by default tested here), else float32. Infinite values and fewer
    than two dimensions are refused.
    """
    array = of_objects(np.asarray(array))
    check_numbers("inputs", array)
    if array.ndim < 2:
        raise Refusal(
            f"inputs must have at least 2 dimensions, (samples, features); got {array.shape}. "
            "Use X[:, None] for one feature."
        )
    _enough(array.shape, fewest)
    image = array.dtype == np.uint8 and array.ndim > 2
    stored: np.dtype[Any] = np.dtype(np.uint8 if image else np.float32)
    with np.errstate(over="ignore"):
        if not image and dtype is None:
            stored = kept_float(array)
        elif not image and np.dtype(dtype) == np.float64:
            stored = np.dtype(np.float64)
        values = np.ascontiguousarray(array, dtype=stored)
    step = max(1, _BLOCK_VALUES // (values.size // len(values)))
    for start in range(0, 0 if image else len(values), step):
        infinite = np.abs(values[start : start + step]) > LARGEST
        if infinite.any():
            row, *place = map(int, np.argwhere(infinite)[0])
            at = (start + row, *place)
            where = f"row {at[0] + 1:,}, column {at[1] + 1:,}"
            raise Refusal(
                f"inputs must be finite numbers up to 3.4e38 (float32); got {array[at]} in "
                f"{where if array.ndim == 2 else f'sample {at[0] + 1:,} at {at[1:]}'}. "
                "Correct the value, or use NaN to mark it as missing."
            )
    if np.shares_memory(values, array) and not owned:
        values = values.view()
        values.flags.writeable = False
    return values


def read_npy(
    path: Path, target: ColumnReference | None, task: str | None, stream: bool | None = None
) -> Dataset:
    """The samples of a two-dimensional `.npy` file, with the target in one column, the last by default.

    Read in blocks of rows into one array: nothing else grows with the data. If it is
    large, or `stream` says so, the inputs stay in it.
    """
    shape, dtype, fortran, offset = npy_header(path)
    by_rows = not fortran and dtype.kind in "buif" and len(shape) == 2
    array = np.empty((0, 0)) if by_rows else read_array(path)
    check_numbers(path.name, array)
    if len(shape) != 2 or shape[1] < 2 or shape[0] < 2:
        raise Refusal(
            f"{path.name} must have at least 2 rows and 2 columns, one of them the target; got the shape "
            f"{shape}. Use an .npz file with X and y for other shapes."
        )
    columns = tuple(map(default_name, range(shape[1])))
    at = shape[1] - 1 if target is None else resolve(target, columns, "target")
    inputs: Any
    note: tuple[str, ...] = ()
    if not by_rows:
        inputs, targets = np.delete(array, at, axis=1), array[:, at]
    else:
        inputs = rows = FileArray(path, shape, dtype, offset, without=at, kept=dtype)
        rows.dtype = kept_float(sampled(rows, max(64, FEW_VALUES // shape[1])))
        if streams(rows.sample_bytes * len(rows), stream):
            targets, note = rows.column(), (streams_note(rows, path.name),)
        else:
            inputs = np.empty(rows.shape, rows.dtype)
            targets = rows.column(inputs)
    return dataset_of_arrays(
        inputs,
        targets,
        task=task,
        source=path.name,
        target_name=columns[at],
        features=columns[:at] + columns[at + 1 :],
        owned=True,
        remarks=note,
    )


def arrays_of_file(path: Path, labeled: bool = False) -> tuple[Any, Any, Any]:
    """Inputs, and targets and sample weights if the file has them; targets are required if `labeled`."""
    if path.suffix.lower() == ".npy":
        return read_array(path), None, None
    (inputs, targets, weights), names = read_archive(path, (INPUT_KEYS, TARGET_KEYS, WEIGHT_KEYS))
    for role, keys, array in (("inputs", INPUT_KEYS, inputs), ("targets", TARGET_KEYS, targets)):
        if array is None and (labeled or role == "inputs"):
            found = ", ".join(names) or "nothing"
            raise Refusal(f"{path.name} must have the {role} as {' or '.join(keys)}; got {found}.")
    return inputs, targets, weights
