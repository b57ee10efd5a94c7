"""Dataclasses as JSON, written plainly, read strictly (a file may be untrusted); the base of encoders."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, cast

import numpy as np

from epochal.common.text import one_line
from epochal.errors import Refusal

T = TypeVar("T")

NullableFloat = Annotated[float, "null is NaN"]
"""A field of numbers that need not be finite, which JSON can't hold."""


class Damaged(Refusal):
    """A file has content that epochal does not write; `what` is the rest of the sentence."""

    def __init__(self, what: str) -> None:
        super().__init__(f"what describes the data is damaged: {what}.")
        self.what = what


class Record:
    """A dataclass that JSON can hold."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: its kind, if it has one, and its fields; None for what is not finite."""
        kind, of = getattr(type(self), "kind", None), cast(Any, self)
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(of)}
        return dict(plain({"kind": kind, **found} if isinstance(kind, str) else found))


def plain(value: Any) -> Any:
    """A value as JSON holds it: objects of dataclasses, lists, and None for what is not finite.

    >>> plain({"a": (1.5, math.nan), "b": np.arange(2), 3: Damaged})["a"]
    [1.5, None]
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(value.to_dict() if hasattr(value, "to_dict") else Record.to_dict(cast(Any, value)))
    return value


def fields_of(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a dataclass by name."""
    return {field.name: field for field in dataclasses.fields(kind)}


def built(kind: type[T], value: Any, /, **given: Any) -> T:
    """A dataclass instance from a JSON object; `given` fields were read otherwise.

    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: float
    ...     names: tuple[str, ...] = ()
    >>> built(Point, {"x": 1, "names": ["a"]})
    Point(x=1.0, names=('a',))
    >>> built(Point, {"x": "1"})
    Traceback (most recent call last):
    epochal.data.records.Damaged: what describes the data is damaged: point.x must be a number; got '1'.
    """
    word = kind.__name__.lower()
    if not isinstance(value, dict):
        raise Damaged(f"{word} must be an object; got {one_line(repr(value), 80)}")
    hints = typing.get_type_hints(kind, include_extras=True)
    own = {name: field for name, field in fields_of(kind).items() if field.init and name not in given}
    if "kind" not in own and isinstance(getattr(kind, "kind", None), str):
        value = {name: one for name, one in value.items() if name != "kind"}
    for name in value:
        if name not in own:
            raise Damaged(f'{word} has no "{one_line(name, 80)}"')
    for name, field in own.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise Damaged(f"{word} lacks {name}")
    found = {name: convert_json(hints[name], one, f"{word}.{name}") for name, one in value.items()}
    return kind(**found, **given)


def convert_json(hint: Any, value: Any, where: str) -> Any:
    """A JSON value converted to a type hint: lists to tuples, integers to floats; else `Damaged`."""
    if hint is Any:
        return value
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint == NullableFloat:
        return math.nan if value is None else convert_json(float, value, where)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        (rest,) = (one for one in inner if one is not type(None))
        return convert_json(rest, value, where)
    if origin is Literal:
        due, fits = f"one of {', '.join(inner)}", isinstance(value, str) and value in inner
    elif origin is tuple:
        due, fits = "a list", isinstance(value, list) and (inner[-1] is Ellipsis or len(value) == len(inner))
    elif origin is dict:
        due, fits = "an object", isinstance(value, dict)
    elif dataclasses.is_dataclass(hint):
        read = getattr(hint, "from_dict", None)
        kind: Any = hint
        return built(kind, value) if read is None else read(value)
    else:
        due, fits = _WORDS[hint], type(value) in ((int, float) if hint is float else (hint,))
        fits = fits and (hint not in _MOST or abs(value) <= _MOST[hint])
    if not fits:
        raise Damaged(f"{where} must be {due}; got {one_line(repr(value), 80)}")
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(convert_json(one, item, where) for one, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {
            name: convert_json(inner[1], one, f"{where}.{one_line(name, 40)}") for name, one in value.items()
        }
    return float(value) if hint is float else value


_WORDS = {bool: "true or false", str: "text", int: "a whole number", float: "a number"}
_MOST = {int: 2**62, float: 1e300}


class SampleEncoder(Record):
    """A record without statistics of the samples; its `DataSource` encodes new samples with it."""

    kind: ClassVar[str]
    """The kind in run folders, by which its source is found."""

    loader: ClassVar[str] = "ep.load_data"
    """The function that loads such data, as in Python code."""

    are_images: ClassVar[bool] = False
    """Whether the axes of a sample are those of an image."""

    standardize: ClassVar[bool] = True
    """Whether inputs (and regression targets) of this kind are standardized by default."""

    def with_task(self, task: Any) -> Self:
        """The same encoder of another task, where encoders of its kind have one."""
        own: Any = self
        if hasattr(self, "task"):
            return cast(Self, dataclasses.replace(own, task=task))
        table = getattr(self, "table", None)
        return self if table is None else cast(Self, dataclasses.replace(own, table=table.with_task(task)))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of inputs of each column with several, by name."""
        return {}

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each trailing input column that a model embeds, as tables have them."""
        return ()

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """The inverse of `to_dict`; imports nothing, and refuses what no encoder of this kind wrote."""
        encoder = built(cls, value)
        encoder.check()
        return encoder

    def check(self) -> None:
        """Raise `Damaged` if it can't encode samples; a file may hold anything."""


def code_sizes(encoder: SampleEncoder | None) -> tuple[int, ...]:
    """Number of codes of each trailing input column that a model embeds; none without an encoder."""
    return () if encoder is None else encoder.code_sizes
