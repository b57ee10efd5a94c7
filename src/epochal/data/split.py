"""Which samples train, which validate, and which test?

Who comes first within a class (or, for regression, among all samples) is the keyed permutation of
`epochal.plan`, in a stream of its own: epochs of training count from 0, splits from 2^63, so a split and an
epoch of the same seed are as independent as two epochs are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal
from epochal.plan.permutation import permute

__all__ = ["SPLIT_STREAM", "Split", "part_size", "split", "split_groups"]

SPLIT_STREAM = 2**63
"""The first of the permutations that are reserved for splits: 2^63 for all samples, then one per class."""

_REMEDY = "Use another fraction, leave the class out, or pass validation=0"


@dataclass(frozen=True)
class Split:
    """The samples of each part, int64 and ascending; none is in two parts.

    A random split gives each sample a part. One in the order of time leaves out those that cross a cut.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def __str__(self) -> str:
        parts = [f"{len(self.train):,} training"]
        parts += [f"{len(self.validation):,} validation"] if len(self.validation) else []
        parts += [f"{len(self.test):,} test"] if len(self.test) else []
        return ", ".join(parts) + " samples"


def split(
    samples: int,
    *,
    validation: float | int = 0.2,
    test: float | int = 0.0,
    seed: int,
    strata: NDArray[Any] | None = None,
    classes: Sequence[str] = (),
) -> Split:
    """A random split, stratified where `strata` has class ids; never the tail of the table.

    Args:
        samples: how many there are.
        validation: a fraction in [0, 1), or a whole number of samples (from 2 on, or an int 1).
        test: likewise.
        seed: the same seed, samples and strata give the same split, for ever. The sizes of the parts,
            per class too, do not depend on it.
        strata: class ids `(samples,)`; each part gets its share of each class by largest remainders, and
            at least one.
        classes: names of the classes, for sentences.

    Raises:
        Refusal: a fraction outside [0, 1), nothing left to train on, or a class with too few samples.

    >>> parts = split(10, validation=0.2, seed=0)
    >>> len(parts.train), parts.validation.tolist()
    (8, [3, 9])
    """
    held = part_size("validation", validation, samples), part_size("test", test, samples)
    if sum(held) >= samples:
        raise Refusal(
            f"validation and test must leave at least 1 of the {samples:,} samples to train on; "
            f"got {held[0]:,} and {held[1]:,}. Use smaller fractions."
        )
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    if strata is None:
        _deal(np.arange(samples, dtype=np.int64), held, seed, SPLIT_STREAM, parts)
    else:
        ids, group, counts = np.unique(np.asarray(strata), return_inverse=True, return_counts=True)
        shares = _stratify(held, counts, [_name(value, classes) for value in ids])
        members = np.split(np.argsort(group, kind="stable"), np.cumsum(counts)[:-1])
        for value, samples_of, share in zip(ids, members, shares, strict=True):
            _deal(samples_of.astype(np.int64), share, seed, SPLIT_STREAM + 1 + int(value), parts)
    train, validated, tested = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train, validated, tested)


def split_groups(
    groups: NDArray[np.int64], *, validation: float | int = 0.2, test: float | int = 0.0, seed: int
) -> Split:
    """A random split that keeps groups whole: shares, and whole numbers, are of groups.

    Args:
        groups: (samples,) the group of each sample.
        validation: a fraction in [0, 1), or a whole number of groups.
        test: likewise.
        seed: as for `split`.

    >>> parts = split_groups(np.array([7, 7, 3, 3, 9, 9]), validation=0.34, seed=0)
    >>> parts.train.tolist(), parts.validation.tolist()
    ([0, 1, 2, 3], [4, 5])
    """
    ids, own = np.unique(groups, return_inverse=True)
    parts_asked = 1 + sum(part != 0 for part in (validation, test))
    if len(ids) < parts_asked:
        raise Refusal(
            f"a split that keeps groups whole must have at least {parts_asked} groups, one for each part; "
            f"got {len(ids)}. Hold fewer parts out."
        )
    try:
        chosen = split(len(ids), validation=validation, test=test, seed=seed)
    except Refusal as error:
        raise Refusal(f"the split keeps groups whole, and here a sample is a group: {error}") from error
    parts = []
    for part in (chosen.train, chosen.validation, chosen.test):
        within = np.zeros(len(ids), bool)
        within[part] = True
        parts.append(np.flatnonzero(within[own]))
    return Split(*parts)


