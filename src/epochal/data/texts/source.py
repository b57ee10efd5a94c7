"""Texts as a source of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from epochal.data.dataset import Dataset
from epochal.data.recipe import Check
from epochal.data.source import Known, Progress, Source
from epochal.data.texts.texts import OPTIONS, TextEncoder, new_texts, text

__all__ = ["TextSource"]


class TextSource(Source):
    """A table with a column of texts, or two sequences."""

    reader: ClassVar[str] = "text"
    kind = TextEncoder.kind
    options: ClassVar[Mapping[str, Check]] = OPTIONS

    def recognizes(self, source: Any) -> bool:
        """See `Source`; its reader is asked for by name, and refuses what it can't read."""
        return True

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        return text(source, **asked)

    def encode_new(self, encoder: TextEncoder, source: Any, known: Known) -> Dataset:
        """See `Source`."""
        return new_texts(encoder, source, known.reading)

    def encoder(self, value: Any) -> TextEncoder:
        """See `Source`."""
        return TextEncoder.from_dict(value)
