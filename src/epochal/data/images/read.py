"""Reading all images of a listing to one size and number of channels."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import cores
from epochal.data.images.decoding import Decoding, ImageFiles, decoded_images, digest_of, in_threads
from epochal.data.images.folder import Listing
from epochal.data.images.levels import Counts, Levels
from epochal.data.images.pixels import Header, Unreadable, believing_no_bombs, counts, header
from epochal.data.source import Progress
from epochal.data.streams.items import ItemRows
from epochal.data.streams.large import streams
from epochal.errors import Refusal

_LARGEST_SUGGESTED = 128
_NAMED = 3
"""Most bad images that are named."""

_T = TypeVar("_T")

_MOST_PIXELS = 2**24
"""Most pixels of a resized image (4096 × 4096), since images are held in memory many times over."""


@dataclass(frozen=True)
class ImageOptions:
    """Options for reading images.

    Args:
        resize: the height and width to resize to; their own by default.
        color: whether to read RGB; by default if at least one has colors.
        skip_bad: whether to leave out and count unreadable images instead of refusing.
    """

    resize: tuple[int, int] | None = None
    color: bool | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.resize is None:
            return
        size = self.resize
        if (
            not isinstance(size, tuple)
            or len(size) != 2
            or not all(isinstance(side, int) and not isinstance(side, bool) and side >= 1 for side in size)
        ):
            raise Refusal(f"`resize` must be (height, width) in whole pixels, at least 1 each; got {size!r}.")
        if size[0] * size[1] > _MOST_PIXELS:
            raise Refusal(
                f"`resize` must make images of at most {_MOST_PIXELS:,} pixels; "
                f"got {size[0]:,} × {size[1]:,}."
            )


@dataclass(frozen=True)
class Images:
    """The images that were read, without bad ones."""

    listing: Listing
    inputs: Any
    """Bytes (n, height, width, channels), or `Rows` of them."""
    digest: str
    notes: tuple[str, ...]
    levels: Levels | None
    marks: tuple[bytes, ...]
    """Digests of the pixels."""

    def labels(self, classes: Sequence[str]) -> NDArray[np.int32]:
        """The class ids."""
        at = {name: index for index, name in enumerate(classes)}
        assert self.listing.labels is not None
        return np.array([at[name] for name in self.listing.labels], np.int32)


class _Bad:
    """Unreadable images: the first is refused, or all are left out and counted."""

    def __init__(self, names: Sequence[str], skip: bool) -> None:
        self._names, self._skip = names, skip
        self.reasons: dict[int, str] = {}

    def without(self, items: Iterable[tuple[int, _T | str]]) -> Iterator[tuple[int, _T]]:
        """The items without errors, which are reported or refused."""
        for index, found in items:
            if not isinstance(found, str):
                yield index, found
                continue
            if not self._skip:
                raise Refusal(
                    f"every image must be one that can be read; {self._names[index]} can't: {found}. "
                    "Repair or remove it, or leave such images out with `skip_bad=True`."
                )
            self.reasons[index] = found
        if len(self.reasons) == len(self._names):
            first = min(self.reasons)
            raise Refusal(
                f"at least 1 image must be one that can be read; got {len(self._names):,} that can't, "
                f"the first of them {self._names[first]}: {self.reasons[first]}."
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes: how many were left out, and the first of them with reasons."""
        if not self.reasons:
            return ()
        first = sorted(self.reasons)[:_NAMED]
        named = "; ".join(f"{self._names[index]}: {self.reasons[index]}" for index in first)
        more = "; …" if len(self.reasons) > _NAMED else ""
        count, of = len(self.reasons), len(self._names)
        verb = "is" if count == 1 else "are"
        return (f"{count:,} of {of:,} images can't be read and {verb} left out ({named}{more}).",)


