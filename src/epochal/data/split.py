"""Train, validation and test split.

The order within a class (or, for regression, among all samples) is the keyed permutation of `epochal.plan` in
its own stream: epochs count from 0, splits from 2^63, so a split and an epoch of the same seed are as
independent as two epochs are. The test samples do not depend on the seed: all repeats, and all trainings on
the same data, share them, so that none is tested on a sample that another was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.duplicates import Duplicates
from epochal.errors import Refusal
from epochal.plan.permutation import permute

SPLIT_STREAM = 2**63
"""The first of the permutation streams reserved for splits: 2^63 for all samples, then one per class."""

TEST_SEED, TEST_STREAMS = 0, 2**62
"""The seed of the test samples, whatever the seed of the split, and the offset of their streams from those
of the other parts.
"""


@dataclass(frozen=True)
class Split:
    """The samples of each part, int64, ascending and disjoint.

    A random split uses all samples; a chronological one leaves out those that cross a cut.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def __str__(self) -> str:
        held_out = {"validation": self.validation, "test": self.test}
        parts = [f", {len(part):,} {name}" for name, part in held_out.items() if len(part)]
        return f"{len(self.train):,} training{''.join(parts)} samples"


def split(
    samples: int,
    *,
    validation: float | int = 0.2,
    test: float | int = 0.0,
    seed: int,
    strata: NDArray[Any] | None = None,
    duplicates: Duplicates | None = None,
) -> Split:
    """A random split, stratified where `strata` has class ids; not the tail of the table.

    Args:
        samples: number of samples.
        validation, test: a fraction in [0, 1), or a whole number of samples (from 2 on, or an int 1).
        seed: the same seed, samples and strata give the same split, for ever. The sizes of the parts,
            per class too, do not depend on it, nor do the test samples.
        strata: class ids `(samples,)`; each part gets its share of each class by largest remainders, and
            at least one if it has room for that. A class with fewer samples than there are parts trains.
        duplicates: duplicates to keep together. Parts are then as large as whole groups of them allow; a
            group of several classes counts as the most frequent one.

    Raises:
        Refusal: a fraction outside [0, 1), or nothing left to train on.

    >>> parts = split(10, validation=0.2, seed=0)
    >>> len(parts.train), parts.validation.tolist()
    (8, [3, 9])
    >>> [split(10, validation=0.2, test=0.2, seed=seed).test.tolist() for seed in (0, 1)]
    [[0, 9], [0, 9]]
    """
    held_out = part_size("validation", validation, samples), part_size("test", test, samples)
    if sum(held_out) >= samples:
        raise Refusal(
            f"`validation` and `test` must leave at least 1 of the {samples:,} samples to train on; "
            f"got {held_out[0]:,} and {held_out[1]:,}. Use smaller fractions."
        )
    duplicates = duplicates or Duplicates(np.arange(samples), samples)
    group_of, n_groups = duplicates.group, duplicates.distinct
    sizes = np.bincount(group_of, minlength=n_groups)
    stratum_of, held_out_of = np.full(n_groups, -1), {-1: held_out}
    if strata is not None:
        classes = _most_frequent(group_of, np.asarray(strata, np.int64), n_groups)
        counts = np.bincount(classes, weights=sizes).astype(np.int64)
        there = np.flatnonzero(counts)
        if found := _stratify(held_out, counts[there], np.bincount(classes)[there]):
            stratum_of, held_out_of = classes, dict(zip(there.tolist(), found, strict=True))
    rest = np.zeros(2, np.int64)
    part_of = np.zeros(n_groups, np.int8)
    for stratum in np.unique(stratum_of).tolist():
        own = np.flatnonzero(stratum_of == stratum)
        lengths, amounts = np.unique(sizes[own], return_counts=True)
        rest += held_out_of[stratum]  # what whole groups of a class leave of it goes to the next class
        for length, numbers in zip(lengths.tolist(), _whole_groups(rest, lengths, amounts), strict=True):
            rest -= length * np.array(numbers)
            unassigned, stream = own[sizes[own] == length], SPLIT_STREAM + 1 + stratum + ((length - 1) << 32)
            for part, key, first in ((2, TEST_SEED, stream + TEST_STREAMS), (1, seed, stream)):
                if count := numbers[part - 1]:
                    picked = permute(key, first, len(unassigned), np.arange(count))
                    part_of[unassigned[picked]] = part
                    unassigned = np.delete(unassigned, picked)
    return Split(*(np.flatnonzero(part_of[group_of] == part) for part in range(3)))


