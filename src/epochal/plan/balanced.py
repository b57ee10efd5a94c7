"""Balanced order: every class, and every sample of a class, is used equally often."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan import keyed_permutations as keyed
from epochal.plan.classwise import CLASSES, Classwise, numbers_of
from epochal.plan.draws import length_of
from epochal.plan.keyed_permutations import Permutations, RoundKeys
from epochal.plan.order import Arrays, Backend, OrderArrays
from epochal.plan.permutation import Int64s, WhileLoop
from epochal.plan.threefry import Array, Purpose


@dataclass(frozen=True)
class Balanced(Classwise):
    """Every class is used equally often in an epoch, so samples of rare classes are used repeatedly.

    Each class is used in passes, each a new random order, continued across epochs: no sample of a class is
    used again before all others of it. Batches hold the classes as evenly as whole numbers allow.

    Args:
        labels: the class of each sample (names or whole numbers).
        length: positions of an epoch, a multiple of the number of classes; by default as many per class as
            the largest class has samples.

    >>> order = Balanced([0, 0, 0, 0, 1, 1]).within(((2, 4),))
    >>> order.samples(seed=0, epoch=0, count=6, positions=range(8)).reshape(2, 4).tolist()
    [[1, 4, 5, 2], [3, 4, 5, 0]]
    """

    length: int | None = None

    name: ClassVar[str] = "balanced"
    description: ClassVar[str] = "every class equally often, rare ones again and again, in random passes"
    once: ClassVar[bool] = False
    _purpose: ClassVar[Purpose] = Purpose.BALANCED
    _remedy: ClassVar[str] = "the class of each sample: Balanced(labels)"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "length", length_of(self.length))

    @property
    def options(self) -> dict[str, Any]:
        return {} if self.length is None else {"length": self.length}

    def check(self, samples: int) -> None:
        super().check(samples)
        classes = len(self._counts)
        if self.length is not None and self.length % classes:
            raise Refusal(
                f'length of an epoch must be a multiple of {classes} (the classes) with order "balanced"; '
                f"got {self.length}. Use {-(-self.length // classes) * classes}."
            )

    def positions_per_epoch(self, samples: int) -> int:
        return self.length or len(self._counts) * int(self._counts.max())

    def notes(self, samples: int, batch_size: int) -> tuple[str, ...]:
        each = self.positions_per_epoch(samples) // len(self._counts)
        rare = int(self._counts.min())
        return (f"{each:,} uses of each class, {each / rare:,.3g} of each sample of the rarest",)

    @property
    def _totals(self) -> Int64s:
        classes = len(self._counts)
        return np.full(classes, self.positions_per_epoch(len(self._values)) // classes)

    @cached_property
    def _stride(self) -> Int64s:
        """How far each class advances in an epoch: its uses that are in a batch."""
        return np.bincount(self._assigned.classes[: self.used], minlength=len(self._counts)).astype(np.int64)

    def _lap(self, epoch: int, of: Int64s, use: Int64s) -> tuple[Int64s, Int64s]:
        lap, within = np.divmod(epoch * self._stride[of] + use, self._counts[of])
        return lap, within

    def _uses_of(self, keys: RoundKeys, epoch: int, values: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        found = []
        each = self._values[values]
        for of, rank in zip(each.tolist(), self._rank[values].tolist(), strict=True):
            size, begin = int(self._counts[of]), epoch * int(self._stride[of])
            laps = np.arange(begin // size, (begin + int(self._totals[of]) - 1) // size + 1, dtype=np.int64)
            within = Permutations.of(keys, CLASSES + of, laps, size).inverse(np.full(len(laps), rank))
            use = laps * size + within - begin
            use = use[(use >= 0) & (use < self._totals[of])]
            found.append(use)
        times = np.array([len(use) for use in found])
        owner = np.repeat(np.arange(len(values)), times)
        return owner, each[owner], np.concatenate(found)

    @cached_property
    def arrays(self) -> Arrays:
        batches = self._cut_arrays[0]
        # In every epoch, a class starts at a multiple of this in its pass.
        step = np.gcd(self._stride, self._counts)
        laps = (2 * self._counts - step + self._totals - 1) // self._counts
        of = np.repeat(np.arange(len(laps)), laps)
        begins = np.cumsum(laps) - laps
        within = np.arange(len(of)) - begins[of]
        family, base = keyed.tables(np.concatenate([batches, self._counts[of]]))
        return family | {
            "number": numbers_of(len(batches), of),
            "kind": np.concatenate([np.zeros(len(batches)), of + 1]).astype(np.int32),
            "lap": np.concatenate([np.zeros(len(batches)), within]).astype(np.uint32),
            "count": self._counts.astype(np.uint32),
            "stride": self._stride.astype(np.uint32),
            "width": keyed.bits_of(self._counts).astype(np.uint32),
            "begin": base[len(batches) + begins].astype(np.int32),
            "first": self._first.astype(np.int32),
            "dealt": self._assigned.classes.astype(np.int32),
            "use": self._assigned.uses.astype(np.uint32),
            "sorted": self._sorted.astype(np.int32),
        }

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        xp = on.xp
        keys = keyed.round_keys(seed_words, self._purpose, count)
        counts = xp.maximum(arrays["count"], np.uint32(1))
        lap, offset = _product_divided(epoch, arrays["stride"], counts, on.while_loop)
        # Number 0 is padding: its pass is the epoch.
        take = partial(xp.take, mode="clip")
        use = take(xp.concatenate([epoch, lap]), arrays["kind"]) + arrays["lap"]
        images = keyed.table(keys, keyed.member_words(keys, arrays["number"], use), arrays, on)
        place = self._places(keys, epoch, images, on)
        of = take(arrays["dealt"], place)
        at = take(arrays["use"], place) + take(offset, of)
        size, width = take(counts, of), take(arrays["width"], of)
        lap = at // size
        base = take(arrays["begin"], of) + (lap << width).astype(xp.int32)
        one = take(images, base + (at - lap * size).astype(xp.int32)).astype(xp.int32) - base
        return take(arrays["sorted"], take(arrays["first"], of) + one)


def _product_divided(epoch: Array, stride: Array, size: Array, while_loop: WhileLoop) -> tuple[Array, Array]:
    """Quotient (its low 32 bits) and remainder of epoch * stride / size, in 32-bit words: double and add.

    `epoch` (1,) is below 2^32, `size` at most 2^31.
    """
    one = np.uint32(1)

    def next_bit(state: Any) -> Any:
        left, total, over, lap, rest = state
        chosen = left & one
        total, over = total + chosen * lap, over + chosen * rest
        more = (over >= size).astype(np.uint32)
        total, over = total + more, over - more * size
        lap, rest = lap + lap, rest + rest
        more = (rest >= size).astype(np.uint32)
        return left >> one, total, over, lap + more, rest - more * size

    lap, rest = stride // size, stride % size
    state = (epoch, lap ^ lap, rest ^ rest, lap, rest)
    _, total, over, _, _ = while_loop(lambda state: (state[0] > np.uint32(0)).any(), next_bit, state)
    return total, over
