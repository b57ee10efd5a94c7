"""What do the trained repeats say about new samples?

The repeats are an ensemble: the prediction is the mean of theirs, and their spread says how far they differ.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.data import WindowEncoder, encode_new
from epochal.data.beside import columns_beside
from epochal.data.images import ImageEncoder
from epochal.data.reading import AS_FOUND, Reading
from epochal.engine.determinism import options_for
from epochal.engine.evaluate import forward
from epochal.errors import Refusal, require
from epochal.models import Model, Variables, computing_in, label_probabilities, probabilities, settled
from epochal.run.csv_file import write_table
from epochal.waiting import interruptible

if TYPE_CHECKING:
    from epochal.data import Dataset, Task
    from epochal.run.record import Fitted, Run

__all__ = ["Prediction", "compiled_forward", "in_units", "outputs_of", "predict", "read_samples"]


@functools.lru_cache(maxsize=32)
def _compiled(model: Model, deterministic: bool) -> Any:
    return jax.jit(
        lambda variables, inputs: forward(model, variables, inputs),
        compiler_options=options_for(deterministic),
    )


def compiled_forward(run: Run, model: Model) -> Any:
    """The compiled function (variables, inputs) -> outputs of a run's model, as the run computed it."""
    deterministic = run.settings.get("deterministic") is True
    return _compiled(computing_in(model, run.precision), deterministic)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions for some samples.

    `prediction.labels` are of the type that the target had, so `(prediction.labels == y).mean()` is the
    accuracy; `prediction[3]` is one of them, and `prediction[:10]` or `prediction[mask]` a part of all.

    Args:
        task: what is predicted.
        values: probabilities (n, classes), those (n, labels) of each label, which need not sum to 1, or
            predicted numbers (n, targets), the mean over repeats.
        spread: their standard deviation over repeats, the same shape; NaN with one repeat.
        per_repeat: (repeats, n, ...), what each repeat says.
        notes: what was noticed about the data.
        target: the name of the target.
        names: what each sample is called, such as the file of an image; empty where rows have numbers only.
        truth: the true class ids, or numbers, where the data has them.
        places: for windows of a series, columns that say where each forecast begins: its row (None beyond the
            end of the table), its series and its time.
        threshold: what the probability of the second of two classes has to exceed, if not one half.
        inputs: an Arrow table with columns of the source that stand beside the predictions, if asked for.
        index: the index of the data frame that was predicted, for `to_pandas`; None for other sources.
    """

    task: Task
    values: NDArray[np.float64]
    spread: NDArray[np.float64]
    per_repeat: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    target: str = "target"
    names: tuple[str, ...] = ()
    truth: NDArray[Any] | None = None
    places: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    threshold: float | None = None
    inputs: Any = None
    index: Any = None
    units: NDArray[np.float64] | None = None
    """The standard deviation of each training target, by which numbers get their digits."""

    @property
    def _chosen(self) -> NDArray[np.int64]:
        """The class id of each sample."""
        if self.threshold is None:
            return self.values.argmax(axis=1)
        return (self.values[:, 1] > self.threshold).astype(np.int64)

    @property
    def accuracy(self) -> float | None:
        """The share of samples that are predicted to be of their true class, where that is known."""
        if self.truth is None or not self.task.is_classification:
            return None
        known = self.truth >= 0
        return float((self._chosen == self.truth)[known].mean()) if known.any() else None

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
        return self.task.labels[self._chosen]

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
            raise AttributeError(f"{name} is for classification; a regression has values and spread.")
        return value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.labels, dtype=dtype)

    def __repr__(self) -> str:
        repeats = len(self.per_repeat)
        return f"Prediction({len(self)} samples, the mean of {repeats} repeat{'s' if repeats > 1 else ''})"

    def _repr_html_(self) -> str:
        from epochal.run.run_html import prediction_html

        return prediction_html(self)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels)

    def __getitem__(self, which: Any) -> Any:
        """The label of one sample, counted from 0; or, by a slice, a mask or numbers, a part of them."""
        try:
            return self.labels[operator.index(which)]
        except TypeError:
            rows = np.arange(len(self))[np.asarray(which) if not isinstance(which, slice) else which]
        return replace(
            self,
            values=self.values[rows],
            spread=self.spread[rows],
            per_repeat=self.per_repeat[:, rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            truth=None if self.truth is None else self.truth[rows],
            places={name: [column[row] for row in rows] for name, column in self._rows.items()},
            inputs=None if self.inputs is None else self.inputs.take(rows),
            index=None if self.index is None else self.index[rows],
        )

    @property
    def _rows(self) -> Mapping[str, Sequence[Any]]:
        """Where each sample is in its source; nothing where it has a name."""
        if self.names:
            return self.places
        return {"row": range(1, len(self) + 1), **self.places}

    def to_arrow(self) -> Any:
        """A table with one row a sample: its row (or file), the prediction, probabilities, their spread.

        Rows are counted from 1.
        """
        import pyarrow as pa

        name = self.target or "target"
        rows = {"file": pa.array(self.names)} if self.names else {}
        rows |= {
            where: pa.array(found, pa.int64() if where == "row" else None)
            for where, found in self._rows.items()
        }
        if self.task.is_classification:
            columns: dict[str, Any] = {f"predicted {name}": pa.array(self.labels)}
            parts = [f"probability {label}" for label in self.task.classes]
        elif self.task.is_multilabel:
            chosen = zip(self.task.classes, self.labels.T, strict=True)
            columns = {f"predicted {label}": pa.array(column) for label, column in chosen}
            parts = [f"probability {label}" for label in self.task.classes]
        else:
            parts = [
                f"predicted {name}" + (f" {k + 1}" if self.values.shape[1] > 1 else "")
                for k in range(self.values.shape[1])
            ]
            columns = {}
        units = [np.inf] * len(parts) if self.units is None else self.units.tolist()
        columns |= {part: _short(self.values[:, k], units[k]) for k, part in enumerate(parts)}
        if len(self.per_repeat) > 1:
            columns |= {f"sd of {part}": _short(self.spread[:, k]) for k, part in enumerate(parts)}
        return table_beside(rows, self.inputs, columns)

    def to_pandas(self) -> Any:
        """`to_arrow` as a pandas data frame, with the index of the frame that was predicted."""
        require("pandas", extra="pandas", purpose="a data frame")
        frame = self.to_arrow().to_pandas()
        return frame if self.index is None else frame.set_index(self.index)

    def to_polars(self) -> Any:
        """`to_arrow` as a Polars data frame."""
        return require("polars", extra="polars", purpose="a Polars data frame").from_arrow(self.to_arrow())

    def to_dict(self) -> dict[str, Any]:
        """Rows and notes as JSON holds them; the rows are those of `to_arrow`."""
        known = {} if self.accuracy is None else {"accuracy": self.accuracy}
        rows = [
            {name: None if value != value else value for name, value in row.items()}
            for row in self.to_arrow().to_pylist()
        ]
        return {"rows": rows, "notes": list(self.notes), **known}

    def write(self, path: str | Path, guard_formulas: bool = False) -> Path:
        """Write CSV, or Parquet where the name ends so.

        With `guard_formulas`, a single quote stands before each cell of text, or name of a column, that a
        spreadsheet would run as a formula: those that begin with = + - @, tab or line break. Numbers stay.
        """
        return write_table(self.to_arrow(), path, guard_formulas)


def table_beside(rows: Mapping[str, Any], inputs: Any, columns: Mapping[str, Any]) -> Any:
    """An Arrow table of the rows, columns of the input if there are any, and what is predicted."""
    import pyarrow as pa

    own = {*rows, *columns}
    beside = {} if inputs is None else dict(zip(inputs.column_names, inputs.columns, strict=True))
    named = {f"{name} (input)" if name in own else name: column for name, column in beside.items()}
    return pa.table({**rows, **named, **columns})


def inputs_beside(
    data: Any,
    samples: int | None,
    with_inputs: bool,
    names: Any,
    rows: Sequence[int | None] | None,
    reading: Reading,
) -> Any:
    """The columns of the data that are to stand beside predictions, row by row; None where none are wanted.

    Args:
        data: what is predicted.
        samples: how many rows it has; None if that follows from the data.
        with_inputs: whether all columns are wanted.
        names: the columns that are wanted besides or else.
        rows: of forecasts, the row of each, from 1; None beyond the end of the table.
        reading: how a file is read.
    """
    import pyarrow as pa

    wanted = [names] if isinstance(names, str | int) else list(names)
    if not (with_inputs or wanted):
        return None
    table = columns_beside(data, samples, () if with_inputs else wanted, reading)
    if with_inputs and wanted:
        first = columns_beside(data, samples, wanted, reading).column_names
        table = table.select([*first, *(name for name in table.column_names if name not in first)])
    if rows is None:
        return table
    return table.take(pa.array([None if row is None else row - 1 for row in rows], pa.int64()))


def _short(values: NDArray[np.float64], unit: float = np.inf) -> NDArray[np.float64]:
    """Seven digits, which is what 32-bit floats have; of values far from zero, seven of their `unit`."""
    digits = 6 - np.floor(np.log10(np.clip(np.abs(values), 1e-30, max(unit, 1e-30))))
    scale = 10.0 ** np.clip(digits, -30, 30)
    rounded = np.round(values * scale) / scale
    return np.asarray(np.where(np.abs(values * scale) < 2.0**53, rounded, values))


def outputs_of(run: Run, dataset: Dataset, parameters: str = "best") -> list[NDArray[np.float64]]:
    """What the network of each repeat puts out for samples that were encoded for it."""
    assert run.model is not None
    settled(run.model, [dataset.inputs])
    call, parts = compiled_forward(run, run.model), _parts(run, dataset)
    found = []
    for fitted in run.fitted:
        inputs = dataset.inputs if fitted.scaling is None else fitted.scaling.apply(dataset.inputs)
        if inputs.dtype == np.float64:
            inputs = np.asarray(inputs[:], np.float32)
        variables: Variables = getattr(fitted, parameters)
        outputs = interruptible(
            lambda: [np.asarray(call(variables, inputs[part]), np.float64) for part in parts]  # noqa: B023
        )
        found.append(np.concatenate(outputs))
    return found


def _parts(run: Run, dataset: Dataset) -> list[NDArray[np.int64]]:
    """The samples that go through the network at once: all, or a stretch whose state is carried."""
    return _stretches(dataset) if getattr(run.model, "carries", False) else [np.arange(dataset.samples)]


def in_units(run: Run, fitted: Fitted, outputs: NDArray[np.float64], dataset: Dataset) -> NDArray[np.float64]:
    """Outputs of one repeat as probabilities (n, classes), or as numbers (n, targets) in their units."""
    if run.task.is_classification:
        return probabilities(outputs, np)
    if run.task.is_multilabel:
        return label_probabilities(outputs, np)
    numbers = outputs.reshape(len(outputs), -1)
    if fitted.target_scaling is not None:
        numbers = fitted.target_scaling.restore(numbers)
    line = dataset.timeline
    return numbers if line is None else line.restored(numbers, np.arange(len(numbers)))


def read_samples(
    run: Run,
    data: Any,
    skip_bad: bool = False,
    *,
    ahead: bool = False,
    partial: bool = False,
    reading: Reading = AS_FOUND,
) -> Dataset:
    """New samples, encoded as those of the run were.

    Args:
        run: the run.
        data: a file, a data frame, or arrays.
        skip_bad: whether images that can't be read are left out.
        ahead: whether windows of a series may end where the targets are not known yet.
        partial: whether targets may be missing in some rows of a table, and are then -1 or NaN there.
        reading: what is said about how a file is read; the rest is recognized.
    """
    encoder = run.encoder.looking_ahead() if ahead and isinstance(run.encoder, WindowEncoder) else run.encoder
    if skip_bad:
        if not isinstance(encoder, ImageEncoder):
            raise Refusal("skip_bad is about images; the run was trained on other data. Leave it out.")
        encoder = replace(encoder, skip_bad=True)
    return encode_new(
        encoder,
        data,
        task=run.task,
        shape=tuple(run.data["shape"]),
        target_name=run.data["target"],
        dtype=run.data["dtype"],
        finite=any(fitted.scaling is None for fitted in run.fitted),
        partial=partial,
        reading=reading,
    )


def predict(
    run: Run,
    data: Any,
    parameters: str = "best",
    skip_bad: bool = False,
    reading: Reading = AS_FOUND,
    *,
    with_inputs: bool = False,
    id: Any = (),
) -> Prediction:
    """See `Run.predict`; `reading` says how a file is read."""
    if parameters not in ("best", "last"):
        raise Refusal(f'parameters must be "best" or "last"; got "{parameters}".')
    dataset = read_samples(run, data, skip_bad, ahead=True, reading=reading)
    each = [
        in_units(run, fitted, outputs, dataset)
        for fitted, outputs in zip(run.fitted, outputs_of(run, dataset, parameters), strict=True)
    ]
    scales = [np.atleast_1d(one.target_scaling.scale) for one in run.fitted if one.target_scaling is not None]
    per_repeat = np.stack(each)
    several = len(each) > 1
    spread = per_repeat.std(axis=0, ddof=1) if several else np.full(per_repeat.shape[1:], np.nan)
    line = dataset.timeline
    places = {} if line is None else line.places()
    beside = inputs_beside(
        data, dataset.samples if line is None else None, with_inputs, id, places.get("row"), reading
    )
    notes, threshold = dataset.notes, None if run.threshold is None else run.threshold.value
    if getattr(run.model, "carries", False):
        again = " and again after each gap" if len(_parts(run, dataset)) > 1 else ""
        notes = (*notes, f"the state is zero before the first row{again}, and carried from window to window.")
    if run.threshold is not None:
        chosen = parameters == "last" and run.threshold.rule != "given"
        aside = " (it was chosen at the best epoch, not for these weights)" if chosen else ""
        notes = (*notes, f"predicted {run.threshold}{aside}")
    return Prediction(
        task=run.task,
        values=per_repeat.mean(axis=0),
        spread=spread,
        per_repeat=per_repeat,
        notes=notes,
        target=run.data["target"],
        names=dataset.names,
        truth=dataset.targets,
        places=places,
        threshold=threshold,
        units=None if not scales else np.mean([1 / scale for scale in scales], axis=0),
        inputs=beside,
        index=_index_of(data, dataset.samples),
    )


def _stretches(dataset: Dataset) -> list[NDArray[np.int64]]:
    """The windows of each stretch through which a state is carried."""
    assert dataset.timeline is not None
    return dataset.timeline.stretches(np.arange(dataset.samples))


def _index_of(data: Any, samples: int) -> Any:
    """The index of a pandas data frame, or of one with its target beside it; None for anything else."""
    pandas = sys.modules.get("pandas")
    frame = data[0] if isinstance(data, tuple) and data else data
    if pandas is None or not isinstance(frame, pandas.DataFrame) or len(frame) != samples:
        return None
    return frame.index
