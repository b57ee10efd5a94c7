"""Command-line flags, generated from declared options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from epochal.cli.command import Flag
from epochal.errors import Refusal
from epochal.settings import DECLARED
from epochal.settings.option import Option
from epochal.settings.value_kinds import ANY, BOOLEAN, InvalidValue, ValueKind

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType

Sections = Mapping[str, Sequence[Option | str]]
"""The options of a command by sections of its help; a name is that of an option of a training."""


_COMPARED = ("batch_size", "learning_rate", "optimizer", "epochs")


def value_of(name: str, kind: ValueKind, text: Any) -> Any:
    """The value that a text means, checked."""
    try:
        return kind.check(kind.read(text))
    except InvalidValue as wrong:
        with suppress(InvalidValue):
            alone = [kind.check(kind.read(one)) for one in str(text).split(",")]
            if len(alone) > 1 and not isinstance(alone[0], tuple):
                several = " `epochal compare` tries several." if name.strip("`") in _COMPARED else ""
                raise Refusal(f'{name} takes one value, not a list; got "{text}".{several}') from None
        raise Refusal(f"{name} {wrong}.") from None


class Text(_Type):
    """Text that is read as values of a kind are."""

    name = "text"

    def __init__(self, kind: ValueKind) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, or a refusal with the name of the option."""
        if not isinstance(value, str):
            return value
        name = str(param and param.name)
        return value_of(f"`{name}`" if isinstance(param, click.Option) else name, self.kind, value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that values have, or files."""
        if self.kind.read is Path or self is DATA:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in self.kind.names if name.startswith(incomplete)]


DATA = Text(ValueKind(ANY.check, str))  # a file with samples, or an example


def but(name: str, help: str = "", **changes: Any) -> Option:
    """An option of a training as another command has it."""
    return replace(DECLARED[name], help=help or DECLARED[name].help, commands=(), **changes)


def flags(
    sections: Sections, command: str = "", declared: Mapping[str, Option] = DECLARED
) -> Callable[[Any], Any]:
    """Give a command the flags of these sections, in order, each with its options that are not listed."""
    listed = {one if isinstance(one, str) else one.name for section in sections.values() for one in section}
    made = []
    for title, section in sections.items():
        named = [declared[one] if isinstance(one, str) else one for one in section]
        named += [
            one
            for one in declared.values()
            if one.section == title and one.help and command in one.commands and one.name not in listed
        ]
        made += [_flag(one, title) for one in named]

    def give(function: Any) -> Any:
        for one in reversed(made):
            function = one(function)
        return function

    return give


def _flag(one: Option, section: str) -> Callable[[Any], Any]:
    flag = one.flag or one.name.replace("_", "-")
    words = [one.name, f"--{flag}", *([f"-{one.short}"] if one.short else [])]
    settings: dict[str, Any] = {"metavar": one.metavar or None, "help": one.help, "default": one.default}
    if one.kind is BOOLEAN:
        if one.default is None and "/" not in flag:
            words[1] += f"/--no-{flag}"
        settings["is_flag"] = True
    elif one.kind.multiple:

        def collected(ctx: click.Context, param: click.Parameter, texts: Any) -> Any:
            return value_of(f"`{one.name}`", one.kind, texts) if texts else one.default

        settings |= {"multiple": True, "default": None, "callback": collected}
    else:
        settings["type"] = Text(one.kind)
        if one.default and one.help[-1] != "]":
            shown = one.default if isinstance(one.default, tuple) else (one.default,)
            settings["help"] += f" [{','.join(map(str, shown))}]"
    return click.option(*words, cls=Flag, section=section, **settings)
