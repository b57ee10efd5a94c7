"""Samples of an iterator without length that can be read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.arrays.arrays import dataset_of_arrays
from epochal.data.columns import default_name
from epochal.data.dataset import Dataset
from epochal.data.lazy import LazyArray, kept_dtype
from epochal.data.source import DataSource, ProgressCallback, refuse_columns
from epochal.data.streams.items import pair_of
from epochal.data.streams.workers import description
from epochal.data.tables.target import class_words
from epochal.data.task import Task
from epochal.errors import DataFailed, Refusal

HEAD = 1024
"""Most samples read before training."""

Samples = Iterator[tuple[NDArray[Any], NDArray[Any]]]


def is_iterator(source: Any) -> bool:
    """Whether samples can only be iterated: it has no length, or no index.

    >>> is_iterator(iter([1])), is_iterator([1])
    (True, False)
    """
    numbered = hasattr(source, "__len__") and hasattr(source, "__getitem__")
    return hasattr(source, "__iter__") and not numbered and not isinstance(source, (set, frozenset, Path))


class IteratorArray(LazyArray):
    """The first samples of an iterator, by index; and all in order, by `next_samples`."""

    def __init__(self, inputs: NDArray[Any], targets: NDArray[Any], rest: Samples, task: Task | None) -> None:
        self.shape, self.dtype = inputs.shape, inputs.dtype
        self._head, self._target_shape = inputs, targets.shape[1:]
        self._samples = enumerate(chain(zip(inputs, targets, strict=True), rest), 1)
        self._classes = task.classes if task is not None and task.is_classification else None

    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        np.take(self._head, samples, axis=0, out=out, mode="clip")

    def next_samples(self, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The next samples and their targets, fewer than `count` at the end; else `DataFailed`."""
        inputs = np.empty((count, *self.shape[1:]), self.dtype)
        targets = np.empty((count, *self._target_shape), np.float32 if self._classes is None else np.int32)
        filled = 0
        try:
            for number, (values, target) in islice(self._samples, count):
                with np.errstate(over="ignore"):
                    inputs[filled] = values
                targets[filled] = target if self._classes is None else self._class_id(number, target)
                filled += 1
        except Refusal as error:
            raise DataFailed(error.sentence) from error
        return inputs[:filled], targets[:filled]

    def _class_id(self, number: int, target: Any) -> int:
        words, classes = class_words(getattr(target, "item", lambda: target)()), self._classes or ()
        known = [word for word in words if word in classes]
        if not known:
            raise DataFailed(
                f'sample {number:,} has the class "{words[0]}", which none of the first {len(self._head):,} '
                "samples and of the validation data has; have it among the latter."
            )
        return classes.index(known[0])


def _samples(source: Any) -> Samples:
    """The samples of an iterator, all with the first one's shapes.

    An item is a sample `(inputs, target)`, or a batch of them where both have a first axis of one length.
    """
    items, count = iter(source), 0
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:
            raise Refusal(f"the iterator failed after sample {count:,}: {description(error)}.") from error
        both = tuple(map(np.asarray, pair_of(item)))
        batch = both[1].ndim >= 1 and both[0].ndim >= 2 and len(both[0]) == len(both[1])
        for inputs, target in zip(*both, strict=True) if batch else [both]:
            count += 1
            if inputs.dtype.kind not in "buif" or inputs.ndim < 1:
                raise Refusal(
                    f"the inputs of sample {count:,} must be an array of numbers; got {inputs.dtype} of "
                    f"the shape {inputs.shape}."
                )
            own = (inputs.shape, np.shape(target))
            shapes = shapes or own
            for what, first, got in zip(("inputs", "target"), shapes, own, strict=True):
                if got != first:
                    due = f"{first}, as the first has"
                    raise Refusal(f"the {what} of sample {count:,} must have the shape {due}; got {got}.")
            yield inputs, np.asarray(target)


def _load(source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    """The first samples, which determine shapes and task, with `IteratorArray` for the rest.

    The classes of separate validation data, `(X, y)`, are known, too.
    """
    refuse_columns(arguments, type(source).__name__)
    samples = _samples(source)
    head = list(islice(samples, HEAD))
    if len(head) < 2:
        raise Refusal(f"the iterator must give at least 2 samples; it ended after {len(head)}.")
    inputs, targets = (np.stack(side) for side in zip(*head, strict=True))
    with np.errstate(over="ignore"):
        inputs = inputs.astype(kept_dtype(inputs.dtype, inputs.ndim))
    all_targets, validation = targets, arguments.get("validation")
    if isinstance(validation, tuple | list) and len(validation) > 1:
        known = np.asarray(validation[1])
        if known.shape[1:] == targets.shape[1:]:
            all_targets = np.concatenate([targets, known])
    ones = np.zeros((len(all_targets), 1), np.float32)
    task = dataset_of_arrays(ones, all_targets, task=arguments.get("task")).task
    classes = task is None or task.is_classification
    name = type(source).__name__
    return dataset_of_arrays(
        IteratorArray(inputs, targets, samples, task),
        targets if classes else np.asarray(targets, np.float64),
        task=task,
        source=name,
        features=tuple(map(default_name, range(inputs.shape[1]))) if inputs.ndim == 2 else None,
        remarks=(
            f"{name} has no length: its first {len(head):,} samples told what they are, and all are trained "
            "on as they come.",
        ),
    )


ITERATORS = DataSource(recognizes=is_iterator, load=_load, endless=True)
