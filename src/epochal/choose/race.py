"""Which settings need no more repeats, since they are clearly behind?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.paired import PairedDifference, against
from epochal.choose.pairs import ALPHA, FEWEST

__all__ = ["Dropped", "rounds", "survivors"]

_OVERWHELMING = 0.01
"""A p-value below this share of what suffices cannot be the luck of one leader."""


@dataclass(frozen=True)
class Dropped:
    """A setting that gets no more repeats: its name, after how many repeats, and why."""

    name: str
    after: int
    reason: str

    def __str__(self) -> str:
        return f"{self.name} was dropped after {_repeats(self.after)}: {self.reason}"


def rounds(repeats: int) -> tuple[int, ...]:
    """After how many repeats one looks: halves of the whole, down to 3.

    >>> rounds(5), rounds(10), rounds(30)
    ((3, 5), (3, 5, 10), (3, 7, 15, 30))
    """
    looks = [repeats]
    while looks[0] // 2 >= FEWEST:
        looks.insert(0, looks[0] // 2)
    if looks[0] > FEWEST + 1:
        looks.insert(0, FEWEST)
    return tuple(looks)


def survivors(
    values: Mapping[str, ArrayLike],
    *,
    higher_is_better: bool = False,
    looks: int,
    alpha: float = ALPHA,
    keep_at_least: int = 1,
) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """Which settings get more repeats, after one more round of them.

    A setting is dropped when it is detectably worse than the leader (`paired.against`, at alpha / looks):
    by a paired t test with the spread that all settings share, corrected by Holm for all pairs, since the
    leader is picked for what may be luck.

    All settings are measured against the same leader. If its few repeats were lucky, all verdicts err
    together; hence at most half of the settings go at one look, the surest first. One whose p-value is a
    hundred times below what suffices goes in any case: no luck explains that. A setting without one finite
    value goes at once, and is kept for no reason; one that failed in some repeats is judged by ranks.

    Args:
        values: one value for each repeat so far, by setting; only those still in the race.
        higher_is_better: True for an accuracy, False for a loss.
        looks: how often one looks in all, for the correction.
        alpha: how often the truly best setting may be dropped, over all looks.
        keep_at_least: how many settings stay, however far behind.

    Returns:
        The names that stay, and what was dropped with its reason, both in the given order.

    >>> losses = {"8": [0.31, 0.29, 0.33], "16": [0.30, 0.31, 0.32], "full": [0.97, 0.95, 0.98]}
    >>> kept, dropped = survivors(losses, looks=2)
    >>> kept
    ('8', '16')
    >>> print(dropped[0].reason)
    worse than 8 by 0.657 (p = 7.7e-07, corrected for 3 settings and 2 looks)
    """
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    after = min((column.size for column in columns.values()), default=0)
    columns = {name: column[:after] for name, column in columns.items()}
    failed = [name for name, column in columns.items() if not np.isfinite(column).any()]
    running = {name: column for name, column in columns.items() if name not in failed}
    reasons = {name: f"no finite value in any of {_repeats(after)}" for name in failed}
    if len(running) > keep_at_least:
        level = alpha / looks
        behind = [
            found
            for found in against(running, higher_is_better=higher_is_better, alpha=level)
            if found.better == found.a
        ]
        behind.sort(key=lambda found: (found.p_value, -found.mean))
        sure = sum(found.p_adjusted < _OVERWHELMING * level for found in behind)
        most = min(max(sure, len(running) // 2), len(running) - keep_at_least)
        reasons |= {found.b: _reason(found, len(running), looks) for found in behind[:most]}
    dropped = tuple(Dropped(name, after, reasons[name]) for name in columns if name in reasons)
    return tuple(name for name in columns if name not in reasons), dropped


def _reason(found: PairedDifference, settings: int, looks: int) -> str:
    by = (
        f"in {found.wins[0]} of {_repeats(found.pairs)}"
        if any(found.unfinished)
        else f"by {found.differences.written(found.mean)}"
    )
    p_value = min(1.0, found.p_adjusted * looks)
    corrected = f"corrected for {_count(settings, 'setting')} and {_count(looks, 'look')}"
    return f"worse than {found.a} {by} (p = {p_value:.2g}, {corrected})"


def _repeats(number: int) -> str:
    return _count(number, "repeat")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
