"""A source of samples: it recognizes its kind of data, loads it, and encodes new samples alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from epochal.data.dataset import Dataset
from epochal.data.encoder import SampleEncoder
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.recipe import Check
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


class Source(ABC):
    """One kind of data. The registry lists one of each; the first that recognizes an object reads it."""

    reader: ClassVar[str] = "load"
    """The function that reads it, as a recipe names it: `load`, or one that is asked for by name."""
    kind: ClassVar[str] = ""
    """The kind of its encoder, by which new samples come back here; empty if they come as arrays."""
    options: ClassVar[Mapping[str, Check]] = {}
    """What may be said to its reader in words, with what checks a value; the rest can't be read again."""
    endless: ClassVar[bool] = False
    """Whether it has no length, and is read once."""

    @abstractmethod
    def recognizes(self, source: Any) -> bool:
        """Whether its reader takes this object to be of this kind."""

    @abstractmethod
    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """The training samples; `asked` has the arguments of the reader that were given.

        Raises:
            Refusal: anything that cannot work, in one sentence.
        """

    def encode_new(self, encoder: Any, source: Any, known: Known) -> Dataset:
        """New samples, encoded as those of the training were; with targets if they have any.

        Raises:
            Refusal: they can't be, as a column that is missing.
        """
        raise NotImplementedError(f"{type(self).__name__} has no encoder")

    def encoder(self, value: Any) -> SampleEncoder:
        """The inverse of `to_dict` of its encoder; nothing that it names is imported.

        Raises:
            Refusal: a value that no encoder of this kind has written.
        """
        raise NotImplementedError(f"{type(self).__name__} has no encoder")


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
