"""The keyed permutation behind the shuffle: position to sample, and back.

A bijection of [0, n), keyed by (seed, epoch), for n from 1 to 2^62, without a table: any position and any
sample can be computed on its own, in constant memory. It is an alternating Feistel network with cycle-walking
on uint32 words, one code for NumPy and JAX, the same bits on both:

- the 64-bit seed keys the 64-bit epoch (Threefry), the result keys n, and the round keys are successive
  words of the stream under that key, so no two (seed, epoch, n) share a sum;
- a number below 2^bits is a left half of `left` bits and a right half of `right` bits; even rounds change
  the left half, odd ones the right, by the finalizer lowbias32 (C. Wellons) of the other half and a key;
- a value that is not below n goes through the network again until it is;
- every round is an even permutation once both halves have two bits, so one more key bit says whether the
  images 0 and 1 change places.

24 rounds up to n = 65,536 and 12 above: with fewer, small n fail chi-square over all n! permutations
(Mitchell et al. 2021, arXiv 2106.06161, arrive at 24 too). Up to n = 8 it is 32, because there millions of
draws still distinguish 24 from uniform. The design is a statistical one, not a cryptographic one.
`ALGORITHM` names it; the bits under that name never change.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from epochal.errors import Refusal
from epochal.plan.threefry import Array, threefry2x32, uint32_words

ALGORITHM = "epochal-feistel-1"
MAX_SAMPLES = 2**62

Int64s = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]
WhileLoop = Callable[[Callable[[Any], Any], Callable[[Any], Any], Any], Any]


def python_while(condition: Callable[[Any], Any], body: Callable[[Any], Any], state: Any) -> Any:
    """`jax.lax.while_loop` in plain Python.

    >>> python_while(lambda count: count < 5, lambda count: count + 2, 0)
    6
    """
    while condition(state):
        state = body(state)
    return state


class Form(NamedTuple):
    """The division of [0, samples) into two halves; independent of any key."""

    samples: int
    left: int  # bits
    right: int  # bits
    rounds: int  # even

    @property
    def left_mask(self) -> np.uint32:
        """The bits of a left half."""
        return np.uint32((1 << self.left) - 1)

    @property
    def right_mask(self) -> np.uint32:
        """The bits of a right half."""
        return np.uint32((1 << self.right) - 1)

    @property
    def fills(self) -> bool:
        """Whether every pair of halves is a sample, so that no cycle-walking is needed."""
        return self.samples == 1 << (self.left + self.right)

    def outside(self, left: Array, right: Array) -> Array:
        """Where the number of the halves is not below `samples`."""
        limit = np.uint32(self.samples >> self.right)
        rest = np.uint32(self.samples & int(self.right_mask))
        return (left > limit) | ((left == limit) & (right >= rest))


class Keys(NamedTuple):
    """The keys of the even rounds (and, as their last word, the parity) and of the odd rounds."""

    even: Array
    odd: Array


def form_of(samples: int) -> Form:
    """The halves and the rounds for a number of samples, by integer arithmetic.

    >>> form_of(200)
    Form(samples=200, left=4, right=4, rounds=24)
    >>> form_of(2**17 + 1)
    Form(samples=131073, left=9, right=9, rounds=12)
    """
    bits = max(2, (samples - 1).bit_length())
    right = (bits + 1) // 2
    rounds = 32 if samples <= 8 else 24 if samples <= 65_536 else 12
    return Form(samples, bits - right, right, rounds)


def derive_keys(seed_words: Array, epoch_words: tuple[Array, Array], form: Form) -> Keys:
    """The round keys of one epoch: seed keys epoch, the result keys n, its stream gives the words.

    `seed_words` is a uint32 array (2,); the epoch's two words are uint32 arrays (1,).
    """
    key = threefry2x32((seed_words[0:1], seed_words[1:2]), epoch_words)
    high, low = uint32_words(form.samples)[:, None]
    zero = epoch_words[1] ^ epoch_words[1]
    key = threefry2x32(key, (zero ^ high, zero ^ low))
    block = np.arange(form.rounds // 2 + 1, dtype=np.uint32)
    return Keys(*threefry2x32(key, (block ^ block, block)))


def mix(x: Array) -> Array:
    """The finalizer lowbias32 of uint32 words."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def feistel(
    keys: Keys, form: Form, left: Array, right: Array, while_loop: WhileLoop = python_while
) -> tuple[Array, Array]:
    """All rounds, forward: a bijection of the pairs of halves."""

    def two_rounds(state: Any) -> Any:
        pair, left, right = state
        left = left ^ (mix(right ^ keys.even[pair]) & form.left_mask)
        right = right ^ (mix(left ^ keys.odd[pair]) & form.right_mask)
        return pair + 1, left, right

    _, left, right = while_loop(lambda state: state[0] < form.rounds // 2, two_rounds, (0, left, right))
    return left, right


def feistel_inverse(keys: Keys, form: Form, left: Array, right: Array) -> tuple[Array, Array]:
    """All rounds, backward."""
    for pair in reversed(range(form.rounds // 2)):
        right = right ^ (mix(left ^ keys.odd[pair]) & form.right_mask)
        left = left ^ (mix(right ^ keys.even[pair]) & form.left_mask)
    return left, right


def _swap(keys: Keys, form: Form, low: Array) -> Array:
    """The word that, XORed, swaps 0 and 1 if the parity is set."""
    if form.samples == 1:
        return low ^ low
    pair = form.rounds // 2
    return (low ^ low) ^ (keys.even[pair : pair + 1] & np.uint32(1))


# Random access ---------------------------------------------------------------------------------------------


def _numpy_keys(seed: int, epoch: int, form: Form) -> Keys:
    high, low = uint32_words(epoch)[:, None]
    return derive_keys(uint32_words(seed), (high, low), form)


def _walk(step: Callable[[Array, Array], tuple[Array, Array]], form: Form, values: Int64s) -> Int64s:
    left, right = step(
        (values >> form.right).astype(np.uint32), (values & int(form.right_mask)).astype(np.uint32)
    )
    astray = np.flatnonzero(form.outside(left, right))
    while astray.size:
        left[astray], right[astray] = step(left[astray], right[astray])
        astray = astray[form.outside(left[astray], right[astray])]
    return (left.astype(np.int64) << form.right) | right.astype(np.int64)


def _checked(name: str, samples: int, values: np.typing.ArrayLike) -> Int64s:
    if not 1 <= samples <= MAX_SAMPLES:
        raise Refusal(f"samples must be between 1 and 2^62; got {samples}.")
    array = np.atleast_1d(np.asarray(values, dtype=np.int64))
    lowest, highest = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if lowest < 0 or highest >= samples:
        worst = lowest if lowest < 0 else highest
        raise Refusal(f"{name} must be between 0 and {samples - 1}; got {worst}.")
    return array


def permute(seed: int, epoch: int, samples: int, positions: np.typing.ArrayLike) -> Int64s:
    """The samples at these positions of the shuffled epoch, in memory proportional to the positions.

    >>> permute(seed=0, epoch=0, samples=10, positions=range(10)).tolist()
    [4, 8, 7, 0, 1, 6, 9, 2, 3, 5]
    >>> permute(seed=0, epoch=0, samples=10**18, positions=[0, 10**18 - 1]).tolist()
    [250196443718477809, 578432803260779274]
    """
    array = _checked("positions", samples, positions)
    form = form_of(samples)
    keys = _numpy_keys(seed, epoch, form)
    images = _walk(lambda left, right: feistel(keys, form, left, right), form, array)
    return np.where(images < 2, images ^ _swap(keys, form, np.zeros(1, np.uint32)), images)


def inverse(seed: int, epoch: int, samples: int, values: np.typing.ArrayLike) -> Int64s:
    """The positions at which these samples come: the inverse of `permute`.

    >>> inverse(0, 0, 10, permute(0, 0, 10, [3, 1, 4])).tolist()
    [3, 1, 4]
    """
    array = _checked("samples", samples, values)
    form = form_of(samples)
    keys = _numpy_keys(seed, epoch, form)
    images = np.where(array < 2, array ^ _swap(keys, form, np.zeros(1, np.uint32)), array)
    return _walk(lambda left, right: feistel_inverse(keys, form, left, right), form, images)


# A whole epoch at once -------------------------------------------------------------------------------------


def table(
    seed_words: Array, epoch: Array, samples: int, xp: ModuleType = np, while_loop: WhileLoop = python_while
) -> Array:
    """All samples of the epoch in order, int32 (samples,), for fewer than 2^31 of them.

    The network runs over its whole domain once; cycle-walking is then a look-up in the images, and each
    pass doubles the length of all walks: `images = where(images < n, images, images[images])`.
    Traceable under `jax.jit` and `jax.vmap` with `xp=jax.numpy, while_loop=jax.lax.while_loop`:
    `seed_words` is a uint32 array (2,), `epoch` a uint32 scalar or array (1,), `samples` static.

    >>> table(uint32_words(0), 0, 10).tolist()
    [4, 8, 7, 0, 1, 6, 9, 2, 3, 5]
    """
    form = form_of(samples)
    limit = np.uint32(samples)
    low = xp.reshape(xp.asarray(epoch, dtype=xp.uint32), (1,))
    keys = derive_keys(seed_words, (low ^ low, low), form)
    domain = xp.arange(1 << (form.left + form.right), dtype=xp.uint32)
    left, right = feistel(keys, form, domain >> np.uint32(form.right), domain & form.right_mask, while_loop)
    images = (left << np.uint32(form.right)) | right
    if not form.fills:
        images = while_loop(
            lambda images: (images[:samples] >= limit).any(),
            lambda images: xp.where(images < limit, images, xp.take(images, images, mode="clip")),
            images,
        )[:samples]
    return xp.where(images < 2, images ^ _swap(keys, form, images), images).astype(xp.int32)
