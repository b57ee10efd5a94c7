"""How is a data set read again?

A reader that is given a path or an example's name writes down what it was asked, in plain words, so that a
training which was ended finds its samples again with nothing said. Arrays, frames and other objects have no
recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from epochal.common.printable import one_line
from epochal.data.files.container import is_stream
from epochal.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from epochal.data.dataset import Dataset

__all__ = ["EXAMPLE", "READERS", "Recipe", "absolute"]

EXAMPLE = "example:"
_MOST = 10_000
"""Columns, or cells that mean a missing value, that an option names at most."""
_LONGEST = 4096
"""Characters of a path or a name."""


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and "\0" not in value


def _column(value: Any) -> bool:
    return _word(value) or _whole(value)


def _columns(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= _MOST and all(map(_column, value))


def _words(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= _MOST and all(map(_word, value))


def _size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_whole, value))


_FILE = {
    "header": _flag,
    "delimiter": _word,
    "missing": _words,
    "encoding": _word,
    "skip_rows": _whole,
    "comment": _word,
    "sheet": _column,
}
_COLUMNS = {
    **dict.fromkeys(("keep", "drop", "categorical", "numeric"), _columns),
    **dict.fromkeys(("decimal", "date_format"), _word),
}

READERS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "load": {
        "target": _column,
        "task": _word,
        "sample_weight": _column,
        "groups": _column,
        **dict.fromkeys(("groups_from", "groups_table"), _word),
        "resize": _size,
        "color": _flag,
        "skip_bad": _flag,
        "stream": _flag,
        **_COLUMNS,
        **_FILE,
    },
    "windows": {
        **dict.fromkeys(("target", "time", "by"), _column),
        **dict.fromkeys(("lags", "horizon", "stride", "period"), _whole),
        "inputs": _columns,
        **dict.fromkeys(("relative", "fill", "time_zone"), _word),
        "across_gaps": _flag,
        **_COLUMNS,
        **_FILE,
    },
    "rank_pairs": {
        "by": _column,
        "target": _column,
        "best": _word,
        "most": _whole,
        "per_group": _flag,
        "seed": _whole,
        **_COLUMNS,
        **_FILE,
    },
    "text": {
        "text": _column,
        "target": _column,
        "tokenizer": _word,
        "vocabulary": _whole,
        "max_length": _whole,
        "lowercase": _flag,
        "task": _word,
        "groups": _column,
        "groups_from": _word,
        "sample_weight": _column,
        **_FILE,
    },
}
"""The functions that read a path or an example, with what may be said to each; None is always left out."""


@dataclass(frozen=True)
class Recipe:
    """What a reader was asked: its name, an absolute path or "example:NAME", and its options.

    >>> recipe = Recipe.of("load", "example:iris", {"target": "species", "header": None})
    >>> recipe.to_dict()
    {'reader': 'load', 'source': 'example:iris', 'options': {'target': 'species'}}
    >>> Recipe.from_dict(recipe.to_dict()).read().samples
    150
    """

    reader: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, reader: str, source: Any, options: Mapping[str, Any]) -> Recipe | None:
        """What this reader was asked; None for what no words can say, such as arrays.

        The options may be all arguments of the reader, `source` included.
        """
        where = absolute(source)
        given = {name: value for name, value in options.items() if name != "source" and value is not None}
        said = {name: _plain(value) for name, value in given.items()}
        known = READERS[reader]
        if where is None or not all(name in known and known[name](value) for name, value in said.items()):
            return None
        return cls(reader, where, said)

    def read(self, source: Any = None, progress: Callable[[str, int, int], None] | None = None) -> Dataset:
        """The samples, read once more; from another source, where they have been moved to one.

        Raises:
            Refusal: what the reader refuses, such as a file that is no longer there.
        """
        from epochal.data.load import load  # these import this module
        from epochal.data.rankings.ranking import rank_pairs
        from epochal.data.series.windows import windows
        from epochal.data.texts.texts import text

        where = self.source if source is None else source
        readers: dict[str, Callable[..., Dataset]] = {
            "load": partial(load, progress=progress),
            "windows": windows,
            "rank_pairs": rank_pairs,
            "text": text,
        }
        options = {n: tuple(v) if isinstance(v, list) else v for n, v in self.options.items()}
        return readers[self.reader](where, **options)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"reader": self.reader, "source": self.source, "options": dict(self.options)}

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """From what `to_dict` gave. A file may be a stranger's: only what a reader is known to take is read.

        Raises:
            Refusal: another reader, an unknown option, or a value of another type.
        """
        if not isinstance(value, Mapping) or set(value) != {"reader", "source", "options"}:
            raise Refusal("a recipe of data must have a reader, a source and options, and nothing else.")
        reader, source, options = value["reader"], value["source"], value["options"]
        if not isinstance(reader, str) or reader not in READERS:
            raise Refusal(did_you_mean("reader of data", one_line(reader), READERS))
        if not _word(source) or not (source.startswith(EXAMPLE) or Path(source).is_absolute()):
            raise Refusal(
                f'the source of a recipe must be an absolute path or "example:NAME"; got {one_line(source)}.'
            )
        if not isinstance(options, Mapping):
            raise Refusal(f"the options of a recipe must be named; got {one_line(options)}.")
        for name, one in options.items():
            if name not in READERS[reader]:
                raise Refusal(did_you_mean(f"option of {reader}", one_line(name), READERS[reader]))
            if not READERS[reader][name](one):
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
