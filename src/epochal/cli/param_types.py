"""Command-line value types: columns, lists, growing batch sizes."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from epochal.settings.value_kinds import ANY, InvalidValue, ValueKind, quoted


def parts(value: str) -> list[str]:
    """The parts of a list with commas; a part in double quotes may hold commas itself.

    >>> parts('a, "b, c",3')
    ['a', 'b, c', '3']
    """
    return [part.strip() for part in next(csv.reader([value], skipinitialspace=True), [""])]


def column(value: str) -> Any:
    """The name or number of one column; a name may stand in double quotes."""
    if len(value) > 2 and value[0] == value[-1] == '"' and len(parts(value)) == 1:
        return parts(value)[0]
    return int(value) if value.isdecimal() else value


def columns(values: Sequence[str]) -> tuple[Any, ...]:
    """Names or numbers of columns: `--drop a --drop 3`, `--drop a,3`, or `--drop '"a, b",3'`."""
    return tuple(column(part) for value in values for part in parts(value) if part)


def pixels(text: str) -> tuple[int, int]:
    """A height and a width in pixels: "48x64", or "64" for both."""
    found = re.fullmatch(r"(\d+)(?:\s*[x×X*,]\s*(\d+))?", text.strip())
    sides = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
    if min(sides) < 1:
        raise InvalidValue(f'must be HxW in whole pixels, at least 1 each, such as 64x64; got "{text}"')
    return sides


def _units(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise InvalidValue(f'must be whole numbers, at least 1, such as 64,64; got "{text}"')
    return tuple(map(int, parts))


def growth(text: str) -> tuple[str, dict[int, Any]]:
    """Batch sizes with the epochs or updates at which they begin: (unit, {beginning: size}).

    >>> growth("30:128,60:full")
    ('epochs', {30: 128, 60: 'full'})
    """
    found: dict[int, Any] = {}
    units = set()
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d[\d_]*)\s*(epochs?|updates?)?\s*:\s*(\d[\d_]*|full)\s*", item)
        if match is None or int(match[1]) in found or int(match[1]) == 0:
            raise InvalidValue(
                "must be beginnings, at least 1, with batch sizes, such as "
                f'30:128,60:full or "5000 updates:128"; got {quoted(text)}'
            )
        found[int(match[1])] = "full" if match[3] == "full" else int(match[3])
        units.add("updates" if (match[2] or "").startswith("update") else "epochs")
    if len(units) > 1:
        raise InvalidValue(f"must count in epochs or in updates; got both: {quoted(text)}")
    return units.pop(), found


def list_of(each: ValueKind, example: str, words: tuple[str, ...] = ()) -> ValueKind:
    """Values with commas between them, each once; `words` may stand for a value."""

    def read(text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise InvalidValue(f'must be values with commas between them, such as {example}; got "{text}"')
        for part in parts[1:]:
            if part.isdecimal() and len(part) == 3 and part[0] == "0":
                raise InvalidValue(
                    f'is a list, in which a comma sets no thousands off; got "{text}". '
                    f"Write {text.replace(',', '')} if it is one number"
                )
        found = [part if part in words else each.check(each.read(part)) for part in parts]
        for one in found:
            if found.count(one) > 1:
                raise InvalidValue(f"must have each value once; got {one} {found.count(one)} times")
        return tuple(found)

    return ValueKind(ANY.check, read)


COLUMN = ValueKind(ANY.check, column)
COLUMNS = ValueKind(ANY.check, columns, multiple=True)
PATH = ValueKind(ANY.check, Path)
GROWTH = ValueKind(ANY.check, growth)
UNITS = ValueKind(ANY.check, _units)
SIZES = ValueKind(ANY.check, lambda texts: tuple(map(_units, texts)), multiple=True)
TEXTS = ValueKind(ANY.check, tuple, multiple=True)
NA_VALUES = ValueKind(ANY.check, lambda texts: tuple(chain(*map(parts, texts))), multiple=True)
PIXELS = ValueKind(ANY.check, pixels)
_DELIMITERS = {"\\t": "\t", "tab": "\t", "space": " "}
DELIMITER = ValueKind(ANY.check, lambda text: _DELIMITERS.get(text, text))
