"""Values of settings as JSON.

A value is plain, of a family whose members have names, or not serializable, and then described in words.
Reading is strict, since a file may be damaged or untrusted: another type, an unknown name or an unknown field
is an error, and nothing is imported.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import numpy as np

from epochal.common.printable import one_line
from epochal.data.recipe import absolute
from epochal.engine.schedules import Schedule
from epochal.models import OwnMetric
from epochal.models.augment import KINDS
from epochal.models.starts import Initial
from epochal.plan import BatchSchedule, Order
from epochal.plan.named import ORDERS, order_named
from epochal.settings.kinds import plain_number
from epochal.settings.option import Option
from epochal.stopping import (
    Budget,
    GeneralizationLoss,
    Patience,
    Productivity,
    RisingStrips,
    Target,
    all_of,
    any_of,
)
from epochal.stopping.rules import Joined

WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
"""Exceptions on reading an ill-typed value; `Refusal` is a ValueError."""

MOST_VALUES = 10_000
"""Most values of an order in a file; longer ones have to be given again."""
_LONGEST = 4096
"""Most characters of a word or a path."""
_DEEPEST = 8
"""Most nesting of rules."""


class Unsayable(Exception):
    """A value that JSON can't represent."""


@dataclass(frozen=True)
class Codec:
    """How to write and read a value; `what` completes "must be ..."."""

    what: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def plain(what: str, *types: type) -> Codec:
    """Numbers, strings and booleans; numbers must be finite, strings short and printable.

    >>> plain("a number", int, float).write(np.float32(0.5))
    0.5
    """

    def checked(value: Any) -> Any:
        value = plain_number(value)
        if not any(_is(value, one) for one in types):
            raise Unsayable
        return value

    def read(value: Any) -> Any:
        try:
            return checked(value)
        except Unsayable:
            raise TypeError(what) from None

    return Codec(what, checked, read)


