"""The target of a table, its task and labels of new rows; sample weights and groups."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.printable import shortlist
from epochal.data.columns import ColumnReference, plain_name
from epochal.data.grouping import by_pattern
from epochal.data.tables.encode import as_text, to_numbers
from epochal.data.tables.recognize import MOST_LEVELS, natural, stray_marks
from epochal.data.task import Task, label_type_of
from epochal.data.values.date_forms import written_dates
from epochal.data.values.missing import counted, one_spelling, refuse_odd, value_counts
from epochal.data.values.number_forms import decimal_of_columns, say, written_numbers
from epochal.data.values.rounding import LARGEST, number_word
from epochal.errors import Refusal, did_you_mean
from epochal.settings import TASKS

FEW_CLASSES = 20
"""Integers with at most this many distinct values are classes."""
_MISSING_SHARE = 0.05
"""Up to this share, missing targets are left out with a note; more are refused."""
UNKNOWN = -1
"""The class id of a label unseen in training."""
_NO, _YES = ("0", "false", "no", "f", "n"), ("1", "true", "yes", "t", "y")


class PlainTarget(NamedTuple):
    """A target as numbers or classes, and how it was read.

    `note` is empty if nothing changed; `written` is the number format and `marks` the words that were read as
    missing, as in `Column`, empty without numbers.
    """

    column: pa.ChunkedArray
    note: str = ""
    written: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


def plain_target(
    column: pa.ChunkedArray, name: str, task: str | None, decimal: str | None = None, hint: str = ""
) -> PlainTarget:
    """A text target as numbers if it has many, otherwise with one spelling per class.

    Few distinct numbers are classes, named as written. Other columns are unchanged. `hint` is the decimal
    mark of the table.

    Raises:
        Refusal: most cells are numbers, and the others neither are nor mean a missing value.

    >>> found = plain_target(pa.chunked_array([["$1,200.50", "unknown"]]), "price", "regression")
    >>> print(found.column.to_pylist(), found.note.replace("; ", ";" + chr(10)), sep=chr(10))
    [1200.5, None]
    price holds numbers ("$1,200.50" is 1200.5;
    thousands separated by commas, in $);
    "unknown" (row 2) is read as missing.
    >>> found.written, found.marks
    (('.', ',', '$', ''), ('unknown',))
    >>> plain_target(pa.chunked_array([["Yes", "yes", "YES", "No", "Yes"]]), "ill", None).note
    'ill: "Yes", "yes" and "YES" are one: "Yes".'
    """
    if not pa.types.is_string(column.type):
        return PlainTarget(column)
    if task == "regression" or (task is None and pc.count_distinct(column).as_py() > FEW_CLASSES):
        found = written_numbers(column, name, "", decimal, hint)
        if found is not None:
            refuse_odd(found.odd, column, name, "", "numbers")
            marks = tuple(one.word for one in found.odd)
            return PlainTarget(found.values, f"{name} {say(found)}.", tuple(found.form), marks)
    if task == "regression":
        return PlainTarget(column)
    merged, which = one_spelling(column)
    return PlainTarget(merged, f"{name}: {which}." if which else "")


def with_plain_target(
    table: pa.Table, target: int, name: str, task: str | None, decimal: str | None = None
) -> tuple[pa.Table, PlainTarget]:
    """The table with its target as `plain_target` reads it."""
    found = plain_target(table.column(target), name, task, decimal, decimal_of_columns(table))
    return table.set_column(target, table.column_names[target], found.column), found


def recognize_task(column: pa.ChunkedArray, name: str, task: str | None) -> tuple[Task, str]:
    """The task of a target column without missing values, and a note.

    Args:
        column: the target, one value per sample.
        name: the column in a sentence.
        task: "classification", "binary", "multiclass" or "regression" overrides the recognized one.

    Raises:
        Refusal: one class, too many, or values that the given task can't use.
    """
    if task is not None and task not in TASKS:
        raise Refusal(did_you_mean("task", task, TASKS))
    if task == "multilabel":
        raise Refusal(
            f"{name} must be several columns of 0 and 1, one for each label, for task multilabel; got one "
            "column. Give an array (samples, labels) as targets."
        )
    kind, rows = column.type, len(column)
    text = pa.types.is_string(kind)
    if pa.types.is_temporal(kind):
        raise Refusal(
            f"{name} is the target and must hold numbers or classes; got dates. Name another column."
        )
    marks, count, first = stray_marks(column)
    distinct = pc.count_distinct(column).as_py()
    if marks and (task == "regression" or distinct > FEW_CLASSES):
        raise Refusal(
            f'{name} is the target and holds numbers, but for "{marks[0]}" ({count:,} of {rows:,} values, '
            f"first in row {first:,}); pass {option('missing', list(marks))} to read that as missing."
        )
    if text and task is None and distinct > FEW_CLASSES and written_dates(column) is not None:
        raise Refusal(
            f"{name} is the target and must hold numbers or classes; got dates ({distinct:,} different "
            'ones). Name another column with `target=COLUMN`, or pass `task="classification"` to make '
            "classes of them."
        )
    if distinct == 1:
        raise Refusal(
            f'{name} is the target and must have at least 2 different values; got 1 ("{column[0].as_py()}"). '
            "Name another column with `target=COLUMN`."
        )
    if task == "regression":
        return Task("regression"), f"target {name}: regression, as asked."
    named = text or pa.types.is_boolean(kind)
    if task is None and not named and not _few_whole(column, distinct):
        least, most = pc.min_max(column).as_py().values()
        shown = " to ".join(number_word(float(bound), float(most) - float(least)) for bound in (least, most))
        otherwise = '; `task="classification"` makes classes of them.' if _few_enough(distinct, rows) else "."
        return Task("regression"), (
            f"target {name}: {distinct:,} different numbers from {shown}: regression{otherwise}"
        )
    words = as_text(column)
    classes = tuple(sorted(pc.unique(words).to_pylist(), key=natural))
    if not _few_enough(len(classes), rows):
        raise Refusal(
            f"{name} is the target and must have at most {min(MOST_LEVELS, rows // 2):,} classes for "
            f"{rows:,} samples; got {len(classes):,}. Name another column with `target=COLUMN`"
            + ("." if text else ', or pass `task="regression"`.')
        )
    if task == "binary" and len(classes) != 2:
        raise Refusal(
            f'{name} must have 2 classes for `task="binary"`; got {len(classes)}: use "multiclass".'
        )
    binary = len(classes) == 2 and task != "multiclass"
    counts = counted(words)
    shown = shortlist([f"{name}: {counts[name]:,}" for name in classes], 10, quote="")
    other = "." if named else '; `task="regression"` takes the numbers as they are.'
    found = Task("binary" if binary else "multiclass", classes, label_type=label_type_of(kind))
    what = f"{'binary' if binary else 'multi-class'} classification"
    return found, f"target {name}: {len(classes)} classes ({shown}), {what}{other}"


def _few_enough(classes: int, rows: int) -> bool:
    return classes <= MOST_LEVELS and (classes <= rows / 2 or rows <= 4)


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
    if not isinstance(value, (numbers.Real, np.bool_)):
        return (str(value),)
    words = [as_text(pa.array([value]))[0].as_py(), str(value)]
    if value in (0, 1):
        words += ["1" if value else "0", "true" if value else "false"]
    return tuple(dict.fromkeys(words))


def targets_of(column: pa.ChunkedArray, task: Task, name: str) -> NDArray[Any]:
    """Class ids, or the numbers of a regression, of a column without missing values."""
    return class_ids(column, task, name) if task.is_classification else target_numbers(column, name)


def class_ids(column: pa.ChunkedArray, task: Task, name: str) -> NDArray[np.int32]:
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
            f"{name} must be one of the {len(task.classes)} classes of the training table ({known}); "
            f'got "{words[row]}" in row {row + 1:,}.'
        )
    return np.asarray(found.to_numpy().astype(np.int32))


def known_ids(column: pa.ChunkedArray, task: Task, name: str) -> tuple[NDArray[np.int32], list[str]]:
    """Class ids `(n,)` of the labels of new samples, -1 for unseen ones, with notes.

    `true` is understood as 1, `1.0` as 1 and `Yes` as yes, unless ambiguous.
    """
    words = as_text(column)
    found = pc.index_in(words, value_set=pa.array(task.classes, pa.string()))
    counts = value_counts(words.filter(pc.is_null(found)))
    same = spellings(tuple(counts), task.classes)
    notes = []
    if same:
        places = pc.index_in(words, value_set=pa.array(list(same), pa.string()))
        meant = pa.array([task.classes.index(name) for name in same.values()], pa.int32())
        found = pc.coalesce(found, pc.take(meant, places))
        shown = shortlist([f'"{word}" as "{name}"' for word, name in same.items()], quote="")
        notes.append(f"labels of {name} are other spellings of classes, and read so: {shown}.")
    left = {word: count for word, count in counts.items() if word not in same}
    if left:
        label = "the label" if len(left) == 1 else f"{len(left):,} labels"
        notes.append(
            f"{name} has {label} {shortlist(left)} in {sum(left.values()):,} of {len(words):,} rows, which "
            f"training did not have (it had {shortlist(task.classes)}): they count in no figure."
        )
    ids: NDArray[np.int32] = np.asarray(found.fill_null(UNKNOWN).to_numpy()).astype(np.int32)
    return ids, notes


def spellings(words: tuple[str, ...], classes: tuple[str, ...]) -> dict[str, str]:
    """Classes of words in another spelling, without unknown and ambiguous words.

    >>> spellings(("1.0", "2.5"), ("0", "1")), spellings(("True", "False"), ("0", "1"))
    ({'1.0': '1'}, {'True': '1', 'False': '0'})
    >>> spellings(("YES", "maybe"), ("no", "yes")), spellings(("<=50K.",), ("<=50K", ">50K"))
    ({'YES': 'yes'}, {})
    """
    plain = _by(_plain_word, classes)
    found = {word: plain[_plain_word(word)] for word in words if _plain_word(word) in plain}
    truth = _by(_truth, classes)
    if len(classes) == 2 and set(truth) == {"0", "1"}:
        found |= {word: truth[_truth(word)] for word in words if word not in found and _truth(word) in truth}
    return found


def _by(spelled: Callable[[str], str], classes: tuple[str, ...]) -> dict[str, str]:
    """The class of each spelling, without ambiguous ones."""
    each = list(map(spelled, classes))
    return {word: name for word, name in zip(each, classes, strict=True) if each.count(word) == 1}


def _plain_word(word: str) -> str:
    """A label without differences of case, blanks or number format."""
    bare = plain_name(word)
    try:
        return str(as_text(pa.array([float(bare)]))[0].as_py())
    except ValueError:
        return bare


def _truth(word: str) -> str:
    """0 or 1 for words such as no and yes, otherwise the word."""
    plain = _plain_word(word)
    return "0" if plain in _NO else "1" if plain in _YES else plain


def target_numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Targets of a regression, float64 `(n,)`.

    Raises:
        Refusal: text, or a number that is not finite or exceeds float32, with its row.
    """
    values = to_numbers(column.combine_chunks(), name).astype(np.float64)
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refusal(
            f"{name} must hold finite numbers up to 3.4e38 (float32); got {values[row]} in row {row + 1:,}."
        )
    return values


