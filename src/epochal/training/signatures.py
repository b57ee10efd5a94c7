"""Signatures and docstrings of functions with training options, generated from `Settings`."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from epochal.settings import Settings

__all__ = ["described_options", "takes_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

_ENTRY = re.compile(r"^ {4}(\w+): ")
_STARRED = re.compile(r"^( *)\*\*options: .*(?:\n\1 +.*)*", re.MULTILINE)


def described_options() -> dict[str, str]:
    """The description of each option from the docstring of `Settings`, on one line.

    >>> described_options()["seed"]
    'of the first repeat.'
    """
    text = inspect.cleandoc(Settings.__doc__ or "").partition("Args:\n")[2]
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        begins = _ENTRY.match(line)
        if begins:
            name = begins[1]
            line = line[begins.end() :]
        if name and line.strip():
            found.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines) for name, lines in found.items()}


def takes_options(
    *,
    without: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    several: Collection[str] = (),
) -> Callable[[Function], Function]:
    """Document the options of a function with `**options`: types, defaults and descriptions.

    `inspect.signature`, completion and `help()` then show those of `Settings`; the function is not
    wrapped.

    Args:
        without: options that the function does not take.
        defaults: defaults other than those of `Settings`.
        several: options that also take lists, or mappings from labels to values.
    """

    def complete(function: Function) -> Function:
        own = inspect.signature(function)
        options = typing.get_type_hints(Settings)
        plain = [
            one.replace(annotation=_resolved(one.annotation, function))
            for one in own.parameters.values()
            if one.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        shown = []
        for one in dataclasses.fields(Settings):
            if one.name in without:
                continue
            default = one.default_factory() if callable(one.default_factory) else one.default
            kind = options[one.name]
            if one.name in several:
                kind = kind | list[Any] | Mapping[str, Any] if kind is not Any else Any
            default = (defaults or {}).get(one.name, default)
            shown.append(
                inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            )
        function.__signature__ = own.replace(  # type: ignore[attr-defined]
            parameters=[*plain, *shown], return_annotation=_resolved(own.return_annotation, function)
        )
        if function.__doc__:
            function.__doc__ = _completed(function.__doc__, [one.name for one in shown])
        return function

    return complete


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation as a type; forward references remain strings."""
    try:
        return typing.get_type_hints(
            type("", (), {"__annotations__": {"one": annotation}}), vars(sys.modules[function.__module__])
        )["one"]
    except NameError:
        return annotation


def _completed(doc: str, names: list[str]) -> str:
    """A docstring with a line for each option after that of `**options`."""
    lines = described_options()

    def entry(found: re.Match[str]) -> str:
        indent = found[1]
        said = " ".join(found[0].split()).removeprefix("**options: ")
        told = [f"**options: {said}", *(f"{name}: {lines[name]}" for name in names)]
        return "\n".join(
            textwrap.fill(one, 110, initial_indent=indent, subsequent_indent=indent + "    ") for one in told
        )

    return _STARRED.sub(entry, doc, count=1)
