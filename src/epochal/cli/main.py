"""The entry point of the command line.

    epochal plan · train · resume · compare · advise · words · evaluate · predict · trace · report · runs
    · verify · example · completion

Each command has its own module, imported when it is called: `plan` answers without JAX.
Exit status: 0 done, 1 failed, 2 refused, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from contextlib import suppress
from typing import Any

import click

from epochal.cli.command import sentence
from epochal.cli.interrupts import NOTHING_KEPT, announce, leaving, status
from epochal.cli.option_flags import in_flags
from epochal.cli.output import echo
from epochal.cli.processes import ended_together, tell_others
from epochal.common.option_text import rendering, set_renderer
from epochal.common.waiting import end_process
from epochal.errors import DataFailed, ProcessLost, Refusal, SaveFailed, did_you_mean

COMMANDS = {
    "plan": "Say which samples form each update, before anything is trained.",
    "train": "Train a network on a table, images, texts or a series.",
    "resume": "Resume an interrupted training, or train a finished one further.",
    "compare": "Compare batch sizes, rates, optimizers or networks, fairly.",
    "advise": "Advise a batch size, a learning rate and a number of epochs.",
    "words": "Learn vectors for the words of a text.",
    "evaluate": "Evaluate a trained run on labeled data: metrics, errors, calibration.",
    "predict": "Predict new rows with a trained run.",
    "trace": "Say which update saw a row, or which rows formed an update.",
    "report": "Write the page about a run again.",
    "runs": "List the runs in a folder.",
    "verify": "Say what in a run folder is damaged and what can still be used.",
    "example": "Write an example table as CSV, or list the examples.",
    "completion": "Print what makes a shell complete commands and options.",
}


_OF_RUNS = ("evaluate", "predict", "report", "resume", "trace", "verify")
"""Commands about a training that there is, which take few of its options."""


_FLAG = re.compile(r"(?<![\w=-])--[a-z][a-z-]+")


class _Gone(Exception):
    """The reader of standard output has left, such as `head`."""


class _Interrupted(Exception):
    """Ctrl-C, hidden from Click, which has words of its own for it."""


class _Commands(click.Group):
    """Commands that are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"epochal.cli.{cmd_name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            if args[0].startswith("-"):
                raise click.NoSuchOption(args[0], ctx=ctx)
            raise Refusal(did_you_mean("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            raise _of_this_command(refusal, self.get_command(ctx, ctx.invoked_subcommand or "")) from refusal
        except BrokenPipeError as error:
            raise _Gone from error
        except KeyboardInterrupt as error:
            raise _Interrupted from error


@click.command(
    cls=_Commands,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start here: epochal train example:breast-cancer --repeats 5",
)
@click.version_option(package_name="epochal", prog_name="epochal", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Train neural networks by mini-batch gradient descent: exactly, fast, and with evidence."""
    if ctx.invoked_subcommand is None:
        echo(ctx.get_help())


def _of_this_command(refusal: Refusal, command: click.Command | None) -> Refusal:
    """The refusal, which says so where it names options that only a new training takes."""
    text = str(refusal)
    if command is None or command.name not in _OF_RUNS or re.search(r"\btrain\b", text):
        return refusal
    training: click.Command = importlib.import_module("epochal.cli.train").command
    own, others = (
        {name for one in known.params for name in (*one.opts, *one.secondary_opts)}
        for known in (command, training)
    )
    flags = dict.fromkeys(_FLAG.findall(re.sub(r"`[^`]*`", "", text)))
    names = [name for name in flags if name in others - own]
    if not names:
        return refusal
    which = f"{' and '.join(names)} {'is an option' if len(names) == 1 else 'are options'}"
    return Refusal(f"{text} {which} of epochal train: train anew with {'it' if len(names) == 1 else 'them'}.")


@rendering(in_flags)
def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit status; what cannot work is one sentence on standard error."""
    try:
        found = app.main(arguments, standalone_mode=False, prog_name="epochal")
        sys.stdout.flush()
        return found if isinstance(found, int) else 0
    except Refusal as refusal:
        return _say(str(refusal), 2)
    except click.ClickException as error:
        return _say(sentence(error), 2)
    except (KeyboardInterrupt, click.Abort, _Interrupted):
        announce()
        return _say(NOTHING_KEPT, status())
    except (_Gone, BrokenPipeError):
        _let_go()
        return 0
    except Exception as error:
        if os.environ.get("EPOCHAL_DEBUG"):
            raise
        if isinstance(error, DataFailed | ProcessLost | SaveFailed):
            return _say(str(error), 1)
        if isinstance(error, OSError):
            where = f": {error.filename}" if error.filename else ""
            _let_go()
            return _say(f"{error.strerror or error}{where}.", 1)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _say(
            f"internal error (a bug in epochal): {what.rstrip('.')}. "
            "EPOCHAL_DEBUG=1 shows where; please report it.",
            1,
        )


def run() -> None:
    """Run the command line and exit."""
    set_renderer(in_flags)  # what is said while the process ends is said in flags, too
    with leaving():
        found = main()
        try:
            usual = ended_together(found)
        except ProcessLost as lost:
            found, usual = found or _say(str(lost), 1), False
        if not usual:
            end_process(found)
    sys.exit(found)


def _say(text: str, code: int) -> int:
    tell_others(text)
    with suppress(OSError):
        echo(f"epochal: {text}", err=True)
    return code


def _let_go() -> None:
    """Standard output takes no more; what is still buffered goes nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
