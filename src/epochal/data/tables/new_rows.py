"""Encoding of new rows as the training rows were, with columns matched by name or by count."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import of_new_data, option
from epochal.common.text import counted, shortlist
from epochal.data.arrays.arrays import arrays_of_file
from epochal.data.columns import called, called_at, has_header, plain_name, reference, resolve
from epochal.data.dataset import Dataset
from epochal.data.files.column_types import Selection, table_of_array
from epochal.data.files.file_format import unpack
from epochal.data.files.header import rows_of
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing, is_json, is_parquet, parquet_table, read_table
from epochal.data.files.reading import AS_FOUND, Content, Reading, naming_sheet
from epochal.data.files.sniff import DELIMITERS, Dialect, sniff
from epochal.data.files.text import read_text
from epochal.data.files.text_scan import scan_text, valid_in
from epochal.data.recipe import EXAMPLE
from epochal.data.tables.encode import as_in_training, encode, plain_numbers, without_na_values
from epochal.data.tables.frames import ROLES, NamedTable, column_beside, is_pair, named_table, table_of_frame
from epochal.data.tables.schema import Column, TableEncoder
from epochal.data.tables.table import dataset_of
from epochal.data.tables.target import UNKNOWN, known_ids, plain_target, target_numbers, weights_of
from epochal.data.values.missing import emptied
from epochal.errors import Refusal

_LAST_LINES = 20
"""Lines at the end of a file among which its last row is."""
Encoded = Callable[[pa.Table, TableEncoder, Sequence[int]], tuple[NDArray[Any], Sequence[str]]]


def new_rows(
    read: NamedTable, encoder: TableEncoder, encoded: Encoded = encode, partial: bool = False
) -> Dataset:
    """The samples of a new table; `encoded` makes inputs and notes of (table, encoder, positions)."""
    name, notes, target, weight = read.name, list(read.notes), read.target, read.weight
    beside = frozenset(role for role, one in zip(ROLES, (target, weight), strict=True) if one is not None)
    positions, target_at, weight_at, matched = match_columns(encoder, read.table.column_names, beside)
    if not read.table.num_rows:
        raise Refusal(f"{name} must have at least 1 row to predict; got 0.")
    table, rewritten = as_in_training(read.table, encoder, positions)
    notes += [*matched, *rewritten]
    inputs, unseen = encoded(table, encoder, positions)
    lacking = newly_missing(table, encoder, positions)
    if target is None and target_at is not None:
        target = table.column(target_at)
    if weight is None and weight_at is not None:
        weight = table.column(weight_at)
    del table, read
    pa.default_memory_pool().release_unused()
    labels, of_targets = labels_of_new(encoder, target, weight, partial)
    return dataset_of(encoder, inputs, *labels, name, (*notes, *of_targets, *unseen, *lacking))


def labels_of_new(
    encoder: TableEncoder, target: pa.ChunkedArray | None, weight: pa.ChunkedArray | None, partial: bool
) -> tuple[tuple[NDArray[Any] | None, NDArray[np.float32] | None], list[str]]:
    """The targets and weights of new samples, if there are any, and notes."""
    targets, notes = (None, []) if target is None else targets_of_new(encoder, target, partial)
    if weight is None or targets is None:
        return (targets, None), notes
    known_as = "sample_weight" if encoder.weight is None else called(encoder.names, encoder.weight)
    return (targets, weights_of(weight, known_as)), notes


def newly_missing(table: pa.Table, encoder: TableEncoder, positions: Sequence[int]) -> list[str]:
    """Notes on missing values in columns that had none in training."""
    notes = []
    for position, column in zip(positions, encoder.columns, strict=True):
        found = without_na_values(table.column(position), column)
        count = found.null_count
        if column.missing or not count:
            continue
        unknown = column.kind == "category"
        instead = "treated as unknown" if unknown else "filled with the median of the training samples"
        first = pc.index(found.is_null(), True).as_py() + 1
        cells = counted(count, f"missing value (row {first:,})", f"missing values (first in row {first:,})")
        known_as = called_at(encoder.names, column.index, position)
        notes.append(f"{known_as} has {cells}, training had none: {instead}.")
    return notes


def read_new(
    encoder: TableEncoder, source: Any, reading: Reading = AS_FOUND, others: Collection[str] = ()
) -> NamedTable:
    """The table of a new source, with text columns as in training, and values given beside it.

    Columns without a role but the `others` may have any content, and are left empty where types are known.
    """
    unused = functools.partial(_unused, encoder, others=others)
    if isinstance(source, (str, Path)) and not str(source).startswith(EXAMPLE):
        path = existing(source)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            return _read_arrays(encoder, arrays_of_file(path), path.name)
        table, notes = _read_file(encoder, path, read_as_before(encoder, path, reading), unused)
        return NamedTable(table, path.name, notes)
    if getattr(source, "ndim", 0) == 1 and set(encoder.names) & set(map(str, getattr(source, "index", ()))):
        raise Refusal(
            "new rows must be a data frame; got one row of it. Use frame.iloc[[0]], not frame.iloc[0]."
        )
    if (found := named_table(source, reading, drop=unused)) is not None:
        return found
    if is_pair(source):
        return frame_beside(encoder, source)
    if isinstance(source, tuple) and len(source) in (2, 3):
        return _read_arrays(encoder, source, "arrays")
    return _read_arrays(encoder, (source,), "array")


def read_as_before(encoder: Any, source: Any, reading: Reading = AS_FOUND) -> Reading:
    """The options for a new file: those of the training file, if its columns are found with them.

    One that is no UTF-8 is read in the encoding of the training file, if it is valid in it: few rows say
    little about which encoding they are in. `encoder` is any, or None.
    """
    encoder = getattr(encoder, "table", encoder)
    if not isinstance(encoder, TableEncoder) or not isinstance(source, str | Path):
        return reading
    old = encoder.encoding if reading.encoding is None and encoder.encoding[:3] != "utf" else ""
    known = {name: one for name, one in encoder.form.given.items() if getattr(reading, name) is None}
    if not encoder.header:  # no name tells then whether a line that would be skipped is a row
        known.pop("skip_rows", None)
    for options in (known, {name: one for name, one in known.items() if name == "sheet"}, {}):
        with suppress(Refusal, OSError):  # another kind of source, or one that is refused when it is read
            found = replace(reading, **options)
            content = unpack(existing(source), found.sheet) if old or options else None
            if content and old and scan_text(content).encoding[:3] != "utf" and valid_in(content, old):
                found = replace(found, encoding=old)
            names = sniff(content, found).names if content and options else encoder.names
            if (has_header(names) or not encoder.header) and match_columns(encoder, names):
                return found
    return reading


def _read_file(
    encoder: TableEncoder, path: Path, reading: Reading, unused: Selection
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a file, with text columns as in training."""
    if is_parquet(path):
        return parquet_table(path, unused)
    content = unpack(path, reading.sheet)
    if is_json(content):
        return _with_absent_keys(encoder, *read_table(path, reading, drop=unused))
    with naming_sheet(map(of_new_data, content.notes)):
        if reading.missing is None:
            reading = replace(reading, missing=encoder.na_values)
        dialect = sniff(content, reading)
        known = {plain_name(column.name) for column in encoder.columns}
        named = dialect.header and known & set(map(plain_name, dialect.names))
        if encoder.header and not named:
            lines = scan_text(content, reading.encoding).tail
            last = [row.cells for row in rows_of(lines[-_LAST_LINES:], dialect.delimiter)][-1:]
            if last and known <= set(map(plain_name, last[0])):
                raise Refusal(
                    f"{content.name} must have at least 1 row to predict; got 0: its last line is the header."
                )
        if encoder.header and reading.header is None and not named:
            first = sniff(content, replace(reading, header=True))
            header = bool(known & set(map(plain_name, first.names)))
            if dialect.header and not header:
                refuse_other_table(encoder, dialect.names, content.name)
            if not header and len(first.names) - len(encoder.names) not in (0, -1):
                header = dialect.header
            if header != dialect.header:
                dialect = sniff(content, replace(reading, header=header))
        positions, target, _, _ = match_columns(encoder, dialect.names)
        columns = zip(positions, encoder.columns, strict=True)
        levels = {dialect.names[at]: column.levels for at, column in columns if column.text}
        if target is not None and encoder.target_text:
            levels[dialect.names[target]] = encoder.task.classes if encoder.task is not None else ()
        table, notes = read_text(content, dialect, reading, levels, levels)
        return table, (*notes, *_other_form(encoder, dialect, content))


