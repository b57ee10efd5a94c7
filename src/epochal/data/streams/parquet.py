"""Rows of Parquet files larger than memory, converted block by block to rows of numbers in a file."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from epochal.data.columns import called, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.files.column_types import Selection, none_of, normalize_types, shrink_batches
from epochal.data.files.npy import Header, npy_header, read_array
from epochal.data.files.read import open_parquet, parquet_in
from epochal.data.lazy import FileArray, FileChangeCheck, streams, streams_note
from epochal.data.source import ProgressCallback, TrainingContext
from epochal.data.tables.association import target_values
from epochal.data.tables.encode import as_in_training, encode, encoded_dtype
from epochal.data.tables.new_rows import labels_of_new, match_columns, newly_missing
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import TableEncoder
from epochal.data.tables.table import dataset_of, encoder_of, roles_of
from epochal.data.tables.target import plain_target, read_target, targets_of, weights_of
from epochal.data.values.number_forms import decimal_of_columns
from epochal.errors import DataFailed, Refusal, first_line

_FORMAT = 3
_BLOCK_ROWS = 1 << 15
_SEEN_ROWS = 100_000
"""Rows, from all files, by which the columns are recognized."""
_SEEN_GROUPS = 32
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def is_large(path: Path, stream: bool | None) -> bool:
    """Whether Parquet files are converted and streamed: as requested, or if they would fill the memory."""
    if stream is not None:
        return stream
    cells = sum(one.metadata.num_rows * one.metadata.num_columns for one in _opened(parquet_in(path)))
    return streams(4 * cells, None)


def converted_parquet(path: Path, options: TableOptions, progress: ProgressCallback | None = None) -> Dataset:
    """The dataset of a Parquet file, or a folder of them, whose rows can be read in any order.

    Columns are recognized by some rows of all files, the target by all its values. The conversion lies beside
    the files, or in the user's cache folder if theirs is read-only, and is reused unless a file has changed.
    """
    files = parquet_in(path)
    how = hashlib.sha256(json.dumps([_FORMAT, asdict(options)]).encode()).hexdigest()[:8]
    name = f"{how}-{_state(path, files)}"
    for home in _homes(path):
        if (home / name / "dataset.json").is_file():
            try:
                return _open(home / name, path, files)
            except _DAMAGED:
                shutil.rmtree(home / name, ignore_errors=True)  # will be converted again
    home = _writable(_homes(path))
    old = [one for one in home.glob(f"{how}-*") if one.is_dir()]
    temporary = home / f".{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        watch = FileChangeCheck(files)
        _convert(path, files, options, temporary, bool(old), progress)
        watch.check(now=True)
        for one in old:
            shutil.rmtree(one, ignore_errors=True)
        try:
            os.rename(temporary, home / name)
        except OSError:
            if not (home / name / "dataset.json").is_file():  # another process was first
                raise
    except DataFailed as error:
        raise Refusal(f"{path.name} changed while it was converted: {error.sentence}") from error
    except (OSError, pa.ArrowException) as error:
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise Refusal(f"{path.name} can't be converted: {reason}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _open(home / name, path, files)


def _opened(files: Sequence[Path]) -> Iterator[Any]:
    for file in files:
        try:
            yield open_parquet(file)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise Refusal(f"{file.name} can't be read as Parquet: {first_line(error)}.") from error


def _batches_of(files: Sequence[Path], names: Sequence[str], drop: Selection = none_of) -> Iterator[pa.Table]:
    """Columns of all rows, in tables of normalized types, one encoding block each."""
    for opened in _opened(files):
        for batch in opened.iter_batches(batch_size=_BLOCK_ROWS, columns=list(names)):
            yield normalize_types(shrink_batches(batch.schema, [batch]), drop)


def _state(path: Path, files: Sequence[Path]) -> str:
    """The state of the files: names, sizes, modification times, schemas, and row groups."""
    digest = hashlib.sha256()
    for file, opened in zip(files, _opened(files), strict=True):
        found, groups = file.stat(), map(opened.metadata.row_group, range(opened.metadata.num_row_groups))
        sizes = [(group.num_rows, group.total_byte_size) for group in groups]
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        state = (name, found.st_size, found.st_mtime_ns, str(opened.schema_arrow), sizes)
        digest.update(repr(state).encode())
    return digest.hexdigest()[:16]


def _homes(path: Path) -> tuple[Path, Path]:
    """Places for a conversion: beside the files, or in the user's cache folder."""
    path = path.absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    own = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return path.parent / f".{path.name}.epochal", base / "epochal" / "rows" / own


def _writable(homes: Sequence[Path]) -> Path:
    for home in homes:
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            if os.access(home, os.W_OK):
                return home
    raise Refusal(
        f"rows can be written neither to {homes[0].parent} nor to {homes[1]}; set XDG_CACHE_HOME to a folder "
        "with space."
    )


