"""The table of a comparison as text."""

from __future__ import annotations

import math

from epochal.choose.comparison import Comparison, Row
from epochal.choose.reached import Effort
from epochal.choose.words import ranged
from epochal.common.durations import duration
from epochal.common.faces import spoken
from epochal.common.layout import aligned


def cells_of(found: Comparison) -> list[tuple[str, ...]]:
    """A table of the settings: its head, and a row for each, the recommended one first."""
    head = (
        "", "", "rate", found.column, "sd", "to the best mean", "repeats", "best epoch", "updates",
        "time", "updates to target",
    )  # fmt: skip
    body = []
    for row in found.rows:
        quality = row.quality
        body.append(
            (
                mark_of(found, row),
                row.name,
                "" if row.tuned is None else f"{row.tuned.rate:.3g}",
                quality.written(quality.mean) if quality.repeats else "not finite",
                "" if quality.sd is None else quality.written(quality.sd),
                behind(found, row),
                f"{row.repeats}{' (dropped)' if row.dropped else ''}",
                f"{row.best_epoch.mean:.3g}" if quality.repeats else "",
                f"{row.updates:,}",
                duration(row.seconds),
                "" if row.effort is None else _effort(row.effort),
            )
        )
    return [head, *body]


MARKS = {
    "*": "recommended",
    "=": "practically the same as the recommended",
    "~": "no significant difference from the best mean",
}
"""How a setting stands; none for one that is worse."""


def mark_of(found: Comparison, row: Row) -> str:
    """The mark of a setting: see `MARKS`."""
    if row.name == found.recommended:
        return "*"
    if row.name not in found.tied or found.recommended is None:
        return ""
    return "=" if row.name in found.same else "~"


def marks_of(found: Comparison) -> str:
    """What the marks that occur mean."""
    used = {mark_of(found, row) for row in found.rows}
    return "; ".join(f"{mark} {words}" for mark, words in MARKS.items() if mark in used)


def behind(found: Comparison, row: Row) -> str:
    """By how much a setting is behind the best mean, in the unit of the judged column, with its interval."""
    paired = row.difference
    if row.name == found.best and len(found.rows) > 1 and row.quality.repeats:
        return "best mean"
    if paired is None or not math.isfinite(paired.mean):
        return ""
    sign = 1 if found.higher_is_better else -1
    written, ends = paired.differences.written, paired.interval
    middle = -sign * paired.mean
    shown = f"{'+' if middle > 0 else ''}{written(middle)}"
    if ends is None:
        return shown
    low, high = sorted(-sign * end for end in ends)
    return f"{shown} ({ranged(written(low), written(high))})"


def lines_of(found: Comparison) -> list[str]:
    """A table of the settings in plain text."""
    table = cells_of(found)
    marks = marks_of(found) if len(found.rows) > 1 else ""
    return [*aligned(table, right=range(2, len(table[0]))), *([f"{marks}."] if marks else [])]


def _effort(effort: Effort) -> str:
    if not effort.reached:
        return "not reached"
    share = "" if effort.reached == effort.repeats else f" ({effort.reached} of {effort.repeats} reached it)"
    return f"{effort.expected:,{'.3g' if effort.expected < 100 else '.0f'}}{share}"


def text(found: Comparison) -> str:
    """The answer, a line for each setting, and the notes."""
    lines = [found.answer, "", *lines_of(found)]
    if found.target is not None:
        lines += ["", f"Target: {found.column} {found.target:.4g} on average ({found.target_words})."]
    if found.hyperbola is not None:
        lines.append(f"Updates to the target: {found.hyperbola}.")
    if found.notes:
        lines += ["", *map(spoken, found.notes)]
    cost = found.cost
    lines += ["", f"{cost.trainings:,} trainings, {cost.updates:,} updates, {duration(cost.seconds)}."]
    return "\n".join(lines)
