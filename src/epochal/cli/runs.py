"""epochal runs: which runs are here?"""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, the newest first."""
    from epochal.run.listing import listing

    found = listing(folder)
    if as_json:
        click.echo(json.dumps([entry.to_dict() for entry in found]))
        return
    if not found:
        click.echo(f"no runs in {folder}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (
        ("run", "left"),
        ("date", "left"),
        ("data", "left"),
        ("batch", "right"),
        ("epochs", "right"),
        ("repeats", "right"),
        ("figure", "left"),
        ("verdict", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for entry in found:
        table.add_row(*entry.cells())
    Console(highlight=False).print(table)
