"""How a data set was read, as JSON: the reader, a path or an example, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from epochal.data.files.file_format import is_stream
from epochal.data.records import Record, plain

EXAMPLE = "example:"
_MOST = 10_000
"""Most columns, or words for missing values, in an option."""
_LONGEST = 4096
"""Most characters of a path or a name."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value has a type: bool, int, str, a union, a sequence, or a tuple.

    >>> fits([8, 8], tuple[int, int]), fits(["a", 2], list[str | int]), fits(True, int)
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


def option_types(declaring: Callable[..., Any]) -> Mapping[str, Any]:
    """The options of a reader with their types, as its signature or a dataclass declares them."""
    hints = get_type_hints(declaring)
    return {name: hint for name, hint in hints.items() if name not in ("source", "return")}


@dataclass(frozen=True)
class Recipe(Record):
    """The call of a reader: its name, an absolute path or "example:NAME", and its options.

    Arrays, frames and other objects have none.

    >>> arguments = {"target": "species", "task": None}
    >>> recipe = Recipe.of("load_data", {"target": str}, "example:iris", arguments)
    >>> recipe.to_dict()
    {'reader': 'load_data', 'source': 'example:iris', 'options': {'target': 'species'}}
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
    if isinstance(value, set | frozenset):
        value = sorted(value) if all(isinstance(one, str) for one in value) else list(value)
    return value if isinstance(value, np.ndarray) else plain(value)