def _other_form(encoder: TableEncoder, dialect: Dialect, content: Content) -> tuple[str, ...]:
    """A note on another delimiter and another encoding than those of the training file."""
    if content.sheet or encoder.form.sheet or not encoder.form.delimiter:
        return ()
    new, old = (f"by {DELIMITERS.get(one.delimiter, one.delimiter)}s" for one in (dialect, encoder.form))
    differ = [f"fields are separated {new}, in training {old}"] if new != old else []
    new, old = (one.encoding.removesuffix("-sig") for one in (dialect, encoder))
    differ += [f"the encoding is {new}, in training {old}"] if new != old else []
    return (f"{'; '.join(differ)}.",) if differ else ()


def _unused(
    encoder: TableEncoder | None, names: Sequence[str], others: Collection[str] = ()
) -> Collection[int]:
    """The columns of a new table without a role, but for the `others`; they may have any content."""
    if encoder is None or not encoder.header:
        return ()
    roles = (*(column.index for column in encoder.columns), encoder.target, encoder.weight)
    named = (*others, *(encoder.names[index] for index in roles if index is not None))
    used = set(map(plain_name, named))
    return [index for index, name in enumerate(names) if plain_name(name) not in used]


def frame_beside(encoder: TableEncoder | None, source: tuple[Any, ...]) -> NamedTable:
    """A frame with its target and sample weights beside it, or named among its columns."""
    named = {plain_name(one) for one in source[1:] if isinstance(one, str)}
    numbered = any(isinstance(one, int) for one in source[1:])  # numbers count the present columns
    unused = functools.partial(_unused, None if numbered else encoder)
    table, notes = table_of_frame(
        source[0], lambda names: [at for at in unused(names) if plain_name(names[at]) not in named]
    )
    names = table.column_names
    beside, taken = dict[str, pa.ChunkedArray](), set[str]()
    for role, values in zip(ROLES, source[1:], strict=False):
        if isinstance(values, (str, int)):
            taken.add(name := names[resolve(values, names, role)])
            beside[role] = table.column(name)
        elif values is not None or role == "target":
            beside[role] = column_beside(table, role, values)[1]
    table = table.drop_columns(sorted(taken))
    return NamedTable(table, "data frame", notes, beside.get("target"), beside.get("sample_weight"))


