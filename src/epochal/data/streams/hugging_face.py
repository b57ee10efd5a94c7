"""Data sets of Hugging Face, recognized by their interface: `datasets` is not imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.arrays.arrays import dataset_of_arrays
from epochal.data.columns import called, resolve, resolve_all
from epochal.data.dataset import Dataset
from epochal.data.lazy import LazyArray, kept_dtype
from epochal.data.source import DataSource, ProgressCallback, chosen
from epochal.data.streams.items import LABEL_KEYS, dataset_of_items
from epochal.data.tables.recognize import TableOptions
from epochal.errors import DataFailed, Refusal

_NAME = "Hugging Face data set"
_NESTED = pa.ListType | pa.LargeListType | pa.FixedSizeListType | pa.ExtensionType


def is_hugging(source: Any) -> bool:
    """Whether it is a `datasets.Dataset`."""
    return type(source).__module__.startswith("datasets.") and all(
        hasattr(source, name) for name in ("with_format", "column_names", "features", "__getitem__")
    )


class HuggingFaceArray(LazyArray):
    """The inputs of a Hugging Face data set: its number columns side by side, or one column of arrays."""

    def __init__(self, source: Any, columns: Sequence[str], shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = (len(source), *shape), dtype
        self._columns = list(columns)
        self._source = source.select_columns(self._columns).with_format("arrow")

    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        if not len(samples):
            return
        found = self._source[samples.tolist()]
        try:
            if len(self._columns) == 1:
                out[...] = _values(found.column(0), self.shape[1:]).reshape(out.shape)
            else:
                for place, name in enumerate(self._columns):
                    out[:, place] = _values(found.column(name), ())
        except ValueError as error:
            raise DataFailed(
                f"the {called(self._source.column_names, 0)} of each sample must have the shape "
                f"{self.shape[1:]} of sample 1; samples {samples.min() + 1:,} to {samples.max() + 1:,} have "
                "others."
            ) from error


def _values(column: pa.ChunkedArray, shape: Sequence[int]) -> NDArray[Any]:
    """The numbers of a column, flattened; NaN if missing; `ValueError` for a value of another shape.

    The total count alone is not enough: a longer value may make up for a shorter one.
    """
    sizes = iter(shape)
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    while isinstance(array.type, _NESTED):
        if isinstance(array.type, pa.ExtensionType):
            array = array.storage
            continue
        wanted = next(sizes, None)
        if array.null_count or not pc.all(pc.equal(pc.list_value_length(array), wanted), min_count=0).as_py():
            raise ValueError(wanted)
        array = array.flatten()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _load(source: Any, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    """The dataset of a Hugging Face data set.

    The target is the named column, or one called label, labels, target, targets or y, or the last one. The
    inputs are the other columns: numbers, or one column of arrays. Images are decoded by `datasets` itself,
    in worker processes.
    """
    options, stream = chosen(TableOptions, arguments), arguments.get("stream")
    names = list(source.column_names)
    if options.target is not None:
        target = names[resolve(options.target, names, "target")]
    else:
        target = next((label for label in LABEL_KEYS if label in names), names[-1])
    dropped = {names[at] for at in resolve_all(options.drop, names, "drop")}
    inputs = [one for one in names if one != target and one not in dropped]
    if len(source) < 2:
        raise Refusal(f"the {_NAME} must have at least 2 rows to train on; got {len(source)}.")
    if not inputs:
        raise Refusal(f"the {_NAME} must have inputs besides its target {target}; got {', '.join(names)}.")
    labels = np.asarray(source.select_columns([target]).with_format("arrow")[:].column(0).to_numpy())
    classes = getattr(source.features[target], "names", None)
    if classes is not None and labels.dtype.kind in "iu":
        labels = np.asarray(classes)[labels]
    if len(inputs) == 1 and type(source.features[inputs[0]]).__name__ == "Image":
        return dataset_of_items(_Pairs(source.with_format(None), inputs[0], labels), arguments, progress)
    shape, kind = _shape(source, inputs)
    rows: Any = HuggingFaceArray(source, inputs, shape, kept_dtype(kind, len(shape) + 1))
    if stream is False:
        rows = rows[:]
    return dataset_of_arrays(
        rows,
        labels,
        task=options.task,
        source=_NAME,
        target_name=target,
        features=tuple(inputs) if len(shape) == 1 and len(inputs) == shape[0] else None,
        remarks=(f'{_NAME}: inputs {", ".join(inputs)}, target "{target}".',),
        owned=stream is False,
    )


def _shape(source: Any, inputs: Sequence[str]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    first = source.select_columns(list(inputs)).with_format("numpy")[0]
    arrays = {column: np.asarray(first[column]) for column in inputs}
    for column, array in arrays.items():
        if array.dtype.kind not in "buif":
            raise Refusal(
                f'column "{column}" of the {_NAME} must hold numbers; got {array.dtype}. Leave it out with '
                "`ep.load_data(..., drop=COLUMN)`, or make a data frame of it."
            )
    if len(arrays) == 1:
        kind = source.features.arrow_schema.field(inputs[0]).type
        while isinstance(kind, _NESTED):
            kind = kind.storage_type if isinstance(kind, pa.ExtensionType) else kind.value_type
        return (arrays[inputs[0]].shape or (1,)), np.dtype(kind.to_pandas_dtype())
    if wide := [column for column, array in arrays.items() if array.ndim]:
        raise Refusal(
            f"the inputs of the {_NAME} must be number columns or one column of arrays; got the columns "
            f"{', '.join(inputs)}, of which {', '.join(wide)} hold arrays. Leave others out with drop."
        )
    return (len(arrays),), np.dtype(np.float32)


@dataclass(frozen=True)
class _Pairs:
    """Images that `datasets` decodes one by one, with their targets."""

    source: Any
    column: str
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, number: int) -> tuple[NDArray[Any], Any]:
        image = np.asarray(self.source[number][self.column])
        return (image if image.ndim > 2 else image[..., None]), self.targets[number]


HUGGING_FACE = DataSource(recognizes=is_hugging, load=_load)
