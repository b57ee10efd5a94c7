"""Safe reading of `.npy` and `.npz` files.

NumPy's reader allocates what a header claims before it checks the file, and raises many kinds of errors at
damaged headers and archives. Here, claims are checked against the size first. Object arrays, which could
hold code, are never read.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
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
_MAX_UNFOLDED = 1032


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
    """The header of an `.npy` file, checked against its size; object arrays are refused."""
    with _refusing(path.name), path.open("rb") as file:
        return _header(file, path.stat().st_size, path.name)


def read_array(path: Path) -> NDArray[Any]:
    """The array in an `.npy` file; refused as by `npy_header`."""
    with _refusing(path.name), path.open("rb") as file:
        return _array(file, path.stat().st_size, path.name)


def read_archive(
    path: Path, choices: Sequence[Sequence[str]]
) -> tuple[list[NDArray[Any] | None], Sequence[str]]:
    """For each choice of names the first array of an `.npz` file that has one of them, and all its names."""
    with _refusing(path.name), zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        found = (next((name for name in choice if name in names), None) for choice in choices)
        return [None if name is None else _member(archive, name, path.name) for name in found], names


def _member(archive: zipfile.ZipFile, name: str, of: str) -> NDArray[Any]:
    with _refusing(f'"{name}" in {of}') as member:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type not in _METHODS:
            raise ValueError("it is packed in another way than NumPy packs arrays")
        if info.file_size > _MAX_UNFOLDED * info.compress_size + _BLOCK_BYTES:
            raise ValueError("it claims to unfold to more bytes than it can")
        if info.file_size > free_memory():
            raise ValueError(f"its {info.file_size:,} bytes do not fit into the free memory")
        with archive.open(info) as file:
            values = _array(file, info.file_size, member)
            while file.read(_BLOCK_BYTES):  # to the end, where the checksum is verified
                pass
            return values


@contextmanager
def _refusing(name: str) -> Iterator[str]:
    try:
        yield name
    except Refusal:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
        raise Refusal(f"{name} can't be read as NumPy arrays: {reason}.") from error


def _header(file: IO[bytes], size: int, name: str) -> Header:
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
        rows = shape[0] if shape else 1
        at = max(0, size - found.offset) * rows // max(1, found.nbytes) + 1
        raise Refusal(
            f"{name} must hold {rows:,} rows as its header says; it ends in row {at:,}. Copy it again."
        )
    return found


def _array(file: IO[bytes], size: int, name: str) -> NDArray[Any]:
    header = _header(file, size, name)
    if header.nbytes > free_memory():
        raise ValueError(f"its {header.nbytes:,} bytes do not fit into the free memory")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
