"""Class-wise orders: stratified, and the base that it shares with the balanced one.

Both assign the classes to batches exactly (`assign`) and hide the pattern by keyed permutations, members
of one `family`: of the batches of a segment, of the slots of each batch, and of the samples of each class.
They differ in how often a class is used: once per sample (`Stratified`), or equally often (`Balanced`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple, Self

import numpy as np

from epochal.errors import Refusal
from epochal.plan import keyed_permutations as keyed
from epochal.plan.keyed_permutations import FEW_ROUNDS, Permutations, RoundKeys
from epochal.plan.order import Arrays, Backend, ById, OrderArrays
from epochal.plan.pass_schedule import Segments
from epochal.plan.permutation import Int64s
from epochal.plan.sample_values import SampleValues, identified
from epochal.plan.threefry import Array, Purpose, uint32_words

_BATCHES, _SLOTS, CLASSES = 0, 2**10, 2**31
"""Member numbers in a family: a segment's batches, a batch's slots, a class's samples."""


class Assignment(NamedTuple):
    """The class at each position of an epoch, and which use of the class it is; both (positions,)."""

    classes: Int64s
    uses: Int64s


def with_rest(segments: Segments, positions: int) -> Segments:
    """The segments, with the left-out samples as one more batch.

    >>> with_rest(((2, 400),), 1000)
    ((2, 400), (1, 200))
    """
    rest = positions - sum(count * size for count, size in segments)
    return (*segments, (1, rest)) if rest else segments


def apportioned(total: int, left: Int64s) -> Int64s:
    """Whole shares of `total` in proportion to `left`, by largest remainder; ties go to the first.

    >>> apportioned(5, np.array([6, 3, 1])).tolist()
    [3, 2, 0]
    """
    shares, rest = np.divmod(total * left, int(left.sum()))
    shares[np.argsort(-rest, kind="stable")[: total - int(shares.sum())]] += 1
    return shares


def assign(totals: Int64s, segments: Segments) -> Assignment:
    """Assign classes, and their uses from 0, to the positions of an epoch that is cut into these segments.

    Whole numbers, the same in every epoch. A segment of M batches of b samples gets of each class its quota
    by largest remainder, whole in the sum over the segment. Each of its batches gets floor(quota / M) of the
    class; what is left over, fewer than M of each class, is laid end to end, class after class, and assigned
    to the batches in turn: so each batch has the same number of extras and no class twice among them. Within
    a segment the counts of a class differ by at most one, and each is the floor or the ceiling of quota / M.

    Args:
        totals: uses of each class in an epoch.
        segments: (how many, of which size), together as many as `totals`.

    >>> assign(np.array([4, 2]), ((2, 3),)).classes.reshape(2, 3).tolist()
    [[0, 0, 1], [0, 0, 1]]
    """
    left, done = totals.copy(), np.zeros_like(totals)
    classes, uses = [], []
    for count, size in segments:
        quota = apportioned(count * size, left)
        base, extra = np.divmod(quota, count)
        batch = np.arange(count)[:, None]
        own = np.repeat(np.arange(len(totals)), base)
        within = np.arange(len(own)) - np.repeat(np.cumsum(base) - base, base)
        first = np.broadcast_to(own, (count, len(own)))
        nth = done[own] + batch * base[own] + within
        ends = np.cumsum(extra)
        laid = np.arange(size - len(own)) * count + batch
        more = np.searchsorted(ends, laid, side="right")
        over = done[more] + count * base[more] + laid - (ends - extra)[more]
        classes.append(np.concatenate([first, more], axis=1).reshape(-1))
        uses.append(np.concatenate([nth, over], axis=1).reshape(-1))
        left, done = left - quota, done + quota
    return Assignment(np.concatenate(classes), np.concatenate(uses))


