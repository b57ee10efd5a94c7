"""epochal report: where is the page about a run?"""

from __future__ import annotations

from pathlib import Path

import click

from epochal.cli.command import Command
from epochal.cli.files import check_new_file, reason
from epochal.cli.interrupts import unwinding
from epochal.cli.say import say
from epochal.errors import Refusal

__all__ = ["command"]


@click.command("report", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page; report.html in the run folder if not given.",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(run: Path, out: Path | None, show: bool) -> None:
    """Write the page about RUN again: one file that works offline."""
    from epochal.run import load_record

    record = load_record(run)
    path = out or run / "report.html"
    check_new_file(path, force=True)
    try:
        with unwinding():
            record.report(path)
    except OSError as error:
        raise Refusal(f'"{path}" can\'t be written: {reason(error)}; nothing was written.') from error
    say(f"wrote {path}")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
