"""epochal evaluate: metrics, errors and calibration of a trained run on labeled data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from epochal.cli.command import Command
from epochal.cli.data import reading_of
from epochal.cli.files import check_new_file, replacing
from epochal.cli.flags import JSON, OF_RUN, QUIET, READING, SKIP_BAD
from epochal.cli.options import DATA, Text, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.param_types import PATH
from epochal.settings.option import Option

_OPTIONS = (
    Option(
        "out", None, PATH, "Also write it: all as .json, or the metrics as .csv or .parquet.", "FILE", "o"
    ),
    *OF_RUN,
    *(SKIP_BAD, *READING, JSON),
    replace(QUIET, help="Nothing but the main metric of the mean prediction."),
)


@click.command("evaluate", cls=Command)
@click.argument("run", type=Text(PATH))
@click.argument("data", type=DATA)
@flags({"Options": _OPTIONS})
def command(run: Path, data: str, out: Path | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Evaluate the run folder RUN on DATA, which has the target: every metric over the repeats.

    \b
    epochal evaluate runs/breast-cancer-20260114-101500 new.csv

    It also says which rows were trained on, how each class is found, and whether probabilities are what
    they say. DATA is of the kind that the run was trained on.
    """
    if out is not None:
        check_new_file(out, given["force"])
    from epochal.data import Reading
    from epochal.runs import load
    from epochal.runs.evaluate import evaluate

    trained = load(run, given["model"])
    options = {name: given[name] for name in ("parameters", "skip_bad")}
    found = evaluate(trained, data, reading=Reading(**reading_of(given)), **options)
    document = found.to_dict()
    if out is not None:
        with replacing(out) as partial:
            if out.suffix.lower() == ".json":
                text = json.dumps(document, ensure_ascii=False, indent=1)
                partial.write_text(f"{text}\n", encoding="utf-8")
            else:
                from epochal.runs.csv_file import write_table

                write_table(found.to_arrow(), partial)
    if as_json:
        echo_json({"run": str(run), **document})
    elif quiet:
        name = trained.main_metric
        echo(f"{name} {found.metrics[name].format_value(found.ensemble[name])}")
    else:
        from epochal.runs.evaluation_text import heading, sections
        from epochal.training.progress.terminal import plain_console, section

        console = plain_console(to_stderr=False)
        width = max(60, min(120, console.width))
        section(console, "Evaluation", [heading(found)], width, apart=False)
        for title, lines in sections(found, width - 2):
            section(console, title, lines, width)
    if out is not None and not quiet:
        echo(f"wrote {out}", err=True)
