"""The samples of plain arrays, in memory or in .npy and .npz files: inputs, labels, numbers."""

from __future__ import annotations

import numbers
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.text import shortlist
from epochal.data.columns import ColumnReference, default_name, resolve
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.npy import npy_header, read_archive, read_array
from epochal.data.images.pixel_arrays import channels_last, channels_of, described
from epochal.data.lazy import FileArray, LazyArray, sampled, streams, streams_note
from epochal.data.tables.frames import is_missing
from epochal.data.tables.target import (
    class_ids,
    known_ids,
    recognize_task,
    target_numbers,
    targets_of,
    weights_of,
)
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
        features: names of the columns of 2-d inputs; numbered from 1 by default.
        owned: whether `inputs` was made for this dataset, so that it is writeable.
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
        given = np.asarray(sample_weight)
        same_length("sample_weight", given, len(values))
        if given.ndim != 1 or given.dtype.kind not in "buif":
            raise Refusal(f"`sample_weight` must be one number per sample; got {given.dtype} {given.shape}.")
        column = pa.array(given.astype(np.float64), from_pandas=True)
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
    shape, dtype, fortran, _ = header = npy_header(path)
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
        inputs = rows = FileArray(path, header, dtype, without=at)
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


def of_objects(array: NDArray[Any]) -> NDArray[Any]:
    """An array of objects as numbers or booleans, if all of them are; None is missing.

    Others are returned unchanged.

    >>> of_objects(np.array([1, None, 2.5], object)).tolist(), of_objects(np.array([True], object)).dtype
    ([1.0, nan, 2.5], dtype('bool'))
    """
    if array.dtype.kind != "O":
        return array
    kinds = {type(value) for value in array.flat}
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    if not all(kind is type(None) or issubclass(kind, (numbers.Real, np.bool_)) for kind in kinds):
        return array
    whole = all(issubclass(kind, numbers.Integral) for kind in kinds)
    return array.astype(np.int64 if whole else np.float64)


