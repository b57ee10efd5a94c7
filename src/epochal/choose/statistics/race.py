"""Early dropping of settings that are clearly worse.

The repeats run in rounds with a look after each. Repeated looks inflate the error rate, so they share one
level (alpha spending; Lan & DeMets 1983): the early ones a quarter, evenly, and the last one keeps the rest.
The shares add up, whatever the dependence of the looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.statistics.paired_statistics import ALPHA, MIN_PAIRS, default_margin
from epochal.choose.statistics.paired_test import PairedDifference, against, best, comparisons_of
from epochal.common.text import counted

EARLY = 0.25  # the share of alpha that all looks before the last spend together
_OVERWHELMING = 0.01  # a p-value below this share of what suffices cannot be the luck of one leader


@dataclass(frozen=True)
class Dropped:
    """A dropped setting: its name, its number of repeats, and the reason.

    `than` is the leader it lost to; empty where it has no finite value.
    """

    name: str
    after: int
    reason: str
    than: str = ""

    def __str__(self) -> str:
        return f"{self.name} was dropped after {counted(self.after, 'repeat')}: {self.reason}"


@dataclass(frozen=True)
class RaceResult:
    """How a race ended."""

    best: str  # the setting with the best mean, among those with all repeats
    tied: tuple[str, ...]  # those not significantly worse, itself included; nothing that was dropped
    # of the best and each other setting; for one that was dropped as worse than the best, at that look
    differences: Mapping[str, PairedDifference]
    dropped: Mapping[str, Dropped]  # by name
    margin: float  # the smallest difference that matters
    comparisons: int  # that the correction at the last look covers; `share` is that look's share of alpha
    share: float


def rounds(repeats: int) -> tuple[int, ...]:
    """The numbers of repeats at the looks: halves of the whole, down to 3.

    >>> rounds(5), rounds(10), rounds(30)
    ((3, 5), (3, 5, 10), (3, 7, 15, 30))
    """
    looks = [repeats]
    while looks[0] // 2 >= MIN_PAIRS:
        looks.insert(0, looks[0] // 2)
    if looks[0] > MIN_PAIRS + 1:
        looks.insert(0, MIN_PAIRS)
    return tuple(looks)


def shares(looks: int) -> tuple[float, ...]:
    """The share of alpha for each look; they sum to 1.

    >>> shares(1), shares(3)
    ((1.0,), (0.125, 0.125, 0.75))
    """
    return (1.0,) if looks == 1 else (*(EARLY / (looks - 1),) * (looks - 1), 1 - EARLY)


def race(
    names: Sequence[str],
    repeats: int,
    train: Callable[[Sequence[str], int, int], Mapping[str, Sequence[float]]],
    *,
    higher_is_better: bool = False,
    margin: float | None = None,
    on_drop: Callable[[Dropped], None] | None = None,
) -> RaceResult:
    """Train the repeats in rounds, and give up the settings that are clearly behind.

    `train` takes settings, the repeats that they have and those that they shall have, and gives their values
    in all repeats so far. Without a `margin` that of the leader is taken (`default_margin`).

    >>> random = np.random.default_rng(0)
    >>> losses = {"8": random.normal(0.3, 0.02, 10), "16": random.normal(0.9, 0.02, 10)}
    >>> found = race(["8", "16"], 10, lambda live, _, wanted: {name: losses[name][:wanted] for name in live})
    >>> found.best, found.tied, found.dropped["16"].after
    ('8', ('8',), 3)
    """
    looks = rounds(repeats)
    values: dict[str, Sequence[float]] = {}
    dropped: dict[str, Dropped] = {}
    apart: dict[str, PairedDifference] = {}
    live, done = list(names), 0
    for look, share in zip(looks, shares(len(looks)), strict=True):
        values |= train(live, done, look)
        done = look
        if len(live) > 1 and look < repeats:
            now = {name: values[name] for name in live}
            for one, found in clearly_worse(
                now, higher_is_better=higher_is_better, share=share, margin=margin
            ):
                dropped[one.name] = one
                if found is not None:
                    apart[one.name] = found
                if on_drop is not None:
                    on_drop(one)
            live = [name for name in live if name not in dropped]
            if not live:
                break
    share = shares(len(looks))[-1]
    leader = best({name: values[name] for name in live or values}, higher_is_better=higher_is_better)
    if margin is None:
        margin = default_margin(np.asarray(values[leader], dtype=np.float64))
    comparisons = comparisons_of({name: values[name] for name in live})
    pairs = against(
        values, leader, higher_is_better=higher_is_better, share=share, margin=margin, comparisons=comparisons
    )
    # What was dropped behind another one was not tested against this leader: the correction leaves it out.
    differences = {one.b: replace(one, better=None) if one.b in apart else one for one in pairs}
    differences |= {name: one for name, one in apart.items() if one.a == leader}
    tied = tuple(
        name
        for name in live
        if np.isfinite(values[name]).any()
        and (name == leader or differences[name].better != differences[name].a)
    )
    return RaceResult(leader, tied, differences, dropped, margin, comparisons, share)


def clearly_worse(
    values: Mapping[str, ArrayLike],
    *,
    higher_is_better: bool = False,
    share: float = 1.0,
    margin: float | None = None,
) -> list[tuple[Dropped, PairedDifference | None]]:
    """Which settings get no more repeats after a round of them, in the given order.

    A setting is dropped when it is significantly worse than the leader (`paired_test.against`, at this look's
    share of alpha): by a paired t test with the spread that all settings share, corrected for all pairs,
    since the leader may be picked by luck.

    All settings are measured against the same leader. If its few repeats were lucky, all verdicts err
    together; hence at most half of the settings go at one look, the surest first. One whose p-value is a
    hundred times below what suffices goes in any case: no luck explains that. A setting without one finite
    value goes at once, and is kept for no reason; one that failed in some repeats is tested by ranks.

    Each comes with its difference from the leader, None where it has no finite value.

    >>> losses = {"8": [0.31, 0.29, 0.33], "16": [0.30, 0.31, 0.32], "full": [0.97, 0.95, 0.98]}
    >>> [(dropped, _)] = clearly_worse(losses, share=0.25)
    >>> print(dropped.reason)
    worse than 8 by 0.657 (p = 1.5e-06, corrected for 3 settings and all looks)
    """
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    after = min((column.size for column in columns.values()), default=0)
    columns = {name: column[:after] for name, column in columns.items()}
    failed = [name for name, column in columns.items() if not np.isfinite(column).any()]
    running = {name: column for name, column in columns.items() if name not in failed}
    gone: dict[str, tuple[Dropped, PairedDifference | None]] = {
        name: (Dropped(name, after, f"no finite value in any of {counted(after, 'repeat')}"), None)
        for name in failed
    }
    if len(running) > 1:
        behind = [
            found
            for found in against(running, higher_is_better=higher_is_better, share=share, margin=margin)
            if found.better == found.a
        ]
        behind.sort(key=lambda found: (found.p_value, -found.mean))
        sure = sum(found.p_adjusted < _OVERWHELMING * ALPHA for found in behind)
        most = min(max(sure, len(running) // 2), len(running) - 1)
        corrected = f"corrected for {counted(len(running), 'setting')} and all looks"
        for found in behind[:most]:
            by = f"by {found.differences.format_value(found.mean)}"
            if any(found.nonfinite):
                by = f"in {found.wins[0]} of {counted(found.pairs, 'repeat')}"
            reason = f"worse than {found.a} {by} (p = {found.p_adjusted:.2g}, {corrected})"
            gone[found.b] = Dropped(found.b, after, reason, found.a), found
    return [gone[name] for name in columns if name in gone]
