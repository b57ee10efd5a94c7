"""The page about a comparison: what its template shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from epochal.choose.comparison.comparison import Comparison, Row
from epochal.choose.comparison.sentences import UNBEATEN, at_best, failure, join_names, telling, use
from epochal.choose.statistics.paired_statistics import MIN_PAIRS
from epochal.common.metric_names import label_of
from epochal.common.text import counted, duration
from epochal.curves import Summary
from epochal.report import study_page
from epochal.report.formatting import format_ci, format_interval, format_number, percent, quality
from epochal.report.page import Cell, Table
from epochal.report.study_figures import by_size, comparison_figures, status

_REGIMES = {
    "batch": (
        "batch gradient descent",
        "All training samples form one batch: one smooth, exact update an epoch, and so few updates.",
    ),
    "mini-batch": (
        "mini-batch gradient descent",
        "Some samples form a batch: many updates an epoch, and the machine still works on many "
        "samples at once.",
    ),
    "stochastic": (
        "stochastic gradient descent",
        "Each sample is a batch of its own: the most updates an epoch, each of them cheap and rough.",
    ),
}


def comparison_page(comparison: Comparison) -> str:
    """The page about a comparison as text."""
    rows = by_size(comparison)
    measured = [row for row in comparison.rows if math.isfinite(row.quality.mean)]
    columns = list(dict.fromkeys(name for row in comparison.rows for name in row.metrics))
    units = ("seconds", "updates", "samples")
    low, high = comparison.critical_batch_size_ci95 or (math.nan, math.nan)
    return study_page.render_study(
        comparison,
        "comparison",
        (counted(len(rows), "setting"), comparison.budget),
        {"all settings": comparison.budget},
        figures=comparison_figures(comparison),
        monitored=label_of(comparison.monitor),
        answer=_answer(comparison, measured),
        headline=_headline(comparison, measured),
        measured=measured,
        units=[unit for unit in units if len({getattr(row, unit) for row in measured}) > 1],
        others=any({*row.axes} - {"batch_size", "learning_rate"} for row in comparison.rows),
        critical=comparison.critical_batch_size_ci95 and format_interval(low if low > 0 else -math.inf, high),
        regimes=_regimes(comparison),
        quality=_quality(comparison, rows, columns),
        cost=_cost(rows),
        tuned=[row for row in rows if row.tuned is not None],
    )


def _answer(comparison: Comparison, measured: Sequence[Row]) -> dict[str, str]:
    clear = set(comparison.tied) <= set(comparison.same) and not comparison.rows[0].diverged
    if not measured:
        sign, tone, kind = "⚡", "bad", "No setting trained to a finite loss"
    elif comparison.baseline_not_beaten is not None:  # before what is best among them
        sign, tone, kind = "≈", "bad", UNBEATEN
    elif len(comparison.rows) == 1:
        sign, tone, kind = "≈", "open", "Only one setting"
    else:
        sign, tone, kind = ("✓", "good", use(comparison)) if clear else ("≈", "open", use(comparison))
    rest = comparison.answer.removeprefix(f"{kind}: ")
    return {
        "sign": sign,
        "tone": tone,
        "kind": f"{kind} (ended early)" if comparison.interrupted else kind,
        "sentence": rest[:1].upper() + rest[1:],
        "done": _done(comparison),
        "remedy": _remedy(comparison, measured),
    }


def _done(comparison: Comparison) -> str:
    rows = comparison.rows
    sizes = {row.batch_size for row in rows}
    what = counted(len(rows), "batch size" if len(sizes) == len(rows) else "setting")
    most = max((row.repeats for row in rows), default=0)
    times = "once" if most == 1 else f"{most} times"
    fewer = sum(row.repeats < most for row in rows)
    text = f"{what}, {'each ' if len(rows) > 1 else ''}trained {times}"
    if fewer:
        text += f" ({fewer} of them fewer times, since they were clearly behind)"
    text += f"; equal for all: {comparison.budget}."
    if len(sizes) > 1:
        text = f"A batch is the samples that one update of the network looks at. {text}"
    if most > 1:
        one, differ = ("one split and ", "orders") if comparison.same_split else ("", "splits")
        text += f" All share {one}the same {most} random initializations and {differ}, so that no setting "
        text += "had an easier task. A split parts training and held-out samples."
    if any(row.tuned is not None for row in rows):
        other = "with other seeds" if comparison.same_split else "on other splits"
        text += f" The learning rate was tuned for each setting, {other} than those of the comparison."
    return text


def _remedy(comparison: Comparison, measured: Sequence[Row]) -> str:
    if not measured:
        return "Scale the inputs or try smaller learning rates: with these, the training breaks."
    row = comparison.recommended_row
    if len(measured) == 1:
        text = f"Nothing to choose: only {row.name} trained."
    else:
        rate = "" if row.tuned is None else f" and learning rate {row.learning_rate:.3g}"
        text = f"Train with {row.name}{rate}; it is best {at_best(row)}."
    if row.repeats < MIN_PAIRS:
        more = "Train more repeats before you rely on it: with so few, chance alone makes such differences."
        return f"{text} {more}"
    unclear = not set(comparison.tied) <= set(comparison.same)
    return f"{text} More repeats may tell the settings apart." if unclear else text


def _headline(comparison: Comparison, measured: Sequence[Row]) -> dict[str, Any] | None:
    if not measured:
        return None
    best = comparison.recommended_row
    if all(set(row.axes) <= {"batch_size"} for row in comparison.rows):
        name, value, small = "batch size", f"{best.batch_size:,}", best.batch_size >= 10**6
    else:
        name, value, small = "setting", best.name, len(best.name) > 5
    same = [name for name in comparison.same if name != best.name]
    unclear = [name for name in comparison.tied if name not in comparison.same]

    def few(names: Sequence[str]) -> str:
        return join_names(names, most=8 if max(map(len, names)) <= 16 else 3)

    notes = [f"practically the same: {few(same)}"] if same else []
    if unclear:
        rest = "any other" if len(unclear) == len(measured) - 1 else few(unclear)
        notes.append(f"no significant difference from {rest}")
    if best.learning_rate is not None:
        notes.append(f"learning rate {best.learning_rate:.3g}")
    meaning = study_page.meaning_of(comparison.monitor)
    aside = f" ({meaning})" if meaning else ""
    notes.append(f"{label_of(comparison.monitor)} {quality(best.quality)}{aside}")
    ends = best.quality.ci95
    notes.append(f"95 % interval {format_ci(best.quality)}" if ends else "1 repeat: no interval")
    notes += [f"{label_of(column)} {quality(summary)}" for column, summary in list(best.metrics.items())[:2]]
    notes.append(f"{duration(best.seconds)} a training")
    return {"name": name, "value": value, "small": small, "notes": notes}


def _regimes(comparison: Comparison) -> Table:
    rows = {row.name: row for row in comparison.rows}
    lines = []
    for regime in comparison.regimes:
        title = Cell(*_REGIMES.get(regime.name.partition(" ")[0], (regime.name, "")))
        cells = ["not among the settings", "", "", "", ""]
        if row := rows.get(regime.row or ""):
            cells = [row.name, duration(row.seconds), f"{row.updates:,}", quality(row.quality), _jitter(row)]
        lines.append([title, *map(Cell, cells)])
    if sum(regime.row is not None for regime in comparison.regimes) == 1:
        lines = []
    monitored = label_of(comparison.monitor)
    heads = ("regime", "best setting", "time of a training", "updates", monitored, "jitter of the curve")
    return Table(heads, lines, kind="regimes")


def _jitter(row: Row) -> str:
    return "–" if math.isnan(row.noise) else format_number(row.noise)


def _quality(comparison: Comparison, rows: Sequence[Row], columns: Sequence[str]) -> Table:
    heads = [
        ("setting", "what differs"),
        ("status", "against the setting with the best mean"),
        *study_page.SETTING_HEADS,
        ("repeats", "trainings with seeds of their own"),
        (
            label_of(comparison.monitor),
            "mean at the epoch that another repeat chooses, with 95 % interval",
        ),
        ("behind the best by", "mean paired difference, with 98 % interval for all settings together"),
        ("P(better)", "share of repeats in which it beat the best mean, with 95 % interval"),
        *((label_of(name), "mean over repeats at the same epoch") for name in columns),
        ("diverged", "repeats whose loss was not finite"),
    ]
    lines = [
        [
            Cell(row.name, by=row.name),
            _status(row, comparison),
            *study_page.setting_cells(row),
            Cell(f"{row.repeats}", by=row.repeats),
            _summary(row.quality),
            *_difference(row),
            *(_summary(row.metrics[name]) if name in row.metrics else Cell("–") for name in columns),
            Cell(str(row.diverged), by=row.diverged),
        ]
        for row in rows
    ]
    return Table(heads, lines, "Quality", "sortable")


def _status(row: Row, comparison: Comparison) -> Cell:
    found = status(row, comparison)
    shape, text = study_page.STATUSES[found]
    if found == "tied" and row.name == comparison.best:
        text = "best mean"
    elif found == "tied" and row.name in comparison.same:
        text = "practically the same"
    elif found == "worse":
        text = failure(comparison, row) or text
    lost = row.dropped
    why = "" if lost is None else f"after {counted(lost.after, 'repeat')}: {lost.reason}"
    return Cell(f"{shape} {text}", why, str(list(study_page.STATUSES).index(found)), "stand")


def _cost(rows: Sequence[Row]) -> Table:
    target = any(row.updates_to_target is not None for row in rows)
    heads = [
        ("setting", "what differs"),
        ("best epoch", "mean over repeats"),
        ("updates", "of one training"),
        *([("updates to target", "expected, with 95 % interval")] if target else []),
        ("one update", "measured time"),
        ("one training", "time without evaluations"),
        ("jitter", "how unsteady the curve is"),
    ]
    lines = [
        [
            Cell(row.name, by=row.name),
            Cell(format_number(row.best_epoch.mean), by=row.best_epoch.mean),
            Cell(f"{row.updates:,}", by=row.updates),
            *([study_page.ert_cell(row.updates_to_target)] if target else []),
            Cell(duration(row.update_seconds), by=row.update_seconds),
            Cell(duration(row.seconds), by=row.seconds),
            Cell(_jitter(row), by=row.noise),
        ]
        for row in rows
    ]
    return Table(heads, lines, "Cost", "sortable")


def _summary(summary: Summary) -> Cell:
    return Cell(quality(summary), "" if summary.ci95 is None else format_ci(summary), summary.mean)


def _difference(row: Row) -> tuple[Cell, Cell]:
    found = row.difference
    if found is None:
        return Cell("–", by=0.0), Cell("–")
    behind, ends, share, chances = found.mean, found.interval, found.probability, found.probability_ci
    if found.b == row.name:
        share, chances = 1 - share, (1 - chances[1], 1 - chances[0])
    else:
        behind, ends = -behind, None if ends is None else (-ends[1], -ends[0])
    format_value = telling(found.differences.format_value, *(ends or ()))
    return Cell(
        format_value(behind) if math.isfinite(behind) else "–",
        "" if ends is None else format_interval(*ends, write=format_value),
        behind,
    ), Cell(percent(share), f"{100 * chances[0]:.0f} to {percent(chances[1])}", share)