def _convert(
    path: Path,
    files: Sequence[Path],
    options: TableOptions,
    place: Path,
    changed: bool,
    progress: ProgressCallback | None,
) -> None:
    names = _columns_of(files)
    target, weight, instead = roles_of(
        options, names, lambda at: _whole_column(files, names[at]), lambda at: called(names, at)
    )
    name, drop = called(names, target), functools.partial(resolve_all, options.drop, role="drop")
    column = _whole_column(files, names[target])
    if len(column) < 2:
        raise Refusal(f"{path.name} must have at least 2 rows to train on; got {len(column)}.")
    seen, present = _some_rows(files, names, drop), np.zeros(len(column), bool)
    hint = decimal_of_columns(seen)
    labels = read_target(pa.table({names[target]: column}), 0, name, options, hint)
    present[labels.rows - 1] = True
    notes, task = [*instead, *labels.notes], labels.task
    seen_target = plain_target(seen.column(target), name, options.task, options.decimal, hint).column
    there = seen.filter(pc.is_valid(seen_target))
    some = targets_of(seen_target.drop_null(), task, name)
    known = target_values(some, len(task.classes), len(names))
    fields = {"names": names, "header": True, "target": target, "weight": weight, **labels.fields}
    encoder, more = encoder_of(there, options, fields, known, "mean")
    shape = (len(labels.rows), len(encoder.features))
    kept = encoded_dtype(seen, encoder, [column.index for column in encoder.columns])
    _check_space(place, kept.itemsize * shape[0] * shape[1])
    if shape[0] < 2:
        raise Refusal(f"{path.name} must have at least 2 rows with a target to train on; got {shape[0]}.")
    unseen = _write_rows(files, names, encoder, present, place / "inputs.npy", kept, progress)
    np.save(place / "targets.npy", labels.targets)
    np.save(place / "rows.npy", labels.rows)
    if weight is not None:
        weights = _whole_column(files, names[weight]).filter(pa.array(present))
        np.save(place / "weights.npy", weights_of(weights, called(names, weight)))
        more.append(f"{called(names, weight)} weighs the samples.")
    if len(present) > seen.num_rows:
        more.append(f"columns were recognized by {seen.num_rows:,} of {len(present):,} rows, spread evenly.")
    if changed:
        more.append(f"{path.name} has changed since it was converted: it was converted anew.")
    document = {
        "format": _FORMAT,
        "encoder": encoder.to_dict(),
        "notes": [*notes, *more, *unseen],
        "shape": list(shape),
    }
    (place / "dataset.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _open(place: Path, path: Path, files: Sequence[Path]) -> Dataset:
    document = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    encoder = TableEncoder.from_dict(document["encoder"])
    header = npy_header(place / "inputs.npy")
    small = ("targets", "rows", *(["weights"] if encoder.weight is not None else []))
    targets, numbers, *rest = (read_array(place / f"{one}.npy") for one in small)
    weights = rest[0] if rest else None
    lengths = {len(numbers), len(targets), *map(len, rest)}
    fits = header.shape == (len(numbers), len(encoder.features)) and not header.fortran
    if not fits or header.dtype not in (np.float32, np.float64) or len(lengths) > 1:
        raise ValueError("the files of the conversion do not fit one another")
    rows = FileArray(place / "inputs.npy", header, header.dtype, made_of=files)
    notes = (*document["notes"], streams_note(rows, str(place.parent)))
    return dataset_of(encoder, rows, targets, weights, path.name, notes, numbers)


def _columns_of(files: Sequence[Path]) -> tuple[str, ...]:
    """The columns, required to be the same in all files."""
    first, *others = (opened.schema_arrow.remove_metadata() for opened in _opened(files))
    for file, schema in zip(files[1:], others, strict=True):
        if schema != first:
            differing = next((a.name for a, b in zip(first, schema, strict=False) if a != b), "their number")
            raise Refusal(
                f"{file.name} must have the columns of {files[0].name}, of the same types; "
                f"{differing} differs."
            )
    names = tuple(name for name in first.names if not name.startswith("__index_level_"))
    if (twice := next((name for at, name in enumerate(names) if name in names[:at]), None)) is not None:
        raise Refusal(f'{files[0].name} must have columns with names of their own; "{twice}" stands twice.')
    if len(names) < 2:
        raise Refusal(f"{files[0].name} must have at least 2 columns, inputs and a target; got {len(names)}.")
    return names


def _whole_column(files: Sequence[Path], name: str) -> pa.ChunkedArray:
    tables = [opened.read(columns=[name]).replace_schema_metadata(None) for opened in _opened(files)]
    return normalize_types(pa.concat_tables(tables, promote_options="permissive")).column(0)


def _some_rows(files: Sequence[Path], names: Sequence[str], drop: Selection) -> pa.Table:
    """The first rows of row groups spread over all files."""
    groups = [
        (file, group)
        for file, opened in zip(files, _opened(files), strict=True)
        for group in range(opened.metadata.num_row_groups)
        if opened.metadata.row_group(group).num_rows
    ]
    if not groups:
        raise Refusal(f"{files[0].name} must have at least 2 rows to train on; got 0.")
    chosen = [groups[at] for at in np.unique(np.linspace(0, len(groups) - 1, _SEEN_GROUPS).astype(int))]
    most = -(-_SEEN_ROWS // len(chosen))
    tables = []
    for file, group in chosen:
        (opened,) = _opened([file])
        batches: list[pa.RecordBatch] = []
        for batch in opened.iter_batches(batch_size=_BLOCK_ROWS, row_groups=[group], columns=list(names)):
            batches.append(batch.slice(0, most - sum(map(len, batches))))
            if sum(map(len, batches)) >= most:
                break
        tables.append(shrink_batches(batches[0].schema, batches))
    return normalize_types(pa.concat_tables(tables, promote_options="permissive"), drop)


def _write_rows(
    files: Sequence[Path],
    names: Sequence[str],
    encoder: TableEncoder,
    present: NDArray[np.bool_],
    path: Path,
    kept: np.dtype[Any],
    progress: ProgressCallback | None,
) -> list[str]:
    """Encode all rows with a target, block by block; notes on unrecognized categories."""
    unseen: dict[str, None] = {}
    done, stored = 0, kept.newbyteorder("<")
    shape = (int(present.sum()), len(encoder.features))
    at = [column.index for column in encoder.columns]
    with path.open("wb") as out:
        write_array_header_1_0(out, {"descr": stored.str, "fortran_order": False, "shape": shape})
        for table in _batches_of(files, names, lambda names: set(range(len(names))) - set(at)):
            values, notes = encode(table, encoder, at, done, kept)
            chosen = present[done : done + len(values)]
            out.write((values if chosen.all() else values[chosen]).astype(stored, copy=False).data)
            unseen |= dict.fromkeys(note.partition(" has ")[0] for note in notes)
            done += len(values)
            if progress is not None:
                progress("converting Parquet", done, len(present))
        out.flush()
        os.fsync(out.fileno())
    return [
        f"{column} has values not seen when its categories were recognized: treated as unknown."
        for column in unseen
    ]


def _check_space(place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if needed > free:
        raise Refusal(
            f"the rows need {needed / 1e9:,.1f} GB in {place.parent}, where {free / 1e9:,.1f} GB are free. "
            "Make space, or set XDG_CACHE_HOME and make the folder of the files read-only."
        )


def new_rows_of_parquet(path: Path, encoder: TableEncoder, context: TrainingContext) -> Dataset:
    """The samples of Parquet files; their inputs are in a temporary file."""
    files = parquet_in(path)
    names = _columns_of(files)
    positions, target_at, weight_at, matched = match_columns(encoder, names)
    dtype = np.dtype(np.float32 if context.dtype is None else context.dtype)
    inputs, places = [names[at] for at in positions], range(len(positions))
    folder, done, notes = Path(tempfile.mkdtemp(prefix="epochal-")), 0, dict[str, None]()
    try:
        with (folder / "inputs").open("wb") as out:
            for table in _batches_of(files, inputs):
                _check_space(folder, dtype.itemsize * len(encoder.features) * table.num_rows)
                table, otherwise = as_in_training(table.select(inputs), encoder, places)
                values, unseen = encode(table, encoder, places, done, dtype)
                lacking = newly_missing(table, encoder, places)
                notes |= dict.fromkeys((*otherwise, *map(_without_count, (*unseen, *lacking))))
                out.write(values.data)
                done += len(values)
        if not done:
            raise Refusal(f"{files[0].name} must have at least 1 row to predict; got 0.")
        header = Header((done, len(encoder.features)), dtype, False, 0)
        rows = FileArray(folder / "inputs", header, dtype)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(rows, shutil.rmtree, folder, ignore_errors=True)
    target, weight = (at if at is None else _whole_column(files, names[at]) for at in (target_at, weight_at))
    labels, of_targets = labels_of_new(encoder, target, weight, context.partial)
    return dataset_of(encoder, rows, *labels, path.name, (*matched, *of_targets, *notes))


def _without_count(note: str) -> str:
    """A note on cells of one block, reworded for several blocks.

    >>> _without_count('"a" has 1 missing value (row 3), training had none: treated as unknown.')
    '"a" has missing values, training had none: treated as unknown.'
    >>> _without_count('"b" has 2 values not seen in training ("x", "y") in 9 rows: treated as unknown.')
    '"b" has values not seen in training: treated as unknown.'
    """
    column, _, rest = note.partition(" has ")
    missing = rest.split(" ")[1] == "missing"
    what = "missing values, training had none" if missing else "values not seen in training"
    return f"{column} has {what}: {rest.rpartition(': ')[2]}"
