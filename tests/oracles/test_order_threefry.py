"""Oracle: the known-answer vectors that Random123 publishes for threefry2x32 with 20 rounds (kat_vectors)."""

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from epochal.plan.threefry import threefry2x32, uint32_words

# counter, key, expected
VECTORS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_known_answers(xp, counter, key, expected):
    pair = lambda values: tuple(xp.asarray([value], dtype=xp.uint32) for value in values)  # noqa: E731
    found = threefry2x32(pair(key), pair(counter))
    assert tuple(int(word[0]) for word in found) == expected


def test_all_vectors_at_once_and_under_jit():
    counters, keys, expected = (np.array(column, dtype=np.uint32).T for column in zip(*VECTORS, strict=True))
    for function in (threefry2x32, jax.jit(threefry2x32)):
        found = function((keys[0], keys[1]), (counters[0], counters[1]))
        np.testing.assert_array_equal(np.stack(found), expected)


def test_same_words_as_jax_random():
    """JAX's own Threefry, reached through a key's data: another implementation of the same function."""
    block = np.arange(8, dtype=np.uint32)
    key = uint32_words(2**40 + 12345)
    ours = threefry2x32((key[:1], key[1:]), (block, block + np.uint32(8)))
    theirs = jax.extend.random.threefry_2x32(jnp.asarray(key), jnp.arange(16, dtype=jnp.uint32))
    np.testing.assert_array_equal(np.concatenate(ours), theirs)


@pytest.mark.parametrize("value", [0, 1, 2**32 - 1, 2**32, 2**64 - 1])
def test_words_come_high_first(value):
    high, low = uint32_words(value).tolist()
    assert (high << 32) | low == value
