"""Class-wise orders: stratified, and the base that it shares with the balanced one.

Both assign the classes to batches exactly (`assignment`) and hide the pattern by keyed permutations, members
of one `family`: of the batches of a segment, of the slots of each batch, and of the samples of each class.
They differ in how often a class is used: once per sample (`Stratified`), or equally often (`Balanced`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal
from epochal.plan.assignment import Assignment, assign, whole
from epochal.plan.column import Column, identified
from epochal.plan.family import (
    FEW_ROUNDS,
    Family,
    RoundKeys,
    laid,
    member_words,
    round_keys,
    rows,
    seed_keys,
    table,
)
from epochal.plan.order import NOTHING, Arrays, Int64s, Order
from epochal.plan.permutation import WhileLoop, python_while
from epochal.plan.remainder import Segments
from epochal.plan.threefry import Array, Purpose

_BATCHES, _SLOTS, CLASSES = 0, 2**10, 2**31
"""Member numbers in a family: a segment's batches, a batch's slots, a class's samples."""


@dataclass(frozen=True)
class Classwise(Order):
    """Base of stratified and balanced orders: `labels` are class ids, `cuts` the batches of an epoch."""

    labels: npt.ArrayLike | Column | None = None
    cuts: Segments = ()
    used: int = 0
    """Positions of an epoch that are in a batch: the first ones of the cuts."""

    fixed: ClassVar[bool] = False
    needs: ClassVar[str] = "classes"
    _purpose: ClassVar[Purpose]

    def __post_init__(self) -> None:
        if self.labels is not None and not isinstance(self.labels, Column):
            object.__setattr__(self, "labels", Column(_classes(self.labels)))

    @property
    def lacks(self) -> str:
        return f"the class of each sample: {type(self).__name__}(labels)" if self.labels is None else ""

    @property
    def values(self) -> npt.NDArray[Any] | None:
        return None if self.labels is None else self._labels

    def bind(self, values: npt.ArrayLike) -> Self:
        return replace(self, labels=values, cuts=(), used=0)

    def check(self, samples: int) -> None:
        super().check(samples)
        if len(self._labels) != samples:
            raise Refusal(
                f'order "{self.name}" must have a label for each of the {samples:,} samples; '
                f"got {len(self._labels):,}."
            )

    def check_batches(self, batch_size: int, remainder: str) -> None:
        if remainder == "carry":
            raise Refusal(
                f'`remainder` must be keep, drop or spread with order "{self.name}", whose batches are '
                'filled from one epoch; got "carry".'
            )

    def within(self, segments: Segments) -> Self:
        used = sum(count * size for count, size in segments)
        return replace(self, cuts=whole(segments, self.turns(len(self._labels))), used=used)

    # What the samples say ----------------------------------------------------------------------------------

    @property
    def _labels(self) -> Int64s:
        assert isinstance(self.labels, Column)
        return self.labels.values

    @cached_property
    def _counts(self) -> Int64s:
        return np.bincount(self._labels).astype(np.int64)

    @cached_property
    def _sorted(self) -> Int64s:
        """The samples, class after class."""
        return np.argsort(self._labels, kind="stable").astype(np.int64)

    @cached_property
    def _first(self) -> Int64s:
        """Where each class begins in `_sorted`."""
        return np.cumsum(self._counts) - self._counts

    @cached_property
    def _rank(self) -> Int64s:
        """The index of each sample within its class."""
        rank = np.empty(len(self._labels), np.int64)
        rank[self._sorted] = np.arange(len(rank)) - np.repeat(self._first, self._counts)
        return rank

    @property
    @abstractmethod
    def _totals(self) -> Int64s:
        """Turns of each class in an epoch."""

    @cached_property
    def _assigned(self) -> Assignment:
        return assign(self._totals, self.cuts)

    @cached_property
    def _place(self) -> Int64s:
        """The place of each turn of each class, class after class: the inverse of `_assigned`."""
        place = np.empty(len(self._assigned.classes), np.int64)
        place[(np.cumsum(self._totals) - self._totals)[self._assigned.classes] + self._assigned.turns] = (
            np.arange(len(place))
        )
        return place

    # Random access -----------------------------------------------------------------------------------------

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        keys = seed_keys(seed, self._purpose, samples)
        at = np.array(positions, np.int64, ndmin=1)
        segment, batch, slot, number = self._cut(at)
        counts, sizes, begins = self._cut_arrays
        moved_batch = Family.of(keys, _BATCHES + segment, epoch, counts[segment]).permute(batch)
        moved_slot = Family.of(keys, _SLOTS + number, epoch, sizes[segment], FEW_ROUNDS).permute(slot)
        place = begins[segment] + moved_batch * sizes[segment] + moved_slot
        of, turn = self._assigned.classes[place], self._assigned.turns[place]
        lap, within = self._lap(epoch, of, turn)
        one = Family.of(keys, CLASSES + of, lap, self._counts[of]).permute(within)
        return self._sorted[self._first[of] + one]

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        keys = seed_keys(seed, self._purpose, samples)
        owner, of, turn = self._turns_of(keys, epoch, np.array(values, np.int64, ndmin=1))
        place = self._place[(np.cumsum(self._totals) - self._totals)[of] + turn]
        counts, sizes, begins = self._cut_arrays
        segment = np.searchsorted(begins, place, side="right") - 1
        moved_batch, moved_slot = np.divmod(place - begins[segment], sizes[segment])
        batch = Family.of(keys, _BATCHES + segment, epoch, counts[segment]).inverse(moved_batch)
        number = (np.cumsum(counts) - counts)[segment] + batch
        slot = Family.of(keys, _SLOTS + number, epoch, sizes[segment], FEW_ROUNDS).inverse(moved_slot)
        found = begins[segment] + batch * sizes[segment] + slot
        return np.asarray(found[np.lexsort((found, owner))])

    @cached_property
    def _cut_arrays(self) -> tuple[Int64s, Int64s, Int64s]:
        """Number of batches, batch size and first position of each segment."""
        counts, sizes = np.array(self.cuts, np.int64).T
        return counts, sizes, np.cumsum(counts * sizes) - counts * sizes

    def _cut(self, positions: Int64s) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Segment, batch in it, slot, and number of the batch in the epoch."""
        counts, sizes, begins = self._cut_arrays
        segment = np.searchsorted(begins, positions, side="right") - 1
        batch, slot = np.divmod(positions - begins[segment], sizes[segment])
        return segment, batch, slot, (np.cumsum(counts) - counts)[segment] + batch

    @abstractmethod
    def _lap(self, epoch: int, of: Int64s, turn: Int64s) -> tuple[Int64s, Int64s]:
        """The pass through its class of each turn, and the turn within that pass."""

    @abstractmethod
    def _turns_of(self, keys: RoundKeys, epoch: int, values: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """All turns of these samples: index of the sample, its class, and the turn of the class."""

    # The whole epoch ---------------------------------------------------------------------------------------

    @property
    def form(self) -> Self:
        return replace(self, labels=None)

    def _places(
        self, keys: RoundKeys, epoch: Array, images: Array, xp: ModuleType, while_loop: WhileLoop
    ) -> Array:
        """The index into `assignment` of each position of the epoch, int32 (turns,).

        `epoch` is a uint32 array (1,); the first members of the family of `images` are the batches.
        """
        found, at, begin, before = [], 0, 0, 0
        for count, size in self.cuts:
            batch = images[at : at + count].astype(xp.int32) - np.int32(at)
            place = np.int32(begin) + batch[:, None] * np.int32(size)
            if size > 1:
                number = np.arange(_SLOTS + before, _SLOTS + before + count, dtype=np.uint32)
                own = member_words(keys, number, (number ^ number) + epoch)
                place = place + rows(keys, own, size, xp, while_loop)
            found.append(place.reshape(-1))
            at += 1 << max(2, (count - 1).bit_length())
            begin, before = begin + count * size, before + count
        return xp.concatenate(found)


def _classes(labels: npt.ArrayLike) -> Int64s:
    array = np.asarray(labels)
    if array.dtype.kind == "f" and len(array) and not (np.isnan(array) | (array == np.floor(array))).all():
        raise Refusal(
            f"labels must be classes; got numbers such as {array[array != np.floor(array)][0]:g}. "
            "Use another order, or bins of them."
        )
    return identified(array, "labels")


@dataclass(frozen=True)
class Stratified(Classwise):
    """Every batch has the class proportions of all samples; each sample is used once per epoch.

    In any two batches of one size the counts of a class differ by at most one (see `assignment`).

    Args:
        labels: the class of each sample (names or whole numbers).

    >>> order = Stratified([0, 0, 0, 0, 1, 1]).within(((2, 3),))
    >>> order.samples(seed=0, epoch=0, samples=6, positions=range(6)).reshape(2, 3).tolist()
    [[2, 4, 0], [5, 3, 1]]
    """

    name: ClassVar[str] = "stratified"
    _purpose: ClassVar[Purpose] = Purpose.STRATIFIED

    @property
    def words(self) -> str:
        return "a new random order in every epoch, the classes in proportion in every batch"

    def check_batches(self, batch_size: int, remainder: str) -> None:
        super().check_batches(batch_size, remainder)
        if batch_size < len(self._counts):
            raise Refusal(
                f'`batch_size` must be at least {len(self._counts)} (the classes) with order "stratified"; '
                f'got {int(batch_size)}. Use larger batches, or order "shuffle".'
            )

    @property
    def _totals(self) -> Int64s:
        return self._counts

    def _lap(self, epoch: int, of: Int64s, turn: Int64s) -> tuple[Int64s, Int64s]:
        return np.full_like(of, epoch), turn

    def _turns_of(self, keys: RoundKeys, epoch: int, values: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        of = self._labels[values]
        turn = Family.of(keys, CLASSES + of, epoch, self._counts[of]).inverse(self._rank[values])
        return np.arange(len(values)), of, turn

    @cached_property
    def arrays(self) -> Arrays:
        batches = self._cut_arrays[0]
        family, base = laid(np.concatenate([batches, self._counts]))
        own = base[len(batches) :]
        holds = np.zeros(len(family["local"]), np.int32)
        holds[own[self._labels] + self._rank] = np.arange(len(self._labels))
        return family | {
            "number": numbers_of(len(batches), np.arange(len(self._counts))),
            "dealt": (own[self._assigned.classes] + self._assigned.turns).astype(np.int32),
            "holds": holds,
        }

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
        arrays = arrays or self.arrays
        keys = round_keys(seed_words, self._purpose, samples)
        number = arrays["number"]
        epoch = xp.reshape(xp.asarray(epoch, dtype=xp.uint32), (1,))
        own = member_words(keys, number, (number ^ number) + epoch)
        images = table(keys, own, arrays, xp, while_loop)
        dealt = xp.take(arrays["dealt"], self._places(keys, epoch, images, xp, while_loop), mode="clip")
        return xp.take(arrays["holds"], xp.take(images, dealt, mode="clip").astype(xp.int32), mode="clip")


def numbers_of(batches: int, of: Int64s) -> npt.NDArray[np.uint32]:
    """Member numbers: the batches of each segment, then the classes."""
    return np.concatenate([_BATCHES + np.arange(batches), CLASSES + of]).astype(np.uint32)
