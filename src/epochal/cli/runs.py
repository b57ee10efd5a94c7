"""epochal runs: which runs are here?"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from epochal.cli.command import Command
from epochal.cli.say import say, say_document
from epochal.layout import aligned

__all__ = ["command"]

_HEADER = ("run", "date", "data", "batch", "epochs", "repeats", "figure", "verdict")
_RIGHT = ("batch", "epochs", "repeats")
_FIRST_TO_GO = ("data", "date", "batch", "epochs", "repeats")


@click.command("runs", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs, comparisons and advices in FOLDER (runs/ if not given), the newest first."""
    from epochal.run.listing import listing

    found = listing(folder)
    if as_json:
        say_document([entry.to_dict() for entry in found])
    elif not found:
        say(f"no runs in {folder}")
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in _table([entry.cells() for entry in found], width):
            say(line if width is None or len(line) <= width else f"{line[: width - 1]}…")


def _table(cells: list[tuple[str, ...]], width: int | None) -> list[str]:
    """The lines; on a narrow terminal without the columns that matter least."""
    columns = list(_HEADER)
    for gone in (None, *_FIRST_TO_GO):
        if gone is not None:
            columns.remove(gone)
        places = [_HEADER.index(name) for name in columns]
        rows = [[row[place] for place in places] for row in (_HEADER, *cells)]
        lines = aligned(rows, right=[columns.index(name) for name in _RIGHT if name in columns])
        if width is None or max(map(len, lines)) <= width:
            return lines
    return lines
