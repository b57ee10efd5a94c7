"""`Prediction`: labels or numbers, probabilities, standard deviations, and their tables."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.late_bound import late_bound
from epochal.common.option_text import of_new_data
from epochal.data import Task
from epochal.data.records import plain
from epochal.errors import require
from epochal.runs.csv_file import write_table
from epochal.runs.overlap import Overlap
from epochal.runs.per_class import decisions


class _Rows(ABC):
    raw_notes: tuple[str, ...]
    per_repeat: NDArray[np.float64]

    @property
    def _mean_of(self) -> str:
        repeats = len(self.per_repeat)
        return f"the mean of {repeats} repeat{'s' if repeats > 1 else ''}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the data, one sentence each, in Python's terms."""
        return tuple(map(of_new_data, self.raw_notes))

    @abstractmethod
    def to_arrow(self) -> Any:
        """A table with one row a sample."""

    def to_dict(self) -> dict[str, Any]:
        """Rows (as in `to_arrow`) and notes as JSON; None for what is not finite."""
        return {"rows": plain(self.to_arrow().to_pylist()), "notes": list(self.notes)}

    def write(self, path: str | Path, guard_formulas: bool = False) -> Path:
        """Write CSV, or Parquet if the name ends so.

        With `guard_formulas`, a single quote is put before each text cell or column name that a spreadsheet
        would run as a formula: those that begin with = + - @, tab or line break. Numbers are unchanged.
        """
        return write_table(self.to_arrow(), path, guard_formulas)


