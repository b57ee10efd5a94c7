"""The registry of data sources, used to load, reload and encode samples, given whole or as X and y."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.option_text import register_call
from epochal.common.text import counted, one_line
from epochal.data.arrays.host import on_host, parts_on_host
from epochal.data.arrays.source import ARRAYS
from epochal.data.columns import ColumnReference
from epochal.data.dataset import Dataset
from epochal.data.grouping import grouped
from epochal.data.images.images import IMAGES
from epochal.data.rankings.ranking import RANKINGS
from epochal.data.recipe import EXAMPLE, Recipe, fits
from epochal.data.records import SampleEncoder
from epochal.data.series.windows import SERIES
from epochal.data.source import NO_CONTEXT, DataSource, ProgressCallback, TrainingContext
from epochal.data.standardize import refuse_missing_values
from epochal.data.streams.hugging_face import HUGGING_FACE, is_hugging
from epochal.data.streams.items import ITEMS, is_items
from epochal.data.streams.iterators import ITERATORS
from epochal.data.tables.frames import is_frame
from epochal.data.tables.source import TABLES
from epochal.data.texts.texts import TEXTS
from epochal.errors import Refusal, did_you_mean

SOURCES: tuple[DataSource, ...] = (
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


def recognized(source: Any, reader: str = "load_data") -> DataSource:
    """The source that recognizes an object, among those of a reader."""
    found = next((one for one in SOURCES if one.reader == reader and one.recognizes(source)), None)
    if found is None:
        raise Refusal(
            "data must be a path, example:NAME, arrays (X, y), a data frame with a target, or an object that "
            f"gives (inputs, target) by number; got {type(source).__name__}."
        )
    return found


def read(
    reader: str, source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None = None
) -> Dataset:
    """Load a source by a reader of `SOURCES`, with a recipe to reload it if possible.

    A `Dataset` is returned unchanged. Arguments that are None or () count as not given.
    """
    if isinstance(source, Dataset):
        return source
    source = parts_on_host(source)
    given = {name: value for name, value in arguments.items() if value is not None}
    found = recognized(source, reader)
    if "resize" not in found.options and any(map(given.get, ("resize", "color", "skip_bad"))):
        raise Refusal(
            "`resize`, `color` and `skip_bad` are about a folder of images; leave them out for other data."
        )
    dataset = found.load(source, given, progress)
    if not isinstance(dataset.inputs, np.ndarray):
        given["stream"] = True
    elif "stream" in found.options:
        given["stream"] = False  # a machine with another memory must make the same choice
    options = {name: value for name, value in given.items() if name in found.options}
    return replace(dataset, recipe=Recipe.of(reader, found.options, source, options))


@register_call("ep.load_data")
def load(
    source: Any,
    *,
    target: ColumnReference | None = None,
    task: str | None = None,
    keep: Sequence[ColumnReference] = (),
    drop: Sequence[ColumnReference] = (),
    categorical: Sequence[ColumnReference] = (),
    numeric: Sequence[ColumnReference] = (),
    decimal: str | None = None,
    date_format: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
    sample_weight: ColumnReference | None = None,
    groups: ColumnReference | Sequence[Any] | NDArray[Any] | None = None,
    groups_from: str | None = None,
    groups_table: Any = None,
    resize: tuple[int, int] | None = None,
    color: bool | None = None,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
    stream: bool | None = None,
    workers: int | None = None,
) -> Dataset:
    """Load a dataset; its `notes` list everything that was recognized.

    Args:
        source: a path to a CSV, TSV, JSON-lines, Excel, OpenDocument, Parquet, `.npy` or `.npz` file, packed
            (gzip, bz2, xz, zstd, zip) or not, "-" for standard input, to a folder of Parquet files, or to one
            with one sub-folder of images for each class; "example:NAME"; `(X, y)` or
            `(X, y, sample_weight)`; a frame, `(frame, "target")`, `(frame, y)` or
            `(frame, y, sample_weight)`; an object whose `[i]` gives `(inputs, target)` or a mapping of them,
            such as a PyTorch Dataset; a Hugging Face data set; a Dataset (as it is).
        target: the target column, by name or by number from 1; the last one by default.
        task: "classification", "binary", "multiclass", "multilabel" (columns of 0 and 1) or "regression";
            recognized by default.
        keep: columns never to leave out.
        drop: columns to leave out.
        categorical: columns to read as categories.
        numeric: columns to read as numbers.
        decimal: the decimal separator of numbers, "." or ","; recognized by default.
        date_format: how dates are written, as `strptime` takes it, such as "%d/%m/%Y"; recognized by default.
        header: whether a text table's first row holds names; recognized by default.
        delimiter: the separator of a text table's fields; recognized by default.
        missing: the cells of a text table that mean a missing value, instead of the default ones (NA, ?, …).
        encoding: the encoding of a text table, such as "cp1251"; recognized by default.
        skip_rows: lines to skip at the beginning of a text table; titles are recognized by default.
        comment: the beginning of lines to skip in a text table.
        sheet: the sheet of a workbook, by name or number from 1; by default the first one, or the only table.
        sample_weight: the column of sample weights.
        groups: the column of group names: no input, but order "groups"
            and splits keep groups together. Or the group of each sample, in an array.
        groups_from: a regular expression for the group in each file name: its first
            group, such as `s([0-9]+)_`. With `groups`, applied to that column.
        groups_table: a table (a path, a frame or a mapping) of file names and their groups.
        resize: the height and width to which images are resized; their own by default.
        color: whether images are read as RGB (True) or gray (False); recognized by default.
        skip_bad: whether to leave out and count unreadable images instead of refusing.
        progress: called with (what, done, total) during slow reading.
        stream: whether to stream inputs batch by batch in training instead of loading them; by default those
            that need more than a quarter of the free memory, or that are no arrays.
        workers: processes that read an object's samples; by default as many as cores if that is slow.

    Raises:
        Refusal: anything that cannot work, in one sentence.

    >>> load("example:iris").task.classes
    ('setosa', 'versicolor', 'virginica')
    """
    arguments = locals().copy()
    for name in ("source", "progress", "groups_table"):
        arguments.pop(name)
    if groups_table is None and isinstance(groups, str | int | None):
        return read("load_data", source, arguments, progress)
    return grouped(read("load_data", source, {**arguments, "groups": None}, progress), groups_table, groups)


def recipe_from_dict(value: Any) -> Recipe:
    """The inverse of `Recipe.to_dict`, for known options of their types, as a file may be untrusted."""
    readers: dict[str, dict[str, Any]] = {}
    for source in SOURCES:
        readers.setdefault(source.reader, {}).update(source.options)
    if not isinstance(value, Mapping) or set(value) != {"reader", "source", "options"}:
        raise Refusal("a recipe of data must have a reader, a source and options, and nothing else.")
    reader, path, options = value["reader"], value["source"], value["options"]
    if not isinstance(reader, str) or reader not in readers:
        raise Refusal(did_you_mean("reader of data", one_line(reader), readers))
    if not fits(path, str) or not (path.startswith(EXAMPLE) or Path(path).is_absolute()):
        raise Refusal(
            f'the source of a recipe must be an absolute path or "example:NAME"; got {one_line(path)}.'
        )
    if not isinstance(options, Mapping):
        raise Refusal(f"the options of a recipe must be named; got {one_line(options)}.")
    for name, one in options.items():
        if name not in readers[reader]:
            raise Refusal(did_you_mean(f"option of {reader}", one_line(name), readers[reader]))
        if not fits(one, readers[reader][name]):
            raise Refusal(f"the option {name} of {reader} has a value of another type; got {one_line(one)}.")
    return Recipe(reader, path, dict(options))


def read_again(recipe: Recipe, source: Any = None, progress: ProgressCallback | None = None) -> Dataset:
    """Reload a recipe, possibly from another place.

    >>> read_again(recipe_from_dict({"reader": "load_data", "source": "example:iris", "options": {}})).samples
    150
    """
    options = {name: tuple(one) if isinstance(one, list) else one for name, one in recipe.options.items()}
    table = options.pop("groups_table", None)
    where = recipe.source if source is None else source
    found = read(recipe.reader, where, options, progress)
    return found if table is None else grouped(found, table)


def transform(
    encoder: SampleEncoder | None, source: Any, context: TrainingContext = NO_CONTEXT, *, finite: bool = False
) -> Dataset:
    """Encode new samples as the training samples were, with targets if they have any.

    Rows are never left out: a missing target makes all of them unlabeled. The `encoder` is None if it was
    trained on plain arrays. `finite` refuses missing values, if no scaling fills them; those of streamed
    inputs have to be checked on reading.
    """
    kind = type(encoder)
    found_by = ARRAYS if encoder is None else next(one for one in SOURCES if one.encoder is kind)
    assert found_by.transform is not None
    found = found_by.transform(encoder, parts_on_host(source), context)
    if finite and isinstance(found.inputs, np.ndarray):
        refuse_missing_values(found.inputs)
    return found


def encoder_from_dict(value: Any) -> SampleEncoder:
    """The inverse of an encoder's `to_dict`; imports nothing."""
    kind = value.get("kind") if isinstance(value, dict) else None
    known = {one.encoder.kind: one.encoder for one in SOURCES if one.encoder is not None}
    if not isinstance(kind, str) or kind not in known:
        raise Refusal(f"the kind of data must be one of {', '.join(known)}; got {kind!r}.")
    return known[kind].from_dict(value)


