"""Orders that draw with replacement: uniform and weighted.

Each draw is a word of a Threefry stream, keyed by (seed, epoch) and counted by the position, so any position
can be computed on its own. There is no closed-form inverse: `positions` searches the epoch, a chunk at a
time.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan.order import Arrays, Backend, BuiltInOrder, OrderArrays, PerSample
from epochal.plan.permutation import Int64s
from epochal.plan.sample_values import SampleValues, missing_in
from epochal.plan.sizes import as_integer
from epochal.plan.threefry import Array, Purpose, stream_key, threefry2x32, uint32_words

MAX_DRAWN = 2**32
"""Up to so many samples a 64-bit draw has a bias of at most 2^-64 per sample."""

_CHUNK = 2**20


def length_of(length: object) -> int | None:
    """The length of an epoch, or None for the default."""
    number = as_integer(length)
    if length is not None and (number is None or not 1 <= number < 2**62):
        raise Refusal(f"length of an epoch must be a whole number of draws, at least 1; got {length!r}.")
    return number


class _Draws(BuiltInOrder):
    """Draws of samples, each on its own, `length` of them in an epoch: base of both orders."""

    fixed: ClassVar[bool] = False
    once: ClassVar[bool] = False
    _purpose: ClassVar[Purpose]

    length: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", length_of(self.length))

    @property
    def options(self) -> dict[str, Any]:
        return {} if self.length is None else {"length": self.length}

    def positions_per_epoch(self, samples: int) -> int:
        return samples if self.length is None else self.length

    @abstractmethod
    def _drawn(self, high: Array, low: Array, samples: int) -> Int64s:
        """The samples that these words of the stream mean."""

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        at = np.array(positions, np.int64, ndmin=1)
        key = stream_key(uint32_words(seed), tuple(uint32_words(epoch)[:, None]), self._purpose, count)
        drawn = threefry2x32(key, ((at >> 32).astype(np.uint32), at.astype(np.uint32)))
        return self._drawn(*drawn, count)

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        wanted, length = np.array(values, np.int64, ndmin=1), self.positions_per_epoch(count)
        found: list[list[Int64s]] = [[] for _ in wanted]
        for begin in range(0, length, _CHUNK):
            here = self.samples(seed, epoch, count, np.arange(begin, min(length, begin + _CHUNK)))
            for value, chunks in zip(wanted, found, strict=True):
                chunks.append(np.flatnonzero(here == value).astype(np.int64) + begin)
        return np.concatenate([chunk for chunks in found for chunk in chunks] or [np.zeros(0, np.int64)])

    def _stream(self, seed_words: Array, epoch: Array, samples: int, on: Backend) -> tuple[Array, Array]:
        key = stream_key(seed_words, (epoch ^ epoch, epoch), self._purpose, samples)
        at = on.xp.arange(self.positions_per_epoch(samples), dtype=on.xp.uint32)
        return threefry2x32(key, (at ^ at, at))


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
    if samples == MAX_DRAWN:
        return high
    whole, rest = _halves_product(high, samples)
    carry, _ = _halves_product(low, samples)
    return whole + ((rest + carry) < rest)


@dataclass(frozen=True)
class Replacement(_Draws):
    """Uniform draws with replacement: in an epoch some samples are used repeatedly, some not at all.

    The draw is the high part of a 64-bit word times the number of samples (Lemire 2019, without rejection),
    so each sample's probability is within 2^-64 of uniform.

    Args:
        length: draws of an epoch, the number of samples by default.

    >>> Replacement().samples(seed=0, epoch=0, count=10, positions=range(10)).tolist()
    [2, 3, 9, 4, 9, 0, 9, 9, 2, 4]
    """

    length: int | None = None

    name: ClassVar[str] = "replacement"
    description: ClassVar[str] = "each position draws any sample, with replacement"
    _purpose: ClassVar[Purpose] = Purpose.REPLACEMENT

    def check(self, samples: int) -> None:
        if samples > MAX_DRAWN:
            raise Refusal(f'samples must be at most 2^32 with order "{self.name}"; got {samples}.')

    def _drawn(self, high: Array, low: Array, samples: int) -> Int64s:
        return _below(high, low, samples).astype(np.int64)

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        return _below(*self._stream(seed_words, epoch, count, on), count).astype(on.xp.int32)


TOTAL = 2**62
"""The sum of the whole-number weights."""


def whole_weights(weights: np.typing.NDArray[np.float64]) -> Int64s:
    """Whole numbers in proportion to the weights that add up to 2^62.

    Each is floor(2^62 weight / sum) in 64-bit floats, so within 2^-52 of its share; what is missing in the
    sum is added to the first of the heaviest samples. A positive weight of less than 2^-62 of the sum becomes
    0.

    >>> whole_weights(np.array([1.0, 3.0])).tolist() == [2**60, 3 * 2**60]
    True
    """
    scaled = weights / weights.max()
    found: Int64s = np.floor(scaled * (TOTAL / math.fsum(scaled.tolist()))).astype(np.int64)
    found[np.argmax(scaled)] += TOTAL - sum(found.tolist())
    return found


def at_most(words_: tuple[Array, ...], columns: tuple[Array, ...], count: int, on: Backend) -> Array:
    """How many of `count` ascending numbers are at most each of these, int32: a binary search.

    Both are given in uint32 words, the high one first.
    """
    xp = on.xp

    def next_bit(state: Any) -> Any:
        bit, found = state
        next_ = found + bit
        at = xp.minimum(next_, np.int32(count)) - np.int32(1)
        lower, equal = at < 0, at >= 0
        for word, column in zip(words_, columns, strict=True):
            here = xp.take(column, at, mode="clip")
            lower, equal = lower | (equal & (here < word)), equal & (here == word)
        return bit >> 1, xp.where((next_ <= count) & (lower | equal), next_, found)

    state = (xp.asarray(1 << (count.bit_length() - 1), dtype=xp.int32), xp.zeros(words_[0].shape, xp.int32))
    return on.while_loop(lambda state: state[0] > 0, next_bit, state)[1]


@dataclass(frozen=True)
class Weighted(_Draws, PerSample):
    """Weighted draws with replacement: probabilities are proportional to the weights.

    The weights become whole numbers that add up to 2^62, end to end; a draw is a 62-bit word of the stream,
    and the sample is the one in whose interval it lies. The only bias is the rounding of weights to
    2^-62 of their sum. A training with this order does not also weight its losses.

    Args:
        weights: of each sample, not negative and finite.
        length: draws of an epoch, the number of samples by default.

    >>> Weighted([0.0, 1.0, 3.0]).samples(seed=0, epoch=0, count=3, positions=range(8)).tolist()
    [1, 1, 2, 2, 2, 2, 1, 2]
    """

    weights: np.typing.ArrayLike | SampleValues | None = None
    length: int | None = None

    name: ClassVar[str] = "weighted"
    description: ClassVar[str] = "each position draws a sample in proportion to its weight, with replacement"
    needs: ClassVar[str] = "weights"
    _purpose: ClassVar[Purpose] = Purpose.WEIGHTED
    _field, _value = "weights", "weight"
    _remedy: ClassVar[str] = "the weight of each sample: Weighted(weights)"

    def __post_init__(self) -> None:
        _Draws.__post_init__(self)
        PerSample.__post_init__(self)

    def check(self, samples: int) -> None:
        super().check(samples)
        if not self._values.any():
            raise Refusal(f"the weights of the {samples:,} samples must not all be 0. Use other weights.")

    @cached_property
    def _ends(self) -> Int64s:
        return np.cumsum(whole_weights(self._values))

    def _drawn(self, high: Array, low: Array, samples: int) -> Int64s:
        drawn = (high.astype(np.int64) >> 2 << 32) | low
        return np.searchsorted(self._ends, drawn, side="right").astype(np.int64)

    @property
    def arrays(self) -> Arrays:
        return {"high": (self._ends >> 32).astype(np.uint32), "low": self._ends.astype(np.uint32)}

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        high, low = self._stream(seed_words, epoch, count, on)
        return at_most((high >> np.uint32(2), low), (arrays["high"], arrays["low"]), count, on)

    @staticmethod
    def _read(values: np.typing.ArrayLike) -> np.typing.NDArray[np.float64]:
        try:
            weights = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise Refusal(f"weights must be numbers, one for each sample; {error}.") from error
        if weights.ndim != 1 or not len(weights):
            raise Refusal(
                f"weights must be one number for each sample; got an array of shape {weights.shape}."
            )
        wrong = missing_in(weights) | ~np.isfinite(weights) | (weights < 0)
        if wrong.any():
            where = int(np.argmax(wrong))
            raise Refusal(
                f"weights must be at least 0 and finite; got {weights[where]:g} for sample {where}. "
                "Mend it, or leave the sample out."
            )
        return weights
