"""Writing a run folder, whole or not at all.

A new folder is written beside its place, synced, and renamed. In an existing folder, as that of a training
with checkpoints, the files are written to a hidden folder first and then renamed into place one by one, while
there is no run.json; it comes last. So a folder with run.json is finished, and one without is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.data.records import fields_of, plain
from epochal.errors import Refusal, SaveFailed, reason
from epochal.models.wrappers import names_of
from epochal.runs import disk
from epochal.runs.checks import predictions_file
from epochal.runs.checksummed_json import seal
from epochal.runs.disk import Digest
from epochal.runs.run import Run
from epochal.runs.run_files import FORMAT, OBSERVED, PAGE, RESULTS, RUN
from epochal.runs.run_json import RunJson, predictions_table
from epochal.runs.tensors import write_tensors

_HIDDEN = ".result-"
_SCORE_FIELDS = ("metrics", "ensemble", "corrected", "confusion", "confusion_at_threshold")


def refuse_existing(folder: str | Path) -> Path:
    """The path of a new run folder; an existing one is refused."""
    path = Path(folder)
    if path.exists():
        raise Refusal(
            f'the run folder "{path}" exists already; name another one with `out=PATH`, or remove it.'
        )
    return path


def save(run: Run, folder: str | Path, report: bool = False) -> Path:
    """Write a run folder, whole or not at all; with `report` the page, too."""
    path = refuse_existing(folder)
    try:
        with disk.new_folder(path) as temporary:
            _write(run, temporary, report)
    except OSError as error:
        raise disk.unwritable(path, error, "; nothing was written") from error
    return path


def publish(run: Run, folder: str | Path, report: bool = False) -> Path:
    """Put the files of a run that has ended into its folder, which exists; with `report` the page, too.

    Earlier results are replaced. If this is interrupted, by a kill or a full disk, the
    folder has no run.json, or still the earlier one with all its files; its checkpoints are intact.
    """
    path = Path(folder)
    hidden = path / f"{_HIDDEN}{uuid.uuid4().hex}"
    try:
        for left in path.glob(f"{_HIDDEN}*"):
            disk.remove(left)
        disk.make(hidden)
        files = _write(run, hidden, report)
        if (path / RUN).exists():  # it is there again when all others are
            disk.remove(path / RUN)
            disk.sync(path)
        for name in RESULTS:
            if name in files:
                disk.replace(hidden / name, path / name)
            elif (path / name).exists():
                disk.remove(path / name)
        disk.sync(path)
        disk.rename(hidden / RUN, path / RUN)
        disk.sync(path)
        disk.remove(hidden)
    except BaseException as error:
        with suppress(OSError):
            disk.remove(hidden)
        if not isinstance(error, OSError):
            raise
        raise SaveFailed(
            f'the results can\'t be written to "{path}": {reason(error)}; its checkpoints are kept.'
        ) from error
    return path


def _write(run: Run, folder: Path, report: bool) -> dict[str, Digest]:
    """Write all files of a run; returns those that run.json lists."""
    import pyarrow as pa

    files: dict[str, Digest] = {}
    tensors = {which: _parameters(run, which) for which in ("best", "last")} | {"scaling": _scalings(run)}
    for name, arrays in tensors.items():
        files[f"{name}.safetensors"] = write_tensors(folder / f"{name}.safetensors", arrays)
    files["metrics.parquet"] = _write_table(run.curves.to_arrow(), folder / "metrics.parquet", "snappy")
    columns: dict[str, Any] = {"name": run.names, "hash": run.hashes, "order": run.order_values}
    columns = {name: column for name, column in columns.items() if column is not None and len(column)}
    parts = {f"repeat {k}": column for k, column in enumerate(run.split_codes)}
    columns = {"row": run.rows, **columns, **parts}
    split = pa.table({name: pa.array(column) for name, column in columns.items()})
    files["split.parquet"] = _write_table(split, folder / "split.parquet")
    for part, scores in run.scores.items():
        file, table = predictions_file(folder, part), predictions_table(scores, part)
        if table is not None:
            files[file.name] = _write_table(table, file)
    if run.observed is not None:
        files[OBSERVED] = _write_table(run.observed.to_arrow(), folder / OBSERVED)
    if report:
        run.report(folder / PAGE)
        disk.sync(folder / PAGE)
        files[PAGE] = disk.measure(folder / PAGE)
    disk.write(folder / RUN, [seal(plain(_document(run, files))).encode()])
    return files


def _write_table(table: Any, path: Path, compression: str = "zstd") -> Digest:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression=compression)
    return disk.write(path, [buffer.getvalue()])


def _document(run: Run, files: Mapping[str, Digest]) -> dict[str, Any]:
    scores = {
        part: {name: getattr(scores, name) for name in _SCORE_FIELDS}
        | {"per_class": run.per_class.get(part, {})}  # it follows, and is there for other readers
        for part, scores in run.scores.items()
    }
    found = {"format": FORMAT, "plan": run.plan, "history": run.observed, "scores": scores, "files": files}
    return {name: found[name] if name in found else getattr(run, name) for name in fields_of(RunJson)}


def _parameters(run: Run, which: str) -> dict[str, NDArray[Any]]:
    trees = [getattr(fitted, which) for fitted in run.fitted]
    return {
        f"{repeat}/{name}": np.asarray(value)
        for repeat, tree in enumerate(trees)
        for name, value in zip(names_of(tree), jax.tree.leaves(tree), strict=True)
    }


def _scalings(run: Run) -> dict[str, NDArray[Any]]:
    return {
        f"{repeat}/{kind}/{name}": np.asarray(value)
        for repeat, fitted in enumerate(run.fitted)
        for kind in ("scaling", "target_scaling")
        if getattr(fitted, kind) is not None
        for name, value in vars(getattr(fitted, kind)).items()
    }
