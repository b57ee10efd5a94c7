"""The recommended setting of a comparison.

The fastest of those whose mean is within one standard error of the best (Breiman et al. 1984, section 3.4.3),
or that are shown to be practically the same; never one that is detectably worse. One standard error, and not
just any undetected difference: with few repeats even large differences are undetected. For the same reason no
setting whose mean is behind by more than a tenth of what the best one is from perfect, or from the baseline.
Of those that are as fast, the one with the best mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from epochal.choose.comparison import Row
from epochal.choose.paired_statistics import FEWEST_PAIRS
from epochal.choose.paired_test import PairedDifference, against
from epochal.choose.race import RaceResult
from epochal.choose.sentences import FASTER

NEAR_BEST = 0.1
"""How far the mean of a faster setting may be behind the best one, as a share of what that is from
perfect, or from the baseline if that is nearer. (Arbitrary.)"""


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
    most = NEAR_BEST * min(
        [abs(best.quality.mean - end) for end in ends if math.isfinite(end)], default=abs(best.quality.mean)
    )
    faster = [row for row in tied if row.seconds < FASTER * best.seconds and not row.diverged]
    near = [row for row in faster if best.repeats >= FEWEST_PAIRS and _near(row.difference, most)]
    chosen = best
    if near:
        fastest = min(row.seconds for row in near)
        as_fast = [row for row in faster if FASTER * row.seconds <= fastest]
        sign = -1.0 if higher_is_better else 1.0
        chosen = min(as_fast, key=lambda row: (sign * row.quality.mean, row.seconds))
    found = against(
        values,
        chosen.name,
        higher_is_better=higher_is_better,
        share=outcome.share,
        margin=outcome.margin,
        comparisons=outcome.comparisons,
    )
    same = {one.b for one in found if one.equivalent} | {chosen.name}
    return chosen.name, tuple(name for name in outcome.tied if name in same)


def _near(found: PairedDifference | None, most: float) -> bool:
    """Whether a setting is practically as good as another one, or within one standard error and `most`."""
    if found is None or any(found.unfinished) or found.sd is None:
        return False
    return found.equivalent or found.mean <= min(found.sd / math.sqrt(found.pairs), most)
