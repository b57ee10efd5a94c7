"""Law 1, Order: the permutation is a bijection with an inverse, the same bits by every way of asking."""

import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.errors import Refusal
from epochal.plan import ORDERS as NAMED
from epochal.plan.permutation import (
    derive_keys,
    feistel,
    feistel_inverse,
    form_of,
    inverse,
    permute,
    python_while,
    table,
)
from epochal.plan.threefry import uint32_words

ORDERS = {name: NAMED[name] for name in ("shuffle", "shuffle_once", "sequential")}
"""Those that come from one permutation; the others have tests of their own."""
POWERS = sorted({2**k + d for k in range(1, 21) for d in (-1, 0, 1)})
AROUND_WORDS = [1, 2, 3, 5, 200, 65_536, 65_537, 2**31 - 1, 2**32, 2**32 + 1, 10**10, 2**44, 2**44 + 1, 2**62]


def is_bijection(samples: np.ndarray, n: int) -> bool:
    return samples.shape == (n,) and bool((np.bincount(samples, minlength=n) == 1).all())


@pytest.mark.parametrize("start", range(1, 4097, 512))
def test_every_number_of_samples_up_to_4096(start):
    for n in range(start, start + 512):
        seed, epoch = n * 7919 % 2**64, n % 13
        whole = table(uint32_words(seed), epoch, n)
        assert is_bijection(whole, n), n
        if n < 512 or n % 8 == 1:
            np.testing.assert_array_equal(permute(seed, epoch, n, np.arange(n)), whole, str(n))
            np.testing.assert_array_equal(inverse(seed, epoch, n, whole), np.arange(n), str(n))


