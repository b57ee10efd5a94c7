"""Which samples do plain arrays hold, in memory or in .npy and .npz files?"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.data.columns import ColumnReference, default_name, resolve
from epochal.data.dataset import Dataset, Task, fingerprint
from epochal.data.known_labels import known_ids
from epochal.data.large import streams, streams_note
from epochal.data.npy import Archive, npy_header, open_npz, read_array
from epochal.data.pandas_columns import is_missing
from epochal.data.pixel_arrays import channels_last, channels_of, described
from epochal.data.rounding import FEW_VALUES, LARGEST, kept_float
from epochal.data.rows import FileRows, Rows, sampled
from epochal.data.table import weights_of
from epochal.data.target import class_ids, recognize_task, target_numbers
from epochal.errors import Refusal

__all__ = ["dataset_of_arrays", "inputs_of_array", "read_npy", "read_npz"]

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
    least: int = 2,
    owned: bool = False,
    said: tuple[str, ...] = (),
    dtype: Any = None,
) -> Dataset:
    """A dataset of arrays as they are: no column is left out.

    Args:
        inputs: `(n, *shape)`, numbers or booleans; float32 in row-major order is not copied, and other
            numbers become float32 unless that would blur what tells their values apart. NaN is missing.
            `Rows` stay where they are.
            Bytes (uint8) of three or more dimensions are images: the model sees 0 to 1.
        targets: `(n,)` class labels or numbers, or `(n, m)`: 0 and 1 are labels (one-hot rows are classes),
            anything else is m numbers; None when unlabeled.
        sample_weight: `(n,)`, not negative.
        task: overrides what is recognized from the targets; a `Task` is one that is known already.
        source: where they came from, in words.
        target_name: what the target is called.
        features: names of the columns of 2-d inputs; numbered from 1 by default.
        least: the fewest samples.
        owned: whether `inputs` was made for this dataset, so that it may be written to.
        said: further notes.
        dtype: what the training inputs were kept as, if these are new samples.

    Raises:
        Refusal: lengths that differ, kinds of values that are no numbers, infinite values, missing targets.
    """
    large = isinstance(inputs, Rows)
    moved: tuple[str, ...] = ()
    if large:
        _enough(inputs.shape, least)
        values: Any = inputs
    else:
        inputs, moved = channels_last(np.asarray(inputs))
        values = inputs_of_array(inputs, owned=owned or bool(moved), least=least, dtype=dtype)
    notes: list[str] = []
    labels, found = None, None
    if targets is not None:
        labels, found, notes = _targets(np.asarray(targets), len(values), task, target_name)
        if found.is_multilabel and not isinstance(task, Task):
            found = replace(found, classes=_label_names(targets) or found.classes)
    weights = None
    if sample_weight is not None:
        given = np.asarray(sample_weight)
        _same_length("sample_weight", given, len(values))
        if given.ndim != 1 or given.dtype.kind not in "buif":
            raise Refusal(f"sample_weight must be one number per sample; got {given.dtype} {given.shape}.")
        weights = weights_of(
            pa.chunked_array([pa.array(given.astype(np.float64), from_pandas=True)]), "sample_weight"
        )
    width = values.shape[1] if values.ndim == 2 else 0
    names = tuple(map(default_name, range(width))) if features is None else features
    notes += (*moved, *described(sampled(values) if large else values))
    if not large and values.ndim == 2 and np.isnan(values[: 1 << 16]).any():
        notes.append("the inputs have missing values: filled with the median of the training samples.")
    return Dataset(
        inputs=values,
        targets=labels,
        task=found,
        features=names,
        continuous=np.ones(width or channels_of(sampled(values) if large else values), bool),
        encoder=None,
        target_name=target_name if labels is not None else "",
        source=source,
        notes=(*notes, *said),
        rows=np.arange(1, len(values) + 1, dtype=np.int64),
        sample_weight=weights,
        fingerprint=fingerprint((*names, target_name), sampled(values) if large else values, labels, weights),
    )


def _enough(shape: tuple[int, ...], least: int) -> None:
    if shape[0] < least or 0 in shape:
        raise Refusal(f"inputs must have at least {least} samples and 1 feature; got the shape {shape}.")


def inputs_of_array(array: Any, *, owned: bool = False, least: int = 2, dtype: Any = None) -> NDArray[Any]:
    """Inputs `(n, *shape)` in row-major order; not writeable if they are the caller's memory.

    Bytes of three or more dimensions are images and stay bytes. All else becomes `dtype` where it is float64,
    as are training samples that float32 would blur (by default looked at here), and else float32.

    Raises:
        Refusal: fewer than `least` samples, fewer than two dimensions, no numbers, or infinite values.
    """
    given = np.asarray(array)
    _numbers("inputs", given)
    if given.ndim < 2:
        raise Refusal(
            f"inputs must have at least 2 dimensions, (samples, features); got {given.shape}. "
            "Use X[:, None] for one feature."
        )
    _enough(given.shape, least)
    with np.errstate(over="ignore"):
        image = given.dtype == np.uint8 and given.ndim > 2
        kept: np.dtype[Any]
        if image:
            kept = np.dtype(np.uint8)
        elif dtype is None:
            kept = kept_float(given)
        else:
            kept = np.dtype(np.float64 if np.dtype(dtype) == np.float64 else np.float32)
        values = np.ascontiguousarray(given, dtype=kept)
    step = max(1, _BLOCK_VALUES // (values.size // len(values)))
    for start in range(0, 0 if image else len(values), step):
        wrong = np.abs(values[start : start + step]) > LARGEST
        if wrong.any():
            _refuse_infinite(given, start, wrong)
    if np.shares_memory(values, given) and not owned:
        values = values.view()
        values.flags.writeable = False
    return values


def _refuse_infinite(given: NDArray[Any], start: int, wrong: NDArray[np.bool_]) -> None:
    place = np.argwhere(wrong)[0]
    at = (start + int(place[0]), *(int(i) for i in place[1:]))
    where = (
        f"row {at[0] + 1:,}, column {at[1] + 1:,}" if given.ndim == 2 else f"sample {at[0] + 1:,} at {at[1:]}"
    )
    raise Refusal(
        f"inputs must be finite numbers up to 3.4e38 (float32); got {given[at]} in {where}. "
        "Correct the value, or use NaN to mark it as missing."
    )


def _numbers(name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind in "buif":
        return
    kinds = {"O": "objects", "c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "V": "records"}
    got = kinds.get(array.dtype.kind, str(array.dtype))
    raise Refusal(
        f"{name} must be an array of numbers; got {got} ({array.dtype}). Use a data frame for mixed columns."
    )


def _same_length(name: str, array: NDArray[Any], samples: int) -> None:
    got = len(array) if array.ndim else 0
    if got != samples:
        raise Refusal(f"{name} must have one entry for each of the {samples:,} samples; got {got:,}.")


def _targets(
    targets: NDArray[Any], samples: int, task: str | Task | None, name: str
) -> tuple[NDArray[Any], Task, list[str]]:
    targets = _plain_targets(targets, samples)
    if isinstance(task, Task):
        labels, read = _known_targets(targets, task, name)
        return labels, task, read
    if targets.ndim == 1:
        column = _column(targets)
        found, note = recognize_task(column, f'"{name}"', task, flags=False)
        labels = class_ids(column, found, name) if found.is_classification else target_numbers(column, name)
        return labels, found, [note]
    flags = bool(((targets == 0) | (targets == 1)).all())
    if flags and task not in ("multilabel", "regression") and _one_hot(targets):
        column = _column(targets.argmax(axis=1))
        found, note = recognize_task(column, f'"{name}"', task or "classification", flags=False)
        said = f"each row of the {targets.shape[1]} target columns has exactly one 1: columns are classes"
        return (
            class_ids(column, found, name),
            found,
            [f"{said}; --task multilabel makes labels of them.", note],
        )
    if flags and task in (None, "classification", "multilabel"):
        return _label_matrix(targets, name)
    if task not in (None, "regression"):
        needed = "0 and 1 in each column" if task == "multilabel" else "one class label per sample"
        odd = "rows of several or no ones" if flags else _odd(targets)
        raise Refusal(
            f"targets must be {needed} for the task {task}; got {odd} in "
            f"{targets.shape[1]:,} columns. Use --task {'multilabel' if flags else 'regression'} for "
            f"{'labels' if flags else 'several numbers'}."
        )
    many = np.ascontiguousarray(targets, dtype=np.float64)
    other = " --task multilabel makes labels of them." if flags else ""
    said = f"{targets.shape[1]} targets: regression, one number each.{other}"
    return many, Task("regression", targets=targets.shape[1]), [said]


def _one_hot(targets: NDArray[Any]) -> bool:
    """Whether each row of 0 and 1 has exactly one 1."""
    return bool((targets.sum(axis=1) == 1).all())


def _odd(targets: NDArray[Any]) -> str:
    """The first value that is neither 0 nor 1."""
    return f"{targets[(targets != 0) & (targets != 1)][0]:g}"


def _label_matrix(targets: NDArray[Any], name: str) -> tuple[NDArray[Any], Task, list[str]]:
    """Rows of 0 and 1, any number of which are 1: each column is a label of its own."""
    rows, width = targets.shape
    task = Task("multilabel", tuple(f"{name} {k + 1}" for k in range(width)), width)
    counts = targets.sum(axis=0).astype(int)
    shown = ", ".join(f"{counts[k]:,}" for k in range(min(width, 10))) + (", …" if width > 10 else "")
    notes = [
        f"{width} target columns of 0 and 1, rows with {_several(targets)}: labels (multilabel), log loss "
        f"of each label, ones: {shown} of {rows:,}; samples are held out at random, not stratified. "
        "--task regression takes the numbers as they are."
    ]
    constant = np.flatnonzero((counts == 0) | (counts == rows))
    if len(constant):
        which = ", ".join(str(k + 1) for k in constant[:10]) + (", …" if len(constant) > 10 else "")
        what = f"column {which} is" if len(constant) == 1 else f"columns {which} are"
        notes.append(f"target {what} the same in all samples: there is nothing to learn there.")
    return np.ascontiguousarray(targets, dtype=np.float32), task, notes


def _label_names(targets: Any) -> tuple[str, ...]:
    """What the columns of a data frame of labels are called; nothing for arrays and names that repeat."""
    names = tuple(map(str, getattr(targets, "columns", ())))
    return names if len(set(names)) == len(names) else ()


def _several(targets: NDArray[Any]) -> str:
    """How many ones the rows of a label matrix have."""
    ones = targets.sum(axis=1).astype(int)
    most = "one" if ones.max() == 1 else "ones"
    return f"{ones.max()} {most}" if ones.min() == ones.max() else f"{ones.min()} to {ones.max()} {most}"


def _known_targets(targets: NDArray[Any], task: Task, name: str) -> tuple[NDArray[Any], list[str]]:
    """The targets of further samples, as those of a task that is known already, and notes on them."""
    if task.is_classification and targets.ndim == 2 and targets.dtype.kind in "buif" and _one_hot(targets):
        targets = targets.argmax(axis=1)
    wanted = targets.shape[:1] if task.targets == 1 else (len(targets), task.targets)
    if targets.shape != wanted:
        several = "s" * (task.targets > 1)
        each = "class label" if task.is_classification else f"number{several}"
        each = f"label{several} (0 or 1)" if task.is_multilabel else each
        raise Refusal(f"targets must be {task.targets} {each} per sample; got the shape {targets.shape}.")
    if task.is_multilabel and not ((targets == 0) | (targets == 1)).all():
        raise Refusal(f"targets must be 0 or 1 for each label; got {_odd(targets)}.")
    if targets.ndim == 2:
        return np.ascontiguousarray(targets, dtype=np.float32 if task.is_multilabel else np.float64), []
    column = _column(targets)
    return (
        known_ids(column, task, f'"{name}"') if task.is_classification else (target_numbers(column, name), [])
    )


def _column(targets: NDArray[Any]) -> pa.ChunkedArray:
    wider = targets.astype(np.float32) if targets.dtype == np.float16 else targets
    return pa.chunked_array([pa.array(wider.tolist() if targets.dtype.kind in "UT" else wider)])


_SPANS = ("Interval", "Period")
"""Types of pandas whose values are classes by what they are called, as `pandas.cut` makes them."""


def _plain_targets(targets: NDArray[Any], samples: int) -> NDArray[Any]:
    """Targets without a second axis of length 1: `(n,)`, or `(n, m)` numbers."""
    _same_length("targets", targets, samples)
    if targets.dtype.kind == "O" and targets.ndim == 1:
        lacking = [row for row, value in enumerate(targets) if is_missing(value)]
        if lacking:
            raise Refusal(
                f"targets must be known for each sample; got {targets[lacking[0]]} in row {lacking[0] + 1:,} "
                f"({len(lacking):,} of {samples:,} values). Leave those samples out."
            )
        if all(isinstance(value, str) or type(value).__name__ in _SPANS for value in targets):
            targets = targets.astype(str)
    if targets.dtype.kind not in "UT":
        _numbers("targets", targets)
    if targets.dtype.kind == "f":
        finite = np.isfinite(targets)
        if not finite.all():
            row = int(np.argwhere(~finite)[0][0])
            count = int((~finite).sum())
            raise Refusal(
                f"targets must be finite; got {targets[row]} in row {row + 1:,} ({count:,} of {samples:,} "
                "values). Leave those samples out."
            )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1 and (targets.ndim != 2 or targets.dtype.kind in "UT"):
        raise Refusal(f"targets must be (samples,) or (samples, m) numbers; got the shape {targets.shape}.")
    return targets


def read_npy(
    path: Path, target: ColumnReference | None, task: str | None, stream: bool | None = None
) -> Dataset:
    """The samples of a two-dimensional `.npy` file, one column of which (the last by default) is the target.

    The file is read in blocks of rows into one array: nothing else grows with the data. If it is
    large, or `stream` says so, the inputs stay in it.
    """
    shape, dtype, fortran, offset = npy_header(path)
    if fortran or dtype.kind not in "buif" or len(shape) != 2:
        return _split_columns(read_array(path), target, task, path.name)
    at = _target_of(shape, target, path.name)
    keep = [index for index in range(shape[1]) if index != at]
    looked_at = FileRows(path, shape, dtype, offset, without=at, kept=dtype)
    kept = kept_float(sampled(looked_at, max(64, FEW_VALUES // shape[1])))
    if streams(shape[0] * (shape[1] - 1) * kept.itemsize, stream):
        held = FileRows(path, shape, dtype, offset, without=at, kept=kept)
        return dataset_of_arrays(
            held,
            held.column(at),
            task=task,
            source=path.name,
            target_name=default_name(at),
            features=tuple(map(default_name, keep)),
            said=(streams_note(held, path.name),),
        )
    inputs = np.empty((shape[0], shape[1] - 1), kept)
    targets = np.empty(shape[0], dtype)
    with np.errstate(over="ignore"):
        start = 0
        for block in _read_blocks(path, shape, dtype, offset):
            rows = slice(start, start + len(block))
            targets[rows] = block[:, at]
            inputs[rows, :at] = block[:, :at]
            inputs[rows, at:] = block[:, at + 1 :]
            start += len(block)
    return dataset_of_arrays(
        inputs,
        targets,
        task=task,
        source=path.name,
        target_name=default_name(at),
        features=tuple(map(default_name, keep)),
        owned=True,
    )


def _split_columns(
    array: NDArray[Any], target: ColumnReference | None, task: str | None, name: str
) -> Dataset:
    _numbers(name, array)
    at = _target_of(array.shape, target, name)
    return dataset_of_arrays(
        np.delete(array, at, axis=1),
        array[:, at],
        task=task,
        source=name,
        target_name=default_name(at),
        features=tuple(default_name(index) for index in range(array.shape[1]) if index != at),
        owned=True,
    )


def _target_of(shape: tuple[int, ...], target: ColumnReference | None, name: str) -> int:
    if len(shape) != 2 or shape[1] < 2 or shape[0] < 2:
        raise Refusal(
            f"{name} must have at least 2 rows and 2 columns, one of them the target; got the shape {shape}. "
            "Use an .npz file with X and y for other shapes."
        )
    names = [default_name(index) for index in range(shape[1])]
    return shape[1] - 1 if target is None else resolve(target, names, "target")


def _read_blocks(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int
) -> Iterator[NDArray[Any]]:
    """Blocks of rows; plain reads, since touched pages of a memory map count as memory."""
    rows = max(1, _BLOCK_VALUES // shape[1])
    with path.open("rb") as file:
        file.seek(offset)
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            block = np.fromfile(file, dtype, count * shape[1])
            if block.size < count * shape[1]:
                last = start + block.size // shape[1] + 1
                raise Refusal(
                    f"{path.name} must hold {shape[0]:,} rows as its header says; it ends in row {last:,}. "
                    "Copy it again."
                )
            yield block.reshape(count, shape[1])


def read_npz(path: Path, task: str | None) -> Dataset:
    """The samples of an `.npz` file with X (or x, inputs, data) and y (or target, targets, labels)."""
    if not zipfile.is_zipfile(path):
        npy_header(path)  # which says what else it is
        raise Refusal(f"{path.name} must be an archive of arrays; got a single one. Call it .npy.")
    with open_npz(path) as held:
        inputs = _member(held, INPUT_KEYS, path, "inputs")
        targets = _member(held, TARGET_KEYS, path, "targets")
        weights = next((held[key] for key in WEIGHT_KEYS if key in held), None)
    return dataset_of_arrays(inputs, targets, weights, task=task, source=path.name, owned=True)


def _member(held: Archive, keys: tuple[str, ...], path: Path, role: str) -> NDArray[Any]:
    for key in keys:
        if key in held:
            return held[key]
    raise Refusal(
        f"{path.name} must have the {role} as {' or '.join(keys)}; got {', '.join(held.names) or 'nothing'}."
    )
