"""The target of a table, its task and labels of new rows; sample weights and groups."""

from __future__ import annotations

import json
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.text import counted, shortlist
from epochal.data.columns import plain_name, reference
from epochal.data.grouping import by_pattern
from epochal.data.tables.encode import as_text, to_numbers
from epochal.data.tables.recognize import MAX_LEVELS, TableOptions, stray_words
from epochal.data.task import Task, class_order, label_type_of
from epochal.data.values.date_forms import infer_dates
from epochal.data.values.missing import most_common, one_spelling, refuse_odd, value_counts
from epochal.data.values.number_forms import decimal_of_columns, infer_numbers, say
from epochal.data.values.rounding import LARGEST, number_word
from epochal.errors import Refusal, did_you_mean
from epochal.settings import TASKS

FEW_CLASSES = 20
"""Integers with at most this many distinct values are classes."""
_MISSING_SHARE = 0.05
"""Up to this share, missing targets are left out with a note; more are refused."""
UNKNOWN = -1
"""The class id of a label unseen in training."""
_NO, _YES = ("0", "false", "no", "f", "n"), ("true", "yes", "t", "y")


class PlainTarget(NamedTuple):
    """A target as numbers or classes, and how it was read.

    `note` is empty if nothing changed; `number_format` is that of text, and `na_values` the words that were
    read as missing, as `Column.na_values`, empty without numbers.
    """

    column: pa.ChunkedArray
    note: str = ""
    number_format: tuple[str, ...] = ()
    na_values: tuple[str, ...] = ()


def plain_target(
    column: pa.ChunkedArray, name: str, task: str | None, decimal: str | None = None, hint: str = ""
) -> PlainTarget:
    """A text target as numbers if it has many, otherwise with one spelling per class.

    Few distinct numbers are classes, named as written. Other columns are unchanged. `hint` is the decimal
    separator of the table.

    >>> found = plain_target(pa.chunked_array([["$1,200.50", "unknown"]]), "price", "regression")
    >>> print(found.column.to_pylist(), found.note.replace("; ", ";" + chr(10)), sep=chr(10))
    [1200.5, None]
    price holds numbers ("$1,200.50" is 1200.5;
    thousands separated by commas, in $);
    "unknown" (row 2) is read as missing.
    >>> found.number_format, found.na_values
    (('.', ',', '$', ''), ('unknown',))
    >>> plain_target(pa.chunked_array([["Yes", "yes", "YES", "No", "Yes"]]), "ill", None).note
    'ill: "Yes", "yes" and "YES" are one: "Yes".'
    """
    if not pa.types.is_string(column.type):
        return PlainTarget(column)
    numeric = task == "regression" or (task is None and pc.count_distinct(column).as_py() > FEW_CLASSES)
    if numeric and (found := infer_numbers(column, name, "", decimal, hint)) is not None:
        refuse_odd(found.odd, column, name, "", "numbers")
        na_values = tuple(one.word for one in found.odd)
        return PlainTarget(found.values, f"{name} {say(found)}.", tuple(found.form), na_values)
    if task == "regression":
        return PlainTarget(column)
    merged, which = one_spelling(column)
    return PlainTarget(merged, f"{name}: {which}." if which else "")


class Labels(NamedTuple):
    """The rows of a table that have a target, with their numbers from 1, targets, task and notes.

    `fields` are those of a `TableEncoder` that say how the target was read.
    """

    table: pa.Table
    rows: NDArray[np.int64]
    targets: NDArray[Any]
    task: Task
    notes: list[str]
    fields: dict[str, Any]


def read_target(
    table: pa.Table, target: int, name: str, options: TableOptions, hint: str | None = None
) -> Labels:
    """The targets of a table, without the rows that have none; refused if they can't be used.

    If the user named the target, rows without it are unlabeled; a column taken for it by default must not
    lack more than `_MISSING_SHARE`. `hint` is the decimal separator of the other columns, by default found
    in the table.
    """
    text = pa.types.is_string(table.column(target).type)
    hint = decimal_of_columns(table) if hint is None else hint
    read = plain_target(table.column(target), name, options.task, options.decimal, hint)
    column, notes = read.column, [read.note] if read.note else []
    table = table.set_column(target, table.column_names[target], column)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), "separator": hint})
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    if count := column.null_count:
        present = np.asarray(column.is_valid().to_numpy())
        first = int(np.argmin(present)) + 1
        _refuse_missing(table, target, name, first, options.target is not None)
        samples = counted(count, "sample has", "samples have")
        notes.append(f"{name} is the target; {samples} none (first in row {first:,}): left out.")
        table, rows = table.filter(pa.array(present)), rows[present]
    column = table.column(target)
    found, note = recognize_task(column, name, options.task)
    fields = {"target_text": text, "task": found, "target_number_format": read.number_format}
    fields["target_na_values"] = read.na_values
    return Labels(table, rows, targets_of(column, found, name), found, [*notes, note], fields)


def na_counts_of(table: pa.Table) -> dict[str, dict[str, int]]:
    """Counts of the cells that were read as missing, by column."""
    return dict(json.loads((table.schema.metadata or {}).get(b"na_values", b"{}")))


