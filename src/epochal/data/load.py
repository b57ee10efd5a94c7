"""`load`: the data set of a path, arrays, a frame or another object."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from epochal.common.faces import named
from epochal.data.columns import ColumnReference
from epochal.data.dataset import Dataset
from epochal.data.grouping import grouped
from epochal.data.registry import read
from epochal.data.source import Progress


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
    """Load a dataset; its `notes` list everything that was recognized.

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
        keep: columns never to leave out.
        drop: columns to leave out.
        categorical: columns to read as categories.
        numeric: columns to read as numbers.
        decimal: the decimal mark of numbers, "." or ","; recognized by default.
        date_format: how dates are written, as `strptime` takes it, such as "%d/%m/%Y"; recognized by default.
        header: whether a text table's first row holds names; recognized by default.
        delimiter: the separator of a text table's fields; recognized by default.
        missing: the cells of a text table that mean a missing value, instead of the default ones (NA, ?, …).
        encoding: the encoding of a text table, such as "cp1251"; recognized by default.
        skip_rows: lines to skip at the beginning of a text table; titles are recognized by default.
        comment: the beginning of lines to skip in a text table.
        sheet: the sheet of a workbook, by name or number from 1; the first one with values by default.
        sample_weight: the column of sample weights.
        groups: the column of group names: no input, but order "groups"
            and splits keep groups together. Or the group of each sample, in an array.
        groups_from: a regular expression for the group in each file name: its first
            group, such as `s([0-9]+)_`. With `groups`, applied to that column.
        groups_table: a table (a path, a frame or a mapping) of file names and their groups.
        resize: the height and width to which images are resized; their own by default.
        color: whether images are read as RGB (True) or gray (False); recognized by default.
        skip_bad: whether to leave out and count unreadable images instead of refusing.
        progress: called with (what, done, total) during slow reading.
        stream: whether to stream inputs batch by batch in training instead of loading them; by default those
            that need more than a quarter of the free memory, or that are no arrays.
        workers: processes that read an object's samples; by default as many as cores if that is slow.

    Raises:
        Refusal: anything that cannot work, in one sentence.

    >>> load("example:iris").task.classes
    ('setosa', 'versicolor', 'virginica')
    """
    arguments = locals().copy()
    for name in ("source", "progress", "groups_table"):
        arguments.pop(name)
    if groups_table is None and isinstance(groups, str | int | None):
        return read("load", source, arguments, progress)
    return grouped(read("load", source, {**arguments, "groups": None}, progress), groups_table, groups)
