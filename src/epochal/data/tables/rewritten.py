"""Reading of new columns whose numbers and dates are formatted unlike the training table's."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.columns import called
from epochal.data.tables.schema import Column, Encoder
from epochal.data.values.date_forms import compact_form, parse_dates, written_dates
from epochal.data.values.decimal_mark import mark_of_columns
from epochal.data.values.marks import Odd, known_marks, odd_cells, read_as_missing
from epochal.data.values.number_forms import NumberForm, say, unit_remarks, written_numbers
from epochal.data.values.units import OPPOSITES, factor
from epochal.errors import Refusal


def as_in_training(table: pa.Table, encoder: Encoder, positions: Sequence[int]) -> tuple[pa.Table, list[str]]:
    """The table with text in other formats than in training read as numbers and dates, and notes.

    Columns in the training format are unchanged, as are ambiguous ones: encoding them reports what is wrong.
    """
    notes: list[str] = []
    decimal = (table.schema.metadata or {}).get(b"decimal", b"").decode()
    mark = mark_of_columns(table)
    for position, column in zip(positions, encoder.columns, strict=True):
        cells, said, found = table.column(position), called(encoder.names, column.index), None
        if column.kind == "date":
            found = _dates(cells, column, said)
        elif column.kind == "numeric" and pa.types.is_string(cells.type):
            found = _numbers(cells, column, said, mark, decimal)
        elif column.kind == "numeric" and not pa.types.is_null(cells.type):
            unit = NumberForm(*column.written).unit
            if unit and unit not in OPPOSITES:
                notes.append(f"{said}: numbers without a unit are taken as {unit}.")
        if found is not None:
            values, note = found
            table = table.set_column(position, table.column_names[position], values)
            notes.append(note)
    return table, notes


def _numbers(
    cells: pa.ChunkedArray, column: Column, said: str, mark: str, decimal: str
) -> tuple[pa.ChunkedArray, str] | None:
    form = NumberForm(*column.written)
    values = pa.chunked_array([form.read(cells.combine_chunks())], pa.float64())
    odd = _odd(cells, values, column)
    units = "; ".join(unit_remarks(cells, form))
    if not odd:
        return (values, f"{said}: {units}.") if units else None
    if known_marks(odd):
        return values, f"{said}: {'; '.join(one for one in (units, read_as_missing(odd)) if one)}."
    try:
        found = written_numbers(cells, said, hint=mark)
    except Refusal:  # it mixes units; encoding reports the first cell that does not fit
        return None
    if found is None or not known_marks(_odd(cells, found.values, column)):
        return None
    size = _fits(found.form, form)
    if size is None or (found.doubt and found.form.decimal != (mark or decimal)):
        return None
    how = say(found)
    if column.written and found.form != form:
        how = f"is written in another way than in training: it {how}"
    if form.unit and found.form.unit != form.unit:
        how += f"; {'converted to' if found.form.unit else 'taken as'} {form.unit}"
    return pc.multiply(found.values, size), f"{said} {how}."


def _odd(cells: pa.ChunkedArray, values: pa.ChunkedArray, column: Column) -> tuple[Odd, ...]:
    """The cells without a value, except marks that were missing values in training."""
    return tuple(one for one in odd_cells(cells, values) if one.word not in column.marks)


def _fits(new: NumberForm, trained: NumberForm) -> float | None:
    """The factor between two number formats; None if currencies or units differ."""
    if new.joint and new.unit == "h" and trained.plain:
        return 1.0  # times of day, as in the training table
    if new.joint != trained.joint or (new.money and new.money != trained.money):
        return None
    return 1.0 if not new.unit else factor(new.unit, trained.unit)


def _dates(cells: pa.ChunkedArray, column: Column, said: str) -> tuple[pa.ChunkedArray, str] | None:
    if pa.types.is_integer(cells.type):
        form = compact_form(cells)
        if not form or form == column.format:
            return None
        dates = parse_dates(cells.cast(pa.string()), form)
        return dates, f"{said} is written in another way than in training: as {form}."
    if not pa.types.is_string(cells.type):
        return None
    dates = parse_dates(cells, column.format)
    odd = _odd(cells, dates, column)
    if not odd:
        return None
    if known_marks(odd):
        return dates, f"{said}: {read_as_missing(odd)}."
    found = written_dates(cells)
    if found is None or found.doubt or not known_marks(_odd(cells, found.values, column)):
        return None
    how = "; ".join([found.form or "YYYY-MM-DD", *([read_as_missing(found.odd)] if found.odd else [])])
    return found.values, f"{said} is written in another way than in training: as {how}."
