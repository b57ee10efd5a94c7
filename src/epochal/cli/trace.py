"""epochal trace: which update saw a row, and which rows formed an update?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from epochal.errors import Refusal

__all__ = ["command"]


@click.command("trace")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--sample", type=int, metavar="ROW", help="A row of the data, counted from 1 (the header not).")
@click.option(
    "--epoch", type=int, metavar="E", help="An epoch, counted from 0; all that were trained by default."
)
@click.option("--update", type=int, metavar="U", help="An update, counted from 0.")
@click.option("--repeat", type=int, default=0, show_default=True, help="Which repeat, counted from 0.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    run: Path, sample: int | None, epoch: int | None, update: int | None, repeat: int, as_json: bool
) -> None:
    """Say which update, batch and slot saw a row, or which rows formed an update.

    Nothing of this was stored: the plan is a pure function of the run's seed.
    """
    if (sample is None) == (update is None):
        raise Refusal(
            "trace needs either --sample ROW or --update U; got "
            + ("neither." if sample is None else "both.")
        )
    from epochal.run import load_record
    from epochal.run.trace import formed, seen

    trained = load_record(run)
    if update is not None:
        found = formed(trained, update, repeat)
        if as_json:
            click.echo(json.dumps(asdict(found)))
            return
        rows = ", ".join(str(row) for row in found.rows)
        click.echo(
            f"update {found.update:,} of repeat {repeat} is batch {found.batch} of epoch {found.epoch}, "
            f"{len(found.rows)} samples.\nrows: {rows}"
        )
        return
    assert sample is not None
    epochs = [epoch] if epoch is not None else range(int(-(-trained.outcomes[repeat].epochs // 1)))
    answers = [seen(trained, sample, one, repeat) for one in epochs]
    if as_json:
        click.echo(
            json.dumps({"row": sample, "repeat": repeat, "epochs": [asdict(answer) for answer in answers]})
        )
        return
    for answer in answers:
        if not answer.turns:
            click.echo(f"epoch {answer.epoch}: left out (remainder {trained.plan.remainder})")
        for turn in answer.turns:
            click.echo(
                f"epoch {answer.epoch}: update {turn.update:,}, batch {turn.batch} of epoch {turn.epoch}, "
                f"slot {turn.slot} of {answer.size}"
            )
