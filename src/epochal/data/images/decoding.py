"""Parallel decoding of images, in threads or worker processes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import cores
from epochal.data.images.levels import Levels
from epochal.data.images.pixels import Unreadable, believing_no_bombs, pixels
from epochal.data.source import Progress
from epochal.data.streams.workers import Workers

_BLOCK = 256
"""Images per progress report."""

_PROBED, _LONG_SECONDS = 32, 10.0
"""Images to time, and the total seconds from which worker processes pay off."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Decoding:
    """Reads one image, in this process or another."""

    channels: int
    resize: tuple[int, int] | None
    size: tuple[int, int]
    levels: Levels | None = None
    """The black and white levels of images with more than 8 bits."""
    keep: bool = True
    """Whether to keep the pixels, or only their digest."""

    def __call__(self, path: Path) -> NDArray[np.uint8] | bytes | str:
        """The pixels (height, width, channels); 32 bytes of digest; or a reason in words."""
        try:
            found = pixels(path, self.channels, self.resize, self.levels)
        except Unreadable as reason:
            return str(reason)
        height, width = found.shape[:2]
        if (height, width) != self.size:
            return f"it has {height}×{width} pixels, and claimed other ones"
        return found if self.keep else digest_of(found)


@dataclass(frozen=True)
class ImageFiles:
    """Images by index, as `ItemRows` takes samples."""

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


def decoded_images(decode: Decoding, files: Sequence[Path], progress: Progress | None) -> Iterator[Any]:
    """`decode` of each file, in order: in threads, or in processes for large jobs.

    Pillow holds the GIL for part of the work; a decoder crash in a worker becomes an error message.
    """
    what = "images read"
    begin = time.perf_counter()
    with believing_no_bombs():
        first = list(in_threads(decode, files[:_PROBED], what, None))
        yield from first
        rest, count = files[_PROBED:], cores()
        each = (time.perf_counter() - begin) / max(1, len(first))
        if each * len(rest) < _LONG_SECONDS or count == 1:
            yield from in_threads(decode, rest, what, progress, len(first))
            return
    with Workers(decode, count) as workers:
        for done, found in enumerate(workers.map(rest, together=8), len(first) + 1):
            yield found
            if progress is not None and (done % _BLOCK == 0 or done == len(files)):
                progress(what, done, len(files))


def in_threads(
    call: Callable[[Path], _T], files: Sequence[Path], what: str, progress: Progress | None, before: int = 0
) -> Iterator[_T]:
    """`call` of each file, in order.

    No thread outlives a block: an abandoned generator may be collected by one
    of its own threads, which can't wait for itself.
    """
    for start in range(0, len(files), _BLOCK):
        with ThreadPoolExecutor(cores()) as pool:
            found = list(pool.map(call, files[start : start + _BLOCK]))
        yield from found
        if progress is not None:
            progress(what, before + min(start + _BLOCK, len(files)), before + len(files))


def digest_of(image: NDArray[np.uint8]) -> bytes:
    """A digest of an image, 32 bytes."""
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()
