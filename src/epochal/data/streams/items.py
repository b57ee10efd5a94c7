"""Samples of an object with `__len__` and `__getitem__`, such as a PyTorch Dataset.

Its items are `(inputs, target)` or a mapping with both. Reading is Python, so it happens in worker processes
if the object can be pickled, else in this process in one thread, since the object may not be thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import cores
from epochal.common.text import counted
from epochal.data.arrays.arrays import INPUT_KEYS, TARGET_KEYS, dataset_of_arrays
from epochal.data.dataset import Dataset
from epochal.data.lazy import LazyArray, kept_dtype
from epochal.data.source import DataSource, ProgressCallback, refuse_columns
from epochal.data.streams.workers import Workers, can_be_sent, description
from epochal.errors import DataFailed, Refusal

_SLOW_SECONDS = 2e-4
"""Seconds per sample from which worker processes pay off."""

LABEL_KEYS = (*TARGET_KEYS, "label")
_PROBED = 8
_TARGETS = ("targets", "labels", "y")
"""Conventional attributes with the targets of all samples."""


def is_items(source: Any) -> bool:
    """Whether it has samples by index: an object, or a list of more than three samples."""
    if isinstance(source, (str, bytes, Mapping, tuple, np.ndarray)):
        return False
    if isinstance(source, list):
        return len(source) > 3 and isinstance(source[0], (tuple, dict))
    return hasattr(source, "__len__") and hasattr(source, "__getitem__")


def pair_of(sample: Any) -> tuple[Any, Any]:
    """Inputs and target of a sample: a pair, or a mapping with conventional names.

    >>> pair_of({"image": 1, "label": 2})
    (1, 2)
    """
    if isinstance(sample, Mapping):
        names = list(sample)
        target = next((name for name in LABEL_KEYS if name in sample), None)
        inputs = next((name for name in INPUT_KEYS if name in sample), None)
        if target is not None and inputs is None and len(names) == 2:
            inputs = next(name for name in names if name != target)
        if target is None or inputs is None:
            raise Refusal(
                f"a sample must have its inputs as {', '.join(INPUT_KEYS)} and its target as "
                f"{', '.join(TARGET_KEYS)}; got {', '.join(map(str, names))}. Give (inputs, target)."
            )
        return sample[inputs], sample[target]
    if isinstance(sample, (tuple, list)) and len(sample) == 2:
        return sample[0], sample[1]
    got = f"{type(sample).__name__} of {len(sample)}" if hasattr(sample, "__len__") else type(sample).__name__
    raise Refusal(f"a sample must be (inputs, target) or a mapping with both; got a {got}.")


@dataclass(frozen=True)
class _Reading:
    items: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, request: tuple[bool, Sequence[int]]) -> Any:
        """The targets (if the flag is set) or inputs of some samples; else `DataFailed` for the first."""
        only_targets, samples = request
        inputs = np.empty((0 if only_targets else len(samples), *self.shape), self.dtype)
        targets = []
        found: Sequence[Any] | None = None
        if hasattr(self.items, "__getitems__"):
            with suppress(Exception):  # then one by one, to find which
                found = self.items.__getitems__(list(samples))
        for place, sample in enumerate(samples):
            try:
                given, target = pair_of(self.items[sample] if found is None else found[place])
                values = np.asarray(given)
            except (Exception, SystemExit) as error:  # it must not end our process
                raise _unread(sample, description(error)) from error
            if values.shape != self.shape:
                due = f"the shape {self.shape}, as those of sample 1 have"
                raise _unread(sample, f"its inputs must have {due}; got {values.shape}")
            if values.dtype.kind not in "buif":
                raise _unread(sample, f"its inputs must be numbers; got {values.dtype}")
            if only_targets:
                targets.append(np.asarray(target))
            else:
                with np.errstate(over="ignore"):
                    inputs[place] = values
        return targets if only_targets else inputs


def _unread(sample: int, why: str) -> DataFailed:
    return DataFailed(f"sample {sample + 1:,} (items[{sample}]) could not be read: {why}.")


class ItemArray(LazyArray):
    """The inputs of an object's samples, of one shape; `workers` processes read them, or this one if 0."""

    def __init__(self, items: Any, shape: tuple[int, ...], dtype: np.dtype[Any], workers: int) -> None:
        self.shape, self.dtype = (len(items), *shape), dtype
        self._workers = Workers(_Reading(items, shape, dtype), workers)
        self._lock = threading.Lock()

    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        size = max(1, -(-len(samples) // (2 * self._workers.count or 1)))
        starts = range(0, len(samples), size)
        pieces = [(False, samples[start : start + size].tolist()) for start in starts]
        with nullcontext() if self._workers.count else self._lock:
            for start, values in zip(starts, self._workers.map(pieces), strict=True):
                out[start : start + size] = values

    def targets(self, progress: ProgressCallback | None = None) -> NDArray[Any]:
        """The targets of all samples, each read once; they must have one shape."""
        count = len(self)
        size = max(1, min(256, -(-count // (4 * max(1, self._workers.count)))))
        pieces = [(True, range(count)[start : start + size]) for start in range(0, count, size)]
        targets: list[NDArray[Any]] = []
        try:
            for some in self._workers.map(pieces):
                targets += some
                if progress is not None:
                    progress("reading targets", len(targets), count)
        except DataFailed as error:
            self.close()
            raise Refusal(error.sentence) from error
        due = targets[0].shape
        for sample, one in enumerate(targets, 1):
            if one.shape != due:
                raise Refusal(f"the target of sample {sample:,} must have the shape {due}; got {one.shape}.")
        return np.stack(targets)

    def close(self) -> None:
        self._workers.close()


def dataset_of_items(
    items: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None = None
) -> Dataset:
    """A dataset of an object's samples, read on demand, or at once if `stream` is False.

    All targets are needed in advance (for the split and the classes): those that the object
    has as `targets`, `labels` or `y`, or are read once, sample by sample. `workers` are by default as many as
    there are cores if reading is slow. These, and `task`, are among the `arguments` of `load`.

    >>> dataset = dataset_of_items([([0.0, 1.0], "a"), ([1.0, 1.0], "b")] * 3, {"task": "classification"})
    >>> dataset.samples, dataset.shape, dataset.task.classes
    (6, (2,), ('a', 'b'))
    """
    name, count = type(items).__name__, len(items)
    if count < 2:
        raise Refusal(f"{name} must have at least 2 samples; got {count}.")
    try:
        first = np.asarray(pair_of(items[0])[0])
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(f"sample 1 (items[0]) could not be read: {description(error)}.") from error
    if first.dtype.kind not in "buif" or first.ndim < 1 or 0 in first.shape:
        raise Refusal(
            "the inputs of a sample must be an array of numbers of at least one dimension; got "
            f"{first.dtype} of the shape {first.shape} in sample 1."
        )
    chosen, notes = _workers(items, arguments.get("workers"), name)
    targets = _known_targets(items, count)
    rows = ItemArray(items, first.shape, kept_dtype(first.dtype, first.ndim + 1), chosen)
    if targets is None:
        targets = rows.targets(progress)
        notes += (f"the targets of all {count:,} samples were read once; an attribute targets saves that.",)
    inputs: Any = rows
    if arguments.get("stream") is False:
        inputs, notes = rows[:], ()
        rows.close()
    task = arguments.get("task")
    return dataset_of_arrays(inputs, targets, task=task, source=name, remarks=notes, owned=True)


def _workers(items: Any, workers: int | None, name: str) -> tuple[int, tuple[str, ...]]:
    if workers == 0:
        return 0, (f"{name}: samples are read in this process.",)
    if workers is None:
        begin, probed = time.perf_counter(), min(_PROBED, len(items))
        try:
            for sample in range(probed):
                items[sample]
        except Exception:
            probed = 1  # reported with its index when it is read
        if (time.perf_counter() - begin) / probed < _SLOW_SECONDS:
            return 0, (f"{name}: samples are read in this process, which is quick; workers=N uses others.",)
    if why := can_be_sent(items):
        return 0, (f"{name} can't be sent to worker processes ({why}): samples are read in this one.",)
    count = cores() if workers is None else workers
    processes = counted(count, "worker process", "worker processes")
    return count, (f"{name}: samples are read in {processes}.",)


def _known_targets(items: Any, count: int) -> NDArray[Any] | None:
    """The object's targets of all samples, if they agree with those of its first and last ones."""
    for name in _TARGETS:
        targets = getattr(items, name, None)
        if targets is None or callable(targets) or not hasattr(targets, "__len__") or len(targets) != count:
            continue
        values = np.asarray(targets)
        try:
            checked = [np.asarray(pair_of(items[sample])[1]) for sample in (0, count - 1)]
        except Exception:
            return None
        if values.ndim and np.array_equal(values[0], checked[0]) and np.array_equal(values[-1], checked[1]):
            return values
    return None


def _load(source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    refuse_columns(arguments, type(source).__name__)
    return dataset_of_items(source, arguments, progress)


ITEMS = DataSource(recognizes=is_items, load=_load)
