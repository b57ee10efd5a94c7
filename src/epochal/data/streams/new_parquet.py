"""New rows in Parquet files larger than memory, encoded once, block by block, into a file."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from epochal.data.dataset import Dataset
from epochal.data.files.read import parquet_in
from epochal.data.rows import FileRows
from epochal.data.source import Known
from epochal.data.streams.parquet import batches_of, check_space, columns_of, whole_column
from epochal.data.tables.encode import encode
from epochal.data.tables.new import dataset_of_new, match_columns, newly_missing
from epochal.data.tables.rewritten import as_in_training
from epochal.data.tables.schema import Encoder
from epochal.errors import Refusal


def new_rows_of_parquet(path: Path, encoder: Encoder, known: Known) -> Dataset:
    """The samples of Parquet files; their inputs are in a temporary file.

    Raises:
        Refusal: as `new_rows`, or no space for the file.
    """
    files = parquet_in(path)
    names = columns_of(files)
    positions, target_at, weight_at, said = match_columns(encoder, names)
    dtype = np.dtype(np.float32 if known.dtype is None else known.dtype)
    folder = Path(tempfile.mkdtemp(prefix="epochal-"))
    try:
        rows, notes = _encoded(files, [names[at] for at in positions], encoder, folder, dtype)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(rows, shutil.rmtree, folder, ignore_errors=True)
    target, weight = (None if at is None else whole_column(files, names[at]) for at in (target_at, weight_at))
    return dataset_of_new(encoder, path.name, rows, target, weight, said, notes, known.partial)


def _encoded(
    files: Sequence[Path], names: Sequence[str], encoder: Encoder, folder: Path, dtype: np.dtype[np.float64]
) -> tuple[FileRows, list[str]]:
    """The inputs in a file of a folder, with notes."""
    width, done = len(encoder.features), 0
    positions = range(len(names))
    said: dict[str, None] = {}
    with (folder / "inputs").open("wb") as out:
        for table in batches_of(files, names):
            check_space(folder, dtype.itemsize * width * table.num_rows)
            table, otherwise = as_in_training(table.select(list(names)), encoder, positions)
            values, unseen = encode(table, encoder, positions, done, dtype)
            lacking = newly_missing(table, encoder, positions)
            said |= dict.fromkeys((*otherwise, *map(_without_count, (*unseen, *lacking))))
            out.write(values.data)
            done += len(values)
    if not done:
        raise Refusal(f"{files[0].name} must have at least 1 row to predict; got 0.")
    return FileRows(folder / "inputs", (done, width), dtype, 0, kept=dtype), list(said)


def _without_count(note: str) -> str:
    """A note on cells of one block, reworded for several blocks.

    >>> _without_count('"a" has 1 missing value (row 3), training had none: treated as unknown.')
    '"a" has missing values, training had none: treated as unknown.'
    >>> _without_count('"b" has 2 values not seen in training ("x", "y") in 9 rows: treated as unknown.')
    '"b" has values not seen in training: treated as unknown.'
    """
    column, _, rest = note.partition(" has ")
    what = (
        "missing values, training had none"
        if rest.split(" ")[1] == "missing"
        else "values not seen in training"
    )
    return f"{column} has {what}: {rest.rpartition(': ')[2]}"