def read_images(
    listing: Listing,
    options: ImageOptions,
    progress: Progress | None,
    wanted: tuple[int, int] | None = None,
    stream: bool | None = False,
    levels: Levels | None = None,
) -> Images:
    """Images as bytes in memory, or checked once and read on demand.

    Headers are checked first, so that errors are found early.
    """
    bad = _Bad(listing.names, options.skip_bad)
    with believing_no_bombs():
        told = in_threads(_header_or_reason, listing.files, "images looked at", progress)
        headers = dict(bad.without(enumerate(told)))
    size = options.resize or _one_size(listing, headers, wanted)
    channels, notes = _channels(headers, options.color)
    deep = [index for index in headers if headers[index].deep]
    if deep:
        levels, more = _levels([listing.files[index] for index in deep], levels, progress)
        notes += more
    shape = (*size, channels)
    streamed = streams(len(headers) * math.prod(shape), stream)
    decode = Decoding(channels, options.resize, size, levels, keep=not streamed)
    decoded = decoded_images(decode, [listing.files[index] for index in headers], progress)
    values = np.empty((0 if streamed else len(headers), *shape), np.uint8)
    marks: list[bytes] = []
    kept: list[int] = []
    for index, image in bad.without(zip(headers, decoded, strict=True)):
        if not streamed:
            values[len(kept)] = image
        marks.append(image if streamed else digest_of(image))
        kept.append(index)
    sizes = {(headers[index].height, headers[index].width) for index in kept}
    if options.resize is not None and sizes != {size}:
        notes += (f"images of {_many(sizes)} are resized to {size[0]}×{size[1]}.",)
    if any(headers[index].transparent for index in kept):
        notes += ("transparent pixels lie over white.",)
    several = sum(headers[index].several for index in kept)
    if several:
        what = "1 image has" if several == 1 else f"{several:,} images have"
        notes += (f"{what} several frames or pages: the first is read.",)
    rest = Listing(
        tuple(listing.files[index] for index in kept),
        tuple(listing.names[index] for index in kept),
        None if listing.labels is None else tuple(listing.labels[index] for index in kept),
    )
    inputs: Any = values[: len(kept)]
    if channels == 3 and options.color is None and len(inputs) and (inputs == inputs[..., :1]).all():
        notes += (
            "all images are gray, though in files of colors; `color=False` reads 1 channel in place of 3.",
        )
    if streamed:
        items = ImageFiles(rest.files, rest.names, replace(decode, keep=True))
        inputs = ItemRows(items, shape, np.dtype(np.uint8), cores())
    digest = hashlib.sha256(b"".join(marks)).hexdigest()
    return Images(rest, inputs, digest, (*notes, *bad.notes, *listing.notes), levels, tuple(marks))


def _levels(
    files: Sequence[Path], known: Levels | None, progress: Progress | None
) -> tuple[Levels, tuple[str, ...]]:
    """Black and white levels of images with more than 8 bits, known or measured, with a note."""
    with believing_no_bombs():
        total = Counts.sum(in_threads(_counts_or_none, files, "images measured", progress))
    if known is None:
        levels = total.levels()
        return levels, (total.note(levels),)
    if known.black <= total.least and total.most <= known.white:
        return known, ()
    return known, (
        f"new images have values from {total.least:g} to {total.most:g}; those outside {known.black:g} to "
        f"{known.white:g}, the range of the training images, are cut.",
    )


def _counts_or_none(path: Path) -> Counts:
    """The values of an image; empty if unreadable, which is reported when it is decoded."""
    try:
        return counts(path)
    except Unreadable:
        return Counts()


def _header_or_reason(path: Path) -> Header | str:
    try:
        return header(path)
    except Unreadable as reason:
        return str(reason)


def _one_size(
    listing: Listing, headers: dict[int, Header], wanted: tuple[int, int] | None
) -> tuple[int, int]:
    """The common height and width, required unless images are resized."""
    sizes = {index: (one.height, one.width) for index, one in headers.items()}
    first = next(iter(sizes)) if wanted is None else None
    size = wanted if first is None else sizes[first]
    assert size is not None
    other = next((index for index in sizes if sizes[index] != size), None)
    if other is None:
        return size
    got = f"{listing.names[other]} has {_said(sizes[other])}"
    if first is None:
        raise Refusal(
            f"new images must have {_said(size)} as the training images had; {got}. Resize it, or train with "
            f"`resize={size}`, which new images then are brought to as well."
        )
    common = Counter(sizes.values()).most_common(1)[0][0]
    share = min(1.0, _LARGEST_SUGGESTED / max(common))
    suggested = tuple(max(1, round(side * share)) for side in common)
    raise Refusal(
        f"images must have one size; {listing.names[first]} has {_said(size)} and {got} (height × width; "
        f"{len(set(sizes.values())):,} sizes). Bring all to one with "
        f"`resize={suggested}`."
    )


def _said(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _many(sizes: set[tuple[int, int]]) -> str:
    return _said(next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes):,} sizes"


def _channels(headers: dict[int, Header], color: bool | None) -> tuple[int, tuple[str, ...]]:
    """1 for gray or 3 for RGB, with a note on the reason."""
    gray = sum(one.gray for one in headers.values())
    rest = len(headers) - gray
    if color is not None:
        turned = gray if color else rest
        kind = "RGB" if color else "gray"
        return (3 if color else 1), (f"{turned:,} of {len(headers):,} images are made {kind}.",) * (
            turned > 0
        )
    if rest == 0:
        return 1, ("all images are gray: 1 channel; `color=True` reads them as RGB.",)
    which = "all images have" if gray == 0 else f"{rest:,} of {len(headers):,} images have"
    return 3, (f"{which} colors: 3 channels (RGB); `color=False` reads gray.",)
