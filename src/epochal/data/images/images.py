"""The data set of an image folder, and its encoder for new images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from epochal.common.text import counted, shortlist
from epochal.data.arrays.source import new_arrays
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.grouping import by_pattern, subjects_note, with_groups
from epochal.data.images.folder import Listing, classes_in, file_label, holds_images, images_in
from epochal.data.images.pixels import SUFFIXES, PixelRange
from epochal.data.images.read import ImageOptions, Images, read_images
from epochal.data.lazy import streams_note
from epochal.data.recipe import option_types
from epochal.data.records import Damaged, SampleEncoder
from epochal.data.source import DataSource, ProgressCallback, TrainingContext, chosen, refuse_columns
from epochal.data.task import Task
from epochal.errors import Refusal

_TARGET = "class"


def _load(source: str | Path, arguments: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    """The images of a folder with one subfolder per class, as bytes (n, height, width, channels)."""
    refuse_columns(arguments, f'"{source}", a folder of images,')
    options = chosen(ImageOptions, arguments)
    task, stream, groups_from = map(arguments.get, ("task", "stream", "groups_from"))
    folder = Path(source).expanduser()
    listing, classes = classes_in(folder)
    kind: Any = "binary" if len(classes) == 2 and task != "multiclass" else "multiclass"
    if task not in (None, "classification", kind):
        raise Refusal(f'`task` must be "{kind}" for {len(classes)} folders, each a class; got "{task}".')
    read = read_images(listing, options, progress, stream=stream)
    labels = read.labels(classes)
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        name = classes[int(np.argmin(counts))]
        raise Refusal(f'the class "{name}" must have at least 1 image that can be read; all are bad.')
    shape: Any = read.inputs.shape[1:]
    resized = options.resize is not None
    encoder = ImageEncoder(shape, resized, options.skip_bad, Task(kind, classes), read.pixel_range)
    of_each = (f"{name}: {count:,}" for name, count in zip(classes, counts, strict=True))
    sizes = f"{len(classes)} classes, a folder each ({shortlist(of_each, 10, quote='')})."
    stays = () if isinstance(read.inputs, np.ndarray) else (streams_note(read.inputs, "their files"),)
    notes = (sizes, *read.notes, *stays, *_repeated(read, labels, classes))
    dataset = _dataset(read, encoder, labels, f"{folder.name or folder}", notes)
    if groups_from is not None:
        values = by_pattern(read.listing.names, groups_from)
        return with_groups(dataset, values, f"from file names by {groups_from}")
    return replace(dataset, raw_notes=(*dataset.raw_notes, *subjects_note(read.listing.names)))


def _repeated(read: Images, labels: NDArray[np.int32], classes: Sequence[str]) -> tuple[str, ...]:
    members: dict[bytes, list[int]] = {}
    for index, mark in enumerate(read.digests):
        members.setdefault(mark, []).append(index)
    if not (same := [own for own in members.values() if len(own) > 1]):
        return ()
    one, *others = next((own for own in same if len(set(labels[own])) > 1), same[0])
    other = next((index for index in others if labels[index] != labels[one]), others[0])
    first, second = classes[labels[one]], classes[labels[other]]
    of = f", of the classes {first} and {second}" if labels[one] != labels[other] else ""
    extra, names = sum(len(own) - 1 for own in same), read.listing.names
    what = counted(extra, "image has the same pixels as another", "images have the same pixels as others")
    return (f"{what} ({names[one]} and {names[other]}{of}).",)


@dataclass(frozen=True)
class ImageEncoder(SampleEncoder):
    """Reads new images as the training images were."""

    kind: ClassVar[str] = "images"
    are_images: ClassVar[bool] = True

    shape: tuple[int, int, int]
    """Height, width and channels."""
    resized: bool
    """Whether images are resized to the training images' size."""
    skip_bad: bool
    task: Task
    levels: PixelRange | None = None
    """The black and white levels of images with more than 8 bits; None without any in training."""

    standardize: ClassVar[bool] = False
    """Pixels are scaled to 0 to 1 instead."""

    def check(self) -> None:
        levels, (height, width, channels) = self.levels, self.shape
        if min(height, width) < 1 or height * width > 2**31 or channels not in (1, 3):
            raise Damaged(f"images of {height} x {width} pixels and {channels} channels")
        if levels is not None and levels.black >= levels.white:
            raise Damaged(f"images that are black at {levels.black:g} and white at {levels.white:g}")


def new_images(encoder: ImageEncoder, source: Any, context: TrainingContext) -> Dataset:
    """The images of a folder (with or without class folders), of one file, or of arrays."""
    arrays = replace(context, task=encoder.task, shape=encoder.shape, dtype=np.uint8, target_name=_TARGET)
    if not isinstance(source, (str, Path)):
        return replace(new_arrays(source, arrays), encoder=encoder)
    path = Path(source).expanduser()
    if path.is_dir():
        listing = images_in(path, encoder.task.classes)
    elif path.suffix.lower() in SUFFIXES:
        listing = Listing((path,), (file_label(path.name),), None)
    elif path.suffix.lower() in ARRAY_SUFFIXES:
        return replace(new_arrays(path, arrays), encoder=encoder)
    else:
        raise Refusal(f"new images must be a folder, an image file or an array; got {path.name}.")
    size = encoder.shape[:2]
    options = ImageOptions(size if encoder.resized else None, encoder.shape[2] == 3, encoder.skip_bad)
    wanted = None if encoder.resized else size
    stream = False if context.stream is False else None  # worker processes do not pay off for a few images
    read = read_images(listing, options, None, wanted=wanted, stream=stream, pixel_range=encoder.levels)
    labels = None if read.listing.labels is None else read.labels(encoder.task.classes)
    return _dataset(read, encoder, labels, path.name or str(path), read.notes)


def _dataset(
    read: Images, encoder: ImageEncoder, labels: NDArray[np.int32] | None, source: str, notes: Sequence[str]
) -> Dataset:
    digest = hashlib.sha256(b"".join(read.digests)).hexdigest()
    return Dataset(
        inputs=read.inputs,
        targets=labels,
        task=None if labels is None else encoder.task,
        continuous=np.ones(1, bool),
        encoder=encoder,
        target_name="" if labels is None else _TARGET,
        source=source,
        raw_notes=tuple(notes),
        row_numbers=np.arange(1, len(read.inputs) + 1, dtype=np.int64),
        fingerprint=fingerprint((*read.listing.names, *encoder.task.classes, digest), labels),
        names=read.listing.names,
    )


IMAGES = DataSource(
    recognizes=lambda source: isinstance(source, str | Path) and holds_images(Path(source).expanduser()),
    load=_load,
    options={
        **option_types(ImageOptions),
        **dict.fromkeys(("task", "groups_from", "groups_table"), str),
        "stream": bool,
    },
    encoder=ImageEncoder,
    transform=new_images,
)
