"""Pairs of items from a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal
from epochal.plan.permutation import permute

BEST = ("lowest", "highest")
"""The best target: the lowest of ranks, or the highest of scores."""
PAIR_STREAM = 2**62
"""The first permutation stream for the pairs of large groups, one per group, after those of epochs."""

Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Pairing:
    """Options for making pairs.

    Args:
        best: "lowest" or "highest": the target that is ahead.
        most: pairs of one group, at most; None for all. Which ones depends on seed and number of the group.
        per_group: whether every group has the same total weight.
        seed: of the random pairs.
    """

    best: str = "lowest"
    most: int | None = None
    per_group: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        best, most = self.best, self.most
        if best not in BEST:
            raise Refusal(f'best must be "lowest" (ranks) or "highest" (scores); got {best!r}.')
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise Refusal(f"most must be a whole number of pairs of a group, at least 1; got {most!r}.")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of items of one group with different targets.

    Args:
        ahead: (pairs,) the item with the better target.
        behind: (pairs,) the other.
        group: (pairs,) the group of both.
        weights: (pairs,) 1 / the number of pairs of its group.
        groups: number of groups with pairs.
        notes: what was left out, a sentence each.
    """

    ahead: Int64s
    behind: Int64s
    group: Int64s
    weights: NDArray[np.float64]
    groups: int
    notes: tuple[str, ...]


def pairs_of(
    targets: NDArray[np.float64],
    groups: Int64s,
    pairing: Pairing,
    names: Sequence[str] = ("rank", "group"),
) -> Pairs:
    """All pairs of items of a group with different targets, or a random subset.

    Args:
        targets: (n,) ranks or scores; NaN where there is none.
        groups: (n,) whole numbers from 0; -1 where there is none.
        pairing: the options.
        names: of targets and groups in sentences.

    Raises:
        Refusal: no pair is left.

    >>> found = pairs_of(np.array([1.0, 2, 2, 1, 5]), np.array([0, 0, 0, 1, 1]), Pairing())
    >>> list(zip(found.ahead.tolist(), found.behind.tolist()))
    [(0, 1), (0, 2), (3, 4)]
    >>> found.weights.tolist(), found.notes
    ([0.5, 0.5, 1.0], ('1 pair of equal rank is left out.',))
    """
    most = pairing.most
    known = np.flatnonzero(np.isfinite(targets) & (groups >= 0))
    worth = targets[known] if pairing.best == "lowest" else -targets[known]
    order = np.lexsort((worth, groups[known]))
    items, group, worth = known[order], groups[known][order], worth[order]
    at = np.arange(len(items))
    opens = np.append(True, group[1:] != group[:-1])[: len(items)]
    begin = np.maximum.accumulate(np.where(opens, at, 0))
    differs = opens | np.append(True, worth[1:] != worth[:-1])[: len(items)]
    # The number of items ahead of each: pairs of all groups are numbered consecutively.
    better = np.maximum.accumulate(np.where(differs, at, 0)) - begin
    ends = np.cumsum(better)
    first = np.flatnonzero(opens)
    sizes = np.diff(np.append(first, len(items)))
    counts = np.add.reduceat(better, first) if len(first) else np.zeros(0, np.int64)
    notes = _notes(len(targets) - len(known), sizes, counts, names)
    if not counts.sum():
        raise Refusal(
            f"a ranking must have a group with two items of different {names[0]}; got none among "
            f"{len(targets):,} items in {len(first):,} {groups_word(len(first), names[1])}."
        )
    kept = counts if most is None else np.minimum(counts, most)
    begins, before = np.cumsum(kept) - kept, np.cumsum(counts) - counts
    numbers = np.arange(int(kept.sum())) + np.repeat(before - begins, kept)
    for large in np.flatnonzero(kept < counts):
        total, taken = int(counts[large]), int(kept[large])
        drawn = permute(pairing.seed, PAIR_STREAM + int(group[first[large]]), total, np.arange(taken))
        numbers[begins[large] : begins[large] + taken] = before[large] + np.sort(drawn)
    second = np.searchsorted(ends, numbers, side="right")
    ahead = begin[second] + numbers - (ends[second] - better[second])
    if (kept < counts).any():
        notes.append(
            f"{int(kept.sum()):,} of {int(counts.sum()):,} pairs are drawn, at most {most:,} of one group."
        )
    weights = np.repeat(1 / np.maximum(kept, 1), kept)
    return Pairs(items[ahead], items[second], group[second], weights, int((counts > 0).sum()), tuple(notes))


def _notes(unknown: int, sizes: Int64s, counts: Int64s, names: Sequence[str]) -> list[str]:
    rank, group = names
    notes: list[str] = []
    if unknown:
        notes.append(
            f"{unknown:,} {'item has' if unknown == 1 else 'items have'} no {rank} or no {group}: left out."
        )
    single = int((sizes == 1).sum())
    if single:
        makes = "makes" if single == 1 else "make"
        notes.append(f"{single:,} {groups_word(single, group)} of one item {makes} no pair.")
    ties = int((sizes * (sizes - 1) // 2).sum() - counts.sum())
    if ties:
        are = "pair of equal {} is" if ties == 1 else "pairs of equal {} are"
        notes.append(f"{ties:,} {are.format(rank)} left out.")
    return notes


def groups_word(count: int, name: str) -> str:
    """The word for so many groups; the plural of their column's name is not known."""
    of = "" if name == "group" else f' of "{name}"'
    return f"group{of}" if count == 1 else f"groups{of}"
