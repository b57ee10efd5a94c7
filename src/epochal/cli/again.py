"""Command lines reconstructed from parsed options."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import Any

import click

from epochal.cli.command import GIVEN


def given_words(
    ctx: click.Context, without: Collection[str] = (), of: Collection[str] | None = None
) -> list[str]:
    """The options that were given, on the command line or in a file, with their values.

    Args:
        ctx: of the command.
        without: parameters that are left out.
        of: parameters that are taken; all by default.
    """
    words = []
    for name, value in ctx.meta[GIVEN].items():
        one = next(one for one in ctx.command.params if one.name == name)
        taken = name not in without and (of is None or name in of)
        if isinstance(one, click.Option) and taken:
            words += _words(one, value)
    return words


def same_command(ctx: click.Context, data: str) -> list[str]:
    """The words of the command line that was given."""
    return ["epochal", str(ctx.info_name), data, *given_words(ctx)]


def _words(option: click.Option, value: Any) -> list[str]:
    if option.is_flag:
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if isinstance(value, list | tuple) else [value]
    return [word for one in values for word in (option.opts[0], one)]


def copyable(words: Sequence[str], width: int) -> list[str]:
    r"""A command line as lines that a shell takes for one; each that goes on ends with a backslash.

    >>> copyable(["epochal", "train", "a b.csv", "--epochs", "5"], 25)
    ["epochal train 'a b.csv' \\", '  --epochs 5']
    """
    lines, line = [], ""
    for place, word in enumerate(words):
        # An option stays on one line with its value.
        part = shlex.quote(word)
        if word.startswith("--") and place + 1 < len(words) and not words[place + 1].startswith("--"):
            part = f"{part} {shlex.quote(words[place + 1])}"
        elif place and words[place - 1].startswith("--") and not word.startswith("--"):
            continue
        if line and len(line) + 1 + len(part) + 2 > width:
            lines.append(f"{line} \\")
            line = f"  {part}"
        else:
            line = f"{line} {part}" if line else part
    return [*lines, line]
