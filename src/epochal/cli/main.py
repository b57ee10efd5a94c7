"""What can be asked on the command line?

    epochal plan · train · predict · trace · report · runs · example

Each command lives in a module of its own, imported when it is called: `plan` answers without JAX.
Exit status: 0 done, 1 failed, 2 refused, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from epochal.errors import Refusal, did_you_mean

__all__ = ["app", "run"]

COMMANDS = {
    "plan": "which samples form each update, before anything is trained",
    "train": "train a network on a table or arrays, with repeats, curves and a verdict",
    "predict": "predict new rows with a trained run",
    "trace": "which update saw a row, or which rows formed an update",
    "report": "write a run's page again",
    "runs": "list the runs in a folder",
    "example": "write an example table as CSV",
}


class _Commands(click.Group):
    """Commands that are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"epochal.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            raise Refusal(did_you_mean("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start here: epochal train example:breast-cancer --repeats 5",
)
@click.version_option(package_name="epochal", prog_name="epochal")
def app() -> None:
    """Train neural networks by mini-batch gradient descent: exactly, fast, and with evidence."""


def _usage(error: click.UsageError) -> str:
    message = error.format_message().strip()
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        known = [name for one in error.ctx.command.params for name in one.opts if name.startswith("--")]
        return did_you_mean("option", error.option_name, known)
    path = error.ctx.command_path if error.ctx is not None else "epochal"
    message = message if message.endswith((".", "?")) else message + "."
    return f"{message} `{path} --help` tells more."


def run() -> None:
    """Run the command line and exit; what cannot work is one sentence on standard error."""
    try:
        status = app.main(standalone_mode=False, prog_name="epochal")
        sys.stdout.flush()
    except Refusal as refusal:
        _say(str(refusal))
        status = 2
    except click.UsageError as error:
        _say(_usage(error))
        status = 2
    except click.ClickException as error:
        _say(error.format_message())
        status = 2
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; nothing was written.")
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        _say(f"{error.strerror or error}: {error.filename}." if error.filename else f"{error}.")
        status = 2 if error.errno == errno.ENOSPC else 1
    except Exception as error:
        if os.environ.get("EPOCHAL_DEBUG"):
            raise
        _say(
            f"this should not have happened: {type(error).__name__}: {error}. "
            "EPOCHAL_DEBUG=1 shows where; please report it."
        )
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _say(sentence: str) -> None:
    click.echo(f"epochal: {sentence}", err=True)
