"""The page about a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from epochal.choose.comparison import Comparison, Row
from epochal.choose.pairs import FEWEST
from epochal.choose.words import UNBEATEN, at_best, use
from epochal.common.durations import duration
from epochal.common.metric_names import label_of
from epochal.report.choice_frame import around, conditions, cost_words, notes
from epochal.report.choice_html import (
    block,
    chart,
    count,
    details,
    interval,
    listed,
    number,
    quality,
    spread,
    switch,
)
from epochal.report.choice_tables import regimes_part, settings_part, tuning_part
from epochal.report.choice_words import JUDGED, explained, meaning_of

__all__ = ["comparison_body"]

_ROW_HEIGHT, _LEAST_HEIGHT = 30, 220


def comparison_body(comparison: Comparison) -> str:
    """The body of the page, without scripts."""
    sections = (
        _answer(comparison),
        _quality(comparison),
        _curves(comparison),
        _cost(comparison),
        _target(comparison),
        regimes_part(comparison),
        settings_part(comparison),
        tuning_part(comparison),
        notes(comparison.notes),
        conditions(comparison, {"all settings": comparison.at, "cost": cost_words(comparison.cost)}),
    )
    said = (count(len(comparison.rows), "setting"), comparison.at)
    return around(comparison, "comparison", said, sections)


# --- the answer ---------------------------------------------------------------------------------------------


def _answer(comparison: Comparison) -> str:
    tied, rows = comparison.tied, comparison.rows
    measured = [row for row in rows if math.isfinite(row.quality.mean)]
    clear = set(tied) <= set(comparison.same)
    if not measured:
        sign, tone, kind = "⚡", "bad", "No setting trained to a finite loss"
    elif len(rows) == 1:
        sign, tone, kind = "≈", "open", "Only one setting"
    else:
        sign, tone = ("✓", "good") if clear else ("≈", "open")
        kind = use(comparison)
    if measured and comparison.unbeaten is not None:  # before the best of them
        sign, tone, kind = "≈", "bad", UNBEATEN
    said = _without(comparison.answer, f"{kind}: ")
    if comparison.interrupted:
        kind += " (ended early)"
    return (
        f'<section id="answer" class="answer {tone}" aria-label="The answer"><div class="words">'
        f'<p class="kind"><span class="sign" aria-hidden="true">{sign}</span>{escape(kind)}</p>'
        f'<p class="sentence">{escape(said)}</p>'
        f"<p><b>What was done.</b> {escape(_done(comparison))}</p>"
        f'<p class="remedy"><b>What to do.</b> {escape(_to_do(comparison, measured))}</p></div>'
        f"{_headline(comparison, measured)}"
        f"{details('How this was judged', explained(JUDGED))}</section>\n"
    )


def _without(answer: str, heading: str) -> str:
    """The answer without its heading."""
    rest = answer.removeprefix(heading)
    return rest[:1].upper() + rest[1:]


def _done(comparison: Comparison) -> str:
    rows = comparison.rows
    sizes = {row.batch_size for row in rows}
    what = count(len(rows), "setting")
    if len(sizes) == len(rows):
        what = count(len(rows), "batch size")
    most = max((row.repeats for row in rows), default=0)
    times = "once" if most == 1 else f"{most} times"
    fewer = sum(row.repeats < most for row in rows)
    words = f"{what}, {'each ' if len(rows) > 1 else ''}trained {times}"
    if fewer:
        words += f" ({fewer} of them fewer times, since they were clearly behind)"
    words += f"; equal for all: {comparison.at}."
    if len(sizes) > 1:
        words = f"A batch is the samples that one update of the network looks at. {words}"
    if most > 1:
        words += (
            f" All share the same {most} random starts and splits into training and held-out samples, "
            "so that no setting had an easier task."
        )
    if any(row.tuned is not None for row in rows):
        words += (
            " The learning rate was tuned for each setting, on other splits than those of the comparison."
        )
    return words


def _to_do(comparison: Comparison, measured: Sequence[Row]) -> str:
    if not measured:
        return "Scale the inputs or try smaller learning rates: with these, the training breaks."
    row = comparison.chosen
    if len(measured) == 1:
        words = f"Nothing to choose: only {row.name} trained."
    else:
        rate = "" if row.tuned is None else f" and learning rate {row.learning_rate:.3g}"
        words = f"Train with {row.name}{rate}; it is at its best {at_best(row)}."
    if row.repeats < FEWEST:
        words += (
            " Train more repeats before you rely on it: with so few, chance alone makes such differences."
        )
    elif not set(comparison.tied) <= set(comparison.same):
        words += " More repeats may tell the settings apart."
    return words


def _few(names: Sequence[str]) -> str:
    """A short list of names in words."""
    return listed(names, most=8 if max(map(len, names)) <= 16 else 3)


def _headline(comparison: Comparison, measured: Sequence[Row]) -> str:
    """The chosen batch size in large digits, or that there is none."""
    if not measured:
        return ""
    best = comparison.chosen
    if all(set(row.axes) <= {"batch_size"} for row in comparison.rows):
        name, figure, small = "batch size", f"{best.batch_size:,}", best.batch_size >= 10**6
    else:
        name, figure, small = "setting", best.name, len(best.name) > 5
    same = [name for name in comparison.same if name != best.name]
    unclear = [name for name in comparison.tied if name not in comparison.same]
    said = [f"practically the same: {_few(same)}"] if same else []
    if unclear:
        rest = "any other" if len(unclear) == len(measured) - 1 else _few(unclear)
        said.append(f"no significant difference from {rest}")
    if best.learning_rate is not None:
        said.append(f"learning rate {best.learning_rate:.3g}")
    said.append(f"{label_of(comparison.column)} {quality(best.quality)}")
    if meaning_of(comparison.column):
        said[-1] += f" ({meaning_of(comparison.column)})"
    said.append(f"95 % interval {spread(best.quality)}" if best.quality.ci95 else "1 repeat: no interval")
    said += [f"{label_of(column)} {quality(summary)}" for column, summary in list(best.figures.items())[:2]]
    said.append(f"{duration(best.seconds)} a training")
    return (
        f'<div class="headline"><p class="name">{escape(name)}</p>'
        f'<p class="figure{" small" if small else ""}">{escape(figure)}</p>'
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in said)}</ul></div>"
    )


# --- pictures -----------------------------------------------------------------------------------------------


def _quality(comparison: Comparison) -> str:
    better = "higher" if comparison.higher_is_better else "lower"
    column = label_of(comparison.column)
    note = (
        "<b>◆</b> recommended · <b>●</b> no significant difference from the best mean, "
        "or practically the same · <b>○</b> worse · <b>✕</b> "
        "given up "
        "early. Bars are 95 % intervals of the mean, small dots single repeats. Measured is the "
        f"{escape(column)} at its best moment: {better} is better. Bars may overlap although the settings "
        "differ: they are compared repeat by repeat, which takes out what an easy or a hard split does to "
        "all of them."
    )
    height = max(_LEAST_HEIGHT, _ROW_HEIGHT * len(comparison.rows) + 90)
    log = '<label class="check"><input type="checkbox" name="log"> log axis</label>'
    described = f"{column} of each setting with its interval; the same numbers are in the table below"
    return block("quality", "How good is each setting?", chart("dots", described, note, log, height))


def _curves(comparison: Comparison) -> str:
    if not any(len(curves) for curves in comparison.curves.values()):
        return ""
    note = (
        "Each line is the mean over the repeats of a setting; bands are 95 % intervals of the mean. Click "
        "a name to hide its line. Against updates, small batches look slow "
        "since each of their updates sees few samples; against seconds you see what you wait for."
    )
    return block(
        "curves",
        "How do they learn?",
        chart("lines", "Learning curves of all settings", note, _curve_controls(), 460),
    )


def _curve_controls() -> str:
    axes = [(axis, axis) for axis in ("epochs", "updates", "samples", "seconds")]
    return (
        '<label class="pick">show <select name="quantity" aria-label="quantity"></select></label>'
        + switch("x", "against", axes, "epochs")
        + '<label class="check"><input type="checkbox" name="logx"> log x</label>'
        + '<label class="check"><input type="checkbox" name="logy"> log y</label>'
        + '<label class="check"><input type="checkbox" name="bands" checked> bands</label>'
    )


def _cost(comparison: Comparison) -> str:
    measured = [row for row in comparison.rows if math.isfinite(row.quality.mean)]
    if not measured:
        return ""
    choices = [
        (unit, unit)
        for unit in ("seconds", "updates", "samples")
        if len({getattr(row, unit) for row in measured}) > 1
    ]
    note = (
        "What one whole training costs, without evaluations, against how good it gets; the cost axis is "
        "logarithmic: each step to the right costs a fixed multiple. Shapes are those of the first picture; "
        "point at one, or tap it, for its name. Good settings lie "
        f"{'high' if comparison.higher_is_better else 'low'} and to the left."
    )
    controls = switch(
        "unit", "cost in", choices or [("seconds", "seconds")], (choices or [("seconds", "")])[0][0]
    )
    return block(
        "cost",
        "What does quality cost?",
        chart("trade", "Quality against the cost of a training", note, controls),
    )


def _target(comparison: Comparison) -> str:
    if comparison.target is None or not any(row.effort is not None for row in comparison.rows):
        return ""
    words = f"Target: {escape(comparison.target_words or number(comparison.target))}. "
    note = (
        "Points are the updates that one may expect to need, bars their 95 % intervals; <b>△</b> not reached "
        "(it stands at what was spent in vain; the true number lies above). Both axes are logarithmic."
    )
    described = "Updates to the target against batch size"
    return block(
        "target",
        "How many updates does the target take?",
        f"<p>{words}{_hyperbola_words(comparison)}</p>" + chart("work", described, note, "", 440),
    )


def _hyperbola_words(comparison: Comparison) -> str:
    curve = comparison.hyperbola
    if curve is None:
        return "No curve was fitted: that takes three batch sizes that reached the target."
    if not curve.estimated:
        return (
            "With small batches, twice the batch halves the updates; with large ones it buys nothing. The "
            "turn between the two, the critical batch size, could not be estimated from these trainings."
        )
    meaning = (
        "Two forces shape the curve. With small batches (left, blue), each update follows a rough guess of "
        "the right direction, and twice the batch halves the updates. With large batches (right, orange) "
        "the direction is known well enough, and twice the batch buys nothing. The turn between the two is "
        "called the critical batch size"
    )
    critical = curve.critical_batch
    if math.isinf(critical):
        return f"{meaning}; it lies beyond the sizes that were tried: larger batches go on saving updates."
    if critical <= 0:
        return f"{meaning}; it lies below the sizes that were tried: none of them saves updates by its size."
    if comparison.critical is None:
        return f"{meaning}: here about <b>{number(critical)}</b> samples."
    low, high = comparison.critical
    ends = interval(low if low > 0 else -math.inf, high)
    return f"{meaning}: here about <b>{number(critical)}</b> samples (95 % interval {ends})."