@dataclass(frozen=True, eq=False)
class Prediction(_Rows):
    """Predictions for some samples.

    `prediction.labels` have the type of the target, so `(prediction.labels == y).mean()` is the
    accuracy; `prediction[3]` is one of them, and `prediction[:10]` or `prediction[mask]` a part of all.

    Args:
        task: of the run.
        values: probabilities (n, classes), (n, labels), which need not sum to 1, or
            predicted numbers (n, targets), the mean over repeats.
        sd: their standard deviation over repeats, the same shape; NaN with one repeat.
        per_repeat: (repeats, n, ...), the predictions of each repeat.
        raw_notes: notes on the data, with options as code; `notes` has them as shown.
        target: the name of the target.
        names: names of the samples, such as image files; empty if rows have only numbers.
        truth: the true class ids, or numbers, if the data has them.
        coordinates: for windows of a series, columns with the coordinates of each forecast: its row
            (None beyond the end of the table), its series and its time.
        threshold: the decision threshold of the second of two classes, if not one half.
        inputs: an Arrow table with requested columns of the source.
        index: the index of the source data frame, for `to_pandas`; None for other sources.
    """

    task: Task
    values: NDArray[np.float64]
    sd: NDArray[np.float64]
    per_repeat: NDArray[np.float64]
    raw_notes: tuple[str, ...] = ()
    target: str = "target"
    names: tuple[str, ...] = ()
    truth: NDArray[Any] | None = None
    coordinates: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    threshold: float | None = None
    inputs: Any = None
    index: Any = None
    overlap: Overlap | None = None
    """Samples that the run was trained on, if their targets are known; None for a subset."""
    units: NDArray[np.float64] | None = None
    """The standard deviation of each training target, which determines the digits of numbers."""

    @property
    def accuracy(self) -> float | None:
        """The share of correct predictions, if the true classes are known."""
        if self.truth is None or not self.task.is_classification:
            return None
        right = (decisions(self.values, self.threshold) == self.truth)[self.truth >= 0]
        return float(right.mean()) if right.size else None

    @property
    def labels(self) -> NDArray[Any]:
        """The class of each sample `(n,)`, in the target's own type: the most probable, or by the threshold.

        For labels a matrix `(n, labels)` of 0 and 1, where 1 means that the probability is above one half;
        for regression the predicted numbers, `(n,)` or `(n, targets)`.
        """
        if self.task.is_multilabel:
            return (self.values > 0.5).astype(np.int64)
        if not self.task.is_classification:
            return self.values[:, 0] if self.values.shape[1] == 1 else self.values
        return self.task.labels[decisions(self.values, self.threshold)]

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes in the order of `probabilities`, in the target's own type."""
        return self._of_classes("classes_", self.task.labels)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each class `(n, classes)`, or label `(n, labels)`: the mean over repeats."""
        return self._of_classes("probabilities", self.values)

    def _of_classes(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        if self.task.is_regression:
            raise AttributeError(f"{name} is for classification; a regression has values and sd.")
        return value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.labels, dtype=dtype)

    def __repr__(self) -> str:
        return f"Prediction({len(self)} samples, {self._mean_of})"

    def _repr_html_(self) -> str:
        return late_bound("prediction_html")(self)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels)

    def __getitem__(self, which: Any) -> Any:
        """The label of one sample, counted from 0; or, for a slice, a mask or indices, a subset."""
        try:
            return self.labels[operator.index(which)]
        except TypeError:
            rows = np.arange(len(self))[np.asarray(which) if not isinstance(which, slice) else which]
        return replace(
            self,
            values=self.values[rows],
            sd=self.sd[rows],
            per_repeat=self.per_repeat[:, rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            truth=None if self.truth is None else self.truth[rows],
            coordinates={name: [column[row] for row in rows] for name, column in self._rows.items()},
            inputs=None if self.inputs is None else self.inputs.take(rows),
            index=None if self.index is None else self.index[rows],
            overlap=None,
        )

    @property
    def _rows(self) -> Mapping[str, Sequence[Any]]:
        """The place of each sample in its source; empty if it has a name."""
        if self.names:
            return self.coordinates
        return {"row": range(1, len(self) + 1), **self.coordinates}

    def to_arrow(self) -> Any:
        """A table with one row a sample: its row (or file), the prediction, probabilities, their sd.

        Rows are counted from 1.
        """
        import pyarrow as pa

        name = self.target or "target"
        rows = {"file": pa.array(self.names)} if self.names else {}
        for place, column in self._rows.items():
            rows[place] = pa.array(column, pa.int64() if place == "row" else None)
        columns: dict[str, Any] = {}
        parts = [f"probability {label}" for label in self.task.classes]
        if self.task.is_classification:
            columns[f"predicted {name}"] = pa.array(self.labels)
        elif self.task.is_multilabel:
            for label, column in zip(self.task.classes, self.labels.T, strict=True):
                columns[f"predicted {label}"] = pa.array(column)
        else:
            width = self.values.shape[1]
            parts = [f"predicted {name}" + (f" {k + 1}" if width > 1 else "") for k in range(width)]
        units = [np.inf] * len(parts) if self.units is None else self.units.tolist()
        columns |= {part: _short(self.values[:, k], units[k]) for k, part in enumerate(parts)}
        if len(self.per_repeat) > 1:
            columns |= {f"sd of {part}": _short(self.sd[:, k]) for k, part in enumerate(parts)}
        return _table(rows, self.inputs, columns)

    def to_pandas(self) -> Any:
        """`to_arrow` as a pandas data frame, with the index of the source frame."""
        require("pandas", extra="pandas", purpose="a data frame")
        frame = self.to_arrow().to_pandas()
        return frame if self.index is None else frame.set_index(self.index)

    def to_polars(self) -> Any:
        """`to_arrow` as a Polars data frame."""
        return require("polars", extra="polars", purpose="a Polars data frame").from_arrow(self.to_arrow())

    def to_dict(self) -> dict[str, Any]:
        """Rows (as in `to_arrow`) and notes as JSON."""
        known = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {**super().to_dict(), **known}


@dataclass(frozen=True, eq=False)
class Ranking(_Rows):
    """Items with their scores and places.

    Args:
        scores: (n,) the mean over repeats; the difference of two items of a group is the logit that the first
            is ahead. Only differences matter, so each group's mean is 0.
        sd: (n,) their standard deviation over repeats; NaN with one repeat.
        per_repeat: (repeats, n).
        places: (n,) the place of each item in its group by its score, from 1; equal scores share the best.
        groups: (n,) the group of each item by name, "" for none; None if the data names no groups, so
            that all items are ranked together.
        group_column: the name of the group column.
        raw_notes, inputs: as those of a `Prediction`.
    """

    scores: NDArray[np.float64]
    sd: NDArray[np.float64]
    per_repeat: NDArray[np.float64]
    places: NDArray[np.int64]
    groups: NDArray[Any] | None
    group_column: str
    raw_notes: tuple[str, ...] = ()
    inputs: Any = None

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"Ranking({len(self)} items, {self._mean_of})"

    def to_arrow(self) -> Any:
        """A table with one row an item: its row in the data, its group, place, score and its sd."""
        import pyarrow as pa

        rows = {"row": pa.array(range(1, len(self) + 1), pa.int64())}
        named = (
            {} if (own := self.groups) is None else {self.group_column: pa.array(own.tolist(), pa.string())}
        )
        columns: dict[str, Any] = {**named, "place": self.places, "score": np.round(self.scores, 6)}
        if len(self.per_repeat) > 1:
            columns["sd of score"] = np.round(self.sd, 6)
        return _table(rows, self.inputs, columns)


def _table(rows: Mapping[str, Any], inputs: Any, columns: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    own = {*rows, *columns}
    beside = {} if inputs is None else dict(zip(inputs.column_names, inputs.columns, strict=True))
    named = {f"{name} (input)" if name in own else name: column for name, column in beside.items()}
    return pa.table({**rows, **named, **columns})


def _short(values: NDArray[np.float64], unit: float = np.inf) -> NDArray[np.float64]:
    """Seven digits, as in 32-bit floats; for values far from zero, seven of their `unit`."""
    digits = 6 - np.floor(np.log10(np.clip(np.abs(values), 1e-30, max(unit, 1e-30))))
    scale = 10.0 ** np.clip(digits, -30, 30)
    rounded = np.round(values * scale) / scale
    return np.asarray(np.where(np.abs(values * scale) < 2.0**53, rounded, values))
