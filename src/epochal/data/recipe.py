"""How a data set was read, in plain words: the reader, a path or an example, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from epochal.common.printable import one_line
from epochal.data.files.container import is_stream
from epochal.errors import Refusal, did_you_mean

__all__ = [
    "COLUMNS",
    "EXAMPLE",
    "FILE",
    "Check",
    "Recipe",
    "absolute",
    "column",
    "columns",
    "flag",
    "size",
    "whole",
    "word",
    "words",
]

EXAMPLE = "example:"
_MOST = 10_000
"""Columns, or cells that mean a missing value, that an option names at most."""
_LONGEST = 4096
"""Characters of a path or a name."""

Check = Callable[[Any], bool]
"""Whether a value is one that an option takes."""


def flag(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def word(value: Any) -> bool:
    """Whether it is text."""
    return isinstance(value, str) and len(value) <= _LONGEST and "\0" not in value


def column(value: Any) -> bool:
    """Whether it names or numbers a column."""
    return word(value) or whole(value)


def columns(value: Any) -> bool:
    """Whether it lists columns."""
    return isinstance(value, list | tuple) and len(value) <= _MOST and all(map(column, value))


def words(value: Any) -> bool:
    """Whether it lists texts."""
    return isinstance(value, list | tuple) and len(value) <= _MOST and all(map(word, value))


def size(value: Any) -> bool:
    """Whether it is a height and a width."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(whole, value))


FILE: Mapping[str, Check] = {
    "header": flag,
    "delimiter": word,
    "missing": words,
    "encoding": word,
    "skip_rows": whole,
    "comment": word,
    "sheet": column,
}
"""The options of `Reading`, about how a file is written."""
COLUMNS: Mapping[str, Check] = {
    **dict.fromkeys(("keep", "drop", "categorical", "numeric"), columns),
    **dict.fromkeys(("decimal", "date_format"), word),
}
"""Options that choose columns of a table, or say how their cells are written."""


@dataclass(frozen=True)
class Recipe:
    """What a reader was asked: its name, an absolute path or "example:NAME", and its options.

    Arrays, frames and other objects have none.

    >>> recipe = Recipe.of("load", {"target": column}, "example:iris", {"target": "species", "task": None})
    >>> recipe.to_dict()
    {'reader': 'load', 'source': 'example:iris', 'options': {'target': 'species'}}
    """

    reader: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, reader: str, known: Mapping[str, Check], source: Any, options: Mapping[str, Any]
    ) -> Recipe | None:
        """What this reader was asked; None for what no words can say, such as arrays.

        Args:
            reader: its name.
            known: its options.
            source: what it read.
            options: what it was told, or all of its arguments, `source` included.
        """
        where = absolute(source)
        given = {name: value for name, value in options.items() if name != "source" and value is not None}
        said = {name: _plain(value) for name, value in given.items()}
        if where is None or not all(name in known and known[name](value) for name, value in said.items()):
            return None
        return cls(reader, where, said)

    def with_option(self, name: str, value: Any) -> Recipe:
        """The same with one more option."""
        return replace(self, options={**self.options, name: value})

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"reader": self.reader, "source": self.source, "options": dict(self.options)}

    @classmethod
    def from_dict(cls, value: Any, readers: Mapping[str, Mapping[str, Check]]) -> Recipe:
        """From what `to_dict` gave. A file may be a stranger's: only what a reader is known to take is read.

        Args:
            value: as JSON holds it.
            readers: the readers that there are, each with its options.

        Raises:
            Refusal: another reader, an unknown option, or a value of another type.
        """
        if not isinstance(value, Mapping) or set(value) != {"reader", "source", "options"}:
            raise Refusal("a recipe of data must have a reader, a source and options, and nothing else.")
        reader, source, options = value["reader"], value["source"], value["options"]
        if not isinstance(reader, str) or reader not in readers:
            raise Refusal(did_you_mean("reader of data", one_line(reader), readers))
        if not word(source) or not (source.startswith(EXAMPLE) or Path(source).is_absolute()):
            raise Refusal(
                f'the source of a recipe must be an absolute path or "example:NAME"; got {one_line(source)}.'
            )
        if not isinstance(options, Mapping):
            raise Refusal(f"the options of a recipe must be named; got {one_line(options)}.")
        for name, one in options.items():
            if name not in readers[reader]:
                raise Refusal(did_you_mean(f"option of {reader}", one_line(name), readers[reader]))
            if not readers[reader][name](one):
                raise Refusal(
                    f"the option {name} of {reader} has a value of another type; got {one_line(one)}."
                )
        return cls(reader, source, {name: _plain(one) for name, one in options.items()})


def absolute(source: Any) -> str | None:
    """A path from the root, or an example's name as it is; None for what is no path, or can be read but once.

    >>> absolute("example:iris"), absolute(Path("/data/table.csv")), absolute([1, 2])
    ('example:iris', '/data/table.csv', None)
    """
    if not isinstance(source, str | Path) or is_stream(source):
        return None
    name = str(source)
    return name if name.startswith(EXAMPLE) else str(Path(name).expanduser().absolute())


def _plain(value: Any) -> Any:
    """Sets and tuples as lists, in one order; numbers of NumPy's as Python's."""
    if isinstance(value, set | frozenset):
        return sorted(value) if all(isinstance(one, str) for one in value) else list(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    whole = getattr(value, "item", None)
    return whole() if callable(whole) and getattr(value, "ndim", None) == 0 else value
