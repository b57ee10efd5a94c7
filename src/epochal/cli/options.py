"""Command-line value types: whole numbers, batch sizes, schedules, columns."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import under
from epochal.errors import Refusal

__all__ = [
    "NOT_NEGATIVE",
    "POSITIVE",
    "SHARE",
    "BatchSize",
    "Growth",
    "Number",
    "Whole",
    "batch_size_of",
    "column",
    "columns",
    "decorate",
    "image_options",
    "images",
    "number_or_path",
    "options",
    "order_of",
    "reading",
    "reading_options",
]

if TYPE_CHECKING:
    from epochal.plan import Order

    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType


def order_of(name: str, block_length: int | None) -> Order:
    """The order that is named, with the length of its blocks."""
    from epochal.plan import order_named

    if block_length is None:
        order = order_named(name)
    elif name == "blocks":
        order = order_named(name, {"length": block_length})
    else:
        raise Refusal(f"--block-length belongs to --order blocks; got --order {name}.")
    return order


_THOUSANDS = re.compile(r"-?\d{1,3}([,_]\d{3})+")


class Whole(_Type):
    """A whole number; thousands may be set off by commas, and any digits by underscores."""

    name = "whole number"

    def __init__(self, least: int | None = None) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a refusal with its name and bound."""
        bound = "a whole number" + ("" if self.least is None else f", at least {self.least}")
        text = str(value)
        if _THOUSANDS.fullmatch(text):  # a comma elsewhere is a list, not a number
            text = text.replace(",", "")
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or (self.least is not None and number < self.least):
            raise Refusal(f"{_named(param)} must be {bound}; got {_got(value)}.")
        return number


class Number(_Type):
    """A finite number in some range."""

    name = "number"

    def __init__(self, bound: str = "a finite number", holds: Callable[[float], bool] | None = None) -> None:
        self.bound, self.holds = bound, holds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a refusal with its name and bound."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (self.holds is not None and not self.holds(number)):
            raise Refusal(f"{_named(param)} must be {self.bound}; got {_got(value)}.")
        return number


NOT_NEGATIVE = Number("a number, at least 0", lambda number: number >= 0)
POSITIVE = Number("a number above 0", lambda number: number > 0)
SHARE = Number("a number from 0 to less than 1", lambda number: 0 <= number < 1)


def _named(param: click.Parameter | None) -> str:
    return f"`{param.name}`" if param is not None else "the number"


def _got(value: Any) -> str:
    """A value as it was given; quoted where it is no number."""
    text = str(value)
    try:
        float(text)
    except ValueError:
        return f'"{text}"'
    return text


