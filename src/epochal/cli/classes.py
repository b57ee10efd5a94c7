"""Class figures as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from epochal.common.layout import aligned
from epochal.common.metric_names import label_of
from epochal.runs import Run
from epochal.runs.evaluation_text import MOST_CLASSES, by_threshold, distinct, spread
from epochal.runs.per_class import per_class

_MOST_PAIRS = 8


def class_sections(run: Run) -> list[tuple[str, list[str]]]:
    """A title and lines for each part: a table of the classes, or the most confused pairs of many.

    Decisions are those of `predict`: by the threshold, if the run has one.
    """
    over = "1 repeat" if run.repeats == 1 else f"mean ± sd over {run.repeats} repeats"
    few = len(run.task.classes) <= MOST_CLASSES
    tables = few or run.task.is_multilabel
    lines = {part: _table(run, part) if tables else _pairs(run, part) for part in run.per_class}
    at = by_threshold(run.threshold)
    what = "Classes" if few else "Most often confused"
    if run.task.is_multilabel:
        what = "Labels" if few else f"Labels with the lowest F1, {MOST_CLASSES} of {len(run.task.classes):,}"
    return [(f"{what}, {part}{at} ({over})", shown) for part, shown in lines.items() if shown]


def threshold_section(run: Run) -> list[tuple[str, list[str]]]:
    """What the threshold changes, if the run has one: the figures of decisions at one half and with it."""
    if run.threshold is None:
        return []
    rows: list[Sequence[str]] = [("", "above 0.5", "above the threshold")]
    for part, figures in run.at_threshold.items():
        for name, summary in figures.items():
            words = f"{part} {label_of(name)}"
            rows.append((words, spread(run.metrics[part][name]), spread(summary)))
    chosen = run.threshold.rule != "given" and "validation" in run.at_threshold
    aside = ["It was chosen on the validation samples: look at test figures to judge it."] if chosen else []
    return [("Threshold", [str(run.threshold), *aligned(rows), *aside])]


def _table(run: Run, part: str) -> list[str]:
    rows: list[Sequence[str]] = [("", "precision", "recall", "F1", "samples")]
    counts = run.scores[part].confusion_at_threshold
    found = run.per_class[part] if counts is None else per_class(counts, run.task.classes)
    shown = list(found.items())
    if len(shown) > MOST_CLASSES:
        shown = sorted(shown, key=lambda one: one[1].f1.mean)[:MOST_CLASSES]
    called = distinct([name for name, _ in shown])
    for name, figures in shown:
        cells = (spread(one) for one in (figures.precision, figures.recall, figures.f1))
        rows.append((called[name], *cells, _number(figures.support.mean)))
    return aligned(rows, right=[4])


def _pairs(run: Run, part: str) -> list[str]:
    found = run.most_confused(part, most=_MOST_PAIRS)
    if not found:
        return ["none: every sample is in its class"]
    called = distinct(run.task.classes)
    rows = [("true", "taken for", "samples", "of its class")]
    rows += [
        (called[one.true], called[one.predicted], _number(one.count.mean), f"{one.share:.0%}")
        for one in found
    ]
    return aligned(rows, right=[2, 3])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"
