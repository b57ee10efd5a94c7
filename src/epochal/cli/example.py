"""epochal example: the example tables as CSV."""

from __future__ import annotations

from pathlib import Path

import click

from epochal.cli.command import Command
from epochal.cli.interrupts import unwinding
from epochal.cli.output import echo


@click.command("example", cls=Command)
@click.argument("name", required=False)
@click.option("--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="The CSV file. [NAME.csv]")
def command(name: str | None, out: Path | None) -> None:
    """Write the example table NAME as CSV, or list the examples."""
    from epochal.data import EXAMPLES, write_example

    if name is None:
        for known in EXAMPLES:
            echo(f"example:{known}")
        return
    name = name.removeprefix("example:")
    path = out or Path(f"{name}.csv")
    with unwinding():
        write_example(name, path)
    echo(f"wrote {path}")
