"""Safe reading of `.npy` and `.npz` files.

NumPy's reader allocates what a header claims before it checks the file, and raises many kinds of errors at
damaged headers and archives. Here, claims are checked against the bytes first. Object arrays, which could
hold code, are never read.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import free_memory
from epochal.errors import Refusal

ARRAY_SUFFIXES = (".npy", ".npz")

_BLOCK_BYTES = 1 << 22
_DIMENSIONS = 32
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""NumPy's compression methods; deflate expands at most 1,032 times."""
_MOST_UNFOLDED = 1032


class Header(NamedTuple):
    """The header of an array; values begin at `offset`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def npy_header(path: Path) -> Header:
    """The header of an `.npy` file, checked against its size.

    Raises:
        Refusal: no such file, an object array, or a file shorter than its header claims.
    """
    with _refusing(path), path.open("rb") as file:
        return _header(file, path.stat().st_size)


def read_array(path: Path) -> NDArray[Any]:
    """The array in an `.npy` file.

    Raises:
        Refusal: as `npy_header`.
    """
    with _refusing(path), path.open("rb") as file:
        return _values(file, _header(file, path.stat().st_size))


class Archive:
    """The arrays in an `.npz` file by name, each read on access."""

    def __init__(self, path: Path, held: zipfile.ZipFile) -> None:
        self._path, self._held = path, held
        self.names = tuple(name.removesuffix(".npy") for name in held.namelist() if name.endswith(".npy"))

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> NDArray[Any]:
        with _refusing(self._path, f'"{name}" in {self._path.name}'):
            info = self._held.getinfo(f"{name}.npy")
            if info.compress_type not in _METHODS:
                raise ValueError("it is packed in another way than NumPy packs arrays")
            if info.file_size > _MOST_UNFOLDED * info.compress_size + _BLOCK_BYTES:
                raise ValueError("it claims to unfold to more bytes than it can")
            if info.file_size > free_memory():
                raise ValueError(f"its {info.file_size:,} bytes do not fit into the free memory")
            with self._held.open(info) as file:
                values = _values(file, _header(file, info.file_size))
                while file.read(_BLOCK_BYTES):  # to the end, where the checksum is verified
                    pass
                return values


@contextmanager
def open_npz(path: Path) -> Iterator[Archive]:
    """An `.npz` file, readable within the context.

    Raises:
        Refusal: no such file, or a damaged array.
    """
    with _refusing(path):
        held = zipfile.ZipFile(path)
    with held:
        yield Archive(path, held)


@contextmanager
def _refusing(path: Path, what: str | None = None) -> Iterator[None]:
    """Turn any error of parsing and decompression into a refusal."""
    try:
        yield
    except Refusal:
        raise
    except _Short as error:
        raise Refusal(f"{what or path.name} {error}") from error
    except Exception as error:
        said = " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
        raise Refusal(f"{what or path.name} can't be read as NumPy arrays: {said}.") from error


class _Short(ValueError):
    """Fewer values than the header claims."""


def _ends(header: Header, size: int) -> str:
    """What a file of this size is missing."""
    rows = header.shape[0] if header.shape else 1
    at = max(0, size - header.offset) * rows // max(1, header.nbytes) + 1
    return f"must hold {rows:,} rows as its header says; it ends in row {at:,}. Copy it again."


def _header(file: IO[bytes], size: int) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its format {version[0]}.{version[1]} is not known")
    first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("its header is no description of an array") from error
    if dtype.hasobject:
        raise ValueError("objects, which could hold code")
    if len(shape) > _DIMENSIONS or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("its shape must be whole numbers")
    found = Header(shape, dtype, bool(fortran), file.tell())
    if found.offset + found.nbytes > size:
        raise _Short(_ends(found, size))
    return found


def _values(file: IO[bytes], header: Header) -> NDArray[Any]:
    if header.nbytes > free_memory():
        raise ValueError(f"its {header.nbytes:,} bytes do not fit into the free memory")
    flat = np.empty(header.nbytes, np.uint8)
    view = flat.data
    for start in range(0, header.nbytes, _BLOCK_BYTES):
        block = file.read(min(_BLOCK_BYTES, header.nbytes - start))
        view[start : start + len(block)] = block
        if len(block) < min(_BLOCK_BYTES, header.nbytes - start):
            raise _Short(_ends(header, header.offset + start + len(block)))
    values = flat.view(header.dtype) if header.nbytes else np.empty(0, header.dtype)
    if header.fortran:
        return values.reshape(header.shape[::-1]).T
    return values.reshape(header.shape)