@pytest.mark.parametrize("n", [n for n in POWERS if n > 4096])
def test_powers_of_two_and_their_neighbors(n):
    whole = table(uint32_words(n), 3, n)
    assert is_bijection(whole, n)
    np.testing.assert_array_equal(permute(n, 3, n, np.arange(n)), whole)
    some = np.arange(0, n, max(1, n // 5000))
    np.testing.assert_array_equal(inverse(n, 3, n, whole[some]), some)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 62).flatmap(lambda k: st.integers(max(1, 2 ** (k - 1)), 2**k)),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_inverse_on_slices_up_to_2_to_the_62(n, seed, epoch, data):
    first = data.draw(st.integers(0, n - 1))
    positions = np.arange(first, min(n, first + 100), dtype=np.int64)
    samples = permute(seed, epoch, n, positions)
    assert samples.min() >= 0 and samples.max() < n
    assert len(set(samples.tolist())) == len(positions)
    np.testing.assert_array_equal(inverse(seed, epoch, n, samples), positions)
    np.testing.assert_array_equal(permute(seed, epoch, n, inverse(seed, epoch, n, positions)), positions)


@pytest.mark.parametrize("n", [10**10, 2**44 - 1, 2**44, 2**44 + 1, 2**62 - 1, 2**62])
def test_long_slices_of_large_sets(n):
    for first in (0, n // 3, n - 50_000):
        positions = np.arange(first, first + 50_000, dtype=np.int64)
        samples = permute(11, 5, n, positions)
        assert len(np.unique(samples)) == len(positions)
        np.testing.assert_array_equal(inverse(11, 5, n, samples), positions)


def test_the_network_and_its_inverse_are_bijections_of_all_halves():
    form = form_of(2000)
    keys = derive_keys(uint32_words(1), (np.zeros(1, np.uint32), np.zeros(1, np.uint32)), form)
    domain = np.arange(2**11, dtype=np.uint32)
    left, right = domain >> np.uint32(form.right), domain & form.right_mask
    there = feistel(keys, form, left, right)
    assert is_bijection((there[0] << np.uint32(form.right)) | there[1], 2**11)
    back = feistel_inverse(keys, form, *there)
    np.testing.assert_array_equal(np.stack(back), np.stack([left, right]))


def test_the_form_by_definition():
    for n in [*range(1, 300), 65_536, 65_537, 2**31, 2**49 - 1, 2**49, 2**49 + 1, 2**62]:
        form = form_of(n)
        assert 2 ** (form.left + form.right) >= n
        assert form.left <= form.right <= form.left + 1
        assert form.left + form.right == 2 or 2 ** (form.left + form.right - 1) < n
        assert form.rounds == (32 if n <= 8 else 24 if n <= 65_536 else 12)


# NumPy and JAX ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", AROUND_WORDS)
def test_the_jitted_network_equals_numpy(n):
    rng = np.random.default_rng(n % 2**32)
    positions = np.unique(np.concatenate([rng.integers(0, n, 60), [0, n - 1, n // 2]])).astype(np.int64)
    seed, epoch = 2**63 + 17, 2**33 + 5
    form = form_of(n)

    def network(seed_words, epoch_words, left, right):
        keys = derive_keys(seed_words, (epoch_words[:1], epoch_words[1:]), form)
        return feistel(keys, form, left, right, jax.lax.while_loop)

    halves = (positions >> form.right).astype(np.uint32), (positions & int(form.right_mask)).astype(np.uint32)
    image = jax.jit(network)(uint32_words(seed), uint32_words(epoch), *halves)
    assert {word.dtype for word in image} == {jnp.dtype("uint32")}
    keys = derive_keys(uint32_words(seed), tuple(uint32_words(epoch)[:, None]), form)
    np.testing.assert_array_equal(np.stack(feistel(keys, form, *halves)), np.stack(image))
    np.testing.assert_array_equal(inverse(seed, epoch, n, permute(seed, epoch, n, positions)), positions)


@pytest.mark.parametrize("name", list(ORDERS))
@pytest.mark.parametrize("n", [1, 2, 3, 7, 200, 256, 257, 1000, 65_537])
def test_table_under_jit_and_vmap_equals_numpy(name, n):
    order = ORDERS[name]
    seeds, epochs = [0, 1, 2**32, 2**64 - 1], [0, 1, 2**32 - 1]
    one = lambda seed, epoch: order.table(seed, epoch, n, jnp, jax.lax.while_loop)  # noqa: E731
    grid = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))
    found = grid(np.stack([uint32_words(seed) for seed in seeds]), np.array(epochs, np.uint32))
    assert found.shape == (4, 3, n)
    assert found.dtype == jnp.int32
    for i, seed in enumerate(seeds):
        for j, epoch in enumerate(epochs):
            expected = order.samples(seed, epoch, n, np.arange(n))
            np.testing.assert_array_equal(found[i, j], expected)
            np.testing.assert_array_equal(order.table(uint32_words(seed), epoch, n), expected)
            np.testing.assert_array_equal(order.positions(seed, epoch, n, expected), np.arange(n))


def test_table_takes_an_epoch_as_number_scalar_or_array():
    expected = permute(5, 6, 40, np.arange(40))
    for epoch in (6, np.array([6], np.uint32), jnp.int32(6)):
        found = table(jnp.asarray(uint32_words(5)), epoch, 40, jnp, jax.lax.while_loop)
        np.testing.assert_array_equal(found, expected)


# Keys ------------------------------------------------------------------------------------------------------


def test_seed_epoch_and_samples_each_change_the_order():
    n = 1000
    base = permute(1, 1, n, np.arange(n)).tolist()
    others = [(2, 0), (0, 2), (2**32 + 1, 1), (1, 2**32 + 1), (1, 0), (1, 2)]
    assert all(permute(seed, epoch, n, np.arange(n)).tolist() != base for seed, epoch in others)
    assert permute(1, 1, n + 1, np.arange(n)).tolist() != base


def test_the_epochs_of_a_fixed_order_are_equal():
    for name, order in ORDERS.items():
        tables = [order.table(uint32_words(3), epoch, 50).tolist() for epoch in range(3)]
        assert order.fixed == (tables[0] == tables[1] == tables[2]), name


# Small things ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[-1], [10], [0, 10**12], [-(2**40), 3]])
def test_positions_out_of_range_are_refused(bad):
    with pytest.raises(Refusal, match="positions must be between 0 and 9; got"):
        permute(0, 0, 10, bad)
    with pytest.raises(Refusal, match="samples must be between 0 and 9; got"):
        inverse(0, 0, 10, bad)


def test_no_positions_no_samples():
    assert permute(0, 0, 10, []).shape == (0,)


def test_python_while_is_while_loop():
    collatz = lambda state: (jnp.where(state[0] % 2, 3 * state[0] + 1, state[0] // 2), state[1] + 1)  # noqa: E731
    going = lambda state: state[0] != 1  # noqa: E731
    start = (jnp.int32(27), jnp.int32(0))
    assert python_while(going, collatz, start) == jax.lax.while_loop(going, collatz, start) == (1, 111)


def test_the_plan_does_not_import_jax():
    code = "import epochal.plan, sys; print(epochal.plan.Plan(200, 5, 2)); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_memory_does_not_grow_with_the_samples():
    import tracemalloc

    permute(0, 0, 10**12, np.arange(10))
    peaks = []
    for n in (10**4, 10**12):
        tracemalloc.start()
        permute(0, 1, n, np.arange(4096))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 2**20
    assert math.isclose(*peaks, rel_tol=0.5)
