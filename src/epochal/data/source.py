"""The `Source` interface: recognize a kind of data, load it, and encode new samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from epochal.data.dataset import Dataset
from epochal.data.encoder import SampleEncoder
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.task import Task
from epochal.errors import Refusal

__all__ = ["Known", "Progress", "Source", "chosen", "refuse_columns"]

Progress = Callable[[str, int, int], None]
"""What hears how far something is that takes long: (what, done, of how many)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """What is known of the training samples besides their encoder, and how new ones are read.

    Args:
        task: what is predicted.
        shape: of one sample's inputs.
        target_name: what the target was called.
        dtype: what the training inputs were kept as.
        reading: what is said about how a file is read; the rest is recognized in it anew.
        partial: whether targets may be missing in some rows of a table, and are then -1 or NaN there; else
            none of them are used.
        stream: whether inputs may stay where they are and be read block by block; None if they are large.
    """

    task: Task | None = None
    shape: tuple[int, ...] | None = None
    target_name: str = ""
    dtype: Any = None
    reading: Reading = AS_FOUND
    partial: bool = False
    stream: bool | None = False


@dataclass(frozen=True)
class Source:
    """One kind of data. The registry lists them; the first that recognizes an object reads it.

    Args:
        recognizes: whether the reader takes this object to be of this kind.
        load: the training samples of (an object, the arguments of the reader that were given, what hears how
            far it is). Refuses what cannot work, in one sentence.
        options: what may be said to the reader in words, each with its type, so that it can be read again.
        reader: the function that reads it, as a recipe names it: "load", or one that is asked for by name.
        encoder: what it keeps to encode new samples; None if they come as arrays.
        encode_new: new samples, with their targets if any, of (the encoder, an object, what else is known).
        endless: whether it has no length, and is read once.
    """

    recognizes: Callable[[Any], bool]
    load: Callable[[Any, Mapping[str, Any], Progress | None], Dataset]
    options: Mapping[str, Any] = field(default_factory=dict)
    reader: str = "load"
    encoder: type[SampleEncoder] | None = None
    encode_new: Callable[[Any, Any, Known], Dataset] | None = None
    endless: bool = False

    @property
    def kind(self) -> str:
        """The kind of its encoder, by which new samples come back here."""
        return "" if self.encoder is None else self.encoder.kind


def chosen(kind: type[T], asked: Mapping[str, Any], **given: Any) -> T:
    """A dataclass of options from those of its names that were asked for."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in asked.items() if name in names}, **given)


_OF_TABLES = ("keep", "drop", "categorical", "numeric", "sample_weight", "groups", "decimal", "date_format")


def refuse_columns(asked: Mapping[str, Any], source: str, *, target: bool = True) -> None:
    """Arrays are taken as they are, so options that choose columns can't do anything."""
    for role in (*_OF_TABLES, *(("target",) if target else ())):
        if asked.get(role):
            raise Refusal(f"{role} chooses columns of a table; {source} is taken as it is. Use a data frame.")
