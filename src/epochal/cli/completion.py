"""epochal completion: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from epochal.cli.command import Command
from epochal.cli.options import Text
from epochal.cli.output import echo_bytes
from epochal.settings.value_kinds import one_of


@click.command("completion", cls=Command)
@click.argument("shell", type=Text(one_of("shell", ("bash", "zsh", "fish"))), metavar="bash|zsh|fish")
def command(shell: str) -> None:
    """Print what makes a shell complete the commands, the options and their values.

    \b
    eval "$(epochal completion bash)"     in ~/.bashrc
    eval "$(epochal completion zsh)"      in ~/.zshrc
    epochal completion fish | source      in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    made = found(command, {}, "epochal", "_EPOCHAL_COMPLETE")
    echo_bytes(f"{made.source_template % made.source_vars()}\n".encode())
