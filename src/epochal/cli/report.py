"""epochal report: the page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from epochal.cli.command import Command
from epochal.cli.files import check_new_file, replacing
from epochal.cli.output import echo
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.runs.studies import StudyFolder

PAGE = "report.html"


@click.command("report", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page. [report.html in the run folder]",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(run: Path, out: Path | None, show: bool) -> None:
    """Write the page about RUN again: one file that works offline.

    Of a comparison or an advice it is the page that was written with it.
    """
    from epochal.runs import load_record
    from epochal.runs.studies import read_study

    path = out or run / PAGE
    study = read_study(run)
    if study is None:
        record = load_record(run)
        check_new_file(path, force=True)
        with replacing(path) as partial:
            record.report(partial)
        echo(f"wrote {path}")
    else:
        _page_of(study, path)
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _page_of(study: StudyFolder, path: Path) -> None:
    page = study.folder / PAGE
    if study.result is None:
        raise Refusal(f'"{study.folder}" holds {study.called} that {study.way_on}.')
    if not page.is_file():
        raise Refusal(f"{page} is not there; {study.again} writes it from the trainings that are kept.")
    if path.absolute() == page.absolute():
        echo(study.answer, wrap=True)
        echo(page)
        return
    check_new_file(path, force=True)
    with replacing(path) as partial:
        partial.write_bytes(page.read_bytes())
    echo(f"wrote {path}")
