"""safetensors files, written array by array and read with every claim checked.

The format is safetensors: eight bytes with the length of a JSON header, the header, then the arrays. A large
state is written without a second copy in memory, byte for byte as the safetensors library does
(https://github.com/huggingface/safetensors#format). Every claim of a header is checked against the size of
the file before an array is made.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.disk import Written
from epochal.runs.sealed import parse

__all__ = ["Tensors", "parse_tensors", "read_tensors", "write_tensors"]

Tensors = dict[str, NDArray[Any]]

_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
    "C64": np.dtype("<c8"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
}
"""By name, from the least to the most strictly aligned; arrays are stored in reverse order."""

_NAMES = {dtype: (rank, name) for rank, (name, dtype) in enumerate(_DTYPES.items())}
_HEADER = 100_000_000
"""Most bytes of a header in the format."""
_METADATA = "__metadata__"
_DIMENSIONS = 32


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> Written:
    """Write arrays by name to a new file, synced.

    Args:
        path: the file, which must not exist.
        tensors: arrays of any shape; of a dtype of the format, bfloat16 included.
        metadata: texts by name, kept in the header.

    Raises:
        TypeError: a dtype that the format does not have, such as text.
        ValueError: a reserved name, or a header of more than 100 MB.
        OSError: the file can't be written.
    """
    ordered = _ordered(tensors)
    return disk.write(path, _pieces(ordered, _header(ordered, metadata)))


def _ordered(tensors: Mapping[str, NDArray[Any]]) -> list[tuple[str, str, NDArray[Any]]]:
    """Name, dtype and array, in storage order."""
    found = []
    for name, value in tensors.items():
        array = np.asarray(value)
        known = _NAMES.get(array.dtype.newbyteorder("<"))
        if known is None:
            raise TypeError(f"{name} must have a type that safetensors knows; got {array.dtype}")
        if name == _METADATA:
            raise ValueError(f"an array can't be called {name}")
        found.append((-known[0], name, known[1], array))
    return [(name, kind, array) for _, name, kind, array in sorted(found, key=lambda one: one[:2])]


def _header(ordered: list[tuple[str, str, NDArray[Any]]], metadata: Mapping[str, str] | None) -> bytes:
    entries: dict[str, Any] = {} if metadata is None else {_METADATA: dict(metadata)}
    begin = 0
    for name, kind, array in ordered:
        end = begin + array.nbytes
        entries[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _HEADER:
        raise ValueError(f"the header must have at most {_HEADER:,} bytes; got {len(text):,}")
    return struct.pack("<Q", len(text)) + text


def _pieces(ordered: list[tuple[str, str, NDArray[Any]]], header: bytes) -> Iterator[Any]:
    """The bytes of the file; a non-contiguous array is copied, one at a time."""
    yield header
    for _, kind, array in ordered:
        if array.size:
            yield np.ascontiguousarray(array, _DTYPES[kind]).reshape(-1).view(np.uint8)


def read_tensors(path: Path, expected: Written | None = None) -> tuple[Tensors, dict[str, str]]:
    """Read arrays and metadata.

    Args:
        path: a safetensors file.
        expected: the expected size, checked before allocation, and SHA-256.

    Raises:
        Refusal: no such file, not of that size or content, or not of the format.
    """
    content = disk.read(path, expected)
    try:
        return parse_tensors(content)
    except ValueError as error:
        raise Refusal(f'"{path}" is damaged: {" ".join(str(error).split()).rstrip(".")}.') from error


def parse_tensors(content: NDArray[np.uint8]) -> tuple[Tensors, dict[str, str]]:
    """Arrays and metadata of the bytes of a file; the arrays are parts of `content`, not copies.

    Raises:
        ValueError: the bytes are not of the format.
    """
    if len(content) < 8:
        raise ValueError("it is too short for a header")
    (length,) = struct.unpack("<Q", content[:8].tobytes())
    if length > min(_HEADER, len(content) - 8):
        raise ValueError(f"its header must fit in the file and in {_HEADER:,} bytes; it claims {length:,}")
    header = parse(content[8 : 8 + length].tobytes())
    if not isinstance(header, dict):
        raise ValueError("its header must be an object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata must be texts by name")
    data = content[8 + length :]
    entries = sorted((_entry(name, value) for name, value in header.items()), key=lambda one: one[1:3])
    tensors, at = {}, 0
    for name, begin, end, dtype, shape in entries:
        if begin != at:
            raise ValueError("its arrays must lie one after the other")
        if end > len(data):
            raise ValueError("an array must lie within the file")
        part = data[begin:end]
        aligned = part if part.ctypes.data % dtype.alignment == 0 else part.copy()
        tensors[name] = aligned.view(dtype).reshape(shape)
        at = end
    if at != len(data):
        raise ValueError("it must end with its last array")
    return {name: tensors[name] for name in header}, metadata


def _entry(name: str, value: Any) -> tuple[str, int, int, np.dtype[Any], tuple[int, ...]]:
    """The place, dtype and shape of an array, from its header entry, checked for consistency."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError("an array must have dtype, shape and data_offsets")
    dtype = _DTYPES.get(value["dtype"]) if isinstance(value["dtype"], str) else None
    if dtype is None:
        raise ValueError("an array must have a known dtype")
    shape, offsets = value["shape"], value["data_offsets"]
    if not _counts(shape) or len(shape) > _DIMENSIONS:
        raise ValueError(f"a shape must be at most {_DIMENSIONS} whole numbers")
    if not _counts(offsets) or len(offsets) != 2:
        raise ValueError("data_offsets must be two whole numbers")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array must have as many bytes as its shape and dtype say")
    return name, begin, end, dtype, tuple(shape)


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 2**63 for one in value
    )
