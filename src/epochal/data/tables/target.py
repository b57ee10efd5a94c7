"""The target of a table: its column, task and values."""

from __future__ import annotations

import numbers
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.faces import option
from epochal.data.columns import ColumnReference
from epochal.data.tables.encode import as_text, to_numbers
from epochal.data.tables.recognize import MOST_LEVELS, natural, stray_marks
from epochal.data.task import Task, label_type_of
from epochal.data.values.date_forms import written_dates
from epochal.data.values.rounding import LARGEST, number_word
from epochal.errors import Refusal, did_you_mean
from epochal.settings import TASKS

FEW_CLASSES = 20
"""Integers with at most this many distinct values are classes."""
_MISSING_SHARE = 0.05
"""Up to this share, missing targets are left out with a note; more are refused."""


def recognize_task(column: pa.ChunkedArray, said: str, task: str | None) -> tuple[Task, str]:
    """The task of a target column without missing values, and a note.

    Args:
        column: the target, one value per sample.
        said: the column in a sentence.
        task: "classification", "binary", "multiclass" or "regression" overrides the recognized one.

    Raises:
        Refusal: one class, too many, or values that the given task can't use.
    """
    if task is not None and task not in TASKS:
        raise Refusal(did_you_mean("task", task, TASKS))
    if task == "multilabel":
        raise Refusal(
            f"{said} must be several columns of 0 and 1, one for each label, for task multilabel; got one "
            "column. Give an array (samples, labels) as targets."
        )
    kind, rows = column.type, len(column)
    text = pa.types.is_string(kind)
    if pa.types.is_temporal(kind):
        raise Refusal(
            f"{said} is the target and must hold numbers or classes; got dates. Name another column."
        )
    marks, count, first = stray_marks(column)
    if marks and (task == "regression" or pc.count_distinct(column).as_py() > FEW_CLASSES):
        raise Refusal(
            f'{said} is the target and holds numbers, but for "{marks[0]}" ({count:,} of {rows:,} values, '
            f"first in row {first:,}); pass {option('missing', list(marks))} to read that as missing."
        )
    distinct = pc.count_distinct(column).as_py()
    if text and task is None and distinct > FEW_CLASSES and written_dates(column) is not None:
        raise Refusal(
            f"{said} is the target and must hold numbers or classes; got dates ({distinct:,} different "
            'ones). Name another column with `target=COLUMN`, or pass `task="classification"` to make '
            "classes of them."
        )
    if distinct == 1:
        raise Refusal(
            f'{said} is the target and must have at least 2 different values; got 1 ("{column[0].as_py()}"). '
            "Name another column with `target=COLUMN`."
        )
    if task == "regression":
        return Task("regression"), f"target {said}: regression, as asked."
    if task is None and not text and not pa.types.is_boolean(kind) and not _few_whole(column, distinct):
        least, most = pc.min_max(column).as_py().values()
        shown = " to ".join(number_word(float(bound), float(most) - float(least)) for bound in (least, most))
        note = (
            f"target {said}: {distinct:,} different numbers from {shown}: regression; "
            '`task="classification"` makes classes of them.'
        )
        return Task("regression"), note
    words = as_text(column)
    classes = tuple(sorted(pc.unique(words).to_pylist(), key=natural))
    if len(classes) > MOST_LEVELS or (len(classes) > rows / 2 and rows > 4):
        raise Refusal(
            f"{said} is the target and must have at most {min(MOST_LEVELS, rows // 2):,} classes for "
            f"{rows:,} samples; got {len(classes):,}. Name another column with `target=COLUMN`"
            + ("." if text else ', or pass `task="regression"`.')
        )
    if task == "binary" and len(classes) != 2:
        raise Refusal(
            f'{said} must have 2 classes for `task="binary"`; got {len(classes)}: use "multiclass".'
        )
    binary = len(classes) == 2 and task != "multiclass"
    counts = {item["values"].as_py(): item["counts"].as_py() for item in pc.value_counts(words)}
    shown = ", ".join(f"{name}: {counts[name]:,}" for name in classes[:10]) + (
        ", …" if len(classes) > 10 else ""
    )
    plain = text or pa.types.is_boolean(kind)
    other = "." if plain else '; `task="regression"` takes the numbers as they are.'
    found = Task("binary" if binary else "multiclass", classes, label_type=label_type_of(kind))
    kinds = "binary" if binary else "multi-class"
    return found, f"target {said}: {len(classes)} classes ({shown}), {kinds} classification{other}"