def _most_frequent(group_of: NDArray[np.int64], ids: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """The most frequent class of each group of duplicates, the first of ties."""
    classes = int(ids.max()) + 1
    pairs, counts = np.unique(group_of * classes + ids, return_counts=True)
    order = np.lexsort((-(pairs % classes), counts))
    found = np.empty(n_groups, np.int64)
    found[pairs[order] // classes] = pairs[order] % classes
    return found


def _whole_groups(
    held_out: NDArray[np.int64], lengths: NDArray[np.int64], amounts: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """The number of groups of each length for validation and test, with about `held_out` samples.

    No more samples than that, unless the smallest group has more; and at least one group is left to train.
    """
    total = int((lengths * amounts).sum())
    free, taken = amounts.copy(), []
    for size in np.maximum(held_out, 0).tolist():
        count = np.minimum(size * amounts // total, free)
        remaining = size - int((count * lengths).sum())
        for most in (1, None):
            for at in range(len(lengths) - 1, -1, -1):
                more = min(remaining // int(lengths[at]), int(free[at] - count[at]), most or remaining)
                count[at] += max(0, more)
                remaining -= max(0, more) * int(lengths[at])
        if size and not count.any() and free.any():
            count[np.argmax(free > 0)] = 1
        if (free - count).sum() == 0 and count.any():
            count[np.argmax(count > 0)] -= 1
        free -= count
        taken.append(count)
    return list(zip(taken[0].tolist(), taken[1].tolist(), strict=True))


def split_groups(
    groups: NDArray[np.int64], *, validation: float | int = 0.2, test: float | int = 0.0, seed: int
) -> Split:
    """A random split of whole groups; fractions and numbers are of groups.

    Args:
        groups: (samples,) the group of each sample.
        validation, test: a fraction in [0, 1), or a whole number of groups.
        seed: as for `split`.

    >>> parts = split_groups(np.array([7, 7, 3, 3, 9, 9]), validation=0.34, seed=0)
    >>> parts.train.tolist(), parts.validation.tolist()
    ([0, 1, 2, 3], [4, 5])
    """
    ids, own = np.unique(groups, return_inverse=True)
    parts = 1 + sum(part != 0 for part in (validation, test))
    if len(ids) < parts:
        raise Refusal(
            f"a split that keeps groups whole must have at least {parts} groups, one for each part; "
            f"got {len(ids)}. Hold fewer parts out."
        )
    try:
        chosen = split(len(ids), validation=validation, test=test, seed=seed)
    except Refusal as error:
        why = "the split keeps groups whole, and here a sample is a group"
        raise Refusal(f"{why}: {error.sentence}") from error
    parts_of = (chosen.train, chosen.validation, chosen.test)
    return Split(*(np.flatnonzero(np.isin(own, part)) for part in parts_of))


def part_size(name: str, part: float | int, samples: int) -> int:
    """The number of samples of a part."""
    if isinstance(part, bool) or not isinstance(part, (int, float, np.integer, np.floating)):
        raise Refusal(f"`{name}` must be a fraction in [0, 1) or a number of samples; got {part!r}.")
    whole = isinstance(part, (int, np.integer)) or (part >= 1 and float(part).is_integer() and part != 1)
    if whole and 0 <= part < samples:
        return int(part)
    if whole or not 0 <= part < 1:
        bound = f"a fraction in [0, 1) or a number of samples below {samples:,}"
        raise Refusal(f"`{name}` must be {bound}; got {part:g}. Use 0.2 for a fifth.")
    size = round(float(part) * samples)
    if part > 0 and size == 0:
        raise Refusal(
            f"`{name}` must hold at least 1 of the {samples:,} samples; got {part:g}. Use 1 for one sample."
        )
    return size


def _stratify(
    held_out: tuple[int, int], counts: NDArray[np.int64], n_groups: NDArray[np.int64]
) -> list[tuple[int, int]] | None:
    """The number of samples of each class for validation and test, given the totals.

    A class with fewer groups (`n_groups`) than there are parts stays in training. None if that holds for all.
    """
    parts = 1 + sum(size > 0 for size in held_out)
    n_classes = len(counts)
    if int(counts.sum()) - sum(held_out) < n_classes:
        raise Refusal(
            f"training must keep at least {n_classes} samples, one of each class; "
            f"got {int(counts.sum()) - sum(held_out)}. Use smaller fractions."
        )
    enough = n_groups >= parts
    if not enough.any():
        return None
    own = counts[enough]
    later = 1 + (held_out[1] > 0)
    held_out_counts = np.zeros((2, n_classes), np.int64)
    held_out_counts[0, enough] = _apportion(held_out[0], own, own - later)
    held_out_counts[1, enough] = _apportion(held_out[1], own, own - held_out_counts[0, enough] - 1)
    return [(int(first), int(second)) for first, second in held_out_counts.T]


def _apportion(total: int, weights: NDArray[np.int64], maximum: NDArray[np.int64]) -> NDArray[np.int64]:
    """Parts of `total` by largest remainder, in proportion to `weights`, from 1 if possible to `maximum`."""
    total = min(total, int(maximum.sum()))
    if total == 0:
        return np.zeros_like(weights)
    minimum = int(total >= len(weights))
    quotas = total * weights / weights.sum()
    counts: NDArray[np.int64] = np.clip(np.floor(quotas).astype(np.int64), minimum, maximum)
    while counts.sum() != total:
        short = total - int(counts.sum())
        gain = quotas - counts
        if short > 0:
            best = int(np.argmax(np.where(counts < maximum, gain, -np.inf)))
            counts[best] += 1
        else:
            worst = int(np.argmin(np.where(counts > minimum, gain, np.inf)))
            counts[worst] -= 1
    return counts
