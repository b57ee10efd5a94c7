"""Targets in text: numbers as people write them, and one spelling per class."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.tables.target import FEW_CLASSES
from epochal.data.values.decimal_mark import mark_of_columns
from epochal.data.values.number_forms import as_numbers
from epochal.data.values.spellings import one_spelling


def plain_target(
    column: pa.ChunkedArray, said: str, task: str | None, decimal: str | None = None, hint: str = ""
) -> tuple[pa.ChunkedArray, str, tuple[str, ...]]:
    """A text target as numbers if it has many, otherwise with one spelling per class.

    Also a note, empty if nothing changed, and the number format, empty without numbers
    (`Column.written`). Few distinct numbers are classes, named as written. Other columns are
    unchanged. `hint` is the decimal mark of the table.

    Raises:
        Refusal: most cells are numbers, and the others neither are nor mean a missing value.

    >>> column, note, written = plain_target(pa.chunked_array([["$1,200", "$35.50"]]), "price", "regression")
    >>> column.to_pylist(), note
    ([1200.0, 35.5], 'price holds numbers ("$1,200" is 1200; thousands separated by commas, in $).')
    >>> plain_target(pa.chunked_array([["Yes", "yes", "YES", "No", "Yes"]]), "ill", None)[1]
    'ill: "Yes", "yes" and "YES" are one: "Yes".'
    """
    if not pa.types.is_string(column.type):
        return column, "", ()
    if task == "regression" or (task is None and pc.count_distinct(column).as_py() > FEW_CLASSES):
        found = as_numbers(column, said, decimal=decimal, hint=hint)
        if found is not None:
            return found
    if task == "regression":
        return column, "", ()
    merged, which = one_spelling(column)
    return merged, f"{said}: {which}." if which else "", ()


def with_plain_target(
    table: pa.Table, target: int, said: str, task: str | None, decimal: str | None = None
) -> tuple[pa.Table, list[str], tuple[str, ...]]:
    """The table with its target from `plain_target`, the note, and the number format."""
    hint = mark_of_columns(table)
    column, note, written = plain_target(table.column(target), said, task, decimal, hint)
    if not note:
        return table, [], ()
    return table.set_column(target, table.column_names[target], column), [note], written
