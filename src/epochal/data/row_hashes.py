"""Hashes of rows, to find equal ones without pairwise comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
_BLOCK_BYTES = 1 << 19


def row_hashes(*arrays: NDArray[Any]) -> Words:
    """64-bit hashes `(n,)` of the joint rows of arrays `(n, ...)`, the same in every process.

    Rows are equal if their bits are, except that 0 equals -0, and NaN equals NaN. Rows that
    differ have the same hash with a probability of about 2^-63: two independent sums of products of pairs
    of words (NH; Black et al. 1999, UMAC, section 4.1), of 32 bits each.

    >>> rows = np.array([[1, 0.0], [2, 0], [1, -0.0]], np.float32)
    >>> first, second, third = row_hashes(rows)
    >>> bool(first == third), bool(first == second)
    (True, False)
    """
    found = np.zeros(len(arrays[0]), np.uint64)
    for place, array in enumerate(arrays):
        flat = array.reshape(len(array), -1)
        width = -(-flat.shape[1] * flat.itemsize // 8)
        # The raw stream of PCG64 is the same in every version of NumPy.
        keys = np.random.PCG64(place).random_raw(2 * width + 1).view(np.uint32)
        once, again, odd = (
            keys[: 2 * width],
            keys[2 * width : 4 * width],
            keys[4 * width :].view(np.uint64) | 1,
        )
        rows = max(1, _BLOCK_BYTES // max(1, 8 * width))
        for start in range(0, len(flat), rows):
            words = _words(flat[start : start + rows])
            one, two = _sums(words, once), _sums(words, again)
            found[start : start + rows] += _mixed(one + _mixed(two)) * odd
    return found


def _words(block: NDArray[Any]) -> NDArray[np.uint32]:
    """The bits of rows as an even number of 32-bit words each."""
    if block.dtype.kind == "f":
        block = block + np.zeros((), block.dtype)  # -0 becomes 0
        block[np.isnan(block)] = np.nan
    raw = np.ascontiguousarray(block).view(np.uint8)
    left = -raw.shape[1] % 8
    if left:
        raw = np.pad(raw, ((0, 0), (0, left)))
    return raw.view(np.uint32)


def _sums(words: NDArray[np.uint32], keys: NDArray[np.uint32]) -> Words:
    keyed = words + keys
    return np.einsum("ij,ij->i", keyed[:, ::2], keyed[:, 1::2], dtype=np.uint64, casting="unsafe")


def _mixed(values: Words) -> Words:
    """Each bit of a word spread over all of them (the finalizer of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