def _read_arrays(encoder: TableEncoder, source: Sequence[Any], name: str) -> NamedTable:
    inputs = np.asarray(source[0])
    if inputs.ndim != 2 or inputs.dtype.kind not in "buif":
        raise Refusal(
            f"new samples must be (samples, {len(encoder.names)}) numbers or a table; got {inputs.dtype} "
            f"of the shape {inputs.shape}."
        )
    table = table_of_array(inputs)
    target, weight = (
        None if values is None else column_beside(table, role, values)[1]
        for role, values in zip(ROLES, [*source[1:], None, None][:2], strict=True)
    )
    return NamedTable(table, name, (), target, weight)


def targets_of_new(
    encoder: TableEncoder, column: pa.ChunkedArray, partial: bool = False
) -> tuple[NDArray[Any] | None, list[str]]:
    """The targets of new rows with notes; None if some are missing, or -1 and NaN there if `partial`."""
    name = called(encoder.names, encoder.target or 0)
    if encoder.target_na_values and pa.types.is_string(column.type):
        column = emptied(column, encoder.target_na_values)
    if partial and 0 < column.null_count < len(column):
        known, notes = targets_of_new(encoder, column.drop_null())
        if known is None:
            return None, notes
        targets = np.full(len(column), UNKNOWN if known.dtype.kind == "i" else np.nan, known.dtype)
        targets[np.asarray(column.is_valid().to_numpy())] = known
        return targets, notes
    if column.null_count:
        if column.null_count == len(column):
            return None, []
        row = pc.index(pc.is_null(column), True).as_py() + 1
        return None, [
            f"{name} is the target and misses {column.null_count:,} of {len(column):,} values (first in row "
            f"{row:,}): the targets are not used."
        ]
    if encoder.task is None:
        return None, []
    if encoder.task.is_classification:
        return known_ids(column, encoder.task, name)
    if encoder.target_number_format and pa.types.is_string(column.type):
        form = Column(encoder.target_name, 0, "numeric", number_format=encoder.target_number_format)
        column = pa.chunked_array([plain_numbers(column.combine_chunks(), form, name)])
    return target_numbers(plain_target(column, name, "regression").column, name), []


def _with_absent_keys(
    encoder: TableEncoder, table: pa.Table, notes: tuple[str, ...]
) -> tuple[pa.Table, tuple[str, ...]]:
    """JSON lines with the columns that no row has and that had gaps in training: a key is left out there."""
    known, absent = set(map(plain_name, table.column_names)), list[str]()
    if known - set(map(plain_name, encoder.names)):
        return table, notes  # a key with another name may be the one that is absent
    for column in encoder.columns:
        if not column.missing or plain_name(column.name) in known:
            continue
        kind = {"numeric": pa.float64(), "boolean": pa.bool_()}.get(column.kind, pa.string())
        before = sum(name in table.column_names for name in encoder.names[: column.index])
        table = table.add_column(before, column.name, pa.nulls(len(table), kind))
        absent.append(column.name)
    if absent and len(absent) == len(encoder.columns):
        return table.drop_columns(absent), notes  # another table, which is refused as such
    is_in = f"column {shortlist(absent)} is" if len(absent) == 1 else f"columns {shortlist(absent)} are"
    return table, (*notes, f"{is_in} in no row: missing values.") if absent else notes


