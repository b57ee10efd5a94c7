"""The recommended setting of a comparison.

The fastest of those whose mean is within one standard error of the best (Breiman et al. 1984, section 3.4.3),
or that are shown to be practically the same; never one that is significantly worse. One standard error, and
not just any difference that is not significant: with few repeats even large ones are not. For the same reason
no setting whose mean is behind by more than a tenth of what the best one is from perfect, or from the
baseline. Of those that are as fast, the one with the best mean. Faster is what takes less time for all its
epochs and also up to its best one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from epochal.choose.comparison.comparison import Row
from epochal.choose.statistics.paired_statistics import MIN_PAIRS
from epochal.choose.statistics.paired_test import PairedDifference, against
from epochal.choose.statistics.race import RaceResult

FASTER = 1.5
"""So many times faster must a setting be to be called so, and preferred for it.

Arbitrary: on a busy machine the times of equal work differ by less.
"""

NEAR_BEST = 0.1
"""How far the mean of a faster setting may be behind the best one, as a share of what that is from
perfect, or from the baseline if that is nearer. (Arbitrary.)"""


def recommended(
    rows: Mapping[str, Row],
    outcome: RaceResult,
    tied_names: Sequence[str],
    values: Mapping[str, Sequence[float]],
    higher_is_better: bool,
    ends: Sequence[float],
) -> tuple[str, tuple[str, ...]]:
    """The setting to use, and those that are practically the same as it, itself included.

    `tied_names` are the settings without a significant difference from the best, itself included, and none
    that fails; `ends` are the best possible value and the baseline; not finite where there is none.
    """
    best, tied = rows[outcome.best], [rows[name] for name in tied_names]
    chosen, sign = best, -1.0 if higher_is_better else 1.0
    if best.repeats >= MIN_PAIRS:
        mean = best.quality.mean
        most = NEAR_BEST * min([abs(mean - end) for end in ends if math.isfinite(end)], default=abs(mean))
        fast = {row.name: times_faster(row, best) for row in tied if not row.diverged}
        fast = {name: times for name, times in fast.items() if times > FASTER}
        if near := [times for name, times in fast.items() if _near(rows[name].difference, most)]:
            as_fast = [rows[name] for name, times in fast.items() if times >= max(near) / FASTER]
            chosen = min(as_fast, key=lambda row: sign * row.quality.mean)
    same = against(
        values,
        chosen.name,
        higher_is_better=higher_is_better,
        share=outcome.share,
        margin=outcome.margin,
        comparisons=outcome.comparisons,
    )
    alike = {one.b for one in same if one.equivalent} | {chosen.name}
    return chosen.name, tuple(name for name in tied_names if name in alike)


def times_faster(row: Row, other: Row) -> float:
    """How many times faster a setting trains than another one: all epochs or up to the best, what is less."""
    best_at, others = (
        one.seconds * max(one.best_epoch.mean, min(1, one.epochs)) / one.epochs for one in (row, other)
    )
    return min(other.seconds / row.seconds, others / best_at)


def _near(found: PairedDifference | None, most: float) -> bool:
    """Whether a setting is practically as good as the best one, or within one standard error and `most`."""
    if found is None or any(found.nonfinite):
        return False
    return found.equivalent or (within_one_error(found) and found.mean <= most)


def within_one_error(found: PairedDifference) -> bool:
    """Whether a difference is at most its standard error."""
    return found.sd is not None and found.mean <= found.sd / math.sqrt(found.pairs)
