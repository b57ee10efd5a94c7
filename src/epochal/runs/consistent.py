"""Consistency checks between the files of a run folder.

Sizes and hashes guard against damage, not against a stranger's folder: each figure must have the type, and
each table the length, that the program expects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import KINDS, Verdict
from epochal.data.typed import Damaged, built, converted
from epochal.runs.forecast import History
from epochal.runs.record import BrokenUpdate, Outcome, Run, Scores

__all__ = ["check_document", "check_run", "outcome_of", "verdict_of"]

_NUMBERS = tuple[float | None, ...]
_TOP: dict[str, Any] = {
    "plan": dict[str, Any],
    "task": dict[str, Any],
    "settings": dict[str, Any],
    "outcomes": tuple[dict[str, Any], ...],
    "order_seeds": tuple[int, ...],
    "verdict": dict[str, Any],
    "scores": dict[str, Any],
    "baseline": dict[str, _NUMBERS],
    "data": dict[str, Any],
    "conditions": dict[str, Any],
    "interrupted": bool,
    "failed": str,
}
_DATA: dict[str, Any] = {
    "source": str,
    "samples": int,
    "target": str,
    "notes": tuple[str, ...],
    "fingerprint": str,
    "sizes": dict[str, int],
}
_SETTINGS: dict[str, Any] = {
    "model": dict[str, Any],
    "batch_size": int,
    "epochs": int,
    "repeats": int,
    "loss": str,
    "monitor": str,
    "seed": int,
}
_CONDITIONS: dict[str, Any] = {"date": str, "device": str}
_PLAN: dict[str, Any] = {
    "samples": int,
    "batch_size": int,
    "epochs": int,
    "seed": int,
    "order": str,
    "remainder": str,
}
_INNER = {"data": _DATA, "settings": _SETTINGS, "conditions": _CONDITIONS, "plan": _PLAN}


def check_document(document: Mapping[str, Any]) -> None:
    """Refuse a document with ill-typed parts.

    Raises:
        Damaged: names the part.
    """
    _check("run.json", document, _TOP)
    for name, kinds in (
        ("data", _DATA),
        ("settings", _SETTINGS),
        ("conditions", _CONDITIONS),
        ("plan", _PLAN),
    ):
        _check(name, document[name], kinds)
    repeats = len(document["outcomes"])
    if not repeats or len(document["order_seeds"]) != repeats:
        raise Damaged(
            f"it must have a seed for each repeat; got {len(document['order_seeds'])} for {repeats}"
        )
    for number, value in enumerate(document["outcomes"]):
        if value.get("repeat") != number:
            raise Damaged("its repeats must be counted from 0")


def _check(where: str, value: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    for name, kind in kinds.items():
        if name not in value:
            raise Damaged(f"{where} lacks {name}")
        converted(kind, value[name], f"{where}.{name}")


def verdict_of(value: Any) -> Verdict:
    """The verdict from run.json."""
    verdict = built(Verdict, value)
    if verdict.kind not in KINDS:
        raise Damaged("verdict.kind is none that there is")
    return verdict


def outcome_of(value: dict[str, Any]) -> Outcome:
    """An outcome from run.json; JSON has no NaN."""
    broken = value.get("broken")
    numbers = {field.name for field in fields(Outcome) if field.type == "float"}
    given = {name: np.nan for name in numbers if value.get(name) is None}
    named = {name: one for name, one in value.items() if name != "broken" and name not in given}
    if named.get("updates", 0) < 0 if isinstance(named.get("updates"), int) else False:
        raise Damaged("outcome.updates must be at least 0")
    return built(Outcome, named, broken=None if broken is None else built(BrokenUpdate, broken), **given)


def check_run(run: Run) -> None:
    """Refuse tables with other lengths, types or repeats than the run's.

    Raises:
        Damaged: names the table.
    """
    curves = run.curves
    for name in ("repeat", "update", "samples"):
        _numbers("metrics.parquet", name, getattr(curves, name), "iu")
    for name, column in {"epoch": curves.epoch, "seconds": curves.seconds, **curves.columns}.items():
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
    classes = len(run.task.classes)
    due: tuple[int, ...] = (run.repeats, classes, classes)
    if run.task.is_multilabel:
        due = (run.repeats, classes, 2, 2)
    for counts in (scores.confusion, scores.confusion_at_threshold):
        fits = counts is None or counts.shape == due or run.task.is_regression
        if counts is not None and (not fits or counts.min(initial=0) < 0):
            raise Damaged(f"the counts of the {part} samples are not those of its classes and repeats")
    for summary in scores.metrics.values():
        if len(summary.per_repeat) != run.repeats:
            raise Damaged(f"the figures of the {part} samples are not those of its repeats")
    file = f"predictions-{part}.parquet"
    for name in ("true", "predicted", "labels", "probabilities"):
        values: NDArray[Any] | None = getattr(scores, name)
        if values is not None and values.dtype.kind not in "fiu":
            raise Damaged(f"{name} in {file} must be numbers")
    if (scores.true is None) != (scores.predicted is None) or (
        scores.true is not None
        and scores.predicted is not None
        and scores.true.shape != scores.predicted.shape
    ):
        raise Damaged(f"{file} must have as many true as predicted values")
    if scores.labels is not None and scores.probabilities is not None:
        width = 1 if run.task.kind == "binary" else classes
        most = 2 if run.task.is_multilabel else classes
        if scores.probabilities.shape[2] != width or not _within(scores.labels, most):
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
