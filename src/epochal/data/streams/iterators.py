"""Samples of an iterator without length that can be read once.

Its first samples determine shapes and task, and are the first to be trained on. An item is a sample `(inputs,
target)`, or a batch of them where both have a first axis of the same length; batches are cut anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.arrays.arrays import dataset_of_arrays
from epochal.data.columns import default_name
from epochal.data.dataset import Dataset
from epochal.data.rows import Rows, kept_dtype
from epochal.data.source import Progress, Source, refuse_columns
from epochal.data.streams.items import pair_of
from epochal.data.tables.target import class_words
from epochal.data.task import Task
from epochal.errors import DataFailed, Refusal

HEAD = 1024
"""Most samples read before training."""


def is_iterator(source: Any) -> bool:
    """Whether samples can only be iterated: it has no length, or no index.

    >>> is_iterator(iter([1])), is_iterator([1])
    (True, False)
    """
    numbered = hasattr(source, "__len__") and hasattr(source, "__getitem__")
    return hasattr(source, "__iter__") and not numbered and not isinstance(source, (set, frozenset, Path))


class EndlessRows(Rows):
    """The first samples of an iterator, by index; and all in order, by `next_samples`."""

    def __init__(self, inputs: NDArray[Any], targets: NDArray[Any], rest: _Samples) -> None:
        self.shape, self.dtype = inputs.shape, inputs.dtype
        self._head, self._head_targets, self._rest = inputs, targets, rest
        self._given = 0
        self.task: Task | None = None

    def take(self, samples: NDArray[np.int64], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """See `Rows`."""
        return np.take(self._head, samples, axis=0, out=self._out(samples, out), mode="clip")

    def next_samples(self, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The next samples and their targets, fewer than `count` if it is exhausted.

        Raises:
            DataFailed: the iterator raises, a shape differs, or a class was not among the first samples.
        """
        inputs = np.empty((count, *self.shape[1:]), self.dtype)
        targets = np.empty((count, *self._head_targets.shape[1:]), self._targets_dtype)
        filled = 0
        while filled < count:
            if self._given < len(self._head):
                inputs[filled], target = self._head[self._given], self._head_targets[self._given]
            else:
                try:
                    found = next(self._rest, None)
                except Refusal as error:
                    raise DataFailed(error.sentence) from error
                if found is None:
                    break
                with np.errstate(over="ignore"):
                    inputs[filled] = found[0]
                target = found[1]
            targets[filled] = self._encoded(target)
            filled += 1
            self._given += 1
        return inputs[:filled], targets[:filled]

    @property
    def _targets_dtype(self) -> Any:
        return np.int32 if self.task is not None and self.task.is_classification else np.float32

    def _encoded(self, target: Any) -> Any:
        if self.task is None or not self.task.is_classification:
            return target
        value = target.item() if hasattr(target, "item") else target
        known = [word for word in class_words(value) if word in self.task.classes]
        if not known:
            raise DataFailed(
                f'sample {self._given + 1:,} has the class "{class_words(value)[0]}", which none of the '
                f"first {len(self._head):,} samples and of the validation data has; have it among the latter."
            )
        return self.task.classes.index(known[0])


class _Samples(Iterator[tuple[NDArray[Any], NDArray[Any]]]):
    """The samples of an iterator, all with the first one's shape."""

    def __init__(self, source: Any) -> None:
        self._source = iter(source)
        self._waiting: deque[tuple[NDArray[Any], NDArray[Any]]] = deque()
        self._shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._count = 0

    def __next__(self) -> tuple[NDArray[Any], NDArray[Any]]:
        while not self._waiting:
            try:
                item = next(self._source)
            except StopIteration:
                raise
            except Exception as error:
                said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
                raise Refusal(f"the iterator failed after sample {self._count:,}: {said}.") from error
            inputs, target = (np.asarray(one) for one in pair_of(item))
            batch = target.ndim >= 1 and inputs.ndim >= 2 and len(inputs) == len(target)
            self._waiting.extend(zip(inputs, target, strict=True) if batch else [(inputs, target)])
        sample = self._waiting.popleft()
        self._count += 1
        inputs, target = (np.asarray(one) for one in sample)
        if inputs.dtype.kind not in "buif" or inputs.ndim < 1:
            raise Refusal(
                f"the inputs of sample {self._count:,} must be an array of numbers; got {inputs.dtype} of "
                f"the shape {inputs.shape}."
            )
        shapes = (inputs.shape, target.shape)
        self._shapes = self._shapes or shapes
        for what, first, got in zip(("inputs", "target"), self._shapes, shapes, strict=True):
            if got != first:
                wanted, number = f"{first}, as the first has", f"{self._count:,}"
                raise Refusal(f"the {what} of sample {number} must have the shape {wanted}; got {got}.")
        return inputs, target


def dataset_of_iterator(source: Any, validation: Any, task: str | None = None) -> Dataset:
    """The dataset of an iterator: its first samples, and `EndlessRows` for the rest.

    Args:
        source: gives `(inputs, target)`, a mapping with both, or batches of them.
        validation: separate validation data, `(X, y)` or a `Dataset`; its classes are known, too.
        task: as in `load`.

    Raises:
        Refusal: no samples at all, or samples whose shapes differ.
    """
    samples = _Samples(source)
    head = []
    for sample in samples:
        head.append(sample)
        if len(head) == HEAD:
            break
    if len(head) < 2:
        raise Refusal(f"the iterator must give at least 2 samples; it ended after {len(head)}.")
    inputs, targets = (np.stack(side) for side in zip(*head, strict=True))
    with np.errstate(over="ignore"):
        inputs = inputs.astype(kept_dtype(inputs.dtype, inputs.ndim))
    rows = EndlessRows(inputs, targets, samples)
    known = _targets_of(validation)
    alike = known is not None and known.shape[1:] == targets.shape[1:]
    all_targets = np.concatenate([targets, known]) if known is not None and alike else targets
    found = dataset_of_arrays(np.zeros((len(all_targets), 1), np.float32), all_targets, task=task).task
    rows.task = found
    encoded = targets
    if found is not None and not found.is_classification:
        encoded = np.asarray(targets, np.float64)
    name = type(source).__name__
    return dataset_of_arrays(
        rows,
        encoded,
        task=found,
        source=name,
        features=tuple(map(default_name, range(inputs.shape[1]))) if inputs.ndim == 2 else None,
        said=(
            f"{name} has no length: its first {len(head):,} samples told what they are, and all are trained "
            "on as they come.",
        ),
    )


def _targets_of(data: Any) -> NDArray[Any] | None:
    """The targets of validation data given as arrays."""
    if isinstance(data, Mapping) or not isinstance(data, (tuple, list)) or len(data) < 2:
        return None
    return np.asarray(data[1])


def _load(source: Any, arguments: Mapping[str, Any], progress: Progress | None) -> Dataset:
    refuse_columns(arguments, type(source).__name__)
    return dataset_of_iterator(source, arguments.get("validation"), arguments.get("task"))


ITERATORS = Source(recognizes=is_iterator, load=_load, endless=True)
