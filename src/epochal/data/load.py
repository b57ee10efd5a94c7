"""Which dataset does a source hold: a path, an example's name, arrays or a frame?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.data.arrays import dataset_of_arrays, read_npy, read_npz
from epochal.data.columns import ColumnReference, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.examples import example
from epochal.data.frames import ROLES, column_beside, is_frame, is_pair, table_of_frame
from epochal.data.grouping import by_table, with_groups
from epochal.data.host import parts_on_host
from epochal.data.hugging import dataset_of_hugging, is_hugging
from epochal.data.image_folder import holds_images
from epochal.data.images import ImageOptions, Progress, read_folder
from epochal.data.items import dataset_of_items, is_items
from epochal.data.large import rows_of_array, streams, streams_note
from epochal.data.parquet import converted, is_large
from epochal.data.pixel_arrays import channels_last
from epochal.data.read import existing, is_parquet, read_table
from epochal.data.reading import Reading
from epochal.data.recipe import Recipe, absolute
from epochal.data.rows import FileRows
from epochal.data.schema import Encoder
from epochal.data.table import TableOptions, dataset_of_table
from epochal.errors import Refusal
from epochal.faces import named

__all__ = ["load"]

ARRAY_SUFFIXES = (".npy", ".npz")


@named("ep.load_data")
def load(
    source: Any,
    *,
    target: ColumnReference | None = None,
    task: str | None = None,
    keep: Sequence[ColumnReference] = (),
    drop: Sequence[ColumnReference] = (),
    categorical: Sequence[ColumnReference] = (),
    numeric: Sequence[ColumnReference] = (),
    decimal: str | None = None,
    date_format: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
    sample_weight: ColumnReference | None = None,
    groups: ColumnReference | Sequence[Any] | NDArray[Any] | None = None,
    groups_from: str | None = None,
    groups_table: Any = None,
    resize: tuple[int, int] | None = None,
    color: bool | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    stream: bool | None = None,
    workers: int | None = None,
) -> Dataset:
    """The dataset that a source holds; everything recognized is in its `notes`.

    Args:
        source: a path to a CSV, TSV, JSON-lines, Excel, OpenDocument, Parquet, `.npy` or `.npz` file, packed
            (gzip, bz2, xz, zstd, zip) or not, "-" for standard input, to a folder of Parquet files, or to one
            with one sub-folder of images for each class; "example:NAME"; `(X, y)` or
            `(X, y, sample_weight)`; a frame, `(frame, "target")`, `(frame, y)` or
            `(frame, y, sample_weight)`; an object whose `[i]` gives `(inputs, target)` or a mapping of them,
            such as a PyTorch Dataset; a Hugging Face data set; a Dataset (as it is).
        target: the target column, by name or by number from 1; the last one by default.
        task: "classification", "binary", "multiclass", "multilabel" (columns of 0 and 1) or "regression";
            recognized by default.
        keep: columns not to be left out, whatever they look like.
        drop: columns to leave out.
        categorical: columns to read as categories.
        numeric: columns to read as numbers.
        decimal: the decimal mark of numbers, "." or ","; recognized by default.
        date_format: how dates are written, as `strptime` takes it, such as "%d/%m/%Y"; recognized by default.
        header: whether a text table's first row holds names; recognized by default.
        delimiter: what separates a text table's fields; recognized by default.
        missing: the cells of a text table that mean a missing value, in place of the usual ones (NA, ?, …).
        encoding: how a text table is encoded, such as "cp1251"; recognized by default.
        skip_rows: lines at the beginning of a text table that are not read; titles are recognized by default.
        comment: what a line of a text table begins with that is not read.
        sheet: the sheet of a workbook, by name or number from 1; the first one with values by default.
        sample_weight: the column that weighs the samples.
        groups: the column of a table that tells groups of samples apart: no input, but what order "groups"
            keeps together and what a split keeps on one side. Or the group of each sample, in an array.
        groups_from: a regular expression that finds the group in the name of each file: what its first
            parentheses hold, such as `s([0-9]+)_`. With `groups`, in that column.
        groups_table: a table (a path, a frame or a mapping) of file names and their groups.
        resize: the height and width to which images are brought; their own by default.
        color: whether images are read as RGB (True) or gray (False); recognized by default.
        skip_bad: whether images that can't be read are left out, and counted, instead of being refused.
        progress: called with (what, done, of how many) while reading takes long.
        stream: whether inputs stay where they are and are read batch by batch in training; by default those
            that would take more than a quarter of the free memory, or that are no arrays.
        workers: processes that read an object's samples; by default as many as cores if that is slow.

    Raises:
        Refusal: anything that cannot work, in one sentence.

    >>> load("example:iris").task.classes
    ('setosa', 'versicolor', 'virginica')
    """
    if groups_table is not None or not isinstance(groups, str | int | None):
        given = {name: value for name, value in locals().items() if name not in ("groups", "groups_table")}
        return _grouped(load(**given), source, groups, groups_table)
    source = parts_on_host(source)
    options = TableOptions(
        target,
        task,
        tuple(keep),
        tuple(drop),
        tuple(categorical),
        tuple(numeric),
        sample_weight,
        groups,
        decimal,
        date_format,
        groups_from,
    )
    if isinstance(source, Dataset):
        return source
    images = ImageOptions(resize, color, skip_bad)
    reading = Reading(header, delimiter, missing, encoding, skip_rows, comment, sheet, decimal)
    asked = {
        **vars(options),
        **vars(reading),
        "resize": resize,
        "color": color,
        "skip_bad": skip_bad,
    }
    if isinstance(source, (str, Path)) and holds_images(Path(source).expanduser()):
        folder = Path(source).expanduser()
        _refuse_table_options(options, f'"{source}", a folder of images,', target=True)
        return _again(read_folder(folder, images, task, progress, stream, groups_from), source, asked)
    if images != ImageOptions():
        raise Refusal(
            "resize, color and skip_bad are about a folder of images; leave them out for other data."
        )
    if groups_from is not None and groups is None:
        raise Refusal(
            "groups_from finds groups in the names of files, or in a column of a table; name it: groups "
            "(--groups COLUMN)."
        )
    if isinstance(source, (str, Path)):
        found = _load_path(source, options, reading, stream, progress)
        return _again(found, source, asked)
    if is_hugging(source):
        return dataset_of_hugging(source, options, workers=workers, progress=progress, stream=stream)
    if is_frame(source):
        return _load_frame(source, options)
    if is_pair(source):
        return _load_pair(source, options)
    if (
        isinstance(source, (tuple, list))
        and 2 <= len(source) <= 3
        and all(hasattr(a, "__len__") for a in source)
    ):
        _refuse_table_options(options, "arrays", target=True)
        return _load_arrays(source, task, stream)
    if is_items(source):
        _refuse_table_options(options, type(source).__name__, target=True)
        return dataset_of_items(source, task=task, workers=workers, progress=progress, stream=stream)
    raise Refusal(
        "data must be a path, example:NAME, arrays (X, y), a data frame with a target, or an object that "
        "gives (inputs, target) by number; "
        f"got {type(source).__name__}."
    )


def _grouped(found: Dataset, source: Any, groups: Any, table: Any) -> Dataset:
    """The data set with groups that are told by a table of names or by an array."""
    if table is None:
        return with_groups(found, groups, "told by groups")
    if groups is not None or found.groups is not None:
        raise Refusal("groups_table tells the groups; leave groups and groups_from out.")
    if not found.names:
        raise Refusal(
            "groups_table is for samples with names, the images of a folder; name a column with groups "
            "(--groups), or give an array."
        )
    grouped = with_groups(found, by_table(found.names, table), "told by a table")
    recipe, where = found.recipe, absolute(table)
    if recipe is not None:
        told = None if where is None else {**recipe.options, "groups_table": where}
        recipe = None if told is None else replace(recipe, options=told)
    return replace(grouped, recipe=recipe)


def _again(found: Dataset, source: str | Path, asked: dict[str, Any]) -> Dataset:
    """The data set with its recipe; another machine with another memory shall keep it where it is here."""
    asked["stream"] = not isinstance(found.inputs, np.ndarray)
    return replace(found, recipe=Recipe.of("load", source, asked))


def _load_path(
    source: str | Path,
    options: TableOptions,
    reading: Reading,
    stream: bool | None,
    progress: Progress | None,
) -> Dataset:
    name = str(source)
    if name.startswith("example:"):
        table, notes = example(name.removeprefix("example:"))
        return dataset_of_table(table, options, name, notes)
    path = existing(source)
    if is_parquet(path) and is_large(path, stream):
        return converted(path, options, progress)
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        _refuse_table_options(options, path.name, target=suffix == ".npz")
        if suffix == ".npz":
            return read_npz(path, options.task)
        return read_npy(path, options.target, options.task, stream)
    table, notes = read_table(path, reading, drop=lambda names: resolve_all(options.drop, names, "drop"))
    named = table.column_names != [f"column {index + 1}" for index in range(table.num_columns)]
    held = [table]
    del table
    found = dataset_of_table(held.pop(), options, path.name, notes, header=named)
    assert isinstance(found.encoder, Encoder)
    return replace(found, encoder=replace(found.encoder, missing=reading.marks))


def _load_arrays(source: Sequence[Any], task: str | None, stream: bool | None) -> Dataset:
    """`(X, y)` or `(X, y, sample_weight)`; a large X, or one that is mapped from a file, may be streamed."""
    inputs = source[0]
    if not isinstance(inputs, np.ndarray) or inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        return dataset_of_arrays(*source, task=task)
    values = 1 if inputs.dtype == np.uint8 and inputs.ndim > 2 else 4
    if not streams(inputs.size * values, stream):
        return dataset_of_arrays(*source, task=task)
    inputs, moved = channels_last(inputs)
    rows = rows_of_array(inputs)
    where = rows.path.name if isinstance(rows, FileRows) else "the array"
    said = (*moved, streams_note(rows, where))
    return dataset_of_arrays(rows, *source[1:], task=task, source=where, said=said)


def _load_pair(source: tuple[Any, ...], options: TableOptions) -> Dataset:
    """`(frame, "target")` or `(frame, y)`, and perhaps sample weights in the same ways."""
    table, notes = _frame_table(source[0], options)
    chosen: dict[str, Any] = {}
    beside: list[str] = []
    for role, values in zip(ROLES, source[1:], strict=False):
        if values is None and role == "sample_weight":
            continue
        if isinstance(values, (str, int)):
            chosen[role] = values
            continue
        name, column = column_beside(table, role, values)
        while name in table.column_names:
            name = f"{name}_"
        table = table.append_column(name, column)
        chosen[role] = name
        beside.append(name)
    return dataset_of_table(table, replace(options, **chosen), "data frame", notes, beside=beside)


def _load_frame(frame: Any, options: TableOptions) -> Dataset:
    """A frame with its target among the columns: the last one by default, whatever the index adds."""
    table, notes = _frame_table(frame, options)
    among = frame.shape[1] if getattr(frame, "ndim", 0) == 2 and frame.shape[1] else None
    return dataset_of_table(table, options, "data frame", notes, among=among)


def _frame_table(frame: Any, options: TableOptions) -> tuple[pa.Table, tuple[str, ...]]:
    """The table of a frame, with the levels of its index that have a role."""
    roles = {
        str(one) for one in (options.target, options.sample_weight, options.groups) if isinstance(one, str)
    }
    return table_of_frame(frame, lambda names: resolve_all(options.drop, names, "drop"), index=roles)


def _refuse_table_options(options: TableOptions, source: str, *, target: bool) -> None:
    """Arrays are taken as they are, so options that choose columns can't do anything."""
    for role in (
        "keep",
        "drop",
        "categorical",
        "numeric",
        "sample_weight",
        "groups",
        "decimal",
        "date_format",
        *(("target",) if target else ()),
    ):
        if getattr(options, role):
            raise Refusal(f"{role} chooses columns of a table; {source} is taken as it is. Use a data frame.")
