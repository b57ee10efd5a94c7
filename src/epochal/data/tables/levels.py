"""Category levels seen in training, kept beside the scaling of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.rows import Rows
from epochal.data.standardize import Scaling, fit_scaling

FEWEST = 2
"""Fewest training samples of a level with its own embedding; arbitrary."""
_BLOCK = 1 << 14


@dataclass(frozen=True)
class LevelScaling(Scaling):
    """A scaling whose last columns are codes of levels: unknown ones become 0.

    `sizes` is int64 `(k,)`, the number of codes of each of the last k columns, and `known` bool
    `(sum(sizes),)`.

    >>> plain = [np.float32([0, 0]), np.float32([0, 0]), np.float32([1, 1])]
    >>> levels = LevelScaling(*plain, sizes=np.array([4]), known=np.array([True, True, False, True]))
    >>> levels.apply(np.float32([[0.5, 1], [0.5, 2], [0.5, 3]])).tolist()
    [[0.5, 1.0], [0.5, 0.0], [0.5, 3.0]]
    """

    sizes: NDArray[np.int64]
    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.known.dtype != np.bool_ or self.known.shape != (int(self.sizes.sum()),):
            raise ValueError(f"known levels must be booleans, one for each code; got {self.known.shape}")

    @property
    def standardizes(self) -> bool:
        """Whether any number is centered or scaled."""
        return bool(self.center.any() or (self.scale != 1).any())

    def apply(
        self, inputs: NDArray[Any] | Rows, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The scaled inputs, with 0 for unknown levels; see `Scaling.apply`."""
        scaled = super().apply(inputs, out)
        first = scaled.shape[-1] - len(self.sizes)
        for place, known in enumerate(np.split(self.known, np.cumsum(self.sizes)[:-1])):
            for start in range(0, len(scaled), _BLOCK):
                codes = scaled[start : start + _BLOCK, ..., first + place]
                codes[~known[codes.astype(np.int64)]] = 0
        return scaled


def fit_levels(
    inputs: NDArray[Any] | Rows,
    continuous: NDArray[np.bool_],
    sizes: Sequence[int],
    train: NDArray[np.int64],
    standardize: bool,
) -> LevelScaling:
    """Fit a scaling, and find the levels that are frequent enough in the training samples.

    Args:
        inputs: `(n, ..., d)`, the last columns being codes.
        continuous: bool `(d,)`, the columns to be standardized.
        sizes: number of codes of each of the last columns.
        train: the training samples.
        standardize: whether to center and scale numbers; missing ones are filled in any case.
    """
    base, k = fit_scaling(inputs, continuous, train), len(sizes)
    impute, center, scale = base.impute.copy(), base.center.copy(), base.scale.copy()
    if not standardize:
        center[:], scale[:] = 0, 1
    impute[-k:], center[-k:], scale[-k:] = 0, 0, 1
    counts = [np.zeros(size, np.int64) for size in sizes]
    for start in range(0, len(train), _BLOCK):
        block = inputs[train[start : start + _BLOCK]]
        for place, count in enumerate(counts):
            codes = block[..., block.shape[-1] - k + place].astype(np.int64).ravel()
            count += np.bincount(codes, minlength=len(count))
    known = np.concatenate(counts) >= FEWEST
    return LevelScaling(impute, center, scale, np.array(sizes, np.int64), known)
