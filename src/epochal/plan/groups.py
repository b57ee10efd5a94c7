"""Grouped order: the samples of a group stay together; the groups are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from epochal.errors import Refusal
from epochal.plan.draws import at_most
from epochal.plan.keyed_permutations import Permutations, member_words, round_keys, table, tables
from epochal.plan.order import Arrays, Backend, ById, OrderArrays
from epochal.plan.permutation import Int64s
from epochal.plan.sample_values import SampleValues, identified
from epochal.plan.threefry import Array, Purpose, uint32_words


@dataclass(frozen=True)
class Groups(ById):
    """The samples of a group stay together in their original order; the groups are shuffled.

    A position depends on the sizes of all groups before it, so random access takes time and memory in
    proportion to the number of groups.

    Args:
        groups: the group of each sample (a name, a number, a date).

    >>> Groups(["b", "a", "b", "c", "a"]).samples(seed=0, epoch=0, count=5, positions=range(5)).tolist()
    [3, 1, 4, 0, 2]
    """

    groups: np.typing.ArrayLike | SampleValues | None = None

    name: ClassVar[str] = "groups"
    description = "the samples of a group together, the sequence of groups shuffled in every epoch"
    fixed: ClassVar[bool] = False
    needs: ClassVar[str] = "groups"
    _field, _value = "groups", "group"
    _remedy: ClassVar[str] = "the group of each sample: Groups(values)"

    @staticmethod
    def _read(values: np.typing.ArrayLike) -> Int64s:
        return identified(values, "groups")

    def check(self, samples: int) -> None:
        super().check(samples)
        if len(self._counts) < 2:
            raise Refusal(
                f"there must be at least 2 groups; got 1, of all {samples:,} samples. Name another column, "
                'or use order "shuffle".'
            )

    def notes(self, samples: int, batch_size: int) -> tuple[str, ...]:
        smallest, largest = int(self._counts.min()), int(self._counts.max())
        of = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
        cut = "" if smallest == largest and batch_size % largest == 0 else "; batches cut some"
        return (f"{len(self._counts):,} groups of {of} samples{cut}",)

    def _sequence(self, seed: int, epoch: int, samples: int) -> tuple[Int64s, Int64s]:
        keys = round_keys(uint32_words(seed), Purpose.GROUPS, samples)
        places = np.arange(len(self._counts))
        sequence = Permutations.of(keys, 0, epoch, np.full(len(places), len(places))).permute(places)
        return sequence, np.cumsum(self._counts[sequence])

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        sequence, ends = self._sequence(seed, epoch, count)
        at = np.array(positions, np.int64, ndmin=1)
        place = np.searchsorted(ends, at, side="right")
        group = sequence[place]
        return self._sorted[self._first[group] + at - (ends[place] - self._counts[group])]

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        sequence, ends = self._sequence(seed, epoch, count)
        begins = np.empty_like(ends)
        begins[sequence] = ends - self._counts[sequence]
        rank = np.empty(count, np.int64)
        rank[self._sorted] = np.arange(count)
        chosen = np.array(values, np.int64, ndmin=1)
        group = self._values[chosen]
        return begins[group] + rank[chosen] - self._first[group]

    @cached_property
    def arrays(self) -> Arrays:
        family, _ = tables(np.array([len(self._counts)]))
        return family | {
            "place": (family["local"] < len(self._counts)).astype(np.int32),
            "size": self._counts.astype(np.int32),
            "first": self._first.astype(np.int32),
            "sorted": self._sorted.astype(np.int32),
        }

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        xp = on.xp
        keys = round_keys(seed_words, Purpose.GROUPS, count)
        images = table(keys, member_words(keys, epoch ^ epoch, epoch), arrays, on)
        # Padding elements have no samples, so the search skips them.
        group = images.astype(xp.int32) * arrays["place"]
        size = xp.take(arrays["size"], group, mode="clip") * arrays["place"]
        ends = xp.cumsum(size, dtype=xp.int32)
        at = xp.arange(count, dtype=xp.uint32)
        place = at_most((at,), (ends.astype(xp.uint32),), len(arrays["local"]), on)
        shift = xp.take(arrays["first"], group, mode="clip") - (ends - size)
        found = at.astype(xp.int32) + xp.take(shift, place, mode="clip")
        return xp.take(arrays["sorted"], found, mode="clip")
