"""The registry of data sources, used to load, reload and encode samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from epochal.data.arrays.host import parts_on_host
from epochal.data.arrays.source import ARRAYS
from epochal.data.dataset import Dataset
from epochal.data.encoder import SampleEncoder
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.grouping import grouped
from epochal.data.images.images import IMAGES
from epochal.data.rankings.ranking import RANKINGS
from epochal.data.recipe import Recipe
from epochal.data.series.windows import SERIES
from epochal.data.source import Known, Progress, Source
from epochal.data.standardize import refuse_missing_values
from epochal.data.streams.hugging_face import HUGGING_FACE
from epochal.data.streams.items import ITEMS
from epochal.data.streams.iterators import ITERATORS
from epochal.data.tables.source import TABLES
from epochal.data.task import Task
from epochal.data.texts.texts import TEXTS
from epochal.errors import Refusal

SOURCES: tuple[Source, ...] = (
    IMAGES,
    HUGGING_FACE,
    ARRAYS,
    TABLES,
    ITEMS,
    ITERATORS,
    SERIES,
    TEXTS,
    RANKINGS,
)
"""All sources; the first that recognizes an object loads it."""


def recognized(source: Any, reader: str = "load") -> Source:
    """The source that recognizes an object, among those of a reader.

    Raises:
        Refusal: there is none.
    """
    found = next((one for one in SOURCES if one.reader == reader and one.recognizes(source)), None)
    if found is None:
        raise Refusal(
            "data must be a path, example:NAME, arrays (X, y), a data frame with a target, or an object that "
            f"gives (inputs, target) by number; got {type(source).__name__}."
        )
    return found


def read(reader: str, source: Any, arguments: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """Load a source, with a recipe to reload it if possible.

    Args:
        reader: "load", or another reader of `SOURCES`.
        source: the source; a `Dataset` is returned unchanged.
        arguments: its further arguments; None and () count as not given.
        progress: called with the progress.

    Raises:
        Refusal: anything that cannot work, in one sentence.
    """
    if isinstance(source, Dataset):
        return source
    source = parts_on_host(source)
    given = {name: value for name, value in arguments.items() if value is not None}
    found = recognized(source, reader)
    if any(given.get(name) for name in _OF_IMAGES) and "resize" not in found.options:
        raise Refusal(
            "`resize`, `color` and `skip_bad` are about a folder of images; leave them out for other data."
        )
    dataset = found.load(source, given, progress)
    if not isinstance(dataset.inputs, np.ndarray):
        given["stream"] = True
    elif "stream" in found.options:
        given["stream"] = False  # a machine with another memory must make the same choice
    said = {name: value for name, value in given.items() if name in found.options}
    return replace(dataset, recipe=Recipe.of(reader, found.options, source, said))


_OF_IMAGES = ("resize", "color", "skip_bad")


def _readers() -> dict[str, dict[str, Any]]:
    """The options of each reader, from all its sources."""
    found: dict[str, dict[str, Any]] = {}
    for source in SOURCES:
        found.setdefault(source.reader, {}).update(source.options)
    return found


def recipe_from_dict(value: Any) -> Recipe:
    """The inverse of `Recipe.to_dict`.

    Raises:
        Refusal: unknown reader or option, or a value of another type.
    """
    return Recipe.from_dict(value, _readers())


def read_again(recipe: Recipe, source: Any = None, progress: Progress | None = None) -> Dataset:
    """Reload a recipe, possibly from another place.

    Raises:
        Refusal: what the reader refuses, such as a file that is no longer there.

    >>> read_again(recipe_from_dict({"reader": "load", "source": "example:iris", "options": {}})).samples
    150
    """
    options = {name: tuple(one) if isinstance(one, list) else one for name, one in recipe.options.items()}
    table = options.pop("groups_table", None)
    where = recipe.source if source is None else source
    found = read(recipe.reader, where, options, progress)
    return found if table is None else grouped(found, table)


def encode_new(
    encoder: SampleEncoder | None,
    source: Any,
    *,
    task: Task | None = None,
    shape: tuple[int, ...] | None = None,
    target_name: str = "",
    dtype: Any = None,
    reading: Reading = AS_FOUND,
    finite: bool = False,
    partial: bool = False,
    stream: bool | None = False,
) -> Dataset:
    """Encode new samples as the training samples were, with targets if they have any.

    Rows are never left out: a missing target makes all of them unlabeled.

    Args:
        encoder: the training data's; None if it was trained on plain arrays.
        source: as for `load`, with or without the target and sample weights.
        task, shape, target_name, dtype, reading, partial, stream: see `Known`.
        finite: whether to refuse missing values, if no scaling fills them; those
            of streamed inputs have to be checked on reading.

    Raises:
        Refusal: a column is missing or holds another kind of value (with its row); or no rows.
    """
    known = Known(task, shape, target_name, dtype, reading, partial, stream)
    encode = (ARRAYS if encoder is None else _of_kind(encoder.kind)).encode_new
    assert encode is not None
    found = encode(encoder, parts_on_host(source), known)
    if finite and isinstance(found.inputs, np.ndarray):
        refuse_missing_values(found.inputs)
    return found


def encoder_from_dict(value: Any) -> SampleEncoder:
    """The inverse of an encoder's `to_dict`; imports nothing."""
    kind = value.get("kind") if isinstance(value, dict) else None
    known = {one.kind: one.encoder for one in SOURCES if one.encoder is not None}
    if not isinstance(kind, str) or kind not in known:
        raise Refusal(f"the kind of data must be one of {', '.join(known)}; got {kind!r}.")
    return known[kind].from_dict(value)


def _of_kind(kind: str) -> Source:
    return next(one for one in SOURCES if one.kind == kind)