def refuse_missing(
    name: str,
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
    what, how = "", "Name another column with `target=COLUMN`."
    if marks:
        are, mean = ("is", "it means") if len(marks) == 1 else ("are", "they mean")
        what = f" ({shortlist(marks, len(marks))} {are} read as missing)"
        how = f"If {mean} a class, pass `missing=[]`; if not, name another column with `target=COLUMN`, or "
        how += "remove those rows."
    elif count < rows:
        how = "It was taken for the target unnamed, and with so many gaps it may be none: "
        how += f"{option('target', target)} says that it is, and leaves those rows out; or name another "
        how += "column."
    raise Refusal(
        f"{name} and may miss at most {_MISSING_SHARE:.0%} of its values; got {count:,} missing of "
        f"{rows:,}{what}, first in row {first:,}. {how}"
    )


def weights_of(column: pa.ChunkedArray, name: str) -> NDArray[np.float32]:
    """Sample weights, float32 `(n,)`.

    Raises:
        Refusal: a weight that is missing, negative or not finite; or all of them 0.
    """
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise Refusal(f"{name} weighs the samples and may miss no value; got none in row {row:,}.")
    weights = target_numbers(column, name).astype(np.float32)
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise Refusal(
            f"{name} weighs the samples and must be at least 0; got {weights[row]:g} in row {row + 1:,}."
        )
    if not weights.any():
        raise Refusal(
            f"{name} weighs the samples and must have a weight above 0; all {len(weights):,} are 0."
        )
    return weights


def groups_of(column: pa.ChunkedArray, name: str, pattern: str | None = None) -> NDArray[np.int64]:
    """Group ids of the rows, from 0 in the order of first appearance.

    Raises:
        Refusal: a missing value, or one group.

    >>> groups_of(pa.chunked_array([["b", "a", "b"]]), "column").tolist()
    [0, 1, 0]
    """
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py() + 1
        raise Refusal(
            f"{name} tells groups apart and may miss no value; got {column.null_count:,} missing, the first "
            f"in row {row:,}. Fill them in, or remove those rows."
        )
    if pattern is not None:
        column = pa.chunked_array([by_pattern(as_text(column).to_pylist(), pattern)])
    encoded = column.combine_chunks().dictionary_encode()
    if len(encoded.dictionary) < 2:
        raise Refusal(
            f"{name} must tell at least 2 groups apart; got 1. Name another column with `groups=COLUMN`."
        )
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64))
