"""Data sets of Hugging Face.

Recognized by their interface: `datasets` is not imported. Rows lie in memory-mapped Arrow files, so any of
them can be read at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.arrays.arrays import TARGET_KEYS, dataset_of_arrays
from epochal.data.columns import called, resolve, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.rows import Rows, kept_dtype
from epochal.data.source import Progress, Source, chosen
from epochal.data.streams.items import dataset_of_items
from epochal.data.tables.table import TableOptions
from epochal.errors import DataFailed, Refusal

_LABELS = (*TARGET_KEYS, "label")


def is_hugging(source: Any) -> bool:
    """Whether it is a `datasets.Dataset`."""
    return type(source).__module__.startswith("datasets.") and all(
        hasattr(source, name) for name in ("with_format", "column_names", "features", "__getitem__")
    )


class HuggingRows(Rows):
    """The inputs of a Hugging Face data set: its number columns side by side, or one column of arrays."""

    def __init__(self, source: Any, columns: Sequence[str], shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = (len(source), *shape), dtype
        self._columns = list(columns)
        self._source = source.select_columns(self._columns).with_format("arrow")

    def take(self, samples: NDArray[np.int64], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """See `Rows`."""
        out = self._out(samples, out)
        if not len(samples):
            return out
        found = self._source[samples.tolist()]
        try:
            if self._scalars:
                for place, name in enumerate(self._columns):
                    out[:, place] = _values(found.column(name), ())
            else:
                out[...] = _values(found.column(0), self.shape[1:]).reshape(out.shape)
        except ValueError as error:
            raise DataFailed(
                f"the {called(self._source.column_names, 0)} of each sample must have the shape "
                f"{self.shape[1:]} of sample 1; samples {samples.min() + 1:,} to {samples.max() + 1:,} have "
                "others."
            ) from error
        return out

    @property
    def _scalars(self) -> bool:
        """Whether each column has scalars."""
        return not _nested(self._source.features.arrow_schema.field(self._columns[0]).type)


def _nested(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or isinstance(kind, pa.ExtensionType)
    )


def _leaf(kind: pa.DataType) -> np.dtype[Any]:
    """The dtype of the numbers in a column of arrays."""
    while _nested(kind):
        kind = kind.storage_type if isinstance(kind, pa.ExtensionType) else kind.value_type
    return np.dtype(kind.to_pandas_dtype())


def _values(column: pa.ChunkedArray, shape: Sequence[int]) -> NDArray[Any]:
    """The numbers of a column, flattened; NaN if missing.

    Raises: ValueError: a value of another shape. The total count alone is not enough: a longer one may make
        up for a
            shorter one.
    """
    sizes = iter(shape)
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    while _nested(array.type):
        if isinstance(array.type, pa.ExtensionType):
            array = array.storage
            continue
        wanted = next(sizes, None)
        if array.null_count or not pc.all(pc.equal(pc.list_value_length(array), wanted), min_count=0).as_py():
            raise ValueError(wanted)
        array = array.flatten()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    values: NDArray[Any] = np.asarray(array.to_numpy(zero_copy_only=False))
    return values


def dataset_of_hugging(
    source: Any,
    options: TableOptions,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    stream: bool | None = None,
) -> Dataset:
    """A dataset of a Hugging Face data set.

    The target is the column that `options` names, or one called label, labels, target, targets or y, or the
    last one. The inputs are the other columns: numbers, or one column of arrays. Images are decoded by
    `datasets` itself, in worker processes.

    Raises:
        Refusal: non-numeric columns, or no column besides the target.
    """
    names, name = list(source.column_names), "Hugging Face data set"
    if options.target is not None:
        target = names[resolve(options.target, names, "target")]
    else:
        target = next((label for label in _LABELS if label in names), names[-1])
    dropped = {names[at] for at in resolve_all(options.drop, names, "drop")}
    inputs = [one for one in names if one != target and one not in dropped]
    if len(source) < 2:
        raise Refusal(f"the {name} must have at least 2 rows to train on; got {len(source)}.")
    if not inputs:
        raise Refusal(f"the {name} must have inputs besides its target {target}; got {', '.join(names)}.")
    labels = _labels(source, target)
    if len(inputs) == 1 and type(source.features[inputs[0]]).__name__ == "Image":
        pairs = _Pairs(source.with_format(None), inputs[0], target, labels)
        return dataset_of_items(pairs, task=options.task, workers=workers, progress=progress, stream=stream)
    shape, kind = _shape(source, inputs, name)
    rows: Any = HuggingRows(source, inputs, shape, kept_dtype(kind, len(shape) + 1))
    if stream is False:
        rows = rows[:]
    return dataset_of_arrays(
        rows,
        labels,
        task=options.task,
        source=name,
        target_name=target,
        features=tuple(inputs) if len(shape) == 1 and len(inputs) == shape[0] else None,
        said=(f'{name}: inputs {", ".join(inputs)}, target "{target}".',),
        owned=stream is False,
    )


def _labels(source: Any, target: str) -> NDArray[Any]:
    """All targets; classes by name if the data set has names."""
    column = source.select_columns([target]).with_format("arrow")[:].column(0)
    known = getattr(source.features[target], "names", None)
    values = np.asarray(column.to_numpy())
    return np.asarray(known)[values] if known is not None and values.dtype.kind in "iu" else values


def _shape(source: Any, inputs: Sequence[str], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and dtype of sample 0's inputs."""
    first = source.select_columns(list(inputs)).with_format("numpy")[0]
    arrays = {column: np.asarray(first[column]) for column in inputs}
    for column, array in arrays.items():
        if array.dtype.kind not in "buif":
            raise Refusal(
                f'column "{column}" of the {name} must hold numbers; got {array.dtype}. Leave it out with '
                "`ep.load_data(..., drop=COLUMN)`, or make a data frame of it."
            )
    if len(arrays) == 1:
        array = arrays[inputs[0]]
        return (array.shape or (1,)), _leaf(source.features.arrow_schema.field(inputs[0]).type)
    wide = [column for column, array in arrays.items() if array.ndim]
    if wide:
        raise Refusal(
            f"the inputs of the {name} must be number columns or one column of arrays; got the columns "
            f"{', '.join(inputs)}, of which {', '.join(wide)} hold arrays. Leave others out with drop."
        )
    return (len(arrays),), np.dtype(np.float32)


class _Pairs:
    """A data set as (inputs, target), for samples that `datasets` decodes one by one."""

    def __init__(self, source: Any, inputs: str, target: str, labels: NDArray[Any]) -> None:
        self._source, self._inputs, self._target = source, inputs, target
        self._known = getattr(source.features[target], "names", None)
        self.targets = labels

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number: int) -> tuple[NDArray[Any], Any]:
        sample = self._source[number]
        image = np.asarray(sample[self._inputs])
        target = sample[self._target]
        return (image if image.ndim > 2 else image[..., None]), (
            target if self._known is None else self._known[target]
        )


HUGGING_FACE = Source(
    recognizes=is_hugging,
    load=lambda source, arguments, progress: dataset_of_hugging(
        source,
        chosen(TableOptions, arguments),
        workers=arguments.get("workers"),
        progress=progress,
        stream=arguments.get("stream"),
    ),
)
