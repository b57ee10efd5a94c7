"""The base of all commands: help in sections, files of options, one-sentence errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from epochal.cli.config import read_config, write_config
from epochal.errors import Refusal

_NEGATIVE = re.compile(r"-\.?\d[\d_.,eE+-]*")
GIVEN = "epochal.given"
"""Where a context keeps the words that were given for each parameter, on the command line or in a file."""
_WIDTH = 26  # columns for the names of options; a longer name has a line of its own


class Flag(click.Option):
    """An option that stands in a section of the help."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command whose help has sections, in the order in which their first options were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section; those without one come last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx) if isinstance(one, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(one, "section", "Options"), []).append(record)
        names = [len(name) for records in sections.values() for name, _ in records]
        width = max((length for length in names if length <= _WIDTH), default=0)
        for title, records in sections.items():
            sections[title] = [(f"{name:<{width}}", text) for name, text in records]
        last = sections.pop("Options", [])
        for title, records in [*sections.items(), ("Options", last)]:
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=_WIDTH)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; a negative number is one of them and not an option."""
        takes_value = {
            name
            for one in self.params
            if isinstance(one, click.Option) and not one.is_flag
            for name in one.opts
        }
        for before, word in zip(["", *args], args, strict=False):
            if before == "--":
                break
            if _NEGATIVE.fullmatch(word) and before not in takes_value:
                name = next((one.name for one in self.params if isinstance(one, click.Argument)), "a number")
                raise Refusal(f"{name} must not be negative; got {word}.")
        words = self.make_parser(ctx).parse_args(args=list(args))[0]
        given = {name: value for name, value in words.items() if isinstance(value, str | bool | list)}
        given.pop("save_config", None)
        if "config" in given:
            ctx.default_map = read_config(Path(str(given.pop("config"))), self.params)
        ctx.meta[GIVEN] = {**(ctx.default_map or {}), **given}
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command, after what it was given is written to a file if that was asked for."""
        path = ctx.params.pop("save_config", None)
        ctx.params.pop("config", None)
        if path is not None:
            write_config(path, str(self.name), ctx.meta[GIVEN])
        return super().invoke(ctx)


_ALIASES = {"lr": "learning-rate", "bs": "batch-size", "wd": "weight-decay"}
"""What options are called elsewhere."""


def sentence(error: click.ClickException) -> str:
    """One of Click's messages as one sentence, without the usage lines."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "epochal"
    if isinstance(error, click.NoSuchOption):
        import difflib  # late: only messages need it

        params = context.command.params if context else []
        known = [name.strip("-") for one in params for name in one.opts if name[:2] == "--"]
        given = error.option_name.strip("-")
        near = [_ALIASES[given]] if given in _ALIASES else difflib.get_close_matches(given, known, n=1)
        hint = f'; did you mean "--{near[0]}"?' if near and near[0] in known else "."
        return f'unknown option "{error.option_name}"{hint} `{path} --help` lists them all.'
    if isinstance(error, click.MissingParameter) and error.param is not None:
        one = error.param
        name = (
            one.opts[0]
            if isinstance(one, click.Option)
            else one.make_metavar(context or click.Context(click.Command("")))
        )
        return f"{path} needs {name}; `{path} --help` tells more."
    message = " ".join(error.format_message().split())
    if re.search(r"unexpected extra arguments? \([\d.,e -]+\)", message):
        several = path.endswith(("compare", "advise"))
        message = f"{message.rstrip('.')}: " + (
            "a list of numbers is written with commas, such as 8,32"
            if several
            else "an option takes one value; epochal compare tries several"
        )
    return f"{message.rstrip('.?')}; `{path} --help` tells more."
