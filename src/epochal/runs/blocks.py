"""Outputs of networks for any number of samples, computed block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.engine.evaluate import EVALUATION_ROWS

__all__ = ["LEAST_ROWS", "block_rows", "blocks", "padded_call"]

LEAST_ROWS = 16
"""Fewer rows are padded to so many, more of them to a power of two."""

_BLOCK_BYTES = 1 << 26


def block_rows(model: Any, sample_bytes: int) -> int:
    """Rows that are read and computed at once: those of an evaluation, or more of them that take 64 MiB.

    A model that carries its state from row to row takes all rows at once.
    """
    rows = int(getattr(model, "evaluation_rows", EVALUATION_ROWS))
    while 2 * rows <= EVALUATION_ROWS and 2 * rows * sample_bytes <= _BLOCK_BYTES:
        rows *= 2
    return rows


def blocks(samples: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Samples, so many at a time.

    >>> [block.tolist() for block in blocks(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    for start in range(0, len(samples), most):
        yield samples[start : start + most]


def padded_call(
    call: Callable[[Any, Any], Any], variables: Any, inputs: NDArray[Any], most: int
) -> NDArray[np.float64]:
    """What a compiled function puts out for some rows, padded so that few numbers of rows are compiled for.

    The last row is repeated; what it gives is dropped.
    """
    rows = len(inputs)
    size = min(most, max(LEAST_ROWS, 1 << (rows - 1).bit_length()))
    if size > rows:
        inputs = np.concatenate([inputs, np.repeat(inputs[-1:], size - rows, axis=0)])
    return np.asarray(call(variables, inputs), np.float64)[:rows]
