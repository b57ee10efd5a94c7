"""Data sets of Hugging Face, objects and iterators as sources of samples that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from epochal.data.dataset import Dataset
from epochal.data.source import Progress, Source, chosen, refuse_columns
from epochal.data.streams.hugging_face import dataset_of_hugging, is_hugging
from epochal.data.streams.items import dataset_of_items, is_items
from epochal.data.streams.iterators import dataset_of_iterator, is_iterator
from epochal.data.tables.table import TableOptions

__all__ = ["HuggingFaceSource", "ItemSource", "IteratorSource"]


class HuggingFaceSource(Source):
    """A `datasets.Dataset`."""

    def recognizes(self, source: Any) -> bool:
        """See `Source`."""
        return is_hugging(source)

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        return dataset_of_hugging(
            source,
            chosen(TableOptions, asked),
            workers=asked.get("workers"),
            progress=progress,
            stream=asked.get("stream"),
        )


class ItemSource(Source):
    """An object that gives samples by their numbers, such as a PyTorch Dataset."""

    def recognizes(self, source: Any) -> bool:
        """See `Source`."""
        return is_items(source)

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        refuse_columns(asked, type(source).__name__)
        return dataset_of_items(
            source,
            task=asked.get("task"),
            workers=asked.get("workers"),
            progress=progress,
            stream=asked.get("stream"),
        )


class IteratorSource(Source):
    """An iterator, whose samples come one after the other, once; `validation` tells further classes."""

    endless: ClassVar[bool] = True

    def recognizes(self, source: Any) -> bool:
        """See `Source`."""
        return is_iterator(source)

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        refuse_columns(asked, type(source).__name__)
        return dataset_of_iterator(source, asked.get("validation"), asked.get("task"))
