"""Outputs of networks for any number of samples, computed block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.engine.evaluate import EVALUATION_ROWS

LEAST_ROWS = 16
"""Smallest padded block; larger ones are padded to a power of two."""

_BLOCK_BYTES = 1 << 26


def block_rows(model: Any, sample_bytes: int) -> int:
    """Rows per block: those of an evaluation, or more of them up to 64 MiB.

    A stateful model takes all rows at once.
    """
    rows = int(getattr(model, "evaluation_rows", EVALUATION_ROWS))
    while 2 * rows <= EVALUATION_ROWS and 2 * rows * sample_bytes <= _BLOCK_BYTES:
        rows *= 2
    return rows


def blocks(samples: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Samples in blocks.

    >>> [block.tolist() for block in blocks(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    for start in range(0, len(samples), most):
        yield samples[start : start + most]


def padded_call(
    call: Callable[[Any, Any], Any], variables: Any, inputs: NDArray[Any], most: int
) -> NDArray[np.float64]:
    """The outputs of a compiled function for rows, padded so that few sizes are compiled.

    The padding repeats the last row, and its outputs are dropped.
    """
    rows = len(inputs)
    size = min(most, max(LEAST_ROWS, 1 << (rows - 1).bit_length()))
    if size > rows:
        inputs = np.concatenate([inputs, np.repeat(inputs[-1:], size - rows, axis=0)])
    return np.asarray(call(variables, inputs), np.float64)[:rows]