def match_columns(
    encoder: TableEncoder, names: Sequence[str], beside: frozenset[str] = frozenset()
) -> tuple[list[int], int | None, int | None, list[str]]:
    """Indices of the inputs, the target and the weights in the new table, and notes on ignored columns."""
    notes = ["columns are matched by position, having no names."] if encoder.header else []
    at = None if has_header(names) else _by_count(encoder, len(names), beside)
    if at is None:
        at, notes = _by_name(encoder, names)
    inputs = [at[column.index] for column in encoder.columns]
    return inputs, at.get(encoder.target), at.get(encoder.weight), notes


def _by_count(encoder: TableEncoder, count: int, beside: frozenset[str]) -> Mapping[int | None, int] | None:
    """Positions of training columns in a table without names: all, or without the target, or the weights."""
    roles = zip(ROLES, (encoder.target, encoder.weight), strict=True)
    given = {index for role, index in roles if role in beside}
    for left_out in (given, given | {encoder.target}, given | {encoder.target, encoder.weight}):
        present = [index for index in range(len(encoder.names)) if index not in left_out]
        if len(present) == count:
            return {index: position for position, index in enumerate(present)}
    if encoder.header:
        return None
    full = len(encoder.names) - len(given - {None})
    bound = f"{full:,} columns"
    if encoder.target is not None:
        bound += " beside the target" if "target" in beside else f", or {full - 1:,} without the target,"
    raise Refusal(f"the new table must have {bound} as the training table had; got {count:,}.")


def _by_name(encoder: TableEncoder, names: Sequence[str]) -> tuple[Mapping[int | None, int], list[str]]:
    """Positions of training columns by their names, in which capitals or blanks may differ, and notes."""
    written: dict[str, list[str]] = {}
    for name in set(encoder.names) - set(names):
        written.setdefault(plain_name(name), []).append(name)
    found: dict[str, int] = {}
    changed: list[str] = []
    for at, name in enumerate(names):
        meant = written.get(plain_name(name), []) if name not in encoder.names else []
        if len(meant) == 1:
            changed.append(f'"{name}" for "{meant[0]}"')
            name = meant.pop()
        found[name] = at
    if lacking := [column for column in encoder.columns if column.name not in found]:
        raise _lacking(encoder, lacking, list(found))
    notes: list[str] = []
    if changed:
        which = counted(len(changed), "column name differs", "column names differ")
        shown = shortlist(changed, 3, quote="")
        notes.append(f"{which} from the training table's in capitals or blanks only ({shown}): matched.")
    if extra := [name for name in found if name not in encoder.names]:
        which = f"column {shortlist(extra)} was" if len(extra) == 1 else f"columns {shortlist(extra)} were"
        notes.append(f"{which} not in the training table: ignored.")
    places = [found[name] for name in encoder.names if name in found]
    if places != sorted(places):
        notes.append("the columns are in another order than in training: matched by their names.")
    return {index: found[name] for index, name in enumerate(encoder.names) if name in found}, notes


def _lacking(encoder: TableEncoder, lacking: Sequence[Column], names: Sequence[str]) -> Refusal:
    shown = ", ".join(f'"{column.name}"' for column in lacking[:5])
    more = f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
    others = [name for name in names if name not in encoder.names]
    near = difflib.get_close_matches(lacking[0].name, others, n=1)
    them = "it" if len(lacking) == 1 else "them"
    drop = option("drop", [reference(encoder.names, one.index) for one in lacking])
    if near:
        hint = f'Is "{near[0]}" the first of them? Rename it.'
    elif len(lacking) == len(encoder.columns):
        hint = "Is it another table?"
    elif encoder.task is None:
        hint = f"Add {them}: a series is predicted from all the columns that it was trained on."
    else:
        hint = f"Add {them}, or train anew without {them}, with {drop}."
    return Refusal(
        f"the new table must have the {len(encoder.columns):,} input columns of the training table; "
        f"it lacks {shown}{more}. {hint}"
    )


def refuse_other_table(encoder: TableEncoder, names: Sequence[str], source: str) -> None:
    """Refuse a table whose header has no name of the training table.

    The first row of a file without a header may look like one; then its cells fit the columns.
    """
    trained = list(range(len(encoder.names)))
    if len(names) == len(trained) - 1:
        trained = [index for index in trained if index != encoder.target]
    if len(names) != len(trained):
        return
    numeric = {column.index for column in encoder.columns if column.kind == "numeric"}
    cells = [name for name, index in zip(names, trained, strict=True) if index in numeric]
    if not cells or any(cell[:1].isdigit() or cell[-1:].isdigit() for cell in cells):
        return
    raise Refusal(
        f"{source} must have the {len(encoder.columns):,} input columns of the training table "
        f"({shortlist(column.name for column in encoder.columns)}); it has none of them, but "
        f"{shortlist(names)}. Give the table that belongs to this run, or rename its columns."
    )
