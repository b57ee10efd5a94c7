"""Random access to the rows of Parquet files.

They are converted once, block by block, to rows of numbers in a file beside them (in the user's cache folder
if theirs is read-only). The state of the files and the reading options are kept with it: while both are
unchanged, the next training begins at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from epochal.data.columns import ColumnReference, called, reference
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.npy import npy_header, read_array
from epochal.data.files.read import open_parquet, parquet_in
from epochal.data.files.tidy import shrink_batches, tidy
from epochal.data.rows import FileRows, Watch, sampled
from epochal.data.source import Progress
from epochal.data.streams.large import streams, streams_note
from epochal.data.tables.association import goal_of
from epochal.data.tables.encode import encode, encoded_dtype
from epochal.data.tables.schema import Encoder
from epochal.data.tables.table import TableOptions, input_columns, roles_of, weights_of
from epochal.data.tables.target import plain_target, recognize_task, refuse_missing, targets_of
from epochal.data.values.decimal_mark import mark_of_columns
from epochal.errors import DataFailed, Refusal, first_line

_FORMAT = 2
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


def converted(path: Path, options: TableOptions, progress: Progress | None = None) -> Dataset:
    """The dataset of a Parquet file, or a folder of them, whose rows can be read in any order.

    Columns are recognized by some rows of all files, the target by all its values. An existing
    conversion is reused unless a file has changed.

    Raises:
        Refusal: files with different columns, values that can't be used, or no space for the rows.
    """
    files = parquet_in(path)
    how = hashlib.sha256(json.dumps([_FORMAT, asdict(options)]).encode()).hexdigest()[:8]
    what = _state(path, files)
    for home in _homes(path):
        place = home / f"{how}-{what}"
        if (place / "dataset.json").is_file():
            try:
                return _open(place, path, files)
            except _DAMAGED:
                shutil.rmtree(place, ignore_errors=True)  # will be converted again
    home = _writable(_homes(path))
    old = [one for one in home.glob(f"{how}-*") if one.is_dir()]
    temporary = home / f".{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        watch = Watch(files)
        _convert(path, files, options, temporary, bool(old), progress)
        watch.check(now=True)
        for one in old:
            shutil.rmtree(one, ignore_errors=True)
        try:
            os.rename(temporary, home / f"{how}-{what}")
        except OSError:
            if not (home / f"{how}-{what}" / "dataset.json").is_file():  # another process was first
                raise
    except DataFailed as error:
        raise Refusal(f"{path.name} changed while it was converted: {error.sentence}") from error
    except (OSError, pa.ArrowException) as error:
        said = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise Refusal(f"{path.name} can't be converted: {said}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _open(home / f"{how}-{what}", path, files)


def _opened(files: Sequence[Path]) -> Iterator[Any]:
    for file in files:
        try:
            yield open_parquet(file)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise Refusal(f"{file.name} can't be read as Parquet: {first_line(error)}.") from error


def batches_of(files: Sequence[Path], names: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of all rows, in tidy tables of one encoding block each."""
    for opened in _opened(files):
        for batch in opened.iter_batches(batch_size=_BLOCK_ROWS, columns=list(names)):
            yield tidy(shrink_batches(batch.schema, [batch]))


def _state(path: Path, files: Sequence[Path]) -> str:
    """The state of the files: names, sizes, modification times, schemas, and row groups."""
    digest = hashlib.sha256()
    for file, opened in zip(files, _opened(files), strict=True):
        found, about = file.stat(), opened.metadata
        groups = [
            (about.row_group(i).num_rows, about.row_group(i).total_byte_size)
            for i in range(about.num_row_groups)
        ]
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        digest.update(
            repr((name, found.st_size, found.st_mtime_ns, str(opened.schema_arrow), groups)).encode()
        )
    return digest.hexdigest()[:16]


def _homes(path: Path) -> tuple[Path, Path]:
    """Places for a conversion: beside the files, or in the user's cache folder."""
    path = path.absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    own = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return path.parent / f".{path.name}.epochal", base / "epochal" / "rows" / own


