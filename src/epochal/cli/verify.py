"""epochal verify: a run folder checked for damage."""

from __future__ import annotations

from pathlib import Path

import click

from epochal.cli.command import Command
from epochal.cli.output import echo, echo_json


@click.command("verify", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def command(ctx: click.Context, run: Path, as_json: bool) -> None:
    """Check every file and checkpoint of RUN: exit status 0 if all are sound, 1 if any is damaged.

    RUN may be the folder of a comparison or an advice, too.
    """
    from epochal.choose.trials.store import verify_study
    from epochal.runs.studies import read_study
    from epochal.runs.verify import verify

    study = read_study(run)
    found = verify(run) if study is None else verify_study(study)
    if as_json:
        echo_json(found.to_dict())
    else:
        width = max((len(one.name) for one in found.findings), default=0)
        for one in found.findings:
            echo(f"{one.name:<{width}}  {f'damaged: {one.problem}' if one.problem else 'sound'}")
        for note in found.notes:
            echo(f"note: {note}")
        echo(found.conclusion)
    ctx.exit(0 if found.sound else 1)
