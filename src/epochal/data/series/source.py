"""Windows of an ordered table as a source of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from epochal.data.dataset import Dataset
from epochal.data.recipe import Check
from epochal.data.series.encoder import WindowEncoder
from epochal.data.series.windows import OPTIONS, new_windows, windows
from epochal.data.source import Known, Progress, Source

__all__ = ["SeriesSource"]


class SeriesSource(Source):
    """A table whose rows follow one another in time."""

    reader: ClassVar[str] = "windows"
    kind = WindowEncoder.kind
    options: ClassVar[Mapping[str, Check]] = OPTIONS

    def recognizes(self, source: Any) -> bool:
        """See `Source`; its reader is asked for by name, and refuses what it can't read."""
        return True

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        return windows(source, **asked)

    def encode_new(self, encoder: WindowEncoder, source: Any, known: Known) -> Dataset:
        """See `Source`."""
        return new_windows(encoder, source, known.reading)

    def encoder(self, value: Any) -> WindowEncoder:
        """See `Source`."""
        return WindowEncoder.from_dict(value)