def _writable(homes: Sequence[Path]) -> Path:
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
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
    progress: Progress | None,
) -> None:
    """Write rows, targets and metadata of the files into a folder."""
    names = columns_of(files)
    target, weight, instead = roles_of(
        options, names, lambda at: whole_column(files, names[at]), lambda at: called(names, at)
    )
    column = whole_column(files, names[target])
    if len(column) < 2:
        raise Refusal(f"{path.name} must have at least 2 rows to train on; got {len(column)}.")
    seen = _some_rows(files, names)
    how = (called(names, target), options.task, options.decimal, mark_of_columns(seen))
    column, read, written = plain_target(column, *how)
    named = options.target is not None
    present, notes = _present(column, called(names, target), reference(names, target), named)
    notes += [*instead, *([read] if read else [])]
    column = column.filter(pa.array(present)) if not present.all() else column
    task, note = recognize_task(column, called(names, target), options.task)
    there = seen.filter(pc.is_valid(seen.column(target)))
    seen_target = plain_target(there.column(target), *how)[0]
    some = targets_of(seen_target, task, called(names, target))
    goal = goal_of(some, len(task.classes), len(names))
    columns, left_out, said = input_columns(there, options, target, weight, names, filling="mean", goal=goal)
    encoder = Encoder(
        names=names,
        header=True,
        columns=tuple(columns),
        left_out=tuple(left_out),
        target=target,
        target_text=pa.types.is_string(column.type),
        weight=weight,
        task=task,
        target_written=written,
    )
    shape = (int(present.sum()), len(encoder.features))
    kept = encoded_dtype(seen, encoder, [column.index for column in columns])
    check_space(place, kept.itemsize * shape[0] * shape[1])
    if shape[0] < 2:
        raise Refusal(f"{path.name} must have at least 2 rows with a target to train on; got {shape[0]}.")
    unseen = _write_rows(files, names, encoder, present, place / "inputs.npy", shape, kept, progress)
    name = called(names, target)
    targets = targets_of(column, task, name)
    np.save(place / "targets.npy", targets)
    np.save(place / "rows.npy", np.flatnonzero(present).astype(np.int64) + 1)
    if weight is not None:
        weights = whole_column(files, names[weight]).filter(pa.array(present))
        np.save(place / "weights.npy", weights_of(weights, called(names, weight)))
        said.append(f"{called(names, weight)} weighs the samples.")
    if len(present) > seen.num_rows:
        said.append(f"columns were recognized by {seen.num_rows:,} of {len(present):,} rows, spread evenly.")
    if changed:
        said.append(f"{path.name} has changed since it was converted: it was converted anew.")
    document = {
        "format": _FORMAT,
        "encoder": encoder.to_dict(),
        "notes": [*notes, note, *said, *unseen],
        "shape": list(shape),
    }
    (place / "dataset.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _open(place: Path, path: Path, files: Sequence[Path]) -> Dataset:
    """The dataset of a conversion."""
    document = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    encoder = Encoder.from_dict(document["encoder"])
    held = npy_header(place / "inputs.npy")
    small = ("targets", "rows", *(["weights"] if encoder.weight is not None else []))
    targets, numbers, *rest = (read_array(place / f"{one}.npy") for one in small)
    weights = rest[0] if rest else None
    shape, lengths = (len(numbers), len(encoder.features)), {len(numbers), len(targets), *map(len, rest)}
    if held.shape != shape or held.dtype not in (np.float32, np.float64) or held.fortran or len(lengths) > 1:
        raise ValueError("the files of the conversion do not fit one another")
    rows = FileRows(place / "inputs.npy", shape, held.dtype, held.offset, made_of=files, kept=held.dtype)
    name = encoder.target_name
    return Dataset(
        inputs=rows,
        targets=targets,
        task=encoder.task,
        features=encoder.features,
        continuous=encoder.continuous,
        encoder=encoder,
        target_name=name,
        source=path.name,
        noticed=(*document["notes"], streams_note(rows, str(place.parent))),
        rows=numbers,
        sample_weight=weights,
        fingerprint=fingerprint((*encoder.features, name), sampled(rows), targets, weights),
    )


def columns_of(files: Sequence[Path]) -> tuple[str, ...]:
    """The columns, required to be the same in all files."""
    first: Any = None
    for file, opened in zip(files, _opened(files), strict=True):
        schema = opened.schema_arrow.remove_metadata()
        if first is None:
            first = schema
        elif schema != first:
            differing = next((a.name for a, b in zip(first, schema, strict=False) if a != b), "their number")
            raise Refusal(
                f"{file.name} must have the columns of {files[0].name}, of the same types; "
                f"{differing} differs."
            )
    names = tuple(name for name in first.names if not name.startswith("__index_level_"))
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise Refusal(f'{files[0].name} must have columns with names of their own; "{twice}" stands twice.')
    if len(names) < 2:
        raise Refusal(f"{files[0].name} must have at least 2 columns, inputs and a target; got {len(names)}.")
    return names


def whole_column(files: Sequence[Path], name: str) -> pa.ChunkedArray:
    """One column of all rows."""
    tables = [opened.read(columns=[name]).replace_schema_metadata(None) for opened in _opened(files)]
    return tidy(pa.concat_tables(tables, promote_options="permissive")).column(0)


def _present(
    column: pa.ChunkedArray, said: str, target: ColumnReference, named: bool
) -> tuple[NDArray[np.bool_], list[str]]:
    """The rows with a target, and a note if some have none."""
    present: NDArray[np.bool_] = np.asarray(pc.is_valid(column).to_numpy())
    count = int((~present).sum())
    if not count:
        return present, []
    first = int(np.argmin(present)) + 1
    refuse_missing(f"{said} is the target", count, len(present), first, target, named)
    return present, [f"{said} is the target; {count:,} rows have none (first in row {first:,}): left out."]


def _some_rows(files: Sequence[Path], names: Sequence[str]) -> pa.Table:
    """The first rows of row groups spread over all files."""
    groups = [
        (number, group)
        for number, opened in enumerate(_opened(files))
        for group in range(opened.metadata.num_row_groups)
        if opened.metadata.row_group(group).num_rows
    ]
    if not groups:
        raise Refusal(f"{files[0].name} must have at least 2 rows to train on; got 0.")
    chosen = [groups[at] for at in np.unique(np.linspace(0, len(groups) - 1, _SEEN_GROUPS).astype(int))]
    each = -(-_SEEN_ROWS // len(chosen))
    tables = []
    for number, group in chosen:
        opened = next(_opened([files[number]]))
        batches, left = [], each
        for batch in opened.iter_batches(batch_size=_BLOCK_ROWS, row_groups=[group], columns=list(names)):
            batches.append(batch.slice(0, left))
            left -= len(batches[-1])
            if left <= 0:
                break
        tables.append(shrink_batches(batches[0].schema, batches))
    return tidy(pa.concat_tables(tables, promote_options="permissive"))


def _write_rows(
    files: Sequence[Path],
    names: Sequence[str],
    encoder: Encoder,
    present: NDArray[np.bool_],
    path: Path,
    shape: tuple[int, int],
    kept: np.dtype[Any],
    progress: Progress | None,
) -> list[str]:
    """Encode all rows with a target, block by block; notes on unrecognized categories."""
    unseen: dict[str, None] = {}
    done = 0
    with path.open("wb") as out:
        stored = kept.newbyteorder("<")
        header = {"descr": stored.str, "fortran_order": False, "shape": shape}
        write_array_header_1_0(out, header)
        at = [column.index for column in encoder.columns]
        for table in batches_of(files, names):
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


def check_space(place: Path, needed: int) -> None:
    """Refuse to write more bytes than are free."""
    free = shutil.disk_usage(place).free
    if needed > free:
        raise Refusal(
            f"the rows need {needed / 1e9:,.1f} GB in {place.parent}, where {free / 1e9:,.1f} GB are free. "
            "Make space, or set XDG_CACHE_HOME and make the folder of the files read-only."
        )
