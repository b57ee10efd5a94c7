"""Threefry-2x32-20, the counter-based random function that derives all keys.

Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011). It uses only operators
that NumPy and JAX arrays share, on uint32 words, so that both give the same bits and JAX needs no 64-bit
mode. Words come in pairs, the high one first, as in `jax.random.key_data`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

# A NumPy or JAX array (traced or not); there is no common static type.
Array = Any


class Purpose(IntEnum):
    """The use of a stream besides the shuffle; a number never changes its meaning."""

    REPLACEMENT = 1
    STRATIFIED = 2
    BALANCED = 3
    WEIGHTED = 4
    GROUPS = 5


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_KEY_PARITY = np.uint32(0x1BD11BDA)
_WORD = 0xFFFFFFFF


def uint32_words(value: int) -> np.typing.NDArray[np.uint32]:
    """The two 32-bit words of a whole number below 2^64, the high one first.

    >>> uint32_words(2**32 + 7).tolist()
    [1, 7]
    """
    return np.array([(value >> 32) & _WORD, value & _WORD], dtype=np.uint32)


def threefry2x32(key: tuple[Array, Array], counter: tuple[Array, Array]) -> tuple[Array, Array]:
    """Two random words from two key words and two counter words: Threefry-2x32 with 20 rounds.

    All four are uint32 arrays of one or more dimensions (NumPy warns of the intended overflow for those
    without any) whose shapes broadcast.

    >>> zero = np.zeros(1, dtype=np.uint32)
    >>> [f"{word[0]:08x}" for word in threefry2x32((zero, zero), (zero, zero))]
    ['6b200159', '99ba4efe']
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _KEY_PARITY)
    x0 = counter[0] + schedule[0]
    x1 = counter[1] + schedule[1]
    for group in range(5):
        for distance in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(distance)) | (x1 >> np.uint32(32 - distance))
            x1 = x1 ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def stream_key(
    seed_words: Array, epoch_words: tuple[Array, Array], purpose: Purpose, samples: int
) -> tuple[Array, Array]:
    """The key of a stream for another purpose: seed keys epoch, then purpose and samples.

    The shuffle of n samples takes n itself (below 2^62) where this has a word with the highest bit set, so no
    stream is another's. `samples` is at most 2^32.
    """
    key = threefry2x32((seed_words[0:1], seed_words[1:2]), epoch_words)
    zero = epoch_words[1] ^ epoch_words[1]
    return threefry2x32(key, (zero ^ np.uint32(0x80000000 | int(purpose)), zero ^ np.uint32(samples & _WORD)))
