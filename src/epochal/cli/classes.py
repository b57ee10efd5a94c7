"""Class figures as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from epochal.common.layout import aligned
from epochal.common.metric_names import label_of
from epochal.runs import Run
from epochal.runs.evaluation_text import (
    MOST_CLASSES,
    MOST_PAIRS,
    by_threshold,
    class_table,
    confusion_table,
    distinct,
    over_repeats,
    spread,
)
from epochal.runs.per_class import per_class


def class_sections(run: Run) -> list[tuple[str, list[str]]]:
    """A title and lines for each part: a table of the classes, or the most confused pairs of many.

    Decisions are those of `predict`: by the threshold, if the run has one.
    """
    few = len(run.task.classes) <= MOST_CLASSES
    tables = few or run.task.is_multilabel
    lines = {part: _table(run, part) if tables else _pairs(run, part) for part in run.per_class}
    at = by_threshold(run.threshold)
    what = "Classes" if few else "Most often confused"
    if run.task.is_multilabel:
        what = "Labels" if few else f"Labels with the lowest F1, {MOST_CLASSES} of {len(run.task.classes):,}"
    return [
        (f"{what}, {part}{at} ({over_repeats(run.repeats)})", shown) for part, shown in lines.items() if shown
    ]


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
    counts = run.scores[part].confusion_at_threshold
    found = run.per_class[part] if counts is None else per_class(counts, run.task.classes)
    if len(found) > MOST_CLASSES:
        found = dict(sorted(found.items(), key=lambda one: one[1].f1.mean)[:MOST_CLASSES])
    return class_table(found, "samples", distinct(list(found)))


def _pairs(run: Run, part: str) -> list[str]:
    heads = ("true", "taken for", "samples", "of its class")
    lines = confusion_table(run.most_confused(part, most=MOST_PAIRS), heads, run.task.classes)
    return lines or ["none: every sample is in its class"]
