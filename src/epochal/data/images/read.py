"""Reading images to one size and number of channels, in threads or worker processes."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import cores
from epochal.common.text import counted
from epochal.data.images.folder import Listing
from epochal.data.images.pixels import (
    Histogram,
    ImageHeader,
    PixelRange,
    Unreadable,
    bombs_as_errors,
    counts,
    header,
    pixels,
)
from epochal.data.lazy import streams
from epochal.data.source import ProgressCallback
from epochal.data.streams.items import ItemArray
from epochal.data.streams.workers import Workers
from epochal.errors import Refusal

_MAX_SUGGESTED = 128
_NAMED = 3
"""Most bad images that are named."""

_BLOCK = 256
"""Images per progress report."""

_PROBED, _LONG_SECONDS = 32, 10.0
"""Images to time, and the total seconds from which worker processes pay off."""

_T = TypeVar("_T")

_MAX_PIXELS = 2**24
"""Most pixels of a resized image (4096 × 4096), since images are held in memory many times over."""


@dataclass(frozen=True)
class ImageOptions:
    """Options for reading images, as `load` describes them."""

    resize: tuple[int, int] | None = None
    color: bool | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.resize is None:
            return
        size = self.resize
        sides = size if isinstance(size, tuple) and len(size) == 2 else (0,)
        if not all(isinstance(side, int) and not isinstance(side, bool) and side >= 1 for side in sides):
            raise Refusal(f"`resize` must be (height, width) in whole pixels, at least 1 each; got {size!r}.")
        if size[0] * size[1] > _MAX_PIXELS:
            raise Refusal(
                f"`resize` must make images of at most {_MAX_PIXELS:,} pixels; got {size[0]:,} × {size[1]:,}."
            )


@dataclass(frozen=True)
class Images:
    """The images that were read, without bad ones."""

    listing: Listing
    inputs: Any
    """Bytes (n, height, width, channels), or a `LazyArray` of them."""
    notes: tuple[str, ...]
    pixel_range: PixelRange | None
    digests: tuple[bytes, ...]
    """Digests of the pixels."""

    def labels(self, classes: Sequence[str]) -> NDArray[np.int32]:
        """The class ids."""
        at = {name: index for index, name in enumerate(classes)}
        assert self.listing.labels is not None
        return np.array([at[name] for name in self.listing.labels], np.int32)


@dataclass
class _Unreadable:
    """Why images can't be read, by index: the first is refused, or all are left out and counted."""

    names: Sequence[str]
    skip: bool
    reasons: dict[int, str] = field(default_factory=dict)

    def without(self, items: Iterable[tuple[int, _T | str]]) -> Iterator[tuple[int, _T]]:
        """The items that could be read."""
        for index, found in items:
            if not isinstance(found, str):
                yield index, found
                continue
            if not self.skip:
                raise Refusal(
                    f"every image must be one that can be read; {self.names[index]} can't: {found}. "
                    "Repair or remove it, or leave such images out with `skip_bad=True`."
                )
            self.reasons[index] = found
        if len(self.reasons) == len(self.names):
            first = min(self.reasons)
            raise Refusal(
                f"at least 1 image must be one that can be read; got {len(self.names):,} that can't, "
                f"the first of them {self.names[first]}: {self.reasons[first]}."
            )

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.reasons:
            return ()
        count, of = len(self.reasons), len(self.names)
        named = [f"{self.names[index]}: {self.reasons[index]}" for index in sorted(self.reasons)[:_NAMED]]
        shown = "; ".join([*named, "…"] if count > _NAMED else named)
        verb = "is" if count == 1 else "are"
        return (f"{count:,} of {of:,} images can't be read and {verb} left out ({shown}).",)


