"""Folders of images as a source of samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from epochal.data.dataset import Dataset
from epochal.data.images.folder import holds_images
from epochal.data.images.images import ImageEncoder, new_images, read_folder
from epochal.data.images.read import ImageOptions
from epochal.data.recipe import Check, flag, size, word
from epochal.data.source import Known, Progress, Source, chosen, refuse_columns

__all__ = ["ImageSource"]


class ImageSource(Source):
    """A folder with a sub-folder of images for each class."""

    kind = ImageEncoder.kind
    options: ClassVar[Mapping[str, Check]] = {
        **dict.fromkeys(("task", "groups_from", "groups_table"), word),
        **dict.fromkeys(("color", "skip_bad", "stream"), flag),
        "resize": size,
    }

    def recognizes(self, source: Any) -> bool:
        """See `Source`."""
        return isinstance(source, str | Path) and holds_images(Path(source).expanduser())

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        refuse_columns(asked, f'"{source}", a folder of images,')
        return read_folder(
            Path(source).expanduser(),
            chosen(ImageOptions, asked),
            asked.get("task"),
            progress,
            asked.get("stream"),
            asked.get("groups_from"),
        )

    def encode_new(self, encoder: ImageEncoder, source: Any, known: Known) -> Dataset:
        """See `Source`."""
        return new_images(encoder, source, known)

    def encoder(self, value: Any) -> ImageEncoder:
        """See `Source`."""
        return ImageEncoder.from_dict(value)
