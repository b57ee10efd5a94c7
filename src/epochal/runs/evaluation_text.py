"""Evaluations and results of runs as tables of text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from epochal.common.metric_names import label_of
from epochal.common.option_text import render_message
from epochal.common.text import aligned, mean_count, one_line, wrapped
from epochal.curves import Summary
from epochal.curves.statistics import three_digits
from epochal.runs.evaluation import Calibration, Evaluation, Residuals
from epochal.runs.per_class import ClassMetrics, Confused
from epochal.runs.threshold import Threshold

if TYPE_CHECKING:
    from epochal.runs.run import Run

MAX_CLASSES = 12
MAX_PAIRS = 8
_MAX_STEPS = 12
_NAME = 17
"""Most characters of a class name."""
Section = tuple[str, list[str]]


def text(found: Evaluation, width: int) -> str:
    """The whole evaluation as one text."""
    lines = [heading(found)]
    for title, rows in sections(found, width - 2):
        lines += ["", title, wrapped(rows, width)]
    return "\n".join(lines)


def heading(found: Evaluation) -> str:
    """What was evaluated, in a sentence."""
    over = "1 repeat" if found.repeats == 1 else f"{found.repeats} repeats"
    which = "" if found.parameters == "best" else ", the last parameters"
    noun = "rows" if found.forecasts is None else "windows"
    return f'{found.rows:,} {noun} of {found.source}, target "{found.target}", {over}{which}'


def sections(found: Evaluation, width: int) -> list[Section]:
    """Titles with their lines; those of tables are at most `width` wide as far as that is possible."""
    made = [
        ("Overlap with the training data", [found.overlap.sentence] if found.overlap.sentence else []),
        _metrics(found),
        _steps(found),
        ("Threshold", [] if found.threshold is None else [str(found.threshold)]),
        *_classes(found),
        _confusion(found, width),
        _calibration(found.calibration),
        _residuals(found.residuals, width),
        ("Notes", list(found.notes)),
    ]
    return [(title, lines) for title, lines in made if lines]


def _metrics(found: Evaluation) -> Section:
    several = found.repeats > 1
    rows: list[tuple[str, ...]] = [("", "mean ± sd", "95 % interval", "ensemble")] if several else []
    for name, summary, together in found.summaries:
        metric, _, rest = name.partition(" ")
        label = f"{label_of(metric)} {rest}".rstrip()
        of_several = (*cells(summary), value_of(together, summary))
        rows.append((label, *of_several) if several else (label, summary.format_value(summary.mean)))
    title = "Metrics (1 repeat: no interval)"
    if several:
        title = f"Metrics over {found.repeats} repeats, and of their mean prediction (ensemble)"
    return title, aligned(rows)


def results_table(run: Run, without: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Every metric at the best epoch, and that epoch; the first row holds the heads.

    With several repeats a row is the name, mean ± sd and the interval, and, if known, the value
    of the ensemble; with one repeat, the name and the value. Metrics shown elsewhere are left out.
    """
    several, together = run.repeats > 1, bool(run.ensemble)
    head = ("", "mean ± sd", "95 % interval") if several else ("", "value")
    rows = [(*head, "ensemble") if together else head]
    shown = [(part, *one) for part, metrics in run.metrics.items() for one in metrics.items()]
    for part, name, summary in shown:
        if name in without:
            continue
        row = cells(summary) if several else (summary.format_value(summary.mean),)
        if together:
            row = (*row, value_of(run.ensemble.get(part, {}).get(name, math.nan), summary))
        rows.append((f"{part} {label_of(name)}", *row))
    best = [epoch for epoch in run.best_epoch.per_repeat if math.isfinite(epoch)]
    if best:
        low, middle, high = map(mean_count, (min(best), float(np.median(best)), max(best)))
        ends = (f"{middle} (median)", f"{low}–{high} (all repeats)") if several else (middle,)
        rows.append(("best epoch", *ends, *([""] * together)))
    return rows


def cells(summary: Summary) -> tuple[str, str]:
    """Mean and standard deviation over repeats, and the interval."""
    if summary.sd is None:
        return str(summary), ""
    ends = ""
    if summary.ci95 is not None:
        dash = "–" if summary.ci95[0] >= 0 else " to "
        ends = dash.join(summary.format_value(end) for end in summary.ci95)
    left_out = len(summary.per_repeat) - summary.repeats
    aside = f" ({left_out} not finite, left out)" if left_out else ""
    return f"{summary.format_value(summary.mean)} ± {summary.format_value(summary.sd)}", f"{ends}{aside}"


def value_of(value: float, like: Summary) -> str:
    """A value with the digits of a summary, at least three of a fraction; a dash if there is none."""
    if not math.isfinite(value):
        return "–"
    return like.format_value(value) if like.decimals > 1 or abs(value) >= 10 else three_digits(value)


def _classes(found: Evaluation) -> list[Section]:
    classes, hidden = found.per_class, len(found.per_class) - MAX_CLASSES
    if not classes or (hidden > 0 and not found.task.is_multilabel):
        return []
    lines = class_table(dict(list(classes.items())[:MAX_CLASSES]), "rows", distinct(list(classes)))
    what = "Labels" if found.task.is_multilabel else "Classes"
    title = f"{what}{by_threshold(found.threshold)} ({over_repeats(found.repeats)})"
    return [(title, lines + _hidden(hidden))]


def _hidden(count: int) -> list[str]:
    return [f"and {count} more, in {render_message('`to_dict()`')}"] if count > 0 else []