def read_images(
    listing: Listing,
    options: ImageOptions,
    progress: ProgressCallback | None,
    wanted: tuple[int, int] | None = None,
    stream: bool | None = False,
    pixel_range: PixelRange | None = None,
) -> Images:
    """Images as bytes in memory, or checked once and read on demand.

    Headers are checked first, so that errors are found early.
    """
    bad = _Unreadable(listing.names, options.skip_bad)
    found = _reported(in_threads(header, listing.files), "images looked at", len(listing.files), progress)
    headers = dict(bad.without(enumerate(found)))
    size = options.resize or _one_size(listing, headers, wanted)
    channels, note = _channels(headers, options.color)
    notes = [note]
    if deep := [listing.files[index] for index in headers if headers[index].deep]:
        pixel_range, note = _pixel_range(deep, pixel_range, progress)
        notes.append(note)
    shape = (*size, channels)
    streamed = streams(len(headers) * math.prod(shape), stream)
    decode = Decoding(channels, options.resize, size, pixel_range, keep=not streamed)
    images = decoded_images(decode, [listing.files[index] for index in headers])
    decoded = _reported(images, "images read", len(headers), progress)
    values = np.empty((0 if streamed else len(headers), *shape), np.uint8)
    digests: dict[int, bytes] = {}
    for index, image in bad.without(zip(headers, decoded, strict=True)):
        if not streamed:
            values[len(digests)] = image
        digests[index] = image if streamed else hashlib.sha256(image.data).digest()
    sizes = {(headers[index].height, headers[index].width) for index in digests}
    if options.resize is not None and sizes != {size}:
        own = _by(*sizes) if len(sizes) == 1 else f"{len(sizes):,} sizes"
        notes.append(f"images of {own} are resized to {_by(size)}.")
    if any(headers[index].transparent for index in digests):
        notes.append("transparent pixels lie over white.")
    if several := sum(headers[index].more_frames for index in digests):
        what = counted(several, "image has", "images have")
        notes.append(f"{what} several frames or pages: the first is read.")
    rest = Listing(
        tuple(listing.files[index] for index in digests),
        tuple(listing.names[index] for index in digests),
        None if listing.labels is None else tuple(listing.labels[index] for index in digests),
    )
    inputs: Any = values[: len(digests)]
    if channels == 3 and options.color is None and len(inputs) and (inputs == inputs[..., :1]).all():
        notes.append(
            "all images are gray, though in files of colors; `color=False` reads 1 channel in place of 3."
        )
    if streamed:
        items = ImageFiles(rest.files, rest.names, replace(decode, keep=True))
        inputs = ItemArray(items, shape, np.dtype(np.uint8), cores())
    raw_notes = tuple(note for note in (*notes, *bad.notes, *listing.notes) if note)
    return Images(rest, inputs, raw_notes, pixel_range, tuple(digests.values()))


def _pixel_range(
    files: Sequence[Path], known: PixelRange | None, progress: ProgressCallback | None
) -> tuple[PixelRange, str]:
    """Black and white of images with more than 8 bits, known or measured, with a note."""
    found = _reported(in_threads(counts, files), "images measured", len(files), progress)
    # An unreadable image is reported when it is decoded.
    total = Histogram.sum(one for one in found if not isinstance(one, str))
    if known is None:
        pixel_range = total.pixel_range()
        return pixel_range, total.note(pixel_range)
    if known.black <= total.low and total.high <= known.white:
        return known, ""
    return known, (
        f"new images have values from {total.low:g} to {total.high:g}; those outside {known.black:g} to "
        f"{known.white:g}, the range of the training images, are cut."
    )