def source_from_xy(data: Any, y: Any = None, sample_weight: Any = None, **reading: Any) -> Any:
    """The `source` of `load` for the arguments of `fit(model, X, y)`.

    Args:
        data: the inputs X, or everything: a file, a data frame with its target, `(X, y)`, a `Dataset`.
        y: the targets, one for each sample; or the name of their column.
        sample_weight: the weights, likewise.
        reading: arguments of `load` for a source whose columns are named.

    >>> source_from_xy([[1.0, 2.0], [3.0, 4.0]], [0, 1])[0].shape
    (2, 2)
    >>> source_from_xy([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    Traceback (most recent call last):
    epochal.errors.Refusal: y is missing: X has 4 samples and no targets; give X and y, one target a sample.
    """
    data, y, sample_weight = on_host(data), on_host(y), on_host(sample_weight)
    separate = {"y": y, "sample_weight": sample_weight}
    given = {name: value for name, value in separate.items() if value is not None}
    if not given:
        alone = isinstance(data, list) and len(data) > 3 and not is_items(data)
        if isinstance(data, np.ndarray) or alone or (hasattr(data, "__array__") and not is_frame(data)):
            raise _no_targets(_array("X", data))
        return data
    first = next(iter(given))
    if isinstance(data, Dataset):
        raise Refusal(f"{first} must be left out where X is a Dataset, which holds its targets and weights.")
    if isinstance(data, (str, Path)) or is_hugging(data):
        source = "a file" if isinstance(data, (str, Path)) else "a data set"
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                raise Refusal(
                    f"{name} must be the name of a column where X is {source}; got {type(value).__name__}."
                )
        return load(data, target=y, sample_weight=sample_weight, **reading)
    if is_frame(data):
        if y is not None:
            return (data, *given.values())
        if isinstance(sample_weight, (str, int)):
            return load(data, sample_weight=sample_weight, **reading)
        raise Refusal(
            "y is missing: sample_weight beside a data frame needs y, the targets or the name of their "
            "column."
        )
    if isinstance(data, tuple) and data and (hasattr(data[0], "__array__") or is_frame(data[0])):
        raise Refusal(
            f"X is a tuple (X, y) already, and {first} is given besides; give X and y as two arguments."
        )
    if isinstance(data, Mapping):
        raise Refusal(
            "X must be an array or a data frame; got a mapping of columns. pandas.DataFrame(X) makes a frame."
        )
    if not isinstance(data, (list, tuple)) and not hasattr(data, "__array__"):
        found = "gives its targets itself" if is_items(data) or hasattr(data, "__iter__") else "is no data"
        raise Refusal(f"{first} must be left out where X is of type {type(data).__name__}, which {found}.")
    inputs = _array("X", data)
    if y is None:
        raise _no_targets(inputs)
    for name, value in given.items():
        if isinstance(value, (str, int)) or not hasattr(value, "__len__"):
            raise Refusal(
                f"{name} must have one value for each sample where X is an array; got {value!r}. A column is "
                "named where X is a data frame or a file."
            )
    return (inputs, *(_array(name, value) for name, value in given.items()))


def y_or_target(y: Any, target: Any) -> Any:
    """The one of `y` and `target` that is given; both may name a column.

    >>> y_or_target(None, "price"), y_or_target("price", None), y_or_target("price", "price")
    ('price', 'price', 'price')
    """
    if y is not None and target is not None and not (isinstance(y, str | int) and y == target):
        raise Refusal(
            f"`target` names the column of the targets, as y does; give one of them, not {target!r} too."
        )
    return target if y is None else y


def named_columns(y: Any, sample_weight: Any) -> dict[str, Any]:
    """The columns among the targets and weights that were given by their names, as arguments of `fit`.

    >>> named_columns("price", [1.0, 2.0])
    {'target': 'price'}
    """
    columns = {"target": y, "sample_weight": sample_weight}
    return {name: value for name, value in columns.items() if isinstance(value, str)}


def _array(name: str, values: Any) -> Any:
    if not isinstance(values, (list, tuple)):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise Refusal(
            f"{name} must have equally many values in each row; got a list whose rows differ in length."
        ) from error


def _no_targets(inputs: Any) -> Refusal:
    samples = counted(len(inputs) if np.ndim(inputs) else 1, "sample")
    return Refusal(f"y is missing: X has {samples} and no targets; give X and y, one target a sample.")
