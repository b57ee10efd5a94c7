"""Encoding of a table as numbers, also where new rows are written in another way than the training table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.text import counted, shortlist
from epochal.data.columns import called_at
from epochal.data.tables.schema import Column, TableEncoder
from epochal.data.values.date_forms import compact_form, infer_dates, parse_dates
from epochal.data.values.missing import (
    Odd,
    emptied,
    known_na_values,
    numeric_na_values,
    odd_cells,
    read_as_missing,
    spelling_key,
)
from epochal.data.values.number_forms import (
    NumberForm,
    decimal_of_columns,
    infer_numbers,
    say,
    unit_remarks,
)
from epochal.data.values.rounding import LARGEST, loses_differences
from epochal.data.values.units import OPPOSITES, factor
from epochal.errors import Refusal

_ROWS = 1 << 14
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def encode(
    table: pa.Table, encoder: TableEncoder, positions: Sequence[int], first: int = 0, dtype: Any = None
) -> tuple[NDArray[Any], list[str]]:
    """The table's samples as numbers `(rows, features)`, NaN where missing, with notes on unseen categories.

    `positions[i]` is the table's index of the encoder's i-th column, and `first` rows came before. The dtype
    is `dtype`, by default float32 unless a column needs float64. Blocks of rows are converted in sequence, so
    that only the result grows with the table. A value beyond float32 or of another kind is refused.
    """
    passthrough, one_hot, indicators, codes = encoder.layout
    dtype = encoded_dtype(table, encoder, positions) if dtype is None else np.dtype(dtype)
    out = np.empty((table.num_rows, len(encoder.features)), dtype)
    direct = len(passthrough) == len(encoder.raw_names)
    start, unseen = 0, dict[str, Counter[str]]()
    for batch in table.select(list(positions)).to_batches(max_chunksize=_ROWS):
        rows = batch.num_rows
        block = out[start : start + rows]
        raw = block if direct else np.empty((rows, len(encoder.raw_names)), dtype)
        at = 0
        for array, column, position in zip(batch.columns, encoder.columns, positions, strict=True):
            width, name = len(column.raw_names), called_at(encoder.names, column.index, position)
            if found := _fill(raw[:, at : at + width], array, column, name, first + start):
                unseen.setdefault(name, Counter()).update(found)
            at += width
        if not direct:
            block[:, : len(passthrough)] = raw[:, passthrough]
        slot = len(passthrough)
        for position, column in one_hot:
            levels = np.arange(len(column.all_levels))
            block[:, slot : slot + len(levels)] = raw[:, position, None] == levels
            slot += len(levels)
        for position, _ in indicators:
            block[:, slot] = np.isnan(raw[:, position])
            slot += 1
        block[:, slot:] = raw[:, [position for position, _ in codes]]
        start += rows
    return out, [f"{name} has {_unseen(words)}: treated as unknown." for name, words in unseen.items()]


def _unseen(words: Counter[str]) -> str:
    """The number of new values, the most frequent of them, and their rows.

    >>> _unseen(Counter({"n.c.": 18})), _unseen(Counter(["Tokyo"]))
    ('1 value not seen in training ("n.c.") in 18 rows', '1 value not seen in training ("Tokyo")')
    """
    shown, rows = shortlist([word for word, _ in words.most_common()], 3), words.total()
    values = f"{counted(len(words), 'value')} not seen in training ({shown})"
    return f"{values} in {rows:,} rows" if rows > 1 else values


def encoded_dtype(table: pa.Table, encoder: TableEncoder, positions: Sequence[int]) -> np.dtype[Any]:
    """The stored dtype of a table's samples: float64 if a column needs it."""
    for position, column in zip(positions, encoder.columns, strict=True):
        found = table.column(position)
        if column.kind != "numeric" or pa.types.is_float32(found.type):
            continue
        name = called_at(encoder.names, column.index, position)
        values = to_numbers(plain_numbers(found.combine_chunks(), column, name), name)
        if loses_differences(values[:, None])[0]:
            return np.dtype(np.float64)
    return np.dtype(np.float32)


def _fill(raw: NDArray[Any], array: pa.Array, column: Column, name: str, start: int) -> list[str]:
    """Write one column's numbers into `raw` `(rows, width)`; returns the values unseen in training."""
    if column.kind == "category":
        raw[:, 0], unseen = _codes(array, column)
        return list(unseen.to_pylist())
    if column.kind == "boolean":
        raw[:, 0] = _booleans(array, name, start)
        return []
    if column.kind == "date":
        dates = to_dates(without_na_values(array, column), column.format, name, start)
        for slot, values in enumerate(date_parts(dates, column.parts)):
            raw[:, slot] = values
        return []
    values = to_numbers(plain_numbers(array, column, name, start), name, start)
    with np.errstate(over="ignore"):
        raw[:, 0] = values
    wrong = np.abs(raw[:, 0]) > LARGEST
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refusal(
            f"{name} must hold finite numbers up to 3.4e38 (float32); got {values[row]:g} in row "
            f"{start + row + 1:,}. Correct the value, or leave it empty to mark it as missing."
        )
    return []


