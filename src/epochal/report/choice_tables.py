"""Tables of the page about a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from epochal.choose.comparison import Comparison, Row, Tuned
from epochal.choose.difference import PairedDifference
from epochal.common.durations import duration
from epochal.common.metric_names import label_of
from epochal.curves import Summary
from epochal.report.choice_figures import by_size, standing
from epochal.report.choice_html import (
    Cell,
    block,
    count,
    interval,
    number,
    percent,
    quality,
    spread,
    table,
)
from epochal.report.choice_words import REGIMES, STANDINGS

__all__ = ["regimes_part", "settings_part", "tuning_part"]


def regimes_part(comparison: Comparison) -> str:
    """The best setting of each regime, side by side."""
    rows = {row.name: row for row in comparison.rows}
    lines = []
    for regime in comparison.regimes:
        key = regime.name.partition(" ")[0]
        name, meaning = REGIMES.get(key, (regime.name, ""))
        row = None if regime.row is None else rows.get(regime.row)
        title = f"<th scope=row>{escape(name)}<small>{escape(meaning)}</small></th>"
        if row is None:
            lines.append(f'<tr>{title}<td colspan="5">not among the settings</td></tr>')
            continue
        unsteady = "–" if math.isnan(row.noise) else number(row.noise)
        cells = (row.name, duration(row.seconds), f"{row.updates:,}", quality(row.quality), unsteady)
        lines.append(f"<tr>{title}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    if not lines:
        return ""
    heads = (
        "best setting",
        "time of a training",
        "updates",
        label_of(comparison.column),
        "jitter of the curve",
    )
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    note = (
        "Jitter is how far the curve jumps up and down around its trend from one evaluation to the next, "
        f"in units of the {escape(label_of(comparison.column))}."
    )
    return block(
        "regimes",
        "Batch, mini-batch and stochastic gradient descent compared",
        f'<div class="scroll" tabindex="0"><table class="rows regimes"><thead><tr><th scope=col>regime</th>'
        f'{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div><p class="note">{note}</p>',
    )


def settings_part(comparison: Comparison) -> str:
    """All measured settings, one per row."""
    columns = list(dict.fromkeys(name for row in comparison.rows for name in row.figures))
    target = any(row.effort is not None for row in comparison.rows)
    name = ("setting", "what differs")
    quality_heads = [
        name,
        ("standing", "against the setting with the best mean"),
        ("batch size", "samples per update"),
        ("learning rate", "how far one update goes"),
        ("repeats", "trainings with seeds of their own"),
        (label_of(comparison.column), "mean over repeats at the best epoch, with 95 % interval"),
        ("behind the best by", "mean paired difference, with 98 % interval for all settings together"),
        ("P(better)", "share of repeats in which it beat the best mean, with 95 % interval"),
        *((label_of(name), "mean over repeats at the same epoch") for name in columns),
        ("broken", "repeats whose loss was not finite"),
    ]
    cost_heads = [
        name,
        ("best epoch", "mean over repeats"),
        ("updates", "of one training"),
        *([("updates to target", "expected, with 95 % interval")] if target else []),
        ("one update", "measured time"),
        ("one training", "time without evaluations"),
        ("jitter", "how unsteady the curve is"),
    ]
    rows = by_size(comparison)
    good = table(quality_heads, [_quality(row, comparison, columns) for row in rows], "Quality")
    spent = table(cost_heads, [_spent(row, target) for row in rows], "Cost")
    note = "Click a heading to sort by it. “Behind the best by”: positive means worse than the best mean."
    inside = f'<h3>Quality</h3>{good}<h3>Cost</h3>{spent}<p class="note">{note}</p>'
    return block("settings", "All settings", inside)


def _quality(row: Row, comparison: Comparison, columns: Sequence[str]) -> list[Cell]:
    stands = standing(row, comparison)
    shape, words = STANDINGS[stands]
    if stands == "tied" and row.name == comparison.best:
        words = "best mean"
    elif stands == "tied" and row.name in comparison.same:
        words = "practically the same"
    lost = row.dropped
    why = "" if lost is None else f"<small>after {count(lost.after, 'repeat')}: {escape(lost.reason)}</small>"
    order = ("best", "tied", "worse", "dropped", "broken").index(stands)
    return [
        Cell(escape(row.name), row.name),
        Cell(f'<span class="stand">{shape} {escape(words)}</span>{why}', str(order)),
        Cell(f"{row.batch_size:,}", row.batch_size),
        Cell("–" if row.learning_rate is None else f"{row.learning_rate:.3g}", row.learning_rate),
        Cell(f"{row.repeats}", row.repeats),
        _summary(row.quality),
        *_difference(row),
        *(_summary(row.figures[name]) if name in row.figures else Cell("–") for name in columns),
        Cell(str(row.broken), row.broken),
    ]


def _spent(row: Row, target: bool) -> list[Cell]:
    return [
        Cell(escape(row.name), row.name),
        Cell(number(row.best_epoch.mean), row.best_epoch.mean),
        Cell(f"{row.updates:,}", row.updates),
        *([_effort(row)] if target else []),
        Cell(duration(row.update_seconds), row.update_seconds),
        Cell(duration(row.seconds), row.seconds),
        Cell("–" if math.isnan(row.noise) else number(row.noise), row.noise),
    ]


def _summary(summary: Summary) -> Cell:
    ends = f"<small>{escape(spread(summary))}</small>" if summary.ci95 is not None else ""
    return Cell(escape(quality(summary)) + ends, summary.mean)


def _difference(row: Row) -> tuple[Cell, Cell]:
    """The difference to the best setting, and how often this one won."""
    found = row.difference
    if found is None:
        return Cell("–", 0.0), Cell("–")
    behind, ends = _behind(found, row.name)
    share = found.probability if found.a == row.name else 1 - found.probability
    low, high = (
        found.probability_ci if found.a == row.name else tuple(1 - p for p in found.probability_ci[::-1])
    )
    written = found.differences.written
    said = written(behind) if math.isfinite(behind) else "–"
    if ends is not None:
        said += f"<small>{escape(interval(*ends, write=written))}</small>"
    return Cell(said, behind), Cell(
        f"{percent(share)}<small>{100 * low:.0f} to {percent(high)}</small>", share
    )


def _behind(found: PairedDifference, name: str) -> tuple[float, tuple[float, float] | None]:
    """The difference by which `name` is worse, with its interval."""
    if found.b == name:
        return found.mean, found.interval
    return -found.mean, None if found.interval is None else (-found.interval[1], -found.interval[0])


def _effort(row: Row) -> Cell:
    found = row.effort
    if found is None:
        return Cell("–")
    if found.reached == 0:
        return Cell(f"not reached<small>{escape(str(found))}</small>")
    aside = "" if found.reached == found.repeats else f"; reached in {found.reached} of {found.repeats}"
    return Cell(
        f"{number(found.expected)}<small>{escape(interval(found.low, found.high))}{aside}</small>",
        found.expected,
    )


def tuning_part(comparison: Comparison) -> str:
    """The learning rates tried, if they were tuned."""
    tuned = [(row, row.tuned) for row in by_size(comparison) if row.tuned is not None]
    if not tuned:
        return ""
    lines = "".join(
        f"<tr><th scope=row>{escape(row.name)}</th><td class=number>{found.rate:.3g}</td>"
        f'<td><ul class="rates">{_tried(found, comparison.higher_is_better)}</ul></td>'
        f"<td>{f'<b>⚠</b> {escape(found.edge)}' if found.edge else 'best one bracketed'}</td>"
        f"<td class=number>{found.repeats}</td></tr>"
        for row, found in tuned
    )
    heads = (
        "setting",
        "chosen",
        f"tried, with the {label_of(comparison.column)} reached",
        "the ends",
        "repeats",
    )
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    note = (
        "A learning rate is how far one update goes. What suits one batch size may not suit another, so "
        "each setting got its own: the lowest that is within one standard error of the best (Breiman et al. "
        "1984), since too high a rate does more harm than too low a one. Rates were first tried on one "
        "repeat, the most promising on all tuning repeats; in brackets, how many a value rests on. “Best one "
        "bracketed” means that rates on both sides of the best were tried; ⚠ that it may lie beyond them."
    )
    return block(
        "tuning",
        "How the learning rates were found",
        f'<div class="scroll" tabindex="0"><table class="rows"><thead><tr>{head}</tr></thead>'
        f'<tbody>{lines}</tbody></table></div><p class="note">{note}</p>',
    )


def _tried(tuned: Tuned, higher: bool) -> str:
    def one(rate: float, value: float, repeats: int) -> str:
        chosen = math.isclose(rate, tuned.rate)
        mark = ' class="chosen"' if chosen else ""
        reached = f"{value:.4g} ({repeats})" if math.isfinite(value) else "broke"
        return f"<li{mark}>{'✓ ' if chosen else ''}{rate:.3g}<small>{reached}</small></li>"

    return "".join(one(rate, value, repeats) for rate, value, repeats in tuned.tried)
