"""Which table does a file hold?"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from epochal.data.sniff import MISSING
from epochal.data.tidy import shrink_batches, tidy
from epochal.errors import Refusal

__all__ = ["MISSING", "existing", "read_table"]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".data", ".dat", ".tab")


def existing(path: str | Path) -> Path:
    """The path, if it is a file that can be read.

    Raises:
        Refusal: there is no such file (with the nearest name in its folder), or it is a folder.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        raise Refusal(
            f"{path} is a folder without images; give a .csv, .tsv, .parquet, .npy or .npz file, or a "
            "folder with one sub-folder of images for each class."
        )
    if not file.exists():
        near: list[str] = []
        if file.parent.is_dir():
            near = difflib.get_close_matches(file.name, (item.name for item in file.parent.iterdir()), n=1)
        hint = f' Did you mean "{file.parent / near[0]}"?' if near else ""
        where = "" if file.parent.is_dir() else f" (nor is there a folder {file.parent})"
        raise Refusal(f"there is no file {path}{where}.{hint}")
    if not file.stat().st_size and file.is_file():
        raise Refusal(f"{file.name} is empty: a table needs at least 2 rows; got 0.")
    return file


def read_table(
    path: str | Path,
    delimiter: str | None = None,
    header: bool | None = None,
    missing: Collection[str] = MISSING,
    text: Collection[str] = (),
) -> tuple[pa.Table, tuple[str, ...]]:
    """The table in a CSV, TSV or Parquet file, with notes on how it was read.

    Args:
        path: the file; a text table may be compressed (`.gz`).
        delimiter: the character between fields; recognized where None.
        header: whether the first row holds the names; recognized where None. Without one, columns are
            called "column 1", "column 2" and so on.
        missing: the cells that mean a missing value, in text tables.
        text: names of columns to read as text, whatever they look like.

    Raises:
        Refusal: no such file, a folder, empty, not text, or ragged rows (with the line number).
    """
    file = existing(path)
    if file.suffix.lower() in (".parquet", ".pq"):
        table, notes = _read_parquet(file)
    else:
        from epochal.data.text import read_text

        table, notes = read_text(file, delimiter, header, missing, text)
    return tidy(table, missing), notes


def _read_parquet(file: Path) -> tuple[pa.Table, tuple[str, ...]]:
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
        table = shrink_batches(source.schema_arrow, source.iter_batches(batch_size=1 << 16))
    except (pa.ArrowException, OSError) as error:
        raise Refusal(f"{file.name} can't be read as Parquet: {_first_line(error)}.") from error
    index: list[Any] = [name for name in table.column_names if name.startswith("__index_level_")]
    if index:
        table = table.drop_columns(index)
        return table, ("the saved pandas index is left out.",)
    return table, ()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