def without_na_values(array: Any, column: Column) -> Any:
    """Numbers or dates with the words for missing values as missing."""
    if column.kind not in ("numeric", "date") or not pa.types.is_string(array.type):
        return array
    return emptied(array, {*column.na_values, *numeric_na_values(None)})


def plain_numbers(array: Any, column: Column, name: str, start: int = 0) -> Any:
    """A numeric column, with text read in the number format of the training table; other text is refused."""
    array = without_na_values(array, column)
    if not column.number_format or not pa.types.is_string(array.type):
        return array
    form = NumberForm(*column.number_format)
    numbers = form.read(array)
    if numbers.null_count > array.null_count:
        row = pc.index(pc.and_(pc.is_null(numbers), pc.is_valid(array)), True).as_py()
        how = f" ({form})" if str(form) else ""
        raise Refusal(
            f'{name} must hold numbers as the training table wrote them{how}; got "{array[row]}" in row '
            f"{start + row + 1:,}. Correct it, or pass what means a missing value with `missing=VALUES`."
        )
    return numbers


def to_numbers(array: pa.Array, name: str, start: int = 0) -> NDArray[Any]:
    """A column as floats with NaN for missing; text that is no number is refused with its row."""
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan, np.float32)
    if pa.types.is_string(kind):
        try:
            array = array.cast(pa.float64(), safe=False)
        except pa.ArrowInvalid:
            row = next(row for row, cell in enumerate(array) if cell.is_valid and not _is_number(cell))
            raise Refusal(
                f'{name} must hold numbers; got "{array[row].as_py()}" in row {start + row + 1:,}. '
                "Correct it, or pass what means a missing value with `missing=VALUES`."
            ) from None
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        got = "dates" if pa.types.is_temporal(kind) else str(kind)
        raise Refusal(f"{name} must hold numbers; got {got}, first in row {start + 1:,}.")
    if array.null_count:
        wide = array.cast(pa.float64(), safe=False) if pa.types.is_integer(array.type) else array
        array = wide.fill_null(float("nan"))
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values


def _is_number(cell: pa.Scalar) -> bool:
    try:
        cell.cast(pa.float64(), safe=False)
    except pa.ArrowInvalid:
        return False
    return True


def _booleans(array: pa.Array, name: str, start: int) -> NDArray[Any]:
    if not pa.types.is_null(array.type) and not pa.types.is_boolean(array.type):
        words = pc.utf8_lower(as_text(array))
        yes, no = (pc.is_in(words, value_set=pa.array(set_)) for set_ in (_TRUE, _FALSE))
        wrong = pc.and_(pc.invert(pc.or_(yes, no)), pc.is_valid(words))
        if pc.any(wrong).as_py():
            row = pc.index(wrong, True).as_py()
            raise Refusal(f'{name} must be true or false; got "{array[row]}" in row {start + row + 1:,}.')
        array = pc.if_else(pc.is_valid(words), yes, pa.scalar(None, pa.bool_()))
    return to_numbers(array, name, start)


def as_text(array: pa.Array | pa.ChunkedArray) -> Any:
    """Values as text, each in one spelling: 1 and 1.0 are both "1".

    >>> as_text(pa.array([1.0, 2.5, None])).to_pylist()
    ['1', '2.5', None]
    """
    text = array.cast(pa.string())
    if not pa.types.is_floating(array.type):
        return text
    whole, small = pc.equal(pc.round(array), array), pc.less(pc.abs(array), 2.0**53)
    integral = pc.fill_null(pc.and_(whole, small), False)
    numbers = pc.if_else(integral, array, pa.scalar(0, array.type))
    return pc.if_else(integral, numbers.cast(pa.int64()).cast(pa.string()), text)


def _codes(array: pa.Array, column: Column) -> tuple[NDArray[np.float32], Any]:
    """Positions among the levels, and the unknown values.

    Unknown is -1; for embedded categories it is 0, and positions count from 1.
    """
    words = as_text(array)
    levels = pa.array(column.levels, pa.string())
    found = pc.index_in(words, value_set=levels)
    if column.text and found.null_count > words.null_count:
        found = pc.coalesce(found, pc.index_in(spelling_key(words), value_set=spelling_key(levels)))
    codes: NDArray[np.float32] = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.float32)
    if words.null_count:
        # A level may be for missing values, but they have no spelling.
        codes[pc.is_null(words).to_numpy(zero_copy_only=False)] = len(column.levels) if column.missing else -1
    unseen = words.filter(pa.array(codes < 0)).drop_null()
    return codes + 1 if column.coded else codes, unseen


def to_dates(
    array: pa.Array | pa.ChunkedArray, form: str, name: str, start: int = 0, utc: bool = False
) -> Any:
    """A column as timestamps in seconds, text optionally in UTC; what is no date of `form` is refused."""
    kind = array.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        array = pc.local_timestamp(array)
    elif pa.types.is_date64(kind):
        array = array.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind):
        return array.cast(pa.timestamp("s"), safe=False)
    words = as_text(array)
    dates = parse_dates(words, form, utc)
    if dates.null_count > words.null_count:
        row = pc.index(pc.and_(pc.is_null(dates), pc.is_valid(words)), True).as_py()
        shape = f" written as {form}" if form else " as 2020-12-31"
        raise Refusal(f'{name} must hold dates{shape}; got "{words[row]}" in row {start + row + 1:,}.')
    return dates


