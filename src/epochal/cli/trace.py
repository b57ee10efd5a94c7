"""epochal trace: the update that used a row, and the rows of an update."""

from __future__ import annotations

from pathlib import Path

import click

from epochal.cli.command import Command
from epochal.cli.flags import JSON
from epochal.cli.options import Text, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.param_types import PATH
from epochal.errors import Refusal
from epochal.settings.option import Option
from epochal.settings.value_kinds import BOOLEAN, whole

_OPTIONS = (
    Option("sample", None, whole(1), "A row of the data, from 1; a header is no row.", "ROW"),
    Option("epoch", None, whole(1), "One epoch, from 1. [all]", "E"),
    Option("update", None, whole(1), "An update, from 1.", "U"),
    Option("repeat", 1, whole(1), "Which repeat, from 1.", "R"),
    Option("audit", False, BOOLEAN, "Count uses of rows, and classes in stratified or balanced batches."),
    Option("epochs", None, whole(1), "For --audit: the first N epochs. [10]", "N"),
    JSON,
)


@click.command("trace", cls=Command)
@click.argument("run", type=Text(PATH))
@flags({"Options": _OPTIONS})
def command(
    run: Path,
    sample: int | None,
    epoch: int | None,
    update: int | None,
    repeat: int,
    audit: bool,
    epochs: int | None,
    as_json: bool,
) -> None:
    """Say which update, batch and slot saw a row, which rows formed an update, or count them all.

    Rows, repeats, epochs, updates, batches and slots count from 1; in Python, `Plan` counts from 0.

    Nothing of this was stored: the plan is a pure function of the run's seed.
    """
    requests = [sample is not None, update is not None, audit]
    if sum(requests) != 1:
        number = "several" if any(requests) else "none"
        raise Refusal(f"trace needs one of --sample ROW, --update U and --audit; got {number}.")
    if epochs is not None and not audit:
        raise Refusal("--epochs goes with --audit; leave it out, or name one epoch with --epoch.")
    if sample is None and epoch is not None:
        raise Refusal("--epoch goes with --sample; leave it out.")
    from epochal.runs import load_record
    from epochal.runs.trace import audited, formed, seen, seen_throughout

    trained = load_record(run)
    if audit:
        counted = audited(trained, repeat - 1, epochs)
        if as_json:
            echo_json({"repeat": repeat, **counted.to_dict()})
            return
        if counted.epochs < trained.plan.epochs:
            echo(f"The first {counted.epochs:,} of {trained.plan.epochs:,} epochs; --epochs takes more.")
        echo(counted)
        return
    if update is not None:
        found = formed(trained, update - 1, repeat - 1)
        if as_json:
            echo_json(found.to_dict())
            return
        rows = ", ".join(found.names or map(str, found.rows))
        echo(
            f"update {update:,} of repeat {repeat} is batch {found.batch + 1} of epoch {found.epoch + 1}, "
            f"{len(found.rows)} samples."
        )
        echo(f"{'files' if found.names else 'rows'}: {rows}", wrap=True)
        return
    assert sample is not None
    answers = [] if epoch is None else [seen(trained, sample, epoch - 1, repeat - 1)]
    answers = answers or seen_throughout(trained, sample, repeat - 1)
    if as_json:
        echo_json({"row": sample, "repeat": repeat, "epochs": [answer.to_dict() for answer in answers]})
        return
    if answers and answers[0].name:
        echo(f"row {sample} is {answers[0].name}")
    for answer in answers:
        if not answer.uses:
            order, short = trained.plan.order, trained.plan.updates_per_epoch is not None
            why = f"remainder {trained.plan.remainder}" if order.once else f"order {order.name}"
            echo(f"epoch {answer.epoch + 1}: " + ("no turn" if short else f"left out ({why})"))
        for use, size in zip(answer.uses, answer.sizes, strict=True):
            echo(
                f"epoch {answer.epoch + 1}: update {use.update + 1:,}, batch {use.batch + 1} of epoch "
                f"{use.epoch + 1}, slot {use.slot + 1} of {size}"
            )
