"""Notebook views of comparisons and advice."""

from __future__ import annotations

from collections.abc import Mapping

from epochal.choose.advice import Advice
from epochal.choose.comparison import Comparison
from epochal.choose.sentences import cells_of, marks_of
from epochal.common.metric_names import label_of
from epochal.common.notebook_view import code, facts, heading, items, paragraph, table, view

MOST_ROWS = 20


def comparison_html(found: Comparison) -> str:
    """The answer, a row for each setting, the recommended one first, and the call of `fit`."""
    head, *rows = cells_of(found)
    head = tuple(map(label_of, head))
    return view(
        heading("Comparison", f"{len(found.rows)} settings, {found.at}"),
        paragraph(found.answer),
        table(head, rows[:MOST_ROWS], words=(0, 1, 5)),
        paragraph(f"{marks_of(found)}." if len(rows) > 1 and marks_of(found) else ""),
        paragraph(f"{len(rows) - MOST_ROWS} more settings" if len(rows) > MOST_ROWS else ""),
        paragraph("" if found.hyperbola is None else f"Updates to the target: {found.hyperbola}."),
        _call(_chosen(found)) if found.recommended else "",
        items("Notes", found.notes),
        facts([("cost", found.usage.words)]),
    )


def _call(options: Mapping[str, object]) -> str:
    words = [f'{name}="{it}"' if isinstance(it, str) else f"{name}={it!r}" for name, it in options.items()]
    return code(f"fit(model, data, {', '.join(words)})")


def _chosen(found: Comparison) -> dict[str, object]:
    row, options = found.chosen, found.options
    options.setdefault("batch_size", row.batch_size)
    names = ("target", "sample_weight", "batch_size", "optimizer", "epochs")
    chosen = {name: options[name] for name in names if name in options}
    if row.learning_rate is not None:
        chosen["learning_rate"] = row.learning_rate
    return chosen


def advice_html(found: Advice) -> str:
    """The answer, the advised numbers with their ranges, and the call of `fit`."""
    choices = {"batch size": found.batch_size, "learning rate": found.learning_rate, "epochs": found.epochs}
    rows = [
        (name, f"{one.value:.4g}", one.range_in_words(), one.note)
        for name, one in choices.items()
        if one is not None
    ]
    return view(
        heading(
            "Advice", f"for the least {found.goal}" if found.goal != "quality" else "for the best quality"
        ),
        paragraph(found.answer, found.told_apart),
        table(("", "take", "range", ""), rows, words=(0, 3)) if found.recommended else "",
        paragraph(
            "range: all settings without a significant difference; of the epochs, where four fifths of the "
            "repeats are best"
            if found.recommended
            else ""
        ),
        facts(_expected(found)),
        _call(found.options) if found.recommended else "",
        items("Notes", found.notes),
    )


def _expected(found: Advice) -> list[tuple[str, str]]:
    rows = [(label_of(found.column), str(found.quality))]
    if found.defaults.difference is not None:  # otherwise it is the same number
        rows.append(("the defaults", f"{found.defaults.quality}; {found.defaults.words}"))
    if found.goal != "quality":
        rows.append(("target", f"{found.target:.3g} on average: {found.target_words}"))
    return rows
