"""Predictions of a run, the mean of its repeats and their standard deviation, and rankings of items."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.common.text import shortlist
from epochal.common.waiting import interruptible
from epochal.data import Dataset, PairEncoder, transform
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.images.images import ImageEncoder
from epochal.data.rankings.ranking import items_of, ranked
from epochal.data.series.cut import WindowEncoder
from epochal.data.source import TrainingContext
from epochal.data.standardize import Scaling, refuse_missing_values
from epochal.data.tables.new_rows import read_as_before
from epochal.data.tables.source import columns_beside
from epochal.engine.compiler import options_for
from epochal.engine.evaluate import EVALUATION_ROWS, forward
from epochal.errors import Refusal
from epochal.models import Model, Pairwise, build_for_inputs, computing_in, label_probabilities, probabilities
from epochal.runs.outcome import Fitted
from epochal.runs.overlap import overlap_of
from epochal.runs.prediction import Prediction, Ranking
from epochal.runs.run import Run

MIN_ROWS = 16
"""Smallest padded block; larger ones are padded to a power of two."""

_BLOCK_BYTES = 1 << 26
_MIN_FAR, _MAX_LOOKED_AT = 20, 10_000
"""Fewest rows that are said to be far from those of training, and most that are looked at for it."""


def block_rows(model: Any, sample_bytes: int) -> int:
    """Rows per block: those of an evaluation, or more up to 64 MiB; a stateful model takes all at once."""
    rows = int(getattr(model, "evaluation_rows", EVALUATION_ROWS))
    while 2 * rows <= EVALUATION_ROWS and 2 * rows * sample_bytes <= _BLOCK_BYTES:
        rows *= 2
    return rows


def padded_call(
    call: Callable[[Any, Any], Any], variables: Any, inputs: NDArray[Any], most: int
) -> NDArray[np.float64]:
    """The outputs of a compiled function for rows, which are padded so that few sizes are compiled."""
    rows = len(inputs)
    size = min(most, max(MIN_ROWS, 1 << (rows - 1).bit_length()))
    if size > rows:
        inputs = np.concatenate([inputs, np.repeat(inputs[-1:], size - rows, axis=0)])
    return np.asarray(call(variables, inputs), np.float64)[:rows]


@functools.lru_cache(maxsize=32)
def _compiled(model: Model, deterministic: bool) -> Any:
    return jax.jit(functools.partial(forward, model), compiler_options=options_for(deterministic))


def compiled_forward(run: Run, model: Model) -> Any:
    """The compiled function (variables, inputs) -> outputs, with the settings of the run."""
    deterministic = run.settings.get("deterministic") is True
    return _compiled(computing_in(model, run.precision), deterministic)


def check_parameters(parameters: str) -> None:
    """Refuse other parameters than the best and the last ones."""
    if parameters not in ("best", "last"):
        raise Refusal(f'`parameters` must be "best" or "last"; got "{parameters}".')


def _inputs_beside(
    run: Run, data: Any, samples: int | None, with_inputs: bool, names: Any, rows: Any, reading: Reading
) -> Any:
    """Columns of the data to show beside predictions, all or those `names`, or None.

    `samples` is the number of rows if the data does not tell; `rows` are those of forecasts, from 1, None
    beyond the end of the table.
    """
    import pyarrow as pa

    names = [names] if isinstance(names, str | int) else list(names)
    if not (with_inputs or names):
        return None
    reading = read_as_before(run.encoder, data, reading)
    table = columns_beside(data, samples, names, reading, others=with_inputs)
    if rows is not None:
        table = table.take(pa.array([None if row is None else row - 1 for row in rows], pa.int64()))
    return table


def outputs_of(
    run: Run, dataset: Dataset, parameters: str = "best", model: Model | None = None
) -> list[NDArray[np.float64]]:
    """Outputs of the network of each repeat for encoded samples; `model` if it is not that of the run."""
    model = model or run.model
    assert model is not None
    inputs = dataset.inputs
    streamed = not isinstance(inputs, np.ndarray)
    call, most = compiled_forward(run, model), block_rows(model, dataset.sample_bytes)
    found: list[list[NDArray[np.float64]]] = [[] for _ in run.fitted]

    def compute(samples: NDArray[np.int64]) -> None:
        block = inputs[samples]
        if streamed:
            build_for_inputs(model, [block])
            if any(fitted.scaling is None for fitted in run.fitted):
                refuse_missing_values(block, int(samples[0]))
        for outputs, fitted in zip(found, run.fitted, strict=True):
            scaled = block if fitted.scaling is None else fitted.scaling.apply(block)
            scaled = scaled.astype(np.float32, copy=False) if scaled.dtype == np.float64 else scaled
            outputs.append(padded_call(call, getattr(fitted, parameters), scaled, most))

    if not streamed:
        build_for_inputs(model, [inputs])
    for part in _parts(run, dataset):
        for start in range(0, len(part), most):
            interruptible(functools.partial(compute, part[start : start + most]))
    if not isinstance(inputs, np.ndarray):
        inputs.close()
    return [np.concatenate(outputs) for outputs in found]


def _parts(run: Run, dataset: Dataset) -> list[NDArray[np.int64]]:
    """The samples of one forward pass: all, or a stretch with a carried state."""
    everything = np.arange(dataset.samples)
    line = dataset.timeline if getattr(run.model, "stateful", False) else None
    return [everything] if line is None else line.stretches(everything)


def to_target_units(run: Run, outputs: Sequence[NDArray[Any]], dataset: Dataset) -> NDArray[np.float64]:
    """Outputs of each repeat as probabilities (repeats, n, classes), or numbers (repeats, n, targets)."""

    def restored(fitted: Fitted, own: NDArray[np.float64]) -> NDArray[np.float64]:
        numbers, line = own.reshape(len(own), -1), dataset.timeline
        if fitted.target_scaling is not None:
            numbers = fitted.target_scaling.inverse_transform(numbers)
        return numbers if line is None else line.inverse_transform(numbers, np.arange(len(numbers)))

    if run.task.is_classification:
        return np.stack([probabilities(own, np) for own in outputs])
    if run.task.is_multilabel:
        return np.stack([label_probabilities(own, np) for own in outputs])
    return np.stack([restored(*pair) for pair in zip(run.fitted, outputs, strict=True)])


def sd_over_repeats(per_repeat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation over repeats, the first axis; NaN with one repeat."""
    several = len(per_repeat) > 1
    return per_repeat.std(axis=0, ddof=1) if several else np.full(per_repeat.shape[1:], np.nan)


