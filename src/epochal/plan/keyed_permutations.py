"""Families of keyed permutations: many small sets permuted at once, each by its own key.

An order of classes, batches and slots needs a permutation of each class, of the batches, and of the slots of
each batch. Each is a member of one family, and permutes [0, n) by the Feistel network of `permutation`; all
members go through it at once, and differ by two words mixed into the round keys, drawn by Threefry for
(member, epoch). 24 rounds for all sizes; one more key bit of a member swaps its images 0 and 1 (its parity).

A member of n samples is computed on a domain of 2^bits numbers, the smallest power of two that holds them. A
table lays the domains of all members end to end, and keeps of each where it begins (`base`), `bits`, and the
last number in its set, n - 1 (`last`). An all-zero member or element is padding and is never read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from epochal.plan.order import Arrays, Backend, OrderArrays
from epochal.plan.permutation import Int64s, WhileLoop, mix, python_while
from epochal.plan.threefry import Array, Purpose, stream_key, threefry2x32

ROUNDS, FEW_ROUNDS = 24, 8
"""For samples and batches; for the slots of a batch, whose order does not change the gradient."""
_PAIRS = 2
"""Pairs of rounds per iteration of a compiled loop, so that they fuse."""
Uint32s = np.ndarray[tuple[Any, ...], np.dtype[np.uint32]]


class RoundKeys(NamedTuple):
    """Keys shared by all members of a family: of the stream, and of even and odd rounds."""

    stream: tuple[Array, Array]
    even: Array
    """The last word is for the parities."""
    odd: Array


def round_keys(seed_words: Array, purpose: Purpose, samples: int) -> RoundKeys:
    """The round keys of a seed; `seed_words` is a uint32 array (2,)."""
    zero = seed_words[0:1] ^ seed_words[0:1]
    stream = stream_key(seed_words, (zero, zero), purpose, samples)
    block = np.arange(ROUNDS // 2 + 1, dtype=np.uint32)
    return RoundKeys(stream, *threefry2x32(stream, (block ^ block, block)))


def member_words(keys: RoundKeys, number: Array, epoch: Array) -> tuple[Array, Array]:
    """The two words that identify a member: `number` below 2^32 - 1, and its epoch (or pass).

    Both are uint32 arrays of one shape.
    """
    return threefry2x32(keys.stream, (number + np.uint32(1), epoch))


def _halves(bits: Array) -> tuple[Array, Array, Array]:
    """The bits of a right half, and the masks of the left and the right one."""
    one = np.uint32(1)
    right = (bits + one) >> one
    return right, (one << (bits - right)) - one, (one << right) - one


def _rounds(
    keys: RoundKeys,
    own: tuple[Array, Array],
    bits: Array,
    values: Array,
    rounds: int,
    while_loop: WhileLoop = python_while,
) -> Array:
    right, left_mask, right_mask = _halves(bits)

    def some_rounds(state: Any) -> Any:
        pair, a, b = state
        for k in range(_PAIRS):
            a = a ^ (mix(b ^ keys.even[pair + k] ^ own[0]) & left_mask)
            b = b ^ (mix(a ^ keys.odd[pair + k] ^ own[1]) & right_mask)
        return pair + _PAIRS, a, b

    state = (0, values >> right, values & right_mask)
    _, a, b = while_loop(lambda state: state[0] < rounds // 2, some_rounds, state)
    return (a << right) | b


def _rounds_back(keys: RoundKeys, own: tuple[Array, Array], bits: Array, values: Array, rounds: int) -> Array:
    right, left_mask, right_mask = _halves(bits)
    a, b = values >> right, values & right_mask
    for pair in reversed(range(rounds // 2)):
        b = b ^ (mix(a ^ keys.odd[pair] ^ own[1]) & right_mask)
        a = a ^ (mix(b ^ keys.even[pair] ^ own[0]) & left_mask)
    return (a << right) | b


def _swapped(keys: RoundKeys, own: tuple[Array, Array], last: Array, values: Array) -> Array:
    """The values, with 0 and 1 swapped where the member's parity is set."""
    parity = mix(own[0] ^ keys.even[ROUNDS // 2]) & np.uint32(1)
    return values ^ (parity * ((values < np.uint32(2)) & (last > np.uint32(0))))


def bits_of(sizes: Int64s) -> Int64s:
    """The bits of the domain of sets of these sizes, at least 2, by integer arithmetic."""
    bits = np.full(sizes.shape, 2, np.int64)
    for more in range(2, 32):
        bits += sizes > (1 << more)
    return bits


class Permutations(NamedTuple):
    """Single members: random access in NumPy. All arrays broadcast to one shape."""

    keys: RoundKeys
    own: tuple[Uint32s, Uint32s]
    last: Uint32s
    bits: Uint32s
    rounds: int

    @classmethod
    def of(
        cls,
        keys: RoundKeys,
        number: np.typing.ArrayLike,
        epoch: np.typing.ArrayLike,
        sizes: np.typing.ArrayLike,
        rounds: int = ROUNDS,
    ) -> Permutations:
        """The members with these numbers in these epochs (or passes), of these sizes."""
        number_, epoch_, sizes_ = np.broadcast_arrays(
            np.atleast_1d(np.asarray(number, np.int64)),
            np.atleast_1d(np.asarray(epoch, np.int64)),
            np.atleast_1d(np.asarray(sizes, np.int64)),
        )
        own = member_words(keys, number_.astype(np.uint32), epoch_.astype(np.uint32))
        return cls(keys, own, (sizes_ - 1).astype(np.uint32), bits_of(sizes_).astype(np.uint32), rounds)

    def permute(self, values: np.typing.ArrayLike) -> Int64s:
        """The images of these values, one for each member."""
        found = self._walked(_rounds, np.asarray(values).astype(np.uint32))
        return _swapped(self.keys, self.own, self.last, found).astype(np.int64)

    def inverse(self, images: np.typing.ArrayLike) -> Int64s:
        """The inverse of `permute`."""
        swapped = _swapped(self.keys, self.own, self.last, np.asarray(images).astype(np.uint32))
        return self._walked(_rounds_back, swapped).astype(np.int64)

    def _walked(self, rounds: Any, values: Uint32s) -> Uint32s:
        found: Uint32s = rounds(self.keys, self.own, self.bits, values, self.rounds)
        astray = np.flatnonzero(found > self.last)
        while astray.size:
            own = (self.own[0][astray], self.own[1][astray])
            found[astray] = rounds(self.keys, own, self.bits[astray], found[astray], self.rounds)
            astray = astray[found[astray] > self.last[astray]]
        return found


def tables(sizes: Int64s) -> tuple[Arrays, Int64s]:
    """The tables of a family for sets of these sizes, and the first element of each member."""
    bits = bits_of(sizes)
    lengths = 1 << bits
    base = np.cumsum(lengths) - lengths
    member = np.repeat(np.arange(len(sizes)), lengths)
    arrays: Arrays = {
        "member": member.astype(np.int32),
        "local": (np.arange(int(lengths.sum())) - base[member]).astype(np.uint32),
        "last": (sizes - 1).astype(np.uint32),
        "bits": bits.astype(np.uint32),
        "base": base.astype(np.uint32),
    }
    return arrays, base


def table(keys: RoundKeys, own: tuple[Array, Array], arrays: OrderArrays, on: Backend) -> Array:
    """The images of all elements, as elements (base plus image), uint32; `own` has two words a member.

    Traceable under `jax.jit`; `arrays` are those of `tables`, possibly padded with zeros.
    """
    member, take = arrays["member"], on.xp.take
    own = (take(own[0], member, mode="clip"), take(own[1], member, mode="clip"))
    bits, last, base = (take(arrays[name], member, mode="clip") for name in ("bits", "last", "base"))
    return _images(keys, own, bits, last, base, arrays["local"], ROUNDS, on)


def rows(keys: RoundKeys, own: tuple[Array, Array], size: int, on: Backend) -> Array:
    """Images in members of one size, int32 (members, size), in few rounds; `own` has two words a member."""
    xp = on.xp
    bits = max(2, (size - 1).bit_length())
    count, width = len(own[0]), 1 << bits
    element = xp.arange(count * width, dtype=xp.uint32)
    local = element & np.uint32(width - 1)
    own = (xp.repeat(own[0], width), xp.repeat(own[1], width))
    base, last = element ^ local, np.uint32(size - 1)
    width_bits = np.full(1, bits, np.uint32)
    images = _images(keys, own, width_bits, last, base, local, FEW_ROUNDS, on)
    return ((images ^ base).reshape(count, width)[:, :size]).astype(xp.int32)


def _images(
    keys: RoundKeys,
    own: tuple[Array, Array],
    bits: Array,
    last: Array,
    base: Array,
    local: Array,
    rounds: int,
    on: Backend,
) -> Array:
    xp = on.xp
    images = _rounds(keys, own, bits, local, rounds, on.while_loop)
    inside = local <= last  # other elements may never enter the set
    images = on.while_loop(
        lambda images: (inside & (images > last)).any(),
        lambda images: xp.where(images > last, xp.take(images, base + images, mode="clip"), images),
        images,
    )
    return _swapped(keys, own, last, images) + base
