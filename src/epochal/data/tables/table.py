"""The data set of a table, recognition of its columns, and of rows that follow one another in time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.text import counted
from epochal.data.columns import called, reference, resolve
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.read import form_of
from epochal.data.files.reading import FileForm, naming_sheet
from epochal.data.lazy import FileArray, sampled
from epochal.data.tables.association import LEAK_NOTE_MARKER, TargetValues, alike_within, target_values
from epochal.data.tables.encode import encode, plain_numbers, to_dates, without_na_values
from epochal.data.tables.recognize import ENTRY, Hints, TableOptions, recognize, usual_target
from epochal.data.tables.schema import Column, LeftOut, TableEncoder
from epochal.data.tables.target import group_ids, na_counts_of, read_target, weights_of
from epochal.data.values.date_forms import infer_dates
from epochal.data.values.number_forms import decimal_of_columns
from epochal.errors import Refusal, join_refusals


def dataset_of_table(
    table: pa.Table,
    options: TableOptions,
    source: str,
    notes: Sequence[str] = (),
    header: bool = True,
    beside: Collection[str] = (),
    among: int | None = None,
) -> Dataset:
    """Recognize the columns and the task of a table of normalized types, and encode it.

    Columns `beside` it were given separately, and have no number. The default target
    is among the first `among` columns, all by default.
    """
    names = tuple(table.column_names)

    def known_as(index: int) -> str:
        return f'"{names[index]}"' if names[index] in beside else called(names, index)

    with naming_sheet(notes):
        if table.num_rows < 2:
            raise Refusal(f"{source} must have at least 2 rows to train on; got {table.num_rows}.")
        if len(names) < 2:
            text = not form_of(table).get("form", FileForm(sheet=source)).sheet
            remedy = " If fields are separated by another character, pass it with `delimiter=CHAR`." * text
            raise Refusal(
                f"{source} must have at least 2 columns, inputs and a target; got {len(names)}.{remedy}"
            )
    target, weight, instead = roles_of(options, names, table.column, known_as, among)
    remarks = [*notes, *instead]
    labels = read_target(table, target, known_as(target), options)
    table, task = labels.table, labels.task
    remarks += labels.notes
    groups = None
    if options.groups is not None:
        at = resolve(options.groups, names, "groups")
        if at in (target, weight):
            raise Refusal(f"`groups` must be no column that has another role; got {called(names, at)}.")
        groups = group_ids(table.column(at), called(names, at), options.groups_from)
        options = replace(options, drop=(*options.drop, at + 1))
        remarks.append(f"{called(names, at)} tells {int(groups.max()) + 1:,} groups apart, and is no input.")
    known = target_values(labels.targets, len(task.classes), len(names))
    fields = {"names": names, "header": header, "target": target, "weight": weight, **labels.fields}
    encoder, column_notes = encoder_of(table, options, fields, known)
    remarks += column_notes
    sample_weight = None
    if weight is not None:
        sample_weight = weights_of(table.column(weight), known_as(weight))
        remarks.append(f"{known_as(weight)} weighs the samples.")
    for column in encoder.columns:
        if column.number_format:  # parsed once, instead of at each further use
            numbers = plain_numbers(table.column(column.index), column, called(names, column.index))
            table = table.set_column(column.index, column.name, numbers)
    inputs, _ = encode(table, encoder, [column.index for column in encoder.columns])
    time_column = rising_column(table, encoder.columns, names)
    repeated = repeated_column(table, encoder.columns, names, labels.targets, len(task.classes))
    del table
    pa.default_memory_pool().release_unused()
    found = dataset_of(encoder, inputs, labels.targets, sample_weight, source, remarks, labels.rows)
    return replace(found, groups=groups, time_column=time_column, repeated_column=repeated)


def dataset_of(
    encoder: TableEncoder,
    inputs: NDArray[Any] | FileArray,
    targets: NDArray[Any] | None,
    weights: NDArray[np.float32] | None,
    source: str,
    notes: Sequence[str],
    rows: NDArray[np.int64] | None = None,
) -> Dataset:
    """The data set of samples that were encoded by `encoder`; `rows` are all by default."""
    seen = inputs if isinstance(inputs, np.ndarray) else sampled(inputs)
    return Dataset(
        inputs=inputs,
        targets=targets,
        task=None if targets is None else encoder.task,
        features=encoder.features,
        continuous=encoder.continuous,
        encoder=encoder,
        target_name="" if targets is None else encoder.target_name,
        source=source,
        raw_notes=tuple(notes),
        row_numbers=np.arange(1, len(inputs) + 1, dtype=np.int64) if rows is None else rows,
        sample_weight=weights,
        fingerprint=fingerprint((*encoder.features, encoder.target_name), seen, targets, weights),
    )


def roles_of(
    options: TableOptions,
    names: Sequence[str],
    column: Callable[[int], pa.ChunkedArray],
    known_as: Callable[[int], str],
    among: int | None = None,
) -> tuple[int, int | None, list[str]]:
    """The target, the weights of the samples, and a note on a target that is not the last column."""
    notes = []
    if options.target is None:
        target, note = usual_target(names[:among], column)
        notes = [note] if note else []
    else:
        target = resolve(options.target, names, "target")
    weight = None if options.sample_weight is None else resolve(options.sample_weight, names, "sample_weight")
    if weight == target:
        raise Refusal(f"`sample_weight` must be another column than the target; got {known_as(target)}.")
    return target, weight, notes


def encoder_of(
    table: pa.Table, options: TableOptions, fields: dict[str, Any], known: TargetValues, fill: str = "median"
) -> tuple[TableEncoder, list[str]]:
    """The encoder of a table with its other `fields`, and notes on its columns; refuses all at once."""
    names, target, weight = fields["names"], fields["target"], fields["weight"]
    chosen = options.columns(names)
    _refuse_contradictions(names, target, chosen)
    drop = chosen.pop("drop")
    columns, left_out = list[Column](), list[LeftOut]()
    notes, problems = list[str](), list[str]()
    hints = hints_of(table, options, drop | chosen["categorical"] | {target, weight}, known)
    for index, name in enumerate(names):
        if index in (target, weight):
            continue
        if index in drop:
            left_out.append(LeftOut(name, index, "dropped, as asked"))
            continue
        try:
            roles = [role for role, positions in chosen.items() if index in positions]
            found, note = recognize(names, table.column(index), index, roles, hints)
        except Refusal as error:
            problems.append(error.sentence)
            continue
        notes += [note] if note else []
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        columns.append(found)
        seen = known.rows_of(table.column(index))
        if how := known.determined_by(plain_numbers(seen, found, name) if found.number_format else seen):
            notes.append(
                f"{called(names, index)}{LEAK_NOTE_MARKER}{how}. If it is not known before the target "
                f"is, leave it out with {option('drop', [reference(names, index)])}."
            )
    if problems:
        raise join_refusals(problems)
    if not columns:
        reasons = "; ".join(f"{called(names, item.index)}: {item.reason}" for item in left_out[:5])
        more = f"; and {len(left_out) - 5:,} more" if len(left_out) > 5 else ""
        prose = [item.index for item in left_out if item.reason == "free text"][:1]
        words = [option("text", reference(names, at), of="ep.load_texts") for at in prose]
        raise Refusal(
            f"at least 1 input column is needed; all {len(left_out):,} are left out ({reasons}{more}). Keep "
            f"one with `keep=COLUMN`{', or read its words with ' if words else ''}{''.join(words)}."
        )
    encoder = TableEncoder(columns=tuple(columns), left_out=tuple(left_out), **form_of(table), **fields)
    return encoder, [*notes, *_missing_note(table, names, columns, fill)]


def _missing_note(
    table: pa.Table, names: Sequence[str], columns: Sequence[Column], fill: str
) -> tuple[str, ...]:
    lacking = [column for column in columns if column.missing]
    if not lacking:
        return ()
    cells = sum(without_na_values(table.column(one.index), one).null_count for one in lacking)
    short = [reference(names, one.index) for one in lacking[:10]]
    shown = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in short)
    shown += f" and {len(lacking) - 10:,} more" if len(lacking) > 10 else ""
    which = f"column {shown} has" if len(lacking) == 1 else f"columns {shown} have"
    kinds = {one.kind == "category" for one in lacking}
    filled = f"numbers are filled with the {fill} of the training samples, " if False in kinds else ""
    filled += "categories are left without a level, " if kinds == {True, False} else ""
    filled += "and " if filled else ""
    read = na_counts_of(table)
    marked = sum(sum(read.get(names[one.index], {}).values()) for one in lacking)
    empty = ", empty ones included" if 0 < marked < cells else ""
    return (
        f"{which} missing values ({counted(cells, 'cell')}{empty}): {filled}an indicator column says where.",
    )


def hints_of(
    table: pa.Table, options: TableOptions, aside: Collection[int | None], targets: TargetValues | None = None
) -> Hints:
    """Number and date formats inferred from the file and its other columns."""
    separator = decimal_of_columns(table)
    day_first: bool | None = True if separator == "," else None
    for index, column in enumerate(table.columns):
        if index in aside or options.date_format is not None or not pa.types.is_string(column.type):
            continue
        seen = infer_dates(column.slice(0, 2000))
        if seen is not None and not seen.doubt and all(part in seen.form for part in ("%d", "%m", "/")):
            day_first = seen.form.index("%d") < seen.form.index("%m")
            break
    return Hints(options, separator, day_first, targets)


def _refuse_contradictions(names: Sequence[str], target: int, chosen: dict[str, frozenset[int]]) -> None:
    for role in ("keep", "drop"):
        if target in chosen[role]:
            raise Refusal(
                f"{role} must name input columns; got {called(names, target)}, which is the target."
            )
    pairs = (("keep", "drop"), ("drop", "categorical"), ("drop", "numeric"), ("categorical", "numeric"))
    for first, second in pairs:
        if both := chosen[first] & chosen[second]:
            raise Refusal(
                f"{called(names, min(both))} is in both {first} and {second}; name it in one of them."
            )


_FEWEST = 20
"""Fewest rows for the note."""


def rising_column(table: pa.Table, columns: Sequence[Column], names: Sequence[str]) -> str:
    """The time column by which the rows are ordered; empty if there is none.

    Most times must differ; equal times may be of several series.
    """
    for column in columns:
        if column.kind != "date" or table.num_rows < _FEWEST:
            continue
        cells = without_na_values(table.column(column.index), column)
        if cells.null_count:
            continue
        dates = to_dates(cells, column.format, column.name)
        steps = np.diff(np.asarray(dates.cast(pa.int64()).to_numpy()))
        if (steps >= 0).all() and (steps > 0).mean() > 0.5:
            return called(names, column.index)
    return ""


_FEW_LEVELS = 10
"""Fewest levels of a column that is named as what a table lists."""


def repeated_column(
    table: pa.Table, columns: Sequence[Column], names: Sequence[str], targets: NDArray[Any], classes: int
) -> str:
    """A note on the column of many levels that say much about the target of their rows; empty without one.

    Such is a patient who comes several times: a network learns the patient, and knows nothing of new ones.
    The levels are many if the network learns an embedding of each from its few rows (more than 50), or if
    the column is called like what a table lists (a patient, a customer) and has at least 10; they have two
    rows each, on average. A category of fewer levels, such as 20 cities, is an ordinary one: each level has
    many rows, and new rows will be of the same. So is one with a frequent level, of more than a twentieth of
    the rows and 5 times the average (arbitrary bounds), as codes have. Of several it is that of most levels.
    """
    most, found = 0, ""
    for column in columns:
        cells = table.column(column.index)
        listed = ENTRY.fullmatch(column.name) and (
            column.kind == "category" or pa.types.is_integer(cells.type)
        )
        if not listed and not column.coded:
            continue
        encoded = cells.combine_chunks().dictionary_encode()
        levels, there = len(encoded.dictionary), np.asarray(encoded.is_valid())
        if levels <= max(most, _FEW_LEVELS - 1) or 2 * levels > there.sum():
            continue
        codes = encoded.indices.drop_null().to_numpy().astype(np.int64)
        if np.bincount(codes).max() > max(len(codes) / 20, 5 * len(codes) / levels):
            continue
        if alike_within(codes, targets[there], classes):
            most = levels
            found = (
                f"{called(names, column.index)} has {levels:,} values of several rows each, within which the "
                "target is more alike than by chance: a random split has rows of the same ones in training "
                f"and validation; {option('groups', reference(names, column.index))} holds out whole ones, "
                "if new rows will be of new ones."
            )
    return found


def repeated_note(note: str, kind: str | None, validation: object, test: object) -> tuple[str, ...]:
    """The `note` of `repeated_column`, if rows are split at random; the arguments are those of `rising_note`.

    >>> repeated_note("several rows each", "groups", 0.2, 0), repeated_note("several rows each", None, 0.2, 0)
    ((), ('several rows each',))
    """
    return (note,) if note and _at_random(kind, validation, test) else ()


def rising_note(column: str, kind: str | None, validation: object, test: object) -> tuple[str, ...]:
    """A note if rows ordered in time are split at random.

    `column` is the result of `rising_column`, and `kind` that of the split. Validation and test are held out
    of the rows if they are numbers.

    >>> rising_note('column 1 ("day")', "chronological", 0.2, 0)
    ()
    """
    if not column or not _at_random(kind, validation, test):
        return ()
    return (
        f"the rows are in the order of {column}: if they are a series, `ep.load_windows(..., window=24)` "
        'forecasts it from its past, and `split="chronological"` holds out the last rows; a random split '
        "trains on the future of what it validates on.",
    )


def _at_random(kind: str | None, validation: object, test: object) -> bool:
    drawn = any(isinstance(part, int | float) and part for part in (validation, test))
    return drawn and kind not in ("chronological", "groups")
