"""The `DataSource` interface: recognize a kind of data, load it, and encode new samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from epochal.data.dataset import Dataset
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.records import SampleEncoder, fields_of
from epochal.data.task import Task
from epochal.errors import Refusal

ProgressCallback = Callable[[str, int, int], None]
"""A progress callback: (what, done, total)."""

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingContext:
    """Properties of the training samples besides their encoder, and reading options.

    Args:
        task, shape, target_name: of the training samples.
        dtype: the stored dtype of the training inputs.
        reading: reading options; the rest is recognized anew.
        partial: whether targets may be missing in some rows of a table, as -1 or NaN; else
            none of them are used.
        stream: whether to stream inputs block by block; None if they are large.
    """

    task: Task | None = None
    shape: tuple[int, ...] | None = None
    target_name: str = ""
    dtype: Any = None
    reading: Reading = AS_FOUND
    partial: bool = False
    stream: bool | None = False


NO_CONTEXT = TrainingContext()


@dataclass(frozen=True)
class DataSource:
    """One kind of data. The registry lists them; the first that recognizes an object reads it.

    Args:
        load: loads training samples of (object, given arguments, progress callback);
            refuses what cannot work, in one sentence.
        options: serializable options with their types, for recipes.
        reader: the reader function in recipes: "load_data", or a more specific one.
        encoder: the encoder class; None for arrays.
        transform: encodes new samples, with targets if any, of (encoder, object, `TrainingContext`).
        recognizes: whether this object is of this kind; any is, where a reader has one kind only.
        endless: whether it has no length, and is read once.
    """

    load: Callable[[Any, Mapping[str, Any], ProgressCallback | None], Dataset]
    options: Mapping[str, Any] = field(default_factory=dict)
    reader: str = "load_data"
    encoder: type[SampleEncoder] | None = None
    transform: Callable[[Any, Any, TrainingContext], Dataset] | None = None
    recognizes: Callable[[Any], bool] = lambda source: True
    endless: bool = False


def chosen(kind: type[T], arguments: Mapping[str, Any]) -> T:
    """A dataclass of options from those of its fields that were given."""
    names = fields_of(kind)
    return kind(**{name: value for name, value in arguments.items() if name in names})


_OF_TABLES = ("keep", "drop", "categorical", "numeric", "sample_weight", "groups", "decimal", "date_format")


def refuse_columns(arguments: Mapping[str, Any], source: str, *, target: bool = True) -> None:
    """Refuse options that choose columns, which arrays do not have."""
    for role in (*_OF_TABLES, "target"):
        if arguments.get(role) and (target or role != "target"):
            raise Refusal(f"{role} chooses columns of a table; {source} is taken as it is. Use a data frame.")