def _name(value: Any, classes: Sequence[str]) -> str:
    return classes[int(value)] if classes else str(value)


def part_size(name: str, part: float | int, samples: int) -> int:
    """How many samples a part is to have.

    Raises:
        Refusal: neither a fraction in [0, 1) nor a number of samples.
    """
    if isinstance(part, bool) or not isinstance(part, (int, float, np.integer, np.floating)):
        raise Refusal(f"{name} must be a fraction in [0, 1) or a number of samples; got {part!r}.")
    whole = isinstance(part, (int, np.integer)) or (part >= 1 and float(part).is_integer() and part != 1)
    if whole and 0 <= part < samples:
        return int(part)
    if whole or not 0 <= part < 1:
        bound = f"a fraction in [0, 1) or a number of samples below {samples:,}"
        raise Refusal(f"{name} must be {bound}; got {part:g}. Use 0.2 for a fifth.")
    size = round(float(part) * samples)
    if part > 0 and size == 0:
        raise Refusal(
            f"{name} must hold at least 1 of the {samples:,} samples; got {part:g}. Use 1 for one sample."
        )
    return size


def _stratify(
    held: tuple[int, int], counts: NDArray[np.int64], names: Sequence[str]
) -> list[tuple[int, int]]:
    """How many of each class validate and test, given how many of all do."""
    parts = 1 + sum(size > 0 for size in held)
    if parts > 1:
        for name, count in zip(names, counts, strict=True):
            if count < parts:
                many = f"{count} sample" + ("s" if count > 1 else "")
                raise Refusal(
                    f'class "{name}" must have at least {parts} samples, one for each part of the split; '
                    f"got {many}. {_REMEDY}."
                )
    left = len(counts)
    for part, size in zip(("validation", "test"), held, strict=True):
        if 0 < size < left:
            raise Refusal(
                f"{part} must hold at least {left} samples, one of each class; got {size}. {_REMEDY}."
            )
    if int(counts.sum()) - sum(held) < left:
        raise Refusal(
            f"training must keep at least {left} samples, one of each class; "
            f"got {int(counts.sum()) - sum(held)}. Use smaller fractions."
        )
    later = 1 + (held[1] > 0)
    validation = _apportion(held[0], counts, counts - later)
    test = _apportion(held[1], counts, counts - validation - 1)
    return list(zip(validation.tolist(), test.tolist(), strict=True))


def _apportion(total: int, weights: NDArray[np.int64], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Largest remainders of `total` in proportion to `weights`, each from 1 (if any) to `most`."""
    if total == 0:
        return np.zeros_like(weights)
    quotas = total * weights / weights.sum()
    shares: NDArray[np.int64] = np.clip(np.floor(quotas).astype(np.int64), 1, most)
    while shares.sum() != total:
        short = total - int(shares.sum())
        gain = quotas - shares
        if short > 0:
            best = int(np.argmax(np.where(shares < most, gain, -np.inf)))
            shares[best] += 1
        else:
            worst = int(np.argmin(np.where(shares > 1, gain, np.inf)))
            shares[worst] -= 1
    return shares


def _deal(
    samples: NDArray[np.int64],
    held: tuple[int, int],
    seed: int,
    stream: int,
    parts: tuple[list[NDArray[np.int64]], ...],
) -> None:
    """Give the first in the keyed order to validation, the next to test, the rest to training."""
    chosen = sum(held)
    picked = permute(seed, stream, len(samples), np.arange(chosen)) if chosen else np.zeros(0, np.int64)
    rest = np.ones(len(samples), bool)
    rest[picked] = False
    parts[0].append(samples[rest])
    parts[1].append(samples[picked[: held[0]]])
    parts[2].append(samples[picked[held[0] :]])