def _few_whole(column: pa.ChunkedArray, distinct: int) -> bool:
    if distinct > FEW_CLASSES or distinct > len(column) / 2:
        return False
    return pa.types.is_integer(column.type) or bool(pc.all(pc.equal(pc.floor(column), column)).as_py())


def class_words(value: Any) -> tuple[str, ...]:
    """Spellings of a Python value among the classes of a task, likeliest first.

    >>> class_words(1.0), class_words(True), class_words("yes")
    (('1', '1.0', 'true'), ('true', 'True', '1'), ('yes',))
    """
    if isinstance(value, str):
        return (value,)
    words = []
    if isinstance(value, (numbers.Real, np.bool_)):
        words.append(str(as_text(pa.array([value]))[0].as_py()))
    words.append(str(value))
    if isinstance(value, (numbers.Real, np.bool_)) and value in (0, 1):
        words += ["1" if value else "0", "true" if value else "false"]
    return tuple(dict.fromkeys(words))


def class_ids(column: pa.ChunkedArray, task: Task, said: str, start: int = 0) -> NDArray[np.int32]:
    """Class ids `(n,)` of a column without missing values.

    Raises:
        Refusal: a class that the task does not have, with its row.
    """
    words = as_text(column)
    found = pc.index_in(words, value_set=pa.array(task.classes, pa.string()))
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        known = ", ".join(task.classes[:10])
        raise Refusal(
            f"{said} must be one of the {len(task.classes)} classes of the training table ({known}); "
            f'got "{words[row]}" in row {start + row + 1:,}.'
        )
    ids: NDArray[np.int32] = np.asarray(found.to_numpy()).astype(np.int32)
    return ids


def target_numbers(column: pa.ChunkedArray, said: str) -> NDArray[np.float64]:
    """Targets of a regression, float64 `(n,)`.

    Raises:
        Refusal: text, or a number that is not finite or exceeds float32, with its row.
    """
    parts: list[NDArray[Any]] = []
    start = 0
    for chunk in column.chunks:
        parts.append(to_numbers(chunk, said, start))
        start += len(chunk)
    values = np.concatenate(parts).astype(np.float64)
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refusal(
            f"{said} must hold finite numbers up to 3.4e38 (float32); got {values[row]} in row {row + 1:,}."
        )
    return values


def refuse_missing(
    said: str,
    count: int,
    rows: int,
    first: int,
    target: ColumnReference,
    named: bool,
    marks: Collection[str] = (),
) -> None:
    """Refuse a target with so many missing values that it may be none, or its marks a class.

    If the user named it and its cells are empty, rows without a target are unlabeled, however many.
    """
    if count <= _MISSING_SHARE * rows or (named and not marks and count < rows):
        return
    shown = ", ".join(f'"{mark}"' for mark in marks)
    what = f" ({shown} {'is' if len(marks) == 1 else 'are'} read as missing)" if marks else ""
    mean = "it means" if len(marks) == 1 else "they mean"
    if marks:
        how = f"If {mean} a class, pass `missing=[]`; if not, name another column with `target=COLUMN`, or "
        how += "remove those rows."
    elif count == rows:
        how = "Name another column with `target=COLUMN`."
    else:
        how = (
            "It was taken for the target unnamed, and with so many gaps it may be none: "
            f"{option('target', target)} says that it is, and leaves those rows out; or name another column."
        )
    raise Refusal(
        f"{said} and may miss at most {_MISSING_SHARE:.0%} of its values; got {count:,} missing of "
        f"{rows:,}{what}, first in row {first:,}. {how}"
    )