def date_parts(dates: Any, parts: Sequence[str]) -> list[NDArray[Any]]:
    """The named parts of timestamps, each `(rows,)` with NaN for missing.

    >>> [int(part[0]) for part in date_parts(pa.array([0], pa.timestamp("s")), ["year", "weekday"])]
    [1970, 4]
    """
    found = (_DATE_PARTS[part](dates).cast(pa.float64(), safe=False) for part in parts)
    return [pc.fill_null(values, float("nan")).to_numpy(zero_copy_only=False) for values in found]


_DATE_PARTS: dict[str, Callable[[Any], Any]] = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "weekday": lambda dates: pc.day_of_week(dates, count_from_zero=False),
    "day number": lambda dates: pc.floor_temporal(dates, unit="day").cast(pa.date32()).cast(pa.int32()),
    "hour": pc.hour,
}


def as_in_training(
    table: pa.Table, encoder: TableEncoder, positions: Sequence[int]
) -> tuple[pa.Table, list[str]]:
    """The table with text in other formats than in training read as numbers and dates, and notes.

    Columns in the training format are unchanged, as are ambiguous ones: encoding them reports what is wrong.
    """
    decimal = (table.schema.metadata or {}).get(b"decimal", b"").decode()
    separator, notes = decimal_of_columns(table), list[str]()
    for position, column in zip(positions, encoder.columns, strict=True):
        cells, name, found = table.column(position), called_at(encoder.names, column.index, position), None
        if column.kind == "date":
            found = _dates(cells, column, name)
        elif column.kind == "numeric" and pa.types.is_string(cells.type):
            found = _numbers(cells, column, name, separator, decimal)
        elif column.kind == "numeric" and not pa.types.is_null(cells.type):
            unit = NumberForm(*column.number_format).unit
            if unit and unit not in OPPOSITES:
                notes.append(f"{name}: numbers without a unit are taken as {unit}.")
        if found is not None:
            values, note = found
            table = table.set_column(position, table.column_names[position], values)
            notes.append(note)
    return table, notes


def _numbers(
    cells: pa.ChunkedArray, column: Column, name: str, separator: str, decimal: str
) -> tuple[pa.ChunkedArray, str] | None:
    form = NumberForm(*column.number_format)
    values = pa.chunked_array([form.read(cells.combine_chunks())], pa.float64())
    odd = _odd(cells, values, column)
    units = "; ".join(unit_remarks(cells, form))
    if not odd:
        return (values, f"{name}: {units}.") if units else None
    if known_na_values(odd):
        return values, f"{name}: {'; '.join(one for one in (units, read_as_missing(odd)) if one)}."
    try:
        found = infer_numbers(cells, name, hint=separator)
    except Refusal:  # it mixes units; encoding reports the first cell that does not fit
        return None
    if found is None or not known_na_values(_odd(cells, found.values, column)):
        return None
    size = _fits(found.form, form)
    if size is None or (found.doubt and found.form.decimal != (separator or decimal)):
        return None
    how = say(found)
    if column.number_format and found.form != form:
        how = f"is written in another way than in training: it {how}"
    if form.unit and found.form.unit != form.unit:
        how += f"; {'converted to' if found.form.unit else 'taken as'} {form.unit}"
    return pc.multiply(found.values, size), f"{name} {how}."


def _odd(cells: pa.ChunkedArray, values: pa.ChunkedArray, column: Column) -> tuple[Odd, ...]:
    """The cells without a value, except words that were missing values in training."""
    return tuple(one for one in odd_cells(cells, values) if one.word not in column.na_values)


def _fits(new: NumberForm, trained: NumberForm) -> float | None:
    """The factor between two number formats; None if currencies or units differ."""
    if new.joint and new.unit == "h" and trained.plain:
        return 1.0  # times of day, as in the training table
    if new.joint != trained.joint or (new.money and new.money != trained.money):
        return None
    return 1.0 if not new.unit else factor(new.unit, trained.unit)


def _dates(cells: pa.ChunkedArray, column: Column, name: str) -> tuple[pa.ChunkedArray, str] | None:
    if pa.types.is_integer(cells.type):
        form = compact_form(cells)
        if not form or form == column.format:
            return None
        dates = parse_dates(cells.cast(pa.string()), form)
        return dates, f"{name} is written in another way than in training: as {form}."
    if not pa.types.is_string(cells.type):
        return None
    dates = parse_dates(cells, column.format)
    if not (odd := _odd(cells, dates, column)):
        return None
    if known_na_values(odd):
        return dates, f"{name}: {read_as_missing(odd)}."
    found = infer_dates(cells)
    if found is None or found.doubt or not known_na_values(_odd(cells, found.values, column)):
        return None
    how = "; ".join([found.form or "YYYY-MM-DD", *([read_as_missing(found.odd)] if found.odd else [])])
    return found.values, f"{name} is written in another way than in training: as {how}."