def check_numbers(name: str, array: NDArray[Any]) -> None:
    """Refuse an array of anything but numbers and booleans."""
    if array.dtype.kind in "buif":
        return
    kinds = {"O": "objects", "c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "V": "records"}
    got = kinds.get(array.dtype.kind, str(array.dtype))
    raise Refusal(
        f"{name} must be an array of numbers; got {got} ({array.dtype}). Use a data frame for mixed columns."
    )


def same_length(name: str, array: NDArray[Any], samples: int) -> None:
    """Refuse an array without one entry for each sample."""
    got = len(array) if array.ndim else 0
    if got != samples:
        raise Refusal(f"{name} must have one entry for each of the {samples:,} samples; got {got:,}.")


def array_targets(
    targets: NDArray[Any], samples: int, task: str | Task | None, name: str
) -> tuple[NDArray[Any], Task, list[str]]:
    """The stored targets, the task, and notes; `task` is requested, or known from training."""
    targets = _plain_targets(targets, samples)
    if isinstance(task, Task):
        labels, read = _known_targets(targets, task, name)
        return labels, task, read
    if targets.ndim == 1:
        column = _column(targets)
        found, note = recognize_task(column, f'"{name}"', task)
        return targets_of(column, found, name), found, [note]
    flags = bool(((targets == 0) | (targets == 1)).all())
    if flags and task not in ("multilabel", "regression") and (targets.sum(axis=1) == 1).all():
        column = _column(targets.argmax(axis=1))
        found, note = recognize_task(column, f'"{name}"', task or "classification")
        one_hot = (
            f"each row of the {targets.shape[1]} target columns has exactly one 1: columns are classes; "
            '`task="multilabel"` makes labels of them.'
        )
        return class_ids(column, found, name), found, [one_hot, note]
    if flags and task in (None, "classification", "multilabel"):
        return _label_matrix(targets, name)
    if task not in (None, "regression"):
        due = "0 and 1 in each column" if task == "multilabel" else "one class label per sample"
        got, use, what = "rows of several or no ones", "multilabel", "labels"
        if not flags:
            got, use, what = _odd(targets), "regression", "several numbers"
        raise Refusal(
            f"targets must be {due} for the task {task}; got {got} in {targets.shape[1]:,} columns. "
            f"Use {option('task', use)} for {what}."
        )
    other = ' `task="multilabel"` makes labels of them.' if flags else ""
    note = f"{targets.shape[1]} targets: regression, one number each.{other}"
    found = Task("regression", targets=targets.shape[1])
    return np.ascontiguousarray(targets, dtype=np.float64), found, [note]


def _odd(targets: NDArray[Any]) -> str:
    return f"{targets[(targets != 0) & (targets != 1)][0]:g}"


def _label_matrix(targets: NDArray[Any], name: str) -> tuple[NDArray[Any], Task, list[str]]:
    """Multilabel targets: rows of 0 and 1, a label per column."""
    rows, width = targets.shape
    task = Task("multilabel", tuple(f"{name} {k + 1}" for k in range(width)), width)
    counts = targets.sum(axis=0).astype(int)
    shown = shortlist((f"{count:,}" for count in counts), 10, quote="")
    fewest, most = int(targets.sum(axis=1).min()), int(targets.sum(axis=1).max())
    ones = f"{most if fewest == most else f'{fewest} to {most}'} one{'s' * (most != 1)}"
    notes = [
        f"{width} target columns of 0 and 1, rows with {ones}: labels (multilabel), log loss "
        f"of each label, ones: {shown} of {rows:,}; samples are held out at random, not stratified. "
        '`task="regression"` takes the numbers as they are.'
    ]
    constant = np.flatnonzero((counts == 0) | (counts == rows))
    if len(constant):
        which = shortlist((k + 1 for k in constant), 10, quote="")
        what = f"column {which} is" if len(constant) == 1 else f"columns {which} are"
        notes.append(f"target {what} the same in all samples: there is nothing to learn there.")
    return np.ascontiguousarray(targets, dtype=np.float32), task, notes


def _known_targets(targets: NDArray[Any], task: Task, name: str) -> tuple[NDArray[Any], list[str]]:
    numbers_of_each = task.is_classification and targets.ndim == 2 and targets.dtype.kind in "buif"
    if numbers_of_each and (targets.sum(axis=1) == 1).all():
        targets = targets.argmax(axis=1)
    wanted = targets.shape[:1] if task.targets == 1 else (len(targets), task.targets)
    if targets.shape != wanted:
        s = "s" * (task.targets > 1)
        each = {"multilabel": f"label{s} (0 or 1)", "regression": f"number{s}"}.get(task.kind, "class label")
        raise Refusal(f"targets must be {task.targets} {each} per sample; got the shape {targets.shape}.")
    if task.is_multilabel and not ((targets == 0) | (targets == 1)).all():
        raise Refusal(f"targets must be 0 or 1 for each label; got {_odd(targets)}.")
    if targets.ndim == 2:
        return np.ascontiguousarray(targets, dtype=np.float32 if task.is_multilabel else np.float64), []
    column = _column(targets)
    if task.is_classification:
        return known_ids(column, task, f'"{name}"')
    return target_numbers(column, name), []


def _column(targets: NDArray[Any]) -> pa.ChunkedArray:
    if targets.dtype.kind in "UT":
        return pa.chunked_array([pa.array(targets.tolist())])
    native = np.float32 if targets.dtype == np.float16 else targets.dtype.newbyteorder("=")
    return pa.chunked_array([pa.array(targets.astype(native, copy=False))])


def _plain_targets(targets: NDArray[Any], samples: int) -> NDArray[Any]:
    """Targets without a second axis of length 1: `(n,)`, or `(n, m)` numbers."""
    same_length("targets", targets, samples)
    targets = of_objects(targets)
    if targets.dtype.kind == "O" and targets.ndim == 1:
        if lacking := [row for row, value in enumerate(targets) if is_missing(value)]:
            raise Refusal(
                f"targets must be known for each sample; got {targets[lacking[0]]} in row {lacking[0] + 1:,} "
                f"({len(lacking):,} of {samples:,} values). Leave those samples out."
            )
        # Intervals of `pandas.cut` and periods are classes by their names.
        if all(isinstance(one, str) or type(one).__name__ in ("Interval", "Period") for one in targets):
            targets = targets.astype(str)
    if targets.dtype.kind not in "UT":
        check_numbers("targets", targets)
    if targets.dtype.kind == "f":
        infinite = np.argwhere(~np.isfinite(targets))
        if len(infinite):
            row = int(infinite[0][0])
            raise Refusal(
                f"targets must be finite; got {targets[row]} in row {row + 1:,} ({len(infinite):,} of "
                f"{samples:,} values). Leave those samples out."
            )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1 and (targets.ndim != 2 or targets.dtype.kind in "UT"):
        raise Refusal(f"targets must be (samples,) or (samples, m) numbers; got the shape {targets.shape}.")
    return targets
