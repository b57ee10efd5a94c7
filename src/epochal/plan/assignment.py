"""Exact class counts of each batch, and the class at each position of an epoch.

Whole numbers, the same in every epoch. A segment of M batches of b samples gets of each class its quota by
largest remainder, whole in the sum over the segment. Each of its batches gets floor(quota / M) of the class;
what is left over, fewer than M of each class, is laid end to end, class after class, and assigned to the
batches in turn: so each batch has the same number of extras and no class twice among them. Within a segment
the counts of a class differ by at most one, and each is the floor or the ceiling of quota / M.

`classwise` then permutes batches, slots and the samples of a class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from epochal.plan.permutation import Int64s
from epochal.plan.walk import Segments


class Assignment(NamedTuple):
    """The class at each place of an epoch, and which turn of the class it is; both (turns,)."""

    classes: Int64s
    turns: Int64s


def whole(segments: Segments, turns: int) -> Segments:
    """The segments, with the left-out samples as one more batch.

    >>> whole(((2, 400),), 1000)
    ((2, 400), (1, 200))
    """
    rest = turns - sum(count * size for count, size in segments)
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
    """Assign classes, and their turns from 0, to the places of an epoch that is cut into these segments.

    Args:
        totals: turns of each class in an epoch.
        segments: (how many, of which size), together as many as `totals`.

    >>> assign(np.array([4, 2]), ((2, 3),)).classes.reshape(2, 3).tolist()
    [[0, 0, 1], [0, 0, 1]]
    """
    left, done = totals.copy(), np.zeros_like(totals)
    classes, turns = [], []
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
        turns.append(np.concatenate([nth, over], axis=1).reshape(-1))
        left, done = left - quota, done + quota
    return Assignment(np.concatenate(classes), np.concatenate(turns))
