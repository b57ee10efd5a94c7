"""Names of columns, and references to them by name or number."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from epochal.common.text import shortlist
from epochal.errors import Refusal

ColumnReference = str | int
"""A column's name, or its number counted from 1."""


def default_name(index: int) -> str:
    """The name of a column without a header; `index` counts from 0.

    >>> default_name(0)
    'column 1'
    """
    return f"column {index + 1}"


def has_header(names: Sequence[str]) -> bool:
    """Whether a column has a name of its own."""
    return any(name != default_name(index) for index, name in enumerate(names))


def unique_names(names: Iterable[object]) -> list[str]:
    """Names as text, stripped and without line breaks; repeated ones get a number.

    >>> unique_names(["x", "x (3)", "x", "x ", 0])
    ['x', 'x (3)', 'x (4)', 'x (5)', '0']
    """
    given = [" ".join(str(name).split()) or default_name(index) for index, name in enumerate(names)]
    taken, found = set(given), dict[str, None]()
    for index, name in enumerate(given):
        free, number = name, index + 1
        while free in found or (free != name and free in taken):
            free, number = f"{name} ({number})", number + 1
        found[free] = None
    return list(found)


def called(names: Sequence[str], index: int) -> str:
    """A column in a sentence: its number from 1 and its name, if it has one.

    >>> called(["age", "column 2"], 0), called(["age", "column 2"], 1)
    ('column 1 ("age")', 'column 2')
    """
    name = names[index]
    return name if name == default_name(index) else f'{default_name(index)} ("{name}")'


def called_at(names: Sequence[str], index: int, position: int) -> str:
    """A training column in a table where it is at `position`: by its name alone where that is another place.

    >>> called_at(["age", "height"], 1, 1), called_at(["age", "height"], 1, 0)
    ('column 2 ("height")', 'column "height"')
    """
    name = names[index]
    if index == position:
        return called(names, index)
    return default_name(position) if name == default_name(index) else f'column "{name}"'


def plain_name(name: str) -> str:
    """A name in small letters, stripped, for lookup.

    >>> plain_name(" Blood  Type")
    'blood type'
    """
    return " ".join(name.split()).casefold()


def reference(names: Sequence[str], index: int) -> ColumnReference:
    """What to give to mean this column: its name, or its number where it has none.

    >>> reference(["age", "column 2"], 0), reference(["age", "column 2"], 1)
    ('age', 2)
    """
    return index + 1 if names[index] == default_name(index) else names[index]


def resolve(reference: ColumnReference, names: Sequence[str], role: str) -> int:
    """The index of the column with this name or, otherwise, this number from 1.

    >>> resolve("age", ["id", "age"], "target"), resolve("1", ["id", "age"], "target")
    (1, 0)
    >>> resolve("agee", ["id", "age"], "target")
    Traceback (most recent call last):
    epochal.errors.Refusal: target must name one of the 2 columns; got "agee". Did you mean "age"?
    """
    text = str(reference)
    if text not in names and " ".join(text.split()) in names:
        text = " ".join(text.split())
    if text in names:
        return list(names).index(text)
    bound = f"`{role}` must name one of the {len(names):,} columns"
    try:
        number = int(text)
    except ValueError:
        near = difflib.get_close_matches(text, list(names), n=1, cutoff=0.5)
        if not near:
            lower = {name.lower(): name for name in names}
            near = [lower[match] for match in difflib.get_close_matches(text.lower(), lower, n=1, cutoff=0.5)]
        more = f" ({len(names) - 8:,} more)" if len(names) > 8 else ""
        hint = f'Did you mean "{near[0]}"?' if near else f"They are: {shortlist(names, 8, quote='')}{more}."
        raise Refusal(f'{bound}; got "{text}". {hint}') from None
    if not 1 <= number <= len(names):
        raise Refusal(f"`{role}` must be a column's name or its number from 1 to {len(names):,}; got {text}.")
    return number - 1


def resolve_all(references: Iterable[ColumnReference], names: Sequence[str], role: str) -> frozenset[int]:
    """The positions of several references."""
    return frozenset(resolve(reference, names, role) for reference in references)