def read_samples(
    run: Run, data: Any, skip_bad: bool = False, *, ahead: bool = False, reading: Reading = AS_FOUND
) -> Dataset:
    """Encode new samples as those of the run; missing targets of a table are -1 or NaN.

    `ahead` includes windows with unknown targets.
    """
    encoder = run.encoder
    if ahead and isinstance(encoder, WindowEncoder):
        encoder = replace(encoder, ahead=True)
    if skip_bad:
        if not isinstance(encoder, ImageEncoder):
            raise Refusal("`skip_bad` is about images; the run was trained on other data. Leave it out.")
        encoder = replace(encoder, skip_bad=True)
    context = TrainingContext(
        run.task,
        tuple(run.data["shape"]),
        run.data["target"],
        run.data["dtype"],
        reading,
        partial=True,
        stream=True if run.settings.get("stream") is True else None,
    )
    dataset = transform(encoder, data, context, finite=any(fitted.scaling is None for fitted in run.fitted))
    return replace(dataset, raw_notes=(*dataset.raw_notes, *_far(run, dataset)))


def _far(run: Run, dataset: Dataset) -> list[str]:
    """A note on columns of a table whose new values are far from those of training.

    At most a quarter of the training samples are that far from their mean (Chebyshev's inequality).
    """
    scaling, inputs = run.fitted[0].scaling, dataset.inputs
    if not isinstance(scaling, Scaling) or not isinstance(inputs, np.ndarray) or inputs.ndim != 2:
        return []
    if len(inputs) < _MIN_FAR:
        return []
    some = inputs[:: -(-len(inputs) // _MAX_LOOKED_AT)]
    with np.errstate(invalid="ignore"):
        share = (np.abs((some - scaling.center) * scaling.inverse_scale) > 2).mean(axis=0)
    names = [
        name for name, one in zip(dataset.features, dataset.continuous * share, strict=False) if one > 0.5
    ]
    if not names:
        return []
    return [
        f"in most rows {shortlist(names)} {'is' if len(names) == 1 else 'are'} more than 2 standard "
        "deviations from the mean of the training rows: predictions there may be worse."
    ]


def with_target(run: Run, dataset: Dataset) -> NDArray[np.bool_]:
    """Samples with a target to evaluate: neither missing nor unknown."""
    targets: NDArray[Any] = np.asarray(dataset.targets).reshape(dataset.samples, -1)
    there = np.isfinite(targets) if run.task.is_regression else targets >= 0
    return np.asarray(there.all(axis=1))


def without_target(run: Run, known: NDArray[np.bool_]) -> str:
    """Number of samples without a target, as the beginning of a note."""
    left = f"{int((~known).sum()):,} of {len(known):,} rows"
    unknown = "" if run.task.is_regression else ", or one that training did not have"
    return f"{left} have no {run.data['target']}{unknown}"


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
    """See `Run.predict`; `reading` has the file options."""
    check_parameters(parameters)
    dataset = read_samples(run, data, skip_bad, ahead=True, reading=reading)
    per_repeat = to_target_units(run, outputs_of(run, dataset, parameters), dataset)
    scalings = [one.target_scaling for one in run.fitted if one.target_scaling is not None]
    scales = [1 / np.atleast_1d(one.inverse_scale) for one in scalings]
    line = dataset.timeline
    coordinates = {} if line is None else line.coordinates()
    samples = dataset.samples if line is None else None
    beside = _inputs_beside(run, data, samples, with_inputs, id, coordinates.get("row"), reading)
    notes = list(dataset.raw_notes)
    if getattr(run.model, "stateful", False):
        again = " and again after each gap" if len(_parts(run, dataset)) > 1 else ""
        notes.append(f"the state is zero before the first row{again}, and carried from window to window.")
    labeled = dataset.targets is not None and line is None
    unknown_labels = any("count in no metric" in note for note in dataset.raw_notes)
    if labeled and not unknown_labels and not (known := with_target(run, dataset)).all() and known.any():
        notes.append(f"{without_target(run, known)}: they count in no metric.")
    overlap = overlap_of(dataset, run.data["fingerprint"], run.hashes, run.split_codes) if labeled else None
    if overlap is not None and (overlap.trained != 0 or overlap.validated) and overlap.sentence:
        notes.append(overlap.sentence)
    if coordinates and None in coordinates["row"]:
        notes.append(_beyond(coordinates))
    if run.threshold is not None:
        chosen = parameters == "last" and run.threshold.rule != "given"
        aside = " (it was chosen at the best epoch, not for these weights)" if chosen else ""
        notes.append(f"predicted {run.threshold}{aside}")
    return Prediction(
        task=run.task,
        values=per_repeat.mean(axis=0),
        sd=sd_over_repeats(per_repeat),
        per_repeat=per_repeat,
        raw_notes=tuple(notes),
        target=run.data["target"],
        names=dataset.names,
        truth=dataset.targets,
        overlap=overlap,
        coordinates=coordinates,
        threshold=None if run.threshold is None else run.threshold.value,
        units=np.mean(scales, axis=0) if scales else None,
        inputs=beside,
        index=_index_of(data, dataset.samples),
    )


def _beyond(coordinates: Mapping[str, Sequence[Any]]) -> str:
    count = sum(row is None for row in coordinates["row"])
    which = "1 forecast is" if count == 1 else f"{count:,} forecasts are"
    where = "the last line of the table" if count == 1 and coordinates["row"][-1] is None else "those"
    end = f'{where}, with an empty cell in the column "row".'
    return f"{which} of what comes after the end of the data: {end}"


def _index_of(data: Any, samples: int) -> Any:
    """The index of a pandas data frame, or of one with its target; None for other data."""
    pandas = sys.modules.get("pandas")
    frame = data[0] if isinstance(data, tuple) and data else data
    if pandas is None or not isinstance(frame, pandas.DataFrame) or len(frame) != samples:
        return None
    return frame.index


# Rankings ---------------------------------------------------------------------------------------------------


def rank(
    run: Run,
    data: Any,
    *,
    by: ArrayLike | None = None,
    parameters: str = "best",
    reading: Reading = AS_FOUND,
    with_inputs: bool = False,
    id: Any = (),
) -> Ranking:
    """See `Run.rank`; `reading` has the file options."""
    check_parameters(parameters)
    if not isinstance(run.model, Pairwise):
        raise Refusal(
            "only a Pairwise model scores items: train ep.Pairwise(ep.MLP(64)) on ep.load_rank_pairs(...)."
        )
    groups: NDArray[np.int64] | None = None
    names, column = list[str](), "group"
    if isinstance(run.encoder, PairEncoder):
        items, groups, names = items_of(run.encoder, data, reading)
        column = run.encoder.group_column
    else:
        shape = tuple(run.data["shape"])[1:]
        items = transform(None, data, TrainingContext(run.task, shape, dtype=run.data["dtype"]))
    if by is not None:
        labels, groups = np.unique(np.asarray(by).astype(str), return_inverse=True)
        names = labels.tolist()
        if groups.shape != (items.samples,):
            raise Refusal(
                f"by must have one value for each of the {items.samples:,} items; got {groups.shape}."
            )
    scores = [each.reshape(-1) for each in outputs_of(run, items, parameters, run.model.model)]
    own = np.zeros(items.samples, np.int64) if groups is None else groups
    sizes = np.maximum(np.bincount(own + 1), 1)
    per_repeat = np.stack([each - (np.bincount(own + 1, weights=each) / sizes)[own + 1] for each in scores])
    mean, sd = per_repeat.mean(axis=0), sd_over_repeats(per_repeat)
    named = None if groups is None else np.asarray([*names, ""], object)[groups]
    beside = _inputs_beside(run, data, items.samples, with_inputs, id, None, reading)
    notes = [note for note in items.raw_notes if not note.endswith("the targets are not used.")]
    return Ranking(mean, sd, per_repeat, _places(mean, own), named, column, tuple(notes), beside)


def _places(scores: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places within groups, the highest score first.

    >>> _places(np.array([0.5, 2.0, 0.5, 1.0, 3.0]), np.array([0, 0, 0, 0, 1])).tolist()
    [3, 1, 3, 2, 1]
    """
    order, _, ahead = ranked(-scores, groups)
    places = np.empty(len(order), np.int64)
    places[order] = ahead + 1
    return places
