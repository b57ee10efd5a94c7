"""Which sample does each turn draw, where turns are independent of one another?

A turn's draw is a word of a Threefry stream, keyed by (seed, epoch) and counted by the position, so that any
turn can be asked for on its own. There is no inverse in closed form: `positions` looks through the epoch, a
chunk at a time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal
from epochal.plan.order import NOTHING, Int64s, Order
from epochal.plan.permutation import WhileLoop, python_while
from epochal.plan.threefry import Array, stream_key, threefry2x32, words

__all__ = ["MOST_DRAWN", "Replacement", "found_by_looking", "turns_of"]

MOST_DRAWN = 2**32
"""Samples among which a draw of 64 bits is as good as uniform: its bias is at most 2^-64 a sample."""

_CHUNK = 2**20
_REPLACEMENT = 1
"""The purpose of the stream."""


def turns_of(value: object, name: str) -> int | None:
    """A number of turns of an epoch, or None for the order's usual one."""
    if value is None:
        return None
    try:
        whole = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        whole = None
    if whole is None or not 1 <= whole < 2**62:
        raise Refusal(f"{name} must be a whole number of turns, at least 1; got {value!r}.")
    return whole


def found_by_looking(drawn: Callable[[Int64s], Int64s], turns: int, values: npt.ArrayLike) -> Int64s:
    """The positions of [0, turns) at which each of these samples is drawn, sample by sample."""
    wanted = np.array(values, np.int64, ndmin=1)
    found: list[list[Int64s]] = [[] for _ in wanted]
    for begin in range(0, turns, _CHUNK):
        here = drawn(np.arange(begin, min(turns, begin + _CHUNK), dtype=np.int64))
        for value, parts in zip(wanted, found, strict=True):
            parts.append(np.flatnonzero(here == value).astype(np.int64) + begin)
    return np.concatenate([part for parts in found for part in parts] or [np.zeros(0, np.int64)])


def _halves_product(a: Array, b: int) -> tuple[Array, Array]:
    """The high and the low word of a 32-bit word times a 32-bit number."""
    mask, half = np.uint32(0xFFFF), np.uint32(16)
    a0, a1 = a & mask, a >> half
    b0, b1 = np.uint32(b & 0xFFFF), np.uint32(b >> 16)
    low, one, other = a0 * b0, a0 * b1, a1 * b0
    middle = (low >> half) + (one & mask) + (other & mask)
    return a1 * b1 + (one >> half) + (other >> half) + (middle >> half), (low & mask) | (middle << half)


def _below(high: Array, low: Array, samples: int) -> Array:
    """floor(word * samples / 2^64) of a 64-bit word given in two halves, exactly; samples up to 2^32."""
    if samples == MOST_DRAWN:
        return high
    whole, rest = _halves_product(high, samples)
    carry, _ = _halves_product(low, samples)
    return whole + ((rest + carry) < rest)


@dataclass(frozen=True)
class Replacement(Order):
    """Each turn draws any of the samples, independently: some have several turns in an epoch, some none.

    The draw is the high part of a 64-bit word times the number of samples (Lemire 2019, without rejection),
    so each sample's probability is within 2^-64 of uniform.

    Args:
        length: turns of an epoch; as many as there are samples by default.

    >>> Replacement().samples(seed=0, epoch=0, samples=10, positions=range(10)).tolist()
    [2, 3, 9, 4, 9, 0, 9, 9, 2, 4]
    """

    length: int | None = None

    name: ClassVar[str] = "replacement"
    fixed: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", turns_of(self.length, "length of an epoch"))

    @property
    def words(self) -> str:
        """See `Order`."""
        return "each turn draws any sample, with replacement"

    @property
    def options(self) -> dict[str, Any]:
        """See `Order`."""
        return {} if self.length is None else {"length": self.length}

    def check(self, samples: int) -> None:
        """See `Order`."""
        if samples > MOST_DRAWN:
            raise Refusal(f'samples must be at most 2^32 with order "{self.name}"; got {samples}.')

    def turns(self, samples: int) -> int:
        """See `Order`."""
        return samples if self.length is None else self.length

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        at = np.array(positions, np.int64, ndmin=1)
        key = stream_key(words(seed), tuple(words(epoch)[:, None]), _REPLACEMENT, samples)
        high, low = threefry2x32(key, ((at >> 32).astype(np.uint32), at.astype(np.uint32)))
        found: Int64s = _below(high, low, samples).astype(np.int64)
        return found

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return found_by_looking(
            lambda at: self.samples(seed, epoch, samples, at), self.turns(samples), values
        )

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
        """See `Order`."""
        low = xp.reshape(xp.asarray(epoch, dtype=xp.uint32), (1,))
        key = stream_key(seed_words, (low ^ low, low), _REPLACEMENT, samples)
        at = xp.arange(self.turns(samples), dtype=xp.uint32)
        return _below(*threefry2x32(key, (at ^ at, at)), samples).astype(xp.int32)
