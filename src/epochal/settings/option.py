"""The declaration of an option, from which its check, flag, help and documentation come."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from epochal.errors import Refusal
from epochal.settings.value_kinds import ANY, InvalidValue, ValueKind

COMMANDS = ("train", "compare", "advise")
"""The commands that train."""


@dataclass(frozen=True)
class Option:
    """What is declared of an option, once.

    Args:
        name: in Python, in files of settings, and after two dashes.
        default: what holds where it is not given.
        kind: what its values are.
        help: one line for the help of a command; "" for an option that has no flag.
        metavar: what stands for a value there.
        short: one letter for it, after one dash.
        flag: its flag where that is not made of the name.
        doc: what the docstring says in Python; `help` unless given.
        section: of the help.
        commands: those that have the flag.
        fixed_on_resume: whether a training goes on only with the same value.
    """

    name: str
    default: Any = None
    kind: ValueKind = ANY
    help: str = ""
    metavar: str = ""
    short: str = ""
    flag: str = ""
    doc: str = ""
    section: str = "Training"
    commands: Collection[str] = COMMANDS
    fixed_on_resume: bool = True

    @property
    def documentation(self) -> str:
        """A line of a docstring."""
        return f"{self.name}: {self.doc or self.help[:1].lower() + self.help[1:]}"


def declare_option(default: Any, kind: ValueKind, help: str = "", metavar: str = "", **rest: Any) -> Any:
    """A field of a dataclass that declares an option of the field's name."""
    metadata = {"option": Option("", default, kind, help, metavar, **rest)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def declared_options(declaring: Any) -> dict[str, Option]:
    """What a dataclass declares, by name."""
    return {
        one.name: dataclasses.replace(one.metadata["option"], name=one.name)
        for one in dataclasses.fields(declaring)
    }


def checked(one: Option, value: Any) -> Any:
    """The value as it is kept; None is fine where it is the default."""
    if value is None and one.default is None:
        return None
    try:
        return one.kind.check(value)
    except InvalidValue as wrong:
        raise Refusal(f"`{one.name}` {wrong}.") from None


def documented(declaring: type) -> str:
    """The lines of a docstring about the options that a dataclass declares."""
    return "\n".join(
        textwrap.fill(one.documentation, 106, initial_indent=" " * 4, subsequent_indent=" " * 8)
        for one in declared_options(declaring).values()
    )
