"""Groups of samples: by column, from a second table, or from an array."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.common.text import shortlist
from epochal.data.dataset import Dataset
from epochal.data.files.reading import AS_FOUND
from epochal.data.recipe import absolute
from epochal.data.tables.frames import is_frame, is_missing, named_table
from epochal.errors import Refusal

_SUBJECT = re.compile(r"([A-Za-z]{1,10}[-_ ]?\d+)(?=[-_. /])")
"""Looks like a person, device or place with several samples: s01 in s01_003.png."""
GROUP_LEAK_NOTE_MARKER = "a random split puts on both sides"
"""Marks the note on groups with both training and held-out samples, by which `runs.run_warnings` finds it."""


def grouped(dataset: Dataset, table: Any = None, groups: Any = None) -> Dataset:
    """The data set with groups from a table of names, for samples with names, or from an array."""
    if table is None:
        return replace(with_groups(dataset, groups, "from `groups`"), recipe=None)
    if groups is not None or dataset.groups is not None:
        raise Refusal("`groups_table` tells the groups; leave `groups` and `groups_from` out.")
    if not dataset.names:
        raise Refusal(
            "`groups_table` is for samples with names, the images of a folder; name a column with "
            "`groups=COLUMN`, or give an array."
        )
    recipe, where = dataset.recipe, absolute(table)
    if recipe is not None:
        options = {**recipe.options, "groups_table": where}
        recipe = None if where is None else replace(recipe, options=options)
    return replace(with_groups(dataset, by_table(dataset.names, table), "from `groups_table`"), recipe=recipe)


def with_groups(dataset: Dataset, values: Sequence[Any] | NDArray[Any], origin: str) -> Dataset:
    """The data set with a group for each sample, a name or a number, which a split keeps whole."""
    if len(values) != dataset.samples:
        raise Refusal(
            f"`groups` must be one for each of the {dataset.samples:,} samples; got {len(values):,}."
        )
    ids = numbered(values)
    sizes = np.bincount(ids)
    if len(sizes) < 2:
        raise Refusal(f"`groups` must be at least 2; got 1 ({origin}).")
    note = (
        f"{len(sizes):,} groups {origin}, the largest of {sizes.max():,} samples: a split keeps each whole."
    )
    return replace(dataset, groups=ids, raw_notes=(*dataset.raw_notes, note))


def numbered(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """Group ids of the samples, from 0 in the order of first appearance.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    found: dict[Any, int] = {}
    for place, value in enumerate(listed):
        if is_missing(value):
            raise Refusal(f"`groups` may miss no value; got none for sample {place + 1:,}.")
        try:
            found.setdefault(value, len(found))
        except TypeError:
            raise Refusal(
                f"`groups` must be a name or a number for each sample; got {type(value).__name__}."
            ) from None
    return np.array([found[value] for value in listed], np.int64)


def by_pattern(names: Sequence[str], pattern: str) -> list[str]:
    """The group in each name: the pattern's first group, or its whole match.

    Searched for in the last part of each name, or if that fails in all of it.

    >>> by_pattern(["a/s01_1.png", "b/s02_1.png"], r"s(\\d+)_")
    ['01', '02']
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise Refusal(
            f'`groups_from` must be a regular expression, such as "s(\\d+)_"; got "{pattern}": {error}.'
        ) from error
    found = [expression.search(name.rpartition("/")[2]) for name in names]
    if None in found:
        found = [expression.search(name) for name in names]
    if lost := [name for name, match in zip(names, found, strict=True) if match is None]:
        raise Refusal(
            f'`groups_from` must match every name; "{pattern}" matches {len(names) - len(lost):,} of '
            f"{len(names):,}, and not {shortlist(lost, 3, quote='')}."
        )
    return [str(match[1 if expression.groups else 0]) for match in found if match is not None]


def by_table(names: Sequence[str], source: Any) -> list[Any]:
    """The group of each sample in a table of names and groups, its first two columns (or "file" and "group").

    Names are those of the samples, or their last part if that is unique.
    """
    table_name, known = _groups_by_name(source)
    short = {name: Path(name).name for name in names}
    counts = Counter(short.values())
    keys = {name: name if name in known or counts[last] > 1 else last for name, last in short.items()}
    if lost := [name for name, key in keys.items() if key not in known]:
        raise Refusal(
            f"{table_name} must have a row for each of the {len(names):,} samples; it lacks {len(lost):,}: "
            f"{shortlist(lost, 3, quote='')}."
        )
    return [known[keys[name]] for name in names]


def _groups_by_name(source: Any) -> tuple[str, dict[str, Any]]:
    """The name of the table in sentences, and the group of each name."""
    table_name = "groups_table"
    if isinstance(source, Mapping):
        return table_name, {str(name): group for name, group in source.items()}
    if (read := named_table(source, AS_FOUND)) is None:
        raise Refusal(
            f"`groups_table` must be a path, a data frame or a mapping; got {type(source).__name__}."
        )
    table, table_name = read.table, table_name if is_frame(source) else read.name
    if table.num_columns < 2:
        raise Refusal(f"{table_name} must have 2 columns, names and groups; got {table.num_columns}.")
    keys, groups = (
        table.column(table.column_names.index(word) if word in table.column_names else place)
        for place, word in enumerate(("file", "group"))
    )
    keys = keys.cast(pa.string()).to_pylist()
    known = dict(zip(keys, groups.to_pylist(), strict=True))
    if len(known) < len(keys):
        twice = next(key for key, times in Counter(keys).items() if times > 1)
        raise Refusal(f"{table_name} must have each name once; got {twice} more often.")
    return table_name, known


def subjects_note(names: Sequence[str]) -> tuple[str, ...]:
    """A note if names suggest several samples per person, device or place.

    >>> subjects_note([f"{c}/s{s:02d}_{k}.png" for c in "ab" for s in range(4) for k in range(3)])[0][:50]
    'file names look as if 4 subjects had several sampl'
    """
    inside = [name.partition("/")[2] or name for name in names]  # without the class
    found = [_SUBJECT.match(name) for name in inside]
    if not names or any(match is None for match in found):
        return ()
    subjects = Counter(match[1] for match in found if match is not None)
    if not 2 <= len(subjects) <= len(names) / 2 or min(subjects.values()) < 2:
        return ()
    first = next(iter(subjects))
    numbers = re.sub("[0-9]+", r"\\d+", re.escape(first))
    pattern = f"/({numbers})/" if inside[0][len(first)] == "/" else f"^({numbers})"
    return (
        f"file names look as if {len(subjects):,} subjects had several samples each ({first}, …), which "
        f"{GROUP_LEAK_NOTE_MARKER}, so that metrics are too good: {option('groups_from', pattern)} "
        "keeps each on one.",
    )
