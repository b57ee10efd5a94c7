"""epochal runs: the runs in a folder."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epochal.cli.command import Command
from epochal.cli.output import echo, echo_json
from epochal.common.text import aligned, wrapped

if TYPE_CHECKING:
    from epochal.runs.listing import Entry

_HEADER = ("run", "date", "data", "batch", "epochs", "repeats", "result", "verdict")
_RIGHT = ("batch", "epochs", "repeats")


@click.command("runs", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs, comparisons and advice in FOLDER (runs/ if not given), the newest first."""
    from epochal.runs.listing import listing

    found = listing(folder)
    if as_json:
        echo_json([entry.to_dict() for entry in found])
    elif not found:
        echo(f"no runs in {folder}")
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines_of(found, width):
            echo(line)


def lines_of(entries: Sequence[Entry], width: int | None) -> list[str]:
    """A table, a line for each entry; what does not fit the width goes on below, and nothing is cut."""
    whole = _table(entries)
    if width is None or max(map(len, whole)) <= width:
        return whole
    head, *rows = _table([entry for entry in entries if not entry.problem])
    narrow = max(map(len, (head, *rows))) > width
    lines, left = [] if narrow else [head], iter(rows)
    for entry in entries:
        row = "" if entry.problem else next(left)
        lines += _record(entry, width) if narrow or entry.problem else [row]
    return lines


def _table(entries: Sequence[Entry]) -> list[str]:
    cells = [_HEADER, *(entry.cells() for entry in entries)]
    return aligned(cells, right=[_HEADER.index(name) for name in _RIGHT])


def _record(entry: Entry, width: int) -> list[str]:
    run, date, data, batch, epochs, repeats, result, verdict = entry.cells()
    parts = (("batch ", batch), ("epochs ", epochs), ("repeats ", repeats))
    counts = ", ".join(f"{name}{value}" for name, value in parts if value)
    numbers = "".join(f"{one}; " for one in (counts, result) if one)
    head = "  ".join(filter(None, (run, date, data)))
    named = textwrap.wrap(head, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [*named, *wrapped([numbers + verdict], width).splitlines()]
