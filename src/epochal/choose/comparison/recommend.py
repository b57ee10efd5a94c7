"""The recommended setting of a comparison.

The fastest of those whose mean is within one standard error of the best (Breiman et al. 1984, section 3.4.3),
or that are shown to be practically the same; never one that is significantly worse. One standard error, and
not just any difference that is not significant: with few repeats even large ones are not. For the same reason
no setting whose mean is behind by more than a tenth of what the best one is from perfect, or from the
baseline. Of those that are as fast, the one with the best mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from epochal.choose.comparison.comparison import Row
from epochal.choose.statistics.paired_statistics import MIN_PAIRS
from epochal.choose.statistics.paired_test import PairedDifference, against
from epochal.choose.statistics.race import RaceResult

FASTER = 2 / 3
"""A setting must take less than this share of the time to be called faster, and preferred for it.

Arbitrary: on a busy machine the times of equal work differ by less.
"""

NEAR_BEST = 0.1
"""How far the mean of a faster setting may be behind the best one, as a share of what that is from
perfect, or from the baseline if that is nearer. (Arbitrary.)"""

LUCKY_DISTANCE = 2.0
"""The least distance of the best of many evaluations below their mean, in units of their scatter."""


def recommended(
    rows: Mapping[str, Row],
    outcome: RaceResult,
    values: Mapping[str, Sequence[float]],
    higher_is_better: bool,
    ends: Sequence[float],
) -> tuple[str, tuple[str, ...]]:
    """The setting to use, and those that are practically the same as it, itself included.

    `ends` are the best possible value and the baseline; not finite where there is none.
    """
    best, tied = rows[outcome.best], [rows[name] for name in outcome.tied]
    compared_with = partial(
        against,
        values,
        higher_is_better=higher_is_better,
        share=outcome.share,
        margin=outcome.margin,
        comparisons=outcome.comparisons,
    )
    near = [best]
    if best.repeats >= MIN_PAIRS:
        lead = _steadiest(best, tied, higher_is_better)
        apart = {row.name: row.difference for row in tied}
        if lead is not best:
            apart = {one.b: one for one in compared_with(lead.name)}
        mean = lead.quality.mean
        most = NEAR_BEST * min([abs(mean - end) for end in ends if math.isfinite(end)], default=abs(mean))
        near = [row for row in tied if row is lead or _near(apart.get(row.name), most)] or near
    steady = [row for row in near if not lucky(row, near)]
    chosen, sign = best, -1.0 if higher_is_better else 1.0
    max_seconds = FASTER * best.seconds if best in steady else math.inf
    if faster := [row for row in steady or near if row.seconds < max_seconds]:
        chosen = min(faster, key=lambda row: row.seconds)
        max_seconds = min(max_seconds, chosen.seconds / FASTER)
        as_fast = [
            row for row in tied if row.seconds < max_seconds and not (row.diverged or lucky(row, tied))
        ]
        chosen = min([chosen, *as_fast], key=lambda row: sign * row.quality.mean)
    same = {one.b for one in compared_with(chosen.name) if one.equivalent} | {chosen.name}
    return chosen.name, tuple(name for name in outcome.tied if name in same)


def _steadiest(best: Row, tied: Sequence[Row], higher_is_better: bool) -> Row:
    """The best one, or the best of those by whose steadier curves its mean may be luck."""
    sign = -1.0 if higher_is_better else 1.0
    lead = best
    while rivals := [row for row in tied if row is not lead and lucky(lead, [row])]:  # each twice as steady
        lead = min(rivals, key=lambda row: sign * row.quality.mean)
    return lead


def _near(found: PairedDifference | None, most: float) -> bool:
    """Whether a setting is practically as good as another one, or within one standard error and `most`."""
    if found is None or any(found.unfinished) or found.sd is None:
        return False
    return found.equivalent or found.mean <= min(found.sd / math.sqrt(found.pairs), most)


def lucky(row: Row, others: Sequence[Row]) -> bool:
    """Whether the epoch that each training of a setting keeps may be luck, since its curve is unsteady.

    That matters where another one is much steadier and nearly as good: the best of many evaluations lies
    below what the kept weights reach on new rows, and the further the more they scatter.
    """
    return any(
        other.noise < row.noise / 2
        and not other.dropped
        and abs(other.quality.mean - row.quality.mean) < LUCKY_DISTANCE * row.noise
        for other in others
    )
