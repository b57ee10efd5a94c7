"""epochal example: what do the example tables look like?"""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("example")
@click.argument("name", required=False)
@click.option("--out", "-o", type=click.Path(path_type=Path), help="The CSV file; NAME.csv by default.")
def command(name: str | None, out: Path | None) -> None:
    """Write the example table NAME as CSV, or list the examples."""
    from epochal.data import EXAMPLES, write_example

    if name is None:
        for known in EXAMPLES:
            click.echo(f"example:{known}")
        return
    path = out or Path(f"{name.removeprefix('example:')}.csv")
    write_example(name.removeprefix("example:"), path)
    click.echo(f"wrote {path}")
