"""Targets that are arrays: class labels, one-hot rows, matrices of labels, numbers."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.printable import shortlist
from epochal.data.tables.frames import is_missing
from epochal.data.tables.target import class_ids, known_ids, recognize_task, target_numbers, targets_of
from epochal.data.task import Task
from epochal.errors import Refusal


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
    least, most = int(targets.sum(axis=1).min()), int(targets.sum(axis=1).max())
    ones = f"{most if least == most else f'{least} to {most}'} one{'s' * (most != 1)}"
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
        lacking = [row for row, value in enumerate(targets) if is_missing(value)]
        if lacking:
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
