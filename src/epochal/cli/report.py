"""epochal report: where is the page about a run?"""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="The page; report.html in the run folder by default."
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(run: Path, out: Path | None, show: bool) -> None:
    """Write the page about RUN again: one file that works offline."""
    from epochal.run import load_record

    path = load_record(run).report(out or run / "report.html")
    click.echo(f"wrote {path}")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
