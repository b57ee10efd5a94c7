"""`LazyArray`: samples that are read on demand.

They stand for a dataset's inputs that stay in a file or behind an object: a shape and a dtype, as an array
has, and reading by index. Reading is thread-safe and depends on the indices alone.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import free_memory
from epochal.data.files.npy import Header
from epochal.data.values.rounding import FEW_VALUES, kept_float
from epochal.errors import DataFailed

MEMORY_SHARE = 0.25
"""Data above this share of the free memory is streamed, since training in memory needs it twice."""
_WATCH_SECONDS = 1.0
_QUICK_SECONDS = 2e-5
"""A faster read of a row came from memory, not from a disk."""


class LazyArray(ABC):
    """Samples `(n, *shape)` that are read on demand."""

    shape: tuple[int, ...]
    """The number of samples, then the shape of one."""
    dtype: np.dtype[Any]
    """The dtype after reading: float32, float64, uint8 or int32."""

    @abstractmethod
    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Write these samples to a contiguous array `(len(samples), *shape)`; raises `DataFailed`."""

    def take(self, samples: NDArray[np.int64], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """These samples, `(len(samples), *shape)`; in a contiguous `out` if given."""
        out = np.empty((len(samples), *self.shape[1:]), self.dtype) if out is None else out
        self.read(samples, out)
        return out

    def close(self) -> None:  # noqa: B027 (most have nothing to let go of)
        """Release resources, such as processes, until they are needed again."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice | NDArray[np.int64]) -> NDArray[Any]:
        if isinstance(which, slice):
            which = np.arange(*which.indices(len(self)), dtype=np.int64)
        return self.take(which)

    @property
    def ndim(self) -> int:
        """Dimensions, the samples' axis included."""
        return len(self.shape)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample after reading."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize


Inputs = NDArray[Any] | LazyArray
"""Samples in memory, or readable on demand."""


class MemoryArray(LazyArray):
    """The samples of an array in memory, or of a memory map.

    >>> MemoryArray(np.float32([[1], [2], [3]])).take(np.array([2, 0])).tolist()
    [[3.0], [1.0]]
    """

    def __init__(self, array: NDArray[Any], dtype: np.dtype[Any] | None = None) -> None:
        self.shape = array.shape
        self.dtype = kept_dtype(array.dtype, array.ndim) if dtype is None else dtype
        self._array = array

    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        if self._array.dtype == self.dtype and self._array.flags.c_contiguous:
            np.take(self._array, samples, axis=0, out=out, mode="clip")
        else:
            with np.errstate(over="ignore"):
                out[...] = self._array[samples]


class FileArray(LazyArray):
    """The rows of a file of numbers, such as `.npy`.

    Read by plain reads into new memory: touched pages of a memory map would count as memory, and grow with
    the data.

    Args:
        path, header: of the file.
        kept: the dtype after reading.
        without: the column to leave out (the target), for rows of one dimension.
        made_of: source files, which must not change either.
    """

    def __init__(
        self, path: Path, header: Header, kept: Any, without: int | None = None, made_of: Iterable[Path] = ()
    ) -> None:
        shape, dtype, _, offset = header
        self._stored, self._offset, self._without = dtype, offset, without
        self._values = int(np.prod(shape[1:], dtype=np.int64))
        self._stride = self._values * dtype.itemsize
        self.shape = shape if without is None else (shape[0], shape[1] - 1)
        self.dtype = np.dtype(kept)
        self.path = path
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._lock = threading.Lock()
        self._quick = True
        self._watch = FileChangeCheck([path, *made_of])

    def read(self, samples: NDArray[np.int64], out: NDArray[Any]) -> None:
        self._watch.check()
        at = self._without
        if self._stored == self.dtype and at is None:
            self._read(samples, out)
            return
        values = np.empty((len(samples), self._values), self._stored)
        self._read(samples, values)
        with np.errstate(over="ignore"):
            if at is None:
                out.reshape(values.shape)[...] = values
            else:
                out[:, :at], out[:, at:] = values[:, :at], values[:, at + 1 :]

    def column(self, others: NDArray[Any] | None = None) -> NDArray[Any]:
        """The column `without`, of all rows, as stored; the other columns go to an array, if given.

        Reads the whole file once, in blocks.
        """
        at = self._without
        assert at is not None
        column = np.empty(self.shape[0], self._stored)
        step = max(1, (1 << 22) // self._stride)
        block = np.empty((step, self._values), self._stored)
        for start in range(0, self.shape[0], step):
            some = np.arange(start, min(start + step, self.shape[0]), dtype=np.int64)
            values = block[: len(some)]
            self._read(some, values)
            here = slice(start, start + len(some))
            column[here] = values[:, at]
            if others is not None:
                with np.errstate(over="ignore"):
                    others[here, :at], others[here, at:] = values[:, :at], values[:, at + 1 :]
        return column

    def _read(self, samples: NDArray[np.int64], into: NDArray[Any]) -> None:
        """Read rows, with one call for consecutive ones."""
        places: NDArray[np.uint8] = into.reshape(len(samples), self._values).view(np.uint8)
        at: NDArray[np.int64] = self._offset + samples * self._stride
        breaks = np.flatnonzero(np.diff(samples) != 1) + 1
        # Reads from the page cache are so short that threads would spend more time waiting for the GIL than
        # reading, so one thread is faster. Reads from a disk wait, and run in parallel.
        with self._lock if self._quick else nullcontext():
            begin = time.perf_counter()
            try:
                if len(breaks) < len(samples) - 1 or not hasattr(os, "preadv"):
                    for first, end in pairwise([0, *breaks.tolist(), len(at)]):
                        self._fill(places[first:end].reshape(-1).data, int(at[first]))
                else:  # a Python loop would double the time
                    read = map(os.preadv, repeat(self._file), zip(places, strict=True), at.tolist())
                    for row, count in enumerate(read):
                        if count != self._stride:
                            self._fill(places[row].data, int(at[row]))
            except OSError as error:
                raise DataFailed(f"{self.path.name} can't be read: {error.strerror or error}.") from error
            self._quick = time.perf_counter() - begin < _QUICK_SECONDS * len(samples)

    def _fill(self, place: memoryview, at: int) -> None:
        """Read from an offset; a read may be short, after a signal or beyond 2 GB."""
        done = 0
        while done < len(place):
            if hasattr(os, "preadv"):
                got = os.preadv(self._file, [place[done:]], at + done)
            else:  # on Windows: seek and read under the lock
                os.lseek(self._file, at + done, os.SEEK_SET)
                data = os.read(self._file, len(place) - done)
                got = len(data)
                place[done : done + got] = data
            if not got:
                raise DataFailed(f"{self.path.name} has become shorter while it was read. Train once more.")
            done += got


class FileChangeCheck:
    """Detects changes of files since it was made, checking at most once a second."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known = {path: self._state(path) for path in paths}
        self._next = time.monotonic() + _WATCH_SECONDS

    @staticmethod
    def _state(path: Path) -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns

    def check(self, now: bool = False) -> None:
        """Raise `DataFailed` for a file whose size or modification time has changed."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _WATCH_SECONDS
        for path, known in self._known.items():
            if self._state(path) != known:
                raise DataFailed(
                    f"{path.name} has changed since the training began, so samples of two versions would "
                    "mix. Train once more."
                )


def kept_dtype(dtype: np.dtype[Any], dimensions: int) -> np.dtype[Any]:
    """The stored dtype of numbers: bytes of three or more dimensions stay (images), others become float32.

    >>> str(kept_dtype(np.dtype("u1"), 4)), str(kept_dtype(np.dtype("f8"), 2))
    ('uint8', 'float32')
    """
    return np.dtype(np.uint8 if dtype == np.uint8 and dimensions > 2 else np.float32)


def sampled(rows: LazyArray, max_samples: int = 64) -> NDArray[Any]:
    """A few evenly spaced samples, for the fingerprint of large data."""
    return rows.take(np.unique(np.linspace(0, len(rows) - 1, min(max_samples, len(rows))).astype(np.int64)))


def streams(size: int, stream: bool | None) -> bool:
    """Whether to stream inputs of this many bytes: as requested, or if they are large.

    >>> streams(10, None), streams(10, True), streams(1 << 60, False)
    (False, True, False)
    """
    return size > MEMORY_SHARE * free_memory() if stream is None else stream


def lazy_array(array: NDArray[Any]) -> LazyArray:
    """The samples of an array; those of a memory map are read from its file."""
    mapped: Any = array
    plain = isinstance(array, np.memmap) and array.flags.c_contiguous and array.dtype.kind in "buif"
    image = array.dtype == np.uint8 and array.ndim > 2
    kept = array.dtype if image else kept_float(np.asarray(array), FEW_VALUES)
    if not plain or mapped.filename is None or mapped.mode == "c":
        return MemoryArray(np.asarray(array), kept)
    # A view has the offset of the whole map: what counts is where it begins in the map.
    within = mapped.__array_interface__["data"][0] - np.frombuffer(mapped._mmap, np.uint8).ctypes.data
    begin = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
    header = Header(array.shape, array.dtype, False, begin + within)
    return FileArray(Path(mapped.filename), header, kept)


def streams_note(rows: LazyArray, where: str) -> str:
    """A note on streamed inputs."""
    size = rows.sample_bytes * len(rows)
    unit, scale = ("GB", 1e9) if size >= 1e9 else ("MB", 1e6) if size >= 1e6 else ("kB", 1e3)
    return (
        f"the inputs ({size / scale:,.1f} {unit}) stay in {where} and are read batch by batch; "
        "`stream=False` takes them into memory."
    )