@dataclass(frozen=True)
class Classwise(ById):
    """Base of stratified and balanced orders: `labels` are class ids, `cuts` the batches of an epoch."""

    labels: np.typing.ArrayLike | SampleValues | None = None
    cuts: Segments = ()
    used: int = 0
    """Positions of an epoch that are in a batch: the first ones of the cuts."""

    fixed: ClassVar[bool] = False
    needs: ClassVar[str] = "classes"
    _purpose: ClassVar[Purpose]
    _field, _value = "labels", "label"

    @staticmethod
    def _read(values: np.typing.ArrayLike) -> Int64s:
        array = np.asarray(values)
        if (
            array.dtype.kind == "f"
            and len(array)
            and not (np.isnan(array) | (array == np.floor(array))).all()
        ):
            raise Refusal(
                f"labels must be classes; got numbers such as {array[array != np.floor(array)][0]:g}. "
                "Use another order, or bins of them."
            )
        return identified(array, "labels")

    def bind(self, values: np.typing.ArrayLike) -> Self:
        return replace(self, labels=values, cuts=(), used=0)

    def check_batches(self, batch_size: int, remainder: str) -> None:
        if remainder == "carry":
            raise Refusal(
                f'`remainder` must be keep, drop or spread with order "{self.name}", whose batches are '
                'filled from one epoch; got "carry".'
            )

    def within(self, segments: Segments) -> Self:
        used = sum(count * size for count, size in segments)
        return replace(self, cuts=with_rest(segments, self.positions_per_epoch(len(self._values))), used=used)

    # What the samples say ----------------------------------------------------------------------------------

    @cached_property
    def _rank(self) -> Int64s:
        rank = np.empty(len(self._values), np.int64)
        rank[self._sorted] = np.arange(len(rank)) - np.repeat(self._first, self._counts)
        return rank

    @property
    @abstractmethod
    def _totals(self) -> Int64s:
        """Uses of each class in an epoch."""

    @cached_property
    def _assigned(self) -> Assignment:
        return assign(self._totals, self.cuts)

    @cached_property
    def _place(self) -> Int64s:
        """The position of each use of each class, class after class: the inverse of `_assigned`."""
        place = np.empty(len(self._assigned.classes), np.int64)
        place[(np.cumsum(self._totals) - self._totals)[self._assigned.classes] + self._assigned.uses] = (
            np.arange(len(place))
        )
        return place

    # Random access -----------------------------------------------------------------------------------------

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        keys = keyed.round_keys(uint32_words(seed), self._purpose, count)
        at = np.array(positions, np.int64, ndmin=1)
        segment, batch, slot, number = self._cut(at)
        counts, sizes, begins = self._cut_arrays
        moved_batch = Permutations.of(keys, _BATCHES + segment, epoch, counts[segment]).permute(batch)
        moved_slot = Permutations.of(keys, _SLOTS + number, epoch, sizes[segment], FEW_ROUNDS).permute(slot)
        place = begins[segment] + moved_batch * sizes[segment] + moved_slot
        of, use = self._assigned.classes[place], self._assigned.uses[place]
        lap, within = self._lap(epoch, of, use)
        one = Permutations.of(keys, CLASSES + of, lap, self._counts[of]).permute(within)
        return self._sorted[self._first[of] + one]

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        keys = keyed.round_keys(uint32_words(seed), self._purpose, count)
        owner, of, use = self._uses_of(keys, epoch, np.array(values, np.int64, ndmin=1))
        place = self._place[(np.cumsum(self._totals) - self._totals)[of] + use]
        counts, sizes, begins = self._cut_arrays
        segment, moved_batch, moved_slot, _ = self._cut(place)
        batch = Permutations.of(keys, _BATCHES + segment, epoch, counts[segment]).inverse(moved_batch)
        number = (np.cumsum(counts) - counts)[segment] + batch
        slot = Permutations.of(keys, _SLOTS + number, epoch, sizes[segment], FEW_ROUNDS).inverse(moved_slot)
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
    def _lap(self, epoch: int, of: Int64s, use: Int64s) -> tuple[Int64s, Int64s]:
        """The pass through its class of each use, and the use within that pass."""

    @abstractmethod
    def _uses_of(self, keys: RoundKeys, epoch: int, values: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """All uses of these samples: index of the sample, its class, and the use of the class."""

    # The whole epoch ---------------------------------------------------------------------------------------

    def _places(self, keys: RoundKeys, epoch: Array, images: Array, on: Backend) -> Array:
        """The index into the `Assignment` of each position of the epoch, int32 (positions,).

        `epoch` is a uint32 array (1,); the first members of the family of `images` are the batches.
        """
        xp, found, at, begin, before = on.xp, [], 0, 0, 0
        for count, size in self.cuts:
            batch = images[at : at + count].astype(xp.int32) - np.int32(at)
            place = np.int32(begin) + batch[:, None] * np.int32(size)
            if size > 1:
                number = np.arange(_SLOTS + before, _SLOTS + before + count, dtype=np.uint32)
                own = keyed.member_words(keys, number, (number ^ number) + epoch)
                place = place + keyed.rows(keys, own, size, on)
            found.append(place.reshape(-1))
            at += 1 << max(2, (count - 1).bit_length())
            begin, before = begin + count * size, before + count
        return xp.concatenate(found)


@dataclass(frozen=True)
class Stratified(Classwise):
    """Every batch has the class proportions of all samples; each sample is used once per epoch.

    In any two batches of one size the counts of a class differ by at most one (see `assign`).

    Args:
        labels: the class of each sample (names or whole numbers).

    >>> order = Stratified([0, 0, 0, 0, 1, 1]).within(((2, 3),))
    >>> order.samples(seed=0, epoch=0, count=6, positions=range(6)).reshape(2, 3).tolist()
    [[2, 4, 0], [5, 3, 1]]
    """

    name: ClassVar[str] = "stratified"
    description: ClassVar[str] = "a new random order in every epoch, the classes in proportion in every batch"
    _purpose: ClassVar[Purpose] = Purpose.STRATIFIED
    _remedy: ClassVar[str] = "the class of each sample: Stratified(labels)"

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

    def _lap(self, epoch: int, of: Int64s, use: Int64s) -> tuple[Int64s, Int64s]:
        return np.full_like(of, epoch), use

    def _uses_of(self, keys: RoundKeys, epoch: int, values: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        of = self._values[values]
        use = Permutations.of(keys, CLASSES + of, epoch, self._counts[of]).inverse(self._rank[values])
        return np.arange(len(values)), of, use

    @cached_property
    def arrays(self) -> Arrays:
        batches = self._cut_arrays[0]
        family, base = keyed.tables(np.concatenate([batches, self._counts]))
        own = base[len(batches) :]
        holds = np.zeros(len(family["local"]), np.int32)
        holds[own[self._values] + self._rank] = np.arange(len(self._values))
        return family | {
            "number": numbers_of(len(batches), np.arange(len(self._counts))),
            "dealt": (own[self._assigned.classes] + self._assigned.uses).astype(np.int32),
            "holds": holds,
        }

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        keys = keyed.round_keys(seed_words, self._purpose, count)
        number, take = arrays["number"], partial(on.xp.take, mode="clip")
        images = keyed.table(keys, keyed.member_words(keys, number, (number ^ number) + epoch), arrays, on)
        dealt = take(arrays["dealt"], self._places(keys, epoch, images, on))
        return take(arrays["holds"], take(images, dealt).astype(on.xp.int32))


def numbers_of(batches: int, of: Int64s) -> np.typing.NDArray[np.uint32]:
    """Member numbers: the batches of each segment, then the classes."""
    return np.concatenate([_BATCHES + np.arange(batches), CLASSES + of]).astype(np.uint32)
