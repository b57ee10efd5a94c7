"""The outcome of a comparison in sentences and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from epochal.choose.comparison.comparison import Comparison, Row
from epochal.choose.comparison.recommend import within_one_error
from epochal.choose.statistics.paired_statistics import MIN_PAIRS
from epochal.choose.statistics.time_to_target import format_amount
from epochal.common.metric_names import constant_of, label_of
from epochal.common.option_text import render_message
from epochal.common.text import aligned, counted, duration

UNBEATEN = "No setting is shown to beat the baseline"

MAX_NAMES = 5  # settings that a sentence names one by one


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
            f"{label_of(found.monitor).capitalize()} was {rows[0].quality.mean:.4g} in all trainings: it "
            "cannot tell the settings apart. Compare them by another metric (monitor), or train longer."
        )
    sentence = _used(found)
    if len(found.rows) == 1:
        only = found.rows[0]
        result = f"{_start(only.name)} reaches {_quality(found, only)}"
        sentence = f"{result}; there is no other setting to compare it with."
    if found.baseline_not_beaten is not None:
        baseline = found.recommended_row.quality.format_value(found.baseline_not_beaten)
        sentence = f"{UNBEATEN} ({constant_of(found.monitor)}), which has {baseline}. {sentence}"
    missed = [row.updates_to_target for row in found.rows if row.updates_to_target is not None]
    if missed and all(one.reached == 0 for one in missed):
        quality = found.rows[0].quality
        sentence += (
            f" The target of {found.target_value:.4g} was not reached by any setting within "
            f"{found.budget.partition(' each')[0]}; the best mean is {quality.format_value(quality.mean)}."
        )
    return sentence


def use(found: Comparison) -> str:
    """Which setting to use, in a few words: the same in every interface."""
    return f"Use {_titled(found, found.recommended_row.name)}"


def at_best(row: Row) -> str:
    """When a setting was at its best, such as "around epoch 3 of 40"."""
    epoch, last = row.best_epoch.mean, f"{row.epochs:,.0f}" if row.epochs >= 10 else f"{row.epochs:.3g}"
    whole = epoch >= 10 or all(one.is_integer() for one in row.best_epoch.per_repeat if math.isfinite(one))
    return f"around epoch {f'{epoch:.0f}' if whole else f'{epoch:.2g}'} of {last}"


def _constant(found: Comparison) -> bool:
    """Whether all settings were equally good in each repeat, so that nothing was compared."""
    if len(found.rows) < 2:
        return False
    values = np.array([row.quality.per_repeat for row in found.rows if not row.dropped])
    return bool(values.size and np.isfinite(values).all() and np.ptp(values) == 0)


def _used(found: Comparison) -> str:
    row = found.recommended_row
    if row.repeats < MIN_PAIRS and len(found.tied) > 1:
        what = "mean" if row.repeats > 1 else "value"
        return f"{too_few(row.repeats)}. {_start(row.name)} has the best {what}: {_quality(found, row)}."
    sentence = f"{use(found)}: {', '.join(_against_others(found, row))}. {_start(_quality(found, row))}."
    best = found.row(found.best)
    if row is best or row.difference is None:
        return sentence
    ahead = row.difference.differences.format_value(abs(row.difference.mean))
    higher = "higher" if found.higher_is_better else "lower"
    near = "less than matters" if row.difference.equivalent else "within one standard error"
    near = f": {near}" if row.difference.equivalent or within_one_error(row.difference) else ""
    return f"{sentence} {_start(_titled(found, best.name))} has the best mean, {ahead} {higher}{near}."


def _against_others(found: Comparison, row: Row) -> list[str]:
    """How the recommended setting stands to the others: what was shown, and what was not."""
    finite = [other for other in found.rows if other is not row and math.isfinite(other.quality.mean)]
    best = found.row(found.best)
    same = [other for other in finite if other.name in found.same]
    unclear = [other for other in finite if other.name in found.tied and other not in same]
    rest = [other for other in finite if other not in [*same, *unclear]]
    failed = [other for other in rest if failure(found, other)]
    rest = [other for other in rest if other not in failed]
    early = [other for other in rest if other.difference and other.difference.better != best.name]
    worse = [other for other in rest if other not in early]
    parts = ["the best mean"] if row is best and (same or unclear or failed) else []
    if same:
        parts.append(f"as good as {_those(found, same)} (within {found.margin:.2g})")
    if unclear:
        parts.append(
            f"no significant difference from {_those(found, unclear)} with {counted(row.repeats, 'repeat')}"
        )
    if row is not best:
        factor = best.seconds / row.seconds
        times = f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"
        parts.append(f"{times} times faster than {_those(found, [best])}")
    tails: list[str] = []
    if row.diverged:
        tails.append(f"{row.name} itself diverged in {row.diverged} of {counted(row.repeats, 'repeat')}")
    here = " on these validation samples" if found.same_split else ""
    if worse and row is best:
        parts.append(f"significantly better than {_those(found, worse, of=finite)}{here}")
    elif worse:
        are = "is" if len(worse) == 1 else "are"
        tails.append(f"{_those(found, worse)} {are} significantly worse than {_those(found, [best])}{here}")
    if early:
        were = "was" if len(early) == 1 else "were"
        ahead = [found.row(name) for name in {other.dropped.than: 0 for other in early if other.dropped}]
        behind = f"significantly worse than {_those(found, ahead)}"
        tails.append(f"{_those(found, early)} {were} dropped early, {behind}")
    diverged = [other for other in failed if other.diverged > row.diverged]
    useless = [other for other in failed if other not in diverged]
    if diverged:
        tails.append(f"{_those(found, diverged)} diverged in some repeats")
    if useless:
        far = "" if found.baseline_not_beaten is None else "far "
        tails.append(f"{_those(found, useless)} did {far}worse than the baseline on average")
    if tails:
        return ["; ".join([", ".join(parts), *tails] if parts else tails)]
    return parts or ["the only one whose loss stayed finite"]


def failure(found: Comparison, row: Row) -> str:
    """Why a setting is not tied with the best one though no test tells them apart; empty if one does."""
    if row.dropped is not None or row.difference is None or row.difference.better is not None:
        return ""
    if row.diverged > found.row(found.best).diverged:
        return f"not finite in {row.diverged} of {row.repeats}"
    return f"{'' if found.baseline_not_beaten is None else 'far '}worse than the baseline"


def _those(found: Comparison, rows: Sequence[Row], of: Sequence[Row] = ()) -> str:
    if len(rows) == len(of) > 1:
        return f"all {len(rows)} others"
    if len(rows) > (2 if of else MAX_NAMES):
        return f"{len(rows)} others"
    names = [row.name for row in sorted(rows, key=lambda row: (row.batch_size, row.name))]
    return join_names([name.removeprefix("batch ") for name in names] if _only_sizes(found) else names)


def _only_sizes(found: Comparison) -> bool:
    return all(set(row.axes) == {"batch_size"} for row in found.rows)


def _titled(found: Comparison, name: str) -> str:
    size = name.removeprefix("batch ")
    return f"batch size {size}" if size != name and _only_sizes(found) else name


def _quality(found: Comparison, row: Row) -> str:
    quality = row.quality
    spread = f"sd {quality.format_value(quality.sd)}, " if quality.sd is not None else ""
    rmse = row.metrics.get(f"{found.monitor.removesuffix('loss')}rmse")
    units = "" if rmse is None else f" (RMSE {rmse.format_value(rmse.mean)})"
    return (
        f"{label_of(found.monitor)} {quality.format_value(quality.mean)}{units} "
        f"({spread}{counted(quality.repeats, 'repeat')}), best {at_best(row)}"
    )


def _start(name: str) -> str:
    return name[:1].upper() + name[1:]


def join_names(names: Sequence[str], most: int | None = None) -> str:
    """Names in a row, or the first `most` and how many more there are.

    >>> join_names(["1", "8", "32"]), join_names(["1", "8", "32", "128"], most=2)
    ('1, 8 and 32', '1, 8 and 2 more')
    """
    comma = "; " if any("," in name for name in names) else ", "
    if most is not None and len(names) > most:
        return f"{comma.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{comma.join(names[:-1])} and {names[-1]}"


def too_few(repeats: int) -> str:
    """That so many repeats tell nothing.

    >>> too_few(1)
    '1 repeat is too few for a significant difference'
    """
    return (
        f"{counted(repeats, 'repeat')} {'is' if repeats == 1 else 'are'} too few for a significant difference"
    )


def ranged(low: str, high: str) -> str:
    """An interval; a dash is no minus.

    >>> ranged("0.1", "0.2"), ranged("-0.1", "0.2")
    ('0.1–0.2', '-0.1 to 0.2')
    """
    return f"{low} to {high}" if "-" in (low[:1], high[:1]) or "+" in (low[:1], high[:1]) else f"{low}–{high}"


def telling(write: Callable[[float], str], *ends: float) -> Callable[[float], str]:
    """What writes numbers, with so many digits that no end of an interval looks like zero and is not.

    >>> telling("{:.3f}".format, 0.0004, 0.004)(0.002), telling("{:.3f}".format, 0.001, 0.004)(0.002)
    ('0.0020', '0.002')
    """
    smallest = min((abs(end) for end in ends if end and math.isfinite(end)), default=1.0)
    if smallest < 1e-12 or set(write(smallest)) & set("123456789"):
        return write
    return f"{{:,.{-math.floor(math.log10(smallest))}f}}".format


def cells_of(found: Comparison) -> list[tuple[str, ...]]:
    """A table of the settings: its head, and a row for each, the recommended one first."""
    head = (
        "", "", "rate", found.monitor, "sd", "to the best mean", "repeats", "best epoch", "updates",
        "time", "updates to target",
    )  # fmt: skip
    body = [
        (
            mark_of(found, row),
            row.name,
            "" if row.tuned is None else f"{row.tuned.rate:.3g}",
            row.quality.format_value(row.quality.mean) if row.quality.repeats else "not finite",
            "" if row.quality.sd is None else row.quality.format_value(row.quality.sd),
            behind(found, row),
            f"{row.repeats}{' (dropped)' if row.dropped else ''}",
            f"{row.best_epoch.mean:.3g}" if row.quality.repeats else "",
            f"{row.updates:,}",
            duration(row.seconds),
            ert_in_words(row),
        )
        for row in found.rows
    ]
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
    return "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in used)


def behind(found: Comparison, row: Row) -> str:
    """By how much a setting is behind the best mean, with the interval."""
    paired = row.difference
    if row.name == found.best and len(found.rows) > 1 and row.quality.repeats:
        return "best mean"
    if paired is None or not math.isfinite(paired.mean):
        return ""
    sign = 1 if found.higher_is_better else -1
    ends = paired.interval
    format_value = telling(paired.differences.format_value, *(ends or ()))
    middle = -sign * paired.mean
    shown = f"{'+' if middle > 0 else ''}{format_value(middle)}"
    if ends is None:
        return shown
    low, high = sorted(-sign * end for end in ends)
    return f"{shown} ({ranged(format_value(low), format_value(high))})"


def lines_of(found: Comparison) -> list[str]:
    """A table of the settings in plain text."""
    table = cells_of(found)
    marks = marks_of(found) if len(found.rows) > 1 else ""
    return [*aligned(table, right=range(2, len(table[0]))), *([f"{marks}."] if marks else [])]


def ert_in_words(row: Row) -> str:
    """The expected updates to the target, and how many repeats reached it if not all; empty without one."""
    ert = row.updates_to_target
    if ert is None or not ert.reached:
        return "" if ert is None else "not reached"
    some = f" ({ert.reached}/{ert.repeats})" if ert.reached < ert.repeats else ""
    return f"{format_amount(ert.expected)}{some}"


def text(found: Comparison) -> str:
    """The answer, a line for each setting, and the notes."""
    lines = [found.answer, "", *lines_of(found)]
    if found.target_value is not None:
        lines += ["", f"Target: {found.monitor} {found.target_value:.4g} on average ({found.target_text})."]
        lines.append("Updates to it are expected ones; in brackets, how many repeats reached it.")
    if found.hyperbola is not None:
        lines.append(f"Updates to the target: {found.hyperbola}.")
    if found.notes:
        lines += ["", *map(render_message, found.notes)]
    cost = found.usage
    lines += ["", f"{cost.trainings:,} trainings, {cost.updates:,} updates, {duration(cost.seconds)}."]
    return "\n".join(lines)
