"""The content of run.json as declared types, its scores with their tables, and checks of the tables.

Sizes and hashes guard against damage, not against a stranger's folder: each number must have the type, and
each table the length, that the program expects. Figures and counts of the scores are in run.json; the target
and prediction of each sample in predictions-{part}.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from epochal.curves import KINDS, Verdict
from epochal.data import Task
from epochal.data.records import Damaged, NullableFloat, built, convert_json
from epochal.runs.checks import WRONG, check_shape, damaged, predictions_file, read_table, reading
from epochal.runs.disk import Digest
from epochal.runs.forecast import ForecastScores
from epochal.runs.outcome import Outcome, Scores
from epochal.runs.run import Run
from epochal.runs.run_files import listed, read_run
from epochal.runs.tensors import Tensors
from epochal.runs.threshold import Threshold


@dataclass(frozen=True, kw_only=True)
class RunJson:
    """What run.json holds, in this order."""

    format: int
    plan: dict[str, Any]
    task: Task
    settings: dict[str, Any]
    outcomes: tuple[Outcome, ...]
    order_seeds: tuple[int, ...]
    verdict: Verdict
    scores: dict[str, dict[str, Any]]
    """By part; see `read_scores`."""
    baseline: dict[str, tuple[NullableFloat, ...]]
    threshold: Threshold | None = None
    forecasts: dict[str, ForecastScores] | None = None
    history: dict[str, Any] | None = None
    data: dict[str, Any]
    encoder: dict[str, Any] | None
    environment: dict[str, Any]
    interrupted: bool
    failed: str
    files: dict[str, Digest]


_WHOLE: dict[str, Any] = dict.fromkeys(("batch_size", "epochs", "seed"), int)
_INNER: dict[str, dict[str, Any]] = {
    "data": dict[str, Any].fromkeys(("source", "target", "fingerprint"), str)
    | {"samples": int, "notes": tuple[str, ...], "sizes": dict[str, int]}
    | {"dtype": Literal["float32", "float64", "uint8", "int32"]},
    "settings": _WHOLE | {"model": dict[str, Any], "repeats": int, "loss": str, "monitor": str},
    "environment": {"date": str, "device": str},
    "plan": _WHOLE | {"samples": int, "order": str, "remainder": str},
}
"""What is taken out of the parts that may hold more."""


def read_run_json(path: Path) -> RunJson:
    """What the run.json of a folder holds."""
    value = read_run(path)
    listed(path, value)
    with reading(path):
        document = built(RunJson, value)
        for part in document.scores:
            predictions_file(path, part)
        for part, kinds in _INNER.items():
            for name, kind in kinds.items():
                if name not in getattr(document, part):
                    raise Damaged(f"{part} lacks {name}")
                convert_json(kind, getattr(document, part)[name], f"{part}.{name}")
        convert_json(dict[str, Any], document.settings.get("own_metrics", {}), "settings.own_metrics")
        if document.verdict.kind not in KINDS:
            raise Damaged("verdict.kind is none that there is")
        repeats = len(document.outcomes)
        if not repeats or len(document.order_seeds) != repeats:
            raise Damaged(
                f"it must have a seed for each repeat; got {len(document.order_seeds)} for {repeats}"
            )
        counted = [one.repeat for one in document.outcomes] == list(range(repeats))
        if not counted or any(one.updates < 0 for one in document.outcomes):
            raise Damaged("its repeats and their updates must be counted from 0")
        check_shape(document.data.get("shape"))
    return document


def check_run(run: Run) -> None:
    """Refuse tables with other lengths, types or repeats than the run's."""
    curves = run.curves
    for name in ("repeat", "update", "samples", "epoch", "seconds"):
        kinds = "f" if name in ("epoch", "seconds") else "iu"
        _numbers("metrics.parquet", name, getattr(curves, name), kinds)
    for name, column in curves.columns.items():
        _numbers("metrics.parquet", name, column, "f")
    if len(curves) and not 0 <= int(curves.repeat.min()) <= int(curves.repeat.max()) < run.repeats:
        raise Damaged("metrics.parquet has repeats that the run has not")
    _numbers("split.parquet", "row", run.rows, "iu")
    _numbers("split.parquet", "hash", run.hashes, "u")
    for number, split in enumerate(run.split_codes):
        _numbers("split.parquet", f"repeat {number}", split, "iu")
        if len(split) and not 0 <= int(split.min()) <= int(split.max()) <= 3:
            raise Damaged("split.parquet has parts that there are not")
    for part, scores in run.scores.items():
        _check_scores(part, scores, run)
    if (observed := run.observed) is not None:
        for name, kinds in (("series", "iu"), ("row", "iu"), ("time", "iuf"), ("value", "f")):
            _numbers("observed.parquet", name, getattr(observed, name), kinds)
        if not _within(observed.series, len(observed.names)):
            raise Damaged("observed.parquet has series that the run has not")
        if len(run.rows) and not np.isin(run.rows, observed.row).all():
            raise Damaged("observed.parquet lacks rows of the run")