def _one_size(
    listing: Listing, headers: dict[int, ImageHeader], wanted: tuple[int, int] | None
) -> tuple[int, int]:
    sizes = {index: (one.height, one.width) for index, one in headers.items()}
    first = next(iter(sizes))
    size = wanted or sizes[first]
    other = next((index for index in sizes if sizes[index] != size), None)
    if other is None:
        return size
    got = f"{listing.names[other]} has {_by(sizes[other])}"
    if wanted is not None:
        raise Refusal(
            f"new images must have {_by(size)} as the training images had; {got}. Resize it, or train with "
            f"`resize={size}`, which new images then are brought to as well."
        )
    common = Counter(sizes.values()).most_common(1)[0][0]
    share = min(1.0, _MAX_SUGGESTED / max(common))
    suggested = tuple(max(1, round(side * share)) for side in common)
    raise Refusal(
        f"images must have one size; {listing.names[first]} has {_by(size)} and {got} (height × width; "
        f"{len(set(sizes.values())):,} sizes). Bring all to one with "
        f"`resize={suggested}`."
    )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _channels(headers: dict[int, ImageHeader], color: bool | None) -> tuple[int, str]:
    gray = sum(one.gray for one in headers.values())
    rest = len(headers) - gray
    if color is not None:
        turned, kind = (gray, "RGB") if color else (rest, "gray")
        note = f"{turned:,} of {len(headers):,} images are made {kind}." if turned else ""
        return (3 if color else 1), note
    if rest == 0:
        return 1, "all images are gray: 1 channel; `color=True` reads them as RGB."
    which = "all images have" if gray == 0 else f"{rest:,} of {len(headers):,} images have"
    return 3, f"{which} colors: 3 channels (RGB); `color=False` reads gray."


def readable(read: Callable[..., _T], path: Path, *arguments: Any) -> _T | str:
    """What a function reads of an image, or why it is unreadable."""
    try:
        return read(path, *arguments)
    except Unreadable as reason:
        return str(reason)


@dataclass(frozen=True)
class Decoding:
    """Reads one image, in this process or another."""

    channels: int
    resize: tuple[int, int] | None
    size: tuple[int, int]
    pixel_range: PixelRange | None = None
    """Black and white of images with more than 8 bits."""
    keep: bool = True
    """Whether to keep the pixels, or only their digest."""

    def __call__(self, path: Path) -> NDArray[np.uint8] | bytes | str:
        """The pixels (height, width, channels); 32 bytes of digest; or a reason in words."""
        found = readable(pixels, path, self.channels, self.resize, self.pixel_range)
        if isinstance(found, str):
            return found
        if found.shape[:2] != self.size:
            return f"it has {found.shape[0]}×{found.shape[1]} pixels, and claimed other ones"
        return found if self.keep else hashlib.sha256(found.data).digest()


@dataclass(frozen=True)
class ImageFiles:
    """Images by index, as `ItemArray` takes samples."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    decode: Decoding

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        found = self.decode(self.files[index])
        if isinstance(found, str):
            raise Unreadable(f"{self.names[index]}: {found}")
        return found, 0


def _reported(items: Iterable[_T], what: str, total: int, progress: ProgressCallback | None) -> Iterator[_T]:
    """The items, reporting their number in between and at the end."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None and (done % _BLOCK == 0 or done == total):
            progress(what, done, total)


def decoded_images(decode: Decoding, files: Sequence[Path]) -> Iterator[Any]:
    """`decode` of each file, in order: in threads, or in processes for large jobs.

    Pillow holds the GIL for part of the work; a decoder crash in a worker becomes an error message.
    """
    begin = time.perf_counter()
    first = list(in_threads(decode, files[:_PROBED]))
    yield from first
    rest, count = files[_PROBED:], cores()
    each = (time.perf_counter() - begin) / max(1, len(first))
    if each * len(rest) < _LONG_SECONDS or count == 1:
        yield from in_threads(decode, rest)
        return
    with closing(Workers(decode, count)) as workers:
        yield from workers.map(rest, chunk_size=8)


def in_threads(read: Callable[[Path], _T], files: Sequence[Path]) -> Iterator[_T | str]:
    """What a function reads of each file, in order, or why it is unreadable.

    No thread outlives a block: an abandoned generator may be collected by one
    of its own threads, which can't wait for itself.
    """
    for start in range(0, len(files), _BLOCK):
        with bombs_as_errors(), ThreadPoolExecutor(cores()) as pool:
            found = list(pool.map(partial(readable, read), files[start : start + _BLOCK]))
        yield from found
