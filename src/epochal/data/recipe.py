"""How a data set was read, as JSON: the reader, a path or an example, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from epochal.common.printable import one_line
from epochal.data.files.container import is_stream
from epochal.data.records import plain
from epochal.errors import Refusal, did_you_mean

EXAMPLE = "example:"
_MOST = 10_000
"""Most columns, or missing-value marks, in an option."""
_LONGEST = 4096
"""Most characters of a path or a name."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value has a type: bool, int, str, a union, a sequence, or a tuple.

    >>> fits([8, 8], tuple[int, int]), fits(["a", 2], list[ColumnReference]), fits(True, int)
    (True, True, False)
    """
    origin, inner = get_origin(kind), get_args(kind)
    if value is None:
        return False
    if origin is UnionType:
        return any(fits(value, one) for one in inner)
    if origin is None:
        return type(value) is kind and (kind is not str or (len(value) <= _LONGEST and "\0" not in value))
    if not isinstance(value, list | tuple) or len(value) > _MOST:
        return False
    kinds = inner if origin is tuple else inner * len(value)
    return len(value) == len(kinds) and all(map(fits, value, kinds))


def options_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The options of a reader with their types, as its signature has them."""
    hints = get_type_hints(function)
    return {name: hint for name, hint in hints.items() if name not in ("source", "return")}


@dataclass(frozen=True)
class Recipe:
    """The call of a reader: its name, an absolute path or "example:NAME", and its options.

    Arrays, frames and other objects have none.

    >>> arguments = {"target": "species", "task": None}
    >>> recipe = Recipe.of("load", {"target": ColumnReference}, "example:iris", arguments)
    >>> recipe.to_dict()
    {'reader': 'load', 'source': 'example:iris', 'options': {'target': 'species'}}
    """

    reader: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, reader: str, known: Mapping[str, Any], source: Any, options: Mapping[str, Any]
    ) -> Recipe | None:
        """The recipe of a call; None for sources and options that JSON can't hold, such as arrays.

        `known` has the types of the reader's options; `options` may have `source`, too.
        """
        where = absolute(source)
        given = {
            name: _plain(value) for name, value in options.items() if name != "source" and value is not None
        }
        if where is None or not all(name in known and fits(one, known[name]) for name, one in given.items()):
            return None
        return cls(reader, where, given)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"reader": self.reader, "source": self.source, "options": dict(self.options)}

    @classmethod
    def from_dict(cls, value: Any, readers: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """The inverse of `to_dict`, which accepts only known options, since a file may be untrusted.

        Raises:
            Refusal: another reader, an unknown option, or a value of another type.
        """
        if not isinstance(value, Mapping) or set(value) != {"reader", "source", "options"}:
            raise Refusal("a recipe of data must have a reader, a source and options, and nothing else.")
        reader, source, options = value["reader"], value["source"], value["options"]
        if not isinstance(reader, str) or reader not in readers:
            raise Refusal(did_you_mean("reader of data", one_line(reader), readers))
        if not fits(source, str) or not (source.startswith(EXAMPLE) or Path(source).is_absolute()):
            raise Refusal(
                f'the source of a recipe must be an absolute path or "example:NAME"; got {one_line(source)}.'
            )
        if not isinstance(options, Mapping):
            raise Refusal(f"the options of a recipe must be named; got {one_line(options)}.")
        for name, one in options.items():
            if name not in readers[reader]:
                raise Refusal(did_you_mean(f"option of {reader}", one_line(name), readers[reader]))
            if not fits(one, readers[reader][name]):
                raise Refusal(
                    f"the option {name} of {reader} has a value of another type; got {one_line(one)}."
                )
        return cls(reader, source, {name: _plain(one) for name, one in options.items()})


def absolute(source: Any) -> str | None:
    """An absolute path, or an example's name; None for other sources, and streams.

    >>> absolute("example:iris"), absolute(Path("/data/table.csv")), absolute([1, 2])
    ('example:iris', '/data/table.csv', None)
    """
    if not isinstance(source, str | Path) or is_stream(source):
        return None
    name = str(source)
    return name if name.startswith(EXAMPLE) else str(Path(name).expanduser().absolute())


def _plain(value: Any) -> Any:
    """As JSON holds it, with sets of names sorted."""
    if isinstance(value, set | frozenset):
        value = sorted(value) if all(isinstance(one, str) for one in value) else list(value)
    return value if isinstance(value, np.ndarray) else plain(value)
