"""The vocabulary of a training, from its training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.rows import Rows

PADDING, UNKNOWN = 0, 1
"""The ids of padding, and of unknown tokens."""


@dataclass(frozen=True)
class Vocabulary:
    """Maps tokens that no training sample has to unknown.

    `known` is bool `(tokens,)`.

    >>> Vocabulary(np.array([True, True, True, False])).apply(np.array([[2, 3, 0]], np.int32)).tolist()
    [[2, 1, 0]]
    """

    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.known.ndim != 1 or self.known.dtype != np.bool_ or len(self.known) <= UNKNOWN:
            raise ValueError(f"a vocabulary must be booleans (tokens,); got {self.known.dtype}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        return np.dtype(np.int32)

    def apply(self, inputs: NDArray[Any] | Rows, out: NDArray[Any] | None = None) -> NDArray[np.int32]:
        """The ids with unknown ones replaced; written to `out` (which may be `inputs`) if given."""
        ids: NDArray[np.int32] = inputs[:] if not isinstance(inputs, np.ndarray) else inputs
        seen: NDArray[np.int32] = np.where(self.known[ids], ids, np.int32(UNKNOWN))
        if out is None:
            return seen
        out[...] = seen
        return out


def fit_vocabulary(inputs: NDArray[np.int32] | Rows, tokens: int, train: NDArray[np.int64]) -> Vocabulary:
    """The tokens that occur in the training samples, of `tokens` ids."""
    known = np.zeros(tokens, bool)
    known[[PADDING, UNKNOWN]] = True
    for start in range(0, len(train), 1 << 14):
        known[inputs[train[start : start + (1 << 14)]]] = True
    return Vocabulary(known)
