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

from epochal.common.text import one_line
from epochal.data.recipe import absolute
from epochal.engine.schedules import Schedule
from epochal.models import CustomMetric
from epochal.models.augment import KINDS
from epochal.models.initial import Initial
from epochal.plan import BatchSchedule, Order
from epochal.plan.order_registry import ORDERS, order_named
from epochal.runs.checks import WRONG
from epochal.settings.option import Option
from epochal.settings.value_kinds import plain_number
from epochal.stopping import RULES, Joined, all_of, any_of

MAX_VALUES = 10_000
"""Most values of an order in a file; longer ones have to be given again."""
_LONGEST = 4096
"""Most characters of a word or a path."""
_DEEPEST = 8
"""Most nesting of rules."""


class NotSerializable(TypeError):
    """A value that JSON can't represent, or one of another type in a file."""


@dataclass(frozen=True)
class Codec:
    """How to write and read a value; `what` completes "must be ..."."""

    what: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _plain(value: Any, hint: Any) -> Any:
    """A number, string or boolean, checked; numbers must be finite, strings short and printable."""
    value = plain_number(value)
    if not _is(value, hint):
        raise NotSerializable
    return value


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_plain(one, str) for one in _listed(value, MAX_VALUES))


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise NotSerializable
    return value


def dataclass_codec(what: str, members: Mapping[str, type]) -> Codec:
    """Frozen dataclasses with plain fields, by name.

    >>> dataclass_codec("a schedule", {"schedule": Schedule}).write(Schedule("step", every=5))["every"]
    5
    """
    names = {member: name for name, member in members.items()}

    def hints_of(member: Any) -> dict[str, Any]:
        hints = typing.get_type_hints(member)
        return {one.name: hints[one.name] for one in dataclasses.fields(member)}

    def write(value: Any) -> dict[str, Any]:
        if type(value) not in names:
            raise NotSerializable
        written = {name: _plain(getattr(value, name), hint) for name, hint in hints_of(type(value)).items()}
        return {"of": names[type(value)]} | written

    def read(value: Any) -> Any:
        fields = dict(value)
        member: Any = members[fields.pop("of")]
        hints = hints_of(member)
        return member(**{name: _plain(one, hints[name]) for name, one in fields.items()})

    return Codec(what, write, read)


def named(codec: Codec) -> Codec:
    """What `codec` holds, or its name."""
    return _beside(codec, codec.what, lambda value: isinstance(value, str))


def _beside(codec: Codec, what: str, is_plain: Callable[[Any], bool]) -> Codec:
    """What `codec` holds, or a plain value."""
    return Codec(
        what,
        lambda value: value if is_plain(value) else codec.write(value),
        lambda value: value if is_plain(value) else codec.read(value),
    )


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

_RULES = dataclass_codec("a stopping rule", RULES)
_JOINED = {"any_of": any_of, "all_of": all_of}


def _write_rule(rule: Any) -> Any:
    if type(rule) is not Joined:
        return _RULES.write(rule)
    return {"of": "all_of" if rule.every else "any_of", "rules": [_write_rule(one) for one in rule.rules]}


def _read_rule(value: Any, depth: int = 0) -> Any:
    if value["of"] not in _JOINED:
        return _RULES.read(value)
    if set(value) != {"of", "rules"} or depth > _DEEPEST:
        raise NotSerializable
    return _JOINED[value["of"]](*(_read_rule(one, depth + 1) for one in value["rules"]))


# Orders ----------------------------------------------------------------------------------------------------


def _write_order(order: Any) -> Any:
    if not isinstance(order, Order) or type(order) is not type(ORDERS.get(order.name)):
        raise NotSerializable
    written: dict[str, Any] = {"name": order.name, "options": order.options}
    if order.values is not None:
        written["values"] = _listed(order.values.tolist(), MAX_VALUES)
    try:
        if _read_order(written) != order:
            raise NotSerializable
    except WRONG as error:
        raise NotSerializable from error
    return written


def _read_order(value: Any) -> Order:
    if not {"name", "options"} <= set(value) <= {"name", "options", "values"}:
        raise NotSerializable
    options = {**value["options"]}
    for one in options.values():
        if not (_is(one, int | None) or (isinstance(one, list) and all(_is(x, int) for x in one))):
            raise NotSerializable
    if "edges" in options:
        options["edges"] = tuple(options["edges"])
    order = order_named(value["name"], options)
    if "values" not in value:
        return order
    return order.bind(np.array([_plain(one, float) for one in _listed(value["values"], MAX_VALUES)]))


