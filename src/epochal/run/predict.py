"""What do the trained repeats say about new samples?

The repeats are an ensemble: the prediction is the mean of theirs, and their spread says how far they differ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.data import WindowEncoder, encode_new
from epochal.data.images import ImageEncoder
from epochal.engine.determinism import options_for
from epochal.engine.evaluate import forward
from epochal.errors import Refusal
from epochal.models import Model, Variables, computing_in, probabilities, settled
from epochal.run.csv_file import write_table

if TYPE_CHECKING:
    from epochal.data import Task
    from epochal.run.record import Run

__all__ = ["Prediction", "compiled_forward", "predict"]


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

    Args:
        task: what is predicted.
        values: probabilities (n, classes), or predicted numbers (n, targets), the mean over repeats.
        spread: their standard deviation over repeats, the same shape; NaN with one repeat.
        per_repeat: (repeats, n, ...), what each repeat says.
        notes: what was noticed about the data.
        target: the name of the target.
        names: what each sample is called, such as the file of an image; empty where rows have numbers only.
        truth: the true class ids, or numbers, where the data has them.
        places: for windows of a series, columns that say where each forecast begins: its row (None beyond the
            end of the table), its series and its time.
        threshold: what the probability of the second of two classes has to exceed, if not one half.
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
        return float((self._chosen == self.truth).mean())

    @property
    def labels(self) -> NDArray[Any]:
        """The class of each sample, by name: the most probable one, or as the threshold says.

        For regression, the predicted number.
        """
        if not self.task.is_classification:
            return self.values[:, 0] if self.values.shape[1] == 1 else self.values
        return np.asarray(self.task.classes, dtype=object)[self._chosen]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.labels, dtype=dtype)

    def __repr__(self) -> str:
        repeats = len(self.per_repeat)
        return f"Prediction({len(self)} samples, the mean of {repeats} repeat{'s' if repeats > 1 else ''})"

    def __len__(self) -> int:
        return len(self.values)

    def to_arrow(self) -> Any:
        """A table with one row a sample: its row (or file), the prediction, probabilities, their spread."""
        import pyarrow as pa

        name = self.target or "target"
        numbers = pa.array(self.places.get("row", range(1, len(self) + 1)), pa.int64())
        rows = {"file": pa.array(self.names)} if self.names else {"row": numbers}
        rows |= {where: pa.array(found) for where, found in self.places.items() if where != "row"}
        several = len(self.per_repeat) > 1
        if self.task.is_classification:
            columns: dict[str, Any] = rows | {f"predicted {name}": [str(label) for label in self.labels]}
            parts = [f"probability {label}" for label in self.task.classes]
        else:
            parts = [
                f"predicted {name}" + (f" {k + 1}" if self.values.shape[1] > 1 else "")
                for k in range(self.values.shape[1])
            ]
            columns = rows
        units = [np.inf] * len(parts) if self.units is None else self.units.tolist()
        columns |= {part: _short(self.values[:, k], units[k]) for k, part in enumerate(parts)}
        if several:
            columns |= {f"sd of {part}": _short(self.spread[:, k]) for k, part in enumerate(parts)}
        return pa.table(columns)

    def write(self, path: str | Path, guard_formulas: bool = False) -> Path:
        """Write CSV, or Parquet where the name ends so.

        With `guard_formulas`, a single quote stands before each cell of text, or name of a column, that a
        spreadsheet would run as a formula: those that begin with = + - @, tab or line break. Numbers stay.
        """
        return write_table(self.to_arrow(), path, guard_formulas)


def _short(values: NDArray[np.float64], unit: float = np.inf) -> NDArray[np.float64]:
    """Seven digits, which is what 32-bit floats have; of values far from zero, seven of their `unit`."""
    digits = 6 - np.floor(np.log10(np.clip(np.abs(values), 1e-30, max(unit, 1e-30))))
    scale = 10.0 ** np.clip(digits, -30, 30)
    rounded = np.round(values * scale) / scale
    return np.asarray(np.where(np.abs(values * scale) < 2.0**53, rounded, values))


def predict(
    run: Run, data: Any, parameters: str = "best", skip_bad: bool = False, **reading: Any
) -> Prediction:
    """See `Run.predict`; `reading` says how a text table is read (header, delimiter, missing)."""
    if parameters not in ("best", "last"):
        raise Refusal(f'parameters must be "best" or "last"; got "{parameters}".')
    encoder = run.encoder.looking_ahead() if isinstance(run.encoder, WindowEncoder) else run.encoder
    if skip_bad:
        if not isinstance(encoder, ImageEncoder):
            raise Refusal("skip_bad is about images; the run was trained on other data. Leave it out.")
        encoder = replace(encoder, skip_bad=True)
    dataset = encode_new(
        encoder,
        data,
        task=run.task,
        shape=tuple(run.data["shape"]),
        target_name=run.data["target"],
        dtype=run.data["dtype"],
        finite=any(fitted.scaling is None for fitted in run.fitted),
        **reading,
    )
    assert run.model is not None
    settled(run.model, [dataset.inputs])
    call = compiled_forward(run, run.model)
    each = []
    for fitted in run.fitted:
        inputs = dataset.inputs if fitted.scaling is None else fitted.scaling.apply(dataset.inputs)
        if inputs.dtype == np.float64:
            inputs = np.asarray(inputs[:], np.float32)
        variables: Variables = getattr(fitted, parameters)
        outputs = np.asarray(call(variables, inputs), np.float64)
        if run.task.is_classification:
            each.append(probabilities(outputs, np))
        else:
            numbers = outputs.reshape(len(outputs), -1)
            if fitted.target_scaling is not None:
                numbers = fitted.target_scaling.restore(numbers)
            line = dataset.timeline
            each.append(numbers if line is None else line.restored(numbers, np.arange(len(numbers))))
    scales = [np.atleast_1d(one.target_scaling.scale) for one in run.fitted if one.target_scaling is not None]
    per_repeat = np.stack(each)
    several = len(each) > 1
    spread = per_repeat.std(axis=0, ddof=1) if several else np.full(per_repeat.shape[1:], np.nan)
    places = {} if dataset.timeline is None else dataset.timeline.places()
    notes, threshold = dataset.notes, None if run.threshold is None else run.threshold.value
    if run.threshold is not None:
        chosen = parameters == "last" and run.threshold.rule != "given"
        aside = " (it was chosen with the best parameters, not with these)" if chosen else ""
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
    )
