"""`Dataset`: samples in memory or readable on demand, with their metadata."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.late_bound import late_bound
from epochal.common.option_text import render_message
from epochal.common.text import one_line
from epochal.data.images.pixel_arrays import in_fractions
from epochal.data.lazy import FileArray, LazyArray, MemoryArray
from epochal.data.recipe import Recipe
from epochal.data.records import SampleEncoder, plain
from epochal.data.task import Task

if TYPE_CHECKING:
    from epochal.data.series.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples in memory or readable on demand, with their metadata.

    Args:
        inputs: `(n, *shape)`: float32, where NaN marks a missing value, or float64 where float32 would blur
            distinct values before scaling; uint8, pixels that the model sees as
            0 to 1; or int32, tokens. Writeable only if this package made the array, so that nothing is ever
            scaled in place in an array that belongs to the caller. A `LazyArray` if the samples
            stay in a file or behind an object and are streamed.
        targets: int32 class ids `(n,)`, float64 `(n,)` or `(n, m)` for regression, float32 `(n, labels)` of 0
            and 1 for labels, None when unlabeled.
        task: the kind of prediction; None when unlabeled.
        features: names of the encoded columns, for 2-d inputs and windows; otherwise empty.
        continuous: bool `(d,)`, the encoded columns to be standardized; for inputs of more than two
            dimensions one flag for each entry of the last axis, or one True for all their values.
        encoder: encodes new samples in the same way, such as a table's schema; None for plain arrays.
        target_name: the name of the target column.
        source: a description of the source.
        raw_notes: what was recognized, in sentences with the overriding option as code.
        row_numbers: int64 `(n,)`, the row of each sample in its source, from 1 without the header.
        sample_weight: float32 `(n,)` or None.
        fingerprint: SHA-256 of the content, as hexadecimal digits.
        names: names of the samples in their source, such as image files; empty if rows have only numbers.
        timeline: positions in time, for windows of an ordered table.
        groups: int64 `(n,)`, the group of each sample, where a split keeps groups whole.
        recipe: how to reload the samples; None for arrays, frames and other objects.
        time_column: the time column by which the rows of a table are ordered, if any.
        repeated_column: a note on a column whose values have several rows alike, such as a patient, if any.
    """

    inputs: NDArray[Any] | LazyArray
    targets: NDArray[Any] | None
    task: Task | None
    features: tuple[str, ...] = ()
    continuous: NDArray[np.bool_]
    encoder: SampleEncoder | None = None
    target_name: str = ""
    source: str
    raw_notes: tuple[str, ...] = ()
    row_numbers: NDArray[np.int64]
    sample_weight: NDArray[np.float32] | None = None
    fingerprint: str
    names: tuple[str, ...] = ()
    timeline: Timeline | None = None
    groups: NDArray[np.int64] | None = None
    recipe: Recipe | None = None
    time_column: str = ""
    repeated_column: str = ""

    def __repr__(self) -> str:
        """One line: source, number of samples, inputs and target.

        >>> from epochal.data import load
        >>> load("example:iris")
        Dataset("example:iris", 150 samples, inputs (4,) float32, target "species": 3 classes)
        """
        shape = f"{self.samples:,} samples, inputs {self.shape} {self.dtype}"
        what = "no target"
        if self.task is not None:
            word = "labels" if self.task.is_multilabel else "classes"
            what = f"{len(self.task.classes):,} {word}" if self.task.classes else self.task.kind
            what = f'target "{one_line(self.target_name, 60)}": {what}' if self.target_name else what
        return f'Dataset("{one_line(self.source, 60)}", {shape}, {what})'

    @property
    def notes(self) -> tuple[str, ...]:
        """What was recognized, in sentences with the overriding argument.

        >>> from epochal.data import load
        >>> load("example:digits").notes[2]
        'column 1 ("pixel_0_0") is constant (0): left out; ep.load_data(..., keep=["pixel_0_0"]) keeps it.'
        """
        return tuple(render_message(note, self.loader) for note in self.raw_notes)

    @property
    def loader(self) -> str:
        """The function that loads such data, as in Python code; empty for plain arrays."""
        return "" if self.encoder is None else self.encoder.loader

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.inputs.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs."""
        return tuple(int(size) for size in self.inputs.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype of the inputs: float32, float64, uint8 or int32."""
        return self.inputs.dtype

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's inputs."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def standardize(self) -> bool:
        """Whether inputs are standardized by default: tables, and arrays that are not images.

        Not samples of an object, since that would read all of them in advance.
        """
        if self.encoder is not None:
            return self.encoder.standardize
        quick = isinstance(self.inputs, np.ndarray | MemoryArray | FileArray)
        return quick and self.dtype.kind == "f" and not in_fractions(self.inputs)

    def subset(self, chosen: NDArray[np.int64]) -> Dataset:
        """A subset of the samples by index; not for windows, which have positions in time."""
        assert self.targets is not None
        weight, groups = self.sample_weight, self.groups
        return replace(
            self,
            inputs=self.inputs[chosen],
            targets=self.targets[chosen],
            row_numbers=self.row_numbers[chosen],
            sample_weight=None if weight is None else weight[chosen],
            groups=None if groups is None else groups[chosen],
            names=tuple(self.names[at] for at in chosen) if self.names else (),
        )

    @property
    def strata(self) -> NDArray[Any] | None:
        """The class ids by which a split is stratified; None for regression and unlabeled samples."""
        return self.targets if self.task is not None and self.task.is_classification else None

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """The length without padding of each sample of tokens; None for other samples."""
        if self.dtype != np.int32 or len(self.shape) != 1 or not isinstance(self.inputs, np.ndarray):
            return None
        there = self.inputs != 0
        last: NDArray[np.int64] = self.shape[0] - there[:, ::-1].argmax(axis=1)
        return np.where(there.any(axis=1), last, 0)

    def _repr_html_(self) -> str:
        return late_bound("dataset_html")(self)

    def to_dict(self) -> dict[str, Any]:
        """A description as JSON, without the samples."""
        return {
            "source": self.source,
            "samples": self.samples,
            "shape": list(self.shape),
            "dtype": str(self.dtype),
            "features": list(self.features),
            "target": self.target_name,
            "task": plain(self.task),
            "encoder": plain(self.encoder),
            "notes": list(self.raw_notes),
            "fingerprint": self.fingerprint,
        }


def fingerprint(names: Iterable[str], *arrays: NDArray[Any] | None) -> str:
    """SHA-256 over names, and each array's dtype, shape and bytes in row-major order.

    >>> fingerprint(["a"], np.zeros(2, np.float32))[:8]
    '846a1a24'
    """
    digest = hashlib.sha256("\x1f".join(names).encode())
    for array in arrays:
        if array is None:
            digest.update(b"\x1enone")
            continue
        digest.update(f"\x1e{array.dtype.str}{array.shape}".encode())
        rows = max(1, (1 << 22) // max(1, array.nbytes // max(1, len(array))))
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).view(np.uint8).data)
    return digest.hexdigest()