# What is held out, where parameters start, batch sizes, images ---------------------------------------------


def _write_held_out(value: Any) -> Any:
    path = absolute(value)
    return _plain(value, float) if path is None else {"path": path}


def _path_in(value: Any, fields: set[str]) -> str:
    path = value["path"]
    if set(value) != fields or not isinstance(path, str) or not 0 < len(path) <= _LONGEST or "\0" in path:
        raise NotSerializable
    return path


def _write_initial(value: Any) -> Any:
    value = Initial(value) if isinstance(value, str | Path) else value
    if type(value) is not Initial:
        raise NotSerializable
    path, reinitialize, rename = absolute(value.path), list(value.reinitialize), dict(value.rename)
    return {"path": path, "reinitialize": reinitialize, "rename": rename, "repeat": value.repeat}


def _read_initial(value: Any) -> Initial:
    path = _path_in(value, {"path", "reinitialize", "rename", "repeat"})
    rename = dict(value["rename"])
    _names([*rename, *rename.values()])
    return Initial(path, _names(value["reinitialize"]), rename, value["repeat"])


def _write_batch_size(value: Any) -> Any:
    value = BatchSchedule(value) if isinstance(value, Mapping) else value
    return value.to_dict() if isinstance(value, BatchSchedule) else _plain(value, int | str)


def _read_batch_size(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _plain(value, int | str)
    if set(value) != {"unit", "changes"}:
        raise NotSerializable
    return BatchSchedule.of_dict(value)


def _numbers(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise NotSerializable
    return {str(name): _plain(one, float) for name, one in value.items()}


_HELD_OUT = Codec(
    "a fraction or a path",
    _write_held_out,
    lambda value: value if _is(value, float) else _path_in(value, {"path"}),
)
_TRANSFORM = dataclass_codec("a transform of images", KINDS)
_SPECIAL = {
    "batch_size": Codec("a whole number, full, or sizes", _write_batch_size, _read_batch_size),
    "schedule": named(dataclass_codec("a schedule", {"schedule": Schedule})),
    "optimizer_options": Codec("numbers by name", _numbers, _numbers),
    "stop": Codec("a stopping rule", _write_rule, _read_rule),
    "order": named(Codec("an order", _write_order, _read_order)),
    "validation": _HELD_OUT,
    "test": _HELD_OUT,
    "class_weight": named(Codec("weights by class", _numbers, _numbers)),
    "initial": Codec("where parameters are", _write_initial, _read_initial),
    "metrics": Codec("names", lambda value: [_plain(one, str) for one in value], _names),
    "augment": Codec(
        "transforms of images",
        lambda value: list(map(_TRANSFORM.write, value)),
        lambda value: tuple(map(_TRANSFORM.read, _listed(value, 100))),
    ),
}
"""The codecs of settings with types of their own."""


def codec_of(one: Option) -> Codec:
    """How the values of an option are written and read; None where that is its default."""
    codec = _SPECIAL.get(one.name)
    if codec is None:
        return declared(one)
    if one.default is not None:
        return codec
    return _beside(codec, f"{codec.what} or null", lambda value: value is None)


def declared(one: Option) -> Codec:
    """An option whose values JSON holds as they are, checked as it declares."""

    def plain(value: Any) -> Any:
        if not isinstance(value, tuple):
            return _plain(value, None | bool | float | str)
        return tuple(_plain(name, str) for name in _listed(list(value), MAX_VALUES))

    def write(value: Any) -> Any:
        value = plain(value)
        return list(value) if isinstance(value, tuple) else value

    def read(value: Any) -> Any:
        value = plain(tuple(value) if isinstance(value, list) else value)
        return None if value is None and one.default is None else one.kind.check(value)

    return Codec("a plain value", write, read)


def in_words(value: Any) -> str:
    """A description of a value that can't be written, to be given again."""
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return f"the function {shown(name)}"
    if isinstance(value, Order):
        of = "" if value.values is None else f" of {len(value.values):,} values"
        return f'the order "{shown(value.name)}"{of}'
    if isinstance(value, tuple) and any(isinstance(one, CustomMetric) for one in value):
        return ", ".join(shown(one if isinstance(one, str) else one.name) for one in value)
    if isinstance(value, tuple | list) and value and all(hasattr(one, "shape") for one in value):
        return "arrays"
    article = "an" if type(value).__name__[:1] in "AEIOUaeiou" else "a"
    return f"{article} {shown(type(value).__name__)}"


def shown(value: Any) -> str:
    """A short text of a value from a file."""
    return one_line(value, 120)
