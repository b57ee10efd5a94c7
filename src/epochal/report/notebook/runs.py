"""Notebook views of runs, predictions and evaluations."""

from __future__ import annotations

import math
from typing import Any

from epochal.common.notebook_view import block, chart, heading, items, paragraph, table, view
from epochal.curves import Curves
from epochal.runs.evaluation import Evaluation
from epochal.runs.evaluation_text import heading as title, results_table, sections
from epochal.runs.prediction import Prediction
from epochal.runs.record import Run

MOST_ROWS = 10
MOST_COLUMNS = 12


def run_html(run: Run) -> str:
    """The verdict, the results at the best epoch, the curve, and the notes."""
    repeats = "1 repeat" if run.repeats == 1 else f"{run.repeats} repeats"
    head, *rows = results_table(run)
    return view(
        heading("Run", f"{run.data['source']}, {repeats}, {run.plan.epochs:,} epochs"),
        items("", run.verdict.concerns),
        paragraph(run.verdict.sentence, run.verdict.remedy, run.failed),
        table(head, rows, words=(0,)),
        paragraph(*run.remarks, run.caution),
        _curves(run.curves),
        items("Notes", run.notes, folded=True),
    )


def _curves(curves: Curves) -> str:
    names = [name for name in ("validation.loss", "train.loss") if name in curves.names]
    bands = [(name.replace("train.", "training ").replace(".", " "), curves.summary(name)) for name in names]
    return chart([(name, band.x.tolist(), band.mean.tolist()) for name, band in bands], "epoch")


def prediction_html(found: Prediction) -> str:
    """The first rows of the table of predictions."""
    rows = found[:MOST_ROWS].to_arrow()
    names = rows.column_names[:MOST_COLUMNS]
    columns = [rows.column(name).to_pylist() for name in names]
    cells = list(zip(*map(_written, columns), strict=True))
    left_out = [
        *([f"{len(found) - len(cells):,} more rows"] if len(found) > len(cells) else []),
        *([f"{rows.num_columns - len(names):,} more columns"] if rows.num_columns > len(names) else []),
    ]
    repeats = len(found.per_repeat)
    aside = f"{len(found):,} samples, the mean of {repeats} repeat{'s' if repeats > 1 else ''}"
    words = [place for place, one in enumerate(columns) if any(isinstance(value, str) for value in one)]
    return view(
        heading("Prediction", aside),
        table(names, cells, words=words),
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
        words = len(lines) == 1 or name == "Notes"
        parts.append(items(name, lines) if words else block(name, lines))
    return view(*parts)
