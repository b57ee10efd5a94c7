"""Durable file operations for run folders.

Every write is checked, and a file is hashed on the way and synced before it is closed. A new name lasts when
its folder is synced, which is up to the caller.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.data.records import Record
from epochal.errors import Refusal, reason

_CHUNK = 8 << 20
_THREADED = 1 << 20
"""Bytes from which hashing in a thread pays off."""


@dataclass(frozen=True)
class Digest(Record):
    """The size of a file in bytes, and its SHA-256."""

    size: int
    sha256: str


class _Hash:
    """SHA-256 during reading or writing: large pieces in a thread."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def update(self, piece: memoryview) -> None:
        """Hash a piece, which must not change until `wait` or the next `update` returns."""
        self.wait()
        if len(piece) >= _THREADED:
            self._pool = self._pool or ThreadPoolExecutor(1)
            with suppress(RuntimeError):  # no new threads at interpreter shutdown
                self._running = self._pool.submit(self._digest.update, piece)
                return
        self._digest.update(piece)

    def wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None

    def end(self) -> str:
        self.wait()
        if self._pool is not None:
            self._pool.shutdown()
        return self._digest.hexdigest()


_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_DONTNEED = getattr(os, "POSIX_FADV_DONTNEED", None)
"""Linux takes it as a hint to write dirty pages."""


def write(path: Path, pieces: Iterable[Any]) -> Digest:
    """Write a new file from buffers, synced and hashed; its name lasts once its folder is synced."""
    hashing, size = _Hash(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o666)
    try:
        for piece in pieces:
            view = memoryview(piece).cast("B")
            for start in range(0, len(view), _CHUNK):
                left = chunk = view[start : start + _CHUNK]
                hashing.update(chunk)
                while left:
                    left = left[os.write(descriptor, left) :]
                if len(chunk) == _CHUNK and _DONTNEED is not None:  # so that the sync is short
                    with suppress(OSError):
                        os.posix_fadvise(descriptor, size, _CHUNK, _DONTNEED)
                size += len(chunk)
        _flush(descriptor)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)
    return Digest(size, hashing.end())


def _flush(descriptor: int) -> None:
    if sys.platform == "darwin":  # fsync leaves bytes in the drive's cache there
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    if os.name == "nt" and path.is_dir():
        return  # no descriptors of folders, and names are durable
    descriptor = os.open(path, os.O_RDONLY | _PLAIN)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def make(path: Path) -> None:
    """Make a folder in an existing one, without syncing."""
    os.mkdir(path)


def make_folder(path: Path) -> list[Path]:
    """Make a folder and its missing parents durably; the new ones, the lowest first."""
    missing = [one for one in (path, *path.parents) if not one.is_dir()]
    for one in reversed(missing):
        make(one)
        sync(one.parent)
    return missing


def unwritable(folder: Path, error: Exception, more: str = "") -> Refusal:
    """The refusal of a run folder that can't be written."""
    why = reason(error) if isinstance(error, OSError) else str(error)
    return Refusal(f'the run folder "{folder}" can\'t be written: {why}{more}.')


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which then gets its name; after an error nothing is left, new parents neither."""
    made = path.parent / f".{path.name}-{uuid.uuid4().hex[:8]}"
    above = [one for one in path.parents if not one.exists()]
    try:
        make_folder(path.parent)
        make(made)
        yield made
        sync(made)
        rename(made, path)
        made = path
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            remove(made)
        with suppress(OSError):
            for one in above:
                remove_empty(one)
        raise


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder; the new name must be free."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.rename(source, target)


def replace(source: Path, target: Path) -> None:
    """Atomically replace a file by another."""
    os.replace(source, target)


def link(source: Path, target: Path) -> bool:
    """Hard-link a file; False if it is gone, or the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


_NO_LINKS = (
    errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS
)  # fmt: skip


def remove_empty(path: Path) -> None:
    """Remove an empty folder."""
    os.rmdir(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; symbolic links are not followed."""
    if path.is_dir() and not path.is_symlink():
        with os.scandir(path) as entries:
            inside = [path / entry.name for entry in entries]
        for one in inside:
            remove(one)
        remove_empty(path)
    else:
        os.unlink(path)


# Reading ----------------------------------------------------------------------------------------------------


def measure(path: Path) -> Digest:
    """Hash a file without holding it in memory."""
    hashing, count = _Hash(), 0
    buffers = [memoryview(bytearray(_THREADED)) for _ in range(2)]  # double buffering for the hash
    with _opened(path) as file:
        while got := file.readinto(buffers[0]):
            hashing.update(buffers[0][:got])
            buffers.reverse()
            count += got
    return Digest(count, hashing.end())


def read(path: Path, expected: Digest | None = None, limit: int | None = None) -> bytes:
    """All bytes of a file; its expected size and the limit are checked before memory is taken."""
    hashing = _Hash()
    with _readable(path), _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise Refusal(f'"{path}" must have at most {limit:,} bytes; got {size:,}.')
        if expected is not None:
            _compare(path, expected, size)
        view, count = memoryview(bytearray(size)), 0
        while count < size and (got := file.readinto(view[count : count + _THREADED])):
            if expected is not None:
                hashing.update(view[count : count + got])
            count += got
    found = hashing.end()
    if expected is not None:
        _compare(path, expected, count, found)
    return bytes(view[:count])


def check(path: Path, expected: Digest) -> None:
    """Refuse a file with another size or SHA-256, in constant memory."""
    with _readable(path):
        _compare(path, expected, path.stat().st_size)
        found = measure(path)
    _compare(path, expected, found.size, found.sha256)


def _compare(path: Path, expected: Digest, size: int, sha256: str | None = None) -> None:
    if size != expected.size:
        raise Refusal(f'"{path}" is damaged: it must have {expected.size:,} bytes; it has {size:,}.')
    if sha256 not in (None, expected.sha256):
        raise Refusal(f'"{path}" is damaged: its content is not what was written (SHA-256).')


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(f'"{path}" can\'t be read: {reason(error)}.') from error


@contextmanager
def _opened(path: Path) -> Iterator[io.FileIO]:
    """A regular file for reading; pipes and devices neither block nor are read."""
    descriptor = os.open(path, os.O_RDONLY | _PLAIN | getattr(os, "O_NONBLOCK", 0))
    with io.FileIO(descriptor) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refusal(f'"{path}" must be a file; it is something else.')
        yield file