def several(what: str, one: Codec, most: int = 10_000) -> Codec:
    """A sequence of values, read as a tuple."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise TypeError(what)
        return tuple(map(one.read, value))

    return Codec(what, lambda value: [one.write(each) for each in value], read)


def optional(codec: Codec) -> Codec:
    """The value or None."""
    return Codec(
        f"{codec.what} or null",
        lambda value: None if value is None else codec.write(value),
        lambda value: None if value is None else codec.read(value),
    )


def family(what: str, members: Mapping[str, type]) -> Codec:
    """Frozen dataclasses with plain fields, by name.

    >>> family("a schedule", {"schedule": Schedule}).write(Schedule("step", every=5))["every"]
    5
    """
    names = {member: name for name, member in members.items()}

    def write(value: Any) -> dict[str, Any]:
        if type(value) not in names:
            raise Unsayable
        hints = typing.get_type_hints(type(value))
        found = {"of": names[type(value)]}
        for one in dataclasses.fields(value):
            held = plain_number(getattr(value, one.name))
            if not _is(held, hints[one.name]):
                raise Unsayable
            found[one.name] = held
        return found

    def read(value: Any) -> Any:
        fields = dict(value)
        member = members[fields.pop("of")]
        hints = typing.get_type_hints(member)
        known = {one.name for one in dataclasses.fields(member)}
        if not known.issuperset(fields) or not all(_is(held, hints[name]) for name, held in fields.items()):
            raise TypeError(what)
        return member(**fields)

    return Codec(what, write, read)


def _is(value: Any, hint: Any) -> bool:
    """Whether a value has a plain type: integers are numbers, booleans are not, numbers are finite."""
    if isinstance(hint, UnionType):
        return any(_is(value, one) for one in typing.get_args(hint))
    if hint is None or hint is NoneType:
        return value is None
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()
    return hint is bool and isinstance(value, bool)


# Rules -----------------------------------------------------------------------------------------------------

_RULES = family(
    "a stopping rule",
    {
        "patience": Patience,
        "target": Target,
        "generalization_loss": GeneralizationLoss,
        "productivity": Productivity,
        "rising_strips": RisingStrips,
        "budget": Budget,
    },
)
_JOINED = {"any_of": any_of, "all_of": all_of}


def _write_rule(rule: Any) -> dict[str, Any]:
    if type(rule) is not Joined:
        written: dict[str, Any] = _RULES.write(rule)
        return written
    return {"of": "all_of" if rule.every else "any_of", "rules": [_write_rule(one) for one in rule.rules]}


def _read_rule(value: Any, depth: int = 0) -> Any:
    if value["of"] not in _JOINED:
        return _RULES.read(value)
    if set(value) != {"of", "rules"} or depth > _DEEPEST:
        raise TypeError("rules")
    return _JOINED[value["of"]](*(_read_rule(one, depth + 1) for one in value["rules"]))


# Orders ----------------------------------------------------------------------------------------------------


def _write_order(order: Any) -> Any:
    if isinstance(order, str):
        return order
    if not isinstance(order, Order) or type(order) is not type(ORDERS.get(order.name)):
        raise Unsayable
    values = order.values
    if values is not None and len(values) > MOST_VALUES:
        raise Unsayable
    written: dict[str, Any] = {"name": order.name, "options": order.options}
    if values is not None:
        written["values"] = values.tolist()
    try:
        if _read_order(written) != order:
            raise Unsayable
    except WRONG as error:
        raise Unsayable from error
    return written


def _read_order(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not {"name", "options"} <= set(value) <= {"name", "options", "values"}:
        raise TypeError("an order")
    options = value["options"]
    for one in options.values():
        if not (_is(one, int) or one is None or (isinstance(one, list) and all(_is(x, int) for x in one))):
            raise TypeError("an option of an order")
    if "edges" in options:
        options = {**options, "edges": tuple(options["edges"])}
    order = order_named(value["name"], options)
    if "values" not in value:
        return order
    values = value["values"]
    if not isinstance(values, list) or len(values) > MOST_VALUES or not all(_is(x, float) for x in values):
        raise TypeError("the values of an order")
    return order.bind(np.array(values))


# What is held out, where parameters start, batch sizes, images ---------------------------------------------


def _write_held_out(value: Any) -> Any:
    number = plain_number(value)
    if _is(number, float):
        return number
    where = absolute(value)
    if where is None:
        raise Unsayable
    return {"path": where}


def _read_held_out(value: Any) -> Any:
    if _is(value, float):
        return value
    if set(value) != {"path"} or not _is_path(value["path"]):
        raise TypeError("a path")
    return value["path"]


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and "\0" not in value


_NAMES = several("names", plain("a name", str))


def _write_initial(value: Any) -> Any:
    value = Initial(value) if isinstance(value, str | Path) else value
    if type(value) is not Initial:
        raise Unsayable
    where = absolute(value.path)
    rest = {"fresh": list(value.fresh), "rename": dict(value.rename), "repeat": value.repeat}
    return {"path": where, **rest}


def _read_initial(value: Any) -> Initial:
    if set(value) != {"path", "fresh", "rename", "repeat"} or not _is_path(value["path"]):
        raise TypeError("where parameters are")
    rename = dict(value["rename"])
    _NAMES.read([*rename, *rename.values()])
    return Initial(value["path"], _NAMES.read(value["fresh"]), rename, value["repeat"])


def _write_batch_size(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = BatchSchedule(value)
    if isinstance(value, BatchSchedule):
        return value.to_dict()
    return _SIZE.write(value)


def _read_batch_size(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _SIZE.read(value)
    if set(value) != {"unit", "changes"}:
        raise TypeError("batch sizes")
    return BatchSchedule.of_dict(value)


_SIZE = plain('a whole number or "full"', int, str)


def _write_weights(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise Unsayable
    return {str(name): _NUMBER.write(weight) for name, weight in value.items()}


def _read_weights(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return {name: _NUMBER.read(weight) for name, weight in value.items()}


_WORD, _NUMBER = plain("a word", str), plain("a finite number", int, float)
_SCHEDULE = family("a schedule", {"schedule": Schedule})


def declared(one: Option) -> Codec:
    """An option whose values JSON holds as they are, checked as it declares."""

    def write(value: Any) -> Any:
        if not _is_plain(value):
            raise Unsayable
        return list(value) if isinstance(value, tuple) else plain_number(value)

    def read(value: Any) -> Any:
        value = tuple(value) if isinstance(value, list) else value
        if not _is_plain(value):
            raise TypeError(one.name)
        return None if value is None and one.default is None else one.kind.check(value)

    return Codec("a plain value", write, read)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= MOST_VALUES and all(_is(one, str) for one in value)
    return _is(plain_number(value), None | bool | float | str)


def special() -> dict[str, Codec]:
    """The codecs of settings with special types."""
    return {
        "batch_size": optional(Codec("a whole number, full, or sizes", _write_batch_size, _read_batch_size)),
        "schedule": Codec(
            "a schedule",
            lambda value: value if isinstance(value, str) else _SCHEDULE.write(value),
            lambda value: value if isinstance(value, str) else _SCHEDULE.read(value),
        ),
        "optimizer_options": Codec("numbers by name", _write_weights, _read_numbers),
        "stop": optional(Codec("a stopping rule", _write_rule, _read_rule)),
        "order": Codec("an order", _write_order, _read_order),
        "validation": Codec("a share or a path", _write_held_out, _read_held_out),
        "test": Codec("a share or a path", _write_held_out, _read_held_out),
        "class_weight": optional(Codec("weights by class", _write_weights, _read_weights)),
        "initial": optional(Codec("where parameters are", _write_initial, _read_initial)),
        "metrics": optional(_NAMES),
        "augment": several("transforms of images", family("a transform of images", KINDS), 100),
    }


def _read_numbers(value: Any) -> dict[str, Any]:
    return {_WORD.read(name): _NUMBER.read(one) for name, one in value.items()}


def in_words(value: Any) -> str:
    """A description of a value that can't be written, to be given again."""
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return f"the function {shown(name)}"
    if isinstance(value, Order):
        of = "" if value.values is None else f" of {len(value.values):,} values"
        return f'the order "{shown(value.name)}"{of}'
    if isinstance(value, tuple) and any(isinstance(one, OwnMetric) for one in value):
        return ", ".join(shown(one if isinstance(one, str) else one.name) for one in value)
    if isinstance(value, tuple | list) and value and all(hasattr(one, "shape") for one in value):
        return "arrays"
    article = "an" if type(value).__name__[:1] in "AEIOUaeiou" else "a"
    return f"{article} {shown(type(value).__name__)}"


def shown(value: Any) -> str:
    """A short text of a value from a file."""
    return one_line(value, 120)