def recognize_task(column: pa.ChunkedArray, name: str, task: str | None) -> tuple[Task, str]:
    """The task of a target column without missing values, recognized unless `task` is given, and a note."""
    if task is not None and task not in TASKS:
        raise Refusal(did_you_mean("task", task, TASKS))
    if task == "multilabel":
        raise Refusal(
            f"{name} must be several columns of 0 and 1, one for each label, for task multilabel; got one "
            "column. Give an array (samples, labels) as targets."
        )
    kind, rows, what = column.type, len(column), f"{name} is the target and"
    text, other = pa.types.is_string(kind), "Name another column with `target=COLUMN`"
    if pa.types.is_temporal(kind):
        raise Refusal(f"{what} must hold numbers or classes; got dates. Name another column.")
    words, count, first = stray_words(column)
    distinct = pc.count_distinct(column).as_py()
    if words and (task == "regression" or distinct > FEW_CLASSES):
        raise Refusal(
            f'{what} holds numbers, but for "{words[0]}" ({count:,} of {rows:,} values, first in row '
            f"{first:,}); pass {option('missing', words)} to read that as missing."
        )
    if text and task is None and distinct > FEW_CLASSES and infer_dates(column) is not None:
        raise Refusal(
            f"{what} must hold numbers or classes; got dates ({distinct:,} different ones). {other}, or pass "
            '`task="classification"` to make classes of them.'
        )
    if distinct == 1:
        raise Refusal(f'{what} must have at least 2 different values; got 1 ("{column[0]}"). {other}.')
    if task == "regression":
        return Task("regression"), f"target {name}: regression, as asked."
    named = text or pa.types.is_boolean(kind)
    if task is None and not named and not _few_whole(column, distinct):
        lowest, highest = pc.min_max(column).as_py().values()
        shown = " to ".join(
            number_word(float(bound), float(highest) - float(lowest)) for bound in (lowest, highest)
        )
        otherwise = '; `task="classification"` makes classes of them.' if _few_enough(distinct, rows) else "."
        return Task("regression"), (
            f"target {name}: {distinct:,} different numbers from {shown}: regression{otherwise}"
        )
    texts = as_text(column)
    counts = most_common(texts)
    classes = class_order(counts)
    if not _few_enough(len(classes), rows):
        raise Refusal(
            f"{what} must have at most {min(MAX_LEVELS, rows // 2):,} classes for {rows:,} samples; got "
            f"{len(classes):,}. {other}" + ("." if text else ', or pass `task="regression"`.')
        )
    if task == "binary" and len(classes) != 2:
        raise Refusal(
            f'{name} must have 2 classes for `task="binary"`; got {len(classes)}: use "multiclass".'
        )
    binary = len(classes) == 2 and task != "multiclass"
    shown = shortlist([f"{name}: {counts[name]:,}" for name in classes], 10, quote="")
    remedy = "." if named else '; `task="regression"` takes the numbers as they are.'
    found = Task("binary" if binary else "multiclass", classes, label_type=label_type_of(kind))
    kinds = "binary" if binary else "multi-class"
    return found, f"target {name}: {len(classes)} classes ({shown}), {kinds} classification{remedy}"


def _few_enough(classes: int, rows: int) -> bool:
    return classes <= MAX_LEVELS and (classes <= rows / 2 or rows <= 4)


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
    """Class ids `(n,)` of a column without missing values; another class is refused with its row."""
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
    if left := {word: count for word, count in counts.items() if word not in same}:
        label = "the label" if len(left) == 1 else f"{len(left):,} labels"
        notes.append(
            f"{name} has {label} {shortlist(left)} in {sum(left.values()):,} of {len(words):,} rows, which "
            f"training did not have (it had {shortlist(task.classes)}): they count in no metric."
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
    """Targets of a regression, float64 `(n,)`; what is no finite float32 is refused with its row."""
    values = to_numbers(column.combine_chunks(), name).astype(np.float64)
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refusal(
            f"{name} must hold finite numbers up to 3.4e38 (float32); got {values[row]} in row {row + 1:,}."
        )
    return values


def _refuse_missing(table: pa.Table, target: int, name: str, first: int, named: bool) -> None:
    """Refuse a target with so many missing values that it may be none, or the words for them a class.

    If the user named it and its cells are empty, rows without a target are unlabeled, however many.
    """
    names, count, rows = table.column_names, table.column(target).null_count, table.num_rows
    na_values = na_counts_of(table).get(names[target], ())
    if count <= _MISSING_SHARE * rows or (named and not na_values and count < rows):
        return
    what, how = "", "Name another column with `target=COLUMN`."
    if na_values:
        are, mean = ("is", "it means") if len(na_values) == 1 else ("are", "they mean")
        what = f" ({shortlist(na_values, len(na_values))} {are} read as missing)"
        how = f"If {mean} a class, pass `missing=[]`; if not, name another column with `target=COLUMN`, or "
        how += "remove those rows."
    elif count < rows:
        how = "It was taken for the target unnamed, and with so many gaps it may be none: "
        how += f"{option('target', reference(names, target))} says that it is, and leaves those rows out; or "
        how += "name another column."
    raise Refusal(
        f"{name} is the target and may miss at most {_MISSING_SHARE:.0%} of its values; got {count:,} "
        f"missing of {rows:,}{what}, first in row {first:,}. {how}"
    )


def weights_of(column: pa.ChunkedArray, name: str) -> NDArray[np.float32]:
    """Sample weights, float32 `(n,)`: finite, not negative, and not all 0."""
    what = f"{name} weighs the samples and"
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise Refusal(f"{what} may miss no value; got none in row {row:,}.")
    weights = target_numbers(column, name).astype(np.float32)
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise Refusal(f"{what} must be at least 0; got {weights[row]:g} in row {row + 1:,}.")
    if not weights.any():
        raise Refusal(f"{what} must have a weight above 0; all {len(weights):,} are 0.")
    return weights


def group_ids(column: pa.ChunkedArray, name: str, pattern: str | None = None) -> NDArray[np.int64]:
    """Group ids of the rows, from 0 in the order of first appearance.

    >>> group_ids(pa.chunked_array([["b", "a", "b"]]), "column").tolist()
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
