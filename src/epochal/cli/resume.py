"""epochal resume: an interrupted training resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import Command, under
from epochal.cli.hosts_options import hosts_options, join_others, ray_option
from epochal.cli.options import Whole, decorate
from epochal.cli.reading import reading_progress
from epochal.cli.running import exit_status, last_words, watched
from epochal.cli.saving_options import saving, saving_options
from epochal.cli.say import say, say_document
from epochal.cli.train import own_model, result

if TYPE_CHECKING:
    from epochal.runs import Run

__all__ = ["command"]

_again = under("Training")
_output = under("Output")

_options = decorate(
    _again(
        "--epochs",
        "-e",
        type=Whole(1),
        metavar="E",
        help="Train further, as if E had been asked for at once.",
    ),
    _again("--data", metavar="DATA", help="Where the data is now, if it has been moved."),
    _again("--model", metavar="MODULE:FUNCTION", help="The model, if it is one of your own."),
    _again(
        "--devices",
        type=Whole(1),
        metavar="N",
        help="Devices that take part from now on. [as many as were asked for]",
    ),
    saving_options,
    ray_option,
    hosts_options,
    _output("--json", "as_json", is_flag=True, help="One JSON object on stdout, all else on stderr."),
    _output("--quiet", "-q", is_flag=True, help="Nothing but the result."),
)


def _further(run: Run) -> str:
    """What trains a run further that has ended; nothing does if each of its repeats stopped early."""
    if all(one.epochs < run.plan.epochs for one in run.outcomes):
        return (
            "Nothing is left to train, and more --epochs change nothing; a new training with another "
            "stopping rule goes further."
        )
    return "--epochs with a larger number trains it further."


@click.command("resume", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@_options
@click.pass_context
def command(ctx: click.Context, /, run: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Resume the interrupted training in the folder RUN, after a kill, a full disk or Ctrl-C.

    \b
    epochal resume runs/breast-cancer-20260114-101500
    epochal resume runs/breast-cancer-20260114-101500 --epochs 300

    It goes on from the newest checkpoint that verifies, with the batches that would have come, and ends with
    the result that it would have had. `epochal verify RUN` says what a folder holds.
    """
    from epochal.cli.screen import Screen
    from epochal.runs import Run
    from epochal.training.loop import Control
    from epochal.training.resume import resuming

    leads = join_others(given)
    control = Control()
    with own_model(given["model"]):
        found = resuming(
            run,
            model=given["model"],
            data=given["data"],
            epochs=given["epochs"],
            ray=given["ray"],
            control=control,
            saving=saving(given),
            progress=reading_progress(quiet or not leads),
            **({} if given["devices"] is None else {"devices": given["devices"]}),
        )
    if isinstance(found, Run):
        if leads:
            say(
                f"{run} has ended {found.ending}. {_further(found)}",
                err=as_json or quiet,
            )
        ended = found
    else:
        ended = watched(found, control, Screen(quiet=quiet or not leads, to_stderr=as_json))
    if leads:
        if as_json:
            say_document(result(ended, run))
        last_words(ended, run, quiet=quiet, as_json=as_json)
    ctx.exit(exit_status(ended))