def over_repeats(repeats: int) -> str:
    """What the metrics of a table are, by the number of repeats."""
    return "1 repeat" if repeats == 1 else f"mean ± sd over {repeats} repeats"


def class_table(classes: Mapping[str, ClassMetrics], noun: str, called: Mapping[str, str]) -> list[str]:
    """The metrics of classes, which are shown as they are `called`; `noun` is what they count."""
    rows: list[tuple[str, ...]] = [("", "precision", "recall", "F1", noun)]
    for name, of_class in classes.items():
        shares: Iterable[str] = "–––"  # of a class without samples nothing is known
        if of_class.support.mean:
            shares = map(format_mean_sd, (of_class.precision, of_class.recall, of_class.f1))
        rows.append((called[name], *shares, mean_count(of_class.support.mean)))
    return aligned(rows, right=[4])


def confusion_table(pairs: Sequence[Confused], heads: Sequence[str], classes: Sequence[str]) -> list[str]:
    """The most confused pairs of classes; empty if there are none."""
    called = distinct(classes)
    rows = [
        (called[one.true], called[one.predicted], mean_count(one.count.mean), f"{one.share:.0%}")
        for one in pairs
    ]
    return aligned([tuple(heads), *rows], right=[2, 3]) if rows else []


def by_threshold(threshold: Threshold | None) -> str:
    """The part of a title that names the decision threshold."""
    return "" if threshold is None else f" at the threshold {threshold.value:.3g}"


def format_mean_sd(summary: Summary) -> str:
    """The spread in two digits, at most four decimals."""
    if summary.sd is None:
        return f"{summary.mean:.3f}"
    digits = min(max(summary.decimals, 2), 4)
    return f"{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"


def _confusion(found: Evaluation, width: int) -> Section:
    counts = found.ensemble_confusion
    if counts is None or found.task.is_multilabel:
        return "", []
    who = "" if found.repeats == 1 else " of the ensemble"
    at = by_threshold(found.threshold)
    names = list(distinct(found.task.classes).values())
    if len(names) <= MAX_CLASSES:
        rows = [("true \\ predicted", *names)]
        rows += [(name, *(f"{count:,}" for count in row)) for name, row in zip(names, counts, strict=True)]
        lines = aligned(rows, right=range(1, len(names) + 1))
        if max(map(len, lines)) <= width:
            return f"Confusion matrix{who}{at}", lines
    heads = ("true", "predicted", "rows", "of its class")
    lines = confusion_table(found.most_confused(MAX_PAIRS), heads, found.task.classes)
    return f"Most often confused{who}{at}", lines or ["none: every row is in its class"]


def _calibration(found: Calibration | None) -> Section:
    if found is None:
        return "", []
    rows = [("predicted", "mean", "observed", "rows")]
    rows += [
        (f"{one.low:.1f}–{one.high:.1f}", f"{one.predicted:.3f}", f"{one.observed:.3f}", f"{one.samples:,}")
        for one in found.bins
        if one.samples
    ]
    error = f"expected calibration error {found.error:.3f}"
    if found.per_repeat.sd is not None:
        error += f" (each repeat alone: {cells(found.per_repeat)[0]})"
    return f"Calibration of {one_line(found.of, 60)}", [*aligned(rows, right=[1, 2, 3]), error]


def _residuals(found: Sequence[Residuals], width: int) -> Section:
    if not found:
        return "", []
    shares = list(found[0].quantiles)
    rows = [("", *(f"{share:.0%}" for share in shares), "largest", "RMSE", "R²")]
    for one in found[:_MAX_STEPS]:
        values = [*one.quantiles.values(), one.largest, one.rmse]
        rows.append((_short(one.name), *_digits(values), f"{one.r2:.3f}"))
    lines = aligned(rows, right=range(1, len(rows[0])))
    if max(map(len, lines)) > width:
        lines = aligned([(*row[:1], row[1], row[3], row[5], *row[6:]) for row in rows], right=range(1, 7))
    lines += _hidden(len(found) - _MAX_STEPS)
    return "Errors, predicted less true: quantiles over the rows", lines


def _digits(values: Sequence[float]) -> list[str]:
    """Numbers with the decimals that give three digits to the largest one."""
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    decimals = 3 if most == 0 else min(9, max(0, 2 - math.floor(math.log10(most))))
    return [f"{value:,.{decimals}f}" for value in values]


def _steps(found: Evaluation) -> Section:
    if found.forecasts is None:
        return "", []
    scores = found.forecasts
    lines = list(scores.sentences)
    if len(scores.rmse_by_step) > 1:
        rows = [("rows ahead", "RMSE", *(naive.name for naive in scores.naive))]
        for step, rmse in enumerate(scores.rmse_by_step[:_MAX_STEPS]):
            own = cells(rmse)[0] if rmse.sd is not None else rmse.format_value(rmse.mean)
            naive = [one.rmse_by_step[step] for one in scores.naive]
            rows.append((str(step + 1), own, *(one.format_value(one.mean) for one in naive)))
        lines += aligned(rows) + _hidden(len(scores.rmse_by_step) - _MAX_STEPS)
    return "Against forecasts that need no training, on the same windows", lines


def _short(name: str) -> str:
    """A name shortened in the middle, since similar names often end in a number."""
    name = one_line(name)
    half = _NAME // 2
    return name if len(name) <= _NAME else f"{name[:half]}…{name[-half:]}"


def distinct(names: Sequence[str]) -> dict[str, str]:
    """Short forms of names, numbered if equal."""
    short = {name: _short(name) for name in names}
    if len(set(short.values())) == len(short):
        return short
    return {name: f"{number}: {short[name]}" for number, name in enumerate(names, start=1)}
