"""Is a JSON value what a dataclass is made of?

What is read from a file may be damaged, or a stranger's: a number where a name is due would be found much
later, in the middle of something else.
"""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from epochal.errors import Refusal
from epochal.printable import one_line

__all__ = ["built", "damaged_schema"]

T = TypeVar("T")
_WHOLE = 2**62


def damaged_schema(what: str) -> Refusal:
    """The refusal of a schema that no data set has."""
    return Refusal(f"the schema of the data is damaged: {what}.")


def built(kind: type[T], value: Any, **given: Any) -> T:
    """An object of a dataclass from a JSON object; `given` are fields that were read by other means.

    Raises:
        Refusal: a field too many, one that lacks, or one of another type.

    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: float
    ...     names: tuple[str, ...] = ()
    >>> built(Point, {"x": 1, "names": ["a"]})
    Point(x=1.0, names=('a',))
    >>> built(Point, {"x": "1"})
    Traceback (most recent call last):
    epochal.errors.Refusal: the schema of the data is damaged: point.x must be a number; got '1'.
    """
    word = kind.__name__.lower()
    if not isinstance(value, dict):
        raise damaged_schema(f"{word} must be an object; got {one_line(repr(value), 80)}")
    hints = get_type_hints(kind)
    own = {field.name: field for field in dataclasses.fields(kind) if field.init and field.name not in given}  # type: ignore[arg-type]
    for name in value:
        if name not in own:
            raise damaged_schema(f'{word} has no "{one_line(name, 80)}"')
    for name, field in own.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise damaged_schema(f"{word} lacks {name}")
    found = {name: _converted(hints[name], one, f"{word}.{name}") for name, one in value.items()}
    return kind(**found, **given)


def _converted(hint: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        (rest,) = (one for one in inner if one is not type(None))
        return _converted(rest, value, where)
    if origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
        raise _wrong(where, f"one of {', '.join(inner)}", value)
    if origin is tuple:
        if not isinstance(value, list) or (inner[-1] is not Ellipsis and len(value) != len(inner)):
            raise _wrong(where, "a list", value)
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_converted(one, item, where) for one, item in zip(kinds, value, strict=True))
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _WHOLE:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300
    if hint is float and number and math.isfinite(value):
        return float(value)
    raise _wrong(where, _WORDS[hint], value)


_WORDS = {bool: "true or false", str: "text", int: "a whole number", float: "a number"}


def _wrong(where: str, due: str, value: Any) -> Refusal:
    return damaged_schema(f"{where} must be {due}; got {one_line(repr(value), 80)}")