def _numbers(table: str, name: str, column: Any, kinds: str) -> None:
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in kinds:
        raise Damaged(f"{name} in {table} must be numbers")


def _check_scores(part: str, scores: Scores, run: Run) -> None:
    classes, labels = len(run.task.classes), run.task.is_multilabel
    shape = (run.repeats, classes, 2, 2) if labels else (run.repeats, classes, classes)
    for counts in (scores.confusion, scores.confusion_at_threshold):
        if counts is None:
            continue
        if (counts.shape != shape and not run.task.is_regression) or counts.min(initial=0) < 0:
            raise Damaged(f"the counts of the {part} samples are not those of its classes and repeats")
    if any(len(summary.per_repeat) != run.repeats for summary in scores.metrics.values()):
        raise Damaged(f"the metrics of the {part} samples are not those of its repeats")
    file = f"predictions-{part}.parquet"
    for name in ("true", "predicted", "labels", "probabilities"):
        values: NDArray[Any] | None = getattr(scores, name)
        if values is not None and values.dtype.kind not in "fiu":
            raise Damaged(f"{name} in {file} must be numbers")
    if getattr(scores.true, "shape", None) != getattr(scores.predicted, "shape", None):
        raise Damaged(f"{file} must have as many true as predicted values")
    if scores.labels is not None and scores.probabilities is not None:
        width = 1 if run.task.kind == "binary" else classes
        if scores.probabilities.shape[2] != width or not _within(scores.labels, 2 if labels else classes):
            raise Damaged(f"{file} has other classes than the run")


def _within(values: NDArray[Any], most: int) -> bool:
    return not values.size or (int(values.min()) >= 0 and int(values.max()) < most)


# Scores -----------------------------------------------------------------------------------------------------


def predictions_table(scores: Scores, part: str) -> Any:
    """The table of a part, repeat by repeat; None if there is nothing to keep."""
    import pyarrow as pa

    columns: Tensors = {}
    if scores.labels is not None and scores.probabilities is not None:
        repeats, samples, width = scores.probabilities.shape
        columns["repeat"] = np.repeat(np.arange(repeats, dtype=np.int32), samples)
        classes = scores.labels.astype(np.int32)
        columns |= _columns(f"{part} class", classes.reshape(repeats * samples, *classes.shape[2:]))
        columns |= _columns(f"{part} probability", scores.probabilities.reshape(-1, width))
    for name in ("true", "predicted"):
        if getattr(scores, name) is not None:
            columns |= _columns(f"{part} {name}", np.asarray(getattr(scores, name)))
    return pa.table(columns) if columns else None


def read_scores(path: Path, part: str, written: Mapping[str, Any]) -> Scores:
    """The scores of a part, as run.json and its table hold them; what run.json has per class follows."""
    from pyarrow.lib import ArrowException

    rest = {name: value for name, value in written.items() if name != "per_class"}
    found: dict[str, Any] = dict.fromkeys(("true", "predicted", "labels", "probabilities"))
    for name in ("confusion", "confusion_at_threshold"):
        value = rest.pop(name, None)
        found[name] = None if value is None else _counts(path, part, value)
    file = predictions_file(path, part)
    if file.exists():
        table = read_table(path, file.name)
        with reading(path, *WRONG, ArrowException):
            if "repeat" in table.column_names:
                found |= _probabilities(path, table, part, len(found["confusion"]))
            else:
                found |= {name: _uncolumns(table, f"{part} {name}") for name in ("true", "predicted")}
    with reading(path):
        return built(Scores, rest, **found)


def _counts(path: Path, part: str, value: Any) -> NDArray[np.int64]:
    with reading(path, *WRONG):
        counts = np.asarray(value)
        if counts.dtype.kind == "i":
            return counts
    raise damaged(path, f"the counts of the {part} samples must be whole numbers")


def _probabilities(path: Path, table: Any, part: str, repeats: int) -> dict[str, NDArray[Any]]:
    labels, probabilities = _uncolumns(table, f"{part} class"), _uncolumns(table, f"{part} probability")
    if labels is None or probabilities is None or table.num_rows % repeats:
        raise damaged(path, f"the probabilities of the {part} samples are not those of {repeats} repeats")
    return {
        "labels": labels.reshape(repeats, -1, *labels.shape[1:]).astype(np.int64),
        "probabilities": probabilities.reshape(repeats, -1, probabilities.shape[1]),
    }


def _columns(name: str, values: NDArray[Any]) -> Tensors:
    """(n,) as one column, (n, m) as m of them, numbered from 1."""
    if values.ndim == 1:
        return {name: values}
    return {f"{name} {k + 1}": column for k, column in enumerate(values.T)}


def _uncolumns(table: Any, name: str) -> NDArray[Any] | None:
    if name in table.column_names:
        flat: NDArray[Any] = table.column(name).to_numpy()
        return flat
    count = sum(column.startswith(f"{name} ") for column in table.column_names)
    columns = [table.column(f"{name} {k + 1}").to_numpy() for k in range(count)]
    return np.stack(columns, axis=1) if columns else None
