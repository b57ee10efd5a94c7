"""How are values on the command line read?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from epochal.errors import Refusal

__all__ = ["batch_size", "columns", "decorate", "number_or_path", "options", "whole"]


def whole(name: str, value: str) -> int:
    """A whole number, or a refusal that says so."""
    try:
        return int(value.replace("_", "").replace(",", ""))
    except ValueError:
        raise Refusal(f'{name} must be a whole number; got "{value}".') from None


def batch_size(value: str) -> Any:
    """A whole number, or "full"."""
    if value.strip().lower() == "full":
        return "full"
    try:
        return whole("batch_size", value)
    except Refusal:
        raise Refusal(f'batch_size must be a whole number, at least 1, or "full"; got {value}.') from None


def columns(values: tuple[str, ...]) -> tuple[Any, ...]:
    """Names or numbers of columns, given as `--drop a --drop 3` or `--drop a,3`."""
    return tuple(
        int(part) if part.isdigit() else part for value in values for part in value.split(",") if part.strip()
    )


def column(value: str | None) -> Any:
    """The name or number of one column."""
    return int(value) if value is not None and value.isdigit() else value


def number_or_path(value: str) -> Any:
    """A share or a count, or else a path."""
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def options(text: tuple[str, ...]) -> dict[str, float]:
    """`name=number` pairs."""
    pairs = {}
    for item in text:
        name, separator, value = item.partition("=")
        try:
            if not separator:
                raise ValueError
            pairs[name.strip()] = float(value)
        except ValueError:
            raise Refusal(f'an option is name=number, such as weight_decay=0.01; got "{item}".') from None
    return pairs


def decorate(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several decorators as one, the first outermost."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def reading() -> Callable[[Any], Any]:
    """The options that say how a table is read."""
    return decorate(
        click.option(
            "--header/--no-header", default=None, help="Whether the first row holds names; recognized."
        ),
        click.option("--delimiter", metavar="CHAR", help="What separates fields; recognized."),
        click.option(
            "--missing", multiple=True, metavar="MARK", help="A cell that means missing; may be repeated."
        ),
    )


def reading_options(header: bool | None, delimiter: str | None, missing: tuple[str, ...]) -> dict[str, Any]:
    """The keyword arguments of `load` for them."""
    from epochal.data import MISSING

    tab = {"\\t": "\t", "tab": "\t"}
    return {
        "header": header,
        "delimiter": None if delimiter is None else tab.get(delimiter, delimiter),
        "missing": (*MISSING, *missing),
    }
