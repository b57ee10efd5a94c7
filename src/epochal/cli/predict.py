"""epochal predict: what does a trained run say about new rows?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from epochal.cli.options import reading, reading_options
from epochal.errors import Refusal

__all__ = ["command"]


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("data")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="CSV or .parquet; standard output by default."
)
@click.option("--parameters", default="best", show_default=True, help="best or last.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output: rows and notes.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@reading()
def command(
    run: Path,
    data: str,
    out: Path | None,
    parameters: str,
    as_json: bool,
    force: bool,
    header: bool | None,
    delimiter: str | None,
    missing: tuple[str, ...],
) -> None:
    """Predict the rows of DATA with the run folder RUN, the mean over its repeats."""
    if out is not None and out.exists() and not force:
        raise Refusal(f'"{out}" exists already; name another file with --out, or write over it with --force.')
    from epochal.run import load
    from epochal.run.predict import predict

    trained = load(run)
    prediction = predict(trained, data, parameters, **reading_options(header, delimiter, missing))
    for note in prediction.notes:
        click.echo(note, err=True)
    if out is not None:
        prediction.write(out)
        click.echo(f"wrote {len(prediction):,} predictions to {out}", err=True)
    if as_json:
        rows = prediction.to_arrow().to_pylist()
        click.echo(json.dumps({"run": str(run), "rows": rows, "notes": list(prediction.notes)}))
    elif out is None:
        import sys

        import pyarrow.csv

        sink = sys.stdout.buffer
        pyarrow.csv.write_csv(prediction.to_arrow(), sink)
        sink.flush()
