"""How is the outcome of a comparison said to someone who has just begun?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from epochal.choose.pairs import FEWEST
from epochal.directions import label_of

if TYPE_CHECKING:
    from epochal.choose.comparison import Comparison, Row

__all__ = ["answer", "called", "repeats_of", "said_time", "taken", "too_few"]


MOST_NAMES = 5
"""Settings that a sentence names one by one."""


def answer(found: Comparison) -> str:
    """The answer in a sentence or two."""
    rows = [row for row in found.rows if math.isfinite(row.quality.mean)]
    if not rows:
        return (
            "No setting can be trained: the loss was not finite in any training. Use lower learning rates, "
            "or look for extreme values in the data."
        )
    if _constant(found):
        return (
            f"{label_of(found.column).capitalize()} was {rows[0].quality.mean:.4g} in all trainings: it "
            "cannot tell the settings apart. Judge them by another column (monitor), or train longer."
        )
    sentence = _single(found) if len(found.rows) == 1 else _told(found)
    missed = [row for row in found.rows if row.effort is not None]
    if missed and all(row.effort is not None and row.effort.reached == 0 for row in missed):
        first = found.rows[0]
        sentence += (
            f" The target of {found.target:.4g} was not reached by any setting within {_within(found)}; the "
            f"best mean is {first.quality.written(first.quality.mean)}."
        )
    return sentence


def taken(found: Comparison) -> str:
    """Which setting to take, and whether it has only the best mean."""
    if len(found.tied) < 2:
        return found.best
    return f"{found.best}, which has the best {_level(found.row(found.best))}"


def _level(row: Row) -> str:
    return "mean" if row.repeats > 1 else "value"


def _within(found: Comparison) -> str:
    return found.at.partition(" each")[0]


def _constant(found: Comparison) -> bool:
    """Whether all settings were equally good in each repeat, so that nothing was compared."""
    if len(found.rows) < 2:
        return False
    values = np.array([row.quality.per_repeat for row in found.rows if not row.dropped])
    return bool(values.size and np.isfinite(values).all() and np.ptp(values) == 0)


def _single(found: Comparison) -> str:
    row = found.rows[0]
    return f"{_start(row.name)} reaches {_figure(found, row)}; there is no other setting to compare it with."


def _told(found: Comparison) -> str:
    leader = found.row(found.best)
    others = [found.row(name) for name in found.tied if name != found.best]
    if not others:
        return f"{_start(leader.name)} is best: {_figure(found, leader)}.{_runner_up(found)}"
    together = [leader, *others]
    if leader.repeats < FEWEST:
        return (
            f"{too_few(leader.repeats)}. "
            f"{_start(leader.name)} has the best {_level(leader)}: {_figure(found, leader)}."
        )
    cheapest = min(together, key=lambda row: row.seconds)
    least = cheapest.seconds
    time = (
        f"{cheapest.name} takes the least time, {said_time(least)} a training"
        if least < 0.95 * max(row.seconds for row in together)
        else "all of them take about the same time"
    )
    ordered = [row.name for row in sorted(together, key=lambda row: (row.batch_size, row.name))]
    names = called(ordered) if len(ordered) <= MOST_NAMES else _share_of(len(ordered), len(found.rows))
    rest = "; the others are worse" if len(together) < len(found.rows) else ""
    return (
        f"No detectable difference between {names} with {repeats_of(leader.repeats)}{rest}; {time}. "
        f"{_start(leader.name)} has the best mean: {_figure(found, leader)}."
    )


def _runner_up(found: Comparison) -> str:
    """By how much the best is ahead of the next."""
    others = [row for row in found.rows if row.difference is not None and math.isfinite(row.quality.mean)]
    if not others:
        return ""
    row = others[0]
    assert row.difference is not None
    value = row.quality.written(row.quality.mean)
    return f" The difference from all others is significant; the next is {row.name} with {value}."


def _figure(found: Comparison, row: Row) -> str:
    quality = row.quality
    own = found.at.startswith("its own")
    within = f"{row.epochs:,.6g} epochs" if own else _within(found)
    spread = f"sd {quality.written(quality.sd)}, " if quality.sd is not None else ""
    return (
        f"{label_of(found.column)} {quality.written(quality.mean)} "
        f"({spread}{repeats_of(quality.repeats)}) after {within}"
    )


def _start(name: str) -> str:
    return name[:1].upper() + name[1:]


def _share_of(some: int, whole: int) -> str:
    return f"the {whole} settings" if some == whole else f"{some} of the {whole} settings"


def called(names: Sequence[str]) -> str:
    """Names in a row.

    >>> called(["1", "8", "32"])
    '1, 8 and 32'
    """
    comma = "; " if any("," in name for name in names) else ", "
    return names[0] if len(names) == 1 else f"{comma.join(names[:-1])} and {names[-1]}"


def repeats_of(count: int) -> str:
    """A number of repeats in words."""
    return f"{count:,} repeat{'' if count == 1 else 's'}"


def too_few(repeats: int) -> str:
    """That so many repeats tell nothing.

    >>> too_few(1)
    '1 repeat is too few for a significant difference'
    """
    return f"{repeats_of(repeats)} {'is' if repeats == 1 else 'are'} too few for a significant difference"


def said_time(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> said_time(2.4e-5), said_time(0.35), said_time(7200.0), said_time(3.2 * 86400)
    ('24 µs', '0.35 s', '2 hours', '3.2 days')
    """
    for unit, size, least in (("days", 86400.0, 1.5), ("hours", 3600.0, 1.5), ("minutes", 60.0, 2.0)):
        if seconds >= least * size:
            return f"{seconds / size:.2g} {unit}"
    if seconds >= 0.1:
        return f"{seconds:.3g} s" if seconds >= 10 else f"{seconds:.2g} s"
    if seconds >= 1e-3:
        return f"{_two(seconds * 1e3)} ms"
    return f"{_two(seconds * 1e6)} µs"


def _two(value: float) -> str:
    """Two digits, without an exponent.

    >>> _two(928.0), _two(2.43), _two(14.2)
    ('930', '2.4', '14')
    """
    return f"{float(f'{value:.2g}'):g}"
