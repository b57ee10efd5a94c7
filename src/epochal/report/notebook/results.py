"""Notebook views of results: runs, predictions, evaluations, comparisons and advice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from epochal.choose.advice.advice import Advice
from epochal.choose.comparison.comparison import Comparison
from epochal.choose.comparison.sentences import cells_of, marks_of
from epochal.common.metric_names import label_of
from epochal.common.notebook_view import block, chart, code, facts, heading, items, paragraph, table, view
from epochal.curves import Curves
from epochal.data.dataset import Dataset
from epochal.runs.evaluation import Evaluation
from epochal.runs.evaluation_text import heading as title, results_table, sections
from epochal.runs.prediction import Prediction
from epochal.runs.run import Run

MAX_ROWS = 10
MAX_COLUMNS = 12
MAX_SETTINGS = 20


def run_html(run: Run) -> str:
    """The verdict, the results at the best epoch, the curve, and the notes."""
    repeats = "1 repeat" if run.repeats == 1 else f"{run.repeats} repeats"
    head, *rows = results_table(run)
    return view(
        heading("Run", f"{run.data['source']}, {repeats}, {run.plan.epochs:,} epochs"),
        items("", run.verdict.warnings),
        paragraph(run.verdict.sentence, run.verdict.remedy, run.failed),
        table(head, rows, text_columns=(0,)),
        paragraph(*run.metric_notes, run.metric_warning),
        _curves(run.curves),
        items("Notes", run.notes, collapsed=True),
    )


def _curves(curves: Curves) -> str:
    names = [name for name in ("validation.loss", "train.loss") if name in curves.names]
    bands = [(name.replace("train.", "training ").replace(".", " "), curves.summary(name)) for name in names]
    return chart([(name, band.x.tolist(), band.mean.tolist()) for name, band in bands], "epoch")


def prediction_html(found: Prediction) -> str:
    """The first rows of the table of predictions."""
    rows = found[:MAX_ROWS].to_arrow()
    names = rows.column_names[:MAX_COLUMNS]
    columns = [rows.column(name).to_pylist() for name in names]
    cells = list(zip(*map(_written, columns), strict=True))
    left_out = [
        *([f"{len(found) - len(cells):,} more rows"] if len(found) > len(cells) else []),
        *([f"{rows.num_columns - len(names):,} more columns"] if rows.num_columns > len(names) else []),
    ]
    repeats = len(found.per_repeat)
    aside = f"{len(found):,} samples, the mean of {repeats} repeat{'s' if repeats > 1 else ''}"
    text_columns = [
        place for place, one in enumerate(columns) if any(isinstance(value, str) for value in one)
    ]
    return view(
        heading("Prediction", aside),
        table(names, cells, text_columns=text_columns),
        paragraph(" and ".join(left_out)),
        items("Notes", found.notes),
    )


def _written(values: list[Any]) -> list[str]:
    """A column as text: probabilities in four decimals, other numbers in six digits."""
    numbers = [value for value in values if isinstance(value, float)]
    form = ".4f" if all(abs(value) <= 1 for value in numbers if math.isfinite(value)) else ".6g"
    return [format(value, form) if isinstance(value, float) else str(value) for value in values]


def evaluation_html(found: Evaluation) -> str:
    """The sections of `print(evaluation)`."""
    parts = [heading("Evaluation", title(found))]
    for name, lines in sections(found, 100):
        as_list = len(lines) == 1 or name == "Notes"
        parts.append(items(name, lines) if as_list else block(name, lines))
    return view(*parts)


def comparison_html(found: Comparison) -> str:
    """The answer, a row for each setting, the recommended one first, and the call of `fit`."""
    head, *rows = cells_of(found)
    head = tuple(map(label_of, head))
    return view(
        heading("Comparison", f"{len(found.rows)} settings, {found.budget}"),
        paragraph(found.answer),
        table(head, rows[:MAX_SETTINGS], text_columns=(0, 1, 5)),
        paragraph(f"{marks_of(found)}." if len(rows) > 1 and marks_of(found) else ""),
        paragraph(f"{len(rows) - MAX_SETTINGS} more settings" if len(rows) > MAX_SETTINGS else ""),
        paragraph("" if found.hyperbola is None else f"Updates to the target: {found.hyperbola}."),
        _call(_chosen(found)) if found.recommended else "",
        items("Notes", found.notes),
        facts([("cost", found.usage.text)]),
    )


def _call(options: Mapping[str, object]) -> str:
    arguments = [
        f'{name}="{it}"' if isinstance(it, str) else f"{name}={it!r}" for name, it in options.items()
    ]
    return code(f"fit(model, data, {', '.join(arguments)})")


def _chosen(found: Comparison) -> dict[str, object]:
    row, options = found.recommended_row, found.options
    options.setdefault("batch_size", row.batch_size)
    names = ("target", "sample_weight", "batch_size", "optimizer", "epochs")
    chosen = {name: options[name] for name in names if name in options}
    if row.learning_rate is not None:
        chosen["learning_rate"] = row.learning_rate
    return chosen


def advice_html(found: Advice) -> str:
    """The answer, the advised numbers, and the call of `fit`."""
    epochs = found.epochs
    rows = [("batch size", f"{found.batch_size:,}", "")]
    rows += [] if found.learning_rate is None else [("learning rate", f"{found.learning_rate:.4g}", "")]
    between = epochs.range_in_words(",.0f")
    where = (
        ""
        if not between or between.startswith("only")
        else f"{between}: where four fifths of the repeats are best"
    )
    rows.append(("epochs", f"{epochs.value:,.0f}", "; ".join(filter(None, (where, epochs.note)))))
    return view(
        heading(
            "Advice", f"for the least {found.goal}" if found.goal != "quality" else "for the best quality"
        ),
        paragraph(found.answer, found.tied_text),
        table(("", "take", ""), rows, text_columns=(0, 2)) if found.recommended else "",
        facts(_advised(found)),
        _call(found.options) if found.recommended else "",
        items("Notes", found.notes),
    )


def _advised(found: Advice) -> list[tuple[str, str]]:
    rows = [(label_of(found.monitor), str(found.quality))]
    rows += [(name, f"{one.quality}; {one.text}") for name, one in found.beside.items()]
    if found.goal != "quality":
        rows.append(("target", f"{found.target_value:.3g} on average: {found.target_text}"))
    return rows


MAX_NAMES = 30


def dataset_html(dataset: Dataset) -> str:
    """The source, the target, the inputs by name, and the notes."""
    task = dataset.task
    shape = " × ".join(f"{size:,}" for size in dataset.shape)
    pairs: list[tuple[str, object]] = [
        ("samples", f"{dataset.samples:,}"),
        (
            "inputs",
            f"{shape} ({dataset.dtype})" + (f": {_listed(dataset.features)}" if dataset.features else ""),
        ),
    ]
    if task is not None:
        pairs += [("target", dataset.target_name), ("task", task.kind)]
        pairs += [("classes", _listed(task.classes))] if task.classes else []
    if dataset.sample_weight is not None:
        pairs.append(("weights", "one for each sample"))
    return view(heading("Dataset", dataset.source), facts(pairs), items("Notes", dataset.notes))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
