"""Rows of new data that a run was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from epochal.data import Dataset
from epochal.data.duplicates import row_hashes

MAX_HASHED = 1 << 22
"""Most rows whose hashes a run keeps: 32 MiB."""


@dataclass(frozen=True)
class Overlap:
    """The number of rows that equal training rows in inputs and target.

    Args:
        rows: number of compared rows.
        trained: those that at least one repeat was trained on; None if the run has no hashes.
        by_all: those that every repeat was trained on.
        validated: those that no repeat was trained on and at least one was validated on.
        same_data: whether this is the training data, by its fingerprint.
        repeats: of the run.
        noun: "rows", or "windows" of a series.
    """

    rows: int
    trained: int | None
    by_all: int
    validated: int
    same_data: bool
    repeats: int
    noun: str = "rows"

    @property
    def sentence(self) -> str:
        """The note for a reader."""
        if self.trained == 0:
            none = f"None of the {self.rows:,} {self.noun} was used in training"
            if self.validated:
                none += f", but {self.validated:,} in validation: slightly optimistic if it chose the epoch"
            return f"{none}."
        better = "so results on new ones will probably be worse"
        if self.trained is None:
            if not self.same_data:
                return ""
            return f"This is the data that the run was trained on, {better}."
        count = f"{self.trained:,} of {self.rows:,} {self.noun}"
        if self.repeats > 1 and self.by_all < self.trained:
            count += f" were used in training by at least one of {self.repeats} repeats"
            count += f" ({self.by_all:,} by all)"
        else:
            count += " were used in training" if self.trained > 1 else " was used in training"
        count += f" and {self.validated:,} in validation" if self.validated and not self.same_data else ""
        some = self.same_data and self.by_all < self.rows
        held_out = f": its held-out {self.noun} are in the report of the run" if some else ""
        same = f" This is the data that the run was trained on{held_out}." if self.same_data else ""
        return f"{count}, {better}.{same}"


def hashes_of(dataset: Dataset) -> NDArray[np.uint64]:
    """A hash of inputs and target of each sample; empty if there are too many or they are streamed."""
    inputs, targets = dataset.inputs, dataset.targets
    if not isinstance(inputs, np.ndarray) or targets is None or len(inputs) > MAX_HASHED:
        return np.empty(0, np.uint64)
    return row_hashes(inputs, np.asarray(targets, np.float64))


def overlap_of(
    dataset: Dataset, fingerprint: str, hashes: NDArray[np.uint64], split_codes: Sequence[NDArray[np.uint8]]
) -> Overlap:
    """Which of the samples a run was trained on, by the fingerprint of its data and the hashes of samples."""
    noun = "rows" if dataset.timeline is None else "windows"
    found = Overlap(dataset.samples, None, 0, 0, dataset.fingerprint == fingerprint, len(split_codes), noun)
    own = hashes_of(dataset) if len(hashes) else hashes
    if not len(own):
        return found
    trained, validated = np.zeros(len(own), np.int64), np.zeros(len(own), bool)
    repeats = Counter(part.tobytes() for part in split_codes)
    for key, part in {part.tobytes(): part for part in split_codes}.items():  # most repeats share one
        trained += repeats[key] * np.isin(own, hashes[part == 1])
        validated |= np.isin(own, hashes[part == 2])
    return replace(
        found,
        trained=int((trained > 0).sum()),
        by_all=int((trained == len(split_codes)).sum()),
        validated=int((validated & (trained == 0)).sum()),
    )
