"""The content of run.json as declared types, and checks of the tables against it.

Sizes and hashes guard against damage, not against a stranger's folder: each figure must have the type, and
each table the length, that the program expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from epochal.curves import KINDS, Summary, Verdict
from epochal.data import Task
from epochal.data.records import Damaged, Measured, built, converted
from epochal.runs.checks import check_shape, predictions_file, reading
from epochal.runs.contents import listed, read_run
from epochal.runs.disk import Written
from epochal.runs.forecast import ForecastScores, History
from epochal.runs.outcome import Outcome, Scores
from epochal.runs.record import Run
from epochal.runs.threshold import Threshold


@dataclass(frozen=True)
class WrittenScores:
    """What the best parameters reach on a part; a table says what each sample is predicted to be."""

    metrics: dict[str, Summary]
    ensemble: dict[str, Measured]
    corrected: bool
    confusion: Any = None
    confusion_at_threshold: Any = None
    per_class: Any = None
    """It follows from the counts, and is there for other readers."""


@dataclass(frozen=True)
class Document:
    """What run.json holds."""

    format: int
    plan: dict[str, Any]
    task: Task
    settings: dict[str, Any]
    outcomes: tuple[Outcome, ...]
    order_seeds: tuple[int, ...]
    verdict: Verdict
    scores: dict[str, WrittenScores]
    baseline: dict[str, tuple[Measured, ...]]
    data: dict[str, Any]
    conditions: dict[str, Any]
    interrupted: bool
    failed: str
    encoder: dict[str, Any] | None
    files: dict[str, Written]
    threshold: Threshold | None = None
    forecasts: dict[str, ForecastScores] | None = None
    history: dict[str, Any] | None = None


_WHOLE: dict[str, Any] = dict.fromkeys(("batch_size", "epochs", "seed"), int)
_INNER: dict[str, dict[str, Any]] = {
    "data": dict[str, Any].fromkeys(("source", "target", "fingerprint"), str)
    | {"samples": int, "notes": tuple[str, ...], "sizes": dict[str, int]}
    | {"dtype": Literal["float32", "float64", "uint8", "int32"]},
    "settings": _WHOLE | {"model": dict[str, Any], "repeats": int, "loss": str, "monitor": str},
    "conditions": {"date": str, "device": str},
    "plan": _WHOLE | {"samples": int, "order": str, "remainder": str},
}
"""What is taken out of the parts that may hold more."""


def read_document(path: Path) -> Document:
    """What the run.json of a folder holds.

    Raises:
        Refusal: no run folder, one whose training has not ended, damaged, or written by another version.
    """
    value = read_run(path)
    listed(path, value)
    with reading(path):
        document = built(Document, value)
        for part in document.scores:
            predictions_file(path, part)
        for part, kinds in _INNER.items():
            for name, kind in kinds.items():
                if name not in getattr(document, part):
                    raise Damaged(f"{part} lacks {name}")
                converted(kind, getattr(document, part)[name], f"{part}.{name}")
        converted(dict[str, Any], document.settings.get("own_metrics", {}), "settings.own_metrics")
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
    """Refuse tables with other lengths, types or repeats than the run's.

    Raises:
        Damaged: names the table.
    """
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
    for number, split in enumerate(run.splits):
        _numbers("split.parquet", f"repeat {number}", split, "iu")
        if len(split) and not 0 <= int(split.min()) <= int(split.max()) <= 3:
            raise Damaged("split.parquet has parts that there are not")
    for part, scores in run.scores.items():
        _check_scores(part, scores, run)
    if run.observed is not None:
        _check_history(run.observed, run)


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
        raise Damaged(f"the figures of the {part} samples are not those of its repeats")
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


def _check_history(history: History, run: Run) -> None:
    for name, kinds in (("series", "iu"), ("row", "iu"), ("time", "iuf"), ("value", "f")):
        _numbers("history.parquet", name, getattr(history, name), kinds)
    if not _within(history.series, len(history.names)):
        raise Damaged("history.parquet has series that the run has not")
    if len(run.rows) and not np.isin(run.rows, history.row).all():
        raise Damaged("history.parquet lacks rows of the run")