class BatchSize(_Type):
    """A whole number, or a word: "full" unless another one is given."""

    name = "batch size"

    def __init__(self, word: str = "full") -> None:
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, the word, or a refusal."""
        if str(value).strip().lower() == self.word:
            return self.word
        try:
            return Whole(1).convert(value, param, ctx)
        except Refusal:
            named = "batch_size" if param is None else _named(param)
            raise Refusal(
                f'{named} must be a whole number, at least 1, or "{self.word}"; got {_got(value)}.'
            ) from None


class Growth(_Type):
    """Batch sizes with the epochs or updates at which they begin, such as 30:128,60:full."""

    name = "batch sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """(unit, {beginning: size}), or a refusal."""
        if isinstance(value, tuple):
            return value
        found: dict[int, Any] = {}
        units = set()
        for item in str(value).split(","):
            match = re.fullmatch(r"\s*(\d[\d_]*)\s*(epochs?|updates?)?\s*:\s*(\d[\d_]*|full)\s*", item)
            if match is None or int(match[1]) in found or int(match[1]) == 0:
                raise Refusal(
                    f"{_named(param)} must be beginnings, at least 1, with batch sizes, such as "
                    f'30:128,60:full or "5000 updates:128"; got {_got(value)}.'
                )
            found[int(match[1])] = "full" if match[3] == "full" else int(match[3])
            units.add("updates" if (match[2] or "").startswith("update") else "epochs")
        if len(units) > 1:
            raise Refusal(f"{_named(param)} must count in epochs or in updates; got both: {_got(value)}.")
        return units.pop(), found


def batch_size_of(first: Any, growth: tuple[str, dict[int, Any]] | None) -> Any:
    """The batch size with which a plan begins, with those that follow, if any do."""
    if growth is None:
        return first
    from epochal.plan import BatchSchedule

    unit, sizes = growth
    return BatchSchedule({0: 32 if first is None else first, **sizes}, unit)


def columns(values: tuple[str, ...]) -> tuple[Any, ...]:
    """Names or numbers of columns: `--drop a --drop 3`, `--drop a,3`, or `--drop '"a, b",3'`."""
    return tuple(column(part) for value in values for part in parts(value) if part)


def column(value: str | None) -> Any:
    """The name or number of one column; a name may stand in double quotes."""
    if value is not None and len(value) > 2 and value[0] == value[-1] == '"' and len(parts(value)) == 1:
        return parts(value)[0]
    return int(value) if value is not None and value.isdecimal() else value


def number_or_path(value: str) -> Any:
    """A share or a count, or else a path; "10%" is the share 0.1, unless there is such a file.

    >>> number_or_path("0.2"), number_or_path("20"), number_or_path("10%"), number_or_path("rows.csv")
    (0.2, 20, 0.1, 'rows.csv')
    """
    share = value.strip()
    if share.endswith("%") and not Path(value).exists():
        percent = re.fullmatch(r"(\d*\.?\d+) ?%", share)
        if percent is None or Fraction(percent[1]) >= 100:
            raise Refusal(f'a share in percent must be from 0 to below 100; got "{share}". 0.2 is 20%.')
        return float(Fraction(percent[1]) / 100)
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return value


def options(text: tuple[str, ...]) -> dict[str, float]:
    """`name=number` pairs."""
    pairs = {}
    for item in text:
        name, separator, value = item.partition("=")
        try:
            if not separator or not name.strip():
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


def reading(section: str = "Data") -> Callable[[Any], Any]:
    """The options that say how a table is read."""
    option = under(section)
    return decorate(
        option("--header/--no-header", default=None, help="Whether row 1 holds names. [detected]"),
        option("--delimiter", metavar="CHAR", help="Field separator. [detected]"),
        option("--missing", multiple=True, metavar="MARKS", help="Cells that mean missing. [NA, ?, ...]"),
        option("--encoding", metavar="NAME", help="Such as utf-8, cp1252 or gbk. [detected]"),
        option("--skip-rows", type=Whole(0), metavar="N", help="Lines above the table. [detected]"),
        option("--comment", metavar="MARK", help="What comment lines begin with. [detected]"),
        option("--sheet", metavar="SHEET", help="Sheet of a workbook, by name or number from 1."),
    )


def images(section: str = "Data") -> Callable[[Any], Any]:
    """The options that say how a folder of images is read."""
    option = under(section)
    return decorate(
        option("--resize", metavar="HxW", help="Bring images to this height and width, such as 64x64."),
        option("--color/--gray", default=None, help="Read images as RGB or gray. [detected]"),
        option("--skip-bad", is_flag=True, help="Leave out images that can't be read, and count them."),
    )


def image_options(given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `load` for them."""
    return {"resize": _size(given["resize"]), "color": given["color"], "skip_bad": given["skip_bad"]}


def _size(text: str | None) -> tuple[int, int] | None:
    """A height and a width in pixels: "48x64", or "64" for both."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:\s*[x×X*,]\s*(\d+))?", text.strip())
    sides = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
    if min(sides) < 1:
        raise Refusal(f'resize must be HxW in whole pixels, at least 1 each, such as 64x64; got "{text}".')
    return sides


def reading_options(given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `load` for them."""
    delimiter, sheet = given["delimiter"], given["sheet"]
    marks = tuple(part for value in given["missing"] for part in parts(value)) if given["missing"] else None
    tab = {"\\t": "\t", "tab": "\t", "space": " "}
    return {
        "header": given["header"],
        "delimiter": None if delimiter is None else tab.get(delimiter, delimiter),
        "missing": marks,
        "encoding": given["encoding"],
        "skip_rows": given["skip_rows"],
        "comment": given["comment"],
        "sheet": column(sheet),
    }


def parts(value: str) -> list[str]:
    """The parts of a list with commas; a part in double quotes may hold commas itself.

    >>> parts('a, "b, c",3')
    ['a', 'b, c', '3']
    """
    return [part.strip() for part in next(csv.reader([value], skipinitialspace=True), [""])]
