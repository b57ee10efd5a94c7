"""Scores of the best parameters on disk.

Figures and counts are in run.json; the target and prediction of each sample in predictions-{part}.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary
from epochal.runs.checks import Tensors, damaged, predictions_file, read_table
from epochal.runs.per_class import ClassFigures
from epochal.runs.record import Scores

__all__ = ["figures_of", "predictions_table", "read_scores"]


def figures_of(scores: Scores, per_class: Mapping[str, ClassFigures]) -> dict[str, Any]:
    """The scores for run.json; `per_class` is redundant, for other readers."""
    return {
        "metrics": {name: summary.to_dict() for name, summary in scores.metrics.items()},
        "ensemble": scores.ensemble,
        "corrected": scores.corrected,
        "confusion": None if scores.confusion is None else scores.confusion.tolist(),
        "confusion_at_threshold": None
        if scores.confusion_at_threshold is None
        else scores.confusion_at_threshold.tolist(),
        "per_class": {name: figures.to_dict() for name, figures in per_class.items()},
    }


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


def read_scores(path: Path, part: str, value: dict[str, Any]) -> Scores:
    """The scores of a part; `value` is from `figures_of`."""
    metrics = {name: Summary.from_dict(one) for name, one in value["metrics"].items()}
    counts = {name: value.get(name) for name in ("confusion", "confusion_at_threshold")}
    found: dict[str, Any] = {
        name: None if count is None else np.asarray(count, np.int64) for name, count in counts.items()
    }
    file = predictions_file(path, part)
    if file.exists():
        table = read_table(path, file.name)
        if "repeat" in table.column_names:
            found |= _probabilities(path, table, part, len(found["confusion"]))
        else:
            found |= {name: _uncolumns(table, f"{part} {name}") for name in ("true", "predicted")}
    ensemble = {name: float("nan") if x is None else float(x) for name, x in value["ensemble"].items()}
    return Scores(metrics, ensemble=ensemble, corrected=value["corrected"] is True, **found)


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
