"""epochal predict: predictions of a trained run for new rows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import Command
from epochal.cli.data import reading_of
from epochal.cli.files import check_new_file, replacing
from epochal.cli.flags import JSON, OF_RUN, QUIET, READING, SKIP_BAD
from epochal.cli.options import DATA, Text, flags
from epochal.cli.output import echo, echo_bytes, echo_json
from epochal.cli.param_types import COLUMNS, PATH
from epochal.errors import Refusal
from epochal.settings.option import Option
from epochal.settings.value_kinds import BOOLEAN

if TYPE_CHECKING:
    from epochal.runs import Prediction
    from epochal.runs.prediction import Ranking

_OPTIONS = (
    Option("out", None, PATH, "A .csv or .parquet file. [standard output]", "FILE", "o"),
    *OF_RUN,
    Option(
        "guard_formulas",
        False,
        BOOLEAN,
        "CSV: put ' before cells that a spreadsheet would run: = + - @ tab; off, so that cells are as read.",
    ),
    Option("with_inputs", False, BOOLEAN, "All columns of DATA beside the predictions, as it has them."),
    Option("id_columns", (), COLUMNS, "Such columns beside them: names or numbers.", "COLUMNS", flag="id"),
    *(SKIP_BAD, *READING, JSON),
    replace(QUIET, help="No notes on standard error."),
)


@click.command("predict", cls=Command)
@click.argument("run", type=Text(PATH))
@click.argument("data", type=DATA)
@flags({"Options": _OPTIONS})
def command(run: Path, data: str, out: Path | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Predict the rows of DATA with the run folder RUN: the mean over its repeats, and their spread.

    \b
    epochal predict runs/first new.csv --id customer --out predictions.csv

    DATA is of the kind that the run was trained on: a table, arrays, a folder of images or one image. A run
    of ranked rows gives a score and a place in its group for each row.
    """
    if out is not None:
        check_new_file(out, given["force"])
    from epochal.data.files.read import PARQUET_SUFFIXES
    from epochal.runs.csv_file import write_csv

    guard_formulas = given["guard_formulas"]
    if guard_formulas and (as_json or (out is not None and out.suffix.lower() in PARQUET_SUFFIXES)):
        raise Refusal("--guard-formulas is about CSV, which spreadsheets open; leave it out here.")
    from epochal.data import Reading
    from epochal.models import Pairwise
    from epochal.runs import load
    from epochal.runs.predict import predict, rank
    from epochal.runs.prediction import Prediction

    trained = load(run, given["model"])
    options: dict[str, Any] = {
        "parameters": given["parameters"],
        "reading": Reading(**reading_of(given)),
        "with_inputs": given["with_inputs"],
        "id": given["id_columns"],
    }
    prediction: Prediction | Ranking
    if isinstance(trained.model, Pairwise):
        prediction = rank(trained, data, **options)
    else:
        prediction = predict(trained, data, skip_bad=given["skip_bad"], **options)
    if not quiet:
        for note in prediction.notes:
            echo(note, err=True, wrap=True)
        if isinstance(prediction, Prediction) and prediction.accuracy is not None:
            echo(_accuracy(prediction, prediction.accuracy), err=True)
        if trained.task.is_regression and trained.repeats > 1:
            sentence = "sd of predicted: how far the repeats differ, not the error to expect of a prediction"
            echo(sentence, err=True, wrap=True)
    if out is not None:
        with replacing(out) as partial:
            prediction.write(partial, guard_formulas=guard_formulas)
        if not quiet:
            echo(f"wrote {len(prediction):,} predictions to {out}", err=True)
    if as_json:
        echo_json({"run": str(run), **prediction.to_dict()})
    elif out is None:
        buffer = io.BytesIO()
        write_csv(prediction.to_arrow(), buffer, guard_formulas)
        echo_bytes(buffer.getvalue())


def _accuracy(prediction: Prediction, accuracy: float) -> str:
    labeled = 0 if prediction.truth is None else int((prediction.truth >= 0).sum())
    text = f"Accuracy {accuracy:.3f} on {labeled:,} labeled rows"
    overlap = prediction.overlap
    if overlap is None or overlap.trained == 0 or not overlap.sentence:
        return text
    if overlap.trained is None:
        return f"{text}, which the run was trained on"
    return f"{text}, of which {overlap.trained:,} {'was' if overlap.trained == 1 else 'were'} trained on"
