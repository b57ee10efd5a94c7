"""epochal resume: an interrupted training resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epochal.cli.arguments import saving
from epochal.cli.command import Command
from epochal.cli.data import reading_progress
from epochal.cli.flags import HOSTS, JSON, KEPT, QUIET, RAY
from epochal.cli.options import Sections, Text, but, flags
from epochal.cli.output import echo
from epochal.cli.param_types import PATH
from epochal.cli.processes import join_others
from epochal.cli.train import custom_model_errors, print_end, show_training
from epochal.settings.option import Option
from epochal.settings.value_kinds import WORD

_OPTIONS: Sections = {
    "Training": (
        but("epochs", "Train further, as if E had been asked for at once.", default=None),
        Option("data", None, WORD, "Where the data is now, if it has been moved.", "DATA"),
        Option("model", None, WORD, "The model, if it is one of your own.", "MODULE:FUNCTION"),
        but("devices", "Devices that take part from now on. [as many as were asked for]"),
    ),
    "Checkpoints": KEPT,
    "Machines": (RAY,),
    "Several hosts": HOSTS,
    "Output": (JSON, QUIET),
}


@click.command("resume", cls=Command)
@click.argument("run", type=Text(PATH))
@flags(_OPTIONS)
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
    from epochal.training.loop import StopSignal
    from epochal.training.resume import resuming

    is_main_process = join_others(given)
    stop_signal = StopSignal()
    with custom_model_errors(given["model"]):
        found = resuming(
            run,
            model=given["model"],
            data=given["data"],
            epochs=given["epochs"],
            ray=given["ray"],
            stop_signal=stop_signal,
            saving=saving(given),
            progress=reading_progress(quiet or not is_main_process),
            **({} if given["devices"] is None else {"devices": given["devices"]}),
        )
    if isinstance(found, Run):
        further = "--epochs with a larger number trains it further."
        if all(one.epochs < found.plan.epochs for one in found.outcomes):  # each repeat stopped early
            further = (
                "Nothing is left to train, and more --epochs change nothing; a new training with another "
                "stopping rule goes further."
            )
        if is_main_process:
            echo(f"{run} has ended {found.ending}. {further}", err=as_json or quiet)
        ended = found
    else:
        ended = show_training(
            found, stop_signal, Screen(quiet=quiet or not is_main_process, to_stderr=as_json)
        )
    ctx.exit(print_end(ended, is_main_process, quiet, as_json))
