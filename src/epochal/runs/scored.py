"""Scores of the best parameters on disk.

Figures and counts are in run.json; the target and prediction of each sample in predictions-{part}.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.runs.checks import WRONG, damaged, predictions_file, read_table, reading
from epochal.runs.document import WrittenScores
from epochal.runs.outcome import Scores
from epochal.runs.per_class import ClassFigures
from epochal.runs.tensors import Tensors


def figures_of(scores: Scores, per_class: Mapping[str, ClassFigures]) -> dict[str, Any]:
    """The scores for run.json; `per_class` is redundant, for other readers."""
    names = ("metrics", "ensemble", "corrected", "confusion", "confusion_at_threshold")
    return {name: getattr(scores, name) for name in names} | {"per_class": per_class}


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


def read_scores(path: Path, part: str, written: WrittenScores) -> Scores:
    """The scores of a part, as run.json and its table hold them."""
    from pyarrow.lib import ArrowException

    counts = {name: getattr(written, name) for name in ("confusion", "confusion_at_threshold")}
    found: dict[str, Any] = {
        name: None if value is None else _counts(path, part, value) for name, value in counts.items()
    }
    file = predictions_file(path, part)
    if file.exists():
        table = read_table(path, file.name)
        with reading(path, *WRONG, ArrowException):
            if "repeat" in table.column_names:
                found |= _probabilities(path, table, part, len(found["confusion"]))
            else:
                found |= {name: _uncolumns(table, f"{part} {name}") for name in ("true", "predicted")}
    return Scores(written.metrics, ensemble=written.ensemble, corrected=written.corrected, **found)


def _counts(path: Path, part: str, value: Any) -> NDArray[np.int64]:
    with reading(path, *WRONG):
        counts = np.asarray(value)
        if counts.dtype.kind == "i":
            return counts
    raise damaged(path, f"the counts of the {part} samples must be whole numbers")


def _probabilities(path: Path, table: Any, part: str, repeats: int) -> dict[str, NDArray[Any]]:
    """Classes and probabilities, by repeat."""
    labels, shares = _uncolumns(table, f"{part} class"), _uncolumns(table, f"{part} probability")
    if labels is None or shares is None or table.num_rows % repeats:
        raise damaged(path, f"the probabilities of the {part} samples are not those of {repeats} repeats")
    return {
        "labels": labels.reshape(repeats, -1, *labels.shape[1:]).astype(np.int64),
        "probabilities": shares.reshape(repeats, -1, shares.shape[1]),
    }


def _columns(name: str, values: NDArray[Any]) -> Tensors:
    """(n,) as one column, (n, m) as m of them, numbered from 1."""
    if values.ndim == 1:
        return {name: values}
    return {f"{name} {k + 1}": column for k, column in enumerate(values.T)}


def _uncolumns(table: Any, name: str) -> NDArray[Any] | None:
    """The inverse of `_columns`."""
    if name in table.column_names:
        flat: NDArray[Any] = table.column(name).to_numpy()
        return flat
    count = sum(column.startswith(f"{name} ") for column in table.column_names)
    columns = [table.column(f"{name} {k + 1}").to_numpy() for k in range(count)]
    return np.stack(columns, axis=1) if columns else None
